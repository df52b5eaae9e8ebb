/** Builds pgoutput messages by hand. */

/** A tuple value: text, null, or undefined for an unchanged TOAST value. */
export type Value = string | null | undefined

const EPOCH_MICROS = 946_684_800_000_000n

function int(value: number, byteCount: 1 | 2 | 4): Buffer {
  const bytes = Buffer.alloc(byteCount)
  bytes.writeUIntBE(value >>> 0, 0, byteCount)
  return bytes
}

function long(value: bigint): Buffer {
  const bytes = Buffer.alloc(8)
  bytes.writeBigInt64BE(value)
  return bytes
}

const name = (text: string): Buffer => Buffer.from(`${text}\0`)

/** A tuple. */
export function tuple(values: readonly Value[]): Buffer {
  const columns = values.map((value) => {
    if (value === null) return Buffer.from('n')
    if (value === undefined) return Buffer.from('u')
    const bytes = Buffer.from(value)
    return Buffer.concat([Buffer.from('t'), int(bytes.length, 4), bytes])
  })
  return Buffer.concat([int(values.length, 2), ...columns])
}

/** Begin; `micros` since 1970. */
export function begin(position: bigint, micros = 1_700_000_000_000_001n): Buffer {
  return Buffer.concat([Buffer.from('B'), long(position), long(micros - EPOCH_MICROS), int(7, 4)])
}

/** Commit. */
export function commit(position: bigint, endPosition: bigint): Buffer {
  return Buffer.concat([Buffer.from('C'), int(0, 1), long(position), long(endPosition), long(0n)])
}

/** Relation; columns named in `keys` are flagged. */
export function relation(
  id: number,
  table: string,
  columns: readonly string[],
  keys: readonly string[],
  identity = 'd',
): Buffer {
  return Buffer.concat([
    Buffer.from('R'),
    int(id, 4),
    name('public'),
    name(table),
    Buffer.from(identity),
    int(columns.length, 2),
    ...columns.map((column) =>
      Buffer.concat([int(keys.includes(column) ? 1 : 0, 1), name(column), int(25, 4), int(-1, 4)]),
    ),
  ])
}

/** Insert. */
export function insert(id: number, values: readonly Value[]): Buffer {
  return Buffer.concat([Buffer.from('I'), int(id, 4), Buffer.from('N'), tuple(values)])
}

/** Update; `before` with its kind: K old key, O old row. */
export function update(
  id: number,
  after: readonly Value[],
  before?: { readonly kind: 'K' | 'O'; readonly values: readonly Value[] },
): Buffer {
  const old = before ? [Buffer.from(before.kind), tuple(before.values)] : []
  return Buffer.concat([Buffer.from('U'), int(id, 4), ...old, Buffer.from('N'), tuple(after)])
}

/** Delete. */
export function remove(id: number, kind: 'K' | 'O', values: readonly Value[]): Buffer {
  return Buffer.concat([Buffer.from('D'), int(id, 4), Buffer.from(kind), tuple(values)])
}

/** Truncate. */
export function truncate(ids: readonly number[]): Buffer {
  return Buffer.concat([
    Buffer.from('T'),
    int(ids.length, 4),
    int(0, 1),
    ...ids.map((id) => int(id, 4)),
  ])
}

/** A protocol message around a body. */
export function frame(type: string, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from(type), int(body.length + 4, 4), body])
}

/** CopyData with XLogData around a pgoutput message. */
export function walFrame(message: Buffer): Buffer {
  return frame('d', Buffer.concat([Buffer.from('w'), Buffer.alloc(24), message]))
}
