-- Point 7: cost. Times are the benchmark's business (plv8/bench); here is what can be told without a clock: memory, and that
-- what should be kept is kept. resident() is the memory of this session's process.
\ir helpers.sql
SELECT no_plan();
CREATE FUNCTION resident() RETURNS int LANGUAGE sql VOLATILE AS $$
	SELECT (regexp_match(pg_read_file('/proc/self/status'), 'VmRSS:\s+(\d+) kB'))[1]::int / 1024 $$;
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT i, repeat('v', 100) FROM generate_series(1, 1000) i;
ANALYZE t;
CREATE FUNCTION look_up(n int) RETURNS int LANGUAGE plv8 AS $$
	let s = 0; for (let i = 0; i < n; i++) s += plv8.execute('SELECT v FROM t WHERE id = $1', [i % 1000 + 1])[0].v.length; return s; $$;
CREATE FUNCTION planned(n int) RETURNS int LANGUAGE plv8 AS $$
	const p = plv8.prepare('SELECT v FROM t WHERE id = $1', ['int']);
	let s = 0; for (let i = 0; i < n; i++) s += p.execute([i % 1000 + 1])[0].v.length; p.free(); return s; $$;
CREATE FUNCTION f(a int) RETURNS int LANGUAGE plv8 AS $$ return a + 1; $$;
CREATE FUNCTION j(a jsonb) RETURNS jsonb LANGUAGE plv8 AS $$ a.b = 1; return a; $$;
-- grows(sql, description, mb): the statement adds less than that to the session. 100 bytes for each of what it does is a leak;
-- the million of each that the limit of 100 MB is about is the benchmark's (plv8/bench).
CREATE FUNCTION grows(sql text, description text, mb int DEFAULT 33) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE before int; BEGIN
	IF NOT ours() THEN RETURN NEXT skip('stock PLV8 differs: ' || description, 1); RETURN; END IF;
	before := resident();
	EXECUTE sql;
	RETURN NEXT cmp_ok(resident() - before, '<', mb, description) || E'\n' || diag(format('measured +%s MB: %s', resident() - before, description));
END $$;
SELECT look_up(10), planned(10), f(1), j('{}');
SELECT grows('SELECT look_up(300000)', 'three hundred thousand execute look-ups in one call');
SELECT grows('SELECT planned(300000)', 'as many executions of a plan in one call');
SELECT grows('SELECT sum(f(i)) FROM generate_series(1, 300000) i', 'as many calls');
SELECT grows('SELECT count(j(jsonb_build_object(''i'', i))) FROM generate_series(1, 100000) i', 'a hundred thousand calls with jsonb');
SELECT grows($$SELECT js('for (let i = 0; i < 30000; i++) plv8.prepare("SELECT 1").free()')$$, 'thirty thousand plans, freed');
SELECT grows($$SELECT js('for (let i = 0; i < 20000; i++) plv8.prepare("SELECT v FROM t WHERE id = $1", ["int"]).execute([1])')$$, 'twenty thousand plans, forgotten', 100);
SELECT grows($$SELECT js('for (let i = 0; i < 10000; i++) { const p = plv8.prepare("SELECT * FROM t"); const c = p.cursor(); c.fetch(3); c.close(); p.free() }')$$, 'ten thousand cursors');
SELECT grows($$SELECT js('for (let i = 0; i < 30000; i++) try { plv8.execute("SELECT 1/0") } catch (e) {}')$$, 'thirty thousand caught errors');
SELECT grows($$SELECT js('for (let i = 0; i < 30000; i++) plv8.subtransaction(() => plv8.execute("SELECT 1"))')$$, 'thirty thousand subtransactions');
SELECT grows($$SELECT js('for (let i = 0; i < 10000; i++) try { plv8.subtransaction(() => { throw new Error("x") }) } catch (e) {}')$$, 'ten thousand failed ones');
SELECT grows($$SELECT js('for (let i = 0; i < 10000; i++) plv8.execute("SELECT repeat(''x'', 10000) AS s, $1::jsonb AS j", [{ a: "y".repeat(5000) }])')$$, 'ten thousand large rows');
SELECT grows($$SELECT js('for (let i = 0; i < 60000; i++) plv8.find_function("f")(i)')$$, 'sixty thousand find_function');
SELECT grows($$SELECT js('for (let i = 0; i < 60000; i++) { plv8.quote_literal("x" + i); plv8.quote_ident("x" + i); plv8.nullable(null); plv8.elog(DEBUG5, "x".repeat(100)) }')$$, 'sixty thousand quotes and debug messages');
CREATE FUNCTION rows_of(n int) RETURNS SETOF t LANGUAGE plv8 AS $$ for (let i = 0; i < n; i++) plv8.return_next({ id: i, v: 'some text ' + i }); $$;
SELECT grows('SELECT count(*) FROM rows_of(300000)', 'three hundred thousand rows from one function');
SELECT grows('SELECT count(x) FROM generate_series(1, 10000) i, rows_of(3) x', 'ten thousand calls of a set function', 100);
CREATE FUNCTION calling(sql text, n int) RETURNS void LANGUAGE plpgsql AS $$ BEGIN
	FOR i IN 1..n LOOP BEGIN EXECUTE sql; EXCEPTION WHEN OTHERS THEN NULL; END; END LOOP; END $$;
