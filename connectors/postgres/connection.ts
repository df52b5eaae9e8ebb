/**
 * Connections: opening one with pinned session settings, and reading its socket ourselves during a
 * COPY.
 */

import { Socket } from 'node:net'
import { TLSSocket } from 'node:tls'
import type pg from 'pg'
import type { Clock, SourceContext } from '../../src/contracts/index.ts'
import { SluiceError } from '../../src/model/index.ts'
import { postgresError, serverError } from './errors.ts'
import { type FrameHandler, FrameSplitter, readServerMessage } from './frames.ts'
import type { PostgresSettings } from './spec.ts'
import { readTransport, type Transport, transportError } from './transport.ts'

/**
 * Values must look the same whatever the server's defaults are, and no limit of the server may end
 * a long copy. `row_security` off makes a copy that a policy would thin out fail instead.
 */
const SESSION_SETTINGS = [
  "client_encoding TO 'UTF8'",
  "datestyle TO 'ISO, MDY'",
  "intervalstyle TO 'iso_8601'",
  "timezone TO 'UTC'",
  "lc_monetary TO 'C'",
  "search_path TO ''",
  'quote_all_identifiers TO off',
  'extra_float_digits TO 3',
  "bytea_output TO 'hex'",
  'statement_timeout TO 0',
  'lock_timeout TO 0',
  'idle_in_transaction_session_timeout TO 0',
  'row_security TO off',
]

/** An open connection. A COPY has it for itself. */
export interface Connection extends AsyncDisposable {
  /**
   * Simple or parameterised statement, after those asked before it; rows as objects: for the
   * catalogue, not for data.
   */
  query<Row extends object>(text: string, values?: readonly unknown[]): Promise<readonly Row[]>
  /** The socket, for a COPY; the connection must be idle. */
  takeSocket(): CopySocket
  close(): Promise<void>
}

/** What a connection is for. */
export interface ConnectionPurpose {
  readonly settings: PostgresSettings
  readonly context: SourceContext
  readonly replication: boolean
  readonly signal?: AbortSignal
}

interface ClientInside {
  readonly connection: {
    readonly stream: Socket
    once(event: 'authenticationSASL', listener: () => void): void
  }
}

/** Opens a connection with our session settings. Throws by `errors.ts` and `transport.ts`. */
export async function connect(purpose: ConnectionPurpose): Promise<Connection> {
  const transport = readTransport(purpose.settings.url)
  const first = await attempt(purpose, transport)
  if (first !== 'no TLS') return first
  return (await attempt(purpose, { ...transport, mode: 'disable', tls: null })) as Connection
}

/** `no TLS`: the server offers none, and the url is content without. */
async function attempt(
  purpose: ConnectionPurpose,
  transport: Transport,
): Promise<Connection | 'no TLS'> {
  const { settings, context, replication } = purpose
  // Loaded here: most commands only look at the settings of a source.
  const { Client } = (await import('pg')).default
  if (purpose.signal?.aborted) {
    throw new SluiceError('SLU-SRC-1200', { message: 'the connection is not wanted any more' })
  }
  const socket = new Socket()
  let answer = ''
  if (transport.tls !== null) {
    socket.once('data', (chunk: Buffer) => {
      answer = chunk.toString('latin1', 0, 1)
    })
  }
  const client = new Client({
    connectionString: transport.url,
    stream: () => socket,
    ssl: transport.tls ?? false,
    enableChannelBinding: transport.tls !== null && transport.bindsChannel,
    connectionTimeoutMillis: settings.connectTimeoutMs,
    application_name: `sluice ${context.pipeline}`,
    keepAlive: true,
    ...(replication ? { replication: 'database' } : {}),
  })
  // Not in the options: there the url, without a password, would win.
  if (settings.password !== undefined) client.password = settings.password
  const connection = new PostgresConnection(client, context.clock, purpose.signal)
  const inside = (client as unknown as ClientInside).connection
  let isAsked = false
  inside.once('authenticationSASL', () => {
    isAsked = true
  })
  try {
    await Promise.race([client.connect(), connection.aborted])
    await client.query(SESSION_SETTINGS.map((setting) => `SET ${setting}`).join('; '))
    return connection
  } catch (error) {
    const { stream } = inside
    await connection.close()
    if (answer === 'N' && transport.mode === 'prefer') return 'no TLS'
    if (isAsked && !client.password) {
      const message = 'the server wants a password, and the source has none'
      throw new SluiceError('SLU-SRC-1201', { message, cause: error })
    }
    throw transportError({ error, transport, answer, stream })
  }
}

class PostgresConnection implements Connection {
  /** Rejects when the signal closed it: a client that is ended while it connects never says so. */
  readonly aborted: Promise<never>
  readonly #reject: (error: Error) => void
  readonly #client: pg.Client
  readonly #clock: Clock
  readonly #signal: AbortSignal | undefined
  /** Settles when the last statement asked so far has ended. */
  #lastEnded: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | null = null

