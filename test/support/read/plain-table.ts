/**
 * A `Table` of plain Parquet files and position lists, without a log: what the read room needs,
 * nothing else.
 */

import { join } from 'node:path'
import type { Snapshot, SnapshotAt, Table, VersionChanges } from '../../../src/contracts/index.ts'
import { type Engine, fieldIds, identifier, literal } from '../../../src/engine/index.ts'
import { type DataFile, SluiceError, type TableSchema } from '../../../src/model/index.ts'

/** A step of the table's life. */
export interface PlainCommit {
  /** SELECTs with the columns of the schema by name; one file each. */
  readonly add?: readonly {
    readonly sql: string
    readonly partitionValues?: Readonly<Record<string, string | null>>
  }[]
  /** Path → rows to delete, merged with the file's vector. */
  readonly deletes?: ReadonlyMap<string, readonly number[]>
  readonly remove?: readonly string[]
  readonly schema?: TableSchema
}

/** A table whose commits are made by calls. */
export interface PlainTable extends Table {
  /** Returns the new version. */
  apply(commit: PlainCommit): Promise<bigint>
}

interface Version {
  readonly snapshot: Snapshot
  readonly changes: VersionChanges
  readonly vectors: ReadonlyMap<string, Uint32Array>
}

/** Version n has the timestamp n seconds after 2026-01-01. */
export const FIRST_MICROS = 1_767_225_600_000_000n

/** Makes version 0, without rows. */
export function createPlainTable(
  engine: Engine,
  folder: string,
  first: TableSchema,
  properties: Readonly<Record<string, string>> = {},
): PlainTable {
  const vectors = new Map<string, Uint32Array>()
  const versions: Version[] = [firstVersion(first, properties)]
  let fileCount = 0
  const newest = (): Version => versions.at(-1) as Version
  const write = async (sql: string, schema: TableSchema): Promise<string> => {
    await using session = await engine.session()
    const path = `part-${fileCount++}.parquet`
    const columns = schema.columns
      .filter((column) => !schema.partitionBy.includes(column.name))
      .map((column) => `${identifier(column.name)} AS ${identifier(column.physicalName)}`)
    const stored = schema.columns.filter((column) => !schema.partitionBy.includes(column.name))
    await session.run(`COPY (SELECT ${columns.join(', ')} FROM (${sql}))
      TO ${literal(join(folder, path))} (FORMAT parquet, FIELD_IDS ${fieldIds(stored)})`)
    return path
  }
  const table = {
    root: 'plain',
    latest: async () => newest().snapshot,
    snapshot: async (at: SnapshotAt) => find(versions, at).snapshot,
    changes: async (from: bigint, to: bigint) =>
      versions.slice(Number(from) + 1, Number(to) + 1).map(({ changes }) => changes),
    deletedRows: async (file: DataFile) =>
      vectors.get(file.deletionVector?.pathOrInline ?? '') ?? new Uint32Array(),
    checkFiles: async () => {},
    readUrl: (file: DataFile) => join(folder, file.path),
    apply: async (commit: PlainCommit) => {
      const schema = commit.schema ?? newest().snapshot.schema
      const added: DataFile[] = []
      for (const { sql, partitionValues = {} } of commit.add ?? []) {
        added.push(plainFile(await write(sql, schema), partitionValues))
      }
      const next = nextVersion(newest(), { ...commit, schema, added })
      for (const [name, rows] of next.vectors) vectors.set(name, rows)
      versions.push(next)
      return next.snapshot.version
    },
    [Symbol.asyncDispose]: async () => {},
  }
  return table as unknown as PlainTable
}

function plainFile(
  path: string,
  partitionValues: Readonly<Record<string, string | null>>,
): DataFile {
  return {
    path,
    sizeBytes: 1,
    partitionValues,
    modificationTimeMs: 0,
    statistics: null,
    deletionVector: null,
    baseRowId: null,
    defaultRowCommitVersion: null,
  }
}

function firstVersion(schema: TableSchema, properties: Readonly<Record<string, string>>): Version {
  const files: readonly DataFile[] = []
  const changes = { added: [], removed: [], vectorChanges: [] }
  return version(0n, { schema, properties, files, changes, vectors: new Map() })
}

function version(
  number: bigint,
  parts: {
    readonly schema: TableSchema
    readonly properties: Readonly<Record<string, string>>
    readonly files: readonly DataFile[]
    readonly changes: Pick<VersionChanges, 'added' | 'removed' | 'vectorChanges'>
    readonly vectors: ReadonlyMap<string, Uint32Array>
  },
): Version {
  const { schema, properties, files, vectors } = parts
  const timestampMicros = FIRST_MICROS + number * 1_000_000n
  const snapshot = {
    version: number,
    timestampMicros,
    tableId: 'plain',
    schema,
    properties,
    fileCount: files.length,
    sizeBytes: files.length,
    rowCount: null,
    files: () => files,
    file: (path: string) => files.find((file) => file.path === path) ?? null,
    cursors: () => [],
    domain: () => null,
  }
  return {
    snapshot,
    vectors,
    changes: { version: number, timestampMicros, schema, ...parts.changes },
  }
}

function nextVersion(
  last: Version,
  commit: PlainCommit & { readonly schema: TableSchema; readonly added: readonly DataFile[] },
): Version {
  const number = last.snapshot.version + 1n
  const vectors = new Map(last.vectors)
  const removed: DataFile[] = []
  const vectorChanges: { before: DataFile; after: DataFile }[] = []
  const kept: DataFile[] = []
  for (const before of last.snapshot.files()) {
    const rows = commit.deletes?.get(before.path)
    if (commit.remove?.includes(before.path)) removed.push(before)
    else if (rows === undefined) kept.push(before)
    else {
      const old = vectors.get(before.deletionVector?.pathOrInline ?? '') ?? new Uint32Array()
      const name = `${before.path}@${number}`
      const all = [...new Set([...old, ...rows])].sort((left, right) => left - right)
      vectors.set(name, Uint32Array.from(all))
      const after = { ...before, deletionVector: descriptor(name, all.length) }
      vectorChanges.push({ before, after })
      kept.push(after)
    }
  }
  const { schema, added } = commit
  const { properties } = last.snapshot
  const files = [...kept, ...added]
  return version(number, {
    schema,
    properties,
    files,
    vectors,
    changes: { added, removed, vectorChanges },
  })
}

function descriptor(name: string, cardinality: number): NonNullable<DataFile['deletionVector']> {
  return { storageType: 'u', pathOrInline: name, offset: 1, sizeBytes: 1, cardinality }
}

function find(versions: readonly Version[], at: SnapshotAt): Version {
  const found =
    at.kind === 'version'
      ? versions[Number(at.version)]
      : versions.findLast(({ snapshot }) => snapshot.timestampMicros <= at.micros)
  if (found === undefined) {
    throw new SluiceError('SLU-TAB-3003', { message: 'there is no such version' })
  }
  return found
}
