/**
 * First look at a statement: what DuckDB's parser must not see is cut out, every byte keeps its
 * place.
 */

import { SluiceError } from '../model/index.ts'
import {
  bytesText,
  closingIndex,
  isSign,
  isWord,
  plainText,
  type Token,
  tokenize,
} from './tokens.ts'

/** `AT (VERSION => …)` or `AT (TIMESTAMP => …)`. */
export interface AtClause {
  readonly unit: 'version' | 'timestamp'
  /** The expression after `=>`, as written. */
  readonly expression: string
}

/** An AT clause and the place it was cut from. */
export interface PlacedAtClause {
  readonly clause: AtClause
  /** First byte of `AT`. */
  readonly start: number
}

/** A statement without EXPLAIN and AT. */
export interface StatementDraft {
  /** What runs: bytes text with the AT clauses blanked, EXPLAIN kept. */
  readonly text: string
  /** What is parsed: `text` with EXPLAIN blanked too. */
  readonly parseText: string
  /** Tokens of `text`; AT clauses are gone. */
  readonly tokens: readonly Token[]
  readonly atClauses: readonly PlacedAtClause[]
  /** True for `SHOW TABLES`, which is answered from the list of names. */
  readonly showsTables: boolean
}

/** Cuts EXPLAIN and AT out. Throws SLU-SQL-6006 on an AT clause without an expression. */
export function draftStatement(sql: string): StatementDraft {
  const bytes = bytesText(sql)
  const tokens = tokenize(bytes)
  const cuts: { start: number; end: number }[] = []
  const atClauses: PlacedAtClause[] = []
  const kept: Token[] = []
  for (let index = 0; index < tokens.length; index++) {
    const token = tokens[index] as Token
    const close = atClauseEnd(tokens, index)
    if (close === null) {
      kept.push(token)
      continue
    }
    const end = (tokens[close] as Token).end
    atClauses.push({ clause: atClause(bytes, tokens, index, close), start: token.start })
    cuts.push({ start: token.start, end })
    index = close
  }
  const text = blank(bytes, cuts)
  const explainEnd = explainPrefixEnd(kept)
  return {
    text,
    parseText: explainEnd === 0 ? text : blank(text, [{ start: 0, end: explainEnd }]),
    tokens: kept,
    atClauses,
    showsTables: showsTables(kept),
  }
}

/** Replaces runs of bytes by spaces. */
function blank(bytes: string, cuts: readonly { start: number; end: number }[]): string {
  let result = ''
  let at = 0
  for (const { start, end } of cuts) {
    result += bytes.slice(at, start) + ' '.repeat(end - start)
    at = end
  }
  return result + bytes.slice(at)
}

/** Index of the closing parenthesis when an AT clause starts at `index`, else null. */
function atClauseEnd(tokens: readonly Token[], index: number): number | null {
  const unit = tokens[index + 2]
  const isClause =
    isWord(tokens[index], 'at') &&
    isSign(tokens[index + 1], '(') &&
    (isWord(unit, 'version') || isWord(unit, 'timestamp')) &&
    isSign(tokens[index + 3], '=>')
  if (!isClause) return null
  const close = closingIndex(tokens, index + 1)
  return close === -1 ? null : close
}

function atClause(bytes: string, tokens: readonly Token[], index: number, close: number): AtClause {
  const from = (tokens[index + 3] as Token).end
  const expression = plainText(bytes.slice(from, (tokens[close] as Token).start)).trim()
  const unit = isWord(tokens[index + 2], 'version') ? 'version' : 'timestamp'
  if (expression === '') {
    throw new SluiceError('SLU-SQL-6006', { message: 'AT has no value after =>' })
  }
  return { unit, expression }
}

/** Byte after `EXPLAIN`, `EXPLAIN ANALYZE` or `EXPLAIN (options)`; 0 without EXPLAIN. */
function explainPrefixEnd(tokens: readonly Token[]): number {
  if (!isWord(tokens[0], 'explain')) return 0
  if (isWord(tokens[1], 'analyze')) return (tokens[1] as Token).end
  const isOptions =
    isSign(tokens[1], '(') && (isWord(tokens[2], 'analyze') || isWord(tokens[2], 'format'))
  const close = isOptions ? closingIndex(tokens, 1) : -1
  return (tokens[close === -1 ? 0 : close] as Token).end
}

function showsTables(tokens: readonly Token[]): boolean {
  const words = tokens.filter((token) => !isSign(token, ';'))
  return words.length === 2 && isWord(words[0], 'show') && isWord(words[1], 'tables')
}
