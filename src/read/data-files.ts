/** The data files of a statement: looked at before they are read, and again when reading fails. */

import type { Table } from '../contracts/index.ts'
import { literal, type Session } from '../engine/index.ts'
import { type DataFile, type ErrorCode, isSluiceError, SluiceError } from '../model/index.ts'
import { escapePattern } from './scan.ts'
import type { Workspace } from './workspace.ts'

/** Files that are read to the end, one by one, to find the damaged one among them. */
const SUSPECTS_MAX = 1000

/** Codes of the engine that a damaged file may be behind. */
const DAMAGE: ReadonlySet<ErrorCode> = new Set(['SLU-ENG-7002', 'SLU-ENG-7003', 'SLU-BUG-9001'])

/**
 * Lets a statement read the files. Throws SLU-STO-2005 and SLU-STO-2008 for files that are not as
 * the log says.
 */
export async function admitFiles(
  workspace: Workspace,
  table: Table,
  files: readonly DataFile[],
): Promise<void> {
  await table.checkFiles(files)
  for (const file of files) workspace.files.add(table.readUrl(file))
}

/**
 * The error to report when a statement failed: SLU-TAB-3014 when one of its files cannot be read on
 * its own either, else the error itself. Only the files that the error names are tried, and all of
 * them when it names none and is no error of a value.
 */
export async function explainFailure(
  workspace: Workspace,
  error: SluiceError,
): Promise<SluiceError> {
  if (!DAMAGE.has(error.code)) return error
  const files = [...workspace.files]
  const named = files.filter((url) => error.message.includes(url))
  const suspects = named.length > 0 || error.code === 'SLU-ENG-7002' ? named : files
  for (const url of suspects.slice(0, SUSPECTS_MAX)) {
    const fault = await faultOf(workspace.session, url)
    if (fault === null) continue
    // The disk or a right, not the content: the engine's own code tells what to look at.
    if (fault.code === 'SLU-ENG-7003' && !(await hasBytes(workspace.session, url))) return fault
    const message = `the data file ${url} cannot be read: ${fault.message}`
    return new SluiceError('SLU-TAB-3014', { message, context: { url }, cause: error })
  }
  return error
}

/**
 * True when all bytes of a file can be read: a footer that points beyond its end looks like a disk
 * that fails. False too for a file that does not fit into the engine's memory.
 */
async function hasBytes(session: Session, url: string): Promise<boolean> {
  try {
    await session.query(
      `SELECT octet_length(content) FROM read_blob(${literal(escapePattern(url))})`,
    )
    return true
  } catch {
    return false
  }
}

/** Reads all values of a file; null when it can be read. */
async function faultOf(session: Session, url: string): Promise<SluiceError | null> {
  try {
    await session.query(
      `SELECT bit_xor(hash(f)) FROM read_parquet(${literal(escapePattern(url))}) AS f`,
    )
    return null
  } catch (error) {
    return isSluiceError(error) && DAMAGE.has(error.code) ? error : null
  }
}
