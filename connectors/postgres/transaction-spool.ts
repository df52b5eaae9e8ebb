/**
 * Transactions in progress, kept on disk until the server says how they end.
 *
 * With `streaming 'on'` the server sends a large transaction before it is committed, in runs of
 * messages, each of which names the (sub)transaction that it belongs to behind its type byte:
 *   S  xid:4 first:1                                     a run of this transaction begins
 *   E                                                    the run ends
 *   c  xid:4 flags:1 commit LSN:8 end LSN:8 time:8        it is committed
 *   A  xid:4 subxid:4                                    it, or a subtransaction of it, is not
 * One file a transaction: u32 LE size · message without its xid. Nothing in it is durable: after a
 * restart the server sends the transaction again.
 * Source: PostgreSQL 18 documentation, "Logical Replication Message Formats".
 */

import { closeSync, ftruncateSync, openSync, rmSync, writeSync } from 'node:fs'
import { open } from 'node:fs/promises'
import path from 'node:path'
import { SluiceError, wrapError } from '../../src/model/index.ts'

/** Bytes gathered before they are written, and read at a time: one such buffer each way. */
const CHUNK_BYTES = 1024 * 1024
const SIZE_BYTES = 4
const XID_BYTES = 4

const MESSAGE = { relation: 0x52, origin: 0x4f, begin: 0x42, commit: 0x43 } as const

/** A transaction that is committed and wants to be read. */
export interface SpooledTransaction extends AsyncDisposable {
  /** A begin message as for a transaction that is sent at its commit. */
  readonly begin: Buffer
  readonly commit: Buffer
  /**
   * Runs of whole messages, each behind its size; a run is valid until the next one is asked for.
   */
  runs(): AsyncIterable<Buffer>
}

interface Transaction {
  readonly path: string
  size: number
  /** Subtransaction → where its first message stands. Later ones stand later. */
  readonly starts: Map<number, number>
  /** Relation messages and where they stand: needed whatever becomes of who sent them. */
  relations: { readonly at: number; readonly message: Buffer }[]
}

/** The transactions in progress of one stream. */
export class TransactionSpool {
  readonly #folder: string
  readonly #bytesMax: number
  readonly #transactions = new Map<number, Transaction>()
  readonly #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #chunkLength = 0
  #current: Transaction | null = null
  #file: number | null = null
  #spooledBytes = 0

  /** `folder` must exist; no more than `bytesMax` are kept in it. */
  constructor(folder: string, bytesMax: number) {
    this.#folder = folder
    this.#bytesMax = bytesMax
  }

  /** True between the begin and the end of a run. */
  get isInRun(): boolean {
    return this.#current !== null
  }

  /** Bytes of all transactions in progress. */
  get spooledBytes(): number {
    return this.#spooledBytes
  }

