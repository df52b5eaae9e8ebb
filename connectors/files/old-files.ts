/** Looks again and again at the files that no start looks at, a few at a time. */

import { type FilesGroup, firstRecentGroup, sizeText } from './files-read.ts'
import { eachSize, type Folder, gap } from './folder.ts'
import { walkNames } from './listing.ts'
import { addText, emptySum, type HashSum, sameSum } from './name-hash.ts'
import type { FolderPlace } from './place.ts'

/** Files whose sizes are asked for at a step. */
export const OLD_FILES_A_STEP = 100

/** Rounds through the oldest group of files. */
export interface OldFilesRounds extends AsyncDisposable {
  /** Looks at the next few. Throws SLU-SRC-1403 at the end of a round that found another size. */
  step(place: FolderPlace): Promise<void>
}

interface Round {
  readonly group: FilesGroup
  readonly names: AsyncGenerator<string>
  readonly sizes: HashSum
  count: number
}

/** Rounds through the old files of a folder. */
export function createOldFilesRounds(folder: Folder, atOnce = OLD_FILES_A_STEP): OldFilesRounds {
  let round: Round | null = null
  return {
    step: async ({ read, waiting }) => {
      // A late file may join the old ones in the middle of a round.
      if (waiting !== undefined) return
      const oldest = firstRecentGroup(read) > 0 ? read.groups[0] : undefined
      if (oldest === undefined || oldest.upTo === null) return
      round ??= begin(folder, oldest)
      const { group, names, sizes } = round
      const few: string[] = []
      let isEnd = false
      while (few.length < atOnce && !isEnd) {
        const next = await names.next()
        if (next.done === true) isEnd = true
        else if (next.value <= (group.upTo ?? '')) few.push(next.value)
      }
      await eachSize(folder, few, (name, sizeBytes) => addText(sizes, sizeText(name, sizeBytes)))
      round.count += few.length
      if (!isEnd) return
      const { count } = round
      round = null
      // A late or vanished file is told by its name, which is looked for elsewhere.
      if (sameSum(sizes, group.sizes) || count !== group.count || oldest !== group) return
      throw gap('An old file is not the one that was read: its size differs.', oldest.upTo)
    },
    [Symbol.asyncDispose]: async () => {
      await round?.names.return(undefined)
    },
  }
}

function begin(folder: Folder, group: FilesGroup): Round {
  const upTo = group.upTo ?? ''
  const names = walkNames(folder, ({ first }) => first <= upTo)
  return { group, names, sizes: emptySum(), count: 0 }
}
