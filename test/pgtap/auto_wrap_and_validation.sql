-- Auto-wrap and validation (surface §2): what counts as a future, what becomes SQL, and where a bad graph is said to be bad.
BEGIN;
SELECT no_plan();
SET LOCAL pg_durable.enable_superuser_instances = on;

-- Auto-wrap by the composers ---------------------------------------------------------------------------------------------
SELECT is(df.seq(given, 'B'), df.seq(df.sql(given), 'B'), 'becomes a SQL step, verbatim: ' || given) FROM unnest(ARRAY[
    'SELECT 1', '', ' ', 'null', 'true', '5', '"text"', '[]', '[{"node_type":"SQL","query":"A"}]', '{}', '{"query":"A"}', '{"node_type":5}', '{"node_type":null}', '{"node_type":["SQL"]}',
    '{"node_type":"UNKNOWN"}', '{"node_type":"sql","query":"A"}', '{"node_type":"SQL "}', '{"node_type":"UNKNOWN","query":"A"}', '{"node_type":"SQL","query":"A"', '{"node_type":"SQL","query":"A"} -- more',
    '{node_type:"SQL"}', '{"NODE_TYPE":"SQL","query":"A"}', E'SELECT $$ {"node_type":"SQL"} $$', '{1,2,3}']) given;

SELECT is(df.seq(given, 'B'), df.seq(df.sql('A'), 'B'), 'is a future in any key order and white space: ' || given) FROM unnest(ARRAY[
    '{"node_type":"SQL","query":"A"}', '{"query":"A","node_type":"SQL"}', E' {\n\t"query" : "A" ,\r\n "node_type" : "SQL" } ', '{"node_type":"SQL","query":"A","left_node":null,"right_node":null,"condition_node":null,"extra_nodes":null,"result_name":null}',
    '{"node_type":"SQL","query":"\u0041"}', '{"node_type":"SQL","query":"A","extra_nodes":[]}']) given;
SELECT is(df.race(E'{ "right_node": {"query":"2","node_type":"SQL"}, "result_name":"n", "left_node":{"query":"1", "node_type":"SQL"}, "node_type":"THEN" }', 'B'),
    df.race(df."as"(df.seq('1', '2'), 'n'), 'B'), 'is printed again with its keys in order, at every level');
SELECT is(df.seq('{"node_type":"JOIN","extra_nodes":[{"query":"3","node_type":"SQL"}],"right_node":{"query":"2","node_type":"SQL"},"left_node":{"query":"1","node_type":"SQL"}}', 'B'), df.seq(df.join3('1', '2', '3'), 'B'), 'extra branches too');
SELECT is(df.seq('{"node_type":"LOOP","condition_node":{"query":"C","node_type":"SQL"},"left_node":{"query":"1","node_type":"SQL"}}', 'B'), df.seq(df."loop"('1', 'C'), 'B'), 'conditions too');

-- Malformed children are an error rather than SQL, in every position of every composer.
SELECT throws_like(format('SELECT df.seq(%L, ''B'')', given), '%Invalid Durofut JSON%' || fragment || '%', given) FROM (VALUES
    ('{"node_type":"THEN","left_node":5}', 'Durofut children must be JSON objects'),
    ('{"node_type":"THEN","left_node":"SELECT 1","right_node":"SELECT 2"}', 'Durofut children must be JSON objects'),
    ('{"node_type":"THEN","left_node":{"node_type":"SQL","query":"A"},"right_node":[]}', 'Durofut children must be JSON objects'),
    ('{"node_type":"THEN","left_node":{},"right_node":{}}', ''),
    ('{"node_type":"THEN","left_node":{"node_type":5},"right_node":{"node_type":"SQL","query":"A"}}', ''),
    ('{"node_type":"IF","condition_node":"SELECT true"}', 'condition_node must be a Durofut JSON object'),
    ('{"node_type":"LOOP","condition_node":[1]}', 'condition_node must be a Durofut JSON object'),
    ('{"node_type":"JOIN","extra_nodes":["SELECT 1"]}', 'extra_nodes entries must be Durofut JSON objects'),
    ('{"node_type":"JOIN","extra_nodes":{"node_type":"SQL"}}', 'extra_nodes entries must be Durofut JSON objects'),
    ('{"node_type":"JOIN","extra_nodes":[{"node_type":"SQL","query":"A"},null]}', 'extra_nodes entries must be Durofut JSON objects'),
    ('{"node_type":"UNKNOWN","left_node":5}', 'Durofut children must be JSON objects')) v(given, fragment);
