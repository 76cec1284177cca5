// proc.cc: functions of the catalog, compiled once per world and renewed when pg_proc says so.
#include "plv8.h"

extern "C" {
#include "access/htup_details.h"
#include "catalog/pg_language.h"
#include "catalog/pg_proc.h"
#include "commands/proclang.h"
#include "utils/acl.h"
#include "utils/inval.h"
#include "utils/lsyscache.h"
#include "utils/syscache.h"
}

namespace plv8 {

uint64_t proc_generation = 1;

const char *const trigger_arg_names[10] = {
	"NEW", "OLD", "TG_NAME", "TG_WHEN", "TG_LEVEL", "TG_OP", "TG_RELID", "TG_TABLE_NAME", "TG_TABLE_SCHEMA", "TG_ARGV"
};

static void catalog_changed(Datum, int, uint32)
{
	proc_generation++;
}

void procs_init()
{
	CacheRegisterSyscacheCallback(PROCOID, catalog_changed, 0);
	CacheRegisterSyscacheCallback(TYPEOID, catalog_changed, 0);
}

void proc_free(Proc *proc)
{
	if (proc->users > 0) {
		proc->stale = true;
		return;
	}
	proc->function.Reset();
	delete proc;
}

void proc_unref(Proc *proc)
{
	if (--proc->users == 0 && proc->stale)
		proc_free(proc);
}

/* Words that V8 takes for a parameter's name although no body could use it. */
static bool is_reserved(const std::string &name)
{
	static const char *const words[] = {
		"break", "case", "catch", "class", "const", "continue", "debugger", "default", "delete", "do", "else", "enum", "export",
		"extends", "false", "finally", "for", "function", "if", "import", "in", "instanceof", "new", "null", "return", "super",
		"switch", "this", "throw", "true", "try", "typeof", "var", "void", "while", "with"};
	for (const char *word : words)
		if (name == word)
			return true;
	return false;
}

MaybeLocal<Function> compile_body(Local<Context> context, const char *name, const char *body,
                                  const std::vector<std::string> &argnames)
{
	Isolate *iso = isolate();
	v8::EscapableHandleScope scope(iso);
	std::vector<Local<String>> names;
	Local<String> source, label;

	for (const std::string &arg : argnames) {
		Local<String> text;
		if (is_reserved(arg)) {
			if (to_string(("the argument \"" + arg + "\" is named by a reserved word of JavaScript").c_str()).ToLocal(&text))
				iso->ThrowException(v8::Exception::SyntaxError(text));
			return MaybeLocal<Function>();
		}
		if (!to_string(arg.c_str()).ToLocal(&text))
			return MaybeLocal<Function>();
		names.push_back(text);
	}
	if (!to_string(body).ToLocal(&source))
		return MaybeLocal<Function>();
	Local<Value> resource = v8::Undefined(iso);
	if (name) {
		if (!to_string(name).ToLocal(&label))
			return MaybeLocal<Function>();
		resource = label;
	}
#if V8_MAJOR_VERSION >= 12
	v8::ScriptOrigin origin(resource);
#else
	v8::ScriptOrigin origin(iso, resource);
#endif
	v8::ScriptCompiler::Source unit(source, origin);
	Local<Function> function;
#if V8_MAJOR_VERSION >= 11
	MaybeLocal<Function> made = v8::ScriptCompiler::CompileFunction(context, &unit, names.size(), names.data());
#else
	MaybeLocal<Function> made = v8::ScriptCompiler::CompileFunctionInContext(context, &unit, names.size(), names.data(), 0, nullptr);
#endif
	if (!made.ToLocal(&function))
		return MaybeLocal<Function>();
	if (name)
		function->SetName(label);
	return scope.Escape(function);
}

// What pg_proc says, in plain data, so that reading it needs no JavaScript.
struct Reading {
	Proc *proc;
	char *source;
};

// Types that only the call decides, VARIADIC "any" among them.
static bool is_polymorphic(Oid typid)
{
	return IsPolymorphicType(typid) || typid == ANYOID;
}

static void read_catalog(Oid oid, HeapTuple tuple, Reading *out)
{
	Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);
	Proc *proc = out->proc;
	Oid *types;
	char **names, *modes;
	bool isnull;
	int outputs = 0;

