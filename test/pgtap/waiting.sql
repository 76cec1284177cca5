-- Waiting (semantics §9): signals in every order, timeouts, sleeps and schedules.
\ir setup.psql
SELECT no_plan();
CREATE ROLE waiting_alice LOGIN;
CREATE ROLE waiting_bob LOGIN;
SELECT df.grant_usage(r) FROM unnest(ARRAY['waiting_alice', 'waiting_bob']) r \g /dev/null
CREATE FUNCTION public.try(role text, statement text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    value text;
BEGIN
    PERFORM set_config('role', role, true);
    EXECUTE statement INTO value;
    PERFORM set_config('role', 'none', true);
    RETURN value;
EXCEPTION WHEN OTHERS THEN
    RETURN SQLSTATE || ' ' || SQLERRM;
END $$;

-- Payloads ---------------------------------------------------------------------------------------------------------------------
CREATE TABLE public.payloads (payload text PRIMARY KEY, expected jsonb);
INSERT INTO payloads VALUES ('{"a": [1, null]}', '{"a":[1,null]}'), ('5', '5'), ('1.50', '1.50'), ('true', 'true'), ('null', 'null'), ('"text"', '"text"'), ('[]', '[]'), ('plain text', '"plain text"'), ('', '""'), ('{not json', '"{not json"'), ('it''s', '"it''s"'), (' {"a": 1} ', '{"a":1}'), ('12345678901234567890', '12345678901234567890'), (E'line\nbreak', '"line\nbreak"'), ('NaN', '"NaN"'), ('Grüße 🐘', '"Grüße 🐘"');
SELECT go('payload ' || payload, df.wait_for_signal('go')) FROM payloads;
SELECT go('early ' || payload, df.wait_for_signal('go')) FROM payloads;
SELECT df.signal(id('early ' || payload), 'go', payload) FROM payloads \g /dev/null
CALL df.work() \gset
SELECT is(df.signal(id('payload ' || payload), 'go', payload), 'OK', 'df.signal returns OK') FROM payloads LIMIT 1;
SELECT df.signal(id('payload ' || payload), 'go', payload) FROM payloads \g /dev/null
CALL df.work() \gset
SELECT is(result('payload ' || payload), jsonb_build_object('signal_name', 'go', 'timed_out', false, 'data', expected), 'payload: ' || payload) FROM payloads;
SELECT is(result('early ' || payload), result('payload ' || payload), 'sent before the wait: ' || payload) FROM payloads;
SELECT go('no payload', df.wait_for_signal('go'));
SELECT df.signal(id('no payload'), 'go') \g /dev/null
CALL df.work() \gset
SELECT is(result('no payload'), '{"signal_name":"go","timed_out":false,"data":{}}', 'without a payload: {}');

-- Order ------------------------------------------------------------------------------------------------------------------------
SELECT go('queue', ((df.wait_for_signal('s') |=> 'a') ~> (df.wait_for_signal('s') |=> 'b')) ~> (df.wait_for_signal('other') |=> 'c') ~> 'SELECT $a.data || $b.data || $c.data AS v');
SELECT df.signal(id('queue'), 'other', 'C'), df.signal(id('queue'), 's', 'A'), df.signal(id('queue'), 's', 'B'), df.signal(id('queue'), 's', 'surplus'), df.signal(id('queue'), 'nobody', 'waits') \g /dev/null
SELECT go('branches', df.wait_for_signal('left') & df.wait_for_signal('right')), go('one name in two branches', (df.wait_for_signal('s') & df.wait_for_signal('s'))), go('in a loop', df."loop"((df.wait_for_signal('next') |=> 'n') ~> 'SELECT note(''got '' || $n.data) AS v', 'SELECT notes(''got %'') !~ ''last'''));
CALL df.work() \gset
SELECT df.signal(id('branches'), 'right', '2') \g /dev/null
SELECT df.signal(id('one name in two branches'), 's', '1') \g /dev/null
SELECT df.signal(id('in a loop'), 'next', 'first'), df.signal(id('in a loop'), 'next', 'second') \g /dev/null
CALL df.work() \gset
SELECT is(status('branches') || ' ' || status('one name in two branches') || ' ' || notes('got %'), 'running running got first,got second', 'each signal ends one wait');
SELECT df.signal(id('branches'), 'left', '1') , df.signal(id('one name in two branches'), 's', '2'), df.signal(id('in a loop'), 'next', 'last') \g /dev/null
CALL df.work() \gset
SELECT is(cell('queue'), 'ABC', 'signals are consumed in the order in which they came, each by the first wait for its name; surplus ones are harmless');
SELECT is((SELECT array_agg(e ->> 'data') FROM jsonb_array_elements(result('branches')) e), '{1,2}', 'they reach waits in branches');
SELECT is((SELECT array_agg(e ->> 'data' ORDER BY e ->> 'data') FROM jsonb_array_elements(result('one name in two branches')) e), '{1,2}', 'two waits for one name take one each');
SELECT is(notes('got %'), 'got first,got second,got last', 'and waits in loops');
SELECT is((SELECT count(*) FROM _df.signals s JOIN df.instances i ON i.id = s.instance_id WHERE i.status = 'completed'), 0::bigint, 'what was not consumed goes with its instance');

-- Transactions and access --------------------------------------------------------------------------------------------------------
SELECT go('transaction', df.wait_for_signal('s'));
CALL df.work() \gset
BEGIN;
SELECT df.signal(id('transaction'), 's', 'undone') \g /dev/null
ROLLBACK;
CALL df.work() \gset
SELECT is(status('transaction'), 'running', 'a signal that is rolled back was never sent');
BEGIN;
SELECT df.start(df.wait_for_signal('s')) AS young \gset
SELECT df.signal(:'young', 's', 'at once') \g /dev/null
COMMIT;
CALL df.work() \gset
SELECT is(df.result(:'young')::jsonb ->> 'data', 'at once', 'the transaction that starts an instance may signal it');
SELECT throws_like(format('SELECT df.signal(%L, %L)', i, n), '%' || words || '%', 'df.signal(' || i || ', ' || n || ')') FROM (VALUES ('', 's', 'cannot be empty'), ('00000000', '', 'cannot be empty'), ('00000000', 's', 'not found or access denied'), ('no such id', 's', 'not found or access denied'), ('', '', 'cannot be empty')) v(i, n, words);
SELECT throws_like(format('SELECT df.signal(%L, '''')', :'young'), '%cannot be empty%', 'an empty name is an error for one''s own as well');
SELECT is(df.signal(:'young', 's'), 'OK', 'a signal to an instance that has ended goes nowhere, quietly');
SELECT is(df.signal(NULL, 's'), NULL, 'NULL in, NULL out');
SET SESSION AUTHORIZATION waiting_alice;
SELECT df.start(df.wait_for_signal('s'), 'alice''s') AS alices \gset
\! psql -X -q -o /dev/null -U waiting_alice -c 'CALL df.work()' || echo 'not ok - working as waiting_alice'
RESET SESSION AUTHORIZATION;
SELECT alike(try('waiting_bob', format('SELECT df.signal(%L, ''s'')', :'alices')), '%not found or access denied%', 'somebody else''s is not found');
SELECT is(df.signal(:'alices', 's', 'from above'), 'OK', 'a superuser may signal anybody''s');
\! psql -X -q -o /dev/null -U waiting_alice -c 'CALL df.work()' || echo 'not ok - working as waiting_alice'
SELECT is(df.result(:'alices')::jsonb ->> 'data', 'from above', 'and it arrives');
SELECT throws_like(format('SELECT df.signal(%L, ''s'')', 'alice''s'), '%not found or access denied%', 'a label is no id');

-- Timeouts and sleeps ------------------------------------------------------------------------------------------------------------
SELECT go('times out', (df.wait_for_signal('never', 1) |=> 's') ~> 'SELECT $s.timed_out AS timed_out, $s.data? IS NULL AS nothing'), go('in time', df.wait_for_signal('s', 3600)), go('only times out', df.wait_for_signal('never', 1)), go('no timeout', df.wait_for_signal('never'));
SELECT go('sleep 0', df.sleep(0)), go('sleep a moment', (df.sleep(interval '30 milliseconds') ~> 'SELECT 1 AS v')), go('sleep for an hour', df.sleep(3600)), go('sleep for ever', df.sleep(9223372036854775807)), go('sleeps add up', df.sleep(interval '20 milliseconds') ~> df.sleep(interval '20 milliseconds') ~> 'SELECT 2 AS v'), go('sleeps side by side', df.sleep(3600) & df.sleep(0));
CALL df.work() \gset
SELECT ok(:'next_due'::timestamptz <= clock_timestamp() + interval '1 second', 'df.work says when the next timer comes');
SELECT is(status(what), 'running', what || ' reads running') FROM unnest(ARRAY['sleep for an hour', 'sleep for ever', 'no timeout', 'in time', 'sleeps side by side']) what;
SELECT is(status('sleep 0'), 'completed', 'a sleep of 0 is over at once');
SELECT is((SELECT array_agg(n.status ORDER BY n.query) FROM df.nodes n WHERE n.instance_id = id('sleeps side by side') AND n.node_type = 'SLEEP'), '{completed,running}', 'a sleep that is over beside one that is not');
SELECT ok(b.due_at BETWEEN i.created_at + interval '3600 seconds' AND now() + interval '3600 seconds', 'a sleep is due at a fixed moment') FROM _df.branches b JOIN df.instances i ON i.id = b.instance_id WHERE i.id = id('sleep for an hour');
SELECT df.signal(id('in time'), 's', '1') \g /dev/null
CALL work_until('SELECT bool_and(status(what) = ''completed'') FROM unnest(ARRAY[''times out'', ''only times out'', ''sleep a moment'', ''sleeps add up'']) what');
SELECT is(result('only times out'), '{"signal_name":"never","timed_out":true,"data":null}', 'a wait that times out completes, and says so');
SELECT is(result('times out') #> '{rows,0}', '{"timed_out":true,"nothing":true}', 'and its result can be asked');
SELECT is(result('in time') ->> 'timed_out', 'false', 'a signal in time');
SELECT is(cell('sleep a moment') || cell('sleeps add up'), '12', 'what follows a sleep runs');
-- Waiting costs nothing: asking again does not move it.
SELECT is(status('sleep for an hour'), 'running', 'the others go on sleeping');
CALL df.work() \gset
SELECT is(:'steps'::bigint, 0::bigint, 'and nothing is done for them');
SELECT df.cancel(id(what)) FROM unnest(ARRAY['sleep for an hour', 'sleep for ever', 'no timeout', 'sleeps side by side', 'transaction']) what \g /dev/null

-- Schedules ------------------------------------------------------------------------------------------------------------------------
SELECT go('every minute', (df.wait_for_schedule('* * * * *') |=> 'w') ~> 'SELECT 1 AS v'), go('new year', df.wait_for_schedule('0 0 1 1 *')), go('leap day', df.wait_for_schedule('30 12 29 feb *'));
SELECT clock_timestamp() AS began \gset
CALL df.work() \gset
SELECT is(b.due_at, date_trunc('minute', :'began'::timestamptz) + interval '1 minute', 'the next tick is strictly after the node begins') FROM _df.branches b WHERE b.instance_id = id('every minute') AND date_trunc('minute', clock_timestamp()) = date_trunc('minute', :'began'::timestamptz);
SELECT is(b.due_at, date_trunc('year', :'began'::timestamptz AT TIME ZONE 'UTC') AT TIME ZONE 'UTC' + interval '1 year', 'in UTC') FROM _df.branches b WHERE b.instance_id = id('new year');
SELECT is(to_char(b.due_at AT TIME ZONE 'UTC', 'MM-DD HH24:MI:SS'), '02-29 12:30:00', 'and never on a day that is not') FROM _df.branches b WHERE b.instance_id = id('leap day');
UPDATE _df.branches SET due_at = clock_timestamp() WHERE instance_id = id('every minute');
CALL df.work() \gset
SELECT is((SELECT n.result FROM df.nodes n WHERE n.instance_id = id('every minute') AND n.node_type = 'WAIT_SCHEDULE'), '{"scheduled":true}', 'its result');
SELECT is(cell('every minute'), '1', 'and what follows runs');

SELECT * FROM finish();
DROP OWNED BY waiting_alice, waiting_bob CASCADE;
