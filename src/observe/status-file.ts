/**
 * The live status of a running pipeline, as a file that other processes read: `<work
 * folder>/run/<pipeline>.json`.
 * A hint for people, never an input of a decision: what is committed stands in the tables.
 */

import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PipelineState, PipelineStatus, SplitStatus, TableStatus } from '../contracts/index.ts'
import { wrapError } from '../model/index.ts'

/** A status as it was last written, and by whom. */
export interface WrittenStatus {
  readonly processId: number
  readonly status: PipelineStatus
}

/** Path of the file of one pipeline. */
export function statusFile(workFolder: string, pipeline: string): string {
  return join(workFolder, 'run', `${pipeline}.json`)
}

/** Writes the status whole or not at all. Throws SLU-STO-2001 when the folder cannot be written. */
export function writeStatus(workFolder: string, written: WrittenStatus): void {
  const path = statusFile(workFolder, written.status.pipeline)
  const draft = `${path}.${written.processId}.draft`
  try {
    mkdirSync(join(workFolder, 'run'), { recursive: true })
    writeFileSync(draft, jsonText(written))
    renameSync(draft, path)
  } catch (error) {
    rmSync(draft, { force: true })
    throw wrapError(error, 'SLU-STO-2001', `cannot write ${path}`)
  }
}

/** The status last written; null when there is none or it cannot be understood. */
export function readStatus(workFolder: string, pipeline: string): WrittenStatus | null {
  try {
    const json: unknown = JSON.parse(readFileSync(statusFile(workFolder, pipeline), 'utf8'))
    return parseWritten(json as Json)
  } catch {
    return null
  }
}

type Json = Readonly<Record<string, unknown>>

function jsonText(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    typeof inner === 'bigint' ? inner.toString() : inner,
  )
}

function parseWritten(json: Json): WrittenStatus | null {
  const status = json.status as Json | undefined
  const processId = json.processId
  if (typeof processId !== 'number' || typeof status?.pipeline !== 'string') return null
  const tables = (status.tables as readonly Json[]).map(parseTable)
  return {
    processId,
    status: {
      ...(status as unknown as PipelineStatus),
      state: status.state as PipelineState,
      warnings: (status.warnings ?? []) as PipelineStatus['warnings'],
      tables,
      splits: ((status.splits ?? []) as readonly Json[]).map(parseSplit),
    },
  }
}

function parseSplit(json: Json): SplitStatus {
  return {
    split: String(json.split),
    floorPosition: bigintOrNull(json.floorPosition),
    endPosition: bigintOrNull(json.endPosition),
  }
}

function parseTable(json: Json): TableStatus {
  return {
    ...(json as unknown as TableStatus),
    version: bigintOrNull(json.version),
    rowCount: bigintOrNull(json.rowCount),
  }
}

function bigintOrNull(value: unknown): bigint | null {
  return typeof value === 'string' && /^-?\d+$/.test(value) ? BigInt(value) : null
}
