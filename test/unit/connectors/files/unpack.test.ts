import { appendFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { SourceBlock } from '../../../../src/contracts/index.ts'
import {
  createHandClock,
  cursorAfter,
  filesSourceOf,
  idLines,
  readAllFiles,
  startFiles,
  textOf,
} from '../../../support/files-source.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-packed-'))
})
afterEach(() => rm(folder, { recursive: true }))

const put = (name: string, bytes: Uint8Array) => writeFile(join(folder, name), bytes)
const gzip = (text: string) => gzipSync(text)
const zstd = (text: string) => zstdCompressSync(text)
const FORMATS = [
  { ending: 'gz', pack: gzip },
  { ending: 'zst', pack: zstd },
]
const readAll = () => readAllFiles(filesSourceOf(folder))

describe.each(FORMATS)('files packed as $ending', ({ ending, pack }) => {
  const a = `a.ndjson.${ending}`

  it('are read among others, in the order of their names', async () => {
    await put(a, pack(idLines(0, 2)))
    await put('b.ndjson', Buffer.from(idLines(2, 1)))
    await put(`c.jsonl.${ending}`, pack('\n{"id":3}'))
    await put(`d.ndjson.${ending}`, new Uint8Array(0))
    const { text, end } = await readAll()
    expect(text).toBe(idLines(0, 4))
    expect(end).toBe(4n)
  })

  it('may consist of many members with zeros between and behind them', async () => {
    const members = [idLines(0, 2), '{"id"', ':2}\n', '', idLines(3, 5)].map(pack)
    await put(
      a,
      Buffer.concat([...members, Buffer.alloc(700), pack(idLines(8, 1)), Buffer.alloc(9)]),
    )
    expect((await readAll()).text).toBe(idLines(0, 9))
  })

  it('go on at any cursor without a record twice', async () => {
    await put(a, pack(idLines(0, 60_000)))
    await put(`b.ndjson.${ending}`, pack(idLines(60_000, 10)))
    await using session = await startFiles(filesSourceOf(folder), null, 128 * 1024)
    let text = ''
    const cursors: { cursor: ReturnType<typeof cursorAfter>; textBefore: string }[] = []
    for await (const block of session.blocks()) {
      text += textOf(block)
      cursors.push({ cursor: cursorAfter(block), textBefore: text })
    }
    expect(text).toBe(idLines(0, 60_010))
    for (const at of [0, 3, cursors.length - 2, cursors.length - 1]) {
      const { cursor, textBefore } = cursors[at] as (typeof cursors)[number]
      const rest = await readAllFiles(filesSourceOf(folder), cursor)
      expect(textBefore + rest.text).toBe(text)
    }
  })

  it('that break off end the read with a code, after what lies before', async () => {
    const packed = pack(idLines(0, 50_000))
    await put(a, packed.subarray(0, packed.length - 5))
    await put(`b.ndjson.${ending}`, pack(idLines(50_000, 1)))
    await using session = await startFiles(filesSourceOf(folder), null, 128 * 1024)
    const blocks: SourceBlock[] = []
    const reading = (async () => {
      for await (const block of session.blocks()) blocks.push(block)
    })()
    await expect(reading).rejects.toMatchObject({ code: 'SLU-SRC-1413', context: { isCut: true } })
    const before = blocks.map(textOf).join('')
    expect(idLines(0, 50_000).startsWith(before)).toBe(true)
    expect(before.length).toBeGreaterThan(0)
    await put(a, packed)
    const cursor = cursorAfter(blocks.at(-1) as SourceBlock)
    const rest = await readAllFiles(filesSourceOf(folder), cursor)
    expect(before + rest.text).toBe(idLines(0, 50_001))
  })

  it('that are damaged or not packed at all end the read with a code', async () => {
    const packed = pack(idLines(0, 5000))
    packed.fill(0xff, 20, 60)
    for (const bytes of [packed, Buffer.from(idLines(0, 1)), Buffer.from([1])]) {
      await put(a, bytes)
      const columns = { columns: { id: 'bigint' }, undeclared: 'ignore' }
      const reading = readAllFiles(filesSourceOf(folder, columns))
      await expect(reading).rejects.toMatchObject({ code: 'SLU-SRC-1413' })
    }
    await put(a, Buffer.concat([pack(idLines(0, 1)), Buffer.from('rubbish behind the member')]))
    await expect(readAll()).rejects.toMatchObject({ code: 'SLU-SRC-1413' })
  })

  it('that unpack to far too much end the read with a code', async () => {
    const line = `{"id":${' '.repeat(8000)}0}\n`
    await put(a, pack(line.repeat(9000)))
    const reading = readAllFiles(filesSourceOf(folder, { maxUnpackRatio: 50 }))
    await expect(reading).rejects.toMatchObject({ code: 'SLU-SRC-1414' })
  })

  it('are refused when they hold less than what was read', async () => {
    await put(a, pack(idLines(0, 9)))
    const { blocks } = await readAll()
    const cursor = cursorAfter(blocks.at(-1) as SourceBlock)
    for (const text of [idLines(0, 3), idLines(5, 9)]) {
      await put(a, pack(text))
      const again = readAllFiles(filesSourceOf(folder), cursor)
      await expect(again).rejects.toMatchObject({ code: 'SLU-SRC-1403' })
    }
  })

  it('are followed: members that are appended, the rest of one that breaks off', async () => {
    await put(a, pack(idLines(0, 1)))
    const clock = createHandClock()
    const source = filesSourceOf(folder, { follow: true, columns: { id: 'bigint' } }, clock)
    await using session = await startFiles(source, null)
    let text = ''
    const reading = (async () => {
      for await (const block of session.blocks()) text += textOf(block)
    })()
    const look = async (): Promise<void> => {
      clock.wake()
      await Promise.race([clock.sleeping(), reading])
    }
    await clock.sleeping()
    expect(text).toBe(idLines(0, 1))
    const second = pack(idLines(1, 60_000))
    await appendFile(join(folder, a), second.subarray(0, -8))
    await look()
    await look()
    expect(text).not.toBe(idLines(0, 1))
    await appendFile(join(folder, a), second.subarray(-8))
    await look()
    expect(text).toBe(idLines(0, 60_001))
    await put(`b.ndjson.${ending}`, pack(idLines(60_001, 1)))
    await look()
    expect(text).toBe(idLines(0, 60_002))
  })
})
