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
    id            varchar(8)  NOT NULL,
    instance_id   varchar(8)  NOT NULL,
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
    updated_at    timestamptz DEFAULT pg_catalog.now(),
    status_details jsonb,
    PRIMARY KEY (instance_id, id)
) WITH (fillfactor = 60);
COMMENT ON TABLE df.nodes IS 'The nodes of every instance''s graph, with their status and result.';
COMMENT ON COLUMN df.nodes.query IS 'SQL text of a SQL node; configuration as JSON of the others. Child ids beyond left and right stand here as condition_node and extra_nodes.';
COMMENT ON COLUMN df.nodes.status_details IS 'execution_id: scope and generation of the last transition; of a failed SQL step also sqlstate, detail, hint and the statement as it was run.';
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

CREATE INDEX idx_instances_status ON df.instances (status, created_at DESC, id);
CREATE INDEX idx_instances_created_at ON df.instances (created_at DESC, id);
CREATE INDEX idx_instances_label ON df.instances (label, created_at DESC, id) WHERE label IS NOT NULL;
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
