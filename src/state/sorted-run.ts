/**
 * Keys of one partition on disk: a file of slots as in memory (see `partition.ts`) in ascending
 * order of (mixed hash, hash words), each key once, without anything between them.
 * Pages of 128 slots have their first mixed hash in memory, so that a look-up reads one page. A run
 * is never changed: a merge writes the next one.
 */

import { type FileHandle, open, rm } from 'node:fs/promises'
import { assert, wrapError } from '../model/index.ts'
import { addToPage, createPageFilters, cutPageFilters, mayHold } from './page-filter.ts'
import { type BatchColumns, mixHash, SLOT_WORDS } from './partition.ts'
import { compareHashes, type SortedSlots } from './sorted-slots.ts'

/** A run whose file is open. */
export interface SortedRun {
  readonly path: string
  readonly file: FileHandle
  readonly count: number
  readonly tombstoneCount: number
  /** First mixed hash of each page. */
  readonly fences: Uint32Array
  /** What each page may hold; null: any key. */
  readonly filters: Uint32Array | null
}

/** Memory that a run takes for its fences and filters. */
export function memoryOf({ fences, filters }: SortedRun): number {
  return fences.byteLength + (filters?.byteLength ?? 0)
}

/** Stands for a key that is forgotten but may be in an older run; the oldest does not store it. */
export const STORED_GONE = 0xffff_fffe

/** What a merge makes. */
export interface MergeRequest {
  /** File to write; must not exist. */
  readonly path: string
  readonly old: SortedRun | null
  /** Newer than `old`: of a key in both these win. Stays as it is. */
  readonly fresh: SortedSlots | SortedRun
  /** No run is older than `old`: forgotten keys need not be remembered. */
  readonly isOldest: boolean
  /** Tombstones below are left out; null keeps all. Needs `isOldest`. */
  readonly tombstonesBelow: bigint | null
  /** Whether to keep filters: a byte a key in memory, for fewer reads. */
  readonly withFilters: boolean
  readonly buffers: RunBuffers
}

/** Arrays that all runs of a process share; one merge or look-up uses them at a time. */
export interface RunBuffers {
  readonly input: Uint32Array
  /** A chunk of a newer run, in the form of slots in memory. */
  readonly fresh: SortedSlots
  readonly output: Uint32Array
  readonly window: Uint32Array
  /** Per page of the window: 1 when a look-up needs it. */
  readonly marks: Uint8Array
  readonly firstPages: Uint32Array
  readonly lastPages: Uint32Array
}

const PAGE_SLOTS = 128
const PAGE_WORDS = PAGE_SLOTS * SLOT_WORDS
const PAGE_BYTES = PAGE_WORDS * 4
/** Pages of a run that are looked at together: 4 MiB. */
const WINDOW_PAGES = 1024
/** One call of the operating system costs as much as reading these: smaller gaps are read over. */
const GAP_PAGES_MAX = 16
/** Pages read in one call, so that several threads share a large window. */
const EXTENT_PAGES_MAX = 128
/** Keys looked up together in one run. */
const PROBES_MAX = 8192
/** What a merge reads and writes at once: 512 KiB. */
const CHUNK_WORDS = 131_072
/** Above every mixed hash. */
const BEYOND = 2 ** 32

/** Makes the shared arrays: about 6 MiB. */
export function createRunBuffers(): RunBuffers {
  const slots = CHUNK_WORDS / SLOT_WORDS
  return {
    input: new Uint32Array(CHUNK_WORDS),
    fresh: {
      words: new Uint32Array(CHUNK_WORDS),
      starts: Uint32Array.from({ length: slots }, (_, slot) => slot * SLOT_WORDS),
      mixes: new Uint32Array(slots),
      count: slots,
    },
    output: new Uint32Array(CHUNK_WORDS),
    window: new Uint32Array(WINDOW_PAGES * PAGE_WORDS),
    marks: new Uint8Array(WINDOW_PAGES),
    firstPages: new Uint32Array(PROBES_MAX),
    lastPages: new Uint32Array(PROBES_MAX),
  }
}

/** Closes and removes the file. */
export async function removeRun(run: SortedRun): Promise<void> {
  await run.file.close()
  await rm(run.path, { force: true })
}

