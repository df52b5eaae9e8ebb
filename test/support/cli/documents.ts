/** The shape of every JSON document of the command line: nothing more, nothing less. */

import { z } from 'zod'
import { PIPELINE_STATES } from '../../../src/model/index.ts'

const bigintText = z.string().regex(/^-?\d+$/)
const place = bigintText.nullable()
const time = z.iso.datetime()
const code = z.string().regex(/^SLU-[A-Z]{3}-\d{4}$/)
const count = z.number().int().min(0)
const tableError = z.strictObject({ code, message: z.string() }).nullable()
const partition = z.record(z.string(), z.string().nullable())

const document = <Shape extends z.ZodRawShape>(kind: string, shape: Shape) =>
  z.strictObject({ schemaVersion: z.literal(1), kind: z.literal(kind), ...shape })

const cursor = z.strictObject({
  split: z.string(),
  phase: z.enum(['copy', 'stream']),
  nextPosition: bigintText,
  batchNumber: bigintText,
  sourceTime: time.nullable(),
  identity: z.record(z.string(), z.unknown()),
})

const accounting = z.strictObject({
  read: count,
  applied: count,
  superseded: count,
  filtered: count,
  late: count,
  rejected: count,
  inserted: count,
  updated: count,
  deleted: count,
})

const commitShape = {
  version: bigintText,
  time: time.nullable(),
  operation: z.enum([
    'create',
    'ingest',
    'copy',
    'schema',
    'truncate',
    'compact',
    'restore',
    'purge',
    'properties',
    'foreign',
  ]),
  operationName: z.string(),
  writer: z.string().nullable(),
  addedFiles: count,
  removedFiles: count,
  addedBytes: count,
  addedRows: count,
  deletedRows: count,
  deletionVectors: count,
  accounting: accounting.nullable(),
  cursors: z.array(cursor),
  stepTimingsMs: z.record(z.string(), z.number()),
}

const problem = z.strictObject({
  code,
  place: z.strictObject({ file: z.string(), line: count, column: count }),
  path: z.string(),
  seen: z.string().nullable(),
  rule: z.string(),
  fix: z.string(),
})

const checks = {
  ok: z.boolean(),
  checks: z.array(
    z.strictObject({
      subject: z.string(),
      name: z.string(),
      status: z.enum(['ok', 'warn', 'fail']),
      seen: z.string(),
      remedy: z.string(),
    }),
  ),
}

const state = z.enum(['not started', ...PIPELINE_STATES, 'stopped (killed)'])

const lastError = z.strictObject({ code, message: z.string(), remedy: z.string() }).nullable()

const split = z.strictObject({ split: z.string(), floorPosition: place, endPosition: place })
const statusTable = z.strictObject({
  table: z.string(),
  stream: z.string(),
  version: bigintText.nullable(),
  rowCount: bigintText.nullable(),
  cursors: z.array(cursor),
  copy: z
    .strictObject({
      rowsCopied: count,
      rowsExpected: z.number().nullable(),
      rowsPerSecond: z.number().min(0),
      etaMs: count.nullable(),
    })
    .nullable(),
  rejected: z
    .strictObject({
      kept: bigintText.nullable(),
      lastHour: count,
      newestCode: z.string().nullable(),
      newestAt: time.nullable(),
    })
    .nullable(),
  left: lastError,
  error: tableError,
})

const pipelineStatus = z.strictObject({
  pipeline: z.string(),
  state,
  running: z.boolean(),
  processId: count.nullable(),
  lagMs: z.number().min(0).nullable(),
  rowsPerSecond: z.number().min(0).nullable(),
  commits: count.nullable(),
  recordsRead: count.nullable(),
  splits: z.array(split),
  startedAt: time.nullable(),
  observedAt: time.nullable(),
  lastCommitAt: time.nullable(),
  lastError,
  warnings: z.array(z.strictObject({ code, message: z.string(), remedy: z.string() })),
  tables: z.array(statusTable),
})

const column = z.strictObject({
  name: z.string(),
  type: z.string(),
  nullable: z.boolean(),
  fieldId: count,
  meta: z.boolean(),
})

const schemaDifference = z.strictObject({
  kind: z.enum(['added', 'dropped', 'renamed', 'retyped', 'nullability', 'key', 'partitions']),
  column: z.string().nullable(),
  fieldId: count.nullable(),
  from: z.string().nullable(),
  to: z.string().nullable(),
})

const rowImage = z.strictObject({
  split: z.string().nullable(),
  position: bigintText.nullable(),
  positionText: z.string().nullable(),
  file: z.string(),
  row: count,
  values: z.record(z.string(), z.unknown()),
})

