// watchdog.cc: the thread that can stop JavaScript.
//
// A signal handler can do no more than set PostgreSQL's flags, and a script in a loop never looks at them.
// So a second thread looks: while JavaScript runs, every TICK it reads the flags, and when one is up asks V8 for
// an interrupt. V8 calls on_interrupt() on the main thread at the script's next stack check (loop, call or
// regular-expression backtrack); there PostgreSQL decides what the flag means.
//
// The thread blocks all signals, touches no PostgreSQL state but three volatile flags, and sleeps on a futex
// after a second without JavaScript, so that an idle session costs nothing.
#include "plv8.h"

#include <linux/futex.h>
#include <pthread.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

namespace plv8 {

Watch watch;
static pthread_t thread;
static bool running = false;
static std::atomic<int> stopping{0};
static const int TICK_MS = 5;
static const int PATIENCE = 200;  // ticks without JavaScript before the thread sleeps

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
	if (engine.fatal == nullptr && InterruptPending) {
		InJs out(false);
		engine.fatal = guarded([] { CHECK_FOR_INTERRUPTS(); });
	}
	int limit = watch.limit_s.load(std::memory_order_relaxed);
	if (engine.fatal == nullptr && limit > 0 && watch.js_ms.load() > limit * INT64CONST(1000))
		engine.fatal = make_error(ERRCODE_QUERY_CANCELED, "JavaScript ran longer than plv8.execution_timeout (%d s)", limit);
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
			int limit = watch.limit_s.load(std::memory_order_relaxed);
			bool late = limit > 0 && watch.js_ms.load() > limit * INT64CONST(1000);
			if ((InterruptPending || late) && !watch.requested.exchange(1))
				engine.isolate->RequestInterrupt(on_interrupt, nullptr);
		} else if (entries != seen)
			idle = 0;
		else if (++idle > PATIENCE) {
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
