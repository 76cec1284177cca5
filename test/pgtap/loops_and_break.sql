-- Loops and breaks (semantics §7): order, conditions, where a break leads, what runs once and what each round, the pause between rounds.
\ir setup.psql

CREATE FUNCTION public.count_of(pattern text) RETURNS bigint LANGUAGE sql AS $$ SELECT count(*) FROM public.effects e WHERE e.what LIKE pattern $$;
SELECT go(what, fut) FROM (VALUES
    ('body first', df."loop"('SELECT note(''body'')', 'SELECT note(''condition'') = ''never''')),
    ('three rounds', df."loop"('SELECT note(''three '' || count_of(''three %'') + 1) AS v', 'SELECT count_of(''three %'') < 3')),
    ('around', 'SELECT note(''around before'')' ~> df."loop"('SELECT note(''around body'')', 'SELECT count_of(''around body'') < 4') ~> 'SELECT note(''around after'')'),
    ('infinite with break', @> ('SELECT note(''infinite'')' ~> df."if"('SELECT count_of(''infinite'') >= 3', df."break"('out'), 'SELECT 1'))),
    ('a condition that is a graph', df."loop"('SELECT note(''graph'')', 'SELECT 1' ~> ('SELECT count_of(''graph'') < 2' |=> 'c'))),
    ('loop in loop', df."loop"('SELECT note(''outer'')' ~> df."loop"('SELECT note(''inner'')', 'SELECT count_of(''inner'') % 3 <> 0') ~> 'SELECT note(''outer end'')', 'SELECT count_of(''outer'') < 2')),
    ('break leaves the inner loop only', df."loop"((@> ('SELECT note(''inner b'')' ~> df."break"('inner'))) ~> 'SELECT note(''outer b'')', 'SELECT count_of(''outer b'') < 2')),
    ('nothing behind a break', @> (('SELECT note(''reached'')' ~> df."break"('1')) ~> 'SELECT note(''not reached'')')),
    ('break through THEN', @> ('SELECT 1' ~> ('SELECT 2' ~> ('SELECT 3' ~> df."break"('deep'))) ~> 'SELECT note(''wrong'')')),
    ('break through IF', @> df."if"('SELECT true', df."if"('SELECT false', 'SELECT 1', df."break"('if')), 'SELECT 1')),
    ('break through JOIN', @> (('SELECT note(''join left'')' & (df."break"('join') ~> 'SELECT note(''wrong'')')) ~> 'SELECT note(''wrong'')')),
    ('break through RACE', @> ((df."break"('race') | df.sleep(3600)) ~> 'SELECT note(''wrong'')')),
    ('break from a condition', df."loop"('SELECT note(''cond body'')', df."if"('SELECT true', df."break"('condition'), 'SELECT true'))),
    ('break beside a failure to its right', @> df."join"(df."break"('first'), 'SELECT 1/0')), ('break beside a failure to its left', @> df."join"('SELECT 1/0', df."break"('second'))), ('two breaks', @> df."join"(df."break"('left'), df."break"('right'))),
    ('break in a loop in a JOIN in a loop', df."loop"((@> df."break"('x')) & 'SELECT note(''still here'')', 'SELECT false')),
    ('break outside', df."break"('x')), ('break outside, later', 'SELECT note(''before outside'')' ~> df."break"('x') ~> 'SELECT note(''wrong'')'), ('break behind a loop', df."loop"('SELECT 1', 'SELECT false') ~> df."break"()), ('break in a branch', 'SELECT 1' & df."break"()),
    ('failing body', 'SELECT note(''kept'')' ~> df."loop"('SELECT note(''round of failing'')' ~> 'SELECT 1 / (3 - count_of(''round of failing''))', 'SELECT true') ~> 'SELECT note(''wrong'')'),
    ('failing beside a writer', @> ('SELECT note(''written beside'')' & 'SELECT 1/0')),
    ('JOIN in a body starts fresh', df."loop"(df.join3('SELECT note(''a'')', 'SELECT note(''b'')', 'SELECT note(''c'')'), 'SELECT count_of(''a'') < 3')),
    ('loops in branches', (df."loop"('SELECT note(''left loop'')', 'SELECT count_of(''left loop'') < 3') & df."loop"('SELECT note(''right loop'')', 'SELECT count_of(''right loop'') < 2'))),
    ('a branch that keeps its names', ('SELECT 0' |=> 'n') ~> (df."loop"('SELECT $n + 1' |=> 'n', 'SELECT $n < 3') & df."loop"('SELECT $n + 10' |=> 'n', 'SELECT $n < 30')))) v(what, fut);
