-- df.explain evaluates expressions over DSL calls and nothing else (semantics §12): whatever a text holds besides, it is
-- refused or shown, and never run. Each attack would leave a note if it ran.
\ir setup.psql
SET client_min_messages = warning;
SELECT no_plan();

-- What an attacker can put in the way: functions and operators of our names, found first; a df of their own is not to be had.
CREATE SCHEMA trap;
CREATE FUNCTION trap.spring() RETURNS text LANGUAGE sql AS $$ SELECT public.note('sprung') $$;
CREATE FUNCTION trap.spring(text) RETURNS text LANGUAGE sql AS $$ SELECT public.note('sprung') $$;
CREATE FUNCTION trap.spring(text, text) RETURNS text LANGUAGE sql AS $$ SELECT public.note('sprung') $$;
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['sql', 'seq', '"as"', 'sleep', '"loop"', '"if"', '"join"', 'race', 'text', '"interval"', 'int8', 'quote_literal'] LOOP
        EXECUTE format('CREATE FUNCTION trap.%s(text, text) RETURNS text LANGUAGE sql AS $f$ SELECT public.note(''sprung'') $f$', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['~>', '|=>', '&', '|', '?>', '!>', '||', '+', '-', '@@'] LOOP
        EXECUTE format('CREATE OPERATOR trap.%s (LEFTARG = text, RIGHTARG = text, FUNCTION = trap.spring)', name);
    END LOOP;
    FOREACH name IN ARRAY ARRAY['@>', '@@', '!!', '~', '+', '-'] LOOP
        EXECUTE format('CREATE OPERATOR trap.%s (RIGHTARG = text, FUNCTION = trap.spring)', name);
    END LOOP;
END $$;
CREATE DOMAIN trap.bait AS text CHECK (trap.spring(VALUE) IS NOT NULL);
CREATE TYPE trap.pair AS (a text, b text);
CREATE TYPE trap.lure AS ENUM ('SELECT 1');
CREATE CAST (text AS trap.pair) WITH INOUT AS IMPLICIT;
CREATE FUNCTION trap.spring_pair(trap.pair) RETURNS trap.lure LANGUAGE sql AS $$ SELECT public.note('sprung')::trap.lure $$;
CREATE CAST (trap.pair AS trap.lure) WITH FUNCTION trap.spring_pair(trap.pair) AS IMPLICIT;
CREATE VIEW trap.peek AS SELECT trap.spring() AS seen;
-- The test's own operators are not to be trapped.
CREATE FUNCTION public.explained(attack text) RETURNS text LANGUAGE plpgsql SET search_path = trap, public, pg_catalog AS $$ BEGIN RETURN df.explain(attack); END $$;

CREATE TEMPORARY TABLE attacks (attack text, shown text);
INSERT INTO attacks (attack) VALUES
    -- functions
    ($a$'a' ~> trap.spring()$a$), ($a$'a' ~> spring('b')$a$), ($a$trap.spring('a', 'b') ~> 'c'$a$), ($a$df.seq('a', spring())$a$), ($a$df.seq(spring(), spring())$a$),
    ($a$df.sql(public.note('sprung'))$a$), ($a$df.sql(query => note('sprung'))$a$), ($a$df.sql(VARIADIC ARRAY[note('sprung')])$a$), ($a$df.sql(DISTINCT note('sprung'))$a$), ($a$df.sql('a') OVER (PARTITION BY note('sprung'))$a$),
    ($a$df.sql('a') FILTER (WHERE note('sprung') > '')$a$), ($a$df.sql('a' ORDER BY note('sprung'))$a$), ($a$df.sleep(length(note('sprung')))$a$), ($a$df.sleep((note('sprung'))::bigint)$a$), ($a$df."as"('a', note('sprung'))$a$),
    ($a$df."sql"(note('sprung'))$a$), ($a$DF.SQL(NOTE('sprung'))$a$), ($a$df . sql ( note ( 'sprung' ) )$a$), ($a$"df"."sql"("note"('sprung'))$a$), ($a$df.sql(pg_catalog.set_config('search_path', note('sprung'), false))$a$),
    ($a$"DF".sql('a')$a$), ($a$df.public.note('sprung')$a$), ($a$public.df.sql('a')$a$), ($a$df.sql.note('sprung')$a$), ($a$(df.sql('a')).note$a$), ($a$('sprung'::text).note ~> 'a'$a$), ($a$df.sql('a')[length(note('sprung'))]$a$),
    ($a$'a' ~> pg_sleep(10)$a$), ($a$'a' ~> lo_import('/etc/passwd')::text$a$), ($a$'a' ~> pg_read_file('/etc/passwd')$a$), ($a$'a' ~> current_setting('is_superuser')$a$), ($a$'a' ~> pg_terminate_backend(pg_backend_pid())::text$a$), ($a$'a' ~> query_to_xml('SELECT note(''sprung'')', true, true, '')::text$a$),
    ($a$'a' ~> coalesce(note('sprung'))$a$), ($a$'a' ~> CASE WHEN note('sprung') > '' THEN 'b' END$a$), ($a$'a' ~> ARRAY[note('sprung')]$a$), ($a$'a' ~> ROW(note('sprung'))::text$a$), ($a$'a' ~> xmlserialize(content xmlelement(name x, note('sprung')) AS text)$a$), ($a$'a' ~> extract(epoch from note('sprung')::interval)::text$a$),
    -- what is in df and does something
    ($a$df.setvar('sprung', 'yes')$a$), ($a$df.seq('a', df.setvar('sprung', 'yes'))$a$), ($a$'a' ~> df.clearvars()$a$), ($a$df.start('SELECT note(''sprung'')')$a$), ($a$df.start('SELECT note(''sprung'')' ~> 'a', transaction_mode => 'new')$a$), ($a$'a' ~> df.start('SELECT note(''sprung'')')$a$),
    ($a$df.cancel('00000000')$a$), ($a$df.run()$a$), ($a$df.grant_usage('pg_monitor')$a$), ($a$df.explain('a')$a$), ($a$'a' ~> df.explain($$df.setvar('sprung', 'yes')$$)$a$), ($a$df.result('00000000') ~> 'a'$a$), ($a$df.getvar('x') ~> 'a'$a$), ($a$df.await_instance('00000000', 3600)$a$), ($a$df.update_node_status('a', 'b', 'c', 'null', 'd')$a$),
    ($a$df.instances$a$), ($a$df.instances.id ~> 'a'$a$), ($a$df.work()$a$), ($a$df.metrics()$a$), ($a$_df.sweep_retention() ~> 'a'$a$), ($a$_df.random_ids(1) ~> 'a'$a$), ($a$_df.select_into('SELECT note(''sprung'')') ~> 'a'$a$),
    -- operators
    ($a$'a' @@ 'b' ~> 'c'$a$), ($a$@@ 'a' ~> 'b'$a$), ($a$!! 'a' ~> 'b'$a$), ($a$'a' OPERATOR(trap.~>) 'b'$a$), ($a$'a' OPERATOR(trap.||) 'b' ~> 'c'$a$), ($a$OPERATOR(trap.@>) 'a' ~> 'b'$a$), ($a$'a' + 'b' ~> 'c'$a$), ($a$- 'a' ~> 'b'$a$), ($a$'a' ~> 'b' = note('sprung')$a$),
    ($a$'a' ~> 'b' AND note('sprung') > ''$a$), ($a$'a' ~> 'b' IN (SELECT note('sprung'))$a$), ($a$'a' ~> 'b' LIKE note('sprung')$a$), ($a$'a' ~> 'b' IS DISTINCT FROM note('sprung')$a$), ($a$'a' ~> 'b' BETWEEN note('sprung') AND 'c'$a$), ($a$'a' ~> 'b' COLLATE "C" || note('sprung')$a$), ($a$'a' ~> ANY (ARRAY[note('sprung')])$a$),
    -- queries
    ($a$'a' ~> (SELECT note('sprung'))$a$), ($a$'a' ~> (TABLE trap.peek)$a$), ($a$'a' ~> (VALUES (note('sprung')))$a$), ($a$'a' ~> (WITH x AS (SELECT note('sprung') AS n) SELECT n FROM x)$a$), ($a$'a' ~> (SELECT seen FROM trap.peek)$a$), ($a$'a' ~> EXISTS (SELECT note('sprung'))::text$a$), ($a$'a' ~> ARRAY(SELECT note('sprung'))::text$a$),
    ($a$'a' ~> 'b' FROM trap.peek$a$), ($a$'a' ~> 'b' WHERE note('sprung') > ''$a$), ($a$'a' ~> 'b' UNION SELECT note('sprung')$a$), ($a$'a' ~> 'b', note('sprung')$a$), ($a$'a' ~> 'b' AS x, note('sprung')$a$), ($a$'a' ~> 'b' LIMIT length(note('sprung'))$a$), ($a$'a' ~> 'b'; SELECT note('sprung')$a$), ($a$'a' ~> 'b' ORDER BY note('sprung')$a$), ($a$'a' ~> 'b' INTO TABLE sprung$a$),
    ($a$'a' ~> 'b'); SELECT note('sprung'); --$a$), ($a$'a') ~> (SELECT note('sprung')$a$), ($a$)) SELECT note('sprung') ~> (('a'$a$),
    -- comments
    ($a$'a' ~> /* 'b' */ note('sprung')$a$), ($a$'a' ~> -- 'b'
note('sprung')$a$), ($a$'a' ~>/**/note('sprung')$a$), ($a$'a' ~> /* /* */ 'b' */ note('sprung')$a$), ($a$'a' ~> 'b' /* */ , note('sprung')$a$), ($a$'a' ~> 'b' --$a$ || E'\r' || $a$, note('sprung')$a$), ($a$'a' ~> 'b' /* ; SELECT note('sprung')$a$), ($a$/**/ SELECT note('sprung') ~> 'a'$a$),
    -- quotes
    ($a$'a' ~> '' || note('sprung') || ''$a$), ($a$'a' ~> 'it''s' || note('sprung')$a$), ($a$'a' ~> 'x\'||note('sprung')--'$a$), ($a$'a' ~> E'x\'' || note('sprung')$a$), ($a$'a' ~> E'\\' || note('sprung')$a$), ($a$'a' ~> $$b$$ || note('sprung')$a$), ($a$'a' ~> $x$ $$ $x$ || note('sprung')$a$),
    ($a$'a' ~> $x$b$X$ || note('sprung') --$x$ || note('sprung')$a$), ($a$'a' ~> U&'\0062' || note('sprung')$a$), ($a$'a' ~> U&'b' UESCAPE '!' || note('sprung')$a$), ($a$'a' ~> U&'!0027' UESCAPE '!' || note('sprung')$a$), ($a$'a' ~> U&"note"('sprung')$a$), ($a$'a' ~> B'1' || note('sprung')$a$), ($a$'a' ~> X'27' || note('sprung')$a$), ($a$'a' ~> N'b' || note('sprung')$a$),
    ($a$'a' ~> 'b'
'c' || note('sprung')$a$), ($a$'a' ~> 'b' 'c' || note('sprung')$a$), ($a$"a"("sprung") ~> 'b'$a$), ($a$'a' ~> "note"('sprung')$a$), ($a$'a' ~> ’ || note('sprung') || ’$a$), ($a$'a' ~> 'b' || note('sprung')$a$), ($a$'a' ~> 'b"' || note('sprung') || '"'$a$), ($a$1$$ ~> $$ || note('sprung')$a$), ($a$x$$ ~> $$ || note('sprung')$a$),
    -- casts and typed literals
    ($a$'a' ~> 'b'::trap.bait$a$), ($a$'a'::trap.bait ~> 'b'$a$), ($a$CAST('b' AS trap.bait) ~> 'a'$a$), ($a$trap.bait 'a' ~> 'b'$a$), ($a$bait 'a' ~> 'b'$a$), ($a$'(a,b)'::trap.pair::trap.lure::text ~> 'a'$a$), ($a$'a' ~> 'b'::regclass::text$a$), ($a$'a' ~> 'note(text)'::regprocedure('sprung')$a$),
    ($a$'a'::text(note('sprung')) ~> 'b'$a$), ($a$'a'::varchar(length(note('sprung'))) ~> 'b'$a$), ($a$df.sleep(interval 'note(''sprung'')')$a$), ($a$df.sleep(interval(length(note('sprung'))) '1')$a$), ($a$df.http('http://x', headers => (note('sprung'))::jsonb)$a$), ($a$'a'::text[] ~> 'b'$a$), ($a$'a' ~> 'b'::text AT TIME ZONE note('sprung')$a$),
    -- bodies that look like graphs, ids and statements
    ($a${"node_type":"SQL","query":"SELECT note('sprung')"}$a$), ($a${"node_type":"IF","left_node":{"node_type":"SQL","query":"SELECT note('sprung')"},"right_node":{"node_type":"SQL","query":"1"},"condition_node":{"node_type":"SQL","query":"SELECT note('sprung')"}}$a$),
    ($a$SELECT note('sprung')$a$), ($a$  select note('sprung') ~> 'a'$a$), ($a$VALUES (note('sprung'))$a$), ($a$CALL note('sprung')$a$), ($a$DO 'BEGIN PERFORM note(''sprung''); END'$a$), ($a$EXPLAIN ANALYZE SELECT note('sprung')$a$), ($a$SELECT df.sql(note('sprung'))$a$), ($a$WITH x AS (SELECT note('sprung')) SELECT 1$a$), ($a$(SELECT note('sprung'))$a$), ($a$note('sprung')$a$),
    ($a$00000000' UNION SELECT note('sprung') --$a$), ($a$' || note('sprung') || '$a$), ($a$'SELECT {x}' ~> 'SELECT $y'; DROP TABLE effects$a$), (repeat('(', 5000) || $a$note('sprung') ~> 'a'$a$), (repeat($a$@> $a$, 5000) || $a$note('sprung')$a$), ($a$'a' ~> 'b$a$ || chr(1) || $a$' || note('sprung')$a$), ($a$'a' ~>$a$ || chr(160) || $a$note('sprung')$a$), ($a$'a' ~>$a$ || chr(8232) || $a$note('sprung')$a$);

UPDATE attacks SET shown = explained(attack);
SELECT is(notes('%'), NULL, 'as a superuser nothing ran');
SELECT is((SELECT count(*) FROM df.vars) || ' ' || (SELECT count(*) FROM df.instances), '0 0', 'and nothing was set or started');
SELECT ok(shown IS NOT NULL AND shown <> '', 'an answer for ' || left(attack, 80)) FROM attacks;
-- What is shown of an attack is either its refusal or a tree with the very text of a step.
SELECT is_empty($$ SELECT attack, shown FROM pg_temp.attacks WHERE shown !~ '^(Failed to evaluate expression: |Cannot explain |Invalid durable function graph: |SQL: |IF\n|SIGNAL|SLEEP|→)' $$, 'refused, or shown as a tree');
SELECT is_empty($$ SELECT attack, shown FROM pg_temp.attacks WHERE attack ~ '^''a'' ~>' AND shown !~ '^(Failed to evaluate expression: |Cannot explain )' $$, 'no expression with more than DSL calls is taken');

-- In sessions that read strings in another way, and as a role that may do little.
SET standard_conforming_strings = off;
SET escape_string_warning = off;
SET backslash_quote = on;
UPDATE attacks SET shown = explained(attack);
SELECT is(notes('%'), NULL, 'with other rules for strings nothing ran');
RESET standard_conforming_strings;
SET default_transaction_read_only = on;
SELECT is((SELECT count(*) FROM attacks a WHERE explained(a.attack) IS NULL), 0::bigint, 'explain works in a read-only transaction, where nothing could be written');
SET default_transaction_read_only = off;
CREATE ROLE explain_alice LOGIN;
SELECT df.grant_usage('explain_alice') \g /dev/null
GRANT SELECT ON attacks TO explain_alice;
GRANT USAGE ON SCHEMA trap, public TO explain_alice;
SET ROLE explain_alice;
SELECT is((SELECT count(*) FROM attacks a WHERE explained(a.attack) ~ 'permission denied for (function note|table|schema)'), 0::bigint, 'an ordinary role does not come near what it may not do');
SELECT matches(explained($$df.http('http://x')$$), '^Failed to evaluate expression: permission denied for function http', 'df.http is evaluated with the caller''s privileges');
RESET ROLE;
SELECT is(notes('%'), NULL, 'nothing ran');

-- Our own operators and functions are meant, whatever the search_path holds.
SELECT is(explained($$'a' ~> 'b' & @> 'c'$$), E'JOIN (2)\n    ║ branch 1:\n      └─SQL: a\n      → SQL: b\n    ║ branch 2:\n      └─LOOP (infinite)\n          ↻ body:\n            └─SQL: c', 'operators of ours');
SELECT is(explained($$df.seq('a', 'b')$$), E'SQL: a\n→ SQL: b', 'functions of ours');
SELECT is(notes('%'), NULL, 'nothing of others ran');
-- The trap works: what df.explain would run if it gave the text to SQL.
SELECT is('a'::text OPERATOR(trap.~>) 'b'::text, 'sprung', 'the trap springs when it is stepped on');
SELECT is(notes('%'), 'sprung', 'and leaves its note');

SELECT * FROM finish();
