/** Commits whose outcome is unknown, and what stands in the log. */

import { describe, expect, it } from 'vitest'
import type {
  CommitOutcome,
  ObjectStore,
  Snapshot,
  Table,
} from '../../../../src/contracts/index.ts'
import { createDeltaFormat } from '../../../../table-format/delta/index.ts'
import { createMemoryObjectStore } from '../../../../table-format/object-store/index.ts'
import { createFaultyStore, type Fault } from '../../../support/table-format/faulty-store.ts'
import {
  commitRequest,
  cursorAt,
  newColumn,
  newSchema,
  stagedFile,
  tableSpec,
} from '../../../support/table-format/requests.ts'
import { createTestClock } from '../../../support/test-clock.ts'

const committed = (outcome: CommitOutcome): Snapshot => {
  if (outcome.kind !== 'committed') throw new TypeError(`the commit ended as ${outcome.kind}`)
  return outcome.snapshot
}

interface World {
  readonly inner: ObjectStore
  readonly table: Table
  readonly clock: ReturnType<typeof createTestClock>
  /** Faults of the next calls, by method; `beforeFault` runs first. */
  readonly faults: { method: string; fault: Fault; before?: () => Promise<void> }[]
  open(): Promise<Table>
}

async function createWorld(): Promise<World> {
  const clock = createTestClock()
  const inner = createMemoryObjectStore(clock)
  const faults: World['faults'] = []
  const store = createFaultyStore(inner, (method, path) => {
    if (!path.includes('_delta_log/0') || faults[0]?.method !== method) return null
    return faults.shift()!.fault
  })
  const table = await createDeltaFormat({ store, clock, writerName: 'w' }).create('t', tableSpec())
  const open = async (): Promise<Table> =>
    (await createDeltaFormat({ store: inner, clock, writerName: 'other' }).open('t'))!
  return { inner, table, clock, faults, open }
}

const logLines = async (
  store: ObjectStore,
  version: number,
): Promise<Record<string, unknown>[]> => {
  const bytes = await store.get(`t/_delta_log/${String(version).padStart(20, '0')}.json`)
  return bytes!
    .toString()
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line))
}

describe('a commit without an answer', () => {
  it('is recognised when it took effect', async () => {
    const { table, faults, open } = await createWorld()
    faults.push({ method: 'putIfAbsent', fault: 'applied' })
    const snapshot = committed(
      await table.commit(commitRequest(await table.latest(), { add: [stagedFile('a')] })),
    )
    expect(snapshot.version).toBe(1n)
    expect(faults).toEqual([])
    await using other = await open()
    expect((await other.latest()).fileCount).toBe(1)
  })

  it('is put again, the same bytes, when it did not take effect', async () => {
    const { table, faults, open } = await createWorld()
    for (let time = 0; time < 4; time++) faults.push({ method: 'putIfAbsent', fault: 'lost' })
    const outcome = await table.commit(
      commitRequest(await table.latest(), { add: [stagedFile('a')] }),
    )
    expect(committed(outcome).version).toBe(1n)
    await using other = await open()
    expect(await other.timeline({ limit: 9 })).toHaveLength(2)
  })

  it('is recognised when the read-back fails at first', async () => {
    const { table, faults } = await createWorld()
    const base = await table.latest()
    faults.push({ method: 'putIfAbsent', fault: 'applied' }, { method: 'get', fault: 'lost' })
    expect(committed(await table.commit(commitRequest(base))).version).toBe(1n)
    expect(faults).toEqual([])
  })

  it('goes on with the next version when another writer took this one', async () => {
    const { table, faults, open } = await createWorld()
    const base = await table.latest()
    await using other = await open()
    committed(await other.commit(commitRequest(await other.latest(), { add: [stagedFile('b')] })))
    faults.push({ method: 'putIfAbsent', fault: 'lost' })
    const snapshot = committed(await table.commit(commitRequest(base, { add: [stagedFile('a')] })))
    expect(snapshot.version).toBe(2n)
    expect(snapshot.fileCount).toBe(2)
  })

  it('ends as unknown after a bounded number of attempts, and can be tried again', async () => {
    const { table, faults, open } = await createWorld()
    const base = await table.latest()
    const request = commitRequest(base, {
      pipeline: 'p',
      cursors: [{ from: null, to: cursorAt(5n, 1n) }],
      add: [stagedFile('a')],
    })
    faults.push({ method: 'putIfAbsent', fault: 'applied' })
    for (let time = 0; time < 10; time++) {
      faults.push({ method: 'get', fault: 'lost' }, { method: 'putIfAbsent', fault: 'lost' })
    }
    await expect(table.commit(request)).rejects.toMatchObject({
      code: 'SLU-TAB-3006',
      kind: 'transient',
    })
    faults.length = 0
    expect(await table.commit(request)).toMatchObject({
      kind: 'fenced',
      found: { batchNumber: 1n },
    })
    await using other = await open()
    expect((await other.latest()).fileCount).toBe(1)
  })

  it('creates a table once, also when the first answer is lost', async () => {
    for (const fault of ['lost', 'applied'] as const) {
      const clock = createTestClock()
      const inner = createMemoryObjectStore(clock)
      const faults: Fault[] = [fault]
      const store = createFaultyStore(inner, (method) =>
        method === 'putIfAbsent' ? (faults.shift() ?? null) : null,
      )
      const format = createDeltaFormat({ store, clock, writerName: 'w' })
      await using table = await format.create('t', tableSpec())
      expect((await table.latest()).version).toBe(0n)
    }
  })
})

