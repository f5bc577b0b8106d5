// The story for @platformatic/kafka.

import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { readFileSync } from 'node:fs'
import {
  Admin, ConfigResourceTypes, Consumer, IncrementalAlterConfigOperationTypes, Producer, compressionsAlgorithms
} from '@platformatic/kafka'
import { BOOTSTRAP, Inbox, NotApplicable, tell } from './story.mjs'

const entry = createRequire(import.meta.url).resolve('@platformatic/kafka')
const { version } = JSON.parse(readFileSync(join(dirname(dirname(entry)), 'package.json')))

const base = clientId => ({ clientId, bootstrapBrokers: [BOOTSTRAP], retries: 30, retryDelay: 300, metadataMaxAge: 1000 })
const admin = new Admin(base('story'))

async function producer (codec) {
  if (!compressionsAlgorithms[codec].available) throw new NotApplicable(`needs a Node.js with ${codec}; this is ${process.version}`)
  const made = new Producer({ ...base('producer'), idempotent: true, compression: codec, autocreateTopics: false })
  return {
    async send (topic, records) {
      const messages = records.map(({ key, value, headers, timestamp }) => ({
        topic,
        key,
        value,
        headers: new Map(headers.map(([name, bytes]) => [Buffer.from(name), bytes])),
        timestamp: timestamp === undefined ? undefined : BigInt(timestamp)
      }))
      const { offsets } = await made.send({ messages })
      return offsets.map(({ partition, offset }) => ({ partition, offset: Number(offset) }))
    },
    close: () => made.close()
  }
}

const convert = ({ key, value, headers, timestamp, partition, offset }) => ({
  key: key ?? null,
  value: value ?? null,
  headers: [...headers].map(([name, bytes]) => [String(name), bytes]),
  timestamp: Number(timestamp),
  partition,
  offset: Number(offset)
})

async function consume (group, topic, clientId, options) {
  const inbox = new Inbox()
  const consumer = new Consumer({
    ...base(clientId), groupId: group, sessionTimeout: 10_000, heartbeatInterval: 500, maxWaitTime: 200, autocommit: false,
    maxBytes: 10_000_000
  })
  const stream = await consumer.consume({ topics: [topic], ...options })
  stream.on('data', message => inbox.push(convert(message)))
  stream.on('error', error => inbox.fail(error))
  const held = () => (consumer.assignments ?? []).find(assigned => assigned.topic === topic)?.partitions.length ?? 0
  return {
    read: () => inbox.take(),
    held,
    async commit (records) {
      const next = new Map()
      for (const { partition, offset } of records) next.set(partition, Math.max(next.get(partition) ?? 0, offset + 1))
      const offsets = [...next].map(([partition, offset]) => ({ topic, partition, offset: BigInt(offset), leaderEpoch: -1 }))
      await consumer.commit({ offsets })
    },
    async close () {
      await stream.close()
      await consumer.close()
    }
  }
}

let readers = 0

/** The library reads in groups only: a group of its own, begun at given offsets. */
async function reader (topic, from) {
  const offsets = []
  const count = await partitions(topic)
  for (let partition = 0; partition < count; partition++) offsets.push({ topic, partition, offset: BigInt(from[partition] ?? 0) })
  const joined = await consume(`reader-${++readers}`, topic, 'reader', { mode: 'manual', offsets })
  return { read: async () => (await joined.read()).filter(({ partition }) => from[partition] !== undefined), close: joined.close }
}

async function partitions (topic) {
  if (!(await admin.listTopics()).includes(topic)) return 0
  const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true })
  return topics.get(topic).partitionsCount
}

async function offsets (topic, count, timestamp) {
  const asked = Array.from({ length: count }, (_, partitionIndex) => ({ partitionIndex, timestamp }))
  const [found] = await admin.listOffsets({ topics: [{ name: topic, partitions: asked }] })
  const list = []
  for (const { partitionIndex, offset } of found.partitions) list[partitionIndex] = Number(offset)
  return list
}

const topicResource = name => ({ resourceType: ConfigResourceTypes.TOPIC, resourceName: name })

await tell('platformatic', version, {
  producer,
  reader,
  partitions,
  member: (group, topic, clientId) => consume(group, topic, clientId, { mode: 'committed', fallbackMode: 'earliest' }),
  async create (topic, count, config) {
    const configs = Object.entries(config).map(([name, value]) => ({ name, value }))
    await admin.createTopics({ topics: [topic], partitions: count, replicas: 1, configs })
  },
  groupSize: async group => (await admin.describeGroups({ groups: [group] })).get(group).members.size,
  async committed (group) {
    const [found] = await admin.listConsumerGroupOffsets({ groups: [group] })
    return found.topics[0].partitions.reduce((sum, { committedOffset }) => sum + Math.max(Number(committedOffset), 0), 0)
  },
  offsetAt: async (topic, partition, timestamp) => (await offsets(topic, partition + 1, BigInt(timestamp)))[partition],
  endOffsets: (topic, count) => offsets(topic, count, -1n),
  async configs (name) {
    const [described] = await admin.describeConfigs({ resources: [{ ...topicResource(name), configurationKeys: null }] })
    return Object.fromEntries(described.configs.map(({ name, value }) => [name, value]))
  },
  async setConfig (topic, name, value) {
    const configs = [{ name, value, configOperation: IncrementalAlterConfigOperationTypes.SET }]
    await admin.incrementalAlterConfigs({ resources: [{ ...topicResource(topic), configs }] })
  },
  remove: topic => admin.deleteTopics({ topics: [topic] })
})
