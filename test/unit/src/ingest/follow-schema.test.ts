import { describe, expect, it } from 'vitest'
import type { SchemaPolicies, TableTarget } from '../../../../src/contracts/index.ts'
import { type FollowedSchema, followSchema } from '../../../../src/ingest/follow-schema.ts'
import { createTableSchema } from '../../../../src/ingest/table-schema.ts'
import {
  type ColumnType,
  isSluiceError,
  type SluiceError,
  type StreamSchema,
  type TableSchema,
  userColumns,
} from '../../../../src/model/index.ts'
import { DEFAULT_POLICIES } from '../../../support/schema-policies.ts'

/** `name` or `name#id`, where the id is a number, `?` (unknown) or absent (none) → type. */
type Shape = Readonly<Record<string, ColumnType>>

function stream(shape: Shape, key: readonly string[] = ['id']): StreamSchema {
  const columns = Object.entries(shape).map(([text, type]) => {
    const [name, id] = text.split('#') as [string, string | undefined]
    const known = id === undefined ? {} : { id: id === '?' ? null : Number(id) }
    return { name, type, sourceType: `pg ${JSON.stringify(type)}`, nullable: true, ...known }
  })
  return { stream: 'public.orders', schemaId: 1, key, columns }
}

function target(
  schema: Partial<SchemaPolicies> = {},
  changes: Partial<TableTarget> = {},
): TableTarget {
  return {
    stream: 'public.orders',
    table: 'orders',
    root: 'orders',
    mode: 'upsert',
    key: null,
    orderingColumn: null,
    partitionBy: [],
    deleteWhen: null,
    schema: { ...DEFAULT_POLICIES, ...schema },
    ...changes,
  }
}

const START: Shape = { 'id#1': 'long', 'name#2': 'string', 'amount#3': 'integer' }

/** Follows shape after shape from a new table of the first one. */
function follow(to: TableTarget, first: Shape, ...rest: readonly StreamSchema[]): FollowedSchema[] {
  let table = createTableSchema(stream(first), to)
  return rest.map((next) => {
    const position = 7n
    const followed = followSchema({ table, stream: next, target: to, position, isEmptied: false })
    table = followed.schema
    return followed
  })
}

const shown = (schema: TableSchema): readonly string[] =>
  userColumns(schema).map(
    ({ name, type, origin }) => `${name} ${type}${origin?.isGone === true ? ' gone' : ''}`,
  )

function failure(work: () => unknown): SluiceError {
  try {
    work()
  } catch (error) {
    if (isSluiceError(error)) return error
    throw error
  }
  throw new Error('it followed')
}

const ADDED: Shape = { ...START, 'city#4': 'string' }
const DROPPED: Shape = { 'id#1': 'long', 'amount#3': 'integer' }
const RENAMED: Shape = { 'id#1': 'long', 'title#2': 'string', 'amount#3': 'integer' }
const WIDENED: Shape = { 'id#1': 'long', 'name#2': 'string', 'amount#3': 'long' }
const OTHER_TYPE: Shape = { 'id#1': 'long', 'name#2': 'string', 'amount#3': 'string' }

type Row = readonly [
  title: string,
  policies: Partial<SchemaPolicies>,
  next: Shape,
  result: readonly string[] | string,
  changes: readonly string[],
]

const KEPT = ['id long', 'name string', 'amount integer']

const ROWS: readonly Row[] = [
  ['add: apply', {}, ADDED, [...KEPT, 'city string'], ['add city applied']],
  ['add: stop', { add: 'stop' }, ADDED, 'SLU-ING-4010', []],
  [
    'drop: keep',
    {},
    DROPPED,
    ['id long', 'name string gone', 'amount integer'],
    ['drop name kept'],
  ],
  ['drop: apply', { drop: 'apply' }, DROPPED, ['id long', 'amount integer'], ['drop name applied']],
  ['drop: stop', { drop: 'stop' }, DROPPED, 'SLU-ING-4010', []],
  [
    'rename: apply',
    {},
    RENAMED,
    ['id long', 'title string', 'amount integer'],
    ['rename name applied'],
  ],
  ['rename: keep', { rename: 'keep' }, RENAMED, KEPT, ['rename name kept']],
  ['rename: stop', { rename: 'stop' }, RENAMED, 'SLU-ING-4010', []],
  [
    'widen: apply',
    {},
    WIDENED,
    ['id long', 'name string', 'amount long'],
    ['widen amount applied'],
  ],
  ['widen: stop', { widen: 'stop' }, WIDENED, 'SLU-ING-4010', []],
  ['incompatible: stop', {}, OTHER_TYPE, 'SLU-ING-4005', []],
]

