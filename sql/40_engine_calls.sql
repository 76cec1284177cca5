-- Whether a row version was written by the transaction that asks. A row that is visible and whose writer is still
-- in progress can only be one's own, so this proves that the caller passed the row-level security of its table.
CREATE FUNCTION _df.written_here(writer xid) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    mine  bigint := pg_current_xact_id()::text::bigint;
    delta bigint := (writer::text::bigint - mine) & 4294967295;
BEGIN
    IF delta > 2147483647 THEN delta := delta - 4294967296; END IF;
    IF mine + delta < 3 THEN RETURN false; END IF;
    RETURN coalesce(pg_xact_status((mine + delta)::text::xid8) = 'in progress', false);
END $$;
COMMENT ON FUNCTION _df.written_here(xid) IS 'True when the row version with this xmin was written by the present transaction.';
REVOKE EXECUTE ON FUNCTION _df.written_here(xid) FROM PUBLIC;

CREATE FUNCTION _df.enroll(p_instance text, p_graph text, p_node_ids text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    i record;
BEGIN
    SELECT n.id, n.submitted_by, n.label, n.database, n.xmin INTO i FROM df.instances n WHERE n.id = p_instance;
    IF NOT FOUND OR NOT _df.written_here(i.xmin) THEN
        RAISE EXCEPTION 'instance % was not created by this transaction', p_instance
            USING ERRCODE = 'insufficient_privilege', HINT = 'Start workflows with df.start().';
    END IF;
    INSERT INTO _df.runs (instance_id, role, database, label, graph, node_ids, variables)
    SELECT i.id, i.submitted_by, nullif(i.database, current_database()), i.label, p_graph, p_node_ids,
           coalesce((SELECT json_object_agg(v.name, v.value)::text FROM _df.variables v WHERE v.owner = i.submitted_by), '{}');
    INSERT INTO _df.branches (instance_id, branch, role, lane, due_at, scope)
    VALUES (i.id, '', i.submitted_by, hashtext(i.id) & 31, clock_timestamp(), i.id);
    PERFORM pg_notify('pg_durable', i.submitted_by::oid::text);
END $$;
COMMENT ON FUNCTION _df.enroll(text, text, text) IS 'Gives an instance that this transaction created to the engine: its graph, its node ids in program order, and the variables of its submitter as they are now.';

CREATE FUNCTION _df.keep_signal(p_instance text, p_name text, p_data text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    woken record;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM df.instances i WHERE i.id = p_instance AND _df.written_here(i.xmin)) THEN
        RAISE EXCEPTION 'instance % not found or access denied', p_instance
            USING ERRCODE = 'insufficient_privilege', HINT = 'Send signals with df.signal().';
    END IF;
    INSERT INTO _df.signals (instance_id, name, data) VALUES (p_instance, p_name, p_data);
    -- A branch that is locked may be being moved by a session which looks for signals once it gets the instance's lock.
    -- Several may wait for one name; notifications that say the same are sent once.
    FOR woken IN
        UPDATE _df.branches b SET due_at = clock_timestamp()
        FROM (SELECT w.ctid FROM _df.branches w
              WHERE w.instance_id = p_instance AND w.waiting = p_name FOR UPDATE SKIP LOCKED) w
        WHERE b.ctid = w.ctid AND b.instance_id = p_instance
        RETURNING b.role
    LOOP
        PERFORM pg_notify('pg_durable', woken.role::text);
    END LOOP;
    -- A search for work locks rows that it finds changed, and does not move them: such a branch would go on waiting.
    INSERT INTO _df.revisits AS v (instance_id, role)
    SELECT DISTINCT b.instance_id, b.role FROM _df.branches b
    WHERE b.instance_id = p_instance AND b.waiting = p_name AND (b.due_at IS NULL OR b.due_at > clock_timestamp())
    ON CONFLICT (instance_id) DO UPDATE SET role = v.role
    RETURNING v.role INTO woken;
    IF FOUND THEN PERFORM pg_notify('pg_durable', woken.role::text); END IF;
END $$;
COMMENT ON FUNCTION _df.keep_signal(text, text, text) IS 'Stores a signal for an instance that this transaction has locked by updating it, and wakes the branches that wait for it.';

CREATE FUNCTION _df.end_cancelled(p_instance text, p_reason text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM df.instances i
                   WHERE i.id = p_instance AND i.status = 'cancelled' AND _df.written_here(i.xmin)) THEN
        RAISE EXCEPTION 'instance % not found or access denied', p_instance
            USING ERRCODE = 'insufficient_privilege', HINT = 'Cancel with df.cancel().';
    END IF;
    UPDATE _df.runs SET output = p_reason WHERE instance_id = p_instance;
    -- A branch whose step runs right now is locked; its session sees the cancellation and lets go.
    DELETE FROM _df.branches b USING (SELECT l.ctid FROM _df.branches l WHERE l.instance_id = p_instance
                                      FOR UPDATE SKIP LOCKED) l
    WHERE b.ctid = l.ctid AND b.instance_id = p_instance;
    -- What is due comes up by itself and is let go then.
    INSERT INTO _df.revisits AS v (instance_id, role)
    SELECT DISTINCT b.instance_id, b.role FROM _df.branches b
    WHERE b.instance_id = p_instance AND (b.due_at IS NULL OR b.due_at > clock_timestamp())
    ON CONFLICT (instance_id) DO UPDATE SET role = v.role;
    DELETE FROM _df.names WHERE instance_id = p_instance;
    DELETE FROM _df.signals WHERE instance_id = p_instance;
END $$;
COMMENT ON FUNCTION _df.end_cancelled(text, text) IS 'Takes an instance that this transaction cancelled out of the engine and keeps the reason.';

CREATE FUNCTION _df.revisit(p_role oid) RETURNS boolean
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    visited  varchar(8);
    over     boolean;
    changed  integer;
    outcome  boolean;
BEGIN
    -- Whoever adds to a visit waits for this lock and then adds it anew; what is being added is left for the next time.
    FOR visited IN SELECT v.instance_id FROM _df.revisits v WHERE v.role = p_role LIMIT 100 FOR UPDATE SKIP LOCKED LOOP
        over := NOT EXISTS (SELECT FROM df.instances i WHERE i.id = visited AND i.status IN ('pending', 'running'));
        IF over THEN
            DELETE FROM _df.branches b USING (SELECT l.ctid FROM _df.branches l WHERE l.instance_id = visited FOR UPDATE SKIP LOCKED) l
            WHERE b.ctid = l.ctid AND b.instance_id = visited;
        ELSE
            UPDATE _df.branches b SET due_at = clock_timestamp()
            FROM (SELECT l.ctid FROM _df.branches l
                  WHERE l.instance_id = visited AND (l.due_at IS NULL OR l.due_at > clock_timestamp())
                      AND EXISTS (SELECT FROM _df.signals s WHERE s.instance_id = visited AND s.name = l.waiting)
                  FOR UPDATE SKIP LOCKED) l
            WHERE b.ctid = l.ctid AND b.instance_id = visited;
        END IF;
        GET DIAGNOSTICS changed = ROW_COUNT;
        IF changed > 0 OR outcome IS NULL THEN outcome := changed > 0; END IF;
        DELETE FROM _df.revisits v WHERE v.instance_id = visited AND NOT EXISTS (
            SELECT FROM _df.branches b WHERE b.instance_id = visited AND (b.due_at IS NULL OR b.due_at > clock_timestamp())
                AND (over OR EXISTS (SELECT FROM _df.signals s WHERE s.instance_id = visited AND s.name = b.waiting)));
    END LOOP;
    RETURN outcome;
END $$;
COMMENT ON FUNCTION _df.revisit(oid) IS 'Wakes the branches of a role that were locked when a signal came for them, and takes away those that were locked when their instance was cancelled. True: some were; false: they are locked still; NULL: there is nothing to do.';
REVOKE EXECUTE ON FUNCTION _df.revisit(oid) FROM PUBLIC;

-- Deleting an instance, as retention and superusers do, takes its engine state along.
CREATE FUNCTION _df.forget() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM _df.branches b USING gone g WHERE b.instance_id = g.id;
    DELETE FROM _df.names n USING gone g WHERE n.instance_id = g.id;
    DELETE FROM _df.signals s USING gone g WHERE s.instance_id = g.id;
    DELETE FROM _df.rounds r USING gone g WHERE r.instance_id = g.id;
    DELETE FROM _df.revisits v USING gone g WHERE v.instance_id = g.id;
    DELETE FROM _df.runs r USING gone g WHERE r.instance_id = g.id;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION _df.forget() IS 'Trigger: deletes the engine state of deleted instances.';
REVOKE EXECUTE ON FUNCTION _df.forget() FROM PUBLIC;

-- Keeps _df.variables as df.vars is.
CREATE FUNCTION _df.copy_variable() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF TG_OP = 'TRUNCATE' THEN
        DELETE FROM _df.variables;
        RETURN NULL;
    END IF;
    IF TG_OP IN ('UPDATE', 'DELETE') THEN
        DELETE FROM _df.variables v WHERE v.owner = OLD.owner AND v.name = OLD.name;
    END IF;
    IF TG_OP IN ('INSERT', 'UPDATE') THEN
        INSERT INTO _df.variables (owner, name, value) VALUES (NEW.owner, NEW.name, NEW.value);
    END IF;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION _df.copy_variable() IS 'Trigger: writes a change of df.vars to _df.variables too.';
REVOKE EXECUTE ON FUNCTION _df.copy_variable() FROM PUBLIC;

-- The types of a row's columns, as OIDs with commas between, from the row's binary form: a field count of four
-- bytes, then per field its type OID, its length (-1 for NULL) and its bytes.
CREATE FUNCTION _df.column_types(sent bytea) RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    fields  integer := (get_byte(sent, 2) << 8) + get_byte(sent, 3);
    at      integer := 4;
    size    integer;
    types   text := '';
BEGIN
    FOR field IN 1..fields LOOP
        types := types || CASE WHEN field > 1 THEN ',' ELSE '' END
            || ((get_byte(sent, at)::bigint << 24) + (get_byte(sent, at + 1) << 16)
                + (get_byte(sent, at + 2) << 8) + get_byte(sent, at + 3))::text;
        size := (get_byte(sent, at + 4) << 24) + (get_byte(sent, at + 5) << 16)
            + (get_byte(sent, at + 6) << 8) + get_byte(sent, at + 7);
        at := at + 8 + greatest(size, 0);
    END LOOP;
    RETURN types;
END $$;
COMMENT ON FUNCTION _df.column_types(bytea) IS 'Type OIDs of a row''s columns with commas between, from pg_catalog.record_send(row).';
