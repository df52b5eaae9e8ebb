import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { eachMessage, TransactionSpool } from '../../../../connectors/postgres/transaction-spool.ts'

let folder: string

beforeEach(() => {
  folder = mkdtempSync(path.join(tmpdir(), 'sluice-spool-'))
})

afterEach(() => rmSync(folder, { recursive: true, force: true }))

/** A message inside a run: its type, the (sub)transaction, and something. */
function message(type: string, subxid: number, text: string): Buffer {
  const xid = Buffer.alloc(4)
  xid.writeUInt32BE(subxid)
  return Buffer.concat([Buffer.from(type), xid, Buffer.from(text)])
}

function put(spool: TransactionSpool, xid: number, ...messages: readonly Buffer[]): void {
  spool.beginRun(xid)
  for (const one of messages) {
    // Somewhere inside a larger chunk, as the socket delivers it.
    const chunk = Buffer.concat([Buffer.from('before'), one, Buffer.from('after')])
    spool.append(chunk, 6, 6 + one.length)
  }
  spool.endRun()
}

function commitMessage(xid: number): Buffer {
  const bytes = Buffer.alloc(30)
  bytes[0] = 0x63
  bytes.writeUInt32BE(xid, 1)
  bytes.writeBigUInt64BE(1000n, 6)
  bytes.writeBigUInt64BE(1010n, 14)
  bytes.writeBigInt64BE(77n, 22)
  return bytes
}

/** The messages of a committed transaction as text; it leaves the spool. */
async function take(spool: TransactionSpool, xid: number): Promise<string[]> {
  await using transaction = spool.commit(commitMessage(xid), 0, 30)
  const texts: string[] = []
  for await (const run of transaction.runs()) {
    eachMessage(run, (start, end) => texts.push(run.toString('latin1', start, end)))
  }
  return texts
}

describe('the spool of transactions in progress', () => {
  it('gives back the messages of each transaction in order, without their xid', async () => {
    const spool = new TransactionSpool(folder, 1e9)
    put(spool, 1, message('R', 1, 'shape'), message('I', 1, 'one'))
    put(spool, 2, message('I', 2, 'other'))
    put(spool, 1, message('O', 0, 'origin'), message('U', 3, 'two'))
    expect(await take(spool, 1)).toEqual(['Rshape', 'Ione', 'Utwo'])
    expect(await take(spool, 2)).toEqual(['Iother'])
    expect(await take(spool, 9), 'one of which nothing was sent').toEqual([])
    expect(spool.spooledBytes).toBe(0)
    expect(readdirSync(folder)).toEqual([])
  })

  it('makes the begin and the commit that a transaction sent at once would have', () => {
    const spool = new TransactionSpool(folder, 1e9)
    const { begin, commit } = spool.commit(commitMessage(5), 0, 30)
    expect([begin[0], begin.readBigUInt64BE(1), begin.readBigInt64BE(9)]).toEqual([66, 1000n, 77n])
    expect([begin.readUInt32BE(17), begin.length]).toEqual([5, 21])
    expect([commit[0], commit.readBigUInt64BE(2), commit.length]).toEqual([67, 1000n, 26])
    expect([commit.readBigUInt64BE(10), commit.readBigInt64BE(18)]).toEqual([1010n, 77n])
  })

  it('drops what is rolled back and all that came inside it, but no shape of a table', async () => {
    const spool = new TransactionSpool(folder, 1e9)
    put(spool, 1, message('I', 1, 'keep'), message('I', 2, 'gone'), message('R', 2, 'shape'))
    put(spool, 1, message('I', 3, 'gone too'), message('R', 3, 'second'))
    spool.abort(1, 7)
    spool.abort(1, 2)
    spool.abort(1, 3)
    put(spool, 1, message('I', 1, 'later'), message('I', 4, 'last'))
    spool.abort(1, 4)
    put(spool, 2, message('I', 2, 'never'))
    spool.abort(2, 2)
    expect(await take(spool, 1)).toEqual(['Ikeep', 'Rshape', 'Rsecond', 'Ilater'])
    expect(await take(spool, 2)).toEqual([])
    expect(spool.spooledBytes).toBe(0)
  })

  it('keeps messages that are larger than its buffers, and many small ones', async () => {
    const spool = new TransactionSpool(folder, 1e9)
    const large = 'x'.repeat(3_500_000)
    const small = Array.from({ length: 60_000 }, (_, index) => message('I', 1, `row ${index}`))
    put(spool, 1, message('I', 1, 'first'), message('I', 1, large), ...small)
    const texts = await take(spool, 1)
    expect(texts.length).toBe(60_002)
    expect(texts[1]?.length).toBe(large.length + 1)
    expect([texts[0], texts[2], texts.at(-1)]).toEqual(['Ifirst', 'Irow 0', 'Irow 59999'])
  })

  it('refuses more than it may keep, and what cannot be', () => {
    const spool = new TransactionSpool(folder, 100)
    const refused = (): void => put(spool, 1, message('I', 1, 'x'.repeat(200)))
    expect(refused).toThrow(expect.objectContaining({ code: 'SLU-SRC-1224' }))
    spool.close()
    expect(readdirSync(folder)).toEqual([])
    const malformed = expect.objectContaining({ code: 'SLU-SRC-1220' })
    expect(() => spool.endRun()).toThrow(malformed)
    expect(() => spool.commit(commitMessage(1), 0, 20)).toThrow(malformed)
    spool.beginRun(1)
    expect(() => spool.beginRun(2)).toThrow(malformed)
    expect(() => spool.abort(1, 1)).toThrow(malformed)
    expect(() => spool.append(Buffer.from('I12'), 0, 3)).toThrow(malformed)
    spool.close()
  })

  it('says so when the folder cannot hold a transaction', () => {
    const spool = new TransactionSpool(path.join(folder, 'missing'), 1e9)
    expect(() => spool.beginRun(1)).toThrow(expect.objectContaining({ code: 'SLU-SRC-1225' }))
  })
})
