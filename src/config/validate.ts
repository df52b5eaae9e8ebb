/** Tree → values that keep the rules, or all the problems. */

import { z } from 'zod'
import { suggestName } from '../model/index.ts'
import type { ConfigProblem, Place } from './problems.ts'
import { type ConfigTree, formatPath, type Origin, type PathStep, pathKey } from './tree.ts'

/** What a check against a schema came to. */
export type Validated<T> =
  | { readonly kind: 'valid'; readonly value: T }
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] }

type Path = readonly PathStep[]
type Issue = z.core.$ZodIssue

/** A JSON Schema as far as messages and pages need it. */
export interface SchemaNode {
  readonly type?: string
  readonly description?: string
  readonly default?: unknown
  readonly unit?: string
  readonly examples?: readonly unknown[]
  readonly enum?: readonly unknown[]
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, SchemaNode>>
  readonly required?: readonly string[]
  readonly additionalProperties?: SchemaNode | boolean
  readonly items?: SchemaNode
  readonly anyOf?: readonly SchemaNode[]
  readonly oneOf?: readonly SchemaNode[]
  readonly minimum?: number
  readonly maximum?: number
}

/** The schema as plain JSON Schema of what people write. */
export function describeSchema(schema: z.ZodType): SchemaNode {
  return z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as SchemaNode
}

/**
 * Checks the value at `base`. Text that came from a variable becomes a number or a boolean where
 * the
 * setting asks for one, and nowhere else: a password `0123` stays text.
 */
export function validateAt<T>(
  schema: z.ZodType<T>,
  tree: ConfigTree,
  base: Path,
  value: unknown,
): Validated<T> {
  const first = schema.safeParse(value)
  if (first.success) return { kind: 'valid', value: first.data }
  const coerced = coerceReplaced(value, first.error.issues, tree, base)
  const second = coerced === null ? first : schema.safeParse(coerced)
  if (second.success) return { kind: 'valid', value: second.data }
  const shape = describeSchema(schema)
  const problems = second.error.issues
    .flatMap((issue) => flattenIssue(issue))
    .flatMap((issue) => problemsOf(issue, tree, base, shape))
  return { kind: 'invalid', problems }
}

/** The place of a path, or of its nearest parent that is written down. */
export function placeOf(tree: ConfigTree, path: Path, part: 'key' | 'value'): Place {
  for (let length = path.length; length >= 0; length--) {
    const origin = tree.origins.get(pathKey(path.slice(0, length)))
    if (origin === undefined) continue
    const exact = length === path.length
    return exact && part === 'value' ? origin.valuePlace : origin.keyPlace
  }
  return { file: '', line: 1, column: 1 }
}

/** The value at a path as written; secrets are replaced, and variables stay names. */
export function seenAt(tree: ConfigTree, path: Path): string | null {
  const source = tree.origins.get(pathKey(path))?.sourceText
  if (source === null || source === undefined) return null
  if (path.some((step) => typeof step === 'string' && SECRET_NAME.test(step))) return '***'
  const shown = source.replaceAll(URL_PASSWORD, '$1***@')
  return shown.length > SEEN_LENGTH_MAX ? `${shown.slice(0, SEEN_LENGTH_MAX)}…` : shown
}

/**
 * True when a variable at the path or below it is missing, so that rules cannot be judged there.
 */
export function isUnknown(tree: ConfigTree, path: Path): boolean {
  return tree.origins.get(pathKey(path))?.unknown === true
}

/** A problem at a path, with place and value filled in. */
export function problemAt(
  tree: ConfigTree,
  path: Path,
  details: {
    readonly code: ConfigProblem['code']
    readonly part?: 'key' | 'value'
    readonly rule: string
    readonly fix: string
  },
): ConfigProblem {
  return {
    code: details.code,
    place: placeOf(tree, path, details.part ?? 'value'),
    path: formatPath(path),
    seen: details.part === 'key' ? null : seenAt(tree, path),
    rule: details.rule,
    fix: details.fix,
  }
}

const SECRET_NAME = /password|secret|token|credential|private|passphrase/i
const URL_PASSWORD = /(:\/\/[^\s/:@]*:)[^\s/]*@/g
const SEEN_LENGTH_MAX = 120

function coerceReplaced(
  value: unknown,
  issues: readonly Issue[],
  tree: ConfigTree,
  base: Path,
): unknown {
  let result: unknown = null
  for (const issue of issues) {
    if (issue.code !== 'invalid_type') continue
    const path = issue.path as Path
    const origin: Origin | undefined = tree.origins.get(pathKey([...base, ...path]))
    if (origin?.replaced !== true) continue
    const typed = retype(valueAt(value, path), issue.expected)
    if (typed === null) continue
    result ??= structuredClone(value)
    const parent = valueAt(result, path.slice(0, -1)) as Record<PathStep, unknown>
    parent[path.at(-1) as PathStep] = typed
  }
  return result
}

function retype(value: unknown, expected: string): number | boolean | null {
  if (typeof value !== 'string') return null
  if (expected === 'boolean') return value === 'true' ? true : value === 'false' ? false : null
  if (expected !== 'number' && expected !== 'int') return null
  return /^[-+]?\d+(\.\d+)?$/.test(value) ? Number(value) : null
}

function valueAt(value: unknown, path: Path): unknown {
  let current = value
  for (const step of path) current = (current as Record<PathStep, unknown> | undefined)?.[step]
  return current
}

