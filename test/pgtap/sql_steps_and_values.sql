-- SQL steps (semantics §3): every type on its way into a result, every kind of statement, what a failure leaves.
\ir setup.psql
SELECT no_plan();

-- Values -----------------------------------------------------------------------------------------------------------------
CREATE TYPE public.mood AS ENUM ('sad', 'it''s "ok"');
CREATE TYPE public.pair AS (a int, b numeric);
CREATE TYPE public.nested AS (p public.pair, t timestamptz, l numeric[]);
CREATE TYPE public.holder AS (data bytea);
CREATE DOMAIN public.price AS numeric(10, 2);
CREATE TABLE public.dropped (a int, gone text, b timestamp);
ALTER TABLE public.dropped DROP gone;
INSERT INTO public.dropped VALUES (1, '2024-01-01');
CREATE FUNCTION public.nothing() RETURNS void LANGUAGE sql AS 'SELECT 1';
CREATE TABLE public.samples (expression text PRIMARY KEY, expected jsonb);
INSERT INTO samples VALUES
    ('false', 'false'), ('NULL::boolean', 'null'), ('32767::int2', '32767'), ('(-2147483648)::int4', '-2147483648'), ('9223372036854775807', '9223372036854775807'), ('(-9223372036854775807 - 1)', '-9223372036854775808'),
    ('1259::oid', '1259'), ('0.1::float4', '0.1'), ('1e300::float8', '1e300'), ('1e-300::float8', '1e-300'), ('''Infinity''::float8', 'null'), ('''NaN''::float4', 'null'), ('-0.0::float8', '0'),
    ('0.1::float8 + 0.2::float8', '0.30000000000000004'),
    ('1.50', '"1.50"'), ('0::numeric', '"0"'), ('1e10::numeric', '"10000000000"'), ('''NaN''::numeric', '"NaN"'), ('-0.000', '"0.000"'), ('100::numeric(10,3)', '"100.000"'), ('19.99::price', '"19.99"'),
    ('(10::numeric ^ 400)::numeric(410,0)', to_jsonb('1' || repeat('0', 400))), ('12345678901234567890123456789.000000000000000000000000000001', '"12345678901234567890123456789.000000000000000000000000000001"'),
    ('''text''::varchar(10)', '"text"'), ('''x''::char(3)', '"x  "'), ('''n''::name', '"n"'), ('''c''::"char"', '"c"'), ('''''', '""'), ('E''\t\n\r\b\f\\"/\u0001''', '"\t\n\r\b\f\\\"/\u0001"'), ('''Grüße 世界 🐘''', '"Grüße 世界 🐘"'),
    ('''a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11''::uuid', '"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'), ('date ''2024-02-29''', '"2024-02-29"'), ('timestamp ''2024-06-15 12:30:00''', '"2024-06-15T12:30:00"'),
    ('timestamp ''2024-06-15 12:30:00.5''', '"2024-06-15T12:30:00.500000"'), ('timestamp ''2024-06-15 12:30:00.000001''', '"2024-06-15T12:30:00.000001"'), ('timestamptz ''2024-06-15 12:30:00+05:30''', '"2024-06-15T07:00:00+00:00"'),
    ('timestamptz ''2024-01-01 00:30:00.25+01''', '"2023-12-31T23:30:00.250000+00:00"'), ('timestamptz ''2024-06-15 12:30:00 America/New_York''', '"2024-06-15T16:30:00+00:00"'), ('timestamptz ''infinity''', '"infinity"'), ('timestamp ''-infinity''', '"-infinity"'), ('date ''infinity''', '"infinity"'),
    ('time ''12:30:00.5''', '"12:30:00.5"'), ('timetz ''12:30+02''', '"12:30:00+02"'), ('interval ''1 day 02:03:04''', '"1 day 02:03:04"'), ('''sad''::mood', '"sad"'), ('''it''''s "ok"''::mood', '"it''s \"ok\""'),
    ('inet ''10.0.0.0/8''', '"10.0.0.0/8"'), ('''08:00:2b:01:02:03''::macaddr', '"08:00:2b:01:02:03"'), ('B''101''', '"101"'), ('point(1,2)', '"(1,2)"'), ('int4range(1,5)', '"[1,5)"'), ('''a b''::tsvector', '"''a'' ''b''"'), ('''pg_class''::regclass', '"pg_class"'), ('''0/16B3748''::pg_lsn', '"0/16B3748"'),
    ('''{"b":[1,{"c":null}],"a":"x"}''::json', '{"b":[1,{"c":null}],"a":"x"}'), ('''{"n":12345678901234567890.10}''::jsonb', '{"n":12345678901234567890.10}'), ('''"text"''::jsonb', '"text"'), ('''null''::json', 'null'), ('''1e3''::json', '1000'), ('''[]''::jsonb', '[]'),
    ('ARRAY[1, NULL, 3]', '[1,null,3]'), ('''{}''::int[]', '[]'), ('ARRAY[[1,2],[3,4]]', '[[1,2],[3,4]]'), ('ARRAY[1.10, 2]', '["1.10","2"]'), ('ARRAY[''a,b'', ''"'', NULL]', '["a,b","\"",null]'), ('ARRAY[timestamptz ''2024-06-15 12:30+02'']', '["2024-06-15T10:30:00+00:00"]'),
    ('ARRAY[''NaN''::float8, 1]', '[null,1]'), ('ARRAY[true, false]', '[true,false]'), ('ARRAY[''{"a":1}''::jsonb]', '[{"a":1}]'), ('''[2:3]={7,8}''::int[]', '[7,8]'), ('ARRAY[19.99]::price[]', '["19.99"]'),
    ('ROW(1, 2.50)::pair', '{"a":1,"b":"2.50"}'), ('ROW(ROW(1, 2.50), ''2024-06-15 12:30+02'', ''{1.0}'')::nested', '{"p":{"a":1,"b":"2.50"},"t":"2024-06-15T10:30:00+00:00","l":["1.0"]}'), ('ROW(1, ''x'')', '{"f1":1,"f2":"x"}'), ('ARRAY[ROW(1, 2.50)::pair]', '[{"a":1,"b":"2.50"}]'),
    ('(SELECT d FROM dropped d)', '{"a":1,"b":"2024-01-01T00:00:00"}'), ('nothing()', 'null'), ('NULL::numeric', 'null'), ('NULL::jsonb', 'null'), ('NULL::pair', 'null'), ('NULL', 'null');
SELECT go(expression, 'SELECT ' || expression || ' AS v') FROM samples;
CALL df.work() \gset
SELECT is(result(expression), jsonb_build_object('rows', jsonb_build_array(jsonb_build_object('v', expected)), 'row_count', 1), 'value: ' || expression) FROM samples;
SELECT go('session time zone', 'SELECT timestamptz ''2024-06-15 12:30:00+00'' AS v');
SET timezone = 'Asia/Kolkata';
SET datestyle = 'German, DMY';
SET intervalstyle = 'iso_8601';
SET extra_float_digits = -10;
SET bytea_output = 'escape';
SELECT go('session styles', 'SELECT date ''2024-06-15'' AS d, interval ''1 day'' AS i, 0.1::float8 + 0.2::float8 AS f');
CALL df.work() \gset
SELECT is(current_setting('timezone') || '; ' || current_setting('datestyle'), 'Asia/Kolkata; German, DMY', 'the settings of the session that drives are as they were');
RESET timezone; RESET datestyle; RESET intervalstyle; RESET extra_float_digits; RESET bytea_output;
SELECT is(cell('session time zone'), '2024-06-15T12:30:00+00:00', 'timestamptz is in UTC whatever the session has');
SELECT is(result('session styles') #> '{rows,0}', '{"d":"2024-06-15","i":"1 day","f":0.30000000000000004}', 'no style of the session reaches a result');

SELECT go(what, statement) FROM (VALUES
    ('bytea', 'SELECT ''\x00''::bytea AS data'), ('bytea NULL', 'SELECT NULL::bytea AS data'), ('bytea without rows', 'SELECT ''''::bytea AS data WHERE false'), ('bytea[]', 'SELECT ARRAY[''\x00''::bytea] AS data'), ('bytea in a composite', 'SELECT ROW(''\x00'')::holder AS data'),
    ('several rows', 'SELECT g AS n, g::text AS t FROM generate_series(1, 3) g'), ('duplicate names', 'SELECT 1 AS a, 2 AS b, 3 AS a'), ('no columns', 'SELECT FROM generate_series(1, 2)'), ('strange names', 'SELECT 2 AS "it''s ""quoted""", 3 AS "ä b"'),
    ('unnamed', 'SELECT 1, 2'), ('json with u0000', 'SELECT ''"\u0000"''::json'), ('json with an enormous number', 'SELECT ''1e200000''::json'), ('a large text', 'SELECT repeat(''x'', 1000000) AS x'), ('many rows', 'SELECT g FROM generate_series(1, 20000) g')) v(what, statement);
CALL df.work() \gset
SELECT matches(error(what), 'Unsupported column type', what || ': unsupported') FROM unnest(ARRAY['bytea', 'bytea NULL', 'bytea without rows', 'bytea[]', 'bytea in a composite']) what;
SELECT is(n.status_details ->> 'hint' ~ 'encode\(', true, 'with the hint to use encode()') FROM df.nodes n WHERE n.instance_id = id('bytea');
SELECT is(result('several rows'), '{"rows":[{"n":1,"t":"1"},{"n":2,"t":"2"},{"n":3,"t":"3"}],"row_count":3}', 'rows in order, and how many');
SELECT is(result('duplicate names') #> '{rows,0}', '{"a":3,"b":2}', 'of duplicate names the last wins');
SELECT is(result('no columns'), '{"rows":[{},{}],"row_count":2}', 'rows without columns');
SELECT is(result('strange names') #> '{rows,0}', '{"it''s \"quoted\"":2,"ä b":3}', 'names are any text');
SELECT is(result('unnamed') #> '{rows,0}', '{"?column?":2}', 'unnamed columns share a name');
SELECT is(status(what), 'failed', what || ' fails its step, not the engine') FROM unnest(ARRAY['json with u0000', 'json with an enormous number']) what;
SELECT is(length(cell('a large text')), 1000000, 'a large value');
SELECT is((result('many rows') ->> 'row_count')::int + jsonb_array_length(result('many rows') -> 'rows'), 40000, 'many rows');

-- Statements -----------------------------------------------------------------------------------------------------------------
CREATE TABLE public.t (id int PRIMARY KEY, v text);
CREATE PROCEDURE public.fills(n int) LANGUAGE sql AS 'INSERT INTO public.t SELECT g, ''called'' FROM generate_series(100, 99 + n) g';
CREATE PROCEDURE public.gives(INOUT x int) LANGUAGE plpgsql AS 'BEGIN x := x * 2; END';
-- In this order, each in its own workflow, so the next sees what the one before did.
SELECT go(what, statement) FROM (VALUES
    (1, 'INSERT', 'INSERT INTO t SELECT g, ''new'' FROM generate_series(1, 3) g')) v(n, what, statement);
CALL df.work() \gset
SELECT is(result('INSERT'), '{"rows":[],"row_count":0}', 'INSERT without RETURNING: no rows, and a row_count of rows returned');
SELECT go('all', ('INSERT INTO t VALUES (4, ''x'') RETURNING id, v' |=> 'inserted') ~> ('UPDATE t SET v = ''changed'' WHERE id < 3 RETURNING id' |=> 'updated') ~> ('UPDATE t SET v = ''again''' |=> 'blind')
    ~> ('DELETE FROM t WHERE id = 4 RETURNING *' |=> 'deleted') ~> ('WITH a AS (SELECT 1 AS x) SELECT x FROM a' |=> 'cte') ~> ('WITH i AS (INSERT INTO t VALUES (5, ''cte'') RETURNING id) SELECT id + 1 AS y FROM i' |=> 'dmlcte')
    ~> ('VALUES (1, ''a''), (2, ''b'')' |=> 'vals') ~> ('TABLE t' |=> 'tab') ~> ('(SELECT 1 AS p)' |=> 'parens') ~> ('SELECT 1 AS u UNION ALL SELECT 2' |=> 'uni') ~> ('SHOW server_version_num' |=> 'shown') ~> ('EXPLAIN (COSTS off) SELECT 1' |=> 'plan')
    ~> ('CALL fills(2)' |=> 'called') ~> ('CALL gives(21)' |=> 'gave') ~> ('DO $d$ BEGIN PERFORM public.note(''done by DO''); END $d$' |=> 'block') ~> ('CREATE TABLE made (x int)' |=> 'ddl') ~> ('CREATE TABLE made_as AS SELECT 7 AS x' |=> 'ctas')
    ~> ('SELECT 8 AS x INTO made_into' |=> 'into_') ~> ('TRUNCATE made' |=> 'trunc') ~> ('CREATE INDEX ON made (x)' |=> 'idx') ~> ('ANALYZE made' |=> 'ana') ~> ('GRANT SELECT ON made TO PUBLIC' |=> 'grants') ~> ('LOCK TABLE made' |=> 'locked')
    ~> ('NOTIFY some_channel, ''hello''' |=> 'notified') ~> ('SET work_mem = ''1MB''' |=> 'setting') ~> ('SELECT 1 AS semi;' |=> 'semi') ~> (E'-- first\n/* second /* nested */ */ SELECT 2 AS c -- last' |=> 'comments') ~> (E'SELECT 3 AS d; -- end\n ;' |=> 'ends')
    ~> ('SELECT $$a;b$$ AS dollar, '';'' AS quoted, 1 AS ";"' |=> 'semicolons') ~> ('PREPARE p AS SELECT 1' |=> 'prep') ~> ('SELECT xmin IS NOT NULL AS sys, tableoid::regclass::text AS tab FROM made_as' |=> 'syscols') ~> ('DROP TABLE made' |=> 'dropped'));
CALL df.work() \gset
SELECT is(output('all'), '{"rows": [], "row_count": 0}', 'all kinds of statements');
CREATE FUNCTION public.named(w text, n text) RETURNS jsonb LANGUAGE sql AS $$ SELECT d.result FROM df.nodes d WHERE d.instance_id = public.id(w) AND d.result_name = n $$;
SELECT is(named('all', name), expected, 'statement: ' || name) FROM (VALUES
    ('inserted', '{"rows":[{"id":4,"v":"x"}],"row_count":1}'::jsonb), ('updated', '{"rows":[{"id":1},{"id":2}],"row_count":2}'), ('blind', '{"rows":[],"row_count":0}'), ('deleted', '{"rows":[{"id":4,"v":"again"}],"row_count":1}'), ('cte', '{"rows":[{"x":1}],"row_count":1}'),
    ('dmlcte', '{"rows":[{"y":6}],"row_count":1}'), ('vals', '{"rows":[{"column1":1,"column2":"a"},{"column1":2,"column2":"b"}],"row_count":2}'), ('parens', '{"rows":[{"p":1}],"row_count":1}'), ('uni', '{"rows":[{"u":1},{"u":2}],"row_count":2}'),
    ('plan', '{"rows":[{"QUERY PLAN":"Result"}],"row_count":1}'), ('called', '{"rows":[],"row_count":0}'), ('gave', '{"rows":[{"x":42}],"row_count":1}'), ('block', '{"rows":[],"row_count":0}'), ('ddl', '{"rows":[],"row_count":0}'), ('ctas', '{"rows":[],"row_count":0}'), ('into_', '{"rows":[],"row_count":0}'),
    ('idx', '{"rows":[],"row_count":0}'), ('notified', '{"rows":[],"row_count":0}'), ('setting', '{"rows":[],"row_count":0}'), ('semi', '{"rows":[{"semi":1}],"row_count":1}'), ('comments', '{"rows":[{"c":2}],"row_count":1}'), ('ends', '{"rows":[{"d":3}],"row_count":1}'),
    ('semicolons', '{"rows":[{"dollar":"a;b","quoted":";",";":1}],"row_count":1}'), ('syscols', '{"rows":[{"sys":true,"tab":"made_as"}],"row_count":1}')) v(name, expected);
SELECT is((SELECT count(*) FROM t WHERE v = 'called'), 2::bigint, 'CALL had its effect');
SELECT is(notes('done by DO'), 'done by DO', 'DO had its effect, once');
SELECT is((SELECT x FROM made_as) + (SELECT x FROM made_into), 15, 'CREATE TABLE AS and SELECT INTO');
SELECT hasnt_table('made');

SELECT go(what, what) FROM unnest(ARRAY['SELECT 1; SELECT 2', '-- nothing', ';', 'SELEC 1', 'SELECT * FROM no_such_table', 'SELECT $1', 'COPY t TO STDOUT', 'COPY t FROM STDIN', 'SELECT note(''in two''); DROP TABLE t']) what;
SELECT go(what, what) FROM unnest(ARRAY['BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT s', 'START TRANSACTION', 'END', 'ABORT', 'PREPARE TRANSACTION ''x''', 'DO $$ BEGIN COMMIT; END $$']) what;
CALL df.work() \gset
SELECT is(status(what), 'failed', 'refused: ' || what) FROM unnest(ARRAY['SELECT 1; SELECT 2', '-- nothing', ';', 'SELEC 1', 'SELECT * FROM no_such_table', 'SELECT $1', 'COPY t TO STDOUT', 'COPY t FROM STDIN', 'SELECT note(''in two''); DROP TABLE t',
    'BEGIN', 'COMMIT', 'ROLLBACK', 'SAVEPOINT s', 'START TRANSACTION', 'END', 'ABORT', 'PREPARE TRANSACTION ''x''']) what;
SELECT is(notes('in two'), NULL, 'of two statements in one step none runs');
SELECT has_table('t');

-- Failures --------------------------------------------------------------------------------------------------------------------
CREATE TABLE public.parent (id int PRIMARY KEY);
CREATE TABLE public.child (id int REFERENCES parent DEFERRABLE INITIALLY DEFERRED);
CREATE FUNCTION public.complains(message text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING MESSAGE = message, DETAIL = 'the detail', HINT = 'the hint', ERRCODE = 'XY123';
END $$;
SELECT go('fails', 'SELECT note(''before'')' ~> 'SELECT note(''undone'') || 1/0' ~> 'SELECT note(''after'')');
SELECT go('deferred', 'INSERT INTO child VALUES (1)' ~> 'SELECT note(''after deferred'')');
SELECT go('complaint', df.seq('SELECT ''{"k":"v"}''::json' |=> 'x', 'SELECT complains(''50% of "this" it''''s '' || $x::json::text || E''\nsecond line'')'));
SELECT go('empty complaint', 'SELECT complains('''')');
SELECT go('a step that catches', 'DO $d$ BEGIN PERFORM 1/0; EXCEPTION WHEN division_by_zero THEN PERFORM note(''caught''); END $d$');
CALL df.work() \gset
SELECT is(notes('before') || coalesce(notes('undone'), '') || coalesce(notes('after%'), ''), 'before', 'a failing step has no effect; what came before stays; what comes after never runs');
SELECT is((n.status, n.error, n.result)::text, ('failed', 'SQL execution failed: division by zero', '"SQL execution failed: division by zero"'::jsonb)::text, 'its node: failed, the message in error and, as a JSON string, in result') FROM df.nodes n WHERE n.instance_id = id('fails') AND n.query LIKE '%undone%';
SELECT is((n.status, n.result)::text, ('pending', NULL::jsonb)::text, 'the node after it is as it was') FROM df.nodes n WHERE n.instance_id = id('fails') AND n.query LIKE '%after%';
SELECT is((n.status, n.error)::text, ('failed', 'SQL execution failed: division by zero')::text, 'the pair failed with it') FROM df.nodes n JOIN df.instances i ON (i.id, i.root_node) = (n.instance_id, n.id) WHERE n.instance_id = id('fails');
SELECT is(df.result(id('fails')), NULL, 'a failed instance has no result');
SELECT is((SELECT (completed_at, status)::text FROM df.instances WHERE id = id('fails')), '(,failed)', 'and no time of completion');
SELECT matches(output('fails'), 'division by zero', 'and says why');
SELECT matches(error('deferred'), 'violates foreign key constraint', 'a deferred constraint fails the step that broke it');
SELECT is(coalesce(notes('after deferred'), 'none') || (SELECT count(*) FROM child), 'none0', 'and that has no effect either');
SELECT is(error('complaint'), E'SQL execution failed: 50% of "this" it''s {"k":"v"}\nsecond line', 'a message is kept to the letter');
SELECT is((SELECT n.result #>> '{}' FROM df.nodes n WHERE n.instance_id = id('complaint') AND n.query LIKE '%complains%'), error('complaint'), 'in the result too');
SELECT is((d ->> 'sqlstate', d ->> 'detail', d ->> 'hint')::text, ('XY123', 'the detail', 'the hint')::text, 'SQLSTATE, detail and hint are kept') FROM (SELECT n.status_details FROM df.nodes n WHERE n.instance_id = id('complaint') AND n.query LIKE '%complains%') v(d);
SELECT alike(d ->> 'statement', '%''{"k":"v"}''::json%', 'and the statement after substitution') FROM (SELECT n.status_details FROM df.nodes n WHERE n.instance_id = id('complaint') AND n.query LIKE '%complains%') v(d);
SELECT is(status('empty complaint'), 'failed', 'an empty message is a failure as well');
SELECT is(status('a step that catches'), 'completed', 'what a step catches itself is no failure');
SELECT is(status(what), 'failed', 'an error in ' || what) FROM unnest(ARRAY['deferred', 'complaint']) what;

-- A session of its own --------------------------------------------------------------------------------------------------------
CREATE ROLE steps_alice LOGIN;
SELECT current_user AS owner \gset
SELECT df.grant_usage('steps_alice') \g /dev/null
CREATE SCHEMA steps_alice AUTHORIZATION steps_alice;
ALTER ROLE steps_alice SET search_path = steps_alice;
ALTER ROLE steps_alice SET application_name = 'her own';
GRANT INSERT ON started TO steps_alice;
CREATE TABLE public.secret (x int);
CREATE TABLE public.kept (settings text, temporary bigint);
GRANT INSERT ON kept TO steps_alice;
SET SESSION AUTHORIZATION steps_alice;
SET search_path = public, pg_temp;
SET work_mem = '3MB';
SET application_name = 'the caller';
CREATE TEMP TABLE callers_own (x int);
SELECT go(what, statement) FROM (VALUES
    ('who', 'SELECT current_user, session_user, current_setting(''df.in_workflow'') AS inside, current_setting(''is_superuser'') AS super'),
    ('callers settings', 'SELECT current_setting(''work_mem'') <> ''3MB'' AS fresh, current_setting(''application_name'') NOT IN (''the caller'', ''the driver'') AS renamed'),
    ('temp of another step', df.seq('CREATE TEMP TABLE leftover AS SELECT 1 AS x', 'SELECT * FROM leftover')), ('setting of another step', df.seq('SET my.setting = ''x''', 'SELECT coalesce(current_setting(''my.setting'', true), '''') AS v')),
    ('search_path of another step', df.seq('SET search_path = information_schema', 'SELECT current_schemas(true)::text AS v')), ('role of another step', df.seq('SET ROLE steps_alice', 'SELECT current_setting(''role'') AS v')),
    ('cannot become', 'SET ROLE postgres'), ('cannot read', 'SELECT * FROM public.secret'), ('cannot write nodes', 'UPDATE df.nodes SET query = ''x'''),
    ('isolation of another step', df.seq('SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY', 'CREATE TABLE steps_alice.made ()')), ('local in a step', 'SELECT set_config(''df.in_workflow'', '''', false)'), ('still inside', 'SELECT current_setting(''df.in_workflow'') AS v')) v(what, statement);
RESET SESSION AUTHORIZATION;
RESET work_mem;
RESET search_path;
\! psql -X -q -o /dev/null -U steps_alice -c "SET search_path = public, pg_temp; SET work_mem = '3MB'; SET application_name = 'the driver'; CREATE TEMP TABLE drivers_own (x int)" -c 'CALL df.work()' -c "INSERT INTO kept SELECT concat_ws('; ', current_setting('search_path'), current_setting('work_mem'), current_setting('application_name'), current_setting('df.in_workflow', true)), count(*) FROM drivers_own" || echo 'not ok - working as steps_alice'
SELECT is(settings, 'public, pg_temp; 3MB; the driver; ', 'the settings of the session that works are as they were') FROM kept;
SELECT is(temporary, 0::bigint, 'and so are its temporary tables') FROM kept;
SELECT is(result('who') #> '{rows,0}', '{"current_user":"steps_alice","session_user":"steps_alice","inside":"true","super":"off"}', 'a step runs as the submitter and nothing else');
SELECT is(result('callers settings') #> '{rows,0}', '{"fresh":true,"renamed":true}', 'no setting of the session that called df.start');
SELECT matches(error('temp of another step'), 'leftover', 'no temporary table of another step');
SELECT is(cell('setting of another step'), '', 'no setting of another step');
SELECT unalike(cell('search_path of another step'), '%information_schema%', 'no search_path of another step');
SELECT is(cell('role of another step'), 'none', 'no role of another step');
SELECT matches(error(what), 'permission denied|must be', what) FROM unnest(ARRAY['cannot become', 'cannot read', 'cannot write nodes']) what;
SELECT is(status('isolation of another step'), 'completed', 'no default of another step');
SELECT is(cell('still inside'), 'true', 'df.in_workflow is true in every step, whatever one does to it');

-- Nobody's steps run in a session of somebody else, who could come back into it.
SET SESSION AUTHORIZATION steps_alice;
SELECT throws_ok(call, '42501', 'steps of "steps_alice" run only in sessions that logged in as "steps_alice", and this session logged in as "' || :'owner' || '"', call || ' after SET SESSION AUTHORIZATION') FROM unnest(ARRAY['CALL df.work()', 'CALL df.drive(1)']) call;
RESET SESSION AUTHORIZATION;

-- Several at once: a step that is known to be quick and one that is not yet both go on.
SELECT go('quick ' || n, 'SELECT ''quick''') FROM generate_series(1, 8) n;
CALL df.work() \gset
SELECT go('quick again', 'SELECT ''quick'''), go('new', 'SELECT ''new''');
CALL df.work(10) \gset
SELECT is(status('quick again') || ' ' || status('new'), 'completed completed', 'a quick step and a new one run side by side');
-- A bound is a bound.
SELECT go('bounded ' || n, 'SELECT note(''bounded'')') FROM generate_series(1, 10) n;
CALL df.work(10, 3) \gset
SELECT is((:'steps'::bigint, :'more'::boolean, (SELECT count(*) FROM effects WHERE what = 'bounded'))::text, '(3,t,3)', 'max_steps');
CALL df.work() \gset
SELECT is((:'steps'::bigint, :'more'::boolean, (SELECT count(*) FROM effects WHERE what = 'bounded'))::text, '(7,f,10)', 'the rest');
SELECT throws_like(format('CALL df.work(%s)', arguments), '%df.work needs positive limits%', 'df.work refuses ' || arguments) FROM unnest(ARRAY['0', '-1', 'NULL', '10, 0', '10, NULL', '''NaN''']) arguments;

SELECT * FROM finish();
DROP OWNED BY steps_alice CASCADE;
