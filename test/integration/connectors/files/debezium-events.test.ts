/** What becomes of events of Debezium: order, deletes, what is refused. */

import { describe, expect, it } from 'vitest'
import { createFilesLake } from '../../../support/cli/files-lake.ts'

interface Event {
  readonly op?: string
  readonly id?: number
  readonly v?: string | null
  readonly before?: object
  readonly lsn?: number
  readonly commit?: number
  readonly source?: object
}

function event({ op = 'c', id = 1, v = null, before, lsn = 0, commit, source }: Event): string {
  const sequence = JSON.stringify([commit === undefined ? null : `${commit}`, `${lsn}`])
  const record = {
    before: before ?? (op === 'd' ? { id, v: null } : null),
    after: op === 'd' || op === 't' ? null : { id, v },
    source: source ?? { connector: 'postgresql', lsn, sequence },
    op,
  }
  return `${JSON.stringify(record)}\n`
}

const lines = (...events: readonly Event[]): string => events.map(event).join('')
const ROWS = 'SELECT id, v FROM t ORDER BY id'
const KEYED = 'to: { key: [id] }'
const FORMAT = 'format: debezium-json'
const ORDERED = `${FORMAT}, debezium: { metadata: [order, op, source.lsn] }`
const BY_ORDER = 'to: { key: [id], ordering: __order }'

