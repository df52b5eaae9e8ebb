/**
 * Every setting of the configuration file but those of the sources: type, default, unit, meaning.
 */

import { z } from 'zod'
import {
  formatDurationMs,
  formatSizeBytes,
  keptProperties,
  parseDurationMs,
  parseHostPort,
  parseSizeBytes,
  TABLE_NAME,
} from '../model/index.ts'

/** What a connector brings along; `compose.ts` hands the list to `loadConfig`. */
export interface SourceSpec {
  /** The key under a source's name: `postgres`. */
  readonly type: string
  /** One sentence for the reference page. */
  readonly summary: string
  /** Settings of the source. Strict: unknown keys are errors. */
  readonly schema: z.ZodType
  /** True when the records of the source name their key themselves. */
  readonly hasKeys: boolean
  /** Streams may be named by patterns of `schema.table`. */
  readonly hasPatterns?: boolean
  /** True when single records may be rejected: none leaves values out that another one has. */
  readonly hasWholeRecords: boolean
  /** What is otherwise with checked settings, and what makes it so, to be read after `of`. */
  readonly traits?: (settings: unknown) => SourceTraits | null
  /** What the schema alone cannot see in checked settings. */
  readonly lint?: (settings: unknown) => readonly SettingsFinding[]
}

/** What settings of a source change about it. */
export interface SourceTraits extends Pick<SourceSpec, 'hasKeys' | 'hasWholeRecords'> {
  /** `format debezium-json`. */
  readonly because: string
}

/** What a connector finds wrong between its settings. */
export interface SettingsFinding {
  /** Name of the setting. */
  readonly setting: string
  /** What is wrong and why, to be read after the name of the setting. */
  readonly problem: string
  /** What to set. */
  readonly remedy: string
}

/** Names of pipelines, sources and the configuration itself. */
export const NAME_PATTERN = /^[a-z][a-z0-9_-]{0,62}$/
const NAME_RULE = 'lower-case letters, digits, _ and -, beginning with a letter, at most 63'
const TABLE_RULE = 'letters, digits, _ and -, parts joined by dots, no part beginning with _'

const name = (description: string) =>
  z
    .string()
    .regex(NAME_PATTERN, { error: `a name is ${NAME_RULE}` })
    .meta({ description })

const text = (description: string) =>
  z.string().min(1, { error: 'must not be empty' }).meta({ description })

const columns = (description: string) =>
  z
    .array(z.string().min(1, { error: 'must not be empty' }))
    .min(1, { error: 'at least one column' })
    .superRefine((names, context) => {
      for (const [index, name] of names.entries()) {
        if (names.indexOf(name) === index) continue
        const params = { fix: 'remove it' }
        const message = `the column "${name}" stands in the list twice`
        context.addIssue({ code: 'custom', message, params, path: [index] })
      }
    })
    .meta({ description })

const duration = (description: string, minMs: number, maxMs: number, byDefault: string) =>
  z
    .string()
    .meta({ description, unit: 'duration', default: byDefault, examples: ['10s'] })
    .transform((value, context) => {
      const ms = parseDurationMs(value)
      if (ms !== null && ms >= minMs && ms <= maxMs) return ms
      context.addIssue({
        code: 'custom',
        message:
          ms === null
            ? 'a duration is a number with ms, s, m, h or d'
            : `must lie between ${formatDurationMs(minMs)} and ${formatDurationMs(maxMs)}`,
        params: { fix: ms === null ? 'write it like 500ms, 10s or 5m' : '' },
      })
      return z.NEVER
    })

const size = (description: string, minBytes: number, maxBytes: number, byDefault?: string) =>
  z
    .string()
    .meta({ description, unit: 'size', examples: ['128MiB'], ...withDefault(byDefault) })
    .transform((value, context) => {
      const bytes = parseSizeBytes(value)
      if (bytes !== null && bytes >= minBytes && bytes <= maxBytes) return bytes
      context.addIssue({
        code: 'custom',
        message:
          bytes === null
            ? 'a size is a number with B, KiB, MiB, GiB (or KB, MB, GB)'
            : `must lie between ${formatSizeBytes(minBytes)} and ${formatSizeBytes(maxBytes)}`,
        params: { fix: bytes === null ? 'write it like 64MiB or 1GiB' : '' },
      })
      return z.NEVER
    })

