/** Names of streams: `schema.table`, each part in quotes where it could be mistaken. */

/** The name of a table as a stream: `public.orders`, `public."a.b"`. */
export function streamName(schemaName: string, tableName: string): string {
  return `${part(schemaName)}.${part(tableName)}`
}

/** A dot, a quote or what patterns are made of. */
const SPECIAL = /[."*]|^!/

function part(name: string): string {
  return SPECIAL.test(name) ? `"${name.replaceAll('"', '""')}"` : name
}

const partSql = (name: string): string =>
  `CASE WHEN ${name} ~ '[."*]|^!' THEN '"' || replace(${name}, '"', '""') || '"' ELSE ${name} END`

/** `streamName` of the relation `c` in the namespace `n`, as SQL. */
export const STREAM_SQL = `(${partSql('n.nspname::text')} || '.' || ${partSql('c.relname::text')})`
