/**
 * Case `cdc`: a backlog of changes in a live Postgres, read through one slot, beside a bare reader
 * of the same.
 */

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import pg from 'pg'
import { createSystemClock } from '../../src/observe/index.ts'
import { startEmbeddedPostgres } from '../../src/quickstart/index.ts'
import { type CaseResult, caseOf, type IngestRequest, ratiosTo } from './case-result.ts'
import { type Job, runJob, type StoredCursor, type TextRows } from './jobs.ts'
import type { BacklogResult } from './postgres-reader.ts'

const SLOT = 'bench'
const STREAM = 'public.orders'
/** Rows before the backlog: updates and deletes need something to hit. */
const BASE_ROWS = 100_000
/** Changes of a transaction: half inserts, 40 % updates, 10 % deletes. */
const TRANSACTION = { inserts: 500, updates: 400, deletes: 100 } as const
const CHANGES_PER_TRANSACTION = TRANSACTION.inserts + TRANSACTION.updates + TRANSACTION.deletes

const TABLE_SQL = `
CREATE TABLE orders (
  order_id bigint PRIMARY KEY,
  customer_id bigint NOT NULL,
  status text NOT NULL,
  currency text NOT NULL,
  country text NOT NULL,
  amount numeric(12,2) NOT NULL,
  quantity integer NOT NULL,
  weight double precision NOT NULL,
  placed_at timestamptz NOT NULL,
  updated_at timestamptz NOT NULL,
  note text NOT NULL
);
CREATE PROCEDURE insert_orders(first bigint, rows integer) LANGUAGE sql AS $$
  INSERT INTO orders
  SELECT id, 1000000 + id * 7919 % 1000000, (ARRAY['placed','paid','packed','shipped'])[1 + id % 4],
    (ARRAY['EUR','USD','GBP'])[1 + id % 3], (ARRAY['DE','FR','GB','US','CH'])[1 + id % 5],
    (100 + id * 104729 % 500000) / 100.0, 1 + id % 9, 0.001 * (id * 31 % 9973),
    timestamptz '2026-01-01' + id * interval '3.000017 s',
    timestamptz '2026-01-01' + id * interval '3.000017 s',
    'leave the parcel behind the green gate, ring twice, order ' || md5(id::text)
  FROM generate_series(first, first + rows - 1) AS id
$$;
CREATE PROCEDURE change_orders(number integer, base integer) LANGUAGE plpgsql AS $$
DECLARE
  lowest bigint := number::bigint * ${TRANSACTION.deletes};
  highest bigint := base + number::bigint * ${TRANSACTION.inserts};
  -- A stride of its own for each transaction spreads the updates over all rows that stay.
  stride bigint := (highest - lowest - ${TRANSACTION.deletes}) / ${TRANSACTION.updates};
BEGIN
  CALL insert_orders(highest, ${TRANSACTION.inserts});
  UPDATE orders SET status = 'changed', amount = amount + 0.01, quantity = quantity + 1,
    updated_at = timestamptz '2026-07-01' + number * interval '1 s'
  WHERE order_id IN (
    SELECT lowest + ${TRANSACTION.deletes} + n * stride + number % stride
    FROM generate_series(0, ${TRANSACTION.updates - 1}) AS n);
  DELETE FROM orders WHERE order_id >= lowest AND order_id < lowest + ${TRANSACTION.deletes};
END $$;
CREATE PROCEDURE change_many(transactions integer, base integer) LANGUAGE plpgsql AS $$
BEGIN
  FOR number IN 0 .. transactions - 1 LOOP
    CALL change_orders(number, base);
    COMMIT;
  END LOOP;
END $$;
`

const CHECK_SQL = `SELECT count(*), sum(order_id), sum(quantity),
  sum(CAST(amount * 100 AS bigint)), sum(length(note)) FROM orders`

/** Runs the case: results of the bare reader (`cdc-limit`) and of the pipeline (`cdc`). */
export async function benchCdc(request: IngestRequest): Promise<readonly CaseResult[]> {
  const folder = join(request.folder, 'cdc')
  mkdirSync(folder, { recursive: true })
  await using postgres = await startEmbeddedPostgres({
    folder: join(folder, 'postgres'),
    clock: createSystemClock(),
    database: 'bench',
    settings: { fsync: 'off', max_wal_size: '16GB', checkpoint_timeout: '1h' },
  })
  const client = new pg.Client({ connectionString: postgres.url })
  await client.connect()
  try {
    return await measure(request, folder, postgres.url, client)
  } finally {
    await client.end()
  }
}