const withDefault = (byDefault: string | undefined) =>
  byDefault === undefined ? {} : { default: byDefault }

const count = (description: string, min: number, max: number) =>
  z.number().int().min(min).max(max).meta({ description })

const MIB = 1024 ** 2
const DAY_MS = 86_400_000

/** What holds when neither a pipeline nor `defaults` says otherwise, as one would write it. */
export const TUNING_DEFAULTS = {
  commit: {
    every: '10s',
    maxRows: 200_000,
    maxBytes: '128MiB',
    partRows: 200_000,
    partBytes: '64MiB',
  },
  onError: 'stop',
  dlq: { stopAfter: '1000/h' },
  schema: { add: 'apply', widen: 'apply', rename: 'apply', drop: 'keep', incompatible: 'stop' },
  memory: '512MiB',
  index: { memory: '512MiB', spill: 'disk' },
  inFlight: '64MiB',
  tombstones: '7d',
  compression: 1,
} as const

const commit = z.strictObject({
  every: duration(
    'Commit at the latest after this time when there are changes.',
    50,
    DAY_MS,
    TUNING_DEFAULTS.commit.every,
  ).optional(),
  maxRows: count('Commit when a batch holds this many changes.', 1, 10_000_000)
    .optional()
    .meta({ default: TUNING_DEFAULTS.commit.maxRows }),
  maxBytes: size(
    'Commit when a batch holds this many source bytes.',
    64 * 1024,
    4096 * MIB,
    TUNING_DEFAULTS.commit.maxBytes,
  ).optional(),
  partRows: count(
    'A source transaction larger than this is worked on in parts; it stays one commit.',
    1,
    10_000_000,
  )
    .optional()
    .meta({ default: TUNING_DEFAULTS.commit.partRows }),
  partBytes: size(
    'The same bound in source bytes: what one transaction takes of memory.',
    64 * 1024,
    4096 * MIB,
    TUNING_DEFAULTS.commit.partBytes,
  ).optional(),
})

const policy = <const Values extends readonly [string, ...string[]]>(
  values: Values,
  byDefault: Values[number],
  description: string,
) => z.enum(values).optional().meta({ description, default: byDefault })

const { schema: schemaDefaults } = TUNING_DEFAULTS

const schemaPolicies = z
  .strictObject({
    add: policy(
      ['apply', 'stop'],
      schemaDefaults.add,
      'A new column: apply adds it to the table; stop.',
    ),
    widen: policy(
      ['apply', 'stop'],
      schemaDefaults.widen,
      'A type that grows, such as int to bigint: apply lets the table grow with it; stop.',
    ),
    rename: policy(
      ['apply', 'keep', 'stop'],
      schemaDefaults.rename,
      "A new name: apply renames the table's column; keep goes on under the old name; stop.",
    ),
    drop: policy(
      ['keep', 'apply', 'stop'],
      schemaDefaults.drop,
      'A column that is gone: keep leaves it, NULL from then on; apply takes it out of the ' +
        'table, older versions keep it; stop.',
    ),
    incompatible: policy(
      ['stop'],
      schemaDefaults.incompatible,
      'A type whose values the table cannot hold: the pipeline stops before it.',
    ),
  })
  .optional()
  .meta({ description: 'What the tables do when the columns of their streams change.' })

const index = z.strictObject({
  memory: size(
    'What the key indexes may use, per pipeline: about 48 bytes for each key of its upsert tables.',
    16 * MIB,
    1024 * 1024 * MIB,
    TUNING_DEFAULTS.index.memory,
  ).optional(),
  spill: z
    .enum(['disk', 'none'])
    .optional()
    .meta({
      description:
        'Where keys go that exceed it. disk: the work folder, 32 bytes for each key; none: the ' +
        'pipeline stops.',
      default: TUNING_DEFAULTS.index.spill,
    }),
})

