/** What the catalogue is asked, while others change it. */

import { expect, it } from 'vitest'
import { readLayouts } from '../../../../connectors/postgres/catalog.ts'
import { connect } from '../../../../connectors/postgres/connection.ts'
import { postgresSettingsSchema } from '../../../../connectors/postgres/index.ts'
import { clock, silent, startServer } from './harness.ts'

it('files and columns of a layout are of one moment, whoever writes the table again', async () => {
  await using server = await startServer()
  await server.sql('CREATE TABLE t (id int PRIMARY KEY)')
  const settings = postgresSettingsSchema.parse({ url: server.url })
  const context = { clock, telemetry: silent, name: 'test', pipeline: 'test' }
  await using connection = await connect({
    ...{ settings, context, replication: false },
  })
  const [row] = await server.sql("SELECT 't'::regclass::int8::float8 AS oid")
  const layout = async () => (await readLayouts(connection, [Number(row?.oid)]))[0]
  // The snapshot of a statement lasts for the whole transaction here.
  await connection.query('BEGIN ISOLATION LEVEL REPEATABLE READ')
  const before = await layout()
  await server.sql('ALTER TABLE t ADD b real DEFAULT 1; ALTER TABLE t ALTER b TYPE float8')
  expect(await layout()).toEqual(before)
  await connection.query('COMMIT')
  const after = await layout()
  expect(after?.columns.map(({ name, initials }) => [name, initials])).toEqual([
    ['id', null],
    ['b', null],
  ])
  expect(after?.files).not.toEqual(before?.files)
})
