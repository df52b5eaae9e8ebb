/** A files source over a folder of a test, and what it yields. */

import { filesSettingsSchema } from '../../connectors/files/index.ts'
import { filesSource } from '../../connectors/files/source.ts'
import type { Clock, Source, SourceBlock, SourceSession } from '../../src/contracts/index.ts'
import type { Cursor } from '../../src/model/index.ts'
import { silentTelemetry } from './silent-telemetry.ts'

/** A clock whose sleeps end when the test says so. */
export interface HandClock extends Clock {
  readonly sleeping: () => Promise<void>
  readonly wake: () => void
}

/** Makes such a clock. */
export function createHandClock(): HandClock {
  let asleep = Promise.withResolvers<void>()
  let awake = Promise.withResolvers<void>()
  return {
    nowMs: () => 0,
    monotonicMs: () => 0,
    uuid: () => '',
    random: () => 0,
    sleep: (_ms, signal) => {
      asleep.resolve()
      signal?.addEventListener('abort', () => awake.resolve(), { once: true })
      return awake.promise
    },
    sleeping: () => asleep.promise,
    wake: () => {
      asleep = Promise.withResolvers<void>()
      const sleeper = awake
      awake = Promise.withResolvers<void>()
      sleeper.resolve()
    },
  }
}

/** A source over `folder` whose stream is `orders`. */
export function filesSourceOf(
  folder: string,
  settings: Readonly<Record<string, unknown>> = {},
  clock: Clock = createHandClock(),
): Source {
  const parsed = filesSettingsSchema.parse({ path: folder, stream: 'orders', ...settings })
  return filesSource(parsed, { name: 'landing', pipeline: 'p', clock, telemetry: silentTelemetry })
}

/** Starts a source at a cursor; the folder takes what it spools. */
export function startFiles(
  source: Source,
  cursor: Cursor | null,
  bufferBytesMax = 1 << 20,
): Promise<SourceSession> {
  return source.start({
    streams: new Map([['orders', cursor === null ? [] : [cursor]]]),
    memory: { read: async () => null, write: async () => {} },
    bufferBytesMax,
    spoolFolder: '',
    signal: new AbortController().signal,
  })
}

/** The cursor that a table has after a block: through JSON and back, as a commit stores it. */
export function cursorAfter({ split, splitNumber, nextPosition, identity }: SourceBlock): Cursor {
  const stored = JSON.parse(JSON.stringify(identity)) as Cursor['identity']
  const rest = { phase: 'stream', batchNumber: 1n, sourceTimeMicros: null } as const
  return { split, splitNumber, nextPosition, identity: stored, ...rest }
}

/** The bytes of a block as text. */
export function textOf(block: SourceBlock): string {
  return block.parts.map((part) => Buffer.from(part.bytes).toString()).join('')
}

/** All that a finite source yields from a cursor on. */
export async function readAllFiles(source: Source, cursor: Cursor | null = null) {
  await using session = await startFiles(source, cursor)
  const blocks: SourceBlock[] = []
  for await (const block of session.blocks()) blocks.push(block)
  return {
    blocks,
    text: blocks.map(textOf).join(''),
    end: session.progress().ends.get('folder') ?? null,
  }
}

/** The next block of a session that follows. */
export async function nextOf(blocks: AsyncIterator<SourceBlock>): Promise<SourceBlock> {
  const next = await blocks.next()
  if (next.done) throw new Error('the session ended')
  return next.value
}

/** Lines `{"id":from}` and on. */
export function idLines(from: number, count: number): string {
  return Array.from({ length: count }, (_, i) => `{"id":${from + i}}\n`).join('')
}
