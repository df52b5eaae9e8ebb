/**
 * The publication: made, completed or checked before the slot exists, since decoding looks it up in
 * the past.
 */

import type { Telemetry } from '../../src/contracts/index.ts'
import { type JsonObject, SluiceError } from '../../src/model/index.ts'
import { quote, quotedTable, type TableFacts } from './catalog.ts'
import type { Connection } from './connection.ts'
import { postgresError, sqlStateOf } from './errors.ts'
import { STREAM_SQL } from './names.ts'

/** What is known of a publication. */
export interface PublicationFacts {
  /** The user may change it. */
  readonly owned: boolean
  readonly allTables: boolean
  readonly publishesAll: boolean
  /** Changes of partitions are published as changes of their root. */
  readonly throughRoot: boolean
  /** Members as `schema.table`; partitions appear by the root when it publishes by root. */
  readonly streams: ReadonlySet<string>
  /** Members with a row filter or a column list: a copy would not match the stream. */
  readonly restricted: ReadonlySet<string>
}

/** What has to be done so that a publication holds the tables. */
export type PublicationPlan =
  | { readonly kind: 'nothing' }
  | { readonly kind: 'create'; readonly tables: readonly TableFacts[] }
  | { readonly kind: 'add'; readonly tables: readonly TableFacts[] }

const ALL_KINDS = 'insert, update, delete, truncate'

/** Null when there is no such publication. */
export async function readPublication(
  connection: Connection,
  name: string,
  versionNumber: number,
): Promise<PublicationFacts | null> {
  const found = await connection.query<{
    owned: boolean
    all_tables: boolean
    publishes_all: boolean
    through_root: boolean
  }>(
    `SELECT pg_has_role(pubowner, 'USAGE') AS owned,
      puballtables AS all_tables, pubviaroot AS through_root,
      pubinsert AND pubupdate AND pubdelete AND pubtruncate AS publishes_all
    FROM pg_catalog.pg_publication WHERE pubname = $1`,
    [name],
  )
  const row = found[0]
  if (row === undefined) return null
  const members = await connection.query<{ stream: string }>(
    `SELECT ${STREAM_SQL} AS stream FROM pg_catalog.pg_publication_tables p
    JOIN pg_catalog.pg_namespace n ON n.nspname = p.schemaname
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
    WHERE p.pubname = $1`,
    [name],
  )
  const restricted =
    versionNumber < 150000
      ? []
      : await connection.query<{ stream: string }>(
          `SELECT ${STREAM_SQL} AS stream
          FROM pg_catalog.pg_publication_rel r
          JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
          JOIN pg_catalog.pg_class c ON c.oid = r.prrelid
          JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
          WHERE p.pubname = $1 AND (r.prqual IS NOT NULL OR r.prattrs IS NOT NULL)`,
          [name],
        )
  return {
    owned: row.owned,
    allTables: row.all_tables,
    publishesAll: row.publishes_all,
    throughRoot: row.through_root,
    streams: new Set(members.map((member) => member.stream)),
    restricted: new Set(restricted.map((member) => member.stream)),
  }
}

/** Pure: what is missing. */
export function planPublication(
  found: PublicationFacts | null,
  tables: readonly TableFacts[],
): PublicationPlan {
  if (found === null) return { kind: 'create', tables }
  const missing = tables.filter((table) => !found.streams.has(table.stream))
  return missing.length === 0 ? { kind: 'nothing' } : { kind: 'add', tables: missing }
}

/** Statement of a plan; null when there is nothing to do. */
export function publicationSql(name: string, plan: PublicationPlan): string | null {
  if (plan.kind === 'nothing') return null
  const tables = plan.tables.map(quotedTable).join(', ')
  return plan.kind === 'create'
    ? `CREATE PUBLICATION ${quote(name)} FOR TABLE ${tables} WITH ` +
        '(publish_via_partition_root = true)'
    : `ALTER PUBLICATION ${quote(name)} ADD TABLE ${tables}`
}

