#!/usr/bin/env node
/**
 * The `sluice` command: starts the entry point on a Node that can run it, with memory settings that
 * only the start of a process can make. Plain JavaScript for any Node.
 * The build in dist/ runs from Node 22.12; the sources need 22.18, which strips types by itself.
 */
'use strict'

const fs = require('node:fs')
const path = require('node:path')

const root = path.resolve(__dirname, '..', '..')
const source = path.join(root, 'src', 'main.ts')
const built = path.join(root, 'dist', 'src', 'main.js')
const entry = fs.existsSync(source) ? source : built
const needed = entry === source ? [22, 18] : [22, 12]

/**
 * What was freed goes back to the system. Without these the C library keeps buffers below 32 MiB
 * and a heap for each thread, DuckDB its pages for ten seconds and more, V8 up to 100 MiB of space
 * for new objects, where a data path without an object per record needs little.
 */
const ALLOCATORS = {
  MALLOC_ARENA_MAX: '2',
  MALLOC_MMAP_THRESHOLD_: '131072',
  MALLOC_TRIM_THRESHOLD_: '1048576',
  DUCKDB_JE_MALLOC_CONF: 'dirty_decay_ms:0,muzzy_decay_ms:0',
}
const V8_FLAGS = ['--max-semi-space-size=4']
/** Verbs that work for long; for the others another start of Node would cost more than it saves. */
const LONG_VERBS = ['run', 'dev', 'quickstart']

if (isAtLeast(process.versions.node, needed)) {
  settleMemory()
  require('node:module').enableCompileCache?.()
  process.argv[1] = entry
  import(require('node:url').pathToFileURL(entry).href).catch((error) => {
    console.error(error)
    process.exitCode = 1
  })
} else {
  const node = findNode()
  if (node === null) {
    console.error(
      `error: sluice needs Node ${needed.join('.')} or newer; this is ${process.versions.node}.\n` +
        '  remedy:  run `npm ci` in its folder, which brings a Node along, or install Node 24.',
    )
    process.exitCode = 1
  } else {
    runOn(node)
  }
}

/**
 * Puts this process in its own place with settings it lacks; what the environment sets stays. Goes
 * on without them where a process cannot be replaced.
 */
function settleMemory() {
  const isLong = process.argv.some((argument) => LONG_VERBS.includes(argument))
  const lacking = Object.keys(ALLOCATORS).filter((name) => process.env[name] === undefined)
  if (!isLong || lacking.length === 0) return
  if (process.platform !== 'linux' || process.execve === undefined) return
  const flags = [...V8_FLAGS, ...process.execArgv]
  const args = [process.execPath, ...flags, __filename, ...process.argv.slice(2)]
  process.execve(process.execPath, args, { ...ALLOCATORS, ...process.env })
}

/** The Node of the dev dependency `node`, beside the package or above it; null when there is none. */
function findNode() {
  const name = process.platform === 'win32' ? 'node.exe' : 'node'
  for (let folder = root; ; folder = path.dirname(folder)) {
    const candidate = path.join(folder, 'node_modules', 'node', 'bin', name)
    if (fs.existsSync(candidate)) return candidate
    if (path.dirname(folder) === folder) return null
  }
}

function runOn(node) {
  const { spawn } = require('node:child_process')
  const child = spawn(node, [__filename, ...process.argv.slice(2)], { stdio: 'inherit' })
  // The child decides how to end. A terminal sends Ctrl-C to both, so it may get it twice: main.ts knows.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2']) {
    process.on(signal, () => child.kill(signal))
  }
  child.on('error', (error) => {
    console.error(`error: cannot start ${node}: ${error.message}`)
    process.exitCode = 1
  })
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code ?? 1)
    process.removeAllListeners(signal)
    process.kill(process.pid, signal)
  })
}

function isAtLeast(version, [major, minor]) {
  const [haveMajor, haveMinor] = version.split('.').map(Number)
  return haveMajor > major || (haveMajor === major && haveMinor >= minor)
}
