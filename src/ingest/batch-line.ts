/** Batches in work: they overlap, and end in order; how many there may be is bounded. */

/** Work that overlaps, and whose ends come in the order in which it joined. */
export interface BatchLine {
  join(work: (previous: Promise<void>) => Promise<void>): void
  /** Waits while as much is in work as may be. */
  hasRoom(): Promise<void>
  /** Resolves or rejects with the last of it. */
  end(): Promise<void>
  settled(): Promise<void>
  onFailure(callback: () => void): void
  throwIfFailed(): void
}

/** Makes a line in which at most so many are in work. */
export function createBatchLine(inWorkMax: number): BatchLine {
  const inWork = new Set<Promise<void>>()
  let tail: Promise<void> = Promise.resolve()
  let failure: unknown = null
  let failed = (): void => undefined
  return {
    join: (work) => {
      const joined = work(tail)
      tail = joined
      inWork.add(joined)
      joined.then(
        () => inWork.delete(joined),
        (error: unknown) => {
          failure ??= error
          failed()
        },
      )
    },
    hasRoom: async () => {
      while (inWork.size >= inWorkMax) await Promise.race(inWork)
    },
    end: () => tail,
    settled: async () => {
      await Promise.allSettled(inWork)
    },
    onFailure: (callback) => {
      failed = callback
    },
    throwIfFailed: () => {
      if (failure !== null) throw failure
    },
  }
}
