import { appendFile, mkdir, mkdtemp, rm, truncate, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { filesSettingsSchema } from '../../../../connectors/files/index.ts'
import type { Source, SourceBlock, SourceSession } from '../../../../src/contracts/index.ts'
import type { Cursor } from '../../../../src/model/index.ts'
import {
  createHandClock,
  cursorAfter,
  filesSourceOf,
  type HandClock,
  idLines as lines,
  nextOf,
  readAllFiles as readAll,
  startFiles as startFrom,
  textOf,
} from '../../../support/files-source.ts'

let folder: string

beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'sluice-files-')), 'orders')
  await mkdir(folder)
})
afterEach(() => rm(join(folder, '..'), { recursive: true }))

const sourceOf = (settings: Record<string, unknown> = {}, clock?: HandClock): Source =>
  filesSourceOf(folder, settings, clock)
const put = (name: string, text: string | Uint8Array) => writeFile(join(folder, name), text)

describe('files source, finite', () => {
  it('reads the files in the order of their names, positions counting on', async () => {
    await put('b.ndjson', lines(3, 2))
    await put('a.jsonl', lines(0, 3))
    await put('c.csv', 'no\n')
    await mkdir(join(folder, 'd.ndjson'))
    const { blocks, text, end } = await readAll(sourceOf())
    expect(text).toBe(lines(0, 5))
    expect(blocks.map((block) => block.parts[0]?.firstPosition)).toEqual([0n, 3n])
    expect(blocks.map((block) => block.nextPosition)).toEqual([3n, 5n])
    expect(blocks.every((block) => block.endsTransaction && block.copy === null)).toBe(true)
    expect(end).toBe(5n)
  })

  it('ends the last line of a file that lacks its LF', async () => {
    await put('a.ndjson', '{"id":0}')
    await put('b.ndjson', '{"id":1}\n{"id":2}')
    expect((await readAll(sourceOf())).text).toBe(lines(0, 3))
  })

  it('skips a byte order mark, blank lines and empty files', async () => {
    await put('a.ndjson', `\uFEFF${lines(0, 1)}\n\r\n${lines(1, 1)}`)
    await put('b.ndjson', '')
    await put('c.ndjson', '\n\n')
    await put('d.ndjson', lines(2, 1))
    const { text, end } = await readAll(sourceOf())
    expect(text).toBe(lines(0, 3))
    expect(end).toBe(3n)
  })

  it('ends at once in an empty folder when columns are declared', async () => {
    const { blocks, end } = await readAll(sourceOf({ columns: { id: 'bigint' } }))
    expect(blocks).toEqual([])
    expect(end).toBe(0n)
  })

  it('passes on a line longer than a part', async () => {
    const long = `{"id":"${'x'.repeat(300_000)}"}\n`
    await put('a.ndjson', lines(0, 1) + long + lines(2, 1))
    await using session = await startFrom(sourceOf(), null, 128 * 1024)
    let text = ''
    for await (const block of session.blocks()) text += textOf(block)
    expect(text).toBe(lines(0, 1) + long + lines(2, 1))
  })

  it('reuses the memory of parts that were released, and of no other', async () => {
    await put('a.ndjson', lines(0, 40_000))
    const kept: SourceBlock[] = []
    const memory = new Set<ArrayBufferLike>()
    await using session = await startFrom(sourceOf(), null, 128 * 1024)
    let text = ''
    let count = 0
    for await (const block of session.blocks()) {
      const part = block.parts[0]!
      text += textOf(block)
      memory.add(part.bytes.buffer)
      if (count++ % 2 === 0) part.release?.()
      else kept.push(block)
    }
    expect(text).toBe(lines(0, 40_000))
    expect(memory.size).toBeLessThan(count)
    expect(kept.map(textOf).every((part) => text.includes(part))).toBe(true)
    expect(new Set(kept.map((block) => block.parts[0]?.bytes.buffer)).size).toBe(kept.length)
  })

  it('goes on at a cursor without reading anything again', async () => {
    await put('a.ndjson', lines(0, 20_000))
    await put('b.ndjson', lines(20_000, 20_000))
    const source = sourceOf()
    await using session = await startFrom(source, null, 128 * 1024)
    let text = ''
    for await (const block of session.blocks()) {
      text += textOf(block)
      const rest = await readAll(source, cursorAfter(block))
      expect(text + rest.text).toBe(lines(0, 40_000))
      expect(rest.blocks[0]?.parts[0]?.firstPosition ?? 40_000n).toBe(block.nextPosition)
    }
  })

  it('yields what lies before a bad line, then names its file and line', async () => {
    const cases = [
      { bad: Buffer.from('{"id":"\xff"}\n', 'latin1'), code: 'SLU-SRC-1405' },
      { bad: Buffer.from(`{"id":"${'x'.repeat(1 << 24)}"}\n`), code: 'SLU-SRC-1406' },
      { bad: Buffer.from('[1]\n'), code: 'SLU-SRC-1407' },
      { bad: Buffer.from('oops'), code: 'SLU-SRC-1407' },
    ]
    for (const { bad, code } of cases) {
      await put('a.ndjson', Buffer.concat([Buffer.from(lines(0, 2)), bad]))
      await using session = await startFrom(sourceOf({ columns: { id: 'string' } }), null)
      const blocks = session.blocks()[Symbol.asyncIterator]()
      expect(textOf(await nextOf(blocks))).toBe(lines(0, 2))
      await expect(blocks.next()).rejects.toMatchObject({
        code,
        context: { file: 'a.ndjson', line: 3 },
      })
    }
  })
})

