/**
 * Random values on their way through results into SQL and back, against a real server (semantics §3 and §6): nothing is
 * lost, and no value becomes code.
 */
import test from 'ava';
import fc from 'fast-check';
import type pg from 'pg';
import { startCluster, type Cluster } from '../support/cluster.ts';

let cluster: Cluster;
let client: pg.Client;

test.before(async () => {
  cluster = await startCluster();
  const database = await cluster.createDatabase();
  await cluster.query(`CREATE ROLE alice LOGIN; SELECT df.grant_usage('alice'); GRANT CREATE ON SCHEMA public TO alice`, database);
  client = await cluster.client('alice', database);
});
test.after.always(async () => {
  await client?.end();
  await cluster?.destroy();
});

/** Runs a workflow to its end and returns its id and status. */
async function run(future: string, values: unknown[] = []): Promise<{ id: string; status: string }> {
  const id = (await client.query<{ id: string }>(`SELECT df.start(${future}) AS id`, values)).rows[0]!.id;
  await client.query('CALL df.work()');
  return { id, status: (await client.query<{ status: string }>('SELECT df.status($1) AS status', [id])).rows[0]!.status };
}

const errorOf = async (id: string): Promise<string> =>
  (await client.query<{ error: string }>(`SELECT coalesce(string_agg(error || ' ' || coalesce(status_details::text, ''), '; '), '') AS error FROM df.nodes WHERE instance_id = $1 AND error IS NOT NULL`, [id])).rows[0]!.error;

// Text that means something to one of those who read it on the way.
const FRAGMENTS = ["'", "''", '"', '\\', '\\\\', "\\'", '$$', '$n', '$n.*', '$body$', '{sys_label}', '{', '}', '--', '/*', '*/', ';', '\n', '\r\n', '\t', '\u001e', '\u0001', '\u007f',
  '%', '?', ':x', "E'", "U&'\\0041'", '\\x41', '\\u0041', '&', '<', '\u00a0', '\u2028', 'é', 'e\u0301', '世', '🐘', '\ufeff', '\uffff', 'NULL', 'null', 'true', '0', '1e5', '-', ' ', 'a'];
const text = fc.oneof({ weight: 3, arbitrary: fc.array(fc.constantFrom(...FRAGMENTS), { maxLength: 12 }).map((parts) => parts.join('')) },
  fc.string({ unit: 'binary', maxLength: 20 }).map((value) => value.replaceAll('\0', '')));

const digits = (most: number): fc.Arbitrary<string> => fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1, maxLength: most }).map((all) => all.join(''));
const numeric = fc.oneof(
  fc.tuple(fc.constantFrom('', '-'), digits(60), fc.oneof(fc.constant(''), digits(60).map((part) => `.${part}`))).map((parts) => parts.join('')),
  fc.constantFrom('NaN', 'Infinity', '-Infinity', '0', '0.000', '-0.00', '1e1000', '1e-1000', `9${'0'.repeat(200)}.${'0'.repeat(100)}1`));
const bigint = (bits: bigint): fc.Arbitrary<string> => fc.oneof(
  fc.bigInt({ min: -(1n << (bits - 1n)), max: (1n << (bits - 1n)) - 1n }), fc.constantFrom(-(1n << (bits - 1n)), (1n << (bits - 1n)) - 1n, 0n, -1n)).map(String);
const float = (value: number): string => (Object.is(value, -0) ? '-0' : String(value));

const two = (value: number): string => String(value).padStart(2, '0');
const fraction = fc.oneof(fc.constant(''), fc.constantFrom('.5', '.000001', '.999999', '.123450'));
const day = fc.tuple(fc.integer({ min: 1, max: 9999 }), fc.integer({ min: 1, max: 12 }), fc.integer({ min: 1, max: 28 }))
  .map(([year, month, date]) => `${String(year).padStart(4, '0')}-${two(month)}-${two(date)}`);
const clock = fc.tuple(fc.integer({ min: 0, max: 23 }), fc.integer({ min: 0, max: 59 }), fc.integer({ min: 0, max: 59 }), fraction)
  .map(([hour, minute, second, part]) => `${two(hour)}:${two(minute)}:${two(second)}${part}`);
