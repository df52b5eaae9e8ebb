/** The error codes of reading, of the command line and of the service. */

import { defineCodes } from './error-kind.ts'

/** Part of `ERROR_CODES`. */
export const COMMAND_ERROR_CODES = defineCodes({
  'SLU-SQL-6001': {
    kind: 'invalid-config',
    meaning:
      'The SQL statement is not valid: it cannot be parsed, or names a column that is not there.',
    remedy:
      'Correct the place named in the message. DESCRIBE TABLE_NAME lists the columns of a table.',
  },
  'SLU-SQL-6002': {
    kind: 'invalid-config',
    meaning: 'The SQL statement names a table that does not exist.',
    remedy:
      "Use one of the names that SHOW TABLES lists, or delta('path') for a table by its path.",
  },
  'SLU-SQL-6003': {
    kind: 'unsupported',
    meaning: 'The SQL statement is not a query, or uses a function that reads outside the tables.',
    remedy:
      'Use SELECT, WITH, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES or EXPLAIN over tables. ' +
      'Nothing was changed.',
  },
  'SLU-SQL-6004': {
    kind: 'bad-data',
    meaning: 'The query is valid but failed while it ran.',
    remedy:
      'The message names the value or the limit; change the query. The tables are not affected.',
  },
  'SLU-SQL-6005': {
    kind: 'transient',
    meaning: 'The query was cancelled or ran longer than allowed.',
    remedy: 'Run it again with a larger --timeout, or read less. The tables are not affected.',
  },
  'SLU-SQL-6006': {
    kind: 'invalid-config',
    meaning: 'AT, changes(), meta() or delta() has wrong arguments.',
    remedy:
      "Write t AT (VERSION => 3), t AT (TIMESTAMP => '2026-01-31 12:00:00'), changes('t', " +
      "3, 7), meta('t') or delta('path').",
  },
  'SLU-SQL-6007': {
    kind: 'invalid-config',
    meaning: 'A text is no value of the key column that it is meant for.',
    remedy:
      'Write the value as SQL would cast it from text, as `sluice show TABLE` names the type: ' +
      '42, 2026-01-31, \\x0a1b for bytes.',
  },
  'SLU-CLI-8001': {
    kind: 'invalid-config',
    meaning: 'The command line is wrong: an unknown command, option or argument.',
    remedy: 'See `sluice --help`, or `sluice COMMAND --help` for one command.',
  },
  'SLU-CLI-8002': {
    kind: 'invalid-config',
    meaning: 'There is no table of that name in the configuration.',
    remedy: 'Use one of the names that `sluice tables` lists.',
  },
  'SLU-CLI-8003': {
    kind: 'invalid-config',
    meaning: 'There is no pipeline of that name in the configuration.',
    remedy: 'Use one of the names that `sluice status` lists.',
  },
  'SLU-CLI-8004': {
    kind: 'invalid-config',
    meaning: 'The table is in the configuration but holds nothing yet.',
    remedy: 'Start its pipeline with `sluice run`; the first commit creates the table.',
  },
  'SLU-CLI-8005': {
    kind: 'invalid-config',
    meaning: 'There is no error code or commit of that name or number.',
    remedy: 'Codes are listed in docs/reference/errors.md, commits by `sluice timeline TABLE`.',
  },
  'SLU-CLI-8006': {
    kind: 'unsupported',
    meaning: 'The source of the table cannot be read again, so the table cannot be compared.',
    remedy: 'Use `sluice sql` to compare by hand. Nothing was changed.',
  },
  'SLU-CLI-8007': {
    kind: 'transient',
    meaning: 'The table has not reached the position of the source that it is compared at.',
    remedy: 'Start its pipeline with `sluice run`, or wait until it has caught up; then try again.',
  },
  'SLU-CLI-8008': {
    kind: 'invalid-config',
    meaning: 'No row of the table has or had that key, as far back as it can be read.',
    remedy: 'Check the value and its type: `sluice show TABLE` names the key columns.',
  },
  'SLU-CLI-8009': {
    kind: 'unsupported',
    meaning: 'The table has no key, so no row can be followed through its versions.',
    remedy:
      'Look for the row with SQL: sluice sql "select * from meta(\'t\') where …", or its ' +
      "versions: \"select * from changes('t', 'beginning') where …\".",
  },
  'SLU-CLI-8010': {
    kind: 'invalid-config',
    meaning: 'The file is there already and is not overwritten.',
    remedy: 'Name another file with --config, or give --force to replace it.',
  },
  'SLU-CLI-8011': {
    kind: 'invalid-config',
    meaning: 'A file that a command was to make cannot be written.',
    remedy: 'Check the folder, its rights and the space on the disk. Nothing else was changed.',
  },
  'SLU-SVC-7101': {
    kind: 'invalid-config',
    meaning: 'The address for health and metrics cannot be listened on; no pipeline was started.',
    remedy: 'Free the port, or name another address: `--listen`, or `server.listen`.',
  },
})
