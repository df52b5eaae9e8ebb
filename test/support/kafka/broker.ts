/**
 * A real Kafka broker for one test file: its own folder and ports on loopback, ended with the test
 * process. `deploy/dev/fetch-kafka.sh` fetches what it starts.
 */

import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:net'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { isMissing } from '../require.ts'

const DEV = join(import.meta.dirname, '../../../deploy/dev')
const PROPERTIES = join(DEV, 'kafka/server.properties')
/** What a broker logs when clients can use it. */
const STARTED = 'Kafka Server started'
const LOG_CHARACTERS_MAX = 1_000_000

/** More ways in than `PLAINTEXT`, each at a port of its own. */
export interface BrokerOptions {
  /** Overrides of `server.properties`. */
  readonly settings?: Readonly<Record<string, string>>
  /** Mechanisms of a listener `SASL` (SASL_PLAINTEXT), and users of PLAIN. */
  readonly sasl?: {
    readonly mechanisms: readonly ('PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512' | 'OAUTHBEARER')[]
    /** Of PLAIN; those of SCRAM are made by a client. */
    readonly users: Readonly<Record<string, string>>
  }
  /** A listener `SSL` with this certificate and key, both PEM in one file (a PKCS8 key). */
  readonly sslPemFile?: string
}

/** A broker that runs. */
export interface TestBroker extends AsyncDisposable {
  /** `127.0.0.1:PORT` of the listener `PLAINTEXT`. */
  readonly address: string
  /** Of the listener `SASL`; null without one. */
  readonly saslAddress: string | null
  /** Of the listener `SSL`; null without one. */
  readonly sslAddress: string | null
  /** Process id, for tests that stop it for a while. */
  readonly pid: number
  /** Ends it at once (`kill -9`). */
  kill(): Promise<void>
  /** Starts it again after `kill`, at the same ports and with its data. */
  start(): Promise<void>
}

/** The folder of the fetched broker; null when it was not fetched. */
export function findKafka(): string | null {
  const hash = createHash('sha256')
  for (const file of ['kafka/pom.xml', 'kafka/server.properties', 'fetch-kafka.sh']) {
    hash.update(readFileSync(join(DEV, file)))
  }
  const cacheHome = process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache')
  const cache = process.env.SLUICE_CACHE ?? join(cacheHome, 'sluice')
  const folder = join(cache, 'kafka', hash.digest('hex').slice(0, 16))
  return existsSync(join(folder, 'complete')) ? folder : null
}

/** For `describe.skipIf`: true when the broker was not fetched. */
export function isKafkaMissing(suite: string): boolean {
  const component = 'Kafka (deploy/dev/fetch-kafka.sh)'
  return isMissing(suite, component, findKafka() !== null)
}

