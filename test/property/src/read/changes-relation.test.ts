import { mkdtempSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { TableSchema } from '../../../../src/model/index.ts'
import { changesRelation, openWorkspace, snapshotRelation } from '../../../../src/read/index.ts'
import { engineForTests } from '../../../support/engine.ts'
import { createPlainTable, type PlainTable } from '../../../support/read/plain-table.ts'
import { play, type Row, type Step, steps } from '../../../support/read/played-table.ts'
import { schemaOf } from '../../../support/read/schemas.ts'

const world = engineForTests()

const text = ({ id: key, value }: { id: unknown; value: unknown }): string => `${key}=${value}`

async function readState(table: PlainTable, version: bigint): Promise<readonly string[]> {
  await using workspace = await openWorkspace(world.engine)
  const snapshot = await table.snapshot({ kind: 'version', version })
  const sql = await snapshotRelation(workspace, { table, snapshot, withMetaColumns: false })
  const { rows } = await workspace.session.query(sql)
  return rows.map(([key, value]) => text({ id: key, value })).sort()
}

interface Change {
  readonly row: string
  readonly id: number
  readonly type: string
  readonly version: bigint
}

async function readChanges(
  table: PlainTable,
  from: bigint,
  to: bigint,
): Promise<readonly Change[]> {
  await using workspace = await openWorkspace(world.engine)
  const snapshot = await table.snapshot({ kind: 'version', version: to })
  const sql = await changesRelation(workspace, {
    table,
    fromVersionExclusive: from,
    to: snapshot,
  })
  const { rows } = await workspace.session.query(
    `SELECT id, value, _change_type, _commit_version FROM (${sql}) ORDER BY _commit_version`,
  )
  return rows.map(([key, value, type, version]) => ({
    row: text({ id: key, value }),
    id: Number(key),
    type: String(type),
    version: version as bigint,
  }))
}

/** Applies changes version by version; a row to take away must be there. */
function apply(state: readonly string[], changes: readonly Change[]): readonly string[] {
  const rows = [...state]
  const versions = [...new Set(changes.map(({ version }) => version))]
  for (const version of versions) {
    const here = changes.filter((change) => change.version === version)
    for (const { row } of here.filter(({ type }) => ['delete', 'update_preimage'].includes(type))) {
      const index = rows.indexOf(row)
      expect(index, `${row} is deleted in ${version} but not there`).toBeGreaterThanOrEqual(0)
      rows.splice(index, 1)
    }
    rows.push(
      ...here
        .filter(({ type }) => ['insert', 'update_postimage'].includes(type))
        .map(({ row }) => row),
    )
  }
  return rows.sort()
}

async function checkLaw(schema: TableSchema, list: readonly Step[]): Promise<void> {
  const run = mkdtempSync(join(world.folder, 'run-'))
  const table = createPlainTable(world.engine, run, schema)
  const states = await play(table, list)
  const last = states.length - 1
  for (const [version, state] of states.entries()) {
    expect(await readState(table, BigInt(version))).toEqual(state.map(text).sort())
    for (const to of new Set([version, Math.min(version + 1, last), last])) {
      const changes = await readChanges(table, BigInt(version), BigInt(to))
      expect(apply(state.map(text).sort(), changes)).toEqual(states[to]?.map(text).sort())
      if (schema.key.length > 0) expectImages(states, changes)
    }
  }
}

/**
 * In a version a key that was there and still is changes by one pair of images, any other by one
 * row.
 */
function expectImages(states: readonly (readonly Row[])[], changes: readonly Change[]): void {
  for (const { id: key, type, version } of changes) {
    const before = states[Number(version) - 1]?.find((row) => row.id === key)
    const after = states[Number(version)]?.find((row) => row.id === key)
    const expected =
      before !== undefined && after !== undefined
        ? ['update_preimage', 'update_postimage']
        : [before === undefined ? 'insert' : 'delete']
    const here = changes.filter((change) => change.version === version && change.id === key)
    expect(here.map((change) => change.type).sort()).toEqual([...expected].sort())
    expect(expected).toContain(type)
    expect(before?.position).not.toBe(after?.position)
  }
}

const columns = { id: 'integer', value: 'integer' } as const

test('changes of a keyed table turn every version into every later one', async () => {
  const schema = schemaOf(columns, { key: ['id'] })
  await fc.assert(
    fc.asyncProperty(steps, (list) => checkLaw(schema, list)),
    { numRuns: 20 },
  )
})

test('changes of a table without key turn every version into every later one', async () => {
  const schema = schemaOf(columns)
  await fc.assert(
    fc.asyncProperty(steps, (list) => checkLaw(schema, list)),
    { numRuns: 10 },
  )
})
