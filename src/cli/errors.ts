/**
 * An error as people and machines read it: code, cause, what is at stake and what to do, where to
 * read more.
 */

import { ERROR_CODES, isSluiceError, SluiceError } from '../model/index.ts'
import { exitCodeOf } from './exit-codes.ts'
import { documentText } from './json.ts'

/** Any thrown value as a coded error; what is not ours is a bug. */
export function asSluiceError(error: unknown): SluiceError {
  if (isSluiceError(error)) return error
  const message = error instanceof Error ? error.message : String(error)
  return new SluiceError('SLU-BUG-9001', { message: `unexpected: ${message}`, cause: error })
}

/** Anchor of a code in the docs. */
export function docsAnchor(code: string): string {
  return `docs/reference/errors.md#${code.toLowerCase()}`
}

/** The lines for people. */
export function errorText(error: SluiceError, options: { readonly isVerbose: boolean }): string {
  const { meaning } = ERROR_CODES[error.code]
  const lines = [`error: ${error.code}  ${error.message}`]
  if (!error.message.includes(meaning)) lines.push(`  meaning: ${meaning}`)
  lines.push(`  remedy:  ${error.remedy}`)
  lines.push(`  more:    sluice explain ${error.code}  (${docsAnchor(error.code)})`)
  if (options.isVerbose) lines.push(...verboseLines(error))
  else if (error.kind === 'bug') lines.push('  --verbose shows where it happened')
  return `${lines.join('\n')}\n`
}

/** The document for machines. */
export function errorDocument(error: SluiceError): string {
  return documentText('error', {
    error: {
      code: error.code,
      kind: error.kind,
      message: error.message,
      meaning: ERROR_CODES[error.code].meaning,
      remedy: error.remedy,
      docs: docsAnchor(error.code),
      context: error.context,
    },
    exitCode: exitCodeOf(error),
  })
}

function verboseLines(error: SluiceError): readonly string[] {
  const lines = Object.entries(error.context).map(([name, value]) => `  ${name}: ${String(value)}`)
  let current: unknown = error
  // A bound against causes that go in a circle.
  for (let depth = 0; depth < 8 && current instanceof Error; depth++) {
    lines.push(...(current.stack ?? current.message).split('\n').map((line) => `  ${line}`))
    current = current.cause
    if (current instanceof Error) lines.push('  caused by:')
  }
  return lines
}
