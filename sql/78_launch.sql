-- transaction_mode => 'new': df.start in a transaction of its own, made by a session that contrib's dblink opens over the
-- local socket. Ordinary roles cannot be let in there without a password, so the session logs in as the owner of this
-- extension and becomes the starting role for one call of df.start, in which no text of a user is executed.
--
-- Who that role is must not come from the caller, and a SECURITY DEFINER function cannot see whom it serves. So a launch
-- is a row inserted into a view whose column "role" nobody may write: its default says under whose rights the INSERT runs.

-- A launch holds the lock of a slot's row: unlike an advisory lock, no other role can take it away.
CREATE TABLE _df.launch_slots (slot integer PRIMARY KEY);
COMMENT ON TABLE _df.launch_slots IS 'What launches lock, each one row: as many at a time as pg_durable.max_new_transaction_starts allows.';
INSERT INTO _df.launch_slots SELECT pg_catalog.generate_series(1, 1000);

-- The function of the library, without its extension, which somebody would have to create in every database.
CREATE FUNCTION _df.bind_dblink(library text DEFAULT '$libdir/dblink') RETURNS void
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE FUNCTION _df.dblink(conninfo text, statements text) RETURNS SETOF record
        LANGUAGE c VOLATILE STRICT SET search_path = pg_catalog, pg_temp AS %L, ''dblink_record''', library);
EXCEPTION WHEN undefined_file THEN
    CREATE OR REPLACE FUNCTION _df.dblink(conninfo text, statements text) RETURNS SETOF record
    LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
    AS $missing$
    BEGIN
        RAISE EXCEPTION 'transaction_mode ''new'' needs contrib''s dblink, which this server did not have when pg_durable was created'
            USING ERRCODE = 'undefined_file', HINT = 'Install the contrib modules of this PostgreSQL, then run SELECT _df.bind_dblink() as a superuser.';
    END $missing$;
END $$;
COMMENT ON FUNCTION _df.bind_dblink(text) IS 'Makes _df.dblink of contrib''s library, or a function that says what is missing. In: the library, as CREATE FUNCTION takes it.';
REVOKE EXECUTE ON FUNCTION _df.bind_dblink(text) FROM PUBLIC;
SELECT _df.bind_dblink();
COMMENT ON FUNCTION _df.dblink(text, text) IS 'Runs statements in a session of their own, which ends with them, and returns the rows of the last: dblink(text, text) of contrib.';
REVOKE EXECUTE ON FUNCTION _df.dblink(text, text) FROM PUBLIC;

CREATE VIEW _df.launches AS
    SELECT NULL::text AS graph, NULL::text AS label, NULL::text AS database, NULL::integer AS slots, NULL::integer AS patience,
        NULL::name AS role, NULL::text AS id
    WHERE false;
ALTER VIEW _df.launches ALTER COLUMN role SET DEFAULT CURRENT_USER;
COMMENT ON VIEW _df.launches IS 'Inserting a row launches a workflow: graph, label and database go to df.start; at most slots launches at a time, and patience seconds of waiting for one; returns the id.';
COMMENT ON COLUMN _df.launches.role IS 'Who starts it: the role of the INSERT. No role may be granted to write it.';
GRANT INSERT (graph, label, database, slots, patience), SELECT (id) ON _df.launches TO PUBLIC;

CREATE FUNCTION _df.launch() RETURNS trigger
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    directory text := btrim(split_part(current_setting('unix_socket_directories'), ',', 1), ' "');
    deadline  timestamptz := clock_timestamp() + NEW.patience * interval '1 second';
    conninfo  text;
    why       text;
BEGIN
    IF directory = '' THEN
        RAISE EXCEPTION 'transaction_mode ''new'' needs a local socket, and this server has none'
            USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Set unix_socket_directories.';
    END IF;
    -- To dblink, a text may also be the name of a connection that the session has open or of a foreign server. It cuts
    -- such names to 63 bytes; nobody has one that begins with this uuid.
    SELECT string_agg(format('%s=''%s''', o.name, replace(replace(o.value, E'\\', E'\\\\'), '''', E'\\''')), ' ' ORDER BY o.nr)
    INTO conninfo
    FROM (VALUES (1, 'application_name', 'pg_durable launch ' || gen_random_uuid()), (2, 'host', directory),
        (3, 'port', current_setting('port')), (4, 'dbname', current_database()), (5, 'user', CURRENT_USER), (6, 'connect_timeout', '30'),
        (7, 'options', '-c statement_timeout=30s -c lock_timeout=30s -c plv8.start_proc=')) o(nr, name, value);
    BEGIN
        LOOP
            -- Other databases have slots of their own; what they launch is seen as sessions of superusers.
            PERFORM pg_stat_clear_snapshot();
            PERFORM FROM _df.launch_slots s
            WHERE s.slot <= NEW.slots - (
                SELECT count(*) FROM pg_stat_activity a JOIN pg_roles r ON r.oid = a.usesysid AND r.rolsuper
                WHERE a.application_name LIKE 'pg_durable launch %' AND a.datname <> current_database())
            ORDER BY s.slot LIMIT 1 FOR UPDATE SKIP LOCKED;
            EXIT WHEN FOUND;
            IF clock_timestamp() >= deadline THEN
                RAISE EXCEPTION 'Timed out after %s waiting for a launch slot (max_new_transaction_starts=%)', NEW.patience, NEW.slots
                    USING ERRCODE = 'too_many_connections', HINT = 'Start again later, or raise pg_durable.max_new_transaction_starts or pg_durable.new_transaction_start_timeout.';
            END IF;
            PERFORM pg_sleep(0.02);
        END LOOP;
        SELECT l.id INTO STRICT NEW.id
        FROM _df.dblink(conninfo, format('SET SESSION AUTHORIZATION %I; SET pg_durable.enable_superuser_instances = %L; SELECT df.start(%L, %L, %L)',
            NEW.role, coalesce(current_setting('pg_durable.enable_superuser_instances', true), ''), NEW.graph, NEW.label, NEW.database)) l(id text);
        -- Ending the block by an error gives the slot back now, not when the caller's transaction ends.
        RAISE EXCEPTION USING ERRCODE = 'DFL01';
    EXCEPTION
        WHEN SQLSTATE 'DFL01' THEN
            RETURN NEW;
        WHEN sqlclient_unable_to_establish_sqlconnection THEN
            GET STACKED DIAGNOSTICS why = PG_EXCEPTION_DETAIL;
            RAISE EXCEPTION 'transaction_mode ''new'' could not connect to database "%" as "%"', current_database(), CURRENT_USER
                USING ERRCODE = 'sqlclient_unable_to_establish_sqlconnection', DETAIL = why,
                    HINT = format('The owner of pg_durable must be let in at the socket in %s without being asked for a password: see pg_hba.conf.', directory);
    END;
END $$;
COMMENT ON FUNCTION _df.launch() IS 'Trigger: starts the workflow of a new row of _df.launches in a transaction of its own, as the row''s role.';
-- Whoever could put this trigger on a table of their own could name any role.
REVOKE EXECUTE ON FUNCTION _df.launch() FROM PUBLIC;
CREATE TRIGGER launch INSTEAD OF INSERT ON _df.launches FOR EACH ROW EXECUTE FUNCTION _df.launch();
