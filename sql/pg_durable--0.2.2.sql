-- pg_durable 0.2.2
\echo Use "CREATE EXTENSION pg_durable" to load this file. \quit

-- ============================================================================
-- schemas
-- ============================================================================
-- How a workflow flows through this schema
--
--   df.start(graph)           validates the graph, claims an instance id and its node ids, and writes
--                             df.instances, df.nodes (what users see) and, through _df.enroll, _df.runs
--                             (graph, ids and variables as they were at the start) and the root branch.
--   _df.branches              one row per thread of control: where it is, when it may go on, what it waits for.
--   CALL df.work()            in a session of the submitter: _df.claim locks due branches and says which SQL to
--                             run, the procedure runs it, _df.finish records results and moves the branches on;
--                             then COMMIT, so that a step's effects and its checkpoint are one transaction.
--   _df.names, _df.signals    named results per branch; signals that no wait has consumed yet.
--   _df.rounds                what ended rounds of a root loop left behind, for df.instance_executions.
--
-- The liveness of a step is the lock on its branch row: a session that dies frees it, nothing has to expire.
-- Every table of engine state starts its primary key with instance_id.

CREATE SCHEMA df;
COMMENT ON SCHEMA df IS 'pg_durable: durable workflows written in SQL. The public surface.';
CREATE SCHEMA _df;
COMMENT ON SCHEMA _df IS 'pg_durable: engine state and engine calls. Private; everything in it checks its caller.';
-- The functions of df run as their callers and reach the engine by name, so the name must be reachable.
GRANT USAGE ON SCHEMA _df TO PUBLIC;

-- ============================================================================
-- tables
-- ============================================================================
CREATE TABLE df.instances (
    id            varchar(8)  PRIMARY KEY,
    label         text,
    root_node     varchar(8)  NOT NULL,
    status        text        DEFAULT 'pending',
    submitted_by  regrole     NOT NULL,
    database      text,
    created_at    timestamptz DEFAULT pg_catalog.now(),
    updated_at    timestamptz DEFAULT pg_catalog.now(),
    completed_at  timestamptz
) WITH (fillfactor = 70);
COMMENT ON TABLE df.instances IS 'One row per workflow instance. Rows are visible to the role that submitted them.';
COMMENT ON COLUMN df.instances.status IS 'pending, running, completed, failed or cancelled; the last three never change again.';
COMMENT ON COLUMN df.instances.submitted_by IS 'The role whose identity and privileges every step has.';
COMMENT ON COLUMN df.instances.completed_at IS 'Set when the instance completed, and only then.';

CREATE TABLE df.nodes (
    id            varchar(8)  NOT NULL PRIMARY KEY,
    instance_id   varchar(8),
    node_type     text        NOT NULL,
    query         text,
    result_name   text,
    left_node     varchar(8),
    right_node    varchar(8),
    status        text        DEFAULT 'pending',
    result        jsonb,
    error         text,
    submitted_by  regrole,
    database      text,
    created_at    timestamptz DEFAULT pg_catalog.now(),
    updated_at    timestamptz DEFAULT pg_catalog.now()
) WITH (fillfactor = 60);
COMMENT ON TABLE df.nodes IS 'The nodes of every instance''s graph, with their status and result.';
COMMENT ON COLUMN df.nodes.query IS 'SQL text of a SQL node; configuration as JSON of the others. Child ids beyond left and right stand here as condition_node and extra_nodes.';
COMMENT ON COLUMN df.nodes.result IS 'The node''s result once it completed; the message as a JSON string once it failed.';

CREATE TABLE df.vars (
    name   text    NOT NULL,
    value  text,
    owner  regrole NOT NULL DEFAULT pg_catalog.quote_ident(CURRENT_USER)::pg_catalog.regrole,
    PRIMARY KEY (owner, name)
);
COMMENT ON TABLE df.vars IS 'Workflow variables by owner. df.start captures the caller''s own.';

CREATE TABLE df._worker_epoch (
    epoch_id      uuid        PRIMARY KEY,
    started_at    timestamptz DEFAULT pg_catalog.now(),
    last_seen_at  timestamptz DEFAULT pg_catalog.now()
);
COMMENT ON TABLE df._worker_epoch IS 'One row per live worker, refreshed about every 5 s.';

-- The checks are not valid on purpose: they hold for every row written from now on, and adding them to a large
-- table does not read it.
ALTER TABLE df.instances
    ADD CONSTRAINT instances_id_format_chk CHECK (id OPERATOR(pg_catalog.~) '^[0-9a-f]{8}$') NOT VALID,
    ADD CONSTRAINT instances_root_node_format_chk CHECK (root_node OPERATOR(pg_catalog.~) '^[0-9a-f]{8}$') NOT VALID,
    ADD CONSTRAINT instances_status_chk CHECK (status IN ('pending', 'running', 'completed', 'failed', 'cancelled')) NOT VALID,
    ADD CONSTRAINT instances_identity_key UNIQUE (id, submitted_by);

CREATE UNIQUE INDEX nodes_instance_node_key ON df.nodes (instance_id, id);

ALTER TABLE df.nodes
    ADD CONSTRAINT nodes_instance_id_present_chk CHECK (instance_id IS NOT NULL) NOT VALID,
    ADD CONSTRAINT nodes_submitted_by_present_chk CHECK (submitted_by IS NOT NULL) NOT VALID,
    ADD CONSTRAINT nodes_id_format_chk CHECK (id OPERATOR(pg_catalog.~) '^[0-9a-f]{8}$') NOT VALID,
    ADD CONSTRAINT nodes_instance_id_format_chk CHECK (instance_id OPERATOR(pg_catalog.~) '^[0-9a-f]{8}$') NOT VALID,
    ADD CONSTRAINT nodes_left_node_format_chk CHECK (left_node OPERATOR(pg_catalog.~) '^[0-9a-f]{8}$') NOT VALID,
    ADD CONSTRAINT nodes_right_node_format_chk CHECK (right_node OPERATOR(pg_catalog.~) '^[0-9a-f]{8}$') NOT VALID,
    ADD CONSTRAINT nodes_node_type_chk CHECK (node_type IN ('SQL', 'THEN', 'IF', 'JOIN', 'LOOP', 'BREAK', 'RACE',
        'SLEEP', 'WAIT_SCHEDULE', 'HTTP', 'HTTP_MULTIPART', 'SIGNAL')) NOT VALID,
    ADD CONSTRAINT nodes_result_name_chk CHECK (result_name IS NULL
        OR result_name OPERATOR(pg_catalog.~) '^[A-Za-z_][A-Za-z0-9_]*$') NOT VALID,
    ADD CONSTRAINT nodes_status_chk CHECK (status IN ('pending', 'running', 'completed', 'failed')) NOT VALID,
    ADD CONSTRAINT nodes_result_status_chk CHECK (result IS NULL OR status IN ('completed', 'failed')) NOT VALID,
    ADD CONSTRAINT nodes_structure_chk CHECK (CASE
        WHEN node_type IN ('SQL', 'BREAK', 'SLEEP', 'WAIT_SCHEDULE', 'HTTP', 'HTTP_MULTIPART', 'SIGNAL')
            THEN left_node IS NULL AND right_node IS NULL AND query IS NOT NULL
        WHEN node_type IN ('THEN', 'RACE')
            THEN left_node IS NOT NULL AND right_node IS NOT NULL AND query IS NULL
        WHEN node_type OPERATOR(pg_catalog.=) 'IF'
            THEN left_node IS NOT NULL AND right_node IS NOT NULL AND query IS NOT NULL
        WHEN node_type OPERATOR(pg_catalog.=) 'LOOP' THEN left_node IS NOT NULL AND right_node IS NULL
        WHEN node_type OPERATOR(pg_catalog.=) 'JOIN' THEN left_node IS NOT NULL AND right_node IS NOT NULL
        ELSE true END) NOT VALID,
    ADD CONSTRAINT nodes_instance_identity_fkey FOREIGN KEY (instance_id, submitted_by)
        REFERENCES df.instances (id, submitted_by) DEFERRABLE INITIALLY DEFERRED NOT VALID,
    ADD CONSTRAINT nodes_left_node_same_instance_fkey FOREIGN KEY (instance_id, left_node)
        REFERENCES df.nodes (instance_id, id) DEFERRABLE INITIALLY DEFERRED NOT VALID,
    ADD CONSTRAINT nodes_right_node_same_instance_fkey FOREIGN KEY (instance_id, right_node)
        REFERENCES df.nodes (instance_id, id) DEFERRABLE INITIALLY DEFERRED NOT VALID;

ALTER TABLE df.instances
    ADD CONSTRAINT instances_root_node_same_instance_fkey FOREIGN KEY (id, root_node)
        REFERENCES df.nodes (instance_id, id) DEFERRABLE INITIALLY DEFERRED NOT VALID;

CREATE INDEX idx_nodes_instance ON df.nodes (instance_id);

-- A role sees its own rows. Superusers and the owner see all.
ALTER TABLE df.instances ENABLE ROW LEVEL SECURITY;
CREATE POLICY instances_user_isolation ON df.instances
    USING (submitted_by OPERATOR(pg_catalog.=) (pg_catalog.quote_ident(CURRENT_USER)::pg_catalog.regrole))
    WITH CHECK (submitted_by OPERATOR(pg_catalog.=) (pg_catalog.quote_ident(CURRENT_USER)::pg_catalog.regrole));
ALTER TABLE df.nodes ENABLE ROW LEVEL SECURITY;
CREATE POLICY nodes_user_isolation ON df.nodes
    USING (submitted_by OPERATOR(pg_catalog.=) (pg_catalog.quote_ident(CURRENT_USER)::pg_catalog.regrole))
    WITH CHECK (submitted_by OPERATOR(pg_catalog.=) (pg_catalog.quote_ident(CURRENT_USER)::pg_catalog.regrole));
ALTER TABLE df.vars ENABLE ROW LEVEL SECURITY;
CREATE POLICY vars_user_isolation ON df.vars
    USING (owner OPERATOR(pg_catalog.=) (pg_catalog.quote_ident(CURRENT_USER)::pg_catalog.regrole))
    WITH CHECK (owner OPERATOR(pg_catalog.=) (pg_catalog.quote_ident(CURRENT_USER)::pg_catalog.regrole));

-- ============================================================================
-- engine tables
-- ============================================================================
CREATE TABLE _df._worker_ready (
    sentinel        boolean     PRIMARY KEY DEFAULT true CHECK (sentinel),
    schema_version  integer     NOT NULL,
    initialized_at  timestamptz DEFAULT pg_catalog.now()
);
COMMENT ON TABLE _df._worker_ready IS 'One row: the format of the engine''s state. df.start refuses without it, or when schema_version is below 1.';
INSERT INTO _df._worker_ready (schema_version) VALUES (1);
GRANT SELECT ON _df._worker_ready TO PUBLIC;

CREATE TABLE _df.runs (
    instance_id  varchar(8) PRIMARY KEY,
    role         oid        NOT NULL,
    database     text,
    label        text,
    graph        text       NOT NULL,
    node_ids     text       NOT NULL,
    variables    text       NOT NULL,
    generation   bigint     NOT NULL DEFAULT 1,
    began_at     timestamptz,
    output       text
) WITH (fillfactor = 90);
COMMENT ON TABLE _df.runs IS 'What is fixed when an instance starts (role, database, label, graph, node ids in program order, captured variables), and what it says when it ends. Later changes of df.instances and df.nodes do not reach it.';
COMMENT ON COLUMN _df.runs.generation IS 'Generation of the root scope: the round of a root loop, else 1.';
COMMENT ON COLUMN _df.runs.began_at IS 'When this generation began; NULL in the first.';
COMMENT ON COLUMN _df.runs.output IS 'Error of a failed instance, reason of a cancelled one.';

CREATE TABLE _df.branches (
    instance_id   varchar(8)  NOT NULL,
    branch        text        NOT NULL,
    role          oid         NOT NULL,
    lane          smallint    NOT NULL,
    due_at        timestamptz,
    external      boolean     NOT NULL DEFAULT false,
    parent        text,
    fork          integer,
    root          integer     NOT NULL DEFAULT 0,
    pc            integer     NOT NULL DEFAULT 0,
    phase         text        NOT NULL DEFAULT 'start',
    scope         text        NOT NULL,
    frames        text        NOT NULL DEFAULT '[]',
    forks         integer     NOT NULL DEFAULT 0,
    waiting       text,
    expires_at    timestamptz,
    outcome_kind  text,
    outcome       text,
    attempts      integer     NOT NULL DEFAULT 0,
    seq           integer     NOT NULL DEFAULT 1,
    PRIMARY KEY (instance_id, branch)
) WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05);
COMMENT ON TABLE _df.branches IS 'One row per thread of control of a live instance: where it is, when it may go on, what it waits for. The lock on the row is the claim on its step. An instance that ended has none.';
COMMENT ON COLUMN _df.branches.branch IS 'Path of the branch: empty for the root, <parent path>.<fork number>.<slot> for a branch of a JOIN or RACE.';
COMMENT ON COLUMN _df.branches.lane IS 'One of 32, by instance id: sessions start looking for work in different lanes.';
COMMENT ON COLUMN _df.branches.due_at IS 'When it may go on. Stays as it is from step to step, so that moving a branch changes no index. NULL: not by itself.';
COMMENT ON COLUMN _df.branches.external IS 'The worker has to run the step: HTTP, a statement that needs autocommit, another database.';
COMMENT ON COLUMN _df.branches.pc IS 'Index of the node at which it is, in program order.';
COMMENT ON COLUMN _df.branches.frames IS 'The loops it is inside of, outermost first, as JSON.';
COMMENT ON COLUMN _df.branches.waiting IS 'Name of the signal it waits for, until expires_at.';
COMMENT ON COLUMN _df.branches.seq IS 'Version of the row; a write that expects another one is refused.';
CREATE INDEX branches_due ON _df.branches (role, lane, due_at) WHERE due_at IS NOT NULL AND NOT external;
CREATE INDEX branches_external ON _df.branches (role, due_at) WHERE external;

CREATE TABLE _df.names (
    instance_id  varchar(8) NOT NULL,
    branch       text       NOT NULL,
    name         text       NOT NULL,
    value        text       NOT NULL,
    PRIMARY KEY (instance_id, branch, name)
);
COMMENT ON TABLE _df.names IS 'Named results as each branch knows them, as the exact JSON text that $name gives.';

CREATE TABLE _df.signals (
    instance_id  varchar(8) NOT NULL,
    id           bigint     NOT NULL GENERATED ALWAYS AS IDENTITY,
    name         text       NOT NULL,
    data         text       NOT NULL,
    PRIMARY KEY (instance_id, id)
);
COMMENT ON TABLE _df.signals IS 'Signals that no wait has consumed yet, data as JSON text.';

CREATE TABLE _df.rounds (
    instance_id  varchar(8)  NOT NULL,
    generation   bigint      NOT NULL,
    began_at     timestamptz NOT NULL,
    ended_at     timestamptz NOT NULL,
    output       text,
    PRIMARY KEY (instance_id, generation)
);
COMMENT ON TABLE _df.rounds IS 'Rounds of a root loop that ended by going round again.';

-- A role may read what its own instances left in the engine; nobody but the owner may write.
ALTER TABLE _df.runs ENABLE ROW LEVEL SECURITY;
CREATE POLICY runs_user_isolation ON _df.runs FOR SELECT
    USING (role OPERATOR(pg_catalog.=) (pg_catalog.quote_ident(CURRENT_USER)::pg_catalog.regrole)::pg_catalog.oid);
GRANT SELECT ON _df.runs TO PUBLIC;
ALTER TABLE _df.rounds ENABLE ROW LEVEL SECURITY;
CREATE POLICY rounds_user_isolation ON _df.rounds FOR SELECT
    USING (EXISTS (SELECT 1 FROM _df.runs r WHERE r.instance_id OPERATOR(pg_catalog.=) rounds.instance_id));
GRANT SELECT ON _df.rounds TO PUBLIC;

-- ============================================================================
-- engine calls
-- ============================================================================
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
           coalesce((SELECT json_object_agg(v.name, v.value)::text FROM df.vars v WHERE v.owner = i.submitted_by), '{}');
    INSERT INTO _df.branches (instance_id, branch, role, lane, due_at, scope)
    VALUES (i.id, '', i.submitted_by, hashtext(i.id) & 31, clock_timestamp(), i.id);
    PERFORM pg_notify('pg_durable', i.submitted_by::oid::text);
END $$;
COMMENT ON FUNCTION _df.enroll(text, text, text) IS 'Gives an instance that this transaction created to the engine: its graph, its node ids in program order, and the variables of its submitter as they are now.';

