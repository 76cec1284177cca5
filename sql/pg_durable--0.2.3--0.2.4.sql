-- pg_durable 0.2.3 to 0.2.4: a node is known by its instance and its id together.
\echo Use "ALTER EXTENSION pg_durable UPDATE TO '0.2.4'" to load this file. \quit

-- The unique index that is there becomes the primary key: nothing is built anew, and the foreign keys that rest on it
-- stay. Setting instance_id NOT NULL reads the table once.
ALTER TABLE df.nodes DROP CONSTRAINT nodes_pkey;
ALTER TABLE df.nodes ADD CONSTRAINT nodes_pkey PRIMARY KEY USING INDEX nodes_instance_node_key;

-- It has one argument more.
DROP PROCEDURE df.work(double precision, integer, bigint, timestamptz, boolean, boolean);

-- @file 40_engine_calls.sql

-- @file 42_writes.sql

-- @file 45_support.sql

-- @bundle

-- @functions

-- @file 65_monitor.sql

-- @file 66_listing.sql

-- @file 70_work.sql

-- @file 75_worker.sql

-- @file 80_pace.sql

-- @file 85_grants.sql
