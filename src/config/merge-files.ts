/** A folder of files → one tree: sources by name, pipelines one after the other, the rest once. */

import type { ConfigProblem } from './problems.ts'
import { type ConfigTree, formatPath, type Origin, type PathStep, pathKey } from './tree.ts'

/** Merges the trees in the given order. A setting that two files give is a problem. */
export function mergeTrees(trees: readonly ConfigTree[]): ConfigTree {
  const value: Record<string, unknown> = {}
  const origins = new Map<string, Origin>()
  const problems: ConfigProblem[] = trees.flatMap((tree) => tree.problems)
  for (const tree of trees) {
    const shift = Array.isArray(value.pipelines) ? value.pipelines.length : 0
    for (const [key, origin] of tree.origins) {
      const moved = pathKey(movePath(JSON.parse(key) as PathStep[], shift))
      if (!origins.has(moved)) origins.set(moved, origin)
    }
    for (const [name, entry] of Object.entries(tree.value)) {
      mergeEntry(value, name, entry, tree, problems)
    }
  }
  return { value, origins, problems }
}

function mergeEntry(
  into: Record<string, unknown>,
  name: string,
  entry: unknown,
  tree: ConfigTree,
  problems: ConfigProblem[],
): void {
  const present = into[name]
  if (present === undefined) {
    into[name] = Array.isArray(entry) ? [...entry] : isRecord(entry) ? { ...entry } : entry
  } else if (name === 'pipelines' && Array.isArray(present) && Array.isArray(entry)) {
    present.push(...entry)
  } else if (name === 'sources' && isRecord(present) && isRecord(entry)) {
    for (const [source, settings] of Object.entries(entry)) {
      if (source in present) problems.push(repeated(tree, ['sources', source]))
      else present[source] = settings
    }
  } else if (!(name === 'apiVersion' && present === entry)) {
    problems.push(repeated(tree, [name]))
  }
}

function repeated(tree: ConfigTree, path: readonly PathStep[]): ConfigProblem {
  const place = tree.origins.get(pathKey(path))?.keyPlace ?? { file: '', line: 1, column: 1 }
  return {
    code: 'SLU-CFG-1004',
    place,
    path: formatPath(path),
    seen: null,
    rule: 'another file of the folder has this setting already',
    fix: 'keep it in one file',
  }
}

function movePath(path: readonly PathStep[], shift: number): readonly PathStep[] {
  const [first, index, ...rest] = path
  if (first !== 'pipelines' || typeof index !== 'number') return path
  return [first, index + shift, ...rest]
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
