/** Stages a unit by key: decode, group, look up, plan, patch, write, read back. */

import { NO_FILE, TOMBSTONE_FILE } from '../contracts/index.ts'
import { CHANGE_POSITION, changeSql, maskColumn, maybeMissing, OP_CODES } from '../decode/index.ts'
import type { Session } from '../engine/index.ts'
import { type KeyGroups, type MergePlan, planMerge, setKeys } from '../merge/index.ts'
import {
  assert,
  SluiceError,
  type StagedFile,
  type TableColumn,
  userColumns,
} from '../model/index.ts'
import { decodeFailure } from './decode-failure.ts'
import { type LaneContext, orderingColumn, timed } from './lane-context.ts'
import { applyPatches } from './patch.ts'
import { CHANGE_TABLE, changeKeysSql, KEEP_TABLE, keyKind, NULL_KEY_FLAG } from './stage-sql.ts'
import { groupDeletes, indexFile, outputFolder, stageRows } from './stager.ts'
import { encodeTombstones } from './tombstones.ts'
import type { StagedUnit, Unit } from './unit.ts'

/** A decoded unit: `CHANGE_TABLE` lives in the session. */
export interface DecodedUnit extends AsyncDisposable {
  readonly unit: Unit
  readonly session: Session
  readonly withMasks: boolean
}

/** Decodes the segments into the change relation; independent of every other unit. */
export async function decodeUnit(context: LaneContext, unit: Unit): Promise<DecodedUnit> {
  const session = await context.engine.session()
  try {
    const withMasks = unit.segments.some((segment) => segment.partialCount > 0)
    await timed(context.clock, unit.timingsMs, 'decode', async () => {
      for (const [index, segment] of unit.segments.entries()) {
        const select = changeSql({
          segment,
          columns: userColumns(unit.schema),
          withMasks,
          deleteWhen: context.target.deleteWhen,
        })
        const verb =
          index === 0 ? `CREATE TEMP TABLE ${CHANGE_TABLE} AS` : `INSERT INTO ${CHANGE_TABLE}`
        await session.run(`${verb} ${select}`)
      }
    })
    context.failpoints.hit('decoded')
    const close = async (): Promise<void> => session[Symbol.asyncDispose]()
    return { unit, session, withMasks, [Symbol.asyncDispose]: close }
  } catch (error) {
    await session[Symbol.asyncDispose]()
    throw decodeFailure(error, context, unit)
  }
}

/**
 * Merges the decoded changes into the table's rows and stages the result. In batch order per table.
 */
export async function stageUpsert(
  context: LaneContext,
  decoded: DecodedUnit,
  groups: KeyGroups,
): Promise<StagedUnit> {
  const { unit, session } = decoded
  const { clock, index } = context
  const plan = await timed(clock, unit.timingsMs, 'merge', () => merge(context, decoded, groups))
  context.failpoints.hit('merged')
  if (plan.patches.length > 0) {
    await timed(clock, unit.timingsMs, 'patch', () =>
      applyPatches(context, session, partialColumns(unit), plan.patches),
    )
  }
  const add = await timed(clock, unit.timingsMs, 'stage', () => writeKept(context, decoded, plan))
  context.failpoints.hit('staged')
  const deletes = plan.truncates
    ? []
    : groupDeletes(plan.deleteFiles, plan.deleteRows, context.ordinals)
  await timed(clock, unit.timingsMs, 'index', async () => {
    if (plan.truncates) await index.clear()
    await forgetGone(context, groups, plan)
    for (const file of add) {
      await indexFile({
        session,
        schema: unit.schema,
        ordering: orderingColumn(context, unit.schema),
        url: context.table.stagedUrl(file.path),
        ordinal: context.ordinals.ordinalOf(file.path),
        rowCount: file.statistics.recordCount,
        deletedRows: new Uint32Array(0),
        index,
        scratch: context.scratch,
      })
    }
  })
  const tombstones = await stageTombstones(context, groups, plan)
  return {
    unit,
    add,
    deletes,
    removeAllFiles: plan.truncates,
    accounting: {
      read: unit.recordCount,
      applied: plan.applied,
      superseded: plan.superseded,
      filtered: 0,
      late: 0,
      rejected: 0,
      inserted: plan.inserted,
      updated: plan.updated,
      deleted: plan.deleted,
    },
    details: tombstones === null ? {} : { tombstones },
  }
}

