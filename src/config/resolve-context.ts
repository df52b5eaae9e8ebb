/** What the checks of a configuration share: its tree, and where problems are gathered. */

import type { ConfigProblem } from './problems.ts'
import type { SourceSpec } from './spec.ts'
import type { ConfigTree, SettingPath } from './tree.ts'
import { isUnknown, problemAt } from './validate.ts'

/** What the check of sources needs beside the values. */
export interface SourceContext {
  readonly specs: readonly SourceSpec[]
  readonly tree: ConfigTree
  /** Problems are appended here. */
  readonly problems: ConfigProblem[]
}

/** What resolution needs beside the values. */
export interface ResolveContext extends SourceContext {
  readonly path: string
  readonly baseFolder: string
  readonly coreCount: number
  /** What the system lets this process use. */
  readonly memoryBytes: number
}

/** Adds a problem unless the value is not known. */
export function addProblem(
  context: SourceContext,
  path: SettingPath,
  rule: string,
  fix: string,
  code: ConfigProblem['code'] = 'SLU-CFG-1004',
  part: 'key' | 'value' = 'value',
): void {
  if (isUnknown(context.tree, path)) return
  context.problems.push(problemAt(context.tree, path, { code, part, rule, fix }))
}
