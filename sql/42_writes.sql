-- The engine's writes of a batch, by the addresses (ctid) of rows that were just looked up or locked. A row of df.nodes
-- has a dozen constraints, which PostgreSQL reads anew for every statement, so writing row by row costs several times
-- as much; and a join by key leaves it to statistics, which may have been gathered while a table was empty, whether the
-- rows are looked up or the whole table is read. By address there is one plan.
CREATE FUNCTION _df.write_nodes(addresses text[], statuses text[], results text[], errors text[], details text[])
RETURNS bigint
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
SET enable_seqscan = off SET enable_indexscan = off SET enable_bitmapscan = off SET enable_hashjoin = off SET enable_mergejoin = off
AS $$
DECLARE
    written bigint;
BEGIN
    UPDATE df.nodes n SET status = u.status, result = u.result::jsonb, error = u.error, status_details = u.details::jsonb,
        updated_at = clock_timestamp()
    FROM unnest(addresses::tid[], statuses, results, errors, details) u(address, status, result, error, details)
    WHERE n.ctid = u.address;
    GET DIAGNOSTICS written = ROW_COUNT;
    RETURN written;
END $$;
COMMENT ON FUNCTION _df.write_nodes(text[], text[], text[], text[], text[]) IS 'Sets status, result, error and status_details of the nodes at the given addresses, with the rights of its caller. Out: how many rows it changed.';
-- It adds nothing to those rights, and df.update_node_status calls it as whoever may call that. Taken away first, so that it reads
-- the same after an update, where it was.
REVOKE EXECUTE ON FUNCTION _df.write_nodes(text[], text[], text[], text[], text[]) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION _df.write_nodes(text[], text[], text[], text[], text[]) TO PUBLIC;

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
