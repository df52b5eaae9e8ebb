/** `sluice doctor`: all of `check`, and the machine and the tables as well. */

import { reachFindings, reportFindings } from '../checks.ts'
import { findPipelines, listTables, type VerbContext } from '../context.ts'
import { machineFindings, readMachine } from '../machine-checks.ts'
import { listingFinding } from '../store-checks.ts'
import { tableFindings } from '../table-checks.ts'

/** Exit code 10 when something fails; warnings pass. */
export async function doctorVerb(context: VerbContext, name: string | undefined): Promise<number> {
  const config = await context.loadConfig()
  const pipelines = findPipelines(config, name ?? null)
  await using runtime = await context.openRuntime()
  const names = new Set(pipelines.map((pipeline) => pipeline.name))
  const tables = listTables(runtime.config).filter(({ pipeline }) => names.has(pipeline.name))
  return reportFindings(context, 'doctor', [
    ...machineFindings(await readMachine(config), pipelines),
    ...(await reachFindings(runtime, pipelines)),
    await listingFinding(runtime),
    ...(await tableFindings(runtime, tables)),
  ])
}
