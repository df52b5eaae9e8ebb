import { describe, expect, it } from 'vitest'
import {
  expectNone,
  isNode,
  parseText,
  type SourceFile,
  type SyntaxNode,
  typescriptFiles,
  walk,
} from './source-tree.ts'

const FILE_LINES_MAX = 500
const FUNCTION_LINES_MAX = 70
const COLUMNS_MAX = 100
const files = typescriptFiles(['src', 'connectors', 'table-format', 'deploy', 'test'])

describe('sizes', () => {
  it(`keep every file within ${FILE_LINES_MAX} lines`, () => {
    const long = files
      .map((file) => ({ path: file.path, lines: file.text.split('\n').length - 1 }))
      .filter((file) => file.lines > FILE_LINES_MAX)
    expectNone(long.map((file) => `${file.path}: ${file.lines} lines`))
  })

  it(`keep every line within ${COLUMNS_MAX} columns`, () => {
    const wide = files.flatMap((file) =>
      file.text
        .split('\n')
        .flatMap((line, index) =>
          [...line].length > COLUMNS_MAX ? [`${file.path}:${index + 1}`] : [],
        ),
    )
    expectNone(wide)
  })

  it(`keep every function within ${FUNCTION_LINES_MAX} lines`, () => {
    expectNone(files.flatMap((file) => longFunctions(file, FUNCTION_LINES_MAX)))
  })
})

describe('the size test itself', () => {
  it('measures functions, methods and arrows, but not a describe block', () => {
    const body = '\n  1\n  2\n'
    const text = [
      `function one(): void {${body}}`,
      `const two = async () => {${body}}`,
      `class C { three() {${body}} }`,
      `describe('x', () => {${body}})`,
    ].join('\n')
    const found = longFunctions(parseText('a.ts', text), 3)
    expect(found).toEqual(['a.ts:1 one: 4 lines', 'a.ts:5 two: 4 lines', 'a.ts:9 three: 4 lines'])
  })
})

function longFunctions(file: SourceFile, linesMax: number): readonly string[] {
  const suites = new Set<SyntaxNode>()
  const names = new Map<SyntaxNode, string>()
  const long: string[] = []
  walk(file.program, (node) => {
    if (node.type === 'CallExpression' && isSuite(node)) {
      for (const argument of node.arguments as SyntaxNode[]) suites.add(argument)
    }
    for (const value of [node.init, node.value]) {
      if (isNode(value)) names.set(value, nameOf(node.id ?? node.key))
    }
    if (!/^(FunctionDeclaration|FunctionExpression|ArrowFunctionExpression)$/.test(node.type))
      return
    if (suites.has(node) || declaresTests(node)) return
    const lines = file.text.slice(node.start, node.end).split('\n').length
    if (lines <= linesMax) return
    const line = file.text.slice(0, node.start).split('\n').length
    const name = isNode(node.id) ? nameOf(node.id) : (names.get(node) ?? 'anonymous')
    long.push(`${file.path}:${line} ${name}: ${lines} lines`)
  })
  return long
}

/** A function that declares suites, such as the contract of a seam: a list of tests too. */
function declaresTests(node: SyntaxNode): boolean {
  const statements = isNode(node.body) && Array.isArray(node.body.body) ? node.body.body : []
  return (statements as SyntaxNode[]).some(
    ({ type, expression }) =>
      type === 'ExpressionStatement' &&
      isNode(expression) &&
      expression.type === 'CallExpression' &&
      isSuite(expression),
  )
}

/**
 * `describe(…)`, `describe.skipIf(…)(…)`, `describe.each(…)(…)`: a list of tests, not a function.
 */
function isSuite(call: SyntaxNode): boolean {
  let callee: unknown = call.callee
  while (isNode(callee)) {
    if (callee.type === 'Identifier') return callee.name === 'describe'
    callee = callee.type === 'MemberExpression' ? callee.object : callee.callee
  }
  return false
}

function nameOf(node: unknown): string {
  return isNode(node) && typeof node.name === 'string' ? node.name : 'anonymous'
}
