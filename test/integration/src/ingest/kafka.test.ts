/** Topics of a real broker become tables, by the command line: what is in them, and what is not. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseDocument } from '../../../support/cli/documents.ts'
import { runInFolder } from '../../../support/cli/host.ts'
import { isKafkaMissing } from '../../../support/kafka/broker.ts'
import { makeTopic } from '../../../support/kafka/cluster.ts'
import { liveBroker, type SentRecord, send } from '../../connectors/kafka/harness.ts'

const PARTITIONS = 3
let folder: string

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-kafka-tables-'))
})

afterAll(() => rmSync(folder, { recursive: true }))

const sluice = (...args: readonly string[]) => runInFolder(folder, args)

async function rowsOf(sql: string): Promise<unknown> {
  const { stdout, stderr } = await sluice('sql', sql, '--json')
  expect(stderr).toBe('')
  return parseDocument('sql', stdout).rows
}

async function runOnce(): Promise<void> {
  const { exitCode, stderr } = await sluice('run', '--once', '--quiet')
  expect(stderr).toBe('')
  expect(exitCode).toBe(0)
}

/** A record of a key, in the partition of the key. */
function record(id: number, value: string | null): SentRecord {
  const partition = id % PARTITIONS
  const key = Buffer.from(`{"id":${id}}`)
  return { partition, key, value: value === null ? null : Buffer.from(value) }
}

describe.skipIf(isKafkaMissing('tables from Kafka'))('a topic', () => {
  const live = liveBroker()

  function configure(topic: string, more: string, to: string): void {
    const config = `apiVersion: v1
name: demo
store: { url: ./lake }
sources:
  cluster: { kafka: { brokers: [${JSON.stringify(live.broker.address)}], ${more} } }
pipelines:
  - name: ${topic}
    from: cluster
    tables: [${topic}]
    to: { table: ${topic}, ${to} }
`
    writeFileSync(join(folder, 'sluice.yaml'), config)
  }

  it('becomes a table with one row a key, and goes on where it was', async () => {
    await makeTopic(live.broker.address, 'orders', { partitions: PARTITIONS })
    configure('orders', 'nullRecords: delete, messageKey: { format: json }', 'key: [id]')
    const first = Array.from({ length: 300 }, (_, id) => record(id, `{"id":${id},"n":${id}}`))
    await send(live.broker.address, 'orders', first)
    await runOnce()
    expect(await rowsOf('SELECT count(*), sum(n) FROM orders')).toEqual([[300, 44850]])
    await send(live.broker.address, 'orders', [
      record(1, '{"id":1,\n "n":1000}'),
      record(2, null),
      record(300, '{"id":300,"n":5,"note":"new"}'),
    ])
    await runOnce()
    expect(await rowsOf('SELECT count(*), sum(n) FROM orders')).toEqual([[300, 45852]])
    expect(await rowsOf('SELECT note FROM orders WHERE id = 300')).toEqual([['new']])
    const { pipelines } = parseDocument('status', (await sluice('status', '--json')).stdout)
    const cursors = pipelines[0]?.tables[0]?.cursors ?? []
    expect(cursors.map(({ split, nextPosition }) => [split, nextPosition])).toEqual([
      ['orders-0', '101'],
      ['orders-1', '101'],
      ['orders-2', '101'],
    ])
  })

  it('gives its bad records to the dead letters, as they came', async () => {
    await makeTopic(live.broker.address, 'events', { partitions: 1 })
    configure('events', 'columns: { n: bigint }', 'mode: append, onError: dlq')
    const values = ['{"n":1}', '{"n":"x"}', 'no\njson', '', '{"n":2}']
    await send(
      live.broker.address,
      'events',
      values.map((value) => ({ partition: 0, value: Buffer.from(value) })),
    )
    await runOnce()
    expect(await rowsOf('SELECT n FROM events ORDER BY n')).toEqual([[1], [2]])
    const letters = 'SELECT split, position, decode(raw), code FROM events__dlq ORDER BY position'
    expect(await rowsOf(letters)).toEqual([
      ['events-0', 1, '{"n":"x"}', 'mistyped'],
      ['events-0', 2, 'no\njson', 'invalid-json'],
      ['events-0', 3, '', 'invalid-json'],
    ])
  })
})
