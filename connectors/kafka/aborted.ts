/**
 * Which batches of an answer belong to transactions that were aborted.
 * The broker sends, with each answer, every aborted transaction that overlaps what the answer
 * holds, also those that began before it or whose marker comes after it. So the filter lives as
 * long as one answer: a producer carried over from the one before would hide its later
 * transactions once the marker between them was compacted away.
 */

/** An aborted transaction as a Fetch answer names it. */
export interface AbortedTransaction {
  readonly producerId: bigint
  readonly firstOffset: bigint
}

/** What the filter asks of a batch. */
export interface TransactionalBatch {
  readonly lastOffset: number
  readonly producerId: bigint
  readonly isTransactional: boolean
  readonly isControl: boolean
}

/** Is shown the batches of one answer in order. */
export interface AbortedFilter {
  /** True when records of the batch were aborted. `isAbortMarker` is asked of control batches. */
  isAborted(batch: TransactionalBatch, isAbortMarker: () => boolean): boolean
}

/** A filter for one answer. */
export function createAbortedFilter(aborted: readonly AbortedTransaction[]): AbortedFilter {
  const waiting = aborted.toSorted((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  const open = new Set<bigint>()
  let begun = 0
  return {
    isAborted: (batch, isAbortMarker) => {
      if (batch.producerId < 0n) return false
      for (; begun < waiting.length; begun++) {
        const transaction = waiting[begun] as AbortedTransaction
        if (transaction.firstOffset > batch.lastOffset) break
        open.add(transaction.producerId)
      }
      if (batch.isControl) {
        if (open.has(batch.producerId) && isAbortMarker()) open.delete(batch.producerId)
        return false
      }
      return batch.isTransactional && open.has(batch.producerId)
    },
  }
}
