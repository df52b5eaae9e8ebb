#!/usr/bin/env bash
# start.sh [PORT]: a Kafka broker for use by hand on 127.0.0.1:PORT (9092; its controller on PORT + 1).
# Its data stay in ${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/kafka/by-hand-PORT over
# stops; remove the folder for an empty broker. Returns when the broker answers. See stop.sh.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
port=${1:-9092}
controller=$((port + 1))
broker=$("$here/../fetch-kafka.sh")
folder=$(dirname "$broker")/by-hand-$port
if [ -e "$folder/pid" ] && kill -0 "$(cat "$folder/pid")" 2>/dev/null; then
  echo "runs already: 127.0.0.1:$port"
  exit
fi
mkdir -p "$folder"
[ -e "$folder/data" ] || cp -r "$broker/formatted" "$folder/data"
: >"$folder/log"
nohup java "@$broker/java.args" kafka.Kafka "$here/server.properties" \
  --override log.dirs="$folder/data" \
  --override listeners="PLAINTEXT://127.0.0.1:$port,CONTROLLER://127.0.0.1:$controller" \
  --override controller.quorum.voters="1@127.0.0.1:$controller" \
  >>"$folder/log" 2>&1 </dev/null &
pid=$!
echo "$pid" >"$folder/pid"
for _ in $(seq 1200); do
  if grep -q 'Kafka Server started' "$folder/log"; then
    echo "127.0.0.1:$port"
    exit
  fi
  kill -0 "$pid" 2>/dev/null || break
  sleep 0.1
done
cat "$folder/log" >&2
kill -KILL "$pid" 2>/dev/null || true
exit 1
