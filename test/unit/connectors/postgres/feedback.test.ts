import { describe, expect, it } from 'vitest'
import { encodeStatus, Feedback, statusInterval } from '../../../../connectors/postgres/feedback.ts'

describe('feedback', () => {
  it('never passes what was acknowledged nor what was handed over', () => {
    const feedback = new Feedback(100n)
    feedback.noteYielded(200n)
    expect(feedback.flushed).toBe(100n)
    feedback.acknowledge(150n)
    expect(feedback.flushed).toBe(150n)
    feedback.acknowledge(300n)
    expect(feedback.flushed).toBe(200n)
    feedback.acknowledge(120n)
    expect(feedback.flushed).toBe(200n)
    feedback.noteYielded(400n)
    expect(feedback.flushed).toBe(300n)
  })

  it('reports one position as written, flushed and applied', () => {
    const message = encodeStatus(0x16b374d848n, 946_684_800_000 + 5, true)
    expect(message.subarray(0, 1).toString()).toBe('r')
    for (const at of [1, 9, 17]) expect(message.readBigUInt64BE(at)).toBe(0x16b374d848n)
    expect(message.readBigInt64BE(25)).toBe(5000n)
    expect(message[33]).toBe(1)
    expect(message).toHaveLength(34)
  })

  it('is sent well before the server loses patience', () => {
    expect(statusInterval(10_000, 60_000)).toBe(10_000)
    expect(statusInterval(10_000, 2000)).toBe(500)
    expect(statusInterval(10_000, 0)).toBe(10_000)
  })
})
