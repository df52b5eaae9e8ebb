/** The server of a test file whose tests run whole pipelines, each over tables of its own. */

import { afterAll, beforeAll, beforeEach } from 'vitest'
import { resetServer, startServer, type TestServer } from './harness.ts'

/** Starts a server before the tests of the calling file; before each it holds what `sql` makes. */
export function liveServer(sql: string): Pick<TestServer, 'url' | 'sql'> {
  let server: TestServer
  beforeAll(async () => {
    server = await startServer()
  })
  afterAll(() => server[Symbol.asyncDispose]())
  beforeEach(async () => {
    await resetServer(server)
    await server.sql(`DROP PUBLICATION IF EXISTS sluice_live; ${sql}`)
  })
  return {
    get url() {
      return server.url
    },
    sql: (text, values) => server.sql(text, values),
  }
}
