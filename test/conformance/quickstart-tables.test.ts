/** The tables of a short run of the quickstart are read identically by other engines. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Table } from '../../src/contracts/index.ts'
import { expectSame, load, loadOurs } from '../support/conformance/compare.ts'
import { type Lake, openLakeAt } from '../support/conformance/lake.ts'
import {
  exportWithDeltaRs,
  findOtherEngines,
  OTHER_ENGINES_HINT,
  type OtherEngines,
} from '../support/conformance/other-engines.ts'
import { isMissing } from '../support/require.ts'
import { startSluice } from '../torture/sluice-process.ts'

const engines = findOtherEngines()
const skipped = isMissing('conformance of the quickstart', OTHER_ENGINES_HINT, engines !== null)

const TABLES = ['customers', 'products', 'orders', 'order_items'] as const
/** Commits after the copy, so that vectors were written and merged. */
const ORDERS_VERSION_MIN = 8
const START_MS_MAX = 90_000
const STOP_MS_MAX = 60_000

/** Runs the quickstart in `folder` until it has made some commits, then ends it with Ctrl-C. */
async function runQuickstart(folder: string): Promise<void> {
  const quickstart = startSluice(folder, ['quickstart'])
  try {
    const giveUpAt = performance.now() + START_MS_MAX
    for (let version = 0; version < ORDERS_VERSION_MIN; ) {
      if (quickstart.ending()) expect.fail(`it ended: ${quickstart.ending()?.output}`)
      if (performance.now() > giveUpAt) expect.fail(`orders stayed at version ${version}`)
      const sql = "select max(_commit_version) as newest from changes('orders', 'beginning')"
      const { output } = await startSluice(folder, ['sql', sql, '--json']).ended
      version = newestVersion(output)
    }
    quickstart.signal('SIGINT')
    const ending = await quickstart.endedWithin(STOP_MS_MAX)
    expect(ending?.output).toContain('Stopped.')
  } finally {
    // A clean end first: a killed quickstart leaves its database running, to be found again.
    quickstart.signal('SIGTERM')
    await quickstart.endedWithin(STOP_MS_MAX)
    quickstart.signal('SIGKILL')
  }
}

/** The one value of the answer; 0 while there is no table or no change yet. */
function newestVersion(output: string): number {
  if (!output.startsWith('{')) return 0
  const { rows } = JSON.parse(output) as { readonly rows?: readonly (readonly unknown[])[] }
  return Number(rows?.[0]?.[0] ?? 0)
}

describe.skipIf(skipped)('tables of the quickstart', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-quickstart-'))
  let lake: Lake

  beforeAll(async () => {
    await runQuickstart(folder)
    const lakeFolder = join(folder, '.sluice/quickstart/lake')
    lake = await openLakeAt(lakeFolder, [(engines as OtherEngines).deltaExtension])
  }, 2 * START_MS_MAX)

  afterAll(async () => {
    await lake?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  async function newestOf(
    name: string,
  ): Promise<{ readonly table: Table; readonly newest: bigint }> {
    const table = (await lake.format.open(name)) as Table
    const snapshot = await table.latest()
    return { table, newest: snapshot.version }
  }

  it('have deletion vectors', async () => {
    const { table } = await newestOf('orders')
    const files = [...(await table.latest()).files()]
    expect(files.filter(({ deletionVector }) => deletionVector !== null)).not.toEqual([])
  })

  it.each(TABLES)('are read by delta-rs as we read them: %s', async (name) => {
    const { table, newest } = await newestOf(name)
    const versions = [1n, newest / 2n, newest]
    const output = join(folder, 'delta-rs', name)
    await exportWithDeltaRs(engines as OtherEngines, join(lake.folder, name), output, versions)
    for (const version of versions) {
      const ours = await loadOurs(lake, table, version)
      const theirs = await load(lake, 'theirs', `SELECT * FROM '${output}/${version}.parquet'`)
      await expectSame(lake, ours, theirs)
    }
  })

  it.each(TABLES)('are read by the delta extension as we read them: %s', async (name) => {
    const { table, newest } = await newestOf(name)
    const ours = await loadOurs(lake, table, newest)
    expect(ours.rowCount).toBeGreaterThan(0)
    const sql = `SELECT * FROM delta_scan('${join(lake.folder, name)}')`
    await expectSame(lake, ours, await load(lake, 'theirs', sql))
  })
})
