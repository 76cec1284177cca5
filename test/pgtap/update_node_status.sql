-- df.update_node_status (semantics §5): by instance and node, exactly one row, fenced by stamps; and what no ordinary role may write.
\ir setup.psql
SELECT plan(42);
CREATE ROLE nodes_alice LOGIN;
CREATE ROLE nodes_bob LOGIN;
SELECT df.grant_usage(r) FROM unnest(ARRAY['nodes_alice', 'nodes_bob']) r \g /dev/null

-- Two instances that have every node id in common.
CREATE SEQUENCE public.call;
CREATE OR REPLACE FUNCTION _df.random_ids(count integer) RETURNS text LANGUAGE sql VOLATILE STRICT AS $$
    SELECT CASE WHEN count > 1 THEN '0000000200000003' ELSE (ARRAY['00000001', '0000000a', '00000001', '0000000b'])[nextval('public.call')] END $$;
SELECT df.start('SELECT 1' ~> 'SELECT 2', 'one') AS one \gset
SELECT df.start('SELECT 1' ~> 'SELECT 2', 'two') AS two \gset
SELECT is((SELECT count(*) FROM df.nodes WHERE id = '00000002'), 2::bigint, 'two instances have the same node ids');
CREATE FUNCTION pg_temp.node(instance text) RETURNS text LANGUAGE sql AS $$
    SELECT concat_ws(' ', n.status, n.result, n.error, n.status_details ->> 'execution_id') FROM df.nodes n WHERE n.instance_id = instance AND n.id = '00000002' $$;

-- Whom it moves.
SELECT alike(df.update_node_status(:'one', '00000002', 'running', NULL, :'one' || '::1'), '%00000002%' || :'one' || '%running%', 'it says what it did');
SELECT is(pg_temp.node(:'one'), 'running 0000000a::1', 'the node has the status and the stamp');
SELECT is(pg_temp.node(:'two'), 'pending', 'the node of the same id in another instance stays as it is');
SELECT df.update_node_status(:'one', '00000002', 'completed', '{"n": 1}', :'one' || '::1') \g /dev/null
SELECT is(pg_temp.node(:'one'), 'completed {"n": 1} 0000000a::1', 'a result is kept on a status that is an end');
SELECT df.update_node_status(:'one', '00000002', 'completed', '{"n": 12345678901234567890.10}', :'one' || '::1') \g /dev/null
SELECT is(pg_temp.node(:'one'), 'completed {"n": 12345678901234567890.10} 0000000a::1', 'to the last digit');
SELECT df.update_node_status(:'one', '00000002', 'running', '{"n": 2}', :'one' || '::2') \g /dev/null
SELECT is(pg_temp.node(:'one'), 'running 0000000a::2', 'and cleared on one that is none');
SELECT df.update_node_status(:'one', '00000002', 'failed', '"no luck"', :'one' || '::2') \g /dev/null
SELECT is(pg_temp.node(:'one'), 'failed "no luck" no luck 0000000a::2', 'a failure keeps its message as result and as error');
SELECT df.update_node_status(:'one', '00000002', 'pending', '1', :'one' || '::2') \g /dev/null
SELECT is(pg_temp.node(:'one'), 'pending 0000000a::2', 'and loses both');

SELECT df.update_node_status(:'one', '00000002', 'running', NULL, NULL) \g /dev/null
SELECT is(pg_temp.node(:'one'), 'running 0000000a::2', 'without a stamp it keeps the one that it has');
SELECT df.update_node_status(:'two', '00000003', 'running', NULL, NULL) \g /dev/null
SELECT is((SELECT status FROM df.nodes WHERE instance_id = :'two' AND id = '00000003'), 'running', 'and one without any moves, too');
SELECT is((SELECT status_details FROM df.nodes WHERE instance_id = :'two' AND id = '00000003'), NULL, 'and gets none');

-- Exactly one row, or an error.
SELECT throws_like(format('SELECT df.update_node_status(NULL, %L, %L, NULL, NULL)', '00000002', 'running'), '%instance_id%required%', 'a node id alone is not enough');
SELECT throws_like(format('SELECT df.update_node_status(%L, NULL, %L, NULL, NULL)', :'one', 'running'), '%node_id%required%', 'nor is an instance alone');
SELECT throws_like(format('SELECT df.update_node_status(%L, %L, %L, NULL, NULL)', :'one', 'ffffffff', 'running'), '%ffffffff%' || :'one' || '%0 rows%expected exactly 1%', 'a node that the instance has not: both ids, and the count');
SELECT throws_like(format('SELECT df.update_node_status(%L, %L, %L, NULL, NULL)', 'ffffffff', '00000002', 'running'), '%00000002%ffffffff%0 rows%expected exactly 1%', 'an instance that is not there, whose node id others have');
SELECT throws_like(format('SELECT df.update_node_status(%L, %L, %L, NULL, NULL)', '', '', 'running'), '%expected exactly 1%', 'empty ids');
SELECT throws_like(format('SELECT df.update_node_status(%L, %L, %L, NULL, NULL)', :'one', '00000002', s), '%unknown node status%', 'the status ' || coalesce(s, 'NULL')) FROM unnest(ARRAY['skipped', 'Running', 'cancelled', NULL]) s;
SELECT throws_like(format('SELECT df.update_node_status(%L, %L, %L, NULL, %L)', :'one', '00000002', 'running', 'a"b'), '%execution_id%', 'a stamp that is none and could not be kept');
SELECT is(pg_temp.node(:'one') || pg_temp.node(:'two'), 'running 0000000a::2pending', 'none of these changed anything');

