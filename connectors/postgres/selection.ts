/** Tables that patterns choose: which can be read now, and what the others wait for. */

import type { SourceWarning, StreamWarning } from '../../src/contracts/index.ts'
import { matchesPatterns, parseStreamPattern, type StreamPattern } from '../../src/model/index.ts'
import { quote, quotedTable, readAllTables, readServer, type TableFacts } from './catalog.ts'
import type { Connection } from './connection.ts'
import { type PublicationFacts, publicationSql, readPublication } from './publication.ts'

/** What is asked. */
export interface SelectionRequest {
  readonly connection: Connection
  readonly patterns: readonly string[]
  readonly publication: string
  /** Whether the source may change the publication. */
  readonly mayChange: boolean
}

/** What patterns choose. */
export interface SelectedTables {
  readonly ready: readonly TableFacts[]
  readonly waiting: readonly StreamWarning[]
  /** Patterns that choose nothing. */
  readonly warnings: readonly SourceWarning[]
}

/** Asks the catalogue. What sends no changes by nature (views, unlogged tables) does not match. */
export async function selectTables(request: SelectionRequest): Promise<SelectedTables> {
  const { connection, publication, patterns } = request
  const { versionNumber, user } = await readServer(connection)
  const found = await readPublication(connection, publication, versionNumber)
  const mayCreate = found === null && (await readMayCreate(connection))
  const parsed = patterns.map((text) => parseStreamPattern(text) as StreamPattern)
  const tables = await readAllTables(connection)
  const matching = tables.filter(({ stream }) => matchesPatterns(parsed, stream))
  const facts = { ...request, found, mayCreate, user }
  const ready: TableFacts[] = []
  const waiting: StreamWarning[] = []
  for (const table of matching) {
    const obstacle = obstacleOf(table, facts)
    if (obstacle === null) ready.push(table)
    else waiting.push(obstacle)
  }
  const idle = parsed.flatMap((pattern, index) => {
    const chooses = tables.some(({ stream }) => matchesPatterns([pattern], stream))
    return pattern.excludes || chooses ? [] : [emptyPattern(patterns[index] as string)]
  })
  return { ready, waiting, warnings: idle }
}

function emptyPattern(pattern: string): SourceWarning {
  return {
    code: 'SLU-SRC-1230',
    message: `no table matches "${pattern}"`,
    remedy: 'Correct the pattern (schema.table, case counts); or create the table: it is noticed.',
  }
}

async function readMayCreate(connection: Connection): Promise<boolean> {
  const rows = await connection.query<{ may: boolean }>(
    "SELECT has_database_privilege(current_database(), 'CREATE') AS may",
  )
  return rows[0]!.may
}

interface ReadinessFacts extends SelectionRequest {
  readonly found: PublicationFacts | null
  readonly mayCreate: boolean
  readonly user: string
}

/** What keeps a table from being read; null when nothing does. */
function obstacleOf(table: TableFacts, facts: ReadinessFacts): StreamWarning | null {
  const { found, publication } = facts
  const { stream } = table
  const role = quote(facts.user)
  if (!table.readable) {
    return {
      ...{ stream, code: 'SLU-SRC-1204', message: `the user may not read ${stream}` },
      remedy:
        `GRANT USAGE ON SCHEMA ${quote(table.schemaName)} TO ${role}; ` +
        `GRANT SELECT ON ${quotedTable(table)} TO ${role};`,
    }
  }
  if (found?.restricted.has(stream)) {
    return {
      ...{ stream, code: 'SLU-SRC-1221' },
      message: `publication ${publication} has a row filter or column list for ${stream}`,
      remedy: 'Publish the whole table, or leave it out of the pipeline.',
    }
  }
  if (found?.streams.has(stream)) return null
  const isBlind = table.identity !== 'f' && (table.identity === 'n' || table.key.length === 0)
  if (isBlind) {
    return {
      ...{ stream, code: 'SLU-SRC-1231' },
      message: `${stream} has no replica identity: Postgres would refuse its updates and deletes`,
      remedy:
        'Give it a primary key; or ALTER TABLE ' +
        `${quotedTable(table)} REPLICA IDENTITY FULL; or leave it out: "!${stream}".`,
    }
  }
  const mayPublish = facts.mayChange && table.owned && (found?.owned ?? facts.mayCreate)
  if (mayPublish) return null
  const plan = { kind: found === null ? 'create' : 'add', tables: [table] } as const
  return {
    ...{ stream, code: 'SLU-SRC-1205' },
    message: `publication ${publication} does not hold ${stream}, and may not be changed`,
    remedy: `Run as the owner of the table: ${publicationSql(publication, plan)};`,
  }
}
