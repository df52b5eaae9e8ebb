/**
 * Every error code of Sluice: stable name, kind, meaning and remedy; those of the sources and of
 * commands stand in files of their own. docs/reference/errors.md is printed from it.
 */

import { COMMAND_ERROR_CODES } from './command-error-codes.ts'
import { defineCodes } from './error-kind.ts'
import { FILES_ERROR_CODES } from './files-error-codes.ts'
import { KAFKA_ERROR_CODES } from './kafka-error-codes.ts'
import { POSTGRES_ERROR_CODES } from './postgres-error-codes.ts'

/**
 * Code → entry. Rooms: CFG config, SRC sources, STO object store, TAB tables, ING ingest, SQL
 * reading, SVC service, CLI, BUG.
 */
export const ERROR_CODES = defineCodes({
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
  'SLU-CFG-1005': {
    kind: 'unsupported',
    meaning: 'The configuration asks for something that this version of Sluice cannot do.',
    remedy: 'Use what the message names instead; docs/guarantees.md lists what works today.',
  },
  'SLU-CFG-1006': {
    kind: 'invalid-config',
    meaning: 'No configuration file was found.',
    remedy:
      'Run `sluice quickstart` for a demo, write a sluice.yaml here, or name one with --config.',
  },
  'SLU-STO-2001': {
    kind: 'invalid-config',
    meaning:
      'The object store or the work folder cannot be written: no permission, read-only, or not a ' +
      'folder.',
    remedy:
      'Give the user that runs Sluice write permission on what the message names, or set another ' +
      'store.url or workFolder. Nothing was lost.',
  },
  'SLU-STO-2002': {
    kind: 'transient',
    meaning: 'The object store did not answer or answered with an error that may pass.',
    remedy:
      'Sluice retries with back-off; if it stays, check the store. Nothing is lost: the ' +
      'source waits.',
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
  ...POSTGRES_ERROR_CODES,
  ...FILES_ERROR_CODES,
  ...KAFKA_ERROR_CODES,
  'SLU-STA-5001': {
    kind: 'unsupported',
    meaning: 'The key index does not fit into memory.',
    remedy:
      'Raise index.memory (about 48 bytes for each key), or set index.spill: disk, so that it ' +
      'goes on from the work folder. Nothing was lost.',
  },
  'SLU-STA-5002': {
    kind: 'transient',
    meaning: 'The part of the key index that is on local disk could not be written or read.',
    remedy:
      'Sluice rebuilds the index from the table and retries. If it stays: make room on the disk ' +
      'of the work folder (32 bytes for each key), check its rights, or ' +
      'raise index.memory. Nothing was lost.',
  },
  'SLU-ING-4001': {
    kind: 'fenced',
    meaning: 'Another instance of this pipeline has taken over.',
    remedy: 'Run one instance of a pipeline. This one stopped before writing anything twice.',
  },
  'SLU-ING-4002': {
    kind: 'invalid-config',
    meaning: 'A stream or a column that the pipeline names does not exist in the source.',
    remedy: 'Correct `tables`, `key`, `ordering` or `partitionBy`; the message lists what exists.',
  },
  'SLU-ING-4003': {
    kind: 'bad-data',
    meaning: 'A record cannot be decoded or has no key, or a column cannot hold a value of it.',
    remedy:
      'See the position in the message. The pipeline stopped before it; nothing was skipped. ' +
      'For values that no column type holds see docs/formats/postgres-types.md.',
  },
  'SLU-ING-4004': {
    kind: 'corrupt',
    meaning: 'A change needs values of a row that the table does not have.',
    remedy: 'The table and the source disagree: run `sluice verify`, then copy the table again.',
  },
  'SLU-ING-4005': {
    kind: 'unsupported',
    meaning: 'The source gave a column a type or a name that the table cannot hold.',
    remedy:
      'Give the table a new name, so that the stream is copied into it. The pipeline stopped ' +
      'before the change; nothing was dropped.',
  },
  'SLU-ING-4006': {
    kind: 'invalid-config',
    meaning: 'The folder or table belongs to something else.',
    remedy: 'Choose another store.url or table name; Sluice changes nothing it did not make.',
  },
  'SLU-ING-4007': {
    kind: 'conflict',
    meaning: 'Another writer changed the table in a way this batch cannot be placed on.',
    remedy: 'Nothing to do: the pipeline starts over from the newest version.',
  },
  'SLU-STO-2006': {
    kind: 'unsupported',
    meaning: 'An object path is not one this store accepts: absolute, with `..`, or reserved.',
    remedy: 'Check the path of the table, or the data file path that the table log names.',
  },
  'SLU-STO-2007': {
    kind: 'invalid-config',
    meaning: 'The object store cannot be read: no permission, or a loop of links.',
    remedy:
      'Give the user that runs Sluice read permission on the path named in the message, or ' +
      'correct the link.',
  },
  'SLU-STO-2008': {
    kind: 'corrupt',
    meaning: 'An object has another size than the table says.',
    remedy: 'Restore the object from a backup, or read an older version. Do not delete anything.',
  },
  'SLU-TAB-3001': {
    kind: 'corrupt',
    meaning: 'An entry of the table log is not valid.',
    remedy: 'Restore the file named in the message from a backup, or read an older version.',
  },
  'SLU-TAB-3002': {
    kind: 'corrupt',
    meaning: 'A deletion vector is damaged: wrong checksum, size, magic number or content.',
    remedy: 'Restore the file named in the message from a backup, or read an older version.',
  },
  'SLU-TAB-3003': {
    kind: 'gap',
    meaning: 'The version or time asked for is not, or no longer, readable.',
    remedy: 'Ask for a version between the bounds in the message; `sluice timeline` lists them.',
  },
  'SLU-TAB-3004': {
    kind: 'gap',
    meaning: 'Part of the range of changes asked for is no longer in the table log.',
    remedy: 'Read the whole table at its newest version, then go on with changes from there.',
  },
  'SLU-TAB-3005': {
    kind: 'corrupt',
    meaning: 'The table log lacks a version, so the table cannot be put together.',
    remedy: 'Restore the missing log entry from a backup, or read an older version.',
  },
  'SLU-TAB-3006': {
    kind: 'transient',
    meaning: 'Whether a commit took effect could not be found out.',
    remedy: 'Start over from the newest version: the stored cursor tells. Delete nothing.',
  },
  'SLU-TAB-3007': {
    kind: 'unsupported',
    meaning: 'The table needs a reader feature that Sluice does not know.',
    remedy: 'Read it with another engine, or drop the feature named in the message there.',
  },
  'SLU-TAB-3008': {
    kind: 'unsupported',
    meaning: 'The table can be read but not written by Sluice.',
    remedy: 'Let Sluice write a table of its own; this one belongs to another engine.',
  },
  'SLU-TAB-3009': {
    kind: 'transient',
    meaning: 'A commit lost every version it tried to other writers.',
    remedy: 'It is tried again; if it stays, lower the number of writers of this table.',
  },
  'SLU-TAB-3010': {
    kind: 'unsupported',
    meaning: 'The table has a column type that Sluice does not know.',
    remedy: 'Read it with another engine, or leave the column named in the message out.',
  },
  'SLU-TAB-3011': {
    kind: 'fenced',
    meaning: 'This writer was stopped so long that the log it knew has been cleaned away.',
    remedy: 'Restart it; it goes on from the newest version. Nothing was written.',
  },
  'SLU-TAB-3012': {
    kind: 'corrupt',
    meaning: 'A checkpoint of the table cannot be read and the log before it is gone.',
    remedy: 'Restore the checkpoint named in the message from a backup.',
  },
  'SLU-TAB-3013': {
    kind: 'corrupt',
    meaning:
      'The log of the table does not lead to what its writer noted in the version checksum (.crc).',
    remedy:
      'Part of the log or a checkpoint was changed or lost: restore `_delta_log` from a backup. ' +
      'If you know that the table is right, remove the .crc file named in the message.',
  },
  'SLU-TAB-3014': {
    kind: 'corrupt',
    meaning: 'A data file is damaged: it is as long as the log says and cannot be read.',
    remedy:
      'Restore the file named in the message from a backup, or read an older version that does ' +
      'not need it. Do not delete anything.',
  },
  'SLU-ING-4008': {
    kind: 'corrupt',
    meaning: 'The newest entry of the log of the pipeline is damaged; its tables are not touched.',
    remedy:
      'Restore the file named in the message, or remove that one file: the pipeline goes on from ' +
      'the entry before it or from the cursors in its tables. Nothing is skipped: it stops when ' +
      'the source no longer has what it needs then.',
  },
  'SLU-ING-4014': {
    kind: 'unsupported',
    meaning: 'A row of a stream without a key was updated or deleted.',
    remedy:
      'Name columns that tell rows apart (`key`, with REPLICA IDENTITY FULL on a Postgres table) ' +
      'and a new table; or set mode: append to keep every record and leave deletes out.',
  },
  'SLU-ING-4009': {
    kind: 'unsupported',
    meaning: 'An append table receives updates that lack columns.',
    remedy: 'Use mode: upsert with a key, or set REPLICA IDENTITY FULL on the source table.',
  },
  'SLU-ING-4010': {
    kind: 'unsupported',
    meaning: 'The columns of a stream changed in a way for which the policy says stop.',
    remedy: 'Set the policy named in the message to apply or keep, or give the table a new name.',
  },
  'SLU-ING-4011': {
    kind: 'unsupported',
    meaning: 'The key of a stream, or a column the table is ordered or partitioned by, changed.',
    remedy:
      'Set `key` to the columns that still tell the rows apart, or give the table a new name, so ' +
      'that the stream is copied into it.',
  },
  'SLU-ING-4012': {
    kind: 'unsupported',
    meaning: 'Columns were renamed, dropped or added, and the source cannot tell which is which.',
    remedy: 'Give the table a new name, so that the stream is copied into it. Nothing was guessed.',
  },
  'SLU-ING-4015': {
    kind: 'conflict',
    meaning: 'Somebody asked for a fresh copy of the table while its pipeline runs.',
    remedy: 'Nothing to do: the pipeline starts over and copies it.',
  },
  'SLU-ING-4016': {
    kind: 'invalid-config',
    meaning:
      'A stream that a pattern chooses cannot become a table under the name it would get. A ' +
      'warning: it is left out.',
    remedy: 'Give it a name: overrides: { "<stream>": { table: … } }; or leave it out with "!…".',
  },
  'SLU-ING-4018': {
    kind: 'bad-data',
    meaning: 'A record has members that no column holds, and its source could not find them.',
    remedy:
      'Declare the members named in the message under `columns`, or set undeclared: ignore to ' +
      'leave out what is not declared. The pipeline stopped before them; nothing was skipped.',
  },
  'SLU-ING-4030': {
    kind: 'bad-data',
    meaning:
      'More records of a table were rejected than the ceiling allows; none of these is kept.',
    remedy:
      'Look at the reasons in the log. So many bad records most often mean a wrong column type, ' +
      'key or format in the configuration: correct it. When they are what you expect, raise ' +
      'dlq.stopAfter. The pipeline stopped before them.',
  },
  ...COMMAND_ERROR_CODES,
  'SLU-BUG-9001': {
    kind: 'bug',
    meaning: 'Something that must always hold did not.',
    remedy:
      'Report it with the message and the log. The process stops before it can write wrong rows.',
  },
})

/** A stable error code, such as `SLU-SRC-1203`. */
export type ErrorCode = keyof typeof ERROR_CODES
