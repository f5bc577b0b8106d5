// The story of schemas for @confluentinc/schemaregistry; its records travel by kafkajs.

import { createRequire } from 'node:module'
import { create, createFileRegistry } from '@bufbuild/protobuf'
import { FieldDescriptorProto_Label as Label, FieldDescriptorProto_Type as Type, FileDescriptorProtoSchema } from '@bufbuild/protobuf/wkt'
import confluent from '@confluentinc/schemaregistry'
import { CART, COUNTED, ENCRYPT, ORDER, PERSONAL, PRICED, REFERENCES, REGISTRY, STEPS, avro, beginsWith, json, orders, proto, receive, same, send } from './schemas.mjs'
import { NotApplicable, expect, teller } from './story.mjs'

const {
  AvroDeserializer, AvroSerializer, CelExecutor, DekRegistryClient, FieldEncryptionExecutor, HeaderSchemaIdSerializer,
  JsonDeserializer, JsonSerializer, LocalKmsDriver, ProtobufDeserializer, ProtobufSerializer, RestError, RuleRegistry,
  SchemaRegistryClient, SerdeType
} = confluent
const { version } = createRequire(import.meta.url)('@confluentinc/schemaregistry/package.json')

const VALUE = SerdeType.VALUE
const LATEST = { useLatestVersion: true }

/** A client of its own: nothing in its cache. */
const client = (url = REGISTRY) => SchemaRegistryClient.newClient({ baseURLs: [url], maxRetries: 0 })
const register = (subject, schema, more = {}) => client().registerFullResponse(subject, { schema, ...more })
const ofJson = { schemaType: 'JSON' }
const ofProtobuf = { schemaType: 'PROTOBUF' }

/** Fails unless the registry refuses with this code; the status is its first three digits. */
async function refused (code, promise) {
  const error = await promise.then(() => null, error => error)
  expect(error instanceof RestError, `not refused with ${code}: ${error}`)
  const status = Number(String(code).slice(0, 3))
  const got = `${error.errorCode}, status ${error.status}`
  expect(error.errorCode === code && error.status === status, `refused with ${got}, instead of ${code}`)
}

async function write (topic, serializer, values) {
  const messages = []
  for (const value of values) {
    const headers = {}
    messages.push({ value: await serializer.serialize(topic, value, headers), headers })
  }
  await send(topic, messages)
  return messages.map(message => message.value)
}

async function read (topic, deserializer, count) {
  const values = []
  for (const { value, headers } of await receive(topic, count)) {
    values.push(await deserializer.deserialize(topic, value, headers))
  }
  return values
}

const plain = values => values.map(value => ({ ...value }))

async function roundTrip (topic, serializer, deserializer, values) {
  const payloads = await write(topic, serializer, values)
  beginsWith(payloads, (await client().getLatestSchemaMetadata(`${topic}-value`)).id)
  return plain(await read(topic, deserializer, values.length))
}

/** A registry of messages that are described, not generated: files as `{ name, message, fields, imports }`. */
function described (...files) {
  const file = files.map(({ name, message, fields, imports = [] }) => create(FileDescriptorProtoSchema, {
    name,
    package: 'story',
    syntax: 'proto3',
    dependency: imports,
    messageType: [{
      name: message,
      field: fields.map(([field, type, typeName], index) => ({
        name: field, jsonName: field, number: index + 1, label: Label.OPTIONAL, type, typeName
      }))
    }]
  }))
  return createFileRegistry({ $typeName: 'google.protobuf.FileDescriptorSet', file })
}

