/** The configuration described from its own schema: docs/reference/config.md and a JSON Schema. */

import { CONFIG_SCHEMA, type SourceSpec } from './spec.ts'
import { describeSchema, type SchemaNode } from './validate.ts'

/** JSON Schema (2020-12) of the whole file, for editors. */
export function configJsonSchema(specs: readonly SourceSpec[]): Record<string, unknown> {
  const schema = describeSchema(CONFIG_SCHEMA) as Record<string, unknown> & SchemaNode
  const types = Object.fromEntries(
    specs.map((spec) => {
      const { $schema: _, ...node } = describeSchema(spec.schema) as Record<string, unknown>
      return [spec.type, { ...node, description: spec.summary }]
    }),
  )
  const source = {
    type: 'object',
    properties: types,
    additionalProperties: false,
    minProperties: 1,
    maxProperties: 1,
  }
  const sources = { ...schema.properties?.sources, additionalProperties: source }
  return {
    ...schema,
    title: 'Sluice configuration',
    properties: { ...schema.properties, sources },
  }
}

/** The page docs/reference/config.md. */
export function printConfigReference(specs: readonly SourceSpec[]): string {
  const schema = describeSchema(CONFIG_SCHEMA)
  const sections = [
    HEAD,
    section('The file', rowsOf(schema, '', 1)),
    section('`defaults` and each pipeline', rowsOf(schema.properties?.defaults, '', 3)),
    section('`pipelines[]`', rowsOf(schema.properties?.pipelines?.items, '', 3, SHARED)),
  ]
  for (const spec of specs) {
    const title = `\`sources.<name>.${spec.type}\``
    sections.push(section(title, rowsOf(describeSchema(spec.schema), '', 4), spec.summary))
  }
  sections.push(EXAMPLE)
  return `${sections.join('\n\n')}\n`
}

/** Described once, under `defaults`. */
const SHARED = [
  'commit',
  'onError',
  'schema',
  'memory',
  'index',
  'threads',
  'inFlight',
  'tombstones',
  'compression',
]

const HEAD = `# Configuration reference

<!-- Printed from the code by \`node test/support/print-reference.ts\`; do not edit. -->

One YAML file, or a folder of \`.yaml\` files that are read in the order of their names: \`sources\`
are put together by name, \`pipelines\` one after the other, everything else in one file only.
Sluice takes the file given with \`--config\`, else the one named by \`SLUICE_CONFIG\`, else
\`./sluice.yaml\`, else that of the quickstart. \`sluice validate\` lists every problem with its
place.

- **Variables** stand in any value: \`\${NAME}\`, \`\${env:NAME}\`, \`\${NAME:-default}\`,
  \`\${file:/run/secrets/password}\`; \`$$\` is a dollar sign. They are replaced after the file was
  parsed, so a value cannot add settings. A missing variable without default is an error.
- **Durations** carry a unit: \`500ms\`, \`10s\`, \`5m\`, \`24h\`, \`7d\`. **Sizes** too: \`64KiB\`,
  \`128MiB\`, \`1GiB\`.
- **Unknown settings are errors**: what this page does not list does not exist.`

const EXAMPLE = `## Example

\`\`\`yaml
apiVersion: v1
name: shop
store: { url: ./lake }
defaults:
  commit: { every: 5s }
sources:
  shop_pg:
    postgres:
      url: postgres://ingest@db.internal/shop
      password: \${PGPASSWORD}
pipelines:
  - name: shop
    from: shop_pg
    tables: [public.customers, public.orders]
    to: { namespace: shop, mode: upsert }
    overrides:
      public.orders: { partitionBy: [country] }
\`\`\``

function section(title: string, rows: readonly string[], intro = ''): string {
  const head = '| setting | type | default | meaning |\n|---|---|---|---|'
  const parts = [`## ${title}`, intro, `${head}\n${rows.join('\n')}`]
  return parts.filter((part) => part !== '').join('\n\n')
}

function rowsOf(
  node: SchemaNode | undefined,
  prefix: string,
  depth: number,
  leaveOut: readonly string[] = [],
): readonly string[] {
  const required = new Set(node?.required ?? [])
  return Object.entries(node?.properties ?? {}).flatMap(([name, inner]) => {
    if (prefix === '' && leaveOut.includes(name)) return []
    const path = prefix === '' ? name : `${prefix}.${name}`
    const byDefault = defaultText(inner, required.has(name))
    const cells = [`\`${path}\``, typeText(inner), byDefault, meaning(inner)]
    const row = `| ${cells.join(' | ')} |`
    return depth > 1 ? [row, ...rowsOf(inner, path, depth - 1)] : [row]
  })
}

function typeText(node: SchemaNode): string {
  if (node.enum) return node.enum.map((value) => `\`${String(value)}\``).join(', ')
  if (node.const !== undefined) return `\`${String(node.const)}\``
  if (node.unit !== undefined) return node.unit
  const options = node.anyOf ?? node.oneOf
  if (options) return options.map(typeText).join(' or ')
  if (node.type === 'array') return `list of ${node.items ? typeText(node.items) : 'values'}`
  if (node.type === 'object') return 'mapping'
  if (node.type === 'integer') return `whole number${rangeText(node)}`
  return TYPE_WORDS[node.type ?? ''] ?? node.type ?? 'any'
}

const TYPE_WORDS: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'number',
  boolean: '`true`, `false`',
}

function rangeText({ minimum, maximum }: SchemaNode): string {
  const bounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER
  return minimum !== undefined && bounded ? `, ${minimum} to ${maximum}` : ''
}

function defaultText(node: SchemaNode, isRequired: boolean): string {
  if (node.default === undefined) return isRequired ? '**required**' : ''
  if (typeof node.default === 'object') return ''
  return `\`${String(node.default).replaceAll('|', '\\|')}\``
}

function meaning(node: SchemaNode): string {
  return (node.description ?? '').replaceAll('|', '\\|').replaceAll('\n', ' ')
}
