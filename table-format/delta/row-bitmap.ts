/**
 * Sets of row positions as compressed bitmaps, and their portable form.
 *
 * 32-bit form (RoaringFormatSpec, little-endian):
 *   without runs  u32 0x303A · u32 n · heads · offsets · containers
 *   with runs     u16 0x303B · u16 n-1 · run flags ceil(n/8) · heads · offsets if n ≥ 4 ·
 * containers
 *   heads         n × {u16 key, u16 cardinality-1}
 *   offsets       n × u32
 *   container     array (≤ 4096): u16 × cardinality
 *                 bitmap: 1024 × u64
 *                 run: u16 m · m × {u16 start, u16 length-1}
 * 64-bit form: u64 count · count × {u32 high half, 32-bit form}, ascending.
 *
 * Containers are copied as they are in memory: all processors that the engine is built for are
 * little-endian, too.
 *
 * Invariants of a RowBitmap: (1) containers ascend by key and none is empty; (2) a container has
 * `values` when it holds at most 4096 positions, else `words`; (3) nobody changes it once made.
 */

import { assert } from '../../src/model/index.ts'

/** Positions that share their high 16 bits. Exactly one of `values` and `words` is set. */
interface RowContainer {
  readonly key: number
  readonly cardinality: number
  /** Low halves, ascending. */
  readonly values: Uint16Array | null
  /** 65536 bits. */
  readonly words: Uint32Array | null
}

/** A set of row positions below 2^32. */
export interface RowBitmap {
  readonly cardinality: number
  readonly containers: readonly RowContainer[]
}

/** What a malformed bitmap throws inside this room; callers wrap it with the object's name. */
export class BitmapFault {
  readonly reason: string
  constructor(reason: string) {
    this.reason = reason
  }
}

const ARRAY_CARDINALITY_MAX = 4096
const WORDS = 2048
const COOKIE_PLAIN = 0x303a
const COOKIE_RUNS = 0x303b
/** Below this many containers a bitmap with runs has no offsets. */
const OFFSETS_FROM = 4

/** The empty set. */
export const EMPTY_ROWS: RowBitmap = { cardinality: 0, containers: [] }

/**
 * A set from positions in ascending order without repeats. Throws SLU-BUG-9001 on another order.
 */
export function rowsToBitmap(rows: Uint32Array): RowBitmap {
  const containers: RowContainer[] = []
  for (let start = 0; start < rows.length; ) {
    const key = rows[start]! >>> 16
    let end = start + 1
    while (end < rows.length && rows[end]! >>> 16 === key) end += 1
    const values = new Uint16Array(end - start)
    for (let index = start; index < end; index++) {
      const ordered = index === 0 || rows[index]! > rows[index - 1]!
      assert(ordered, 'SLU-BUG-9001', 'rows to delete must be ascending and unique')
      values[index - start] = rows[index]! & 0xffff
    }
    containers.push(fromValues(key, values))
    start = end
  }
  return { cardinality: rows.length, containers }
}

/** The positions, ascending. */
export function bitmapToRows(bitmap: RowBitmap): Uint32Array {
  const rows = new Uint32Array(bitmap.cardinality)
  let count = 0
  for (const container of bitmap.containers) {
    const high = container.key * 0x10000
    for (const value of valuesOf(container)) rows[count++] = high + value
  }
  return rows
}

/** The union; containers that only one side has are shared, not copied. */
export function uniteBitmaps(left: RowBitmap, right: RowBitmap): RowBitmap {
  const containers: RowContainer[] = []
  let l = 0
  let r = 0
  while (l < left.containers.length || r < right.containers.length) {
    const a = left.containers[l]
    const b = right.containers[r]
    if (b === undefined || (a !== undefined && a.key < b.key)) {
      containers.push(a!)
      l += 1
    } else if (a === undefined || b.key < a.key) {
      containers.push(b)
      r += 1
    } else {
      containers.push(unite(a, b))
      l += 1
      r += 1
    }
  }
  const cardinality = containers.reduce((sum, container) => sum + container.cardinality, 0)
  return { cardinality, containers }
}

/** True when every position is below the bound. */
export function isBelow(bitmap: RowBitmap, rowExclusive: number): boolean {
  const last = bitmap.containers.at(-1)
  if (last === undefined) return true
  return last.key * 0x10000 + lastValue(last) < rowExclusive
}

