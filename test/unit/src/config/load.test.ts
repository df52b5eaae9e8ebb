import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { z } from 'zod'
import {
  type ConfigProblem,
  checkConfig,
  loadConfig,
  type SourceSpec,
  type Variables,
} from '../../../../src/config/index.ts'
import { isSluiceError } from '../../../../src/model/index.ts'

const specs: readonly SourceSpec[] = [
  {
    type: 'postgres',
    summary: 'A database.',
    hasKeys: true,
    hasPatterns: true,
    hasWholeRecords: false,
    schema: z.strictObject({
      url: z.string(),
      password: z.string().optional(),
      port: z.number().int().max(65_535).optional(),
      tls: z.boolean().optional(),
    }),
  },
  {
    type: 'files',
    summary: 'A folder.',
    hasKeys: false,
    hasWholeRecords: true,
    schema: z.strictObject({ folder: z.string() }),
  },
]

const GOOD = `apiVersion: v1
store: { url: ./lake }
sources:
  pg:
    postgres: { url: 'postgres://h/d' }
pipelines:
  - name: shop
    from: pg
    tables: [public.orders]
`

let folder = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-config-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function variables(values: Readonly<Record<string, string>> = {}): Variables {
  return { env: (name) => values[name] ?? null, file: (path) => values[path] ?? null }
}

function write(name: string, text: string): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

function problemsIn(text: string, values = {}): readonly ConfigProblem[] {
  const path = write('sluice.yaml', text)
  const result = checkConfig(path, specs, { variables: variables(values) })
  return result.kind === 'invalid' ? result.problems : []
}

/** `code line:column path` of each problem. */
function briefly(problems: readonly ConfigProblem[]): readonly string[] {
  return problems.map(({ code, place, path }) => `${code} ${place.line}:${place.column} ${path}`)
}

function load(text: string, values = {}) {
  return loadConfig(write('sluice.yaml', text), specs, { variables: variables(values) })
}

test('deals out what the process may use, where a pipeline says nothing else', () => {
  const [pipeline] = load(`processMemory: 512MiB\n${GOOD}    index: { memory: 64MiB }\n`).pipelines
  expect(pipeline).toMatchObject({
    engineMemoryBytes: 133 * 1024 ** 2,
    index: { memoryBytes: 64 * 1024 ** 2, spill: 'disk' },
    inFlightBytesMax: 22 * 1024 ** 2,
  })
  const [large] = load(`processMemory: 64GiB\n${GOOD}`).pipelines
  const [byDefault] = load(GOOD).pipelines
  expect(large?.engineMemoryBytes).toBeGreaterThan(4 * (byDefault?.engineMemoryBytes ?? Infinity))
  expect(problemsIn(`processMemory: 256MiB\n${GOOD}`)).toMatchObject([
    { code: 'SLU-CFG-1004', path: 'processMemory', fix: 'write 388 MiB or more' },
  ])
})

test('fills in every default of a minimal file', () => {
  const config = load(GOOD)
  expect(config).toMatchObject({
    name: 'sluice',
    baseFolder: folder,
    workFolder: join(folder, '.sluice'),
    store: { kind: 'local', url: `file://${folder}/lake`, folder: join(folder, 'lake') },
    sources: [{ name: 'pg', type: 'postgres', settings: { url: 'postgres://h/d' } }],
  })
  const [pipeline] = config.pipelines
  expect(pipeline).toMatchObject({
    name: 'shop',
    source: 'pg',
    commit: {
      intervalMs: 10_000,
      rowsMax: 200_000,
      bytesMax: 128 * 1024 ** 2,
      partRowsMax: 200_000,
      partBytesMax: 64 * 1024 ** 2,
    },
    engineMemoryBytes: 512 * 1024 ** 2,
    tombstoneTtlMs: 7 * 86_400_000,
    compressionLevel: 1,
  })
  expect(pipeline?.engineThreads).toBeGreaterThan(0)
  expect(pipeline?.targets).toEqual([
    {
      rejects: { onError: 'stop', stopAfter: { count: 1000, windowMs: 3_600_000 } },
      stream: 'public.orders',
      table: 'orders',
      root: 'orders',
      mode: 'upsert',
      isModeOpen: true,
      key: null,
      orderingColumn: null,
      partitionBy: [],
      properties: {},
      deleteWhen: null,
      schema: {
        add: 'apply',
        widen: 'apply',
        rename: 'apply',
        drop: 'keep',
        incompatible: 'stop',
      },
    },
  ])
})

