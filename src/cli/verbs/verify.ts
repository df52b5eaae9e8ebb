/** `sluice verify TABLE --against source`: is the table what the source holds, row for row? */

import { compareWithSource } from '../../compare.ts'
import { readStatus } from '../../observe/index.ts'
import { findTable, type VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { countText, durationText, positionText } from '../format.ts'

/** Options of the command. */
export interface VerifyOptions {
  /** Differing keys to print. */
  readonly sampleMax: number
  /** How long to wait until the table has reached the source. */
  readonly timeoutMs: number
}

/** Exit code 0 when they are equal, 10 when they differ. */
export async function verifyVerb(
  context: VerbContext,
  name: string,
  options: VerifyOptions,
): Promise<number> {
  const { host, output } = context
  await using runtime = await context.openRuntime()
  const found = findTable(runtime.config, name)
  const { pipeline, target, sourceType } = found
  const startMs = host.clock.monotonicMs()
  const isIngesting = (): boolean => {
    const written = readStatus(runtime.config.workFolder, pipeline.name)
    return written !== null && host.isAlive(written.processId)
  }
  const compared = await compareWithSource(runtime, pipeline, target, { ...options, isIngesting })
  const { result, position, version } = compared
  const { cellJson, plainCell } = await import('../../read/index.ts')
  const isEqual = result.missingRows === 0n && result.extraRows === 0n
  const tookMs = Math.round(host.clock.monotonicMs() - startMs)
  output.document('verify', {
    table: target.table,
    equal: isEqual,
    version,
    position,
    rowsTable: result.rowsTable,
    rowsSource: result.rowsSource,
    missingRows: result.missingRows,
    extraRows: result.extraRows,
    unsettledKeys: result.unsettledKeys,
    differences: result.sample.map(({ kind, key }) => ({ kind, key: key.map(plainCell) })),
    tookMs,
  })
  output.facts([
    ['table', `${target.table} at version ${version}: ${countText(result.rowsTable)} rows`],
    ['source', `${target.stream}: ${countText(result.rowsSource)} rows`],
    ['position', positionText(position, sourceType)],
    ['result', isEqual ? 'equal, row for row' : 'DIFFERENT'],
    ['left out', unsettledText(result.unsettledKeys)],
    ['took', durationText(tookMs)],
  ])
  if (isEqual) return EXIT.ok
  output.facts([
    ['missing', `${countText(result.missingRows)} rows of the source are not in the table`],
    ['extra', `${countText(result.extraRows)} rows of the table are not in the source`],
  ])
  output.table(
    [
      { title: 'difference', align: 'left' },
      { title: 'key', align: 'left' },
    ],
    result.sample.map(({ kind, key }) => [kind, key.map((cell) => cellJson(cell)).join(', ')]),
  )
  return EXIT.differences
}

function unsettledText(keys: bigint): string {
  if (keys === 0n) return 'nothing'
  return `${countText(keys)} keys that changed while the two were being compared`
}
