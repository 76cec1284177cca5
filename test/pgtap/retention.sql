-- Retention (semantics §11): what has ended and is old, or is not among the newest 10,000, goes; what runs stays.
\set QUIET on
SET client_min_messages = warning;
SET pg_durable.enable_superuser_instances = on;
SELECT plan(7);
SELECT df.start('SELECT 1', 'old') AS old \gset
SELECT df.start('SELECT 1' ~> 'SELECT 2', 'new') AS new \gset
SELECT df.start('SELECT 1/0', 'failed') AS failed \gset
SELECT df.start(df.wait_for_signal('never'), 'waits') AS waits \gset
CALL df.work() \gset
UPDATE df.instances SET created_at = now() - interval '40 days', completed_at = completed_at - interval '40 days' WHERE id IN (:'old', :'waits');
UPDATE df.instances SET created_at = now() - interval '40 days' WHERE id = :'failed';
SELECT is(_df.sweep_retention(), 2::bigint, 'two have ended and are older than thirty days');
SELECT is(_df.sweep_retention(), 0::bigint, 'and then none');
SELECT set_eq('SELECT label FROM df.instances', ARRAY['new', 'waits'], 'what is young or runs stays');
SELECT is((SELECT count(*) FROM _df.runs), 2::bigint, 'engine state goes with its instance');
SET pg_durable.retention_days = 'many';
SELECT throws_like('SELECT _df.sweep_retention()', '%pg_durable.retention_days%many%', 'a setting that is no number is an error');
SET pg_durable.retention_days = '0';
SELECT is(_df.sweep_retention(), 1::bigint, 'zero days: everything that has ended');
SELECT is(df.status(:'waits'), 'running', 'and nothing that runs');
SELECT * FROM finish();
