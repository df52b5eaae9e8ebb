/** The error codes of the files source. */

import { defineCodes } from './error-kind.ts'

/** Part of `ERROR_CODES`. */
export const FILES_ERROR_CODES = defineCodes({
  'SLU-SRC-1401': {
    kind: 'invalid-config',
    meaning: 'The folder of a files source does not exist, is no folder or may not be read.',
    remedy: 'Correct `path`, or give the user that runs Sluice the right to read the folder.',
  },
  'SLU-SRC-1402': {
    kind: 'invalid-config',
    meaning: 'The columns of a files source cannot be inferred from its first lines.',
    remedy: 'Declare them under `columns`, such as `id: bigint`, or put a first file in place.',
  },
  'SLU-SRC-1403': {
    kind: 'gap',
    meaning: 'A file that was read already has changed, shrunk or vanished since.',
    remedy:
      'Put the file back as it was, or use a new pipeline name to read the folder into a ' +
      'new table. The table stays readable as it is.',
  },
  'SLU-SRC-1404': {
    kind: 'gap',
    meaning: 'A new file sorts before one that was read already, so its records would be skipped.',
    remedy:
      'Rename it so that it sorts last, or set late: read to read such files when they come, or ' +
      'late: ignore to pass over them. Nothing was skipped: Sluice stopped.',
  },
  'SLU-SRC-1405': {
    kind: 'bad-data',
    meaning: 'A line of a file is not valid UTF-8.',
    remedy:
      'Correct the line named in the message. Nothing is lost: the next start reads on from ' +
      'where the table is.',
  },
  'SLU-SRC-1406': {
    kind: 'bad-data',
    meaning: 'A line of a file is longer than 16 MiB.',
    remedy:
      'Split or shorten the record named in the message. Nothing is lost: the next start reads ' +
      'on from where the table is.',
  },
  'SLU-SRC-1407': {
    kind: 'bad-data',
    meaning: 'A line of a file is not a JSON object.',
    remedy:
      'Write one JSON object a line. Correct the line named in the message. Nothing is lost: the ' +
      'next start reads on from where the table is.',
  },
  'SLU-SRC-1408': {
    kind: 'transient',
    meaning: 'A file of the source could not be read.',
    remedy: 'Sluice retries with back-off. If it stays, check disk and rights. Nothing is lost.',
  },
  'SLU-SRC-1409': {
    kind: 'bad-data',
    meaning: 'The header of a CSV file leaves a name out, repeats one, or is not well formed.',
    remedy:
      'Correct the header, or set csv.header: false and name the columns. Nothing is lost: the ' +
      'next start reads on from where the table is.',
  },
  'SLU-SRC-1410': {
    kind: 'bad-data',
    meaning: 'A record of a CSV file is not well formed: its number of fields, quotes or line end.',
    remedy:
      'Correct the line named in the message, or csv.delimiter and csv.quote. Nothing is lost: ' +
      'the next start reads on from where the table is.',
  },
  'SLU-SRC-1411': {
    kind: 'bad-data',
    meaning: 'A file is not readable as Parquet, or has a column of a type that no table can hold.',
    remedy:
      'Write the file again under its name, or leave the column out with columns and ' +
      'undeclared: ignore. Nothing is lost: the next start reads on from where the table is.',
  },
  'SLU-SRC-1412': {
    kind: 'bad-data',
    meaning:
      'Arrays and objects of a JSON line stand in each other more than 10,000 times, which could ' +
      'end the process.',
    remedy:
      'Flatten the record named in the message, or set onError: dlq to keep it as a dead letter. ' +
      'Nothing is lost: the next start reads on from where the table is.',
  },
  'SLU-SRC-1413': {
    kind: 'bad-data',
    meaning: 'A packed file breaks off, is damaged, or is not packed as its name says.',
    remedy:
      'Put the whole file in its place, or give it the name that says how it is packed. What ' +
      'was read of it is kept; the next start reads on from where the table is.',
  },
  'SLU-SRC-1414': {
    kind: 'bad-data',
    meaning: 'A packed file unpacks to far more bytes than packed files do: it may be an attack.',
    remedy:
      'Look at the file named in the message. When it is what you expect, raise maxUnpackRatio ' +
      'of the source. What was read of it is kept; the next start reads on from there.',
  },
  'SLU-SRC-1420': {
    kind: 'bad-data',
    meaning: 'A line of a file is no record of Debezium, or one whose rows cannot be read.',
    remedy:
      'The message says why; docs/formats/debezium.md lists what is read. Correct or remove the ' +
      'line. Nothing is lost: the next start reads on from where the table is.',
  },
})