describe('a log entry', () => {
  it('begins with commitInfo and names each file once', async () => {
    const { inner, table, clock } = await createWorld()
    const v1 = committed(
      await table.commit(
        commitRequest(await table.latest(), {
          add: [stagedFile('part a.parquet'), stagedFile('gone.parquet', 1)],
          pipeline: 'shop',
          cursors: [{ from: null, to: cursorAt(99n, 4n) }],
        }),
      ),
    )
    const first = await logLines(inner, 1)
    expect(Object.keys(first[0]!)).toEqual(['commitInfo'])
    expect(Object.keys(first[0]!['commitInfo'] as object)[0]).toBe('inCommitTimestamp')
    expect(first[1]).toEqual({
      txn: { appId: 'sluice/shop/slot', version: 4, lastUpdated: clock.nowMs() },
    })
    expect(first[2]).toMatchObject({ domainMetadata: { domain: 'sluice.source.shop.slot' } })
    expect(first[3]).toEqual({
      domainMetadata: {
        domain: 'delta.rowTracking',
        configuration: '{"rowIdHighWaterMark":10}',
        removed: false,
      },
    })
    expect(first[4]).toMatchObject({
      add: { path: 'part%20a.parquet', baseRowId: 0, defaultRowCommitVersion: 1, dataChange: true },
    })
    expect(first[5]).toMatchObject({ add: { baseRowId: 10 } })
    await table.commit(
      commitRequest(v1, {
        deletes: [
          { path: 'part a.parquet', rows: Uint32Array.of(3) },
          { path: 'gone.parquet', rows: Uint32Array.of(0) },
        ],
      }),
    )
    const second = (await logLines(inner, 2)).slice(1)
    expect(second).toHaveLength(3)
    const [gone, before, after] = second as Record<string, Record<string, unknown>>[]
    expect(gone?.['remove']).toMatchObject({ path: 'gone.parquet', extendedFileMetadata: true })
    expect(before?.['remove']).not.toHaveProperty('deletionVector')
    expect(before?.['remove']).toMatchObject({
      path: 'part%20a.parquet',
      partitionValues: {},
      size: 110,
      baseRowId: 0,
      defaultRowCommitVersion: 1,
    })
    expect(after?.['add']).toMatchObject({
      path: 'part%20a.parquet',
      baseRowId: 0,
      defaultRowCommitVersion: 1,
      deletionVector: { storageType: 'u', offset: 1, cardinality: 1 },
    })
    const stats = JSON.parse(after!['add']!['stats'] as string)
    expect(stats).toMatchObject({ numRecords: 10, tightBounds: false, minValues: { id: 0 } })
  })

  it('names the old vector in the remove when a file gets another one', async () => {
    const { inner, table } = await createWorld()
    let snapshot = committed(
      await table.commit(commitRequest(await table.latest(), { add: [stagedFile('a')] })),
    )
    for (const row of [1, 2]) {
      const deletes = [{ path: 'a', rows: Uint32Array.of(row) }]
      snapshot = committed(await table.commit(commitRequest(snapshot, { deletes })))
    }
    const [, first] = (await logLines(inner, 2)).slice(1) as Record<
      string,
      { deletionVector: unknown }
    >[]
    const [remove] = (await logLines(inner, 3)).slice(1) as Record<
      string,
      { deletionVector: unknown }
    >[]
    expect(remove?.['remove']?.deletionVector).toEqual(first?.['add']?.deletionVector)
  })

  it('writes no action for rows that are hidden already', async () => {
    const { inner, table } = await createWorld()
    const v1 = committed(
      await table.commit(commitRequest(await table.latest(), { add: [stagedFile('a')] })),
    )
    const deletes = [{ path: 'a', rows: Uint32Array.of(4) }]
    const v2 = committed(await table.commit(commitRequest(v1, { deletes })))
    const v3 = committed(await table.commit(commitRequest(v2, { deletes })))
    expect(await logLines(inner, 3)).toHaveLength(1)
    expect(v3.rowCount).toBe(9n)
  })

  it('packs the vectors of a commit into one file', async () => {
    const { inner, table } = await createWorld()
    const files = Array.from({ length: 20 }, (_, index) => stagedFile(`f${index}`))
    const v1 = committed(await table.commit(commitRequest(await table.latest(), { add: files })))
    const deletes = files.map(({ path }, index) => ({ path, rows: Uint32Array.of(index % 10) }))
    const v2 = committed(await table.commit(commitRequest(v1, { deletes })))
    const vectors: string[] = []
    for await (const { path } of inner.list('t/deletion_vector_')) vectors.push(path)
    expect(vectors).toHaveLength(1)
    for (const { path, rows } of deletes) {
      expect(await table.deletedRows(v2.file(path)!)).toEqual(rows)
    }
  })

  it('asks for the reader feature of a zoneless timestamp when such a column comes', async () => {
    const { inner, table } = await createWorld()
    const base = await table.latest()
    const columns = [...base.schema.columns, newColumn('at', 'timestamp_ntz')]
    const schema = { ...base.schema, columns }
    committed(await table.commit(commitRequest(base, { operation: 'schema', schema })))
    const [, protocol] = (await logLines(inner, 1)) as Record<string, Record<string, unknown>>[]
    expect(protocol?.['protocol']).toMatchObject({ minReaderVersion: 3, minWriterVersion: 7 })
    expect(protocol?.['protocol']?.['readerFeatures']).toContain('timestampNtz')
    expect(protocol?.['protocol']?.['writerFeatures']).toContain('timestampNtz')
  })

  it('gives ids to nested fields and keeps them', async () => {
    const { table } = await createWorld()
    const base = await table.latest()
    const nested = {
      ...newColumn('address'),
      type: {
        kind: 'struct' as const,
        fields: [
          { name: 'city', type: 'string' as const, nullable: true },
          { name: 'zip', type: 'string' as const, nullable: true },
        ],
      },
    }
    const schema = { ...base.schema, columns: [...base.schema.columns, nested] }
    const v1 = committed(await table.commit(commitRequest(base, { schema })))
    expect(v1.schema.columns[2]).toMatchObject({
      fieldId: 3,
      type: { fields: [{ fieldId: 4, physicalName: 'city' }, { fieldId: 5 }] },
    })
    expect(v1.schema.maxFieldId).toBe(5)
    const v2 = committed(await table.commit(commitRequest(v1, { schema: v1.schema })))
    expect(v2.schema).toEqual(v1.schema)
  })

  it('takes ids and physical names that the caller has written files with', async () => {
    const { table } = await createWorld()
    const base = await table.latest()
    const added = { ...newColumn('city'), fieldId: 3, physicalName: 'city~3' }
    const columns = [...base.schema.columns, added]
    const schema = { ...base.schema, columns, maxFieldId: 3 }
    const v1 = committed(await table.commit(commitRequest(base, { schema })))
    expect(v1.schema.columns[2]).toMatchObject({ fieldId: 3, physicalName: 'city~3' })
    expect(v1.schema.maxFieldId).toBe(3)
    const again = { ...added, name: 'town', fieldId: 4 }
    const wrong = { ...v1.schema, columns: [...v1.schema.columns, again], maxFieldId: 4 }
    await expect(table.commit(commitRequest(v1, { schema: wrong }))).rejects.toMatchObject({
      code: 'SLU-BUG-9001',
    })
  })

  it('keeps where a column comes from', async () => {
    const { table } = await createWorld()
    const base = await table.latest()
    const origin = { id: 7, name: 'Key', type: 'bigint', isGone: true }
    const [id, ...rest] = base.schema.columns
    const schema = { ...base.schema, columns: [{ ...id!, origin }, ...rest] }
    const v1 = committed(await table.commit(commitRequest(base, { schema })))
    expect(v1.schema.columns.map((column) => column.origin)).toEqual([
      origin,
      ...rest.map(() => undefined),
    ])
  })

  it('keeps the digits of statistics beyond 2^53 through a deletion', async () => {
    const { inner, table } = await createWorld()
    const file = stagedFile('a')
    const statistics = { ...file.statistics, maxValues: { id: '9223372036854775807' } }
    const v1 = committed(
      await table.commit(commitRequest(await table.latest(), { add: [{ ...file, statistics }] })),
    )
    const deletes = [{ path: 'a', rows: Uint32Array.of(0) }]
    const v2 = committed(await table.commit(commitRequest(v1, { deletes })))
    expect(v2.file('a')?.statistics?.maxValues).toEqual({ id: '9223372036854775807' })
    const bytes = await inner.get('t/_delta_log/00000000000000000002.json')
    expect(bytes?.toString()).toContain('\\"maxValues\\":{\\"id\\":9223372036854775807}')
  })
})

