-- Point 2: the API inside JavaScript and the settings.
\ir helpers.sql
SELECT no_plan();
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 10) i;

-- execute
SELECT is(js($$ return plv8.execute('SELECT id, v FROM t WHERE id < 3 ORDER BY id') $$), '[{"id":1,"v":"v1"},{"id":2,"v":"v2"}]', 'rows are objects');
SELECT is(js($$ return plv8.execute('SELECT id FROM t WHERE false') $$), '[]', 'no rows are an empty array');
SELECT is(js($$ return plv8.execute("UPDATE t SET v = v WHERE id < 4") $$), '3', 'a command gives its row count');
SELECT is(js($$ return plv8.execute("INSERT INTO t VALUES (11, 'x') RETURNING id, v") $$), '[{"id":11,"v":"x"}]', 'RETURNING gives rows');
SELECT is(js($$ return plv8.execute("DELETE FROM t WHERE id = 11") $$), '1', 'DELETE gives its row count');
SELECT is(js($$ return typeof plv8.execute("CREATE TEMP TABLE made (a int)") $$), 'number', 'a utility command gives a number');
SELECT is(js($$ return plv8.execute('SELECT $1::int + $2::int AS s', [1, 2]) $$), '[{"s":3}]', 'parameters as an array');
SELECT is(js($$ return plv8.execute('SELECT $1::int + $2::int AS s', 1, 2) $$), '[{"s":3}]', 'parameters one by one');
SELECT is(js($$ return plv8.execute('SELECT v FROM t WHERE id = $1', [7]) $$), '[{"v":"v7"}]', 'parameter types are inferred');
SELECT is(js($$ return plv8.execute('SELECT $1::text AS a, $2::int AS b', [null, undefined]) $$), '[{"a":null,"b":null}]', 'null and undefined parameters are NULL');
SELECT is(js($$ return plv8.execute('SELECT $1 AS a', ['x']) $$), '[{"a":"x"}]', 'an untyped parameter is text');
SELECT is(js($$ return plv8.execute('SELECT $1::int[] AS a', [[1, 2]]) $$), '[{"a":[1,2]}]', 'an array parameter');
SELECT is(js($$ return plv8.execute('SELECT $1::jsonb AS a', [{ b: [1, null] }]) $$), '[{"a":{"b":[1,null]}}]', 'an object for jsonb');
SELECT is(js($$ return plv8.execute('SELECT 1 AS a; SELECT 2 AS b') $$), '[{"b":2}]', 'several statements: the last one''s rows');
SELECT is(js($$ return plv8.execute('SELECT 1 AS a, 2 AS a') $$), '[{"a":2}]', 'of columns of one name the last wins');
SELECT fails($$SELECT js('plv8.execute("SELECT 1/0")')$$, '22012', 'division by zero', 'an error leaves as it came');
SELECT fails($$SELECT js('plv8.execute("SELECT $1::int")')$$, NULL, 'parameter|argument', 'a missing parameter is an error');
SELECT ours_fails($$SELECT js('plv8.execute("SELECT $1::int", [1, 2, 3])')$$, NULL, '.', 'too many parameters are an error');
SELECT ours_fails($$SELECT js('plv8.execute()')$$, NULL, '.', 'no statement is an error');
SELECT ours_fails($$SELECT js('plv8.execute("")')$$ || ' WHERE false OR js(''return plv8.execute("")'') IS NOT NULL AND 1/0 = 1', NULL, '.', 'an empty statement does not crash');
SELECT is(js($$ return plv8.execute('SELECT ' + Array.from({ length: 500 }, (_, i) => i + ' AS c' + i).join())[0].c499 $$), '499', 'five hundred columns');

-- prepare
SELECT is(js($$ const p = plv8.prepare('SELECT v FROM t WHERE id = $1', ['int']); const r = [p.execute([1]), p.execute([2])]; p.free(); return r $$),
	'[[{"v":"v1"}],[{"v":"v2"}]]', 'a plan runs again and again');
