// plv8.h: what every part of the handler knows. The model, in one page:
//
// A backend has one V8 isolate, made by the first call, and in it one *world* (v8::Context) per effective
// role. A SQL call enters `plv8_call_handler`, a frame without destructors, which lets `run_*` do the C++
// work. `run_*` never leaves by longjmp: it returns an ErrorData, and the plain frame raises it.
//
// Two error systems meet here and neither may cross the other's frames:
//   * PostgreSQL's ereport(ERROR) is a longjmp. Every server function that may raise is called through
//     guarded(), which turns the error into an ErrorData* as soon as the jump has landed.
//   * A JavaScript exception is a pending value of V8. It becomes an ErrorData when the last JavaScript
//     frame of the call was left (error.cc), and an ErrorData becomes a JavaScript Error in throw_pg().
// Errors that JavaScript may not catch (cancel, terminate, a memory limit) are kept in `engine.fatal` and
// end the script by V8's termination.
//
// A server call that reads or writes the database from JavaScript runs in an internal subtransaction, so
// that `catch` leaves a usable transaction (spi.cc).
#pragma once

#include <v8.h>
#include <libplatform/libplatform.h>
#if V8_MAJOR_VERSION < 10 || V8_MAJOR_VERSION > 12
#error "V8 10 to 12 are known (Node.js 18 to 23): name a libnode of theirs by V8_INCLUDE and V8_LIBDIR"
#endif

#include <atomic>
#include <csetjmp>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

extern "C" {
#include "postgres.h"

#include "access/htup_details.h"
#include "access/xact.h"
#include "catalog/pg_proc.h"
#include "catalog/pg_type.h"
#include "executor/spi.h"
#include "fmgr.h"
#include "funcapi.h"
#include "miscadmin.h"
#include "utils/builtins.h"
#include "utils/memutils.h"
#include "utils/resowner.h"
#include "utils/tuplestore.h"
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif
}

#undef _

