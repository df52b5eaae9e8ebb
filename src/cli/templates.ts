/** The configurations that `sluice init` writes, as text with comments. Pure. */

import { streamParts, TABLE_NAME } from '../model/index.ts'

/** A stream that goes into the configuration. */
export interface TemplateStream {
  /** As the source names it: `public.orders`. */
  readonly stream: string
  /** Key columns; null when nobody looked. */
  readonly key: readonly string[] | null
}

/** Stands for what is asked of a database. */
export interface PostgresTemplate {
  /** Pipeline, and part of the name of slot and publication. */
  readonly name: string
  /** Without password. */
  readonly url: string
  readonly streams: readonly TemplateStream[]
}

/** Stands for what is asked of a folder. */
export interface FilesTemplate {
  readonly name: string
  /** Folder, relative to the configuration. */
  readonly path: string
  readonly stream: string
  /** Empty: append. */
  readonly key: readonly string[]
}

/** Name of the schema file beside the configuration. */
export const SCHEMA_FILE = 'sluice.schema.json'

/** A configuration of one Postgres database. */
export function postgresTemplate({ name, url, streams }: PostgresTemplate): string {
  const tables = streams.map(({ stream, key }) => {
    const comment =
      key === null
        ? ''
        : key.length === 0
          ? '   # no key: takes inserts; an update or delete stops it'
          : `   # one row for each ${key.join(', ')}`
    return `      - ${scalar(stream)}${comment}`
  })
  const renamed = tableNames(streams.map(({ stream }) => stream))
  const overrides = [...renamed].map(
    ([stream, table]) => `      ${mappingKey(stream)}: { table: ${scalar(table)} }`,
  )
  return `${head(name)}
sources:
  ${name}_db:
    postgres:
      url: ${scalar(url)}
      # From the environment, so that it stands in no file. Also: \${file:/run/secrets/password}
      password: \${PGPASSWORD:-}
      # slot: sluice_${slotPart(name)}           # made at the first start, like the publication
      # onSlotLost: stop          # or resync: copy every table again, in place

pipelines:
  - name: ${name}
    from: ${name}_db
    tables:                       # also patterns: public.*, and without: !public.tmp_*
${tables.join('\n')}
    commit: { every: 10s }        # a new version of each changed table, at the latest
    # to: { namespace: shop }     # tables as shop.orders instead of orders
${
  overrides.length > 0
    ? `    overrides:\n${overrides.join('\n')}\n`
    : '    # overrides:\n    #   public.orders: { partitionBy: [ordered_on] }\n'
}`
}

/** A configuration of one folder of files. */
export function filesTemplate({ name, path, stream, key }: FilesTemplate): string {
  const to =
    key.length > 0
      ? `    to: { key: [${key.map(scalar).join(', ')}] }   # one row a key: the last one counts\n`
      : '    # to: { key: [id] }         # one row a key; without: every record is a row\n'
  return `${head(name)}
sources:
  ${name}_files:
    files:
      path: ${scalar(path)}
      stream: ${scalar(stream)}
      follow: true                # watch for new files and lines; false: end at the last line

pipelines:
  - name: ${name}
    from: ${name}_files
    tables: [${scalar(stream)}]
    commit: { every: 10s }        # a new version at the latest when there is something new
${to}`
}

function head(name: string): string {
  return `# yaml-language-server: $schema=./${SCHEMA_FILE}
# Editors check and complete this file by the schema beside it; after an update of Sluice write it
# anew: sluice schema > ${SCHEMA_FILE}
# Every setting with its default: docs/reference/config.md.
apiVersion: v1
name: ${name}

store:
  url: ./lake                     # a folder; each table is a Delta table in it
`
}

/**
 * Streams whose last part cannot be the name of their table: it is no name, or another stream has
 * it too. With the names they get.
 */
function tableNames(streams: readonly string[]): ReadonlyMap<string, string> {
  const taken = new Set<string>()
  const result = new Map<string, string>()
  for (const stream of streams) {
    const own = streamParts(stream).at(-1) ?? stream
    let table = own
    if (!TABLE_NAME.test(own) || own.includes('.') || taken.has(own.toLowerCase())) {
      const base = stream.replaceAll(/[^A-Za-z0-9]+/g, '_').replaceAll(/^_+|_+$/g, '') || 'table'
      table = base
      for (let number = 2; taken.has(table.toLowerCase()); number++) table = `${base}_${number}`
      result.set(stream, table)
    }
    taken.add(table.toLowerCase())
  }
  return result
}

/** A YAML scalar: plain where nobody could read it otherwise; `$` never begins a variable. */
function scalar(text: string): string {
  const isPlain = /^[A-Za-z_./][\w./:@?&=%+~-]*$/.test(text) && !text.endsWith(':')
  const isWord = /^(true|false|null|yes|no|on|off|~)$/i.test(text)
  return isPlain && !isWord ? text : JSON.stringify(text).replaceAll('$', '$$$$')
}

/** In keys of a mapping no variable is replaced. */
function mappingKey(text: string): string {
  return scalar(text).replaceAll('$$', '$')
}

function slotPart(name: string): string {
  return name.replaceAll('-', '_')
}
