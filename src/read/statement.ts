/**
 * From DuckDB's syntax tree of a statement to the relations it needs and the text that runs.
 * DuckDB's own parser decides what is a table, a common table expression or an alias; this file
 * never guesses.
 */

import { type JsonObject, type JsonValue, SluiceError } from '../model/index.ts'
import { type AtClause, draftStatement, type StatementDraft } from './draft.ts'
import { bytesText, closingIndex, isName, isSign, isWord, type Token } from './tokens.ts'

/** A table named in SQL: one of the catalogue, or any Delta table by path. */
export type TableReference =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'path'; readonly path: string }

/** What a generated relation holds. */
export type RelationSpec =
  | {
      readonly kind: 'snapshot'
      readonly table: TableReference
      /** Null reads the newest version. */
      readonly at: AtClause | null
      /** True for `meta(…)`: the meta columns come along. */
      readonly withMetaColumns: boolean
    }
  | {
      readonly kind: 'changes'
      readonly table: TableReference
      readonly fromVersionExclusive: bigint
      /** Null goes to the newest version. */
      readonly toVersionInclusive: bigint | null
    }

/** A relation to define before the statement runs, as view `view` in schema `schema`. */
export interface PlannedRelation {
  readonly schema: string
  readonly view: string
  readonly spec: RelationSpec
}

/** How a statement is run. */
export interface StatementPlan {
  /** Text to run, as `bytesText`. */
  readonly text: string
  readonly relations: readonly PlannedRelation[]
}

/** The tables that SQL may name. */
export interface NameList {
  /** The names in the order to show: `orders`, `shop.orders`. */
  readonly names: readonly string[]
}

/** Schema of the tables that have no schema in their name. */
export const DEFAULT_SCHEMA = 'main'

/** Functions in FROM that neither read files nor tell of the machine. */
const TABLE_FUNCTIONS = new Set([
  'generate_series',
  'generate_subscripts',
  'json_each',
  'json_tree',
  'range',
  'regexp_split_to_table',
  'repeat',
  'repeat_row',
  'unnest',
])
/** Functions that tell of the process, change something or take SQL that nobody has checked. */
const REFUSED_FUNCTIONS = new Set([
  'current_setting',
  'currval',
  'getenv',
  'json_serialize_plan',
  'nextval',
  'write_log',
])

/**
 * Plans a statement. `tree` is `json_serialize_sql` of the draft's `parseText`.
 * Throws SLU-SQL-6002 unknown table, SLU-SQL-6003 refused, SLU-SQL-6006 wrong arguments.
 */
export function planStatement(
  draft: StatementDraft,
  tree: JsonObject,
  catalogue: NameList,
): StatementPlan {
  const statements = tree.statements as readonly JsonObject[]
  if (statements.length === 0) {
    throw new SluiceError('SLU-SQL-6001', { message: 'there is no statement' })
  }
  if (statements.length > 1) {
    throw refused(`one statement at a time, not ${statements.length}`)
  }
  const found: FoundReference[] = []
  collect(statements[0] as JsonObject, new Set(), found)
  return build(draft, found, catalogue)
}

/** Text that lists the names of the catalogue, for `SHOW TABLES`; as `bytesText`. */
export function showTablesText(catalogue: NameList): string {
  const rows = catalogue.names.map((name) => `('${name.replaceAll("'", "''")}')`)
  return bytesText(
    rows.length === 0
      ? 'SELECT NULL::VARCHAR AS name WHERE false'
      : `SELECT * FROM (VALUES ${rows.join(', ')}) AS listed(name)`,
  )
}

/** Draft of an AT expression as a statement; it must name no table. */
export function draftExpression(clause: AtClause): StatementDraft {
  const type = clause.unit === 'version' ? 'BIGINT' : 'TIMESTAMPTZ'
  const value = `CAST((${clause.expression}) AS ${type})`
  return draftStatement(`SELECT ${clause.unit === 'version' ? value : `epoch_us(${value})`}`)
}

type FoundReference =
  | {
      readonly kind: 'table'
      readonly parts: readonly string[]
      readonly start: number
    }
  | {
      readonly kind: 'function'
      readonly name: string
      readonly args: readonly JsonObject[]
      readonly start: number
    }

/** Walks the tree; `scope` holds the common table expressions that are visible, in lower case. */
function collect(value: JsonValue, scope: ReadonlySet<string>, found: FoundReference[]): void {
  if (Array.isArray(value)) {
    for (const item of value as readonly JsonValue[]) collect(item, scope, found)
    return
  }
  if (typeof value !== 'object' || value === null) return
  const node = value as JsonObject
  const inner = withCommonTables(node, scope, found)
  visit(node, inner, found)
  for (const [name, child] of Object.entries(node)) {
    if (name !== 'cte_map') collect(child, inner, found)
  }
}

