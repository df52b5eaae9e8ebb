/** The entry point: real streams, real clock, signals; the only file that may end the process. */

import { type Host, runCli, type TerminalEnvironment } from './cli/index.ts'
import { createSystemClock } from './observe/index.ts'

const SIGNALS = { SIGINT: 130, SIGTERM: 143 } as const
/**
 * One Ctrl-C may come twice, from the terminal and passed on by a parent: within this time it
 * counts once.
 */
const ECHO_MS = 500

await main()

async function main(): Promise<void> {
  const clock = createSystemClock()
  const draining = new AbortController()
  let drains = false
  let firstAtMs = Number.NEGATIVE_INFINITY
  for (const [signal, exitCode] of Object.entries(SIGNALS)) {
    process.on(signal, () => {
      const isEcho = clock.monotonicMs() - firstAtMs < ECHO_MS
      if (!drains || (draining.signal.aborted && !isEcho)) process.exit(exitCode)
      if (draining.signal.aborted) return
      firstAtMs = clock.monotonicMs()
      draining.abort()
    })
  }
  // The reader of a pipe went away (`sluice … | head`): it has what it wanted.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    process.exit(error.code === 'EPIPE' ? 0 : 1)
  })
  process.stderr.on('error', () => undefined)
  const host: Host = {
    stdout: process.stdout,
    stderr: process.stderr,
    environment: readEnvironment(),
    folder: process.cwd(),
    clock,
    processId: process.pid,
    interrupts: {
      drain: () => {
        drains = true
        return draining.signal
      },
    },
    usage: () => {
      const { user, system } = process.cpuUsage()
      return {
        residentBytes: process.memoryUsage.rss(),
        cpuSeconds: (user + system) / 1e6,
        startedAtSeconds: clock.nowMs() / 1000 - process.uptime(),
      }
    },
    isAlive,
    ask: process.stdin.isTTY && process.stderr.isTTY ? ask : null,
    killSelf: () => process.kill(process.pid, 'SIGKILL'),
    readInput: async () => {
      const chunks: Buffer[] = []
      for await (const chunk of process.stdin) chunks.push(chunk as Buffer)
      return Buffer.concat(chunks).toString('utf8')
    },
  }
  const exitCode = await runCli(process.argv.slice(2), host)
  await Promise.all([written(process.stdout), written(process.stderr)])
  process.exit(exitCode)
}

/** Resolves when everything written so far has been taken: a long document to a slow pipe. */
async function written(stream: NodeJS.WriteStream): Promise<void> {
  await new Promise((resolve) => stream.write('', resolve))
}

async function ask(question: string): Promise<string> {
  const { createInterface } = await import('node:readline/promises')
  const terminal = createInterface({ input: process.stdin, output: process.stderr })
  try {
    return await terminal.question(question)
  } finally {
    terminal.close()
  }
}

function readEnvironment(): TerminalEnvironment {
  const { NO_COLOR, TERM, SLUICE_LOG_LEVEL } = process.env
  return {
    noColor: NO_COLOR !== undefined && NO_COLOR !== '',
    isDumb: TERM === 'dumb',
    logLevel: SLUICE_LOG_LEVEL ?? null,
  }
}

function isAlive(processId: number): boolean {
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    // EPERM: it lives and belongs to somebody else.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
