import { describe, expect, it } from 'vitest'
import {
  type DebeziumRows,
  type DebeziumScan,
  debeziumLines,
} from '../../../../connectors/files/debezium-lines.ts'
import { UNAVAILABLE_VALUE } from '../../../../src/model/index.ts'

const struct = (field: string, names: readonly string[]): object => ({
  type: 'struct',
  field,
  fields: names.map((name) => ({ type: 'string', field: name })),
})
const envelope = (...names: readonly string[]): object => ({
  type: 'struct',
  fields: [struct('before', names), struct('after', names), { type: 'string', field: 'op' }],
})
const HEARTBEAT = { type: 'struct', name: 'io.debezium.connector.common.Heartbeat', fields: [] }
const pair = (schema: object, payload: unknown): string => JSON.stringify({ schema, payload })

/** Reads a text scan by scan, as the reader does. */
function read(text: string, kind: 'envelope' | 'flat' = 'envelope') {
  const asked: string[] = []
  const rows = (kind: 'envelope' | 'flat', names: readonly string[]): DebeziumRows => {
    asked.push(`${kind}: ${names.join(' ')}`)
    const values = new Map(
      names.map((name) => [name, { type: 'string', written: { kind: 'plain' } } as const]),
    )
    return {
      layout: { rows: kind, values, unavailable: UNAVAILABLE_VALUE },
      schema: { stream: 's', schemaId: asked.length, columns: [], key: [] },
    }
  }
  const format = debeziumLines(kind, {
    withSchema: (shape) =>
      rows(
        shape.rows,
        shape.columns.map(({ name }) => name),
      ),
    bare: () => rows(kind, ['bare']),
    none: () => rows('envelope', []),
  })
  const pieces: string[] = []
  let scan: DebeziumScan
  let from = 0
  do {
    const bytes = Buffer.from(text).subarray(from)
    scan = format.scan(bytes) as DebeziumScan
    pieces.push(format.records(bytes, scan).toString('utf8'))
    from += scan.endBytes
  } while (scan.isEarly)
  return { pieces, asked, problem: scan.problem, reason: scan.reason, endBytes: from }
}

describe('lines of Debezium', () => {
  it('lose their schemas, and stand as nulls where they tell of no row', () => {
    const schema = envelope('id')
    const lines = [
      'null',
      pair(schema, { op: 'c', after: { id: '1' } }),
      pair(HEARTBEAT, { ts_ms: 1 }),
      '',
      `  ${pair(schema, { op: 'u', after: { id: '2' } })}  \r`,
      pair(schema, null),
      '{"schema":null,"payload":null}',
    ]
    expect(read(`${lines.join('\n')}\n`)).toMatchObject({
      pieces: [
        'null\n{"op":"c","after":{"id":"1"}}\nnull\n{"op":"u","after":{"id":"2"}}\nnull\nnull\n',
      ],
      asked: ['envelope: id'],
      problem: null,
    })
  })

  it('begin a part of their own where their schema changes, and when it comes back', () => {
    const [one, two] = [envelope('id'), envelope('id', 'b')]
    const lines = [pair(one, { n: 1 }), pair(HEARTBEAT, {}), pair(two, { n: 2 }), pair(one, {})]
    expect(read(`${lines.join('\n')}\n`)).toMatchObject({
      pieces: ['{"n":1}\nnull\n', '{"n":2}\n', '{}\n'],
      asked: ['envelope: id', 'envelope: id b', 'envelope: id'],
    })
  })

  it('stay as they are without a schema, and know what they are by the first of them', () => {
    const text = '{"ts_ms":1}\n{"before":null,"after":{"id":1},"op":"c"}\n{"after":{},"op":"u"}\n'
    expect(read(text)).toMatchObject({ pieces: [text], asked: ['envelope: bare'] })
    const flat = '{"id":1,"__deleted":"false"}\n'
    expect(read(flat, 'flat')).toMatchObject({ asked: ['flat: bare'], problem: null })
    expect(read(flat)).toMatchObject({ problem: 'no-rows', endBytes: 0 })
    expect(read(text, 'flat')).toMatchObject({ problem: 'no-rows' })
  })

  it('may have the payload first, and columns named schema and payload', () => {
    const payload = { op: 'c', after: { schema: '}"', payload: '{' } }
    const line = JSON.stringify({ payload, schema: envelope('schema', 'payload') })
    expect(read(`${line}\n`)).toMatchObject({
      pieces: [`${JSON.stringify(payload)}\n`],
      asked: ['envelope: schema payload'],
    })
    const bare = '{"schema":{"a":1},"payload":2}\n'
    expect(read(bare, 'flat')).toMatchObject({ pieces: [bare], asked: ['flat: bare'] })
  })

  it.each([
    [
      'a row that is no struct',
      pair(
        {
          ...envelope(),
          fields: [
            { type: 'string', field: 'after' },
            { type: 'string', field: 'op' },
          ],
        },
        {},
      ),
      'no-rows',
    ],
    [
      'a type that does not exist',
      pair(
        {
          ...envelope(),
          fields: [
            { type: 'struct', field: 'after', fields: [{ type: 'int128', field: 'x' }] },
            { type: 'string', field: 'op' },
          ],
        },
        {},
      ),
      'no-rows',
    ],
    ['a line that is no object', '[1]', 'not-an-object'],
    ['a line that is not UTF-8', '\xff', null],
    ['a line that is too deep', `{"a":${'['.repeat(10_001)}${']'.repeat(10_001)}}`, 'too-deep'],
  ])('end before %s', (_, line, problem) => {
    const good = `${pair(envelope('id'), { n: 1 })}\n`
    const found = read(`${good}${line}\n`)
    if (problem !== null) expect(found).toMatchObject({ problem, endBytes: good.length })
    expect(found.pieces[0]).toBe('{"n":1}\n')
  })

  it('refuse tombstones among flat rows that do not tell of deletes', () => {
    const flat = (...names: readonly string[]): object => struct('row', names)
    const lines = (...names: readonly string[]) => `${pair(flat(...names), { id: '1' })}\nnull\n`
    expect(read(lines('id'), 'flat')).toMatchObject({ problem: 'no-rows' })
    expect(read(lines('id', '__deleted'), 'flat')).toMatchObject({ problem: null })
    expect(read(lines('id'))).toMatchObject({ problem: 'no-rows', endBytes: 0 })
  })
})
