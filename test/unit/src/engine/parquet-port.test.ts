import { mkdtemp, readdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ParquetPort } from '../../../../src/contracts/index.ts'
import { createEngine, createParquetPort, type Engine } from '../../../../src/engine/index.ts'
import type { ColumnType, StructField } from '../../../../src/model/index.ts'
import { createTestClock } from '../../../support/test-clock.ts'

const field = (name: string, type: ColumnType): StructField => ({ name, type, nullable: true })
const TEXT_MAP: ColumnType = {
  kind: 'map',
  key: 'string',
  value: 'string',
  valueContainsNull: true,
}
const COLUMNS: readonly StructField[] = [
  field('add', {
    kind: 'struct',
    fields: [
      field('path', 'string'),
      field('size', 'long'),
      field('values', TEXT_MAP),
      field('vector', { kind: 'struct', fields: [field('offset', 'integer')] }),
    ],
  }),
  field('names', { kind: 'array', element: 'string', containsNull: true }),
]

let engine: Engine
let port: ParquetPort
let spoolFolder: string
beforeAll(async () => {
  spoolFolder = join(await mkdtemp(join(tmpdir(), 'sluice-port-')), 'spool')
  engine = await createEngine({
    memoryBytes: 128 * 1024 * 1024,
    threads: 1,
    temporaryFolder: join(spoolFolder, 'spill'),
  })
  const openSession = () => engine.session()
  port = createParquetPort({ openSession, spoolFolder, clock: createTestClock() })
})
afterAll(async () => {
  await engine[Symbol.asyncDispose]()
})

async function roundTrip(
  rows: readonly string[],
  columns: readonly StructField[] = COLUMNS,
): Promise<readonly string[]> {
  const path = await port.writeRows({ columns: COLUMNS, rows })
  const read: string[] = []
  for await (const batch of port.readRows(path, columns)) read.push(...batch)
  return read
}

describe('parquet port', () => {
  it('keeps 64-bit numbers, maps with odd keys, lists and missing structs', async () => {
    const rows = [
      '{"add":{"path":"a%20b","size":9223372036854775807,"values":{"k\\"é":"v","n":null},' +
        '"vector":{"offset":1}},"names":["x",null]}',
      '{"add":{"path":"b","size":-9007199254740993,"values":{},"vector":null},"names":[]}',
      '{"add":null,"names":null}',
    ]
    expect(await roundTrip(rows)).toEqual(rows)
  })

  it('makes NULL of what a row lacks', async () => {
    expect(await roundTrip(['{"add":{"path":"a"}}', '{}'])).toEqual([
      '{"add":{"path":"a","size":null,"values":null,"vector":null},"names":null}',
      '{"add":null,"names":null}',
    ])
  })

  it('reads only what is asked for and there', async () => {
    const columns = [
      field('add', { kind: 'struct', fields: [field('size', 'long'), field('later', 'long')] }),
      field('absent', 'string'),
    ]
    const rows = ['{"add":{"path":"a","size":1}}', '{"names":["x"]}']
    expect(await roundTrip(rows, columns)).toEqual(['{"add":{"size":1}}', '{"add":null}'])
    expect(await roundTrip(rows, [field('absent', 'string')])).toEqual([])
  })

  it('keeps the order of many rows', async () => {
    const rows = Array.from(
      { length: 10_000 },
      (_, index) =>
        `{"add":{"path":"${index}","size":${index},"values":null,"vector":null},"names":null}`,
    )
    expect(await roundTrip(rows)).toEqual(rows)
  })

  it('takes a row of several megabytes', async () => {
    const path = 'x'.repeat(3_000_000)
    const rows = [`{"add":{"path":"${path}","size":1,"values":null,"vector":null},"names":null}`]
    expect(await roundTrip(rows)).toEqual(rows)
  })

  it('leaves nothing behind of a write that fails', async () => {
    const before = await readdir(spoolFolder)
    const broken = async function* (): AsyncIterable<string> {
      yield '{"add":{"path":"a"}}'
      yield '{"add":'
    }
    const failed = port.writeRows({ columns: COLUMNS, rows: broken() })
    await expect(failed).rejects.toMatchObject({ name: 'SluiceError' })
    expect(await readdir(spoolFolder)).toEqual(before)
  })

  it('refuses a file that is no Parquet', async () => {
    const path = join(spoolFolder, 'no.parquet')
    await writeFile(path, 'text')
    const read = async (): Promise<void> => {
      for await (const _ of port.readRows(path, COLUMNS));
    }
    await expect(read()).rejects.toMatchObject({ name: 'SluiceError' })
  })
})
