#!/usr/bin/env bash
# Fetches the engines that read our tables in test/conformance (see README.md) into
# ${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/engines/<digest of the pins>.
# Does nothing when they are there. Prints the folder as its last line.
set -euo pipefail
pins=$(dirname "$(readlink -f "$0")")/engines/requirements.txt
cache=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/engines
digest=$(sha256sum "$pins" | cut -c1-16)
target=$cache/$digest

if [ ! -e "$target/complete" ]; then
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
fi
if [ ! -e "$target/complete" ]; then
  rm -rf "$target"
  python3 -m venv "$target/python"
  "$target/python/bin/python" -m pip install --quiet --disable-pip-version-check \
    --no-deps --only-binary=:all: --require-hashes -r "$pins"
  "$target/python/bin/python" -c 'import arro3.io, deltalake'
  touch "$target/complete"
fi
echo "$target"
