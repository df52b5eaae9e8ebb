import { describe, expect, it } from 'vitest'
import { readVitestReport, summaryLines, type VitestReport } from '../../../support/report.ts'

const test = (fullName: string, status: string, failure?: string) => ({
  fullName,
  status,
  failureMessages: failure === undefined ? [] : [failure],
})

const report: VitestReport = {
  testResults: [
    {
      name: 'test/a.test.ts',
      status: 'failed',
      assertionResults: [
        test('keeps rows', 'passed'),
        test('loses none', 'failed', 'Error: 3 rows are gone'),
        test('asks the engine', 'skipped'),
      ],
    },
  ],
}

describe('the report of a run', () => {
  it('counts, shows each failure with its message, and ends with the one line', () => {
    const result = readVitestReport('fast', report, false)
    const lines = summaryLines([result], ['conformance because deltalake is not there'])
    expect(lines).toEqual([
      'failure 1: test/a.test.ts › loses none\n    Error: 3 rows are gone',
      '',
      'not run: conformance because deltalake is not there',
      'not run: test/a.test.ts › asks the engine',
      '1 passed, 1 failed, 1 skipped',
    ])
  })

  it('makes a skipped test a failure when everything is required', () => {
    const result = readVitestReport('fast', report, true)
    expect(summaryLines([result], []).at(-1)).toBe('1 passed, 2 failed, 0 skipped')
  })

  it('counts a file that did not load as a failure', () => {
    const broken: VitestReport = {
      testResults: [
        {
          name: 'test/b.test.ts',
          status: 'failed',
          message: 'no such module',
          assertionResults: [],
        },
      ],
    }
    const result = readVitestReport('fast', broken, false)
    expect(result.failures).toEqual(['test/b.test.ts › the file did not load\n    no such module'])
  })

  it('leaves out stack frames of the test runner', () => {
    const frames = 'Error: x\n    at f (src/a.ts:1:1)\n    at g (node_modules/vitest/x.js:1:1)'
    const result = readVitestReport(
      'fast',
      {
        testResults: [
          { name: 't.ts', status: 'failed', assertionResults: [test('n', 'failed', frames)] },
        ],
      },
      false,
    )
    expect(result.failures[0]).toContain('src/a.ts')
    expect(result.failures[0]).not.toContain('node_modules')
  })
})
