/** A small configuration that is right, and ways to spoil it. */

/** A database, a folder, and one pipeline of the first. */
export const GOOD = `apiVersion: v1
store: { url: ./lake }
sources:
  pg:
    postgres: { url: postgres://u@h/d }
  in:
    files: { path: ./in }
pipelines:
  - name: shop
    from: pg
    tables: [public.orders]
`

/** Its database. */
export const POSTGRES = 'postgres: { url: postgres://u@h/d }'

/** A wrong file and its problems: `code line:column setting|part of the remedy`. */
export type WrongFile = readonly [string, string | Buffer, ...(readonly string[])]

/** The good one with a text replaced. */
export function replaced(from: string, to: string): string {
  if (!GOOD.includes(from)) throw new Error(`there is no ${from}`)
  return GOOD.replace(from, () => to)
}

/** The good one with lines behind its pipeline. */
export function followed(lines: string): string {
  return GOOD + lines
}

/** The good one with other settings of the database. */
export function database(settings: string): string {
  return replaced(POSTGRES, `postgres: ${settings}`)
}

/** The good one with more settings of the database. */
export function databaseWith(settings: string): string {
  return database(`{ url: postgres://u@h/d, ${settings} }`)
}

/** The good one without its pipelines. */
export const WITHOUT_PIPELINES = GOOD.slice(0, GOOD.indexOf('pipelines:'))
