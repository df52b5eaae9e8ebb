/** What a command is, as data: the parser, the help and the reference page are made of it. */

import type { VerbContext } from './context.ts'

/** The hidden command that completion scripts call; it stands in no list. */
export const COMPLETE_COMMAND = '__complete'

/** An option of a command. */
export interface OptionSpec {
  /** As commander reads it: `--limit <n>`. */
  readonly flags: string
  readonly meaning: string
  /** How the text is read; default: as it is. */
  readonly parse?: 'count' | 'duration' | readonly string[]
  readonly byDefault?: string | number
  readonly isRequired?: boolean
}

/** What the parser found: arguments in order, options by name. */
export interface Parsed {
  readonly args: readonly (string | undefined)[]
  readonly options: Readonly<Record<string, unknown>>
}

/** A command. */
export interface VerbSpec {
  /** Name and arguments as commander reads them: `show <table>`, `run [pipeline]`. */
  readonly usage: string
  readonly group: string
  readonly summary: string
  /** More lines for the help of the command. */
  readonly details?: string
  /** What stands for `<action>`, with what it does. */
  readonly actions?: readonly (readonly [string, string])[]
  readonly options: readonly OptionSpec[]
  /** Command lines with what they do. */
  readonly examples: readonly (readonly [string, string])[]
  /** Loads the command's code and runs it; returns the exit code. */
  run(context: VerbContext, parsed: Parsed): Promise<number>
}
