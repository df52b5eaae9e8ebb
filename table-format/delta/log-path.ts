/** Names of the objects of a table: `_delta_log/` entries, data paths, deletion vectors. */

import { SluiceError } from '../../src/model/index.ts'
import { decodeZ85, encodeZ85 } from './z85.ts'

/** What stands in `_delta_log/`; other names are ignored. */
export type LogFile =
  | { readonly kind: 'commit'; readonly version: bigint }
  | {
      readonly kind: 'checkpoint'
      readonly version: bigint
      readonly form: 'classic' | 'v2-json' | 'v2-parquet'
    }
  | {
      readonly kind: 'checkpoint-part'
      readonly version: bigint
      readonly part: number
      readonly parts: number
    }
  | { readonly kind: 'checksum'; readonly version: bigint }
  | {
      readonly kind: 'compaction'
      readonly fromVersion: bigint
      readonly toVersion: bigint
    }

/** The folder of the log, with its slash. */
export const LOG_FOLDER = '_delta_log/'
/** Where sidecars of v2 checkpoints stand. */
export const SIDECAR_FOLDER = '_delta_log/_sidecars/'
/** The hint at the newest checkpoint. */
export const LAST_CHECKPOINT = '_delta_log/_last_checkpoint'

const COMMIT_NAME = /^(\d{20})\.json$/
const CHECKPOINT_NAME = /^(\d{20})\.checkpoint\.parquet$/
const PART_NAME = /^(\d{20})\.checkpoint\.(\d{10})\.(\d{10})\.parquet$/
const CHECKSUM_NAME = /^(\d{20})\.crc$/
const COMPACTED_NAME = /^(\d{20})\.(\d{20})\.compacted\.json$/
const UUID_NAME = /^(\d{20})\.checkpoint\.[0-9a-f-]{36}\.(json|parquet)$/

/** Path of a commit, relative to the table. */
export function commitPath(version: bigint): string {
  return `${LOG_FOLDER}${versionName(version)}.json`
}

/** Path of a classic checkpoint, relative to the table. */
export function checkpointPath(version: bigint): string {
  return `${LOG_FOLDER}${versionName(version)}.checkpoint.parquet`
}

/** Path of the JSON part of a v2 checkpoint, relative to the table. */
export function v2CheckpointPath(version: bigint, uuid: string): string {
  return `${LOG_FOLDER}${versionName(version)}.checkpoint.${uuid}.json`
}

/** Path of a version checksum, relative to the table. */
export function checksumPath(version: bigint): string {
  return `${LOG_FOLDER}${versionName(version)}.crc`
}

/** Twenty digits, so that byte order is version order. */
export function versionName(version: bigint): string {
  return version.toString().padStart(20, '0')
}

/** What a name below `_delta_log/` is; null for everything else. */
export function parseLogFile(name: string): LogFile | null {
  const commit = COMMIT_NAME.exec(name)
  if (commit !== null) return { kind: 'commit', version: BigInt(commit[1]!) }
  const classic = CHECKPOINT_NAME.exec(name)
  if (classic !== null) {
    return { kind: 'checkpoint', version: BigInt(classic[1]!), form: 'classic' }
  }
  const part = PART_NAME.exec(name)
  if (part !== null) {
    const [, version, number, parts] = part
    return {
      kind: 'checkpoint-part',
      version: BigInt(version!),
      part: Number(number),
      parts: Number(parts),
    }
  }
  const checksum = CHECKSUM_NAME.exec(name)
  if (checksum !== null) return { kind: 'checksum', version: BigInt(checksum[1]!) }
  const compacted = COMPACTED_NAME.exec(name)
  if (compacted !== null) {
    const [, from, to] = compacted
    return { kind: 'compaction', fromVersion: BigInt(from!), toVersion: BigInt(to!) }
  }
  const named = UUID_NAME.exec(name)
  if (named === null) return null
  const form = named[2] === 'json' ? 'v2-json' : 'v2-parquet'
  return { kind: 'checkpoint', version: BigInt(named[1]!), form }
}

/** True for a path with a scheme or from the root of a file system: outside the table's folder. */
export function isAbsolutePath(path: string): boolean {
  return path.startsWith('/') || /^[a-zA-Z][a-zA-Z0-9+.-]*:\//.test(path)
}

/** Path as an action holds it → decoded. Absolute URLs lose their encoding too. */
export function decodePath(encoded: string): string {
  if (!encoded.includes('%')) return canonical(encoded)
  try {
    return canonical(decodeURIComponent(encoded))
  } catch (error) {
    throw new SluiceError('SLU-TAB-3001', {
      message: `the data file path ${JSON.stringify(encoded)} is not percent-encoded`,
      context: { path: encoded },
      cause: error,
    })
  }
}

/** Decoded path → as an action holds it: an RFC 2396 URI reference. */
export function encodePath(path: string): string {
  const match = /^([a-zA-Z][a-zA-Z0-9+.-]*:\/{1,3})(.*)$/s.exec(path)
  if (match !== null) return match[1] + encodeSegments(match[2]!)
  return encodeSegments(path)
}

/** Path of a deletion vector file in the table, from `<prefix><20 characters of Z85>`. */
export function vectorPath(pathOrInline: string): string | null {
  if (pathOrInline.length < 20) return null
  const bytes = decodeZ85(pathOrInline.slice(-20))
  if (bytes === null) return null
  const hex = bytes.toString('hex')
  const uuid = [8, 12, 16, 20, 32]
    .map((end, index, ends) => hex.slice(index === 0 ? 0 : ends[index - 1], end))
    .join('-')
  const prefix = pathOrInline.slice(0, -20)
  return `${prefix === '' ? '' : `${prefix}/`}deletion_vector_${uuid}.bin`
}

/** UUID in canonical form → the 20 characters a descriptor holds. */
export function vectorName(uuid: string): string {
  return encodeZ85(Buffer.from(uuid.replaceAll('-', ''), 'hex'))
}

/** `file:///x` and `file:/x` name one file; so does a bare absolute path. */
function canonical(path: string): string {
  if (path.startsWith('file:')) return path.slice(5).replace(/^\/{2,}/, '/')
  return path
}

/** What a URI path may hold stays readable: Hive partition folders keep their `=`. */
function encodeSegments(path: string): string {
  return encodeURIComponent(path).replace(/%(2F|3D|40|26|2B|24|2C)/g, (code) =>
    decodeURIComponent(code),
  )
}
