-- df.start (semantics §2, surface §8): the order of its checks, whom an instance belongs to, its ids, its transaction, its stored form.
\set QUIET on
SET client_min_messages = warning;
CREATE ROLE start_alice LOGIN;
CREATE ROLE "Start Bob's ""role""" LOGIN;
CREATE ROLE start_nologin;
CREATE ROLE start_stranger LOGIN;
SELECT df.grant_usage(r) FROM unnest(ARRAY['start_alice', 'Start Bob''s "role"', 'start_nologin']) r \g /dev/null
GRANT start_alice TO "Start Bob's ""role""";
SELECT no_plan();
CREATE FUNCTION pg_temp.rows() RETURNS bigint LANGUAGE sql AS $$
    SELECT (SELECT count(*) FROM df.instances) + (SELECT count(*) FROM df.nodes) + (SELECT count(*) FROM _df.runs) + (SELECT count(*) FROM _df.branches)
$$;

-- The one value of a statement that runs as some role, or its SQLSTATE and message.
CREATE FUNCTION pg_temp.try(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    value text;
BEGIN
    PERFORM set_config('role', role, true);
    EXECUTE statement INTO value;
    PERFORM set_config('role', 'none', true);
    RETURN value;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- The order of the checks: each statement has its own fault and every one that is looked at after it ---------------------
SELECT throws_like($$ SELECT df.start('{"node_type":"X"}', NULL, 'nowhere', 'sideways') $$, '%invalid transaction_mode%sideways%', 'first the transaction mode');
SELECT throws_like($$ SELECT df.start('SELECT 1', transaction_mode => '') $$, '%invalid transaction_mode%', 'an empty mode');
SELECT throws_like($$ SELECT df.start('SELECT 1', transaction_mode => ' caller') $$, '%invalid transaction_mode%', 'a mode with a space');
SELECT throws_like($$ SELECT df.start('{"node_type":"X"}', NULL, 'nowhere') $$, '%Invalid durable function%', 'then the graph');
SELECT throws_like($$ SELECT df.start('', NULL, 'nowhere') $$, '%Invalid durable function: %', 'an empty one too');
SELECT throws_like($$ SELECT df.start('SELECT 1', NULL, 'nowhere') $$, '%database "nowhere" does not exist%', 'then the database');
SELECT throws_like($$ SELECT df.start('SELECT 1', NULL, 'No "such" database') $$, '%database "No "such" database" does not exist%', 'with its name as it is');
SELECT throws_like($$ SELECT df.start('SELECT 1', NULL, '') $$, '%database "" does not exist%', 'an empty name is no database');
SELECT alike(pg_temp.try('start_nologin', $$ SELECT df.start('SELECT 1' ?> 'SELECT 2', NULL, 'nowhere') $$), '%database "nowhere" does not exist%', 'whoever asks');
SELECT alike(pg_temp.try('start_nologin', $$ SELECT df.start('SELECT 1' ?> 'SELECT 2') $$), '%LOGIN%', 'then that the role can log in');
SELECT throws_like($$ SELECT df.start('SELECT 1' ?> 'SELECT 2') $$, '%enable_superuser_instances%', 'then that it is no superuser');
SELECT alike(pg_temp.try('start_alice', $$ SELECT df.start('SELECT 1' ?> 'SELECT 2') $$), '%Invalid durable function graph: root: %', 'then what the graph means');
BEGIN;
UPDATE _df._worker_ready SET schema_version = 0;
SELECT alike(pg_temp.try('start_alice', $$ SELECT df.start('SELECT 1' ?> 'SELECT 2') $$), '%Invalid durable function graph: root: %', 'also when the engine is not ready');
SELECT alike(pg_temp.try('start_alice', $$ SELECT df.start('SELECT 1') $$), '%not ready%', 'last that the engine is ready: its version is below 1');
DELETE FROM _df._worker_ready;
SELECT alike(pg_temp.try('start_alice', $$ SELECT df.start('SELECT 1') $$), '%not ready%', 'its row is missing');
INSERT INTO _df._worker_ready (schema_version) VALUES (7);
SELECT matches(pg_temp.try('start_alice', $$ SELECT df.start('SELECT 1') $$), '^[0-9a-f]{8}$', 'a newer version is as good');
ROLLBACK;
SELECT alike(pg_temp.try('start_stranger', $$ SELECT df.start('SELECT 1') $$), '42501 %', 'a role without a grant is stopped at the schema');
SELECT is(pg_temp.rows(), 0::bigint, 'a failed check leaves nothing behind');
SET pg_durable.enable_superuser_instances = 'perhaps';
SELECT throws_like($$ SELECT df.start('SELECT 1') $$, '%pg_durable.enable_superuser_instances%perhaps%', 'a value that the setting does not know is an error');
SET pg_durable.enable_superuser_instances = on;
SELECT matches(df.start('SELECT 1', 'by a superuser'), '^[0-9a-f]{8}$', 'a superuser where they are on');
RESET pg_durable.enable_superuser_instances;
BEGIN;
DELETE FROM df.nodes;
DELETE FROM df.instances;
COMMIT;

-- What a start writes ------------------------------------------------------------------------------------------------------
SET SESSION AUTHORIZATION start_alice;
SELECT df.start('SELECT 1 AS one', 'a label', current_database()) AS id \gset
SELECT df.start('SELECT 2') AS plain \gset
RESET SESSION AUTHORIZATION;
SELECT matches(:'id'::text, '^[0-9a-f]{8}$', 'it returns eight lower-case hex digits');
SELECT is((i.label, i.status, i.submitted_by, i.database, i.completed_at)::text, ('a label', 'pending', 'start_alice'::regrole, current_database(), NULL::timestamptz)::text, 'the instance') FROM df.instances i WHERE i.id = :'id';
SELECT is((n.id, n.node_type, n.query, n.result_name, n.left_node, n.right_node, n.status, n.result, n.error, n.submitted_by, n.database)::text,
    (i.root_node, 'SQL', 'SELECT 1 AS one', NULL, NULL, NULL, 'pending', NULL, NULL, 'start_alice'::regrole, current_database())::text, 'its node')
FROM df.instances i JOIN df.nodes n ON n.instance_id = i.id WHERE i.id = :'id';
SELECT ok(i.created_at IS NOT NULL AND i.updated_at IS NOT NULL AND n.created_at IS NOT NULL AND n.updated_at IS NOT NULL, 'times') FROM df.instances i JOIN df.nodes n ON n.instance_id = i.id WHERE i.id = :'id';
SELECT is(i.label, NULL, 'no label') FROM df.instances i WHERE i.id = :'plain';
SELECT is(i.database IS NOT DISTINCT FROM n.database, true, 'a node carries the database of its instance') FROM df.instances i JOIN df.nodes n ON n.instance_id = i.id WHERE i.id = :'plain';
\! psql -X -q -o /dev/null -U start_alice -c 'CALL df.work()' || echo 'not ok - working as start_alice'
SELECT is(array_agg(df.status(id) ORDER BY id), '{completed,completed}', 'both run; naming this database is naming none') FROM unnest(ARRAY[:'id', :'plain']) id;

-- Whom it belongs to ---------------------------------------------------------------------------------------------------------
CREATE SCHEMA start_test;
GRANT USAGE ON SCHEMA start_test TO PUBLIC;
CREATE FUNCTION start_test.as_alice() RETURNS text LANGUAGE sql SECURITY DEFINER SET search_path = pg_catalog AS $$ SELECT df.start('SELECT current_user, session_user', 'definer') $$;
ALTER FUNCTION start_test.as_alice() OWNER TO start_alice;
GRANT EXECUTE ON FUNCTION start_test.as_alice() TO PUBLIC;
SET SESSION AUTHORIZATION "Start Bob's ""role""";
SELECT start_test.as_alice() AS definer \gset
SET ROLE start_alice;
SELECT df.start('SELECT current_user, session_user', 'set role') AS set_role \gset
RESET ROLE;
SELECT df.start('SELECT current_user, session_user', 'bob''s') AS bobs \gset
SELECT df.start('SELECT 1', repeat('long ', 200) || '«ü» ''"\') AS strange_label \gset
SELECT coalesce(df.status(:'definer'), 'nothing') AS seen_by_bob \gset
\! psql -X -q -o /dev/null -U "Start Bob's \"role\"" -c 'CALL df.work()' || echo 'not ok - working as bob'
SELECT coalesce(df.status(:'set_role'), 'nothing') AS still \gset
RESET SESSION AUTHORIZATION;
SELECT is((SELECT submitted_by FROM df.instances WHERE id = :'definer'), 'start_alice'::regrole, 'inside a SECURITY DEFINER function: its owner');
SELECT is((SELECT submitted_by FROM df.instances WHERE id = :'set_role'), 'start_alice'::regrole, 'after SET ROLE: that role');
SELECT is((SELECT submitted_by FROM df.instances WHERE id = :'bobs'), '"Start Bob''s ""role"""'::regrole, 'else the session''s, quoted or not');
SELECT is(:'seen_by_bob'::text, 'nothing', 'an instance that was started for alice is not bob''s to see');
SELECT is(:'still'::text, 'nothing', 'nor to run');
SELECT is((SELECT label FROM df.instances WHERE id = :'strange_label'), repeat('long ', 200) || '«ü» ''"\', 'a label is any text');
SELECT is(df.status(:'bobs'), 'completed', 'bob''s session ran bob''s');
SELECT is(df.status(id), 'pending', 'and left alice''s alone') FROM unnest(ARRAY[:'definer', :'set_role']) id;
SELECT is(df.result(:'bobs')::json -> 'rows' -> 0 ->> 'current_user', 'Start Bob''s "role"', 'a step runs as its submitter');
\! psql -X -q -o /dev/null -U start_alice -c 'CALL df.work()' || echo 'not ok - working as start_alice'
SELECT is(df.result(id)::jsonb -> 'rows' -> 0, '{"current_user":"start_alice","session_user":"start_alice"}', 'alice''s ran as alice, in a session of alice') FROM unnest(ARRAY[:'definer', :'set_role']) id;

-- Transactions ------------------------------------------------------------------------------------------------------------
SET SESSION AUTHORIZATION start_alice;
BEGIN;
SELECT df.start('SELECT 1', 'rolled back') AS undone \gset
SELECT df.status(:'undone') AS inside \gset
ROLLBACK;
BEGIN;
SELECT df.start('SELECT 1', 'kept') AS kept \gset
SAVEPOINT here;
SELECT df.start('SELECT 2', 'rolled back to a savepoint') AS unsaved \gset
ROLLBACK TO here;
SELECT df.start('SELECT 3', 'kept as well') AS resaved \gset
COMMIT;
DO $$
BEGIN
    BEGIN
        PERFORM df.start('SELECT 4', 'in a block that fails');
        RAISE EXCEPTION 'no';
    EXCEPTION WHEN raise_exception THEN NULL;
    END;
END $$;
\! psql -X -q -o /dev/null -U start_alice -c 'CALL df.work()' || echo 'not ok - working as start_alice'
RESET SESSION AUTHORIZATION;
SELECT is(:'inside'::text, 'pending', 'visible to its own transaction at once');
SELECT is((SELECT array_agg(label ORDER BY label) FROM df.instances WHERE label ~ 'kept|rolled|fails'), '{kept,"kept as well"}', 'what was rolled back never existed, by transaction, savepoint or block');
SELECT is((SELECT count(*) FROM _df.runs r WHERE NOT EXISTS (SELECT FROM df.instances i WHERE i.id = r.instance_id)), 0::bigint, 'nor in the engine');
SELECT is(df.status(id), 'completed', 'what was committed runs') FROM unnest(ARRAY[:'kept', :'resaved']) id;
SELECT is(df.status(:'undone'), NULL, 'df.status knows nothing of the other');
BEGIN READ ONLY;
SELECT alike(pg_temp.try('start_alice', $$ SELECT df.start('SELECT 1') $$), '25006 %', 'a read-only transaction cannot start');
ROLLBACK;
SET SESSION AUTHORIZATION start_alice;
BEGIN ISOLATION LEVEL SERIALIZABLE;
SELECT df.start('SELECT 1') AS serializable \gset
COMMIT;
SELECT count(DISTINCT df.start('SELECT ' || n, transaction_mode => 'CaLLeR')) AS many FROM generate_series(1, 100) n \gset
\! psql -X -q -o /dev/null -U start_alice -c 'CALL df.work()' || echo 'not ok - working as start_alice'
RESET SESSION AUTHORIZATION;
SELECT is(df.status(:'serializable'), 'completed', 'a serializable transaction can start');
SELECT is(:many, 100, 'a hundred in one statement, the mode in any case');
SELECT is((SELECT count(*) FROM df.instances WHERE status <> 'completed'), 0::bigint, 'and all of them run');

-- Variables are those of the start --------------------------------------------------------------------------------------------
SET SESSION AUTHORIZATION start_alice;
SELECT df.setvar('colour', 'red'), df.setvar('gone', 'soon') \g /dev/null
SELECT df.start('SELECT ''{colour}'' AS colour, ''{gone}'' AS gone, ''{late}'' AS late') AS captured \gset
SELECT df.setvar('colour', 'blue'), df.unsetvar('gone'), df.setvar('late', 'no') \g /dev/null
\! psql -X -q -o /dev/null -U start_alice -c 'CALL df.work()' || echo 'not ok - working as start_alice'
SELECT df.clearvars() \g /dev/null
RESET SESSION AUTHORIZATION;
SELECT is(df.result(:'captured')::jsonb #> '{rows,0}', '{"colour":"red","gone":"soon","late":"{late}"}', 'later changes of variables do not reach an instance');

-- Identity and graph are those of the start -------------------------------------------------------------------------------------
SET SESSION AUTHORIZATION start_alice;
SELECT df.start('SELECT ''first''' ~> 'SELECT ''second'', current_user') AS fixed \gset
RESET SESSION AUTHORIZATION;
UPDATE df.nodes SET query = 'SELECT ''tampered''' WHERE instance_id = :'fixed' AND node_type = 'SQL';
UPDATE df.instances SET label = 'tampered' WHERE id = :'fixed';
\! psql -X -q -o /dev/null -U start_alice -c 'CALL df.work()' || echo 'not ok - working as start_alice'
SELECT is(df.result(:'fixed')::jsonb #> '{rows,0}', '{"?column?":"second","current_user":"start_alice"}', 'later changes of the rows do not change what runs, or as whom');

-- Ids: claimed by inserting them --------------------------------------------------------------------------------------------------
CREATE SEQUENCE start_test.rolls;
CREATE TABLE start_test.script (roll bigint PRIMARY KEY, id text);
GRANT SELECT ON start_test.script TO PUBLIC;
GRANT USAGE, UPDATE ON SEQUENCE start_test.rolls TO PUBLIC;
CREATE OR REPLACE FUNCTION _df.random_ids(count integer) RETURNS text LANGUAGE sql VOLATILE STRICT AS $$
    SELECT string_agg(coalesce((SELECT s.id FROM start_test.script s WHERE s.roll = r.roll), left(gen_random_uuid()::text, 8)), '' ORDER BY r.roll)
    FROM (SELECT nextval('start_test.rolls') AS roll FROM generate_series(1, count)) r
$$;
-- The first roll is the root node's, then come instance ids until one is free, then the other nodes'.
INSERT INTO start_test.script VALUES (2, :'bobs'), (3, :'id'), (4, 'abcd1234');
SET SESSION AUTHORIZATION start_alice;
SELECT df.start('SELECT ''claimed''') AS rolled \gset
\! psql -X -q -o /dev/null -U start_alice -c 'CALL df.work()' || echo 'not ok - working as start_alice'
RESET SESSION AUTHORIZATION;
SELECT is(:'rolled'::text, 'abcd1234', 'ids that are taken, also by instances that the caller cannot see, are rolled again');
SELECT is(df.status(:'rolled'), 'completed', 'and the instance runs');
SELECT is((SELECT count(*) FROM df.instances WHERE id = :'id'), 1::bigint, 'the other is still there');
TRUNCATE start_test.script;
INSERT INTO start_test.script SELECT roll, :'id' FROM generate_series(2, 100) roll;
SELECT setval('start_test.rolls', 1, false) \g /dev/null
SELECT alike(pg_temp.try('start_alice', $$ SELECT df.start('SELECT 1') $$), '%10 %', 'ten rolls that are all taken: an error that says how many tries were made');
SELECT is(last_value, 11::bigint, 'no more than ten instance ids were rolled') FROM start_test.rolls;
TRUNCATE start_test.script;
INSERT INTO start_test.script VALUES (2, 'NOTANID!');
SELECT setval('start_test.rolls', 1, false) \g /dev/null
SELECT alike(pg_temp.try('start_alice', $$ SELECT df.start('SELECT 1') $$), '23514 %', 'an error of the insert is passed on, and is no collision');
SELECT is(last_value, 2::bigint, 'after one roll') FROM start_test.rolls;
-- Node ids: rolled again while two of one instance are the same.
TRUNCATE start_test.script;
INSERT INTO start_test.script VALUES (1, 'aaaaaaaa'), (2, 'bbbbbbbb'), (3, 'aaaaaaaa'), (4, 'cccccccc'), (5, 'cccccccc');
SELECT setval('start_test.rolls', 1, false) \g /dev/null
SET SESSION AUTHORIZATION start_alice;
SELECT df.start('SELECT 1' ~> 'SELECT 2') AS noded \gset
\! psql -X -q -o /dev/null -U start_alice -c 'CALL df.work()' || echo 'not ok - working as start_alice'
RESET SESSION AUTHORIZATION;
SELECT is(:'noded'::text, 'bbbbbbbb', 'an instance whose node ids collide with each other');
SELECT is((SELECT count(DISTINCT id) FROM df.nodes WHERE instance_id = :'noded'), 3::bigint, 'has three different ones');
SELECT is((SELECT root_node::text FROM df.instances WHERE id = :'noded'), 'aaaaaaaa', 'and its root is the one that was rolled first');
SELECT is(df.status(:'noded'), 'completed', 'and runs');
CREATE OR REPLACE FUNCTION _df.random_ids(count integer) RETURNS text LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS $$ SELECT string_agg(left(gen_random_uuid()::text, 8), '') FROM generate_series(1, count) $$;

-- The stored form ------------------------------------------------------------------------------------------------------------
SET SESSION AUTHORIZATION start_alice;
SELECT df.start((df."if"('SELECT true', 'SELECT ''t''', 'SELECT ''e''') |=> 'choice')
    ~> df.if_rows('choice', df.join3('SELECT 1', 'SELECT 2', df.sleep(0)), df."loop"(df."break"('x'), 'SELECT false'))) AS stored \gset
RESET SESSION AUTHORIZATION;
CREATE TEMPORARY TABLE n AS SELECT * FROM df.nodes WHERE instance_id = :'stored';
SELECT is((SELECT count(*) FROM n), 13::bigint, 'a row per node');
SELECT ok(bool_and(id ~ '^[0-9a-f]{8}$') AND count(DISTINCT id) = count(*), 'ids of eight hex digits, all different') FROM n;
SELECT is((SELECT root_node FROM df.instances WHERE id = :'stored'), (SELECT id FROM n WHERE node_type = 'THEN'), 'the root node');
SELECT is((SELECT c.query FROM n JOIN n c ON c.id = n.query::json ->> 'condition_node' WHERE n.result_name = 'choice'), 'SELECT true', 'the condition of an IF is in its query');
SELECT is((SELECT query::jsonb FROM n WHERE node_type = 'IF' AND result_name IS NULL), '{"condition_type":"result_has_rows","result_name":"choice"}', 'df.if_rows keeps its configuration');
SELECT is((SELECT array_agg(l.query ORDER BY l.query) FROM n JOIN n l ON l.id IN (n.left_node, n.right_node) WHERE n.result_name = 'choice'), ARRAY['SELECT ''e''', 'SELECT ''t'''], 'its branches are left and right');
SELECT is((SELECT e.node_type FROM n JOIN n e ON e.id = n.query::json -> 'extra_nodes' ->> 0 WHERE n.node_type = 'JOIN'), 'SLEEP', 'further branches are in the query of a JOIN');
SELECT is((SELECT json_array_length(query::json -> 'extra_nodes') FROM n WHERE node_type = 'JOIN'), 1, 'all of them and no more');
SELECT is((SELECT c.query FROM n JOIN n c ON c.id = n.query::json ->> 'condition_node' WHERE n.node_type = 'LOOP'), 'SELECT false', 'and the condition in that of a LOOP');
SELECT is((SELECT count(*) FROM n WHERE query IS NULL), 1::bigint, 'only THEN has no query here');
SELECT ok(bool_and(n.submitted_by = 'start_alice'::regrole AND n.database IS NOT DISTINCT FROM i.database), 'every row carries the submitter and the database') FROM n JOIN df.instances i ON i.id = n.instance_id;

-- An instance and its nodes refer to each other.
SET SESSION AUTHORIZATION start_alice;
BEGIN;
SET CONSTRAINTS ALL IMMEDIATE;
SELECT lives_ok($$ SELECT df.start('SELECT 1' ~> 'SELECT 2', 'immediately') $$, 'a start in a transaction whose constraints are immediate');
SELECT throws_ok($$ INSERT INTO df.instances (id, root_node, submitted_by) VALUES ('deadbeef', 'deadbeef', 'start_alice'::regrole) $$, '23503', NULL, 'leaves them so');
COMMIT;
SELECT is((SELECT count(*) FROM df.nodes n JOIN df.instances i ON i.id = n.instance_id WHERE i.label = 'immediately'), 3::bigint, 'and is whole');
RESET SESSION AUTHORIZATION;

-- A workflow may start another.
SET SESSION AUTHORIZATION start_alice;
SELECT df.start('SELECT df.start(''SELECT 42 AS answer'', ''child of {sys_instance_id}'') AS child') AS parent \gset
\! psql -X -q -o /dev/null -U start_alice -c 'CALL df.work()' || echo 'not ok - working as start_alice'
RESET SESSION AUTHORIZATION;
SELECT is((SELECT df.result(df.result(:'parent')::json -> 'rows' -> 0 ->> 'child')::jsonb), '{"rows":[{"answer":42}],"row_count":1}', 'a step starts an instance of its own');
SELECT is((SELECT count(*) FROM df.instances WHERE label = 'child of ' || :'parent'), 1::bigint, 'once');

SELECT * FROM finish();
DROP SCHEMA start_test CASCADE;
DROP OWNED BY start_alice, "Start Bob's ""role""", start_nologin, start_stranger CASCADE;
