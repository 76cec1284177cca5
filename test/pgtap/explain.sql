-- df.explain (semantics §12): what it accepts, what it shows of graphs, expressions and instances, and what it says of the rest.
\ir setup.psql
ALTER DATABASE :"DBNAME" SET pg_durable.http = 'all';
\c -
SELECT go('labelled', 'SELECT 1' ~> df.wait_for_signal('go'));
SELECT df.start('SELECT repeat(''x'', 100) AS v') AS unlabelled \gset
SELECT df.start('SELECT 1', '') AS empty_label \gset
SELECT go('cancelled', df.sleep(3600)), go('failed', 'SELECT 1/0'), go('a loop under way', df."loop"(df.wait_for_signal('go') ~> 'SELECT 1', 'SELECT true'));
CALL df.work() \gset
SELECT df.cancel(id('cancelled'), 'no more') \g /dev/null
CREATE ROLE explain_bob LOGIN;
SELECT df.grant_usage('explain_bob') \g /dev/null

SELECT no_plan();
SELECT is(df.explain(NULL), NULL, 'NULL');

-- Graphs: every node -----------------------------------------------------------------------------------------------------
CREATE TEMPORARY TABLE trees (what text, fut text, tree text);
INSERT INTO trees VALUES
    ('SQL', 'SELECT 1', 'SQL: SELECT 1'),
    ('SQL of several lines', E'SELECT 1,\n\t   2', 'SQL: SELECT 1, 2'),
    ('SLEEP', df.sleep(5), 'SLEEP 5s'),
    ('SLEEP, parts of a second', df.sleep(interval '0.5 s'), 'SLEEP 0.5s'),
    ('WAIT_SCHEDULE', df.wait_for_schedule('*/5 * * * *'), 'WAIT ''*/5 * * * *'''),
    ('SIGNAL', df.wait_for_signal('n', 60), 'SIGNAL ''n'' (60s)'),
    ('SIGNAL without a limit', df.wait_for_signal('n'), 'SIGNAL ''n'''),
    ('HTTP', df.http('https://x.example/y', 'get'), 'HTTP GET https://x.example/y'),
    ('BREAK', df."break"('v'), 'BREAK ''v'''),
    ('BREAK without a value', df."break"(), 'BREAK'),
    ('a name', 'SELECT 1' |=> 'a', 'SQL: SELECT 1 |=> ''a'''),
    ('THEN, flattened', ('a' ~> 'b') ~> ('c' ~> ('d' ~> 'e')), E'SQL: a\n→ SQL: b\n→ SQL: c\n→ SQL: d\n→ SQL: e'),
    ('LOOP', @> 'a', E'LOOP (infinite)\n    ↻ body:\n      └─SQL: a'),
    ('LOOP with a condition', df."loop"('a', 'c') |=> 'l', E'LOOP (while) |=> ''l''\n    ↻ body:\n      └─SQL: a\n    ? while:\n      └─SQL: c'),
    ('JOIN', df.join3('a', 'b' ~> 'c', 'd'), E'JOIN (3)\n    ║ branch 1:\n      └─SQL: a\n    ║ branch 2:\n      └─SQL: b\n      → SQL: c\n    ║ branch 3:\n      └─SQL: d'),
    ('RACE', 'a' | df.sleep(5), E'RACE\n    ║ branch 1:\n      └─SQL: a\n    ║ branch 2:\n      └─SLEEP 5s'),
    ('IF in a chain', 'SELECT 1' |=> 'a' ~> ('SELECT $a > 0' ?> ('SELECT ''yes''' ~> df.sleep(5)) !> 'SELECT ''no'''), $tree$SQL: SELECT 1 |=> 'a'
→ IF
    ? condition:
      └─SQL: SELECT $a > 0
    ✓ then:
      └─SQL: SELECT 'yes'
      → SLEEP 5s
    ✗ else:
      └─SQL: SELECT 'no'$tree$);
SELECT is(df.explain(fut), tree, what) FROM trees;
SELECT is(df.explain(E'\n  ' || fut || E'  \n'), tree, 'trimmed: ' || what) FROM trees WHERE fut LIKE '{%';
SELECT matches(df.explain(df.http_multipart('https://x.example/y', parts => '[{"name": "a", "data_b64": ""}]')), 'POST https://x\.example/y$', 'HTTP_MULTIPART');
SELECT matches(df.explain(df.if_rows('r', 'a', 'b')), '^IF\n.*\$r\n    ✓ then:\n      └─SQL: a\n    ✗ else:\n      └─SQL: b$', 'df.if_rows has no step for a condition');
SELECT ok(length(df.explain('SELECT ' || repeat('x', 1000))) BETWEEN length('SQL: ') + 50 AND length('SQL: ') + 53, 'SQL is cut to 50 characters');
SELECT ok(length(df.explain(df.http('https://' || repeat('x', 1000), 'GET'))) BETWEEN length('HTTP GET ') + 40 AND length('HTTP GET ') + 43, 'a URL to 40');

