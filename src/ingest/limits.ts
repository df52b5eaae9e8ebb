/** Every bound of the ingest loop, with its reason. */

/**
 * Batches being worked on at once: one decodes while one stages and one commits; more only holds
 * memory.
 */
export const BATCHES_IN_WORK_MAX = 3

/**
 * Batches of copies beside the stream being worked on at once: less than those of the stream, which
 * shares the engine with them.
 */
export const COPY_BATCHES_IN_WORK_MAX = 2

/** First wait after a transient failure; doubles up to `RETRY_DELAY_MS_MAX`. */
export const RETRY_DELAY_MS_MIN = 250

/** Longest wait between two tries: a source that comes back is noticed within this time. */
export const RETRY_DELAY_MS_MAX = 10_000

/**
 * A pipeline that made no progress for this long fails, so that its supervisor and its alerts see
 * it.
 */
export const RETRY_FOR_MS_MAX = 15 * 60_000

/**
 * A life that read from its source for this long was a good one: when the source then fails, a new
 * series of tries begins. An idle pipeline makes no commits to tell.
 */
export const GOOD_LIFE_MS = 60_000

/** How often the floor is written while some table is idle: what a restart reads again at most. */
export const FLOOR_INTERVAL_MS = 2_000

/** Entries of the pipeline log that are kept; older ones are of no use. */
export const PIPELINE_LOG_ENTRIES_MAX = 20

/**
 * Folder below the work folder that holds landed bytes and files not yet staged; emptied at every
 * start.
 */
export const SPOOL_FOLDER = 'spool'

/** Columns that get minimum and maximum in the log, as Delta's default of indexed columns. */
export const STATISTICS_COLUMNS_MAX = 32

/** Code points of a string kept in statistics, as Delta's default. */
export const STATISTICS_STRING_LENGTH_MAX = 32

/** Quiet time after which a pipeline that is at the end of its source is called idle. */
export const IDLE_AFTER_MS = 5_000

/**
 * How much garbage may gather between two full collections, in per cent of what lives. The heap of
 * a worker is small; V8's own estimate of a few megabytes would make every other batch pay for one.
 */
export const HEAP_GROWING_PERCENT = 200
