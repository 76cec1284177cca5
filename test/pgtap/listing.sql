-- What callers see of instances (surface §3 "Monitoring", semantics §11): listings page by page, one instance, its
-- executions and nodes, totals; and df.run, which also takes in rows that were written by hand.
\set QUIET on
SET client_min_messages = warning;
CREATE ROLE listing_alice LOGIN;
CREATE ROLE listing_bob LOGIN;
SELECT df.grant_usage(r) FROM unnest(ARRAY['listing_alice', 'listing_bob']) r \g /dev/null
GRANT EXECUTE ON FUNCTION df.metrics() TO listing_alice;
ALTER DATABASE :"DBNAME" SET pg_durable.loop_min_interval = 0;
\c -
SET client_min_messages = warning;
SELECT no_plan();

-- Pages -------------------------------------------------------------------------------------------------------------------
SET SESSION AUTHORIZATION listing_bob;
SELECT df.start('SELECT 1', 'bob''s') AS bobs \gset
SET SESSION AUTHORIZATION listing_alice;
SELECT count(df.start('SELECT ' || n, CASE n % 3 WHEN 0 THEN 'third' WHEN 1 THEN 'other' END)) FROM generate_series(1, 25) n \g /dev/null
RESET SESSION AUTHORIZATION;
-- Of one time there are several, so that ids must decide.
UPDATE df.instances SET created_at = '2024-05-05 05:05:05.123456+00'::timestamptz + (label IS NULL)::int * interval '1 microsecond' WHERE submitted_by = 'listing_alice'::regrole;

CREATE FUNCTION pg_temp.pages(status text, size integer, label text) RETURNS TABLE (page integer, at integer, id text, cursor text)
LANGUAGE plpgsql AS $$
DECLARE
    cur text;
    r record;
BEGIN
    FOR p IN 1..100 LOOP
        page := p;
        at := 0;
        FOR r IN SELECT * FROM df.list_instances(status, size, label, cur) LOOP
            at := at + 1;
            id := r.instance_id;
            cursor := r.next_cursor;
            RETURN NEXT;
        END LOOP;
        EXIT WHEN at = 0 OR cursor IS NULL;
        cur := cursor;
    END LOOP;
