import { describe, expect, it } from 'vitest'
import { createFileOrdinals } from '../../../../src/state/index.ts'

describe('file ordinals', () => {
  it('gives a file one ordinal and finds its path again', () => {
    const files = createFileOrdinals()
    const first = files.ordinalOf('a.parquet')
    const second = files.ordinalOf('b.parquet')
    expect(second).not.toBe(first)
    expect(files.ordinalOf('a.parquet')).toBe(first)
    expect(files.find('b.parquet')).toBe(second)
    expect(files.pathOf(first)).toBe('a.parquet')
    expect(files.fileCount).toBe(2)
  })

  it('knows no ordinal and no path that was never given', () => {
    const files = createFileOrdinals()
    expect(files.find('a.parquet')).toBeNull()
    expect(files.pathOf(0)).toBeNull()
  })

  it('never gives the ordinal of a forgotten file again', () => {
    const files = createFileOrdinals()
    const gone = files.ordinalOf('a.parquet')
    files.forget('a.parquet')
    files.forget('never-seen.parquet')
    expect(files.pathOf(gone)).toBeNull()
    expect(files.find('a.parquet')).toBeNull()
    expect(files.fileCount).toBe(0)
    expect(files.ordinalOf('a.parquet')).not.toBe(gone)
  })
})
