/**
 * What happens before anything is read: connect, check the server, decide about the slot, make what
 * is missing.
 */

import type { SourceContext, SourceMemory, SourceStart } from '../../src/contracts/index.ts'
import {
  type Cursor,
  isSluiceError,
  type JsonObject,
  onlyCursor,
  SluiceError,
  type SourcePosition,
} from '../../src/model/index.ts'
import {
  readPublishesGenerated,
  readServer,
  readSlot,
  readTypes,
  requireTables,
  type ServerFacts,
  type TableFacts,
} from './catalog.ts'
import { type Connection, connect } from './connection.ts'
import { postgresError } from './errors.ts'
import { formatLsn, parseLsn } from './lsn.ts'
import {
  ensurePublication,
  findStrays,
  noteOfTables,
  readPublication,
  strayError,
} from './publication.ts'
import type { SchemaRegistry } from './schemas.ts'
import {
  parseTimelineHistory,
  planSlot,
  type ServerIdentity,
  type SlotFacts,
  type SlotPlan,
  slotIdentity,
} from './slot.ts'
import { createSlot, type ExportedSnapshot } from './snapshot-copy.ts'
import type { PostgresSettings } from './spec.ts'
import type { TypeCatalog } from './types.ts'
import { UntoldWatch } from './untold.ts'

/** What a session starts from: a slot is one split, so a table has one cursor, or none yet. */
export interface SlotStart extends Omit<SourceStart, 'streams'> {
  readonly streams: ReadonlyMap<string, Cursor | null>
}

/** The request of a session, with the one cursor of each table. */
export function slotStart(request: SourceStart): SlotStart {
  const cursors = [...request.streams].map(([stream, all]) => [stream, onlyCursor(all)] as const)
  return { ...request, streams: new Map(cursors) }
}

/** What a session is opened with. */
export interface SessionOptions {
  readonly settings: PostgresSettings
  readonly context: SourceContext
  readonly names: { readonly slot: string; readonly publication: string }
  readonly schemas: SchemaRegistry
  readonly request: SlotStart
  /** False when an earlier session found that the spool cannot hold what is in progress. */
  readonly mayStream: boolean
  readonly onSpoolFull: () => void
}

/** Oldest server whose publications can publish through the partition root. */
const VERSION_MIN = 130000

/** Everything that is known when the session opens. */
export interface Opening {
  readonly connection: Connection
  readonly replication: Connection
  readonly server: ServerFacts
  readonly identity: JsonObject
  readonly tables: readonly TableFacts[]
  /** The cursors to go on from: none where changes are missing and the copy begins anew. */
  readonly streams: ReadonlyMap<string, Cursor | null>
  readonly types: TypeCatalog
  /** Streams that were published before this opening added any: no change of theirs is missing. */
  readonly publishedStreams: ReadonlySet<string>
  /** Snapshot of the slot that was just made; null when the slot was there. */
  readonly snapshot: ExportedSnapshot | null
  readonly untold: UntoldWatch
  /** What the slot has confirmed: nothing before it is needed by any table. */
  readonly confirmedPosition: SourcePosition
}

/** Opens both connections and makes sure of publication and slot. Throws coded errors. */
export async function openServer(options: SessionOptions): Promise<Opening> {
  const { settings, context, request } = options
  const purpose = { settings, context, signal: request.signal }
  const connection = await connect({ ...purpose, replication: false })
  let replication: Connection | null = null
  try {
    const server = await readServer(connection)
    requireUsableServer(server)
    replication = await connect({ ...purpose, replication: true })
    const open = settings.snapshot.mode === 'initial_only' ? openCopyOnly : openSlot
    return await open(options, connection, replication, server)
  } catch (error) {
    await replication?.close()
    await connection.close()
    throw postgresError(error, 'opening the Postgres source')
  }
}

/** Throws SLU-SRC-1203, 1221 and 1223. */
export function requireUsableServer(server: ServerFacts): void {
  if (server.versionNumber < VERSION_MIN) {
    throw new SluiceError('SLU-SRC-1221', {
      message:
        `the server is version ${Math.floor(server.versionNumber / 10000)}; 13 is the ` +
        'oldest supported',
    })
  }
  if (server.isStandby) {
    throw new SluiceError('SLU-SRC-1223', {
      message: 'the server is a standby; copy and stream must come from the primary',
    })
  }
  if (server.walLevel !== 'logical') {
    throw new SluiceError('SLU-SRC-1203', {
      message: `wal_level is ${server.walLevel}`,
      context: { walLevel: server.walLevel },
    })
  }
}

