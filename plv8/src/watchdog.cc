// watchdog.cc: the thread that can stop JavaScript.
//
// A signal handler can do no more than set PostgreSQL's flags, and a script in a loop never looks at them.
// So a second thread looks: while JavaScript runs, every TICK it reads the flags, and when one is up asks V8 for
// an interrupt. V8 calls on_interrupt() on the main thread at the script's next stack check (loop, call or
// regular-expression backtrack); there PostgreSQL decides what the flag means.
//
// Some of V8's built-in functions look at nothing: Array.prototype.indexOf on {length: 1e15} would run for months. When a
// script that should stop has not listened for PATIENCE_MS, the thread sends the main thread a signal every tick, whose
// handler looks where the program counter is. In code that V8 generated (built-in functions and compiled scripts) no lock is
// held and no allocation is half done, so after several such samples the handler gives the isolate up and jumps to the
// landing (engine.cc). In V8's and ICU's own C++ code it waits for some more, since that may be about to come back; anywhere
// else (malloc, PostgreSQL, this module) and during a garbage collection it leaves things alone until the next tick.
//
// The thread blocks all signals, touches no PostgreSQL state but three volatile flags, and sleeps on a futex
// after a second without JavaScript, so that an idle session costs nothing.
#include "plv8.h"

#include <csignal>

#include <dlfcn.h>
#include <link.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

namespace plv8 {

Watch watch;
static pthread_t thread;
static bool running = false;
static std::atomic<int> stopping{0};
static const int TICK_MS = 5;
static const int PATIENCE_MS = 30;
static const int HIT_GENERATED = 2, HIT_NATIVE = 1, ENOUGH_HITS = 6;
static const int QUIET = 200;  // ticks without JavaScript before the thread sleeps

static pthread_t main_thread;
static const void *builtins_at, *compiled_at;
static size_t builtins_size, compiled_size;

struct Range {
	uintptr_t start;
	size_t size;
};
static std::vector<Range> native;    // text of libnode and of ICU

static int note_library(struct dl_phdr_info *info, size_t, void *)
{
	const char *name = info->dlpi_name ? info->dlpi_name : "";
	if (strstr(name, "libnode") == nullptr && strstr(name, "libv8") == nullptr && strstr(name, "libicu") == nullptr)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++)
		if (info->dlpi_phdr[i].p_type == PT_LOAD && (info->dlpi_phdr[i].p_flags & PF_X))
			native.push_back(Range{info->dlpi_addr + info->dlpi_phdr[i].p_vaddr, info->dlpi_phdr[i].p_memsz});
	return 0;
}

// V8 10 walks every stack under one lock, that of its WebAssembly code, which all isolates of the process share: whoever leaves
// with it stops the next one for good. It is one of the first members of an object that V8 keeps for ever, and a held
// lock names its thread.
static const pid_t *code_manager;
static const size_t CODE_MANAGER_WORDS = 32;
static pid_t main_tid;

static bool walks_stack()
{
	for (size_t i = 0; code_manager && i < CODE_MANAGER_WORDS; i++)
		if (code_manager[i] == main_tid)
			return true;
	return false;
}

static void find_code_manager()
{
	void *get = dlsym(RTLD_DEFAULT, "_ZN2v88internal4wasm18GetWasmCodeManagerEv");

	main_tid = static_cast<pid_t>(syscall(SYS_gettid));
	if (get && V8_MAJOR_VERSION == 10)
		code_manager = reinterpret_cast<const pid_t *>(reinterpret_cast<void *(*)()>(get)());
}

static void gc_begins(Isolate *, v8::GCType, v8::GCCallbackFlags, void *) { watch.in_gc.store(1); }
static void gc_ends(Isolate *, v8::GCType, v8::GCCallbackFlags, void *) { watch.in_gc.store(0); }

void watchdog_isolate(Isolate *isolate)
{
	void *code = nullptr;
	main_thread = pthread_self();
	isolate->GetEmbeddedCodeRange(&builtins_at, &builtins_size);
	isolate->GetCodeRange(&code, &compiled_size);
	compiled_at = code;
	watch.in_gc.store(0);
	isolate->AddGCPrologueCallback(gc_begins, nullptr);
	isolate->AddGCEpilogueCallback(gc_ends, nullptr);
	if (native.empty()) {
		dl_iterate_phdr(note_library, nullptr);
		find_code_manager();
	}
}

static bool within(uintptr_t pc, const void *start, size_t size)
{
	return pc - reinterpret_cast<uintptr_t>(start) < size;
}

static bool timed_out()
{
	int limit = watch.limit_s.load(std::memory_order_relaxed);
	return limit > 0 && watch.js_ms.load() > limit * INT64CONST(1000);
}

// What will be an error for certain, once it is looked at.
static bool must_stop()
{
	return QueryCancelPending || ProcDiePending || timed_out();
}

