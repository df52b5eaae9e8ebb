/**
 * Order events as NDJSON, the same bytes for the same seed: written into typed buffers, about 314
 * bytes each. What a table of them must hold afterwards is worked out along the way.
 */

import { closeSync, mkdirSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'

/** What to generate. */
export interface OrderEventsRequest {
  readonly folder: string
  readonly rows: number
  /**
   * Keys that exist before the first event: order ids 0 .. n-1, changed last by events that came
   * earlier.
   */
  readonly keysBefore: number
  /** Share of events that change an existing key; the others bring a new one. */
  readonly updateShare: number
  /** Number of the first event; the column `seq` counts on from a base. */
  readonly firstSeq: number
  /** Names of the files begin with it. */
  readonly prefix: string
  readonly seed: number
}

/** Sums that tell tables apart: exact integers. */
export interface Checksum {
  readonly rows: number
  readonly keys: number
  readonly seqSum: string
  readonly centsSum: string
}

/** What was written. */
export interface OrderEvents {
  readonly files: readonly string[]
  readonly bytes: number
  /** Of a table that keeps every event. */
  readonly appended: Checksum
  /** Of a table that keeps the last event of each key; meaningless with `keysBefore`. */
  readonly upserted: Checksum
  readonly keysAfter: number
}

/** Columns of an event, as the files source and DuckDB's `read_json` name their types. */
export const ORDER_COLUMNS = {
  order_id: 'bigint',
  seq: 'bigint',
  customer_id: 'bigint',
  status: 'string',
  currency: 'string',
  country: 'string',
  amount_cents: 'bigint',
  weight: 'double',
  placed_at: 'timestamp',
  updated_at: 'timestamp',
  note: 'string',
} as const

const FILE_BYTES = 64 * 1024 * 1024
const EVENT_BYTES_MAX = 512
const STATUSES = ['placed', 'paid', 'packed', 'shipped', 'delivered', 'returned']
const CURRENCIES = ['EUR', 'USD', 'GBP', 'CHF', 'SEK', 'JPY']
const COUNTRIES = ['DE', 'FR', 'GB', 'US', 'CH', 'SE', 'JP', 'PL', 'IT', 'ES']
const WORDS = [
  'leave',
  'parcel',
  'behind',
  'green',
  'gate',
  'ring',
  'twice',
  'customer',
  'asked',
  'for',
  'gift',
  'wrapping',
  'invoice',
  'copy',
  'needed',
  'fragile',
  'glass',
  'inside',
  'second',
  'delivery',
  'attempt',
  'after',
  'noon',
  'neighbour',
  'accepts',
  'express',
  'handling',
  'weekend',
  'slot',
  'confirmed',
  'by',
  'phone',
]
const NOTE_BYTES_MIN = 62
const NOTE_COUNT = 50_000
/** Keeps the digits of a number many: the columns hold these plus what counts. */
const ID_BASE = 1_000_000_000
const CENTS_BASE = 1_000_000

/** Writes the events into files of about 64 MiB each. */
export function writeOrderEvents(request: OrderEventsRequest): OrderEvents {
  mkdirSync(request.folder, { recursive: true })
  const { rows, keysBefore, updateShare, firstSeq } = request
  const random = createRandom(request.seed)
  const lastSeqOf = new Float64Array(keysBefore + rows).fill(-1)
  const lastCentsOf = new Int32Array(keysBefore + rows)
  const writer = createWriter()
  const files = createFiles(request.folder, request.prefix)
  let keys = keysBefore
  let centsSum = 0
  for (let row = 0; row < rows; row++) {
    const isUpdate = keys > 0 && random() < updateShare * 2 ** 32
    const key = isUpdate ? random() % keys : keys++
    const cents = CENTS_BASE + (random() % 500_000)
    const seq = ID_BASE + firstSeq + row
    lastSeqOf[key] = seq
    lastCentsOf[key] = cents
    centsSum += cents
    writer.event(key, seq, cents, random)
    if (writer.length > FILE_BYTES - EVENT_BYTES_MAX) files.write(writer.take())
  }
  if (writer.length > 0) files.write(writer.take())
  const firstSeqSum = BigInt(ID_BASE + firstSeq) * 2n
  const seqSum = (firstSeqSum + BigInt(rows) - 1n) * BigInt(rows)
  return {
    files: files.names,
    bytes: files.bytes(),
    appended: { rows, keys, seqSum: `${seqSum / 2n}`, centsSum: `${centsSum}` },
    upserted: sumOfLast(lastSeqOf, lastCentsOf),
    keysAfter: keys,
  }
}

function sumOfLast(lastSeqOf: Float64Array, lastCentsOf: Int32Array): Checksum {
  let rows = 0
  let seqSum = 0n
  let cents = 0
  let seqs = 0
  for (let key = 0; key < lastSeqOf.length; key++) {
    const seq = lastSeqOf[key]!
    if (seq < 0) continue
    rows++
    seqs += seq
    cents += lastCentsOf[key]!
    if (seqs > 2 ** 52) {
      seqSum += BigInt(seqs)
      seqs = 0
    }
  }
  return { rows, keys: rows, seqSum: `${seqSum + BigInt(seqs)}`, centsSum: `${cents}` }
}

/** xorshift32: uniform 32-bit numbers, the same for the same seed. */
function createRandom(seed: number): () => number {
  let state = seed | 1
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state >>> 0
  }
}

