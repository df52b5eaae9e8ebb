/** Which columns of a stream records themselves have. Pure. */

import type { SourceColumn, StreamSchema } from '../model/index.ts'

/** The columns that stand in records; of the others `metadata.ts` tells. */
export function recordColumns({ columns }: StreamSchema): readonly SourceColumn[] {
  return columns.filter(({ metadata }) => metadata === undefined)
}
