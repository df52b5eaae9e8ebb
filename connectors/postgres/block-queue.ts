/** Blocks that were read and not yet taken: bounded by bytes, it pauses the reader when full. */

import type { SourceBlock } from '../../src/contracts/index.ts'
import type { SluiceError } from '../../src/model/index.ts'

/** What the queue asks of the reader that fills it. */
export interface QueueReader {
  /** Stop reading from the socket; go on with `resume`. */
  pause(): void
  resume(): void
  /** The consumer waits and nothing is queued: called once per wait. */
  onStarved(): void
}

/** A queue of blocks with one reader and one consumer. */
export class BlockQueue {
  readonly #bytesMax: number
  readonly #reader: QueueReader
  readonly #blocks: SourceBlock[] = []
  #queuedBytes = 0
  #isPaused = false
  #isEnded = false
  #failure: SluiceError | null = null
  #wake: (() => void) | null = null
  #onRoom = Promise.withResolvers<void>()

  constructor(bytesMax: number, reader: QueueReader) {
    this.#bytesMax = bytesMax
    this.#reader = reader
  }

  /** True while the consumer waits for a block and there is none. */
  get isStarved(): boolean {
    return this.#wake !== null && this.#blocks.length === 0
  }

  get isPaused(): boolean {
    return this.#isPaused
  }

  /** Adds a block; pauses the reader when the bound is reached. */
  push(block: SourceBlock): void {
    this.#blocks.push(block)
    this.#queuedBytes += blockBytes(block)
    this.#signal()
    if (!this.#isPaused && this.#queuedBytes >= this.#bytesMax) {
      this.#isPaused = true
      this.#reader.pause()
    }
  }

  /** Resolves when there is room for more blocks, or when nobody will take any more. */
  async room(): Promise<void> {
    if (this.#isPaused && !this.#isEnded && this.#failure === null) await this.#onRoom.promise
  }

  /** Nothing more will come; what is queued is still delivered. */
  end(): void {
    this.#isEnded = true
    this.#onRoom.resolve()
    this.#signal()
  }

  /** The reader failed; what is queued is delivered first. The first failure counts. */
  fail(error: SluiceError): void {
    if (this.#isEnded) return
    this.#failure ??= error
    this.#onRoom.resolve()
    this.#signal()
  }

  /** The next block; null at the end. Throws what the reader failed with. */
  async next(): Promise<SourceBlock | null> {
    for (;;) {
      const block = this.#blocks.shift()
      if (block !== undefined) {
        this.#queuedBytes -= blockBytes(block)
        if (this.#isPaused && this.#queuedBytes < this.#bytesMax / 2) {
          this.#isPaused = false
          this.#onRoom.resolve()
          this.#onRoom = Promise.withResolvers()
          this.#reader.resume()
        }
        return block
      }
      if (this.#failure !== null) throw this.#failure
      if (this.#isEnded) return null
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        this.#reader.onStarved()
      })
    }
  }

  #signal(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}

function blockBytes(block: SourceBlock): number {
  let sum = 0
  for (const part of block.parts) sum += part.bytes.length
  return sum
}
