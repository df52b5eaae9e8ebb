import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join, resolve } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { runInFolder } from '../support/cli/host.ts'

const LAUNCHER = resolve(import.meta.dirname, '../../src/cli/sluice.cjs')
let folder = ''

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'sluice-completion-'))
  symlinkSync(LAUNCHER, join(folder, 'sluice'))
  writeFileSync(
    join(folder, 'sluice.yaml'),
    `apiVersion: v1
store: { url: ./lake }
sources:
  in: { files: { path: ./in, stream: orders } }
pipelines:
  - { name: shop, from: in, tables: [orders], to: { namespace: sales, key: [id] } }
`,
  )
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What bash offers after TAB at the end of the words, with the function that it has registered. */
function tab(...words: readonly string[]): readonly string[] {
  const script = `
    eval "$(sluice completion bash)"
    [[ $(complete -p sluice) == *' -F _sluice '* ]] || exit 9
    COMP_WORDS=(sluice "$@"); COMP_CWORD=$#
    _sluice sluice "\${COMP_WORDS[COMP_CWORD]}" "\${COMP_WORDS[COMP_CWORD-1]}"
    printf '%s\\n' "\${COMPREPLY[@]}"`
  const path = [folder, dirname(process.execPath), process.env['PATH']].join(delimiter)
  const text = execFileSync('bash', ['--norc', '-euc', script, 'bash', ...words], {
    cwd: folder,
    env: { ...process.env, PATH: path },
    encoding: 'utf8',
  })
  return text.split('\n').filter((line) => line !== '')
}

test('bash completes commands, options and the names of a configuration', () => {
  expect(tab('ver')).toEqual(['verify', 'version'])
  expect(tab('show', '')).toEqual(['sales.orders'])
  expect(tab('status', 's')).toEqual(['shop'])
  expect(tab('sql', '--format', 'c')).toEqual(['csv'])
  expect(tab('-c', 'nowhere.yaml', 'show', '')).toEqual([])
})

test.each(['bash', 'zsh', 'fish'])(
  'prints a script for %s that calls the command',
  async (shell) => {
    const { exitCode, stdout } = await runInFolder(folder, ['completion', shell])
    expect(exitCode).toBe(0)
    expect(stdout).toContain(' __complete ')
  },
)

test('knows no other shell', async () => {
  const { exitCode, stderr } = await runInFolder(folder, ['completion', 'tcsh'])
  expect([exitCode, stderr]).toEqual([2, expect.stringContaining('bash, zsh, fish')])
})
