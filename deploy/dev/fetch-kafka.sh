#!/usr/bin/env bash
# Fetches the Kafka broker that tests and kafka/start.sh run (see README.md) into
# ${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/kafka/<digest of the pins>.
# Does nothing when it is there. Prints the folder as its last line. What it holds:
#   libs/        the jars
#   formatted/   a data folder that no broker has used yet: copy it to start with an empty one
#   java.args    for `java @java.args kafka.Kafka server.properties`
#   classes.jsa  the loaded classes of a started broker, which halves the time of the next start
set -euo pipefail
pins=$(dirname "$(readlink -f "$0")")/kafka
cache=${SLUICE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/sluice}/kafka
digest=$(cat "$pins/pom.xml" "$pins/server.properties" "$0" | sha256sum | cut -c1-16)
target=$cache/$digest

if [ ! -e "$target/complete" ]; then
  mkdir -p "$cache"
  exec 9>"$cache/lock"
  flock 9
fi
if [ ! -e "$target/complete" ]; then
  rm -rf "$target"
  mkdir "$target"
  mvn -q -B -f "$pins/pom.xml" dependency:copy-dependencies -DoutputDirectory="$target/libs" >&2
  classpath=$(printf '%s:' "$target"/libs/*.jar)
  cat >"$target/java.args" <<ARGS
-Xms128m -Xmx384m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Djava.awt.headless=true
-Dorg.slf4j.simpleLogger.defaultLogLevel=warn
-Dorg.slf4j.simpleLogger.log.kafka.server.KafkaRaftServer=info
-XX:SharedArchiveFile=$target/classes.jsa -Xlog:cds=off
-cp ${classpath%:}
ARGS
  sed "s|^node.id=1|&\nlog.dirs=$target/formatted|" "$pins/server.properties" \
    >"$target/server.properties"
  id=$(head -c 16 /dev/urandom | base64 | tr '+/' '-_' | tr -d '=')
  java "@$target/java.args" kafka.tools.StorageTool format -t "$id" \
    -c "$target/server.properties" >"$target/prepare.log" 2>&1 ||
    { cat "$target/prepare.log" >&2 && exit 1; }

  # A broker that starts and stops once, to keep the classes it loads.
  cp -r "$target/formatted" "$target/tried"
  read -r client controller < <(python3 -c 'import socket
s = [socket.socket() for _ in "12"]
[x.bind(("127.0.0.1", 0)) for x in s]
print(*[x.getsockname()[1] for x in s])')
  java "@$target/java.args" -XX:SharedArchiveFile= -XX:ArchiveClassesAtExit="$target/classes.jsa" \
    kafka.Kafka "$target/server.properties" --override log.dirs="$target/tried" \
    --override listeners="PLAINTEXT://127.0.0.1:$client,CONTROLLER://127.0.0.1:$controller" \
    --override controller.quorum.voters="1@127.0.0.1:$controller" >>"$target/prepare.log" 2>&1 &
  broker=$!
  for _ in $(seq 1200); do
    grep -q 'Kafka Server started' "$target/prepare.log" && break
    kill -0 "$broker" 2>/dev/null || break
    sleep 0.1
  done
  grep -q 'Kafka Server started' "$target/prepare.log" || { cat "$target/prepare.log" >&2 && exit 1; }
  kill -TERM "$broker"
  wait "$broker" || true
  rm -rf "$target/tried" "$target/prepare.log" "$target/server.properties"
  [ -e "$target/classes.jsa" ] || echo 'no archive of classes: brokers start slower' >&2
  touch "$target/complete"
fi
echo "$target"
