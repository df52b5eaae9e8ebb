/**
 * What the server knows: tables, types, publications, slots, settings. All catalogue SQL stands
 * here.
 */

import { SluiceError } from '../../src/model/index.ts'
import type { Connection } from './connection.ts'
import { STREAM_SQL } from './names.ts'
import type { TypeCatalog, TypeRow } from './types.ts'

/** A column as the catalogue describes it. */
export interface TableColumnFacts {
  readonly attnum: number
  readonly name: string
  readonly typeOid: number
  readonly typmod: number
  /** Stored, and computed from others: read only where the publication publishes it. */
  readonly isGenerated: boolean
}

/** An attribute that a table has or had. */
export interface AttributeRow extends TableColumnFacts {
  readonly isDropped: boolean
  /**
   * What rows have in it that were there before it and were not written since, as text: the default
   * it was added with. A partitioned table has it in each partition; they may differ when one was
   * attached. Null: nothing, or the rows were written again and nobody knows.
   */
  readonly initials: readonly string[] | null
}

/** A table as the catalogue describes it. */
export interface TableFacts {
  readonly oid: number
  /** As `streamName` writes it. */
  readonly stream: string
  readonly schemaName: string
  readonly tableName: string
  /** relkind: r ordinary, p partitioned. */
  readonly kind: string
  /** Replica identity: d default, i index, f full, n nothing. */
  readonly identity: string
  readonly readable: boolean
  /** The user may do what owners may: publish it. */
  readonly owned: boolean
  /** Null when never analysed. */
  readonly rowsEstimated: number | null
  readonly columns: readonly TableColumnFacts[]
  /** Key columns in key order: the identity index's where one is chosen, else the primary key's. */
  readonly key: readonly string[]
}

/** A row of pg_replication_slots. */
export interface SlotRow {
  readonly plugin: string | null
  readonly slotType: string
  readonly database: string | null
  readonly activeProcessId: number | null
  readonly restartLsn: string | null
  readonly confirmedFlushLsn: string | null
  /** reserved, extended, unreserved, lost; null when invalidated or before version 13. */
  readonly walStatus: string | null
  /** Why it was invalidated: wal_removed, idle_timeout, …; null when not, and before version 17. */
  readonly invalidationReason: string | null
  /** WAL that may still be written before the slot is in danger; null when there is no limit. */
  readonly safeWalBytes: number | null
  /** Copied to standbys that ask for it; false before version 17. */
  readonly isFailover: boolean
}

/** Facts of the server that do not change while connected. */
export interface ServerFacts {
  /** 180004 for 18.4. */
  readonly versionNumber: number
  readonly walLevel: string
  readonly walSenderTimeoutMs: number
  readonly isStandby: boolean
  readonly user: string
  /** What slots may hold back (max_slot_wal_keep_size); null without a limit. */
  readonly slotWalBytesMax: number | null
}

interface TableRow {
  readonly oid: number
  readonly stream: string
  readonly schema_name: string
  readonly table_name: string
  readonly kind: string
  readonly identity: string
  readonly readable: boolean
  readonly owned: boolean
  readonly rows_estimated: number
  readonly columns:
    | readonly {
        readonly attnum: number
        readonly name: string
        readonly type: number
        readonly typmod: number
        readonly generated: boolean
      }[]
    | null
  readonly primary_key: string[] | null
  readonly identity_key: string[] | null
}

const KEY_COLUMNS = (which: string): string => `(
  SELECT json_agg(a.attname ORDER BY k.ordinal)
  FROM pg_catalog.pg_index i
  CROSS JOIN LATERAL unnest(i.indkey::int2[]) WITH ORDINALITY AS k(number, ordinal)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number
  WHERE i.indrelid = c.oid AND i.${which} AND k.ordinal <= i.indnkeyatts)`

const TABLES_SQL = `
SELECT c.oid::int8::float8 AS oid, ${STREAM_SQL} AS stream,
  n.nspname AS schema_name, c.relname AS table_name,
  c.relkind AS kind, c.relreplident AS identity,
  has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE') AS readable,
  pg_has_role(c.relowner, 'USAGE') AS owned, c.reltuples::float8 AS rows_estimated,
  (SELECT json_agg(json_build_object(
      'attnum', a.attnum, 'name', a.attname, 'type', a.atttypid::int8, 'typmod', a.atttypmod,
      'generated', a.attgenerated = 's') ORDER BY a.attnum)
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
      AND a.attgenerated IN ('', 's')
  ) AS columns,
  ${KEY_COLUMNS('indisprimary')} AS primary_key,
  ${KEY_COLUMNS('indisreplident')} AS identity_key
FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'`

