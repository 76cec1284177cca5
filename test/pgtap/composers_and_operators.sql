-- Composers and operators (surface §2, §3, §4): the exact text that each of them returns, what is refused, and with which words.
BEGIN;
SELECT no_plan();

-- SQL ---------------------------------------------------------------------------------------------------------------
SELECT is(df.sql('SELECT 1'), '{"node_type":"SQL","query":"SELECT 1"}', 'df.sql');
SELECT is(df.sql(''), '{"node_type":"SQL","query":""}', 'df.sql never inspects: an empty text');
SELECT is(df.sql('this is not SQL;;'), '{"node_type":"SQL","query":"this is not SQL;;"}', 'df.sql never inspects: nonsense');
SELECT is(df.sql('{"node_type":"SLEEP","query":"1"}')::json ->> 'query', '{"node_type":"SLEEP","query":"1"}', 'df.sql never inspects: a future is SQL text here');
SELECT is((df.sql(text) :: json) ->> 'query', text, 'df.sql keeps every character: ' || quote_literal(text)) FROM unnest(ARRAY[
    E'SELECT \'it\'\'s\' /* "quoted" */', E'line 1\nline 2\ttab\r\n', E'back\\slash', 'Grüße, 世界, 🐘', E'\u0001\u001f\u007f', '</script>', '  leading and trailing  ']) text;
SELECT ok(df.sql('SELECT 1') !~ '\s(?=")', 'no white space between tokens');

-- Every composer, each node type with its keys in order -------------------------------------------------------------
SELECT is(made, expected, form) FROM (VALUES
    ('df.seq', df.seq('A', 'B'), '{"node_type":"THEN","left_node":{"node_type":"SQL","query":"A"},"right_node":{"node_type":"SQL","query":"B"}}'),
    ('df."as"', df."as"('A', 'n'), '{"node_type":"SQL","query":"A","result_name":"n"}'),
    ('df.sleep(bigint)', df.sleep(5), '{"node_type":"SLEEP","query":"5"}'),
    ('df.sleep(0)', df.sleep(0), '{"node_type":"SLEEP","query":"0"}'),
    ('df.sleep of the largest bigint', df.sleep(9223372036854775807), '{"node_type":"SLEEP","query":"9223372036854775807"}'),
    ('df.sleep(smallint)', df.sleep(3::smallint), '{"node_type":"SLEEP","query":"3"}'),
    ('df.sleep(interval)', df.sleep(interval '90 minutes'), '{"node_type":"SLEEP","query":"5400"}'),
    ('df.sleep of a literal', df.sleep('5'), '{"node_type":"SLEEP","query":"5"}'),
    ('df.sleep of an interval as text', df.sleep('90 minutes'), '{"node_type":"SLEEP","query":"5400"}'),
    ('df.sleep(interval), parts of a second', df.sleep(interval '250 milliseconds'), '{"node_type":"SLEEP","query":"0.25"}'),
    ('df.sleep(interval), microseconds', df.sleep(interval '1.000001 s'), '{"node_type":"SLEEP","query":"1.000001"}'),
    ('df.wait_for_schedule', df.wait_for_schedule('*/5 * * * *'), '{"node_type":"WAIT_SCHEDULE","query":"{\"cron_expr\":\"*/5 * * * *\"}"}'),
    ('df."loop" without a condition', df."loop"('A'), '{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"A"}}'),
    ('df."loop" with NULL for a condition', df."loop"('A', NULL), '{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"A"}}'),
    ('df."loop" with a condition', df."loop"('A', 'C'), '{"node_type":"LOOP","left_node":{"node_type":"SQL","query":"A"},"condition_node":{"node_type":"SQL","query":"C"}}'),
    ('df."break"()', df."break"(), '{"node_type":"BREAK","query":"{\"break_value\":null}"}'),
    ('df."break"(NULL)', df."break"(NULL), '{"node_type":"BREAK","query":"{\"break_value\":null}"}'),
    ('df."break" with a value', df."break"('done'), '{"node_type":"BREAK","query":"{\"break_value\":\"done\"}"}'),
    ('df."break" with JSON for a value, which stays text', df."break"('{"a":1}'), '{"node_type":"BREAK","query":"{\"break_value\":\"{\\\"a\\\":1}\"}"}'),
    ('df."break" with an empty value', df."break"(''), '{"node_type":"BREAK","query":"{\"break_value\":\"\"}"}'),
    ('df."if"', df."if"('C', 'T', 'E'), '{"node_type":"IF","left_node":{"node_type":"SQL","query":"T"},"right_node":{"node_type":"SQL","query":"E"},"condition_node":{"node_type":"SQL","query":"C"}}'),
    ('df.if_rows', df.if_rows('r', 'T', 'E'), '{"node_type":"IF","left_node":{"node_type":"SQL","query":"T"},"right_node":{"node_type":"SQL","query":"E"},"query":"{\"condition_type\":\"result_has_rows\",\"result_name\":\"r\"}"}'),
    ('df."join"', df."join"('A', 'B'), '{"node_type":"JOIN","left_node":{"node_type":"SQL","query":"A"},"right_node":{"node_type":"SQL","query":"B"}}'),
    ('df.join3', df.join3('A', 'B', 'C'), '{"node_type":"JOIN","left_node":{"node_type":"SQL","query":"A"},"right_node":{"node_type":"SQL","query":"B"},"extra_nodes":[{"node_type":"SQL","query":"C"}]}'),
    ('df.race', df.race('A', 'B'), '{"node_type":"RACE","left_node":{"node_type":"SQL","query":"A"},"right_node":{"node_type":"SQL","query":"B"}}'),
    ('df.wait_for_signal', df.wait_for_signal('go'), '{"node_type":"SIGNAL","query":"{\"signal_name\":\"go\",\"timeout_seconds\":null}"}'),
    ('df.wait_for_signal with a timeout', df.wait_for_signal('go', 60), '{"node_type":"SIGNAL","query":"{\"signal_name\":\"go\",\"timeout_seconds\":60}"}'),
    ('df.wait_for_signal, arguments by name', df.wait_for_signal(timeout_seconds => 1, name => 'a "b"'), '{"node_type":"SIGNAL","query":"{\"signal_name\":\"a \\\"b\\\"\",\"timeout_seconds\":1}"}')
) v(form, made, expected);

