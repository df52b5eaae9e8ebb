/** A lake fed from a folder of files: what the files source makes of them, seen through SQL. */

import { appendFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CliResult, runInFolder } from './host.ts'

/** The lake; disposing removes it. */
export interface FilesLake extends Disposable {
  /** The folder of the configuration. */
  readonly folder: string
  /** The folder of the files. */
  readonly input: string
  put(name: string, content: string | Uint8Array): void
  append(name: string, content: string): void
  sluice(...args: readonly string[]): Promise<CliResult>
  /** Runs the pipeline to its end; throws what it printed when it fails. */
  ingest(): Promise<void>
  /** Rows of a query as JSON values. */
  rows(sql: string): Promise<readonly (readonly unknown[])[]>
}

/** One pipeline into the table `t`; settings are YAML in braces. */
export function createFilesLake(source: string, pipeline = 'to: {}'): FilesLake {
  const folder = mkdtempSync(join(tmpdir(), 'sluice-files-'))
  const input = join(folder, 'in')
  mkdirSync(input)
  const config = `apiVersion: v1
store: { url: ./lake }
sources: { landing: { files: { path: ./in, stream: t, ${source} } } }
pipelines: [{ name: p, from: landing, tables: [t], ${pipeline} }]
`
  writeFileSync(join(folder, 'sluice.yaml'), config)
  const sluice = (...args: readonly string[]) => runInFolder(folder, args)
  return {
    folder,
    input,
    sluice,
    put: (name, content) => writeFileSync(join(input, name), content),
    append: (name, content) => appendFileSync(join(input, name), content),
    ingest: async () => {
      const { exitCode, stderr } = await sluice('run', '--once', '--quiet')
      if (exitCode !== 0) throw new Error(stderr)
    },
    rows: async (sql) => {
      const { stdout, stderr } = await sluice('sql', sql, '--format', 'json')
      if (stdout === '') throw new Error(stderr)
      return (JSON.parse(stdout) as { readonly rows: readonly (readonly unknown[])[] }).rows
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  }
}
