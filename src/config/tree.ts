/** YAML text → a plain value and the place of everything in it. */

import type { Document, Node, Pair, Scalar, YAMLMap, YAMLParseError } from 'yaml'
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseAllDocuments } from 'yaml'
import type { ConfigProblem, Place } from './problems.ts'
import { substitute, type Variables } from './substitute.ts'

/** A step into a value: a key of a mapping or an index of a list. */
export type PathStep = string | number
/** Where a value stands in the configuration. */
export type SettingPath = readonly PathStep[]

/** What is known about the value at one path. */
export interface Origin {
  /** The key of a mapping entry, the dash's content for list items. */
  readonly keyPlace: Place
  readonly valuePlace: Place
  /** The scalar as written, before substitution; null for mappings and lists. */
  readonly sourceText: string | null
  /** True when a variable was replaced in it. */
  readonly replaced: boolean
  /** True when a variable of it is missing, so that nothing can be said about the value. */
  readonly unknown: boolean
}

/** A configuration before any rule was applied. */
export interface ConfigTree {
  readonly value: Readonly<Record<string, unknown>>
  readonly origins: ReadonlyMap<string, Origin>
  readonly problems: readonly ConfigProblem[]
}

/** Nodes of one file: a bound against alias bombs. */
const NODES_MAX = 100_000

/** Key of `ConfigTree.origins`. */
export function pathKey(path: SettingPath): string {
  return JSON.stringify(path)
}

/** `pipelines[0].to.mode`; keys with dots are quoted. */
export function formatPath(path: SettingPath): string {
  let text = ''
  for (const step of path) {
    if (typeof step === 'number') text += `[${step}]`
    else if (/^[\w-]+$/.test(step)) text += text === '' ? step : `.${step}`
    else text += `["${step}"]`
  }
  return text
}

/** Parses one file. Syntax errors, missing variables and the like are listed, never thrown. */
export function parseTree(file: string, text: string, variables: Variables): ConfigTree {
  const lines = new LineCounter()
  const documents = parseAllDocuments(text, {
    lineCounter: lines,
    version: '1.2',
    schema: 'core',
    prettyErrors: false,
    uniqueKeys: true,
  })
  const walk: Walk = {
    file,
    lines,
    variables,
    origins: new Map(),
    problems: [],
    nodes: 0,
    document: null,
  }
  if (!Array.isArray(documents) || documents.length === 0) {
    addProblem(walk, 0, [], null, 'the file is empty', 'begin with `apiVersion: v1`')
    return { value: {}, origins: walk.origins, problems: walk.problems }
  }
  for (const document of documents) addSyntaxErrors(walk, document.errors, text)
  const [document] = documents
  if (documents[1] !== undefined) {
    const offset = documents[1].range[0]
    const fix = 'put the parts into several files of one folder'
    addProblem(walk, offset, [], null, 'only one YAML document per file', fix)
  }
  const value = walk.problems.length === 0 && document ? readRoot(walk, document) : {}
  return { value, origins: walk.origins, problems: walk.problems }
}

interface Walk {
  readonly file: string
  readonly lines: LineCounter
  readonly variables: Variables
  readonly origins: Map<string, Origin>
  readonly problems: ConfigProblem[]
  nodes: number
  document: Document | null
}

/**
 * Repeated keys are all told; of other errors the first, since what follows it is mostly its echo.
 */