SELECT throws_like(format(form, '{"node_type":"THEN","left_node":5}'), '%Invalid Durofut JSON%', form) FROM unnest(ARRAY[
    'SELECT df.seq(''A'', %L)', 'SELECT df."as"(%L, ''n'')', 'SELECT df."loop"(%L)', 'SELECT df."loop"(''A'', %L)', 'SELECT df."if"(%L, ''T'', ''E'')', 'SELECT df."if"(''C'', %L, ''E'')', 'SELECT df."if"(''C'', ''T'', %L)',
    'SELECT df.if_rows(''r'', %L, ''E'')', 'SELECT df."join"(%L, ''B'')', 'SELECT df.join3(''A'', ''B'', %L)', 'SELECT df.race(''A'', %L)', 'SELECT ''A'' ~> %L', 'SELECT @> %L']) form;

-- df.start and df.explain are strict ---------------------------------------------------------------------------------------
CREATE FUNCTION pg_temp.sql(query text DEFAULT 'SELECT 1') RETURNS text LANGUAGE sql AS $$ SELECT df.sql(query) $$;
CREATE TEMPORARY TABLE bad (graph text, fragment text);
INSERT INTO bad VALUES
    ('{"node_type":"UNKNOWN"}', 'root: Unknown node_type ''UNKNOWN'''),
    ('{"node_type":"sql","query":"SELECT 1"}', 'root: Unknown node_type ''sql'''),
    ('{"node_type":""}', 'root: Unknown node_type '''''),
    (format('{"node_type":"THEN","left_node":%s,"right_node":{"node_type":"NOPE","query":"x"}}', pg_temp.sql()), 'root.right: Unknown node_type ''NOPE'''),
    (format('{"node_type":"THEN","left_node":{"node_type":"THEN","left_node":%s,"right_node":{"node_type":"Deep"}},"right_node":%1$s}', pg_temp.sql()), 'root.left.right: Unknown node_type ''Deep'''),
    (format('{"node_type":"IF","left_node":%s,"right_node":%1$s,"condition_node":{"node_type":"C"}}', pg_temp.sql()), 'root.condition_node: Unknown node_type ''C'''),
    (format('{"node_type":"JOIN","left_node":%s,"right_node":%1$s,"extra_nodes":[%1$s,{"node_type":"X"}]}', pg_temp.sql()), 'root.extra_nodes[1]: Unknown node_type ''X'''),
    (format('{"node_type":"THEN","left_node":{"node_type":"THEN","left_node":%s,"right_node":{"node_type":"LOOP","left_node":%1$s,"condition_node":{"node_type":"JOIN","left_node":%1$s,"right_node":%1$s,"extra_nodes":[{"node_type":"X"}]}}},"right_node":%1$s}', pg_temp.sql()),
        'root.left.right.condition_node.extra_nodes[0]: Unknown node_type ''X'''),
    (format('{"node_type":"THEN","left_node":%s,"right_node":"SELECT 1"}', pg_temp.sql()), 'Durofut children must be JSON objects'),
    ('{"node_type":"IF","left_node":{"node_type":"SQL","query":"A"},"right_node":{"node_type":"SQL","query":"A"},"condition_node":"SELECT true"}', 'condition_node must be a Durofut JSON object'),
    ('{"node_type":"JOIN","left_node":{"node_type":"SQL","query":"A"},"right_node":{"node_type":"SQL","query":"A"},"extra_nodes":["SELECT 1"]}', 'extra_nodes entries must be Durofut JSON objects');
-- Fields where they do not belong.
INSERT INTO bad SELECT format('{"node_type":"%s"%s,"condition_node":%s}', type, rest, pg_temp.sql()), format('root: condition_node is not valid for %s', type) FROM (VALUES
    ('SQL', ',"query":"SELECT 1"'), ('THEN', format(',"left_node":%s,"right_node":%1$s', pg_temp.sql())), ('JOIN', format(',"left_node":%s,"right_node":%1$s', pg_temp.sql())), ('RACE', format(',"left_node":%s,"right_node":%1$s', pg_temp.sql())),
    ('SLEEP', ',"query":"1"'), ('BREAK', ',"query":"{\"break_value\":null}"'), ('SIGNAL', ',"query":"{\"signal_name\":\"s\",\"timeout_seconds\":null}"'), ('WAIT_SCHEDULE', ',"query":"{\"cron_expr\":\"* * * * *\"}"')) v(type, rest);
