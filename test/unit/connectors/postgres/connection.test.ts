import { type AddressInfo, createServer, type Server } from 'node:net'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { connect } from '../../../../connectors/postgres/connection.ts'
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