const steps = {
  async register () {
    const first = await register('orders', ORDER)
    same((await register('orders', ORDER)).id, first.id, 'the same schema got another id')
    same((await register('other-orders', ORDER)).id, first.id, 'it got another id under another subject')
    const second = await register('orders', COUNTED)
    expect(second.id !== first.id && second.version === 2, `another schema is ${second.id}, version ${second.version}`)
    same(await client().getAllVersions('orders'), [1, 2])
    same(await client().getAllSubjects(), ['orders', 'other-orders'])
  },

  async look_up () {
    const found = await client().getIdFullResponse('orders', { schema: ORDER })
    same([found.subject, found.version], ['orders', 1])
    same((await client().getBySubjectAndId('orders', found.id)).schema, ORDER, 'its text changed')
    same(await client().getVersion('orders', { schema: COUNTED }), 2)
    const latest = await client().getLatestSchemaMetadata('orders')
    same([latest.version, latest.schema], [2, COUNTED])
    await refused(40403, client().getId('orders', { schema: PRICED }))
    await refused(40401, client().getId('nobody', { schema: ORDER }))
    await refused(40401, client().getLatestSchemaMetadata('nobody'))
    await refused(40402, client().getSchemaMetadata('orders', 7))
    await refused(40403, client().getBySubjectAndId('orders', 999))
    await refused(42201, register('orders', '{"type": "record"}'))
  },

  async avro () {
    await register('avro-value', ORDER)
    const serializer = new AvroSerializer(client(), VALUE, LATEST)
    same(await roundTrip('avro', serializer, new AvroDeserializer(client(), VALUE, {}), orders()), orders())
  },

  async json () {
    await register('json-value', json('string'), ofJson)
    const serializer = new JsonSerializer(client(), VALUE, { ...LATEST, validate: true })
    same(await roundTrip('json', serializer, new JsonDeserializer(client(), VALUE, {}), orders()), orders())
    const error = await serializer.serialize('json', { id: 'one' }).then(() => null, error => error)
    expect(error !== null, 'a value that breaks the schema was serialized')
  },

  async protobuf () {
    const fields = [['id', Type.INT64], ['item', Type.STRING]]
    const message = described({ name: 'order.proto', message: 'Order', fields }).getMessage('story.Order')
    const serializer = new ProtobufSerializer(client(), VALUE, { autoRegisterSchemas: true })
    serializer.registry.add(message)
    const values = orders().map(order => create(message, { ...order, id: BigInt(order.id) }))
    const got = await roundTrip('protobuf', serializer, new ProtobufDeserializer(client(), VALUE, {}), values)
    same(got.map(({ id, item }) => ({ id: Number(id), item })), orders())
    // The serializer registers a descriptor; people read and register text, and both are one schema.
    same(await client().getVersion('protobuf-value', { schema: proto('string'), ...ofProtobuf }), 1)
  },

  async references () {
    await register('order', ORDER)
    await register('cart-value', CART, { references: REFERENCES })
    const carts = orders().map((_, index) => ({ orders: orders().slice(0, index) }))
    const serializer = new AvroSerializer(client(), VALUE, LATEST)
    const got = await roundTrip('cart', serializer, new AvroDeserializer(client(), VALUE, {}), carts)
    same(got.map(cart => ({ orders: plain(cart.orders) })), carts)
    await refused(42206, client().deleteSubject('order'))
    const fields = [['inner', Type.MESSAGE, '.story.Inner']]
    const files = described(
      { name: 'inner.proto', message: 'Inner', fields: [['id', Type.INT64]] },
      { name: 'outer.proto', message: 'Outer', fields, imports: ['inner.proto'] }
    )
    const [inner, outer] = [files.getMessage('story.Inner'), files.getMessage('story.Outer')]
    const importing = new ProtobufSerializer(client(), VALUE, { autoRegisterSchemas: true })
    importing.registry.add(outer)
    const values = orders().map(({ id }) => create(outer, { inner: create(inner, { id: BigInt(id) }) }))
    const read = await roundTrip('outer', importing, new ProtobufDeserializer(client(), VALUE, {}), values)
    same(read.map(({ inner }) => Number(inner.id)), orders().map(({ id }) => id))
    const { references } = await client().getLatestSchemaMetadata('outer-value')
    same(references, [{ name: 'inner.proto', subject: 'inner.proto', version: 1 }])
  },

  async guid () {
    const { guid } = await register('guid-value', ORDER)
    const chosen = { ...LATEST, schemaIdSerializer: HeaderSchemaIdSerializer }
    const payloads = await write('guid', new AvroSerializer(client(), VALUE, chosen), orders())
    expect(payloads[1][0] === 2, 'the id is not in the header')
    same(plain(await read('guid', new AvroDeserializer(client(), VALUE, {}), 100)), orders())
    same((await client().getByGuid(guid)).schema, ORDER)
  },

  async forward () {
    await client().updateCompatibility('forward-value', 'FORWARD')
    const metadata = { properties: { release: 'old' } }
    await register('forward-value', ORDER, { metadata })
    await register('forward-value', COUNTED, { metadata: { properties: { release: 'new' } } })
    await write('forward', new AvroSerializer(client(), VALUE, LATEST), orders({ count: 7 }))
    const old = new AvroDeserializer(client(), VALUE, { useLatestWithMetadata: { release: 'old' } })
    same(plain(await read('forward', old, 100)), orders())
  },

  async backward () {
    await register('backward-value', ORDER)
    await write('backward', new AvroSerializer(client(), VALUE, LATEST), orders())
    await register('backward-value', COUNTED)
    same(plain(await read('backward', new AvroDeserializer(client(), VALUE, LATEST), 100)), orders({ count: 1 }))
  },

  async refuse () {
    const pairs = {
      'refuse-avro': [{ schema: ORDER }, { schema: PRICED }],
      'refuse-json': [{ schema: json('string'), ...ofJson }, { schema: json('integer'), ...ofJson }],
      'refuse-protobuf': [{ schema: proto('string'), ...ofProtobuf }, { schema: proto('int64'), ...ofProtobuf }]
    }
    for (const [subject, [old, changed]] of Object.entries(pairs)) {
      await client().register(subject, old)
      const isCompatible = schema => client().testSubjectCompatibility(subject, schema)
      expect(await isCompatible(old), `${subject}: the same schema is called incompatible`)
      expect(!await isCompatible(changed), `${subject}: it is called compatible`)
      await refused(409, client().register(subject, changed))
      same(await client().getAllVersions(subject), [1])
    }
  },

  async config () {
    same(await client().getDefaultCompatibility(), 'BACKWARD')
    await register('config', ORDER)
    await refused(40408, client().getCompatibility('config'))
    same(await client().updateCompatibility('config', 'NONE'), 'NONE')
    same(await client().getCompatibility('config'), 'NONE')
    await register('config', PRICED)
    await client().updateConfig('config', { compatibility: 'FULL', normalize: true })
    const { compatibilityLevel, normalize } = await client().getConfig('config')
    same({ compatibilityLevel, normalize }, { compatibilityLevel: 'FULL', normalize: true })
    await refused(42203, client().updateCompatibility('config', 'SIDEWAYS'))
  },

  async mode () {
    throw new NotApplicable('it has no modes')
  },

  async contract () {
    const condition = { kind: 'CONDITION', mode: 'WRITE', type: 'CEL', expr: 'message.id < 10' }
    const rule = { name: 'few', ...condition, onFailure: 'ERROR' }
    const metadata = { tags: { 'story.Order.item': ['PII'] }, properties: { owner: 'sales' }, sensitive: ['owner'] }
    await register('contract-value', ORDER, { metadata, ruleSet: { domainRules: [rule] } })
    const got = await client().getLatestSchemaMetadata('contract-value')
    same(got.metadata, metadata)
    same(got.ruleSet.domainRules.length, 1)
    same({ ...got.ruleSet.domainRules[0], ...rule }, got.ruleSet.domainRules[0])
    same((await client().getLatestWithMetadata('contract-value', { owner: 'sales' })).version, 1)
    CelExecutor.register()
    const serializer = new AvroSerializer(client(), VALUE, LATEST)
    await write('contract', serializer, orders().slice(0, 10))
    const error = await serializer.serialize('contract', orders()[10]).then(() => null, error => error)
    expect(error !== null, 'a record was serialized that breaks the rule')
  },

  async encrypt () {
    LocalKmsDriver.register()
    const personal = { schema: PERSONAL, ruleSet: { domainRules: [ENCRYPT] } }
    await client().register('encrypt-value', personal)
    // Rules, and the keys that they have seen, of those who share nothing.
    const apart = () => {
      const rules = new RuleRegistry()
      rules.registerExecutor(new FieldEncryptionExecutor())
      return rules
    }
    const secret = { ruleConfig: { secret: 'story' } }
    const serializer = new AvroSerializer(client(), VALUE, { ...LATEST, ...secret }, apart())
    const payloads = await write('encrypt', serializer, orders())
    expect(!payloads.some(payload => payload.includes('item ')), 'a record has plain text')
    same(plain(await read('encrypt', new AvroDeserializer(client(), VALUE, secret, apart()), 100)), orders())
    const blind = await read('encrypt', new AvroDeserializer(client(), VALUE, {}), 100)
    expect(blind.every(({ item }) => !item.includes('item ')), 'it was read without the rule')
    const keys = DekRegistryClient.newClient({ baseURLs: [REGISTRY], maxRetries: 0 })
    const kek = await keys.getKek('story', false)
    same([kek.kmsType, kek.kmsKeyId, kek.shared ?? false], ['local-kms', 'here', false])
    const dek = await keys.getDek('story', 'encrypt-value', 'AES256_GCM', 1, false)
    expect(dek.encryptedKeyMaterial?.length > 0 && !dek.keyMaterial, 'the registry knows the key')
    await refused(40470, keys.getKek('nobody', false))
  },

  async delete () {
    const first = await register('delete', ORDER)
    const second = await register('delete', COUNTED)
    const registry = client()
    await refused(40407, registry.deleteSubjectVersion('delete', 1, true))
    same(await registry.deleteSubjectVersion('delete', 1), 1)
    same(await registry.getAllVersions('delete'), [2])
    await refused(40406, registry.deleteSubjectVersion('delete', 1))
    same((await client().getSchemaMetadata('delete', 1, true)).id, first.id)
    same(await registry.deleteSubjectVersion('delete', 1, true), 1)
    await refused(40402, client().getSchemaMetadata('delete', 1, true))
    await refused(40405, registry.deleteSubject('delete', true))
    same(await registry.deleteSubject('delete'), [2])
    await refused(40404, registry.deleteSubject('delete'))
    same((await client().getBySubjectAndId('delete', second.id)).schema, COUNTED, 'its records cannot be read any more')
    same(await registry.deleteSubject('delete', true), [2])
    await refused(40401, client().getAllVersions('delete'))
  },

  async context () {
    const elsewhere = client(`${REGISTRY}/contexts/.elsewhere`)
    same(await elsewhere.register('orders', { schema: PRICED }), 1, 'ids are not the context\'s own')
    expect((await client().getAllSubjects()).includes(':.elsewhere:orders'), 'it is not among the subjects')
    same((await client().getLatestSchemaMetadata('orders')).version, 2, 'it came into the other context')
    same((await client().getSchemaMetadata(':.elsewhere:orders', 1)).schema, PRICED)
  },

  async restart (restart) {
    const latest = async () => {
      const all = {}
      for (const subject of await client().getAllSubjects()) {
        all[subject] = await client().getLatestSchemaMetadata(subject)
      }
      return all
    }
    const before = await latest()
    await restart()
    same(await latest(), before)
    same(plain(await read('avro', new AvroDeserializer(client(), VALUE, {}), 100)), orders())
    const newest = Math.max(...Object.values(before).map(({ id }) => id))
    const { id } = await register('restart', avro('Next'))
    expect(id > newest, `the id ${id} was given after ${newest}`)
  }
}

const { step, restart, end } = teller('schemaregistry', version)
for (const name of STEPS) await step(name, () => steps[name](restart))
end()
