import { describe, expect, it } from 'vitest'
import { splitBlock, unsentKeys } from '../../../../connectors/postgres/part-lines.ts'
import type { BlockPart, SourceBlock } from '../../../../src/contracts/index.ts'
import type { StreamSchema } from '../../../../src/model/index.ts'

const schema: StreamSchema = {
  stream: 'public.t',
  schemaId: 1,
  key: ['b', 'a'],
  columns: ['a', 'b', 'c'].map((name) => ({
    ...{ name, type: 'string', sourceType: 'text', nullable: true },
  })),
}

/** Lines `op position fields…`, fields separated by spaces. */
function part(...lines: readonly string[]): BlockPart {
  const text = lines.map((line) => {
    const [op, position, ...fields] = line.split(' ')
    return `${[op, position, '0', ...fields].join('\t')}\n`
  })
  return {
    ...{ schema, format: 'copy-text', bytes: Buffer.from(text.join('')) },
    recordCount: lines.length,
    firstPosition: BigInt(lines[0]?.split(' ')[1] ?? 0),
    partialCount: lines.filter((line) => line.split(' ').includes('\\U')).length,
  }
}

function block(parts: readonly BlockPart[], nextPosition: bigint, isEnd = true): SourceBlock {
  return {
    ...{ split: 'slot', splitNumber: 0, parts, nextPosition, endsTransaction: isEnd },
    ...{ copy: null, identity: {}, sourceTimeMicros: 1n },
  }
}

const texts = (found: SourceBlock | null): readonly string[] | undefined =>
  found?.parts.map(({ bytes }) => Buffer.from(bytes).toString())

describe('splitBlock', () => {
  it('leaves a block alone that does not reach the position', () => {
    const whole = block([part('i 10 1 1 x', 'i 20 2 2 x')], 21n)
    expect(splitBlock(whole, 30n)).toEqual({ before: whole, after: null })
  })

  it('splits each part between two transactions and counts anew', () => {
    const parts = [part('u 10 1 1 \\U', 'i 30 2 2 x', 'u 30 3 3 \\U'), part('i 40 4 4 x')]
    const { before, after } = splitBlock(block(parts, 41n), 30n)
    expect(before).toMatchObject({ nextPosition: 30n, endsTransaction: true })
    expect(before.parts).toEqual([part('u 10 1 1 \\U')])
    expect(after).toMatchObject({ nextPosition: 41n, endsTransaction: true })
    expect(texts(after)).toEqual(
      texts(block([part('i 30 2 2 x', 'u 30 3 3 \\U'), part('i 40 4 4 x')], 41n)),
    )
    expect(after?.parts[0]).toMatchObject({ recordCount: 2, partialCount: 1, firstPosition: 30n })
  })

  it('ends before a transaction whose rest is still to come', () => {
    const { before, after } = splitBlock(block([part('i 10 1 1 x', 'i 50 2 2 x')], 11n, false), 30n)
    expect(before).toMatchObject({ nextPosition: 30n, endsTransaction: true })
    expect(after).toMatchObject({ endsTransaction: false, nextPosition: 11n })
  })

  it('is reached by a source that is complete up to the position without any line', () => {
    expect(splitBlock(block([], 30n), 30n).after).not.toBe(null)
    expect(splitBlock(block([], 29n), 30n).after).toBe(null)
    expect(splitBlock(block([], 30n, false), 30n).after).toBe(null)
  })
})

describe('unsentKeys', () => {
  it('names each row that is not whole once, in the order of the key', () => {
    const lines = ['u 1 1 x \\U', 'u 1 2 y z', 'm 1 1 x \\U', 'u 2 q\\tq w\\\\w \\U']
    expect(unsentKeys(part(...lines))).toEqual([
      ['x', '1'],
      ['w\\w', 'q\tq'],
    ])
  })

  it('does not take a value for the mark', () => {
    const line = part('u 1 1 x \\\\U', 'u 1 2 y \\\\\\\\U', 'u 1 3 y \\Ux')
    expect(unsentKeys({ ...line, partialCount: 1 })).toEqual([])
  })
})
