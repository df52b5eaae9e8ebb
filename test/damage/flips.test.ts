/**
 * Single bits and bytes that changed anywhere in the objects of a table: a code, a cause and a
 * remedy, or the rows as they were. Never other rows, no crash, no hang. The two places where that
 * does not hold have no checksum, as docs/guarantees.md says: pages of values inside data files,
 * and the names of columns in their footers, where a column that is not there reads as NULL.
 */

import { readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Engine, literal } from '../../src/engine/index.ts'
import {
  copyTable,
  GOOD_ROWS,
  type TableCopy,
  writeTable,
} from '../support/damage/damaged-table.ts'
import { readTable, smallEngine } from '../support/damage/read-table.ts'

/** Ways in which the newest version is found, with the log entries that are then not needed. */
const LOGS = {
  commits: { properties: {}, checkpoint: false },
  'a checkpoint of one file': { properties: {}, checkpoint: true },
  'a checkpoint with sidecars': {
    properties: { 'delta.feature.v2Checkpoint': 'supported', 'delta.checkpointPolicy': 'v2' },
    checkpoint: true,
  },
} as const

const FILE_COLUMNS = ['id', 'name', 'n', '_sluice_split', '_sluice_position']

type LogKind = keyof typeof LOGS

/** Object · the log it is read with · pattern of its name · how many flips are tried. */
const OBJECTS: readonly (readonly [string, LogKind, RegExp, number])[] = [
  ['commits', 'commits', /^_delta_log\/\d{20}\.json$/, 40],
  ['version checksums', 'a checkpoint of one file', /\.crc$/, 25],
  ['vectors', 'commits', /^deletion_vector_/, 20],
  ['a checkpoint', 'a checkpoint of one file', /\.checkpoint\.parquet$/, 30],
  ['the hint', 'a checkpoint of one file', /_last_checkpoint$/, 20],
  ['the top of a checkpoint', 'a checkpoint with sidecars', /\.checkpoint\..*\.json$/, 30],
  ['sidecars', 'a checkpoint with sidecars', /^_delta_log\/_sidecars\//, 30],
]

let engine: Engine
const originals = new Map<LogKind, string>()

beforeAll(async () => {
  engine = await smallEngine()
  for (const kind of Object.keys(LOGS) as LogKind[]) {
    originals.set(kind, await writeTable(LOGS[kind]))
  }
})

afterAll(async () => {
  await engine?.[Symbol.asyncDispose]()
  for (const folder of originals.values()) rmSync(folder, { recursive: true, force: true })
})

/** A copy of which only what the kind of log needs is left. */
function copyOf(kind: LogKind): TableCopy {
  const table = copyTable(originals.get(kind) as string)
  if (LOGS[kind].checkpoint) for (const version of [0, 1, 2]) table.remove(table.logName(version))
  return table
}

/** Where (as a share of the length) and what to change. */
const flips = fc.record({
  file: fc.nat(),
  share: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  mask: fc.oneof(
    fc.integer({ min: 0, max: 7 }).map((bit) => 1 << bit),
    fc.integer({ min: 1, max: 255 }),
  ),
})

function flipped(bytes: Buffer, at: number, mask: number): Buffer {
  const changed = Buffer.from(bytes)
  changed[at] = (changed[at] as number) ^ mask
  return changed
}

/** True when a column of a data file has another name than it was written with. */
async function lost(table: TableCopy, name: string): Promise<boolean> {
  await using session = await engine.session()
  const { rows } = await session.query(
    `SELECT name FROM parquet_schema(${literal(table.path(name))}) WHERE num_children IS NULL`,
  )
  return JSON.stringify(rows.flat()) !== JSON.stringify(FILE_COLUMNS)
}

/** Reads with one change; `null` when the rows are as before, else the code. */
async function readFlipped(
  table: TableCopy,
  name: string,
  { at, mask }: { readonly at: number; readonly mask: number },
): Promise<string | null> {
  const whole = readFileSync(table.path(name))
  table.change(name, () => flipped(whole, at, mask))
  const ending = await readTable(engine, table.store)
  const hidesColumn = 'rows' in ending && ending.rows !== GOOD_ROWS && (await lost(table, name))
  table.change(name, () => whole)
  if (hidesColumn) return 'a column is hidden'
  if ('rows' in ending) {
    expect(ending.rows, `${name}, byte ${at} with ${mask}`).toBe(GOOD_ROWS)
    return null
  }
  expect(ending.code, `${name}, byte ${at} with ${mask}: ${ending.message}`).toMatch(
    /^SLU-(TAB|STO)-\d{4}$/,
  )
  expect(ending.remedy).toMatch(/\w{3,} \w{2,} .*\./)
  return ending.code
}

describe('a flip', () => {
  it.each(OBJECTS)('in %s shows no other rows', async (_, kind, pattern, runs) => {
    const table = copyOf(kind)
    try {
      const found = readdirSync(join(table.store, 't'), { recursive: true }) as string[]
      const names = found.filter((name) => pattern.test(name))
      expect(names.length).toBeGreaterThan(0)
      expect(await readTable(engine, table.store)).toEqual({ rows: GOOD_ROWS })
      await fc.assert(
        fc.asyncProperty(flips, async ({ file, share, mask }) => {
          const name = names[file % names.length] as string
          const size = readFileSync(table.path(name)).length
          await readFlipped(table, name, { at: Math.floor(share * size), mask })
        }),
        { numRuns: runs, seed: 2026 },
      )
    } finally {
      rmSync(table.store, { recursive: true, force: true })
    }
  })

  it('in the frame of a data file shows no other rows', async () => {
    const table = copyOf('commits')
    const name = table.dataFiles[0] as string
    const bytes = readFileSync(table.path(name))
    const footerBytes = bytes.readUInt32LE(bytes.length - 8) + 8
    const codes = new Set<string | null>()
    const places = [0, 1, 2, 3]
    for (let at = bytes.length - footerBytes; at < bytes.length; at += 7) places.push(at)
    for (const at of [...places, ...[8, 7, 6, 5, 4, 3, 2, 1].map((back) => bytes.length - back)]) {
      codes.add(await readFlipped(table, name, { at, mask: 1 << (at % 8) }))
    }
    expect(codes).toContain('SLU-TAB-3014')
    rmSync(table.store, { recursive: true, force: true })
  })
})
