/** Kinds of changes. */

/**
 * Kinds of changes as numbers. Letters of landed `copy-text` lines stand for the first five; `none`
 * is a record that tells of no row.
 */
export const OP_CODES = {
  insert: 0,
  update: 1,
  delete: 2,
  moved: 3,
  truncate: 4,
  none: 5,
} as const
