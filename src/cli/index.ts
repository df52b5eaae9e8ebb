/**
 * The command line: the deeds of Sluice from a shell.
 * Comes in: arguments and a host. Goes out: data on stdout, everything else on stderr, an exit
 * code.
 * Must never: end the process, ask questions without a terminal, or hold logic that another room
 * could need.
 */

export { EXIT } from './exit-codes.ts'
export type { Host, Interrupts, TerminalEnvironment, TextStream } from './host.ts'
export { printCliReference, printErrorReference } from './reference.ts'
export { runCli } from './run-cli.ts'