SELECT is(df."as"(df."as"('A', 'first'), 'second'), '{"node_type":"SQL","query":"A","result_name":"second"}', 'a second name replaces the first');
SELECT is(df."as"(df.seq(df."as"('A', 'inner'), 'B'), 'outer'), '{"node_type":"THEN","left_node":{"node_type":"SQL","query":"A","result_name":"inner"},"right_node":{"node_type":"SQL","query":"B"},"result_name":"outer"}', 'a name is the node''s own, and comes last');
SELECT is(df."as"(df.seq('A', df."as"('B', 'last')), 'outer'), '{"node_type":"THEN","left_node":{"node_type":"SQL","query":"A"},"right_node":{"node_type":"SQL","query":"B","result_name":"last"},"result_name":"outer"}', 'the name of the last child is not the pair''s');
SELECT is(df."as"(df.sql(',"result_name":"x"}'), 'n')::json ->> 'query', ',"result_name":"x"}', 'SQL that looks like the end of a future is left alone');
SELECT is(df."as"('A', name)::json ->> 'result_name', name, 'a good name: ' || name) FROM unnest(ARRAY['a', '_', '_1', 'A9', 'camelCase', 'snake_case', repeat('x', 200)]) name;
SELECT is(df.seq('A', 'B'), df.seq('A', 'B'), 'the same expression gives the same text');

