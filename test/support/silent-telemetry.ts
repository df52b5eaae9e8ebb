/** Telemetry that nobody listens to. */

import type { Telemetry } from '../../src/contracts/index.ts'

/** Drops everything. */
export const silentTelemetry: Telemetry = {
  log: () => undefined,
  count: () => undefined,
  gauge: () => undefined,
  observe: () => undefined,
}
