// engine.cc: the life of V8 in a backend: its start, its stack and heap limits, its array buffers.
#include "plv8.h"

#include <csignal>
#include <cstdlib>

extern "C" {
#include "storage/ipc.h"
#include "tcop/tcopprot.h"
}

namespace plv8 {

Engine engine;
static std::unique_ptr<v8::Platform> platform;
static bool heap_limit_raised = false;
static int stack_limit_for = 0;

static const size_t MB = 1024 * 1024;
// Room for the one allocation that V8 has under way when it is told to stop: its largest array is 1 GB.
static const size_t HEADROOM = 1536 * MB;

size_t engine_memory_limit()
{
	return static_cast<size_t>(settings.memory_limit) * MB;
}

// Array buffers lie outside V8's heap; the same limit holds for their sum.
static std::atomic<size_t> buffer_bytes{0};

bool buffer_reserve(size_t length)
{
	if (buffer_bytes.load(std::memory_order_relaxed) + length > engine_memory_limit())
		return false;
	buffer_bytes.fetch_add(length, std::memory_order_relaxed);
	return true;
}

void buffer_release(size_t length)
{
	buffer_bytes.fetch_sub(length, std::memory_order_relaxed);
}

namespace {
class BufferAllocator final : public v8::ArrayBuffer::Allocator {
public:
	void *Allocate(size_t length) override
	{
		if (!buffer_reserve(length))
			return nullptr;
		void *p = calloc(length ? length : 1, 1);
		if (p == nullptr)
			buffer_release(length);
		return p;
	}
	void *AllocateUninitialized(size_t length) override
	{
		if (!buffer_reserve(length))
			return nullptr;
		void *p = malloc(length ? length : 1);
		if (p == nullptr)
			buffer_release(length);
		return p;
	}
	void Free(void *data, size_t length) override
	{
		free(data);
		buffer_release(length);
	}
};
}  // namespace

// V8 is about to exceed its limit: stop the script, and give it enough room to come to the stop.
static size_t near_heap_limit(void *, size_t current, size_t)
{
	size_t limit = engine_memory_limit();

	heap_limit_raised = true;
	if (current < limit)
		return limit;          // plv8.memory_limit was raised since V8 started
	engine.out_of_memory = true;
	engine.isolate->TerminateExecution();
	return current + HEADROOM;
}

// A lowered plv8.memory_limit takes effect at the next full collection.
static void after_gc(Isolate *isolate, v8::GCType, v8::GCCallbackFlags, void *)
{
	v8::HeapStatistics stats;

	if (engine.depth == 0)
		return;
	isolate->GetHeapStatistics(&stats);
	if (stats.used_heap_size() > engine_memory_limit()) {
		engine.out_of_memory = true;
		heap_limit_raised = true;
		isolate->TerminateExecution();
	}
}

static void fatal_error(const char *location, const char *message)
{
	fprintf(stderr, "plv8: V8 cannot go on: %s: %s\n", location ? location : "?", message ? message : "?");
	abort();
}

static void at_exit(int, Datum)
{
	watchdog_stop();
}

void engine_start()
{
	if (likely(engine.isolate != nullptr))
		return;

	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);

	// One thread: a backend lives by its signal handlers and by fork-free simplicity. WebAssembly memory
	// escapes the memory limit, so it is off.
	v8::V8::SetFlagsFromString("--single-threaded");
	v8::V8::SetFlagsFromString("--no-expose-wasm");
	if (settings.v8_flags && settings.v8_flags[0])
		v8::V8::SetFlagsFromString(settings.v8_flags);

	platform = v8::platform::NewSingleThreadedDefaultPlatform();
	v8::V8::InitializePlatform(platform.get());
	v8::V8::Initialize();

	Isolate::CreateParams params;
	params.array_buffer_allocator = new BufferAllocator();
	params.constraints.ConfigureDefaultsFromHeapSize(0, engine_memory_limit());
	params.allow_atomics_wait = false;
	Isolate *isolate = Isolate::New(params);
	isolate->Enter();
	isolate->SetFatalErrorHandler(fatal_error);
	isolate->SetMicrotasksPolicy(v8::MicrotasksPolicy::kExplicit);
	isolate->AddNearHeapLimitCallback(near_heap_limit, nullptr);
	isolate->AddGCEpilogueCallback(after_gc, nullptr, v8::kGCTypeMarkSweepCompact);
	isolate->SetCaptureStackTraceForUncaughtExceptions(true, 20);
	engine.isolate = isolate;

	watchdog_start();
	pthread_sigmask(SIG_SETMASK, &old, nullptr);
	on_proc_exit(at_exit, 0);
}

void engine_set_stack_limit()
{
	if (likely(stack_limit_for == max_stack_depth))
		return;
	pg_stack_base_t base = set_stack_base();
	restore_stack_base(base);
	engine.isolate->SetStackLimit(reinterpret_cast<uintptr_t>(base) - static_cast<uintptr_t>(max_stack_depth) * 1024);
	stack_limit_for = max_stack_depth;
}

void engine_settle()
{
	Isolate *isolate = engine.isolate;

	if ((++engine.calls & 255) == 0)
		while (v8::platform::PumpMessageLoop(platform.get(), isolate))
			;
	if (unlikely(heap_limit_raised)) {
		heap_limit_raised = false;
		isolate->LowMemoryNotification();
		v8::HeapStatistics stats;
		isolate->GetHeapStatistics(&stats);
		if (stats.used_heap_size() > engine_memory_limit() / 10 * 9) {
			// What fills the heap is held by globals. No script can run like this: begin anew.
			worlds_reset_all();
			isolate->LowMemoryNotification();
		}
		isolate->RemoveNearHeapLimitCallback(near_heap_limit, engine_memory_limit());
		isolate->AddNearHeapLimitCallback(near_heap_limit, nullptr);
	}
}

}  // namespace plv8
