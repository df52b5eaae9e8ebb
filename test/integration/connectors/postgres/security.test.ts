import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isSluiceError } from '../../../../src/model/index.ts'
import { parseDocument } from '../../../support/cli/documents.ts'
import { createProcesses } from '../../../support/cli/process.ts'
import { createSource, currentPosition, Reader, startServer, type TestServer } from './harness.ts'

const ORDERS = 'public.orders'
const processes = createProcesses()
let folder = ''
let server: TestServer
const file = (name: string): string => path.join(folder, name)

/** One authority for the server and its users, another one that nobody here believes. */
function makeCertificates(): void {
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { cwd: folder, stdio: 'pipe' })
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  for (const name of ['ca', 'stranger']) {
    openssl(
      'req',
      '-x509',
      ...key,
      ...['-keyout', `${name}.key`, '-out', `${name}.pem`],
      ...['-subj', `/CN=${name}`],
    )
  }
  const issue = (name: string, subject: string, authority: string): void => {
    openssl(
      'req',
      '-x509',
      ...key,
      ...['-keyout', `${name}.key`, '-out', `${name}.pem`],
      ...['-subj', `/CN=${subject}`, '-addext', `subjectAltName=DNS:${subject}`],
      ...['-addext', 'basicConstraints=critical,CA:FALSE'],
      ...['-CA', `${authority}.pem`, '-CAkey', `${authority}.key`],
    )
  }
  issue('server', 'localhost', 'ca')
  issue('holder', 'holder', 'ca')
  issue('impostor', 'holder', 'stranger')
}

beforeAll(async () => {
  folder = mkdtempSync(path.join(tmpdir(), 'sluice-security-'))
  makeCertificates()
  server = await startServer()
  await server.sql(`
    CREATE TABLE orders (id int PRIMARY KEY, status text);
    INSERT INTO orders SELECT i, repeat('x', 100) FROM generate_series(1, 2000) i;
    CREATE ROLE scram_user LOGIN SUPERUSER PASSWORD 'p@ss %41:/word';
    CREATE ROLE tls_user LOGIN SUPERUSER PASSWORD 'tls';
    CREATE ROLE holder LOGIN SUPERUSER;`)
  await server.sql(`
    SET password_encryption TO 'md5'; CREATE ROLE md5_user LOGIN SUPERUSER PASSWORD 'old'`)
  const rules = [
    'hostssl all holder 127.0.0.1/32 cert',
    'hostnossl all tls_user 127.0.0.1/32 reject',
    'host all md5_user 127.0.0.1/32 md5',
    'host all all 127.0.0.1/32 scram-sha-256',
  ]
  writeFileSync(path.join(server.folder, 'pg_hba.conf'), `${rules.join('\n')}\n`)
})

afterAll(async () => {
  await processes.killAll()
  await server?.[Symbol.asyncDispose]()
  rmSync(folder, { recursive: true, force: true })
})

function url(user: string, password: string, host: string, query: string): string {
  const target = new URL(server.url)
  target.username = user
  target.password = encodeURIComponent(password)
  target.hostname = host
  return `${target.href}${query === '' ? '' : `?${query}`}`
}

const asTlsUser = (host: string, query: string): string => url('tls_user', 'tls', host, query)

interface Outcome {
  readonly code: string
  readonly remedy: string
  readonly message: string
}

/** How listing the tables ends: code `none` when it succeeds. */
async function reach(address: string, more = {}): Promise<Outcome> {
  await using source = createSource(address, more)
  try {
    const streams = await source.discover()
    expect(streams.map(({ stream }) => stream)).toEqual([ORDERS])
    return { code: 'none', remedy: '', message: '' }
  } catch (error) {
    if (!isSluiceError(error)) throw error
    return { code: error.code, remedy: error.remedy, message: error.message }
  }
}

