/**
 * The two programs that are built from the sources: the script which runs inside the database, and the command line.
 *
 * The database script is stored once, as the text that `_df.bundle()` returns. A stub evaluates it as the body of a
 * function with one parameter, `wanted`, the key it was generated for. The script puts its exports on `globalThis`
 * under its own key, which names the version and the content, and takes older ones away: a session that was open
 * during ALTER EXTENSION … UPDATE loads the new script on its next call and frees the old one.
 */
import { createHash } from 'node:crypto';
import { chmodSync } from 'node:fs';
import esbuild from 'esbuild';

export interface Bundle {
  /** Property of `globalThis` that holds the exports: extension, version and content hash. */
  key: string;
  /** The text of `_df.bundle()`; ASCII only, so that it fits a database of any encoding. */
  source: string;
}

const KEY_PREFIX = 'pg_durable ';
/** SQLSTATE 40001 as PLV8 takes it, six bits per character: the statement can simply be run again. */
const SERIALIZATION_FAILURE = 4 + (1 << 24);

/**
 * Bundles the module `entry` for PLV8 as version `version`. Equal sources give equal bytes, wherever the checkout
 * lies. Lines stay lines, since PLV8 quotes the one at fault in an error. Raises esbuild's own error, or one naming a
 * warning, since a warning in code that runs inside a database is an error.
 */
export async function bundleForDatabase(entry: string, root: string, version: string): Promise<Bundle> {
  const result = await esbuild.build({
    ...common(root),
    entryPoints: [entry], format: 'iife', globalName: 'pg_durable', platform: 'neutral', target: 'es2021',
    write: false,
  });
  const exports = result.outputFiles[0]?.text.trim() ?? '';
  const key = `${KEY_PREFIX}${version} ${createHash('sha256').update(exports).digest('hex').slice(0, 12)}`;
  const source = [
    exports,
    `if(wanted!==${JSON.stringify(key)}){const e=new Error("pg_durable was updated to ${version} while this statement started: run it again");e.code=${SERIALIZATION_FAILURE};throw e}`,
    `for(const name of Object.keys(globalThis))if(name.startsWith(${JSON.stringify(KEY_PREFIX)}))delete globalThis[name];`,
    `globalThis[wanted]=pg_durable;`,
    'return pg_durable;',
    `//# sourceURL=pg_durable-${version}.js`,
  ].join('\n');
  return { key, source };
}

/**
 * Bundles the command line, `entry`, to one executable ES module `outfile` that needs Node.js 20 and nothing else.
 * The first line of `entry`, `#!/usr/bin/env node`, becomes the first of the module.
 */
export async function bundleCommand(entry: string, outfile: string, root: string): Promise<void> {
  await esbuild.build({
    ...common(root),
    entryPoints: [entry], outfile, format: 'esm', platform: 'node', target: 'node20', external: ['pg-native'],
    // `pg` is CommonJS and asks for Node's own modules with require, which an ES module has to make for itself.
    banner: { js: 'import { createRequire as makeRequire } from "node:module";\nconst require = makeRequire(import.meta.url);' },
  });
  chmodSync(outfile, 0o755);
}

function common(root: string) {
  return {
    absWorkingDir: root, bundle: true, charset: 'ascii', legalComments: 'none', logLevel: 'silent',
    logOverride: {}, tsconfigRaw: '{}', plugins: [warningsAreErrors],
  } as const satisfies esbuild.BuildOptions;
}

const warningsAreErrors: esbuild.Plugin = {
  name: 'warnings-are-errors',
  setup(build) {
    build.onEnd((result) => ({ errors: result.warnings.map(({ text, location }) => ({ text, location })) }));
  },
};