/** The named tables; a name that is missing from the answer does not exist. */
export async function readTables(
  connection: Connection,
  streams: readonly string[],
): Promise<readonly TableFacts[]> {
  const rows = await connection.query<TableRow>(`${TABLES_SQL} AND ${STREAM_SQL} = ANY($1)`, [
    [...streams],
  ])
  return rows.map(tableFacts)
}

/** All tables a user made, partitions hidden behind their root. */
export async function readAllTables(connection: Connection): Promise<readonly TableFacts[]> {
  const rows = await connection.query<TableRow>(
    `${TABLES_SQL} AND NOT c.relispartition
      AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname NOT LIKE 'pg\\_%'
    ORDER BY n.nspname, c.relname`,
  )
  return rows.map(tableFacts)
}

/** Like `readTables`, in the order asked for. Throws SLU-SRC-1206 and 1204. */
export async function requireTables(
  connection: Connection,
  streams: readonly string[],
): Promise<readonly TableFacts[]> {
  const found = new Map(
    (await readTables(connection, streams)).map((table) => [table.stream, table]),
  )
  const missing = streams.filter((stream) => !found.has(stream))
  const others = missing.length === 0 ? null : await readOthers(connection, missing)
  return streams.map((stream) => {
    const table = found.get(stream)
    if (table === undefined) {
      const what = others?.get(stream)
      throw new SluiceError('SLU-SRC-1206', {
        message: what === undefined ? `there is no table ${stream}` : `${stream} is ${what}`,
        context: { stream },
        ...(what === undefined ? {} : { remedy: NOT_LOGGED_REMEDY }),
      })
    }
    if (!table.readable) {
      throw new SluiceError('SLU-SRC-1204', {
        message: `the user may not read ${stream}`,
        context: { stream },
        remedy:
          `GRANT USAGE ON SCHEMA ${quote(table.schemaName)} TO <user>; GRANT SELECT ON ` +
          `${quotedTable(table)} TO <user>;`,
      })
    }
    return table
  })
}

/** What to do about a relation that is no ordinary table. */
export const NOT_LOGGED_REMEDY =
  'Postgres sends no changes of it. Name the tables that its rows come from, or make it an ' +
  'ordinary table (ALTER TABLE … SET LOGGED for an unlogged one).'

/** What relations are that are no tables to read: name → `a view`. */
export async function readOthers(
  connection: Connection,
  streams: readonly string[],
): Promise<ReadonlyMap<string, string>> {
  const rows = await connection.query<{ stream: string; what: string }>(
    `SELECT ${STREAM_SQL} AS stream, CASE
        WHEN c.relkind = 'v' THEN 'a view'
        WHEN c.relkind = 'm' THEN 'a materialized view'
        WHEN c.relkind = 'f' THEN 'a foreign table'
        WHEN c.relpersistence = 'u' THEN 'an unlogged table'
        WHEN c.relpersistence = 't' THEN 'a temporary table'
        ELSE 'no table' END AS what
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE ${STREAM_SQL} = ANY($1) AND NOT (c.relkind IN ('r', 'p') AND c.relpersistence = 'p')`,
    [[...streams]],
  )
  return new Map(rows.map(({ stream, what }) => [stream, what]))
}

/**
 * Which of the tables have other files by now than under the connection's snapshot: rewritten or
 * truncated since. The catalogue row is as old as the snapshot, the function looks at the present.
 */
export async function readRewritten(
  connection: Connection,
  oids: readonly number[],
): Promise<readonly string[]> {
  const rows = await connection.query<{ stream: string }>(
    `SELECT ${STREAM_SQL} AS stream
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.relfilenode IS DISTINCT FROM pg_relation_filenode(c.oid)
      AND c.oid IN (
        SELECT o FROM unnest($1::oid[]) o
        UNION ALL SELECT p.relid FROM unnest($1::oid[]) o, pg_partition_tree(o) p)`,
    [[...oids]],
  )
  return rows.map((row) => row.stream)
}

/** A relation with a file of its own whose rows belong to a table: itself, or a leaf partition. */
export interface CopyRelation {
  readonly oid: number
  readonly schemaName: string
  readonly tableName: string
  /** Number of its file; a rewrite gives it another one. */
  readonly fileNode: number
  readonly blockCount: number
  /** Null when never analysed. */
  readonly rowsPerBlock: number | null
  readonly readable: boolean
}

