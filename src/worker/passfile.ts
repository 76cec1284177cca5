/**
 * Finds a password the way PostgreSQL's own clients do: in the password file, line by line
 * `host:port:database:user:password`, `*` for any, `\:` and `\\` for the characters themselves, the first match wins.
 */
import { readFile, stat } from 'node:fs/promises';

export interface PasswordKey {
  readonly host: string;
  readonly port: number;
  readonly database: string;
  readonly user: string;
}

/**
 * Reads the password file.
 * @returns the password, or null when there is no file or no matching line
 * @throws Error when the file can be read by others (it is then not used, as PostgreSQL's clients do) or cannot be read
 */
export async function findPassword(path: string, key: PasswordKey): Promise<string | null> {
  let text: string;
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0) throw new Error(`password file "${path}" is open to others: chmod 0600 it`);
    text = await readFile(path, 'utf8');
  } catch (error) {
    if ((error as { code?: unknown }).code === 'ENOENT') return null;
    throw error;
  }
  return matchPassword(text, key);
}

/** The password for `key` in the text of a password file, or null. A socket's host also matches `localhost`. */
export function matchPassword(text: string, key: PasswordKey): string | null {
  const hosts = key.host.startsWith('/') ? [key.host, 'localhost'] : [key.host];
  for (const line of text.split(/\r?\n/)) {
    if (line === '' || line.startsWith('#')) continue;
    const fields = splitFields(line);
    const [host = '', port = '', database = '', user = ''] = fields;
    const password = fields[4];
    if (password === undefined) continue;
    const fits = (pattern: string, values: readonly string[]): boolean => pattern === '*' || values.includes(pattern);
    if (fits(host, hosts) && fits(port, [String(key.port)]) && fits(database, [key.database]) && fits(user, [key.user])) {
      return password;
    }
  }
  return null;
}

/** Splits at the first four bare colons; the password keeps any that follow. */
function splitFields(line: string): string[] {
  const fields: string[] = [];
  let field = '';
  for (let i = 0; i < line.length; i += 1) {
    const char = line[i];
    if (char === '\\' && i + 1 < line.length) {
      i += 1;
      field += line[i];
    } else if (char === ':' && fields.length < 4) {
      fields.push(field);
      field = '';
    } else {
      field += char;
    }
  }
  fields.push(field);
  return fields;
}
