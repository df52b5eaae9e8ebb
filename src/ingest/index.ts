/**
 * The loop: fetch, land, decode, merge, look up, stage, commit, apply, acknowledge.
 * Comes in: checked settings, a source, an object store, a table format. Goes out: a running
 * pipeline and its status.
 * Must never: name a concrete connector or format, acknowledge what is not committed, or repair
 * state in place.
 */

export { settleDeadLetters } from './dead-letters.ts'
export {
  DEAD_LETTER_FAILPOINTS,
  FAILPOINTS,
  type FailpointName,
  type Failpoints,
  failAt,
} from './failpoints.ts'
export { landPart } from './lander.ts'
export {
  createPipeline,
  type Pipeline,
  type PipelineParts,
  type RunEnd,
} from './pipeline.ts'
export { openPipelineLog, type PipelineLog } from './pipeline-log.ts'
export type { PipelineNotes, StreamNote } from './pipeline-log-entry.ts'
export { type PartPreview, type PreviewRow, previewPart } from './preview.ts'
export { type PurgeOutcome, purgeDeadLetters } from './purge-dead-letters.ts'
export { requestCopy } from './recopy.ts'
export { readStreamNotes, withKnownTargets } from './stream-roll.ts'
