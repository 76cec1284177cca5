-- Point 1: the language. Handlers, kinds of functions, arguments and results, re-entrance.
\ir helpers.sql
SELECT no_plan();

-- scalar functions and their arguments
CREATE FUNCTION add(a int, b int) RETURNS int LANGUAGE plv8 AS $$ return a + b; $$;
SELECT is(add(2, 3), 5, 'arguments by name');
CREATE FUNCTION unnamed(int, text) RETURNS text LANGUAGE plv8 AS $_$ return $2 + $1; $_$;
SELECT is(unnamed(1, 'n'), 'n1', 'unnamed arguments are $1, $2');
CREATE FUNCTION half_named(a int, text) RETURNS text LANGUAGE plv8 AS $_$ return a + $2; $_$;
SELECT is(half_named(1, 'n'), '1n', 'named and unnamed arguments mix');
CREATE FUNCTION "camelCase"("camelArg" int) RETURNS int LANGUAGE plv8 AS $$ return camelArg * 2; $$;
SELECT is("camelCase"(4), 8, 'names keep their case');
CREATE FUNCTION joined(sep text, VARIADIC parts text[]) RETURNS text LANGUAGE plv8 AS $$ return parts.join(sep); $$;
SELECT is(joined('-', 'a', 'b', 'c'), 'a-b-c', 'variadic arguments are an array');
CREATE FUNCTION defaulted(a int, b int DEFAULT 10) RETURNS int LANGUAGE plv8 AS $$ return a + b; $$;
SELECT is(defaulted(1), 11, 'defaults of SQL apply');
CREATE FUNCTION strictly(a int) RETURNS text LANGUAGE plv8 STRICT AS $$ return 'called'; $$;
SELECT is(strictly(NULL), NULL, 'a strict function is not called with NULL');
CREATE FUNCTION loosely(a int) RETURNS text LANGUAGE plv8 AS $$ return String(a); $$;
SELECT is(loosely(NULL), 'null', 'NULL arrives as null');
CREATE FUNCTION nothing() RETURNS int LANGUAGE plv8 AS $$ $$;
SELECT is(nothing(), NULL, 'an empty body returns NULL');
CREATE FUNCTION returns_undefined() RETURNS text LANGUAGE plv8 AS $$ return undefined; $$;
SELECT is(returns_undefined(), NULL, 'undefined is NULL');
CREATE FUNCTION returns_null() RETURNS text LANGUAGE plv8 AS $$ return null; $$;
SELECT is(returns_null(), NULL, 'null is NULL');
CREATE FUNCTION returns_void() RETURNS void LANGUAGE plv8 AS $$ return 'ignored'; $$;
SELECT lives_ok('SELECT returns_void()', 'a void function may return anything');
CREATE FUNCTION any_kind(VARIADIC "any") RETURNS text LANGUAGE plv8 AS $$ return Array.from(arguments).map((a) => typeof a + ' ' + a).join(', ') $$;
SELECT ours_is($$SELECT any_kind(1, 'x'::text, 5::int8, NULL::date)$$, 'number 1, string x, bigint 5, object null', 'VARIADIC "any": each argument has its own type');
SELECT ours_is($$SELECT any_kind(VARIADIC ARRAY[1, 2])$$, 'object 1,2', 'VARIADIC "any" given an array');
CREATE FUNCTION first_of(list anyarray) RETURNS anyelement LANGUAGE plv8 AS $$ return list[0]; $$;
SELECT is(first_of(ARRAY[7, 8]), 7, 'polymorphic: integers');
SELECT is(first_of(ARRAY['x', 'y']), 'x', 'polymorphic: text, in the same session');
SELECT is(first_of(ARRAY[7, 8]), 7, 'polymorphic: integers again');
SELECT is(first_of(ARRAY[date '2026-02-03']), date '2026-02-03', 'polymorphic: dates');
CREATE FUNCTION twice(anyelement) RETURNS anyarray LANGUAGE plv8 AS $_$ return [$1, $1]; $_$;
SELECT is(twice(1.5::float8), '{1.5,1.5}'::float8[], 'polymorphic: element to array');
CREATE FUNCTION trailing_comment() RETURNS int LANGUAGE plv8 AS $$ return 1 // the end$$;
SELECT is(trailing_comment(), 1, 'a body may end in a line comment');
CREATE FUNCTION counted() RETURNS int LANGUAGE plv8 AS $$ return arguments.length; $$;
SELECT is(counted(), 0, 'arguments.length');
DO $do$ BEGIN
	EXECUTE format('CREATE FUNCTION many(%s) RETURNS bigint LANGUAGE plv8 AS $js$ return %s; $js$',
		(SELECT string_agg('a' || i || ' int', ', ') FROM generate_series(1, 100) i),
		(SELECT string_agg('a' || i, ' + ') FROM generate_series(1, 100) i));