CREATE FUNCTION _df.keep_signal(p_instance text, p_name text, p_data text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    woken oid;
BEGIN
    IF NOT EXISTS (SELECT 1 FROM df.instances i WHERE i.id = p_instance AND _df.written_here(i.xmin)) THEN
        RAISE EXCEPTION 'instance % not found or access denied', p_instance
            USING ERRCODE = 'insufficient_privilege', HINT = 'Send signals with df.signal().';
    END IF;
    INSERT INTO _df.signals (instance_id, name, data) VALUES (p_instance, p_name, p_data);
    -- A branch that is locked is being moved by a session which looks for signals once it gets the instance's lock.
    UPDATE _df.branches b SET due_at = clock_timestamp()
    FROM (SELECT w.ctid, w.role FROM _df.branches w
          WHERE w.instance_id = p_instance AND w.waiting = p_name FOR UPDATE SKIP LOCKED) w
    WHERE b.ctid = w.ctid AND b.instance_id = p_instance
    RETURNING b.role INTO woken;
    IF woken IS NOT NULL THEN PERFORM pg_notify('pg_durable', woken::text); END IF;
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
    DELETE FROM _df.names WHERE instance_id = p_instance;
    DELETE FROM _df.signals WHERE instance_id = p_instance;
END $$;
COMMENT ON FUNCTION _df.end_cancelled(text, text) IS 'Takes an instance that this transaction cancelled out of the engine and keeps the reason.';

-- Deleting an instance, as retention and superusers do, takes its engine state along.
CREATE FUNCTION _df.forget() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    DELETE FROM _df.branches b USING gone g WHERE b.instance_id = g.id;
    DELETE FROM _df.names n USING gone g WHERE n.instance_id = g.id;
    DELETE FROM _df.signals s USING gone g WHERE s.instance_id = g.id;
    DELETE FROM _df.rounds r USING gone g WHERE r.instance_id = g.id;
    DELETE FROM _df.runs r USING gone g WHERE r.instance_id = g.id;
    RETURN NULL;
END $$;
COMMENT ON FUNCTION _df.forget() IS 'Trigger: deletes the engine state of deleted instances.';
REVOKE EXECUTE ON FUNCTION _df.forget() FROM PUBLIC;
CREATE TRIGGER forget AFTER DELETE ON df.instances REFERENCING OLD TABLE AS gone
    FOR EACH STATEMENT EXECUTE FUNCTION _df.forget();

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

-- ============================================================================
-- writes
-- ============================================================================
-- The engine's writes of a batch, by the addresses (ctid) of rows that were just looked up or locked. A row of df.nodes
-- has a dozen constraints, which PostgreSQL reads anew for every statement, so writing row by row costs several times
-- as much; and a join by key leaves it to statistics, which may have been gathered while a table was empty, whether the
-- rows are looked up or the whole table is read. By address there is one plan.
CREATE FUNCTION _df.write_nodes(addresses text[], statuses text[], results text[], errors text[]) RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_indexscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    written bigint;
BEGIN
    UPDATE df.nodes n SET status = u.status, result = u.result::jsonb, error = u.error, updated_at = clock_timestamp()
    FROM unnest(addresses::tid[], statuses, results, errors) u(address, status, result, error)
    WHERE n.ctid = u.address;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END $$;
COMMENT ON FUNCTION _df.write_nodes(text[], text[], text[], text[]) IS 'Sets status, result and error of the nodes at the given addresses, with the rights of its caller. Out: how many rows it changed.';
REVOKE EXECUTE ON FUNCTION _df.write_nodes(text[], text[], text[], text[]) FROM PUBLIC;

CREATE FUNCTION _df.write_instances(addresses text[], statuses text[], gone text[]) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_indexscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
BEGIN
    UPDATE df.instances i SET status = u.status, updated_at = clock_timestamp(),
        completed_at = CASE WHEN u.status = 'completed' THEN clock_timestamp() END
    FROM unnest(addresses::tid[], statuses) u(address, status)
    WHERE i.ctid = u.address AND i.status IN ('pending', 'running');
    DELETE FROM _df.branches b WHERE b.ctid = ANY (gone::tid[]);
END $$;
COMMENT ON FUNCTION _df.write_instances(text[], text[], text[]) IS 'Sets the status of the live instances at the given addresses, and deletes the branches at the given addresses; both must be locked.';
REVOKE EXECUTE ON FUNCTION _df.write_instances(text[], text[], text[]) FROM PUBLIC;

-- ============================================================================
-- support
-- ============================================================================
-- The source of every id. It is a function of its own so that a test can put one in its place that repeats itself.
CREATE FUNCTION _df.random_ids(count integer) RETURNS text
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT string_agg(left(gen_random_uuid()::text, 8), '') FROM generate_series(1, count) $$;
COMMENT ON FUNCTION _df.random_ids(integer) IS 'That many random ids of eight hex digits, one after the other, from PostgreSQL''s strong random source.';

-- ============================================================================
-- functions
-- ============================================================================
CREATE FUNCTION _df.bundle() RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
AS $sql$SELECT $js$var pg_durable = (() => {
  var __defProp = Object.defineProperty;
  var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
  var __getOwnPropNames = Object.getOwnPropertyNames;
  var __hasOwnProp = Object.prototype.hasOwnProperty;
  var __typeError = (msg) => {
    throw TypeError(msg);
  };
  var __defNormalProp = (obj, key2, value) => key2 in obj ? __defProp(obj, key2, { enumerable: true, configurable: true, writable: true, value }) : obj[key2] = value;
  var __export = (target, all) => {
    for (var name in all)
      __defProp(target, name, { get: all[name], enumerable: true });
  };
  var __copyProps = (to, from, except, desc) => {
    if (from && typeof from === "object" || typeof from === "function") {
      for (let key2 of __getOwnPropNames(from))
        if (!__hasOwnProp.call(to, key2) && key2 !== except)
          __defProp(to, key2, { get: () => from[key2], enumerable: !(desc = __getOwnPropDesc(from, key2)) || desc.enumerable });
    }
    return to;
  };
  var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: true }), mod);
  var __publicField = (obj, key2, value) => __defNormalProp(obj, typeof key2 !== "symbol" ? key2 + "" : key2, value);
  var __accessCheck = (obj, member, msg) => member.has(obj) || __typeError("Cannot " + msg);
  var __privateGet = (obj, member, getter) => (__accessCheck(obj, member, "read from private field"), getter ? getter.call(obj) : member.get(obj));
  var __privateAdd = (obj, member, value) => member.has(obj) ? __typeError("Cannot add the same private member more than once") : member instanceof WeakSet ? member.add(obj) : member.set(obj, value);
  var __privateSet = (obj, member, value, setter) => (__accessCheck(obj, member, "write to private field"), setter ? setter.call(obj, value) : member.set(obj, value), value);

  // src/functions/index.ts
  var index_exports = {};
  __export(index_exports, {
    as: () => as,
    asOp: () => asOp2,
    break_: () => break_2,
    cancel: () => cancel,
    checkLimit: () => checkLimit,
    claim: () => claim,
    clearvars: () => clearvars,
    explain: () => explain,
    finish: () => finish,
    getvar: () => getvar,
    http: () => http2,
    httpMultipart: () => httpMultipart2,
    ifElseOp: () => ifElseOp2,
    ifRows: () => ifRows2,
    ifThenOp: () => ifThenOp2,
    if_: () => if_2,
    join: () => join2,
    join3: () => join32,
    loop: () => loop2,
    loopPrefixOp: () => loopPrefixOp2,
    nodesOf: () => nodesOf2,
    race: () => race2,
    selectInto: () => selectInto,
    seq: () => seq2,
    setvar: () => setvar,
    signal: () => signal,
    sleep: () => sleep2,
    sleepFor: () => sleepFor,
    split: () => split2,
    sql: () => sql2,
    start: () => start,
    unsetvar: () => unsetvar,
    waitForSchedule: () => waitForSchedule2,
    waitForSignal: () => waitForSignal2
  });

  // src/graph/errors.ts
  var DurableError = class extends Error {
    /** `options.code` is a five-character SQLSTATE, 22023 (invalid parameter value) without it. */
    constructor(message, options = {}) {
      super(message);
      __publicField(this, "sqlstate");
      __publicField(this, "code");
      __publicField(this, "detail");
      __publicField(this, "hint");
      this.name = "DurableError";
      this.sqlstate = options.code ?? "22023";
      this.code = packSqlState(this.sqlstate);
      this.detail = options.detail;
      this.hint = options.hint;
    }
    /** The message alone: PLV8 makes the database's error message of this, where a class name would be noise. */
    toString() {
      return this.message;
    }
  };
  function packSqlState(sqlstate) {
    let packed = 0;
    for (let at2 = 4; at2 >= 0; at2--) packed = packed * 64 + (sqlstate.charCodeAt(at2) - 48 & 63);
    return packed;
  }

  // src/graph/json.ts
  function isObject(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value);
  }
  function quote(text2) {
    return JSON.stringify(text2);
  }
  function describe(value) {
    if (value === void 0) return "missing";
    if (value === null) return "null";
    if (Array.isArray(value)) return "an array";
    if (typeof value === "object") return "an object";
    return `the ${typeof value} ${excerpt(typeof value === "string" ? quote(value) : String(value), 60)}`;
  }
  function excerpt(text2, length2) {
    if (text2.length <= length2) return text2;
    const points = Array.from(text2.slice(0, 2 * length2 + 1));
    return points.length <= length2 ? points.join("") : `${points.slice(0, length2).join("")}\u2026`;
  }
  function parseJson(text2) {
    try {
      return JSON.parse(text2);
    } catch (error) {
      if (error instanceof SyntaxError) return void 0;
      throw error;
    }
  }
  function parseObject(text2) {
    const value = parseJson(text2);
    return isObject(value) ? value : null;
  }
  function opensObject(text2) {
    for (let i = 0; i < text2.length; i++) {
      const code = text2.charCodeAt(i);
      if (code === 32 || code >= 9 && code <= 13 && code !== 11 && code !== 12) continue;
      return code === 123;
    }
    return false;
  }
  function compact(json) {
    let out = "";
    let from = 0;
    let inString = false;
    for (let i = 0; i < json.length; i++) {
      const code = json.charCodeAt(i);
      if (inString) {
        if (code === 92) i++;
        else if (code === 34) inString = false;
      } else if (code === 34) {
        inString = true;
      } else if (code === 32 || code === 10 || code === 13 || code === 9) {
        out += json.slice(from, i);
        from = i + 1;
      }
    }
    return out + json.slice(from);
  }

  // src/graph/name.ts
  var IDENTIFIER = /^[A-Za-z_][A-Za-z0-9_]*$/;
  function nameProblem(name) {
    if (name === "") return "result name cannot be empty; use a letter or underscore followed by letters, digits and underscores";
    if (IDENTIFIER.test(name)) return null;
    return `result name '${excerpt(name, 60)}' is not a valid identifier; use a letter or underscore followed by letters, digits and underscores`;
  }

  // src/graph/path.ts
  var ROOT = { parent: null, step: "root" };
  var SHOWN_STEPS = 300;
  function pathOf(place) {
    const steps2 = [];
    for (let at2 = place; at2 !== null; at2 = at2.parent) steps2.push(at2.step);
    steps2.reverse();
    if (steps2.length <= SHOWN_STEPS) return steps2.join(".");
    const hidden = steps2.length - SHOWN_STEPS;
    return `${steps2.slice(0, SHOWN_STEPS / 2).join(".")}.(${hidden} more).${steps2.slice(-SHOWN_STEPS / 2).join(".")}`;
  }
  function graphError(place, reason, hint) {
    return new DurableError(`Invalid durable function graph: ${pathOf(place)}: ${reason}`, hint === void 0 ? {} : { hint });
  }

  // src/graph/types.ts
  var NODE_TYPES = [
    "SQL",
    "THEN",
    "IF",
    "JOIN",
    "LOOP",
    "BREAK",
    "RACE",
    "SLEEP",
    "WAIT_SCHEDULE",
    "HTTP",
    "HTTP_MULTIPART",
    "SIGNAL"
  ];
  var NONE = -1;

  // src/graph/decode.ts
  var KNOWN = new Set(NODE_TYPES);
  function isNodeType(text2) {
    return typeof text2 === "string" && KNOWN.has(text2);
  }
  function unknownType(value) {
    const shown2 = typeof value === "string" ? value : describe(value);
    return `Unknown node_type '${shown2}'; use one of ${NODE_TYPES.join(", ")}`;
  }
  function decode(root, malformed2) {
    const begin = (value, place) => {
      const type = value.node_type;
      if (typeof type !== "string") {
        throw malformed2(place, type === void 0 ? `node_type is missing; use one of ${NODE_TYPES.join(", ")}` : unknownType(type));
      }
      const work = { value, graph: { node_type: type }, place };
      pending.push(work);
      return work;
    };
    const pending = [];
    const first = begin(root, ROOT);
    for (let work = pending.pop(); work !== void 0; work = pending.pop()) {
      const { value, graph, place } = work;
      const left = value.left_node;
      if (left !== void 0 && left !== null) {
        const at2 = { parent: place, step: "left" };
        if (!isObject(left)) throw malformed2(at2, `Durofut children must be JSON objects, and left_node is ${describe(left)}`);
        graph.left_node = begin(left, at2).graph;
      }
      const right = value.right_node;
      if (right !== void 0 && right !== null) {
        const at2 = { parent: place, step: "right" };
        if (!isObject(right)) throw malformed2(at2, `Durofut children must be JSON objects, and right_node is ${describe(right)}`);
        graph.right_node = begin(right, at2).graph;
      }
      const condition = value.condition_node;
      if (condition !== void 0 && condition !== null) {
        if (!isObject(condition)) throw malformed2(place, `condition_node must be a Durofut JSON object, not ${describe(condition)}`);
        graph.condition_node = begin(condition, { parent: place, step: "condition_node" }).graph;
      }
      const extras = value.extra_nodes;
      if (extras !== void 0 && extras !== null) {
        if (!Array.isArray(extras)) {
          throw malformed2(place, `extra_nodes entries must be Durofut JSON objects in an array, and extra_nodes is ${describe(extras)}`);
        }
        if (extras.length > 0) {
          graph.extra_nodes = extras.map((extra, i) => {
            if (!isObject(extra)) throw malformed2(place, `extra_nodes entries must be Durofut JSON objects, and entry ${i} is ${describe(extra)}`);
            return begin(extra, { parent: place, step: `extra_nodes[${i}]` }).graph;
          });
        }
      }
      const query2 = value.query;
      if (query2 !== void 0 && query2 !== null) {
        if (typeof query2 !== "string") throw malformed2(place, `query must be a string, not ${describe(query2)}; put it in double quotes`);
        graph.query = query2;
      }
      const name = value.result_name;
      if (name !== void 0 && name !== null) {
        if (typeof name !== "string") throw malformed2(place, `result_name must be a string, not ${describe(name)}`);
        graph.result_name = name;
      }
    }
    return first.graph;
  }

  // src/graph/print.ts
  function printGraph(root) {
    let out = "";
    const rest = [root];
    for (let item = rest.pop(); item !== void 0; item = rest.pop()) {
      if (typeof item === "string") {
        out += item;
        continue;
      }
      const { left_node, right_node, condition_node, extra_nodes, query: query2, result_name } = item;
      out += `{"node_type":${quote(item.node_type)}`;
      let tail = query2 === void 0 ? "" : `,"query":${quote(query2)}`;
      if (result_name !== void 0) tail += `,"result_name":${quote(result_name)}`;
      rest.push(`${tail}}`);
      if (extra_nodes !== void 0 && extra_nodes.length > 0) {
        rest.push("]");
        for (let i = extra_nodes.length - 1; i >= 0; i--) {
          rest.push(extra_nodes[i]);
          if (i > 0) rest.push(",");
        }
        rest.push(',"extra_nodes":[');
      }
      if (condition_node !== void 0) rest.push(condition_node, ',"condition_node":');
      if (right_node !== void 0) rest.push(right_node, ',"right_node":');
      if (left_node !== void 0) rest.push(left_node, ',"left_node":');
    }
    return out;
  }

  // src/graph/wrap.ts
  var known = /* @__PURE__ */ new Map();
  var knownLength = 0;
  var MOST_ENTRIES = 512;
  var MOST_LENGTH = 1 << 20;
  function remember(text2, elseAt = 0) {
    if (text2.length > MOST_LENGTH / 4 || known.has(text2)) return text2;
    known.set(text2, elseAt);
    knownLength += text2.length;
    while (known.size > MOST_ENTRIES || knownLength > MOST_LENGTH) {
      const oldest = known.keys().next().value;
      known.delete(oldest);
      knownLength -= oldest.length;
    }
    return text2;
  }
  function elsePosition(text2) {
    return known.get(text2);
  }
  function sql(query2) {
    return remember(`{"node_type":"SQL","query":${quote(query2)}}`);
  }
  function wrap(text2) {
    if (!opensObject(text2)) return sql(text2);
    if (known.has(text2)) return text2;
    const value = parseObject(text2);
    if (value === null || typeof value.node_type !== "string") return sql(text2);
    const graph = decode(
      value,
      (place, reason) => new DurableError(`Invalid Durofut JSON: ${pathOf(place)}: ${reason}`, {
        hint: "Build the graph with the df functions, or use df.sql() if the text is meant as SQL."
      })
    );
    return isNodeType(graph.node_type) ? remember(printGraph(graph)) : sql(text2);
  }

  // src/graph/control.ts
  function loop(body, condition) {
    if (body === null) throw new DurableError("Loop body cannot be NULL; pass the future that each iteration runs", { code: "22004" });
    const condition_ = condition === null ? "" : `,"condition_node":${wrap(condition)}`;
    return remember(`{"node_type":"LOOP","left_node":${wrap(body)}${condition_}}`);
  }
  function break_(value) {
    const config = `{"break_value":${value === null ? "null" : quote(value)}}`;
    return remember(`{"node_type":"BREAK","query":${quote(config)}}`);
  }
  function if_(condition, thenBranch, elseBranch) {
    return remember(
      `{"node_type":"IF","left_node":${wrap(thenBranch)},"right_node":${wrap(elseBranch)},"condition_node":${wrap(condition)}}`
    );
  }
  function ifRows(resultName2, thenBranch, elseBranch) {
    const problem = nameProblem(resultName2);
    if (problem !== null) throw new DurableError(problem, { code: resultName2 === "" ? "22023" : "42602" });
    const config = `{"condition_type":"result_has_rows","result_name":${quote(resultName2)}}`;
    return remember(
      `{"node_type":"IF","left_node":${wrap(thenBranch)},"right_node":${wrap(elseBranch)},"query":${quote(config)}}`
    );
  }
  function ifThenOp(condition, thenBranch) {
    const head = `{"node_type":"IF","left_node":${wrap(thenBranch)}`;
    return remember(`${head},"condition_node":${wrap(condition)}}`, head.length);
  }
  function ifElseOp(partialIf, elseBranch) {
    const at2 = elsePosition(partialIf);
    if (at2 !== void 0 && at2 > 0) {
      return remember(`${partialIf.slice(0, at2)},"right_node":${wrap(elseBranch)}${partialIf.slice(at2)}`);
    }
    const misuse = () => new DurableError(`left side of !> must be a ?> expression, not '${excerpt(partialIf, 60)}'`, {
      hint: "Write 'condition' ?> 'then' !> 'else'. All operators have one precedence, left to right: put parentheses around a compound condition or branch."
    });
    const value = parseObject(partialIf);
    if (value === null || value.node_type !== "IF") throw misuse();
    const graph = decode(value, misuse);
    if (graph.left_node === void 0 || graph.condition_node === void 0 || graph.right_node !== void 0) throw misuse();
    const otherwise = wrap(elseBranch);
    const { left_node, condition_node, query: query2, result_name } = graph;
    let text2 = `{"node_type":"IF","left_node":${printGraph(left_node)},"right_node":${otherwise},"condition_node":${printGraph(condition_node)}`;
    if (query2 !== void 0) text2 += `,"query":${quote(query2)}`;
    if (result_name !== void 0) text2 += `,"result_name":${quote(result_name)}`;
    return remember(`${text2}}`);
  }
  function join(a, b) {
    return remember(`{"node_type":"JOIN","left_node":${wrap(a)},"right_node":${wrap(b)}}`);
  }
  function join3(a, b, c) {
    return remember(`{"node_type":"JOIN","left_node":${wrap(a)},"right_node":${wrap(b)},"extra_nodes":[${wrap(c)}]}`);
  }
  function race(a, b) {
    return remember(`{"node_type":"RACE","left_node":${wrap(a)},"right_node":${wrap(b)}}`);
  }

  // src/graph/waiting.ts
  function durationProblem(text2) {
    if (/^\d+(?:\.\d+)?$/.test(text2)) return null;
    if (/^-\d+(?:\.\d+)?$/.test(text2)) return `Sleep duration must be non-negative, not ${text2}`;
    return `Sleep duration '${excerpt(text2, 60)}' is not a number; write seconds such as 5 or 0.5`;
  }
  function sleep(seconds2) {
    if (typeof seconds2 === "number" && !Number.isSafeInteger(seconds2)) {
      throw new DurableError(`Sleep duration ${seconds2} is not a whole number of seconds; use df.sleep(interval) for fractions`);
    }
    return sleepInterval(String(seconds2));
  }
  function sleepInterval(seconds2) {
    const text2 = seconds2.trim().replace(/^(-?\d+)\.(\d*?)0*$/, (_, whole2, part) => part === "" ? whole2 : `${whole2}.${part}`);
    const plain = text2.replace(/^(-?)0+(?=\d)/, "$1");
    const decimal2 = plain === "-0" ? "0" : plain;
    const problem = durationProblem(decimal2);
    if (problem !== null) throw new DurableError(problem);
    return remember(`{"node_type":"SLEEP","query":"${decimal2}"}`);
  }
  function waitForSchedule(cronExpr, validateCron2) {
    validateCron2(cronExpr);
    return remember(`{"node_type":"WAIT_SCHEDULE","query":${quote(`{"cron_expr":${quote(cronExpr)}}`)}}`);
  }
  function waitForSignal(name, timeoutSeconds) {
    if (name === null || name === "") {
      throw new DurableError(`Signal name cannot be empty${name === null ? " or NULL" : ""}; name the signal that df.signal() will send`);
    }
    if (timeoutSeconds !== null) requirePositive(timeoutSeconds, "leave it out to wait without a limit");
    const config = `{"signal_name":${quote(name)},"timeout_seconds":${timeoutSeconds === null ? "null" : timeoutSeconds}}`;
    return remember(`{"node_type":"SIGNAL","query":${quote(config)}}`);
  }
  function requirePositive(seconds2, remedy) {
    if (!Number.isSafeInteger(seconds2) || seconds2 <= 0) {
      throw new DurableError(`Timeout must be positive, not ${seconds2}; give whole seconds, or ${remedy}`);
    }
  }

  // src/graph/http.ts
  var HTTP_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH"];
  var MULTIPART_METHODS = ["POST", "PUT", "PATCH"];
  function http(args, settings) {
    const { url, method, timeout } = checkRequest(args, settings.mode, HTTP_METHODS, "df.http");
    const body = args.body === null ? "null" : quote(args.body);
    const headers = checkHeaders(args.headers);
    const config = `{"url":${quote(url)},"method":"${method}","body":${body},"headers":${headers},"timeout_seconds":${timeout}}`;
    return remember(`{"node_type":"HTTP","query":${quote(config)}}`);
  }
  function httpMultipart(args, settings) {
    const { url, method, timeout } = checkRequest(args, settings.mode, MULTIPART_METHODS, "df.http_multipart");
    const parts = checkParts(args.parts);
    const headers = checkHeaders(args.headers);
    const config = `{"url":${quote(url)},"method":"${method}","parts":${parts},"headers":${headers},"timeout_seconds":${timeout}}`;
    return remember(`{"node_type":"HTTP_MULTIPART","query":${quote(config)}}`);
  }
  function checkRequest(args, mode, methods, caller2) {
    if (mode === "off") {
      throw new DurableError("df.http() is disabled, and df.http_multipart() with it, because pg_durable.http is off", {
        code: "55000",
        hint: "An administrator can set pg_durable.http to 'allowlist' or 'all'."
      });
    }
    const { url } = args;
    if (url === null) throw new DurableError(`unsupported URL scheme: the url of ${caller2}() is NULL; it must begin with http:// or https://`);
    if (!url.includes("{") && !/^https?:\/\//i.test(url)) {
      throw new DurableError(`unsupported URL scheme in '${excerpt(url, 60)}'; it must begin with http:// or https://`);
    }
    const method = args.method === null ? "NULL" : args.method.toUpperCase();
    if (!methods.includes(method)) {
      throw new DurableError(`Invalid HTTP method '${excerpt(args.method ?? "NULL", 60)}' for ${caller2}(); use one of ${methods.join(", ")}`);
    }
    if (args.timeoutSeconds === null) throw new DurableError("Timeout must be positive, not NULL; leave it out for 30 seconds");
    requirePositive(args.timeoutSeconds, "leave it out for 30 seconds");
    return { url, method, timeout: args.timeoutSeconds };
  }
  function headersProblem(headers) {
    if (headers === void 0 || headers === null) return null;
    if (!isObject(headers)) return `headers must be a JSON object such as {"Accept": "text/plain"}, not ${describe(headers)}`;
    for (const [name, value] of Object.entries(headers)) {
      if (typeof value === "object") return `headers must have plain values, and '${excerpt(name, 60)}' is ${describe(value)}; write it as a string`;
    }
    return null;
  }
  function checkHeaders(json) {
    if (json === null) return "null";
    const problem = headersProblem(parseAny(json, "headers"));
    if (problem !== null) throw new DurableError(problem);
    return compact(json);
  }
  function partsProblem(parts) {
    if (parts === void 0 || parts === null) return "parts is required; pass a JSON array of objects with name and data_b64";
    if (!Array.isArray(parts)) return `parts must be a JSON array of objects with name and data_b64, not ${describe(parts)}`;
    if (parts.length === 0) return "parts needs at least one part, an object with name and data_b64";
    for (let i = 0; i < parts.length; i++) {
      const part = parts[i];
      if (!isObject(part)) return `parts[${i}] must be an object with name and data_b64, not ${describe(part)}`;
      for (const key2 of ["name", "data_b64"]) {
        const value = part[key2];
        if (value === void 0 || value === null) return `parts[${i}].${key2} is required; it must be a string`;
        if (typeof value !== "string") return `parts[${i}].${key2} must be a string, not ${describe(value)}`;
      }
      if (part.name === "") return `parts[${i}].name cannot be empty; it is the name of the form field`;
      for (const key2 of ["filename", "content_type"]) {
        const value = part[key2];
        if (value !== void 0 && value !== null && typeof value !== "string") {
          return `parts[${i}].${key2} must be a string, not ${describe(value)}`;
        }
      }
    }
    return null;
  }
  function checkParts(json) {
    const problem = partsProblem(json === null ? null : parseAny(json, "parts"));
    if (problem !== null) throw new DurableError(problem);
    return compact(json);
  }
  function parseAny(json, argument) {
    const value = parseJson(json);
    if (value === void 0) throw new DurableError(`${argument} is not valid JSON: '${excerpt(json, 60)}'`, { code: "22P02" });
    return value;
  }

  // src/graph/compose.ts
  function seq(a, b) {
    return remember(`{"node_type":"THEN","left_node":${wrap(a)},"right_node":${wrap(b)}}`);
  }
  var NAME_KEY = ',"result_name":';
  function as_(fut, name) {
    const problem = nameProblem(name);
    if (problem !== null) throw new DurableError(problem, { code: name === "" ? "22023" : "42602" });
    const text2 = wrap(fut);
    return remember(`${text2.slice(0, endOfUnnamed(text2))}${NAME_KEY}"${name}"}`);
  }
  function endOfUnnamed(text2) {
    const end = text2.length - 1;
    const at2 = text2.lastIndexOf(NAME_KEY);
    return at2 >= 0 && /^"[^"\\]*(?:\\.[^"\\]*)*"\}$/.test(text2.slice(at2 + NAME_KEY.length)) ? at2 : end;
  }
  function asOp(fut, name) {
    return as_(fut, name);
  }
  function loopPrefixOp(body) {
    return loop(body, null);
  }

  // src/engine/cron.ts
  var MINUTE = { name: "minute", low: 0, high: 59, last: 59, words: [] };
  var HOUR = { name: "hour", low: 0, high: 23, last: 23, words: [] };
  var DAY = { name: "day of month", low: 1, high: 31, last: 31, words: [] };
  var MONTH = {
    name: "month",
    low: 1,
    high: 12,
    last: 12,
    words: ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
  };
  var WEEKDAY = { name: "day of week", low: 0, high: 7, last: 6, words: ["sun", "mon", "tue", "wed", "thu", "fri", "sat"] };
  var MINUTE_MS = 6e4;
  var DAY_MINUTES = 1440;
  var DAY_MS = DAY_MINUTES * MINUTE_MS;
  var CYCLE_DAYS = 146097;
  var MAX_DATE_MS = 864e13;
  function validateCron(expr) {
    nextTick(expr, 0);
  }
  function nextTick(expr, afterEpochMs) {
    const schedule = parse(expr);
    const outOfRange = () => new DurableError(
      `There is no tick of '${expr}' after ${afterEpochMs} ms since 1970: the date is out of range`,
      { code: "22008" }
    );
    if (!Number.isFinite(afterEpochMs)) throw outOfRange();
    const minute = Math.floor(afterEpochMs / MINUTE_MS) + 1;
    const today = Math.floor(minute / DAY_MINUTES);
    const now = minute - today * DAY_MINUTES;
    for (let day = today; day <= today + CYCLE_DAYS; ) {
      const date = new Date(day * DAY_MS);
      if (Number.isNaN(date.getTime())) throw outOfRange();
      if (!schedule.months.has(date.getUTCMonth() + 1)) {
        day = date.setUTCMonth(date.getUTCMonth() + 1, 1) / DAY_MS;
        continue;
      }
      if (matchesDay(schedule, date)) {
        const time = day === today ? schedule.times.find((each) => each >= now) : schedule.times[0];
        if (time !== void 0) {
          const tick = day * DAY_MS + time * MINUTE_MS;
          if (tick > MAX_DATE_MS) throw outOfRange();
          return tick;
        }
      }
      day++;
    }
    throw invalid(expr, "no such day ever comes");
  }
  function matchesDay({ days, weekdays, either }, date) {
    const byDay = days.has(date.getUTCDate());
    const byWeekday = weekdays.has(date.getUTCDay());
    return either ? byDay || byWeekday : byDay && byWeekday;
  }
  function invalid(expr, why) {
    return new DurableError(`Invalid cron expression '${expr}': ${why}`, {
      hint: "Write five fields, minute hour day-of-month month day-of-week, in UTC, such as '30 9 * * mon-fri'."
    });
  }
  function parse(expr) {
    const fields = expr.trim().split(/\s+/);
    const count = fields[0] === "" ? 0 : fields.length;
    if (count !== 5) throw invalid(expr, `it has ${count} field${count === 1 ? "" : "s"} instead of 5`);
    const [minute, hour, day, month, weekday] = fields;
    const minutes = parseField(expr, MINUTE, minute);
    const hours = parseField(expr, HOUR, hour);
    return {
      times: hours.flatMap((h) => minutes.map((m) => h * 60 + m)),
      days: new Set(parseField(expr, DAY, day)),
      months: new Set(parseField(expr, MONTH, month)),
      weekdays: new Set(parseField(expr, WEEKDAY, weekday).map((value) => value % 7)),
      either: !day.startsWith("*") && !weekday.startsWith("*")
    };
  }
  function parseField(expr, field2, text2) {
    const chosen = /* @__PURE__ */ new Set();
    for (const item of text2.split(",")) {
      const parts = /^(?:(\*)|([a-z]+|\d{1,2})(?:-([a-z]+|\d{1,2}))?)(?:\/(\d{1,3}))?$/i.exec(item);
      if (parts === null) throw invalid(expr, `'${item}' is no ${field2.name}`);
      const [, star, from, to, every] = parts;
      const step = every === void 0 ? 1 : Number(every);
      if (step === 0) throw invalid(expr, `the step of '${item}' in the ${field2.name} is 0`);
      const low = star ? field2.low : valueOf(expr, field2, from);
      let high;
      if (star || to === void 0 && every !== void 0) high = Math.max(low, field2.last);
      else if (to?.toLowerCase() === "sun" && low > 0) high = 7;
      else high = valueOf(expr, field2, to ?? from);
      if (high < low) throw invalid(expr, `the range '${item}' in the ${field2.name} runs backwards`);
      for (let value = low; value <= high; value += step) chosen.add(value);
    }
    return [...chosen].sort((a, b) => a - b);
  }
  function valueOf(expr, field2, text2) {
    const word = field2.words.indexOf(text2.toLowerCase());
    const value = word === -1 ? /^\d+$/.test(text2) ? Number(text2) : NaN : field2.low + word;
    if (value >= field2.low && value <= field2.high) return value;
    const words = field2.words.length === 0 ? "" : ` or ${field2.words[0]}-${field2.words[field2.words.length - 1]}`;
    throw invalid(expr, `'${text2}' is no ${field2.name}, which is ${field2.low}-${field2.high}${words}`);
  }

  // src/db/statement.ts
  function query(sql3, ...types) {
    let plan = null;
    return (...values) => {
      plan ??= plv8.prepare(sql3, types);
      return plan.execute(values);
    };
  }
  function command(sql3, ...types) {
    let plan = null;
    return (...values) => {
      plan ??= plv8.prepare(sql3, types);
      return plan.execute(values);
    };
  }

  // src/db/settings.ts
  var read = query("SELECT current_setting($1, true) AS value", "text");
  var NUMBERS = {
    max_new_transaction_starts: { unset: 2, least: 1, most: 1e3, unit: "" },
    new_transaction_start_timeout: { unset: 5, least: 1, most: 3600, unit: "s" },
    list_instances_max_limit: { unset: 1e3, least: 1, most: 1e6, unit: "" },
    retention_days: { unset: 30, least: 0, most: 36500, unit: "days" },
    loop_min_interval: { unset: 1, least: 0, most: 3600, unit: "s" }
  };
  function numberSetting(name) {
    return parseNumber(name, read(`pg_durable.${name}`)[0].value);
  }
  function parseNumber(name, text2) {
    const { unset, least, most, unit } = NUMBERS[name];
    const trimmed = (text2 ?? "").trim();
    if (trimmed === "") return unset;
    const match2 = /^([0-9]+(?:\.[0-9]+)?)\s*(ms|s|min|h|d)?$/.exec(trimmed);
    const seconds2 = { ms: 1e-3, s: 1, min: 60, h: 3600, d: 86400 };
    const suffix = match2?.[2];
    const value = match2 === null || suffix !== void 0 && unit !== "s" ? NaN : Number(match2[1]) * (suffix === void 0 ? 1 : seconds2[suffix]);
    const whole2 = name === "loop_min_interval" || Number.isInteger(value);
    if (!(value >= least && value <= most) || !whole2) {
      throw new DurableError(`invalid value for parameter "pg_durable.${name}": "${text2}"`, {
        hint: `It takes ${least} to ${most}${unit === "" ? "" : ` ${unit}`}; without it ${unset} is used.`
      });
    }
    return value;
  }
  function booleanSetting(name) {
    const text2 = (read(`pg_durable.${name}`)[0].value ?? "").trim().toLowerCase();
    if (["on", "true", "yes", "1", "t", "y"].includes(text2)) return true;
    if (["", "off", "false", "no", "0", "f", "n"].includes(text2)) return false;
    throw new DurableError(`invalid value for parameter "pg_durable.${name}": "${text2}"`, { hint: "It takes on or off." });
  }
  function httpMode() {
    const text2 = (read("pg_durable.http")[0].value ?? "").trim().toLowerCase();
    if (text2 === "" || text2 === "off") return "off";
    if (text2 === "allowlist" || text2 === "all") return text2;
    throw new DurableError(`invalid value for parameter "pg_durable.http": "${text2}"`, { hint: "It takes off, allowlist or all." });
  }

  // src/functions/guard.ts
  var inside = query(
    `SELECT coalesce(current_setting('df.in_workflow', true), '') = 'true' AS inside`
  );
  var noteHelper = query(`SELECT set_config('df.helper_called', $1 || ' ' || statement_timestamp()::text, true)`, "text");
  var helperCalled = query(`
  SELECT CASE WHEN split_part(called, ' ', 2) || ' ' || split_part(called, ' ', 3) = statement_timestamp()::text
    THEN split_part(called, ' ', 1) END AS name
  FROM current_setting('df.helper_called', true) called`);
  var HELPER_RESULTS = /* @__PURE__ */ new Set(["OK", "completed", "failed", "cancelled"]);
  function refuseInWorkflow(name) {
    if (inside()[0].inside) {
      throw new DurableError(`df.${name}() cannot be called inside a workflow`, {
        code: "55000",
        hint: "Call it before df.start(); a step passes values on with |=> and $name."
      });
    }
  }
  function noteHelperCall(name) {
    noteHelper(name);
  }
  function refuseHelpers(...args) {
    if (!args.some((arg) => arg !== null && HELPER_RESULTS.has(arg))) return;
    const name = helperCalled()[0].name;
    if (name !== null) {
      throw new DurableError(`df.${name}() cannot be used as a workflow step: it ran while the graph was being built`, {
        hint: `Call df.${name}() in a statement of its own.`
      });
    }
  }

  // src/functions/compose.ts
  function sql2(query2) {
    return sql(query2);
  }
  function seq2(a, b) {
    refuseHelpers(a, b);
    return seq(a, b);
  }
  function as(fut, name) {
    refuseHelpers(fut);
    return as_(fut, name);
  }
  function sleep2(seconds2) {
    return sleep(seconds2);
  }
  function sleepFor(seconds2) {
    return sleepInterval(seconds2);
  }
  function waitForSchedule2(cronExpr) {
    return waitForSchedule(cronExpr, validateCron);
  }
  function loop2(body, condition) {
    refuseHelpers(body, condition);
    return loop(body, condition);
  }
  function break_2(value) {
    refuseHelpers(value);
    return break_(value);
  }
  function if_2(condition, thenBranch, elseBranch) {
    refuseHelpers(condition, thenBranch, elseBranch);
    return if_(condition, thenBranch, elseBranch);
  }
  function ifRows2(resultName2, thenBranch, elseBranch) {
    refuseHelpers(thenBranch, elseBranch);
    return ifRows(resultName2, thenBranch, elseBranch);
  }
  function join2(a, b) {
    refuseHelpers(a, b);
    return join(a, b);
  }
  function join32(a, b, c) {
    refuseHelpers(a, b, c);
    return join3(a, b, c);
  }
  function race2(a, b) {
    refuseHelpers(a, b);
    return race(a, b);
  }
  function http2(url, method, body, headers, timeoutSeconds) {
    return http({ url, method, body, headers: jsonText(headers), timeoutSeconds }, { mode: httpMode() });
  }
  function httpMultipart2(url, method, parts, headers, timeoutSeconds) {
    return httpMultipart(
      { url, method, parts: jsonText(parts), headers: jsonText(headers), timeoutSeconds },
      { mode: httpMode() }
    );
  }
  function waitForSignal2(name, timeoutSeconds) {
    return waitForSignal(name, timeoutSeconds);
  }
  function asOp2(fut, name) {
    refuseHelpers(fut);
    return asOp(fut, name);
  }
  function ifThenOp2(condition, thenBranch) {
    refuseHelpers(condition, thenBranch);
    return ifThenOp(condition, thenBranch);
  }
  function ifElseOp2(partialIf, elseBranch) {
    refuseHelpers(elseBranch);
    return ifElseOp(partialIf, elseBranch);
  }
  function loopPrefixOp2(body) {
    refuseHelpers(body);
    return loopPrefixOp(body);
  }
  function jsonText(value) {
    return value === null || value === void 0 ? null : JSON.stringify(value);
  }

  // src/engine/rawjson.ts
  var MAX_DEPTH = 5e3;
  var MAX_WHOLE_DIGITS = 131072;
  var MAX_FRACTION_DIGITS = 16383;
  var TAB = 9;
  var NEWLINE = 10;
  var RETURN = 13;
  var SPACE = 32;
  var QUOTE = 34;
  var COMMA = 44;
  var COLON = 58;
  var ARRAY = 91;
  var BACKSLASH = 92;
  var ARRAY_END = 93;
  var OBJECT = 123;
  var OBJECT_END = 125;
  function isSpace(code) {
    return code === SPACE || code === NEWLINE || code === TAB || code === RETURN;
  }
  function skipSpace(text2, at2) {
    while (isSpace(text2.charCodeAt(at2))) at2++;
    return at2;
  }
  function malformed(text2, at2) {
    const near = text2.slice(Math.max(0, at2 - 20), at2 + 20);
    return new DurableError(`Malformed JSON at character ${at2 + 1}, near '${near}'`, { code: "22P02" });
  }
  function stringEnd(text2, at2) {
    for (let end = text2.indexOf('"', at2 + 1); end !== -1; end = text2.indexOf('"', end + 1)) {
      let slashes = end;
      while (text2.charCodeAt(slashes - 1) === BACKSLASH) slashes--;
      if ((end - slashes) % 2 === 0) return end + 1;
    }
    throw malformed(text2, at2);
  }
  function valueEnd(text2, at2) {
    const first = text2.charCodeAt(at2);
    if (first === QUOTE) return stringEnd(text2, at2);
    if (first !== OBJECT && first !== ARRAY) {
      let end = at2;
      for (; end < text2.length; end++) {
        const code = text2.charCodeAt(end);
        if (code === COMMA || code === OBJECT_END || code === ARRAY_END || isSpace(code)) break;
      }
      if (end === at2) throw malformed(text2, at2);
      return end;
    }
    let depth = 0;
    for (let i = at2; i < text2.length; ) {
      const code = text2.charCodeAt(i);
      if (code === QUOTE) {
        i = stringEnd(text2, i);
        continue;
      }
      i++;
      if (code === OBJECT || code === ARRAY) depth++;
      else if ((code === OBJECT_END || code === ARRAY_END) && --depth === 0) return i;
    }
    throw malformed(text2, at2);
  }
  function nextItem(text2, at2, close) {
    at2 = skipSpace(text2, at2);
    const code = text2.charCodeAt(at2);
    if (code === COMMA) return skipSpace(text2, at2 + 1);
    if (code === close) return -1;
    throw malformed(text2, at2);
  }
  function firstItem(text2, open, close) {
    let at2 = skipSpace(text2, 0);
    if (text2.charCodeAt(at2) !== open) throw malformed(text2, at2);
    at2 = skipSpace(text2, at2 + 1);
    return text2.charCodeAt(at2) === close ? -1 : at2;
  }
  function members(text2) {
    const found = [];
    for (let at2 = firstItem(text2, OBJECT, OBJECT_END); at2 !== -1; ) {
      if (text2.charCodeAt(at2) !== QUOTE) throw malformed(text2, at2);
      const keyEnd2 = stringEnd(text2, at2);
      const key2 = parseString(text2.slice(at2, keyEnd2));
      const colon = skipSpace(text2, keyEnd2);
      if (text2.charCodeAt(colon) !== COLON) throw malformed(text2, colon);
      const start2 = skipSpace(text2, colon + 1);
      const end = valueEnd(text2, start2);
      found.push([key2, text2.slice(start2, end)]);
      at2 = nextItem(text2, end, OBJECT_END);
    }
    return found;
  }
  function elements(text2) {
    const found = [];
    for (let at2 = firstItem(text2, ARRAY, ARRAY_END); at2 !== -1; ) {
      const end = valueEnd(text2, at2);
      found.push(text2.slice(at2, end));
      at2 = nextItem(text2, end, ARRAY_END);
    }
    return found;
  }
  function kind(raw) {
    const at2 = skipSpace(raw, 0);
    const code = raw.charCodeAt(at2);
    switch (code) {
      case OBJECT:
        return "object";
      case ARRAY:
        return "array";
      case QUOTE:
        return "string";
      case 116:
        return "true";
      case 102:
        return "false";
      case 110:
        return "null";
      default:
        if (code === 45 || isDigit(code)) return "number";
        throw malformed(raw, at2);
    }
  }
  function parseString(raw) {
    if (raw.length < 2 || raw.charCodeAt(0) !== QUOTE || raw.charCodeAt(raw.length - 1) !== QUOTE) throw malformed(raw, 0);
    if (raw.indexOf("\\") === -1) return raw.slice(1, -1);
    try {
      return JSON.parse(raw);
    } catch {
      throw malformed(raw, 0);
    }
  }
  function quote2(text2) {
    if (text2.indexOf("\0") !== -1) {
      throw new DurableError("A text with the character U+0000 cannot be kept as JSON", {
        code: "22P05",
        hint: "Remove the character, or encode the text, for example as base64."
      });
    }
    const json = JSON.stringify(text2);
    if (json.indexOf("\\ud") !== -1 && /[\ud800-\udfff]/u.test(text2)) {
      throw new DurableError("A text with half of a surrogate pair cannot be kept as JSON", {
        code: "22P05",
        hint: "Send the text as valid Unicode."
      });
    }
    return json;
  }
  function isDigit(code) {
    return code >= 48 && code <= 57;
  }
  function digitsEnd(text2, at2) {
    while (isDigit(text2.charCodeAt(at2))) at2++;
    return at2;
  }
  function numberEnd(text2, at2) {
    const whole2 = text2.charCodeAt(at2) === 45 ? at2 + 1 : at2;
    let end = digitsEnd(text2, whole2);
    if (end === whole2 || text2.charCodeAt(whole2) === 48 && end > whole2 + 1) return -1;
    const wholeDigits = end - whole2;
    let fraction = "";
    if (text2.charCodeAt(end) === 46) {
      const start2 = end + 1;
      end = digitsEnd(text2, start2);
      if (end === start2) return -1;
      fraction = text2.slice(start2, end);
    }
    let exponent = 0;
    if ((text2.charCodeAt(end) | 32) === 101) {
      let start2 = end + 1;
      const sign2 = text2.charCodeAt(start2);
      if (sign2 === 43 || sign2 === 45) start2++;
      end = digitsEnd(text2, start2);
      if (end === start2) return -1;
      exponent = Number(text2.slice(start2, end)) * (sign2 === 45 ? -1 : 1);
    }
    if (fraction.length - exponent > MAX_FRACTION_DIGITS || exponent > MAX_WHOLE_DIGITS + MAX_FRACTION_DIGITS) return -1;
    if (wholeDigits + exponent > MAX_WHOLE_DIGITS) {
      const zeros = /^0*/.exec(text2.slice(whole2, whole2 + wholeDigits) + fraction)[0].length;
      if (zeros < wholeDigits + fraction.length && wholeDigits + exponent - zeros > MAX_WHOLE_DIGITS) return -1;
    }
    return end;
  }
  function strictStringEnd(text2, at2) {
    for (let i = at2 + 1; i < text2.length; i++) {
      const code = text2.charCodeAt(i);
      if (code === QUOTE) return i + 1;
      if (code < SPACE) return -1;
      if (code !== BACKSLASH) continue;
      const escaped2 = text2[++i];
      if (escaped2 === "u") {
        const unit = hexUnit(text2, i + 1);
        if (unit <= 0) return -1;
        i += 4;
        if (unit >= 56320 && unit <= 57343) return -1;
        if (unit >= 55296 && unit <= 56319) {
          const low = text2.startsWith("\\u", i + 1) ? hexUnit(text2, i + 3) : -1;
          if (low < 56320 || low > 57343) return -1;
          i += 6;
        }
      } else if (escaped2 === void 0 || !'"\\/bfnrt'.includes(escaped2)) {
        return -1;
      }
    }
    return -1;
  }
  function hexUnit(text2, at2) {
    const digits = text2.slice(at2, at2 + 4);
    return /^[0-9A-Fa-f]{4}$/.test(digits) ? parseInt(digits, 16) : -1;
  }
  function scalarEnd(text2, at2) {
    const code = text2.charCodeAt(at2);
    if (code === QUOTE) return strictStringEnd(text2, at2);
    if (code === 116) return text2.startsWith("true", at2) ? at2 + 4 : -1;
    if (code === 102) return text2.startsWith("false", at2) ? at2 + 5 : -1;
    if (code === 110) return text2.startsWith("null", at2) ? at2 + 4 : -1;
    return numberEnd(text2, at2);
  }
  function isJson(text2) {
    const open = [];
    let at2 = skipSpace(text2, 0);
    for (; ; ) {
      const code = text2.charCodeAt(at2);
      if (code === OBJECT || code === ARRAY) {
        if (open.length === MAX_DEPTH) return false;
        at2 = skipSpace(text2, at2 + 1);
        if (text2.charCodeAt(at2) === code + 2) {
          at2++;
        } else {
          open.push(code);
          if (code === OBJECT && (at2 = keyEnd(text2, at2)) === -1) return false;
          continue;
        }
      } else if ((at2 = scalarEnd(text2, at2)) === -1) {
        return false;
      }
      for (; ; ) {
        at2 = skipSpace(text2, at2);
        const holder = open[open.length - 1];
        if (holder === void 0) return at2 === text2.length;
        const next = text2.charCodeAt(at2);
        if (next === COMMA) {
          at2 = skipSpace(text2, at2 + 1);
          if (holder === OBJECT && (at2 = keyEnd(text2, at2)) === -1) return false;
          break;
        }
        if (next !== holder + 2) return false;
        open.pop();
        at2++;
      }
    }
  }
  function keyEnd(text2, at2) {
    if (text2.charCodeAt(at2) !== QUOTE) return -1;
    const end = strictStringEnd(text2, at2);
    if (end === -1) return -1;
    const colon = skipSpace(text2, end);
    return text2.charCodeAt(colon) === COLON ? skipSpace(text2, colon + 1) : -1;
  }

  // src/functions/control.ts
  var touchInstance = command(`
  UPDATE df.instances i SET updated_at = clock_timestamp()
  WHERE i.id = $1 AND i.status IN ('pending', 'running')`, "text");
  var cancelInstance = command(`
  UPDATE df.instances i SET status = 'cancelled', updated_at = clock_timestamp()
  WHERE i.id = $1 AND i.status IN ('pending', 'running')`, "text");
  var visible = query("SELECT 1 AS one FROM df.instances i WHERE i.id = $1", "text");
  var keepSignal = query("SELECT _df.keep_signal($1, $2, $3)", "text", "text", "text");
  var endCancelled = query("SELECT _df.end_cancelled($1, $2)", "text", "text");
  function signal(instanceId, signalName, signalData) {
    if (instanceId === "") throw new DurableError("Instance id cannot be empty");
    if (signalName === "") throw new DurableError("Signal name cannot be empty");
    const data = isJson(signalData) ? signalData : quote2(signalData);
    if (touchInstance(instanceId) === 1) keepSignal(instanceId, signalName, data);
    else if (visible(instanceId).length === 0) throw notFound(instanceId);
    return "OK";
  }
  function cancel(instanceId, reason) {
    if (cancelInstance(instanceId) === 1) endCancelled(instanceId, reason);
    else if (visible(instanceId).length === 0) throw notFound(instanceId);
    return `Instance ${instanceId} cancelled: ${reason}`;
  }
  function checkLimit(limitCount) {
    if (limitCount === null || limitCount < 1) {
      throw new DurableError(`limit_count must be at least 1, got ${limitCount ?? "NULL"}`);
    }
    const most = numberSetting("list_instances_max_limit");
    if (limitCount > most) {
      throw new DurableError(`limit_count ${limitCount} exceeds list_instances_max_limit (${most})`, {
        hint: "Page through the instances with after_cursor, or raise pg_durable.list_instances_max_limit."
      });
    }
  }
  function notFound(instanceId) {
    return new DurableError(`Instance '${instanceId}' not found or access denied`, {
      code: "42704",
      hint: "df.list_instances() shows the instances that you can reach."
    });
  }

  // src/graph/program.ts
  function flatten(root) {
    const nodes = [];
    const rest = [{ graph: root, parent: NONE, role: "left" }];
    for (let work = rest.pop(); work !== void 0; work = rest.pop()) {
      const { graph, parent, role } = work;
      const index = nodes.length;
      const above = nodes[parent];
      if (above !== void 0) {
        if (role === "extras") above.extras.push(index);
        else above[role] = index;
      }
      nodes.push({
        type: graph.node_type,
        parent,
        left: NONE,
        right: NONE,
        condition: NONE,
        extras: [],
        query: ownQuery(graph),
        name: graph.result_name ?? null
      });
      const { left_node, right_node, condition_node, extra_nodes } = graph;
      if (extra_nodes !== void 0) {
        for (let i = extra_nodes.length - 1; i >= 0; i--) rest.push({ graph: extra_nodes[i], parent: index, role: "extras" });
      }
      if (condition_node !== void 0) rest.push({ graph: condition_node, parent: index, role: "condition" });
      if (right_node !== void 0) rest.push({ graph: right_node, parent: index, role: "right" });
      if (left_node !== void 0) rest.push({ graph: left_node, parent: index, role: "left" });
    }
    return { nodes };
  }
  function ownQuery(graph) {
    const { node_type, query: query2 } = graph;
    if (query2 === void 0) return null;
    if (node_type !== "IF" && node_type !== "LOOP" && node_type !== "JOIN") return query2;
    const config = parseObject(query2);
    return config !== null && Object.keys(config).length === 0 ? null : query2;
  }

  // src/graph/rows.ts
  function storedNodes(program, ids) {
    if (ids.length !== program.nodes.length) {
      throw new Error(`storedNodes: ${ids.length} ids for ${program.nodes.length} nodes`);
    }
    const idOf = (index) => index === NONE ? null : ids[index];
    return program.nodes.map((node, i) => {
      let { query: query2 } = node;
      if (node.condition !== NONE) query2 = merge(query2, `"condition_node":"${ids[node.condition]}"`);
      if (node.extras.length > 0) query2 = merge(query2, `"extra_nodes":[${node.extras.map((extra) => `"${ids[extra]}"`).join(",")}]`);
      return {
        id: ids[i],
        node_type: node.type,
        query: query2,
        result_name: node.name,
        left_node: idOf(node.left),
        right_node: idOf(node.right)
      };
    });
  }
  function merge(config, member) {
    if (config === null) return `{${member}}`;
    return `${config.slice(0, config.lastIndexOf("}"))},${member}}`;
  }
  var MERGED = /(?:^\{|,)"(?:condition_node":"[0-9a-f]{8}"|extra_nodes":\[(?:"[0-9a-f]{8}",?)+\])\}$/;
  function unmerge(row) {
    const { query: query2, node_type } = row;
    const none = { query: query2, condition: null, extras: [] };
    if (query2 === null || node_type !== "IF" && node_type !== "LOOP" && node_type !== "JOIN") return none;
    const config = parseObject(query2);
    if (config === null) throw broken(row, `its query is not a JSON object: ${query2}`);
    const { condition_node: condition = null, extra_nodes: extras = [], ...own } = config;
    if (condition === null && Array.isArray(extras) && extras.length === 0) return none;
    if (condition !== null && typeof condition !== "string") throw broken(row, "condition_node in its query is not an id");
    if (!Array.isArray(extras) || !extras.every((extra) => typeof extra === "string")) {
      throw broken(row, "extra_nodes in its query is not an array of ids");
    }
    const match2 = MERGED.exec(query2);
    const rest = match2 === null ? JSON.stringify(own) : `${query2.slice(0, match2.index)}}`;
    return { query: Object.keys(own).length === 0 ? null : rest, condition, extras };
  }
  function broken(row, reason) {
    return new DurableError(`Node ${row.id} cannot be read: ${reason}`, { code: "XX001", hint: "Rows of df.nodes were changed by hand; cancel the instance and start it anew." });
  }
  function programFromRows(rows, rootId) {
    const parts = /* @__PURE__ */ new Map();
    for (const row of rows) {
      if (!isNodeType(row.node_type)) throw broken(row, unknownType(row.node_type));
      if (parts.has(row.id)) throw broken(row, "there are two rows with this id");
      const unmerged = unmerge(row);
      const graph = { node_type: row.node_type };
      if (unmerged.query !== null) graph.query = unmerged.query;
      if (row.result_name !== null) graph.result_name = row.result_name;
      parts.set(row.id, { row, graph, unmerged });
    }
    const referred = /* @__PURE__ */ new Set();
    const child = (row, id) => {
      const part = parts.get(id);
      if (part === void 0) throw broken(row, `its child ${id} does not exist`);
      if (referred.has(id)) throw broken(row, `its child ${id} has another parent`);
      referred.add(id);
      return part.graph;
    };
    for (const { row, graph, unmerged } of parts.values()) {
      if (row.left_node !== null) graph.left_node = child(row, row.left_node);
      if (row.right_node !== null) graph.right_node = child(row, row.right_node);
      if (unmerged.condition !== null) graph.condition_node = child(row, unmerged.condition);
      if (unmerged.extras.length > 0) graph.extra_nodes = unmerged.extras.map((id) => child(row, id));
    }
    const roots = [...parts.values()].filter(({ row }) => !referred.has(row.id));
    const root = roots[0];
    if (root === void 0 || roots.length > 1 || rootId !== void 0 && root.row.id !== rootId) {
      throw new DurableError(
        `The ${rows.length} nodes of the instance do not form one tree${rootId === void 0 ? "" : ` under root ${rootId}`}: ${roots.length} of them have no parent`,
        { code: "XX001", hint: "Rows of df.nodes were changed by hand; cancel the instance and start it anew." }
      );
    }
    const ids = idsInOrder(root.row.id, parts);
    if (ids.length !== rows.length) {
      throw new DurableError(`${rows.length - ids.length} nodes of the instance refer to each other in a ring`, { code: "XX001" });
    }
    return { program: flatten(root.graph), ids };
  }
  function idsInOrder(rootId, parts) {
    const ids = [];
    const rest = [rootId];
    for (let id = rest.pop(); id !== void 0; id = rest.pop()) {
      ids.push(id);
      const { row, unmerged } = parts.get(id);
      for (let i = unmerged.extras.length - 1; i >= 0; i--) rest.push(unmerged.extras[i]);
      if (unmerged.condition !== null) rest.push(unmerged.condition);
      if (row.right_node !== null) rest.push(row.right_node);
      if (row.left_node !== null) rest.push(row.left_node);
    }
    return ids;
  }

  // src/graph/parse.ts
  function parseGraph(text2) {
    if (text2.trim() === "") {
      throw new DurableError("Invalid durable function: the text is empty; pass one SQL statement or what a df function returned");
    }
    return parseGraphJson(text2) ?? { node_type: "SQL", query: text2 };
  }
  function parseGraphJson(text2) {
    if (!opensObject(text2)) return null;
    const value = parseObject(text2);
    if (value === null || value.node_type === void 0) return null;
    if (!isNodeType(value.node_type)) throw graphError(ROOT, unknownType(value.node_type));
    return decode(value, (place, reason) => graphError(place, `Invalid Durofut JSON: ${reason}`));
  }

  // src/graph/queries.ts
  function queryProblem(graph, validateCron2) {
    const { node_type: type, query: query2 } = graph;
    switch (type) {
      case "THEN":
      case "RACE":
        return query2 === void 0 ? null : `query is not valid for ${type}; remove it`;
      case "IF":
      case "LOOP":
      case "JOIN":
        return controlProblem(graph);
      default:
    }
    if (query2 === void 0) return `query is missing in ${type}; it is ${LEAF_QUERIES[type]}`;
    if (type === "SQL") return query2.trim() === "" ? "query in SQL is empty; it is one SQL statement" : null;
    if (type === "SLEEP") return durationProblem(query2);
    const config = parseObject(query2);
    if (config === null) return `query in ${type} must be a JSON object, not '${excerpt(query2, 60)}'; it is ${LEAF_QUERIES[type]}`;
    switch (type) {
      case "BREAK":
        return breakProblem(config);
      case "WAIT_SCHEDULE":
        return scheduleProblem(config, validateCron2);
      case "SIGNAL":
        return signalProblem(config);
      default:
        return requestProblem(config, type);
    }
  }
  var LEAF_QUERIES = {
    SQL: "one SQL statement",
    SLEEP: "seconds as decimal text",
    BREAK: '{"break_value": a text or null}',
    WAIT_SCHEDULE: '{"cron_expr": "\u2026"}',
    SIGNAL: '{"signal_name": "\u2026", "timeout_seconds": a number or null}',
    HTTP: '{"url", "method", "body", "headers", "timeout_seconds"}',
    HTTP_MULTIPART: '{"url", "method", "parts", "headers", "timeout_seconds"}'
  };
  function controlProblem(graph) {
    const { node_type: type, query: query2 } = graph;
    const hasCondition = graph.condition_node !== void 0;
    const needed = 'condition_node is missing in IF; it is the condition, unless query is {"condition_type":"result_has_rows","result_name":"\u2026"}';
    if (query2 === void 0) return type === "IF" && !hasCondition ? needed : null;
    const config = parseObject(query2);
    if (config === null) {
      return `query in ${type} must be valid JSON config, an object, not '${excerpt(query2, 60)}'`;
    }
    if ("condition_node" in config) return `condition_node in ${type} must be a first-class Durofut field; move it out of query`;
    if ("extra_nodes" in config) return `extra_nodes in ${type} must be a first-class Durofut field; move it out of query`;
    if (type !== "IF") return null;
    const kind2 = config.condition_type;
    if (kind2 === void 0) return hasCondition ? null : needed;
    if (kind2 !== "result_has_rows") return `condition_type in IF must be "result_has_rows", and is ${describe(kind2)}`;
    if (hasCondition) return "IF has both condition_node and a condition_type in query; remove one of them";
    const name = config.result_name;
    if (typeof name !== "string") return `result_name in the query of IF must be a string, and is ${describe(name)}`;
    return nameProblem(name);
  }
  function breakProblem(config) {
    const value = config.break_value;
    if (value === null || typeof value === "string") return null;
    return `break_value in BREAK must be a string or null, and is ${describe(value)}; write JSON values as their text`;
  }
  function scheduleProblem(config, validateCron2) {
    const expr = config.cron_expr;
    if (typeof expr !== "string") return `cron_expr in WAIT_SCHEDULE must be a string, and is ${describe(expr)}`;
    if (validateCron2 === void 0) return null;
    try {
      validateCron2(expr);
      return null;
    } catch (error) {
      if (error instanceof DurableError) return error.message;
      throw error;
    }
  }
  function timeoutProblem(value) {
    if (typeof value === "number" && Number.isSafeInteger(value) && value > 0) return null;
    return `Timeout must be positive whole seconds, and timeout_seconds is ${describe(value)}`;
  }
  function signalProblem(config) {
    const name = config.signal_name;
    if (typeof name !== "string") return `signal_name in SIGNAL must be a string, and is ${describe(name)}`;
    if (name === "") return "Signal name cannot be empty; name the signal that df.signal() will send";
    const timeout = config.timeout_seconds;
    return timeout === void 0 || timeout === null ? null : timeoutProblem(timeout);
  }
  function requestProblem(config, type) {
    const { url, method, body } = config;
    if (typeof url !== "string") return `url in ${type} must be a string, and is ${describe(url)}`;
    const methods = type === "HTTP" ? HTTP_METHODS : MULTIPART_METHODS;
    if (typeof method !== "string" || !methods.includes(method.toUpperCase())) {
      return `Invalid HTTP method in ${type}: it must be one of ${methods.join(", ")}, and is ${describe(method)}`;
    }
    if (type === "HTTP" && body !== void 0 && body !== null && typeof body !== "string") {
      return `body in HTTP must be a string or null, and is ${describe(body)}; write JSON as its text`;
    }
    const problem = (type === "HTTP_MULTIPART" ? partsProblem(config.parts) : null) ?? headersProblem(config.headers);
    if (problem !== null) return problem;
    const timeout = config.timeout_seconds;
    return timeout === void 0 || timeout === null ? null : timeoutProblem(timeout);
  }

  // src/graph/validate.ts
  var MOST_DEPTH = 256;
  var MOST_NODES = 1e4;
  var CHILDREN = {
    SQL: {},
    THEN: { left: "the first step", right: "the second step" },
    IF: { left: "the then branch", right: "the else branch", condition: true },
    JOIN: { left: "the first branch", right: "the second branch", extras: true },
    LOOP: { left: "the body", condition: true },
    BREAK: {},
    RACE: { left: "the first branch", right: "the second branch" },
    SLEEP: {},
    WAIT_SCHEDULE: {},
    HTTP: {},
    HTTP_MULTIPART: {},
    SIGNAL: {}
  };
  var UNSTORABLE = /[\u0000\u{d800}-\u{dfff}]/u;
  function validateGraph(root, options = {}) {
    let count = 0;
    const rest = [{ graph: root, place: ROOT, depth: 0 }];
    for (let work = rest.pop(); work !== void 0; work = rest.pop()) {
      const { graph, place, depth } = work;
      if (depth > MOST_DEPTH) {
        throw graphError(place, `the graph exceeds the maximum nesting depth of ${MOST_DEPTH}`, "Start parts of the work as instances of their own, or nest steps as a balanced tree: a ~> b ~> c nests one level per step, and parentheses can split it.");
      }
      if (++count > MOST_NODES) {
        throw graphError(place, `the graph exceeds the maximum node count of ${MOST_NODES}`, "Start parts of the work as instances of their own, or use a loop.");
      }
      checkNode(graph, place, options);
      const below = depth + 1;
      const { left_node, right_node, condition_node, extra_nodes } = graph;
      if (extra_nodes !== void 0) {
        for (let i = extra_nodes.length - 1; i >= 0; i--) {
          rest.push({ graph: extra_nodes[i], place: { parent: place, step: `extra_nodes[${i}]` }, depth: below });
        }
      }
      if (condition_node !== void 0) rest.push({ graph: condition_node, place: { parent: place, step: "condition_node" }, depth: below });
      if (right_node !== void 0) rest.push({ graph: right_node, place: { parent: place, step: "right" }, depth: below });
      if (left_node !== void 0) rest.push({ graph: left_node, place: { parent: place, step: "left" }, depth: below });
    }
  }
  function checkNode(graph, place, options) {
    const type = graph.node_type;
    if (!isNodeType(type)) throw graphError(place, unknownType(type));
    const may = CHILDREN[type];
    if (graph.condition_node !== void 0 && may.condition === void 0) {
      throw graphError(place, `condition_node is not valid for ${type}; only IF and LOOP have a condition`);
    }
    if (graph.extra_nodes !== void 0 && may.extras === void 0) {
      throw graphError(place, `extra_nodes is not valid for ${type}; only JOIN has further branches`);
    }
    checkChild(graph.left_node, may.left, "left_node", type, place);
    if (type === "IF" && graph.right_node === void 0) {
      throw graphError(place, "right_node is missing in IF; it is the else branch", "Complete 'condition' ?> 'then' with !> 'else', or use df.if().");
    }
    checkChild(graph.right_node, may.right, "right_node", type, place);
    if (graph.result_name !== void 0) {
      const problem2 = nameProblem(graph.result_name);
      if (problem2 !== null) throw graphError(place, problem2);
    }
    if (graph.query !== void 0 && UNSTORABLE.test(graph.query)) {
      throw graphError(place, `query in ${type} holds U+0000 or half of a surrogate pair, which PostgreSQL text cannot hold; remove it`);
    }
    const problem = queryProblem(graph, options.validateCron);
    if (problem !== null) throw graphError(place, problem);
  }
  function checkChild(child, role, key2, type, place) {
    if (role === void 0) {
      if (child !== void 0) throw graphError(place, `${key2} is not valid for ${type}; remove it`);
    } else if (child === void 0) {
      throw graphError(place, `${key2} is missing in ${type}; it is ${role}`);
    }
  }

  // src/engine/explain/interval.ts
  var UNITS = [
    [/^(?:us|usecs?|microseconds?|microsecon)$/, 1n, 0n],
    [/^(?:ms|msecs?|milliseconds?|millisecon)$/, 1000n, 0n],
    [/^(?:s|secs?|seconds?)$/, 1000000n, 0n],
    [/^(?:m|mins?|minutes?)$/, 60000000n, 0n],
    [/^(?:h|hrs?|hours?)$/, 3600000000n, 0n],
    [/^(?:d|days?)$/, 86400000000n, 0n],
    [/^(?:w|weeks?)$/, 604800000000n, 0n],
    [/^(?:mons?|months?)$/, 0n, 1n],
    [/^(?:y|yrs?|years?)$/, 0n, 12n]
  ];
  var CLOCK_UNITS = UNITS.slice(2, 5);
  var PART = /^([-+]?)(\d*)(?:\.(\d*))?\s*([a-z]+)\s*/;
  var CLOCK = /^([-+]?)(\d+):([0-5]?\d)(?::([0-5]?\d(?:\.\d*)?))?\s*/;
  var SECONDS = /^([-+]?)(\d*)(?:\.(\d*))?$/;
  function intervalSeconds(literal2) {
    let rest = literal2.trim().toLowerCase().replace(/^@\s*/, "");
    let sign2 = 1n;
    if (/\sago$/.test(rest)) {
      sign2 = -1n;
      rest = rest.replace(/\s+ago$/, "");
    }
    if (rest === "") return null;
    let total = 0n;
    let months = 0n;
    const bare = SECONDS.exec(rest);
    if (bare !== null) {
      const amount = millionths(bare[2], bare[3]);
      if (amount === null) return null;
      total = bare[1] === "-" ? -amount : amount;
      rest = "";
    }
    const seen = /* @__PURE__ */ new Set();
    while (rest !== "") {
      const clock = CLOCK.exec(rest);
      if (clock !== null) {
        const [all, minus, hours, minutes, seconds2 = "0"] = clock;
        const [whole2, part2] = seconds2.split(".");
        const last = millionths(whole2, part2);
        if (last === null || CLOCK_UNITS.some((unit2) => seen.has(unit2))) return null;
        for (const unit2 of CLOCK_UNITS) seen.add(unit2);
        const amount2 = BigInt(hours) * 3600000000n + BigInt(minutes) * 60000000n + last;
        total += minus === "-" ? -amount2 : amount2;
        rest = rest.slice(all.length);
        continue;
      }
      const part = PART.exec(rest);
      const unit = UNITS.find(([pattern]) => pattern.test(part?.[4] ?? ""));
      const amount = part === null ? null : millionths(part[2], part[3]);
      if (part === null || unit === void 0 || amount === null || seen.has(unit)) return null;
      seen.add(unit);
      const signed = part[1] === "-" ? -amount : amount;
      if (unit[2] !== 0n && signed % 1000000n !== 0n) return null;
      total += signed * unit[1] / 1000000n;
      months += signed / 1000000n * unit[2];
      rest = rest.slice(part[0].length);
    }
    const years = months / 12n;
    total += years * 31557600000000n + (months - years * 12n) * 2592000000000n;
    return decimal(sign2 * total);
  }
  function millionths(whole2 = "", part = "") {
    if (whole2 === "" && part === "" || part.length > 6) return null;
    return BigInt(whole2 === "" ? "0" : whole2) * 1000000n + BigInt(part.slice(0, 6).padEnd(6, "0"));
  }
  function decimal(microseconds) {
    const digits = (microseconds < 0n ? -microseconds : microseconds).toString().padStart(7, "0");
    return `${microseconds < 0n ? "-" : ""}${digits.slice(0, -6)}.${digits.slice(-6)}`;
  }

  // src/engine/explain/evaluate.ts
  var text = (name) => ({ name, type: "text" });
  var strict = (parameters, compose) => ({
    parameters,
    strict: true,
    compose
  });
  var [A, B, C] = [0, 1, 2];
  var at = (args, i) => args[i];
  var of = (args, i) => args[i];
  var whole = (value) => value === null ? null : Number(value);
  var REQUEST = [{ name: "headers", type: "jsonb", fallback: null }, { name: "timeout_seconds", type: "integer", fallback: "30" }];
  var COMPOSERS = /* @__PURE__ */ new Map([
    ["sql", [strict([text("query")], (a) => sql(at(a, A)))]],
    ["seq", [strict([text("a"), text("b")], (a) => seq(at(a, A), at(a, B)))]],
    ["as", [strict([text("fut"), text("name")], (a) => as_(at(a, A), at(a, B)))]],
    ["sleep", [
      strict([{ name: "seconds", type: "bigint" }], (a) => sleep(at(a, A))),
      strict([{ name: "duration", type: "interval" }], (a) => sleepInterval(at(a, A)))
    ]],
    ["wait_for_schedule", [strict([text("cron_expr")], (a, env) => waitForSchedule(at(a, A), (expr) => env.validateCron(expr)))]],
    ["loop", [{
      parameters: [text("body"), { name: "condition", type: "text", fallback: null }],
      strict: false,
      compose: (a) => loop(of(a, A), of(a, B))
    }]],
    ["break", [{ parameters: [{ name: "value", type: "text", fallback: null }], strict: false, compose: (a) => break_(of(a, A)) }]],
    ["if", [strict([text("condition"), text("then_branch"), text("else_branch")], (a) => if_(at(a, A), at(a, B), at(a, C)))]],
    ["if_rows", [strict([text("result_name"), text("then_branch"), text("else_branch")], (a) => ifRows(at(a, A), at(a, B), at(a, C)))]],
    ["join", [strict([text("a"), text("b")], (a) => join(at(a, A), at(a, B)))]],
    ["join3", [strict([text("a"), text("b"), text("c")], (a) => join3(at(a, A), at(a, B), at(a, C)))]],
    ["race", [strict([text("a"), text("b")], (a) => race(at(a, A), at(a, B)))]],
    ["http", [{
      parameters: [text("url"), { name: "method", type: "text", fallback: "POST" }, { name: "body", type: "text", fallback: null }, ...REQUEST],
      strict: false,
      compose: ([url = null, method = null, body = null, headers = null, timeout = null], env) => http({ url, method, body, headers, timeoutSeconds: whole(timeout) }, { mode: allowedMode("http", env) })
    }]],
    ["http_multipart", [{
      parameters: [text("url"), { name: "method", type: "text", fallback: "POST" }, { name: "parts", type: "jsonb", fallback: null }, ...REQUEST],
      strict: false,
      compose: ([url = null, method = null, parts = null, headers = null, timeout = null], env) => httpMultipart({ url, method, parts, headers, timeoutSeconds: whole(timeout) }, { mode: allowedMode("http_multipart", env) })
    }]],
    ["wait_for_signal", [{
      parameters: [text("name"), { name: "timeout_seconds", type: "integer", fallback: null }],
      strict: false,
      compose: (a) => waitForSignal(of(a, A), whole(of(a, B)))
    }]],
    ["as_op", [strict([text("fut"), text("name")], (a) => asOp(at(a, A), at(a, B)))]],
    ["if_then_op", [strict([text("condition"), text("then_branch")], (a) => ifThenOp(at(a, A), at(a, B)))]],
    ["if_else_op", [strict([text("partial_if"), text("else_branch")], (a) => ifElseOp(at(a, A), at(a, B)))]],
    ["loop_prefix_op", [strict([text("body")], (a) => loopPrefixOp(at(a, A)))]]
  ]);
  function allowedMode(name, env) {
    if (!env.mayCall(name)) throw new DurableError(`permission denied for function ${name}; ask for df.grant_usage with include_http`, { code: "42501" });
    return env.httpMode();
  }
  var OPERATORS = {
    "~>": seq,
    "|=>": asOp,
    "&": join,
    "|": race,
    "?>": ifThenOp,
    "!>": ifElseOp,
    "||": (left, right) => left + right
  };
  function evaluate(expression, env) {
    switch (expression.kind) {
      case "literal":
        return { type: expression.type, text: expression.text };
      case "cast":
        return cast(evaluate(expression.value, env), expression.type);
      case "call":
        return call(expression.name, expression.args, env);
      default:
        return apply(expression.name, expression.left && evaluate(expression.left, env), evaluate(expression.right, env));
    }
  }
  function apply(name, left, right) {
    if (left === null && name !== "@>") return sign(name, right);
    for (const side of [left, right]) {
      if (side !== null && side.type !== "text" && side.type !== "unknown") {
        throw new DurableError(`operator ${name} takes text on both sides, not ${side.type}; put the SQL in quotes`, { code: "42883" });
      }
    }
    if (right.text === null || left?.text === null) return { type: "text", text: null };
    if (left === null) return { type: "text", text: loopPrefixOp(right.text) };
    return { type: "text", text: OPERATORS[name](left.text, right.text) };
  }
  function sign(name, value) {
    if (value.type !== "integer" && value.type !== "bigint" && value.type !== "numeric") {
      throw new DurableError(`a sign goes before a number, not ${value.type}`, { code: "42883" });
    }
    if (value.text === null || name === "+") return value;
    return { type: value.type, text: value.text.startsWith("-") ? value.text.slice(1) : `-${value.text}` };
  }
  function call(name, args, env) {
    const signatures = COMPOSERS.get(name);
    if (signatures === void 0) {
      throw new DurableError(`df.${name}() does not compose a workflow, so df.explain does not call it; use ${[...COMPOSERS.keys()].filter((n) => !n.endsWith("_op")).map((n) => `df.${n}`).join(", ")}`, { code: "42883" });
    }
    const values = args.map((arg) => ({ name: arg.name, value: evaluate(arg.value, env) }));
    const given = `df.${name}(${values.map((arg) => (arg.name === null ? "" : `${arg.name} => `) + arg.value.type).join(", ")})`;
    const fitting = signatures.flatMap((composer2) => {
      const bound2 = bind(composer2, values);
      return bound2 === null ? [] : [{ composer: composer2, bound: bound2 }];
    });
    const [first, second] = fitting;
    if (first === void 0) {
      const forms = signatures.map(({ parameters }) => `df.${name}(${parameters.map((p) => `${p.name} ${p.type}${p.fallback === void 0 ? "" : " (optional)"}`).join(", ")})`);
      throw new DurableError(`function ${given} does not exist; the arguments are ${forms.join(" or ")}`, { code: "42883" });
    }
    if (second !== void 0) {
      throw new DurableError(`function ${given} is not unique; write df.sleep(5) for seconds or df.sleep(interval '5 minutes')`, { code: "42725" });
    }
    const { composer, bound } = first;
    const texts = composer.parameters.map((parameter, i) => convert(bound[i], parameter.type).text);
    if (composer.strict && texts.includes(null)) return { type: "text", text: null };
    return { type: "text", text: composer.compose(texts, env) };
  }
  function bind(composer, args) {
    const { parameters } = composer;
    const bound = parameters.map(() => void 0);
    let named = false;
    for (let i = 0; i < args.length; i++) {
      const { name, value } = args[i];
      if (name !== null) named = true;
      else if (named) return null;
      const index = name === null ? i : parameters.findIndex((parameter2) => parameter2.name === name);
      const parameter = parameters[index];
      if (parameter === void 0 || bound[index] !== void 0 || !accepts(parameter.type, value.type)) return null;
      bound[index] = value;
    }
    const complete = [];
    for (let i = 0; i < parameters.length; i++) {
      const { fallback, type } = parameters[i];
      const value = bound[i] ?? (fallback === void 0 ? void 0 : { type, text: fallback });
      if (value === void 0) return null;
      complete.push(value);
    }
    return complete;
  }
  function accepts(parameter, value) {
    return value === "unknown" || value === parameter || parameter === "bigint" && value === "integer";
  }
  var RANGES = {
    integer: [-2147483648n, 2147483647n],
    bigint: [-9223372036854775808n, 9223372036854775807n]
  };
  function cast(value, type) {
    const { type: from } = value;
    const fromText = from === "unknown" || from === "text";
    const numbers = (t) => t === "integer" || t === "bigint" || t === "numeric";
    if (from === type) return value;
    if (type === "text" && numbers(from)) return { type, text: value.text };
    if (fromText || numbers(from) && numbers(type)) return convert(value, type);
    throw new DurableError(`cannot cast type ${from} to ${type} here`, { code: "42846" });
  }
  function convert(value, type) {
    const { text: given } = value;
    if (given === null || value.type === type) return { type, text: given };
    const invalid2 = (hint) => new DurableError(`invalid input syntax for type ${type}: '${excerpt(given, 60)}'; ${hint}`, { code: "22P02" });
    switch (type) {
      case "integer":
      case "bigint": {
        if (!/^\s*[-+]?\d+\s*$/.test(given)) throw invalid2("write a whole number");
        const number = BigInt(given.trim().replace(/^\+/, ""));
        const [least, most] = RANGES[type];
        if (number < least || number > most) throw new DurableError(`${excerpt(given, 60)} is out of range for type ${type}`, { code: "22003" });
        return { type, text: String(number) };
      }
      case "numeric":
        if (!/^\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*$/.test(given)) throw invalid2("write a decimal number");
        return { type, text: given.trim() };
      case "interval": {
        const seconds2 = intervalSeconds(given);
        if (seconds2 === null) throw invalid2("df.explain reads intervals such as '90 seconds', '1 day 2 hours' or '01:30:00'");
        return { type, text: seconds2 };
      }
      case "jsonb":
        if (parseJson(given) === void 0) throw invalid2("write valid JSON");
        return { type, text: given };
      default:
        return { type, text: given };
    }
  }

  // src/engine/explain/tokens.ts
  var OPERATOR_RUN = /[-+*/<>=~!@#%^&|`?]+/y;
  var WORD = /[A-Za-z_\u0080-\uffff][A-Za-z0-9_$\u0080-\uffff]*/y;
  var NUMBER = /(?:\d+(?:\.(?!\.)\d*)?|\.\d+)(?:[eE][-+]?\d+)?/y;
  var DOLLAR_TAG = /\$(?:[A-Za-z_\u0080-\uffff][A-Za-z0-9_\u0080-\uffff]*)?\$/y;
  var PARAMETER = /\$\d+/y;
  var REST_OF_LINE = /[^\n\r]*/y;
  var SPACE2 = /[ \t\n\r\f\v]+/y;
  var CONTINUATION = /[ \t\f\v]*[\n\r][ \t\n\r\f\v]*'/y;
  function match(pattern, text2, at2) {
    pattern.lastIndex = at2;
    return pattern.exec(text2)?.[0];
  }
  function tokenize(text2) {
    const tokens2 = [];
    let at2 = 0;
    while (at2 < text2.length) {
      const space = match(SPACE2, text2, at2);
      if (space !== void 0) {
        at2 += space.length;
        continue;
      }
      if (text2.startsWith("--", at2)) {
        at2 += match(REST_OF_LINE, text2, at2).length;
        continue;
      }
      if (text2.startsWith("/*", at2)) {
        at2 = commentEnd(text2, at2);
        continue;
      }
      const start2 = at2;
      const char = text2[at2];
      const next = text2[at2 + 1];
      if (char === "'") {
        const { value, end } = plainString(text2, at2);
        tokens2.push({ kind: "string", value, at: start2 });
        at2 = end;
      } else if ((char === "e" || char === "E") && next === "'") {
        const { value, end } = escapeString(text2, at2 + 1);
        tokens2.push({ kind: "string", value, at: start2 });
        at2 = end;
      } else if (char === "$") {
        const tag = match(DOLLAR_TAG, text2, at2);
        if (tag === void 0) {
          const parameter = match(PARAMETER, text2, at2) ?? char;
          tokens2.push({ kind: "mark", text: parameter, at: start2 });
          at2 += parameter.length;
          continue;
        }
        const end = text2.indexOf(tag, at2 + tag.length);
        if (end < 0) throw unterminated(`the ${tag} quoted string`, at2);
        tokens2.push({ kind: "string", value: text2.slice(at2 + tag.length, end), at: start2 });
        at2 = end + tag.length;
      } else if (char === '"') {
        const end = closing(text2, at2, '"');
        tokens2.push({ kind: "word", text: text2.slice(at2 + 1, end).replace(/""/g, '"'), quoted: true, at: start2 });
        at2 = end + 1;
      } else {
        at2 = plainToken(text2, at2, tokens2);
      }
    }
    return tokens2;
  }
  function plainToken(text2, at2, tokens2) {
    const word = match(WORD, text2, at2);
    if (word !== void 0) {
      tokens2.push({ kind: "word", text: word.replace(/[A-Z]/g, (letter) => letter.toLowerCase()), quoted: false, at: at2 });
      return at2 + word.length;
    }
    const number = match(NUMBER, text2, at2);
    if (number !== void 0) {
      tokens2.push({ kind: "number", text: number, at: at2 });
      return at2 + number.length;
    }
    const run = match(OPERATOR_RUN, text2, at2);
    if (run !== void 0) {
      const operator = operatorIn(run);
      tokens2.push({ kind: operator === "=>" ? "mark" : "operator", text: operator, at: at2 });
      return at2 + operator.length;
    }
    const two2 = text2.slice(at2, at2 + 2);
    const mark2 = two2 === "::" || two2 === ":=" ? two2 : text2[at2];
    tokens2.push({ kind: "mark", text: mark2, at: at2 });
    return at2 + mark2.length;
  }
  function operatorIn(run) {
    const comment = run.search(/--|\/\*/);
    let operator = comment > 0 ? run.slice(0, comment) : run;
    if (!/[~!@#%^&|`?]/.test(operator)) {
      while (operator.length > 1 && /[-+]$/.test(operator)) operator = operator.slice(0, -1);
    }
    return operator;
  }
  function commentEnd(text2, start2) {
    let depth = 0;
    let at2 = start2;
    while (at2 < text2.length) {
      if (text2.startsWith("/*", at2)) {
        depth++;
        at2 += 2;
      } else if (text2.startsWith("*/", at2)) {
        depth--;
        at2 += 2;
        if (depth === 0) return at2;
      } else {
        at2++;
      }
    }
    throw unterminated("the comment", start2);
  }
  function closing(text2, start2, quote3) {
    let at2 = start2 + 1;
    for (; ; ) {
      const end = text2.indexOf(quote3, at2);
      if (end < 0) throw unterminated(quote3 === '"' ? "the quoted name" : "the string", start2);
      if (text2[end + 1] !== quote3) return end;
      at2 = end + 2;
    }
  }
  function plainString(text2, start2) {
    const end = closing(text2, start2, "'");
    const value = text2.slice(start2 + 1, end).replace(/''/g, "'");
    return continued(text2, value, end + 1, plainString);
  }
  function continued(text2, value, end, read4) {
    const gap = match(CONTINUATION, text2, end);
    if (gap === void 0) return { value, end };
    const more = read4(text2, end + gap.length - 1);
    return { value: value + more.value, end: more.end };
  }
  var ESCAPES = { b: "\b", f: "\f", n: "\n", r: "\r", t: "	" };
  function escapeString(text2, start2) {
    let value = "";
    let at2 = start2 + 1;
    for (; ; ) {
      const char = text2[at2];
      if (char === void 0) throw unterminated("the string", start2);
      if (char === "'") {
        if (text2[at2 + 1] !== "'") return continued(text2, value, at2 + 1, escapeString);
        value += "'";
        at2 += 2;
      } else if (char === "\\") {
        const escape = /^\\(?:([0-7]{1,3})|x([0-9A-Fa-f]{1,2})|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))/.exec(text2.slice(at2, at2 + 10));
        if (escape === null) {
          const letter = text2[at2 + 1];
          if (letter === void 0) throw unterminated("the string", start2);
          if (letter === "u" || letter === "U") throw syntax(`invalid Unicode escape; write \\uXXXX or \\UXXXXXXXX`, at2);
          value += ESCAPES[letter] ?? letter;
          at2 += 2;
        } else {
          value += escaped(escape, at2);
          at2 += escape[0].length;
        }
      } else {
        value += char;
        at2++;
      }
    }
  }
  function escaped(escape, at2) {
    const [, octal, hex, four, eight] = escape;
    if (octal !== void 0 || hex !== void 0) {
      const byte = octal !== void 0 ? parseInt(octal, 8) : parseInt(hex, 16);
      if (byte === 0 || byte > 127) throw syntax("byte escapes stand for ASCII only here; write \\uXXXX or the character itself", at2);
      return String.fromCharCode(byte);
    }
    const point = parseInt(four ?? eight, 16);
    if (point === 0 || point > 1114111) throw syntax("invalid Unicode escape value", at2);
    return String.fromCodePoint(point);
  }
  function unterminated(what, at2) {
    return syntax(`${what} has no end; close it`, at2);
  }
  function syntax(reason, at2) {
    return new DurableError(`${reason} (at character ${at2 + 1})`, { code: "42601" });
  }

  // src/engine/explain/expression.ts
  var BINARY = /* @__PURE__ */ new Set(["~>", "|=>", "&", "|", "?>", "!>", "||"]);
  var PREFIX = "@>";
  var TYPES = {
    text: "text",
    varchar: "text",
    integer: "integer",
    int: "integer",
    int4: "integer",
    bigint: "bigint",
    int8: "bigint",
    numeric: "numeric",
    decimal: "numeric",
    interval: "interval",
    jsonb: "jsonb"
  };
  var MOST_HEIGHT = 600;
  var MOST_OPEN = 300;
  function usesDsl(tokens2) {
    return tokens2.some((token, i) => {
      if (token.kind === "operator") return token.text === PREFIX || token.text !== "||" && BINARY.has(token.text);
      const next = tokens2[i + 1];
      return token.kind === "word" && token.text === "df" && next?.kind === "mark" && next.text === ".";
    });
  }
  function parseExpression(tokens2) {
    let next = 0;
    let open = 0;
    const peek = () => tokens2[next];
    const isMark = (text2, ahead = 0) => {
      const token = tokens2[next + ahead];
      return token?.kind === "mark" && token.text === text2;
    };
    const isWord = (text2, ahead = 0) => {
      const token = tokens2[next + ahead];
      return token?.kind === "word" && !token.quoted && token.text === text2;
    };
    const here = () => peek()?.at ?? (tokens2[tokens2.length - 1]?.at ?? 0) + 1;
    const refuse = (wanted) => {
      const token = peek();
      if (token === void 0) return syntax(`the expression ends where ${wanted} was expected`, here());
      return syntax(`${shown(token)} where ${wanted} was expected`, token.at);
    };
    const expect = (mark2) => {
      if (!isMark(mark2)) throw refuse(`'${mark2}'`);
      next++;
    };
    const grow = (at2, ...parts) => {
      const height = 1 + parts.reduce((most, part) => Math.max(most, part?.height ?? 0), 0);
      if (height > MOST_HEIGHT) throw syntax(`the expression nests more than ${MOST_HEIGHT} levels, and a graph may have 256`, at2);
      return { at: at2, height };
    };
    const deeper = (read4) => {
      if (++open > MOST_OPEN) throw syntax(`the expression nests more than ${MOST_OPEN} levels of parentheses, and a graph may have 256`, here());
      const value = read4();
      open--;
      return value;
    };
    const operator = (wanted) => {
      const token = peek();
      if (token?.kind === "operator" && wanted(token.text)) {
        next++;
        return { name: token.text, at: token.at };
      }
      if (!isWord("operator") || !isMark("(", 1)) return null;
      const qualified = isWord("pg_catalog", 2) && isMark(".", 3) ? 2 : 0;
      const inner = tokens2[next + 2 + qualified];
      if (inner?.kind !== "operator" || !wanted(inner.text) || !isMark(")", 3 + qualified)) return null;
      next += 4 + qualified;
      return { name: inner.text, at: inner.at };
    };
    const expression = () => {
      let left = operand();
      for (; ; ) {
        const found = operator((name) => BINARY.has(name));
        if (found === null) return left;
        const right = operand();
        left = { kind: "operator", name: found.name, left, right, ...grow(found.at, left, right) };
      }
    };
    const operand = () => {
      const prefix = operator((name) => name === PREFIX);
      if (prefix === null) return signed();
      const right = deeper(operand);
      return { kind: "operator", name: PREFIX, left: null, right, ...grow(prefix.at, right) };
    };
    const signed = () => {
      const token = peek();
      if (token?.kind !== "operator" || token.text !== "-" && token.text !== "+") return cast2();
      next++;
      const value = deeper(signed);
      return { kind: "operator", name: token.text, left: null, right: value, ...grow(token.at, value) };
    };
    const cast2 = () => {
      let value = primary();
      while (isMark("::")) {
        const at2 = here();
        next++;
        const type = typeName();
        if (type === null) throw refuse("a type such as text, bigint or interval");
        value = { kind: "cast", value, type, ...grow(at2, value) };
      }
      return value;
    };
    const typeName = () => {
      const skip = isWord("pg_catalog") && isMark(".", 1) ? 2 : 0;
      const token = tokens2[next + skip];
      if (token?.kind !== "word") return null;
      if (!token.quoted && token.text === "character" && isWord("varying", skip + 1)) {
        next += skip + 2;
        return "text";
      }
      const type = Object.prototype.hasOwnProperty.call(TYPES, token.text) ? TYPES[token.text] : void 0;
      if (type === void 0) return null;
      next += skip + 1;
      return type;
    };
    const primary = () => {
      const token = peek();
      if (token === void 0) throw refuse("a literal or a df call");
      const { at: at2 } = token;
      if (token.kind === "string") {
        next++;
        return { kind: "literal", type: "unknown", text: token.value, at: at2, height: 1 };
      }
      if (token.kind === "number") {
        next++;
        return { kind: "literal", type: numberType(token.text), text: token.text, at: at2, height: 1 };
      }
      if (isMark("(")) {
        next++;
        const value = deeper(expression);
        expect(")");
        return value;
      }
      if (token.kind !== "word") throw refuse("a literal or a df call");
      if (isWord("null")) {
        next++;
        return { kind: "literal", type: "unknown", text: null, at: at2, height: 1 };
      }
      if (isWord("cast") && isMark("(", 1)) return castCall(at2);
      if (token.text === "df" && isMark(".", 1)) return call2(at2);
      const start2 = next;
      const type = typeName();
      const literal2 = peek();
      if (type !== null && literal2?.kind === "string") {
        next++;
        const value = { kind: "literal", type: "unknown", text: literal2.value, at: literal2.at, height: 1 };
        return { kind: "cast", value, type, ...grow(at2, value) };
      }
      next = start2;
      throw syntax(
        `${shown(token)} is not part of the workflow language: df.explain evaluates literals, our operators and the df functions that compose, nothing else`,
        at2
      );
    };
    const castCall = (at2) => {
      next += 2;
      const value = deeper(expression);
      if (!isWord("as")) throw refuse("AS");
      next++;
      const type = typeName();
      if (type === null) throw refuse("a type such as text, bigint or interval");
      expect(")");
      return { kind: "cast", value, type, ...grow(at2, value) };
    };
    const call2 = (at2) => {
      const name = tokens2[next + 2];
      if (name?.kind !== "word" || !isMark("(", 3)) {
        next += 2;
        throw refuse("the name of a df function and its arguments");
      }
      next += 4;
      const args = [];
      if (!isMark(")")) {
        do {
          if (args.length > 0) next++;
          args.push(argument());
        } while (isMark(","));
      }
      expect(")");
      return { kind: "call", name: name.text, args, ...grow(at2, ...args.map((arg) => arg.value)) };
    };
    const argument = () => {
      const token = peek();
      const named = token?.kind === "word" && (isMark("=>", 1) || isMark(":=", 1));
      if (named) next += 2;
      return { name: named ? token.text : null, value: deeper(expression) };
    };
    const whole2 = expression();
    if (isMark(";") && next === tokens2.length - 1) next++;
    if (next < tokens2.length) throw refuse("an operator or the end");
    return whole2;
  }
  function shown(token) {
    return `'${excerpt(token.kind === "string" ? token.value : token.text, 40)}'`;
  }
  function numberType(text2) {
    if (!/^\d+$/.test(text2)) return "numeric";
    const value = BigInt(text2);
    return value <= 2147483647n ? "integer" : value <= 9223372036854775807n ? "bigint" : "numeric";
  }

  // src/engine/explain/tree.ts
  function renderTree(program, markOf2) {
    const lines = [];
    const block = (index, indent, lead) => {
      const steps2 = stepsOf(program, index);
      steps2.forEach((step, i) => {
        const node = nodeAt(program, step.index);
        const names2 = step.names.map((name) => ` |=> '${name}'`).join("");
        lines.push(`${indent}${i === 0 ? lead : "\u2192 "}${labelOf(node)}${names2}${markOf2(step.index)}`);
        for (const [heading, child] of partsOf(node)) {
          lines.push(`${indent}    ${heading}`);
          const within2 = `${indent}      `;
          if (typeof child === "string") lines.push(`${within2}\u2514\u2500${child}`);
          else block(child, within2, "\u2514\u2500");
        }
      });
    };
    block(0, "", "");
    return lines.join("\n");
  }
  function nodeAt(program, index) {
    return program.nodes[index];
  }
  function stepsOf(program, root) {
    const steps2 = [];
    const rest = [{ index: root, names: [] }];
    for (let at2 = rest.pop(); at2 !== void 0; at2 = rest.pop()) {
      const node = nodeAt(program, at2.index);
      const names2 = node.name === null ? at2.names : [node.name, ...at2.names];
      if (node.type === "THEN") rest.push({ index: node.right, names: names2 }, { index: node.left, names: [] });
      else steps2.push({ index: at2.index, names: names2 });
    }
    return steps2;
  }
  function partsOf(node) {
    switch (node.type) {
      case "IF":
        return [
          ["? condition:", node.condition === NONE ? `has rows: $${field(node, "result_name")}` : node.condition],
          ["\u2713 then:", node.left],
          ["\u2717 else:", node.right]
        ];
      case "LOOP":
        return node.condition === NONE ? [["\u21BB body:", node.left]] : [["\u21BB body:", node.left], ["? while:", node.condition]];
      case "JOIN":
      case "RACE":
        return [node.left, node.right, ...node.extras].map((child, i) => [`\u2551 branch ${i + 1}:`, child]);
      default:
        return [];
    }
  }
  function labelOf(node) {
    const { type, query: query2 } = node;
    switch (type) {
      case "SQL":
        return `SQL: ${oneLine(query2 ?? "", 50)}`;
      case "SLEEP":
        return `SLEEP ${query2 ?? ""}s`;
      case "WAIT_SCHEDULE":
        return `WAIT ${literal(field(node, "cron_expr"))}`;
      case "HTTP":
      case "HTTP_MULTIPART":
        return `${type} ${field(node, "method").toUpperCase()} ${oneLine(field(node, "url"), 40)}`;
      case "SIGNAL": {
        const timeout = field(node, "timeout_seconds");
        return `SIGNAL ${literal(field(node, "signal_name"))}${timeout === "" ? "" : ` (${timeout}s)`}`;
      }
      case "BREAK":
        return parseObject(query2 ?? "")?.break_value === null ? "BREAK" : `BREAK ${literal(field(node, "break_value"))}`;
      case "LOOP":
        return node.condition === NONE ? "LOOP (infinite)" : "LOOP (while)";
      case "JOIN":
        return `JOIN (${2 + node.extras.length})`;
      default:
        return type;
    }
  }
  function field(node, key2) {
    const value = parseObject(node.query ?? "")?.[key2];
    return value === void 0 || value === null ? "" : String(value);
  }
  function literal(text2) {
    return `'${oneLine(text2, 60).replace(/'/g, "''")}'`;
  }
  function oneLine(text2, length2) {
    const head = text2.trimStart().slice(0, 50 * length2);
    return excerpt(head.replace(/\s+/g, " ").trimEnd(), length2);
  }

  // src/engine/explain.ts
  var MARKS = /* @__PURE__ */ new Map([
    ["completed", "\u2713"],
    ["failed", "\u2717"],
    ["cancelled", "\u2717"],
    ["running", "\u23F3"],
    ["pending", "\u25CB"],
    ["skipped", "\u2298"]
  ]);
  function markOf(status) {
    const mark2 = MARKS.get(status);
    if (mark2 === void 0) throw new Error(`explain: no mark for status '${status}'`);
    return mark2;
  }
  function explainGraph(program) {
    return renderTree(program, () => "");
  }
  function explainInstance(view) {
    const { id, label, status, output, program, statuses } = view;
    const head = [`Instance: ${id}${label === null || label === "" ? "" : ` (${label})`}`, `Status:   ${markOf(status)} ${status}`];
    if (output !== null) head.push(`Output:   ${oneLine(output, 60)}`);
    return `${head.join("\n")}

${renderTree(program, (index) => ` ${markOf(statuses(index))}`)}`;
  }
  function explainInput(text2, env) {
    try {
      return explainText(text2.trim(), env);
    } catch (error) {
      if (error instanceof DurableError) return error.message;
      throw error;
    }
  }
  function explainText(input, env) {
    if (/^[0-9a-f]{8}$/.test(input)) {
      const view = env.instance(input);
      return view === null ? `Instance '${input}' not found` : explainInstance(view);
    }
    if (opensObject(input)) {
      const graph = parseGraphJson(input);
      if (graph !== null) return explainValid(graph, env);
      if (parseObject(input) === null && /^\{\s*"/.test(input)) {
        return "Invalid durable function graph: root: the text begins as JSON but is not valid JSON; pass what a df function returned";
      }
      return refusal(input, "it is JSON without a node_type");
    }
    let tokens2;
    try {
      tokens2 = tokenize(input);
    } catch (error) {
      if (error instanceof DurableError) return refusal(input, error.message);
      throw error;
    }
    const word = firstWord(tokens2);
    if (word !== null && STATEMENTS.has(word)) {
      if (holdsTwo(tokens2)) return refusal(input, "it holds more than one SQL statement, and a step is one");
      return explainValid({ node_type: "SQL", query: input }, env);
    }
    if (usesDsl(tokens2)) return explainExpression(tokens2, env);
    if (tokens2.length === 0) return refusal(input, "it is empty");
    return refusal(input, "it is none of these");
  }
  function explainExpression(tokens2, env) {
    let future;
    try {
      const { text: text2 } = evaluate(parseExpression(tokens2), env);
      if (text2 === null) return "Failed to evaluate expression: the result is NULL, because a part of it is; replace the NULL";
      future = text2;
    } catch (error) {
      if (error instanceof DurableError) return `Failed to evaluate expression: ${error.message}`;
      throw error;
    }
    return explainValid(parseGraph(future), env);
  }
  function explainValid(graph, env) {
    validateGraph(graph, { validateCron: (expr) => env.validateCron(expr) });
    return explainGraph(flatten(graph));
  }
  function refusal(input, reason) {
    return `Cannot explain '${excerpt(input, 60)}': ${reason}. df.explain accepts an instance id (eight lower-case hex digits), a graph as JSON, an expression of our operators and df functions such as 'SELECT 1' ~> df.sleep(5), or one SQL statement.`;
  }
  var STATEMENTS = new Set(
    "abort alter analyse analyze begin call checkpoint close cluster comment commit copy create deallocate declare delete discard do drop end execute explain fetch grant import insert listen load lock merge move notify prepare reassign refresh reindex release reset revoke rollback savepoint security select set show start table truncate unlisten update vacuum values with".split(" ")
  );
  function firstWord(tokens2) {
    const first = tokens2.find((token) => !(token.kind === "mark" && token.text === "("));
    return first?.kind === "word" && !first.quoted ? first.text : null;
  }
  function holdsTwo(tokens2) {
    const isWord = (token, text2) => token?.kind === "word" && token.text === text2;
    if (isWord(tokens2[0], "create") && tokens2.some((token, i) => isWord(token, "begin") && isWord(tokens2[i + 1], "atomic"))) return false;
    const end = tokens2.findIndex((token) => token.kind === "mark" && token.text === ";");
    return end >= 0 && tokens2.slice(end).some((token) => !(token.kind === "mark" && token.text === ";"));
  }

  // src/engine/scope.ts
  function parseStamp(text2) {
    const parts = text2.split("::");
    if (parts.length % 2 !== 0) return null;
    const levels = [];
    for (let i = 0; i < parts.length; i += 2) {
      const id = parts[i];
      const generation = parts[i + 1];
      if (!/^[^:\s]+$/.test(id) || !/^\d{1,15}$/.test(generation)) return null;
      levels.push({ id, generation: Number(generation) });
    }
    return levels;
  }

  // src/engine/infer.ts
  function infer(program, states) {
    const { nodes } = program;
    if (states.length !== nodes.length) throw new RangeError(`${states.length} states for ${nodes.length} nodes`);
    const positions = locate(states);
    const owners = scopeOwners(program);
    const out = [];
    const terminal = [];
    for (let i = 0; i < nodes.length; i++) {
      const { status } = states[i];
      const above = nodes[i].parent === NONE ? NONE : terminal[nodes[i].parent];
      const ended2 = status === "completed" || status === "failed";
      const movedOn = ended2 ? supersededBy(positions[i]) : null;
      terminal[i] = ended2 && movedOn === null ? i : above;
      if (terminal[i] === i) out.push({ inferred: status, ancestor: NONE });
      else if (above !== NONE) out.push({ inferred: "skipped", ancestor: above });
      else if (movedOn !== null) out.push({ inferred: "pending", ancestor: ownerAt(owners[i], movedOn.level) });
      else out.push({ inferred: status, ancestor: NONE });
    }
    return out;
  }
  function supersededBy(position2) {
    let found = null;
    for (let at2 = position2; at2 !== null; at2 = at2.outer) {
      if (at2.scope.highest > at2.generation) found = at2.scope;
    }
    return found;
  }
  function locate(states) {
    const roots = /* @__PURE__ */ new Map();
    const seen = /* @__PURE__ */ new Map();
    return states.map(({ executionId }) => executionId === null ? null : resolve(executionId, roots, seen));
  }
  function resolve(stamp, roots, seen) {
    const missing = [];
    let outer;
    for (let text2 = stamp; text2 !== ""; ) {
      outer = seen.get(text2);
      if (outer !== void 0) break;
      const cut = Math.max(0, text2.lastIndexOf("::", text2.lastIndexOf("::") - 1));
      missing.push({ text: text2, level: cut === 0 ? text2 : text2.slice(cut + 2) });
      text2 = text2.slice(0, cut);
    }
    for (let i = missing.length - 1; i >= 0; i--) {
      const { text: text2, level } = missing[i];
      outer = outer === null ? null : within(outer, level, roots);
      seen.set(text2, outer);
    }
    return outer ?? null;
  }
  function within(outer, level, roots) {
    const levels = parseStamp(level);
    if (levels === null || levels.length !== 1) return null;
    const { id, generation } = levels[0];
    const holder = outer === void 0 ? roots : outer.scope.inner;
    const key2 = outer === void 0 ? id : `${outer.generation}::${id}`;
    let scope = holder.get(key2);
    if (scope === void 0) {
      scope = { highest: generation, level: outer === void 0 ? 0 : outer.scope.level + 1, inner: /* @__PURE__ */ new Map() };
      holder.set(key2, scope);
    }
    scope.highest = Math.max(scope.highest, generation);
    return { scope, generation, outer: outer ?? null };
  }
  function scopeOwners({ nodes }) {
    const owners = [];
    nodes.forEach((node, i) => {
      const outer = node.parent === NONE ? null : owners[node.parent];
      const parent = node.parent === NONE ? void 0 : nodes[node.parent].type;
      const opens = outer === null || node.type === "LOOP" || parent === "JOIN" || parent === "RACE";
      owners.push(opens ? { node: i, level: outer === null ? 0 : outer.level + 1, outer } : outer);
    });
    return owners;
  }
  function ownerAt(owner, level) {
    let at2 = owner;
    while (at2.level > level && at2.outer !== null) at2 = at2.outer;
    return at2.node;
  }

  // src/db/instance.ts
  var rootOf = query("SELECT i.root_node FROM df.instances i WHERE i.id = $1", "text");
  var nodesOf = query(`
  SELECT n.id, n.node_type, n.query, n.result_name, n.left_node, n.right_node, n.status, n.result::text AS result,
    NULL::text AS status_details, NULL::text AS execution_id, n.updated_at::text AS updated_at
  FROM df.nodes n WHERE n.instance_id = $1`, "text");
  function readInstance(id) {
    const root = rootOf(id)[0]?.root_node;
    if (root === void 0) return null;
    const byId = new Map(nodesOf(id).map((row) => [row.id, row]));
    const { program, ids } = programFromRows([...byId.values()], root);
    const rows = ids.map((node) => byId.get(node));
    const inferred = infer(program, rows.map((row) => ({ status: row.status, executionId: row.execution_id })));
    return { program, rows, inferred };
  }

  // src/functions/explain.ts
  var header = query(`
  SELECT i.label, i.status, _df.output(i) AS output FROM df.instances i WHERE i.id = $1`, "text");
  function explain(input) {
    return explainInput(input, { validateCron, httpMode, instance: viewOf, mayCall: (name) => mayExecute(SIGNATURES[name])[0].may });
  }
  var mayExecute = query(`SELECT has_function_privilege($1, 'EXECUTE') AS may`, "text");
  var SIGNATURES = {
    http: "df.http(text, text, text, jsonb, integer)",
    http_multipart: "df.http_multipart(text, text, jsonb, jsonb, integer)"
  };
  function nodesOf2(instanceId) {
    const found = readInstance(instanceId);
    if (found === null) return [];
    return found.rows.map((row, index) => {
      const { inferred, ancestor } = found.inferred[index];
      return {
        node_id: row.id,
        node_type: row.node_type,
        query: row.query,
        result_name: row.result_name,
        left_node: row.left_node,
        right_node: row.right_node,
        status: row.status,
        result: row.result,
        status_details: row.status_details,
        inferred_status: inferred,
        inferred_status_from_ancestor_id: ancestor === NONE ? null : found.rows[ancestor].id,
        updated_at: row.updated_at
      };
    });
  }
  function viewOf(id) {
    const instance = header(id)[0];
    const found = instance === void 0 ? null : readInstance(id);
    if (instance === void 0 || found === null) return null;
    return { id, ...instance, program: found.program, statuses: (index) => found.inferred[index].inferred };
  }

  // src/db/claim.ts
  var MOST_ROLLS = 10;
  var randomHex = query("SELECT _df.random_ids($1) AS ids", "int4");
  function rollIds(count) {
    return randomHex(count)[0].ids;
  }
  function claimId(what, roll, insert) {
    for (let rolls = 1; ; rolls++) {
      const candidate = roll();
      if (insert(candidate)) return candidate;
      if (rolls === MOST_ROLLS) {
        throw new DurableError(`could not claim ${what}: ${MOST_ROLLS} tries met ids that are taken`, {
          code: "23505",
          hint: "Run the statement again. If it persists, delete instances that have ended (pg_durable.retention_days)."
        });
      }
    }
  }

  // src/functions/start.ts
  var NODES_PER_INSERT = 1e3;
  var caller = query(`
  SELECT r.oid::regrole::text AS role, r.rolcanlogin AS login, r.rolsuper AS superuser,
    $1 IS NULL OR EXISTS (SELECT FROM pg_database d WHERE d.datname = $1 AND d.datallowconn) AS database,
    (SELECT w.schema_version FROM _df._worker_ready w) AS ready
  FROM pg_roles r WHERE r.rolname = current_user`, "text");
  var insertInstance = query(`
  INSERT INTO df.instances (id, label, root_node, submitted_by, database)
  VALUES ($1, $2, $3, $4::regrole, $5) ON CONFLICT DO NOTHING RETURNING id`, "text", "text", "text", "text", "text");
  var insertNodes = query(
    `
  INSERT INTO df.nodes (id, instance_id, node_type, query, result_name, left_node, right_node, submitted_by, database)
  SELECT u.id, $1, u.node_type, u.query, u.result_name, u.left_node, u.right_node, $2::regrole, $3
  FROM unnest($4::text[], $5::text[], $6::text[], $7::text[], $8::text[], $9::text[])
    u(id, node_type, query, result_name, left_node, right_node)
  ON CONFLICT DO NOTHING RETURNING id`,
    "text",
    "text",
    "text",
    "text[]",
    "text[]",
    "text[]",
    "text[]",
    "text[]",
    "text[]"
  );
  var enroll = query("SELECT _df.enroll($1, $2, $3)", "text", "text", "text");
  var Taken = class extends Error {
  };
  function start(fut, label, database, transactionMode) {
    checkMode(transactionMode);
    if (fut === null) {
      throw new DurableError("Invalid durable function: it is NULL", { hint: "Pass SQL or the outcome of a df composer; a NULL argument makes a composer NULL." });
    }
    refuseHelpers(fut);
    const graph = parseGraph(fut);
    const me = checkCaller(database);
    validateGraph(graph, { validateCron });
    if (me.ready === null || me.ready < 1) {
      throw new DurableError("pg_durable is not ready to start workflows", {
        code: "55000",
        detail: me.ready === null ? "_df._worker_ready is empty." : `_df._worker_ready.schema_version is ${me.ready}, and at least 1 is needed.`,
        hint: "An operator has closed the door; it opens with UPDATE _df._worker_ready SET schema_version = 1."
      });
    }
    const program = flatten(graph);
    const root = rollIds(1);
    const id = claimId("an instance id", () => rollIds(1), (candidate) => insertInstance(candidate, label, root, me.role, database).length === 1);
    const ids = claimNodes(program, id, root, me.role, database);
    enroll(id, printGraph(graph), ids.join(""));
    return id;
  }
  function checkMode(mode) {
    const wanted = (mode ?? "").toLowerCase();
    if (wanted !== "caller" && wanted !== "new") {
      throw new DurableError(`invalid transaction_mode: ${mode === null ? "NULL" : `'${mode}'`}`, { hint: `Use 'caller' or 'new'.` });
    }
    if (wanted === "new") {
      throw new DurableError(`transaction_mode 'new' is not available in this version`, { code: "0A000", hint: `Use 'caller'.` });
    }
  }
  function checkCaller(database) {
    const me = caller(database)[0];
    if (!me.database) {
      throw new DurableError(`database "${database}" does not exist`, { code: "3D000", hint: "Name a database of this cluster that accepts connections, or none." });
    }
    if (!me.login) {
      throw new DurableError(`role ${me.role} cannot start workflows: it has no LOGIN, and steps run in sessions of their submitter`, {
        code: "42501",
        hint: `ALTER ROLE ${me.role} LOGIN, or start as a role that can log in.`
      });
    }
    if (me.superuser && !booleanSetting("enable_superuser_instances")) {
      throw new DurableError(`superuser ${me.role} cannot start workflows while pg_durable.enable_superuser_instances is off`, {
        code: "42501",
        hint: "Start as an ordinary role, or set pg_durable.enable_superuser_instances = on."
      });
    }
    return me;
  }
  function claimNodes(program, instance, root, role, database) {
    return claimId(`ids for the nodes of instance ${instance}`, () => distinctIds(root, program.nodes.length), (ids) => {
      try {
        plv8.subtransaction(() => {
          const nodes = storedNodes(program, ids);
          for (let from = 0; from < nodes.length; from += NODES_PER_INSERT) {
            const part = nodes.slice(from, from + NODES_PER_INSERT);
            const claimed = insertNodes(
              instance,
              role,
              database,
              part.map((n) => n.id),
              part.map((n) => n.node_type),
              part.map((n) => n.query),
              part.map((n) => n.result_name),
              part.map((n) => n.left_node),
              part.map((n) => n.right_node)
            );
            if (claimed.length < part.length) throw new Taken();
          }
        });
        return true;
      } catch (error) {
        if (error instanceof Taken) return false;
        throw error;
      }
    });
  }
  function distinctIds(root, count) {
    const ids = /* @__PURE__ */ new Set([root]);
    while (ids.size < count) {
      const rolled = rollIds(count - ids.size);
      for (let at2 = 0; at2 < rolled.length; at2 += 8) ids.add(rolled.slice(at2, at2 + 8));
    }
    return [...ids];
  }

  // src/functions/variables.ts
  var ME = "quote_ident(current_user)::regrole";
  var upsert = command(`
  INSERT INTO df.vars (name, value, owner) VALUES ($1, $2, ${ME})
  ON CONFLICT (owner, name) DO UPDATE SET value = excluded.value`, "text", "text");
  var remove = command(`DELETE FROM df.vars v WHERE v.owner = ${ME} AND v.name = $1`, "text");
  var removeAll = command(`DELETE FROM df.vars v WHERE v.owner = ${ME}`);
  var read2 = query(`SELECT v.value FROM df.vars v WHERE v.owner = ${ME} AND v.name = $1`, "text");
  function setvar(name, value) {
    refuseInWorkflow("setvar");
    if (name === "") throw new DurableError("Variable name cannot be empty");
    upsert(name, value);
    noteHelperCall("setvar");
    return "OK";
  }
  function getvar(name) {
    return read2(name)[0]?.value ?? null;
  }
  function unsetvar(name) {
    refuseInWorkflow("unsetvar");
    remove(name);
    noteHelperCall("unsetvar");
    return "OK";
  }
  function clearvars() {
    refuseInWorkflow("clearvars");
    removeAll();
    noteHelperCall("clearvars");
    return "OK";
  }

  // src/engine/run.ts
  var NAMED = /* @__PURE__ */ new Set([
    "SQL",
    "HTTP",
    "HTTP_MULTIPART",
    "SIGNAL",
    "THEN",
    "IF",
    "JOIN",
    "RACE",
    "LOOP"
  ]);
  function nodeId(run, pc) {
    return run.nodeIds.slice(pc * 8, pc * 8 + 8);
  }
  function resultName(run, pc) {
    const node = run.program.nodes[pc];
    return node.name !== null && NAMED.has(node.type) ? node.name : null;
  }
  function parentKey(key2) {
    if (key2 === "") return null;
    return key2.slice(0, key2.lastIndexOf(".", key2.lastIndexOf(".") - 1));
  }
  function childKey(branch, slot) {
    return `${branch.key}.${branch.forks}.${slot}`;
  }
  function position(run, branch) {
    let scope = branch.scope;
    let generation = 1;
    for (const frame of branch.frames) {
      if (frame.pc !== branch.root) scope = `${scope}::${generation}::${nodeId(run, frame.pc)}`;
      generation = frame.generation;
    }
    return { scope, generation };
  }
  function newBranch(key2, root, scope, due) {
    return {
      key: key2,
      root,
      scope,
      pc: root,
      phase: "start",
      frames: [],
      forks: 0,
      due,
      waiting: null,
      expires: null,
      outcome: null,
      attempts: 0,
      seq: 0,
      address: null,
      state: "new"
    };
  }

  // src/engine/fork.ts
  function fork(run, branch, pc, port) {
    const { scope, generation } = position(run, branch);
    const names2 = port.names(run, branch);
    branch.phase = "fork";
    branch.pc = pc;
    branch.due = null;
    branch.forks++;
    const children = childRoots(run, pc).map((root, slot) => {
      const child = newBranch(childKey(branch, slot), root, `${scope}::${generation}::${nodeId(run, root)}`, port.now);
      run.branches.set(child.key, child);
      run.names.set(child.key, new Map(names2));
      for (const [name, value] of names2) run.nameWrites.push({ branch: child.key, name, value });
      return child;
    });
    branch.phase = "start";
    for (const child of children) walk(run, child, child.root, null, port);
    branch.phase = "fork";
    return children.some((child) => child.phase === "done") ? settleFork(run, branch, port) : null;
  }
  function settleFork(run, parent, port) {
    if (parent.phase !== "fork") return null;
    const roots = childRoots(run, parent.pc);
    const children = roots.map((_, slot) => run.branches.get(childKey(parent, slot)));
    const race3 = run.program.nodes[parent.pc].type === "RACE";
    const outcome = race3 ? settleRace(run, parent, children, port) : settleJoin(run, parent, children, port);
    if (outcome === null) return null;
    const prefix = `${parent.key}.${parent.forks}.`;
    for (const branch of [...run.branches.values()]) {
      if (branch.key.startsWith(prefix)) drop(run, branch);
    }
    touch(parent);
    parent.due = port.now;
    return outcome;
  }
  function isAlive(run, child) {
    const above = parentKey(child.key);
    if (above === null) return true;
    const parent = run.branches.get(above);
    return parent !== void 0 && parent.state !== "gone" && parent.phase === "fork" && child.key.startsWith(`${above}.${parent.forks}.`);
  }
  function drop(run, branch) {
    run.names.delete(branch.key);
    run.nameWrites.push({ branch: branch.key, name: "", value: null });
    if (branch.state === "new") run.branches.delete(branch.key);
    else branch.state = "gone";
  }
  function childRoots(run, pc) {
    const node = run.program.nodes[pc];
    return [node.left, node.right, ...node.extras].filter((child) => child !== NONE);
  }
  function settleJoin(run, parent, children, port) {
    if (children.some((child) => child.phase !== "done")) return null;
    for (const [slot, child] of children.entries()) {
      const outcome = child.outcome;
      if (outcome.kind === "failed") return { ...outcome, text: `JOIN branch ${slot + 1} failed: ${outcome.text}` };
      if (outcome.kind === "break") return outcome;
    }
    for (const child of children) merge2(run, parent, child, port);
    return { kind: "ok", text: `[${children.map((child) => child.outcome.text).join(",")}]` };
  }
  function settleRace(run, parent, children, port) {
    const slot = children.findIndex((child) => child.phase === "done");
    if (slot === -1) return null;
    const winner = children[slot];
    for (const loser of children) {
      if (loser !== winner && loser.phase !== "done" && run.program.nodes[loser.root].type === "LOOP") {
        const lost = "The loop lost the race";
        mark(run, loser, loser.root, "failed", quote2(lost), lost);
      }
    }
    const outcome = winner.outcome;
    if (outcome.kind === "failed") {
      return { ...outcome, text: `RACE ${slot === 0 ? "left" : "right"} branch failed: ${outcome.text}` };
    }
    if (outcome.kind === "ok") merge2(run, parent, winner, port);
    return outcome;
  }
  function merge2(run, parent, child, port) {
    const own = port.names(run, parent);
    for (const [name, value] of port.names(run, child)) {
      if (own.get(name) !== value) bind2(run, parent, name, value, port);
    }
  }

  // src/engine/timestamp.ts
  var WITH_ZONE = /^"(\d{4,})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?([+-])(\d\d):(\d\d)(?::(\d\d))?( BC)?"$/;
  var MINUTE2 = 60;
  var DAY2 = 86400;
  function padFraction(raw) {
    const point = raw.indexOf(".");
    if (point === -1) return raw;
    return raw.replace(/\.\d+/, sixDigits);
  }
  function sixDigits(fraction) {
    return fraction.padEnd(7, "0");
  }
  function toUtc(raw) {
    if (raw === '"infinity"' || raw === '"-infinity"') return raw;
    if (raw.endsWith('+00:00"')) return padFraction(raw);
    const parts = WITH_ZONE.exec(raw);
    if (parts === null) {
      throw new DurableError(`Cannot read the time ${raw} as a timestamp with time zone`, { code: "22007" });
    }
    const at2 = (i) => Number(parts[i] ?? 0);
    const year = parts[12] === void 0 ? at2(1) : 1 - at2(1);
    const offset = (at2(9) * 60 + at2(10)) * MINUTE2 + at2(11);
    const local = daysFromCivil(year, at2(2), at2(3)) * DAY2 + (at2(4) * 60 + at2(5)) * MINUTE2 + at2(6);
    const utc = local - (parts[8] === "-" ? -offset : offset);
    const days = Math.floor(utc / DAY2);
    const seconds2 = utc - days * DAY2;
    const date = civilFromDays(days);
    const fraction = parts[7] === void 0 ? "" : sixDigits(parts[7]);
    const clock = `${two(Math.floor(seconds2 / 3600))}:${two(Math.floor(seconds2 / MINUTE2) % 60)}:${two(seconds2 % MINUTE2)}`;
    const [name, era] = date.year > 0 ? [date.year, ""] : [1 - date.year, " BC"];
    return `"${String(name).padStart(4, "0")}-${two(date.month)}-${two(date.day)}T${clock}${fraction}+00:00${era}"`;
  }
  function two(value) {
    return value < 10 ? `0${value}` : String(value);
  }
  function daysFromCivil(year, month, day) {
    const marchYear = month > 2 ? year : year - 1;
    const marchMonth = (month + 9) % 12;
    return marchYear * 365 + Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400) + Math.floor((153 * marchMonth + 2) / 5) + day - 1 - 719468;
  }
  function civilFromDays(days) {
    const shifted = days + 719468;
    let marchYear = Math.floor(shifted * 400 / 146097);
    while (yearStart(marchYear) > shifted) marchYear--;
    while (yearStart(marchYear + 1) <= shifted) marchYear++;
    const dayOfYear = shifted - yearStart(marchYear);
    const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
    const month = (marchMonth + 2) % 12 + 1;
    return {
      year: month > 2 ? marchYear : marchYear + 1,
      month,
      day: dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1
    };
  }
  function yearStart(marchYear) {
    return marchYear * 365 + Math.floor(marchYear / 4) - Math.floor(marchYear / 100) + Math.floor(marchYear / 400);
  }

  // src/engine/rows.ts
  var BUILTIN = /* @__PURE__ */ new Map([
    [16, "boolean"],
    [20, "integer"],
    [21, "integer"],
    [23, "integer"],
    [26, "oid"],
    [700, "float"],
    [701, "float"],
    [1700, "numeric"],
    [1114, "timestamp"],
    [1184, "timestamptz"],
    [2278, "void"],
    [17, "bytea"],
    [1001, { array: "bytea" }],
    [1013, { array: "oid" }],
    [1021, { array: "float" }],
    [1022, { array: "float" }],
    [1028, { array: "oid" }],
    [1115, { array: "timestamp" }],
    [1185, { array: "timestamptz" }],
    [1231, { array: "numeric" }]
  ]);
  var CATALOG_ROWS = /* @__PURE__ */ new Set([71, 75, 81, 83, 210, 270, 272, 273, 1248, 2842, 2843, 4066, 6101]);
  var FIRST_UNFIXED_OID = 1e4;
  function builtinKind(oid) {
    return BUILTIN.get(oid) ?? (oid < FIRST_UNFIXED_OID && !CATALOG_ROWS.has(oid) ? "plain" : void 0);
  }
  function resultText(gathered) {
    const { rows } = gathered;
    const sample = rows.length > 0 ? members(rows[0]) : gathered.emptyRow === void 0 ? [] : members(gathered.emptyRow);
    const kinds = gathered.types?.map((oid) => builtinKind(oid) ?? gathered.kinds(oid)) ?? [];
    kinds.forEach((kind2, i) => {
      if (holdsBytea(kind2)) throw unsupported(sample[i]?.[0] ?? `number ${i + 1}`);
    });
    if (rows.length === 0) {
      const head = '{"rows":[],"row_count":0';
      return gathered.emptyRow === void 0 ? `${head}}` : `${head},"columns":${columnsText(sample, kinds)}}`;
    }
    const same = sample.length === new Set(sample.map(([name]) => name)).size && !kinds.some(changes);
    const texts = same ? rows : rows.map((row, i) => rowText(i === 0 ? sample : members(row), kinds));
    return `{"rows":[${texts.join(",")}],"row_count":${rows.length}}`;
  }
  function publicText(result) {
    const empty = '{"rows":[],"row_count":0';
    return result.startsWith(`${empty},"columns":`) ? `${empty}}` : result;
  }
  function table(result) {
    if (kind(result) !== "object") return void 0;
    const found = members(result);
    const rowsText = lastOf(found, "rows");
    if (rowsText === void 0 || kind(rowsText) !== "array") return void 0;
    const rows = elements(rowsText);
    if (!rows.every((row) => row.charCodeAt(0) === 123)) return void 0;
    return { rows, columns: rows.length === 0 ? readColumns(lastOf(found, "columns")) : void 0 };
  }
  function firstOf({ rows }) {
    const row = rows[0];
    return row === void 0 ? void 0 : members(row)[0]?.[1];
  }
  function hasRows(result, name) {
    const count = kind(result) === "object" ? lastOf(members(result), "row_count") : void 0;
    if (count === void 0 || kind(count) !== "number") {
      throw new DurableError(`df.if_rows: the result '${name}' has no row_count`, {
        hint: 'Only the result of a SQL step has one. To test another result use df."if" with a condition on it.'
      });
    }
    return Number(count) > 0;
  }
  function lastOf(found, key2) {
    for (let i = found.length - 1; i >= 0; i--) if (found[i][0] === key2) return found[i][1];
    return void 0;
  }
  function unsupported(column) {
    return new DurableError(`Unsupported column type: column "${column}" holds bytea`, {
      code: "0A000",
      hint: `Return encode(\u2026, 'base64') or encode(\u2026, 'hex') instead.`
    });
  }
  function holdsBytea(kind2) {
    if (typeof kind2 === "string") return kind2 === "bytea";
    return "array" in kind2 ? holdsBytea(kind2.array) : kind2.fields.some(holdsBytea);
  }
  function changes(kind2) {
    if (typeof kind2 === "string") return kind2 !== "plain" && kind2 !== "boolean" && kind2 !== "integer";
    return "array" in kind2 ? changes(kind2.array) : kind2.fields.some(changes);
  }
  function rowText(row, kinds) {
    const values = /* @__PURE__ */ new Map();
    row.forEach(([name, raw], i) => values.set(name, convert2(raw, kinds[i] ?? "plain")));
    return objectText(values);
  }
  function objectText(values) {
    return `{${Array.from(values, ([name, raw]) => `${quote2(name)}:${raw}`).join(",")}}`;
  }
  function convert2(raw, kind2) {
    if (kind2 === "plain" || raw === "null") return raw;
    const isString = raw.charCodeAt(0) === 34;
    switch (kind2) {
      case "boolean":
      case "integer":
      case "bytea":
        return raw;
      case "numeric":
        return isString ? raw : `"${raw}"`;
      case "float":
        return isString ? "null" : raw;
      case "oid":
        return isString ? raw.slice(1, -1) : raw;
      case "timestamp":
        return padFraction(raw);
      case "timestamptz":
        return toUtc(raw);
      case "void":
        return "null";
    }
    if (!changes(kind2)) return raw;
    if ("fields" in kind2) {
      return objectText(members(raw).map(([name, value], i) => [name, convert2(value, kind2.fields[i] ?? "plain")]));
    }
    const item = (value) => convert2(value, value.charCodeAt(0) === 91 ? kind2 : kind2.array);
    return `[${elements(raw).map(item).join(",")}]`;
  }
  function columnType(kind2) {
    switch (kind2) {
      case "boolean":
        return "boolean";
      case "integer":
      case "oid":
        return "bigint";
      case "float":
        return "numeric";
      default:
        return "text";
    }
  }
  function columnsText(row, kinds) {
    return objectText(new Map(row.map(([name], i) => [name, `"${columnType(kinds[i] ?? "plain")}"`])));
  }
  function readColumns(raw) {
    if (raw === void 0 || kind(raw) !== "object") return void 0;
    const types = ["boolean", "bigint", "numeric", "text"];
    return members(raw).map(([name, value]) => ({ name, type: types.find((type) => value === `"${type}"`) ?? "text" }));
  }

  // src/engine/truth.ts
  var NUMBER2 = /^[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?$/i;
  function truth(result) {
    const found = table(result);
    if (found === void 0) return truthOf(result.trim());
    const cell = firstOf(found);
    return cell !== void 0 && truthOf(cell);
  }
  function truthOf(raw) {
    switch (kind(raw)) {
      case "true":
        return true;
      case "false":
      case "null":
        return false;
      case "number":
        return isNotZero(raw);
      case "array":
        return elements(raw).length > 0;
      case "object":
        return members(raw).length > 0;
      case "string": {
        const text2 = parseString(raw).trim();
        if (NUMBER2.test(text2)) return isNotZero(text2);
        return !/^(?:false|f|no)?$/i.test(text2);
      }
    }
  }
  function isNotZero(decimal2) {
    return /[1-9]/.test(decimal2.split(/e/i, 1)[0]);
  }

  // src/engine/literal.ts
  var NOWHERE = { before: "", after: "" };
  var CAST_TO_TEXT = /^\s*::\s*(?:pg_catalog\s*\.\s*)?"?(?:text|varchar|bpchar|character|char|name)\b/i;
  var CAST = /^\s*::/;
  var SWALLOWS_MINUS = /-$|[~!@#%^&|`?][-+*/<>=~!@#%^&|`?]*$/;
  var JOINS_QUOTE = /[\w$&'\u0080-\uffff]$/;
  function stringLiteral(text2, { before, after } = NOWHERE) {
    if (text2.includes("\0")) {
      throw new DurableError("A value with the character U+0000 cannot be put into SQL", {
        code: "22021",
        hint: "Remove the character where the value comes from."
      });
    }
    const doubled = text2.replace(/'/g, "''");
    const literal2 = doubled.includes("\\") ? `E'${doubled.replace(/\\/g, "\\\\")}'` : `'${doubled}'`;
    return `${JOINS_QUOTE.test(before) ? " " : ""}${literal2}${after.startsWith("'") ? " " : ""}`;
  }
  function sqlLiteral(raw, place = NOWHERE) {
    switch (kind(raw)) {
      case "true":
      case "false":
        return raw;
      case "null":
        return "NULL";
      case "string":
        return stringLiteral(parseString(raw), place);
      case "object":
      case "array":
        return stringLiteral(raw, place);
      case "number":
        if (CAST_TO_TEXT.test(place.after)) return stringLiteral(raw, place);
        if (raw.startsWith("-") && (CAST.test(place.after) || SWALLOWS_MINUS.test(place.before))) return `(${raw})`;
        return raw;
    }
  }
  function plainText(raw) {
    const type = kind(raw);
    if (type === "null") return "NULL";
    return type === "string" ? parseString(raw) : raw;
  }
  function quoteName(name) {
    return `"${name.replace(/"/g, '""')}"`;
  }
  function relation(name, { rows, columns }) {
    const alias = quoteName(name);
    if (rows.length === 0) {
      return `(SELECT ${(columns ?? []).map(emptyColumn).join(", ")}${columns?.length ? " " : ""}WHERE false) AS ${alias}`;
    }
    const cells = rows.map((row) => new Map(members(row)));
    const names2 = [...new Set(cells.flatMap((row) => [...row.keys()]))];
    if (names2.length === 0) return `(SELECT FROM pg_catalog.generate_series(1, ${rows.length})) AS ${alias}`;
    const text2 = new Set(names2.filter((column) => isMixed(cells.map((row) => row.get(column)))));
    const literal2 = (raw, column) => {
      if (raw === void 0 || raw === "null") return "NULL";
      return text2.has(column) ? stringLiteral(plainText(raw)) : sqlLiteral(raw);
    };
    const tuples = cells.map((row) => `(${names2.map((column) => literal2(row.get(column), column)).join(",")})`);
    return `(VALUES ${tuples.join(",")}) AS ${alias}(${names2.map(quoteName).join(",")})`;
  }
  function emptyColumn({ name, type }) {
    return `NULL::pg_catalog.${{ boolean: "bool", bigint: "int8", numeric: "numeric", text: "text" }[type]} AS ${quoteName(name)}`;
  }
  function isMixed(values) {
    const types = /* @__PURE__ */ new Set();
    for (const raw of values) {
      if (raw === void 0 || raw === "null") continue;
      const type = kind(raw);
      types.add(type === "number" ? "number" : type === "true" || type === "false" ? "boolean" : "text");
    }
    return types.size > 1;
  }

  // src/engine/substitute.ts
  var MAX_RELATION_ROWS = 1e4;
  var NAME = /[A-Za-z_]\w*/y;
  var MEMBER = /\.(\*|[A-Za-z_]\w*)/y;
  function substitute(text2, mode, context) {
    const expanded = expandVariables(text2, context);
    const known2 = /* @__PURE__ */ new Map();
    let out = "";
    let copied = 0;
    let inserted = "";
    for (const reference of scan(expanded, new Set(context.names))) {
      let result = known2.get(reference.name);
      if (result === void 0) known2.set(reference.name, result = read3(context.result(reference.name)));
      const before = reference.start > copied ? expanded.slice(Math.max(copied, reference.start - 64), reference.start) : inserted.slice(-64);
      const after = expanded.slice(reference.end, reference.end + 64);
      out += expanded.slice(copied, reference.start);
      inserted = render(expanded.slice(reference.start, reference.end), reference, result, mode, { before, after });
      out += inserted;
      copied = reference.end;
    }
    return out + expanded.slice(copied);
  }
  function expandVariables(text2, variables) {
    let out = "";
    let copied = 0;
    for (let open = text2.indexOf("{"); open !== -1; open = text2.indexOf("{", copied)) {
      const close = text2.indexOf("}", open);
      if (close === -1) break;
      const name = text2.slice(open + 1, close);
      const value = name === "sys_instance_id" ? variables.sysInstanceId : name === "sys_label" ? variables.sysLabel : variables.variable(name);
      out += text2.slice(copied, open) + (value ?? text2.slice(open, close + 1));
      copied = close + 1;
    }
    return out + text2.slice(copied);
  }
  function* scan(text2, names2) {
    if (names2.size === 0) return;
    for (let start2 = text2.indexOf("$"), end; start2 !== -1; start2 = text2.indexOf("$", end)) {
      end = start2 + 1;
      if (text2[end] === "$") {
        end++;
        continue;
      }
      const name = matchAt(NAME, text2, end)?.[0];
      if (name === void 0) continue;
      end += name.length;
      if (!names2.has(name)) continue;
      const member = matchAt(MEMBER, text2, end);
      if (member !== null) end += member[0].length;
      const column = member?.[1] ?? null;
      const optional = column !== "*" && text2[end] === "?";
      if (optional) end++;
      yield { start: start2, end, name, column, optional };
    }
  }
  function matchAt(pattern, text2, at2) {
    pattern.lastIndex = at2;
    return pattern.exec(text2);
  }
  function read3(raw) {
    const trimmed = raw.trim();
    return { raw: trimmed, table: table(trimmed) };
  }
  function render(form, reference, result, mode, place) {
    if (reference.column === "*") return renderRows(form, reference.name, result, mode);
    if (result.table === void 0 && reference.column === null) {
      if (reference.optional && result.raw === "null") return "NULL";
      return mode === "sql" ? stringLiteral(result.raw, place) : result.raw;
    }
    const value = lookUp(form, reference, result);
    if (value !== void 0 && value !== "null") return mode === "sql" ? sqlLiteral(value, place) : plainText(value);
    if (reference.optional) return "NULL";
    const hint = `Write ${form}? to get NULL instead.`;
    if (value === void 0) {
      throw new DurableError(`Cannot substitute ${form}: the result "${reference.name}" has no rows`, { code: "02000", hint });
    }
    const what = reference.column !== null ? `"${reference.column}"` : "the first column";
    throw new DurableError(`Cannot substitute ${form}: ${what} of the result "${reference.name}" is NULL`, { code: "22004", hint });
  }
  function lookUp(form, { name, column }, result) {
    let holder = result.raw;
    if (result.table !== void 0) {
      const row = result.table.rows[0];
      if (row === void 0) {
        const columns = result.table.columns?.map((known2) => known2.name);
        if (column !== null && columns !== void 0 && !columns.includes(column)) throw noColumn(form, name, column, columns);
        return void 0;
      }
      holder = row;
    } else if (kind(holder) !== "object") {
      throw new DurableError(`Cannot substitute ${form}: the result "${name}" is not an object, so it has no "${column}"`, {
        code: "42703",
        hint: `Write $${name} for the whole value.`
      });
    }
    const found = members(holder);
    if (column === null) {
      if (found.length > 0) return found[0][1];
      throw new DurableError(`Cannot substitute ${form}: the rows of the result "${name}" have no columns`, { code: "42703" });
    }
    for (let i = found.length - 1; i >= 0; i--) if (found[i][0] === column) return found[i][1];
    throw noColumn(form, name, column, found.map(([key2]) => key2));
  }
  function noColumn(form, name, column, existing) {
    const list = existing.length === 0 ? "none" : existing.map((key2) => `"${key2}"`).join(", ");
    return new DurableError(`Cannot substitute ${form}: the result "${name}" has no column "${column}"; it has ${list}`, {
      code: "42703",
      hint: "Names are case-sensitive. A column with another name can be renamed with AS in the query."
    });
  }
  function renderRows(form, name, result, mode) {
    const found = result.table;
    if (found === void 0) {
      throw new DurableError(`Cannot substitute ${form}: the result "${name}" has no rows to list, it is one value`, {
        code: "42809",
        hint: `Write $${name} for the whole value.`
      });
    }
    if (found.rows.length > MAX_RELATION_ROWS) {
      throw new DurableError(
        `Cannot substitute ${form}: the result "${name}" has ${found.rows.length} rows, and at most ${MAX_RELATION_ROWS} are allowed`,
        { code: "54000", hint: "Keep large results in a table and pass their key." }
      );
    }
    return mode === "sql" ? relation(name, found) : `[${found.rows.join(",")}]`;
  }

  // src/engine/names.ts
  function substituteNode(run, branch, text2, mode, port) {
    if (!text2.includes("$") && !text2.includes("{")) return text2;
    const names2 = text2.includes("$") ? port.names(run, branch) : EMPTY;
    return substitute(text2, mode, {
      sysInstanceId: run.id,
      sysLabel: run.label ?? "",
      variable: (name) => Object.hasOwn(run.variables, name) ? run.variables[name] : void 0,
      names: [...names2.keys()],
      result: (name) => names2.get(name)
    });
  }
  var EMPTY = /* @__PURE__ */ new Map();

  // src/engine/interpreter.ts
  var MAX_ROUNDS = 1e5;
  var MAX_HOPS = 1e3;
  function resume(run, branch, port) {
    const pc = branch.pc;
    switch (branch.phase) {
      case "start":
        if (branch.key === "" && run.status === "pending") {
          run.status = "running";
          run.statusChanged = true;
        }
        walk(run, branch, pc, null, port);
        return;
      case "sleep":
        walk(run, branch, pc, { kind: "ok", text: `{"slept_seconds":${run.program.nodes[pc].query}}` }, port);
        return;
      case "schedule":
        walk(run, branch, pc, { kind: "ok", text: '{"scheduled":true}' }, port);
        return;
      case "signal": {
        port.lock(run);
        const data = port.takeSignal(run, branch.waiting);
        const config = signalConfig(run.program.nodes[pc].query);
        if (data === null && (branch.expires === null || branch.expires > port.now)) {
          branch.due = branch.expires;
          touch(branch);
          return;
        }
        walk(run, branch, pc, signalResult(config.name, data), port);
        return;
      }
      case "pause":
        beginRound(run, branch, branch.frames[branch.frames.length - 1], port);
        walk(run, branch, run.program.nodes[pc].left, null, port);
        return;
      case "ready":
      case "running":
      case "external":
      case "fork":
      case "done":
        return;
    }
  }
  function finishStep(run, branch, outcome, port) {
    branch.attempts = 0;
    walk(run, branch, branch.pc, outcome, port);
  }
  function markRunning(run, branch) {
    branch.phase = "running";
    touch(branch);
    mark(run, branch, branch.pc, "running", null, null);
  }
  function touch(branch) {
    if (branch.state === "clean") branch.state = "dirty";
  }
  function mark(run, branch, pc, status, result, error, details2) {
    const { scope, generation } = position(run, branch);
    const stamp = `${scope}::${generation}`;
    run.nodes.set(pc, { status, result, error, stamp, details: details2 });
  }
  function walk(run, branch, pc, outcome, port) {
    touch(branch);
    if (branch.due === null || branch.due > port.now) branch.due = port.now;
    branch.waiting = null;
    branch.expires = null;
    let at2 = pc;
    let ended2 = outcome;
    for (let hops = 0; ; hops++) {
      if (ended2 === null) {
        if (hops >= MAX_HOPS && run.program.nodes[at2].type !== "SQL") {
          branch.pc = at2;
          branch.phase = "start";
          return;
        }
        const entered = enter(run, branch, at2, port);
        if (entered === null) return;
        at2 = entered.pc;
        ended2 = entered.outcome;
      }
      const left = leave(run, branch, at2, ended2, port);
      if (left === null) return;
      at2 = left.pc;
      ended2 = left.outcome;
    }
  }
  function enter(run, branch, start2, port) {
    const { nodes } = run.program;
    for (let pc = start2; ; ) {
      const node = nodes[pc];
      branch.pc = pc;
      if (node.type === "SQL") {
        branch.phase = "ready";
        return null;
      }
      if (node.type === "LOOP") branch.frames.push({ pc, generation: 1, began: port.now });
      mark(run, branch, pc, "running", null, null);
      try {
        switch (node.type) {
          case "THEN":
          case "LOOP":
            pc = node.left;
            continue;
          case "IF":
            if (node.condition !== NONE) pc = node.condition;
            else pc = conditionByName(run, branch, pc, port) ? node.left : node.right;
            continue;
          case "JOIN":
          case "RACE": {
            const outcome = fork(run, branch, pc, port);
            return outcome === null ? null : { pc, outcome };
          }
          case "SLEEP":
            branch.phase = "sleep";
            branch.due = port.now + Number(node.query) * 1e3;
            return null;
          case "WAIT_SCHEDULE":
            branch.phase = "schedule";
            branch.due = nextTick(JSON.parse(node.query).cron_expr, port.now);
            return null;
          case "SIGNAL": {
            const config = signalConfig(node.query);
            port.lock(run);
            const data = port.takeSignal(run, config.name);
            if (data !== null) return { pc, outcome: signalResult(config.name, data) };
            branch.phase = "signal";
            branch.waiting = config.name;
            branch.expires = config.timeout === null ? null : port.now + config.timeout * 1e3;
            branch.due = branch.expires;
            return null;
          }
          case "BREAK":
            return { pc, outcome: breakOutcome(run, branch, pc, port) };
          case "HTTP":
          case "HTTP_MULTIPART":
            branch.phase = "external";
            return null;
        }
      } catch (error) {
        return { pc, outcome: failure(error) };
      }
    }
  }
  function leave(run, branch, pc, ended2, port) {
    const { nodes } = run.program;
    let at2 = pc;
    let outcome = ended2;
    for (; ; ) {
      const node = nodes[at2];
      record(run, branch, at2, outcome, port);
      if (node.type === "LOOP") branch.frames.pop();
      if (at2 === branch.root) {
        finishBranch(run, branch, outcome, port);
        return null;
      }
      const up = node.parent;
      const parent = nodes[up];
      if (parent.type === "LOOP") {
        const frame = branch.frames[branch.frames.length - 1];
        const turned = leaveRound(run, branch, frame, at2, outcome, port);
        if (turned === null) return null;
        if (turned.outcome === null) return turned;
        outcome = turned.outcome;
      } else if (outcome.kind === "ok" && parent.type === "THEN" && at2 === parent.left) {
        return { pc: parent.right, outcome: null };
      } else if (outcome.kind === "ok" && parent.type === "IF" && at2 === parent.condition) {
        return { pc: truth(outcome.text) ? parent.left : parent.right, outcome: null };
      }
      at2 = up;
    }
  }
  function leaveRound(run, branch, frame, child, outcome, port) {
    const loop3 = run.program.nodes[frame.pc];
    if (outcome.kind === "failed") return { pc: frame.pc, outcome };
    if (outcome.kind === "break") return { pc: frame.pc, outcome: { kind: "ok", text: outcome.text } };
    if (child === loop3.left && loop3.condition !== NONE) {
      frame.last = outcome.text;
      return { pc: loop3.condition, outcome: null };
    }
    const result = child === loop3.left ? outcome.text : frame.last;
    if (child === loop3.condition && !truth(outcome.text)) return { pc: frame.pc, outcome: { kind: "ok", text: result } };
    if (frame.generation >= MAX_ROUNDS) {
      return { pc: frame.pc, outcome: { kind: "failed", text: `Loop stopped after the maximum of ${MAX_ROUNDS} iterations` } };
    }
    if (branch.key === "" && frame.pc === 0) {
      run.rounds.push({ generation: frame.generation, began: frame.began, ended: port.now, result });
    }
    delete frame.last;
    const next = frame.began + port.loopInterval;
    branch.pc = frame.pc;
    if (next > port.now) {
      branch.phase = "pause";
      branch.due = next;
      return null;
    }
    beginRound(run, branch, frame, port);
    return { pc: loop3.left, outcome: null };
  }
  function beginRound(run, branch, frame, port) {
    frame.generation++;
    frame.began = port.now;
    mark(run, branch, frame.pc, "running", null, null);
    if (branch.key === "" && frame.pc === 0) {
      const names2 = port.names(run, branch);
      if (names2.size > 0) {
        names2.clear();
        run.nameWrites.push({ branch: branch.key, name: "", value: null });
      }
    }
  }
  function record(run, branch, pc, outcome, port) {
    if (outcome.kind === "failed") {
      mark(run, branch, pc, "failed", quote2(outcome.text), outcome.text, outcome.details);
      return;
    }
    mark(run, branch, pc, "completed", outcome.text, null);
    const name = resultName(run, pc);
    if (name !== null && outcome.kind === "ok") bind2(run, branch, name, outcome.text, port);
  }
  function bind2(run, branch, name, value, port) {
    port.names(run, branch).set(name, value);
    run.nameWrites.push({ branch: branch.key, name, value });
  }
  function finishBranch(run, branch, outcome, port) {
    branch.due = null;
    if (branch.key === "") {
      branch.state = branch.state === "new" ? "clean" : "gone";
      run.status = outcome.kind === "failed" ? "failed" : "completed";
      run.statusChanged = true;
      run.output = outcome.kind === "failed" ? outcome.text : null;
      return;
    }
    branch.phase = "done";
    branch.outcome = outcome;
    port.lock(run);
    const parent = run.branches.get(parentKey(branch.key));
    const joined = settleFork(run, parent, port);
    if (joined !== null) walk(run, parent, parent.pc, joined, port);
  }
  function conditionByName(run, branch, pc, port) {
    const config = JSON.parse(run.program.nodes[pc].query);
    const result = port.names(run, branch).get(config.result_name);
    if (result === void 0) {
      throw new DurableError(`df.if_rows: there is no result named '${config.result_name}' at node ${nodeId(run, pc)}`, {
        hint: 'Name a step that runs before this one with |=> or df."as".'
      });
    }
    return hasRows(result, config.result_name);
  }
  function breakOutcome(run, branch, pc, port) {
    if (!insideLoop(run, pc)) {
      return { kind: "failed", text: `df.break() at node ${nodeId(run, pc)} is outside of a loop` };
    }
    const value = JSON.parse(run.program.nodes[pc].query).break_value;
    if (value === null) return { kind: "break", text: "null" };
    const text2 = substituteNode(run, branch, value, "raw", port);
    return { kind: "break", text: isJson(text2) ? text2 : quote2(text2) };
  }
  function insideLoop(run, pc) {
    for (let at2 = run.program.nodes[pc].parent; at2 !== NONE; at2 = run.program.nodes[at2].parent) {
      if (run.program.nodes[at2].type === "LOOP") return true;
    }
    return false;
  }
  function signalConfig(query2) {
    const config = JSON.parse(query2);
    return { name: config.signal_name, timeout: config.timeout_seconds ?? null };
  }
  function signalResult(name, data) {
    return { kind: "ok", text: `{"signal_name":${quote2(name)},"timed_out":${data === null},"data":${data ?? "null"}}` };
  }
  function failure(error) {
    if (error instanceof DurableError) {
      return {
        kind: "failed",
        text: error.message,
        details: { sqlstate: error.sqlstate, ...error.detail && { detail: error.detail }, ...error.hint && { hint: error.hint } }
      };
    }
    throw error;
  }

  // src/db/nodes.ts
  var find = query(
    `
  SELECT l.address FROM unnest($1::text[], $2::text[]) u(instance_id, id)
  CROSS JOIN LATERAL (
    SELECT n.ctid::text AS address FROM df.nodes n WHERE n.instance_id = u.instance_id AND n.id = u.id OFFSET 0) l`,
    "text[]",
    "text[]"
  );
  var write = query(
    "SELECT _df.write_nodes($1, $2, $3, $4)::float8 AS written",
    "text[]",
    "text[]",
    "text[]",
    "text[]"
  );
  function writeNodes(changes2) {
    if (changes2.length === 0) return;
    const addresses = find(changes2.map((c) => c.instance), changes2.map((c) => c.node)).map((row) => row.address);
    const written = addresses.length !== changes2.length ? addresses.length : write(
      addresses,
      changes2.map((c) => c.write.status),
      changes2.map(({ write: w }) => w.result === null || w.status === "pending" || w.status === "running" ? null : publicText(w.result)),
      changes2.map((c) => c.write.error)
    )[0].written;
    if (written !== changes2.length) {
      const named = changes2.slice(0, 5).map((c) => `${c.node} of instance ${c.instance}`).join(", ");
      throw new DurableError(
        `update of node ${named}${changes2.length > 5 ? " and others" : ""} met ${written} rows, expected exactly ${changes2.length}`,
        { code: "XX001", hint: "A row of df.nodes was deleted or changed by hand while its instance ran. Cancel the instance if this goes on." }
      );
    }
  }

  // src/db/flush.ts
  var lockInstances = query(`
  SELECT l.id, l.address FROM (SELECT DISTINCT k.id FROM unnest($1::text[]) k(id) ORDER BY 1) k
  CROSS JOIN LATERAL (
    SELECT i.id, i.ctid::text AS address FROM df.instances i WHERE i.id = k.id AND i.status IN ('pending', 'running')
    FOR NO KEY UPDATE SKIP LOCKED) l`, "text[]");
  var lockInstance = query(
    "SELECT i.status, i.ctid::text AS address FROM df.instances i WHERE i.id = $1 FOR NO KEY UPDATE",
    "text"
  );
  var upsertBranches = command(
    `
  INSERT INTO _df.branches AS b (instance_id, branch, role, lane, due_at, external, parent, fork, root, pc, phase, scope,
    frames, forks, waiting, expires_at, outcome_kind, outcome, attempts, seq)
  SELECT u.instance_id, u.branch, $1, hashtext(u.instance_id) & 31, to_timestamp(u.due), u.phase = 'external', u.parent,
    u.fork, u.root, u.pc, u.phase, u.scope, u.frames, u.forks, u.waiting, to_timestamp(u.expires), u.outcome_kind, u.outcome,
    u.attempts, u.seq + 1
  FROM unnest($2::text[], $3::text[], $4::float8[], $5::text[], $6::int4[], $7::int4[], $8::int4[], $9::text[], $10::text[],
    $11::text[], $12::int4[], $13::text[], $14::float8[], $15::text[], $16::text[], $17::int4[], $18::int4[])
    u(instance_id, branch, due, parent, fork, root, pc, phase, scope, frames, forks, waiting, expires, outcome_kind, outcome,
      attempts, seq)
  ON CONFLICT (instance_id, branch) DO UPDATE SET
    due_at = CASE WHEN abs(extract(epoch FROM excluded.due_at - b.due_at)) < 0.00001 THEN b.due_at ELSE excluded.due_at END,
    external = excluded.external, pc = excluded.pc, phase = excluded.phase, frames = excluded.frames,
    forks = excluded.forks, waiting = excluded.waiting, expires_at = excluded.expires_at,
    outcome_kind = excluded.outcome_kind, outcome = excluded.outcome, attempts = excluded.attempts, seq = excluded.seq
  WHERE b.seq = excluded.seq - 1`,
    "oid",
    "text[]",
    "text[]",
    "float8[]",
    "text[]",
    "int4[]",
    "int4[]",
    "int4[]",
    "text[]",
    "text[]",
    "text[]",
    "int4[]",
    "text[]",
    "float8[]",
    "text[]",
    "text[]",
    "int4[]",
    "int4[]"
  );
  var lockBranch = query(`
  SELECT b.ctid::text AS address FROM _df.branches b WHERE b.instance_id = $1 AND b.branch = $2
  FOR UPDATE SKIP LOCKED`, "text", "text");
  var writeInstances = query("SELECT _df.write_instances($1, $2, $3)", "text[]", "text[]", "text[]");
  var updateOutput = command("UPDATE _df.runs r SET output = $2 WHERE r.instance_id = $1", "text", "text");
  var clearSignals = command("DELETE FROM _df.signals s WHERE s.instance_id = ANY ($1::text[])", "text[]");
  var clearNames = command("DELETE FROM _df.names n WHERE n.instance_id = ANY ($1::text[])", "text[]");
  var clearBranchNames = command("DELETE FROM _df.names n WHERE n.instance_id = $1 AND n.branch = $2", "text", "text");
  var setName = command(`
  INSERT INTO _df.names (instance_id, branch, name, value) VALUES ($1, $2, $3, $4)
  ON CONFLICT (instance_id, branch, name) DO UPDATE SET value = excluded.value`, "text", "text", "text", "text");
  var insertRound = command(`
  INSERT INTO _df.rounds (instance_id, generation, began_at, ended_at, output)
  VALUES ($1, $2::int4, to_timestamp($3), to_timestamp($4), $5)`, "text", "int4", "float8", "float8", "text");
  var updateRound = command(`
  UPDATE _df.runs r SET generation = $2::int4, began_at = to_timestamp($3) WHERE r.instance_id = $1`, "text", "int4", "float8");
  var announce = query(`SELECT pg_notify('pg_durable', $1)`, "text");
  function lockOne(instance) {
    return lockInstance(instance)[0] ?? null;
  }
  function lockFree(runs) {
    const addresses = new Map(lockInstances(runs.map((run) => run.id)).map((row) => [row.id, row.address]));
    for (const run of runs) run.address = addresses.get(run.id) ?? run.address;
    return addresses.size;
  }
  function discard(keys) {
    const addresses = keys.flatMap(({ instance, branch }) => lockBranch(instance, branch).map((row) => row.address));
    if (addresses.length > 0) writeInstances([], [], addresses);
  }
  function failInstance(instance, problem) {
    const locked = lockOne(instance);
    if (locked === null) return;
    writeInstances([locked.address], ["failed"], []);
    updateOutput(instance, problem);
  }
  function announceWork(role) {
    announce(String(role));
  }
  var LostClaim = class extends Error {
  };
  function flush(runs, role) {
    const nodes = [];
    const kept = [];
    const gone = [];
    for (const run of runs) {
      for (const [pc, write3] of run.nodes) nodes.push({ instance: run.id, node: nodeId(run, pc), write: write3 });
      for (const branch of run.branches.values()) {
        if (branch.state === "gone" || ended(run)) {
          if (branch.address !== null) gone.push(branch.address);
          else if (branch.state !== "new") gone.push(...lockBranch(run.id, branch.key).map((row) => row.address));
        } else if (branch.state !== "clean") {
          kept.push({ run, branch });
        }
      }
    }
    writeNodes(nodes);
    if (kept.length > 0) writeBranches(kept, role);
    const moved = runs.filter((run) => run.statusChanged);
    if (moved.length > 0 || gone.length > 0) {
      writeInstances(moved.map((run) => run.address), moved.map((run) => run.status), gone);
    }
    for (const run of runs) {
      writeNames(run);
      if (run.statusChanged && run.output !== null) updateOutput(run.id, run.output);
      for (const round of run.rounds) {
        insertRound(run.id, round.generation, round.began / 1e3, round.ended / 1e3, round.result);
        updateRound(run.id, round.generation + 1, round.ended / 1e3);
      }
    }
    const over = runs.filter(ended);
    if (over.length > 0) clearSignals(over.map((run) => run.id));
    for (const run of runs) settle(run);
  }
  function writeBranches(rows, role) {
    const column = (value) => rows.map(value);
    const written = upsertBranches(
      role,
      column((r) => r.run.id),
      column((r) => r.branch.key),
      column((r) => seconds(r.branch.due)),
      column((r) => parentKey(r.branch.key)),
      column((r) => forkNumber(r.branch.key)),
      column((r) => r.branch.root),
      column((r) => r.branch.pc),
      column((r) => r.branch.phase),
      column((r) => r.branch.scope),
      column((r) => framesText(r.branch)),
      column((r) => r.branch.forks),
      column((r) => r.branch.waiting),
      column((r) => seconds(r.branch.expires)),
      column((r) => r.branch.outcome?.kind ?? null),
      column((r) => r.branch.outcome?.text ?? null),
      column((r) => r.branch.attempts),
      column((r) => r.branch.seq)
    );
    if (written !== rows.length) throw new LostClaim(`${rows.length - written} branches changed while this session held them`);
  }
  function writeNames(run) {
    if (!hasNames(run)) return;
    if (ended(run)) {
      clearNames([run.id]);
      return;
    }
    for (const { branch, name, value } of run.nameWrites) {
      if (value === null) clearBranchNames(run.id, branch);
      else setName(run.id, branch, name, value);
    }
  }
  function settle(run) {
    for (const branch of [...run.branches.values()]) {
      if (branch.state === "gone") run.branches.delete(branch.key);
      else {
        if (branch.state === "dirty") branch.seq++;
        if (branch.state === "new") branch.seq = 1;
        branch.address = null;
        branch.state = "clean";
      }
    }
    run.nodes.clear();
    run.nameWrites = [];
    run.rounds = [];
    run.statusChanged = false;
    run.address = null;
  }
  function hasNames(run) {
    return run.program.nodes.some((node) => node.name !== null);
  }
  function ended(run) {
    return run.status !== "pending" && run.status !== "running";
  }
  function framesText(branch) {
    return branch.frames.length === 0 ? "[]" : JSON.stringify(branch.frames);
  }
  function seconds(due) {
    return due === null ? null : due / 1e3;
  }
  function forkNumber(key2) {
    return key2 === "" ? null : Number(key2.slice(0, key2.lastIndexOf(".")).split(".").pop());
  }

  // src/db/programs.ts
  var programs = /* @__PURE__ */ new Map();
  var MOST_PROGRAMS = 256;
  var MOST_LENGTH2 = 8 << 20;
  var length = 0;
  function programOf(graph) {
    const known2 = programs.get(graph);
    if (known2 !== void 0) return known2;
    const parsed = parseGraph(graph);
    validateGraph(parsed, { validateCron });
    const program = flatten(parsed);
    if (graph.length < MOST_LENGTH2 / 8) {
      if (programs.size >= MOST_PROGRAMS || length + graph.length > MOST_LENGTH2) {
        programs.clear();
        length = 0;
      }
      programs.set(graph, program);
      length += graph.length;
    }
    return program;
  }

  // src/db/load.ts
  var COLUMNS = `b.instance_id, b.branch, b.lane::int4, extract(epoch FROM b.due_at)::float8 * 1000 AS due, b.root, b.pc,
  b.phase, b.scope, b.frames, b.forks, b.waiting,
  extract(epoch FROM b.expires_at)::float8 * 1000 AS expires, b.outcome_kind, b.outcome, b.attempts, b.seq`;
  var CLAIMED_COLUMNS = `${COLUMNS}, b.address, (SELECT i.status FROM df.instances i WHERE i.id = b.instance_id) AS status,
  b.parent IS NULL OR EXISTS (SELECT FROM _df.branches p WHERE p.instance_id = b.instance_id AND p.branch = b.parent
    AND p.phase = 'fork' AND p.forks = b.fork) AS alive`;
  var dueBranches = query(`
  SELECT ${CLAIMED_COLUMNS}
  FROM generate_series(0, 31) l(n)
  CROSS JOIN LATERAL (
    SELECT *, d.ctid::text AS address FROM _df.branches d
    WHERE d.role = $1 AND d.lane = ((l.n + $2) & 31)::int2 AND NOT d.external AND d.due_at <= to_timestamp($3)
    ORDER BY d.due_at LIMIT $4 FOR UPDATE SKIP LOCKED) b
  LIMIT $4`, "oid", "int4", "float8", "int4");
  var heldBranches = query(`
  SELECT ${CLAIMED_COLUMNS}
  FROM unnest($1::text[], $2::text[]) k(instance_id, branch)
  CROSS JOIN LATERAL (
    SELECT *, d.ctid::text AS address FROM _df.branches d
    WHERE d.instance_id = k.instance_id AND d.branch = k.branch AND d.role = $3 AND NOT d.external
      AND d.due_at <= to_timestamp($4)
    FOR UPDATE SKIP LOCKED) b`, "text[]", "text[]", "oid", "float8");
  var allBranches = query(`SELECT ${COLUMNS} FROM _df.branches b WHERE b.instance_id = $1`, "text");
  var startRows = query(`SELECT instance_id, graph, node_ids, variables, label, database FROM _df.runs WHERE instance_id = ANY ($1::text[])`, "text[]");
  var nextDue = query(`
  SELECT extract(epoch FROM min(b.due_at))::float8 AS due
  FROM generate_series(0, 31) l(n)
  CROSS JOIN LATERAL (
    SELECT d.due_at FROM _df.branches d
    WHERE d.role = $1 AND d.lane = l.n::int2 AND NOT d.external AND d.due_at > to_timestamp($2)
    ORDER BY d.due_at LIMIT 1) b`, "oid", "float8");
  function claimDue(role, lane, now, limit) {
    return dueBranches(role, lane, now / 1e3, limit).map(toClaimed);
  }
  function claimHeld(keys, role, now) {
    return heldBranches(keys.map((key2) => key2.instance), keys.map((key2) => key2.branch), role, now / 1e3).map(toClaimed);
  }
  function nextTimer(role, now) {
    const due = nextDue(role, now / 1e3)[0].due;
    return due === Infinity ? null : due;
  }
  function loadBranches(instance) {
    return allBranches(instance).map(toBranch);
  }
  var fixed = /* @__PURE__ */ new Map();
  var MOST_FIXED = 1024;
  function loadRuns(instances) {
    const broken2 = /* @__PURE__ */ new Map();
    if (fixed.size + instances.length > MOST_FIXED)
        fixed.clear();
      const missing = instances.filter((id) => !fixed.has(id));
      if (missing.length > 0) {
      for (const row of startRows(missing)) {
        try {
          fixed.set(row.instance_id, {
            id: row.instance_id,
            program: programOf(row.graph),
            nodeIds: row.node_ids,
            variables: row.variables === "{}" ? NO_VARIABLES : JSON.parse(row.variables),
            label: row.label,
            database: row.database
          });
        } catch (error) {
          if (!(error instanceof DurableError)) throw error;
          broken2.set(row.instance_id, error.message);
        }
      }
    }
    const runs = /* @__PURE__ */ new Map();
    for (const id of instances) {
      const start2 = fixed.get(id);
      if (start2 !== void 0) {
        runs.set(id, {
          id,
          program: start2.program,
          nodeIds: start2.nodeIds,
          variables: start2.variables,
          label: start2.label,
          database: start2.database,
          status: "running",
          statusChanged: false,
          address: null,
          output: null,
          branches: /* @__PURE__ */ new Map(),
          whole: false,
          nodes: /* @__PURE__ */ new Map(),
          names: /* @__PURE__ */ new Map(),
          nameWrites: [],
          rounds: []
        });
      }
    }
    return { runs, broken: broken2 };
  }
  var NO_VARIABLES = {};
  function toClaimed(row) {
    return { instance: row.instance_id, branch: toBranch(row), lane: row.lane, status: row.status, alive: row.alive };
  }
  function toBranch(row) {
    return {
      key: row.branch,
      root: row.root,
      scope: row.scope,
      pc: row.pc,
      phase: row.phase,
      frames: row.frames === "[]" ? [] : JSON.parse(row.frames),
      forks: row.forks,
      due: row.due,
      waiting: row.waiting,
      expires: row.expires,
      outcome: row.outcome_kind === null ? null : { kind: row.outcome_kind, text: row.outcome },
      attempts: row.attempts,
      seq: row.seq,
      address: row.address ?? null,
      state: "clean"
    };
  }

  // src/db/port.ts
  var names = query(
    "SELECT n.name, n.value FROM _df.names n WHERE n.instance_id = $1 AND n.branch = $2",
    "text",
    "text"
  );
  var oldestSignal = query(`
  DELETE FROM _df.signals s WHERE s.instance_id = $1 AND s.id = (
    SELECT o.id FROM _df.signals o WHERE o.instance_id = $1 AND o.name = $2 ORDER BY o.id LIMIT 1)
  RETURNING s.data`, "text", "text");
  var Busy = class extends Error {
  };
  var Over = class extends Error {
  };
  var _waits;
  var DatabasePort = class {
    constructor(now, loopInterval, waits) {
      __publicField(this, "now");
      __publicField(this, "loopInterval");
      /** Whether to wait for an instance that is locked. */
      __privateAdd(this, _waits);
      this.now = now;
      this.loopInterval = loopInterval;
      __privateSet(this, _waits, waits);
    }
    /** Locks the instance against every other change. Raises Busy or Over. */
    hold(run) {
      if (!__privateGet(this, _waits)) {
        if (lockFree([run]) === 0) throw new Busy(run.id);
        return;
      }
      const locked = lockOne(run.id);
      if (locked?.status !== "pending" && locked?.status !== "running") throw new Over(run.id);
      run.address = locked.address;
    }
    lock(run) {
      if (run.whole) return;
      this.hold(run);
      for (const branch of loadBranches(run.id)) {
        if (!run.branches.has(branch.key)) run.branches.set(branch.key, branch);
      }
      run.whole = true;
    }
    names(run, branch) {
      let known2 = run.names.get(branch.key);
      if (known2 === void 0) {
        known2 = /* @__PURE__ */ new Map();
        if (branch.state !== "new" && hasNames(run)) {
          for (const { name, value } of names(run.id, branch.key)) known2.set(name, value);
        }
        run.names.set(branch.key, known2);
      }
      return known2;
    }
    takeSignal(run, name) {
      return oldestSignal(run.id, name)[0]?.data ?? null;
    }
  };
  _waits = new WeakMap();

  // src/engine/statement.ts
  var QUERIES = /* @__PURE__ */ new Set(["SELECT", "VALUES", "TABLE"]);
  var CHANGES = /* @__PURE__ */ new Set(["INSERT", "UPDATE", "DELETE", "MERGE"]);
  var OPENED = /* @__PURE__ */ new Set(["SHOW", "EXPLAIN", "FETCH"]);
  var UNDECIDED = /* @__PURE__ */ new Set(["CALL", "EXECUTE"]);
  var SPACE_OR_COMMENT = /(?:[ \t\r\n\f\v]+|--[^\r\n]*)+/y;
  var QUOTED_NAME = /"[^"]*(?:"|$)/y;
  var PLAIN_STRING = /'[^']*(?:'|$)/y;
  var DOLLAR_TAG2 = /\$(?:[A-Za-z_\u0080-\uffff][\w\u0080-\uffff]*)?\$/y;
  var WORD2 = /[A-Za-z_\u0080-\uffff][\w$\u0080-\uffff]*/y;
  var NUMBER3 = /[0-9]+/y;
  function classify(sql3, standardStrings = true) {
    const { first, multiple } = split(tokens(sql3, standardStrings));
    const start2 = first.findIndex((token) => token.text !== "(");
    const keyword = start2 === -1 ? "" : first[start2].text;
    const at2 = keyword === "WITH" ? behindWith(first, start2) : start2;
    const main = first[at2];
    const verb = main?.text ?? keyword;
    const query2 = QUERIES.has(verb);
    const change = CHANGES.has(verb);
    const selectInto2 = query2 && hasClause(first, at2, "INTO");
    let returnsRows = false;
    if (multiple) returnsRows = false;
    else if (query2) returnsRows = !selectInto2;
    else if (change) returnsRows = hasClause(first, at2, "RETURNING");
    else if (OPENED.has(verb)) returnsRows = true;
    else if (UNDECIDED.has(verb)) returnsRows = null;
    return { keyword, verb, returnsRows, shareable: (query2 || change) && !selectInto2 && !multiple, multiple, selectInto: selectInto2 };
  }
  function hasClause(all, at2, clause) {
    const depth = all[at2].depth;
    for (let i = at2 + 1; i < all.length; i++) {
      const token = all[i];
      if (token.text !== clause || token.depth !== depth) continue;
      const before = all[i - 1].text;
      if (before !== "AS" && before !== ".") return true;
    }
    return false;
  }
  function behindWith(all, start2) {
    const depth = all[start2].depth;
    const level = (i) => all[i] === void 0 ? void 0 : all[i].depth === depth ? all[i].text : ")";
    const skipGroup = (i) => {
      if (level(i) !== "(") return i;
      do
        i++;
      while (all[i] !== void 0 && all[i].depth > depth);
      return i + 1;
    };
    let at2 = start2 + 1;
    if (level(at2) === "RECURSIVE") at2++;
    for (; ; ) {
      at2 = skipGroup(at2 + 1);
      if (level(at2) === "AS") at2++;
      if (level(at2) === "NOT") at2++;
      if (level(at2) === "MATERIALIZED") at2++;
      at2 = skipGroup(at2);
      for (const [clause, last] of [["SEARCH", "SET"], ["CYCLE", "USING"]]) {
        if (level(at2) !== clause) continue;
        while (at2 < all.length && level(at2) !== last) at2++;
        at2 += 2;
      }
      if (level(at2) !== ",") break;
      at2++;
    }
    while (all[at2]?.text === "(") at2++;
    return at2;
  }
  function split(all) {
    const first = [];
    let ended2 = false;
    let blocks = 0;
    for (const token of all) {
      if (token.text === ";" && token.depth === 0 && blocks === 0) {
        ended2 = first.length > 0;
        continue;
      }
      if (ended2) return { first, multiple: true };
      first.push(token);
      if (token.text === "ATOMIC" && first[0].text === "CREATE" && first[first.length - 2].text === "BEGIN") blocks++;
      else if (blocks > 0 && token.text === "CASE") blocks++;
      else if (blocks > 0 && token.text === "END") blocks--;
    }
    return { first, multiple: false };
  }
  function tokens(sql3, standardStrings) {
    const all = [];
    let depth = 0;
    let at2 = 0;
    const match2 = (pattern) => {
      pattern.lastIndex = at2;
      return pattern.exec(sql3)?.[0];
    };
    while (at2 < sql3.length) {
      const char = sql3[at2];
      let piece = match2(SPACE_OR_COMMENT);
      if (piece !== void 0) {
        at2 += piece.length;
        continue;
      }
      if (char === "/" && sql3[at2 + 1] === "*") {
        at2 = commentEnd2(sql3, at2);
        continue;
      }
      if (char === "'") {
        at2 = standardStrings ? at2 + match2(PLAIN_STRING).length : escapeStringEnd(sql3, at2);
        all.push({ text: "", depth });
      } else if (char === '"') {
        at2 += match2(QUOTED_NAME).length;
        all.push({ text: "", depth });
      } else if ((piece = match2(WORD2)) !== void 0) {
        at2 += piece.length;
        if ((piece === "e" || piece === "E") && sql3[at2] === "'") {
          at2 = escapeStringEnd(sql3, at2);
          all.push({ text: "", depth });
        } else if (/^[bnx]$/i.test(piece) && sql3[at2] === "'") {
        } else {
          all.push({ text: /[^\w$]/.test(piece) ? "" : piece.toUpperCase(), depth });
        }
      } else if ((piece = match2(NUMBER3)) !== void 0) {
        at2 += piece.length;
        all.push({ text: "", depth });
      } else if (char === "$" && (piece = match2(DOLLAR_TAG2)) !== void 0) {
        const end = sql3.indexOf(piece, at2 + piece.length);
        at2 = end === -1 ? sql3.length : end + piece.length;
        all.push({ text: "", depth });
      } else {
        at2++;
        if (char === ")" && depth > 0) depth--;
        all.push({ text: char, depth });
        if (char === "(") depth++;
      }
    }
    return all;
  }
  function commentEnd2(sql3, at2) {
    let depth = 0;
    const mark2 = /\/\*|\*\//g;
    mark2.lastIndex = at2;
    for (let found = mark2.exec(sql3); found !== null; found = mark2.exec(sql3)) {
      depth += found[0] === "/*" ? 1 : -1;
      if (depth === 0) return mark2.lastIndex;
    }
    return sql3.length;
  }
  function escapeStringEnd(sql3, at2) {
    for (let i = at2 + 1; i < sql3.length; i++) {
      const code = sql3.charCodeAt(i);
      if (code === 92) i++;
      else if (code === 39) return i + 1;
    }
    return sql3.length;
  }

  // src/db/pace.ts
  var QUICK = 5;
  var MOST_SCORE = 4;
  var MOST = 4096;
  var scores = /* @__PURE__ */ new Map();
  var classes = /* @__PURE__ */ new Map();
  var LONGEST = 4096;
  function classified(statement) {
    let found = classes.get(statement);
    if (found === void 0) {
      found = classify(statement);
      if (statement.length <= LONGEST) {
        if (classes.size >= MOST / 8) classes.clear();
        classes.set(statement, found);
      }
    }
    return found;
  }
  function isQuick(template2) {
    return (scores.get(template2) ?? 0) > 0;
  }
  function noteDuration(template2, ms, statement) {
    let score = scores.get(template2);
    if (score === void 0) {
      if (scores.size >= MOST) scores.clear();
      score = classified(statement).shareable ? 0 : -Infinity;
    }
    scores.set(template2, ms < QUICK ? Math.min(score + 1, MOST_SCORE) : Math.max(score - 2, score === -Infinity ? score : -MOST_SCORE));
  }

  // src/db/types.ts
  var lookUp2 = query(`
  SELECT t.typtype, t.typbasetype::int8::float8 AS base, t.typrelid::int8::float8 AS relation,
    CASE WHEN t.typsubscript = 'array_subscript_handler'::regproc THEN t.typelem ELSE 0 END::int8::float8 AS element
  FROM pg_type t WHERE t.oid = $1`, "oid");
  var fieldTypes = query(`
  SELECT a.atttypid::int8::float8 AS type FROM pg_attribute a
  WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum`, "oid");
  function kindOf(oid) {
    const builtin = builtinKind(oid);
    if (builtin !== void 0) return builtin;
    const type = lookUp2(oid)[0];
    if (type === void 0) return "plain";
    if (type.typtype === "d") return kindOf(type.base);
    if (type.typtype === "c") return { fields: fieldTypes(type.relation).map((field2) => kindOf(field2.type)) };
    return type.element === 0 ? "plain" : { array: kindOf(type.element) };
  }

  // src/functions/work.ts
  var MOST_SHARED = 64;
  var LEAST_SHARED = 8;
  var MOST_ATTEMPTS = 10;
  var RETRIED = /* @__PURE__ */ new Set(["40001", "40P01"]);
  var SPLITTING = /* @__PURE__ */ new Set(["40001", "40P01", "55P03"]);
  var NEEDS_AUTOCOMMIT = /* @__PURE__ */ new Set(["25001", "2D000"]);
  var session = null;
  var identity = query(`
  SELECT r.oid::int8::float8 AS oid, r.rolname::text AS name, r.rolcanlogin AS login,
    current_setting('pg_durable.loop_min_interval', true) AS interval
  FROM pg_roles r WHERE r.rolname = session_user`);
  function claim(at2, most) {
    const me = identity()[0];
    if (me === void 0) return [IDLE];
    if (session === null || session.role !== me.oid) {
      session = { role: me.oid, lane: Math.floor(Math.random() * 32), held: [], batch: null, size: MOST_SHARED, alone: false };
    }
    session.batch = null;
    const now = at2 * 1e3;
    const claimed = pick(session, now, Math.min(most, session.size));
    if (claimed.length === 0) return [{ ...IDLE, next_due: nextTimer(me.oid, now) }];
    session.lane = claimed[claimed.length - 1].lane;
    const runs = admit(claimed);
    const waits = session.alone || runs.size === 1;
    const port = new DatabasePort(now, parseNumber("loop_min_interval", me.interval) * 1e3, waits);
    const alone = session.alone;
    for (const run of runs.values()) {
      try {
        for (const branch of [...run.branches.values()]) resume(run, branch, port);
        if (run.statusChanged) port.hold(run);
      } catch (error) {
        letGo(session, runs, run, error);
      }
    }
    if (!me.login) refuseLogin(runs, me.name, port);
    const ready = steps(runs, now);
    for (const { run, branch } of ready) {
      if (run.database !== null) {
        markRunning(run, branch);
        branch.phase = "external";
      }
    }
    const here = ready.filter(({ branch }) => branch.phase !== "external");
    const quick = alone ? [] : here.filter(({ run, branch }) => isQuick(template(run, branch)));
    if (quick.length >= 2) return dispatch(session, runs, here, quick, port, true);
    const first = here[0];
    const settled = first !== void 0 && here.length === 1 && first.branch.phase === "running" && first.branch.state === "clean" && claimed.length === 1;
    if (settled) return dispatch(session, runs, here, [first], port, false);
    for (const { run, branch } of here) if (branch.phase === "ready") markRunning(run, branch);
    write2(session, runs, now, false, session.alone || quick.length === 1);
    return [AGAIN];
  }
  function finish(outcomes, durations, at2) {
    const batch = session?.batch ?? null;
    if (session === null || batch === null) {
      return "undo";
    }
    session.batch = null;
    const me = identity()[0];
    const now = at2 * 1e3;
    const port = new DatabasePort(now, parseNumber("loop_min_interval", me?.interval ?? null) * 1e3, !batch.shared);
    try {
      for (const [k, outcome] of outcomes.entries()) {
        const step = batch.steps[k];
        if (step.branch.key !== "" || !batch.shared) confirm(step, port);
        noteDuration(template(step.run, step.branch), durations[k], step.statement);
        conclude(step, outcome, batch.shared, session, port);
      }
      const over = [...batch.runs.values()].filter((run) => run.statusChanged);
      if (batch.shared) {
        if (over.length > 0 && lockFree(over) < over.length) throw new Busy("instances");
      } else {
        for (const run of over) port.hold(run);
      }
    } catch (error) {
      if (!(error instanceof Busy || error instanceof Over)) throw error;
      session.alone = true;
      session.held = [...batch.steps.map((step) => ({ ...key(step), template: null })), ...session.held];
      return "undo";
    }
    if (batch.shared) {
      const ranOut = outcomes.length < batch.steps.length;
      session.size = ranOut ? Math.max(LEAST_SHARED, outcomes.length) : Math.min(MOST_SHARED, session.size * 2);
    }
    write2(session, batch.runs, now, batch.shared);
    return "done";
  }
  function split2() {
    if (session === null) return;
    session.held = [...(session.batch?.steps ?? []).map((step) => ({ ...key(step), template: null })), ...session.held];
    session.batch = null;
    session.alone = true;
  }
  function selectInto(statement) {
    plv8.execute(statement);
  }
  var IDLE = { state: "idle", statements: [], modes: [], shared: false, next_due: null };
  var AGAIN = { ...IDLE, state: "again" };
  function pick(own, now, most) {
    if (own.held.length === 0) own.alone = false;
    const quick = own.alone ? [] : own.held.filter((held) => held.template !== null && isQuick(held.template)).slice(0, most);
    if (quick.length > 0) {
      const taken = new Set(quick);
      own.held = own.held.filter((held) => !taken.has(held));
      const claimed = claimHeld(quick, own.role, now);
      return claimed.length < most / 2 ? [...claimed, ...claimMore(own, claimed, now, most - claimed.length)] : claimed;
    }
    while (own.held.length > 0) {
      const claimed = claimHeld([own.held.shift()], own.role, now);
      if (claimed.length > 0) return claimed;
    }
    return claimDue(own.role, own.lane, now, most);
  }
  function claimMore(own, claimed, now, most) {
    const known2 = new Set(claimed.map((c) => `${c.instance}${c.branch.key}`));
    return claimDue(own.role, own.lane, now, most).filter((c) => !known2.has(`${c.instance}${c.branch.key}`));
  }
  function admit(claimed) {
    const stale = claimed.filter((c) => !c.alive || c.status !== "pending" && c.status !== "running");
    const live = claimed.filter((c) => !stale.includes(c));
    const { runs, broken: broken2 } = loadRuns([...new Set(live.map((c) => c.instance))]);
    for (const { instance, branch, status } of live) {
      const run = runs.get(instance);
      if (run === void 0) continue;
      run.status = status;
      run.branches.set(branch.key, branch);
    }
    for (const [instance, problem] of broken2) failInstance(instance, problem);
    discard([...stale, ...live.filter((c) => !runs.has(c.instance))].map((c) => ({ instance: c.instance, branch: c.branch.key })));
    return runs;
  }
  function letGo(own, runs, run, error) {
    if (!(error instanceof Busy || error instanceof Over)) throw error;
    runs.delete(run.id);
    for (const branch of run.branches.values()) {
      if (branch.seq > 0) own.held.push({ instance: run.id, branch: branch.key, template: null });
    }
    if (error instanceof Busy) own.alone = true;
  }
  function refuseLogin(runs, role, port) {
    for (const run of runs.values()) {
      for (let found = steps([[run.id, run]], port.now); found.length > 0; found = steps([[run.id, run]], port.now)) {
        for (const { branch } of found) {
          finishStep(run, branch, {
            kind: "failed",
            text: `SQL execution failed: role "${role}" is not permitted to log in`,
            details: { sqlstate: "28000", hint: `Give it LOGIN again: ALTER ROLE \u2026 LOGIN.` }
          }, port);
        }
      }
      if (run.statusChanged) port.hold(run);
    }
  }
  function steps(runs, now) {
    const found = [];
    for (const [, run] of runs) {
      if (run.status !== "running") continue;
      for (const branch of run.branches.values()) {
          if (branch.state === "clean" && branch.address === null)
            continue;
        if ((branch.phase === "ready" || branch.phase === "running") && branch.state !== "gone" && branch.due !== null && branch.due <= now) found.push({ run, branch });
      }
    }
    return found;
  }
  function dispatch(own, runs, here, chosen, port, shared) {
    const batch = { runs, steps: [], shared };
    const modes = [];
    for (const { run, branch } of chosen) {
      try {
        const statement = substituteNode(run, branch, template(run, branch), "sql", port);
        const { keyword, multiple, returnsRows, selectInto: selectInto2 } = classified(statement);
        if (keyword === "") throw new DurableError("the step holds no SQL statement", { code: "42601" });
        if (multiple) {
          throw new DurableError("a step is one SQL statement, and this text holds several", {
            code: "42601",
            hint: "Write one step per statement and join them with ~>."
          });
        }
        batch.steps.push({ run, branch, statement });
        modes.push(selectInto2 ? "into" : returnsRows === false ? "none" : "rows");
      } catch (error) {
        const outcome = failure(error);
        finishStep(run, branch, { ...outcome, text: `SQL execution failed: ${outcome.text}` }, port);
      }
    }
    const running = new Set(batch.steps.map((step) => step.branch));
    for (const { run, branch } of here) {
      if (!running.has(branch) && branch.phase === "ready") markRunning(run, branch);
    }
    if (batch.steps.length === 0) {
      for (const run of runs.values()) if (run.statusChanged) port.hold(run);
      write2(own, runs, port.now, false);
      return [AGAIN];
    }
    own.batch = batch;
    return [{ state: "run", statements: batch.steps.map((step) => step.statement), modes, shared, next_due: null }];
  }
  function confirm({ run, branch }, port) {
    if (branch.key === "") {
      const status = statusOf(run.id)[0]?.status;
      if (status !== "pending" && status !== "running") throw new Over(run.id);
      return;
    }
    port.lock(run);
    if (!isAlive(run, branch)) throw new Over(run.id);
  }
  var statusOf = query("SELECT i.status FROM df.instances i WHERE i.id = $1", "text");
  function conclude(step, outcome, shared, own, port) {
    const { run, branch, statement } = step;
    if (outcome.startsWith("e")) {
      const error = JSON.parse(outcome.slice(1));
      if (shared && SPLITTING.has(error.sqlstate)) {
        own.alone = true;
      } else if (RETRIED.has(error.sqlstate) && branch.attempts < MOST_ATTEMPTS) {
        branch.attempts++;
        branch.due = port.now + Math.min(2e3, 10 * 2 ** branch.attempts) * (0.5 + Math.random() / 2);
        touch(branch);
      } else if (NEEDS_AUTOCOMMIT.has(error.sqlstate) && !/^(SET|BEGIN|START|COMMIT|END|ROLLBACK|ABORT|SAVEPOINT|RELEASE|PREPARE)$/.test(classified(statement).keyword)) {
        branch.phase = "external";
        touch(branch);
      } else {
        finishStep(run, branch, { kind: "failed", text: `SQL execution failed: ${error.message}`, details: details(error, statement) }, port);
      }
      return;
    }
    finishStep(run, branch, succeeded(outcome, statement), port);
  }
  function succeeded(outcome, statement) {
    if (outcome === "n") return { kind: "ok", text: '{"rows":[],"row_count":0}' };
    const [count, types, ...rows] = outcome.slice(1).split("");
    const columns = types === "" ? [] : types.split(",").map(Number);
    try {
      const text2 = resultText(count === "0" ? { rows: [], types: columns, kinds: kindOf, ...rows[0] !== void 0 && { emptyRow: rows[0] } } : { rows, types: columns, kinds: kindOf });
      return { kind: "ok", text: text2 };
    } catch (error) {
      const failed = failure(error);
      return { kind: "failed", text: `SQL execution failed: ${failed.text}`, details: { ...failed.details, statement } };
    }
  }
  function details(error, statement) {
    return {
      sqlstate: error.sqlstate,
      statement,
      ...error.detail !== "" && { detail: error.detail },
      ...error.hint !== "" && { hint: error.hint }
    };
  }
  function write2(own, runs, now, shared, apart = own.alone) {
    let slow = 0;
    let outside = false;
    for (const { run, branch } of steps(runs, now)) {
      const quick = shared && isQuick(template(run, branch));
      if (!quick && branch.phase === "ready" && run.database === null) markRunning(run, branch);
      if (!quick) slow++;
      own.held.push({ instance: run.id, branch: branch.key, template: apart ? null : template(run, branch) });
    }
    for (const run of runs.values()) {
      for (const branch of run.branches.values()) {
        if (branch.phase === "external" && branch.state !== "clean") outside = true;
      }
    }
    flush([...runs.values()], own.role);
    if (slow > 1 || outside) announceWork(own.role);
  }
  function template(run, branch) {
    return run.program.nodes[branch.pc].query;
  }
  function key(step) {
    return { instance: step.run.id, branch: step.branch.key };
  }
  return __toCommonJS(index_exports);
})();
if(wanted!=="pg_durable 0.2.2 5e132b62dc38"){const e=new Error("pg_durable was updated to 0.2.2 while this statement started: run it again");e.code=16777220;throw e}
for(const name of Object.keys(globalThis))if(name.startsWith("pg_durable "))delete globalThis[name];
globalThis[wanted]=pg_durable;
return pg_durable;
//# sourceURL=pg_durable-0.2.2.js$js$::pg_catalog.text$sql$;
COMMENT ON FUNCTION _df.bundle() IS 'The JavaScript behind every function of pg_durable; each session evaluates it once per role.';

CREATE FUNCTION _df.check_limit(limit_count integer) RETURNS void
LANGUAGE plv8 VOLATILE
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).checkLimit(limit_count);$js$;
COMMENT ON FUNCTION _df.check_limit(integer) IS 'Checks the limit of a listing. In: the limit. Errors: below 1 or NULL, and above pg_durable.list_instances_max_limit.';

CREATE FUNCTION _df.claim(at double precision, most integer) RETURNS TABLE (state text, statements text[], modes text[], shared boolean, next_due double precision)
LANGUAGE plv8 VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plv8.start_proc = ''
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).claim(at, most);$js$;
COMMENT ON FUNCTION _df.claim(double precision, integer) IS 'Claims work of the session user for df.work: locks due branches, moves them to their next SQL step and returns the steps to run in this transaction. In: the time in seconds since the epoch and the most steps wanted. Out: state run (run these statements, then call _df.finish), again (commit and call again) or idle (nothing is due; next_due says when something will be, in seconds since the epoch).';

CREATE FUNCTION _df.finish(outcomes text[], durations double precision[], at double precision) RETURNS text
LANGUAGE plv8 VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plv8.start_proc = ''
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).finish(outcomes, durations, at);$js$;
COMMENT ON FUNCTION _df.finish(text[], double precision[], double precision) IS 'Records how the steps of the last claim ended and moves their branches on, in the same transaction. In: per step that ran its outcome ("n" no rows; "r", type OIDs, then the rows as JSON, separated by U+001E; "e" and the error as JSON) and how long it took in ms, and the time in seconds since the epoch. Out: done (commit) or undo (roll back: the steps must not count, or must run one by one).';

CREATE FUNCTION _df.nodes_of(instance_id text) RETURNS TABLE (node_id text, node_type text, query text, result_name text, left_node text, right_node text, status text, result text, status_details text, inferred_status text, inferred_status_from_ancestor_id text, updated_at text)
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).nodesOf(instance_id);$js$;
COMMENT ON FUNCTION _df.nodes_of(text) IS 'The nodes of an instance, for df.instance_nodes: in graph order, with inferred status; JSON and times as text.';

