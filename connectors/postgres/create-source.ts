/** Settings → source; what only reads settings never loads what talks to Postgres. */

import type { Source, SourceContext } from '../../src/contracts/index.ts'
import type { PostgresSettings } from './spec.ts'

/** Makes a source of checked settings; it connects only when asked to. */
export async function createPostgresSource(
  settings: PostgresSettings,
  context: SourceContext,
): Promise<Source> {
  const { PostgresSource } = await import('./source.ts')
  return new PostgresSource(settings, context)
}
