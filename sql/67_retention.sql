CREATE FUNCTION _df.sweep_retention() RETURNS bigint
LANGUAGE plpgsql VOLATILE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    given  text := btrim(coalesce(current_setting('pg_durable.retention_days', true), ''));
    days   integer := 30;
    doomed text[];
BEGIN
    IF given <> '' THEN
        IF given !~ '^[0-9]{1,5}$' OR given::integer > 36500 THEN
            RAISE EXCEPTION 'invalid value for parameter "pg_durable.retention_days": "%"', given
                USING ERRCODE = 'invalid_parameter_value', HINT = 'It takes 0 to 36500 days; without it 30 is used.';
        END IF;
        days := given::integer;
    END IF;
    -- Small batches: what is locked is locked briefly, and a sweep that is killed has lost little.
    SELECT array_agg(l.id) INTO doomed FROM (
        SELECT i.id FROM df.instances i
        WHERE i.id IN (
            (SELECT o.id FROM df.instances o WHERE o.status IN ('completed', 'failed', 'cancelled')
                AND coalesce(o.completed_at, o.created_at) <= clock_timestamp() - days * interval '1 day' LIMIT 500)
            UNION
            (SELECT o.id FROM df.instances o WHERE o.status IN ('completed', 'failed', 'cancelled')
                ORDER BY o.created_at DESC, o.id OFFSET 10000 LIMIT 500))
        FOR UPDATE SKIP LOCKED) l;
    IF doomed IS NULL THEN RETURN 0; END IF;
    DELETE FROM df.nodes n WHERE n.instance_id = ANY (doomed);
    DELETE FROM df.instances i WHERE i.id = ANY (doomed);
    RETURN cardinality(doomed);
END $$;
COMMENT ON FUNCTION _df.sweep_retention() IS 'Deletes one batch of instances that have ended and are older than pg_durable.retention_days (by the time they completed, else were created) or not among the newest 10,000; nodes first, engine state with them. Out: how many; call it until it returns 0, as the worker does. Error: a setting out of range.';
REVOKE EXECUTE ON FUNCTION _df.sweep_retention() FROM PUBLIC;
