import { describe, expect, it } from 'vitest'
import { completeCheckpoints } from '../../../../table-format/delta/checkpoint-read.ts'
import type { LogEntry } from '../../../../table-format/delta/log.ts'
import { parseLogFile } from '../../../../table-format/delta/log-path.ts'

const V7 = '00000000000000000007'
const V9 = '00000000000000000009'
const UUID = '80a083e8-7026-4e79-81be-64bd76c43a11'
const part = (version: string, number: number, parts: number): string => {
  const digits = (value: number): string => String(value).padStart(10, '0')
  return `${version}.checkpoint.${digits(number)}.${digits(parts)}.parquet`
}

/** Versions and paths of the complete checkpoints of a listing. */
function complete(names: readonly string[]): readonly (readonly [bigint, readonly string[]])[] {
  const entries = names.map(
    (path): LogEntry => ({ file: parseLogFile(path)!, path, modificationTimeMs: 0 }),
  )
  return completeCheckpoints(entries).map(({ version, paths }) => [version, paths])
}

describe('checkpoints of a listing', () => {
  it('are the newest first, whatever their form', () => {
    const classic = `${V7}.checkpoint.parquet`
    const named = `${V9}.checkpoint.${UUID}.json`
    expect(complete([classic, named])).toEqual([
      [9n, [named]],
      [7n, [classic]],
    ])
  })

  it('count parts only when all are there, and do not mix two attempts', () => {
    const three = [1, 2, 3].map((number) => part(V9, number, 3))
    expect(complete(three)).toEqual([[9n, three]])
    expect(complete(three.slice(1))).toEqual([])
    expect(complete([part(V9, 1, 2), part(V9, 2, 3), part(V9, 3, 3)])).toEqual([])
  })
})
