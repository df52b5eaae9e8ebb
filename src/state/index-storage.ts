/**
 * What the key indexes of a pipeline share: a grant of memory, a folder for what exceeds it, and
 * one turn at a time, so that the arrays for the disk exist once however many tables there are.
 */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Telemetry } from '../contracts/index.ts'
import { formatSizeBytes, SluiceError, wrapError } from '../model/index.ts'
import { createRunBuffers, type RunBuffers } from './sorted-run.ts'

/** Memory for key indexes and what happens beyond it. */
export interface IndexStorageOptions {
  /** What the indexes may use together. */
  readonly memoryBytes: number
  /** Folder for the parts on disk; null: keys beyond the memory are an error. */
  readonly folder: string | null
  readonly telemetry: Telemetry
}

/** An index as its storage sees it. */
export interface IndexMember {
  readonly name: string
  readonly keyCount: number
  readonly sizeBytes: number
  /** What its parts on disk take of it. */
  readonly runBytes: number
  /** True when `spill` would free memory. */
  readonly isSpillable: boolean
  /** Moves its largest part in memory to disk. */
  spill(): Promise<void>
}

/** Shared by the indexes that were opened with it. */
export interface IndexStorage {
  readonly members: Set<IndexMember>
  /** Keys to make room for at once when so many are expected: zero when they do not fit. */
  roomFor(keyCount: number): number
  /** Runs `work` when everything that was asked for before has ended. */
  exclusive<Result>(work: () => Promise<Result>): Promise<Result>
  /**
   * Moves parts of the largest indexes to disk until all together keep within the grant. To be
   * called within `exclusive`. Throws SLU-STA-5001 without a disk, 5002 when it fails.
   */
  relieve(): Promise<void>
  /** True while parts on disk take little of the memory, so that new ones may keep filters. */
  hasRoomForFilters(): boolean
  /** The arrays for the disk; to be used within `exclusive`. */
  buffers(): RunBuffers
  /** Path of a file in the folder. */
  pathOf(name: string): string
}

/** Memory of a key, of an index that was made for its number of keys. */
const KEY_BYTES = 40

/** More would make the parts in memory so small that each key is written many times. */
const FILTER_SHARE_MAX = 0.3

/** Makes a storage without indexes. */
export function createIndexStorage(options: IndexStorageOptions): IndexStorage {
  const { memoryBytes, folder, telemetry } = options
  const members = new Set<IndexMember>()
  const spilled = new WeakSet<IndexMember>()
  let turn: Promise<unknown> = Promise.resolve()
  let buffers: RunBuffers | null = null

  const usedBytes = () => [...members].reduce((sum, member) => sum + member.sizeBytes, 0)

  const runBytes = () => [...members].reduce((sum, member) => sum + member.runBytes, 0)

  async function spill(member: IndexMember, path: string): Promise<void> {
    if (!spilled.has(member)) {
      spilled.add(member)
      await mkdir(path, { recursive: true }).catch((error: unknown) => {
        throw wrapError(error, 'SLU-STA-5002', `${path} cannot be made`)
      })
      telemetry.log('info', 'the key index goes on from disk', {
        table: member.name,
        keys: member.keyCount,
        memory: formatSizeBytes(memoryBytes),
      })
    }
    await member.spill()
  }

  return {
    members,
    roomFor: (keyCount) => (usedBytes() + keyCount * KEY_BYTES <= memoryBytes ? keyCount : 0),
    exclusive(work) {
      const result = turn.then(work)
      // Who asked gets the error; the next turn is not his.
      turn = result.catch(() => undefined)
      return result
    },
    async relieve() {
      for (;;) {
        if (usedBytes() <= memoryBytes) return
        const all = [...members]
        if (folder === null) {
          const keys = all.reduce((sum, member) => sum + member.keyCount, 0)
          throw new SluiceError('SLU-STA-5001', {
            message: `${keys} keys need more than ${formatSizeBytes(memoryBytes)} of memory`,
            context: { memoryBytes },
          })
        }
        const [largest] = all
          .filter((member) => member.isSpillable)
          .sort((left, right) => right.sizeBytes - left.sizeBytes)
        if (largest === undefined) return
        await spill(largest, folder)
      }
    },
    hasRoomForFilters: () => runBytes() < memoryBytes * FILTER_SHARE_MAX,
    buffers() {
      buffers ??= createRunBuffers()
      return buffers
    },
    pathOf: (name) => join(folder ?? '', name),
  }
}
