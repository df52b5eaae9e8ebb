/** The key of one row: its text as values of the key columns, and the files that may hold it. */

import { duckType, literal, type Session } from '../engine/index.ts'
import {
  type DataFile,
  isSluiceError,
  isWholeNumber,
  type JsonValue,
  SluiceError,
  type TableColumn,
  type TableSchema,
} from '../model/index.ts'
import { scanColumn } from './scan.ts'

/** Text of each key column's value, by the column's name. */
export type KeyTexts = ReadonlyMap<string, string>

/** A key that fits the columns. */
export interface RowKey {
  /** Condition over the columns of a scan. */
  readonly condition: string
  /** False when partition values or statistics of the file rule it out. */
  mayBeIn(file: DataFile): boolean
}

interface KeyPart {
  readonly column: TableColumn
  readonly text: string
}

/**
 * Makes a condition of the texts, one for each key column of the schema. Bytes are written as
 * `\x0a1b`, everything else as SQL casts it from text.
 * Throws SLU-SQL-6007 when a text is no value of its column.
 */
export async function rowKey(
  session: Session,
  schema: TableSchema,
  texts: KeyTexts,
): Promise<RowKey> {
  const conditions: string[] = []
  const parts: KeyPart[] = []
  for (const [index, column] of schema.columns.entries()) {
    const text = texts.get(column.name)
    if (!schema.key.includes(column.name) || text === undefined) continue
    const value = await keyValue(session, column, text)
    conditions.push(`${scanColumn(index)} = ${value}`)
    parts.push({ column, text })
  }
  const partitions = new Set(schema.partitionBy)
  return {
    condition: conditions.join(' AND '),
    mayBeIn: (file) => parts.every((part) => mayHold(file, part, partitions.has(part.column.name))),
  }
}

async function keyValue(session: Session, column: TableColumn, text: string): Promise<string> {
  const { type } = column
  const value = type === 'binary' ? `unhex(${literal(text.replace(/^\\x/, ''))})` : literal(text)
  const cast = `CAST(${value} AS ${duckType(type)})`
  if (isCut(column, text)) throw noValue(column, text)
  try {
    await session.query(`SELECT ${cast}`)
  } catch (error) {
    throw isSluiceError(error, 'SLU-ENG-7002') ? noValue(column, text, error) : error
  }
  return cast
}

function noValue({ name, type }: TableColumn, text: string, cause?: unknown): SluiceError {
  return new SluiceError('SLU-SQL-6007', {
    message: `"${text}" is no value of the key column ${name} (${duckType(type)})`,
    context: { column: name },
    cause,
  })
}

/** A cast would round digits away and find another row. */
function isCut({ type }: TableColumn, text: string): boolean {
  const fraction = /\.(\d*?)0*$/.exec(text)?.[1]?.length ?? 0
  if (isWholeNumber(type)) return !/^\s*[+-]?\d+\s*$/.test(text)
  return typeof type !== 'string' && type.kind === 'decimal' && fraction > type.scale
}

function mayHold(file: DataFile, { column, text }: KeyPart, isPartition: boolean): boolean {
  const { physicalName } = column
  if (isPartition) {
    const value = file.partitionValues[physicalName]
    return value === undefined || !isComparable(column) || compare(column, value ?? '', text) === 0
  }
  const { statistics } = file
  if (statistics === null || !isComparable(column)) return true
  const min = boundText(statistics.minValues[physicalName])
  const max = boundText(statistics.maxValues[physicalName])
  if (min !== null && compare(column, min, text) > 0) return false
  return max === null || compare(column, max, text) >= 0
}

/** Types whose order needs no engine; every other file is asked. */
function isComparable({ type }: TableColumn): boolean {
  return type === 'string' || isWholeNumber(type)
}

function boundText(value: JsonValue | undefined): string | null {
  return typeof value === 'string' || typeof value === 'number' ? String(value) : null
}

/** Negative, zero or positive, as SQL orders the two; zero for what is no number. */
function compare({ type }: TableColumn, left: string, right: string): number {
  if (type === 'string') return Buffer.compare(Buffer.from(left), Buffer.from(right))
  if (!/^-?\d+$/.test(left)) return 0
  const difference = BigInt(left) - BigInt(right.trim())
  return difference < 0n ? -1 : difference > 0n ? 1 : 0
}
