/** Where the rows of one key stand in data files, hidden ones included, and what they hold. */

import type { Snapshot, Table } from '../contracts/index.ts'
import { guard } from '../engine/index.ts'
import {
  type DataFile,
  isMetaColumn,
  isSluiceError,
  POSITION_COLUMN,
  SPLIT_COLUMN,
  type TableSchema,
} from '../model/index.ts'
import { cellReader, type SqlCell } from './cell.ts'
import { rowsWithout } from './changes-relation.ts'
import { admitFiles, explainFailure } from './data-files.ts'
import type { RowKey } from './row-key.ts'
import { type ScanEntry, scanColumn, scanSql } from './scan.ts'
import { scanBase } from './snapshot-relation.ts'
import type { FileRows, Workspace } from './workspace.ts'

/** One stored row: its file and its position there. */
export interface RowPlace {
  readonly file: DataFile
  readonly row: number
}

/** A stored row with its values. */
export interface RowImage {
  readonly path: string
  readonly row: number
  /** `Cursor.splitNumber` of where it came from; null in tables of other writers. */
  readonly splitNumber: number | null
  /** Source position of the change that wrote it; null in tables of other writers. */
  readonly position: bigint | null
  /** In the order of the user's columns. */
  readonly values: readonly SqlCell[]
}

/** Looks for one key. */
export interface KeySearch {
  /** The rows that are live in the snapshot. */
  live(): Promise<readonly RowPlace[]>
  /**
   * Looks through the files that were not looked through yet and may hold the key. Throws
   * SLU-STO-2005 when one is gone.
   */
  look(files: Iterable<DataFile>): Promise<void>
  /** Rows of the key in a file that was looked through, without those that its vector hides. */
  shown(file: DataFile): Promise<Uint32Array>
  /** What the rows hold, in the order of the places. */
  images(places: readonly RowPlace[]): Promise<readonly RowImage[]>
}

/** Files of one statement: bounds its text and the files it holds open. */
const FILES_PER_LOOK = 1000
/** Names of files without the key that are remembered; beyond it they are looked through again. */
const EMPTY_FILES_MAX = 200_000

const NO_ROWS = new Uint32Array(0)

/** Looks through the snapshot; other files are read with its columns too. */
export async function openKeySearch(
  workspace: Workspace,
  table: Table,
  { key, snapshot }: { readonly key: RowKey; readonly snapshot: Snapshot },
): Promise<KeySearch> {
  const found = new Map<string, Uint32Array>()
  const without = new Set<string>()
  const look = async (files: Iterable<DataFile>, isKnown: (path: string) => boolean) => {
    const unknown = new Map<string, DataFile>()
    const flush = async (): Promise<void> => {
      const list = [...unknown.values()]
      unknown.clear()
      const rows = await findRows(workspace, table, { key, snapshot, files: list })
      for (const [index, { path }] of list.entries()) {
        const places = rows.get(index)
        if (places !== undefined) found.set(path, Uint32Array.from(places))
        else if (without.add(path).size > EMPTY_FILES_MAX) without.clear()
      }
    }
    for (const file of files) {
      if (!isKnown(file.path) && key.mayBeIn(file)) unknown.set(file.path, file)
      if (unknown.size === FILES_PER_LOOK) await flush()
    }
    if (unknown.size > 0) await flush()
  }
  const shown = async (file: DataFile): Promise<Uint32Array> => {
    const rows = found.get(file.path) ?? NO_ROWS
    if (rows.length === 0 || file.deletionVector === null) return rows
    return rowsWithout(rows, await table.deletedRows(file))
  }
  await look(snapshot.files(), () => false)
  const held = [...found.keys()].flatMap((path) => snapshot.file(path) ?? [])
  const isKnown = (path: string): boolean =>
    found.has(path) || without.has(path) || snapshot.file(path) !== null
  return {
    live: async () => {
      const places = await Promise.all(
        held.map(async (file) => Array.from(await shown(file), (row) => ({ file, row }))),
      )
      return places.flat()
    },
    look: (files) => look(files, isKnown),
    shown,
    images: (places) => readImages(workspace, table, { snapshot, places }),
  }
}