describe('a table that is not ours', () => {
  const entry = (...actions: object[]): Buffer =>
    Buffer.from(`${actions.map((action) => JSON.stringify(action)).join('\n')}\n`)
  const metaData = {
    id: 'x',
    format: { provider: 'parquet', options: {} },
    schemaString: JSON.stringify({
      type: 'struct',
      fields: [{ name: 'a', type: 'long', nullable: true, metadata: {} }],
    }),
    partitionColumns: [],
    configuration: {},
  }
  const openWith = async (...entries: Buffer[]): Promise<Table | null> => {
    const clock = createTestClock()
    const store = createMemoryObjectStore(clock)
    for (const [version, bytes] of entries.entries()) {
      await store.put(`t/_delta_log/${String(version).padStart(20, '0')}.json`, bytes)
    }
    return createDeltaFormat({ store, clock, writerName: 'w' }).open('t')
  }
  const plain = entry({ protocol: { minReaderVersion: 1, minWriterVersion: 2 } }, { metaData })

  it('is read, and refused to be written', async () => {
    await using table = (await openWith(
      plain,
      entry({
        add: { path: 'p', partitionValues: {}, size: 1, modificationTime: 1, dataChange: true },
      }),
    ))!
    const snapshot = await table.latest()
    expect(snapshot).toMatchObject({ version: 1n, fileCount: 1, rowCount: null })
    expect(snapshot.schema.columns[0]).toMatchObject({ physicalName: 'a', fieldId: 0 })
    await expect(table.commit(commitRequest(snapshot))).rejects.toMatchObject({
      code: 'SLU-TAB-3008',
    })
  })

  it('is refused by the name of the feature it needs', async () => {
    const protocol = {
      minReaderVersion: 3,
      minWriterVersion: 7,
      readerFeatures: ['deletionVectors', 'telepathy'],
      writerFeatures: ['deletionVectors', 'telepathy'],
    }
    await expect(openWith(entry({ protocol }, { metaData }))).rejects.toMatchObject({
      code: 'SLU-TAB-3007',
      message: expect.stringContaining('telepathy'),
    })
    const newer = { minReaderVersion: 4, minWriterVersion: 8 }
    await expect(openWith(entry({ protocol: newer }, { metaData }))).rejects.toMatchObject({
      code: 'SLU-TAB-3007',
    })
  })

  it('is refused when a line is damaged, a version missing, a type unknown', async () => {
    await expect(openWith(plain, Buffer.from('{"add":{"pa'))).rejects.toMatchObject({
      code: 'SLU-TAB-3001',
      message: expect.stringContaining('00000000000000000001.json'),
    })
    await expect(openWith(plain, Buffer.alloc(0))).rejects.toMatchObject({ code: 'SLU-TAB-3001' })
    const odd = { ...metaData, schemaString: metaData.schemaString.replace('"long"', '"variant"') }
    await expect(
      openWith(
        entry({ protocol: { minReaderVersion: 1, minWriterVersion: 2 } }, { metaData: odd }),
      ),
    ).rejects.toMatchObject({ code: 'SLU-TAB-3010', message: expect.stringContaining('variant') })
    const clock = createTestClock()
    const store = createMemoryObjectStore(clock)
    await store.put('t/_delta_log/00000000000000000000.json', plain)
    await store.put('t/_delta_log/00000000000000000002.json', plain)
    const format = createDeltaFormat({ store, clock, writerName: 'w' })
    await expect(format.open('t')).rejects.toMatchObject({ code: 'SLU-TAB-3005' })
  })

  it('keeps a file live whose remove names another vector', async () => {
    const deletionVector = {
      storageType: 'u',
      pathOrInlineDv: 'vBn[lx{q8@P<9BNH/isA',
      offset: 1,
      sizeInBytes: 36,
      cardinality: 2,
    }
    const add = { path: 'p', partitionValues: {}, size: 1, modificationTime: 1, dataChange: true }
    const remove = { path: 'p', deletionTimestamp: 1, dataChange: true }
    await using kept = (await openWith(
      plain,
      entry({ add: { ...add, deletionVector } }),
      entry({ remove }),
    ))!
    expect((await kept.latest()).fileCount).toBe(1)
    await using gone = (await openWith(
      plain,
      entry({ add: { ...add, deletionVector } }),
      entry({ remove: { ...remove, deletionVector } }),
    ))!
    expect((await gone.latest()).fileCount).toBe(0)
  })

  it('tells what is damaged in a vector', async () => {
    const clock = createTestClock()
    const store = createMemoryObjectStore(clock)
    const format = createDeltaFormat({ store, clock, writerName: 'w' })
    await using table = await format.create('t', tableSpec(newSchema(['id'])))
    const v1 = committed(
      await table.commit(commitRequest(await table.latest(), { add: [stagedFile('a')] })),
    )
    const deletes = [{ path: 'a', rows: Uint32Array.of(1, 2) }]
    const v2 = committed(await table.commit(commitRequest(v1, { deletes })))
    for await (const { path } of store.list('t/deletion_vector_')) {
      const bytes = (await store.get(path))!
      bytes[bytes.length - 6]! ^= 1
      await store.put(path, bytes)
    }
    await using reader = (await format.open('t'))!
    await expect(reader.deletedRows(v2.file('a')!)).rejects.toMatchObject({ code: 'SLU-TAB-3002' })
    for await (const { path } of store.list('t/deletion_vector_')) await store.delete(path)
    await expect(reader.deletedRows(v2.file('a')!)).rejects.toMatchObject({ code: 'SLU-STO-2005' })
  })
})
