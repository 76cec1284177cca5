-- Point 4: errors, from PostgreSQL into JavaScript and from JavaScript out to SQL.
\ir helpers.sql
SELECT no_plan();
CREATE SCHEMA shop;
CREATE DOMAIN shop.price AS int CONSTRAINT positive CHECK (VALUE > 0);
CREATE TABLE shop.item (id int CONSTRAINT item_pk PRIMARY KEY, name text NOT NULL, price shop.price,
	CONSTRAINT named CHECK (name <> 'forbidden'));
INSERT INTO shop.item VALUES (1, 'one', 1);
CREATE FUNCTION raises() RETURNS int LANGUAGE plpgsql AS $$ BEGIN
	RAISE EXCEPTION 'the message' USING ERRCODE = 'ZZ123', DETAIL = 'the detail', HINT = 'the hint', SCHEMA = 's', TABLE = 't', COLUMN = 'c', DATATYPE = 'd', CONSTRAINT = 'k'; END $$;

-- what a caught error carries. caught(js): its properties as JSON.
CREATE FUNCTION caught(body text) RETURNS jsonb LANGUAGE plv8 AS $js$
	try { new Function(body)(); } catch (e) {
		const r = { isError: e instanceof Error, type: typeof e.sqlerrcode };
		for (const k of ['message', 'sqlerrcode', 'detail', 'hint', 'schema_name', 'table_name', 'column_name', 'datatype_name', 'constraint_name'])
			r[k] = e[k] === undefined ? null : e[k];
		r.context = typeof e.context === 'string' ? e.context : null;
		r.stack = typeof e.stack === 'string';
		return r;
	}
	return null;
$js$;
-- parts(js): the part that both handlers agree on, whatever the form of the code.
CREATE FUNCTION parts(body text) RETURNS text LANGUAGE sql AS $$
	SELECT concat_ws('/', c ->> 'message', c ->> 'detail', c ->> 'hint', c ->> 'schema_name', c ->> 'table_name', c ->> 'column_name', c ->> 'datatype_name', c ->> 'constraint_name')
	FROM caught(body) c $$;
SELECT is(parts('plv8.execute("SELECT raises()")'), 'the message/the detail/the hint/s/t/c/d/k', 'execute: everything arrives');
SELECT is(parts('plv8.execute("SELECT raises() + $1", [1])'), 'the message/the detail/the hint/s/t/c/d/k', 'execute with parameters');
SELECT is(parts('const p = plv8.prepare("SELECT raises()"); p.execute()'), 'the message/the detail/the hint/s/t/c/d/k', 'a plan');
SELECT ours_is($$SELECT parts('plv8.prepare("SELECT raises()").cursor().fetch()')$$, 'the message/the detail/the hint/s/t/c/d/k', 'a cursor');
SELECT ours_is($$SELECT parts('plv8.prepare("SELECT raises()").cursor().move(1)')$$, 'the message/the detail/the hint/s/t/c/d/k', 'a cursor''s move');
SELECT ours_is($$SELECT parts('plv8.subtransaction(() => plv8.execute("SELECT raises()"))')$$, 'the message/the detail/the hint/s/t/c/d/k', 'a subtransaction');
SELECT is((caught('plv8.execute("SELECT raises()")') ->> 'isError')::bool, true, 'it is an Error');
SELECT matches(caught('plv8.execute("SELECT raises()")') ->> 'context', 'raises', 'with context');
SELECT is((caught('plv8.execute("SELECT raises()")') ->> 'stack')::bool, true, 'and a stack');
SELECT is(parts($$plv8.execute("INSERT INTO shop.item VALUES (1, 'again', 1)")$$), 'duplicate key value violates unique constraint "item_pk"/Key (id)=(1) already exists./shop/item/item_pk', 'a duplicate key');
SELECT matches(parts($$plv8.execute("INSERT INTO shop.item VALUES (2, NULL, 1)")$$), '/shop/item/name$', 'not null names its column');
SELECT matches(parts($$plv8.execute("INSERT INTO shop.item VALUES (2, 'forbidden', 1)")$$), '/shop/item/named$', 'a check names its constraint');
SELECT matches(parts($$plv8.execute("SELECT (-1)::shop.price")$$), '/shop/price/positive$', 'a domain names its type');
SELECT matches(parts('plv8.prepare("SELECT nothing FROM nowhere")'), 'nowhere', 'prepare: the message');
SELECT is(caught('plv8.execute("SELECT 1/0")') ->> 'sqlerrcode', caught('plv8.prepare("SELECT 1/0").execute()') ->> 'sqlerrcode', 'the code is the same from everywhere');
SELECT isnt(caught('plv8.execute("SELECT 1/0")') ->> 'sqlerrcode', caught('plv8.execute("SELECT raises()")') ->> 'sqlerrcode', 'and differs between errors');

