// The client story for Node: the steps, written once against a small surface that each library's program
// fills. What the steps prove is in clients/README.md.
//
// A library offers: create, partitions, producer, reader, member, groupSize, committed, offsetAt, endOffsets,
// configs, setConfig, remove (see kafkajs.mjs). Records are { key, value, headers: [[name, Buffer]], timestamp,
// partition, offset }; a null key or value is null; offsets and timestamps are numbers.

import { createInterface } from 'node:readline'

export const BOOTSTRAP = process.env.BOOTSTRAP
const RECORDS = 20_000
const KEYS = 97
const LARGE_BYTES = 1_048_576
const WAVE = 1_000
const PADDING = 'abcdefghij'.repeat(8)
const TOPIC_CONFIG = { 'max.message.bytes': '2097152', 'retention.ms': '86400000' }
const LIMIT_MS = 60_000

/** The library cannot do this step. */
export class NotApplicable extends Error {}

export const sleep = ms => new Promise(resolve => setTimeout(resolve, ms))

export function expect (condition, message) {
  if (!condition) throw new Error(message)
}

/** Waits until `done` holds, for a minute at most. */
export async function until (what, done) {
  const end = Date.now() + LIMIT_MS
  while (!(await done())) {
    expect(Date.now() < end, `waited ${LIMIT_MS} ms for ${typeof what === 'function' ? what() : what}`)
    await sleep(20)
  }
}

