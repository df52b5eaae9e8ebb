/** What is wrong in a configuration: where, what was seen, which rule it breaks, how to fix it. */

import { ERROR_CODES, type ErrorCode, SluiceError } from '../model/index.ts'

/** A place in a configuration file; line and column count from 1. */
export interface Place {
  readonly file: string
  readonly line: number
  readonly column: number
}

/** One finding about a configuration. */
export interface ConfigProblem {
  readonly code: ErrorCode
  readonly place: Place
  /** The setting: `pipelines[0].to.mode`; empty for the whole file. */
  readonly path: string
  /** The value as written, secrets replaced; null when nothing is there. */
  readonly seen: string | null
  /** The rule that is broken, in one sentence. */
  readonly rule: string
  /** What to write instead. */
  readonly fix: string
}

/** `file:line:column`, as editors and terminals link it. */
export function formatPlace(place: Place): string {
  return `${place.file}:${place.line}:${place.column}`
}

/** One problem as the lines people read. */
export function formatProblem(problem: ConfigProblem): string {
  const head = [formatPlace(problem.place), problem.path, problem.code].filter(
    (part) => part !== '',
  )
  const lines = [head.join('  '), `  ${problem.rule}`]
  if (problem.seen !== null) lines.push(`  seen: ${problem.seen}`)
  if (problem.fix !== '') lines.push(`  fix:  ${problem.fix}`)
  return lines.join('\n')
}

/** Orders problems by file, line, column and drops exact repetitions. */
export function sortProblems(problems: readonly ConfigProblem[]): readonly ConfigProblem[] {
  const unique = new Map(problems.map((problem) => [JSON.stringify(problem), problem]))
  return [...unique.values()].toSorted(
    (left, right) =>
      compareText(left.place.file, right.place.file) ||
      left.place.line - right.place.line ||
      left.place.column - right.place.column,
  )
}

/**
 * All problems as the one error that `loadConfig` throws; its code is that of the first problem.
 */
export function errorFromProblems(problems: readonly ConfigProblem[]): SluiceError {
  const first = problems[0]
  if (first === undefined) {
    return new SluiceError('SLU-BUG-9001', { message: 'an invalid configuration without problems' })
  }
  const more = problems.length === 1 ? '' : ` (${problems.length} problems)`
  return new SluiceError(first.code, {
    message: `the configuration is not valid${more}\n${problems.map(formatProblem).join('\n')}`,
    context: { problems: problems.length, file: first.place.file, line: first.place.line },
    remedy:
      problems.length === 1
        ? first.fix || ERROR_CODES[first.code].remedy
        : ERROR_CODES[first.code].remedy,
  })
}

function compareText(left: string, right: string): number {
  return left < right ? -1 : left > right ? 1 : 0
}
