-- The source of every id. It is a function of its own so that a test can put one in its place that repeats itself.
CREATE FUNCTION _df.random_ids(count integer) RETURNS text
LANGUAGE plpgsql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$ BEGIN
    RETURN (SELECT string_agg(left(gen_random_uuid()::text, 8), '') FROM generate_series(1, count));
END $$; -- not SQL, which would plan it anew for each start
COMMENT ON FUNCTION _df.random_ids(integer) IS 'That many random ids of eight hex digits, one after the other, from PostgreSQL''s strong random source.';

-- Cancelling and timing out have the same SQLSTATE, and their messages are translated.
CREATE FUNCTION _df.timed_out(since timestamptz) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp
AS $$
    SELECT s.setting::double precision > 0
        AND extract(epoch FROM clock_timestamp() - statement_timestamp()) * 1000 >= s.setting::double precision - 1
        AND extract(epoch FROM clock_timestamp() - since) * 1000 >= s.setting::double precision * 0.9
    FROM pg_settings s WHERE s.name = 'statement_timeout'
$$;
COMMENT ON FUNCTION _df.timed_out(timestamptz) IS 'Whether the statement that the client sent has run for as long as statement_timeout allows, nine tenths of that since the given time.';
