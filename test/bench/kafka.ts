/**
 * Bench `kafka`: one topic of twelve partitions, 300-byte JSON values, uncompressed, read by
 * processes of their own one after the other. `limit` drains the answers without decoding them,
 * `consumer` is ours with checksums checked, columns filled and lines made, `kafkajs` its
 * `eachBatch`. Compared are records a second of CPU time: the machine may have other work.
 */

import { startBroker } from '../support/kafka/broker.ts'
import { makeTopic } from '../support/kafka/cluster.ts'
import { round } from './case-result.ts'
import { type JobEnd, runJob } from './jobs.ts'
import type { KafkaJob, KafkaRead } from './kafka-job.ts'

/** What to run. */
export interface KafkaRequest {
  readonly records: number
  readonly profileFolder: string | null
  readonly print: (line: string) => void
}

/** One line of the result. */
export interface KafkaResult {
  readonly case: string
  readonly records: number
  readonly seconds: number
  readonly recordsPerSecond: number
  readonly recordsPerCpuSecond: number
  readonly cpuSeconds: number
  readonly peakRssMb: number
  /** Records a CPU second against those of kafkajs. */
  readonly ratioToKafkajs?: number
  /** Records a CPU second against those of the limit. */
  readonly ratioToLimit?: number
  readonly wrong: readonly string[]
}

const PARTITIONS = 12

/** Fills the topic and reads it three times. */
export async function benchKafka(request: KafkaRequest): Promise<readonly KafkaResult[]> {
  const { print, profileFolder } = request
  await using broker = await startBroker()
  const { address } = broker
  const topic = 'orders'
  const records = Math.ceil(request.records / PARTITIONS) * PARTITIONS
  await makeTopic(address, topic, { partitions: PARTITIONS })
  const run = (work: KafkaJob['work']): Promise<JobEnd<KafkaRead>> => {
    print(`${work}: ${records} records`)
    const job = { kind: 'kafka', work, address, topic, partitions: PARTITIONS, records } as const
    return runJob(job, work === 'ours' ? profileFolder : null)
  }
  const filled = await run('fill')
  const limit = await run('raw')
  const ours = await run('ours')
  const kafkajs = await run('kafkajs')
  const bytes = filled.result.bytes
  const perCpu = (end: JobEnd<KafkaRead>): number => end.result.records / end.cost.cpuSeconds
  return [
    resultOf('limit', limit, { records, bytes: limit.result.bytes }),
    {
      ...resultOf('consumer', ours, { records, bytes }),
      ratioToKafkajs: round(perCpu(ours) / perCpu(kafkajs), 2),
      ratioToLimit: round(perCpu(ours) / perCpu(limit), 3),
    },
    resultOf('kafkajs', kafkajs, { records, bytes }),
  ]
}

function resultOf(name: string, end: JobEnd<KafkaRead>, expected: KafkaRead): KafkaResult {
  const { cost, result } = end
  const wrong = (['records', 'bytes'] as const)
    .filter((what) => result[what] !== expected[what])
    .map((what) => `${what}: ${result[what]}, not ${expected[what]}`)
  return {
    case: name,
    records: result.records,
    seconds: round(cost.elapsedMs / 1000, 2),
    recordsPerSecond: Math.round(result.records / (cost.elapsedMs / 1000)),
    recordsPerCpuSecond: Math.round(result.records / cost.cpuSeconds),
    cpuSeconds: round(cost.cpuSeconds, 2),
    peakRssMb: Math.round(cost.peakRssMb),
    wrong,
  }
}

/** The results for people. */
export function kafkaLines(results: readonly KafkaResult[]): readonly string[] {
  return results.map((result) => {
    const ratios = [
      result.ratioToKafkajs === undefined ? '' : `× ${result.ratioToKafkajs} of kafkajs`,
      result.ratioToLimit === undefined ? '' : `× ${result.ratioToLimit} of the limit`,
    ]
    const parts = [
      result.case.padEnd(8),
      `${result.recordsPerCpuSecond} records a CPU second,`,
      `${result.recordsPerSecond} a second, ${result.peakRssMb} MB`,
      ...ratios,
      ...result.wrong.map((wrong) => `WRONG: ${wrong}`),
    ]
    return parts.filter((part) => part !== '').join(' ')
  })
}
