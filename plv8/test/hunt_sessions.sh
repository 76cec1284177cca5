#!/bin/bash
# hunt_sessions.sh: what one psql session cannot do to itself. In a private cluster: backends that are killed, terminated and
# shut down in the middle of JavaScript, many sessions at once, preloading, engine flags that end the process, sessions
# that end with an error. Prints TAP. Skips, all of it, on stock PLV8, which hangs or dies in these.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cluster.sh"
start_cluster "-c max_connections=40" || exit 1

count=0 failed=0
# ok STATUS DESCRIPTION: one TAP line.
ok() {
	count=$((count + 1))
	if [ "$1" -eq 0 ]; then
		echo "ok $count - $2"
	else
		failed=$((failed + 1))
		echo "not ok $count - $2"
	fi
}
query() { "$bin/psql" -X -q -A -t -h "$cluster" -U "$user" -d hunt -c "$1"; }
# until_true SECONDS COMMAND…: polls with a deadline.
until_true() {
	local end=$((SECONDS + $1))
	shift
	until "$@"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.05
	done
}
# busy N: whether N sessions run JavaScript now.
busy() { [ "$(query "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%hunted%' AND pid <> pg_backend_pid() AND state = 'active'")" = "$1" ]; }
crashes() { grep -c 'was terminated by signal' "$cluster/log"; }
sessions() { query "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"; }
no_sessions() { [ "$(sessions)" = 0 ]; }
# background SQL: a session in the background, its output kept.
background() { query "$1" >>"$cluster/background" 2>&1 & }

psql_cluster -d postgres -c 'CREATE DATABASE hunt' || exit 1
query 'CREATE EXTENSION plv8' || exit 1
if [ "$(query "SELECT extversion LIKE '%+%' FROM pg_extension WHERE extname = 'plv8'")" != t ]; then
	echo 'ok 1 - # SKIP stock PLV8'
	echo 1..1
	exit 0
fi
query "CREATE FUNCTION hunted(body text) RETURNS text LANGUAGE plv8 AS 'return String(new Function(body)())'" || exit 1

# terminate, eight at once
for i in 1 2 3 4 5 6 7 8; do background "SELECT hunted('for (;;) try { for (;;) {} } catch (e) {}')"; done
until_true 20 busy 8
ok $? 'eight sessions loop'
query "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%hunted%' AND pid <> pg_backend_pid()" >/dev/null
until_true 10 no_sessions
ok $? 'all eight are terminated'
wait

# cancels that come at any moment, also while the engine starts or a statement ends
for i in 1 2 3; do
	background "SELECT hunted('return ' || i) FROM generate_series(1, 200000) i"
	until_true 20 busy 1
	for j in $(seq 60); do query "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%hunted%' AND pid <> pg_backend_pid()" >/dev/null; done
	until_true 10 no_sessions
done
ok $? 'cancels in the middle of many short calls'
wait
{
	for i in $(seq 300); do
		echo "SELECT hunted('let n = 0; for (let i = 0; i < 3000000; i++) n += i % 7; return n');"
		echo "SELECT 'fine' WHERE hunted('return 1 + 1') = '2';"
	done
} >"$cluster/storm.sql"
chmod 644 "$cluster/storm.sql"
"$bin/psql" -X -q -A -t -h "$cluster" -U "$user" -d hunt -c "SET statement_timeout = '3ms'" -f "$cluster/storm.sql" >"$cluster/storm.out" 2>"$cluster/storm.err"
bad=$(grep -v -c -e 'canceling statement' "$cluster/storm.err")
[ "$bad" -eq 0 ] && [ "$(grep -c fine "$cluster/storm.out")" -gt 200 ]
ok $? 'three hundred timeouts in one session leave it whole'
grep -v -e 'canceling statement' "$cluster/storm.err" | sort | uniq -c | sort -rn | head -5 | sed 's/^/# /'

# an idle timeout, a lost client
"$bin/psql" -X -q -h "$cluster" -U "$user" -d hunt -c "SELECT hunted('for (;;) {}')" >/dev/null 2>&1 &
client=$!
until_true 20 busy 1
kill -9 "$client"
wait "$client" 2>/dev/null
query "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE query LIKE '%hunted%' AND pid <> pg_backend_pid()" >/dev/null
until_true 10 no_sessions
ok $? 'a session whose client is gone is terminated'

# kill -9 of one backend: the server restarts itself, as it does for any language
background "SELECT hunted('for (;;) {}')"
until_true 20 busy 1
pid=$(query "SELECT pid FROM pg_stat_activity WHERE query LIKE '%hunted%' AND pid <> pg_backend_pid()")
background "SELECT hunted('for (;;) {} // another')"
until_true 20 busy 2
kill -9 "$pid"
until_true 20 wait_for_server
[ "$(query "SELECT hunted('return 3')")" = 3 ]
ok $? 'after a kill -9 of one of two looping backends the server is back'
wait

# shutdowns
for mode in fast immediate; do
	for i in 1 2 3; do background "SELECT hunted('for (;;) try { for (;;) {} } catch (e) {}')"; done
	until_true 20 busy 3
	as_user "$bin/pg_ctl" -D "$cluster/data" -m "$mode" -t 15 stop >/dev/null 2>&1
	ok $? "a $mode shutdown ends looping sessions"
	wait
	as_user "$bin/pg_ctl" -D "$cluster/data" -l "$cluster/log" -w -t 30 -o "-c listen_addresses='' -k '$cluster' -c fsync=off" start >/dev/null 2>&1
	wait_for_server
done

# sessions that end in the middle, without any word
before=$(crashes)
for i in $(seq 20); do printf '%s\n' "SELECT hunted('globalThis.p = plv8.prepare(\"SELECT 1\"); globalThis.c = globalThis.p.cursor(); return 1');" | "$bin/psql" -X -q -h "$cluster" -U "$user" -d hunt >/dev/null 2>&1; done
until_true 10 no_sessions
[ "$(crashes)" -eq "$before" ]
ok $? 'sessions end with plans and cursors open'

# what V8 keeps of engines that are given up is bounded: then the session says so, and another one works
lost="SET statement_timeout = '1500ms';"
for i in 1 2 3 4 5 6 7 8; do lost="$lost
SELECT hunted('return eval(\"[\" + \"1,\".repeat(3e7) + \"1]\").length');"; done
"$bin/psql" -X -q -h "$cluster" -U "$user" -d hunt >/dev/null 2>"$cluster/lost" <<<"$lost"
grep -q 'not started again in this session' "$cluster/lost" && [ "$(query "SELECT hunted('return 4')")" = 4 ]
ok $? 'a session that has lost too much memory to engines says so, and the next one works'

# engine flags, as superuser: whatever they do, the server lives
before=$(crashes)
for flags in --help --version --no-such-flag --stack-size=100000000 --max-old-space-size=1 --jitless --expose-gc --single-threaded --random-seed=1 "--stack-trace-limit=-1" '' ' ' '--' '-' '%s%n' "--logfile=x --log"; do
	"$bin/psql" -X -q -A -t -h "$cluster" -U "$user" -d hunt -c "SET plv8.v8_flags = '$flags'" -c "SELECT hunted('const f = () => f(); try { f() } catch (e) {} return 1')" -c "SELECT hunted('return 2')" >>"$cluster/flags" 2>&1
done
wait_for_server
[ "$(crashes)" -eq "$before" ]
ok $? 'no engine flag kills the server'
ls "$cluster/data"/x "$cluster/data"/*.log 2>/dev/null | sed 's/^/# left behind: /'

# forty sessions that come and go
before=$(crashes)
for round in 1 2 3; do
	for i in $(seq 12); do background "SELECT hunted('let n = 0; for (let i = 0; i < 1e6; i++) n += i; return plv8.execute(\"SELECT ' || $i || ' AS a\")[0].a')"; done
	wait
done
[ "$(crashes)" -eq "$before" ] && until_true 10 no_sessions
ok $? 'many sessions at once'

# parallel workers run JavaScript too
query "CREATE FUNCTION safe(a int) RETURNS int LANGUAGE plv8 PARALLEL SAFE IMMUTABLE AS 'return a % 7'; CREATE TABLE big AS SELECT i FROM generate_series(1, 200000) i; ANALYZE big" >/dev/null
[ "$(query "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SET debug_parallel_query = on; SELECT count(*) FROM big WHERE safe(i) = 3" 2>/dev/null || query "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SELECT count(*) FROM big WHERE safe(i) = 3")" = 28572 ]
ok $? 'parallel workers run JavaScript'
query "CREATE FUNCTION safe_loop(a int) RETURNS int LANGUAGE plv8 PARALLEL SAFE AS 'for (;;) {}'" >/dev/null
background "SET parallel_setup_cost = 0; SET parallel_tuple_cost = 0; SET min_parallel_table_scan_size = 0; SELECT /* hunted */ count(*) FROM big WHERE safe_loop(i) = 3"
until_true 20 busy 1
query "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query LIKE '%hunted%' AND leader_pid IS NULL AND pid <> pg_backend_pid()" >/dev/null
until_true 10 no_sessions
ok $? 'a cancel reaches the parallel workers'
wait

# preloading is refused or works, but must not bring the server down
as_user "$bin/pg_ctl" -D "$cluster/data" -m fast -t 15 stop >/dev/null 2>&1
library=$(query_library=$(find "$("$pg_config" --pkglibdir)" -maxdepth 1 -name 'plv8*.so' | head -n 1); basename "$query_library" .so)
as_user "$bin/pg_ctl" -D "$cluster/data" -l "$cluster/preload.log" -w -t 10 -o "-c listen_addresses='' -k '$cluster' -c shared_preload_libraries='$library'" start >/dev/null 2>&1
if "$bin/psql" -X -q -h "$cluster" -U "$user" -d hunt -c "SELECT hunted('return 1')" >/dev/null 2>&1; then
	ok 0 'preloaded, it works all the same'
else
	grep -q 'shared_preload_libraries' "$cluster/preload.log"
	ok $? 'preloading is refused with a clear error'
fi
echo "1..$count"
[ "$failed" -eq 0 ]
