-- The hunt for wounds: an error that JavaScript catches must leave nothing behind in the server: no SPI level, snapshot, lock
-- waiter, cache reference or portal. The runner reads the server's log for complaints; here is what provokes them.
\ir helpers.sql
SELECT no_plan();
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 10) i;
CREATE FUNCTION picky(v int) RETURNS boolean LANGUAGE plpgsql AS $$ DECLARE n int; BEGIN
	FOR n IN SELECT id FROM t LOOP IF n = 3 AND v = 13 THEN RAISE EXCEPTION 'unlucky'; END IF; END LOOP; RETURN v <> 14; END $$;
CREATE DOMAIN lucky AS int CHECK (picky(VALUE));
CREATE TYPE box_of AS (a lucky, b text);
CREATE TYPE colour AS ENUM ('red', 'green');
CREATE FUNCTION returns_lucky(v int) RETURNS lucky LANGUAGE plv8 AS $$ return v; $$;
CREATE FUNCTION set_of_lucky() RETURNS SETOF lucky LANGUAGE plv8 AS $$
	for (const v of [1, 13, 2, 14, 3]) try { plv8.return_next(v) } catch (e) {} $$;
SELECT fails('SELECT returns_lucky(13)', 'P0001', 'unlucky', 'a domain whose check fails inside a query');
SELECT ours() AS ours \gset
\if :ours
SELECT is(ARRAY(SELECT * FROM set_of_lucky())::int[], '{1,2,3}', 'caught in return_next');
SELECT is(js(format('let n = 0; for (let i = 0; i < 300; i++) { try { %s } catch (e) { n++ } plv8.execute("SELECT id FROM t WHERE id = $1", [1]) } return n + plv8.execute("SELECT v FROM t WHERE id = 2")[0].v', a)), '300v2', 'caught three hundred times: ' || a)
FROM unnest(ARRAY[
	'plv8.execute("SELECT $1::lucky", [13])',
	'plv8.execute("SELECT $1::lucky", [14])',
	'plv8.prepare("SELECT $1", ["lucky"]).execute([13])',
	'plv8.prepare("SELECT $1", ["lucky"]).cursor([13])',
	'plv8.prepare("SELECT $1", ["lucky[]"]).execute([[1, 13]])',
	'plv8.prepare("SELECT $1", ["box_of"]).execute([{ a: 13, b: "x" }])',
	'plv8.prepare("SELECT $1", ["box_of[]"]).execute([[{ a: 1, b: "x" }, { a: 14, b: "y" }]])',
	'plv8.prepare("SELECT $1", ["colour"]).execute(["blue"])',
	'plv8.prepare("SELECT $1", ["regclass"]).execute(["no_such_table"])',
	'plv8.prepare("SELECT $1", ["regprocedure"]).execute(["no_such_function(int)"])',
	'plv8.prepare("SELECT $1", ["regtype"]).execute(["no_such_type"])',
	'plv8.prepare("SELECT $1", ["tsquery"]).execute(["& |"])',
	'plv8.prepare("SELECT $1", ["xml"]).execute(["<a"])',
	'plv8.prepare("SELECT $1", ["int4range"]).execute(["[5,1]"])',
	'plv8.prepare("SELECT $1", ["json"]).execute([1n])',
	'plv8.prepare("SELECT $1", ["pg_lsn"]).execute(["x"])',
	'plv8.prepare("SELECT $1", ["no_such_type"])',
	'plv8.prepare("SELECT * FROM no_such_table")',
	'plv8.prepare("SELEC")',
	'plv8.execute("SELEC")',
	'plv8.execute("SELECT picky(13)")',
	'plv8.execute("SELECT picky(13) FROM t")',
	'plv8.execute("INSERT INTO t VALUES (1, 1)")',
	'plv8.find_function("no_such_function")',
	'plv8.find_function("no_such_function(int)")',
	'plv8.find_function("picky")',
	'plv8.find_function("set_of_lucky(int)")',
	'plv8.subtransaction(() => plv8.execute("SELECT picky(13)"))',
	'plv8.subtransaction(() => { plv8.prepare("SELECT id FROM t").cursor().fetch(); throw 1 })',
	'plv8.subtransaction(() => plv8.prepare("SELECT $1", ["lucky"]).execute([13]))',
	'const c = plv8.prepare("SELECT picky(id + 10) FROM t").cursor(); try { for (;;) if (!c.fetch()) break } finally { c.close() }',
	'const c = plv8.prepare("SELECT picky(id + 10) FROM t").cursor(); c.fetch(100)',
	'const c = plv8.prepare("SELECT picky(id + 10) FROM t").cursor(); c.move(100)',
	'plv8.execute("SELECT returns_lucky(13)")',
	'plv8.execute("SELECT * FROM set_of_lucky(), picky(13)")',
	'plv8.execute("DO $x$ BEGIN FOR i IN 1..3 LOOP PERFORM picky(13); END LOOP; END $x$")',
	'plv8.execute("LOCK TABLE t IN ACCESS EXCLUSIVE MODE; SELECT 1/0")',
	'plv8.execute("CREATE TEMP TABLE x AS SELECT 1 AS a; SELECT a/0 FROM x")',
	'plv8.commit()', 'plv8.rollback()',
	'plv8.elog(ERROR, "x")',
	'plv8.quote_literal("\u0000")',
	'plv8.run_script("throw 1")',
	'plv8.execute("SELECT $1::bytea", ["\\xzz"])',
	'plv8.execute("SELECT pg_advisory_xact_lock(1); SELECT 1/0")',
	'plv8.execute("SELECT js($1)", ["plv8.execute(\"SELECT picky(13)\")"])']) a;
