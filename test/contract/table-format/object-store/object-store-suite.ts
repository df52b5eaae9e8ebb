/** The promises of `ObjectStore`, run by every implementation. */

import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ObjectEntry, ObjectStore } from '../../../../src/contracts/index.ts'
import { createSystemClock } from '../../../../src/observe/system-clock.ts'
import { probeConditionalWrites } from '../../../../table-format/object-store/index.ts'

type Open = () => Promise<ObjectStore>

const text = (value: string): Buffer => Buffer.from(value)
const paths = async (entries: AsyncIterable<ObjectEntry>): Promise<string[]> => {
  const found: string[] = []
  for await (const entry of entries) found.push(entry.path)
  return found
}

/** Runs the suite against stores made by `open`, each empty. */
export function describeObjectStore(name: string, open: () => Promise<ObjectStore>): void {
  describe(`object store: ${name}`, () => {
    readsAndWrites(open)
    createsOnce(open)
    listsAndRemoves(open)
    guardsPaths(open)
  })
}

function readsAndWrites(open: Open): void {
  it('reads back what was put, whole and in part', async () => {
    await using store = await open()
    await store.put('a/b.bin', text('hello world'))
    expect((await store.get('a/b.bin'))?.toString()).toBe('hello world')
    expect((await store.getRange('a/b.bin', 6, 5)).toString()).toBe('world')
    expect((await store.head('a/b.bin'))?.sizeBytes).toBe(11)
  })

  it('overwrites with put', async () => {
    await using store = await open()
    await store.put('a', text('one'))
    await store.put('a', text('three'))
    expect((await store.get('a'))?.toString()).toBe('three')
  })

  it('tells that an object is missing', async () => {
    await using store = await open()
    await store.put('folder/object', text('x'))
    expect(await store.get('none')).toBeNull()
    expect(await store.get('folder')).toBeNull()
    expect(await store.get('folder/object/below')).toBeNull()
    expect(await store.head('none/at/all')).toBeNull()
    expect(await store.head('folder')).toBeNull()
    await expect(store.getRange('none', 0, 1)).rejects.toMatchObject({ code: 'SLU-STO-2005' })
  })

  it('refuses a range beyond the end of an object', async () => {
    await using store = await open()
    await store.put('a', text('abc'))
    await expect(store.getRange('a', 1, 3)).rejects.toMatchObject({ code: 'SLU-STO-2008' })
  })
}

function createsOnce(open: Open): void {
  it('creates once and keeps the first bytes', async () => {
    await using store = await open()
    expect(await store.putIfAbsent('log/1', text('first'))).toBe('created')
    expect(await store.putIfAbsent('log/1', text('second'))).toBe('exists')
    expect((await store.get('log/1'))?.toString()).toBe('first')
  })

  it('lets exactly one of many racing writers create', async () => {
    await using store = await open()
    for (let round = 0; round < 5; round++) {
      const writers = Array.from({ length: 12 }, (_, writer) => `writer ${writer}`)
      const outcomes = await Promise.all(
        writers.map((writer) => store.putIfAbsent(`race/${round}`, text(writer))),
      )
      expect(outcomes.filter((outcome) => outcome === 'created')).toHaveLength(1)
      const winner = writers[outcomes.indexOf('created')]
      expect((await store.get(`race/${round}`))?.toString()).toBe(winner)
    }
  })

  it('takes over a local file', async () => {
    await using store = await open()
    const local = join(await mkdtemp(join(tmpdir(), 'sluice-store-')), 'spool.parquet')
    await writeFile(local, 'rows')
    await store.putFile('data/part-0.parquet', local)
    expect((await store.get('data/part-0.parquet'))?.toString()).toBe('rows')
    await expect(readFile(local)).rejects.toThrow()
  })
}

function listsAndRemoves(open: Open): void {
  it('lists in byte order of whole paths', async () => {
    await using store = await open()
    const names = ['a-b', 'a/b', 'a/c/d', 'a0', 'b', 'é', 'z', '\u{1f600}', '\uff5e', 'a/c-d']
    for (const name of names) await store.put(name, text('x'))
    const sorted = [...names].sort((l, r) => Buffer.compare(text(l), text(r)))
    expect(await paths(store.list(''))).toEqual(sorted)
  })

  it('lists by prefix, which need not end at a slash, and after a start', async () => {
    await using store = await open()
    for (const name of ['log/001', 'log/002', 'log/010', 'log/sub/1', 'logs/1', 'other']) {
      await store.put(name, text('x'))
    }
    expect(await paths(store.list('log/00'))).toEqual(['log/001', 'log/002'])
    expect(await paths(store.list('log/', 'log/002'))).toEqual(['log/010', 'log/sub/1'])
    expect(await paths(store.list('log/', 'log/002.x'))).toEqual(['log/010', 'log/sub/1'])
    expect(await paths(store.list('log/', 'log/sub/0'))).toEqual(['log/sub/1'])
    expect(await paths(store.list('', 'log/sub/1'))).toEqual(['logs/1', 'other'])
    expect(await paths(store.list('nothing/here/'))).toEqual([])
  })

  it('removes, also what is not there', async () => {
    await using store = await open()
    await store.put('a/b', text('x'))
    await store.delete('a/b')
    await store.delete('a/b')
    await store.delete('never/was')
    expect(await store.get('a/b')).toBeNull()
    expect(await paths(store.list(''))).toEqual([])
  })
}

function guardsPaths(open: Open): void {
  it.each([
    '/etc/passwd',
    '../up',
    'a/../../b',
    'a/./b',
    'a//b',
    '',
    'a/',
    'a\0b',
    '.sluice-tmp/x',
  ])('refuses the path %j', async (path) => {
    await using store = await open()
    const refused = { code: 'SLU-STO-2006' }
    await expect(store.get(path)).rejects.toMatchObject(refused)
    await expect(store.head(path)).rejects.toMatchObject(refused)
    await expect(store.getRange(path, 0, 1)).rejects.toMatchObject(refused)
    await expect(store.put(path, text('x'))).rejects.toMatchObject(refused)
    await expect(store.putIfAbsent(path, text('x'))).rejects.toMatchObject(refused)
    await expect(store.putFile(path, '/tmp/none')).rejects.toMatchObject(refused)
    await expect(store.delete(path)).rejects.toMatchObject(refused)
    expect(() => store.readUrl(path)).toThrow(expect.objectContaining(refused))
  })

  it('keeps unusual characters of a path', async () => {
    await using store = await open()
    const path = 'c=a%20b c/ü#?&+="\'/x y%2F.parquet'
    await store.put(path, text('x'))
    expect(await paths(store.list('c='))).toEqual([path])
    expect((await store.get(path))?.toString()).toBe('x')
  })

  it('passes the probe of conditional writes and leaves nothing behind', async () => {
    await using store = await open()
    await probeConditionalWrites(store, createSystemClock())
    expect(await paths(store.list(''))).toEqual([])
  })

  it('gives bytes of its own', async () => {
    await using store = await open()
    const bytes = text('mine')
    await store.put('a', bytes)
    bytes.fill(0)
    const read = await store.get('a')
    read?.fill(0)
    expect((await store.get('a'))?.toString()).toBe('mine')
  })
}
