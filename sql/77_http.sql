-- The worker's calls for HTTP steps find everything by key too; see pace.
ALTER FUNCTION _df.claim_http(uuid, integer)
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION _df.finish_http(text, text, text, text)
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION _df.lost_http(text)
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan;
