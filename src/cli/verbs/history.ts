/** `sluice history TABLE`: every version that changed the columns, and how. */

import type { Table } from '../../contracts/index.ts'
import type { JsonObject, JsonValue, TableSchema, TimelineEntry } from '../../model/index.ts'
import { type FoundTable, findTable, openTable, type VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { positionText, timeJson, timeText, typeText, UNKNOWN } from '../format.ts'
import { differenceText, type SchemaDifference, schemaDifferences } from '../schema-difference.ts'

/** Options of the command. */
export interface HistoryOptions {
  readonly limit: number
}

/** Commits read at a time: a bound on what is held of them. */
const COMMITS_PER_PAGE = 500

interface SchemaCommit {
  readonly entry: TimelineEntry
  readonly schema: TableSchema
}

interface SchemaVersion extends SchemaCommit {
  /** Null for the oldest that the log tells: there is nothing to compare it with. */
  readonly differences: readonly SchemaDifference[] | null
  /** What the policy of the table made of changes that left its columns as they are. */
  readonly notes: readonly string[]
}

interface SchemaVersions {
  readonly versions: readonly SchemaVersion[]
  /** The first version that the log still has; null when the limit came before it. */
  readonly oldestVersion: bigint | null
}

/** Lists schema versions, newest first, as far back as the log goes. */
export async function historyVerb(
  context: VerbContext,
  name: string,
  options: HistoryOptions,
): Promise<number> {
  await using runtime = await context.openRuntime()
  const found = findTable(runtime.config, name)
  await using table = await openTable(runtime, found)
  const { oldestVersion, versions } = await readSchemaVersions(table, options.limit)
  const { output } = context
  output.document('history', {
    table: found.target.table,
    oldestVersion,
    schemas: versions.map(({ entry, schema, differences, notes }) => ({
      version: entry.version,
      time: timeJson(entry.timestampMicros),
      operation: entry.operation,
      position: positionOf(entry)?.toString() ?? null,
      columnCount: schema.columns.length,
      differences,
      notes,
    })),
  })
  output.table(
    [
      { title: 'version', align: 'right' },
      { title: 'time', align: 'left' },
      { title: 'kind', align: 'left' },
      { title: 'from position', align: 'right' },
      { title: 'columns', align: 'right' },
      { title: 'what changed', align: 'left' },
    ],
    versions.flatMap((version) => versionRows(version, found)),
  )
  if (oldestVersion === null) output.note(`… older ones: --limit ${options.limit * 10}`)
  else if (oldestVersion > 0n) output.note(`… the log begins with version ${oldestVersion}`)
  return EXIT.ok
}

/**
 * Walks the log backwards. A schema's differences are known when the schema before it is; those
 * without differences and notes changed only properties and are left out.
 */
async function readSchemaVersions(table: Table, limit: number): Promise<SchemaVersions> {
  const versions: SchemaVersion[] = []
  let later: SchemaCommit | null = null
  let before = (await table.latest()).version + 1n
  while (before > 0n) {
    const page = await table.timeline({ limit: COMMITS_PER_PAGE, beforeVersionExclusive: before })
    if (page.length === 0) break
    for (const entry of page) {
      before = entry.version
      const schema = entry.schema()
      if (schema === null) continue
      if (later !== null) versions.push(...compared(later, schema))
      if (versions.length === limit) return { versions, oldestVersion: null }
      later = { entry, schema }
    }
  }
  if (later !== null) versions.push({ ...later, differences: null, notes: [] })
  return { versions, oldestVersion: before }
}

function compared({ entry, schema }: SchemaCommit, before: TableSchema): readonly SchemaVersion[] {
  const differences = schemaDifferences(before, schema)
  const notes = keptNotes(entry)
  return differences.length + notes.length === 0 ? [] : [{ entry, schema, differences, notes }]
}

function versionRows(version: SchemaVersion, found: FoundTable): readonly (readonly string[])[] {
  const { entry, schema, differences, notes } = version
  const texts = differences === null ? firstTexts(version) : differences.map(differenceText)
  return [...texts, ...notes].map((text, index) =>
    index > 0
      ? ['', '', '', '', '', text]
      : [
          entry.version.toString(),
          timeText(entry.timestampMicros),
          entry.operation,
          positionText(positionOf(entry), found.sourceType),
          String(schema.columns.length),
          text,
        ],
  )
}

/** The columns of the first schema, as people write them. */
function firstTexts({ entry, schema }: SchemaCommit): readonly string[] {
  const columns = schema.columns.map(({ name, type }) => `${name} ${typeText(type)}`)
  return [`${entry.version === 0n ? 'created' : 'was'}: ${columns.join(', ') || UNKNOWN}`]
}

/** Position of the first record of the new shape; null when the commit does not tell. */
function positionOf(entry: TimelineEntry): bigint | null {
  const position = recordedChanges(entry)[0]?.position
  return typeof position === 'string' && /^-?\d+$/.test(position) ? BigInt(position) : null
}

/** What ingest noted of the stream's changes: `SchemaChange` as it stands in the commit. */
function recordedChanges({ commitInfo }: TimelineEntry): readonly JsonObject[] {
  const changes = objectOf(commitInfo.sluice)?.schemaChanges
  if (!Array.isArray(changes)) return []
  return (changes as readonly JsonValue[]).map(objectOf).filter((change) => change !== null)
}

/** Changes of the stream that the policy of the table kept out of it. */
export function keptNotes(entry: TimelineEntry): readonly string[] {
  return recordedChanges(entry).flatMap(({ kind, column, from, to, outcome }) => {
    if (outcome !== 'kept') return []
    const change = from === null || to === null ? '' : ` ${String(from)} → ${String(to)}`
    return [`= ${String(column)}: ${String(kind)}${change} in the source, kept here`]
  })
}

function objectOf(value: JsonValue | undefined): JsonObject | null {
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject ? (value as JsonObject) : null
}
