import { describe, expect, it } from 'vitest'
import { BANNED_USES, OWNED_MODULES } from './bans.ts'
import {
  expectNone,
  importsOf,
  isNode,
  lineOf,
  parseText,
  productFiles,
  type SourceFile,
  type SyntaxNode,
  textOf,
  typescriptFiles,
  walk,
} from './source-tree.ts'

const files = productFiles()
const fastTests = typescriptFiles(['test/unit', 'test/contract', 'test/property', 'test/golden'])
const isUnder = (file: string, places: readonly string[]): boolean =>
  places.some((place) => file === place || file.startsWith(`${place}/`))

describe('the product', () => {
  it('uses time, random, environment, exit and plain errors only where they are at home', () => {
    const breaches = files.flatMap((file) =>
      usesOf(file).flatMap(({ use, line }) => {
        const ban = BANNED_USES.find((entry) => entry.use === use)
        if (!ban || isUnder(file.path, ban.allowed)) return []
        return [`${file.path}:${line} ${use}: use ${ban.instead}`]
      }),
    )
    expectNone(breaches)
  })

  it('imports files, network and packages only in the rooms that own them', () => {
    const breaches = files.flatMap((file) =>
      importsOf(file).flatMap((edge) => {
        const owners = ownersOf(edge.target)
        if (edge.isRelative || owners === undefined || isUnder(file.path, owners)) return []
        return [`${file.path}:${edge.line} ${edge.target}: only ${owners.join(', ') || 'nobody'}`]
      }),
    )
    expectNone(breaches)
  })

  it('imports only the runtime and declared packages that have an owner', () => {
    const manifest = JSON.parse(textOf('package.json')) as { dependencies: object }
    const declared = new Set(Object.keys(manifest.dependencies))
    const strangers = files.flatMap((file) =>
      importsOf(file)
        .filter((edge) => !edge.isRelative && !edge.target.startsWith('node:'))
        .filter((edge) => !declared.has(edge.target) || ownersOf(edge.target) === undefined)
        .map((edge) => `${file.path}:${edge.line} ${edge.target}`),
    )
    expectNone(strangers)
  })

  it('does nothing at import time beyond defining', () => {
    expectNone(files.filter((file) => file.path !== 'src/main.ts').flatMap(importTimeWork))
  })
})

describe('fast tests', () => {
  it('never sleep and never ask the wall clock', () => {
    const waiting = /^(setTimeout|setInterval|Date\.now|performance\.now)$/
    const breaches = fastTests.flatMap((file) =>
      usesOf(file)
        .filter(({ use }) => waiting.test(use))
        .map(({ use, line }) => `${file.path}:${line} ${use}`),
    )
    expectNone(breaches)
  })

  it('are never focused', () => {
    const focused = typescriptFiles(['test']).flatMap((file) =>
      usesOf(file)
        .filter(({ use }) => /^(it|test|describe)\.only$/.test(use))
        .map(({ use, line }) => `${file.path}:${line} ${use}`),
    )
    expectNone(focused)
  })
})

describe('the ban test itself', () => {
  it('sees each banned use, and not the same words in comments or as properties', () => {
    const text = [
      'Date.now(); performance.now(); new Date(); Math.random()',
      'setTimeout(f, 1); globalThis.setInterval(f, 1); crypto.randomUUID()',
      'const { env } = process; process.exit(1); fetch("x"); throw new Error("x")',
      '// Date.now()',
      'new Date(5); clock.fetch(); const setTimeoutMs = 1',
    ].join('\n')
    const uses = usesOf(parseText('x.ts', text)).map(({ use }) => use)
    expect(uses).toEqual([
      'Date.now',
      'performance.now',
      'new Date()',
      'Math.random',
      'setTimeout',
      'setInterval',
      'randomUUID',
      'process.env',
      'process.exit',
      'fetch',
      'throw new Error',
    ])
  })

  it('lets a file call a function of its own that has such a name', () => {
    expect(usesOf(parseText('x.ts', 'fetch()\nconst fetch = () => 1'))).toEqual([])
  })

  it('finds the owner of a sub-path import', () => {
    expect(ownersOf('node:fs/promises')).toBe(OWNED_MODULES['node:fs'])
    expect(ownersOf('node:path')).toBeUndefined()
  })

  it('sees calls and timers at the top level', () => {
    const text = 'const a = new Map()\nconst b = define({})\nstart()\nawait boot()\nfor (;;) {}'
    expect(importTimeWork(parseText('x.ts', text))).toEqual([
      'x.ts:3 ExpressionStatement',
      'x.ts:4 ExpressionStatement',
      'x.ts:5 ForStatement',
    ])
  })
})

