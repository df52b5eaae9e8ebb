/**
 * A table damaged in many ways: each is refused with a code, a message that names the object and a
 * remedy, or does no harm. Never other rows.
 */

import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Engine } from '../../src/engine/index.ts'
import {
  copyTable,
  GOOD_ROWS,
  type LogAction,
  NEWEST,
  type TableCopy,
  writeTable,
} from '../support/damage/damaged-table.ts'
import { type Ending, readTable, smallEngine } from '../support/damage/read-table.ts'

let engine: Engine
let original: string
const copies: string[] = []

beforeAll(async () => {
  engine = await smallEngine()
  original = await writeTable()
})

afterAll(async () => {
  await engine?.[Symbol.asyncDispose]()
  for (const folder of [original, ...copies]) rmSync(folder, { recursive: true, force: true })
})

function copy(): TableCopy {
  const made = copyTable(original)
  copies.push(made.store)
  return made
}

/** What it is · how it is done · the code · what the message names. */
type Case = readonly [string, (table: TableCopy) => void, string, string | RegExp]

const setOf = (kind: string, member: string, value: unknown) => (actions: LogAction[]) =>
  actions.map((action) => {
    const body = action[kind]
    return body === undefined ? action : { [kind]: { ...body, [member]: value } }
  })

const setVector = (members: Readonly<Record<string, unknown>>) => (actions: LogAction[]) =>
  actions.map((action) => {
    const vector = action.add?.deletionVector as object | undefined
    if (vector === undefined) return action
    return { add: { ...action.add, deletionVector: { ...vector, ...members } } }
  })

const flip = (text: string) => (bytes: Buffer) => {
  const changed = Buffer.from(bytes)
  const at = changed.indexOf(text) + text.length
  changed[at]! ^= 0x01
  return changed
}

const HINT = '_delta_log/_last_checkpoint'
const NAME_2 = '_delta_log/00000000000000000002.json'
const NAME_3 = '_delta_log/00000000000000000003.json'

const LOG: readonly Case[] = [
  ['noise for a commit', (t) => t.cut(2, (b) => b.map((x) => x ^ 0xa5) as Buffer), '3001', NAME_2],
  ['a commit cut in a line', (t) => t.cut(2, (b) => b.subarray(0, -20)), '3001', NAME_2],
  [
    'a commit cut between two lines',
    (t) => t.cut(3, (b) => b.subarray(0, b.lastIndexOf('\n', -2) + 1)),
    '3001',
    NAME_3,
  ],
  ['a commit of which only details are left', (t) => t.cut(3, firstLine), '3001', NAME_3],
  ['an empty commit', (t) => t.cut(3, () => Buffer.alloc(0)), '3001', NAME_3],
  ['a commit of zeros', (t) => t.cut(3, (b) => Buffer.alloc(b.length)), '3001', NAME_3],
  ['a bit of a path', (t) => t.cut(2, flip('"path":"part-')), '3001', NAME_2],
  ['a bit of a cardinality', (t) => t.cut(3, flip('"cardinality":')), '3001', NAME_3],
  ['bytes that are no UTF-8', (t) => t.cut(2, (b) => replaced(b, '"path"', 0xff)), '3001', NAME_2],
  ['an array for a line', (t) => t.cut(2, () => Buffer.from('[1]\n')), '3001', NAME_2],
  ['a missing version', (t) => t.remove(NAME_2), '3005', NAME_2],
  ['a folder for a commit', (t) => swapForFolder(t, NAME_2), '3005', NAME_2],
  ['a first version without metadata', (t) => t.edit(0, without('metaData')), '3005', 'metadata'],
  ['a first version without protocol', (t) => t.edit(0, without('protocol')), '3005', 'protocol'],
  [
    'an unknown reader feature',
    (t) => t.edit(0, setOf('protocol', 'readerFeatures', ['timeMachine'])),
    '3007',
    'timeMachine',
  ],
  ['a higher reader', (t) => t.edit(0, setOf('protocol', 'minReaderVersion', 9)), '3007', '9'],
  ['a protocol of text', (t) => t.edit(0, setOf('protocol', 'minReaderVersion', 'x')), '3001', ''],
  ['a schema of noise', (t) => t.edit(0, setOf('metaData', 'schemaString', '{')), '3001', 'schema'],
  [
    'an unknown type',
    (t) => t.edit(0, (actions) => mapSchema(actions, '"integer"', '"geometry"')),
    '3010',
    'column n has the type geometry',
  ],
  ['a file without path', (t) => t.edit(2, setOf('add', 'path', undefined)), '3001', NAME_2],
  ['a path of half a code', (t) => t.edit(2, setOf('add', 'path', 'a%2')), '3001', 'a%2'],
  ['a path out of the table', (t) => t.edit(2, setOf('add', 'path', '../x')), '2006', '../x'],
  ['a negative size', (t) => t.edit(2, setOf('add', 'size', -1)), '3001', NAME_2],
  ['a vector of no kind', (t) => t.edit(2, setVector({ storageType: 'q' })), '3001', NAME_2],
  ['a half vector', (t) => t.edit(3, setVector({ sizeInBytes: -7 })), '3001', NAME_3],
]

