/** Arguments → the command that is meant, its options read and checked. */

import { Command, CommanderError, InvalidArgumentError, Option } from 'commander'
import { parseDurationMs, SluiceError } from '../model/index.ts'
import { EXIT_MEANINGS } from './exit-codes.ts'
import type { TextStream } from './host.ts'
import type { GlobalOptions } from './output.ts'
import { GLOBAL_OPTIONS, VERBS } from './verb-list.ts'
import type { OptionSpec, Parsed, VerbSpec } from './verb-spec.ts'

/** What the arguments ask for. */
export type Request =
  | {
      readonly kind: 'verb'
      readonly verb: VerbSpec
      readonly parsed: Parsed
      readonly globals: GlobalOptions
    }
  /** Help was printed. */
  | { readonly kind: 'done' }

/** Parses the arguments; help goes to `stdout`. Throws SLU-CLI-8001. */
export async function parseArguments(
  args: readonly string[],
  stdout: TextStream,
): Promise<Request> {
  let request: Request = { kind: 'done' }
  const program = buildProgram(stdout, (found) => {
    request = found
  })
  if (args.length === 0) {
    stdout.write(program.helpInformation())
    return request
  }
  try {
    await program.parseAsync(args, { from: 'user' })
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error
    if (error.exitCode === 0) return { kind: 'done' }
    throw new SluiceError('SLU-CLI-8001', {
      message: error.message.replace(/^error: /, '').replaceAll('\n', ' '),
      cause: error,
    })
  }
  return request
}

/**
 * True when the arguments ask for JSON, told before they are parsed so that a wrong one is told in
 * JSON too.
 */
export function asksForJson(args: readonly string[]): boolean {
  const end = args.indexOf('--')
  return (end === -1 ? args : args.slice(0, end)).includes('--json')
}

/** The help of the program and of every command, for the reference page. */
export function helpTexts(): readonly { readonly name: string; readonly text: string }[] {
  const program = buildProgram({ write: () => undefined, columns: HELP_WIDTH }, () => undefined)
  const commands = program.commands.map((command) => ({
    name: command.name(),
    text: command.helpInformation() + afterText(command.name()),
  }))
  return [{ name: '', text: program.helpInformation() }, ...commands]
}

const HELP_WIDTH = 100

function buildProgram(
  stdout: TextStream,
  onVerb: (request: Request & { readonly kind: 'verb' }) => void,
): Command {
  const program = new Command('sluice')
    .description('Streams of changes into Delta tables, exactly once, read with SQL.')
    .exitOverride()
    .showSuggestionAfterError(true)
    .helpCommand(false)
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: () => undefined,
      getOutHelpWidth: () => Math.min(stdout.columns || HELP_WIDTH, HELP_WIDTH),
    })
  for (const option of GLOBAL_OPTIONS) program.addOption(toOption(option))
  program.addHelpText('after', `\n${exitCodeHelp()}`)
  for (const verb of VERBS) {
    const command = program.command(verb.usage).summary(verb.summary).helpGroup(`${verb.group}:`)
    command.description(verb.summary + (verb.details === undefined ? '' : `\n${verb.details}`))
    for (const option of verb.options) command.addOption(toOption(option))
    command.addHelpText('after', afterText(command.name()))
    command.action(() => {
      const globals = program.opts<GlobalOptions>()
      const parsed = {
        args: command.processedArgs as (string | undefined)[],
        options: command.opts(),
      }
      onVerb({ kind: 'verb', verb, parsed, globals })
    })
  }
  return program
}

function toOption({ flags, meaning, parse, byDefault, isRequired }: OptionSpec): Option {
  const option = new Option(flags, meaning)
  if (isRequired === true) option.makeOptionMandatory()
  if (parse === 'count') option.argParser(parseCount)
  else if (parse === 'duration') option.argParser(parseDuration)
  else if (parse !== undefined) option.choices(parse)
  if (byDefault !== undefined) {
    const value = parse === 'duration' ? parseDuration(String(byDefault)) : byDefault
    option.default(value, String(byDefault))
  }
  return option
}

function parseCount(text: string): number {
  if (/^[1-9]\d{0,14}$/.test(text)) return Number(text)
  throw new InvalidArgumentError('It must be a whole number from 1.')
}

function parseDuration(text: string): number {
  const ms = parseDurationMs(text)
  if (ms === null) throw new InvalidArgumentError('It must be a duration such as 500ms, 10s or 5m.')
  return ms
}

function exitCodeHelp(): string {
  const lines = EXIT_MEANINGS.map(([code, meaning]) => `  ${String(code).padStart(3)}  ${meaning}`)
  return `Exit codes:\n${lines.join('\n')}\n\nHelp for one command: sluice COMMAND --help\n`
}

function afterText(name: string): string {
  const verb = VERBS.find(({ usage }) => usage.split(' ')[0] === name)
  if (verb === undefined || verb.examples.length === 0) return ''
  const lines = verb.examples.map(([line, note]) =>
    note === '' ? `  ${line}` : `  ${line}\n      ${note}`,
  )
  return `\nExamples:\n${lines.join('\n')}\n`
}
