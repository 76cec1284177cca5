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