-- uncaught, an error leaves as it came
CREATE FUNCTION passes(how text) RETURNS int LANGUAGE plv8 AS $js$
	const run = {
		execute: () => plv8.execute('SELECT raises()'),
		params: () => plv8.execute('SELECT raises() + $1', [1]),
		plan: () => plv8.prepare('SELECT raises()').execute(),
		cursor: () => plv8.prepare('SELECT raises()').cursor().fetch(),
		sub: () => plv8.subtransaction(() => plv8.execute('SELECT raises()')),
		rethrown: () => { try { plv8.execute('SELECT raises()') } catch (e) { throw e } },
		nested: () => plv8.execute("SELECT passes('execute')"),
		deep: () => plv8.execute("SELECT passes('nested')"),
		later: () => { let kept; try { plv8.execute('SELECT raises()') } catch (e) { kept = e } plv8.execute('SELECT 1'); throw kept },
	};
	run[how]();
	return 1;
$js$;
SELECT is(f ->> 'code' || '/' || (f ->> 'message') || '/' || (f ->> 'detail') || '/' || (f ->> 'hint'), 'ZZ123/the message/the detail/the hint', 'uncaught from execute: unchanged') FROM failure('SELECT passes(''execute'')') f;
SELECT is(f ->> 'code' || '/' || (f ->> 'message') || '/' || (f ->> 'detail') || '/' || (f ->> 'hint'), 'ZZ123/the message/the detail/the hint', 'with parameters') FROM failure('SELECT passes(''params'')') f;
CREATE FUNCTION left_as(how text) RETURNS text LANGUAGE sql AS $$ SELECT concat_ws('/', f ->> 'code', f ->> 'message', f ->> 'detail', f ->> 'hint', f ->> 'schema', f ->> 'table', f ->> 'column', f ->> 'datatype', f ->> 'constraint') FROM failure(format('SELECT passes(%L)', how)) f $$;
SELECT ours_is(format('SELECT left_as(%L)', how), 'ZZ123/the message/the detail/the hint/s/t/c/d/k', 'uncaught, unchanged in every field: ' || how)
	FROM unnest('{execute,params,plan,cursor,sub,rethrown,nested,deep,later}'::text[]) how;

-- JavaScript errors become SQL errors
CREATE FUNCTION throws(body text) RETURNS int LANGUAGE plv8 AS $js$ return new Function(body)(); $js$;
CREATE FUNCTION refers() RETURNS int LANGUAGE plv8 AS $js$
	const a = 1;
	return a + unknown_name;
$js$;
SELECT fails('SELECT refers()', NULL, 'ReferenceError: unknown_name is not defined', 'a ReferenceError');
SELECT matches(failure('SELECT refers()') ->> 'context', 'refers', 'its context names the function');
SELECT matches(failure('SELECT refers()') ->> 'context', '(LINE |:)3', 'and the line');
CREATE FUNCTION outer_fn() RETURNS int LANGUAGE plv8 AS $js$
	function helper() { null.x }
	function middle() { helper() }
	middle();