END $do$;
CREATE FUNCTION call_many() RETURNS bigint LANGUAGE plpgsql AS $$ DECLARE r bigint; BEGIN
	EXECUTE 'SELECT many(' || (SELECT string_agg(i::text, ',') FROM generate_series(1, 100) i) || ')' INTO r; RETURN r; END $$;
SELECT is(call_many(), 5050::bigint, 'a hundred arguments');

-- the language as V8 has it
SELECT is(js('const f = async () => 1; class A { #p = 2; get p() { return this.#p } }; return `${new A().p}${[...[1, 2]].length}`'),
	'22', 'modern syntax');
SELECT is(js('function* g() { yield 1; yield 2 } return [...g()]'), '[1,2]', 'generators');
SELECT is(js('return ["require", "setTimeout", "process", "module"].filter((n) => n in globalThis)'), '[]',
	'nothing of Node.js is there');
SELECT js('globalThis.settled = 0; Promise.resolve().then(() => 1).then(() => { globalThis.settled = 1 })');
SELECT is(js('return globalThis.settled'), '1', 'promises settle before the call returns');
SELECT js('globalThis.kept = 5');
SELECT is(js('return ++globalThis.kept'), '6', 'globalThis lives as long as the session');
SELECT is(js('return [1, 2, 3].at(-1) + Object.entries({ a: 1 })[0][0]'), '3a', 'built-ins of ES2022');

-- composite arguments and results
CREATE TYPE pair AS (i int, t text);
CREATE FUNCTION make_pair(i int, t text) RETURNS pair LANGUAGE plv8 AS $$ return { i: i, t: t }; $$;
SELECT is(make_pair(1, 'a'), ROW(1, 'a')::pair, 'an object becomes a composite');
SELECT is((make_pair(1, NULL)).t, NULL, 'null in a composite');
SELECT is((SELECT i + 1 FROM make_pair(2, 'b')), 3, 'a composite in FROM');
CREATE FUNCTION make_null_pair() RETURNS pair LANGUAGE plv8 AS $$ return null; $$;
SELECT ok(make_null_pair() IS NULL, 'null becomes a NULL composite');
CREATE FUNCTION show_pair(p pair) RETURNS text LANGUAGE plv8 AS $$ return JSON.stringify(p); $$;
SELECT is(show_pair(ROW(1, 'a')::pair), '{"i":1,"t":"a"}', 'a composite becomes an object');
SELECT is(show_pair(NULL), 'null', 'a NULL composite is null');
CREATE FUNCTION any_record(i int, t text) RETURNS record LANGUAGE plv8 AS $$ return { i: i, t: t }; $$;
SELECT is((SELECT t || i FROM any_record(1, 'a') AS r(i int, t text)), 'a1', 'RETURNS record with a column list');
SELECT fails($$SELECT * FROM any_record(1, 'a') AS r(j int, s text)$$, NULL, 'mismatch|j', 'a missing property is an error');
SELECT fails($$SELECT * FROM any_record(1, 'a')$$, '42601', 'column definition list', 'RETURNS record needs a column list');
CREATE FUNCTION not_object() RETURNS pair LANGUAGE plv8 AS $$ return 'abc'; $$;
SELECT fails('SELECT * FROM not_object()', NULL, 'object', 'a string for a composite is an error');
CREATE TABLE wide (a int, gone int, b text);
ALTER TABLE wide DROP COLUMN gone;
INSERT INTO wide VALUES (1, 'x');
CREATE FUNCTION show_wide(w wide) RETURNS text LANGUAGE plv8 AS $$ return JSON.stringify(w); $$;
SELECT is((SELECT show_wide(w) FROM wide w), '{"a":1,"b":"x"}', 'dropped columns do not show');
CREATE FUNCTION make_wide() RETURNS wide LANGUAGE plv8 AS $$ return { a: 2, b: 'y' }; $$;
SELECT is((SELECT a || b FROM make_wide()), '2y', 'dropped columns are filled');
CREATE FUNCTION one_out(a int, OUT b int) LANGUAGE plv8 AS $$ return a + 1; $$;
SELECT is(one_out(1), 2, 'one OUT parameter');
CREATE FUNCTION two_out(a int, OUT b int, OUT c text) LANGUAGE plv8 AS $$ return { b: a + 1, c: 'c' }; $$;
SELECT ours_is('SELECT two_out(1)::text', '(2,c)', 'several OUT parameters are a composite');
CREATE FUNCTION in_out(INOUT a int, INOUT b int) LANGUAGE plv8 AS $$ return { a: b, b: a }; $$;
SELECT ours_is('SELECT in_out(1, 2)::text', '(2,1)', 'INOUT parameters are arguments and results');

