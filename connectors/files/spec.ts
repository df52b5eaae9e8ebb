/** Settings of the files source: type, default, unit, meaning. */

import { z } from 'zod'
import {
  EVENT_FIELDS,
  type EventField,
  parseColumnType,
  parseConnectType,
  UNAVAILABLE_VALUE,
} from '../../src/model/index.ts'
import { METADATA_FIELDS, type MetadataField } from './metadata.ts'

const columnType = z.string().transform((text, context) => {
  const type = parseColumnType(text)
  if (type !== null) return type
  context.addIssue({
    code: 'custom',
    message: `there is no column type "${text}"`,
    params: {
      fix: 'write bigint, integer, double, string, boolean, date, timestamp or decimal(10,2)',
    },
  })
  return z.NEVER
})

/** The formats there are. */
export type FilesFormat = 'ndjson' | 'csv' | 'parquet' | 'debezium-json'

function withPacked(...patterns: readonly string[]): string {
  return patterns.flatMap((pattern) => [pattern, `${pattern}.gz`, `${pattern}.zst`]).join('|')
}

/** Names of the files that are read when `pattern` does not say. */
export const DEFAULT_PATTERNS: Readonly<Record<FilesFormat, string>> = {
  ndjson: withPacked('*.ndjson', '*.jsonl'),
  csv: withPacked('*.csv'),
  parquet: '*.parquet',
  'debezium-json': withPacked('*.ndjson', '*.jsonl', '*.json'),
}

const character = (byDefault: string, description: string) =>
  z
    .string()
    .regex(/^[\t\x20-\x7e]$/, { error: 'must be one ASCII character' })
    .default(byDefault)
    .meta({ description })

const nullText = z.string({ error: 'must be text; write it in quotes: "NULL"' })

const CSV_DEFAULTS = { header: true, delimiter: ',', quote: '"', nullText: '' }

const csv = z
  .strictObject({
    header: z.boolean().default(CSV_DEFAULTS.header).meta({
      description:
        'The first record of each file names its columns; false: `columns` names them in order.',
    }),
    delimiter: character(CSV_DEFAULTS.delimiter, 'Character between two fields; "\\t" is a tab.'),
    quote: character(CSV_DEFAULTS.quote, 'Character around fields; doubled inside of them.'),
    nullText: z
      .union([nullText, z.array(nullText).min(1)])
      .default(CSV_DEFAULTS.nullText)
      .meta({
        description: 'Text, or list of texts, that is NULL where no quotes are around it.',
        examples: ['"NULL"'],
      }),
  })
  .default(CSV_DEFAULTS)
  .meta({ description: 'How CSV files are written (RFC 4180 but for what is set here).' })

const DEBEZIUM_DEFAULTS = {
  rows: 'envelope',
  types: {},
  metadata: [],
  unavailable: UNAVAILABLE_VALUE,
} as const

const connectType = z.string().superRefine((text, context) => {
  if (parseConnectType(text) !== null) return
  context.addIssue({
    code: 'custom',
    message: `there is no type "${text}" of Debezium or Kafka Connect`,
    params: { fix: 'write int64, string, bytes, Date, MicroTimestamp, Decimal(10,2) or string[]' },
  })
})

const debezium = z
  .strictObject({
    rows: z
      .enum(['envelope', 'flat'])
      .default(DEBEZIUM_DEFAULTS.rows)
      .meta({
        description: [
          'envelope: an event with `before`, `after` and `op`; flat: the row itself, as',
          'ExtractNewRecordState of Debezium makes it.',
        ].join(' '),
      }),
    types: z
      .record(z.string().min(1), connectType)
      .default(DEBEZIUM_DEFAULTS.types)
      .meta({
        description: [
          'Column → type as Debezium names it: `int64`, `MicroTimestamp`, `Decimal(10,2)`,',
          '`bytes`, `string[]`. For records without a schema; it counts before what a schema says.',
        ].join(' '),
      }),
    metadata: z
      .array(z.enum(Object.keys(EVENT_FIELDS) as [EventField, ...EventField[]]))
      .default([...DEBEZIUM_DEFAULTS.metadata])
      .meta({
        description: [
          'What of the events becomes a column: `source.lsn` becomes `__source_lsn`. `order` is',
          'the place in the log of the database, for `ordering: __order`.',
        ].join(' '),
      }),
    unavailable: z.string().min(1).default(DEBEZIUM_DEFAULTS.unavailable).meta({
      description: 'Text for values that were not sent: `unavailable.value.placeholder`.',
    }),
  })
  .default({ ...DEBEZIUM_DEFAULTS, metadata: [...DEBEZIUM_DEFAULTS.metadata] })
  .meta({ description: 'How records of Debezium are read (`format: debezium-json`).' })