const offset = fc.tuple(fc.constantFrom('+', '-'), fc.integer({ min: 0, max: 14 }), fc.constantFrom('00', '30', '45')).map(([sign, hour, minute]) => `${sign}${two(hour)}:${minute}`);
// PostgreSQL's time begins in 4714 BC.
const dated = (rest: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.tuple(day, rest, fc.boolean()).map(([date, more, bc]) => `${date}${more}${bc && date < '4713' ? ' BC' : ''}`);
const infinite = fc.constantFrom('infinity', '-infinity');
const timestamp = fc.oneof(dated(clock.map((time) => ` ${time}`)), infinite, fc.constantFrom('294276-12-31 23:59:59.999999', '4713-01-01 00:00:00 BC', '1883-11-18 12:00:00'));
const timestamptz = fc.oneof(dated(fc.tuple(clock, offset).map(([time, zone]) => ` ${time}${zone}`)), infinite);
const interval = fc.tuple(fc.integer({ min: -999, max: 999 }), fc.integer({ min: -9999, max: 9999 }), fc.integer({ min: -99999, max: 99999 }), fraction)
  .map(([months, days, seconds, part]) => `${months} months ${days} days ${seconds}${part} seconds`);

/** JSON text with numbers that no double holds; an object or array, since a bare string in json reads like text afterwards. */
const json = fc.letrec<{ value: string; whole: string }>((tie) => {
  const key = text.map((value) => JSON.stringify(value).replace(/\\u0000/g, ''));
  const list = fc.array(tie('value'), { maxLength: 4 }).map((items) => `[${items.join(', ')}]`);
  const object = fc.uniqueArray(key, { maxLength: 4 }).chain((keys) => fc.tuple(...keys.map(() => tie('value'))).map((all) => `{${keys.map((name, at) => `${name}:${all[at]}`).join(',')}}`));
  return {
    value: fc.oneof({ maxDepth: 3 }, fc.constantFrom('null', 'true', 'false', '12345678901234567890.10', '1e400', '-0'), key, list, object),
    whole: fc.oneof(list, object),
  };
}).whole;
const element = (value: string): string => `"${value.replace(/["\\]/g, '\\$&')}"`;
const array = (items: fc.Arbitrary<string>): fc.Arbitrary<string> => fc.array(fc.oneof(items.map(element), fc.constant('NULL')), { maxLength: 4 }).map((all) => `{${all.join(',')}}`);

interface Kind {
  type: string;
  value: fc.Arbitrary<string>;
  /** How the column is selected, and what makes a value of the type out of the reference again. */
  out?: (column: string) => string;
  back?: (reference: string, column: string) => string;
  /** What the value is expected to be, where it is not itself. */
  expected?: (column: string) => string;
}
const fromJson = (reference: string, column: string): string => `(jsonb_populate_record(NULL::public.samples, jsonb_build_object('${column}', ${reference}::jsonb))).${column}`;
/** In the VALUES of a relation, -0 is an integer. */
const finite = (column: string): string => `CASE WHEN ${column}::text NOT IN ('NaN', 'Infinity', '-Infinity') THEN ${column} + CASE WHEN $1 = 'relation' THEN 0 ELSE '-0'::float4 END END`;

const KINDS: Record<string, Kind> = {
  c_text: { type: 'text', value: text },
  c_varchar: { type: 'varchar', value: text },
  c_char: { type: 'char(8)', value: fc.constantFrom('', 'x', "it's", '\\') },
  c_bool: { type: 'boolean', value: fc.constantFrom('true', 'false') },
  c_int2: { type: 'int2', value: bigint(16n) },
  c_int4: { type: 'int4', value: bigint(32n) },
  c_int8: { type: 'int8', value: bigint(64n) },
  c_oid: { type: 'oid', value: fc.integer({ min: 0, max: 4294967295 }).map(String) },
  c_numeric: { type: 'numeric', value: numeric },
  c_price: { type: 'public.price', value: fc.integer({ min: -99999, max: 99999 }).map((cents) => (cents / 100).toFixed(2)) },
  c_float4: { type: 'float4', value: fc.float().map(float), expected: finite },
  c_float8: { type: 'float8', value: fc.double().map(float), expected: finite },
  c_date: { type: 'date', value: fc.oneof(dated(fc.constant('')), infinite) },
  c_time: { type: 'time', value: clock },
  c_timetz: { type: 'timetz', value: fc.tuple(clock, offset).map((parts) => parts.join('')) },
  c_timestamp: { type: 'timestamp', value: timestamp },
  c_timestamptz: { type: 'timestamptz', value: timestamptz },
  c_interval: { type: 'interval', value: interval },
  c_uuid: { type: 'uuid', value: fc.uuid() },
  c_inet: { type: 'inet', value: fc.oneof(fc.ipV4(), fc.ipV4Extended().filter((ip) => /^\d+\.\d+\.\d+\.\d+$/.test(ip)).map(() => '10.1.2.3/9'), fc.ipV6().filter((ip) => !ip.includes('.'))) },
  c_bits: { type: 'varbit', value: fc.array(fc.constantFrom('0', '1'), { maxLength: 20 }).map((bits) => bits.join('')) },
  c_mood: { type: 'public.mood', value: fc.constantFrom('sad', `it's "ok" \\ $n`) },
  c_range: { type: 'numrange', value: fc.constantFrom('empty', '[1.50,2.5)', '(,7]', '(,)', '[-0.1,0]') },
  c_tsrange: { type: 'tstzrange', value: fc.tuple(day, day).map((days) => `["${days.sort().join('","')}"]`) },
  c_vector: { type: 'tsvector', value: fc.constantFrom(`'a''b' c:1A`, `'\\\\'`, '') },
  c_bytea: { type: 'bytea', value: fc.uint8Array({ maxLength: 20 }).map((bytes) => `\\x${Buffer.from(bytes).toString('hex')}`), out: (c) => `encode(${c}, 'base64') AS ${c}`, back: (r) => `decode(${r}::text, 'base64')` },
  c_json: { type: 'json', value: json },
  c_jsonb: { type: 'jsonb', value: json },
  c_ints: { type: 'int8[]', value: array(bigint(64n)), back: fromJson },
  c_grid: { type: 'int4[]', value: fc.constantFrom('{}', '{{1,2},{3,4}}', '{{NULL,-1}}'), back: fromJson },
  c_texts: { type: 'text[]', value: array(text), back: fromJson },
  c_numerics: { type: 'numeric[]', value: array(numeric), back: fromJson },
  c_times: { type: 'timestamptz[]', value: array(timestamptz), back: fromJson },
  c_pair: { type: 'public.pair', value: fc.tuple(fc.oneof(numeric, fc.constant('')), text).map(([amount, note]) => `(${amount},${element(note)})`), back: fromJson },
};
const COLUMNS = Object.keys(KINDS);
const row = fc.record(Object.fromEntries(Object.entries(KINDS).map(([column, { value }]) => [column, fc.option(value, { freq: 8 })])));

test.serial('values of every type come back from $n, $n.col and $n.* as they went in', async (t) => {
  await client.query(`
    CREATE DOMAIN public.price AS numeric(10, 2);
    CREATE TYPE public.mood AS ENUM ('sad', 'it''s "ok" \\ $n');
    CREATE TYPE public.pair AS (amount numeric, note text);
    CREATE TABLE public.samples (id int, ${Object.entries(KINDS).map(([column, { type }]) => `${column} ${type}`).join(', ')});
    CREATE TABLE public.returned (LIKE public.samples, way text)`);
  const selected = COLUMNS.map((column) => KINDS[column]!.out?.(column) ?? column).join(', ');
  const back = (column: string, reference: string): string => KINDS[column]!.back?.(reference, column) ?? `${reference}::${KINDS[column]!.type}`;
  const expected = COLUMNS.map((column) => `(${KINDS[column]!.expected?.(column) ?? column})::text`);
  await fc.assert(fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 3 }), fc.constantFrom(...COLUMNS), async (rows, single) => {
    await client.query('TRUNCATE samples, returned');
    for (const [id, values] of rows.entries()) {
      await client.query(`INSERT INTO samples VALUES (${id}, ${COLUMNS.map((column, at) => `$${at + 1}::${KINDS[column]!.type}`).join(', ')})`, COLUMNS.map((column) => values[column]));
    }
    const { id, status } = await run(`($1::text |=> 'n') ~> $2 ~> $3 ~> ($4 |=> 'one') ~> $5`, [
      `SELECT id, ${selected} FROM public.samples ORDER BY id`,
      `INSERT INTO public.returned SELECT 0, ${COLUMNS.map((column) => back(column, `$n.${column}?`)).join(', ')}, 'column'`,
      `INSERT INTO public.returned SELECT id, ${COLUMNS.map((column) => back(column, column)).join(', ')}, 'relation' FROM $n.*`,
      `SELECT ${KINDS[single]!.out?.(single) ?? single} FROM public.samples WHERE id = 0`,
      `INSERT INTO public.returned (id, ${single}, way) SELECT 0, ${back(single, '$one?')}, 'single'`]);
    if (status !== 'completed') throw new Error(await errorOf(id));
    for (const [way, columns] of [['column', COLUMNS], ['relation', COLUMNS], ['single', [single]]] as const) {
      const { rows: [lost] } = await client.query<Record<string, string>>(`
        SELECT ${columns.map((column) => `string_agg(format('%s | %s', ${expected[COLUMNS.indexOf(column)]!.replaceAll(column, `s.${column}`)}, r.${column}), ' ; ')
          FILTER (WHERE ${expected[COLUMNS.indexOf(column)]!.replaceAll(column, `s.${column}`)} IS DISTINCT FROM r.${column}::text) AS ${column}`).join(', ')}
        FROM public.samples s LEFT JOIN public.returned r ON r.id = s.id AND r.way = $1 WHERE $1 = 'relation' OR s.id = 0`, [way]);
      t.deepEqual(Object.entries(lost!).filter(([, difference]) => difference !== null), [], way);
    }
  }), { numRuns: 60, includeErrorInReport: true });
});

