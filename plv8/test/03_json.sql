-- Point 3, continued: json and jsonb.
\ir helpers.sql
SET timezone = 'UTC';
SELECT no_plan();

-- both directions, plain
SELECT is(described('{"a": [1, 2.5, "x", true, null, {}]}'::jsonb), 'Object {"a":[1,2.5,"x",true,null,{}]}', 'jsonb is a value');
SELECT is(described('{"a": [1, 2.5, "x", true, null, {}]}'::json), 'Object {"a":[1,2.5,"x",true,null,{}]}', 'json is a value');
SELECT is(described('[1, 2]'::jsonb), 'Array [1,2]', 'an array at the top');
SELECT is(described('"x"'::jsonb), 'string x', 'a string at the top');
SELECT is(described('1.5'::jsonb), 'number 1.5', 'a number at the top');
SELECT is(described('true'::jsonb), 'boolean true', 'a boolean at the top');
SELECT is(described('null'::jsonb), 'null', 'JSON null');
SELECT is(described('"x"'::json), 'string x', 'a json string at the top');
SELECT is(described('{}'::jsonb) || described('[]'::jsonb), 'Object {}Array []', 'empty containers');
CREATE FUNCTION typed(j jsonb) RETURNS text LANGUAGE plv8 AS $$ return typeof j + Array.isArray(j); $$;
SELECT is(typed('[]'), 'objecttrue', 'an array is an Array');
SELECT is(as_jsonb('return { b: 1, a: [true, null, "x", 1.5] }'), '{"a": [true, null, "x", 1.5], "b": 1}'::jsonb, 'an object becomes jsonb');
SELECT is(as_json('return { b: 1, a: [] }')::text, '{"b":1,"a":[]}', 'an object becomes json, keys in order');
SELECT is(as_jsonb('return [1, [2, [3]]]'), '[1, [2, [3]]]'::jsonb, 'nested arrays');
SELECT is(as_jsonb('return 5'), '5'::jsonb, 'a number becomes jsonb');
SELECT is(as_jsonb('return true'), 'true'::jsonb, 'a boolean becomes jsonb');
SELECT is(as_jsonb('return null'), NULL, 'null becomes NULL');
SELECT is(as_json('return null')::text, NULL, 'and as json');
SELECT is(as_jsonb('return undefined'), NULL, 'undefined becomes NULL');
SELECT is(as_jsonb('return "text"'), '"text"'::jsonb, 'a string becomes a jsonb string');
SELECT is(as_json('return "text"')::text, '"text"', 'and a json string');
SELECT is(as_jsonb('return {}')::text || as_jsonb('return []')::text, '{}[]', 'empty containers back');
SELECT is(as_jsonb('return { a: undefined, b: 1 }'), '{"b": 1}'::jsonb, 'undefined properties are left out');
SELECT ours_is($$SELECT as_jsonb('return [undefined, 1, () => 1]')::text$$, '[null, 1, null]', 'undefined and functions in an array are null');
SELECT ours_is($$SELECT as_jsonb('return { f() {}, s: Symbol("x"), a: 1 }')::text$$, '{"a": 1}', 'functions and symbols are left out');
SELECT is(as_jsonb('return { k: "é€😀\n\t\"\\" }'), '{"k": "é€😀\n\t\"\\"}'::jsonb, 'characters that need escapes');
SELECT is(as_jsonb('return { "": 1, "a b": 2, "é": 3 }'), '{"": 1, "a b": 2, "é": 3}'::jsonb, 'any key');
SELECT is(as_jsonb('return { 10: "a", 9: "b" }'), '{"9": "b", "10": "a"}'::jsonb, 'keys that look like indexes');
SELECT is(as_jsonb('const a = []; a[3] = 1; return a')::text, '[null, null, null, 1]', 'holes are null');

-- numbers
SELECT is(as_jsonb('return [0.1, 1e21, 1e-7, -0, 123456789012, 5e-324, 1.7976931348623157e308]')::text::jsonb, '[0.1, 1e21, 1e-7, 0, 123456789012, 5e-324, 1.7976931348623157e308]'::jsonb, 'numbers keep their digits');
SELECT ours_is($$SELECT as_jsonb('return [NaN, Infinity, -Infinity]')::text$$, '[null, null, null]', 'NaN and Infinity are null, as in JSON.stringify');
SELECT ours_is($$SELECT as_jsonb('return { a: NaN }')::text$$, '{"a": null}', 'also in an object');
SELECT ours_is($$SELECT as_json('return { a: NaN }')::text$$, '{"a":null}', 'also in json');
SELECT ours_is($$SELECT coalesce(as_jsonb('return NaN')::text, 'NULL') IN ('null', 'NULL')$$, 'true', 'also at the top');
SELECT ours_is($$SELECT coalesce(failure('SELECT as_jsonb(''return { a: 9007199254740993n }'')') ->> 'message' ~ 'BigInt', as_jsonb('return { a: 9007199254740993n }') = '{"a": 9007199254740993}')::text$$, 'true', 'a BigInt keeps its digits or is refused, never rounded');
SELECT is(described('1e400'::jsonb) IN ('number Infinity', 'string 1e400'), true, 'a number beyond double does not crash');

