/** The error codes of the Kafka source. */

import { defineCodes } from './error-kind.ts'

/** Part of `ERROR_CODES`. */
export const KAFKA_ERROR_CODES = defineCodes({
  'SLU-SRC-1511': {
    kind: 'corrupt',
    meaning: 'The checksum of a Kafka record batch does not match its bytes.',
    remedy:
      'Look for a damaged disk of the broker, or a proxy that changes bytes. ' +
      'Nothing is lost on our side: the next start reads on from where the table is.',
  },
  'SLU-SRC-1512': {
    kind: 'corrupt',
    meaning: 'A Kafka record batch is not well formed: a length, a count or an offset is wrong.',
    remedy:
      'Read the topic from that offset with another client to see who is wrong, and report it. ' +
      'Nothing is lost: the next start reads on from where the table is.',
  },
  'SLU-SRC-1513': {
    kind: 'unsupported',
    meaning: 'A Kafka topic holds records in a format older than 0.11, or one newer than ours.',
    remedy:
      'Copy the topic into a new one with a current client; brokers from 4.0 on hold no old ' +
      'formats. Nothing is lost: Sluice stopped before the record.',
  },
  'SLU-SRC-1514': {
    kind: 'unsupported',
    meaning: 'A Kafka record batch is compressed with a codec that this version does not know.',
    remedy:
      'Produce with gzip, snappy, lz4 or zstd. Nothing is lost: Sluice stopped before the batch.',
  },
  'SLU-SRC-1515': {
    kind: 'bad-data',
    meaning: 'A compressed Kafka record batch is larger unpacked than the limit.',
    remedy:
      'Produce smaller batches (batch.size) or look for the producer that sends them. Nothing is ' +
      'lost: Sluice stopped before the batch.',
  },
  'SLU-SRC-1516': {
    kind: 'corrupt',
    meaning: 'A compressed Kafka record batch cannot be unpacked.',
    remedy:
      'Read the topic from that offset with another client to see who is wrong, and report it. ' +
      'Nothing is lost: the next start reads on from where the table is.',
  },
})
