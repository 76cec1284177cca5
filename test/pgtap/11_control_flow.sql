-- Control flow (semantics §4 to §9): if, join, race, loop, break, sleep, signal, cancel.
-- A new session starts with what is set for its database.
ALTER DATABASE :"DBNAME" SET pg_durable.enable_superuser_instances = on;
ALTER DATABASE :"DBNAME" SET pg_durable.loop_min_interval = 0;
\c -
SELECT no_plan();

CREATE TABLE public.effects (id serial, what text);
CREATE TABLE public.started (what text PRIMARY KEY, id text);
CREATE FUNCTION public.go(what text, fut text) RETURNS void LANGUAGE sql AS $$ INSERT INTO public.started VALUES (what, df.start(fut, what)) $$;
CREATE FUNCTION public.id(w text) RETURNS text LANGUAGE sql AS $$ SELECT s.id FROM public.started s WHERE s.what = w $$;
CREATE FUNCTION public.status(w text) RETURNS text LANGUAGE sql AS $$ SELECT df.status(public.id(w)) $$;
CREATE FUNCTION public.result(w text) RETURNS jsonb LANGUAGE sql AS $$ SELECT df.result(public.id(w))::jsonb $$;
CREATE FUNCTION public.output(w text) RETURNS text LANGUAGE sql AS $$ SELECT l.output FROM df.list_instances() l WHERE l.instance_id = public.id(w) $$;
CREATE FUNCTION public.note(what text) RETURNS text LANGUAGE sql AS $$ INSERT INTO public.effects (what) VALUES (what) RETURNING effects.what $$;
CREATE FUNCTION public.notes(pattern text) RETURNS text LANGUAGE sql AS $$ SELECT string_agg(e.what, ',' ORDER BY e.id) FROM public.effects e WHERE e.what LIKE pattern $$;

-- Truth.
CREATE TABLE public.truths (condition text, expected boolean);
INSERT INTO truths VALUES ('SELECT true', true), ('SELECT false', false), ('SELECT 0', false), ('SELECT -1', true), ('SELECT 0.00', false), ('SELECT ''''', false), ('SELECT '' YES ''', true),
    ('SELECT ''f''', false), ('SELECT ''0''', false), ('SELECT ''anything''', true), ('SELECT NULL', false), ('SELECT 1 WHERE false', false), ('SELECT ''[]''::json', false),
    ('SELECT ''{"a":1}''::json', true), ('SELECT ARRAY[1]', true), ('SELECT ''NaN''::float8', false), ('SELECT false AS a, true AS b', false);
