/** Every error code of Sluice: stable name, kind, meaning and remedy. docs/reference/errors.md is printed from it. */

import type { ErrorKind } from './errors.ts'

interface ErrorCodeEntry {
  readonly kind: ErrorKind
  /** What the code means, in one sentence. */
  readonly meaning: string
  /** What is at stake and what to run or set. */
  readonly remedy: string
}

const define = <T extends Readonly<Record<string, ErrorCodeEntry>>>(codes: T): T => codes

/** Code → entry. Rooms: CFG config, SRC sources, STO object store, TAB tables, ING ingest, SQL reading, CLI, BUG. */
export const ERROR_CODES = define({
  'SLU-CFG-1001': {
    kind: 'invalid-config',
    meaning: 'The configuration file cannot be read or is not valid YAML.',
    remedy: 'Check the path given with --config and the line named in the message.',
  },
  'SLU-CFG-1002': {
    kind: 'invalid-config',
    meaning: 'A setting is unknown, missing or has the wrong type.',
    remedy: 'Correct the setting at the line named in the message; `sluice validate` lists all.',
  },
  'SLU-CFG-1003': {
    kind: 'invalid-config',
    meaning: 'A variable named in the configuration is not set.',
    remedy: 'Set the variable, or give a default with ${NAME:-default}.',
  },
  'SLU-CFG-1004': {
    kind: 'invalid-config',
    meaning: 'Settings contradict each other.',
    remedy: 'Change one of the settings named in the message.',
  },
  'SLU-STO-2001': {
    kind: 'invalid-config',
    meaning: 'The object store cannot be written: no permission, read-only, or not a folder.',
    remedy:
      'Give the user that runs Sluice write permission, or set another store.url. Nothing was lost.',
  },
  'SLU-STO-2002': {
    kind: 'transient',
    meaning: 'The object store did not answer or answered with an error that may pass.',
    remedy:
      'Sluice retries with back-off; if it stays, check the store. Nothing is lost: the source waits.',
  },
  'SLU-STO-2003': {
    kind: 'transient',
    meaning: 'The disk or the quota of the object store is full.',
    remedy: 'Free space; Sluice goes on by itself. Nothing is lost: the source waits.',
  },
  'SLU-STO-2004': {
    kind: 'unsupported',
    meaning:
      'The object store ignores conditional writes, so two writers could overwrite each other.',
    remedy: 'Use a store with If-None-Match support (see docs/guarantees.md).',
  },
  'SLU-STO-2005': {
    kind: 'corrupt',
    meaning: 'An object that the table names does not exist.',
    remedy: 'Restore the object from a backup, or read an older version. Do not delete anything.',
  },
  'SLU-ENG-7001': {
    kind: 'transient',
    meaning: 'The embedded engine reached its memory limit and could not spill.',
    remedy:
      'Raise `memory`, lower `commit.maxRows`, or free disk space for spilling. Nothing was lost.',
  },
  'SLU-ENG-7002': {
    kind: 'bad-data',
    meaning: 'A value does not fit its column type.',
    remedy: 'See the value named in the message; correct the column type or the record.',
  },
  'SLU-ENG-7003': {
    kind: 'transient',
    meaning: 'The embedded engine could not read or write a file.',
    remedy: 'Check the disk and the permissions of the folder named in the message.',
  },
  'SLU-ENG-7004': {
    kind: 'transient',
    meaning: 'A statement was interrupted: its time was up or the caller went away.',
    remedy: 'Raise the time limit or narrow the query.',
  },
  'SLU-ENG-7005': {
    kind: 'unsupported',
    meaning: 'The engine does not accept the SQL statement.',
    remedy: 'Correct the statement at the place named in the message.',
  },
  'SLU-BUG-9001': {
    kind: 'bug',
    meaning: 'Something that must always hold did not.',
    remedy:
      'Report it with the message and the log. The process stops before it can write wrong rows.',
  },
})

/** A stable error code, such as `SLU-SRC-1203`. */
export type ErrorCode = keyof typeof ERROR_CODES