$js$;
SELECT ours_is($$SELECT (f ->> 'context') ~ 'helper' AND (f ->> 'context') ~ 'middle' FROM failure('SELECT outer_fn()') f$$, 'true', 'and the stack');
SELECT fails($$SELECT throws('throw new Error("boom")')$$, NULL, '^(Error: )?boom$', 'an Error''s message');
SELECT fails($$SELECT throws('throw new RangeError("too far")')$$, NULL, 'RangeError: too far', 'another kind keeps its name');
SELECT fails($$SELECT throws('throw "a string"')$$, NULL, 'a string', 'a thrown string');
SELECT fails($$SELECT throws('throw 42')$$, NULL, '42', 'a thrown number');
SELECT ours_fails($$SELECT throws('throw null')$$, NULL, 'null', 'a thrown null');
SELECT ours_fails($$SELECT throws('throw undefined')$$, NULL, 'undefined', 'a thrown undefined');
SELECT ours_fails($$SELECT throws('throw {}')$$, NULL, '.', 'a thrown object');
SELECT ours_fails($$SELECT throws('throw Symbol("s")')$$, NULL, '.', 'a thrown symbol');
SELECT ours_fails($$SELECT throws('throw { toString() { throw new Error("again") } }')$$, NULL, '.', 'an object that cannot be a string');
SELECT ours_fails($$SELECT throws('throw new Proxy({}, { get() { throw 1 } })')$$, NULL, '.', 'a hostile Proxy');
SELECT ours_fails($$SELECT throws('const e = new Error("m"); Object.defineProperty(e, "message", { get() { throw 2 } }); throw e')$$, NULL, '.', 'a hostile message');
SELECT ours_fails($$SELECT throws('const e = new Error("m"); e.code = { valueOf() { throw 3 } }; e.detail = Symbol(); throw e')$$, NULL, 'm', 'hostile properties');
SELECT ours_fails($$SELECT throws('const e = new Error("m"); Object.defineProperty(e, "stack", { get() { for (;;) throw 3 } }); throw e')$$, NULL, 'm', 'a hostile stack');
SELECT ours_fails($$SELECT throws('Error.prepareStackTrace = () => { throw new Error("in prepare") }; throw new Error("m")')$$, NULL, '.', 'a hostile prepareStackTrace');
SELECT js('delete Error.prepareStackTrace');
SELECT ours_fails($$SELECT throws('throw new Error("x".repeat(1e7))')$$, NULL, 'xxxx', 'a message of ten megabytes');
SELECT ours_fails($$SELECT throws('throw new Error("100% %s %n %d")')$$, NULL, '100% %s %n %d', 'percent signs in a message');
SELECT ours_fails($$SELECT throws('plv8.elog(ERROR, "100% %s %n")')$$, NULL, '100% %s %n', 'also through elog');
SELECT ours_fails($$SELECT throws('throw new Error("a\u0000b")')$$, NULL, 'a', 'NUL in a message');
SELECT ours_fails($$SELECT throws('throw new Error("\ud800")')$$, NULL, '.', 'half a surrogate pair in a message');
SELECT ours_fails($$SELECT throws('throw new Error("")')$$, NULL, '', 'an empty message');

-- texts that are clipped stay texts
CREATE FUNCTION valid(f jsonb) RETURNS boolean LANGUAGE sql AS $$ SELECT convert_from(convert_to(f::text, 'UTF8'), 'UTF8') = f::text AND f::text::jsonb = f $$;
SELECT ours_is(format($$SELECT valid(failure(%L))$$, format('SELECT throws(%L)', 'throw new Error("' || repeat('x', n) || '" + "é".repeat(600000))')), 'true', 'a long message of two-byte characters, ' || n) FROM generate_series(0, 1) n;
SELECT ours_is(format($$SELECT valid(failure(%L))$$, format('SELECT throws(%L)', 'const s = "' || repeat('x', n) || repeat('€', 3000) || '"; throw new Error("m")')), 'true', 'a long line of three-byte characters, ' || n) FROM generate_series(0, 2) n;
DO $do$ BEGIN FOR n IN 0..2 LOOP EXECUTE format('CREATE FUNCTION long_line_%s() RETURNS int LANGUAGE plv8 AS %L', n, 'const s = "' || repeat('x', n) || repeat('€', 3000) || '"; null.x'); END LOOP; END $do$;
SELECT ours_is(format($$SELECT valid(failure('SELECT long_line_%s()'))$$, n), 'true', 'in a function''s own line, ' || n) FROM generate_series(0, 2) n;
SELECT ours_is(format($$SELECT valid(failure(%L))$$, format('SELECT throws(%L)', 'const f = { ["' || repeat('x', n) || repeat('€', 200) || '"](d) { if (d) return this["' || repeat('x', n) || repeat('€', 200) || '"](d - 1) || 1; null.x } }; Error.stackTraceLimit = 100; f["' || repeat('x', n) || repeat('€', 200) || '"](50)')), 'true', 'in a long stack, ' || n) FROM generate_series(0, 2) n;
SELECT js('Error.stackTraceLimit = 10');

