/** Every type of Postgres with its extreme values, and how to compare them across engines. */

/** How values of a column are compared. */
export type Canon =
  | 'text'
  | 'integer'
  | 'boolean'
  | 'real'
  | 'double'
  | 'decimal'
  | 'bytes'
  | 'date'
  | 'timestamp'
  | { readonly each: Exclude<Canon, object> }

/** A column of the table of types. */
export interface TypeCase {
  readonly name: string
  /** As in CREATE TABLE. */
  readonly type: string
  readonly canon: Canon
  /** Type of the table column, as DuckDB names it. */
  readonly stored: string
  /** As text that the type takes; row `i` holds value `i`, NULL when there are fewer. */
  readonly values: readonly string[]
  /** Entry of `columnTypes`. */
  readonly forced?: string
}

const DAYS = ['4713-01-01 BC', '0044-03-15 BC', '0001-12-31 BC', '0001-01-01', '9999-12-31']
const TIMES = DAYS.map((day) => day.replace(/( BC)?$/, ' 12:34:56.789012$1'))
const DIGITS = '1234567890'.repeat(100)

const plain = (
  name: string,
  type: string,
  canon: Canon,
  stored: string,
  values: readonly string[],
): TypeCase => ({ name, type, canon, stored, values })

const text = (name: string, type: string, ...values: readonly string[]): TypeCase =>
  plain(name, type, 'text', 'VARCHAR', values)

const list = (
  name: string,
  type: string,
  each: Exclude<Canon, object>,
  stored: string,
  ...values: readonly string[]
): TypeCase => plain(name, type, { each }, `${stored}[]`, values)

const NUMBERS: readonly TypeCase[] = [
  plain('a_smallint', 'smallint', 'integer', 'SMALLINT', ['-32768', '32767', '0']),
  plain('an_int', 'int', 'integer', 'INTEGER', ['-2147483648', '2147483647', '0']),
  plain('a_bigint', 'bigint', 'integer', 'BIGINT', [
    '-9223372036854775808',
    '9223372036854775807',
    '9007199254740993',
  ]),
  plain('money_like', 'numeric(10,2)', 'decimal', 'DECIMAL(10,2)', ['-99999999.99', '0.01', '1']),
  plain('fraction', 'numeric(38,38)', 'decimal', 'DECIMAL(38,38)', [
    `0.${'9'.repeat(38)}`,
    `-0.${'0'.repeat(37)}1`,
    '0',
  ]),
  plain('whole', 'numeric(38)', 'decimal', 'DECIMAL(38,0)', ['9'.repeat(38), `-${'9'.repeat(38)}`]),
  text('beyond_38', 'numeric(50,10)', `${'9'.repeat(40)}.0123456789`, 'NaN', '-0.0000000001'),
  text('rounded', 'numeric(5,-2)', '1234500', '-9999900', '0'),
  text('tiny', 'numeric(2,5)', '0.00099', '-0.00001'),
  text('any_numeric', 'numeric', DIGITS, `-0.${DIGITS}`, 'NaN', 'Infinity', '-Infinity', '1.500'),
  {
    ...plain('chosen', 'numeric', 'decimal', 'DECIMAL(38,9)', [
      '1.5',
      '-0.000000001',
      '7.10000000000',
    ]),
    forced: 'decimal(38,9)',
  },
  plain('a_real', 'real', 'real', 'FLOAT', [
    'NaN',
    'Infinity',
    '-Infinity',
    '-0',
    '1e-45',
    '3.4028235e38',
    '1.1754944e-38',
    '0.1',
  ]),
  plain('a_double', 'double precision', 'double', 'DOUBLE', [
    'NaN',
    'Infinity',
    '-Infinity',
    '-0',
    '5e-324',
    '1.7976931348623157e308',
    '2.225073858507201e-308',
    '0.30000000000000004',
  ]),
  plain('a_boolean', 'boolean', 'boolean', 'BOOLEAN', ['t', 'f']),
  text('some_money', 'money', '-92233720368547758.08', '92233720368547758.07', '0.01'),
  text('an_oid', 'oid', '0', '4294967295'),
]