namespace plv8 {

using v8::Context;
using v8::Function;
using v8::FunctionCallbackInfo;
using v8::Global;
using v8::HandleScope;
using v8::Isolate;
using v8::Local;
using v8::MaybeLocal;
using v8::Object;
using v8::String;
using v8::TryCatch;
using v8::Value;

// Lets go of a handle whose isolate was given up, which cannot be told.
template <class T> void forget(Global<T> &handle)
{
	new (&handle) Global<T>();
}

struct Proc;
struct World;
struct TypeInfo;
struct CallFrame;

// ---------------------------------------------------------------------------------------------- engine.cc

// The one V8 of this backend. All of it belongs to the main thread but what is atomic.
struct Landing;

struct Engine {
	std::atomic<Isolate *> isolate{nullptr};
	uint64_t generation = 1;          // isolates so far; see engine.cc about their loss
	bool losing = false;              // engine_abandon was called, the landing is to clean up
	Landing *landing = nullptr;       // where a lost isolate's calls come down
	int depth = 0;                    // handler frames that have JavaScript on the stack
	CallFrame *frame = nullptr;       // the innermost of them
	std::atomic<ErrorData *> fatal{nullptr}; // an error on its way out that no catch may stop
	bool out_of_memory = false;       // the heap limit ended the running script
};
extern Engine engine;

// Starts V8 on first use; raises when the library was preloaded by the postmaster.
void engine_start();
// Sets V8's stack limit from max_stack_depth. To be called before JavaScript runs.
void engine_set_stack_limit();
// What an entry from PostgreSQL restores when the isolate is lost under it.
struct Landing {
	Landing();
	sigjmp_buf jump;
	Landing *outer;
	bool awaited;              // somebody of ours jumped; else an error of the server's that no guard was waiting for
	CallFrame *frame;
	int depth;
	int nest_level;
	int in_js;
	MemoryContext cxt;
	ResourceOwner owner;
	ErrorData *error;
	sigjmp_buf *exception_stack;
	ErrorContextCallback *callbacks;
};
// Gives the isolate up and leaves for the innermost landing, from any point inside V8. With no error, the landing finds
// out which interrupt it was.
[[noreturn]] void engine_abandon(ErrorData *err);
// Leaves all JavaScript frames for the innermost landing, whose call ends with the error (or one of its own).
[[noreturn]] void engine_land(ErrorData *err);
ErrorData *engine_recover(Landing *landing);

// Runs one entry from PostgreSQL, f(), which returns its error; lands here when the isolate is lost, as it is by an error
// that comes past every guard (memory that PostgreSQL cannot get for us). To be used in frames without destructors.
template <class F> __attribute__((noinline)) ErrorData *with_landing(F f)
{
	Landing landing;
	ErrorData *volatile err;
	engine.landing = &landing;
	if (sigsetjmp(landing.jump, 0) == 0) {
		PG_exception_stack = &landing.jump;
		err = f();
		PG_exception_stack = landing.exception_stack;
	} else
		err = engine_recover(&landing);
	engine.landing = landing.outer;
	return err;
}
// After the outermost call: takes back a raised heap limit.
void engine_settle();
size_t engine_memory_limit();

// -------------------------------------------------------------------------------------------- watchdog.cc

// The thread that notices cancel, terminate and timeouts while JavaScript runs.
void watchdog_start();
void watchdog_stop();

// Where the main thread is, as the watchdog sees it. js_since counts entries; odd means inside.
struct Watch {
	std::atomic<int> in_js{0};        // 1 while JavaScript (not a server call made by it) runs
	std::atomic<int> asleep{0};       // the thread waits on this futex word
	std::atomic<uint64_t> entries{0}; // how often JavaScript was entered
	std::atomic<int> requested{0};    // an interrupt request is under way
	std::atomic<int64_t> wanted_at{0};// since when (ms) the script has been asked to stop; 0 when it is not
	std::atomic<int> in_gc{0};
	std::atomic<int> kicked{0};       // a signal to look is under way
	std::atomic<int> hits{0};         // samples since then that found it in code that does not listen
	std::atomic<int> limit_s{0};      // plv8.execution_timeout, seconds; 0 for none
	std::atomic<int64_t> js_ms{0};    // time the outermost call has spent in JavaScript so far
};
extern Watch watch;
void watchdog_wake();
// The script has stopped, or need not.
inline void watchdog_done()
{
	watch.wanted_at.store(0, std::memory_order_relaxed);
	watch.hits.store(0, std::memory_order_relaxed);
}
void watchdog_isolate(Isolate *isolate);

// Marks a stretch of JavaScript (or, nested with false, a stretch of server code inside it).
class InJs {
public:
	explicit InJs(bool in) : was_(watch.in_js.load(std::memory_order_relaxed))
	{
		watch.in_js.store(in ? 1 : 0, std::memory_order_seq_cst);
		if (in) {
			watch.entries.fetch_add(1, std::memory_order_relaxed);
			if (watch.asleep.load(std::memory_order_seq_cst))
				watchdog_wake();
		}
	}
	~InJs() { watch.in_js.store(was_, std::memory_order_relaxed); }
private:
	int was_;
};

// ----------------------------------------------------------------------------------------------- error.cc

typedef void (*GuardedFn)(void *);
// Runs fn(arg); a PostgreSQL error in it is caught and returned, copied into error_context. fn and what
// it calls must keep no C++ object that needs a destructor. NULL when nothing was raised.
ErrorData *guard_run(GuardedFn fn, void *arg);

template <class F> inline ErrorData *guarded(F f)
{
	return guard_run([](void *p) { (*static_cast<F *>(p))(); }, &f);
}

extern MemoryContext error_context;
void error_init();
// An error of our own, in error_context.
ErrorData *make_error(int sqlerrcode, const char *fmt, ...) pg_attribute_printf(2, 3);
// Throws an ErrorData into JavaScript, or, if no catch may have it, starts the termination. Frees it.
void throw_pg(ErrorData *err);
// Throws a JavaScript Error with this text.
void throw_js(const char *fmt, ...) pg_attribute_printf(1, 2);
// Throws a JavaScript Error with this text and SQLSTATE.
void throw_code(int sqlerrcode, const char *fmt, ...) pg_attribute_printf(2, 3);
// Makes termination take effect here and now rather than at the script's next loop or call.
void terminate_now();
// guarded(), with an error thrown into JavaScript. False when there was one.
template <class F> inline bool guarded_js(F f)
{
	ErrorData *err = guarded(f);
	if (likely(err == nullptr))
		return true;
	throw_pg(err);
	return false;
}
// guarded(), for work that is the server's and not JavaScript's: the watchdog leaves it alone.
template <class F> inline ErrorData *guarded_out(F f)
{
	InJs out(false);
	return guarded(f);
}
// For loops of ours that run no JavaScript: lets a cancel or timeout that waits be looked at. True when the script is
// being ended.
bool interrupted();
// The script is being ended; nothing of its code is to be run any more.
inline bool stopped() { return engine.fatal.load() != nullptr || engine.out_of_memory; }
// What ended the script: the fatal error, or what TryCatch holds. Never NULL; clears the termination.
ErrorData *take_error(TryCatch &caught, Local<Context> context, const char *function_name);
// Raises it. Called from frames without destructors only.
[[noreturn]] void raise_error(ErrorData *err);

// ---------------------------------------------------------------------------------------------- string.cc

// A C string in the database's encoding to a JavaScript string. Empty, with an exception, if too long.
MaybeLocal<String> to_string(const char *text, size_t length);
MaybeLocal<String> to_string(const char *text);
// For names and messages of our own: ASCII literals.
Local<String> ascii(const char *text);
// Text of a value (its ToString) in the database's encoding, palloc'd and NUL-terminated. NULL with an
// exception pending when the value has no text, holds a NUL, or is too long.
char *to_cstring(Local<Context> context, Local<Value> value, size_t *length = nullptr, bool allow_nul = false);
// The same as a text datum.
struct varlena *to_text(Local<Context> context, Local<Value> value);
// Text of a value for messages; never throws, never NULL.
std::string describe(Local<Context> context, Local<Value> value);

// ----------------------------------------------------------------------------------------------- types.cc

enum class Kind : uint8_t {
	Void, Bool, Int2, Int4, Int8, Oid, Float4, Float8, Numeric, Text, Bytea, Json, Jsonb,
	Date, Timestamp, TimestampTz, Array, Composite, Internal, Other
};
enum class Packed : uint8_t { None, Int2, Int4, Int8, Float4, Float8 };

// What a conversion needs to know of a SQL type; kept for the session, renewed when the type changes.
struct TypeInfo {
	Oid typid;
	Oid base;              // the type under a domain, else typid
	int32 base_typmod;
	Kind kind;
	Packed packed;         // plv8_int4array and its kin
	bool domain;
	bool byval;
	int16 len;
	char align;
	TypeInfo *elem;        // of an array
	bool has_in, has_out;
	bool stale;            // the catalogs have changed since; a new one takes its place
	bool pure;             // conversions run no catalog or user code
	uint32 hash;           // of its pg_type row, as invalidations name it
	Oid ioparam;
	FmgrInfo in, out;
	void *domain_extra;
	int domain_busy;       // checks on the stack that use it
	MemoryContext cxt;
};

// Looks a type up; raises, so it is called guarded or from plain frames.
TypeInfo *type_info(Oid typid);
void types_init();
void type_need_in(TypeInfo *type);
void type_need_out(TypeInfo *type);

// The columns of a row type as JavaScript sees them.
struct RowShape {
	int natts = 0;
	struct Column { TypeInfo *type; Oid typid; int32 typmod; bool dropped; Global<String> name; NameData cname; };
	std::vector<Column> columns;
	bool matches(TupleDesc desc) const;
	bool pure() const;
	// Reads the descriptor anew. False with an exception pending.
	bool load(TupleDesc desc);
};
// The shape for a descriptor: the kept one if it still fits, else a new one, which is kept. NULL with an exception.
std::shared_ptr<RowShape> shape_for(std::shared_ptr<RowShape> *kept, TupleDesc desc);

// -------------------------------------------------------------------------------------- to_js.cc, to_pg.cc

// A datum to a JavaScript value. Empty with an exception pending when there was an error.
MaybeLocal<Value> to_js(Local<Context> context, TypeInfo *type, Datum datum, bool isnull);
MaybeLocal<Value> row_to_js(Local<Context> context, RowShape *shape, TupleDesc desc, HeapTuple tuple);
MaybeLocal<Value> row_datum_to_js(Local<Context> context, Datum datum);

// A JavaScript value to a datum of the type, in CurrentMemoryContext. False with an exception pending.
bool to_pg(Local<Context> context, TypeInfo *type, int32 typmod, Local<Value> value, Datum *datum, bool *isnull);
// Checks a domain's constraints; raises, so it is called guarded.
void check_domain(TypeInfo *type, Datum datum, bool isnull);
// An object to the columns of a row. False with an exception pending.
// With `kept` and `from`, a property that still is the kept value takes its datum from that tuple.
bool row_to_pg(Local<Context> context, RowShape *shape, TupleDesc desc, Local<Value> value, Datum *datums, bool *nulls,
               const std::vector<Local<Value>> *kept = nullptr, HeapTuple from = nullptr);
// JSON text of a value as JSON.stringify makes it; NULL string for undefined.
bool stringify(Local<Context> context, Local<Value> value, Local<String> *out);

// --------------------------------------------------------------------------------------------- context.cc

// One role's JavaScript world in this session.
struct World {
	Oid role;
	Global<Context> context;
	Global<Function> noop;
	std::unique_ptr<v8::MicrotaskQueue> queue;
	int users = 0;         // calls on the stack that run in it
	bool dead = false;     // reset; freed when the last of them returns
	std::unordered_map<Oid, Proc *> procs;
};
// The world of the effective user, made on first use. NULL with *err set if its start_proc failed.
World *world_enter(ErrorData **err);
World *world_of(Local<Context> context);
void world_release(World *world);
void world_reset(Oid role);
void worlds_reset_all();
// The isolate is lost: drop every handle without telling V8. So do api_forget and spi_forget.
void worlds_forget();
extern std::vector<World *> worlds;

// ------------------------------------------------------------------------------------------------ proc.cc

// A function of the catalog, compiled in one world.
struct Proc {
	Oid oid;
	TransactionId xmin;
	ItemPointerData tid;
	uint64_t checked;      // generation of the catalog it was last compared with
	int users = 0;
	bool stale = false;
	std::string name;
	Global<Function> function;
	bool is_trigger = false, is_event_trigger = false, returns_set = false;
	bool returns_internal = false;
	int nargs = 0;
	Oid rettype = InvalidOid;
	std::vector<Oid> argtypes;       // inputs
	std::vector<std::string> argnames;
	std::vector<TypeInfo *> args;    // by input; NULL where polymorphic
	TypeInfo *result = nullptr;
	bool anonymous_row = false;      // RETURNS record, whose columns the query lists
	bool definer = false, configured = false;
	// Of the result row and of the trigger's table. A conversion holds its own reference, since code that it runs may
	// call this function with another shape.
	std::shared_ptr<RowShape> shape, trigger_shape;
};
extern uint64_t proc_generation;
void procs_init();
// The compiled function, from the world's cache. NULL with *err set.
Proc *proc_find(World *world, Oid oid, ErrorData **err);
// Whether the effective user may call a function; raises.
bool proc_executable(Oid oid);
// proc_find() for a function that was named (by `name`, for messages): it must be JavaScript, and no trigger.
Proc *proc_find_named(World *world, Oid oid, const char *name, ErrorData **err);
void proc_unref(Proc *proc);
void proc_free(Proc *proc);
// Compiles a body. Empty with an exception pending.
MaybeLocal<Function> compile_body(Local<Context> context, const char *name, const char *body,
                                  const std::vector<std::string> &argnames);
extern const char *const trigger_arg_names[10];

// ------------------------------------------------------------------------------------------------ call.cc

// One call on the stack.
struct CallFrame {
	CallFrame *outer = nullptr;
	World *world = nullptr;
	FunctionCallInfo fcinfo = nullptr;
	bool atomic = true;            // commit and rollback are refused
	bool spi = false;              // SPI_connect was done
	int subtransactions = 0;       // plv8.subtransaction calls that are open
	MemoryContext entry_cxt = nullptr;
	// set-returning
	Tuplestorestate *store = nullptr;
	TupleDesc store_desc = nullptr;
	bool store_scalar = false, store_anonymous = false;
	RowShape *store_shape = nullptr;
	TypeInfo *store_type = nullptr;     // of a scalar, or the domain over the rows
	ResourceOwner store_owner = nullptr;
	MemoryContext store_cxt = nullptr;
};

ErrorData *run_call(FunctionCallInfo fcinfo, bool nonatomic, Datum *result);
ErrorData *run_inline(const char *source, bool atomic);
ErrorData *run_validate(Oid oid);
ErrorData *run_info(Datum *result);
bool frame_return_next(Local<Context> context, Local<Value> value);
// Calls a JavaScript function in a world and takes what it threw. *result is valid when NULL is returned.
ErrorData *invoke(World *world, Local<Context> context, Local<Function> function, const char *name, int argc,
                  Local<Value> *argv, Local<Value> *result);
// A SPI connection for the frame, made when first needed. Raises.
void frame_need_spi();
// Calls the function whose oid is the callback's data through PostgreSQL, as SQL would.
void call_through(const FunctionCallbackInfo<Value> &args);

// ------------------------------------------------------------------------------------- api.cc, spi.cc …

Local<v8::ObjectTemplate> api_global_template(Isolate *isolate);
bool api_install(Local<Context> context);
void spi_install(Isolate *isolate, Local<v8::ObjectTemplate> plv8);
void spi_free_dropped_plans();
void api_forget();
void spi_forget();
// What plv8.memory_usage() and plv8_info() tell.
struct Figure {
	const char *name;
	size_t value;
};
std::vector<Figure> memory_figures();

struct Settings {
	char *start_proc;
	char *v8_flags;
	char *icu_data;
	int memory_limit;       // MB
	int execution_timeout;  // s
};
extern Settings settings;
void settings_define();
// Whether the present plv8.start_proc may run as this role.
bool settings_start_proc_allowed(Oid role);
// Whether it may run this function as this role, by the function's owner.
bool start_proc_owner_allowed(Oid role, Oid function);
bool role_is_superuser(Oid role);

inline Isolate *isolate() { return engine.isolate.load(std::memory_order_relaxed); }

}  // namespace plv8
