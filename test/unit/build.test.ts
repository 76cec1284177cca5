import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import vm from 'node:vm';
import test from 'ava';
import { bundleCommand, bundleForDatabase } from '../../build/bundle.ts';
import { assembleScripts } from '../../build/script.ts';
import { readSignatures } from '../../build/signatures.ts';

const FUNCTIONS = `
/**
 * Greets somebody's
 * friend.
 *
 * More about it.
 *
 * @plv8ify_schema_name df
 * @plv8ify_name as
 * @plv8ify_param {text} name
 * @plv8ify_param {integer} times DEFAULT 1
 * @plv8ify_return {text}
 * @plv8ify_volatility IMMUTABLE
 * @plv8ify_strict
 */
export function greet(name: string, times: number): string { return \`h\u00e9llo \${name} \`.repeat(times); }

/**
 * @plv8ify_schema_name _df
 * @plv8ify_security definer
 * @plv8ify_execute private
 * @plv8ify_table {id text, n bigint}
 */
export function rows(limit: bigint, flag?: boolean | null): object[] { return [{ id: String(limit), n: flag }]; }

/** @plv8ify_schema_name df */
export function plain(a: string | null, b: number, c: boolean): void { void [a, b, c]; }

export function helper(): string { return 'not for SQL'; }
`;

const SQL = { '01_schema.sql': 'CREATE SCHEMA df;\nCREATE SCHEMA _df;\n-- @bundle\n', '50_functions.sql': '-- @functions\n' };

