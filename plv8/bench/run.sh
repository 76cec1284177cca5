#!/bin/bash
# run.sh: the cost of the language handler, measured in a private, throw-away cluster with whatever `plv8` the server has.
#
# Prints a table and one JSON line per figure: {"name", "value", "unit", "target", "met"}; target and met are null for a
# figure that is only for information. Ratios are of medians within this one run, so they hold on a slow or busy machine
# too. Exit status 0 if every target is met, 1 if not or if the run failed. PG_CONFIG and PLV8_TEST_USER as in ../test.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/../test/cluster.sh"

start_cluster "-c jit=off -c autovacuum=off -c max_parallel_workers_per_gather=0" || exit 1
psql_cluster -d postgres -c 'CREATE DATABASE bench' || exit 1
"$bin/psql" -X -q -h "$cluster" -U "$user" -d bench -v ON_ERROR_STOP=1 -f "$here/bench.sql" || {
	tail -n 5 "$cluster/log" >&2
	exit 1
}
unmet=$("$bin/psql" -X -q -A -t -h "$cluster" -U "$user" -d bench -c 'SELECT count(*) FROM figures WHERE NOT met') || exit 1
[ "$unmet" -eq 0 ] || { echo "$unmet targets are not met"; exit 1; }
