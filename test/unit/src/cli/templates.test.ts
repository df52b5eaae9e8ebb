import fc from 'fast-check'
import { expect, test } from 'vitest'
import { filesTemplate, postgresTemplate } from '../../../../src/cli/templates.ts'
import { sourceSpecs } from '../../../../src/compose.ts'
import { checkConfigText } from '../../../../src/config/index.ts'

const specs = await sourceSpecs()
const variables = { env: () => null, file: () => null }
const check = (text: string) => checkConfigText('sluice.yaml', text, specs, { variables })

const part = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
const quoted = (name: string): string =>
  /[."*]|^!/.test(name) ? `"${name.replaceAll('"', '""')}"` : name

test('a database with tables of any name makes a valid configuration', () => {
  const names = fc.tuple(part, part).map(([schema, table]) => `${quoted(schema)}.${quoted(table)}`)
  const streams = fc.uniqueArray(names, { minLength: 1, maxLength: 8 })
  fc.assert(
    fc.property(streams, (list) => {
      const text = postgresTemplate({
        name: 'shop',
        url: 'postgres://me@db.invalid/shop',
        streams: list.map((stream, index) => ({ stream, key: index % 2 === 0 ? ['id'] : [] })),
      })
      const result = check(text)
      expect(result.kind).toBe('valid')
      if (result.kind !== 'valid') return
      expect(result.config.pipelines[0]?.targets.map(({ stream }) => stream)).toEqual(list)
    }),
  )
})

test('a folder of any name and any key makes a valid configuration', () => {
  fc.assert(
    fc.property(part, fc.uniqueArray(part, { maxLength: 3 }), (path, key) => {
      const result = check(filesTemplate({ name: 'shop', path, stream: 'orders', key }))
      expect(result.kind).toBe('valid')
      if (result.kind !== 'valid') return
      expect(result.config.sources[0]?.settings).toMatchObject({ path })
      expect(result.config.pipelines[0]?.targets[0]?.key ?? []).toEqual(key)
    }),
  )
})
