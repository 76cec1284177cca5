#!/bin/sh
# fetch-v8.sh [folder]: makes Debian's V8 (headers and libnode) available to the build and says where it is.
#
# Two kinds of machine are served:
#   plain Debian 12/13            apt-get install libnode-dev; the system's own copy is used.
#   Node.js from another packager libnode-dev wants Debian's nodejs, so apt refuses it (or would remove the other one).
#                                 The two .deb files are downloaded and unpacked into the folder, and the shared
#                                 libraries that libnode itself asks for are installed normally.
#
# Out: <folder>/config.mk, for make to include, with
#   V8_INCLUDE  folder of v8.h                     V8_LIB      file name of the library, e.g. libnode.so.108
#   V8_LIBDIR   folder of that file                V8_BUNDLED  1 if it is a private copy that must be installed
#   V8_VERSION  e.g. 10.2                                      beside the handler, 0 if it is the system's
#
# The default folder is plv8/.v8. Idempotent; says nothing when there is nothing to do. Root is needed only to install
# packages; a run that would need it and lacks it ends with the command to run. Exit status 0 or 1.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
dest=${1:-$here/../.v8}
mkdir -p "$dest"
dest=$(cd "$dest" && pwd)

export DEBIAN_FRONTEND=noninteractive LC_ALL=C
log=$dest/apt.log

die() {
	printf 'fetch-v8: %s\n' "$*" >&2
	exit 1
}

# apt ARGS…: apt-get, quiet unless it fails, waiting for another apt rather than failing on its lock.
apt() {
	if ! apt-get -q -y -o DPkg::Lock::Timeout=300 -o APT::Sandbox::User=root "$@" >"$log" 2>&1; then
		return 1
	fi
}

need_root() {
	[ "$(id -u)" -eq 0 ] || die "$1 needs root: run \`sudo sh $here/fetch-v8.sh\` once, then build as any user"
}

# update: refreshes apt's lists, at most once per run.
updated=0
update() {
	[ "$updated" -eq 0 ] || return 0
	need_root "refreshing apt's package lists"
	updated=1
	apt update || { cat "$log" >&2; die "apt-get update failed: check the network and /etc/apt/sources.list.d"; }
}

candidate() {
	apt-cache policy "$1" | sed -n 's/^  Candidate: //p' | grep -v '(none)' || :
}

installed() {
	[ "$(dpkg-query -W -f '${db:Status-Status}' "$1" 2>/dev/null)" = installed ]
}

# v8_version INCLUDE: "major.minor" from the headers.
v8_version() {
	awk '$2 == "V8_MAJOR_VERSION" { a = $3 } $2 == "V8_MINOR_VERSION" { b = $3 } END { print a "." b }' "$1/v8-version.h"
}

# write_config INCLUDE LIBDIR LIB BUNDLED: after a check that the library's own libraries all resolve.
write_config() {
	missing=$(ldd "$2/$3" | sed -n 's/^[[:space:]]*\(.*\) => not found$/\1/p' | tr '\n' ' ')
	[ -z "$missing" ] || die "$2/$3 does not load, these libraries are missing: $missing"
	cat >"$dest/config.mk.new" <<-MK
		V8_INCLUDE := $1
		V8_LIBDIR := $2
		V8_LIB := $3
		V8_BUNDLED := $4
		V8_VERSION := $(v8_version "$1")
	MK
	# Kept untouched when nothing changed, so that make does not rebuild.
	if cmp -s "$dest/config.mk.new" "$dest/config.mk"; then
		rm "$dest/config.mk.new"
	else
		mv "$dest/config.mk.new" "$dest/config.mk"
		printf 'V8 %s: %s/%s\n' "$(v8_version "$1")" "$2" "$3"
	fi
	rm -f "$log"
}