describe('events of Debezium', () => {
  it('insert, update, delete and empty the table, in the order of the file', async () => {
    using lake = createFilesLake(FORMAT, KEYED)
    lake.put('1.json', lines({ v: 'a', op: 'r' }, { id: 2, v: 'b' }, { id: 2, v: 'c', op: 'u' }))
    await lake.ingest()
    expect(await lake.rows(ROWS)).toEqual([
      [1, 'a'],
      [2, 'c'],
    ])
    lake.put('2.json', `${lines({ id: 2, op: 'd' })}null\n${lines({ id: 3, v: 'd' })}`)
    await lake.ingest()
    expect(await lake.rows(ROWS)).toEqual([
      [1, 'a'],
      [3, 'd'],
    ])
    lake.put('3.json', lines({ id: 8, v: 'x' }, { op: 't' }, { id: 9, v: 'y' }))
    await lake.ingest()
    expect(await lake.rows(ROWS)).toEqual([[9, 'y']])
  })

  it('are applied by place in the log, so that what comes again changes nothing', async () => {
    using lake = createFilesLake(ORDERED, BY_ORDER)
    const all = [
      { op: 'r', v: 'snapshot', lsn: 100 },
      { op: 'r', id: 2, v: 'snapshot', lsn: 100 },
      // Changed before the snapshot in a transaction that it did not see, and told by its commit.
      { op: 'u', v: 'open before', lsn: 90, commit: 110 },
      { op: 'u', v: 'later', lsn: 120, commit: 115 },
      { op: 'd', id: 2, lsn: 130, commit: 125 },
    ]
    lake.put('1.json', lines(...all))
    await lake.ingest()
    const rows = [[1, 'later', 120, 'u', 120]]
    const query = 'SELECT id, v, __order, __op, __source_lsn FROM t'
    expect(await lake.rows(query)).toEqual(rows)
    lake.put('2.json', lines(...all.slice(0, 3)))
    await lake.ingest()
    expect(await lake.rows(query)).toEqual(rows)
    lake.put('3.json', lines(...all.slice(1).toReversed()))
    await lake.ingest()
    expect(await lake.rows(query)).toEqual(rows)
  })

  it('of MySQL are applied by file and position of the binlog', async () => {
    using lake = createFilesLake(ORDERED, BY_ORDER)
    const at = (file: string, pos: number): object => ({ connector: 'mysql', file, pos })
    lake.put(
      '1.json',
      lines(
        { v: 'new', source: at('bin.000010', 4) },
        { v: 'old', source: at('bin.000009', 999_999) },
        { v: 'older', source: at('bin.000002', 4) },
      ),
    )
    await lake.ingest()
    expect(await lake.rows(ROWS)).toEqual([[1, 'new']])
  })

  it('end the pipeline where they have no order, or a delete does not tell it', async () => {
    using lake = createFilesLake(ORDERED, BY_ORDER)
    lake.put('1.json', lines({ source: { connector: 'oracle', scn: '5' } }))
    await expect(lake.ingest()).rejects.toThrow('no lsn and no file with pos: oracle')
    using other = createFilesLake(FORMAT, 'to: { key: [id], ordering: v }')
    other.put('1.json', lines({ v: '5' }).replace('"v":"5"', '"v":5') + lines({ op: 'd' }))
    await expect(other.ingest()).rejects.toThrow('a delete does not tell v')
  })

  it('of Postgres are not ordered by a column that a delete may tell otherwise', async () => {
    const by = (ordering: string): string => `to: { key: [id], ordering: ${ordering} }`
    const ordered = (v: number, more: Event = {}): string =>
      event(more).replace(/"v":(null|"")/g, `"v":${v}`)
    using lake = createFilesLake(FORMAT, by('v'))
    // What Debezium writes of a column that may not be NULL and was not told.
    lake.put('1.json', ordered(5, { v: '' }) + ordered(0, { op: 'd' }))
    await expect(lake.ingest()).rejects.toThrow('order by __order')
    using upserts = createFilesLake(FORMAT, by('v'))
    upserts.put('1.json', ordered(5, { v: '' }) + ordered(3, { v: '', op: 'u' }))
    await upserts.ingest()
    expect(await upserts.rows(ROWS)).toEqual([[1, 5]])
    using other = createFilesLake(FORMAT, by('v'))
    const source = { connector: 'sqlserver' }
    other.put('1.json', ordered(5, { v: '', source }) + ordered(5, { op: 'd', source }))
    await other.ingest()
    expect(await other.rows(ROWS)).toEqual([])
  })

  it('that are flat are not ordered by a column of the row, where they delete', async () => {
    const flat = `${FORMAT}, debezium: { rows: flat }`
    const record = (v: number, lsn: number, isDelete = false): string =>
      `{"id":1,"v":${v},"__lsn":${lsn},"__deleted":"${isDelete}"}\n`
    const records = record(5, 10) + record(0, 30, true) + record(4, 20)
    using lake = createFilesLake(flat, 'to: { key: [id], ordering: v }')
    lake.put('1.json', records)
    await expect(lake.ingest()).rejects.toThrow('order by __lsn or __source_ts_ms')
    using ordered = createFilesLake(flat, 'to: { key: [id], ordering: __lsn }')
    ordered.put('1.json', records)
    await ordered.ingest()
    expect(await ordered.rows('SELECT id FROM t')).toEqual([])
  })

  it('keep what nobody declared as it is written, and read what is declared', async () => {
    const types = 'debezium: { types: { at: MicroTimestamp, price: "Decimal(10,2)" } }'
    using lake = createFilesLake(`${FORMAT}, ${types}`, KEYED)
    const row = '{"id":1,"n":1767225600000000,"at":1767225600000001,"price":"AfQ=","j":{"a":[1]}}'
    lake.put('1.json', `{"after":${row},"before":null,"op":"c"}\n`)
    await lake.ingest()
    expect(await lake.rows('SELECT n::VARCHAR, "at"::VARCHAR, price::VARCHAR, j FROM t')).toEqual([
      ['1767225600000000', '2026-01-01 00:00:00.000001', '5.00', '{"a":[1]}'],
    ])
  })

  it('do not guess how a column is written that an event without a schema brings', async () => {
    using lake = createFilesLake(FORMAT, KEYED)
    const fields = [
      { type: 'int64', field: 'id' },
      { type: 'int64', field: 'at', name: 'io.debezium.time.MicroTimestamp' },
    ]
    const row = { type: 'struct', field: 'after', fields }
    const schema = { type: 'struct', fields: [row, { type: 'string', field: 'op' }] }
    const payload = { after: { id: 1, at: 5 }, op: 'c' }
    lake.put('1.json', `${JSON.stringify({ schema, payload })}\n`)
    await lake.ingest()
    lake.put('2.json', `${JSON.stringify(payload)}\n`)
    await expect(lake.ingest()).rejects.toThrow('at: debezium.types does not say')
  })

  it('refuse decimals as numbers, which may look like bytes', async () => {
    const types = 'debezium: { types: { price: "Decimal(10,0)" } }'
    using lake = createFilesLake(`${FORMAT}, ${types}`, KEYED)
    lake.put('1.json', '{"after":{"id":1,"price":null},"op":"c"}\n')
    await lake.ingest()
    lake.append('1.json', '{"after":{"id":2,"price":1234},"op":"c"}\n')
    await expect(lake.ingest()).rejects.toThrow('decimal.format')
    expect(await lake.rows('SELECT id, price FROM t')).toEqual([[1, null]])
  })

  it('stop at a new column where the policy says so', async () => {
    using lake = createFilesLake(FORMAT, `${KEYED}, schema: { add: stop }`)
    const record = (names: readonly string[]): string => {
      const fields = names.map((field) => ({ type: 'int64', field }))
      const row = { type: 'struct', field: 'after', fields }
      const schema = { type: 'struct', fields: [row, { type: 'string', field: 'op' }] }
      const after = Object.fromEntries(names.map((name) => [name, 1]))
      return `${JSON.stringify({ schema, payload: { after, op: 'c' } })}\n`
    }
    lake.put('1.json', record(['id']))
    await lake.ingest()
    lake.append('1.json', record(['id']) + record(['id', 'b']))
    await expect(lake.ingest()).rejects.toThrow('SLU-ING-4010')
    expect(await lake.rows('SELECT * FROM t')).toEqual([[1]])
  })

  it.each([
    ['an operation that does not exist', event({ op: 'x' }), 'no change event of Debezium, op: x'],
    ['a row in the place of an event', '{"id":5,"ts_ms":1}\n', 'rows: flat'],
    ['a value of another kind', '{"after":{"id":"x"},"op":"c"}\n', 'SLU-ING-4003'],
    ['half a line', '{"after":{"id":1},\n', 'SLU-ING-4003'],
    ['a line without a key', '{"after":{"v":"a"},"op":"c"}\n', 'SLU-ING-4003'],
  ])('end the pipeline at %s, and lose nothing before', async (_, line, message) => {
    using lake = createFilesLake(FORMAT, KEYED)
    lake.put('1.json', lines({ v: 'a' }))
    await lake.ingest()
    lake.append('1.json', line)
    await expect(lake.ingest()).rejects.toThrow(message)
    expect(await lake.rows(ROWS)).toEqual([[1, 'a']])
  })

  it('need a key as soon as one changes a row', async () => {
    using lake = createFilesLake(FORMAT)
    lake.put('1.json', `null\n${lines({ v: 'a' })}`)
    await lake.ingest()
    expect(await lake.rows(ROWS)).toEqual([[1, 'a']])
    lake.put('2.json', lines({ v: 'b', op: 'u' }))
    await expect(lake.ingest()).rejects.toThrow('SLU-ING-4014')
    using log = createFilesLake(FORMAT, 'to: { mode: append }')
    log.put('1.json', lines({ v: 'a' }, { v: 'b', op: 'u' }, { op: 'd' }))
    await log.ingest()
    expect(await log.rows('SELECT id, v FROM t ORDER BY v')).toEqual([
      [1, 'a'],
      [1, 'b'],
    ])
  })

  it.each([
    [FORMAT, `${KEYED}, onError: dlq`, 'onError: dlq is not supported for sources of format'],
    [`${FORMAT}, columns: { id: bigint }`, KEYED, 'debezium: { types }'],
    [`${FORMAT}, debezium: { types: { id: int65 } }`, KEYED, 'there is no type "int65"'],
    [`${FORMAT}, debezium: { metadata: [lsn] }`, KEYED, 'source.lsn'],
  ])('are configured in words that are checked: %s', async (source, pipeline, message) => {
    using lake = createFilesLake(source, pipeline)
    await expect(lake.ingest()).rejects.toThrow(message)
  })
})
