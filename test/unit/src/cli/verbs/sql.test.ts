import { expect, test } from 'vitest'
import { csvLine, isNumeric } from '../../../../../src/cli/verbs/sql.ts'

test('quotes CSV as RFC 4180 says and tells NULL from an empty text', () => {
  expect(csvLine(['a', 'b,c', 'say "hi"', 'two\nlines', '', null])).toBe(
    'a,"b,c","say ""hi""","two\nlines","",\r\n',
  )
})

test('aligns numbers of every width to the right, and nothing else', () => {
  const numbers = ['BIGINT', 'UTINYINT', 'HUGEINT', 'UHUGEINT', 'DOUBLE', 'FLOAT', 'DECIMAL(10,2)']
  for (const type of numbers) expect(isNumeric(type), type).toBe(true)
  for (const type of ['VARCHAR', 'DATE', 'INTERVAL', 'INTEGER[]', 'STRUCT(a INTEGER)']) {
    expect(isNumeric(type), type).toBe(false)
  }
})