describe('files source, resumed', () => {
  let source: Source
  let cursor: Cursor
  beforeEach(async () => {
    await put('a.ndjson', lines(0, 3))
    await put('c.ndjson', lines(3, 3))
    source = sourceOf()
    const { blocks } = await readAll(source)
    cursor = cursorAfter(blocks.at(-1)!)
  })

  const readOn = () => readAll(source, cursor)

  it('reads appended lines and later files only', async () => {
    await appendFile(join(folder, 'c.ndjson'), lines(6, 1))
    await put('d.ndjson', lines(7, 1))
    const { text, blocks } = await readOn()
    expect(text).toBe(lines(6, 2))
    expect(blocks.at(-1)?.nextPosition).toBe(8n)
  })

  it('stops when a file that was read shrank, changed or vanished', async () => {
    const damages = [
      () => truncate(join(folder, 'c.ndjson'), 10),
      () => put('c.ndjson', lines(7, 9)),
      () => unlink(join(folder, 'c.ndjson')),
      () => unlink(join(folder, 'a.ndjson')),
      () => appendFile(join(folder, 'a.ndjson'), lines(9, 1)),
      async () => {
        await unlink(join(folder, 'a.ndjson'))
        await put('b.ndjson', lines(0, 3))
      },
    ]
    for (const damage of damages) {
      await put('a.ndjson', lines(0, 3))
      await put('c.ndjson', lines(3, 3))
      await expect(readOn()).resolves.toMatchObject({ text: '' })
      await damage()
      await expect(readOn()).rejects.toMatchObject({ code: 'SLU-SRC-1403', kind: 'gap' })
    }
  })

  it('stops at a new file that sorts before one that was read', async () => {
    await put('b.ndjson', lines(9, 1))
    await expect(readOn()).rejects.toMatchObject({ code: 'SLU-SRC-1404', kind: 'gap' })
  })

  it('stops when an unended last line was continued, goes on when it was ended', async () => {
    await appendFile(join(folder, 'c.ndjson'), '{"id":6}')
    const { blocks } = await readOn()
    cursor = cursorAfter(blocks.at(-1)!)
    await appendFile(join(folder, 'c.ndjson'), `\n${lines(7, 1)}`)
    expect((await readOn()).text).toBe(lines(7, 1))
    await put('c.ndjson', `${lines(3, 3)}{"id":6}{"id":7}\n`)
    await expect(readOn()).rejects.toMatchObject({ code: 'SLU-SRC-1403' })
  })

  it('refuses the cursor of another kind of source', async () => {
    cursor = { ...cursor, identity: { slot: 'x' } }
    await expect(readOn()).rejects.toMatchObject({ code: 'SLU-SRC-1403' })
  })
})

