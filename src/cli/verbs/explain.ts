/** `sluice explain CODE`: what an error code means and what to do. */

import { ERROR_CODES, type ErrorCode, nearestName, SluiceError } from '../../model/index.ts'
import type { VerbContext } from '../context.ts'
import { docsAnchor } from '../errors.ts'
import { EXIT, exitCodeOf } from '../exit-codes.ts'

/** Takes `SLU-SRC-1203`, `slu-src-1203`, `SRC-1203` or `1203`. Throws SLU-CLI-8005. */
export async function explainVerb(context: VerbContext, typed: string): Promise<number> {
  const code = findCode(typed)
  const { kind, meaning, remedy } = ERROR_CODES[code]
  const exitCode = exitCodeOf(new SluiceError(code, { message: meaning }))
  const docs = docsAnchor(code)
  context.output.document('explain', { code, errorKind: kind, meaning, remedy, exitCode, docs })
  context.output.facts([
    ['code', code],
    ['kind', `${kind}: ${KIND_MEANING[kind]}`],
    ['meaning', meaning],
    ['remedy', remedy],
    ['exit code', String(exitCode)],
    ['docs', docs],
  ])
  return EXIT.ok
}

/** What Sluice does by itself about each kind. */
export const KIND_MEANING: Readonly<Record<(typeof ERROR_CODES)[ErrorCode]['kind'], string>> = {
  transient: 'may pass; a running pipeline tries again with back-off',
  conflict: 'another writer was faster; a running pipeline plans again',
  fenced: 'another instance has taken over; this one stops',
  'invalid-config': 'somebody has to change a setting, a right or the command',
  'bad-data': 'the data cannot be taken as it is; the pipeline stops before it',
  gap: 'changes are missing; the pipeline stops rather than skip them',
  unsupported: 'this version cannot do it',
  corrupt: 'something stored is damaged; nothing is written until it is repaired',
  bug: 'a fault of Sluice; the process stops before it can write wrong rows',
}

function findCode(typed: string): ErrorCode {
  const codes = Object.keys(ERROR_CODES) as ErrorCode[]
  const wanted = typed.trim().toUpperCase()
  const found = codes.filter((code) => code === wanted || code.endsWith(`-${wanted}`))
  if (found.length === 1 && found[0] !== undefined) return found[0]
  const nearest = nearestName(wanted, codes)
  throw new SluiceError('SLU-CLI-8005', {
    message: `there is no error code "${typed}"`,
    ...(nearest === null ? {} : { remedy: `Did you mean ${nearest}?` }),
  })
}
