/** Settings → source; what only reads settings never loads the client. */

import type { Source, SourceContext } from '../../src/contracts/index.ts'
import type { KafkaSettings } from './spec.ts'

/** Makes a source. Nothing is connected before it is asked to. */
export async function createKafkaSource(
  settings: KafkaSettings,
  context: SourceContext,
): Promise<Source> {
  const { kafkaSource } = await import('./source.ts')
  return kafkaSource(settings, context)
}
