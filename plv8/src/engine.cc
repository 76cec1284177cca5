// engine.cc: the life of V8 in a backend: its start, its stack and heap limits, and its loss.
//
// V8 ends the process when it cannot go on: an allocation beyond the heap limit in the middle of a built-in function, a
// table that cannot grow. A backend must not die of that. So every entry from PostgreSQL is a *landing*: when V8 gives up,
// it calls fatal_error(), and that jumps to the innermost landing, past all of V8's frames. The isolate is given up with
// everything in it (its heap and buffers go back to the system, its objects are never touched again), the call ends with
// an error, and the next one starts a new isolate. What V8 had from malloc cannot be told from what it still needs, so it
// stays; when that comes to plv8.memory_limit, the session starts no further isolate. Outer calls that have frames of the lost isolate below them are ended the
// same way as soon as control comes back to them (guard_run notices), whatever was caught in between.
#include "platform.h"

#include <csignal>
#include <cstdlib>
#include <malloc.h>

extern "C" {
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
}

namespace plv8 {

Engine engine;
static bool started = false;
static bool heap_limit_raised = false;
static int stack_limit_for = 0;
static int losses = 0;                // isolates given up in this session
static size_t native_before = 0;      // native_bytes() before the first
static size_t heap_headroom = 0;      // what the running script was given beyond the limit, to come to a stop

static const size_t MB = 1024 * 1024;

size_t engine_memory_limit()
{
	return static_cast<size_t>(settings.memory_limit) * MB;
}

// ------------------------------------------------------------------------------------------- heap limit

static void out_of_memory(Isolate *isolate)
{
	heap_limit_raised = true;
	engine.out_of_memory = true;
	isolate->TerminateExecution();
}

// V8 is about to exceed its limit: stop the script, with some room to come to the stop. A built-in function that does
// not look up and fills that too is ended by fatal_error().
static size_t near_heap_limit(void *, size_t current, size_t)
{
	size_t limit = engine_memory_limit();
	heap_limit_raised = true;
	if (current < limit)
		return limit;          // plv8.memory_limit was raised since V8 started
	out_of_memory(engine.isolate);
	size_t room = limit / 2;
	if (heap_headroom + room > limit)
		return current;
	heap_headroom += room;
	return current + room;
}

// Collecting again and again in a heap that is full would take longer than anybody waits: full is when a full collection
// leaves 90 %.
static void after_gc(Isolate *isolate, v8::GCType, v8::GCCallbackFlags, void *)
{
	v8::HeapStatistics stats;

	if (engine.depth == 0 || engine.out_of_memory)
		return;
	isolate->GetHeapStatistics(&stats);
	if (stats.used_heap_size() > engine_memory_limit() / 10 * 9)
		out_of_memory(isolate);
}

// ------------------------------------------------------------------------------------------------- loss

Landing::Landing()
	: outer(engine.landing), awaited(false), frame(engine.frame), depth(engine.depth), nest_level(GetCurrentTransactionNestLevel()),
	  in_js(watch.in_js.load()), cxt(CurrentMemoryContext), owner(CurrentResourceOwner), error(nullptr),
	  exception_stack(PG_exception_stack), callbacks(error_context_stack)
{
}

void engine_land(ErrorData *err)
{
	Landing *landing = engine.landing;
	landing->awaited = true;
	landing->error = err ? err : make_error(ERRCODE_OUT_OF_MEMORY, "the JavaScript engine was restarted under this call, because a call inside of it had exhausted its memory");
	siglongjmp(landing->jump, 1);
}

// What malloc has given to others than PostgreSQL.
static size_t native_bytes()
{
	struct mallinfo2 given = mallinfo2();
	size_t all = given.uordblks + given.hblkhd, server = MemoryContextMemAllocated(TopMemoryContext, true);
	return all > server ? all - server : 0;
}

// Called without an isolate, so what malloc has given out since the first start is what lost ones have left.
static void refuse_when_too_much_is_lost()
{
	size_t now = losses > 0 ? native_bytes() : 0;

	if (now > native_before && now - native_before > engine_memory_limit())
		ereport(ERROR, (errcode(ERRCODE_OUT_OF_MEMORY), errmsg("JavaScript is not started again in this session"),
		                errdetail("It was given up %d times in the middle of built-in functions, which has left %zu MB that are freed when the session ends: more than plv8.memory_limit.",
		                          losses, (now - native_before) / MB),
		                errhint("Reconnect.")));
}

// Gives the isolate up. Nothing of it may be called or freed through V8 from now on.
static void lose()
{
	engine.isolate = nullptr;
	engine.generation++;
	losses++;
	engine.out_of_memory = false;
	heap_limit_raised = false;
	heap_headroom = 0;
	stack_limit_for = 0;
	watch.requested.store(0);
	worlds_forget();
	api_forget();
	spi_forget();
	buffer_free_all();
	platform_abandon_pages();
}

static void fatal_error(const char *location, const char *message)
{
	if (engine.landing == nullptr || engine.isolate == nullptr) {
		fprintf(stderr, "plv8: V8 cannot go on: %s: %s\n", location ? location : "?", message ? message : "?");
		abort();
	}
	bool memory = message && strstr(message, "Allocation failed") != nullptr;
	ErrorData *err = engine.fatal;
	engine.fatal = nullptr;
	if (err == nullptr)
		err = memory ? make_error(ERRCODE_OUT_OF_MEMORY, "JavaScript ran out of memory: the limit is plv8.memory_limit = %d MB", settings.memory_limit)
		             : make_error(ERRCODE_INTERNAL_ERROR, "JavaScript engine failure: %s: %s", location ? location : "?", message ? message : "?");
	MemoryContext old = MemoryContextSwitchTo(error_context);
	err->detail = pstrdup("The script was ended in the middle of a built-in function, and with it this session's JavaScript globals.");
	MemoryContextSwitchTo(old);
	engine_abandon(err);
}

void engine_abandon(ErrorData *err)
{
	engine.losing = true;
	engine.landing->awaited = true;
	engine.landing->error = err;
	siglongjmp(engine.landing->jump, 1);
}

// V8's own assertions (an array longer than any may be, for one) end in a trap instruction. The signal is synchronous, so
// leaving its handler by a jump is sound; what V8 was doing is given up with the isolate. Traps of anybody else keep
// their meaning.
static void trapped(int signo)
{
	if (engine.landing == nullptr || engine.isolate == nullptr || !watch.in_js.load()) {
		signal(signo, SIG_DFL);
		raise(signo);
		return;
	}
	fatal_error("V8", "an internal check failed");
}

static void catch_traps()
{
	struct sigaction action;
	memset(&action, 0, sizeof(action));
	action.sa_handler = trapped;
	action.sa_flags = SA_NODEFER;
	sigemptyset(&action.sa_mask);
	sigaction(SIGTRAP, &action, nullptr);
	sigaction(SIGILL, &action, nullptr);
}

ErrorData *engine_recover(Landing *landing)
{
	PG_exception_stack = landing->exception_stack;
	error_context_stack = landing->callbacks;
	engine.frame = landing->frame;
	engine.depth = landing->depth;
	watch.in_js.store(0);
	if (!landing->awaited) {
		MemoryContextSwitchTo(error_context);
		landing->error = CopyErrorData();
		FlushErrorState();
		engine.losing = true;      // frames of V8 were passed over
	}
	MemoryContextSwitchTo(landing->cxt);
	if (engine.losing) {
		engine.losing = false;
		lose();
	}
	if (landing->error == nullptr) {
		landing->error = engine.fatal.load() ? engine.fatal.load() : guarded([] { CHECK_FOR_INTERRUPTS(); });
		if (landing->error == nullptr)
			landing->error = make_error(ERRCODE_QUERY_CANCELED, "JavaScript ran longer than plv8.execution_timeout (%d s)", settings.execution_timeout);
	}
	engine.fatal = nullptr;
	watch.in_js.store(landing->in_js);
	watchdog_done();
	// What is open above the landing is ours, begun for operations that will not end.
	while (GetCurrentTransactionNestLevel() > landing->nest_level) {
		ErrorData *err = guarded([] { RollbackAndReleaseCurrentSubTransaction(); });
		MemoryContextSwitchTo(landing->cxt);
		if (err)
			return err;
	}
	CurrentResourceOwner = landing->owner;
	return landing->error;
}

// ------------------------------------------------------------------------------------------------ start

static void at_exit(int, Datum)
{
	watchdog_stop();
}

static void start_isolate()
{
	Isolate::CreateParams params;
	params.array_buffer_allocator = buffer_allocator();
	params.constraints.ConfigureDefaultsFromHeapSize(0, engine_memory_limit());
	params.constraints.set_max_old_generation_size_in_bytes(engine_memory_limit());
	params.constraints.set_max_young_generation_size_in_bytes(12 * MB);
	params.allow_atomics_wait = false;
	Isolate *isolate = Isolate::New(params);
	isolate->Enter();
	isolate->SetFatalErrorHandler(fatal_error);
	isolate->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);
	isolate->AddNearHeapLimitCallback(near_heap_limit, nullptr);
	isolate->AddGCEpilogueCallback(after_gc, nullptr, v8::kGCTypeMarkSweepCompact);
	isolate->SetCaptureStackTraceForUncaughtExceptions(true, 20);
	engine.isolate = isolate;
	watchdog_isolate(isolate);
}

