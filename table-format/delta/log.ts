/** Reads the log of one table: commits, listings, and their order. */

import { isUtf8 } from 'node:buffer'
import type { ObjectStore } from '../../src/contracts/index.ts'
import { SluiceError } from '../../src/model/index.ts'
import { type Action, decodeActions } from './actions.ts'
import { checkChecksum } from './entry-checksum.ts'
import { commitPath, LOG_FOLDER, type LogFile, parseLogFile, versionName } from './log-path.ts'
import type { TablePaths } from './table-paths.ts'

/** A commit as it stands in the log. */
export interface LogCommit {
  readonly version: bigint
  readonly actions: readonly Action[]
  /** In-commit timestamp; null when the commit has none. */
  readonly inCommitTimestampMs: number | null
  /** Identity that the writer gave its commit; null when it gave none. */
  readonly txnId: string | null
}

/** A file of the log with its path in the table. */
export interface LogEntry {
  readonly file: LogFile
  readonly path: string
  readonly modificationTimeMs: number
}

/** Access to `_delta_log/`. */
export interface TableLog {
  /** Null when there is no such commit. Throws SLU-TAB-3001 when it is damaged. */
  readCommit(version: bigint): Promise<LogCommit | null>
  /** Known files of the log from a version on, in byte order. */
  list(fromVersion: bigint): Promise<readonly LogEntry[]>
  /** Epoch micros of a commit: its in-commit timestamp, else its modification time. */
  timestampMicros(commit: LogCommit): Promise<bigint>
}

/** The log of the table that `paths` is of. */
export function createTableLog(store: ObjectStore, paths: TablePaths): TableLog {
  return {
    async readCommit(version) {
      const path = commitPath(version)
      const bytes = await store.get(paths.object(path))
      return bytes === null ? null : decodeCommit(version, bytes, path)
    },
    async list(fromVersion) {
      const entries: LogEntry[] = []
      const prefix = paths.object(LOG_FOLDER)
      // '.' sorts before every name that begins with the version.
      const after = fromVersion === 0n ? undefined : `${prefix}${versionName(fromVersion)}`
      for await (const entry of store.list(prefix, after)) {
        const file = parseLogFile(entry.path.slice(prefix.length))
        if (file === null) continue
        const { modificationTimeMs } = entry
        entries.push({ file, path: paths.within(entry.path), modificationTimeMs })
      }
      return entries
    },
    async timestampMicros(commit) {
      if (commit.inCommitTimestampMs !== null) return BigInt(commit.inCommitTimestampMs) * 1000n
      const head = await store.head(paths.object(commitPath(commit.version)))
      return BigInt(head?.modificationTimeMs ?? 0) * 1000n
    },
  }
}

/** Bytes of a commit → its actions. Throws SLU-TAB-3001 with path and line. */
export function decodeCommit(version: bigint, bytes: Buffer, path: string): LogCommit {
  if (!isUtf8(bytes)) {
    throw new SluiceError('SLU-TAB-3001', { message: `${path} is not UTF-8`, context: { path } })
  }
  const lines = bytes.toString('utf8').split('\n')
  const actions = lines.flatMap((line, index) =>
    line.trim() === '' ? [] : decodeActions(line, `line ${index + 1} of ${path}`),
  )
  if (lines.every((line) => line.trim() === '')) {
    throw new SluiceError('SLU-TAB-3001', { message: `${path} is empty`, context: { path } })
  }
  checkChecksum(actions, bytes, path)
  const info = actions.find((action) => action.kind === 'commitInfo')?.content
  const timestamp = info?.inCommitTimestamp
  const txnId = info?.txnId
  return {
    version,
    actions,
    inCommitTimestampMs: typeof timestamp === 'number' ? timestamp : null,
    txnId: typeof txnId === 'string' ? txnId : null,
  }
}