/** Where an author may put `$n`; ✗: where a value that needs quotes is refused. `save` keeps what arrives. */
const TEMPLATES = [
  'SELECT public.save($n)', 'SELECT public.save($n.v)', 'SELECT public.save($n.v||$n)', "SELECT public.save('a' || $n || 'b')", 'SELECT public.save(v) FROM $n.*', 'INSERT INTO public.saved VALUES ($n)',
  '-- $n\nSELECT public.save($n)', 'SELECT /* $n */ public.save($n) -- $n.v', 'DO $$BEGIN PERFORM public.save($n); END$$', 'DO $body$BEGIN -- $n\nPERFORM public.save($n); /* $n */ END$body$', 'DO $body$BEGIN PERFORM public.save(v) FROM $n.*; END$body$',
  "✗ SELECT public.save('to $n')", `✗ SELECT public.save('') AS "to $n"`, "✗ SELECT public.save(E'\\'$n')", "✗ DO $$BEGIN PERFORM public.save('to $n'); END$$",
];
const ATTACKS = ["'); DELETE FROM canary; --", "' || burn() || '", '\nWITH d AS (DELETE FROM public.canary) --', '*/ public.burn(), /*', '$$; DELETE FROM public.canary; --', '$$ || public.burn() || $$',
  "$body$; DELETE FROM public.canary; DO $body$BEGIN", '"; DELETE FROM public.canary; --', "\\' || public.burn() --", '\nPERFORM public.burn(); --', '*/ PERFORM public.burn(); /*', '" || public.burn() || "', "E'\\' || public.burn() || '", ') AS x, public.burn() --'];

