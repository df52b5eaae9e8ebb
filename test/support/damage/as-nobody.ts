/**
 * Runs commands of Sluice as a user whom rights bind: `nobody` where the tests run as root, else
 * the user of the tests. As a program: `as-nobody.ts STEPS` takes them as JSON and prints what each
 * command did.
 */

import { execFile } from 'node:child_process'
import { chmodSync, chownSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { type CliResult, runInFolder } from '../cli/host.ts'

/** Rights of a path to set, a file to write, or a command to run in a folder. */
export type Step =
  | { readonly path: string; readonly mode: number }
  | { readonly path: string; readonly text: string }
  | { readonly folder: string; readonly args: readonly string[] }

const NOBODY = 65_534

/** The user and group to run as; nothing to change unless the tests run as root. */
export const otherUser = process.getuid?.() === 0 ? { uid: NOBODY, gid: NOBODY } : {}

/** Gives a folder and all in it to the user that `runSteps` runs as. */
export function giveAway(path: string): void {
  const { uid, gid } = otherUser
  if (uid === undefined) return
  chownSync(path, uid, gid)
  for (const entry of readdirSync(path, { withFileTypes: true, recursive: true })) {
    chownSync(join(entry.parentPath, entry.name), uid, gid)
  }
}

/** Takes the steps in order, in one process of its own; what each command of them did. */
export async function runSteps(steps: readonly Step[]): Promise<readonly CliResult[]> {
  const program = [import.meta.filename, JSON.stringify(steps)]
  const { stdout } = await promisify(execFile)(process.execPath, program, otherUser)
  return JSON.parse(stdout) as CliResult[]
}

if (process.argv[1] === import.meta.filename) {
  const results: CliResult[] = []
  for (const step of JSON.parse(process.argv[2]!) as Step[]) {
    if ('mode' in step) chmodSync(step.path, step.mode)
    else if ('text' in step) writeFileSync(step.path, step.text)
    else results.push(await runInFolder(step.folder, step.args))
  }
  process.stdout.write(JSON.stringify(results))
}
