/**
 * What a batch does to a table: one surviving change per key, old rows to delete, partial images
 * resolved.
 */

import { NO_FILE, type RowLocations, TOMBSTONE_FILE } from '../contracts/index.ts'
import { assert } from '../model/index.ts'
import type { KeyGroups } from './key-groups.ts'

/** The changes of a batch in arrival order, as parallel columns of `count` items. */
export interface ChangeColumns {
  readonly count: number
  /**
   * `OP` numbers: 0 insert, 1 update, 2 delete, 3 insert after a key change, 4 truncate, 5 nothing:
   * a record that tells of no row, 6 row of a copy that runs beside the stream.
   */
  readonly ops: Uint8Array
  readonly orderings: BigInt64Array
  /**
   * Per mask column one u32 a change; bit b of mask m stands for partial column 32 m + b. Empty
   * without partials.
   */
  readonly masks: readonly Uint32Array[]
  /** How many columns may be missing. */
  readonly partialColumnCount: number
}

/**
 * Where the rows of the batch's groups were before it, entry g belongs to group g of `KeyGroups`.
 */
export type OldRows = RowLocations

/** Stands in `ValuePatch.sources` for "an old row has the value". */
export const FROM_OLD_ROW = 0xffff_ffff

/** One column's values that changes take from elsewhere; parallel arrays. */
export interface ValuePatch {
  /** Index in `maybeMissing`. */
  readonly column: number
  /** Changes to patch, as row numbers of the change relation. */
  readonly targets: Uint32Array
  /** Row number of the change that has the value; `FROM_OLD_ROW` when an old row has it. */
  readonly sources: Uint32Array
  /** Old row that has the value, where `sources` says so. */
  readonly oldFiles: Uint32Array
  readonly oldRows: Uint32Array
}

/** The decision about a batch. */
export interface MergePlan {
  /** Changes whose rows are written, ascending row numbers. */
  readonly keep: Uint32Array
  /** Per change 1 when it is kept, else 0. */
  readonly keepFlags: Uint8Array
  /** True when every change is kept. */
  readonly keepAll: boolean
  /** Old rows to delete: parallel, in no order. */
  readonly deleteFiles: Uint32Array
  readonly deleteRows: Uint32Array
  /** Groups that end in a delete: index entries to replace. Parallel. */
  readonly goneGroups: Uint32Array
  readonly goneOrderings: BigInt64Array
  /** Groups of which nothing is known any more: index entries to forget. */
  readonly forgottenGroups: Uint32Array
  /** A truncate stood in the batch: every row of the table before it goes. */
  readonly truncates: boolean
  readonly patches: readonly ValuePatch[]
  readonly applied: number
  readonly superseded: number
  /** Records that tell of no row. */
  readonly filtered: number
  readonly inserted: number
  readonly updated: number
  readonly deleted: number
}

const OP_DELETE = 2
const OP_MOVED = 3
const OP_TRUNCATE = 4
const OP_NONE = 5
const OP_COPIED = 6

/**
 * Row number after the last truncate; changes before it are superseded and old rows do not count.
 * Zero when there is none.
 */
export function firstAfterTruncate(ops: Uint8Array, count: number): number {
  for (let row = count - 1; row >= 0; row--) if (ops[row] === OP_TRUNCATE) return row + 1
  return 0
}

/** How changes meet each other and the old rows. */
export interface MergeRules {
  /**
   * The highest ordering of a key wins and an older one than the stored row's is superseded; else
   * arrival order decides.
   */
  readonly byOrdering: boolean
  /**
   * A change may leave values out although nothing has its row: it is superseded, the row will come
   * as a whole. Else that is an error.
   */
  readonly mayLack: boolean
  /** Rows of a copy beside the stream are older than a truncate that was applied. */
  readonly copyIsStale: boolean
}

/**
 * Plans a batch. `oldRows` must hold what the key index says of each group. A copied row is as old
 * as its snapshot: it counts only where nothing is known of its key, neither a row nor a delete.
 */
export function planMerge(
  given: ChangeColumns,
  groups: KeyGroups,
  oldRows: OldRows,
  { byOrdering, mayLack, copyIsStale }: MergeRules,
): MergePlan {
  const start = firstAfterTruncate(given.ops, given.count)
  const outdated = outdatedCopies(given, groups, oldRows, { start, copyIsStale })
  const changes: KnownChanges = { ...given, outdated }
  const winners = pickWinners(changes, groups, start, byOrdering)
  if (mayLack) dropLacking(winners, changes, groups, oldRows, start)
  const decided = decideGroups(winners, changes, groups, oldRows, { start, byOrdering })
  const { keepFlags, deletes, gone, forgotten, counts } = decided
  const truncates = start > 0
  const applied =
    counts.inserted + counts.updated + counts.deleted + counts.noops + (truncates ? 1 : 0)
  const filtered = countNone(changes)
  const keep = collect(keepFlags, counts.kept)
  return {
    keep,
    keepFlags,
    keepAll: counts.kept === changes.count,
    deleteFiles: deletes.files.subarray(0, counts.deletes),
    deleteRows: deletes.rows.subarray(0, counts.deletes),
    goneGroups: gone.groups.subarray(0, counts.gone),
    goneOrderings: gone.orderings.subarray(0, counts.gone),
    forgottenGroups: Uint32Array.from(forgotten),
    truncates,
    patches: changes.masks.length === 0 ? [] : planPatches(changes, groups, oldRows, keep, start),
    applied,
    superseded: changes.count - applied - filtered,
    filtered,
    inserted: counts.inserted,
    updated: counts.updated,
    deleted: counts.deleted,
  }
}

