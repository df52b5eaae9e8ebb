/** What lies around a place: the files that come next, and whether those before it are the same. */

import { SluiceError } from '../../src/model/index.ts'
import {
  asOldFiles,
  type FilesRead,
  firstRecentGroup,
  groupOf,
  NOTHING_READ,
  sizeText,
  withFile,
} from './files-read.ts'
import { createFirstNames } from './first-names.ts'
import { eachSize, type Folder, gap } from './folder.ts'
import { NAMES_HELD_MAX, walkNames } from './listing.ts'
import { addText, emptySum, sameSum } from './name-hash.ts'
import { addName, differenceOf, emptySketch, type NameKey, nameKey } from './name-sketch.ts'
import { type FolderPlace, placeInOrder } from './place.ts'

/** The files around a place. */
export interface Surroundings {
  /** The names that come next, in order; of more than `NAMES_HELD_MAX` the first ones. */
  readonly next: readonly string[]
  /** The last name of all; null when nothing comes next. */
  readonly last: string | null
  /**
   * Names before the place that were not read, in order; null when they are too many to be told
   * from the others.
   */
  readonly late: readonly string[] | null
}

/** How closely to look. */
export interface LookOptions {
  /** Compares the sizes of the newest files before the place too. */
  readonly withSizes: boolean
  readonly namesMax?: number
}

/**
 * Looks at all names of a folder, once: the memory it takes does not grow with their number. Throws
 * SLU-SRC-1403 when a file that was read changed or vanished.
 */
export async function lookAround(
  folder: Folder,
  place: FolderPlace,
  { withSizes, namesMax = NAMES_HELD_MAX }: LookOptions,
): Promise<Surroundings> {
  const { file } = placeInOrder(place)
  const seen = await seeNames(folder, place, namesMax)
  const { next, last } = seen
  if (file === null) return { next, last, late: [] }
  if (!seen.isThere) throw gap(`The file ${file} vanished.`, file)
  const late = await lateNames(folder, place, seen)
  if (withSizes && late !== null) {
    const recent = late.length === 0 ? seen.recent : without(seen.recent, late)
    await checkSizes(folder, place, recent)
  }
  return { next, last, late }
}

/** The error of files that came too late; `late` as `Surroundings` has it. */
export function lateError(place: FolderPlace, late: readonly string[] | null): SluiceError {
  const file = placeInOrder(place).file ?? ''
  const shown = late?.slice(0, NAMES_SHOWN_MAX).join(', ')
  const more = (late?.length ?? 0) > NAMES_SHOWN_MAX ? ', …' : ''
  const count = late?.length === 1 ? 'a file that was' : `${late?.length} files that were`
  const names =
    late === null
      ? 'files that were not read, too many at once to tell which'
      : `${count} not read: ${shown}${more}`
  return new SluiceError('SLU-SRC-1404', {
    message: `Before ${file} in the order of names came ${names}.`,
    context: { file, ...(shown !== undefined && { late: shown }) },
  })
}

/** Names that a message shows. */
const NAMES_SHOWN_MAX = 5

/**
 * Takes all files before a place for read ones, as they are now. Asks for the size of each of them:
 * for places that keep no account of files, and where late ones cannot be told from others.
 */
export async function adoptFiles(folder: Folder, place: FolderPlace): Promise<FilesRead> {
  const { file } = placeInOrder(place)
  if (file === null) return NOTHING_READ
  let read = NOTHING_READ
  let upTo = ''
  const before = async function* (): AsyncGenerator<string> {
    for await (const name of walkNames(folder)) {
      if (name < file && !isBeingRead(place, name)) yield name
    }
  }
  await eachSize(folder, before(), (name, sizeBytes) => {
    read = withFile(read, name, sizeBytes)
    if (name > upTo) upTo = name
  })
  return read.count === 0 ? read : asOldFiles(read, upTo)
}

interface SeenNames {
  readonly next: readonly string[]
  readonly last: string | null
  /** The file of the place is there. */
  readonly isThere: boolean
  /** Those before it. */
  readonly count: number
  readonly names: FilesRead['names']
  readonly sketch: FilesRead['sketch']
  /** Those whose sizes are compared, in no order. */
  readonly recent: readonly string[]
}

/** A late file counts as neither read nor late while it is being read. */
function isBeingRead({ waiting, file }: FolderPlace, name: string): boolean {
  return waiting !== undefined && name === file
}

async function seeNames(folder: Folder, place: FolderPlace, namesMax: number): Promise<SeenNames> {
  const { file } = placeInOrder(place)
  const first = createFirstNames(namesMax)
  const { groups } = place.read
  const recentFrom = firstRecentGroup(place.read)
  const names = emptySum()
  const sketch = emptySketch()
  const recent: string[] = []
  let last: string | null = null
  let isThere = false
  let count = 0
  for await (const name of walkNames(folder)) {
    if (file === null || name > file) {
      first.add(name)
      if (last === null || name > last) last = name
    } else if (name === file) {
      isThere = true
    } else if (!isBeingRead(place, name)) {
      count++
      addText(names, name)
      addName(sketch, name)
      if (groupOf(groups, name) >= recentFrom) recent.push(name)
    }
  }
  return { next: first.names(), last, isThere, count, names, sketch, recent }
}

/** Throws SLU-SRC-1403 when files vanished; null when what is late cannot be told. */
async function lateNames(
  folder: Folder,
  place: FolderPlace,
  seen: SeenNames,
): Promise<readonly string[] | null> {
  const { read } = place
  const file = placeInOrder(place).file ?? ''
  if (seen.count === read.count && sameSum(seen.names, read.names)) return []
  const difference = differenceOf(seen.sketch, read.sketch)
  const missing = difference?.missing.size ?? 0
  if (missing > 0 || seen.count <= read.count) {
    throw gap(
      `Before ${file} lay ${read.count} files that were read; some of them are not there any more.`,
      file,
    )
  }
  if (difference === null || difference.added.size !== seen.count - read.count) return null
  const late = await namesOf(folder, file, difference.added)
  const names = read.names.slice()
  for (const name of late) addText(names, name)
  return sameSum(names, seen.names) ? late : null
}

async function namesOf(
  folder: Folder,
  file: string,
  keys: ReadonlySet<NameKey>,
): Promise<readonly string[]> {
  const names: string[] = []
  for await (const name of walkNames(folder, ({ first }) => first < file)) {
    if (name < file && keys.has(nameKey(name))) names.push(name)
  }
  return names.sort()
}

function without(names: readonly string[], others: readonly string[]): readonly string[] {
  const left = new Set(others)
  return names.filter((name) => !left.has(name))
}

/** Compares the sizes of the newest groups. Throws SLU-SRC-1403. */
async function checkSizes(
  folder: Folder,
  place: FolderPlace,
  names: readonly string[],
): Promise<void> {
  const { groups } = place.read
  const found = groups.map(() => emptySum())
  await eachSize(folder, names, (name, sizeBytes) => {
    addText(found[groupOf(groups, name)] as Uint32Array, sizeText(name, sizeBytes))
  })
  for (let at = firstRecentGroup(place.read); at < groups.length; at++) {
    const group = groups[at]
    if (group !== undefined && sameSum(group.sizes, found[at] as Uint32Array)) continue
    const file = placeInOrder(place).file ?? ''
    throw gap(`A file before ${file} is not the one that was read: its size differs.`, file)
  }
}
