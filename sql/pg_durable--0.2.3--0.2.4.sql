-- pg_durable 0.2.3 to 0.2.4: a node is known by its instance and its id together.
\echo Use "ALTER EXTENSION pg_durable UPDATE TO '0.2.4'" to load this file. \quit

-- In a deadlock with those who are at work it is not this transaction that gives way: a step runs again.
SET LOCAL deadlock_timeout = '10min';

-- The unique index that is there becomes the primary key: nothing is built anew, and the foreign keys that rest on it
-- stay. Setting instance_id NOT NULL reads the table once, unless nodes_instance_id_present_chk is validated.
DO $$
DECLARE
    objects text;
BEGIN
    ALTER TABLE df.nodes DROP CONSTRAINT nodes_pkey;
    ALTER TABLE df.nodes ADD CONSTRAINT nodes_pkey PRIMARY KEY USING INDEX nodes_instance_node_key;
EXCEPTION
    WHEN not_null_violation THEN
        RAISE EXCEPTION 'df.nodes has % row(s) without an instance_id, so (instance_id, id) cannot be its primary key',
                (SELECT pg_catalog.count(*) FROM df.nodes n WHERE n.instance_id IS NULL)
            USING ERRCODE = 'not_null_violation', DETAIL = 'They belong to no instance, and nothing reads them.',
                HINT = 'Look at them, DELETE FROM df.nodes WHERE instance_id IS NULL, then run ALTER EXTENSION pg_durable UPDATE again.';
    WHEN dependent_objects_still_exist THEN
        GET STACKED DIAGNOSTICS objects = PG_EXCEPTION_DETAIL;
        RAISE EXCEPTION 'the primary key (id) of df.nodes cannot be replaced, because objects outside of pg_durable depend on it'
            USING ERRCODE = 'dependent_objects_still_exist', DETAIL = objects,
                HINT = 'Drop them, run ALTER EXTENSION pg_durable UPDATE again, and create them anew: a node is known by instance_id and id together.';
END $$;

-- What HTTP steps need.
CREATE TABLE df.http_allowlist (
    host  text     NOT NULL,
    port  integer,
    role  regrole,
    note  text,
    CONSTRAINT http_allowlist_host_chk CHECK (host OPERATOR(pg_catalog.~) '^(\*\.)?[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?$'
        AND host OPERATOR(pg_catalog.!~) '(^|\.)(0x[0-9a-f]*|[0-9]+)$' AND host OPERATOR(pg_catalog.!~) '\.\.'),
    CONSTRAINT http_allowlist_port_chk CHECK (port OPERATOR(pg_catalog.>=) 1 AND port OPERATOR(pg_catalog.<=) 65535)
);
CREATE UNIQUE INDEX http_allowlist_key ON df.http_allowlist
    (host, (COALESCE(port, 0)), (COALESCE(role::pg_catalog.oid, 0::pg_catalog.oid)));
COMMENT ON TABLE df.http_allowlist IS 'The hosts that HTTP steps may reach while pg_durable.http is allowlist. Changed by its owner, and by whom the owner grants that.';
COMMENT ON COLUMN df.http_allowlist.host IS 'A host name in lower case, international ones in their xn-- form, without a dot at the end; or *.suffix for every name below the suffix. Never an address.';
COMMENT ON COLUMN df.http_allowlist.port IS 'The only port; NULL: any.';
COMMENT ON COLUMN df.http_allowlist.role IS 'The only role whose workflows may; NULL: all. Members of the role do not count.';
SELECT pg_catalog.pg_extension_config_dump('df.http_allowlist', '');

CREATE TABLE _df.http_claims (
    instance_id  varchar(8)  NOT NULL,
    branch       text        NOT NULL,
    worker       uuid        NOT NULL,
    token        uuid        NOT NULL,
    claimed_at   timestamptz NOT NULL DEFAULT pg_catalog.clock_timestamp(),
    PRIMARY KEY (instance_id, branch)
);
COMMENT ON TABLE _df.http_claims IS 'Requests in flight. A claim is good while its worker''s row in df._worker_epoch is fresh; then another worker takes the request over.';
COMMENT ON COLUMN _df.http_claims.token IS 'Names this claim: whoever finishes a request must hold the present one.';

-- Workers look for requests of all roles together. The predicate names no column that a moving branch changes.
CREATE INDEX branches_outside ON _df.branches (due_at) WHERE external;

-- @file 32_revisits_and_variables.sql

-- Requests that have been waiting: so far they were in one phase with statements for connections of their own.
UPDATE _df.branches b SET phase = 'http', seq = b.seq OPERATOR(pg_catalog.+) 1
FROM _df.runs r, df.nodes n
WHERE b.external AND b.phase OPERATOR(pg_catalog.=) 'external' AND r.instance_id OPERATOR(pg_catalog.=) b.instance_id
    AND n.instance_id OPERATOR(pg_catalog.=) b.instance_id
    AND n.id OPERATOR(pg_catalog.=) pg_catalog.substr(r.node_ids, b.pc OPERATOR(pg_catalog.*) 8 OPERATOR(pg_catalog.+) 1, 8)
    AND n.node_type IN ('HTTP', 'HTTP_MULTIPART');

-- @file 40_engine_calls.sql

CREATE TRIGGER copy AFTER INSERT OR UPDATE OR DELETE ON df.vars FOR EACH ROW EXECUTE FUNCTION _df.copy_variable();
CREATE TRIGGER clear AFTER TRUNCATE ON df.vars FOR EACH STATEMENT EXECUTE FUNCTION _df.copy_variable();
-- Behind the triggers, whose creation waited for those who were writing.
INSERT INTO _df.variables (owner, name, value) SELECT v.owner, v.name, v.value FROM df.vars v;

-- @file 42_writes.sql

-- @file 45_support.sql

-- @bundle

-- @functions

-- @file 65_monitor.sql

-- @file 66_listing.sql

-- @file 67_retention.sql

-- @file 70_work.sql

-- @file 75_worker.sql

-- @file 77_http.sql

-- @file 78_launch.sql

-- A worker that logs in as another role than the owner may call what it needs now.
DO $$
DECLARE
    grantee text;
    callee  text;
BEGIN
    FOR grantee, callee IN
        SELECT CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::pg_catalog.regrole::text END, f.oid::pg_catalog.regprocedure
        FROM pg_catalog.pg_proc h, pg_catalog.aclexplode(h.proacl) a, pg_catalog.pg_proc f
        WHERE h.oid OPERATOR(pg_catalog.=) '_df.heartbeat(uuid)'::pg_catalog.regprocedure
            AND a.grantee OPERATOR(pg_catalog.<>) h.proowner AND f.pronamespace OPERATOR(pg_catalog.=) h.pronamespace
            AND f.proname IN ('agenda', 'heartbeat', 'retire', 'fail_role', 'sweep_retention', 'claim_http', 'finish_http', 'lost_http')
    LOOP
        EXECUTE pg_catalog.format('GRANT EXECUTE ON FUNCTION %s TO %s', callee, grantee);
    END LOOP;
END $$;
DROP FUNCTION _df.heartbeat(uuid);
DROP FUNCTION _df.fail_role(oid, text);

-- @file 80_pace.sql

-- @file 85_grants.sql
