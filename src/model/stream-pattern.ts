/**
 * Patterns of stream names: `public.*`, `sales.order_*`, `!public.tmp_*`. A star stands for any
 * characters of one part; a part in double quotes is taken as it is. Pure.
 */

/** Names of tables: parts of letters, digits, `_`, `-`, joined by dots; none begins with `_`. */
export const TABLE_NAME = /^[A-Za-z0-9][\w-]*(?:\.[A-Za-z0-9][\w-]*)*$/

/** One entry of a list of streams. */
export interface StreamPattern {
  /** Takes streams away that other patterns chose. */
  readonly excludes: boolean
  /** True when it names one stream. */
  readonly isName: boolean
  readonly parts: readonly PatternPart[]
}

interface PatternPart {
  readonly text: string
  /** In quotes: stars are stars. */
  readonly isLiteral: boolean
}

/** The entry in the text; null when it is not made of parts joined by dots. */
export function parseStreamPattern(text: string): StreamPattern | null {
  const excludes = text.startsWith('!')
  const parts = parseParts(excludes ? text.slice(1) : text)
  if (parts === null) return null
  return { excludes, isName: parts.every((part) => !hasStar(part)), parts }
}

/** The parts of a stream's name without their quotes: `public."a.b"` → `public`, `a.b`. */
export function streamParts(stream: string): readonly string[] {
  return parseParts(stream)?.map(({ text }) => text) ?? [stream]
}

/** True when a pattern chooses the stream and none takes it away, wherever they stand. */
export function matchesPatterns(patterns: readonly StreamPattern[], stream: string): boolean {
  const parts = streamParts(stream)
  const isHit = (pattern: StreamPattern): boolean => matchesParts(pattern.parts, parts)
  const excluding = patterns.filter(({ excludes }) => excludes)
  return patterns.some((one) => !one.excludes && isHit(one)) && !excluding.some(isHit)
}

/** A part in quotes, or one without dot and quote. */
const PART = /"((?:[^"]|"")+)"|([^".]+)/y

function parseParts(text: string): readonly PatternPart[] | null {
  const parts: PatternPart[] = []
  for (let at = 0; ; at++) {
    PART.lastIndex = at
    const found = PART.exec(text)
    if (found === null) return null
    const [whole, quoted, plain] = found
    parts.push(
      quoted === undefined
        ? { text: plain as string, isLiteral: false }
        : { text: quoted.replaceAll('""', '"'), isLiteral: true },
    )
    at += whole.length
    if (at === text.length) return parts
    if (text[at] !== '.') return null
  }
}

const hasStar = ({ text, isLiteral }: PatternPart): boolean => !isLiteral && text.includes('*')

function matchesParts(pattern: readonly PatternPart[], parts: readonly string[]): boolean {
  if (pattern.length !== parts.length) return false
  return pattern.every((part, index) => matchesPart(part, parts[index] as string))
}

/** Every run between two stars must follow the one before it. */
function matchesPart({ text, isLiteral }: PatternPart, name: string): boolean {
  if (isLiteral || !text.includes('*')) return text === name
  const pieces = text.split('*')
  const first = pieces.shift() as string
  const last = pieces.pop() as string
  if (name.length < first.length + last.length) return false
  if (!name.startsWith(first) || !name.endsWith(last)) return false
  const middle = name.slice(first.length, name.length - last.length)
  let at = 0
  for (const piece of pieces) {
    const found = middle.indexOf(piece, at)
    if (found < 0) return false
    at = found + piece.length
  }
  return true
}
