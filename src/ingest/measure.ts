/** What a commit adds to the metrics. */

import type { LaneContext } from './lane-context.ts'
import type { StagedUnit } from './unit.ts'

const COUNTED = ['read', 'applied', 'superseded', 'filtered', 'late'] as const
const CHANGED = ['inserted', 'updated', 'deleted'] as const

/** Counts a commit that is in the table. */
export function measureCommit(
  { pipeline, target, telemetry }: LaneContext,
  operation: string,
  { unit, add, accounting, rejects }: StagedUnit,
): void {
  const labels = { pipeline, table: target.table }
  telemetry.count('sluice_commits_total', 1, { ...labels, operation })
  for (const name of COUNTED) {
    telemetry.count(`sluice_records_${name}_total`, accounting[name], labels)
  }
  for (const name of CHANGED) {
    telemetry.count(`sluice_rows_${name}_total`, accounting[name], labels)
  }
  for (const [code, count] of rejects?.counts ?? []) {
    telemetry.count('sluice_records_rejected_total', count, { ...labels, code })
  }
  const bytes = add.reduce((sum, file) => sum + file.sizeBytes, 0)
  telemetry.count('sluice_written_bytes_total', bytes, labels)
  for (const [step, ms] of Object.entries(unit.timingsMs)) {
    telemetry.observe('sluice_commit_step_seconds', ms / 1000, { ...labels, step })
  }
}
