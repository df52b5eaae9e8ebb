/**
 * `npm test`: types, lint, the fast tests, then every suite that starts real components.
 * The last line is `N passed, N failed, N skipped`; the exit code is 0 only without a failure.
 * Names of suites as arguments restrict the run: `npm test -- fast crash`.
 */

import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { FETCHED_VERSIONS, findPostgres, VERSION_VARIABLE } from './postgres-versions.ts'
import {
  failureBlock,
  readVitestReport,
  type SuiteResult,
  summaryLines,
  type VitestReport,
} from './report.ts'
import { NOT_RUN_FILE_VARIABLE } from './require.ts'

const ROOT = path.resolve(import.meta.dirname, '../..')
const REAL_SUITES = ['integration', 'e2e', 'conformance', 'crash'] as const
/** The tests of the Postgres source once more, on the versions that npm does not carry. */
const VERSION_SUITES = FETCHED_VERSIONS.map((version) => `postgres-${version}` as const)
/** Belongs to them too. */
const TYPES_TEST = 'test/conformance/postgres-types.test.ts'
const SUITE_NAMES = ['types', 'lint', 'fast', ...REAL_SUITES, ...VERSION_SUITES] as const
/** Longest a suite may take before its process is ended: a hang must become a readable failure. */
const SUITE_MS_MAX = 15 * 60_000
/** Output kept for a failure that leaves no report. */
const OUTPUT_CHARACTERS_KEPT = 20_000

type SuiteName = (typeof SUITE_NAMES)[number]

interface Ended {
  readonly exitCode: number
  readonly output: string
}

async function main(names: readonly string[]): Promise<number> {
  const unknown = names.filter((name) => !SUITE_NAMES.some((known) => known === name))
  if (unknown.length > 0) {
    console.error(`unknown suite ${unknown.join(', ')}; there are ${SUITE_NAMES.join(', ')}`)
    return 2
  }
  const isAllRequired = process.env.SLUICE_REQUIRE === 'all'
  const scratch = mkdtempSync(path.join(tmpdir(), 'sluice-test-'))
  try {
    const results: SuiteResult[] = []
    for (const suite of SUITE_NAMES) {
      if (names.length > 0 && !names.includes(suite)) continue
      const startedAt = performance.now()
      console.log(`── ${suite}`)
      const result = await runSuite(suite, scratch, isAllRequired)
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1)
      const counts = `${result.passed} passed, ${result.failures.length} failed`
      console.log(`── ${suite}: ${counts}, ${result.skipped} skipped in ${seconds} s\n`)
      results.push(result)
    }
    for (const line of summaryLines(results, readReasons(scratch))) console.log(line)
    return results.every((result) => result.failures.length === 0) ? 0 : 1
  } finally {
    rmSync(scratch, { recursive: true, force: true })
  }
}

function runSuite(suite: SuiteName, scratch: string, isAllRequired: boolean): Promise<SuiteResult> {
  switch (suite) {
    case 'types':
      return runTool(suite, 'typescript/bin/tsc', ['--noEmit'])
    case 'lint':
      return runTool(suite, '@biomejs/biome/bin/biome', ['check', '--error-on-warnings', '.'])
    case 'fast':
      return runVitest(suite, ['--project', 'fast'], scratch, isAllRequired)
    case 'integration':
    case 'e2e':
    case 'conformance':
    case 'crash':
      return runRealSuite(suite, scratch, isAllRequired)
    default:
      return runVersionSuite(suite, scratch, isAllRequired)
  }
}

/** Not run, with the reason, where the version has not been fetched and nobody requires it. */
function runVersionSuite(
  suite: (typeof VERSION_SUITES)[number],
  scratch: string,
  isAllRequired: boolean,
): Promise<SuiteResult> {
  const version = suite.slice('postgres-'.length)
  if (!isAllRequired && findPostgres(Number(version)) === null) {
    const notRun = [`${suite} because it is not there (deploy/dev/fetch-postgres.sh)`]
    return Promise.resolve({ suite, passed: 0, skipped: 1, failures: [], notRun })
  }
  const args = ['--project', 'real', 'test/integration/connectors/postgres/', TYPES_TEST]
  return runVitest(suite, args, scratch, isAllRequired, { [VERSION_VARIABLE]: version })
}

