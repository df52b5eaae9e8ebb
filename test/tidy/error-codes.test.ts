import { describe, it } from 'vitest'
import { ERROR_CODES } from '../../src/model/index.ts'
import { expectNone, productFiles, repoFiles, textOf } from './source-tree.ts'

const CATALOGUES = /^src\/model\/([a-z]+-)?error-codes\.ts$/
const PAGE = 'docs/reference/errors.md'
const CODE = /SLU-[A-Z]+-\d{4}/g
const known = Object.keys(ERROR_CODES)
const codesIn = (text: string): readonly string[] => [...new Set(text.match(CODE) ?? [])]

describe('error codes', () => {
  it('exist in the catalogue wherever the source names one', () => {
    const unknown = productFiles().flatMap((file) =>
      codesIn(file.text)
        .filter((code) => !known.includes(code))
        .map((code) => `${file.path} ${code}`),
    )
    expectNone(unknown)
  })

  it('are all thrown or handed out somewhere', () => {
    const used = new Set(
      productFiles()
        .filter((file) => !CATALOGUES.test(file.path))
        .flatMap((file) => codesIn(withoutComments(file.text))),
    )
    expectNone(known.filter((code) => !used.has(code)))
  })

  it('have a meaning and a remedy that are sentences', () => {
    const weak = Object.entries(ERROR_CODES).flatMap(([code, entry]) =>
      [entry.meaning, entry.remedy].every((text) => /^[A-Z`].{10,}[.`]$/.test(text)) ? [] : [code],
    )
    expectNone(weak)
  })

  it(`stand in ${PAGE}, one entry each`, () => {
    const page = textOf(PAGE)
    const headings = page
      .split('\n')
      .filter((line) => line.startsWith('#'))
      .join('\n')
    expectNone(known.filter((code) => !headings.includes(code)))
    expectNone(codesIn(page).filter((code) => !known.includes(code)))
  })

  it('are real wherever a page of the docs names one', () => {
    const unknown = repoFiles()
      .filter((file) => file.endsWith('.md'))
      .flatMap((file) =>
        codesIn(textOf(file))
          .filter((code) => !known.includes(code))
          .map((code) => `${file} ${code}`),
      )
    expectNone(unknown)
  })
})

function withoutComments(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\//g, '').replaceAll(/^\s*\/\/.*$/gm, '')
}
