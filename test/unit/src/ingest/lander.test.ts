import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { BlockPart } from '../../../../src/contracts/index.ts'
import { createBatchSpool } from '../../../../src/ingest/lander.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'lander-'))
})
afterAll(() => rm(folder, { recursive: true }))

function part(format: BlockPart['format'], firstPosition: bigint, lines: string[]): BlockPart {
  return {
    schema: { stream: 's', schemaId: 1, key: [], columns: [] },
    format,
    bytes: Buffer.from(lines.map((line) => `${line}\n`).join('')),
    recordCount: lines.length,
    firstPosition,
    partialCount: 0,
  }
}

async function land(batch: bigint, parts: readonly BlockPart[]) {
  const spool = createBatchSpool(folder, batch)
  for (const each of parts) await spool.append(each, 0)
  const segments = (await spool.seal()).get('s') ?? []
  const landed = await Promise.all(
    segments.map(async ({ path, firstPosition, recordCount }) => ({
      firstPosition,
      recordCount,
      text: await readFile(path, 'utf8'),
    })),
  )
  await spool.discard()
  return landed
}

describe('landing', () => {
  it('keeps JSON lines in one file only while their positions follow each other', async () => {
    const first = part('json-lines', 5n, ['{"a":1}', '{"a":2}'])
    const next = part('json-lines', 7n, ['{"a":3}'])
    const afterGap = part('json-lines', 9n, ['{"a":4}'])
    expect(await land(1n, [first, next, afterGap])).toEqual([
      { firstPosition: 5n, recordCount: 3, text: '{"a":1}\n{"a":2}\n{"a":3}\n' },
      { firstPosition: 9n, recordCount: 1, text: '{"a":4}\n' },
    ])
  })

  it('keeps lines that carry their positions in one file', async () => {
    const parts = [part('copy-text', 5n, ['i\t5']), part('copy-text', 90n, ['i\t90'])]
    expect(await land(2n, parts)).toMatchObject([{ firstPosition: 5n, recordCount: 2 }])
  })
})
