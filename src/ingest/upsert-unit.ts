/** Stages a unit by key: decode, group, look up, plan, patch, write, read back. */

import { NO_FILE, TOMBSTONE_FILE } from '../contracts/index.ts'
import { CHANGE_POSITION, changeSql, maskColumn, maybeMissing, OP_CODES } from '../decode/index.ts'
import type { Session } from '../engine/index.ts'
import { KeyGroups, type MergePlan, planMerge, setKeys } from '../merge/index.ts'
import {
  assert,
  type RowDeletes,
  SluiceError,
  type StagedFile,
  type TableColumn,
  userColumns,
} from '../model/index.ts'
import { type LaneContext, orderingColumn, timed } from './lane-context.ts'
import { applyPatches } from './patch.ts'
import { mayReject, rejecting } from './rejecting.ts'
import { landedBytes, patchedBytes, rowGroupRows } from './row-groups.ts'
import {
  CHANGE_TABLE,
  changeKeysSql,
  copyAgeSql,
  KEEP_TABLE,
  keyKind,
  NULL_KEY_FLAG,
  nullKeysSql,
} from './stage-sql.ts'
import {
  checkPlaces,
  groupDeletes,
  indexStaged,
  outputFolder,
  plainPath,
  stageUnitRows,
} from './stager.ts'
import { encodeTombstones } from './tombstones.ts'
import {
  onlySplitNumber,
  type PlacedSegment,
  type StagedRejects,
  type StagedUnit,
  splitSql,
  type Unit,
} from './unit.ts'

/** A decoded unit: `CHANGE_TABLE` lives in the session. */
export interface DecodedUnit extends AsyncDisposable {
  readonly unit: Unit
  readonly session: Session
  readonly withMasks: boolean
  readonly rejects: StagedRejects | null
  /** Rows of `CHANGE_TABLE`: the records that were not rejected. */
  readonly changeCount: number
}

/** Decodes the segments into the change relation; independent of every other unit. */
export async function decodeUnit(context: LaneContext, unit: Unit): Promise<DecodedUnit> {
  const session = await context.engine.session()
  try {
    const withMasks = unit.segments.some((segment) => segment.partialCount > 0)
    const { rejects } = await timed(context.clock, unit.timingsMs, 'decode', () =>
      rejecting(context, unit, session, (segments) =>
        decodeSegments(context, unit, session, { segments, withMasks }),
      ),
    )
    context.failpoints.hit('decoded')
    const close = async (): Promise<void> => session[Symbol.asyncDispose]()
    const changeCount = unit.recordCount - (rejects?.count ?? 0)
    return { unit, session, withMasks, rejects, changeCount, [Symbol.asyncDispose]: close }
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw error
  }
}

async function decodeSegments(
  context: LaneContext,
  unit: Unit,
  session: Session,
  {
    segments,
    withMasks,
  }: { readonly segments: readonly PlacedSegment[]; readonly withMasks: boolean },
): Promise<void> {
  for (const [index, segment] of segments.entries()) {
    const select = changeSql({
      segment,
      columns: userColumns(unit.schema),
      places: segment.places,
      initials: segment.initials,
      withMasks,
      split: onlySplitNumber(unit),
      deleteWhen: context.target.deleteWhen,
      identifying: { key: unit.schema.key, ordering: context.target.orderingColumn },
    })
    const verb =
      index === 0
        ? `CREATE OR REPLACE TEMP TABLE ${CHANGE_TABLE} AS`
        : `INSERT INTO ${CHANGE_TABLE}`
    await session.run(`${verb} ${select}`)
  }
  if (mayReject(context)) await refuseNullKeys(context, unit, session)
}

/** Where records may be rejected, those without a key are found before rows are numbered. */
async function refuseNullKeys(context: LaneContext, unit: Unit, session: Session): Promise<void> {
  const found = await session.query(nullKeysSql(unit.schema))
  const [row] = found.rows[0] ?? []
  if (row !== null && row !== undefined) throw nullKey(context, unit, Number(row))
}

/** A unit whose rows have their places: the index knows them, the next unit may be merged. */
export interface MergedUnit {
  readonly plan: MergePlan
  readonly uniqueName: string
  /**
   * Keys of the rows in the order they will be written; null when the engine decides the places.
   */
  readonly expectedKeys: Uint32Array | null
  readonly deletes: readonly RowDeletes[]
  readonly tombstones: Uint8Array | null
}

