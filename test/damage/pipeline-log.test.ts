/**
 * The log of a pipeline with garbage in it: a coded error that names the file, never a lost or an
 * invented floor; with that one file removed the pipeline goes on from the entry before it.
 */

import { expect, it } from 'vitest'
import type { ObjectStore } from '../../src/contracts/index.ts'
import {
  openPipelineLog,
  type PipelineLog,
  pipelineLogFolder,
} from '../../src/ingest/pipeline-log.ts'
import type { PipelineNotes } from '../../src/ingest/pipeline-log-entry.ts'
import { createMemoryObjectStore } from '../../table-format/object-store/index.ts'
import { createFaultyStore } from '../support/table-format/faulty-store.ts'
import { createTestClock } from '../support/test-clock.ts'

const NOTES: PipelineNotes = {
  floors: new Map([['slot', 4711n]]),
  sourceMemory: { slot: 'sluice_shop', note: 'Grüße' },
  streams: new Map([
    ['public.a', { left: null }],
    ['public.b', { left: { code: 'SLU-SRC-1232', message: 'gone', remedy: 'none' } }],
  ]),
}
const EARLIER: PipelineNotes = { ...NOTES, floors: new Map([['slot', 12n]]) }

const path = (version: number): string =>
  `${pipelineLogFolder('p')}/${String(version).padStart(20, '0')}.json`

const newStore = (): ObjectStore => createMemoryObjectStore(createTestClock())
const open = (store: ObjectStore, instance = 'one'): Promise<PipelineLog> =>
  openPipelineLog(store, 'p', instance)

/** A log of two entries; returns the bytes of the newest. */
async function writeTwo(store: ObjectStore): Promise<Buffer> {
  const log = await open(store)
  await log.write(EARLIER)
  await log.write(NOTES)
  return (await store.get(path(1))) as Buffer
}

const unreadable = (version: number) => ({
  code: 'SLU-ING-4008',
  message: expect.stringContaining(path(version)),
  remedy: expect.stringContaining('remove that one file'),
})

const text = (bytes: string) => (): Buffer => Buffer.from(bytes)

const GARBAGE: readonly (readonly [string, (whole: Buffer) => Buffer])[] = [
  ['nothing', text('')],
  ['zeros', (whole) => Buffer.alloc(whole.length)],
  ['half an entry', (whole) => whole.subarray(0, whole.length >> 1)],
  ['an entry without its last byte', (whole) => whole.subarray(0, -1)],
  ['an entry with another floor', (whole) => Buffer.from(String(whole).replace('4711', '9711'))],
  ['two entries', (whole) => Buffer.concat([whole, whole])],
  ['noise', (whole) => whole.map((byte) => byte ^ 0xa5) as Buffer],
  ['a list', text('[]')],
  ['null', text('null')],
  ['an object of somebody else', text('{"name":"notes"}')],
  ['floors that are a number', text('{"instance":"x","floors":"123","sourceMemory":null}')],
  ['a floor that is true', text('{"instance":"x","floors":{"s":true},"sourceMemory":null}')],
  ['a floor of no digits', text('{"instance":"x","floors":{"s":""},"sourceMemory":null}')],
  ['a floor below zero', text('{"instance":"x","floors":{"s":"-5"},"sourceMemory":null}')],
  ['notes that are a list', text('{"instance":"x","floors":{},"sourceMemory":[]}')],
]

it('reads what it wrote, and entries without a checksum', async () => {
  const store = newStore()
  await writeTwo(store)
  expect((await open(store, 'two')).notes).toEqual(NOTES)
  const old = '{"instance":"x","floors":{"slot":"5000"},"sourceMemory":{"slot":"sluice_shop"}}'
  await store.put(path(2), Buffer.from(old))
  const sourceMemory = { slot: 'sluice_shop' }
  const notes = { floors: new Map([['slot', 5000n]]), sourceMemory, streams: new Map() }
  expect((await open(store, 'two')).notes).toEqual(notes)
})

it.each(GARBAGE)('refuses %s for the newest entry', async (_what, garbage) => {
  const store = newStore()
  await store.put(path(1), garbage(await writeTwo(store)))
  await expect(open(store, 'two')).rejects.toMatchObject(unreadable(1))
  await store.delete(path(1))
  const log = await open(store, 'two')
  expect(log.notes).toEqual(EARLIER)
  await log.write(NOTES)
  expect((await open(store, 'three')).notes).toEqual(NOTES)
})

it.each(GARBAGE)('refuses %s where its next entry belongs', async (_what, garbage) => {
  const store = newStore()
  const log = await open(store)
  await log.write(EARLIER)
  const whole = await writeTwo(newStore())
  await store.put(path(1), garbage(whole))
  await expect(log.write(NOTES)).rejects.toMatchObject(unreadable(1))
  expect(log.notes).toEqual(EARLIER)
})

it('is refused, or gives the same notes, for every flipped bit', async () => {
  const store = newStore()
  const whole = await writeTwo(store)
  let refused = 0
  for (let bit = 0; bit < whole.length * 8; bit++) {
    const changed = Buffer.from(whole)
    changed[bit >> 3]! ^= 1 << (bit & 7)
    await store.put(path(1), changed)
    const notes = await open(store, 'two').then(
      (log) => log.notes,
      (error: unknown) => error,
    )
    if (notes instanceof Error) {
      expect(notes).toMatchObject(unreadable(1))
      refused += 1
    } else expect(notes, `bit ${bit}`).toEqual(NOTES)
  }
  expect(refused).toBeGreaterThan(whole.length * 7)
})

it('is fenced by a whole entry of another instance', async () => {
  const store = newStore()
  const [one, two] = [await open(store, 'one'), await open(store, 'two')]
  await two.write(NOTES)
  await expect(one.write(EARLIER)).rejects.toMatchObject({ code: 'SLU-ING-4001' })
})

it('knows its own entry again when the answer to the write was lost', async () => {
  const inner = newStore()
  const log = await open(
    createFaultyStore(inner, (method) => (method === 'putIfAbsent' ? 'applied' : null)),
  )
  await log.write(NOTES)
  expect((await open(inner, 'two')).notes).toEqual(NOTES)
})

it('hands the error of the store on when the write was lost', async () => {
  const inner = newStore()
  const log = await open(
    createFaultyStore(inner, (method) => (method === 'putIfAbsent' ? 'lost' : null)),
  )
  await expect(log.write(NOTES)).rejects.toMatchObject({ code: 'SLU-STO-2002' })
  expect((await open(inner, 'two')).notes.floors).toEqual(new Map())
})
