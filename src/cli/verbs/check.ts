/** `sluice check`: the configuration, the store and the sources, really reached. */

import type { SourceCheck } from '../../contracts/index.ts'
import { findPipelines, type VerbContext } from '../context.ts'
import { asSluiceError } from '../errors.ts'
import { EXIT, exitCodeOf } from '../exit-codes.ts'

interface Finding extends SourceCheck {
  /** `store`, or the name of a pipeline. */
  readonly subject: string
}

/** Exit code 10 when something fails; warnings pass. */
export async function checkVerb(context: VerbContext, name: string | undefined): Promise<number> {
  const config = await context.loadConfig()
  const pipelines = findPipelines(config, name ?? null)
  await using runtime = await context.openRuntime()
  const findings: Finding[] = []
  let exitCode: number = EXIT.ok
  const failed = (subject: string, check: string, thrown: unknown): void => {
    const error = asSluiceError(thrown)
    exitCode = exitCodeOf(error)
    const seen = `${error.code}: ${error.message}`
    findings.push({ subject, name: check, status: 'fail', seen, remedy: error.remedy })
  }
  try {
    await runtime.probeStore()
    const seen = `${runtime.store.url} is writable; one of two racing writers wins`
    findings.push({ subject: 'store', name: 'conditional write', status: 'ok', seen, remedy: '' })
  } catch (error) {
    failed('store', 'conditional write', error)
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
      failed(settings.name, 'reach', error)
    }
  }
  const failures = findings.filter((finding) => finding.status === 'fail')
  if (failures.length > 0 && exitCode === EXIT.ok) exitCode = EXIT.differences
  const { output } = context
  output.document('check', { ok: failures.length === 0, checks: findings })
  output.table(
    [
      { title: 'part', align: 'left' },
      { title: 'check', align: 'left' },
      { title: 'result', align: 'left' },
      { title: 'seen', align: 'left' },
    ],
    findings.map((finding) => [finding.subject, finding.name, finding.status, finding.seen]),
  )
  for (const finding of findings.filter((candidate) => candidate.remedy !== '')) {
    output.text(`\n${finding.subject} ${finding.name}: ${finding.remedy}\n`)
  }
  return exitCode
}
