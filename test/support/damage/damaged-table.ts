/** A small table with vectors over several versions, copied for each way to damage it. */

import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { ColumnType } from '../../../src/model/index.ts'
import { commitRows, openLake } from '../conformance/lake.ts'

/** A copy to damage; it goes with the folder of the original. */
export interface TableCopy {
  /** The store; the table is `t` in it. */
  readonly store: string
  /** Path of an object of the table: `_delta_log/…`, a data file. */
  path(name: string): string
  /** Bytes of an object, changed. */
  change(name: string, edit: (bytes: Buffer) => Buffer): void
  /** Actions of a log entry, changed; without the checksum that would tell at once. */
  edit(version: number, edit: (actions: LogAction[]) => LogAction[]): void
  /** Bytes of a log entry, changed. */
  cut(version: number, edit: (bytes: Buffer) => Buffer): void
  remove(name: string): void
  readonly logName: (version: number) => string
  /** Names in the table's root: data files in the order of their versions, vectors likewise. */
  readonly dataFiles: readonly string[]
  readonly vectors: readonly string[]
}

/** An action of a log entry as plain JSON. */
// biome-ignore lint/suspicious/noExplicitAny: damage may be anything
export type LogAction = Record<string, Record<string, any>>

/** The rows of the undamaged table, as `readTable` prints them. */
export const GOOD_ROWS = JSON.stringify(
  [0, 1, 2, 4, 5, 6, 8, 9, 10, 11, 13, 14].map((id) => [id, `name ${id}`, id * 3]),
)

/** Version of the undamaged table. */
export const NEWEST = 3

const name = (version: number): string => `_delta_log/${String(version).padStart(20, '0')}.json`

/** How the table is made: properties of its own, a checkpoint of its newest version. */
export interface TableMaking {
  readonly properties: Readonly<Record<string, string>>
  readonly checkpoint: boolean
}

/** Writes the table into a new folder: `t`, versions 0 to 3, two data files, two vector files. */
export async function writeTable(
  { properties, checkpoint }: TableMaking = { properties: {}, checkpoint: false },
): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-damage-'))
  await using lake = await openLake()
  const types: readonly (readonly [string, ColumnType])[] = [
    ['id', 'long'],
    ['name', 'string'],
    ['n', 'integer'],
    ['_sluice_split', 'integer'],
    ['_sluice_position', 'long'],
  ]
  const columns = types.map(([column, type]) => ({
    name: column,
    physicalName: '',
    fieldId: -1,
    type,
    nullable: true,
  }))
  const schema = { columns, partitionBy: [], key: ['id'], maxFieldId: 0 }
  const table = await lake.format.create('t', { schema, name: 't', properties, details: {} })
  const rows = (from: number, to: number): string =>
    `(SELECT i AS id, 'name ' || i AS name, (i * 3)::INTEGER AS n
      FROM range(${from}, ${to}) r(i)) AS t`
  await commitRows(lake, table, { rows: rows(0, 10) })
  await commitRows(lake, table, { rows: rows(10, 15), deleteWhere: 'id IN (3, 7)' })
  await commitRows(lake, table, { deleteWhere: 'id = 12' })
  if (checkpoint) {
    await table.checkpoint()
    await table[Symbol.asyncDispose]()
  }
  cpSync(join(lake.folder, 't'), join(folder, 't'), { recursive: true })
  return folder
}

/** Copies the table of `original` to a folder beside it. */
export function copyTable(original: string): TableCopy {
  const store = mkdtempSync(join(dirname(original), 'sluice-damaged-'))
  cpSync(original, store, { recursive: true })
  const path = (object: string): string => join(store, 't', object)
  const adds = [1, 2, 3].flatMap((version) => linesOf(path(name(version)))).map(({ add }) => add)
  const change = (object: string, edit: (bytes: Buffer) => Buffer): void =>
    writeFileSync(path(object), edit(readFileSync(path(object))))
  const all = readdirSync(join(store, 't'))
  return {
    store,
    path,
    change,
    logName: name,
    cut: (version, edit) => change(name(version), edit),
    edit: (version, edit) => {
      const actions = edit(linesOf(path(name(version))))
      delete actions[0]?.commitInfo?.sluice?.checksum
      writeFileSync(path(name(version)), actions.map((one) => `${JSON.stringify(one)}\n`).join(''))
    },
    remove: (object) => rmSync(path(object), { recursive: true }),
    dataFiles: [...new Set(adds.flatMap((add) => (add === undefined ? [] : [String(add.path)])))],
    vectors: all.filter((object) => object.endsWith('.bin')),
  }
}

function linesOf(file: string): LogAction[] {
  const lines = readFileSync(file, 'utf8').trim().split('\n')
  return lines.map((line) => JSON.parse(line) as LogAction)
}