-- Date, toJSON, and other objects
SELECT ours_is($$SELECT as_jsonb('return new Date(0)')::text$$, '"1970-01-01T00:00:00.000Z"', 'a Date at the top');
SELECT ours_is($$SELECT as_jsonb('return [new Date(0)]')::text$$, '["1970-01-01T00:00:00.000Z"]', 'a Date in an array');
SELECT ours_is($$SELECT as_jsonb('return { a: { d: new Date(0) } }')::text$$, '{"a": {"d": "1970-01-01T00:00:00.000Z"}}', 'a Date in an object');
SELECT ours_is($$SELECT as_jsonb('return { d: new Date(NaN) }')::text$$, '{"d": null}', 'an invalid Date is null');
SELECT ours_is($$SELECT as_jsonb('return { a: { toJSON() { return [1, 2] } } }')::text$$, '{"a": [1, 2]}', 'toJSON is honoured');
SELECT ours_is($$SELECT as_jsonb('return { toJSON() { return { b: 1 } } }')::text$$, '{"b": 1}', 'at the top too');
SELECT ours_is($$SELECT as_jsonb('return { k: { toJSON(key) { return key } } }')::text$$, '{"k": "k"}', 'and gets its key');
SELECT ours_is($$SELECT as_json('return [{ toJSON() { return "x" } }]')::text$$, '["x"]', 'toJSON in json');
SELECT ours_is($$SELECT as_jsonb('return [new Number(1), new String("s"), new Boolean(false)]')::text$$, '[1, "s", false]', 'boxed primitives');
SELECT ours_is($$SELECT as_jsonb('return new Map([[1, 2]])')::text$$, '{}', 'a Map is an empty object, as in JSON.stringify');
SELECT ours_is($$SELECT as_jsonb('class A { constructor() { this.own = 1 } get inherited() { return 2 } } return new A()')::text$$, '{"own": 1}', 'own properties only');
SELECT ours_is($$SELECT as_jsonb('return { get a() { return 7 } }')::text$$, '{"a": 7}', 'getters are read');
SELECT ours_is($$SELECT as_jsonb('return Object.defineProperty({ a: 1 }, "hidden", { value: 2 })')::text$$, '{"a": 1}', 'hidden properties are left out');
SELECT ours_is($$SELECT as_jsonb('return Object.assign(Object.create(null), { a: 1 })')::text$$, '{"a": 1}', 'objects without a prototype');
SELECT ours_is($$SELECT as_jsonb('return new Proxy({ a: 1 }, {})')::text$$, '{"a": 1}', 'a Proxy');
SELECT ours_is($$SELECT as_jsonb('return new Proxy([1, 2], {})')::text$$, '[1, 2]', 'a Proxy of an array');
SELECT ours_fails($$SELECT as_jsonb('return { get a() { throw new Error("from the getter") } }')$$, NULL, 'from the getter', 'an error in a getter');
SELECT ours_fails($$SELECT as_jsonb('return { toJSON() { throw new Error("from toJSON") } }')$$, NULL, 'from toJSON', 'an error in toJSON');
SELECT ours_fails($$SELECT as_jsonb('return new Proxy({}, { ownKeys() { throw new Error("from the proxy") } })')$$, NULL, 'from the proxy', 'an error in a Proxy');
SELECT ours_fails($$SELECT as_jsonb('const p = Proxy.revocable({}, {}); p.revoke(); return p.proxy')$$, NULL, '.', 'a revoked Proxy');
SELECT ours_is($$SELECT coalesce(as_jsonb('return () => 1')::text, 'NULL')$$, 'NULL', 'a function at the top is NULL');

