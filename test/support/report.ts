/** How a run of suites is counted and told. Pure: vitest's JSON in, lines out. */

/** What one suite came to. */
export interface SuiteResult {
  readonly suite: string
  readonly passed: number
  readonly skipped: number
  /** One readable block a failure. */
  readonly failures: readonly string[]
  /** Names of skipped tests. */
  readonly notRun: readonly string[]
}

/** The part of vitest's JSON report that is read here. */
export interface VitestReport {
  readonly testResults: readonly {
    readonly name: string
    readonly status: string
    readonly message?: string
    readonly assertionResults: readonly {
      readonly fullName: string
      readonly status: string
      readonly failureMessages?: readonly (string | null)[] | null
    }[]
  }[]
}

const MESSAGE_LINES_MAX = 40

/** Counts a vitest report. A file that did not load counts as one failure. */
export function readVitestReport(
  suite: string,
  report: VitestReport,
  isAllRequired: boolean,
): SuiteResult {
  let passed = 0
  const failures: string[] = []
  const notRun: string[] = []
  for (const file of report.testResults) {
    if (
      file.status === 'failed' &&
      !file.assertionResults.some((test) => test.status === 'failed')
    ) {
      failures.push(failureBlock(file.name, 'the file did not load', file.message ?? ''))
    }
    for (const test of file.assertionResults) {
      if (test.status === 'passed') passed += 1
      else if (test.status === 'failed') {
        const messages = (test.failureMessages ?? []).filter((message) => message !== null)
        failures.push(failureBlock(file.name, test.fullName, messages.join('\n')))
      } else notRun.push(`${file.name} › ${test.fullName}`)
    }
  }
  if (!isAllRequired) return { suite, passed, skipped: notRun.length, failures, notRun }
  const forbidden = notRun.map(
    (name) => `${name}\n    was skipped, and SLUICE_REQUIRE=all forbids it`,
  )
  return { suite, passed, skipped: 0, failures: [...failures, ...forbidden], notRun: [] }
}

/** A failure as a reader of the log needs it: where, what, why. */
export function failureBlock(file: string, name: string, message: string): string {
  const isForeignFrame = /^\s+at .*(node_modules|node:|<anonymous>)/
  const lines = message
    .trim()
    .split('\n')
    .filter((line) => !isForeignFrame.test(line))
  const shown = lines.slice(0, MESSAGE_LINES_MAX).map((line) => `    ${line}`)
  if (lines.length > MESSAGE_LINES_MAX) {
    shown.push(`    … ${lines.length - MESSAGE_LINES_MAX} more lines`)
  }
  return [`${file} › ${name}`, ...shown].join('\n')
}

/** The end of the log: failures, what was not run and why, and the one line that counts. */
export function summaryLines(
  results: readonly SuiteResult[],
  reasons: readonly string[],
): readonly string[] {
  const failures = results.flatMap((result) => result.failures)
  const passed = results.reduce((sum, result) => sum + result.passed, 0)
  const skipped = results.reduce((sum, result) => sum + result.skipped, 0)
  const notRun = results.flatMap((result) => result.notRun.map((name) => `not run: ${name}`))
  return [
    ...failures.flatMap((failure, index) => [`failure ${index + 1}: ${failure}`, '']),
    ...[...new Set(reasons)].map((reason) => `not run: ${reason}`),
    ...notRun,
    `${passed} passed, ${failures.length} failed, ${skipped} skipped`,
  ]
}