/** What becomes of each group: its old row, its index entry, its winner. */
function decideGroups(
  winners: Int32Array,
  changes: ChangeColumns,
  groups: KeyGroups,
  oldRows: OldRows,
  { start, byOrdering }: { readonly start: number; readonly byOrdering: boolean },
) {
  const keepFlags = new Uint8Array(changes.count)
  const deletes = {
    files: new Uint32Array(groups.groupCount),
    rows: new Uint32Array(groups.groupCount),
  }
  const gone = {
    groups: new Uint32Array(groups.groupCount),
    orderings: new BigInt64Array(groups.groupCount),
  }
  const forgotten: number[] = []
  const counts = { inserted: 0, updated: 0, deleted: 0, deletes: 0, gone: 0, kept: 0, noops: 0 }
  for (let group = 0; group < groups.groupCount; group++) {
    const row = winners[group] as number
    if (row === NO_CHANGE) continue
    const file = start > 0 ? NO_FILE : (oldRows.files[group] as number)
    if (row === LACKING) {
      // Whatever it was before, it is another row by now, which follows as a whole.
      if (file !== NO_FILE) forgotten.push(group)
      if (file >= TOMBSTONE_FILE) continue
      deletes.files[counts.deletes] = file
      deletes.rows[counts.deletes] = oldRows.rows[group] as number
      counts.deletes++
      counts.deleted++
      continue
    }
    if (byOrdering && file !== NO_FILE) {
      const stored = oldRows.orderings[group] as bigint
      if ((changes.orderings[row] as bigint) < stored) continue
    }
    const isLive = file < TOMBSTONE_FILE
    if (isLive) {
      deletes.files[counts.deletes] = file
      deletes.rows[counts.deletes] = oldRows.rows[group] as number
      counts.deletes++
    }
    if (changes.ops[row] === OP_DELETE) {
      gone.groups[counts.gone] = group
      gone.orderings[counts.gone] = changes.orderings[row] as bigint
      counts.gone++
      if (isLive) counts.deleted++
      else counts.noops++
    } else {
      keepFlags[row] = 1
      counts.kept++
      if (isLive) counts.updated++
      else counts.inserted++
    }
  }
  return { keepFlags, deletes, gone, forgotten, counts }
}

/** Changes of which is known which copied rows do not count. */
interface KnownChanges extends ChangeColumns {
  /** Per change 1 for a copied row whose key is known; null when there is none. */
  readonly outdated: Uint8Array | null
}

/** Instead of a winner: the group has no change that counts. */
const NO_CHANGE = -1
/** Instead of a winner: it leaves values out that nothing has. */
const LACKING = -2

const UNKNOWN = 0
const DELETED = 1
const PRESENT = 2

/** Goes through the changes in order: what is known of a key where its copied row comes. */
function outdatedCopies(
  changes: ChangeColumns,
  groups: KeyGroups,
  oldRows: OldRows,
  { start, copyIsStale }: { readonly start: number; readonly copyIsStale: boolean },
): Uint8Array | null {
  const { ops, masks, count } = changes
  if (!ops.subarray(0, count).includes(OP_COPIED)) return null
  const outdated = new Uint8Array(count)
  const known = new Uint8Array(groups.groupCount)
  if (start === 0) {
    for (let group = 0; group < groups.groupCount; group++) {
      const file = oldRows.files[group] as number
      if (file !== NO_FILE) known[group] = file === TOMBSTONE_FILE ? DELETED : PRESENT
    }
  }
  let before = UNKNOWN
  for (let row = start; row < count; row++) {
    const op = ops[row] as number
    if (op === OP_TRUNCATE || op === OP_NONE) continue
    const group = groups.groupOf[row] as number
    const base = op === OP_MOVED ? before : (known[group] as number)
    before = known[group] as number
    if (op === OP_COPIED) {
      if (copyIsStale || base !== UNKNOWN) outdated[row] = 1
      else known[group] = PRESENT
    } else if (op === OP_DELETE) known[group] = DELETED
    // One that lacks what nothing has is dropped, and makes nothing known.
    else known[group] = base === PRESENT || !isPartial(masks, row) ? PRESENT : UNKNOWN
  }
  return outdated
}

const isPartial = (masks: readonly Uint32Array[], row: number): boolean =>
  masks.some((mask) => mask[row] !== 0)

