-- Stamps and inferred status in every topology (semantics §5), and what df.explain makes of them (§12).
\ir setup.psql

-- True the first n - 1 times that it is asked under a name.
CREATE TABLE public.asked (what text PRIMARY KEY, times integer);
CREATE FUNCTION public.again(w text, n integer) RETURNS boolean LANGUAGE sql AS $$
    INSERT INTO public.asked AS a VALUES (w, 1) ON CONFLICT (what) DO UPDATE SET times = a.times + 1 RETURNING times < n $$;
-- An instance's nodes in graph order, each by its name (else its type), with its stored status, its inferred one where
-- that differs, the ancestor that explains it, and its stamp, in which ids are names too.
CREATE FUNCTION public.shape(w text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    shape text := '';
    n     record;
    known record;
    stamp text;
BEGIN
    FOR n IN SELECT * FROM df.instance_nodes(id(w)) LOOP
        stamp := replace(n.status_details::jsonb ->> 'execution_id', id(w), '*');
        FOR known IN SELECT k.node_id, coalesce(k.result_name, k.node_type) AS name FROM df.instance_nodes(id(w)) k LOOP
            stamp := replace(stamp, known.node_id, known.name);
        END LOOP;
        shape := shape || CASE WHEN shape = '' THEN '' ELSE ', ' END || coalesce(n.result_name, n.node_type) || ' ' || n.status
            || CASE WHEN n.inferred_status <> n.status THEN '>' || n.inferred_status ELSE '' END
            || coalesce('(' || (SELECT coalesce(k.result_name, k.node_type) FROM df.instance_nodes(id(w)) k WHERE k.node_id = n.inferred_status_from_ancestor_id) || ')', '')
            || coalesce(' ' || stamp, '');
    END LOOP;
    RETURN shape;
END $$;

-- What has ended ---------------------------------------------------------------------------------------------------------
CREATE TABLE public.cases (what text PRIMARY KEY, fut text, shape text);
INSERT INTO cases VALUES
    ('one step', 'SELECT 1' |=> 'a',
        'a completed *::1'),
    ('a chain', (('SELECT 1' |=> 'a') ~> ('SELECT 2' |=> 'b')) |=> 'ab',
        'ab completed *::1, a completed *::1, b completed *::1'),
    ('a failure left of a THEN', ((('SELECT 1/0' |=> 'a') ~> ('SELECT 2' |=> 'b')) |=> 'ab') ~> ((('SELECT 3' |=> 'c') ~> ('SELECT 4' |=> 'd')) |=> 'cd') |=> 'all',
        'all failed *::1, ab failed *::1, a failed *::1, b pending>skipped(ab), cd pending>skipped(all), c pending>skipped(all), d pending>skipped(all)'),
    ('a failure right of a THEN', ('SELECT 1' |=> 'a') ~> ('SELECT 1/0' |=> 'b'),
        'THEN failed *::1, a completed *::1, b failed *::1'),
    ('IF true', df."if"('SELECT true' |=> 'c', ('SELECT 1' |=> 't'), ('SELECT 2' |=> 'e1') ~> ('SELECT 3' |=> 'e2')),
        'IF completed *::1, t completed *::1, THEN pending>skipped(IF), e1 pending>skipped(IF), e2 pending>skipped(IF), c completed *::1'),
    ('IF false', df."if"('SELECT false' |=> 'c', ('SELECT 1' |=> 't'), ('SELECT 2' |=> 'e')),
        'IF completed *::1, t pending>skipped(IF), e completed *::1, c completed *::1'),
    ('IF in an untaken arm', df."if"('SELECT false' |=> 'c', df."if"('SELECT true' |=> 'ic', 'SELECT 1' |=> 'it', 'SELECT 2' |=> 'ie') |=> 'inner', ('SELECT 2' |=> 'e')),
        'IF completed *::1, inner pending>skipped(IF), it pending>skipped(IF), ie pending>skipped(IF), ic pending>skipped(IF), e completed *::1, c completed *::1'),
    ('a condition fails', df."if"('SELECT 1/0' |=> 'c', 'SELECT 1' |=> 't', 'SELECT 2' |=> 'e'),
        'IF failed *::1, t pending>skipped(IF), e pending>skipped(IF), c failed *::1'),
    ('if_rows', ('SELECT 1 WHERE false' |=> 'r') ~> (df.if_rows('r', 'SELECT 1' |=> 't', 'SELECT 2' |=> 'e') |=> 'if'),
        'THEN completed *::1, r completed *::1, if completed *::1, t pending>skipped(if), e completed *::1'),
    ('JOIN', ('SELECT 0' |=> 'a') ~> (df.join3('SELECT 1' |=> 'b', ('SELECT 2' |=> 'c1') ~> ('SELECT 3' |=> 'c2') |=> 'c', 'SELECT 4' |=> 'd') |=> 'j'),
        'THEN completed *::1, a completed *::1, j completed *::1, b completed *::1::b::1, c completed *::1::c::1, c1 completed *::1::c::1, c2 completed *::1::c::1, d completed *::1::d::1'),
    ('JOIN in a JOIN', (((('SELECT 1' |=> 'a') & ('SELECT 2' |=> 'b')) |=> 'inner') & ('SELECT 3' |=> 'c')) |=> 'outer',
        'outer completed *::1, inner completed *::1::inner::1, a completed *::1::inner::1::a::1, b completed *::1::inner::1::b::1, c completed *::1::c::1'),
    ('a JOIN fails', ((('SELECT 1/0' |=> 'a') & ('SELECT 2' |=> 'b')) |=> 'j') ~> ('SELECT 3' |=> 'c'),
        'THEN failed *::1, j failed *::1, a failed *::1::a::1, b completed *::1::b::1, c pending>skipped(THEN)'),
    ('RACE', (('SELECT 1' |=> 'w') | ((df.wait_for_signal('never') |=> 'l1') ~> ('SELECT 2' |=> 'l2') |=> 'l')) |=> 'r',
        'r completed *::1, w completed *::1::w::1, l running>skipped(r) *::1::l::1, l1 running>skipped(r) *::1::l::1, l2 pending>skipped(r)'),
    ('a RACE fails', ((df.wait_for_signal('never') |=> 'l') | ('SELECT 1/0' |=> 'w')) |=> 'r',
        'r failed *::1, l running>skipped(r) *::1::l::1, w failed *::1::w::1'),
    ('a RACE that loses a loop', (('SELECT 1' |=> 'w') | (df."loop"(df.wait_for_signal('never') |=> 'body') |=> 'l')) |=> 'r',
        'r completed *::1, w completed *::1::w::1, l failed *::1::l::1, body running>skipped(l) *::1::l::1'),
    ('a RACE that loses a loop in a loop', (('SELECT 1' |=> 'w') | (df."loop"(df."loop"(df.wait_for_signal('never') |=> 'body') |=> 'in') |=> 'l')) |=> 'r',
        'r completed *::1, w completed *::1::w::1, l failed *::1::l::1, in running>skipped(l) *::1::l::1::in::1, body running>skipped(l) *::1::l::1::in::1'),
    ('root LOOP', df."loop"('SELECT 1' |=> 'a', $$SELECT again('root', 3)$$ |=> 'c') |=> 'l',
        'l completed *::3, a completed *::3, c completed *::3'),
    ('root LOOP, an arm of a round gone by', df."loop"(df."if"($$SELECT again('arm', 2)$$ |=> 'c', 'SELECT 1' |=> 't', 'SELECT 2' |=> 'e') |=> 'if', $$SELECT again('arms', 3)$$ |=> 'w') |=> 'l',
        'l completed *::3, if completed *::3, t completed>skipped(if) *::1, e completed *::3, c completed *::3, w completed *::3'),
    ('LOOP that is not the root', ('SELECT 1' |=> 'a') ~> (df."loop"('SELECT 2' |=> 'b', $$SELECT again('not root', 3)$$ |=> 'c') |=> 'l') ~> ('SELECT 3' |=> 'd'),
        'THEN completed *::1, THEN completed *::1, a completed *::1, l completed *::1::l::3, b completed *::1::l::3, c completed *::1::l::3, d completed *::1'),
    ('LOOP in a branch', (df."loop"('SELECT 1' |=> 'b', $$SELECT again('branch', 3)$$ |=> 'c') |=> 'l') & ('SELECT 2' |=> 'd'),
        'JOIN completed *::1, l completed *::1::l::3, b completed *::1::l::3, c completed *::1::l::3, d completed *::1::d::1'),
    ('LOOP inside a branch', (('SELECT 1' |=> 'a') ~> (df."loop"('SELECT 2' |=> 'b', $$SELECT again('in branch', 2)$$ |=> 'c') |=> 'l') |=> 'first') & ('SELECT 3' |=> 'd'),
        'JOIN completed *::1, first completed *::1::first::1, a completed *::1::first::1, l completed *::1::first::1::l::2, b completed *::1::first::1::l::2, c completed *::1::first::1::l::2, d completed *::1::d::1'),
    ('JOIN in a root LOOP', df."loop"((('SELECT 1' |=> 'a') & ('SELECT 2' |=> 'b')) |=> 'j', $$SELECT again('join in root', 3)$$ |=> 'c') |=> 'l',
        'l completed *::3, j completed *::3, a completed *::3::a::1, b completed *::3::b::1, c completed *::3'),
    ('JOIN in a LOOP', ('SELECT 0' |=> 'z') ~> (df."loop"((('SELECT 1' |=> 'a') & ('SELECT 2' |=> 'b')) |=> 'j', $$SELECT again('join in loop', 2)$$ |=> 'c') |=> 'l'),
        'THEN completed *::1, z completed *::1, l completed *::1::l::2, j completed *::1::l::2, a completed *::1::l::2::a::1, b completed *::1::l::2::b::1, c completed *::1::l::2'),
    ('RACE in a LOOP', df."loop"((('SELECT 1' |=> 'a') | (df.wait_for_signal('never') |=> 'b')) |=> 'r', $$SELECT again('race in loop', 2)$$ |=> 'c') |=> 'l',
        'l completed *::2, r completed *::2, a completed *::2::a::1, b running>skipped(r) *::2::b::1, c completed *::2'),
    ('LOOP in a root LOOP', df."loop"(df."loop"('SELECT 1' |=> 'a', $$SELECT again('inner', 4) AND (SELECT times FROM asked WHERE what = 'inner') <> 2$$ |=> 'ic') |=> 'inner', $$SELECT again('outer', 2)$$ |=> 'oc') |=> 'outer',
        'outer completed *::2, inner completed *::2::inner::2, a completed *::2::inner::2, ic completed *::2::inner::2, oc completed *::2'),
    ('LOOP in a LOOP', ('SELECT 0' |=> 'z') ~> (df."loop"(df."loop"('SELECT 1' |=> 'a', $$SELECT again('inner2', 4) AND (SELECT times FROM asked WHERE what = 'inner2') <> 2$$ |=> 'ic') |=> 'inner', $$SELECT again('outer2', 2)$$ |=> 'oc') |=> 'outer'),
        'THEN completed *::1, z completed *::1, outer completed *::1::outer::2, inner completed *::1::outer::2::inner::2, a completed *::1::outer::2::inner::2, ic completed *::1::outer::2::inner::2, oc completed *::1::outer::2'),
    ('LOOP in a branch in a LOOP', df."loop"(((df."loop"('SELECT 1' |=> 'a', $$SELECT again('deep', 2)$$ |=> 'ic') |=> 'inner') & ('SELECT 2' |=> 'b')) |=> 'j', $$SELECT again('deep outer', 2)$$ |=> 'oc') |=> 'outer',
        'outer completed *::2, j completed *::2, inner completed *::2::inner::1, a completed *::2::inner::1, ic completed *::2::inner::1, b completed *::2::b::1, oc completed *::2'),
    ('a break', df."loop"((('SELECT 1' |=> 'a') ~> df."break"('x') |=> 'ab') ~> ('SELECT 2' |=> 'c') |=> 'abc') |=> 'l',
        'l completed *::1, abc completed *::1, ab completed *::1, a completed *::1, BREAK completed *::1, c pending>skipped(abc)'),
    ('a break through a JOIN', df."loop"((('SELECT 1' |=> 'a') & (df."break"('x') ~> ('SELECT 2' |=> 'b') |=> 'bb')) |=> 'j') |=> 'l',
        'l completed *::1, j completed *::1, a completed *::1::a::1, bb completed *::1::bb::1, BREAK completed *::1::bb::1, b pending>skipped(bb)'),
    ('a loop fails', ('SELECT 1' |=> 'a') ~> (df."loop"(df."if"($$SELECT again('fails', 2)$$ |=> 'c', 'SELECT 1' |=> 't', 'SELECT 1/0' |=> 'e') |=> 'if') |=> 'l') ~> ('SELECT 3' |=> 'd'),
        'THEN failed *::1, THEN failed *::1, a completed *::1, l failed *::1::l::2, if failed *::1::l::2, t completed>skipped(if) *::1::l::1, e failed *::1::l::2, c completed *::1::l::2, d pending>skipped(THEN)');
SELECT go(what, fut) FROM cases;
CALL df.work() \gset

-- What is under way --------------------------------------------------------------------------------------------------------
INSERT INTO cases VALUES
    ('waiting', ('SELECT 1' |=> 'a') ~> (df.wait_for_signal('never') |=> 'w') ~> ('SELECT 2' |=> 'b'),
        'THEN running *::1, THEN running *::1, a completed *::1, w running *::1, b pending'),
    ('one branch of a JOIN has ended', (('SELECT 1' |=> 'a') & (df.wait_for_signal('never') |=> 'w')) |=> 'j',
        'j running *::1, a completed *::1::a::1, w running *::1::w::1'),
    ('the second round of a root LOOP', df."loop"(('SELECT 1' |=> 'a') ~> (df."if"($$SELECT again('second', 2)$$ |=> 'c', 'SELECT 2' |=> 't', df.wait_for_signal('never') |=> 'w') |=> 'if') ~> ('SELECT 3' |=> 'b')) |=> 'l',
        'l running *::2, THEN running *::2, THEN running *::2, a completed *::2, if running *::2, t completed>pending(l) *::1, w running *::2, c completed *::2, b completed>pending(l) *::1'),
    ('the second round of a LOOP', ('SELECT 0' |=> 'z') ~> (df."loop"(df."if"($$SELECT again('second inner', 2)$$ |=> 'c', ('SELECT 2' |=> 't') & ('SELECT 3' |=> 'u') |=> 'j', df.wait_for_signal('never') |=> 'w') |=> 'if') |=> 'l'),
        'THEN running *::1, z completed *::1, l running *::1::l::2, if running *::1::l::2, j completed>pending(l) *::1::l::1, t completed>pending(l) *::1::l::1::t::1, u completed>pending(l) *::1::l::1::u::1, w running *::1::l::2, c completed *::1::l::2'),
    ('the second round around a LOOP', df."loop"((df."if"($$SELECT again('second outer', 2)$$ |=> 'c', df."loop"('SELECT 1' |=> 'a', 'SELECT false' |=> 'ic') |=> 'inner', df.wait_for_signal('never') |=> 'w') |=> 'if')) |=> 'outer',
        'outer running *::2, if running *::2, inner completed>pending(outer) *::1::inner::1, a completed>pending(outer) *::1::inner::1, ic completed>pending(outer) *::1::inner::1, w running *::2, c completed *::2');
SELECT go(what, fut) FROM cases WHERE what NOT IN (SELECT started.what FROM started);
CALL df.work() \gset

SELECT no_plan();
SELECT is(shape(what), shape, what) FROM cases;
SELECT is_empty($$ SELECT c.what, n.* FROM cases c, df.instance_nodes(id(c.what)) n WHERE status(c.what) IN ('completed', 'failed') AND n.inferred_status IN ('pending', 'running') $$, 'nothing reads pending or running once the instance is done');
SELECT is_empty($$ SELECT c.what, n.* FROM cases c, df.instance_nodes(id(c.what)) n WHERE (n.inferred_status = n.status AND n.inferred_status_from_ancestor_id IS NOT NULL) OR (n.inferred_status = 'skipped' AND n.inferred_status_from_ancestor_id IS NULL) $$, 'what is inferred names the ancestor that explains it, what is stored names none');
SELECT is_empty($$ SELECT c.what, n.* FROM cases c, df.instance_nodes(id(c.what)) n WHERE (n.status = 'pending') <> (n.status_details::jsonb ->> 'execution_id' IS NULL) $$, 'every node that was moved is stamped');
SELECT matches((SELECT n.result #>> '{}' FROM df.nodes n WHERE n.instance_id = id('a RACE that loses a loop') AND n.result_name = 'l'), 'lost the race', 'a loop that lost says so');

-- The same, as df.explain shows it.
SELECT is(split_part(df.explain(id('the second round of a root LOOP')), E'\n\n', 2), $tree$LOOP (infinite) |=> 'l' ⏳
    ↻ body:
      └─SQL: SELECT 1 |=> 'a' ✓
      → IF |=> 'if' ⏳
          ? condition:
            └─SQL: SELECT again('second', 2) |=> 'c' ✓
          ✓ then:
            └─SQL: SELECT 2 |=> 't' ○
          ✗ else:
            └─SIGNAL 'never' |=> 'w' ⏳
      → SQL: SELECT 3 |=> 'b' ○$tree$, 'explain of a loop in its second round');
SELECT is(df.explain(id('a failure right of a THEN')), 'Instance: ' || id('a failure right of a THEN') || $tree$ (a failure right of a THEN)
Status:   ✗ failed
Output:   SQL execution failed: division by zero

SQL: SELECT 1 |=> 'a' ✓
→ SQL: SELECT 1/0 |=> 'b' ✗$tree$, 'explain of a failed instance');
SELECT is(split_part(df.explain(id('RACE')), E'\n\n', 2), $tree$RACE |=> 'r' ✓
    ║ branch 1:
      └─SQL: SELECT 1 |=> 'w' ✓
    ║ branch 2:
      └─SIGNAL 'never' |=> 'l1' ⊘
      → SQL: SELECT 2 |=> 'l2' |=> 'l' ⊘$tree$, 'explain of a race');

-- A cancelled instance keeps what its nodes were.
SELECT df.cancel(id('waiting')) \g /dev/null
SELECT is(shape('waiting'), (SELECT shape FROM cases WHERE what = 'waiting'), 'cancelling leaves the stored status of nodes alone');
SELECT matches(df.explain(id('waiting')), E'^Instance: [0-9a-f]{8} \\(waiting\\)\nStatus:   ✗ cancelled\nOutput:   canceled: Cancelled by user\n\nSQL: ', 'explain of a cancelled instance');

-- A stamp that cannot be read never makes a node superseded, and is not a reason to fail.
UPDATE df.nodes SET status_details = '{"execution_id": "gibberish"}' WHERE instance_id = id('a chain') AND result_name = 'a';
SELECT is(shape('a chain'), 'ab completed *::1, a completed gibberish, b completed *::1', 'an unreadable stamp');

-- Rows that were changed by hand: what is there is shown, and nothing that is done to them keeps an operator from looking.
INSERT INTO df.nodes (id, instance_id, node_type, query, result_name, submitted_by) VALUES ('0000000f', id('one step'), 'SQL', 'SELECT 2', 'stranger', current_user::regrole);
SELECT is(shape('one step'), 'a completed *::1, stranger pending', 'a row that belongs to no graph comes last, as it is stored');
UPDATE df.nodes SET left_node = (SELECT i.root_node FROM df.instances i WHERE i.id = instance_id) WHERE instance_id = id('LOOP in a branch') AND result_name = 'l';
SELECT is(shape('LOOP in a branch'), 'JOIN completed *::1, l completed *::1::l::3, c completed *::1::l::3, d completed *::1::d::1, b completed *::1::l::3', 'a ring is cut');
UPDATE df.nodes SET query = 'garbage' WHERE instance_id = id('JOIN') AND result_name = 'j';
SELECT is(shape('JOIN'), 'THEN completed *::1, a completed *::1, j completed *::1, b completed *::1::b::1, c completed *::1::c::1, c1 completed *::1::c::1, c2 completed *::1::c::1, d completed *::1::d::1', 'a configuration that cannot be read has no children');
SELECT is_empty($$ SELECT c.what FROM cases c WHERE df.explain(id(c.what)) !~ '^Instance: ' $$, 'explain shows them all');

SELECT * FROM finish();