-- sets
CREATE FUNCTION ints() RETURNS SETOF int LANGUAGE plv8 AS $$ plv8.return_next(1); plv8.return_next(2); return [3, 4]; $$;
SELECT is(ARRAY(SELECT * FROM ints()), '{1,2,3,4}', 'return_next, then a returned array');
SELECT is(ARRAY(SELECT ints()), '{1,2,3,4}', 'a set in the select list');
SELECT is(ARRAY(SELECT * FROM ints() LIMIT 2), '{1,2}', 'a set cut short');
CREATE FUNCTION no_rows() RETURNS SETOF int LANGUAGE plv8 AS $$ $$;
SELECT is(ARRAY(SELECT * FROM no_rows()), '{}'::int[], 'a set of nothing');
CREATE FUNCTION null_rows() RETURNS SETOF int LANGUAGE plv8 AS $$ plv8.return_next(null); plv8.return_next(undefined); $$;
SELECT is((SELECT count(*)::int FROM null_rows() n WHERE n IS NULL), 2, 'NULL rows');
CREATE FUNCTION pairs() RETURNS SETOF pair LANGUAGE plv8 AS $$
	plv8.return_next({ i: 1, t: 'a' }); return [{ i: 2, t: 'b' }, { i: 3, t: null }]; $$;
SELECT is((SELECT string_agg(i || coalesce(t, '-'), ' ') FROM pairs()), '1a 2b 3-', 'a set of composites');
CREATE FUNCTION as_table(n int) RETURNS TABLE (k int, square bigint) LANGUAGE plv8 AS $$
	for (let i = 1; i <= n; i++) plv8.return_next({ k: i, square: i * i }); $$;
SELECT is((SELECT sum(square)::int FROM as_table(3)), 14, 'RETURNS TABLE');
SELECT is((SELECT string_agg(x.n || ':' || t.k, ' ') FROM (VALUES (1), (2)) x(n), as_table(x.n) t), '1:1 2:1 2:2', 'LATERAL');
CREATE FUNCTION set_of_record() RETURNS SETOF record LANGUAGE plv8 AS $$ return [{ x: 1, y: 'a' }, { x: 2, y: 'b' }]; $$;
SELECT is((SELECT string_agg(x || y, ' ') FROM set_of_record() AS r(x int, y text)), '1a 2b', 'SETOF record');
SELECT fails('SELECT set_of_record()', NULL, 'record', 'SETOF record without a column list is an error');
CREATE FUNCTION bad_row() RETURNS SETOF pair LANGUAGE plv8 AS $$ plv8.return_next('abc'); $$;
SELECT fails('SELECT * FROM bad_row()', NULL, 'object', 'a string as a row is an error');
CREATE FUNCTION nested_sets() RETURNS SETOF int LANGUAGE plv8 AS $$
	plv8.return_next(0); for (const r of plv8.execute('SELECT ints() AS i')) plv8.return_next(r.i * 10); plv8.return_next(9); $$;
