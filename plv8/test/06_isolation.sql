-- Point 6: isolation. One world per role and session, by the effective user.
\ir helpers.sql
SELECT no_plan();
CREATE ROLE plv8_alice LOGIN;
CREATE ROLE plv8_bob LOGIN;
CREATE ROLE plv8_admin LOGIN SUPERUSER;
GRANT CREATE ON SCHEMA public TO plv8_alice, plv8_bob;
CREATE FUNCTION who() RETURNS text LANGUAGE plv8 AS $$ return plv8.execute('SELECT current_user::text AS u')[0].u + ':' + globalThis.mark; $$;
CREATE FUNCTION mark(m text) RETURNS text LANGUAGE plv8 AS $$ return globalThis.mark = m; $$;

-- globals
SELECT mark('super');
SET ROLE plv8_alice;
SELECT is(who(), 'plv8_alice:undefined', 'another role, another world');
SELECT mark('alice');
SET ROLE plv8_bob;
SELECT is(who(), 'plv8_bob:undefined', 'and another');
SET ROLE plv8_alice;
SELECT is(who(), 'plv8_alice:alice', 'each keeps its own');
RESET ROLE;
SELECT is(split_part(who(), ':', 2), 'super', 'the first too');

-- SECURITY DEFINER
SET ROLE plv8_bob;
CREATE FUNCTION as_bob() RETURNS text LANGUAGE plv8 SECURITY DEFINER AS $$
	globalThis.count = (globalThis.count || 0) + 1;
	return plv8.execute('SELECT current_user::text AS u')[0].u + ':' + globalThis.mark + ':' + globalThis.count; $$;
CREATE FUNCTION as_bob_calls_back(sql text) RETURNS text LANGUAGE plv8 SECURITY DEFINER AS $$
	const p = plv8.prepare('SELECT current_user::text AS u'); const a = p.execute()[0].u;
	const inner = plv8.execute(sql)[0].v; const b = p.execute()[0].u; p.free(); return a + '>' + inner + '>' + b; $$;
SELECT mark('bob');
SET ROLE plv8_alice;
SELECT is(as_bob(), 'plv8_bob:bob:1', 'a SECURITY DEFINER function lives in its owner''s world');
SELECT is(as_bob(), 'plv8_bob:bob:2', 'which stays');
SELECT is(who(), 'plv8_alice:alice', 'and the caller in its own');
CREATE FUNCTION alice_and_bob() RETURNS text LANGUAGE plv8 AS $$
	const p = plv8.prepare('SELECT $1::int + 1 AS n', ['int']); const q = plv8.prepare('SELECT i FROM generate_series(1, 5) i'); const c = q.cursor(); c.fetch();
	const before = p.execute([1])[0].n; const bob = plv8.execute('SELECT as_bob() AS v')[0].v; const after = p.execute([2])[0].n;
	const p2 = plv8.prepare('SELECT 9 AS n'); const fresh = p2.execute()[0].n; p2.free(); const next = c.fetch().i; c.close(); p.free(); q.free();
	return [before, bob, after, fresh, next, globalThis.mark].join(); $$;
SELECT ours_is('SELECT alice_and_bob()', '2,plv8_bob:bob:3,3,9,2,alice', 'after a nested call across roles plans, cursors and prepare work');
SELECT ours_is('SELECT alice_and_bob()', '2,plv8_bob:bob:4,3,9,2,alice', 'and again');
CREATE FUNCTION as_alice(sql text) RETURNS text LANGUAGE plv8 SECURITY DEFINER AS $$ return globalThis.mark + '(' + plv8.execute(sql)[0].v + ')'; $$;
GRANT EXECUTE ON FUNCTION as_alice(text) TO plv8_bob;
SELECT ours_is($q$SELECT as_bob_calls_back($$SELECT as_alice('SELECT as_bob_calls_back(''SELECT who() AS v'') AS v') AS v$$)$q$,
	'plv8_bob>alice(plv8_bob>plv8_bob:bob>plv8_bob)>plv8_bob', 'alternating four deep');