/** True when a unit's rows end in one file, so that their places are known before it is written. */
export function hasPlainFile(unit: Unit): boolean {
  return unit.schema.partitionBy.length === 0
}

/** What the merges of one lane share. */
export interface MergeState {
  readonly groups: KeyGroups
  /** The newest truncate while a copy was not complete: copied rows from before it are gone. */
  truncatedAt: bigint | null
}

/** The state of a lane that has merged nothing. */
export function createMergeState(): MergeState {
  return { groups: new KeyGroups(), truncatedAt: null }
}

/** Merges the decoded changes into the table's rows. In batch order per table. */
export async function mergeUnit(
  context: LaneContext,
  decoded: DecodedUnit,
  state: MergeState,
): Promise<MergedUnit> {
  const { unit } = decoded
  const { groups } = state
  const uniqueName = context.clock.uuid()
  const merged = await timed(context.clock, unit.timingsMs, 'merge', async () => {
    const { plan, keys, orderings } = await merge(context, decoded, state)
    const deletes = plan.truncates
      ? []
      : groupDeletes(plan.deleteFiles, plan.deleteRows, context.ordinals)
    if (plan.truncates) await context.index.clear()
    await forgetGone(context, unit, groups, plan)
    const expectedKeys = hasPlainFile(unit)
      ? await placeRows(context, { plan, keys, orderings }, uniqueName)
      : null
    const tombstones = tombstoneBytes(context, groups, plan)
    return { plan, uniqueName, expectedKeys, deletes, tombstones }
  })
  context.failpoints.hit('merged')
  return merged
}

/**
 * Tells the index where the kept rows will be, so that the next unit need not wait for the file.
 * What the file holds is checked row by row before it can be committed.
 */
async function placeRows(
  { scratch, ordinals, index }: LaneContext,
  { plan, keys: changeKeys, orderings }: PlannedChanges,
  uniqueName: string,
): Promise<Uint32Array> {
  const { keep } = plan
  const count = keep.length
  const keys = new Uint32Array(count * 4)
  if (count === 0) return keys
  const locations = scratch.locations('stored', count)
  for (let row = 0; row < count; row++) {
    const from = (keep[row] as number) * 4
    const to = row * 4
    keys[to] = changeKeys[from] as number
    keys[to + 1] = changeKeys[from + 1] as number
    keys[to + 2] = changeKeys[from + 2] as number
    keys[to + 3] = changeKeys[from + 3] as number
    locations.rows[row] = row
  }
  copyLongs(orderings, keep, locations.orderings)
  locations.files.fill(ordinals.ordinalOf(plainPath(uniqueName)))
  await index.put(keys, count, locations)
  return keys
}

/** `to[i] = from[rows[i]]`, without a bigint each. */
function copyLongs(from: BigInt64Array, rows: Uint32Array, to: BigInt64Array): void {
  const source = new Uint32Array(from.buffer, from.byteOffset, from.length * 2)
  const target = new Uint32Array(to.buffer, to.byteOffset, to.length * 2)
  for (let at = 0; at < rows.length; at++) {
    const row = (rows[at] as number) * 2
    target[at * 2] = source[row] as number
    target[at * 2 + 1] = source[row + 1] as number
  }
}

/**
 * Writes a merged unit. `previous` has written the files that missing values may have to come from.
 */
export async function writeUnit(
  context: LaneContext,
  decoded: DecodedUnit,
  merged: MergedUnit,
  previous: Promise<unknown>,
): Promise<StagedUnit> {
  const { unit, session } = decoded
  const { clock } = context
  const { plan } = merged
  if (plan.patches.length > 0) {
    await previous
    await timed(clock, unit.timingsMs, 'patch', () =>
      applyPatches(context, session, partialColumns(unit), plan.patches),
    )
  }
  const add = await timed(clock, unit.timingsMs, 'stage', () => writeKept(context, decoded, merged))
  context.failpoints.hit('staged')
  await timed(clock, unit.timingsMs, 'index', () => settlePlaces(context, decoded, merged, add))
  const tombstones = await stageTombstones(context, merged.tombstones)
  return {
    unit,
    add,
    deletes: merged.deletes,
    removeAllFiles: plan.truncates,
    accounting: {
      read: unit.recordCount,
      applied: plan.applied,
      superseded: plan.superseded,
      filtered: plan.filtered,
      late: 0,
      rejected: decoded.rejects?.count ?? 0,
      inserted: plan.inserted,
      updated: plan.updated,
      deleted: plan.deleted,
    },
    tombstones: tombstones === null ? [] : [tombstones],
    rejects: decoded.rejects,
  }
}