-- what would break
SELECT ours_fails($$SELECT as_jsonb('const a = {}; a.self = a; return a')$$, NULL, '[Cc]irc', 'a circular object is an error');
SELECT ours_fails($$SELECT as_jsonb('const a = []; a.push([a]); return a')$$, NULL, '[Cc]irc', 'a circular array too');
SELECT ours_fails($$SELECT as_json('const a = {}; a.self = [a]; return a')$$, NULL, '[Cc]irc', 'also as json');
SELECT ours_fails($$SELECT js('const a = {}; a.a = a; plv8.execute("SELECT $1::jsonb", [a])')$$, NULL, '[Cc]irc', 'and as a parameter');
SELECT ours_is($$SELECT as_jsonb('const a = { x: 1 }; return [a, a, { a }]')::text$$, '[{"x": 1}, {"x": 1}, {"a": {"x": 1}}]', 'the same object twice is not circular');
SELECT ours_fails($$SELECT as_jsonb('return ["a" + String.fromCharCode(0) + "b"]')$$, '22P05', 'unsupported Unicode|u0000', '\u0000 in a string is PostgreSQL''s error');
SELECT ours_fails($$SELECT as_jsonb('return { ["a" + String.fromCharCode(0)]: 1 }')$$, '22P05', 'unsupported Unicode|u0000', 'also in a key');
SELECT is(as_json('return ["\u0000"]')::text, '["\u0000"]', 'json, being text, keeps \u0000');
SELECT ours_is($$SELECT coalesce(failure('SELECT as_jsonb(''return ["\ud800"]'')') ->> 'code', '') IN ('22P02', '22P05', '22021', '')$$, 'true', 'half a surrogate pair does no harm');
SELECT ours_is($$SELECT described('{"__proto__": {"a": 1}, "b": 2}'::jsonb)$$, 'Object {"b":2,"__proto__":{"a":1}}', '__proto__ is a key like any other');
SELECT ours_is($$SELECT described('{"__proto__": {"a": 1}}'::json)$$, 'Object {"__proto__":{"a":1}}', 'also in json');
SELECT ours_is($$SELECT as_jsonb('return JSON.parse(''{"__proto__": 1, "constructor": 2, "toString": 3, "length": 4}'')')::text$$, '{"length": 4, "toString": 3, "__proto__": 1, "constructor": 2}', 'and on the way back');
CREATE FUNCTION same(j jsonb) RETURNS jsonb LANGUAGE plv8 AS $$ return j; $$;
CREATE FUNCTION same_json(j json) RETURNS json LANGUAGE plv8 AS $$ return j; $$;
CREATE FUNCTION depth(j jsonb) RETURNS int LANGUAGE plv8 AS $$ let d = 0; while (Array.isArray(j)) { d++; j = j[0]; } return d; $$;
SELECT is(depth((repeat('[', 500) || repeat(']', 500))::jsonb), 500, 'five hundred levels in');
SELECT is(depth(same((repeat('[', 500) || repeat(']', 500))::jsonb)), 500, 'and out');
SELECT ours_is($$SELECT coalesce(failure('SELECT as_jsonb(''let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return a'')') ->> 'message' ~* 'stack|deep|depth', true)::text$$, 'true', 'a million levels are an error, not a crash');
SELECT ours_is($$SELECT coalesce(failure('SELECT as_json(''let a = []; for (let i = 0; i < 1e6; i++) a = [a]; return a'')') ->> 'message' ~* 'stack|deep|depth', true)::text$$, 'true', 'also as json');
SELECT ours_is($$SELECT coalesce(failure('SELECT js(''let a = {}; for (let i = 0; i < 1e6; i++) a = { a }; plv8.execute("SELECT $1::jsonb", [a])'')') ->> 'message' ~* 'stack|deep|depth', true)::text$$, 'true', 'and as a parameter');

-- large
SELECT ours_is($$SELECT length(same(to_jsonb(repeat('x', 64000000)))::text)::text$$, '64000002', 'a jsonb string of 64 MB');
SELECT ours_is($$SELECT length(same_json(to_json(repeat('x', 64000000)))::text)::text$$, '64000002', 'a json string of 64 MB');
SELECT ours_is($$SELECT jsonb_array_length(same((SELECT jsonb_agg(jsonb_build_object('i', i, 's', repeat('y', 50))) FROM generate_series(1, 300000) i)))::text$$, '300000', 'three hundred thousand objects');
SELECT is(same('{"a": [1, {"b": "c"}], "d": null}'), '{"a": [1, {"b": "c"}], "d": null}'::jsonb, 'jsonb comes back the same');
SELECT is((SELECT count(*)::int FROM generate_series(1, 2000) i
	WHERE same(jsonb_build_object('i', i, 'f', i / 7.0::float8, 't', chr(i + 32) || '"\', 'l', jsonb_build_array(i, null, true))) IS DISTINCT FROM
		jsonb_build_object('i', i, 'f', i / 7.0::float8, 't', chr(i + 32) || '"\', 'l', jsonb_build_array(i, null, true))), 0, 'two thousand values come back the same');
SELECT is(as_jsonbs('return [{ a: 1 }, [2], null, "x"]'), ARRAY['{"a": 1}', '[2]', NULL, '"x"']::jsonb[], 'an array of jsonb');
SELECT is(described(ARRAY['{"a": 1}', '[2]', NULL]::jsonb[]), 'Array [{"a":1},[2],null]', 'and in');
CREATE FUNCTION changes(j jsonb) RETURNS jsonb LANGUAGE plv8 AS $$ j.a.push(4); delete j.b; j.c = j.a.length; return j; $$;
SELECT is(changes('{"a": [1, 2], "b": 1}'), '{"a": [1, 2, 4], "c": 3}'::jsonb, 'arguments are values that can be changed');
CREATE FUNCTION lists(j jsonb) RETURNS text LANGUAGE plv8 AS $$ const { x, ...rest } = j; return JSON.stringify({ x, rest, keys: Object.keys(j), all: [...j.list], str: JSON.stringify(j) }); $$;
SELECT is(lists('{"x": 1, "list": [1, 2]}'), '{"x":1,"rest":{"list":[1,2]},"keys":["x","list"],"all":[1,2],"str":"{\"x\":1,\"list\":[1,2]}"}', 'and are plain objects to every operator');
SELECT * FROM finish();
