/** The commands of the groups Start and Configuration: before a pipeline runs. */

import type { OptionSpec, Parsed, VerbSpec } from './verb-spec.ts'

/** Overrides the setting of every Postgres source for one run. */
export const ON_SLOT_LOST: OptionSpec = {
  flags: '--on-slot-lost <what>',
  meaning: 'a lost Postgres slot: stop, or resync every table in place (overrides the setting)',
  parse: ['stop', 'resync'],
}

/** The option of `ON_SLOT_LOST`, when given. */
export const slotPolicy = ({ onSlotLost }: Parsed['options']): { readonly onSlotLost?: string } =>
  typeof onSlotLost === 'string' ? { onSlotLost } : {}

/** Overrides the setting of the configuration for one run. */
export const LISTEN: OptionSpec = {
  flags: '--listen <address>',
  meaning: 'answer /livez, /readyz and /metrics there: host:port (overrides server.listen)',
}

/** The option of `LISTEN`, when given. */
export const listenAddress = ({ listen }: Parsed['options']): { readonly listen?: string } =>
  typeof listen === 'string' ? { listen } : {}

/** In the order of the help. */
export const SETUP_VERBS: readonly VerbSpec[] = [
  {
    usage: 'quickstart',
    group: 'Start',
    summary: 'a demo in one command: a private Postgres with a small shop, ingested live',
    details:
      'Everything lives in .sluice/quickstart; other commands find it by themselves.\n' +
      'Ctrl-C ends it clean; after a kill -9 the same command goes on where it was.',
    options: [],
    examples: [
      ['sluice quickstart', 'start the demo'],
      ['sluice sql "select count(*) from orders"', 'ask it, from another terminal'],
    ],
    run: async (context) => (await import('./verbs/quickstart.ts')).quickstartVerb(context),
  },
  {
    usage: 'dev',
    group: 'Start',
    summary: 'run all pipelines with a live view and what to try next',
    options: [ON_SLOT_LOST, LISTEN],
    examples: [['sluice dev -c sluice.yaml', 'run what the file declares']],
    run: async (context, { options }) => {
      const { runVerb } = await import('./verbs/run.ts')
      const given = { ...slotPolicy(options), ...listenAddress(options) }
      return runVerb(context, undefined, { showsLive: true, death: null, ...given })
    },
  },
  {
    usage: 'init [template]',
    group: 'Start',
    summary: 'write a commented sluice.yaml to start from: postgres or files',
    details:
      'Looks at the source when it can be reached and lists its tables with their keys; a\n' +
      'table without a key is appended to. Writes sluice.schema.json beside it, for editors. A\n' +
      'file that is there stays as it is. The password of the url goes into no file: the\n' +
      'configuration takes it from PGPASSWORD.',
    options: [
      { flags: '--url <url>', meaning: 'of a database: postgres://user@host:5432/database' },
      { flags: '--path <folder>', meaning: 'folder of files' },
      { flags: '--tables <names>', meaning: 'tables, joined by commas; all of them unless told' },
      { flags: '--key <columns>', meaning: 'key of the records of files, joined by commas' },
      { flags: '--offline', meaning: 'do not look at the source' },
      { flags: '--force', meaning: 'replace a configuration that is there' },
    ],
    examples: [
      ['sluice init postgres --url postgres://sluice@db.example/shop', 'all tables of a database'],
      ['sluice init files --path landing/orders --key id', 'a folder of JSON lines, one row an id'],
      ['sluice init postgres --offline -c conf/sluice.yaml', 'an example to fill in'],
    ],
    run: async (context, { args, options }) =>
      (await import('./verbs/init.ts')).initVerb(context, args[0], options),
  },
  {
    usage: 'validate [path]',
    group: 'Configuration',
    summary: 'check the configuration offline: syntax, settings, names',
    details:
      'Lists every problem with file:line:column, the rule and the fix. Exit code 78 on a problem.',
    options: [
      { flags: '--allow-missing-env', meaning: 'variables that are not set are warnings' },
      { flags: '--deny-warnings', meaning: 'warnings count as problems' },
    ],
    examples: [
      ['sluice validate', 'check the configuration that other commands would use'],
      ['sluice validate conf.d --allow-missing-env', 'check a folder in CI, without its secrets'],
    ],
    run: async (context, { args, options }) =>
      (await import('./verbs/validate.ts')).validateVerb(context, args[0], options),
  },
  {
    usage: 'schema',
    group: 'Configuration',
    summary: 'print the JSON Schema of the configuration, for editors',
    details: 'Name it in the first line: # yaml-language-server: $schema=sluice.schema.json',
    options: [],
    examples: [['sluice schema > sluice.schema.json', '']],
    run: async (context) => (await import('./verbs/schema.ts')).schemaVerb(context),
  },
  {
    usage: 'check [pipeline]',
    group: 'Configuration',
    summary: 'really reach the store and the sources: rights, settings, conditional writes',
    options: [],
    examples: [['sluice check', 'before the first start, and when something is odd']],
    run: async (context, { args }) =>
      (await import('./verbs/check.ts')).checkVerb(context, args[0]),
  },
  {
    usage: 'doctor [pipeline]',
    group: 'Configuration',
    summary: 'everything that check looks at, and the machine and the tables: what to do about it',
    details:
      'One line each: ok, warn or fail, what was seen, and below what to run. Writes small\n' +
      'probes into the store and deletes them; nothing else is changed.\n' +
      'Machine: memory, disks, open files. Tables: readable, other writers, small files.\n' +
      'Exit code 10 when something fails; warnings pass.',
    options: [],
    examples: [
      ['sluice doctor', 'when something is odd, and before asking others'],
      [`sluice doctor shop --json | jq '.checks[].status'`, 'one pipeline, for a program'],
    ],
    run: async (context, { args }) =>
      (await import('./verbs/doctor.ts')).doctorVerb(context, args[0]),
  },
]
