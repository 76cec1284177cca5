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
