/** What `doctor` looks at of each table: can it be read, who writes it, how its files lie. */

import type { Runtime } from '../compose.ts'
import type { Snapshot } from '../contracts/index.ts'
import type { TimelineEntry } from '../model/index.ts'
import { type Finding, failure, fine, warning } from './checks.ts'
import type { FoundTable } from './context.ts'
import { SMALL_FILE_BYTES } from './file-sizes.ts'
import { countText, sizeText } from './format.ts'

/** Commits that are looked at for other writers: each is one small object to read. */
const COMMITS_MAX = 200
/** Small files beyond this cost readers more than the rows in them. */
const SMALL_FILES_MAX = 100
/** The writer that our own commits name begins so. */
const OWN_WRITER = /^sluice\b/

/** Findings of every table that was begun. */
export async function tableFindings(
  runtime: Runtime,
  tables: readonly FoundTable[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  for (const { target } of tables) {
    const subject = `table ${target.table}`
    try {
      const opened = await runtime.format.open(target.root)
      if (opened === null) {
        findings.push(fine(subject, 'protocol', 'holds nothing yet'))
        continue
      }
      await using table = opened
      const snapshot = await table.latest()
      const entries = await table.timeline({ limit: COMMITS_MAX })
      findings.push(...describeTable(subject, snapshot, entries))
    } catch (error) {
      findings.push(failure(subject, 'protocol', error))
    }
  }
  return findings
}

/** Pure: what a snapshot and its last commits tell. */
export function describeTable(
  subject: string,
  snapshot: Snapshot,
  entries: readonly TimelineEntry[],
): readonly Finding[] {
  const seen = `version ${snapshot.version} is readable, ${countText(snapshot.rowCount)} rows`
  return [
    fine(subject, 'protocol', seen),
    writersFinding(subject, entries),
    filesFinding(subject, snapshot),
  ]
}

function writersFinding(subject: string, entries: readonly TimelineEntry[]): Finding {
  const foreign = entries.filter(
    ({ operation, writer }) =>
      operation === 'foreign' || (writer !== null && !OWN_WRITER.test(writer)),
  )
  const looked = `the last ${entries.length} commits`
  const [newest] = foreign
  if (newest === undefined) return fine(subject, 'writers', `${looked} are by Sluice`)
  const names = [...new Set(foreign.map(({ writer }) => writer ?? 'unnamed'))].join(', ')
  const seen =
    `${foreign.length} of ${looked} are by others (${names}), the newest is version ` +
    `${newest.version}: ${newest.operationName}`
  const remedy =
    'Compaction and vacuum by others are safe; rows that others write or delete are not in the ' +
    `source. See: sluice commit ${subject.replace('table ', '')} ${newest.version}`
  return warning(subject, 'writers', seen, remedy)
}

function filesFinding(subject: string, snapshot: Snapshot): Finding {
  let small = 0
  for (const file of snapshot.files()) if (file.sizeBytes < SMALL_FILE_BYTES) small++
  const seen =
    `${countText(snapshot.fileCount)} files, ${countText(small)} of them below ` +
    sizeText(SMALL_FILE_BYTES)
  if (small <= SMALL_FILES_MAX) return fine(subject, 'files', seen)
  const remedy =
    'Readers open each. Commit less often (commit.every), partition by less, or compact with ' +
    'another engine: DeltaTable(path).optimize.compact(). See: sluice stats ' +
    subject.replace('table ', '')
  return warning(subject, 'files', seen, remedy)
}
