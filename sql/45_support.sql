-- The source of every id. It is a function of its own so that a test can put one in its place that repeats itself.
CREATE FUNCTION _df.random_ids(count integer) RETURNS text
LANGUAGE sql VOLATILE STRICT SET search_path = pg_catalog, pg_temp
AS $$ SELECT string_agg(left(gen_random_uuid()::text, 8), '') FROM generate_series(1, count) $$;
COMMENT ON FUNCTION _df.random_ids(integer) IS 'That many random ids of eight hex digits, one after the other, from PostgreSQL''s strong random source.';
