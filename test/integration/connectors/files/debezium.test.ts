/** What a real Debezium recorded, against what the database held at the end. */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createFilesLake, type FilesLake } from '../../../support/cli/files-lake.ts'
import { recordedLines, recordedRows } from '../../../support/debezium-records.ts'

/** Ways to set the connector up, each with the settings that its records need. */
const WAYS: Readonly<Record<string, string>> = {
  schemas: '',
  bare: `, debezium: { types: {
    total: 'Decimal(20,4)', placed_at: Timestamp, some_bits: bytes, any_bits: bytes,
    money_like: 'Decimal(10,2)', fraction: 'Decimal(38,18)', any_numeric: VariableScaleDecimal,
    some_bytes: bytes, a_date: Date, a_time3: Time, a_time: MicroTime, a_timestamp3: Timestamp,
    a_timestamp: MicroTimestamp, a_timestamptz: ZonedTimestamp, ints: 'int32[]',
    bigints: 'int64[]', texts: 'string[]', numerics: 'Decimal(10,2)[]', uuids: 'Uuid[]',
    dates: 'Date[]', stamps: 'MicroTimestamp[]', blobs: 'bytes[]' } }`,
  connect: '',
  iso: '',
  nanos: '',
  flat: ', debezium: { rows: flat }',
}
const KEYS: Readonly<Record<string, string>> = { orders: '[id]', types: '[id, part]' }
const TABLES = Object.keys(KEYS)

interface Counts {
  readonly read: number
  readonly applied: number
  readonly superseded: number
  readonly filtered: number
}

const cases = Object.keys(WAYS).flatMap((way) => TABLES.map((table) => [way, table] as const))
let lake: FilesLake

/** A truncate is nothing that ExtractNewRecordState passes on. */
function linesOf(way: string, table: string): readonly string[] {
  const lines = recordedLines(way, table)
  if (way !== 'schemas' && way !== 'bare') return lines
  const aside = ['transaction', 'message', 'heartbeat'].flatMap((t) => recordedLines(way, t))
  return [...aside, ...lines.slice(0, 9), ...aside, ...lines.slice(9), ...aside]
}

beforeAll(async () => {
  lake = createFilesLake('format: debezium-json')
  const sources: string[] = []
  const pipelines: string[] = []
  for (const [way, table] of cases) {
    const name = `${way}_${table}`
    mkdirSync(join(lake.folder, name))
    writeFileSync(join(lake.folder, name, '1.ndjson'), `${linesOf(way, table).join('\n')}\n`)
    const settings = `path: ./${name}, format: debezium-json${typesOf(way, table)}`
    sources.push(`  ${name}: { files: { ${settings} } }`)
    pipelines.push(`  - { name: ${name}, from: ${name}, tables: [${name}],
      to: { key: ${KEYS[table]} }, commit: { maxRows: 50 } }`)
  }
  const config = `apiVersion: v1\nstore: { url: ./lake }\nsources:\n${sources.join('\n')}
pipelines:\n${pipelines.join('\n')}\n`
  writeFileSync(join(lake.folder, 'sluice.yaml'), config)
  await lake.ingest()
}, 120_000)
afterAll(() => lake[Symbol.dispose]())

/** Types of columns that the table has. */
function typesOf(way: string, table: string): string {
  const isOrders = table === 'orders'
  const columns = Object.keys(recordedRows(way, table)[0] ?? {})
  return (WAYS[way] ?? '').replaceAll(/\s*(\w+): ('[^']*'|\w+),?(?= )/g, (all, name: string) => {
    if (name === 'types' || name === 'rows') return all
    return columns.includes(name) || (isOrders && name === 'types') ? all : ''
  })
}

/** Columns whose values Debezium itself does not hand on as Postgres prints them. */
const OWN_FORM: Readonly<Record<string, (text: string) => string>> = {
  one_bit: (bit) => (bit === '1' ? 'true' : 'false'),
  a_char: (text) => text.padEnd(5),
  an_inet: (text) => text.replace('/128', ''),
  any_numeric: (text) => text.replace(/(\.\d*?)0+$/, '$1').replace(/\.$/, ''),
  some_bytes: (text) => text.slice(2).toUpperCase(),
}
const LISTS = ['ints', 'bigints', 'texts', 'numerics', 'uuids', 'dates', 'stamps']
/** Of a time with a zone, an interval, money and bits Debezium makes something else. */
const LEFT_OUT = ['some_bits', 'any_bits', 'some_money', 'a_timetz', 'an_interval', 'a_point']
/** What the settings of the connector lose, before Sluice sees it. */
const LOST: Readonly<Record<string, readonly string[]>> = {
  connect: ['a_time', 'a_timestamp', 'stamps'],
  iso: ['money_like', 'fraction', 'any_numeric', 'numerics', 'some_bytes', 'blobs', 'total'],
}

