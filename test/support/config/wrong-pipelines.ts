/** Configurations whose pipelines are wrong. */

import {
  databaseWith,
  followed,
  replaced,
  WITHOUT_PIPELINES,
  type WrongFile,
} from './good-configuration.ts'

/** Each with all that is told about it. */
export const WRONG_PIPELINES: readonly WrongFile[] = [
  ['pipelines missing', WITHOUT_PIPELINES, 'SLU-CFG-1002 1:1 pipelines|`pipelines:`'],
  [
    'pipelines empty',
    WITHOUT_PIPELINES + 'pipelines: []\n',
    'SLU-CFG-1002 8:12 pipelines|`- name:`',
  ],
  [
    'pipelines mapping',
    WITHOUT_PIPELINES + 'pipelines: { shop: { from: pg } }\n',
    'SLU-CFG-1002 8:12 pipelines|`- name:`',
  ],
  [
    'pipeline name missing',
    replaced('  - name: shop\n    from', '  - from'),
    'SLU-CFG-1002 9:5 pipelines[0].name|`name:`',
  ],
  [
    'pipeline name bad',
    replaced('name: shop', 'name: Shop!'),
    'SLU-CFG-1002 9:11 pipelines[0].name|Name of the pipeline; part of what the tables',
  ],
  [
    'pipeline name number',
    replaced('name: shop', 'name: 7'),
    'SLU-CFG-1002 9:11 pipelines[0].name|Name of the pipeline; part of what the tables',
  ],
  [
    'pipeline names twice',
    followed('  - { name: shop, from: in, tables: [in] }\n'),
    'SLU-CFG-1004 12:13 pipelines[1].name|rename one',
  ],
  ['from unknown', replaced('from: pg', 'from: pq'), 'SLU-CFG-1004 10:11 pipelines[0].from|"pg"'],
  ['from missing', replaced('    from: pg\n', ''), 'SLU-CFG-1002 9:5 pipelines[0].from|`from:`'],
  [
    'tables missing',
    replaced('    tables: [public.orders]\n', ''),
    'SLU-CFG-1002 9:5 pipelines[0].tables|`tables:`',
  ],
  [
    'tables text',
    replaced('[public.orders]', 'public.orders'),
    'SLU-CFG-1002 11:13 pipelines[0].tables|`public.orders`',
  ],
  [
    'tables empty',
    replaced('[public.orders]', '[]'),
    'SLU-CFG-1002 11:13 pipelines[0].tables|`public.orders`',
  ],
  [
    'tables null item',
    replaced('[public.orders]', '[public.orders, ]').replace(', ]', ', ~]'),
    'SLU-CFG-1002 11:29 pipelines[0].tables[1]|such as public.orders',
  ],
  [
    'tables mapping',
    replaced('[public.orders]', '{ public.orders: {} }'),
    'SLU-CFG-1002 11:13 pipelines[0].tables|`public.orders`',
  ],
  [
    'tables number',
    replaced('[public.orders]', '[1]'),
    'SLU-CFG-1002 11:14 pipelines[0].tables[0]|such as public.orders',
  ],
  [
    'tables twice',
    replaced('[public.orders]', '[public.orders, public.orders]'),
    'SLU-CFG-1004 11:29 pipelines[0].tables[1]|remove one',
  ],
  [
    'pattern of a source without patterns',
    replaced('from: pg', 'from: in').replace('[public.orders]', '["public.*"]'),
    'SLU-CFG-1005 11:14 pipelines[0].tables[0]|name each stream',
  ],
  [
    'pattern without a schema',
    replaced('[public.orders]', '["*"]'),
    'SLU-CFG-1004 11:14 pipelines[0].tables[0]|such as public.*',
  ],
  [
    'exclusions of nothing',
    replaced('[public.orders]', '["!public.tmp_*"]'),
    'SLU-CFG-1004 11:14 pipelines[0].tables[0]|add a pattern that chooses tables',
  ],
  [
    'named and left out',
    replaced('[public.orders]', '[public.orders, "public.*", "!public.ord*"]'),
    'SLU-CFG-1004 11:14 pipelines[0].tables[0]|remove the name, or what leaves it out',
  ],
  [
    'tables pattern unquoted',
    replaced('[public.orders]', '[*]'),
    'SLU-CFG-1001 11:14 |a value that begins with * needs quotes',
  ],
  [
    'tables question mark',
    replaced('[public.orders]', '["public.order?"]'),
    "SLU-CFG-1004 11:14 pipelines[0].tables[0]|overrides: { 'public.order?': { table",
  ],
  [
    'tables ambiguous',
    replaced('[public.orders]', '[public.orders, sales.orders]'),
    'SLU-CFG-1004 11:29 pipelines[0].tables[1]|overrides: { sales.orders: { table',
  ],
  [
    'tables case',
    replaced('[public.orders]', '[public.orders, sales.ORDERS]'),
    'SLU-CFG-1004 11:29 pipelines[0].tables[1]|overrides: { sales.ORDERS: { table',
  ],
  [
    'tables nested',
    followed('    to: { table: a }\n  - { name: b, from: in, tables: [in], to: { table: a.b } }\n'),
    'SLU-CFG-1004 13:35 pipelines[1].tables[0]|overrides: { in: { table',
  ],
  [
    'table name bad',
    followed('    to: { table: _x }\n'),
    'SLU-CFG-1002 12:18 pipelines[0].to.table|Default: namespace and last part of the',
  ],
  [
    'table name derived bad',
    replaced('[public.orders]', '[\'public."Order Lines"\']'),
    'SLU-CFG-1004 11:14 pipelines[0].tables[0]|overrides: { \'public."Order Lines"\': { table',
  ],
  [
    'table for many',
    replaced('[public.orders]', '[public.a, public.b]') + '    to: { table: x }\n',
    'SLU-CFG-1004 12:18 pipelines[0].to.table|set it per stream under overrides, or use nam',
  ],
  [
    'namespace slash',
    followed('    to: { namespace: a/b }\n'),
    'SLU-CFG-1002 12:22 pipelines[0].to.namespace|`shop`',
  ],
  [
    'namespace dotdot',
    followed('    to: { namespace: .. }\n'),
    'SLU-CFG-1002 12:22 pipelines[0].to.namespace|`shop`',
  ],
  [
    'mode wrong',
    followed('    to: { mode: upsrt }\n'),
    'SLU-CFG-1002 12:17 pipelines[0].to.mode|"upsert"',
  ],
  [
    'append with key',
    followed('    to: { mode: append, key: [id] }\n'),
    'SLU-CFG-1004 11:14 pipelines[0].tables[0]|`mode: upsert`',
  ],
  [
    'upsert without key',
    followed('  - { name: b, from: in, tables: [in], to: { mode: upsert } }\n'),
    'SLU-CFG-1004 12:35 pipelines[1].tables[0]|`key: [column]`',
  ],
  [
    'key text',
    followed('    to: { key: id }\n'),
    'SLU-CFG-1002 12:16 pipelines[0].to.key|Default: the key of the source.',
  ],
  [
    'key empty list',
    followed('    to: { key: [] }\n'),
    'SLU-CFG-1002 12:16 pipelines[0].to.key|Default: the key of the source.',
  ],
  [
    'key twice',
    followed('    to: { key: [id, id] }\n'),
    'SLU-CFG-1002 12:21 pipelines[0].to.key[1]|remove it',
  ],
  [
    'key empty name',
    followed('    to: { key: [""] }\n'),
    'SLU-CFG-1002 12:17 pipelines[0].to.key[0]|Default: the key of the source.',
  ],
  [
    'partition twice',
    followed('    to: { partitionBy: [a, a] }\n'),
    'SLU-CFG-1002 12:28 pipelines[0].to.partitionBy[1]|remove it',
  ],
  [
    'deleteWhen half',
    followed('    to: { deleteWhen: { column: op } }\n'),
    'SLU-CFG-1002 12:11 pipelines[0].to.deleteWhen.equals|`equals:`',
  ],
  [
    'deleteWhen equals bool',
    followed('    to: { deleteWhen: { column: op, equals: true } }\n'),
    'SLU-CFG-1002 12:45 pipelines[0].to.deleteWhen.equals|Rows with this value delete their key.',
  ],
  [
    'override unknown',
    followed('    overrides: { public.order: { key: [id] } }\n'),
    'SLU-CFG-1004 12:18 pipelines[0].overrides["public.order"]|"public.orders"',
  ],
  [
    'override namespace',
    followed('    overrides: { public.orders: { namespace: x } }\n'),
    'SLU-CFG-1002 12:35 pipelines[0].overrides["public.orders"].namespace|known here: deleteWhen',
  ],
  [
    'override text',
    followed('    overrides: { public.orders: append }\n'),
    'SLU-CFG-1002 12:33 pipelines[0].overrides["public.orders"]|Settings of it: table, mode',
  ],
  [
    'every number',
    followed('    commit: { every: 10 }\n'),
    'SLU-CFG-1002 12:22 pipelines[0].commit.every|Default: 10s.',
  ],
  [
    'every unit',
    followed('    commit: { every: 10sec }\n'),
    'SLU-CFG-1002 12:22 pipelines[0].commit.every|write it like 500ms, 10s or 5m',
  ],
  [
    'every negative',
    followed('    commit: { every: -1s }\n'),
    'SLU-CFG-1002 12:22 pipelines[0].commit.every|write it like 500ms, 10s or 5m',
  ],
  [
    'every short',
    followed('    commit: { every: 1ms }\n'),
    'SLU-CFG-1002 12:22 pipelines[0].commit.every|Default: 10s.',
  ],
  [
    'every long',
    followed('    commit: { every: 400d }\n'),
    'SLU-CFG-1002 12:22 pipelines[0].commit.every|Default: 10s.',
  ],
  [
    'maxRows text',
    followed('    commit: { maxRows: many }\n'),
    'SLU-CFG-1002 12:24 pipelines[0].commit.maxRows|From 1 to 10000000',
  ],
  [
    'maxRows zero',
    followed('    commit: { maxRows: 0 }\n'),
    'SLU-CFG-1002 12:24 pipelines[0].commit.maxRows|From 1 to 10000000',
  ],
  [
    'maxRows huge',
    followed('    commit: { maxRows: 99999999999 }\n'),
    'SLU-CFG-1002 12:24 pipelines[0].commit.maxRows|From 1 to 10000000',
  ],
  [
    'size unit',
    followed('    memory: 1 giga\n'),
    'SLU-CFG-1002 12:13 pipelines[0].memory|write it like 64MiB or 1GiB',
  ],
  [
    'size number',
    followed('    memory: 512\n'),
    'SLU-CFG-1002 12:13 pipelines[0].memory|Default: 512MiB.',
  ],
  [
    'size small',
    followed('    memory: 1MiB\n'),
    'SLU-CFG-1002 12:13 pipelines[0].memory|Default: 512MiB.',
  ],
  [
    'size huge',
    followed('    inFlight: 999TiB\n'),
    'SLU-CFG-1002 12:15 pipelines[0].inFlight|Default: 64MiB.',
  ],
  [
    'threads zero',
    followed('    threads: 0\n'),
    'SLU-CFG-1002 12:14 pipelines[0].threads|From 1 to 256',
  ],
  [
    'compression 30',
    followed('    compression: 30\n'),
    'SLU-CFG-1002 12:18 pipelines[0].compression|From 1 to 19',
  ],
  [
    'commit list',
    followed('    commit: [10s]\n'),
    'SLU-CFG-1002 12:13 pipelines[0].commit|Settings of it: every, maxRows, maxBytes, part',
  ],
  [
    'onError of another word',
    followed('    onError: ignore\n'),
    'SLU-CFG-1002 12:14 pipelines[0].onError|known here: dlq, skip, stop',
  ],
  [
    'onError skip for a source whose records leave values out',
    followed('    onError: skip\n'),
    'SLU-CFG-1004 11:14 pipelines[0].tables[0]|set onError: stop for this pipeline',
  ],
  [
    'a ceiling without a time',
    followed('    dlq: { stopAfter: "1000" }\n'),
    'SLU-CFG-1002 12:23 pipelines[0].dlq.stopAfter|write it like 1000/h, 50/m or none',
  ],
  [
    'schema drop',
    followed('    schema: { drop: delete }\n'),
    'SLU-CFG-1002 12:21 pipelines[0].schema.drop|known here: apply, keep, stop',
  ],
  [
    'index spill',
    followed('    index: { spill: ssd }\n'),
    'SLU-CFG-1002 12:21 pipelines[0].index.spill|known here: disk, none',
  ],
  [
    'defaults unknown',
    replaced('store:', 'defaults: { commt: { every: 1s } }\nstore:'),
    'SLU-CFG-1002 2:13 defaults.commt|"commit"',
  ],
  [
    'variable missing',
    replaced('./lake', '"${LAKE}"'),
    'SLU-CFG-1003 2:15 store.url|set LAKE in the environment, or give a defaul',
  ],
  [
    'variable empty name',
    replaced('./lake', '"${}"'),
    'SLU-CFG-1002 2:15 store.url|write ${NAME}, ${NAME:-default} or ${file:/pa',
  ],
  [
    'variable bad name',
    replaced('./lake', '"${A B}"'),
    'SLU-CFG-1002 2:15 store.url|write ${NAME}, ${NAME:-default} or ${file:/pa',
  ],
  [
    'variable unclosed',
    replaced('{ url: ./lake }', '\n  url: ${LAKE'),
    'SLU-CFG-1002 3:8 store.url|write ${NAME}, ${NAME:-default} or ${file:/pa',
  ],
  [
    'variable unknown kind',
    replaced('./lake', '"${vault:x}"'),
    'SLU-CFG-1002 2:15 store.url|write ${NAME}, ${NAME:-default} or ${file:/pa',
  ],
  [
    'file variable missing',
    replaced('{ url: ./lake }', '\n  url: ${file:/no/such/file}'),
    'SLU-CFG-1003 3:8 store.url|create /no/such/file with the value in it, re',
  ],
  [
    'variable port text',
    databaseWith('connectTimeoutMs: "${T}"'),
    'SLU-CFG-1002 5:58 sources.pg.postgres.connectTimeoutMs|From 100 to 600000',
  ],
  [
    'workFolder number',
    replaced('store:', 'workFolder: 7\nstore:'),
    'SLU-CFG-1002 2:13 workFolder|Default: .sluice.',
  ],
  [
    'name long',
    replaced('store:', 'name: ' + 'a'.repeat(64) + '\nstore:'),
    'SLU-CFG-1002 2:7 name|Default: sluice.',
  ],
  [
    'octal',
    followed('    threads: 0o7777\n'),
    'SLU-CFG-1002 12:14 pipelines[0].threads|From 1 to 256',
  ],
]
