-- transaction_mode => 'new' (semantics §2): a start that commits by itself, under the caller's role, whatever the caller does.
\set QUIET on
SET client_min_messages = warning;
CREATE ROLE launch_alice LOGIN;
CREATE ROLE "Launch Bob's ""ro\le""" LOGIN;
CREATE ROLE launch_nologin;
SELECT df.grant_usage(r) FROM unnest(ARRAY['launch_alice', 'Launch Bob''s "ro\le"', 'launch_nologin']) r \g /dev/null
GRANT launch_alice TO "Launch Bob's ""ro\le""";
CREATE SCHEMA launch_test;
GRANT USAGE ON SCHEMA launch_test TO PUBLIC;
CREATE FUNCTION launch_test.as_alice(label text) RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$ SELECT df.start('SELECT current_user', label, NULL, 'new') $$;
ALTER FUNCTION launch_test.as_alice(text) OWNER TO launch_alice;
CREATE FUNCTION launch_test.undone(label text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    id text;
BEGIN
    id := df.start('SELECT 1', label, transaction_mode => 'new');
    RAISE EXCEPTION 'undone';
EXCEPTION WHEN raise_exception THEN
    RETURN id || ' ' || df.status(id);
END $$;
-- SQLSTATE, message, detail and hint of a statement that fails.
CREATE FUNCTION launch_test.error(statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    detail text;
    hint   text;
BEGIN
    EXECUTE statement;
    RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
    GET STACKED DIAGNOSTICS detail = PG_EXCEPTION_DETAIL, hint = PG_EXCEPTION_HINT;
    RETURN concat_ws(' | ', SQLSTATE, SQLERRM, nullif(detail, ''), nullif(hint, ''));
END $$;
SELECT no_plan();

-- Commits by itself --------------------------------------------------------------------------------------------------------
SET SESSION AUTHORIZATION launch_alice;
BEGIN;
SELECT df.start('SELECT ''in new'' AS it', $$a 'label' \ with "everything" $x$ «ü»$$, transaction_mode => 'NeW') AS id \gset
SELECT df.status(:'id') AS at_once \gset
SELECT df.start('SELECT 1', 'in caller') AS gone \gset
ROLLBACK;
SELECT launch_test.undone('a block that fails') AS undone \gset
\! psql -X -q -o /dev/null -U launch_alice -c 'CALL df.work()' || echo 'not ok - working as launch_alice'
RESET SESSION AUTHORIZATION;
SELECT matches(:'id'::text, '^[0-9a-f]{8}$', 'an instance id');
SELECT is(:'at_once'::text, 'pending', 'visible to the caller at once');
SELECT is((SELECT label FROM df.instances WHERE id = :'id'), $$a 'label' \ with "everything" $x$ «ü»$$, 'it survives the rollback, its label as it was');
SELECT is(df.result(:'id')::jsonb #>> '{rows,0,it}', 'in new', 'and runs');
SELECT is(df.status(:'gone'), NULL, 'unlike what was started in the caller''s transaction');
SELECT matches(:'undone'::text, '^[0-9a-f]{8} pending$', 'and the rollback of a block');
SELECT is((SELECT count(*) FROM df.instances WHERE label = 'a block that fails' AND status = 'completed'), 1::bigint, 'once');

-- Under the caller's role ------------------------------------------------------------------------------------------------------
SET SESSION AUTHORIZATION "Launch Bob's ""ro\le""";
SELECT df.start('SELECT 1', 'bob''s', transaction_mode => 'new') AS bobs \gset
SELECT launch_test.as_alice('definer') AS definer \gset
SET ROLE launch_alice;
SELECT df.start('SELECT 1', 'set role', transaction_mode => 'new') AS set_role \gset
RESET ROLE;
SELECT df.start('SELECT 1', 'bob''s again', transaction_mode => 'new') AS again \gset
RESET SESSION AUTHORIZATION;
SELECT is((SELECT i.submitted_by FROM df.instances i WHERE i.id = v.id), v.role::regrole, v.what)
FROM (VALUES (:'bobs', '"Launch Bob''s ""ro\le"""', 'the session''s role, whatever its name'), (:'definer', 'launch_alice', 'inside a SECURITY DEFINER function: its owner'),
    (:'set_role', 'launch_alice', 'after SET ROLE: that role'), (:'again', '"Launch Bob''s ""ro\le"""', 'and after RESET ROLE the session''s again')) v(id, role, what);
SET pg_durable.enable_superuser_instances = on;
SELECT df.start('SELECT 1', transaction_mode => 'new') AS superusers \gset
RESET pg_durable.enable_superuser_instances;
SELECT is((SELECT submitted_by FROM df.instances WHERE id = :'superusers'), current_user::regrole, 'a superuser where the session has them on');

-- Variables are those that are committed ----------------------------------------------------------------------------------------
SET SESSION AUTHORIZATION launch_alice;
SELECT df.setvar('colour', 'red') \g /dev/null
BEGIN;
SELECT df.setvar('colour', 'blue'), df.setvar('shape', 'round') \g /dev/null
SELECT df.start('SELECT ''{colour} {shape}'' AS is', transaction_mode => 'new') AS coloured \gset
COMMIT;
\! psql -X -q -o /dev/null -U launch_alice -c 'CALL df.work()' || echo 'not ok - working as launch_alice'
RESET SESSION AUTHORIZATION;
SELECT is(df.result(:'coloured')::jsonb #>> '{rows,0,is}', 'red {shape}', 'variables are the committed ones');

-- The session that starts it -----------------------------------------------------------------------------------------------------
CREATE TABLE launch_test.seen (who text, authenticated text, statement_timeout text, lock_timeout text, start_proc text);
GRANT INSERT ON launch_test.seen TO PUBLIC;
CREATE FUNCTION launch_test.look() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.label = 'fails inside' THEN
        RAISE EXCEPTION 'no room for %', NEW.id USING ERRCODE = 'DFX01', DETAIL = 'a detail', HINT = 'a hint';
    END IF;
    INSERT INTO launch_test.seen VALUES (current_user, session_user, current_setting('statement_timeout'), current_setting('lock_timeout'), current_setting('plv8.start_proc'));
    RETURN NEW;
END $$;
CREATE TRIGGER look BEFORE INSERT ON df.instances FOR EACH ROW EXECUTE FUNCTION launch_test.look();
SET SESSION AUTHORIZATION launch_alice;
SELECT df.start('SELECT 1', transaction_mode => 'new') AS seen \gset
RESET SESSION AUTHORIZATION;
SELECT is(s.*::text, '(launch_alice,launch_alice,30s,30s,"")', 'it is the caller''s role, with time limits of 30 s and no start procedure') FROM launch_test.seen s;

-- Errors leave nothing -------------------------------------------------------------------------------------------------------------
SELECT count(*) AS before FROM df.instances \gset
SET SESSION AUTHORIZATION launch_alice;
SELECT matches(launch_test.error($$ SELECT df.start('SELECT 1', 'fails inside', transaction_mode => 'new') $$), '^DFX01 \| no room for [0-9a-f]{8} \| a detail \| a hint$', 'an error inside comes out as it is');
SELECT alike(launch_test.error($$ SELECT df.start('{"node_type":"X"}', transaction_mode => 'new') $$), '%Unknown node_type ''X''%', 'a graph that is none');
SELECT alike(launch_test.error($$ SELECT df.start('SELECT 1', NULL, 'nowhere', 'new') $$), '%database "nowhere" does not exist%', 'a database that is none');
SELECT alike(launch_test.error($$ INSERT INTO _df.launches (graph, slots, patience) VALUES (NULL, 2, 5) $$), '%Invalid durable function: it is NULL%', 'a graph that is NULL, past df.start');
SELECT alike(launch_test.error(format('SET pg_durable.%s; SELECT df.start(''SELECT 1'', transaction_mode => ''new'')', setting)), '%invalid value for parameter "pg_durable.' || split_part(setting, ' ', 1) || '"%', setting)
FROM unnest(ARRAY['max_new_transaction_starts = 0', 'max_new_transaction_starts = 1001', 'max_new_transaction_starts = many', 'new_transaction_start_timeout = 0', 'new_transaction_start_timeout = 3601']) setting;
BEGIN READ ONLY;
SELECT alike(launch_test.error($$ SELECT df.start('SELECT 1', transaction_mode => 'new') $$), '25006 %', 'a read-only transaction cannot start this way either');
ROLLBACK;
SELECT df.start($$ SELECT df.start('SELECT 1', 'from inside', transaction_mode => 'new') $$) AS inside \gset
\! psql -X -q -o /dev/null -U launch_alice -c 'CALL df.work()' || echo 'not ok - working as launch_alice'
RESET SESSION AUTHORIZATION;
SELECT alike((SELECT error FROM df.nodes WHERE instance_id = :'inside'), '%cannot be called inside a workflow%', 'inside a workflow it is rejected');
SET ROLE launch_nologin;
SELECT alike(launch_test.error($$ SELECT df.start('SELECT 1', transaction_mode => 'new') $$), '%LOGIN%', 'a role without LOGIN');
RESET ROLE;
SELECT is((SELECT count(*) FROM df.instances), :before::bigint + 1, 'none of them left an instance behind');
SELECT is((SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'), 0::bigint, 'nor a lock');
BEGIN;
CREATE ROLE launch_unborn LOGIN;
SELECT df.grant_usage('launch_unborn') \g /dev/null
SET LOCAL ROLE launch_unborn;
SELECT alike(launch_test.error($$ SELECT df.start('SELECT 1', transaction_mode => 'new') $$), '%role "launch_unborn" does not exist%', 'a role that is not committed yet does not exist there');
ROLLBACK;

-- One slot is enough for one after the other, within one transaction too.
CREATE EXTENSION dblink SCHEMA launch_test;
SET SESSION AUTHORIZATION launch_alice;
SET pg_durable.max_new_transaction_starts = 1;
SET pg_durable.new_transaction_start_timeout = 1;
BEGIN;
SELECT count(launch_test.error(format($$ SELECT df.start('SELECT 1', %L, transaction_mode => 'new') $$, label))) AS many
FROM unnest(ARRAY['one by one', 'fails inside', 'one by one', 'fails inside', 'one by one']) label \gset
SELECT is(launch_test.dblink_get_connections(), NULL, 'and leaves no connection that the session could use');
COMMIT;
RESET ALL;
RESET SESSION AUTHORIZATION;
SET client_min_messages = warning;
SELECT is((SELECT count(*) FROM df.instances WHERE label = 'one by one'), 3::bigint, 'a slot is given back after each launch');

-- Without contrib.
SELECT _df.bind_dblink('$libdir/there_is_no_such_library') \g /dev/null
SET SESSION AUTHORIZATION launch_alice;
SELECT alike(launch_test.error($$ SELECT df.start('SELECT 1', transaction_mode => 'new') $$), '58P01 | %needs contrib''s dblink%_df.bind_dblink()%', 'a server without contrib: the error names the remedy');
SELECT is(launch_test.error($$ SELECT df.start('SELECT 1') $$), 'no error', 'and the caller''s own transaction does not need it');
RESET SESSION AUTHORIZATION;
SELECT _df.bind_dblink() \g /dev/null
SET SESSION AUTHORIZATION launch_alice;
SELECT is(launch_test.error($$ SELECT df.start('SELECT 1', transaction_mode => 'new') $$), 'no error', 'which works');
RESET SESSION AUTHORIZATION;
SELECT is_empty($$ SELECT grantee FROM information_schema.routine_privileges WHERE routine_schema = '_df' AND routine_name IN ('dblink', 'bind_dblink', 'launch') AND grantee <> current_user $$, 'and stays with the owner');

SELECT * FROM finish();
DROP SCHEMA launch_test CASCADE;
DROP EXTENSION IF EXISTS dblink;
DROP OWNED BY launch_alice, "Launch Bob's ""ro\le""", launch_nologin CASCADE;
