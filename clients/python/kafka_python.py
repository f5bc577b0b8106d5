"""The story for kafka-python, the client in pure Python."""

import time

import kafka
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType
from kafka.errors import RetriableError

import story
from story import BOOTSTRAP, Seen, Story, deadline, eventually, expect, key, value

admin = KafkaAdminClient(bootstrap_servers=BOOTSTRAP)


def create(topic, partitions, config=None):
    spec = {"num_partitions": partitions, "replication_factor": 1, "configs": config or {}}
    admin.create_topics({topic: spec}, timeout_ms=30_000, wait_for_metadata=True)


def producer(**config):
    return KafkaProducer(bootstrap_servers=BOOTSTRAP, acks="all", enable_idempotence=True, linger_ms=5, **config)


def consumer(group=None, **config):
    # A consumer that subscribes while the answer to its first metadata request comes in forgets that it has to ask for
    # the topic (3.0.12), until its metadata are old: five minutes if nothing else is said.
    return KafkaConsumer(
        bootstrap_servers=BOOTSTRAP,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        metadata_max_age_ms=5_000,
        **config,
    )


def send(sender, topic, label, indices):
    """Sends records and fails unless every one was acknowledged."""
    futures = [sender.send(topic, value(label, index), key(index)) for index in indices]
    sender.flush(45)
    for future in futures:
        future.get(1)


def poll(reader, timeout_ms=500):
    for records in reader.poll(timeout_ms).values():
        yield from records


def read_until(reader, seen, count):
    check = deadline()
    while not seen.complete(count):
        for record in poll(reader):
            seen.add(record.key, record.value)
        check(f"{count} records, {len(seen.count)} came")


def first_record(reader):
    check = deadline(30)
    while True:
        for record in poll(reader):
            return record
        check("one record")


def reconnected():
    """Whether the administrator has a connection: after a broker was away, this client answers every call
    with a retriable error until its own backoff is over, and leaves it to the application to ask again."""
    try:
        admin.list_topics()
    except RetriableError:
        return False
    return True


def create_topic():
    create("story", 3, story.TOPIC_CONFIG)
    partitions = admin.describe_topics(["story"])[0]["partitions"]
    expect(len(partitions) == 3, f"metadata shows {len(partitions)} partitions")


def codec(name):
    topic = f"story-{name}"
    create(topic, 3)
    sender = producer(compression_type=None if name == "none" else name)
    send(sender, topic, name, range(story.RECORDS))
    sender.close()
    seen, reader = Seen(name), consumer()
    reader.assign([TopicPartition(topic, partition) for partition in range(3)])
    read_until(reader, seen, story.RECORDS)
    reader.close()
    seen.check_exactly_once(story.RECORDS)


def one(record_key, record_value, headers=None, **config):
    """Sends one record and reads it back."""
    sender = producer(**config)
    sent = sender.send("story", record_value, record_key, headers=headers).get(30)
    sender.close()
    reader = consumer(max_partition_fetch_bytes=2_000_000)
    partition = TopicPartition("story", sent.partition)
    reader.assign([partition])
    reader.seek(partition, sent.offset)
    record = first_record(reader)
    reader.close()
    expect(record.offset == sent.offset, f"offset {record.offset} instead of {sent.offset}")
    return record


def headers():
    sent = [("a", b"1"), ("b", b""), ("a", b"2")]
    got = [tuple(header) for header in one(b"k", b"v", sent).headers]
    expect(got == sent, f"came back as {got}")


def null_key():
    expect(one(None, b"v").key is None, "the key is not null")


def null_value():
    expect(one(b"k", None).value is None, "the value is not null")


def empty_value():
    expect(one(b"k", b"").value == b"", "the value is not empty")


def large_record():
    sent = bytes(range(256)) * (story.LARGE_BYTES // 256)
    expect(one(b"k", sent, max_request_size=2_000_000).value == sent, "it came back changed")


class Member(story.Member):
    """A group member that commits what each poll has read."""

    def join(self):
        self.reader = consumer("story-group", session_timeout_ms=10_000, heartbeat_interval_ms=500)
        self.reader.subscribe(["story-group"])

    def poll(self):
        read = False
        for record in poll(self.reader, 100):
            yield record.key, record.value
            read = True
        if read:
            self.reader.commit_async()

    def assigned(self):
        return len(self.reader.assignment())

    def leave(self):
        self.reader.close()


def group():
    create("story-group", 4)
    sender = producer()

    def described():
        return len(admin.describe_groups(["story-group"])["story-group"]["members"])

    return story.group_of_two(Member, lambda indices: send(sender, "story-group", "group", indices), described)


def resume(tale):
    topic, total = "story-resume", story.RESUME_FIRST + story.RESUME_SECOND
    create(topic, 3)
    sender, seen = producer(), Seen("resume")
    send(sender, topic, "resume", range(story.RESUME_FIRST))
    reader = consumer("story-resume")
    reader.subscribe([topic])
    read_until(reader, seen, story.RESUME_FIRST // 2)
    reader.commit()
    reader.close()
    tale.restart()
    eventually("the administrator to connect again", reconnected)
    send(sender, topic, "resume", range(story.RESUME_FIRST, total))
    committed = admin.list_group_offsets("story-resume")["story-resume"]
    known = sum(position.offset for position in committed.values())
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
        sender.send("story-time", value("time", index), key(index), partition=0, timestamp_ms=base + index * 1000)
    sender.flush(30)
    sender.close()
    reader, partition = consumer(), TopicPartition("story-time", 0)
    found = reader.offsets_for_times({partition: base + 49_500})[partition]
    expect(found.offset == 50, f"offset {found.offset} for the time between the 50th and the 51st")
    reader.assign([partition])
    reader.seek(partition, found.offset)
    record = first_record(reader)
    reader.close()
    expect(record.value == value("time", 50), "another record was read there")
    expect(record.timestamp == base + 50_000, f"its timestamp came back as {record.timestamp}")


def end_offsets():
    reader, partitions = consumer(), [TopicPartition("story-none", partition) for partition in range(3)]
    ends = reader.end_offsets(partitions)
    expect(sum(ends.values()) == story.RECORDS, f"the end offsets are {ends}")
    expect(set(reader.beginning_offsets(partitions).values()) == {0}, "a partition does not begin at 0")
    reader.assign([partitions[0]])
    reader.seek(partitions[0], ends[partitions[0]] - 1)
    record = first_record(reader)
    expect(record.offset == ends[partitions[0]] - 1, "the last record was not read")
    expect(not list(poll(reader, 300)), "there is more after the end")
    reader.close()


def described():
    entries = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "story")], config_filter="all")
    return {name: entry["value"] for name, entry in entries["topic"]["story"].items()}


def describe_configs():
    got = described()
    for name, expected in story.TOPIC_CONFIG.items():
        expect(got.get(name) == expected, f"{name} is {got.get(name)}")


def alter_configs():
    change = ConfigResource(ConfigResourceType.TOPIC, "story", {"retention.ms": "3600000"})
    admin.alter_configs([change])
    eventually("the new retention.ms", lambda: described()["retention.ms"] == "3600000")
    expect(described()["max.message.bytes"] == "2097152", "another setting changed")


def delete_topic():
    admin.delete_topics(["story"], timeout_ms=30_000)
    eventually("the topic to be gone", lambda: "story" not in admin.list_topics())


def main():
    tale = Story("kafka-python", kafka.__version__)
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
