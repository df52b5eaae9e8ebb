import { describe, expect, it } from 'vitest'
import {
  asOldFiles,
  type FilesRead,
  filesReadFromJson,
  filesReadToJson,
  firstRecentGroup,
  NOTHING_READ,
  withFile,
  withNextFile,
} from '../../../../connectors/files/files-read.ts'

const nameOf = (index: number) => `f${String(index).padStart(4, '0')}`
const upTo = (count: number, groupFilesMax = 10): FilesRead => {
  let read = NOTHING_READ
  for (let index = 0; index < count; index++) {
    read = withNextFile(read, nameOf(index), index, groupFilesMax)
  }
  return read
}
const countsOf = ({ groups }: FilesRead) => groups.map(({ count }) => count)

describe('the account of files that were read', () => {
  it('keeps one or two groups of bounded size apart from the old ones', () => {
    expect(countsOf(upTo(9))).toEqual([9])
    expect(countsOf(upTo(19))).toEqual([10, 9])
    expect(countsOf(upTo(20))).toEqual([10, 10, 0])
    expect(countsOf(upTo(101))).toEqual([90, 10, 1])
    expect(upTo(101).groups.map((group) => group.upTo)).toEqual([nameOf(89), nameOf(99), null])
    expect([0, 15, 101].map((count) => firstRecentGroup(upTo(count)))).toEqual([0, 0, 1])
  })

  it('is the same whatever the order in which late files came', () => {
    const late = ['f0003a', 'f0089z', 'f0095', 'f0100a']
    const one = late.reduce((read, name) => withFile(read, name, 7), upTo(101))
    const other = late.toReversed().reduce((read, name) => withFile(read, name, 7), upTo(101))
    expect(one).toEqual(other)
    expect(countsOf(one)).toEqual([91, 12, 2])
    expect(one.count).toBe(105)
  })

  it('goes through JSON and back, and stays small', () => {
    for (const count of [0, 1, 101]) {
      const read = upTo(count)
      const text = JSON.stringify(filesReadToJson(read))
      expect(filesReadFromJson(JSON.parse(text))).toEqual(read)
      expect(text.length).toBeLessThan(3000)
    }
    for (const json of [undefined, null, 7, [], {}, { count: 1, names: '', sketch: '' }]) {
      expect(filesReadFromJson(json)).toBeNull()
    }
  })

  it('sums up old files whose groups are not known', () => {
    const old = asOldFiles(upTo(55), nameOf(54))
    expect(countsOf(old)).toEqual([55, 0, 0])
    expect(countsOf(withNextFile(old, nameOf(55), 1))).toEqual([55, 0, 1])
  })
})
