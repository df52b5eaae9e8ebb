/**
 * The live lines of running pipelines: redrawn in place on a terminal, one line now and then
 * elsewhere.
 */

import type { Clock, PipelineStatus } from '../contracts/index.ts'
import type { TextStream } from './host.ts'
import { printable, widthOf } from './text-table.ts'
import { statusLine } from './verbs/live-text.ts'

/** Shows the newest status of each pipeline. */
export interface LiveView {
  show(status: PipelineStatus): void
  /** Writes text above the live lines, such as log lines. */
  above(text: string): void
  /** Leaves the last picture standing. */
  end(): void
}

/**
 * Where a terminal is not redrawn, a pipeline has a line at most this often, and at each change of
 * state.
 */
const LINE_INTERVAL_MS = 10_000
/** Width when the terminal does not tell. */
const WIDTH_DEFAULT = 100

/** `isLive` redraws in place; else lines are appended; quiet shows nothing. */
export function createLiveView(
  stream: TextStream,
  clock: Clock,
  mode: 'live' | 'lines' | 'quiet',
): LiveView {
  if (mode === 'live') return redrawn(stream)
  const told = new Map<string, { readonly state: string; readonly atMs: number }>()
  return {
    show: (status) => {
      if (mode === 'quiet') return
      const last = told.get(status.pipeline)
      const nowMs = clock.monotonicMs()
      const isNews = last?.state !== status.state || nowMs - last.atMs >= LINE_INTERVAL_MS
      if (!isNews) return
      told.set(status.pipeline, { state: status.state, atMs: nowMs })
      stream.write(`${printable(statusLine(status))}\n`)
    },
    above: (text) => stream.write(text),
    end: () => undefined,
  }
}

function redrawn(stream: TextStream): LiveView {
  const lines = new Map<string, string>()
  let drawn = 0
  const erase = (): string => (drawn === 0 ? '' : `\r\u001b[${drawn}A\u001b[0J`)
  const draw = (): string => {
    drawn = lines.size
    // A terminal without a size says 0.
    const width = (stream.columns || WIDTH_DEFAULT) - 1
    return [...lines.values()].map((line) => `${shorten(line, width)}\n`).join('')
  }
  return {
    show: (status) => {
      lines.set(status.pipeline, printable(statusLine(status)))
      const clear = erase()
      stream.write(clear + draw())
    },
    above: (text) => {
      const clear = erase()
      stream.write(clear + text + draw())
    },
    end: () => undefined,
  }
}

/** A line that wraps would break the count of lines to erase. */
function shorten(line: string, width: number): string {
  if (widthOf(line) <= width) return line
  let kept = ''
  for (const character of line) {
    if (widthOf(kept + character) > width - 1) break
    kept += character
  }
  return `${kept}…`
}
