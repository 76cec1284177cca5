-- The tables of df (surface §5): columns, keys, checks by name, indexes, row-level security.
BEGIN;
SELECT no_plan();

SELECT is((SELECT string_agg(a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull AND a.attname <> 'instance_id' THEN ' not null' ELSE '' END, ', ' ORDER BY a.attnum)
           FROM pg_attribute a WHERE a.attrelid = v.relation::regclass AND a.attnum > 0 AND NOT a.attisdropped), v.columns, v.relation || ' columns')
FROM (VALUES
    ('df.instances', 'id character varying(8) not null, label text, root_node character varying(8) not null, status text, submitted_by regrole not null, database text, created_at timestamp with time zone, updated_at timestamp with time zone, completed_at timestamp with time zone'),
    ('df.nodes', 'id character varying(8) not null, instance_id character varying(8), node_type text not null, query text, result_name text, left_node character varying(8), right_node character varying(8), status text, result jsonb, error text, submitted_by regrole, database text, created_at timestamp with time zone, updated_at timestamp with time zone, status_details jsonb'),
    ('df.vars', 'name text not null, value text, owner regrole not null')
) v(relation, columns);

SELECT col_default_is('df', 'instances', 'status', 'pending', 'instances.status starts as pending');
SELECT col_default_is('df', 'nodes', 'status', 'pending', 'nodes.status starts as pending');
SELECT col_is_pk('df', 'vars', ARRAY['owner', 'name'], 'vars: one value per owner and name');
SELECT col_is_pk('df', '_worker_epoch', 'epoch_id', 'one row per worker');

CREATE TEMPORARY TABLE expected (relation regclass, name text, kind "char");
INSERT INTO expected VALUES
    ('df.instances', 'instances_pkey', 'p'), ('df.instances', 'instances_id_format_chk', 'c'), ('df.instances', 'instances_root_node_format_chk', 'c'), ('df.instances', 'instances_status_chk', 'c'),
    ('df.instances', 'instances_identity_key', 'u'), ('df.instances', 'instances_root_node_same_instance_fkey', 'f'),
    ('df.nodes', 'nodes_instance_id_present_chk', 'c'), ('df.nodes', 'nodes_submitted_by_present_chk', 'c'), ('df.nodes', 'nodes_id_format_chk', 'c'),
    ('df.nodes', 'nodes_instance_id_format_chk', 'c'), ('df.nodes', 'nodes_left_node_format_chk', 'c'), ('df.nodes', 'nodes_right_node_format_chk', 'c'),
    ('df.nodes', 'nodes_node_type_chk', 'c'), ('df.nodes', 'nodes_result_name_chk', 'c'), ('df.nodes', 'nodes_status_chk', 'c'),
    ('df.nodes', 'nodes_result_status_chk', 'c'), ('df.nodes', 'nodes_structure_chk', 'c'), ('df.nodes', 'nodes_instance_identity_fkey', 'f'),
    ('df.nodes', 'nodes_left_node_same_instance_fkey', 'f'), ('df.nodes', 'nodes_right_node_same_instance_fkey', 'f');
SELECT ok(c.oid IS NOT NULL, e.name || ' exists') FROM expected e LEFT JOIN pg_constraint c ON c.conrelid = e.relation AND c.conname = e.name AND c.contype = e.kind;
SELECT ok(NOT c.convalidated, e.name || ' is NOT VALID') FROM expected e JOIN pg_constraint c ON c.conrelid = e.relation AND c.conname = e.name WHERE e.kind IN ('c', 'f');
SELECT ok(c.condeferrable AND c.condeferred, e.name || ' is DEFERRABLE INITIALLY DEFERRED') FROM expected e JOIN pg_constraint c ON c.conrelid = e.relation AND c.conname = e.name WHERE e.kind = 'f';

SELECT ok(to_regclass('df.' || name) IS NOT NULL, name || ' exists') FROM unnest(ARRAY['idx_instances_status', 'idx_instances_created_at', 'idx_instances_label', 'idx_nodes_instance']) name;
SELECT ok(indexdef LIKE '%' || v.columns, v.name) FROM (VALUES
    ('idx_instances_status', '(status, created_at DESC, id)'), ('idx_instances_created_at', '(created_at DESC, id)'),
    ('idx_instances_label', '(label, created_at DESC, id) WHERE (label IS NOT NULL)'), ('idx_nodes_instance', '(instance_id)')
) v(name, columns) JOIN pg_indexes i ON i.schemaname = 'df' AND i.indexname = v.name;

