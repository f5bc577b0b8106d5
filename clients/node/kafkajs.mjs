// The story for kafkajs. Gzip is its own; the other codecs come through its codec interface, as its manual says.

import { randomUUID } from 'node:crypto'
import { createRequire } from 'node:module'
import * as zstd from '@bokuweb/zstd-wasm'
import { lz4Compress, lz4Decompress } from '@platformatic/wasm-utils'
import kafkajs from 'kafkajs'
import snappy from 'kafkajs-snappy'
import { BOOTSTRAP, Inbox, tell, until } from './story.mjs'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, Partitioners } = kafkajs
const { version } = createRequire(import.meta.url)('kafkajs/package.json')

const codec = (compress, decompress) => () => ({
  compress: async encoder => Buffer.from(compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(decompress(buffer))
})

await zstd.init()
CompressionCodecs[CompressionTypes.Snappy] = snappy
CompressionCodecs[CompressionTypes.LZ4] = codec(lz4Compress, lz4Decompress)
CompressionCodecs[CompressionTypes.ZSTD] = codec(zstd.compress, zstd.decompress)

const CODECS = {
  none: CompressionTypes.None,
  gzip: CompressionTypes.GZIP,
  snappy: CompressionTypes.Snappy,
  lz4: CompressionTypes.LZ4,
  zstd: CompressionTypes.ZSTD
}

// Its own console logger writes to stdout, where the story is told.
const logCreator = () => ({ namespace, log }) => console.error(namespace, log.message, log.error ?? '')

function client (clientId) {
  return new Kafka({ clientId, brokers: [BOOTSTRAP], logCreator, retry: { retries: 30, initialRetryTime: 100, maxRetryTime: 1000 } })
}

const kafka = client('story')
const admin = kafka.admin()
await admin.connect()

async function producer (name) {
  const made = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner, idempotent: true, maxInFlightRequests: 1, allowAutoTopicCreation: false
  })
  await made.connect()
  return {
    async send (topic, records) {
      const messages = records.map(({ key, value, headers, timestamp }) => ({
        key, value, headers: grouped(headers), timestamp: timestamp === undefined ? undefined : String(timestamp)
      }))
      const places = await made.send({ topic, messages, acks: -1, compression: CODECS[name] })
      return places.map(({ partition, baseOffset }) => ({ partition, offset: Number(baseOffset) }))
    },
    close: () => made.disconnect()
  }
}

/** The library takes headers as an object: a name's values as an array, names in order of appearance. */
function grouped (headers) {
  const object = {}
  for (const [name, bytes] of headers) (object[name] ??= []).push(bytes)
  return object
}

function ungrouped (headers) {
  return Object.entries(headers).flatMap(([name, values]) => [values].flat().map(bytes => [name, bytes]))
}

async function member (group, topic, clientId) {
  const inbox = new Inbox()
  const consumer = client(clientId).consumer({
    groupId: group, sessionTimeout: 10_000, heartbeatInterval: 500, maxBytesPerPartition: 2_000_000, maxWaitTimeInMs: 200
  })
  let held = 0
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => { held = (payload.memberAssignment[topic] ?? []).length })
  consumer.on(consumer.events.CRASH, ({ payload }) => inbox.fail(payload.error))
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({
    autoCommit: false,
    eachBatch: async ({ batch }) => batch.messages.forEach(message => inbox.push({
      key: message.key,
      value: message.value,
      headers: ungrouped(message.headers ?? {}),
      timestamp: Number(message.timestamp),
      partition: batch.partition,
      offset: Number(message.offset)
    }))
  })
  return {
    consumer,
    read: () => inbox.take(),
    held: () => held,
    async commit (records) {
      const next = new Map()
      for (const { partition, offset } of records) next.set(partition, Math.max(next.get(partition) ?? 0, offset + 1))
      await consumer.commitOffsets([...next].map(([partition, offset]) => ({ topic, partition, offset: String(offset) })))
    },
    close: () => consumer.disconnect()
  }
}

/** The library reads in groups only: a group of its own, sought to the offsets. */
async function reader (topic, from) {
  const joined = await member(`reader-${randomUUID()}`, topic, 'reader')
  await until('the group', () => joined.held() > 0) // before that there is nothing to seek in
  from.forEach((offset, partition) => joined.consumer.seek({ topic, partition, offset: String(offset) }))
  return {
    read: async () => (await joined.read()).filter(record => record.offset >= (from[record.partition] ?? Infinity)),
    close: joined.close
  }
}

await tell('kafkajs', version, {
  headers: [['a', '1'], ['a', '2'], ['b', '']],
  headersRemark: 'the library groups headers by name',
  producer,
  member,
  reader,
  async create (topic, numPartitions, config) {
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }))
    await admin.createTopics({ topics: [{ topic, numPartitions, replicationFactor: 1, configEntries }], waitForLeaders: true })
  },
  async partitions (topic) {
    if (!(await admin.listTopics()).includes(topic)) return 0
    return (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0].partitions.length
  },
  groupSize: async group => (await admin.describeGroups([group])).groups[0].members.length,
  async committed (groupId, topic) {
    const [found] = await admin.fetchOffsets({ groupId, topics: [topic] })
    return found.partitions.reduce((sum, { offset }) => sum + Math.max(Number(offset), 0), 0)
  },
  async offsetAt (topic, partition, timestamp) {
    const found = await admin.fetchTopicOffsetsByTimestamp(topic, timestamp)
    return Number(found.find(entry => entry.partition === partition).offset)
  },
  async endOffsets (topic) {
    const ends = []
    for (const { partition, high } of await admin.fetchTopicOffsets(topic)) ends[partition] = Number(high)
    return ends
  },
  async configs (name) {
    const asked = { includeSynonyms: false, resources: [{ type: ConfigResourceTypes.TOPIC, name }] }
    const { resources } = await admin.describeConfigs(asked)
    return Object.fromEntries(resources[0].configEntries.map(entry => [entry.configName, entry.configValue]))
  },
  /** The library alters by replacing all of a topic's settings. */
  async setConfig (topic, name, value, others) {
    const configEntries = Object.entries({ ...others, [name]: value }).map(([name, value]) => ({ name, value }))
    await admin.alterConfigs({ validateOnly: false, resources: [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }] })
  },
  remove: topic => admin.deleteTopics({ topics: [topic] })
})
