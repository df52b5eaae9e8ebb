/** `sluice show TABLE`: schema, key, partitions, properties, cursors. */

import { type Cursor, isMetaColumn } from '../../model/index.ts'
import { findTable, modeOf, openTable, type VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import {
  countText,
  positionText,
  sizeText,
  timeJson,
  timeText,
  typeText,
  UNKNOWN,
} from '../format.ts'
import { cursorJson } from './cursor-json.ts'

/** Shows the newest version. */
export async function showVerb(context: VerbContext, name: string): Promise<number> {
  const { output } = context
  await using runtime = await context.openRuntime()
  const found = findTable(runtime.config, name)
  await using table = await openTable(runtime, found)
  const snapshot = await table.latest()
  const { schema } = snapshot
  const cursors = snapshot.cursors()
  output.document('show', {
    table: found.target.table,
    pipeline: found.pipeline.name,
    stream: found.target.stream,
    location: locationOf(runtime.store.url, table.root),
    tableId: snapshot.tableId,
    mode: modeOf(found, snapshot),
    version: snapshot.version,
    lastCommitAt: timeJson(snapshot.timestampMicros),
    rowCount: snapshot.rowCount,
    fileCount: snapshot.fileCount,
    sizeBytes: snapshot.sizeBytes,
    key: schema.key,
    partitionBy: schema.partitionBy,
    columns: schema.columns.map((column) => ({
      name: column.name,
      type: typeText(column.type),
      nullable: column.nullable,
      fieldId: column.fieldId,
      meta: isMetaColumn(column.name),
    })),
    properties: snapshot.properties,
    cursors: cursors.map(({ pipeline, cursor }) => ({ pipeline, ...cursorJson(cursor) })),
  })
  output.facts([
    ['table', found.target.table],
    ['location', locationOf(runtime.store.url, table.root)],
    ['stream', `${found.target.stream} (pipeline ${found.pipeline.name})`],
    ['version', `${snapshot.version} of ${timeText(snapshot.timestampMicros)}`],
    ['rows', countText(snapshot.rowCount)],
    ['files', `${countText(snapshot.fileCount)} (${sizeText(snapshot.sizeBytes)})`],
    ['mode', modeOf(found, snapshot)],
    ['key', schema.key.join(', ') || UNKNOWN],
    ['partitioned by', schema.partitionBy.join(', ') || UNKNOWN],
    ...cursors.map((entry) => cursorFact(entry, found.sourceType)),
  ])
  output.text('\n')
  output.table(
    [
      { title: 'column', align: 'left' },
      { title: 'type', align: 'left' },
      { title: 'null', align: 'left' },
      { title: 'id', align: 'right' },
    ],
    schema.columns.map((column) => [
      column.name,
      typeText(column.type),
      column.nullable ? 'yes' : 'no',
      String(column.fieldId),
    ]),
  )
  return EXIT.ok
}

function locationOf(storeUrl: string, root: string): string {
  return `${storeUrl.replace(/\/$/, '')}/${root}`
}

function cursorFact(
  { pipeline, cursor }: { readonly pipeline: string; readonly cursor: Cursor },
  sourceType: string | null,
): readonly [string, string] {
  const position = positionText(cursor.nextPosition, sourceType)
  const where = `${cursor.phase} up to ${position}, batch ${cursor.batchNumber}`
  return ['cursor', `${pipeline}/${cursor.split}: ${where}`]
}
