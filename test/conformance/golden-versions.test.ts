/**
 * Tables that Spark and delta-rs wrote: at every version we read what the delta extension reads,
 * names, types and rows, and where one of us reads nothing the reason stands here.
 */

import { existsSync, rmSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Table } from '../../src/contracts/index.ts'
import { isSluiceError } from '../../src/model/index.ts'
import { createSystemClock } from '../../src/observe/index.ts'
import { createLocalObjectStore } from '../../table-format/object-store/index.ts'
import { expectSame, load, loadOurs, type Reading } from '../support/conformance/compare.ts'
import { type Lake, openLake } from '../support/conformance/lake.ts'
import {
  findOtherEngines,
  OTHER_ENGINES_HINT,
  type OtherEngines,
} from '../support/conformance/other-engines.ts'
import {
  GOLDEN_FOLDER,
  goldenTables,
  hasGolden,
  NO_TABLE,
  REFUSED,
  unpackGolden,
  WITHOUT_COLUMNS,
  WITHOUT_FILES,
} from '../support/golden.ts'
import { isMissing } from '../support/require.ts'

const engines = findOtherEngines() as OtherEngines
const skipped =
  isMissing('golden tables in other engines', OTHER_ENGINES_HINT, engines !== null) ||
  isMissing('golden Delta tables', '../shared/golden', hasGolden())

/** Where the extension is at fault; the golden test holds these against the rows they come with. */
const EXTENSION_FAULTS: Readonly<Record<string, string>> = {
  'data-reader-timestamp_ntz-id-mode':
    'it reads a mapped partition column of zoneless timestamps as NULL',
  'data-reader-timestamp_ntz-name-mode':
    'it reads a mapped partition column of zoneless timestamps as NULL',
  'parquet-all-types-legacy-format': 'it ends in an internal error on lists of the legacy form',
}

/** Unpacked tables with data files. */
const FOLDERS = ['table-with-dv-small', 'with-short-dv']

const clock = createSystemClock()
const compared = { tables: 0, versions: 0, rows: 0, skipped: new Map<string, number>() }

describe.skipIf(skipped)('golden tables at every version', () => {
  let lake: Lake

  beforeAll(async () => {
    lake = await openLake([engines.deltaExtension])
  })

  afterAll(async () => {
    await lake?.[Symbol.asyncDispose]()
    const { tables, versions, rows } = compared
    const reasons = [...compared.skipped].map(([reason, count]) => `${count}: ${reason}`)
    console.log(
      `golden tables: ${versions} versions of ${tables} tables compared with the delta ` +
        `extension, ${rows} rows; versions left out: ${reasons.join('; ')}`,
    )
  })

  const skip = (reason: string): void => {
    compared.skipped.set(reason, (compared.skipped.get(reason) ?? 0) + 1)
  }

  async function read(deed: () => Promise<Reading>): Promise<Reading | string> {
    try {
      return await deed()
    } catch (error) {
      if (isSluiceError(error)) return error.code
      throw error
    }
  }

  async function compareVersions(name: string, folder: string): Promise<void> {
    const store = await createLocalObjectStore(dirname(folder), clock)
    await using table = (await lake.formatOver(store).open(basename(folder))) as Table
    const { version: newest } = await table.latest()
    for (let version = 0n; version <= newest; version++) {
      const ours = await read(() => loadOurs(lake, table, version))
      if (typeof ours === 'string') {
        skip(whyUnreadable(name, version, ours))
        continue
      }
      if (EXTENSION_FAULTS[name] !== undefined || WITHOUT_FILES.has(name)) {
        skip(EXTENSION_FAULTS[name] ?? 'the extension asks for files that are not live')
        continue
      }
      const sql = `SELECT * FROM delta_scan('${folder}', version = ${version})`
      await expectSame(lake, ours, await load(lake, 'theirs', sql))
      compared.versions += 1
      compared.rows += ours.rowCount
    }
    compared.tables += 1
    await store[Symbol.asyncDispose]()
  }

  /** Expects a code that the table may end in at a version, and says why. */
  function whyUnreadable(name: string, version: bigint, code: string): string {
    if (WITHOUT_FILES.has(name)) {
      // What lies outside the store is looked for by the engine alone.
      expect(['SLU-STO-2005', 'SLU-ENG-7003'], `${version}`).toContain(code)
      return 'the archive lacks its files'
    }
    if (WITHOUT_COLUMNS.has(name)) {
      expect(code, `${version}`).toBe('SLU-TAB-3010')
      return 'it has no columns'
    }
    expect([name, code]).toEqual(['only-checkpoint-files', 'SLU-TAB-3003'])
    return 'its log begins at a checkpoint'
  }

  const isRead = (name: string): boolean => REFUSED[name] === undefined && !NO_TABLE.has(name)
  it.for(skipped ? [] : goldenTables().filter(isRead))('reads %s', async (name) => {
    const unpacked = await unpackGolden(name)
    const inner = join(unpacked, 'delta')
    await compareVersions(name, existsSync(inner) ? inner : unpacked)
    rmSync(dirname(unpacked), { recursive: true })
  })

  it.for(FOLDERS)('reads the folder %s', async (name) => {
    await compareVersions(name, join(GOLDEN_FOLDER, 'delta/dirs', name))
  })
})
