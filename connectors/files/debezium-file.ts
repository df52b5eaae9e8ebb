/** Files of Debezium's JSON: one record a line, with or without its schema. */

import {
  createDebeziumRecords,
  type DebeziumLayout,
  type DebeziumMember,
  type DebeziumValue,
  EVENT_FIELDS,
  type EventField,
  eventColumn,
  findUnknownMembers,
  isWholeNumber,
  membersOf,
  parseConnectType,
  printColumnType,
  type Shape,
  SluiceError,
  type SourceColumn,
} from '../../src/model/index.ts'
import {
  bareKindOf,
  type DebeziumRows,
  type DebeziumRowsOf,
  debeziumLines,
  OTHER_ROWS,
} from './debezium-lines.ts'
import { type FileFormat, readMark } from './file-format.ts'
import { readSample, type Sample } from './json-file.ts'
import type { RecordFormat } from './records.ts'

/** What the configuration says of the records. */
export interface DebeziumOptions {
  readonly rows: DebeziumLayout['rows']
  /** Column → type as a schema would name it; counts before what a schema says. */
  readonly types: Readonly<Record<string, string>>
  /** What of the events becomes a column. */
  readonly metadata: readonly EventField[]
  readonly unavailable: string
}

/** The format of files of Debezium's JSON with these options. */
export function debeziumFiles(options: DebeziumOptions): FileFormat {
  let records: RecordFormat | null = null
  return {
    infer: async (folder, names) => {
      for (const name of names) {
        const sample = await readSample(folder, name)
        const columns = sample === null ? [] : inferFrom(sample, name, options)
        if (columns.length > 0) return columns
      }
      return []
    },
    begin: async (file, shape) => {
      records ??= debeziumLines(options.rows, rowsOf(shape, options))
      return {
        schema: shape.current,
        format: 'debezium-json',
        records,
        prologue: await readMark(file),
        prologueLines: 0,
      }
    },
  }
}

/** The columns of a file, by the first schema of a row; without one by the sampled rows. */
function inferFrom(
  { bytes, firstLine }: Sample,
  file: string,
  options: DebeziumOptions,
): readonly SourceColumn[] {
  const records = createDebeziumRecords()
  const rows: string[] = []
  for (const text of bytes.toString('utf8').split('\n')) {
    const line = Buffer.from(text.trim())
    const kind = records.look(line, 0, line.length)
    if (kind === 'row' && records.shape !== null) {
      checkRows(records.shape.rows, file, options)
      return sourceColumns(withOptions(records.shape.columns, options))
    }
    const found = kind === 'bare' && line.length > 0 ? bareKindOf(text) : 'aside'
    if (found === 'envelope' || found === 'flat') checkRows(found, file, options)
    // Lines that tell of no row stay blank, so that the others keep their numbers.
    rows.push(found === 'aside' ? '' : rowText(line, options))
  }
  const found = findUnknownMembers(Buffer.from(rows.join('\n')), new Set(), { file, firstLine })
  return found === null
    ? []
    : sourceColumns(withOptions(bareMembers(found.columns, options), options))
}

function checkRows(rows: 'envelope' | 'flat', file: string, options: DebeziumOptions): void {
  if (rows === options.rows) return
  throw new SluiceError('SLU-SRC-1420', {
    message: `A record of ${file} cannot be read: ${OTHER_ROWS[rows]}.`,
    context: { file },
  })
}

function rowText(line: Buffer, { rows }: DebeziumOptions): string {
  if (rows === 'flat') return line.toString('utf8')
  const members = new Map([...membersOf(line, 0, line.length)].map((m) => [m.name, m.value]))
  const after = members.get('after') ?? 'null'
  return after === 'null' ? (members.get('before') ?? '') : after
}

function rowsOf(shape: Shape, options: DebeziumOptions): DebeziumRowsOf {
  const rows = (kind: 'envelope' | 'flat', found: readonly DebeziumMember[]): DebeziumRows => {
    const members = withOptions(found, options)
    const values = new Map(members.map(({ name, value }) => [name, value]))
    const schema = shape.meet(sourceColumns(members))
    return { layout: { rows: kind, values, unavailable: options.unavailable }, schema }
  }
  return {
    withSchema: ({ rows: kind, columns }) => rows(kind, columns),
    bare: () => rows(options.rows, bareMembers(shape.current.columns, options)),
    none: () => ({
      layout: { rows: options.rows, values: new Map(), unavailable: options.unavailable },
      schema: shape.current,
    }),
  }
}

/** Columns that are known, as JSON alone can tell them. */
function bareMembers(
  columns: readonly SourceColumn[],
  { metadata }: DebeziumOptions,
): readonly DebeziumMember[] {
  const ofEvents = new Set(metadata.map(eventColumn))
  return columns
    .filter(({ name }) => !ofEvents.has(name))
    .map(({ name, type }) => {
      const isPlain = isWholeNumber(type) || PLAIN.has(type as string) || type === 'string'
      return { name, value: { type, written: { kind: isPlain ? 'plain' : 'undeclared' } } }
    })
}

const PLAIN = new Set(['boolean', 'float', 'double'])

/** The members with the types that the configuration gives, and the columns of the events. */
function withOptions(
  members: readonly DebeziumMember[],
  { types, metadata }: DebeziumOptions,
): readonly DebeziumMember[] {
  const declared = new Map(
    Object.entries(types).map(([name, type]) => [name, parseConnectType(type) as DebeziumValue]),
  )
  const names = new Set(members.map(({ name }) => name))
  const typed = members.map(({ name, value }) => ({ name, value: declared.get(name) ?? value }))
  const added = [...declared].filter(([name]) => !names.has(name))
  return [
    ...typed,
    ...added.map(([name, value]) => ({ name, value })),
    ...metadata.map((field): DebeziumMember => {
      const value: DebeziumValue = { type: EVENT_FIELDS[field], written: { kind: 'event', field } }
      return { name: eventColumn(field), value }
    }),
  ]
}

function sourceColumns(members: readonly DebeziumMember[]): readonly SourceColumn[] {
  return members.map(({ name, value: { type } }) => {
    return { name, type, sourceType: printColumnType(type), nullable: true }
  })
}
