#!/bin/bash
# hunt_storm.sh: a storm of timeouts over built-in functions that do not look up, and over heaps that are full, in one session:
# whatever is thrown away in the middle, the session must answer rightly after each, not grow, and the server not crash.
# Prints TAP. Skips on stock PLV8, which cannot be stopped. PLV8_STORM_ROUNDS (default 72, each twice) statements.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cluster.sh"
start_cluster "" || exit 1
query() { "$bin/psql" -X -q -A -t -h "$cluster" -U "$user" -d storm -c "$1"; }
psql_cluster -d postgres -c 'CREATE DATABASE storm' || exit 1
query 'CREATE EXTENSION plv8' || exit 1
if [ "$(query "SELECT extversion LIKE '%+%' FROM pg_extension WHERE extname = 'plv8'")" != t ]; then
	echo 'ok 1 - # SKIP stock PLV8'
	echo 1..1
	exit 0
fi
psql_cluster -d storm >/dev/null <<'SQL' || exit 1
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 100) i;
CREATE ROLE plv8_storm;
GRANT ALL ON t TO plv8_storm;
GRANT CREATE ON SCHEMA public TO plv8_storm;
CREATE FUNCTION js(body text) RETURNS text LANGUAGE plv8 AS 'return String(new Function(body)())';
CREATE FUNCTION js_other(body text) RETURNS text LANGUAGE plv8 SECURITY DEFINER AS 'return String(new Function(body)())';
ALTER FUNCTION js_other(text) OWNER TO plv8_storm;
CREATE FUNCTION resident() RETURNS int LANGUAGE sql VOLATILE AS
	$$ SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmRSS:\s+(\d+) kB'))[1]::int / 1024 $$;
