/** Settings of the files source: type, default, unit, meaning. */

import { z } from 'zod'
import { parseColumnType } from './column-types.ts'

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

/** Schema of the settings under a source of type `files`. Unknown keys are errors. */
export const filesSettingsSchema = z.strictObject({
  path: z
    .string()
    .min(1, { error: 'must not be empty' })
    .meta({
      description: 'Folder of the files, relative to this file. Folders inside it are not read.',
      examples: ['./landing/orders'],
    }),
  pattern: z.string().min(1, { error: 'must not be empty' }).default('*.ndjson|*.jsonl').meta({
    description: 'Names of the files to read; `*` stands for any characters, `|` for or.',
  }),
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
        'timestamp, timestamp_ntz, decimal(p,s). Default: inferred from the first 1000 lines.',
      ].join(' '),
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
  summary: 'A folder of NDJSON files, read in the order of their names: one JSON object a line.',
  schema: filesSettingsSchema,
  hasKeys: false,
} as const
