/** What `sluice check` asks of a Postgres server before the first start. */

import type { SourceCheck, SourceContext, SourceWarning } from '../../src/contracts/index.ts'
import { isSluiceError, type SluiceError } from '../../src/model/index.ts'
import {
  NOT_LOGGED_REMEDY,
  quotedTable,
  readOthers,
  readServer,
  readSlot,
  readTables,
  type TableFacts,
} from './catalog.ts'
import { checkClock, checkIdleLimit, describeSlot } from './check-slot.ts'
import { type Connection, connect } from './connection.ts'
import { postgresError } from './errors.ts'
import { requireUsableServer } from './opening.ts'
import {
  type PublicationFacts,
  planPublication,
  publicationSql,
  readPublication,
  requireWholeRows,
} from './publication.ts'
import { selectTables } from './selection.ts'
import { defaultSlotName, lintPostgresSettings, type PostgresSettings } from './spec.ts'
import { walWarning } from './wal-budget.ts'

interface Limits {
  readonly slots_max: number
  readonly slots_used: number
  readonly senders_max: number
  readonly senders_used: number
  readonly keep_mb: number
  readonly may_replicate: boolean
}

/** All findings; stops early only where the next question could not be asked. */
export async function checkSource(
  settings: PostgresSettings,
  context: SourceContext,
  asked: { readonly streams: readonly string[]; readonly patterns: readonly string[] },
): Promise<readonly SourceCheck[]> {
  const checks: SourceCheck[] = lintPostgresSettings(settings).map((finding) => ({
    name: `setting ${finding.setting}`,
    status: 'warn',
    seen: finding.problem,
    remedy: finding.remedy,
  }))
  try {
    await using connection = await connect({ settings, context, replication: false })
    checks.push(ok('connection', 'connected'))
    checks.push(...(await checkServer(connection)))
    checks.push(await checkClock(connection, context.clock))
    const chosen = await checkPatterns(connection, settings, context, asked)
    checks.push(...chosen.checks)
    const { streams } = chosen
    checks.push(...(await checkTables(connection, streams, settings)))
    checks.push(...(await checkOwnObjects(connection, settings, context, streams)))
    await using replication = await connect({ settings, context, replication: true })
    const [system] = await replication.query<{ systemid: string; timeline: number }>(
      'IDENTIFY_SYSTEM',
    )
    const cluster = `allowed; system ${system!.systemid}, timeline ${system!.timeline}`
    checks.push(ok('replication connection', cluster))
  } catch (error) {
    checks.push(failed('connection', postgresError(error, 'checking Postgres')))
  }
  return checks
}

async function checkServer(connection: Connection): Promise<SourceCheck[]> {
  const server = await readServer(connection)
  const checks: SourceCheck[] = []
  const major = Math.floor(server.versionNumber / 10000)
  const version = `version ${major}, wal_level ${server.walLevel}`
  try {
    requireUsableServer(server)
    checks.push(ok('server', version))
  } catch (error) {
    checks.push(failed('server', postgresError(error, 'checking the server')))
  }
  const rows = await connection.query<Limits>(`
    SELECT current_setting('max_replication_slots')::int AS slots_max,
      (SELECT count(*)::int FROM pg_catalog.pg_replication_slots) AS slots_used,
      current_setting('max_wal_senders')::int AS senders_max,
      (SELECT count(*)::int FROM pg_catalog.pg_stat_replication) AS senders_used,
      (SELECT setting::int FROM pg_catalog.pg_settings WHERE name = 'max_slot_wal_keep_size')
        AS keep_mb,
      (SELECT rolsuper OR rolreplication FROM pg_catalog.pg_roles WHERE rolname = current_user)
        AS may_replicate`)
  const limits = rows[0]!
  checks.push(
    limits.may_replicate
      ? ok('replication right', `user ${server.user} may replicate`)
      : {
          name: 'replication right',
          status: 'fail',
          seen: `user ${server.user} may not replicate`,
          remedy: `ALTER ROLE "${server.user}" REPLICATION;`,
        },
  )
  checks.push(
    room('replication slots', limits.slots_used, limits.slots_max, 'max_replication_slots'),
  )
  checks.push(room('WAL senders', limits.senders_used, limits.senders_max, 'max_wal_senders'))
  if (limits.keep_mb < 0) {
    checks.push({
      name: 'WAL kept for slots',
      status: 'warn',
      seen:
        'max_slot_wal_keep_size is not limited: a stopped pipeline can fill the disk ' +
        'of Postgres',
      remedy: 'Set max_slot_wal_keep_size to what the disk can spare, and watch the lag.',
    })
  }
  return checks
}

/** What the patterns choose, and the streams that are read with it. */
async function checkPatterns(
  connection: Connection,
  settings: PostgresSettings,
  context: SourceContext,
  asked: { readonly streams: readonly string[]; readonly patterns: readonly string[] },
): Promise<{ readonly checks: readonly SourceCheck[]; readonly streams: readonly string[] }> {
  const { patterns } = asked
  if (patterns.length === 0) return { checks: [], streams: asked.streams }
  const publication = settings.publication ?? defaultSlotName(context.pipeline)
  const mayChange = settings.createPublication
  const found = await selectTables({ connection, patterns, publication, mayChange })
  const named = new Set(asked.streams)
  const ready = found.ready.map(({ stream }) => stream).filter((stream) => !named.has(stream))
  const waiting = found.waiting.filter(({ stream }) => !named.has(stream))
  const isNothing = ready.length + named.size === 0
  const name = 'patterns'
  const seen = `${patterns.join(', ')}: ${ready.length} tables, ${waiting.length} not readable yet`
  const warn = (check: string, { code, message, remedy }: SourceWarning): SourceCheck => ({
    ...{ name: check, status: 'warn' as const, seen: `${code} ${message}`, remedy },
  })
  return {
    checks: [
      isNothing
        ? { name, status: 'fail', seen, remedy: 'Correct the patterns, or create the tables.' }
        : ok(name, seen),
      ...found.warnings.map((warning) => warn(name, warning)),
      ...waiting.map((warning) => warn(`table ${warning.stream}`, warning)),
    ],
    streams: [...asked.streams, ...ready],
  }
}

