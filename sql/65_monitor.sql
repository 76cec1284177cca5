CREATE FUNCTION df.sleep(duration interval) RETURNS text
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT _df.sleep_for(extract(epoch FROM duration)::text) $$;
COMMENT ON FUNCTION df.sleep(interval) IS 'A durable pause. In: an interval, not negative, fractions of a second allowed. Out: a SLEEP future, due at a fixed moment once it is reached.';

-- Without it, df.sleep('5') and a driver's df.sleep($1) would fit both of the others.
CREATE FUNCTION df.sleep(duration text) RETURNS text
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT df.sleep(duration::interval) $$;
COMMENT ON FUNCTION df.sleep(text) IS 'A durable pause. In: whole seconds, or an interval, as text. Out: a SLEEP future, due at a fixed moment once it is reached.';

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
        IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
            RAISE EXCEPTION 'cannot wait for instance % in a transaction that is %, which never sees it end', $1, current_setting('transaction_isolation')
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Wait in a transaction that is READ COMMITTED.';
        END IF;
        IF clock_timestamp() >= deadline THEN
            -- Not query_canceled, which EXCEPTION WHEN OTHERS does not catch.
            RAISE EXCEPTION 'Timeout after %s waiting for instance %, which is %', timeout_seconds, $1, current
                USING ERRCODE = 'object_not_in_prerequisite_state', HINT = 'Is a worker running, or did this transaction start the instance? It runs after COMMIT.';
        END IF;
        PERFORM pg_sleep(pause);
        pause := least(pause * 1.5, 0.1);
    END LOOP;
    PERFORM set_config('df.helper_called', 'await_instance ' || extract(epoch FROM statement_timestamp()), true);
    RETURN current;
END $$;
COMMENT ON FUNCTION df.await_instance(text, integer) IS 'Waits until an instance has ended. In: instance id and seconds. Out: completed, failed or cancelled. Errors: "cannot be called inside a workflow", "Timeout must be positive", "Instance not found", "Timeout after <n>s".';

CREATE FUNCTION df.wait_for_completion(instance_id text, timeout_seconds integer DEFAULT 30) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    ended text;
BEGIN
    RAISE WARNING 'df.wait_for_completion() is deprecated' USING HINT = 'df.await_instance() does the same.';
    ended := df.await_instance($1, $2);
    PERFORM set_config('df.helper_called', 'wait_for_completion ' || extract(epoch FROM statement_timestamp()), true);
    RETURN ended;
END $$;
COMMENT ON FUNCTION df.wait_for_completion(text, integer) IS 'Deprecated name of df.await_instance: warns, then does the same.';

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
