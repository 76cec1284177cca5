// call.cc: one SQL call of a JavaScript function, from arguments to result.
#include "spi.h"

extern "C" {
#include "catalog/pg_type.h"
#include "commands/trigger.h"
#include "nodes/execnodes.h"
#include "utils/fmgrprotos.h"
#include "utils/guc.h"
#include "utils/json.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/syscache.h"
#include "utils/typcache.h"
}

namespace plv8 {

// ------------------------------------------------------------------------------------------------ frames

// Registers a call while it is on the stack.
class FrameScope {
public:
	explicit FrameScope(CallFrame *frame) : frame_(frame)
	{
		frame->outer = engine.frame;
		frame->entry_cxt = CurrentMemoryContext;
		engine.frame = frame;
		if (engine.depth++ == 0)
			watch.js_ms.store(0, std::memory_order_relaxed);
	}
	// Ends the frame: the SPI connection first, whose failure is the call's.
	ErrorData *finish(bool failed)
	{
		ErrorData *err = nullptr;
		if (frame_->spi && !failed)
			err = guarded([] { SPI_finish(); });
		return err;
	}
	~FrameScope()
	{
		MemoryContextSwitchTo(frame_->entry_cxt);
		engine.frame = frame_->outer;
		if (frame_->world)
			world_release(frame_->world);
		if (--engine.depth == 0)
			engine_settle();
	}
private:
	CallFrame *frame_;
};

void frame_need_spi()
{
	CallFrame *frame = engine.frame;
	if (frame->spi)
		return;
	MemoryContext cxt = CurrentMemoryContext;
	if (SPI_connect_ext(frame->atomic ? 0 : SPI_OPT_NONATOMIC) != SPI_OK_CONNECT)
		elog(ERROR, "could not connect to SPI manager");
	frame->spi = true;
	if (frame->fcinfo && CALLED_AS_TRIGGER(frame->fcinfo)) {
		TriggerData *data = reinterpret_cast<TriggerData *>(frame->fcinfo->context);
		int code = SPI_register_trigger_data(data);
		if (code < 0)
			elog(ERROR, "could not register the trigger's tables: %s", SPI_result_code_string(code));
	}
	MemoryContextSwitchTo(cxt);
}

ErrorData *invoke(World *world, Local<Context> context, Local<Function> function, const char *name, int argc,
                  Local<Value> *argv, Local<Value> *result)
{
	Isolate *iso = isolate();
	TryCatch caught(iso);
	InJs in(true);

	bool ok = function->Call(context, v8::Undefined(iso), argc, argv).ToLocal(result);
	if (likely(ok)) {
		world->queue->PerformCheckpoint(iso);
		ok = !engine.fatal.load() && !engine.out_of_memory && !iso->IsExecutionTerminating();
	}
	return likely(ok) ? nullptr : take_error(caught, context, name);
}

// Runs a piece of conversion that leaves its failure as an exception.
template <class F> static ErrorData *converting(Local<Context> context, const char *name, F f)
{
	TryCatch caught(isolate());
	InJs in(true);
	return likely(f()) && likely(!engine.fatal.load()) ? nullptr : take_error(caught, context, name);
}

// --------------------------------------------------------------------------------------------- arguments

static bool arguments_to_js(Local<Context> context, Proc *proc, FunctionCallInfo fcinfo, int nargs, Local<Value> *argv)
{
	for (int i = 0; i < nargs; i++) {
		TypeInfo *type = i < proc->nargs ? proc->args[static_cast<size_t>(i)] : nullptr;
		if (unlikely(type == nullptr)) {
			if (!guarded_js([&] {
					Oid actual = get_fn_expr_argtype(fcinfo->flinfo, i);
					if (!OidIsValid(actual))
						ereport(ERROR, (errcode(ERRCODE_INDETERMINATE_DATATYPE),
						                errmsg("could not determine the type of argument %d", i + 1)));
					type = type_info(actual);
				}))
				return false;
		}
		if (!to_js(context, type, fcinfo->args[i].value, fcinfo->args[i].isnull).ToLocal(&argv[i]))
			return false;
	}
	return true;
}

// ----------------------------------------------------------------------------------------------- results

// An object for columns that only the query names must have just as many properties, as in PLV8.
static bool same_number(Local<Context> context, TupleDesc desc, Local<Value> value)
{
	Local<v8::Array> names;
	if (!value.As<Object>()->GetOwnPropertyNames(context).ToLocal(&names))
		return false;
	if (names->Length() == static_cast<uint32_t>(desc->natts))
		return true;
	throw_code(ERRCODE_DATATYPE_MISMATCH, "expected fields and property names have different cardinality");
	return false;
}

// A row for the caller. With one column, a value that is no object stands for that column.
static bool row_result(Local<Context> context, RowShape *shape, TupleDesc desc, bool anonymous, Local<Value> value, Datum *values, bool *nulls)
{
	if (desc->natts == 1 && (!value->IsObject() || value->IsDate() || value->IsArray()))
		return to_pg(context, shape->columns[0].type, shape->columns[0].typmod, value, &values[0], &nulls[0]);
	if (anonymous && value->IsObject() && !same_number(context, desc, value))
		return false;
	return row_to_pg(context, shape, desc, value, values, nulls);
}

static bool composite_result(Local<Context> context, Proc *proc, FunctionCallInfo fcinfo, Local<Value> value, Datum *result)
{
	TupleDesc desc = nullptr;
	if (!guarded_js([&] {
			Oid typid;
			TypeFuncClass kind = get_call_result_type(fcinfo, &typid, &desc);
			if (kind != TYPEFUNC_COMPOSITE && kind != TYPEFUNC_COMPOSITE_DOMAIN)
				ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
				                errmsg("function returning record called in context that cannot accept type record")));
			BlessTupleDesc(desc);
		}))
		return false;
	std::shared_ptr<RowShape> shape = shape_for(&proc->shape, desc);
	if (shape == nullptr)
		return false;
	std::vector<Datum> values(static_cast<size_t>(desc->natts) + 1);
	std::vector<char> nulls(static_cast<size_t>(desc->natts) + 1);
	Datum *datums = values.data();
	bool *isnull = reinterpret_cast<bool *>(nulls.data());
	if (!row_result(context, shape.get(), desc, proc->anonymous_row, value, datums, isnull))
		return false;
	TypeInfo *type = proc->result;
	return guarded_js([&] {
		*result = HeapTupleGetDatum(heap_form_tuple(desc, datums, isnull));
		if (type && type->domain)
			check_domain(type, *result, false);
	});
}

