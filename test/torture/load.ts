/**
 * The write load of the torture run: every awkward thing a transaction can do, from several
 * connections.
 */

import pg from 'pg'
import { createDice, type Dice } from '../support/random.ts'
import { DOCUMENT_COLUMNS, DOCUMENT_VALUES } from './tables.ts'

/** What the load is. */
export interface LoadOptions {
  readonly url: string
  readonly seed: number
  readonly connections: number
  /** Longest pause between two transactions of a connection. */
  readonly pauseMsMax: number
  /** Tables of documents that are there by now. */
  readonly documentTables: () => readonly string[]
}

/** The load while it runs. */
export interface Load {
  /** Deed → number of transactions. */
  counts(): Readonly<Record<string, number>>
  /** Ends it after the running transactions. Throws what went wrong in one of them. */
  stop(): Promise<void>
}

/** `documents` is the table of documents of the transaction. */
type Deed = (client: pg.Client, dice: Dice, documents: string) => Promise<void>

/** Deeds with their share in thousandths. */
const DEEDS: readonly (readonly [string, number, Deed])[] = [
  ['transfer', 420, transfer],
  ['insertDocument', 130, insertDocument],
  ['touchDocument', 150, touchDocument],
  ['rewriteBody', 30, rewriteBody],
  ['deleteDocument', 50, deleteDocument],
  ['renameDocument', 40, renameDocument],
  ['renameAccount', 30, renameAccount],
  ['swapAccounts', 15, swapAccounts],
  ['replaceAccount', 20, replaceAccount],
  ['manyStepsOfOneKey', 30, manyStepsOfOneKey],
  ['rolledBack', 20, rolledBack],
  ['scratch', 54, changeScratch],
  ['quiet', 1, changeQuiet],
  ['truncateScratch', 5, truncateScratch],
  ['sweepDocuments', 5, sweepDocuments],
]

/**
 * Postgres codes of transactions that lost against another one: deadlock, serialisation, key taken.
 */
const LOST = new Set(['40P01', '40001', '23505', '55P03'])

/** Starts the load. */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const counts: Record<string, number> = {}
  let isStopping = false
  const work = async (client: pg.Client, dice: Dice): Promise<void> => {
    while (!isStopping) {
      const [name, , deed] = chooseDeed(dice)
      try {
        await client.query('BEGIN')
        await deed(client, dice, dice.pick(options.documentTables()))
        await client.query('COMMIT')
        counts[name] = (counts[name] ?? 0) + 1
      } catch (error) {
        if (!(error instanceof pg.DatabaseError) || !LOST.has(error.code ?? '')) throw error
        await client.query('ROLLBACK')
        counts.lost = (counts.lost ?? 0) + 1
      }
      await new Promise((resolve) => setTimeout(resolve, dice.next() * options.pauseMsMax))
    }
    await client.end()
  }
  const clients = Array.from(
    { length: options.connections },
    () => new pg.Client({ connectionString: options.url, application_name: 'load' }),
  )
  await Promise.all(clients.map((client) => client.connect()))
  const workers = clients.map((client, index) => work(client, createDice(options.seed + index)))
  const done = Promise.all(workers)
  done.catch(() => undefined)
  return {
    counts: () => ({ ...counts }),
    stop: async () => {
      isStopping = true
      await done
    },
  }
}

function chooseDeed(dice: Dice): readonly [string, number, Deed] {
  let rolled = dice.roll(1000)
  for (const entry of DEEDS) {
    rolled -= entry[1]
    if (rolled < 0) return entry
  }
  return dice.pick(DEEDS)
}

/** Ids are hot at the low end: few keys take most of the changes. */
async function someAccounts(client: pg.Client, dice: Dice, count: number): Promise<number[]> {
  const offset = Math.floor(dice.next() ** 3 * 1000)
  const result = await client.query(
    'SELECT id FROM accounts ORDER BY id OFFSET $1 LIMIT $2 FOR UPDATE SKIP LOCKED',
    [offset, count],
  )
  return result.rows.map((row: { id: number }) => row.id)
}

async function someDocument(
  client: pg.Client,
  dice: Dice,
  documents: string,
): Promise<[string, number] | null> {
  const result = await client.query(
    `SELECT tenant, number FROM ${documents} WHERE tenant = $1 AND number >= $2 ORDER BY 2 LIMIT 1`,
    [`t${dice.roll(7)}`, dice.roll(5_000)],
  )
  const row = result.rows[0] as { tenant: string; number: number } | undefined
  return row ? [row.tenant, row.number] : null
}

async function transfer(client: pg.Client, dice: Dice): Promise<void> {
  const [from, to] = await someAccounts(client, dice, 2)
  if (from === undefined || to === undefined) return
  const amount = dice.between(1, 50)
  const move = 'UPDATE accounts SET balance = balance + $2, revision = revision + 1 WHERE id = $1'
  await client.query(move, [from, -amount])
  await client.query('INSERT INTO ledger (account, amount) VALUES ($1, $2), ($3, $4)', [
    from,
    -amount,
    to,
    amount,
  ])
  await client.query(move, [to, amount])
}

async function insertDocument(client: pg.Client, dice: Dice, documents: string): Promise<void> {
  await client.query(
    `INSERT INTO ${documents} (${DOCUMENT_COLUMNS}) SELECT $1, n, ${DOCUMENT_VALUES}
     FROM generate_series($2::int, $2::int + $3::int) n ON CONFLICT DO NOTHING`,
    [`t${dice.roll(7)}`, dice.roll(100_000), dice.roll(4)],
  )
}

