/** Pages printed from the code: docs/reference/cli.md and docs/reference/errors.md. */

import { ERROR_CODES, type ErrorCode, SluiceError } from '../model/index.ts'
import { EXIT_MEANINGS, exitCodeOf } from './exit-codes.ts'
import { helpTexts } from './program.ts'
import { KIND_MEANING } from './verbs/explain.ts'

const PRINTED =
  '<!-- Printed from the code by `node test/support/print-reference.ts`; do not edit. -->'

/** The page of all commands. */
export function printCliReference(): string {
  const [program, ...commands] = helpTexts()
  const parts = [
    '# Command line reference',
    PRINTED,
    INTRO,
    '## Exit codes',
    [
      '| code | meaning |',
      '|---|---|',
      ...EXIT_MEANINGS.map(([code, text]) => `| ${code} | ${text} |`),
    ].join('\n'),
    '## sluice',
    fenced(program?.text ?? ''),
    ...commands.flatMap(({ name, text }) => [`## sluice ${name}`, fenced(text)]),
  ]
  return `${parts.join('\n\n')}\n`
}

const INTRO = `\
Data goes to stdout, everything else to stderr. On a terminal wide cells are cut; in a pipe
they are not, and no colour or cursor movement is ever sent. With \`--json\` each command prints one
JSON document with \`schemaVersion\` and \`kind\`; positions, versions and other 64-bit numbers are
strings; errors are JSON documents on stderr. Times are UTC.

Environment: \`SLUICE_CONFIG\` names the configuration, \`SLUICE_LOG_LEVEL\` is debug, info, warn,
error or silent, \`NO_COLOR\` switches colour off.`

/** The page of all error codes, one heading each, in the order of their rooms and numbers. */
export function printErrorReference(): string {
  const codes = (Object.keys(ERROR_CODES) as ErrorCode[]).toSorted()
  const kinds = Object.entries(KIND_MEANING).map(([kind, meaning]) => `| ${kind} | ${meaning} |`)
  const entries = codes.map((code) => {
    const { kind, meaning, remedy } = ERROR_CODES[code]
    const exitCode = exitCodeOf(new SluiceError(code, { message: meaning }))
    const end = `Kind ${kind}, exit code ${exitCode}.`
    return [`## ${code}`, meaning, `**Remedy:** ${remedy}`, end].join('\n\n')
  })
  const parts = [
    '# Error codes',
    PRINTED,
    'The same codes stand in messages, logs, metrics and JSON; `sluice explain CODE` prints one.',
    ['| kind | what happens |', '|---|---|', ...kinds].join('\n'),
    ...entries,
  ]
  return `${parts.join('\n\n')}\n`
}

function fenced(text: string): string {
  return `\`\`\`text\n${text.trimEnd()}\n\`\`\``
}
