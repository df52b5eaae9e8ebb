/**
 * A source that replays a scripted history of transactions, cut into blocks by a seed: the world of
 * simulations.
 */

import type {
  BlockPart,
  CopyProgress,
  Source,
  SourceBlock,
  SourceSession,
  SourceStart,
} from '../../src/contracts/index.ts'
import { type Cursor, onlyCursor, type StreamSchema } from '../../src/model/index.ts'

/** A change of one stream. `text` undefined is not sent (unchanged). */
export interface ScriptedChange {
  readonly stream: string
  readonly op: 'i' | 'u' | 'd' | 'm' | 't'
  readonly id: number
  readonly value: number
  readonly text: string | undefined
}

/** Changes that belong together; the position of transaction n is `10 * (n + 1)`. */
export type ScriptedTransaction = readonly ScriptedChange[]

/** Row of a table of the script. */
export interface ScriptedRow {
  readonly value: number
  readonly text: string | null
}

/** Position of transaction number n. */
export const positionOf = (number: number): bigint => BigInt(10 * (number + 1))

/** The rows of a stream after all transactions below a position. */
export function foldScript(
  history: readonly ScriptedTransaction[],
  stream: string,
  toPositionExclusive: bigint,
): Map<number, ScriptedRow> {
  const rows = new Map<number, ScriptedRow>()
  let moved: ScriptedRow | undefined
  for (const [number, transaction] of history.entries()) {
    if (positionOf(number) >= toPositionExclusive) break
    for (const change of transaction) {
      if (change.stream !== stream) continue
      const before = change.op === 'm' ? moved : rows.get(change.id)
      if (change.op === 't') rows.clear()
      else if (change.op === 'd') {
        moved = rows.get(change.id)
        rows.delete(change.id)
      } else {
        const text = change.text === undefined ? (before as ScriptedRow).text : change.text
        rows.set(change.id, { value: change.value, text })
      }
    }
  }
  return rows
}

/** Schema of every scripted stream: id (key), value, text. */
export function scriptedSchema(stream: string): StreamSchema {
  return {
    stream,
    schemaId: 1,
    key: ['id'],
    columns: [
      { name: 'id', type: 'integer', sourceType: 'integer', nullable: false },
      { name: 'value', type: 'long', sourceType: 'bigint', nullable: true },
      { name: 'text', type: 'string', sourceType: 'text', nullable: true },
    ],
  }
}

/**
 * How far any start of the script has come: a copy is never older than what was delivered before.
 */
export interface Delivered {
  transactionCount: number
  /** Copies that went on where they were. */
  resumedCopies: number
  /** Copies that ran beside the stream. */
  copiesBeside?: number
  /** What was acknowledged: the source has nothing of before any more. */
  acknowledged?: bigint
}

/** What a scripted source is made of. */
export interface Script {
  readonly streams: readonly string[]
  readonly history: readonly ScriptedTransaction[]
  /** Uniform numbers in [0, 1). */
  readonly random: () => number
  /** Shared by all sources of one script. */
  readonly delivered: Delivered
  /** Told of every acknowledgement. */
  readonly onAcknowledge: (nextPosition: bigint) => void
}

/**
 * Makes the source; every `start` replays what the cursors ask for, copies first, and then ends.
 */
export function createScriptedSource(script: Script): Source {
  return {
    name: 'script',
    check: async () => [],
    discover: async () => script.streams.map(scriptedSchema),
    start: async (request) => ({
      ...readOf(script, request),
      acknowledge: (_split, nextPosition) => {
        script.delivered.acknowledged = nextPosition
        script.onAcknowledge(nextPosition)
      },
      progress: () => ({ ends: new Map(), copies: [] }),
      [Symbol.asyncDispose]: async () => undefined,
    }),
    readBack: null,
    [Symbol.asyncDispose]: async () => undefined,
  }
}

/** Copies run beside the stream where some table follows it already, else come first. */
function readOf(
  script: Script,
  request: SourceStart,
): Pick<SourceSession, 'blocks' | 'copyBlocks'> {
  const { acknowledged = 0n } = script.delivered
  const cursors = [...request.streams.values()].map(onlyCursor)
  for (const cursor of cursors) {
    if (cursor?.phase !== 'stream' || cursor.nextPosition >= acknowledged) continue
    throw new Error(`changes from ${cursor.nextPosition} on are gone: ${acknowledged}`)
  }
  const isFollowing = cursors.some((cursor) => cursor?.phase === 'stream')
  const isCopying = cursors.some((cursor) => cursor?.phase !== 'stream')
  if (isFollowing && isCopying) return replayBeside(script, request)
  return { blocks: () => replay(script, request) }
}

