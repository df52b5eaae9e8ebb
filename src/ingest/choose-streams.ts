/** Streams that patterns chose → targets, beside those that are named. Pure. */

import type {
  SourceWarning,
  StreamSelection,
  StreamWarning,
  TableTarget,
} from '../contracts/index.ts'
import { matchesPatterns, parseStreamPattern, streamParts, TABLE_NAME } from '../model/index.ts'

/** Targets of a list of streams. */
export interface ChosenTargets {
  readonly targets: readonly TableTarget[]
  /** Streams that cannot become tables. */
  readonly refused: readonly StreamWarning[]
}

/** What a stream becomes that patterns chose. Its table may have a name that cannot be. */
export function targetOf(selection: StreamSelection, stream: string): TableTarget {
  const { table: given, ...template } = selection.overrides.get(stream) ?? selection.template
  const { namespace, namesSchema } = selection
  const parts = streamParts(stream)
  const names = namesSchema ? parts : parts.slice(-1)
  const table = given ?? [...(namespace === null ? [] : [namespace]), ...names].join('.')
  const isMadeUp = given === null && names.some((name) => name.includes('.'))
  const root = isMadeUp ? '' : table.replaceAll('.', '/')
  return { stream, isMatched: true, table, root, ...template }
}

/** True when the patterns choose the stream. */
export function chooses(selection: StreamSelection, stream: string): boolean {
  const patterns = selection.patterns.flatMap((text) => parseStreamPattern(text) ?? [])
  return matchesPatterns(patterns, stream)
}

/**
 * Makes a target of each stream, in order; one whose table would have no legal name, or lie in
 * another's, is refused.
 */
export function chooseTargets(
  selection: StreamSelection,
  streams: readonly string[],
  taken: readonly TableTarget[],
): ChosenTargets {
  const targets: TableTarget[] = []
  const refused: StreamWarning[] = []
  for (const stream of streams) {
    const target = targetOf(selection, stream)
    const reason = reasonAgainst(target, [...taken, ...targets])
    if (reason === null) targets.push(target)
    else refused.push({ stream, ...reason })
  }
  return { targets, refused }
}

function reasonAgainst(
  { stream, table, root }: TableTarget,
  others: readonly TableTarget[],
): SourceWarning | null {
  const named = `Give it a name: overrides: { '${stream}': { table: … } }`
  const remedy = `${named}; or leave it out: "!${stream}".`
  const code = 'SLU-ING-4016'
  if (root === '' || !TABLE_NAME.test(table)) {
    return { code, message: `"${table}" cannot be the name of the table of ${stream}`, remedy }
  }
  const own = root.toLowerCase()
  for (const other of others) {
    const its = other.root.toLowerCase()
    if (its !== own && !its.startsWith(`${own}/`) && !own.startsWith(`${its}/`)) continue
    const met = `table "${other.table}" of ${other.stream}`
    return { code, message: `table "${table}" of ${stream} would meet ${met}`, remedy }
  }
  return null
}