/** For a copy that nothing follows: its snapshot comes with a slot that ends with it. */
async function openCopyOnly(
  options: SessionOptions,
  connection: Connection,
  replication: Connection,
  server: ServerFacts,
): Promise<Opening> {
  const { identity } = await identifySystem(replication)
  return {
    connection,
    replication,
    server,
    identity: slotIdentity(options.names.slot, identity),
    tables: await requireAll(options, connection),
    streams: options.request.streams,
    types: await readTypes(connection),
    untold: await openWatch(options, connection),
    publishedStreams: new Set(),
    snapshot: null,
    confirmedPosition: 0n,
  }
}

async function openSlot(
  options: SessionOptions,
  connection: Connection,
  replication: Connection,
  server: ServerFacts,
): Promise<Opening> {
  const { settings, context, names, request } = options
  const system = await identifySystem(replication)
  const note = await request.memory.read()
  const { plan, streams: planned } = planOpening(options, {
    slot: names.slot,
    database: system.database,
    server: system.identity,
    endPosition: system.endPosition,
    departures: await readDepartures(replication, system.identity.timeline),
    note,
    found: await readSlot(connection, names.slot),
    cursors: [...request.streams.values()].filter((cursor) => cursor !== null),
  })
  const wanted = await requireAll(options, connection)
  const followed = await withoutStrays(options, connection, { planned, wanted, note })
  const published = await readPublication(connection, names.publication, server.versionNumber)
  await ensurePublication({
    connection,
    name: names.publication,
    tables: wanted,
    mayChange: settings.createPublication,
    versionNumber: server.versionNumber,
    telemetry: context.telemetry,
  })
  options.schemas.publishesGenerated = await readPublishesGenerated(connection, names.publication)
  const snapshot = await makeSlot(options, connection, replication, plan, system.identity)
  if (plan.kind === 'use') await noteTimeline(options, system.identity)
  const untold = await openWatch(options, connection)
  const copied = new Set(copyStreams(followed))
  const again = await untold.look(wanted.filter(({ stream }) => !copied.has(stream)))
  const streams = new Map([...followed, ...again.map((stream) => [stream, null] as const)])
  return {
    connection,
    replication,
    server,
    identity: slotIdentity(names.slot, system.identity),
    tables: wanted,
    streams,
    types: await readTypes(connection),
    untold,
    publishedStreams: published?.streams ?? new Set(),
    snapshot,
    confirmedPosition: plan.kind === 'use' ? plan.confirmedPosition : (snapshot?.position ?? 0n),
  }
}

function openWatch(
  { settings, context, schemas, request }: SessionOptions,
  connection: Connection,
): Promise<UntoldWatch> {
  const columns = new Map(
    [...(request.columns ?? [])].map(([stream, origins]) => {
      const attnums = origins.flatMap(({ id }) => id ?? [])
      return [stream, new Set(attnums)] as const
    }),
  )
  const { memory } = request
  return UntoldWatch.open({ settings, context, connection, memory, schemas, columns })
}

/** A table that a pattern chose may have gone since: the next start chooses again. */
async function requireAll(
  { request }: SessionOptions,
  connection: Connection,
): Promise<readonly TableFacts[]> {
  const { streams, matched } = request
  try {
    return await requireTables(connection, [...streams.keys()])
  } catch (error) {
    const stream = isSluiceError(error, 'SLU-SRC-1206') ? error.context.stream : undefined
    if (typeof stream !== 'string' || matched?.has(stream) !== true) throw error
    throw new SluiceError('SLU-SRC-1232', {
      message: `${stream} has just gone`,
      context: { stream },
      cause: error,
    })
  }
}

/**
 * Followed tables must be the same as before, and published since. Those that are not are copied
 * again where a pattern chose them. Throws SLU-SRC-1216 for the others.
 */
async function withoutStrays(
  { context, names, request }: SessionOptions,
  connection: Connection,
  facts: {
    readonly planned: ReadonlyMap<string, Cursor | null>
    readonly wanted: readonly TableFacts[]
    readonly note: JsonObject | null
  },
): Promise<ReadonlyMap<string, Cursor | null>> {
  const copied = new Set(copyStreams(facts.planned))
  const tables = facts.wanted.filter((table) => !copied.has(table.stream))
  const name = names.publication
  const streams = new Map(facts.planned)
  for (const stray of await findStrays({ connection, name, tables, note: facts.note })) {
    if (request.matched?.has(stray.stream) !== true) throw strayError(stray, name)
    context.telemetry.log('warn', 'a table is copied again', {
      code: 'SLU-SRC-1233',
      stream: stray.stream,
      reason: stray.message,
    })
    streams.set(stray.stream, null)
  }
  return streams
}

