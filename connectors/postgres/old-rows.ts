/** Questions to the rows of a table: whether some of them are older than a change of the table. */

import { type LayoutColumn, quote, quotedTable, type TableFacts } from './catalog.ts'
import type { Connection } from './connection.ts'

/**
 * SQL: true for a row `r` of the relation `c` that may have been written again. ALTER TABLE makes
 * its rows as young as itself, so in a relation with another file than its first one every row
 * counts that is no younger than the newest change of `c`: of the transaction of that change all
 * that it did before.
 */
const MAY_BE_REWRITTEN = `(c.relfilenode <> c.oid AND (
    r.xmin = c.xmin AND r.cmin::text::int8 <= c.cmin::text::int8
    OR age(c.xmin) >= 0 AND age(r.xmin) > age(c.xmin)))`

/** SQL: true for a row of a transaction before that one; beyond half a round they seem ahead. */
const isBefore = (transaction: string): string =>
  `(age(r.xmin) > age('${transaction}'::xid) OR age(r.xmin) < 0)`

/**
 * Whether rows have a value in the column that was there when the column was altered last, or any
 * rows when `anyAge`: the rows that no record told the value of. In the transaction that altered it
 * these are rows as old as their file: later commands wrote records. A column with a default and
 * without a row of before that shows it may have filled some that are gone by now.
 */
export async function findOldValue(
  connection: Connection,
  table: TableFacts,
  { name, written, hasDefault }: LayoutColumn,
  anyAge: boolean,
): Promise<'have' | 'may have had' | null> {
  const isOld = `(${isBefore(`${written}`)} OR ${MAY_BE_REWRITTEN} OR r.xmin = '${written}'::xid
    AND (NOT c.xmin = r.xmin OR r.cmin::text::int8 <= c.cmin::text::int8))`
  const isThere = async (condition: string): Promise<boolean> => {
    const rows = await connection.query(
      `SELECT 1 FROM ${quotedTable(table)} r JOIN pg_catalog.pg_class c ON c.oid = r.tableoid
      WHERE r.${quote(name)} ${condition} ${anyAge ? '' : `AND ${isOld}`} LIMIT 1`,
    )
    return rows.length > 0
  }
  if (await isThere('IS NOT NULL')) return 'have'
  return !anyAge && hasDefault && !(await isThere('IS NULL')) ? 'may have had' : null
}

/** A partition as it is now; null when it is gone. */
interface PartitionRow {
  readonly name: string
  readonly readable: boolean
  readonly hasBlocks: boolean
  /** Numbers of transaction and command that made it a partition, or one that it is part of. */
  readonly attachedBy: string | null
  readonly attachedAt: number | null
  /** Number of the transaction that gave it its file, or changed its catalogue row since. */
  readonly written: string
}

async function readPartition(connection: Connection, oid: string): Promise<PartitionRow | null> {
  const rows = await connection.query<PartitionRow>(
    `SELECT c.oid::regclass::text AS name, has_table_privilege(c.oid, 'SELECT') AS readable,
      pg_relation_size(c.oid) > 0 AS "hasBlocks", c.xmin::text AS written,
      i.xmin::text AS "attachedBy", i.cmin::text::int8::float8 AS "attachedAt"
    FROM pg_catalog.pg_class c
    LEFT JOIN LATERAL (
      SELECT h.xmin, h.cmin FROM pg_catalog.pg_inherits h
      WHERE h.inhrelid IN (SELECT relid FROM pg_partition_ancestors(c.oid))
      ORDER BY age(h.xmin) LIMIT 1) i ON true
    WHERE c.oid = $1::oid`,
    [oid],
  )
  return rows[0] ?? null
}

/** The partition's name when it came with rows: those that are older than its coming. */
export async function cameWithRows(connection: Connection, oid: string): Promise<string | null> {
  const found = await readPartition(connection, oid)
  if (found === null || !found.hasBlocks || found.attachedBy === null) return null
  const { name, readable, attachedBy, attachedAt } = found
  if (!readable) return name
  const rows = await connection.query(
    `SELECT 1 FROM ONLY ${name} r JOIN pg_catalog.pg_class c ON c.oid = r.tableoid
    WHERE ${isBefore(attachedBy)} OR ${MAY_BE_REWRITTEN}
      OR r.xmin = '${attachedBy}'::xid AND r.cmin::text::int8 < ${attachedAt} LIMIT 1`,
  )
  return rows.length > 0 ? name : null
}

/** The partition's name when none of its rows is older than its file: it may have been emptied. */
export async function mayBeEmptied(connection: Connection, oid: string): Promise<string | null> {
  const found = await readPartition(connection, oid)
  if (found === null || !found.readable) return found?.name ?? null
  const rows = await connection.query(
    `SELECT 1 FROM ONLY ${found.name} r WHERE ${isBefore(found.written)} LIMIT 1`,
  )
  return rows.length > 0 ? null : found.name
}

/** True when a partition that is none any more surely had no rows: it is there, without a block. */
export async function wasEmpty(
  connection: Connection,
  oid: string,
  fileNode: number,
): Promise<boolean> {
  const rows = await connection.query(
    `SELECT 1 FROM pg_catalog.pg_class c WHERE c.oid = $1::oid
      AND c.relfilenode = $2::oid AND pg_relation_size(c.oid) = 0`,
    [oid, fileNode],
  )
  return rows.length > 0
}
