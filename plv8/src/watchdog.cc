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
// held and no allocation is half done, so after several such samples, between which it has worked, the handler gives the
// isolate up and jumps to the landing (engine.cc). In V8's own C++ code it waits for some more, since that may be about to
// come back, in ICU's for many more, and for GC_PATIENCE_MS when that is a garbage collection, which looks at nothing until
// it is over; anywhere else (malloc, PostgreSQL, this module) it leaves things alone until the next tick.
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
static const int TICK_MS = 5, HURRIED_TICK_MS = 2;
static const int PATIENCE_MS = 20, GC_PATIENCE_MS = 40;
static const int HIT_GENERATED = 8, HIT_NATIVE = 4, HIT_ICU = 1, ENOUGH_HITS = 24;
static const int64_t BETWEEN_HITS_US = 1000;  // of processor time
static const int PREPARING_HITS = 400;
static const int QUIET = 200;  // ticks without JavaScript before the thread sleeps

static pthread_t main_thread;
struct Range {
	uintptr_t start;
	size_t size;
	bool holds(uintptr_t address) const { return address - start < size; }
};
static Range builtins, compiled;        // what V8 generated: at its build, and in this process
static std::vector<Range> native, icu;  // text of libnode, of ICU
static std::vector<Range> variables;    // and what they write to

static int note_library(struct dl_phdr_info *info, size_t, void *)
{
	const char *name = info->dlpi_name ? info->dlpi_name : "";
	bool of_icu = strstr(name, "libicu") != nullptr;
	if (strstr(name, "libnode") == nullptr && strstr(name, "libv8") == nullptr && !of_icu)
		return 0;
	for (int i = 0; i < info->dlpi_phnum; i++) {
		const ElfW(Phdr) &part = info->dlpi_phdr[i];
		Range range = {info->dlpi_addr + part.p_vaddr, part.p_memsz};
		if (part.p_type == PT_LOAD && (part.p_flags & PF_X))
			(of_icu ? icu : native).push_back(range);
		if (part.p_type == PT_LOAD && (part.p_flags & PF_W))
			variables.push_back(range);
	}
	return 0;
}

// Some locks are the process's, not the isolate's: ICU's around its caches, and that of V8's WebAssembly code, under which
// V8 10 walks every stack. Whoever leaves with one of them stops the next script for good. They lie among the libraries'
// variables, or in an object that V8 keeps for ever; and a lock that is held names its thread, here in glibc's layout.
//
// And some things the process prepares once, with all others waiting: under V8's CallOnce, which can be seen on the stack
// (where its address may also be a remainder of before, so this counts for PREPARING_HITS), and in ICU.
static pid_t main_tid;
static Range call_once;
static const size_t CODE_MANAGER_SIZE = 128;

struct Lock {
	int state, count;
	pid_t owner;
};

static void find_locks()
{
	void *get = dlsym(RTLD_DEFAULT, "_ZN2v88internal4wasm18GetWasmCodeManagerEv");
	void *once = dlsym(RTLD_DEFAULT, "_ZN2v84base12CallOnceImplEPSt6atomicIhESt8functionIFvvEE");
	Dl_info about;
	const ElfW(Sym) *symbol = nullptr;

	main_tid = static_cast<pid_t>(syscall(SYS_gettid));
	dl_iterate_phdr(note_library, nullptr);
	if (once && dladdr1(once, &about, reinterpret_cast<void **>(const_cast<ElfW(Sym) **>(&symbol)), RTLD_DL_SYMENT) && symbol)
		call_once = Range{reinterpret_cast<uintptr_t>(once), symbol->st_size};
	if (get && V8_MAJOR_VERSION == 10)
		variables.push_back(Range{reinterpret_cast<uintptr_t>(reinterpret_cast<void *(*)()>(get)()), CODE_MANAGER_SIZE});
}

static bool holds_lock()
{
	for (const Range &range : variables)
		for (uintptr_t at = (range.start + 7) & ~uintptr_t(7); at + sizeof(Lock) <= range.start + range.size; at += 8) {
			const Lock *lock = reinterpret_cast<const Lock *>(at);
			if (lock->owner == main_tid && (lock->state == 1 || lock->state == 2))
				return true;
		}
	return false;
}