async function checkTables(
  connection: Connection,
  streams: readonly string[],
  settings: PostgresSettings,
): Promise<SourceCheck[]> {
  const tables = await readTables(connection, streams)
  const found = new Map(tables.map((row) => [row.stream, row]))
  const others = await readOthers(connection, streams)
  return [
    ...streams.map((stream) =>
      checkTable(stream, found.get(stream) ?? null, others.get(stream) ?? null),
    ),
    ...checkColumnTypes(tables, Object.keys(settings.columnTypes)),
  ]
}

/** A name in `columnTypes` that is not one of the table's columns has no effect. */
function checkColumnTypes(
  tables: readonly TableFacts[],
  columns: readonly string[],
): readonly SourceCheck[] {
  return columns.flatMap((column): SourceCheck[] => {
    const table = tables.find(({ stream }) => column.startsWith(`${stream}.`))
    if (table === undefined) return []
    if (table.columns.some(({ name }) => `${table.stream}.${name}` === column)) return []
    const known = table.columns.map(({ name }) => name).join(', ')
    return [
      {
        name: `column type ${column}`,
        status: 'warn',
        seen: `${table.stream} has no such column, so columnTypes says nothing about it`,
        remedy: `Correct the name; it has ${known}.`,
      },
    ]
  })
}

function checkTable(stream: string, table: TableFacts | null, other: string | null): SourceCheck {
  const name = `table ${stream}`
  if (other !== null) {
    return { name, status: 'fail', seen: `is ${other}`, remedy: NOT_LOGGED_REMEDY }
  }
  if (table === null) {
    const remedy = 'Correct the name (schema.table), or create the table.'
    return { name, status: 'fail', seen: 'does not exist', remedy }
  }
  if (!table.readable) {
    const remedy = `GRANT SELECT ON ${quotedTable(table)} TO <user>;`
    return { name, status: 'fail', seen: 'may not be read', remedy }
  }
  const identity = { d: 'default', i: 'index', f: 'full', n: 'nothing' }[table.identity]
  const seen = `key (${table.key.join(', ')}), replica identity ${identity}`
  const isBlind = table.identity === 'n' || (table.identity === 'd' && table.key.length === 0)
  if (isBlind) {
    return {
      name,
      status: 'warn',
      seen: `${seen}: Postgres refuses updates and deletes of a published table without identity`,
      remedy: `Give it a primary key, or: ALTER TABLE ${quotedTable(table)} REPLICA IDENTITY FULL;`,
    }
  }
  return ok(name, seen)
}

async function checkOwnObjects(
  connection: Connection,
  settings: PostgresSettings,
  context: SourceContext,
  streams: readonly string[],
): Promise<SourceCheck[]> {
  const fallback = defaultSlotName(context.pipeline)
  const publication = settings.publication ?? fallback
  const server = await readServer(connection)
  const tables = await readTables(connection, streams)
  const found = await readPublication(connection, publication, server.versionNumber)
  const slotName = settings.slot ?? fallback
  const slot = await readSlot(connection, slotName)
  const warning = walWarning({
    slot: slotName,
    leftBytes: slot?.safeWalBytes ?? null,
    limitBytes: server.slotWalBytesMax,
    warnShare: settings.walBudgetWarn,
  })
  const budget: SourceCheck[] =
    warning === null
      ? []
      : [
          {
            name: 'WAL budget',
            status: 'warn',
            seen: `${warning.code} ${warning.message}`,
            remedy: warning.remedy,
          },
        ]
  const [{ database }] = (await connection.query<{ database: string }>(
    'SELECT current_database()::text AS database',
  )) as [{ database: string }]
  return [
    checkPublication({ settings, name: publication, found, tables }),
    describeSlot(slotName, database, slot),
    ...budget,
    ...(await checkIdleLimit(connection)),
  ]
}

function checkPublication(request: {
  readonly settings: PostgresSettings
  readonly name: string
  readonly found: PublicationFacts | null
  readonly tables: readonly TableFacts[]
}): SourceCheck {
  const { settings, name, found, tables } = request
  try {
    requireWholeRows(name, found, tables)
  } catch (error) {
    return failed('publication', postgresError(error, 'checking the publication'))
  }
  const plan = planPublication(found, tables)
  const sql = publicationSql(name, plan)
  if (sql === null) return ok('publication', `${name} holds every table`)
  if (settings.createPublication) return ok('publication', `will run: ${sql}`)
  const seen = `${name} lacks ${plan.kind === 'create' ? 'everything' : 'tables'}`
  return { name: 'publication', status: 'fail', seen, remedy: `${sql};` }
}

function room(name: string, used: number, max: number, setting: string): SourceCheck {
  const seen = `${used} of ${max} in use`
  // One for the stream, one more for copies and for verify.
  if (max - used >= 2) return ok(name, seen)
  const status = used >= max ? 'fail' : 'warn'
  return { name, status, seen, remedy: `Raise ${setting} and restart Postgres.` }
}

function ok(name: string, seen: string): SourceCheck {
  return { name, status: 'ok', seen, remedy: '' }
}

function failed(name: string, error: SluiceError): SourceCheck {
  const code = isSluiceError(error) ? error.code : ''
  return { name, status: 'fail', seen: `${code} ${error.message}`, remedy: error.remedy }
}
