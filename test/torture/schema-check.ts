/**
 * Reads every version of a table that follows a storm of schema changes, with the columns of that
 * version, and compares it with the model's fold of the statements up to there.
 */

import type { Table } from '../../src/contracts/index.ts'
import { duckType, type Engine, literal, type Session } from '../../src/engine/index.ts'
import { isMetaColumn } from '../../src/model/index.ts'
import { changesRelation, openWorkspace, snapshotRelation } from '../../src/read/index.ts'
import {
  canonical,
  type ModelPolicies,
  SourceModel,
  type Statement,
  TableModel,
} from './schema-model.ts'

/** A table and what it must follow. */
export interface SchemaCheck {
  readonly engine: Engine
  readonly table: Table
  /** All transactions of the source, the first one first. */
  readonly history: readonly (readonly Statement[])[]
  readonly policies: ModelPolicies
  /** How many transactions the copy of the table holds already. */
  readonly copied: number
  /** The last transaction that the table must hold; null where it stopped somewhere. */
  readonly last: number | null
  /** First version that holds the whole copy. */
  readonly fromVersion: bigint
}

/** What was found. */
export interface SchemaChecked {
  readonly versions: number
  readonly rewrites: number
  readonly rowsCompared: number
  readonly problems: readonly string[]
}

interface VersionRead {
  readonly names: readonly string[]
  readonly lines: readonly string[]
  readonly seq: number
  readonly goneNames: readonly string[]
}

const PROBLEMS_MAX = 5

/** Each version against the model; the changes between versions against the versions. */
export async function checkSchemaVersions(check: SchemaCheck): Promise<SchemaChecked> {
  const { table, history, policies, copied, last, fromVersion } = check
  const problems: string[] = []
  const source = new SourceModel()
  for (const statement of history.slice(0, copied).flat()) source.apply(statement)
  const model = new TableModel(source, policies)
  const figures = { versions: 0, rewrites: 0, rowsCompared: 0 }
  let folded = copied
  let rewritten: VersionRead | null = null
  const columnTypes = new Map<string, ColumnTypes>()
  const { version: newest } = await table.latest()
  for (let version = fromVersion; version <= newest; version++) {
    const read = await readVersion(check, version)
    figures.versions++
    problems.push(...(await findNarrowColumns(check, version, columnTypes)))
    const where = `version ${version}, transaction ${read.seq}`
    const differs = (what: string, have: readonly string[], want: readonly string[]): void => {
      if (JSON.stringify(have) === JSON.stringify(want)) return
      problems.push(`${where}: ${what} ${firstDifference(have, want)}`)
    }
    if ((await table.entry(version))?.operation === 'schema') {
      // The rows of the version before, under the columns of the next one.
      if (read.seq !== folded) problems.push(`${where}: a rewriting after ${folded}`)
      figures.rewrites++
      rewritten = read
      continue
    }
    for (; folded < read.seq; folded++) {
      for (const statement of history[folded] as readonly Statement[]) {
        source.apply(statement)
        model.follow(source, statement)
      }
    }
    const gone = model.columns.filter(({ isGone }) => isGone)
    differs('columns', read.names, namesOf(model.columns))
    differs('columns that are gone', read.goneNames, namesOf(gone))
    differs('rows', read.lines, model.lines())
    if (rewritten !== null) differs('columns of the rewriting', rewritten.names, read.names)
    rewritten = null
    figures.rowsCompared += read.lines.length
    if (problems.length >= PROBLEMS_MAX) return { ...figures, problems }
  }
  if (last !== null && folded !== last) problems.push(`ends with transaction ${folded} of ${last}`)
  for (const to of [fromVersion + (newest - fromVersion) / 2n, newest]) {
    const changed = await foldChanges(check, to)
    const { lines } = await readVersion(check, to)
    if (JSON.stringify(changed) !== JSON.stringify(lines)) {
      problems.push(`changes up to version ${to}: ${firstDifference(changed, lines)}`)
    }
  }
  return { ...figures, problems }
}

const namesOf = (columns: readonly { readonly name: string }[]): readonly string[] =>
  columns.map(({ name }) => name)

function firstDifference(have: readonly string[], want: readonly string[]): string {
  const at = have.findIndex((line, index) => line !== want[index])
  const index = at === -1 ? have.length : at
  return `${have.length} instead of ${want.length}, first ${have[index]} instead of ${want[index]}`
}

