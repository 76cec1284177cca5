// api.cc: the plv8 object and the constants beside it.
#include "spi.h"

extern "C" {
#include "utils/acl.h"
#include "utils/regproc.h"
#include "utils/fmgrprotos.h"
}

namespace plv8 {

static Global<v8::ObjectTemplate> global_template;

struct Level {
	const char *name;
	int value;
};
static const Level levels[] = {
	{"DEBUG5", DEBUG5}, {"DEBUG4", DEBUG4}, {"DEBUG3", DEBUG3}, {"DEBUG2", DEBUG2}, {"DEBUG1", DEBUG1},
	{"LOG", LOG}, {"INFO", INFO}, {"NOTICE", NOTICE}, {"WARNING", WARNING}, {"ERROR", ERROR}
};

// plv8.elog(level, part…): the parts joined by spaces. ERROR throws.
static void elog_message(const FunctionCallbackInfo<Value> &args)
{
	Isolate *iso = isolate();
	Local<Context> context = iso->GetCurrentContext();
	int32_t level;
	bool known = false;

	if (args.Length() < 2) {
		throw_js("usage: plv8.elog(elevel, ...)");
		return;
	}
	if (!args[0]->Int32Value(context).To(&level))
		return;
	for (const Level &l : levels)
		known |= l.value == level;
	if (!known) {
		throw_js("invalid error level");
		return;
	}
	Local<String> text = String::Empty(iso);
	for (int i = 1; i < args.Length(); i++) {
		Local<String> part;
		if (!args[i]->ToString(context).ToLocal(&part))
			return;
		if (static_cast<int64_t>(text->Length()) + part->Length() + 1 > String::kMaxLength) {
			throw_js("the message is too long");
			return;
		}
		if (i > 1)
			text = String::Concat(iso, text, ascii(" "));
		text = String::Concat(iso, text, part);
	}
	if (level == ERROR) {
		iso->ThrowException(v8::Exception::Error(text));
		return;
	}
	MemoryContext old = MemoryContextSwitchTo(error_context);
	char *message = to_cstring(context, text);
	MemoryContextSwitchTo(old);
	if (message == nullptr)
		return;
	InJs out(false);
	guarded_js([&] {
		ereport(level, (errmsg_internal("%s", message)));
	});
	pfree(message);
}

static void quote_literal(const FunctionCallbackInfo<Value> &args)
{
	Local<Context> context = isolate()->GetCurrentContext();
	if (args.Length() < 1) {
		throw_js("plv8.quote_literal needs an argument");
		return;
	}
	char *text = to_cstring(context, args[0]);
	char *quoted = nullptr;
	Local<String> made;
	if (text && guarded_js([&] { quoted = quote_literal_cstr(text); }) && to_string(quoted).ToLocal(&made))
		args.GetReturnValue().Set(made);
	if (text)
		pfree(text);
	if (quoted)
		pfree(quoted);
}

static void quote_nullable(const FunctionCallbackInfo<Value> &args)
{
	if (args.Length() < 1 || args[0]->IsNullOrUndefined())
		args.GetReturnValue().Set(ascii("NULL"));
	else
		quote_literal(args);
}

static void quote_ident(const FunctionCallbackInfo<Value> &args)
{
	Local<Context> context = isolate()->GetCurrentContext();
	if (args.Length() < 1) {
		throw_js("plv8.quote_ident needs an argument");
		return;
	}
	char *text = to_cstring(context, args[0]);
	const char *quoted = nullptr;
	Local<String> made;
	if (text && guarded_js([&] { quoted = quote_identifier(text); }) && to_string(quoted).ToLocal(&made))
		args.GetReturnValue().Set(made);
	if (quoted && quoted != text)
		pfree(const_cast<char *>(quoted));
	if (text)
		pfree(text);
}

static void return_next(const FunctionCallbackInfo<Value> &args)
{
	Isolate *iso = isolate();
	(void) frame_return_next(iso->GetCurrentContext(), args.Length() > 0 ? args[0] : v8::Undefined(iso).As<Value>());
}

static void get_window_object(const FunctionCallbackInfo<Value> &)
{
	throw_code(ERRCODE_FEATURE_NOT_SUPPORTED, "get_window_object is not supported: this build has no window-function API");
}

// Stands for a function that the role may not call.
static void not_allowed(const FunctionCallbackInfo<Value> &args)
{
	Local<Context> context = isolate()->GetCurrentContext();
	throw_code(ERRCODE_INSUFFICIENT_PRIVILEGE, "permission denied for function %.200s", describe(context, args.Data()).c_str());
}

// plv8.find_function("f") or ("f(int, text)"). One that may not be called is found with a warning, as in PLV8, and throws.
static void find_function(const FunctionCallbackInfo<Value> &args)
{
	Isolate *iso = isolate();
	Local<Context> context = iso->GetCurrentContext();
	World *world = world_of(context);

	if (args.Length() < 1) {
		throw_js("plv8.find_function needs the name of a function");
		return;
	}
	if (engine.fatal || world == nullptr)
		return;
	char *name = to_cstring(context, args[0]);
	if (name == nullptr)
		return;
	Oid oid = InvalidOid;
	bool allowed = false;
	Subtransaction sub;
	if (!sub.begin())
		return;
	ErrorData *err = guarded([&] {
		oid = strchr(name, '(') ? DatumGetObjectId(DirectFunctionCall1(regprocedurein, CStringGetDatum(name)))
		                        : DatumGetObjectId(DirectFunctionCall1(regprocin, CStringGetDatum(name)));
		allowed = proc_executable(oid);
		if (!allowed)
			ereport(WARNING, (errmsg("failed to find or no permission for js function %s", name)));
	});
	Proc *proc = nullptr;
	if (err == nullptr && allowed)
		proc = proc_find_named(world, oid, name, &err);
	if (err) {
		sub.fail(err);
		return;
	}
	Local<Function> function;
	Local<String> label;
	bool made = true;
	if (proc == nullptr)
		made = to_string(name).ToLocal(&label) && Function::New(context, not_allowed, label).ToLocal(&function);
	else if (proc->definer || proc->configured)
		// What runs as somebody else, or under other settings, must go through PostgreSQL.
		made = Function::New(context, call_through, v8::Integer::NewFromUnsigned(iso, oid), proc->nargs).ToLocal(&function);
	else
		function = proc->function.Get(iso);
	if (proc)
		proc_unref(proc);
	pfree(name);
	if (!made)
		sub.abort();
	else if (sub.commit())
		args.GetReturnValue().Set(function);
}

// plv8.run_script(source, name): runs a script in this world's global scope.
static void run_script(const FunctionCallbackInfo<Value> &args)
{
	Isolate *iso = isolate();
	Local<Context> context = iso->GetCurrentContext();
	Local<String> source, name;

	if (args.Length() < 1 || !args[0]->IsString()) {
		throw_js("plv8.run_script needs the source text as its first argument");
		return;
	}
	source = args[0].As<String>();
	Local<Value> label = args.Length() > 1 ? args[1] : v8::Undefined(iso).As<Value>();
	if (!label->IsUndefined()) {
		if (!label->ToString(context).ToLocal(&name))
			return;
		label = name;
	}
#if V8_MAJOR_VERSION >= 12
	v8::ScriptOrigin origin(label);
#else
	v8::ScriptOrigin origin(iso, label);
#endif
	Local<v8::Script> script;
	Local<Value> value;
	if (v8::Script::Compile(context, source, &origin).ToLocal(&script) && script->Run(context).ToLocal(&value))
		args.GetReturnValue().Set(value);
}

std::vector<Figure> memory_figures()
{
	v8::HeapStatistics stats;
	isolate()->GetHeapStatistics(&stats);
	return {
		{"total_heap_size", stats.total_heap_size()}, {"total_physical_size", stats.total_physical_size()},
		{"used_heap_size", stats.used_heap_size()}, {"heap_size_limit", stats.heap_size_limit()},
		{"external_memory", stats.external_memory()}, {"number_of_native_contexts", stats.number_of_native_contexts()},
		{"contexts", worlds.size()}
	};
}

static void memory_usage(const FunctionCallbackInfo<Value> &args)
{
	Isolate *iso = isolate();
	Local<Context> context = iso->GetCurrentContext();
	Local<Object> object = Object::New(iso);
	for (const Figure &figure : memory_figures())
		object->CreateDataProperty(context, ascii(figure.name), v8::Number::New(iso, static_cast<double>(figure.value))).FromMaybe(false);
	args.GetReturnValue().Set(object);
}

Local<v8::ObjectTemplate> api_global_template(Isolate *iso)
{
	if (!global_template.IsEmpty())
		return global_template.Get(iso);
	Local<v8::ObjectTemplate> plv8 = v8::ObjectTemplate::New(iso);
	auto method = [&](const char *name, v8::FunctionCallback fn) {
		Local<v8::FunctionTemplate> f = v8::FunctionTemplate::New(iso, fn);
		f->RemovePrototype();
		f->SetClassName(ascii(name));
		plv8->Set(ascii(name), f);
	};
	method("elog", elog_message);
	method("quote_literal", quote_literal);
	method("quote_nullable", quote_nullable);
	method("nullable", quote_nullable);
	method("quote_ident", quote_ident);
	method("return_next", return_next);
	method("get_window_object", get_window_object);
	method("find_function", find_function);
	method("run_script", run_script);
	method("memory_usage", memory_usage);
	spi_install(iso, plv8);
	plv8->Set(ascii("version"), ascii(PLV8_VERSION));
	plv8->Set(ascii("v8_version"), ascii(v8::V8::GetVersion()));

	Local<v8::ObjectTemplate> global = v8::ObjectTemplate::New(iso);
	global->Set(ascii("plv8"), plv8);
	for (const Level &level : levels)
		global->Set(ascii(level.name), v8::Integer::New(iso, level.value), v8::ReadOnly);
	global_template.Reset(iso, global);
	return global;
}

void api_forget()
{
	forget(global_template);
}

bool api_install(Local<Context>)
{
	return true;
}

}  // namespace plv8
