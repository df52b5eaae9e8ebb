/**
 * PostgreSQL as a source: a consistent first copy, then the change stream of one replication slot.
 * Comes in: settings, streams (`schema.table`) with their cursors. Goes out: blocks of COPY text
 * lines. Must never: acknowledge what was not acknowledged to it, keep a record as an object, or
 * guess over a gap.
 */

export { createPostgresSource } from './create-source.ts'
export {
  defaultSlotName,
  lintPostgresSettings,
  POSTGRES_SPEC,
  type PostgresSettings,
  postgresSettingsSchema,
  type SettingsFinding,
} from './spec.ts'
