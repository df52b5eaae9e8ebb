/** Why a row is what it is: every commit that wrote or hid a row of one key, newest first. */

import type { Snapshot, SnapshotAt, Table, VersionChanges } from '../contracts/index.ts'
import type { Engine } from '../engine/index.ts'
import { type DataFile, isSluiceError, userColumns } from '../model/index.ts'
import { cellJson } from './cell.ts'
import { rowsWithout } from './changes-relation.ts'
import { type KeySearch, openKeySearch, type RowImage, type RowPlace } from './key-search.ts'
import { type KeyTexts, rowKey } from './row-key.ts'
import { openWorkspace } from './workspace.ts'

/** Which row, and how much of its history. */
export interface RowHistoryRequest {
  readonly engine: Engine
  readonly table: Table
  /** One text for each key column. */
  readonly key: KeyTexts
  /** Events at most. */
  readonly limit: number
  /** Nothing before this version or time is looked for. */
  readonly since: SnapshotAt | null
}

/** What one version did to the row: no `before` is an insert, no `after` a delete. */
export interface RowEvent {
  readonly version: bigint
  readonly timestampMicros: bigint
  readonly before: RowImage | null
  readonly after: RowImage | null
}

/** The history of a row, as far as it was looked for and is readable. */
export interface RowHistory {
  /** The version that was looked at; everything is said with its columns. */
  readonly snapshot: Snapshot
  /** Names of the columns that the values of an image belong to. */
  readonly columns: readonly string[]
  /** The row as it is; more than one only where the key is not kept unique; none when deleted. */
  readonly live: readonly RowImage[]
  /** Newest first. */
  readonly events: readonly RowEvent[]
  /**
   * Why nothing older is told: the table began there, `limit` or `since` was reached, or the log
   * (`log-gone`) or data files (`files-gone`) of older versions are no longer there.
   */
  readonly end: 'beginning' | 'limit' | 'since' | 'log-gone' | 'files-gone'
  /** The oldest version that was looked at. */
  readonly oldestVersion: bigint
}

/** Versions whose changes are held at once. */
const VERSIONS_PER_STEP = 64n

/**
 * Follows the key through the versions, newest first. Each data file that may hold the key is read
 * once, for the key columns alone; the rows that an event tells of are read by their position.
 * Rows that were only moved between files are no event.
 * Throws SLU-SQL-6007 when a text is no value of its column, and what the table throws.
 */
export async function rowHistory(request: RowHistoryRequest): Promise<RowHistory> {
  const { engine, table } = request
  await using workspace = await openWorkspace(engine)
  const snapshot = await table.latest()
  const key = await rowKey(workspace.session, snapshot.schema, request.key)
  const search = await openKeySearch(workspace, table, { key, snapshot })
  const told = await walk(request, search, snapshot.version)
  return {
    snapshot,
    columns: userColumns(snapshot.schema).map(({ name }) => name),
    live: await search.images(await search.live()),
    ...told,
  }
}

type Told = Pick<RowHistory, 'events' | 'end' | 'oldestVersion'>

async function walk(request: RowHistoryRequest, search: KeySearch, newest: bigint): Promise<Told> {
  const { table, limit, since } = request
  const events: RowEvent[] = []
  let oldestVersion = newest + 1n
  while (oldestVersion > 0n) {
    if (since?.kind === 'version' && oldestVersion <= since.version) {
      return { events, end: 'since', oldestVersion }
    }
    const below = await changesBelow(table, oldestVersion)
    const step = below.filter((changes) => !isBefore(changes, since))
    for await (const event of stepEvents(search, step)) {
      if (event.kind === 'files-gone') {
        return { events, end: 'files-gone', oldestVersion: event.version + 1n }
      }
      events.push(event.event)
      if (events.length === limit) {
        return { events, end: 'limit', oldestVersion: event.event.version }
      }
    }
    oldestVersion = step.at(-1)?.version ?? oldestVersion
    if (step.length < below.length) return { events, end: 'since', oldestVersion }
    if (below.length === 0) return { events, end: 'log-gone', oldestVersion }
  }
  return { events, end: 'beginning', oldestVersion }
}

function isBefore(changes: VersionChanges, since: SnapshotAt | null): boolean {
  if (since === null) return false
  return since.kind === 'version'
    ? changes.version < since.version
    : changes.timestampMicros < since.micros
}

