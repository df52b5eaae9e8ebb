/** `sluice commit TABLE V`: everything about one commit. */

import { type Accounting, SluiceError } from '../../model/index.ts'
import { findTable, openTable, parseVersion, type VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { countText, durationText, positionText, sizeText, timeText, UNKNOWN } from '../format.ts'
import { jsonText } from '../json.ts'
import { entryJson } from './entry-json.ts'
import { totalMs } from './timeline.ts'

/** Shows one commit with its accounting, step timings and cursors. Throws SLU-CLI-8005. */
export async function commitVerb(
  context: VerbContext,
  name: string,
  versionText: string,
): Promise<number> {
  const version = parseVersion(versionText, 'the version')
  await using runtime = await context.openRuntime()
  const found = findTable(runtime.config, name)
  await using table = await openTable(runtime, found)
  const entry = await table.entry(version)
  if (entry === null) {
    const newest = (await table.latest()).version
    throw new SluiceError('SLU-CLI-8005', {
      message: `table "${found.target.table}" has no commit ${version}; its newest is ${newest}`,
      context: { table: found.target.table, version, newest },
    })
  }
  const { output } = context
  output.document('commit', {
    table: found.target.table,
    commit: { ...entryJson(entry), commitInfo: entry.commitInfo },
  })
  const { accounting } = entry
  const facts: (readonly [string, string])[] = [
    ['version', entry.version.toString()],
    ['time', timeText(entry.timestampMicros)],
    ['kind', `${entry.operation} (${entry.operationName})`],
    ['writer', entry.writer ?? UNKNOWN],
    ['files', `+${entry.addedFiles} -${entry.removedFiles}, ${sizeText(entry.addedBytes)} written`],
    ['rows', `${countText(entry.addedRows)} written, ${countText(entry.deletedRows)} hidden`],
    ['vectors', countText(entry.deletionVectors)],
  ]
  if (accounting !== null) {
    const { inserted, updated, deleted } = accounting
    facts.push(
      ['accounting', sumText(accounting)],
      ['applied', `inserted ${inserted}, updated ${updated}, deleted ${deleted}`],
    )
  }
  for (const cursor of entry.cursors) {
    const position = positionText(cursor.nextPosition, found.sourceType)
    facts.push([
      'cursor',
      `${cursor.split}: ${cursor.phase} up to ${position}, batch ${cursor.batchNumber}`,
    ])
    facts.push(['source time', timeText(cursor.sourceTimeMicros)])
  }
  for (const [step, ms] of Object.entries(entry.stepTimingsMs)) {
    facts.push([`step ${step}`, durationText(ms)])
  }
  facts.push(['took', durationText(totalMs(entry))])
  output.facts(facts)
  if (output.isVerbose) output.text(`\n${jsonText(entry.commitInfo, 2)}\n`)
  return EXIT.ok
}

function sumText({ read, ...parts }: Accounting): string {
  const { applied, superseded, filtered, late, rejected } = parts
  const rest = `filtered ${filtered} + late ${late} + rejected ${rejected}`
  return `read ${read} = applied ${applied} + superseded ${superseded} + ${rest}`
}