CREATE FUNCTION _df.select_into(statement text) RETURNS void
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).selectInto(statement);$js$;
COMMENT ON FUNCTION _df.select_into(text) IS 'Runs SELECT ... INTO, which PL/pgSQL''s EXECUTE refuses. In: the statement. With the rights of the caller.';

CREATE FUNCTION _df.sleep_for(seconds text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).sleepFor(seconds);$js$;
COMMENT ON FUNCTION _df.sleep_for(text) IS 'A durable pause in decimal seconds, for df.sleep(interval).';

CREATE FUNCTION _df.split() RETURNS void
LANGUAGE plv8 VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plv8.start_proc = ''
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).split();$js$;
COMMENT ON FUNCTION _df.split() IS 'Gives up the batch of the last claim, whose transaction is to be rolled back, so that its steps run one by one.';

CREATE FUNCTION df."as"(fut text, name text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).as(fut, name);$js$;
COMMENT ON FUNCTION df."as"(text, text) IS 'Names a step''s result, so that later steps can use $name (operator |=>). In: a future or SQL, and an identifier. Out: the future with that name. Errors: "not a valid identifier", "result name cannot be empty".';

CREATE FUNCTION df.as_op(fut text, name text) RETURNS text
LANGUAGE plv8 IMMUTABLE
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).asOp(fut, name);$js$;
COMMENT ON FUNCTION df.as_op(text, text) IS 'Function of the operator |=>: names a step''s result. In: a future or SQL, and an identifier. Out: the future with that name.';