/** About what the set occupies in memory. */
export function bitmapSizeBytes(bitmap: RowBitmap): number {
  return bitmap.containers.reduce(
    (sum, { values, words }) => sum + 100 + (values?.byteLength ?? words?.byteLength ?? 0),
    100,
  )
}

/** The portable form of something, of known size, before it is written anywhere. */
export interface Layout {
  readonly sizeBytes: number
  write(bytes: Buffer, at: number): void
}

/** The 64-bit portable form; runs are used where they are smaller. */
export function layOutBitmap64(buckets: ReadonlyMap<number, RowBitmap>): Layout {
  const parts = [...buckets]
    .sort(([a], [b]) => a - b)
    .map(([high, bitmap]) => ({ high, layout: layOutBitmap32(bitmap) }))
  return {
    sizeBytes: parts.reduce((sum, { layout }) => sum + 4 + layout.sizeBytes, 8),
    write: (bytes, start) => {
      let at = bytes.writeBigUInt64LE(BigInt(parts.length), start)
      for (const { high, layout } of parts) {
        at = bytes.writeUInt32LE(high, at)
        layout.write(bytes, at)
        at += layout.sizeBytes
      }
    },
  }
}

/** High half → set. Throws `BitmapFault` when the bytes are not a whole, well-formed bitmap. */
export function decodeBitmap64(bytes: Buffer): Map<number, RowBitmap> {
  const reader = new Reader(bytes)
  const count = reader.u64()
  if (count > BigInt(bytes.length)) throw new BitmapFault('more buckets than bytes')
  const buckets = new Map<number, RowBitmap>()
  let last = -1
  for (let index = 0; index < Number(count); index++) {
    const high = reader.u32()
    if (high <= last) throw new BitmapFault('buckets are not ascending')
    if (high > 0x7fff_ffff) throw new BitmapFault('a bucket key is negative')
    buckets.set(high, decodeBitmap32(reader))
    last = high
  }
  if (reader.offset !== bytes.length) throw new BitmapFault('bytes follow the bitmap')
  return buckets
}

/** A container with its runs, where they are smaller than the plain form. */
interface ContainerPlan {
  readonly container: RowContainer
  readonly runs: Uint16Array | null
  readonly sizeBytes: number
}

function planContainer(container: RowContainer): ContainerPlan {
  const plain = container.values?.byteLength ?? WORDS * 4
  // The reference counts two more bytes for an array, so runs win where both are equally small.
  const limit = container.values === null ? plain : plain + 2
  const runsMax = Math.ceil((limit - 2) / 4)
  const runCount = runCountOf(container, runsMax)
  if (runCount === runsMax) return { container, runs: null, sizeBytes: plain }
  return { container, runs: runsOf(container, runCount), sizeBytes: 2 + 4 * runCount }
}

function layOutBitmap32(bitmap: RowBitmap): Layout {
  const plans = bitmap.containers.map(planContainer)
  const count = plans.length
  const withRuns = plans.some((plan) => plan.runs !== null)
  const flagBytes = withRuns ? Math.ceil(count / 8) : 0
  const withOffsets = !withRuns || count >= OFFSETS_FROM
  const headBytes = (withRuns ? 4 + flagBytes : 8) + 4 * count + (withOffsets ? 4 * count : 0)
  const write = (bytes: Buffer, start: number): void => {
    let at = start
    if (withRuns) {
      at = bytes.writeUInt32LE(COOKIE_RUNS + (count - 1) * 0x10000, at)
      bytes.fill(0, at, at + flagBytes)
      for (const [index, { runs }] of plans.entries()) {
        if (runs !== null) bytes[at + (index >> 3)]! |= 1 << (index & 7)
      }
      at += flagBytes
    } else {
      at = bytes.writeUInt32LE(COOKIE_PLAIN, at)
      at = bytes.writeUInt32LE(count, at)
    }
    for (const { container } of plans) {
      at = bytes.writeUInt16LE(container.key, at)
      at = bytes.writeUInt16LE(container.cardinality - 1, at)
    }
    let body = headBytes
    for (const plan of plans) {
      if (withOffsets) at = bytes.writeUInt32LE(body, at)
      writeContainer(plan, bytes, start + body)
      body += plan.sizeBytes
    }
  }
  return { sizeBytes: plans.reduce((sum, plan) => sum + plan.sizeBytes, headBytes), write }
}

