-- What a capture begins with: tables of every type, and the rows that the snapshot finds.
DROP TABLE IF EXISTS types, orders, done;
DROP TYPE IF EXISTS feeling;
CREATE TYPE feeling AS ENUM ('good', 'so so');
CREATE TABLE types (
  id int, part text, a_smallint smallint, a_bigint bigint, an_oid oid, a_real real, a_double double precision,
  a_boolean boolean, one_bit bit(1), some_bits bit(11), any_bits varbit, money_like numeric(10,2),
  fraction numeric(38,18), any_numeric numeric, some_money money, a_char char(5), a_varchar varchar(20),
  a_text text, some_bytes bytea, a_json json, a_jsonb jsonb, a_uuid uuid, an_enum feeling, some_xml xml,
  a_date date, a_time3 time(3), a_time time, a_timetz timetz, a_timestamp3 timestamp(3), a_timestamp timestamp,
  a_timestamptz timestamptz, an_interval interval, an_inet inet, a_range int4range, a_point point,
  ints int[], bigints bigint[], texts text[], numerics numeric(10,2)[], uuids uuid[], dates date[],
  stamps timestamp[], blobs bytea[],
  PRIMARY KEY (id, part));
ALTER TABLE types ALTER a_text SET STORAGE EXTERNAL, ALTER some_bytes SET STORAGE EXTERNAL,
  ALTER texts SET STORAGE EXTERNAL, ALTER ints SET STORAGE EXTERNAL, ALTER bigints SET STORAGE EXTERNAL,
  ALTER a_jsonb SET STORAGE EXTERNAL, ALTER uuids SET STORAGE EXTERNAL, ALTER blobs SET STORAGE EXTERNAL;
CREATE TABLE orders (id bigint PRIMARY KEY, customer text NOT NULL, total numeric(12,2), placed_at timestamp(3));
CREATE TABLE done (id int PRIMARY KEY);
INSERT INTO orders SELECT n, 'customer ' || n, n * 1.25, timestamp '2026-01-01' + n * interval '1 hour'
  FROM generate_series(1, 20) n;
INSERT INTO types (id, part, a_text) VALUES (1, 'snapshot', 'before the stream'), (2, 'snapshot', NULL);
