import { describe, expect, it } from 'vitest'
import type { StreamSelection, TargetTemplate } from '../../../../src/contracts/index.ts'
import { chooseTargets, targetOf } from '../../../../src/ingest/choose-streams.ts'
import { upsertTarget } from '../../../support/pipeline-settings.ts'

const { stream: _, table: __, root: ___, ...rest } = upsertTarget('any')
const template: TargetTemplate = { ...rest, table: null }

function selection(changes: Partial<StreamSelection> = {}): StreamSelection {
  return {
    patterns: ['public.*'],
    namespace: null,
    namesSchema: false,
    template,
    overrides: new Map(),
    ...changes,
  }
}

describe('what chosen streams become', () => {
  it('names tables after the stream, with its schema where patterns reach several', () => {
    const name = (changes: Partial<StreamSelection>): string =>
      targetOf(selection(changes), 'public.orders').table
    expect(name({})).toBe('orders')
    expect(name({ namesSchema: true })).toBe('public.orders')
    expect(name({ namesSchema: true, namespace: 'lake' })).toBe('lake.public.orders')
    expect(name({ overrides: new Map([['public.orders', { ...template, table: 'mine' }]]) })).toBe(
      'mine',
    )
  })

  it('refuses what would meet in one folder, the later one, and names that cannot be', () => {
    const streams = ['public.a', 'public.A', 'public."x.y"', 'public.höhe', 'public.b', 'public.c']
    const { targets, refused } = chooseTargets(selection(), streams, [
      upsertTarget('public.other', { table: 'b', root: 'b/inner' }),
    ])
    expect(targets.map(({ stream }) => stream)).toEqual(['public.a', 'public.c'])
    expect(refused.map(({ stream, code }) => [stream, code])).toEqual(
      ['public.A', 'public."x.y"', 'public.höhe', 'public.b'].map((one) => [one, 'SLU-ING-4016']),
    )
  })

  it('takes a name with a dot where it is given one', () => {
    const overrides = new Map([['public."x.y"', { ...template, table: 'shop.x' }]])
    expect(targetOf(selection({ overrides }), 'public."x.y"')).toMatchObject({ root: 'shop/x' })
  })
})
