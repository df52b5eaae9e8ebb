/** Puts the units of a lane to work: what of them overlaps, and what goes in batch order. */

import type { Snapshot } from '../contracts/index.ts'
import { stageAppend } from './append-unit.ts'
import type { LaneContext } from './lane-context.ts'
import { stageRewrite } from './rewrite-unit.ts'
import { emptyStagedUnit, type StagedUnit, type Unit } from './unit.ts'
import {
  createMergeState,
  type DecodedUnit,
  decodeUnit,
  hasPlainFile,
  type MergedUnit,
  type MergeState,
  mergeUnit,
  writeUnit,
} from './upsert-unit.ts'

/** Puts units to work. */
export interface Staging {
  stage(unit: Unit, restartsCopy: boolean): Promise<StagedUnit>
  /** `snapshot` holds the units so far. */
  rewrite(unit: Unit, snapshot: Promise<Snapshot>): Promise<StagedUnit>
  /** No later unit is merged before `work` is done. */
  holdFor(work: Promise<unknown>): void
}

/**
 * Stages units. Decoding starts at once. Merging goes in order, because each unit looks up where
 * the one before it put its rows; writing overlaps with the merging of later units. Appends know
 * nothing of each other.
 */
export function createStaging(context: LaneContext): Staging {
  const state = createMergeState()
  /** Settles when the index knows every row of the units so far. */
  let placed: Promise<unknown> = Promise.resolve()
  /** Settles when the files of the units so far are written. */
  let written: Promise<unknown> = Promise.resolve()
  const rewrite: Staging['rewrite'] = (unit, snapshot) => {
    const staged = snapshot.then((base) => stageRewrite(context, unit, base))
    placed = staged
    written = afterBoth(written, staged)
    for (const promise of [staged, written]) promise.catch(() => undefined)
    return staged
  }
  const stage: Staging['stage'] = (unit, restartsCopy) => {
    if (unit.segments.length === 0 && unit.header.copy === null) {
      return Promise.resolve(emptyStagedUnit(unit))
    }
    const isAppend = context.target.mode === 'append'
    const before = isAppend && !restartsCopy ? Promise.resolve() : placed
    if (isAppend || bringsOnlyNewRows(unit)) {
      const staged = before.then(() => stageAppend(context, unit, restartsCopy))
      placed = staged
      written = afterBoth(written, staged)
      for (const promise of [staged, written]) promise.catch(() => undefined)
      return staged
    }
    const decoding = decodeUnit(context, unit)
    const merging = mergeDecoded(context, decoding, state, before)
    const staged = writeMerged(context, decoding, merging, written)
    placed = hasPlainFile(unit) ? merging : staged
    written = afterBoth(written, staged)
    for (const promise of [decoding, merging, staged, written]) promise.catch(() => undefined)
    return staged
  }
  const holdFor: Staging['holdFor'] = (work) => {
    placed = work
    written = afterBoth(written, work)
    written.catch(() => undefined)
  }
  return { stage, rewrite, holdFor }
}

/** True when no row of the unit can be in the table: a copy from empty, or no row at all. */
function bringsOnlyNewRows({ header: { copy }, meetsRows }: Unit): boolean {
  return copy !== null && !meetsRows
}

async function mergeDecoded(
  context: LaneContext,
  decoding: Promise<DecodedUnit>,
  state: MergeState,
  placed: Promise<unknown>,
): Promise<MergedUnit> {
  return mergeUnit(context, await afterBoth(placed, decoding), state)
}

/** Writes when merged; in any case waits for what runs and lets the session go. */
async function writeMerged(
  context: LaneContext,
  decoding: Promise<DecodedUnit>,
  merging: Promise<MergedUnit>,
  written: Promise<unknown>,
): Promise<StagedUnit> {
  const [decoded] = await Promise.allSettled([decoding, merging])
  if (decoded.status === 'rejected') throw decoded.reason
  await using session = decoded.value
  return await writeUnit(context, session, await merging, written)
}

/**
 * The result of `work` when `previous` went well too. Waits for both in any case: when this
 * rejects, nothing of either runs any more, so that what they use can be closed.
 */
export async function afterBoth<Result>(
  previous: Promise<unknown>,
  work: Promise<Result>,
): Promise<Result> {
  await Promise.allSettled([previous, work])
  await previous
  return await work
}
