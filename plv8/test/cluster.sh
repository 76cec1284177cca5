# cluster.sh, to be sourced: a private PostgreSQL cluster in a temporary folder, ended and removed when the script exits.
# Sets: bin (folder of the server's programs), user (who owns and runs it), cluster (folder of data, socket and log).

pg_config=${PG_CONFIG:-pg_config}
bin=$("$pg_config" --bindir) || exit 1
user=$(id -un)
[ "$(id -u)" -ne 0 ] || user=${PLV8_TEST_USER:-postgres}
cluster=

# as_user COMMAND…: root hands over to the cluster's user, as the server refuses to run as root.
as_user() {
	if [ "$(id -u)" -eq 0 ]; then
		runuser -u "$user" -- "$@"
	else
		"$@"
	fi
}

# psql_cluster ARGS…: psql in the cluster, quiet, ending at the first error.
psql_cluster() {
	"$bin/psql" -X -q -v ON_ERROR_STOP=1 -h "$cluster" -U "$user" "$@"
}

# stop_cluster: ends every process of the cluster, also a backend that no longer listens to signals, and removes it.
stop_cluster() {
	[ -n "$cluster" ] || return 0
	local postmaster children pid
	postmaster=$(head -n 1 "$cluster/data/postmaster.pid" 2>/dev/null)
	if [ -n "$postmaster" ]; then
		children=$(ps -o pid= --ppid "$postmaster")
		as_user "$bin/pg_ctl" -D "$cluster/data" -m immediate -t 10 stop >/dev/null 2>&1
		for pid in $postmaster $children; do
			case $(ps -o comm= -p "$pid") in postgres*) kill -9 "$pid" 2>/dev/null ;; esac
		done
	fi
	rm -rf "$cluster"
	cluster=
}

# wait_for_server: 0 as soon as the cluster takes connections (it restarts itself after a crash), 1 after 30 s.
wait_for_server() {
	local end=$((SECONDS + 30))
	until "$bin/psql" -X -h "$cluster" -U "$user" -d postgres -c 'SELECT 1' >/dev/null 2>&1; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.1
	done
}

# start_cluster OPTIONS: creates and starts it with further options of postgres.
start_cluster() {
	cluster=$(mktemp -d "${TMPDIR:-/tmp}/plv8.XXXXXX") || return 1
	trap stop_cluster EXIT
	trap 'exit 1' HUP INT TERM
	[ "$(id -u)" -ne 0 ] || chown "$user" "$cluster"
	if ! (cd "$cluster" && as_user "$bin/initdb" -D "$cluster/data" -A trust -E UTF8 --no-locale --no-sync) >"$cluster/initdb.out" 2>&1; then
		cat "$cluster/initdb.out" >&2
		return 1
	fi
	if ! (cd "$cluster" && as_user "$bin/pg_ctl" -D "$cluster/data" -l "$cluster/log" -w -t 30 -o "-c listen_addresses='' -k '$cluster' -c fsync=off -c log_min_messages=warning $1" start) >/dev/null; then
		cat "$cluster/log" >&2
		return 1
	fi
}
