/** Aligned tables for people. */

/** A column of a text table. */
export interface TextColumn {
  readonly title: string
  readonly align: 'left' | 'right'
}

/** How a table is drawn. */
export interface TableStyle {
  /** Cells are cut to this many characters; null cuts nothing. */
  readonly cellWidthMax: number | null
  /** Titles are emphasised with terminal codes. */
  readonly isColored: boolean
}

/** Title, rule and rows with columns two spaces apart; no space at the end of a line. */
export function drawTable(
  columns: readonly TextColumn[],
  rows: readonly (readonly string[])[],
  style: TableStyle,
): string {
  const clean = rows.map((row) => row.map((cell) => cutCell(printable(cell), style.cellWidthMax)))
  const titles = columns.map((column) => printable(column.title))
  const widths = titles.map((title, index) =>
    clean.reduce((width, row) => Math.max(width, widthOf(row[index] ?? '')), widthOf(title)),
  )
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, index) => pad(cell, widths[index] ?? 0, columns[index]?.align ?? 'left'))
      .join('  ')
      .trimEnd()
  const head = line(titles)
  const rule = widths.map((width) => '─'.repeat(width)).join('  ')
  const title = style.isColored ? `\u001b[1m${head}\u001b[22m` : head
  return `${[title, rule, ...clean.map(line)].join('\n')}\n`
}

/** `name  value` lines, names padded to one width. */
export function drawFacts(facts: readonly (readonly [string, string])[]): string {
  const width = Math.max(0, ...facts.map(([name]) => widthOf(name)))
  return facts.map(([name, value]) => `${pad(name, width, 'left')}  ${printable(value)}\n`).join('')
}

/** Text without control characters, which could move the cursor or forge lines. */
export function printable(text: string): string {
  return text
    .replaceAll('\n', '⏎')
    .replaceAll('\t', ' ')
    .replaceAll(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '�')
}

/** Columns a text takes on a terminal: wide characters count twice, combining ones not at all. */
export function widthOf(text: string): number {
  if (/^[\x20-\x7e]*$/.test(text)) return text.length
  let width = 0
  for (const character of text) {
    if (/\p{Mark}|\u200b|\u200d|\ufe0f/u.test(character)) continue
    width += isWide(character.codePointAt(0) ?? 0) ? 2 : 1
  }
  return width
}

function isWide(code: number): boolean {
  return (
    (code >= 0x1100 && code <= 0x115f) ||
    (code >= 0x2e80 && code <= 0xa4cf) ||
    (code >= 0xac00 && code <= 0xd7a3) ||
    (code >= 0xf900 && code <= 0xfaff) ||
    (code >= 0xfe30 && code <= 0xfe6f) ||
    (code >= 0xff00 && code <= 0xff60) ||
    (code >= 0xffe0 && code <= 0xffe6) ||
    (code >= 0x1f300 && code <= 0x1faff) ||
    (code >= 0x20000 && code <= 0x3fffd)
  )
}

function pad(text: string, width: number, align: TextColumn['align']): string {
  const space = ' '.repeat(Math.max(0, width - widthOf(text)))
  return align === 'right' ? space + text : text + space
}

function cutCell(text: string, widthMax: number | null): string {
  if (widthMax === null || widthOf(text) <= widthMax) return text
  let width = 0
  let kept = ''
  for (const character of text) {
    width += widthOf(character)
    if (width > widthMax - 1) break
    kept += character
  }
  return `${kept}…`
}