/** What a table is read from, by ascending oid. The tables must be locked: files are as of now. */
export async function readCopyRelations(
  connection: Connection,
  table: TableFacts,
): Promise<readonly CopyRelation[]> {
  return await connection.query<CopyRelation>(
    `SELECT c.oid::int8::float8 AS oid, n.nspname AS "schemaName", c.relname AS "tableName",
      pg_relation_filenode(c.oid)::int8::float8 AS "fileNode",
      (pg_relation_size(c.oid) / current_setting('block_size')::int8)::float8 AS "blockCount",
      CASE WHEN c.reltuples > 0 AND c.relpages > 0 THEN c.reltuples::float8 / c.relpages END
        AS "rowsPerBlock",
      has_table_privilege(c.oid, 'SELECT') AS readable
    FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'r' AND c.oid IN (
      SELECT $1::oid UNION ALL SELECT relid FROM pg_partition_tree($1::oid) WHERE isleaf)
    ORDER BY c.oid`,
    [table.oid],
  )
}

/** The default that rows of before have in the column `a` of the table, from each of its files. */
const INITIALS = (table: string): string => `(
  SELECT json_agg(DISTINCT array_to_string(m.attmissingval, ''))
  FROM pg_catalog.pg_attribute m
  WHERE m.atthasmissing AND m.attname = a.attname AND m.attrelid IN (
    SELECT ${table} UNION ALL SELECT relid FROM pg_partition_tree(${table})))`

/** How the rows and columns of a table lie: what changes with changes that no record tells. */
export interface TableLayout {
  readonly oid: number
  /** Oid of the table, or of each of its partitions that holds rows → number of its file. */
  readonly files: Readonly<Record<string, number>>
  readonly columns: readonly LayoutColumn[]
}

/** A column as far as it matters to rows of before. */
export interface LayoutColumn {
  readonly attnum: number
  readonly name: string
  /** Number of the transaction that changed the column last. */
  readonly written: number
  /** Type and modifier. */
  readonly type: string
  readonly isGenerated: boolean
  /** Rows that do not say what they have in it get a value. */
  readonly hasDefault: boolean
  readonly initials: readonly string[] | null
}

/**
 * The layouts of tables that are there. Files and columns are of one moment: the function
 * `pg_relation_filenode` would tell those of another one than the statement's snapshot.
 */
export async function readLayouts(
  connection: Connection,
  oids: readonly number[],
): Promise<readonly TableLayout[]> {
  return await connection.query<TableLayout>(
    `SELECT t.oid::int8::float8 AS oid, coalesce(f.files, '{}') AS files, c.columns
    FROM unnest($1::oid[]) AS t(oid)
    CROSS JOIN LATERAL (
      SELECT json_object_agg(r.oid::int8, r.relfilenode::int8) AS files
      FROM pg_catalog.pg_class r WHERE r.relkind = 'r' AND r.oid IN (
        SELECT t.oid UNION ALL SELECT relid FROM pg_partition_tree(t.oid) WHERE isleaf)) f
    CROSS JOIN LATERAL (
      SELECT json_agg(json_build_object('attnum', a.attnum, 'name', a.attname,
        'written', a.xmin::text::int8, 'isGenerated', a.attgenerated = 's',
        'type', a.atttypid::int8 || '.' || a.atttypmod,
        'hasDefault', a.atthasdef OR a.attidentity <> '' OR EXISTS (
          SELECT 1 FROM pg_catalog.pg_type d WHERE d.oid = a.atttypid AND d.typdefault IS NOT NULL),
        'initials', ${INITIALS('t.oid')}) ORDER BY a.attnum) AS columns
      FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = t.oid AND a.attnum > 0 AND NOT a.attisdropped
        AND a.attgenerated IN ('', 's')) c
    WHERE c.columns IS NOT NULL`,
    [[...oids]],
  )
}

/** True when the publication sends stored generated columns too (PostgreSQL 18 and later). */
export async function readPublishesGenerated(
  connection: Connection,
  publication: string,
): Promise<boolean> {
  const rows = await connection.query(
    `SELECT 1 FROM pg_catalog.pg_publication p
    WHERE p.pubname = $1 AND to_jsonb(p) ->> 'pubgencols' = 's'`,
    [publication],
  )
  return rows.length > 0
}

/** Every attribute that a table has or had, in the order of their numbers; none when it is gone. */
export async function readAttributes(
  connection: Connection,
  oid: number,
): Promise<readonly AttributeRow[]> {
  return await connection.query<AttributeRow>(
    `SELECT a.attnum::int, a.attname::text AS name, a.atttypid::int8::float8 AS "typeOid",
      a.atttypmod AS typmod, a.attisdropped AS "isDropped", a.attgenerated = 's' AS "isGenerated",
      ${INITIALS('$1::int8::oid')} AS initials
    FROM pg_catalog.pg_attribute a
    WHERE a.attrelid = $1::int8::oid AND a.attnum > 0 AND a.attgenerated IN ('', 's')
    ORDER BY a.attnum`,
    [oid],
  )
}