async function* replay(script: Script, request: SourceStart): AsyncIterable<SourceBlock> {
  const resume = new Map<string, bigint>()
  const broken = new Map<string, Cursor>()
  const fresh: string[] = []
  for (const [stream, cursors] of request.streams) {
    const cursor = onlyCursor(cursors)
    if (cursor?.phase === 'stream') resume.set(stream, cursor.nextPosition)
    else if (cursor?.identity.copied !== undefined && script.random() < 0.9) {
      broken.set(stream, cursor)
      resume.set(stream, cursor.nextPosition)
    } else fresh.push(stream)
  }
  let from = 0
  if (broken.size > 0) {
    const number = snapshotNumber(script)
    const position = positionOf(number)
    for (const stream of fresh) resume.set(stream, position)
    yield* changeBlocks(script, resume, { from, to: number, broken })
    from = number
    for (const [stream, cursor] of broken) {
      script.delivered.resumedCopies++
      yield* copyBlocks(script, stream, position, cursor)
    }
  }
  for (const stream of fresh) {
    const position = positionOf(snapshotNumber(script))
    resume.set(stream, position)
    yield* copyBlocks(script, stream, position, null)
  }
  yield* changeBlocks(script, resume, { from, to: script.history.length, broken: null })
}

/** Somewhere between what was delivered before and the end: rows of the transactions before it. */
function snapshotNumber(script: Script): number {
  const { transactionCount } = script.delivered
  const ahead = script.history.length + 1 - transactionCount
  const number = transactionCount + Math.floor(script.random() * ahead * script.random())
  script.delivered.transactionCount = number
  return number
}

/**
 * Transactions of a run of numbers. With `broken` they lead to the snapshot at its end: the rows of
 * changes that leave values out come with them, as they are there.
 */
function* changeBlocks(
  script: Script,
  resume: ReadonlyMap<string, bigint>,
  run: {
    readonly from: number
    readonly to: number
    readonly broken: ReadonlyMap<string, Cursor> | null
    /** Copies beside, and the number of their snapshot. */
    readonly copies?: ReadonlyMap<string, BesideCopy>
    readonly snapshot?: number
  },
): Iterable<SourceBlock> {
  const open = new Map<string, OpenChange[]>()
  const snapshot = positionOf(run.to)
  const drain = (position: bigint, isEnd: boolean): SourceBlock => {
    for (const stream of run.broken?.keys() ?? []) {
      const rows = foldScript(script.history, stream, snapshot)
      const partial = (open.get(stream) ?? []).filter(
        ({ op, text }) => text === undefined && (op === 'u' || op === 'm'),
      )
      for (const id of new Set(partial.map((change) => change.id))) {
        const row = rows.get(id)
        if (row !== undefined) open.get(stream)?.push({ stream, op: 'r', id, ...row })
      }
    }
    for (const { stream, partialIds } of run.copies?.values() ?? []) {
      const changes = open.get(stream) ?? []
      const { own, needed } = partialKeys(changes)
      for (const id of own) partialIds.add(id)
      // Behind the snapshot the rows that changes in part are about come before them.
      if (run.from < (run.snapshot as number)) continue
      const rows = foldScript(script.history, stream, positionOf(run.snapshot as number))
      const lines = needed.flatMap((id): OpenChange[] => {
        const row = rows.get(id)
        return row === undefined ? [] : [{ stream, op: 'b', id, ...row }]
      })
      if (lines.length > 0) open.set(stream, [...lines, ...changes])
    }
    return drainBlock(open, position, isEnd)
  }
  for (let number = run.from; number < run.to; number++) {
    const position = positionOf(number)
    script.delivered.transactionCount = Math.max(script.delivered.transactionCount, number + 1)
    for (const change of script.history[number] as ScriptedTransaction) {
      const wanted = resume.get(change.stream)
      if (wanted === undefined || wanted > position) continue
      const changes = open.get(change.stream) ?? []
      open.set(change.stream, changes)
      changes.push(change)
      // Never between a delete and the moved row that needs it.
      if (script.random() < 0.3 && change.op !== 'd') yield drain(position, false)
    }
    if (script.random() < 0.5) yield drain(position, true)
  }
  yield drain(snapshot - 1n, true)
}

