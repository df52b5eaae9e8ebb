/** Growing buffers in which the lines of one schema gather until a block is cut. */

import type { BlockPart } from '../../src/contracts/index.ts'
import type { SourcePosition, StreamSchema } from '../../src/model/index.ts'

const INITIAL_BYTES = 64 * 1024

/**
 * Lines of one schema. Writers call `reserve`, write to `buffer` from `length` on and move
 * `length`; the buffer is reused after `take`, whose bytes are a copy.
 */
export class Landing {
  schema: StreamSchema
  buffer: Buffer = Buffer.allocUnsafeSlow(INITIAL_BYTES)
  length = 0
  recordCount = 0
  partialCount = 0
  firstPosition: SourcePosition = 0n

  constructor(schema: StreamSchema) {
    this.schema = schema
  }

  /** Makes room for that many more bytes. */
  reserve(byteCount: number): void {
    const needed = this.length + byteCount
    if (needed <= this.buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, this.buffer.length * 2))
    this.buffer.copy(grown, 0, 0, this.length)
    this.buffer = grown
  }

  /** Appends bytes as they are. */
  append(bytes: Buffer, start: number, end: number): void {
    this.reserve(end - start)
    this.length += bytes.copy(this.buffer, this.length, start, end)
  }

  /**
   * What has landed, as a part of its own; the landing is empty afterwards. Null when nothing
   * landed.
   */
  take(): BlockPart | null {
    if (this.recordCount === 0) return null
    const bytes = Buffer.allocUnsafeSlow(this.length)
    this.buffer.copy(bytes, 0, 0, this.length)
    const part: BlockPart = {
      schema: this.schema,
      format: 'copy-text',
      bytes,
      recordCount: this.recordCount,
      firstPosition: this.firstPosition,
      partialCount: this.partialCount,
    }
    this.length = 0
    this.recordCount = 0
    this.partialCount = 0
    return part
  }
}
