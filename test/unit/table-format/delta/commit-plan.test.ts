/** What a commit makes of the versions that other writers won before it. */

import { describe, expect, it } from 'vitest'
import type { CommitOutcome, Snapshot, Table } from '../../../../src/contracts/index.ts'
import { createDeltaFormat } from '../../../../table-format/delta/index.ts'
import { createMemoryObjectStore } from '../../../../table-format/object-store/index.ts'
import { commitRequest, stagedFile, tableSpec } from '../../../support/table-format/requests.ts'
import { createTestClock } from '../../../support/test-clock.ts'

const committed = (outcome: CommitOutcome): Snapshot => {
  if (outcome.kind !== 'committed') throw new TypeError(`the commit ended as ${outcome.kind}`)
  return outcome.snapshot
}
const rows = (...values: number[]): Uint32Array => Uint32Array.from(values)
const paths = (snapshot: Snapshot): string[] => [...snapshot.files()].map((f) => f.path).sort()

interface LogLine {
  readonly remove?: { readonly path: string; readonly deletionVector?: object }
  readonly add?: { readonly path: string; readonly deletionVector?: object }
  readonly protocol?: { readonly writerFeatures: readonly string[] }
  readonly metaData?: { readonly schemaString: string }
}

/** A table with the files `a` and `b`, and the snapshot that holds them. */
async function createWorld(longTableFiles = 100): Promise<{
  readonly table: Table
  readonly base: Snapshot
  /** The lines of a log entry but the first. */
  lines(version: bigint): Promise<readonly LogLine[]>
  /** Another engine takes the next version. */
  win(version: bigint, lines: readonly object[]): Promise<void>
}> {
  const clock = createTestClock()
  const store = createMemoryObjectStore(clock)
  const format = createDeltaFormat({ store, clock, writerName: 'w', longTableFiles })
  const table = await format.create('t', tableSpec())
  const add = [stagedFile('a'), stagedFile('b')]
  const base = committed(await table.commit(commitRequest(await table.latest(), { add })))
  const entry = (version: bigint): string =>
    `t/_delta_log/${version.toString().padStart(20, '0')}.json`
  return {
    table,
    base,
    lines: async (version) => {
      const bytes = (await store.get(entry(version)))!
      const [, ...rest] = bytes.toString().trimEnd().split('\n')
      return rest.map((line) => JSON.parse(line) as LogLine)
    },
    win: async (version, lines) => {
      const inCommitTimestamp = clock.nowMs() + Number(version)
      const info = { commitInfo: { inCommitTimestamp, engineInfo: 'another engine' } }
      const text = [info, ...lines].map((line) => `${JSON.stringify(line)}\n`).join('')
      expect(await store.putIfAbsent(entry(version), Buffer.from(text))).toBe('created')
    },
  }
}

const removeOf = (path: string): object => ({
  remove: { path, deletionTimestamp: 1, dataChange: false, partitionValues: {}, size: 110 },
})
const addOf = (path: string): object => ({
  add: {
    path,
    partitionValues: {},
    size: 220,
    modificationTime: 1,
    dataChange: false,
    stats: '{"numRecords":20}',
  },
})

