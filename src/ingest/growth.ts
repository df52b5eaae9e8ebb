/**
 * A type grew, or a column came that has a value in rows of before, inside a transaction that is
 * staged in parts: the rows that were there, and those of the parts before, stand in files of the
 * older shape. Before anybody sees the transaction they are written again: the first in a version
 * of their own, the second in the transaction's.
 */

import type { CursorMove, Snapshot } from '../contracts/index.ts'
import type { RowDeletes, StagedFile } from '../model/index.ts'
import type { WholeCommit } from './commit-parts.ts'
import type { LaneContext } from './lane-context.ts'
import { rewriteRows } from './rewrite-unit.ts'
import { indexStaged } from './stager.ts'
import { emptyStagedUnit, type StagedUnit, type Unit } from './unit.ts'

/** Two commits in place of one. */
export interface Grown {
  /** Null before the first commit of a table: no row was there. */
  readonly rewrite: StagedUnit | null
  readonly staged: StagedUnit
}

/**
 * Stages both. The index knows the rows that are left by their narrow files and learns their new
 * places; nothing else may use it meanwhile.
 */
export async function stageGrowth(
  context: LaneContext,
  { staged, narrowPaths }: WholeCommit,
  before: { readonly base: Snapshot; readonly moves: readonly CursorMove[] },
): Promise<Grown> {
  const { unit } = staged
  const add: StagedFile[] = []
  await using session = await context.engine.session()
  for (const file of staged.add) {
    if (!narrowPaths.has(file.path)) {
      add.push(file)
      continue
    }
    const without = file.hiddenRows ?? new Uint32Array(0)
    const url = context.table.stagedUrl(file.path)
    const again = await rewriteRows(context, unit, session, url, { without })
    if (context.target.mode === 'upsert') await indexStaged(context, unit.schema, session, again)
    add.push(...again)
  }
  if (before.moves.length === 0) return { rewrite: null, staged: { ...staged, add } }
  const { kept, doomed } = await rewriteBase(context, staged, before.base)
  const alone: Unit = {
    ...unit,
    header: { ...unit.header, copy: null },
    segments: [],
    recordCount: 0,
    moves: before.moves,
    schemaChanged: true,
    rewrites: true,
    timingsMs: {},
  }
  const rewrite = { ...emptyStagedUnit(alone), add: [...kept, ...doomed], removeAllFiles: true }
  return {
    rewrite,
    staged: {
      ...staged,
      unit: { ...unit, schemaChanged: false, schemaChanges: [] },
      add,
      deletes: staged.removeAllFiles ? [] : doomed.map(allRows),
    },
  }
}

/** Rows of the base that the transaction leaves alone, and those that it takes away, apart. */
async function rewriteBase(
  context: LaneContext,
  { unit, deletes, removeAllFiles }: StagedUnit,
  base: Snapshot,
): Promise<{ readonly kept: readonly StagedFile[]; readonly doomed: readonly StagedFile[] }> {
  const kept: StagedFile[] = []
  const doomed: StagedFile[] = []
  const goneOf = new Map(deletes.map(({ path, rows }) => [path, rows]))
  await using session = await context.engine.session()
  for (const file of base.files()) {
    const url = context.table.readUrl(file)
    const hidden = await context.table.deletedRows(file)
    const gone = goneOf.get(file.path) ?? new Uint32Array(0)
    const without = united(hidden, gone)
    const rows = await rewriteRows(context, unit, session, url, { without })
    if (context.target.mode === 'upsert' && !removeAllFiles) {
      await indexStaged(context, unit.schema, session, rows)
    }
    kept.push(...rows)
    if (gone.length > 0) {
      doomed.push(...(await rewriteRows(context, unit, session, url, { only: gone })))
    }
  }
  return { kept, doomed }
}

function united(left: Uint32Array, right: Uint32Array): Uint32Array {
  const all = new Uint32Array(left.length + right.length)
  all.set(left)
  all.set(right, left.length)
  return all.sort()
}

function allRows({ path, statistics }: StagedFile): RowDeletes {
  return { path, rows: Uint32Array.from({ length: statistics.recordCount }, (_, row) => row) }
}
