/** Columns that tell of a record where it stands: its file, its line, when the file was written. */

import type { BlockPart } from '../../src/contracts/index.ts'
import { type ColumnType, printColumnType, type SourceColumn } from '../../src/model/index.ts'

/** What can be told of a record, with its type. */
export const METADATA_FIELDS = {
  file: { type: 'string', metadata: 'same' },
  line: { type: 'long', metadata: 'counted' },
  modified_at: { type: 'timestamp', metadata: 'same' },
} as const satisfies Readonly<
  Record<string, { readonly type: ColumnType; readonly metadata: SourceColumn['metadata'] }>
>

/** A name of `METADATA_FIELDS`. */
export type MetadataField = keyof typeof METADATA_FIELDS

/** Column of a field: `__file`. */
export function metadataColumn(field: MetadataField): string {
  return `__${field}`
}

/** The columns of fields, in their order. */
export function metadataColumns(fields: readonly MetadataField[]): readonly SourceColumn[] {
  return fields.map((field) => {
    const { type, metadata } = METADATA_FIELDS[field]
    const sourceType = printColumnType(type)
    return { name: metadataColumn(field), type, sourceType, nullable: true, metadata }
  })
}

/** Where records stand: `BlockPart.place`, and when their file was modified. */
export interface ToldPlace extends NonNullable<BlockPart['place']> {
  readonly modifiedAtMs: number
}

/** Metadata of consecutive records from a position on, as `BlockPart.metadata` has it. */
export function metadataLines(
  fields: readonly MetadataField[],
  firstPosition: bigint,
  { file, firstLine, lines, modifiedAtMs }: ToldPlace,
): Uint8Array {
  const modifiedAt = new Date(modifiedAtMs).toISOString()
  const told: string[] = []
  const tell = (index: number, line: number): void => {
    const values = { file, line, modified_at: modifiedAt }
    const members = fields.map((field) => [metadataColumn(field), values[field]])
    const text = JSON.stringify(Object.fromEntries(members))
    told.push(`{"position":${firstPosition + BigInt(index)},"values":${text}}\n`)
  }
  tell(0, lines?.[0] ?? firstLine)
  if (lines !== null && fields.includes('line')) {
    // A run ends where a line or more is left out.
    for (let index = 1; index < lines.length; index++) {
      const line = lines[index] as number
      if (line !== (lines[index - 1] as number) + 1) tell(index, line)
    }
  }
  return Buffer.from(told.join(''))
}
