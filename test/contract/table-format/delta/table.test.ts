/** The promises of `Table` and `TableFormat`, on memory and on disk. */

import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { CommitOutcome, ObjectStore, Snapshot } from '../../../../src/contracts/index.ts'
import { createDeltaFormat } from '../../../../table-format/delta/index.ts'
import {
  createLocalObjectStore,
  createMemoryObjectStore,
} from '../../../../table-format/object-store/index.ts'
import {
  commitRequest,
  cursorAt,
  newColumn,
  newSchema,
  stagedFile,
  tableSpec,
} from '../../../support/table-format/requests.ts'
import { createTestClock, type TestClock } from '../../../support/test-clock.ts'

const stores: readonly (readonly [string, (clock: TestClock) => Promise<ObjectStore>])[] = [
  ['memory', async (clock) => createMemoryObjectStore(clock)],
  [
    'local folder',
    async (clock) => createLocalObjectStore(await mkdtemp(join(tmpdir(), 'sluice-delta-')), clock),
  ],
]

const committed = (outcome: CommitOutcome): Snapshot => {
  if (outcome.kind !== 'committed') throw new TypeError(`the commit ended as ${outcome.kind}`)
  return outcome.snapshot
}
const rows = (...values: number[]): Uint32Array => Uint32Array.from(values)
const paths = (snapshot: Snapshot): string[] => [...snapshot.files()].map((f) => f.path).sort()

