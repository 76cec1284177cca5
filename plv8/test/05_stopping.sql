-- Point 5: JavaScript can be stopped: by cancel, statement_timeout and terminate, at the heap limit and the end of the stack.
-- The victims are sessions of their own, watched with a deadline; how long each took is printed, not asserted.
\ir helpers.sql
SELECT no_plan();

-- stopped(sql, how, setup): runs the statement in another session, lets it get going, then ends it by 'cancel',
-- 'terminate' or 'wait' (something else must end it). Out: SQLSTATE that it ended with ("none" if it succeeded, "stuck"
-- after 10 s), milliseconds from the signal, and whether the session (after a cancel) still answers.
CREATE FUNCTION stopped(sql text, how text, setup text DEFAULT 'SELECT 1', OUT code text, OUT ms float8, OUT alive boolean) LANGUAGE plpgsql AS $$
DECLARE victim int; began timestamptz; r text;
BEGIN
	PERFORM dblink_connect('victim', here());
	SELECT pid INTO victim FROM dblink('victim', 'SELECT pg_backend_pid()') AS x(pid int);
	PERFORM * FROM dblink('victim', 'SELECT js(''return 1'')') AS x(v text);
	PERFORM * FROM dblink('victim', setup) AS x(v text);
	PERFORM dblink_send_query('victim', sql);
	IF how <> 'wait' THEN
		-- Running, and 200 ms into it.
		began := clock_timestamp();
		WHILE clock_timestamp() < began + interval '200 ms' AND dblink_is_busy('victim') = 1 LOOP PERFORM pg_sleep(0.01); END LOOP;
	END IF;
	began := clock_timestamp();
	IF how = 'cancel' THEN PERFORM pg_cancel_backend(victim); ELSIF how = 'terminate' THEN PERFORM pg_terminate_backend(victim); END IF;
	WHILE dblink_is_busy('victim') = 1 AND clock_timestamp() < began + interval '10 s' LOOP PERFORM pg_sleep(0.002); END LOOP;
	ms := round(extract(epoch FROM clock_timestamp() - began) * 1000);
	IF dblink_is_busy('victim') = 1 THEN
		code := 'stuck'; alive := false;
		PERFORM pg_terminate_backend(victim);
		RETURN;
	END IF;
	BEGIN
		SELECT v INTO r FROM dblink_get_result('victim') AS x(v text);
		code := 'none';
		PERFORM * FROM dblink_get_result('victim') AS x(v text);
	EXCEPTION WHEN OTHERS OR query_canceled THEN
		code := SQLSTATE;
	END;
	BEGIN
		PERFORM * FROM dblink_get_result('victim') AS x(v text);
		PERFORM dblink_exec('victim', 'SET statement_timeout = 0');
		SELECT v = '2' INTO alive FROM dblink('victim', 'SELECT js(''return 1 + 1'')') AS x(v text);
	EXCEPTION WHEN OTHERS THEN alive := false; END;
	PERFORM dblink_disconnect('victim');
END $$;
-- stops(sql, how, codes, description): ends with one of the codes, and after a cancel the session goes on.
CREATE FUNCTION stops(sql text, how text, codes text[], description text, setup text DEFAULT 'SELECT 1') RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE s record;
BEGIN
	IF NOT ours() THEN RETURN NEXT skip('stock PLV8 cannot be stopped: ' || description, 1); RETURN; END IF;
	IF 'victim' = ANY (dblink_get_connections()) THEN PERFORM dblink_disconnect('victim'); END IF;
	SELECT * INTO s FROM stopped(sql, how, setup);
	RETURN NEXT ok(s.code = ANY (codes) AND (how = 'terminate' OR s.alive), format('%s: %s', how, description))
		|| E'\n' || diag(format('measured %s ms from %s to %s, alive afterwards: %s (%s)', s.ms, how, s.code, s.alive, description));
END $$;
-- js_sql(body): the statement that runs a body.
CREATE FUNCTION js_sql(body text) RETURNS text LANGUAGE sql AS $$ SELECT format('SELECT js(%L)', body) $$;