SELECT ours_is($$SELECT string_agg(as_bob() || who(), '') ~ 'plv8_bob:bob:.*plv8_alice:alice' FROM generate_series(1, 500)$$, 'true', 'five hundred switches');
CREATE FUNCTION bob_fails() RETURNS int LANGUAGE plv8 SECURITY DEFINER AS $$ throw new Error('bob ' + globalThis.mark); $$;
CREATE FUNCTION catches_bob() RETURNS text LANGUAGE plv8 AS $$ try { plv8.execute('SELECT bob_fails()') } catch (e) {
	return [e.message, e instanceof Error, globalThis.mark, plv8.execute('SELECT current_user::text AS u')[0].u].join() } $$;
SELECT ours_is('SELECT catches_bob()', 'bob alice,true,alice,plv8_alice', 'an error from another world is this world''s Error');

-- nothing leaks from one world to another
SET ROLE plv8_bob;
CREATE FUNCTION bob_secret() RETURNS text LANGUAGE plv8 SECURITY DEFINER AS $$ globalThis.secret = 'of bob'; return 'kept'; $$;
SET ROLE plv8_alice;
SELECT bob_secret();
SELECT is(js('return String(globalThis.secret)'), 'undefined', 'a definer''s globals are not the caller''s');
SELECT js($$ Array.prototype.map = () => 'stolen'; Object.prototype.polluted = 1; plv8.execute = () => [{ u: 'forged' }]; JSON.stringify = () => 'forged' $$);
SELECT is(split_part(as_bob(), ':', 1), 'plv8_bob', 'a caller cannot forge what a definer''s function calls');
SET ROLE plv8_bob;
SELECT is(js('return [[1].map((x) => x + 1)[0], ({}).polluted === undefined]'), '[2,true]', 'nor its prototypes');
RESET ROLE;

-- start_proc
SET ROLE plv8_alice;
CREATE FUNCTION alice_start() RETURNS void LANGUAGE plv8 AS $$
	globalThis.startedAs = plv8.execute('SELECT current_user::text AS u')[0].u; $$;