describe.each(stores)('table on %s', (_name, openStore) => {
  const start = async (seed = 'a') => {
    const clock = createTestClock(1_700_000_000_000, seed)
    const store = await openStore(clock)
    const format = createDeltaFormat({ store, clock, writerName: 'sluice/test' })
    return { clock, store, format }
  }

  it('is not there before it is created', async () => {
    const { format } = await start()
    expect(await format.open('orders')).toBeNull()
  })

  it('is created with ids, physical names, key and properties', async () => {
    const { format } = await start()
    await using table = await format.create('shop/orders', tableSpec())
    const snapshot = await table.latest()
    expect(snapshot.version).toBe(0n)
    expect(snapshot.schema.columns.map((c) => [c.name, c.physicalName, c.fieldId])).toEqual([
      ['id', 'id', 1],
      ['value', 'value', 2],
    ])
    expect(snapshot.schema).toMatchObject({ key: ['id'], maxFieldId: 2, partitionBy: [] })
    expect(snapshot.properties['delta.enableRowTracking']).toBe('true')
    expect(snapshot).toMatchObject({ fileCount: 0, sizeBytes: 0, rowCount: 0n })
  })

  it('is opened, not created, when it exists already', async () => {
    const { format } = await start()
    await using first = await format.create('t', tableSpec())
    await using second = await format.create('t', tableSpec(newSchema(['other'])))
    expect((await second.latest()).tableId).toBe((await first.latest()).tableId)
    expect((await second.latest()).schema.columns).toHaveLength(2)
  })

  it('is created once by racing writers', async () => {
    const { format } = await start()
    const tables = await Promise.all([1, 2, 3, 4].map(() => format.create('t', tableSpec())))
    const ids = await Promise.all(tables.map(async (table) => (await table.latest()).tableId))
    expect(new Set(ids).size).toBe(1)
  })

  it('shows a committed file, its rows and the cursor together', async () => {
    const { format } = await start()
    await using table = await format.create('t', tableSpec())
    const base = await table.latest()
    const move = { from: null, to: cursorAt(100n, 1n) }
    const outcome = await table.commit(
      commitRequest(base, { add: [stagedFile('a.parquet')], pipeline: 'shop', cursors: [move] }),
    )
    const snapshot = committed(outcome)
    expect(snapshot).toMatchObject({ version: 1n, fileCount: 1, rowCount: 10n, sizeBytes: 110 })
    expect(snapshot.cursors('shop')).toEqual([{ pipeline: 'shop', cursor: move.to }])
    expect(snapshot.cursors('other')).toEqual([])
    expect(base.fileCount).toBe(0)
    await using reopened = (await format.open('t'))!
    const read = await reopened.latest()
    expect(read.cursors()).toEqual(snapshot.cursors())
    expect([...read.files()]).toEqual([...snapshot.files()])
    expect(read.timestampMicros).toBe(snapshot.timestampMicros)
  })

  it('hides rows, adds to what is hidden, and removes a file without live rows', async () => {
    const { format } = await start()
    await using table = await format.create('t', tableSpec())
    const v1 = committed(
      await table.commit(
        commitRequest(await table.latest(), { add: [stagedFile('a'), stagedFile('b', 3)] }),
      ),
    )
    const v2 = committed(
      await table.commit(
        commitRequest(v1, {
          deletes: [
            { path: 'a', rows: rows(1, 5) },
            { path: 'b', rows: rows(0, 2) },
          ],
        }),
      ),
    )
    expect([...(await table.deletedRows(v2.file('a')!))]).toEqual([1, 5])
    expect(v2.rowCount).toBe(9n)
    expect(v2.file('a')?.statistics).toMatchObject({ recordCount: 10, tightBounds: false })
    expect(v2.file('a')?.baseRowId).toBe(v1.file('a')?.baseRowId)
    const v3 = committed(
      await table.commit(
        commitRequest(v2, {
          deletes: [
            { path: 'a', rows: rows(0, 5, 9) },
            { path: 'b', rows: rows(1) },
          ],
        }),
      ),
    )
    expect([...(await table.deletedRows(v3.file('a')!))]).toEqual([0, 1, 5, 9])
    expect(v3.file('b')).toBeNull()
    expect(v3.rowCount).toBe(6n)
    expect([...(await table.deletedRows(v1.file('a')!))]).toEqual([])
    await using reopened = (await format.open('t'))!
    expect([...(await reopened.latest()).files()]).toEqual([...v3.files()])
    expect([...(await reopened.deletedRows(v3.file('a')!))]).toEqual([0, 1, 5, 9])
  })

  it('fences a commit whose cursor is not the stored one, without a race', async () => {
    const { format } = await start()
    await using table = await format.create('t', tableSpec())
    const base = await table.latest()
    const first = cursorAt(10n, 1n)
    await table.commit(commitRequest(base, { pipeline: 'p', cursors: [{ from: null, to: first }] }))
    const outcome = await table.commit(
      commitRequest(await table.latest(), {
        pipeline: 'p',
        cursors: [{ from: null, to: cursorAt(20n, 1n) }],
      }),
    )
    expect(outcome).toEqual({ kind: 'fenced', expected: null, found: first })
    expect((await table.latest()).version).toBe(1n)
  })

  it('fences the second of two instances', async () => {
    const { format } = await start()
    await using one = await format.create('t', tableSpec())
    await using two = (await format.open('t'))!
    const [base1, base2] = [await one.latest(), await two.latest()]
    const request = (base: Snapshot, file: string) =>
      commitRequest(base, {
        pipeline: 'p',
        cursors: [{ from: null, to: cursorAt(10n, 1n) }],
        add: [stagedFile(file)],
      })
    committed(await one.commit(request(base1, 'one')))
    expect((await two.commit(request(base2, 'two'))).kind).toBe('fenced')
    expect(paths(await two.latest())).toEqual(['one'])
  })

  it('lets blind adds of two writers both in, with row ids of their own', async () => {
    const { format } = await start()
    await using one = await format.create('t', tableSpec())
    await using two = (await format.open('t'))!
    const [base1, base2] = [await one.latest(), await two.latest()]
    committed(await one.commit(commitRequest(base1, { add: [stagedFile('one')] })))
    const after = committed(await two.commit(commitRequest(base2, { add: [stagedFile('two')] })))
    expect(after.version).toBe(2n)
    expect(after.file('one')?.baseRowId).toBe(0n)
    expect(after.file('two')?.baseRowId).toBe(10n)
    expect(after.file('two')?.defaultRowCommitVersion).toBe(2n)
    expect(after.domain('delta.rowTracking')).toEqual({ rowIdHighWaterMark: 19 })
  })

  it('adds a file with rows hidden that nobody has ever seen', async () => {
    const { format } = await start()
    await using table = await format.create('t', tableSpec())
    const add = [{ ...stagedFile('a'), hiddenRows: rows(0, 3, 9) }, stagedFile('b', 4)]
    const v1 = committed(await table.commit(commitRequest(await table.latest(), { add })))
    expect([...(await table.deletedRows(v1.file('a')!))]).toEqual([0, 3, 9])
    expect(v1.file('a')?.statistics).toMatchObject({ recordCount: 10, tightBounds: false })
    expect(v1.rowCount).toBe(11n)
    expect(await table.entry(1n)).toMatchObject({
      addedRows: 11,
      addedFiles: 2,
      deletedRows: 0,
      removedFiles: 0,
      deletionVectors: 1,
    })
    const [changes] = await table.changes(0n, 1n)
    expect(changes?.added.map((file) => [file.path, file.deletionVector?.cardinality])).toEqual([
      ['a', 3],
      ['b', undefined],
    ])
    expect(changes?.vectorChanges).toEqual([])
    const v2 = committed(
      await table.commit(commitRequest(v1, { deletes: [{ path: 'a', rows: rows(3, 4) }] })),
    )
    await using reopened = (await format.open('t'))!
    expect([...(await reopened.deletedRows(v2.file('a')!))]).toEqual([0, 3, 4, 9])
    expect(v2.rowCount).toBe(10n)
  })

  it('refuses to add a file with all its rows hidden, or rows it does not have', async () => {
    const { format } = await start()
    await using table = await format.create('t', tableSpec())
    const base = await table.latest()
    for (const hiddenRows of [rows(0, 1), rows(2)]) {
      const add = [{ ...stagedFile('a', 2), hiddenRows }]
      await expect(table.commit(commitRequest(base, { add }))).rejects.toMatchObject({
        code: 'SLU-BUG-9001',
      })
    }
  })

  it('unites the deletes of two writers of one file', async () => {
    const { format } = await start()
    await using one = await format.create('t', tableSpec())
    await using two = (await format.open('t'))!
    const v1 = committed(
      await one.commit(commitRequest(await one.latest(), { add: [stagedFile('a')] })),
    )
    const base2 = await two.latest()
    committed(await one.commit(commitRequest(v1, { deletes: [{ path: 'a', rows: rows(1, 2) }] })))
    const after = committed(
      await two.commit(commitRequest(base2, { deletes: [{ path: 'a', rows: rows(2, 7) }] })),
    )
    expect([...(await two.deletedRows(after.file('a')!))]).toEqual([1, 2, 7])
    expect(after.rowCount).toBe(7n)
  })

  it('conflicts when the file to delete from is gone, or the schema changed', async () => {
    const { format } = await start()
    await using one = await format.create('t', tableSpec())
    await using two = (await format.open('t'))!
    const v1 = committed(
      await one.commit(commitRequest(await one.latest(), { add: [stagedFile('a')] })),
    )
    const base2 = await two.latest()
    const v2 = committed(
      await one.commit(commitRequest(v1, { operation: 'truncate', removeAllFiles: true })),
    )
    expect(v2.fileCount).toBe(0)
    expect(
      await two.commit(commitRequest(base2, { deletes: [{ path: 'a', rows: rows(1) }] })),
    ).toMatchObject({ kind: 'conflict', reason: 'file-removed', latest: { version: 2n } })
    const wider = { ...v2.schema, columns: [...v2.schema.columns, newColumn('extra', 'string')] }
    const before = await two.latest()
    const v3 = committed(
      await one.commit(commitRequest(v2, { operation: 'schema', schema: wider })),
    )
    expect(v3.schema.columns.at(-1)).toMatchObject({ physicalName: 'extra', fieldId: 3 })
    expect(await two.commit(commitRequest(before, { add: [stagedFile('b')] }))).toMatchObject({
      kind: 'conflict',
      reason: 'schema-changed',
      latest: { version: 3n },
    })
  })

  it('keeps ids and physical names over rename, drop and a column of a former name', async () => {
    const { format } = await start()
    await using table = await format.create('t', tableSpec())
    const base = await table.latest()
    const [id] = base.schema.columns
    const renamed = committed(
      await table.commit(
        commitRequest(base, {
          schema: { ...base.schema, columns: [{ ...id!, name: 'number' }], key: ['number'] },
        }),
      ),
    )
    expect(renamed.schema.columns).toEqual([{ ...id, name: 'number' }])
    const again = committed(
      await table.commit(
        commitRequest(renamed, {
          schema: {
            ...renamed.schema,
            columns: [...renamed.schema.columns, newColumn('value'), newColumn('id')],
          },
        }),
      ),
    )
    const [, value, other] = again.schema.columns
    expect(value?.physicalName).toMatch(/^col-/)
    expect(other?.physicalName).toMatch(/^col-/)
    expect(again.schema.columns.map((column) => column.fieldId)).toEqual([1, 3, 4])
    await using reopened = (await format.open('t'))!
    expect((await reopened.latest()).schema).toEqual(again.schema)
  })

  it('reads older versions and times', async () => {
    const { format, clock } = await start()
    await using table = await format.create('t', tableSpec())
    const made: Snapshot[] = [await table.latest()]
    for (const name of ['a', 'b', 'c', 'd']) {
      clock.advance(1000)
      made.push(
        committed(await table.commit(commitRequest(made.at(-1)!, { add: [stagedFile(name)] }))),
      )
    }
    for (const reader of [table, (await format.open('t'))!]) {
      for (const snapshot of made) {
        const { version, timestampMicros } = snapshot
        const byVersion = await reader.snapshot({ kind: 'version', version })
        expect(paths(byVersion)).toEqual(paths(snapshot))
        const byTime = await reader.snapshot({ kind: 'timestamp', micros: timestampMicros })
        expect(byTime.version).toBe(version)
        const later = await reader.snapshot({
          kind: 'timestamp',
          micros: timestampMicros + 999_999n,
        })
        expect(later.version).toBe(version)
      }
      const gone = { code: 'SLU-TAB-3003' }
      await expect(reader.snapshot({ kind: 'version', version: 5n })).rejects.toMatchObject(gone)
      await expect(
        reader.snapshot({ kind: 'timestamp', micros: made[0]!.timestampMicros - 1n }),
      ).rejects.toMatchObject(gone)
    }
  })

  it('gives commit times that grow even when the clock does not', async () => {
    const { format, clock } = await start()
    await using table = await format.create('t', tableSpec())
    const base = await table.latest()
    clock.advance(-5000)
    const next = committed(await table.commit(commitRequest(base)))
    expect(next.timestampMicros).toBe(base.timestampMicros + 1000n)
  })

  it('tells the timeline with accounting, cursors and details', async () => {
    const { format } = await start()
    await using table = await format.create('t', tableSpec())
    const accounting = {
      read: 12,
      applied: 10,
      superseded: 2,
      filtered: 0,
      late: 0,
      rejected: 0,
      inserted: 10,
      updated: 0,
      deleted: 0,
    }
    const v1 = committed(
      await table.commit(
        commitRequest(await table.latest(), {
          add: [stagedFile('a')],
          pipeline: 'p',
          cursors: [{ from: null, to: cursorAt(2n ** 60n + 1n, 1n) }],
          accounting,
          stepTimingsMs: { land: 1.5 },
          details: { run: 7 },
        }),
      ),
    )
    await table.commit(commitRequest(v1, { deletes: [{ path: 'a', rows: rows(3, 4) }] }))
    const [third, second, first, ...none] = await table.timeline({ limit: 9 })
    expect(none).toEqual([])
    expect(first).toMatchObject({ version: 0n, operation: 'create', writer: 'sluice/test' })
    expect(second).toMatchObject({
      version: 1n,
      operation: 'ingest',
      operationName: 'STREAMING UPDATE',
      addedFiles: 1,
      addedRows: 10,
      addedBytes: 110,
      accounting,
      cursors: [cursorAt(2n ** 60n + 1n, 1n)],
      stepTimingsMs: { land: 1.5 },
      commitInfo: { sluice: { run: 7 } },
    })
    expect(third).toMatchObject({
      addedFiles: 0,
      removedFiles: 0,
      deletedRows: 2,
      deletionVectors: 1,
    })
    expect((await table.timeline({ limit: 1, beforeVersionExclusive: 2n }))[0]?.version).toBe(1n)
    expect(await table.entry(1n)).toEqual({ ...second, schema: expect.any(Function) })
    expect((await table.entry(0n))?.schema()?.columns.length).toBeGreaterThan(0)
    expect(second?.schema()).toBeNull()
    expect(await table.entry(3n)).toBeNull()
  })

  it('tells what each version changed', async () => {
    const { format } = await start()
    await using table = await format.create('t', tableSpec())
    const v1 = committed(
      await table.commit(
        commitRequest(await table.latest(), { add: [stagedFile('a'), stagedFile('b', 2)] }),
      ),
    )
    const v2 = committed(
      await table.commit(
        commitRequest(v1, {
          add: [stagedFile('c')],
          deletes: [
            { path: 'a', rows: rows(3) },
            { path: 'b', rows: rows(0, 1) },
          ],
        }),
      ),
    )
    const wider = { ...v2.schema, columns: [...v2.schema.columns, newColumn('extra')] }
    await table.commit(commitRequest(v2, { operation: 'schema', schema: wider }))
    const [first, second, third] = await table.changes(0n, 3n)
    expect(first?.added.map((file) => file.path)).toEqual(['a', 'b'])
    expect(second?.added.map((file) => file.path)).toEqual(['c'])
    expect(second?.removed.map((file) => file.path)).toEqual(['b'])
    expect(second?.schema.columns).toHaveLength(2)
    const change = second!.vectorChanges[0]!
    expect([...(await table.deletedRows(change.before))]).toEqual([])
    expect([...(await table.deletedRows(change.after))]).toEqual([3])
    expect(third).toMatchObject({ added: [], removed: [], vectorChanges: [] })
    expect(third?.schema.columns).toHaveLength(3)
    expect(await table.changes(3n, 3n)).toEqual([])
    await expect(table.changes(0n, 4n)).rejects.toMatchObject({ code: 'SLU-TAB-3003' })
  })

  it('keeps partition columns and values, null and odd ones too', async () => {
    const { format } = await start()
    const schema = {
      columns: [newColumn('id'), newColumn('day', 'date'), newColumn('place', 'string')],
      partitionBy: ['day', 'place'],
      key: ['id'],
      maxFieldId: 0,
    }
    await using table = await format.create('t', tableSpec(schema))
    const values = [
      { day: '2026-11-21', place: 'a=b/c%20d "é"' },
      { day: null, place: null },
    ]
    const add = values.map((partitionValues, index) => ({
      ...stagedFile(`p=${index}/a b%.parquet`),
      partitionValues,
    }))
    committed(await table.commit(commitRequest(await table.latest(), { add })))
    await using reopened = (await format.open('t'))!
    const snapshot = await reopened.latest()
    expect(snapshot.schema.partitionBy).toEqual(['day', 'place'])
    for (const file of add) {
      expect(snapshot.file(file.path)?.partitionValues).toEqual(file.partitionValues)
    }
    expect(paths(snapshot)).toEqual(['p=0/a b%.parquet', 'p=1/a b%.parquet'])
  })

  it('refuses to add a file that it has already', async () => {
    const { format } = await start()
    await using table = await format.create('t', tableSpec())
    const add = [stagedFile('a')]
    const v1 = committed(await table.commit(commitRequest(await table.latest(), { add })))
    await expect(table.commit(commitRequest(v1, { add }))).rejects.toMatchObject({
      code: 'SLU-BUG-9001',
    })
    expect((await table.latest()).version).toBe(1n)
  })

  it('stages files and bytes that no version shows', async () => {
    const { format } = await start()
    await using table = await format.create('t', tableSpec())
    const local = join(await mkdtemp(join(tmpdir(), 'sluice-spool-')), 'part')
    await writeFile(local, 'parquet')
    await table.stageFile(local, 'data/part-1.parquet')
    await table.stageBytes('_sluice/tombstones-1', Buffer.from('bytes'))
    expect((await table.readBytes('data/part-1.parquet'))?.toString()).toBe('parquet')
    expect((await table.readBytes('_sluice/tombstones-1'))?.toString()).toBe('bytes')
    expect(await table.readBytes('none')).toBeNull()
    expect((await table.latest()).fileCount).toBe(0)
    await expect(table.stageBytes('_delta_log/x', Buffer.from(''))).rejects.toMatchObject({
      code: 'SLU-STO-2006',
    })
  })
})
