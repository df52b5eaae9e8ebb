import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { countNames, namesAfter } from '../../../../connectors/files/listing.ts'
import { cursorAfter, filesSourceOf, idLines, readAllFiles } from '../../../support/files-source.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sluice-listing-'))
})
afterEach(() => rm(folder, { recursive: true }))

async function put(name: string, text = ''): Promise<void> {
  await mkdir(dirname(join(folder, name)), { recursive: true })
  await writeFile(join(folder, name), text)
}
const list = (pattern: string, exclude: string | null = null) =>
  namesAfter({ path: folder, pattern, exclude }, null)

describe('names of files', () => {
  it('match as far down as the pattern reaches', async () => {
    for (const name of ['a.json', 'a.csv', 'x/b.json', 'x/y/c.json', 'z/c.json']) await put(name)
    expect(await list('*.json')).toEqual(['a.json'])
    expect(await list('*/*.json')).toEqual(['x/b.json', 'z/c.json'])
    expect(await list('*.csv|x/?.json')).toEqual(['a.csv', 'x/b.json'])
    expect(await list('x/**')).toEqual(['x/b.json', 'x/y/c.json'])
    expect(await list('**/*.json')).toEqual(['a.json', 'x/b.json', 'x/y/c.json', 'z/c.json'])
    expect(await list('**/y/*.json')).toEqual(['x/y/c.json'])
  })

  it('leave out what is excluded', async () => {
    for (const name of ['a.json', 'tmp/b.json', 'x/tmp/c.json', 'x/_d.json']) await put(name)
    expect(await list('**/*.json', '**/tmp/**|**/_*')).toEqual(['a.json'])
  })

  it('stand in the order of their whole paths', async () => {
    for (const name of ['b/1', 'b-1/1', 'b.1', 'b0', 'a/z/9', 'Z', 'é', '\u{1F600}', '\uFF21']) {
      await put(name)
    }
    const names = await list('**')
    expect(names).toEqual(['Z', 'a/z/9', 'b-1/1', 'b.1', 'b/1', 'b0', 'é', '\u{1F600}', '\uFF21'])
    const all = { path: folder, pattern: '**', exclude: null }
    expect(await countNames(all)).toBe(names.length)
    for (const [index, name] of names.entries()) {
      expect(await namesAfter(all, name, 3)).toEqual(names.slice(index + 1, index + 4))
    }
    expect(await namesAfter(all, null, 2)).toEqual(names.slice(0, 2))
    expect(await namesAfter(all, 'b.', 2)).toEqual(['b.1', 'b/1'])
  })

  it('take characters of patterns that mean nothing here as they are', async () => {
    for (const name of ['a[1].json', 'a1.json', 'a+b(c).json', 'a.jsonx']) await put(name)
    expect(await list('a[1].json|a+b(c).json')).toEqual(['a+b(c).json', 'a[1].json'])
  })

  it('do not go around in circles', async () => {
    await put('x/a.json')
    await symlink(folder, join(folder, 'x', 'up'))
    expect(await list('**/*.json')).toEqual(['x/a.json'])
  })
})

describe('a folder of folders', () => {
  it('is read in that order, and goes on in it', async () => {
    await put('2026-01/b.ndjson', idLines(1, 2))
    await put('2026-01/a.ndjson', idLines(0, 1))
    await put('2026-02/a.ndjson', idLines(3, 1))
    await put('2026-02/a.tmp', 'no')
    const source = () => filesSourceOf(folder, { pattern: '**/*.ndjson' })
    const { blocks, text } = await readAllFiles(source())
    expect(text).toBe(idLines(0, 4))
    await put('2026-02/b/c.ndjson', idLines(4, 1))
    const last = blocks.at(-1)
    if (last === undefined) throw new Error('nothing was read')
    expect((await readAllFiles(source(), cursorAfter(last))).text).toBe(idLines(4, 1))
    await put('2026-01/late.ndjson', idLines(9, 1))
    const late = readAllFiles(source(), cursorAfter(last))
    await expect(late).rejects.toMatchObject({ code: 'SLU-SRC-1404' })
  })
})
