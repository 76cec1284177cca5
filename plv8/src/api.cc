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
		throw_js("invalid error level: %d", level);
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

// plv8.find_function("f") or ("f(int, text)").
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
	Subtransaction sub;
	if (!sub.begin())
		return;
	ErrorData *err = guarded([&] {
		oid = strchr(name, '(') ? DatumGetObjectId(DirectFunctionCall1(regprocedurein, CStringGetDatum(name)))
		                        : DatumGetObjectId(DirectFunctionCall1(regprocin, CStringGetDatum(name)));
	});
	Proc *proc = err ? nullptr : proc_find_checked(world, oid, &err);
	if (proc == nullptr) {
		sub.fail(err);
		return;
	}
	Local<Function> function;
	if (proc->definer || proc->configured) {
		// What runs as somebody else, or under other settings, must go through PostgreSQL.
		if (!Function::New(context, call_through, v8::Integer::NewFromUnsigned(iso, oid), proc->nargs).ToLocal(&function)) {
			proc_unref(proc);
			sub.abort();
			return;
		}
	} else
		function = proc->function.Get(iso);
	proc_unref(proc);
	if (sub.commit())
		args.GetReturnValue().Set(function);
	pfree(name);
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

Local<Object> memory_usage(Local<Context> context)
{
	Isolate *iso = isolate();
	Local<Object> object = Object::New(iso);
	v8::HeapStatistics stats;
	iso->GetHeapStatistics(&stats);
	auto set = [&](const char *name, size_t value) {
		object->CreateDataProperty(context, ascii(name), v8::Number::New(iso, static_cast<double>(value))).FromMaybe(false);
	};
	set("total_heap_size", stats.total_heap_size());
	set("total_physical_size", stats.total_physical_size());
	set("used_heap_size", stats.used_heap_size());
	set("heap_size_limit", stats.heap_size_limit());
	set("external_memory", stats.external_memory());
	set("number_of_native_contexts", stats.number_of_native_contexts());
	set("contexts", worlds.size());
	return object;
}

static void usage(const FunctionCallbackInfo<Value> &args)
{
	args.GetReturnValue().Set(memory_usage(isolate()->GetCurrentContext()));
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
	method("memory_usage", usage);
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
	global_template.Empty();
}

bool api_install(Local<Context>)
{
	return true;
}

}  // namespace plv8