/** Keys of changes in part, and those whose rows they need: of a move that of before. */
function partialKeys(changes: readonly OpenChange[]): { own: number[]; needed: number[] } {
  const own: number[] = []
  const needed: number[] = []
  for (const [at, { op, id, text }] of changes.entries()) {
    if (text !== undefined || (op !== 'u' && op !== 'm')) continue
    own.push(id)
    needed.push(op === 'm' ? (changes[at - 1] as OpenChange).id : id)
  }
  return { own, needed }
}

/** Rows in the order of their ids; the place is the id below which all chunks are delivered. */
function* copyBlocks(
  script: Script,
  stream: string,
  position: bigint,
  broken: Cursor | null,
): Iterable<SourceBlock> {
  const place = broken?.identity.copied as { readonly below: number } | undefined
  const rows = [...foldScript(script.history, stream, position)]
    .filter(([id]) => place === undefined || id >= place.below)
    .sort(([left], [right]) => left - right)
  const attempt = broken?.identity.copyAttempt as string | undefined
  const name = attempt ?? `attempt-${script.random()}`
  let below = place?.below ?? null
  let at = 0
  do {
    const size = 1 + Math.floor(script.random() * 5)
    const slice = rows.slice(at, at + size)
    const lines = slice.map(([id, { value, text }]) => ({ stream, op: 'r', id, value, text }))
    at += size
    // A chunk may be longer than a block.
    if (script.random() < 0.7) below = rows[at]?.[0] ?? Number.MAX_SAFE_INTEGER
    yield block(lines.length === 0 ? [] : [partOf(stream, lines, position)], position, true, {
      stream,
      attempt: name,
      first: broken === null && at === size,
      complete: at >= rows.length,
      rowsCopied: Math.min(at, rows.length),
      resumed: broken !== null,
      place: below === null ? null : { below },
    })
  } while (at < rows.length)
}

/** A copy beside the stream. */
interface BesideCopy {
  readonly stream: string
  readonly attempt: string
  /** Where it goes on; null when it began from empty in this session. */
  readonly interrupted: Cursor | null
  /** Keys that changed in part before the snapshot: their rows may stand before the place. */
  readonly partialIds: Set<number>
}

function replayBeside(
  script: Script,
  request: SourceStart,
): Required<Pick<SourceSession, 'blocks' | 'copyBlocks'>> {
  const { delivered, history, random } = script
  const registered = snapshotNumber(script)
  const snapshot = registered + Math.floor(random() * (history.length + 1 - registered))
  const resume = new Map<string, bigint>()
  const copies = new Map<string, BesideCopy>()
  for (const [stream, cursors] of request.streams) {
    const cursor = onlyCursor(cursors)
    if (cursor?.phase === 'stream') resume.set(stream, cursor.nextPosition)
    else {
      const isResumable =
        cursor?.identity.copied !== undefined &&
        cursor.nextPosition >= (delivered.acknowledged ?? 0n)
      const interrupted = isResumable && random() < 0.9 ? cursor : null
      if (interrupted !== null) delivered.resumedCopies++
      delivered.copiesBeside = (delivered.copiesBeside ?? 0) + 1
      const known = interrupted?.identity.copyAttempt as string | undefined
      const attempt = known ?? `attempt-${random()}`
      copies.set(stream, { stream, attempt, interrupted, partialIds: new Set() })
      resume.set(stream, interrupted?.nextPosition ?? positionOf(registered))
    }
  }
  const passed = Promise.withResolvers<void>()
  const done = Promise.withResolvers<void>()
  request.signal.addEventListener('abort', () => {
    passed.resolve()
    done.resolve()
  })

  async function* blocks(): AsyncIterable<SourceBlock> {
    for (const copy of copies.values()) {
      if (copy.interrupted !== null) continue
      yield block([], positionOf(registered), true, progressOf(copy, { first: true }))
    }
    const run = { from: 0, to: snapshot, broken: null, copies, snapshot }
    yield* changeBlocks(script, resume, run)
    passed.resolve()
    for (const one of changeBlocks(script, resume, {
      ...run,
      from: snapshot,
      to: history.length,
    })) {
      yield one
      // So that chunks come between the changes.
      if (random() < 0.5) await new Promise((resolve) => setImmediate(resolve))
    }
    await done.promise
  }

  async function* copyBlocks(): AsyncIterable<SourceBlock> {
    await passed.promise
    for (const copy of copies.values()) {
      if (request.signal.aborted) return
      yield* besideBlocks(script, copy, positionOf(snapshot))
    }
    done.resolve()
  }
  return { blocks, copyBlocks }
}