/** The state of a merge between two calls of the operating system. */
interface Merge {
  readonly request: MergeRequest
  readonly fences: Uint32Array
  readonly filters: Uint32Array | null
  inputAt: number
  inputEnd: number
  /** Slots of the old run not in `input` yet. */
  inputLeft: number
  /** The newer slots, or the chunk of them that was read last. */
  fresh: SortedSlots
  freshAt: number
  freshEnd: number
  /** Slots of the newer run not read yet. */
  freshLeft: number
  outputAt: number
  count: number
  tombstoneCount: number
  forgotten: number
}

/**
 * Writes `old` and `fresh` as one run; null when no key is left. `old` stays as it is. Returns also
 * how many tombstones were left out. Throws SLU-STA-5002.
 */
export async function mergeRun(
  request: MergeRequest,
): Promise<{ readonly run: SortedRun | null; readonly forgotten: number }> {
  const { path, old, fresh } = request
  const pagesMax = Math.ceil(((old?.count ?? 0) + fresh.count) / PAGE_SLOTS)
  const isRead = 'words' in fresh
  const merge: Merge = {
    request,
    fences: new Uint32Array(pagesMax),
    filters: request.withFilters ? createPageFilters(pagesMax) : null,
    inputAt: 0,
    inputEnd: 0,
    inputLeft: old?.count ?? 0,
    fresh: isRead ? fresh : request.buffers.fresh,
    freshAt: 0,
    freshEnd: isRead ? fresh.count : 0,
    freshLeft: isRead ? 0 : fresh.count,
    outputAt: 0,
    count: 0,
    tombstoneCount: 0,
    forgotten: 0,
  }
  let file: FileHandle | null = null
  try {
    file = await open(path, 'wx+')
    await writeMerged(merge, file)
    const { count, tombstoneCount, forgotten } = merge
    if (count > 0) {
      const pages = Math.ceil(count / PAGE_SLOTS)
      const fences = merge.fences.slice(0, pages)
      const filters = merge.filters && cutPageFilters(merge.filters, pages)
      return { run: { path, file, count, tombstoneCount, fences, filters }, forgotten }
    }
    await file.close()
    await rm(path)
    return { run: null, forgotten }
  } catch (error) {
    await file?.close().catch(() => undefined)
    await rm(path, { force: true }).catch(() => undefined)
    throw wrapError(error, 'SLU-STA-5002', `${path} cannot be written`)
  }
}

async function writeMerged(merge: Merge, file: FileHandle): Promise<void> {
  const { buffers } = merge.request
  let written = 0
  for (;;) {
    await readNext(merge)
    mergeChunk(merge)
    const isEnd =
      merge.inputAt === merge.inputEnd &&
      merge.inputLeft === 0 &&
      merge.freshAt === merge.freshEnd &&
      merge.freshLeft === 0
    if (merge.outputAt === CHUNK_WORDS || isEnd) {
      await writeWords(file, written, buffers.output, merge.outputAt)
      written += merge.outputAt * 4
      merge.outputAt = 0
    }
    if (isEnd) return
  }
}

/** Reads the next chunk of each side whose last one is used up. */
async function readNext(merge: Merge): Promise<void> {
  const { old, fresh, buffers } = merge.request
  if (old !== null && merge.inputAt === merge.inputEnd && merge.inputLeft > 0) {
    const slots = Math.min(CHUNK_WORDS / SLOT_WORDS, merge.inputLeft)
    await readSlots(old, old.count - merge.inputLeft, buffers.input, slots)
    merge.inputAt = 0
    merge.inputEnd = slots * SLOT_WORDS
    merge.inputLeft -= slots
  }
  if (!('words' in fresh) && merge.freshAt === merge.freshEnd && merge.freshLeft > 0) {
    const { words, mixes } = buffers.fresh
    const slots = Math.min(CHUNK_WORDS / SLOT_WORDS, merge.freshLeft)
    await readSlots(fresh, fresh.count - merge.freshLeft, words, slots)
    for (let slot = 0; slot < slots; slot++) mixes[slot] = mixAt(words, slot * SLOT_WORDS)
    merge.freshAt = 0
    merge.freshEnd = slots
    merge.freshLeft -= slots
  }
}

function readSlots(run: SortedRun, from: number, into: Uint32Array, slots: number): Promise<void> {
  return readWords(run, from * SLOT_WORDS * 4, into, 0, slots * SLOT_WORDS)
}