END $$;
GRANT EXECUTE ON FUNCTION pg_temp.pages(text, integer, text) TO PUBLIC;
SET SESSION AUTHORIZATION listing_alice;
SELECT is((SELECT array_agg(id ORDER BY page, at) FROM pg_temp.pages(NULL, 7, NULL)), (SELECT array_agg(i.id::text ORDER BY i.created_at DESC, i.id) FROM df.instances i), 'pages of seven hold every own instance once, newest first, then by id');
SELECT is((SELECT array_agg(n ORDER BY page) FROM (SELECT page, count(*)::int AS n FROM pg_temp.pages(NULL, 7, NULL) GROUP BY page) p), '{7,7,7,4}', 'full pages but the last');
SELECT is((SELECT array_agg(n ORDER BY page) FROM (SELECT page, count(DISTINCT coalesce(cursor, 'none'))::int AS n FROM pg_temp.pages(NULL, 7, NULL) GROUP BY page) p), '{1,1,1,1}', 'the cursor is the same on every row of a page');
SELECT is((SELECT array_agg(n ORDER BY page) FROM (SELECT page, bool_or(cursor IS NULL) AS n FROM pg_temp.pages(NULL, 7, NULL) GROUP BY page) p), '{f,f,f,t}', 'and NULL on the last');
SELECT is((SELECT array_agg(n ORDER BY page) FROM (SELECT page, count(*)::int AS n FROM pg_temp.pages(NULL, 5, NULL) GROUP BY page) p), '{5,5,5,5,5}', 'a last page that is full has no page behind it');
SELECT is((SELECT array_agg(id ORDER BY page, at) FROM pg_temp.pages('pending', 3, 'third')), (SELECT array_agg(i.id::text ORDER BY i.created_at DESC, i.id) FROM df.instances i WHERE i.label = 'third'), 'filters by status and label hold on every page');
SELECT is((SELECT count(*) FROM df.list_instances('completed', 10, NULL)), 0::bigint, 'no instance of another status');
SELECT is((SELECT count(*) FROM df.list_instances(NULL, 10, 'bob''s')), 0::bigint, 'nor one of another role');
SELECT is((SELECT count(*) FROM df.list_instances(NULL, 1000, NULL, (SELECT cursor FROM pg_temp.pages(NULL, 24, NULL) LIMIT 1))), 1::bigint, 'a cursor goes with any size of the next page');
SET timezone = 'Pacific/Chatham';
SET datestyle = 'German, DMY';
SELECT is((SELECT array_agg(id ORDER BY page, at) FROM pg_temp.pages(NULL, 7, NULL)), (SELECT array_agg(i.id::text ORDER BY i.created_at DESC, i.id) FROM df.instances i), 'whatever the session''s time zone and date style');
RESET timezone;
RESET datestyle;
SELECT throws_like(format('SELECT * FROM df.list_instances(NULL, 5, NULL, %L)', c), '%malformed cursor%', 'malformed cursor: ' || c)
FROM unnest(ARRAY['', 'x', '!!!!', 'MTIzNDU=', 'bm93LzAxMjM0NTY3', encode('2024-13-45 00:00:00+00/01234567', 'base64'), encode('now/01234567', 'base64'), encode('\xff00ff', 'base64'), '2024-05-05 05:05:05+00/01234567']) c;
SELECT throws_like('SELECT * FROM df.list_instances(NULL, 0)', '%limit_count must be at least 1%', 'a limit below 1');
SELECT throws_like('SELECT * FROM df.list_instances(NULL, -1, NULL)', '%limit_count must be at least 1%', 'of a page as well');
SELECT throws_like('SELECT * FROM df.list_instances(NULL, NULL)', '%limit_count must be at least 1%', 'NULL is no limit');
SELECT throws_like('SELECT * FROM df.list_instances(NULL, 1001)', '%list_instances_max_limit (1000)%', 'a limit above the setting');
SELECT throws_like('SELECT * FROM df.list_instances(NULL, 1001, NULL)', '%list_instances_max_limit (1000)%', 'of a page as well');
SELECT lives_ok('SELECT * FROM df.list_instances(NULL, 1000)', 'the largest that is allowed');
SET pg_durable.list_instances_max_limit = 3;
SELECT throws_like('SELECT * FROM df.list_instances()', '%list_instances_max_limit (3)%', 'the default is never cut silently');
SET pg_durable.list_instances_max_limit = '1000001';
SELECT throws_like('SELECT * FROM df.list_instances()', '%pg_durable.list_instances_max_limit%1000001%', 'a setting out of its range is an error');
RESET pg_durable.list_instances_max_limit;
SELECT results_eq('SELECT * FROM df.list_instances(NULL, 10)', 'SELECT instance_id, label, function_name, status, execution_count, output FROM df.list_instances(NULL, 10, NULL)', 'the short form is the first six columns');
RESET SESSION AUTHORIZATION;
SELECT is((SELECT count(*) FROM df.list_instances(NULL, 1000)), 26::bigint, 'a superuser sees everything');
UPDATE df.instances SET created_at = CASE label WHEN 'third' THEN 'infinity' WHEN 'other' THEN '-infinity' END::timestamptz WHERE submitted_by = 'listing_alice'::regrole;
SET SESSION AUTHORIZATION listing_alice;
SELECT is((SELECT count(DISTINCT id) FROM pg_temp.pages(NULL, 4, NULL)), 25::bigint, 'times that are infinite or unknown have their place, too');
RESET SESSION AUTHORIZATION;
BEGIN;
DELETE FROM df.nodes;
DELETE FROM df.instances;
COMMIT;

-- One instance: its info and executions --------------------------------------------------------------------------------------
SET SESSION AUTHORIZATION listing_alice;
SELECT df.start('SELECT 1 AS v' ~> 'SELECT 2 AS v', 'done') AS done \gset
SELECT df.start('SELECT 1/0', 'failed') AS failed \gset
SELECT df.start(df.wait_for_signal('never'), 'waiting') AS waiting \gset
SELECT df.start(df.sleep(1000), 'cancelled') AS cancelled \gset
CREATE TEMPORARY SEQUENCE rounds;
RESET SESSION AUTHORIZATION;
CREATE SEQUENCE public.listing_rounds;
GRANT USAGE ON SEQUENCE public.listing_rounds TO listing_alice;
SET SESSION AUTHORIZATION listing_alice;
SELECT df.start(df."loop"('SELECT nextval(''public.listing_rounds'') AS v', 'SELECT currval(''public.listing_rounds'') < 7'), 'loop') AS looped \gset
SELECT df.start('SELECT 1', 'pending') AS pending \gset
SELECT is((SELECT (status, current_execution_id, output)::text FROM df.instance_info(:'pending')), '(pending,1,)', 'info of a pending instance');
SELECT is((SELECT (status, execution_id, event_count, output)::text FROM df.instance_executions(:'pending')), '(Running,1,1,)', 'its one execution');
UPDATE df.instances SET status = 'cancelled' WHERE id = :'pending';
\! psql -X -q -o /dev/null -U listing_alice -c 'CALL df.work()' || echo 'not ok - working as listing_alice'
SELECT df.cancel(:'cancelled', 'enough') \g /dev/null
SELECT is((SELECT i::text FROM df.instance_info(:'done') i), '(' || :'done' || ',done,pg_durable::orchestration::execute-function-graph,1.0.0,1,completed,"{""rows"": [{""v"": 2}], ""row_count"": 1}")', 'info of a completed instance');
SELECT alike((SELECT output FROM df.instance_info(:'failed')), '%division by zero%', 'the error of a failed one');
SELECT is((SELECT output FROM df.instance_info(:'cancelled')), 'canceled: enough', 'the reason of a cancelled one');
SELECT is((SELECT output FROM df.instance_info(:'waiting')), NULL, 'nothing of one that runs');
SELECT is((SELECT current_execution_id FROM df.instance_info(:'looped')), 7::bigint, 'a root loop counts its rounds');
SELECT results_eq($$ SELECT i.status, i.output, i.current_execution_id FROM df.list_instances() l, df.instance_info(l.instance_id) i ORDER BY i.instance_id $$,
    $$ SELECT l.status, l.output, l.execution_count FROM df.list_instances() l ORDER BY l.instance_id $$, 'info and list say the same');
