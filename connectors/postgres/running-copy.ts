/** One COPY TO STDOUT: gathers lines into parts, pauses the socket when the consumer is slow. */

import type { BlockPart } from '../../src/contracts/index.ts'
import type { SluiceError, SourcePosition, StreamSchema } from '../../src/model/index.ts'
import { type Connection, type CopySocket, frameError } from './connection.ts'
import { Landing } from './landing.ts'
import { BLOCK_BYTES } from './stream-reader.ts'

/** What a COPY is run with. */
export interface CopyStatement {
  readonly sql: string
  readonly schema: StreamSchema
  readonly position: SourcePosition
  /** Most bytes that wait for the consumer. */
  readonly bytesMax: number
}

/**
 * Starts to read at once. Whoever has it disposes of it: a COPY that is left before its end takes
 * the connection with it.
 */
export class RunningCopy implements AsyncDisposable {
  readonly #connection: Connection
  readonly #socket: CopySocket
  readonly #landing: Landing
  readonly #statement: CopyStatement
  readonly #parts: BlockPart[] = []
  #queuedBytes = 0
  #isPaused = false
  #isDone = false
  /** The server refused; it still ends the statement. */
  #refusal: SluiceError | null = null
  /** The connection broke: nothing more will come. */
  #broken: SluiceError | null = null
  #wake: (() => void) | null = null

  constructor(connection: Connection, statement: CopyStatement) {
    this.#connection = connection
    this.#statement = statement
    this.#socket = connection.takeSocket()
    this.#landing = new Landing(statement.schema)
    this.#socket.start(statement.sql, this.#onFrame, (error) => {
      this.#broken = error
      this.#signal()
    })
  }

  /** The next part of about 1 MiB, whole lines; null after the last. */
  async next(): Promise<BlockPart | null> {
    for (;;) {
      const part = this.#parts.shift()
      if (part !== undefined) {
        this.#queuedBytes -= part.bytes.length
        if (this.#isPaused && this.#queuedBytes < this.#statement.bytesMax / 2) {
          this.#isPaused = false
          this.#socket.resume()
        }
        return part
      }
      if (this.#broken !== null) throw this.#broken
      if (this.#isDone) {
        if (this.#refusal !== null) throw this.#refusal
        return null
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.release()
    if (!this.#isDone) await this.#connection.close()
  }

  readonly #onFrame = (type: number, bytes: Buffer, start: number, end: number): void => {
    if (type === 0x64) {
      const landing = this.#landing
      if (landing.recordCount === 0) landing.firstPosition = this.#statement.position
      landing.append(bytes, start, end)
      landing.recordCount++
      if (landing.length >= BLOCK_BYTES) this.#cut()
    } else if (type === 0x45) {
      const { stream } = this.#statement.schema
      this.#refusal ??= frameError(bytes, start, end, `copying ${stream}`)
    } else if (type === 0x5a) {
      this.#cut()
      this.#isDone = true
      this.#signal()
    }
  }

  #cut(): void {
    const part = this.#landing.take()
    if (part === null) return
    this.#parts.push(part)
    this.#queuedBytes += part.bytes.length
    if (!this.#isPaused && this.#queuedBytes >= this.#statement.bytesMax) {
      this.#isPaused = true
      this.#socket.pause()
    }
    this.#signal()
  }

  #signal(): void {
    const wake = this.#wake
    this.#wake = null
    wake?.()
  }
}
