/** Every command as data: the parser, the help and the reference page are made from this list. */

import { LISTEN, listenAddress, ON_SLOT_LOST, SETUP_VERBS, slotPolicy } from './setup-verbs.ts'
import type { OptionSpec, VerbSpec } from './verb-spec.ts'

const DAY = 'Days, hours, minutes, seconds: 10s, 5m.'

/** Commands in the order of the help. */
export const VERBS: readonly VerbSpec[] = [
  ...SETUP_VERBS,
  {
    usage: 'run [pipeline]',
    group: 'Run',
    summary: 'run one pipeline or all: first copy, then changes, until Ctrl-C',
    details:
      'Ctrl-C or SIGTERM commits the open batch and exits 0; a second exits at once (130, 143).\n' +
      'Either way nothing is lost or doubled: the next start goes on from the last commit.',
    options: [
      { flags: '--once', meaning: 'catch up with where the source stands now, then exit' },
      ON_SLOT_LOST,
      LISTEN,
    ],
    examples: [
      ['sluice run', 'run everything'],
      ['sluice run --listen 127.0.0.1:9464', 'with /livez, /readyz and /metrics for Prometheus'],
      ['sluice run shop --once', 'from cron: catch up and exit'],
    ],
    run: async (context, { args, options }) => {
      const [{ runVerb }, { readDeathWish }] = await Promise.all([
        import('./verbs/run.ts'),
        import('./death-wish.ts'),
      ])
      const once = options.once === true
      const death = readDeathWish(context)
      const given = { ...slotPolicy(options), ...listenAddress(options) }
      return runVerb(context, args[0], { once, showsLive: false, death, ...given })
    },
  },
  {
    usage: 'resync <tables...>',
    group: 'Run',
    summary: 'copy tables again in place, without a gap, when they can no longer be trusted',
    details:
      'The next run of the pipeline makes the copy, then goes on with the changes; one that\n' +
      'runs starts over by itself with its next commit of the table. Readers see the old rows\n' +
      'until the copy is complete, and later by version: t AT (VERSION => n), as printed.',
    options: [{ flags: '--dry-run', meaning: 'only say what would be done' }],
    examples: [
      ['sluice resync orders --dry-run', 'what would it do?'],
      ['sluice resync orders customers', 'then: sluice run'],
    ],
    run: async (context, { args, options }) =>
      (await import('./verbs/resync.ts')).resyncVerb(context, args.flat() as string[], {
        isDryRun: options.dryRun === true,
      }),
  },
  {
    usage: 'status [pipeline]',
    group: 'Run',
    summary:
      'what each pipeline does: lag, rate, last commit, progress of the copy, rejected records',
    options: [],
    examples: [
      ['sluice status', 'all pipelines and their tables'],
      ['sluice status shop --json | jq .pipelines[0].lagMs', 'for a probe'],
    ],
    run: async (context, { args }) =>
      (await import('./verbs/status.ts')).statusVerb(context, args[0]),
  },
  {
    usage: 'tables',
    group: 'Tables',
    summary: 'every table: rows, files, size, version, last commit',
    options: [],
    examples: [['sluice tables', '']],
    run: async (context) => (await import('./verbs/tables.ts')).tablesVerb(context),
  },
  {
    usage: 'show <table>',
    group: 'Tables',
    summary: 'columns, key, partitions, cursor of a table',
    options: [],
    examples: [['sluice show orders', '']],
    run: async (context, { args }) =>
      (await import('./verbs/show.ts')).showVerb(context, args[0] ?? ''),
  },
  {
    usage: 'timeline <table>',
    group: 'Tables',
    summary: 'commits of a table, newest first',
    options: [
      { flags: '--limit <n>', meaning: 'how many commits', parse: 'count', byDefault: 20 },
      { flags: '--compact', meaning: 'runs of commits of one kind as one line' },
      { flags: '--full', meaning: 'every detail of each commit' },
    ],
    examples: [
      ['sluice timeline orders', 'one line a commit: rows + inserted ~ updated - deleted'],
      ['sluice timeline orders --compact --limit 1000', 'the long view'],
    ],
    run: async (context, { args, options }) =>
      (await import('./verbs/timeline.ts')).timelineVerb(context, args[0] ?? '', {
        ...options,
        limit: options.limit as number,
      }),
  },
  {
    usage: 'commit <table> <version>',
    group: 'Tables',
    summary: 'everything about one commit: accounting, cursors, step timings',
    options: [],
    examples: [['sluice commit orders 42', '']],
    run: async (context, { args }) =>
      (await import('./verbs/commit.ts')).commitVerb(context, args[0] ?? '', args[1] ?? ''),
  },
  {
    usage: 'history <table>',
    group: 'Tables',
    summary: 'every version that changed the columns, with the position in the source',
    options: [
      { flags: '--limit <n>', meaning: 'how many versions', parse: 'count', byDefault: 50 },
    ],
    examples: [['sluice history orders', 'when did this column appear, and from where?']],
    run: async (context, { args, options }) =>
      (await import('./verbs/history.ts')).historyVerb(context, args[0] ?? '', {
        limit: options.limit as number,
      }),
  },
  {
    usage: 'source <action> [source]',
    group: 'Config',
    summary: 'peek: the columns a source would have, with examples, and its first records',
    details:
      'Reads the first 1000 records at most, changes nothing and needs no table. Records that\n' +
      'cannot be decoded are listed with the reason. SOURCE may be left out when there is one.',
    actions: [['peek', 'columns and first records']],
    options: [
      { flags: '--stream <name>', meaning: 'which stream; else the one that pipelines read' },
      { flags: '--limit <n>', meaning: 'records to print', parse: 'count', byDefault: 10 },
    ],
    examples: [
      ['sluice source peek orders', 'what would become of the files?'],
      ['sluice source peek customers --json', ''],
    ],
    run: async (context, { args, options }) =>
      (await import('./verbs/source.ts')).sourceVerb(context, args[0] ?? '', args[1], {
        ...options,
        limit: options.limit as number,
      }),
  },
  {
    usage: 'dlq <action> [table]',
    group: 'Tables',
    summary: 'rejected records: ls counts them, show prints the newest, purge deletes some',
    details:
      'ls counts per table and code. purge deletes records of one table in one commit, also\n' +
      'while its pipeline runs; without --yes it only says which. Earlier versions keep them.',
    actions: [
      ['ls', 'how many, and why'],
      ['show', 'the newest ones'],
      ['purge', 'delete some'],
    ],
    options: [
      { flags: '--code <code>', meaning: 'only records of this code: mistyped, invalid-json, …' },
      { flags: '--since <time>', meaning: 'only records rejected since: 2026-01-31T12:00:00Z' },
      { flags: '--pipeline <name>', meaning: 'ls: only tables of this pipeline' },
      { flags: '--limit <n>', meaning: 'show: how many records', parse: 'count', byDefault: 50 },
      { flags: '--before <time>', meaning: 'purge: only records rejected before' },
      { flags: '--dry-run', meaning: 'purge: only say what would be deleted; so without --yes' },
      { flags: '--yes', meaning: 'purge: delete them; needs --confirm' },
      { flags: '--confirm <table>', meaning: 'purge: the name of the table once more' },
    ],
    examples: [
      ['sluice dlq ls', 'what was rejected, and why?'],
      ['sluice dlq show orders --code mistyped', 'the records themselves'],
      ['sluice dlq purge orders --before 2026-01-31', 'what would be deleted?'],
      ['sluice dlq purge orders --code mistyped --yes --confirm orders', 'delete it'],
    ],
    run: async (context, { args, options }) =>
      (await import('./verbs/dlq.ts')).dlqVerb(context, args[0] ?? '', args[1], {
        ...options,
        limit: options.limit as number,
        isDryRun: options.dryRun === true || options.yes !== true,
      }),
  },
  {
    usage: 'files <table>',
    group: 'Tables',
    summary: 'data files of a table: size, rows, deleted rows, partition',
    options: [
      { flags: '--limit <n>', meaning: 'how many files', parse: 'count', byDefault: 100 },
      { flags: '--version <n>', meaning: 'files of this version; the newest unless told' },
    ],
    examples: [
      ['sluice files orders', ''],
      ['sluice files orders --version 3 --json | jq -r .files[].path', 'as it was'],
    ],
    run: async (context, { args, options }) =>
      (await import('./verbs/files.ts')).filesVerb(context, args[0] ?? '', {
        ...options,
        limit: options.limit as number,
      }),
  },
  {
    usage: 'stats <table>',
    group: 'Tables',
    summary: 'how a table lies: file sizes, deleted rows, partitions, write amplification',
    options: [
      {
        flags: '--commits <n>',
        meaning: 'commits that the write amplification is taken from',
        parse: 'count',
        byDefault: 1000,
      },
      { flags: '--limit <n>', meaning: 'partitions to list', parse: 'count', byDefault: 20 },
    ],
    examples: [['sluice stats orders', 'is it time to compact?']],
    run: async (context, { args, options }) =>
      (await import('./verbs/stats.ts')).statsVerb(context, args[0] ?? '', {
        commits: options.commits as number,
        limit: options.limit as number,
      }),
  },
  {
    usage: 'verify <table>',
    group: 'Tables',
    summary: 'compare a table with its source at one position, row for row',
    details: 'Exit code 10 when they differ; the differing keys are printed.',
    options: [
      {
        flags: '--against <what>',
        meaning: 'what to compare with',
        parse: ['source'],
        byDefault: 'source',
      },
      { flags: '--limit <n>', meaning: 'differing keys to print', parse: 'count', byDefault: 20 },
      {
        flags: '--timeout <time>',
        meaning: `how long to wait for the table. ${DAY}`,
        parse: 'duration',
        byDefault: '60s',
      },
    ],
    examples: [['sluice verify orders --against source', 'is the table what the database holds?']],
    run: async (context, { args, options }) =>
      (await import('./verbs/verify.ts')).verifyVerb(context, args[0] ?? '', {
        sampleMax: options.limit as number,
        timeoutMs: options.timeout as number,
      }),
  },
  {
    usage: 'sql [statement]',
    group: 'Read',
    summary: 'query the tables with SQL',
    details:
      "Tables by name, or delta('path'); t AT (VERSION => 3); t AT (TIMESTAMP => '2026-01-31');\n" +
      "changes('t', 3, 7) with _change_type. 64-bit integers and decimals stay exact.",
    options: [
      {
        flags: '--format <format>',
        meaning: 'table, json or csv',
        parse: ['table', 'json', 'csv'],
      },
      {
        flags: '--max-rows <n>',
        meaning: 'rows to print (a table prints 1000 unless told)',
        parse: 'count',
      },
      { flags: '-f, --file <path>', meaning: 'read the statement from a file; - is stdin' },
      { flags: '--timeout <time>', meaning: `give up after this time. ${DAY}`, parse: 'duration' },
    ],
    examples: [
      ['sluice sql "select count(*) from orders"', ''],
      ['sluice sql "select * from orders AT (VERSION => 3) limit 5"', 'as it was'],
      ['sluice sql --format csv "from orders" > orders.csv', ''],
      [`sluice sql "select * from delta('lake/orders')"`, 'any Delta table by path'],
    ],
    run: async (context, { args, options }) =>
      (await import('./verbs/sql.ts')).sqlVerb(context, args[0], {
        ...options,
        ...(options.timeout !== undefined && { timeoutMs: options.timeout as number }),
      }),
  },
  {
    usage: 'changes <table>',
    group: 'Read',
    summary: 'inserts, updates (before and after) and deletes between two versions',
    details:
      'The versions after FROM up to TO. The next FROM is printed on stderr: going on from it\n' +
      'neither misses nor repeats a change.',
    options: [
      { flags: '--from <version>', meaning: 'after this version, or: beginning', isRequired: true },
      { flags: '--to <version>', meaning: 'up to this version; the newest unless told' },
      { flags: '--follow', meaning: 'wait for new versions, until Ctrl-C' },
      { flags: '--ndjson', meaning: 'one JSON object a line' },
      { flags: '--limit <n>', meaning: 'changes to print', parse: 'count' },
    ],
    examples: [
      ['sluice changes orders --from 3 --limit 5', ''],
      ['sluice changes orders --from beginning --follow --ndjson', 'feed another program'],
    ],
    run: async (context, { args, options }) =>
      (await import('./verbs/changes.ts')).changesVerb(context, args[0] ?? '', {
        ...options,
        from: options.from as string,
      }),
  },
  {
    usage: 'diff <table> <from> <to>',
    group: 'Read',
    summary: 'rows inserted, updated and deleted between two versions, net',
    details:
      'FROM and TO are versions or times, in either order. A row that was changed and changed\n' +
      'back is no difference. Of updates only the columns that differ are shown.',
    options: [
      { flags: '--limit <n>', meaning: 'rows to print', parse: 'count', byDefault: 100 },
      { flags: '--summary', meaning: 'only counts' },
      { flags: '--schema', meaning: 'only what is different in the columns' },
      { flags: '--exit-code', meaning: 'exit code 10 when something differs' },
    ],
    examples: [
      ['sluice diff orders 3 7', 'what became of version 3?'],
      ['sluice diff orders 2026-01-30 2026-01-31 --summary', 'a day'],
      ['sluice diff orders 3 7 --schema --exit-code', 'have the columns changed?'],
    ],
    run: async (context, { args, options }) =>
      (await import('./verbs/diff.ts')).diffVerb(
        context,
        args[0] ?? '',
        [args[1] ?? '', args[2] ?? ''],
        { ...options, limit: options.limit as number },
      ),
  },
  {
    usage: 'why <table> <key>',
    group: 'Read',
    summary: 'every commit that made a row what it is: version, source position, columns',
    details:
      'Newest first, then the row as it is. KEY is the value of a key of one column, or\n' +
      'a=1,b=2, or JSON: {"a":1,"b":"x"}. History that was cleaned away is said so.',
    options: [
      { flags: '--limit <n>', meaning: 'events to print', parse: 'count', byDefault: 20 },
      { flags: '--since <when>', meaning: 'nothing older than this version or time' },
    ],
    examples: [
      ['sluice why orders 42', 'which changes of the source made this row?'],
      ['sluice why stock shop=a,item=7 --since 2026-01-31', 'a key of two columns'],
    ],
    run: async (context, { args, options }) =>
      (await import('./verbs/why.ts')).whyVerb(context, args[0] ?? '', args[1] ?? '', {
        ...options,
        limit: options.limit as number,
      }),
  },
  {
    usage: 'explain <code>',
    group: 'Help',
    summary: 'what an error code means and what to do',
    options: [],
    examples: [['sluice explain SLU-SRC-1203', '']],
    run: async (context, { args }) =>
      (await import('./verbs/explain.ts')).explainVerb(context, args[0] ?? ''),
  },
  {
    usage: 'completion <shell>',
    group: 'Help',
    summary: 'print the script for bash, zsh or fish that completes commands and names',
    details: 'Completes tables and pipelines of the configuration in use, options and error codes.',
    options: [],
    examples: [
      ['eval "$(sluice completion bash)"', 'in ~/.bashrc; for zsh in ~/.zshrc, after compinit'],
      ['sluice completion fish > ~/.config/fish/completions/sluice.fish', ''],
    ],
    run: async (context, { args }) =>
      (await import('./verbs/completion.ts')).completionVerb(context, args[0] ?? ''),
  },
  {
    usage: 'version',
    group: 'Help',
    summary: 'which version this is',
    options: [],
    examples: [['sluice version --json', '']],
    run: async (context) => (await import('./verbs/version.ts')).versionVerb(context),
  },
]

/** Options that every command takes. */
export const GLOBAL_OPTIONS: readonly OptionSpec[] = [
  {
    flags: '-c, --config <path>',
    meaning: 'file or folder; else $SLUICE_CONFIG, ./sluice.yaml, the quickstart',
  },
  { flags: '--json', meaning: 'one JSON document on stdout, errors as JSON on stderr' },
  { flags: '-q, --quiet', meaning: 'no notes on stderr, only errors' },
  { flags: '-v, --verbose', meaning: 'debug log lines, and where errors come from' },
  { flags: '--no-color', meaning: 'no colour (also with NO_COLOR, and off a terminal)' },
  { flags: '--no-input', meaning: 'ask nothing; off a terminal nothing is asked anyway' },
]