static bool scalar_result(Local<Context> context, Proc *proc, FunctionCallInfo fcinfo, Local<Value> value, Datum *result)
{
	TypeInfo *type = proc->result;

	if (unlikely(type == nullptr)) {
		if (!guarded_js([&] {
				Oid actual = get_fn_expr_rettype(fcinfo->flinfo);
				if (!OidIsValid(actual))
					ereport(ERROR, (errcode(ERRCODE_INDETERMINATE_DATATYPE),
					                errmsg("could not determine the result type of function \"%s\"", proc->name.c_str())));
				type = type_info(actual);
			}))
			return false;
	}
	if (type->kind == Kind::Composite && !value->IsNullOrUndefined())
		return composite_result(context, proc, fcinfo, value, result);
	return to_pg(context, type, -1, value, result, &fcinfo->isnull);
}

// -------------------------------------------------------------------------------------------- set results

static ErrorData *prepare_set(Proc *proc, FunctionCallInfo fcinfo, CallFrame *frame)
{
	return guarded([&] {
		ReturnSetInfo *rsinfo = reinterpret_cast<ReturnSetInfo *>(fcinfo->resultinfo);
		if (rsinfo == nullptr || !IsA(rsinfo, ReturnSetInfo))
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			                errmsg("set-valued function called in context that cannot accept a set")));
		if (!(rsinfo->allowedModes & SFRM_Materialize))
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			                errmsg("materialize mode required, but it is not allowed in this context")));
		TupleDesc desc = nullptr;
		Oid typid;
		TypeFuncClass kind = get_call_result_type(fcinfo, &typid, &desc);
		MemoryContext old = MemoryContextSwitchTo(rsinfo->econtext->ecxt_per_query_memory);
		bool scalar = kind == TYPEFUNC_SCALAR;
		if (scalar) {
			desc = CreateTemplateTupleDesc(1);
			TupleDescInitEntry(desc, 1, "result", typid, -1, 0);
		} else if (kind == TYPEFUNC_COMPOSITE || kind == TYPEFUNC_COMPOSITE_DOMAIN)
			desc = BlessTupleDesc(CreateTupleDescCopy(desc));
		else
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			                errmsg("function returning record called in context that cannot accept type record")));
		rsinfo->returnMode = SFRM_Materialize;
		rsinfo->setDesc = desc;
		rsinfo->setResult = tuplestore_begin_heap((rsinfo->allowedModes & SFRM_Materialize_Random) != 0, false, work_mem);
		frame->store = rsinfo->setResult;
		frame->store_desc = desc;
		frame->store_scalar = scalar;
		frame->store_anonymous = proc->anonymous_row;
		frame->store_owner = CurrentResourceOwner;
		frame->store_type = scalar || kind == TYPEFUNC_COMPOSITE_DOMAIN ? type_info(typid) : nullptr;
		MemoryContextSwitchTo(old);
		frame->store_cxt = AllocSetContextCreate(CurrentMemoryContext, "plv8 row", ALLOCSET_DEFAULT_SIZES);
	});
}