function progressOf(copy: BesideCopy, more: Partial<CopyProgress>): CopyProgress {
  const { stream, attempt, interrupted } = copy
  return {
    stream,
    attempt,
    first: false,
    complete: false,
    rowsCopied: 0,
    resumed: interrupted !== null,
    place: (interrupted?.identity.copied as { readonly below: number } | undefined) ?? null,
    beside: true,
    ...more,
  }
}

/** First the rows that may have moved before the place, then those behind it. */
function* besideBlocks(script: Script, copy: BesideCopy, position: bigint): Iterable<SourceBlock> {
  const { stream, interrupted, partialIds } = copy
  const rows = foldScript(script.history, stream, position)
  const part = (ids: readonly number[]): BlockPart[] => {
    const lines = ids.flatMap((id) => {
      const row = rows.get(id)
      return row === undefined ? [] : [{ stream, op: 'b', id, ...row }]
    })
    return lines.length === 0 ? [] : [partOf(stream, lines, position)]
  }
  if (interrupted !== null) yield block(part([...partialIds]), position, true, progressOf(copy, {}))
  const { below: from } = (interrupted?.identity.copied ?? { below: 0 }) as { below: number }
  const ids = [...rows.keys()].filter((id) => id >= from).sort((left, right) => left - right)
  let at = 0
  do {
    const slice = ids.slice(at, at + 1 + Math.floor(script.random() * 5))
    at += slice.length
    yield block(part(slice), position, true, {
      ...progressOf(copy, { complete: at >= ids.length, rowsCopied: at }),
      place: { below: ids[at] ?? Number.MAX_SAFE_INTEGER },
    })
  } while (at < ids.length)
}

/** A change on its way into a block; `r` and `b` are rows of a snapshot. */
type OpenChange = Omit<ScriptedChange, 'op' | 'text'> & {
  readonly op: ScriptedChange['op'] | 'r' | 'b'
  readonly text: string | null | undefined
}

function drainBlock(
  open: Map<string, OpenChange[]>,
  position: bigint,
  endsTransaction: boolean,
): SourceBlock {
  const parts = [...open].map(([stream, changes]) => partOf(stream, changes, position))
  open.clear()
  return block(parts, endsTransaction ? position + 1n : position, endsTransaction, null)
}

function block(
  parts: readonly BlockPart[],
  nextPosition: bigint,
  endsTransaction: boolean,
  copy: SourceBlock['copy'],
): SourceBlock {
  return {
    split: 'script',
    splitNumber: 0,
    parts,
    nextPosition,
    endsTransaction,
    copy,
    identity: { script: 'one' },
    sourceTimeMicros: nextPosition,
  }
}

function partOf(
  stream: string,
  changes: readonly (Omit<ScriptedChange, 'op' | 'text'> & {
    readonly op: string
    readonly text: string | null | undefined
  })[],
  position: bigint,
): BlockPart {
  const lines = changes.map(({ op, id, value, text }) => {
    const key = op === 't' ? '\\N' : id
    const isGone = op === 'd' || op === 't'
    const shown = text === undefined ? '\\U' : text === null ? '\\N' : text
    const rest = isGone ? '\\N\t\\N' : `${value}\t${shown}`
    return `${op}\t${position}\t${position}\t${key}\t${rest}\n`
  })
  return {
    schema: scriptedSchema(stream),
    format: 'copy-text',
    bytes: Buffer.from(lines.join('')),
    recordCount: lines.length,
    firstPosition: position,
    partialCount: changes.filter((change) => change.text === undefined && change.op !== 'd').length,
  }
}
