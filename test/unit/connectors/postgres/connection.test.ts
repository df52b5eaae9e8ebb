import { type AddressInfo, createServer, type Server, type Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { CopySocket, connect } from '../../../../connectors/postgres/connection.ts'
import { postgresSettingsSchema } from '../../../../connectors/postgres/index.ts'
import { silentTelemetry } from '../../../support/silent-telemetry.ts'
import { createTestClock } from '../../../support/test-clock.ts'

let server: Server
let accepted: Promise<void>

/** Takes connections and never says a word. */
beforeEach(async () => {
  const { promise, resolve } = Promise.withResolvers<void>()
  accepted = promise
  server = createServer((socket) => {
    socket.on('error', () => undefined)
    resolve()
  })
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening))
})

afterEach(() => {
  server.close()
})

function open(signal: AbortSignal): Promise<unknown> {
  const { port } = server.address() as AddressInfo
  const url = `postgres://nobody@127.0.0.1:${port}/none?sslmode=disable`
  return connect({
    settings: postgresSettingsSchema.parse({ url }),
    context: {
      ...{ name: 'pg', pipeline: 'test', clock: createTestClock(), telemetry: silentTelemetry },
    },
    replication: false,
    signal,
  })
}

it('does not connect when it is told to stop before', async () => {
  await expect(open(AbortSignal.abort())).rejects.toMatchObject({ code: 'SLU-SRC-1200' })
})

it('gives up connecting when it is told to stop', async () => {
  const stop = new AbortController()
  const connecting = open(stop.signal)
  await accepted
  stop.abort()
  await expect(connecting).rejects.toMatchObject({ code: 'SLU-SRC-1200' })
})

/** A CopyData message: `text` behind the type and the length. */
function copyData(text: string): Buffer {
  const message = Buffer.allocUnsafeSlow(5 + text.length)
  message[0] = 0x64
  message.writeInt32BE(4 + text.length, 1)
  message.write(text, 5, 'latin1')
  return message
}

function startCopy(): { readonly socket: Socket; readonly taken: readonly string[] } {
  const taken: string[] = []
  const socket = new Duplex({
    read: () => undefined,
    write: (_chunk, _encoding, done) => done(),
  }) as Socket
  new CopySocket(socket, createTestClock()).start(
    'COPY',
    (_type, bytes, start, end) => taken.push(bytes.toString('latin1', start, end)),
    (error) => {
      throw error
    },
  )
  return { socket, taken }
}

it('frees what a socket delivered once it is taken in, whole or not', () => {
  const { socket, taken } = startCopy()
  const message = copyData('one row')
  const [first, second] = [message.subarray(0, 8), message.subarray(8)].map((half) => {
    const own = Buffer.allocUnsafeSlow(half.length)
    own.set(half)
    return own
  }) as [Buffer, Buffer]
  socket.emit('data', first)
  socket.emit('data', second)
  expect(taken).toEqual(['one row'])
  expect([first.length, second.length]).toEqual([0, 0])
})

it('leaves bytes alone that share their memory with others', () => {
  const { socket, taken } = startCopy()
  const both = Buffer.concat([copyData('mine'), Buffer.from('of somebody else')])
  socket.emit('data', both.subarray(0, 9))
  expect(taken).toEqual(['mine'])
  expect(both.toString('latin1', 9)).toBe('of somebody else')
})