/** Copies the table and follows a change; answers which of the connections were secured. */
async function readThrough(address: string): Promise<readonly unknown[]> {
  const reader = new Reader([ORDERS])
  await using source = createSource(address)
  await reader.open(source)
  try {
    await reader.until(() => reader.nextPosition > 0n)
    await server.sql(`UPDATE orders SET status = 'seen' WHERE id <= 1000`)
    await reader.untilPosition(await currentPosition(server))
    expect(
      [...reader.model(ORDERS).rows.values()].filter((row) => row.status === 'seen'),
    ).toHaveLength(1000)
    return await server.sql(`SELECT DISTINCT s.ssl FROM pg_stat_activity a
      JOIN pg_stat_ssl s USING (pid) WHERE a.application_name = 'sluice test'`)
  } finally {
    await reader.close()
    await server.sql(`
      SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE active;
      SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active`)
  }
}

describe('a server without TLS', () => {
  beforeAll(() => server.restart())

  it.each(['', 'sslmode=disable', 'sslmode=prefer'])('is read in clear with %j', async (query) => {
    const address = url('scram_user', 'p@ss %41:/word', '127.0.0.1', query)
    expect(await reach(address)).toMatchObject({ code: 'none' })
  })

  it.each(['require', 'verify-full'])('is refused with sslmode=%s', async (mode) => {
    const outcome = await reach(asTlsUser('localhost', `sslmode=${mode}`))
    expect(outcome).toMatchObject({ code: 'SLU-SRC-1228' })
    expect(outcome.remedy).toContain('ssl_cert_file')
  })

  it('takes SCRAM and md5 passwords from the setting, whatever stands in them', async () => {
    const scram = url('scram_user', '', '127.0.0.1', '')
    expect(await reach(scram, { password: 'p@ss %41:/word' })).toMatchObject({ code: 'none' })
    const md5 = url('md5_user', '', '127.0.0.1', '')
    expect(await reach(md5, { password: 'old' })).toMatchObject({ code: 'none' })
  })

  it.each([
    ['scram_user', 'wrong'],
    ['md5_user', 'wrong'],
    ['scram_user', undefined],
  ])('says so when the password of %s is %s', async (user, password) => {
    const outcome = await reach(url(user, '', '127.0.0.1', ''), { password })
    expect(outcome).toMatchObject({ code: 'SLU-SRC-1201' })
    expect(outcome.message).not.toContain('p@ss')
    expect(outcome.remedy).toContain('pg_hba.conf')
  })
})

