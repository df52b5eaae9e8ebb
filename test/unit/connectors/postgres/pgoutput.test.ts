import { describe, expect, it } from 'vitest'
import { FrameSplitter } from '../../../../connectors/postgres/frames.ts'
import { PgoutputDecoder } from '../../../../connectors/postgres/pgoutput.ts'
import type { StreamSchema } from '../../../../src/model/index.ts'
import * as build from './messages.ts'

const MICROS = '1700000000000001'

function schemaOf(
  stream: string,
  columns: readonly string[],
  key: readonly string[],
): StreamSchema {
  return {
    stream,
    schemaId: 1,
    key,
    columns: columns.map((name) => ({ name, type: 'string', sourceType: 'text', nullable: true })),
  }
}

const schemas = new Map<string, StreamSchema>()

/**
 * A decoder that knows `public.a` as relation 1; relations of other names are read when named in
 * `more`.
 */
function decoderOf(
  messages: readonly Buffer[],
  options: { key?: readonly string[]; resume?: bigint; ignored?: readonly string[] } = {},
): PgoutputDecoder {
  const decoder = new PgoutputDecoder(0n, (relation) => {
    const stream = `${relation.schemaName}.${relation.tableName}`
    if (options.ignored?.includes(stream)) return null
    const names = relation.columns.map((column) => column.name)
    const key =
      options.key ?? relation.columns.filter((column) => column.isKey).map((column) => column.name)
    const shape = JSON.stringify([stream, names, key])
    const schema = schemas.get(shape) ?? schemaOf(stream, names, key)
    schemas.set(shape, schema)
    return { schema, resumePosition: options.resume ?? 0n }
  })
  for (const message of messages) decoder.decode(message, 0, message.length)
  return decoder
}

function linesOf(decoder: PgoutputDecoder): string[] {
  return decoder
    .takeParts()
    .flatMap((part) => Buffer.from(part.bytes).toString('utf8').split('\n').slice(0, -1))
}

const RELATION = build.relation(1, 'a', ['id', 'text'], ['id'])

