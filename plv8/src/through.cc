// through.cc: calling a function through PostgreSQL's function manager, for what may not be called directly:
// a SECURITY DEFINER function, or one with settings of its own.
#include "spi.h"

extern "C" {
#include "nodes/makefuncs.h"
#include "nodes/primnodes.h"
#include "utils/lsyscache.h"
}

namespace plv8 {

// The call in server memory. No destructors: errors may leave from the middle.
struct ThroughCall {
	Oid oid;
	int nargs;
	Oid *argtypes;
	Datum *values;
	bool *nulls;
	Oid rettype;
	Datum result;
	bool isnull;
};

static void through(ThroughCall *call)
{
	FmgrInfo flinfo;
	LOCAL_FCINFO(fcinfo, FUNC_MAX_ARGS);
	List *list = NIL;

	fmgr_info(call->oid, &flinfo);
	if (flinfo.fn_retset)
		ereport(ERROR, (errcode(ERRCODE_FEATURE_NOT_SUPPORTED),
		                errmsg("a set-returning function that runs as another role cannot be called from JavaScript directly"),
		                errhint("Use plv8.execute('select * from ...').")));
	for (int i = 0; i < call->nargs; i++)
		list = lappend(list, makeNullConst(call->argtypes[i], -1, InvalidOid));
	flinfo.fn_expr = reinterpret_cast<fmNodePtr>(makeFuncExpr(call->oid, call->rettype, list, InvalidOid, InvalidOid, COERCE_EXPLICIT_CALL));
	InitFunctionCallInfoData(*fcinfo, &flinfo, static_cast<short>(call->nargs), InvalidOid, nullptr, nullptr);
	call->isnull = false;
	for (int i = 0; i < call->nargs; i++) {
		fcinfo->args[i].value = call->values[i];
		fcinfo->args[i].isnull = call->nulls[i];
		if (call->nulls[i] && flinfo.fn_strict) {
			call->isnull = true;
			return;
		}
	}
	call->result = FunctionCallInvoke(fcinfo);
	call->isnull = fcinfo->isnull;
}

void call_through(const FunctionCallbackInfo<Value> &args)
{
	Isolate *iso = isolate();
	Local<Context> context = iso->GetCurrentContext();
	ThroughCall call = {};

	if (engine.fatal) {
		terminate_now();
		return;
	}
	call.oid = args.Data().As<v8::Uint32>()->Value();
	Scratch scratch;
	Subtransaction sub;
	if (!sub.begin())
		return;
	TypeInfo *types[FUNC_MAX_ARGS];
	TypeInfo *result_type = nullptr;
	ErrorData *err = guarded([&] {
		call.rettype = get_func_signature(call.oid, &call.argtypes, &call.nargs);
		for (int i = 0; i < call.nargs; i++)
			types[i] = type_info(call.argtypes[i]);
		result_type = type_info(call.rettype);
		call.values = static_cast<Datum *>(palloc0(sizeof(Datum) * (call.nargs + 1)));
		call.nulls = static_cast<bool *>(palloc0(sizeof(bool) * (call.nargs + 1)));
	});
	if (err) {
		sub.fail(err);
		return;
	}
	for (int i = 0; i < call.nargs; i++) {
		Local<Value> value = i < args.Length() ? args[i] : v8::Undefined(iso).As<Value>();
		if (!to_pg(context, types[i], -1, value, &call.values[i], &call.nulls[i])) {
			sub.abort();
			return;
		}
	}
	err = guarded_out([&] {
		through(&call);
	});
	if (err) {
		sub.fail(err);
		return;
	}
	Local<Value> value;
	if (!to_js(context, result_type, call.result, call.isnull).ToLocal(&value))
		sub.abort();
	else if (sub.commit())
		args.GetReturnValue().Set(value);
}

}  // namespace plv8
