/** The rooms of the house, read from the table of docs/architecture.md. */

import { textOf } from './source-tree.ts'

/** One row of the table. */
export interface Room {
  /** Folder, or the file of a one-file room. */
  readonly path: string
  readonly layer: number
  /** Rooms it may import beside the model and the contracts. */
  readonly mayImport: readonly string[] | 'every lower room'
}

/** The page that holds the table. */
export const ROOMS_PAGE = 'docs/architecture.md'

/** All rooms in the order of the table. */
export function readRooms(): readonly Room[] {
  return parseRooms(textOf(ROOMS_PAGE))
}

/** Parses the table: rows whose first cell is a path in backticks and whose second is a number. */
export function parseRooms(page: string): readonly Room[] {
  const rooms: Room[] = []
  for (const line of page.split('\n')) {
    const cells = line.split('|').map((cell) => cell.trim())
    const name = /^`([^`]+)`$/.exec(cells[1] ?? '')?.[1]
    if (cells.length !== 7 || name === undefined || !/^\d+$/.test(cells[2] ?? '')) continue
    const last = cells[5] ?? ''
    const named = [...last.matchAll(/`([^`]+)`/g)].map((match) => match[1] as string)
    const mayImport = last === 'every room below' ? 'every lower room' : named
    rooms.push({ path: name, layer: Number(cells[2]), mayImport })
  }
  return rooms
}

/** The room a file stands in; undefined when it stands in none. */
export function roomOf(rooms: readonly Room[], file: string): Room | undefined {
  return rooms.find((room) => file === room.path || file.startsWith(`${room.path}/`))
}

/** The door of a room: its `index.ts`, or the file itself. */
export function doorOf(room: Room): string {
  return room.path.endsWith('.ts') ? room.path : `${room.path}/index.ts`
}

/** Why `from` may not import `to`; null when it may. */
export function importBreach(from: Room, to: Room): string | null {
  if (from.path === to.path) return null
  if (to.layer >= from.layer) {
    return `layer ${from.layer} may not import layer ${to.layer}`
  }
  const isSeam = to.path === 'src/model' || to.path === 'src/contracts'
  if (from.mayImport === 'every lower room' || isSeam || from.mayImport.includes(to.path)) {
    return null
  }
  return `${from.path} may import ${from.mayImport.join(', ') || 'only model and contracts'}`
}
