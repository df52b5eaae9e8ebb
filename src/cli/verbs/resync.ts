/** `sluice resync TABLE…`: asks for fresh copies of tables, in place. */

import { requestCopy } from '../../ingest/index.ts'
import { SluiceError } from '../../model/index.ts'
import { type FoundTable, findTable, openTable, type VerbContext } from '../context.ts'
import { countText } from '../format.ts'

/** Options of the command. */
export interface ResyncOptions {
  readonly isDryRun: boolean
}

/** What was asked for one table. */
interface Request {
  readonly table: string
  readonly pipeline: string
  readonly stream: string
  /** Newest version that holds the rows as they are now. */
  readonly version: bigint
  readonly rowCount: bigint | null
  /** False when its copy is under way or asked for already. */
  readonly isNew: boolean
}

/** Checks every table before it asks for the first copy. */
export async function resyncVerb(
  context: VerbContext,
  names: readonly string[],
  { isDryRun }: ResyncOptions,
): Promise<number> {
  await using runtime = await context.openRuntime()
  const found = names.map((name) => requirePostgres(findTable(runtime.config, name)))
  const requests: Request[] = []
  for (const one of found) {
    await using table = await openTable(runtime, one)
    const base = await table.latest()
    const cursor = base.cursors(one.pipeline.name)[0]?.cursor
    const isNew = cursor?.phase === 'stream'
    if (isNew && !isDryRun) {
      await requestCopy({ table, pipeline: one.pipeline.name, base, cursor })
    }
    requests.push({
      table: one.target.table,
      pipeline: one.pipeline.name,
      stream: one.target.stream,
      version: base.version,
      rowCount: base.rowCount,
      isNew,
    })
  }
  report(context, requests, isDryRun)
  return 0
}

function requirePostgres(found: FoundTable): FoundTable {
  if (found.sourceType === 'postgres') return found
  throw new SluiceError('SLU-CLI-8006', {
    message: `${found.target.table} comes from a ${found.sourceType ?? 'missing'} source`,
    remedy: 'Only tables from Postgres can be copied again in place. Nothing was changed.',
  })
}

function report({ output }: VerbContext, requests: readonly Request[], isDryRun: boolean): void {
  output.document('resync', { dryRun: isDryRun, tables: requests })
  for (const { table, stream, version, rowCount, isNew } of requests) {
    const rows = rowCount === null ? 'its rows' : `${countText(rowCount)} rows`
    const verb = isDryRun ? 'would be' : 'is'
    output.text(
      isNew
        ? `${table} ${verb} copied again from ${stream}, replacing ${rows} in place\n` +
            `  as it is now: ${table} AT (VERSION => ${version})\n`
        : `${table} waits for its copy already\n`,
    )
  }
  const pipelines = [...new Set(requests.map(({ pipeline }) => pipeline))]
  if (!isDryRun) output.text(`the copy is made by: sluice run ${pipelines.join(' | ')}\n`)
}