/** Makes sure the publication holds the tables. Throws SLU-SRC-1205, 1204, 1221. */
export async function ensurePublication(request: {
  readonly connection: Connection
  readonly name: string
  readonly tables: readonly TableFacts[]
  readonly mayChange: boolean
  readonly versionNumber: number
  readonly telemetry: Telemetry
}): Promise<void> {
  const { connection, name, tables, versionNumber } = request
  const found = await readPublication(connection, name, versionNumber)
  requireWholeRows(name, found, tables)
  const plan = planPublication(found, tables)
  const sql = publicationSql(name, plan)
  if (sql === null) return
  if (!request.mayChange) {
    throw new SluiceError('SLU-SRC-1205', {
      message:
        plan.kind === 'create'
          ? `there is no publication ${name}`
          : `publication ${name} does not hold every table of the pipeline`,
      context: { publication: name },
      remedy: `Run as the owner of the tables: ${sql};`,
    })
  }
  request.telemetry.log('info', 'changing the publication', { sql })
  try {
    await connection.query(sql)
  } catch (error) {
    if (sqlStateOf(error) !== '42501') throw postgresError(error, sql)
    throw new SluiceError('SLU-SRC-1205', {
      message: `the user may not create or change publication ${name}`,
      context: { publication: name, sqlState: '42501' },
      remedy: `Run as the owner of the tables: ${sql};`,
      cause: error,
    })
  }
}

/** Stream → table oid, as noted when the stream was first read. */
export function noteOfTables(note: JsonObject | null): JsonObject {
  const tables = note?.tables
  return typeof tables === 'object' && tables !== null && !Array.isArray(tables)
    ? (tables as JsonObject)
    : {}
}

/** What is asked about tables that are followed. */
export interface MembersRequest {
  readonly connection: Connection
  readonly name: string
  readonly tables: readonly TableFacts[]
  /** The pipeline's note of table oids; null compares with the publication only. */
  readonly note: JsonObject | null
}

/** A followed table of which changes are in no stream. */
export interface StrayTable {
  readonly stream: string
  readonly message: string
}

/**
 * Tables that are already followed must still be the same tables and still be published: changes
 * made while they were not are in no stream. Those that are not.
 */
export async function findStrays(request: MembersRequest): Promise<readonly StrayTable[]> {
  const { connection, name, tables, note } = request
  if (tables.length === 0) return []
  const members = await connection.query<{ oid: number }>(
    `SELECT c.oid::int8::float8 AS oid FROM pg_catalog.pg_publication_tables p
    JOIN pg_catalog.pg_namespace n ON n.nspname = p.schemaname
    JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = p.tablename
    WHERE p.pubname = $1`,
    [name],
  )
  const published = new Set(members.map((member) => member.oid))
  const known = noteOfTables(note)
  return tables.flatMap(({ stream, oid }) => {
    const isSame = known[stream] === undefined || known[stream] === oid
    if (isSame && published.has(oid)) return []
    const message = isSame
      ? `${stream} is not in publication ${name} any more`
      : `${stream} was dropped and made again`
    return [{ stream, message }]
  })
}

/** The error of a table that must not be copied again without being asked. */
export function strayError({ stream, message }: StrayTable, publication: string): SluiceError {
  return new SluiceError('SLU-SRC-1216', { message, context: { stream, publication } })
}

/**
 * A publication that leaves out kinds of changes, rows or columns would make the tables differ in
 * silence. Throws SLU-SRC-1205, 1221.
 */
export function requireWholeRows(
  name: string,
  found: PublicationFacts | null,
  tables: readonly TableFacts[],
): void {
  if (found === null) return
  if (!found.publishesAll) {
    throw new SluiceError('SLU-SRC-1205', {
      message: `publication ${name} does not publish all kinds of changes`,
      context: { publication: name },
      remedy: `ALTER PUBLICATION ${quote(name)} SET (publish = '${ALL_KINDS}');`,
    })
  }
  const root = found.throughRoot ? undefined : tables.find((table) => table.kind === 'p')
  if (root !== undefined) {
    throw new SluiceError('SLU-SRC-1205', {
      message: `publication ${name} does not publish ${root.stream} through its root`,
      context: { publication: name, stream: root.stream },
      remedy: `ALTER PUBLICATION ${quote(name)} SET (publish_via_partition_root = true);`,
    })
  }
  const thinned = tables.find((table) => found.restricted.has(table.stream))
  if (thinned !== undefined) {
    throw new SluiceError('SLU-SRC-1221', {
      message: `publication ${name} has a row filter or column list for ${thinned.stream}`,
      context: { publication: name, stream: thinned.stream },
      remedy:
        `Use a publication of whole tables: ALTER PUBLICATION ${quote(name)} DROP ` +
        `TABLE ${quotedTable(thinned)}; and let Sluice add it again under a new slot.`,
    })
  }
}