/** Schema of the settings under a source of type `files`. Unknown keys are errors. */
export const filesSettingsSchema = z.strictObject({
  path: z
    .string()
    .min(1, { error: 'must not be empty' })
    .meta({
      description: 'Folder of the files, relative to this file. Folders inside: see `pattern`.',
      examples: ['./landing/orders'],
    }),
  format: z
    .enum(['ndjson', 'csv', 'parquet', 'debezium-json'])
    .default('ndjson')
    .meta({
      description: [
        'ndjson: one JSON object a line; csv: comma-separated values; parquet; debezium-json: one',
        'change event of Debezium a line.',
      ].join(' '),
    }),
  pattern: z
    .string()
    .min(1, { error: 'must not be empty' })
    .optional()
    .meta({
      description: [
        'Paths of the files to read, from the folder on: `*` stands for any characters but `/`,',
        '`?` for one, `**/` for any folders or none, `|` for or: `**/*.ndjson`.',
        'Default: by the format: `*.ndjson|*.jsonl`, `*.csv`, each with `.gz` or `.zst` behind it',
        'too; `*.parquet`. Files of NDJSON and CSV whose names end with `.gz` or `.zst` are',
        'unpacked.',
      ].join(' '),
    }),
  exclude: z
    .string()
    .min(1, { error: 'must not be empty' })
    .optional()
    .meta({
      description: 'Paths that are not read although `pattern` matches, written as there.',
      examples: ["'**/_*|**/tmp/**'"],
    }),
  csv,
  debezium,
  stream: z
    .string()
    .min(1, { error: 'must not be empty' })
    .optional()
    .meta({ description: 'Name of the stream. Default: the name of the folder.' }),
  columns: z
    .record(z.string().min(1), columnType)
    .optional()
    .meta({
      description: [
        'Column → type: bigint, integer, smallint, tinyint, double, float, string, boolean, date,',
        'timestamp, timestamp_ntz, decimal(p,s). Default: inferred from the first 1000 records.',
      ].join(' '),
    }),
  undeclared: z
    .enum(['add', 'ignore'])
    .default('add')
    .meta({
      description:
        'Columns and members that `columns` does not name: add reads them too; ignore does not. ' +
        'Without `columns` all are read.',
    }),
  metadata: z
    .array(z.enum(Object.keys(METADATA_FIELDS) as [MetadataField, ...MetadataField[]]))
    .default([])
    .meta({
      description: [
        'What is told of each record beside its values, as columns: `file` becomes `__file`,',
        '`line` (of Parquet the row, from 1) `__line`, `modified_at` `__modified_at`, when the',
        'file was modified last. Of events of Debezium see `debezium`.',
      ].join(' '),
    }),
  nanoseconds: z
    .enum(['refuse', 'cut'])
    .default('refuse')
    .meta({
      description:
        'Times with digits beyond microseconds, which no column holds: refuse takes them for ' +
        'records that cannot be decoded (`onError`); cut leaves the digits out.',
    }),
  late: z
    .enum(['stop', 'read', 'ignore'])
    .default('stop')
    .meta({
      description:
        'Files that come when files behind them in the order of names were read: stop ends the ' +
        'pipeline; read reads them then; ignore passes over them, and says so in the log.',
    }),
  maxUnpackRatio: z.number().min(1).max(1_000_000).default(500).meta({
    description:
      'Bytes that one byte of a packed file may become, at most, beyond the first 64 MiB of it.',
  }),
  follow: z.boolean().default(false).meta({
    description: 'Keep watching for new files and appended lines; false: end at the last line.',
  }),
  pollIntervalMs: z
    .number()
    .int()
    .min(10)
    .max(3_600_000)
    .default(500)
    .meta({ description: 'How often to look for new lines when following.', unit: 'ms' }),
})

/** Settings of the files source that keep all rules of the schema. `path` is absolute. */
export type FilesSettings = z.output<typeof filesSettingsSchema>

/** What the configuration needs to know of this type of source. */
export const filesSpec = {
  type: 'files',
  summary: 'NDJSON, CSV, Parquet or Debezium files of a folder, in the order of their names.',
  schema: filesSettingsSchema,
  hasKeys: false,
  lint: (settings: unknown) => lintFilesSettings(settings as FilesSettings),
  hasWholeRecords: true,
  // Events update and delete, and leave values out: a stream without a key must not be taken for a
  // log of rows, and a later event may lack what a rejected one had.
  traits: (settings: unknown) =>
    (settings as FilesSettings).format === 'debezium-json' ? DEBEZIUM_TRAITS : null,
} as const

const DEBEZIUM_TRAITS = {
  hasKeys: true,
  hasWholeRecords: false,
  because: 'format debezium-json',
} as const

/** What is wrong between the settings. */
function lintFilesSettings(settings: FilesSettings) {
  const { format, csv: dialect, columns, debezium: events, metadata } = settings
  const findings: { setting: string; problem: string; remedy: string }[] = []
  if (format === 'debezium-json' && metadata.length > 0) {
    findings.push({
      setting: 'metadata',
      problem: 'has no effect on records of Debezium',
      remedy: 'name what of the events becomes a column under `debezium: { metadata }`',
    })
  }
  if (format === 'csv' && !dialect.header && columns === undefined) {
    findings.push({
      setting: 'csv',
      problem: 'says that the files have no header, so nothing names their columns',
      remedy: 'add `columns` with the name and type of every field, in order',
    })
  }
  if (dialect.delimiter === dialect.quote) {
    findings.push({
      setting: 'csv',
      problem: 'has the same character as delimiter and as quote',
      remedy: 'set `delimiter` to what stands between two fields',
    })
  }
  if (format === 'debezium-json' && events.rows === 'flat' && events.metadata.length > 0) {
    findings.push({
      setting: 'debezium',
      problem: 'asks for metadata, of which flat rows do not tell',
      remedy: 'remove `metadata`, and set add.fields of ExtractNewRecordState to what is wanted',
    })
  }
  if (format === 'debezium-json' && columns !== undefined) {
    findings.push({
      setting: 'columns',
      problem: 'has no effect on records of Debezium, whose schemas tell the types',
      remedy: 'name the types of records without a schema under `debezium: { types }`',
    })
  }
  return findings
}
