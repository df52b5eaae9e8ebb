import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, expect, test } from 'vitest'
import { REPO_ROOT } from '../tidy/source-tree.ts'

const folder = mkdtempSync(join(tmpdir(), 'sluice-cold-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

writeFileSync(
  join(folder, 'sluice.yaml'),
  `apiVersion: v1
store: { url: ./lake }
sources:
  landing: { files: { path: ./in, stream: orders } }
  shop: { postgres: { url: 'postgres://me@db.invalid/shop' } }
pipelines:
  - { name: orders, from: landing, tables: [orders], to: { key: [id] } }
  - { name: shop, from: shop, tables: [public.customers] }
`,
)

const HOOK = pathToFileURL(resolve(REPO_ROOT, 'test/support/cli/module-log.ts')).href

/** Packages and rooms of which a command loads a module. */
function loadedBy(...args: readonly string[]): {
  readonly packages: readonly string[]
  readonly rooms: readonly string[]
  /** Files of connectors. */
  readonly connectors: readonly string[]
} {
  const log = join(folder, 'modules.log')
  rmSync(log, { force: true })
  execFileSync(process.execPath, ['--import', HOOK, join(REPO_ROOT, 'src/main.ts'), ...args], {
    cwd: folder,
    env: { ...process.env, MODULE_LOG: log },
  })
  const root = pathToFileURL(`${REPO_ROOT}/`).href
  const files = readFileSync(log, 'utf8')
    .split('\n')
    .filter((url) => url.startsWith(root))
    .map((url) => url.slice(root.length))
  const unique = (found: readonly (string | undefined)[]): readonly string[] =>
    [...new Set(found.filter((one) => one !== undefined))].toSorted()
  return {
    packages: unique(files.map((file) => /^node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(file)?.[1])),
    rooms: unique(
      files.map((file) => /^((?:src|connectors|table-format)\/[\w-]+)\//.exec(file)?.[1]),
    ),
    connectors: unique(files.map((file) => /^connectors\/(.*)\.ts$/.exec(file)?.[1])),
  }
}

const LIGHT: readonly (readonly string[])[] = [
  ['--help'],
  ['run', '--help'],
  ['version'],
  ['explain', 'SLU-SRC-1203'],
  ['completion', 'bash'],
  ['__complete', 'run', '--on'],
]

test.each(LIGHT.map((args) => ({ args })))(
  '$args loads the parser of the command line alone',
  ({ args }) => {
    expect(loadedBy(...args)).toEqual({
      packages: ['commander'],
      rooms: ['src/cli', 'src/model', 'src/observe'],
      connectors: [],
    })
  },
)

test('validate loads what describes settings, and neither engine nor driver', () => {
  expect(loadedBy('validate')).toEqual({
    packages: ['commander', 'yaml', 'zod'],
    rooms: [
      'connectors/files',
      'connectors/kafka',
      'connectors/postgres',
      'src/cli',
      'src/config',
      'src/model',
      'src/observe',
    ],
    connectors: [
      'files/create-source',
      'files/index',
      'files/metadata',
      'files/spec',
      'kafka/create-source',
      'kafka/index',
      'kafka/spec',
      'postgres/create-source',
      'postgres/index',
      'postgres/spec',
      'postgres/types',
    ],
  })
})
