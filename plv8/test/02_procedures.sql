-- Point 2, continued: commit and rollback, which need a procedure called at top level.
\ir helpers.sql
SELECT no_plan();
CREATE TABLE log (n int);
CREATE PROCEDURE keeps_odd() LANGUAGE plv8 AS $$
	for (let i = 1; i <= 5; i++) { plv8.execute('INSERT INTO log VALUES ($1)', [i]); if (i % 2) plv8.commit(); else plv8.rollback(); } $$;
CALL keeps_odd();
SELECT is(ARRAY(SELECT n FROM log ORDER BY n), '{1,3,5}', 'commit keeps, rollback undoes');
DO $$ plv8.execute('INSERT INTO log VALUES (10)'); plv8.commit(); plv8.execute('INSERT INTO log VALUES (11)'); plv8.rollback(); $$ LANGUAGE plv8;
SELECT is(ARRAY(SELECT n FROM log WHERE n >= 10), '{10}', 'also in DO');
CREATE FUNCTION in_function() RETURNS text LANGUAGE plv8 AS $$ try { plv8.commit(); return 'done' } catch (e) { return 'refused' } $$;
SELECT ours_is('SELECT in_function()', 'refused', 'a function cannot commit, and can catch it');
CREATE PROCEDURE just_commits() LANGUAGE plv8 AS $$ plv8.commit(); $$;
BEGIN;
SELECT ours_fails('CALL just_commits()', '2D000', '.', 'nor a procedure in an explicit transaction');
ROLLBACK;
CREATE PROCEDURE in_sub() LANGUAGE plv8 AS $$
	let r; try { plv8.subtransaction(() => { plv8.execute('INSERT INTO log VALUES (20)'); plv8.commit() }) } catch (e) { r = 'refused' }
	plv8.execute('INSERT INTO log VALUES ($1)', [r === 'refused' ? 21 : 22]); $$;
SELECT ours() AS ours \gset
\if :ours
CALL in_sub();
SELECT is(ARRAY(SELECT n FROM log WHERE n >= 20), '{21}', 'no commit inside a subtransaction, which can be caught');
CREATE PROCEDURE plan_survives() LANGUAGE plv8 AS $$
	const p = plv8.prepare('INSERT INTO log VALUES ($1)', ['int']);
	for (let i = 30; i < 33; i++) { p.execute([i]); plv8.commit(); } p.free(); $$;
CALL plan_survives();
SELECT is(ARRAY(SELECT n FROM log WHERE n >= 30), '{30,31,32}', 'a plan outlives commits');
CREATE PROCEDURE cursor_dies(INOUT r text) LANGUAGE plv8 AS $$
	const c = plv8.prepare('SELECT i FROM generate_series(1, 9) i').cursor(); c.fetch(); plv8.commit();
	try { const row = c.fetch(); return { r: 'row ' + (row && row.i) } } catch (e) { return { r: 'closed' } } $$;
CREATE TABLE answers (r text);
CREATE PROCEDURE ask() LANGUAGE plpgsql AS $$ DECLARE x text := ''; BEGIN CALL cursor_dies(x); INSERT INTO answers VALUES (x); END $$;
CALL ask();
SELECT is((SELECT r FROM answers), 'closed', 'a cursor does not outlive a commit');
CREATE PROCEDURE recovers() LANGUAGE plv8 AS $$
	plv8.execute('INSERT INTO log VALUES (40)'); plv8.commit();
	try { plv8.execute('SELECT 1/0') } catch (e) {} plv8.execute('INSERT INTO log VALUES (41)'); plv8.commit();
	plv8.execute('INSERT INTO log VALUES (42)'); throw new Error('end'); $$;
SELECT dblink_connect('other', here());
SELECT fails($q$SELECT dblink_exec('other', 'CALL recovers()')$q$, NULL, 'end', 'an error after commits');
SELECT is(ARRAY(SELECT n FROM log WHERE n >= 40), '{40,41}', 'undoes only what was not committed');
CREATE TABLE parent (id int PRIMARY KEY);
CREATE TABLE child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE PROCEDURE deferred() LANGUAGE plv8 AS $$
	plv8.execute('INSERT INTO child VALUES (1)'); let r = 'committed'; try { plv8.commit() } catch (e) { r = e.constraint_name || 'caught' }
	plv8.execute('INSERT INTO answers VALUES ($1)', [r]); $$;
