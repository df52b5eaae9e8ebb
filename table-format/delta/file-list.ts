/**
 * The live files of a version: packed pages in order of the hashes of paths, and over them a map of
 * the files that changed lately. A change goes to the map; when the map outgrows its share, as many
 * changes as came are folded into their pages. So a commit costs what it changes, versions share
 * nearly everything, and a file at rest takes the bytes of its compressed line.
 * Invariants: (1) a list never changes; (2) pages and map iterate as one, by hash, then by path;
 * (3) files of one hash lie in one page.
 */

import { FilePage, type HashedFile } from './file-page.ts'
import { type FileTotals, type LiveFile, NO_TOTALS, TotalsCounter } from './live-file.ts'
import { HASH_END, hashOf, type MapDraft, type MapEntry, PersistentMap } from './persistent-map.ts'

/** Files to a page: enough to compress well, few enough to unpack for one of them. */
const PAGE_FILES = 64
/** Fewer files than this go into the next page. */
const PAGE_FILES_MIN = 16
/** Changes kept unpacked: tables of so many files are never packed at all. */
const RECENT_MIN = 8192
/** Of larger tables, one change for so many files. */
const RECENT_SHARE = 16
/** Files found in pages and kept: a commit asks for each of its files several times. */
const FOUND_MAX = 4096
/** Parts in which a large list is put together, each sorted on its own. */
const PARTS = 256

/** Live files by path. */
export class FileList {
  readonly size: number
  readonly #pages: readonly FilePage[]
  readonly #packedSize: number
  /** Null for a file of the pages that is gone. */
  readonly #recent: PersistentMap<LiveFile | null>
  /** Hash where folding goes on. */
  readonly #foldFrom: number
  readonly #found: FoundFiles

  private constructor(parts: {
    readonly size: number
    readonly pages: readonly FilePage[]
    readonly recent: PersistentMap<LiveFile | null>
    readonly foldFrom: number
    readonly found: FoundFiles
    readonly packedSize: number
  }) {
    this.size = parts.size
    this.#pages = parts.pages
    this.#recent = parts.recent
    this.#foldFrom = parts.foldFrom
    this.#found = parts.found
    this.#packedSize = parts.packedSize
  }

  /** A list of pages in their order. */
  static ofPages(pages: readonly FilePage[]): FileList {
    const size = pages.reduce((sum, page) => sum + page.count, 0)
    const recent = PersistentMap.empty<LiveFile | null>()
    const found = new FoundFiles()
    return new FileList({ size, pages, recent, foldFrom: 0, found, packedSize: size })
  }

  get(path: string): LiveFile | undefined {
    const recent = this.#recent.get(path)
    return recent === undefined ? this.#packed(path) : (recent ?? undefined)
  }

  *values(): IterableIterator<LiveFile> {
    const ranges = Math.max(1, this.#pages.length)
    for (let index = 0; index < ranges; index++) {
      for (const { file } of this.#range(index)) yield file
    }
  }

  /** A new list with the changes that `change` makes; this one stays as it is. */
  edit(change: (draft: MapDraft<LiveFile>) => void): FileList {
    let size = this.size
    const recent = this.#recent.edit((draft) => {
      const get = (path: string): LiveFile | undefined => {
        const found = draft.get(path)
        return found === undefined ? this.#packed(path) : (found ?? undefined)
      }
      change({
        get,
        set: (path, file) => {
          if (get(path) === undefined) size += 1
          draft.set(path, file)
        },
        delete: (path) => {
          if (get(path) === undefined) return
          size -= 1
          if (this.#packed(path) === undefined) draft.delete(path)
          else draft.set(path, null)
        },
      })
    })
    return this.#with({ size, recent })
  }

  #with(changed: {
    readonly size: number
    readonly recent: PersistentMap<LiveFile | null>
  }): FileList {
    const list = new FileList({
      pages: this.#pages,
      packedSize: this.#packedSize,
      foldFrom: this.#foldFrom,
      found: this.#found,
      ...changed,
    })
    const recentMax = Math.max(RECENT_MIN, Math.floor(this.#packedSize / RECENT_SHARE))
    const excess = changed.recent.size - recentMax
    return excess > 0 ? list.#folded(excess) : list
  }

  /** The list with at least so many changes in their pages, if there are as many. */
  #folded(atLeast: number): FileList {
    const ranges = Math.max(1, this.#pages.length)
    const start = Math.max(0, this.#pageIndex(this.#foldFrom))
    const replaced = new Map<number, readonly FilePage[]>()
    const done: string[] = []
    let carried: readonly HashedFile[] = []
    let index = start
    for (let step = 0; step < ranges && done.length < atLeast; step++) {
      for (const { key } of this.#recentOf(index)) done.push(key)
      const files = [...carried, ...this.#range(index)]
      const isLast = index === ranges - 1 || step === ranges - 1 || done.length >= atLeast
      carried = files.length < PAGE_FILES_MIN && !isLast ? files : []
      replaced.set(index, carried.length > 0 ? [] : cut(files))
      index = (index + 1) % ranges
    }
    const next = this.#pages[index]
    const pages: FilePage[] = []
    for (let at = 0; at < ranges; at++) {
      const now = replaced.get(at)
      if (now !== undefined) pages.push(...now)
      else pages.push(this.#pages[at]!)
    }
    return new FileList({
      size: this.size,
      pages,
      recent: this.#recent.edit((draft) => {
        for (const path of done) draft.delete(path)
      }),
      foldFrom: next?.firstHash ?? 0,
      found: this.#found,
      packedSize: pages.reduce((sum, page) => sum + page.count, 0),
    })
  }

  /** Files of a page with the changes over it, in order. */
  #range(index: number): readonly HashedFile[] {
    const packed = this.#pages[index]?.files() ?? []
    const recent = [...this.#recentOf(index)]
    if (recent.length === 0) return packed
    const changed = new Set(recent.map(({ key }) => key))
    const files = packed.filter(({ file }) => !changed.has(file.path))
    for (const { hash, value } of recent) if (value !== null) files.push({ hash, file: value })
    return files.sort(compareFiles)
  }

  #recentOf(index: number): IterableIterator<MapEntry<LiveFile | null>> {
    const from = index === 0 ? 0 : this.#pages[index]!.firstHash
    return this.#recent.between(from, this.#pages[index + 1]?.firstHash ?? HASH_END)
  }

  #packed(path: string): LiveFile | undefined {
    const hash = hashOf(path)
    const page = this.#pages[Math.max(0, this.#pageIndex(hash))]
    return page === undefined ? undefined : this.#found.find(page, hash, path)
  }

  /** The last page whose first hash is not above; -1 when there is none. */
  #pageIndex(hash: number): number {
    let low = 0
    let high = this.#pages.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#pages[middle]!.firstHash <= hash) low = middle + 1
      else high = middle
    }
    return low - 1
  }
}

