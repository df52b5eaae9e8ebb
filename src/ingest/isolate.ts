/**
 * Tells the records that cannot be decoded from those that can, when decoding a unit has failed or
 * its source says so. The others are then decoded as ever: rejected records are passed over, and in
 * a copy of landed lines they are blank, since the engine may not be able to read them at all.
 */

import { join } from 'node:path'
import type { TableTarget } from '../contracts/index.ts'
import {
  type FileRows,
  type LandedSegment,
  positionAt,
  rowsAsJsonSql,
  verdictSql,
} from '../decode/index.ts'
import { literal, type Session } from '../engine/index.ts'
import { assert, REJECT_CODE_NAMES, type RejectCode, userColumns } from '../model/index.ts'
import { takeOut } from './record-lines.ts'
import { type Isolation, REJECTED_TABLE, type RejectedRecord } from './rejects.ts'
import { rowNumbers } from './row-numbers.ts'
import type { PlacedSegment, Unit } from './unit.ts'

/** True when the source has marked records of the unit. */
export function hasUnreadable(unit: Pick<Unit, 'segments'>): boolean {
  return unit.segments.some(({ unreadable }) => unreadable !== undefined)
}

/** SQL of the sentence that says what is wrong, over the columns of `REJECTED_TABLE`. */
export const REASON_SQL = `code || CASE WHEN column_name IS NULL THEN ''
  ELSE ': column ' || column_name || coalesce(', value ' || value, '') END`

/** The same sentence. */
export function reasonOf({ code, column, value }: RejectedRecord): string {
  const shown = value === null ? '' : `, value ${value}`
  return column === null ? code : `${code}: column ${column}${shown}`
}

/**
 * Finds the rejected records; null when none is found, or when a format's records cannot be told
 * apart. `folder` takes the copies.
 */
export async function isolate(
  target: Pick<TableTarget, 'mode'>,
  unit: Pick<Unit, 'segments' | 'schema'>,
  session: Session,
  folder: string,
): Promise<Isolation | null> {
  await session.run(`CREATE OR REPLACE TEMP TABLE ${REJECTED_TABLE}
    (segment UINTEGER, "row" UINTEGER, code VARCHAR, column_name VARCHAR, value VARCHAR)`)
  const key = target.mode === 'upsert' ? unit.schema.key : []
  const columns = userColumns(unit.schema)
  for (const [number, segment] of unit.segments.entries()) {
    const path = await readablePath(segment, number, session, folder)
    const select = verdictSql({
      segment: { ...segment, path },
      columns,
      places: segment.places,
      key,
    })
    if (select === null) return null
    await session.run(`INSERT INTO ${REJECTED_TABLE} SELECT ${number}, verdicts.*
      FROM (${select}) AS verdicts ANTI JOIN ${REJECTED_TABLE} AS known
        ON known.segment = ${number} AND known."row" = verdicts."row"`)
  }
  const found = await session.query(
    `SELECT code, count(*)::INTEGER FROM ${REJECTED_TABLE} GROUP BY code ORDER BY 2 DESC, 1`,
  )
  const counts = found.rows.map(([code, count]) => [code as RejectCode, Number(count)] as const)
  const count = counts.reduce((sum, [, ofCode]) => sum + ofCode, 0)
  if (count === 0) return null
  return {
    count,
    counts,
    ...(await takeOutAll(unit, session, folder)),
    example: await firstRejected(session, unit),
  }
}

/** Path of a segment whose records the engine can look at: those marked by the source are blank. */
async function readablePath(
  segment: PlacedSegment,
  number: number,
  session: Session,
  folder: string,
): Promise<string> {
  const { unreadable } = segment
  if (unreadable === undefined) return segment.path
  const { rows, codes } = unreadable
  await session.run('CREATE OR REPLACE TEMP TABLE unreadable ("row" UINTEGER, code UTINYINT)')
  await session.append('unreadable', [rows, codes], rows.length)
  const names = REJECT_CODE_NAMES.map((name) => literal(name)).join(', ')
  await session.run(`INSERT INTO ${REJECTED_TABLE}
    SELECT ${number}, "row", [${names}][code + 1], NULL, NULL FROM unreadable`)
  const cleanPath = join(folder, `${number}.readable`)
  await takeOut({ segment, segmentNumber: number, rows, cleanPath, rejectedPath: null })
  return cleanPath
}

