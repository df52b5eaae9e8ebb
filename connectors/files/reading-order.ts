/** In which order the files of a folder are read, as files come and go. */

import type { Clock } from '../../src/contracts/index.ts'
import { withFile } from './files-read.ts'
import { eachSize, type Folder } from './folder.ts'
import { NAMES_HELD_MAX, namesAfter } from './listing.ts'
import { createOldFilesRounds } from './old-files.ts'
import { type FolderPlace, placeInOrder } from './place.ts'
import { adoptFiles, lateError, lookAround, type Surroundings } from './surroundings.ts'

/** What happens to files that come when their place in the order of names is past. */
export type LatePolicy = 'stop' | 'read' | 'ignore'

/** How the files of a folder are put in order. */
export interface OrderOptions {
  readonly folder: Folder
  readonly late: LatePolicy
  /** Null where only the files count that are there at the start. */
  readonly follow: { readonly clock: Clock } | null
  /** Told of late files that are passed over; null when they are not known one by one. */
  readonly onIgnored: (names: readonly string[] | null) => void
  readonly namesMax?: number
}

/** The files that come next. */
export interface ReadingOrder extends AsyncDisposable {
  /** The file after the place in the order of the names; null when there is none. */
  next(place: FolderPlace): Promise<string | null>
  /** A late file to be read before others; each is given once for a look. */
  takeLate(): string | null
  /**
   * Looks for files that came, and returns the place with an account of those that are passed over.
   * Where a look is long, some calls do nothing: looking takes a twentieth of the time at most.
   * Throws SLU-SRC-1401, 1403 and 1404.
   */
  look(place: FolderPlace): Promise<FolderPlace>
}

/** Looks rest so many times as long as they took. */
const REST_FACTOR = 20

/**
 * Looks at a folder for the first time, at the sizes of the newest files too. Returns the order and
 * the place, as `look` does.
 */
export async function openReadingOrder(
  options: OrderOptions,
  place: FolderPlace,
): Promise<{ readonly order: ReadingOrder; readonly place: FolderPlace }> {
  const { folder, follow, namesMax = NAMES_HELD_MAX } = options
  const known = await withAccount(folder, place)
  let around = await lookAround(folder, known, { withSizes: true, namesMax })
  const lastOfAll = around.last
  const rounds = createOldFilesRounds(folder)
  let index = 0
  let late: string[] = []
  let restUntilMs = 0
  const settle = async (at: FolderPlace): Promise<FolderPlace> => {
    const settled = await settleLate(options, at, around)
    late = [...settled.toRead]
    index = 0
    return settled.place
  }
  const settledPlace = await settle(known)
  const order: ReadingOrder = {
    next: async (at) => {
      const { file } = placeInOrder(at)
      const isPast = (name: string | undefined): boolean =>
        name !== undefined && file !== null && name <= file
      while (isPast(around.next[index])) index++
      if (index === around.next.length && around.next.length === namesMax) {
        around = { ...around, next: await namesAfter(folder, file, namesMax) }
        index = 0
      }
      const found = around.next[index] ?? null
      const isNew = follow === null && found !== null && found > (lastOfAll ?? '')
      return isNew ? null : found
    },
    takeLate: () => late.shift() ?? null,
    look: async (at) => {
      const startMs = follow?.clock.monotonicMs() ?? 0
      if (startMs < restUntilMs) return at
      around = await lookAround(folder, at, { withSizes: false, namesMax })
      const endMs = follow?.clock.monotonicMs() ?? 0
      restUntilMs = endMs + REST_FACTOR * (endMs - startMs)
      const settled = await settle(at)
      await rounds.step(settled)
      return settled
    },
    [Symbol.asyncDispose]: () => rounds[Symbol.asyncDispose](),
  }
  return { order, place: settledPlace }
}

/** Cursors of earlier versions say only how many files were read. Throws SLU-SRC-1403, 1404. */
async function withAccount(folder: Folder, place: FolderPlace): Promise<FolderPlace> {
  const { filesBefore, ...rest } = place
  if (filesBefore === undefined) return place
  const read = await adoptFiles(folder, rest)
  if (read.count > filesBefore) throw lateError(rest, null)
  return { ...rest, read: { ...read, count: filesBefore } }
}

/** What becomes of late files. Throws SLU-SRC-1404 where they end the read. */
async function settleLate(
  { folder, late: policy, onIgnored }: OrderOptions,
  place: FolderPlace,
  { late }: Surroundings,
): Promise<{ readonly place: FolderPlace; readonly toRead: readonly string[] }> {
  if (late?.length === 0) return { place, toRead: [] }
  switch (policy) {
    case 'stop':
      throw lateError(place, late)
    case 'read':
      if (late === null) throw lateError(place, late)
      return { place, toRead: late }
    case 'ignore': {
      onIgnored(late)
      if (late === null)
        return { place: { ...place, read: await adoptFiles(folder, place) }, toRead: [] }
      let { read } = place
      await eachSize(folder, late, (name, sizeBytes) => {
        read = withFile(read, name, sizeBytes)
      })
      return { place: { ...place, read }, toRead: [] }
    }
    default: {
      const never: never = policy
      return never
    }
  }
}