GRANT EXECUTE ON FUNCTION alice_start() TO PUBLIC;
CREATE FUNCTION started_as() RETURNS text LANGUAGE plv8 AS $$ return String(globalThis.startedAs); $$;
RESET ROLE;
SET ROLE plv8_bob;
CREATE FUNCTION bob_started_as() RETURNS text LANGUAGE plv8 SECURITY DEFINER AS $$ return String(globalThis.startedAs); $$;
RESET ROLE;
-- as_role(role, settings, query): the query's one value in a new session of the role, or its error.
CREATE FUNCTION as_role(role text, settings text, query text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE r text; BEGIN
	PERFORM dblink_connect('other', replace(here(), 'user=' || session_user, 'user=' || role));
	BEGIN
		PERFORM dblink_exec('other', settings);
		SELECT v INTO r FROM dblink('other', query) AS x(v text);
	EXCEPTION WHEN OTHERS THEN r := 'error: ' || SQLERRM; END;
	PERFORM dblink_disconnect('other');
	RETURN r; END $$;
SELECT is(as_role('plv8_alice', 'SET plv8.start_proc = ''alice_start''', 'SELECT started_as()'), 'plv8_alice', 'a user''s start_proc runs as that user');
SELECT ours_is($$SELECT as_role('plv8_alice', 'SET plv8.start_proc = ''alice_start''', 'SELECT bob_started_as()')$$, 'undefined', 'never as the owner of a function the user calls');
SELECT ours_is($$SELECT as_role('plv8_alice', 'SET plv8.start_proc = ''alice_start''', 'SELECT started_as() || bob_started_as() || started_as()')$$, 'plv8_aliceundefinedplv8_alice', 'in any order');
SET ROLE plv8_bob;
CREATE FUNCTION bob_only() RETURNS void LANGUAGE plv8 AS $$ globalThis.startedAs = 'harm'; $$;
REVOKE EXECUTE ON FUNCTION bob_only() FROM PUBLIC;
RESET ROLE;
SELECT ours_is($$SELECT as_role('plv8_alice', 'SET plv8.start_proc = ''bob_only''', 'SELECT bob_started_as()')$$, 'undefined', 'not even one that the owner owns, when the owner''s function loads the library');
SELECT ours_is($$SELECT as_role('plv8_alice', 'SET search_path = public', 'SELECT set_config(''plv8.start_proc'', ''bob_only'', false) || bob_started_as()')$$, 'bob_onlyundefined', 'nor when it is loaded already');
SELECT ours_is($$SELECT as_role('plv8_alice', 'SET SESSION AUTHORIZATION plv8_alice; SET plv8.start_proc = ''alice_start''; PREPARE x AS SELECT started_as(); ', 'EXECUTE x')$$, 'plv8_alice', 'its own still does');
ALTER ROLE plv8_bob SET plv8.start_proc = 'alice_start';
SELECT is(as_role('plv8_bob', 'SET search_path = public', 'SELECT started_as()'), 'plv8_bob', 'a role''s own setting runs for it');
ALTER ROLE plv8_bob RESET ALL;
SELECT isnt(as_role('plv8_alice', 'SET plv8.start_proc = ''alice_start(int)''', 'SELECT started_as()'), 'plv8_alice', 'a wrong start_proc does not run');
SELECT is(as_role('plv8_alice', 'SET plv8.start_proc = ''alice_start; DROP TABLE x''', 'SELECT js(''return 1'')') IS NOT NULL, true, 'nor does it crash');
CREATE FUNCTION dies() RETURNS void LANGUAGE plv8 AS $$ throw new Error('at start'); $$;
SELECT is(as_role('plv8_alice', 'SET plv8.start_proc = ''dies''', 'SELECT js(''return 1'')') IS NOT NULL, true, 'nor one that throws');
CREATE FUNCTION recursive_start() RETURNS void LANGUAGE plv8 AS $$ globalThis.n = plv8.execute("SELECT js('return 5') AS v")[0].v; $$;
SELECT is(as_role('plv8_alice', 'SET plv8.start_proc = ''recursive_start''', 'SELECT js(''return globalThis.n'')'), '5', 'one may call JavaScript itself');

-- engine flags and limits
SELECT ours_is($$SELECT as_role('plv8_alice', 'DO $x$ $x$ LANGUAGE plv8; SET plv8.v8_flags = ''--allow-natives-syntax''', 'SELECT 1::text')$$, 'error: permission denied to set the V8 flag "--allow-natives-syntax"', 'an ordinary role may not set engine flags');
CREATE FUNCTION natives() RETURNS text LANGUAGE plv8 AS $$ try { return 'natives ' + new Function('return %HaveSameMap({}, {})')() } catch (e) { return e.name } $$;
CREATE FUNCTION natives_of_definer() RETURNS text LANGUAGE plv8 SECURITY DEFINER AS $$ try { return 'natives ' + new Function('return %HaveSameMap({}, {})')() } catch (e) { return e.name } $$;
SELECT ours_is($$SELECT as_role('plv8_alice', 'SET plv8.v8_flags = ''--allow-natives-syntax''', 'SELECT natives()')$$, 'SyntaxError', 'nor before the library is loaded');
SELECT ours_is($$SELECT as_role('plv8_alice', 'SET plv8.v8_flags = ''--allow-natives-syntax''', 'SELECT natives_of_definer()')$$, 'SyntaxError', 'nor when a superuser''s function loads it');
SELECT ours_is($$SELECT as_role('plv8_admin', 'SET plv8.v8_flags = ''--allow-natives-syntax''', 'SELECT natives()')$$, 'natives true', 'a superuser may');
SELECT ours_is($$SELECT as_role('plv8_alice', 'SET search_path = public', 'SELECT js(''try { return new Function("return %%GetHeapUsage()")() } catch (e) { return e.name }'')') ~ 'SyntaxError|error'$$, 'true', 'natives are not there');
SELECT ours_is($$SELECT js('return ["d8", "gc", "natives", "extras", "print", "load", "read", "quit", "Realm"].filter((n) => typeof globalThis[n] !== "undefined")')$$, '[]', 'no shell functions');
SELECT ours_is($$SELECT as_role('plv8_alice', 'SET search_path = public', 'SELECT js(''return typeof WebAssembly + typeof SharedArrayBuffer'')') IS NOT NULL$$, 'true', 'WebAssembly does no harm');
SELECT ours_is($$SELECT coalesce(as_role('plv8_alice', 'SET search_path = public', 'SELECT js(''const b = new Int32Array(new SharedArrayBuffer(4)); return String(Atomics.wait(b, 0, 0, 50))'')'), 'null') ~ 'error|timed'$$, 'true', 'Atomics.wait does not hang');
SELECT is(as_role('plv8_admin', 'SET plv8.v8_flags = ''--no-such-flag''', 'SELECT js(''return 1'')') IS NOT NULL, true, 'an unknown flag does not crash');

-- privileges
CREATE FUNCTION internal_only() RETURNS text LANGUAGE plv8 AS $$ return 'found'; $$;
REVOKE EXECUTE ON FUNCTION internal_only() FROM PUBLIC;
SET ROLE plv8_alice;
SELECT fails('SELECT internal_only()', '42501', 'permission denied', 'EXECUTE is asked for a call');
SELECT plv8_reset();
SELECT fails('SELECT js(''return plv8.find_function("internal_only")()'')', NULL, 'permission|not a function', 'and by find_function');
-- what one role left in its world does not run as the one who looks at the memory of all
SELECT js('Object.prototype.toJSON = function () { globalThis.ran_as = plv8.execute("SELECT current_user::text AS u")[0].u; return this }');
RESET ROLE;
SELECT lives_ok('SELECT plv8_info()', 'plv8_info()');
SET ROLE plv8_alice;
SELECT is(js('const who = String(globalThis.ran_as); delete Object.prototype.toJSON; return who'), 'undefined', 'runs no JavaScript of another role');
SELECT ours_fails('SELECT plv8_call_handler()', NULL, '.', 'the handlers cannot be called');
SELECT ours_fails('SELECT plv8_call_validator(''internal_only''::regproc)', '42501', '.', 'the validator asks for permission');
RESET ROLE;
SELECT is((SELECT lanpltrusted FROM pg_language WHERE lanname = 'plv8'), true, 'the language is trusted');
SELECT is((SELECT laninline <> 0 AND lanvalidator <> 0 FROM pg_language WHERE lanname = 'plv8'), true, 'with inline handler and validator');

-- CREATE OR REPLACE, DROP and ALTER in sessions that have run the old one
CREATE FUNCTION version() RETURNS int LANGUAGE plv8 AS $$ return 1; $$;
SELECT is(public.version(), 1, 'the old one');
SELECT dblink_connect('other', here());
SELECT dblink_exec('other', $$CREATE OR REPLACE FUNCTION public.version() RETURNS int LANGUAGE plv8 AS 'return 2'$$);
SELECT is(public.version(), 2, 'replaced by another session');
SELECT dblink_exec('other', $$DROP FUNCTION public.version(); CREATE FUNCTION public.version() RETURNS text LANGUAGE plv8 AS 'return 3 + "!"'$$);
SELECT is(public.version(), '3!', 'dropped and made anew with another type');
SELECT js('globalThis.found = plv8.find_function("public.version")');
SELECT dblink_exec('other', $$CREATE OR REPLACE FUNCTION public.version() RETURNS text LANGUAGE plv8 AS 'return "4"'$$);
SELECT is(js('return plv8.find_function("public.version")()'), '4', 'find_function sees it too');
SELECT is(js('return globalThis.found()') IN ('3!', '4'), true, 'a function found before does not crash');
SELECT dblink_exec('other', 'DROP FUNCTION public.version()');
SELECT lives_ok($$SELECT js('try { globalThis.found() } catch (e) {}')$$, 'even when it is dropped');
SELECT dblink_disconnect('other');
CREATE FUNCTION owned() RETURNS text LANGUAGE plv8 AS $$ return plv8.execute('SELECT current_user::text AS u')[0].u; $$;
SET ROLE plv8_alice;
SELECT is(owned(), 'plv8_alice', 'as the caller');
RESET ROLE;
ALTER FUNCTION owned() SECURITY DEFINER;
ALTER FUNCTION owned() OWNER TO plv8_bob;
SET ROLE plv8_alice;
SELECT is(owned(), 'plv8_bob', 'ALTER FUNCTION takes effect');
RESET ROLE;
ALTER FUNCTION owned() SET search_path = pg_catalog;
SELECT is(owned(), 'plv8_bob', 'with settings too');
DROP OWNED BY plv8_bob;
DROP ROLE plv8_bob;
CREATE ROLE plv8_bob LOGIN;
SET ROLE plv8_bob;
SELECT is(js('return typeof globalThis.mark + typeof globalThis.secret'), 'undefinedundefined', 'a new role of an old name has a new world');
RESET ROLE;
DROP OWNED BY plv8_alice;
SELECT * FROM finish();