/** Segments without the rejected records, and SQL of those records. */
async function takeOutAll(
  unit: Pick<Unit, 'segments'>,
  session: Session,
  folder: string,
): Promise<Pick<Isolation, 'segments' | 'recordsSql'>> {
  const segments: PlacedSegment[] = []
  const inPlace: string[] = []
  const rejectedPath = join(folder, 'rejected.tsv')
  let lineBytesMax = 0
  for (const [segmentNumber, segment] of unit.segments.entries()) {
    const rows = await rowsOf(session, segmentNumber)
    if (rows.length === 0) {
      segments.push(segment)
      continue
    }
    const passedOver = `SELECT "row" FROM ${REJECTED_TABLE} WHERE segment = ${segmentNumber}`
    if (segment.file !== undefined) {
      segments.push({ ...segment, passedOver })
      inPlace.push(rowsAsRecordsSql(segment, segmentNumber, segment.file, passedOver))
      continue
    }
    const cleanPath = join(folder, `${segmentNumber}.clean`)
    await takeOut({ segment, segmentNumber, rows, cleanPath, rejectedPath })
    segments.push({ ...segment, path: cleanPath, passedOver })
    lineBytesMax = Math.max(lineBytesMax, segment.lineBytesMax)
  }
  const taken = lineBytesMax === 0 ? [] : [takenOutSql(rejectedPath, lineBytesMax)]
  return { segments, recordsSql: [...taken, ...inPlace].join('\nUNION ALL\n') }
}

/** Rows of a file of the source: JSON stands for their bytes. */
function rowsAsRecordsSql(
  { runs, recordCount }: PlacedSegment,
  segmentNumber: number,
  file: FileRows,
  rejected: string,
): string {
  const { place } = runs?.[0] ?? {}
  const name = place === undefined ? 'NULL' : literal(place.file)
  const rows = rowsAsJsonSql(file, recordCount)
  return `SELECT ${segmentNumber}::UINTEGER AS segment, "row", ${name}::VARCHAR AS file,
      ${file.firstRow + 1} + "row"::BIGINT AS line, raw
    FROM (${rows}) AS landed SEMI JOIN (${rejected}) AS rejected USING ("row")`
}

/** The records as `takeOut` wrote them. */
function takenOutSql(path: string, lineBytesMax: number): string {
  const bufferBytes = lineBytesMax * 2 + BUFFER_BYTES_MIN
  return `SELECT segment, "row", decode(unhex(file)) AS file, line,
      coalesce(unhex(raw), ''::BLOB) AS raw
    FROM read_csv(${literal(path)}, delim = '\\t', quote = '', escape = '',
      columns = {segment: 'UINTEGER', "row": 'UINTEGER', file: 'VARCHAR', line: 'BIGINT',
        raw: 'VARCHAR'},
      header = false, auto_detect = false, new_line = '\\n', max_line_size = ${bufferBytes},
      buffer_size = ${bufferBytes})`
}

const BUFFER_BYTES_MIN = 1024 * 1024

const rowsOf = (session: Session, segmentNumber: number): Promise<Uint32Array> =>
  rowNumbers(
    session,
    `SELECT "row" FROM ${REJECTED_TABLE} WHERE segment = ${segmentNumber} ORDER BY 1`,
  )

async function firstRejected(
  session: Session,
  { segments }: Pick<Unit, 'segments'>,
): Promise<RejectedRecord> {
  const [first] = await rejectedRecords(session, segments, 1)
  assert(first !== undefined, 'SLU-BUG-9001', 'a rejected record that is not there')
  return first
}

/** The first of the rejected records that `isolate` found in these segments. */
export async function rejectedRecords(
  session: Session,
  segments: readonly PlacedSegment[],
  limit: number,
): Promise<readonly RejectedRecord[]> {
  const found = await session.query(`SELECT segment, "row", code, column_name, value
    FROM ${REJECTED_TABLE} ORDER BY segment, "row" LIMIT ${limit}`)
  return found.rows.map(([segmentNumber, row, code, column, value]) => {
    const segment = segments[Number(segmentNumber)]
    return {
      position: segment === undefined ? 0n : positionAt(segment, Number(row)),
      place: segment === undefined ? null : placeOf(segment, Number(row)),
      code: code as RejectCode,
      column: column === null || column === undefined ? null : String(column),
      value: value === null || value === undefined ? null : String(value),
    }
  })
}

/** Where a record of a segment stands, for people; null when the source has no files. */
export function placeOf({ runs }: LandedSegment, row: number): string | null {
  const run = runs?.findLast(({ firstRow }) => firstRow <= row)
  if (run === undefined) return null
  const index = row - run.firstRow
  const line = run.place.lines?.[index] ?? run.place.firstLine + index
  return `${run.place.file}:${line}`
}