const cell = (value: unknown): string => (value === null ? '∅' : canonical(String(value)))

/** A version as text lines of its own columns, with their names. */
async function readVersion({ engine, table }: SchemaCheck, version: bigint): Promise<VersionRead> {
  await using workspace = await openWorkspace(engine)
  const snapshot = await table.snapshot({ kind: 'version', version })
  const sql = await snapshotRelation(workspace, { table, snapshot, withMetaColumns: false })
  const names = namesOf(snapshot.schema.columns).filter((name) => !isMetaColumn(name))
  const text = names.map((name) => `"${name}"::VARCHAR`).join(', ')
  const { rows } = await workspace.session.query(`SELECT ${text} FROM (${sql})`)
  const [idAt, seqAt] = [names.indexOf('id'), names.indexOf('seq')]
  const seq = Number(rows.find((row) => row[idAt] === '0')?.[seqAt] ?? 0)
  const lines = rows.map((row) => row.map(cell).join('|')).sort()
  const gone = snapshot.schema.columns.filter((column) => column.origin?.isGone === true)
  return { names, lines, seq, goneNames: namesOf(gone) }
}

/** Physical name → type, as the engine writes it. */
type ColumnTypes = ReadonlyMap<string, string>

/**
 * Columns of data files in another type than the version's: not every engine reads those. A file is
 * looked at once; its types are kept in `known`.
 */
async function findNarrowColumns(
  { engine, table }: SchemaCheck,
  version: bigint,
  known: Map<string, ColumnTypes>,
): Promise<readonly string[]> {
  await using session = await engine.session()
  const snapshot = await table.snapshot({ kind: 'version', version })
  const problems: string[] = []
  for (const file of snapshot.files()) {
    const relation = `read_parquet(${literal(table.readUrl(file))})`
    const types = known.get(file.path) ?? (await describe(session, relation))
    known.set(file.path, types)
    for (const { physicalName, type } of snapshot.schema.columns) {
      const found = types.get(physicalName) ?? duckType(type)
      if (found === duckType(type)) continue
      problems.push(`version ${version}: ${file.path} has ${found} for ${physicalName}`)
    }
  }
  return problems
}

async function describe(session: Session, relation: string): Promise<ColumnTypes> {
  const { rows } = await session.query(
    `SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM ${relation})`,
  )
  return new Map(rows.map(([name, type]) => [String(name), String(type)]))
}

/** The rows of `to` made from those of the first version and the changes since. */
async function foldChanges(check: SchemaCheck, to: bigint): Promise<readonly string[]> {
  const { engine, table, fromVersion } = check
  await using workspace = await openWorkspace(engine)
  const snapshot = await table.snapshot({ kind: 'version', version: to })
  const names = namesOf(snapshot.schema.columns).filter((name) => !isMetaColumn(name))
  const text = names.map((name) => `"${name}"::VARCHAR`).join(', ')
  const sql = await changesRelation(workspace, {
    ...{ table, fromVersionExclusive: fromVersion, to: snapshot },
  })
  const { rows } = await workspace.session.query(
    `SELECT _change_type, _commit_version, ${text} FROM (${sql}) ORDER BY _commit_version,
      CASE WHEN _change_type IN ('delete', 'update_preimage') THEN 0 ELSE 1 END`,
  )
  const idAt = names.indexOf('id')
  const live = new Map<string, string>()
  const base = await table.snapshot({ kind: 'version', version: fromVersion })
  const known = new Map(base.schema.columns.map(({ fieldId, name }) => [fieldId, name]))
  const baseSql = await snapshotRelation(workspace, {
    ...{ table, snapshot: base, withMetaColumns: false },
  })
  const columns = snapshot.schema.columns.filter(({ name }) => !isMetaColumn(name))
  const baseText = columns.map(({ fieldId }) => {
    const name = known.get(fieldId)
    return name === undefined ? 'NULL' : `"${name}"::VARCHAR`
  })
  const before = await workspace.session.query(`SELECT ${baseText.join(', ')} FROM (${baseSql})`)
  for (const values of before.rows) live.set(String(values[idAt]), values.map(cell).join('|'))
  for (const [kind, , ...values] of rows) {
    const id = String(values[idAt])
    if (kind === 'delete' || kind === 'update_preimage') live.delete(id)
    else live.set(id, values.map(cell).join('|'))
  }
  return [...live.values()].sort()
}
