/** Our way into the cluster of a test broker, and topics made in it. */

import { Admin } from '@platformatic/kafka'
import {
  type Cluster,
  type ClusterSettings,
  openCluster,
  type TopicInfo,
} from '../../../connectors/kafka/wire.ts'
import { createSystemClock } from '../../../src/observe/index.ts'

/** Host and port of `host:port`. */
export function brokerAt(address: string): { readonly host: string; readonly port: number } {
  const [host, port] = address.split(':') as [string, string]
  return { host, port: Number(port) }
}

/** Opens the cluster that an address leads to. */
export function connect(address: string, more: Partial<ClusterSettings> = {}): Promise<Cluster> {
  const settings = { clientId: 'test', brokers: [brokerAt(address)], ...more }
  return openCluster(settings, createSystemClock())
}

/** Makes a topic and tells of it once it has leaders. */
export async function makeTopic(
  address: string,
  topic: string,
  more: { readonly partitions?: number; readonly configs?: Readonly<Record<string, string>> } = {},
): Promise<TopicInfo> {
  const admin = new Admin({ clientId: 'test', bootstrapBrokers: [address] })
  // Retention runs twice a second here, and takes records whose times are long ago.
  const wanted = { 'retention.ms': '-1', ...more.configs }
  const configs = Object.entries(wanted).map(([name, value]) => ({ name, value }))
  await admin.createTopics({ topics: [topic], partitions: more.partitions ?? 1, configs })
  await admin.close()
  return describeTopic(address, topic)
}

/** The topic as the cluster has it. */
export async function describeTopic(address: string, name: string): Promise<TopicInfo> {
  await using cluster = await connect(address)
  const [topic] = await cluster.topics([name])
  return topic as TopicInfo
}
