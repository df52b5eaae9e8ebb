/** `sluice check`: the configuration, the store and the sources, really reached. */

import { reachFindings, reportFindings } from '../checks.ts'
import { findPipelines, type VerbContext } from '../context.ts'

/** Exit code 10 when something fails; warnings pass. */
export async function checkVerb(context: VerbContext, name: string | undefined): Promise<number> {
  const config = await context.loadConfig()
  const pipelines = findPipelines(config, name ?? null)
  await using runtime = await context.openRuntime()
  return reportFindings(context, 'check', await reachFindings(runtime, pipelines))
}