-- The key of nodes: id alone until 0.2.3, the pair from 0.2.4 on.
SELECT col_is_pk('df', 'nodes', CASE WHEN string_to_array(df.version(), '.')::int[] < '{0,2,4}' THEN ARRAY['id'] ELSE ARRAY['instance_id', 'id'] END::name[], 'primary key of nodes');
SELECT is(EXISTS (SELECT FROM pg_constraint WHERE conrelid = 'df.nodes'::regclass AND conname = 'nodes_instance_node_key'),
    string_to_array(df.version(), '.')::int[] < '{0,2,4}', 'the composite key beside it is there only as long as it is needed');

SELECT ok(c.relrowsecurity AND NOT c.relforcerowsecurity, c.relname || ': row-level security, not forced') FROM pg_class c WHERE c.oid IN ('df.instances'::regclass, 'df.nodes'::regclass, 'df.vars'::regclass);
SELECT policies_are('df', 'instances', ARRAY['instances_user_isolation']::name[]);
SELECT policies_are('df', 'nodes', ARRAY['nodes_user_isolation']::name[]);
SELECT policies_are('df', 'vars', ARRAY['vars_user_isolation']::name[]);
SELECT is(polcmd, '*'::"char", polname || ' is for all commands') FROM pg_policy WHERE polrelid IN ('df.instances'::regclass, 'df.nodes'::regclass, 'df.vars'::regclass);

SELECT is_empty($$
    SELECT c.oid::regclass FROM pg_class c JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'instance_id'
    WHERE c.relnamespace = '_df'::regnamespace AND i.indkey[0] <> a.attnum
$$, 'engine state starts its primary key with instance_id');

-- The checks do what their names say. Rows are written by the owner, with everything else right.
CREATE FUNCTION pg_temp.node(VARIADIC "set" text[]) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    n df.nodes := jsonb_populate_record(NULL::df.nodes, jsonb_build_object('id', '00000001', 'instance_id', '0000000a', 'node_type', 'SQL',
        'query', 'SELECT 1', 'status', 'pending', 'submitted_by', current_user) || jsonb_object("set"));
BEGIN
    INSERT INTO df.nodes SELECT n.*;
    DELETE FROM df.nodes WHERE id = n.id;
    RETURN 'accepted';
EXCEPTION WHEN check_violation THEN
    DECLARE name text;
    BEGIN
        GET STACKED DIAGNOSTICS name = CONSTRAINT_NAME;
        RETURN name;
    END;
END $$;
SELECT is(pg_temp.node('query', 'SELECT 2'), 'accepted', 'a SQL node with a query');
SELECT is(pg_temp.node('id', 'XYZ'), 'nodes_id_format_chk', 'id of another form');
SELECT is(pg_temp.node('id', '0000000A'), 'nodes_id_format_chk', 'id in upper case');
SELECT is(pg_temp.node('left_node', 'nothex!!'), 'nodes_left_node_format_chk', 'left_node of another form');
SELECT is(pg_temp.node('node_type', 'MAGIC'), 'nodes_node_type_chk', 'unknown node type');
SELECT is(pg_temp.node('result_name', '1st'), 'nodes_result_name_chk', 'result name that is no identifier');
SELECT is(pg_temp.node('status', 'done'), 'nodes_status_chk', 'unknown status');
SELECT is(pg_temp.node('status', 'running', 'result', '"x"'), 'nodes_result_status_chk', 'a result on a running node');
SELECT is(pg_temp.node('status', 'completed', 'result', '"x"'), 'accepted', 'a result on a completed node');
SELECT is(pg_temp.node('left_node', '00000002'), 'nodes_structure_chk', 'a SQL node with a child');
SELECT is(pg_temp.node('node_type', 'THEN', 'left_node', '00000002', 'right_node', '00000003'), 'nodes_structure_chk', 'a THEN with a query');

SELECT is(pg_temp.node('right_node', '0'), 'nodes_right_node_format_chk', 'right_node of another form');
SELECT is(pg_temp.node('instance_id', 'short'), 'nodes_instance_id_format_chk', 'instance_id of another form');
SELECT is(pg_temp.node('submitted_by', NULL), 'nodes_submitted_by_present_chk', 'a node of nobody');
SELECT is(pg_temp.node(VARIADIC ARRAY['node_type', type, 'left_node', l, 'right_node', r, 'query', q]), CASE
        WHEN CASE type WHEN 'LOOP' THEN l IS NOT NULL AND r IS NULL WHEN 'JOIN' THEN l IS NOT NULL AND r IS NOT NULL
            WHEN 'IF' THEN l IS NOT NULL AND r IS NOT NULL AND q IS NOT NULL WHEN 'THEN' THEN l IS NOT NULL AND r IS NOT NULL AND q IS NULL
            WHEN 'RACE' THEN l IS NOT NULL AND r IS NOT NULL AND q IS NULL ELSE l IS NULL AND r IS NULL AND q IS NOT NULL END
        THEN 'accepted' ELSE 'nodes_structure_chk' END, format('%s with%s%s%s', type, ' left ' || l, ' right ' || r, ' query ' || q))
