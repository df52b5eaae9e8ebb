/**
 * The Delta protocol: tables whose versions are entries of a log in an object store.
 * Comes in: commit requests, staged files, rows to delete. Goes out: snapshots, outcomes,
 * timelines, changes.
 * Must never: touch a row's values, know an engine, or leave the outcome of a commit in doubt.
 */

export { createDeltaFormat, type DeltaFormatOptions } from './format.ts'
