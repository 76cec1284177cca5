#!/bin/bash
# run.sh [file …]: runs the regression suite of the language handler (all files without arguments) in a private,
# throw-away cluster on a socket, with whatever `plv8` the server has installed: ours or stock.
#
# A file is SQL for psql, or a script that brings all it needs along. Each SQL file gets a database and a session of
# its own and prints TAP; a file also fails when psql or the server dies, when its plan is not reached, or when it takes
# longer than PLV8_TEST_SECONDS (default 300). Each line ends with the seconds it took; the last one has the totals.
# PG_CONFIG names the server (default pg_config). As root the cluster runs as PLV8_TEST_USER (default postgres).
# PLV8_TEST_VERBOSE=1 prints every TAP line. Exit status 0 if everything passed, else 1.
set -u
here=$(cd "$(dirname "$0")" && pwd)
. "$here/cluster.sh"

if [ $# -eq 0 ]; then
	set -- "$here"/[0-9]*.{sql,sh} "$here"/hunt_*.{sql,sh}
fi

start_cluster "" || exit 1
total=0 passed=0 skipped=0 bad_files=0
crashes() { grep -c 'was terminated by signal' "$cluster/log"; }
# What the server says when somebody let go of it in the wrong way.
complaints='leak|left non-empty|PANIC|TRAP|still open|not owned by|corrupt|stack is not empty|snapshot .* still active'
wounds() { grep -cE "$complaints" "$cluster/log"; }

for file in "$@"; do
	name=$(basename "${file%.*}")
	before=$(crashes) wounds_before=$(wounds) began=$SECONDS
	case $file in
	*.sh) command=(bash "$file") ;;
	*)
		psql_cluster -d postgres -c "CREATE DATABASE \"$name\"" || exit 1
		command=("$bin/psql" -X -h "$cluster" -U "$user" -d "$name" -f "$file")
		;;
	esac
	timeout -k 5 "${PLV8_TEST_SECONDS:-300}" "${command[@]}" >"$cluster/$name.tap" 2>"$cluster/$name.err"
	status=$?
	ok=$(grep -c '^ok ' "$cluster/$name.tap")
	not_ok=$(grep -c '^not ok ' "$cluster/$name.tap")
	skip=$(grep -ci '^ok .*# skip' "$cluster/$name.tap")
	planned=$(sed -n 's/^1\.\.\([0-9]*\)$/\1/p' "$cluster/$name.tap" | tail -n 1)
	# psql goes on after an error, to find as many as possible in one run; an error outside of a test fails the file.
	errors=$(grep -c 'ERROR:' "$cluster/$name.err")
	why=
	[ "$errors" -eq 0 ] || why="$errors errors outside of tests"
	[ "$status" -eq 0 ] || why="ended with status $status"
	[ "$status" -ne 124 ] || why="not done after ${PLV8_TEST_SECONDS:-300} s"
	[ "$(crashes)" -eq "$before" ] || why="THE SERVER CRASHED: $(grep 'was terminated by signal' "$cluster/log" | tail -n 1)"
	[ -n "$why" ] || [ "$(wounds)" -eq "$wounds_before" ] || why="the server complains: $(grep -E "$complaints" "$cluster/log" | tail -n 1)"
	[ -n "$why" ] || [ "${planned:-none}" = "$((ok + not_ok))" ] || why="planned ${planned:-nothing}, ran $((ok + not_ok))"
	[ -n "$why" ] || [ "$not_ok" -eq 0 ] || why="$not_ok failed"
	printf '%-24s %4d ok %4d not ok %4d skipped %4d s%s\n' "$name" "$((ok - skip))" "$not_ok" "$skip" "$((SECONDS - began))" "${why:+   $why}"
	if [ "${PLV8_TEST_VERBOSE:-0}" = 1 ]; then
		cat "$cluster/$name.tap" "$cluster/$name.err"
	elif [ -n "$why" ]; then
		grep -v -e '^ok ' -e '^$' -e '^1\.\.' "$cluster/$name.tap" | head -n 200
		head -n 60 "$cluster/$name.err"
		[ "$status" -eq 0 ] || printf '# the last test that ran: %s\n' "$(grep -E '^(not )?ok ' "$cluster/$name.tap" | tail -n 1)"
	else
		grep '^# measured' "$cluster/$name.tap"
	fi
	[ -z "$why" ] || bad_files=$((bad_files + 1))
	total=$((total + ok + not_ok)) passed=$((passed + ok - skip)) skipped=$((skipped + skip))
	wait_for_server || { echo "the server did not come back after $name"; exit 1; }
done
printf 'plv8: %d tests, %d passed, %d skipped, %d failed, %d of %d files failed\n' \
	"$total" "$passed" "$skipped" "$((total - passed - skipped))" "$bad_files" "$#"
[ "$bad_files" -eq 0 ]
