import { expect, it } from 'vitest'
import { postgresError } from '../../../../connectors/postgres/errors.ts'

const failure = (code: string): Error => Object.assign(new Error('it broke'), { code })

it.each([
  ['EPIPE', 'SLU-SRC-1200', undefined],
  ['ECONNRESET', 'SLU-SRC-1200', undefined],
  ['57P01', 'SLU-SRC-1200', '57P01'],
  ['28P01', 'SLU-SRC-1201', '28P01'],
  ['XX000', 'SLU-SRC-1209', 'XX000'],
])('takes %s for %s', (code, ours, sqlState) => {
  const error = postgresError(failure(code), 'reading')
  expect([error.code, error.context.sqlState]).toEqual([ours, sqlState])
})