function ownersOf(specifier: string): readonly string[] | undefined {
  const name = Object.keys(OWNED_MODULES).find(
    (module) => specifier === module || specifier.startsWith(`${module}/`),
  )
  return name === undefined ? undefined : OWNED_MODULES[name]
}

function usesOf(file: SourceFile): readonly { readonly use: string; readonly line: number }[] {
  const uses: { use: string; line: number }[] = []
  const own = new Set<string>()
  walk(file.program, (node) => {
    const declares = /^(FunctionDeclaration|VariableDeclarator)$/.test(node.type)
    const name = declares ? identifier(node.id) : null
    if (name !== null) own.add(name)
  })
  walk(file.program, (node) => {
    const use = useOf(node)
    if (use !== null && !own.has(use)) uses.push({ use, line: lineOf(file.text, node.start) })
  })
  return uses
}

const GLOBALS = /^(globalThis|crypto|global|window)$/
const BARE_CALLS = /^(setTimeout|setInterval|fetch|eval|randomUUID)$/

/** The banned or watched use that a node is; null for every other node. */
function useOf(node: SyntaxNode): string | null {
  if (node.type === 'MemberExpression') {
    const object = identifier(node.object)
    const property = identifier(node.property)
    return object !== null && property !== null && !GLOBALS.test(object)
      ? watched(`${object}.${property}`)
      : null
  }
  if (node.type === 'CallExpression') {
    const callee = node.callee as SyntaxNode
    const isGlobal = GLOBALS.test(identifier(callee.object) ?? '')
    const name = isGlobal ? identifier(callee.property) : identifier(callee)
    return name !== null && BARE_CALLS.test(name) ? name : null
  }
  if (node.type === 'NewExpression') {
    const isBare = (node.arguments as unknown[]).length === 0
    return identifier(node.callee) === 'Date' && isBare ? 'new Date()' : null
  }
  if (node.type === 'ThrowStatement') {
    const thrown = node.argument as SyntaxNode
    const name = thrown.type === 'NewExpression' ? identifier(thrown.callee) : null
    return name !== null && /^(Error|RangeError|TypeError)$/.test(name) ? `throw new ${name}` : null
  }
  if (node.type === 'VariableDeclarator' && identifier(node.init) === 'process') {
    const keys = ((node.id as SyntaxNode).properties ?? []) as SyntaxNode[]
    return keys.some((key) => identifier(key.key) === 'env') ? 'process.env' : null
  }
  return null
}

function watched(use: string): string | null {
  const isBanned = BANNED_USES.some((ban) => ban.use === use)
  return isBanned || /^(it|test|describe)\.only$/.test(use) ? use : null
}

function identifier(node: unknown): string | null {
  return isNode(node) && node.type === 'Identifier' ? (node.name as string) : null
}

/** Top-level statements that act: a module defines, its caller acts. */
function importTimeWork(file: SourceFile): readonly string[] {
  const acts = /^(ExpressionStatement|For|While|Do|If|Try|Switch|Throw)/
  return (file.program.body as SyntaxNode[])
    .filter((node) => acts.test(node.type))
    .map((node) => `${file.path}:${lineOf(file.text, node.start)} ${node.type}`)
}
