import { existsSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { expectNone, REPO_ROOT, repoFiles, textOf } from './source-tree.ts'

const pages = repoFiles().filter((file) => file.endsWith('.md'))
const texts = repoFiles().filter((file) => /\.(ts|cjs|js|md|json|ya?ml|sh)$|^\.ci\//.test(file))

describe('links', () => {
  it('lead somewhere, anchors included', () => {
    const broken = pages.flatMap((page) => brokenLinks(page, textOf(page)))
    expectNone(broken)
  })

  it('reach every page from the README', () => {
    const seen = new Set<string>()
    const follow = (page: string): void => {
      if (seen.has(page) || !pages.includes(page)) return
      seen.add(page)
      for (const { target } of linksOf(textOf(page))) {
        const [file] = target.split('#')
        if (file) follow(path.posix.join(path.posix.dirname(page), file))
      }
    }
    follow('README.md')
    expectNone(pages.filter((page) => !seen.has(page)))
  })
})

describe('words', () => {
  it('name no ticket and no place of one machine', () => {
    const foreign = [
      /\b(issue|ticket)s?\s+#?\d+/i,
      /(^|[\s(])#\d{1,5}\b(?!['"])/,
      /(^|[\s'"`(])\/(work|home|root|Users)\/[a-z]/,
    ]
    const breaches = texts
      .filter((file) => file !== 'test/tidy/docs.test.ts' && file !== 'package-lock.json')
      .flatMap((file) =>
        textOf(file)
          .split('\n')
          .flatMap((line, index) =>
            foreign.some((pattern) => pattern.test(line)) ? [`${file}:${index + 1} ${line}`] : [],
          ),
      )
    expectNone(breaches)
  })

  it('keep registry hosts out of the lock file', () => {
    const resolved = textOf('package-lock.json').match(/"resolved": "https?:.*/g) ?? []
    expectNone(resolved)
  })
})

describe('dependencies', () => {
  const manifest = JSON.parse(textOf('package.json')) as {
    dependencies: Record<string, string>
    devDependencies: Record<string, string>
  }
  const all = { ...manifest.dependencies, ...manifest.devDependencies }

  it('are pinned to one version', () => {
    const loose = Object.entries(all).filter(([, version]) => !/^\d+\.\d+\.\d+/.test(version))
    expectNone(loose.map(String))
  })

  it('have a line in docs/principles.md that says what each saves us', () => {
    const page = textOf('docs/principles.md')
    const silent = Object.keys(all).filter((name) => !page.includes(`| \`${name}\` |`))
    expectNone(silent)
  })
})

describe('tests', () => {
  it('stand where their source stands', () => {
    const strays = repoFiles()
      .filter((file) => /^test\/unit\/.*\.test\.ts$/.test(file))
      .filter((file) => {
        const source = file.slice('test/unit/'.length).replace(/\.test\.ts$/, '')
        return !existsSync(path.join(REPO_ROOT, `${source}.ts`))
      })
    expectNone(strays)
  })
})

describe('the docs test itself', () => {
  it('sees a missing file, a missing anchor and no code sample', () => {
    const text = [
      '# Some Title',
      '[good](README.md) [anchor](#some-title) [web](https://example.invalid)',
      '[gone](nowhere.md) [lost](#elsewhere)',
      '```',
      '[in a sample](nothing.md)',
      '```',
    ].join('\n')
    expect(brokenLinks('README.md', text)).toEqual([
      'README.md:3 nowhere.md',
      'README.md:3 #elsewhere',
    ])
  })
})

function brokenLinks(page: string, text: string): readonly string[] {
  return linksOf(text).flatMap(({ target, line }) => {
    if (/^[a-z]+:/.test(target)) return []
    const [file = '', anchor] = target.split('#')
    const resolved = file === '' ? page : path.posix.join(path.posix.dirname(page), file)
    const isThere = existsSync(path.join(REPO_ROOT, resolved))
    const content = file === '' ? text : isThere && resolved.endsWith('.md') ? textOf(resolved) : ''
    if (isThere && (anchor === undefined || anchorsOf(content).has(anchor))) return []
    return [`${page}:${line} ${target}`]
  })
}

function linksOf(text: string): readonly { readonly target: string; readonly line: number }[] {
  let isSample = false
  return text.split('\n').flatMap((line, index) => {
    if (line.startsWith('```')) isSample = !isSample
    if (isSample) return []
    const links = line.replaceAll(/`[^`]*`/g, (code) => '_'.repeat(code.length))
    const found = links.matchAll(/\]\(([^)\s]+)\)/g)
    return [...found].map((match) => ({ target: match[1] as string, line: index + 1 }))
  })
}

/**
 * Anchors as code hosts make them: lower case, spaces to dashes, punctuation gone; explicit ids
 * too.
 */
function anchorsOf(text: string): ReadonlySet<string> {
  const headings = text.split('\n').filter((line) => /^#+ /.test(line))
  const slugs = headings.map((line) =>
    line
      .replace(/^#+ /, '')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  )
  const ids = [...text.matchAll(/<a id="([^"]+)"/g)].map((match) => match[1] as string)
  return new Set([...slugs, ...ids])
}
