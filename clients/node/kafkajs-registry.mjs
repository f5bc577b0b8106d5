// The story of schemas for @kafkajs/confluent-schema-registry; its records travel by kafkajs.

import { createRequire } from 'node:module'
import csr from '@kafkajs/confluent-schema-registry'
import { CART, COUNTED, ORDER, PRICED, REFERENCES, REGISTRY, STEPS, avro, beginsWith, json, orders, proto, receive, same, send } from './schemas.mjs'
import { NotApplicable, expect, teller } from './story.mjs'

const { SchemaRegistry, SchemaType } = csr
const { version } = createRequire(import.meta.url)('@kafkajs/confluent-schema-registry/package.json')

/** A client of its own: nothing in its cache. */
const client = (host = REGISTRY) => new SchemaRegistry({ host, retry: { retries: 0 } })
const ofAvro = schema => ({ type: SchemaType.AVRO, schema })
const ofJson = item => ({ type: SchemaType.JSON, schema: json(item) })
const ofProtobuf = item => ({ type: SchemaType.PROTOBUF, schema: proto(item) })
const register = async (subject, schema, options = {}) => (await client().register(schema, { subject, ...options })).id
const plain = value => JSON.parse(JSON.stringify(value))

/** Fails unless the registry refuses with this status, which is all that the library tells of it but its message. */
async function refused (status, promise) {
  const error = await promise.then(() => null, error => error)
  expect(error?.status === status, `not refused with ${status}: ${error}`)
}

async function write (topic, id, values) {
  const encoded = []
  for (const value of values) encoded.push(await client().encode(id, value))
  beginsWith(encoded, id)
  await send(topic, encoded.map(value => ({ value })))
}

async function read (topic, count, readerSchema) {
  const registry = client()
  const options = readerSchema && { [SchemaType.AVRO]: { readerSchema: JSON.parse(readerSchema) } }
  const values = []
  for (const { value } of await receive(topic, count)) values.push(await registry.decode(value, options))
  return plain(values)
}

async function roundTrip (topic, schema, values, expected = values) {
  await write(topic, await register(`${topic}-value`, schema), values)
  same(await read(topic, values.length), expected)
}

const steps = {
  async register () {
    const first = await register('orders', ofAvro(ORDER))
    same(await register('orders', ofAvro(ORDER)), first, 'the same schema got another id')
    same(await register('other-orders', ofAvro(ORDER)), first, 'it got another id under another subject')
    const second = await register('orders', ofAvro(COUNTED))
    expect(second !== first, 'another schema got the same id')
    same([await client().getRegistryId('orders', 1), await client().getRegistryId('orders', 2)], [first, second])
  },

  async look_up () {
    const first = await client().getRegistryId('orders', 1)
    same(await client().getRegistryIdBySchema('orders', ofAvro(ORDER)), first)
    same(await client().getLatestSchemaId('orders'), await client().getRegistryId('orders', 2))
    same((await client().getSchema(first)).name, 'story.Order')
    await refused(404, client().getRegistryId('orders', 7))
    await refused(404, client().getLatestSchemaId('nobody'))
    await refused(404, client().getSchema(999))
    const error = await client().getRegistryIdBySchema('orders', ofAvro(PRICED)).then(() => null, error => error)
    expect(error?.message.includes('not found'), `it was found: ${error}`)
  },

  avro: () => roundTrip('avro', ofAvro(ORDER), orders()),

  async json () {
    await roundTrip('json', ofJson('string'), orders())
    const id = await client().getLatestSchemaId('json-value')
    const error = await client().encode(id, { id: 'one' }).then(() => null, error => error)
    expect(error !== null, 'a value that breaks the schema was encoded')
  },

  protobuf () {
    // The library writes no list of message indexes behind the id, and skips all zeros there when it reads.
    const values = orders().slice(1)
    const expected = values.map(order => ({ ...order, id: String(order.id) }))
    return roundTrip('protobuf', ofProtobuf('string'), values, expected)
  },

  async references () {
    await register('order', ofAvro(ORDER))
    const carts = orders().map((_, index) => ({ orders: orders().slice(0, index) }))
    await roundTrip('cart', { ...ofAvro(CART), references: REFERENCES }, carts)
  },

  guid: () => { throw new NotApplicable('it knows no GUIDs') },

  async forward () {
    const compatibility = 'FORWARD'
    await register('forward-value', ofAvro(ORDER), { compatibility })
    await write('forward', await register('forward-value', ofAvro(COUNTED), { compatibility }), orders({ count: 7 }))
    same(await read('forward', 100, ORDER), orders())
  },

  async backward () {
    await write('backward', await register('backward-value', ofAvro(ORDER)), orders())
    await register('backward-value', ofAvro(COUNTED))
    same(await read('backward', 100, COUNTED), orders({ count: 1 }))
  },

  async refuse () {
    const pairs = {
      'refuse-avro': [ofAvro(ORDER), ofAvro(PRICED)],
      'refuse-json': [ofJson('string'), ofJson('integer')],
      'refuse-protobuf': [ofProtobuf('string'), ofProtobuf('int64')]
    }
    for (const [subject, [old, changed]] of Object.entries(pairs)) {
      const id = await register(subject, old)
      await refused(409, register(subject, changed))
      same(await client().getLatestSchemaId(subject), id)
    }
  },

  /** The library sets a subject's level when it registers its first schema, and refuses to register under another. */
  async config () {
    const compatibility = 'NONE'
    await register('config', ofAvro(ORDER), { compatibility })
    await register('config', ofAvro(PRICED), { compatibility })
    const error = await register('config', ofAvro(PRICED)).then(() => null, error => error)
    expect(error?.message.includes('BACKWARD != NONE'), `the level was not read: ${error}`)
  },

  mode: () => { throw new NotApplicable('it has no modes') },
  contract: () => { throw new NotApplicable('it has no metadata and no rules') },
  encrypt: () => { throw new NotApplicable('it has no rules') },
  delete: () => { throw new NotApplicable('it deletes nothing') },

  async context () {
    const elsewhere = client(`${REGISTRY}/contexts/.elsewhere`)
    same((await elsewhere.register(ofAvro(PRICED), { subject: 'orders' })).id, 1, 'ids are not the context\'s own')
    same(await client().getRegistryId(':.elsewhere:orders', 1), 1)
    expect(await client().getLatestSchemaId('orders') !== 1, 'it came into the other context')
  },

  async restart (restart) {
    const values = ['avro', 'json', 'protobuf', 'cart'].map(topic => `${topic}-value`)
    const subjects = [...values, 'orders', 'config', ':.elsewhere:orders']
    const latest = () => Promise.all(subjects.map(subject => client().getLatestSchemaId(subject)))
    const before = await latest()
    await restart()
    same(await latest(), before)
    same(await read('avro', 100), orders())
    const id = await register('restart', ofAvro(avro('Next')))
    expect(id > Math.max(...before), `the id ${id} was given after ${Math.max(...before)}`)
  }
}

const { step, restart, end } = teller('kafkajs-registry', version)
for (const name of STEPS) await step(name, () => steps[name](restart))
end()
