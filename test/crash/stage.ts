/** What the test database holds besides the extension: roles, the evidence, and the functions that write it. */

export const ROLES = ['alice', 'bob', 'Carol C.'] as const;

/** First keys of the advisory locks by which the harness sees who runs what. */
export const ALONE = 70_000;
export const LANTERN = 71_000;
export const GATE = 79_000;

/** Roles are the cluster's. */
export const ROLES_SQL = ROLES.map((role) => `CREATE ROLE "${role}" LOGIN`).join(';');

/**
 * `crash.step` counts an overlap when another session is inside the same step: in a sequence, since nothing of a
 * transaction that is rolled back would stay. A session that is about to vanish may hold its lock a little longer than
 * its claim, so the lock is tried for half a second. A step that lingers lights a lantern: an advisory lock that names
 * its worker (the setting crash.worker of the connection) and its step. `crash.gate` is a door that the harness can shut,
 * to catch a session at a chosen instant.
 */
export const STAGE_SQL = `
${ROLES.map((role) => `SELECT df.grant_usage('${role}');`).join('\n')}
CREATE SCHEMA crash;
GRANT USAGE ON SCHEMA crash TO PUBLIC;
CREATE FUNCTION crash.worker() RETURNS integer LANGUAGE sql STABLE AS $$ SELECT coalesce(nullif(current_setting('crash.worker', true), ''), '0')::integer $$;
CREATE FUNCTION crash.key(p_instance text, p_step text) RETURNS integer LANGUAGE sql IMMUTABLE AS $$ SELECT hashtext(p_instance || ' ' || p_step) $$;
CREATE TABLE crash.evidence (instance text NOT NULL, step text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), worker integer NOT NULL DEFAULT crash.worker());
CREATE INDEX ON crash.evidence (instance);
CREATE INDEX ON crash.evidence (at);
CREATE INDEX ON crash.evidence (crash.key(instance, step));
-- What the harness has had acknowledged, written together with the deed itself: a deed whose answer was lost is found here.
CREATE TABLE crash.done (label text, deed text, instance text, PRIMARY KEY (label, deed));
CREATE TABLE crash.account (id integer PRIMARY KEY, balance bigint NOT NULL);
INSERT INTO crash.account SELECT id, 0 FROM generate_series(0, 7) id;
CREATE SEQUENCE crash.overlaps;
CREATE FUNCTION crash.step(p_instance text, p_step text, linger double precision) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    key integer := crash.key(p_instance, p_step);
BEGIN
    FOR try IN 1..21 LOOP
        EXIT WHEN pg_try_advisory_xact_lock(${ALONE}, key);
        IF try = 21 THEN PERFORM nextval('crash.overlaps'); END IF;
        PERFORM pg_sleep(0.025);
    END LOOP;
    INSERT INTO crash.evidence (instance, step) VALUES (p_instance, p_step);
    IF linger > 0 THEN
        PERFORM pg_advisory_xact_lock_shared(${LANTERN} + crash.worker(), key);
        PERFORM pg_sleep(linger);
    END IF;
    RETURN p_step;
END $$;
CREATE FUNCTION crash.transfer(p_instance text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
    giver integer := hashtext(p_instance) & 7;
    taker integer := hashtext(p_instance || 'x') & 7;
BEGIN
    UPDATE crash.account SET balance = balance - 1 WHERE id = giver;
    UPDATE crash.account SET balance = balance + 1 WHERE id = taker;
    INSERT INTO crash.evidence (instance, step) VALUES (p_instance, 'moved');
    RETURN 'moved';
END $$;
CREATE PROCEDURE crash.two_commits(p_instance text) LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO crash.evidence (instance, step) VALUES (p_instance, 'first');
    COMMIT;
    INSERT INTO crash.evidence (instance, step) VALUES (p_instance, 'second');
END $$;
CREATE FUNCTION crash.gate(name text) RETURNS void LANGUAGE sql AS $$ SELECT pg_advisory_xact_lock_shared(${GATE}, hashtext(name)) $$;
GRANT ALL ON ALL TABLES IN SCHEMA crash TO PUBLIC;
GRANT ALL ON ALL SEQUENCES IN SCHEMA crash TO PUBLIC;
`;