async function touchDocument(client: pg.Client, dice: Dice, documents: string): Promise<void> {
  const key = await someDocument(client, dice, documents)
  if (!key) return
  await client.query(
    `UPDATE ${documents} SET score = $3, flag = NOT flag, at = clock_timestamp()
     WHERE tenant = $1 AND number = $2`,
    [...key, dice.roll(800) / 8],
  )
}

async function rewriteBody(client: pg.Client, dice: Dice, documents: string): Promise<void> {
  const key = await someDocument(client, dice, documents)
  if (!key) return
  await client.query(`UPDATE ${documents} SET body = $3 WHERE tenant = $1 AND number = $2`, [
    ...key,
    dice.pick([null, '', 'short', `${dice.next()} `.repeat(200)]),
  ])
}

async function deleteDocument(client: pg.Client, dice: Dice, documents: string): Promise<void> {
  const key = await someDocument(client, dice, documents)
  if (key) await client.query(`DELETE FROM ${documents} WHERE tenant = $1 AND number = $2`, key)
}

/** The long text is not sent again: the new key's row must take it from the old key's row. */
async function renameDocument(client: pg.Client, dice: Dice, documents: string): Promise<void> {
  const key = await someDocument(client, dice, documents)
  if (!key) return
  await client.query(
    `UPDATE ${documents} SET tenant = $3, number = $4 WHERE tenant = $1 AND number = $2`,
    [...key, `t${dice.roll(7)}`, dice.roll(200_000)],
  )
}

async function renameAccount(client: pg.Client, dice: Dice): Promise<void> {
  const [id] = await someAccounts(client, dice, 1)
  await client.query('UPDATE accounts SET id = $2 WHERE id = $1', [id, dice.between(1, 1_000_000)])
}

async function swapAccounts(client: pg.Client, dice: Dice): Promise<void> {
  const [left, right] = await someAccounts(client, dice, 2)
  if (left === undefined || right === undefined) return
  const away = -dice.between(1, 1_000_000_000)
  const rename = 'UPDATE accounts SET id = $2 WHERE id = $1'
  await client.query(rename, [left, away])
  await client.query(rename, [right, left])
  await client.query(rename, [away, right])
}

async function replaceAccount(client: pg.Client, dice: Dice): Promise<void> {
  const [id] = await someAccounts(client, dice, 1)
  if (id === undefined) return
  const old = await client.query('DELETE FROM accounts WHERE id = $1 RETURNING balance', [id])
  await client.query('INSERT INTO accounts VALUES ($1, $2, $3, 0)', [
    id,
    old.rows[0]?.balance,
    dice.pick([null, 'again', 'x'.repeat(4_000)]),
  ])
}

async function manyStepsOfOneKey(client: pg.Client, dice: Dice, documents: string): Promise<void> {
  const tenant = `t${dice.roll(7)}`
  const number = dice.between(300_000, 300_050)
  await client.query(`DELETE FROM ${documents} WHERE tenant = $1 AND number = $2`, [tenant, number])
  await client.query(
    `INSERT INTO ${documents} (tenant, number, body, score) VALUES ($1, $2, $3, 1)`,
    [tenant, number, `${dice.next()};`.repeat(200)],
  )
  await client.query(
    `UPDATE ${documents} SET score = score + 1 WHERE tenant = $1 AND number = $2`,
    [tenant, number],
  )
  if (dice.roll(2) === 0) return
  const moved = dice.between(400_000, 500_000)
  await client.query(
    `UPDATE ${documents} SET number = $3, flag = true WHERE tenant = $1 AND number = $2`,
    [tenant, number, moved],
  )
  await client.query(`UPDATE ${documents} SET day = now() WHERE tenant = $1 AND number = $2`, [
    tenant,
    moved,
  ])
}

/** A savepoint that is rolled back inside a transaction that commits. */
async function rolledBack(client: pg.Client, dice: Dice, documents: string): Promise<void> {
  await client.query('SAVEPOINT s')
  await transfer(client, dice)
  await client.query(`DELETE FROM ${documents} WHERE number < 100`)
  await client.query('ROLLBACK TO SAVEPOINT s')
  await touchDocument(client, dice, documents)
}

async function changeScratch(client: pg.Client, dice: Dice): Promise<void> {
  await client.query(
    'INSERT INTO scratch VALUES ($1, $2) ON CONFLICT (id) DO UPDATE SET v = excluded.v',
    [dice.roll(1_000), dice.roll(1_000_000)],
  )
}

async function truncateScratch(client: pg.Client, dice: Dice): Promise<void> {
  await client.query('SET LOCAL lock_timeout = 500')
  await client.query('INSERT INTO scratch VALUES (-1, 1) ON CONFLICT DO NOTHING')
  await client.query('TRUNCATE scratch')
  await client.query('INSERT INTO scratch SELECT n, $1 FROM generate_series(1, 20) n', [
    dice.roll(100),
  ])
}

async function sweepDocuments(client: pg.Client, dice: Dice, documents: string): Promise<void> {
  await client.query(
    `UPDATE ${documents} SET amount = amount + 1 WHERE tenant = $1 AND number % 3 = $2`,
    [`t${dice.roll(7)}`, dice.roll(3)],
  )
}

async function changeQuiet(client: pg.Client, dice: Dice): Promise<void> {
  await client.query('UPDATE quiet SET v = v + 1 WHERE id = $1', [dice.between(1, 10)])
}