SELECT go('if ' || condition, df."if"(condition, 'SELECT ''then'' AS v', 'SELECT ''else'' AS v')) FROM truths;
CALL df.work();
SELECT is(result('if ' || condition) #>> '{rows,0,v}', CASE WHEN expected THEN 'then' ELSE 'else' END, 'if ' || condition) FROM truths;

SELECT go('if_rows', ('SELECT 1 WHERE false' |=> 'none') ~> df.if_rows('none', 'SELECT ''rows'' AS v', 'SELECT ''none'' AS v'));
SELECT go('condition fails', df."if"('SELECT 1/0', 'SELECT note(''wrong'')', 'SELECT note(''wrong'')'));
SELECT go('join', df.join3('SELECT 1 AS v', df."break"('never') |=> 'x', 'SELECT 3 AS v'));
SELECT go('join of three', df.join3('SELECT 1 AS v', 'SELECT 2 AS v', 'SELECT 3 AS v'));
SELECT go('join fails', ('SELECT 1' & 'SELECT 1/0') ~> 'SELECT note(''wrong'')');
SELECT go('join merges names', (('SELECT 1' |=> 'a') & ('SELECT 2' |=> 'b')) ~> 'SELECT $a + $b AS v');
SELECT go('race', ('SELECT note(''race won'')' | (df.sleep(3600) ~> 'SELECT note(''race lost'')')) ~> 'SELECT note(''race over'')');
SELECT go('race fails', ('SELECT 1/0' | df.sleep(3600)));
CALL df.work();
SELECT is(result('if_rows') #>> '{rows,0,v}', 'none', 'if_rows of a result without rows');
SELECT is(status('condition fails'), 'failed', 'a failing condition fails the if');
SELECT is(notes('wrong'), NULL, 'and neither arm runs');
SELECT is(result('join of three'), '[{"rows": [{"v": 1}], "row_count": 1}, {"rows": [{"v": 2}], "row_count": 1}, {"rows": [{"v": 3}], "row_count": 1}]', 'join: results in order');
SELECT is(status('join'), 'failed', 'a break outside of a loop fails');
SELECT matches(output('join'), 'outside of a loop', 'and says so');
SELECT matches(output('join fails'), 'JOIN branch 2 failed: .*division by zero', 'join: the failing branch is named');
SELECT is(result('join merges names') #>> '{rows,0,v}', '3', 'join: names of all branches');
SELECT is(notes('race%'), 'race won,race over', 'race: the first to finish wins, the rest of the other never runs');
SELECT matches(output('race fails'), 'RACE left branch failed: .*division by zero', 'race: failing first is finishing first');
SELECT is_empty($$ SELECT n.* FROM started s, df.instance_nodes(s.id) n WHERE df.status(s.id) IN ('completed', 'failed') AND inferred_status IN ('pending', 'running') $$, 'nothing reads pending or running once the instance is done');

-- Loops.
CREATE SEQUENCE public.rounds;
SELECT go('while', df."loop"('SELECT nextval(''rounds'')', 'SELECT last_value < 3 FROM rounds'));
SELECT go('break', 'SELECT note(''loop before'')' ~> @> ('SELECT note(''loop round'')' ~> df."if"('SELECT count(*) >= 3 FROM effects WHERE what = ''loop round''', df."break"('{"a": 1}'), 'SELECT 1')) ~> 'SELECT note(''loop after'')');
SELECT go('break text', @> df."break"('not json'));
SELECT go('break null', @> df."break"());
SELECT go('break from a join', @> ('SELECT note(''join round'')' & df."break"('out')));
SELECT go('loop fails', @> 'SELECT 1/0');
CALL df.work();
SELECT is((SELECT last_value FROM rounds), 3::bigint, 'a loop goes round while its condition is true');
SELECT is(status('while'), 'completed', 'and completes');
SELECT is(notes('loop%'), 'loop before,loop round,loop round,loop round,loop after', 'what is before and after a loop runs once');
SELECT is(result('break text'), '"not json"', 'a break value that is not JSON is a string');
SELECT is(df.result(id('break null')), 'null', 'a break without a value is null');
SELECT is(result('break from a join'), '"out"', 'a break leaves the loop from inside a join');
SELECT matches(output('loop fails'), 'division by zero', 'a failing body fails the loop');

-- Waiting.
SELECT go('sleep', df.sleep(interval '10 milliseconds') ~> 'SELECT note(''slept'')');
SELECT go('long sleep', df.sleep(86400));
SELECT go('signal', (df.wait_for_signal('go') |=> 's') ~> 'SELECT $s.data::jsonb ->> ''n'' AS n');
SELECT go('early signal', (df.wait_for_signal('go') |=> 's') ~> 'SELECT $s.data AS n');
SELECT is(df.signal(id('early signal'), 'go', 'before the wait'), 'OK', 'a signal before the wait');
SELECT go('signal times out', df.wait_for_signal('never', 1));
CALL df.work();
SELECT is(status(what), 'running', what || ' is running') FROM unnest(ARRAY['long sleep', 'signal']) what;
SELECT is(result('early signal') #>> '{rows,0,n}', 'before the wait', 'a signal sent before the wait is not lost');
SELECT is(df.signal(id('signal'), 'other'), 'OK', 'a signal of another name');
CALL df.work();
SELECT is(status('signal'), 'running', 'does not end the wait');
SELECT is(df.signal(id('signal'), 'go', '{"n": 7}'), 'OK', 'the signal');
CALL df.work();
SELECT is(result('signal') #>> '{rows,0,n}', '7', 'ends it, with its data');
-- Polling with a deadline of ten seconds, until the timers have come.
CREATE PROCEDURE public.poll_work() LANGUAGE plpgsql AS $$
DECLARE
    steps bigint;
    next_due timestamptz;
    more boolean;
BEGIN
    FOR i IN 1..100 LOOP
        CALL df.work(10, 10000, steps, next_due, more);
        EXIT WHEN public.notes('slept') IS NOT NULL AND public.status('signal times out') <> 'running';
        PERFORM pg_sleep(0.1);
        COMMIT;
    END LOOP;
END $$;
CALL poll_work();
SELECT is(notes('slept'), 'slept', 'a sleep ends');
SELECT is(result('signal times out'), '{"signal_name": "never", "timed_out": true, "data": null}', 'a wait that times out completes');

-- Cancelling.
SELECT is(df.cancel(id('long sleep'), 'enough'), 'Instance ' || id('long sleep') || ' cancelled: enough', 'cancel says what it did');
SELECT is(status('long sleep'), 'cancelled', 'and shows at once');
SELECT is(output('long sleep'), 'canceled: enough', 'with its reason');
SELECT is(df.cancel(id('sleep'), 'late'), 'Instance ' || id('sleep') || ' cancelled: late', 'cancelling what has ended returns normally');
SELECT is(status('sleep'), 'completed', 'and changes nothing');
CALL df.work();
SELECT is(status('long sleep'), 'cancelled', 'nothing brings it back');

SELECT throws_like($$ SELECT df.start('SELECT 1', transaction_mode => 'sometimes') $$, '%invalid transaction_mode%', 'an unknown transaction mode');
SELECT throws_like($$ SELECT df.start('SELECT 1', database => 'nowhere') $$, '%database "nowhere" does not exist%', 'an unknown database');
SELECT throws_like($$ SELECT df.start('{"node_type":"MAGIC"}') $$, '%Unknown node_type ''MAGIC''%', 'an unknown node type');
SELECT throws_like($$ SELECT df.wait_for_schedule('61 * * * *') $$, '%Invalid cron expression ''61 * * * *''%', 'a bad cron expression');
SELECT throws_like($$ SELECT df.sleep(-1) $$, '%Sleep duration must be non-negative%', 'a negative sleep');
SELECT throws_like($$ SELECT 'a' |=> '1st' $$, '%not a valid identifier%', 'a bad name');

SELECT * FROM finish();
