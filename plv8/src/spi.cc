// spi.cc: SQL from JavaScript: execute, prepare, plans, cursors, subtransactions, commit and rollback.
//
// Each call that may fail runs in an internal subtransaction, so that a caught error leaves the transaction usable.
// Where PostgreSQL allows none (a parallel worker) an error cannot be caught and ends the call.
#include "spi.h"

#include <unordered_set>

extern "C" {
#include "parser/parse_param.h"
#include "parser/parse_type.h"
#include "utils/portal.h"
}

namespace plv8 {

struct Plan {
	SPIPlanPtr plan = nullptr;
	std::vector<TypeInfo *> types;
	std::vector<Oid> oids;
	std::shared_ptr<RowShape> shape;
	Global<Object> handle;
	int users = 0;          // executions on the stack
	bool freed = false;     // by the script; the plan goes when the last execution ends
};

static std::vector<Plan *> dropped;            // collected by V8
static std::unordered_set<Plan *> plans;       // all
static std::vector<SPIPlanPtr> orphans;        // of a lost isolate
static Global<v8::FunctionTemplate> plan_class, cursor_class;
static const int64_t PLAN_BYTES = 8192;   // what V8's collector should think a plan weighs

static bool refused()
{
	if (likely(!engine.fatal.load() && engine.frame != nullptr))
		return false;
	if (engine.fatal)
		terminate_now();
	else
		throw_js("no call is running");
	return true;
}

static void spi_plan_free(SPIPlanPtr spi)
{
	ErrorData *err = guarded([spi] { SPI_freeplan(spi); });
	if (err)
		FreeErrorData(err);
}

static void plan_delete(Plan *plan)
{
	if (plan->plan)
		spi_plan_free(plan->plan);
	plan->handle.Reset();
	plans.erase(plan);
	delete plan;
	isolate()->AdjustAmountOfExternalAllocatedMemory(-PLAN_BYTES);
}

// Holds a plan while it runs: what it runs may free it, or drop the last reference to it.
class PlanInUse {
public:
	explicit PlanInUse(Plan *plan) : plan_(plan) { plan->users++; }
	~PlanInUse()
	{
		if (--plan_->users == 0 && plan_->freed && plan_->plan) {
			spi_plan_free(plan_->plan);
			plan_->plan = nullptr;
		}
	}
private:
	Plan *plan_;
};

void spi_free_dropped_plans()
{
	for (size_t i = dropped.size(); i-- > 0;) {
		Plan *plan = dropped[i];
		if (plan->users > 0)
			continue;
		dropped.erase(dropped.begin() + static_cast<long>(i));
		plan_delete(plan);
	}
	if (engine.depth <= 1)     // else one of them may be running
		while (!orphans.empty()) {
			SPIPlanPtr spi = orphans.back();
			orphans.pop_back();
			spi_plan_free(spi);
		}
}

void spi_forget()
{
	for (Plan *plan : plans)
		if (plan->plan)
			orphans.push_back(plan->plan);
	plans.clear();
	dropped.clear();
	forget(plan_class);
	forget(cursor_class);
}

// --------------------------------------------------------------------------------------------- parameters

// Values given as one array or one by one from args[first].
static bool gather(const FunctionCallbackInfo<Value> &args, int first, std::vector<Local<Value>> *out)
{
	Local<Context> context = isolate()->GetCurrentContext();
	if (args.Length() > first && args[first]->IsArray()) {
		Local<v8::Array> list = args[first].As<v8::Array>();
		if (list->Length() > 65535) {
			throw_code(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "%u parameters are too many: PostgreSQL takes 65535", list->Length());
			return false;
		}
		for (uint32_t i = 0; i < list->Length(); i++) {
			Local<Value> item;
			if (!list->Get(context, i).ToLocal(&item))
				return false;
			out->push_back(item);
		}
		return true;
	}
	for (int i = first; i < args.Length(); i++)
		out->push_back(args[i]);
	return true;
}

struct Params {
	std::vector<Datum> values;
	std::vector<char> nulls;    // 'n' or ' ' as SPI wants
};

static bool convert(Local<Context> context, const std::vector<TypeInfo *> &types, const std::vector<Oid> &oids,
                    const std::vector<Local<Value>> &given, Params *out)
{
	for (size_t i = 0; i < oids.size(); i++) {
		TypeInfo *type = types[i];
		Oid oid = oids[i];
		if (type->stale && !guarded_js([&] { type = type_info(oid); }))
			return false;
		Datum datum;
		bool isnull;
		if (!to_pg(context, type, -1, given[i], &datum, &isnull))
			return false;
		out->values.push_back(datum);
		out->nulls.push_back(isnull ? 'n' : ' ');
	}
	return true;
}

static bool count_fits(size_t expected, size_t given)
{
	if (expected == given)
		return true;
	throw_code(ERRCODE_SYNTAX_ERROR, "plan expected %zu argument(s), given is %zu", expected, given);
	return false;
}

// The parser finds out the parameters' types. Its arrays must outlive the parse.
struct Inferred {
	Oid *types;
	int count;
};

static void infer_setup(ParseState *pstate, void *arg)
{
	Inferred *inferred = static_cast<Inferred *>(arg);
#if PG_VERSION_NUM >= 150000
	setup_parse_variable_parameters(pstate, &inferred->types, &inferred->count);
#else
	parse_variable_parameters(pstate, &inferred->types, &inferred->count);
#endif
}

static SPIPlanPtr infer(const char *sql, Inferred *inferred)
{
	// The parser would allocate the array where SPI frees it before we look; one that is there already is enlarged in place.
	inferred->types = static_cast<Oid *>(palloc0(sizeof(Oid)));
	inferred->count = 0;
	SPIPlanPtr plan = SPI_prepare_params(sql, infer_setup, inferred, 0);
	if (plan == nullptr)
		elog(ERROR, "SPI_prepare_params failed: %s", SPI_result_code_string(SPI_result));
	for (int i = 0; i < inferred->count; i++)
		if (inferred->types[i] == InvalidOid || inferred->types[i] == UNKNOWNOID)
			ereport(ERROR, (errcode(ERRCODE_INDETERMINATE_DATATYPE),
			                errmsg("could not determine data type of parameter $%d", i + 1)));
	return plan;
}

// ------------------------------------------------------------------------------------------------ results

static MaybeLocal<Value> rows_to_js(Local<Context> context, std::shared_ptr<RowShape> *kept, SPITupleTable *table, uint64 count)
{
	Isolate *iso = isolate();
	v8::EscapableHandleScope scope(iso);

	std::shared_ptr<RowShape> held = shape_for(kept, table->tupdesc);
	RowShape *shape = held.get();
	if (shape == nullptr)
		return MaybeLocal<Value>();
	if (count > INT_MAX) {
		throw_code(ERRCODE_PROGRAM_LIMIT_EXCEEDED, "the result has too many rows for a JavaScript array; use a cursor");
		return MaybeLocal<Value>();
	}
	Local<v8::Array> rows = v8::Array::New(iso, static_cast<int>(count));
	for (uint64 i = 0; i < count; i++) {
		HandleScope inner(iso);
		Local<Value> row;
		if (!row_to_js(context, shape, table->tupdesc, table->vals[i]).ToLocal(&row) ||
		    rows->CreateDataProperty(context, static_cast<uint32_t>(i), row).IsNothing())
			return MaybeLocal<Value>();
		if ((i & 1023) == 1023 && interrupted())
			return MaybeLocal<Value>();
	}
	return scope.Escape(rows.As<Value>());
}

// What SPI left: the rows, or how many were touched.
static MaybeLocal<Value> outcome(Local<Context> context, std::shared_ptr<RowShape> *shape, int status, uint64 processed, SPITupleTable *table)
{
	if (status < 0) {
		if (status == SPI_ERROR_TRANSACTION)
			throw_code(ERRCODE_INVALID_TRANSACTION_TERMINATION, "invalid transaction termination: use plv8.commit() and plv8.rollback()");
		else
			throw_js("SPI failed: %s", SPI_result_code_string(status));
		return MaybeLocal<Value>();
	}
	if (table && status != SPI_OK_SELINTO)
		return rows_to_js(context, shape, table, processed);
	return v8::Number::New(isolate(), static_cast<double>(processed)).As<Value>();
}

static void execute(const FunctionCallbackInfo<Value> &args)
{
	Local<Context> context = isolate()->GetCurrentContext();
	std::vector<Local<Value>> given;

	if (refused())
		return;
	if (args.Length() < 1 || args[0]->IsUndefined()) {
		throw_js("plv8.execute needs the SQL text as its first argument");
		return;
	}
	if (!gather(args, 1, &given))
		return;
	Scratch scratch;
	char *sql = to_cstring(context, args[0]);
	if (sql == nullptr)
		return;
	Subtransaction sub;
	if (!sub.begin())
		return;

	int status = 0;
	uint64 processed = 0;
	SPITupleTable *table = nullptr;
	SPIPlanPtr plan = nullptr;
	ErrorData *err;
	if (given.empty())
		err = guarded_out([&] {
			status = SPI_execute(sql, false, 0);
			processed = SPI_processed;
			table = SPI_tuptable;
		});
	else {
		Inferred inferred;
		ParamListInfo list = nullptr;
		err = guarded([&] { plan = infer(sql, &inferred); });
		if (err == nullptr) {
			std::vector<TypeInfo *> types;
			std::vector<Oid> oids(inferred.types, inferred.types + inferred.count);
			Params params;
			if (!count_fits(oids.size(), given.size())) {
				sub.abort();
				return;
			}
			types.resize(oids.size());
			for (size_t i = 0; i < oids.size() && err == nullptr; i++)
				err = guarded([&] { types[i] = type_info(oids[i]); });
			if (err == nullptr) {
				if (!convert(context, types, oids, given, &params)) {
					sub.abort();
					return;
				}
				err = guarded_out([&] {
					list = makeParamList(static_cast<int>(oids.size()));
					for (size_t i = 0; i < oids.size(); i++) {
						list->params[i].value = params.values[i];
						list->params[i].isnull = params.nulls[i] == 'n';
						list->params[i].pflags = PARAM_FLAG_CONST;
						list->params[i].ptype = oids[i];
					}
					status = SPI_execute_plan_with_paramlist(plan, list, false, 0);
					processed = SPI_processed;
					table = SPI_tuptable;
				});
			}
		}
	}
	if (err) {
		sub.fail(err);
		return;
	}
	std::shared_ptr<RowShape> shape;
	Local<Value> value;
	bool ok = outcome(context, &shape, status, processed, table).ToLocal(&value);
	if (table)
		SPI_freetuptable(table);
	if (plan)
		SPI_freeplan(plan);
	if (!ok)
		sub.abort();
	else if (sub.commit())
		args.GetReturnValue().Set(value);
}

// -------------------------------------------------------------------------------------------------- plans

static void plan_collected(const v8::WeakCallbackInfo<Plan> &info)
{
	Plan *plan = info.GetParameter();
	plan->handle.Reset();
	dropped.push_back(plan);
}

static void prepare(const FunctionCallbackInfo<Value> &args)
{
	Isolate *iso = isolate();
	Local<Context> context = iso->GetCurrentContext();
	std::vector<Local<Value>> given;

	if (refused())
		return;
	if (args.Length() < 1 || args[0]->IsUndefined()) {
		throw_js("plv8.prepare needs the SQL text as its first argument");
		return;
	}
	spi_free_dropped_plans();
	if (!gather(args, 1, &given))
		return;
	bool typed = args.Length() > 1;
	Scratch scratch;
	char *sql = to_cstring(context, args[0]);
	if (sql == nullptr)
		return;
	std::vector<char *> names;
	for (Local<Value> name : given) {
		char *text = to_cstring(context, name);
		if (text == nullptr)
			return;
		names.push_back(text);
	}
	Subtransaction sub;
	if (!sub.begin())
		return;

	std::unique_ptr<Plan> plan(new Plan());
	Plan *made = plan.get();
	SPIPlanPtr saved = nullptr;
	ErrorData *err = guarded_out([&] {
		Oid *oids;
		int count;
		if (typed) {
			count = static_cast<int>(names.size());
			oids = static_cast<Oid *>(palloc(sizeof(Oid) * (count + 1)));
			for (int i = 0; i < count; i++) {
				int32 typmod;
#if PG_VERSION_NUM >= 160000
				parseTypeString(names[i], &oids[i], &typmod, nullptr);
#else
				parseTypeString(names[i], &oids[i], &typmod, false);
#endif
			}
		} else {
			Inferred inferred;
			SPIPlanPtr probe = infer(sql, &inferred);
			SPI_freeplan(probe);
			oids = inferred.types;
			count = inferred.count;
		}
		SPIPlanPtr spi = SPI_prepare(sql, count, oids);
		if (spi == nullptr)
			elog(ERROR, "SPI_prepare failed: %s", SPI_result_code_string(SPI_result));
		for (int i = 0; i < count; i++) {
			made->oids.push_back(oids[i]);
			made->types.push_back(type_info(oids[i]));
		}
		if (SPI_keepplan(spi) != 0)
			elog(ERROR, "SPI_keepplan failed");
		saved = spi;
	});
	if (err) {
		sub.fail(err);
		return;
	}
	if (!sub.commit()) {
		SPI_freeplan(saved);
		return;
	}
	plan->plan = saved;
	Local<v8::FunctionTemplate> cls = plan_class.Get(iso);
	Local<Object> object;
	iso->AdjustAmountOfExternalAllocatedMemory(PLAN_BYTES);
	if (!cls->InstanceTemplate()->NewInstance(context).ToLocal(&object)) {
		plan_delete(plan.release());
		return;
	}
	object->SetAlignedPointerInInternalField(0, made);
	made->handle.Reset(iso, object);
	plans.insert(made);
	made->handle.SetWeak(made, plan_collected, v8::WeakCallbackType::kParameter);
	plan.release();
	args.GetReturnValue().Set(object);
}

// The plan behind `this`; NULL with an exception for one that was freed.
static Plan *plan_of(const FunctionCallbackInfo<Value> &args)
{
	Local<Object> self = args.This();
	Plan *plan = self->InternalFieldCount() == 1 ? static_cast<Plan *>(self->GetAlignedPointerFromInternalField(0)) : nullptr;
	if (plan == nullptr || plan->plan == nullptr || plan->freed) {
		throw_js("plan unexpectedly null");
		return nullptr;
	}
	return plan;
}

static void plan_execute(const FunctionCallbackInfo<Value> &args)
{
	Local<Context> context = isolate()->GetCurrentContext();
	std::vector<Local<Value>> given;
	Params params;

	if (refused())
		return;
	Plan *plan = plan_of(args);
	if (plan == nullptr || !gather(args, 0, &given) || !count_fits(plan->oids.size(), given.size()))
		return;
	PlanInUse held(plan);
	Scratch scratch;
	Subtransaction sub;
	if (!sub.begin())
		return;
	// A getter among the parameters may free the plan.
	if (!convert(context, plan->types, plan->oids, given, &params) || plan_of(args) == nullptr) {
		sub.abort();
		return;
	}
	int status = 0;
	uint64 processed = 0;
	SPITupleTable *table = nullptr;
	Datum *values = params.values.data();
	char *nulls = params.nulls.data();
	ErrorData *err = guarded_out([&] {
		status = SPI_execute_plan(plan->plan, values, nulls, false, 0);
		processed = SPI_processed;
		table = SPI_tuptable;
	});
	if (err) {
		sub.fail(err);
		return;
	}
	Local<Value> value;
	bool ok = outcome(context, &plan->shape, status, processed, table).ToLocal(&value);
	if (table)
		SPI_freetuptable(table);
	if (!ok)
		sub.abort();
	else if (sub.commit())
		args.GetReturnValue().Set(value);
}

static void plan_cursor(const FunctionCallbackInfo<Value> &args)
{
	Isolate *iso = isolate();
	Local<Context> context = iso->GetCurrentContext();
	std::vector<Local<Value>> given;
	Params params;

	if (refused())
		return;
	Plan *plan = plan_of(args);
	if (plan == nullptr || !gather(args, 0, &given) || !count_fits(plan->oids.size(), given.size()))
		return;
	PlanInUse held(plan);
	Scratch scratch;
	Subtransaction sub;
	if (!sub.begin())
		return;
	if (!convert(context, plan->types, plan->oids, given, &params) || plan_of(args) == nullptr) {
		sub.abort();
		return;
	}
	Datum *values = params.values.data();
	char *nulls = params.nulls.data();
	const char *name = nullptr;
	ErrorData *err = guarded_out([&] {
		Portal portal = SPI_cursor_open(nullptr, plan->plan, values, nulls, false);
		if (portal == nullptr)
			elog(ERROR, "SPI_cursor_open failed: %s", SPI_result_code_string(SPI_result));
		name = portal->name;
	});
	if (err) {
		sub.fail(err);
		return;
	}
	Local<Object> object;
	Local<String> label;
	if (!to_string(name).ToLocal(&label) || !cursor_class.Get(iso)->InstanceTemplate()->NewInstance(context).ToLocal(&object)) {
		sub.abort();
		return;
	}
	object->SetInternalField(0, label);
	if (sub.commit())
		args.GetReturnValue().Set(object);
}

static void plan_free(const FunctionCallbackInfo<Value> &args)
{
	Local<Object> self = args.This();
	Plan *plan = self->InternalFieldCount() == 1 ? static_cast<Plan *>(self->GetAlignedPointerFromInternalField(0)) : nullptr;

	if (plan && plan->plan) {
		plan->freed = true;
		PlanInUse last(plan);
	}
	args.GetReturnValue().Set(0);
}

// ------------------------------------------------------------------------------------------------ cursors

static char *cursor_name(const FunctionCallbackInfo<Value> &args)
{
	Local<Context> context = isolate()->GetCurrentContext();
	Local<Object> self = args.This();
	return to_cstring(context, self->GetInternalField(0).As<Value>());
}

static Portal find_cursor(const char *name)
{
	Portal portal = SPI_cursor_find(name);
	if (portal == nullptr)
		ereport(ERROR, (errcode(ERRCODE_UNDEFINED_CURSOR), errmsg("cannot find cursor"),
		                errhint("It was closed, or its transaction has ended.")));
	return portal;
}

static bool count_argument(Local<Context> context, Local<Value> value, int64_t *count)
{
	double number;
	if (!value->NumberValue(context).To(&number))
		return false;
	if (!(number >= -2147483648.0 && number <= 2147483647.0)) {
		throw_code(ERRCODE_NUMERIC_VALUE_OUT_OF_RANGE, "a number of rows must be an integer, not \"%.40s\"", describe(context, value).c_str());
		return false;
	}
	*count = static_cast<int64_t>(number);
	return true;
}

static void cursor_fetch(const FunctionCallbackInfo<Value> &args)
{
	Local<Context> context = isolate()->GetCurrentContext();
	int64_t count = 1;
	bool many = args.Length() >= 1 && !args[0]->IsUndefined();

	if (refused() || (many && !count_argument(context, args[0], &count)))
		return;
	Scratch scratch;
	char *name = cursor_name(args);
	Subtransaction sub;
	if (name == nullptr || !sub.begin())
		return;
	uint64 processed = 0;
	SPITupleTable *table = nullptr;
	ErrorData *err = guarded_out([&] {
		SPI_cursor_fetch(find_cursor(name), count >= 0, count >= 0 ? count : -count);
		processed = SPI_processed;
		table = SPI_tuptable;
	});
	if (err) {
		sub.fail(err);
		return;
	}
	std::shared_ptr<RowShape> shape;
	Local<Value> value = v8::Undefined(isolate());
	bool ok = true;
	if (processed > 0) {
		if (many)
			ok = rows_to_js(context, &shape, table, processed).ToLocal(&value);
		else
			ok = shape_for(&shape, table->tupdesc) && row_to_js(context, shape.get(), table->tupdesc, table->vals[0]).ToLocal(&value);
	}
	if (table)
		SPI_freetuptable(table);
	if (!ok)
		sub.abort();
	else if (sub.commit())
		args.GetReturnValue().Set(value);
}

static void cursor_move(const FunctionCallbackInfo<Value> &args)
{
	Local<Context> context = isolate()->GetCurrentContext();
	int64_t count = 0;

	if (refused() || args.Length() < 1 || !count_argument(context, args[0], &count))
		return;
	Scratch scratch;
	char *name = cursor_name(args);
	Subtransaction sub;
	if (name == nullptr || !sub.begin())
		return;
	ErrorData *err = guarded_out([&] {
		SPI_cursor_move(find_cursor(name), count >= 0, count >= 0 ? count : -count);
	});
	if (err)
		sub.fail(err);
	else
		(void) sub.commit();
}

static void cursor_close(const FunctionCallbackInfo<Value> &args)
{
	if (refused())
		return;
	Scratch scratch;
	char *name = cursor_name(args);
	bool found = false;
	if (name == nullptr)
		return;
	Subtransaction sub;
	if (!sub.begin())
		return;
	ErrorData *err = guarded_out([&] {
		Portal portal = SPI_cursor_find(name);
		found = portal != nullptr;
		if (found)
			SPI_cursor_close(portal);
	});
	if (err)
		sub.fail(err);
	else if (sub.commit())
		args.GetReturnValue().Set(found ? 1 : 0);
}

// ------------------------------------------------------------------------------------------- transactions

static void subtransaction(const FunctionCallbackInfo<Value> &args)
{
	Isolate *iso = isolate();
	Local<Context> context = iso->GetCurrentContext();

	if (refused())
		return;
	if (args.Length() < 1 || !args[0]->IsFunction()) {
		throw_js("plv8.subtransaction needs a function as its argument");
		return;
	}
	if (IsInParallelMode()) {
		throw_code(ERRCODE_INVALID_TRANSACTION_STATE, "cannot start subtransactions during a parallel operation");
		return;
	}
	Subtransaction sub;
	if (!sub.begin())
		return;
	Local<Value> value;
	CallFrame *frame = engine.frame;
	frame->subtransactions++;
	bool ok = args[0].As<Function>()->Call(context, context->Global(), 0, nullptr).ToLocal(&value);
	frame->subtransactions--;
	if (!ok || engine.fatal)
		sub.abort();         // what was thrown is still on its way, whole
	else if (sub.commit())
		args.GetReturnValue().Set(value);
}

static void end_transaction(bool commit)
{
	if (refused())
		return;
	if (engine.frame->atomic) {
		throw_code(ERRCODE_INVALID_TRANSACTION_TERMINATION, "invalid transaction termination");
		return;
	}
	if (engine.frame->subtransactions > 0) {
		throw_code(ERRCODE_INVALID_TRANSACTION_TERMINATION, "cannot %s while a subtransaction is active", commit ? "commit" : "roll back");
		return;
	}
	MemoryContext cxt = CurrentMemoryContext;
	ErrorData *err = guarded_out([&] {
		frame_need_spi();
		if (commit)
			SPI_commit();
		else
			SPI_rollback();
	});
	MemoryContextSwitchTo(cxt);
	// The resource owners from before ended with the transaction.
	for (Landing *landing = engine.landing; landing; landing = landing->outer)
		landing->owner = CurrentResourceOwner;
	if (err)
		throw_pg(err);
}

static void commit(const FunctionCallbackInfo<Value> &) { end_transaction(true); }
static void rollback(const FunctionCallbackInfo<Value> &) { end_transaction(false); }

// --------------------------------------------------------------------------------------------- templates

static void illegal_constructor(const FunctionCallbackInfo<Value> &args)
{
	throw_js("Illegal constructor: plv8.prepare() makes plans, and plan.cursor() cursors");
}

void spi_install(Isolate *iso, Local<v8::ObjectTemplate> plv8)
{
	auto method = [&](Local<v8::Template> to, const char *name, v8::FunctionCallback fn, Local<v8::Signature> of) {
		Local<v8::FunctionTemplate> f = v8::FunctionTemplate::New(iso, fn, Local<Value>(), of);
		f->RemovePrototype();
		f->SetClassName(ascii(name));
		to->Set(ascii(name), f);
	};
	method(plv8, "execute", execute, Local<v8::Signature>());
	method(plv8, "prepare", prepare, Local<v8::Signature>());
	method(plv8, "subtransaction", subtransaction, Local<v8::Signature>());
	method(plv8, "commit", commit, Local<v8::Signature>());
	method(plv8, "rollback", rollback, Local<v8::Signature>());

	// A class whose objects only we make.
	auto klass = [&](const char *name) {
		Local<v8::FunctionTemplate> made = v8::FunctionTemplate::New(iso, illegal_constructor);
		made->SetClassName(ascii(name));
		made->PrototypeTemplate()->Set(v8::Symbol::GetToStringTag(iso), ascii(name), v8::DontEnum);
		made->InstanceTemplate()->SetInternalFieldCount(1);
		return made;
	};
	Local<v8::FunctionTemplate> plan = klass("PreparedPlan");
	Local<v8::Signature> plan_signature = v8::Signature::New(iso, plan);
	method(plan->PrototypeTemplate(), "execute", plan_execute, plan_signature);
	method(plan->PrototypeTemplate(), "cursor", plan_cursor, plan_signature);
	method(plan->PrototypeTemplate(), "free", plan_free, plan_signature);
	plan_class.Reset(iso, plan);

	Local<v8::FunctionTemplate> cursor = klass("Cursor");
	Local<v8::Signature> cursor_signature = v8::Signature::New(iso, cursor);
	method(cursor->PrototypeTemplate(), "fetch", cursor_fetch, cursor_signature);
	method(cursor->PrototypeTemplate(), "move", cursor_move, cursor_signature);
	method(cursor->PrototypeTemplate(), "close", cursor_close, cursor_signature);
	cursor_class.Reset(iso, cursor);
}

}  // namespace plv8
