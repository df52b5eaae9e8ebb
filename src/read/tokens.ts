/**
 * SQL text as tokens, as DuckDB's lexer cuts it. Works on bytes, since DuckDB counts places in
 * bytes.
 */

/**
 * - `word`: a bare identifier or keyword · `quoted`: a `"quoted identifier"` · `string`: `'…'`,
 *   `E'…'`, `$tag$…$tag$` ·
 * - `number` · `sign`: one punctuation character, or `=>`.
 */
export type TokenKind = 'word' | 'quoted' | 'string' | 'number' | 'sign'

/** A token; comments and white space lie between tokens. */
export interface Token {
  readonly kind: TokenKind
  /** Words in lower case, quoted identifiers without their quotes, everything else as written. */
  readonly text: string
  /** First byte. */
  readonly start: number
  /** Byte after the last one. */
  readonly end: number
}

/**
 * SQL whose characters are the UTF-8 bytes of the user's text, so that places agree with DuckDB's.
 */
export function bytesText(sql: string): string {
  return Buffer.from(sql, 'utf8').toString('latin1')
}

/** Undoes `bytesText`. */
export function plainText(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8')
}

/**
 * Cuts `bytesText` into tokens. An unfinished string or comment reaches to the end; DuckDB then
 * complains.
 */
export function tokenize(bytes: string): readonly Token[] {
  const tokens: Token[] = []
  let at = 0
  while (at < bytes.length) {
    const skipped = skipBlank(bytes, at)
    if (skipped > at) {
      at = skipped
      continue
    }
    const token = nextToken(bytes, at)
    tokens.push(token)
    at = token.end
  }
  return tokens
}

/** Index of the token that closes the parenthesis opened at `openIndex`; -1 when none does. */
export function closingIndex(tokens: readonly Token[], openIndex: number): number {
  let depth = 0
  for (let index = openIndex; index < tokens.length; index++) {
    if (isSign(tokens[index], '(')) depth++
    else if (isSign(tokens[index], ')') && --depth === 0) return index
  }
  return -1
}

/** True for the given punctuation. */
export function isSign(token: Token | undefined, text: string): boolean {
  return token?.kind === 'sign' && token.text === text
}

/** True for the given bare word, in lower case. */
export function isWord(token: Token | undefined, text: string): boolean {
  return token?.kind === 'word' && token.text === text
}

/** True for anything that can be a name. */
export function isName(token: Token | undefined): token is Token {
  return token?.kind === 'word' || token?.kind === 'quoted'
}

function skipBlank(bytes: string, from: number): number {
  if (/\s/.test(bytes[from] as string)) return from + 1
  if (bytes.startsWith('--', from)) {
    const end = bytes.indexOf('\n', from)
    return end === -1 ? bytes.length : end + 1
  }
  return bytes.startsWith('/*', from) ? blockCommentEnd(bytes, from) : from
}

/** Block comments nest. */
function blockCommentEnd(bytes: string, from: number): number {
  let depth = 0
  for (let at = from; at < bytes.length; at++) {
    if (bytes.startsWith('/*', at)) {
      depth++
      at++
    } else if (bytes.startsWith('*/', at)) {
      depth--
      at++
      if (depth === 0) return at + 1
    }
  }
  return bytes.length
}

const WORD = /[A-Za-z_\x80-\xff][A-Za-z0-9_$\x80-\xff]*/y
const NUMBER = /(?:\d[\w]*(?:\.[\w]*)?|\.\d\w*)(?:(?<=[eE])[+-]\d+)?/y
const DOLLAR = /\$(?:[A-Za-z_\x80-\xff][A-Za-z0-9_\x80-\xff]*)?\$/y

function match(pattern: RegExp, bytes: string, at: number): string | null {
  pattern.lastIndex = at
  return pattern.exec(bytes)?.[0] ?? null
}

function nextToken(bytes: string, start: number): Token {
  const first = bytes[start] as string
  if (first === "'") return stringToken(bytes, start, quoteEnd(bytes, start, "'"))
  if (first === '"') {
    const end = quoteEnd(bytes, start, '"')
    const text = plainText(bytes.slice(start + 1, end - 1).replaceAll('""', '"'))
    return { kind: 'quoted', text, start, end }
  }
  if ((first === 'e' || first === 'E') && bytes[start + 1] === "'") {
    return stringToken(bytes, start, escapedEnd(bytes, start + 1))
  }
  const tag = match(DOLLAR, bytes, start)
  if (tag !== null) {
    const end = bytes.indexOf(tag, start + tag.length)
    return stringToken(bytes, start, end === -1 ? bytes.length : end + tag.length)
  }
  const word = match(WORD, bytes, start)
  if (word !== null) {
    const end = start + word.length
    return { kind: 'word', text: plainText(word).toLowerCase(), start, end }
  }
  const number = match(NUMBER, bytes, start)
  if (number !== null) return { kind: 'number', text: number, start, end: start + number.length }
  const text = bytes.startsWith('=>', start) ? '=>' : first
  return { kind: 'sign', text, start, end: start + text.length }
}

function stringToken(bytes: string, start: number, end: number): Token {
  return { kind: 'string', text: bytes.slice(start, end), start, end }
}

/** End of a quoted run in which the quote is doubled. */
function quoteEnd(bytes: string, start: number, quote: string): number {
  for (let at = start + 1; at < bytes.length; at++) {
    if (bytes[at] !== quote) continue
    if (bytes[at + 1] !== quote) return at + 1
    at++
  }
  return bytes.length
}

/** End of `E'…'`, where a backslash takes the next byte along. */
function escapedEnd(bytes: string, quoteAt: number): number {
  for (let at = quoteAt + 1; at < bytes.length; at++) {
    if (bytes[at] === '\\') at++
    else if (bytes[at] === "'") {
      if (bytes[at + 1] !== "'") return at + 1
      at++
    }
  }
  return bytes.length
}
