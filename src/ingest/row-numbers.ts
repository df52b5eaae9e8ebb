/** Row numbers out of the engine, as one typed array. */

import type { Session } from '../engine/index.ts'

/** The one UINTEGER column of a query. */
export async function rowNumbers(session: Session, sql: string): Promise<Uint32Array> {
  const chunks: Uint32Array[] = []
  await session.columns(sql, ['u32'], ([rows]) => chunks.push(rows.slice()))
  const all = new Uint32Array(chunks.reduce((sum, chunk) => sum + chunk.length, 0))
  let at = 0
  for (const chunk of chunks) {
    all.set(chunk, at)
    at += chunk.length
  }
  return all
}
