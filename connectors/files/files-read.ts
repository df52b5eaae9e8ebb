/**
 * What is known of the files that were read whole, in a few kilobytes however many they are: enough
 * to tell later whether they are the same, and which others came between them.
 */

import type { JsonObject, JsonValue } from '../../src/model/index.ts'
import { addSum, addText, emptySum, type HashSum, sumFromText, sumToText } from './name-hash.ts'
import {
  addName,
  copySketch,
  emptySketch,
  type NameSketch,
  sketchFromText,
  sketchToText,
} from './name-sketch.ts'

/**
 * Files of a group that takes new ones. The last group and the one before it are compared size by
 * size at every start, so this is half of what a start looks at, at most.
 */
export const GROUP_FILES_MAX = 10_000

/** Files whose names follow each other: those above the group before, up to `upTo`. */
export interface FilesGroup {
  /** Null for the last group, which has no end. */
  readonly upTo: string | null
  readonly count: number
  /** Of names and sizes. */
  readonly sizes: HashSum
}

/** The files that were read whole or passed over. */
export interface FilesRead {
  readonly count: number
  /** Of the names. */
  readonly names: HashSum
  readonly sketch: NameSketch
  /** Three: the old ones, and two of `groupFilesMax` at most. In the order of the names. */
  readonly groups: readonly FilesGroup[]
}

const NO_FILES: FilesGroup = { upTo: null, count: 0, sizes: emptySum() }

/** Before the first file. */
export const NOTHING_READ: FilesRead = {
  count: 0,
  names: emptySum(),
  sketch: emptySketch(),
  groups: [NO_FILES],
}

/** The same with one more file, which comes after all of them. */
export function withNextFile(
  read: FilesRead,
  name: string,
  sizeBytes: number,
  groupFilesMax = GROUP_FILES_MAX,
): FilesRead {
  const more = withFile(read, name, sizeBytes)
  return { ...more, groups: divided(more.groups, name, groupFilesMax) }
}

/** The same with one more file, which comes before others of them. */
export function withFile(read: FilesRead, name: string, sizeBytes: number): FilesRead {
  const names = read.names.slice()
  addText(names, name)
  const sketch = copySketch(read.sketch)
  addName(sketch, name)
  const at = groupOf(read.groups, name)
  const groups = read.groups.map((group, index) =>
    index === at ? added(group, name, sizeBytes) : group,
  )
  return { count: read.count + 1, names, sketch, groups }
}

/** The same where all files count as old, the ones up to `upTo` that are still to come too. */
export function asOldFiles(read: FilesRead, upTo: string): FilesRead {
  const sizes = emptySum()
  for (const group of read.groups) addSum(sizes, group.sizes)
  return {
    ...read,
    groups: [{ upTo, count: read.count, sizes }, { ...NO_FILES, upTo }, NO_FILES],
  }
}

/** Index of the first group whose files are compared at every start. */
export function firstRecentGroup({ groups }: FilesRead): number {
  return Math.max(0, groups.length - 2)
}

/** Index of the group that a name belongs to. */
export function groupOf(groups: readonly FilesGroup[], name: string): number {
  return groups.findIndex(({ upTo }) => upTo === null || name <= upTo)
}

/** The text that stands for a file and its size in a sum. */
export function sizeText(name: string, sizeBytes: number): string {
  return `${sizeBytes}/${name}`
}

function added(group: FilesGroup, name: string, sizeBytes: number): FilesGroup {
  const sizes = group.sizes.slice()
  addText(sizes, sizeText(name, sizeBytes))
  return { ...group, count: group.count + 1, sizes }
}

/**
 * A last group that is full gets an end: `name`, the last one of all. The two oldest of more than
 * three groups become one.
 */
function divided(
  groups: readonly FilesGroup[],
  name: string,
  groupFilesMax: number,
): readonly FilesGroup[] {
  const last = groups.at(-1) as FilesGroup
  if (last.count < groupFilesMax) return groups
  const closed = [...groups.slice(0, -1), { ...last, upTo: name }, NO_FILES]
  const [oldest, old, ...rest] = closed
  if (rest.length < 2 || oldest === undefined || old === undefined) return closed
  const sizes = oldest.sizes.slice()
  addSum(sizes, old.sizes)
  return [{ upTo: old.upTo, count: oldest.count + old.count, sizes }, ...rest]
}

/** For the cursor. */
export function filesReadToJson({ count, names, sketch, groups }: FilesRead): JsonObject {
  return {
    count,
    names: sumToText(names),
    sketch: sketchToText(sketch),
    groups: groups.map(({ sizes, ...group }) => ({ ...group, sizes: sumToText(sizes) })),
  }
}

/** The inverse of `filesReadToJson`; null for other JSON. */
export function filesReadFromJson(json: JsonValue | undefined): FilesRead | null {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null
  const { count, names, sketch, groups } = json as JsonObject
  if (typeof count !== 'number' || typeof names !== 'string' || typeof sketch !== 'string') {
    return null
  }
  const sum = sumFromText(names)
  const found = sketchFromText(sketch)
  const known = Array.isArray(groups) ? groups.map(groupFromJson) : []
  if (sum === null || found === null || known.length === 0 || known.includes(null)) return null
  return { count, names: sum, sketch: found, groups: known as readonly FilesGroup[] }
}

function groupFromJson(json: JsonValue): FilesGroup | null {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) return null
  const { upTo, count, sizes } = json as JsonObject
  if (upTo !== null && typeof upTo !== 'string') return null
  const sum = typeof sizes === 'string' ? sumFromText(sizes) : null
  return sum === null || typeof count !== 'number' ? null : { upTo, count, sizes: sum }
}