SELECT is(ARRAY(SELECT * FROM nested_sets()), '{0,10,20,30,40,9}', 'a set function inside a set function');
SELECT ours_fails('SELECT * FROM set_of_record() AS r(x int)', NULL, 'cardinality', 'more properties than listed columns are an error');
SELECT fails('SELECT * FROM set_of_record() AS r(x int, z text)', NULL, 'mismatch', 'and so are other names');
CREATE DOMAIN low_pair AS pair CHECK ((VALUE).i < 3);
CREATE FUNCTION low_pairs(VARIADIC list int[]) RETURNS SETOF low_pair LANGUAGE plv8 AS $$ for (const i of list) plv8.return_next({ i, t: 'x' }) $$;
SELECT ours_is('SELECT count(*)::text FROM low_pairs(1, 2)', '2', 'a set of a domain over composites');
SELECT ours_fails('SELECT * FROM low_pairs(1, 5)', '23514', 'low_pair', 'its constraint holds for each row');
CREATE FUNCTION absurd_set() RETURNS SETOF int LANGUAGE plv8 AS $$ const a = []; a.length = 2e9; return a $$;
SELECT js('globalThis.before_absurd = 1');
SET statement_timeout = '200ms';
SELECT ours_fails('SELECT count(*) FROM absurd_set()', '57014', 'timeout', 'a set without end can be stopped');
RESET statement_timeout;
SELECT ours_is($$SELECT js('return globalThis.before_absurd')$$, '1', 'and costs nobody the globals');
CREATE FUNCTION next_in_scalar() RETURNS int LANGUAGE plv8 AS $$ plv8.return_next(1); return 1; $$;
SELECT fails('SELECT next_in_scalar()', NULL, 'return_next', 'return_next outside a set function is an error');
CREATE FUNCTION many_rows() RETURNS SETOF text LANGUAGE plv8 AS $$ for (let i = 0; i < 200000; i++) plv8.return_next('row ' + i); $$;
SELECT is((SELECT count(*)::int FROM many_rows()), 200000, 'a set larger than work_mem');
CREATE FUNCTION out_table(OUT a int, OUT b text) RETURNS SETOF record LANGUAGE plv8 AS $$ return [{ a: 1, b: 'x' }]; $$;
SELECT is((SELECT a || b FROM out_table()), '1x', 'SETOF record with OUT columns');

-- DO
DO $$ plv8.execute('CREATE TABLE made_by_do AS SELECT 42 AS a'); $$ LANGUAGE plv8;
SELECT is((SELECT a FROM made_by_do), 42, 'DO runs');
SELECT fails('DO $x$ throw new Error("inline") $x$ LANGUAGE plv8', NULL, 'inline', 'an error leaves DO');
SELECT fails('DO $x$ return ] $x$ LANGUAGE plv8', NULL, 'SyntaxError', 'a syntax error in DO');
DO $$ globalThis.from_do = 'seen'; $$ LANGUAGE plv8;
SELECT is(js('return globalThis.from_do'), 'seen', 'DO shares the session''s globals');
DO $$ return 1; $$ LANGUAGE plv8;
SELECT pass('DO may return');

-- procedures
CREATE PROCEDURE swap(INOUT a int, INOUT b int) LANGUAGE plv8 AS $$ return { a: b, b: a }; $$;
CREATE PROCEDURE bump(INOUT a int) LANGUAGE plv8 AS $$ return { a: a + 1 }; $$;
CREATE PROCEDURE silent(a int) LANGUAGE plv8 AS $$ plv8.execute('INSERT INTO made_by_do VALUES ($1)', [a]); $$;
CALL silent(43);
SELECT is((SELECT max(a) FROM made_by_do), 43, 'a procedure without results');
CREATE FUNCTION call_swap() RETURNS text LANGUAGE plpgsql AS $$ DECLARE x int := 1; y int := 2; BEGIN CALL swap(x, y); RETURN x || ',' || y; END $$;
SELECT ours_is('SELECT call_swap()', '2,1', 'a procedure''s INOUT parameters');
CREATE FUNCTION call_bump() RETURNS int LANGUAGE plpgsql AS $$ DECLARE x int := 1; BEGIN CALL bump(x); RETURN x; END $$;
SELECT is(call_bump(), 2, 'one INOUT parameter');

-- helpers of type internal, for find_function only
CREATE FUNCTION compose(f internal, g internal) RETURNS internal LANGUAGE plv8 AS $$ return (x) => f(g(x)); $$;
CREATE FUNCTION use_internal() RETURNS int LANGUAGE plv8 AS $$
	const compose = plv8.find_function('compose'); return compose((x) => x + 1, (x) => x * 10)(4); $$;
SELECT is(use_internal(), 41, 'internal helpers pass functions about');

-- the validator
SELECT fails('CREATE FUNCTION bad() RETURNS int LANGUAGE plv8 AS $x$ return 1 + ; $x$', NULL, 'SyntaxError', 'syntax is checked at CREATE');
SELECT ours_is($$SELECT failure(E'CREATE FUNCTION bad() RETURNS int LANGUAGE plv8 AS \'\n\n  let a = ;\'') ->> 'code'$$, '42601',
	'a syntax error has SQLSTATE 42601');
