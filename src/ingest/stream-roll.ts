/**
 * The roll of a pipeline: which streams it reads now, which it read once. Kept in its log, because
 * the floor speaks for the streams that are read alone: one that comes back was passed over
 * meanwhile, and must be copied again.
 */

import type {
  ObjectStore,
  PipelineSettings,
  Source,
  SourceWarning,
  StreamSelection,
  StreamWarning,
  TableTarget,
} from '../contracts/index.ts'
import { assert, SluiceError, type StreamSchema } from '../model/index.ts'
import { chooses, chooseTargets } from './choose-streams.ts'
import { openPipelineLog, type PipelineLog } from './pipeline-log.ts'
import type { StreamNote } from './pipeline-log-entry.ts'

/** What is read from now on. */
export interface Roll {
  readonly targets: readonly TableTarget[]
  /** Stream → its columns. */
  readonly schemas: ReadonlyMap<string, StreamSchema>
  /** What keeps streams from being read now; the source goes on telling of these. */
  readonly warnings: readonly SourceWarning[]
  /** Streams that patterns choose and that cannot become tables. */
  readonly refused: readonly StreamWarning[]
  /** Streams that were left once and are back: what their tables hold has a gap. */
  readonly returned: ReadonlySet<string>
}

/**
 * Asks the source what there is. Throws SLU-ING-4002 for a named stream that it does not have, and
 * what keeps the first stream from being read when there is nothing to read at all.
 */
export async function callRoll(
  settings: PipelineSettings,
  source: Source,
  log: PipelineLog,
): Promise<Roll> {
  const named = settings.targets.filter(({ isMatched }) => isMatched !== true)
  const schemas = new Map<string, StreamSchema>()
  const names = named.map(({ stream }) => stream)
  const streams = named.length === 0 ? [] : await source.discover(names)
  for (const { stream } of named) {
    const schema = streams.find((one) => one.stream === stream)
    assert(
      schema !== undefined,
      'SLU-ING-4002',
      `the source has no ${stream} (${namesOf(streams)})`,
    )
    schemas.set(stream, schema)
  }
  const { selection } = settings
  const chosen = selection === null ? NOTHING : await choose(selection, source, { named, log })
  for (const schema of chosen.schemas) schemas.set(schema.stream, schema)
  const targets = [...named, ...chosen.targets]
  if (targets.length === 0) throw nothingToRead([...chosen.warnings, ...chosen.refused])
  const returned = targets.filter(({ stream }) => wasLeft(log.notes.streams.get(stream)))
  return {
    targets,
    schemas,
    warnings: chosen.warnings,
    refused: chosen.refused,
    returned: new Set(returned.map(({ stream }) => stream)),
  }
}

/** Notes that these streams are read, and that the others are not any more. */
export async function noteRoll(
  log: PipelineLog,
  roll: Roll,
  selection: StreamSelection | null,
): Promise<void> {
  const read = new Set(roll.targets.map(({ stream }) => stream))
  const streams = new Map<string, StreamNote>()
  for (const [stream, note] of log.notes.streams) {
    const known = note.left ?? leaving(stream, [...roll.warnings, ...roll.refused], selection)
    streams.set(stream, { left: known })
  }
  for (const stream of read) streams.set(stream, { left: null })
  const isSame = [...streams].every(([stream, { left }]) => {
    const before = log.notes.streams.get(stream)
    return before !== undefined && (before.left === null) === (left === null)
  })
  if (!isSame) await log.write({ streams })
}

/** Every stream that the pipeline read, as its log says. Throws SLU-ING-4008. */
export async function readStreamNotes(
  store: ObjectStore,
  pipeline: string,
): Promise<ReadonlyMap<string, StreamNote>> {
  return (await openPipelineLog(store, pipeline, '')).notes.streams
}

/** The pipeline with a target for each stream that its patterns came to. Throws SLU-ING-4008. */
export async function withKnownTargets(
  settings: PipelineSettings,
  store: ObjectStore,
): Promise<PipelineSettings> {
  const { selection } = settings
  if (selection === null) return settings
  const named = new Set(settings.targets.map(({ stream }) => stream))
  const noted = [...(await readStreamNotes(store, settings.name)).keys()]
  const streams = noted.filter((stream) => !named.has(stream)).sort()
  const { targets } = chooseTargets(selection, streams, settings.targets)
  return { ...settings, targets: [...settings.targets, ...targets] }
}

/** Why tables of this pipeline are fed no more. */
export function leftStreams(log: PipelineLog): readonly SourceWarning[] {
  return [...log.notes.streams.values()].flatMap(({ left }) => left ?? [])
}

/** What the roll says of a stream that is read no more. */
function leaving(
  stream: string,
  warnings: readonly (SourceWarning & { readonly stream?: string })[],
  selection: StreamSelection | null,
): SourceWarning {
  const obstacle = warnings.find((warning) => warning.stream === stream)
  if (obstacle !== undefined) {
    const { code, message, remedy } = obstacle
    return { code, message, remedy }
  }
  const isChosen = selection !== null && chooses(selection, stream)
  return {
    code: 'SLU-SRC-1232',
    message: isChosen ? `the source has no ${stream} any more` : `${stream} is not chosen any more`,
    remedy: 'Its table stays as it is. When the stream comes back, it is copied anew.',
  }
}

const wasLeft = (note: StreamNote | undefined): boolean => note !== undefined && note.left !== null

interface Chosen {
  readonly refused: readonly StreamWarning[]
  readonly targets: readonly TableTarget[]
  readonly schemas: readonly StreamSchema[]
  readonly warnings: readonly (SourceWarning | StreamWarning)[]
}

const NOTHING: Chosen = { refused: [], targets: [], schemas: [], warnings: [] }

async function choose(
  selection: StreamSelection,
  source: Source,
  known: { readonly named: readonly TableTarget[]; readonly log: PipelineLog },
): Promise<Chosen> {
  const found = await source.select?.(selection.patterns)
  assert(found !== undefined, 'SLU-BUG-9001', `${source.name} has no patterns`)
  const named = new Set(known.named.map(({ stream }) => stream))
  const schemas = found.ready.filter(({ stream }) => !named.has(stream))
  const { streams } = known.log.notes
  // Where two streams want one name, the one that has it keeps it.
  const isNew = ({ stream }: StreamSchema): boolean => streams.get(stream)?.left !== null
  const ordered = [...schemas.filter((one) => !isNew(one)), ...schemas.filter(isNew)]
  const { targets, refused } = chooseTargets(
    selection,
    ordered.map(({ stream }) => stream),
    known.named,
  )
  const waiting = found.waiting.filter(({ stream }) => !named.has(stream))
  return {
    refused,
    targets,
    schemas,
    warnings: [...found.warnings, ...waiting],
  }
}

function nothingToRead(warnings: readonly (SourceWarning | StreamWarning)[]): SluiceError {
  const first = warnings.find((warning) => 'stream' in warning) ?? warnings[0]
  return new SluiceError('SLU-SRC-1230', {
    message: `there is no table to read: ${first?.message ?? 'no pattern matches'}`,
    ...(first === undefined ? {} : { remedy: first.remedy }),
  })
}

const NAMES_SHOWN_MAX = 20

function namesOf(streams: readonly { readonly stream: string }[]): string {
  const names = streams.slice(0, NAMES_SHOWN_MAX).map((stream) => stream.stream)
  return `it has ${names.join(', ') || 'none'}${streams.length > NAMES_SHOWN_MAX ? ', …' : ''}`
}
