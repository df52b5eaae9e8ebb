import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { FrameHandler } from '../../../../connectors/postgres/frames.ts'
import type { RelationMessage } from '../../../../connectors/postgres/pgoutput.ts'
import {
  StreamReader,
  type StreamReaderOptions,
} from '../../../../connectors/postgres/stream-reader.ts'
import type { SourceBlock } from '../../../../src/contracts/index.ts'
import { createTestClock } from '../../../support/test-clock.ts'
import { begin, commit, insert, relation } from './messages.ts'

let folder: string
let reader: StreamReader
let onFrame: FrameHandler

beforeEach(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'sluice-reader-'))
  const socket: StreamReaderOptions['socket'] = {
    start: (_, take) => {
      onFrame = take
      take(0x57, Buffer.alloc(0), 0, 0)
    },
    pause: () => undefined,
    resume: () => undefined,
    sendCopyData: () => undefined,
  }
  reader = new StreamReader({
    ...{ socket, clock: createTestClock(), identity: {} },
    ...{ startPosition: 1n, confirmedPosition: 1n },
    resolve: (message) => ({ schema: schemaOf(message), resumePosition: 1n }),
    learn: async () => undefined,
    ...{ bufferBytesMax: 1e6, spoolFolder: folder, spoolBytesMax: 1e6 },
    ...{ statusIntervalMs: 1e9, receiveTimeoutMs: Number.POSITIVE_INFINITY },
  })
  await reader.start('START_REPLICATION')
})

afterEach(async () => {
  await reader.close()
  rmSync(folder, { recursive: true, force: true })
})

const schemaOf = ({ columns }: RelationMessage) => ({
  ...{ stream: 'public.t', schemaId: columns.length, key: ['c0'] },
  columns: columns.map(({ name }) => ({
    ...{ name, type: 'string' as const, sourceType: 'text', nullable: true },
  })),
})

/** As the server sends them: each in a frame of its own. */
function receive(...messages: readonly Buffer[]): void {
  for (const message of messages) {
    const bytes = Buffer.concat([Buffer.from('w'), Buffer.alloc(24), message])
    onFrame(0x64, bytes, 0, bytes.length)
  }
}

const shape = (count: number): Buffer =>
  relation(
    7,
    't',
    Array.from({ length: count }, (_, index) => `c${index}`),
    ['c0'],
  )

const facts = (block: SourceBlock | null) => ({
  shapes: block?.parts.map(({ schema }) => schema.schemaId),
  ends: block?.endsTransaction,
  next: block?.nextPosition,
})

it('tells the end of what came before a new shape, its lines told already or not', async () => {
  expect(facts(await reader.next()), 'complete up to the start').toMatchObject({ ends: true })
  const first = reader.next()
  receive(begin(10n), shape(1), insert(7, ['one']))
  expect(facts(await first)).toEqual({ shapes: [1], ends: false, next: 1n })
  receive(commit(10n, 11n), begin(20n), shape(2), insert(7, ['two', 'b']), commit(20n, 21n))
  expect(facts(await reader.next())).toEqual({ shapes: [], ends: true, next: 11n })
  expect(facts(await reader.next())).toEqual({ shapes: [2], ends: true, next: 21n })
})