const DATA: readonly Case[] = [
  ['a missing data file', (t) => t.remove(t.dataFiles[0]!), '2005', /part-.*parquet/],
  ['a folder for a data file', (t) => swapForFolder(t, t.dataFiles[0]!), '2005', /part-/],
  ['a data file cut at its end', (t) => data(t, (b) => b.subarray(0, -9)), '2008', /part-/],
  ['a data file cut in the middle', (t) => data(t, cutMiddle), '2008', /part-.*bytes, not the/],
  ['a data file that grew', (t) => data(t, (b) => Buffer.concat([b, b])), '2008', /part-/],
  ['a data file of nothing', (t) => data(t, () => Buffer.alloc(0)), '2008', /part-/],
  ['another file in its place', (t) => data(t, () => other(t)), '2008', /part-/],
  ['a data file of zeros', (t) => data(t, (b) => Buffer.alloc(b.length)), '3014', /part-/],
  [
    'a data file of noise',
    (t) => data(t, (b) => b.map((x) => x ^ 0x5a) as Buffer),
    '3014',
    /part-/,
  ],
  ['a footer of noise', (t) => data(t, (b) => noise(b, b.length - 8, 4)), '3014', /part-/],
  ['pages of noise', (t) => data(t, (b) => noise(b, 4, 60)), '3014', /part-/],
]

const VECTORS: readonly Case[] = [
  ['a missing vector', (t) => t.remove(vector(t)), '2005', /deletion_vector_/],
  ['a vector cut off', (t) => t.change(vector(t), (b) => b.subarray(0, -1)), '2008', /deletion_v/],
  ['a vector of nothing', (t) => t.change(vector(t), () => Buffer.alloc(0)), '2008', /deletion_v/],
  ['a wrong count', (t) => t.edit(2, setVector({ cardinality: 1 })), '3002', /deletion_vector_/],
  ['a wrong size', (t) => t.edit(2, setVector({ sizeInBytes: 20 })), '3002', /deletion_vector_/],
  ['an endless size', (t) => t.edit(2, setVector({ sizeInBytes: 2 ** 40 })), '3002', /deletion_v/],
  ['a wrong place', (t) => t.edit(2, setVector({ offset: 2 })), '2008', /deletion_vector_/],
  ['a place of zero', (t) => t.edit(2, setVector({ offset: 0 })), '3002', /deletion_vector_/],
  ['no name', (t) => t.edit(2, setVector({ pathOrInlineDv: 'short' })), '3002', 'short'],
  [
    'an inline vector of noise',
    (t) => t.edit(2, setVector({ storageType: 'i', pathOrInlineDv: '00000', offset: null })),
    '3002',
    'in the log',
  ],
  [
    'a vector outside the store',
    (t) => t.edit(2, setVector({ storageType: 'p', pathOrInlineDv: 'file:///nowhere/v.bin' })),
    '2006',
    '/nowhere/v.bin',
  ],
  ['the vector of a longer file', (t) => t.edit(2, fewerRecords), '3002', /row beyond .*part-/],
]

const LINKS: readonly Case[] = [
  ['a loop of links for a data file', (t) => loop(t, t.dataFiles[0]!), '2007', /part-/],
  ['a loop of links for a vector', (t) => loop(t, vector(t)), '2007', /deletion_vector_/],
  ['a loop of links for a commit', (t) => loop(t, NAME_2), '2007', NAME_2],
  ['a loop of links for the log', (t) => loop(t, '_delta_log'), '2007', '_delta_log'],
]

const HARMLESS: readonly (readonly [string, (table: TableCopy) => void])[] = [
  ['an action that nobody knows', (t) => t.edit(3, (all) => [...all, { novelty: { x: 1 } }])],
  ['a hint of noise', (t) => writeFileSync(t.path(HINT), '{"vers')],
  [
    'a hint beyond the log',
    (t) => writeFileSync(t.path('_delta_log/_last_checkpoint'), '{"version":99}'),
  ],
  ['a checkpoint of noise', (t) => writeFileSync(t.path(checkpoint(2)), 'PAR1 noise PAR1')],
  ['an empty checkpoint', (t) => writeFileSync(t.path(checkpoint(3)), '')],
  ['a foreign file in the log', (t) => writeFileSync(t.path('_delta_log/notes.txt'), 'x')],
]