describe('a server with TLS', () => {
  beforeAll(() =>
    server.restart({
      ssl: 'on',
      ssl_cert_file: file('server.pem'),
      ssl_key_file: file('server.key'),
      ssl_ca_file: file('ca.pem'),
    }),
  )
  const root = (name: string): string => `sslrootcert=${file(name)}`

  it('is copied and followed over TLS, all of it', async () => {
    const address = asTlsUser('localhost', `sslmode=verify-full&${root('ca.pem')}`)
    expect(await readThrough(address)).toEqual([{ ssl: true }])
  })

  it.each([
    ['127.0.0.1', '', '', 'none'],
    ['127.0.0.1', 'sslmode=prefer', '', 'none'],
    ['127.0.0.1', 'sslmode=require', '', 'none'],
    ['127.0.0.1', 'sslmode=require', 'ca.pem', 'none'],
    ['127.0.0.1', 'sslmode=require', 'stranger.pem', 'SLU-SRC-1227'],
    ['127.0.0.1', 'sslmode=verify-ca', 'ca.pem', 'none'],
    ['127.0.0.1', 'sslmode=verify-ca', 'stranger.pem', 'SLU-SRC-1227'],
    ['127.0.0.1', 'sslmode=verify-ca', '', 'SLU-SRC-1226'],
    ['localhost', 'sslmode=verify-full', 'ca.pem', 'none'],
    ['127.0.0.1', 'sslmode=verify-full', 'ca.pem', 'SLU-SRC-1227'],
    ['localhost', 'sslmode=verify-full', 'stranger.pem', 'SLU-SRC-1227'],
    ['localhost', 'sslmode=verify-full', '', 'SLU-SRC-1227'],
    ['localhost', 'sslmode=disable', '', 'SLU-SRC-1201'],
    ['localhost', 'sslmode=strict', '', 'SLU-SRC-1226'],
    ['localhost', 'ssl_mode=require', '', 'SLU-SRC-1226'],
    ['localhost', 'sslmode=verify-full', 'nowhere.pem', 'SLU-SRC-1226'],
    ['localhost', 'sslmode=verify-full', 'ca.key', 'SLU-SRC-1227'],
  ])('at %s with %j and root %j: %s', async (host, mode, rootName, code) => {
    const query = [mode, ...(rootName === '' ? [] : [root(rootName)])].join('&')
    const outcome = await reach(asTlsUser(host, query))
    expect(outcome).toMatchObject({ code })
  })

  it('tells a wrong name from a wrong authority', async () => {
    const mode = 'sslmode=verify-full'
    const name = await reach(asTlsUser('127.0.0.1', `${mode}&${root('ca.pem')}`))
    expect(name.remedy).toContain('a name that the certificate holds')
    const authority = await reach(asTlsUser('localhost', `${mode}&${root('stranger.pem')}`))
    expect(authority.remedy).toContain('sslrootcert')
  })

  it('logs in with SCRAM over TLS, bound to the connection or not', async () => {
    for (const query of ['sslmode=require', 'sslmode=require&channel_binding=disable']) {
      expect(await reach(asTlsUser('127.0.0.1', query))).toMatchObject({ code: 'none' })
    }
    const wrong = await reach(url('tls_user', 'wrong', '127.0.0.1', 'sslmode=require'))
    expect(wrong).toMatchObject({ code: 'SLU-SRC-1201' })
  })

  it.each([
    ['holder', 'none'],
    ['impostor', 'SLU-SRC-1201'],
    ['', 'SLU-SRC-1201'],
  ])('lets a user in by the certificate %j: %s', async (name, code) => {
    const own = `&sslcert=${file(`${name}.pem`)}&sslkey=${file(`${name}.key`)}`
    const query = `sslmode=verify-full&${root('ca.pem')}${name === '' ? '' : own}`
    const outcome = await reach(url('holder', '', 'localhost', query))
    expect(outcome).toMatchObject({ code })
  })

  it('refuses a certificate without its key', async () => {
    const query = `sslmode=require&sslcert=${file('holder.pem')}`
    const outcome = await reach(url('holder', '', 'localhost', query))
    expect(outcome).toMatchObject({ code: 'SLU-SRC-1226' })
  })

  it.each([
    ['the environment', '$' + '{env:SHOP_PASSWORD}'],
    ['a file', '$' + '{file:./secret}'],
  ])('takes the password from %s', async (_, reference) => {
    const home = file('home')
    mkdirSync(home, { recursive: true })
    writeFileSync(path.join(home, 'secret'), 'tls\n')
    const address = asTlsUser('localhost', `sslmode=verify-full&${root('ca.pem')}`)
    const bare = address.replace(':tls@', '@')
    const lines = [
      'apiVersion: v1',
      'store: { url: ./lake }',
      `sources: { pg: { postgres: { url: '${bare}', password: '${reference}' } } }`,
      'pipelines: [{ name: test, from: pg, tables: [public.orders] }]',
    ]
    writeFileSync(path.join(home, 'sluice.yaml'), `${lines.join('\n')}\n`)
    const ended = await processes.start(home, ['check', '--json'], { SHOP_PASSWORD: 'tls' }).ended
    const { checks } = parseDocument('check', ended.stdout)
    expect(checks.find(({ name }) => name === 'connection')).toMatchObject({ status: 'ok' })
    expect(ended.stdout + ended.stderr).not.toContain('SHOP_PASSWORD')
  })
})