describe('the policies', () => {
  it.each(ROWS)('%s', (_, policies, next, result, changes) => {
    const run = (): FollowedSchema | undefined => follow(target(policies), START, stream(next))[0]
    if (typeof result === 'string') {
      expect(failure(run).code).toBe(result)
      return
    }
    const followed = run() as FollowedSchema
    expect(shown(followed.schema)).toEqual(result)
    expect(
      followed.changes.map(({ kind, column, outcome }) => `${kind} ${column} ${outcome}`),
    ).toEqual(changes)
    expect(followed.changes.every(({ position }) => position === '7')).toBe(true)
  })

  it('names column, both types, position and the way to go on when a type cannot be held', () => {
    const error = failure(() => follow(target(), START, stream(OTHER_TYPE)))
    expect(error.message).toMatch(
      /orders\.amount is now pg "string" \(was pg "integer"\).* is integer .*string.*Position 7/,
    )
    expect(error.remedy).toContain('overrides["public.orders"].table')
    expect(error.context).toMatchObject({ column: 'amount', position: 7n, table: 'orders' })
  })
})

describe('columns with numbers', () => {
  it('are the same column under another name, with the values where they were', () => {
    const [followed] = follow(target(), START, stream(RENAMED))
    const title = userColumns(followed!.schema)[1]
    expect(title).toMatchObject({ name: 'title', physicalName: 'name', fieldId: 2 })
    expect(followed!.places.get(2)).toBe(1)
  })

  it('swap names in one step, key columns too', () => {
    const swapped: Shape = { 'amount#1': 'long', 'name#2': 'string', 'id#3': 'integer' }
    const [followed] = follow(target(), START, stream(swapped, ['amount']))
    expect(shown(followed!.schema)).toEqual(['amount long', 'name string', 'id integer'])
    expect(followed!.schema.key).toEqual(['amount'])
  })

  it('are another column when the number differs, though name and type are the same', () => {
    const again: Shape = { 'id#1': 'long', 'amount#3': 'integer', 'name#4': 'string' }
    const [kept] = follow(target(), START, stream(again))
    expect(shown(kept!.schema)).toEqual([
      'id long',
      'name_gone_2 string gone',
      'amount integer',
      'name string',
    ])
    const [applied] = follow(target({ drop: 'apply' }), START, stream(again))
    expect(shown(applied!.schema)).toEqual(['id long', 'amount integer', 'name string'])
    const ids = userColumns(applied!.schema).map(({ fieldId, physicalName }) => [
      fieldId,
      physicalName,
    ])
    expect(ids).toEqual([
      [1, 'id'],
      [3, 'amount'],
      [6, 'name~6'],
    ])
  })

  it('keep the name of the table through several renames where the policy says so', () => {
    const again: Shape = { 'id#1': 'long', 'label#2': 'string', 'amount#3': 'integer' }
    const to = target({ rename: 'keep' })
    const [, second] = follow(to, START, stream(RENAMED), stream(again))
    expect(shown(second!.schema)).toEqual(KEPT)
    expect(second!.places.get(2)).toBe(1)
    expect(second!.changes[0]).toMatchObject({ from: 'title', to: 'label', column: 'name' })
  })

  it('are never guessed: an unknown number stops where a column is missing or was known', () => {
    const unknown: Shape = { 'id#1': 'long', 'title#?': 'string', 'amount#3': 'integer' }
    const error = failure(() => follow(target(), START, stream(unknown)))
    expect(error.code).toBe('SLU-ING-4012')
    expect(error.message).toContain('name under a new name')
    const replaced: Shape = { 'id#1': 'long', 'name#?': 'string', 'amount#3': 'integer' }
    expect(failure(() => follow(target(), START, stream(replaced))).code).toBe('SLU-ING-4012')
    const onlyNew: Shape = { ...START, 'city#?': 'string' }
    expect(shown(follow(target(), START, stream(onlyNew))[0]!.schema)).toContain('city string')
  })

  it('are never guessed: a column of unknown number is not dropped where another one comes', () => {
    const unknown: Shape = { ...START, 'city#?': 'string' }
    const gone = stream(START)
    const other = stream({ ...START, 'town#5': 'string' })
    const to = target({ rename: 'keep' })
    const error = failure(() => follow(to, START, stream(unknown), other))
    expect(error.code).toBe('SLU-ING-4012')
    expect(error.message).toContain('orders.town may be a new column, or city under a new name')
    const [, , after] = follow(to, START, stream(unknown), gone, other)
    expect(shown(after!.schema)).toEqual([...KEPT, 'city string gone', 'town string'])
  })

  it('are never guessed: a type that grew, or another column of the name', () => {
    const unknown = stream({ ...START, 'city#?': 'integer' })
    for (const id of ['?', '5']) {
      const same = stream({ ...START, [`city#${id}`]: 'integer' })
      expect(shown(follow(target(), START, unknown, same)[1]!.schema)).toContain('city integer')
      const other = stream({ ...START, [`city#${id}`]: 'long' })
      const error = failure(() => follow(target(), START, unknown, other))
      expect(error.code).toBe('SLU-ING-4012')
      expect(error.message).toContain('may be a new column, or one of that name')
    }
  })

  it('do not matter to a copy that replaces every row, maybe with those of another table', () => {
    const [, dropped] = follow(
      target(),
      START,
      stream({ ...START, 'city#?': 'string' }),
      stream({ 'id#1': 'long', 'amount#3': 'integer', 'city#?': 'string' }),
    )
    const anew: Shape = { 'id#1': 'long', 'label#2': 'integer', 'town#3': 'string' }
    const { schema } = followSchema({
      table: dropped!.schema,
      stream: stream(anew),
      target: target({ rename: 'keep' }),
      position: 1n,
      isEmptied: true,
    })
    expect(shown(schema)).toEqual([
      'id long',
      'name string gone',
      'city string gone',
      'label integer',
      'town string',
    ])
  })

  it('are taken over by a table that was made before numbers were recorded', () => {
    const old = createTableSchema(stream(START), target())
    const columns = old.columns.map(({ origin: _, ...column }) => column)
    const table = { ...old, columns }
    const request = { stream: stream(START), target: target(), position: 1n, isEmptied: false }
    const { schema, changes } = followSchema({ table, ...request })
    expect(changes).toEqual([])
    expect(userColumns(schema).map(({ origin }) => origin?.id)).toEqual([1, 2, 3])
  })
})