/** A checkout with the given files, gone when the test ends. */
function checkout(t: { teardown(fn: () => void): void }, files: Record<string, string> = {}): string {
  const root = mkdtempSync(path.join(tmpdir(), 'pg-durable-build-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const all: Record<string, string> = {
    'package.json': '{"version":"1.2.3","type":"module"}', 'pg_durable.control': "default_version = '1.2.3'\n",
    'src/functions/index.ts': "export * from './area.ts';\n", 'src/functions/area.ts': FUNCTIONS,
    'src/cli/main.ts': "#!/usr/bin/env node\nimport { createHash } from 'node:crypto';\nconsole.log(createHash('md5').update('1.2.3').digest('hex'));\n",
    ...Object.fromEntries(Object.entries(SQL).map(([name, text]) => [`sql/${name}`, text])), ...files,
  };
  for (const [name, text] of Object.entries(all)) {
    mkdirSync(path.dirname(path.join(root, name)), { recursive: true });
    writeFileSync(path.join(root, name), text);
  }
  return root;
}

const signatures = (root: string) => readSignatures(path.join(root, 'src/functions/index.ts'), root);
const withArea = (t: { teardown(fn: () => void): void }, area: string) => checkout(t, { 'src/functions/area.ts': area });

async function build(root: string, version = '1.2.3'): Promise<Map<string, string>> {
  const bundle = await bundleForDatabase(path.join(root, 'src/functions/index.ts'), root, version);
  return assembleScripts(path.join(root, 'sql'), version, { bundle, functions: signatures(root) });
}

test('tags and types become the signature', (t) => {
  const [rows, as, plain] = signatures(checkout(t));
  t.like(as, {
    exportName: 'greet', schema: 'df', name: 'as', returns: 'text', volatility: 'IMMUTABLE', strict: true, definer: false,
    public: true, comment: "Greets somebody's friend.",
    parameters: [{ name: 'name', type: 'text', default: null }, { name: 'times', type: 'integer', default: '1' }],
  });
  t.like(rows, { schema: '_df', name: 'rows', returns: 'TABLE (id text, n bigint)', definer: true, public: false, comment: null });
  t.deepEqual(rows?.parameters.map(({ type }) => type), ['bigint', 'boolean']);
  t.like(plain, { name: 'plain', returns: 'void', volatility: 'VOLATILE' });
  t.deepEqual(plain?.parameters.map(({ type }) => type), ['text', 'double precision', 'boolean']);
});

const wrong: [title: string, area: string, message: RegExp][] = [
  ['an unknown tag', '/** @plv8ify_schema_name df\n * @plv8ify_volatile x */\nexport function f(): string { return ""; }', /area\.ts:3: unknown tag @plv8ify_volatile/],
  ['a wrong volatility', '/** @plv8ify_schema_name df\n * @plv8ify_volatility fast */\nexport function f(): string { return ""; }', /fast: expected IMMUTABLE, STABLE, VOLATILE/],
  ['a tag per parameter', '/** @plv8ify_schema_name df\n * @plv8ify_param {text} a */\nexport function f(a: string, b: string): string { return a + b; }', /2 parameter\(s\) but 1/],
  ['swapped parameter tags', '/** @plv8ify_schema_name df\n * @plv8ify_param {text} b\n * @plv8ify_param {text} a */\nexport function f(a: string, b: string): string { return a + b; }', /position 1, where the function has a/],
  ['a reserved word', '/** @plv8ify_schema_name df\n * @plv8ify_param {text} default */\nexport function f(a: string): string { return a; }', /default is a reserved word/],
  ['a default before none', '/** @plv8ify_schema_name df\n * @plv8ify_param {text} a DEFAULT NULL\n * @plv8ify_param {text} b */\nexport function f(a: string, b: string): string { return a + b; }', /parameter b follows one with a default/],
  ['no SQL type', '/** @plv8ify_schema_name df */\nexport function f(a: Date): string { return String(a); }', /parameter a of type Date has no SQL type/],
  ['no schema', '/** @plv8ify_strict */\nexport function f(): string { return ""; }', /no @plv8ify_schema_name/],
  ['an overload of the same types', '/** @plv8ify_schema_name df */\nexport function f(a: string): string { return a; }\n/** @plv8ify_schema_name df\n * @plv8ify_name f */\nexport function g(a: string): string { return a; }', /df\.f\(text\) is already declared/],
  ['a function nobody exports', 'export const x = 1;\n/** @plv8ify_schema_name df */\nfunction f(): string { return ""; }\nvoid f;', /index\.ts does not export it/],
];
for (const [title, area, message] of wrong) {
  test(`refused: ${title}`, (t) => {
    const root = withArea(t, area);
    t.throws(() => signatures(root), { message });
  });
}

test('the script has banners, the bundle and the stubs in their places', async (t) => {
  const root = checkout(t);
  const script = (await build(root)).get('pg_durable--1.2.3.sql') ?? '';
  const order = ['\\quit', '-- schema', 'CREATE SCHEMA _df', 'FUNCTION _df.bundle()', '-- functions', 'FUNCTION _df.rows', 'FUNCTION df."as"'];
  const places = order.map((piece) => script.indexOf(piece));
  t.deepEqual(places, [...places].sort((a, b) => a - b));
  t.false(places.includes(-1));
  t.true(script.includes('CREATE FUNCTION df."as"(name text, times integer DEFAULT 1) RETURNS text\nLANGUAGE plv8 IMMUTABLE STRICT SET search_path = pg_catalog, pg_temp\n'));
  t.true(script.includes("COMMENT ON FUNCTION df.\"as\"(text, integer) IS 'Greets somebody''s friend.';"));
  t.true(script.includes("SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plv8.start_proc = ''"));
  t.true(script.includes('REVOKE EXECUTE ON FUNCTION _df.rows(bigint, boolean) FROM PUBLIC;'));
  t.false(/^-- @/m.test(script));
});

test('JSON reaches JavaScript as text, through a function of its own', async (t) => {
  const tagged = (more: string): string => `/**\n * Keeps it.\n *\n * @plv8ify_schema_name df\n * @plv8ify_param {jsonb} value DEFAULT NULL\n * @plv8ify_param {text} name DEFAULT 'x'\n * @plv8ify_execute private\n${more} */\nexport function keep(value: string | null, name: string): string { return name + value; }\n`;
  const script = (await build(checkout(t, { 'src/functions/area.ts': tagged('') }))).get('pg_durable--1.2.3.sql') ?? '';
  t.true(script.includes('CREATE FUNCTION _df.keep_text(value text, name text) RETURNS text\nLANGUAGE plv8 VOLATILE SET search_path = pg_catalog, pg_temp\n'));
  t.false(script.includes('ON FUNCTION _df.keep_text(text, text) FROM PUBLIC'));
  t.true(script.includes(`CREATE FUNCTION df.keep(value jsonb DEFAULT NULL, name text DEFAULT 'x') RETURNS text\nLANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp\nAS $sql$SELECT _df.keep_text(value::pg_catalog.text, name)$sql$;\nCOMMENT ON FUNCTION df.keep(jsonb, text) IS 'Keeps it.';\nREVOKE EXECUTE ON FUNCTION df.keep(jsonb, text) FROM PUBLIC;`));
  await t.throwsAsync(build(checkout(t, { 'src/functions/area.ts': tagged(' * @plv8ify_security definer\n') })), { message: /definer function cannot take JSON/ });
});

test('same sources, same bytes, wherever the checkout lies', async (t) => {
  const [one, two] = [checkout(t), checkout(t)];
  t.deepEqual(await build(one), await build(two));
  writeFileSync(path.join(two, 'src/functions/area.ts'), FUNCTIONS.replace('llo', 'llO'));
  t.notDeepEqual(await build(one), await build(two));
});

/** Runs the stub of `name` out of a script in a JavaScript world, as PLV8 would; `loads` counts look-ups of the bundle. */
function session(scripts: { current: string }) {
  const world = { loads: 0, plv8: { execute: (_: string) => { world.loads += 1; return [{ source: /FUNCTION _df\.bundle[^]*?\$js\$([^]*?)\$js\$/.exec(scripts.current)?.[1] }]; } } };
  vm.createContext(world);
  return {
    world,
    call: (script: string, name: string, ...args: string[]) => {
      const stub = new RegExp(`FUNCTION ${name}\\((.*?)\\) RETURNS[^]*?AS \\$js\\$([^]*?)\\$js\\$;`).exec(script);
      if (stub === null) throw new Error(`no stub of ${name}`);
      const names = (stub[1] ?? '').split(', ').map((parameter) => parameter.split(' ')[0]?.replaceAll('"', '')).join(', ');
      return vm.runInContext(`(function(${names}){"use strict";${stub[2]}})(${args.join(', ')})`, world) as unknown;
    },
  };
}

test('a stub loads the bundle once, and a new version replaces the old one in an open session', async (t) => {
  const root = checkout(t);
  const old = (await build(root)).get('pg_durable--1.2.3.sql') ?? '';
  const upgraded = (await build(root, '1.2.4')).get('pg_durable--1.2.4.sql') ?? '';
  const scripts = { current: old };
  const { world, call } = session(scripts);
  t.is(call(old, 'df."as"', '"you"', '2'), 'h\u00e9llo you h\u00e9llo you ');
  call(old, '_df.rows', '1n', 'null');
  t.is(world.loads, 1);

  scripts.current = upgraded;
  t.is(call(upgraded, 'df."as"', '"you"', '1'), 'h\u00e9llo you ');
  t.is(world.loads, 2);
  t.deepEqual(Object.keys(world).filter((name) => name.startsWith('pg_durable ')).map((key) => key.split(' ')[1]), ['1.2.4']);

  let error = { message: '', code: 0 };
  try { call(old, 'df."as"', '"you"', '1'); } catch (thrown) { error = thrown as typeof error; }
  t.regex(error.message, /updated to 1\.2\.4 .* run it again/);
  const packed = error.code;
  t.is([0, 6, 12, 18, 24].map((shift) => String.fromCharCode(48 + ((packed >> shift) & 63))).join(''), '40001');
});

test('upgrade scripts: the one to the current version gets the code, older ones stay as released', async (t) => {
  const root = checkout(t, {
    'sql/pg_durable--1.2.2.sql': 'SELECT 1;\n', 'sql/pg_durable--1.2.1--1.2.2.sql': 'SELECT 2;\n',
    'sql/pg_durable--1.2.2--1.2.3.sql': 'ALTER TABLE x;\n-- @bundle\n-- @functions\n',
  });
  const scripts = await build(root);
  t.is(scripts.get('pg_durable--1.2.2.sql'), 'SELECT 1;\n');
  t.is(scripts.get('pg_durable--1.2.1--1.2.2.sql'), 'SELECT 2;\n');
  t.regex(scripts.get('pg_durable--1.2.2--1.2.3.sql') ?? '', /CREATE OR REPLACE FUNCTION _df\.bundle[^]*CREATE OR REPLACE FUNCTION df\."as"/);
  writeFileSync(path.join(root, 'sql/pg_durable--1.2.1--1.2.2.sql'), '-- @bundle\n');
  await t.throwsAsync(() => build(root), { message: /leads to 1\.2\.2, which is not the current version/ });
});

test('a released version stays what it was', async (t) => {
  const root = checkout(t);
  const script = (await build(root)).get('pg_durable--1.2.3.sql') ?? '';
  writeFileSync(path.join(root, 'sql/pg_durable--1.2.3.sql'), script);
  await t.notThrowsAsync(() => build(root));
  writeFileSync(path.join(root, 'sql/50_functions.sql'), 'SELECT 1;\n-- @functions\n');
  await t.throwsAsync(() => build(root), { message: /released and frozen.*raise the version/ });
});

const wrongSql: [title: string, files: Record<string, string>, message: RegExp][] = [
  ['a file that fits no pattern', { 'sql/tables.sql': '' }, /sql\/tables\.sql: expected NN_name\.sql/],
  ['a number twice', { 'sql/50_more.sql': '' }, /same number/],
  ['a placeholder twice', { 'sql/60_more.sql': '-- @bundle\n' }, /"-- @bundle" stands 2 times/],
  ['text that is not ASCII', { 'sql/60_more.sql': 'SELECT 1;\n-- a \u2192 b\n' }, /sql\/60_more\.sql:2: "\u2192" is not ASCII/],
];
for (const [title, files, message] of wrongSql) {
  test(`refused: ${title}`, async (t) => {
    const root = checkout(t, files);
    await t.throwsAsync(() => build(root), { message });
  });
}

test('the command is one file that runs', async (t) => {
  const root = checkout(t);
  const file = path.join(root, 'out/command.mjs');
  await bundleCommand(path.join(root, 'src/cli/main.ts'), file, root);
  t.is(execFileSync(file, [], { encoding: 'utf8' }).trim(), 'b0e8daa258acbb6fc4c86f89e0c9183e');
});

test('npm run build: a type error fails it and is named', (t) => {
  const options = { include: ['src'], compilerOptions: { strict: true, noEmit: true, skipLibCheck: true, types: [], target: 'ES2021', allowImportingTsExtensions: true, module: 'ESNext', moduleResolution: 'bundler' } };
  const root = checkout(t, {
    'tsconfig.json': JSON.stringify({ ...options, include: ['src/functions'] }), 'tsconfig.node.json': JSON.stringify({ ...options, include: ['src/functions'] }),
  });
  const script = fileURLToPath(new URL('../../build/build.ts', import.meta.url));
  const run = () => execFileSync(process.execPath, ['--import', 'tsx', script, '--root', root], { encoding: 'utf8', stdio: 'pipe' });
  t.regex(run(), /^pg_durable 1\.2\.3: 3 functions/);
  t.true(readFileSync(path.join(root, 'dist/sql/pg_durable--1.2.3.sql'), 'utf8').length > 0);
  writeFileSync(path.join(root, 'src/functions/area.ts'), `${FUNCTIONS}\nexport const wrong: number = 'text';\n`);
  const error = t.throws<Error & { status?: number; stderr?: string }>(run);
  t.is(error?.status, 1);
  t.regex(error?.stderr ?? '', /area\.ts.*Type 'string' is not assignable to type 'number'/);
});
