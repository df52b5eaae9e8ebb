/**
 * What the catalogue shows of changes to rows that no record of the stream tells: a table that was
 * written again, partitions that came with rows or went. Pure.
 */

import type { JsonObject, JsonValue } from '../../src/model/index.ts'
import type { LayoutColumn, TableLayout } from './catalog.ts'

/** A layout as the pipeline remembers it. */
export interface LayoutNote {
  readonly oid: number
  readonly files: Readonly<Record<string, number>>
  /** Highest attnum of a published column. */
  readonly last: number
  /** How many stored generated columns are published. */
  readonly generated: number
  /** Number of the newest transaction that changed one of the columns. */
  readonly written: number
  /** Attnum → type of columns with a default for rows of before: a rewrite alters these too. */
  readonly filled: Readonly<Record<string, string>>
  /**
   * Attnum → default of columns whose first record was not read yet: Postgres forgets it when it
   * writes the table again, or the column is dropped.
   */
  readonly initials: Readonly<Record<string, string>>
}

/** What is to be looked at: nothing in most cases. */
export interface LayoutChange {
  /** Partitions, by oid. */
  readonly came: readonly string[]
  readonly gone: readonly string[]
  /** Some partitions, not all of them, have another file: truncated by themselves, or rewritten. */
  readonly refilled: readonly string[]
  /** New columns whose value in rows of before is not known. */
  readonly unknown: readonly LayoutColumn[]
  /** Columns that were published in a table that is there: rows of any age are meant. */
  readonly published: readonly LayoutColumn[]
  /** Columns of before that were altered while the table was written again. */
  readonly altered: readonly LayoutColumn[]
}

/** What is remembered of a layout; `unread` tells columns whose first record was not read yet. */
export function noteOfLayout(
  { oid, files, columns }: TableLayout,
  known: LayoutNote | null,
  isUnread: (attnum: number) => boolean,
): LayoutNote {
  const present = new Set(columns.map(({ attnum }) => attnum))
  // Postgres forgets the default of a column that was dropped, but its records are to come yet.
  const initials: Record<string, string> = Object.fromEntries(
    Object.entries(known?.initials ?? {}).filter(
      ([attnum]) => !present.has(Number(attnum)) && isUnread(Number(attnum)),
    ),
  )
  const filled: Record<string, string> = {}
  for (const { attnum, type, initials: found } of columns) {
    if (found !== null) filled[attnum] = type
    const initial = found?.[0] ?? known?.initials[attnum]
    if (initial !== undefined && isUnread(attnum)) initials[attnum] = initial
  }
  return {
    oid,
    files,
    last: Math.max(0, ...columns.map(({ attnum }) => attnum)),
    generated: columns.filter(({ isGenerated }) => isGenerated).length,
    written: columns
      .map(({ written }) => written)
      .reduce((newest, one) => (isNewer(one, newest) ? one : newest)),
    filled,
    initials,
  }
}

/** What changed between a note and now. */
export function compareLayout(note: LayoutNote, now: TableLayout): LayoutChange {
  const before = Object.keys(note.files)
  const kept = before.filter((oid) => now.files[oid] !== undefined)
  const other = kept.filter((oid) => now.files[oid] !== note.files[oid])
  const isRewritten = other.length > 0
  const hasPartitions = now.files[now.oid] === undefined
  const generated = now.columns.filter(({ isGenerated }) => isGenerated)
  const old = now.columns.filter(({ attnum }) => attnum <= note.last)
  const isKnown = ({ attnum, initials }: LayoutColumn): boolean =>
    note.initials[attnum] !== undefined || initials?.length === 1
  return {
    came: Object.keys(now.files).filter((oid) => note.files[oid] === undefined),
    gone: before.filter((oid) => now.files[oid] === undefined),
    refilled: hasPartitions && other.length < kept.length ? other : [],
    unknown: now.columns.filter((column) => {
      if (column.attnum <= note.last || isKnown(column)) return false
      return isRewritten || (column.initials?.length ?? 0) > 1
    }),
    published:
      generated.length > note.generated ? generated.filter((one) => old.includes(one)) : [],
    altered: isRewritten
      ? old.filter(
          ({ attnum, type, written }) =>
            isNewer(written, note.written) && note.filled[attnum] !== type,
        )
      : [],
  }
}

/** True when the change has something to look at. */
export function isWorthALook(change: LayoutChange): boolean {
  return Object.values(change).some((found) => found.length > 0)
}

/** A note → JSON. */
export function layoutToJson(note: LayoutNote): JsonObject {
  return { ...note }
}

/** The inverse of `layoutToJson`; null for what is none. */
export function layoutFromJson(json: JsonValue | undefined): LayoutNote | null {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null
  const note = json as unknown as LayoutNote
  const isNote =
    typeof note.oid === 'number' && typeof note.last === 'number' && typeof note.files === 'object'
  return isNote ? note : null
}

const HALF = 2 ** 31

/** Numbers of transactions go round: the one less than half a round ahead is the newer. */
export function isNewer(left: number, right: number): boolean {
  const ahead = (left - right) >>> 0
  return ahead > 0 && ahead < HALF
}
