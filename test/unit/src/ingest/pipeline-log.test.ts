import { expect, test } from 'vitest'
import { openPipelineLog } from '../../../../src/ingest/pipeline-log.ts'
import { createMemoryObjectStore } from '../../../../table-format/object-store/index.ts'
import { createTestClock } from '../../../support/test-clock.ts'

test('keeps what two writers of one run note at the same moment', async () => {
  const store = createMemoryObjectStore(createTestClock())
  const log = await openPipelineLog(store, 'p', 'one')
  await Promise.all([
    log.write({ floors: new Map([['slot', 7n]]) }),
    log.write({ sourceMemory: { slot: 'sluice_p' } }),
    log.write({ streams: new Map([['public.a', { left: null }]]) }),
  ])
  const { notes } = await openPipelineLog(store, 'p', 'two')
  expect(notes).toEqual({
    floors: new Map([['slot', 7n]]),
    sourceMemory: { slot: 'sluice_p' },
    streams: new Map([['public.a', { left: null }]]),
  })
})

test('goes on after a write that failed', async () => {
  const store = createMemoryObjectStore(createTestClock())
  const log = await openPipelineLog(store, 'p', 'one')
  const other = await openPipelineLog(store, 'p', 'two')
  await other.write({ sourceMemory: { by: 'two' } })
  await expect(log.write({ sourceMemory: {} })).rejects.toMatchObject({ code: 'SLU-ING-4001' })
  await other.write({ floors: new Map([['slot', 1n]]) })
  expect(other.notes.sourceMemory).toEqual({ by: 'two' })
})
