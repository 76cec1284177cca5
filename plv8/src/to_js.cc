// to_js.cc: datums to JavaScript values.
//
//   bool → boolean · int2, int4, oid, float4, float8 → number · int8 → BigInt · numeric → number
//   text, varchar, char(n) → string · bytea → Uint8Array · json, jsonb → the value they hold
//   date, timestamp, timestamptz → Date (a value beyond Date's range → ±Infinity for infinity, else its text)
//   array → nested Array, or typed array for plv8_int4array and its kin · row → object · domain → as its base
//   everything else → the type's text form · NULL → null
#include "platform.h"

#include <cmath>

extern "C" {
#include "catalog/pg_type.h"
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
static const double MAX_DATE_MS = 8.64e15;

static MaybeLocal<Value> by_text(TypeInfo *type, Datum datum)
{
	char *text = nullptr;
	if (!guarded_js([&] {
			type_need_out(type);
			text = OutputFunctionCall(&type->out, datum);
		}))
		return MaybeLocal<Value>();
	MaybeLocal<String> made = to_string(text);
	pfree(text);
	Local<String> string;
	return made.ToLocal(&string) ? string.As<Value>() : MaybeLocal<Value>();
}

static MaybeLocal<Value> date_value(Local<Context> context, TypeInfo *type, Datum datum, double ms)
{
	if (std::fabs(ms) > MAX_DATE_MS)
		return by_text(type, datum);
	return v8::Date::New(context, ms);
}

// A detoasted varlena, and whether it must be freed.
static struct varlena *detoast(Datum datum, bool packed_ok)
{
	struct varlena *flat = reinterpret_cast<struct varlena *>(DatumGetPointer(datum));
	// A pointer to a value stored out of line counts as short too.
	if (!VARATT_IS_EXTENDED(flat) || (packed_ok && VARATT_IS_SHORT(flat) && !VARATT_IS_EXTERNAL(flat)))
		return flat;
	if (!guarded_js([&] { flat = packed_ok ? pg_detoast_datum_packed(flat) : pg_detoast_datum(flat); }))
		return nullptr;
	return flat;
}

static void release(struct varlena *flat, Datum datum)
{
	if (reinterpret_cast<Pointer>(flat) != DatumGetPointer(datum))
		pfree(flat);
}

// A buffer of our own: V8's ArrayBuffer::New ends the process when memory is short.
static bool new_buffer(const void *bytes, size_t length, Local<v8::ArrayBuffer> *out)
{
	void *copy = buffer_allocate(length, false);
	if (copy == nullptr) {
		throw_code(ERRCODE_OUT_OF_MEMORY, "no room for a buffer of %zu bytes: the limit is plv8.memory_limit = %d MB",
		           length, settings.memory_limit);
		return false;
	}
	memcpy(copy, bytes, length);
	auto store = v8::ArrayBuffer::NewBackingStore(
		copy, length, [](void *data, size_t size, void *) { buffer_free(data, size); }, nullptr);
	*out = v8::ArrayBuffer::New(isolate(), std::move(store));
	return true;
}

static MaybeLocal<Value> bytea_to_js(Datum datum)
{
	struct varlena *flat = detoast(datum, true);
	if (flat == nullptr)
		return MaybeLocal<Value>();
	Local<v8::ArrayBuffer> buffer;
	size_t length = VARSIZE_ANY_EXHDR(flat);
	bool ok = new_buffer(VARDATA_ANY(flat), length, &buffer);
	release(flat, datum);
	if (!ok)
		return MaybeLocal<Value>();
	return v8::Uint8Array::New(buffer, 0, length);
}

static MaybeLocal<Value> parse_json(Local<Context> context, const char *text, size_t length)
{
	Local<String> string;
	if (!to_string(text, length).ToLocal(&string))
		return MaybeLocal<Value>();
	return v8::JSON::Parse(context, string);
}

static MaybeLocal<Value> json_to_js(Local<Context> context, Datum datum)
{
	struct varlena *flat = detoast(datum, true);
	if (flat == nullptr)
		return MaybeLocal<Value>();
	MaybeLocal<Value> value = parse_json(context, VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat));
	release(flat, datum);
	return value;
}

static MaybeLocal<Value> jsonb_to_js(Local<Context> context, Datum datum)
{
	struct varlena *flat = detoast(datum, false);
	if (flat == nullptr)
		return MaybeLocal<Value>();
	char *text = nullptr;
	if (!guarded_js([&] {
			Jsonb *jsonb = reinterpret_cast<Jsonb *>(flat);
			text = JsonbToCString(nullptr, &jsonb->root, VARSIZE(jsonb));
		}))
		return MaybeLocal<Value>();
	release(flat, datum);
	MaybeLocal<Value> value = parse_json(context, text, strlen(text));
	pfree(text);
	return value;
}

