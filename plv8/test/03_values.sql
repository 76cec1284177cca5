-- Point 3: values. How each SQL type looks in JavaScript and what a JavaScript value becomes.
-- 03_json.sql has json and jsonb, 03_arrays.sql arrays and composites.
\ir helpers.sql
SET timezone = 'UTC';
SELECT no_plan();

-- from SQL to JavaScript
SELECT is(described(1::int2), 'number 1', 'int2');
SELECT is(described(-2147483648), 'number -2147483648', 'int4');
SELECT is(described(9223372036854775807), 'bigint 9223372036854775807', 'int8 is a BigInt, exact');
SELECT is(described((-9223372036854775808)::int8), 'bigint -9223372036854775808', 'the least int8');
SELECT is(described(1.5::float4), 'number 1.5', 'float4');
SELECT is(described(0.1::float8), 'number 0.1', 'float8');
SELECT is(described('NaN'::float8), 'number NaN', 'NaN');
SELECT is(described('-Infinity'::float8), 'number -Infinity', 'Infinity');
SELECT is(described('-0'::float8), 'number -0', 'negative zero');
SELECT is(described(123.25::numeric), 'number 123.25', 'numeric is a Number');
SELECT is(described('NaN'::numeric), 'number NaN', 'numeric NaN');
SELECT is(described(true), 'boolean true', 'bool');
SELECT is(described('é€😀'::text), 'string é€😀', 'text');
SELECT is(described('abc'::varchar), 'string abc', 'varchar');
SELECT is(described('ab'::char(4)), 'string ab  ', 'char(n) keeps its blanks');
SELECT is(described('n'::name), 'string n', 'name');
SELECT is(described(''::text), 'string ', 'the empty string');
SELECT is(described(1::oid), 'number 1', 'oid');
SELECT is(described(4294967295::oid), 'number 4294967295', 'a large oid is not negative');
SELECT is(described(timestamptz '2026-01-31 12:34:56.789Z'), 'Date 2026-01-31T12:34:56.789Z', 'timestamptz is a Date');
SELECT is(described(timestamp '2026-01-31 12:34:56.789'), 'Date 2026-01-31T12:34:56.789Z', 'timestamp, in UTC');
SELECT is(described(date '2026-01-31'), 'Date 2026-01-31T00:00:00.000Z', 'date, in UTC');
SELECT is(described(timestamptz '1969-12-31 23:59:59.5Z'), 'Date 1969-12-31T23:59:59.500Z', 'before 1970');
SELECT is(described(date '0044-03-15 BC'), 'Date -000043-03-15T00:00:00.000Z', 'before Christ');
SELECT ok(described('infinity'::timestamptz) IS NOT NULL, 'an infinite timestamp does not crash');
SELECT ok(described('-infinity'::date) IS NOT NULL, 'nor an infinite date');
SELECT is(described('\x00ff10'::bytea), 'Uint8Array 0,255,16', 'bytea is a Uint8Array');
SELECT is(described(''::bytea), 'Uint8Array ', 'an empty bytea');
SELECT is(described('12:34:56'::time), 'string 12:34:56', 'time by text');
SELECT is(described('1 day 02:00'::interval), 'string 1 day 02:00:00', 'interval by text');
SELECT is(described('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid), 'string a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'uuid by text');
SELECT is(described('(1,2)'::point), 'string (1,2)', 'point by text');
SELECT is(described('10.0.0.1/8'::inet), 'string 10.0.0.1/8', 'inet by text');
SELECT is(described('[1,5)'::int4range), 'string [1,5)', 'a range by text');
SELECT is(described(1::bit(3)), 'string 001', 'bit by text');
SELECT is(described('pg_class'::regclass), 'string pg_class', 'regclass by text');
SELECT is(described(NULL::int), 'null', 'NULL');
CREATE TYPE mood AS ENUM ('sad', 'happy');
CREATE DOMAIN posint AS int CHECK (VALUE > 0);
CREATE DOMAIN wrapped AS jsonb CHECK (VALUE ? 'k');
CREATE DOMAIN short AS varchar(3);
SELECT is(described('happy'::mood), 'string happy', 'enum by text');
SELECT is(described(5::posint), 'number 5', 'a domain as its base type');
SELECT is(described('{"k": 1}'::wrapped), 'Object {"k":1}', 'a domain over jsonb');

-- from JavaScript to SQL: numbers
SELECT is(as_int4('return 5'), 5, 'int4');
SELECT is(as_int4('return -2147483648'), -2147483648, 'the least int4');
SELECT ours_fails($$SELECT as_int4('return 2147483648')$$, '22003', 'out of range', 'int4 out of range is an error');
SELECT ours_fails($$SELECT as_int4('return -2147483649')$$, '22003', 'out of range', 'below too');
SELECT ours_fails($$SELECT as_int2('return 32768')$$, '22003', 'out of range', 'int2 out of range');
SELECT ours_fails($$SELECT as_int4('return NaN')$$, NULL, '.', 'NaN is no int4');
SELECT ours_fails($$SELECT as_int4('return 1e300')$$, NULL, '.', 'nor is 1e300');
SELECT is(as_int4('return "12"'), 12, 'a string of digits is an int4');
SELECT ours_fails($$SELECT as_int4('return "abc"')$$, '22P02', 'abc', 'another string is not');
SELECT is(as_int4('return 5n'), 5, 'a BigInt is an int4');
SELECT ours_fails($$SELECT as_int4('return 3000000000n')$$, '22003', 'out of range', 'a large one is not');
SELECT is(as_int8('return 9223372036854775807n'), 9223372036854775807, 'int8 of a BigInt, exact');
SELECT is(as_int8('return -9223372036854775808n'), (-9223372036854775808)::int8, 'the least');
SELECT is(as_int8('return 12345678901'), 12345678901, 'int8 of a Number');
SELECT ours_fails($$SELECT as_int8('return 9223372036854775808n')$$, '22003', 'out of range', 'int8 out of range');
SELECT ours_fails($$SELECT as_int8('return 1e19')$$, '22003', 'out of range', 'int8 out of range as a Number');
SELECT ours_fails($$SELECT as_int8('return Infinity')$$, NULL, '.', 'Infinity is no int8');
SELECT ours_is($$SELECT as_int8('return "9007199254740993"')::text$$, '9007199254740993', 'int8 of a string, exact');
SELECT is(as_float8('return 0.1'), 0.1::float8, 'float8');
SELECT is(as_float8('return NaN'), 'NaN'::float8, 'float8 NaN');
SELECT is(as_float8('return -Infinity'), '-Infinity'::float8, 'float8 Infinity');
SELECT is(as_float8('return 5e-324'), 5e-324::float8, 'the least float8');
SELECT is(as_float4('return 1.5'), 1.5::float4, 'float4');
SELECT is(as_numeric('return 123.25'), 123.25, 'numeric');
SELECT ours_is($$SELECT as_numeric('return 0.1')::text$$, '0.1', 'numeric of 0.1 is 0.1');
SELECT ours_is($$SELECT as_numeric('return 1e21')::text$$, '1000000000000000000000', 'numeric of 1e21');
SELECT ours_is($$SELECT as_numeric('return 123456789012345678901234567890n')::text$$, '123456789012345678901234567890', 'numeric of a BigInt, exact');
SELECT ours_is($$SELECT as_numeric('return "12345678901234567890.123456789"')::text$$, '12345678901234567890.123456789', 'numeric of a string, exact');
SELECT is(as_numeric('return NaN'), 'NaN'::numeric, 'numeric NaN');
SELECT is(as_oid('return 4294967295'), 4294967295::oid, 'oid');

-- booleans, text
SELECT is(as_bool('return true'), true, 'bool true');
SELECT is(as_bool('return false'), false, 'bool false');
SELECT is(as_bool('return null'), NULL, 'bool null');
SELECT is(as_bool('return "false"'), false, 'a string is a bool as SQL reads it');
SELECT is(as_bool('return 0') OR NOT as_bool('return 1'), false, 'and so are 0 and 1');
SELECT fails($$SELECT as_bool('return {}')$$, NULL, 'boolean', 'an object is no bool');
SELECT fails($$SELECT as_int4('return true')$$, NULL, 'true', 'nor is true an integer');
SELECT is(as_int4('return new Number(5)'), 5, 'an object is read as its text');
SELECT is(as_text('return "é€😀"'), 'é€😀', 'text');
SELECT is(as_text('return 1.5'), '1.5', 'text of a number');
SELECT is(as_text('return true'), 'true', 'text of a boolean');
SELECT is(as_text('return 12n'), '12', 'text of a BigInt');
SELECT is(as_text('return ""'), '', 'the empty text');
SELECT is(as_text('return [1, 2]'), '1,2', 'text of an array, by toString');
SELECT is(as_text('return { toString() { return "mine" } }'), 'mine', 'text of an object, by toString');
SELECT ours_is($$SELECT (failure('SELECT as_text(''return "a" + String.fromCharCode(0) + "b"'')') ->> 'code') IN ('22021', '22P05', '54000')$$, 'true', 'NUL in text is an error, as PostgreSQL''s own');
SELECT ours_is($$SELECT coalesce(failure('SELECT as_text(''return "\ud800"'')') ->> 'code', as_text('return "\ud800"'))$$ || ' IN (''22021'', ''22P05'', U&''\FFFD'')', 'true', 'half a surrogate pair is an error or U+FFFD, never invalid UTF-8');
SELECT is(length(as_text('return "x".repeat(1e7)')), 10000000, 'ten million characters');
SELECT is(octet_length(as_text('return "€".repeat(1e6)')), 3000000, 'a million of three bytes');
SELECT is(as_varchar('return "abc"'), 'abc', 'varchar');
SELECT is(as_name('return "abc"'), 'abc', 'name');
CREATE FUNCTION as_short(body text) RETURNS short LANGUAGE plv8 AS $$ return new Function(body)(); $$;
CREATE FUNCTION as_posint(body text) RETURNS posint LANGUAGE plv8 AS $$ return new Function(body)(); $$;
CREATE FUNCTION as_mood(body text) RETURNS mood LANGUAGE plv8 AS $$ return new Function(body)(); $$;
SELECT is(as_posint('return 5')::int, 5, 'a domain');
SELECT ours_fails($$SELECT as_posint('return -5')$$, '23514', 'posint', 'a domain''s constraint holds');
SELECT ours_fails($$SELECT as_short('return "abcd"')$$, '22001', 'too long', 'a domain''s length holds');
SELECT is(as_mood('return "happy"'), 'happy'::mood, 'enum');
SELECT fails($$SELECT as_mood('return "angry"')$$, '22P02', 'angry', 'no such label');
SELECT is(as_uuid('return "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11"'), 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid, 'uuid by text');
SELECT fails($$SELECT as_uuid('return "nonsense"')$$, '22P02', 'nonsense', 'a wrong uuid');
SELECT is(as_point('return "(1,2)"')::text, '(1,2)', 'point by text');
SELECT is(as_interval('return "1 day"'), '1 day'::interval, 'interval by text');
SELECT is(as_time('return "12:34"'), '12:34'::time, 'time by text');
SELECT is(as_inet('return "10.0.0.1"'), '10.0.0.1'::inet, 'inet by text');

-- a column's own limits: typmods of each kind
CREATE TYPE limited AS (a timestamp(0), b timestamptz(1), c numeric(4, 1), d varchar(3), e char(4), f time(0));
CREATE FUNCTION as_limited(body text) RETURNS limited LANGUAGE plv8 AS $$ return new Function(body)(); $$;
SELECT ours_is($$SELECT as_limited('return { a: new Date(1600), b: new Date(1678), c: 12.37, d: "abc", e: "x", f: "10:00:00.7" }')::text$$,
	'("1970-01-01 00:00:02","1970-01-01 00:00:01.7+00",12.4,abc,"x   ",10:00:01)', 'a column''s precision, scale and length hold');
SELECT ours_fails($$SELECT as_limited('return { a: null, b: null, c: null, d: "abcd", e: null, f: null }')$$, '22001', 'too long', 'a text that is too long for its column');

-- dates
SELECT is(as_timestamptz('return new Date(1234567890123)'), timestamptz '2009-02-13 23:31:30.123Z', 'timestamptz of a Date');
SELECT is(as_timestamp('return new Date(1234567890123)'), timestamp '2009-02-13 23:31:30.123', 'timestamp of a Date');
SELECT is(as_date('return new Date(1234567890123)'), date '2009-02-13', 'date of a Date');
SELECT is(as_date('return new Date(-1)'), date '1969-12-31', 'a millisecond before 1970 is the day before');
SELECT is(as_timestamptz('return new Date(-1)'), timestamptz '1969-12-31 23:59:59.999Z', 'and so as timestamptz');
SELECT ours_fails($$SELECT as_timestamptz('return new Date(NaN)')$$, NULL, '.', 'an invalid Date is an error');
SELECT ours_fails($$SELECT as_date('return new Date(NaN)')$$, NULL, '.', 'also as date');
SELECT ours_is($$SELECT as_timestamptz('return "2026-01-31 12:34:56.789012Z"')::text$$, '2026-01-31 12:34:56.789012+00', 'timestamptz of a string keeps microseconds');
SELECT ours_is($$SELECT as_date('return "2026-01-31"')::text$$, '2026-01-31', 'date of a string');
SELECT ours_fails($$SELECT as_date('return "nonsense"')$$, '22007', 'nonsense', 'a wrong date');
SELECT ours_is($$SELECT (as_timestamptz('return new Date(8.64e15)') IS NOT NULL)::text$$, 'true', 'the last Date');
SELECT ours_is($$SELECT coalesce(failure('SELECT as_timestamptz(''return new Date(-8.64e15)'')') ->> 'code', 'fine') IN ('22008', '22003', 'fine')$$, 'true', 'the first Date is out of range or fine');
SET timezone = 'America/New_York';
SELECT is(described(timestamptz '2026-01-31 12:00:00Z'), 'Date 2026-01-31T12:00:00.000Z', 'timestamptz does not depend on the time zone');
SELECT is(as_timestamptz('return new Date(0)') = timestamptz '1970-01-01 00:00:00Z', true, 'nor on the way back');
CREATE FUNCTION same_date(d date) RETURNS date LANGUAGE plv8 AS $$ return d; $$;
CREATE FUNCTION same_timestamp(d timestamp) RETURNS timestamp LANGUAGE plv8 AS $$ return d; $$;
SELECT is(same_date('2026-03-08'), date '2026-03-08', 'a date comes back the same in every time zone');
SELECT ours_is($$SELECT same_timestamp('2026-03-08 02:30:00')::text$$, '2026-03-08 02:30:00', 'so does a timestamp that no clock showed');
SET timezone = 'Asia/Tokyo';
SELECT is(same_date('2026-03-08'), date '2026-03-08', 'east of Greenwich too');
SET timezone = 'UTC';

-- bytea
CREATE FUNCTION same_bytea(b bytea) RETURNS bytea LANGUAGE plv8 AS $$ return b; $$;
SELECT is(same_bytea('\x00ff10'), '\x00ff10'::bytea, 'bytea comes back');
SELECT is(as_bytea('return new Uint8Array([1, 2, 255])'), '\x0102ff'::bytea, 'Uint8Array');
SELECT is(as_bytea('return new Uint8Array([1, 2, 3, 4]).subarray(1, 3)'), '\x0203'::bytea, 'a part of a buffer');
SELECT is(as_bytea('return new Uint16Array([1])'), '\x0100'::bytea, 'Uint16Array, its bytes');
SELECT is(as_bytea('return new Uint8Array([7, 8]).buffer'), '\x0708'::bytea, 'an ArrayBuffer');
SELECT ours_is($$SELECT as_bytea('return new DataView(new Uint8Array([1, 2, 3]).buffer, 1)')::text$$, '\x0203', 'a DataView');
SELECT is(as_bytea('return new Uint8Array(0)'), ''::bytea, 'no bytes');
SELECT is(length(as_bytea('return new Uint8Array(3e7)')), 30000000, 'thirty million bytes');
CREATE FUNCTION change_bytes(b bytea) RETURNS int LANGUAGE plv8 AS $$ b[0] = 99; return b[0]; $$;
CREATE TABLE bytes (b bytea);
INSERT INTO bytes VALUES ('\x0102');
SELECT is((SELECT change_bytes(b) || ' ' || b::text FROM bytes), '99 \x0102', 'changing the bytes does not change the row');
SELECT js($$ globalThis.keptBytes = plv8.execute('SELECT b FROM bytes')[0].b $$);
SELECT is(js($$ const big = plv8.execute("SELECT repeat('x', 1000000)"); return Array.from(globalThis.keptBytes) $$), '[1,2]', 'kept bytes stay what they were');

-- Values that a table keeps out of line or compressed reach JavaScript whole, whichever way the row takes.
CREATE TYPE wide AS (t text, n int);
CREATE DOMAIN wide_domain AS text;
CREATE TABLE stored (kind text PRIMARY KEY, t text, v varchar, d wide_domain, b bytea, j json, jb jsonb, a text[], w wide, x xml);
ALTER TABLE stored ALTER t SET STORAGE EXTERNAL, ALTER b SET STORAGE EXTERNAL, ALTER a SET STORAGE EXTERNAL;
INSERT INTO stored SELECT kind, n, n, n, convert_to(n, 'UTF8'), to_json(n), to_jsonb(n), ARRAY[n, 'z'], ROW(n, 1)::wide, ('<x>' || n || '</x>')::xml
FROM (VALUES ('short', 'a'), ('compressed', repeat('ab', 1200)), ('compressed out of line', (SELECT string_agg(md5((g % 600)::text), '') FROM generate_series(1, 9000) g)), ('out of line', (SELECT string_agg(md5(g::text), '') FROM generate_series(1, 9000) g))) k(kind, n);
CREATE FUNCTION digest_of(t text, v varchar, d wide_domain, b bytea, j json, jb jsonb, a text[], w wide, x xml) RETURNS text LANGUAGE plv8 AS $$
    const all = [t, v, d, String.fromCharCode.apply(null, b.slice(0, 100)) + ' ' + b.length, j, jb, a[0], w.t, x.replace(/<\/?x>/g, '')];
    return all.every((one, i) => one === (i === 3 ? t.slice(0, 100) + ' ' + t.length : t)) && a[1] === 'z' && w.n === 1 ? t : 'differ: ' + all.map((one) => String(one).slice(0, 20));
$$;
CREATE FUNCTION of_row(r stored) RETURNS text LANGUAGE plv8 AS $$ return [r.t, r.v, r.d, r.j, r.jb, r.a[0], r.w.t].every((one) => one === r.t) && r.b.length === r.t.length ? r.t : 'differ'; $$;
SELECT is(md5(digest_of(t, v, d, b, j, jb, a, w, x)), md5(t), kind || ': as arguments') FROM stored;
SELECT is(md5(of_row(s)), md5(t), kind || ': as a row') FROM stored s;
CREATE FUNCTION by_query(kind text) RETURNS text LANGUAGE plv8 AS $$
    const call = plv8.find_function('of_row');
    const [r] = plv8.execute('SELECT * FROM stored WHERE kind = $1', [kind]);
    const plan = plv8.prepare('SELECT * FROM stored WHERE kind = $1', ['text']);
    const cursor = plan.cursor([kind]);
    const f = cursor.fetch();
    cursor.close();
    const [p] = plan.execute([kind]);
    plan.free();
    const [whole] = plv8.execute('SELECT s FROM stored s WHERE kind = $1', [kind]);
    for (const one of [f, p, whole.s]) if (JSON.stringify(one) !== JSON.stringify(r)) return 'differ';
    return [r.v, r.d, r.j, r.jb, r.a[0], r.w.t].every((one) => one === r.t) && r.b.length === r.t.length ? r.t : 'differ';
$$;
SELECT is(md5(by_query(kind)), md5(t), kind || ': by execute, plan and cursor') FROM stored;
CREATE FUNCTION keep_row() RETURNS trigger LANGUAGE plv8 AS $$
    if (NEW.t !== OLD.t || NEW.w.t !== NEW.t || NEW.jb !== NEW.t) throw new Error('differ: ' + NEW.kind);
    return NEW;
$$;
CREATE TRIGGER keep_row BEFORE UPDATE ON stored FOR EACH ROW EXECUTE FUNCTION keep_row();
UPDATE stored SET kind = kind;
SELECT is(md5(by_query(kind)), md5(t), kind || ': through a trigger and back') FROM stored;

SELECT * FROM finish();
