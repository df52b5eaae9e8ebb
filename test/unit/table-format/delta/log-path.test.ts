import { describe, expect, it } from 'vitest'
import {
  commitPath,
  decodePath,
  encodePath,
  parseLogFile,
  vectorName,
  vectorPath,
} from '../../../../table-format/delta/log-path.ts'
import { decodeZ85, encodeZ85 } from '../../../../table-format/delta/z85.ts'

describe('names of objects', () => {
  it.each([
    ['ab^-aqEH.-t@S}K{vb[*k^', 'ab/deletion_vector_d2c639aa-8816-431a-aaf6-d3fe2512ff61.bin'],
    ['vBn[lx{q8@P<9BNH/isA', 'deletion_vector_61d16c75-6994-46b7-a15b-8b538852e50e.bin'],
  ])('finds the vector file of %s', (name, path) => {
    expect(vectorPath(name)).toBe(path)
    const uuid = /_([0-9a-f-]{36})\./.exec(path)![1]!
    expect(name.endsWith(vectorName(uuid))).toBe(true)
  })

  it('knows what is no vector name', () => {
    expect(vectorPath('short')).toBeNull()
    expect(vectorPath('"'.repeat(20))).toBeNull()
    expect(vectorPath('#'.repeat(20))).toBeNull()
  })

  it('keeps bytes in Z85', () => {
    const hello = Buffer.from('864fd26fb559f75b', 'hex')
    expect(encodeZ85(hello)).toBe('HelloWorld')
    expect(decodeZ85('HelloWorld')).toEqual(hello)
    expect(encodeZ85(Buffer.of(1, 2, 3))).toBe(encodeZ85(Buffer.of(1, 2, 3, 0)))
    expect(decodeZ85('abc')).toBeNull()
  })

  it.each([
    ['part-0.parquet', 'part-0.parquet'],
    ['c=a b/p.parquet', 'c=a%20b/p.parquet'],
    ['c=a%20b/p@#h?.parquet', 'c=a%2520b/p@%23h%3F.parquet'],
    ['größe/日本.parquet', 'gr%C3%B6%C3%9Fe/%E6%97%A5%E6%9C%AC.parquet'],
    ['a:b+c&d,e$f', 'a%3Ab+c&d,e$f'],
    ['s3://bucket/a b', 's3://bucket/a%20b'],
  ])('encodes %j', (path, encoded) => {
    expect(encodePath(path)).toBe(encoded)
    expect(decodePath(encoded)).toBe(path)
  })

  it('takes the forms of an absolute local path for one', () => {
    for (const form of ['file:/a%20b/c', 'file:///a%20b/c', '/a%20b/c']) {
      expect(decodePath(form)).toBe('/a b/c')
    }
  })

  it('refuses a path that is not percent-encoded', () => {
    expect(() => decodePath('100%.parquet')).toThrow(
      expect.objectContaining({ code: 'SLU-TAB-3001' }),
    )
  })

  it('knows the files of a log and passes over the others', () => {
    const v = '00000000000000000010'
    const uuid = '80a083e8-7026-4e79-81be-64bd76c43a11'
    expect(commitPath(10n)).toBe(`_delta_log/${v}.json`)
    expect(parseLogFile(`${v}.json`)).toEqual({ kind: 'commit', version: 10n })
    expect(parseLogFile(`${v}.checkpoint.parquet`)).toMatchObject({ form: 'classic' })
    expect(parseLogFile(`${v}.checkpoint.${uuid}.json`)).toMatchObject({ form: 'v2-json' })
    expect(parseLogFile(`${v}.checkpoint.${uuid}.parquet`)).toMatchObject({ form: 'v2-parquet' })
    expect(parseLogFile(`${v}.checkpoint.0000000001.0000000003.parquet`)).toMatchObject({
      kind: 'checkpoint-part',
      part: 1,
      parts: 3,
    })
    for (const name of [`${v}.crc.tmp`, `${v}.compacted.json`, '_last_checkpoint', `.${v}.json`]) {
      expect(parseLogFile(name)).toBeNull()
    }
  })
})
