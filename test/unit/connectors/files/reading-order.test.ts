import { appendFile, mkdir, mkdtemp, rm, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { DIFFERENCE_MAX } from '../../../../connectors/files/name-sketch.ts'
import type { SourceBlock, SourceSession } from '../../../../src/contracts/index.ts'
import type { Cursor } from '../../../../src/model/index.ts'
import {
  createHandClock,
  cursorAfter,
  filesSourceOf,
  type HandClock,
  idLines as lines,
  nextOf,
  readAllFiles,
  startFiles,
  textOf,
} from '../../../support/files-source.ts'
import { createDice } from '../../../support/random.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-late-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function put(name: string, text: string): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true })
  await writeFile(join(folder, name), text)
}
const sourceOf = (late: string, more = {}, clock?: HandClock) =>
  filesSourceOf(folder, { late, pattern: '**/*.ndjson', ...more }, clock)
const lastCursor = (blocks: readonly SourceBlock[]): Cursor => cursorAfter(blocks.at(-1)!)

async function readFirst(late: string): Promise<Cursor> {
  await put('b.ndjson', lines(0, 2))
  await put('d.ndjson', lines(2, 1))
  return lastCursor((await readAllFiles(sourceOf(late))).blocks)
}

describe('files that come too late', () => {
  it('end the read, which names them', async () => {
    const cursor = await readFirst('stop')
    await put('c.ndjson', lines(9, 1))
    await put('a/x.ndjson', lines(9, 1))
    await expect(readAllFiles(sourceOf('stop'), cursor)).rejects.toMatchObject({
      code: 'SLU-SRC-1404',
      message: expect.stringContaining('2 files that were not read: a/x.ndjson, c.ndjson'),
    })
  })

  it('are read before what comes next, once, each record behind the ones before', async () => {
    const cursor = await readFirst('stop')
    await appendFile(join(folder, 'd.ndjson'), lines(6, 1))
    await put('e.ndjson', lines(7, 1))
    await put('c.ndjson', '{"id":5}')
    await put('a/x.ndjson', lines(3, 2))
    await put('a/y.ndjson', '')
    const { blocks, text } = await readAllFiles(sourceOf('read'), cursor)
    expect(text).toBe(lines(3, 5))
    expect(blocks.map((block) => block.parts[0]?.firstPosition)).toEqual([3n, 5n, 6n, 7n])
    for (const [index, block] of blocks.entries()) {
      const rest = await readAllFiles(sourceOf('read'), cursorAfter(block))
      expect(rest.blocks.map(textOf)).toEqual(blocks.slice(index + 1).map(textOf))
    }
    await unlink(join(folder, 'a/x.ndjson'))
    const gone = readAllFiles(sourceOf('read'), lastCursor(blocks))
    await expect(gone).rejects.toMatchObject({ code: 'SLU-SRC-1403' })
  })

  it('are passed over, and are known from then on', async () => {
    const cursor = await readFirst('ignore')
    await put('c.ndjson', lines(9, 1))
    await put('e.ndjson', lines(3, 1))
    const { blocks, text } = await readAllFiles(sourceOf('ignore'), cursor)
    expect(text).toBe(lines(3, 1))
    await appendFile(join(folder, 'c.ndjson'), lines(9, 1))
    const changed = readAllFiles(sourceOf('ignore'), lastCursor(blocks))
    await expect(changed).rejects.toMatchObject({ code: 'SLU-SRC-1403' })
  })

  it('are told by their number where the cursor of an earlier version knows no more', async () => {
    const { identity, ...cursor } = await readFirst('stop')
    const { filesRead: _, ...place } = identity
    const old = { ...cursor, identity: { ...place, filesBefore: 1, filesBeforeHash: 'x' } }
    await put('e.ndjson', lines(3, 1))
    const { blocks, text } = await readAllFiles(sourceOf('stop'), old)
    expect(text).toBe(lines(3, 1))
    await put('c.ndjson', lines(9, 1))
    for (const at of [old, lastCursor(blocks)]) {
      const read = readAllFiles(sourceOf('stop'), at)
      await expect(read).rejects.toMatchObject({ code: 'SLU-SRC-1404' })
    }
    await unlink(join(folder, 'c.ndjson'))
    await unlink(join(folder, 'b.ndjson'))
    const gone = readAllFiles(sourceOf('stop'), old)
    await expect(gone).rejects.toMatchObject({ code: 'SLU-SRC-1403' })
  })

  it('do not hide one that vanished', async () => {
    for (const late of ['stop', 'read', 'ignore']) {
      const cursor = await readFirst(late)
      await unlink(join(folder, 'b.ndjson'))
      await put('a.ndjson', lines(0, 2))
      await put('c.ndjson', lines(9, 1))
      const read = readAllFiles(sourceOf(late), cursor)
      await expect(read).rejects.toMatchObject({ code: 'SLU-SRC-1403' })
      await unlink(join(folder, 'a.ndjson'))
      await unlink(join(folder, 'c.ndjson'))
    }
  })

  it('that are too many to be told from the others end the read or are passed over', async () => {
    const cursor = await readFirst('read')
    const names = Array.from({ length: 4 * DIFFERENCE_MAX }, (_, index) => `a/${index}.ndjson`)
    for (const name of names) await put(name, lines(9, 1))
    await put('e.ndjson', lines(3, 1))
    const read = readAllFiles(sourceOf('read'), cursor)
    await expect(read).rejects.toMatchObject({
      code: 'SLU-SRC-1404',
      message: expect.stringContaining('too many'),
    })
    const { blocks, text } = await readAllFiles(sourceOf('ignore'), cursor)
    expect(text).toBe(lines(3, 1))
    expect((await readAllFiles(sourceOf('stop'), lastCursor(blocks))).text).toBe('')
  })

  it('that are as many as are promised are read all', async () => {
    const cursor = await readFirst('read')
    for (let index = 0; index < DIFFERENCE_MAX; index++) {
      await put(`a/${index + 100}.ndjson`, lines(3 + index, 1))
    }
    const { text } = await readAllFiles(sourceOf('read'), cursor)
    expect(text).toBe(lines(3, DIFFERENCE_MAX))
  })

  it('are read once each, whatever comes in between and wherever reading goes on', async () => {
    const dice = createDice(7)
    let cursor: Cursor | null = null
    let written = 0
    const read: string[] = []
    for (let round = 0; round < 25; round++) {
      const count = dice.roll(4)
      for (let file = 0; file < count; file++) {
        const name = `${dice.roll(1e6)}.ndjson`
        const records = dice.next() < 0.2 ? 15_000 : dice.roll(3)
        await put(name, lines(written, records))
        written += records
      }
      await using session: SourceSession = await startFiles(
        sourceOf('read', { columns: { id: 'bigint' } }),
        cursor,
        128 * 1024,
      )
      for await (const block of session.blocks()) {
        // Positions count on, whatever file a record comes from.
        expect(block.parts[0]?.firstPosition).toBe(BigInt(read.length))
        read.push(...textOf(block).trimEnd().split('\n'))
        cursor = cursorAfter(block)
        if (dice.next() < 0.3) break
      }
    }
    const rest = await readAllFiles(sourceOf('read', { columns: { id: 'bigint' } }), cursor)
    read.push(...rest.text.split('\n').filter((line) => line !== ''))
    expect(new Set(read).size).toBe(read.length)
    expect(read.length).toBe(written)
  })
})