/** Bytes under construction. */
class TextBuffer {
  readonly bytes = Buffer.alloc(FILE_BYTES)
  length = 0

  put(piece: Buffer): void {
    for (let i = 0; i < piece.length; i++) this.bytes[this.length + i] = piece[i]!
    this.length += piece.length
  }

  /** Decimal digits, with zeros before them up to `width`. */
  digits(value: number, width: number): void {
    let rest = value
    for (let i = width - 1; i >= 0; i--) {
      this.bytes[this.length + i] = 48 + (rest % 10)
      rest = (rest / 10) | 0
    }
    this.length += width
  }

  byte(value: number): void {
    this.bytes[this.length++] = value
  }

  /** The rest of a time of a year, `MM-DDThh:mm:ss.ffffffZ"`. */
  time(a: number, b: number): void {
    this.digits(1 + (a % 12), 2)
    this.byte(0x2d)
    this.digits(1 + ((a >>> 8) % 28), 2)
    this.byte(0x54)
    this.digits((b >>> 3) % 24, 2)
    this.byte(0x3a)
    this.digits((b >>> 9) % 60, 2)
    this.byte(0x3a)
    this.digits((b >>> 16) % 60, 2)
    this.byte(0x2e)
    this.digits(a % 1_000_000, 6)
    this.byte(0x5a)
    this.byte(0x22)
  }
}

interface EventWriter {
  readonly length: number
  event(key: number, seq: number, cents: number, random: () => number): void
  /** The bytes so far; the writer begins anew. */
  take(): Buffer
}

const [ORDER_ID, SEQ, CUSTOMER_ID, AMOUNT, WEIGHT, PLACED_AT, UPDATED_AT] = [
  '{"order_id":',
  ',"seq":',
  ',"customer_id":',
  ',"amount_cents":',
  ',"weight":',
  ',"placed_at":"2026-',
  ',"updated_at":"2026-',
].map((text) => Buffer.from(text)) as [Buffer, Buffer, Buffer, Buffer, Buffer, Buffer, Buffer]

function createWriter(): EventWriter {
  const choices = (name: string, values: readonly string[]): readonly Buffer[] =>
    values.map((value) => Buffer.from(`,"${name}":"${value}"`))
  const statuses = choices('status', STATUSES)
  const currencies = choices('currency', CURRENCIES)
  const countries = choices('country', COUNTRIES)
  const notes = createNotes(createRandom(1))
  const text = new TextBuffer()
  return {
    get length() {
      return text.length
    },
    event: (key, seq, cents, random) => {
      text.put(ORDER_ID)
      text.digits(ID_BASE + key, 10)
      text.put(SEQ)
      text.digits(seq, 10)
      text.put(CUSTOMER_ID)
      text.digits(1_000_000 + (random() % 1_000_000), 7)
      text.put(statuses[random() % statuses.length]!)
      text.put(currencies[random() % currencies.length]!)
      text.put(countries[random() % countries.length]!)
      text.put(AMOUNT)
      text.digits(cents, 7)
      text.put(WEIGHT)
      text.digits(1 + (random() % 9), 1)
      text.byte(0x2e)
      text.digits(1 + (random() % 998), 3)
      text.put(PLACED_AT)
      text.time(random(), random())
      text.put(UPDATED_AT)
      text.time(random(), random())
      text.length += notes[random() % notes.length]!.copy(text.bytes, text.length)
    },
    take: () => {
      const bytes = text.bytes.subarray(0, text.length)
      text.length = 0
      return bytes
    },
  }
}

/** Ends of events: notes of random words, about as long as each other. */
function createNotes(random: () => number): readonly Buffer[] {
  return Array.from({ length: NOTE_COUNT }, () => {
    let text = WORDS[random() % WORDS.length]!
    while (text.length < NOTE_BYTES_MIN) text += ` ${WORDS[random() % WORDS.length]}`
    return Buffer.from(`,"note":"${text}"}\n`)
  })
}

function createFiles(folder: string, prefix: string) {
  const names: string[] = []
  let total = 0
  return {
    names,
    bytes: () => total,
    write: (bytes: Buffer) => {
      const name = join(folder, `${prefix}-${String(names.length).padStart(5, '0')}.ndjson`)
      const file = openSync(name, 'w')
      for (let at = 0; at < bytes.length; ) at += writeSync(file, bytes, at)
      closeSync(file)
      names.push(name)
      total += bytes.length
    },
  }
}