SELECT is(js($$ const p = plv8.prepare('SELECT 1 AS a'); const r = p.execute(); p.free(); return r $$), '[{"a":1}]', 'a plan without parameters');
SELECT is(js($$ const p = plv8.prepare('SELECT 1 AS a'); const r = p.execute([]); p.free(); return r $$), '[{"a":1}]', 'and with none given');
SELECT is(js($$ const p = plv8.prepare('SELECT $1 || $2 AS a', ['text', 'text']); const r = p.execute('x', 'y'); p.free(); return r $$), '[{"a":"xy"}]', 'plan parameters one by one');
SELECT is(js($$ const p = plv8.prepare('SELECT $1 || $2 AS a', 'text', 'text'); const r = p.execute(['x', 'y']); p.free(); return r $$), '[{"a":"xy"}]', 'types one by one');
SELECT is(js($$ const p = plv8.prepare('SELECT $1::text AS a', ['timestamp with time zone']); const r = p.execute([new Date(0)]); p.free(); return r[0].a.slice(0, 4) > '1960' $$), 'true', 'a type name of several words');
SELECT is(js($$ const p = plv8.prepare('INSERT INTO t VALUES ($1, $2)', ['int', 'text']); const r = p.execute([20, 'z']); p.free(); return r $$), '1', 'a command''s plan gives its row count');
SELECT fails($$SELECT js('const p = plv8.prepare("SELECT $1::int", ["int"]); p.execute([])')$$, NULL, 'expected|parameter|argument', 'too few plan parameters are an error');
SELECT fails($$SELECT js('plv8.prepare("SELECT * FROM nowhere")')$$, '42P01', 'nowhere', 'an error of prepare');
SELECT ours_fails($$SELECT js('plv8.prepare("SELECT $1", ["no_such_type"])')$$, '42704', 'no_such_type', 'an unknown type');
SELECT ours_is($js$SELECT js($$ try { plv8.prepare('SELECT $1', ['no_such_type']) } catch (e) { return e.message } $$)$js$, 'type "no_such_type" does not exist', 'which can be caught');
SELECT ours_is($js$SELECT js($$ const p = plv8.prepare('SELECT $1::int AS a', ['int']); try { p.execute(['abc']) } catch (e) { return e.message + p.execute([1])[0].a } $$)$js$,
	'invalid input syntax for type integer: "abc"1', 'a wrong value for a plan can be caught, and the plan lives');
SELECT is(js($$ return typeof plv8.prepare('SELECT 1').free() $$), 'number', 'free gives a number');
SELECT ours_fails($$SELECT js('const p = plv8.prepare("SELECT 1"); p.free(); p.execute()')$$, NULL, 'plan|freed|closed', 'a freed plan is an error');
SELECT ours_is($$SELECT js('const p = plv8.prepare("SELECT 1"); p.free(); p.free(); return 1')$$, '1', 'freeing twice is harmless');
SELECT js($$ globalThis.plan = plv8.prepare('SELECT count(*)::int AS n FROM t') $$);
SELECT is(js($$ return globalThis.plan.execute()[0].n $$), '11', 'a plan kept on globalThis');
ALTER TABLE t ADD COLUMN extra int;
INSERT INTO t VALUES (21, 'zz');
SELECT is(js($$ return globalThis.plan.execute()[0].n $$), '12', 'is planned again when the table changes');
SELECT is(js($$ const p = plv8.prepare('SELECT * FROM t WHERE id = 1'); const a = p.execute()[0]; plv8.execute('ALTER TABLE t DROP COLUMN extra'); const b = p.execute()[0]; p.free(); return [Object.keys(a), Object.keys(b)] $$),
	'[["id","v","extra"],["id","v"]]', 'even in the middle of a call');

-- cursors
SELECT is(js($$ const p = plv8.prepare('SELECT id FROM t WHERE id <= 3 ORDER BY id'); const c = p.cursor(); const r = []; let x; while ((x = c.fetch())) r.push(x.id); c.close(); p.free(); return r $$), '[1,2,3]', 'fetch row by row, nothing at the end');
SELECT is(js($$ const p = plv8.prepare('SELECT id FROM t WHERE id <= 5 ORDER BY id'); const c = p.cursor(); const r = [c.fetch(2), c.fetch(9)]; const end = c.fetch(2); c.close(); p.free(); return [r, end === undefined || end.length === 0] $$),
	'[[[{"id":1},{"id":2}],[{"id":3},{"id":4},{"id":5}]],true]', 'fetch several');
SELECT is(js($$ const p = plv8.prepare('SELECT id FROM t WHERE id > $1 ORDER BY id', ['int']); const c = p.cursor([3]); c.move(2); const a = c.fetch().id; c.move(-2); const b = c.fetch().id; const d = c.fetch(-1); c.close(); p.free(); return [a, b, d] $$),
	'[6,5,[{"id":4}]]', 'move and fetch backwards');