SELECT results_eq($$ SELECT i.status FROM df.instances d, df.instance_info(d.id) i ORDER BY d.id $$, $$ SELECT df.status(d.id) FROM df.instances d ORDER BY d.id $$, 'and df.status');
SELECT is_empty($$ SELECT * FROM df.instance_info('nowhere') $$, 'no row for an unknown id');
SELECT is_empty($$ SELECT * FROM df.instance_info(NULL) $$, 'nor for NULL');
SELECT is_empty(format('SELECT * FROM df.instance_info(%L)', 'done'), 'nor for a label');

SELECT is((SELECT array_agg(status || ' ' || execution_id) FROM df.instance_executions(:'looped', 100)), '{Completed 7,ContinuedAsNew 6,ContinuedAsNew 5,ContinuedAsNew 4,ContinuedAsNew 3,ContinuedAsNew 2,ContinuedAsNew 1}', 'executions: one per round, newest first');
SELECT is((SELECT count(*) FROM df.instance_executions(:'looped')), 5::bigint, 'five unless asked for more');
SELECT is((SELECT array_agg(execution_id) FROM df.instance_executions(:'looped', 2)), '{7,6}', 'or less');
SELECT is((SELECT array_agg(output::jsonb #>> '{rows,0,v}') FROM df.instance_executions(:'looped', 3)), '{7,6,5}', 'each with its output');
SELECT ok(bool_and(event_count >= 2 AND duration_ms >= 0), 'events and durations') FROM df.instance_executions(:'looped', 100);
SELECT is((SELECT (status, event_count)::text FROM df.instance_executions(:'done')), '(Completed,8)', 'begin, end and the same of three nodes');
SELECT is((SELECT status FROM df.instance_executions(:'failed')), 'Failed', 'Failed');
SELECT is((SELECT (status, output)::text FROM df.instance_executions(:'cancelled')), '(Failed,"canceled: enough")', 'a cancelled one is Failed, too');
SELECT is((SELECT (status, event_count, output)::text FROM df.instance_executions(:'waiting')), '(Running,2,)', 'Running');
SELECT throws_like(format('SELECT * FROM df.instance_executions(%L, 0)', :'done'), '%limit_count must be at least 1%', 'a limit below 1 is an error');
SELECT is_empty($$ SELECT * FROM df.instance_executions('nowhere') $$, 'no execution of an unknown id');

SELECT results_eq(format('SELECT 1::bigint, node_id, node_type, query, result_name, left_node, right_node, status, result, updated_at FROM df.instance_nodes(%L)', :'done'),
    format('SELECT * FROM df.instance_nodes(%L, 3)', :'done'), 'the older df.instance_nodes');
SELECT is((SELECT (total_instances, running_instances, completed_instances, failed_instances, total_executions)::text FROM df.metrics()), '(6,1,2,1,12)', 'metrics of the caller''s instances');
SELECT is((SELECT total_events FROM df.metrics()), (SELECT sum(e.event_count) FROM df.instances i, df.instance_executions(i.id, 100) e)::bigint, 'events are those of all executions');
SET SESSION AUTHORIZATION listing_bob;
SELECT is_empty(format('SELECT * FROM df.instance_info(%L) UNION ALL SELECT NULL, NULL, NULL, NULL, execution_id, status, output FROM df.instance_executions(%1$L)', :'done'), 'nothing of somebody else''s');
SELECT is_empty(format('SELECT * FROM df.instance_nodes(%L, 1)', :'done'), 'nor its nodes');
SELECT throws_ok('SELECT * FROM df.metrics()', '42501', NULL, 'metrics are not for everyone');
RESET SESSION AUTHORIZATION;
SELECT is((SELECT total_instances FROM df.metrics()), 6::bigint, 'a superuser counts all');

-- df.run: rows written by hand -----------------------------------------------------------------------------------------------
SET SESSION AUTHORIZATION listing_alice;
SELECT df.setvar('colour', 'red') \g /dev/null
BEGIN;
INSERT INTO df.instances (id, label, root_node, submitted_by) VALUES ('0000000a', 'by hand', '000000a0', 'listing_alice'::regrole);
INSERT INTO df.nodes (id, instance_id, node_type, query, result_name, left_node, right_node, submitted_by) VALUES
    ('000000a0', '0000000a', 'THEN', NULL, NULL, '000000a1', '000000a2', 'listing_alice'::regrole),
    ('000000a1', '0000000a', 'SQL', 'SELECT ''{colour}'' AS v', 'c', NULL, NULL, 'listing_alice'::regrole),
    ('000000a2', '0000000a', 'IF', '{"condition_node": "000000a3"}', NULL, '000000a4', '000000a5', 'listing_alice'::regrole),
    ('000000a3', '0000000a', 'SQL', 'SELECT $c = ''red''', NULL, NULL, NULL, 'listing_alice'::regrole),
    ('000000a4', '0000000a', 'SQL', 'SELECT $c AS chosen', NULL, NULL, NULL, 'listing_alice'::regrole),
    ('000000a5', '0000000a', 'SQL', 'SELECT ''not'' AS chosen', NULL, NULL, NULL, 'listing_alice'::regrole);
INSERT INTO df.instances (id, label, root_node, submitted_by) VALUES ('0000000b', 'broken', '000000b0', 'listing_alice'::regrole);
INSERT INTO df.nodes (id, instance_id, node_type, query, submitted_by) VALUES ('000000b0', '0000000b', 'WAIT_SCHEDULE', '{"cron_expr":"not a cron"}', 'listing_alice'::regrole);
INSERT INTO df.instances (id, label, root_node, submitted_by) VALUES ('0000000c', 'second', '000000c0', 'listing_alice'::regrole);
INSERT INTO df.nodes (id, instance_id, node_type, query, submitted_by) VALUES ('000000c0', '0000000c', 'SQL', 'SELECT 3 AS v', 'listing_alice'::regrole);
COMMIT;
\! psql -X -q -o /dev/null -U listing_alice -c 'CALL df.work()' || echo 'not ok - working as listing_alice'
SELECT is(df.status('0000000a'), 'pending', 'rows by hand do not run by themselves');
SELECT is((SELECT (status, current_execution_id, output)::text FROM df.instance_info('0000000a')), '(pending,1,)', 'but can be looked at');
SELECT is(df.run('0000000a'), 'OK', 'df.run takes them in');
SELECT is(df.run('0000000a'), 'OK', 'once');
SELECT throws_like($$ SELECT df.run('0000000b') $$, '%Invalid durable function graph: root: %', 'after the checks of df.start');
SELECT throws_like($$ SELECT df.run('nowhere') $$, '%not found or access denied%', 'an unknown id');
SELECT is(df.run(), 'OK', 'for all: those that cannot run are left with a warning');
\! psql -X -q -o /dev/null -U listing_alice -c 'CALL df.work()' || echo 'not ok - working as listing_alice'
SELECT is(df.result('0000000a')::jsonb #>> '{rows,0,chosen}', 'red', 'and runs them');
SELECT is(df.status('0000000c'), 'completed', 'all of them');
SELECT is(df.status('0000000b'), 'pending', 'but the broken');
SELECT is(df.run(:'done'), 'OK', 'an instance that has ended is left alone');
SET SESSION AUTHORIZATION listing_bob;
SELECT throws_like($$ SELECT df.run('0000000b') $$, '%not found or access denied%', 'somebody else''s');
RESET SESSION AUTHORIZATION;
SET timezone = 'Asia/Kolkata';
SET datestyle = 'SQL, DMY';
SELECT ok(bool_and(n.updated_at = d.updated_at), 'times are those of the nodes, however they are written') FROM df.instances i CROSS JOIN LATERAL df.instance_nodes(i.id) n JOIN df.nodes d ON d.id = n.node_id AND d.instance_id = i.id;
RESET timezone;
RESET datestyle;
BEGIN;
UPDATE df.nodes SET query = '{"cron_expr":"* * * * *"}' WHERE instance_id = '0000000b';
SELECT lives_ok($$ SELECT df.run('0000000b') $$, 'a superuser may wake anybody''s');
SELECT is((SELECT r.role FROM _df.runs r WHERE r.instance_id = '0000000b'), 'listing_alice'::regrole::oid, 'which runs as its submitter');
ROLLBACK;
ALTER ROLE listing_alice NOLOGIN;
SELECT throws_like($$ SELECT df.run('0000000b') $$, '%LOGIN%', 'if that can log in');
ALTER ROLE listing_alice LOGIN;

SELECT * FROM finish();
DROP OWNED BY listing_alice, listing_bob CASCADE;
