/** What is wrong with a record, in words: which file, which line, and how to go on. */

import { type ErrorCode, SluiceError } from '../../src/model/index.ts'
import type { TextShape } from './file-format.ts'
import type { FolderPlace } from './place.ts'
import type { RecordProblem } from './records.ts'

const CODES = {
  'not-utf8': 'SLU-SRC-1405',
  'too-long': 'SLU-SRC-1406',
  'not-an-object': 'SLU-SRC-1407',
  'too-deep': 'SLU-SRC-1412',
  ragged: 'SLU-SRC-1410',
  'bad-quote': 'SLU-SRC-1410',
  'bad-line-end': 'SLU-SRC-1410',
  'open-quote': 'SLU-SRC-1410',
  'no-rows': 'SLU-SRC-1420',
} as const satisfies Readonly<Record<RecordProblem, ErrorCode>>

const WORDS = {
  'not-utf8': 'is not valid UTF-8',
  'too-long': 'is longer than 16 MiB',
  'not-an-object': 'is not a JSON object',
  'too-deep': 'has arrays and objects that stand in each other more than 10,000 times',
  ragged: 'has another number of fields',
  'bad-quote': 'has a quote that does not enclose a field',
  'bad-line-end': 'has a carriage return that no line feed follows',
  'open-quote': 'opens a quote that is never closed',
  'no-rows': 'is no record of Debezium that can be read',
} as const satisfies Readonly<Record<RecordProblem, string>>

/** The error of the record at `place`. */
export function badRecord(
  problem: RecordProblem,
  place: FolderPlace,
  { csv }: Pick<TextShape, 'csv'>,
  reason?: string,
): SluiceError {
  const line = place.lineCount + 1
  const wanted = problem === 'ragged' ? ` than the ${csv?.fields.length} of the header` : ''
  const hint =
    problem === 'too-long' && csv !== undefined ? '; perhaps a quote in it is never closed' : ''
  const because = reason === undefined ? '' : `: ${reason}`
  return new SluiceError(CODES[problem], {
    message: `Line ${line} of ${place.file} ${WORDS[problem]}${wanted}${hint}${because}.`,
    context: { file: place.file, line, fileOffsetBytes: place.fileOffsetBytes },
  })
}
