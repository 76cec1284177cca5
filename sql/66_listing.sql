-- What callers see of instances: all with their own rights, so that row-level security decides what they see.

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

CREATE FUNCTION _df.read_cursor(given text, OUT created_at timestamptz, OUT id text)
LANGUAGE plpgsql STABLE STRICT SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$
DECLARE
    parts text[];
BEGIN
    BEGIN
        parts := regexp_match(convert_from(decode(given, 'base64'), 'UTF8'),
            '^(-|-?infinity|[0-9]{4,6}-[0-9]{2}-[0-9]{2} [0-9:.]{8,15}[+]00(?: BC)?)/([0-9a-f]{8})$');
        created_at := nullif(parts[1], '-')::timestamptz;
    EXCEPTION WHEN data_exception THEN
        parts := NULL;
    END;
    IF parts IS NULL THEN
        RAISE EXCEPTION 'malformed cursor: ''%''', left(given, 100)
            USING ERRCODE = 'invalid_parameter_value', HINT = 'Pass next_cursor of the page before as it is, or NULL for the first page.';
    END IF;
    id := parts[2];
END $$;
COMMENT ON FUNCTION _df.read_cursor(text) IS 'The place in a listing that a cursor stands for: the last instance of the page before. Error: "malformed cursor".';

CREATE FUNCTION _df.write_cursor(created_at timestamptz, id text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET timezone = 'UTC' SET datestyle = 'ISO, YMD'
AS $$ SELECT encode(convert_to(coalesce(created_at::text, '-') || '/' || id, 'UTF8'), 'base64') $$;
COMMENT ON FUNCTION _df.write_cursor(timestamptz, text) IS 'The cursor that stands for an instance in a listing.';

-- The statement is put together from the filters that are there, so that each combination is planned by itself and finds
-- its index. One row more than asked for is read: it tells whether there is a next page.
CREATE FUNCTION df.list_instances(status_filter text, limit_count integer, label_filter text, after_cursor text DEFAULT NULL)
RETURNS TABLE (instance_id text, label text, function_name text, status text, execution_count bigint, output text,
    created_at timestamptz, completed_at timestamptz, next_cursor text)
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    after record;
BEGIN
    PERFORM _df.check_limit(limit_count);
    SELECT c.created_at AS moment, c.id INTO after FROM _df.read_cursor(after_cursor) c;
    RETURN QUERY EXECUTE format($page$
        WITH found AS MATERIALIZED (
            SELECT i AS instance, row_number() OVER (ORDER BY i.created_at DESC, i.id) AS at
            FROM df.instances i WHERE true%s%s%s
            ORDER BY i.created_at DESC, i.id LIMIT $1 + 1),
        last AS (
            SELECT _df.write_cursor((f.instance).created_at, (f.instance).id) AS cursor FROM found f
            WHERE f.at = $1 AND EXISTS (SELECT FROM found n WHERE n.at > $1))
        SELECT (f.instance).id::text, (f.instance).label, 'pg_durable::orchestration::execute-function-graph'::text,
            (f.instance).status, coalesce((SELECT r.generation FROM _df.runs r WHERE r.instance_id = (f.instance).id), 1),
            _df.output(f.instance), (f.instance).created_at, (f.instance).completed_at, (SELECT l.cursor FROM last l)
        FROM found f WHERE f.at <= $1 ORDER BY f.at $page$,
        CASE WHEN status_filter IS NOT NULL THEN ' AND i.status = $2' END,
        CASE WHEN label_filter IS NOT NULL THEN ' AND i.label = $3' END,
        CASE WHEN after_cursor IS NULL THEN NULL
             WHEN after.moment IS NULL THEN ' AND (i.created_at IS NOT NULL OR i.id > $5)'
             ELSE ' AND i.created_at <= $4 AND (i.created_at < $4 OR i.id > $5)' END)
    USING limit_count, status_filter, label_filter, after.moment, after.id;
END $$;
COMMENT ON FUNCTION df.list_instances(text, integer, text, text) IS 'The caller''s instances page by page, newest first, of one time by id. In: a status or NULL, how many a page (1 to pg_durable.list_instances_max_limit), a label or NULL, and next_cursor of the page before or NULL. Out: next_cursor is the same on every row of a page and NULL on the last page. Errors: those of the limit, "malformed cursor".';

CREATE FUNCTION df.list_instances(status_filter text DEFAULT NULL, limit_count integer DEFAULT 100)
RETURNS TABLE (instance_id text, label text, function_name text, status text, execution_count bigint, output text)
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT p.instance_id, p.label, p.function_name, p.status, p.execution_count, p.output
    FROM df.list_instances($1, $2, NULL::text, NULL::text) p
$$;
COMMENT ON FUNCTION df.list_instances(text, integer) IS 'The caller''s instances, newest first. In: a status or NULL, and how many (1 to pg_durable.list_instances_max_limit). Errors: a limit below 1, and "list_instances_max_limit (<n>)" above it.';

CREATE FUNCTION df.instance_info(instance_id text)
RETURNS TABLE (instance_id text, label text, function_name text, function_version text, current_execution_id bigint, status text, output text)
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT i.id::text, i.label, 'pg_durable::orchestration::execute-function-graph'::text, '1.0.0'::text,
        coalesce((SELECT r.generation FROM _df.runs r WHERE r.instance_id = i.id), 1), i.status, _df.output(i)
    FROM df.instances i WHERE i.id = $1
$$;
COMMENT ON FUNCTION df.instance_info(text) IS 'One instance. In: instance id. Out: current_execution_id is the round of a root loop, else 1; no row for an unknown id or somebody else''s.';

-- What counts as an event: a generation begins; a node begins; a node ends; the generation ends. Nodes show their last
-- transition only, so of rounds that are over there are the first and the last left.
CREATE FUNCTION _df.events(i df.instances, generation bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 1 + CASE WHEN i.status IN ('completed', 'failed', 'cancelled') THEN 1 ELSE 0 END
        + coalesce(sum(CASE n.status WHEN 'pending' THEN 0 WHEN 'running' THEN 1 ELSE 2 END), 0)
    FROM df.nodes n WHERE n.instance_id = i.id
        AND starts_with((n.status_details->>'execution_id') || '::', i.id || '::' || generation || '::')
$$;
COMMENT ON FUNCTION _df.events(df.instances, bigint) IS 'How many events the present generation of an instance has shown so far: its begin, nodes that began, nodes that ended, its end.';

CREATE FUNCTION df.instance_executions(instance_id text, limit_count integer DEFAULT 5)
RETURNS TABLE (execution_id bigint, status text, event_count bigint, duration_ms bigint, output text)
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
BEGIN
    IF limit_count < 1 THEN
        RAISE EXCEPTION 'limit_count must be at least 1, got %', limit_count USING ERRCODE = 'invalid_parameter_value';
    END IF;
    RETURN QUERY
    WITH executions AS (
        SELECT coalesce(r.generation, 1) AS execution_id,
            CASE i.status WHEN 'completed' THEN 'Completed' WHEN 'failed' THEN 'Failed' WHEN 'cancelled' THEN 'Failed' ELSE 'Running' END AS status,
            _df.events(i, coalesce(r.generation, 1)) AS events, coalesce(r.began_at, i.created_at) AS began_at,
            CASE WHEN i.status IN ('pending', 'running') THEN clock_timestamp() ELSE coalesce(i.completed_at, i.updated_at) END AS ended_at,
            _df.output(i) AS output
        FROM df.instances i LEFT JOIN _df.runs r ON r.instance_id = i.id WHERE i.id = $1
        UNION ALL
        (SELECT r.generation, 'ContinuedAsNew', 2, r.began_at, r.ended_at, r.output
         FROM _df.rounds r WHERE r.instance_id = $1 ORDER BY r.generation DESC LIMIT limit_count))
    SELECT e.execution_id, e.status, e.events, greatest(0, round(extract(epoch FROM e.ended_at - e.began_at) * 1000))::bigint, e.output
    FROM executions e ORDER BY e.execution_id DESC LIMIT limit_count;
END $$;
COMMENT ON FUNCTION df.instance_executions(text, integer) IS 'The generations of an instance''s root scope, newest first: one, or of a root loop one per round. In: instance id, and how many at most (1 or more). Out: status Running, Completed, Failed (a cancelled one too) or ContinuedAsNew (went round again); event_count counts begin and end of the generation and, in the newest, of its nodes; duration_ms so far. Error: a limit below 1.';

CREATE FUNCTION df.instance_nodes(instance_id_param text)
RETURNS TABLE (node_id text, node_type text, query text, result_name text, left_node text, right_node text, status text,
    result text, status_details text, inferred_status text, inferred_status_from_ancestor_id text, updated_at timestamptz)
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT n.node_id, n.node_type, n.query, n.result_name, n.left_node, n.right_node, n.status, n.result, n.status_details,
        n.inferred_status, n.inferred_status_from_ancestor_id, to_timestamp(n.updated_at::double precision)
    FROM _df.nodes_of(instance_id_param) n
$$;
COMMENT ON FUNCTION df.instance_nodes(text) IS 'The nodes of an instance in graph order, with their stored and their inferred status (completed, failed, running, pending or skipped) and the ancestor that explains it. In: instance id. Out: no rows for an unknown id or somebody else''s.';

CREATE FUNCTION df.instance_nodes(instance_id_param text, _last_n_executions integer)
RETURNS TABLE (execution_id bigint, node_id text, node_type text, query text, result_name text, left_node text, right_node text,
    status text, result text, updated_at timestamptz)
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT 1::bigint, n.node_id, n.node_type, n.query, n.result_name, n.left_node, n.right_node, n.status, n.result,
        to_timestamp(n.updated_at::double precision)
    FROM _df.nodes_of(instance_id_param) n
$$;
COMMENT ON FUNCTION df.instance_nodes(text, integer) IS 'The nodes of an instance in graph order, for callers of an older form: execution_id is always 1, and how many executions are asked for changes nothing.';

CREATE FUNCTION df.metrics(OUT total_instances bigint, OUT running_instances bigint, OUT completed_instances bigint,
    OUT failed_instances bigint, OUT total_executions bigint, OUT total_events bigint)
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$
    SELECT count(*), count(*) FILTER (WHERE i.status = 'running'), count(*) FILTER (WHERE i.status = 'completed'),
        count(*) FILTER (WHERE i.status = 'failed'), coalesce(sum(coalesce(r.generation, 1)), 0)::bigint,
        -- As df.instance_executions counts them.
        (coalesce(sum(2 * coalesce(r.generation, 1) - CASE WHEN i.status IN ('pending', 'running') THEN 1 ELSE 0 END), 0)
            + (SELECT coalesce(sum(CASE n.status WHEN 'pending' THEN 0 WHEN 'running' THEN 1 ELSE 2 END), 0)
               FROM df.nodes n JOIN df.instances o ON o.id = n.instance_id LEFT JOIN _df.runs g ON g.instance_id = o.id
               WHERE starts_with((n.status_details->>'execution_id') || '::', o.id || '::' || coalesce(g.generation, 1) || '::')))::bigint
    FROM df.instances i LEFT JOIN _df.runs r ON r.instance_id = i.id
$$;
COMMENT ON FUNCTION df.metrics() IS 'Totals over the instances that the caller may see: all of them, those that are running, completed and failed, the generations of their root scopes, and the events that df.instance_executions counts.';
REVOKE EXECUTE ON FUNCTION df.metrics() FROM PUBLIC;
