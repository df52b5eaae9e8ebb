/** An engine for the tests of a file. */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll } from 'vitest'
import { createEngine, type Engine } from '../../src/engine/index.ts'

/** What the tests of one file share. */
export interface EngineForTests {
  /** From the first test on. */
  readonly engine: Engine
  /** Temporary and the file's own; the engine spills below it. */
  readonly folder: string
}

/** Starts a small engine before the tests of the calling file and ends it after them. */
export function engineForTests(): EngineForTests {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-engine-'))
  let engine: Engine | null = null
  beforeAll(async () => {
    const temporaryFolder = join(folder, 'spill')
    engine = await createEngine({ memoryBytes: 256 * 2 ** 20, threads: 1, temporaryFolder })
  })
  afterAll(async () => {
    await engine?.[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  })
  return {
    folder,
    get engine() {
      if (engine === null) throw new Error('the engine starts with the first test')
      return engine
    },
  }
}