static int kick_signal()
{
	return SIGRTMAX - 3;
}

static void kicked(int, siginfo_t *, void *where)
{
	int saved = errno;
	ucontext_t *at = static_cast<ucontext_t *>(where);
#if defined(__x86_64__)
	uintptr_t pc = static_cast<uintptr_t>(at->uc_mcontext.gregs[REG_RIP]);
#elif defined(__aarch64__)
	uintptr_t pc = at->uc_mcontext.pc;
#else
	uintptr_t pc = 0;
	(void) at;
#endif
	if (engine.landing && engine.isolate && watch.in_js.load() && !watch.in_gc.load() && watch.wanted_at.load() &&
	    (must_stop() || engine.fatal)) {
		int weight = 0;
		if (within(pc, builtins_at, builtins_size) || within(pc, compiled_at, compiled_size))
			weight = HIT_GENERATED;
		for (const Range &range : native)
			if (weight == 0 && pc - range.start < range.size)
				weight = HIT_NATIVE;
		if (weight && watch.hits.fetch_add(weight) + weight >= ENOUGH_HITS && !walks_stack())
			engine_abandon(nullptr);
	}
	errno = saved;
}

static void catch_kicks()
{
	struct sigaction action;
	memset(&action, 0, sizeof(action));
	action.sa_sigaction = kicked;
	action.sa_flags = SA_SIGINFO | SA_NODEFER | SA_RESTART;
	sigemptyset(&action.sa_mask);
	sigaction(kick_signal(), &action, nullptr);
}

static void futex(int op, int value)
{
	syscall(SYS_futex, reinterpret_cast<int *>(&watch.asleep), op | FUTEX_PRIVATE_FLAG, value, nullptr, nullptr, 0);
}

void watchdog_wake()
{
	if (watch.asleep.exchange(0))
		futex(FUTEX_WAKE, 1);
}

// On the main thread, inside JavaScript. May not run JavaScript.
static void on_interrupt(Isolate *isolate, void *)
{
	watch.requested.store(0);
	if (!engine.fatal.load() && InterruptPending) {
		InJs out(false);
		engine.fatal = guarded([] { CHECK_FOR_INTERRUPTS(); });
	}
	if (!engine.fatal.load() && timed_out())
		engine.fatal = make_error(ERRCODE_QUERY_CANCELED, "JavaScript ran longer than plv8.execution_timeout (%d s)", settings.execution_timeout);
	if (!engine.fatal.load())
		watchdog_done();
	if (engine.fatal)
		isolate->TerminateExecution();
}

static int64_t now_ms()
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * INT64CONST(1000) + ts.tv_nsec / 1000000;
}

static void *watchdog_main(void *)
{
	uint64_t seen = 0;
	int idle = 0;
	int64_t before = now_ms();

	while (!stopping.load()) {
		struct timespec tick = {0, TICK_MS * 1000000L};
		nanosleep(&tick, nullptr);

		int64_t now = now_ms();
		uint64_t entries = watch.entries.load(std::memory_order_relaxed);
		if (watch.in_js.load(std::memory_order_relaxed)) {
			idle = 0;
			watch.js_ms.fetch_add(now - before);
			// A lost isolate's memory stays, so this one is safe to call even if it is lost just now.
			Isolate *isolate = engine.isolate.load();
			if (isolate && (InterruptPending || engine.fatal.load() || timed_out()) && !watch.requested.exchange(1)) {
				isolate->RequestInterrupt(on_interrupt, nullptr);
				int64_t none = 0;
				watch.wanted_at.compare_exchange_strong(none, now);
			}
			int64_t wanted = watch.wanted_at.load();
			if (wanted && now - wanted > PATIENCE_MS)
				pthread_kill(main_thread, kick_signal());
		} else if (entries != seen)
			idle = 0;
		else if (++idle > QUIET) {
			watch.asleep.store(1, std::memory_order_seq_cst);
			if (!watch.in_js.load(std::memory_order_seq_cst) && !stopping.load())
				futex(FUTEX_WAIT, 1);
			watch.asleep.store(0);
			idle = 0;
			now = now_ms();
		}
		seen = entries;
		before = now;
	}
	return nullptr;
}

void watchdog_start()
{
	if (running)
		return;
	catch_kicks();
	running = pthread_create(&thread, nullptr, watchdog_main, nullptr) == 0;
	if (running)
		pthread_setname_np(thread, "plv8 watchdog");
	else
		elog(WARNING, "plv8 cannot start its watchdog thread: JavaScript loops cannot be cancelled in this session");
}

void watchdog_stop()
{
	if (!running)
		return;
	stopping.store(1);
	watchdog_wake();
	pthread_join(thread, nullptr);
	running = false;
}

}  // namespace plv8
