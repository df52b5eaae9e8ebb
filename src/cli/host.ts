/**
 * What surrounds a command: streams, folder, clock, signals. `main.ts` gives the real ones, tests
 * their own.
 */

import type { Clock } from '../contracts/index.ts'
import type { ProcessUsage } from '../service/index.ts'

/** A stream of text. */
export interface TextStream {
  write(text: string): unknown
  /** True on a terminal. */
  readonly isTTY?: boolean
  /** Width of the terminal. */
  readonly columns?: number
}

/** What the environment says about the terminal and the log. */
export interface TerminalEnvironment {
  /** NO_COLOR is set to anything but the empty text (https://no-color.org). */
  readonly noColor: boolean
  /** TERM=dumb: no cursor movement. */
  readonly isDumb: boolean
  /** SLUICE_LOG_LEVEL; null when not set. */
  readonly logLevel: string | null
}

/** How commands hear of SIGINT and SIGTERM. */
export interface Interrupts {
  /**
   * From now on the first signal only aborts the returned signal, so that the command can end at
   * its next safe
   * point; a second one ends the process at once. Without this call the first signal ends the
   * process.
   */
  drain(): AbortSignal
}

/** Everything a command may touch of its process. */
export interface Host {
  readonly stdout: TextStream
  readonly stderr: TextStream
  readonly environment: TerminalEnvironment
  /** Folder that relative paths start from. */
  readonly folder: string
  readonly clock: Clock
  readonly interrupts: Interrupts
  readonly processId: number
  /** What this process takes of the machine. */
  usage(): ProcessUsage
  /** True when a process of that id is alive. */
  isAlive(processId: number): boolean
  /** Ends this process as `kill -9` does: nothing is flushed or closed. */
  killSelf(): void
  /** Puts a question to the person at the terminal; null where there is none. */
  readonly ask: ((question: string) => Promise<string>) | null
  /** Text of standard input, for `-f -`. */
  readInput(): Promise<string>
}