describe('pgoutput messages', () => {
  it('turns a transaction into lines with the position and time of its commit', () => {
    const decoder = decoderOf([
      build.begin(100n),
      RELATION,
      build.insert(1, ['1', 'one']),
      build.update(1, ['1', 'uno']),
      build.remove(1, 'K', ['1', null]),
      build.commit(100n, 148n),
    ])
    expect(linesOf(decoder)).toEqual([
      `i\t100\t${MICROS}\t1\tone`,
      `u\t100\t${MICROS}\t1\tuno`,
      `d\t100\t${MICROS}\t1\t\\N`,
    ])
    expect(decoder.nextPosition).toBe(148n)
    expect(decoder.inTransaction).toBe(false)
    expect(decoder.sourceTimeMicros).toBe(1_700_000_000_000_001n)
  })

  it('keeps every change of one transaction although all have the same position', () => {
    const decoder = decoderOf([
      build.begin(100n),
      RELATION,
      build.update(1, ['1', 'a']),
      build.update(1, ['1', 'b']),
      build.update(1, ['1', 'c']),
    ])
    const parts = decoder.takeParts()
    expect(parts).toHaveLength(1)
    expect(parts[0]).toMatchObject({ recordCount: 3, firstPosition: 100n, partialCount: 0 })
  })

  it('marks NULL and values that were not sent, and counts partial records', () => {
    const decoder = decoderOf([
      build.begin(5n),
      RELATION,
      build.insert(1, ['1', null]),
      build.update(1, ['1', undefined]),
    ])
    const parts = decoder.takeParts()
    expect(parts[0]!.partialCount).toBe(1)
    expect(Buffer.from(parts[0]!.bytes).toString()).toBe(
      `i\t5\t${MICROS}\t1\t\\N\nu\t5\t${MICROS}\t1\t\\U\n`,
    )
  })

  it('escapes exactly the bytes that COPY escapes, and lets literal marks stay values', () => {
    const decoder = decoderOf([
      build.begin(5n),
      RELATION,
      build.insert(1, ['1', '\\ \t \n \r \b \f \v \u0001 \u007f é \\N']),
    ])
    expect(linesOf(decoder)[0]).toBe(
      `i\t5\t${MICROS}\t1\t\\\\ \\t \\n \\r \\b \\f \\v \u0001 \u007f é \\\\N`,
    )
  })

  it('writes a key change as delete of the old key and insert with unsent columns marked', () => {
    const decoder = decoderOf([
      build.begin(5n),
      RELATION,
      build.update(1, ['2', undefined], { kind: 'K', values: ['1', null] }),
    ])
    expect(linesOf(decoder)).toEqual([`d\t5\t${MICROS}\t1\t\\N`, `m\t5\t${MICROS}\t2\t\\U`])
  })

  it('sees an update where Postgres sends the old key although it did not change', () => {
    const decoder = decoderOf([
      build.begin(5n),
      RELATION,
      build.update(1, [undefined, 'x'], { kind: 'K', values: ['1', null] }),
    ])
    expect(linesOf(decoder)).toEqual([`u\t5\t${MICROS}\t1\tx`])
  })

  it('fills unsent values from the old row under full identity', () => {
    const full = build.relation(1, 'a', ['id', 'text'], ['id', 'text'], 'f')
    const decoder = decoderOf(
      [
        build.begin(5n),
        full,
        build.update(1, ['1', undefined], { kind: 'O', values: ['1', 'long'] }),
        build.update(1, ['2', undefined], { kind: 'O', values: ['1', 'long'] }),
        build.remove(1, 'O', ['2', 'long']),
      ],
      { key: ['id'] },
    )
    expect(linesOf(decoder)).toEqual([
      `u\t5\t${MICROS}\t1\tlong`,
      `d\t5\t${MICROS}\t1\tlong`,
      `m\t5\t${MICROS}\t2\tlong`,
      `d\t5\t${MICROS}\t2\tlong`,
    ])
  })

  it('replaces the whole row under full identity without key', () => {
    const full = build.relation(1, 'a', ['id', 'text'], ['id', 'text'], 'f')
    const decoder = decoderOf(
      [
        build.begin(5n),
        full,
        build.update(1, ['1', 'b'], { kind: 'O', values: ['1', 'a'] }),
        build.update(1, ['1', 'b'], { kind: 'O', values: ['1', 'b'] }),
      ],
      { key: [] },
    )
    expect(linesOf(decoder).map((line) => line[0])).toEqual(['d', 'm', 'u'])
  })

  it('writes one truncate line for each relation that is read', () => {
    const decoder = decoderOf(
      [
        build.begin(5n),
        RELATION,
        build.relation(2, 'b', ['id'], ['id']),
        build.relation(3, 'c', ['id'], ['id']),
        build.truncate([1, 2, 3]),
      ],
      { ignored: ['public.b'] },
    )
    expect(linesOf(decoder)).toEqual([`t\t5\t${MICROS}\t\\N\t\\N`, `t\t5\t${MICROS}\t\\N`])
  })

  it('gives each stream and shape a part of its own, in the order of their first lines', () => {
    const decoder = decoderOf([
      build.begin(5n),
      build.relation(2, 'b', ['id'], ['id']),
      RELATION,
      build.insert(1, ['1', 'x']),
      build.insert(2, ['7']),
      build.insert(1, ['2', 'y']),
      build.relation(1, 'a', ['id', 'text', 'more'], ['id']),
      build.insert(1, ['3', 'z', 'm']),
    ])
    const parts = decoder.takeParts()
    expect(parts.map((part) => [part.schema.stream, part.schema.columns.length])).toEqual([
      ['public.a', 2],
      ['public.b', 1],
      ['public.a', 3],
    ])
    expect(parts.map((part) => part.recordCount)).toEqual([2, 1, 1])
  })

  it('skips whole transactions below the resume position and reads from it on', () => {
    const decoder = decoderOf(
      [
        build.begin(99n),
        RELATION,
        build.insert(1, ['1', 'x']),
        build.truncate([1]),
        build.commit(99n, 100n),
        build.begin(100n),
        build.insert(1, ['2', 'y']),
        build.commit(100n, 110n),
      ],
      { resume: 100n },
    )
    expect(linesOf(decoder)).toEqual([`i\t100\t${MICROS}\t2\ty`])
  })

  it('does not touch the bytes of a part after handing it over', () => {
    const decoder = decoderOf([build.begin(5n), RELATION, build.insert(1, ['1', 'first'])])
    const [part] = decoder.takeParts()
    const before = Buffer.from(part!.bytes).toString()
    const next = build.insert(1, ['2', 'other'])
    decoder.decode(next, 0, next.length)
    expect(Buffer.from(part!.bytes).toString()).toBe(before)
  })

  it.each([
    ['an unknown type', Buffer.from('?')],
    ['a change outside a transaction', build.insert(1, ['1', 'x'])],
    ['a short begin', build.begin(5n).subarray(0, 10)],
    ['a commit without begin', build.commit(1n, 2n)],
  ])('refuses %s', (_, message) => {
    const decoder = decoderOf([])
    expect(() => decoder.decode(message, 0, message.length)).toThrow(
      expect.objectContaining({ code: 'SLU-SRC-1220' }),
    )
  })

  it.each([
    ['of another width', build.insert(1, ['1'])],
    ['that ends inside a value', build.insert(1, ['1', 'xyz']).subarray(0, -1)],
    ['with bytes after it', Buffer.concat([build.insert(1, ['1', 'x']), Buffer.from('n')])],
    [
      'of a foreign column kind',
      Buffer.concat([build.insert(1, ['1']).subarray(0, -6), Buffer.from([0, 2, 0x7a, 0x7a])]),
    ],
  ])('refuses a tuple %s', (_, message) => {
    const decoder = decoderOf([build.begin(5n), RELATION])
    expect(() => decoder.decode(message, 0, message.length)).toThrow(
      expect.objectContaining({ code: 'SLU-SRC-1220' }),
    )
  })
})

