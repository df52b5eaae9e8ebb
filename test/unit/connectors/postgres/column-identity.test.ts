import { describe, expect, it } from 'vitest'
import {
  type AttributeFacts,
  identifyColumns,
  type KnownColumn,
  shapeOf,
} from '../../../../connectors/postgres/column-identity.ts'

/** `a b:text`: type int unless said. */
const announced = (text: string) =>
  text.split(' ').map((part) => {
    const [name, type = 'int'] = part.split(':') as [string, string | undefined]
    return { name, type }
  })

/** `1a 2b:text ?c`: `?` for a column that was not understood. */
const known = (text: string): KnownColumn[] =>
  text.split(' ').map((part) => {
    const [, id, rest] = /^(\d+|\?)(.*)$/.exec(part) as unknown as [string, string, string]
    return { id: id === '?' ? null : Number(id), ...announced(rest)[0]! }
  })

/** `1a 2- 3c`: `-` for dropped. */
const facts = (text: string): AttributeFacts[] =>
  text.split(' ').map((part) => {
    const [, attnum, rest] = /^(\d+)(.*)$/.exec(part) as unknown as [string, string, string]
    const isDropped = rest === '-'
    const column = isDropped ? { name: `dropped ${attnum}`, type: '' } : announced(rest)[0]!
    return { attnum: Number(attnum), isDropped, ...column }
  })

type Row = readonly [
  title: string,
  before: string | null,
  message: string,
  now: string,
  answer: readonly (number | null)[],
]

const ROWS: readonly Row[] = [
  ['nothing changed', '1a 2b 3c', 'a b c', '1a 2b 3c', [1, 2, 3]],
  ['nothing known yet', null, 'a c', '1a 2- 3c', [1, 3]],
  ['added', '1a 2b', 'a b c', '1a 2b 3c', [1, 2, 3]],
  ['dropped', '1a 2b 3c', 'a c', '1a 2- 3c', [1, 3]],
  ['renamed', '1a 2b 3c', 'a x c', '1a 2x 3c', [1, 2, 3]],
  ['swapped', '1a 2b 3c', 'a c b', '1a 2c 3b', [1, 2, 3]],
  ['retyped', '1a 2b', 'a b:text', '1a 2b:text', [1, 2]],
  ['dropped one and added another', '1a 2b', 'a x', '1a 2- 3x', [1, 3]],
  ['dropped and added again with another type', '1a 2b', 'a b:text', '1a 2- 3b:text', [1, 3]],
  ['the catalogue is ahead: added later', '1a 2b', 'a b', '1a 2b 3c', [1, 2]],
  ['the catalogue is ahead: dropped later', '1a 2b 3c', 'a b c', '1a 2- 3-', [1, 2, 3]],
  ['the catalogue is ahead: renamed later', '1a 2b', 'a b', '1a 2x', [1, 2]],
  ['the catalogue is ahead: renamed twice', '1a 2b', 'a x', '1a 2y', [1, 2]],
  [
    'renamed, then dropped before it was read; or another one',
    '1a 2b',
    'a x',
    '1a 2- 3-',
    [1, null],
  ],
  ['renamed, then dropped, nothing else', '1a 2b', 'a x', '1a 2-', [1, 2]],
  ['dropped and added again, alike: which one?', '1a 2b', 'a b', '1a 2- 3b', [1, null]],
  ['of two that are gone, which had this name?', '1a 2b 3c', 'a x', '1a 2- 3-', [1, null]],
  ['something was not understood before, today it is plain', '1a ?b', 'a b', '1a 2- 3b', [1, 3]],
  ['what cannot be', '1a', 'a b c', '1a 2b', [null, null, null]],
  ['one that lived before and lives today is not told', '1a 2b', 'a', '1a 2b', [null]],
  ['one that lives today and is older than another is not told', null, 'b', '1a 2b', [null]],
  ['a number that was gone before comes again', '1a 3c', 'a x c', '1a 2- 3c', [null, null, null]],
]

describe('identifyColumns', () => {
  it.each(ROWS)('%s', (_, before, message, now, answer) => {
    const shape = before === null ? null : shapeOf(known(before))
    expect(identifyColumns(announced(message), shape, facts(now)).ids).toEqual(answer)
  })

  it('gives up on a search without end', () => {
    const names = Array.from({ length: 20 }, (_, index) => `n${index}`).join(' ')
    const now = Array.from({ length: 60 }, (_, index) => `${index + 1}-`).join(' ')
    const { ids, shape } = identifyColumns(announced(names), null, facts(now))
    expect(ids).toEqual(Array(20).fill(null))
    expect(shape.readings).toEqual([{ attnums: ids, highest: 0 }])
  })
})

/** Message after message, each with the catalogue as of then; the answer to the last one. */
function last(before: string, ...steps: readonly (readonly [message: string, now: string])[]) {
  let shape = shapeOf(known(before))
  let answer: readonly (number | null)[] = []
  for (const [message, now] of steps) {
    const found = identifyColumns(announced(message), shape, facts(now))
    shape = found.shape
    answer = found.ids
  }
  return { answer, shape }
}

describe('identifyColumns, message after message', () => {
  it('remembers that a number was given to a column that is gone', () => {
    const now = '1a 2- 3x'
    const { answer } = last('1a', ['a b', now], ['a', now], ['a c', now])
    expect(answer).toEqual([1, 3])
  })

  it('remembers numbers that were given before the first message', () => {
    const shape = shapeOf(known('1a'), 3)
    expect(identifyColumns(announced('a c'), shape, facts('1a 2- 3- 4x')).ids).toEqual([1, 4])
  })

  it('tells facts that are older than the message from those that leave it open', () => {
    const isPossible = (message: string, now: string): boolean =>
      identifyColumns(announced(message), shapeOf(known('1a 2b')), facts(now)).isPossible
    for (const message of ['a b c', 'a', 'a x']) expect(isPossible(message, '1a 2b')).toBe(false)
    expect(isPossible('a b', '1a 2b')).toBe(true)
    expect(isPossible('a x', '1a 2- 3-')).toBe(true)
  })

  it('knows in hindsight which of two a column was', () => {
    const now = '1a 2- 3-'
    expect(last('1a', ['a b', now]).answer).toEqual([1, null])
    expect(last('1a', ['a b', now], ['a b c', now]).answer).toEqual([1, 2, 3])
  })

  it('does not know more than the messages tell', () => {
    const now = '1a 2- 3- 4-'
    expect(last('1a', ['a b', now], ['a', now], ['a c', now]).answer).toEqual([1, null])
  })

  it('begins anew where something did not hold that was taken for granted', () => {
    const { answer, shape } = last('1a 3c', ['a x c', '1a 2- 3c'])
    expect(answer).toEqual([null, null, null])
    expect(shape.readings).toEqual([{ attnums: answer, highest: 0 }])
    expect(identifyColumns(announced('a c'), shape, facts('1a 2- 3c')).ids).toEqual([1, 3])
  })

  it('remembers of many readings what they agree on', () => {
    const now = `1a ${Array.from({ length: 14 }, (_, index) => `${index + 2}-`).join(' ')}`
    const { answer, shape } = last('1a', ['a b c', now])
    expect(answer).toEqual([1, null, null])
    expect(shape.readings).toEqual([{ attnums: answer, highest: 3 }])
  })
})
