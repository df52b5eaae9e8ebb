#!/usr/bin/env bash
# capture.sh TARGET: records what Debezium makes of a Postgres (see README.md) into the folder TARGET.
# Needs mvn and a JDK of version 17 or newer, and a checkout with its npm packages.
set -euo pipefail
here=$(dirname "$(readlink -f "$0")")
root=$here/../../..
target=$(realpath -m "$1")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mvn -q -B -f "$here/pom.xml" dependency:build-classpath -Dmdep.outputFile="$work/classpath"
javac -cp "$(cat "$work/classpath")" -d "$work" "$here/Capture.java"
"$root/node_modules/.bin/node" "$here/capture.ts" "$target" "$work:$(cat "$work/classpath")"