/** Goes on until the output is full or a side needs its next chunk. */
function mergeChunk(merge: Merge): void {
  const { input, output } = merge.request.buffers
  const { fresh, inputEnd, freshEnd, fences, filters } = merge
  const isLastInput = merge.inputLeft === 0
  const isLastFresh = merge.freshLeft === 0
  let { inputAt, freshAt, outputAt, count } = merge
  let freshMix = freshAt < freshEnd ? fresh.mixes[freshAt]! : BEYOND
  while (outputAt < CHUNK_WORDS) {
    const hasOld = inputAt < inputEnd
    if (!hasOld && (!isLastInput || freshMix === BEYOND)) break
    if (freshMix === BEYOND && !isLastFresh) break
    const oldMix = hasOld ? mixAt(input, inputAt) : BEYOND
    let order = oldMix - freshMix
    if (order === 0) order = compareHashes(input, inputAt, fresh.words, fresh.starts[freshAt]!)
    const mix = order < 0 ? oldMix : freshMix
    const from = order < 0 ? input : fresh.words
    const at = order < 0 ? inputAt : fresh.starts[freshAt]!
    if (order <= 0) inputAt += SLOT_WORDS
    if (order >= 0) {
      freshAt++
      freshMix = freshAt < freshEnd ? fresh.mixes[freshAt]! : BEYOND
    }
    if (from[at + 4]! >= STORED_GONE && !keepsSpecial(merge, from, at)) continue
    if (count % PAGE_SLOTS === 0) fences[count / PAGE_SLOTS] = mix
    if (filters !== null) addToPage(filters, (count / PAGE_SLOTS) | 0, from, at)
    count++
    output[outputAt] = from[at]!
    output[outputAt + 1] = from[at + 1]!
    output[outputAt + 2] = from[at + 2]!
    output[outputAt + 3] = from[at + 3]!
    output[outputAt + 4] = from[at + 4]!
    output[outputAt + 5] = from[at + 5]!
    output[outputAt + 6] = from[at + 6]!
    output[outputAt + 7] = from[at + 7]!
    outputAt += SLOT_WORDS
  }
  Object.assign(merge, { inputAt, freshAt, outputAt, count })
}

/** Counts a tombstone; false when it or a forgotten key is to be left out. */
function keepsSpecial(merge: Merge, from: Uint32Array, at: number): boolean {
  const { isOldest, tombstonesBelow } = merge.request
  if (from[at + 4] === STORED_GONE) return !isOldest
  if (tombstonesBelow !== null && orderingAt(from, at) < tombstonesBelow) {
    merge.forgotten++
    return false
  }
  merge.tombstoneCount++
  return true
}

/** The keys of a batch that are wanted from one run: `order[start..end)` are indexes of keys. */
export interface RunProbes {
  readonly order: Uint32Array
  readonly start: number
  readonly end: number
}

/** Writes the locations of those keys that the run has into the batch. Throws SLU-STA-5002. */
export async function lookupInRun(
  run: SortedRun,
  probes: RunProbes,
  batch: BatchColumns,
  buffers: RunBuffers,
): Promise<void> {
  for (let start = probes.start; start < probes.end; start += PROBES_MAX) {
    const slice = { ...probes, start, end: Math.min(probes.end, start + PROBES_MAX) }
    findPages(run, slice, batch, buffers)
    for (let page = 0; page < run.fences.length; page += WINDOW_PAGES) {
      if (!markPages(page, slice, buffers)) continue
      await readMarked(run, page, buffers)
      searchWindow(run, page, slice, batch, buffers)
    }
  }
}

/** First and last page that may hold each key; none when the first lies behind the last. */
function findPages(
  { fences, filters }: SortedRun,
  { order, start, end }: RunProbes,
  { hashes, mixed }: BatchColumns,
  { firstPages, lastPages }: RunBuffers,
): void {
  for (let probe = start; probe < end; probe++) {
    const key = order[probe]!
    const mix = mixed[key]!
    // Keys of one mixed hash may begin in the page before the first one that begins with it.
    const before = countBelow(fences, mix)
    let first = Math.max(0, before - 1)
    let last = before - 1
    while (last + 1 < fences.length && fences[last + 1] === mix) last++
    if (filters !== null) {
      while (first <= last && !mayHold(filters, first, hashes, key * 4)) first++
    }
    // Page numbers have no sign: nowhere is from page 1 to page 0.
    firstPages[probe - start] = first <= last ? first : 1
    lastPages[probe - start] = first <= last ? last : 0
  }
}

function countBelow(sorted: Uint32Array, bound: number): number {
  let low = 0
  let high = sorted.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (sorted[middle]! < bound) low = middle + 1
    else high = middle
  }
  return low
}

