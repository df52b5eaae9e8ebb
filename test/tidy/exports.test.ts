import { describe, expect, it } from 'vitest'
import { doorOf, readRooms } from './rooms.ts'
import {
  expectNone,
  isNode,
  lineOf,
  parseText,
  productFiles,
  type SourceFile,
  walk,
} from './source-tree.ts'

const rooms = readRooms()
const doors = new Set(rooms.map(doorOf).filter((door) => door.endsWith('/index.ts')))
const files = productFiles()

describe('files', () => {
  it('begin with a header comment or a documented declaration', () => {
    const bare = files.filter((file) => !file.text.trimStart().startsWith('/**'))
    expectNone(bare.map((file) => file.path))
  })

  it('document every export', () => {
    expectNone(files.filter((file) => !doors.has(file.path)).flatMap(undocumentedExports))
  })

  it('export by name: no default, no star, no enum, no namespace', () => {
    expectNone(files.flatMap(forbiddenShapes))
  })
})

describe('doors', () => {
  it('hold a header comment and named re-exports, nothing else', () => {
    const breaches = files
      .filter((file) => doors.has(file.path))
      .flatMap((file) => {
        const body = file.program.body as { type: string; source?: unknown; start: number }[]
        return body
          .filter((node) => node.type !== 'ExportNamedDeclaration' || !isNode(node.source))
          .map((node) => `${file.path}:${lineOf(file.text, node.start)} ${node.type}`)
      })
    expectNone(breaches)
  })

  it('say what comes in, what goes out and what must never be', () => {
    const silent = files
      .filter((file) => doors.has(file.path))
      .filter((file) => {
        const header = /^\s*\/\*\*[\s\S]*?\*\//.exec(file.text)?.[0] ?? ''
        return !/comes in/i.test(header) || !/goes out/i.test(header) || !/must never/i.test(header)
      })
    expectNone(silent.map((file) => file.path))
  })
})

describe('the export test itself', () => {
  it('sees an export without a comment, below a documented one', () => {
    const text =
      '/** Header. */\nexport const a = 1\nexport const b = 2\n/** Doc. */\nexport type C = 1'
    expect(undocumentedExports(parseText('x.ts', text))).toEqual(['x.ts:3'])
  })

  it('sees default exports, stars, enums, namespaces and parameter properties', () => {
    const text = [
      'export default 1',
      "export * from './a.ts'",
      'enum E { A }',
      'namespace N { export const x = 1 }',
      'class C { constructor(private readonly x: number) {} }',
    ].join('\n')
    expect(forbiddenShapes(parseText('x.ts', text))).toHaveLength(5)
  })
})

function undocumentedExports(file: SourceFile): readonly string[] {
  const bare: string[] = []
  for (const node of file.program.body as { type: string; declaration: unknown; start: number }[]) {
    if (node.type !== 'ExportNamedDeclaration' || !isNode(node.declaration)) continue
    if (!file.text.slice(0, node.start).trimEnd().endsWith('*/')) {
      bare.push(`${file.path}:${lineOf(file.text, node.start)}`)
    }
  }
  return bare
}

function forbiddenShapes(file: SourceFile): readonly string[] {
  const forbidden = /^(ExportDefaultDeclaration|ExportAllDeclaration|TSEnumDeclaration)$/
  const shapes = /^(TSModuleDeclaration|TSParameterProperty|TSExportAssignment)$/
  const found: string[] = []
  walk(file.program, (node) => {
    if (forbidden.test(node.type) || shapes.test(node.type)) {
      found.push(`${file.path}:${lineOf(file.text, node.start)} ${node.type}`)
    }
  })
  return found
}
