-- Packaging (surface §1, §8): what an installation consists of, and what dropping it leaves.
BEGIN;
SELECT no_plan();

SELECT is((SELECT extversion FROM pg_extension WHERE extname = 'pg_durable'), df.version(), 'df.version() is the extension''s version');
SELECT is((SELECT extrelocatable FROM pg_extension WHERE extname = 'pg_durable'), false, 'not relocatable');
SELECT is((SELECT n.nspname FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE extname = 'pg_durable'), 'pg_catalog', 'its schema is pg_catalog');
SELECT is((SELECT requires FROM pg_available_extension_versions WHERE name = 'pg_durable' AND version = df.version()), ARRAY['plv8']::name[], 'requires plv8');
SELECT is((SELECT superuser FROM pg_available_extension_versions WHERE name = 'pg_durable' AND version = df.version()), true, 'superuser to create');
SELECT is((SELECT trusted FROM pg_available_extension_versions WHERE name = 'pg_durable' AND version = df.version()), false, 'not trusted');
SELECT ok(NOT current_setting('shared_preload_libraries') ~ 'pg_durable|plv8', 'nothing is preloaded');
SELECT has_schema('df');
SELECT has_schema('_df');

SELECT is_empty($$
    SELECT c.oid::regclass FROM pg_class c
    WHERE c.relnamespace IN ('df'::regnamespace, '_df'::regnamespace) AND c.relkind IN ('r', 'p', 'S', 'v', 'm')
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = c.oid AND d.deptype IN ('e', 'i', 'a'))
$$, 'every relation belongs to the extension');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace IN ('df'::regnamespace, '_df'::regnamespace)
      AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')
$$, 'every function belongs to the extension');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace IN ('df'::regnamespace, '_df'::regnamespace) AND obj_description(p.oid) IS NULL
$$, 'every function has a comment');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p WHERE p.pronamespace IN ('df'::regnamespace, '_df'::regnamespace) AND p.prosecdef
      AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c ~ '^search_path=')
$$, 'every function that runs as its owner pins search_path');
SELECT is_empty($$
    SELECT p.oid::regprocedure FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang
    WHERE p.pronamespace IN ('df'::regnamespace, '_df'::regnamespace) AND p.prosecdef AND l.lanname = 'plv8'
      AND NOT EXISTS (SELECT FROM unnest(p.proconfig) c WHERE c IN ('plv8.start_proc=', 'plv8.start_proc=""'))
$$, 'every JavaScript function that runs as its owner pins plv8.start_proc');

SELECT is((SELECT count(*) FROM _df._worker_ready WHERE schema_version >= 1), 1::bigint, 'the engine is ready after installation');
SELECT ok(has_table_privilege('public', '_df._worker_ready', 'SELECT'), 'PUBLIC may read whether the engine is ready');
SELECT ok(NOT has_table_privilege('public', '_df._worker_ready', 'INSERT, UPDATE, DELETE, TRUNCATE'), 'PUBLIC may not change it');

SELECT is(df.engine_schema(), '_df', 'df.engine_schema()');
SELECT is(df.duroxide_schema(), '_df', 'df.duroxide_schema(), its older name');
SELECT is(df.target_database(), current_database()::text, 'df.target_database() is this one');

-- Dropping leaves nothing, and an existing df is never adopted. Last, as there is no way back but the end.
DROP EXTENSION pg_durable CASCADE;
SELECT hasnt_schema('df', 'DROP EXTENSION leaves no df');
SELECT hasnt_schema('_df', 'DROP EXTENSION leaves no _df');
SELECT is_empty($$ SELECT oprname FROM pg_operator WHERE oprnamespace = 'pg_catalog'::regnamespace AND oprname IN ('~>', '|=>', '?>', '!>') $$, 'DROP EXTENSION leaves no operator');
CREATE SCHEMA df;
SELECT throws_ok('CREATE EXTENSION pg_durable', '42P06', NULL, 'an existing schema df is an error');

SELECT * FROM finish();
ROLLBACK;
