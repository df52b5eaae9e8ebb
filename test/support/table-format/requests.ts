/** Short ways to say what a commit changes. */

import type { CommitRequest, Snapshot, TableSpec } from '../../../src/contracts/index.ts'
import type {
  ColumnType,
  Cursor,
  StagedFile,
  TableColumn,
  TableSchema,
} from '../../../src/model/index.ts'

/** A column that has no id yet. */
export function newColumn(name: string, type: ColumnType = 'long'): TableColumn {
  return { name, physicalName: '', fieldId: 0, type, nullable: true }
}

/** A schema of long columns. */
export function newSchema(names: readonly string[], key: readonly string[] = []): TableSchema {
  return { columns: names.map((name) => newColumn(name)), partitionBy: [], key, maxFieldId: 0 }
}

/** What tests create tables from. */
export function tableSpec(schema: TableSchema = newSchema(['id', 'value'], ['id'])): TableSpec {
  return { schema, name: 'orders', properties: {}, details: { note: 'made by a test' } }
}

/** A file of `recordCount` rows that nobody wrote. */
export function stagedFile(path: string, recordCount = 10): StagedFile {
  return {
    path,
    sizeBytes: 100 + recordCount,
    partitionValues: {},
    statistics: {
      recordCount,
      minValues: { id: 0 },
      maxValues: { id: recordCount - 1 },
      nullCount: { id: 0 },
      tightBounds: true,
    },
  }
}

/** A request that changes nothing but what `parts` say. */
export function commitRequest(base: Snapshot, parts: Partial<CommitRequest> = {}): CommitRequest {
  return {
    base,
    operation: 'ingest',
    pipeline: null,
    cursors: [],
    add: [],
    deletes: [],
    removeAllFiles: false,
    schema: null,
    accounting: null,
    stepTimingsMs: {},
    details: {},
    ...parts,
  }
}

/** A cursor of the split `slot`. */
export function cursorAt(nextPosition: bigint, batchNumber: bigint, split = 'slot'): Cursor {
  return {
    split,
    splitNumber: 1,
    nextPosition,
    phase: 'stream',
    identity: { slot: 'sluice_shop', timeline: 1 },
    batchNumber,
    sourceTimeMicros: 1_700_000_000_000_000n,
  }
}
