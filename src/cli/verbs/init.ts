/** `sluice init`: a commented configuration to start from, and what will become of each table. */

import { mkdirSync, statSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { openSource, sourceSpecs } from '../../compose.ts'
import {
  type Config,
  checkConfigText,
  configJsonSchema,
  errorFromProblems,
  processVariables,
} from '../../config/index.ts'
import { assert, SluiceError, type StreamSchema, wrapError } from '../../model/index.ts'
import { createTelemetry } from '../../observe/index.ts'
import type { VerbContext } from '../context.ts'
import { asSluiceError } from '../errors.ts'
import { EXIT } from '../exit-codes.ts'
import { UNKNOWN } from '../format.ts'
import { type Draft, draftFiles, draftPostgres, type InitOptions } from '../init-draft.ts'
import { jsonText } from '../json.ts'
import { SCHEMA_FILE, type TemplateStream } from '../templates.ts'

const TEMPLATES = ['postgres', 'files'] as const

/**
 * Writes the configuration and its schema. Throws SLU-CLI-8001, 8010, 8011, and SLU-CFG-* for an
 * option that makes no valid setting; then nothing is written.
 */
export async function initVerb(
  context: VerbContext,
  named: string | undefined,
  options: InitOptions,
): Promise<number> {
  const { host, output, ask } = context
  const file = targetFile(context)
  if (options.force !== true) requireAbsent(file)
  const template = await chooseTemplate(context, named, options)
  const draft = await (template === 'files' ? draftFiles : draftPostgres)(options, {
    file,
    folder: host.folder,
    ask,
    discover: (text, password) => discover(context, file, text, password),
  })
  await parseDraft(file, draft.text, null)
  const schemaFile = join(dirname(file), SCHEMA_FILE)
  const schema = `${jsonText(configJsonSchema(await sourceSpecs()), 2)}\n`
  writeBoth([file, draft.text], [schemaFile, schema], options.force === true)
  const next = nextCommands(relative(host.folder, file), draft)
  output.document('init', {
    path: file,
    schemaPath: schemaFile,
    template,
    reached: draft.isReached,
    tables: draft.streams.map(({ stream, key }) => ({ stream, key, mode: modeOf(key) })),
    notes: draft.notes,
    next,
  })
  for (const note of draft.notes) output.note(`note: ${note}`)
  output.text(`wrote ${relative(host.folder, file)} and ${relative(host.folder, schemaFile)}\n`)
  if (draft.isReached) tellStreams(context, draft.streams)
  output.text(`\nNext:\n${next.map((line) => `  ${line}\n`).join('')}`)
  return EXIT.ok
}

function targetFile({ host, givenConfig }: VerbContext): string {
  const path = resolve(host.folder, givenConfig ?? 'sluice.yaml')
  const isFolder = statSync(path, { throwIfNoEntry: false })?.isDirectory() === true
  return isFolder ? join(path, 'sluice.yaml') : path
}

function requireAbsent(file: string): void {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return
  throw new SluiceError('SLU-CLI-8010', { message: `${file} is there already` })
}

/** The schema is printed from the code: it may always be written anew. */
function writeBoth(
  [file, text]: readonly [string, string],
  [schemaFile, schema]: readonly [string, string],
  isForced: boolean,
): void {
  try {
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text, { flag: isForced ? 'w' : 'wx' })
    writeFileSync(schemaFile, schema)
  } catch (error) {
    // Whoever wrote the file in between keeps it.
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') requireAbsent(file)
    throw wrapError(error, 'SLU-CLI-8011', 'the configuration cannot be written')
  }
}

async function chooseTemplate(
  { ask }: VerbContext,
  named: string | undefined,
  { url, path }: InitOptions,
): Promise<(typeof TEMPLATES)[number]> {
  const implied = url !== undefined ? 'postgres' : path !== undefined ? 'files' : undefined
  const typed = (named ?? implied ?? (await ask?.('postgres or files? [postgres] ')))?.trim()
  const wanted = typed === '' ? 'postgres' : typed
  const found = TEMPLATES.find((template) => template === wanted)
  if (found !== undefined) return found
  throw new SluiceError('SLU-CLI-8001', {
    message: wanted === undefined ? 'init needs a template' : `there is no template "${wanted}"`,
    remedy: 'Write: sluice init postgres --url postgres://…  or: sluice init files --path FOLDER',
  })
}

/** The settings that the text makes. Throws SLU-CFG-* with places as if it stood in the file. */
async function parseDraft(file: string, text: string, password: string | null): Promise<Config> {
  const known = processVariables()
  const env = (name: string): string | null =>
    name === 'PGPASSWORD' && password !== null ? password : known.env(name)
  const result = checkConfigText(file, text, await sourceSpecs(), { variables: { ...known, env } })
  if (result.kind === 'valid') return result.config
  throw errorFromProblems(result.kind === 'invalid' ? result.problems : result.warnings)
}

async function discover(
  { host }: VerbContext,
  file: string,
  text: string,
  password: string | null,
): Promise<readonly StreamSchema[] | SluiceError> {
  const config = await parseDraft(file, text, password)
  const [pipeline] = config.pipelines
  assert(pipeline !== undefined, 'SLU-BUG-9001', 'a template without a pipeline')
  const { clock, stderr } = host
  const telemetry = createTelemetry({ level: 'silent', format: 'text', stream: stderr, clock })
  try {
    await using source = await openSource(config, pipeline, {
      name: pipeline.source,
      pipeline: pipeline.name,
      clock,
      telemetry,
    })
    return await source.discover()
  } catch (error) {
    return asSluiceError(error)
  }
}

function modeOf(key: TemplateStream['key']): 'upsert' | 'append' | null {
  return key === null ? null : key.length > 0 ? 'upsert' : 'append'
}

function tellStreams({ output }: VerbContext, streams: readonly TemplateStream[]): void {
  output.text('\n')
  output.table(
    [
      { title: 'table', align: 'left' },
      { title: 'key', align: 'left' },
      { title: 'will be', align: 'left' },
    ],
    streams.map(({ stream, key }) => [
      stream,
      key?.join(', ') || UNKNOWN,
      MEANING[modeOf(key) ?? 'unknown'],
    ]),
  )
}

const MEANING = {
  upsert: 'one row a key',
  append: 'append: a row for every insert or record; nothing is updated or deleted',
  unknown: 'nothing, as long as the source does not have it',
} as const

function nextCommands(shown: string, { before, streams }: Draft): readonly string[] {
  const option = shown === 'sluice.yaml' ? '' : ` -c ${shown}`
  const table = streams[0]?.stream.split('.').at(-1) ?? 'orders'
  return [
    ...before,
    `sluice check${option}   # reaches everything and tells what is missing`,
    `sluice run${option}     # the rows that are there, then every change, until Ctrl-C`,
    `sluice sql${option} "select count(*) from ${table}"`,
  ]
}
