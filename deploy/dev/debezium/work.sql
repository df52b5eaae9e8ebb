-- What happens while a connector reads; a blank line ends a transaction.

INSERT INTO types VALUES (10, 'stream', -32768, -9223372036854775808, 0, '-1.5', 0.1, false, B'0', B'10000000001', B'', -99999999.99,
     -0.000000000000000001, -0.1, '-92233720368547758.08', 'ab', '', E'tab\tline\n"quotes" \\ é漢😀',
     '\x', '{"n": 12345678901234567890.10}', 'null', '00000000-0000-0000-0000-000000000000', 'good',
     '<a b="c">d</a>', '0001-01-01', '00:00', '00:00', '00:00+14', '1969-12-31 23:59:59.999',
     '1900-01-01 00:00:00.000001', '1969-12-31 23:59:59.999999+00', '1 year 2 mons 3 days 04:05:06.789',
     '::1', '[1,5)', '(1.5,-2)', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}');

INSERT INTO types VALUES (11, 'stream', 32767, 9223372036854775807, 4294967295, 3.4028235e38, 1.7976931348623157e308, true, B'1',
     B'01111111110', B'101', 99999999.99, 12345678901234567890.123456789012345678,
     123456789012345678901234567890123456789012345.678900, 0.01, 'abcde', 'é漢😀', 'NULL', '\x00ff5c0a09',
     '"\u00e9\n"', '{"b": [1, null]}', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', 'so so', '<x/>', '2262-04-11',
     '23:59:59.999', '23:59:59.999999', '12:34:56.789012-05:30', '2262-04-11 01:02:03.004',
     '2262-04-11 01:02:03.000004', '2262-04-11 01:02:03.000004+02', '-1 day', '10.0.0.1/8', 'empty', '(0,0)',
     '{1,NULL,-2147483648}', '{9223372036854775807,NULL}', '{"a,b",NULL,"c\"d"}', '{1.50,NULL,-0.01}',
     '{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}', '{2026-01-01,NULL}', '{"2026-01-01 00:00:00.000001"}',
     '{"\\x00ff",NULL}');

INSERT INTO types (id, part) VALUES (12, 'nulls');

INSERT INTO types (id, part, any_numeric) VALUES (13, 'zeros', 1.500), (14, 'large', 1e40);

UPDATE types SET a_text = repeat('long ', 600), some_bytes = decode(repeat('00ff', 1500), 'hex'),
  texts = ARRAY[repeat('x', 3000), NULL], ints = (SELECT array_agg(n) FROM generate_series(1, 800) n),
  bigints = (SELECT array_agg(n::bigint) FROM generate_series(1, 400) n),
  a_jsonb = jsonb_build_object('long', repeat('y', 3000)),
  uuids = (SELECT array_agg('a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'::uuid) FROM generate_series(1, 200)),
  blobs = ARRAY[decode(repeat('ab', 3000), 'hex')] WHERE id IN (10, 12);

UPDATE types SET a_smallint = 7 WHERE id IN (10, 12);

UPDATE types SET a_text = 'short again' WHERE id = 10;

UPDATE types SET part = 'moved' WHERE id = 12;

UPDATE types SET a_smallint = 8 WHERE id = 12;

DELETE FROM types WHERE id = 13; INSERT INTO types (id, part, a_date) VALUES (13, 'zeros', '2026-11-22');

DELETE FROM types WHERE id = 1;

UPDATE orders SET total = total + 0.01 WHERE id <= 5; DELETE FROM orders WHERE id = 6;

SELECT pg_logical_emit_message(true, 'note', 'hello');

ALTER TABLE orders ADD COLUMN note text, ADD COLUMN weight real;

INSERT INTO orders SELECT n, 'late', n, '2026-02-01', 'n' || n, n / 3.0::real FROM generate_series(100, 160) n;

UPDATE orders SET note = 'again' WHERE id % 7 = 0;

ALTER TABLE orders ALTER total TYPE numeric(20,4);

UPDATE orders SET total = 1234567890123.4567 WHERE id = 101;

ALTER TABLE orders DROP COLUMN weight;

UPDATE orders SET id = id + 1000 WHERE id BETWEEN 110 AND 115;

INSERT INTO orders VALUES (1, 'twice', 1, NULL, NULL) ON CONFLICT (id) DO UPDATE SET customer = 'twice';

TRUNCATE orders;

INSERT INTO orders SELECT n, 'after', n, '2026-03-01', NULL FROM generate_series(1, 30) n;

DELETE FROM orders WHERE id % 3 = 0;
