/** Runs commands inside the test process and keeps what they print. */

import { type Host, runCli } from '../../../src/cli/index.ts'
import { createSystemClock } from '../../../src/observe/index.ts'

/** What a command did. */
export interface CliResult {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

/** How the surroundings of a command differ from plain pipes. */
export interface CliSurroundings {
  readonly isTTY?: boolean
  readonly columns?: number
  readonly input?: string
  /** The person at the terminal. */
  readonly ask?: (question: string) => Promise<string>
  readonly isAlive?: boolean
  /** The time of day that the command sees, in milliseconds since 1970. */
  readonly nowMs?: number
  /** NO_COLOR is set. */
  readonly noColor?: boolean
  /** The signal that `drain` hands out. */
  readonly signal?: AbortSignal
}

/** A process id that no status file of a test names by accident. */
export const TEST_PROCESS_ID = 4_000_000

/** Runs one command in `folder`. */
export async function runInFolder(
  folder: string,
  args: readonly string[],
  surroundings: CliSurroundings = {},
): Promise<CliResult> {
  let stdout = ''
  let stderr = ''
  const isTTY = surroundings.isTTY ?? false
  const columns = surroundings.columns ?? 100
  const clock = createSystemClock()
  const host: Host = {
    stdout: {
      isTTY,
      columns,
      write: (text) => {
        stdout += text
      },
    },
    stderr: {
      isTTY,
      columns,
      write: (text) => {
        stderr += text
      },
    },
    environment: {
      noColor: surroundings.noColor ?? false,
      isDumb: false,
      logLevel: null,
    },
    folder,
    clock: { ...clock, nowMs: () => surroundings.nowMs ?? clock.nowMs() },
    processId: TEST_PROCESS_ID,
    interrupts: { drain: () => surroundings.signal ?? new AbortController().signal },
    usage: () => ({ residentBytes: 1, cpuSeconds: 1, startedAtSeconds: 1 }),
    isAlive: () => surroundings.isAlive ?? false,
    ask: surroundings.ask ?? null,
    killSelf: () => undefined,
    readInput: () => Promise.resolve(surroundings.input ?? ''),
  }
  const exitCode = await runCli(args, host)
  return { exitCode, stdout, stderr }
}
