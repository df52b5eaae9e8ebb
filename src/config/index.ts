/**
 * The configuration: files and environment → checked settings, and the pages that describe them.
 * Comes in: a path and the specs of the source types. Goes out: `Config`, or every problem with
 * its place.
 * Must never: import a connector, connect anywhere, or let a secret into a message.
 */

export {
  type ConfigResult,
  checkConfig,
  checkConfigText,
  findConfig,
  type LoadOptions,
  loadConfig,
  processVariables,
  readFailpoint,
} from './load.ts'
export {
  type ConfigProblem,
  errorFromProblems,
  formatPlace,
  formatProblem,
  type Place,
} from './problems.ts'
export { configJsonSchema, printConfigReference } from './reference.ts'
export type { Config, SourceSettings, StoreSettings } from './settings.ts'
export type { SettingsFinding, SourceSpec } from './spec.ts'
export type { Variables } from './substitute.ts'
export { ownFolder } from './work-folder.ts'
