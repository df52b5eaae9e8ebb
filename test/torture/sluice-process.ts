/** A real `sluice` process under a test's control. */

import { type ChildProcess, spawn } from 'node:child_process'
import path from 'node:path'

/** How a process ended. */
export interface Ending {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
  /** End of what it wrote to both streams. */
  readonly output: string
}

/** A running process. */
export interface SluiceProcess {
  readonly processId: number
  readonly ended: Promise<Ending>
  /** Null while it runs. */
  ending(): Ending | null
  signal(name: NodeJS.Signals): void
  /** Waits for the end at most that long; null when it still runs. */
  endedWithin(ms: number): Promise<Ending | null>
}

const BIN = path.resolve(import.meta.dirname, '../../src/cli/sluice.cjs')
const OUTPUT_CHARACTERS_KEPT = 4_000

/** Starts `sluice` with the arguments in a folder; `variables` are added to the environment. */
export function startSluice(
  folder: string,
  args: readonly string[],
  variables: Readonly<Record<string, string>> = {},
): SluiceProcess {
  const child = spawn(process.execPath, [BIN, ...args], {
    cwd: folder,
    env: { ...process.env, NO_COLOR: '1', ...variables },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = watch(child)
  let ending: Ending | null = null
  ended.then((result) => {
    ending = result
  })
  return {
    processId: child.pid ?? 0,
    ended,
    ending: () => ending,
    signal: (name) => {
      child.kill(name)
    },
    endedWithin: async (ms) => {
      const timer = Promise.withResolvers<null>()
      const timeout = setTimeout(() => timer.resolve(null), ms)
      const result = await Promise.race([ended, timer.promise])
      clearTimeout(timeout)
      return result
    },
  }
}

function watch(child: ChildProcess): Promise<Ending> {
  let output = ''
  const take = (chunk: Buffer): void => {
    output = (output + chunk.toString('utf8')).slice(-OUTPUT_CHARACTERS_KEPT)
  }
  child.stdout?.on('data', take)
  child.stderr?.on('data', take)
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code, signal) => resolve({ code, signal, output }))
  })
}
