import { chmod, mkdir, mkdtemp, readdir, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import type { ObjectStore } from '../../../../src/contracts/index.ts'
import { createSystemClock } from '../../../../src/observe/system-clock.ts'
import { createLocalObjectStore } from '../../../../table-format/object-store/index.ts'
import { describeObjectStore } from './object-store-suite.ts'

const clock = createSystemClock()
const freshFolder = (): Promise<string> => mkdtemp(join(tmpdir(), 'sluice-store-'))
const openFresh = async (): Promise<ObjectStore> =>
  createLocalObjectStore(join(await freshFolder(), 'lake'), clock)

describeObjectStore('local folder', openFresh)

describe('local object store', () => {
  it('makes no folder until something is written', async () => {
    const parent = await freshFolder()
    await using store = await createLocalObjectStore(join(parent, 'lake'), clock)
    expect(await store.get('x')).toBeNull()
    expect(await readdir(parent)).toEqual([])
    await store.put('x', Buffer.from('y'))
    expect(await readdir(parent)).toEqual(['lake'])
  })

  it('gives the path of an object to DuckDB and a file URL of the root', async () => {
    const folder = await freshFolder()
    await using store = await createLocalObjectStore(folder, clock)
    expect(store.readUrl('a/b.parquet')).toBe(join(folder, 'a/b.parquet'))
    expect(store.url).toBe(`file://${folder}`)
  })

  it('refuses a root that is a file', async () => {
    const file = join(await freshFolder(), 'file')
    await writeFile(file, '')
    const refused = { code: 'SLU-STO-2001' }
    await expect(createLocalObjectStore(file, clock)).rejects.toMatchObject(refused)
    await expect(createLocalObjectStore(join(file, 'x'), clock)).rejects.toMatchObject(refused)
  })

  it('refuses to write where a file stands in the way', async () => {
    await using store = await openFresh()
    await store.put('a', Buffer.from('file'))
    const refused = { code: 'SLU-STO-2001' }
    await expect(store.put('a/b', Buffer.from('x'))).rejects.toMatchObject(refused)
    await expect(store.putIfAbsent('a/b', Buffer.from('x'))).rejects.toMatchObject(refused)
  })

  it('says "not writable" when the folder cannot be made', async () => {
    await using store = await createLocalObjectStore('/proc/sluice-no-such-folder/lake', clock)
    await expect(store.put('a', Buffer.from('x'))).rejects.toMatchObject({ code: 'SLU-STO-2001' })
  })

  it('says "not writable" without permission', async () => {
    const folder = await freshFolder()
    await chmod(folder, 0o555)
    await using store = await createLocalObjectStore(folder, clock)
    // No mode keeps root out: root becomes nobody for a moment.
    const isRoot = process.getuid?.() === 0
    if (isRoot) process.seteuid?.(65534)
    try {
      const refused = { code: 'SLU-STO-2001' }
      await expect(store.put('a', Buffer.from('x'))).rejects.toMatchObject(refused)
    } finally {
      if (isRoot) process.seteuid?.(0)
    }
  })

  it('never lists its unfinished writes, and sweeps old ones', async () => {
    const folder = await freshFolder()
    const reserved = join(folder, '.sluice-tmp')
    await mkdir(reserved)
    await writeFile(join(reserved, 'old'), 'half')
    await utimes(join(reserved, 'old'), new Date(0), new Date(0))
    await writeFile(join(reserved, 'young'), 'half')
    await writeFile(join(folder, '.sluice-tmp-1234'), 'half')
    await using store = await createLocalObjectStore(folder, clock)
    await store.put('a', Buffer.from('x'))
    const listed: string[] = []
    for await (const entry of store.list('')) listed.push(entry.path)
    expect(listed).toEqual(['a'])
    expect(await readdir(reserved)).toEqual(['young'])
  })

  it('lists through a linked folder', async () => {
    const folder = await freshFolder()
    const elsewhere = await freshFolder()
    await writeFile(join(elsewhere, 'x'), 'y')
    await symlink(elsewhere, join(folder, 'linked'))
    await using store = await createLocalObjectStore(folder, clock)
    const listed: string[] = []
    for await (const entry of store.list('')) listed.push(entry.path)
    expect(listed).toEqual(['linked/x'])
  })

  it.skipIf(process.platform !== 'linux')('moves a file in from another device', async () => {
    await using store = await openFresh()
    const local = join(await mkdtemp('/dev/shm/sluice-store-'), 'spool')
    await writeFile(local, 'rows')
    await store.putFile('data/x', local)
    expect((await store.get('data/x'))?.toString()).toBe('rows')
  })
})
