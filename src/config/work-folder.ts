/** Folders below the configured work folder that belong to one process. */

import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { wrapError } from '../model/index.ts'

/**
 * Makes the folder `<workFolder>/<…parts>/<host>.<process id>`, empty. Two instances that share a
 * work folder must never see each other's files: a batch of one would hold rows of the other.
 * Folders that dead processes of this machine left behind are removed. Throws SLU-STO-2001.
 */
export function ownFolder(workFolder: string, ...parts: readonly string[]): string {
  const parent = join(workFolder, ...parts)
  const host = hostname().replaceAll(/[^A-Za-z0-9-]/g, '_')
  const own = join(parent, `${host}.${process.pid}`)
  try {
    mkdirSync(parent, { recursive: true })
    for (const name of readdirSync(parent)) {
      if (isLeftover(name, host)) rmSync(join(parent, name), { recursive: true, force: true })
    }
    mkdirSync(own)
    return own
  } catch (error) {
    throw wrapError(error, 'SLU-STO-2001', `the work folder ${workFolder} cannot be written`)
  }
}

/** A folder of this very id is of a predecessor: in a container every process may be number 1. */
function isLeftover(name: string, host: string): boolean {
  const [, owner, number] = /^(.+)\.(\d+)$/.exec(name) ?? []
  if (owner !== host || number === undefined) return false
  return Number(number) === process.pid || !isAlive(Number(number))
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
