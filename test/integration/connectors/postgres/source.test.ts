import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  createSource,
  currentPosition,
  Reader,
  startServer,
  type TestServer,
  tableRows,
} from './harness.ts'

let server: TestServer

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await server.sql(`
    DROP SCHEMA public CASCADE; CREATE SCHEMA public;
    DROP PUBLICATION IF EXISTS sluice_test;
    SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots;`)
})

async function expectEqual(reader: Reader, stream: string): Promise<void> {
  const model = reader.model(stream)
  const expected = await tableRows(server, model.schema!)
  expect(new Map([...model.rows].sort())).toEqual(new Map([...expected].sort()))
}

describe('copy and stream', () => {
  it('equals the table without gap or overlap under concurrent writes', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY, status text, amount numeric(10,2));
      INSERT INTO orders SELECT i, 'new', i * 1.5 FROM generate_series(1, 20000) i;`)
    let writing = true
    const writer = (async () => {
      for (let round = 0; writing; round++) {
        await server.sql(`
          BEGIN;
          INSERT INTO orders VALUES (100000 + ${round}, 'live', 1);
          UPDATE orders SET status = 'r${round}' WHERE id % 997 = ${round} % 997;
          DELETE FROM orders WHERE id = ${round + 1};
          COMMIT;`)
      }
    })()
    const source = createSource(server.url)
    const reader = new Reader(['public.orders'])
    await reader.open(source)
    await reader.until(
      () => reader.nextPosition > 0n && reader.model('public.orders').ops.length > 21000,
    )
    writing = false
    await writer
    await reader.untilPosition(await currentPosition(server))
    await expectEqual(reader, 'public.orders')
    expect(reader.model('public.orders').copies.at(-1)?.complete).toBe(true)
    await reader.close()
  })
})