SELECT ours_is($js$SELECT js($$ const p = plv8.prepare('SELECT 1/(5 - id) AS x FROM t ORDER BY id'); const c = p.cursor(); try { c.fetch(100) } catch (e) { return e.sqlerrcode !== undefined && e.message } $$)$js$, 'division by zero', 'an error of fetch can be caught');
SELECT ours_fails($$SELECT js('const p = plv8.prepare("SELECT 1"); const c = p.cursor(); c.close(); c.fetch()')$$, NULL, 'cursor|closed', 'a closed cursor is an error');
SELECT ours_is($$SELECT js('const p = plv8.prepare("SELECT 1"); const c = p.cursor(); c.close(); try { c.close() } catch (e) { return "error" } return "fine"') IN ('error', 'fine')$$, 'true', 'closing twice does not crash');
SELECT js($$ globalThis.cursor = plv8.prepare('SELECT 1 AS a').cursor() $$);
SELECT ours_fails($$SELECT js('return globalThis.cursor.fetch()')$$, NULL, 'cursor|portal', 'a cursor ends with its transaction');
SELECT is(js($$ const p = plv8.prepare('SELECT id FROM t ORDER BY id'); const a = p.cursor(), b = p.cursor(); const r = [a.fetch().id, b.fetch(2).length, a.fetch().id]; a.close(); b.close(); p.free(); return r $$), '[1,2,2]', 'two cursors of one plan');
SELECT is(js($$ const p = plv8.prepare('SELECT 7 AS a'); const c = p.cursor(); p.free(); const r = c.fetch().a; c.close(); return r $$), '7', 'a cursor outlives its plan');
SELECT ours_is($js$SELECT js($$ const p = plv8.prepare('SELECT 7 AS a'); return String(p) + p.cursor() $$)$js$, '[object PreparedPlan][object Cursor]', 'plans and cursors as text');
SELECT is(js($$ const p = plv8.prepare('SELECT 7 AS a'); p.free(); try { p.execute() } catch (e) { return e.message } $$), 'plan unexpectedly null', 'a plan that was freed');
SELECT ours_is($js$SELECT js($$ const c = plv8.prepare('SELECT 7 AS a').cursor(); c.close(); try { c.fetch() } catch (e) { return e.message + e.sqlerrcode } $$)$js$, 'cannot find cursor34000', 'a cursor that was closed');
SELECT js('globalThis.before_constructor = 1');
SELECT ours_fails($$SELECT js('return new (plv8.prepare("SELECT 1").constructor)().execute()')$$, NULL, 'constructor', 'nobody makes plans by hand');
SELECT ours_fails($$SELECT js('return new (plv8.prepare("SELECT 1").cursor().constructor)().fetch()')$$, NULL, 'constructor', 'nor cursors');
SELECT ours_is($$SELECT js('return globalThis.before_constructor')$$, '1', 'and the engine does not mind');
SELECT ours_fails($$SELECT js('plv8.prepare("UPDATE t SET v = v").cursor()')$$, NULL, '.', 'no cursor for a command');

-- subtransaction
SELECT is(js($$ return plv8.subtransaction(() => 5) $$), '5', 'a subtransaction gives its function''s result');
SELECT is(js($$ try { plv8.subtransaction(() => { plv8.execute("INSERT INTO t VALUES (50, 'x')"); plv8.execute('SELECT 1/0') }) } catch (e) { return plv8.execute('SELECT count(*)::int AS n FROM t WHERE id = 50')[0].n } $$), '0', 'an SQL error undoes it');
SELECT is(js($$ try { plv8.subtransaction(() => { plv8.execute("INSERT INTO t VALUES (50, 'x')"); throw new Error('mine') }) } catch (e) { return e.message + plv8.execute('SELECT count(*)::int AS n FROM t WHERE id = 50')[0].n } $$), 'mine0', 'a JavaScript error undoes it and arrives');
SELECT is(js($$ const thrown = { a: 1 }; try { plv8.subtransaction(() => { throw thrown }) } catch (e) { return e === thrown || 'copied' } $$) IN ('true', 'copied'), true, 'whatever is thrown');
SELECT ours_is($js$SELECT js($$ try { plv8.subtransaction(() => plv8.execute('SELECT 1/0')) } catch (e) { return e.sqlerrcode === undefined ? 'lost' : 'kept' } $$)$js$, 'kept', 'the SQLSTATE survives');
SELECT is(js($$ plv8.subtransaction(() => { plv8.execute("INSERT INTO t VALUES (60, 'outer')"); try { plv8.subtransaction(() => { plv8.execute("INSERT INTO t VALUES (61, 'inner')"); throw 1 }) } catch (e) {} }); return plv8.execute('SELECT id FROM t WHERE id >= 60') $$), '[{"id":60}]', 'subtransactions nest');
SELECT is(js($$ let n = 0; for (let i = 0; i < 1000; i++) try { plv8.subtransaction(() => { if (i % 2) throw 0; n++ }) } catch (e) {} return n $$), '500', 'a thousand of them');
SELECT ours_fails($$SELECT js('plv8.subtransaction()')$$, NULL, '.', 'a subtransaction needs a function');
SELECT is(js($$ try { plv8.execute('SELECT 1/0') } catch (e) {} return plv8.execute('SELECT 1 AS a') $$), '[{"a":1}]', 'after a caught error of execute the transaction goes on');
SELECT is(js($$ try { plv8.execute("INSERT INTO t VALUES (70, 'a'), (71, (1/0)::text)") } catch (e) {} return plv8.execute('SELECT count(*)::int AS n FROM t WHERE id >= 70') $$), '[{"n":0}]', 'and what the statement did is undone');

