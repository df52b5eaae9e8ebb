/**
 * The names of the files of a folder, whatever their number: walked in the order of the file
 * system, and picked a bounded number at a time in the order in which they are read.
 */

import type { Dir, Dirent } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { join } from 'node:path'
import { wrapError } from '../../src/model/index.ts'
import { createFirstNames } from './first-names.ts'

/** A folder and the names in it that count. */
export interface NamePatterns {
  readonly path: string
  /** Of paths relative to the folder, with `/`; alternatives stand between `|`. */
  readonly pattern: string
  /** Of those that do not count although they match; null: none. */
  readonly exclude: string | null
}

/**
 * Names that are held at a time: about 8 MiB of memory. A folder that holds more of them is listed
 * again whenever they are read.
 */
export const NAMES_HELD_MAX = 65_536
/** Entries of a folder that are read at a time. */
const ENTRIES_READ = 1024

/**
 * Paths of the files that match, relative to the folder and with `/`, in no order. Folders inside
 * are looked into only as deep as a pattern reaches, and only where `isWanted` finds that names of
 * theirs may count; links to folders are not followed. The memory used does not grow with the
 * number of names. Throws SLU-SRC-1401.
 */
export async function* walkNames(
  folder: NamePatterns,
  isWanted: (range: FolderRange) => boolean = () => true,
): AsyncGenerator<string> {
  const { path, pattern, exclude } = folder
  const matches = compilePattern(pattern)
  const excludes = exclude === null ? null : compilePattern(exclude)
  const depth = depthOf(pattern)
  const open: { readonly parent: string; readonly entries: Entries }[] = []
  try {
    open.push({ parent: '', entries: await openFolder(path, '') })
    for (let top = open.at(-1); top !== undefined; top = open.at(-1)) {
      const { parent, entries } = top
      const entry = entries.nextHeld() ?? (await entries.next())
      if (entry === null) {
        open.pop()
        await entries.close()
        continue
      }
      const name = parent + entry.name
      if (!entry.isDirectory()) {
        if (matches.test(name) && excludes?.test(name) !== true) yield name
      } else if (open.length < depth && isWanted(rangeOf(name))) {
        open.push({ parent: `${name}/`, entries: await openFolder(path, `${name}/`) })
      }
    }
  } finally {
    for (const { entries } of open) await entries.close()
  }
}

/** Where the names of a folder's files lie: none is below `first` or at or above `beyond`. */
export interface FolderRange {
  readonly first: string
  readonly beyond: string
}

/** Behind the slash of a folder's names comes `0`. */
function rangeOf(name: string): FolderRange {
  return { first: `${name}/`, beyond: `${name}0` }
}

/**
 * The first names after `after` (null: of all), `max` at most, in the order of their UTF-16 code
 * units: the order in which they are read. Throws SLU-SRC-1401.
 */
export async function namesAfter(
  folder: NamePatterns,
  after: string | null,
  max = NAMES_HELD_MAX,
): Promise<readonly string[]> {
  const first = createFirstNames(max)
  const isWanted = ({ first: low, beyond }: FolderRange): boolean => {
    return (after === null || beyond > after) && first.mayTake(low)
  }
  for await (const name of walkNames(folder, isWanted)) {
    if (after === null || name > after) first.add(name)
  }
  return first.names()
}

/** How many files there are. Throws SLU-SRC-1401. */
export async function countNames(folder: NamePatterns): Promise<number> {
  let count = 0
  for await (const _ of walkNames(folder)) count++
  return count
}

/** The entries of an open folder. */
interface Entries {
  /** The next one of those that were read already; null when none of them is left. */
  nextHeld(): Dirent | null
  /** The next one; null at the end. */
  next(): Promise<Dirent | null>
  close(): Promise<void>
}

const NO_ENTRIES: Entries = { nextHeld: () => null, next: async () => null, close: async () => {} }

/** One inside that was removed while its parent was listed has no entries. */
async function openFolder(root: string, parent: string): Promise<Entries> {
  const failed = (error: unknown): Entries => {
    const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (parent !== '' && isGone) return NO_ENTRIES
    throw wrapError(error, 'SLU-SRC-1401', `The folder ${join(root, parent)} cannot be read`)
  }
  try {
    return entriesOf(await opendir(join(root, parent), { bufferSize: ENTRIES_READ }), failed)
  } catch (error) {
    return failed(error)
  }
}

/**
 * Each waiting read brings `ENTRIES_READ` entries; taking the others without waiting is five times
 * faster. Past them, the reading that does not wait finds the end of a short folder at most.
 */
function entriesOf(folder: Dir, failed: (error: unknown) => Entries): Entries {
  let held = 0
  return {
    nextHeld: () => {
      if (held === 0) return null
      const entry = folder.readSync()
      held = entry === null ? 0 : held - 1
      return entry
    },
    next: async () => {
      try {
        const entry = await folder.read()
        held = entry === null ? 0 : ENTRIES_READ - 1
        return entry
      } catch (error) {
        return failed(error).next()
      }
    },
    close: () => folder.close(),
  }
}

/** Names that a path may have at most to match: itself and the folders above it. */
function depthOf(pattern: string): number {
  const depths = pattern.split('|').map((part) => {
    return part.includes('**') ? Number.POSITIVE_INFINITY : part.split('/').length
  })
  return Math.max(...depths)
}

/** `**` and a slash: any folders, or none; `*`: anything but a slash; `?`: one such character. */
function compilePattern(pattern: string): RegExp {
  const alternatives = pattern.split('|').map((part) =>
    part.replace(/\*\*\/|\*\*|[*?.+^${}()[\]\\]/g, (found) => {
      return PATTERN_PARTS[found] ?? `\\${found}`
    }),
  )
  return new RegExp(`^(?:${alternatives.join('|')})$`, 's')
}

const PATTERN_PARTS: Readonly<Record<string, string>> = {
  '**/': '(?:.*/)?',
  '**': '.*',
  '*': '[^/]*',
  '?': '[^/]',
}