SELECT is((SELECT count(*)::int FROM pg_locks WHERE pid = pg_backend_pid() AND locktype = 'advisory'), 0, 'no lock is left');
SELECT is((SELECT count(*)::int FROM pg_cursors WHERE name NOT LIKE 'plpgsql%'), 0, 'no cursor is left');
SELECT is((SELECT count(*)::int FROM pg_prepared_statements), 0, 'no prepared statement is left');
-- the same at the end of a transaction block, and in one that fails
BEGIN;
SELECT js('try { plv8.prepare("SELECT $1", ["lucky"]).execute([13]) } catch (e) {} globalThis.c = plv8.prepare("SELECT id FROM t").cursor(); globalThis.c.fetch()');
SELECT is(js('return globalThis.c.fetch().id'), '2', 'a cursor lives on in its transaction');
SAVEPOINT s;
SELECT js('try { plv8.prepare("SELECT $1", ["lucky"]).execute([13]) } catch (e) {}');
ROLLBACK TO s;
SELECT is(js('return globalThis.c.fetch().id'), '3', 'also past a savepoint');
COMMIT;
SELECT is(js('return plv8.execute("SELECT 1 AS a")'), '[{"a":1}]', 'the session is whole');
-- read-only: what a STABLE function may do
CREATE FUNCTION stable_reads() RETURNS text LANGUAGE plv8 STABLE AS $$ return plv8.execute('SELECT v FROM t WHERE id = 1')[0].v; $$;
CREATE FUNCTION stable_writes() RETURNS text LANGUAGE plv8 STABLE AS $$ try { plv8.execute("UPDATE t SET v = 'w' WHERE id = 1") } catch (e) { return e.message } return 'written'; $$;
SELECT is(stable_reads(), 'v1', 'a stable function reads');
SELECT matches(stable_writes(), 'not allowed in a non-volatile function|written', 'and is told if it may not write');
-- a volatile function sees its own writes and those of the statement before
CREATE FUNCTION sees() RETURNS int LANGUAGE plv8 AS $$ plv8.execute("INSERT INTO t VALUES (1000, 'n')"); const n = plv8.execute('SELECT count(*)::int AS n FROM t')[0].n; plv8.execute('DELETE FROM t WHERE id = 1000'); return n; $$;
SELECT is(sees(), 11, 'a volatile function sees its own writes');
SELECT is(js('const p = plv8.prepare("SELECT count(*)::int AS n FROM t"); const a = p.execute()[0].n; plv8.execute("INSERT INTO t VALUES (1001)"); const b = p.execute()[0].n; plv8.execute("DELETE FROM t WHERE id = 1001"); return [a, b, p.execute()[0].n]'), '[10,11,10]', 'a plan too');
SELECT is(js('const c = plv8.prepare("SELECT id FROM t ORDER BY id").cursor(); c.fetch(); plv8.execute("DELETE FROM t WHERE id > 5"); const n = c.fetch(100).length; plv8.execute("INSERT INTO t SELECT i FROM generate_series(6, 10) i"); return n'), '9', 'a cursor keeps its snapshot');
\endif
SELECT * FROM finish();
