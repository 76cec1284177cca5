-- The functions of df (surface §3): each with its arguments, result, volatility, strictness and who may execute it.
BEGIN;
SELECT no_plan();

CREATE TEMPORARY TABLE expected (signature text, result text, volatility "char", strict boolean, public boolean);
INSERT INTO expected VALUES
    -- composers
    ('df.sql(text)', 'text', 'v', true, true), ('df.seq(text,text)', 'text', 'v', true, true), ('df."as"(text,text)', 'text', 'v', true, true),
    ('df.sleep(bigint)', 'text', 'v', true, true), ('df.sleep(interval)', 'text', 'v', true, true), ('df.sleep(text)', 'text', 'v', true, true), ('df.wait_for_schedule(text)', 'text', 'v', true, true),
    ('df."loop"(text,text)', 'text', 'v', false, true), ('df."break"(text)', 'text', 'v', false, true), ('df."if"(text,text,text)', 'text', 'v', true, true),
    ('df.if_rows(text,text,text)', 'text', 'v', true, true), ('df."join"(text,text)', 'text', 'v', true, true), ('df.join3(text,text,text)', 'text', 'v', true, true),
    ('df.race(text,text)', 'text', 'v', true, true), ('df.http(text,text,text,jsonb,integer)', 'text', 'v', false, false),
    ('df.http_multipart(text,text,jsonb,jsonb,integer)', 'text', 'v', false, false), ('df.wait_for_signal(text,integer)', 'text', 'v', false, true),
    -- control
    ('df.start(text,text,text,text)', 'text', 'v', false, true), ('df.signal(text,text,text)', 'text', 'v', true, true), ('df.cancel(text,text)', 'text', 'v', true, true),
    ('df.status(text)', 'text', 'v', true, true), ('df.result(text)', 'text', 'v', true, true), ('df.run(text)', 'text', 'v', false, true),
    ('df.await_instance(text,integer)', 'text', 'v', true, true), ('df.wait_for_completion(text,integer)', 'text', 'v', true, true),
    ('df.update_node_status(text,text,text,jsonb,text)', 'text', 'v', false, false),
    -- variables
    ('df.setvar(text,text)', 'text', 'v', true, true), ('df.unsetvar(text)', 'text', 'v', true, true), ('df.clearvars()', 'text', 'v', true, true), ('df.getvar(text)', 'text', 'v', true, true),
    -- monitoring
    ('df.list_instances(text,integer)', 'TABLE(instance_id text, label text, function_name text, status text, execution_count bigint, output text)', 'v', false, true),
    ('df.list_instances(text,integer,text,text)', 'TABLE(instance_id text, label text, function_name text, status text, execution_count bigint, output text, created_at timestamp with time zone, completed_at timestamp with time zone, next_cursor text)', 'v', false, true),
    ('df.instance_info(text)', 'TABLE(instance_id text, label text, function_name text, function_version text, current_execution_id bigint, status text, output text)', 'v', true, true),
    ('df.instance_executions(text,integer)', 'TABLE(execution_id bigint, status text, event_count bigint, duration_ms bigint, output text)', 'v', true, true),
    ('df.instance_nodes(text)', 'TABLE(node_id text, node_type text, query text, result_name text, left_node text, right_node text, status text, result text, status_details text, inferred_status text, inferred_status_from_ancestor_id text, updated_at timestamp with time zone)', 'v', true, true),
    ('df.instance_nodes(text,integer)', 'TABLE(execution_id bigint, node_id text, node_type text, query text, result_name text, left_node text, right_node text, status text, result text, updated_at timestamp with time zone)', 'v', true, true),
    ('df.metrics()', 'TABLE(total_instances bigint, running_instances bigint, completed_instances bigint, failed_instances bigint, total_executions bigint, total_events bigint)', 'v', true, false),
    ('df.explain(text)', 'text', 'v', true, true),
    -- other
    ('df.version()', 'text', 'v', true, true), ('df.target_database()', 'text', NULL, NULL, true), ('df.engine_schema()', 'text', 'i', NULL, true), ('df.duroxide_schema()', 'text', 'i', NULL, true),
    ('df.as_op(text,text)', 'text', 'i', NULL, true), ('df.if_then_op(text,text)', 'text', 'i', NULL, true), ('df.if_else_op(text,text)', 'text', 'i', NULL, true), ('df.loop_prefix_op(text)', 'text', 'i', NULL, true),
    ('df.grant_usage(text,boolean,boolean)', 'void', 'v', false, false), ('df.revoke_usage(text)', 'void', 'v', false, false);

