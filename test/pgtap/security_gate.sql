-- What the shipped SQL may look like: pinned paths, no text of a caller in a definer's EXECUTE, nothing for PUBLIC that
-- the contract does not give.
BEGIN;
CREATE EXTENSION IF NOT EXISTS pgtap;
SELECT plan(10);

CREATE TEMP VIEW ours AS
    SELECT p.oid, p.oid::regprocedure::text AS signature, p.proname, n.nspname, p.prosecdef, p.prosrc, p.proacl, p.proowner,
        l.lanname, coalesce(p.proconfig, '{}') AS config
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
    WHERE n.nspname IN ('df', '_df');

SELECT is_empty($$ SELECT signature FROM ours WHERE NOT EXISTS (SELECT FROM unnest(config) c WHERE c IN ('search_path=pg_catalog, pg_temp'))
    AND (nspname, proname) NOT IN (('df', 'work'), ('df', 'drive'), ('_df', 'select_into')) $$,
    'every function pins its search_path, but for df.work and df.drive, which could not commit, and _df.select_into, which runs the caller''s statement');
SELECT is_empty($$ SELECT signature FROM ours WHERE prosecdef AND lanname = 'plv8' AND NOT EXISTS (SELECT FROM unnest(config) c WHERE c ~ '^plv8\.start_proc=("")?$') $$,
    'every SECURITY DEFINER function in JavaScript pins plv8.start_proc');
SELECT is_empty($$ SELECT signature FROM ours WHERE prosecdef AND prosrc ~* '\mexecute\M' AND lanname <> 'plv8' $$,
    'no SECURITY DEFINER function in SQL or PL/pgSQL executes a text');
SELECT is_empty($$ SELECT signature FROM ours WHERE proname IN ('work', 'drive', 'select_into') AND prosecdef $$,
    'what runs a user''s SQL has the rights of its caller');

-- df.work has no pinned path: every function and operator in it carries its schema.
SELECT is_empty($$
    SELECT m[1] FROM ours, regexp_matches(regexp_replace(regexp_replace(prosrc, '--[^\n]*', '', 'g'), '''[^'']*''', '', 'g'),
        '(?:^|[^.\w])([a-z_]\w*)\s*\(', 'g') m
    WHERE nspname = 'df' AND proname IN ('work', 'drive') AND m[1] NOT IN ('operator', 'in', 'any', 'and', 'or', 'not', 'exists', 'array', 'least', 'greatest', 'coalesce', 'values', 'when', 'if', 'from', 'select', 'then', 's', 'o')
$$, 'df.work calls no function without its schema');
-- What is left of its operators once those with a schema, PL/pgSQL's own signs (:=, .., <<label>>, the = of GET STACKED
-- DIAGNOSTICS), casts, UNLISTEN * and named arguments are taken out.
SELECT is_empty($$
    SELECT m[1] FROM ours, regexp_replace(prosrc, '--[^\n]*', '', 'g') a, regexp_replace(a, '''[^'']*''', '', 'g') b,
        regexp_replace(b, 'OPERATOR\(pg_catalog\.[^)]*\)|:=|=>|::|<<\w+>>|UNLISTEN \*|\w+ = (RETURNED_SQLSTATE|MESSAGE_TEXT|PG_EXCEPTION_\w+)|(ERRCODE|HINT|DETAIL) = |max_seconds = %', '', 'g') c,
        regexp_matches(c, '[^\n]*[-+*/<>=~!@#%^&|]+[^\n]*', 'g') m
    WHERE nspname = 'df' AND proname IN ('work', 'drive')
$$, 'df.work uses no operator without its schema');

SELECT set_eq($$ SELECT signature FROM ours WHERE NOT has_function_privilege('public', oid, 'EXECUTE') AND nspname = 'df' $$,
    ARRAY['df.http(text,text,text,jsonb,integer)', 'df.http_multipart(text,text,jsonb,jsonb,integer)', 'df.update_node_status(text,text,text,jsonb,text)',
          'df.metrics()', 'df.grant_usage(text,boolean,boolean)', 'df.revoke_usage(text)'],
    'of df, PUBLIC may not execute what the contract keeps back, and may execute the rest');
-- Whoever adds one has to say here why everybody may call it: it acts for the session user (claim ... split), asks for a row
-- that the caller has just written (enroll ... end_cancelled), or has the rights of its caller.
SELECT set_eq($$ SELECT signature FROM ours WHERE has_function_privilege('public', oid, 'EXECUTE') AND nspname = '_df' AND prosecdef $$,
    ARRAY['_df.claim(double precision,integer)', '_df.claim_external(double precision)', '_df.finish(text[],double precision[],double precision)', '_df.split()',
          '_df.enroll(text,text,text)', '_df.keep_signal(text,text,text)', '_df.end_cancelled(text,text)'],
    'of the functions of _df that run as the installer, PUBLIC may execute no others');
SELECT set_eq($$ SELECT c.oid::regclass::text || ' ' || a.privilege_type FROM pg_class c, aclexplode(c.relacl) a
    WHERE c.relnamespace IN ('df'::regnamespace, '_df'::regnamespace) AND a.grantee = 0 $$,
    ARRAY['_df._worker_ready SELECT', '_df.runs SELECT', '_df.rounds SELECT'],
    'PUBLIC may read the readiness row and, through row-level security, its own runs; no other table');
SELECT ok(NOT has_schema_privilege('public', 'df', 'USAGE') AND has_schema_privilege('public', '_df', 'USAGE')
    AND NOT has_schema_privilege('public', '_df', 'CREATE'), 'USAGE of df is granted by df.grant_usage alone');

SELECT * FROM finish();
ROLLBACK;
