-- Tables that are new in 0.2.4, which its update creates from this file.
CREATE TABLE _df.revisits (
    instance_id  varchar(8)  PRIMARY KEY,
    role         oid         NOT NULL
);
CREATE INDEX revisits_role ON _df.revisits (role);
COMMENT ON TABLE _df.revisits IS 'Instances of which a branch was locked by somebody''s search for work when a signal or a cancellation came. The role''s next claim sees to them.';

-- What df.start reads, instead of df.vars: whoever may write variables of their own may also lock that whole table, and
-- would hold up every start of others.
CREATE TABLE _df.variables (
    owner  oid   NOT NULL,
    name   text  NOT NULL,
    value  text,
    PRIMARY KEY (owner, name)
);
COMMENT ON TABLE _df.variables IS 'A copy of df.vars, kept by its triggers.';
