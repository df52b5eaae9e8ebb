/**
 * The demo: an embedded Postgres with a small shop that keeps changing, ingested and shown live.
 * Comes in: a folder and a signal. Goes out: a running demo, and the embedded Postgres for `dev`
 * and the tests.
 * Must never: touch anything outside its folder, or be needed by another room to work.
 */

export { NEXT_COMMANDS, type ScreenStream } from './display.ts'
export {
  type EmbeddedPostgres,
  type EmbeddedPostgresOptions,
  startEmbeddedPostgres,
} from './embedded-postgres.ts'
export { type QuickstartOptions, runQuickstart } from './quickstart.ts'
