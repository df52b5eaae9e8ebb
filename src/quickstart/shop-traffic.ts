/** What goes on in the demo shop: small transactions over several tables, at a steady rate. */

import pg from 'pg'
import type { Clock } from '../contracts/index.ts'
import { wrapError } from '../model/index.ts'

/** What the traffic needs. */
export interface ShopTrafficOptions {
  readonly url: string
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly transactionsPerSecond: number
}

/** Running counts of the traffic, for the display. */
export interface ShopTrafficCounts {
  readonly transactions: number
  readonly byDeed: Readonly<Record<string, number>>
}

/** The traffic while it runs; `done` settles when the signal has ended it. */
export interface ShopTraffic {
  counts(): ShopTrafficCounts
  readonly done: Promise<void>
}

interface Deed {
  readonly name: string
  /** Share of all transactions, in thousandths. */
  readonly share: number
  run(shop: Shop): Promise<void>
}

/** One connection and dice: low ids of products and high ids of orders are hot. */
interface Shop {
  query(sql: string, values?: readonly unknown[]): Promise<readonly Record<string, unknown>[]>
  /** An integer in [0, below). */
  roll(below: number): number
  anOrder(): Promise<string | null>
  aCustomer(): Promise<string | null>
  aProduct(): Promise<string | null>
}

/** Longest pause that is made up for: after a stall the shop does not catch up in one burst. */
const BEHIND_MS_MAX = 1_000

const DEEDS: readonly Deed[] = [
  { name: 'order placed', share: 400, run: placeOrder },
  { name: 'order moved on', share: 330, run: moveOrderOn },
  { name: 'order cancelled', share: 60, run: cancelOrder },
  { name: 'price changed', share: 90, run: changePrice },
  { name: 'customer changed', share: 60, run: changeCustomer },
  { name: 'customer joined', share: 40, run: addCustomer },
  { name: 'customer left', share: 8, run: removeCustomer },
  { name: 'item moved', share: 6, run: moveItem },
  { name: 'product renamed', share: 4, run: renameProduct },
  { name: 'description written', share: 2, run: writeDescription },
]

/** Starts changing the shop until the signal aborts; the last transaction is finished first. */
export async function startShopTraffic(options: ShopTrafficOptions): Promise<ShopTraffic> {
  const client = new pg.Client({ connectionString: options.url, application_name: 'shop' })
  client.on('error', () => undefined)
  await client.connect()
  const byDeed: Record<string, number> = {}
  let transactions = 0
  const shop = openShop(client, options.clock)
  const work = async (): Promise<void> => {
    const intervalMs = 1000 / options.transactionsPerSecond
    let dueMs = options.clock.monotonicMs()
    while (!options.signal.aborted) {
      const deed = chooseDeed(shop.roll(1000))
      await client.query('BEGIN')
      await deed.run(shop)
      await client.query('COMMIT')
      transactions += 1
      byDeed[deed.name] = (byDeed[deed.name] ?? 0) + 1
      dueMs = Math.max(dueMs + intervalMs, options.clock.monotonicMs() - BEHIND_MS_MAX)
      const aheadMs = dueMs - options.clock.monotonicMs()
      if (aheadMs > 0) await options.clock.sleep(aheadMs, options.signal)
    }
  }
  const done = work()
    .catch((error: unknown) => {
      throw wrapError(error, 'SLU-SRC-1200', 'the demo shop lost its database')
    })
    .finally(() => client.end().catch(() => undefined))
  return { counts: () => ({ transactions, byDeed: { ...byDeed } }), done }
}

function chooseDeed(rolled: number): Deed {
  let passed = 0
  for (const deed of DEEDS) {
    passed += deed.share
    if (rolled < passed) return deed
  }
  return DEEDS[0] as Deed
}

function openShop(client: pg.Client, clock: Clock): Shop {
  const query: Shop['query'] = async (sql, values = []) => {
    return (await client.query(sql, [...values])).rows as Record<string, unknown>[]
  }
  const roll = (below: number): number => Math.floor(clock.random() * below)
  const nearId = async (table: 'orders' | 'customers', isHot: boolean): Promise<string | null> => {
    const [span] = await query(`SELECT min(id) AS low, max(id) AS high FROM ${table}`)
    if (span?.low == null || span.high == null) return null
    const [low, high] = [Number(span.low), Number(span.high)]
    const share = isHot ? 1 - clock.random() ** 3 : clock.random()
    const from = Math.floor(low + (high - low) * share)
    const [row] = await query(`SELECT id FROM ${table} WHERE id >= $1 ORDER BY id LIMIT 1`, [from])
    return row === undefined ? null : String(row.id)
  }
  const aProduct = async (): Promise<string | null> => {
    const skip = Math.floor(clock.random() ** 3 * 400)
    const [row] = await query('SELECT sku FROM products ORDER BY sku OFFSET $1 LIMIT 1', [skip])
    return row === undefined ? null : String(row.sku)
  }
  return {
    query,
    roll,
    anOrder: () => nearId('orders', true),
    aCustomer: () => nearId('customers', false),
    aProduct,
  }
}

