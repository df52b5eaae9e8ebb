/** Kinds of changes. */

/**
 * Kinds of changes as numbers. Letters of landed `copy-text` lines stand for all but `none`, which
 * is a record that tells of no row. `copied` is a row of a copy that runs beside the stream.
 */
export const OP_CODES = {
  insert: 0,
  update: 1,
  delete: 2,
  moved: 3,
  truncate: 4,
  none: 5,
  copied: 6,
} as const