test('lets a pipeline win over defaults, and an override over both', () => {
  const config =
    load(`${GOOD.replace('store:', 'defaults: { commit: { every: 2s, maxRows: 7 } }\nstore:')}
    commit: { maxRows: 9 }
    to: { namespace: shop, partitionBy: [a] }
    overrides: { public.orders: { partitionBy: [b], table: bestellungen, key: [id] } }
`)
  expect(config.pipelines[0]?.commit).toMatchObject({ intervalMs: 2000, rowsMax: 9 })
  expect(config.pipelines[0]?.targets[0]).toMatchObject({
    table: 'bestellungen',
    partitionBy: ['b'],
    key: ['id'],
  })
})

test('names tables by namespace and last part of the stream', () => {
  const config = load(`${GOOD}    to: { namespace: shop.eu }\n`)
  expect(config.pipelines[0]?.targets[0]).toMatchObject({
    table: 'shop.eu.orders',
    root: 'shop/eu/orders',
  })
})

test('tells an unknown setting with the nearest known name', () => {
  const [problem, ...rest] = problemsIn(GOOD.replace('store:', 'stor: { url: x }\nstore:'))
  expect(rest).toEqual([])
  expect(problem).toMatchObject({
    code: 'SLU-CFG-1002',
    path: 'stor',
    fix: 'did you mean "store"?',
  })
  expect(problem?.place).toMatchObject({ line: 2, column: 1 })
})

test('tells a wrong type with the value seen and what to write', () => {
  const text = `${GOOD}    commit: { maxRows: many, every: 10 }\n`
  expect(problemsIn(text)).toMatchObject([
    {
      code: 'SLU-CFG-1002',
      path: 'pipelines[0].commit.maxRows',
      seen: 'many',
      rule: 'must be a number',
    },
    {
      code: 'SLU-CFG-1002',
      path: 'pipelines[0].commit.every',
      seen: '10',
      rule: 'must be a duration with its unit',
    },
  ])
})

test('tells every problem of a file at once, in the order of the lines', () => {
  const text = `apiVersion: v2
store: { url: ./lake, region: eu }
sources:
  pg:
    postgres: { urll: x }
  other: { pulsar: {} }
pipelines:
  - name: Shop
    from: pg
    tables: []
    to: { mode: upsrt }
`
  expect(briefly(problemsIn(text))).toEqual([
    'SLU-CFG-1002 1:13 apiVersion',
    'SLU-CFG-1002 2:23 store.region',
    'SLU-CFG-1002 5:5 sources.pg.postgres.url',
    'SLU-CFG-1002 5:17 sources.pg.postgres.urll',
    'SLU-CFG-1002 6:12 sources.other.pulsar',
    'SLU-CFG-1002 8:11 pipelines[0].name',
    'SLU-CFG-1002 10:13 pipelines[0].tables',
    'SLU-CFG-1002 11:17 pipelines[0].to.mode',
  ])
})

test('tells a missing setting at its parent', () => {
  const [problem] = problemsIn(GOOD.replace("{ url: 'postgres://h/d' }", '{ port: 1 }'))
  expect(problem).toMatchObject({
    code: 'SLU-CFG-1002',
    path: 'sources.pg.postgres.url',
    rule: 'the setting "url" is missing',
  })
  expect(problem?.place.line).toBe(5)
})

test('tells syntax errors with their place', () => {
  expect(briefly(problemsIn('apiVersion: v1\nstore: { url: ./lake\nname: x\n'))).toEqual([
    'SLU-CFG-1001 3:1 ',
  ])
  expect(problemsIn('')).toMatchObject([{ code: 'SLU-CFG-1001', rule: 'the file is empty' }])
  expect(problemsIn('- a\n')).toMatchObject([{ code: 'SLU-CFG-1001' }])
})

test('tells a setting that stands twice', () => {
  const text = GOOD.replace('apiVersion: v1', 'apiVersion: v1\nname: a\nname: b')
  expect(briefly(problemsIn(text))).toEqual(['SLU-CFG-1001 3:1 '])
})

test('explains that a variable inside brackets needs quotes', () => {
  const [problem] = problemsIn(GOOD.replace("'postgres://h/d'", '${URL}'))
  expect(problem).toMatchObject({ code: 'SLU-CFG-1001' })
  expect(problem?.fix).toContain('needs quotes')
})

