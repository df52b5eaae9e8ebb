/** What a running pipeline tells about itself, kept up to date by the loop. */

import type {
  Clock,
  PipelineStatus,
  SourceProgress,
  SourceWarning,
  SplitStatus,
  TableStatus,
} from '../contracts/index.ts'
import {
  msFromMicros,
  type SluiceError,
  type SourcePosition,
  type SplitId,
} from '../model/index.ts'
import type { Lane } from './lane.ts'
import { IDLE_AFTER_MS } from './limits.ts'
import { errorEvent, nextPhase, type PhaseEvent } from './phases.ts'

/** Window over which `rowsPerSecond` is averaged. */
const RATE_WINDOW_MS = 5_000

/** Collects facts and renders them. */
export interface StatusBoard {
  event(event: PhaseEvent): void
  failed(error: SluiceError): void
  read(recordCount: number): void
  committed(recordCount: number): void
  floor(split: SplitId, position: SourcePosition): void
  /** What needs attention of the streams. */
  warn(warnings: readonly SourceWarning[]): void
  /** What the board shows from now on; null between two recoveries. */
  watch(lanes: readonly Lane[] | null, progress: (() => SourceProgress) | null): void
  snapshot(): PipelineStatus
}

interface Facts {
  state: PipelineStatus['state']
  readonly floors: Map<SplitId, SourcePosition>
  recordsRead: number
  commits: number
  lastCommitAtMs: number | null
  lastReadAtMs: number | null
  lastError: PipelineStatus['lastError']
  warnings: readonly SourceWarning[]
  lanes: readonly Lane[] | null
  progress: (() => SourceProgress) | null
  /** As last rendered: what is shown between two recoveries and after the end. */
  tables: readonly TableStatus[]
}

/** Makes the board of one pipeline. */
export function createStatusBoard(pipeline: string, clock: Clock): StatusBoard {
  const startedAtMs = clock.nowMs()
  const rate: { atMs: number; recordCount: number }[] = []
  const facts: Facts = {
    state: 'created',
    floors: new Map(),
    recordsRead: 0,
    commits: 0,
    lastCommitAtMs: null,
    lastReadAtMs: null,
    lastError: null,
    warnings: [],
    lanes: null,
    progress: null,
    tables: [],
  }
  const event = (name: PhaseEvent): void => {
    facts.state = nextPhase(facts.state, name)
  }
  return {
    event,
    failed: (error) => {
      facts.lastError = { code: error.code, message: error.message, remedy: error.remedy }
      event(errorEvent(error))
    },
    read: (recordCount) => {
      if (recordCount === 0) return
      facts.recordsRead += recordCount
      facts.lastReadAtMs = clock.monotonicMs()
    },
    committed: (recordCount) => {
      facts.commits++
      facts.lastCommitAtMs = clock.nowMs()
      facts.lastError = null
      rate.push({ atMs: clock.monotonicMs(), recordCount })
    },
    floor: (split, position) => {
      facts.floors.set(split, position)
    },
    warn: (warnings) => {
      facts.warnings = warnings
    },
    watch: (lanes, progress) => {
      facts.tables = tablesOf(facts)
      facts.lanes = lanes
      facts.progress = progress
    },
    snapshot: () => {
      const nowMs = clock.monotonicMs()
      while (rate.length > 0 && (rate[0] as { atMs: number }).atMs < nowMs - RATE_WINDOW_MS)
        rate.shift()
      if (facts.state === 'catching_up' && isAtEnd(facts)) event('caught-up')
      const isQuiet = facts.lastReadAtMs === null || nowMs - facts.lastReadAtMs > IDLE_AFTER_MS
      if (facts.state === 'running' && isQuiet) event('quiet')
      return render(pipeline, startedAtMs, facts, rate, clock)
    },
  }
}

function render(
  pipeline: string,
  startedAtMs: number,
  facts: Facts,
  rate: readonly { readonly recordCount: number }[],
  clock: Clock,
): PipelineStatus {
  const progress = facts.progress?.() ?? null
  return {
    pipeline,
    state: facts.state,
    startedAtMs,
    observedAtMs: clock.nowMs(),
    tables: tablesOf(facts),
    splits: splitsOf(facts.floors, progress?.ends ?? new Map()),
    lagMs: lagMs(facts, clock),
    rowsPerSecond: Math.round(
      rate.reduce((sum, sample) => sum + sample.recordCount, 0) / (RATE_WINDOW_MS / 1000),
    ),
    commits: facts.commits,
    recordsRead: facts.recordsRead,
    lastCommitAtMs: facts.lastCommitAtMs,
    lastError: facts.lastError,
    warnings: [...(progress?.warnings ?? []), ...facts.warnings],
  }
}

function tablesOf(facts: Facts): readonly TableStatus[] {
  if (facts.lanes === null) return facts.tables
  const progress = facts.progress?.() ?? null
  const copies = new Map(progress?.copies.map((copy) => [copy.stream, copy]))
  return facts.lanes.map((lane) => {
    const copy = copies.get(lane.context.target.stream)
    const { status } = lane
    return {
      table: lane.context.target.table,
      stream: lane.context.target.stream,
      version: status.version,
      rowCount: status.rowCount,
      keyCount: lane.context.index.keyCount,
      fileCount: status.fileCount,
      sizeBytes: status.sizeBytes,
      copy:
        copy === undefined || (copy.complete && isStreaming(lane))
          ? null
          : { rowsCopied: copy.rowsCopied, rowsExpected: copy.rowsExpected },
      commits: status.commits,
      rowsApplied: status.rowsApplied,
      rowsRejected: status.rowsRejected,
    }
  })
}

const isStreaming = ({ cursors }: Lane): boolean =>
  cursors.size > 0 && [...cursors.values()].every(({ phase }) => phase === 'stream')

function splitsOf(
  floors: ReadonlyMap<SplitId, SourcePosition>,
  ends: ReadonlyMap<SplitId, SourcePosition>,
): readonly SplitStatus[] {
  return [...new Set([...floors.keys(), ...ends.keys()])].sort().map((split) => ({
    split,
    floorPosition: floors.get(split) ?? null,
    endPosition: ends.get(split) ?? null,
  }))
}

/** True when everything the source has is in every table. */
function isAtEnd({ floors, progress }: Facts): boolean {
  const ends = [...(progress?.().ends ?? [])]
  return ends.length > 0 && ends.every(([split, end]) => (floors.get(split) ?? -1n) >= end)
}

/**
 * Zero at the end of the source; else the age of the newest committed change; null when not known.
 */
function lagMs(facts: Facts, clock: Clock): number | null {
  if (isAtEnd(facts)) return 0
  const times = (facts.lanes ?? [])
    .map((lane) => lane.status.lastSourceTimeMicros)
    .filter((micros) => micros !== null)
  if (times.length === 0) return null
  const newest = times.reduce((left, right) => (left > right ? left : right))
  return Math.max(0, clock.nowMs() - msFromMicros(newest))
}