/** Starts a broker with no topics; returns when clients can use it. */
export async function startBroker(options: BrokerOptions = {}): Promise<TestBroker> {
  const kafka = findKafka()
  if (kafka === null) throw new Error('run deploy/dev/fetch-kafka.sh first')
  const folder = mkdtempSync(join(tmpdir(), 'sluice-kafka-'))
  cpSync(join(kafka, 'formatted'), join(folder, 'data'), { recursive: true })
  const names = ['PLAINTEXT', 'CONTROLLER']
  if (options.sasl) names.push('SASL')
  if (options.sslPemFile !== undefined) names.push('SSL')
  const ports = await freePorts(names.length)
  const address = (name: string): string | null => {
    const index = names.indexOf(name)
    return index < 0 ? null : `127.0.0.1:${ports[index]}`
  }
  const args = [`@${join(kafka, 'java.args')}`, 'kafka.Kafka', PROPERTIES]
  const settings: Readonly<Record<string, string>> = {
    'log.dirs': join(folder, 'data'),
    listeners: names.map((name) => `${name}://${address(name)}`).join(),
    'controller.quorum.voters': `1@${address('CONTROLLER')}`,
    ...securitySettings(options),
    ...options.settings,
  }
  for (const [name, value] of Object.entries(settings)) args.push('--override', `${name}=${value}`)

  const brokerProcess = createBrokerProcess(args)
  await brokerProcess.start()
  return {
    address: address('PLAINTEXT') as string,
    saslAddress: address('SASL'),
    sslAddress: address('SSL'),
    get pid() {
      return brokerProcess.pid()
    },
    kill: brokerProcess.kill,
    start: brokerProcess.start,
    [Symbol.asyncDispose]: async () => {
      await brokerProcess.kill()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

interface BrokerProcess {
  pid(): number
  start(): Promise<void>
  kill(): Promise<void>
}

function createBrokerProcess(args: readonly string[]): BrokerProcess {
  let child: ChildProcess | null = null
  const killNow = (): void => {
    child?.kill('SIGKILL')
  }
  return {
    pid: () => child?.pid ?? 0,
    start: async () => {
      const started = spawn('java', args, { stdio: ['ignore', 'pipe', 'pipe'] })
      child = started
      process.on('exit', killNow)
      await untilStarted(started)
    },
    kill: async () => {
      const ended = child
      child = null
      process.off('exit', killNow)
      if (ended === null || ended.exitCode !== null || ended.signalCode !== null) return
      const exit = Promise.withResolvers<void>()
      ended.once('exit', () => exit.resolve())
      ended.kill('SIGKILL')
      await exit.promise
    },
  }
}

async function untilStarted(child: ChildProcess): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let log = ''
  const read = (chunk: Buffer): void => {
    log = `${log}${chunk.toString('latin1')}`.slice(-LOG_CHARACTERS_MAX)
    if (log.includes(STARTED)) resolve()
  }
  child.stdout?.on('data', read)
  child.stderr?.on('data', read)
  child.once('error', reject)
  child.once('exit', (code) => reject(new Error(`the broker ended (${code}):\n${log}`)))
  await promise
  for (const stream of [child.stdout, child.stderr]) {
    stream?.off('data', read)
    stream?.resume()
  }
}

function securitySettings(options: BrokerOptions): Readonly<Record<string, string>> {
  const settings: Record<string, string> = {}
  if (options.sasl) {
    settings['sasl.enabled.mechanisms'] = options.sasl.mechanisms.join()
    for (const mechanism of options.sasl.mechanisms) {
      const prefix = `listener.name.sasl.${mechanism.toLowerCase()}`
      settings[`${prefix}.sasl.jaas.config`] = loginModule(mechanism, options.sasl.users)
      if (mechanism === 'OAUTHBEARER') {
        const handler = 'OAuthBearerUnsecuredValidatorCallbackHandler'
        settings[`${prefix}.sasl.server.callback.handler.class`] =
          `org.apache.kafka.common.security.oauthbearer.internals.unsecured.${handler}`
      }
    }
  }
  if (options.sslPemFile !== undefined) {
    settings['ssl.keystore.type'] = 'PEM'
    settings['ssl.keystore.location'] = options.sslPemFile
  }
  return settings
}

function loginModule(mechanism: string, users: Readonly<Record<string, string>>): string {
  const security = 'org.apache.kafka.common.security'
  if (mechanism === 'PLAIN') {
    const all = Object.entries(users).map(([name, password]) => `user_${name}="${password}"`)
    return `${security}.plain.PlainLoginModule required ${all.join(' ')};`
  }
  return mechanism === 'OAUTHBEARER'
    ? `${security}.oauthbearer.OAuthBearerLoginModule required;`
    : `${security}.scram.ScramLoginModule required;`
}

/** Ports that nobody listens at now. */
async function freePorts(count: number): Promise<readonly number[]> {
  const servers = Array.from({ length: count }, () => createServer())
  const ports = await Promise.all(
    servers.map((server) => {
      const { promise, resolve, reject } = Promise.withResolvers<number>()
      server.once('error', reject)
      server.listen(0, '127.0.0.1', () => {
        const bound = server.address()
        resolve(typeof bound === 'object' && bound !== null ? bound.port : 0)
      })
      return promise
    }),
  )
  const closed = servers.map((server) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    server.close(() => resolve())
    return promise
  })
  await Promise.all(closed)
  return ports
}