/** The list without files. */
export function emptyFileList(): FileList {
  return FileList.ofPages([])
}

/**
 * Puts a list together from files in any order; of two with one path the later one stays. Never
 * holds many of them unpacked.
 */
export class FileListBuilder {
  readonly #parts: { readonly pages: FilePage[]; waiting: HashedFile[] }[]
  readonly #totals = new TotalsCounter(NO_TOTALS)
  #isPacking = false

  constructor() {
    this.#parts = Array.from({ length: PARTS }, () => ({ pages: [], waiting: [] }))
  }

  add(file: LiveFile): void {
    const hash = hashOf(file.path)
    const part = this.#parts[Math.floor(hash / (HASH_END / PARTS))]!
    part.waiting.push({ hash, file })
    this.#totals.count(file.action, 1)
    if (part.waiting.length < PAGE_FILES) return
    part.pages.push(FilePage.of(part.waiting))
    part.waiting = []
    this.#isPacking = true
  }

  /** The list and its sums; the builder is empty afterwards. */
  finish(): { readonly files: FileList; readonly totals: FileTotals } {
    const pages: FilePage[] = []
    const few: HashedFile[] = []
    for (const part of this.#parts.splice(0)) {
      const files = part.pages.splice(0).flatMap((page) => page.files())
      const sorted = this.#lastOfEach([...files, ...part.waiting].sort(compareFiles))
      if (this.#isPacking) pages.push(...cut(sorted))
      else few.push(...sorted)
    }
    const files = FileList.ofPages(pages).edit((draft) => {
      for (const { file } of few) draft.set(file.path, file)
    })
    return { files, totals: this.#totals.result() }
  }

  /** Of sorted files with one path only the last. */
  #lastOfEach(files: readonly HashedFile[]): readonly HashedFile[] {
    return files.filter(({ file }, index) => {
      const isLast = file.path !== files[index + 1]?.file.path
      if (!isLast) this.#totals.count(file.action, -1)
      return isLast
    })
  }
}

/** Files found in pages lately, with the page they were found in. */
class FoundFiles {
  readonly #files = new Map<string, { readonly page: FilePage; readonly file: LiveFile }>()

  find(page: FilePage, hash: number, path: string): LiveFile | undefined {
    const found = this.#files.get(path)
    if (found?.page === page) return found.file
    const file = page.find(hash, path)
    if (file === undefined) return undefined
    if (this.#files.size >= FOUND_MAX) this.#files.clear()
    this.#files.set(path, { page, file })
    return file
  }
}

function compareFiles(left: HashedFile, right: HashedFile): number {
  if (left.hash !== right.hash) return left.hash - right.hash
  return left.file.path < right.file.path ? -1 : left.file.path === right.file.path ? 0 : 1
}

/** Pages of sorted files, none for none. */
function cut(files: readonly HashedFile[]): readonly FilePage[] {
  const pages: FilePage[] = []
  for (let start = 0; start < files.length; ) {
    const left = files.length - start
    let end = start + (left < 2 * PAGE_FILES ? left : PAGE_FILES)
    while (end < files.length && files[end]!.hash === files[end - 1]!.hash) end += 1
    pages.push(FilePage.of(files.slice(start, end)))
    start = end
  }
  return pages
}
