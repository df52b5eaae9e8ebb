/** Configurations whose store or sources are wrong. */

import { database, databaseWith, POSTGRES, replaced, type WrongFile } from './good-configuration.ts'

/** Each with all that is told about it. */
export const WRONG_SOURCES: readonly WrongFile[] = [
  [
    'apiVersion missing',
    replaced('apiVersion: v1\n', ''),
    'SLU-CFG-1002 1:1 apiVersion|`apiVersion:`',
  ],
  ['apiVersion v2', replaced('v1', 'v2'), 'SLU-CFG-1002 1:13 apiVersion|"v1"'],
  [
    'apiVersion 1',
    replaced('apiVersion: v1', 'apiVersion: 1'),
    'SLU-CFG-1002 1:13 apiVersion|"v1"',
  ],
  ['store missing', replaced('store: { url: ./lake }\n', ''), 'SLU-CFG-1002 1:1 store|`store:`'],
  [
    'store as text',
    replaced('{ url: ./lake }', './lake'),
    'SLU-CFG-1002 2:8 store|Settings of it: url.',
  ],
  [
    'store url empty',
    replaced('./lake', '""'),
    'SLU-CFG-1002 2:15 store.url|Folder that holds the tables: a path (relativ',
  ],
  ['store url missing', replaced('{ url: ./lake }', '{}'), 'SLU-CFG-1002 2:1 store.url|`url:`'],
  ['store null', replaced('store: { url: ./lake }', 'store:'), 'SLU-CFG-1002 1:1 store|`store:`'],
  [
    's3 store',
    replaced('./lake', 's3://b/x'),
    'SLU-CFG-1005 2:15 store.url|write a folder of this machine, such as ./lak',
  ],
  [
    'file url relative',
    replaced('./lake', 'file://lake/x'),
    'SLU-CFG-1002 2:15 store.url|write a folder of this machine, such as ./lak',
  ],
  ['unknown key', replaced('store:', 'stroe: 1\nstore:'), 'SLU-CFG-1002 2:1 stroe|"store"'],
  [
    'unknown top key far',
    replaced('store:', 'kubernetes: 1\nstore:'),
    'SLU-CFG-1002 2:1 kubernetes|known here: apiVersion, defaults, name, ',
  ],
  [
    'wrong case key',
    replaced('apiVersion:', 'apiversion:'),
    'SLU-CFG-1002 1:1 apiVersion|`apiVersion:`',
    'SLU-CFG-1002 1:1 apiversion|"apiVersion"',
  ],
  [
    'sources missing',
    `apiVersion: v1\nstore: { url: x }\npipelines:\n  - { name: a, from: b, tables: [c] }\n`,
    'SLU-CFG-1002 1:1 sources|`sources:`',
  ],
  [
    'sources list',
    replaced(
      'sources:\n  pg:\n    postgres: { url: postgres://u@h/d }\n  in:\n    files: { path: ./in }',
      'sources: [pg]',
    ),
    'SLU-CFG-1002 3:10 sources|Name → one type of source with its settings.',
  ],
  [
    'source empty',
    replaced(
      `    ${POSTGRES}
`,
      '',
    ),
    'SLU-CFG-1002 4:3 sources.pg|write postgres: or files: or kafka: below it',
  ],
  [
    'source two types',
    replaced('    files:', '    postgres: { url: postgres://u@h/d }\n    files:'),
    'SLU-CFG-1002 6:3 sources.in|write one of: postgres, files',
  ],
  [
    'source unknown type',
    replaced('postgres: {', 'postgre: {'),
    'SLU-CFG-1002 5:5 sources.pg.postgre|"postgres"',
  ],
  [
    'source type pulsar',
    replaced(POSTGRES, 'pulsar: { url: x }'),
    'SLU-CFG-1002 5:5 sources.pg.pulsar|known here: files, kafka, postgres',
  ],
  [
    'kafka broker without a port',
    replaced(POSTGRES, 'kafka: { brokers: [here] }'),
    'SLU-CFG-1002 5:24 sources.pg.kafka.brokers[0]|write host:port',
  ],
  [
    'kafka start in words',
    replaced(POSTGRES, 'kafka: { brokers: ["h:9092"], start: yesterday }'),
    'SLU-CFG-1002 5:42 sources.pg.kafka.start|write earliest, latest or a time',
  ],
  [
    'kafka deletes without a key',
    replaced(POSTGRES, 'kafka: { brokers: ["h:9092"], nullRecords: delete }'),
    'SLU-CFG-1004 5:48 sources.pg.kafka.nullRecords|add `messageKey',
  ],
  ['source as text', replaced(POSTGRES, 'postgres'), 'SLU-CFG-1002 5:5 sources.pg|`postgres:`'],
  [
    'source settings text',
    database('postgres://u@h/d'),
    'SLU-CFG-1002 5:15 sources.pg.postgres|Settings of it: url, password, publication, sl',
  ],
  [
    'source name bad',
    replaced('  pg:', '  PG Main:').replace('from: pg', 'from: in'),
    'SLU-CFG-1002 4:3 sources["PG Main"]|rename it',
  ],
  ['pg url missing', database('{}'), 'SLU-CFG-1002 5:5 sources.pg.postgres.url|`url:`'],
  [
    'pg url mysql',
    database('{ url: "mysql://u@h/d" }'),
    'SLU-CFG-1002 5:22 sources.pg.postgres.url|Example: postgres://sluice@db.example:5',
  ],
  [
    'pg url jdbc',
    database('{ url: "jdbc:postgresql://h/d" }'),
    'SLU-CFG-1002 5:22 sources.pg.postgres.url|Example: postgres://sluice@db.example:5',
  ],
  [
    'pg url no db',
    database('{ url: "postgres://u@h" }'),
    'SLU-CFG-1004 5:22 sources.pg.postgres.url|write postgres://user@host:5432/database',
  ],
  [
    'pg url bad port',
    database('{ url: "postgres://u@h:99999/d" }'),
    'SLU-CFG-1004 5:22 sources.pg.postgres.url|write postgres://user@host:5432/database, spe',
  ],
  [
    'pg url space',
    database('{ url: "postgres://u@h o/d" }'),
    'SLU-CFG-1004 5:22 sources.pg.postgres.url|write postgres://user@host:5432/database, spe',
  ],
  [
    'pg url sslmode',
    database('{ url: "postgres://u@h/d?sslmode=on" }'),
    'SLU-CFG-1004 5:22 sources.pg.postgres.url|write sslmode= and one of disable, prefer, re',
  ],
  [
    'password twice',
    database('{ url: postgres://u:geheim@h/d, password: geheim }'),
    'SLU-CFG-1004 5:57 sources.pg.postgres.password|remove it from the url',
  ],
  [
    'password number',
    databaseWith('password: 1234'),
    'SLU-CFG-1002 5:50 sources.pg.postgres.password|`${PGPASSWORD}`',
  ],
  [
    'slot bad',
    databaseWith('slot: My-Slot'),
    'SLU-CFG-1002 5:46 sources.pg.postgres.slot|Default: sluice_<pipeline>.',
  ],
  [
    'pg unknown setting',
    databaseWith('publicaton: x'),
    'SLU-CFG-1002 5:40 sources.pg.postgres.publicaton|"publication"',
  ],
  [
    'walBudget',
    databaseWith('walBudgetWarn: 50'),
    'SLU-CFG-1002 5:55 sources.pg.postgres.walBudgetWarn|Default: 50%.',
  ],
  [
    'columnTypes wrong',
    databaseWith('columnTypes: { public.orders.a: decimal(50,2) }'),
    'SLU-CFG-1002 5:72 sources.pg.postgres.columnTypes["public.orders.a"]|`schema.table.column`',
  ],
  [
    'columnTypes path',
    databaseWith('columnTypes: { amount: text }'),
    'SLU-CFG-1002 5:55 sources.pg.postgres.columnTypes.amount|rename it',
  ],
  [
    'snapshot mode',
    databaseWith('snapshot: { mode: always }'),
    'SLU-CFG-1002 5:58 sources.pg.postgres.snapshot.mode|known here: initial, initial_only, never',
  ],
  [
    'snapshot parallel',
    databaseWith('snapshot: { parallel: 0 }'),
    'SLU-CFG-1002 5:62 sources.pg.postgres.snapshot.parallel|From 1 to 16',
  ],
  [
    'snapshot text',
    databaseWith('snapshot: never'),
    'SLU-CFG-1002 5:50 sources.pg.postgres.snapshot|Settings of it: mode, parallel, chunkRows.',
  ],
  [
    'timeout as text',
    databaseWith('connectTimeoutMs: 10s'),
    'SLU-CFG-1002 5:58 sources.pg.postgres.connectTimeoutMs|From 100 to 600000',
  ],
  [
    'timeout fraction',
    databaseWith('connectTimeoutMs: 0.5'),
    'SLU-CFG-1002 5:58 sources.pg.postgres.connectTimeoutMs|From 100 to 600000',
  ],
  [
    'boolean as text',
    databaseWith('createPublication: yes'),
    'SLU-CFG-1002 5:59 sources.pg.postgres.createPublication|Default: true.',
  ],
  [
    'receive timeouts',
    databaseWith('receiveTimeoutMs: 1000'),
    'SLU-CFG-1004 5:58 sources.pg.postgres.receiveTimeoutMs|set it to 4000 or more',
  ],
  [
    'files path missing',
    replaced('files: { path: ./in }', 'files: { }'),
    'SLU-CFG-1002 7:5 sources.in.files.path|`path:`',
  ],
  [
    'files column type',
    replaced('path: ./in', 'path: ./in, columns: { a: money }'),
    'SLU-CFG-1002 7:40 sources.in.files.columns.a|write bigint, integer, double, string, boolea',
  ],
]