/** Marks the pages of the window from `page` on that are wanted; false when none is. */
function markPages(
  page: number,
  { start, end }: RunProbes,
  { marks, firstPages, lastPages }: RunBuffers,
): boolean {
  marks.fill(0)
  let isAny = false
  for (let at = 0; at < end - start; at++) {
    const last = Math.min(lastPages[at]! - page, WINDOW_PAGES - 1)
    for (let mark = Math.max(0, firstPages[at]! - page); mark <= last; mark++) {
      marks[mark] = 1
      isAny = true
    }
  }
  return isAny
}

/** Reads the marked pages to their places in the window, and small gaps between them. */
async function readMarked(run: SortedRun, page: number, buffers: RunBuffers): Promise<void> {
  const { marks, window } = buffers
  const sizeWords = run.count * SLOT_WORDS
  const reads: Promise<void>[] = []
  let from = marks.indexOf(1)
  while (from !== -1) {
    let last = from
    const most = Math.min(from + EXTENT_PAGES_MAX, WINDOW_PAGES)
    for (let next = from + 1; next < most && next - last <= GAP_PAGES_MAX; next++) {
      if (marks[next] === 1) last = next
    }
    const words = Math.min((last + 1 - from) * PAGE_WORDS, sizeWords - (page + from) * PAGE_WORDS)
    reads.push(readWords(run, (page + from) * PAGE_BYTES, window, from * PAGE_WORDS, words))
    from = marks.indexOf(1, last + 1)
  }
  await Promise.all(reads)
}

function searchWindow(
  run: SortedRun,
  page: number,
  { order, start, end }: RunProbes,
  batch: BatchColumns,
  { window, firstPages, lastPages }: RunBuffers,
): void {
  const { hashes, mixed, files, rows, orderings } = batch
  for (let probe = start; probe < end; probe++) {
    const first = Math.max(0, firstPages[probe - start]! - page)
    const last = Math.min(lastPages[probe - start]! - page, WINDOW_PAGES - 1)
    if (first > last) continue
    const key = order[probe]!
    const slots = Math.min((last + 1) * PAGE_SLOTS, run.count - page * PAGE_SLOTS)
    const at = findSlot(window, first * PAGE_SLOTS, slots, mixed[key]!, hashes, key * 4)
    if (at === -1) continue
    files[key] = window[at + 4]! - 1
    rows[key] = window[at + 5]!
    orderings[key * 2] = window[at + 6]!
    orderings[key * 2 + 1] = window[at + 7]!
  }
}

/** Word where the key's slot begins among the slots `low..end`; -1 when it is not there. */
function findSlot(
  words: Uint32Array,
  low: number,
  end: number,
  mix: number,
  hashes: Uint32Array,
  hashAt: number,
): number {
  let high = end
  while (low < high) {
    const middle = (low + high) >>> 1
    if (mixAt(words, middle * SLOT_WORDS) < mix) low = middle + 1
    else high = middle
  }
  for (let at = low * SLOT_WORDS; at < end * SLOT_WORDS; at += SLOT_WORDS) {
    if (compareHashes(words, at, hashes, hashAt) === 0) return at
    if (mixAt(words, at) !== mix) return -1
  }
  return -1
}

function mixAt(words: Uint32Array, at: number): number {
  return mixHash(words[at]!, words[at + 1]!, words[at + 2]!, words[at + 3]!)
}

function orderingAt(words: Uint32Array, at: number): bigint {
  return (BigInt(words[at + 7]! | 0) << 32n) | BigInt(words[at + 6]!)
}

async function readWords(
  run: SortedRun,
  position: number,
  into: Uint32Array,
  at: number,
  count: number,
): Promise<void> {
  const bytes = new Uint8Array(into.buffer, into.byteOffset + at * 4, count * 4)
  try {
    for (let done = 0; done < bytes.length; ) {
      const left = bytes.length - done
      const { bytesRead } = await run.file.read(bytes, done, left, position + done)
      assert(bytesRead > 0, 'SLU-STA-5002', `${run.path} is shorter than it was written`)
      done += bytesRead
    }
  } catch (error) {
    throw wrapError(error, 'SLU-STA-5002', `${run.path} cannot be read`)
  }
}

async function writeWords(
  file: FileHandle,
  position: number,
  from: Uint32Array,
  count: number,
): Promise<void> {
  const bytes = new Uint8Array(from.buffer, from.byteOffset, count * 4)
  for (let done = 0; done < bytes.length; ) {
    const left = bytes.length - done
    done += (await file.write(bytes, done, left, position + done)).bytesWritten
  }
}
