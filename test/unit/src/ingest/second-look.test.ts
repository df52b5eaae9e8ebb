import { describe, expect, it } from 'vitest'
import type { Lane } from '../../../../src/ingest/lane.ts'
import type { PipelineLog } from '../../../../src/ingest/pipeline-log.ts'
import { isDoubtful, movedByAnother } from '../../../../src/ingest/second-look.ts'
import { type Cursor, SluiceError } from '../../../../src/model/index.ts'

const cursorAt = (nextPosition: bigint): Cursor => ({
  split: 'slot',
  splitNumber: 0,
  nextPosition,
  phase: 'stream',
  identity: {},
  batchNumber: nextPosition,
  sourceTimeMicros: null,
})

/** A lane that read `known`, over a table that stores `stored` by now. */
function lane(known: bigint, stored: bigint): Lane {
  const snapshot = { cursors: () => [{ pipeline: 'p', cursor: cursorAt(stored) }] }
  const context = {
    pipeline: 'p',
    target: { table: 'orders' },
    table: { latest: async () => snapshot },
  }
  return { context, cursors: new Map([['slot', cursorAt(known)]]) } as unknown as Lane
}

function logAt(floor: bigint): PipelineLog {
  const notes = { floors: new Map([['slot', floor]]), sourceMemory: null, streams: new Map() }
  return { notes, write: async () => undefined }
}

describe('the second look before an error ends a pipeline', () => {
  it('finds the table whose cursor another instance has moved', async () => {
    const lanes = [lane(5n, 5n), lane(5n, 9n)]
    expect(await movedByAnother(lanes, logAt(5n), logAt(5n))).toBe('orders')
  })

  it('finds that another instance has moved the floor of idle tables', async () => {
    expect(await movedByAnother([lane(5n, 5n)], logAt(5n), logAt(8n))).toBe('the floor')
  })

  it('finds nothing where this instance is alone, so that the error is believed', async () => {
    expect(await movedByAnother([lane(5n, 5n)], logAt(5n), logAt(5n))).toBeNull()
  })

  it('is taken for what old knowledge can cause, and not for a fence', () => {
    expect(isDoubtful(new SluiceError('SLU-SRC-1212', { message: 'moved' }))).toBe(true)
    expect(isDoubtful(new SluiceError('SLU-ING-4004', { message: 'no row' }))).toBe(true)
    expect(isDoubtful(new SluiceError('SLU-ING-4001', { message: 'fenced' }))).toBe(false)
    expect(isDoubtful(new SluiceError('SLU-SRC-1200', { message: 'gone' }))).toBe(false)
  })
})
