/** What `sluice init` writes: options, answers and what the source tells → the text of a file. */

import { basename, dirname, relative, resolve } from 'node:path'
import { SluiceError, type StreamSchema } from '../model/index.ts'
import { filesTemplate, postgresTemplate, type TemplateStream } from './templates.ts'

/** Options of the command. */
export interface InitOptions {
  readonly url?: string
  /** Names, joined by commas. */
  readonly tables?: string
  readonly path?: string
  /** Columns, joined by commas. */
  readonly key?: string
  readonly force?: boolean
  readonly offline?: boolean
}

/** What a draft may ask for. */
export interface DraftSurroundings {
  /** The file to be written, absolute. */
  readonly file: string
  /** Folder that paths in options start from. */
  readonly folder: string
  /** Puts a question to a person; null where nobody may be asked. */
  readonly ask: ((question: string) => Promise<string>) | null
  /** Streams of the source in a configuration, or why it cannot be reached. */
  discover(text: string, password: string | null): Promise<readonly StreamSchema[] | SluiceError>
}

/** What goes into the file, and what is to be told about it. */
export interface Draft {
  readonly text: string
  readonly streams: readonly TemplateStream[]
  /** True when the source was reached and told its streams. */
  readonly isReached: boolean
  readonly notes: readonly string[]
  /** What has to be done before the first start, as commands. */
  readonly before: readonly string[]
}

const URL_EXAMPLE = 'postgres://sluice@localhost:5432/shop'
const STREAM_EXAMPLE = 'public.orders'

/** A configuration of one database; its tables, when it can be reached. */
export async function draftPostgres(
  options: InitOptions,
  { ask, discover }: DraftSurroundings,
): Promise<Draft> {
  const typed = options.url ?? (await ask?.('Connection URL, postgres://user@host/database: '))
  const { url, password } = splitPassword(typed?.trim() || URL_EXAMPLE)
  const name = nameFrom(URL.canParse(url) ? new URL(url).pathname : '', 'main')
  const named = listOf(options.tables).map((table) =>
    table.includes('.') ? table : `public.${table}`,
  )
  const before = password === null ? [] : ['export PGPASSWORD=…   # it is not in the file']
  const render = (streams: readonly TemplateStream[]): string =>
    postgresTemplate({ name, url, streams })
  const blind = (...notes: readonly string[]): Draft => {
    const streams = (named.length > 0 ? named : [STREAM_EXAMPLE]).map(unseen)
    const example = named.length > 0 ? [] : [`${STREAM_EXAMPLE} is an example: name your tables`]
    const isReached = false
    return { text: render(streams), streams, isReached, notes: [...notes, ...example], before }
  }
  if (!typed?.trim()) return blind(`the url is an example: write your own, or give --url`)
  if (options.offline === true) return blind()
  const found = await discover(blind().text, password)
  if (found instanceof SluiceError) return blind(notReached(found))
  if (found.length === 0 && named.length === 0) return blind('the database holds no table yet')
  const byName = new Map(found.map((schema) => [schema.stream, schema]))
  const streams = (named.length > 0 ? named : [...byName.keys()]).map((stream) => ({
    stream,
    key: byName.get(stream)?.key ?? null,
  }))
  const missing = streams.filter(({ stream }) => !byName.has(stream))
  const notes = missing.map(({ stream }) => `the database has no table ${stream}`)
  return { text: render(streams), streams, isReached: true, notes, before }
}

/** A configuration of one folder; its columns are looked at to tell a mistyped key. */
export async function draftFiles(
  options: InitOptions,
  { file, folder, discover }: DraftSurroundings,
): Promise<Draft> {
  const path = resolve(folder, options.path ?? 'landing')
  const fromFile = relative(dirname(file), path)
  const [stream = nameFrom(basename(path), 'records'), ...more] = listOf(options.tables)
  if (more.length > 0) {
    throw new SluiceError('SLU-CLI-8001', {
      message: 'a folder of files is one table',
      remedy: 'Give one name with --tables, and each folder a pipeline of its own.',
    })
  }
  const key = listOf(options.key)
  const text = filesTemplate({
    name: nameFrom(stream, 'main'),
    path: fromFile.startsWith('..') ? fromFile : `./${fromFile}`,
    stream,
    key,
  })
  const streams = [{ stream, key }]
  const before = [`mkdir -p ${shellWord(relative(folder, path) || '.')}`]
  if (options.offline === true) return { text, streams, isReached: false, notes: [], before }
  const found = await discover(text, null)
  if (found instanceof SluiceError) {
    return { text, streams, isReached: false, notes: [notReached(found)], before }
  }
  const columns = found.flatMap((schema) => schema.columns.map((column) => column.name))
  const notes = key
    .filter((column) => columns.length > 0 && !columns.includes(column))
    .map((column) => `the files have no column ${column}; they have ${columns.join(', ')}`)
  return { text, streams, isReached: true, notes, before: [] }
}

/** `a, b` → both; empty without the option. */
function listOf(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter((part) => part !== '')
}

/** The password belongs in no file. */
function splitPassword(url: string): { readonly url: string; readonly password: string | null } {
  if (!URL.canParse(url)) return { url, password: null }
  const parsed = new URL(url)
  if (parsed.password === '') return { url, password: null }
  const password = decodeURIComponent(parsed.password)
  parsed.password = ''
  return { url: parsed.href, password }
}

/** A name of a pipeline made of other text. */
function nameFrom(text: string, fallback: string): string {
  const plain = text.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_')
  return (
    plain
      .replace(/^[^a-z]+/, '')
      .replace(/_+$/, '')
      .slice(0, 40) || fallback
  )
}

function unseen(stream: string): TemplateStream {
  return { stream, key: null }
}

function notReached({ code, message, remedy }: SluiceError): string {
  return `not reached, so nothing is known of the tables: ${code} ${message}. ${remedy}`
}

function shellWord(text: string): string {
  return /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`
}
