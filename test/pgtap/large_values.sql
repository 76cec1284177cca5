-- Large values: results, graphs, variables and signals that PostgreSQL stores out of line come back as they went in.
\ir setup.psql
SELECT no_plan();

CREATE FUNCTION public.noise(n int) RETURNS text LANGUAGE sql IMMUTABLE AS $$ SELECT string_agg(md5(g::text), '') FROM generate_series(1, n) g $$;
SELECT go('limit', ('SELECT g FROM generate_series(1, 10000) g' |=> 'r') ~> 'SELECT count(*), sum(g), min(g), max(g) FROM $r.*');
SELECT go('beyond', ('SELECT g FROM generate_series(1, 10001) g' |=> 'r') ~> 'SELECT count(*) FROM $r.*');
SELECT go('a large text', ('SELECT noise(10000) AS v' |=> 'r') ~> 'SELECT md5($r) AS v');
SELECT go('a large statement', ('SELECT length(''' || noise(5000) || ''') AS v') ~> df.sql('SELECT md5(''' || noise(10000) || ''') AS v'));
SELECT df.setvar('large', noise(10000)) \g /dev/null
SELECT go('a large variable', 'SELECT md5(''{large}'') AS v');
SELECT go('a large signal', (df.wait_for_signal('s') |=> 's') ~> 'SELECT md5($s.data) AS v');
SELECT go('a large break value', ('SELECT noise(10000) AS v' |=> 'r') ~> (@> df."break"('$r') |=> 'b') ~> 'SELECT md5($b::jsonb #>> ''{}'') AS v');
SELECT go('a large JOIN', (('SELECT noise(10000) AS v' & 'SELECT noise(9000) AS v') |=> 'r') ~> 'SELECT md5($r::jsonb #>> ''{0,rows,0,v}'') AS v');
SELECT df.signal(id('a large signal'), 's', noise(10000)) \g /dev/null
CALL df.work() \gset
-- Again in a session that remembers nothing.
SELECT go('a large graph', df.join3('SELECT 1' ~> df.sql('SELECT length(''' || noise(9000) || ''')'), 'SELECT 2', 'SELECT 3' ~> df.wait_for_signal('go') ~> ('SELECT noise(8000) AS v' |=> 'r') ~> 'SELECT md5($r) AS v'));
CALL df.work() \gset
SELECT df.signal(id('a large graph'), 'go') \g /dev/null
\c -
CALL df.work() \gset
SELECT no_plan();
SELECT is(result('limit') #> '{rows,0}', '{"count":10000,"sum":50005000,"min":1,"max":10000}', '.* takes 10,000 rows');
SELECT alike(error('beyond'), '%$r.*%10001%10000%', 'and not one more');
SELECT is(cell(what), md5(noise(10000)), what) FROM unnest(ARRAY['a large text', 'a large statement', 'a large variable', 'a large signal', 'a large break value', 'a large JOIN']) what;
SELECT is(result('a large graph') #>> '{2,rows,0,v}', md5(noise(8000)), 'a large graph, by another session');
SELECT is_empty($$ SELECT what, output(what) FROM started WHERE status(what) <> 'completed' AND what <> 'beyond' $$, 'all of them complete');
SELECT is(length(df.explain(id('a large graph'))) > 100, true, 'and can be explained');

SELECT * FROM finish();
