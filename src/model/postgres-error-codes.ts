/** The error codes of the Postgres source and the embedded Postgres. */

import { defineCodes } from './error-kind.ts'

/** Part of `ERROR_CODES`. */
export const POSTGRES_ERROR_CODES = defineCodes({
  'SLU-SRC-1200': {
    kind: 'transient',
    meaning: 'Postgres cannot be reached, is starting or stopping, or closed the connection.',
    remedy:
      'Sluice reconnects with back-off and goes on where it was. If it stays, check host, ' +
      'port and server.',
  },
  'SLU-SRC-1201': {
    kind: 'invalid-config',
    meaning: 'Postgres refused the user or the password.',
    remedy: 'Correct user and password of the source, or the rule for it in pg_hba.conf.',
  },
  'SLU-SRC-1202': {
    kind: 'invalid-config',
    meaning: 'The database named in the connection URL does not exist.',
    remedy: 'Correct the database in the url of the source.',
  },
  'SLU-SRC-1203': {
    kind: 'invalid-config',
    meaning: 'Postgres does not write what logical replication needs: wal_level is not logical.',
    remedy: "Run: ALTER SYSTEM SET wal_level = 'logical'; then restart Postgres.",
  },
  'SLU-SRC-1204': {
    kind: 'invalid-config',
    meaning: 'The Postgres user lacks a right that the pipeline needs.',
    remedy:
      'Grant it: ALTER ROLE <user> REPLICATION; GRANT SELECT ON <table> TO <user>; or see ' +
      'the message.',
  },
  'SLU-SRC-1205': {
    kind: 'invalid-config',
    meaning: 'The publication is missing or lacks a table, and may not be changed by Sluice.',
    remedy: 'Create it as its owner, or set createPublication: true and use a user that owns it.',
  },
  'SLU-SRC-1206': {
    kind: 'invalid-config',
    meaning: 'A table named as a stream does not exist or is not an ordinary table.',
    remedy: 'Correct the stream name (schema.table); `sluice check` lists what there is.',
  },
  'SLU-SRC-1207': {
    kind: 'invalid-config',
    meaning: 'All replication slots or WAL senders of the server are in use.',
    remedy:
      'Drop slots nobody needs, or raise max_replication_slots and max_wal_senders and restart.',
  },
  'SLU-SRC-1208': {
    kind: 'transient',
    meaning: 'Postgres has no connection or resource left at the moment.',
    remedy: 'Sluice retries with back-off. If it stays, raise max_connections. Nothing is lost.',
  },
  'SLU-SRC-1209': {
    kind: 'transient',
    meaning: 'Postgres answered with an error that has no rule of its own here.',
    remedy: 'Read the message of Postgres; Sluice retries with back-off. Nothing is lost.',
  },
  'SLU-SRC-1210': {
    kind: 'invalid-config',
    meaning: 'A replication slot of the configured name exists and was not made by this pipeline.',
    remedy:
      'Choose another slot name; or drop the slot (pg_drop_replication_slot) when nobody reads it.',
  },
  'SLU-SRC-1211': {
    kind: 'gap',
    meaning: 'The replication slot was dropped or invalidated: changes are missing.',
    remedy:
      'Changes are missing, so the pipeline stopped; the tables stay readable as they are. ' +
      'Copy them again in place: sluice run --on-slot-lost resync.',
  },
  'SLU-SRC-1212': {
    kind: 'gap',
    meaning:
      'The replication slot stands past changes that no table holds yet: moved, or made anew.',
    remedy:
      'Stop the other reader of the slot, then copy the tables again in place: ' +
      'sluice run --on-slot-lost resync. They stay readable.',
  },
  'SLU-SRC-1213': {
    kind: 'gap',
    meaning: 'The server is not the one the tables were copied from: its system id differs.',
    remedy:
      'Point the url at the former server; or, when this replaces it, copy again in place: ' +
      'sluice resync TABLE for every table. Nothing was read.',
  },
  'SLU-SRC-1214': {
    kind: 'gap',
    meaning:
      'The server lacks changes that the tables hold: restored, or failed over without them.',
    remedy:
      'Point the url at the right server; or compare (sluice verify TABLE) and copy again in ' +
      'place: sluice resync TABLE. Nothing was changed.',
  },
  'SLU-SRC-1215': {
    kind: 'fenced',
    meaning: 'Another process reads the replication slot.',
    remedy:
      'Stop the other instance. This one stops without having written anything; nothing is ' +
      'doubled.',
  },
  'SLU-SRC-1216': {
    kind: 'gap',
    meaning:
      'A table was taken out of the publication, or dropped and made again: changes are missing.',
    remedy:
      'Copy the table again in place: sluice resync TABLE. Until then it stays readable, and ' +
      'nothing is changed.',
  },
  'SLU-SRC-1217': {
    kind: 'transient',
    meaning: 'A table was rewritten (ALTER TABLE, TRUNCATE) in the moment its copy began.',
    remedy: 'Nothing: Sluice begins the copy again by itself, and nothing is lost.',
  },
  'SLU-SRC-1220': {
    kind: 'corrupt',
    meaning: 'The replication stream holds a message that cannot be read.',
    remedy: 'Report it with the message. Nothing was acknowledged: no change is lost.',
  },
  'SLU-SRC-1221': {
    kind: 'unsupported',
    meaning: 'The server or table has a feature that the Postgres source does not support.',
    remedy: 'See connectors/postgres/README.md for what is supported and the way around.',
  },
  'SLU-SRC-1222': {
    kind: 'invalid-config',
    meaning: 'A column cannot become the type that columnTypes names for it.',
    remedy: 'Use text, which holds every value; decimal(p,s) is for numeric columns only.',
  },
  'SLU-SRC-1223': {
    kind: 'transient',
    meaning: 'The server is a standby; copy and stream must come from the primary.',
    remedy:
      'Point the url at the primary, or at a name that follows it. Sluice retries, since a ' +
      'failover may be under way. Nothing is lost.',
  },
  'SLU-SRC-1224': {
    kind: 'transient',
    meaning: 'Transactions in progress take more of the local disk than spoolBytesMax allows.',
    remedy:
      'Sluice reads on with streaming off: the server keeps them instead. To avoid the restart, ' +
      'raise spoolBytesMax or set streaming: off.',
  },
  'SLU-SRC-1225': {
    kind: 'transient',
    meaning: 'The work folder cannot keep a transaction that is in progress: no space, no right.',
    remedy: 'Make room in workFolder, or set streaming: off, so that the server keeps it.',
  },
  'SLU-SRC-1226': {
    kind: 'invalid-config',
    meaning: 'The connection URL, or a certificate that it names, cannot be used.',
    remedy:
      'Correct the url of the source: postgres://user@host:5432/database?sslmode=verify-full' +
      '&sslrootcert=/path/ca.pem; the files must be PEM and readable for Sluice.',
  },
  'SLU-SRC-1227': {
    kind: 'invalid-config',
    meaning: 'The certificate of the server does not hold: authority, name or time.',
    remedy:
      'Set sslrootcert to the authority that signed it, or connect by a name that it holds. ' +
      'Nothing was sent, no password either.',
  },
  'SLU-SRC-1228': {
    kind: 'invalid-config',
    meaning: 'The url wants TLS, and the server offers none, or none that both sides know.',
    remedy:
      "Switch it on: ALTER SYSTEM SET ssl = 'on'; with ssl_cert_file and ssl_key_file, then " +
      'SELECT pg_reload_conf(); or, in a network you trust, sslmode=disable. Nothing was sent.',
  },
  'SLU-SRC-1229': {
    kind: 'transient',
    meaning: 'A warning: the slot has used up much of max_slot_wal_keep_size.',
    remedy:
      'Let the pipeline catch up, or raise max_slot_wal_keep_size. When nothing is left, ' +
      'Postgres invalidates the slot and every table must be copied again.',
  },
  'SLU-SRC-1230': {
    kind: 'invalid-config',
    meaning: 'No table matches a pattern of the pipeline; a warning while other tables are read.',
    remedy:
      'Correct the pattern (schema.table, as the names stand in Postgres; case counts), or ' +
      'create the table. `sluice check` tells what each pattern chooses.',
  },
  'SLU-SRC-1231': {
    kind: 'invalid-config',
    meaning:
      'A table that a pattern chooses has no replica identity: once it were published, Postgres ' +
      'would refuse its updates and deletes. A warning: it is left out.',
    remedy:
      'Give it a primary key, or ALTER TABLE … REPLICA IDENTITY FULL; it is then picked up. Or ' +
      'leave it out with "!schema.table".',
  },
  'SLU-SRC-1232': {
    kind: 'transient',
    meaning: 'A table that a pattern chose is gone, renamed or not chosen any more.',
    remedy:
      'Nothing is to be done: what was read of it stays as it is and is fed no more. A table of ' +
      'that name that comes later is copied anew.',
  },
  'SLU-SRC-1233': {
    kind: 'transient',
    meaning:
      'A warning: a table that a pattern chose was made again under its name, or was not ' +
      'published for a while. Changes of it are in no stream, so it is copied again.',
    remedy:
      'Nothing is to be done: the copy replaces the rows in one commit, until then readers see ' +
      'the old ones. To keep a table out, exclude it with "!schema.table".',
  },
  'SLU-SRC-1234': {
    kind: 'gap',
    meaning:
      'Postgres changed rows of a table and wrote no record of it: a column came with a default ' +
      'of its own for each row, or a partition came with rows or was truncated by itself.',
    remedy:
      'Copy the table again in place: sluice resync TABLE. Until then it stays readable, and ' +
      'nothing is changed. onUntold: resync in the source does so by itself, warn goes on.',
  },
  'SLU-SRC-1235': {
    kind: 'gap',
    meaning:
      'A partition was detached or dropped. No record tells of its rows, which the table has.',
    remedy:
      'To keep them, set onPartitionGone: keep in the source; to be without them, sluice resync ' +
      'TABLE, or onPartitionGone: resync for every time. Nothing is changed until then.',
  },
  'SLU-SRC-1236': {
    kind: 'transient',
    meaning:
      'A warning: Postgres wrote a table again while a column of it was altered. If that was an ' +
      'expression (ALTER … TYPE … USING), rows of before may have other values than the table.',
    remedy:
      'Compare: sluice verify TABLE. Where rows differ: sluice resync TABLE. onUntold: resync in ' +
      'the source copies such tables again by itself.',
  },
  'SLU-SRC-1290': {
    kind: 'invalid-config',
    meaning: 'The embedded Postgres did not start.',
    remedy: 'Read the message and server.log in its data folder; or use a Postgres of your own.',
  },
  'SLU-SRC-1291': {
    kind: 'fenced',
    meaning: 'Another living process runs the embedded Postgres of this folder.',
    remedy: 'Stop that process, or choose another folder.',
  },
})
