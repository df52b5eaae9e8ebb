/**
 * What the quickstart shows: the state of the pipeline as a picture on a terminal, as lines
 * elsewhere.
 */

import type { Clock, PipelineStatus, TableStatus } from '../contracts/index.ts'

/** Everything one picture is drawn from. */
export interface QuickstartView {
  readonly folder: string
  readonly sourceAddress: string
  readonly transactions: number
  readonly status: PipelineStatus
  readonly processId: number
}

/** Where it is shown. */
export interface ScreenStream {
  write(text: string): unknown
  /** True on a terminal. */
  readonly isTTY?: boolean
  readonly columns?: number
}

/** Shows the newest view. */
export interface Screen {
  show(view: QuickstartView): void
  /** Leaves the last picture standing. */
  end(): void
}

/**
 * Where nothing is redrawn there is one line at most this often, and one at each change of state.
 */
const LINE_INTERVAL_MS = 5_000
/** Width when the terminal does not tell. */
const COLUMNS_DEFAULT = 100

/** Commands to try in another terminal, in the order to try them. */
export const NEXT_COMMANDS: readonly string[] = [
  'npx sluice sql "select count(*) from orders"',
  'npx sluice sql "select status, count(*), sum(total) from orders group by status"',
  'npx sluice timeline orders',
  'npx sluice sql "select count(*) from orders AT (VERSION => 3)"',
  'npx sluice changes orders --from 3 --limit 5',
  'npx sluice verify orders --against source',
]

/** A screen that redraws a terminal in place and appends lines to anything else. */
export function createScreen(stream: ScreenStream, clock: Clock): Screen {
  return stream.isTTY === true ? redrawn(stream) : appended(stream, clock)
}

/** The whole picture, for a terminal that can be redrawn. */
export function drawView(view: QuickstartView): readonly string[] {
  const { status } = view
  return [
    `sluice quickstart · ${status.state} · ${view.folder}`,
    '',
    `Postgres  ${view.sourceAddress} · ${count(view.transactions)} transactions of the shop`,
    `pipeline  ${rateText(status)}`,
    '',
    ...tableLines(status.tables),
    '',
    ...nextLines(view.processId),
  ]
}

/** One line, for an output that is no terminal. */
export function drawLine(view: QuickstartView): string {
  const rows = view.status.tables.map((table) => `${table.table} ${rowsText(table)}`).join(', ')
  return `${view.status.state}: ${rateText(view.status)}; ${rows || 'no table yet'}`
}

/** The commands to try and how it ends; printed once where nothing is redrawn. */
export function nextLines(processId: number): readonly string[] {
  return [
    'Try in another terminal:',
    ...NEXT_COMMANDS.map((command) => `  ${command}`),
    '',
    `Ctrl-C ends it. Then, or after kill -9 ${processId}, the same command goes on where it was.`,
  ]
}

function redrawn(stream: ScreenStream): Screen {
  let drawn = 0
  return {
    show: (view) => {
      const width = (stream.columns ?? COLUMNS_DEFAULT) - 1
      const lines = drawView(view).map((line) => [...line].slice(0, width).join(''))
      const erase = drawn === 0 ? '' : `\r\u001b[${drawn}A\u001b[0J`
      stream.write(`${erase}${lines.join('\n')}\n`)
      drawn = lines.length
    },
    end: () => undefined,
  }
}

function appended(stream: ScreenStream, clock: Clock): Screen {
  let state: string | null = null
  let toldAtMs = 0
  let hasNext = false
  return {
    show: (view) => {
      const nowMs = clock.monotonicMs()
      const { status } = view
      if (status.state === state && nowMs - toldAtMs < LINE_INTERVAL_MS) return
      state = status.state
      toldAtMs = nowMs
      stream.write(`${drawLine(view)}\n`)
      if (hasNext || status.commits === 0) return
      hasNext = true
      stream.write(`\n${nextLines(view.processId).join('\n')}\n\n`)
    },
    end: () => undefined,
  }
}

function rateText(status: PipelineStatus): string {
  const rate = `${count(Math.round(status.rowsPerSecond))} rows/s`
  const lag = `lag ${status.lagMs === null ? 'unknown' : `${(status.lagMs / 1000).toFixed(1)} s`}`
  const error = status.lastError === null ? '' : ` · ${status.lastError.code}`
  return `${rate} · ${lag} · ${count(status.commits)} commits${error}`
}

function tableLines(tables: readonly TableStatus[]): readonly string[] {
  if (tables.length === 0) return ['the first copy begins …']
  const header = ['table', 'rows', 'changes applied', 'version']
  const body = tables.map((table) => [
    table.table,
    rowsText(table),
    count(table.rowsApplied),
    table.version === null ? '–' : String(table.version),
  ])
  const widths = header.map((title, column) =>
    Math.max(title.length, ...body.map((row) => row[column]?.length ?? 0)),
  )
  return [header, ...body].map((row) =>
    row
      .map((cell, column) => {
        const width = widths[column] ?? 0
        return column === 0 ? cell.padEnd(width) : cell.padStart(width)
      })
      .join('  '),
  )
}

function rowsText(table: TableStatus): string {
  if (table.copy === null) return table.rowCount === null ? '–' : count(table.rowCount)
  const copied = count(table.copy.rowsCopied)
  return table.copy.rowsExpected === null
    ? `copying ${copied}`
    : `copying ${copied} of about ${count(table.copy.rowsExpected)}`
}

/** Thousands set apart, the same in every locale. */
function count(value: number | bigint): string {
  return value.toString().replaceAll(/\B(?=(\d{3})+$)/g, ',')
}
