import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { doorOf, importBreach, parseRooms, ROOMS_PAGE, readRooms, roomOf } from './rooms.ts'
import { expectNone, importsOf, parseText, productFiles, repoFiles } from './source-tree.ts'

const rooms = readRooms()
const edges = productFiles().flatMap((file) => importsOf(file))

describe(`the rooms of ${ROOMS_PAGE}`, () => {
  it('are all there', () => {
    const missing = rooms.map(doorOf).filter((door) => !repoFiles().includes(door))
    expectNone(missing)
  })

  it('hold every product file', () => {
    const homeless = productFiles().filter((file) => roomOf(rooms, file.path) === undefined)
    expectNone(homeless.map((file) => file.path))
  })

  it('import only lower rooms that the table names', () => {
    const breaches = edges.flatMap((edge) => {
      const from = roomOf(rooms, edge.from)
      const to = roomOf(rooms, edge.target)
      if (!edge.isRelative || !from) return []
      const breach = to ? importBreach(from, to) : 'this file belongs to no room'
      return breach === null ? [] : [`${edge.from}:${edge.line} → ${edge.target}: ${breach}`]
    })
    expectNone(breaches)
  })

  it('are entered by the door from outside, and never by the door from inside', () => {
    const breaches = edges.flatMap((edge) => {
      const from = roomOf(rooms, edge.from)
      const to = roomOf(rooms, edge.target)
      if (!edge.isRelative || !from || !to) return []
      const door = doorOf(to)
      if (from === to && edge.target === door && edge.from !== door) {
        return [`${edge.from}:${edge.line} imports its own door`]
      }
      if (from !== to && edge.target !== door) {
        return [`${edge.from}:${edge.line} → ${edge.target}: import ${door}`]
      }
      return []
    })
    expectNone(breaches)
  })
})

describe('imports', () => {
  it('form no cycle, type imports included', () => {
    const graph = new Map<string, string[]>()
    for (const edge of edges) {
      if (edge.isRelative) graph.set(edge.from, [...(graph.get(edge.from) ?? []), edge.target])
    }
    expectNone(findCycles(graph))
  })

  it('name an existing file with its ending', () => {
    const files = new Set(repoFiles())
    const dangling = edges
      .filter((edge) => edge.isRelative && !files.has(edge.target))
      .map((edge) => `${edge.from}:${edge.line} → ${edge.target}`)
    expectNone(dangling)
  })
})

describe('the layer test itself', () => {
  it('sees upward, sideways and unlisted imports', () => {
    const table = parseRooms(
      [
        '| `src/a` | 1 | x | y | nothing |',
        '| `src/b` | 2 | x | y | contracts |',
        '| `src/c` | 2 | x | y | `src/a` |',
      ].join('\n'),
    )
    const [a, b, c] = table as [(typeof table)[0], (typeof table)[0], (typeof table)[0]]
    expect(importBreach(a, b)).toContain('layer 1 may not import layer 2')
    expect(importBreach(b, c)).toContain('layer 2 may not import layer 2')
    expect(importBreach(b, a)).toContain('only model and contracts')
    expect(importBreach(c, a)).toBeNull()
  })

  it('sees every syntax of import', () => {
    const text = [
      "import a from './a.ts'",
      "import type { B } from './b.ts'",
      "export { c } from './c.ts'",
      "export * from './d.ts'",
      "const e = () => import('./e.ts')",
      "type F = import('./f.ts').F",
      "import './g.ts'",
      "// import './h.ts'",
    ].join('\n')
    const targets = importsOf(parseText('x/y.ts', text)).map((edge) => path.basename(edge.target))
    expect(targets).toEqual(['a.ts', 'b.ts', 'c.ts', 'd.ts', 'e.ts', 'f.ts', 'g.ts'])
  })

  it('finds a cycle of three files', () => {
    const graph = new Map([
      ['a', ['b']],
      ['b', ['c']],
      ['c', ['a']],
    ])
    expect(findCycles(graph)).toEqual(['a → b → c → a'])
  })
})

/** Cycles as printable paths; each strongly tied group is shown by one of its cycles. */
function findCycles(graph: ReadonlyMap<string, readonly string[]>): readonly string[] {
  const done = new Set<string>()
  const cycles: string[] = []
  const visit = (node: string, trail: readonly string[]): void => {
    const at = trail.indexOf(node)
    if (at >= 0) {
      cycles.push([...trail.slice(at), node].join(' → '))
      return
    }
    if (done.has(node)) return
    for (const next of graph.get(node) ?? []) visit(next, [...trail, node])
    done.add(node)
  }
  for (const node of graph.keys()) visit(node, [])
  return cycles
}