-- NULL ---------------------------------------------------------------------------------------------------------------
SELECT is(made, NULL, form || ' with a NULL is NULL') FROM (VALUES
    ('df.sql', df.sql(NULL)), ('df.seq', df.seq('A', NULL)), ('df.seq', df.seq(NULL, 'B')), ('df."as"', df."as"(NULL, 'n')), ('df."as"', df."as"('A', NULL)),
    ('df.sleep', df.sleep(NULL::bigint)), ('df.sleep', df.sleep(NULL::interval)), ('df.sleep', df.sleep(NULL)), ('df.wait_for_schedule', df.wait_for_schedule(NULL)), ('df."if"', df."if"('C', 'T', NULL)),
    ('df.if_rows', df.if_rows(NULL, 'T', 'E')), ('df."join"', df."join"('A', NULL)), ('df.join3', df.join3('A', 'B', NULL)), ('df.race', df.race(NULL, 'B'))
) v(form, made);

-- What is refused ------------------------------------------------------------------------------------------------------
SELECT throws_like(format('SELECT df."as"(''A'', %L)', name), '%not a valid identifier%', 'a bad name: ' || quote_literal(name))
FROM unnest(ARRAY['1a', 'a b', 'a-b', 'a.b', 'a$', '"a"', ' a', 'a ', E'a\n', 'é', 'a;drop', '$a', '*']) name;
SELECT throws_like($$ SELECT df."as"('A', '') $$, '%result name cannot be empty%', 'an empty name');
SELECT throws_like($$ SELECT 'A' |=> 'not valid' $$, '%not a valid identifier%', 'a bad name by the operator');
SELECT throws_like($$ SELECT 'A' |=> '' $$, '%result name cannot be empty%', 'an empty name by the operator');
SELECT throws_like($$ SELECT df.sleep(-1) $$, '%Sleep duration must be non-negative%', 'a negative sleep');
SELECT throws_like($$ SELECT df.sleep(interval '-1 second') $$, '%Sleep duration must be non-negative%', 'a negative interval');
SELECT throws_like($$ SELECT df.sleep(interval '-1 microsecond') $$, '%Sleep duration must be non-negative%', 'the least negative interval');
SELECT throws_like($$ SELECT df.wait_for_signal('') $$, '%Signal name cannot be empty%', 'an empty signal name');
SELECT throws_like($$ SELECT df.wait_for_signal(NULL) $$, '%Signal name cannot be empty%', 'no signal name');
SELECT throws_like(format('SELECT df.wait_for_signal(''go'', %s)', timeout), '%Timeout must be positive%', 'a signal timeout of ' || timeout) FROM unnest(ARRAY[0, -1, -2147483648]) timeout;
SELECT throws_like($$ SELECT df."loop"(NULL) $$, '%NULL%', 'a loop without a body');
SELECT throws_like($$ SELECT df.if_rows('not valid', 'T', 'E') $$, '%not a valid identifier%', 'df.if_rows with a name that no result can have');

-- Schedules ------------------------------------------------------------------------------------------------------------
SELECT lives_ok(format('SELECT df.wait_for_schedule(%L)', cron), 'a good schedule: ' || quote_literal(cron)) FROM unnest(ARRAY[
    '* * * * *', '0 0 1 1 *', '59 23 31 12 *', '*/15 * * * *', '0-30/10 * * * *', '1,2,3 4,5 * * *', '0 9 * * mon-fri', '0 9 * * MON-FRI', '0 0 * jan,JUL *', '0 0 * * 0', '0 0 * * 7', '0 0 29 2 *', '5/20 * * * *', '  0   0 * * *  ']) cron;
