/** Where a command writes: data to stdout, everything else to stderr, as its options ask. */

import type { Host } from './host.ts'
import { documentText } from './json.ts'
import { drawFacts, drawTable, type TextColumn } from './text-table.ts'

/** Options that every command has. */
export interface GlobalOptions {
  readonly config?: string
  readonly json?: boolean
  readonly quiet?: boolean
  readonly verbose?: boolean
  readonly color?: boolean
  /** False with --no-input. */
  readonly input?: boolean
}

/** The two streams with the manners that the options ask for. */
export interface Output {
  readonly isJson: boolean
  readonly isQuiet: boolean
  readonly isVerbose: boolean
  /** True when stdout is a terminal that may be drawn on. */
  readonly isTerminal: boolean
  /** True when stderr is a terminal whose last line may be redrawn. */
  readonly isLive: boolean
  /** Prints text for people to stdout as it is; nothing with --json. */
  text(text: string): void
  /** Prints the one document of the command with --json; nothing without. */
  document(kind: string, content: object): void
  /** Prints an aligned table; nothing with --json. */
  table(columns: readonly TextColumn[], rows: readonly (readonly string[])[]): void
  /** Prints `name  value` lines; nothing with --json. */
  facts(facts: readonly (readonly [string, string])[]): void
  /** Prints data to stdout whatever the options say. */
  data(text: string): void
  /** Prints a note to stderr; nothing with --quiet. */
  note(text: string): void
}

/** Characters of a cell on a terminal; longer values are cut there, never in a pipe. */
const CELL_WIDTH_MAX = 60

/** Builds the output of one command. */
export function createOutput(host: Host, options: GlobalOptions): Output {
  const { environment } = host
  const isTerminal = host.stdout.isTTY === true
  const isColored = isTerminal && !environment.noColor && options.color !== false
  const isJson = options.json === true
  const isQuiet = options.quiet === true
  const forPeople = (text: string): void => {
    if (!isJson) host.stdout.write(text)
  }
  const style = { cellWidthMax: isTerminal ? CELL_WIDTH_MAX : null, isColored }
  return {
    isJson,
    isQuiet,
    isVerbose: options.verbose === true,
    isTerminal,
    isLive: host.stderr.isTTY === true && !environment.isDumb && !isJson && !isQuiet,
    text: forPeople,
    document: (kind, content) => {
      if (isJson) host.stdout.write(documentText(kind, content))
    },
    table: (columns, rows) => forPeople(drawTable(columns, rows, style)),
    facts: (facts) => forPeople(drawFacts(facts)),
    data: (text) => {
      host.stdout.write(text)
    },
    note: (text) => {
      if (!isQuiet) host.stderr.write(`${text}\n`)
    },
  }
}