bool frame_return_next(Local<Context> context, Local<Value> value)
{
	CallFrame *frame = engine.frame;
	if (frame == nullptr || frame->store == nullptr) {
		throw_js("return_next called in context that cannot accept a set");
		return false;
	}
	TupleDesc desc = frame->store_desc;
	size_t natts = static_cast<size_t>(desc->natts) + 1;
	Datum few_values[16];
	bool few_nulls[16];
	std::vector<Datum> many_values(natts > 16 ? natts : 0);
	std::vector<char> many_nulls(natts > 16 ? natts : 0);
	Datum *datums = natts > 16 ? many_values.data() : few_values;
	bool *nulls = natts > 16 ? reinterpret_cast<bool *>(many_nulls.data()) : few_nulls;

	// The row's context may be in use already, if a getter of this row returns another.
	MemoryContext row = nullptr;
	bool mine = frame->store_cxt != nullptr;
	if (mine) {
		row = frame->store_cxt;
		frame->store_cxt = nullptr;
	} else if (!guarded_js([&] { row = AllocSetContextCreate(frame->entry_cxt, "plv8 row", ALLOCSET_SMALL_SIZES); }))
		return false;
	MemoryContext old = MemoryContextSwitchTo(row);
	bool ok;
	// The script may catch what goes wrong in here, so code that could leave something half done gets a subtransaction.
	bool pure = frame->store_type ? frame->store_type->pure : frame->store_shape && frame->store_shape->pure();
	Subtransaction sub;
	if (!pure && !sub.begin())
		ok = false;
	else if (frame->store_scalar)
		ok = to_pg(context, frame->store_type, -1, value, &datums[0], &nulls[0]);
	else if (frame->store_shape)
		ok = row_result(context, frame->store_shape, desc, frame->store_anonymous, value, datums, nulls);
	else
		ok = false;
	if (ok)
		ok = guarded_js([&] {
			if (frame->store_type && !frame->store_scalar)
				check_domain(frame->store_type, HeapTupleGetDatum(heap_form_tuple(desc, datums, nulls)), false);
			ResourceOwner owner = CurrentResourceOwner;
			CurrentResourceOwner = frame->store_owner;
			tuplestore_putvalues(frame->store, desc, datums, nulls);
			CurrentResourceOwner = owner;
		});
	if (!ok)
		sub.abort();
	else
		ok = sub.commit();
	MemoryContextSwitchTo(old);
	if (mine) {
		MemoryContextReset(row);
		frame->store_cxt = row;
	} else
		MemoryContextDelete(row);
	return ok;
}

