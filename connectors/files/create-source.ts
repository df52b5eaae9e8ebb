/** Settings → source; what only reads settings never loads what reads files. */

import type { Source, SourceContext } from '../../src/contracts/index.ts'
import type { FilesSettings } from './spec.ts'

/** Makes a source; `settings.path` is absolute. Nothing is opened before it is asked to. */
export async function createFilesSource(
  settings: FilesSettings,
  context: SourceContext,
): Promise<Source> {
  const { filesSource } = await import('./source.ts')
  return filesSource(settings, context)
}
