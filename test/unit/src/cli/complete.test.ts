import { expect, test } from 'vitest'
import { completeWords } from '../../../../src/cli/complete.ts'
import { ERROR_CODES } from '../../../../src/model/index.ts'

/** Words for a line whose last word is in question; `config`: what names were asked of. */
async function complete(
  ...words: readonly string[]
): Promise<{ readonly words: readonly string[]; readonly config: string | null | undefined }> {
  let asked: string | null | undefined
  const found = await completeWords(words, (config) => {
    asked = config
    return Promise.resolve({
      pipelines: ['shop', 'log'],
      tables: ['orders', 'shop.items'],
      sources: ['landing', 'shop'],
    })
  })
  return { words: found.map(([word]) => word), config: asked }
}
const wordsOf = async (...words: readonly string[]) => (await complete(...words)).words

test('completes commands by what is there of them', async () => {
  expect(await wordsOf('ti')).toEqual(['timeline'])
  expect(await wordsOf('-q', 'expl')).toEqual(['explain'])
  expect((await wordsOf('')).length).toBeGreaterThan(20)
})

test('completes names of tables and pipelines where one is wanted', async () => {
  expect(await wordsOf('show', '')).toEqual(['orders', 'shop.items'])
  expect(await wordsOf('run', 's')).toEqual(['shop'])
  expect(await wordsOf('timeline', '--limit', '5', 'o')).toEqual(['orders'])
  expect(await wordsOf('resync', 'orders', 's')).toEqual(['shop.items'])
  expect(await wordsOf('show', 'orders', '')).toEqual([])
  expect(await wordsOf('source', 'p')).toEqual(['peek'])
  expect(await wordsOf('source', 'peek', '')).toEqual(['landing', 'shop'])
  expect(await wordsOf('dlq', '')).toEqual(['ls', 'show', 'purge'])
})

test('asks the configuration that the line names, and none when no name is wanted', async () => {
  expect((await complete('-c', 'other.yaml', 'show', '')).config).toBe('other.yaml')
  expect((await complete('--config=other.yaml', 'show', '')).config).toBe('other.yaml')
  expect((await complete('show', '')).config).toBeNull()
  expect((await complete('show', '--')).config).toBeUndefined()
})

test('completes options of the command and of all commands', async () => {
  expect(await wordsOf('changes', '--fo')).toEqual(['--follow'])
  expect(await wordsOf('changes', '--js')).toEqual(['--json'])
  expect(await wordsOf('run', '--', '--')).toEqual([])
})

test('completes values of options that are a choice, and leaves paths to the shell', async () => {
  expect(await wordsOf('sql', '--format', '')).toEqual(['table', 'json', 'csv'])
  expect(await wordsOf('-c', '')).toEqual([])
  expect(await wordsOf('timeline', '--limit', '')).toEqual([])
  expect(await wordsOf('validate', '')).toEqual([])
})

test('completes every error code, templates and shells', async () => {
  expect(await wordsOf('explain', '')).toEqual(Object.keys(ERROR_CODES))
  expect(await wordsOf('init', '')).toEqual(['postgres', 'files'])
  expect(await wordsOf('completion', 'z')).toEqual(['zsh'])
})
