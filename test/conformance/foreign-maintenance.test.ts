/**
 * delta-rs maintains tables of ours: what it refuses leaves no trace, what it may do is understood,
 * and a compaction between the commits of a pipeline costs no row and brings none back.
 */

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Table } from '../../src/contracts/index.ts'
import { createPipeline, type FailpointName, type Failpoints } from '../../src/ingest/index.ts'
import { createSystemClock } from '../../src/observe/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { expectSame, load, loadOurs } from '../support/conformance/compare.ts'
import { commitRows, type Lake, openLake } from '../support/conformance/lake.ts'
import {
  compactWithDeltaRs,
  findOtherEngines,
  maintainWithDeltaRs,
  OTHER_ENGINES_HINT,
  type OtherEngines,
} from '../support/conformance/other-engines.ts'
import { pipelineSettings, upsertTarget } from '../support/pipeline-settings.ts'
import { isMissing } from '../support/require.ts'
import {
  createScriptedSource,
  foldScript,
  type ScriptedChange,
  type ScriptedTransaction,
} from '../support/scripted-source.ts'
import { silentTelemetry } from '../support/silent-telemetry.ts'
import { commitRequest, cursorAt, newColumn } from '../support/table-format/requests.ts'
import { liveRows } from '../support/table-state.ts'

const engines = findOtherEngines() as OtherEngines
const skipped = isMissing('maintenance by other engines', OTHER_ENGINES_HINT, engines !== null)
const STREAM = 's'

/** Object path → bytes of everything in a folder. */
function contentsOf(folder: string): ReadonlyMap<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true })
  const paths = files
    .filter((file) => file.isFile())
    .map((file) => join(file.parentPath, file.name))
  return new Map(paths.sort().map((path) => [path, readFileSync(path, 'base64')]))
}

const logOf = (folder: string): readonly string[] => readdirSync(join(folder, '_delta_log'))

/** Removes the data files that a version took out of the table, as any vacuum would one day. */
function vacuum(folder: string, version: number): number {
  const entry = join(folder, '_delta_log', `${String(version).padStart(20, '0')}.json`)
  const removed = readFileSync(entry, 'utf8')
    .trim()
    .split('\n')
    .flatMap((line) => (JSON.parse(line) as { remove?: { path: string } }).remove?.path ?? [])
  for (const path of removed) rmSync(join(folder, decodeURIComponent(path)))
  return removed.length
}

/** Thirty transactions over twenty keys: rows come, change, leave values out, go; one truncate. */
function inventHistory(): readonly ScriptedTransaction[] {
  const live = new Set<number>()
  return Array.from({ length: 30 }, (_, number) => {
    if (number === 17) live.clear()
    const begin: ScriptedChange[] =
      number === 17 ? [{ stream: STREAM, op: 't', id: 0, value: 0, text: 't' }] : []
    const changes = Array.from({ length: 8 }, (_unused, index): ScriptedChange => {
      const id = (number * 7 + index * 3) % 20
      const base = { stream: STREAM, id, value: number * 100 + index, text: `t${number}` }
      if (!live.has(id)) {
        live.add(id)
        return { ...base, op: 'i' }
      }
      if (index % 4 === 3) {
        live.delete(id)
        return { ...base, op: 'd' }
      }
      return { ...base, op: 'u', text: index % 2 === 0 ? undefined : base.text }
    })
    return [...begin, ...changes]
  })
}

/** What happened to a table while a pipeline wrote it. */
interface Disturbance {
  compactions: number
  vacuumedFiles: number
}

/** Compacts the table whenever the failpoint is passed the `every`-th time. */
function compactingAt(
  name: FailpointName,
  request: { readonly every: number; readonly folder: string; readonly withVacuum: boolean },
): { readonly failpoints: Failpoints; readonly disturbance: Disturbance } {
  const disturbance = { compactions: 0, vacuumedFiles: 0 }
  let passed = 0
  const hit = (at: FailpointName): void => {
    if (at !== name || ++passed % request.every !== 0) return
    const version = compactWithDeltaRs(engines, request.folder)
    if (version < 0) return
    disturbance.compactions++
    if (request.withVacuum) disturbance.vacuumedFiles += vacuum(request.folder, version)
  }
  return { failpoints: { hit }, disturbance }
}

