import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { parseArguments } from '../../src/cli/program.ts'
import { VERBS } from '../../src/cli/verb-list.ts'
import { sourceSpecs } from '../../src/compose.ts'
import { checkConfig } from '../../src/config/index.ts'
import { NEXT_COMMANDS } from '../../src/quickstart/index.ts'
import { commandLines, samples } from '../support/doc-examples.ts'
import { expectNone, textOf } from './source-tree.ts'

const folder = mkdtempSync(path.join(tmpdir(), 'sluice-examples-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

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

  it('are command lines that the parser takes, in the docs and in every help text', async () => {
    const lines = commandLines()
    expect(lines.length).toBeGreaterThan(40)
    const wrong = await Promise.all(
      lines.map(async ({ place, line, args }) =>
        parseArguments(args, { write: () => undefined }).then(
          () => [],
          (error: unknown) => [`${place} ${line}: ${String(error)}`],
        ),
      ),
    )
    expectNone(wrong.flat())
  })

  it('are given for every command', () => {
    expectNone(VERBS.filter(({ examples }) => examples.length === 0).map(({ usage }) => usage))
  })

  it('are the commands that the quickstart tells to try', () => {
    const readme = textOf('README.md')
    expectNone(NEXT_COMMANDS.filter((command) => !readme.includes(command)))
  })
})