/** Per group the change that survives; `NO_CHANGE` when all of them lie before a truncate. */
function pickWinners(
  changes: KnownChanges,
  groups: KeyGroups,
  start: number,
  byOrdering: boolean,
): Int32Array {
  const { orderings, ops, count, outdated } = changes
  const winners = new Int32Array(groups.groupCount).fill(NO_CHANGE)
  for (let row = start; row < count; row++) {
    if (ops[row] === OP_TRUNCATE || ops[row] === OP_NONE || outdated?.[row] === 1) continue
    const group = groups.groupOf[row] as number
    const current = winners[group] as number
    if (byOrdering && current >= 0 && (orderings[row] as bigint) < (orderings[current] as bigint)) {
      continue
    }
    winners[group] = row
  }
  return winners
}

function countNone({ ops, count }: ChangeColumns): number {
  let none = 0
  for (let row = 0; row < count; row++) if (ops[row] === OP_NONE) none++
  return none
}

/** Takes out the winners whose missing values are nowhere. */
function dropLacking(
  winners: Int32Array,
  changes: KnownChanges,
  groups: KeyGroups,
  oldRows: OldRows,
  start: number,
): void {
  for (let column = 0; column < changes.partialColumnCount && changes.masks.length > 0; column++) {
    const mask = changes.masks[column >>> 5] as Uint32Array
    const bit = 1 << (column & 31)
    if (!mask.some((value) => (value & bit) !== 0)) continue
    const origins = originsOf(mask, bit, changes, groups, start)
    for (const [group, row] of winners.entries()) {
      if (row < 0 || ((mask[row] as number) & bit) === 0) continue
      const origin = origins[row] as number
      const file = origin >= 0 || start > 0 ? NO_FILE : (oldRows.files[-1 - origin] as number)
      if (origin < 0 && file >= TOMBSTONE_FILE) winners[group] = LACKING
    }
  }
}

function collect(flags: Uint8Array, count: number): Uint32Array {
  const rows = new Uint32Array(count)
  let at = 0
  for (let row = 0; row < flags.length; row++) if (flags[row] === 1) rows[at++] = row
  return rows
}

/**
 * Where each kept partial row takes its missing values from: the nearest earlier change of the key
 * that has the value, else the old row. A moved row (key change) looks at what the line before it,
 * the delete of the old key, stands for.
 */
function planPatches(
  changes: KnownChanges,
  groups: KeyGroups,
  oldRows: OldRows,
  keep: Uint32Array,
  start: number,
): ValuePatch[] {
  const patches: ValuePatch[] = []
  for (let column = 0; column < changes.partialColumnCount; column++) {
    const mask = changes.masks[column >>> 5] as Uint32Array
    const bit = 1 << (column & 31)
    if (!mask.some((value) => (value & bit) !== 0)) continue
    const origins = originsOf(mask, bit, changes, groups, start)
    const targets = keep.filter((row) => ((mask[row] as number) & bit) !== 0)
    if (targets.length === 0) continue
    const patch = {
      column,
      targets,
      sources: new Uint32Array(targets.length),
      oldFiles: new Uint32Array(targets.length),
      oldRows: new Uint32Array(targets.length),
    }
    for (const [index, target] of targets.entries()) {
      const origin = origins[target] as number
      if (origin >= 0) {
        patch.sources[index] = origin
        continue
      }
      const group = -1 - origin
      const file = start > 0 ? NO_FILE : (oldRows.files[group] as number)
      assert(
        file < TOMBSTONE_FILE,
        'SLU-ING-4004',
        'a change leaves a column out, but neither the batch nor the table has its row',
      )
      patch.sources[index] = FROM_OLD_ROW
      patch.oldFiles[index] = file
      patch.oldRows[index] = oldRows.rows[group] as number
    }
    patches.push(patch)
  }
  return patches
}

/**
 * Per change the row number that has its value of one column, or -1 - group when the group's old
 * row has it.
 */
function originsOf(
  mask: Uint32Array,
  bit: number,
  changes: KnownChanges,
  groups: KeyGroups,
  start: number,
): Int32Array {
  const origins = new Int32Array(changes.count)
  for (let row = start; row < changes.count; row++) {
    const op = changes.ops[row]
    const hasValues = op !== OP_DELETE && op !== OP_NONE && changes.outdated?.[row] !== 1
    if (hasValues && ((mask[row] as number) & bit) === 0) {
      origins[row] = row
      continue
    }
    // A delete carries no values: what it stands for is its predecessor, which a moved row then
    // inherits.
    const base = op === OP_MOVED ? rowBefore(changes, row) : row
    const isMoved = base !== row
    const before = isMoved ? base : (groups.previous[row] as number)
    if (isMoved) origins[row] = origins[before] as number
    else if (before >= start) origins[row] = origins[before] as number
    else origins[row] = -1 - (groups.groupOf[row] as number)
  }
  return origins
}

/** The line before, but for those that tell of no row. */
function rowBefore({ ops }: ChangeColumns, row: number): number {
  let before = row - 1
  while (ops[before] === OP_NONE) before--
  return before
}
