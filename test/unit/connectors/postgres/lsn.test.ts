import { describe, expect, it } from 'vitest'
import { formatLsn, parseLsn } from '../../../../connectors/postgres/lsn.ts'

describe('log sequence numbers', () => {
  it('read and print as Postgres does, up to the last bit', () => {
    expect(parseLsn('16/B374D848')).toBe(0x16b374d848n)
    expect(formatLsn(0x16b374d848n)).toBe('16/B374D848')
    expect(formatLsn(parseLsn('FFFFFFFF/FFFFFFFF'))).toBe('FFFFFFFF/FFFFFFFF')
    expect(parseLsn('0/0')).toBe(0n)
  })

  it('refuses anything else', () => {
    for (const text of ['', '0', '1/2/3', 'x/1', '123456789/0']) {
      expect(() => parseLsn(text)).toThrow(expect.objectContaining({ code: 'SLU-SRC-1220' }))
    }
  })
})
