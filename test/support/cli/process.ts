/** Real `sluice` processes under the control of a test. */

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { resolve } from 'node:path'
import { createInterface } from 'node:readline'

const BIN = resolve(import.meta.dirname, '../../../src/cli/sluice.cjs')

/** How a process ended. */
export interface Ended {
  readonly code: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
}

/** A running process. */
export interface CliProcess {
  readonly child: ChildProcess
  readonly ended: Promise<Ended>
  /**
   * Resolves to all of stderr when the text stands there; rejects when the process ends without it.
   */
  says(text: string): Promise<string>
  /** The next line of stdout; null at its end. */
  nextLine(): Promise<string | null>
}

/** The processes of one test. */
export interface Processes {
  start(
    folder: string,
    args: readonly string[],
    variables?: Readonly<Record<string, string>>,
  ): CliProcess
  killAll(): Promise<void>
}

/** Keeps track of what it starts. */
export function createProcesses(): Processes {
  const running = new Map<ChildProcess, Promise<Ended>>()
  return {
    start: (folder, args, variables = {}) => {
      const child = spawn(process.execPath, [BIN, ...args], {
        cwd: folder,
        env: { ...process.env, ...variables },
        stdio: ['ignore', 'pipe', 'pipe'],
      })
      const started = watch(child)
      running.set(child, started.ended)
      started.ended.then(() => running.delete(child))
      return started
    },
    killAll: async () => {
      for (const child of running.keys()) child.kill('SIGKILL')
      await Promise.all(running.values())
    },
  }
}

function watch(child: ChildProcess): CliProcess {
  const { stdout, stderr } = child
  if (stdout === null || stderr === null) throw new Error('the streams must be pipes')
  const text = { stdout: '', stderr: '' }
  stdout.on('data', (bytes: Buffer) => {
    text.stdout += bytes.toString()
  })
  stderr.on('data', (bytes: Buffer) => {
    text.stderr += bytes.toString()
  })
  const lines = createInterface({ input: stdout })[Symbol.asyncIterator]()
  let hasEnded = false
  const ended = once(child, 'close').then(([code, signal]): Ended => {
    hasEnded = true
    return { code, signal, ...text }
  })
  return {
    child,
    ended,
    says: async (wanted) => {
      while (!text.stderr.includes(wanted)) {
        if (hasEnded) throw new Error(`ended without saying "${wanted}": ${text.stderr}`)
        await Promise.race([once(stderr, 'data'), ended])
      }
      return text.stderr
    },
    nextLine: async () => {
      const next = await lines.next()
      return next.done === true ? null : next.value
    },
  }
}