CREATE FUNCTION df."break"(value text DEFAULT NULL) RETURNS text
LANGUAGE plv8 VOLATILE
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).break_(value);$js$;
COMMENT ON FUNCTION df."break"(text) IS 'Leaves the nearest loop. In: the loop''s result as a literal, JSON or text; not SQL. Out: a BREAK future.';

CREATE FUNCTION df.cancel(instance_id text, reason text DEFAULT 'Cancelled by user') RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).cancel(instance_id, reason);$js$;
COMMENT ON FUNCTION df.cancel(text, text) IS 'Cancels an instance: no further step begins, and a step that runs now is rolled back. In: instance id and reason. Out: "Instance <id> cancelled: <reason>", also when it had ended already; then nothing changes. Error: "not found or access denied".';

CREATE FUNCTION df.clearvars() RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).clearvars();$js$;
COMMENT ON FUNCTION df.clearvars() IS 'Removes all variables of the caller. Out: OK. Error: "cannot be called inside a workflow".';

CREATE FUNCTION df.explain(input text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).explain(input);$js$;
COMMENT ON FUNCTION df.explain(text) IS 'Shows a workflow as a tree: an instance (by its id, with live status), a graph as JSON, an expression over df functions and operators, or one SQL statement. Out: text; problems with the input come back as text too. Nothing of the input is executed.';

