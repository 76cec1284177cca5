-- The engine's statements find everything by key. A plan made while its tables are small must stay right when they are
-- large, and no plan may depend on when statistics were last gathered. What is switched off is priced so high that
-- PostgreSQL would compile the plan, which takes it tens of milliseconds each time it runs: that is off as well.
ALTER FUNCTION _df.claim(double precision, integer)
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION _df.finish(text[], double precision[], double precision)
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan;
ALTER FUNCTION _df.claim_external(double precision)
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off;
ALTER FUNCTION _df.fail_role(oid, text, timestamptz)
    SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off SET plan_cache_mode = force_generic_plan;