/** Positions of the key's rows by the number of the file; files that have none are left out. */
async function findRows(
  workspace: Workspace,
  table: Table,
  request: {
    readonly key: RowKey
    readonly snapshot: Snapshot
    readonly files: readonly DataFile[]
  },
): Promise<ReadonlyMap<number, readonly number[]>> {
  const { key, snapshot, files } = request
  await admitFiles(workspace, table, files)
  const scan = scanSql({
    ...scanBase(snapshot),
    entries: files.map((file) => entryOf(table, file)),
    positions: null,
    withPlaces: true,
  })
  const rows = new Map<number, number[]>()
  await explained(workspace, () =>
    workspace.session.columns(
      `SELECT file, "row" FROM (${scan}) WHERE ${key.condition} ORDER BY ALL`,
      ['u32', 'u32'],
      ([fileNumbers, rowNumbers], count) => {
        for (let index = 0; index < count; index++) {
          const file = fileNumbers[index] as number
          const list = rows.get(file) ?? []
          if (list.push(rowNumbers[index] as number) === 1) rows.set(file, list)
        }
      },
    ),
  )
  return rows
}

function entryOf(table: Table, file: DataFile): ScanEntry {
  return { url: table.readUrl(file), partitionValues: file.partitionValues, labels: [] }
}

/** A file that cannot be read is told by its name. */
async function explained<T>(workspace: Workspace, read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (error) {
    throw isSluiceError(error) ? await explainFailure(workspace, error) : error
  }
}

async function readImages(
  workspace: Workspace,
  table: Table,
  { snapshot, places }: { readonly snapshot: Snapshot; readonly places: readonly RowPlace[] },
): Promise<readonly RowImage[]> {
  if (places.length === 0) return []
  const files = [...new Map(places.map(({ file }) => [file.path, file])).values()]
  const numbers = new Map(files.map(({ path }, index) => [path, index]))
  const loaded = await workspace.loadRows(fileRows(places, numbers))
  const scan = scanSql({
    ...scanBase(snapshot),
    entries: files.map((file) => entryOf(table, file)),
    positions: { use: 'only', table: loaded.table, labels: [[]] },
    withPlaces: true,
  })
  const { schema } = snapshot
  const result = await explained(workspace, () =>
    guard(() =>
      workspace.session.connection.runAndReadAll(
        `SELECT file, "row", ${selected(schema)} FROM (${scan})`,
      ),
    ),
  )
  await workspace.session.run(`DROP TABLE ${loaded.table}`)
  const readers = result.columnTypes().map(cellReader)
  const images = new Map<string, RowImage>()
  for (const cells of result.getRows()) {
    const [file, row, splitNumber, position, ...values] = cells.map(
      (cell, index) => readers[index]?.(cell) ?? null,
    )
    const { path } = files[Number(file)] as DataFile
    images.set(`${path} ${row}`, {
      path,
      row: Number(row),
      splitNumber: splitNumber as number | null,
      position: position as bigint | null,
      values,
    })
  }
  return places.map(({ file, row }) => images.get(`${file.path} ${row}`) as RowImage)
}

/** The two meta columns, NULL where the table has none, then the user's columns. */
function selected({ columns }: TableSchema): string {
  const indexes = columns.map(({ name }, index) => ({ name, index }))
  const meta = [SPLIT_COLUMN, POSITION_COLUMN].map((wanted) => {
    const found = indexes.find(({ name }) => name === wanted)
    return found === undefined ? 'NULL' : scanColumn(found.index)
  })
  const users = indexes.filter(({ name }) => !isMetaColumn(name))
  return [...meta, ...users.map(({ index }) => scanColumn(index))].join(', ')
}

async function* fileRows(
  places: readonly RowPlace[],
  numbers: ReadonlyMap<string, number>,
): AsyncIterable<FileRows> {
  // One place twice would be joined twice.
  const unique = new Map(places.map((place) => [`${place.file.path} ${place.row}`, place]))
  for (const { file, row } of unique.values()) {
    yield { file: numbers.get(file.path) as number, rows: Uint32Array.of(row), tag: 0 }
  }
}
