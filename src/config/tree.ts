/** YAML text → a plain value and the place of everything in it. */

import type { Alias, Document, Node, Pair, Scalar, YAMLMap, YAMLParseError } from 'yaml'
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
    aliases: new Set(),
  }
  if (!Array.isArray(documents) || documents.length === 0) {
    addProblem(walk, 0, [], null, 'the file is empty', 'begin with `apiVersion: v1`')
    return { value: {}, origins: walk.origins, problems: walk.problems }
  }
  addControlCharacters(walk, text)
  for (const { errors, warnings } of documents) {
    addSyntaxErrors(walk, errors, text)
    for (const { pos } of warnings) {
      const fix = 'remove the word that begins with !; ${NAME} and ${file:/path} are known'
      addProblem(walk, pos[0], [], null, 'YAML tags have no meaning here', fix)
    }
  }
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
  /** Values of the aliases that are being read. */
  readonly aliases: Set<unknown>
}

/**
 * Repeated keys are all told; of other errors the first, since what follows it is mostly its echo.
 */
function addSyntaxErrors(walk: Walk, errors: readonly YAMLParseError[], text: string): void {
  const first = errors.find((error) => error.code !== 'DUPLICATE_KEY')
  for (const error of errors) {
    // Where the parser's stack ended says nothing.
    const offset = error.code === 'RESOURCE_EXHAUSTION' ? 0 : error.pos[0]
    if (error.code === 'DUPLICATE_KEY') {
      const name = /^["']?([^\s"':]+)/.exec(text.slice(offset, offset + 100))?.[1] ?? ''
      const rule = `the setting "${name}" stands here twice`
      addProblem(walk, offset, [], null, rule, `keep one \`${name}\``)
    } else if (error === first) {
      const rule = `not valid YAML: ${error.message.toLowerCase()}`
      addProblem(walk, offset, [], null, rule, syntaxFix(error, lineAt(walk, text, offset)))
    }
  }
}

function lineAt(walk: Walk, text: string, offset: number): string {
  return text.split('\n')[walk.lines.linePos(offset).line - 1] ?? ''
}

/** What is mostly behind an error of the parser. */
function syntaxFix({ code }: YAMLParseError, line: string): string {
  if (/[[{].*[^"']\$\{/.test(line)) return 'inside [ ] and { } a variable needs quotes: "${NAME}"'
  switch (code) {
    case 'TAB_AS_INDENT':
      return 'indent with spaces'
    case 'BAD_ALIAS':
      return 'a value that begins with * needs quotes'
    case 'MISSING_CHAR':
      return 'close the quote or bracket that was opened at or before this line'
    case 'MULTILINE_IMPLICIT_KEY':
      return 'write `name: value`, with a colon and a space'
    case 'BAD_INDENT':
      return 'close what was opened before, and let settings of one group begin in one column'
    case 'RESOURCE_EXHAUSTION':
      return 'nest values less deep'
    default:
      return 'correct the syntax at this place; text with special characters needs quotes'
  }
}

/** Characters that no editor shows and no setting needs; YAML 1.2 forbids them. */
function addControlCharacters(walk: Walk, text: string): void {
  const found = CONTROL_CHARACTER.exec(text)
  if (found === null) return
  const code = (found[0].codePointAt(0) ?? 0).toString(16).padStart(4, '0').toUpperCase()
  const rule = `the control character U+${code} stands here`
  addProblem(walk, found.index, [], null, rule, 'remove it: this may not be a text file')
}

const CONTROL_CHARACTER = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/

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
  if (isAlias(node)) return readAlias(walk, node, key, path)
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

function readAlias(walk: Walk, alias: Alias, key: Node, path: SettingPath): unknown {
  const target = alias.resolve(walk.document as Document)
  const offset = alias.range?.[0] ?? 0
  if (target === undefined) {
    const rule = `*${alias.source} stands for nothing: no &${alias.source} comes before it`
    const fix = `write &${alias.source} where the value is, or quotes when it is a text`
    addProblem(walk, offset, path, null, rule, fix)
    return undefined
  }
  if (walk.aliases.has(target)) {
    const rule = `*${alias.source} stands inside of what it stands for`
    addProblem(walk, offset, path, null, rule, 'write the value out')
    return undefined
  }
  walk.aliases.add(target)
  const value = readNode(walk, target, key, path)
  walk.aliases.delete(target)
  return value
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
    if (name === '<<') {
      const fix = 'write the settings out; `defaults` holds what all pipelines share'
      addProblem(walk, key.range?.[0] ?? 0, path, null, 'merge keys (<<) are not read', fix)
      continue
    }
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

/** A problem that stands for the whole file: what it holds is no text. */
export function brokenTree(problem: ConfigProblem): ConfigTree {
  return { value: {}, origins: new Map(), problems: [problem] }
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
