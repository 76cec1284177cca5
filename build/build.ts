/**
 * `npm run build`: checks the types, bundles, generates and assembles everything into `dist/`.
 *
 *     dist/pg-durable.js            the command line
 *     dist/bundle.js                what runs inside the database, to read it
 *     dist/sql/pg_durable--*.sql    the extension's scripts, to install
 *
 * Flags: `--unchecked` leaves the type check out; `--freeze` then copies the scripts that belong to the current
 * version into `sql/`, which is what a release does; `--root DIR` builds another checkout; `--out DIR` writes there.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bundleCommand, bundleForDatabase } from './bundle.ts';
import { assembleScripts } from './script.ts';
import { readSignatures, SourceError } from './signatures.ts';

async function main(): Promise<void> {
  const { values } = parseArgs({ options: {
    unchecked: { type: 'boolean', default: false }, freeze: { type: 'boolean', default: false },
    root: { type: 'string' }, out: { type: 'string' },
  } });
  const root = path.resolve(values.root ?? path.join(fileURLToPath(import.meta.url), '..', '..'));
  const out = path.resolve(values.out ?? path.join(root, 'dist'));
  const started = performance.now();
  const version = readVersion(root);
  // These report at the end, so that a fault in one place does not keep the rest from being written.
  const checks = values.unchecked ? [] : ['tsconfig.json', 'tsconfig.node.json'].map((config) => checkTypes(root, out, config));
  checks.push(bundleCommand(path.join(root, 'src/cli/main.ts'), path.join(out, 'pg-durable.js'), root)
    .then(() => '', (error: Error) => `${error.message}\n`));

  const entry = path.join(root, 'src/functions/index.ts');
  const bundle = await bundleForDatabase(entry, root, version);
  const functions = readSignatures(entry, root);
  const scripts = assembleScripts(path.join(root, 'sql'), version, { bundle, functions });

  const sqlOut = path.join(out, 'sql');
  rmSync(sqlOut, { recursive: true, force: true });
  mkdirSync(sqlOut, { recursive: true });
  writeFileSync(path.join(out, 'bundle.js'), bundle.source);
  for (const [name, text] of scripts) writeFileSync(path.join(sqlOut, name), text);

  const failed = (await Promise.all(checks)).filter((report) => report !== '');
  if (failed.length > 0) throw new SourceError(failed.join(''));
  if (values.freeze) freeze(root, version, scripts);
  console.log(`pg_durable ${version}: ${functions.length} functions, bundle of ${Math.round(bundle.source.length / 1024)} KiB, ${scripts.size} script(s), in ${((performance.now() - started) / 1000).toFixed(1)} s`);
}

/** The version, which package.json and the control file must agree on. */
function readVersion(root: string): string {
  const { version } = JSON.parse(readFileSync(path.join(root, 'package.json'), 'utf8')) as { version: string };
  const control = /^default_version = '([^']+)'$/m.exec(readFileSync(path.join(root, 'pg_durable.control'), 'utf8'))?.[1];
  if (control !== version) throw new SourceError(`package.json says version ${version}, pg_durable.control says ${control ?? 'none'}: make them equal`);
  return version;
}

/** What tsc complains about, empty when nothing. Unchanged sources are recognised by a record kept in `out`. */
function checkTypes(root: string, out: string, config: string): Promise<string> {
  const tsc = fileURLToPath(import.meta.resolve('typescript/bin/tsc'));
  const record = path.join(out, `.${config}.tsbuildinfo`);
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [tsc, '-p', path.join(root, config), '--incremental', '--tsBuildInfoFile', record], { cwd: root });
    let report = '';
    child.stdout.on('data', (chunk) => { report += chunk; });
    child.stderr.on('data', (chunk) => { report += chunk; });
    child.on('error', reject);
    child.on('close', (code, signal) => { resolve(code === 0 ? '' : report || `tsc -p ${config} ended with ${signal ?? `code ${code}`}\n`); });
  });
}

function freeze(root: string, version: string, scripts: Map<string, string>): void {
  for (const [name, text] of scripts) {
    if (!name.endsWith(`--${version}.sql`)) continue;
    const file = path.join(root, 'sql', name);
    console.log(`${existsSync(file) ? 'kept' : 'froze'} sql/${name}`);
    writeFileSync(file, text);
  }
}

main().catch((error: unknown) => {
  console.error(error instanceof SourceError || (error instanceof Error && error.name === 'Error') ? `build: ${error.message}` : error);
  process.exitCode = 1;
});