CREATE TABLE bodies (name text, body text);
INSERT INTO bodies VALUES
	('an endless loop', 'for (;;) {}'),
	('an endless loop with work in it', 'let n = 0; while (true) { n = (n * 31 + 7) % 1000003; [n].map(String) }'),
	('a loop that swallows errors', 'for (;;) { try { for (;;) {} } catch (e) {} }'),
	('a loop in finally', 'for (;;) { try { for (;;) {} } finally { for (;;) {} } }'),
	('a catastrophic regular expression', 'return /^(a+)+$/.test("a".repeat(60) + "b")'),
	('one with backreferences', 'return /^(a|aa)+\1?$/.test("a".repeat(80) + "!")'),
	('a huge sort with a comparison', 'const a = Array.from({ length: 3e6 }, () => Math.random()); for (;;) a.sort((x, y) => x < y ? -1 : 1).reverse()'),
	('a huge sort of its own', 'for (;;) { const a = Array.from({ length: 2e5 }, () => String(Math.random())); a.sort() }'),
	('joining a huge array', 'const a = new Array(1e7).fill("x"); for (;;) a.join("")'),
	('endless JSON', 'const a = Array.from({ length: 1e5 }, (_, i) => ({ i, s: "x" + i })); for (;;) JSON.parse(JSON.stringify(a))'),
	('a promise that goes on for ever', 'const f = () => Promise.resolve().then(f); f()'),
	('an endless generator', 'function* g() { for (;;) yield 1 } for (const x of g()) {}'),
	('a loop of statements', 'for (;;) plv8.execute("SELECT 1")'),
	('a loop of statements that swallows errors', 'for (;;) { try { plv8.execute("SELECT pg_sleep(0.01)") } catch (e) {} }'),
	('a loop of plans that swallows errors', 'const p = plv8.prepare("SELECT pg_sleep(0.01)"); for (;;) { try { p.execute() } catch (e) {} }'),
	('a loop of cursors that swallows errors', 'for (;;) { try { const p = plv8.prepare("SELECT pg_sleep(0.01)"); const c = p.cursor(); c.fetch(); c.close(); p.free() } catch (e) {} }'),
	('a loop of subtransactions that swallows errors', 'for (;;) { try { plv8.subtransaction(() => { plv8.execute("SELECT pg_sleep(0.01)"); for (;;) {} }) } catch (e) {} }'),
	('a loop in a nested call', 'try { plv8.execute("SELECT js($1)", ["for (;;) {}"]) } catch (e) {} for (;;) {}'),
	('a nested call that swallows errors', 'for (;;) { try { plv8.execute("SELECT js($1)", ["try { plv8.execute(''SELECT pg_sleep(5)'') } catch (e) {}"]) } catch (e) {} }'),
	('sleeping in SQL', 'plv8.execute("SELECT pg_sleep(60)")'),
	('a loop in a getter of the result', 'return { get a() { for (;;) {} } }'),
	('a loop in toJSON', 'return { toJSON() { for (;;) {} } }'),
	('a loop in toString of an error', 'throw { toString() { for (;;) {} } }'),
	('a loop in the message of an error', 'const e = new Error("m"); Object.defineProperty(e, "message", { get() { for (;;) {} } }); throw e'),
	('a BigInt that takes for ever', 'let a = 7n; for (;;) a = a ** 3n % (10n ** 5000n)'),
	('one huge BigInt operation', 'const a = 3n ** 20000000n; return String(String(a * a * a).length)'),
	('replacing in a huge string', 'const s = "ab".repeat(1e7); for (;;) s.replace(/b/g, "cc").indexOf("zzz")'),
	('a single slow replace', 'const s = "a".repeat(200000); return s.replace(/a*b/g, "").length'),
	('an array that grows', 'const a = []; for (let i = 0; ; i++) a[i % 1000] = new Array(1000).fill(i)'),
	('indexOf over and over', 'const s = "a".repeat(5e7); for (;;) s.indexOf("ab")'),
	('WebAssembly', 'const b = new Uint8Array([0,97,115,109,1,0,0,0,1,4,1,96,0,0,3,2,1,0,7,5,1,1,102,0,0,10,9,1,7,0,3,64,12,0,11,11]); if (typeof WebAssembly === "object") new WebAssembly.Instance(new WebAssembly.Module(b)).exports.f(); for (;;) {}'),
	('waiting for an Atomics signal', 'try { Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0) } catch (e) {} for (;;) {}'),
	('a slow date parse and locale work', 'for (;;) [..."zyxwvut"].sort((a, b) => a.localeCompare(b)).join() + new Date("2026-01-01").toLocaleString()'),
	('a script', 'plv8.run_script("for (;;) {}", "s.js")'),
	('elog over and over', 'for (;;) plv8.elog(DEBUG5, "x")');