# use_system: 0 and a configuration if Debian's libnode-dev is installed with its library.
use_system() {
	installed libnode-dev || return 1
	[ -f /usr/include/node/v8.h ] || return 1
	library=$(dpkg-query -W -f '${Depends}' libnode-dev | tr ',' '\n' | sed -n 's/^ *\(libnode[0-9]*\)[ :].*/\1/p')
	file=$(dpkg-query -L "$library" | grep '/libnode\.so\.[0-9]*$' | head -n 1)
	[ -n "$file" ] && [ -f "$file" ] || die "$library is installed without its libnode.so: apt-get install --reinstall $library"
	write_config /usr/include/node "$(dirname "$file")" "$(basename "$file")" 0
}

# use_unpacked: 0 and a configuration if the folder holds an unpacked copy.
use_unpacked() {
	[ -f "$dest/root/usr/include/node/v8.h" ] || return 1
	file=$(find "$dest/root/usr/lib" -name 'libnode.so.[0-9]*' -type f | head -n 1)
	[ -n "$file" ] || return 1
	write_config "$dest/root/usr/include/node" "$(dirname "$file")" "$(basename "$file")" 1
}

# apt_would_take: whether apt installs libnode-dev without removing or downgrading what the machine has.
apt_would_take() {
	apt -s install --no-install-recommends libnode-dev || return 1
	! grep -Eq '^Remv |DOWNGRADED' "$log"
}

# unpack: the private copy. Everything is put together beside it and moved into place at once.
unpack() {
	work=$(mktemp -d "$dest/unpack.XXXXXX")
	trap 'rm -rf "$work"' EXIT
	version=$(candidate libnode-dev)
	library=$(apt-cache show "libnode-dev=$version" | sed -n 's/^Depends: //p' | head -n 1 | tr ',' '\n' |
		sed -n 's/^ *\(libnode[0-9]*\)[ :].*/\1/p')
	[ -n "$library" ] || die "libnode-dev $version names no libnode library in its Depends"
	if ! (cd "$work" && apt download "libnode-dev=$version" "$library=$version"); then
		# The lists may be older than the archive: once more with fresh ones.
		update
		version=$(candidate libnode-dev)
		(cd "$work" && apt download "libnode-dev=$version" "$library=$version") ||
			{ cat "$log" >&2; die "apt-get download of libnode-dev and $library $version failed"; }
	fi
	for deb in "$work"/*.deb; do
		dpkg-deb -x "$deb" "$work/root"
	done
	# Only what libnode links to: its node-* dependencies are JavaScript, and are what wants Debian's nodejs.
	needed=
	for name in $(dpkg-deb -f "$work/$library"_*.deb Depends | tr ',' '\n' | sed 's/^ *//; s/[ :|(].*//' | sort -u); do
		case $name in
		lib* | zlib*) installed "$name" || needed="$needed $name" ;;
		esac
	done
	if [ -n "$needed" ]; then
		need_root "installing$needed"
		# shellcheck disable=SC2086
		apt install --no-install-recommends --no-upgrade $needed || {
			update
			apt install --no-install-recommends --no-upgrade $needed ||
				{ cat "$log" >&2; die "apt-get install$needed failed"; }
		}
	fi
	rm -rf "$dest/root"
	mv "$work/root" "$dest/root"
}

command -v apt-get >/dev/null || die "this machine has no apt-get: the handler is built over Debian's libnode (12 or later)"

# Two makes at once: the second waits, then finds everything there.
exec 9>"$dest/lock"
flock 9

use_system && exit 0
use_unpacked && exit 0

[ -n "$(candidate libnode-dev)" ] || update
[ -n "$(candidate libnode-dev)" ] || die "apt knows no libnode-dev: add Debian's main archive (12 or later) to its sources"

if [ "$(id -u)" -eq 0 ] && apt_would_take; then
	apt install --no-install-recommends libnode-dev || {
		update
		apt install --no-install-recommends libnode-dev || { cat "$log" >&2; die "apt-get install libnode-dev failed"; }
	}
	use_system || die "libnode-dev was installed, but /usr/include/node/v8.h is not there"
else
	unpack
	use_unpacked || die "the unpacked libnode-dev has no v8.h or no libnode.so"
fi