function writeContainer({ container, runs }: ContainerPlan, bytes: Buffer, start: number): void {
  const at = runs === null ? start : bytes.writeUInt16LE(runs.length / 2, start)
  const { buffer, byteOffset, byteLength } = runs ?? container.values ?? container.words!
  bytes.set(new Uint8Array(buffer, byteOffset, byteLength), at)
}

function decodeBitmap32(reader: Reader): RowBitmap {
  const start = reader.offset
  const cookie = reader.u32()
  const withRuns = (cookie & 0xffff) === COOKIE_RUNS
  if (!withRuns && cookie !== COOKIE_PLAIN) throw new BitmapFault('unknown cookie')
  const count = withRuns ? (cookie >>> 16) + 1 : reader.u32()
  if (count > 0x10000) throw new BitmapFault('too many containers')
  const flags = withRuns ? reader.take(Math.ceil(count / 8)) : null
  const heads: { readonly key: number; readonly cardinality: number }[] = []
  for (let index = 0; index < count; index++) {
    const key = reader.u16()
    if (index > 0 && key <= heads[index - 1]!.key) throw new BitmapFault('keys not ascending')
    heads.push({ key, cardinality: reader.u16() + 1 })
  }
  const withOffsets = !withRuns || count >= OFFSETS_FROM
  const offsets = withOffsets ? heads.map(() => reader.u32()) : null
  let cardinality = 0
  const containers = heads.map((head, index) => {
    if (offsets !== null && offsets[index] !== reader.offset - start) {
      throw new BitmapFault('a container is not where its offset says')
    }
    const isRun = flags !== null && (flags[index >> 3]! & (1 << (index & 7))) !== 0
    const container = isRun ? readRuns(reader, head.key) : readPlain(reader, head)
    if (container.cardinality !== head.cardinality) {
      throw new BitmapFault('a container holds another number of rows than it says')
    }
    cardinality += container.cardinality
    return container
  })
  return { cardinality, containers }
}

function readPlain(
  reader: Reader,
  head: { readonly key: number; readonly cardinality: number },
): RowContainer {
  if (head.cardinality <= ARRAY_CARDINALITY_MAX) {
    const values = new Uint16Array(head.cardinality)
    new Uint8Array(values.buffer).set(reader.take(values.byteLength))
    for (let index = 1; index < values.length; index++) {
      if (values[index]! <= values[index - 1]!) throw new BitmapFault('array values not ascending')
    }
    return fromValues(head.key, values)
  }
  const words = new Uint32Array(WORDS)
  new Uint8Array(words.buffer).set(reader.take(words.byteLength))
  return fromWords(head.key, words)
}

function readRuns(reader: Reader, key: number): RowContainer {
  const words = new Uint32Array(WORDS)
  const runCount = reader.u16()
  let next = 0
  for (let run = 0; run < runCount; run++) {
    const start = reader.u16()
    const end = start + reader.u16()
    if (start < next || end > 0xffff) throw new BitmapFault('runs overlap')
    for (let value = start; value <= end; value++) words[value >>> 5]! |= 1 << (value & 31)
    next = end + 1
  }
  return fromWords(key, words)
}

function fromValues(key: number, values: Uint16Array): RowContainer {
  if (values.length <= ARRAY_CARDINALITY_MAX) {
    return { key, cardinality: values.length, values, words: null }
  }
  const words = new Uint32Array(WORDS)
  setBits(words, values)
  return { key, cardinality: values.length, values: null, words }
}

/** Takes the words over. */
function fromWords(key: number, words: Uint32Array): RowContainer {
  let cardinality = 0
  for (let index = 0; index < WORDS; index++) cardinality += bitCount(words[index]!)
  if (cardinality > ARRAY_CARDINALITY_MAX) return { key, cardinality, values: null, words }
  const values = valuesOf({ key, cardinality, values: null, words })
  return { key, cardinality, values, words: null }
}

