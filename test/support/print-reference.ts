/**
 * Prints the reference pages from the code: `node test/support/print-reference.ts` writes them,
 * and a test compares what it would write with what is there.
 */

import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { printCliReference, printErrorReference } from '../../src/cli/index.ts'
import { sourceSpecs } from '../../src/compose.ts'
import { printConfigReference } from '../../src/config/index.ts'
import { printMetricsReference } from '../../src/observe/index.ts'

const FOLDER = path.resolve(import.meta.dirname, '../../docs/reference')

/** File path → what it must hold. */
export async function referencePages(): Promise<ReadonlyMap<string, string>> {
  return new Map([
    [path.join(FOLDER, 'config.md'), printConfigReference(await sourceSpecs())],
    [path.join(FOLDER, 'errors.md'), printErrorReference()],
    [path.join(FOLDER, 'cli.md'), printCliReference()],
    [path.join(FOLDER, 'metrics.md'), printMetricsReference()],
  ])
}

if (import.meta.main) {
  for (const [file, text] of await referencePages()) writeFileSync(file, text)
}
