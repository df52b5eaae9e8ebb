/** Values of Debezium's records as SQL: what the JSON reader is asked for, and what it means. */

import { duckType, identifier, literal } from '../engine/index.ts'
import {
  type DebeziumMember,
  type DebeziumValue,
  isWholeNumber,
  type TimeUnit,
  type UnavailableForms,
} from '../model/index.ts'
import { bound } from './bound.ts'
import { unscaledValue, variableValue } from './unscaled.ts'
import { PRINTED_DIGITS_MAX, wholeNumber } from './whole-number.ts'

/** Numbers with a point come printed from a double. */
const JSON_DIGITS = { digitsMax: PRINTED_DIGITS_MAX }

/** Type in which the JSON reader hands a value over: text wherever it would round or guess. */
export function debeziumReadType({ type, written }: DebeziumValue): string {
  switch (written.kind) {
    case 'list':
      return `${debeziumReadType(written.element)}[]`
    case 'map':
      return `MAP(VARCHAR, ${debeziumReadType(written.element)})`
    case 'members':
      return `STRUCT(${written.members.map(memberType).join(', ')})`
    case 'unscaled':
      return 'JSON'
    case 'variable':
      return 'STRUCT("scale" VARCHAR, "value" VARCHAR)'
    case 'plain':
      return type === 'boolean' || type === 'float' || type === 'double'
        ? duckType(type)
        : 'VARCHAR'
    default:
      return 'VARCHAR'
  }
}

/** `name TYPE`, as part of a struct type. */
export function memberType({ name, value }: DebeziumMember): string {
  return `${identifier(name)} ${debeziumReadType(value)}`
}

/**
 * What was read, as a value of the type. `name` is the column, for messages. Ends the query at what
 * the type cannot hold exactly.
 */
export function debeziumValue(read: string, value: DebeziumValue, name: string): string {
  const { type, written } = value
  switch (written.kind) {
    case 'plain':
      return isWholeNumber(type)
        ? `CAST(${wholeNumber(read, name, JSON_DIGITS)} AS ${duckType(type)})`
        : read
    case 'base64':
      return `from_base64(${read})`
    case 'days':
      return daysValue(read, name)
    case 'epoch':
      return epochValue(read, written.unit, name)
    case 'time':
      return timeValue(read, written.unit, name)
    case 'iso':
      return isoValue(read, written.of, name)
    case 'unscaled':
      // A number would be the decimal itself, and may look like base64.
      return `CASE WHEN starts_with(${read}::VARCHAR, '"')
        THEN ${unscaledValue(`trim(${read}::VARCHAR, '"')`, written.scale, type)}
        WHEN ${read}::VARCHAR <> 'null' THEN ${refusal(`${read}::VARCHAR`, NUMERIC, name)} END`
    case 'variable':
      return variableValue(read)
    case 'list':
      return isAsRead(written.element) ? read : listValue(read, written.element, name)
    case 'map':
      return isAsRead(written.element) ? read : mapValue(read, written.element, name)
    case 'members':
      return membersValue(read, written.members, name)
    case 'undeclared':
      return `CASE WHEN ${read} IS NOT NULL THEN ${refusal(read, UNDECLARED, name)} END`
    case 'event':
      return `CAST(${read} AS ${duckType(type)})`
    default: {
      const never: never = written
      return never
    }
  }
}

const NUMERIC = 'a decimal as a number; set decimal.format of the converter to BASE64'
const UNDECLARED = 'debezium.types does not say how this is written'

/** True where what was read stands for a value that was not sent; null where nothing can. */
export function isUnavailable(
  read: string,
  { type, written }: DebeziumValue,
  forms: UnavailableForms,
): string | null {
  switch (written.kind) {
    case 'plain':
      return type === 'string' ? `${read} IN (${textForms(forms).map(literal).join(', ')})` : null
    case 'base64':
      return `${read} = ${literal(forms.base64)}`
    case 'map':
      return debeziumReadType(written.element) === 'VARCHAR'
        ? `${read} = MAP {${literal(forms.text)}: ${literal(forms.text)}}`
        : null
    case 'list': {
      if (debeziumReadType(written.element) !== 'VARCHAR') return null
      const texts = listForms(forms).map((list) => `[${list.map(literal).join(', ')}]`)
      return `${read} IN (${texts.join(', ')})`
    }
    default:
      return null
  }
}

function listForms({ text, base64, uuid, codes }: UnavailableForms): readonly string[][] {
  return [[text], [base64], [uuid], codes.map(String)]
}

/** Of texts, of bytes written as text, and of lists whose JSON text a column has. */
function textForms({ text, base64, hex, codes, uuid }: UnavailableForms): readonly string[] {
  return [
    text,
    base64,
    hex,
    ...[[text], [base64], [uuid], codes].map((list) => JSON.stringify(list)),
  ]
}