-- chosen SQLSTATE, detail, hint
CREATE FUNCTION packed(code text) RETURNS int LANGUAGE sql IMMUTABLE AS $$ SELECT sum((ascii(substr(code, i, 1)) - 48 & 63) << (6 * (i - 1)))::int FROM generate_series(1, 5) i $$;
CREATE FUNCTION chosen(code int) RETURNS int LANGUAGE plv8 AS $js$ const e = new Error('m'); e.code = code; throw e; $js$;
SELECT is(failure(format('SELECT chosen(%s)', packed('ZZ456'))) ->> 'code', 'ZZ456', 'code as the packed integer');
SELECT ours_is($$SELECT failure($q$SELECT throws('const e = new Error("m"); e.code = "ZZ789"; throw e')$q$) ->> 'code'$$, 'ZZ789', 'code as five characters');
SELECT ours_is($$SELECT failure($q$SELECT throws('const e = new Error("m"); e.code = "22012"; e.detail = "d"; e.hint = "h"; throw e')$q$)::text ~ '"d".*22012|22012.*"d"'$$, 'true', 'with a detail');
SELECT ours_is($$SELECT (f ->> 'detail') || (f ->> 'hint') FROM failure($q$SELECT throws('const e = new Error("m"); e.detail = "d"; e.hint = "h"; throw e')$q$) f$$, 'dh', 'detail and hint');
SELECT ours_is(format($$SELECT failure($q$SELECT throws('const e = new Error("m"); e.code = %s; throw e')$q$) ->> 'message'$$, code), 'm', 'a code that is none does no harm: ' || code)
	FROM unnest('{"\"short\"","\"00000\"","\"zz\\u0000zz\"","\"ééééé\"",-1,0,1e99,NaN,"{}",null,"\"ENOENT\"","\"01000\"",12345678901n}'::text[]) code WHERE code IS NOT NULL;
SELECT is(failure(format('SELECT js(%L)', format('try { plv8.execute("SELECT chosen(%s)") } catch (e) { throw e }', packed('ZZ456')))) ->> 'code', 'ZZ456', 'a chosen code passes through nested calls');
SELECT ours_is(format('SELECT caught(%L) ->> ''sqlerrcode'' = caught(%L) ->> ''sqlerrcode''', format('plv8.execute("SELECT chosen(%s)")', packed('22012')), 'plv8.execute("SELECT 1/0")'), 'true', 'and is the same code inside');
SELECT ours_fails($$SELECT throws('try { plv8.execute("SELECT 1/0") } catch (e) { e.message = "mine"; throw e }')$$, '22012', 'mine', 'a caught error may be changed and rethrown');
SELECT ours_fails($$SELECT throws('try { plv8.execute("SELECT 1/0") } catch (e) { throw new Error("other") }')$$, NULL, '^(Error: )?other$', 'another error may be thrown instead');
SELECT isnt(failure($$SELECT throws('try { plv8.execute("SELECT 1/0") } catch (e) { throw new Error("other") }')$$) ->> 'code', '22012', 'which does not inherit the code');
SELECT ours_is($$SELECT (failure($q$SELECT throws('throw new Error("plain")')$q$) ->> 'code')$$, 'XX000', 'an Error without a code is XX000');
SELECT is(js('try { null.x } catch (e) { return e.constructor.name }'), 'TypeError', 'JavaScript''s own errors are caught as such');
SELECT is(js('let n = 0; for (let i = 0; i < 300; i++) try { plv8.execute("SELECT 1/0") } catch (e) { n++ } return n'), '300', 'three hundred errors in one call');
SELECT is(js('try { plv8.execute("SELECT js($1)", ["throw new TypeError(\"inner\")"]) } catch (e) { return /inner/.test(e.message) }'), 'true', 'an error of a nested call is caught outside');
SELECT ours_is($$SELECT js('try { plv8.execute("SELECT throws($1)", ["const e = new Error(1); e.detail = 2; e.hint = 3; throw e"]) } catch (e) { return e.message + e.detail + e.hint }')$$, '123', 'with its detail and hint');
SELECT ours_is($$SELECT js('return plv8.subtransaction(() => { try { plv8.execute("SELECT 1/0") } catch (e) { return e.message } })')$$, 'division by zero', 'caught within a subtransaction');
-- in a deep recursion each frame adds itself to the context once, not once for each frame around it
CREATE FUNCTION descends(n int) RETURNS int LANGUAGE plpgsql AS $$ BEGIN RETURN js_descends(n); END $$;
CREATE FUNCTION js_descends(n int) RETURNS int LANGUAGE plv8 AS $$ if (n === 0) throw new Error('bottom'); return plv8.execute('SELECT descends($1) AS d', [n - 1])[0].d; $$;
SELECT ours_is($$SELECT ((SELECT count(*) FROM regexp_matches(f ->> 'context', 'PL/pgSQL function descends', 'g')) BETWEEN 20 AND 25)::text FROM failure('SELECT js_descends(20)') f$$, 'true', 'a nested call adds itself to the context once');
SELECT ours_is($$SELECT (length(f ->> 'context') < 100000)::text FROM failure('SELECT js_descends(1000000)') f$$, 'true', 'and a context stays readable');
SELECT lives_ok($$SELECT throws('Promise.reject(new Error("nobody awaits"))')$$, 'a rejected promise that nobody awaits is no error');
SELECT ours_is($$SELECT js('return plv8.execute("SELECT 1 AS a")')$$, '[{"a":1}]', 'and the session goes on');
SELECT * FROM finish();
