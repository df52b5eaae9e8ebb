/** Files and environment → checked settings. The only file that reads the environment. */

import { isUtf8 } from 'node:buffer'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { availableParallelism, totalmem } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { SluiceError } from '../model/index.ts'
import { mergeTrees } from './merge-files.ts'
import { type ConfigProblem, errorFromProblems, type Place, sortProblems } from './problems.ts'
import { type Config, resolveConfig, resolveSources } from './settings.ts'
import { CONFIG_SCHEMA, type SourceSpec } from './spec.ts'
import type { Variables } from './substitute.ts'
import { brokenTree, type ConfigTree, parseTree } from './tree.ts'
import { validateAt } from './validate.ts'

/** How a check of a configuration ended. */
export type ConfigResult =
  | { readonly kind: 'valid'; readonly config: Config }
  /** Without error, but variables that are needed are missing (`allowMissingVariables`). */
  | { readonly kind: 'incomplete'; readonly warnings: readonly ConfigProblem[] }
  | { readonly kind: 'invalid'; readonly problems: readonly ConfigProblem[] }

/** How to read a configuration. */
export interface LoadOptions {
  /** Values of variables; default: the environment of the process and its files. */
  readonly variables?: Variables
  /** A variable that is not set is a warning only; for checks in a pipeline of CI. */
  readonly allowMissingVariables?: boolean
}

/** Bytes of one configuration file: far above any real one. */
const FILE_BYTES_MAX = 4 * 1024 * 1024

/** Loads the file or folder. Throws SLU-CFG-1001..1005 with all problems in the message. */
export function loadConfig(
  path: string,
  specs: readonly SourceSpec[],
  options: LoadOptions = {},
): Config {
  const result = checkConfig(path, specs, options)
  if (result.kind === 'valid') return result.config
  throw errorFromProblems(result.kind === 'invalid' ? result.problems : result.warnings)
}

/**
 * Checks the file or folder and lists every problem. Throws SLU-CFG-1001 when nothing can be read.
 */
export function checkConfig(
  path: string,
  specs: readonly SourceSpec[],
  options: LoadOptions = {},
): ConfigResult {
  const absolute = resolve(path)
  const variables = options.variables ?? processVariables()
  const { baseFolder, files } = listFiles(absolute, path)
  const trees = files.map((file) => readTree(shownPath(path, absolute, file), file, variables))
  const tree = trees.length === 1 && trees[0] ? trees[0] : mergeTrees(trees)
  return judge({ path: absolute, baseFolder, tree, specs, problems: [] }, options)
}

/** Checks a text as if it stood in the file `path`. */
export function checkConfigText(
  path: string,
  text: string,
  specs: readonly SourceSpec[],
  options: LoadOptions = {},
): ConfigResult {
  const absolute = resolve(path)
  const tree = parseTree(path, text, options.variables ?? processVariables())
  const baseFolder = dirname(absolute)
  return judge({ path: absolute, baseFolder, tree, specs, problems: [] }, options)
}

function judge(rules: Rules, options: LoadOptions): ConfigResult {
  const { tree, problems } = rules
  problems.push(...tree.problems)
  const config = tree.problems.some((problem) => problem.code === 'SLU-CFG-1001')
    ? null
    : applyRules(rules)
  const isWarning = (problem: ConfigProblem): boolean =>
    options.allowMissingVariables === true && problem.code === 'SLU-CFG-1003'
  const errors = sortProblems(problems.filter((problem) => !isWarning(problem)))
  if (errors.length > 0) return { kind: 'invalid', problems: errors }
  const warnings = sortProblems(problems.filter(isWarning))
  if (config === null || warnings.length > 0) return { kind: 'incomplete', warnings }
  return { kind: 'valid', config }
}

/**
 * The configuration to use: the given path, $SLUICE_CONFIG, ./sluice.yaml, the quickstart's. Null
 * when none is there.
 */
export function findConfig(given: string | null, folder: string): string | null {
  if (given !== null) return given
  const named = process.env.SLUICE_CONFIG
  if (named !== undefined && named !== '') return named
  const candidates = ['sluice.yaml', 'sluice.yml', join('.sluice', 'quickstart', 'sluice.yaml')]
  return candidates.map((name) => join(folder, name)).find((file) => isFile(file)) ?? null
}

/**
 * SLUICE_FAILPOINT, by which tests of crashes name the place where the process dies; null when not
 * set.
 */
