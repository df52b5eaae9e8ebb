/**
 * Words to complete a command line with: `sluice __complete WORDS…`, which the scripts of
 * `sluice completion` call with the words up to the cursor, the last one in part.
 */

import { ERROR_CODES } from '../model/index.ts'
import { GLOBAL_OPTIONS, VERBS } from './verb-list.ts'
import type { OptionSpec, VerbSpec } from './verb-spec.ts'

/** Names that only the configuration knows. */
export interface LiveNames {
  readonly pipelines: readonly string[]
  readonly tables: readonly string[]
  readonly sources: readonly string[]
}

/** A word with what it means; shells that can show the second. */
export type Candidate = readonly [word: string, meaning: string]

/**
 * Candidates for the last of `words`; none where a path is wanted, or nothing is known: shells then
 * complete files. `liveNames` is asked only when names are wanted, with the value of --config.
 */
export async function completeWords(
  words: readonly string[],
  liveNames: (config: string | null) => Promise<LiveNames>,
): Promise<readonly Candidate[]> {
  const current = words.at(-1) ?? ''
  const line = readLine(words.slice(0, -1))
  const candidates = await candidatesFor(current, line, liveNames)
  return candidates.filter(([word]) => word.startsWith(current))
}

/** What stands before the word in question. */
interface Line {
  readonly verb: VerbSpec | null
  readonly arguments: readonly string[]
  /** The option whose value comes next. */
  readonly pending: OptionSpec | null
  readonly config: string | null
  /** After `--`: no more options. */
  readonly isPlain: boolean
}

function readLine(words: readonly string[]): Line {
  let verb: VerbSpec | null = null
  let pending: OptionSpec | null = null
  let config: string | null = null
  let isPlain = false
  const args: string[] = []
  for (const word of words) {
    if (pending !== null) {
      if (pending.flags.includes('--config')) config = word
      pending = null
    } else if (word === '--') isPlain = true
    else if (word.startsWith('-') && !isPlain) {
      const [flag = '', value] = word.split('=')
      const option = optionsOf(verb).find(({ flags }) => flagsOf(flags).includes(flag))
      if (option !== undefined && value === undefined && takesValue(option)) pending = option
      if (option?.flags.includes('--config') && value !== undefined) config = value
    } else if (verb === null) verb = VERBS.find((one) => nameOf(one) === word) ?? null
    else args.push(word)
  }
  return { verb, arguments: args, pending, config, isPlain }
}

async function candidatesFor(
  current: string,
  line: Line,
  liveNames: (config: string | null) => Promise<LiveNames>,
): Promise<readonly Candidate[]> {
  const { verb, pending, config } = line
  if (pending !== null) {
    return Array.isArray(pending.parse) ? pending.parse.map((choice) => [choice, '']) : []
  }
  if (current.startsWith('-') && !line.isPlain) {
    return optionsOf(verb).flatMap(({ flags, meaning }) =>
      flagsOf(flags)
        .filter((flag) => flag.startsWith('--'))
        .map((flag): Candidate => [flag, meaning]),
    )
  }
  if (verb === null) return VERBS.map((one) => [nameOf(one), one.summary])
  const wanted = wantedArgument(verb, line.arguments.length)
  switch (wanted) {
    case 'code':
      return Object.entries(ERROR_CODES).map(([code, { meaning }]) => [code, meaning])
    case 'template':
      return [
        ['postgres', 'a database'],
        ['files', 'a folder of files'],
      ]
    case 'shell':
      return ['bash', 'zsh', 'fish'].map((shell) => [shell, ''])
    case 'action':
      return verb.actions ?? []
    case 'source':
      return (await liveNames(config)).sources.map((name) => [name, 'source'])
    case 'pipeline':
      return (await liveNames(config)).pipelines.map((name) => [name, 'pipeline'])
    case 'table':
      return (await liveNames(config)).tables.map((name) => [name, 'table'])
    default:
      return []
  }
}

/** Name of the argument at that place, in the singular: `<tables...>` → `table`. */
function wantedArgument({ usage }: VerbSpec, index: number): string | null {
  const names = usage.split(' ').slice(1)
  const last = names.at(-1)
  const found = names[index] ?? (last?.includes('...') ? last : undefined)
  return found?.replaceAll(/[<>[\].]/g, '').replace(/s$/, '') ?? null
}

function nameOf({ usage }: VerbSpec): string {
  return usage.split(' ')[0] ?? usage
}

function optionsOf(verb: VerbSpec | null): readonly OptionSpec[] {
  const help: OptionSpec = { flags: '-h, --help', meaning: 'what the command does, with examples' }
  return [...(verb?.options ?? []), ...GLOBAL_OPTIONS, help]
}

/** `-c, --config <path>` → both spellings. */
function flagsOf(flags: string): readonly string[] {
  return flags.match(/(?<![\w<])--?[\w-]+/g) ?? []
}

function takesValue({ flags }: OptionSpec): boolean {
  return flags.includes('<')
}
