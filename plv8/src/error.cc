// error.cc: errors across the border, both ways. See the model in plv8.h.
#include "plv8.h"

#include <cstdarg>

extern "C" {
#include "catalog/namespace.h"
#include "mb/pg_wchar.h"
}

namespace plv8 {

MemoryContext error_context;

void error_init()
{
	error_context = AllocSetContextCreate(TopMemoryContext, "plv8 errors", ALLOCSET_SMALL_SIZES);
}

__attribute__((noinline)) ErrorData *guard_run(GuardedFn fn, void *arg)
{
	MemoryContext cxt = CurrentMemoryContext;
	ErrorData *volatile err = nullptr;
	uint64_t generation = engine.generation;

	PG_TRY();
	{
		fn(arg);
	}
	PG_CATCH();
	{
		MemoryContextSwitchTo(error_context);
		err = CopyErrorData();
		err->hide_ctx = true;
		FlushErrorState();
		MemoryContextSwitchTo(cxt);
	}
	PG_END_TRY();
	if (unlikely(generation != engine.generation))
		engine_land(err);     // our caller's JavaScript frames are of an isolate that is gone
	return err;
}

ErrorData *make_error(int sqlerrcode, const char *fmt, ...)
{
	MemoryContext old = MemoryContextSwitchTo(error_context);
	ErrorData *err = static_cast<ErrorData *>(palloc0(sizeof(ErrorData)));
	char text[1024];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	err->elevel = ERROR;
	err->sqlerrcode = sqlerrcode;
	err->message = pstrdup(text);
	MemoryContextSwitchTo(old);
	return err;
}

void raise_error(ErrorData *err)
{
	static ErrorData *last = nullptr;    // ThrowErrorData copies and does not come back, so each is freed by the next

	if (last)
		FreeErrorData(last);
	last = err;
	// Marked as one that the server has raised already: its context has every frame around this one, too. To have them add
	// themselves once more at each level makes a deep recursion's context grow with the square of its depth.
	if (err->hide_ctx)
		error_context_stack = nullptr;
	err->elevel = ERROR;
	ThrowErrorData(err);
	pg_unreachable();
}

// ------------------------------------------------------------------------------- PostgreSQL to JavaScript

// Cancel and shutdown: what the user or the administrator wants is not the script's to refuse.
static bool uncatchable(const ErrorData *err)
{
	return err->sqlerrcode == ERRCODE_QUERY_CANCELED || err->sqlerrcode == ERRCODE_ADMIN_SHUTDOWN ||
	       err->sqlerrcode == ERRCODE_CRASH_SHUTDOWN || err->sqlerrcode == ERRCODE_CANNOT_CONNECT_NOW;
}

// A function entered looks at the stack guard: for an interrupt that was asked for, and for the termination.
static void look_up()
{
	Isolate *iso = isolate();
	Local<Context> context = iso->GetCurrentContext();
	if (context.IsEmpty())
		return;
	World *world = world_of(context);
	if (world && !world->noop.IsEmpty())
		world->noop.Get(iso)->Call(context, v8::Undefined(iso), 0, nullptr).IsEmpty();
}

void terminate_now()
{
	isolate()->TerminateExecution();
	look_up();
}

bool interrupted()
{
	if (watch.requested.load(std::memory_order_relaxed))
		look_up();
	return stopped() || isolate()->IsExecutionTerminating();
}

// The server's messages may hold bytes that are no valid text; an error about an error helps nobody.
static Local<Value> text_or_null(const char *text)
{
	Isolate *iso = isolate();
	if (text == nullptr)
		return v8::Null(iso);
	TryCatch ignored(iso);
	Local<String> string;
	if (to_string(text).ToLocal(&string))
		return string;
	return ascii("?");
}

static void set(Local<Context> context, Local<Object> object, const char *name, Local<Value> value)
{
	object->CreateDataProperty(context, ascii(name), value).FromMaybe(false);
}

void throw_pg(ErrorData *err)
{
	Isolate *iso = isolate();
	HandleScope scope(iso);
	Local<Context> context = iso->GetCurrentContext();

	if (engine.fatal.load() || uncatchable(err)) {
		if (!engine.fatal.load())
			engine.fatal = err;
		terminate_now();
		return;
	}
	Local<Value> message = text_or_null(err->message ? err->message : "unknown error");
	Local<Object> object = v8::Exception::Error(message.As<String>()).As<Object>();
	char state[6];
	strlcpy(state, unpack_sql_state(err->sqlerrcode), sizeof(state));
	set(context, object, "sqlerrcode", ascii(state));
	set(context, object, "code", v8::Integer::New(iso, err->sqlerrcode));
	set(context, object, "detail", text_or_null(err->detail));
	set(context, object, "hint", text_or_null(err->hint));
	set(context, object, "context", text_or_null(err->context));
	set(context, object, "internalquery", text_or_null(err->internalquery));
	set(context, object, "schema_name", text_or_null(err->schema_name));
	set(context, object, "table_name", text_or_null(err->table_name));
	set(context, object, "column_name", text_or_null(err->column_name));
	set(context, object, "datatype_name", text_or_null(err->datatype_name));
	set(context, object, "constraint_name", text_or_null(err->constraint_name));
	FreeErrorData(err);
	iso->ThrowException(object);
}

static void throw_text(int sqlerrcode, const char *text)
{
	Isolate *iso = isolate();
	HandleScope scope(iso);
	Local<String> message;

	if (!String::NewFromUtf8(iso, text).ToLocal(&message))
		message = ascii("error");
	Local<Object> object = v8::Exception::Error(message).As<Object>();
	if (sqlerrcode) {
		char state[6];
		strlcpy(state, unpack_sql_state(sqlerrcode), sizeof(state));
		set(iso->GetCurrentContext(), object, "sqlerrcode", ascii(state));
		set(iso->GetCurrentContext(), object, "code", v8::Integer::New(iso, sqlerrcode));
	}
	iso->ThrowException(object);
}

void throw_js(const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	throw_text(0, text);
}

void throw_code(int sqlerrcode, const char *fmt, ...)
{
	char text[1024];
	va_list args;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	throw_text(sqlerrcode, text);
}

// ------------------------------------------------------------------------------- JavaScript to PostgreSQL

// The length of a UTF-8 text cut to at most `limit` bytes at a character's border.
static size_t clip(const std::string &text, size_t limit)
{
	if (text.size() <= limit)
		return text.size();
	while (limit > 0 && (text[limit] & 0xC0) == 0x80)
		limit--;
	return limit;
}

// From UTF-8 into the database's encoding; a character that has no place there becomes '?'.
static char *to_server(const char *utf8, size_t length)
{
	int encoding = GetDatabaseEncoding();
	Oid conversion = FindDefaultConversionProc(PG_UTF8, encoding);
	size_t room = length * MAX_CONVERSION_GROWTH + 1, used = 0;
	char *out = static_cast<char *>(palloc(room));

	while (length > 0) {
		unsigned char *from = reinterpret_cast<unsigned char *>(const_cast<char *>(utf8));
		char *to = out + used;
		*to = '\0';
		size_t done = static_cast<size_t>(pg_do_encoding_conversion_buf(conversion, PG_UTF8, encoding, from, static_cast<int>(length),
			reinterpret_cast<unsigned char *>(to), static_cast<int>(room - used), true));
		used += strlen(to);
		if (done < length) {
			out[used++] = '?';
			do
				done++;
			while (done < length && (utf8[done] & 0xC0) == 0x80);
		}
		utf8 += done;
		length -= done;
	}
	out[used] = '\0';
	return out;
}

// A string for an ErrorData, in the database's encoding.
static char *error_text(const std::string &text)
{
	char *copy = nullptr;
	const char *bytes = text.c_str();
	size_t length = clip(text, 1000000);
	ErrorData *err = guarded([&] {
		MemoryContext old = MemoryContextSwitchTo(error_context);
		if (GetDatabaseEncoding() == PG_UTF8 || GetDatabaseEncoding() == PG_SQL_ASCII)
			copy = pnstrdup(bytes, length);
		else
			copy = to_server(bytes, length);
		MemoryContextSwitchTo(old);
	});
	if (err) {
		FreeErrorData(err);
		MemoryContext old = MemoryContextSwitchTo(error_context);
		copy = pstrdup("(a message that the database's encoding cannot hold)");
		MemoryContextSwitchTo(old);
	}
	return copy;
}

// The text of a property that is a string; NULL if it is none or cannot be read.
static char *text_property(Local<Context> context, Local<Object> object, const char *name)
{
	TryCatch ignored(isolate());
	Local<Value> value;
	if (stopped() || !object->Get(context, ascii(name)).ToLocal(&value))
		return nullptr;
	/* Any primitive has a text; an object's could run code of its own. */
	if (!value->IsString() && !value->IsNumber() && !value->IsBoolean() && !value->IsBigInt())
		return nullptr;
	std::string text = describe(context, value);
	return text.empty() ? nullptr : error_text(text);
}

static bool parse_sqlstate(const std::string &text, int *sqlerrcode)
{
	if (text.size() != 5 || text.compare(0, 2, "00") == 0)
		return false;
	for (char c : text)
		if (!((c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z')))
			return false;
	*sqlerrcode = MAKE_SQLSTATE(text[0], text[1], text[2], text[3], text[4]);
	return true;
}

// `code` as a packed integer or five characters, else `sqlerrcode` the same way.
static bool sqlstate_property(Local<Context> context, Local<Object> object, const char *name, int *sqlerrcode)
{
	TryCatch ignored(isolate());
	Local<Value> value;
	if (stopped() || !object->Get(context, ascii(name)).ToLocal(&value))
		return false;
	if (value->IsString())
		return parse_sqlstate(describe(context, value), sqlerrcode);
	if (!value->IsInt32())
		return false;
	int packed = value.As<v8::Int32>()->Value();
	return packed > 0 && packed < (1 << 30) && parse_sqlstate(unpack_sql_state(packed), sqlerrcode);
}

static std::string stack_lines(Local<Context> context, Local<Value> exception)
{
	TryCatch ignored(isolate());
	Local<Value> stack;
	if (!TryCatch::StackTrace(context, exception).ToLocal(&stack) || !stack->IsString())
		return "";
	std::string text = describe(context, stack);
	size_t at = text.find("\n    at ");
	if (at == std::string::npos)
		return "";
	text.erase(0, at);
	return text.substr(0, clip(text, 8192));
}

static const size_t CONTEXT_LIMIT = 65536;

static ErrorData *error_of(TryCatch &caught, Local<Context> context, const char *function_name)
{
	Isolate *iso = isolate();
	HandleScope scope(iso);
	Local<Value> exception = caught.Exception();
	Local<v8::Message> where = caught.Message();
	std::string text = describe(context, exception);
	std::string trail;

	// Each look at the exception may run the script's getters, and each of those may be what is cancelled.
	if (stopped())
		return nullptr;

	ErrorData *err = make_error(ERRCODE_INTERNAL_ERROR, "%s", "");
	pfree(err->message);
	err->message = nullptr;
	if (exception->IsNativeError() && text == "RangeError: Maximum call stack size exceeded")
		err->sqlerrcode = ERRCODE_STATEMENT_TOO_COMPLEX;
	if (exception->IsNativeError() && text == "RangeError: Array buffer allocation failed")
		err->sqlerrcode = ERRCODE_OUT_OF_MEMORY;
	if (text.compare(0, 7, "Error: ") == 0)
		text.erase(0, 7);

	if (function_name)
		trail = describe(context, text_or_null(function_name)) + "()";
	// What was thrown by a conversion, outside of the script, has no line.
	if (!where.IsEmpty() && where->GetLineNumber(context).FromMaybe(0) > 0) {
		TryCatch ignored(iso);
		Local<String> line;
		Local<Value> script = where->GetScriptResourceName();
		if (script->IsString())
			trail = describe(context, script) + "()";
		else if (trail.empty())
			trail = "undefined()";
		trail += " LINE " + std::to_string(where->GetLineNumber(context).FromMaybe(0)) + ": ";
		if (where->GetSourceLine(context).ToLocal(&line)) {
			std::string source = describe(context, line);
			trail += source.substr(0, clip(source, 1000));
		}
	}
	if (stopped())
		return nullptr;
	trail += stack_lines(context, exception);

	if (exception->IsObject()) {
		Local<Object> object = exception.As<Object>();
		int state;
		if (sqlstate_property(context, object, "code", &state) ||
		    sqlstate_property(context, object, "sqlerrcode", &state))
			err->sqlerrcode = state;
		err->detail = text_property(context, object, "detail");
		err->hint = text_property(context, object, "hint");
		err->schema_name = text_property(context, object, "schema_name");
		err->table_name = text_property(context, object, "table_name");
		err->column_name = text_property(context, object, "column_name");
		err->datatype_name = text_property(context, object, "datatype_name");
		err->constraint_name = text_property(context, object, "constraint_name");
		TryCatch ignored(iso);
		Local<Value> before;
		if (!stopped() && object->Get(context, ascii("context")).ToLocal(&before) && before->IsString()) {
			// A call deep in a recursion adds no more.
			std::string outer = describe(context, before);
			if (outer.size() > CONTEXT_LIMIT)
				trail = outer;
			else if (!outer.empty())
				trail = outer + "\n" + trail;
			err->hide_ctx = !outer.empty();
		}
		if (text == "[object Object]" && !stopped() && object->Get(context, ascii("message")).ToLocal(&before) && before->IsString())
			text = describe(context, before);
	}
	err->message = error_text(text.empty() ? "unknown error" : text);
	err->context = error_text(trail);
	return err;
}

ErrorData *take_error(TryCatch &caught, Local<Context> context, const char *function_name)
{
	Isolate *iso = isolate();
	ErrorData *err = nullptr;

	if (!engine.fatal.load() && !caught.HasTerminated() && caught.HasCaught()) {
		InJs in(true);     // getters of the thrown object are the user's code
		err = error_of(caught, context, function_name);
	}
	if (iso->IsExecutionTerminating() || caught.HasTerminated() || engine.fatal || engine.out_of_memory)
		iso->CancelTerminateExecution();
	watchdog_done();
	if (engine.fatal) {
		err = engine.fatal;
		engine.fatal = nullptr;
		engine.out_of_memory = false;
	} else if (engine.out_of_memory) {
		engine.out_of_memory = false;
		err = make_error(ERRCODE_OUT_OF_MEMORY, "JavaScript ran out of memory: the limit is plv8.memory_limit = %d MB",
		                 settings.memory_limit);
		if (function_name) {
			MemoryContext old = MemoryContextSwitchTo(error_context);
			err->context = psprintf("%s()", function_name);
			MemoryContextSwitchTo(old);
		}
	} else if (err == nullptr)
		err = make_error(ERRCODE_INTERNAL_ERROR, "JavaScript ended without a result");
	return err;
}

}  // namespace plv8
