/** `sluice schema`: the JSON Schema of the configuration, for editors. */

import { sourceSpecs } from '../../compose.ts'
import { configJsonSchema } from '../../config/index.ts'
import type { VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'
import { jsonText } from '../json.ts'

/** Prints JSON Schema, draft 2020-12, whatever the options say. */
export async function schemaVerb({ output }: VerbContext): Promise<number> {
  output.data(`${jsonText(configJsonSchema(await sourceSpecs()), 2)}\n`)
  return EXIT.ok
}