function refusal(read: string, what: string, name: string): string {
  return `error(${literal(`${name}: ${what}: `)} || (${read})[1:60])`
}

const isAsRead = (value: DebeziumValue): boolean => debeziumValue('x', value, '') === 'x'

const whole = (read: string, type: string, name: string): string =>
  `CAST(${wholeNumber(read, name, JSON_DIGITS)} AS ${type})`

const CONVERSION = 'no column of this type holds'

/** The largest and smallest days are what the engine takes for infinity. */
function daysValue(read: string, name: string): string {
  const days = whole(read, 'INTEGER', name)
  return `CASE WHEN abs(${days}::BIGINT) < 2147483647 THEN make_date(${days})
    WHEN ${read} IS NOT NULL THEN ${refusal(read, CONVERSION, name)} END`
}

/** What Debezium writes for the infinities of Postgres is no time. */
const INFINITIES = "('9223372036825200000', '-9223372036832400000')"

function epochValue(read: string, unit: TimeUnit, name: string): string {
  const count = whole(read, 'BIGINT', name)
  const refused = `WHEN ${read} IS NOT NULL THEN ${refusal(read, CONVERSION, name)} END`
  if (unit === 'millis') return `make_timestamp_ms(${count})`
  if (unit === 'micros') {
    return `CASE WHEN ${read} NOT IN ${INFINITIES} THEN make_timestamp(${count}) ${refused}`
  }
  return `CASE WHEN ${count} % 1000 = 0 THEN make_timestamp(${count} // 1000) ${refused}`
}

const DIGITS: Readonly<Record<TimeUnit, number>> = { millis: 3, micros: 6, nanos: 9 }

/** `04:05:06.789`, as Postgres prints it; hours may go beyond 24 and be negative, as in MySQL. */
function timeValue(read: string, unit: TimeUnit, name: string): string {
  const perSecond = 10 ** DIGITS[unit]
  const printed = bound({ n: whole(read, 'BIGINT', name) }, ({ n }) => {
    const seconds = `(abs(${n}) // ${perSecond})`
    const rest = `(abs(${n}) % ${perSecond})`
    return `CASE WHEN ${n} < 0 THEN '-' ELSE '' END
      || printf('%02d:%02d:%02d', ${seconds} // 3600, ${seconds} // 60 % 60, ${seconds} % 60)
      || CASE WHEN ${rest} = 0 THEN ''
        ELSE '.' || rtrim(printf('%0${DIGITS[unit]}d', ${rest}), '0') END`
  })
  return `CASE WHEN ${read} IS NOT NULL THEN ${printed} END`
}

const DAY = '[-+]?[0-9]{4,6}-[0-9]{2}-[0-9]{2}'
const CLOCK = 'T[0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]{1,6}0*)?)?'
const FORMS = {
  date: { form: `${DAY}Z?`, type: 'DATE' },
  local: { form: `${DAY}${CLOCK}Z?`, type: 'TIMESTAMP' },
  zoned: { form: `${DAY}${CLOCK}(Z|[-+][0-9]{2}(:?[0-9]{2})?)`, type: 'TIMESTAMPTZ' },
} as const

function isoValue(read: string, of: 'time' | keyof typeof FORMS, name: string): string {
  if (of === 'time') return `rtrim(${read}, 'Z')`
  const { form, type } = FORMS[of]
  const plain = of === 'zoned' ? read : `rtrim(${read}, 'Z')`
  return `CASE WHEN regexp_full_match(${read}, ${literal(form)})
    THEN CAST(ltrim(${plain}, '+') AS ${type})
    WHEN ${read} IS NOT NULL THEN ${refusal(read, CONVERSION, name)} END`
}

/** Lambdas inside of one another need names of their own. */
const parameter = (read: string): string => `e${read.length}`

function listValue(read: string, element: DebeziumValue, name: string): string {
  const each = parameter(read)
  return `list_transform(${read}, lambda ${each}: ${debeziumValue(each, element, name)})`
}

function mapValue(read: string, element: DebeziumValue, name: string): string {
  const each = parameter(read)
  const value = debeziumValue(`${each}.value`, element, name)
  return `CASE WHEN ${read} IS NOT NULL THEN map_from_entries(list_transform(map_entries(${read}),
    lambda ${each}: struct_pack(k := ${each}.key, v := ${value}))) END`
}

function membersValue(read: string, members: readonly DebeziumMember[], name: string): string {
  const parts = members.map((member) => {
    const inner = debeziumValue(`${read}.${identifier(member.name)}`, member.value, name)
    return `${identifier(member.name)} := ${inner}`
  })
  return `CASE WHEN ${read} IS NOT NULL THEN struct_pack(${parts.join(', ')}) END`
}
