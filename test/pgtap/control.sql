-- @worker
-- Control (surface §3, §8; semantics §1, §2): waiting for an instance, cancelling, waking, and the door of df.start.
\ir setup.psql

-- A step may end its own instance.
SELECT go('cancels itself', 'SELECT df.cancel(''{sys_instance_id}'', ''had enough'') AS said' ~> 'SELECT note(''wrong'')'),
    go('cancels itself in a branch', ('SELECT note(''before the cancel''), df.cancel(''{sys_instance_id}'')' & df.sleep(3600)) ~> 'SELECT note(''wrong'')'),
    go('cancels itself from a branch, twice', ('SELECT df.cancel(''{sys_instance_id}'')' & 'SELECT df.cancel(''{sys_instance_id}'')'));
SELECT go('writes its status', 'UPDATE df.instances SET status = ''failed'' WHERE id = ''{sys_instance_id}''' ~> 'SELECT note(''wrong'')');
SELECT go('deletes itself', 'WITH n AS (DELETE FROM df.nodes WHERE instance_id = ''{sys_instance_id}''), e AS (SELECT note(''deleted'')) DELETE FROM df.instances WHERE id = ''{sys_instance_id}'' AND (SELECT count(*) FROM e) = 1');
SELECT go('completes', 'SELECT 1 AS v'), go('fails', 'SELECT 1/0'), go('waits', df.wait_for_signal('go') ~> 'SELECT note(''went on'')'), go('sleeps', df.sleep(3600));
SELECT go('cancels another', 'SELECT df.cancel(id(''sleeps''), ''by a step'')');
SELECT df.await_instance(id(what), 20) AS "ended" FROM unnest(ARRAY['cancels itself', 'cancels itself in a branch', 'cancels itself from a branch, twice', 'cancels another', 'writes its status']) what \g /dev/null
CALL work_until('SELECT NOT EXISTS (SELECT FROM df.instances i WHERE i.id = id(''deletes itself''))');

SELECT no_plan();
SELECT is(status(what), 'cancelled', what) FROM unnest(ARRAY['cancels itself', 'cancels itself in a branch', 'cancels itself from a branch, twice']) what;
SELECT is(output('cancels itself'), 'canceled: had enough', 'with its reason');
SELECT is(notes('before the cancel'), 'before the cancel', 'and what else the step did stays');
SELECT is(notes('wrong'), NULL, 'and nothing after it');
SELECT is_empty($$ SELECT b.* FROM _df.branches b WHERE b.instance_id IN (id('cancels itself'), id('cancels itself in a branch')) $$, 'and nothing is left in the engine');
SELECT is(status('writes its status'), 'failed', 'a step that writes its instance''s status by hand ends it as well');
SELECT is(notes('deleted'), 'deleted', 'and one that deletes it runs once');
SELECT is(status('cancels another') || ' ' || status('sleeps') || ' ' || output('sleeps'), 'completed cancelled canceled: by a step', 'a step may cancel another instance');

-- Waiting.
SELECT is(df.await_instance(id('completes')), 'completed', 'await: completed');
SELECT is(df.await_instance(id('fails')), 'failed', 'await: failed, without an error');
SELECT is(df.await_instance(id('sleeps'), timeout_seconds => 5), 'cancelled', 'await: cancelled');
SELECT throws_like(format('SELECT df.await_instance(%L, 1)', id('waits')), '%Timeout after 1s%', 'await: not in time');
SELECT throws_like($$ SELECT df.await_instance('00000000') $$, '%Instance not found%', 'await: an unknown id');
SELECT throws_like($$ SELECT df.await_instance('completes') $$, '%Instance not found%', 'await: a label is no id');
SELECT throws_like(format('SELECT df.await_instance(%L, %s)', id('completes'), n), '%Timeout must be positive%', 'await: a timeout of ' || n) FROM unnest(ARRAY[0, -1]) n;
SELECT is(df.await_instance(NULL), NULL, 'await: NULL');
BEGIN ISOLATION LEVEL REPEATABLE READ;
SELECT throws_like(format('SELECT df.await_instance(%L, 3600)', id('waits')), '%cannot wait for instance % in a transaction that is repeatable read%', 'await: a snapshot that stays the same');
SELECT is(df.await_instance(id('completes')), 'completed', 'which shows what has ended');
COMMIT;
SELECT is(df.await_instance(id('completes'), NULL), NULL, 'await: no timeout is NULL, too');
SET client_min_messages = error;
SELECT is(df.wait_for_completion(id('completes')), 'completed', 'the older name');
SELECT is(df.wait_for_completion(instance_id => id('fails'), timeout_seconds => 5), 'failed', 'does the same');
SELECT throws_like($$ SELECT df.wait_for_completion('00000000') $$, '%Instance not found%', 'with the same errors');
RESET client_min_messages;
SELECT go('awaits inside', format('SELECT df.await_instance(%L)', id('completes'))), go('waits inside', format('SELECT df.wait_for_completion(%L)', id('completes'))) \g /dev/null
SELECT is(df.await_instance(id(what)) || ' ' || (output(what) ~ 'cannot be called inside a workflow')::text, 'failed true', what) FROM unnest(ARRAY['awaits inside', 'waits inside']) what;

