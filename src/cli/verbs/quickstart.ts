/** `sluice quickstart`: the demo in one command. */

import { runQuickstart } from '../../quickstart/index.ts'
import type { VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'

/** Runs the demo below the present folder until a signal ends it. */
export async function quickstartVerb({ host, output }: VerbContext): Promise<number> {
  const signal = host.interrupts.drain()
  await runQuickstart({
    folder: host.folder,
    signal,
    output: output.isQuiet ? { write: () => undefined } : host.stderr,
    clock: host.clock,
    processId: host.processId,
  })
  return EXIT.ok
}