async function placeOrder(shop: Shop): Promise<void> {
  const customer = await shop.aCustomer()
  if (customer === null) return
  const [order] = await shop.query(
    "INSERT INTO orders (customer_id, status, total) VALUES ($1, 'new', 0) RETURNING id",
    [customer],
  )
  const lineCount = 1 + shop.roll(4)
  for (let line = 1; line <= lineCount; line += 1) {
    const sku = await shop.aProduct()
    const quantity = 1 + shop.roll(5)
    await shop.query(
      `INSERT INTO order_items (order_id, line_number, sku, quantity, price)
       SELECT $1, $2, sku, $4, price FROM products WHERE sku = $3`,
      [order?.id, line, sku, quantity],
    )
    await shop.query(
      `UPDATE products SET updated_at = now(),
         stock = CASE WHEN stock < $2 THEN stock + 1000 ELSE stock - $2 END WHERE sku = $1`,
      [sku, quantity],
    )
  }
  await shop.query(
    `UPDATE orders SET updated_at = now(), total =
       (SELECT coalesce(sum(quantity * price), 0) FROM order_items WHERE order_id = $1)
     WHERE id = $1`,
    [order?.id],
  )
}

async function moveOrderOn(shop: Shop): Promise<void> {
  await shop.query(
    `UPDATE orders SET updated_at = now(),
       status = CASE status WHEN 'new' THEN 'paid' WHEN 'paid' THEN 'shipped' ELSE 'delivered' END,
       delivery = CASE WHEN status = 'shipped' THEN localtimestamp ELSE delivery END
     WHERE id = $1`,
    [await shop.anOrder()],
  )
}

async function cancelOrder(shop: Shop): Promise<void> {
  const order = await shop.anOrder()
  await shop.query('DELETE FROM order_items WHERE order_id = $1', [order])
  await shop.query('DELETE FROM orders WHERE id = $1', [order])
}

async function changePrice(shop: Shop): Promise<void> {
  await shop.query(
    `UPDATE products SET updated_at = now(),
       price = round(greatest(price * $2::numeric / 100, 1), 2) % 10000 WHERE sku = $1`,
    [await shop.aProduct(), 90 + shop.roll(22)],
  )
}

async function changeCustomer(shop: Shop): Promise<void> {
  await shop.query(
    `UPDATE customers SET updated_at = now(),
       email = 'customer' || id || '+' || $2 || '@shop.example',
       preferences = jsonb_set(coalesce(preferences, '{}'), '{visits}', to_jsonb($3::int))
     WHERE id = $1`,
    [await shop.aCustomer(), String(shop.roll(1000)), shop.roll(100)],
  )
}

async function addCustomer(shop: Shop): Promise<void> {
  const number = shop.roll(1_000_000)
  await shop.query(
    "INSERT INTO customers (email, name, country, tags) VALUES ($1, $2, 'DE', '{new}')",
    [`new${number}@shop.example`, `Customer N${number}`],
  )
}

async function removeCustomer(shop: Shop): Promise<void> {
  const customer = await shop.aCustomer()
  await shop.query(
    `DELETE FROM order_items USING orders
     WHERE orders.id = order_items.order_id AND orders.customer_id = $1`,
    [customer],
  )
  await shop.query('DELETE FROM orders WHERE customer_id = $1', [customer])
  await shop.query('DELETE FROM customers WHERE id = $1', [customer])
}

/** A change of a composite key. */
async function moveItem(shop: Shop): Promise<void> {
  await shop.query(
    `UPDATE order_items SET line_number = line_number + 10
     WHERE order_id = $1 AND line_number < 10`,
    [await shop.anOrder()],
  )
}

/**
 * A change of a key whose row holds a long text that is not sent again, and of the rows that name
 * it.
 */
async function renameProduct(shop: Shop): Promise<void> {
  const sku = await shop.aProduct()
  if (sku === null) return
  const renamed = `${sku.split('/')[0]}/${shop.roll(100_000)}`
  await shop.query('UPDATE products SET sku = $2, updated_at = now() WHERE sku = $1', [
    sku,
    renamed,
  ])
  await shop.query('UPDATE order_items SET sku = $2 WHERE sku = $1', [sku, renamed])
}

async function writeDescription(shop: Shop): Promise<void> {
  await shop.query(
    `UPDATE products SET updated_at = now(), description =
       (SELECT string_agg(md5($2 || ':' || part), '') FROM generate_series(1, 120) part)
     WHERE sku = $1`,
    [await shop.aProduct(), String(shop.roll(1_000_000))],
  )
}
