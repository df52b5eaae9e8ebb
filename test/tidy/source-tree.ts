/** What the tidy tests look at: the files of the repository and their syntax trees. */

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect } from 'vitest'
import { parseAst } from 'vitest/node'

/** Root of the checkout. */
export const REPO_ROOT = path.resolve(import.meta.dirname, '../..')

/** Folders that hold the product, as opposed to its tests and docs. */
export const PRODUCT_FOLDERS = ['src', 'connectors', 'table-format'] as const

/** A node of the syntax tree; children are found by walking all properties. */
export interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly end: number
  readonly [property: string]: unknown
}

/** One TypeScript file. */
export interface SourceFile {
  /** Relative to the root, `/`-separated. */
  readonly path: string
  readonly text: string
  readonly program: SyntaxNode
}

/** An import or re-export, by whatever syntax. */
export interface ImportEdge {
  readonly from: string
  /** Relative imports: the file, relative to the root; others: the package or `node:` name. */
  readonly target: string
  readonly isRelative: boolean
  readonly line: number
}

let paths: readonly string[] | undefined
const parsed = new Map<string, SourceFile>()

/** Tracked files and files that git would track, in order; deleted ones left out. */
export function repoFiles(): readonly string[] {
  paths ??= execFileSync('git', ['ls-files', '-z', '-co', '--exclude-standard'], {
    cwd: REPO_ROOT,
    encoding: 'utf8',
  })
    .split('\0')
    .filter((file) => file !== '' && existsSync(path.join(REPO_ROOT, file)))
    .sort()
  return paths
}

/** Text of a file. */
export function textOf(file: string): string {
  return readFileSync(path.join(REPO_ROOT, file), 'utf8')
}

/** TypeScript files below the folders. */
export function typescriptFiles(folders: readonly string[]): readonly SourceFile[] {
  return repoFiles()
    .filter(
      (file) => file.endsWith('.ts') && folders.some((folder) => file.startsWith(`${folder}/`)),
    )
    .map(sourceFile)
}

/** TypeScript files of the product. */
export function productFiles(): readonly SourceFile[] {
  return typescriptFiles(PRODUCT_FOLDERS)
}

/** Parses one file; kept for the next test in the same process. */
export function sourceFile(file: string): SourceFile {
  const known = parsed.get(file)
  if (known) return known
  const source = parseText(file, textOf(file))
  parsed.set(file, source)
  return source
}

/** Parses text as if it stood at `file`; for tests of the tidy tests. */
export function parseText(file: string, text: string): SourceFile {
  return { path: file, text, program: parseAst(text, { lang: 'ts' }) as unknown as SyntaxNode }
}

/** Calls `visit` on every node, parents first. */
export function walk(node: SyntaxNode, visit: (node: SyntaxNode) => void): void {
  visit(node)
  for (const value of Object.values(node)) {
    if (isNode(value)) walk(value, visit)
    else if (Array.isArray(value)) {
      for (const item of value) if (isNode(item)) walk(item, visit)
    }
  }
}

/** True for a syntax node. */
export function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && 'type' in value && 'start' in value
}

/** Line number of a text offset, from 1. */
export function lineOf(text: string, offset: number): number {
  return text.slice(0, offset).split('\n').length
}

/** All imports of a file: static, type-only, re-exports, `import()` and `import('…').Type`. */
export function importsOf(source: SourceFile): readonly ImportEdge[] {
  const edges: ImportEdge[] = []
  walk(source.program, (node) => {
    const specifier = specifierOf(node)
    if (specifier === null) return
    const isRelative = specifier.startsWith('.')
    const target = isRelative
      ? path.posix.join(path.posix.dirname(source.path), specifier)
      : specifier
    edges.push({ from: source.path, target, isRelative, line: lineOf(source.text, node.start) })
  })
  return edges
}

function specifierOf(node: SyntaxNode): string | null {
  const takesSource =
    /^(Import|ExportNamed|ExportAll)Declaration$|^(TSImportType|ImportExpression)$/
  if (!takesSource.test(node.type)) return null
  const literal = node.source ?? node.argument
  return isNode(literal) && typeof literal.value === 'string' ? literal.value : null
}

/** Fails with one line a breach, so that a log alone tells what to mend. */
export function expectNone(breaches: readonly string[]): void {
  if (breaches.length > 0) expect.fail(`${breaches.length} found:\n${breaches.join('\n')}`)
}