FROM unnest(ARRAY['SQL', 'THEN', 'IF', 'JOIN', 'LOOP', 'BREAK', 'RACE', 'SLEEP', 'WAIT_SCHEDULE', 'HTTP', 'HTTP_MULTIPART', 'SIGNAL']) type,
    unnest(ARRAY[NULL, '00000002']) l, unnest(ARRAY[NULL, '00000003']) r, unnest(ARRAY[NULL, '{}']) q;

-- The same for instances and for keys, which are looked at when the transaction ends.
CREATE FUNCTION pg_temp.broken(statements text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    name text;
BEGIN
    SET CONSTRAINTS ALL DEFERRED;
    EXECUTE statements;
    SET CONSTRAINTS ALL IMMEDIATE;
    RAISE EXCEPTION 'accepted';
EXCEPTION WHEN integrity_constraint_violation THEN
    GET STACKED DIAGNOSTICS name = CONSTRAINT_NAME;
    RETURN name;
WHEN raise_exception THEN
    RETURN SQLERRM;
END $$;
CREATE FUNCTION pg_temp.pair(instance text DEFAULT '0000000a', root text DEFAULT '00000001', node_of text DEFAULT '0000000a', node_id text DEFAULT '00000001', owner regrole DEFAULT current_user::regrole) RETURNS text LANGUAGE sql AS $$
    SELECT format('INSERT INTO df.instances (id, root_node, submitted_by) VALUES (%L, %L, current_user::regrole); INSERT INTO df.nodes (id, instance_id, node_type, query, submitted_by) VALUES (%L, %L, ''SQL'', ''SELECT 1'', %L);', instance, root, node_id, node_of, owner) $$;
SELECT is(pg_temp.broken(pg_temp.pair()), 'accepted', 'an instance and its root');
SELECT is(pg_temp.broken(pg_temp.pair(instance => 'XYZ')), 'instances_id_format_chk', 'instance id of another form');
SELECT is(pg_temp.broken(pg_temp.pair(root => 'XYZ')), 'instances_root_node_format_chk', 'root of another form');
SELECT is(pg_temp.broken(pg_temp.pair() || 'UPDATE df.instances SET status = ''done'''), 'instances_status_chk', 'unknown status of an instance');
SELECT is(pg_temp.broken(pg_temp.pair() || pg_temp.pair(node_id => '00000002')), 'instances_pkey', 'an instance id that is taken');
SELECT is(pg_temp.broken(pg_temp.pair() || 'INSERT INTO df.nodes (id, instance_id, node_type, query, submitted_by) SELECT id, instance_id, node_type, query, submitted_by FROM df.nodes'), 'nodes_pkey', 'a node id that the instance has');
SELECT is(pg_temp.broken(pg_temp.pair() || pg_temp.pair(instance => '0000000b', node_of => '0000000b')), 'accepted', 'but another instance may have it, too');
SELECT is(pg_temp.broken(pg_temp.pair(root => '00000009')), 'instances_root_node_same_instance_fkey', 'a root that is not there');
SELECT is(pg_temp.broken(pg_temp.pair() || pg_temp.pair(instance => '0000000b', root => '00000009', node_of => '0000000a', node_id => '00000009')), 'instances_root_node_same_instance_fkey', 'a root of another instance');
SELECT is(pg_temp.broken(pg_temp.pair() || format('UPDATE df.nodes SET submitted_by = %L', 'pg_monitor')), 'nodes_instance_identity_fkey', 'a node of another role than its instance');
SELECT is(pg_temp.broken(pg_temp.pair() || 'UPDATE df.nodes SET node_type = ''LOOP'', left_node = ''00000009'''), 'nodes_left_node_same_instance_fkey', 'a left child that is not there');
SELECT is(pg_temp.broken(pg_temp.pair() || 'UPDATE df.nodes SET node_type = ''JOIN'', left_node = id, right_node = ''00000009'''), 'nodes_right_node_same_instance_fkey', 'a right child that is not there');

SELECT * FROM finish();
ROLLBACK;
