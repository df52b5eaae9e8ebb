import { describe, expect, it } from 'vitest'
import { createFilesLake } from '../../../support/cli/files-lake.ts'

/** Beyond the records from which columns are inferred. */
const SAMPLED = 1000
const lines = (from: number, count: number, more: (id: number) => string = () => '') =>
  Array.from({ length: count }, (_, i) => `{"id":${from + i}${more(from + i)}}\n`).join('')

describe('members that first appear behind the sampled records', () => {
  it('become columns from the record on that has them', async () => {
    using lake = createFilesLake('format: ndjson')
    lake.put('a.ndjson', lines(0, 2 * SAMPLED) + lines(2 * SAMPLED, 5, (id) => `,"late":${id}`))
    lake.put('b.ndjson', '{"id":9000,"other":{"a":[1]},"late":null}\n{"id":9001,"wide":1.5}')
    await lake.ingest()
    expect(await lake.rows('SELECT count(*), count(late), min(late), max(late) FROM t')).toEqual([
      [2 * SAMPLED + 7, 5, 2 * SAMPLED, 2 * SAMPLED + 4],
    ])
    expect(await lake.rows('SELECT other, wide FROM t WHERE id >= 9000 ORDER BY id')).toEqual([
      ['{"a":[1]}', null],
      [null, 1.5],
    ])
    // Records before the first that has it are a version of their own.
    const before = 'SELECT count(*) FROM t AT (VERSION => 1)'
    expect(await lake.rows(before)).toEqual([[2 * SAMPLED]])
  })

  it('stop the pipeline before them where the policy says so', async () => {
    using lake = createFilesLake('format: ndjson', 'to: {}, schema: { add: stop }')
    lake.put('a.ndjson', lines(0, 2 * SAMPLED) + lines(2 * SAMPLED, 1, () => ',"late":1'))
    const { exitCode, stderr } = await lake.sluice('run', '--once', '--quiet')
    expect(exitCode).not.toBe(0)
    expect(stderr).toContain('SLU-ING-4010')
    expect(stderr).toContain('late bigint was added')
    expect(await lake.rows('SELECT count(*) FROM t')).toEqual([[2 * SAMPLED]])
  })

  it('are left out only where columns are declared and the others ignored', async () => {
    const columns = 'columns: { id: bigint }'
    using all = createFilesLake(`format: ndjson, ${columns}`)
    using declared = createFilesLake(`format: ndjson, ${columns}, undeclared: ignore`)
    for (const lake of [all, declared]) {
      lake.put('a.ndjson', `${lines(0, 1, () => ',"first":1')}${lines(1, SAMPLED)}`)
      lake.append(
        'a.ndjson',
        lines(SAMPLED + 1, 1, () => ',"late":1'),
      )
      await lake.ingest()
    }
    expect(
      await all.rows('SELECT first, late FROM t WHERE first = 1 OR late = 1 ORDER BY id'),
    ).toEqual([
      [1, null],
      [null, 1],
    ])
    expect(await declared.rows('SELECT COLUMNS(*) FROM t ORDER BY id LIMIT 1')).toEqual([[0]])
  })

  it('appear beside records that are rejected', async () => {
    const dlq = 'to: {}, onError: dlq'
    using lake = createFilesLake('format: ndjson', dlq)
    lake.put('a.ndjson', `${lines(0, SAMPLED + 9)}no\n{"id":"x","late":1}\n{"id":5000,"late":2}\n`)
    await lake.ingest()
    expect(await lake.rows('SELECT id, late FROM t WHERE late IS NOT NULL')).toEqual([[5000, 2]])
    expect(await lake.rows('SELECT count(*) FROM t__dlq')).toEqual([[2]])
  })

  it('are compared by verify', async () => {
    using lake = createFilesLake('format: ndjson')
    lake.put('a.ndjson', lines(0, SAMPLED) + lines(SAMPLED, 3, () => ',"late":1'))
    await lake.ingest()
    const equal = await lake.sluice('verify', 't')
    expect(equal.exitCode, equal.stderr).toBe(0)
  })

  it('of a name that differs in case alone stop the pipeline instead of vanishing', async () => {
    using lake = createFilesLake('format: ndjson')
    lake.put('a.ndjson', lines(0, SAMPLED) + '{"ID":7}\n')
    const { stderr } = await lake.sluice('run', '--once', '--quiet')
    expect(stderr).toContain('SLU-ING-4005')
  })

  it('are in the table once, whatever lives end while they are looked for', async () => {
    using lake = createFilesLake('format: ndjson', 'to: { key: [id] }, commit: { maxRows: 1000 }')
    const wide = (id: number) => `,"c${id % 7}":${id}`
    lake.put('a.ndjson', lines(0, 5 * SAMPLED) + lines(5 * SAMPLED, 100, wide))
    await lake.ingest()
    lake.append(
      'a.ndjson',
      lines(9000, 1, () => ',"last":"x"'),
    )
    await lake.ingest()
    const sums = Array.from({ length: 7 }, (_, i) => `count(c${i})`).join(' + ')
    expect(await lake.rows(`SELECT count(*), ${sums}, count("last") FROM t`)).toEqual([
      [5 * SAMPLED + 101, 100, 1],
    ])
  })
})
