CREATE FUNCTION df.grant_usage(p_role text, include_http boolean DEFAULT false, with_grant boolean DEFAULT false) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    suffix    text := CASE WHEN with_grant THEN ' WITH GRANT OPTION' ELSE '' END;
    privilege text;
BEGIN
    IF p_role IS NULL OR include_http IS NULL OR with_grant IS NULL THEN
        RAISE EXCEPTION 'df.grant_usage takes no NULL' USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the role''s name, and true or false.';
    END IF;
    -- PostgreSQL would take it for everybody; a role of that name cannot be.
    IF p_role = 'public' THEN
        RAISE EXCEPTION 'role "public" does not exist' USING ERRCODE = 'undefined_object', HINT = 'Give the name of one role.';
    END IF;
    FOREACH privilege IN ARRAY ARRAY[
        'USAGE ON SCHEMA df',
        'SELECT ON df.instances, df.nodes',
        'INSERT (id, label, root_node, submitted_by, database) ON df.instances',
        'INSERT (id, instance_id, node_type, query, result_name, left_node, right_node, submitted_by, database) ON df.nodes',
        'UPDATE (status, updated_at) ON df.instances',
        'SELECT, INSERT, UPDATE, DELETE ON df.vars']
        || CASE WHEN include_http THEN ARRAY[
            'EXECUTE ON FUNCTION df.http(text, text, text, jsonb, integer)',
            'EXECUTE ON FUNCTION df.http_multipart(text, text, jsonb, jsonb, integer)'] ELSE '{}' END
        || CASE WHEN with_grant THEN ARRAY[
            'EXECUTE ON FUNCTION df.grant_usage(text, boolean, boolean)',
            'EXECUTE ON FUNCTION df.revoke_usage(text)',
            'EXECUTE ON FUNCTION df.metrics()'] ELSE '{}' END
    LOOP
        EXECUTE format('GRANT %s TO %I%s', privilege, p_role, suffix);
    END LOOP;
    RAISE NOTICE 'granted df usage privileges to "%"%', p_role,
        CASE WHEN include_http THEN ', HTTP included' ELSE '' END || CASE WHEN with_grant THEN ', with grant option' ELSE '' END;
END $$;
COMMENT ON FUNCTION df.grant_usage(text, boolean, boolean) IS 'Lets a role use pg_durable. In: the role''s name as it is, whether it may make HTTP requests, and whether it may pass all of this on. Adds to what the role has. Error: PostgreSQL''s own for an unknown role.';
REVOKE EXECUTE ON FUNCTION df.grant_usage(text, boolean, boolean) FROM PUBLIC;

CREATE FUNCTION df.revoke_usage(p_role text) RETURNS void
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    privilege text;
    callable  text;
BEGIN
    IF p_role IS NULL THEN
        RAISE EXCEPTION 'df.revoke_usage takes no NULL' USING ERRCODE = 'null_value_not_allowed', HINT = 'Give the role''s name.';
    END IF;
    -- PostgreSQL would take it for everybody; a role of that name cannot be.
    IF p_role = 'public' THEN
        RAISE EXCEPTION 'role "public" does not exist' USING ERRCODE = 'undefined_object', HINT = 'Give the name of one role.';
    END IF;
    FOREACH callable IN ARRAY ARRAY[
        'df.http(text, text, text, jsonb, integer)', 'df.http_multipart(text, text, jsonb, jsonb, integer)',
        'df.metrics()', 'df.revoke_usage(text)', 'df.grant_usage(text, boolean, boolean)']
    LOOP
        IF has_function_privilege(callable, 'EXECUTE WITH GRANT OPTION') THEN
            EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM %I CASCADE', callable, p_role);
        END IF;
    END LOOP;
    FOREACH privilege IN ARRAY ARRAY[
        'SELECT, INSERT, UPDATE, DELETE ON df.vars',
        'UPDATE (status, updated_at) ON df.instances',
        'INSERT (id, instance_id, node_type, query, result_name, left_node, right_node, submitted_by, database) ON df.nodes',
        'INSERT (id, label, root_node, submitted_by, database) ON df.instances',
        'SELECT ON df.instances, df.nodes',
        'USAGE ON SCHEMA df']
    LOOP
        EXECUTE format('REVOKE %s FROM %I CASCADE', privilege, p_role);
    END LOOP;
    RAISE NOTICE 'revoked df usage privileges from "%"', p_role;
END $$;
COMMENT ON FUNCTION df.revoke_usage(text) IS 'Takes back what df.grant_usage gave, also from those the role passed it on to; functions that the caller may not revoke are left. In: the role''s name as it is. Error: PostgreSQL''s own for an unknown role.';
REVOKE EXECUTE ON FUNCTION df.revoke_usage(text) FROM PUBLIC;
