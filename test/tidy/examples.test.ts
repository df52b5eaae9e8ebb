import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { VERBS } from '../../src/cli/verb-list.ts'
import { sourceSpecs } from '../../src/compose.ts'
import { checkConfig } from '../../src/config/index.ts'
import { NEXT_COMMANDS } from '../../src/quickstart/index.ts'
import { expectNone, repoFiles, textOf } from './source-tree.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-examples-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** Blocks of a language in all pages, with the line they begin at. */
function samples(language: string): readonly { readonly place: string; readonly text: string }[] {
  return repoFiles()
    .filter((file) => file.endsWith('.md'))
    .flatMap((file) => {
      const page = textOf(file)
      const blocks = page.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)
      return [...blocks]
        .filter((block) => block[1] === language)
        .map((block) => ({
          place: `${file}:${page.slice(0, block.index).split('\n').length}`,
          text: block[2] ?? '',
        }))
    })
}

describe('examples in the docs', () => {
  it('are valid where they are whole configurations', async () => {
    const specs = await sourceSpecs()
    const whole = samples('yaml').filter(({ text }) => text.includes('apiVersion:'))
    expect(whole.length).toBeGreaterThan(0)
    const problems = whole.flatMap(({ place, text }, index) => {
      const file = path.join(folder, `${index}.yaml`)
      writeFileSync(file, text)
      const result = checkConfig(file, specs, { variables: { env: () => 'x', file: () => 'x' } })
      if (result.kind !== 'invalid') return []
      return result.problems.map((problem) => `${place} ${JSON.stringify(problem)}`)
    })
    expectNone(problems)
  })

  it('call commands that exist', () => {
    const known = new Set(VERBS.map((verb) => verb.usage.split(' ')[0]))
    const unknown = samples('').flatMap(({ place, text }) =>
      [...text.matchAll(/^npx sluice (\w+)/gm)]
        .filter((match) => !known.has(match[1] ?? ''))
        .map((match) => `${place} ${match[0]}`),
    )
    expectNone(unknown)
  })

  it('are the commands that the quickstart tells to try', () => {
    const readme = textOf('README.md')
    expectNone(NEXT_COMMANDS.filter((command) => !readme.includes(command)))
  })
})
