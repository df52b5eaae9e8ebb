/**
 * Records what a real Debezium makes of a real Postgres: fixtures of the tests of the format.
 * Usage: capture.sh TARGET. Each way to set a connector up leaves `<way>.<topic>.ndjson.gz`, the
 * values of the topic's records, and `<way>.<table>.truth.json.gz`, the rows of the table at the
 * end as Postgres prints them.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { gzipSync } from 'node:zlib'
import pg from 'pg'
import { createSystemClock } from '../../../src/observe/system-clock.ts'
import { startEmbeddedPostgres } from '../../../src/quickstart/index.ts'

const [target = '', classpath = ''] = process.argv.slice(2)
const TABLES = ['types', 'orders']

/** Settings of the connector that differ. */
const WAYS: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  schemas: { 'converter.schemas.enable': 'true', 'provide.transaction.metadata': 'true' },
  bare: { 'converter.schemas.enable': 'false', 'provide.transaction.metadata': 'true' },
  connect: {
    'converter.schemas.enable': 'true',
    'time.precision.mode': 'connect',
    'decimal.handling.mode': 'string',
    'hstore.handling.mode': 'map',
  },
  iso: {
    'converter.schemas.enable': 'true',
    'time.precision.mode': 'isostring',
    'decimal.handling.mode': 'double',
    'interval.handling.mode': 'string',
    'binary.handling.mode': 'base64',
  },
  nanos: { 'converter.schemas.enable': 'true', 'time.precision.mode': 'nanoseconds' },
  flat: {
    'converter.schemas.enable': 'true',
    transforms: 'unwrap',
    'transforms.unwrap.type': 'io.debezium.transforms.ExtractNewRecordState',
    'transforms.unwrap.delete.tombstone.handling.mode': 'rewrite-with-tombstone',
    'transforms.unwrap.add.fields': 'op,lsn,source.ts_ms',
  },
}

const TABLES_SQL = readFileSync(new URL('tables.sql', import.meta.url), 'utf8')
/** Each a transaction. */
const WORK = readFileSync(new URL('work.sql', import.meta.url), 'utf8')
  .split('\n\n')
  .slice(1)

const clock = createSystemClock()
const folder = mkdtempSync(join(tmpdir(), 'sluice-debezium-'))
const server = await startEmbeddedPostgres({
  folder: join(folder, 'postgres'),
  clock,
  settings: { timezone: 'UTC' },
})
const client = new pg.Client({ connectionString: server.url })
await client.connect()
mkdirSync(target, { recursive: true })
try {
  for (const [way, settings] of Object.entries(WAYS)) await capture(way, settings)
} finally {
  await client.end()
  await server.stop()
  rmSync(folder, { recursive: true })
}

async function capture(way: string, settings: Readonly<Record<string, string>>): Promise<void> {
  await client.query(TABLES_SQL)
  const url = new URL(server.url)
  const path = join(folder, `${way}.properties`)
  const all = {
    name: way,
    'connector.class': 'io.debezium.connector.postgresql.PostgresConnector',
    'offset.storage': 'org.apache.kafka.connect.storage.MemoryOffsetBackingStore',
    'topic.prefix': 'shop',
    'plugin.name': 'pgoutput',
    'publication.name': `pub_${way}`,
    'slot.name': `slot_${way}`,
    'slot.drop.on.stop': 'true',
    'database.hostname': url.hostname,
    'database.port': url.port,
    'database.user': decodeURIComponent(url.username),
    'database.password': decodeURIComponent(url.password),
    'database.dbname': url.pathname.slice(1),
    'table.include.list': 'public.types,public.orders,public.done',
    'heartbeat.interval.ms': '500',
    'skipped.operations': 'none',
    'message.prefix.include.list': 'note',
    ...settings,
  }
  const lines = Object.entries(all).map(([name, value]) => `${name}=${value}\n`)
  writeFileSync(path, lines.join(''))
  const engine = spawn('java', ['-Xmx512m', '-cp', classpath, 'Capture', path])
  engine.stderr.resume()
  const topics = new Map<string, string[]>()
  const read = readLines(engine, topics)
  await until(() => (topics.get('shop.public.types')?.length ?? 0) >= 2)
  await until(async () => (await activeSlots()) > 0)
  for (const statement of WORK) await client.query(statement)
  await client.query('INSERT INTO done VALUES (1)')
  await read
  for (const [topic, values] of topics) {
    const name = topic.replace(/^__debezium-(heartbeat).*$/, '$1').replace(/^shop\.(public\.)?/, '')
    writeFileSync(join(target, `${way}.${name}.ndjson.gz`), gzipSync(values.join(''), { level: 9 }))
  }
  for (const table of TABLES) await writeTruth(way, table)
}

async function activeSlots(): Promise<number> {
  const found = await client.query('SELECT 1 FROM pg_replication_slots WHERE active')
  return found.rowCount ?? 0
}

async function readLines(engine: ChildProcess, topics: Map<string, string[]>): Promise<void> {
  for await (const line of createInterface({ input: engine.stdout as NodeJS.ReadableStream })) {
    const [topic = '', value = ''] = [
      line.slice(0, line.indexOf('\t')),
      line.slice(line.indexOf('\t') + 1),
    ]
    const values = topics.get(topic) ?? []
    topics.set(topic, [...values, `${value}\n`])
  }
}

async function until(isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await isSo()); tries++) {
    if (tries > 600) throw new Error('the connector does not get on')
    await clock.sleep(200, new AbortController().signal)
  }
}

/** Rows as objects of the texts that Postgres prints. */
async function writeTruth(way: string, table: string): Promise<void> {
  const columns = await client.query<{ name: string }>(
    `SELECT attname AS name FROM pg_attribute WHERE attrelid = '${table}'::regclass AND attnum > 0
       AND NOT attisdropped ORDER BY attnum`,
  )
  const texts = columns.rows.map(({ name }) => `"${name}"::text`)
  const rows = await client.query(`SELECT ${texts.join(', ')} FROM ${table} ORDER BY 1`)
  const text = rows.rows.map((row) => JSON.stringify(row)).join('\n')
  const packed = gzipSync(`${text}\n`, { level: 9 })
  writeFileSync(join(target, `${way}.${table}.truth.json.gz`), packed)
}