INSERT INTO bad SELECT format('{"node_type":"%s"%s,"extra_nodes":[%s]}', type, rest, pg_temp.sql()), format('root: extra_nodes is not valid for %s', type) FROM (VALUES
    ('SQL', ',"query":"SELECT 1"'), ('THEN', format(',"left_node":%s,"right_node":%1$s', pg_temp.sql())), ('IF', format(',"left_node":%s,"right_node":%1$s,"condition_node":%1$s', pg_temp.sql())), ('RACE', format(',"left_node":%s,"right_node":%1$s', pg_temp.sql())),
    ('LOOP', format(',"left_node":%s', pg_temp.sql())), ('SLEEP', ',"query":"1"')) v(type, rest);
-- A condition or branches smuggled into the configuration.
INSERT INTO bad VALUES
    (format('{"node_type":"IF","left_node":%s,"right_node":%1$s,"query":"{\"condition_node\":\"aaaaaaaa\"}"}', pg_temp.sql()), 'condition_node in IF must be a first-class Durofut field'),
    (format('{"node_type":"IF","left_node":%s,"right_node":%1$s,"condition_node":%1$s,"query":"{\"condition_node\":\"aaaaaaaa\"}"}', pg_temp.sql()), 'condition_node in IF must be a first-class Durofut field'),
    (format('{"node_type":"LOOP","left_node":%s,"query":"{\"condition_node\":\"aaaaaaaa\"}"}', pg_temp.sql()), 'condition_node in LOOP must be a first-class Durofut field'),
    (format('{"node_type":"JOIN","left_node":%s,"right_node":%1$s,"query":"{\"extra_nodes\":[\"aaaaaaaa\"]}"}', pg_temp.sql()), 'extra_nodes in JOIN must be a first-class Durofut field'),
    (format('{"node_type":"THEN","left_node":%s,"right_node":{"node_type":"LOOP","left_node":%1$s,"query":"{\"condition_node\":\"aaaaaaaa\"}"}}', pg_temp.sql()), 'root.right: condition_node in LOOP must be a first-class Durofut field'),
    (format('{"node_type":"IF","left_node":%s,"right_node":%1$s,"query":"SELECT true"}', pg_temp.sql()), 'root: query in IF must be valid JSON config'),
    (format('{"node_type":"IF","left_node":%s,"right_node":%1$s,"condition_node":%1$s,"query":"not JSON"}', pg_temp.sql()), 'root: query in IF must be valid JSON config'),
    (format('{"node_type":"THEN","left_node":{"node_type":"IF","left_node":%s,"right_node":%1$s,"query":"["},"right_node":%1$s}', pg_temp.sql()), 'root.left: query in IF must be valid JSON config');
-- Parts that are missing or too many, and configurations that mean nothing.
INSERT INTO bad SELECT graph, 'root' FROM unnest(ARRAY[
    '{"node_type":"SQL"}', format('{"node_type":"SQL","query":"SELECT 1","left_node":%s}', pg_temp.sql()), '{"node_type":"THEN"}', format('{"node_type":"THEN","left_node":%s}', pg_temp.sql()), format('{"node_type":"THEN","right_node":%s}', pg_temp.sql()),
    format('{"node_type":"RACE","left_node":%s}', pg_temp.sql()), format('{"node_type":"JOIN","left_node":%s}', pg_temp.sql()), '{"node_type":"LOOP"}', format('{"node_type":"LOOP","left_node":%s,"right_node":%1$s}', pg_temp.sql()),
    format('{"node_type":"IF","left_node":%s,"right_node":%1$s}', pg_temp.sql()), '{"node_type":"IF","left_node":{"node_type":"SQL","query":"T"},"condition_node":{"node_type":"SQL","query":"C"}}',
    '{"node_type":"SLEEP"}', '{"node_type":"SLEEP","query":"soon"}', '{"node_type":"SLEEP","query":"-1"}', '{"node_type":"SLEEP","query":"1e3"}', '{"node_type":"WAIT_SCHEDULE","query":"* * * * *"}', '{"node_type":"WAIT_SCHEDULE","query":"{\"cron_expr\":\"never\"}"}',
    '{"node_type":"SIGNAL","query":"go"}', '{"node_type":"SIGNAL","query":"{\"signal_name\":\"\"}"}', '{"node_type":"SIGNAL","query":"{\"signal_name\":\"s\",\"timeout_seconds\":0}"}', '{"node_type":"BREAK","query":"x"}', '{"node_type":"HTTP","query":"http://x"}', '{"node_type":"HTTP_MULTIPART","query":"{}"}',
    '{"node_type":"SQL","query":"SELECT 1","result_name":"not valid"}', '{"node_type":"SQL","query":"SELECT 1","result_name":""}', '{"node_type":"SQL","query":5}', '{"node_type":"SQL","query":"SELECT 1","result_name":5}']) graph;

