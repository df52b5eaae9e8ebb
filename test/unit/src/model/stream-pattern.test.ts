import { describe, expect, it } from 'vitest'
import {
  matchesPatterns,
  parseStreamPattern,
  type StreamPattern,
  streamParts,
} from '../../../../src/model/index.ts'

const patterns = (...texts: string[]): StreamPattern[] =>
  texts.map((text) => parseStreamPattern(text) as StreamPattern)

describe('patterns of streams', () => {
  it.each([
    ['public.*', 'public.orders', true],
    ['public.*', 'sales.orders', false],
    ['*.orders', 'sales.orders', true],
    ['sales.order_*', 'sales.order_items', true],
    ['sales.order_*', 'sales.orders', false],
    ['*.*_2*_x', 'public.a_2024_x', true],
    ['*.*_2*_x', 'public.a_2_x', true],
    ['*.*_2*_x', 'public.a_x', false],
    ['public.a*a', 'public.a', false],
    ['public.a*a', 'public.aa', true],
    ['public.*ab*', 'public.xaby', true],
    ['public.Orders', 'public.orders', false],
    ['public."a*"', 'public."a*"', true],
    ['public."a*"', 'public.ab', false],
    ['public.*', 'public."a.b"', true],
    ['public.a*', 'public."a.b"', true],
    ['public."say ""hi"""', 'public."say ""hi"""', true],
    ['public.*', 'public.a.b', false],
    ['public.(a|b)', 'public.a', false],
  ])('%s against %s: %s', (pattern, stream, expected) => {
    expect(matchesPatterns(patterns(pattern), stream)).toBe(expected)
  })

  it('takes away what any exclusion matches, wherever it stands', () => {
    const list = patterns('!public.tmp_*', 'public.*', 'sales.*')
    expect(matchesPatterns(list, 'public.orders')).toBe(true)
    expect(matchesPatterns(list, 'public.tmp_load')).toBe(false)
    expect(matchesPatterns(list, 'sales.tmp_load')).toBe(true)
  })

  it.each(['', '.', 'a.', '.a', 'a..b', 'a."b', 'a."b"c', 'a"b"', '!'])(
    'refuses %s, which is not made of parts',
    (text) => {
      expect(parseStreamPattern(text)).toBeNull()
    },
  )

  it('tells names from patterns, and takes quotes off', () => {
    expect(parseStreamPattern('public.orders')).toMatchObject({ isName: true, excludes: false })
    expect(parseStreamPattern('!public."*"')).toMatchObject({ isName: true, excludes: true })
    expect(parseStreamPattern('public.*')).toMatchObject({ isName: false })
    expect(streamParts('public."a.""b"')).toEqual(['public', 'a."b'])
  })
})
