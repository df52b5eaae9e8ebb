/** A server's address behind which a test decides when a new connection gets through. */

import { connect as connectTo, createServer, type Socket } from 'node:net'

/** Passes bytes on between clients and a server. */
export interface SlowConnections extends AsyncDisposable {
  /** The server's URL, by way of this one. */
  readonly url: string
  /** How many connections came. */
  readonly count: number
  /** How many wait. */
  readonly waiting: number
  /** After so many more, connections wait. */
  holdAfter(more: number): void
  /** All get through from now on. */
  release(): void
}

/** Listens in front of the server of the URL. */
export async function slowConnections(serverUrl: string): Promise<SlowConnections> {
  const target = new URL(serverUrl)
  const sockets = new Set<Socket>()
  const held: (() => void)[] = []
  let count = 0
  let holdFrom = Number.POSITIVE_INFINITY
  const keep = (socket: Socket): void => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.on('close', () => sockets.delete(socket))
  }
  const listener = createServer((client) => {
    keep(client)
    const begin = (): void => {
      const server = connectTo(Number(target.port), target.hostname)
      keep(server)
      client.pipe(server).pipe(client)
      client.on('close', () => server.destroy())
      server.on('close', () => client.destroy())
    }
    if (count++ < holdFrom) begin()
    else held.push(begin)
  })
  await new Promise<void>((resolve) => listener.listen(0, '127.0.0.1', resolve))
  const address = listener.address()
  const url = new URL(serverUrl)
  url.hostname = '127.0.0.1'
  url.port = String(typeof address === 'object' ? address?.port : address)
  return {
    url: url.href,
    get count() {
      return count
    },
    get waiting() {
      return held.length
    },
    holdAfter: (more) => {
      holdFrom = count + more
    },
    release: () => {
      holdFrom = Number.POSITIVE_INFINITY
      for (const begin of held.splice(0)) begin()
    },
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => listener.close(resolve))
    },
  }
}