CREATE FUNCTION df.getvar(name text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).getvar(name);$js$;
COMMENT ON FUNCTION df.getvar(text) IS 'Reads a variable of the caller. In: its name. Out: its value, NULL if it is not set.';

CREATE FUNCTION df.http(url text, method text DEFAULT 'POST', body text DEFAULT NULL, headers jsonb DEFAULT NULL, timeout_seconds integer DEFAULT 30) RETURNS text
LANGUAGE plv8 VOLATILE
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).http(url, method, body, headers, timeout_seconds);$js$;
COMMENT ON FUNCTION df.http(text, text, text, jsonb, integer) IS 'An HTTP request, made by the worker, at least once. In: url, method (GET POST PUT DELETE PATCH), body, headers as a JSON object, timeout in seconds. Out: an HTTP future. Errors, in this order: "df.http() is disabled", "unsupported URL scheme", "Invalid HTTP method", "Timeout must be positive".';
REVOKE EXECUTE ON FUNCTION df.http(text, text, text, jsonb, integer) FROM PUBLIC;

CREATE FUNCTION df.http_multipart(url text, method text DEFAULT 'POST', parts jsonb DEFAULT NULL, headers jsonb DEFAULT NULL, timeout_seconds integer DEFAULT 30) RETURNS text
LANGUAGE plv8 VOLATILE
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).httpMultipart(url, method, parts, headers, timeout_seconds);$js$;
COMMENT ON FUNCTION df.http_multipart(text, text, jsonb, jsonb, integer) IS 'A multipart/form-data request, made by the worker, at least once. In: url, method (POST PUT PATCH), parts as a JSON array of objects with name and data_b64 and optional filename and content_type, headers as a JSON object, timeout in seconds. Out: an HTTP_MULTIPART future. Errors: those of df.http, and "parts is required", "parts must be a JSON array", "at least one part".';
REVOKE EXECUTE ON FUNCTION df.http_multipart(text, text, jsonb, jsonb, integer) FROM PUBLIC;

