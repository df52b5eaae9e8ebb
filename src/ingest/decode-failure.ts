/** Says where in the source a record is that could not be decoded. */

import { isSluiceError, SluiceError } from '../model/index.ts'
import type { LaneContext } from './lane-context.ts'
import { rangeText, type Unit } from './unit.ts'

/** Wraps a conversion failure of the engine; every other error passes. */
export function decodeFailure(error: unknown, context: LaneContext, unit: Unit): unknown {
  if (!isSluiceError(error, 'SLU-ENG-7002')) return error
  return new SluiceError('SLU-ING-4003', {
    message:
      `a record of ${context.target.stream} between positions ${rangeText(unit)} ` +
      `does not fit ${context.target.table}: ${error.message}`,
    context: {
      stream: context.target.stream,
      table: context.target.table,
      fromPosition: unit.segments[0]?.firstPosition ?? null,
    },
    cause: error,
  })
}