SELECT throws_like(format('SELECT df.start(%L)', graph), '%Invalid durable function graph: ' || CASE WHEN fragment LIKE 'root%' THEN '' ELSE '%' END || replace(fragment, '_', '\_') || '%', 'df.start: ' || fragment || ' in ' || left(graph, 100)) FROM bad;
SELECT alike(df.explain(graph), 'Invalid durable function graph: ' || CASE WHEN fragment LIKE 'root%' THEN '' ELSE '%' END || replace(fragment, '_', '\_') || '%', 'df.explain: ' || fragment || ' in ' || left(graph, 100)) FROM bad;
SELECT throws_like(format('SELECT df.start(%L)', given), '%Invalid durable function%', 'df.start: no function at all: ' || quote_nullable(given)) FROM unnest(ARRAY[NULL, '', '   ', E'\n\t']) given;
SELECT is((SELECT count(*) FROM df.instances), 0::bigint, 'nothing was written: instances');
SELECT is((SELECT count(*) FROM df.nodes), 0::bigint, 'nothing was written: nodes');
SELECT is((SELECT count(*) FROM _df.runs) + (SELECT count(*) FROM _df.branches), 0::bigint, 'nothing was written: engine state');
-- The composers let through what only a start can judge.
SELECT lives_ok($$ SELECT df.seq('C' ?> 'T', 'B') $$, 'half an IF composes');
SELECT throws_like($$ SELECT df.start('C' ?> 'T' ~> 'B') $$, '%Invalid durable function graph: root.left: %', 'and does not start');
SELECT throws_like($$ SELECT df.start('SELECT 1' ?> 'SELECT 2') $$, '%Invalid durable function graph: root: %', 'not as a root either');

-- Depth and size ---------------------------------------------------------------------------------------------------------
CREATE FUNCTION pg_temp.chain(depth integer, side text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    graph text := df.sql('SELECT 1');
BEGIN
    FOR i IN 1..depth LOOP
        graph := CASE side WHEN 'left' THEN df.seq(graph, 'SELECT 1') WHEN 'right' THEN df.seq('SELECT 1', graph) WHEN 'loop' THEN df."loop"(graph)
            WHEN 'condition' THEN df."if"(graph, 'SELECT 1', 'SELECT 1') ELSE df.join3('SELECT 1', 'SELECT 1', graph) END;
    END LOOP;
    RETURN graph;
END $$;
SELECT lives_ok(format('SELECT df.start(%L)', pg_temp.chain(256, side)), 'a depth of 256 is allowed: ' || side) FROM unnest(ARRAY['left', 'right', 'loop', 'condition', 'extra']) side;
SELECT throws_like(format('SELECT df.start(%L)', pg_temp.chain(257, side)), '%Invalid durable function graph: root.' || path || '.%maximum nesting depth of 256%', 'a depth of 257 is not: ' || side)
FROM (VALUES ('left', 'left'), ('right', 'right'), ('loop', 'left'), ('condition', 'condition\_node'), ('extra', 'extra\_nodes[0]')) v(side, path);
SELECT throws_like(format('SELECT df.start(%L)', repeat('{"node_type":"LOOP","left_node":', 20000) || df.sql('SELECT 1') || repeat('}', 20000)), '%maximum nesting depth of 256%', 'a depth of 20,000 exhausts no stack');
SELECT throws_like(format('SELECT df.seq(%L, ''B'')', repeat('{"node_type":"THEN","left_node":', 5000) || '5' || repeat('}', 5000)), '%Invalid Durofut JSON%', 'nor in a composer');
CREATE FUNCTION pg_temp.wide(nodes integer) RETURNS text LANGUAGE sql AS $$
    SELECT format('{"node_type":"JOIN","left_node":%1$s,"right_node":%1$s,"extra_nodes":[%2$s]}', df.sql('SELECT 1'), (SELECT string_agg(df.sql('SELECT 1'), ',') FROM generate_series(1, nodes - 3)))
$$;
CREATE TEMPORARY TABLE big AS SELECT df.start(pg_temp.wide(10000)) AS id;
SELECT is((SELECT count(*) FROM df.nodes n JOIN big b ON n.instance_id = b.id), 10000::bigint, '10,000 nodes are allowed');
SELECT throws_like(format('SELECT df.start(%L)', pg_temp.wide(10001)), '%Invalid durable function graph: root.extra\_nodes[9997]: %maximum node count of 10000%', '10,001 are not');
SELECT alike(df.explain(pg_temp.wide(10001)), 'Invalid durable function graph: %maximum node count of 10000%', 'df.explain says so too');
SELECT alike(df.explain(pg_temp.chain(257, 'left')), 'Invalid durable function graph: root.left.%maximum nesting depth of 256%', 'and of the depth');

SELECT * FROM finish();
ROLLBACK;
