/** The policies that hold when nothing else is said. */

import { TUNING_DEFAULTS } from '../../src/config/spec.ts'
import type { SchemaPolicies } from '../../src/contracts/index.ts'

/** As a pipeline without a `schema` section has them. */
export const DEFAULT_POLICIES: SchemaPolicies = TUNING_DEFAULTS.schema