const REJECT_UNITS_MS = { s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS } as const

const stopAfter = z
  .string()
  .meta({
    description:
      'More rejected records of a table than that within the time stop the pipeline, and none of ' +
      'them is kept: a number per s, m, h or d; or none.',
    default: TUNING_DEFAULTS.dlq.stopAfter,
    examples: ['1000/h'],
  })
  .transform((value, context) => {
    if (value === 'none') return null
    const [, digits, unit] = /^(\d{1,9})\/([smhd])$/.exec(value) ?? []
    if (digits !== undefined && unit !== undefined) {
      const windowMs = REJECT_UNITS_MS[unit as keyof typeof REJECT_UNITS_MS]
      return { count: Number(digits), windowMs }
    }
    const params = { fix: 'write it like 1000/h, 50/m or none' }
    const message = 'a ceiling is a number per s, m, h or d'
    context.addIssue({ code: 'custom', message, params })
    return z.NEVER
  })

const rejects = {
  onError: z
    .enum(['stop', 'dlq', 'skip'])
    .optional()
    .meta({
      description:
        'What happens at a record that cannot be decoded. stop: the pipeline stops before it; ' +
        'dlq: it goes to the dead-letter table; skip: it is counted and left out.',
      default: TUNING_DEFAULTS.onError,
    }),
  dlq: z
    .strictObject({ stopAfter: stopAfter.optional() })
    .optional()
    .meta({ description: 'Bounds of what may be rejected.' }),
}

const tuning = {
  commit: commit
    .optional()
    .meta({ description: 'When a batch is committed: whichever comes first.' }),
  ...rejects,
  schema: schemaPolicies,
  memory: size(
    'What DuckDB may use, per pipeline.',
    64 * MIB,
    1024 * 1024 * MIB,
    TUNING_DEFAULTS.memory,
  ).optional(),
  index: index
    .optional()
    .meta({ description: 'Where the rows of the keys are: memory, and beyond it local disk.' }),
  threads: count('Threads of DuckDB, per pipeline. Default: half of the cores.', 1, 256).optional(),
  inFlight: size(
    'Source bytes read and not yet committed, per pipeline.',
    MIB,
    16_384 * MIB,
    TUNING_DEFAULTS.inFlight,
  ).optional(),
  tombstones: duration(
    'How long deletes are remembered against late changes.',
    0,
    3650 * DAY_MS,
    TUNING_DEFAULTS.tombstones,
  ).optional(),
  compression: count('Zstandard level of data files.', 1, 19)
    .optional()
    .meta({ default: TUNING_DEFAULTS.compression }),
}

/** The settings that `defaults` and each pipeline share. */
export const TUNING_SCHEMA = z.strictObject(tuning)

const tableName = (description: string) =>
  z
    .string()
    .regex(TABLE_NAME, { error: `a table name is ${TABLE_RULE}` })
    .meta({ description })