const partialColumns = (unit: Unit): readonly TableColumn[] =>
  maybeMissing(userColumns(unit.schema))

async function merge(
  context: LaneContext,
  decoded: DecodedUnit,
  groups: KeyGroups,
): Promise<MergePlan> {
  const { unit, session } = decoded
  const count = unit.recordCount
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
  const masks = decoded.withMasks ? await readMasks(session, unit, count) : []
  groups.group(hashes, count)
  const oldRows = scratch.locations('groups', groups.groupCount)
  await context.index.lookup(groups.groupHashes, groups.groupCount, oldRows)
  return planMerge(
    { count, ops, orderings, masks, partialColumnCount: partialColumns(unit).length },
    groups,
    oldRows,
    ordering !== null,
  )
}

/** Refuses changes without a key, except truncates, whose flag is taken off. */
function checkKeys(context: LaneContext, unit: Unit, ops: Uint8Array): void {
  for (const [row, op] of ops.entries()) {
    if (op < NULL_KEY_FLAG) continue
    ops[row] = op - NULL_KEY_FLAG
    if (ops[row] === OP_CODES.truncate) continue
    const first = unit.segments[0]?.firstPosition ?? 0n
    throw new SluiceError('SLU-ING-4003', {
      message:
        `record ${row + 1} of ${context.target.stream} from position ${first} has no value in a ` +
        `key column (${unit.schema.key.join(', ')})`,
      context: { stream: context.target.stream, table: context.target.table, row },
    })
  }
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
  decoded: DecodedUnit,
  plan: MergePlan,
): Promise<readonly StagedFile[]> {
  const { unit, session } = decoded
  if (plan.keep.length === 0) return []
  let from = `${CHANGE_TABLE}`
  if (!plan.keepAll) {
    await session.run(`CREATE TEMP TABLE ${KEEP_TABLE} (row UINTEGER)`)
    await session.append(KEEP_TABLE, [plan.keep], plan.keep.length)
    from = `${CHANGE_TABLE} SEMI JOIN ${KEEP_TABLE} ON ${CHANGE_TABLE}.rowid = ${KEEP_TABLE}.row`
  }
  return stageRows({
    table: context.table,
    session,
    schema: unit.schema,
    splitNumber: unit.header.splitNumber,
    from,
    position: CHANGE_POSITION,
    compressionLevel: context.compressionLevel,
    folder: outputFolder(context, unit),
    uniqueName: context.clock.uuid(),
    onWritten: () => context.failpoints.hit('file-written'),
  })
}

/**
 * Keys that end in a delete leave the index, or stay as tombstones where late changes are possible.
 */
async function forgetGone(context: LaneContext, groups: KeyGroups, plan: MergePlan): Promise<void> {
  const count = plan.goneGroups.length
  if (count === 0) return
  const hashes = goneHashes(groups, plan)
  const locations = context.scratch.locations('gone', count)
  locations.files.fill(context.target.orderingColumn === null ? NO_FILE : TOMBSTONE_FILE)
  locations.orderings.set(plan.goneOrderings)
  await context.index.put(hashes, count, locations)
}

function goneHashes(groups: KeyGroups, plan: MergePlan): Uint32Array {
  const hashes = new Uint32Array(plan.goneGroups.length * 4)
  for (const [at, group] of plan.goneGroups.entries()) {
    hashes.set(groups.groupHashes.subarray(group * 4, group * 4 + 4), at * 4)
  }
  return hashes
}

async function stageTombstones(
  context: LaneContext,
  groups: KeyGroups,
  plan: MergePlan,
): Promise<string | null> {
  if (context.target.orderingColumn === null || plan.goneGroups.length === 0) return null
  const path = `_sluice_tombstones/${context.clock.uuid()}.bin`
  const bytes = encodeTombstones(goneHashes(groups, plan), plan.goneOrderings)
  await context.table.stageBytes(path, bytes)
  return path
}