static ErrorData *call_set(World *world, Local<Context> context, Proc *proc, FunctionCallInfo fcinfo, CallFrame *frame,
                           int nargs, Local<Value> *argv)
{
	const char *name = proc->name.c_str();
	ErrorData *err = prepare_set(proc, fcinfo, frame);
	RowShape shape;

	if (err == nullptr && !frame->store_scalar) {
		frame->store_shape = &shape;
		err = converting(context, name, [&] { return shape.load(frame->store_desc); });
	}
	Local<Value> value;
	if (err == nullptr)
		err = invoke(world, context, proc->function.Get(isolate()), name, nargs, argv, &value);
	if (err == nullptr)
		err = converting(context, name, [&] {
			if (value->IsUndefined())
				return true;
			if (!value->IsArray())
				return value->IsNull() && !frame->store_scalar ? true : frame_return_next(context, value);
			Local<v8::Array> rows = value.As<v8::Array>();
			for (uint32_t i = 0; i < rows->Length(); i++) {
				HandleScope scope(isolate());
				Local<Value> row;
				if ((i & 1023) == 1023 && interrupted())
					return false;
				if (!rows->Get(context, i).ToLocal(&row) || !frame_return_next(context, row))
					return false;
			}
			return true;
		});
	frame->store_shape = nullptr;
	fcinfo->isnull = true;
	return err;
}

// ---------------------------------------------------------------------------------------------- triggers

static MaybeLocal<Value> trigger_row(Local<Context> context, RowShape *shape, TupleDesc desc, HeapTuple tuple,
                                     std::vector<Local<Value>> *keep)
{
	Isolate *iso = isolate();
	Local<Object> object = Object::New(iso);
	for (int i = 0; i < shape->natts; i++) {
		RowShape::Column &column = shape->columns[static_cast<size_t>(i)];
		Local<Value> value = v8::Undefined(iso);
		if (!column.dropped) {
			bool isnull;
			Datum datum = heap_getattr(tuple, i + 1, desc, &isnull);
			if (!to_js(context, column.type, datum, isnull).ToLocal(&value) ||
			    object->CreateDataProperty(context, column.name.Get(iso), value).IsNothing())
				return MaybeLocal<Value>();
		}
		if (keep)
			keep->push_back(value);
	}
	return object.As<Value>();
}

// The row that a row trigger returns. A column whose value the script left as it came keeps its datum, digits that
// JavaScript cannot hold included.
static bool trigger_result(Local<Context> context, RowShape *shape, TupleDesc desc, HeapTuple from,
                           const std::vector<Local<Value>> &kept, Local<Value> value, Datum *result)
{
	size_t natts = static_cast<size_t>(desc->natts) + 1;
	std::vector<Datum> datums(natts);
	std::vector<char> nulls(natts);
	Datum *values = datums.data();
	bool *isnull = reinterpret_cast<bool *>(nulls.data());

	if (!row_to_pg(context, shape, desc, value, values, isnull, &kept, from))
		return false;
	return guarded_js([&] { *result = PointerGetDatum(heap_form_tuple(desc, values, isnull)); });
}