describe('frames', () => {
  const messages = [
    build.begin(5n),
    RELATION,
    build.insert(1, ['1', 'one\ttwo']),
    build.update(1, ['2', undefined], { kind: 'K', values: ['1', null] }),
    build.commit(5n, 9n),
  ]
  const wire = Buffer.concat([build.frame('N', Buffer.from('x')), ...messages.map(build.walFrame)])
  const expected = linesOf(decoderOf(messages))

  function readInChunks(chunks: readonly Buffer[]): string[] {
    const decoder = decoderOf([])
    const splitter = new FrameSplitter((type, bytes, start, end) => {
      if (type === 0x64) decoder.decode(bytes, start + 25, end)
    })
    for (const chunk of chunks) splitter.push(Buffer.from(chunk))
    return linesOf(decoder)
  }

  it('are put together again wherever the stream is cut in two', () => {
    expect(expected).toHaveLength(3)
    for (let cut = 0; cut <= wire.length; cut++) {
      expect(readInChunks([wire.subarray(0, cut), wire.subarray(cut)])).toEqual(expected)
    }
  })

  it('are put together from single bytes', () => {
    expect(readInChunks([...wire].map((byte) => Buffer.from([byte])))).toEqual(expected)
  })

  it('hold messages larger than the buffer they wait in', () => {
    const text = 'x'.repeat(300_000)
    const long = Buffer.concat(
      [build.begin(5n), RELATION, build.insert(1, ['1', text])].map(build.walFrame),
    )
    const chunks = []
    for (let at = 0; at < long.length; at += 65_536) chunks.push(long.subarray(at, at + 65_536))
    expect(readInChunks(chunks)).toEqual([`i\t5\t${MICROS}\t1\t${text}`])
  })

  it('of an impossible length are refused', () => {
    const splitter = new FrameSplitter(() => undefined)
    expect(() => splitter.push(Buffer.from('d\x7f\xff\xff\xff', 'latin1'))).toThrow(
      expect.objectContaining({ code: 'SLU-SRC-1220' }),
    )
  })
})
