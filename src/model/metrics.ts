/** Every metric there is: the code counts under these names only, and the page is made of them. */

/** One metric. */
export interface MetricSpec {
  readonly kind: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  /** One sentence, with the unit unless the name has it. */
  readonly help: string
}

const OF_TABLE = ['pipeline', 'table'] as const
const OF_PIPELINE = ['pipeline'] as const

const counter = <const Labels extends readonly string[]>(labels: Labels, help: string) =>
  ({ kind: 'counter', labels, help }) as const
const gauge = <const Labels extends readonly string[]>(labels: Labels, help: string) =>
  ({ kind: 'gauge', labels, help }) as const
const histogram = <const Labels extends readonly string[]>(labels: Labels, help: string) =>
  ({ kind: 'histogram', labels, help }) as const

/** Name → kind, labels, meaning; units are the last part of a name. */
export const METRICS = {
  sluice_records_read_total: counter(OF_TABLE, 'Records of committed batches.'),
  sluice_records_applied_total: counter(OF_TABLE, 'Records that changed a row.'),
  sluice_records_superseded_total: counter(
    OF_TABLE,
    'Records that a newer record of their key made void.',
  ),
  sluice_records_filtered_total: counter(OF_TABLE, 'Records that are no changes of rows.'),
  sluice_records_late_total: counter(OF_TABLE, 'Records that came too late.'),
  sluice_records_rejected_total: counter(
    [...OF_TABLE, 'code'],
    'Records that could not be decoded and were passed over; codes: docs/dead-letters.md.',
  ),
  sluice_rows_inserted_total: counter(OF_TABLE, 'Rows of keys that were new.'),
  sluice_rows_updated_total: counter(OF_TABLE, 'Rows that took the place of another.'),
  sluice_rows_deleted_total: counter(OF_TABLE, 'Rows that were deleted.'),
  sluice_read_bytes_total: counter(OF_PIPELINE, 'Bytes of records that came from the source.'),
  sluice_written_bytes_total: counter(OF_TABLE, 'Bytes of data files that were committed.'),
  sluice_commits_total: counter(
    [...OF_TABLE, 'operation'],
    'Commits; operation: ingest, copy, truncate, schema.',
  ),
  sluice_commit_step_seconds: histogram(
    [...OF_TABLE, 'step'],
    'Time of a step of a commit; steps of several commits overlap.',
  ),
  sluice_commit_conflicts_total: counter(
    [...OF_TABLE, 'cause'],
    'Commits that were refused; cause: fenced (another instance of the pipeline), writer.',
  ),
  sluice_pipeline_errors_total: counter(
    [...OF_PIPELINE, 'code'],
    'Errors that ended a run of a pipeline, whether it began again by itself or stopped.',
  ),
  sluice_metric_series_dropped_total: counter(
    ['name'],
    'Observations that found no room: a metric keeps 2000 series.',
  ),
  sluice_state: gauge([...OF_PIPELINE, 'state'], '1 for the state a pipeline is in, 0 for others.'),
  sluice_source_lag_seconds: gauge(
    OF_PIPELINE,
    'Age of the newest committed change while behind its source, else 0; missing when not known.',
  ),
  sluice_source_lag_positions: gauge(
    [...OF_PIPELINE, 'split'],
    'From what all tables hold to the end of a split, in positions (Postgres: bytes of WAL).',
  ),
  sluice_source_warnings: gauge(
    [...OF_PIPELINE, 'code'],
    'Warnings of a pipeline that stand, as `sluice status` lists them.',
  ),
  sluice_last_commit_timestamp_seconds: gauge(OF_PIPELINE, 'When a table was last committed.'),
  sluice_table_version: gauge(OF_TABLE, 'Newest version of a table.'),
  sluice_table_rows: gauge(OF_TABLE, 'Rows of a table; missing when not known.'),
  sluice_table_files: gauge(OF_TABLE, 'Data files of a table.'),
  sluice_table_bytes: gauge(OF_TABLE, 'Bytes of the data files of a table.'),
  sluice_index_keys: gauge(OF_TABLE, 'Keys in the key index of a table.'),
  sluice_copy_rows: gauge(OF_TABLE, 'Rows of the first copy so far; missing when it is over.'),
  sluice_copy_rows_expected: gauge(
    OF_TABLE,
    'Rows the first copy will have, as the source estimates them.',
  ),
  sluice_build_info: gauge(['version', 'node'], 'Always 1; what runs is in the labels.'),
  process_resident_memory_bytes: gauge([], 'Memory of the process, that of DuckDB included.'),
  process_cpu_seconds_total: counter([], 'CPU time of the process, user and system.'),
  process_start_time_seconds: gauge([], 'When the process started, in seconds since 1970.'),
} as const satisfies Readonly<Record<string, MetricSpec>>

/** Name of a metric. */
export type MetricName = keyof typeof METRICS

type NameOf<Kind extends MetricSpec['kind']> = {
  [Name in MetricName]: (typeof METRICS)[Name]['kind'] extends Kind ? Name : never
}[MetricName]

/** Labels of a metric, all of them. */
export type MetricLabels<Name extends MetricName> = Readonly<
  Record<(typeof METRICS)[Name]['labels'][number], string>
>

/** Name of a metric that only grows. */
export type CounterName = NameOf<'counter'>
/** Name of a metric that is what it is now. */
export type GaugeName = NameOf<'gauge'>
/** Name of a metric that tells how often values of each size came. */
export type HistogramName = NameOf<'histogram'>
