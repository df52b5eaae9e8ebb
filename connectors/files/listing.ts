/** The names of the files of a folder: which there are, in the order in which they are read. */

import type { Dirent } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { wrapError } from '../../src/model/index.ts'

/** A folder and the names in it that count. */
export interface NamePatterns {
  readonly path: string
  /** Of paths relative to the folder, with `/`; alternatives stand between `|`. */
  readonly pattern: string
  /** Of those that do not count although they match; null: none. */
  readonly exclude: string | null
}

/**
 * Paths of the files that match, relative to the folder and with `/`, in the order of their UTF-16
 * code units: the order in which they are read. Folders inside are looked into only as deep as a
 * pattern reaches; links to folders are not followed. Throws SLU-SRC-1401.
 */
export async function listNames(folder: NamePatterns): Promise<readonly string[]> {
  const { path, pattern, exclude } = folder
  const matches = compilePattern(pattern)
  const excludes = exclude === null ? null : compilePattern(exclude)
  const depth = depthOf(pattern)
  const names: string[] = []
  const open: string[] = ['']
  for (let parent = open.pop(); parent !== undefined; parent = open.pop()) {
    for (const entry of await entriesOf(path, parent)) {
      const name = parent + entry.name
      if (entry.isDirectory()) {
        if (name.split('/').length < depth) open.push(`${name}/`)
      } else if (matches.test(name) && excludes?.test(name) !== true) names.push(name)
    }
  }
  return names.sort((left, right) => (left < right ? -1 : 1))
}

/** Index of the first of sorted names that is `name` or comes after it. */
export function indexOfName(names: readonly string[], name: string): number {
  let from = 0
  let to = names.length
  while (from < to) {
    const middle = (from + to) >>> 1
    if ((names[middle] as string) < name) from = middle + 1
    else to = middle
  }
  return from
}

/** Entries of a folder; none of one inside that was removed while it was listed. */
async function entriesOf(root: string, parent: string): Promise<readonly Dirent[]> {
  try {
    return await readdir(join(root, parent), { withFileTypes: true })
  } catch (error) {
    const isGone = error instanceof Error && 'code' in error && error.code === 'ENOENT'
    if (parent !== '' && isGone) return []
    throw wrapError(error, 'SLU-SRC-1401', `The folder ${join(root, parent)} cannot be read`)
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
