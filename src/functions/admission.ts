/** Who may have workflows run, and when: the checks that every way of starting one shares (semantics §2). */
import { DurableError } from '../graph/errors.ts';
import { booleanSetting } from '../db/settings.ts';
import { query } from '../db/statement.ts';

/** A role as the checks see it. `role` is its name as SQL writes it, quoted where needed. */
export interface Submitter {
  readonly role: string;
  readonly superuser: boolean;
}

const facts = query<{ role: string; login: boolean | null; superuser: boolean | null; database: boolean }>(`
  SELECT wanted.role::text AS role, r.rolcanlogin AS login, r.rolsuper AS superuser,
    $2 IS NULL OR EXISTS (SELECT FROM pg_database d WHERE d.datname = $2 AND d.datallowconn) AS database
  FROM (SELECT coalesce($1, quote_ident(current_user))::regrole) wanted(role) LEFT JOIN pg_roles r ON r.oid = wanted.role`,
  'text', 'text');
const readiness = query<{ version: number | null }>('SELECT (SELECT w.schema_version FROM _df._worker_ready w) AS version');

/**
 * Checks a role (as SQL writes it; null: the effective role of the caller). In this order: the database takes
 * connections, the role can log in, and it is no superuser unless pg_durable.enable_superuser_instances is on. Raises DurableError for the first that does not hold.
 */
export function checkSubmitter(wanted: string | null, database: string | null): Submitter {
  const { role, login, superuser, database: exists } = facts(wanted, database)[0]!;
  if (!exists) {
    throw new DurableError(`database "${database}" does not exist`, { code: '3D000', hint: 'Name a database of this cluster that accepts connections, or none.' });
  }
  if (login === null) throw new DurableError(`role ${role} no longer exists, so nothing can run as it`, { code: '42704' });
  if (!login) {
    throw new DurableError(`role ${role} cannot start workflows: it has no LOGIN, and steps run in sessions of their submitter`, {
      code: '42501', hint: `ALTER ROLE ${role} LOGIN, or start as a role that can log in.`,
    });
  }
  if (superuser === true && !booleanSetting('enable_superuser_instances')) {
    throw new DurableError(`superuser ${role} cannot start workflows while pg_durable.enable_superuser_instances is off`, {
      code: '42501', hint: 'Start as an ordinary role, or set pg_durable.enable_superuser_instances = on.',
    });
  }
  return { role, superuser: superuser === true };
}

/** Raises DurableError while the door is closed (surface §8). */
export function checkReady(): void {
  const { version } = readiness()[0]!;
  if (version !== null && version >= 1) return;
  throw new DurableError('pg_durable is not ready to start workflows', {
    code: '55000',
    detail: version === null ? '_df._worker_ready is empty.' : `_df._worker_ready.schema_version is ${version}, and at least 1 is needed.`,
    hint: `An operator has closed the door; it opens with ${version === null ? 'INSERT INTO _df._worker_ready (schema_version) VALUES (1)' : 'UPDATE _df._worker_ready SET schema_version = 1'}.`,
  });
}
