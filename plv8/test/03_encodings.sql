-- Point 3, continued: databases that are not in UTF-8. Each has a session of its own, by dblink.
\ir helpers.sql
SELECT no_plan();
CREATE DATABASE plv8_latin1 ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';
CREATE DATABASE plv8_euc_jp ENCODING 'EUC_JP' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C';
CREATE FUNCTION connect(name text) RETURNS void LANGUAGE sql AS $$
	SELECT dblink_connect(name, regexp_replace(here(), 'dbname=\S+', 'dbname=plv8_' || name) || ' client_encoding=UTF8');
	SELECT dblink_exec(name, 'SET client_min_messages = warning; CREATE EXTENSION plv8');
	SELECT dblink_exec(name, $q$CREATE FUNCTION js(body text) RETURNS text LANGUAGE plv8 AS 'return String(new Function(body)())'$q$) $$;
-- inside(database, body): what a body gives there, or the message and context that it ends with.
CREATE FUNCTION inside(name text, body text) RETURNS text LANGUAGE plpgsql AS $$ DECLARE r text; c text; BEGIN
	SELECT v INTO r FROM dblink(name, format('SELECT js(%L)', body)) AS x(v text); RETURN r;
EXCEPTION WHEN OTHERS THEN GET STACKED DIAGNOSTICS c = PG_EXCEPTION_CONTEXT; RETURN SQLERRM || ' | ' || c; END $$;
SELECT connect('latin1'), connect('euc_jp');

SELECT is(inside('latin1', 'return "é".codePointAt(0) + "é"'), '233é', 'LATIN1: a letter is itself, both ways');
SELECT is(inside('euc_jp', 'return "あ".codePointAt(0) + "あ"'), '12354あ', 'EUC_JP: so are two bytes');
SELECT is(inside('latin1', 'return JSON.stringify(plv8.execute(''SELECT $1::text AS "clé"'', ["ü"]))'), '[{"clé":"ü"}]', 'columns and parameters');
SELECT is(inside('euc_jp', 'return JSON.stringify(plv8.execute("SELECT $1::jsonb AS j", [["あ"]]))'), '[{"j":["あ"]}]', 'jsonb');
SELECT matches(inside('latin1', 'return "\u20ac"'), 'no equivalent', 'a character that LATIN1 has not is an error');
SELECT is(inside('latin1', 'try { plv8.execute("SELECT $1::text", ["\u20ac"]) } catch (e) { return "caught" }'), 'caught', 'which can be caught');
SELECT matches(inside('latin1', 'throw new Error("é")'), '^é \|', 'a message');
SELECT ours_is($q$SELECT inside('latin1', 'throw new Error("\u20ac é \u20ac")') ~ '^\? é \? \|'$q$, 'true', 'a message is not lost for a character that has no place');
SELECT dblink_exec('latin1', $$CREATE FUNCTION "né"("à" int) RETURNS int[] LANGUAGE plv8 AS 'return à'$$);
SELECT ours_is($q$SELECT inside('latin1', 'plv8.execute(''SELECT "né"(5)'')') ~ 'value is not an Array \|.*né\(\)'$q$, 'true', 'names of functions and arguments');
SELECT dblink_disconnect('latin1'), dblink_disconnect('euc_jp');
DROP DATABASE plv8_latin1;
DROP DATABASE plv8_euc_jp;
SELECT * FROM finish();
