/** `sluice validate`: the configuration checked without reaching anything. */

import { sourceSpecs } from '../../compose.ts'
import { type ConfigProblem, checkConfig, formatProblem } from '../../config/index.ts'
import type { VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'

/** Options of the command. */
export interface ValidateOptions {
  readonly allowMissingEnv?: boolean
  readonly denyWarnings?: boolean
}

/** Lists every problem; exit code 78 when there is one. */
export async function validateVerb(
  context: VerbContext,
  given: string | undefined,
  options: ValidateOptions,
): Promise<number> {
  const { output } = context
  const path = given ?? (await context.configPath())
  const result = checkConfig(path, await sourceSpecs(), {
    allowMissingVariables: options.allowMissingEnv === true,
  })
  const problems = result.kind === 'invalid' ? result.problems : []
  const warnings = result.kind === 'incomplete' ? result.warnings : []
  const isValid = problems.length === 0 && !(options.denyWarnings === true && warnings.length > 0)
  output.document('validate', { path, valid: isValid, problems, warnings })
  if (!output.isJson) {
    if (problems.length > 0) context.host.stderr.write(problemsText(problems, 'problem'))
    if (warnings.length > 0) context.host.stderr.write(problemsText(warnings, 'warning'))
  }
  if (isValid) {
    const tables =
      result.kind === 'valid' ? result.config.pipelines.flatMap((pipeline) => pipeline.targets) : []
    const counted =
      result.kind === 'valid'
        ? `${result.config.pipelines.length} pipelines, ${tables.length} tables`
        : 'variables are missing'
    output.text(`${path} is valid (${counted})\n`)
  }
  return isValid ? EXIT.ok : EXIT.config
}

/** All problems and their count, for people. */
export function problemsText(problems: readonly ConfigProblem[], word: string): string {
  const count = problems.length === 1 ? `1 ${word}` : `${problems.length} ${word}s`
  return `${problems.map(formatProblem).join('\n\n')}\n\n${count}\n`
}