describe('files that come too late, followed', () => {
  let clock: HandClock
  let session: SourceSession
  let blocks: AsyncIterator<SourceBlock>

  async function follow(late: string): Promise<void> {
    await put('b.ndjson', lines(0, 1))
    await put('d.ndjson', lines(1, 1))
    clock = createHandClock()
    session = await startFiles(sourceOf(late, { follow: true }, clock), null)
    blocks = session.blocks()[Symbol.asyncIterator]()
    await nextOf(blocks)
    await nextOf(blocks)
    await clock.sleeping()
  }
  afterEach(() => session[Symbol.asyncDispose]())

  it('are read as they are written, and then what comes next', async () => {
    await follow('read')
    await put('c.ndjson', lines(2, 1))
    clock.wake()
    expect(textOf(await nextOf(blocks))).toBe(lines(2, 1))
    await clock.sleeping()
    await appendFile(join(folder, 'c.ndjson'), lines(3, 1))
    await put('e.ndjson', lines(4, 1))
    clock.wake()
    expect(textOf(await nextOf(blocks))).toBe(lines(3, 1))
    const next = nextOf(blocks)
    await clock.sleeping()
    clock.wake()
    const block = await next
    expect(textOf(block)).toBe(lines(4, 1))
    expect(block.nextPosition).toBe(5n)
  })

  it('are passed over while what comes next is read', async () => {
    await follow('ignore')
    await put('a.ndjson', lines(9, 1))
    await put('e.ndjson', lines(2, 1))
    clock.wake()
    expect(textOf(await nextOf(blocks))).toBe(lines(2, 1))
  })
})
