/** The HTTP server around the replies. */

import { createServer, type Server } from 'node:http'
import { SluiceError } from '../model/index.ts'
import { answer, type ServiceFacts } from './answer.ts'

/** Where to listen. */
export interface ServiceAddress {
  readonly host: string
  /** 0: any that is free. */
  readonly port: number
}

/** A server that listens; disposing it closes it and what is connected. */
export interface Service extends AsyncDisposable {
  /** `http://127.0.0.1:9464`. */
  readonly url: string
}

/** What a slow or hostile client can hold: a request is a line and a few headers. */
const BOUNDS = {
  requestTimeout: 10_000,
  headersTimeout: 10_000,
  keepAliveTimeout: 5_000,
  maxHeaderSize: 16 * 1024,
}
const CONNECTIONS_MAX = 100

/** Listens. Throws SLU-SVC-7101 when it cannot. */
export async function startService(address: ServiceAddress, facts: ServiceFacts): Promise<Service> {
  const server = createServer(BOUNDS, (request, response) => {
    const { status, type, body, allow } = answer(facts, request.method ?? '', request.url ?? '')
    request.resume()
    response.writeHead(status, {
      'content-type': type,
      'content-length': Buffer.byteLength(body),
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      ...(allow !== undefined && { allow }),
    })
    response.end(request.method === 'HEAD' ? undefined : body)
  })
  server.maxConnections = CONNECTIONS_MAX
  await listen(server, address)
  const bound = server.address()
  const port = typeof bound === 'object' && bound !== null ? bound.port : address.port
  const host = address.host.includes(':') ? `[${address.host}]` : address.host
  return {
    url: `http://${host}:${port}`,
    [Symbol.asyncDispose]: () => close(server),
  }
}

function listen(server: Server, { host, port }: ServiceAddress): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (cause: NodeJS.ErrnoException) => {
      reject(
        new SluiceError('SLU-SVC-7101', {
          message: `cannot listen on ${host}:${port}: ${reasonOf(cause)}`,
          context: { host, port },
          cause,
        }),
      )
    })
    server.listen({ host, port, exclusive: true }, resolve)
  })
}

const REASONS: Readonly<Record<string, string>> = {
  EADDRINUSE: 'another process has this port',
  EADDRNOTAVAIL: 'this machine has no such address',
  EACCES: 'this user may not take this port',
  ENOTFOUND: 'there is no host of this name',
}

function reasonOf({ code = '', message }: NodeJS.ErrnoException): string {
  return REASONS[code] ?? message
}

function close(server: Server): Promise<void> {
  const closed = new Promise<void>((resolve) => server.close(() => resolve()))
  server.closeAllConnections()
  return closed
}