/** Fails when `promise` takes more than a minute. */
async function bounded (promise) {
  let timer
  const late = new Promise((_resolve, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${LIMIT_MS} ms`)), LIMIT_MS)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}

/** Records between the library, which pushes them, and the story, which takes them. */
export class Inbox {
  #records = []
  #error = null

  push (record) { this.#records.push(record) }

  fail (error) { this.#error = error }

  /** What came, perhaps nothing. */
  async take () {
    if (this.#error) throw this.#error
    if (this.#records.length === 0) await sleep(10)
    return this.#records.splice(0)
  }
}

const key = index => Buffer.from(`key-${index % KEYS}`)
const value = (label, index) => Buffer.from(`${label}-${String(index).padStart(6, '0')}-${PADDING}`)

function records (label, from, to) {
  const made = []
  for (let index = from; index < to; index++) {
    made.push({ key: key(index), value: value(label, index), headers: [] })
  }
  return made
}

/** The records of one run as they were read. */
class Seen {
  #label
  #count = new Map()
  #last = new Map()
  #disorder = null

  constructor (label) { this.#label = label }

  /** Takes one record in, answers its index, and fails on one that was never sent. */
  add (record) {
    const begin = this.#label.length + 1
    const index = Number(record.value.subarray(begin, begin + 6))
    expect(record.value.equals(value(this.#label, index)), `record ${index} came back with another value`)
    expect(record.key.equals(key(index)), `record ${index} came back with the key ${record.key}`)
    const name = String(record.key)
    if (index <= (this.#last.get(name) ?? -1)) {
      this.#disorder ??= `record ${index} of ${name} came after ${this.#last.get(name)}`
    }
    this.#last.set(name, index)
    this.#count.set(index, (this.#count.get(index) ?? 0) + 1)
    return index
  }

  get size () { return this.#count.size }

  get repeats () { return [...this.#count.values()].reduce((sum, count) => sum + count, 0) - this.size }

  checkAll (total) {
    for (let index = 0; index < total; index++) {
      expect(this.#count.has(index), `${total - this.size} of ${total} records were not seen, the first is ${index}`)
    }
  }

  checkExactlyOnce (total) {
    this.checkAll(total)
    expect(this.repeats === 0, `${this.repeats} records were seen more than once`)
    expect(this.#disorder === null, this.#disorder)
  }
}

/** A group member that reads on its own and commits what it has read. */
class Member {
  newest = -1
  error = null
  #client
  #leaving = false
  #done

  constructor (client, seen) {
    this.#client = client
    this.#done = this.#run(seen).catch(error => { this.error = error })
  }

  get held () { return this.#client.held() }

  async #run (seen) {
    while (!this.#leaving) {
      const got = await this.#client.read()
      for (const record of got) this.newest = Math.max(this.newest, seen.add(record))
      // A commit may fail when the group rebalances meanwhile; the records are read again then.
      if (got.length > 0) await this.#client.commit(got).catch(error => console.error('commit:', error.message))
    }
    await this.#client.close()
  }

  async leave () {
    this.#leaving = true
    await bounded(this.#done)
    if (this.error) throw this.error
  }
}

class Steps {
  #library

  constructor (library) { this.#library = library }

  async create_topic () {
    await this.#library.create('story', 3, TOPIC_CONFIG)
    await until('3 partitions in the metadata', async () => await this.#library.partitions('story') === 3)
  }

  async codec (codec) {
    const topic = `story-${codec}`
    const producer = await this.#library.producer(codec)
    await this.#library.create(topic, 3, {})
    await producer.send(topic, records(codec, 0, RECORDS))
    await producer.close()
    const seen = new Seen(codec)
    const reader = await this.#library.reader(topic, [0, 0, 0])
    await this.#readUntil(reader, seen, RECORDS)
    await reader.close()
    seen.checkExactlyOnce(RECORDS)
  }

  async #readUntil (reader, seen, count) {
    const all = []
    await until(() => `${count} records, ${seen.size} came`, async () => {
      const got = await reader.read()
      got.forEach(record => seen.add(record))
      all.push(...got)
      return seen.size >= count
    })
    return all
  }

  async #readAt (topic, partition, offset) {
    const from = []
    from[partition] = offset
    const reader = await this.#library.reader(topic, from)
    let found
    await until('one record', async () => {
      found ??= (await reader.read())[0]
      return found !== undefined
    })
    await reader.close()
    expect(found.offset === offset, `offset ${found.offset} instead of ${offset}`)
    return found
  }

  /** Sends one record and reads it back. */
  async #one (sent) {
    const producer = await this.#library.producer('none')
    const [place] = await producer.send('story', [{ headers: [], ...sent }])
    await producer.close()
    return this.#readAt('story', place.partition, place.offset)
  }

  async headers () {
    const sent = this.#library.headers ?? [['a', '1'], ['b', ''], ['a', '2']]
    const headers = sent.map(([name, text]) => [name, Buffer.from(text)])
    const got = (await this.#one({ key: Buffer.from('k'), value: Buffer.from('v'), headers })).headers
    const text = JSON.stringify(got.map(([name, bytes]) => [name, String(bytes)]))
    expect(text === JSON.stringify(sent), `came back as ${text}`)
    return this.#library.headersRemark
  }

  async null_key () {
    expect((await this.#one({ key: null, value: Buffer.from('v') })).key === null, 'the key is not null')
  }

  async null_value () {
    expect((await this.#one({ key: Buffer.from('k'), value: null })).value === null, 'the value is not null')
  }

  async empty_value () {
    const got = (await this.#one({ key: Buffer.from('k'), value: Buffer.alloc(0) })).value
    expect(got !== null && got.length === 0, `the value came back as ${got}`)
  }

  async large_record () {
    const sent = Buffer.alloc(LARGE_BYTES, Uint8Array.from({ length: 251 }, (_, index) => index))
    const got = (await this.#one({ key: Buffer.from('k'), value: sent })).value
    expect(got.equals(sent), 'it came back changed')
  }

  async group () {
    const library = this.#library
    const [topic, seen] = ['story-group', new Seen('group')]
    await library.create(topic, 4, {})
    const producer = await library.producer('none')
    const join = async clientId => new Member(await library.member(topic, topic, clientId), seen)
    const wave = number => producer.send(topic, records('group', number * WAVE, (number + 1) * WAVE))
    const wait = (what, members, done) => until(
      () => `${what}; ${seen.size} records seen, partitions held: ${members.map(member => member.held)}`,
      () => {
        for (const member of members) if (member.error) throw member.error
        return done()
      }
    )
    await wave(0)
    const first = await join('first')
    await wait('the first wave', [first], () => seen.size === WAVE)
    const second = await join('second')
    await wait('both to have partitions', [first, second], () => first.held === 2 && second.held === 2)
    await sleep(500) // a fetch from before the rebalance may still be waiting and would take what comes now
    await wave(1)
    await wait('the second wave', [first, second], () => seen.size === 2 * WAVE)
    expect(Math.min(first.newest, second.newest) >= WAVE, 'one member read nothing of the second wave')
    const size = await library.groupSize(topic)
    expect(size === 2, `the group is described with ${size} members`)
    await first.leave()
    await wait('the second to have all partitions', [second], () => second.held === 4)
    await wave(2)
    await wait('the third wave', [second], () => seen.size === 3 * WAVE)
    await second.leave()
    await producer.close()
    seen.checkAll(3 * WAVE)
    return `${seen.repeats} repeats at rebalances`
  }

  async resume (restart) {
    const [topic, first, total] = ['story-resume', 3_000, 3_500]
    const seen = new Seen('resume')
    await this.#library.create(topic, 3, {})
    const producer = await this.#library.producer('none')
    await producer.send(topic, records('resume', 0, first))
    await this.#readAndCommit(topic, seen, first / 2)
    await restart()
    await producer.send(topic, records('resume', first, total))
    let committed
    // Just after its start a broker may still be loading its groups.
    await until('the committed offsets', async () => {
      committed = await this.#library.committed(topic, topic, 3).catch(error => console.error('committed:', error.message))
      return committed !== undefined
    })
    expect(committed === seen.size, `${seen.size} records were committed, the broker knows ${committed}`)
    await this.#readAndCommit(topic, seen, total)
    await producer.close()
    seen.checkExactlyOnce(total)
  }

  async #readAndCommit (topic, seen, count) {
    const member = await this.#library.member(topic, topic, 'resume')
    await member.commit(await this.#readUntil(member, seen, count))
    await member.close()
  }

  async timestamp () {
    const topic = 'story-time'
    await this.#library.create(topic, 1, {})
    const base = Date.now() - 200_000
    const sent = records('time', 0, 100).map((record, index) => ({ ...record, timestamp: base + index * 1000 }))
    const producer = await this.#library.producer('none')
    await producer.send(topic, sent)
    await producer.close()
    const offset = await this.#library.offsetAt(topic, 0, base + 49_500)
    expect(offset === 50, `offset ${offset} for the time between the 50th and the 51st`)
    const got = await this.#readAt(topic, 0, offset)
    expect(got.value.equals(value('time', 50)), 'another record was read there')
    expect(got.timestamp === base + 50_000, `its timestamp came back as ${got.timestamp}`)
  }

  async end_offsets () {
    const ends = await this.#library.endOffsets('story-none', 3)
    expect(ends.reduce((sum, end) => sum + end, 0) === RECORDS, `the end offsets are ${ends}`)
    await this.#readAt('story-none', 0, ends[0] - 1)
  }

  async describe_configs () {
    const got = await this.#library.configs('story')
    for (const [name, text] of Object.entries(TOPIC_CONFIG)) expect(got[name] === text, `${name} is ${got[name]}`)
  }

  async alter_configs () {
    await this.#library.setConfig('story', 'retention.ms', '3600000', TOPIC_CONFIG)
    const described = () => this.#library.configs('story')
    await until('the new retention.ms', async () => (await described())['retention.ms'] === '3600000')
    expect((await described())['max.message.bytes'] === '2097152', 'another setting changed')
  }

  async delete_topic () {
    await this.#library.remove('story')
    await until('the topic to be gone', async () => await this.#library.partitions('story') === 0)
  }
}

/** Reports the steps of a program, each by `step(name, action)`; `end` ends it. */
export function teller (client, version) {
  const say = line => process.stdout.write(JSON.stringify(line) + '\n')
  const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()
  let failed = false
  say({ client, version })
  return {
    async step (name, action) {
      try {
        say({ step: name, status: 'pass', detail: await action() ?? '' })
      } catch (error) {
        const inapplicable = error instanceof NotApplicable
        failed ||= !inapplicable
        if (!inapplicable) console.error(error)
        say({ step: name, status: inapplicable ? 'n/a' : 'fail', detail: error.message })
      }
    },
    async restart () {
      say({ ask: 'restart' })
      const answer = await answers.next()
      expect(answer.value === 'restarted', `asked for a restart, was answered ${answer.value}`)
    },
    end: () => process.exit(failed ? 1 : 0)
  }
}

/** Tells the story of `library` and ends the program. */
export async function tell (client, version, library) {
  const { step, restart, end } = teller(client, version)
  const steps = new Steps(library)
  await step('create_topic', () => steps.create_topic())
  for (const codec of ['none', 'gzip', 'snappy', 'lz4', 'zstd']) await step(`codec_${codec}`, () => steps.codec(codec))
  for (const name of ['headers', 'null_key', 'null_value', 'empty_value', 'large_record', 'group']) {
    await step(name, () => steps[name]())
  }
  await step('resume', () => steps.resume(restart))
  for (const name of ['timestamp', 'end_offsets', 'describe_configs', 'alter_configs', 'delete_topic']) {
    await step(name, () => steps[name]())
  }
  end()
}
