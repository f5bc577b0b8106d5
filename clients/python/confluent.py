"""The story for confluent-kafka, the Python client on librdkafka."""

import time

import confluent_kafka
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

import story
from story import BOOTSTRAP, Seen, Story, deadline, eventually, expect, key, value

MEMBER = {"session.timeout.ms": 10_000, "heartbeat.interval.ms": 500, "enable.auto.offset.store": False}

admin = AdminClient({"bootstrap.servers": BOOTSTRAP})


def create(topic, partitions, config=None):
    admin.create_topics([NewTopic(topic, partitions, 1, config=config or {})])[topic].result(30)


def producer(**config):
    return Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True, "linger.ms": 5, **config})


def consumer(group=None, **config):
    group_config = {"group.id": group or "unused", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    return Consumer({"bootstrap.servers": BOOTSTRAP, **group_config, **config})


def send(sender, topic, label, indices):
    """Sends records and fails unless every one was acknowledged."""
    failures = []

    def report(error, _message):
        if error is not None:
            failures.append(error)

    for index in indices:
        while True:
            try:
                sender.produce(topic, value(label, index), key(index), on_delivery=report)
                break
            except BufferError:
                sender.poll(0.1)
        sender.poll(0)
    left = sender.flush(45)
    expect(left == 0, f"{left} records were not acknowledged in 45 s")
    expect(not failures, f"{len(failures)} records failed, the first with {failures[:1]}")


def read_all(topic, partitions, seen, count):
    reader = consumer()
    reader.assign([TopicPartition(topic, partition, 0) for partition in range(partitions)])
    try:
        read_until(reader, seen, count)
    finally:
        reader.close()


def read_until(reader, seen, count):
    check = deadline()
    while not seen.complete(count):
        for message in reader.consume(500, 1.0):
            expect(message.error() is None, message.error())
            seen.add(message.key(), message.value())
        check(f"{count} records, {len(seen.count)} came")


def create_topic():
    create("story", 3, story.TOPIC_CONFIG)
    partitions = admin.list_topics("story", 10).topics["story"].partitions
    expect(len(partitions) == 3, f"metadata shows {len(partitions)} partitions")


def codec(name):
    topic = f"story-{name}"
    create(topic, 3)
    send(producer(**{"compression.type": name}), topic, name, range(story.RECORDS))
    seen = Seen(name)
    read_all(topic, 3, seen, story.RECORDS)
    seen.check_exactly_once(story.RECORDS)


def one(record_key, record_value, headers=None, config=None):
    """Sends one record and reads it back."""
    sent = []
    sender = producer(**(config or {}))
    sender.produce("story", record_value, record_key, headers=headers or [], on_delivery=lambda e, m: sent.append((e, m)))
    sender.flush(30)
    expect(sent and sent[0][0] is None, f"not acknowledged: {sent}")
    partition, offset = sent[0][1].partition(), sent[0][1].offset()
    reader = consumer(**{"fetch.message.max.bytes": 2_000_000})
    reader.assign([TopicPartition("story", partition, offset)])
    try:
        message = reader.poll(30)
        expect(message is not None and message.error() is None, "the record did not come back")
        expect(message.offset() == offset, f"offset {message.offset()} instead of {offset}")
        return message
    finally:
        reader.close()


def headers():
    sent = [("a", b"1"), ("b", b""), ("a", b"2")]
    got = one(b"k", b"v", sent).headers()
    expect(got == sent, f"came back as {got}")


def null_key():
    expect(one(None, b"v").key() is None, "the key is not null")


def null_value():
    expect(one(b"k", None).value() is None, "the value is not null")


def empty_value():
    expect(one(b"k", b"").value() == b"", "the value is not empty")


def large_record():
    sent = bytes(range(256)) * (story.LARGE_BYTES // 256)
    expect(one(b"k", sent, config={"message.max.bytes": 2_000_000}).value() == sent, "it came back changed")


class Member(story.Member):
    """A group member that commits each record it has read."""

    def join(self):
        self.reader = consumer("story-group", **MEMBER)
        self.reader.subscribe(["story-group"])

    def poll(self):
        for message in self.reader.consume(500, 0.1):
            expect(message.error() is None, message.error())
            yield message.key(), message.value()
            self.reader.store_offsets(message)
        self.reader.commit(asynchronous=True)

    def assigned(self):
        return len(self.reader.assignment())

    def leave(self):
        self.reader.close()


def group():
    create("story-group", 4)
    sender = producer()

    def described():
        return len(admin.describe_consumer_groups(["story-group"])["story-group"].result(15).members)

    return story.group_of_two(Member, lambda indices: send(sender, "story-group", "group", indices), described)


def resume(tale):
    topic, total = "story-resume", story.RESUME_FIRST + story.RESUME_SECOND
    create(topic, 3)
    sender, seen = producer(), Seen("resume")
    send(sender, topic, "resume", range(story.RESUME_FIRST))
    reader = consumer("story-resume")
    reader.subscribe([topic])
    read_until(reader, seen, story.RESUME_FIRST // 2)
    reader.commit(asynchronous=False)
    reader.close()
    tale.restart()
    send(sender, topic, "resume", range(story.RESUME_FIRST, total))
    asked = [ConsumerGroupTopicPartitions("story-resume", [TopicPartition(topic, p) for p in range(3)])]
    committed = admin.list_consumer_group_offsets(asked)["story-resume"].result(15)
    known = sum(max(p.offset, 0) for p in committed.topic_partitions)
    expect(known == len(seen.count), f"{len(seen.count)} records were committed, the broker knows {known}")
    reader = consumer("story-resume")
    reader.subscribe([topic])
    read_until(reader, seen, total)
    reader.close()
    seen.check_exactly_once(total)


def timestamp():
    create("story-time", 1)
    base = int(time.time() * 1000) - 200_000
    sender = producer()
    for index in range(story.TIMES):
        sender.produce("story-time", value("time", index), key(index), partition=0, timestamp=base + index * 1000)
    expect(sender.flush(30) == 0, "not acknowledged")
    reader = consumer()
    found = reader.offsets_for_times([TopicPartition("story-time", 0, base + 49_500)], 15)[0]
    expect(found.offset == 50, f"offset {found.offset} for the time between the 50th and the 51st")
    reader.assign([found])
    message = reader.poll(30)
    reader.close()
    expect(message is not None and message.value() == value("time", 50), "another record was read there")
    expect(message.timestamp()[1] == base + 50_000, f"its timestamp came back as {message.timestamp()}")


def end_offsets():
    partitions = [TopicPartition("story-none", partition) for partition in range(3)]
    listed = admin.list_offsets({partition: OffsetSpec.latest() for partition in partitions})
    ends = [listed[partition].result(15).offset for partition in partitions]
    expect(sum(ends) == story.RECORDS, f"the end offsets are {ends}")
    reader = consumer()
    low, high = reader.get_watermark_offsets(partitions[0], 15)
    expect((low, high) == (0, ends[0]), f"watermarks {low}, {high}")
    reader.assign([TopicPartition("story-none", 0, high - 1)])
    message = reader.poll(30)
    expect(message is not None and message.offset() == high - 1, "the last record was not read")
    expect(reader.poll(0.3) is None, "there is more after the end")
    reader.close()


def described():
    resource = ConfigResource(ResourceType.TOPIC, "story")
    return {name: entry.value for name, entry in admin.describe_configs([resource])[resource].result(15).items()}


def describe_configs():
    got = described()
    for name, expected in story.TOPIC_CONFIG.items():
        expect(got.get(name) == expected, f"{name} is {got.get(name)}")


def alter_configs():
    entry = ConfigEntry("retention.ms", "3600000", incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ResourceType.TOPIC, "story", incremental_configs=[entry])
    admin.incremental_alter_configs([resource])[resource].result(15)
    eventually("the new retention.ms", lambda: described()["retention.ms"] == "3600000")
    expect(described()["max.message.bytes"] == "2097152", "another setting changed")


def delete_topic():
    admin.delete_topics(["story"])["story"].result(30)
    eventually("the topic to be gone", lambda: "story" not in admin.list_topics(timeout=10).topics)


def main():
    tale = Story("confluent-kafka", f"{confluent_kafka.version()} (librdkafka {confluent_kafka.libversion()[0]})")
    tale.step("create_topic", create_topic)
    for name in story.CODECS:
        tale.step(f"codec_{name}", codec, name)
    for action in (headers, null_key, null_value, empty_value, large_record, group):
        tale.step(action.__name__, action)
    tale.step("resume", resume, tale)
    for action in (timestamp, end_offsets, describe_configs, alter_configs, delete_topic):
        tale.step(action.__name__, action)
    tale.end()


main()