function addSyntaxErrors(walk: Walk, errors: readonly YAMLParseError[], text: string): void {
  const first = errors.find((error) => error.code !== 'DUPLICATE_KEY')
  for (const error of errors) {
    if (error.code === 'DUPLICATE_KEY') {
      addProblem(walk, error.pos[0], [], null, 'the setting stands here twice', 'keep one of them')
    } else if (error === first) {
      const line = text.split('\n')[walk.lines.linePos(error.pos[0]).line - 1] ?? ''
      const isVariable = /[[{].*[^"']\$\{/.test(line)
      const fix = isVariable
        ? 'inside [ ] and { } a variable needs quotes: "${NAME}"'
        : 'correct the syntax at this place'
      const rule = `not valid YAML: ${error.message.toLowerCase()}`
      addProblem(walk, error.pos[0], [], null, rule, fix)
    }
  }
}

function readRoot(walk: Walk, document: Document): Readonly<Record<string, unknown>> {
  walk.document = document
  const root = document.contents as Node | null
  if (root === null || !isMap(root)) {
    const offset = root?.range?.[0] ?? 0
    addProblem(walk, offset, [], null, 'the file must hold settings', 'begin with `apiVersion: v1`')
    return {}
  }
  register(walk, [], root, root, null, false, false)
  return readMap(walk, root, [])
}

function readNode(walk: Walk, node: unknown, key: Node, path: SettingPath): unknown {
  walk.nodes += 1
  if (walk.nodes > NODES_MAX) {
    if (walk.nodes === NODES_MAX + 1) {
      const fix = 'use fewer aliases'
      addProblem(walk, 0, path, null, `more than ${NODES_MAX} values in one file`, fix)
    }
    return undefined
  }
  if (isAlias(node)) {
    const target = node.resolve(walk.document as Document)
    return readNode(walk, target, key, path)
  }
  if (isMap(node)) {
    register(walk, path, key, node, null, false, false)
    return readMap(walk, node, path)
  }
  if (isSeq(node)) {
    register(walk, path, key, node, null, false, false)
    return node.items.map((item, index) => {
      const step = [...path, index]
      return readNode(walk, item, item as Node, step)
    })
  }
  if (isScalar(node)) return readScalar(walk, node, key, path)
  return undefined
}

function readMap(walk: Walk, map: YAMLMap, path: SettingPath): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const pair of map.items) {
    const key: unknown = isPair(pair) ? (pair as Pair).key : null
    if (!isScalar(key)) {
      const offset = (key as Node | null)?.range?.[0] ?? map.range?.[0] ?? 0
      addProblem(walk, offset, path, null, 'a name must be plain text', 'write `name: value`')
      continue
    }
    const name = String(key.value)
    const step = [...path, name]
    if (name === '__proto__') continue
    const value = pair.value === null ? undefined : readNode(walk, pair.value, key, step)
    if (!walk.origins.has(pathKey(step))) register(walk, step, key, key, null, false, false)
    // An empty entry (`tables:` and nothing after it) counts as not written.
    if (value !== undefined && value !== null) result[name] = value
  }
  return result
}

function readScalar(walk: Walk, node: Scalar, key: Node, path: SettingPath): unknown {
  const source = node.source ?? String(node.value)
  if (typeof node.value !== 'string') {
    register(walk, path, key, node, source, false, false)
    return node.value
  }
  const result = substitute(node.value, walk.variables)
  const unknown = result.problems.length > 0
  register(walk, path, key, node, source, result.replaced, unknown)
  for (const { rule, fix, missing } of result.problems) {
    const code = missing ? 'SLU-CFG-1003' : 'SLU-CFG-1002'
    addProblem(walk, node.range?.[0] ?? 0, path, source, rule, fix, code)
  }
  if (unknown) return undefined
  // `${NAME:-}` that came out empty, unquoted: not set.
  if (result.replaced && result.text === '' && node.type === 'PLAIN') return undefined
  return result.text
}

function register(
  walk: Walk,
  path: SettingPath,
  key: Node,
  value: Node,
  sourceText: string | null,
  replaced: boolean,
  unknown: boolean,
): void {
  walk.origins.set(pathKey(path), {
    keyPlace: placeAt(walk, key.range?.[0] ?? 0),
    valuePlace: placeAt(walk, value.range?.[0] ?? 0),
    sourceText,
    replaced,
    unknown,
  })
}

function placeAt(walk: Walk, offset: number): Place {
  const { line, col } = walk.lines.linePos(offset)
  return { file: walk.file, line: Math.max(1, line), column: Math.max(1, col) }
}

function addProblem(
  walk: Walk,
  offset: number,
  path: SettingPath,
  seen: string | null,
  rule: string,
  fix: string,
  code: ConfigProblem['code'] = 'SLU-CFG-1001',
): void {
  walk.problems.push({
    code,
    place: placeAt(walk, offset),
    path: formatPath(path),
    seen,
    rule,
    fix,
  })
}