SELECT throws_like(format('SELECT df.wait_for_schedule(%L)', cron), '%Invalid cron expression ''' || replace(replace(cron, '\', '\\'), '%', '\%') || '''%', 'a bad schedule: ' || quote_literal(cron)) FROM unnest(ARRAY[
    '', ' ', 'hello', '* * * *', '* * * * * *', '60 * * * *', '* 24 * * *', '* * 0 * *', '* * 32 * *', '* * * 0 *', '* * * 13 *', '* * * * 8', '-1 * * * *', '*/0 * * * *', '5-1 * * * *', '* * * foo *', '* * * * mo', '1,,2 * * * *', '@daily', '0 0 30 2 *', '* * * * * ?', '1.5 * * * *']) cron;

-- HTTP: the checks and their order -------------------------------------------------------------------------------------
SELECT throws_like($$ SELECT df.http('ftp://x', 'BREW', NULL, NULL, -1) $$, '%df.http() is disabled%', 'HTTP is off, and that is said first');
SELECT throws_like($$ SELECT df.http_multipart('ftp://x', 'BREW') $$, '%df.http() is disabled%', 'multipart is off, and that is said first');
SET LOCAL pg_durable.http = 'all';
SELECT is(df.http('https://example.com/a?b=1'), '{"node_type":"HTTP","query":"{\"url\":\"https://example.com/a?b=1\",\"method\":\"POST\",\"body\":null,\"headers\":null,\"timeout_seconds\":30}"}', 'df.http, keys in order');
SELECT is((df.http('http://x', headers => '{"n": 12345678901234567890, "one": 1.50}')::json ->> 'query')::json ->> 'headers', '{"n":12345678901234567890,"one":1.50}', 'numbers in headers keep their digits');
SELECT is((df.http('http://x', 'get', 'body', '{"Accept": "text/plain"}', 5)::json ->> 'query')::jsonb, '{"url":"http://x","method":"GET","body":"body","headers":{"Accept":"text/plain"},"timeout_seconds":5}', 'df.http with everything');
SELECT is((df.http('http://x', method)::json ->> 'query')::jsonb ->> 'method', upper(method), 'method ' || method) FROM unnest(ARRAY['GET', 'post', 'Put', 'delete', 'PATCH']) method;
SELECT throws_like($$ SELECT df.http('ftp://x', 'BREW', NULL, NULL, -1) $$, '%unsupported URL scheme%', 'then the scheme');
SELECT throws_like($$ SELECT df.http('http://x', 'BREW', NULL, NULL, -1) $$, '%Invalid HTTP method%', 'then the method');
SELECT throws_like($$ SELECT df.http('http://x', 'GET', NULL, NULL, -1) $$, '%Timeout must be positive%', 'then the timeout');
SELECT throws_like($$ SELECT df.http('http://x', 'GET', NULL, NULL, 0) $$, '%Timeout must be positive%', 'a timeout of 0');
SELECT throws_like(format('SELECT df.http(%L)', url), '%unsupported URL scheme%', 'a url that is refused: ' || quote_literal(url)) FROM unnest(ARRAY['', 'example.com', 'file:///etc/passwd', 'gopher://x', 'httpx://x', '//x', ' http://x', '$url']) url;
SELECT lives_ok(format('SELECT df.http(%L)', url), 'a url that is accepted: ' || quote_literal(url)) FROM unnest(ARRAY['{base}/path', 'HTTP://x', 'HttpS://x', 'ftp://{host}']) url;
SELECT throws_like(format('SELECT df.http(''http://x'', %L)', method), '%Invalid HTTP method%', 'method ' || method) FROM unnest(ARRAY['HEAD', 'OPTIONS', 'TRACE', 'CONNECT', '', 'GET ']) method;
SELECT throws_like($$ SELECT df.http_multipart('http://x', 'GET', '[{"name":"a","data_b64":"YQ=="}]') $$, '%Invalid HTTP method%', 'multipart has no GET');
SELECT throws_like($$ SELECT df.http_multipart('http://x', 'DELETE', '[{"name":"a","data_b64":"YQ=="}]') $$, '%Invalid HTTP method%', 'multipart has no DELETE');
SELECT throws_like($$ SELECT df.http_multipart('http://x') $$, '%parts is required%', 'multipart without parts');
SELECT throws_like($$ SELECT df.http_multipart('http://x', 'POST', '{"name":"a","data_b64":"YQ=="}') $$, '%parts must be a JSON array%', 'parts that are no array');
SELECT throws_like($$ SELECT df.http_multipart('http://x', 'POST', '"text"') $$, '%parts must be a JSON array%', 'parts that are text');
SELECT throws_like($$ SELECT df.http_multipart('http://x', 'POST', '[]') $$, '%at least one part%', 'no part');
SELECT throws_like(format('SELECT df.http_multipart(''http://x'', ''POST'', %L)', parts), 'parts[%]%', 'a part that is refused: ' || parts) FROM unnest(ARRAY['[1]', '[{}]', '[{"name":"a"}]', '[{"data_b64":"YQ=="}]', '[{"name":1,"data_b64":"YQ=="}]', '[{"name":"a","data_b64":"YQ=="},null]', '[{"name":"a","data_b64":"YQ==","filename":1}]']) parts;
SELECT is(df.http_multipart('http://x', 'put', '[{"name":"a","data_b64":"YQ==","filename":"f.txt","content_type":"text/plain"}]')::json ->> 'node_type', 'HTTP_MULTIPART', 'df.http_multipart');
SELECT is((SELECT string_agg(key, ' ') FROM json_each((df.http_multipart('http://x', 'PATCH', '[{"name":"a","data_b64":"YQ=="}]')::json ->> 'query')::json) j(key)), 'url method parts headers timeout_seconds', 'df.http_multipart, keys in order');
SET LOCAL pg_durable.http = 'sometimes';
SELECT throws_like($$ SELECT df.http('http://x') $$, '%pg_durable.http%sometimes%', 'a value that the setting does not know is an error');
RESET pg_durable.http;

-- Operators ------------------------------------------------------------------------------------------------------------
SELECT is(made, expected, form) FROM (VALUES
    ('~>', 'A' ~> 'B', df.seq('A', 'B')),
    ('|=>', 'A' |=> 'n', df."as"('A', 'n')),
    ('&', 'A' & 'B', df."join"('A', 'B')),
    ('|', 'A' | 'B', df.race('A', 'B')),
    ('?> and !>', 'C' ?> 'T' !> 'E', df."if"('C', 'T', 'E')),
    ('prefix @>', @> 'A', df."loop"('A')),
    ('futures on both sides', df.sql('A') ~> df.sleep(1), df.seq('A', df.sleep(1))),
    ('left to right', 'A' ~> 'B' ~> 'C', df.seq(df.seq('A', 'B'), 'C')),
    ('one precedence: |=> names the pair', 'A' ~> 'B' |=> 'x' ~> 'C', df.seq(df."as"(df.seq('A', 'B'), 'x'), 'C')),
    ('parentheses name one', 'A' ~> ('B' |=> 'x') ~> 'C', df.seq(df.seq('A', df."as"('B', 'x')), 'C')),
    ('prefix @> loops only what is next', @> 'A' ~> 'B', df.seq(df."loop"('A'), 'B')),
    ('parentheses loop both', @> ('A' ~> 'B'), df."loop"(df.seq('A', 'B'))),
    ('& before |, since they are left to right', 'A' & 'B' | 'C', df.race(df."join"('A', 'B'), 'C')),
    ('| before &, since they are left to right', 'A' | 'B' & 'C', df."join"(df.race('A', 'B'), 'C')),
    ('three branches by & are nested', 'A' & 'B' & 'C', df."join"(df."join"('A', 'B'), 'C')),
    ('a ?> whose parts are futures', (df.sql('C') |=> 'c') ?> ('T1' ~> 'T2') !> df.sleep(1), df."if"(df."as"('C', 'c'), df.seq('T1', 'T2'), df.sleep(1))),
    ('what follows !> comes after the whole', 'C' ?> 'T' !> 'E' ~> 'Z', df.seq(df."if"('C', 'T', 'E'), 'Z')),
    ('what precedes ?> is the condition', 'A' ~> 'C' ?> 'T' !> 'E', df."if"(df.seq('A', 'C'), 'T', 'E')),
    ('a named IF', ('C' ?> 'T' !> 'E') |=> 'x', df."as"(df."if"('C', 'T', 'E'), 'x')),
    ('varchar operands', 'A'::varchar ~> 'B'::varchar(10), df.seq('A', 'B')),
    ('a name operand', 'A'::name & 'B', df."join"('A', 'B')),
    ('|| binds before, as an ordinary operator', 'A' || 'B' ~> 'C', df.seq('AB', 'C'))
) v(form, made, expected);
SELECT is(made, NULL, form || ' with a NULL is NULL') FROM (VALUES ('~>', 'A' ~> NULL), ('&', NULL & 'B'::text), ('|', 'A'::text | NULL),
    ('|=>', 'A' |=> NULL), ('|=>', NULL |=> 'n'), ('?>', 'C' ?> NULL), ('?>', NULL ?> 'T'), ('!>', 'C' ?> 'T' !> NULL), ('!>', NULL !> 'E'), ('@>', @> NULL::text)) v(form, made);
SELECT throws_like($$ SELECT 'A' !> 'B' $$, '%left side of !> must be a ?> expression%', '!> behind SQL');
SELECT throws_like($$ SELECT df.sql('A') !> 'B' $$, '%left side of !> must be a ?> expression%', '!> behind a future that is no IF');
SELECT throws_like($$ SELECT 'C' ?> 'T' !> 'E' !> 'F' $$, '%left side of !> must be a ?> expression%', 'a second !>');
SELECT throws_like($$ SELECT df."if"('C', 'T', 'E') !> 'F' $$, '%left side of !> must be a ?> expression%', '!> behind a whole IF');
SELECT throws_like($$ SELECT 'C' ?> ('T' !> 'E') $$, '%left side of !> must be a ?> expression%', '!> in its own parentheses');
SELECT throws_like($$ SELECT df.if_else_op('{"node_type":"IF"}', 'B') $$, '%left side of !> must be a ?> expression%', 'df.if_else_op on an IF without parts');
SELECT is(df.if_else_op(df.if_then_op('C', 'T'), 'E'), df."if"('C', 'T', 'E'), 'the operators'' functions');
SELECT is(df.if_else_op(' { "right_node": null, "condition_node":{"query":"C","node_type":"SQL"}, "left_node":{"node_type":"SQL","query":"T"},"node_type":"IF" } ', 'E'), df."if"('C', 'T', 'E'), '!> takes a ?> result that was written by hand');
SELECT is(df.as_op('A', 'n'), df."as"('A', 'n'), 'df.as_op');
SELECT is(df.loop_prefix_op('A'), df."loop"('A'), 'df.loop_prefix_op');

-- Any search_path. pgTAP itself needs public, so the texts are made first.
CREATE SCHEMA elsewhere;
SET LOCAL search_path = '';
CREATE TEMPORARY TABLE made AS SELECT 'A' ~> 'B' |=> 'x' & 'C' | 'D' AS empty_path, (@> ('C' ?> 'T' !> 'E')) AS more;
SET LOCAL search_path = elsewhere;
ALTER TABLE pg_temp.made ADD elsewhere text;
UPDATE pg_temp.made SET elsewhere = 'A' ~> 'B';
SET LOCAL search_path = public;
SELECT is(empty_path, df.race(df."join"(df."as"(df.seq('A', 'B'), 'x'), 'C'), 'D'), 'operators resolve under an empty search_path') FROM made;
SELECT is(more, df."loop"(df."if"('C', 'T', 'E')), '?> !> @> too') FROM made;
SELECT is(elsewhere, df.seq('A', 'B'), 'and under one that names another schema only') FROM made;
SELECT is('A' ~> 'B', df.seq('A', 'B'), 'and under public alone');

SELECT * FROM finish();
ROLLBACK;
