import { tmpdir } from 'node:os'
import { expect, test } from 'vitest'
import { type MachineFacts, machineFindings } from '../../../../src/cli/machine-checks.ts'
import { shareMemory } from '../../../../src/config/memory-shares.ts'
import { pipelineSettings } from '../../../support/pipeline-settings.ts'

const GIB = 1024 ** 3
const ROOM = { folder: tmpdir(), freeBytes: 100 * GIB, totalBytes: 200 * GIB }
const GOOD: MachineFacts = { memoryBytes: 64 * GIB, store: ROOM, work: ROOM, openFilesMax: 65_536 }
const pipelines = [pipelineSettings('shop', [], { engineMemoryBytes: 2 * GIB })]

const badOf = (changes: Partial<MachineFacts>): readonly string[] =>
  machineFindings({ ...GOOD, ...changes }, pipelines)
    .filter(({ status, remedy }) => status !== 'ok' && remedy !== '')
    .map(({ name }) => name)

test('is content with a machine that has room', () => {
  expect(badOf({})).toEqual([])
  expect(machineFindings(GOOD, pipelines)).toHaveLength(4)
})

test('counts what the pipelines are granted against the memory', () => {
  expect(badOf({ memoryBytes: 2 * GIB })).toEqual(['memory'])
})

test('is content with shares of what the process may use', () => {
  const MIB = 1024 ** 2
  const { engineBytes, indexBytes, inFlightBytes } = shareMemory(512 * MIB, 1)
  const shared = pipelineSettings('shop', [], {
    engineMemoryBytes: engineBytes,
    index: { memoryBytes: indexBytes, spill: 'disk' },
    inFlightBytesMax: inFlightBytes,
  })
  const statusOf = (memoryBytes: number): unknown =>
    machineFindings({ ...GOOD, memoryBytes }, [shared]).find(({ name }) => name === 'memory')
      ?.status
  expect([statusOf(512 * MIB), statusOf(510 * MIB)]).toEqual(['ok', 'warn'])
})

test('warns of a store that has little room, in bytes or as a share', () => {
  expect(badOf({ store: { ...ROOM, freeBytes: GIB / 2 } })).toEqual(['disk of the store'])
  expect(badOf({ store: { ...ROOM, freeBytes: 9 * GIB } })).toEqual(['disk of the store'])
})

test('wants as much disk as memory for what does not fit', () => {
  expect(badOf({ work: { ...ROOM, freeBytes: GIB } })).toEqual(['disk for spill'])
})

test('warns of few open files, and says nothing where they are not told', () => {
  expect(badOf({ openFilesMax: 1024 })).toEqual(['file descriptors'])
  expect(machineFindings({ ...GOOD, openFilesMax: null }, pipelines)).toHaveLength(3)
})
