/**
 * Gathers the parts of one commit: a source transaction that is larger than memory allows is
 * decoded, merged and staged in parts, and becomes visible as one version all the same.
 *
 * What a later part does to rows of an earlier one happens before anybody sees them: their files
 * come into the table with those rows hidden, or not at all.
 */

import {
  type Accounting,
  assert,
  type RejectCode,
  type RowDeletes,
  type SchemaChange,
  type StagedFile,
  sameType,
  type TableSchema,
} from '../model/index.ts'
import { createGatheredRows, type GatheredRows } from './gathered-rows.ts'
import {
  type Initials,
  NO_RECORDS,
  type StagedRejects,
  type StagedUnit,
  type Unit,
} from './unit.ts'

/** All parts of a commit as one. */
export interface WholeCommit {
  readonly staged: StagedUnit
  /** Files that it adds whose types have grown, or that lack columns with a value in them. */
  readonly narrowPaths: ReadonlySet<string>
}

/** The parts of the commit that a lane is about to make. */
export interface CommitParts {
  /** Takes the next part in order. Returns the whole commit with its last part, null before. */
  take(part: StagedUnit): WholeCommit | null
}

interface OpenCommit {
  readonly files: Map<string, { readonly file: StagedFile; readonly schema: TableSchema }>
  /** Path → rows to delete or hide. */
  readonly rows: Map<string, GatheredRows>
  readonly accounting: { -readonly [Count in keyof Accounting]: number }
  readonly timingsMs: Record<string, number>
  readonly tombstones: string[]
  readonly rejects: StagedRejects[]
  removesAllFiles: boolean
  schemaChanged: boolean
  readonly schemaChanges: SchemaChange[]
}

/** Makes the gatherer of one lane. */
export function createCommitParts(): CommitParts {
  let open: OpenCommit | null = null
  return {
    take: (part) => {
      const isLast = part.unit.header.endsCommit
      if (open === null && isLast) return { staged: part, narrowPaths: new Set() }
      open ??= openCommit()
      gather(open, part)
      if (!isLast) return null
      const whole = close(open, part.unit)
      open = null
      return whole
    },
  }
}

function openCommit(): OpenCommit {
  return {
    files: new Map(),
    rows: new Map(),
    accounting: { ...NO_RECORDS },
    timingsMs: {},
    tombstones: [],
    rejects: [],
    removesAllFiles: false,
    schemaChanged: false,
    schemaChanges: [],
  }
}

function gather(open: OpenCommit, part: StagedUnit): void {
  if (part.removeAllFiles) {
    // A truncate: nothing of what came before it is left, neither rows nor deletes of rows.
    open.files.clear()
    open.rows.clear()
    open.removesAllFiles = true
  }
  for (const file of part.add) open.files.set(file.path, { file, schema: part.unit.schema })
  for (const { path, rows } of part.deletes) {
    const gathered = open.rows.get(path) ?? createGatheredRows()
    open.rows.set(path, gathered)
    gathered.add(rows)
  }
  for (const count of Object.keys(open.accounting) as (keyof Accounting)[]) {
    open.accounting[count] += part.accounting[count]
  }
  addTimings(open.timingsMs, part.unit)
  open.tombstones.push(...part.tombstones)
  if (part.rejects !== null) open.rejects.push(part.rejects)
  open.schemaChanged ||= part.unit.schemaChanged
  open.schemaChanges.push(...part.unit.schemaChanges)
}

function addTimings(sums: Record<string, number>, unit: Unit): void {
  for (const [step, ms] of Object.entries(unit.timingsMs)) sums[step] = (sums[step] ?? 0) + ms
}

function close(open: OpenCommit, last: Unit): WholeCommit {
  const { schemaChanged, schemaChanges } = open
  const add: StagedFile[] = []
  const narrowPaths = new Set<string>()
  for (const { file, schema } of open.files.values()) {
    if (isNarrower(schema, last.schema) || lacksColumn(schema, last.initials)) {
      narrowPaths.add(file.path)
    }
    const hidden = open.rows.get(file.path)
    open.rows.delete(file.path)
    if (hidden === undefined) add.push(file)
    else if (hidden.count < file.statistics.recordCount) add.push(hiding(file, hidden))
  }
  const deletes = [...open.rows].map(([path, rows]) => deleting(path, rows))
  const isConsistent = !open.removesAllFiles || deletes.length === 0
  assert(isConsistent, 'SLU-BUG-9001', 'a row of a truncated table is deleted once more')
  const staged = {
    unit: { ...last, timingsMs: open.timingsMs, schemaChanged, schemaChanges },
    add,
    deletes,
    removeAllFiles: open.removesAllFiles,
    accounting: open.accounting,
    tombstones: open.tombstones,
    rejects: joined(open.rejects),
  }
  return { staged, narrowPaths }
}

/** True when a column of the file has another type now. */
function isNarrower(file: TableSchema, now: TableSchema): boolean {
  if (file === now) return false
  const types = new Map(now.columns.map(({ fieldId, type }) => [fieldId, type]))
  return file.columns.some(({ fieldId, type }) => !sameType(type, types.get(fieldId) ?? type))
}

/** True when a column came after the file that has a value in its rows. */
function lacksColumn({ columns }: TableSchema, initials: Initials): boolean {
  const known = new Set(columns.map(({ fieldId }) => fieldId))
  return [...initials.keys()].some((fieldId) => !known.has(fieldId))
}

/** One commit of dead letters for all parts: a truncate does not take rejected records away. */
function joined(parts: readonly StagedRejects[]): StagedRejects | null {
  if (parts.length === 0) return null
  const counts = new Map<RejectCode, number>()
  for (const [code, count] of parts.flatMap((part) => part.counts)) {
    counts.set(code, (counts.get(code) ?? 0) + count)
  }
  const count = parts.reduce((sum, part) => sum + part.count, 0)
  return { count, counts: [...counts], files: parts.flatMap(({ files }) => files) }
}

/** The rows become a list when they are asked for: those of one file at a time. */
function hiding(file: StagedFile, hidden: GatheredRows): StagedFile {
  return {
    ...file,
    get hiddenRows() {
      return hidden.toRows()
    },
  }
}

function deleting(path: string, gathered: GatheredRows): RowDeletes {
  return {
    path,
    get rows() {
      return gathered.toRows()
    },
  }
}
