/** Writes to a table while it is copied: to all of its rows alike, copied or not. */

import pg from 'pg'
import { createDice, type Dice } from '../support/random.ts'

/** A running load. */
export interface CopyLoad {
  counts(): Readonly<Record<string, number>>
  /** Waits for the transactions that run. */
  stop(): Promise<void>
}

const CONNECTIONS = 2
const PAUSE_MS = 15

/** Starts to write, by connections of its own. */
export async function startCopyLoad(
  url: string,
  table: string,
  rows: number,
  seed: number,
): Promise<CopyLoad> {
  const counts: Record<string, number> = {}
  let isOn = true
  const work = async (number: number): Promise<void> => {
    const client = new pg.Client({ connectionString: url })
    await client.connect()
    const dice = createDice(seed * 31 + number)
    for (let turn = 0; isOn; turn++) {
      const deed = dice.pick(DEEDS)
      // Keys of the two connections never meet, so that none waits for the other.
      const id = (): number => 1 + number + CONNECTIONS * dice.roll(Math.floor(rows / CONNECTIONS))
      const fresh = rows + 1 + number + CONNECTIONS * (turn * FRESH_PER_TURN)
      const result = await client.query(deed.sql(table, { id, fresh, dice }))
      counts[deed.name] = (counts[deed.name] ?? 0) + (result.rowCount ?? 0)
      await new Promise((resolve) => setTimeout(resolve, dice.roll(PAUSE_MS)))
    }
    await client.end()
  }
  const workers = Array.from({ length: CONNECTIONS }, (_, number) => work(number))
  return {
    counts: () => ({ ...counts }),
    stop: async () => {
      isOn = false
      await Promise.all(workers)
    },
  }
}

/** Keys that one turn may make. */
const FRESH_PER_TURN = 10

interface Turn {
  /** Key of a row of the beginning, if it still is there. */
  readonly id: () => number
  /** First of the keys of this turn. */
  readonly fresh: number
  readonly dice: Dice
}

interface Deed {
  readonly name: string
  readonly sql: (table: string, turn: Turn) => string
}

const some = (id: () => number, count: number): string =>
  Array.from({ length: count }, id).join(', ')
/** Rows with a long text: it is not sent again when something else changes. */
const long = (id: () => number): number => Math.ceil(id() / 200) * 200

const DEEDS: readonly Deed[] = [
  {
    name: 'updates',
    sql: (table, { id, dice }) =>
      `UPDATE ${table} SET amount = ${dice.roll(99_999)}, state = 'changed'
       WHERE id IN (${some(id, 10)})`,
  },
  {
    name: 'partialUpdates',
    sql: (table, { id }) =>
      `UPDATE ${table} SET customer = customer + 1
       WHERE id IN (${some(() => long(id), 10)}) AND id % 2 = ${id() % 2}`,
  },
  {
    name: 'inserts',
    sql: (table, { fresh, dice }) =>
      `INSERT INTO ${table} SELECT ${fresh} + ${CONNECTIONS} * n, n, 1, now(), 'fresh',
         CASE n WHEN 0 THEN repeat('${dice.roll(9)}', 3000) END
       FROM generate_series(0, ${FRESH_PER_TURN - 1}) n ON CONFLICT DO NOTHING`,
  },
  {
    name: 'deletes',
    sql: (table, { id }) => `DELETE FROM ${table} WHERE id IN (${some(id, 5)})`,
  },
  {
    name: 'moves',
    sql: (table, { id }) =>
      `UPDATE ${table} SET id = -id WHERE id IN (${some(id, 3)}) AND id % 200 <> 0`,
  },
  {
    name: 'partialMoves',
    sql: (table, { id }) =>
      `UPDATE ${table} SET id = -id WHERE id = ${long(id)} AND id % 2 = ${id() % 2}`,
  },
]