void engine_start()
{
	if (likely(engine.isolate != nullptr))
		return;
	refuse_when_too_much_is_lost();

	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	if (!started) {
		// One thread: a backend lives by its signal handlers. WebAssembly memory escapes the memory limit, so it is off.
		v8::V8::SetFlagsFromString("--single-threaded");
		v8::V8::SetFlagsFromString("--no-expose-wasm");
		// Many backends share few processors, and each compiles for itself: the quick compiler early, the thorough one late.
		v8::V8::SetFlagsFromString("--sparkplug");
#if V8_MAJOR_VERSION == 10
		v8::V8::SetFlagsFromString("--interrupt-budget=1000000");
#endif
		if (settings.v8_flags && settings.v8_flags[0])
			v8::V8::SetFlagsFromString(settings.v8_flags);
		v8::V8::InitializePlatform(platform_start());
		v8::V8::Initialize();
		on_proc_exit(at_exit, 0);
		catch_traps();
		native_before = native_bytes();
		started = true;
	}
	start_isolate();
	watchdog_start();
	pthread_sigmask(SIG_SETMASK, &old, nullptr);
}

void engine_set_stack_limit()
{
	if (likely(stack_limit_for == max_stack_depth))
		return;
	pg_stack_base_t base = set_stack_base();
	restore_stack_base(base);
	isolate()->SetStackLimit(reinterpret_cast<uintptr_t>(base) - static_cast<uintptr_t>(max_stack_depth) * 1024);
	stack_limit_for = max_stack_depth;
}

void engine_settle()
{
	Isolate *isolate = engine.isolate;

	if (likely(!heap_limit_raised))
		return;
	heap_limit_raised = false;
	heap_headroom = 0;
	isolate->LowMemoryNotification();
	v8::HeapStatistics stats;
	isolate->GetHeapStatistics(&stats);
	if (stats.used_heap_size() > engine_memory_limit() / 10 * 8) {
		// What fills the heap is held by globals. No script can run like this: begin anew.
		worlds_reset_all();
		isolate->LowMemoryNotification();
	}
	isolate->RemoveNearHeapLimitCallback(near_heap_limit, engine_memory_limit());
	isolate->AddNearHeapLimitCallback(near_heap_limit, nullptr);
}

}  // namespace plv8
