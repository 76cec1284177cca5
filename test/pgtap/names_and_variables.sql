-- Names and variables (semantics §6, surface §3 "Variables"): what $name and {variable} become, where results flow, and who may write.
\ir setup.psql
SELECT no_plan();

-- Every value comes out of $n::numeric and $n::text as it went in --------------------------------------------------------------
CREATE TABLE public.samples (v text PRIMARY KEY);
INSERT INTO samples VALUES ('plain'), ('it''s'), ('"double"'), ('back\slash'), ('\'), ('\\'''), ('$n'), ('$$'), ('$tag$'), ('{x}'), ('%s %I'), ('--'), ('/*'), ('; DROP TABLE effects; --'), (''''';'), (' spaces '), (E'line\nline\ttab\r'), (E'\u0001\u007f'), ('Grüße 世界 🐘'), (''), ('NULL'), ('null'), ('true'), ('1e5'), ('-0'), ('007'), ('E''x'''), ('U&"x"'), (repeat('''\', 5000));
SELECT go('text ' || v, (format('SELECT %L AS v', v) |=> 'n') ~> 'SELECT $n::text AS a, $n AS b, $n.v AS c, (SELECT v FROM $n.*) AS d, $n? || '''' AS e, ARRAY[$n,$n.v?]::text[] AS f, $n||$n AS g') FROM samples;
CALL df.work() \gset
SELECT is(result('text ' || v) #> '{rows,0}', jsonb_build_object('a', v, 'b', v, 'c', v, 'd', v, 'e', v, 'f', jsonb_build_array(v, v), 'g', v || v), 'text: ' || quote_literal(left(v, 40))) FROM samples;
CREATE TABLE public.numbers (n numeric PRIMARY KEY);
INSERT INTO numbers VALUES (0), (1), (-1), (1.50), (-0.05), (1e-10), (1e10), (12345678901234567890123456789.123456789), (9223372036854775807), (-9223372036854775808), ('NaN'), (1e300);
SELECT go('number ' || n, (format('SELECT %L::numeric AS v', n) |=> 'n') ~> 'SELECT $n::numeric AS a, 0 +$n::numeric AS b, $n::text AS c, 1 - $n::numeric AS d, (SELECT v::numeric FROM $n.*) AS e') FROM numbers;
SELECT go('int8 ' || n, (format('SELECT %L::int8 AS v', n) |=> 'n') ~> 'SELECT $n::numeric AS a, $n::text AS c, 5 -$n AS d, $n + 0 AS e, (SELECT v + 0 FROM $n.*) AS f') FROM unnest(ARRAY[0, 7, -7, 9223372036854775807]) n;
SELECT go('float ' || n, (format('SELECT %L::float8 AS v', n) |=> 'n') ~> 'SELECT $n::float8 AS a, $n::float8::text AS b') FROM unnest(ARRAY['0.1', '-1.5', '1e300', '1e-300', '0.30000000000000004', '123456789.12345678', '1e-7']) n;
CALL df.work() \gset
SELECT is(result('number ' || n) #> '{rows,0}', jsonb_build_object('a', n::text, 'b', n::text, 'c', n::text, 'd', (1 - n)::text, 'e', n::text), 'number: ' || n) FROM numbers;
SELECT is(result('int8 ' || n) #> '{rows,0}', jsonb_build_object('a', n::text, 'c', n::text, 'd', CASE WHEN n > -9223372036854775000 THEN 5 - n END, 'e', n, 'f', n), 'int8: ' || n) FROM unnest(ARRAY[0, 7, -7]::int8[]) n;
SELECT is(result('int8 9223372036854775807') #> '{rows,0}', '{"a":"9223372036854775807","c":"9223372036854775807","d":-9223372036854775802,"e":9223372036854775807,"f":9223372036854775807}', 'the largest int8');
SELECT is(result('float ' || n) #>> '{rows,0,b}', n::float8::text, 'float: ' || n) FROM unnest(ARRAY['0.1', '-1.5', '1e300', '1e-300', '0.30000000000000004', '123456789.12345678', '1e-7']) n;

-- The forms -----------------------------------------------------------------------------------------------------------------------
CREATE FUNCTION public.with_results(statement text) RETURNS text LANGUAGE sql AS $$
    SELECT ('SELECT 1 AS b, ''two'' AS a, true AS t, NULL::int AS missing, ''{"k":[1]}''::jsonb AS doc UNION ALL SELECT 9, ''nine'', false, 9, ''{}''' |=> 'n')
        ~> ('SELECT 1 AS x, ''y'' AS y WHERE false' |=> 'none') ~> ('SELECT g AS id, nullif(''t'' || g, ''t2'') AS label FROM generate_series(1, 3) g' |=> 'many') ~> ('SELECT NULL AS v' |=> 'empty') ~> ('SELECT 1 AS "Mixed", 2 AS "odd name"' |=> 'nn') ~> statement
$$;
CREATE TABLE public.forms (statement text PRIMARY KEY, expected text);
INSERT INTO forms VALUES
    ('SELECT $n', '1'), ('SELECT $n.b', '1'), ('SELECT $n.a', 'two'), ('SELECT $n.t', 'true'), ('SELECT NOT $n.t', 'false'), ('SELECT $n.doc::jsonb -> ''k'' ->> 0', '1'), ('SELECT $n?', '1'), ('SELECT $n.a?', 'two'), ('SELECT $n.missing? IS NULL', 'true'),
    ('SELECT $none? IS NULL', 'true'), ('SELECT $none.y? IS NULL', 'true'), ('SELECT $empty? IS NULL', 'true'), ('SELECT $nn.Mixed', '1'), ('SELECT $n$nn', '11'), ('SELECT $n.b+$n.b', '2'), ('SELECT ''[''||$n.a||'']''', '[two]'), ('SELECT 2*$n', '2'), ('SELECT 2-$n', '1'), ('SELECT abs($n)', '1'),
    ('SELECT count(*) FROM $many.*', '3'), ('SELECT sum(id) FROM $many.* WHERE label IS NOT NULL', '4'), ('SELECT many.label FROM $many.* WHERE many.id = 3', 't3'), ('SELECT string_agg(coalesce(label, ''-''), '','' ORDER BY id) FROM $many.*', 't1,-,t3'), ('SELECT 2 IN (SELECT id FROM $many.*)', 'true'),
    ('SELECT count(*) FROM $none.*', '0'), ('SELECT count(x) FROM $none.* WHERE x > 5 OR y = ''z''', '0'), ('SELECT count(*) FROM $many.* JOIN $none.* ON many.id = none.x', '0'), ('SELECT a.id FROM (SELECT * FROM $many.*) a ORDER BY 1 DESC LIMIT 1', '3'), ('SELECT v IS NULL FROM $empty.*', 'true'), ('SELECT "odd name" FROM $nn.*', '2'), ('SELECT a FROM $n.* WHERE missing = 9', 'nine'),
    ('SELECT $$ $n $$', ' 1 '), ('SELECT ''$unknown $1 $$ $ $9 {not_set} {} { n }''', '$unknown $1 $$ $ $9 {not_set} {} { n }'), ('SELECT ''$nope.b $nope.* $nope?''', '$nope.b $nope.* $nope?'), ('SELECT ''$N''', '$N'), ('SELECT $n::text || ''$''', '1$'), ('SELECT ''a'' || $nn', 'a1'), ('SELECT length(''$many'')', '1');
SELECT go(statement, with_results(statement)) FROM forms;
CALL df.work() \gset
SELECT is(cell(statement), expected, 'form: ' || statement) FROM forms;
CREATE TABLE public.wrongs (statement text PRIMARY KEY, reference text, words text);
INSERT INTO wrongs VALUES
    ('SELECT $none', '$none', 'no rows'), ('SELECT $none.x', '$none.x', 'no rows'), ('SELECT $empty', '$empty', 'NULL'), ('SELECT $n.missing', '$n.missing', 'NULL'), ('SELECT $n.nope', '$n.nope', 'no column'), ('SELECT $n.nope?', '$n.nope', 'no column'), ('SELECT $n.B', '$n.B', 'no column'), ('SELECT $none.z', '$none.z', 'no column');
SELECT go(statement, with_results(statement)) FROM wrongs;
CALL df.work() \gset
SELECT alike(error(statement), '%' || reference || '%' || words || '%', 'error: ' || statement || ' names the reference and says ' || words) FROM wrongs;
SELECT alike(error('SELECT $n.nope'), '%"b"%"a"%"t"%"missing"%"doc"%', 'and which columns there are');
SELECT is_empty($$ SELECT what, error(what) FROM started WHERE status(what) <> 'completed' AND what NOT IN (SELECT statement FROM wrongs) $$, 'nothing else fails');

-- Results without rows.
SELECT go(what, fut) FROM (VALUES
    ('a JOIN', (('SELECT 1 AS a' & 'SELECT ''it''''s'' AS b') |=> 'r') ~> 'SELECT $r::jsonb -> 1 -> ''rows'' -> 0 ->> ''b'''), ('a loop', (@> df."break"('{"k": "v''s"}') |=> 'r') ~> 'SELECT $r.k'), ('a loop''s text', (@> df."break"('plain') |=> 'r') ~> 'SELECT $r::jsonb #>> ''{}'''),
    ('a loop''s NULL', (@> df."break"() |=> 'r') ~> 'SELECT $r? IS NULL'), ('no such key', (@> df."break"('{"k": 1}') |=> 'r') ~> 'SELECT $r.other'), ('no object', (@> df."break"('[1]') |=> 'r') ~> 'SELECT $r.k'), ('no rows to list', (@> df."break"('[1]') |=> 'r') ~> 'SELECT * FROM $r.*')) v(what, fut);
CALL df.work() \gset
SELECT is(cell(what), expected, 'a result without rows: ' || what) FROM (VALUES ('a JOIN', 'it''s'), ('a loop', 'v''s'), ('a loop''s text', 'plain'), ('a loop''s NULL', 'true')) v(what, expected);
SELECT matches(error(what), '\$r', 'a result without rows: ' || what) FROM unnest(ARRAY['no such key', 'no object', 'no rows to list']) what;

-- Where results flow ------------------------------------------------------------------------------------------------------------
CREATE SEQUENCE public.rounds;
SELECT go(what, fut) FROM (VALUES
    ('a name is set again', ('SELECT 1' |=> 'n') ~> ('SELECT $n + 1' |=> 'n') ~> ('SELECT $n + 1' |=> 'n') ~> 'SELECT $n'),
    ('a pair''s name', (('SELECT 1' ~> 'SELECT 2') |=> 'n') ~> 'SELECT $n'), ('an IF''s name', (df."if"('SELECT false', 'SELECT 1', 'SELECT 2') |=> 'n') ~> 'SELECT $n'), ('inside an arm', df."if"('SELECT true', 'SELECT 5' |=> 'n', 'SELECT 1') ~> 'SELECT $n'), ('the arm that was not taken', df."if"('SELECT false', 'SELECT 5' |=> 'n', 'SELECT 1') ~> 'SELECT ''$n'''),
    ('a RACE''s name', (('SELECT 3' | df.sleep(3600)) |=> 'n') ~> 'SELECT $n'), ('a name on a sleep is ignored', (df.sleep(0) |=> 'n') ~> 'SELECT ''$n'''), ('before it is set', 'SELECT ''$n''' ~> ('SELECT 1' |=> 'n') ~> 'SELECT 1'),
    ('branches start with a copy', ('SELECT 1' |=> 'n') ~> ((('SELECT $n + 10' |=> 'n') ~> 'SELECT $n') & ('SELECT $n + 20' |=> 'm'))),
    ('a JOIN merges in branch order', df.join3('SELECT 1' |=> 'n', 'SELECT 2' |=> 'n', 'SELECT 3' |=> 'o') ~> 'SELECT $n * 10 + $o'), ('a RACE merges the winner''s', (('SELECT 1' |=> 'n') | (df.sleep(3600) ~> ('SELECT 2' |=> 'n'))) ~> 'SELECT $n'), ('a branch that does not touch a name does not undo it', ('SELECT 0' |=> 'n') ~> (('SELECT 1' |=> 'n') & 'SELECT 2') ~> 'SELECT $n'),
    ('a loop hands on its last', df."loop"('SELECT nextval(''rounds'') AS r' |=> 'n', 'SELECT $n < 3') ~> 'SELECT $n'), ('a loop that is not the root keeps names', ('SELECT 0' |=> 'n') ~> df."loop"('SELECT $n + 1' |=> 'n', 'SELECT $n < 4') ~> 'SELECT $n'),
    ('a root loop starts empty', df."loop"(df."if"('SELECT count(*) > 0 FROM effects WHERE what = ''went round''', df."break"('$n'), 'SELECT note(''went round'')') ~> ('SELECT 1' |=> 'n'))), ('a break value is filled in', ('SELECT ''it''''s'' AS a, 4 AS b' |=> 'n') ~> @> df."break"('{"a": "$n", "b": $n.b, "rows": $n.*}'))) v(what, fut);
CALL df.work() \gset
SELECT is(cell(what), expected, what) FROM (VALUES ('a name is set again', '3'), ('a pair''s name', '2'), ('an IF''s name', '2'), ('inside an arm', '5'), ('the arm that was not taken', '$n'), ('a RACE''s name', '3'), ('a name on a sleep is ignored', '$n'), ('a JOIN merges in branch order', '23'), ('a RACE merges the winner''s', '1'),
    ('a branch that does not touch a name does not undo it', '1'), ('a loop hands on its last', '3'), ('a loop that is not the root keeps names', '4')) v(what, expected);
SELECT is(status('before it is set'), 'completed', 'before it is set a name is not known');
SELECT is(result('branches start with a copy') #> '{0,rows,0}' || (result('branches start with a copy') #> '{1,rows,0}'), '{"?column?":21}', 'branches start with a copy');
SELECT is(result('branches start with a copy') #>> '{0,rows,0,?column?}', '11', 'and see only their own');
SELECT is(result('a root loop starts empty'), '"$n"', 'a root loop starts each iteration empty');
SELECT is(result('a break value is filled in'), '{"a":"it''s","b":4,"rows":[{"a":"it''s","b":4}]}', 'a break value is filled in, unquoted');

-- Not in sleeps, schedules and signal names; two passes, and nothing inserted is scanned again by the same pass.
SELECT df.setvar('go', 'went'), df.setvar('brace', '{go}'), df.setvar('dollar', '$n'), df.setvar('table', 'effects'), df.setvar('empty', ''), df.setvar('with space', 'spaced'), df.setvar('q', 'it''s'), df.setvar('go', 'went') \g /dev/null
SELECT go('signal name', df.wait_for_signal('{go}')), go('variables', ('SELECT 5' |=> 'n') ~> 'SELECT ''{go}'' AS a, ''{brace}'' AS b, {dollar} AS c, (SELECT count(*) >= 0 FROM {table}) AS d, ''[{empty}]'' AS e, ''{with space}'' AS f, $q${q}$q$ AS g, ''{ go}'' AS h, ''{GO}'' AS i, ''{{go}}'' AS j, ''{sys_label}|{sys_instance_id}'' AS k, ''{unclosed'' AS l');
INSERT INTO started SELECT 'no label', df.start('SELECT ''[{sys_label}]''');
SELECT df.clearvars() \g /dev/null
CALL df.work() \gset
SELECT is(result('variables') #> '{rows,0}', jsonb_build_object('a', 'went', 'b', '{go}', 'c', 5, 'd', true, 'e', '[]', 'f', 'spaced', 'g', 'it''s', 'h', '{ go}', 'i', '{GO}', 'j', '{{go}}', 'k', 'variables|' || id('variables'), 'l', '{unclosed'), 'variables are raw text');
SELECT is(cell('no label'), '[]', '{sys_label} is empty without a label');
SELECT is(df.signal(id('signal name'), 'went'), 'OK', 'a signal by the variable''s value');
CALL df.work() \gset
SELECT is(status('signal name'), 'running', 'is not what the wait is for');
SELECT is(df.signal(id('signal name'), '{go}'), 'OK', 'one by the name as it was written');
CALL df.work() \gset
SELECT is(result('signal name') ->> 'signal_name', '{go}', 'is');

-- Variables of a role -----------------------------------------------------------------------------------------------------------
CREATE ROLE names_alice LOGIN;
SELECT df.grant_usage('names_alice') \g /dev/null
GRANT INSERT ON started TO names_alice;
SELECT is(df.setvar('shared', 'the superuser''s'), 'OK', 'df.setvar');
SET SESSION AUTHORIZATION names_alice;
SELECT concat_ws(' ', coalesce(df.getvar('shared'), 'none'), df.setvar('shared', 'alice''s'), df.getvar('shared'), df.setvar('shared', ''), '[' || df.getvar('shared') || ']', df.setvar('shared', 'hers'), df.unsetvar('never set')) AS alices \gset
SELECT go('hers', 'SELECT ''{shared}''');
\! psql -X -q -o /dev/null -U names_alice -c 'CALL df.work()' || echo 'not ok - working as names_alice'
RESET SESSION AUTHORIZATION;
SELECT is(:'alices'::text, 'none OK alice''s OK [] OK OK', 'each role has its own, and an empty value is one');
SELECT is(df.getvar('shared'), 'the superuser''s', 'a superuser sees his own');
SELECT is(cell('hers'), 'hers', 'a workflow gets its submitter''s');
SELECT is((SELECT count(*) FROM df.vars WHERE owner = 'names_alice'::regrole), 1::bigint, 'one row for each');
SELECT is(df.unsetvar('shared') || coalesce(df.getvar('shared'), ' gone'), 'OK gone', 'df.unsetvar');
SELECT is(df.setvar('a', '1') || df.setvar('b', '2') || df.clearvars() || (SELECT count(*) FROM df.vars), 'OKOKOK1', 'df.clearvars clears the caller''s and nobody else''s');
SELECT is(df.setvar(NULL, 'x') IS NULL AND df.setvar('x', NULL) IS NULL AND df.getvar(NULL) IS NULL AND df.unsetvar(NULL) IS NULL, true, 'NULL in, NULL out');
BEGIN;
SELECT df.setvar('x', 'kept?') \g /dev/null
ROLLBACK;
SELECT is(df.getvar('x'), NULL, 'a variable is part of its transaction');

-- Inside a workflow, and inside composers.
SELECT go(what, what) FROM unnest(ARRAY['SELECT df.setvar(''a'', ''b'')', 'SELECT df.unsetvar(''a'')', 'SELECT df.clearvars()', 'SELECT df.getvar(''a'')', 'SELECT df.await_instance(''00000000'')', 'SELECT df.wait_for_completion(''00000000'')', 'SELECT df.start(''SELECT 1'', transaction_mode => ''new'')']) what;
CALL df.work() \gset
SELECT matches(error(what), 'cannot be called inside a workflow', 'inside a workflow: ' || what) FROM unnest(ARRAY['SELECT df.setvar(''a'', ''b'')', 'SELECT df.unsetvar(''a'')', 'SELECT df.clearvars()', 'SELECT df.await_instance(''00000000'')', 'SELECT df.wait_for_completion(''00000000'')']) what;
SELECT is(status('SELECT df.start(''SELECT 1'', transaction_mode => ''new'')'), 'failed', 'inside a workflow a start cannot commit by itself');
SELECT is(status('SELECT df.getvar(''a'')'), 'completed', 'reading is allowed');
SELECT throws_like(statement, '%cannot be used as a workflow step%', statement) FROM unnest(ARRAY[
    'SELECT df.start(df.setvar(''a'', ''b''))', 'SELECT df.setvar(''a'', ''b'') ~> ''SELECT 1''', 'SELECT ''SELECT 1'' ~> df.unsetvar(''a'')', 'SELECT df.seq(''SELECT 1'', df.clearvars())', 'SELECT df."if"(df.setvar(''a'', ''b''), ''SELECT 1'', ''SELECT 2'')', 'SELECT df."loop"(df.setvar(''a'', ''b''))', 'SELECT ''SELECT 1'' & df.setvar(''a'', ''b'')',
    'SELECT df.race(df.setvar(''a'', ''b''), ''SELECT 1'')', 'SELECT df.setvar(''a'', ''b'') |=> ''n''', 'SELECT @> df.clearvars()', 'SELECT ''SELECT 1'' ?> df.setvar(''a'', ''b'') !> ''SELECT 2''', 'SELECT df.join3(''a'', ''b'', df.setvar(''a'', ''b''))', 'SELECT df.if_rows(''r'', ''a'', df.setvar(''a'', ''b''))',
    'SELECT df.if_rows(df.setvar(''a'', ''b''), ''a'', ''b'')', 'SELECT ''a'' |=> df.setvar(''a'', ''b'')', 'SELECT df.setvar(''a'', ''b'') !> ''SELECT 1''', 'SELECT df."as"(''a'', df.clearvars())', 'SELECT df.wait_for_schedule(df.setvar(''a'', ''b''))', 'SELECT df.wait_for_signal(df.clearvars())', 'SELECT df."break"(df.unsetvar(''a''))',
    'SELECT df.start(''SELECT 1'', df.setvar(''a'', ''b''))', format('SELECT df.start(df.await_instance(%L))', id('hers')), format('SELECT df.await_instance(%L) ~> ''SELECT 1''', id('hers')), format('SELECT df.start(df.wait_for_completion(%L))', id('hers'))]) statement;
SET datestyle = 'German';
SELECT throws_like(statement, '%cannot be used as a workflow step%', 'whatever DateStyle is: ' || statement) FROM unnest(ARRAY['SELECT df.start(df.setvar(''a'', ''b''))', format('SELECT df.start(df.await_instance(%L))', id('hers')), format('SELECT df.start(df.wait_for_completion(%L))', id('hers'))]) statement;
RESET datestyle;
SELECT is(df.getvar('a'), NULL, 'and what the helper did is undone with the statement');
SELECT lives_ok($$ SELECT df.setvar('a', 'b'), df.start('SELECT 1') $$, 'a helper beside a start is fine');
SELECT lives_ok($$ SELECT df.seq('OK', 'completed') $$, 'so is SQL that reads like what a helper returns');
SELECT lives_ok($$ SELECT df.start('SELECT 1' ~> df.sql('SELECT ''' || coalesce(df.getvar('a'), '') || '''')) $$, 'and a variable that is read while the graph is built');

SELECT * FROM finish();
DROP OWNED BY names_alice CASCADE;