/** Each common table expression sees those before it, and itself only when it is recursive. */
function withCommonTables(
  node: JsonObject,
  scope: ReadonlySet<string>,
  found: FoundReference[],
): ReadonlySet<string> {
  const entries = (node.cte_map as JsonObject | undefined)?.map as readonly JsonObject[] | undefined
  if (entries === undefined || entries.length === 0) return scope
  const visible = new Set(scope)
  for (const entry of entries) {
    const name = String(entry.key).toLowerCase()
    const query = (entry.value as JsonObject).query as JsonObject
    const isRecursive = (query.node as JsonObject).type === 'RECURSIVE_CTE_NODE'
    collect(entry.value as JsonObject, isRecursive ? new Set([...visible, name]) : visible, found)
    visible.add(name)
  }
  return visible
}

function visit(node: JsonObject, scope: ReadonlySet<string>, found: FoundReference[]): void {
  if (node.type === 'BASE_TABLE') {
    const parts = [node.catalog_name, node.schema_name, node.table_name].map(String)
    const named = parts.filter((part) => part !== '')
    if (named.length === 1 && scope.has((named[0] as string).toLowerCase())) return
    found.push({ kind: 'table', parts: named, start: Number(node.query_location) })
  } else if (node.type === 'TABLE_FUNCTION') {
    const call = node.function as JsonObject
    const name = String(call.function_name).toLowerCase()
    if (TABLE_FUNCTIONS.has(name)) return
    const start = Number(node.query_location)
    found.push({ kind: 'function', name, args: call.children as readonly JsonObject[], start })
  } else if (node.type === 'SHOW_REF' && node.query === null) {
    throw refused('only SHOW TABLES, DESCRIBE and SUMMARIZE tell about tables')
  } else if (node.class === 'FUNCTION') {
    const name = String(node.function_name).toLowerCase()
    if (REFUSED_FUNCTIONS.has(name)) throw refused(`the function ${name} is not available`)
  }
}

function refused(message: string): SluiceError {
  return new SluiceError('SLU-SQL-6003', { message })
}

interface Replacement {
  readonly start: number
  readonly end: number
  readonly text: string
}

function build(
  draft: StatementDraft,
  found: readonly FoundReference[],
  catalogue: NameList,
): StatementPlan {
  const relations = new Map<string, PlannedRelation>()
  const replacements: Replacement[] = []
  const pending = new Set(draft.atClauses)
  for (const reference of [...found].sort((left, right) => left.start - right.start)) {
    const span = spanOf(draft.tokens, reference)
    const placed = draft.atClauses.find((at) => pending.has(at) && follows(draft.tokens, span, at))
    if (placed !== undefined) pending.delete(placed)
    const spec = specOf(reference, placed?.clause ?? null, catalogue)
    const plain = plainRelation(spec)
    if (plain !== null && reference.kind === 'table') {
      relations.set(`${plain.schema}.${plain.view}`.toLowerCase(), plain)
      continue
    }
    const schema = `sluice_${replacements.length + 1}`
    const view = viewName(reference, spec)
    relations.set(schema, { schema, view, spec })
    replacements.push({ ...bytesOf(draft.tokens, span), text: bytesText(quoted(schema, view)) })
  }
  if (pending.size > 0) {
    throw new SluiceError('SLU-SQL-6006', {
      message: 'AT must follow the name of a table (it names no version of an alias or a subquery)',
    })
  }
  return { text: replaceAll(draft.text, replacements), relations: [...relations.values()] }
}

/** A named table at its newest version is a view under its own name: the text stays as it is. */
function plainRelation(spec: RelationSpec): PlannedRelation | null {
  if (spec.kind !== 'snapshot' || spec.at !== null || spec.withMetaColumns) return null
  if (spec.table.kind !== 'name') return null
  const [schema, view] = splitName(spec.table.name)
  return { schema, view, spec }
}

/** `shop.orders` → schema `shop`, view `orders`. */
function splitName(name: string): readonly [string, string] {
  const dot = name.indexOf('.')
  return dot === -1 ? [DEFAULT_SCHEMA, name] : [name.slice(0, dot), name.slice(dot + 1)]
}

function viewName(reference: FoundReference, spec: RelationSpec): string {
  if (reference.kind === 'function' && reference.name !== 'meta') return reference.name
  return spec.table.kind === 'name' ? splitName(spec.table.name)[1] : 'delta'
}

function quoted(schema: string, view: string): string {
  return `"${schema}"."${view.replaceAll('"', '""')}"`
}

function replaceAll(text: string, replacements: readonly Replacement[]): string {
  let result = ''
  let at = 0
  for (const { start, end, text: name } of replacements) {
    result += text.slice(at, start) + name
    at = end
  }
  return result + text.slice(at)
}

/** Token indexes, both inclusive. */
interface Span {
  readonly first: number
  readonly last: number
}