template <class T> static MaybeLocal<Value> packed_to_js(ArrayType *array, size_t size)
{
	Local<v8::ArrayBuffer> buffer;
	size_t count = static_cast<size_t>(ArrayGetNItems(ARR_NDIM(array), ARR_DIMS(array)));
	if (!new_buffer(ARR_DATA_PTR(array), count * size, &buffer))
		return MaybeLocal<Value>();
	return T::New(buffer, 0, count);
}

// One dimension of an array whose elements were taken apart.
static MaybeLocal<Value> dimension_to_js(Local<Context> context, TypeInfo *elem, Datum *datums, bool *nulls,
                                         const int *dims, int ndim, int *at)
{
	v8::EscapableHandleScope scope(isolate());
	Local<v8::Array> array = v8::Array::New(isolate(), dims[0]);
	for (int i = 0; i < dims[0]; i++) {
		HandleScope inner(isolate());
		Local<Value> value;
		if ((i & 4095) == 4095 && interrupted())
			return MaybeLocal<Value>();
		if (ndim > 1) {
			if (!dimension_to_js(context, elem, datums, nulls, dims + 1, ndim - 1, at).ToLocal(&value))
				return MaybeLocal<Value>();
		} else {
			if (!to_js(context, elem, datums[*at], nulls[*at]).ToLocal(&value))
				return MaybeLocal<Value>();
			++*at;
		}
		if (array->CreateDataProperty(context, static_cast<uint32_t>(i), value).IsNothing())
			return MaybeLocal<Value>();
	}
	return scope.Escape(array.As<Value>());
}

static MaybeLocal<Value> array_to_js(Local<Context> context, TypeInfo *type, Datum datum)
{
	ArrayType *array = nullptr;
	Datum *datums = nullptr;
	bool *nulls = nullptr;
	int count = 0;

	// An expanded array (from PL/pgSQL) is not flat either; this handles all forms.
	if (!guarded_js([&] { array = DatumGetArrayTypeP(datum); }))
		return MaybeLocal<Value>();
	if (type->packed != Packed::None) {
		if (ARR_NDIM(array) > 1 || array_contains_nulls(array)) {
			throw_code(ERRCODE_ARRAY_ELEMENT_ERROR, "NULL element, or multi-dimension array not allowed in external array type");
			return MaybeLocal<Value>();
		}
		switch (type->packed) {
			case Packed::Int2: return packed_to_js<v8::Int16Array>(array, 2);
			case Packed::Int4: return packed_to_js<v8::Int32Array>(array, 4);
			case Packed::Int8: return packed_to_js<v8::BigInt64Array>(array, 8);
			case Packed::Float4: return packed_to_js<v8::Float32Array>(array, 4);
			default: return packed_to_js<v8::Float64Array>(array, 8);
		}
	}
	TypeInfo *elem = type->elem;
	if (!guarded_js([&] {
			if (elem->stale)
				elem = type->elem = type_info(elem->typid);
			deconstruct_array(array, elem->typid, elem->len, elem->byval, elem->align, &datums, &nulls, &count);
		}))
		return MaybeLocal<Value>();
	Local<Value> value;
	int at = 0;
	bool ok = true;
	if (count == 0)
		value = v8::Array::New(isolate(), 0);
	else
		ok = dimension_to_js(context, elem, datums, nulls, ARR_DIMS(array), ARR_NDIM(array), &at).ToLocal(&value);
	pfree(datums);
	pfree(nulls);
	if (reinterpret_cast<Pointer>(array) != DatumGetPointer(datum))
		pfree(array);
	return ok ? MaybeLocal<Value>(value) : MaybeLocal<Value>();
}

MaybeLocal<Value> row_to_js(Local<Context> context, RowShape *shape, TupleDesc desc, HeapTuple tuple)
{
	v8::EscapableHandleScope scope(isolate());
	Local<Object> object = Object::New(isolate());
	for (int i = 0; i < shape->natts; i++) {
		RowShape::Column &column = shape->columns[static_cast<size_t>(i)];
		if (column.dropped)
			continue;
		bool isnull = true;
		Datum datum = 0;
		// A fetched value lies in the tuple; only a missing trailing column's default may need the catalog,
		// which heap_getattr has in the descriptor.
		datum = heap_getattr(tuple, i + 1, desc, &isnull);
		Local<Value> value;
		if (!to_js(context, column.type, datum, isnull).ToLocal(&value))
			return MaybeLocal<Value>();
		if (object->CreateDataProperty(context, column.name.Get(isolate()), value).IsNothing())
			return MaybeLocal<Value>();
	}
	return scope.Escape(object.As<Value>());
}