CREATE FUNCTION df."if"(condition text, then_branch text, else_branch text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).if_(condition, then_branch, else_branch);$js$;
COMMENT ON FUNCTION df."if"(text, text, text) IS 'Chooses between two steps by the truth of a third (operators ?> and !>). In: futures or SQL. Out: an IF future whose result is the taken branch''s.';

CREATE FUNCTION df.if_else_op(partial_if text, else_branch text) RETURNS text
LANGUAGE plv8 IMMUTABLE
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).ifElseOp(partial_if, else_branch);$js$;
COMMENT ON FUNCTION df.if_else_op(text, text) IS 'Function of the operator !>: completes a ?> with its else branch. In: what ?> returned, and a future or SQL. Out: an IF future. Error: "left side of !> must be a ?> expression".';

CREATE FUNCTION df.if_rows(result_name text, then_branch text, else_branch text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).ifRows(result_name, then_branch, else_branch);$js$;
COMMENT ON FUNCTION df.if_rows(text, text, text) IS 'Chooses between two steps by whether a named result has rows; runs no SQL for it. In: the name, and futures or SQL. Out: an IF future.';

CREATE FUNCTION df.if_then_op(condition text, then_branch text) RETURNS text
LANGUAGE plv8 IMMUTABLE
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).ifThenOp(condition, then_branch);$js$;
COMMENT ON FUNCTION df.if_then_op(text, text) IS 'Function of the operator ?>: a condition and what to run when it holds. In: futures or SQL. Out: an IF future without an else branch, which !> completes.';

