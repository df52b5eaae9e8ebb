/**
 * Topics of a Kafka cluster as a source: a partition is a split.
 * Comes in: settings and the cursors of tables. Goes out: blocks of JSON lines with their offsets.
 * Must never: make an object per record, deliver a record of an aborted transaction to a reader of
 * committed ones, pass over a gap, or take a position from anywhere but the tables.
 */

export { createKafkaSource } from './create-source.ts'
export { type KafkaSettings, kafkaSettingsSchema, kafkaSpec } from './spec.ts'
