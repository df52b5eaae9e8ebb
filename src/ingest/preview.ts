/** Decodes the first records of a part for a look at them: nothing is written to a table. */

import { join } from 'node:path'
import type { BlockPart } from '../contracts/index.ts'
import {
  CHANGE_OP,
  CHANGE_POSITION,
  changeSql,
  columnPlaces,
  matchColumns,
  OP_CODES,
} from '../decode/index.ts'
import { identifier, type Session } from '../engine/index.ts'
import { isSluiceError, type TableSchema, userColumns } from '../model/index.ts'
import { hasUnreadable, isolate, placeOf, rejectedRecords } from './isolate.ts'
import { landPart } from './lander.ts'
import type { RejectedRecord } from './rejects.ts'
import { createTableSchema } from './table-schema.ts'
import type { PlacedSegment } from './unit.ts'

/** What a record tells of. */
export type PreviewOp = keyof typeof OP_CODES

/** A record as a table would have it. */
export interface PreviewRow {
  readonly position: bigint
  /** `orders.ndjson:17`; null when the source has no files. */
  readonly place: string | null
  readonly op: PreviewOp
  /** Column → value as text; null for NULL. */
  readonly values: ReadonlyMap<string, string | null>
}

/** The first records of a part. */
export interface PartPreview {
  readonly rows: readonly PreviewRow[]
  /** The first of the records that cannot be decoded, and how many there are in the part. */
  readonly rejected: readonly RejectedRecord[]
  readonly rejectedCount: number
}

/** How much of a part to look at, and where. */
export interface PreviewOptions {
  readonly session: Session
  /** Takes what is landed. */
  readonly folder: string
  /** Columns by which deletes name their rows. */
  readonly key: readonly string[]
  readonly rowsMax: number
  readonly rejectedMax: number
}

/**
 * Decodes a part. Throws SLU-ENG-7002 for a record that cannot be decoded in a format whose records
 * cannot be told apart then.
 */
export async function previewPart(part: BlockPart, options: PreviewOptions): Promise<PartPreview> {
  const { session, folder, rejectedMax } = options
  const schema = createTableSchema(part.schema, NO_TARGET)
  const landed = await landPart(part, join(folder, 'part.landed'))
  const places = columnPlaces(matchColumns(userColumns(schema), part.schema))
  const segment: PlacedSegment = { ...landed, places, initials: new Map() }
  const unit = { schema, segments: [segment] }
  let failure: unknown = null
  if (!hasUnreadable(unit)) {
    try {
      return { rows: await rowsOf(segment, schema, options), rejected: [], rejectedCount: 0 }
    } catch (error) {
      if (!isSluiceError(error, 'SLU-ENG-7002')) throw error
      failure = error
    }
  }
  const isolation = await isolate(NO_TARGET, unit, session, folder)
  if (isolation === null) throw failure
  const rows = await rowsOf(isolation.segments[0] ?? segment, schema, options)
  const rejected = await rejectedRecords(session, unit.segments, rejectedMax)
  return { rows, rejected, rejectedCount: isolation.count }
}

/** A table without a key or anything else of its own. */
const NO_TARGET = {
  stream: '',
  table: '',
  root: '',
  mode: 'append',
  key: null,
  orderingColumn: null,
  partitionBy: [],
  deleteWhen: null,
  schema: { add: 'apply', widen: 'apply', rename: 'keep', drop: 'keep', incompatible: 'stop' },
} as const

async function rowsOf(
  segment: PlacedSegment,
  schema: TableSchema,
  { session, rowsMax, key }: PreviewOptions,
): Promise<readonly PreviewRow[]> {
  const columns = userColumns(schema)
  const { places } = segment
  const changes = changeSql({
    segment,
    columns,
    places,
    withMasks: false,
    deleteWhen: null,
    identifying: { key, ordering: null },
  })
  const shown = columns.map(({ name }) => `CAST(${identifier(name)} AS VARCHAR)`)
  const select = [CHANGE_OP, CHANGE_POSITION, ...shown].join(', ')
  const found = await session.query(`SELECT ${select} FROM (${changes}) LIMIT ${rowsMax}`)
  return found.rows.map(([op, at, ...cells]) => {
    const position = BigInt(String(at))
    const values = columns.map(({ name }, index): [string, string | null] => {
      const cell = cells[index]
      return [name, cell === null || cell === undefined ? null : String(cell)]
    })
    return {
      position,
      place: placeOf(segment, Number(position - segment.firstPosition)),
      op: OP_NAMES[Number(op)] ?? 'none',
      values: new Map(values),
    }
  })
}

const OP_NAMES = Object.keys(OP_CODES) as readonly PreviewOp[]