test('replaces variables, defaults, files and escaped dollars', () => {
  const settings = (value: string, values = {}) =>
    load(
      GOOD.replace("{ url: 'postgres://h/d' }", () => `{ url: "${value}" }`),
      values,
    ).sources[0]?.settings
  expect(settings('${A}/${env:B}', { A: 'x', B: 'y' })).toEqual({ url: 'x/y' })
  expect(settings('${A:-fall}${B:-}', { B: '' })).toEqual({ url: 'fall' })
  expect(settings('${env:A:-a:-b}')).toEqual({ url: 'a:-b' })
  expect(settings('${file:/run/secret}', { '/run/secret': 'geheim' })).toEqual({ url: 'geheim' })
  expect(settings('$$5 $${A} $x')).toEqual({ url: '$5 ${A} $x' })
})

test('lets no variable inject settings', () => {
  const text = GOOD.replace("{ url: 'postgres://h/d' }", '\n      url: ${URL}')
  const config = load(text, { URL: 'x\n      port: 1' })
  expect(config.sources[0]?.settings).toEqual({ url: 'x\n      port: 1' })
})

test('turns a variable into a number or a boolean only where the setting asks for one', () => {
  const text = GOOD.replace(
    "{ url: 'postgres://h/d' }",
    '{ url: "${A}", password: "${B}", port: "${C}", tls: "${D}" }',
  )
  const config = load(text, { A: 'true', B: '0123', C: '5432', D: 'true' })
  expect(config.sources[0]?.settings).toEqual({
    url: 'true',
    password: '0123',
    port: 5432,
    tls: true,
  })
})

test('applies the rules to what a variable holds, and shows its name instead of its value', () => {
  const text = GOOD.replace("{ url: 'postgres://h/d' }", '{ url: a, port: "${PORT}" }')
  expect(problemsIn(text, { PORT: '99999' })).toMatchObject([
    { path: 'sources.pg.postgres.port', seen: '${PORT}', rule: 'must be at most 65535' },
  ])
})

test('tells every missing variable and file with SLU-CFG-1003 and nothing else about them', () => {
  const text = `${GOOD.replace("'postgres://h/d'", '"${URL}"')}    threads: \${THREADS}
    memory: \${file:/run/memory}
`
  const problems = problemsIn(text)
  expect(briefly(problems)).toEqual([
    'SLU-CFG-1003 5:22 sources.pg.postgres.url',
    'SLU-CFG-1003 10:14 pipelines[0].threads',
    'SLU-CFG-1003 11:13 pipelines[0].memory',
  ])
  expect(problems[0]?.fix).toContain('${URL:-value}')
})

test('treats an unquoted variable that comes out empty as not set', () => {
  const config = load(`${GOOD}    threads: \${THREADS:-}\n`)
  expect(config.pipelines[0]?.engineThreads).toBeGreaterThan(0)
})

test('tells text that only looks like a variable', () => {
  expect(problemsIn(`${GOOD}    memory: \${A B}\n`)).toMatchObject([
    { code: 'SLU-CFG-1002', path: 'pipelines[0].memory', seen: '${A B}' },
  ])
})

test('shows no password of a URL and no value of a secret setting', () => {
  const text = GOOD.replace(
    "{ url: 'postgres://h/d' }",
    "{ url: ['postgres://me:geheim@h/d'], password: 4711 }",
  )
  const message = JSON.stringify(problemsIn(text))
  expect(message).not.toContain('geheim')
  expect(message).not.toContain('4711')
  const store = JSON.stringify(problemsIn(GOOD.replace('./lake', 's3://me:geheim@lake')))
  expect(store).toContain('s3://me:***@lake')
  expect(store).not.toContain('geheim')
})

test('refuses stores that are not supported yet', () => {
  expect(problemsIn(GOOD.replace('./lake', 's3://bucket/x'))).toMatchObject([
    { code: 'SLU-CFG-1005', path: 'store.url', seen: 's3://bucket/x' },
  ])
  expect(load(GOOD.replace('./lake', 'file:///data/lake')).store.folder).toBe('/data/lake')
})

test('tells sources that are unknown, of two types or of none', () => {
  expect(problemsIn(GOOD.replace('from: pg', 'from: pgg'))).toMatchObject([
    { code: 'SLU-CFG-1004', path: 'pipelines[0].from', fix: 'did you mean "pg"?' },
  ])
  const two = GOOD.replace('postgres: {', 'files: { folder: x }\n    postgres: {')
  expect(problemsIn(two)).toMatchObject([
    { path: 'sources.pg', rule: 'a source has exactly one type' },
  ])
})