/** A union that failed is explained by the branch that came furthest. */
function flattenIssue(issue: Issue): readonly Issue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue]
  const depth = (branch: readonly Issue[]): number =>
    Math.max(...branch.map((inner) => inner.path.length))
  const best = issue.errors.toSorted((left, right) => depth(right) - depth(left))[0] ?? []
  return best
    .map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }))
    .flatMap(flattenIssue)
}

function problemsOf(
  issue: Issue,
  tree: ConfigTree,
  base: Path,
  shape: SchemaNode,
): readonly ConfigProblem[] {
  const path = [...base, ...(issue.path as Path)]
  const node = nodeAt(shape, issue.path as Path)
  const code = 'SLU-CFG-1002'
  if (issue.code === 'unrecognized_keys') {
    const known = Object.keys(node?.properties ?? {})
    return issue.keys.map((key) =>
      problemAt(tree, [...path, key], {
        code,
        part: 'key',
        rule: `there is no setting "${key}" here`,
        fix: suggestName(key, known),
      }),
    )
  }
  if (isUnknown(tree, path)) return []
  if (issue.code === 'invalid_key') {
    const rule = issue.issues[0]?.message ?? issue.message
    return [problemAt(tree, path, { code, part: 'key', rule, fix: 'rename it' })]
  }
  const missing = valueIsMissing(tree, issue, path)
  if (missing) {
    const step = String(path.at(-1))
    const place = placeOf(tree, path.slice(0, -1), 'key')
    const rule = `the setting "${step}" is missing`
    return [{ code, place, path: formatPath(path), seen: null, rule, fix: fixFor(node, step) }]
  }
  const { rule, fix } = explain(issue, node, seenAt(tree, path))
  return [problemAt(tree, path, { code, rule, fix: fix || parentFix(shape, issue.path as Path) })]
}

/** What the nearest setting around the path that has a description says. */
function parentFix(shape: SchemaNode, path: Path): string {
  for (let length = path.length - 1; length >= 0; length--) {
    const fix = fixFor(nodeAt(shape, path.slice(0, length)), null)
    if (fix !== '') return fix
  }
  return ''
}

function valueIsMissing(tree: ConfigTree, issue: Issue, path: Path): boolean {
  if (issue.code !== 'invalid_type' && issue.code !== 'invalid_value') return false
  const origin = tree.origins.get(pathKey(path))
  if (origin === undefined) return true
  return issue.code === 'invalid_type' && valueAt(tree.value, path) === undefined
}

function explain(
  issue: Issue,
  node: SchemaNode | null,
  seen: string | null,
): { readonly rule: string; readonly fix: string } {
  const example = fixFor(node, null)
  switch (issue.code) {
    case 'invalid_type': {
      const expected = EXPECTED[issue.expected] ?? issue.expected
      if (node?.unit === undefined) return { rule: `must be ${expected}`, fix: example }
      const isText = issue.expected === 'string'
      const rule = isText ? `a ${node.unit} with its unit` : `${expected} (${node.unit})`
      return { rule: `must be ${rule}`, fix: example }
    }
    case 'invalid_value': {
      const values = issue.values.map(String)
      const rule = `must be ${values.map((value) => `"${value}"`).join(' or ')}`
      return { rule, fix: suggestName(seen ?? '', values) }
    }
    case 'too_small':
      if (issue.origin === 'number' || issue.origin === 'int') {
        return { rule: `must be at least ${issue.minimum}`, fix: example }
      }
      return { rule: issue.message, fix: example }
    case 'too_big':
      if (issue.origin === 'number' || issue.origin === 'int') {
        return { rule: `must be at most ${issue.maximum}`, fix: example }
      }
      return { rule: issue.message, fix: example }
    case 'custom': {
      const fix: unknown = issue.params?.fix
      return { rule: issue.message, fix: typeof fix === 'string' && fix !== '' ? fix : example }
    }
    default:
      return { rule: issue.message, fix: example }
  }
}

const EXPECTED: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a mapping of settings',
  record: 'a mapping of names',
}

function fixFor(node: SchemaNode | null, name: string | null): string {
  if (node === null) return ''
  const prefix = name === null ? '' : `add \`${name}:\`. `
  const parts = [node.description ?? '']
  if (node.enum) parts.push(`One of: ${node.enum.join(', ')}.`)
  else if (node.const !== undefined) parts.push(`Write ${String(node.const)}.`)
  else if (node.properties !== undefined) {
    parts.push(`Settings of it: ${Object.keys(node.properties).join(', ')}.`)
  } else if (node.default !== undefined && typeof node.default !== 'object') {
    parts.push(`Default: ${String(node.default)}.`)
  } else if (node.examples?.[0] !== undefined) parts.push(`Example: ${String(node.examples[0])}.`)
  if (node.minimum !== undefined && node.maximum !== undefined) {
    parts.push(`From ${node.minimum} to ${node.maximum}.`)
  }
  return (prefix + parts.filter((part) => part !== '').join(' ')).trim()
}

/** The part of the schema that describes the value at the path. */
function nodeAt(shape: SchemaNode, path: Path): SchemaNode | null {
  let node: SchemaNode | null = shape
  for (const step of path) {
    if (node === null) return null
    const inner: SchemaNode | boolean | undefined =
      typeof step === 'number' ? node.items : (node.properties?.[step] ?? node.additionalProperties)
    node = typeof inner === 'object' ? inner : null
  }
  return node
}