static ErrorData *call_trigger(World *world, Local<Context> context, Proc *proc, FunctionCallInfo fcinfo, Datum *result)
{
	Isolate *iso = isolate();
	TriggerData *data = reinterpret_cast<TriggerData *>(fcinfo->context);
	Trigger *trigger = data->tg_trigger;
	TriggerEvent event = data->tg_event;
	TupleDesc desc = RelationGetDescr(data->tg_relation);
	bool row = TRIGGER_FIRED_FOR_ROW(event);
	HeapTuple news = nullptr, olds = nullptr;
	const char *op, *when;
	const char *name = proc->name.c_str();
	std::vector<Local<Value>> kept;
	std::shared_ptr<RowShape> shape;
	Local<Value> argv[10];

	if (TRIGGER_FIRED_BY_INSERT(event)) {
		op = "INSERT";
		news = data->tg_trigtuple;
	} else if (TRIGGER_FIRED_BY_DELETE(event)) {
		op = "DELETE";
		olds = data->tg_trigtuple;
	} else if (TRIGGER_FIRED_BY_UPDATE(event)) {
		op = "UPDATE";
		news = data->tg_newtuple;
		olds = data->tg_trigtuple;
	} else
		op = "TRUNCATE";
	when = TRIGGER_FIRED_BEFORE(event) ? "BEFORE" : TRIGGER_FIRED_AFTER(event) ? "AFTER" : "INSTEAD OF";
	HeapTuple from = news ? news : olds;

	ErrorData *err = converting(context, name, [&] {
		Local<String> text;
		Local<Value> v;
		if (row && (shape = shape_for(&proc->trigger_shape, desc)) == nullptr)
			return false;
		argv[0] = argv[1] = v8::Undefined(iso);
		if (row && news && !trigger_row(context, shape.get(), desc, news, &kept).ToLocal(&argv[0]))
			return false;
		if (row && olds && !trigger_row(context, shape.get(), desc, olds, news ? nullptr : &kept).ToLocal(&argv[1]))
			return false;
		if (!to_string(trigger->tgname).ToLocal(&text))
			return false;
		argv[2] = text;
		argv[3] = ascii(when);
		argv[4] = ascii(row ? "ROW" : "STATEMENT");
		argv[5] = ascii(op);
		argv[6] = v8::Integer::NewFromUnsigned(iso, RelationGetRelid(data->tg_relation));
		if (!to_string(RelationGetRelationName(data->tg_relation)).ToLocal(&text))
			return false;
		argv[7] = text;
		char *schema = nullptr;
		if (!guarded_js([&] { schema = get_namespace_name(RelationGetNamespace(data->tg_relation)); }) ||
		    !to_string(schema ? schema : "").ToLocal(&text))
			return false;
		argv[8] = text;
		Local<v8::Array> tgargs = v8::Array::New(iso, trigger->tgnargs);
		for (int i = 0; i < trigger->tgnargs; i++)
			if (!to_string(trigger->tgargs[i]).ToLocal(&text) ||
			    tgargs->CreateDataProperty(context, static_cast<uint32_t>(i), text).IsNothing())
				return false;
		argv[9] = tgargs;
		return true;
	});
	Local<Value> value;
	if (err == nullptr)
		err = invoke(world, context, proc->function.Get(iso), name, 10, argv, &value);
	if (err)
		return err;
	*result = 0;
	if (!row || value->IsNull())
		return nullptr;
	if (value->IsUndefined()) {
		*result = PointerGetDatum(from);
		return nullptr;
	}
	return converting(context, name, [&] {
		return trigger_result(context, shape.get(), desc, from, kept, value, result);
	});
}

// ------------------------------------------------------------------------------------------- entry points

ErrorData *run_call(FunctionCallInfo fcinfo, bool nonatomic, Datum *result)
{
	Isolate *iso = isolate();
	HandleScope scope(iso);
	ErrorData *err = nullptr;
	CallFrame frame;
	bool trigger = CALLED_AS_TRIGGER(fcinfo);

	engine_set_stack_limit();
	frame.fcinfo = fcinfo;
	frame.atomic = !nonatomic;
	FrameScope on_stack(&frame);
	frame.world = world_enter(&err);
	if (unlikely(frame.world == nullptr))
		return err;
	Local<Context> context = frame.world->context.Get(iso);
	Context::Scope entered(context);
	Proc *proc = proc_find(frame.world, fcinfo->flinfo->fn_oid, &err);
	if (unlikely(proc == nullptr))
		return err;

	if (unlikely(proc->is_trigger || trigger)) {
		if (!trigger || !proc->is_trigger)
			err = make_error(ERRCODE_FEATURE_NOT_SUPPORTED, "trigger functions can only be called as triggers");
		else
			err = call_trigger(frame.world, context, proc, fcinfo, result);
	} else if (unlikely(proc->returns_internal)) {
		err = make_error(ERRCODE_FEATURE_NOT_SUPPORTED, "function \"%s\" returns internal and can only be called from JavaScript, through plv8.find_function()", proc->name.c_str());
	} else {
		Local<Value> argv[FUNC_MAX_ARGS + 1];
		int nargs = fcinfo->nargs;
		const char *name = proc->name.c_str();
		fcinfo->isnull = false;
		Local<Value> value;
		bool ok;
		{
			// One TryCatch for the whole of a plain call; conversions and script fail the same way.
			TryCatch caught(iso);
			InJs in(true);
			ok = arguments_to_js(context, proc, fcinfo, nargs, argv);
			if (ok && !proc->returns_set) {
				ok = proc->function.Get(iso)->Call(context, v8::Undefined(iso), nargs, argv).ToLocal(&value);
				if (ok) {
					frame.world->queue->PerformCheckpoint(iso);
					ok = !engine.fatal.load() && !engine.out_of_memory && !iso->IsExecutionTerminating();
				}
				if (ok)
					ok = scalar_result(context, proc, fcinfo, value, result) && !engine.fatal.load();
			}
			if (!ok)
				err = take_error(caught, context, name);
		}
		if (ok && proc->returns_set)
			err = call_set(frame.world, context, proc, fcinfo, &frame, nargs, argv);
	}
	proc_unref(proc);
	ErrorData *late = on_stack.finish(err != nullptr);
	return err ? err : late;
}