-- Expressions say the same as the graphs that they make.
SELECT is(df.explain(expression), df.explain(fut), expression) FROM (VALUES
    ($e$'a' ~> 'b' |=> 'x' ~> 'c'$e$, 'a' ~> 'b' |=> 'x' ~> 'c'),
    ($e$@> ('a' ~> df.break('v'))$e$, @> ('a' ~> df."break"('v'))),
    ($e$ df.seq('SELECT ''it''''s''', E'SELECT \'a\'') ; $e$, df.seq('SELECT ''it''''s''', E'SELECT \'a\'')),
    ($e$df."if"('c', 'a', 'b') & df.race('d', df.sleep(5))$e$, df."if"('c', 'a', 'b') & df.race('d', df.sleep(5))),
    ($e$df.sleep(interval '1 minute') ~> df.wait_for_signal(name => 'n', timeout_seconds => 5)$e$, df.sleep(interval '1 minute') ~> df.wait_for_signal('n', 5)),
    ($e$df.http('https://x.example', 'GET', headers => '{"a": "b"}')$e$, df.http('https://x.example', 'GET', headers => '{"a": "b"}'))) v(expression, fut);

-- Instances -----------------------------------------------------------------------------------------------------------------
SELECT is(df.explain('  ' || id('labelled') || E'\n'), format(E'Instance: %s (labelled)\nStatus:   ⏳ running\n\nSQL: SELECT 1 ✓\n→ SIGNAL ''go'' ⏳', id('labelled')), 'one under way');
SELECT matches(df.explain(:'unlabelled'), E'^Instance: ' || :'unlabelled' || E'\nStatus:   ✓ completed\nOutput:   \\{"rows": \\[\\{"v": "x+…?\n\nSQL: .* ✓$', 'one that completed, without a label');
SELECT ok(length(split_part(df.explain(:'unlabelled'), E'\n', 3)) <= length('Output:   ') + 63, 'the output is cut to 60 characters');
SELECT is(split_part(df.explain(:'empty_label'), E'\n', 1), 'Instance: ' || :'empty_label', 'an empty label is none');
SELECT is(df.explain(id('cancelled')), format(E'Instance: %s (cancelled)\nStatus:   ✗ cancelled\nOutput:   canceled: no more\n\nSLEEP 3600s ⏳', id('cancelled')), 'one that was cancelled');
SELECT is(df.explain(id('failed')), format(E'Instance: %s (failed)\nStatus:   ✗ failed\nOutput:   SQL execution failed: division by zero\n\nSQL: SELECT 1/0 ✗', id('failed')), 'one that failed');
SELECT is(split_part(df.explain(id('a loop under way')), E'\n\n', 2), E'LOOP (while) ⏳\n    ↻ body:\n      └─SIGNAL ''go'' ⏳\n      → SQL: SELECT 1 ○\n    ? while:\n      └─SQL: SELECT true ○', 'pending and running have their marks');
SELECT is(df.explain('00000000'), 'Instance ''00000000'' not found', 'an unknown id');
SET SESSION AUTHORIZATION explain_bob;
SELECT is(df.explain(:'unlabelled'), 'Instance ''' || :'unlabelled' || ''' not found', 'somebody else''s');
RESET SESSION AUTHORIZATION;

-- Everything else comes back as text, and is not looked up.
SELECT ok(df.explain(input) !~ '^Instance ' AND df.explain(input) ~ 'df\.explain accepts', 'no id: ' || input) FROM unnest(ARRAY[upper('abcdef01'), '{abcdef01}', '123e4567-e89b-12d3-a456-426614174000', 'abcdef0', 'abcdef012', '0xabcdef01', 'labelled', '', '   ', 'hello world', '{}', '[]', '{"a": 1}', 'null', '''SELECT 1''']) input;
SELECT matches(df.explain(input), '^Invalid durable function graph: ', 'no graph: ' || input) FROM unnest(ARRAY['{"node_type":"MAGIC"}', '{"node_type":"THEN"}', '{"node_type":"SQL"}', '{"node_type":"THEN","left_node":"a","right_node":"b"}', '{"node_type":"LOOP","left_node":{"node_type":"NOPE"}}']) input;
SELECT matches(df.explain('{"node_type":"MAGIC"}'), 'Unknown node_type ''MAGIC''', 'an unknown node type is named');
SELECT matches(df.explain(input), '^Failed to evaluate expression: ' || message, input) FROM (VALUES
    ($e$'a' ~> $e$, ''), ($e$df.sleep(-1)$e$, 'Sleep duration must be non-negative'), ($e$'a' |=> 'not valid'$e$, '.*not a valid identifier'), ($e$df.wait_for_schedule('x')$e$, 'Invalid cron expression'), ($e$'a' !> 'b'$e$, 'left side of !> must be a \?> expression'),
    ($e$df.nothing('a')$e$, 'df\.nothing'), ($e$'a' ~> NULL$e$, '.*NULL')) v(input, message);
SELECT is(df.explain(input), 'SQL: ' || input, input) FROM unnest(ARRAY['INSERT INTO t VALUES (1)', 'WITH x AS (SELECT 1) SELECT * FROM x', 'CALL p()', 'VACUUM', 'VALUES (1)', 'TABLE t', 'SELECT ''a'' ~> ''b''']) input;
SELECT matches(df.explain('SELECT 1; SELECT 2'), 'more than one SQL statement', 'two statements are not one step');

SELECT * FROM finish();