CREATE FUNCTION df."join"(a text, b text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).join(a, b);$js$;
COMMENT ON FUNCTION df."join"(text, text) IS 'Two steps at once, waiting for both (operator &). In: futures or SQL. Out: a JOIN future whose result is a JSON array of theirs.';

CREATE FUNCTION df.join3(a text, b text, c text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).join3(a, b, c);$js$;
COMMENT ON FUNCTION df.join3(text, text, text) IS 'Three steps at once, waiting for all. In: futures or SQL. Out: a JOIN future whose result is a JSON array of theirs.';

CREATE FUNCTION df."loop"(body text, condition text DEFAULT NULL) RETURNS text
LANGUAGE plv8 VOLATILE
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).loop(body, condition);$js$;
COMMENT ON FUNCTION df."loop"(text, text) IS 'Repeats a step while a condition holds, for ever without one; the body runs first (prefix operator';

CREATE FUNCTION df.loop_prefix_op(body text) RETURNS text
LANGUAGE plv8 IMMUTABLE
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).loopPrefixOp(body);$js$;
COMMENT ON FUNCTION df.loop_prefix_op(text) IS 'Function of the prefix operator';

CREATE FUNCTION df.race(a text, b text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).race(a, b);$js$;
COMMENT ON FUNCTION df.race(text, text) IS 'Two steps at once; the first to finish wins, by failing too (operator |). In: futures or SQL. Out: a RACE future whose result is the winner''s.';

CREATE FUNCTION df.seq(a text, b text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).seq(a, b);$js$;
COMMENT ON FUNCTION df.seq(text, text) IS 'Two steps in order (operator ~>). In: futures or SQL. Out: a THEN future whose result is the second step''s.';

CREATE FUNCTION df.setvar(name text, value text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).setvar(name, value);$js$;
COMMENT ON FUNCTION df.setvar(text, text) IS 'Sets a variable of the caller; workflows started from now on see it as {name}. In: name, not empty, and value. Out: OK. Error: "cannot be called inside a workflow".';

CREATE FUNCTION df.signal(instance_id text, signal_name text, signal_data text DEFAULT '{}') RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).signal(instance_id, signal_name, signal_data);$js$;
COMMENT ON FUNCTION df.signal(text, text, text) IS 'Sends a signal to an instance. It is stored, so it may come before the wait; the first wait for its name consumes it. In: instance id, signal name, payload (JSON, or text that becomes a JSON string). Out: OK. Errors: empty id or name, "not found or access denied".';

CREATE FUNCTION df.sleep(seconds bigint) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).sleep(seconds);$js$;
COMMENT ON FUNCTION df.sleep(bigint) IS 'A durable pause. In: whole seconds, not negative. Out: a SLEEP future, due at a fixed moment once it is reached.';

CREATE FUNCTION df.sql(query text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).sql(query);$js$;
COMMENT ON FUNCTION df.sql(text) IS 'A workflow step that runs one SQL statement. In: the statement, which is never inspected here. Out: a future.';

