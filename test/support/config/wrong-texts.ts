/** Configurations that are no YAML, or YAML that nobody should write. */

import { GOOD, replaced, type WrongFile } from './good-configuration.ts'

/** Each with all that is told about it. */
export const WRONG_TEXTS: readonly WrongFile[] = [
  ['empty file', '', 'SLU-CFG-1001 1:1 |`apiVersion: v1`'],
  ['only a comment', '# nothing\n', 'SLU-CFG-1001 1:1 |`apiVersion: v1`'],
  ['only a document marker', '---\n', 'SLU-CFG-1001 1:4 |`apiVersion: v1`'],
  ['a list', '- a\n', 'SLU-CFG-1001 1:1 |`apiVersion: v1`'],
  ['plain text', 'hello\n', 'SLU-CFG-1001 1:1 |`apiVersion: v1`'],
  ['tab indent', 'apiVersion: v1\nstore:\n\turl: ./lake\n', 'SLU-CFG-1001 3:1 |indent with spaces'],
  [
    'bad indent',
    'apiVersion: v1\nstore:\n  url: ./lake\n name: x\n',
    'SLU-CFG-1001 4:1 |close what was opened before, and let setting',
  ],
  [
    'unclosed brace',
    replaced('{ url: ./lake }', '{ url: ./lake'),
    'SLU-CFG-1001 3:1 |close what was opened before, and let setting',
  ],
  [
    'unclosed quote',
    replaced('./lake', '"./lake'),
    'SLU-CFG-1001 12:1 |close the quote or bracket that was opened at',
  ],
  ['colon missing', replaced('apiVersion: v1', 'apiVersion v1'), 'SLU-CFG-1001 1:1 |`name: value`'],
  [
    'two documents',
    GOOD + '---\n' + GOOD,
    'SLU-CFG-1001 12:1 |put the parts into several files of one folde',
  ],
  ['duplicate key', replaced('store:', 'store: { url: x }\nstore:'), 'SLU-CFG-1001 3:1 |`store`'],
  ['duplicate source', replaced('  in:', '  pg:'), 'SLU-CFG-1001 6:3 |`pg`'],
  [
    'undefined alias',
    replaced('./lake', '*lake'),
    'SLU-CFG-1001 2:15 store.url|write &lake where the value is, or quotes whe',
  ],
  [
    'alias bomb',
    Array.from(
      { length: 30 },
      (_, l) =>
        `a${l}: &a${l} [${Array(10)
          .fill(l === 0 ? 'x' : `*a${l - 1}`)
          .join(', ')}]`,
    ).join('\n') + '\n',
    'SLU-CFG-1001 1:1 a4[7][0][7][0][9]|use fewer aliases',
  ],
  ['recursive alias', 'a: &a [*a]\n', 'SLU-CFG-1001 1:8 a[0][0]|write the value out'],
  [
    'merge key',
    replaced('store: { url: ./lake }', 'x: &x { url: ./lake }\nstore: { <<: *x }'),
    'SLU-CFG-1001 3:10 store|`defaults`',
  ],
  [
    'mapping as a key',
    replaced('store:', '? { a: b }\n: c\nstore:'),
    'SLU-CFG-1001 2:3 |`name: value`',
  ],
  [
    'unquoted variable in braces',
    replaced('postgres://u@h/d', '${URL}'),
    'SLU-CFG-1001 5:23 |inside [ ] and { } a variable needs quotes: "',
  ],
  [
    'custom tag',
    replaced('./lake', '!secret lake'),
    'SLU-CFG-1001 2:15 |remove the word that begins with !; ${NAME} a',
  ],
  [
    'bom utf8 then error',
    '\ufeff' + replaced('from: pg', 'from: pgg'),
    'SLU-CFG-1004 10:11 pipelines[0].from|"pg"',
  ],
  ['utf-16', Buffer.from('\ufeff' + GOOD, 'utf16le'), 'SLU-CFG-1001 1:1 |save the file as UTF-8'],
  [
    'binary',
    Buffer.from([0x7f, 0x45, 0x4c, 0x46, 0, 1, 2, 0xff, 0xfe]),
    'SLU-CFG-1001 1:8 |save the file as UTF-8',
  ],
  [
    'nul byte',
    replaced('./lake', './la\0ke'),
    'SLU-CFG-1001 2:19 |remove it: this may not be a text file',
  ],
  [
    'latin1',
    Buffer.from(replaced('./lake', './läke'), 'latin1'),
    'SLU-CFG-1001 2:18 |save the file as UTF-8',
  ],
  [
    'control chars',
    replaced('./lake', './la\u0007ke'),
    'SLU-CFG-1001 2:19 |remove it: this may not be a text file',
  ],
  [
    'crlf error',
    replaced('from: pg', 'from: pgg').replaceAll('\n', '\r\n'),
    'SLU-CFG-1004 10:11 pipelines[0].from|"pg"',
  ],
  ['huge', `# ${'x'.repeat(5 * 1024 * 1024)}\n`, 'SLU-CFG-1001 1:1 |check the path'],
  [
    'deep nesting',
    'a: ' + '['.repeat(5000) + ']'.repeat(5000) + '\n',
    'SLU-CFG-1001 1:1 |nest values less deep',
  ],
]