function unite(left: RowContainer, right: RowContainer): RowContainer {
  if (left.words !== null && right.words !== null) {
    const united = left.words.slice()
    for (let index = 0; index < WORDS; index++) united[index]! |= right.words[index]!
    return fromWords(left.key, united)
  }
  if (left.values !== null && right.values !== null) {
    const sum = left.cardinality + right.cardinality
    if (sum <= ARRAY_CARDINALITY_MAX) {
      return fromValues(left.key, mergeValues(left.values, right.values))
    }
    const united = new Uint32Array(WORDS)
    setBits(united, left.values)
    setBits(united, right.values)
    return fromWords(left.key, united)
  }
  const [few, many] = left.values === null ? [right, left] : [left, right]
  const words = many.words!.slice()
  const cardinality = many.cardinality + setBits(words, few.values!)
  return { key: left.key, cardinality, values: null, words }
}

function mergeValues(left: Uint16Array, right: Uint16Array): Uint16Array {
  const merged = new Uint16Array(left.length + right.length)
  let count = 0
  let l = 0
  let r = 0
  while (l < left.length && r < right.length) {
    const a = left[l]!
    const b = right[r]!
    merged[count++] = a < b ? a : b
    if (a <= b) l += 1
    if (b <= a) r += 1
  }
  const rest = l < left.length ? left.subarray(l) : right.subarray(r)
  merged.set(rest, count)
  count += rest.length
  return count === merged.length ? merged : merged.slice(0, count)
}

function valuesOf(container: RowContainer): Uint16Array {
  if (container.values !== null) return container.values
  const values = new Uint16Array(container.cardinality)
  let count = 0
  const words = container.words!
  for (let index = 0; index < WORDS; index++) {
    for (let word = words[index]!; word !== 0; word &= word - 1) {
      values[count++] = index * 32 + 31 - Math.clz32(word & -word)
    }
  }
  return values
}

/** The highest position of a container. */
function lastValue({ values, words }: RowContainer): number {
  if (values !== null) return values[values.length - 1]!
  let index = WORDS - 1
  while (words![index] === 0) index -= 1
  return index * 32 + 31 - Math.clz32(words![index]!)
}

/**
 * Number of runs, or `limit` when there are as many: nobody asks further. A run begins where the
 * position before is absent.
 */
function runCountOf({ values, words }: RowContainer, limit: number): number {
  let count = 0
  if (values !== null) {
    let next = -1
    for (let index = 0; index < values.length && count < limit; index++) {
      const value = values[index]!
      if (value !== next) count += 1
      next = value + 1
    }
    return count
  }
  let carry = 0
  for (let index = 0; index < WORDS && count < limit; index++) {
    const word = words![index]!
    count += bitCount((word & ~((word << 1) | carry)) >>> 0)
    carry = word >>> 31
  }
  return Math.min(count, limit)
}

/** Pairs {start, length-1}. */
function runsOf(container: RowContainer, runCount: number): Uint16Array {
  const values = valuesOf(container)
  const runs = new Uint16Array(runCount * 2)
  let run = 0
  for (let start = 0; start < values.length; ) {
    let end = start
    while (end + 1 < values.length && values[end + 1] === values[end]! + 1) end += 1
    runs[run] = values[start]!
    runs[run + 1] = end - start
    run += 2
    start = end + 1
  }
  return runs
}

/** Sets the bits of positions; returns how many were not set before. */
function setBits(words: Uint32Array, values: Uint16Array): number {
  let added = 0
  for (let index = 0; index < values.length; index++) {
    const value = values[index]!
    const before = words[value >>> 5]!
    added += ~(before >>> (value & 31)) & 1
    words[value >>> 5] = before | (1 << (value & 31))
  }
  return added
}

function bitCount(word: number): number {
  let rest = word - ((word >>> 1) & 0x55555555)
  rest = (rest & 0x33333333) + ((rest >>> 2) & 0x33333333)
  return Math.imul((rest + (rest >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24
}

/** Reads little-endian numbers; every read beyond the end is a `BitmapFault`. */
class Reader {
  offset = 0
  readonly #bytes: Buffer

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  take(length: number): Buffer {
    const start = this.#advance(length)
    return this.#bytes.subarray(start, start + length)
  }

  u16(): number {
    const at = this.#advance(2)
    return this.#bytes[at]! | (this.#bytes[at + 1]! << 8)
  }

  u32(): number {
    return this.#bytes.readUInt32LE(this.#advance(4))
  }

  u64(): bigint {
    return this.#bytes.readBigUInt64LE(this.#advance(8))
  }

  #advance(length: number): number {
    const start = this.offset
    if (start + length > this.#bytes.length) throw new BitmapFault('the bitmap is cut off')
    this.offset = start + length
    return start
  }
}
