/** CSV records as SQL: the relation of a landed file, and its fields as values of a type. */

import { duckType, literal } from '../engine/index.ts'
import { isWholeNumber, type SourceColumn } from '../model/index.ts'
import { castDecimal, decimalForm, isDecimal } from './decimal-text.ts'
import { ENDS_QUERY, type Refusal } from './refusal.ts'
import type { CsvLayout, LandedSegment } from './segment.ts'
import { wholeNumber } from './whole-number.ts'

/** Small enough to stay in the processor's cache; a longer record gets what it needs. */
const BUFFER_BYTES_MIN = 1024 * 1024

/** `read_csv` over a segment; field i is column `c<i>`, as text. */
export function csvRelation(segment: LandedSegment, csv: CsvLayout): string {
  const fields = csv.fields.map((_, index) => `c${index}: 'VARCHAR'`)
  const bufferBytes = Math.max(BUFFER_BYTES_MIN, segment.lineBytesMax + 4096)
  // One thread: where a quoted field spans lines, others may take its middle for a record.
  return `read_csv(${literal(segment.path)}, columns = {${fields.join(', ')}},
    delim = ${literal(csv.delimiter)}, quote = ${literal(csv.quote)},
    escape = ${literal(csv.quote)}, nullstr = [${csv.nullTexts.map(literal).join(', ')}],
    allow_quoted_nulls = false, header = false, auto_detect = false, new_line = '\\n',
    strict_mode = true, parallel = false, max_line_size = ${bufferBytes},
    buffer_size = ${bufferBytes})`
}

/** The value of a column; NULL when the file does not have it. */
export function csvValue(csv: CsvLayout, column: SourceColumn, refusal = ENDS_QUERY): string {
  const text = csvText(csv, column)
  return text === null ? 'NULL' : textValue(text, column, refusal)
}

/** The text of a column's field; null when the file does not have it. */
export function csvText({ fields }: CsvLayout, { name }: SourceColumn): string | null {
  const index = fields.indexOf(name)
  return index < 0 ? null : `c${index}`
}

/**
 * A text as a value of the column's type. Whatever the type would round, cut or take for something
 * else is refused.
 */
function textValue(text: string, column: SourceColumn, refusal: Refusal): string {
  const { name, type } = column
  if (type === 'string') return text
  if (isWholeNumber(type)) return wholeNumber(text, name, { refusal })
  const form = formOf(column)
  const cast = isDecimal(type)
    ? castDecimal(text, type, 'CAST')
    : `CAST(${text} AS ${duckType(type)})`
  if (form === null) return cast
  const refused = literal(`${name}: no ${duckType(type)} holds exactly: `)
  return `CASE WHEN regexp_full_match(${text}, ${literal(form)}) THEN ${cast}
    WHEN ${text} IS NOT NULL THEN ${refusal(`${refused} || ${text}[1:60]`)} END`
}

const DAY = '[0-9]{4,6}-[0-9]{1,2}-[0-9]{1,2}'
const timeForm = (decimals: string): string => `[0-9]{1,2}:[0-9]{2}(:[0-9]{2}([.]${decimals})?)?`
const ZONE = ' ?(Z|UTC|[-+][0-9]{2}(:?[0-9]{2})?)'

/** What texts of a type look like; null where the cast itself is exact. */
function formOf({ type, nanoseconds }: SourceColumn): string | null {
  const time = timeForm(nanoseconds === 'cut' ? '[0-9]+' : '[0-9]{1,6}0*')
  if (type === 'date') return DAY
  if (type === 'timestamp') return `${DAY}([T ]${time}(${ZONE})?)?`
  if (type === 'timestamp_ntz') return `${DAY}([T ]${time})?`
  return isDecimal(type) ? decimalForm(type) : null
}
