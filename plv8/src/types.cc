// types.cc: what the conversions know of SQL types, kept per session.
#include "plv8.h"

extern "C" {
#include "access/tupdesc.h"
#include "catalog/pg_namespace.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
}

namespace plv8 {

static std::unordered_map<Oid, TypeInfo *> *types;

static void type_changed(Datum, int, uint32 hash)
{
	for (auto &entry : *types)
		if (hash == 0 || entry.second->hash == hash) {
			entry.second->stale = true;
			proc_generation++;
		}
}

void types_init()
{
	types = new std::unordered_map<Oid, TypeInfo *>();
	CacheRegisterSyscacheCallback(TYPEOID, type_changed, 0);
}

static Kind kind_of(Oid typid, char typtype, Oid elem)
{
	switch (typid) {
		case VOIDOID: return Kind::Void;
		case BOOLOID: return Kind::Bool;
		case INT2OID: return Kind::Int2;
		case INT4OID: return Kind::Int4;
		case INT8OID: return Kind::Int8;
		case OIDOID: return Kind::Oid;
		case FLOAT4OID: return Kind::Float4;
		case FLOAT8OID: return Kind::Float8;
		case NUMERICOID: return Kind::Numeric;
		case TEXTOID: case VARCHAROID: case BPCHAROID: return Kind::Text;
		case BYTEAOID: return Kind::Bytea;
		case JSONOID: return Kind::Json;
		case JSONBOID: return Kind::Jsonb;
		case DATEOID: return Kind::Date;
		case TIMESTAMPOID: return Kind::Timestamp;
		case TIMESTAMPTZOID: return Kind::TimestampTz;
		case INTERNALOID: return Kind::Internal;
		case RECORDOID: return Kind::Composite;
		default: break;
	}
	if (OidIsValid(elem))
		return Kind::Array;
	if (typtype == TYPTYPE_COMPOSITE)
		return Kind::Composite;
	return Kind::Other;
}

static Packed packed_of(const char *name, Oid elem)
{
	if (strcmp(name, "plv8_int2array") == 0 && elem == INT2OID) return Packed::Int2;
	if (strcmp(name, "plv8_int4array") == 0 && elem == INT4OID) return Packed::Int4;
	if (strcmp(name, "plv8_int8array") == 0 && elem == INT8OID) return Packed::Int8;
	if (strcmp(name, "plv8_float4array") == 0 && elem == FLOAT4OID) return Packed::Float4;
	if (strcmp(name, "plv8_float8array") == 0 && elem == FLOAT8OID) return Packed::Float8;
	return Packed::None;
}

static void fill(TypeInfo *type, Oid typid)
{
	HeapTuple tuple = SearchSysCache1(TYPEOID, ObjectIdGetDatum(typid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for type %u", typid);
	Form_pg_type form = (Form_pg_type) GETSTRUCT(tuple);
	char typtype = form->typtype;
	NameData name = form->typname;

	type->typid = typid;
	type->domain = typtype == TYPTYPE_DOMAIN;
	type->len = form->typlen;
	type->byval = form->typbyval;
	type->align = form->typalign;
	type->base = typid;
	type->base_typmod = -1;
	type->has_in = type->has_out = false;
	type->domain_extra = nullptr;
	ReleaseSysCache(tuple);
	if (type->domain)
		type->base = getBaseTypeAndTypmod(typid, &type->base_typmod);
	char base_type = type->domain ? get_typtype(type->base) : typtype;
	Oid elem = type->base == RECORDOID ? InvalidOid : get_base_element_type(type->base);
	type->kind = kind_of(type->base, base_type, elem);
	type->elem = type->kind == Kind::Array ? type_info(elem) : nullptr;
	type->packed = type->domain && type->kind == Kind::Array ? packed_of(NameStr(name), elem) : Packed::None;
	type->stale = false;
	type->hash = GetSysCacheHashValue1(TYPEOID, ObjectIdGetDatum(typid));
	type->pure = !type->domain && type->kind != Kind::Other && type->kind != Kind::Composite &&
	             (type->kind != Kind::Array || type->elem->pure);
}

// A stale one stays allocated: a conversion further down the stack may be using it. That is one for each ALTER or
// re-creation of a type this session has met.
TypeInfo *type_info(Oid typid)
{
	auto found = types->find(typid);
	if (likely(found != types->end() && !found->second->stale))
		return found->second;

	MemoryContext cxt = AllocSetContextCreate(TopMemoryContext, "plv8 type", ALLOCSET_SMALL_SIZES);
	TypeInfo *type = static_cast<TypeInfo *>(MemoryContextAllocZero(cxt, sizeof(TypeInfo)));
	type->cxt = cxt;
	fill(type, typid);
	(*types)[typid] = type;
	return type;
}

void type_need_in(TypeInfo *type)
{
	if (likely(type->has_in))
		return;
	Oid fn;
	getTypeInputInfo(type->base, &fn, &type->ioparam);
	fmgr_info_cxt(fn, &type->in, type->cxt);
	type->has_in = true;
}

void type_need_out(TypeInfo *type)
{
	if (likely(type->has_out))
		return;
	Oid fn;
	bool varlena;
	getTypeOutputInfo(type->base, &fn, &varlena);
	fmgr_info_cxt(fn, &type->out, type->cxt);
	type->has_out = true;
}

bool RowShape::matches(TupleDesc desc) const
{
	if (desc->natts != natts)
		return false;
	for (int i = 0; i < natts; i++) {
		Form_pg_attribute att = TupleDescAttr(desc, i);
		const Column &column = columns[static_cast<size_t>(i)];
		if (att->atttypid != column.typid || att->atttypmod != column.typmod || att->attisdropped != column.dropped ||
		    (column.type && column.type->stale) || strcmp(NameStr(att->attname), NameStr(column.cname)) != 0)
			return false;
	}
	return true;
}

bool RowShape::pure() const
{
	for (const Column &column : columns)
		if (column.type && !column.type->pure)
			return false;
	return true;
}

std::shared_ptr<RowShape> shape_for(std::shared_ptr<RowShape> *kept, TupleDesc desc)
{
	if (likely(*kept && (*kept)->matches(desc)))
		return *kept;
	auto made = std::make_shared<RowShape>();
	if (!made->load(desc))
		return nullptr;
	*kept = made;
	return made;
}

bool RowShape::load(TupleDesc desc)
{
	natts = 0;
	columns.clear();
	columns.resize(static_cast<size_t>(desc->natts));
	for (int i = 0; i < desc->natts; i++) {
		Form_pg_attribute att = TupleDescAttr(desc, i);
		Column &column = columns[static_cast<size_t>(i)];
		column.typid = att->atttypid;
		column.typmod = att->atttypmod;
		column.dropped = att->attisdropped;
		column.cname = att->attname;
		column.type = nullptr;
		if (att->attisdropped)
			continue;
		Local<String> name;
		const char *text = NameStr(att->attname);
		if (!guarded_js([&] { column.type = type_info(att->atttypid); }) || !to_string(text).ToLocal(&name))
			return false;
		// An internalized name makes property access a pointer comparison.
		Local<String> unique;
		bool plain = true;
		for (const char *c = text; *c; c++)
			plain = plain && !(*c & 0x80);
		if (plain && String::NewFromOneByte(isolate(), reinterpret_cast<const uint8_t *>(text),
		                                    v8::NewStringType::kInternalized).ToLocal(&unique))
			name = unique;
		column.name.Reset(isolate(), name);
	}
	natts = desc->natts;
	return true;
}

}  // namespace plv8
