/** A Kafka cluster: its topics, the ends of their partitions, and ways to read them. */

import { isIP } from 'node:net'
import {
  apiVersionsV3,
  type Connection,
  type ConnectionOptions,
  ConnectionPool,
} from '@platformatic/kafka'
import type { Clock } from '../../src/contracts/index.ts'
import { SluiceError } from '../../src/model/index.ts'
import {
  type ClusterView,
  findTopic,
  type Isolation,
  listOffsets,
  type OffsetPlace,
  readView,
  type TopicInfo,
} from './cluster-view.ts'
import { kafkaError } from './errors.ts'
import { FETCH_KEY, FETCH_VERSION } from './fetch-api.ts'
import { createFetcher, type Fetcher, type FetcherOptions } from './fetcher.ts'
import type { TopicPartition } from './place.ts'

/** How a cluster is reached. */
export interface ClusterSettings {
  /** Told to the brokers, for their logs and quotas. */
  readonly clientId: string
  /** Any of them; the others are found through one that answers. */
  readonly brokers: readonly { readonly host: string; readonly port: number }[]
  /** Options of Node's TLS; unset is no TLS. */
  readonly tls?: ConnectionOptions['tls']
  /** PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER. */
  readonly sasl?: ConnectionOptions['sasl']
}

/** An open cluster. Every method throws SLU-SRC-1500 to 1503, 1509, 1510 and 1518. */
export interface Cluster extends AsyncDisposable {
  /** The topics in the order of their names; SLU-SRC-1503 when one is not there. */
  topics(names: readonly string[]): Promise<readonly TopicInfo[]>
  /** All topics that may be seen, those of Kafka itself left out. */
  allTopics(): Promise<readonly TopicInfo[]>
  /**
   * The offset of the place in each partition, in their order; null where no record has that
   * timestamp or a later one.
   */
  offsets(
    partitions: readonly TopicPartition[],
    place: OffsetPlace,
    isolation: Isolation,
  ): Promise<readonly (bigint | null)[]>
  /** Reads partitions, over connections of its own. */
  fetcher(options: FetcherOptions): Fetcher
}

const METADATA_KEY = 3
const METADATA_VERSION = 12
const LIST_OFFSETS_KEY = 2
const LIST_OFFSETS_VERSION = 7
const SOFTWARE = ['sluice', '0'] as const

/** Connects to the first broker that answers; SLU-SRC-1510 when it is older than Kafka 3.1. */
export async function openCluster(settings: ClusterSettings, clock: Clock): Promise<Cluster> {
  const pool = openConnections(settings)
  const connect = (): Promise<Connection> => pool.getFirstAvailable([...settings.brokers])
  const view = (names: readonly string[] | null): Promise<ClusterView> => readView(connect, names)
  try {
    const connection = await connect()
    await checkVersions(connection)
  } catch (error) {
    await pool.close()
    throw kafkaError(error, 'connecting to Kafka')
  }
  const offsets: Cluster['offsets'] = async (partitions, place, isolation) => {
    const names = [...new Set(partitions.map(({ topic }) => topic))]
    return listOffsets(pool, await view(names), { partitions, place, isolation })
  }
  return {
    topics: async (names) => {
      const { topics } = await view(names)
      return names.map((name) => findTopic(topics, name))
    },
    allTopics: async () => {
      const { topics } = await view(null)
      return topics
        .filter(({ isInternal }) => !isInternal)
        .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    },
    offsets,
    fetcher: (options) =>
      createFetcher(options, { clock, view, offsets, openPool: () => openConnections(settings) }),
    [Symbol.asyncDispose]: async () => {
      await pool.close()
    },
  }
}

function openConnections(settings: ClusterSettings): ConnectionPool {
  // What a broker behind a proxy is told apart by; an address is no name.
  const tlsServerName = settings.brokers.every(({ host }) => isIP(host) === 0)
  const pool = new ConnectionPool(settings.clientId, {
    ...(settings.tls === undefined ? {} : { tls: settings.tls, tlsServerName }),
    ...(settings.sasl === undefined ? {} : { sasl: settings.sasl }),
  })
  // Every error reaches its caller through the request; without a listener a second one that the
  // socket reports would end the process.
  pool.on('connecting', ({ connection }) => connection.on('error', () => {}))
  return pool
}

async function checkVersions(connection: Connection): Promise<void> {
  const { apiKeys } = await apiVersionsV3.api.async(connection, ...SOFTWARE)
  const needed = [
    ['Fetch', FETCH_KEY, FETCH_VERSION],
    ['Metadata', METADATA_KEY, METADATA_VERSION],
    ['ListOffsets', LIST_OFFSETS_KEY, LIST_OFFSETS_VERSION],
  ] as const
  for (const [name, key, version] of needed) {
    const known = apiKeys.find(({ apiKey }) => apiKey === key)
    if (known && known.minVersion <= version && version <= known.maxVersion) continue
    const range = known ? `versions ${known.minVersion} to ${known.maxVersion}` : 'no version'
    const message = `the broker knows ${range} of ${name}, and version ${version} is needed`
    throw new SluiceError('SLU-SRC-1510', { message })
  }
}