-- The fence.
SELECT df.update_node_status(:'one', '00000002', 'running', NULL, '0000000a::3::00000009::2') \g /dev/null
SELECT alike(df.update_node_status(:'one', '00000002', 'completed', '1', stamp), '%older than 0000000a::3::00000009::2%', 'dropped, and said to be: ' || stamp)
FROM unnest(ARRAY['0000000a::2', '0000000a::2::00000008::9', '0000000a::3::00000009::1', '0000000a::3::00000009::1::00000007::5']) stamp;
SELECT is(pg_temp.node(:'one'), 'running 0000000a::3::00000009::2', 'and the node is as it was');
SELECT is((df.update_node_status(:'one', '00000002', 'running', NULL, '0000000a::3::00000008::1') ~ 'is running')::text, 'true', 'a sibling scope fences nothing');
SELECT alike(df.update_node_status(:'one', '00000002', 'running', NULL, 'who knows'), '%is running%cannot be read%', 'nor does a stamp that cannot be read, and it says so');
SELECT alike(df.update_node_status(:'one', '00000002', 'completed', '7', '0000000a::1'), '%is completed%', 'over a stamp that cannot be read everything is written');
SELECT is(pg_temp.node(:'one'), 'completed 7 0000000a::1', 'as here');

-- Whose.
SET SESSION AUTHORIZATION nodes_alice;
SELECT throws_ok(format('SELECT df.update_node_status(%L, %L, %L, NULL, NULL)', :'one', '00000002', 'running'), '42501', NULL, 'an ordinary role may not call it');
RESET SESSION AUTHORIZATION;
GRANT EXECUTE ON FUNCTION df.update_node_status(text, text, text, jsonb, text) TO nodes_alice;
GRANT UPDATE ON df.nodes TO nodes_alice;
SET SESSION AUTHORIZATION nodes_alice;
SELECT throws_like(format('SELECT df.update_node_status(%L, %L, %L, NULL, NULL)', :'one', '00000002', 'running'), '%expected exactly 1%', 'and one that was let finds nothing of another''s');
BEGIN;
INSERT INTO df.instances (id, root_node, submitted_by) VALUES ('0000000d', '00000001', 'nodes_alice'::regrole);
INSERT INTO df.nodes (id, instance_id, node_type, query, submitted_by) VALUES ('00000001', '0000000d', 'SQL', 'SELECT 1', 'nodes_alice'::regrole);
COMMIT;
SELECT lives_ok($$ SELECT df.update_node_status('0000000d', '00000001', 'running', NULL, '0000000d::1') $$, 'and moves her own');
SELECT is((SELECT status FROM df.nodes WHERE instance_id = '0000000d'), 'running', 'as said');
RESET SESSION AUTHORIZATION;
SELECT is(pg_temp.node(:'one'), 'completed 7 0000000a::1', 'which stays as it is');

-- What an ordinary role may write of its own instance: its root node least of all.
SET SESSION AUTHORIZATION nodes_bob;
BEGIN;
INSERT INTO df.instances (id, root_node, submitted_by) VALUES ('0000000c', '00000001', 'nodes_bob'::regrole);
SELECT throws_ok('UPDATE df.instances SET root_node = ''00000002''', '42501', NULL, 'no role moves the root');
SELECT throws_ok('UPDATE df.instances SET submitted_by = ''nodes_alice''::regrole', '42501', NULL, 'nor gives an instance away');
SELECT throws_ok('UPDATE df.nodes SET status = ''completed''', '42501', NULL, 'nor moves a node');
SELECT throws_ok('DELETE FROM df.instances', '42501', NULL, 'nor deletes an instance');
SELECT throws_ok('SET CONSTRAINTS ALL IMMEDIATE', '23503', NULL, 'an instance without its root node does not get past the end of its transaction');
INSERT INTO df.nodes (id, instance_id, node_type, query, submitted_by) VALUES ('00000001', '0000000c', 'SQL', 'SELECT 1', 'nodes_bob'::regrole);
COMMIT;
RESET SESSION AUTHORIZATION;
SELECT * FROM finish();