const target = {
  table: tableName('Name of the table. Default: namespace and last part of the stream.').optional(),
  mode: z.enum(['upsert', 'append']).optional().meta({
    description: 'upsert keeps the newest row of each key; append keeps every record.',
    default: 'upsert when there is a key, else append of inserts alone',
  }),
  key: columns('Key columns. Default: the key of the source.').optional(),
  ordering: text('Column whose higher value wins. Default: the order of the source.').optional(),
  partitionBy: columns('Columns whose values become folders of the table.').optional(),
  properties: z
    .record(
      text('Name.'),
      z.union([z.string(), z.number(), z.boolean()]).transform((value) => String(value)),
    )
    .optional()
    .meta({
      description:
        'Table properties. Names of your own, and of Delta: ' +
        `${keptProperties()
          .map((name) => `\`${name}\``)
          .join(', ')}. Changes reach tables that exist; taking one away does not.`,
    }),
  deleteWhen: z
    .strictObject({
      column: text('Column that marks deletes.'),
      equals: text('Rows with this value delete their key.'),
    })
    .optional()
    .meta({ description: 'For sources without deletes of their own.' }),
  ...rejects,
}

const override = z.strictObject({ ...target, schema: schemaPolicies })

const pipeline = z.strictObject({
  name: name('Name of the pipeline; part of what the tables store, so do not change it later.'),
  from: text('Name of the source.'),
  tables: z
    .array(text('Name of a stream, such as public.orders.'))
    .min(1, { error: 'a pipeline needs at least one stream' })
    .meta({
      description:
        'Streams to read: `public.orders` for Postgres, names for files. For Postgres also ' +
        'patterns: `public.*` or `sales.order_*` choose tables, those of later too, and ' +
        '`!public.tmp_*` leaves out what patterns chose.',
    }),
  to: z
    .strictObject({
      namespace: tableName(
        'Put before the names of the tables: `shop` makes `shop.orders`.',
      ).optional(),
      ...target,
    })
    .optional()
    .meta({ description: 'How the streams become tables.' }),
  overrides: z
    .record(z.string(), override)
    .optional()
    .meta({ description: 'Stream → what differs for it from `to`.' }),
  ...tuning,
})

const address = (description: string) =>
  z
    .union([z.string(), z.number()])
    .meta({ description, unit: 'address', examples: ['127.0.0.1:9464'] })
    .transform((value, context) => {
      const parsed = parseHostPort(String(value))
      if (parsed !== null) return parsed
      const params = { fix: 'write it like 127.0.0.1:9464, [::1]:9464 or 9464' }
      context.addIssue({ code: 'custom', message: 'an address is a host and a port', params })
      return z.NEVER
    })

const server = z.strictObject({
  listen: address(
    'Where `sluice run` answers /livez, /readyz and /metrics. A port alone: this machine only. ' +
      'Without it nothing is listened on.',
  ).optional(),
})

/** The whole file; the entries of `sources` are checked against the spec of their type. */
export const CONFIG_SCHEMA = z.strictObject({
  apiVersion: z.literal('v1').meta({ description: 'Version of this format.' }),
  name: name('Name of this installation.').optional().meta({ default: 'sluice' }),
  store: z
    .strictObject({
      url: text('Folder that holds the tables: a path (relative to this file) or file:///path.'),
    })
    .meta({ description: 'Where the tables are.' }),
  workFolder: text('Folder for temporary and status files, relative to this file.')
    .optional()
    .meta({ default: '.sluice' }),
  processMemory: size(
    'What the process may use in all. Pipelines get equal shares of it as memory, index.memory ' +
      'and inFlight, unless they say otherwise. Default: their own defaults, less where the ' +
      'container or machine has less.',
    MIB,
    1024 * 1024 * MIB,
  ).optional(),
  server: server.optional().meta({ description: 'Health and metrics over HTTP.' }),
  defaults: TUNING_SCHEMA.optional().meta({
    description: 'Settings of every pipeline that does not say otherwise.',
  }),
  sources: z
    .record(
      z.string().regex(NAME_PATTERN, { error: `a name is ${NAME_RULE}` }),
      z
        .record(z.string(), z.unknown())
        .meta({ description: 'One type of source with its settings: `postgres:` or `files:`.' }),
    )
    .meta({ description: 'Name → one type of source with its settings.' }),
  pipelines: z.array(pipeline).min(1, { error: 'at least one pipeline' }).meta({
    description: 'What is read from where into which tables; each entry begins with `- name:`.',
  }),
})

/** A configuration that keeps all rules of `CONFIG_SCHEMA`. */
export type CheckedConfig = z.output<typeof CONFIG_SCHEMA>
/** One pipeline of it. */
export type CheckedPipeline = CheckedConfig['pipelines'][number]
/** Settings that `defaults` and a pipeline share. */
export type CheckedTuning = z.output<typeof TUNING_SCHEMA>
