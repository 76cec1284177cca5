-- Truth and IF (semantics §4): every kind of value as a condition, of IF and of loops, and df.if_rows.
\ir setup.psql
SELECT no_plan();

CREATE TYPE public.pair AS (a int, b int);
CREATE TABLE public.truths (condition text PRIMARY KEY, expected boolean);
INSERT INTO truths VALUES
    ('SELECT true', true), ('SELECT false', false), ('SELECT NULL::boolean', false), ('SELECT NULL', false),
    ('SELECT 1', true), ('SELECT -1', true), ('SELECT 0', false), ('SELECT 0::int8', false), ('SELECT 0.0::float8', false), ('SELECT 1e-300::float8', true), ('SELECT ''NaN''::float8', false), ('SELECT ''Infinity''::float8', false),
    ('SELECT 0::numeric', false), ('SELECT 0.000', false), ('SELECT 0.001', true), ('SELECT -0.5', true), ('SELECT ''NaN''::numeric', true), ('SELECT ''1e-400''::numeric', true), ('SELECT 5::oid', true), ('SELECT 0::oid', false),
    ('SELECT ''''', false), ('SELECT ''   ''', false), ('SELECT E''\t\n''', false), ('SELECT ''true''', true), ('SELECT ''TRUE''', true), ('SELECT ''t''', true), ('SELECT ''T''', true), ('SELECT ''yes''', true), ('SELECT ''Yes''', true), ('SELECT '' true ''', true),
    ('SELECT ''false''', false), ('SELECT ''FALSE''', false), ('SELECT ''f''', false), ('SELECT ''F''', false), ('SELECT ''no''', false), ('SELECT ''No ''', false), ('SELECT ''n''', true), ('SELECT ''off''', true),
    ('SELECT ''0''', false), ('SELECT ''00''', false), ('SELECT ''0.0''', false), ('SELECT '' -0 ''', false), ('SELECT ''1''', true), ('SELECT ''0.1''', true), ('SELECT ''-3''', true), ('SELECT ''0e5''', false), ('SELECT ''1e-999''', true), ('SELECT ''0x0''', true), ('SELECT ''anything''', true), ('SELECT ''null''', true),
    ('SELECT ''[]''::jsonb', false), ('SELECT ''{}''::jsonb', false), ('SELECT ''[0]''::jsonb', true), ('SELECT ''{"a":false}''::jsonb', true), ('SELECT ''false''::jsonb', false), ('SELECT ''"no"''::jsonb', false), ('SELECT ''0''::json', false), ('SELECT ''null''::json', false),
    ('SELECT ARRAY[]::int[]', false), ('SELECT ARRAY[NULL]::int[]', true), ('SELECT ROW(NULL, NULL)::pair', true), ('SELECT date ''2024-01-01''', true), ('SELECT interval ''0''', true),
    ('SELECT 1 WHERE false', false), ('SELECT', false), ('SELECT false AS z, true AS a', false), ('SELECT true AS z, false AS a', true), ('VALUES (0), (1)', false), ('VALUES (1), (0)', true),
    ('INSERT INTO effects (what) VALUES (''no rows come back'')', false), ('INSERT INTO effects (what) VALUES (''a row comes back'') RETURNING true', true), ('CREATE TABLE IF NOT EXISTS nothing_returned ()', false);
SELECT go('if ' || condition, df."if"(condition, 'SELECT ''then'' AS v', 'SELECT ''else'' AS v')) FROM truths;
CALL df.work() \gset
SELECT is(cell('if ' || condition), CASE WHEN expected THEN 'then' ELSE 'else' END, 'if: ' || condition) FROM truths;

-- Results that are no rows count as a whole.
SELECT go(what, df."if"(condition, 'SELECT ''then''', 'SELECT ''else''')) FROM (VALUES
    ('a JOIN', 'SELECT false' & 'SELECT false'), ('a loop that breaks with nothing', @> df."break"()), ('a loop that breaks with 0', @> df."break"('0')), ('a loop that breaks with false', @> df."break"('false')), ('a loop that breaks with text', @> df."break"('go on')),
    ('a loop that breaks with an empty array', @> df."break"('[]')), ('a loop that breaks with an empty text', @> df."break"('')), ('a sleep', df.sleep(0)), ('a pair', 'SELECT true' ~> 'SELECT false'), ('an IF', df."if"('SELECT true', 'SELECT 0', 'SELECT 1')), ('a race', 'SELECT 1' | df.sleep(3600))) v(what, condition);
CALL df.work() \gset
SELECT is(cell(what), expected, 'condition: ' || what) FROM (VALUES ('a JOIN', 'then'), ('a loop that breaks with nothing', 'else'), ('a loop that breaks with 0', 'else'), ('a loop that breaks with false', 'else'), ('a loop that breaks with text', 'then'),
    ('a loop that breaks with an empty array', 'else'), ('a loop that breaks with an empty text', 'else'), ('a sleep', 'then'), ('a pair', 'else'), ('an IF', 'else'), ('a race', 'then')) v(what, expected);

