/** A small lake to try commands on: `orders` with a key of two columns, `events` without. */

import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CliResult, runInFolder } from './host.ts'

const CONFIG = `apiVersion: v1
store: { url: ./lake }
sources:
  landing: { files: { path: ./in, stream: orders } }
  log: { files: { path: ./log, stream: events } }
pipelines:
  - name: orders
    from: landing
    tables: [orders]
    to:
      key: [shop, id]
      partitionBy: [shop]
      deleteWhen: { column: op, equals: del }
  - name: events
    from: log
    tables: [events]
`

/** The lake; disposing removes it. */
export interface OrdersLake extends Disposable {
  sluice(...args: readonly string[]): Promise<CliResult>
}

/**
 * Versions of orders: 1 four inserts, 2 an update and a delete, 3 a new column and an insert, 4
 * the delete of that row. Versions of events: 1 the numbers 1, 1, 2; 2 the numbers 2, 3.
 */
export async function createOrdersLake(): Promise<OrdersLake> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-orders-'))
  const sluice = (...args: readonly string[]) => runInFolder(folder, args)
  const write = (file: string, rows: readonly object[]): void =>
    appendFileSync(join(folder, file), rows.map((row) => `${JSON.stringify(row)}\n`).join(''))
  const orders = async (...rows: readonly object[]): Promise<void> => {
    write('in/a.ndjson', rows)
    const { exitCode, stderr } = await sluice('run', '--quiet')
    if (exitCode !== 0) throw new Error(stderr)
  }
  mkdirSync(join(folder, 'in'))
  mkdirSync(join(folder, 'log'))
  writeFileSync(join(folder, 'sluice.yaml'), CONFIG)
  write('log/a.ndjson', [{ n: 1 }, { n: 1 }, { n: 2 }])
  await orders(
    { shop: 'a', id: 1, name: 'one', op: 'put' },
    { shop: 'a', id: 2, name: 'two', op: 'put' },
    { shop: 'a', id: 3, name: 'three', op: 'put' },
    { shop: 'b', id: 1, name: 'other', op: 'put' },
  )
  await orders({ shop: 'a', id: 1, name: 'ONE', op: 'put' }, { shop: 'a', id: 2, op: 'del' })
  write('log/a.ndjson', [{ n: 2 }, { n: 3 }])
  await orders({ shop: 'b', id: 7, name: 'seven', op: 'put', size: 5 })
  await orders({ shop: 'b', id: 7, op: 'del' })
  return {
    sluice,
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