describe('columns without numbers', () => {
  it('come back to the column of their name, which must hold their type', () => {
    const first: Shape = { id: 'long', a: 'integer', b: 'string' }
    const [gone, back] = follow(
      target(),
      first,
      stream({ id: 'long', a: 'integer' }),
      stream({ id: 'long', a: 'integer', b: 'string' }),
    )
    expect(shown(gone!.schema)).toContain('b string gone')
    expect(shown(back!.schema)).toEqual(['id long', 'a integer', 'b string'])
    expect(back!.changes).toMatchObject([{ kind: 'add', column: 'b', fieldId: 3 }])
    const other = stream({ id: 'long', a: 'integer', b: 'long' })
    expect(
      failure(() => follow(target(), first, stream({ id: 'long', a: 'integer' }), other)).code,
    ).toBe('SLU-ING-4005')
  })
})

describe('what rows are known by', () => {
  it('may be renamed, unless the configuration names it', () => {
    const renamed = stream({ ...START, 'key#1': 'long' } as Shape, ['key'])
    const columns = renamed.columns.filter(({ name }) => name !== 'id')
    const next = { ...renamed, columns }
    expect(follow(target(), START, next)[0]!.schema.key).toEqual(['key'])
    const named = failure(() => follow(target({}, { key: ['id'] }), START, next))
    expect(named.code).toBe('SLU-ING-4011')
    const kept = follow(target({ rename: 'keep' }, { key: ['id'] }), START, next)
    expect(kept[0]!.schema.key).toEqual(['id'])
  })

  it.each([
    ['another key', stream(START, ['name'])],
    ['a longer key', stream(START, ['id', 'name'])],
    ['no key', stream(START, [])],
    ['a dropped key column', stream({ 'name#2': 'string', 'amount#3': 'integer' }, [])],
  ])('stops at %s', (_, next) => {
    const error = failure(() => follow(target(), START, next))
    expect(error.code).toBe('SLU-ING-4011')
    expect(error.remedy).toContain('overrides["public.orders"]')
  })

  it('grows from whole number to whole number only', () => {
    const start: Shape = { 'id#1': 'integer', 'at#2': 'date' }
    const [grown] = follow(target(), start, stream({ 'id#1': 'long', 'at#2': 'date' }))
    expect(shown(grown!.schema)).toEqual(['id long', 'at date'])
    const decimal: ColumnType = { kind: 'decimal', precision: 12, scale: 0 }
    const next = stream({ 'id#1': decimal, 'at#2': 'date' })
    expect(failure(() => follow(target(), start, next)).code).toBe('SLU-ING-4005')
    const ordered = target({}, { orderingColumn: 'at' })
    const later = stream({ 'id#1': 'integer', 'at#2': 'timestamp_ntz' })
    expect(failure(() => follow(ordered, start, later)).code).toBe('SLU-ING-4005')
  })

  it('cannot be dropped as ordering or partition column', () => {
    const next = stream(DROPPED)
    for (const of of [{ orderingColumn: 'name' }, { partitionBy: ['name'] }]) {
      expect(failure(() => follow(target({}, of), START, next)).code).toBe('SLU-ING-4011')
    }
  })
})

describe('names', () => {
  it('that differ only in case, or are those of the meta columns, are refused', () => {
    for (const name of ['NAME#4', '_sluice_position#4', '_SLUICE_SPLIT#4']) {
      const next = stream({ ...START, [name]: 'string' })
      expect(failure(() => follow(target(), START, next)).code).toBe('SLU-ING-4005')
    }
  })
})

describe('a table without rows', () => {
  it('takes any type, as a new column', () => {
    const table = createTableSchema(stream(START), target())
    const { schema, changes } = followSchema({
      table,
      stream: stream(OTHER_TYPE),
      target: target(),
      position: 1n,
      isEmptied: true,
    })
    expect(shown(schema)).toEqual(['id long', 'name string', 'amount string'])
    expect(changes.map(({ kind }) => kind)).toEqual(['drop', 'add'])
  })
})

it('gives back the very schema when nothing changes', () => {
  const table = createTableSchema(stream(START), target())
  const request = { stream: stream(START), target: target(), position: 1n, isEmptied: false }
  expect(followSchema({ table, ...request }).schema).toBe(table)
})
