import { describe, expect, it } from 'vitest'
import type { ObjectStore } from '../../../../src/contracts/index.ts'
import { createSystemClock } from '../../../../src/observe/system-clock.ts'
import {
  createMemoryObjectStore,
  probeConditionalWrites,
} from '../../../../table-format/object-store/index.ts'
import { describeObjectStore } from './object-store-suite.ts'

const clock = createSystemClock()

describeObjectStore('memory', async () => createMemoryObjectStore(clock))

describe('probe of conditional writes', () => {
  it('refuses a store that ignores the condition', async () => {
    const store = createMemoryObjectStore(clock)
    const careless: ObjectStore = Object.assign(Object.create(store), {
      url: store.url,
      get: (path: string) => store.get(path),
      delete: (path: string) => store.delete(path),
      putIfAbsent: async (path: string, bytes: Uint8Array) => {
        await store.put(path, bytes)
        return 'created' as const
      },
    })
    const refused = { code: 'SLU-STO-2004' }
    await expect(probeConditionalWrites(careless, clock)).rejects.toMatchObject(refused)
  })

  it('refuses a store that says "exists" but overwrites', async () => {
    const store = createMemoryObjectStore(clock)
    const careless: ObjectStore = Object.assign(Object.create(store), {
      url: store.url,
      get: (path: string) => store.get(path),
      delete: (path: string) => store.delete(path),
      putIfAbsent: async (path: string, bytes: Uint8Array) => {
        const outcome = await store.putIfAbsent(path, bytes)
        await store.put(path, bytes)
        return outcome
      },
    })
    const refused = { code: 'SLU-STO-2004' }
    await expect(probeConditionalWrites(careless, clock)).rejects.toMatchObject(refused)
  })
})
