// What the stories of schemas in Node share: the schemas, the records, and their way through a topic, by kafkajs.
// What the steps prove is in clients/README.md.

import { deepStrictEqual } from 'node:assert'
import kafkajs from 'kafkajs'
import { BOOTSTRAP, expect, until } from './story.mjs'

export const REGISTRY = process.env.REGISTRY
export const STEPS = [
  'register', 'look_up', 'avro', 'json', 'protobuf', 'references', 'guid', 'forward', 'backward', 'refuse', 'config',
  'mode', 'contract', 'encrypt', 'delete', 'context', 'restart'
]

const FIELDS = [{ name: 'id', type: 'long' }, { name: 'item', type: 'string' }]
const COUNT = { name: 'count', type: 'int', default: 1 }
const PRICE = { name: 'price', type: 'double' }

export const avro = (name, ...more) =>
  JSON.stringify({ type: 'record', name, namespace: 'story', fields: [...FIELDS, ...more] })

export const ORDER = avro('Order')
export const COUNTED = avro('Order', COUNT)
export const PRICED = avro('Order', PRICE)
/** Orders whose item is personal. */
export const PERSONAL = JSON.stringify({
  type: 'record', name: 'Order', namespace: 'story', fields: [FIELDS[0], { ...FIELDS[1], 'confluent:tags': ['PII'] }]
})
export const ENCRYPT = {
  name: 'personal',
  kind: 'TRANSFORM',
  mode: 'WRITEREAD',
  type: 'ENCRYPT',
  tags: ['PII'],
  params: { 'encrypt.kek.name': 'story', 'encrypt.kms.type': 'local-kms', 'encrypt.kms.key.id': 'here' },
  onFailure: 'ERROR,NONE'
}
export const CART = JSON.stringify({
  type: 'record',
  name: 'Cart',
  namespace: 'story',
  fields: [{ name: 'orders', type: { type: 'array', items: 'story.Order' } }]
})
export const REFERENCES = [{ name: 'story.Order', subject: 'order', version: 1 }]

export const json = item => JSON.stringify({
  $schema: 'http://json-schema.org/draft-07/schema#',
  title: 'Order',
  type: 'object',
  properties: { id: { type: 'integer' }, item: { type: item } }
})

export const proto = item =>
  `syntax = "proto3";\npackage story;\n\nmessage Order {\n  int64 id = 1;\n  ${item} item = 2;\n}\n`

export const orders = (more = {}) =>
  Array.from({ length: 100 }, (_, index) => ({ id: index, item: `item ${index} ä`, ...more }))

const logCreator = () => ({ namespace, log }) => console.error(namespace, log.message, log.error ?? '')
const kafka = new kafkajs.Kafka({ clientId: 'story', brokers: [BOOTSTRAP], logCreator })

/** Sends records `{ value, headers }` to a topic of one partition. */
export async function send (topic, messages) {
  const admin = kafka.admin()
  const producer = kafka.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
  await Promise.all([admin.connect(), producer.connect()])
  await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true })
  await producer.send({ topic, messages })
  await Promise.all([admin.disconnect(), producer.disconnect()])
}

/** The first `count` records of a topic. */
export async function receive (topic, count) {
  const consumer = kafka.consumer({ groupId: `${topic}-${process.hrtime.bigint()}`, maxWaitTimeInMs: 100 })
  const messages = []
  await consumer.connect()
  await consumer.subscribe({ topic, fromBeginning: true })
  await consumer.run({ eachMessage: async ({ message }) => { messages.push(message) } })
  await until(() => `${count} records, ${messages.length} came`, () => messages.length >= count)
  await consumer.disconnect()
  return messages
}

/** Fails unless each record begins with 0 and this id. */
export function beginsWith (payloads, id) {
  for (const payload of payloads) {
    const prefix = payload.subarray(0, 5)
    expect(prefix[0] === 0 && prefix.readInt32BE(1) === id, `a record begins with ${prefix.toString('hex')}, the id is ${id}`)
  }
}

export const same = (got, expected, message) => deepStrictEqual(got, expected, message)
