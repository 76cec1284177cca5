/**
 * A stand-in for the extension, so that the worker can be tested apart from the engine: the same names and shapes as the
 * protocol has, over one table of work. Each piece of work is one step that may last, and leaves a row that says who did it where.
 */
import type { Cluster } from '../support/cluster.ts';

const FAKE = `
SET allow_system_table_mods = on;
CREATE SCHEMA df; CREATE SCHEMA _df;
GRANT USAGE ON SCHEMA df, _df TO PUBLIC;
INSERT INTO pg_extension (oid, extname, extowner, extnamespace, extrelocatable, extversion)
  VALUES (99999, 'pg_durable', 10, 'df'::regnamespace, false, '0.2.4');

CREATE TABLE _df.work (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, role oid NOT NULL, due timestamptz NOT NULL DEFAULT clock_timestamp(),
  lasts float8 NOT NULL DEFAULT 0, failed text, leaves text);
CREATE INDEX ON _df.work (role, due);
CREATE TABLE _df.done (id bigint PRIMARY KEY, who name NOT NULL DEFAULT session_user, pid int NOT NULL DEFAULT pg_backend_pid(),
  due timestamptz NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), setting text DEFAULT current_setting('test.leak', true));
CREATE TABLE _df.calls (who name DEFAULT session_user, pid int DEFAULT pg_backend_pid(), at timestamptz DEFAULT clock_timestamp());
CREATE TABLE df._worker_epoch (epoch_id uuid PRIMARY KEY, started_at timestamptz DEFAULT now(), last_seen_at timestamptz DEFAULT now());
GRANT ALL ON ALL TABLES IN SCHEMA _df TO PUBLIC;

-- With no step wanted, it is what gets a session ready.
CREATE FUNCTION _df.claim(at double precision, most integer) RETURNS TABLE (state text) LANGUAGE sql AS $$ SELECT 'idle' WHERE most = 0 $$;

CREATE FUNCTION df.version() RETURNS text LANGUAGE sql AS $$ SELECT '0.2.4' $$;

CREATE PROCEDURE df.work(max_seconds double precision DEFAULT 10, max_steps integer DEFAULT 10000,
  INOUT steps bigint DEFAULT 0, INOUT next_due timestamptz DEFAULT NULL, INOUT more boolean DEFAULT false,
  dedicated boolean DEFAULT false) LANGUAGE plpgsql AS $$
DECLARE
  until timestamptz := clock_timestamp() + make_interval(secs => max_seconds);
  look timestamptz;
  me oid := (SELECT oid FROM pg_roles WHERE rolname = session_user); w _df.work;
BEGIN
  steps := 0; more := false;
  INSERT INTO _df.calls DEFAULT VALUES; COMMIT;
  LOOP
    look := clock_timestamp();
    SELECT * INTO w FROM _df.work x WHERE x.role = me AND x.failed IS NULL AND x.due <= look
      ORDER BY x.due, x.id LIMIT 1 FOR UPDATE SKIP LOCKED;
    EXIT WHEN w.id IS NULL;
    IF clock_timestamp() > until OR steps >= max_steps THEN more := true; EXIT; END IF;
    INSERT INTO _df.done (id, due) VALUES (w.id, w.due);
    IF w.leaves IS NOT NULL THEN EXECUTE w.leaves; END IF;
    PERFORM pg_sleep(w.lasts);
    DELETE FROM _df.work x WHERE x.id = w.id;
    steps := steps + 1;
    COMMIT;
  END LOOP;
  ROLLBACK;
  SELECT min(x.due) INTO next_due FROM _df.work x WHERE x.role = me AND x.failed IS NULL AND x.due > look;
END $$;

CREATE FUNCTION _df.agenda() RETURNS TABLE (role_oid oid, role_name text, can_login boolean, due boolean, external_due boolean, next_due timestamptz)
LANGUAGE sql AS $$
  SELECT w.role, r.rolname::text, r.rolcanlogin, bool_or(w.due <= clock_timestamp()), false, min(w.due) FILTER (WHERE w.due > clock_timestamp())
    FROM _df.work w LEFT JOIN pg_roles r ON r.oid = w.role WHERE w.failed IS NULL GROUP BY 1, 2, 3
$$;
CREATE FUNCTION _df.fail_role(role_oid oid, message text, due_before timestamptz DEFAULT NULL) RETURNS bigint LANGUAGE sql AS $$
  WITH gone AS (
    UPDATE _df.work SET failed = message WHERE id IN (
      SELECT id FROM _df.work WHERE role = role_oid AND failed IS NULL AND due <= coalesce(due_before, clock_timestamp()) FOR UPDATE SKIP LOCKED)
    RETURNING 1)
  SELECT count(*) FROM gone
$$;
CREATE FUNCTION _df.heartbeat(epoch uuid, worker text) RETURNS void LANGUAGE sql AS $$
  INSERT INTO df._worker_epoch (epoch_id) VALUES (epoch) ON CONFLICT (epoch_id) DO UPDATE SET last_seen_at = clock_timestamp()
$$;
CREATE FUNCTION _df.retire(epoch uuid) RETURNS void LANGUAGE sql AS $$ DELETE FROM df._worker_epoch WHERE epoch_id = epoch $$;
CREATE TABLE _df.old (id int);
CREATE FUNCTION _df.sweep_retention() RETURNS bigint LANGUAGE sql AS $$
  WITH batch AS (DELETE FROM _df.old WHERE id IN (SELECT id FROM _df.old LIMIT 10) RETURNING 1) SELECT count(*) FROM batch
$$;
`;

/** Takes the stand-in away, as DROP EXTENSION would. */
export const DROP_FAKE = `
SET allow_system_table_mods = on; DELETE FROM pg_extension WHERE extname = 'pg_durable'; DROP SCHEMA df, _df CASCADE`;

/** Puts the stand-in into a database. */
export async function installFakeEngine(cluster: Cluster, database: string): Promise<void> {
  await cluster.query(FAKE, database);
}

/** SQL that queues pieces of work for a role and notifies, as a commit of df.start would. */
export function startSql(role: string, options: { count?: number; lasts?: number; dueIn?: string; leaves?: string; notify?: boolean } = {}): string {
  const { count = 1, lasts = 0, dueIn = '0', leaves, notify = true } = options;
  const oid = `'"${role.replaceAll('"', '""')}"'::regrole::oid`;
  return `INSERT INTO _df.work (role, lasts, due, leaves)
            SELECT ${oid}, ${lasts}, clock_timestamp() + '${dueIn}'::interval, ${leaves === undefined ? 'NULL' : `$leaves$${leaves}$leaves$`}
              FROM generate_series(1, ${count});
          ${notify ? `SELECT pg_notify('pg_durable', (${oid})::text);` : ''}`;
}