const checkpoint = (version: number): string =>
  `_delta_log/${String(version).padStart(20, '0')}.checkpoint.parquet`
const firstLine = (bytes: Buffer): Buffer => bytes.subarray(0, bytes.indexOf('\n') + 1)
const vector = (t: TableCopy): string => t.vectors[0]!
const without = (kind: string) => (actions: LogAction[]) =>
  actions.filter((action) => !(kind in action))
const data = (t: TableCopy, edit: (bytes: Buffer) => Buffer): void =>
  t.change(t.dataFiles[0]!, edit)
const other = (t: TableCopy): Buffer => readFileSync(t.path(t.dataFiles[1]!))
const cutMiddle = (bytes: Buffer): Buffer =>
  Buffer.concat([bytes.subarray(0, 200), bytes.subarray(300)])
const noise = (bytes: Buffer, from: number, length: number): Buffer =>
  Buffer.from(bytes.map((byte, at) => (at >= from && at < from + length ? byte ^ 0xff : byte)))
const replaced = (bytes: Buffer, before: string, byte: number): Buffer => {
  const changed = Buffer.from(bytes)
  changed[changed.indexOf(before) + 1] = byte
  return changed
}
const mapSchema = (actions: LogAction[], from: string, to: string): LogAction[] =>
  actions.map((action) => {
    const text = action.metaData?.schemaString as string | undefined
    if (text === undefined) return action
    const at = text.indexOf(from)
    const schemaString = text.slice(0, at) + to + text.slice(at + from.length)
    return { metaData: { ...action.metaData, schemaString } }
  })

function fewerRecords(actions: LogAction[]): LogAction[] {
  return actions.map((action) => {
    if (action.add?.deletionVector === undefined) return action
    const stats = { ...(JSON.parse(action.add.stats as string) as object), numRecords: 5 }
    return { add: { ...action.add, stats: JSON.stringify(stats) } }
  })
}

function swapForFolder(t: TableCopy, name: string): void {
  t.remove(name)
  mkdirSync(t.path(name))
}

function loop(t: TableCopy, name: string): void {
  t.remove(name)
  symlinkSync(t.path(name), t.path(name))
}

const codeOf = (number: string): string => `SLU-${number.startsWith('2') ? 'STO' : 'TAB'}-${number}`

function expectRefused(ending: Ending, number: string, named: string | RegExp): void {
  expect(ending).toEqual({
    code: codeOf(number),
    message:
      typeof named === 'string' ? expect.stringContaining(named) : expect.stringMatching(named),
    remedy: expect.stringMatching(/\w{3,} \w{2,} .*\./),
  })
}

describe('a damaged table', () => {
  it('is read where it is not damaged', async () => {
    expect(await readTable(engine, copy().store)).toEqual({ rows: GOOD_ROWS })
  })

  it.each([...LOG, ...DATA, ...VECTORS, ...LINKS])(
    'is refused because of %s',
    async (_what, damage, number, named) => {
      const table = copy()
      damage(table)
      expectRefused(await readTable(engine, table.store), number, named)
    },
  )

  it.each(HARMLESS)('is read as before with %s', async (_what, damage) => {
    const table = copy()
    damage(table)
    expect(await readTable(engine, table.store)).toEqual({ rows: GOOD_ROWS })
  })

  it('is refused, or gives the same rows, for every byte of its vectors', async () => {
    const table = copy()
    for (const name of table.vectors) {
      const whole = readFileSync(table.path(name))
      for (let at = 0; at < whole.length; at++) {
        table.change(name, () => noise(whole, at, 1))
        const ending = await readTable(engine, table.store)
        // Byte 0 says how the file is laid out; a vector is found by its place and not by that.
        if (at === 0) expect(ending).toEqual({ rows: GOOD_ROWS })
        else expectRefused(ending, '3002', name)
      }
      table.change(name, () => whole)
    }
  })

  it('is refused, or gives the same rows, for every byte of its newest commit', async () => {
    const table = copy()
    const name = table.logName(NEWEST)
    const whole = readFileSync(table.path(name))
    const endings = { refused: 0, same: 0 }
    for (let at = 0; at < whole.length; at += 5) {
      table.change(name, () => noise(whole, at, 1))
      const ending = await readTable(engine, table.store)
      if ('rows' in ending) expect(ending.rows, `byte ${at}`).toBe(GOOD_ROWS)
      else expectRefused(ending, ending.code.slice(-4), '')
      endings['rows' in ending ? 'same' : 'refused'] += 1
    }
    expect(endings.refused).toBeGreaterThan(endings.same)
  })
})
