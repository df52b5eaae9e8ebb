import { execFileSync } from 'node:child_process'
import { pbkdf2Sync } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { alterUserScramCredentialsV0, Connection, ScramMechanisms } from '@platformatic/kafka'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ClusterSettings } from '../../../../connectors/kafka/wire.ts'
import { isKafkaMissing, startBroker, type TestBroker } from '../../../support/kafka/broker.ts'
import { brokerAt, connect, makeTopic } from '../../../support/kafka/cluster.ts'

const TOPIC = 'guarded'
const PASSWORD = 'right'
const ITERATIONS = 4096

/** A certificate for localhost, signed by itself; the file holds its key too. */
function makeCertificate(folder: string): string {
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const out = ['-keyout', key, '-out', certificate]
  execFileSync('openssl', ['req', '-x509', ...curve, ...out, ...subject], { stdio: 'pipe' })
  const both = join(folder, 'both.pem')
  writeFileSync(both, `${readFileSync(key, 'utf8')}${readFileSync(certificate, 'utf8')}`)
  return both
}

async function makeScramUsers(address: string): Promise<void> {
  const { host, port } = brokerAt(address)
  const connection = new Connection('test')
  await connection.connect(host, port)
  const salt = Buffer.from('salt of a test')
  const users = [
    ['sha256', ScramMechanisms.SCRAM_SHA_256, 32],
    ['sha512', ScramMechanisms.SCRAM_SHA_512, 64],
  ] as const
  const upsertions = users.map(([name, mechanism, size]) => ({
    name,
    mechanism,
    iterations: ITERATIONS,
    salt,
    saltedPassword: pbkdf2Sync(PASSWORD, salt, ITERATIONS, size, name),
  }))
  await alterUserScramCredentialsV0.api.async(connection, [], upsertions)
  await connection.close()
}

describe.skipIf(isKafkaMissing('security of Kafka'))('connecting to a guarded broker', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-kafka-tls-'))
  let broker: TestBroker
  beforeAll(async () => {
    broker = await startBroker({
      sasl: {
        mechanisms: ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512'],
        users: { plain: PASSWORD },
      },
      sslPemFile: makeCertificate(folder),
    })
    await makeTopic(broker.address, TOPIC)
    await makeScramUsers(broker.address)
  })
  afterAll(async () => {
    await broker?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })
  const namesAt = async (
    address: string | null,
    settings: Partial<ClusterSettings>,
  ): Promise<readonly string[]> => {
    await using cluster = await connect(address as string, settings)
    return (await cluster.allTopics()).map(({ name }) => name)
  }
  const logins = [
    ['PLAIN', 'plain'],
    ['SCRAM-SHA-256', 'sha256'],
    ['SCRAM-SHA-512', 'sha512'],
  ] as const

  it.each(logins)('works by %s with the right password alone', async (mechanism, username) => {
    const sasl = { mechanism, username, password: PASSWORD }
    expect(await namesAt(broker.saslAddress, { sasl })).toEqual([TOPIC])
    const wrong = namesAt(broker.saslAddress, { sasl: { ...sasl, password: 'wrong' } })
    await expect(wrong).rejects.toMatchObject({ code: 'SLU-SRC-1501' })
  })

  it('tells of a mechanism that the broker does not have', async () => {
    const sasl = { mechanism: 'OAUTHBEARER', token: 'none' } as const
    const refused = namesAt(broker.saslAddress, { sasl })
    await expect(refused).rejects.toMatchObject({ code: 'SLU-SRC-1501' })
  })

  it('checks the certificate', async () => {
    const at = `localhost:${brokerAt(broker.sslAddress as string).port}`
    const ca = readFileSync(join(folder, 'certificate.pem'))
    await expect(namesAt(at, { tls: { ca } })).resolves.toEqual([TOPIC])
    await expect(namesAt(at, { tls: {} })).rejects.toMatchObject({ code: 'SLU-SRC-1518' })
    const byNumber = namesAt(broker.sslAddress, { tls: { ca } })
    await expect(byNumber).rejects.toMatchObject({ code: 'SLU-SRC-1518' })
  })

  it('tells of TLS where the other side has none', async () => {
    await expect(namesAt(broker.sslAddress, {})).rejects.toMatchObject({ code: 'SLU-SRC-1518' })
    const tls = { rejectUnauthorized: false }
    const toPlain = namesAt(broker.address, { tls })
    await expect(toPlain).rejects.toMatchObject({ code: 'SLU-SRC-1518' })
  })
})
