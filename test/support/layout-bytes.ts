import type { Layout } from '../../table-format/delta/row-bitmap.ts'

/** The bytes of a layout, written over noise a few bytes into a buffer: none may be left out. */
export function layoutBytes(layout: Layout): Buffer {
  const start = 3
  const bytes = Buffer.alloc(start + layout.sizeBytes, 0xa5)
  layout.write(bytes, start)
  return bytes.subarray(start)
}
