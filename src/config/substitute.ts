/**
 * Variables in scalars, after parsing, so that no value can inject structure:
 * `${NAME}` `${env:NAME}` `${NAME:-default}` `${env:NAME:-default}` `${file:/path}`; `$$` is one
 * `$`.
 */

/** Where the values come from; a lookup answers null when there is none. */
export interface Variables {
  env(name: string): string | null
  /** Content of a file without its last line end; null when it cannot be read. */
  file(path: string): string | null
}

/** What substitution made of one scalar. */
export interface Substituted {
  readonly text: string
  /** True when at least one variable was replaced. */
  readonly replaced: boolean
  readonly problems: readonly {
    readonly rule: string
    readonly fix: string
    readonly missing: boolean
  }[]
}

const REFERENCE = /\$\$|\$\{([^{}]*)\}|\$\{/g
const ENV_NAME = /^(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(?::-([\s\S]*))?$/
const FILE_NAME = /^file:(.+)$/

/**
 * Replaces every reference in `source`. A default is taken when the variable is not set or empty.
 */
export function substitute(source: string, variables: Variables): Substituted {
  const problems: Substituted['problems'][number][] = []
  let replaced = false
  const text = source.replaceAll(REFERENCE, (whole: string, inner: string | undefined) => {
    if (whole === '$$') return '$'
    replaced = true
    const found = resolveReference(inner, variables)
    if (typeof found === 'string') return found
    problems.push(found)
    return whole
  })
  return { text, replaced, problems }
}

function resolveReference(
  inner: string | undefined,
  variables: Variables,
): string | Substituted['problems'][number] {
  const file = FILE_NAME.exec(inner ?? '')
  if (file?.[1] !== undefined) {
    const content = variables.file(file[1])
    if (content !== null) return content
    return {
      rule: `the file ${file[1]} cannot be read`,
      fix: `create ${file[1]} with the value in it, readable for the user that runs Sluice`,
      missing: true,
    }
  }
  const env = ENV_NAME.exec(inner ?? '')
  if (env?.[1] === undefined) {
    return {
      rule: 'this is no variable reference',
      fix: 'write ${NAME}, ${NAME:-default} or ${file:/path}; a plain dollar sign is $$',
      missing: false,
    }
  }
  const value = variables.env(env[1])
  if (value !== null && value !== '') return value
  if (env[2] !== undefined) return env[2]
  if (value !== null) return value
  return {
    rule: `the variable ${env[1]} is not set`,
    fix: `set ${env[1]} in the environment, or give a default: \${${env[1]}:-value}`,
    missing: true,
  }
}