-- Catches even a timeout, and goes on.
CREATE FUNCTION catching(body text) RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	RETURN js(body); EXCEPTION WHEN query_canceled OR OTHERS THEN RETURN 'caught ' || SQLSTATE; END $$;
CREATE FUNCTION healthy() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	IF js('const p = plv8.prepare("SELECT v FROM t WHERE id = $1", ["int"]); const r = p.execute([7])[0].v; p.free();
		let c; try { plv8.execute("SELECT 1/0") } catch (e) { c = e.message } return r + c') <> 'v7division by zero' THEN RETURN 'damaged'; END IF;
	IF js_other('return plv8.execute("SELECT current_user::text AS u")[0].u + plv8.execute("SELECT js($1) AS a", ["return 5"])[0].a') <> 'plv8_storm5' THEN RETURN 'role damaged'; END IF;
	IF (SELECT count(*) FROM t) <> 100 THEN RETURN 'table damaged'; END IF;
	RETURN 'healthy'; END $$;
SQL
node - "${PLV8_STORM_ROUNDS:-72}" >"$cluster/storm.sql" <<'JS'
const bodies = [
	'return [].indexOf.call({ length: 2 ** 50 }, 1)', 'return [].fill.call({ length: 2 ** 50 }, 0)', 'let a = 7n; for (;;) a = a ** 3n % (10n ** 3000n)',
	'for (;;) Array.from({ length: 1e5 }, Math.random).sort()', 'for (;;) new Array(1e6).fill("x").join("")', 'return /^(a+)+$/.test("a".repeat(40) + "b")',
	'for (;;) JSON.parse(JSON.stringify(Array.from({ length: 3e4 }, (_, i) => ({ i, s: "x" + i }))))', 'for (;;) "ab".repeat(1e6).replace(/b/g, "cc")',
	'for (;;) "zyx".localeCompare("abc") + new Date().toLocaleString("de", { timeZone: "Asia/Tokyo" })', 'for (;;) new Intl.NumberFormat("fr").format(1e9)',
	'for (;;) "İstanbul".repeat(1e5).normalize("NFD").toLocaleLowerCase("tr")', 'for (;;) eval("1 + " + Math.random())', 'for (;;) new Function("a", "return a + " + Math.random())(1)',
	'for (;;) new RegExp("(a|b)*" + Math.random()).test("abab".repeat(1000))', 'const a = []; for (;;) a.push({ a: [1, 2, 3] })', 'const a = []; for (;;) a.push(new Uint8Array(1e6))',
	'for (;;) [..."x".repeat(1e5)].map((c) => c.charCodeAt(0)).reverse()', 'for (;;) new Map(Array.from({ length: 1e5 }, (_, i) => [i, i]))', 'for (;;) plv8.execute("SELECT * FROM t")',
	'for (;;) try { plv8.subtransaction(() => { for (;;) [].indexOf.call({ length: 1e7 }, 1) }) } catch (e) {}', 'const p = plv8.prepare("SELECT v FROM t WHERE id = $1", ["int"]); for (let i = 0; ; i++) p.execute([i])',
	'return plv8.execute("SELECT js($1)", ["return [].indexOf.call({ length: 2 ** 50 }, 1)"])', 'return plv8.execute("SELECT js_other($1)", ["return [].fill.call({ length: 2 ** 50 }, 1)"])',
	'const r = plv8.execute("SELECT catching($1) AS c", ["return [].indexOf.call({ length: 2 ** 50 }, 1)"]); return r[0].c + [].indexOf.call({ length: 2 ** 50 }, 1)',
	'let n = 0; for (;;) { try { plv8.execute("SELECT catching($1) AS c", ["const a = []; for (;;) a.push([1])"]) } catch (e) {} if (n++ > 3) return n }',
	'const c = plv8.prepare("SELECT js($1) FROM t", ["text"]).cursor(["for (let i = 0; i < 1e6; i++) [i].join(); return 1"]); for (;;) c.fetch(1)',
	'for (;;) plv8.execute("SELECT $1::jsonb AS j", [Array.from({ length: 1e4 }, (_, i) => ({ i }))])', 'for (;;) plv8.quote_literal("x".repeat(1e6))', 'for (;;) try { null.x } catch (e) { e.stack }',
	'const f = () => f(); for (;;) try { f() } catch (e) {}', 'let s = "x"; for (;;) { s += s; if (s.length > 1e8) s = "x"; s.indexOf("y") }', 'return "x".repeat(2 ** 28).split("").length', 'return new Array(3e7).fill().map(String).sort().length',
	'return plv8.execute("SELECT (\'[\' || repeat(\'{},\', 3000000) || \'{}]\')::json AS j")[0].j.length', 'return plv8.execute("SELECT i, repeat(\'x\', 100) AS t FROM generate_series(1, 1000000) i").length', 'for (;;) new Float64Array(1e6).map(Math.random).sort()'];
let seed = Number(process.env.PLV8_STORM_SEED || 1);
const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
const rounds = Number(process.argv[2]);
console.log("SELECT healthy();\nSELECT 'before ' || resident();");
for (let i = 0; i < rounds; i++) {
	const body = bodies[i % bodies.length], wrap = random() < 0.2 ? 'catching' : random() < 0.2 ? 'js_other' : 'js';
	console.log(`SET statement_timeout = '${1 + Math.floor(random() ** 2 * 120)}ms';\nSELECT ${wrap}($body$${body}$body$) IS NULL;`);
	if (random() < 0.1) console.log('SELECT plv8_reset();');
	console.log(`SET statement_timeout = '30s';\nSELECT healthy();`);
	if (i === Math.floor(rounds / 3)) console.log("SELECT 'third ' || resident();");
}
console.log("SELECT 'after ' || resident();");
JS
timeout 250 "$bin/psql" -X -q -A -t -h "$cluster" -U "$user" -d storm <"$cluster/storm.sql" >"$cluster/storm.out" 2>"$cluster/storm.err"
status=$?
count=0 failed=0
ok() {
	count=$((count + 1))
	[ "$1" -eq 0 ] && echo "ok $count - $2" || { failed=$((failed + 1)); echo "not ok $count - $2"; }
}
rounds=${PLV8_STORM_ROUNDS:-72}
[ "$(grep -c 'was terminated by signal' "$cluster/log")" -eq 0 ]
ok $? 'no crash'
[ "$status" -eq 0 ]
ok $? "the session lives to the end (status $status)"
[ "$(grep -c '^healthy$' "$cluster/storm.out")" -eq $((rounds + 1)) ]
ok $? "healthy after each of $rounds statements ($(grep -c '^healthy$' "$cluster/storm.out"))"
third=$(sed -n 's/^third //p' "$cluster/storm.out") after=$(sed -n 's/^after //p' "$cluster/storm.out") before=$(sed -n 's/^before //p' "$cluster/storm.out")
echo "# measured resident MB: before $before, after a third $third, at the end $after"
[ "${after:-9999}" -lt $((${before:-0} + 300)) ]
ok $? 'and the session has not grown by 300 MB'
! grep -qE 'leak|left non-empty|PANIC|TRAP|pinned|not owned by|corrupt|stack is not empty' "$cluster/log"
ok $? 'nor does the server complain'
grep -E 'ERROR|FATAL|closed' "$cluster/storm.err" | sed 's/^[^:]*:[0-9]*: //' | sort | uniq -c | sort -rn | head -12 | sed 's/^/# /'
grep -E 'terminated by|leak|left non-empty|PANIC|TRAP|pinned|V8 cannot' "$cluster/log" | head -5 | sed 's/^/# /'
echo "1..$count"
[ "$failed" -eq 0 ]
