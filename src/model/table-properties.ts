/**
 * Properties that a user may give a table: which of Delta's are kept by this writer, and why the
 * others are not for the user to set.
 */

import { parseInterval } from './interval.ts'

/** Longest name or value: properties stand in every checkpoint. */
const LENGTH_MAX = 4096

/** What a value must be, for people, and whether one is that. */
interface PropertyRule {
  readonly rule: string
  fits(value: string): boolean
}

const INTERVAL: PropertyRule = {
  rule: 'an interval such as `interval 30 days`',
  fits: (value) => /^interval\s/i.test(value) && parseInterval(value) !== null,
}

/** Properties of Delta that this writer keeps. */
const KEPT: Readonly<Record<string, PropertyRule>> = {
  'delta.checkpointInterval': {
    rule: 'a whole number of versions from 1 to 100000',
    fits: (value) => /^[1-9]\d{0,4}$|^100000$/.test(value),
  },
  'delta.checkpointPolicy': {
    rule: '`classic` or `v2`',
    fits: (value) => value === 'classic' || value === 'v2',
  },
  'delta.logRetentionDuration': INTERVAL,
  'delta.deletedFileRetentionDuration': INTERVAL,
  'delta.enableExpiredLogCleanup': {
    rule: '`true` or `false`',
    fits: (value) => value === 'true' || value === 'false',
  },
}

/** Properties of Delta that would break a promise; longest prefixes need not come first. */
const REFUSED: readonly (readonly [string, string])[] = [
  ['delta.appendOnly', 'rows could not be updated or deleted: use `mode: append`'],
  ['delta.enableChangeDataFeed', 'changes are read from the versions themselves, with changes()'],
  ['delta.enableDeletionVectors', 'updates and deletes need deletion vectors'],
  ['delta.enableInCommitTimestamps', 'every table has in-commit timestamps'],
  ['delta.enableRowTracking', 'every table has row tracking'],
  ['delta.rowTracking', 'the names of row tracking are given when the table is created'],
  ['delta.columnMapping', 'every table has column mapping, by name'],
  ['delta.feature', 'the features of a table follow from what it holds'],
  ['delta.min', 'the protocol of a table follows from what it holds'],
  ['delta.constraints', 'constraints are not checked while rows arrive'],
  ['delta.setTransactionRetentionDuration', 'the positions of a pipeline must not expire'],
  ['sluice.', 'names that begin with `sluice.` are kept for the tables themselves'],
]

/** What is wrong with a property; null when a user may set it. */
export function propertyProblem(name: string, value: string): string | null {
  if (name === '' || name.length > LENGTH_MAX || value.length > LENGTH_MAX) {
    return `a name and a value have 1 to ${LENGTH_MAX} characters`
  }
  const kept = KEPT[name]
  if (kept !== undefined) return kept.fits(value) ? null : `"${name}" must be ${kept.rule}`
  const refused = REFUSED.find(([prefix]) => name.startsWith(prefix))
  if (refused !== undefined) return `"${name}" cannot be set: ${refused[1]}`
  if (!name.startsWith('delta.')) return null
  const kinds = keptProperties().join(', ')
  return `"${name}" is not kept by this writer; those of Delta that are: ${kinds}`
}

/** Properties of Delta that a user may set. */
export function keptProperties(): readonly string[] {
  return Object.keys(KEPT)
}