CALL df.work() \gset
-- Values of breaks.
CREATE TABLE public.breaks (value text PRIMARY KEY, expected jsonb);
INSERT INTO breaks VALUES ('done', '"done"'), ('5', '5'), ('1.50', '1.50'), ('true', 'true'), ('null', 'null'), ('"quoted"', '"quoted"'), ('[1, 2]', '[1,2]'), ('{"a": {"b": null}}', '{"a":{"b":null}}'), ('', '""'), (' ', '" "'), ('{broken', '"{broken"'), ('SELECT 1', '"SELECT 1"'), ('''it''', '"''it''"'), ('12345678901234567890.10', '12345678901234567890.10'), ('007', '"007"'), ('NaN', '"NaN"'), ('"\u0000"', '"\"\\u0000\""');
SELECT go('break ' || value, @> df."break"(value)) FROM breaks;
SELECT go('break without a value', @> df."break"());
CALL df.work() \gset

-- The pause. A round that began less than loop_min_interval ago is waited for, and the last is not.
-- The setting is that of the session's start; all sessions but the last leave what they found in variables.
ALTER DATABASE :"DBNAME" SET pg_durable.loop_min_interval = 3600;
\c -
SELECT go('paused', df."loop"('SELECT note(''paused'')', 'SELECT true')), go('one round', df."loop"('SELECT note(''one round'')', 'SELECT false')), go('in a branch', df."loop"('SELECT note(''branch'')') & 'SELECT note(''beside'')');
CALL df.work() \gset
SELECT status('paused') || ' ' || count_of('paused') AS paused, :'next_due'::timestamptz BETWEEN now() + interval '3500 seconds' AND now() + interval '3600 seconds' AS due, status('one round') AS one, notes('beside') AS beside,
    (SELECT n.status FROM df.nodes n WHERE n.instance_id = id('paused') AND n.node_type = 'LOOP') AS loop_node \gset
SELECT df.cancel(id('paused')), df.cancel(id('in a branch')) \g /dev/null
ALTER DATABASE :"DBNAME" SET pg_durable.loop_min_interval = 3601;
\c -
\set ON_ERROR_STOP off
\set QUIET on
SELECT go('a bad setting', df."loop"('SELECT 1', 'SELECT false'));
CALL df.work() \g /dev/null
\set refused :LAST_ERROR_MESSAGE
\set ON_ERROR_STOP on
ALTER DATABASE :"DBNAME" SET pg_durable.loop_min_interval = '0.05';
\c -
SELECT go('twenty rounds a second', df."loop"('SELECT note(''tick'')', 'SELECT count_of(''tick'') < 5'));
CALL work_until('SELECT status(''twenty rounds a second'') = ''completed''');

SELECT no_plan();
SELECT is(:'paused'::text, 'running 1', 'after a round the loop waits for its hour');
SELECT ok(:'due'::boolean, 'which is when it goes on');
SELECT is(:'one'::text, 'completed', 'after the last round it does not');
SELECT is(:'beside'::text, 'beside', 'a pause in one branch does not hold up another');
SELECT is(:'loop_node'::text, 'running', 'the loop reads running meanwhile');
SELECT is(count_of('tick'), 5::bigint, 'five rounds');
SELECT ok((SELECT completed_at - created_at >= interval '0.2 seconds' FROM df.instances WHERE id = id('twenty rounds a second')), 'with four pauses between them');
SELECT matches(:'refused'::text, 'pg_durable.loop_min_interval.*3601', 'a setting out of its range is an error');
SELECT is(status('a bad setting'), 'completed', 'and what it kept waiting goes on when it is right');

