/** The error codes of the Kafka source. */

import { defineCodes } from './error-kind.ts'

/** Part of `ERROR_CODES`. */
export const KAFKA_ERROR_CODES = defineCodes({
  'SLU-SRC-1500': {
    kind: 'transient',
    meaning: 'No Kafka broker can be reached, or one closed the connection or did not answer.',
    remedy:
      'Sluice tries again with back-off and goes on where it was. If it stays, check brokers, ' +
      'ports and the advertised listeners. Nothing is lost.',
  },
  'SLU-SRC-1501': {
    kind: 'invalid-config',
    meaning: 'Kafka refused the user, the password or token, or the SASL mechanism.',
    remedy: 'Correct sasl of the source; the broker lists its mechanisms in its settings.',
  },
  'SLU-SRC-1502': {
    kind: 'invalid-config',
    meaning: 'The Kafka user may not read a topic, or not ask the cluster.',
    remedy:
      'Allow it: kafka-acls.sh --add --allow-principal User:NAME --operation Read --operation ' +
      'Describe --topic TOPIC. Nothing is lost.',
  },
  'SLU-SRC-1503': {
    kind: 'invalid-config',
    meaning: 'A Kafka topic or partition does not exist, or its name may not be seen.',
    remedy: 'Correct the name of the topic, create it, or allow the user to describe it.',
  },
  'SLU-SRC-1504': {
    kind: 'gap',
    meaning: 'A Kafka topic was deleted and created anew, so its offsets mean other records.',
    remedy:
      'The tables stay readable as they are. To read the new topic, use a new pipeline name. ' +
      'Nothing of it was read.',
  },
  'SLU-SRC-1505': {
    kind: 'gap',
    meaning: 'A Kafka topic has fewer partitions than were read before.',
    remedy:
      'Look whether the cluster was restored from an older state. The tables stay readable as ' +
      'they are; to read the topic anew, use a new pipeline name.',
  },
  'SLU-SRC-1506': {
    kind: 'gap',
    meaning: 'Kafka removed records by retention before they were read.',
    remedy:
      'Those records are lost to the table: raise retention.ms or retention.bytes of the topic, ' +
      'and fill the table again in a new pipeline. It stays readable as it is.',
  },
  'SLU-SRC-1507': {
    kind: 'gap',
    meaning: 'A Kafka partition ends before the position that was read already.',
    remedy:
      'The log was cut: look for an unclean leader election or a restored broker. The table ' +
      'holds records that Kafka no longer has; compare before you go on with a new pipeline.',
  },
  'SLU-SRC-1508': {
    kind: 'gap',
    meaning: 'A Kafka partition has other records at positions that were read already.',
    remedy:
      'The log was cut and written again: look for an unclean leader election. The table holds ' +
      'records that Kafka no longer has; compare before you go on with a new pipeline.',
  },
  'SLU-SRC-1509': {
    kind: 'transient',
    meaning: 'A Kafka broker answered with an error that passes by itself, or nobody leads now.',
    remedy:
      'Sluice asks for the leaders again, with back-off. If it stays, look at the brokers and ' +
      'the error named in the message. Nothing is lost.',
  },
  'SLU-SRC-1510': {
    kind: 'unsupported',
    meaning: 'The Kafka broker does not know the requests that Sluice sends.',
    remedy: 'Use brokers of Kafka 3.1 or newer, or of a system that speaks as they do.',
  },
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
  'SLU-SRC-1517': {
    kind: 'corrupt',
    meaning: 'An answer of a Kafka broker is not well formed.',
    remedy:
      'Look for a proxy between Sluice and the broker, or a system that only resembles Kafka. ' +
      'Nothing is lost.',
  },
  'SLU-SRC-1518': {
    kind: 'invalid-config',
    meaning: 'Sluice and the Kafka broker do not agree on TLS: one wants it, or a certificate.',
    remedy: 'Correct tls of the source, its ca, and the host names of the certificate.',
  },
  'SLU-SRC-1519': {
    kind: 'bad-data',
    meaning: 'A Kafka record has no value, and nothing says what that means.',
    remedy:
      'Set nullRecords of the source: delete, with messageKey, where it deletes the row of its ' +
      'key; ignore where it means nothing. Nothing is lost.',
  },
  'SLU-SRC-1520': {
    kind: 'bad-data',
    meaning: 'The value of a Kafka record is no JSON text.',
    remedy:
      'Set onError: dlq or skip for the table to pass over such records, or correct the ' +
      'producer. Nothing is lost.',
  },
  'SLU-SRC-1521': {
    kind: 'bad-data',
    meaning: 'The key of a Kafka record without a value names no row.',
    remedy:
      'Set messageKey of the source as the keys are written, or nullRecords: ignore. Nothing is ' +
      'lost.',
  },
  'SLU-SRC-1522': {
    kind: 'invalid-config',
    meaning: 'A Kafka topic has no record that names a column.',
    remedy: 'Declare `columns` of the source, or begin when the topic has records.',
  },
})