  /** A run of a transaction begins. */
  beginRun(xid: number): void {
    if (this.#current !== null) throw malformed('a run inside a run')
    let transaction = this.#transactions.get(xid)
    if (transaction === undefined) {
      const file = path.join(this.#folder, `${xid}.transaction`)
      transaction = { path: file, size: 0, starts: new Map(), relations: [] }
      this.#transactions.set(xid, transaction)
    }
    const { path: file } = transaction
    this.#file = onDisk(() => openSync(file, 'a'))
    this.#current = transaction
  }

  /**
   * Keeps the message in `bytes[start, end)`. Throws SLU-SRC-1224 when the bound is reached.
   */
  append(bytes: Buffer, start: number, end: number): void {
    const transaction = this.#current as Transaction
    const type = bytes[start]
    if (type === MESSAGE.origin) return
    if (start + 1 + XID_BYTES > end) throw malformed('a message that is too short')
    const subxid = bytes.readUInt32BE(start + 1)
    if (!transaction.starts.has(subxid)) transaction.starts.set(subxid, transaction.size)
    const size = end - start - XID_BYTES
    const body = bytes.subarray(start + 1 + XID_BYTES, end)
    if (type === MESSAGE.relation) {
      const message = Buffer.concat([bytes.subarray(start, start + 1), body])
      transaction.relations.push({ at: transaction.size, message })
    }
    this.#reserve(SIZE_BYTES + size)
    let at = this.#chunk.writeUInt32LE(size, this.#chunkLength)
    if (SIZE_BYTES + size > CHUNK_BYTES) {
      this.#chunkLength = at
      this.#write(bytes.subarray(start, start + 1))
      this.#write(body)
    } else {
      this.#chunk[at++] = type as number
      this.#chunkLength = at + body.copy(this.#chunk, at)
    }
    transaction.size += SIZE_BYTES + size
    this.#spooledBytes += SIZE_BYTES + size
    if (this.#spooledBytes > this.#bytesMax) {
      throw new SluiceError('SLU-SRC-1224', {
        message: `transactions in progress take more than ${this.#bytesMax} bytes`,
        context: { folder: this.#folder, transactions: this.#transactions.size },
      })
    }
  }

  /** The run ends. */
  endRun(): void {
    if (this.#current === null) throw malformed('the end of a run that did not begin')
    this.#flush()
    onDisk(() => closeSync(this.#file as number))
    this.#file = null
    this.#current = null
  }

  /** A transaction is rolled back, or (another `subxid`) a part of it. */
  abort(xid: number, subxid: number): void {
    if (this.#current !== null) throw malformed('an abort inside a run')
    const transaction = this.#transactions.get(xid)
    if (transaction === undefined) return
    if (subxid === xid) {
      this.#drop(xid, transaction)
      return
    }
    const from = transaction.starts.get(subxid)
    if (from === undefined) return
    // What came after its first message belongs to it or to subtransactions of its own.
    for (const [other, at] of transaction.starts) if (at >= from) transaction.starts.delete(other)
    this.#cut(transaction, from)
  }

  /** The transaction of a commit message; it leaves the spool when it is disposed of. */
  commit(bytes: Buffer, start: number, end: number): SpooledTransaction {
    if (end - start < 30) throw malformed('a commit that is too short')
    const xid = bytes.readUInt32BE(start + 1)
    const transaction = this.#transactions.get(xid)
    return {
      begin: Buffer.concat([
        Buffer.of(MESSAGE.begin),
        bytes.subarray(start + 6, start + 14),
        bytes.subarray(start + 22, start + 30),
        bytes.subarray(start + 1, start + 5),
      ]),
      commit: Buffer.concat([Buffer.of(MESSAGE.commit), bytes.subarray(start + 5, start + 30)]),
      runs: () => readRuns(transaction),
      [Symbol.asyncDispose]: async () => {
        if (transaction !== undefined) this.#drop(xid, transaction)
      },
    }
  }

  /** Forgets every transaction; idempotent. */
  close(): void {
    if (this.#file !== null) closeSync(this.#file)
    this.#file = null
    this.#current = null
    for (const [xid, transaction] of this.#transactions) this.#drop(xid, transaction)
  }

  #drop(xid: number, transaction: Transaction): void {
    this.#transactions.delete(xid)
    this.#spooledBytes -= transaction.size
    onDisk(() => rmSync(transaction.path, { force: true }))
  }

  /** Cuts the file, and puts back the relation messages that stood behind the cut. */
  #cut(transaction: Transaction, from: number): void {
    const behind = transaction.relations.filter(({ at }) => at >= from)
    transaction.relations = transaction.relations.filter(({ at }) => at < from)
    this.#spooledBytes -= transaction.size - from
    transaction.size = from
    this.#file = onDisk(() => openSync(transaction.path, 'a'))
    onDisk(() => ftruncateSync(this.#file as number, from))
    for (const { message } of behind) {
      transaction.relations.push({ at: transaction.size, message })
      const size = Buffer.alloc(SIZE_BYTES)
      size.writeUInt32LE(message.length)
      this.#write(size)
      this.#write(message)
      transaction.size += SIZE_BYTES + message.length
      this.#spooledBytes += SIZE_BYTES + message.length
    }
    onDisk(() => closeSync(this.#file as number))
    this.#file = null
  }

  #reserve(size: number): void {
    if (this.#chunkLength + size > CHUNK_BYTES) this.#flush()
  }

  /** Writes past the chunk what does not fit it. */
  #write(bytes: Buffer): void {
    this.#flush()
    onDisk(() => writeAll(this.#file as number, bytes))
  }

  #flush(): void {
    const bytes = this.#chunk.subarray(0, this.#chunkLength)
    this.#chunkLength = 0
    onDisk(() => writeAll(this.#file as number, bytes))
  }
}

async function* readRuns(transaction: Transaction | undefined): AsyncIterable<Buffer> {
  if (transaction === undefined || transaction.size === 0) return
  await using file = await open(transaction.path, 'r')
  let chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  let kept = 0
  for (let position = 0; position < transaction.size; ) {
    const { bytesRead } = await file.read(chunk, kept, chunk.length - kept, position)
    if (bytesRead === 0) throw malformed('a spooled transaction that is cut short')
    position += bytesRead
    const filled = kept + bytesRead
    const whole = wholeMessages(chunk, filled)
    yield chunk.subarray(0, whole)
    kept = filled - whole
    const needed = kept >= SIZE_BYTES ? SIZE_BYTES + chunk.readUInt32LE(whole) : 0
    const next = needed > chunk.length ? Buffer.allocUnsafeSlow(needed) : chunk
    chunk.copy(next, 0, whole, filled)
    chunk = next
  }
  if (kept > 0) throw malformed('a spooled transaction that is cut short')
}

/** How many of the bytes are whole messages. */
function wholeMessages(bytes: Buffer, length: number): number {
  let at = 0
  while (at + SIZE_BYTES <= length) {
    const end = at + SIZE_BYTES + bytes.readUInt32LE(at)
    if (end > length) break
    at = end
  }
  return at
}

/** Calls back with each message of a run: where it begins and ends. */
export function eachMessage(run: Buffer, take: (start: number, end: number) => void): void {
  for (let at = 0; at < run.length; ) {
    const end = at + SIZE_BYTES + run.readUInt32LE(at)
    take(at + SIZE_BYTES, end)
    at = end
  }
}

function writeAll(file: number, bytes: Buffer): void {
  for (let from = 0; from < bytes.length; ) from += writeSync(file, bytes, from)
}

function onDisk<Result>(work: () => Result): Result {
  try {
    return work()
  } catch (error) {
    throw wrapError(error, 'SLU-SRC-1225', 'a transaction in progress cannot be kept on disk')
  }
}

function malformed(what: string): SluiceError {
  return new SluiceError('SLU-SRC-1220', { message: `the replication stream holds ${what}` })
}