SELECT stops(js_sql(body), 'cancel', '{57014}', name) FROM bodies;
SELECT stops(js_sql(body), 'terminate', '{57P01,08006,08000,08003}', name) FROM bodies
	WHERE name IN ('an endless loop', 'a loop that swallows errors', 'a catastrophic regular expression', 'a loop of statements that swallows errors', 'a nested call that swallows errors', 'a huge sort of its own');
SELECT stops(js_sql(body), 'wait', '{57014}', 'statement_timeout, ' || name, 'SELECT set_config(''statement_timeout'', ''300'', false)') FROM bodies
	WHERE name IN ('an endless loop', 'a loop that swallows errors', 'a catastrophic regular expression', 'a loop of statements that swallows errors', 'a loop in a nested call', 'a huge sort of its own');
SELECT stops('DO $$ for (;;) {} $$ LANGUAGE plv8', 'cancel', '{57014}', 'DO');
CREATE TABLE trig (a int);
CREATE FUNCTION looping() RETURNS trigger LANGUAGE plv8 AS $$ for (;;) {} $$;
CREATE TRIGGER looping BEFORE INSERT ON trig FOR EACH ROW EXECUTE FUNCTION looping();
SELECT stops('INSERT INTO trig VALUES (1)', 'cancel', '{57014}', 'a trigger');
CREATE PROCEDURE loop_proc() LANGUAGE plv8 AS $$ for (;;) { try { plv8.execute('SELECT 1'); plv8.commit(); } catch (e) {} } $$;
SELECT stops('CALL loop_proc()', 'cancel', '{57014}', 'a procedure that commits');
SELECT stops('SELECT plv8_reset(), js(''for (;;) {}'')', 'cancel', '{57014}', 'after a reset');
CREATE FUNCTION rows_for_ever() RETURNS SETOF int LANGUAGE plv8 AS $$ for (;;) plv8.return_next(1); $$;
SELECT stops('SELECT count(*) FROM rows_for_ever()', 'cancel', '{57014}', 'rows for ever');
SELECT stops($$SELECT js('globalThis.r = new FinalizationRegistry(() => { for (;;) {} }); for (let i = 0; i < 3000; i++) globalThis.r.register({ i }, i); for (let i = 0; i < 300; i++) new Array(1e5).fill(i)') IS NULL AND (SELECT count(js('new Array(1e4).fill(1); return 1')) FROM generate_series(1, 2000)) > 0 AND js('for (;;) {}') IS NULL$$, 'cancel', '{57014}', 'a finalizer that loops');
SELECT stops(js_sql('for (;;) {}'), 'wait', '{57014,57P05,57000,XX000,53000}', 'plv8.execution_timeout', 'SELECT set_config(''plv8.execution_timeout'', ''1'', false)') WHERE current_setting('plv8.execution_timeout', true) IS NOT NULL;

-- A cancel that comes while JavaScript is in a statement is PostgreSQL's own error, and PL/pgSQL around may handle it.
CREATE FUNCTION timed() RETURNS text LANGUAGE plpgsql AS $$ BEGIN
	SET LOCAL statement_timeout = 0; PERFORM js('return 1'); RETURN 'ran'; END $$;
SELECT is(timed(), 'ran', 'no timeout, no stop');
SELECT is(js('return 1'), '1', 'this session was never touched');