/** The versions below, newest first, as far as the log has them; none at its beginning. */
async function changesBelow(
  table: Table,
  beforeVersionExclusive: bigint,
): Promise<readonly VersionChanges[]> {
  const to = beforeVersionExclusive - 1n
  const from = to < VERSIONS_PER_STEP ? -1n : to - VERSIONS_PER_STEP
  const whole = await changesOrGone(table, from, to)
  if (whole !== null) return whole.toReversed()
  const kept: VersionChanges[] = []
  for (let version = to; version > from; version--) {
    const one = await changesOrGone(table, version - 1n, version)
    if (one === null) break
    kept.push(...one)
  }
  return kept
}

async function changesOrGone(
  table: Table,
  from: bigint,
  to: bigint,
): Promise<readonly VersionChanges[] | null> {
  try {
    return await table.changes(from, to)
  } catch (error) {
    if (isSluiceError(error, 'SLU-TAB-3004')) return null
    throw error
  }
}

type StepEvent =
  | { readonly kind: 'event'; readonly event: RowEvent }
  /** Files that this version needs are no longer there. */
  | { readonly kind: 'files-gone'; readonly version: bigint }

/** Events of a step; one version at a time when files of it are gone. */
async function* stepEvents(
  search: KeySearch,
  step: readonly VersionChanges[],
): AsyncIterable<StepEvent> {
  try {
    await search.look(step.flatMap(filesOf))
  } catch (error) {
    const [first] = step
    if (!isSluiceError(error, 'SLU-STO-2005') || first === undefined) throw error
    if (step.length === 1) yield { kind: 'files-gone', version: first.version }
    else for (const changes of step) yield* stepEvents(search, [changes])
    return
  }
  for (const event of await readEvents(search, step)) yield { kind: 'event', event }
}

function filesOf({ added, removed, vectorChanges }: VersionChanges): readonly DataFile[] {
  return [...added, ...removed, ...vectorChanges.map(({ after }) => after)]
}

interface Touched {
  readonly changes: VersionChanges
  readonly died: readonly RowPlace[]
  readonly born: readonly RowPlace[]
}

async function readEvents(
  search: KeySearch,
  step: readonly VersionChanges[],
): Promise<readonly RowEvent[]> {
  const touched: Touched[] = []
  for (const changes of step) touched.push(await touchedBy(search, changes))
  const images = await search.images(touched.flatMap(({ died, born }) => [...died, ...born]))
  const events: RowEvent[] = []
  let at = 0
  for (const { changes, died, born } of touched) {
    const before = images.slice(at, at + died.length)
    const after = images.slice(at + died.length, at + died.length + born.length)
    at += died.length + born.length
    events.push(...eventsOf(changes, before, after))
  }
  return events
}

/** Rows of the key that the version took away, and those that it brought. */
async function touchedBy(search: KeySearch, changes: VersionChanges): Promise<Touched> {
  const died: RowPlace[] = []
  const born: RowPlace[] = []
  const add = (to: RowPlace[], file: DataFile, rows: Uint32Array): void => {
    for (const row of rows) to.push({ file, row })
  }
  for (const file of changes.removed) add(died, file, await search.shown(file))
  for (const file of changes.added) add(born, file, await search.shown(file))
  for (const { before, after } of changes.vectorChanges) {
    const [was, is] = [await search.shown(before), await search.shown(after)]
    add(died, after, rowsWithout(was, is))
    add(born, after, rowsWithout(is, was))
  }
  return { changes, died, born }
}

/** Rows that are the same before and after were only moved. */
function eventsOf(
  { version, timestampMicros }: VersionChanges,
  before: readonly RowImage[],
  after: readonly RowImage[],
): readonly RowEvent[] {
  const stayed = new Set(before.map(content))
  const came = new Set(after.map(content))
  const left = before.filter((image) => !came.has(content(image)))
  const right = after.filter((image) => !stayed.has(content(image)))
  const count = Math.max(left.length, right.length)
  return Array.from({ length: count }, (_, index) => ({
    version,
    timestampMicros,
    before: left[index] ?? null,
    after: right[index] ?? null,
  }))
}

function content({ splitNumber, position, values }: RowImage): string {
  return cellJson([splitNumber, position, ...values])
}