ErrorData *run_inline(const char *source, bool atomic)
{
	Isolate *iso = isolate();
	HandleScope scope(iso);
	ErrorData *err = nullptr;
	CallFrame frame;

	engine_set_stack_limit();
	frame.atomic = atomic;
	FrameScope on_stack(&frame);
	frame.world = world_enter(&err);
	if (frame.world == nullptr)
		return err;
	Local<Context> context = frame.world->context.Get(iso);
	Context::Scope entered(context);
	Local<Function> function;
	Local<Value> ignored;
	err = converting(context, nullptr, [&] { return compile_body(context, nullptr, source, {}).ToLocal(&function); });
	if (err && err->sqlerrcode == ERRCODE_INTERNAL_ERROR)
		err->sqlerrcode = ERRCODE_SYNTAX_ERROR;
	if (err == nullptr)
		err = invoke(frame.world, context, function, nullptr, 0, nullptr, &ignored);
	ErrorData *late = on_stack.finish(err != nullptr);
	return err ? err : late;
}

static void check_types(Oid oid)
{
	HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
	if (!HeapTupleIsValid(tuple))
		elog(ERROR, "cache lookup failed for function %u", oid);
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);
	Oid result = form->prorettype;
	if (get_typtype(result) == TYPTYPE_PSEUDO && result != TRIGGEROID && result != RECORDOID && result != VOIDOID &&
	    result != INTERNALOID && !IsPolymorphicType(result))
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("PL/v8 functions cannot return type %s", format_type_be(result))));
	for (int i = 0; i < form->pronargs; i++) {
		Oid arg = form->proargtypes.values[i];
		if (get_typtype(arg) == TYPTYPE_PSEUDO && arg != INTERNALOID && arg != RECORDOID && arg != ANYOID &&
		    !IsPolymorphicType(arg))
			ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
			                errmsg("PL/v8 functions cannot accept type %s", format_type_be(arg))));
	}
	ReleaseSysCache(tuple);
}

ErrorData *run_validate(Oid oid)
{
	Isolate *iso = isolate();
	HandleScope scope(iso);
	CallFrame frame;
	ErrorData *err = guarded([&] { check_types(oid); });

	if (err || !check_function_bodies)
		return err;
	engine_set_stack_limit();
	FrameScope on_stack(&frame);
	frame.world = world_enter(&err);
	if (frame.world == nullptr)
		return err;
	Proc *proc = proc_find(frame.world, oid, &err);
	if (proc)
		proc_unref(proc);
	ErrorData *late = on_stack.finish(err != nullptr);
	return err ? err : late;
}

// No JavaScript runs in here: in another role's world it would run as the caller.
ErrorData *run_info(Datum *result)
{
	const std::vector<Figure> figures = memory_figures();

	return guarded([&] {
		bool all = superuser();
		StringInfoData text;
		initStringInfo(&text);
		for (World *world : worlds) {
			if (!all && world->role != GetUserId())
				continue;
			char *name = GetUserNameFromId(world->role, true);
			appendStringInfoString(&text, text.len ? ",{\"user\":" : "[{\"user\":");
			escape_json(&text, name ? name : "");
			for (const Figure &figure : figures)
				appendStringInfo(&text, ",\"%s\":%zu", figure.name, figure.value);
			appendStringInfoChar(&text, '}');
		}
		appendStringInfoString(&text, text.len ? "]" : "[]");
		*result = PointerGetDatum(cstring_to_text_with_len(text.data, text.len));
	});
}

}  // namespace plv8
