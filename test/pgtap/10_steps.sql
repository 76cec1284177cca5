-- SQL steps (semantics §2, §3, §6): results to the last digit, names and variables, failures, one effect per step.
-- A new session starts with what is set for its database.
ALTER DATABASE :"DBNAME" SET pg_durable.enable_superuser_instances = on;
\c -
SELECT no_plan();

CREATE TABLE public.effects (id serial, what text);
-- Starts a workflow, and later says how it ended.
CREATE TABLE public.started (what text PRIMARY KEY, id text);
CREATE FUNCTION public.go(what text, fut text) RETURNS void LANGUAGE sql AS $$ INSERT INTO public.started VALUES (what, df.start(fut, what)) $$;
CREATE FUNCTION public.status(w text) RETURNS text LANGUAGE sql AS $$ SELECT df.status(id) FROM public.started s WHERE s.what = w $$;
CREATE FUNCTION public.result(w text) RETURNS jsonb LANGUAGE sql AS $$ SELECT df.result(id)::jsonb FROM public.started s WHERE s.what = w $$;
CREATE FUNCTION public.output(w text) RETURNS text LANGUAGE sql AS $$ SELECT l.output FROM df.list_instances() l JOIN public.started s ON s.id = l.instance_id WHERE s.what = w $$;
CREATE FUNCTION public.cell(w text) RETURNS text LANGUAGE sql AS $$ SELECT v.value #>> '{}' FROM jsonb_each(public.result(w) #> '{rows,0}') v $$;

-- What is started is the caller's until it commits.
BEGIN;
SELECT go('rolled back', 'INSERT INTO effects (what) VALUES (''never'')');
ROLLBACK;
BEGIN;
SELECT go('committed', 'INSERT INTO effects (what) VALUES (''once'')');
SELECT is(status('committed'), 'pending', 'pending in the transaction that started it');
COMMIT;
SELECT matches((SELECT id FROM started), '^[0-9a-f]{8}$', 'an id is eight hex digits');
SELECT is((SELECT count(*) FROM effects), 0::bigint, 'nothing runs before somebody works');
SELECT is((SELECT state FROM _df.claim(extract(epoch FROM clock_timestamp()), 0)), 'idle', 'a claim of no steps finds none');
SELECT is(status('committed'), 'pending', 'and leaves what is due alone');
CALL df.work();
SELECT results_eq('SELECT what FROM effects', ARRAY['once'], 'a step that was committed takes effect once, one that was rolled back never');
SELECT is(status('committed'), 'completed', 'and its instance is completed');
SELECT is(result('committed'), '{"rows": [], "row_count": 0}', 'an INSERT without RETURNING returns no rows');
CALL df.work();
SELECT is((SELECT count(*) FROM effects), 1::bigint, 'working again does nothing again');
-- Errors that EXCEPTION WHEN OTHERS lets by, and SQLSTATEs that mean something else to df.work when PostgreSQL raises them itself.
CREATE TABLE public.asserted (a int);
CREATE FUNCTION public.assert_false() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN ASSERT false, 'deferred'; END $$;
CREATE CONSTRAINT TRIGGER deferred AFTER INSERT ON asserted DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION assert_false();
CREATE FUNCTION public.raise_as(code text) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RAISE 'mine' USING ERRCODE = code; END $$;
CREATE FUNCTION public.error(w text) RETURNS text LANGUAGE sql AS $$ SELECT n.error FROM public.started s JOIN df.nodes n ON n.instance_id = s.id WHERE s.what = w $$;
SELECT go('assert', 'DO $$ BEGIN ASSERT false, ''broken''; END $$');
SELECT go('deferred assert', 'INSERT INTO asserted VALUES (1)'), go('deferred assert beside it', 'INSERT INTO asserted VALUES (2)');
SELECT go(code, format('SELECT raise_as(%L)', code)) FROM unnest(ARRAY['57014', '25001', '2D000', 'P0004']) code;
SELECT go('beside them', 'SELECT 1');
CALL df.work();
SELECT is(error('assert'), 'SQL execution failed: broken', 'a failing ASSERT fails its step');
SELECT is(error(w), 'SQL execution failed: deferred', w || ' too') FROM unnest(ARRAY['deferred assert', 'deferred assert beside it']) w;
SELECT is(error(code), 'SQL execution failed: mine', 'so does RAISE with ' || code) FROM unnest(ARRAY['57014', '25001', '2D000', 'P0004']) code;
SELECT is(status('beside them'), 'completed', 'and nothing else');
SELECT go('careful', 'SELECT current_setting(''transaction_isolation'')' ~> 'SELECT current_setting(''transaction_isolation'')');
SET default_transaction_isolation = serializable;
SET default_transaction_read_only = on;
CALL df.work();
SELECT is(current_setting('default_transaction_isolation'), 'serializable', 'the settings of a session that works stay');
RESET default_transaction_isolation;
SET TRANSACTION READ WRITE;
RESET default_transaction_read_only;
SELECT is(cell('careful'), 'read committed', 'steps run in READ COMMITTED whatever transactions are by default');