async function measure(
  request: IngestRequest,
  folder: string,
  url: string,
  client: pg.Client,
): Promise<readonly CaseResult[]> {
  const transactions = Math.ceil(request.changes / CHANGES_PER_TRANSACTION)
  const changes = transactions * CHANGES_PER_TRANSACTION
  await client.query(TABLE_SQL)
  await client.query(`CALL insert_orders(0, ${BASE_ROWS})`)
  const config = writeConfig(folder, url)
  request.print(`cdc: first copy of ${BASE_ROWS} rows`)
  const copied = { kind: 'position', position: await readPosition(client) } as const
  await runJob({ kind: 'pipeline', config, until: copied })
  request.print(`cdc: writing a backlog of ${changes} changes`)
  await client.query(`CALL change_many(${transactions - 1}, ${BASE_ROWS})`)
  const untilPosition = await changeLast(client, transactions - 1)
  const { result: cursor } = await runJob<StoredCursor>({ kind: 'cursor', config, root: 'orders' })
  request.print('cdc: the bare reader')
  // The slot stands at the floor, which lies beyond the cursor of a table that had nothing to do.
  const fromPosition = await readSlot(client)
  const { identity } = cursor
  const bare = await runJob<BacklogResult>(
    backlogJob(url, { nextPosition: fromPosition, identity }, untilPosition),
  )
  request.print('cdc: the pipeline')
  const end = await runJob<{ readonly commits: number }>(
    { kind: 'pipeline', config, until: { kind: 'records', count: changes } },
    request.profileFolder,
  )
  const { records, bytes, elapsedMs } = bare.result
  const bareCost = { ...bare.cost, elapsedMs }
  const miscount = records === changes ? [] : [`${records} records instead of ${changes}`]
  return [
    caseOf('cdc-limit', changes, bytes, bareCost, { wrong: miscount }),
    caseOf('cdc', changes, bytes, end.cost, {
      ...ratiosTo(bareCost, end.cost),
      commits: end.result.commits,
      wrong: await findWrong(config, client),
    }),
  ]
}

/** The last transaction by itself, for a position before its end and after everything else. */
async function changeLast(client: pg.Client, number: number): Promise<string> {
  await client.query('BEGIN')
  await client.query(`CALL change_orders(${number}, ${BASE_ROWS})`)
  const position = await readPosition(client)
  await client.query('COMMIT')
  return position
}

async function readPosition(client: pg.Client): Promise<string> {
  const { rows } = await client.query(
    `SELECT (pg_current_wal_insert_lsn() - '0/0'::pg_lsn)::text AS position`,
  )
  return String(rows[0]?.position)
}

async function readSlot(client: pg.Client): Promise<string> {
  const { rows } = await client.query(
    `SELECT (confirmed_flush_lsn - '0/0'::pg_lsn)::text AS position
     FROM pg_replication_slots WHERE slot_name = $1`,
    [SLOT],
  )
  return String(rows[0]?.position)
}

function backlogJob(url: string, cursor: StoredCursor, untilPosition: string): Job {
  return {
    kind: 'backlog',
    url,
    slot: SLOT,
    publication: SLOT,
    streams: [STREAM],
    fromPosition: cursor.nextPosition,
    untilPosition,
    identity: cursor.identity,
  }
}

async function findWrong(config: string, client: pg.Client): Promise<string[]> {
  const { result } = await runJob<TextRows>({ kind: 'query', config, sql: CHECK_SQL })
  const { rows } = await client.query({ text: CHECK_SQL, rowMode: 'array' })
  const expected = (rows[0] as readonly unknown[]).map(String)
  const names = ['count', 'sum of order_id', 'sum of quantity', 'sum of amount', 'length of note']
  return expected.flatMap((value, index) => {
    const found = result[0]?.[index]
    return found === value ? [] : [`${names[index]} is ${found} instead of ${value}`]
  })
}

function writeConfig(folder: string, url: string): string {
  const path = join(folder, 'sluice.yaml')
  writeFileSync(
    path,
    `apiVersion: v1
store: { url: ./lake }
sources:
  shop:
    postgres: { url: ${JSON.stringify(url)}, slot: ${SLOT}, publication: ${SLOT} }
pipelines:
  - name: bench
    from: shop
    tables: [${STREAM}]
`,
  )
  return path
}
