/** Why a table cannot follow its stream, in words: what changed, where, and how to go on. */

import type { SchemaPolicies, TableTarget } from '../contracts/index.ts'
import {
  type ColumnType,
  type ErrorCode,
  SluiceError,
  type SourceColumn,
  type SourcePosition,
  type StreamSchema,
  type TableColumn,
} from '../model/index.ts'

/** What the words are about. */
export interface SchemaBlockSubject {
  readonly stream: StreamSchema
  readonly target: TableTarget
  readonly position: SourcePosition
}

/** Makes the errors of one stream and table at one position. */
export class SchemaBlock {
  readonly #subject: SchemaBlockSubject

  constructor(subject: SchemaBlockSubject) {
    this.#subject = subject
  }

  /** A policy says stop. */
  stopped(policy: keyof SchemaPolicies, what: string): SluiceError {
    const { stream, target } = this.#subject
    return this.#error('SLU-ING-4010', {
      what: `${stream.stream}: ${what}, and schema.${policy} of ${target.table} is stop`,
      remedy:
        `To follow it, set schema: { ${policy}: apply } in the pipeline or under ` +
        `overrides["${stream.stream}"] and start again; or ${this.#newTable()}.`,
    })
  }

  /** The table's column cannot hold the values of the new type. */
  incompatible(stored: TableColumn, column: SourceColumn): SluiceError {
    const { stream, target } = this.#subject
    const was = stored.origin === undefined ? '' : ` (was ${stored.origin.type})`
    return this.#error('SLU-ING-4005', {
      what:
        `${stream.stream}.${column.name} is now ${column.sourceType}${was}; column ` +
        `${stored.name} of ${target.table} is ${typeName(stored.type)} and cannot become ` +
        typeName(column.type),
      column: stored.name,
      remedy: `To go on, ${this.#newTable()}.`,
    })
  }

  /** Two columns would have one name, or one that Sluice uses itself. */
  takenName(name: string): SluiceError {
    const { stream, target } = this.#subject
    return this.#error('SLU-ING-4005', {
      what:
        `${stream.stream}.${name} cannot be stored in ${target.table}: a column of that name is ` +
        'there already (case does not make names differ)',
      column: name,
      remedy: `Rename it in the source and ${this.#newTable()}.`,
    })
  }

  /** A column that the table needs to tell rows apart or to order them. */
  neededColumn(column: TableColumn, what: string): SluiceError {
    const { stream, target } = this.#subject
    return this.#error('SLU-ING-4011', {
      what:
        `${stream.stream}.${column.origin?.name ?? column.name} ${what}, and ${target.table} ` +
        `needs its column ${column.name} as key, ordering or partition`,
      column: column.name,
      remedy:
        `After a rename, set schema: { rename: keep } under overrides["${stream.stream}"]; ` +
        `otherwise ${this.#newTable()}.`,
    })
  }

  /** The stream's key is another one. */
  changedKey(before: readonly string[], after: readonly string[]): SluiceError {
    const { stream, target } = this.#subject
    const shown = after.length === 0 ? 'none' : `(${after.join(', ')})`
    return this.#error('SLU-ING-4011', {
      what:
        `the key of ${stream.stream} is now ${shown}, that of ${target.table} is ` +
        `(${before.join(', ')})`,
      remedy:
        `If the columns still tell the rows apart, set key: [${before.join(', ')}] under ` +
        `overrides["${stream.stream}"]; otherwise ${this.#newTable()}.`,
    })
  }

  /** The source knows columns by numbers, and cannot tell this one's. */
  unknownColumn(column: SourceColumn, missing: readonly TableColumn[]): SluiceError {
    const { stream, target } = this.#subject
    const names = missing.map(({ origin, name }) => origin?.name ?? name)
    const other = names.length === 0 ? 'one of that name' : `${names.join(' or ')} under a new name`
    return this.#error('SLU-ING-4012', {
      what: `${stream.stream}.${column.name} may be a new column, or ${other}: nothing tells which`,
      column: column.name,
      remedy: `Copy the rows again: ${this.#newTable()} (now ${target.table}).`,
    })
  }

  #newTable(): string {
    const { stream } = this.#subject
    return (
      `set overrides["${stream.stream}"].table to a new name: the stream is copied into it, ` +
      'and the present table stays readable'
    )
  }

  #error(
    code: ErrorCode,
    details: { readonly what: string; readonly remedy: string; readonly column?: string },
  ): SluiceError {
    const { stream, target, position } = this.#subject
    return new SluiceError(code, {
      message: `${details.what}. Position ${position}; everything before it is kept.`,
      remedy: details.remedy,
      context: {
        stream: stream.stream,
        table: target.table,
        position,
        ...(details.column === undefined ? {} : { column: details.column }),
      },
    })
  }
}

function typeName(type: ColumnType): string {
  if (typeof type === 'string') return type
  return type.kind === 'decimal' ? `decimal(${type.precision},${type.scale})` : type.kind
}