const elements = (list: string): string[] =>
  list === '{}'
    ? []
    : list
        .slice(1, -1)
        .split(',')
        .map((text) => text.replaceAll(/["]/g, ''))

describe('records of a real Debezium', () => {
  it.each(cases)('%s: the rows of %s are those of the database', async (way, table) => {
    const skipped = [...LEFT_OUT, ...(LOST[way] ?? []), 'blobs']
    // The flat records lack the truncate that the rows of orders ended with.
    const truth = recordedRows(way, table)
    const columns = Object.keys(truth[0] ?? {}).filter((name) => !skipped.includes(name))
    const texts = columns.map((name) => {
      if (name === 'some_bytes') return 'hex(some_bytes)'
      if (LISTS.includes(name)) return `list_transform("${name}", lambda e: e::VARCHAR)`
      return `"${name}"::VARCHAR`
    })
    const isCut = way === 'flat' && table === 'orders'
    const rows = await lake.rows(
      `SELECT ${texts.join(', ')} FROM ${way}_${table} ${isCut ? "WHERE customer = 'after'" : ''}
       ORDER BY id::VARCHAR`,
    )
    const expected = truth.map((row) =>
      columns.map((name) => {
        const text = row[name] ?? null
        if (text === null || name === 'texts') return text === null ? null : undefined
        if (LISTS.includes(name)) return elements(text).map((e) => (e === 'NULL' ? null : e))
        const isOwn = way !== 'connect' || name !== 'any_numeric'
        return (isOwn ? OWN_FORM[name]?.(text) : null) ?? text
      }),
    )
    const long = columns.indexOf('texts')
    expect(rows.map((row) => row.map((value, at) => keep(value, at === long)))).toEqual(expected)
  })

  /** Texts with quotes are compared on their own. */
  const keep = (value: unknown, isTexts: boolean): unknown =>
    isTexts && value !== null ? undefined : value

  it('keeps long values that were not sent, through updates and a new key', async () => {
    for (const way of ['schemas', 'bare', 'connect', 'nanos', 'flat']) {
      expect(
        await lake.rows(`SELECT id, part, length(a_text), octet_length(some_bytes), len(texts),
          len(ints), len(bigints), length(a_jsonb), len(uuids), octet_length(blobs[1])
          FROM ${way}_types WHERE id IN (10, 12) ORDER BY id`),
      ).toEqual([
        [10, 'stream', 11, 3000, 2, 800, 400, 3012, 200, 3000],
        [12, 'moved', 3000, 3000, 2, 800, 400, 3012, 200, 3000],
      ])
    }
  })

  it('keeps lists of texts and of bytes, geometry, bits and intervals', async () => {
    expect(
      await lake.rows(`SELECT texts, hex(blobs[1]), blobs[2], a_point.x, hex(a_point.wkb),
        hex(some_bits), any_bits = ''::BLOB, an_interval, a_timetz, some_money
        FROM schemas_types WHERE id = 11`),
    ).toEqual([
      [
        ['a,b', null, 'c"d'],
        '00FF',
        null,
        0,
        '010100000000000000000000000000000000000000',
        'FE03',
        false,
        -86400000000,
        '18:04:56.789012Z',
        '0.01',
      ],
    ])
  })

  it('counts every record, and what tells of no row as filtered', async () => {
    for (const way of ['schemas', 'bare']) {
      const { stdout } = await lake.sluice('timeline', `${way}_orders`, '--json')
      const { commits } = JSON.parse(stdout) as { commits: { accounting: Counts | null }[] }
      const counts = commits.flatMap(({ accounting }) => accounting ?? [])
      const sum = (of: (count: Counts) => number): number =>
        counts.reduce((all, count) => all + of(count), 0)
      const lines = linesOf(way, 'orders')
      const rows = lines.filter((line) => /"op":"[crudt]"/.test(line))
      expect(sum(({ read }) => read)).toBe(lines.length)
      expect(sum(({ filtered }) => filtered)).toBe(lines.length - rows.length)
      expect(sum(({ applied, superseded }) => applied + superseded)).toBe(rows.length)
    }
  })
})
