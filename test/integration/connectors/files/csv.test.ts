import { describe, expect, it } from 'vitest'
import { createFilesLake } from '../../../support/cli/files-lake.ts'

const ORDERS = 'SELECT * FROM t ORDER BY id'
const TYPES = 'SELECT column_name, column_type FROM (DESCRIBE SELECT * FROM t)'

describe('a folder of CSV files', () => {
  it('becomes a table with inferred columns, and goes on where it was', async () => {
    using lake = createFilesLake('format: csv')
    lake.put('1.csv', 'id,name,price,at\r\n1,"a, ""b""\r\nc",2.5,2026-11-22T10:00:00Z\r\n2,,3,\r\n')
    await lake.ingest()
    expect(await lake.rows(TYPES)).toEqual([
      ['id', 'BIGINT'],
      ['name', 'VARCHAR'],
      ['price', 'DOUBLE'],
      ['at', 'TIMESTAMP WITH TIME ZONE'],
    ])
    lake.append('1.csv', '3,"",4,\r\n')
    lake.put('2.csv', 'price,id\n5,4')
    await lake.ingest()
    expect(
      await lake.rows('SELECT id, name, price, epoch_ms("at")::INT64 FROM t ORDER BY id'),
    ).toEqual([
      [1, 'a, "b"\r\nc', 2.5, 1795341600000],
      [2, null, 3, null],
      [3, '', 4, null],
      [4, null, 5, null],
    ])
    const { stdout } = await lake.sluice('verify', 't', '--against', 'source')
    expect(stdout).toContain('4')
  })

  it('follows a column that a later file has, in the type of its values', async () => {
    using lake = createFilesLake('format: csv, columns: { id: bigint }')
    lake.put('1.csv', 'id,a\n1,x\n')
    await lake.ingest()
    lake.put('2.csv', 'b,id\n2026-11-22,2\n')
    lake.put('3.csv', 'id,a\n3,y\n')
    await lake.ingest()
    expect(await lake.rows(ORDERS)).toEqual([
      [1, 'x', null],
      [2, null, '2026-11-22'],
      [3, 'y', null],
    ])
    expect(await lake.rows(TYPES)).toContainEqual(['b', 'DATE'])
  })

  it('stops before a file with a new column where the policy says so', async () => {
    using lake = createFilesLake('format: csv', 'schema: { add: stop }')
    lake.put('1.csv', 'id\n1\n')
    lake.put('2.csv', 'id,b\n2,3\n')
    await expect(lake.ingest()).rejects.toThrow('SLU-ING-4010')
    expect(await lake.rows(ORDERS)).toEqual([[1]])
  })

  it('leaves what nobody declared out when asked to', async () => {
    using lake = createFilesLake('format: csv, undeclared: ignore, columns: { id: integer }')
    lake.put('1.csv', 'a,id\nx,1\n')
    await lake.ingest()
    expect(await lake.rows(ORDERS)).toEqual([[1]])
  })

  it('reads files without a header, other characters and other NULLs', async () => {
    using lake = createFilesLake(
      `format: csv, columns: { id: integer, a: string },
       csv: { header: false, delimiter: ";", quote: "'", nullText: ["NULL", "-"] }`,
    )
    lake.put('1.csv', "1;'x;''y'\n2;NULL\n3;'-'\n4;\n")
    await lake.ingest()
    expect(await lake.rows(ORDERS)).toEqual([
      [1, "x;'y"],
      [2, null],
      [3, '-'],
      [4, ''],
    ])
  })

  it('keeps the last row of a key and deletes where a column says so', async () => {
    using lake = createFilesLake(
      'format: csv',
      'to: { key: [id], deleteWhen: { column: op, equals: d } }',
    )
    lake.put('1.csv', 'op,id,v\nu,1,a\nu,2,b\nu,1,c\nd,2,\n')
    await lake.ingest()
    expect(await lake.rows('SELECT id, v FROM t')).toEqual([[1, 'c']])
  })

  it.each([
    ['another number of fields', '2,y,z\n', 'SLU-SRC-1410', 'Line 3 of 1.csv'],
    ['a broken quote', '2,"y"z\n', 'SLU-SRC-1410', 'Line 3 of 1.csv'],
    ['a quote that never closes', '2,"y\n', 'SLU-SRC-1410', 'Line 3 of 1.csv'],
    ['a value that does not fit', '2.5,y\n', 'SLU-ING-4003', 'column id, value 2.5'],
  ])('keeps what lies before %s, and stops there', async (_, record, code, place) => {
    using lake = createFilesLake('format: csv, columns: { id: integer }', 'commit: { maxRows: 1 }')
    lake.put('1.csv', 'id,a\n1,x\n')
    await lake.ingest()
    lake.append('1.csv', record)
    await expect(lake.ingest()).rejects.toThrow(code)
    await expect(lake.ingest()).rejects.toThrow(place)
    expect(await lake.rows(ORDERS)).toEqual([[1, 'x']])
  })

  it('refuses UTF-16 and headers that name nothing', async () => {
    using lake = createFilesLake('format: csv')
    lake.put('1.csv', Buffer.from('\uFEFFid\n1\n', 'utf16le'))
    await expect(lake.ingest()).rejects.toThrow('The file 1.csv is UTF-16, not UTF-8.')
    lake.put('1.csv', 'id,,x\n1,2,3\n')
    await expect(lake.ingest()).rejects.toThrow('SLU-SRC-1409')
  })
})
