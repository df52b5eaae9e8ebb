import { describe, expect, it } from 'vitest'
import type { CopyRelation, TableFacts } from '../../../../connectors/postgres/catalog.ts'
import {
  type ChunkFacts,
  type CopyPlace,
  chunkWhere,
  filesOf,
  interruptedCopy,
  placeToJson,
  planChunks,
} from '../../../../connectors/postgres/copy-plan.ts'
import type { Cursor, StreamSchema } from '../../../../src/model/index.ts'

const table: TableFacts = {
  oid: 7,
  stream: 'public.orders',
  schemaName: 'public',
  tableName: 'orders',
  kind: 'r',
  identity: 'd',
  readable: true,
  owned: true,
  rowsEstimated: 1000,
  columns: [],
  key: ['id'],
}
const schema: StreamSchema = {
  stream: 'public.orders',
  schemaId: 1,
  key: ['id'],
  columns: [{ name: 'id', type: 'integer', sourceType: 'integer', nullable: false }],
}
const identity = { slot: 's', systemIdentifier: '1', timeline: 1 }

function relation(change: Partial<CopyRelation> = {}): CopyRelation {
  return {
    ...{ oid: 7, schemaName: 'public', tableName: 'orders', fileNode: 70 },
    ...{ blockCount: 25, rowsPerBlock: 10, readable: true, ...change },
  }
}

function plan(facts: Partial<ChunkFacts>, from: CopyPlace | null = null): string[] {
  const whole = {
    ...{ table, relations: [relation()], versionNumber: 180000, chunkRows: 100 },
    ...{ isResumable: true, ...facts },
  }
  return [...planChunks(whole, from)].map((chunk) => {
    const place = chunk.place && `${chunk.place.relation}:${chunk.place.block}`
    return `${chunk.relation}${chunkWhere(chunk)} → ${place}${chunk.isLast ? ' end' : ''}`
  })
}

describe('planChunks', () => {
  it('covers every block once and leaves the end open', () => {
    expect(plan({})).toEqual([
      `"public"."orders" WHERE ctid < '(10,0)'::tid → 7:10`,
      `"public"."orders" WHERE ctid >= '(10,0)'::tid AND ctid < '(20,0)'::tid → 7:20`,
      `"public"."orders" WHERE ctid >= '(20,0)'::tid → 7:null end`,
    ])
  })

  it('goes on at the block of a place', () => {
    expect(plan({}, { relation: 7, file: 70, block: 20 })).toEqual([
      `"public"."orders" WHERE ctid >= '(20,0)'::tid → 7:null end`,
    ])
  })

  it('reads a relation from its first block when it has another file by now', () => {
    expect(plan({}, { relation: 7, file: 69, block: 20 })).toHaveLength(3)
  })

  it('reads each small table, and an empty one, as one chunk', () => {
    const end = ['"public"."orders" → 7:null end']
    expect(plan({ relations: [relation({ blockCount: 3 })] })).toEqual(end)
    expect(plan({ relations: [relation({ blockCount: 0, rowsPerBlock: null })] })).toEqual(end)
  })

  it('leaves out the partitions that are done', () => {
    const relations = [8, 9, 10].map((oid) =>
      relation({ oid, fileNode: oid * 10, tableName: `p${oid}`, blockCount: 5 }),
    )
    const partitioned = { ...table, kind: 'p' }
    expect(plan({ table: partitioned, relations }, { relation: 9, file: 90, block: null })).toEqual(
      ['"public"."p10" → 10:null end'],
    )
    expect(plan({ table: partitioned, relations }, { relation: 9, file: 90, block: 3 })).toEqual([
      `"public"."p9" WHERE ctid >= '(3,0)'::tid → 9:null`,
      '"public"."p10" → 10:null end',
    ])
  })

  it('reads through the root when a partition may not be read by its name', () => {
    const relations = [relation({ oid: 8 }), relation({ oid: 9, readable: false })]
    expect(plan({ relations })).toEqual(['"public"."orders" → null end'])
  })

  it('cuts nothing where the server would look at every block for each chunk', () => {
    expect(plan({ versionNumber: 130012 })).toEqual(['"public"."orders" → 7:null end'])
  })

  it('names no place for rows that could not be met again', () => {
    expect(plan({ isResumable: false }).at(0)).toMatch(/→ null$/)
  })
})

describe('interruptedCopy', () => {
  const place = { relation: 7, file: 70, block: 20 }
  const relations = [relation()]
  const copied = placeToJson(place, 500, { table, schema, relations })
  const cursor: Cursor = {
    ...{ split: 'slot', splitNumber: 0, nextPosition: 100n, phase: 'copy', batchNumber: 3n },
    ...{ sourceTimeMicros: null, identity: { ...identity, copyAttempt: 'a', copied } },
  }
  const facts = { identity, confirmedPosition: 100n, tableOid: 7, schema, files: null }

  it('gives back what was stored', () => {
    for (const files of [null, filesOf(relations)]) {
      expect(interruptedCopy(cursor, { ...facts, files })).toEqual({
        ...{ attempt: 'a', place, rowsCopied: 500, nextPosition: 100n },
      })
    }
  })

  it('begins from empty over other files where they must be the same', () => {
    const rewritten = filesOf([relation({ fileNode: 71 })])
    const partitioned = filesOf([relation({ oid: 3, fileNode: 3 }), relation()])
    for (const files of [rewritten, partitioned]) {
      expect(interruptedCopy(cursor, { ...facts, files })).toBe(null)
    }
  })

  it('begins from empty whenever changes or rows could be missing', () => {
    const column = { name: 'n', type: 'long', sourceType: 'bigint', nullable: true } as const
    const wider = { ...schema, columns: [...schema.columns, column] }
    expect(interruptedCopy(null, facts)).toBe(null)
    expect(interruptedCopy({ ...cursor, phase: 'stream' }, facts)).toBe(null)
    expect(interruptedCopy({ ...cursor, nextPosition: 99n }, facts)).toBe(null)
    expect(interruptedCopy(cursor, { ...facts, confirmedPosition: null })).toBe(null)
    expect(interruptedCopy(cursor, { ...facts, tableOid: 8 })).toBe(null)
    expect(interruptedCopy(cursor, { ...facts, schema: wider })).toBe(null)
    const moved = { ...identity, timeline: 2 }
    expect(interruptedCopy(cursor, { ...facts, identity: moved })).toBe(null)
    const bare = { ...cursor, identity: { ...identity, copyAttempt: 'a' } }
    expect(interruptedCopy(bare, facts)).toBe(null)
  })
})
