/**
 * Reads the change stream of a slot from the raw socket into blocks, and keeps the server content
 * meanwhile.
 */

import type { Clock, SourceBlock } from '../../src/contracts/index.ts'
import { type JsonObject, SluiceError, type SourcePosition } from '../../src/model/index.ts'
import { BlockQueue } from './block-queue.ts'
import { type CopySocket, frameError } from './connection.ts'
import { postgresError } from './errors.ts'
import { encodeStatus, Feedback } from './feedback.ts'
import {
  PgoutputDecoder,
  type RelationMessage,
  type RelationResolver,
  relationMessage,
} from './pgoutput.ts'
import { eachMessage, type SpooledTransaction, TransactionSpool } from './transaction-spool.ts'

/** The one split of a Postgres source. */
export const SPLIT = 'slot'
/** Its number. */
export const SPLIT_NUMBER = 0
/** A block is cut when so much has landed. */
export const BLOCK_BYTES = 1024 * 1024

/**
 * Lines gather for so long before a waiting consumer gets them: small transactions share a block.
 */
const GATHER_MS = 2
/** An idle source tells how far it is complete at most so often. */
const IDLE_INTERVAL_MS = 100
const XLOG_HEADER_BYTES = 25
/** First byte of a relation message. */
const RELATION = 0x52

/** What a reader is made of. */
export interface StreamReaderOptions {
  readonly socket: Pick<CopySocket, 'start' | 'sendCopyData' | 'pause' | 'resume'>
  readonly clock: Clock
  /** Where the stream begins. */
  readonly startPosition: SourcePosition
  /** What the slot has confirmed already. */
  readonly confirmedPosition: SourcePosition
  readonly resolve: RelationResolver
  /** Asked about each relation message before it is decoded, in order. */
  readonly learn: (relation: RelationMessage) => Promise<void>
  readonly identity: JsonObject
  readonly bufferBytesMax: number
  /** Where transactions are kept that the server sends while they are in progress, and how much. */
  readonly spoolFolder: string
  readonly spoolBytesMax: number
  readonly statusIntervalMs: number
  readonly receiveTimeoutMs: number
}

/** One run of START_REPLICATION. */
export class StreamReader {
  readonly feedback: Feedback
  /** Newest position of the server's WAL that it told us of. */
  serverEnd: SourcePosition

  readonly #options: StreamReaderOptions
  readonly #decoder: PgoutputDecoder
  readonly #queue: BlockQueue
  readonly #spool: TransactionSpool
  /** Frames that came while a spooled transaction was read: they come after it. */
  readonly #held: Buffer[] = []
  #isReplaying = false
  #replayTask: Promise<void> = Promise.resolve()
  readonly #stop = new AbortController()
  #isStarted = false
  #startError: SluiceError | null = null
  #settleStart: ((error: SluiceError | null) => void) | null = null
  #framesReceived = 0
  #isFlushPlanned = false
  #queuedPosition: SourcePosition
  #lastIdleMs = Number.NEGATIVE_INFINITY
  #keepAliveTask: Promise<void> = Promise.resolve()
  #flushTask: Promise<void> = Promise.resolve()

