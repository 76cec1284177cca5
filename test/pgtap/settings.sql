-- Settings (surface §7): read as text, empty means unset, a value out of range is an error that names setting, value and range.
\ir setup.psql

-- They can stand with a role, with nothing loaded that knows them.
CREATE ROLE settings_alice LOGIN;
ALTER ROLE settings_alice SET pg_durable.list_instances_max_limit = 7;
SELECT df.grant_usage('settings_alice') \g /dev/null
\set me :USER
\c - settings_alice
\set QUIET on
\set ON_ERROR_STOP off
SELECT * FROM df.list_instances(NULL, 8);
\set refused :LAST_ERROR_MESSAGE
\set ON_ERROR_STOP on
\c - :me
SELECT no_plan();

-- Calls that read a setting of the session, and what each setting takes.
CREATE TEMPORARY TABLE settings (name text PRIMARY KEY, reader text, good text[], bad text[]);
INSERT INTO settings VALUES
    ('list_instances_max_limit', 'SELECT * FROM df.list_instances(NULL, 1)', '{1,1000,1000000, 50 ,""}', '{0,-1,1000001,1.5,many,1000s,1e3,0x10,99999999999999999999}'),
    ('retention_days', 'SELECT _df.sweep_retention()', '{0,30,36500, 7 ,""}', '{-1,36501,1.5,forever,30 days,99999999999999999999}'),
    ('enable_superuser_instances', 'SELECT df.start(''SELECT 1'')', '{on,true,yes,1,ON, on ,t,y}', '{maybe,2,o,enabled}'),
    ('http', 'SELECT df.http(''http://x'')', '{all,allowlist,ALL, all }', '{on,true,1,none,allow}');
CREATE FUNCTION pg_temp.read_with(setting text, value text, reader text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM set_config('pg_durable.' || setting, value, true);
    EXECUTE reader;
    RETURN 'accepted';
EXCEPTION WHEN OTHERS THEN
    RETURN SQLERRM;
END $$;
SELECT is(pg_temp.read_with(name, value, reader), 'accepted', format('%s takes %L', name, value)) FROM settings, unnest(good) value;
SELECT is(pg_temp.read_with(name, value, reader), format('invalid value for parameter "pg_durable.%s": "%s"', name, value), format('%s does not take %L', name, value)) FROM settings, unnest(bad) value;

-- Without one, or with an empty one, the default holds.
SELECT throws_like('SELECT * FROM df.list_instances(NULL, 1001)', '%list_instances_max_limit (1000)%', 'list_instances_max_limit is 1000');
SET pg_durable.list_instances_max_limit = '';
SELECT throws_like('SELECT * FROM df.list_instances(NULL, 1001)', '%list_instances_max_limit (1000)%', 'empty means unset');
SELECT throws_like($$ SELECT df.http('http://x') $$, '%df.http() is disabled%', 'http is off');
SET pg_durable.http = '';
SELECT throws_like($$ SELECT df.http('http://x') $$, '%df.http() is disabled%', 'also when it is empty');
SET pg_durable.http = 'off';
SELECT throws_like($$ SELECT df.http_multipart('http://x', parts => '[{"name": "a", "data_b64": ""}]') $$, '%df.http() is disabled%', 'http = off is off');
SET pg_durable.enable_superuser_instances = '';
SELECT throws_like($$ SELECT df.start('SELECT 1') $$, '%enable_superuser_instances%', 'enable_superuser_instances is off');
SET pg_durable.enable_superuser_instances = 'no';
SELECT throws_like($$ SELECT df.start('SELECT 1') $$, '%enable_superuser_instances%', 'and can be said to be');
RESET pg_durable.enable_superuser_instances;

SELECT matches(:'refused'::text, 'list_instances_max_limit \(7\)', 'ALTER ROLE ... SET holds in the sessions of the role');

SELECT * FROM finish();
DROP OWNED BY settings_alice;
