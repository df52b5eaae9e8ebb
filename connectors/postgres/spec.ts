/**
 * Settings of the Postgres source: type, default, unit, meaning, and what must hold between them.
 */

import { z } from 'zod'
import { parseForcedType } from './types.ts'

/** Replication slot names: PostgreSQL's own rule. */
const SLOT_PATTERN = /^[a-z0-9_]{1,63}$/

/** What `sslmode` in the url may be. */
export const TLS_MODES = ['disable', 'prefer', 'require', 'verify-ca', 'verify-full'] as const

const SECOND_MS = 1000

/** Schema of the settings under a source of type `postgres`. Unknown keys are errors. */
export const postgresSettingsSchema = z.strictObject({
  url: z
    .string()
    .regex(/^postgres(ql)?:\/\//, { error: 'must begin with postgres://' })
    .meta({
      description:
        'Connection URL: postgres://user[:password]@host[:port]/database[?…] with sslmode ' +
        '(disable, prefer, require, verify-ca, verify-full; default prefer), sslrootcert, ' +
        'sslcert, sslkey, sslpassword and channel_binding as in libpq.',
      examples: [
        'postgres://sluice@db.example:5432/shop',
        'postgres://sluice@db.example/shop?sslmode=verify-full&sslrootcert=/etc/sluice/ca.pem',
      ],
    }),
  password: z.string().optional().meta({
    description: 'Password, when it is not in the url: `${PGPASSWORD}` keeps it out of files.',
  }),
  publication: z
    .string()
    .min(1)
    .max(63)
    .optional()
    .meta({ description: 'Publication that is read. Default: sluice_<pipeline>.' }),
  slot: z
    .string()
    .regex(SLOT_PATTERN, { error: 'a slot name is lower-case letters, digits and _, at most 63' })
    .optional()
    .meta({ description: 'Replication slot of this pipeline alone. Default: sluice_<pipeline>.' }),
  createPublication: z
    .boolean()
    .default(true)
    .meta({ description: 'Create the publication and add missing tables; false: only check it.' }),
  onSlotLost: z
    .enum(['stop', 'resync'])
    .default('stop')
    .meta({
      description:
        'When the slot is lost and changes are missing: stop, or resync (every table is copied ' +
        'again in place from a new slot).',
    }),
  onUntold: z
    .enum(['stop', 'resync', 'warn'])
    .default('stop')
    .meta({
      description:
        'When Postgres changed rows and told no record of it (a new column whose default differs ' +
        'from row to row, a partition attached with rows or truncated by itself): stop, resync ' +
        '(the table is copied again in place) or warn and go on with the rows as they are. A ' +
        'type altered with an expression is copied again by resync, else only warned of.',
    }),
  onPartitionGone: z
    .enum(['stop', 'resync', 'keep'])
    .default('stop')
    .meta({
      description:
        'When a partition was detached or dropped, of which no record tells: stop, resync (the ' +
        'table is copied again, without its rows) or keep its rows and go on.',
    }),
  walBudgetWarn: z
    .string()
    .regex(/^(100|[1-9]?[0-9])%$/, { error: 'must be a share such as 50%' })
    .default('50%')
    .meta({
      description:
        'Warn (log, status, check) when less than this share of max_slot_wal_keep_size is left ' +
        'to the slot. 0%: never.',
    }),
  columnTypes: z
    .record(
      z.string().regex(/.\..+\../, { error: 'a column is written schema.table.column' }),
      z.string().refine((name) => parseForcedType(name) !== null, {
        error: 'must be text or decimal(p,s) with p up to 38 and s up to p',
      }),
    )
    .default({})
    .meta({
      description:
        '`schema.table.column` → the type it gets: `text` (the text of Postgres, any column) or ' +
        '`decimal(p,s)` (numeric columns; digits beyond the scale are unfit, never rounded).',
      examples: [{ 'public.orders.valid_to': 'text', 'public.orders.price': 'decimal(38,9)' }],
    }),
  unfitValues: z
    .enum(['stop', 'null'])
    .default('stop')
    .meta({
      description:
        'What becomes of a value that its column cannot hold (infinity in a date, NaN in a ' +
        'numeric(p,s), an array of several dimensions): stop before the record, or store NULL.',
    }),
  snapshot: z
    .strictObject({
      mode: z
        .enum(['initial', 'initial_only', 'never'])
        .default('initial')
        .meta({
          description:
            'initial: copy the rows that are there, then follow the changes; initial_only: copy ' +
            'them and end, without slot and publication; never: begin empty, with the changes ' +
            'from now on.',
        }),
      parallel: z.number().int().min(1).max(16).default(2).meta({
        description: 'Connections that read during the copy; they share inFlight.',
      }),
      chunkRows: z.number().int().min(1).max(100_000_000).default(100_000).meta({
        description: 'About how many rows are read at once, and copied again after a break.',
        unit: 'rows',
      }),
    })
    .prefault({})
    .meta({ description: 'The first copy of a table.' }),
  connectTimeoutMs: z
    .number()
    .int()
    .min(100)
    .max(600 * SECOND_MS)
    .default(10 * SECOND_MS)
    .meta({ description: 'How long one attempt to connect may take.', unit: 'ms' }),
  slotWaitMs: z
    .number()
    .int()
    .min(0)
    .max(600 * SECOND_MS)
    .default(20 * SECOND_MS)
    .meta({
      description: 'How long to wait for a slot that a killed predecessor still holds.',
      unit: 'ms',
    }),
  statusIntervalMs: z
    .number()
    .int()
    .min(100)
    .max(30 * SECOND_MS)
    .default(2 * SECOND_MS)
    .meta({
      description:
        'Longest time between two status messages; at most a quarter of ' +
        'wal_sender_timeout is used.',
      unit: 'ms',
    }),
  streaming: z
    .enum(['on', 'off'])
    .default('on')
    .meta({
      description:
        'on: the server (14 or newer) sends a large transaction while it is in progress; Sluice ' +
        'keeps it on local disk until it is committed. off: the server keeps it.',
    }),
  spoolBytesMax: z
    .number()
    .int()
    .min(1024 * 1024)
    .default(64 * 1024 ** 3)
    .meta({
      description:
        'Local disk for transactions in progress; beyond it the stream goes on with streaming off.',
      unit: 'bytes',
    }),
  discoverIntervalMs: z
    .number()
    .int()
    .min(100)
    .max(3600 * SECOND_MS)
    .default(10 * SECOND_MS)
    .meta({
      description:
        'How often the catalogue is asked whether tables came, went or left the publication.',
      unit: 'ms',
    }),
  heartbeatIntervalMs: z
    .number()
    .int()
    .min(0)
    .max(3600 * SECOND_MS)
    .default(0)
    .meta({
      description:
        'How often to write a small logical message into the log of a database that is idle. 0: ' +
        'never; the slot advances without it, unless a proxy swallows keep-alives.',
      unit: 'ms',
    }),
  receiveTimeoutMs: z
    .number()
    .int()
    .min(1000)
    .max(3600 * SECOND_MS)
    .default(60 * SECOND_MS)
    .meta({
      description: 'A server that has said nothing for so long although asked is taken for gone.',
      unit: 'ms',
    }),
})

/** Checked settings. */
export type PostgresSettings = z.infer<typeof postgresSettingsSchema>

/** What `compose.ts` lists: the type's name, its summary, its schema. */
export const POSTGRES_SPEC = {
  type: 'postgres',
  summary: 'PostgreSQL 13 or newer: a consistent first copy, then the change stream of one slot.',
  schema: postgresSettingsSchema,
  hasKeys: true,
  hasPatterns: true,
  hasWholeRecords: false,
} as const

/** A finding of `lintPostgresSettings`. */
export interface SettingsFinding {
  readonly setting: string
  /** What is wrong and why. */
  readonly problem: string
  /** What to set. */
  readonly remedy: string
}

/** What the schema alone cannot see. */
export function lintPostgresSettings(settings: PostgresSettings): readonly SettingsFinding[] {
  const findings: SettingsFinding[] = []
  const url = URL.canParse(settings.url) ? new URL(settings.url) : null
  const mode = url?.searchParams.get('sslmode') ?? 'prefer'
  if (url === null) {
    findings.push({
      setting: 'url',
      problem: 'is no URL that can be read: a space, or a port beyond 65535',
      remedy: 'write postgres://user@host:5432/database, special characters as %20',
    })
  } else if (!TLS_MODES.some((known) => known === mode)) {
    findings.push({
      setting: 'url',
      problem: `has the sslmode ${mode}, which does not exist`,
      remedy: `write sslmode= and one of ${TLS_MODES.join(', ')}`,
    })
  } else if (url.pathname.length < 2) {
    findings.push({
      setting: 'url',
      problem: 'names no database: Postgres would take one of the name of the user',
      remedy: 'write postgres://user@host:5432/database',
    })
  }
  if (url !== null && url.password !== '' && settings.password !== undefined) {
    findings.push({
      setting: 'password',
      problem: 'is given twice, in url and in password',
      remedy: 'remove it from the url',
    })
  }
  if (settings.receiveTimeoutMs < settings.statusIntervalMs * 2) {
    findings.push({
      setting: 'receiveTimeoutMs',
      problem: 'leaves no time for an answer between two status messages',
      remedy: `set it to ${settings.statusIntervalMs * 2} or more`,
    })
  }
  return findings
}

/** Default name of slot and publication: the pipeline's name in the characters a slot allows. */
export function defaultSlotName(pipeline: string): string {
  const plain = pipeline.toLowerCase().replaceAll(/[^a-z0-9_]/g, '_')
  return `sluice_${plain}`.slice(0, 63)
}