describe('a commit that meets the version of another writer', () => {
  it('unites its vector with the one that won, and names that one in its remove', async () => {
    const { table, base, lines } = await createWorld()
    const first = { deletes: [{ path: 'a', rows: rows(1, 2) }] }
    await table.commit(commitRequest(base, first))
    const second = { deletes: [{ path: 'a', rows: rows(2, 7) }] }
    const after = committed(await table.commit(commitRequest(base, second)))
    expect([...(await table.deletedRows(after.file('a')!))]).toEqual([1, 2, 7])
    const won = (await lines(2n)).find(({ add }) => add?.path === 'a')?.add
    const ours = await lines(3n)
    expect(won?.deletionVector).toMatchObject({ cardinality: 2 })
    expect(ours.find(({ remove }) => remove !== undefined)?.remove?.deletionVector).toEqual(
      won?.deletionVector,
    )
    expect(ours.find(({ add }) => add?.path === 'a')?.add?.deletionVector).toMatchObject({
      cardinality: 3,
    })
  })

  it('adds beside files that another engine added, and beside its compaction', async () => {
    const { table, base, win } = await createWorld()
    await win(2n, [addOf('theirs')])
    await win(3n, [removeOf('a'), removeOf('b'), addOf('both')])
    const after = committed(await table.commit(commitRequest(base, { add: [stagedFile('c')] })))
    expect(after.version).toBe(4n)
    expect(paths(after)).toEqual(['both', 'c', 'theirs'])
  })

  it('is planned again when another engine compacted a file it deletes from', async () => {
    const { table, base, win } = await createWorld()
    await win(2n, [removeOf('a'), removeOf('b'), addOf('both')])
    const deletes = [{ path: 'b', rows: rows(3) }]
    const request = commitRequest(base, { add: [stagedFile('c')], deletes })
    const outcome = await table.commit(request)
    expect(outcome).toMatchObject({ kind: 'conflict', reason: 'file-removed' })
    expect(paths(await table.latest())).toEqual(['both'])
  })

  it('is planned again when it removes all files and one of them was compacted', async () => {
    const { table, base, win } = await createWorld()
    await win(2n, [removeOf('a'), removeOf('b'), addOf('both')])
    const request = commitRequest(base, { operation: 'truncate', removeAllFiles: true })
    const outcome = await table.commit(request)
    expect(outcome).toMatchObject({ kind: 'conflict', reason: 'file-removed' })
    const latest = await table.latest()
    const again = { operation: 'truncate', removeAllFiles: true } as const
    expect(committed(await table.commit(commitRequest(latest, again))).fileCount).toBe(0)
  })

  it('is planned again when it writes all rows anew and some were deleted meanwhile', async () => {
    const { table, base } = await createWorld()
    const deletes = [{ path: 'a', rows: rows(5) }]
    committed(await table.commit(commitRequest(base, { deletes })))
    const add = [stagedFile('anew', 20)]
    const rewrite = commitRequest(base, { operation: 'schema', removeAllFiles: true, add })
    expect(await table.commit(rewrite)).toMatchObject({ kind: 'conflict', reason: 'file-removed' })
  })

  it('keeps what came after its snapshot when it removes all files of that', async () => {
    const { table, base, win } = await createWorld()
    await win(2n, [addOf('theirs')])
    const request = commitRequest(base, { operation: 'truncate', removeAllFiles: true })
    expect(paths(committed(await table.commit(request)))).toEqual(['theirs'])
  })

  it('is refused once another engine asks more of writers than this one can', async () => {
    const { table, base, lines, win } = await createWorld()
    const { protocol } = (await lines(0n)).find((line) => line.protocol !== undefined)!
    const writerFeatures = [...protocol!.writerFeatures, 'checkConstraints']
    await win(2n, [{ protocol: { ...protocol, writerFeatures } }])
    await expect(
      table.commit(commitRequest(base, { add: [stagedFile('c')] })),
    ).rejects.toMatchObject({
      code: 'SLU-TAB-3008',
      message: expect.stringContaining('checkConstraints'),
    })
    expect(paths(await table.latest())).toEqual(['a', 'b'])
  })

  it('is refused once another engine makes the table append-only', async () => {
    const { table, base, win } = await createWorld()
    const schemaString = '{"type":"struct","fields":[]}'
    const metaData = {
      id: base.tableId,
      format: { provider: 'parquet', options: {} },
      schemaString,
      partitionColumns: [],
      configuration: { ...base.properties, 'delta.appendOnly': 'true' },
    }
    await win(2n, [{ metaData }])
    await expect(
      table.commit(commitRequest(base, { add: [stagedFile('c')] })),
    ).rejects.toMatchObject({ code: 'SLU-TAB-3008' })
  })
})

describe('the properties of a table', () => {
  const isMetadata = (line: LogLine): boolean => line.metaData !== undefined

  it('are set by a commit, beside those there are, and columns stay as they were', async () => {
    const { table, base, lines } = await createWorld()
    const properties = { owner: 'shop', 'delta.checkpointInterval': '5' }
    const request = commitRequest(base, { operation: 'properties', properties })
    const after = committed(await table.commit(request))
    expect(after.properties).toEqual({ ...base.properties, ...properties })
    expect(after.schema).toEqual(base.schema)
    expect(paths(after)).toEqual(['a', 'b'])
    const first = (await lines(0n)).find(isMetadata)?.metaData
    expect((await lines(2n)).map((line) => Object.keys(line))).toEqual([['metaData']])
    expect((await lines(2n))[0]?.metaData?.schemaString).toBe(first?.schemaString)
    expect(await table.entry(2n)).toMatchObject({
      operation: 'properties',
      operationName: 'SET TBLPROPERTIES',
    })
  })

  it('are not written again when they are so already', async () => {
    const { table, base, lines } = await createWorld()
    const properties = { owner: 'shop' }
    const once = committed(await table.commit(commitRequest(base, { properties })))
    await table.commit(commitRequest(once, { properties, add: [stagedFile('c')] }))
    expect((await lines(3n)).some(isMetadata)).toBe(false)
  })

  it('bring the feature that they need', async () => {
    const { table, base, lines } = await createWorld()
    const properties = { 'delta.checkpointPolicy': 'v2' }
    await table.commit(commitRequest(base, { operation: 'properties', properties }))
    const protocol = (await lines(2n)).find((line) => line.protocol !== undefined)?.protocol
    expect(protocol?.writerFeatures).toContain('v2Checkpoint')
  })

  it('turn to v2 checkpoints with the first commit after a table has become long', async () => {
    const { table, base, lines } = await createWorld(3)
    const long = committed(await table.commit(commitRequest(base, { add: [stagedFile('c')] })))
    expect(long.properties).not.toHaveProperty('delta.checkpointPolicy')
    const deletes = [{ path: 'a', rows: rows(1) }]
    const after = committed(await table.commit(commitRequest(long, { deletes })))
    expect(after.properties['delta.checkpointPolicy']).toBe('v2')
    expect((await lines(3n)).find(({ protocol }) => protocol !== undefined)).toBeDefined()
    await table.commit(commitRequest(after, { add: [stagedFile('d')] }))
    expect((await lines(4n)).some(isMetadata)).toBe(false)
  })

  it('keep the checkpoints of a long table as somebody chose them', async () => {
    const { table, base } = await createWorld(1)
    const properties = { 'delta.checkpointPolicy': 'classic' }
    const chosen = committed(await table.commit(commitRequest(base, { properties })))
    const after = committed(await table.commit(commitRequest(chosen, { add: [stagedFile('c')] })))
    expect(after.properties['delta.checkpointPolicy']).toBe('classic')
  })
})
