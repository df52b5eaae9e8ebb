import { describe, expect, it } from 'vitest'
import { SluiceError } from '../../../../src/model/index.ts'
import {
  isMissing,
  readError,
  writeError,
} from '../../../../table-format/object-store/file-error.ts'

const systemError = (code: string): Error => Object.assign(new Error(`${code}: told`), { code })

describe('errors of the file system', () => {
  it.each([
    ['EACCES', 'SLU-STO-2001', 'SLU-STO-2007'],
    ['EPERM', 'SLU-STO-2001', 'SLU-STO-2007'],
    ['EROFS', 'SLU-STO-2001', 'SLU-STO-2007'],
    ['ENOTDIR', 'SLU-STO-2001', 'SLU-STO-2007'],
    ['ENOSPC', 'SLU-STO-2003', 'SLU-STO-2003'],
    ['EDQUOT', 'SLU-STO-2003', 'SLU-STO-2003'],
    ['EIO', 'SLU-STO-2002', 'SLU-STO-2002'],
    ['EMFILE', 'SLU-STO-2002', 'SLU-STO-2002'],
  ])('%s becomes %s on writing and %s on reading', (system, writing, reading) => {
    const cause = systemError(system)
    expect(writeError(cause, '/lake/x')).toMatchObject({
      code: writing,
      cause,
      context: { path: '/lake/x', system },
    })
    expect(readError(cause, '/lake/x').code).toBe(reading)
  })

  it('are wrapped once', () => {
    const coded = new SluiceError('SLU-STO-2003', { message: 'full' })
    expect(writeError(coded, '/lake/x')).toBe(coded)
  })

  it('tell what is missing from what is forbidden', () => {
    expect(isMissing(systemError('ENOENT'))).toBe(true)
    expect(isMissing(systemError('ENOTDIR'))).toBe(true)
    expect(isMissing(systemError('EACCES'))).toBe(false)
    expect(isMissing('ENOENT')).toBe(false)
  })
})