/** A tool that passes or fails as one. */
async function runTool(
  suite: SuiteName,
  script: string,
  args: readonly string[],
): Promise<SuiteResult> {
  const ended = await run([path.join(ROOT, 'node_modules', script), ...args], {})
  const isOk = ended.exitCode === 0
  const failures = isOk ? [] : [failureBlock(suite, `exit code ${ended.exitCode}`, ended.output)]
  return { suite, passed: isOk ? 1 : 0, skipped: 0, failures, notRun: [] }
}

async function runRealSuite(
  suite: (typeof REAL_SUITES)[number],
  scratch: string,
  isAllRequired: boolean,
): Promise<SuiteResult> {
  const folder = path.join(ROOT, 'test', suite)
  const hasTests =
    existsSync(folder) &&
    readdirSync(folder, { recursive: true }).some((file) => String(file).endsWith('.test.ts'))
  if (hasTests) {
    return runVitest(suite, ['--project', 'real', `test/${suite}/`], scratch, isAllRequired)
  }
  const reason = 'there is no test in it'
  const failures = isAllRequired ? [failureBlock(`test/${suite}`, 'not run', reason)] : []
  const notRun = isAllRequired ? [] : [`test/${suite} because ${reason}`]
  return { suite, passed: 0, skipped: notRun.length, failures, notRun }
}

async function runVitest(
  suite: SuiteName,
  args: readonly string[],
  scratch: string,
  isAllRequired: boolean,
  env: Readonly<Record<string, string>> = {},
): Promise<SuiteResult> {
  const reportFile = path.join(scratch, `${suite}.json`)
  const ended = await run(
    [
      path.join(ROOT, 'node_modules/vitest/vitest.mjs'),
      'run',
      ...args,
      '--reporter=default',
      '--reporter=json',
      `--outputFile.json=${reportFile}`,
    ],
    { [NOT_RUN_FILE_VARIABLE]: path.join(scratch, 'not-run.txt'), ...env },
  )
  if (!existsSync(reportFile)) {
    const failures = [failureBlock(suite, `no report, exit code ${ended.exitCode}`, ended.output)]
    return { suite, passed: 0, skipped: 0, failures, notRun: [] }
  }
  const report = JSON.parse(readFileSync(reportFile, 'utf8')) as VitestReport
  const relative = {
    testResults: report.testResults.map((file) => ({
      ...file,
      name: path.relative(ROOT, file.name),
    })),
  }
  const result = readVitestReport(suite, relative, isAllRequired)
  if (ended.exitCode === 0 || result.failures.length > 0) return result
  const failure = failureBlock(suite, `exit code ${ended.exitCode} outside a test`, ended.output)
  return { ...result, failures: [failure] }
}

/** Runs a script on this Node, shows its output as it comes and keeps the end of it. */
function run(command: readonly string[], env: Readonly<Record<string, string>>): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = spawn(process.execPath, command, {
      cwd: ROOT,
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: SUITE_MS_MAX,
      killSignal: 'SIGKILL',
    })
    let output = ''
    const take = (chunk: Buffer): void => {
      process.stdout.write(chunk)
      output = (output + chunk.toString('utf8')).slice(-OUTPUT_CHARACTERS_KEPT)
    }
    child.stdout.on('data', take)
    child.stderr.on('data', take)
    child.once('error', reject)
    child.once('close', (code, signal) => {
      if (signal !== null) output += `\nended by ${signal} after ${SUITE_MS_MAX / 60_000} minutes`
      resolve({ exitCode: code ?? 1, output })
    })
  })
}

function readReasons(scratch: string): readonly string[] {
  const file = path.join(scratch, 'not-run.txt')
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8').trim().split('\n')
}

process.exitCode = await main(process.argv.slice(2))
