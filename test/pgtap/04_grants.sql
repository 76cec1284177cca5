-- Grants (surface §6): nothing by default, exactly what is needed by df.grant_usage, and all of it taken back.
BEGIN;
SELECT no_plan();

CREATE ROLE grants_alice LOGIN;
CREATE ROLE "grants Bob" LOGIN;

SELECT ok(NOT has_schema_privilege('public', 'df', 'USAGE'), 'PUBLIC has no USAGE on df');
SELECT is_empty($$ SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'df'::regnamespace AND c.relkind = 'r'
    AND has_table_privilege('public', c.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER') $$, 'PUBLIC has nothing on the tables of df');
SET LOCAL ROLE grants_alice;
SELECT throws_ok($$ SELECT df.start('SELECT 1') $$, '42501', NULL, 'without a grant df is closed');
RESET ROLE;

SELECT lives_ok($$ SELECT df.grant_usage('grants_alice') $$, 'granting');
SELECT lives_ok($$ SELECT df.grant_usage('grants Bob') $$, 'granting to a name that needs quoting');
SELECT lives_ok($$ SELECT df.grant_usage('grants_alice') $$, 'granting again');
SELECT throws_ok($$ SELECT df.grant_usage('grants_nobody') $$, '42704', 'role "grants_nobody" does not exist', 'an unknown role is PostgreSQL''s own error');

SELECT ok(has_schema_privilege('grants_alice', 'df', 'USAGE'), 'USAGE on df');
SELECT ok(has_table_privilege('grants_alice', 'df.instances', 'SELECT'), 'SELECT on instances');
SELECT ok(has_table_privilege('grants_alice', 'df.nodes', 'SELECT'), 'SELECT on nodes');
SELECT ok(has_table_privilege('grants_alice', 'df.vars', p), p || ' on vars') FROM unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p;
SELECT is(has_column_privilege('grants_alice', a.attrelid, a.attname, p), expected.columns IS NOT NULL, format('%s %s.%s', p, a.attrelid::regclass, a.attname))
FROM unnest(ARRAY['df.instances', 'df.nodes']::regclass[]) r JOIN pg_attribute a ON a.attrelid = r AND a.attnum > 0 AND NOT a.attisdropped
CROSS JOIN unnest(ARRAY['INSERT', 'UPDATE']) p
LEFT JOIN (VALUES
    ('df.instances'::regclass, 'INSERT', ARRAY['id', 'label', 'root_node', 'submitted_by', 'database']),
    ('df.instances', 'UPDATE', ARRAY['status', 'updated_at']),
    ('df.nodes', 'INSERT', ARRAY['id', 'instance_id', 'node_type', 'query', 'result_name', 'left_node', 'right_node', 'submitted_by', 'database'])
) expected(relation, privilege, columns) ON expected.relation = r AND expected.privilege = p AND a.attname = ANY (expected.columns);
SELECT ok(NOT has_table_privilege('grants_alice', r, 'DELETE, TRUNCATE'), 'no DELETE on ' || r) FROM unnest(ARRAY['df.instances', 'df.nodes']) r;
SELECT ok(NOT has_function_privilege('grants_alice', f, 'EXECUTE'), 'no EXECUTE on ' || f) FROM unnest(ARRAY['df.http(text,text,text,jsonb,integer)', 'df.http_multipart(text,text,jsonb,jsonb,integer)', 'df.metrics()', 'df.grant_usage(text,boolean,boolean)', 'df.revoke_usage(text)']) f
WHERE to_regprocedure(f) IS NOT NULL;

SELECT lives_ok($$ SELECT df.grant_usage('grants Bob', include_http => true, with_grant => true) $$, 'granting HTTP and the right to grant');
SELECT ok(has_function_privilege('grants Bob', f, 'EXECUTE'), 'EXECUTE on ' || f) FROM unnest(ARRAY['df.http(text,text,text,jsonb,integer)', 'df.http_multipart(text,text,jsonb,jsonb,integer)', 'df.metrics()', 'df.grant_usage(text,boolean,boolean)', 'df.revoke_usage(text)']) f
WHERE to_regprocedure(f) IS NOT NULL;
SELECT ok(has_schema_privilege('grants Bob', 'df', 'USAGE WITH GRANT OPTION'), 'USAGE on df with grant option');

-- What belongs to whom.
SET LOCAL ROLE grants_alice;
SELECT ok(df.setvar('colour', 'red') = 'OK', 'a role sets a variable');
CREATE TEMPORARY TABLE mine AS SELECT df.start('SELECT 1', 'alice''s') AS id;
GRANT SELECT ON mine TO PUBLIC;
SELECT is((SELECT status FROM df.instances WHERE id = (SELECT id FROM mine)), 'pending', 'a role sees its own instance');
SELECT throws_ok($$ UPDATE df.instances SET submitted_by = 'postgres'::regrole $$, '42501', NULL, 'and cannot give it to somebody else');
SELECT throws_ok($$ UPDATE df.nodes SET query = 'SELECT 2' $$, '42501', NULL, 'and cannot change what runs');
SELECT throws_ok($$ DELETE FROM df.instances $$, '42501', NULL, 'and cannot delete it');
RESET ROLE;
SET LOCAL ROLE "grants Bob";
SELECT is(df.getvar('colour'), NULL, 'another role does not see the variable');
SELECT is((SELECT count(*) FROM df.instances), 0::bigint, 'nor the instance');
SELECT is(df.status((SELECT id FROM mine)), NULL, 'nor its status');
SELECT throws_like($$ SELECT df.cancel((SELECT id FROM mine)) $$, '%not found or access denied%', 'and cannot cancel it');
SELECT throws_like($$ SELECT df.signal((SELECT id FROM mine), 'go') $$, '%not found or access denied%', 'nor send it a signal');
RESET ROLE;

SELECT lives_ok($$ SELECT df.revoke_usage('grants_alice') $$, 'revoking');
SELECT lives_ok($$ SELECT df.revoke_usage('grants Bob') $$, 'revoking the right to grant');
SELECT is_empty($$
    SELECT n.nspname, c.relname, x.grantee::regrole, x.privilege_type FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace, aclexplode(c.relacl) x WHERE n.nspname = 'df' AND x.grantee IN ('grants_alice'::regrole, '"grants Bob"'::regrole)
    UNION ALL SELECT nspname, '', x.grantee::regrole, x.privilege_type FROM pg_namespace, aclexplode(nspacl) x WHERE nspname = 'df' AND x.grantee IN ('grants_alice'::regrole, '"grants Bob"'::regrole)
    UNION ALL SELECT 'df', p.proname, x.grantee::regrole, x.privilege_type FROM pg_proc p, aclexplode(p.proacl) x WHERE p.pronamespace = 'df'::regnamespace AND x.grantee IN ('grants_alice'::regrole, '"grants Bob"'::regrole)
    UNION ALL SELECT a.attrelid::regclass::text, a.attname, x.grantee::regrole, x.privilege_type FROM pg_attribute a, aclexplode(a.attacl) x WHERE a.attrelid IN ('df.instances'::regclass, 'df.nodes'::regclass) AND x.grantee IN ('grants_alice'::regrole, '"grants Bob"'::regrole)
$$, 'revoking leaves nothing');
SELECT throws_ok(format('SELECT df.%s(''public'')', f), '42704', 'role "public" does not exist', f || ' is for one role, and not for everybody') FROM unnest(ARRAY['grant_usage', 'revoke_usage']) f;

SELECT * FROM finish();
ROLLBACK;
