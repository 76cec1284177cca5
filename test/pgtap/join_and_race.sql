-- JOIN and RACE (semantics §8): results in order, who decides, what losers still do and how they end.
\ir setup.psql
SELECT no_plan();

SELECT go(what, fut) FROM (VALUES
    ('two', 'SELECT 1 AS a' & 'SELECT ''x'' AS b'), ('three', df.join3('SELECT 1 AS v', 'SELECT 2 AS v', 'SELECT 3 AS v')), ('nested', ('SELECT 1 AS v' & 'SELECT 2 AS v') & 'SELECT 3 AS v'),
    ('any results', df.join3(@> df."break"('plain text'), df."if"('SELECT true', 'SELECT 1 AS v', 'SELECT 2 AS v'), (@> df."break"('[1,{"a":null}]')))),
    ('many', format('{"node_type":"JOIN","left_node":%1$s,"right_node":%1$s,"extra_nodes":[%2$s]}', df.sql('SELECT 0 AS v'), (SELECT string_agg(df.sql('SELECT ' || g || ' AS v'), ',' ORDER BY g) FROM generate_series(1, 98) g))),
    ('what follows a JOIN', ('SELECT note(''branch'')' & 'SELECT note(''branch'')') ~> 'SELECT note(''after branches'')'), ('the name of a JOIN', (('SELECT 1 AS v' & 'SELECT 2 AS v') |=> 'j') ~> 'SELECT jsonb_array_length($j::jsonb) AS n'),
    ('left fails', 'SELECT 1/0' & 'SELECT note(''beside left'')'), ('right fails', 'SELECT note(''beside right'')' & 'SELECT 1/0'), ('both fail', 'SELECT 1/0' & 'SELECT ''x''::int'), ('an extra fails', df.join3('SELECT 1', 'SELECT 2', 'SELECT 1/0') ~> 'SELECT note(''wrong'')'),
    ('a JOIN waits for all', ('SELECT 1/0' & (df.sleep(interval '50 milliseconds') ~> 'SELECT note(''waited for'')'))), ('a JOIN of a JOIN fails', ('SELECT 1' & ('SELECT 2' & 'SELECT 1/0'))),
    ('the left wins', 'SELECT ''left'' AS v' | (df.sleep(3600) ~> 'SELECT note(''loser'')')), ('the right wins', (df.sleep(3600) ~> 'SELECT note(''loser'')') | 'SELECT ''right'' AS v'), ('what follows a RACE', ('SELECT note(''winner'')' | df.sleep(3600)) ~> 'SELECT note(''after race'')'),
    ('the left fails first', 'SELECT 1/0' | df.sleep(3600)), ('the right fails first', df.sleep(3600) | 'SELECT 1/0'), ('a race of waits', df.wait_for_signal('never') | df.wait_for_signal('soon', 3600)), ('a race of races', ('SELECT ''inner'' AS v' | df.sleep(3600)) | df.sleep(3600)),
    ('a race in a JOIN', ('SELECT 1 AS v' | df.sleep(3600)) & 'SELECT 2 AS v'), ('a JOIN in a race', ('SELECT 1 AS v' & 'SELECT 2 AS v') | df.sleep(3600)), ('half a JOIN in a race', ('SELECT note(''half'')' & df.sleep(3600)) | (df.sleep(interval '50 milliseconds') ~> 'SELECT ''other'' AS v')),
    ('a loop loses', (@> (df.wait_for_signal('again') ~> 'SELECT note(''loser'')')) | 'SELECT ''won'' AS v'), ('a loop that was going loses', df."loop"('SELECT note(''going'')' ~> df.sleep(3600), 'SELECT true') | (df.sleep(interval '50 milliseconds') ~> 'SELECT ''won'' AS v')),
    ('names of the loser', ('SELECT 0' |=> 'n') ~> ((('SELECT 1' |=> 'n') ~> df.sleep(3600)) | (df.sleep(interval '50 milliseconds') ~> ('SELECT 2' |=> 'm'))) ~> 'SELECT $n + $m AS v')) v(what, fut);
CALL work_until('SELECT count(*) = 1 FROM df.instances WHERE status IN (''pending'', ''running'')');
SELECT is(status('a race of waits'), 'running', 'a race waits for one of its branches');
SELECT df.signal(id('a race of waits'), 'soon', '"now"'), df.signal(id('a loop loses'), 'again') \g /dev/null
CALL df.work() \gset