SELECT ok(to_regprocedure(signature) IS NOT NULL, signature || ' exists') FROM expected;
-- A TABLE and a set of OUT parameters are the same to a caller.
SELECT is(CASE WHEN p.proargmodes IS NULL OR NOT p.proargmodes && '{o,t}' THEN pg_get_function_result(p.oid) ELSE (
        SELECT 'TABLE(' || string_agg(a.name || ' ' || format_type(a.type, NULL), ', ' ORDER BY a.at) || ')'
        FROM unnest(p.proargnames, p.proallargtypes, p.proargmodes) WITH ORDINALITY a(name, type, mode, at) WHERE a.mode IN ('o', 't')) END,
    e.result, e.signature || ' returns') FROM expected e JOIN pg_proc p ON p.oid = to_regprocedure(e.signature);
SELECT is(p.provolatile, e.volatility, e.signature || ' volatility') FROM expected e JOIN pg_proc p ON p.oid = to_regprocedure(e.signature) WHERE e.volatility IS NOT NULL;
SELECT is(p.proisstrict, e.strict, e.signature || ' strict') FROM expected e JOIN pg_proc p ON p.oid = to_regprocedure(e.signature) WHERE e.strict IS NOT NULL;
SELECT is(has_function_privilege('public', p.oid, 'EXECUTE'), e.public, e.signature || CASE WHEN e.public THEN ' is for PUBLIC' ELSE ' is private' END) FROM expected e JOIN pg_proc p ON p.oid = to_regprocedure(e.signature);
SELECT is(p.prosecdef, false, e.signature || ' runs as its caller') FROM expected e JOIN pg_proc p ON p.oid = to_regprocedure(e.signature) WHERE e.public;