-- elog, quoting, and the rest
SELECT is(js($$ for (const l of [DEBUG5, DEBUG4, DEBUG3, DEBUG2, DEBUG1, LOG, INFO, NOTICE, WARNING]) plv8.elog(l, 'level', l); return 'ok' $$), 'ok', 'elog takes every level');
SELECT fails($$SELECT js('plv8.elog(ERROR, "a", 1, true)')$$, NULL, 'a 1 true', 'elog(ERROR) is an error, its arguments joined');
SELECT is(js($$ try { plv8.elog(ERROR, 'mine') } catch (e) { return e.message } $$), 'mine', 'which can be caught');
SELECT fails($$SELECT js('plv8.elog(22, "fatal")')$$, NULL, '.', 'FATAL is refused');
SELECT fails($$SELECT js('plv8.elog(23, "panic")')$$, NULL, '.', 'PANIC is refused');
SELECT fails($$SELECT js('plv8.elog(12345, "x")')$$, NULL, 'level', 'an unknown level is refused');
SELECT fails($$SELECT js('plv8.elog(NOTICE)')$$, NULL, '.', 'elog without a message is refused');
SELECT is(js($$ return plv8.quote_literal("it's\\") $$), 'E''it''''s\\''', 'quote_literal');
SELECT is(js($$ return plv8.quote_ident('Some "Name"') $$), '"Some ""Name"""', 'quote_ident');
SELECT is(js($$ return plv8.quote_ident('plain') $$), 'plain', 'quote_ident of a plain name');
SELECT is(js($$ return plv8.nullable(null) + plv8.nullable("it's") $$), 'NULL''it''''s''', 'nullable');
SELECT ours_is($$SELECT js('return plv8.quote_nullable(null) + plv8.quote_nullable(1)')$$, 'NULL''1''', 'by its other name too');
SELECT matches(js('return plv8.version'), '^3\.2\.', 'version says the API');
SELECT ours_is('SELECT (SELECT extversion FROM pg_extension WHERE extname = ''plv8'') = js(''return plv8.version'')', 'true', 'and is the extension''s');
SELECT matches(plv8_version(), '^3\.2\.', 'plv8_version()');
SELECT is(js($$ const m = plv8.memory_usage(); return Object.values(m).every((v) => typeof v === 'number' && v >= 0) && Object.keys(m).length >= 3 $$), 'true', 'memory_usage gives numbers');
SELECT is(js($$ plv8.run_script('globalThis.scripted = (globalThis.scripted || 0) + 1', 'my.js'); return globalThis.scripted $$), '1', 'run_script runs');
SELECT fails($$SELECT js('plv8.run_script("let x = ;", "my.js")')$$, NULL, 'SyntaxError', 'run_script: a syntax error');
SELECT is(js($$ try { plv8.run_script('\n\nthrow new Error("in script")', 'my.js') } catch (e) { return e.message + /my\.js/.test(e.stack) } $$), 'in scripttrue', 'run_script: errors carry the name');
SELECT ours_fails($$SELECT js('plv8.get_window_object()')$$, NULL, 'window', 'the window API is absent, clearly');
SELECT is(js($$ return typeof plv8.commit + typeof plv8.rollback + typeof plv8.return_next $$), 'functionfunctionfunction', 'the rest of the API is there');