MaybeLocal<Value> row_datum_to_js(Local<Context> context, Datum datum)
{
	TupleDesc desc = nullptr;
	HeapTupleHeader header = nullptr;
	HeapTupleData tuple;
	RowShape shape;

	if (!guarded_js([&] {
			header = DatumGetHeapTupleHeader(datum);
			desc = lookup_rowtype_tupdesc_copy(HeapTupleHeaderGetTypeId(header), HeapTupleHeaderGetTypMod(header));
		}))
		return MaybeLocal<Value>();
	tuple.t_len = HeapTupleHeaderGetDatumLength(header);
	ItemPointerSetInvalid(&tuple.t_self);
	tuple.t_tableOid = InvalidOid;
	tuple.t_data = header;
	MaybeLocal<Value> value;
	if (shape.load(desc))
		value = row_to_js(context, &shape, desc, &tuple);
	FreeTupleDesc(desc);
	if (reinterpret_cast<Pointer>(header) != DatumGetPointer(datum))
		pfree(header);
	return value;
}

static MaybeLocal<Value> text_to_js(Datum datum)
{
	struct varlena *flat = detoast(datum, true);
	if (flat == nullptr)
		return MaybeLocal<Value>();
	MaybeLocal<String> made = to_string(VARDATA_ANY(flat), VARSIZE_ANY_EXHDR(flat));
	release(flat, datum);
	Local<String> string;
	return made.ToLocal(&string) ? string.As<Value>() : MaybeLocal<Value>();
}

MaybeLocal<Value> to_js(Local<Context> context, TypeInfo *type, Datum datum, bool isnull)
{
	Isolate *iso = isolate();

	if (isnull)
		return v8::Null(iso).As<Value>();
	switch (type->kind) {
		case Kind::Void: return v8::Undefined(iso).As<Value>();
		case Kind::Internal: return v8::Undefined(iso).As<Value>();
		case Kind::Bool: return v8::Boolean::New(iso, DatumGetBool(datum)).As<Value>();
		case Kind::Int2: return v8::Integer::New(iso, DatumGetInt16(datum)).As<Value>();
		case Kind::Int4: return v8::Integer::New(iso, DatumGetInt32(datum)).As<Value>();
		case Kind::Int8: return v8::BigInt::New(iso, DatumGetInt64(datum)).As<Value>();
		case Kind::Oid: return v8::Integer::NewFromUnsigned(iso, DatumGetObjectId(datum)).As<Value>();
		case Kind::Float4: return v8::Number::New(iso, static_cast<double>(DatumGetFloat4(datum))).As<Value>();
		case Kind::Float8: return v8::Number::New(iso, DatumGetFloat8(datum)).As<Value>();
		case Kind::Numeric: {
			float8 number = 0;
			if (!guarded_js([&] { number = DatumGetFloat8(DirectFunctionCall1(numeric_float8_no_overflow, datum)); }))
				return MaybeLocal<Value>();
			return v8::Number::New(iso, number).As<Value>();
		}
		case Kind::Text: return text_to_js(datum);
		case Kind::Bytea: return bytea_to_js(datum);
		case Kind::Json: return json_to_js(context, datum);
		case Kind::Jsonb: return jsonb_to_js(context, datum);
		case Kind::Date: {
			DateADT date = DatumGetDateADT(datum);
			if (DATE_NOT_FINITE(date))
				return v8::Number::New(iso, DATE_IS_NOEND(date) ? INFINITY : -INFINITY).As<Value>();
			return date_value(context, type, datum, (date + EPOCH_SHIFT_DAYS) * 86400000.0);
		}
		case Kind::Timestamp:
		case Kind::TimestampTz: {
			Timestamp stamp = DatumGetTimestamp(datum);
			if (TIMESTAMP_NOT_FINITE(stamp))
				return v8::Number::New(iso, TIMESTAMP_IS_NOEND(stamp) ? INFINITY : -INFINITY).As<Value>();
			// Floor, so that a time before 1970 keeps its order.
			int64 ms = stamp / 1000 - (stamp % 1000 < 0 ? 1 : 0);
			return date_value(context, type, datum, static_cast<double>(ms) + EPOCH_SHIFT_DAYS * 86400000.0);
		}
		case Kind::Array: return array_to_js(context, type, datum);
		case Kind::Composite: return row_datum_to_js(context, datum);
		case Kind::Other: return by_text(type, datum);
	}
	return MaybeLocal<Value>();
}

}  // namespace plv8