SELECT is(result('two'), '[{"rows":[{"a":1}],"row_count":1},{"rows":[{"b":"x"}],"row_count":1}]', 'a JSON array of the branches'' results');
SELECT is((SELECT array_agg(e #>> '{rows,0,v}') FROM jsonb_array_elements(result('three')) e), '{1,2,3}', 'left, right, extras');
SELECT is(result('nested') #>> '{0,1,rows,0,v}', '2', 'a JOIN in a JOIN is an array in an array');
SELECT is(result('any results'), '["plain text", {"rows":[{"v":1}],"row_count":1}, [1,{"a":null}]]', 'each is a JSON value, never a quoted string');
SELECT is((SELECT array_agg((e #>> '{rows,0,v}')::int) FROM jsonb_array_elements(result('many')) e), (SELECT '{0,0}' || array_agg(g) FROM generate_series(1, 98) g), 'a hundred branches');
SELECT is(notes('branch') || ',' || notes('after branches'), 'branch,branch,after branches', 'what follows comes after all of them, once');
SELECT is(cell('the name of a JOIN'), '2', 'its name holds the array');
SELECT matches(output(what), expected, what) FROM (VALUES ('left fails', '^JOIN branch 1 failed: .*division by zero'), ('right fails', '^JOIN branch 2 failed: .*division by zero'), ('both fail', '^JOIN branch 1 failed: .*division by zero'), ('an extra fails', '^JOIN branch 3 failed: .*division by zero'),
    ('a JOIN of a JOIN fails', 'JOIN branch 2 failed: JOIN branch 2 failed: .*division by zero'), ('the left fails first', '^RACE left branch failed: .*division by zero'), ('the right fails first', '^RACE right branch failed: .*division by zero')) v(what, expected);
SELECT is(status(what), 'failed', what || ': the instance') FROM unnest(ARRAY['left fails', 'right fails', 'both fail', 'an extra fails', 'a JOIN of a JOIN fails', 'the left fails first', 'the right fails first', 'a JOIN waits for all']) what;
SELECT is(notes('beside left') || ' ' || notes('beside right'), 'beside left beside right', 'a branch beside one that fails does its work');
SELECT is(notes('waited for'), 'waited for', 'a JOIN waits for all its branches, whatever one of them did');
SELECT is((SELECT n.status || ' ' || (n.result #>> '{}' ~ '^JOIN branch 1 failed: ')::text FROM df.nodes n WHERE n.instance_id = id('left fails') AND n.node_type = 'JOIN'), 'failed true', 'the JOIN''s node is failed and says which');
SELECT is(cell('the left wins') || ' ' || cell('the right wins'), 'left right', 'the result of a RACE is the winner''s');
SELECT is(notes('winner') || ',' || notes('after race'), 'winner,after race', 'the instance goes on at once');
SELECT is(result('a race of waits'), '{"signal_name":"soon","timed_out":false,"data":"now"}', 'waits can race');
SELECT is(cell('a race of races'), 'inner', 'races can race');
SELECT is(result('a race in a JOIN') #>> '{0,rows,0,v}' || (result('a JOIN in a race') #>> '{1,rows,0,v}'), '12', 'races in JOINs, JOINs in races');
SELECT is(cell('half a JOIN in a race') || ' ' || notes('half'), 'other half', 'a JOIN that is half done loses');
SELECT is(cell('a loop loses') || ' ' || cell('a loop that was going loses'), 'won won', 'loops lose as well');
SELECT is((SELECT n.status || ' ' || (n.result #>> '{}') FROM df.nodes n WHERE n.instance_id = id(w) AND n.node_type = 'LOOP') ~ '^failed .*lost the race', true, w || ': its node is failed and says so') FROM unnest(ARRAY['a loop loses', 'a loop that was going loses']) w;
SELECT is(cell('names of the loser'), '2', 'a race hands on the winner''s names and not the loser''s');
SELECT is(notes('loser'), NULL, 'later nodes of a loser never run');
SELECT is(notes('wrong'), NULL, 'nor what follows a JOIN that failed');
SELECT is_empty($$ SELECT * FROM _df.branches $$, 'no branch is left behind');
SELECT is_empty($$ SELECT s.what, n.node_type, n.inferred_status FROM started s, df.instance_nodes(s.id) n WHERE n.inferred_status IN ('pending', 'running') $$, 'nothing reads pending or running once the instance is done');

-- Branches run concurrently: each waits for a signal that the other sends.
SELECT go('concurrent', (df.wait_for_signal('from right') ~> 'SELECT df.signal(''{sys_instance_id}'', ''from left'')') & ('SELECT df.signal(''{sys_instance_id}'', ''from right'')' ~> df.wait_for_signal('from left')));
CALL work_until('SELECT status(''concurrent'') = ''completed''');
SELECT is(status('concurrent'), 'completed', 'branches run concurrently');

SELECT * FROM finish();