/** Every type the server knows. */
export async function readTypes(connection: Connection): Promise<TypeCatalog> {
  const rows = await connection.query<TypeRow>(`
    SELECT t.oid::int8::float8 AS oid, format_type(t.oid, NULL) AS name, t.typtype AS kind,
      CASE WHEN e.typarray = t.oid AND t.typdelim = ',' THEN t.typelem::int8::float8 ELSE 0 END
        AS "elementOid",
      t.typbasetype::int8::float8 AS "baseOid", t.typtypmod AS "baseTypmod"
    FROM pg_catalog.pg_type t LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem
      LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
    WHERE t.typtype IN ('b', 'd', 'e', 'r', 'm') OR c.relkind = 'c'`)
  return new Map(rows.map((row) => [row.oid, row]))
}

const SLOT_WAL_LIMIT = `
  (SELECT CASE WHEN setting::int8 < 0 THEN NULL ELSE setting::float8 * 1048576 END
    FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size')`

/** Server-wide facts. */
export async function readServer(connection: Connection): Promise<ServerFacts> {
  const rows = await connection.query<ServerFacts>(`
    SELECT current_setting('server_version_num')::int AS "versionNumber",
      current_setting('wal_level') AS "walLevel",
      (SELECT setting::float8 FROM pg_catalog.pg_settings WHERE name = 'wal_sender_timeout')
        AS "walSenderTimeoutMs",
      pg_is_in_recovery() AS "isStandby", current_user::text AS "user",
      ${SLOT_WAL_LIMIT} AS "slotWalBytesMax"`)
  return rows[0]!
}

/** The slot of that name, or null. */
export async function readSlot(connection: Connection, slot: string): Promise<SlotRow | null> {
  const rows = await connection.query<SlotRow>(
    `SELECT plugin::text, slot_type::text AS "slotType", database::text,
      active_pid AS "activeProcessId", restart_lsn::text AS "restartLsn",
      confirmed_flush_lsn::text AS "confirmedFlushLsn", wal_status AS "walStatus",
      to_jsonb(s)->>'invalidation_reason' AS "invalidationReason",
      safe_wal_size::float8 AS "safeWalBytes",
      coalesce((to_jsonb(s)->>'failover')::boolean, false) AS "isFailover"
    FROM pg_catalog.pg_replication_slots s WHERE slot_name = $1`,
    [slot],
  )
  return rows[0] ?? null
}

/** `max_slot_wal_keep_size` of now, in bytes: it may be changed at any time; null: no limit. */
export async function readSlotWalLimit(connection: Connection): Promise<number | null> {
  const rows = await connection.query<{ bytes: number | null }>(`SELECT ${SLOT_WAL_LIMIT} AS bytes`)
  return rows[0]!.bytes
}

/** The newest position that is safe on the server's disk, as text. */
export async function readFlushLsn(connection: Connection): Promise<string> {
  const rows = await connection.query<{ lsn: string }>(
    'SELECT pg_current_wal_flush_lsn()::text AS lsn',
  )
  return rows[0]!.lsn
}

/** A quoted identifier. */
export function quote(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}

/** A quoted string constant, whatever `standard_conforming_strings` says. */
export function quoteText(text: string): string {
  const quoted = text.replaceAll("'", "''")
  return text.includes('\\') ? `E'${quoted.replaceAll('\\', '\\\\')}'` : `'${quoted}'`
}

/** Schema and table, quoted. */
export function quotedTable(table: {
  readonly schemaName: string
  readonly tableName: string
}): string {
  return `${quote(table.schemaName)}.${quote(table.tableName)}`
}

function tableFacts(row: TableRow): TableFacts {
  const key = row.identity === 'i' ? row.identity_key : row.primary_key
  return {
    oid: row.oid,
    stream: row.stream,
    schemaName: row.schema_name,
    tableName: row.table_name,
    kind: row.kind,
    identity: row.identity,
    readable: row.readable,
    owned: row.owned,
    rowsEstimated: row.rows_estimated >= 0 ? row.rows_estimated : null,
    columns: (row.columns ?? []).map(({ attnum, name, type, typmod, generated }) => ({
      attnum,
      name,
      typeOid: type,
      typmod,
      isGenerated: generated,
    })),
    key: key ?? [],
  }
}