SELECT ours_is($$SELECT (f ->> 'context') ~* 'line 3' AND (f::text) ~* 'col' FROM failure(E'CREATE FUNCTION bad() RETURNS int LANGUAGE plv8 AS \'\n\n  let a = ;\'') f$$,
	'true', 'and says line and column');
SET check_function_bodies = off;
CREATE FUNCTION created_bad() RETURNS int LANGUAGE plv8 AS $$ return ] $$;
RESET check_function_bodies;
SELECT fails('SELECT created_bad()', NULL, 'SyntaxError', 'an unchecked body fails when it is called');
SELECT fails('CREATE FUNCTION bad(a cstring) RETURNS int LANGUAGE plv8 AS $x$ return 1 $x$', NULL, 'cannot accept type|cstring', 'pseudo-types are refused as arguments');
SELECT fails('CREATE FUNCTION bad() RETURNS cstring LANGUAGE plv8 AS $x$ return 1 $x$', NULL, 'cannot return type|cstring', 'and as results');
SELECT ours_fails('CREATE FUNCTION bad() RETURNS int LANGUAGE plv8 AS $x$ return 1; } function other() { $x$', NULL, 'SyntaxError', 'a body cannot close its function');
SELECT ours_fails('CREATE FUNCTION bad() RETURNS int LANGUAGE plv8 AS $x$ return 1; }), (function () { $x$', NULL, 'SyntaxError', 'nor break out of an expression');
SELECT ours_fails('CREATE FUNCTION bad("a b" int) RETURNS int LANGUAGE plv8 AS $x$ return 1; $x$', NULL, '.', 'a name that is none in JavaScript is refused');
SELECT ours_fails('CREATE FUNCTION bad("a){}//" int) RETURNS int LANGUAGE plv8 AS $x$ return 1; $x$', NULL, '.', 'and code in a name too');
SELECT ours_fails('CREATE FUNCTION bad("class" int) RETURNS int LANGUAGE plv8 AS $x$ return 1; $x$', NULL, '.', 'a reserved word as a name is refused');
CREATE FUNCTION never_run() RETURNS int LANGUAGE plv8 AS $$ globalThis.ran = true; return 1; $$;
SELECT is(js('return typeof globalThis.ran'), 'undefined', 'the validator does not run the body');

-- re-entrance
CREATE FUNCTION fact(n int) RETURNS numeric LANGUAGE plv8 AS $$
	return n <= 1 ? 1 : n * plv8.execute('SELECT fact($1) AS f', [n - 1])[0].f; $$;
SELECT is(fact(15), 1307674368000::numeric, 'JavaScript, SQL, JavaScript, fifteen deep');
CREATE FUNCTION sql_between(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN js_below(n); END $$;
CREATE FUNCTION js_below(n int) RETURNS int LANGUAGE plv8 AS $$ return n === 0 ? 0 : 1 + plv8.execute('SELECT sql_between($1) AS d', [n - 1])[0].d; $$;
SELECT is(js_below(50), 50, 'through PL/pgSQL, fifty deep');
SELECT ours_fails('SELECT js_below(1000000)', NULL, 'stack|recurs', 'endless recursion through SQL is an error');
SELECT is(js_below(50), 50, 'and the session goes on');
CREATE FUNCTION inner_throws(n int) RETURNS int LANGUAGE plv8 AS $$
	if (n === 0) throw new Error('bottom'); try { plv8.execute('SELECT inner_throws($1)', [n - 1]) } catch (e) { throw new Error(e.message + n) } $$;
SELECT fails('SELECT inner_throws(3)', NULL, 'bottom.*1.*2.*3', 'errors pass through nested calls');
SELECT is(js($$ const s = plv8.execute("SELECT js('return 1') AS a, js('return 2') AS b")[0]; return s.a + s.b $$), '12', 'two inner calls in one statement');
CREATE FUNCTION self_replacing() RETURNS int LANGUAGE plv8 AS $$
	plv8.execute("CREATE OR REPLACE FUNCTION self_replacing() RETURNS int LANGUAGE plv8 AS 'return 2'"); return 1; $$;
SELECT is(self_replacing(), 1, 'a function that replaces itself ends as it began');
SELECT is(self_replacing(), 2, 'and is the new one afterwards');
CREATE FUNCTION self_dropping() RETURNS int LANGUAGE plv8 AS $$ plv8.execute('DROP FUNCTION self_dropping()'); return 1; $$;
SELECT is(self_dropping(), 1, 'a function that drops itself ends as it began');
SELECT * FROM finish();