  constructor(options: StreamReaderOptions) {
    this.#options = options
    this.#decoder = new PgoutputDecoder(options.startPosition, options.resolve)
    this.feedback = new Feedback(options.confirmedPosition)
    this.feedback.noteYielded(options.startPosition)
    this.serverEnd = options.startPosition
    // So that the first thing said of an idle source is that it is complete up to its start.
    this.#queuedPosition = options.startPosition - 1n
    this.#spool = new TransactionSpool(options.spoolFolder, options.spoolBytesMax)
    this.#queue = new BlockQueue(options.bufferBytesMax, {
      pause: () => options.socket.pause(),
      resume: () => {
        if (!this.#isReplaying) options.socket.resume()
      },
      onStarved: () => this.#planFlush(),
    })
  }

  /**
   * Sends START_REPLICATION; resolves when the server streams. May be called again after it was
   * refused.
   */
  async start(statement: string): Promise<void> {
    const error = await new Promise<SluiceError | null>((resolve) => {
      this.#startError = null
      this.#settleStart = resolve
      this.#options.socket.start(statement, this.#onFrame, (broken) => {
        resolve(broken)
        this.#queue.fail(broken)
      })
    })
    if (error !== null) throw error
    this.#keepAliveTask = this.#keepAlive()
  }

  /** The next block; null after `close`. */
  async next(): Promise<SourceBlock | null> {
    const block = await this.#queue.next()
    if (block?.endsTransaction) this.feedback.noteYielded(block.nextPosition)
    return block
  }

  /** Everything before the position is durable. */
  acknowledge(position: SourcePosition): void {
    if (this.feedback.acknowledge(position) && this.#isStarted) this.#sendStatus(false)
  }

  /** Lets `next` fail once everything read so far is taken. */
  fail(error: SluiceError): void {
    this.#queue.fail(error)
  }

  /** Ends the stream; idempotent. */
  async close(): Promise<void> {
    this.#stop.abort()
    this.#queue.end()
    await Promise.all([this.#keepAliveTask, this.#flushTask, this.#replayTask])
    this.#spool.close()
  }

  readonly #onFrame = (type: number, bytes: Buffer, start: number, end: number): void => {
    this.#framesReceived++
    switch (type) {
      case 0x64: // CopyData
        this.#onCopyData(bytes, start, end)
        break
      case 0x57: // CopyBothResponse
        this.#isStarted = true
        this.#settleStart?.(null)
        break
      case 0x45: // ErrorResponse
        this.#onError(frameError(bytes, start, end, 'reading the replication slot'))
        break
      case 0x5a: // ReadyForQuery
        this.#settleStart?.(this.#startError)
        break
      case 0x63: // CopyDone
      case 0x43: // CommandComplete
        this.#onError(
          new SluiceError('SLU-SRC-1200', { message: 'Postgres ended the replication stream' }),
        )
        break
      default: // notices and parameters
        break
    }
  }

  #onCopyData(bytes: Buffer, start: number, end: number): void {
    const kind = bytes[start]
    if (this.#isReplaying) {
      // Asked for an answer, the server gets one now; what else it says keeps its order.
      if (kind === 0x6b && bytes[start + 17] === 1) this.#sendStatus(false)
      this.#held.push(Buffer.from(bytes.subarray(start, end)))
    } else if (kind === 0x77) {
      this.#onMessage(bytes, start + XLOG_HEADER_BYTES, end)
    } else if (kind === 0x6b) {
      this.#onKeepalive(bytes.readBigUInt64BE(start + 1), bytes[start + 17] === 1)
    } else {
      throw new SluiceError('SLU-SRC-1220', { message: `unknown stream message ${kind}` })
    }
  }

  /** A message of the plugin: one of a transaction in progress goes to the spool. */
  #onMessage(bytes: Buffer, start: number, end: number): void {
    const spool = this.#spool
    switch (bytes[start]) {
      case 0x53: // S
        spool.beginRun(bytes.readUInt32BE(start + 1))
        return
      case 0x45: // E
        spool.endRun()
        return
      case 0x41: // A
        spool.abort(bytes.readUInt32BE(start + 1), bytes.readUInt32BE(start + 5))
        return
      case 0x63: // c
        this.#hold(this.#replay(spool.commit(bytes, start, end)))
        return
      default:
        if (spool.isInRun) spool.append(bytes, start, end)
        else if (bytes[start] === RELATION) this.#hold(this.#learnFirst(bytes, start, end))
        else this.#decode(bytes, start, end)
    }
  }

  /** Nothing more is decoded before the task is done; what comes meanwhile waits. */
  #hold(task: Promise<void>): void {
    this.#isReplaying = true
    this.#options.socket.pause()
    this.#replayTask = this.#release(task)
  }

  async #learnFirst(bytes: Buffer, start: number, end: number): Promise<void> {
    const message = Buffer.from(bytes.subarray(start, end))
    this.#cutBefore()
    await this.#options.learn(relationMessage(message, 0, message.length))
    this.#decode(message, 0, message.length)
  }

  #decode(bytes: Buffer, start: number, end: number): void {
    this.#decoder.decode(bytes, start, end)
    if (this.#decoder.landedBytes >= BLOCK_BYTES) this.#cut()
    else if (this.#queue.isStarved) this.#planFlush()
  }

  /** Decodes a transaction from the spool, as if it came now. */
  async #replay(transaction: SpooledTransaction): Promise<void> {
    await using spooled = transaction
    this.#cutBefore()
    this.#decode(spooled.begin, 0, spooled.begin.length)
    for await (const run of spooled.runs()) {
      const relations: RelationMessage[] = []
      eachMessage(run, (start, end) => {
        if (run[start] === RELATION) relations.push(relationMessage(run, start, end))
      })
      for (const relation of relations) await this.#options.learn(relation)
      eachMessage(run, (start, end) => this.#decode(run, start, end))
      await this.#queue.room()
      if (this.#stop.signal.aborted) return
    }
    this.#decode(spooled.commit, 0, spooled.commit.length)
  }

  /** Waits for the task, then takes what came meanwhile. */
  async #release(task: Promise<void>): Promise<void> {
    try {
      await task
      if (this.#stop.signal.aborted) return
      this.#isReplaying = false
      while (this.#held.length > 0 && !this.#isReplaying) {
        const frame = this.#held.shift() as Buffer
        this.#onCopyData(frame, 0, frame.length)
      }
      if (!this.#isReplaying && !this.#queue.isPaused) this.#options.socket.resume()
    } catch (error) {
      this.#queue.fail(postgresError(error, 'reading the stream'))
    }
  }

  /** The server has decoded all of its log before `walEnd`: nothing of ours is left before it. */
  #onKeepalive(walEnd: SourcePosition, replyWanted: boolean): void {
    const decoder = this.#decoder
    if (walEnd > this.serverEnd) this.serverEnd = walEnd
    if (!decoder.inTransaction && walEnd > decoder.nextPosition) decoder.nextPosition = walEnd
    if (replyWanted) this.#sendStatus(false)
    if (this.#queue.isStarved) this.#planFlush()
  }

  /** An error before the stream began is kept until the server is ready for another try. */
  #onError(error: SluiceError): void {
    if (this.#isStarted) this.#queue.fail(error)
    else this.#startError = error
  }

  #cut(): void {
    const decoder = this.#decoder
    const parts = decoder.takeParts()
    const nextPosition = decoder.nextPosition
    this.#queuedPosition = nextPosition
    if (nextPosition > this.serverEnd) this.serverEnd = nextPosition
    this.#queue.push({
      split: SPLIT,
      splitNumber: SPLIT_NUMBER,
      parts,
      nextPosition,
      endsTransaction: !decoder.inTransaction || decoder.openLines === 0,
      copy: null,
      identity: this.#options.identity,
      sourceTimeMicros: parts.length > 0 ? decoder.sourceTimeMicros : null,
    })
  }

  /**
   * A new shape or a large transaction begins a block, so that what came before can be committed
   * without it; if only its end was not told yet, by a block without lines.
   */
  #cutBefore(): void {
    const decoder = this.#decoder
    const isBetween = !decoder.inTransaction || decoder.openLines === 0
    const isEndUntold = isBetween && decoder.nextPosition > this.#queuedPosition
    if (decoder.landedBytes > 0 || isEndUntold) this.#cut()
  }

  #planFlush(): void {
    if (this.#isFlushPlanned || this.#stop.signal.aborted) return
    const decoder = this.#decoder
    const advances = !decoder.inTransaction && decoder.nextPosition > this.#queuedPosition
    if (decoder.landedBytes === 0 && !advances) return
    this.#isFlushPlanned = true
    this.#flushTask = this.#flushLater(decoder.landedBytes > 0)
  }

  /** Waits a moment for more, then hands a consumer that still waits what there is. */
  async #flushLater(hasLines: boolean): Promise<void> {
    const { clock } = this.#options
    const sinceIdleMs = clock.monotonicMs() - this.#lastIdleMs
    const idleWaitMs = hasLines ? 0 : Math.max(0, IDLE_INTERVAL_MS - sinceIdleMs)
    await clock.sleep(Math.max(GATHER_MS, idleWaitMs), this.#stop.signal)
    this.#isFlushPlanned = false
    if (this.#stop.signal.aborted || !this.#queue.isStarved) return
    const decoder = this.#decoder
    if (decoder.landedBytes > 0) {
      this.#cut()
    } else if (!decoder.inTransaction && decoder.nextPosition > this.#queuedPosition) {
      this.#lastIdleMs = clock.monotonicMs()
      this.#cut()
    }
  }

  #sendStatus(replyWanted: boolean): void {
    const nowMs = this.#options.clock.nowMs()
    this.#options.socket.sendCopyData(encodeStatus(this.feedback.flushed, nowMs, replyWanted))
  }

  /**
   * Sends a status at a steady pace, and notices a server that has gone without closing the
   * connection.
   */
  async #keepAlive(): Promise<void> {
    const { clock, statusIntervalMs, receiveTimeoutMs } = this.#options
    let seenFrames = this.#framesReceived
    let lastSeenMs = clock.monotonicMs()
    for (;;) {
      await clock.sleep(statusIntervalMs, this.#stop.signal)
      if (this.#stop.signal.aborted) return
      const nowMs = clock.monotonicMs()
      if (this.#framesReceived !== seenFrames || this.#queue.isPaused) {
        seenFrames = this.#framesReceived
        lastSeenMs = nowMs
      } else if (nowMs - lastSeenMs > receiveTimeoutMs) {
        this.#queue.fail(
          new SluiceError('SLU-SRC-1200', {
            message: `Postgres has not answered for ${Math.round(nowMs - lastSeenMs)} ms`,
          }),
        )
        return
      }
      this.#sendStatus(true)
    }
  }
}
