/**
 * Tables that other engines wrote: `../shared/golden` beside the repository, unpacked for a test.
 */

import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { zstdDecompressSync } from 'node:zlib'

/** Folder with golden data; it is not part of the repository. */
export const GOLDEN_FOLDER = join(import.meta.dirname, '../../../shared/golden')

/** Files that the archive left out: whatever version names them ends in SLU-STO-2005. */
export const WITHOUT_FILES = new Set([
  'canonicalized-paths-normal-a',
  'canonicalized-paths-normal-b',
  'canonicalized-paths-special-a',
  'canonicalized-paths-special-b',
  'checkpoint',
  'delete-re-add-same-file-different-transactions',
  'deltalog-getChanges',
  'log-replay-special-characters',
  'log-replay-special-characters-a',
  'log-replay-special-characters-b',
  'snapshot-vacuumed',
])

/** Their schema is empty: nothing can be selected of them. */
export const WITHOUT_COLUMNS = new Set([
  'deltalog-commit-info',
  'deltalog-state-reconstruction-from-checkpoint-missing-metadata',
  'deltalog-state-reconstruction-from-checkpoint-missing-protocol',
  'update-deleted-directory',
])

/** Tables that no reader may take. */
export const REFUSED: Readonly<Record<string, string>> = {
  'data-reader-absolute-paths-escaped-chars': 'SLU-TAB-3005',
  'deltalog-invalid-protocol-version': 'SLU-TAB-3007',
  'deltalog-state-reconstruction-without-metadata': 'SLU-TAB-3005',
  'deltalog-state-reconstruction-without-protocol': 'SLU-TAB-3005',
  'versions-not-contiguous': 'SLU-TAB-3005',
}

/** Archives of which no table is to be read: one folder is none, one holds many. */
export const NO_TABLE = new Set(['hive', 'no-delta-log-folder'])

/** True when the golden data is there. */
export const hasGolden = (): boolean => existsSync(join(GOLDEN_FOLDER, 'README.md'))

/** Names of the packed tables. */
export function goldenTables(): readonly string[] {
  const suffix = '.tar.zst'
  return readdirSync(join(GOLDEN_FOLDER, 'delta'))
    .filter((name) => name.endsWith(suffix))
    .map((name) => name.slice(0, -suffix.length))
}

/** Unpacks a table into a new folder and returns the folder. */
export async function unpackGolden(name: string): Promise<string> {
  const packed = readFileSync(join(GOLDEN_FOLDER, 'delta', `${name}.tar.zst`))
  const folder = await mkdtemp(join(tmpdir(), 'sluice-golden-'))
  for (const [path, bytes] of untar(zstdDecompressSync(packed))) {
    const target = join(folder, path)
    await mkdir(dirname(target), { recursive: true })
    await writeFile(target, bytes)
  }
  return join(folder, name)
}

/** Regular files of a tar archive: ustar with pax and GNU long names. */
function* untar(archive: Buffer): Iterable<[string, Buffer]> {
  let longName: string | null = null
  for (let at = 0; at + 512 <= archive.length; ) {
    const header = archive.subarray(at, at + 512)
    if (header[0] === 0) return
    const size = Number.parseInt(textOf(header, 124, 12), 8)
    const body = archive.subarray(at + 512, at + 512 + size)
    at += 512 + Math.ceil(size / 512) * 512
    const kind = String.fromCharCode(header[156]!)
    if (kind === 'x') longName = paxPath(body) ?? longName
    else if (kind === 'L') longName = textOf(body, 0, body.length)
    else {
      const prefix = textOf(header, 345, 155)
      const short = textOf(header, 0, 100)
      const path = longName ?? (prefix === '' ? short : `${prefix}/${short}`)
      longName = null
      if (kind === '0' || kind === '\0') yield [path, body]
    }
  }
}

function textOf(bytes: Buffer, start: number, length: number): string {
  const part = bytes.subarray(start, start + length)
  const end = part.indexOf(0)
  return part
    .subarray(0, end === -1 ? part.length : end)
    .toString('utf8')
    .trim()
}

/** Records of a pax header are `<length> <key>=<value>\n`, the length counting all of it. */
function paxPath(body: Buffer): string | null {
  let found: string | null = null
  for (let at = 0; at < body.length; ) {
    const space = body.indexOf(0x20, at)
    const length = Number(body.subarray(at, space).toString())
    if (space === -1 || !Number.isInteger(length) || length <= 0) return found
    const record = body.subarray(space + 1, at + length - 1).toString('utf8')
    if (record.startsWith('path=')) found = record.slice(5)
    at += length
  }
  return found
}
