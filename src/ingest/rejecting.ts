/** Decodes a unit; records that cannot be decoded are passed over where the policy says so. */

import { mkdir, rm } from 'node:fs/promises'
import type { Session } from '../engine/index.ts'
import { isSluiceError, SluiceError } from '../model/index.ts'
import { decodeFailure } from './decode-failure.ts'
import { hasUnreadable, isolate, reasonOf } from './isolate.ts'
import type { LaneContext } from './lane-context.ts'
import { loadMarks } from './record-marks.ts'
import type { Isolation } from './rejects.ts'
import { outputFolder } from './stager.ts'
import type { PlacedSegment, StagedRejects, Unit } from './unit.ts'
import { refuseUnknown } from './unknown-members.ts'

/** What came of it. */
export interface Decoded<Result> {
  readonly result: Result
  readonly rejects: StagedRejects | null
}

/** True when records of the table may be passed over. */
export function mayReject({ target }: LaneContext): boolean {
  return (target.rejects?.onError ?? 'stop') !== 'stop'
}

/**
 * Runs `work` over the unit's segments; when it fails for a record, over segments that pass over
 * such records.
 * Throws SLU-ING-4003 where none may be rejected or none can be told, 4018 for members that no
 * column holds, 4030 above the ceiling.
 */
export async function rejecting<Result>(
  context: LaneContext,
  unit: Unit,
  session: Session,
  work: (segments: readonly PlacedSegment[]) => Promise<Result>,
): Promise<Decoded<Result>> {
  let failure: unknown = null
  await loadMarks(session, unit.segments)
  if (!hasUnreadable(unit)) {
    try {
      return { result: await work(unit.segments), rejects: null }
    } catch (error) {
      failure = error
    }
    if (!isDecodeFailure(failure)) throw failure
    await refuseUnknown(context, unit, session)
  }
  const folder = `${outputFolder(context, unit)}.rejected`
  await mkdir(folder, { recursive: true })
  try {
    const isolation = await isolate(context.target, unit, session, folder).catch(
      (error: unknown) => {
        throw decodeFailure(error, context, unit)
      },
    )
    if (isolation === null) throw decodeFailure(failure, context, unit)
    if (!mayReject(context)) throw explained(failure, isolation, context)
    context.ceiling.check(isolation.count, context.clock.nowMs())
    const rejects = await stageRejects(context, unit, { session, isolation, folder })
    await rm(outputFolder(context, unit), { recursive: true, force: true })
    const result = await work(isolation.segments).catch(async (error: unknown) => {
      await refuseUnknown(context, { ...unit, segments: isolation.segments }, session)
      throw decodeFailure(error, context, unit)
    })
    return { result, rejects }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

const isDecodeFailure = (error: unknown): boolean =>
  isSluiceError(error, 'SLU-ENG-7002') || isSluiceError(error, 'SLU-ING-4003')

async function stageRejects(
  context: LaneContext,
  unit: Unit,
  found: {
    readonly session: Session
    readonly isolation: Isolation
    readonly folder: string
  },
): Promise<StagedRejects> {
  const { isolation, folder } = found
  const { count, counts, example } = isolation
  const { target, compressionLevel } = context
  context.telemetry.log('warn', 'records were rejected', {
    table: target.table,
    count,
    reasons: counts.map(([code, ofCode]) => `${code} ${ofCode}`).join(', '),
    position: example.position,
    place: example.place,
  })
  if (target.rejects?.onError !== 'dlq') return { count, counts, files: [] }
  const { session } = found
  const stage = { session, unit, isolation, folder: `${folder}/out`, compressionLevel }
  return { count, counts, files: await context.deadLetters.stage(stage) }
}

/** The failure with the record that caused it. */
function explained(failure: unknown, isolation: Isolation, { target }: LaneContext): SluiceError {
  const { example, count } = isolation
  const where = example.place === null ? '' : ` (${example.place})`
  const others = count > 1 ? `, and ${count - 1} more of its batch` : ''
  return new SluiceError('SLU-ING-4003', {
    message:
      `the record of ${target.stream} at position ${example.position}${where} does not fit ` +
      `${target.table}${others}: ${reasonOf(example)}`,
    context: {
      stream: target.stream,
      table: target.table,
      position: example.position,
      reason: example.code,
    },
    cause: failure,
  })
}