test('tells tables that meet, by case too, or that lie inside each other', () => {
  const tables = (list: string) => briefly(problemsIn(GOOD.replace('[public.orders]', list)))
  expect(tables('[public.a, public.a]')).toEqual(['SLU-CFG-1004 9:24 pipelines[0].tables[1]'])
  expect(tables('[public.a, public.A]')).toEqual(['SLU-CFG-1004 9:24 pipelines[0].tables[1]'])
  expect(tables('[public.a, sales.a]')).toEqual(['SLU-CFG-1004 9:24 pipelines[0].tables[1]'])
  const inside = `${GOOD.replace('[public.orders]', '[public.a, public.b]')}
    overrides: { public.a: { table: x }, public.b: { table: x.y } }
`
  expect(briefly(problemsIn(inside))).toEqual(['SLU-CFG-1004 9:24 pipelines[0].tables[1]'])
  const second = `${GOOD}  - { name: again, from: pg, tables: [sales.Orders] }\n`
  expect(briefly(problemsIn(second))).toEqual(['SLU-CFG-1004 10:39 pipelines[1].tables[0]'])
})

test('tells an override of a stream that is not read, and one name for several streams', () => {
  const text = `${GOOD}    overrides: { public.order: { mode: append } }\n`
  expect(problemsIn(text)).toMatchObject([
    { code: 'SLU-CFG-1004', fix: 'did you mean "public.orders"?' },
  ])
  const several = GOOD.replace('[public.orders]', '[public.a, public.b]')
  expect(briefly(problemsIn(`${several}    to: { table: t }\n`))).toEqual([
    'SLU-CFG-1004 10:18 pipelines[0].to.table',
  ])
})

test('asks for a key where the source names none, and else appends', () => {
  const files = GOOD.replace("postgres: { url: 'postgres://h/d' }", 'files: { folder: in }')
  expect(load(files).pipelines[0]?.targets[0]?.mode).toBe('append')
  expect(load(`${files}    to: { key: [id] }\n`).pipelines[0]?.targets[0]?.mode).toBe('upsert')
  expect(problemsIn(`${files}    to: { mode: upsert }\n`)).toMatchObject([{ code: 'SLU-CFG-1004' }])
  expect(problemsIn(`${files}    to: { mode: append, key: [id] }\n`)).toMatchObject([
    { code: 'SLU-CFG-1004' },
  ])
})

test('reads a folder: sources by name, pipelines one after the other, the rest once', () => {
  write('a.yaml', GOOD)
  write('b.yml', 'sources: { f: { files: { folder: in } } }\n')
  write('c.yaml', 'apiVersion: v1\npipelines:\n  - { name: more, from: f, tables: [events] }\n')
  write('.hidden.yaml', 'nonsense: [')
  const config = loadConfig(folder, specs, { variables: variables() })
  expect(config.baseFolder).toBe(folder)
  expect(config.pipelines.map((pipeline) => pipeline.name)).toEqual(['shop', 'more'])
  expect(config.sources.map((source) => source.name)).toEqual(['pg', 'f'])
})

test('names the file of a problem in a folder', () => {
  write('a.yaml', GOOD)
  write('b.yaml', 'store: { url: x }\nsources: { pg: { files: {} } }\n')
  write('c.yaml', 'pipelines:\n  - { name: more, from: pg, tables: [x], moode: 1 }\n')
  const result = checkConfig(folder, specs, { variables: variables() })
  const problems = result.kind === 'invalid' ? result.problems : []
  expect(
    problems.map(({ place, path }) => `${place.file.slice(folder.length)}:${place.line} ${path}`),
  ).toEqual(['/b.yaml:1 store', '/b.yaml:2 sources.pg', '/c.yaml:2 pipelines[1].moode'])
})

test('throws one coded error with all problems when loading', () => {
  try {
    load(GOOD.replace('from: pg', 'from: x').replace('./lake', 's3://b'))
    expect.unreachable()
  } catch (error) {
    expect(isSluiceError(error, 'SLU-CFG-1005')).toBe(true)
    expect((error as Error).message).toContain('2 problems')
    expect((error as Error).message).toContain('there is no source "x"')
  }
})

