/** Bench `open`: how long a table of many live files takes to open, and what it holds in memory. */

import { join } from 'node:path'
import { round } from './case-result.ts'
import { runJob } from './jobs.ts'
import type { Opened, TableSums } from './open-job.ts'

/** What to run. */
export interface OpenRequest {
  readonly folder: string
  /** Live files of the table. */
  readonly files: number
  readonly profileFolder: string | null
  readonly print: (line: string) => void
}

/** The result. */
export interface OpenCase {
  readonly case: 'snapshot'
  readonly files: number
  /** From opening to the newest snapshot. */
  readonly seconds: number
  readonly cpuSeconds: number
  readonly peakRssMb: number
  /** What opening added to the highest resident memory of the process. */
  readonly addedRssMb: number
  /** JavaScript heap and buffers that stay taken while the table is open, for each file. */
  readonly bytesPerFile: number
  /** Going through all files once. */
  readonly scanSeconds: number
  /** Commits with deletes in a hundred files each, all over the table. */
  readonly commitMsMedian: number
  readonly commitMsMax: number
  /** What the snapshot should have said and did not; empty when all is right. */
  readonly wrong: readonly string[]
}

/** Makes the table, opens it in another process and compares sums. */
export async function benchOpen(request: OpenRequest): Promise<readonly OpenCase[]> {
  const { files, print } = request
  const folder = join(request.folder, 'open')
  print(`making the log of a table of ${files} files`)
  const made = await runJob<TableSums>({ kind: 'make-log', folder, files })
  print(`made in ${round(made.cost.elapsedMs / 1000, 1)} s; opening it`)
  const opened = await runJob<Opened>({ kind: 'open-log', folder, files }, request.profileFolder)
  const { result, cost } = opened
  const commits = [...result.commitMs].sort((left, right) => left - right)
  return [
    {
      case: 'snapshot',
      files: result.sums.files,
      seconds: round(result.openMs / 1000, 2),
      cpuSeconds: round(cost.cpuSeconds, 2),
      peakRssMb: Math.round(result.peakRssMb),
      addedRssMb: Math.round(result.peakRssMb - result.peakRssMbBefore),
      bytesPerFile: Math.round(result.heldBytes / result.sums.files),
      scanSeconds: round(result.scanMs / 1000, 2),
      commitMsMedian: round(commits[Math.floor(commits.length / 2)] ?? 0, 1),
      commitMsMax: round(commits.at(-1) ?? 0, 1),
      wrong: differences(made.result, result.sums),
    },
  ]
}

/** The result for people. */
export function openLines(cases: readonly OpenCase[]): readonly string[] {
  return cases.flatMap((result) => [
    `${result.case}: ${result.files} files`,
    ...Object.entries(result)
      .filter(([, value]) => typeof value === 'number')
      .map(([name, value]) => `  ${name.padEnd(16)} ${value}`),
    ...result.wrong.map((wrong) => `  WRONG: ${wrong}`),
  ])
}

function differences(wanted: TableSums, found: TableSums): readonly string[] {
  const names = ['version', 'files', 'sizeBytes', 'rows'] as const
  return names
    .filter((name) => wanted[name] !== found[name])
    .map((name) => `${name} is ${found[name]} and should be ${wanted[name]}`)
}
