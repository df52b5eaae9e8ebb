/**
 * A real server, a source on it, and a plain model that applies the lines of its blocks in order.
 */

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { postgresSettingsSchema } from '../../../../connectors/postgres/index.ts'
import { PostgresSource } from '../../../../connectors/postgres/source.ts'
import type {
  BlockPart,
  CopyProgress,
  Source,
  SourceBlock,
  SourceMemory,
  SourceSession,
  Telemetry,
} from '../../../../src/contracts/index.ts'
import type { Cursor, JsonObject, StreamSchema } from '../../../../src/model/index.ts'
import { createSystemClock } from '../../../../src/observe/system-clock.ts'
import {
  type EmbeddedPostgres,
  startEmbeddedPostgres,
} from '../../../../src/quickstart/embedded-postgres.ts'
import { testedInstallation } from '../../../support/postgres-versions.ts'

/** The clock of every test here. */
export const clock = createSystemClock()

/** Says nothing. */
export const silent: Telemetry = {
  log: () => undefined,
  count: () => undefined,
  gauge: () => undefined,
  observe: () => undefined,
}

/** A server of the test's own. */
export interface TestServer extends AsyncDisposable {
  readonly url: string
  readonly folder: string
  sql(text: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
  /** Stops the server and starts it again on the same port. */
  restart(settings?: Readonly<Record<string, string>>): Promise<void>
  stop(): Promise<void>
}

/** Starts a server in a temporary folder, of the version that this run tests. */
export async function startServer(
  settings: Readonly<Record<string, string>> = {},
): Promise<TestServer> {
  const base = await mkdtemp(path.join(tmpdir(), 'sluice-pg-'))
  const folder = path.join(base, 'data')
  const installation = testedInstallation()
  const start = (port?: number, more = {}): Promise<EmbeddedPostgres> =>
    startEmbeddedPostgres({
      folder,
      clock,
      ...(port === undefined ? {} : { port }),
      ...(installation === undefined ? {} : { installation }),
      settings: { fsync: 'off', ...settings, ...more },
    })
  let server = await start()
  const stop = async (): Promise<void> => {
    await server.stop()
  }
  return {
    url: server.url,
    folder,
    sql: (text, values) => runSql(server.url, text, values),
    restart: async (more) => {
      await server.stop()
      server = await start(server.port, more)
    },
    stop,
    [Symbol.asyncDispose]: async () => {
      await stop()
      await rm(base, { recursive: true, force: true })
    },
  }
}

/** Empties the database: no table, publication or slot of an earlier test. */
export async function resetServer(server: TestServer): Promise<void> {
  await server.sql(`
    DROP SCHEMA public CASCADE; CREATE SCHEMA public; GRANT ALL ON SCHEMA public TO public;
    DROP PUBLICATION IF EXISTS sluice_test;`)
  await server.sql(`
    SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active;
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active;`)
}

/** Runs statements on a connection of their own. */
export async function runSql(
  url: string,
  text: string,
  values?: readonly unknown[],
): Promise<readonly Record<string, unknown>[]> {
  const client = new pg.Client({
    connectionString: url,
    options: '-c timezone=UTC -c datestyle=ISO -c extra_float_digits=3 -c intervalstyle=iso_8601',
  })
  client.on('error', () => undefined)
  await client.connect()
  try {
    const result = await client.query(text, values === undefined ? undefined : [...values])
    return Array.isArray(result) ? [] : result.rows
  } finally {
    await client.end()
  }
}

/** Notes kept in memory; they outlive sessions as the pipeline's log does. */
export function createMemory(): SourceMemory & { notes: JsonObject | null } {
  return {
    notes: null,
    read() {
      return Promise.resolve(this.notes)
    },
    write(notes) {
      this.notes = notes
      return Promise.resolve()
    },
  }
}

/** A source with the settings of a test. */
export function createSource(
  url: string,
  more: Readonly<Record<string, unknown>> = {},
  pipeline = 'test',
): Source {
  const settings = postgresSettingsSchema.parse({ url, ...more })
  return new PostgresSource(settings, { name: 'pg', pipeline, clock, telemetry: silent })
}

/** A row: column name → text, null for NULL. */
export type Row = Readonly<Record<string, string | null>>

/** What a stream looks like after the lines so far. */
export class StreamModel {
  readonly rows = new Map<string, Row>()
  readonly ops: string[] = []
  readonly positions: bigint[] = []
  schema: StreamSchema | null = null
  nextPosition = 0n
  phase: Cursor['phase'] = 'copy'
  /** The copy of the session goes on with that of an earlier one. */
  resumed = false
  copies: CopyProgress[] = []
  /** Keys deleted before the copy is complete: rows of a copy beside the stream are older. */
  readonly deleted = new Set<string>()
  identity: JsonObject = {}