-- Order, conditions, breaks.
SELECT is(notes('body') || ' ' || notes('condition'), 'body condition', 'the body runs before the condition is asked, once each');
SELECT is(status('body first'), 'completed', 'a condition that is false ends the loop');
SELECT is(notes('three %'), 'three 1,three 2,three 3', 'round after round');
SELECT is(cell('three rounds'), 'three 3', 'the result is that of the last body');
SELECT is(notes('around%'), 'around before,around body,around body,around body,around body,around after', 'what precedes the loop and what follows it runs once');
SELECT is(result('infinite with break') || to_jsonb(count_of('infinite')), '["out", 3]', 'a break ends a loop without a condition, with its value');
SELECT is(count_of('graph'), 2::bigint, 'a condition may be a graph, and counts by its result');
SELECT is(notes('outer') || ';' || notes('inner') || ';' || notes('outer end'), 'outer,outer;inner,inner,inner,inner,inner,inner;outer end,outer end', 'loops nest');
SELECT is(count_of('inner b') || ' ' || count_of('outer b') || ' ' || status('break leaves the inner loop only'), '2 2 completed', 'a break leaves the nearest loop');
SELECT is(notes('reached') || coalesce(notes('not reached'), ''), 'reached', 'nothing behind a break runs');
SELECT is(result(what), to_jsonb(expected), what) FROM (VALUES ('break through THEN', 'deep'), ('break through IF', 'if'), ('break through JOIN', 'join'), ('break through RACE', 'race'), ('break from a condition', 'condition'), ('break beside a failure to its right', 'first'), ('two breaks', 'left')) v(what, expected);
SELECT is(notes('join left'), 'join left', 'the other branch of a JOIN that is broken out of has run');
SELECT is(count_of('cond body'), 1::bigint, 'a break from the condition ends the loop after one body');
SELECT matches(output('break beside a failure to its left'), 'JOIN branch 1 failed: .*division by zero', 'a break counts in the order of the branches, as a failure does');
SELECT is(notes('still here') || ' ' || status('break in a loop in a JOIN in a loop'), 'still here completed', 'a break in a loop inside a branch leaves that loop alone');
SELECT is(status(what) || ' ' || (output(what) ~ 'outside of a loop')::text, 'failed true', what) FROM unnest(ARRAY['break outside', 'break outside, later', 'break behind a loop', 'break in a branch']) what;
SELECT is(notes('before outside'), 'before outside', 'what came before the break outside has run');
SELECT is(notes('wrong'), NULL, 'and nothing that it should have skipped');
SELECT is(count_of('round of failing') || ' ' || status('failing body') || ' ' || count_of('kept'), '3 failed 1', 'a failing body fails the loop in that round; its own effects are undone step by step');
SELECT matches(output('failing body'), 'division by zero', 'and its message reaches the output');
SELECT is(status('failing beside a writer') || ' ' || notes('written beside'), 'failed written beside', 'what the other branches wrote stays');
SELECT is(count_of('a') || ' ' || count_of('b') || ' ' || count_of('c'), '3 3 3', 'a JOIN in a body starts fresh each round');
SELECT is(jsonb_array_length(result('JOIN in a body starts fresh')), 3, 'and the loop''s result is the last JOIN''s');
SELECT is(count_of('left loop') || ' ' || count_of('right loop'), '3 2', 'loops run in branches, each its own rounds');
SELECT is(result('a branch that keeps its names') #>> '{0,rows,0,?column?}' || ' ' || (result('a branch that keeps its names') #>> '{1,rows,0,?column?}'), '3 30', 'each branch with its own names');
SELECT is((SELECT n.status || ' ' || (n.result)::text FROM df.nodes n WHERE n.instance_id = id('break through JOIN') AND n.node_type = t), 'completed "join"', 'a ' || t || ' that a break unwinds is completed with its value') FROM unnest(ARRAY['THEN', 'JOIN', 'LOOP']) t
WHERE (SELECT count(*) FROM df.nodes n WHERE n.instance_id = id('break through JOIN') AND n.node_type = t) = 1;

SELECT is(result('break ' || value), expected, 'break value: ' || value) FROM breaks;
SELECT is(df.result(id('break without a value')), 'null', 'without one: null');


SELECT * FROM finish();
