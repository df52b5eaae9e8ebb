import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import { sourceSpecs } from '../../../../src/compose.ts'
import { checkConfig, type SourceSpec, type Variables } from '../../../../src/config/index.ts'
import { isSluiceError } from '../../../../src/model/index.ts'
import { GOOD } from '../../../support/config/good-configuration.ts'
import { WRONG_PIPELINES } from '../../../support/config/wrong-pipelines.ts'
import { WRONG_SOURCES } from '../../../support/config/wrong-sources.ts'
import { WRONG_TEXTS } from '../../../support/config/wrong-texts.ts'
import { giveAway, runSteps } from '../../../support/damage/as-nobody.ts'

const variables: Variables = { env: (name) => (name === 'T' ? 'soon' : null), file: () => null }
let specs: readonly SourceSpec[] = []
let folder = ''

beforeAll(async () => {
  specs = await sourceSpecs()
})
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-wrong-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

function write(name: string, text: string | Buffer): string {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

interface Told {
  readonly problem: string
  readonly fix: string
}

/** `code line:column setting` and the remedy of each problem; the file as well in a folder. */
function told(path: string, withFile = false): readonly Told[] {
  const result = checkConfig(path, specs, { variables })
  if (result.kind !== 'invalid') return []
  return result.problems.map(({ code, place, path: setting, rule, fix }) => {
    expect(rule).not.toBe('')
    expect(place.file.startsWith(path)).toBe(true)
    const file = withFile ? `${place.file.slice(path.length + 1)}:` : ''
    return { problem: `${code} ${file}${place.line}:${place.column} ${setting}`, fix }
  })
}

function expectTold(found: readonly Told[], expected: readonly string[]): void {
  const split = expected.map((line) => line.split('|') as [string, string])
  expect(found.map(({ problem }) => problem)).toEqual(split.map(([problem]) => problem))
  for (const [index, [, remedy]] of split.entries()) expect(found[index]?.fix).toContain(remedy)
}

test('the configuration that the wrong ones are made from is right', () => {
  expect(checkConfig(write('sluice.yaml', GOOD), specs, { variables }).kind).toBe('valid')
})

test.each([...WRONG_TEXTS, ...WRONG_SOURCES, ...WRONG_PIPELINES])('%s', (_, text, ...expected) => {
  expectTold(told(write('sluice.yaml', text)), expected as readonly string[])
})

/** Files of a folder, and what is told about them. */
const FOLDERS: readonly (readonly [string, Readonly<Record<string, string>>, readonly string[]])[] =
  [
    [
      'one source in two files',
      { 'a.yaml': GOOD, 'b.yaml': 'sources: { pg: { files: { path: x } } }\n' },
      ['SLU-CFG-1004 b.yaml:1:12 sources.pg|keep it in one file'],
    ],
    [
      'one store in two files',
      { 'a.yaml': GOOD, 'b.yaml': 'store: { url: ./other }\n' },
      ['SLU-CFG-1004 b.yaml:1:1 store|keep it in one file'],
    ],
    [
      'two versions of the format',
      { 'a.yaml': GOOD, 'b.yaml': 'apiVersion: v2\n' },
      ['SLU-CFG-1004 b.yaml:1:1 apiVersion|keep it in one file'],
    ],
    [
      'one pipeline name in two files',
      { 'a.yaml': GOOD, 'b.yaml': 'pipelines: [{ name: shop, from: in, tables: [in] }]\n' },
      ['SLU-CFG-1004 b.yaml:1:21 pipelines[1].name|rename one'],
    ],
    [
      'one table in two files',
      { 'a.yaml': GOOD, 'b.yaml': 'pipelines: [{ name: b, from: in, tables: [orders] }]\n' },
      ['SLU-CFG-1004 b.yaml:1:43 pipelines[1].tables[0]|overrides: { orders: { table'],
    ],
    [
      'an empty file in the folder',
      { 'a.yaml': GOOD, 'b.yaml': '' },
      ['SLU-CFG-1001 b.yaml:1:1 |`apiVersion: v1`'],
    ],
    [
      'a broken file in the folder',
      { 'a.yaml': GOOD, 'b.yaml': 'name: [\n' },
      ['SLU-CFG-1001 b.yaml:2:1 |begin in one column'],
    ],
    [
      'a source of another file that is mistyped',
      {
        'a.yaml': GOOD,
        'b.yaml': 'pipelines: [{ name: b, from: inn, tables: [x] }]\n',
      },
      ['SLU-CFG-1004 b.yaml:1:30 pipelines[1].from|"in"'],
    ],
  ]

test.each(FOLDERS)('%s', (_, files, expected) => {
  for (const [name, text] of Object.entries(files)) write(name, text)
  expectTold(told(folder, true), expected)
})

const thrown = (path: string): unknown => {
  try {
    return checkConfig(path, specs, { variables })
  } catch (error) {
    return error
  }
}

test.each([
  ['a file that is not there', 'none.yaml', 'there is no such file'],
  ['a folder without a configuration', 'empty', 'holds no .yaml file'],
  ['a link to nothing', 'dangling.yaml', 'there is no such file'],
  ['a link to itself', 'loop.yaml', 'ELOOP'],
  ['a path through a file', 'file/sluice.yaml', 'ENOTDIR'],
])('%s', (_, name, reason) => {
  mkdirSync(join(folder, 'empty'))
  write('file', 'x')
  symlinkSync(join(folder, 'nowhere'), join(folder, 'dangling.yaml'))
  symlinkSync(join(folder, 'loop.yaml'), join(folder, 'loop.yaml'))
  const error = thrown(join(folder, name))
  expect(isSluiceError(error, 'SLU-CFG-1001')).toBe(true)
  expect((error as Error).message).toContain(reason)
  expect((error as Error).message).toContain(name)
})

test('a file that this user may not read', async () => {
  const path = write('sluice.yaml', GOOD)
  giveAway(folder)
  const [result] = await runSteps([
    { path, mode: 0o000 },
    { folder, args: ['validate', path] },
  ])
  expect(result?.exitCode).toBe(78)
  expect(result?.stderr).toContain('SLU-CFG-1001')
  expect(result?.stderr).toContain(`${path}: no permission to read it`)
})