/** What a lost slot means is decided here: the error, or no cursor at all. */
function planOpening(
  { settings, context, request }: SessionOptions,
  facts: SlotFacts,
): { readonly plan: SlotPlan; readonly streams: ReadonlyMap<string, Cursor | null> } {
  try {
    return { plan: planSlot(facts), streams: request.streams }
  } catch (error) {
    if (settings.onSlotLost !== 'resync' || !isSlotLoss(error)) throw error
    context.telemetry.log('warn', 'changes are missing: every table is copied again', {
      slot: facts.slot,
      code: error.code,
      reason: error.message,
    })
    const cursors = facts.cursors.map((cursor) => ({ ...cursor, phase: 'copy' as const }))
    const streams = new Map([...request.streams.keys()].map((stream) => [stream, null]))
    return { plan: planSlot({ ...facts, cursors }), streams }
  }
}

/** A slot that is gone or moved; not another server or history, which may be a mistake. */
function isSlotLoss(error: unknown): error is SluiceError {
  return isSluiceError(error, 'SLU-SRC-1211') || isSluiceError(error, 'SLU-SRC-1212')
}

/**
 * Remembers which tables are meant: another table of the same name later is not the same stream.
 * Only when those that are copied again say so themselves, since this forgets why.
 */
export async function noteTables(
  memory: SourceMemory,
  tables: readonly TableFacts[],
): Promise<void> {
  const note = (await memory.read()) ?? {}
  const known = noteOfTables(note)
  const wanted = Object.fromEntries(tables.map((table) => [table.stream, table.oid]))
  if (tables.every((table) => known[table.stream] === table.oid)) return
  await memory.write({ ...note, tables: { ...known, ...wanted } })
}

/**
 * Makes the slot when there is none. The note stands before the slot, so that a crash between is
 * known.
 */
async function makeSlot(
  options: SessionOptions,
  connection: Connection,
  replication: Connection,
  plan: SlotPlan,
  server: ServerIdentity,
): Promise<ExportedSnapshot | null> {
  const { names, request, context } = options
  if (plan.kind === 'use') return null
  const note = { kind: 'postgres', ...slotIdentity(names.slot, server) }
  await request.memory.write({ ...note, publication: names.publication, state: 'creating' })
  if (plan.kind === 'replace') {
    await connection.query('SELECT pg_drop_replication_slot($1)', [names.slot])
  }
  const snapshot = await createSlot(replication, names.slot, false)
  await request.memory.write({
    ...note,
    publication: names.publication,
    state: 'created',
    consistentLsn: formatLsn(snapshot.position),
  })
  context.telemetry.log('info', 'made the replication slot', {
    slot: names.slot,
    position: formatLsn(snapshot.position),
  })
  return snapshot
}

/**
 * Remembers that the tables go on along the server's timeline: from now on they hold more than the
 * one before had, and only this note tells that it was checked.
 */
async function noteTimeline(options: SessionOptions, server: ServerIdentity): Promise<void> {
  const { names, request, context } = options
  const note = await request.memory.read()
  if (note?.timeline === server.timeline) return
  context.telemetry.log('warn', 'the server has a new timeline, and holds all that the tables do', {
    slot: names.slot,
    timeline: server.timeline,
  })
  const more = { kind: 'postgres', publication: names.publication, state: 'followed' }
  await request.memory.write({ ...note, ...more, ...slotIdentity(names.slot, server) })
}

interface SystemFacts {
  readonly identity: ServerIdentity
  readonly database: string
  readonly endPosition: SourcePosition
}

async function identifySystem(replication: Connection): Promise<SystemFacts> {
  const rows = await replication.query<{
    systemid: string
    /** int4 until version 14, int8 (as text) since. */
    timeline: number | string
    xlogpos: string
    dbname: string
  }>('IDENTIFY_SYSTEM')
  const { systemid, timeline, xlogpos, dbname } = rows[0]!
  return {
    identity: { systemIdentifier: systemid, timeline: Number(timeline) },
    database: dbname,
    endPosition: parseLsn(xlogpos),
  }
}

/** The first timeline has no history. */
async function readDepartures(
  replication: Connection,
  timeline: number,
): Promise<ReadonlyMap<number, SourcePosition>> {
  if (timeline === 1) return new Map()
  const rows = await replication.query<{ content: string | Buffer }>(`TIMELINE_HISTORY ${timeline}`)
  return parseTimelineHistory(String(rows[0]?.content ?? ''))
}

/** Streams whose copy is not complete. */
export function copyStreams(streams: SlotStart['streams']): string[] {
  return [...streams].filter(([, cursor]) => needsCopy(cursor)).map(([stream]) => stream)
}

/** True when the table behind the cursor has no complete copy. */
export function needsCopy(cursor: Cursor | null): boolean {
  return cursor === null || cursor.phase === 'copy'
}