-- Values.
CREATE TABLE public.samples (name text PRIMARY KEY, expression text, expected jsonb);
INSERT INTO samples VALUES
    ('boolean', 'true', 'true'), ('int2', '1::int2', '1'), ('int8', '9223372036854775807', '9223372036854775807'), ('negative int8', '-9223372036854775808', '-9223372036854775808'),
    ('oid', '4294967295::oid', '4294967295'), ('float8', '1.5::float8', '1.5'), ('NaN', '''NaN''::float8', 'null'), ('infinity', '''-Infinity''::float4', 'null'),
    ('numeric', '12345678901234567890.123456789000', '"12345678901234567890.123456789000"'), ('text', '''a"b''', '"a\"b"'), ('uuid', '''00000000-0000-0000-0000-000000000001''::uuid', '"00000000-0000-0000-0000-000000000001"'),
    ('date', 'date ''2024-06-15''', '"2024-06-15"'), ('timestamp', 'timestamp ''2024-06-15 12:30''', '"2024-06-15T12:30:00"'),
    ('timestamp with fraction', 'timestamp ''2024-06-15 12:30:00.25''', '"2024-06-15T12:30:00.250000"'), ('timestamptz', 'timestamptz ''2024-06-15 14:30+02''', '"2024-06-15T12:30:00+00:00"'),
    ('json', '''{"b": 1, "a": 2}''::json', '{"a": 2, "b": 1}'), ('NULL', 'NULL::int', 'null'), ('array', 'ARRAY[1, 2]', '[1, 2]'), ('numeric array', 'ARRAY[1.50]', '["1.50"]'),
    ('composite', 'ROW(1, ''x'')', '{"f1": 1, "f2": "x"}'), ('interval', 'interval ''1 day''', '"1 day"'), ('inet', 'inet ''10.0.0.1''', '"10.0.0.1"'), ('domain', '''x''::information_schema.sql_identifier', '"x"');
SELECT go('value ' || name, 'SELECT ' || expression || ' AS v') FROM samples;
CALL df.work();
SELECT is(result('value ' || name) #> '{rows,0,v}', expected, 'value: ' || name) FROM samples;

SELECT go('bytea', 'SELECT ''\x00''::bytea');
SELECT go('duplicate columns', 'SELECT 1 AS a, 2 AS a');
SELECT go('no rows', 'SELECT 1 AS a WHERE false');
SELECT go('returning', 'INSERT INTO effects (what) VALUES (''r'') RETURNING what');
CALL df.work();
SELECT is(status('bytea'), 'failed', 'bytea fails its step');
SELECT matches(output('bytea'), 'Unsupported column type.*', 'and says so');
SELECT is(result('duplicate columns') #> '{rows,0}', '{"a": 2}', 'of two columns of one name the last counts');
SELECT is(result('no rows'), '{"rows": [], "row_count": 0}', 'no rows');
SELECT is(result('returning'), '{"rows": [{"what": "r"}], "row_count": 1}', 'RETURNING gives rows');

-- Names: what goes in comes out.
SELECT go('numeric through a name', ('SELECT 0.10000000000000000001' |=> 'n') ~> 'SELECT $n::numeric');
SELECT go('text through a name', ('SELECT $q$it''s \ "it" {x} $y$q$' |=> 'n') ~> 'SELECT $n::text');
SELECT go('null through a name', ('SELECT NULL::int' |=> 'n') ~> 'SELECT $n? IS NULL');
SELECT go('null is an error', ('SELECT NULL::int' |=> 'n') ~> 'SELECT $n');
SELECT go('no rows is an error', ('SELECT 1 WHERE false' |=> 'n') ~> 'SELECT $n');
SELECT go('column', ('SELECT 1 AS a, 2 AS b' |=> 'n') ~> 'SELECT $n.b');
SELECT go('missing column', ('SELECT 1 AS a, 2 AS b' |=> 'n') ~> 'SELECT $n.c');
SELECT go('relation', ('SELECT g AS a FROM generate_series(1, 4) g' |=> 'n') ~> 'SELECT sum(a) FROM $n.*');
SELECT go('in a relation', ('SELECT g AS a FROM generate_series(1, 4) g' |=> 'n') ~> 'SELECT 3 IN (SELECT a FROM $n.*)');
SELECT go('longest name', ('SELECT 1' |=> 'n') ~> ('SELECT 2' |=> 'nn') ~> 'SELECT $nn');
SELECT go('unknown names', 'SELECT ''$foo $1 $$ {unknown}''');
SELECT go('negative', ('SELECT -5' |=> 'n') ~> 'SELECT 3 -$n');
SELECT df.setvar('region', 'eu');
SELECT go('variables', 'SELECT ''{region} {sys_label} {sys_instance_id}''');
SELECT df.setvar('region', 'us');
CALL df.work();
SELECT is(cell(what), expected, what) FROM (VALUES
    ('numeric through a name', '0.10000000000000000001'), ('text through a name', 'it''s \ "it" {x} $y'), ('null through a name', 'true'), ('column', '2'),
    ('relation', '10'), ('in a relation', 'true'), ('longest name', '2'), ('unknown names', '$foo $1 $$ {unknown}'), ('negative', '8')
) v(what, expected);
SELECT is(cell('variables'), 'eu variables ' || (SELECT id FROM started WHERE what = 'variables'), 'variables are those of the start');
SELECT is(status(what), 'failed', what) FROM unnest(ARRAY['null is an error', 'no rows is an error', 'missing column']) what;
SELECT matches(output('missing column'), '.*c.*a.*b.*', 'the error lists the columns there are');

-- Failures.
SELECT go('fails', 'INSERT INTO effects (what) VALUES (''before the error'')' ~> 'SELECT 1/0' ~> 'INSERT INTO effects (what) VALUES (''after the error'')');
SELECT go('undone', 'WITH e AS (INSERT INTO effects (what) VALUES (''undone'') RETURNING 1) SELECT 1 / (SELECT count(*) - 1 FROM e)');
CALL df.work();
SELECT is(status('fails'), 'failed', 'a failing step fails the instance');
SELECT is((SELECT count(*) FROM effects WHERE what IN ('before the error', 'after the error', 'undone')), 1::bigint, 'what came before stays, what comes after never runs, the failing step has no effect');
SELECT matches(output('fails'), 'division by zero', 'the output says why');
SELECT is((SELECT array_agg(inferred_status ORDER BY query) FROM df.instance_nodes((SELECT id FROM started WHERE what = 'fails')) WHERE node_type = 'SQL'),
    ARRAY['skipped', 'completed', 'failed'], 'the nodes say where');
SELECT matches((SELECT error FROM df.nodes WHERE instance_id = (SELECT id FROM started WHERE what = 'fails') AND node_type = 'SQL' AND status = 'failed'), 'division by zero', 'the node has the message');

-- No step sees another one's session.
SELECT go('temporary table', 'CREATE TEMP TABLE left_behind ()' ~> 'SELECT to_regclass(''pg_temp.left_behind'') IS NULL');
SELECT go('setting', 'SET work_mem = ''1MB''' ~> 'SELECT current_setting(''work_mem'') <> ''1MB''');
SELECT go('inside', 'SELECT current_setting(''df.in_workflow'')');
SELECT go('setvar inside', 'SELECT df.setvar(''a'', ''b'')');
CALL df.work();
SELECT is(cell('temporary table'), 'true', 'a temporary table of one step is gone in the next');
SELECT is(cell('setting'), 'true', 'and so is a setting');
SELECT is(cell('inside'), 'true', 'df.in_workflow is true in a step');
SELECT matches(output('setvar inside'), 'cannot be called inside a workflow', 'df.setvar in a step is refused');

SELECT * FROM finish();
