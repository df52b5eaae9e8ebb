/**
 * What `check` and `doctor` look at: one list of findings in two depths. Each has what was seen and
 * what to do.
 */

import type { Runtime } from '../compose.ts'
import type { PipelineSettings, SourceCheck } from '../contracts/index.ts'
import type { VerbContext } from './context.ts'
import { asSluiceError } from './errors.ts'
import { EXIT, exitCodeOf } from './exit-codes.ts'

/** One line of a report. */
export interface Finding extends SourceCheck {
  /** `machine`, `store`, `table orders`, or the name of a pipeline. */
  readonly subject: string
  /** How the command ends because of it, when an error says more than that something failed. */
  readonly exitCode?: number
}

/** All is well. */
export function fine(subject: string, name: string, seen: string): Finding {
  return { subject, name, status: 'ok', seen, remedy: '' }
}

/** It works, and may not for long. */
export function warning(subject: string, name: string, seen: string, remedy: string): Finding {
  return { subject, name, status: 'warn', seen, remedy }
}

/** What a question ended with instead of an answer. */
export function failure(subject: string, name: string, thrown: unknown): Finding {
  const error = asSluiceError(thrown)
  const seen = `${error.code}: ${error.message}`
  const exitCode = exitCodeOf(error)
  return { subject, name, status: 'fail', seen, remedy: error.remedy, exitCode }
}

/** The store and the sources, really reached. */
export async function reachFindings(
  runtime: Runtime,
  pipelines: readonly PipelineSettings[],
): Promise<readonly Finding[]> {
  const findings: Finding[] = []
  try {
    await runtime.probeStore()
    const seen = `${runtime.store.url} is writable; one of two racing writers wins`
    findings.push(fine('store', 'conditional write', seen))
  } catch (error) {
    findings.push(failure('store', 'conditional write', error))
  }
  for (const settings of pipelines) {
    try {
      await using source = await runtime.openSource(settings)
      const checks = await source.check(
        settings.targets.map((target) => target.stream),
        settings.selection?.patterns,
      )
      findings.push(...checks.map((check) => ({ ...check, subject: settings.name })))
    } catch (error) {
      findings.push(failure(settings.name, 'reach', error))
    }
  }
  return findings
}

/**
 * Prints the findings, what to do below each that is not well, and returns the exit code: of the
 * last error, else 10 when something fails; warnings pass.
 */
export function reportFindings(
  { output }: VerbContext,
  kind: 'check' | 'doctor',
  findings: readonly Finding[],
): number {
  const failures = findings.filter((finding) => finding.status === 'fail')
  const checks = findings.map(({ subject, name, status, seen, remedy }) => ({
    ...{ subject, name, status, seen, remedy },
  }))
  output.document(kind, { ok: failures.length === 0, checks })
  output.table(
    [
      { title: 'result', align: 'left' },
      { title: 'part', align: 'left' },
      { title: 'check', align: 'left' },
      { title: 'seen', align: 'left' },
    ],
    findings.map((finding) => [finding.status, finding.subject, finding.name, finding.seen]),
  )
  const open = findings.filter(({ remedy }) => remedy !== '')
  for (const { subject, name, status, remedy } of open) {
    output.text(`\n${status}  ${subject}, ${name}:\n  ${remedy}\n`)
  }
  if (failures.length === 0) return EXIT.ok
  return (
    failures.findLast((finding) => finding.exitCode !== undefined)?.exitCode ?? EXIT.differences
  )
}
