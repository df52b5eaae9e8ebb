/** PostgreSQL types → table column types. */

import type { ColumnType, PrimitiveType } from '../../src/model/index.ts'

/** One row of pg_type, as far as it is needed. */
export interface TypeRow {
  readonly oid: number
  /** `format_type(oid, NULL)`: the type's name without modifiers. */
  readonly name: string
  /** typtype: b base, d domain, e enum, c composite, r range, m multirange, p pseudo. */
  readonly kind: string
  /** Element type when this is a true array type whose text separates by commas, else 0. */
  readonly elementOid: number
  /** Base type and modifier when this is a domain. */
  readonly baseOid: number
  readonly baseTypmod: number
}

/** What is known of the server's types. */
export type TypeCatalog = ReadonlyMap<number, TypeRow>

const PRIMITIVES: ReadonlyMap<number, PrimitiveType> = new Map([
  [16, 'boolean'],
  [17, 'binary'],
  [20, 'long'],
  [21, 'short'],
  [23, 'integer'],
  [700, 'float'],
  [701, 'double'],
  [1082, 'date'],
  [1114, 'timestamp_ntz'],
  [1184, 'timestamp'],
])

const NUMERIC_OID = 1700
const CHARACTER_OIDS: ReadonlySet<number> = new Set([1042, 1043])
/** Delta's limit; numeric without or with a larger precision stays exact as a string. */
const DECIMAL_PRECISION_MAX = 38
/** Modifiers of numeric and character types count four bytes of header. */
const TYPMOD_HEADER = 4

/**
 * The column type for a type and its modifier (-1: none). What has no exact counterpart becomes
 * `string`, holding PostgreSQL's text form: nothing is rounded or cut.
 */
export function columnType(oid: number, typmod: number, catalog: TypeCatalog): ColumnType {
  const primitive = PRIMITIVES.get(oid)
  if (primitive !== undefined) return primitive
  if (oid === NUMERIC_OID) return numericType(typmod)
  const row = catalog.get(oid)
  if (row === undefined) return 'string'
  if (row.kind === 'd') {
    return columnType(row.baseOid, typmod >= 0 ? typmod : row.baseTypmod, catalog)
  }
  if (row.elementOid !== 0) {
    const element = columnType(row.elementOid, typmod, catalog)
    // Elements of a domain over arrays come as quoted array text.
    const isNested = typeof element !== 'string' && element.kind === 'array'
    return { kind: 'array', element: isNested ? 'string' : element, containsNull: true }
  }
  return 'string'
}

/** `text` or `decimal(p,s)`, as `columnTypes` names them; null when it is neither. */
export function parseForcedType(name: string): ColumnType | null {
  if (name === 'text') return 'string'
  const match = /^decimal\((\d{1,2}), ?(\d{1,2})\)$/.exec(name)
  if (match === null) return null
  const [precision, scale] = [Number(match[1]), Number(match[2])]
  const isLegal = precision >= 1 && precision <= DECIMAL_PRECISION_MAX && scale <= precision
  return isLegal ? { kind: 'decimal', precision, scale } : null
}

/** True for numeric and domains over it: the types that a chosen decimal may stand for. */
export function isNumeric(oid: number, catalog: TypeCatalog): boolean {
  const row = catalog.get(oid)
  return oid === NUMERIC_OID || (row?.kind === 'd' && isNumeric(row.baseOid, catalog))
}

/** The type as people write it: `numeric(10,2)`, `character varying(20)`, `uuid[]`. */
export function sourceTypeName(oid: number, typmod: number, catalog: TypeCatalog): string {
  const row = catalog.get(oid)
  if (row === undefined) return `type ${oid}`
  if (row.elementOid !== 0) return `${sourceTypeName(row.elementOid, typmod, catalog)}[]`
  if (typmod < TYPMOD_HEADER) return row.name
  if (oid === NUMERIC_OID) {
    const { precision, scale } = numericModifier(typmod)
    return `${row.name}(${precision},${scale})`
  }
  return CHARACTER_OIDS.has(oid) ? `${row.name}(${typmod - TYPMOD_HEADER})` : row.name
}

function numericType(typmod: number): ColumnType {
  if (typmod < TYPMOD_HEADER) return 'string'
  const { precision, scale } = numericModifier(typmod)
  const fits = precision <= DECIMAL_PRECISION_MAX && scale >= 0 && scale <= precision
  return fits ? { kind: 'decimal', precision, scale } : 'string'
}

/** The scale is an 11-bit signed number since PostgreSQL 15; before, it was never negative. */
function numericModifier(typmod: number): { precision: number; scale: number } {
  const packed = typmod - TYPMOD_HEADER
  return { precision: (packed >> 16) & 0xffff, scale: ((packed & 0x7ff) ^ 1024) - 1024 }
}
