/** Settings of the Kafka source: type, default, unit, meaning. */

import { z } from 'zod'
import { parseColumnType, parseHostPort } from '../../src/model/index.ts'

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

const broker = z.string().transform((text, context) => {
  const address = parseHostPort(text)
  if (address !== null) return address
  const params = { fix: 'write host:port, such as kafka-1:9092' }
  context.addIssue({ code: 'custom', message: `"${text}" is no address of a broker`, params })
  return z.NEVER
})

const start = z.string().transform((text, context) => {
  if (text === 'earliest' || text === 'latest') return text
  const timestampMs = Date.parse(text)
  if (/^\d{4}-\d{2}-\d{2}T/.test(text) && !Number.isNaN(timestampMs)) {
    return { timestampMs: BigInt(timestampMs) }
  }
  const params = { fix: 'write earliest, latest or a time such as 2026-01-31T08:00:00Z' }
  context.addIssue({ code: 'custom', message: `"${text}" is no place to begin`, params })
  return z.NEVER
})

const secret = (description: string) => z.string().min(1).meta({ description })

/** Settings of a source of type `kafka`. */
export const kafkaSettingsSchema = z.strictObject({
  brokers: z
    .array(broker)
    .min(1, { error: 'at least one broker' })
    .meta({
      description: 'Addresses of brokers; the others are found through one that answers.',
      examples: [['kafka-1:9092', 'kafka-2:9092']],
    }),
  tls: z
    .union([
      z.boolean(),
      z.strictObject({
        ca: secret('Certificates to trust, PEM: `${file:/run/secrets/ca.pem}`.').optional(),
        cert: secret('Certificate of this client, PEM.').optional(),
        key: secret('Its key, PEM.').optional(),
      }),
    ])
    .default(false)
    .meta({ description: 'Encrypt connections, and whom to trust; true trusts what Node does.' }),
  sasl: z
    .strictObject({
      mechanism: z
        .enum(['plain', 'scram-sha-256', 'scram-sha-512'])
        .meta({ description: 'How the user logs in.' }),
      username: secret('Name of the user.'),
      password: secret('Its password; better `${env:…}` or `${file:…}` than the text.'),
    })
    .optional()
    .meta({ description: 'Log in to the brokers.' }),
  isolation: z
    .enum(['read_committed', 'read_uncommitted'])
    .default('read_committed')
    .meta({ description: 'Leave out records of transactions that were aborted, or read all.' }),
  start: start.default('earliest').meta({
    description:
      'Where a topic begins that no table holds yet: `earliest`, `latest` or a time. Partitions ' +
      'that come later begin with their first record.',
  }),
  columns: z
    .record(z.string().min(1), columnType)
    .optional()
    .meta({
      description: 'Types of columns by name; others are inferred from the first records.',
      examples: [{ id: 'bigint', price: 'decimal(10,2)' }],
    }),
  undeclared: z
    .enum(['add', 'ignore'])
    .optional()
    .meta({
      description:
        'Members that `columns` does not name: add reads them too; ignore does not. Default: ' +
        'add, and where `columns` is set ignore.',
    }),
  nullRecords: z
    .enum(['stop', 'delete', 'ignore'])
    .default('stop')
    .meta({
      description:
        'What a record without a value means: delete its key, which `messageKey` tells; nothing; ' +
        'or that the pipeline shall stop.',
    }),
  messageKey: z
    .strictObject({
      format: z
        .enum(['json', 'text'])
        .meta({ description: 'A JSON object or value, or text as it is.' }),
      column: z
        .string()
        .min(1)
        .optional()
        .meta({ description: 'Column that a key which is no object is a value of.' }),
    })
    .optional()
    .meta({ description: 'How the keys of records name rows.' }),
})

/** Settings of the Kafka source that keep all rules of the schema. */
export type KafkaSettings = z.output<typeof kafkaSettingsSchema>

/** True when members that nobody declared are read too. */
export function addsColumns({ undeclared, columns }: KafkaSettings): boolean {
  return (undeclared ?? (columns === undefined ? 'add' : 'ignore')) === 'add'
}

/** What the configuration needs to know of this type of source. */
export const kafkaSpec = {
  type: 'kafka',
  summary: 'Topics of a Kafka cluster, JSON values, one split a partition.',
  schema: kafkaSettingsSchema,
  hasKeys: false,
  hasWholeRecords: true,
  lint: (settings: unknown) => lintKafkaSettings(settings as KafkaSettings),
} as const

/** What is wrong between the settings. */
function lintKafkaSettings({ nullRecords, messageKey }: KafkaSettings) {
  const findings: { setting: string; problem: string; remedy: string }[] = []
  if (nullRecords === 'delete' && messageKey === undefined) {
    findings.push({
      setting: 'nullRecords',
      problem: 'is delete, and nothing tells which row a key names',
      remedy: 'add `messageKey: { format: json }`, or with `column` for keys that are no objects',
    })
  }
  if (messageKey?.format === 'text' && messageKey.column === undefined) {
    findings.push({
      setting: 'messageKey',
      problem: 'says that keys are text, and not which column they are',
      remedy: 'add `column`',
    })
  }
  return findings
}
