// handler.cc: what PostgreSQL calls. These frames hold no C++ object, so errors may leave from here.
#include "plv8.h"

extern "C" {
#include "access/xact.h"
#include "commands/event_trigger.h"
#include "nodes/parsenodes.h"

// Everything else in the module is hidden; 15 and older have no PGDLLEXPORT to show these.
#pragma GCC visibility push(default)
PG_MODULE_MAGIC;

PGDLLEXPORT void _PG_init(void);
PGDLLEXPORT Datum plv8_call_handler(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum plv8_inline_handler(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum plv8_call_validator(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum plv8_version(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum plv8_reset(PG_FUNCTION_ARGS);
PGDLLEXPORT Datum plv8_info(PG_FUNCTION_ARGS);
PG_FUNCTION_INFO_V1(plv8_call_handler);
PG_FUNCTION_INFO_V1(plv8_inline_handler);
PG_FUNCTION_INFO_V1(plv8_call_validator);
PG_FUNCTION_INFO_V1(plv8_version);
PG_FUNCTION_INFO_V1(plv8_reset);
PG_FUNCTION_INFO_V1(plv8_info);
#pragma GCC visibility pop

void _PG_init(void)
{
	if (process_shared_preload_libraries_in_progress)
		ereport(ERROR, (errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
		                errmsg("plv8 must not be in shared_preload_libraries"),
		                errdetail("V8 cannot be carried from the postmaster into the sessions it forks."),
		                errhint("Remove plv8 from shared_preload_libraries; session_preload_libraries is fine.")));
	plv8::error_init();
	plv8::types_init();
	plv8::procs_init();
	plv8::settings_define();
}

Datum plv8_call_handler(PG_FUNCTION_ARGS)
{
	Datum result = 0;
	bool nonatomic = fcinfo->context && IsA(fcinfo->context, CallContext) &&
	                 !castNode(CallContext, fcinfo->context)->atomic;

	check_stack_depth();
	plv8::engine_start();
	ErrorData *err = plv8::with_landing([&] { return plv8::run_call(fcinfo, nonatomic, &result); });
	if (unlikely(err != nullptr))
		plv8::raise_error(err);
	return result;
}

Datum plv8_inline_handler(PG_FUNCTION_ARGS)
{
	InlineCodeBlock *block = reinterpret_cast<InlineCodeBlock *>(PG_GETARG_POINTER(0));

	check_stack_depth();
	plv8::engine_start();
	ErrorData *err = plv8::with_landing([&] { return plv8::run_inline(block->source_text, block->atomic); });
	if (unlikely(err != nullptr))
		plv8::raise_error(err);
	PG_RETURN_VOID();
}

Datum plv8_call_validator(PG_FUNCTION_ARGS)
{
	Oid oid = PG_GETARG_OID(0);

	if (!CheckFunctionValidatorAccess(fcinfo->flinfo->fn_oid, oid))
		PG_RETURN_VOID();
	check_stack_depth();
	plv8::engine_start();
	ErrorData *err = plv8::with_landing([&] { return plv8::run_validate(oid); });
	if (unlikely(err != nullptr))
		plv8::raise_error(err);
	PG_RETURN_VOID();
}

Datum plv8_version(PG_FUNCTION_ARGS)
{
	PG_RETURN_TEXT_P(cstring_to_text(PLV8_VERSION));
}

Datum plv8_reset(PG_FUNCTION_ARGS)
{
	if (plv8::engine.isolate)
		plv8::world_reset(GetUserId());
	PG_RETURN_VOID();
}

Datum plv8_info(PG_FUNCTION_ARGS)
{
	Datum result = 0;

	plv8::engine_start();
	ErrorData *err = plv8::with_landing([&] { return plv8::run_info(&result); });
	if (unlikely(err != nullptr))
		plv8::raise_error(err);
	return result;
}
}