  apply(part: BlockPart): void {
    this.schema = part.schema
    let previous: Row | null = null
    const lines = Buffer.from(part.bytes).toString('utf8').split('\n')
    if (lines.pop() !== '') throw new Error('a part ends inside a line')
    if (lines.length !== part.recordCount) throw new Error('recordCount is wrong')
    let partials = 0
    for (const line of lines) {
      const [op, position, , ...fields] = line.split('\t')
      this.ops.push(op!)
      this.positions.push(BigInt(position!))
      if (fields.length !== part.schema.columns.length) throw new Error(`fields: ${line}`)
      if (fields.includes('\\U')) partials++
      previous = this.#applyLine(op!, fields, part.schema, previous)
    }
    if (partials !== part.partialCount) throw new Error('partialCount is wrong')
  }

  #applyLine(op: string, fields: string[], schema: StreamSchema, previous: Row | null): Row | null {
    const key = (row: Row): string => JSON.stringify(schema.key.map((name) => row[name]))
    if (op === 't') {
      this.rows.clear()
      return null
    }
    const sent: Record<string, string | null> = {}
    schema.columns.forEach((column, index) => {
      const field = fields[index]!
      if (field !== '\\U') sent[column.name] = field === '\\N' ? null : unescapeField(field)
    })
    const id = key(sent)
    const isCopying = this.phase === 'copy'
    if (op === 'd') {
      const removed = this.rows.get(id) ?? null
      if (removed === null && !isCopying)
        throw new Error(`delete of a row that is not there: ${id}`)
      this.rows.delete(id)
      if (isCopying) this.deleted.add(id)
      return removed
    }
    if (op === 'b') {
      const isKnown = this.rows.has(id) || this.deleted.has(id) || !isCopying
      if (!isKnown) this.rows.set(id, sent)
      return null
    }
    const known = op === 'm' ? previous : (this.rows.get(id) ?? null)
    // Until the copy is complete rows may be missing, and rows may come that are there.
    this.deleted.delete(id)
    if (isCopying && known === null && fields.includes('\\U')) {
      this.rows.delete(id)
      return null
    }
    if (isCopying && (op !== 'r' || this.resumed)) {
      this.rows.set(id, { ...known, ...sent })
      return null
    }
    if (op === 'i' && known !== null) throw new Error(`insert of a row that is there: ${id}`)
    if (op === 'u' && known === null) throw new Error(`update of a row that is not there: ${id}`)
    if (op === 'r' && known !== null) throw new Error(`copied twice: ${id}`)
    this.rows.set(id, { ...known, ...sent })
    return null
  }
}

function unescapeField(field: string): string {
  const letters: Readonly<Record<string, string>> = {
    n: '\n',
    t: '\t',
    r: '\r',
    b: '\b',
    f: '\f',
    v: '\v',
    '\\': '\\',
  }
  return field.replaceAll(/\\(.)/gs, (_, letter: string) => letters[letter] ?? `?${letter}`)
}

/** Frees the bytes as ingest does: the source must not touch them any more. */
function release({ parts }: SourceBlock): void {
  for (const { bytes } of parts) {
    const { buffer } = bytes
    if (buffer instanceof ArrayBuffer && buffer.byteLength === bytes.byteLength) buffer.transfer(0)
  }
}

interface Arrived {
  readonly result: IteratorResult<SourceBlock>
  readonly isCopy: boolean
}

/** Reads a session into models, one a stream, as ingest would into tables. */
export class Reader {
  readonly streams = new Map<string, StreamModel>()
  readonly memory: ReturnType<typeof createMemory>
  /** Streams that patterns chose. */
  readonly matched = new Set<string>()
  blocks: SourceBlock[] = []
  /** Last position at which the whole source was complete. */
  nextPosition = 0n
  session: SourceSession | null = null
  /** Leaves the blocks of copies beside the stream where they are. */
  holdsCopies = false
  readonly spoolFolder = mkdtempSync(path.join(tmpdir(), 'sluice-spool-'))
  #iterator: AsyncIterator<SourceBlock> | null = null
  #copies: AsyncIterator<SourceBlock> | null = null
  #waiting: Promise<Arrived> | null = null
  #waitingCopy: Promise<Arrived> | null = null
  #abort = new AbortController()

  constructor(streams: readonly string[], memory = createMemory()) {
    this.memory = memory
    for (const stream of streams) this.streams.set(stream, new StreamModel())
  }

  model(stream: string): StreamModel {
    return this.streams.get(stream)!
  }

  /** Cursors as the tables would hold them. */
  cursors(): Map<string, readonly Cursor[]> {
    return new Map(
      [...this.streams].map(([stream, model]) => [
        stream,
        model.nextPosition === 0n
          ? []
          : [
              {
                split: 'slot',
                splitNumber: 0,
                nextPosition: model.nextPosition,
                phase: model.phase,
                identity: model.identity,
                batchNumber: 1n,
                sourceTimeMicros: null,
              },
            ],
      ]),
    )
  }