static bool prepares(uintptr_t stack)
{
	const uintptr_t *end = reinterpret_cast<const uintptr_t *>(engine.landing);
	for (const uintptr_t *word = reinterpret_cast<const uintptr_t *>(stack & ~uintptr_t(7)); word < end; word++)
		if (call_once.holds(*word))
			return true;
	return false;
}

static int hits_before_gc;

static void gc_begins(Isolate *, v8::GCType, v8::GCCallbackFlags, void *)
{
	hits_before_gc = watch.hits.load();
	watch.in_gc.store(1);
}

static void gc_ends(Isolate *, v8::GCType, v8::GCCallbackFlags, void *)
{
	watch.in_gc.store(0);
	// That it did not listen meanwhile was not the script's fault.
	watch.hits.store(hits_before_gc);
}

void watchdog_isolate(Isolate *isolate)
{
	const void *embedded = nullptr;
	void *code = nullptr;
	main_thread = pthread_self();
	isolate->GetEmbeddedCodeRange(&embedded, &builtins.size);
	builtins.start = reinterpret_cast<uintptr_t>(embedded);
	isolate->GetCodeRange(&code, &compiled.size);
	compiled.start = reinterpret_cast<uintptr_t>(code);
	watch.in_gc.store(0);
	isolate->AddGCPrologueCallback(gc_begins, nullptr);
	isolate->AddGCEpilogueCallback(gc_ends, nullptr);
	if (native.empty())
		find_locks();
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

static bool within(uintptr_t pc, const std::vector<Range> &ranges)
{
	for (const Range &range : ranges)
		if (range.holds(pc))
			return true;
	return false;
}

static int64_t clock_us(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return ts.tv_sec * INT64CONST(1000000) + ts.tv_nsec / 1000;
}

// A sample of where the script is.
static void look(uintptr_t pc, uintptr_t stack)
{
	static int64_t looked_at;
	int64_t worked = clock_us(CLOCK_THREAD_CPUTIME_ID);
	int weight = 0;

	// A thread that waited for a processor had no chance to listen.
	if (worked - looked_at < BETWEEN_HITS_US)
		return;
	looked_at = worked;
	if (builtins.holds(pc) || compiled.holds(pc))
		weight = HIT_GENERATED;
	else if (within(pc, native))
		weight = HIT_NATIVE;
	else if (within(pc, icu))
		weight = HIT_ICU;
	if (weight == 0)
		return;
	int hits = watch.hits.fetch_add(weight) + weight;
	if (hits >= ENOUGH_HITS && !holds_lock() && (hits >= PREPARING_HITS || !prepares(stack)))
		engine_abandon(nullptr);
}

static void kicked(int, siginfo_t *, void *where)
{
	int saved = errno;
	ucontext_t *at = static_cast<ucontext_t *>(where);
#if defined(__x86_64__)
	uintptr_t pc = static_cast<uintptr_t>(at->uc_mcontext.gregs[REG_RIP]), stack = static_cast<uintptr_t>(at->uc_mcontext.gregs[REG_RSP]);
#elif defined(__aarch64__)
	uintptr_t pc = at->uc_mcontext.pc, stack = at->uc_mcontext.sp;
#else
	uintptr_t pc = 0, stack = 0;
	(void) at;
#endif
	watch.kicked.store(0);
	if (engine.landing && engine.isolate && watch.in_js.load() && watch.wanted_at.load() && (must_stop() || engine.fatal))
		look(pc, stack);
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
	return clock_us(CLOCK_MONOTONIC) / 1000;
}

static void *watchdog_main(void *)
{
	uint64_t seen = 0;
	int idle = 0;
	int64_t before = now_ms();

	while (!stopping.load()) {
		struct timespec tick = {0, (watch.wanted_at.load() ? HURRIED_TICK_MS : TICK_MS) * 1000000L};
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
			if (wanted && now - wanted > (watch.in_gc.load() ? GC_PATIENCE_MS : PATIENCE_MS) && !watch.kicked.exchange(1))
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
