import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import {
  clock,
  createSource,
  currentPosition,
  Reader,
  resetServer,
  startServer,
  type TestServer,
  tableRows,
} from './harness.ts'

const ORDERS = 'public.orders'
let server: TestServer

beforeAll(async () => {
  server = await startServer()
})

afterAll(async () => {
  await server?.[Symbol.asyncDispose]()
})

beforeEach(async () => {
  await resetServer(server)
})

async function expectEqual(reader: Reader, stream: string): Promise<void> {
  const model = reader.model(stream)
  const expected = await tableRows(server, model.schema!)
  expect(new Map([...model.rows].sort())).toEqual(new Map([...expected].sort()))
}

async function catchUp(reader: Reader): Promise<void> {
  await reader.untilPosition(await currentPosition(server))
}

describe('copy and stream', () => {
  it('equals the table without gap or overlap under concurrent writes', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY, status text, amount numeric(10,2));
      INSERT INTO orders SELECT i, 'new', i * 1.5 FROM generate_series(1, 20000) i;`)
    let writing = true
    const writer = (async () => {
      for (let round = 0; writing; round++) {
        await server.sql(`
          BEGIN;
          INSERT INTO orders VALUES (100000 + ${round}, 'live', 1);
          UPDATE orders SET status = 'r${round}' WHERE id % 997 = ${round} % 997;
          DELETE FROM orders WHERE id = ${round + 1};
          COMMIT;`)
      }
    })()
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.model(ORDERS).ops.length > 21_000)
    writing = false
    await writer
    await catchUp(reader)
    await expectEqual(reader, ORDERS)
    expect(reader.model(ORDERS).copies.at(-1)?.complete).toBe(true)
    await reader.close()
  })

  it('goes on at every cursor: a new session misses and repeats nothing', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY, status text);
      INSERT INTO orders SELECT i, 'new' FROM generate_series(1, 50) i;`)
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.model(ORDERS).phase === 'stream')
    for (let round = 0; round < 6; round++) {
      await server.sql(`
        INSERT INTO orders VALUES (1000 + ${round}, 'a');
        UPDATE orders SET status = 'b${round}' WHERE id % 6 = ${round};
        DELETE FROM orders WHERE id = ${round + 1};`)
      await catchUp(reader)
      await reader.close()
      await reader.open(source)
    }
    await catchUp(reader)
    await expectEqual(reader, ORDERS)
    await reader.close()
  })

  it('copies an empty table as one block that is first and complete', async () => {
    await server.sql('CREATE TABLE orders (id int PRIMARY KEY)')
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    const block = await reader.step()
    expect(block).toMatchObject({
      parts: [],
      copy: { stream: ORDERS, first: true, complete: true, rowsCopied: 0 },
      endsTransaction: true,
    })
    await reader.close()
  })

  it('copies again after a crash in the copy, and leaves no temporary slot', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY, filler text);
      INSERT INTO orders SELECT i, repeat('x', 200) FROM generate_series(1, 30000) i;
      CREATE TABLE items (id int PRIMARY KEY);
      INSERT INTO items VALUES (1);`)
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS, 'public.items'])
    await reader.open(source)
    await reader.step()
    await reader.step()
    expect(reader.model(ORDERS).phase).toBe('copy')
    await reader.close()
    await server.sql(`DELETE FROM orders WHERE id <= 10; INSERT INTO orders VALUES (0, 'late')`)
    await reader.open(source)
    await reader.until(() => reader.model('public.items').phase === 'stream')
    await server.sql(
      `UPDATE orders SET filler = 'after' WHERE id = 0; INSERT INTO items VALUES (2)`,
    )
    await catchUp(reader)
    await expectEqual(reader, ORDERS)
    await expectEqual(reader, 'public.items')
    const attempts = new Set(reader.model(ORDERS).copies.map((copy) => copy.attempt))
    expect(attempts.size).toBe(2)
    expect(reader.model(ORDERS).copies.filter((copy) => copy.first)).toHaveLength(2)
    const slots = await server.sql('SELECT slot_name FROM pg_replication_slots')
    expect(slots).toEqual([{ slot_name: 'sluice_test' }])
    await reader.close()
  })

  it('copies a table that is added later while the others go on where they were', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY, status text);
      INSERT INTO orders VALUES (1, 'a');
      CREATE TABLE items (id int PRIMARY KEY, name text);
      INSERT INTO items SELECT i, 'item' FROM generate_series(1, 100) i;
      CREATE PUBLICATION sluice_test FOR TABLE orders, items;`)
    await using source = createSource(server.url)
    const first = new Reader([ORDERS])
    await first.open(source)
    await first.until(() => first.model(ORDERS).phase === 'stream')
    await catchUp(first)
    await first.close()
    await server.sql(`
      UPDATE orders SET status = 'while down'; INSERT INTO items VALUES (1000, 'before copy');`)
    const second = new Reader([ORDERS, 'public.items'], first.memory)
    second.streams.set(ORDERS, first.model(ORDERS))
    await second.open(source)
    await second.until(() => second.model('public.items').phase === 'stream')
    await server.sql(`UPDATE items SET name = 'streamed' WHERE id = 5`)
    await catchUp(second)
    await expectEqual(second, ORDERS)
    await expectEqual(second, 'public.items')
    await second.close()
  })

  it('begins the copy again when a table was rewritten after the snapshot', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY, n int);
      INSERT INTO orders SELECT i, i FROM generate_series(1, 100) i;`)
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await server.sql('ALTER TABLE orders ALTER n TYPE bigint')
    await expect(reader.step()).rejects.toMatchObject({ code: 'SLU-SRC-1217', kind: 'transient' })
    await reader.close()
    await reader.open(source)
    await reader.until(() => reader.model(ORDERS).phase === 'stream')
    expect(reader.model(ORDERS).rows.size).toBe(100)
    await catchUp(reader)
    await expectEqual(reader, ORDERS)
    await reader.close()
  })

  it('lets a table be rewritten after its copy, and does not hang on who waits', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY, filler text);
      INSERT INTO orders SELECT i, repeat('x', 500) FROM generate_series(1, 20000) i;
      CREATE TABLE items (id int PRIMARY KEY, n int);
      INSERT INTO items SELECT i, i FROM generate_series(1, 100) i;`)
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS, 'public.items'])
    await reader.open(source)
    await reader.step()
    const rewritten = server.sql(`
      ALTER TABLE items ALTER n TYPE bigint; UPDATE items SET n = n * 10000000000 WHERE id = 1;`)
    const isWaiting = async (): Promise<boolean> =>
      (await server.sql('SELECT 1 FROM pg_locks WHERE NOT granted')).length > 0
    while (!(await isWaiting())) await clock.sleep(5)
    await reader.until(() => reader.model('public.items').phase === 'stream')
    expect(reader.model('public.items').rows.size).toBe(100)
    await rewritten
    await catchUp(reader)
    await expectEqual(reader, 'public.items')
    await reader.close()
  })

  it('keeps transactions whole: a block that ends inside one says so', async () => {
    await server.sql('CREATE TABLE orders (id int PRIMARY KEY, filler text)')
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.model(ORDERS).phase === 'stream')
    await server.sql(
      `INSERT INTO orders SELECT i, repeat('y', 300) FROM generate_series(1, 20000) i`,
    )
    await catchUp(reader)
    const cut = reader.blocks.filter((block) => !block.endsTransaction)
    expect(cut.length).toBeGreaterThan(3)
    for (const block of cut) expect(block.nextPosition).toBeLessThan(reader.nextPosition)
    await expectEqual(reader, ORDERS)
    await reader.close()
  })

  it('reads several tables of one transaction, and none that nobody asked for', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY);
      CREATE TABLE items (id int PRIMARY KEY, order_id int);
      CREATE TABLE secret (id int PRIMARY KEY);
      CREATE PUBLICATION sluice_test FOR ALL TABLES;`)
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS, 'public.items'])
    await reader.open(source)
    await reader.until(() => reader.model('public.items').phase === 'stream')
    await server.sql(`
      BEGIN; INSERT INTO orders VALUES (1); INSERT INTO items VALUES (1, 1);
      INSERT INTO secret VALUES (1); INSERT INTO items VALUES (2, 1); COMMIT;`)
    await catchUp(reader)
    await expectEqual(reader, ORDERS)
    await expectEqual(reader, 'public.items')
    const positions = [...reader.model(ORDERS).positions, ...reader.model('public.items').positions]
    expect(new Set(positions).size).toBe(1)
    await reader.close()
  })
})

describe('changes', () => {
  it('keeps unchanged long values, follows key changes, deletes and re-inserts', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY, status text, doc text);
      ALTER TABLE orders ALTER doc SET STORAGE EXTERNAL;
      INSERT INTO orders SELECT i, 'new', repeat(chr(65 + i), 9000) FROM generate_series(1, 9) i;`)
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.model(ORDERS).phase === 'stream')
    await server.sql(`
      UPDATE orders SET status = 'paid' WHERE id = 1;
      UPDATE orders SET id = 100 WHERE id = 2;
      UPDATE orders SET id = 101, doc = 'short' WHERE id = 3;
      DELETE FROM orders WHERE id = 4; INSERT INTO orders VALUES (4, 'again', NULL);
      BEGIN; UPDATE orders SET id = 200 WHERE id = 5; 
      UPDATE orders SET id = 5 WHERE id = 200; COMMIT;
      BEGIN; UPDATE orders SET id = 300 WHERE id = 6; UPDATE orders SET id = 6 WHERE id = 7;
      UPDATE orders SET id = 7 WHERE id = 300; COMMIT;`)
    await catchUp(reader)
    await expectEqual(reader, ORDERS)
    const ops = reader.model(ORDERS).ops
    expect(ops.filter((op) => op === 'm')).toHaveLength(7)
    expect(
      reader.blocks.flatMap((block) => block.parts).some((part) => part.partialCount > 0),
    ).toBe(true)
    await reader.close()
  })

  it('sends whole rows under full identity, long values included', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY, status text, doc text);
      ALTER TABLE orders REPLICA IDENTITY FULL;
      ALTER TABLE orders ALTER doc SET STORAGE EXTERNAL;
      INSERT INTO orders VALUES (1, 'a', repeat('z', 9000)), (2, 'b', repeat('w', 9000));`)
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.model(ORDERS).phase === 'stream')
    await server.sql(`
      UPDATE orders SET status = 'c' WHERE id = 1; UPDATE orders SET id = 3 WHERE id = 2;
      DELETE FROM orders WHERE id = 1;`)
    await catchUp(reader)
    await expectEqual(reader, ORDERS)
    expect(reader.model(ORDERS).ops).toEqual(['r', 'r', 'u', 'd', 'm', 'd'])
    expect(
      reader.blocks.every((block) => block.parts.every((part) => part.partialCount === 0)),
    ).toBe(true)
    await reader.close()
  })

  it('follows TRUNCATE of one and of several tables', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY);
      CREATE TABLE items (id int PRIMARY KEY, order_id int REFERENCES orders);
      INSERT INTO orders VALUES (1), (2); INSERT INTO items VALUES (1, 1);`)
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS, 'public.items'])
    await reader.open(source)
    await reader.until(() => reader.model('public.items').phase === 'stream')
    await server.sql(`
      TRUNCATE orders, items; INSERT INTO orders VALUES (7); INSERT INTO items VALUES (8, 7);
      TRUNCATE items; INSERT INTO items VALUES (9, 7);`)
    await catchUp(reader)
    await expectEqual(reader, ORDERS)
    await expectEqual(reader, 'public.items')
    expect(reader.model('public.items').ops.filter((op) => op === 't')).toHaveLength(2)
    await reader.close()
  })

  it('keeps the order of composite keys and of identity indexes', async () => {
    await server.sql(`
      CREATE TABLE orders (b text, a int, v text, PRIMARY KEY (a, b));
      CREATE TABLE items (x int NOT NULL, y int NOT NULL, v text);
      CREATE UNIQUE INDEX items_yx ON items (y, x);
      ALTER TABLE items REPLICA IDENTITY USING INDEX items_yx;`)
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS, 'public.items'])
    await reader.open(source)
    await reader.until(() => reader.model('public.items').phase === 'stream')
    await server.sql(`
      INSERT INTO orders VALUES ('p', 1, 'x'), ('q', 1, 'y');
      UPDATE orders SET b = 'r' WHERE b = 'q';
      INSERT INTO items VALUES (1, 2, 'x'), (2, 1, 'y'); UPDATE items SET x = 5 WHERE x = 1;
      DELETE FROM items WHERE y = 1; UPDATE orders SET v = 'z' WHERE b = 'p';`)
    await catchUp(reader)
    expect(reader.model(ORDERS).schema?.key).toEqual(['a', 'b'])
    expect(reader.model('public.items').schema?.key).toEqual(['y', 'x'])
    await expectEqual(reader, ORDERS)
    await expectEqual(reader, 'public.items')
    await reader.close()
  })

  it('follows added, renamed and dropped columns with a new schema each', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY, a text); INSERT INTO orders VALUES (1, 'x');`)
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.model(ORDERS).phase === 'stream')
    await server.sql(`INSERT INTO orders VALUES (2, 'y');`)
    await server.sql(`
      ALTER TABLE orders ADD COLUMN b numeric(8,3); INSERT INTO orders VALUES (3, 'z', 1.5);`)
    await server.sql(`BEGIN; INSERT INTO orders VALUES (4, 'u', 2); ALTER TABLE orders ADD c date;
      INSERT INTO orders VALUES (5, 'v', 3, '2024-02-29'); COMMIT;`)
    await server.sql(
      `ALTER TABLE orders RENAME a TO title; UPDATE orders SET title = 't' WHERE id = 1`,
    )
    await server.sql(`ALTER TABLE orders DROP c; UPDATE orders SET title = 's' WHERE id = 2`)
    await catchUp(reader)
    const seen = reader.blocks.flatMap((block) => block.parts).map((part) => part.schema)
    const shapes = [...new Map(seen.map((schema) => [schema.schemaId, schema])).values()]
    expect(shapes.map((schema) => schema.columns.map((column) => column.name).join())).toEqual([
      'id,a',
      'id,a,b',
      'id,a,b,c',
      'id,title,b,c',
      'id,title,b',
    ])
    expect(shapes.map((schema) => schema.schemaId)).toEqual([1, 2, 3, 4, 5])
    expect(shapes[1]!.columns[2]).toEqual({
      id: 3,
      name: 'b',
      type: { kind: 'decimal', precision: 8, scale: 3 },
      sourceType: 'numeric(8,3)',
      nullable: true,
    })
    await reader.close()
  })

  it('announces one schema for copy, stream and discover', async () => {
    await server.sql(TYPES_TABLE)
    await using source = createSource(server.url)
    const reader = new Reader(['public.kinds'])
    await reader.open(source)
    await reader.until(() => reader.model('public.kinds').phase === 'stream')
    const copied = reader.model('public.kinds').schema
    await server.sql('INSERT INTO kinds SELECT * FROM kinds_more')
    await catchUp(reader)
    expect(reader.model('public.kinds').schema).toBe(copied)
    const discovered = await source.discover()
    expect(discovered.find((schema) => schema.stream === 'public.kinds')).toBe(copied)
    await expectEqual(reader, 'public.kinds')
    const typeOf = (name: string): unknown =>
      copied?.columns.find((column) => column.name === name)?.type
    expect(typeOf('dom')).toEqual({ kind: 'decimal', precision: 6, scale: 2 })
    expect(typeOf('texts')).toEqual({ kind: 'array', element: 'string', containsNull: true })
    expect(typeOf('mood')).toBe('string')
    await reader.close()
  })

  it('reads a partitioned table through its root', async () => {
    await server.sql(`
      CREATE TABLE orders (id int, day date, v text, PRIMARY KEY (id, day))
        PARTITION BY RANGE (day);
      CREATE TABLE orders_1 PARTITION OF orders FOR VALUES FROM ('2024-01-01') TO ('2024-02-01');
      CREATE TABLE orders_2 PARTITION OF orders FOR VALUES FROM ('2024-02-01') TO ('2024-03-01');
      INSERT INTO orders VALUES (1, '2024-01-05', 'a'), (2, '2024-02-05', 'b');`)
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.model(ORDERS).phase === 'stream')
    await server.sql(`
      UPDATE orders SET v = 'c' WHERE id = 1;
      INSERT INTO orders VALUES (3, '2024-02-06', 'd');
      UPDATE orders SET day = '2024-02-07' WHERE id = 1;`)
    await catchUp(reader)
    await expectEqual(reader, ORDERS)
    await reader.close()
  })
})

describe('a view of the source', () => {
  it('reads tables again as of one position, whatever is written meanwhile', async () => {
    await server.sql(`
      CREATE TABLE orders (id int PRIMARY KEY, status text);
      INSERT INTO orders SELECT i, 'new' FROM generate_series(1, 500) i;`)
    await using source = createSource(server.url)
    const reader = new Reader([ORDERS])
    await reader.open(source)
    await reader.until(() => reader.model(ORDERS).phase === 'stream')
    await server.sql(`UPDATE orders SET status = 'seen' WHERE id < 100`)
    await using view = await source.readBack!.open([ORDERS])
    const behind = new Reader([ORDERS])
    await server.sql(`DELETE FROM orders WHERE id < 50`)
    for await (const part of view.rows(ORDERS)) behind.model(ORDERS).apply(part)
    expect(behind.model(ORDERS).rows.size).toBe(500)
    const ops: string[] = []
    await catchUp(reader)
    reader.model(ORDERS).positions.forEach((position, index) => {
      if (position >= view.position) ops.push(reader.model(ORDERS).ops[index]!)
    })
    expect(ops).toEqual(Array.from({ length: 49 }, () => 'd'))
    await reader.close()
  })
})

const TYPES_TABLE = `
  CREATE DOMAIN amount AS numeric(6,2);
  CREATE TYPE mood AS ENUM ('sad', 'ok', 'hap\\py');
  CREATE TABLE kinds (
    id int8 PRIMARY KEY, s int2, i int4, f4 float4, f8 float8, b bool, t text, vc varchar(20),
    ch char(5), u uuid, j json, jb jsonb, d date, ts timestamp,
    tz timestamptz, ti time, iv interval,
    n numeric, n2 numeric(20,5), by bytea, dom amount, mood mood, ip inet, ints int[], texts text[],
    moods mood[], bytes bytea[], pt point, rng int4range, g int GENERATED ALWAYS AS (1) STORED);
  CREATE TABLE kinds_more AS SELECT
    id, s, i, f4, f8, b, t, vc, ch, u, j, jb, d, ts, tz, ti, iv, n, n2, by, dom, mood, ip, ints,
    texts, moods, bytes, pt, rng FROM kinds;
  INSERT INTO kinds VALUES (
    9223372036854775807, -32768, 2147483647, 0.1, 1e300, true,
    E'tab\\tline\\nback\\\\slash\\r\\b\\f\\v',
    'é', 'ab', 'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11', '{"a": 9007199254740993}', '{"b":[1,2]}',
    '2024-02-29', '2024-02-29 12:34:56.123456', '2024-02-29 12:34:56.123456+02', '23:59:59.999999',
    '1 year 2 days', 12345678901234567890.123456789, 99999.99999, '\\x00ff5c0a', 1.25, 'hap\\py',
    '10.0.0.1/8', '{1,NULL,3}', ARRAY['a,b', 'c"d', E'e\\\\f', NULL, ''], '{sad}',
    ARRAY['\\x01'::bytea], '(1,2)', '[1,5)');
  INSERT INTO kinds (id, t, texts) VALUES (1, '', '{}'), (2, '\\N', ARRAY['NULL']);
  INSERT INTO kinds_more SELECT id - 10, s, i, f4, f8, b, t, vc, ch, u, j, jb, d, ts, tz, ti, iv, n,
    n2, by, dom, mood, ip, ints, texts, moods, bytes, pt, rng FROM kinds;`