	proc->oid = oid;
	proc->xmin = HeapTupleHeaderGetRawXmin(tuple->t_data);
	proc->tid = tuple->t_self;
	proc->name = NameStr(form->proname);
	proc->rettype = form->prorettype;
	proc->returns_set = form->proretset;
	proc->definer = form->prosecdef;
	proc->is_trigger = form->prorettype == TRIGGEROID;
	proc->is_event_trigger = form->prorettype == EVENT_TRIGGEROID;
	(void) SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_proconfig, &isnull);
	proc->configured = !isnull;
	Datum source = SysCacheGetAttr(PROCOID, tuple, Anum_pg_proc_prosrc, &isnull);
	if (isnull)
		elog(ERROR, "function %u has no source", oid);
	out->source = TextDatumGetCString(source);

	int total = get_func_arg_info(tuple, &types, &names, &modes);
	for (int i = 0; i < total; i++) {
		char mode = modes ? modes[i] : PROARGMODE_IN;
		if (mode == PROARGMODE_OUT || mode == PROARGMODE_INOUT || mode == PROARGMODE_TABLE)
			outputs++;
		if (mode == PROARGMODE_OUT || mode == PROARGMODE_TABLE)
			continue;
		proc->argtypes.push_back(types[i]);
		proc->args.push_back(is_polymorphic(types[i]) ? nullptr : type_info(types[i]));
		proc->argnames.push_back(names && names[i] && names[i][0] ? names[i]
		                                                          : "$" + std::to_string(proc->argtypes.size()));
	}
	proc->nargs = static_cast<int>(proc->argtypes.size());
	if (proc->is_trigger || proc->is_event_trigger)
		return;
	proc->anonymous_row = proc->rettype == RECORDOID && outputs == 0;
	proc->returns_internal = proc->rettype == INTERNALOID;
	if (!is_polymorphic(proc->rettype)) {
		proc->result = type_info(proc->rettype);
	}
}

static Proc *compile(World *world, Oid oid, HeapTuple tuple, ErrorData **err)
{
	Isolate *iso = isolate();
	Proc *proc = new Proc();
	Reading reading = {proc, nullptr};

	*err = guarded([&] { read_catalog(oid, tuple, &reading); });
	if (*err == nullptr) {
		HandleScope scope(iso);
		Local<Context> context = world->context.Get(iso);
		Context::Scope entered(context);
		TryCatch caught(iso);
		Local<Function> function;
		std::vector<std::string> names = proc->argnames;
		if (proc->is_trigger)
			names.assign(trigger_arg_names, trigger_arg_names + 10);
		InJs in(true);
		if (compile_body(context, proc->name.c_str(), reading.source, names).ToLocal(&function))
			proc->function.Reset(iso, function);
		else {
			*err = take_error(caught, context, proc->name.c_str());
			if ((*err)->sqlerrcode == ERRCODE_INTERNAL_ERROR)
				(*err)->sqlerrcode = ERRCODE_SYNTAX_ERROR;
		}
		pfree(reading.source);
	}
	if (*err) {
		delete proc;
		return nullptr;
	}
	return proc;
}

static bool current(const Proc *proc, HeapTuple tuple)
{
	return proc->xmin == HeapTupleHeaderGetRawXmin(tuple->t_data) &&
	       ItemPointerEquals(const_cast<ItemPointer>(&proc->tid), &tuple->t_self);
}

static bool types_stale(const Proc *proc)
{
	for (TypeInfo *type : proc->args)
		if (type && type->stale)
			return true;
	return proc->result && proc->result->stale;
}

Proc *proc_find(World *world, Oid oid, ErrorData **err)
{
	auto found = world->procs.find(oid);
	Proc *old = found == world->procs.end() ? nullptr : found->second;

	if (likely(old && old->checked == proc_generation)) {
		old->users++;
		return old;
	}
	HeapTuple tuple = nullptr;
	uint64_t generation = proc_generation;
	*err = guarded([&] {
		tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for function %u", oid);
	});
	if (*err)
		return nullptr;
	Proc *proc = old;
	if (old == nullptr || !current(old, tuple) || types_stale(old)) {
		proc = compile(world, oid, tuple, err);
		if (proc) {
			// Compilation ran no user code, so nobody else has touched the table.
			if (old)
				proc_free(old);
			world->procs[oid] = proc;
		}
	}
	ReleaseSysCache(tuple);
	if (proc == nullptr)
		return nullptr;
	proc->checked = generation;
	proc->users++;
	return proc;
}

bool proc_executable(Oid oid)
{
#if PG_VERSION_NUM >= 160000
	return object_aclcheck(ProcedureRelationId, oid, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK;
#else
	return pg_proc_aclcheck(oid, GetUserId(), ACL_EXECUTE) == ACLCHECK_OK;
#endif
}

Proc *proc_find_named(World *world, Oid oid, const char *name, ErrorData **err)
{
	*err = guarded([&] {
		HeapTuple tuple = SearchSysCache1(PROCOID, ObjectIdGetDatum(oid));
		if (!HeapTupleIsValid(tuple))
			elog(ERROR, "cache lookup failed for function %u", oid);
		Form_pg_proc form = (Form_pg_proc) GETSTRUCT(tuple);
		bool found = form->prolang == get_language_oid("plv8", true) && form->prorettype != TRIGGEROID &&
		             form->prorettype != EVENT_TRIGGEROID;
		ReleaseSysCache(tuple);
		if (!found)
			ereport(ERROR, (errcode(ERRCODE_UNDEFINED_FUNCTION), errmsg("javascript function is not found for \"%s\"", name)));
	});
	if (*err)
		return nullptr;
	return proc_find(world, oid, err);
}

}  // namespace plv8
