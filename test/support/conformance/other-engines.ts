/** The other engines that read our tables, as `deploy/dev/fetch-engines.sh` leaves them. */

import { execFile, execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Paths into the cache. */
export interface OtherEngines {
  /** Python with `deltalake`. */
  readonly python: string
  /** DuckDB's own delta extension, for the DuckDB version that `@duckdb/node-api` carries. */
  readonly deltaExtension: string
}

const FOLDER = join(import.meta.dirname, '../../../deploy/dev/engines')

/** What is missing when `findOtherEngines` returns null, for people. */
export const OTHER_ENGINES_HINT = 'delta-rs and the delta extension (deploy/dev/fetch-engines.sh)'

/** The engines of the pinned versions; null when they have not been fetched. */
export function findOtherEngines(): OtherEngines | null {
  const pins = readFileSync(join(FOLDER, 'requirements.txt'))
  const digest = createHash('sha256').update(pins).digest('hex').slice(0, 16)
  const cacheHome = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  const cache = process.env.SLUICE_CACHE ?? join(cacheHome, 'sluice')
  const folder = join(cache, 'engines', digest)
  if (!existsSync(join(folder, 'complete'))) return null
  const pattern = 'python/lib/python*/site-packages/duckdb_extension_delta/**/*.duckdb_extension'
  const [extension] = globSync(pattern, { cwd: folder })
  if (extension === undefined) return null
  return {
    python: join(folder, 'python/bin/python'),
    deltaExtension: join(folder, extension),
  }
}

/** Lets delta-rs write the rows of some versions to `output/<version>.parquet`. */
export async function exportWithDeltaRs(
  { python }: OtherEngines,
  table: string,
  output: string,
  versions: readonly bigint[],
): Promise<void> {
  const script = join(FOLDER, 'read_with_delta_rs.py')
  await promisify(execFile)(python, [script, table, output, ...versions.map(String)])
}

/** Rows for which each predicate holds, as delta-rs counts them. */
export async function countWithDeltaRs(
  { python }: OtherEngines,
  table: string,
  predicates: readonly string[],
): Promise<readonly number[]> {
  const script = join(FOLDER, 'count_with_delta_rs.py')
  const { stdout } = await promisify(execFile)(python, [script, table, ...predicates])
  return JSON.parse(stdout) as readonly number[]
}

/** What `maintain_with_delta_rs.py` knows. */
export type Deed =
  | 'optimize'
  | 'delete'
  | 'update'
  | 'restore'
  | 'vacuum'
  | 'full vacuum'
  | 'properties'
  | 'checkpoint'
  | 'compact logs'
  | 'clean up'

/** Lets delta-rs do these deeds to a table; null for each that went through, else its refusal. */
export function maintainWithDeltaRs(
  { python }: OtherEngines,
  table: string,
  deeds: readonly Deed[],
): Readonly<Partial<Record<Deed, string | null>>> {
  const script = join(FOLDER, 'maintain_with_delta_rs.py')
  return JSON.parse(execFileSync(python, [script, table, ...deeds], { encoding: 'utf8' }))
}

/**
 * Lets delta-rs compact a table before anything else happens here; returns the version that it
 * became, -1 when there was nothing to compact.
 */
export function compactWithDeltaRs({ python }: OtherEngines, table: string): number {
  const script = join(FOLDER, 'compact_with_delta_rs.py')
  return Number(execFileSync(python, [script, table], { encoding: 'utf8' }))
}