test.serial('no value becomes code, wherever an author refers to it', async (t) => {
  await client.query(`
    CREATE TABLE public.saved (v text);
    CREATE TABLE public.canary AS SELECT 'alive' AS v;
    CREATE TABLE public.values_given (v text);
    CREATE FUNCTION public.save(v text) RETURNS text LANGUAGE sql AS 'INSERT INTO public.saved VALUES (v) RETURNING v';
    CREATE FUNCTION public.burn() RETURNS text LANGUAGE sql AS 'DELETE FROM public.canary RETURNING v'`);
  const attempt = async (template: string, value: string): Promise<void> => {
    await client.query('TRUNCATE saved, values_given');
    await client.query('INSERT INTO values_given VALUES ($1)', [value]);
    const refused = template.startsWith('✗');
    const { id, status } = await run(`('SELECT v FROM public.values_given' |=> 'n') ~> $1`, [template.replace('✗ ', '')]);
    t.is((await client.query('SELECT FROM canary')).rowCount, 1, `${template} with ${JSON.stringify(value)}`);
    t.is(status, refused ? 'failed' : 'completed', `${template} with ${JSON.stringify(value)}: ${await errorOf(id)}`);
    const expected = refused ? [] : [template.includes('||$n') ? value + value : template.includes("'a'") ? `a${value}b` : value];
    t.deepEqual((await client.query<{ v: string }>('SELECT v FROM saved')).rows.map(({ v }) => v), expected, `${template} with ${JSON.stringify(value)}`);
  };
  for (const template of TEMPLATES) for (const attack of ATTACKS) await attempt(template, attack);
  await fc.assert(fc.asyncProperty(fc.constantFrom(...TEMPLATES), text, attempt), { numRuns: 100, includeErrorInReport: true });
});