-- Names and defaults of arguments, which people write by name.
SELECT is(pg_get_function_arguments(to_regprocedure(signature)), arguments, signature || ' arguments') FROM (VALUES
    ('df.sql(text)', 'query text'), ('df.seq(text,text)', 'a text, b text'), ('df."as"(text,text)', 'fut text, name text'), ('df.sleep(bigint)', 'seconds bigint'),
    ('df.sleep(interval)', 'duration interval'), ('df.wait_for_schedule(text)', 'cron_expr text'), ('df."loop"(text,text)', 'body text, condition text DEFAULT NULL::text'),
    ('df."break"(text)', 'value text DEFAULT NULL::text'), ('df."if"(text,text,text)', 'condition text, then_branch text, else_branch text'),
    ('df.if_rows(text,text,text)', 'result_name text, then_branch text, else_branch text'), ('df.join3(text,text,text)', 'a text, b text, c text'),
    ('df.http(text,text,text,jsonb,integer)', 'url text, method text DEFAULT ''POST''::text, body text DEFAULT NULL::text, headers jsonb DEFAULT NULL::jsonb, timeout_seconds integer DEFAULT 30'),
    ('df.http_multipart(text,text,jsonb,jsonb,integer)', 'url text, method text DEFAULT ''POST''::text, parts jsonb DEFAULT NULL::jsonb, headers jsonb DEFAULT NULL::jsonb, timeout_seconds integer DEFAULT 30'),
    ('df.wait_for_signal(text,integer)', 'name text, timeout_seconds integer DEFAULT NULL::integer'),
    ('df.start(text,text,text,text)', 'fut text, label text DEFAULT NULL::text, database text DEFAULT NULL::text, transaction_mode text DEFAULT ''caller''::text'),
    ('df.signal(text,text,text)', 'instance_id text, signal_name text, signal_data text DEFAULT ''{}''::text'),
    ('df.cancel(text,text)', 'instance_id text, reason text DEFAULT ''Cancelled by user''::text'),
    ('df.run(text)', 'instance_id text DEFAULT NULL::text'), ('df.await_instance(text,integer)', 'instance_id text, timeout_seconds integer DEFAULT 30'),
    ('df.wait_for_completion(text,integer)', 'instance_id text, timeout_seconds integer DEFAULT 30'),
    ('df.update_node_status(text,text,text,jsonb,text)', 'instance_id text, node_id text, status text, result jsonb, execution_id text'),
    ('df.setvar(text,text)', 'name text, value text'), ('df.explain(text)', 'input text'),
    ('df.list_instances(text,integer)', 'status_filter text DEFAULT NULL::text, limit_count integer DEFAULT 100'),
    ('df.list_instances(text,integer,text,text)', 'status_filter text, limit_count integer, label_filter text, after_cursor text DEFAULT NULL::text'),
    ('df.instance_executions(text,integer)', 'instance_id text, limit_count integer DEFAULT 5'), ('df.instance_nodes(text)', 'instance_id_param text'),
    ('df.instance_nodes(text,integer)', 'instance_id_param text, _last_n_executions integer'),
    ('df.grant_usage(text,boolean,boolean)', 'p_role text, include_http boolean DEFAULT false, with_grant boolean DEFAULT false'), ('df.revoke_usage(text)', 'p_role text')
) v(signature, arguments);

SELECT is_empty($$ SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace = 'df'::regnamespace AND p.proname = 'debug_connection' $$, 'df.debug_connection does not exist');
SELECT ok(to_regprocedure('df.start(text,text,text)') IS NULL, 'a three-argument df.start does not exist');
SELECT is_empty($$
    SELECT p.oid::regprocedure::text FROM pg_proc p WHERE p.pronamespace = 'df'::regnamespace AND p.prokind = 'f'
    EXCEPT SELECT to_regprocedure(signature)::text FROM expected
$$, 'df has no function besides these');
SELECT is((SELECT prokind FROM pg_proc WHERE pronamespace = 'df'::regnamespace AND proname = 'work'), 'p'::"char", 'df.work is a procedure');

-- Operators.
SELECT has_operator('text', 'pg_catalog', name, 'text', 'text', 'operator ' || name) FROM unnest(ARRAY['~>', '|=>', '&', '|', '?>', '!>']::name[]) name;
SELECT ok(EXISTS (SELECT FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprname = '@>' AND oprleft = 0 AND oprright = 'text'::regtype), 'prefix @> on text');

-- They resolve under an empty search_path too, and between literals without a type.
SET LOCAL search_path = '';
CREATE TABLE pg_temp.composed AS SELECT * FROM (VALUES
    ('&', 'a' & 'b', df."join"('a', 'b')), ('|', 'a' | 'b', df.race('a', 'b')), ('~>', 'a' ~> 'b', df.seq('a', 'b')),
    ('|=> names all to its left', 'a' ~> 'b' |=> 'x' ~> 'c', df.seq(df."as"(df.seq('a', 'b'), 'x'), 'c')),
    ('@> loops only what it touches', @> 'a' ~> 'b', df.seq(df."loop"('a'), 'b')),
    ('?> !> is df.if', 'c' ?> 'a' !> 'b', df."if"('c', 'a', 'b'))) v(what, operators, functions);
RESET search_path;
SELECT is(operators, functions, 'empty search_path: ' || what) FROM composed;

SELECT * FROM finish();
ROLLBACK;
