-- The hunt for crashes: misuse that must end in an error or in nothing, never in a dead server, a stuck session or a
-- damaged world. After each attack the session must still do its work.
\ir helpers.sql
SELECT no_plan();
CREATE TABLE t (id int PRIMARY KEY, v text);
INSERT INTO t SELECT i, 'v' || i FROM generate_series(1, 100) i;
CREATE TYPE pair AS (i int, t text);
CREATE FUNCTION series(n int) RETURNS SETOF int LANGUAGE plv8 AS $$ globalThis.next = plv8.return_next; for (let i = 1; i <= n; i++) plv8.return_next(i); $$;
CREATE FUNCTION pairs_of(body text) RETURNS SETOF pair LANGUAGE plv8 AS $$ return new Function(body)(); $$;
CREATE FUNCTION trigger_fn() RETURNS trigger LANGUAGE plv8 AS $$ return NEW; $$;
CREATE FUNCTION loops(a int) RETURNS int LANGUAGE plv8 AS $$ return a; $$;
CREATE FUNCTION echo(v text) RETURNS text LANGUAGE plv8 AS $$ return v; $$;
CREATE PROCEDURE proc() LANGUAGE plv8 AS $$ plv8.commit(); $$;

-- survived(body): runs it, whatever comes of it; then the session must convert, query, catch and throw as ever.
CREATE FUNCTION survived(body text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE f jsonb := failure(format('SELECT js(%L)', body)); BEGIN
	IF (f ->> 'code') IN ('57014', 'XX001', 'XX002') THEN RETURN f::text; END IF;
	PERFORM plv8_reset();
	IF js('const p = plv8.prepare("SELECT v FROM t WHERE id = $1", ["int"]); const r = p.execute([7])[0].v; p.free();
		let c; try { plv8.execute("SELECT 1/0") } catch (e) { c = e.message } return r + c') IS DISTINCT FROM 'v7division by zero' THEN
		RETURN 'the session is damaged after: ' || coalesce(f::text, 'no error'); END IF;
	IF (SELECT array_agg(x) FROM series(3) x) IS DISTINCT FROM '{1,2,3}' THEN RETURN 'sets are damaged'; END IF;
	IF (SELECT count(*) FROM t) <> 100 THEN RETURN 'the table is damaged'; END IF;
	RETURN 'alive';
END $$;
CREATE TABLE attacks (n int GENERATED ALWAYS AS IDENTITY, body text);
COPY attacks (body) FROM stdin WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02');
const e = plv8.execute; return e('SELECT 1 AS a')
return new plv8.execute('SELECT 1')
return plv8.execute.call(null, 'SELECT 1')
return Reflect.construct(plv8.prepare, ['SELECT 1'])
class A extends plv8.execute {}; return new A('SELECT 1')
const p = plv8.prepare('SELECT 1'); return p.execute.call({})
const p = plv8.prepare('SELECT 1'); return p.execute.call(null)
const p = plv8.prepare('SELECT 1'); return p.free.call(plv8)
const p = plv8.prepare('SELECT 1'); return Object.create(p).execute()
const p = plv8.prepare('SELECT 1'); return new Proxy(p, {}).execute()
const p = plv8.prepare('SELECT 1'); const c = p.cursor(); return c.fetch.call(p)
const p = plv8.prepare('SELECT 1'); const c = p.cursor(); return p.execute.call(c)
const p = plv8.prepare('SELECT 1'); const c = p.cursor(); return p.free.call(c)
const p = plv8.prepare('SELECT 1'); return p.execute.call(new Date())
const p = plv8.prepare('SELECT 1'); return p.execute.call(new Uint8Array(8))
const p = plv8.prepare('SELECT 1'); return p.cursor.apply(Object.assign({}, p))
const p = plv8.prepare('SELECT 1'); Object.setPrototypeOf(p, null); return p.execute && p.execute()
const p = plv8.prepare('SELECT $1::int', ['int']); return p.execute([{ toString() { p.free(); return '1' }, valueOf() { p.free(); return 1 } }])
const p = plv8.prepare('SELECT $1::text', ['text']); return p.execute([{ toString() { p.free(); plv8.execute('SELECT 1'); return 'x' } }])
const p = plv8.prepare('SELECT $1::text, $2::text', ['text', 'text']); return p.execute([{ toString() { for (let i = 0; i < 100; i++) plv8.prepare('SELECT 1').free(); return 'x'.repeat(1000) } }, 'b'])
const p = plv8.prepare('SELECT id, $1::text AS s FROM t', ['text']); const c = p.cursor([{ toString() { p.free(); return 'x' } }]); return c.fetch(3)
const p = plv8.prepare('SELECT $1::jsonb', ['jsonb']); return p.execute([{ toJSON() { p.free(); return 1 } }])
const p = plv8.prepare('SELECT $1::int[]', ['int[]']); const a = [1, 2, 3]; Object.defineProperty(a, 1, { get() { p.free(); a.length = 0; return 5 } }); return p.execute([a])
const p = plv8.prepare('SELECT $1::text[]', ['text[]']); const a = ['a', { toString() { a.length = 1e6; return 'b' } }, 'c']; return p.execute([a])
const p = plv8.prepare('SELECT $1::text[]', ['text[]']); const a = ['a', { toString() { a.length = 0; return 'b' } }, 'c', 'd']; return p.execute([a])
const a = [1, 2]; return plv8.execute('SELECT $1::int + $2::int AS x', new Proxy(a, { get(t, k) { return k === 'length' ? 1e9 : t[k] } }))
return plv8.execute('SELECT 1', new Array(70000).fill(1))
return plv8.execute('SELECT ' + Array.from({ length: 70000 }, (_, i) => '$' + (i + 1) + '::int').join(), new Array(70000).fill(1))
return plv8.execute('SELECT $1::int', { length: 1, 0: 5 })
return plv8.execute('SELECT $99999::int', [1])
return plv8.execute('SELECT $0', [1])
return plv8.execute(Symbol())
return plv8.execute({ toString() { throw new Error('x') } })
return plv8.execute({ toString() { return 'SELECT 1 AS a' } })
return plv8.execute(null)
return plv8.execute(';;;')
return plv8.execute('-- nothing')
return plv8.execute('SELECT 1\u0000 garbage')
return plv8.execute('SELECT \ud800')
return plv8.prepare('SELECT $1', ['int\u0000x'])
return plv8.prepare('SELECT $1', [null])
return plv8.prepare('SELECT $1', [{}])
return plv8.prepare('SELECT $1', ['int; DROP TABLE t'])
return plv8.prepare('SELECT $1', ['cstring'])
return plv8.prepare('SELECT $1', ['internal']).execute([1])
return plv8.prepare('SELECT $1', ['trigger']).execute([1])
return plv8.prepare('SELECT $1', ['record']).execute([{ a: 1 }])
return plv8.prepare('SELECT $1', ['anyelement']).execute([1])
return plv8.prepare('SELECT $1', ['anyarray']).execute([[1]])
return plv8.prepare('SELECT $1', ['void']).execute([1])
return plv8.prepare('SELECT $1::pair', ['pair']).execute([5])
return plv8.prepare('SELECT $1::pair', ['pair']).execute([[1, 2]])
return plv8.prepare('SELECT $1::pair', ['pair']).execute([{}])
return plv8.prepare('SELECT $1::pair', ['pair']).execute([new Proxy({}, { get() { throw 1 }, has() { throw 2 }, ownKeys() { throw 3 } })])
return plv8.prepare('SELECT 1; SELECT 2').execute()
return plv8.prepare('SELECT 1; SELECT 2').cursor()
return plv8.prepare('').execute()
return plv8.prepare('').cursor()
return plv8.prepare(undefined)
const c = plv8.prepare('SELECT id FROM t').cursor(); return [NaN, 1e10, -1e10, Infinity, 'x', null, {}, [], true, 0, -0, 1.5].map((n) => { try { return (c.fetch(n) || []).length } catch (e) { return e.message } })
const c = plv8.prepare('SELECT id FROM t').cursor(); return c.fetch(Symbol())
const c = plv8.prepare('SELECT id FROM t').cursor(); return c.fetch({ valueOf() { c.close(); return 3 } })
const c = plv8.prepare('SELECT id FROM t').cursor(); return c.move({ valueOf() { c.close(); return 3 } })
const c = plv8.prepare('SELECT id FROM t').cursor(); c.move(); c.move(NaN); c.move(1e12); c.move(-1e12); return c.fetch()
const c = plv8.prepare('SELECT id FROM t').cursor(); plv8.execute('CLOSE ALL'); return c.fetch()
const c = plv8.prepare('SELECT id FROM t').cursor(); plv8.execute('CLOSE ALL'); return c.close()
let c; try { plv8.subtransaction(() => { c = plv8.prepare('SELECT id FROM t').cursor(); throw 1 }) } catch (e) {} return c.fetch()
let c; try { plv8.subtransaction(() => { c = plv8.prepare('SELECT id FROM t').cursor(); throw 1 }) } catch (e) {} return c.close()
let p; try { plv8.subtransaction(() => { p = plv8.prepare('SELECT id FROM t'); throw 1 }) } catch (e) {} return p.execute().length
let p; try { plv8.subtransaction(() => { plv8.execute('CREATE TABLE tmp (a int)'); p = plv8.prepare('SELECT * FROM tmp'); throw 1 }) } catch (e) {} return p.execute()
const c = plv8.prepare('SELECT id FROM t').cursor(); plv8.subtransaction(() => c.fetch()); return c.fetch()
const c = plv8.prepare('SELECT id FROM t').cursor(); try { plv8.subtransaction(() => { c.fetch(); throw 1 }) } catch (e) {} return c.fetch()
const c = plv8.prepare('SELECT id FROM t').cursor(); try { plv8.subtransaction(() => { c.close(); throw 1 }) } catch (e) {} return c.fetch()
const c = plv8.prepare('SELECT 1/(50 - id) FROM t').cursor(); for (;;) { try { c.fetch(10) } catch (e) { break } } return c.fetch()
for (let i = 0; i < 3000; i++) plv8.prepare('SELECT id FROM t').cursor().fetch()
const c = plv8.prepare('SELECT id FROM t').cursor(); plv8.execute('CREATE TEMP TABLE x AS SELECT 1'); plv8.execute('DROP TABLE x'); return c.fetch(1000).length
for (const s of ['COMMIT', 'BEGIN', 'ROLLBACK', 'SAVEPOINT a', 'ROLLBACK TO a', 'COMMIT AND CHAIN', 'PREPARE TRANSACTION \'x\'', 'COPY t FROM STDIN', 'COPY t TO STDOUT', 'VACUUM', 'LISTEN x', 'UNLISTEN *', 'DISCARD ALL', 'EXPLAIN SELECT 1', 'SHOW ALL', 'LOCK TABLE t', 'DECLARE c CURSOR FOR SELECT 1', 'FETCH c', 'DEALLOCATE ALL', 'LOAD \'plv8\'', 'SET plv8.v8_flags = \'\'', 'CHECKPOINT', 'DO $x$ begin end $x$']) try { plv8.execute(s) } catch (e) {}
for (const s of ['COMMIT', 'ROLLBACK', 'SAVEPOINT a', 'CALL proc()', 'VACUUM']) try { const p = plv8.prepare(s); p.execute(); p.cursor() } catch (e) {}
plv8.execute('SET LOCAL statement_timeout = 0'); plv8.execute('RESET ALL'); throw 1
plv8.commit()
plv8.rollback()
try { plv8.commit() } catch (e) {} try { plv8.rollback() } catch (e) {} return plv8.execute('SELECT 1 AS a')
plv8.execute('CALL proc()')
plv8.subtransaction(() => plv8.subtransaction(() => plv8.subtransaction(() => { throw 1 })))
const f = (n) => n ? plv8.subtransaction(() => f(n - 1)) : 1; return f(200)
const f = () => plv8.subtransaction(f); f()
plv8.subtransaction(function* () { yield 1 })
plv8.subtransaction(async () => { throw new Error('x') })
plv8.subtransaction({}); 
plv8.subtransaction(plv8.execute)
plv8.subtransaction(plv8.subtransaction)
plv8.subtransaction(class {})
plv8.subtransaction(new Proxy(() => 1, { apply() { throw 1 } }))
plv8.subtransaction(() => { plv8.execute('SELECT plv8_reset()'); throw new Error('x') })
globalThis.next && globalThis.next(5)
plv8.execute('SELECT series(3)'); globalThis.next(5)
plv8.return_next(); plv8.return_next(1)
plv8.return_next.call(null, 1)
return plv8.find_function('series')(3)
return plv8.find_function('pairs_of')('return []')
return plv8.find_function('trigger_fn')()
return plv8.find_function('trigger_fn')({}, {}, 'x')
return plv8.find_function('proc')()
return plv8.find_function('js')('return plv8.find_function("js")("return 1")')
return plv8.find_function('')
return plv8.find_function('\u0000')
return plv8.find_function(null)
return plv8.find_function(Symbol())
return plv8.find_function('loops(int')
return plv8.find_function('loops(no_type)')
return plv8.find_function('pg_catalog.now')
return plv8.find_function('a.b.c.d')
return plv8.find_function('x'.repeat(100000))
globalThis.f = plv8.find_function('loops'); plv8.execute('SELECT plv8_reset()'); return globalThis.f && globalThis.f(1)
const f = plv8.find_function('loops'); return new f(1)
const f = plv8.find_function('loops'); return f.call(null) === undefined
plv8.elog()
plv8.elog(NOTICE, Symbol())
plv8.elog(NOTICE, { toString() { throw new Error('x') } })
plv8.elog(NaN, 'x')
plv8.elog('NOTICE', 'x')
plv8.elog({ valueOf() { throw 1 } }, 'x')
plv8.elog(NOTICE, 'x\u0000y', '\ud800', '%s%n')
plv8.elog(NOTICE, 'x'.repeat(1e6).length)
plv8.elog(LOG, 'x'.repeat(1e7).length, ...new Array(10000).fill('a'))
return plv8.quote_literal()
return plv8.quote_literal(null)
return plv8.quote_literal('\u0000')
return plv8.quote_ident('\ud800\u0000')
return plv8.quote_ident(Symbol())
return plv8.nullable()
return plv8.nullable({ toString() { throw 1 } })
return plv8.quote_literal('\''.repeat(1e7)).length
return plv8.run_script()
return plv8.run_script('1', Symbol())
return plv8.run_script('throw { get message() { throw 1 } }', 'x')
return plv8.run_script('x'.repeat(1e6), 'y'.repeat(1e6))
return plv8.run_script('plv8.run_script("plv8.execute(\'SELECT 1/0\')", "b")', 'a')
return plv8.run_script('\u0000', '\u0000')
plv8.memory_usage.call(null)
plv8 = null
plv8.execute = null
Object.freeze(plv8); Object.freeze(globalThis)
for (const k of Object.getOwnPropertyNames(globalThis)) try { delete globalThis[k] } catch (e) {}
for (const k of Object.getOwnPropertyNames(globalThis)) try { globalThis[k] = null } catch (e) {}
for (const C of [Array, Object, Function, Error, Date, String, Number, Promise, RegExp, Map, Uint8Array, BigInt]) for (const k of Object.getOwnPropertyNames(C.prototype)) try { C.prototype[k] = () => { throw new C('x') } } catch (e) {}
globalThis.Error = null; globalThis.Array = null; globalThis.JSON = null; globalThis.Date = null; globalThis.Object = null; try { plv8.execute('SELECT 1/0') } catch (e) {} return plv8.execute('SELECT now() AS d, ARRAY[1] AS a, \'{"a":[1]}\'::jsonb AS j, 1::int8 AS b')
Object.defineProperty(Array.prototype, '0', { set() { throw new Error('set') }, get() { return 'got' }, configurable: true }); return plv8.execute('SELECT ARRAY[1, 2] AS a')
Object.defineProperty(Object.prototype, 'v', { set() { throw new Error('set') }, get() { return 'got' }, configurable: true }); return plv8.execute('SELECT v FROM t LIMIT 1')
Object.defineProperty(Object.prototype, 'a', { set() { throw new Error('set') }, get() { for (;;) {} }, configurable: true }); return plv8.execute('SELECT \'{"a": 1}\'::jsonb AS a')[0].a.b
Object.prototype.toJSON = () => { throw new Error('x') }; return [1]
Object.defineProperty(Error.prototype, 'message', { set() { throw 1 }, get() { throw 2 } }); plv8.execute('SELECT 1/0')
Object.defineProperty(Error.prototype, 'sqlerrcode', { set() { throw 1 }, get() { throw 2 } }); plv8.execute('SELECT 1/0')
Object.defineProperty(Error.prototype, 'code', { get() { throw 2 } }); throw new Error('x')
Object.defineProperty(Object.prototype, 'code', { get() { for (;;) plv8.execute('SELECT 1/0') } }); throw {}
Error.stackTraceLimit = Infinity; const f = () => f(); f()
Error.stackTraceLimit = 'x'; throw new Error('y')
Error.stackTraceLimit = 0; plv8.execute('SELECT 1/0')
Error.prepareStackTrace = () => plv8.execute('SELECT 1/0'); throw new Error('x')
Error.prepareStackTrace = (e, s) => { globalThis.s = s; return s }; plv8.execute('SELECT 1/0')
new FinalizationRegistry(() => plv8.execute('SELECT 1/0')).register({}, 1); for (let i = 0; i < 1e5; i++) new Array(100); return new WeakRef({}).deref()
Promise.resolve().then(() => plv8.execute('SELECT 1/0'))
Promise.resolve().then(() => plv8.commit())
Promise.resolve().then(() => { throw new Error('x') })
Promise.resolve().then(() => plv8.execute('SELECT js($1)', ['Promise.resolve().then(() => { throw 1 })']))
queueMicrotask(() => plv8.execute('SELECT 1/0'))
(async () => { await null; plv8.execute('SELECT 1/0') })()
(async () => { for (let i = 0; i < 1000; i++) await plv8.execute('SELECT 1') })()
return import('fs')
return eval('import.meta')
debugger
return eval('new.target')
return (0, eval)('plv8.execute("SELECT 1 AS a")')
console.log('x')
return new Function('return arguments.callee.caller')()
return Function.prototype.toString.call(plv8.execute)
return JSON.stringify(plv8)
return Object.getOwnPropertyDescriptors(plv8.prepare('SELECT 1'))
return String(plv8) + plv8.prepare('SELECT 1') + plv8.prepare('SELECT 1').cursor()
return [globalThis, plv8]
return globalThis
const m = new WebAssembly.Memory({ initial: 1 }); const a = new Uint8Array(m.buffer); m.grow(1); return plv8.execute('SELECT length($1::bytea) AS n', [a])
return new WebAssembly.Memory({ initial: 30000 })
return new SharedArrayBuffer(3e9)
return plv8.execute('SELECT length($1::bytea) AS n', [new SharedArrayBuffer(8)])
return plv8.execute('SELECT length($1::bytea) AS n', [new Uint8Array(new SharedArrayBuffer(8))])
return plv8.execute('SELECT length($1::bytea) AS n', [new Float64Array([1, 2])])
return plv8.execute('SELECT $1::bytea', ['\\xzz'])
return plv8.execute('SELECT $1::bytea', [5])
return plv8.execute('SELECT $1::bytea', [{}])
return plv8.execute('SELECT $1::timestamptz', [new Date(NaN)])
return plv8.execute('SELECT $1::timestamptz', [new Date(8.64e15)])
return plv8.execute('SELECT $1::date', [new Date(-8.64e15)])
return plv8.execute('SELECT $1::timestamptz', [Object.create(Date.prototype)])
return plv8.execute('SELECT $1::int8', [10n ** 100n])
return plv8.execute('SELECT $1::numeric', [10n ** 131072n])
return plv8.execute('SELECT length($1::text)', [10n ** 100000n])
return plv8.execute('SELECT $1::numeric', [7n ** 500000n])
return '\u20ac'.repeat(4e8)
return 'x'.repeat(5.3e8)
return new Array(1e7).fill('xxxxxxxxxx'.repeat(12)).join('')
return plv8.execute('SELECT repeat(\'x\', 600000000) AS s')[0].s.length
return plv8.execute('SELECT repeat(\'\u20ac\', 300000000) AS s')[0].s.length
return plv8.execute('SELECT repeat(\'x\', 600000000)::bytea AS s')[0].s.length
return plv8.execute('SELECT to_jsonb(repeat(\'x\', 200000000)) AS s')[0].s.length
return plv8.execute('SELECT length($1::text) AS n', ['x'.repeat(1e8)])
return plv8.execute('SELECT \'x' + 'y'.repeat(1e8) + '\' AS a')[0].a.length
return Array.from({ length: 1600 }, (_, i) => i).reduce((a, i) => a + plv8.execute('SELECT ' + i + ' AS c')[0].c, 0)
return plv8.execute('SELECT ' + Array.from({ length: 1664 }, (_, i) => i + ' AS c' + i))[0].c1663
return plv8.execute('SELECT ' + Array.from({ length: 1665 }, (_, i) => i + ' AS c' + i))
return plv8.execute('SELECT 1 AS "__proto__", 2 AS "constructor", 3 AS "toString"')[0].toString
return plv8.execute('SELECT 1 AS "\ud83d\ude00", 2 AS "0", 3 AS "4294967295", 4 AS "length", 5 AS ""')
return plv8.execute('SELECT * FROM pairs_of($1)', ['return [{ get i() { plv8.execute("SELECT * FROM pairs_of(\'return []\')"); return 1 }, t: "x" }]'])
return plv8.execute('SELECT * FROM pairs_of($1)', ['plv8.return_next({ get i() { plv8.return_next({ i: 5, t: "in" }); return 1 }, t: "x" })'])
return plv8.execute('SELECT * FROM pairs_of($1)', ['return [1, "x", null, undefined, [], {}]'])
return plv8.execute('SELECT * FROM pairs_of($1)', ['return new Proxy([], { get(t, k) { return k === "length" ? 1e6 : undefined } })'])
return plv8.execute('SELECT * FROM pairs_of($1)', ['return { length: 3 }'])
return plv8.execute('SELECT * FROM pairs_of($1)', ['const a = [{ get i() { a.length = 0; return 1 }, t: "x" }, { i: 2, t: "y" }]; return a'])
return plv8.execute('SELECT * FROM pairs_of($1)', ['for (let i = 0; i < 10; i++) { plv8.return_next({ i, t: "x" }); if (i === 5) plv8.execute("SELECT 1/0") }'])
try { plv8.execute('SELECT * FROM pairs_of($1)', ['plv8.return_next({ i: 1, t: "x" }); throw 1']) } catch (e) {} return plv8.execute('SELECT * FROM series(2)')
plv8.execute('SELECT series(1000000)::text LIMIT 1')
plv8.execute('SET ROLE pg_monitor'); try { plv8.execute('SELECT 1'); plv8.prepare('SELECT 1').execute() } finally { plv8.execute('RESET ROLE') }
plv8.execute('SET SESSION AUTHORIZATION pg_monitor'); try { plv8.execute('SELECT js($1)', ['return 1']) } finally { plv8.execute('RESET SESSION AUTHORIZATION') }
plv8.execute('SELECT plv8_reset()'); plv8.execute('SELECT plv8_reset()'); return plv8.execute('SELECT js($1) AS a', ['return 5'])[0].a
const p = plv8.prepare('SELECT 1 AS a'); plv8.execute('SELECT plv8_reset()'); return p.execute()
const c = plv8.prepare('SELECT id FROM t').cursor(); plv8.execute('SELECT plv8_reset()'); return c.fetch()
globalThis.p = plv8.prepare('SELECT 1 AS a'); globalThis.c = globalThis.p.cursor(); plv8.execute('SELECT js($1)', ['globalThis.p.free(); globalThis.c.close()']); return globalThis.p.execute()
plv8.execute('CREATE OR REPLACE FUNCTION dyn() RETURNS int LANGUAGE plv8 AS \'return 1\''); for (let i = 0; i < 200; i++) { plv8.execute('SELECT dyn()'); plv8.execute('CREATE OR REPLACE FUNCTION dyn() RETURNS int LANGUAGE plv8 AS \'return ' + i + '\''); } return plv8.execute('SELECT dyn() AS d')[0].d
plv8.execute('ALTER TYPE pair ADD ATTRIBUTE z int'); try { return plv8.execute('SELECT * FROM pairs_of($1)', ['return [{ i: 1, t: "x", z: 3 }]']) } finally { plv8.execute('ALTER TYPE pair DROP ATTRIBUTE z') }
plv8.execute('DROP FUNCTION echo(text); CREATE FUNCTION echo(v int) RETURNS int LANGUAGE plv8 AS $x$ return v $x$'); plv8.execute('SELECT echo(5)'); throw 1
plv8.execute('CREATE EXTENSION plv8')
plv8.execute('DROP EXTENSION plv8 CASCADE'); throw new Error('undone')
plv8.execute('SELECT pg_notify($1, $2)', ['ch', 'x'.repeat(9000)])
for (let i = 0; i < 50; i++) try { plv8.execute('SELECT js($1)', ['throw { toString() { throw { toString() { throw 1 } } } }']) } catch (e) {}
let s = ''; for (let i = 0; i < 20; i++) s = 'try { plv8.execute("SELECT js($1)", [' + JSON.stringify(s) + ']) } finally { plv8.execute("SELECT 1") }'; return eval(s)
const a = []; a[4294967294] = 1; return a
const a = []; a.length = 4294967295; return a
return Array.from({ length: 20 }).reduce((a) => [a, a], [1])
const o = {}; for (let i = 0; i < 1e5; i++) o['k' + i] = i; return o
return new Proxy(function () {}, {})
return new Intl.DateTimeFormat('en').format(new Date(0)) + 'a'.localeCompare('b') + new Date(0).toLocaleString()
return 'x'.normalize('NFC') + /\p{L}/u.test('é') + 'İ'.toLowerCase()
Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
globalThis.p = plv8.prepare('SELECT js($1) AS r', ['text']); return globalThis.p.execute(['globalThis.p.free(); for (let i = 0; i < 50; i++) plv8.prepare("SELECT 1").free(); return 1'])
globalThis.p = plv8.prepare('SELECT js($1) AS r FROM generate_series(1, 5)', ['text']); const c = globalThis.p.cursor(['globalThis.p.free(); return 1']); c.fetch(1); return c.fetch(9)
globalThis.p = plv8.prepare('SELECT js($1) AS r, id FROM t ORDER BY id', ['text']); globalThis.n = 0; return globalThis.p.execute(['if (globalThis.n++ < 3) globalThis.p.execute(["return 1"]); else globalThis.p.free(); return 2']).length
globalThis.c = plv8.prepare('SELECT js($1) AS r FROM t', ['text']).cursor(['globalThis.c.close(); return 1']); return globalThis.c.fetch(5)
globalThis.c = plv8.prepare('SELECT js($1) AS r FROM t', ['text']).cursor(['globalThis.c.fetch(1); return 1']); return globalThis.c.fetch(5)
globalThis.c = plv8.prepare('SELECT js($1) AS r FROM t', ['text']).cursor(['plv8.execute("CLOSE ALL"); return 1']); return globalThis.c.fetch(5)
plv8.execute('CREATE TYPE grows AS (a int); CREATE FUNCTION grown(n int) RETURNS grows LANGUAGE plv8 AS $x$ return n > 5 ? { a: n, b0: 0, b1: 1, b2: 2, b3: 3, b4: 4, b5: 5, b6: 6, b7: 7, b8: 8 } : { get a() { plv8.execute("ALTER TYPE grows ADD ATTRIBUTE b" + n + " int"); plv8.execute("SELECT grown($1)", [n + 1]); return 1 }, b0: 0, b1: 1, b2: 2, b3: 3, b4: 4, b5: 5, b6: 6 } $x$'); return plv8.execute('SELECT grown(0)')
plv8.execute('CREATE FUNCTION chk(v int) RETURNS bool LANGUAGE plv8 AS $x$ if (v === 5) { plv8.execute("CREATE TYPE tmp_x AS (a int)"); plv8.execute("DROP TYPE tmp_x"); for (let i = 0; i < 50; i++) plv8.prepare("SELECT $1", ["reent"]).execute([1]); } return true $x$; CREATE DOMAIN reent AS int CHECK (chk(VALUE)) CHECK (VALUE > 0) CHECK (VALUE < 100)'); for (let i = 0; i < 20; i++) plv8.prepare('SELECT $1', ['reent']).execute([5]); return plv8.prepare('SELECT $1', ['reent']).execute([5])
plv8.execute('CREATE TYPE rec_in AS (a text)'); plv8.execute('CREATE FUNCTION chk2(v text) RETURNS bool LANGUAGE plv8 AS $x$ if (v === "go") { plv8.execute("ALTER TYPE rec_in ADD ATTRIBUTE z int"); plv8.execute("ALTER TYPE rec_in DROP ATTRIBUTE z"); plv8.prepare("SELECT $1", ["dom2"]).execute(["no"]); plv8.prepare("SELECT $1", ["rec_in"]).execute(["(no)"]); } return true $x$; CREATE DOMAIN dom2 AS text CHECK (chk2(VALUE)); ALTER TYPE rec_in ALTER ATTRIBUTE a TYPE dom2'); return plv8.prepare('SELECT $1', ['rec_in']).execute(['(go)'])
globalThis.made = []; for (let i = 0; i < 2000; i++) new FinalizationRegistry(() => plv8.find_function('loops')(1)).register({ i }, i); for (let i = 0; i < 300; i++) new Array(1e5).fill(i)
globalThis.reg = new FinalizationRegistry((n) => { plv8.elog(NOTICE, n); plv8.execute('SELECT 1'); plv8.return_next(1); plv8.commit() }); for (let i = 0; i < 2000; i++) globalThis.reg.register({ i }, i); for (let i = 0; i < 300; i++) new Array(1e5).fill(i)
globalThis.toString = () => { throw 1 }; return plv8.find_function('echo')(globalThis)
return plv8.find_function('echo').call(1, new Proxy({}, { get() { throw 1 } }))
plv8.execute('CREATE FUNCTION sd(v int) RETURNS int LANGUAGE plv8 SECURITY DEFINER AS $x$ return v + 1 $x$'); return [plv8.find_function('sd')(1), plv8.find_function('sd')(null), plv8.find_function('sd')()]
plv8.execute('CREATE FUNCTION sd(v int) RETURNS int LANGUAGE plv8 SECURITY DEFINER AS $x$ return v + 1 $x$'); return plv8.find_function('sd')({ toString() { throw new Error('x') } })
plv8.execute('CREATE FUNCTION sd(v int) RETURNS SETOF int LANGUAGE plv8 SECURITY DEFINER AS $x$ plv8.return_next(v) $x$'); return plv8.find_function('sd')(1)
plv8.execute('CREATE FUNCTION sd(v anyelement) RETURNS anyelement LANGUAGE plv8 SECURITY DEFINER AS $x$ return v $x$'); return plv8.find_function('sd')(1)
plv8.execute('CREATE FUNCTION sd() RETURNS record LANGUAGE plv8 SECURITY DEFINER AS $x$ return { a: 1 } $x$'); return plv8.find_function('sd')()
plv8.execute('CREATE FUNCTION sd(v internal) RETURNS internal LANGUAGE plv8 SECURITY DEFINER AS $x$ return v $x$'); return plv8.find_function('sd')(() => 1)
plv8.execute('CREATE FUNCTION sd(VARIADIC v int[]) RETURNS int LANGUAGE plv8 SECURITY DEFINER AS $x$ return v.length $x$'); return plv8.find_function('sd')(1, 2, 3)
plv8.execute('CREATE FUNCTION sd(v int) RETURNS int LANGUAGE plv8 SET work_mem = 64 AS $x$ return v $x$'); const f = plv8.find_function('sd'); plv8.execute('DROP FUNCTION sd(int)'); return f(1)
plv8.execute('SELECT js($1)', ['globalThis.t = plv8.execute("SELECT now() AS t"); Object.prototype.then = function (r) { r(1) }; return 1'])
Object.prototype.then = function (r) { r(1) }; return Promise.resolve({}).then(() => plv8.execute('SELECT 1'))
let d = 0; const f = () => { d++; try { return f() } finally { plv8.quote_literal('x') } }; f()
let d = 0; const f = () => { d++; try { return f() } catch (e) { plv8.prepare('SELECT 1').execute(); throw e } }; f()
const a = new Array(2000).fill(0).map(() => plv8.prepare('SELECT 1').cursor()); return a.length
Array.prototype[Symbol.iterator] = null; return plv8.execute('SELECT $1::int AS a', [1])
Object.defineProperty(Array, Symbol.species, { value: function () { throw 1 } }); return plv8.execute('SELECT 1 AS a').map((x) => x)
Object.setPrototypeOf(Array.prototype, new Proxy({}, { get() { throw 1 }, set() { throw 2 }, has() { throw 3 } })); return plv8.execute('SELECT ARRAY[1] AS a')
Object.setPrototypeOf(Function.prototype, new Proxy({}, { get() { throw 1 } })); return plv8.execute('SELECT 1 AS a')
globalThis.x = new Array(1000).fill(0).map((_, i) => plv8.prepare('SELECT ' + i)); for (const p of globalThis.x) p.execute()
\.
SELECT ours() AS ours \gset
\if :ours
SET statement_timeout = '60s';
-- One statement each, so that the last line before a crash is the attack before it.
SELECT format('SELECT is(survived(%L), ''alive'', %L)', body, n || ': ' || left(body, 100)) FROM attacks ORDER BY n \gexec
RESET statement_timeout;

-- the results of pollution are still right, not merely no crash
SELECT plv8_reset();
SELECT is(js($$ Object.defineProperty(Array.prototype, '0', { set() { throw new Error('set') }, get() { return 'got' }, configurable: true }); const r = plv8.execute('SELECT ARRAY[1, 2] AS a'); delete Array.prototype[0]; return r $$), '[{"a":[1,2]}]', 'a setter on Array.prototype is not run');
SELECT is(js($$ Object.defineProperty(Object.prototype, 'v', { set() { throw new Error('set') }, configurable: true }); const r = plv8.execute('SELECT v FROM t WHERE id = 1'); delete Object.prototype.v; return r $$), '[{"v":"v1"}]', 'nor one on Object.prototype');
SELECT plv8_reset();

-- every type in both directions
SELECT is((SELECT count(*)::int FROM pg_class c WHERE described(c) IS NULL), 0, 'the rows of pg_class');
SELECT is((SELECT count(*)::int FROM pg_proc p WHERE described(p) IS NULL), 0, 'the rows of pg_proc');
SELECT is((SELECT count(*)::int FROM pg_attribute p WHERE described(p) IS NULL), 0, 'the rows of pg_attribute');
SELECT is((SELECT count(*)::int FROM pg_type p WHERE described(p) IS NULL), 0, 'the rows of pg_type');
ANALYZE;
SELECT lives_ok('SELECT described(s) FROM pg_statistic s', 'the rows of pg_statistic, anyarray and all');
SELECT lives_ok('SELECT described(s) FROM pg_stat_activity s', 'the rows of pg_stat_activity');
SELECT lives_ok('SELECT described(s) FROM pg_constraint s', 'the rows of pg_constraint');
CREATE FUNCTION each_type() RETURNS text LANGUAGE plpgsql AS $$ DECLARE r regtype; n int := 0; BEGIN
	FOR r IN SELECT oid FROM pg_type WHERE typtype IN ('b', 'd', 'e', 'r', 'm', 'c') AND typisdefined LOOP
		BEGIN EXECUTE format('SELECT described(NULL::%s), described(ARRAY[NULL]::%s[])', r, r); n := n + 1;
		EXCEPTION WHEN OTHERS THEN NULL; END;
	END LOOP; RETURN n > 100; END $$;
SELECT is(each_type(), 'true', 'NULL of every type there is');

-- every hostile value to every type: a result or an error, and the session lives
CREATE TABLE hostile (v text);
COPY hostile FROM stdin WITH (FORMAT csv, DELIMITER E'\x01', QUOTE E'\x02');
null
undefined
NaN
Infinity
-0
1e308
2 ** 53
-1n
10n ** 50n
""
"a\u0000b"
"\ud800"
"x".repeat(100000)
Symbol()
() => 1
[]
[[]]
[[], [1]]
[1, [2, [3]]]
[null, undefined, NaN]
new Array(5)
{}
{ i: 1, t: 2 }
{ valueOf() { throw new Error(1) }, toString() { throw new Error(2) } }
{ toString() { return {} }, valueOf() { return {} } }
{ [Symbol.toPrimitive]() { throw 1 } }
{ get length() { throw 1 }, get 0() { throw 1 }, toJSON() { throw 1 } }
{ __proto__: null }
Object.create(Array.prototype)
new Date()
new Date(NaN)
new Date(8.64e15)
Object.create(Date.prototype)
new Proxy({}, {})
new Proxy([], {})
new Proxy({}, { get() { throw 1 }, has() { throw 1 }, ownKeys() { throw 1 }, getPrototypeOf() { throw 1 }, getOwnPropertyDescriptor() { throw 1 } })
new Proxy([1, 2], { get(t, k) { if (k === "length") return 3; throw 1 } })
(() => { const p = Proxy.revocable([], {}); p.revoke(); return p.proxy })()
(() => { const a = []; a[0] = a; return a })()
(() => { const a = {}; a.a = a; return a })()
new Uint8Array([1, 2])
new ArrayBuffer(3)
new DataView(new ArrayBuffer(3), 1)
new BigInt64Array([1n])
new Map([[1, 2]])
new Set([1])
new Error("e")
Promise.resolve(1)
/x/g
globalThis
plv8
plv8.execute
new String("s")
Object(1n)
Object(Symbol())
function* () {}
class A {}
\.
CREATE FUNCTION every_value_to_every_type() RETURNS text LANGUAGE plpgsql AS $$
DECLARE f record; h record; n int := 0; bad int := 0; BEGIN
	FOR f IN SELECT p.oid::regproc AS fn FROM pg_proc p WHERE proname ~ '^as_[a-z0-9]+$' AND pronargs = 1 AND prolang = (SELECT oid FROM pg_language WHERE lanname = 'plv8') LOOP
		FOR h IN SELECT v FROM hostile LOOP
			BEGIN EXECUTE format('SELECT %s(%L)::text', f.fn, 'return ' || h.v); EXCEPTION WHEN OTHERS THEN
				IF SQLSTATE LIKE 'XX00_' AND SQLERRM ~ 'cache lookup|unrecognized|invalid memory|could not' THEN bad := bad + 1; RAISE WARNING '% %: %', f.fn, h.v, SQLERRM; END IF;
			END;
			n := n + 1;
			BEGIN EXECUTE format('SELECT %s(%L)::text', f.fn, 'return [' || h.v || ', 1, ' || h.v || ']'); EXCEPTION WHEN OTHERS THEN NULL; END;
		END LOOP;
	END LOOP;
	RETURN format('%s %s', n > 2000, bad); END $$;
SELECT is(every_value_to_every_type(), 't 0', 'every hostile value to every type');
SELECT is(js('return 1 + 1'), '2', 'and the session lives');
\endif
SELECT * FROM finish();