-- IF ------------------------------------------------------------------------------------------------------------------------
SELECT go('only one arm', df."if"('SELECT note(''condition'')', 'SELECT note(''taken'')', 'SELECT note(''not taken'')') ~> 'SELECT note(''after if'')');
SELECT go('operators', 'SELECT 5 > 3' ?> ('SELECT 1' ~> 'SELECT ''bigger'' AS v') !> 'SELECT ''smaller'' AS v');
SELECT go('the result of an IF', (df."if"('SELECT false', 'SELECT 1', 'SELECT 2 AS v') |=> 'choice') ~> 'SELECT $choice + 40');
SELECT go('nested', df."if"('SELECT true', df."if"('SELECT false', 'SELECT 1', df."if"('SELECT 0', 'SELECT 2', 'SELECT 3')), 'SELECT 4'));
SELECT go('a condition with a name', df."if"('SELECT 7 AS seven' |=> 'c', 'SELECT $c AS v', 'SELECT 0'));
SELECT go('the condition fails', df."if"('SELECT 1/0', 'SELECT note(''wrong'')', 'SELECT note(''wrong'')') ~> 'SELECT note(''wrong'')');
SELECT go('the arm fails', df."if"('SELECT true', 'SELECT 1/0', 'SELECT note(''wrong'')') ~> 'SELECT note(''wrong'')');
SELECT go('a loop''s condition fails', df."loop"('SELECT note(''round'')', 'SELECT 1/0'));
CALL df.work() \gset
SELECT is(notes('condition') || ' ' || notes('taken') || ' ' || coalesce(notes('not taken'), '-') || ' ' || notes('after if'), 'condition taken - after if', 'one arm runs, once, then what follows');
SELECT is(cell('operators'), 'bigger', '?> and !>');
SELECT is(cell('the result of an IF'), '42', 'the result of an IF is that of the arm it took');
SELECT is(cell('nested'), '3', 'nested');
SELECT is(cell('a condition with a name'), '7', 'the arms know the condition by its name');
SELECT is(status(what) || ' ' || coalesce(notes('wrong'), '-'), 'failed -', what) FROM unnest(ARRAY['the condition fails', 'the arm fails']) what;
SELECT is(status('a loop''s condition fails') || ' ' || notes('round'), 'failed round', 'a loop''s condition that fails fails the loop after its first body');
SELECT is((SELECT array_agg(n.status || ' ' || coalesce(n.query, '') ORDER BY n.query) FROM df.nodes n WHERE n.instance_id = id('the condition fails') AND n.node_type IN ('IF', 'THEN')), ARRAY['failed ' || (SELECT n.query FROM df.nodes n WHERE n.instance_id = id('the condition fails') AND n.node_type = 'IF'), 'failed '], 'the IF and what holds it are failed');
SELECT matches(output('the condition fails'), 'division by zero', 'and the reason reaches the output');

-- df.if_rows --------------------------------------------------------------------------------------------------------------------
SELECT go(what, fut) FROM (VALUES
    ('rows', ('SELECT 1' |=> 'r') ~> df.if_rows('r', 'SELECT ''yes''', 'SELECT ''no''')), ('no rows', ('SELECT 1 WHERE false' |=> 'r') ~> df.if_rows('r', 'SELECT ''yes''', 'SELECT ''no''')),
    ('rows of false', ('SELECT false' |=> 'r') ~> df.if_rows('r', 'SELECT ''yes''', 'SELECT ''no''')), ('rows of NULL', ('SELECT NULL' |=> 'r') ~> df.if_rows('r', 'SELECT ''yes''', 'SELECT ''no''')), ('an UPDATE', ('UPDATE effects SET what = what' |=> 'r') ~> df.if_rows('r', 'SELECT ''yes''', 'SELECT ''no''')),
    ('a pair''s name', (('SELECT 1 WHERE false' ~> 'SELECT 2') |=> 'r') ~> df.if_rows('r', 'SELECT ''yes''', 'SELECT ''no''')), ('missing', df.if_rows('missing', 'SELECT note(''wrong'')', 'SELECT note(''wrong'')')), ('later', df.if_rows('r', 'SELECT 1', 'SELECT 1') ~> ('SELECT 1' |=> 'r')),
    ('a JOIN''s result', (('SELECT 1' & 'SELECT 2') |=> 'r') ~> df.if_rows('r', 'SELECT note(''wrong'')', 'SELECT note(''wrong'')')), ('a break value with a row_count', (@> df."break"('{"row_count": 3}') |=> 'r') ~> df.if_rows('r', 'SELECT ''yes''', 'SELECT ''no''')), ('a name of another case', ('SELECT 1' |=> 'r') ~> df.if_rows('R', 'SELECT 1', 'SELECT 1'))) v(what, fut);
CALL df.work() \gset
SELECT is(cell(what), expected, 'df.if_rows: ' || what) FROM (VALUES ('rows', 'yes'), ('no rows', 'no'), ('rows of false', 'yes'), ('rows of NULL', 'yes'), ('an UPDATE', 'no'), ('a pair''s name', 'yes'), ('a break value with a row_count', 'yes')) v(what, expected);
SELECT is(status(what) || ' ' || coalesce(notes('wrong'), '-'), 'failed -', 'df.if_rows fails: ' || what) FROM unnest(ARRAY['missing', 'later', 'a JOIN''s result', 'a name of another case']) what;
SELECT matches(output('missing'), 'missing', 'naming what is missing');
SELECT matches(output('a JOIN''s result'), 'row_count', 'or what the result lacks');
SELECT is((SELECT n.status FROM df.nodes n WHERE n.instance_id = id('missing')  AND n.node_type = 'IF'), 'failed', 'the node is failed');

SELECT * FROM finish();
