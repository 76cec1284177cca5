#!/bin/sh
# install-debian.sh: the Debian packages that building and testing need, on Debian 12 or later, as root.
#
#   server      the newest PostgreSQL server that is there (or PG_MAJOR=15 …), else the one of this Debian
#   with it     its headers, its pgTAP with pg_prove, its pg_cron
#   compiler    g++, make
#   Node.js     20 or later: what is on PATH, whoever packaged it; else Debian's, where that is new enough
#   V8          by plv8/install/fetch-v8.sh
#
# Leaves alone what is there: no package is upgraded or removed, and no cluster is created or started. (Debian's
# server package makes a cluster `main` on first install; that is switched off for the duration.) Idempotent, and
# silent when nothing is missing; apt's lists are refreshed only when something is. Exit status 0, or 1 with the reason.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
export DEBIAN_FRONTEND=noninteractive LC_ALL=C NEEDRESTART_SUSPEND=1
log=$(mktemp)
no_cluster=/etc/postgresql-common/createcluster.d/no-main-cluster.conf
written=
cleanup() {
	rm -f "$log"
	[ -z "$written" ] || rm -f "$no_cluster"
}
trap cleanup EXIT
trap 'exit 1' HUP INT TERM

die() {
	printf 'install-debian: %s\n' "$*" >&2
	exit 1
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

candidate() {
	apt-cache policy "$1" | sed -n 's/^  Candidate: //p' | grep -v '(none)' || :
}

apt() {
	apt-get -q -y -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root "$@" >"$log" 2>&1 || {
		cat "$log" >&2
		die "apt-get $* failed"
	}
}

# update: refreshes apt's lists, at most once, and only for root.
updated=0
update() {
	[ "$updated" -eq 0 ] || return 0
	[ "$(id -u)" -eq 0 ] || die "packages are missing and installing them needs root: run \`sudo sh $here/install-debian.sh\`"
	updated=1
	apt update
}

# server_major: the major version of the server to use.
server_major() {
	if [ -n "${PG_MAJOR:-}" ]; then
		echo "$PG_MAJOR"
		return
	fi
	there=$(ls -d /usr/lib/postgresql/*/bin/postgres 2>/dev/null | cut -d / -f 5 | sort -n | tail -n 1)
	if [ -n "$there" ]; then
		echo "$there"
		return
	fi
	[ -n "$(candidate postgresql)" ] || update
	# Debian's metapackage has versions like 15+248.
	candidate postgresql | sed 's/^\([0-9]*\)[+.].*/\1/'
}

node_major() {
	if command -v node >/dev/null; then
		node --version | sed 's/^v\([0-9]*\)\..*/\1/'
	else
		echo 0
	fi
}

command -v apt-get >/dev/null || die "this machine has no apt-get: Debian 12 or later is what this script knows"

major=$(server_major)
case $major in
'' | *[!0-9]*) die "no PostgreSQL server here, and apt offers none: add Debian's main archive to its sources" ;;
esac
[ "$major" -ge 14 ] || die "PostgreSQL $major is too old: install 14 or later, or name another one with PG_MAJOR"

missing=
want() {
	for name in "$@"; do
		installed "$name" || missing="$missing $name"
	done
}
want "postgresql-$major" "postgresql-server-dev-$major" "postgresql-$major-pgtap" libtap-parser-sourcehandler-pgtap-perl \
	"postgresql-$major-cron" g++ make
if [ "$(node_major)" -lt 20 ]; then
	# No package is upgraded here, so an older one that is installed is for its owner to replace.
	! installed nodejs || die "Node.js 20 or later is needed, and this machine has $(node --version 2>/dev/null || echo another): install a newer one from nodejs.org or another packager first"
	want nodejs npm
elif ! command -v npm >/dev/null; then
	want npm
fi

if [ -n "$missing" ]; then
	update
	for name in $missing; do
		offered=$(candidate "$name")
		[ -n "$offered" ] || die "apt offers no $name: add the archive that carries it to apt's sources"
		if [ "$name" = nodejs ]; then
			version=$(printf '%s' "$offered" | sed 's/^[0-9]*://; s/[^0-9].*//')
			[ "$version" -ge 20 ] ||
				die "Node.js 20 or later is needed, and apt offers $offered: install a newer one from nodejs.org or another packager first"
		fi
	done
	if [ ! -e "$no_cluster" ]; then
		mkdir -p "$(dirname "$no_cluster")"
		echo 'create_main_cluster = false' >"$no_cluster"
		written=1
	fi
	# shellcheck disable=SC2086
	apt install --no-install-recommends --no-remove --no-upgrade $missing
	printf 'installed%s\n' "$missing"
fi
[ "$(node_major)" -ge 20 ] ||
	die "Node.js 20 or later is needed, $(command -v node) is $(node --version): put a newer one first on PATH"

sh "$here/../plv8/install/fetch-v8.sh"