test('tells why a file cannot be read', () => {
  const path = join(folder, 'none.yaml')
  expect(() => checkConfig(path, specs)).toThrowError(/there is no such file/)
  mkdirSync(join(folder, 'empty'))
  expect(() => checkConfig(join(folder, 'empty'), specs)).toThrowError(/no \.yaml file/)
})

test('lets missing variables pass as warnings when asked to', () => {
  const text = GOOD.replace("'postgres://h/d'", '"${URL}", port: "${PORT}"')
  const options = { variables: variables(), allowMissingVariables: true }
  const result = checkConfig(write('sluice.yaml', text), specs, options)
  expect(result.kind).toBe('incomplete')
  expect(result.kind === 'incomplete' ? briefly(result.warnings) : []).toEqual([
    'SLU-CFG-1003 5:22 sources.pg.postgres.url',
    'SLU-CFG-1003 5:38 sources.pg.postgres.port',
  ])
  const worse = write('sluice.yaml', text.replace('from: pg', 'from: pgx'))
  expect(checkConfig(worse, specs, options).kind).toBe('invalid')
})

test('stops at an alias bomb', () => {
  const bomb = Array.from({ length: 30 }, (_, level) => {
    const inner = level === 0 ? 'x' : `*a${level - 1}`
    return `a${level}: &a${level} [${Array(10).fill(inner).join(', ')}]`
  })
  expect(problemsIn(`${bomb.join('\n')}\n`)).toMatchObject([{ code: 'SLU-CFG-1001' }])
})

test('patterns and exclusions make a selection beside the named streams', () => {
  const text = GOOD.replace(
    /tables: .*/,
    `tables: [public.users, 'public.*', 'sales.order_*', '!public.tmp_*']
    to: { namespace: lake, mode: append }
    overrides: { public.orders: { mode: upsert, key: [id] }, public.users: { table: people } }`,
  )
  const [pipeline] = load(text).pipelines
  expect(pipeline?.targets).toMatchObject([{ stream: 'public.users', table: 'people' }])
  expect(pipeline?.selection).toMatchObject({
    patterns: ['public.*', 'sales.order_*', '!public.tmp_*'],
    namespace: 'lake',
    namesSchema: true,
    template: { table: null, mode: 'append' },
  })
  expect([...(pipeline?.selection?.overrides ?? [])]).toMatchObject([
    ['public.orders', { mode: 'upsert', key: ['id'] }],
  ])
})

test.each([
  ["['public.*', '!public.users', public.users]", '"public.users" is named and left out'],
  ["['!public.users']", 'there is nothing that it could be left out of'],
  ["['orders_*']", '"orders_*" is no pattern of tables'],
  ["['public.*', 'public.*']", 'the stream is in this list twice'],
])('tables: %s is wrong: %s', (tables, rule) => {
  const problems = problemsIn(GOOD.replace(/tables: .*/, `tables: ${tables}`))
  expect(problems.map((problem) => problem.rule)).toContain(rule)
})

test('an override must be of a stream that is named or that patterns choose', () => {
  const text = GOOD.replace(
    /tables: .*/,
    "tables: ['public.*']\n    overrides: { sales.orders: { mode: append } }",
  )
  expect(problemsIn(text).map(({ rule }) => rule)).toEqual([
    '"sales.orders" is not among the tables of this pipeline',
  ])
})

test('gives tables the properties of the pipeline and those of their own', () => {
  const to = `    to: { properties: { owner: shop, delta.checkpointInterval: 50 } }
    overrides:
      public.orders: { properties: { owner: orders, delta.checkpointPolicy: v2 } }
`
  const [pipeline] = load(
    `${GOOD.replace('[public.orders]', '[public.orders, public.items]')}${to}`,
  ).pipelines
  expect(pipeline?.targets.map(({ properties }) => properties)).toEqual([
    { owner: 'orders', 'delta.checkpointInterval': '50', 'delta.checkpointPolicy': 'v2' },
    { owner: 'shop', 'delta.checkpointInterval': '50' },
  ])
})

test('refuses properties that a table of ours cannot keep, and says which it can', () => {
  const [problem, ...rest] = problemsIn(
    `${GOOD}    to: { properties: { delta.enableChangeDataFeed: true } }\n`,
  )
  expect(rest).toEqual([])
  expect(problem?.rule).toContain('"delta.enableChangeDataFeed" cannot be set: changes are read')
})
