/** The columns of the stream as they are known so far; they only grow while a session lives. */

import { parseColumnType } from './column-type-names.ts'
import { SluiceError } from './errors.ts'
import type { ColumnOrigin, SourceColumn, StreamSchema } from './schema.ts'
import { compareTypes } from './type-change.ts'

/** The stream's columns in a session. */
export interface Shape {
  readonly current: StreamSchema
  /** Throws SLU-SRC-1402 when records have a column that is told of them. */
  checkNames(found: readonly { readonly name: string }[]): void
  /** Adds the columns whose names are not there yet; the schema is another one then. */
  add(columns: readonly SourceColumn[]): StreamSchema
  /**
   * Adds them, and gives columns whose type cannot hold the new one's values the wider type or,
   * where there is none, the new one: the table then judges whether it can follow.
   */
  meet(columns: readonly SourceColumn[]): StreamSchema
}

/** What holds for all columns, those that are found later too. */
export interface ShapeOptions {
  /** Digits of times beyond microseconds are left out instead of refused. */
  readonly cutsTimes: boolean
  /** Columns that stand in no record. */
  readonly metadata: readonly SourceColumn[]
}

/** A shape that begins with `columns`. */
export function createShape(
  stream: string,
  columns: readonly SourceColumn[],
  { cutsTimes, metadata }: ShapeOptions,
): Shape {
  const taken = new Set(metadata.map(({ name }) => name))
  const checkNames = (found: readonly { readonly name: string }[]): void => {
    const twice = found.find(({ name }) => taken.has(name))
    if (twice === undefined) return
    throw new SluiceError('SLU-SRC-1402', {
      message: `Records of ${stream} have "${twice.name}" themselves, which \`metadata\` adds.`,
      remedy: 'Rename it in the files, or take it out of `metadata`.',
    })
  }
  const marked = (column: SourceColumn): SourceColumn => {
    const isTime = column.type === 'timestamp' || column.type === 'timestamp_ntz'
    return cutsTimes && isTime && column.nanoseconds === undefined
      ? { ...column, nanoseconds: 'cut' }
      : column
  }
  const first = [...columns.filter(({ name }) => !taken.has(name)).map(marked), ...metadata]
  let current: StreamSchema = { stream, schemaId: 1, columns: first, key: [] }
  const replace = (next: readonly SourceColumn[]): StreamSchema => {
    const isSame = next.every((column, index) => column === current.columns[index])
    if (isSame && next.length === current.columns.length) return current
    current = { ...current, schemaId: current.schemaId + 1, columns: next.map(marked) }
    return current
  }
  const missing = (found: readonly SourceColumn[]): readonly SourceColumn[] => {
    const names = new Set(current.columns.map(({ name }) => name))
    return found.filter(({ name }) => !names.has(name))
  }
  return {
    get current() {
      return current
    },
    checkNames,
    add: (found) => {
      checkNames(found)
      return replace([...current.columns, ...missing(found)])
    },
    meet: (found) => {
      checkNames(found)
      const byName = new Map(found.map((column) => [column.name, column]))
      const met = current.columns.map((known) => holding(known, byName.get(known.name)))
      return replace([...met, ...missing(found)])
    },
  }
}

/** The column that holds the values of both, if there is one; the very `known` when it does. */
function holding(known: SourceColumn, found: SourceColumn | undefined): SourceColumn {
  if (found === undefined) return known
  const change = compareTypes(known.type, found.type)
  if (change.kind === 'same' || change.kind === 'fits') return known
  if (change.kind === 'incompatible') return found
  return { ...found, type: change.type }
}

/** The columns that a table has of the stream already, in the types it has them in. */
export function knownColumns(origins: readonly ColumnOrigin[]): readonly SourceColumn[] {
  return origins.flatMap(({ name, type: sourceType }) => {
    const type = parseColumnType(sourceType)
    return type === null ? [] : [{ name, type, sourceType, nullable: true }]
  })
}
