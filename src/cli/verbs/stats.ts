/** `sluice stats TABLE`: how the files of a table lie, and what writing it costs. */

import type { Snapshot } from '../../contracts/index.ts'
import type { TimelineEntry } from '../../model/index.ts'
import { findTable, openTable, type VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { distributionOf, histogramOf, type SizeBucket, SMALL_FILE_BYTES } from '../file-sizes.ts'
import { countText, sizeText, UNKNOWN } from '../format.ts'
import { partitionOf, partitionText } from '../partition-text.ts'
import { deletedRowsOf, liveRowsOf } from './files.ts'

/** Options of the command. */
export interface StatsOptions {
  /** Commits that the write amplification is taken from. */
  readonly commits: number
  /** Partitions to list, the largest first. */
  readonly limit: number
}

interface PartitionStats {
  readonly partition: Readonly<Record<string, string | null>>
  fileCount: number
  sizeBytes: number
  rowCount: number | null
}

interface FileStats {
  /** Ascending. */
  readonly sizes: Float64Array
  readonly deletedRows: number
  readonly filesWithVector: number
  readonly partitions: readonly PartitionStats[]
}

/** Describes the newest version and what its last commits have written. */
export async function statsVerb(
  context: VerbContext,
  name: string,
  options: StatsOptions,
): Promise<number> {
  await using runtime = await context.openRuntime()
  const found = findTable(runtime.config, name)
  await using table = await openTable(runtime, found)
  const snapshot = await table.latest()
  const writing = writingOf(await table.timeline({ limit: options.commits }))
  const files = collectFiles(snapshot)
  const sizes = distributionOf(files.sizes)
  const histogram = histogramOf(files.sizes)
  const smallFiles = files.sizes.filter((size) => size < SMALL_FILE_BYTES).length
  const { output } = context
  const isPartitioned = snapshot.schema.partitionBy.length > 0
  const partitions = isPartitioned ? files.partitions.slice(0, options.limit) : []
  output.document('stats', {
    table: found.target.table,
    version: snapshot.version,
    fileCount: snapshot.fileCount,
    sizeBytes: snapshot.sizeBytes,
    rowCount: snapshot.rowCount,
    deletedRows: files.deletedRows,
    deletedShare: deletedShare(snapshot, files),
    filesWithVector: files.filesWithVector,
    smallFiles,
    smallFileBytes: SMALL_FILE_BYTES,
    fileSizeBytes: sizes,
    histogram,
    partitionCount: isPartitioned ? files.partitions.length : 0,
    partitions,
    writing,
  })
  output.facts([
    ['table', `${found.target.table} at version ${snapshot.version}`],
    ['rows', countText(snapshot.rowCount)],
    ['deleted', deletedText(snapshot, files)],
    ['files', `${countText(snapshot.fileCount)} (${sizeText(snapshot.sizeBytes)})`],
    ['small files', `${countText(smallFiles)} below ${sizeText(SMALL_FILE_BYTES)}`],
    ['file size', sizesText(sizes)],
    ['written', writtenText(writing)],
    ['amplification', amplificationText(writing)],
  ])
  drawHistogram(context, histogram)
  if (isPartitioned) drawPartitions(context, partitions, files.partitions.length)
  return EXIT.ok
}

function collectFiles(snapshot: Snapshot): FileStats {
  const sizes = new Float64Array(snapshot.fileCount)
  const partitions = new Map<string, PartitionStats>()
  let index = 0
  let deletedRows = 0
  let filesWithVector = 0
  for (const file of snapshot.files()) {
    sizes[index++] = file.sizeBytes
    deletedRows += deletedRowsOf(file)
    filesWithVector += file.deletionVector === null ? 0 : 1
    const partition = partitionOf(snapshot.schema, file)
    const id = JSON.stringify(Object.values(partition))
    const stats = partitions.get(id) ?? { partition, fileCount: 0, sizeBytes: 0, rowCount: 0 }
    const rows = liveRowsOf(file)
    stats.fileCount += 1
    stats.sizeBytes += file.sizeBytes
    stats.rowCount = rows === null || stats.rowCount === null ? null : stats.rowCount + rows
    partitions.set(id, stats)
  }
  const bySize = [...partitions.values()].toSorted((a, b) => b.sizeBytes - a.sizeBytes)
  return { sizes: sizes.sort(), deletedRows, filesWithVector, partitions: bySize }
}

/** Share of the stored rows that vectors hide; null when rows are not counted. */
function deletedShare({ rowCount }: Snapshot, { deletedRows }: FileStats): number | null {
  if (rowCount === null) return null
  const stored = Number(rowCount) + deletedRows
  return stored === 0 ? 0 : deletedRows / stored
}

/** What the commits that were looked at have written. */
export interface Writing {
  readonly commits: number
  readonly addedBytes: number
  readonly addedRows: number
  /** Rows that the source inserted or updated, of the commits that count them. */
  readonly changedRows: number
  /** Rows written for each row that changed; null when no commit counts changes. */
  readonly amplification: number | null
}

/** Sums up commits. Rows of a writer that counts no changes are not held against ours. */
export function writingOf(entries: readonly TimelineEntry[]): Writing {
  let addedBytes = 0
  let addedRows = 0
  let changedRows = 0
  for (const entry of entries) {
    addedBytes += entry.addedBytes
    addedRows += entry.operation === 'foreign' ? 0 : entry.addedRows
    changedRows += (entry.accounting?.inserted ?? 0) + (entry.accounting?.updated ?? 0)
  }
  const amplification = changedRows === 0 ? null : addedRows / changedRows
  return { commits: entries.length, addedBytes, addedRows, changedRows, amplification }
}

function deletedText(snapshot: Snapshot, files: FileStats): string {
  const share = deletedShare(snapshot, files)
  const percent = share === null ? UNKNOWN : `${(share * 100).toFixed(1)} %`
  const where = `by vectors in ${countText(files.filesWithVector)} files`
  return `${countText(files.deletedRows)} rows, ${percent} of those stored, ${where}`
}

function sizesText(sizes: ReturnType<typeof distributionOf>): string {
  return Object.entries(sizes)
    .map(([name, size]) => `${name} ${sizeText(size)}`)
    .join(' · ')
}

function writtenText({ commits, addedBytes, addedRows }: Writing): string {
  const rows = `${countText(addedRows)} rows`
  return `${sizeText(addedBytes)}, ${rows}, in the last ${countText(commits)} commits`
}

function amplificationText({ amplification, changedRows }: Writing): string {
  if (amplification === null) return UNKNOWN
  const changed = `${countText(changedRows)} inserted or updated`
  return `${amplification.toFixed(2)} rows written for each of ${changed}`
}

/** Characters of the longest bar. */
const BAR_WIDTH = 30

function drawHistogram({ output }: VerbContext, histogram: readonly SizeBucket[]): void {
  if (histogram.length === 0) return
  const most = Math.max(...histogram.map(({ count }) => count))
  output.text('\n')
  output.table(
    [
      { title: 'file size', align: 'right' },
      { title: 'files', align: 'right' },
      { title: 'size', align: 'right' },
      { title: '', align: 'left' },
    ],
    histogram.map(({ fromBytes, toBytes, count, sizeBytes }) => [
      toBytes === null ? `≥ ${sizeText(fromBytes)}` : `< ${sizeText(toBytes)}`,
      countText(count),
      sizeText(sizeBytes),
      '█'.repeat(Math.ceil((count / most) * BAR_WIDTH)),
    ]),
  )
}

function drawPartitions(
  { output }: VerbContext,
  partitions: readonly PartitionStats[],
  count: number,
): void {
  output.text('\n')
  output.table(
    [
      { title: 'partition', align: 'left' },
      { title: 'files', align: 'right' },
      { title: 'size', align: 'right' },
      { title: 'rows', align: 'right' },
    ],
    partitions.map(({ partition, fileCount, sizeBytes, rowCount }) => [
      partitionText(partition),
      countText(fileCount),
      sizeText(sizeBytes),
      countText(rowCount),
    ]),
  )
  if (partitions.length < count) {
    output.note(`… ${partitions.length} of ${count} partitions: --limit ${count}`)
  }
}