-- find_function
CREATE FUNCTION callee(a int) RETURNS int LANGUAGE plv8 AS $$ return a * a; $$;
CREATE FUNCTION sqlf(int) RETURNS int LANGUAGE sql AS 'SELECT $1';
SELECT is(js($$ return plv8.find_function('callee')(4) $$), '16', 'find_function by name');
SELECT is(js($$ return plv8.find_function('callee(int)')(5) $$), '25', 'find_function by signature');
SELECT is(js($$ return plv8.find_function('public.callee')(5) $$), '25', 'find_function with a schema');
SELECT fails($$SELECT js('plv8.find_function("callee(int, int)")')$$, NULL, 'does not exist', 'find_function: no such signature');
SELECT fails($$SELECT js('plv8.find_function("nobody")')$$, NULL, 'does not exist', 'find_function: no such function');
SELECT fails($$SELECT js('plv8.find_function("sqlf")')$$, NULL, 'javascript function is not found', 'find_function: not JavaScript');
SELECT is(js($$ return plv8.find_function('js').length > 0 || typeof plv8.find_function('js') $$) IS NOT NULL, true, 'find_function of the running function');
SELECT ours_is($js$SELECT js($$ try { plv8.find_function('nobody') } catch (e) { return 'caught' } $$)$js$, 'caught', 'which can be caught');
CREATE ROLE plv8_stranger;
REVOKE EXECUTE ON FUNCTION callee(int) FROM PUBLIC;
CREATE FUNCTION find_callee() RETURNS int LANGUAGE plv8 AS $$ return plv8.find_function('callee')(3); $$;
SET ROLE plv8_stranger;
SELECT fails('SELECT find_callee()', NULL, 'permission|not a function', 'find_function asks for EXECUTE');
SELECT ours_fails('SELECT find_callee()', '42501', 'permission denied for function callee', 'and says so');
RESET ROLE;

-- reset
SELECT js('globalThis.before_reset = 1');
SELECT lives_ok('SELECT plv8_reset()', 'plv8_reset()');
SELECT is(js('return typeof globalThis.before_reset'), 'undefined', 'gives a fresh world');
SELECT ours_is($js$SELECT js($$ globalThis.a = 1; plv8.execute('SELECT plv8_reset()'); return String(globalThis.a) + plv8.execute('SELECT 2 AS b')[0].b $$)$js$, '12', 'reset inside a call leaves the call alone');
SELECT ours_is($js$SELECT js('return typeof globalThis.a')$js$, 'undefined', 'and takes effect after it');

-- settings
SELECT is((SELECT count(*)::int FROM pg_settings WHERE name IN ('plv8.start_proc', 'plv8.v8_flags', 'plv8.memory_limit', 'plv8.execution_timeout')) >= 3, true, 'the settings exist');
SELECT is(current_setting('plv8.memory_limit'), '256', 'memory_limit is 256 by default');
SELECT ours_is($$SELECT current_setting('plv8.execution_timeout')$$, '300', 'execution_timeout is 300 by default');
SELECT is(current_setting('plv8.start_proc'), '', 'start_proc is empty by default');
CREATE FUNCTION starter() RETURNS void LANGUAGE plv8 AS $$ globalThis.started = (globalThis.started || 0) + 1; $$;
CREATE FUNCTION in_session(settings text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; BEGIN
	PERFORM dblink_connect('other', here());
	PERFORM dblink_exec('other', settings);
	BEGIN
		SELECT v INTO r FROM dblink('other', query) AS x(v text);
	EXCEPTION WHEN OTHERS THEN r := 'error: ' || SQLERRM; END;
	PERFORM dblink_disconnect('other');
	RETURN r; END $$;
SELECT is(in_session($$SET plv8.start_proc = 'starter'$$, $$SELECT js('return globalThis.started')$$), '1', 'start_proc runs once, before the first call');
SELECT is(in_session($$SET plv8.start_proc = 'starter'$$, $$SELECT js('return plv8.execute("SELECT js(''return globalThis.started'') AS n")[0].n')$$), '1', 'and not again in a nested call');
SELECT isnt(in_session($$SET plv8.start_proc = 'no_such_function'$$, $$SELECT js('return 1')$$), NULL, 'a start_proc that is not there does not crash');
SELECT * FROM finish();
