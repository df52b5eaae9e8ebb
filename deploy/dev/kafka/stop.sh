#!/usr/bin/env bash
# stop.sh [PORT]: stops the broker that start.sh started on that port (9092), with its data kept.
set -euo pipefail
folder=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/kafka/by-hand-${1:-9092}
[ -e "$folder/pid" ] || exit 0
pid=$(cat "$folder/pid")
kill -TERM "$pid" 2>/dev/null || true
while kill -0 "$pid" 2>/dev/null; do sleep 0.1; done
rm -f "$folder/pid"