CREATE FUNCTION df.start(fut text, label text DEFAULT NULL, database text DEFAULT NULL, transaction_mode text DEFAULT 'caller') RETURNS text
LANGUAGE plv8 VOLATILE
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).start(fut, label, database, transaction_mode);$js$;
COMMENT ON FUNCTION df.start(text, text, text, text) IS 'Starts a workflow. In: a future or SQL, a label, the database its steps work in (default this one), and whether it belongs to the caller''s transaction (caller) or commits by itself (new). Out: the instance id, 8 hex digits. Errors before anything is written: "invalid transaction_mode", "Invalid durable function", "database ... does not exist", a role without LOGIN, a superuser where pg_durable.enable_superuser_instances is off.';

CREATE FUNCTION df.unsetvar(name text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).unsetvar(name);$js$;
COMMENT ON FUNCTION df.unsetvar(text) IS 'Removes a variable of the caller. In: its name. Out: OK, also when it was not set. Error: "cannot be called inside a workflow".';

CREATE FUNCTION df.wait_for_schedule(cron_expr text) RETURNS text
LANGUAGE plv8 VOLATILE STRICT
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).waitForSchedule(cron_expr);$js$;
COMMENT ON FUNCTION df.wait_for_schedule(text) IS 'Waits for the next tick of a schedule. In: a five-field cron expression in UTC. Out: a WAIT_SCHEDULE future. Error: "Invalid cron expression".';

CREATE FUNCTION df.wait_for_signal(name text, timeout_seconds integer DEFAULT NULL) RETURNS text
LANGUAGE plv8 VOLATILE
AS $js$return (globalThis["pg_durable 0.2.2 5e132b62dc38"] ?? new Function("wanted", plv8.execute("SELECT _df.bundle() AS source")[0].source)("pg_durable 0.2.2 5e132b62dc38")).waitForSignal(name, timeout_seconds);$js$;
COMMENT ON FUNCTION df.wait_for_signal(text, integer) IS 'Waits for a signal sent with df.signal, before or after the wait begins. In: its name, and seconds after which to go on without it. Out: a SIGNAL future whose result is {"signal_name", "timed_out", "data"}. Errors: "Signal name cannot be empty", "Timeout must be positive".';

-- ============================================================================
-- operators
-- ============================================================================
-- PostgreSQL gives all of these one precedence, left to right; docs/user-guide.md says what follows from it.
CREATE OPERATOR pg_catalog.~> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.seq);
COMMENT ON OPERATOR pg_catalog.~> (text, text) IS 'workflow: the left step, then the right one (df.seq)';
CREATE OPERATOR pg_catalog.|=> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.as_op);
COMMENT ON OPERATOR pg_catalog.|=> (text, text) IS 'workflow: the left step''s result gets the right name (df."as")';
CREATE OPERATOR pg_catalog.& (LEFTARG = text, RIGHTARG = text, FUNCTION = df."join");
COMMENT ON OPERATOR pg_catalog.& (text, text) IS 'workflow: both at once, and wait for both (df."join")';
CREATE OPERATOR pg_catalog.| (LEFTARG = text, RIGHTARG = text, FUNCTION = df.race);
COMMENT ON OPERATOR pg_catalog.| (text, text) IS 'workflow: both at once, and the first one to finish wins (df.race)';
CREATE OPERATOR pg_catalog.?> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.if_then_op);
COMMENT ON OPERATOR pg_catalog.?> (text, text) IS 'workflow: if the left step''s result is true, the right one (df."if")';
CREATE OPERATOR pg_catalog.!> (LEFTARG = text, RIGHTARG = text, FUNCTION = df.if_else_op);
COMMENT ON OPERATOR pg_catalog.!> (text, text) IS 'workflow: what a ?> on the left runs otherwise (df."if")';
CREATE OPERATOR pg_catalog.@> (RIGHTARG = text, FUNCTION = df.loop_prefix_op);
COMMENT ON OPERATOR pg_catalog.@> (NONE, text) IS 'workflow: repeats the step on its right (df."loop")';

-- ============================================================================
-- monitor
-- ============================================================================
CREATE FUNCTION df.sleep(duration interval) RETURNS text
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT _df.sleep_for(extract(epoch FROM duration)::text) $$;
COMMENT ON FUNCTION df.sleep(interval) IS 'A durable pause. In: an interval, not negative, fractions of a second allowed. Out: a SLEEP future, due at a fixed moment once it is reached.';

CREATE FUNCTION df.status(instance_id text) RETURNS text
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT i.status FROM df.instances i WHERE i.id = $1 $$;
COMMENT ON FUNCTION df.status(text) IS 'Status of an instance: pending, running, completed, failed or cancelled. In: instance id. Out: NULL for an unknown id, somebody else''s, or a label.';

CREATE FUNCTION df.result(instance_id text) RETURNS text
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT n.result::text FROM df.instances i JOIN df.nodes n ON n.instance_id = i.id AND n.id = i.root_node
    WHERE i.id = $1 AND i.status = 'completed'
$$;
COMMENT ON FUNCTION df.result(text) IS 'Result of a completed instance as JSON text. In: instance id. Out: NULL until it completed.';

CREATE FUNCTION df.run(instance_id text DEFAULT NULL) RETURNS text
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    woken bigint;
BEGIN
    IF $1 IS NOT NULL AND NOT EXISTS (SELECT FROM df.instances i WHERE i.id = $1) THEN
        RAISE EXCEPTION 'Instance ''%'' not found or access denied', $1 USING ERRCODE = 'undefined_object';
    END IF;
    SELECT count(*) INTO woken FROM (
        SELECT pg_notify('pg_durable', i.submitted_by::oid::text) FROM df.instances i
        WHERE i.status IN ('pending', 'running') AND ($1 IS NULL OR i.id = $1) GROUP BY i.submitted_by) w;
    RETURN 'OK';
END $$;
COMMENT ON FUNCTION df.run(text) IS 'Wakes the engine. In: an instance id, or NULL for all of the caller''s instances. Out: OK. Drivers wake by themselves; this is for one that seems to have missed something. Error: "not found or access denied".';

CREATE FUNCTION df.await_instance(instance_id text, timeout_seconds integer DEFAULT 30) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    deadline timestamptz := clock_timestamp() + timeout_seconds * interval '1 second';
    pause    double precision := 0.002;
    current  text;
BEGIN
    IF coalesce(current_setting('df.in_workflow', true), '') = 'true' THEN
        RAISE EXCEPTION 'df.await_instance() cannot be called inside a workflow'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Let the other workflow send a signal, and wait with df.wait_for_signal().';
    END IF;
    IF timeout_seconds <= 0 THEN
        RAISE EXCEPTION 'Timeout must be positive, not %', timeout_seconds
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Give whole seconds.';
    END IF;
    LOOP
        -- Each query has a snapshot of its own under READ COMMITTED.
        SELECT i.status INTO current FROM df.instances i WHERE i.id = $1;
        IF NOT FOUND THEN
            RAISE EXCEPTION 'Instance not found: ''%''', $1
                USING ERRCODE = 'undefined_object', HINT = 'df.list_instances() shows the instances that you can reach.';
        END IF;
        EXIT WHEN current IN ('completed', 'failed', 'cancelled');
        IF clock_timestamp() >= deadline THEN
            RAISE EXCEPTION 'Timeout after %s waiting for instance %, which is %', timeout_seconds, $1, current
                USING ERRCODE = 'query_canceled', HINT = 'Is a worker running, or did this transaction start the instance? It runs after COMMIT.';
        END IF;
        PERFORM pg_sleep(pause);
        pause := least(pause * 1.5, 0.1);
    END LOOP;
    PERFORM set_config('df.helper_called', 'await_instance ' || statement_timestamp()::text, true);
    RETURN current;
END $$;
COMMENT ON FUNCTION df.await_instance(text, integer) IS 'Waits until an instance has ended. In: instance id and seconds. Out: completed, failed or cancelled. Errors: "cannot be called inside a workflow", "Timeout must be positive", "Instance not found", "Timeout after <n>s".';

CREATE FUNCTION df.version() RETURNS text
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT e.extversion FROM pg_extension e WHERE e.extname = 'pg_durable' $$;
COMMENT ON FUNCTION df.version() IS 'The version of the extension that this database has.';
CREATE FUNCTION df.target_database() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT current_database()::text $$;
COMMENT ON FUNCTION df.target_database() IS 'The database in which steps run unless df.start names another: this one.';
CREATE FUNCTION df.engine_schema() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT '_df'::text $$;
COMMENT ON FUNCTION df.engine_schema() IS 'The schema of the engine''s state, _df.';
CREATE FUNCTION df.duroxide_schema() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp
AS $$ SELECT '_df'::text $$;
COMMENT ON FUNCTION df.duroxide_schema() IS 'The older name of df.engine_schema().';

CREATE FUNCTION _df.output(i df.instances) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT CASE i.status
        WHEN 'completed' THEN (SELECT n.result::text FROM df.nodes n WHERE n.instance_id = i.id AND n.id = i.root_node)
        WHEN 'failed' THEN (SELECT r.output FROM _df.runs r WHERE r.instance_id = i.id)
        WHEN 'cancelled' THEN 'canceled: ' || coalesce((SELECT r.output FROM _df.runs r WHERE r.instance_id = i.id), 'unknown reason')
    END
$$;
COMMENT ON FUNCTION _df.output(df.instances) IS 'What an instance says: its result once completed, its error once failed, the reason once cancelled, NULL while it runs.';

CREATE FUNCTION df.instance_nodes(instance_id_param text)
RETURNS TABLE (node_id text, node_type text, query text, result_name text, left_node text, right_node text, status text,
    result text, status_details text, inferred_status text, inferred_status_from_ancestor_id text, updated_at timestamptz)
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT n.node_id, n.node_type, n.query, n.result_name, n.left_node, n.right_node, n.status, n.result, n.status_details,
        n.inferred_status, n.inferred_status_from_ancestor_id, n.updated_at::timestamptz
    FROM _df.nodes_of(instance_id_param) n
$$;
COMMENT ON FUNCTION df.instance_nodes(text) IS 'The nodes of an instance in graph order, with their stored and their inferred status (completed, failed, running, pending or skipped) and the ancestor that explains it. In: instance id. Out: no rows for an unknown id or somebody else''s.';

CREATE FUNCTION df.list_instances(status_filter text DEFAULT NULL, limit_count integer DEFAULT 100)
RETURNS TABLE (instance_id text, label text, function_name text, status text, execution_count bigint, output text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    PERFORM _df.check_limit(limit_count);
    RETURN QUERY
    SELECT i.id::text, i.label, 'pg_durable::orchestration::execute-function-graph'::text, i.status,
        coalesce((SELECT r.generation FROM _df.runs r WHERE r.instance_id = i.id), 1), _df.output(i)
    FROM df.instances i WHERE status_filter IS NULL OR i.status = status_filter
    ORDER BY i.created_at DESC, i.id LIMIT limit_count;
END $$;
COMMENT ON FUNCTION df.list_instances(text, integer) IS 'The caller''s instances, newest first. In: a status or NULL, and how many (1 to pg_durable.list_instances_max_limit). Errors: a limit below 1, and "list_instances_max_limit (<n>)" above it.';

CREATE FUNCTION df.metrics(OUT total_instances bigint, OUT running_instances bigint, OUT completed_instances bigint,
    OUT failed_instances bigint, OUT total_executions bigint, OUT total_events bigint)
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT count(*), count(*) FILTER (WHERE i.status IN ('pending', 'running')), count(*) FILTER (WHERE i.status = 'completed'),
        count(*) FILTER (WHERE i.status = 'failed'),
        coalesce(sum((SELECT r.generation FROM _df.runs r WHERE r.instance_id = i.id)), 0)::bigint,
        (SELECT count(*) FROM df.nodes n WHERE n.status <> 'pending')
    FROM df.instances i
$$;
COMMENT ON FUNCTION df.metrics() IS 'Totals over the instances that the caller may see: all, pending or running, completed, failed, generations of root scopes, nodes that were moved.';
REVOKE EXECUTE ON FUNCTION df.metrics() FROM PUBLIC;

-- ============================================================================
-- work
-- ============================================================================
-- The loop that runs steps. It is PL/pgSQL, with the rights of its caller, so that a user's SQL runs as the user, can
-- be cancelled, keeps its SQLSTATE, and gives exact JSON; and a procedure, so that each step commits by itself. It
-- cannot pin its search_path, since a procedure that does may not commit: everything in it is schema-qualified.
CREATE PROCEDURE df.work(
    max_seconds double precision DEFAULT 10,
    max_steps integer DEFAULT 10000,
    INOUT steps bigint DEFAULT 0,
    INOUT next_due timestamptz DEFAULT NULL,
    INOUT more boolean DEFAULT false,
    dedicated boolean DEFAULT false)
LANGUAGE plpgsql
AS $work$
DECLARE
    began      timestamptz := pg_catalog.clock_timestamp();
    deadline   timestamptz;
    batch      record;
    row        record;
    rows       text[];
    types      text;
    mode       text;
    outcomes   text[];
    durations  double precision[];
    started    timestamptz;
    steps_from timestamptz;
    verdict    text;
    sqlstate_  text;
    message    text;
    detail_    text;
    hint_      text;
    context_   text;
    had_temp   boolean;
    settings   text[];
    done       integer;
BEGIN
    IF max_seconds IS NULL OR NOT (max_seconds OPERATOR(pg_catalog.>) 0) OR max_steps IS NULL OR max_steps OPERATOR(pg_catalog.<) 1 THEN
        RAISE EXCEPTION 'df.work needs positive limits, got max_seconds = % and max_steps = %', max_seconds, max_steps
            USING ERRCODE = 'invalid_parameter_value';
    END IF;
    IF SESSION_USER OPERATOR(pg_catalog.<>) CURRENT_USER THEN
        RAISE EXCEPTION 'df.work runs the workflows of the session user "%", but the current role is "%"', SESSION_USER, CURRENT_USER
            USING ERRCODE = 'insufficient_privilege', HINT = 'RESET ROLE first, or log in as the submitter.';
    END IF;
    deadline := began OPERATOR(pg_catalog.+) (max_seconds OPERATOR(pg_catalog.*) interval '1 second');
    steps := 0;
    next_due := NULL;
    more := true;
    -- Steps know nothing of this session: neither its settings nor, afterwards, it of theirs.
    IF NOT dedicated THEN
        SELECT pg_catalog.array_agg(ARRAY[s.name, pg_catalog.current_setting(s.name)]) INTO settings
        FROM pg_catalog.pg_settings s WHERE s.source OPERATOR(pg_catalog.=) 'session'
            AND s.name NOT IN ('role', 'session_authorization', 'transaction_isolation', 'transaction_read_only', 'transaction_deferrable');
        had_temp := EXISTS (SELECT 1 FROM pg_catalog.pg_class c WHERE c.relnamespace OPERATOR(pg_catalog.=) pg_catalog.pg_my_temp_schema());
        RESET ALL;
    END IF;
    PERFORM pg_catalog.set_config('df.in_workflow', 'true', false);

    <<batches>>
    LOOP
        -- The engine locks rows and skips locked ones, which needs READ COMMITTED whatever the role's default is.
        IF pg_catalog.current_setting('transaction_isolation') OPERATOR(pg_catalog.<>) 'read committed'
            OR pg_catalog.current_setting('transaction_read_only') OPERATOR(pg_catalog.<>) 'off' THEN
            SET TRANSACTION ISOLATION LEVEL READ COMMITTED READ WRITE;
        END IF;
        SELECT c.state, c.statements, c.modes, c.shared, c.next_due INTO batch
        FROM _df.claim(pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()),
            LEAST(max_steps OPERATOR(pg_catalog.-) steps, 1000)::pg_catalog.int4) c;
        IF batch.state OPERATOR(pg_catalog.=) 'idle' THEN
            next_due := pg_catalog.to_timestamp(batch.next_due);
            more := false;
            COMMIT;
            EXIT batches;
        END IF;
        IF batch.state OPERATOR(pg_catalog.=) 'again' THEN
            COMMIT;
            EXIT batches WHEN pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>=) deadline;
            CONTINUE batches;
        END IF;

        outcomes := '{}';
        durations := '{}';
        done := 0;
        FOR k IN 1..pg_catalog.cardinality(batch.statements) LOOP
            started := pg_catalog.clock_timestamp();
            IF k OPERATOR(pg_catalog.=) 1 THEN
                steps_from := started;
            END IF;
            -- What a shared batch holds locked, it holds for a few milliseconds.
            EXIT WHEN k OPERATOR(pg_catalog.>) 1 AND started OPERATOR(pg_catalog.-) steps_from OPERATOR(pg_catalog.>) interval '20 milliseconds';
            BEGIN
                IF batch.shared THEN
                    PERFORM pg_catalog.set_config('lock_timeout', '20', true);
                END IF;
                mode := batch.modes[k];
                IF mode OPERATOR(pg_catalog.=) 'rows' THEN
                    rows := '{}';
                    types := NULL;
                    BEGIN
                        FOR row IN EXECUTE batch.statements[k] LOOP
                            IF types IS NULL THEN
                                BEGIN
                                    types := _df.column_types(pg_catalog.record_send(row));
                                EXCEPTION WHEN undefined_function THEN
                                    types := '';  -- a column type without a binary form: all columns stay as to_json writes them
                                END;
                            END IF;
                            rows := pg_catalog.array_append(rows, pg_catalog.to_json(row)::text);
                        END LOOP;
                    EXCEPTION WHEN invalid_cursor_definition THEN
                        mode := 'none';  -- CALL, EXECUTE and rules may turn out to return nothing; refused before it ran
                    END;
                END IF;
                IF mode OPERATOR(pg_catalog.=) 'rows' THEN
                    IF types IS NULL THEN
                        BEGIN
                            types := _df.column_types(pg_catalog.record_send(row));
                            rows := ARRAY[pg_catalog.to_json(row)::text];
                        EXCEPTION WHEN OTHERS THEN
                            types := '';
                        END;
                        outcomes[k] := pg_catalog.concat('r0', E'\x1e', types, E'\x1e', rows[1]);
                    ELSE
                        outcomes[k] := pg_catalog.concat('r', pg_catalog.cardinality(rows)::text, E'\x1e', types, E'\x1e',
                            pg_catalog.array_to_string(rows, E'\x1e'));
                    END IF;
                ELSE
                    IF mode OPERATOR(pg_catalog.=) 'into' THEN
                        PERFORM _df.select_into(batch.statements[k]);
                    ELSE
                        EXECUTE batch.statements[k];
                    END IF;
                    outcomes[k] := 'n';
                END IF;
                -- What is deferred to the commit has to fail here, where it fails the step.
                IF NOT batch.shared THEN
                    SET CONSTRAINTS ALL IMMEDIATE;
                END IF;
            EXCEPTION WHEN OTHERS THEN
                GET STACKED DIAGNOSTICS sqlstate_ = RETURNED_SQLSTATE, message = MESSAGE_TEXT, detail_ = PG_EXCEPTION_DETAIL,
                    hint_ = PG_EXCEPTION_HINT, context_ = PG_EXCEPTION_CONTEXT;
                outcomes[k] := pg_catalog.concat('e', pg_catalog.json_build_object('sqlstate', sqlstate_, 'message', message,
                    'detail', detail_, 'hint', hint_, 'context', context_)::text);
            END;
            durations[k] := pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) started)
                OPERATOR(pg_catalog.*) 1000;
            done := k;
            -- The next step starts from a clean session.
            IF SESSION_USER OPERATOR(pg_catalog.<>) CURRENT_USER THEN
                SET SESSION AUTHORIZATION DEFAULT;
                RESET ROLE;
            END IF;
            RESET ALL;
            PERFORM pg_catalog.set_config('df.in_workflow', 'true', false);
            IF pg_catalog.pg_my_temp_schema() OPERATOR(pg_catalog.<>) 0 AND had_temp IS NOT TRUE THEN
                DISCARD TEMP;
            END IF;
            IF NOT batch.shared AND dedicated THEN
                PERFORM pg_catalog.pg_advisory_unlock_all();
                EXECUTE 'CLOSE ALL';
                DEALLOCATE ALL;
                UNLISTEN *;
            END IF;
        END LOOP;

        verdict := 'done';
        IF batch.shared THEN
            BEGIN
                SET CONSTRAINTS ALL IMMEDIATE;
            EXCEPTION WHEN OTHERS THEN
                verdict := 'undo';
            END;
        END IF;
        IF verdict OPERATOR(pg_catalog.=) 'done' THEN
            verdict := _df.finish(outcomes, durations, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp()));
        ELSE
            PERFORM _df.split();
        END IF;
        IF verdict OPERATOR(pg_catalog.=) 'done' THEN
            COMMIT;
            steps := steps OPERATOR(pg_catalog.+) done;
        ELSE
            ROLLBACK;
        END IF;
        EXIT batches WHEN steps OPERATOR(pg_catalog.>=) max_steps OR pg_catalog.clock_timestamp() OPERATOR(pg_catalog.>=) deadline;
    END LOOP;

    PERFORM pg_catalog.set_config('df.in_workflow', '', false);
    IF settings IS NOT NULL THEN
        FOR k IN 1..pg_catalog.array_length(settings, 1) LOOP
            PERFORM pg_catalog.set_config(settings[k][1], settings[k][2], false);
        END LOOP;
    END IF;
END $work$;
COMMENT ON PROCEDURE df.work(double precision, integer, bigint, timestamptz, boolean, boolean) IS
'Runs due steps of the session user''s workflows until nothing is due, or max_seconds (> 0) have passed, or max_steps (>= 1) steps have run. Returns steps (how many ran), next_due (when this role''s next timer is due, NULL if none) and more (whether a limit ended it). A step that is running is not interrupted. dedicated => true is for sessions that do nothing else: their settings and session objects are reset after each step. Call it at top level, outside a transaction block.';

-- ============================================================================
-- worker
-- ============================================================================
-- What the worker asks and tells. Its own role needs EXECUTE on these four and no more; the owner has it.

CREATE FUNCTION _df.agenda()
RETURNS TABLE (role_oid oid, role_name text, can_login boolean, due boolean, external_due boolean, next_due timestamptz)
LANGUAGE sql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET enable_seqscan = off
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
        FROM external_roles r WHERE r.role IS NOT NULL)
    SELECT a.role, g.rolname::text, coalesce(g.rolcanlogin, false),
        EXISTS (SELECT FROM generate_series(0, 31) l(n), LATERAL (
            SELECT FROM _df.branches b WHERE b.role = a.role AND b.lane = l.n::int2 AND NOT b.external
                AND b.due_at <= clock_timestamp_now.at LIMIT 1) d),
        EXISTS (SELECT FROM _df.branches b WHERE b.role = a.role AND b.external AND b.due_at <= clock_timestamp_now.at),
        (SELECT min(d.due_at) FROM generate_series(0, 31) l(n), LATERAL (
            SELECT b.due_at FROM _df.branches b WHERE b.role = a.role AND b.lane = l.n::int2 AND NOT b.external
                AND b.due_at > clock_timestamp_now.at ORDER BY b.due_at LIMIT 1) d)
    FROM (SELECT r.role FROM roles r WHERE r.role IS NOT NULL UNION SELECT x.role FROM external_roles x WHERE x.role IS NOT NULL) a
    CROSS JOIN (SELECT clock_timestamp() AS at) clock_timestamp_now
    LEFT JOIN pg_roles g ON g.oid = a.role
$$;
COMMENT ON FUNCTION _df.agenda() IS 'One row per role that has work: whether some is due here (due) or for the worker itself (external_due), and when the next timer is. role_name is NULL when the role is gone.';
REVOKE EXECUTE ON FUNCTION _df.agenda() FROM PUBLIC;

CREATE FUNCTION _df.fail_role(role_oid oid, message text) RETURNS bigint
LANGUAGE plpgsql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    doomed text[];
BEGIN
    -- Instances that somebody is moving right now have a session, so their role can work.
    SELECT array_agg(l.instance_id) INTO doomed FROM (
        SELECT b.instance_id FROM _df.branches b
        WHERE b.role = role_oid AND b.due_at <= clock_timestamp() FOR UPDATE SKIP LOCKED) l;
    IF doomed IS NULL THEN RETURN 0; END IF;
    SELECT array_agg(l.id) INTO doomed FROM (
        SELECT i.id FROM df.instances i WHERE i.id = ANY (doomed) AND i.status IN ('pending', 'running')
        ORDER BY i.id FOR NO KEY UPDATE SKIP LOCKED) l;
    IF doomed IS NULL THEN RETURN 0; END IF;
    UPDATE df.nodes n SET status = 'failed', error = message, result = to_jsonb(message), updated_at = clock_timestamp()
    FROM df.instances i WHERE i.id = ANY (doomed) AND n.instance_id = i.id
        AND (n.id = i.root_node OR n.status = 'running' AND n.node_type IN ('SQL', 'HTTP', 'HTTP_MULTIPART'));
    UPDATE df.instances SET status = 'failed', updated_at = clock_timestamp() WHERE id = ANY (doomed);
    UPDATE _df.runs SET output = message WHERE instance_id = ANY (doomed);
    DELETE FROM _df.branches WHERE instance_id = ANY (doomed);
    DELETE FROM _df.names WHERE instance_id = ANY (doomed);
    DELETE FROM _df.signals WHERE instance_id = ANY (doomed);
    RETURN cardinality(doomed);
END $$;
COMMENT ON FUNCTION _df.fail_role(oid, text) IS 'Fails the instances of a role that have work due, because no session of that role can be had. In: the role and why. Out: how many.';
REVOKE EXECUTE ON FUNCTION _df.fail_role(oid, text) FROM PUBLIC;

CREATE FUNCTION _df.heartbeat(epoch uuid) RETURNS void
LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
    DELETE FROM df._worker_epoch w WHERE w.last_seen_at < clock_timestamp() - interval '60 seconds' AND w.epoch_id <> epoch;
    INSERT INTO df._worker_epoch (epoch_id, started_at, last_seen_at) VALUES (epoch, clock_timestamp(), clock_timestamp())
    ON CONFLICT (epoch_id) DO UPDATE SET last_seen_at = excluded.last_seen_at;
$$;
COMMENT ON FUNCTION _df.heartbeat(uuid) IS 'Says that the worker with this epoch is alive, and forgets workers unseen for 60 s.';
REVOKE EXECUTE ON FUNCTION _df.heartbeat(uuid) FROM PUBLIC;

CREATE FUNCTION _df.retire(epoch uuid) RETURNS void
LANGUAGE sql VOLATILE STRICT SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$ DELETE FROM df._worker_epoch w WHERE w.epoch_id = epoch $$;
COMMENT ON FUNCTION _df.retire(uuid) IS 'Says that the worker with this epoch has stopped.';
REVOKE EXECUTE ON FUNCTION _df.retire(uuid) FROM PUBLIC;

-- ============================================================================
-- pace
-- ============================================================================
-- The engine's statements find everything by key. A plan made while its tables are small must stay right when they are
-- large, and no plan may depend on when statistics were last gathered.
ALTER FUNCTION _df.claim(double precision, integer) SET enable_seqscan = off;
ALTER FUNCTION _df.claim(double precision, integer) SET enable_hashjoin = off;
ALTER FUNCTION _df.claim(double precision, integer) SET enable_mergejoin = off;
ALTER FUNCTION _df.claim(double precision, integer) SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION _df.finish(text[], double precision[], double precision) SET enable_seqscan = off;
ALTER FUNCTION _df.finish(text[], double precision[], double precision) SET enable_hashjoin = off;
ALTER FUNCTION _df.finish(text[], double precision[], double precision) SET enable_mergejoin = off;
ALTER FUNCTION _df.finish(text[], double precision[], double precision) SET plan_cache_mode = force_generic_plan;

-- ============================================================================
-- grants
-- ============================================================================
CREATE FUNCTION df.grant_usage(p_role text, include_http boolean DEFAULT false, with_grant boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    suffix    text := CASE WHEN with_grant THEN ' WITH GRANT OPTION' ELSE '' END;
    privilege text;
BEGIN
    FOREACH privilege IN ARRAY ARRAY[
        'USAGE ON SCHEMA df',
        'SELECT ON df.instances, df.nodes',
        'INSERT (id, label, root_node, submitted_by, database) ON df.instances',
        'INSERT (id, instance_id, node_type, query, result_name, left_node, right_node, submitted_by, database) ON df.nodes',
        'UPDATE (status, updated_at) ON df.instances',
        'SELECT, INSERT, UPDATE, DELETE ON df.vars']
        || CASE WHEN include_http THEN ARRAY[
            'EXECUTE ON FUNCTION df.http(text, text, text, jsonb, integer)',
            'EXECUTE ON FUNCTION df.http_multipart(text, text, jsonb, jsonb, integer)'] ELSE '{}' END
        || CASE WHEN with_grant THEN ARRAY[
            'EXECUTE ON FUNCTION df.grant_usage(text, boolean, boolean)',
            'EXECUTE ON FUNCTION df.revoke_usage(text)',
            'EXECUTE ON FUNCTION df.metrics()'] ELSE '{}' END
    LOOP
        EXECUTE format('GRANT %s TO %I%s', privilege, p_role, suffix);
    END LOOP;
    RAISE NOTICE 'granted df usage privileges to "%"%', p_role,
        CASE WHEN include_http THEN ', HTTP included' ELSE '' END || CASE WHEN with_grant THEN ', with grant option' ELSE '' END;
END $$;
COMMENT ON FUNCTION df.grant_usage(text, boolean, boolean) IS 'Lets a role use pg_durable. In: the role''s name as it is, whether it may make HTTP requests, and whether it may pass all of this on. Adds to what the role has. Error: PostgreSQL''s own for an unknown role.';
REVOKE EXECUTE ON FUNCTION df.grant_usage(text, boolean, boolean) FROM PUBLIC;

CREATE FUNCTION df.revoke_usage(p_role text) RETURNS void
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    privilege text;
    callable  text;
BEGIN
    FOREACH callable IN ARRAY ARRAY[
        'df.http(text, text, text, jsonb, integer)', 'df.http_multipart(text, text, jsonb, jsonb, integer)',
        'df.metrics()', 'df.revoke_usage(text)', 'df.grant_usage(text, boolean, boolean)']
    LOOP
        IF has_function_privilege(callable, 'EXECUTE WITH GRANT OPTION') THEN
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %I CASCADE', callable, p_role);
        END IF;
    END LOOP;
    FOREACH privilege IN ARRAY ARRAY[
        'SELECT, INSERT, UPDATE, DELETE ON df.vars',
        'UPDATE (status, updated_at) ON df.instances',
        'INSERT (id, instance_id, node_type, query, result_name, left_node, right_node, submitted_by, database) ON df.nodes',
        'INSERT (id, label, root_node, submitted_by, database) ON df.instances',
        'SELECT ON df.instances, df.nodes',
        'USAGE ON SCHEMA df']
    LOOP
        EXECUTE format('REVOKE %s FROM %I CASCADE', privilege, p_role);
    END LOOP;
    RAISE NOTICE 'revoked df usage privileges from "%"', p_role;
END $$;
COMMENT ON FUNCTION df.revoke_usage(text) IS 'Takes back what df.grant_usage gave, also from those the role passed it on to; functions that the caller may not revoke are left. In: the role''s name as it is. Error: PostgreSQL''s own for an unknown role.';
REVOKE EXECUTE ON FUNCTION df.revoke_usage(text) FROM PUBLIC;