TRUNCATE answers;
CALL deferred();
SELECT is((SELECT r FROM answers), 'child_id_fkey', 'an error of the commit itself can be caught, and the procedure goes on');
SELECT is((SELECT count(*)::int FROM child), 0, 'and nothing of it was committed');
CREATE PROCEDURE many_commits() LANGUAGE plv8 AS $$ for (let i = 0; i < 3000; i++) { plv8.execute('INSERT INTO log VALUES (1000)'); plv8.commit(); } $$;
CALL many_commits();
SELECT is((SELECT count(*)::int FROM log WHERE n = 1000), 3000, 'three thousand commits');
CREATE PROCEDURE nested_call() LANGUAGE plv8 AS $$ plv8.execute('CALL many_commits()'); $$;
SELECT ours_is($$SELECT failure('CALL nested_call()') ->> 'code'$$, '2D000', 'a procedure called inside is atomic');
CREATE PROCEDURE through_plpgsql() LANGUAGE plpgsql AS $$ BEGIN INSERT INTO log VALUES (50); CALL just_commits(); INSERT INTO log VALUES (51); ROLLBACK; END $$;
CALL through_plpgsql();
SELECT is(ARRAY(SELECT n FROM log WHERE n BETWEEN 50 AND 59), '{50}', 'PL/pgSQL may call a procedure that commits');
CREATE PROCEDURE big_argument(t text, j jsonb, b bytea) LANGUAGE plv8 AS $$
	plv8.commit(); plv8.execute('INSERT INTO answers VALUES ($1)', [t.length + ':' + j.a.length + ':' + b.length + ':' + b[b.length - 1]]); plv8.rollback();
	plv8.execute('INSERT INTO answers VALUES ($1)', [t.length + ':' + j.a.length + ':' + b.length + ':' + b[b.length - 1]]); $$;
TRUNCATE answers;
CALL big_argument(repeat('x', 100000), jsonb_build_object('a', repeat('y', 100000)), decode(repeat('07', 100000), 'hex'));
SELECT is((SELECT string_agg(r, ' ') FROM answers), '100000:100000:100000:7', 'arguments outlive commits');
CREATE PROCEDURE lost_after_commit() LANGUAGE plv8 AS $$
	plv8.execute('INSERT INTO log VALUES (80)'); plv8.commit(); plv8.execute('INSERT INTO log VALUES (81)'); new Array(3e7).fill().map(String).sort(); $$;
CREATE FUNCTION left_alive() RETURNS text LANGUAGE plv8 AS $$ return 'alive' $$;
SELECT ours_fails('SELECT dblink_exec(''other'', ''CALL lost_after_commit()'')', '53200', 'memory', 'an engine that is given up after a commit');
SELECT is((SELECT v FROM dblink('other', 'SELECT left_alive()') AS x(v text)), 'alive', 'is started anew in the session');
SELECT is(ARRAY(SELECT n FROM log WHERE n IN (80, 81)), '{80}', 'and what was committed stays');
CREATE PROCEDURE chain() LANGUAGE plv8 AS $$ plv8.rollback(); plv8.commit(); plv8.commit(); plv8.rollback(); plv8.execute('INSERT INTO log VALUES (60)'); $$;
CALL chain();
SELECT is(ARRAY(SELECT n FROM log WHERE n = 60), '{60}', 'empty commits and rollbacks');
CREATE PROCEDURE defining() LANGUAGE plv8 SECURITY DEFINER AS $$ plv8.commit(); $$;
SELECT ours_fails('CALL defining()', '2D000', '.', 'a SECURITY DEFINER procedure cannot commit');
CREATE PROCEDURE replaced() LANGUAGE plv8 AS $$ plv8.execute("CREATE OR REPLACE PROCEDURE replaced() LANGUAGE plv8 AS 'plv8.execute(\"INSERT INTO log VALUES (71)\")'"); plv8.commit(); plv8.execute('INSERT INTO log VALUES (70)'); $$;
CALL replaced();
CALL replaced();
SELECT is(ARRAY(SELECT n FROM log WHERE n IN (70, 71) ORDER BY n), '{70,71}', 'a procedure that replaces itself and commits');
\endif
SELECT * FROM finish();