/** Kind of a document → its schema. */
export const DOCUMENTS = {
  error: document('error', {
    error: z.strictObject({
      code,
      kind: z.string(),
      message: z.string(),
      meaning: z.string(),
      remedy: z.string(),
      docs: z.string(),
      context: z.record(z.string(), z.unknown()),
    }),
    exitCode: count,
  }),
  version: document('version', { version: z.string(), node: z.string(), platform: z.string() }),
  explain: document('explain', {
    code,
    errorKind: z.string(),
    meaning: z.string(),
    remedy: z.string(),
    exitCode: count,
    docs: z.string(),
  }),
  init: document('init', {
    path: z.string(),
    schemaPath: z.string(),
    template: z.enum(['postgres', 'files']),
    reached: z.boolean(),
    tables: z.array(
      z.strictObject({
        stream: z.string(),
        key: z.array(z.string()).nullable(),
        mode: z.enum(['upsert', 'append']).nullable(),
      }),
    ),
    notes: z.array(z.string()),
    next: z.array(z.string()),
  }),
  validate: document('validate', {
    path: z.string(),
    valid: z.boolean(),
    problems: z.array(problem),
    warnings: z.array(problem),
  }),
  check: document('check', checks),
  doctor: document('doctor', checks),
  run: document('run', {
    tookMs: count,
    pipelines: z.array(
      z.strictObject({
        pipeline: z.string(),
        end: z.enum(['drained', 'source-ended', 'failed']),
        error: lastError,
        commits: count,
        recordsRead: count,
        splits: z.array(split),
      }),
    ),
  }),
  status: document('status', { pipelines: z.array(pipelineStatus) }),
  tables: document('tables', {
    store: z.string(),
    tables: z.array(
      z.strictObject({
        table: z.string(),
        pipeline: z.string(),
        stream: z.string(),
        root: z.string(),
        mode: z.enum(['upsert', 'append']),
        version: bigintText.nullable(),
        rowCount: bigintText.nullable(),
        fileCount: count.nullable(),
        sizeBytes: count.nullable(),
        lastCommitAt: time.nullable(),
        error: tableError,
      }),
    ),
  }),
  show: document('show', {
    table: z.string(),
    pipeline: z.string(),
    stream: z.string(),
    location: z.string(),
    tableId: z.string(),
    mode: z.enum(['upsert', 'append']),
    version: bigintText,
    lastCommitAt: time.nullable(),
    rowCount: bigintText.nullable(),
    fileCount: count,
    sizeBytes: count,
    key: z.array(z.string()),
    partitionBy: z.array(z.string()),
    columns: z.array(column),
    properties: z.record(z.string(), z.string()),
    cursors: z.array(z.strictObject({ pipeline: z.string(), ...cursor.shape })),
  }),
  timeline: document('timeline', {
    table: z.string(),
    commits: z.array(z.strictObject(commitShape)),
  }),
  commit: document('commit', {
    table: z.string(),
    commit: z.strictObject({ ...commitShape, commitInfo: z.record(z.string(), z.unknown()) }),
  }),
  resync: document('resync', {
    dryRun: z.boolean(),
    tables: z.array(
      z.strictObject({
        table: z.string(),
        pipeline: z.string(),
        stream: z.string(),
        version: bigintText,
        rowCount: bigintText.nullable(),
        isNew: z.boolean(),
      }),
    ),
  }),
  history: document('history', {
    table: z.string(),
    oldestVersion: bigintText.nullable(),
    schemas: z.array(
      z.strictObject({
        version: bigintText,
        time,
        operation: commitShape.operation,
        position: bigintText.nullable(),
        columnCount: count,
        differences: z.array(schemaDifference).nullable(),
        notes: z.array(z.string()),
      }),
    ),
  }),
  files: document('files', {
    table: z.string(),
    version: bigintText,
    fileCount: count,
    sizeBytes: count,
    files: z.array(
      z.strictObject({
        path: z.string(),
        sizeBytes: count,
        rowCount: count.nullable(),
        deletedRows: count,
        modifiedAt: time,
        partition,
      }),
    ),
  }),
  'source-peek': document('source-peek', {
    source: z.string(),
    type: z.string(),
    stream: z.string(),
    key: z.array(z.string()),
    sampled: z.strictObject({
      ...{ records: count, rejected: count },
      ...{ files: z.array(z.string()), isAll: z.boolean() },
    }),
    columns: z.array(
      z.strictObject({
        ...{ name: z.string(), sourceType: z.string(), nullable: z.boolean() },
        ...{ nulls: count, examples: z.array(z.string()) },
      }),
    ),
    rows: z.array(
      z.strictObject({
        ...{ position: bigintText, place: z.string().nullable() },
        op: z.enum(['insert', 'update', 'delete', 'moved', 'truncate', 'none']),
        values: z.record(z.string(), z.string().nullable()),
      }),
    ),
    rejected: z.array(
      z.strictObject({
        ...{ position: bigintText, place: z.string().nullable(), code: z.string() },
        ...{ column: z.string().nullable(), value: z.string().nullable() },
      }),
    ),
  }),
  'dlq-ls': document('dlq-ls', {
    groups: z.array(
      z.strictObject({
        table: z.string(),
        deadLetterTable: z.string(),
        code: z.string(),
        count,
        firstAt: z.string(),
        lastAt: z.string(),
      }),
    ),
  }),
  'dlq-show': document('dlq-show', {
    table: z.string(),
    deadLetterTable: z.string(),
    records: z.array(
      z.strictObject({
        rejectedAt: z.string(),
        split: z.string(),
        position: bigintText,
        file: z.string().nullable(),
        line: count.nullable(),
        code: z.string(),
        reason: z.string(),
        rawBase64: z.string(),
      }),
    ),
  }),
  'dlq-purge': document('dlq-purge', {
    table: z.string(),
    deadLetterTable: z.string(),
    dryRun: z.boolean(),
    records: count,
    codes: z.record(z.string(), count),
    kept: count,
    version: bigintText.nullable(),
  }),
  stats: document('stats', {
    table: z.string(),
    version: bigintText,
    fileCount: count,
    sizeBytes: count,
    rowCount: bigintText.nullable(),
    deletedRows: count,
    deletedShare: z.number().min(0).max(1).nullable(),
    filesWithVector: count,
    smallFiles: count,
    smallFileBytes: count,
    fileSizeBytes: z.strictObject({
      min: count,
      p10: count,
      p50: count,
      avg: count,
      p95: count,
      max: count,
    }),
    histogram: z.array(
      z.strictObject({
        fromBytes: count,
        toBytes: count.nullable(),
        count,
        sizeBytes: count,
      }),
    ),
    partitionCount: count,
    partitions: z.array(
      z.strictObject({
        partition,
        fileCount: count,
        sizeBytes: count,
        rowCount: count.nullable(),
      }),
    ),
    writing: z.strictObject({
      commits: count,
      addedBytes: count,
      addedRows: count,
      changedRows: count,
      amplification: z.number().nullable(),
    }),
  }),
  sql: document('sql', {
    columns: z.array(z.strictObject({ name: z.string(), type: z.string() })),
    rows: z.array(z.array(z.unknown())),
    truncated: z.boolean(),
  }),
  changes: document('changes', {
    table: z.string(),
    from: bigintText,
    to: bigintText,
    next: z.string(),
    changes: z.array(z.looseObject({ _change_type: z.string(), _commit_version: z.unknown() })),
  }),
  diff: document('diff', {
    table: z.string(),
    from: bigintText,
    to: bigintText,
    schema: z.array(schemaDifference),
    inserted: bigintText.nullable(),
    updated: bigintText.nullable(),
    deleted: bigintText.nullable(),
    updatedColumns: z.record(z.string(), bigintText),
    rows: z.array(
      z.strictObject({
        kind: z.enum(['insert', 'update', 'delete']),
        key: z.record(z.string(), z.unknown()),
        before: z.record(z.string(), z.unknown()).nullable(),
        after: z.record(z.string(), z.unknown()).nullable(),
      }),
    ),
    truncated: z.boolean(),
  }),
  why: document('why', {
    table: z.string(),
    key: z.record(z.string(), z.string()),
    version: bigintText,
    live: z.array(rowImage),
    events: z.array(
      z.strictObject({
        version: bigintText,
        time,
        op: z.enum(['insert', 'update', 'delete', 'copy']),
        operation: commitShape.operation.nullable(),
        writer: z.string().nullable(),
        pipeline: z.string().nullable(),
        fromPosition: bigintText.nullable(),
        toPosition: bigintText.nullable(),
        changed: z.array(z.string()),
        before: rowImage.nullable(),
        after: rowImage.nullable(),
      }),
    ),
    end: z.enum(['beginning', 'limit', 'since', 'log-gone', 'files-gone']),
    oldestVersion: bigintText,
  }),
  verify: document('verify', {
    table: z.string(),
    equal: z.boolean(),
    version: bigintText,
    position: bigintText,
    rowsTable: bigintText,
    rowsSource: bigintText,
    missingRows: bigintText,
    extraRows: bigintText,
    unsettledKeys: bigintText,
    differences: z.array(
      z.strictObject({
        kind: z.enum(['missing', 'extra', 'different']),
        key: z.array(z.unknown()),
      }),
    ),
    tookMs: count,
  }),
} as const

/** Parses a document of the given kind; throws with every deviation. */
export function parseDocument<Kind extends keyof typeof DOCUMENTS>(
  kind: Kind,
  text: string,
): z.output<(typeof DOCUMENTS)[Kind]> {
  return DOCUMENTS[kind].parse(JSON.parse(text)) as z.output<(typeof DOCUMENTS)[Kind]>
}
