-- How a workflow flows through this schema
--
--   df.start(graph)           validates the graph, claims an instance id and its node ids, and writes
--                             df.instances, df.nodes (what users see) and, through _df.enroll, _df.runs
--                             (graph, ids and variables as they were at the start) and the root branch.
--   _df.branches              one row per thread of control: where it is, when it may go on, what it waits for.
--   CALL df.work()            in a session of the submitter: _df.claim locks due branches and says which SQL to
--                             run, the procedure runs it, _df.finish records results and moves the branches on;
--                             then COMMIT, so that a step's effects and its checkpoint are one transaction.
--   _df.names, _df.signals    named results per branch; signals that no wait has consumed yet.
--   _df.rounds                what ended rounds of a root loop left behind, for df.instance_executions.
--
-- The liveness of a step is the lock on its branch row: a session that dies frees it, nothing has to expire.
-- Every table of engine state starts its primary key with instance_id.

CREATE SCHEMA df;
COMMENT ON SCHEMA df IS 'pg_durable: durable workflows written in SQL. The public surface.';
CREATE SCHEMA _df;
COMMENT ON SCHEMA _df IS 'pg_durable: engine state and engine calls. Private; everything in it checks its caller.';
-- The functions of df run as their callers and reach the engine by name, so the name must be reachable.
GRANT USAGE ON SCHEMA _df TO PUBLIC;