const TEXTS: readonly TypeCase[] = [
  text(
    'a_text',
    'text',
    '',
    '\\N',
    '\\',
    'tab\tline\ncr\rback\\slash \\n',
    'é漢😀\u0001\u007f',
    'NULL',
  ),
  text('a_varchar', 'varchar(5)', 'abc', '', 'é漢😀ab'),
  text('padded', 'char(5)', 'ab', '', 'abcde'),
  text('a_name', 'name', 'x'.repeat(63)),
  text('a_char', '"char"', 'a', ''),
  plain('some_bytes', 'bytea', 'bytes', 'BLOB', ['\\x', '\\x00ff5c0a09', '\\x5c4e']),
  text(
    'a_uuid',
    'uuid',
    '00000000-0000-0000-0000-000000000000',
    'A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11',
  ),
  text('a_json', 'json', '{"n": 12345678901234567890.10, "n": 1e400}', 'null', '"\\u00e9\\n"'),
  text('a_jsonb', 'jsonb', '{"b":1,"a":[1e5,12345678901234567890.10]}', 'null', '{"t":"\\t\\\\"}'),
  text('an_enum', 'feeling', 'so so', 'good, or "fine"'),
  text('a_bit', 'bit(5)', '10101'),
  text('varying_bits', 'varbit', '', '101'),
  text('some_xml', 'xml', '<a b="c">d &amp; e</a>'),
  text('a_vector', 'tsvector', "'a':1A 'fat cat':2,3"),
  text('a_query', 'tsquery', "'fat' & !'rat' | 'c':*"),
  text('an_lsn', 'pg_lsn', '0/0', 'FFFFFFFF/FFFFFFFF'),
  text('a_citext', 'pub.citext', 'Mixed Case'),
  text('a_hstore', 'pub.hstore', '"a"=>"1", "b c"=>NULL', ''),
  text('a_path', 'pub.ltree', 'Top.Science.Astronomy', ''),
]

const WHENS: readonly TypeCase[] = [
  plain('a_date', 'date', 'date', 'DATE', [...DAYS, '5874897-12-31']),
  plain('a_timestamp', 'timestamp', 'timestamp', 'TIMESTAMP', [
    ...TIMES,
    '4713-01-01 00:00:00 BC',
    '294247-01-10 04:00:54.775806',
  ]),
  plain('a_timestamptz', 'timestamptz', 'timestamp', 'TIMESTAMP WITH TIME ZONE', [
    ...TIMES.map((time) => time.replace(/( BC)?$/, '+05:30$1')),
    '4713-01-02 00:00:00+00 BC',
    '294247-01-10 04:00:54.775806+00',
  ]),
  text('a_time', 'time', '00:00:00', '24:00:00', '23:59:59.999999'),
  text('a_timetz', 'timetz', '00:00:00+15:59', '24:00:00-15:59', '12:00:00.5+00'),
  text('an_interval', 'interval', '178000000 years', '-1 mon 2 days -03:04:05.678901', '0'),
  ...(['date', 'timestamp', 'timestamptz'] as const).map((type) => ({
    ...text(`${type}_as_text`, type, 'infinity', '-infinity', '9999-12-31', '0044-03-15 BC'),
    forced: 'text',
  })),
  {
    ...text('last_moment', 'timestamptz', '294276-12-31 23:59:59.999999+00', 'infinity'),
    forced: 'text',
  },
]

const SHAPES: readonly TypeCase[] = [
  text('a_point', 'point', '(1.5,-2)', '(NaN,Infinity)'),
  text('a_line', 'line', '{1,-1,0}'),
  text('a_segment', 'lseg', '[(0,0),(1,1)]'),
  text('a_box', 'box', '(2,2),(0,0)'),
  text('an_open_path', 'path', '[(0,0),(1,1)]', '((0,0),(1,1))'),
  text('a_polygon', 'polygon', '((0,0),(1,1),(2,0))'),
  text('a_circle', 'circle', '<(0,0),5>'),
  text('an_inet', 'inet', '192.168.0.1/24', '::ffff:1.2.3.4', '::/0'),
  text('a_cidr', 'cidr', '10.0.0.0/8', '2001:db8::/32'),
  text('a_mac', 'macaddr', '08:00:2b:01:02:03'),
  text('a_long_mac', 'macaddr8', '08:00:2b:01:02:03:04:05'),
  text('a_range', 'int4range', '[1,10)', 'empty', '(,5]', '(,)'),
  text('a_time_range', 'tstzrange', '["2024-01-01 00:00:00+00",infinity)', 'empty'),
  text('ranges', 'int8multirange', '{[1,3),[5,9)}', '{}'),
  text('a_pair', 'pair', '(1,"two, \\"2\\"")', '(,)'),
]