describe.skipIf(skipped)('delta-rs as the maintainer of tables of ours', () => {
  let lake: Lake

  beforeAll(async () => {
    lake = await openLake([engines.deltaExtension])
  })

  afterAll(() => lake?.[Symbol.asyncDispose]())

  async function createTable(name: string): Promise<Table> {
    const columns = [
      newColumn('id'),
      newColumn('value'),
      newColumn('_sluice_split', 'integer'),
      newColumn('_sluice_position'),
    ]
    const schema = { columns, partitionBy: [], key: ['id'], maxFieldId: 0 }
    const table = await lake.format.create(name, { schema, name, properties: {}, details: {} })
    for (const from of [0, 100, 200]) {
      const rows = `(SELECT i AS id, i * 2 AS value FROM range(${from}, ${from + 100}) r(i)) AS t`
      await commitRows(lake, table, { rows })
    }
    await commitRows(lake, table, { deleteWhere: 'id % 5 = 0' })
    return table
  }

  it('is refused whatever it does not know all rules of, and leaves no trace', async () => {
    await using table = await createTable('refused')
    await table.checkpoint()
    const folder = join(lake.folder, 'refused')
    const before = contentsOf(folder)
    const deeds = ['optimize', 'delete', 'update', 'restore', 'full vacuum', 'properties'] as const
    const refusals = maintainWithDeltaRs(engines, folder, deeds)
    expect(Object.keys(refusals)).toEqual(deeds)
    for (const deed of deeds) {
      expect(refusals[deed], deed).toMatch(/Unsupported table features|not supported/)
    }
    expect(contentsOf(folder)).toEqual(before)
  })

  it('may write checkpoints and compacted logs, from which the table opens as it was', async () => {
    await using table = await createTable('maintained')
    const folder = join(lake.folder, 'maintained')
    const move = { from: null, to: cursorAt(70n, 1n) }
    const parts = { pipeline: 'p', cursors: [move] }
    await table.commit(commitRequest(await table.latest(), parts))
    const newest = await table.latest()
    const ours = await loadOurs(lake, table, newest.version)
    await load(lake, 'before', 'FROM ours')
    const done = maintainWithDeltaRs(engines, folder, ['compact logs', 'checkpoint', 'clean up'])
    expect(Object.values(done)).toEqual([null, null, null])
    const log = logOf(folder)
    expect(log.filter((name) => name.endsWith('.compacted.json'))).toHaveLength(1)
    expect(log.filter((name) => name.endsWith('.checkpoint.parquet'))).toHaveLength(1)
    const older = log.filter((name) => /^\d{20}\.json$/.test(name)).slice(0, -1)
    for (const name of older) rmSync(join(folder, '_delta_log', name))
    await using reopened = (await lake.format.open('maintained')) as Table
    const found = await reopened.latest()
    expect(found.cursors()).toEqual([{ pipeline: 'p', cursor: move.to }])
    expect(found.schema).toEqual(newest.schema)
    expect(found.properties).toEqual(newest.properties)
    expect(found.domain('delta.rowTracking')).toEqual(newest.domain('delta.rowTracking'))
    await load(lake, 'theirs', 'FROM before')
    await expectSame(lake, await loadOurs(lake, reopened, newest.version), ours)
    await commitRows(lake, reopened, { deleteWhere: 'id = 7' })
    expect((await reopened.latest()).rowCount).toBe(239n)
  })

  it.each([
    ['merged', true],
    ['before-commit', false],
    ['committed', true],
    ['before-commit', true],
  ] as const)(
    'compacts during a pipeline, at %s, removed files gone: %s',
    async (at, withVacuum) => {
      const clock = { ...createSystemClock(), sleep: async () => undefined }
      const root = mkdtempSync(join(tmpdir(), 'sluice-foreign-'))
      const history = inventHistory()
      const store = await createLocalObjectStore(root, clock)
      const folder = join(root, STREAM)
      const { failpoints, disturbance } = compactingAt(at, { every: 4, folder, withVacuum })
      let seed = 1
      const random = (): number => {
        seed = (seed * 16807) % 2147483647
        return seed / 2147483647
      }
      const pipeline = createPipeline({
        settings: pipelineSettings('p', [upsertTarget(STREAM)]),
        source: createScriptedSource({
          streams: [STREAM],
          history,
          random,
          delivered: { transactionCount: 0, resumedCopies: 0 },
          onAcknowledge: () => undefined,
        }),
        store,
        openFormat: () => lake.formatOver(store),
        clock,
        telemetry: silentTelemetry,
        workFolder: join(root, 'work'),
        failpoints,
      })
      expect(await pipeline.run(new AbortController().signal)).toBe('source-ended')
      expect(disturbance.compactions).toBeGreaterThan(2)
      expect(disturbance.vacuumedFiles > 0).toBe(withVacuum)
      await using table = (await lake.formatOver(store).open(STREAM)) as Table
      const { version: newest } = await table.latest()
      const wanted = withVacuum ? [newest] : Array.from({ length: Number(newest) + 1 }, (_, v) => v)
      for (const version of wanted.map(BigInt)) {
        const snapshot = await table.snapshot({ kind: 'version', version })
        const cursor = snapshot.cursors('p')[0]?.cursor
        if (cursor?.phase !== 'stream') continue
        const rows = await liveRows(lake.session, table, snapshot, 'id, value, text')
        const found = new Map(rows.map(([id, value, text]) => [id, { value: Number(value), text }]))
        expect(found.size, `two rows of one key in version ${version}`).toBe(rows.length)
        expect(found, `version ${version}`).toEqual(
          foldScript(history, STREAM, cursor.nextPosition),
        )
      }
      await store[Symbol.asyncDispose]()
      rmSync(root, { recursive: true })
    },
  )
})