  /** Begins a session at the cursors. */
  async open(source: Source, bufferBytesMax = 8 * 1024 * 1024): Promise<void> {
    for (const model of this.streams.values()) model.resumed = model.phase === 'copy'
    this.#abort = new AbortController()
    this.nextPosition = 0n
    this.session = await source.start({
      streams: this.cursors(),
      matched: this.matched,
      memory: this.memory,
      bufferBytesMax,
      spoolFolder: this.spoolFolder,
      signal: this.#abort.signal,
    })
    this.#iterator = this.session.blocks()[Symbol.asyncIterator]()
    this.#copies = this.session.copyBlocks?.()[Symbol.asyncIterator]() ?? null
    this.#waiting = null
    this.#waitingCopy = null
  }

  /** Takes and applies one block; null at the end. */
  async step(): Promise<SourceBlock | null> {
    this.#waiting ??= this.#iterator!.next().then((result) => ({ result, isCopy: false }))
    if (this.#copies !== null && !this.holdsCopies) {
      this.#waitingCopy ??= this.#copies.next().then((result) => ({ result, isCopy: true }))
    }
    const copied = this.holdsCopies ? null : this.#waitingCopy
    const { result, isCopy } = await Promise.race(
      [this.#waiting, copied].filter((one) => one !== null),
    )
    if (isCopy) this.#waitingCopy = null
    else this.#waiting = null
    if (result.done && isCopy) {
      this.#copies = null
      return this.step()
    }
    if (result.done) return null
    const block = result.value
    this.blocks.push(block)
    this.#apply(block)
    release(block)
    return block
  }

  /** Reads until the condition holds. */
  async until(condition: () => boolean | Promise<boolean>): Promise<void> {
    while (!(await condition())) {
      if ((await this.step()) === null) throw new Error('the source ended')
    }
  }

  /** Reads until everything up to the position is applied. */
  async untilPosition(position: bigint): Promise<void> {
    await this.until(() => this.nextPosition >= position)
  }

  async close(): Promise<void> {
    this.#abort.abort()
    await this.session?.[Symbol.asyncDispose]()
    this.session = null
    rmSync(this.spoolFolder, { recursive: true, force: true })
    mkdirSync(this.spoolFolder)
  }

  #apply(block: SourceBlock): void {
    if (block.copy !== null) {
      const model = this.model(block.copy.stream)
      if (block.copy.first) model.rows.clear()
      model.phase = 'copy'
      model.resumed = block.copy.resumed
      for (const part of block.parts) model.apply(part)
      model.copies.push(block.copy)
      const isBeside = block.copy.beside === true && !block.copy.first
      model.nextPosition = isBeside ? this.nextPosition : block.nextPosition
      if (isBeside && this.nextPosition < block.nextPosition) throw new Error('rows came too soon')
      if (block.copy.complete) model.deleted.clear()
      model.identity = copyIdentity(block.identity, block.copy)
      model.phase = block.copy.complete ? 'stream' : 'copy'
      return
    }
    for (const part of block.parts) this.model(part.schema.stream).apply(part)
    if (!block.endsTransaction) return
    if (block.nextPosition < this.nextPosition) throw new Error('positions go back')
    this.nextPosition = block.nextPosition
    for (const model of this.streams.values()) {
      if (block.nextPosition > model.nextPosition) model.nextPosition = block.nextPosition
    }
  }
}

function copyIdentity(identity: JsonObject, { attempt, place }: CopyProgress): JsonObject {
  return { ...identity, copyAttempt: attempt, ...(place === null ? {} : { copied: place }) }
}

/** The table's rows as Postgres prints them, keyed like a model's. */
export async function tableRows(
  server: TestServer,
  schema: StreamSchema,
): Promise<Map<string, Row>> {
  const columns = schema.columns
    .map(
      ({ name }) =>
        `CASE WHEN "${name}" IS NULL THEN NULL ELSE format('%s', "${name}") END AS "${name}"`,
    )
    .join(', ')
  const [namespace, table] = schema.stream.split('.')
  const rows = await server.sql(`SELECT ${columns} FROM "${namespace}"."${table}"`)
  return new Map(
    rows.map((row) => [JSON.stringify(schema.key.map((name) => row[name])), row as Row]),
  )
}

/** Where the server's log ends now. */
export async function currentPosition(server: Pick<TestServer, 'sql'>): Promise<bigint> {
  const rows = await server.sql(
    `SELECT (pg_current_wal_flush_lsn() - '0/0'::pg_lsn)::text AS position`,
  )
  return BigInt(rows[0]!.position as string)
}

/** Where the slot stands. */
export async function confirmedPosition(server: TestServer, slot = 'sluice_test'): Promise<bigint> {
  const rows = await server.sql(
    `SELECT (confirmed_flush_lsn - '0/0'::pg_lsn)::text AS position
     FROM pg_replication_slots WHERE slot_name = $1`,
    [slot],
  )
  return BigInt((rows[0]?.position as string | undefined) ?? '-1')
}

/** One session of a reader: opens it, reads until something came, closes it. */
export async function openAndRead(reader: Reader, url: string, more = {}): Promise<void> {
  await using source = createSource(url, more)
  await reader.open(source)
  try {
    await reader.until(() => reader.nextPosition > 0n)
  } finally {
    await reader.close()
  }
}