describe('files source, following', () => {
  let clock: HandClock
  let session: SourceSession
  let blocks: AsyncIterator<SourceBlock>

  async function follow(): Promise<void> {
    clock = createHandClock()
    session = await startFrom(sourceOf({ follow: true, columns: { id: 'bigint' } }, clock), null)
    blocks = session.blocks()[Symbol.asyncIterator]()
  }
  afterEach(() => session[Symbol.asyncDispose]())

  it('delivers appended lines and new files as they come', async () => {
    await put('a.ndjson', lines(0, 1))
    await follow()
    expect(textOf(await nextOf(blocks))).toBe(lines(0, 1))
    await clock.sleeping()
    expect(session.progress().ends).toEqual(new Map([['folder', 1n]]))
    await appendFile(join(folder, 'a.ndjson'), lines(1, 2))
    clock.wake()
    expect(textOf(await nextOf(blocks))).toBe(lines(1, 2))
    await clock.sleeping()
    await put('b.ndjson', lines(3, 1))
    clock.wake()
    const block = await nextOf(blocks)
    expect(textOf(block)).toBe(lines(3, 1))
    expect(block.nextPosition).toBe(4n)
  })

  it('waits for a last line until it is ended', async () => {
    await put('a.ndjson', `${lines(0, 1)}{"id"`)
    await follow()
    expect(textOf(await nextOf(blocks))).toBe(lines(0, 1))
    await clock.sleeping()
    await appendFile(join(folder, 'a.ndjson'), ':1}\n')
    clock.wake()
    expect(textOf(await nextOf(blocks))).toBe(lines(1, 1))
  })

  it('takes an unended last line of a file that stands still before a later one', async () => {
    await put('a.ndjson', '{"id":0}')
    await put('b.ndjson', lines(1, 1))
    await follow()
    const first = nextOf(blocks)
    await clock.sleeping()
    clock.wake()
    expect(textOf(await first)).toBe(lines(0, 1))
    expect(textOf(await nextOf(blocks))).toBe(lines(1, 1))
  })

  it('waits in an empty folder for the first file', async () => {
    await follow()
    const first = nextOf(blocks)
    await clock.sleeping()
    await put('a.ndjson', lines(0, 1))
    clock.wake()
    expect(textOf(await first)).toBe(lines(0, 1))
  })

  it('stops when a file sorts before one that was read, or a read one changes', async () => {
    const damages = [
      { damage: () => put('0.ndjson', lines(9, 1)), code: 'SLU-SRC-1404' },
      { damage: () => unlink(join(folder, 'a.ndjson')), code: 'SLU-SRC-1403' },
      { damage: () => appendFile(join(folder, 'a.ndjson'), lines(9, 1)), code: 'SLU-SRC-1403' },
      { damage: () => truncate(join(folder, 'b.ndjson'), 3), code: 'SLU-SRC-1403' },
      { damage: () => unlink(join(folder, 'b.ndjson')), code: 'SLU-SRC-1403' },
    ]
    for (const { damage, code } of damages) {
      await rm(folder, { recursive: true })
      await mkdir(folder)
      await put('a.ndjson', lines(0, 1))
      await put('b.ndjson', lines(1, 1))
      await follow()
      await nextOf(blocks)
      await nextOf(blocks)
      await clock.sleeping()
      await damage()
      clock.wake()
      await expect(blocks.next()).rejects.toMatchObject({ code })
      await session[Symbol.asyncDispose]()
    }
  })

  it('ends when it is closed while it waits', async () => {
    await follow()
    const end = blocks.next()
    await clock.sleeping()
    await session[Symbol.asyncDispose]()
    expect(await end).toEqual({ done: true, value: undefined })
  })
})

describe('files source, described', () => {
  it('infers the columns from the first file that has records', async () => {
    await put('a.ndjson', '\n')
    await put('b.ndjson', '{"id":1,"at":"2026-01-01"}\n{"id":2,"price":1.5}\n')
    const [schema] = await sourceOf().discover()
    expect(schema?.stream).toBe('orders')
    expect(schema?.columns.map(({ name, sourceType }) => [name, sourceType])).toEqual([
      ['id', 'bigint'],
      ['at', 'string'],
      ['price', 'double'],
    ])
  })

  it('declares columns and stream as configured', async () => {
    const [schema] = await sourceOf({ stream: 's', columns: { d: 'decimal(10,2)' } }).discover()
    expect(schema).toMatchObject({ stream: 's', key: [] })
    expect(schema?.columns[0]?.type).toEqual({ kind: 'decimal', precision: 10, scale: 2 })
  })

  it('says what is wrong with a folder, a stream and missing columns', async () => {
    const failed = async (source: Source, stream = 'orders') =>
      (await source.check([stream])).filter((check) => check.status === 'fail')
    expect((await failed(sourceOf({ path: join(folder, 'none') })))[0]?.name).toBe('folder')
    expect((await failed(sourceOf()))[0]).toMatchObject({ name: 'columns' })
    await put('a.ndjson', lines(0, 1))
    expect(await failed(sourceOf())).toEqual([])
    expect((await failed(sourceOf(), 'other'))[0]?.seen).toContain('other')
    await expect(sourceOf({ path: join(folder, 'none') }).discover()).rejects.toMatchObject({
      code: 'SLU-SRC-1401',
    })
  })

  it('reads itself back up to the position it named', async () => {
    await put('a.ndjson', lines(0, 2))
    await put('b.ndjson', lines(2, 2))
    const view = await sourceOf().readBack!.open(['orders'])
    await appendFile(join(folder, 'b.ndjson'), lines(4, 2))
    let text = ''
    for await (const part of view.rows('orders')) text += Buffer.from(part.bytes).toString()
    expect(view.position).toBe(4n)
    expect(text).toBe(lines(0, 4))
    await view[Symbol.asyncDispose]()
  })

  it('refuses a column type that does not exist', () => {
    const parsed = filesSettingsSchema.safeParse({ path: folder, columns: { id: 'uuid' } })
    expect(parsed.success).toBe(false)
  })
})
