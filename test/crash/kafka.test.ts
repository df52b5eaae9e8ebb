/** A pipeline over Kafka that is killed again and again holds the fold of every partition. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest'
import { liveBroker, type SentRecord, send } from '../integration/connectors/kafka/harness.ts'
import { parseDocument } from '../support/cli/documents.ts'
import { runInFolder } from '../support/cli/host.ts'
import { createProcesses } from '../support/cli/process.ts'
import { isKafkaMissing } from '../support/kafka/broker.ts'
import { makeTopic } from '../support/kafka/cluster.ts'
import { createDice } from '../support/random.ts'

const PARTITIONS = 4
const KEYS = 400
const RECORDS = 20_000
const SEND = 2_000
const DEATHS = ['before-commit:2', 'committed:1', 'staged:3', 'block-landed:2', 'file-written:1']

const processes = createProcesses()
let folder: string
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-crash-kafka-'))
})
afterEach(() => processes.killAll())
afterAll(() => rmSync(folder, { recursive: true }))

describe.skipIf(isKafkaMissing('a pipeline over Kafka that is killed'))('a topic', () => {
  const live = liveBroker()

  it('is in its table once, whatever is killed where', async () => {
    const { address } = live.broker
    await makeTopic(address, 'orders', { partitions: PARTITIONS })
    const config = `apiVersion: v1
name: demo
store: { url: ./lake }
defaults: { commit: { maxRows: 500 } }
sources:
  cluster:
    kafka:
      brokers: ["${address}"]
      columns: { id: bigint, n: bigint }
      nullRecords: delete
      messageKey: { format: json }
pipelines:
  - { name: orders, from: cluster, tables: [orders], to: { table: orders, key: [id] } }
  - { name: log, from: cluster, tables: [orders], to: { table: log, mode: append } }
`
    writeFileSync(join(folder, 'sluice.yaml'), config)
    const dice = createDice(7)
    const rows = new Map<number, number>()
    let valueCount = 0
    for (let sent = 0; sent < RECORDS; sent += SEND) {
      const records = Array.from({ length: SEND }, (_, index): SentRecord => {
        const [id, n] = [dice.roll(KEYS), sent + index]
        const isDelete = dice.roll(5) === 0
        if (isDelete) rows.delete(id)
        else rows.set(id, n)
        if (!isDelete) valueCount++
        const key = Buffer.from(`{"id":${id}}`)
        const value = isDelete ? null : Buffer.from(`{"id":${id},"n":${n}}`)
        return { partition: id % PARTITIONS, key, value }
      })
      await send(address, 'orders', records)
      const death = DEATHS[sent / SEND]
      if (death === undefined) continue
      const variables = { SLUICE_FAILPOINT: death }
      const killed = await processes.start(folder, ['run', '--once'], variables).ended
      expect(killed.signal, killed.stderr).toBe('SIGKILL')
    }
    const { exitCode, stderr } = await runInFolder(folder, ['run', '--once', '--quiet'])
    expect(exitCode, stderr).toBe(0)
    const sql = 'SELECT id, n FROM orders ORDER BY id'
    const { stdout } = await runInFolder(folder, ['sql', sql, '--json'])
    const expected = [...rows].toSorted(([left], [right]) => left - right)
    expect(parseDocument('sql', stdout).rows).toEqual(expected)
    // What is read twice shows where nothing replaces it.
    const counts = 'SELECT count(*), count(DISTINCT n) FROM log'
    const counted = await runInFolder(folder, ['sql', counts, '--json'])
    expect(parseDocument('sql', counted.stdout).rows).toEqual([[valueCount, valueCount]])
  })
})
