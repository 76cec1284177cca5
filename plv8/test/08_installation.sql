-- Point 8: the installation.
\ir helpers.sql
SELECT no_plan();
SELECT matches((SELECT extversion FROM pg_extension WHERE extname = 'plv8'), '^3\.2\.', 'the extension''s version says which API it has');
SELECT is((SELECT count(*)::int FROM pg_available_extensions WHERE name = 'plv8'), 1, 'the extension is available');
SELECT is((SELECT nspname::text FROM pg_language l JOIN pg_proc p ON p.oid = lanplcallfoid JOIN pg_namespace n ON n.oid = pronamespace WHERE lanname = 'plv8'), 'pg_catalog', 'its handlers are in pg_catalog');
SELECT is((SELECT count(*)::int FROM pg_language l JOIN pg_proc p ON p.oid IN (lanplcallfoid, laninline, lanvalidator) WHERE lanname = 'plv8' AND probin ~ 'plv8'), 3, 'call, inline and validator handlers are of its library');
CREATE FUNCTION maps() RETURNS text LANGUAGE sql AS $$ SELECT pg_read_file('/proc/self/maps') $$;
SELECT js('return 1');
SELECT ours_is($$SELECT (maps() ~ 'libnode')::text$$, 'true', 'V8 is libnode');
SELECT ours_is($$SELECT count(*)::text FROM regexp_matches(maps(), '/\S*libnode\S*|/\S*plv8\S*', 'g') m
	WHERE m[1] !~ ('^(' || (SELECT setting FROM pg_config WHERE name = 'PKGLIBDIR') || '|/usr/lib|/lib)')$$, '0', 'library and V8 come from the installed places, not from a build folder');
CREATE FUNCTION threads_mask() RETURNS text LANGUAGE plpgsql AS $$
DECLARE me int := pg_backend_pid(); tid text; blocked text; bad text := ''; BEGIN
	FOR tid IN SELECT * FROM pg_ls_dir('/proc/self/task') LOOP
		CONTINUE WHEN tid = me::text;
		blocked := (regexp_match(pg_read_file('/proc/self/task/' || tid || '/status'), 'SigBlk:\s+([0-9a-f]+)'))[1];
		-- HUP, INT, QUIT, USR1, USR2, ALRM, TERM and CHLD: bits 0, 1, 2, 9, 11, 13, 14, 16.
		IF (('x' || blocked)::bit(64) & x'0000000000016A07'::bit(64)) <> x'0000000000016A07'::bit(64) THEN bad := bad || tid || ':' || blocked || ' '; END IF;
	END LOOP;
	RETURN bad; END $$;
SELECT ours_is('SELECT threads_mask()', '', 'V8''s threads block every signal that the backend lives by');
SELECT is((SELECT count(*)::int FROM pg_settings WHERE name = 'shared_preload_libraries' AND setting ~ 'plv8'), 0, 'it is not preloaded');
SELECT fails('CREATE EXTENSION plv8', '42710', 'already exists', 'and installed once');
CREATE FUNCTION uses() RETURNS int LANGUAGE plv8 AS 'return 1';
SELECT fails('DROP EXTENSION plv8', '2BP01', 'depend', 'functions depend on it');
DROP FUNCTION uses();
SELECT dblink_connect('other', here());
SELECT dblink_exec('other', 'BEGIN');
SELECT lives_ok($q$SELECT dblink_exec('other', 'DROP EXTENSION plv8 CASCADE')$q$, 'the extension can be dropped');
SELECT lives_ok($q$SELECT dblink_exec('other', 'CREATE EXTENSION plv8')$q$, 'and created again');
SELECT lives_ok($q$SELECT dblink_exec('other', 'CREATE FUNCTION uses() RETURNS int LANGUAGE plv8 AS ''return 7''')$q$, 'in one transaction');
SELECT is((SELECT v FROM dblink('other', 'SELECT uses()') AS x(v int)), 7, 'and works');
SELECT dblink_exec('other', 'ROLLBACK');
SELECT dblink_disconnect('other');
SELECT * FROM finish();