/**
 * Reads the keys back from the files: checks the places told to the index, or tells it the places.
 */
async function settlePlaces(
  context: LaneContext,
  { unit, session }: DecodedUnit,
  { plan, expectedKeys }: MergedUnit,
  add: readonly StagedFile[],
): Promise<void> {
  const { schema } = unit
  const ordering = orderingColumn(context, schema)
  const written = add.reduce((sum, file) => sum + file.statistics.recordCount, 0)
  assert(written === plan.keep.length, 'SLU-BUG-9001', 'rows were lost on the way to their file')
  if (expectedKeys === null) return indexStaged(context, schema, session, add)
  for (const { path } of add) {
    const url = context.table.stagedUrl(path)
    await checkPlaces({ session, schema, ordering, url, expectedKeys })
  }
}

const partialColumns = (unit: Unit): readonly TableColumn[] =>
  maybeMissing(userColumns(unit.schema))

/** A plan with the changes it is about; the arrays are the lane's scratch. */
interface PlannedChanges {
  readonly plan: MergePlan
  readonly keys: Uint32Array
  readonly orderings: BigInt64Array
}

async function merge(
  context: LaneContext,
  decoded: DecodedUnit,
  state: MergeState,
): Promise<PlannedChanges> {
  const { unit, session } = decoded
  const { groups } = state
  const count = decoded.changeCount
  const { scratch } = context
  const hashes = scratch.hashes('changes', count)
  const ops = scratch.ops(count)
  const orderings = scratch.orderings('changes', count)
  const ordering = orderingColumn(context, unit.schema)
  let read = 0
  await session.columns(
    changeKeysSql(unit.schema, ordering),
    [keyKind(unit.schema, ordering), 'u8', 'i64'],
    ([keys, op, order], rows) => {
      assert(read + rows <= count, 'SLU-ING-4003', 'more changes than landed records')
      setKeys(hashes, read, keys, rows)
      ops.set(op, read)
      orderings.set(order, read)
      read += rows
    },
  )
  assert(read === count, 'SLU-ING-4003', `${count} records landed, ${read} changes decoded`)
  checkKeys(context, unit, ops)
  const copyIsStale = await isCopyStale(decoded, ops, state)
  const masks = decoded.withMasks ? await readMasks(session, unit, count) : []
  groups.group(hashes, count)
  const oldRows = scratch.locations('groups', groups.groupCount)
  await context.index.lookup(groups.groupHashes, groups.groupCount, oldRows)
  const plan = planMerge(
    { count, ops, orderings, masks, partialColumnCount: partialColumns(unit).length },
    groups,
    oldRows,
    // The order of the source decides until the table is complete: the rows of the copy are older
    // and newer than the changes around them.
    {
      byOrdering: ordering !== null && !unit.isCopying,
      mayLack: unit.isCopying,
      copyIsStale,
    },
  )
  return { plan, keys: hashes, orderings }
}

/** True when rows of a copy beside the stream are older than a truncate that came before them. */
async function isCopyStale(
  { unit, session }: DecodedUnit,
  ops: Uint8Array,
  state: MergeState,
): Promise<boolean> {
  const truncates = unit.isCopying && ops.includes(OP_CODES.truncate)
  const hasCopied = ops.includes(OP_CODES.copied)
  if (!truncates && (!hasCopied || state.truncatedAt === null)) return false
  const [truncated = null, copied = null] = (await session.query(copyAgeSql())).rows[0] ?? []
  if (truncates) state.truncatedAt = BigInt(truncated as string)
  return copied !== null && BigInt(copied as string) < (state.truncatedAt as bigint)
}

/** Refuses changes without a key, except those of no row, whose flag is taken off. */
function checkKeys(context: LaneContext, unit: Unit, ops: Uint8Array): void {
  for (const [row, op] of ops.entries()) {
    if (op < NULL_KEY_FLAG) continue
    ops[row] = op - NULL_KEY_FLAG
    if (ops[row] !== OP_CODES.truncate && ops[row] !== OP_CODES.none)
      throw nullKey(context, unit, row)
  }
}