  constructor(client: pg.Client, clock: Clock, signal: AbortSignal | undefined) {
    this.#client = client
    this.#clock = clock
    this.#signal = signal
    const { promise, reject } = Promise.withResolvers<never>()
    this.aborted = promise
    this.#reject = reject
    promise.catch(() => undefined)
    // A broken connection shows in the query or COPY that runs on it; an idle one fails on its next
    // use.
    client.on('error', () => undefined)
    signal?.addEventListener('abort', this.#onAbort, { once: true })
  }

  async query<Row extends object>(
    text: string,
    values?: readonly unknown[],
  ): Promise<readonly Row[]> {
    const asked = this.#lastEnded.then(() =>
      this.#client.query<Row & pg.QueryResultRow>(
        text,
        values === undefined ? undefined : [...values],
      ),
    )
    this.#lastEnded = asked.catch(() => undefined)
    return (await asked).rows
  }

  takeSocket(): CopySocket {
    return new CopySocket(this.#socket, this.#clock)
  }

  close(): Promise<void> {
    this.#closing ??= this.#end()
    return this.#closing
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  get #socket(): Socket {
    return (this.#client as unknown as ClientInside).connection.stream
  }

  /**
   * The server notices a closed socket at once; a polite goodbye could wait behind a COPY for ever.
   */
  async #end(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#onAbort)
    this.#socket.removeAllListeners('data')
    const ended = this.#client.end().catch(() => undefined)
    this.#socket.destroy()
    await ended
  }

  readonly #onAbort = (): void => {
    this.#reject(new Error('the connection is not wanted any more'))
    void this.close()
  }
}

type DataListener = (chunk: Buffer) => void

/**
 * Postgres flushes every change on its own. A reader that takes each at once pays a system call and
 * a wake-up per change; so after a read that emptied the socket it waits a moment and lets the
 * kernel gather.
 */
const FULL_READ_BYTES = 32 * 1024
/** Over TLS a read is one record, and Postgres fills no larger ones than its send buffer. */
const FULL_RECORD_BYTES = 8 * 1024
const GATHER_MS = 1

/**
 * The raw socket of a connection while a COPY runs on it: `pg` would make an object and a copy per
 * row.
 * `release` hands it back to `pg`, once the server has said ReadyForQuery.
 */
export class CopySocket {
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #ownListeners: DataListener[]
  readonly #fullReadBytes: number
  #splitter: FrameSplitter | null = null
  #onFailure: ((error: SluiceError) => void) | null = null
  #released = false
  #isPaused = false
  #isGathering = false

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket
    this.#clock = clock
    this.#fullReadBytes = socket instanceof TLSSocket ? FULL_RECORD_BYTES : FULL_READ_BYTES
    this.#ownListeners = socket.listeners('data') as DataListener[]
    socket.removeAllListeners('data')
    socket.on('data', this.#onData)
    socket.on('error', this.#onError)
    socket.on('close', this.#onClose)
  }

  /**
   * Sends a statement in the simple protocol; messages go to the handler, a broken socket to
   * `onFailure`.
   */
  start(text: string, handle: FrameHandler, onFailure: (error: SluiceError) => void): void {
    this.#splitter = new FrameSplitter(handle)
    this.#onFailure = onFailure
    const size = Buffer.byteLength(text)
    const message = Buffer.alloc(size + 6)
    message[0] = 0x51 // Q
    message.writeInt32BE(size + 5, 1)
    message.write(text, 5, 'utf8')
    this.#socket.write(message)
  }

  /** Sends CopyData. */
  sendCopyData(payload: Buffer): void {
    const message = Buffer.allocUnsafe(payload.length + 5)
    message[0] = 0x64 // d
    message.writeInt32BE(payload.length + 4, 1)
    payload.copy(message, 5)
    if (this.#socket.writable) this.#socket.write(message)
  }

  /** Sends CopyDone. */
  sendCopyDone(): void {
    if (this.#socket.writable) this.#socket.write(Buffer.from([0x63, 0, 0, 0, 4]))
  }

  /** Stops reading until `resume`. */
  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  /** Goes on reading. */
  resume(): void {
    this.#isPaused = false
    if (!this.#isGathering) this.#socket.resume()
  }

  /** Gives the socket back to `pg`; idempotent. */
  release(): void {
    if (this.#released) return
    this.#released = true
    this.#isPaused = false
    this.#socket.off('data', this.#onData)
    this.#socket.off('error', this.#onError)
    this.#socket.off('close', this.#onClose)
    for (const listener of this.#ownListeners) this.#socket.on('data', listener)
    this.#socket.resume()
  }

  readonly #onData = (chunk: Buffer): void => {
    try {
      this.#splitter?.push(chunk)
      const { length } = chunk
      free(chunk)
      if (length < this.#fullReadBytes && !this.#isGathering && !this.#released) {
        void this.#gather()
      }
    } catch (error) {
      this.#fail(postgresError(error, 'reading from Postgres'))
    }
  }

  /** Never rejects, and ends by itself within a moment. */
  async #gather(): Promise<void> {
    this.#isGathering = true
    this.#socket.pause()
    await this.#clock.sleep(GATHER_MS)
    this.#isGathering = false
    if (!this.#isPaused) this.#socket.resume()
  }

  readonly #onError = (error: Error): void => {
    this.#fail(postgresError(error, 'the connection to Postgres broke'))
  }

  readonly #onClose = (): void => {
    this.#fail(new SluiceError('SLU-SRC-1200', { message: 'Postgres closed the connection' }))
  }

  #fail(error: SluiceError): void {
    const onFailure = this.#onFailure
    this.#onFailure = null
    this.#splitter = null
    onFailure?.(error)
  }
}

/**
 * Frees bytes that a socket delivered and that were taken in: the collector, which sees few
 * objects, would let tens of MiB of them gather. Bytes that share their memory are left to it.
 */
function free({ buffer, byteLength }: Buffer): void {
  if (buffer instanceof ArrayBuffer && buffer.byteLength === byteLength) buffer.transfer(0)
}

/** The error that an ErrorResponse frame stands for. */
export function frameError(bytes: Buffer, start: number, end: number, action: string): SluiceError {
  return serverError(readServerMessage(bytes, start, end), action)
}