const DOMAINS: readonly TypeCase[] = [
  plain('price', 'price', 'decimal', 'DECIMAL(12,4)', ['0.0001', '99999999.9999']),
  plain('net_price', 'net_price', 'decimal', 'DECIMAL(12,4)', ['1']),
  text('code', 'code', 'ab'),
  list('int_list', 'int_list', 'integer', 'INTEGER', '{1,NULL,3}', '{}'),
  plain('a_day', 'a_day', 'date', 'DATE', ['0044-03-15 BC']),
  text('pair_domain', 'pair_domain', '(1,x)'),
]

const LISTS: readonly TypeCase[] = [
  list('smallints', 'smallint[]', 'integer', 'SMALLINT', '{-32768,NULL,32767}', '{}', '{NULL}'),
  list('ints', 'int[]', 'integer', 'INTEGER', '{-2147483648,2147483647}'),
  list('bigints', 'bigint[]', 'integer', 'BIGINT', '{-9223372036854775808,9223372036854775807}'),
  list('reals', 'real[]', 'real', 'FLOAT', '{NaN,Infinity,-0,1e-45}'),
  list('doubles', 'float8[]', 'double', 'DOUBLE', '{NaN,-Infinity,-0,5e-324,NULL}'),
  list('decimals', 'numeric(10,2)[]', 'decimal', 'DECIMAL(10,2)', '{0.01,NULL,-99999999.99}'),
  list('numerics', 'numeric[]', 'text', 'VARCHAR', `{NaN,${DIGITS},-Infinity}`),
  list('booleans', 'boolean[]', 'boolean', 'BOOLEAN', '{t,f,NULL}'),
  list(
    'texts',
    'text[]',
    'text',
    'VARCHAR',
    '{"",NULL,"NULL",null,"a,b","q\\"u\\\\o","é{}"}',
    '{}',
  ),
  list('chars', 'char(3)[]', 'text', 'VARCHAR', '{a,abc}'),
  list('blobs', 'bytea[]', 'bytes', 'BLOB', '{"\\\\x00ff","\\\\x",NULL}'),
  list('uuids', 'uuid[]', 'text', 'VARCHAR', '{00000000-0000-0000-0000-000000000000,NULL}'),
  list('days', 'date[]', 'date', 'DATE', `{"0044-03-15 BC",9999-12-31,NULL}`, '{}'),
  list(
    'moments',
    'timestamptz[]',
    'timestamp',
    'TIMESTAMP WITH TIME ZONE',
    '{"4713-01-02 00:00:00+00 BC",2024-02-29 01:02:03.4+00}',
  ),
  list(
    'wall_times',
    'timestamp[]',
    'timestamp',
    'TIMESTAMP',
    '{"0001-12-31 23:59:59.999999 BC",NULL}',
  ),
  list('intervals', 'interval[]', 'text', 'VARCHAR', '{"1 year",NULL}'),
  list('jsons', 'jsonb[]', 'text', 'VARCHAR', '{"{\\"a\\": [1, \\"b,c\\"]}","null",NULL}'),
  list('enums', 'feeling[]', 'text', 'VARCHAR', '{"so so",NULL}'),
  list('pairs', 'pair[]', 'text', 'VARCHAR', '{"(1,\\"a, b\\")",NULL}'),
  list('range_list', 'int4range[]', 'text', 'VARCHAR', '{"[1,3)",empty}'),
  list('prices', 'price[]', 'decimal', 'DECIMAL(12,4)', '{0.0001,NULL}'),
  list('lists', 'int_list[]', 'text', 'VARCHAR', '{"{1,2}","{}"}'),
  list('points', 'point[]', 'text', 'VARCHAR', '{"(1,2)","(3,4)"}'),
  list('labels', 'pub.citext[]', 'text', 'VARCHAR', '{A,b}'),
  // The text of an array of boxes separates by semicolons: it stays text as a whole.
  text('boxes', 'box[]', '{(2,2),(0,0);(1,1),(0,0)}'),
  { ...text('matrix', 'int[]', '{{1,2},{3,4}}', '[0:1]={1,2}', '{1}', '{}'), forced: 'text' },
]