-- the heap
CREATE FUNCTION survives(body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE f jsonb := failure(format('SELECT js(%L)', body));
BEGIN
	IF js('return 1 + 1') IS DISTINCT FROM '2' THEN RETURN 'the next call fails'; END IF;
	RETURN coalesce(f ->> 'code', 'no error');
END $$;
SELECT is(current_setting('plv8.memory_limit'), '256', 'the heap''s limit');
SELECT ours_is(format('SELECT survives(%L) IN (''53200'', ''54001'')', body), 'true', 'heap: ' || name) FROM (VALUES
	('an array that grows', 'const a = []; for (;;) a.push({ a: 1, b: [1, 2, 3] })'),
	('an array that grows, errors swallowed', 'const a = []; for (;;) try { for (;;) a.push({ a: 1, b: "x" + a.length }) } catch (e) {}'),
	('strings', 'const a = []; for (let i = 0; ; i++) a.push(("x" + i).repeat(100000).split("").join("-"))'),
	('a Map', 'const m = new Map(); for (let i = 0; ; i++) m.set("k" + i, { i })'),
	('array buffers', 'const a = []; for (;;) a.push(new Uint8Array(1e6).fill(1))'),
	('closures', 'let f = () => 0; for (;;) { const g = f; const x = new Array(100).fill(0); f = () => g() + x[0] }'),
	('rows of SQL', 'const a = []; for (;;) a.push(plv8.execute("SELECT repeat(''x'', 1000) AS s, i FROM generate_series(1, 1000) i"))'),
	('JSON.parse', 'const s = "[" + "[1,2,3],".repeat(2e6) + "0]"; const a = []; for (;;) a.push(JSON.parse(s))'),
	('a big array filled', 'return new Array(3e7).fill(0).map((_, i) => ({ i })).length'),
	('promises', 'const a = []; const f = () => { a.push({ x: [1, 2, 3] }); return Promise.resolve().then(f) }; f()'),
	('in a nested call', 'return plv8.execute("SELECT js($1)", ["const a = []; for (;;) a.push({ a: 1, b: [1, 2, 3] })"])')) v(name, body);
SELECT ours_fails($$SELECT js('return new Uint8Array(4e9).length')$$, NULL, '.', 'one buffer beyond the limit is an error');
SELECT ours_fails($$SELECT js('return "x".repeat(2 ** 30)')$$, NULL, '.', 'a string beyond V8''s limit is an error');
SELECT ours_is($$SELECT js('try { new ArrayBuffer(3e9) } catch (e) { return e.constructor.name }')$$, 'RangeError', 'and can be caught where JavaScript has a word for it');
SELECT ours_is($$SELECT js('let n = 0; for (let i = 0; i < 300; i++) { n += new Uint8Array(1e7).length } return n')$$, '3000000000', 'buffers that are let go are no use of memory');
SELECT is(js('const a = []; for (let i = 0; i < 1e6; i++) a.push({ i }); return a.length'), '1000000', 'a million objects fit the default limit');

-- the stack
SELECT ours_is(format('SELECT survives(%L) IN (''XX000'', ''54001'')', body), 'true', 'stack: ' || name) FROM (VALUES
	('plain recursion', 'const f = () => f() + 1; return f()'),
	('mutual recursion in getters', 'const o = { get a() { return this.a } }; return o.a'),
	('toString', 'const o = { toString() { return "" + this } }; return "" + o'),
	('a Proxy of a Proxy', 'let p = {}; for (let i = 0; i < 1e6; i++) p = new Proxy(p, {}); return p.x'),
	('a deep JSON text', 'return JSON.stringify(JSON.parse("[".repeat(1e6) + "]".repeat(1e6)))')) v(name, body) WHERE name NOT IN ('a deep JSON text');
SELECT ours_is($$SELECT survives('return JSON.stringify(JSON.parse("[".repeat(1e6) + "]".repeat(1e6))).length') IN ('XX000', 'no error', '54001')$$, 'true', 'stack: a deep JSON text');
SELECT is(js('const f = () => f() + 1; try { f() } catch (e) { return e.constructor.name }'), 'RangeError', 'stack: a RangeError that can be caught');
SELECT ours_is($$SELECT survives('const f = (n) => plv8.execute("SELECT js($1)", ["globalThis.f(1)"]); globalThis.f = f; f()') IN ('54001', 'XX000')$$, 'true', 'stack: through SQL');
SELECT ours_is($$SELECT survives('const f = () => { try { f() } catch (e) { plv8.execute("SELECT 1") } }; f()') IN ('54001', 'XX000', 'no error')$$, 'true', 'stack: SQL at the very end of it');
SELECT ours_is($$SELECT survives('const f = () => { try { return f() } finally { plv8.execute("SELECT js($1)", ["return 1"]) } }; f()') IN ('54001', 'XX000', 'no error')$$, 'true', 'stack: nested calls at the very end of it');
SELECT ours_is($$SELECT survives('new Function("return " + "(".repeat(1e5) + "1" + ")".repeat(1e5))()') IN ('54001', 'XX000', '42601', 'no error')$$, 'true', 'stack: a deep expression');
SELECT ours_is($$SELECT survives('return String(eval("[".repeat(3e5)))') <> 'stuck'$$, 'true', 'stack: a deep program that does not even parse');
SELECT ours_is($$SELECT survives('return new RegExp("(".repeat(1e5) + ")".repeat(1e5)).test("x")') IN ('XX000', 'no error', '54001')$$, 'true', 'stack: a deep regular expression');
SET max_stack_depth = '100kB';
SELECT ours_is($$SELECT survives('const f = () => f() + 1; return f()') IN ('54001', 'XX000')$$, 'true', 'stack: with the least max_stack_depth');
RESET max_stack_depth;
SELECT * FROM finish();