/** The tokens of a name chain, or of a function call with its parentheses. */
function spanOf(tokens: readonly Token[], reference: FoundReference): Span {
  const first = tokens.findIndex((token) => token.start === reference.start)
  if (first === -1) {
    throw new SluiceError('SLU-SQL-6001', { message: 'a table name could not be located' })
  }
  let last = first
  while (isSign(tokens[last + 1], '.') && isName(tokens[last + 2])) last += 2
  if (reference.kind === 'function' && isSign(tokens[last + 1], '(')) {
    last = closingIndex(tokens, last + 1)
  }
  return { first, last }
}

function bytesOf(tokens: readonly Token[], span: Span): { start: number; end: number } {
  return { start: (tokens[span.first] as Token).start, end: (tokens[span.last] as Token).end }
}

/** True when the clause stands right behind the name, or behind its alias: `orders o AT (…)`. */
function follows(tokens: readonly Token[], span: Span, at: { readonly start: number }): boolean {
  const nextStart = (index: number): number => tokens[index]?.start ?? Number.POSITIVE_INFINITY
  const stands = (last: number): boolean =>
    (tokens[last] as Token).end <= at.start && at.start < nextStart(last + 1)
  if (stands(span.last)) return true
  const alias = isWord(tokens[span.last + 1], 'as') ? span.last + 2 : span.last + 1
  return isName(tokens[alias]) && stands(alias)
}

function specOf(reference: FoundReference, at: AtClause | null, catalogue: NameList): RelationSpec {
  if (reference.kind === 'table') {
    const table = { kind: 'name', name: knownName(reference.parts, catalogue) } as const
    return { kind: 'snapshot', table, at, withMetaColumns: false }
  }
  const { name, args } = reference
  if (name === 'delta') {
    const path = textArgument(reference, 0, 1)
    return { kind: 'snapshot', table: { kind: 'path', path }, at, withMetaColumns: false }
  }
  if (name === 'meta') {
    const table = tableArgument(textArgument(reference, 0, 1), catalogue)
    return { kind: 'snapshot', table, at, withMetaColumns: true }
  }
  if (name !== 'changes') throw refused(`the table function ${name} is not available`)
  const table = tableArgument(textArgument(reference, 0, 3), catalogue)
  if (at !== null) throw wrongArguments('changes takes versions as arguments, not AT')
  const fromVersionExclusive = versionArgument(args[1])
  const toVersionInclusive = args.length > 2 ? versionArgument(args[2]) : null
  if (fromVersionExclusive === null)
    throw wrongArguments('changes needs the version to start after')
  return { kind: 'changes', table, fromVersionExclusive, toVersionInclusive }
}

function tableArgument(text: string, catalogue: NameList): TableReference {
  const known = findName(text.split('.'), catalogue)
  if (known !== null) return { kind: 'name', name: known }
  if (text.includes('/')) return { kind: 'path', path: text }
  throw unknownTable(text, catalogue)
}

function textArgument(
  call: FoundReference & { kind: 'function' },
  index: number,
  countMax: number,
): string {
  const value = constant(call.args[index])
  if (typeof value !== 'string' || call.args.length > countMax) {
    throw wrongArguments(`${call.name} takes the name or path of a table in single quotes`)
  }
  return value
}

/** A version number, or 'beginning' for everything there is. */
function versionArgument(node: JsonObject | undefined): bigint | null {
  const value = constant(node)
  if (value === undefined) return null
  if (value === 'beginning') return -1n
  const text = String(value)
  if (!/^-?\d+$/.test(text) || Number(text) < -1) {
    throw wrongArguments(`a version is a whole number from 0, not ${text}`)
  }
  return BigInt(text)
}

function constant(node: JsonObject | undefined): string | number | undefined {
  if (node?.class !== 'CONSTANT') return undefined
  const value = (node.value as JsonObject).value
  return typeof value === 'string' || typeof value === 'number' ? value : undefined
}

function wrongArguments(message: string): SluiceError {
  return new SluiceError('SLU-SQL-6006', { message })
}

function knownName(parts: readonly string[], catalogue: NameList): string {
  const known = findName(parts, catalogue)
  if (known === null) throw unknownTable(parts.join('.'), catalogue)
  return known
}

/**
 * Names are matched like SQL identifiers: without regard to case; the default schema may be written
 * out.
 */
function findName(parts: readonly string[], catalogue: NameList): string | null {
  const wanted = parts.join('.').toLowerCase()
  const isDefault = wanted.startsWith(`${DEFAULT_SCHEMA}.`)
  const short = isDefault ? wanted.slice(DEFAULT_SCHEMA.length + 1) : wanted
  return catalogue.names.find((name) => [wanted, short].includes(name.toLowerCase())) ?? null
}

function unknownTable(name: string, catalogue: NameList): SluiceError {
  const known = catalogue.names.length === 0 ? 'there are none' : catalogue.names.join(', ')
  return new SluiceError('SLU-SQL-6002', {
    message: `there is no table ${name}; the tables are: ${known}`,
    context: { table: name },
  })
}
