// to_pg.cc: JavaScript values to datums. null and undefined become NULL.
//
//   A number for an integer type is cut towards zero and must fit. A string, and anything else that is not of the type's
//   own kind, goes through the type's input function as text. Date fits date and timestamps; typed arrays and ArrayBuffers are bytea; objects are rows;
//   json and jsonb take what JSON.stringify makes of the value. Domains check their constraints.
#include "plv8.h"

#include <cmath>

extern "C" {
#include "utils/array.h"
#include "utils/date.h"
#include "utils/fmgrprotos.h"
#include "utils/jsonb.h"
#include "utils/lsyscache.h"
#include "utils/timestamp.h"
#include "utils/typcache.h"
}

namespace plv8 {

static const double EPOCH_SHIFT_DAYS = POSTGRES_EPOCH_JDATE - UNIX_EPOCH_JDATE;

static bool by_text(Local<Context> context, TypeInfo *type, int32 typmod, Local<Value> value, Datum *datum)
{
	char *text = to_cstring(context, value);
	if (text == nullptr)
		return false;
	bool ok = guarded_js([&] {
		type_need_in(type);
		*datum = InputFunctionCall(&type->in, text, type->ioparam, typmod);
	});
	if (ok)
		pfree(text);
	return ok;
}

static bool out_of_range(Local<Context> context, Local<Value> value, const char *type)
{
	throw_code(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "value \"%.80s\" is out of range for type %s",
	           describe(context, value).c_str(), type);
	return false;
}

// An integer in [min, max] from a number or BigInt.
static bool integer_of(Local<Context> context, Local<Value> value, double min, double max, const char *name, int64 *out)
{
	if (value->IsInt32()) {
		*out = value.As<v8::Int32>()->Value();
		return (*out >= min && *out <= max) || out_of_range(context, value, name);
	}
	if (value->IsBigInt()) {
		bool lossless;
		*out = value.As<v8::BigInt>()->Int64Value(&lossless);
		return (lossless && static_cast<double>(*out) >= min && (max >= 9.2e18 || static_cast<double>(*out) <= max)) ||
		       out_of_range(context, value, name);
	}
	double number = std::trunc(value.As<v8::Number>()->Value());
	if (!(number >= min && (max >= 9.2e18 ? number < 9223372036854775808.0 : number <= max)))
		return out_of_range(context, value, name);
	*out = static_cast<int64>(number);
	return true;
}

bool stringify(Local<Context> context, Local<Value> value, Local<String> *out)
{
	return v8::JSON::Stringify(context, value).ToLocal(out);
}

// JSON.stringify(undefined) is undefined, which V8's C++ function gives as this word.
static bool has_no_json(Local<Value> value, Local<String> text)
{
	return !value->IsString() && text->Length() == 9 && text->StringEquals(ascii("undefined"));
}

static bool json_to_pg(Local<Context> context, TypeInfo *type, Local<Value> value, Datum *datum, bool *isnull)
{
	Local<String> text;
	if (!stringify(context, value, &text))
		return false;
	if (has_no_json(value, text)) {
		*isnull = true;
		return true;
	}
	if (type->kind == Kind::Json) {
		struct varlena *json = to_text(context, text);
		*datum = PointerGetDatum(json);
		return json != nullptr;
	}
	char *bytes = to_cstring(context, text);
	if (bytes == nullptr)
		return false;
	bool ok = guarded_js([&] { *datum = DirectFunctionCall1(jsonb_in, CStringGetDatum(bytes)); });
	if (ok)
		pfree(bytes);
	return ok;
}

static bool bytes_to_pg(const void *bytes, size_t length, Datum *datum)
{
	if (length > MaxAllocSize - VARHDRSZ) {
		throw_code(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "a buffer of %zu bytes is too long for a bytea, whose limit is 1 GB", length);
		return false;
	}
	struct varlena *copy = static_cast<struct varlena *>(palloc_extended(length + VARHDRSZ, MCXT_ALLOC_NO_OOM));
	if (copy == nullptr) {
		throw_code(ERRCODE_OUT_OF_MEMORY, "no memory for a bytea of %zu bytes", length);
		return false;
	}
	SET_VARSIZE(copy, length + VARHDRSZ);
	if (length)
		memcpy(VARDATA(copy), bytes, length);
	*datum = PointerGetDatum(copy);
	return true;
}

static bool bytea_to_pg(Local<Context> context, TypeInfo *type, Local<Value> value, Datum *datum)
{
	if (value->IsArrayBufferView()) {
		Local<v8::ArrayBufferView> view = value.As<v8::ArrayBufferView>();
		size_t length = view->ByteLength();
		const char *base = static_cast<const char *>(view->Buffer()->GetBackingStore()->Data());
		return bytes_to_pg(base + (length ? view->ByteOffset() : 0), length, datum);
	}
	if (value->IsArrayBuffer()) {
		auto store = value.As<v8::ArrayBuffer>()->GetBackingStore();
		return bytes_to_pg(store->Data(), store->ByteLength(), datum);
	}
	if (value->IsSharedArrayBuffer()) {
		auto store = value.As<v8::SharedArrayBuffer>()->GetBackingStore();
		return bytes_to_pg(store->Data(), store->ByteLength(), datum);
	}
	return by_text(context, type, -1, value, datum);
}

static bool date_to_pg(Local<Context> context, TypeInfo *type, int32 typmod, Local<Value> value, Datum *datum)
{
	bool day = type->kind == Kind::Date;
	if (value->IsNumber() && std::isinf(value.As<v8::Number>()->Value())) {
		bool end = value.As<v8::Number>()->Value() > 0;
		if (day)
			*datum = DateADTGetDatum(end ? DATEVAL_NOEND : DATEVAL_NOBEGIN);
		else
			*datum = TimestampGetDatum(end ? DT_NOEND : DT_NOBEGIN);
		return true;
	}
	if (!value->IsDate())
		return by_text(context, type, typmod, value, datum);
	double ms = value.As<v8::Date>()->ValueOf();
	if (std::isnan(ms)) {
		throw_code(ERRCODE_DATETIME_VALUE_OUT_OF_RANGE, "an invalid Date has no %s",
		           day ? "date" : type->kind == Kind::Timestamp ? "timestamp" : "timestamp with time zone");
		return false;
	}
	if (day) {
		double days = std::floor(ms / 86400000.0) - EPOCH_SHIFT_DAYS;
		if (!IS_VALID_DATE(static_cast<DateADT>(days)))
			return out_of_range(context, value, "date");
		*datum = DateADTGetDatum(static_cast<DateADT>(days));
		return true;
	}
	Timestamp stamp = (static_cast<int64>(ms) - static_cast<int64>(EPOCH_SHIFT_DAYS) * INT64CONST(86400000)) * 1000;
	if (!IS_VALID_TIMESTAMP(stamp))
		return out_of_range(context, value, "timestamp");
	*datum = TimestampGetDatum(stamp);
	if (typmod < 0)
		return true;
	return guarded_js([&] {
		*datum = DirectFunctionCall2(type->kind == Kind::Timestamp ? timestamp_scale : timestamptz_scale, *datum, Int32GetDatum(typmod));
	});
}

// ------------------------------------------------------------------------------------------------ arrays

struct Elements {
	TypeInfo *elem;
	int32 typmod;
	int ndim = 0;
	int dims[MAXDIM];
	std::vector<Datum> datums;
	std::vector<bool> nulls;
	bool any_null = false;
};

static bool is_list(TypeInfo *elem, Local<Value> value)
{
	// A JSON element may be an array itself; such an array has one dimension.
	return value->IsArray() && elem->kind != Kind::Json && elem->kind != Kind::Jsonb;
}

static bool ragged()
{
	throw_code(ERRCODE_ARRAY_SUBSCRIPT_ERROR, "nested arrays must have the same length in each dimension to make a PostgreSQL array");
	return false;
}

static bool collect(Local<Context> context, Elements *out, Local<Value> list, int depth)
{
	Local<Object> object = list.As<Object>();
	bool typed = list->IsTypedArray();
	size_t length = typed ? list.As<v8::TypedArray>()->Length() : list.As<v8::Array>()->Length();

	if (length > MaxAllocSize / sizeof(Datum)) {
		throw_code(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "an array of %zu elements is too long for PostgreSQL", length);
		return false;
	}
	if (depth == out->ndim) {
		if (depth == MAXDIM) {
			throw_code(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "a PostgreSQL array has at most %d dimensions", MAXDIM);
			return false;
		}
		if (!out->datums.empty())
			return ragged();
		out->dims[out->ndim++] = static_cast<int>(length);
	} else if (out->dims[depth] != static_cast<int>(length))
		return ragged();
	for (size_t i = 0; i < length; i++) {
		HandleScope scope(isolate());
		Local<Value> item;
		if ((i & 4095) == 4095 && interrupted())
			return false;
		if (!object->Get(context, static_cast<uint32_t>(i)).ToLocal(&item))
			return false;
		if (!typed && is_list(out->elem, item)) {
			if (depth + 1 == out->ndim && !out->datums.empty())
				return ragged();
			if (!collect(context, out, item, depth + 1))
				return false;
			continue;
		}
		if (depth + 1 < out->ndim)
			return ragged();
		Datum datum = 0;
		bool isnull = false;
		if (!to_pg(context, out->elem, out->typmod, item, &datum, &isnull))
			return false;
		out->datums.push_back(datum);
		out->nulls.push_back(isnull);
		out->any_null |= isnull;
	}
	return true;
}

// The two types that look like arrays, but must have one dimension, no NULL, and count from 0.
static bool vector_to_pg(TypeInfo *type, const Elements &found, Datum *datum)
{
	if (found.ndim > 1 || found.any_null) {
		throw_code(ERRCODE_ARRAY_ELEMENT_ERROR, "an %s has one dimension and no NULL", type->base == OIDVECTOROID ? "oidvector" : "int2vector");
		return false;
	}
	const Datum *datums = found.datums.data();
	int count = static_cast<int>(found.datums.size());
	return guarded_js([&] {
		if (type->base == OIDVECTOROID) {
			oidvector *vector = buildoidvector(nullptr, count);
			for (int i = 0; i < count; i++)
				vector->values[i] = DatumGetObjectId(datums[i]);
			*datum = PointerGetDatum(vector);
		} else {
			int2vector *vector = buildint2vector(nullptr, count);
			for (int i = 0; i < count; i++)
				vector->values[i] = DatumGetInt16(datums[i]);
			*datum = PointerGetDatum(vector);
		}
	});
}

static bool array_to_pg(Local<Context> context, TypeInfo *type, int32 typmod, Local<Value> value, Datum *datum)
{
	if (!value->IsArray() && !value->IsTypedArray()) {
		if (value->IsString())
			return by_text(context, type, typmod, value, datum);
		throw_code(ERRCODE_DATATYPE_MISMATCH, "value is not an Array");
		return false;
	}
	Elements found;
	found.elem = type->elem;
	found.typmod = typmod;
	if (!guarded_js([&] {
			if (found.elem->stale)
				found.elem = type->elem = type_info(found.elem->typid);
		}))
		return false;
	if (!collect(context, &found, value, 0))
		return false;
	// vector<bool> is packed; the server wants one bool each
	std::vector<char> nulls(found.nulls.begin(), found.nulls.end());
	int lbs[MAXDIM];
	for (int i = 0; i < MAXDIM; i++)
		lbs[i] = 1;
	Datum *datums = found.datums.data();
	bool *isnull = found.any_null ? reinterpret_cast<bool *>(nulls.data()) : nullptr;
	bool empty = found.datums.empty();
	if (type->base == INT2VECTOROID || type->base == OIDVECTOROID)
		return vector_to_pg(type, found, datum);
	TypeInfo *elem = found.elem;
	int ndim = found.ndim;
	int *dims = found.dims;
	return guarded_js([&] {
		ArrayType *array = empty ? construct_empty_array(elem->typid)
		                         : construct_md_array(datums, isnull, ndim, dims, lbs, elem->typid, elem->len,
		                                              elem->byval, elem->align);
		*datum = PointerGetDatum(array);
	});
}

// -------------------------------------------------------------------------------------------------- rows

// A primitive is the same if it equals; an object may have been changed in place, so it never counts as kept.
static bool unchanged(Local<Value> now, Local<Value> before)
{
	return !now->IsObject() && now->SameValue(before);
}

bool row_to_pg(Local<Context> context, RowShape *shape, TupleDesc desc, Local<Value> value, Datum *datums, bool *nulls,
               const std::vector<Local<Value>> *kept, HeapTuple from)
{
	if (!value->IsObject()) {
		throw_code(ERRCODE_DATATYPE_MISMATCH, "argument must be an object");
		return false;
	}
	Local<Object> object = value.As<Object>();
	for (int i = 0; i < shape->natts; i++) {
		HandleScope scope(isolate());
		RowShape::Column &column = shape->columns[static_cast<size_t>(i)];
		datums[i] = 0;
		nulls[i] = true;
		if (column.dropped)
			continue;
		Local<String> name = column.name.Get(isolate());
		Local<Value> item;
		if (!object->Get(context, name).ToLocal(&item))
			return false;
		if (kept && unchanged(item, (*kept)[static_cast<size_t>(i)]) && !item->IsUndefined()) {
			datums[i] = heap_getattr(from, i + 1, desc, &nulls[i]);
			continue;
		}
		if (item->IsUndefined()) {
			bool has;
			if (!object->Has(context, name).To(&has))
				return false;
			if (!has) {
				throw_code(ERRCODE_DATATYPE_MISMATCH, "field name / property name mismatch");
				return false;
			}
		}
		if (!to_pg(context, column.type, column.typmod, item, &datums[i], &nulls[i]))
			return false;
	}
	return true;
}

static bool composite_to_pg(Local<Context> context, TypeInfo *type, Local<Value> value, Datum *datum)
{
	if (value->IsString() && type->base != RECORDOID)
		return by_text(context, type, -1, value, datum);
	if (type->base == RECORDOID) {
		throw_code(ERRCODE_DATATYPE_MISMATCH, "a value of type record has no known columns; use a named composite type");
		return false;
	}
	TupleDesc desc = nullptr;
	if (!guarded_js([&] { desc = lookup_rowtype_tupdesc_copy(type->base, -1); }))
		return false;
	RowShape shape;
	std::vector<Datum> datums(static_cast<size_t>(desc->natts));
	std::vector<char> nulls(static_cast<size_t>(desc->natts));
	Datum *values = datums.data();
	bool *isnull = reinterpret_cast<bool *>(nulls.data());
	if (!shape.load(desc) || !row_to_pg(context, &shape, desc, value, values, isnull))
		return false;
	return guarded_js([&] { *datum = HeapTupleGetDatum(heap_form_tuple(desc, values, isnull)); });
}

// ------------------------------------------------------------------------------------------------ scalars

static bool plain_to_pg(Local<Context> context, TypeInfo *type, int32 typmod, Local<Value> value, Datum *datum, bool *isnull)
{
	int64 integer;
	double number;

	switch (type->kind) {
		case Kind::Void:
			*datum = 0;
			return true;
		case Kind::Internal:
			*isnull = true;
			return true;
		case Kind::Bool:
			if (!value->IsBoolean())
				break;
			*datum = BoolGetDatum(value->BooleanValue(isolate()));
			return true;
		case Kind::Int2:
			if (!value->IsNumber() && !value->IsBigInt())
				break;
			if (!integer_of(context, value, -32768, 32767, "smallint", &integer))
				return false;
			*datum = Int16GetDatum(static_cast<int16>(integer));
			return true;
		case Kind::Int4:
			if (!value->IsNumber() && !value->IsBigInt())
				break;
			if (!integer_of(context, value, -2147483648.0, 2147483647.0, "integer", &integer))
				return false;
			*datum = Int32GetDatum(static_cast<int32>(integer));
			return true;
		case Kind::Int8:
			if (!value->IsNumber() && !value->IsBigInt())
				break;
			if (!integer_of(context, value, -9223372036854775808.0, 9.3e18, "bigint", &integer))
				return false;
			*datum = Int64GetDatum(integer);
			return true;
		case Kind::Oid:
			if (!value->IsNumber() && !value->IsBigInt())
				break;
			if (!integer_of(context, value, 0, 4294967295.0, "oid", &integer))
				return false;
			*datum = ObjectIdGetDatum(static_cast<Oid>(integer));
			return true;
		case Kind::Float4:
		case Kind::Float8:
			if (!value->IsNumber())
				break;
			number = value.As<v8::Number>()->Value();
			if (type->kind == Kind::Float8) {
				*datum = Float8GetDatum(number);
				return true;
			}
			if (std::isinf(static_cast<float>(number)) && !std::isinf(number))
				return out_of_range(context, value, "real");
			*datum = Float4GetDatum(static_cast<float4>(number));
			return true;
		case Kind::Text:
			if (typmod < 0) {
				struct varlena *text = to_text(context, value);
				*datum = PointerGetDatum(text);
				return text != nullptr;
			}
			break;
		case Kind::Bytea:
			return bytea_to_pg(context, type, value, datum);
		case Kind::Json:
		case Kind::Jsonb:
			return json_to_pg(context, type, value, datum, isnull);
		case Kind::Date:
		case Kind::Timestamp:
		case Kind::TimestampTz:
			return date_to_pg(context, type, typmod, value, datum);
		case Kind::Array:
			return array_to_pg(context, type, typmod, value, datum);
		case Kind::Composite:
			return composite_to_pg(context, type, value, datum);
		case Kind::Numeric:
		case Kind::Other:
			break;
	}
	return by_text(context, type, typmod, value, datum);
}

// A constraint may call code that checks the same domain, so a second check while one runs keeps to itself.
void check_domain(TypeInfo *type, Datum datum, bool isnull)
{
	if (type->domain_busy > 0) {
		domain_check(datum, isnull, type->typid, nullptr, nullptr);
		return;
	}
	type->domain_busy++;
	PG_TRY();
	{
		domain_check(datum, isnull, type->typid, &type->domain_extra, type->cxt);
	}
	PG_FINALLY();
	{
		type->domain_busy--;
	}
	PG_END_TRY();
}

bool to_pg(Local<Context> context, TypeInfo *type, int32 typmod, Local<Value> value, Datum *datum, bool *isnull)
{
	*datum = 0;
	*isnull = value->IsNullOrUndefined();
	if (type->domain && typmod < 0)
		typmod = type->base_typmod;
	if (!*isnull && !plain_to_pg(context, type, typmod, value, datum, isnull))
		return false;
	if (unlikely(type->domain))
		return guarded_js([&] { check_domain(type, *datum, *isnull); });
	return true;
}

}  // namespace plv8
