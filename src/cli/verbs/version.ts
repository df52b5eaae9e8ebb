/** `sluice version`: which build this is. */

import { readFileSync } from 'node:fs'
import type { VerbContext } from '../context.ts'
import { EXIT } from '../exit-codes.ts'

/** Version of the package that this file belongs to, from source and from a build alike. */
export function packageVersion(): string {
  for (const up of ['../../../package.json', '../../../../package.json']) {
    try {
      const manifest: unknown = JSON.parse(readFileSync(new URL(up, import.meta.url), 'utf8'))
      const { name, version } = manifest as { name?: string; version?: string }
      if (name === 'sluice' && version !== undefined) return version
    } catch {
      // Not this one: a build stands one folder deeper.
    }
  }
  return 'unknown'
}

/** Prints the versions of Sluice and of Node. */
export async function versionVerb({ output }: VerbContext): Promise<number> {
  const version = packageVersion()
  const node = process.versions.node
  output.document('version', { version, node, platform: `${process.platform}-${process.arch}` })
  output.text(`sluice ${version} (node ${node}, ${process.platform}-${process.arch})\n`)
  return EXIT.ok
}
