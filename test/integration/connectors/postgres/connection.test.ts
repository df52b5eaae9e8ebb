import { once } from 'node:events'
import { expect, it } from 'vitest'
import { connect } from '../../../../connectors/postgres/connection.ts'
import { postgresSettingsSchema } from '../../../../connectors/postgres/index.ts'
import { clock, silent, startServer } from './harness.ts'

it('runs statements asked at once after each other, the failed ones too', async () => {
  await using server = await startServer()
  const settings = postgresSettingsSchema.parse({ url: server.url })
  const context = {
    name: 'test',
    pipeline: 'test',
    clock,
    telemetry: silent,
    workFolder: server.folder,
  }
  await using connection = await connect({ settings, context, replication: false })
  const warnings: string[] = []
  const keep = (warning: Error): void => void warnings.push(warning.message)
  process.on('warning', keep)
  try {
    const asked = ['SELECT 1 AS n', 'SELECT 1 / 0 AS n', 'SELECT 3 AS n'].map((text) =>
      connection.query<{ n: number }>(text),
    )
    const [first, second, third] = await Promise.allSettled(asked)
    expect(first).toMatchObject({ value: [{ n: 1 }] })
    expect(second).toMatchObject({ status: 'rejected' })
    expect(third).toMatchObject({ value: [{ n: 3 }] })
    // A warning is told in a later turn: ours comes after all that came before it.
    const told = once(process, 'warning')
    process.emitWarning('the last one')
    await told
    await new Promise((resolve) => setImmediate(resolve))
  } finally {
    process.off('warning', keep)
  }
  expect(warnings).toEqual(['the last one'])
})
