/** The examples of the docs and of the help texts, as tests run them. */

import { VERBS } from '../../src/cli/verb-list.ts'
import { repoFiles, textOf } from '../tidy/source-tree.ts'

/** A block of a page. */
export interface Sample {
  /** File and line. */
  readonly place: string
  readonly text: string
}

/** A command line of Sluice. */
export interface CommandLine {
  readonly place: string
  readonly line: string
  /** Arguments of the first `sluice` of the line; pipes and redirections left out. */
  readonly args: readonly string[]
}

/** Blocks of a language in all pages. */
export function samples(language: string): readonly Sample[] {
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

/** Every command line in the pages and in the help. */
export function commandLines(): readonly CommandLine[] {
  const inDocs = ['', 'sh', 'bash']
    .flatMap(samples)
    .flatMap(({ place, text }) => text.split('\n').map((line) => ({ place, line })))
  const inHelp = VERBS.flatMap(({ usage, examples }) =>
    examples.map(([line]) => ({ place: `help of ${usage}`, line })),
  )
  return [...inDocs, ...inHelp].flatMap(({ place, line }) => {
    const args = argumentsOf(line)
    return args === null ? [] : [{ place, line: line.trim(), args }]
  })
}

/** Arguments of the first `sluice` in a line of a shell; null when there is none. */
function argumentsOf(line: string): readonly string[] | null {
  const command = /(?:^|\$\(|\| *)(?:npx )?sluice(?= |$)(.*)$/.exec(line.trim())?.[1]
  if (command === undefined) return null
  const words: string[] = []
  for (const found of command.matchAll(
    /\s*(?:([|>&;#)].*)|((?:'[^']*'|"[^"]*"|[^\s'"|>&;)])+))/g,
  )) {
    if (found[1] !== undefined) break
    words.push((found[2] ?? '').replaceAll(/'([^']*)'|"([^"]*)"/g, '$1$2'))
  }
  return words
}
