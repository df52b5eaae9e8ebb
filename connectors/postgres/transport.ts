/**
 * How a connection is secured: the TLS parameters of the url with the meaning that libpq gives
 * them. `pg` itself takes `require` and `verify-ca` for `verify-full`, and never falls back.
 *
 * disable: no TLS. prefer (default): TLS where the server offers it. require: TLS, whoever the
 * server is. verify-ca: a certificate of an authority in sslrootcert. verify-full: and for the
 * host of the url. Source: PostgreSQL 18 documentation, "SSL Support" of libpq.
 */

import { readFileSync } from 'node:fs'
import { type ConnectionOptions, TLSSocket } from 'node:tls'
import { SluiceError } from '../../src/model/index.ts'
import { errorCodeOf, postgresError } from './errors.ts'
import { TLS_MODES } from './spec.ts'

type TlsMode = (typeof TLS_MODES)[number]

/** Parameters of the url that are ours to understand; no other may begin with `ssl`. */
const OWN_PARAMETERS = ['sslmode', 'sslrootcert', 'sslcert', 'sslkey', 'sslpassword'] as const
const CHANNEL_BINDING = 'channel_binding'

/** How to reach the server. */
export interface Transport {
  /** The url without the parameters that are answered here. */
  readonly url: string
  readonly mode: TlsMode
  /** Null without TLS. */
  readonly tls: ConnectionOptions | null
  /** True when a server whose certificate does not hold is refused. */
  readonly verifies: boolean
  /** Binds a SCRAM log-in to this TLS connection where the server offers it. */
  readonly bindsChannel: boolean
}

/**
 * Reads the url, and the certificates that it names: each time, so that renewed ones are taken up.
 * Throws SLU-SRC-1226.
 */
export function readTransport(text: string): Transport {
  if (!URL.canParse(text)) throw unusable('the url of the source cannot be read as a URL')
  const url = new URL(text)
  const parameters = url.searchParams
  const mode = modeOf(parameters.get('sslmode') ?? 'prefer')
  const own = new Map(OWN_PARAMETERS.map((name) => [name, parameters.get(name)]))
  const binding = parameters.get(CHANNEL_BINDING)
  const taken = [...OWN_PARAMETERS, CHANNEL_BINDING, 'uselibpqcompat']
  for (const name of taken) if (parameters.has(name)) parameters.delete(name)
  const unknown = [...parameters.keys()].find((name) => /^ssl/i.test(name))
  if (unknown !== undefined) {
    throw unusable(`the url has no parameter ${unknown}; there are ${OWN_PARAMETERS.join(', ')}`)
  }
  const rootFile = own.get('sslrootcert') ?? null
  if (mode === 'verify-ca' && (rootFile === null || rootFile === 'system')) {
    throw unusable('sslmode=verify-ca needs sslrootcert: anyone can get a public certificate')
  }
  const verifies = mode.startsWith('verify') || (mode === 'require' && rootFile !== null)
  return {
    url: url.href,
    mode,
    tls: mode === 'disable' ? null : { ...trust(mode, verifies, rootFile), ...identity(own) },
    verifies,
    bindsChannel: mode !== 'disable' && binding !== 'disable',
  }
}

/** What a failed attempt came to. */
export interface TransportFailure {
  readonly error: unknown
  readonly transport: Transport
  /** First byte that the server answered: `S` takes the offer of TLS, `N` does not. */
  readonly answer: string
  readonly stream: unknown
}

/** The error of an attempt to connect, as one of ours. */
export function transportError(failure: TransportFailure): SluiceError {
  const { error, transport, answer, stream } = failure
  const text = error instanceof Error ? error.message : String(error)
  const code = errorCodeOf(error)
  if (transport.tls === null) return postgresError(error, 'connecting to Postgres')
  if (answer === 'N') {
    return new SluiceError('SLU-SRC-1228', {
      message: `the server offers no TLS, and sslmode=${transport.mode} wants it`,
      cause: error,
    })
  }
  const isRefusedByUs = stream instanceof TLSSocket && Boolean(stream.authorizationError)
  if (transport.verifies && isRefusedByUs) {
    return new SluiceError('SLU-SRC-1227', {
      message: `the certificate of the server does not hold: ${text}`,
      context: { reason: code, sslmode: transport.mode },
      remedy: certificateRemedy(code),
      cause: error,
    })
  }
  if (code.startsWith('ERR_SSL_')) {
    const isOurs = code.includes('ALERT') && !code.includes('VERSION')
    return new SluiceError(isOurs ? 'SLU-SRC-1201' : 'SLU-SRC-1228', {
      message: isOurs
        ? `the server refused our certificate: ${text}`
        : `no TLS connection came about: ${text}`,
      context: { reason: code },
      ...(isOurs ? { remedy: CLIENT_REMEDY } : {}),
      cause: error,
    })
  }
  return postgresError(error, 'connecting to Postgres')
}

const CLIENT_REMEDY =
  'Name a certificate in sslcert and its key in sslkey that an authority in ssl_ca_file of the ' +
  'server has signed, for the user of the url.'

function certificateRemedy(code: string): string {
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') {
    return (
      'Connect by a name that the certificate holds, or have one issued for this name; ' +
      'sslmode=verify-ca leaves the name out. Nothing was sent.'
    )
  }
  if (code === 'CERT_HAS_EXPIRED' || code === 'CERT_NOT_YET_VALID') {
    return 'Renew the certificate of the server (ssl_cert_file), or set its clock.'
  }
  return (
    'Set sslrootcert to the certificate of the authority that signed it (PEM). When that is the ' +
    'right one already, another server answers at this address. Nothing was sent.'
  )
}

function modeOf(text: string): TlsMode {
  const mode = TLS_MODES.find((known) => known === text)
  if (mode !== undefined) return mode
  throw unusable(`sslmode is ${text}; there are ${TLS_MODES.join(', ')}`)
}

function trust(mode: TlsMode, verifies: boolean, rootFile: string | null): ConnectionOptions {
  if (!verifies) return { rejectUnauthorized: false }
  const isNamed = rootFile !== null && rootFile !== 'system'
  return {
    rejectUnauthorized: true,
    ...(isNamed ? { ca: readPem('sslrootcert', rootFile) } : {}),
    ...(mode === 'verify-full' ? {} : { checkServerIdentity: () => undefined }),
  }
}

function identity(own: ReadonlyMap<string, string | null>): ConnectionOptions {
  const [certificate, key] = [own.get('sslcert') ?? null, own.get('sslkey') ?? null]
  if (certificate === null && key === null) return {}
  if (certificate === null || key === null) {
    throw unusable('sslcert and sslkey belong together, and one of them is missing')
  }
  const passphrase = own.get('sslpassword') ?? null
  return {
    cert: readPem('sslcert', certificate),
    key: readPem('sslkey', key),
    ...(passphrase === null ? {} : { passphrase }),
  }
}

function readPem(parameter: string, file: string): string {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    throw unusable(`${parameter} cannot be read: ${postgresError(error, file).message}`, error)
  }
  if (text.includes('-----BEGIN ')) return text
  throw unusable(`${parameter} is no PEM file: ${file}`)
}

function unusable(message: string, cause?: unknown): SluiceError {
  return new SluiceError('SLU-SRC-1226', { message, cause })
}
