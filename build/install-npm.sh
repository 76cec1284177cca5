#!/bin/sh
# install-npm.sh: node_modules as package-lock.json says. Silent when they are, so that it can run every time.
set -eu
cd "$(dirname "$0")/.."

wanted=$(sha256sum package-lock.json)
[ "$(cat node_modules/.ready 2>/dev/null)" != "$wanted" ] || { touch node_modules/.ready; exit 0; }
# Modules that somebody installed by hand may be right already.
if ! npm ls --all --silent >/dev/null 2>&1; then
	mkdir -p .tmp
	npm ci --no-audit --no-fund >.tmp/npm.log 2>&1 || {
		cat .tmp/npm.log >&2
		echo 'install-npm: npm ci failed: the messages above are all of it' >&2
		exit 1
	}
fi
printf '%s\n' "$wanted" >node_modules/.ready
