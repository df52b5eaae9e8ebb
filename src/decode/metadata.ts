/** Columns whose values stand in no record: what is told of runs of records, as SQL. */

import { identifier, literal } from '../engine/index.ts'
import { assert, type SourceColumn } from '../model/index.ts'
import type { Refusal } from './refusal.ts'
import type { LandedSegment } from './segment.ts'

const TOLD = '__sluice_told'
const RUN_POSITION = '__sluice_run_position'

/** What is needed of rows: `RowSource` has more. */
interface Rows {
  readonly relation: string
  value(column: SourceColumn, refusal?: Refusal): string
}

/** The rows with what is told of each; `rowNumber` is the column that numbers them from 0. */
export function withMetadata<Given extends Rows>(
  rows: Given,
  { schema, metadataPath, firstPosition, marks }: LandedSegment,
  rowNumber: string,
): Given {
  if (metadataPath === undefined) return rows
  assert(marks === undefined, 'SLU-BUG-9001', 'runs of records that are not consecutive')
  const told = schema.columns.filter(({ metadata }) => metadata !== undefined)
  const members = told.map(({ name, metadata }) => {
    return `${identifier(name)} ${metadata === 'counted' ? 'BIGINT' : 'VARCHAR'}`
  })
  const runs = `SELECT position AS ${RUN_POSITION}, "values" AS ${TOLD}
    FROM read_json(${literal(metadataPath)}, format = 'newline_delimited',
      columns = {position: 'BIGINT', "values": ${literal(`STRUCT(${members.join(', ')})`)}})`
  const position = `${firstPosition}::BIGINT + ${rowNumber}`
  return {
    ...rows,
    relation: `(SELECT landed.*, told.* FROM ${rows.relation} AS landed
      ASOF JOIN (${runs}) AS told ON ${firstPosition}::BIGINT + landed.${rowNumber} >=
        told.${RUN_POSITION} ORDER BY landed.${rowNumber})`,
    value: (column, refusal) => {
      if (column.metadata === undefined) return rows.value(column, refusal)
      const value = `${TOLD}.${identifier(column.name)}`
      return column.metadata === 'same' ? value : `${value} + (${position} - ${RUN_POSITION})`
    },
  }
}