export function readFailpoint(): string | null {
  return process.env.SLUICE_FAILPOINT || null
}

/** Variables of this process and files of this machine. */
export function processVariables(): Variables {
  return {
    env: (name) => process.env[name] ?? null,
    file: (path) => {
      try {
        return readFileSync(path, 'utf8').replace(/\r?\n$/, '')
      } catch {
        return null
      }
    },
  }
}

interface Rules {
  readonly path: string
  readonly baseFolder: string
  readonly tree: ConfigTree
  readonly specs: readonly SourceSpec[]
  readonly problems: ConfigProblem[]
}

function applyRules({ path, baseFolder, tree, specs, problems }: Rules): Config | null {
  const checked = validateAt(CONFIG_SCHEMA, tree, [], tree.value)
  if (checked.kind === 'invalid') {
    problems.push(...checked.problems)
    // Problems inside sources are told even when the rest has problems of its own.
    const { sources } = tree.value
    if (isRecord(sources)) resolveSources(sources, { specs, tree, problems })
    return null
  }
  const machine = { coreCount: availableParallelism(), memoryBytes: grantedMemory() }
  return resolveConfig(checked.value, { path, baseFolder, ...machine, specs, tree, problems })
}

/** Of the control group, else of the machine: no limit is an answer above any machine, or 0. */
function grantedMemory(): number {
  const limit = process.constrainedMemory() ?? 0
  return limit > 0 ? Math.min(limit, totalmem()) : totalmem()
}

function listFiles(
  absolute: string,
  given: string,
): { readonly baseFolder: string; readonly files: readonly string[] } {
  try {
    if (!statSync(absolute).isDirectory())
      return { baseFolder: dirname(absolute), files: [absolute] }
    const names = readdirSync(absolute).filter((name) => /^[^.].*\.ya?ml$/.test(name))
    const files = names.toSorted().map((name) => join(absolute, name))
    if (files.length > 0) return { baseFolder: absolute, files }
  } catch (error) {
    throw unreadable(given, error)
  }
  throw new SluiceError('SLU-CFG-1001', { message: `the folder ${given} holds no .yaml file` })
}

function readTree(shown: string, file: string, variables: Variables): ConfigTree {
  const bytes = readBytes(file)
  if (bytes.length > FILE_BYTES_MAX) {
    const rule = 'the file is larger than 4 MiB, so it is no configuration'
    return brokenFile({ file: shown, line: 1, column: 1 }, rule, 'check the path')
  }
  if (!isUtf8(bytes)) {
    const place = { file: shown, ...firstBadByte(bytes) }
    return brokenFile(place, 'the text is not UTF-8 from here on', 'save the file as UTF-8')
  }
  return parseTree(shown, new TextDecoder().decode(bytes), variables)
}

function brokenFile(place: Place, rule: string, fix: string): ConfigTree {
  return brokenTree({ code: 'SLU-CFG-1001', place, path: '', seen: null, rule, fix })
}

/** Line and column of the first byte that is no UTF-8. */
function firstBadByte(bytes: Buffer): { readonly line: number; readonly column: number } {
  let line = 1
  let start = 0
  for (;;) {
    const end = bytes.indexOf(0x0a, start)
    const text = bytes.subarray(start, end === -1 ? undefined : end)
    if (!isUtf8(text) || end === -1) {
      const shown = new TextDecoder().decode(text).indexOf('\ufffd')
      return { line, column: Math.max(0, shown) + 1 }
    }
    line += 1
    start = end + 1
  }
}

function readBytes(file: string): Buffer {
  try {
    return readFileSync(file)
  } catch (error) {
    throw unreadable(file, error)
  }
}

function unreadable(path: string, cause: unknown): SluiceError {
  const { code } = cause as NodeJS.ErrnoException
  const reason =
    code === 'ENOENT'
      ? 'there is no such file'
      : code === 'EACCES'
        ? 'no permission to read it'
        : cause instanceof Error
          ? cause.message
          : String(cause)
  return new SluiceError('SLU-CFG-1001', {
    message: `cannot read the configuration ${path}: ${reason}`,
    context: { path },
    cause,
  })
}

function shownPath(given: string, absolute: string, file: string): string {
  return file === absolute ? given : join(given, file.slice(absolute.length + 1))
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isFile(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isFile() ?? false
}