CREATE FUNCTION throwing() RETURNS int LANGUAGE plv8 AS $$ throw new Error('x'); $$;
SELECT grows('SELECT calling(''SELECT throwing()'', 30000)', 'thirty thousand errors that leave');
SELECT grows('SELECT calling(''DO $x$ globalThis.n = 1 $x$ LANGUAGE plv8'', 3000)', 'three thousand DO blocks');
SELECT grows($$SELECT calling('CREATE OR REPLACE FUNCTION throwaway() RETURNS int LANGUAGE plv8 AS ''return 1''; SELECT throwaway()', 1000)$$, 'a thousand functions replaced');
SELECT grows('SELECT calling(''SELECT plv8_reset(); SELECT f(1)'', 200)', 'two hundred resets', 100);
CREATE PROCEDURE commits(n int) LANGUAGE plv8 AS $$ for (let i = 0; i < n; i++) { plv8.execute('UPDATE t SET v = $1 WHERE id = 1', ['v' + i]); plv8.commit(); } $$;
SELECT resident() AS before \gset
CALL commits(15000);
SELECT CASE WHEN ours() THEN cmp_ok(resident() - :before, '<', 33, 'fifteen thousand commits in one call') ELSE skip('stock PLV8 differs', 1) END;
CREATE TABLE fired (a int);
CREATE FUNCTION fires() RETURNS trigger LANGUAGE plv8 AS $$ NEW.a = NEW.a + 1; return NEW; $$;
CREATE TRIGGER fires BEFORE INSERT ON fired FOR EACH ROW EXECUTE FUNCTION fires();
SELECT grows('INSERT INTO fired SELECT generate_series(1, 100000)', 'a hundred thousand triggers');

-- a bundle that is kept: its body runs once per role
CREATE FUNCTION bundle() RETURNS int LANGUAGE plv8 AS $$ globalThis.loads = (globalThis.loads || 0) + 1; globalThis.api = { v: () => globalThis.loads }; return globalThis.loads; $$;
CREATE FUNCTION stub() RETURNS int LANGUAGE plv8 AS $$ if (!globalThis.api) plv8.find_function('bundle')(); return globalThis.api.v(); $$;
SELECT is((SELECT max(stub()) FROM generate_series(1, 100)), 1, 'a kept bundle is loaded once');
CREATE ROLE plv8_other;
GRANT CREATE ON SCHEMA public TO plv8_other;
SET ROLE plv8_other;
CREATE FUNCTION stub_as_other() RETURNS int LANGUAGE plv8 SECURITY DEFINER AS $$ if (!globalThis.api) plv8.find_function('bundle')(); return globalThis.api.v(); $$;
RESET ROLE;
SELECT is((SELECT max(stub() + stub_as_other()) FROM generate_series(1, 100)), 2, 'and once per role when calls alternate');
SELECT * FROM finish();
