-- The figures of the handler's cost, into the table `figures`. Run by run.sh in a cluster of its own.
\set QUIET 1
\pset pager off
SET client_min_messages = warning;
CREATE EXTENSION plv8;
CREATE EXTENSION dblink;
CREATE TABLE figures (
	n int GENERATED ALWAYS AS IDENTITY, name text, value numeric, unit text, target numeric,
	met boolean GENERATED ALWAYS AS (value <= target) STORED, note text);
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT i, 'value ' || i FROM generate_series(1, 100000) i;
VACUUM ANALYZE t;

-- timed(sql): milliseconds of a statement, the median of five runs after one to warm up.
CREATE FUNCTION timed(sql text, runs int DEFAULT 5) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE began timestamptz; times float8[] := '{}'; BEGIN
	EXECUTE sql;
	FOR i IN 1..runs LOOP
		began := clock_timestamp();
		EXECUTE sql;
		times := times || extract(epoch FROM clock_timestamp() - began)::float8 * 1000;
	END LOOP;
	RETURN (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY x) FROM unnest(times) x);
END $$;
-- resident(): MB of this process.
CREATE FUNCTION resident() RETURNS numeric LANGUAGE sql VOLATILE AS $$
	SELECT round((regexp_match(pg_read_file('/proc/self/status'), 'VmRSS:\s+(\d+) kB'))[1]::numeric / 1024, 1) $$;
CREATE FUNCTION here() RETURNS text LANGUAGE sql AS $$
	SELECT format('host=%s port=%s dbname=%s user=%s', current_setting('unix_socket_directories'), current_setting('port'), current_database(), session_user) $$;

CREATE FUNCTION f_js(a int) RETURNS int LANGUAGE plv8 AS $$ return a + 1; $$;
CREATE FUNCTION f_pl(a int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN a + 1; END $$;
CREATE FUNCTION look_js(n int) RETURNS bigint LANGUAGE plv8 AS $$
	const plan = plv8.prepare('SELECT v FROM t WHERE id = $1', ['int']);
	let s = 0;
	for (let i = 0; i < n; i++) s += plan.execute([i % 100000 + 1])[0].v.length;
	plan.free();
	return s; $$;
CREATE FUNCTION look_pl(n int) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE s bigint := 0; r text; BEGIN
	FOR i IN 0..n - 1 LOOP SELECT v INTO r FROM t WHERE id = i % 100000 + 1; s := s + length(r); END LOOP;
	RETURN s; END $$;
CREATE FUNCTION execute_js(n int) RETURNS bigint LANGUAGE plv8 AS $$
	let s = 0;
	for (let i = 0; i < n; i++) s += plv8.execute('SELECT v FROM t WHERE id = $1', [i % 100000 + 1])[0].v.length;
	return s; $$;
CREATE FUNCTION one_js(n int) RETURNS bigint LANGUAGE plv8 AS $$
	let s = 0; for (let i = 0; i < n; i++) s += plv8.execute('SELECT 1 AS a')[0].a; return s; $$;
CREATE FUNCTION sub_js(n int) RETURNS bigint LANGUAGE plv8 AS $$
	let s = 0; for (let i = 0; i < n; i++) s += plv8.subtransaction(() => 1); return s; $$;
CREATE FUNCTION jsonb_js(a jsonb) RETURNS jsonb LANGUAGE plv8 AS $$ a.n = a.n + 1; return a; $$;

-- A bundle of 300 KB, kept on globalThis once it has run; stubs of two roles.
DO $do$
DECLARE body text;
BEGIN
	SELECT 'const api = {};' || string_agg(format($f$
api.f%1$s = function (x, y) { const o = { a: x, b: y, c: 'constant number %1$s' }; let s = 0;
for (const k of Object.keys(o)) { s += String(o[k]).length * %1$s; if (s > 1000000) throw new Error('too much: ' + s); }
return { ...o, s, list: [x, y, s].map((z) => z + 1).filter((z) => z > %1$s) }; };$f$, i), '') || 'globalThis.bundle = api;'
	INTO body FROM generate_series(1, 1060) i;
	EXECUTE format('CREATE FUNCTION load_bundle() RETURNS int LANGUAGE plv8 AS %L', body || ' return ' || length(body) || ';');
END $do$;
CREATE ROLE plv8_bench_other;
GRANT ALL ON SCHEMA public TO plv8_bench_other;
CREATE FUNCTION stub(a int) RETURNS int LANGUAGE plv8 AS $$
	if (!globalThis.bundle) plv8.find_function('load_bundle')(); return globalThis.bundle.f7(a, 2).s; $$;
SET ROLE plv8_bench_other;
CREATE FUNCTION stub_other(a int) RETURNS int LANGUAGE plv8 SECURITY DEFINER AS $$
	if (!globalThis.bundle) plv8.find_function('load_bundle')(); return globalThis.bundle.f7(a, 2).s; $$;
RESET ROLE;

-- first calls of everything, in sessions of their own: the median of five
CREATE TABLE firsts (name text, value float8);
CREATE FUNCTION took(sql text) RETURNS float8 LANGUAGE plpgsql AS $$
DECLARE began timestamptz := clock_timestamp(); BEGIN
	PERFORM * FROM dblink('fresh', sql) AS x(v int);
	RETURN extract(epoch FROM clock_timestamp() - began) * 1000; END $$;
DO $$
DECLARE first float8; second float8; other float8; idle float8; m0 numeric; m1 numeric; m2 numeric; BEGIN
	FOR i IN 1..5 LOOP
		PERFORM dblink_connect('fresh', here());
		SELECT v INTO m0 FROM dblink('fresh', 'SELECT resident()') AS x(v numeric);
		INSERT INTO firsts VALUES ('session', took('SELECT f_js(1)'));
		SELECT v INTO m1 FROM dblink('fresh', 'SELECT resident()') AS x(v numeric);
		idle := took('SELECT f_pl(1)');
		idle := took('SELECT f_pl(1)');
		first := took('SELECT stub(1)');
		second := took('SELECT stub(1)');
		other := took('SELECT stub_other(1)');
		INSERT INTO firsts VALUES ('bundle', first), ('second', greatest(second - idle, 0)), ('other', other);
		SELECT v INTO m2 FROM dblink('fresh', 'SELECT resident()') AS x(v numeric);
		PERFORM dblink_disconnect('fresh');
	END LOOP;
	INSERT INTO figures (name, value, unit, note) VALUES
		('memory of a fresh backend', m0, 'MB', NULL),
		('memory after the first call', m1, 'MB', NULL),
		('memory with the bundle in two roles', m2, 'MB', NULL);
END $$;
INSERT INTO figures (name, value, unit, target, note)
SELECT v.name, (SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY f.value) FROM firsts f WHERE f.name = v.first), 'ms', v.target, v.note FROM (VALUES
	('session', 'first call in a session', NULL, 'library loaded, engine started'),
	('bundle', 'first call of a 300 KB bundle', NULL, 'compiled and run'),
	('other', 'first call of it as another role', NULL, 'its own world'),
	('second', 'second call of the bundle, as a statement', 0.3, 'over a statement that calls PL/pgSQL')) v(first, name, target, note);