/** All of them. */
export const TYPE_CASES: readonly TypeCase[] = [
  ...NUMBERS,
  ...TEXTS,
  ...WHENS,
  ...SHAPES,
  ...DOMAINS,
  ...LISTS,
]

/** Types of the user's own that the cases need. */
export const TYPES_SQL = `
  CREATE SCHEMA IF NOT EXISTS pub;
  CREATE EXTENSION IF NOT EXISTS citext SCHEMA pub;
  CREATE EXTENSION IF NOT EXISTS hstore SCHEMA pub;
  CREATE EXTENSION IF NOT EXISTS ltree SCHEMA pub;
  CREATE TYPE feeling AS ENUM ('so so', 'good, or "fine"');
  CREATE TYPE pair AS (n int, t text);
  CREATE DOMAIN price AS numeric(12,4) CHECK (VALUE > 0);
  CREATE DOMAIN net_price AS price;
  CREATE DOMAIN code AS char(4);
  CREATE DOMAIN int_list AS int[];
  CREATE DOMAIN a_day AS date;
  CREATE DOMAIN pair_domain AS pair;`

/** Number of rows that hold every value. */
export const ROW_COUNT = Math.max(...TYPE_CASES.map(({ values }) => values.length))

/** Value `index` of a case as a constant of its type. */
export function constant({ type, values }: TypeCase, index: number): string {
  const value = values[index]
  return value === undefined ? 'NULL' : `'${value.replaceAll("'", "''")}'::${type}`
}

/** Text of a column in Postgres that `canonical` takes. */
export function postgresText(canon: Canon, value: string): string {
  if (typeof canon === 'object') {
    const element = postgresText(canon.each, `(${value})[n]`)
    return `(CASE WHEN ${value} IS NULL THEN NULL ELSE (SELECT coalesce(
      json_agg(${element} ORDER BY n), '[]') FROM generate_subscripts(${value}, 1) n)::text END)`
  }
  switch (canon) {
    case 'bytes':
      return `encode(${value}, 'hex')`
    case 'date':
      return `(${value} - DATE '1970-01-01')::text`
    case 'timestamp':
      return `(extract(epoch FROM ${value}) * 1000000)::numeric(30,0)::text`
    default:
      return `(CASE WHEN ${value} IS NOT DISTINCT FROM NULL THEN NULL
        ELSE format('%s', ${value}) END)`
  }
}

/** Text of a column in DuckDB that `canonical` takes. */
export function duckText(canon: Canon, value: string): string {
  if (typeof canon === 'object') {
    return `to_json(list_transform(${value}, lambda e: ${duckText(canon.each, 'e')}))::VARCHAR`
  }
  switch (canon) {
    case 'bytes':
      return `lower(hex(${value}))`
    case 'date':
      return `date_diff('day', DATE '1970-01-01', ${value})::VARCHAR`
    case 'timestamp':
      return `epoch_us(${value})::VARCHAR`
    default:
      return `${value}::VARCHAR`
  }
}

/** One value of both engines, for `toEqual`. */
export function canonical(canon: Canon, value: unknown): unknown {
  if (value === null) return null
  const text = String(value)
  if (typeof canon === 'object') {
    return (JSON.parse(text) as unknown[]).map((element) => canonical(canon.each, element))
  }
  switch (canon) {
    case 'boolean':
      return text.startsWith('t')
    case 'real':
      return Math.fround(toNumber(text))
    case 'double':
      return toNumber(text)
    case 'decimal':
      return text
        .replace(/^(-?)\./, '$10.')
        .replace(/(\.\d*?)0*$/, '$1')
        .replace(/\.$/, '')
    default:
      return text
  }
}

function toNumber(text: string): number {
  const names: Readonly<Record<string, number>> = {
    nan: Number.NaN,
    inf: Number.POSITIVE_INFINITY,
    '-inf': Number.NEGATIVE_INFINITY,
  }
  return names[text.toLowerCase()] ?? Number(text)
}
