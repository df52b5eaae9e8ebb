/** Records of a real Debezium 3.6 over a real Postgres 18; `deploy/dev/debezium` made them. */

import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { gunzipSync } from 'node:zlib'

const FOLDER = fileURLToPath(new URL('../golden/src/decode/debezium/', import.meta.url))

/** The lines of a topic of one way to set the connector up. */
export function recordedLines(way: string, topic: string): readonly string[] {
  return unpack(`${way}.${topic}.ndjson.gz`)
}

/** The rows of a table at the end, as the texts that Postgres prints. */
export function recordedRows(
  way: string,
  table: string,
): readonly Readonly<Record<string, string | null>>[] {
  return unpack(`${way}.${table}.truth.json.gz`).map((line) => JSON.parse(line))
}

function unpack(name: string): readonly string[] {
  const text = gunzipSync(readFileSync(`${FOLDER}${name}`)).toString('utf8')
  return text.split('\n').slice(0, -1)
}