-- a call of f(int)
DO $$
DECLARE base float8 := timed('SELECT sum(i + 1) FROM generate_series(1, 300000) i');
	js float8 := timed('SELECT sum(f_js(i)) FROM generate_series(1, 300000) i');
	pl float8 := timed('SELECT sum(f_pl(i)) FROM generate_series(1, 300000) i');
BEGIN
	INSERT INTO figures (name, value, unit, target, note) VALUES
		('f(int), times PL/pgSQL', (js - base) / (pl - base), '×', 6, format('%s against %s µs, the query''s own time taken off', round(((js - base) / 300)::numeric, 3), round(((pl - base) / 300)::numeric, 3)));
END $$;
-- a plan's primary-key look-up
DO $$
DECLARE js float8 := timed('SELECT look_js(100000)'); pl float8 := timed('SELECT look_pl(100000)'); BEGIN
	INSERT INTO figures (name, value, unit, target, note) VALUES
		('plan.execute by primary key, times PL/pgSQL', js / pl, '×', 2, format('%s against %s µs', round((js / 100)::numeric, 2), round((pl / 100)::numeric, 2)));
END $$;
-- the kept bundle, alone and alternating between two roles, one statement per call
CREATE FUNCTION alternating(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..n LOOP PERFORM stub(i); PERFORM stub_other(i); END LOOP; END $$;
CREATE FUNCTION alone(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN FOR i IN 1..n LOOP PERFORM stub(i); END LOOP; END $$;
CREATE FUNCTION by_set_role(n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	FOR i IN 1..n LOOP SET LOCAL ROLE plv8_bench_other; PERFORM stub(i); RESET ROLE; PERFORM stub(i); END LOOP; END $$;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO PUBLIC;
INSERT INTO figures (name, value, unit, target, note) VALUES ('kept 300 KB bundle through a stub', timed('SELECT alone(5000)') / 5000, 'ms', 0.3, 'per call');
INSERT INTO figures (name, value, unit, target, note) VALUES ('the same, two roles by turns (definer)', timed('SELECT alternating(2500)') / 5000, 'ms', 0.3, 'per call');
INSERT INTO figures (name, value, unit, target, note) VALUES ('the same, two roles by turns (SET ROLE)', timed('SELECT by_set_role(2500)') / 5000, 'ms', 0.3, 'per call');
-- for information
INSERT INTO figures (name, value, unit) VALUES ('plv8.execute of select 1', timed('SELECT one_js(50000)') / 50, 'µs');
INSERT INTO figures (name, value, unit) VALUES ('plv8.execute by primary key, with a parameter', timed('SELECT execute_js(20000)') / 20, 'µs');
INSERT INTO figures (name, value, unit) VALUES ('plv8.subtransaction', timed('SELECT sub_js(100000)') / 100, 'µs');
INSERT INTO figures (name, value, unit) VALUES ('jsonb in and out, small', timed($q$SELECT count(jsonb_js('{"n": 1, "s": "text", "l": [1, 2, 3]}')) FROM generate_series(1, 50000)$q$) / 50, 'µs');

-- memory, each in a session of its own, from after the first call
CREATE FUNCTION grown(sql text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE a numeric; b numeric; BEGIN
	PERFORM dblink_connect('m', here());
	PERFORM * FROM dblink('m', 'SELECT execute_js(10) + f_js(1)') AS x(v bigint);
	SELECT v INTO a FROM dblink('m', 'SELECT resident()') AS x(v numeric);
	PERFORM * FROM dblink('m', sql) AS x(v bigint);
	SELECT v INTO b FROM dblink('m', 'SELECT resident()') AS x(v numeric);
	PERFORM dblink_disconnect('m');
	RETURN b - a; END $$;
INSERT INTO figures (name, value, unit, target, note) VALUES ('a million plv8.execute look-ups in one call', grown('SELECT execute_js(1000000)'), 'MB', 100, 'growth of the process');
INSERT INTO figures (name, value, unit, target, note) VALUES ('a million calls in one session', grown('SELECT sum(f_js(i)) FROM generate_series(1, 1000000) i'), 'MB', 100, 'growth of the process');

-- from cancel to the end of the statement: the slowest of ten
CREATE FUNCTION run_js(body text) RETURNS text LANGUAGE plv8 AS $$ return String(new Function(body)()); $$;
CREATE FUNCTION cancelled(body text) RETURNS numeric LANGUAGE plpgsql AS $$
DECLARE victim int; began timestamptz; worst float8 := 0; BEGIN
	FOR i IN 1..10 LOOP
		PERFORM dblink_connect('victim', here());
		SELECT pid INTO victim FROM dblink('victim', 'SELECT pg_backend_pid()') AS x(pid int);
		PERFORM * FROM dblink('victim', 'SELECT run_js(''return 1'')') AS x(v text);
		PERFORM dblink_send_query('victim', format('SELECT run_js(%L)', body));
		began := clock_timestamp();
		WHILE clock_timestamp() < began + interval '300 ms' LOOP PERFORM pg_sleep(0.02); END LOOP;
		began := clock_timestamp();
		PERFORM pg_cancel_backend(victim);
		WHILE dblink_is_busy('victim') = 1 AND clock_timestamp() < began + interval '5 s' LOOP PERFORM pg_sleep(0.001); END LOOP;
		worst := greatest(worst, extract(epoch FROM clock_timestamp() - began) * 1000);
		IF dblink_is_busy('victim') = 1 THEN
			PERFORM pg_terminate_backend(victim);
			PERFORM dblink_disconnect('victim');
			EXIT;
		END IF;
		PERFORM dblink_disconnect('victim');
	END LOOP;
	RETURN worst; END $$;
SELECT (extversion LIKE '%+%') AS ours FROM pg_extension WHERE extname = 'plv8' \gset
\if :ours
INSERT INTO figures (name, value, unit, target, note) SELECT 'cancel of ' || name, cancelled(body), 'ms', 100, 'slowest of ten' FROM (VALUES
	('an endless loop', 'for (;;) {}'),
	('a catastrophic regular expression', 'return /^(a+)+$/.test("a".repeat(60) + "b")'),
	('a huge sort', 'const a = Array.from({ length: 2000000 }, (_, i) => (i * 7919) % 2000003); for (;;) a.sort((x, y) => y - x).sort()'),
	('a loop of statements that swallows errors', 'for (;;) try { plv8.execute("SELECT 1") } catch (e) {}')) v(name, body);
\endif

\pset border 1
SELECT name, round(value, 3) AS value, unit, target, CASE WHEN met THEN 'met' WHEN NOT met THEN 'NOT MET' ELSE '' END AS "is", note FROM figures ORDER BY n;
\pset tuples_only on
\pset format unaligned
SELECT json_build_object('name', name, 'value', round(value, 3), 'unit', unit, 'target', target, 'met', met) FROM figures ORDER BY n;