-- Cancelling.
SELECT is(df.cancel(id('waits')), 'Instance ' || id('waits') || ' cancelled: Cancelled by user', 'the reason that is given when none is');
SELECT is(df.cancel(id('waits'), 'again'), 'Instance ' || id('waits') || ' cancelled: again', 'cancelling twice returns normally');
SELECT is(output('waits'), 'canceled: Cancelled by user', 'and keeps the first reason');
SELECT is(df.cancel(id('fails'), 'late'), 'Instance ' || id('fails') || ' cancelled: late', 'cancelling what has failed returns normally');
SELECT is(status('fails') || ' ' || (output('fails') ~ 'division by zero')::text, 'failed true', 'and changes nothing');
SELECT is(df.signal(id('waits'), 'go'), 'OK', 'a signal to an instance that has ended is harmless');
SELECT is(df.cancel(NULL), NULL, 'cancel: NULL');
SELECT is(df.cancel(id('waits'), NULL), NULL, 'cancel: a reason that is NULL');
SELECT throws_like($$ SELECT df.cancel('00000000') $$, '%not found or access denied%', 'cancel: an unknown id');
BEGIN;
SELECT go('cancelled before it was there', 'SELECT note(''wrong'')') \g /dev/null
SELECT df.cancel(id('cancelled before it was there')) \g /dev/null
SELECT is(status('cancelled before it was there'), 'cancelled', 'cancel shows at once, also in the transaction that started');
COMMIT;
BEGIN;
SELECT go('cancel rolled back', df.wait_for_signal('go')) \g /dev/null
SAVEPOINT before;
SELECT df.cancel(id('cancel rolled back')) \g /dev/null
ROLLBACK TO before;
SELECT is(status('cancel rolled back'), 'pending', 'a cancel that is rolled back never was');
COMMIT;
SELECT df.signal(id('cancel rolled back'), 'go') \g /dev/null
SELECT is(df.await_instance(id('cancel rolled back')), 'completed', 'and the instance goes on');

-- Status, result and waking.
SELECT is(df.status(what), NULL, 'status of ' || coalesce(what, 'NULL')) FROM unnest(ARRAY['00000000', 'completes', '', NULL]) what;
SELECT is(df.result(what), NULL, 'result of ' || coalesce(what, 'NULL')) FROM unnest(ARRAY['00000000', 'completes', '', NULL, id('fails'), id('waits')]) what;
SELECT is(df.result(id('completes'))::jsonb, '{"rows": [{"v": 1}], "row_count": 1}', 'result of a completed instance');
SELECT is(df.run(id('completes')), 'OK', 'df.run of one');
SELECT is(df.run(), 'OK', 'df.run of all');
SELECT throws_like($$ SELECT df.run('00000000') $$, '%not found or access denied%', 'df.run of an unknown id');
SELECT is((SELECT count(*) FROM df.instances WHERE (status = 'completed') <> (completed_at IS NOT NULL)), 0::bigint, 'completed_at is set on completed instances, and only there');

-- The door.
CREATE TABLE public.before AS SELECT count(*) AS instances FROM df.instances;
UPDATE _df._worker_ready SET schema_version = 0;
SELECT throws_like($$ SELECT df.start('SELECT 1') $$, '%not ready%', 'a version below 1 closes the door');
DELETE FROM _df._worker_ready;
SELECT throws_like($$ SELECT df.start('SELECT 1') $$, '%not ready%', 'so does a row that is missing');
SELECT is((SELECT count(*) FROM df.instances), (SELECT instances FROM before), 'and nothing is left behind');
INSERT INTO _df._worker_ready (schema_version) VALUES (1);
SELECT throws_ok($$ INSERT INTO _df._worker_ready (sentinel, schema_version) VALUES (false, 1) $$, '23514', NULL, 'there is one row at most');
SELECT lives_ok($$ SELECT df.start('SELECT 1') $$, 'and it opens again');

SELECT * FROM finish();
