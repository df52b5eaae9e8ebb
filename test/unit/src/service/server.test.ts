import { expect, it } from 'vitest'
import { createMetrics } from '../../../../src/observe/index.ts'
import { type ServiceFacts, startService } from '../../../../src/service/index.ts'

const facts: ServiceFacts = {
  metrics: createMetrics(),
  statuses: () => [],
  pipelines: [],
  version: '1.2.3',
  usage: () => ({ residentBytes: 5, cpuSeconds: 6, startedAtSeconds: 7 }),
}

it('answers over HTTP, and no more once it is closed', async () => {
  const service = await startService({ host: '127.0.0.1', port: 0 }, facts)
  const live = await fetch(`${service.url}/livez`)
  expect([live.status, await live.text()]).toEqual([200, 'ok\n'])
  const metrics = await fetch(`${service.url}/metrics`)
  expect(metrics.headers.get('content-type')).toBe('text/plain; version=0.0.4; charset=utf-8')
  expect(await metrics.text()).toContain('sluice_build_info{')
  const head = await fetch(`${service.url}/metrics`, { method: 'HEAD' })
  expect([head.status, await head.text()]).toEqual([200, ''])
  const wrong = await fetch(`${service.url}/livez`, { method: 'POST', body: 'x'.repeat(100_000) })
  expect([wrong.status, wrong.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
  await service[Symbol.asyncDispose]()
  await expect(fetch(`${service.url}/livez`)).rejects.toThrow('fetch failed')
})

it('says why it cannot listen', async () => {
  await using service = await startService({ host: '127.0.0.1', port: 0 }, facts)
  const port = Number(new URL(service.url).port)
  await expect(startService({ host: '127.0.0.1', port }, facts)).rejects.toMatchObject({
    code: 'SLU-SVC-7101',
    message: `cannot listen on 127.0.0.1:${port}: another process has this port`,
  })
  await expect(startService({ host: '192.0.2.1', port: 0 }, facts)).rejects.toMatchObject({
    code: 'SLU-SVC-7101',
  })
})
