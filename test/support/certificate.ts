import type { ExecutionContext } from 'ava';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

/** A self-signed certificate for a name, gone when the test ends; `file` holds it for NODE_EXTRA_CA_CERTS. */
export function certificate(t: ExecutionContext, name: string): { key: string; cert: string; file: string } {
  const directory = mkdtempSync(path.join(tmpdir(), 'pg-durable-tls-'));
  t.teardown(() => rmSync(directory, { recursive: true }));
  const [key, file] = [path.join(directory, 'key'), path.join(directory, 'cert')];
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', '-subj', `/CN=${name}`,
    '-addext', `subjectAltName=DNS:${name}`, '-keyout', key, '-out', file], { stdio: 'ignore' });
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(file, 'utf8'), file };
}