function nullKey({ target }: LaneContext, unit: Unit, row: number): SluiceError {
  const first = unit.segments[0]?.firstPosition ?? 0n
  return new SluiceError('SLU-ING-4003', {
    message:
      `record ${row + 1} of ${target.stream} from position ${first} has no value in a ` +
      `key column (${unit.schema.key.join(', ')})`,
    context: { stream: target.stream, table: target.table, row },
  })
}

async function readMasks(session: Session, unit: Unit, count: number): Promise<Uint32Array[]> {
  const masks: Uint32Array[] = []
  for (let number = 0; number * 32 < partialColumns(unit).length; number++) {
    const mask = new Uint32Array(count)
    let read = 0
    await session.columns(
      `SELECT ${maskColumn(number)} FROM ${CHANGE_TABLE}`,
      ['u32'],
      ([values], rows) => {
        mask.set(values, read)
        read += rows
      },
    )
    masks.push(mask)
  }
  return masks
}

async function writeKept(
  context: LaneContext,
  { unit, session, withMasks, changeCount: count }: DecodedUnit,
  { plan, uniqueName }: MergedUnit,
): Promise<readonly StagedFile[]> {
  if (plan.keep.length === 0) return []
  let from: string = CHANGE_TABLE
  if (!plan.keepAll) {
    await session.run(`CREATE TEMP TABLE ${KEEP_TABLE} (is_kept UTINYINT)`)
    await session.append(KEEP_TABLE, [plan.keepFlags], plan.keepFlags.length)
    from = `${CHANGE_TABLE} POSITIONAL JOIN ${KEEP_TABLE} WHERE is_kept = 1`
  }
  const sizeBytes = withMasks ? await patchedBytes(session, unit) : landedBytes(unit)
  return stageUnitRows(context, unit, session, {
    split: splitSql(unit),
    from,
    rowGroupRows: rowGroupRows(context, { count, sizeBytes }),
    position: CHANGE_POSITION,
    folder: outputFolder(context, unit),
    uniqueName,
  })
}

/**
 * Keys that end in a delete leave the index, or stay as tombstones where late changes or rows of a
 * copy are possible.
 */
async function forgetGone(
  context: LaneContext,
  unit: Unit,
  groups: KeyGroups,
  plan: MergePlan,
): Promise<void> {
  await forgetUnknown(context, groups, plan.forgottenGroups)
  const count = plan.goneGroups.length
  if (count === 0) return
  const hashes = hashesOf(groups, plan.goneGroups)
  const locations = context.scratch.locations('gone', count)
  const isRemembered = unit.isCopying || context.target.orderingColumn !== null
  locations.files.fill(isRemembered ? TOMBSTONE_FILE : NO_FILE)
  locations.orderings.set(plan.goneOrderings)
  await context.index.put(hashes, count, locations)
}

/** Keys of which another row will come leave the index. */
async function forgetUnknown(
  { index, scratch }: LaneContext,
  groups: KeyGroups,
  unknown: Uint32Array,
): Promise<void> {
  if (unknown.length === 0) return
  const locations = scratch.locations('gone', unknown.length)
  locations.files.fill(NO_FILE)
  await index.put(hashesOf(groups, unknown), unknown.length, locations)
}

function hashesOf(groups: KeyGroups, wanted: Uint32Array): Uint32Array {
  const hashes = new Uint32Array(wanted.length * 4)
  for (const [at, group] of wanted.entries()) {
    hashes.set(groups.groupHashes.subarray(group * 4, group * 4 + 4), at * 4)
  }
  return hashes
}

function tombstoneBytes(
  context: LaneContext,
  groups: KeyGroups,
  plan: MergePlan,
): Uint8Array | null {
  if (context.target.orderingColumn === null || plan.goneGroups.length === 0) return null
  return encodeTombstones(hashesOf(groups, plan.goneGroups), plan.goneOrderings)
}

async function stageTombstones(
  context: LaneContext,
  bytes: Uint8Array | null,
): Promise<string | null> {
  if (bytes === null) return null
  const path = `_sluice_tombstones/${context.clock.uuid()}.bin`
  await context.table.stageBytes(path, bytes)
  return path
}
