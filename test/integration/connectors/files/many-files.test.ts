import { linkSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { appendFile, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import {
  GROUP_FILES_MAX,
  NOTHING_READ,
  withNextFile,
} from '../../../../connectors/files/files-read.ts'
import { walkNames } from '../../../../connectors/files/listing.ts'
import { createOldFilesRounds, OLD_FILES_A_STEP } from '../../../../connectors/files/old-files.ts'
import { FOLDER_START, type FolderPlace, placeToJson } from '../../../../connectors/files/place.ts'
import { openReadingOrder } from '../../../../connectors/files/reading-order.ts'
import type { Cursor } from '../../../../src/model/index.ts'
import { filesSourceOf, idLines as lines, readAllFiles } from '../../../support/files-source.ts'

const calls = vi.hoisted(() => ({ stat: 0, open: 0, opendir: 0 }))
vi.mock('node:fs/promises', async (original) => {
  const real = await original<typeof import('node:fs/promises')>()
  return {
    ...real,
    stat: (...args: Parameters<typeof real.stat>) => {
      calls.stat++
      return real.stat(...args)
    },
    open: (...args: Parameters<typeof real.open>) => {
      calls.open++
      return real.open(...args)
    },
    opendir: (...args: Parameters<typeof real.opendir>) => {
      calls.opendir++
      return real.opendir(...args)
    },
  }
})

/** Files of the folder; all but the last ten have been read. */
const FILES = 50_000
const READ = FILES - 10
const RECORD = lines(0, 1)

let root: string
let folder: string
const nameOf = (index: number) => `${String(index).padStart(6, '0')}.ndjson`
const settings = { columns: { id: 'bigint' } }
let place: FolderPlace

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'sluice-many-'))
  folder = join(root, 'orders')
  mkdirSync(folder)
  let read = NOTHING_READ
  for (let index = 0; index < FILES; index++) {
    const path = join(folder, nameOf(index))
    // Links are made faster than files; a file takes 65,000 of them.
    if (index % 10_000 === 0) writeFileSync(join(root, String(index)), RECORD)
    linkSync(join(root, String(index - (index % 10_000))), path)
    if (index < READ) read = withNextFile(read, nameOf(index), RECORD.length)
  }
  place = { ...FOLDER_START, file: nameOf(READ), read }
}, 120_000)
afterAll(() => rmSync(root, { recursive: true }))
beforeEach(() => {
  Object.assign(calls, { stat: 0, open: 0, opendir: 0 })
})

const cursorAt = (at: FolderPlace): Cursor => ({
  split: 'folder',
  splitNumber: 0,
  nextPosition: BigInt(READ),
  phase: 'stream',
  identity: JSON.parse(JSON.stringify(placeToJson(at))),
  batchNumber: 1n,
  sourceTimeMicros: null,
})
/** Replaces a file, whose others links keep what they have. */
async function replace(name: string, text: string): Promise<void> {
  await unlink(join(folder, name))
  await writeFile(join(folder, name), text)
}

describe('a folder of very many files', () => {
  it('is gone on in by listing it twice and looking at the newest files alone', async () => {
    const { blocks, text } = await readAllFiles(filesSourceOf(folder, settings), cursorAt(place))
    expect(blocks.length).toBe(10)
    expect(text).toBe(RECORD.repeat(10))
    // For the columns of the first file, and for the order.
    expect(calls.opendir).toBe(2)
    // The two newest groups, and what it takes to read ten files.
    expect(calls.stat).toBeLessThanOrEqual(2 * GROUP_FILES_MAX + 3 * 10)
    expect(calls.open).toBeLessThanOrEqual(10 + 2)
    expect(blocks.at(-1)?.nextPosition).toBe(BigInt(FILES))
    expect(JSON.stringify(blocks.at(-1)?.identity).length).toBeLessThan(4096)
  })

  it('is put in order a bounded number of names at a time, listing it again for more', async () => {
    const namesMax = 6000
    const opened = await openReadingOrder(
      {
        folder: { path: folder, pattern: '*.ndjson', exclude: null, unpackRatioMax: 500 },
        late: 'stop',
        follow: null,
        onIgnored: () => {},
        namesMax,
      },
      FOLDER_START,
    )
    await using order = opened.order
    let at: FolderPlace = FOLDER_START
    for (let index = 0; index < FILES; index++) {
      const file = await order.next(at)
      if (file !== nameOf(index)) expect(file).toBe(nameOf(index))
      at = { ...at, file }
    }
    expect(await order.next(at)).toBeNull()
    expect(calls).toEqual({ stat: 0, open: 0, opendir: 1 + Math.floor(FILES / namesMax) })
  }, 60_000)

  it('tells a late file by its name, and a newer file that changed', async () => {
    const source = () => filesSourceOf(folder, settings)
    await writeFile(join(folder, '012345a.ndjson'), RECORD)
    await expect(readAllFiles(source(), cursorAt(place))).rejects.toMatchObject({
      code: 'SLU-SRC-1404',
      message: expect.stringContaining('012345a.ndjson'),
    })
    await unlink(join(folder, '012345a.ndjson'))
    await replace(nameOf(READ - GROUP_FILES_MAX), `${RECORD}\n`)
    const changed = readAllFiles(source(), cursorAt(place))
    await expect(changed).rejects.toMatchObject({ code: 'SLU-SRC-1403' })
    await replace(nameOf(READ - GROUP_FILES_MAX), RECORD)
  })

  it('has its old files looked at a few at a time, round after round', async () => {
    const options = { path: folder, pattern: '*.ndjson', exclude: null, unpackRatioMax: 500 }
    const [oldest] = place.read.groups
    const steps = Math.ceil((oldest?.count ?? 0) / 5000) + 1
    await using rounds = createOldFilesRounds(options, 5000)
    for (let step = 0; step < 2 * steps; step++) {
      const before = calls.stat
      await rounds.step(place)
      expect(calls.stat - before).toBeLessThanOrEqual(5000)
    }
    expect(calls.stat).toBe(2 * (oldest?.count ?? 0))
    // The links share their bytes: ten thousand files grow at once, one of them would do.
    await appendFile(join(root, '0'), '\n')
    const found = (async () => {
      for (let step = 0; step < 2 * steps; step++) await rounds.step(place)
    })()
    await expect(found).rejects.toMatchObject({ code: 'SLU-SRC-1403' })
    expect(OLD_FILES_A_STEP).toBeLessThanOrEqual(1000)
  }, 60_000)

  it('is walked without a list of its names', async () => {
    let held = 0
    const names = walkNames({ path: folder, pattern: '*.ndjson', exclude: null })
    for await (const _ of names) held++
    expect(held).toBe(FILES)
    expect(calls.opendir).toBe(1)
  })
})
