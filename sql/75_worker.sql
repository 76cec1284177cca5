-- What the worker asks and tells. Its own role needs EXECUTE on these, on _df.sweep_retention and on the calls for HTTP
-- steps, and no more; the owner has it.

CREATE FUNCTION _df.is_claimed(locker xid) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    next   bigint := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
    behind bigint := (next - locker::text::bigint) & 4294967295;
BEGIN
    IF locker::text = '0' THEN RETURN false; END IF;
    -- It began after this snapshot was taken.
    IF behind = 0 OR behind > 2147483647 THEN RETURN true; END IF;
    IF next - behind < 3 THEN RETURN false; END IF;
    RETURN coalesce(pg_xact_status((next - behind)::text::xid8) = 'in progress', false);
END $$;
COMMENT ON FUNCTION _df.is_claimed(xid) IS 'True when the row with this xmax is locked by a transaction that is running: somebody is at its step. Asked without touching the row.';
REVOKE EXECUTE ON FUNCTION _df.is_claimed(xid) FROM PUBLIC;

CREATE FUNCTION _df.agenda()
RETURNS TABLE (role_oid oid, role_name text, can_login boolean, due boolean, external_due boolean, next_due timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
SET enable_seqscan = off SET jit = off -- compiling the plan would take ten times as long as running it; see pace
AS $$
    WITH RECURSIVE roles(role) AS (
        (SELECT b.role FROM _df.branches b WHERE b.due_at IS NOT NULL AND NOT b.external ORDER BY b.role LIMIT 1)
        UNION ALL
        SELECT (SELECT b.role FROM _df.branches b WHERE b.role > r.role AND b.due_at IS NOT NULL AND NOT b.external
                ORDER BY b.role LIMIT 1)
        FROM roles r WHERE r.role IS NOT NULL),
    external_roles(role) AS (
        (SELECT b.role FROM _df.branches b WHERE b.external ORDER BY b.role LIMIT 1)
        UNION ALL
        SELECT (SELECT b.role FROM _df.branches b WHERE b.role > r.role AND b.external ORDER BY b.role LIMIT 1)
        FROM external_roles r WHERE r.role IS NOT NULL),
    revisits(role) AS (SELECT DISTINCT v.role FROM _df.revisits v)
    SELECT a.role, g.rolname::text, coalesce(g.rolcanlogin, false),
        EXISTS (SELECT FROM generate_series(0, 31) l(n), LATERAL (
            SELECT FROM _df.branches b WHERE b.role = a.role AND b.lane = l.n::int2 AND NOT b.external
                AND b.due_at <= clock_timestamp_now.at AND NOT _df.is_claimed(b.xmax) LIMIT 1) d)
            OR a.role IN (SELECT v.role FROM revisits v),
        EXISTS (SELECT FROM _df.branches b WHERE b.role = a.role AND b.external AND b.phase = 'external' AND b.due_at <= clock_timestamp_now.at
            AND NOT _df.is_claimed(b.xmax)),
        (SELECT min(d.due_at) FROM generate_series(0, 31) l(n), LATERAL (
            SELECT b.due_at FROM _df.branches b WHERE b.role = a.role AND b.lane = l.n::int2 AND NOT b.external
                AND b.due_at > clock_timestamp_now.at ORDER BY b.due_at LIMIT 1) d)
    FROM (SELECT r.role FROM roles r WHERE r.role IS NOT NULL UNION SELECT x.role FROM external_roles x WHERE x.role IS NOT NULL
        UNION SELECT v.role FROM revisits v) a
    CROSS JOIN (SELECT clock_timestamp() AS at) clock_timestamp_now
    LEFT JOIN pg_roles g ON g.oid = a.role
$$;
COMMENT ON FUNCTION _df.agenda() IS 'One row per role that has work: whether some that nobody is at is due here (due) or on a connection of its own (external_due), and when the next timer is. role_name is NULL when the role is gone.';
REVOKE EXECUTE ON FUNCTION _df.agenda() FROM PUBLIC;

CREATE FUNCTION _df.heartbeat(epoch uuid, worker text DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    -- Older workers, which do not say their version, would run SQL steps and leave the others where they are for ever.
    -- At this SQLSTATE they stop and repeat the message.
    IF coalesce(string_to_array(substring(worker FROM '^[0-9]+[.][0-9]+[.][0-9]+'), '.')::integer[] < ARRAY[0, 2, 4], true) THEN
        RAISE EXCEPTION 'pg_durable % needs a worker of version 0.2.4 or later, and this one is %', df.version(), coalesce(worker, 'older')
            USING ERRCODE = 'insufficient_privilege', HINT = 'Start the pg-durable worker of the release that is installed.';
    END IF;
    DELETE FROM df._worker_epoch w WHERE w.last_seen_at < clock_timestamp() - interval '60 seconds' AND w.epoch_id <> epoch;
    INSERT INTO df._worker_epoch (epoch_id, started_at, last_seen_at) VALUES (epoch, clock_timestamp(), clock_timestamp())
    ON CONFLICT (epoch_id) DO UPDATE SET last_seen_at = excluded.last_seen_at;
END $$;
COMMENT ON FUNCTION _df.heartbeat(uuid, text) IS 'Says that the worker with this epoch and version is alive, and forgets workers unseen for 60 s. Error: a worker that is too old to do all of the work here.';
REVOKE EXECUTE ON FUNCTION _df.heartbeat(uuid, text) FROM PUBLIC;

CREATE FUNCTION _df.retire(epoch uuid) RETURNS void
LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ DELETE FROM df._worker_epoch w WHERE w.epoch_id = epoch $$;
COMMENT ON FUNCTION _df.retire(uuid) IS 'Says that the worker with this epoch has stopped.';
REVOKE EXECUTE ON FUNCTION _df.retire(uuid) FROM PUBLIC;
