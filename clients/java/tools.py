"""The story for the console tools that come with Kafka, each run as its shell script runs it."""

import json
import os
import re
import signal
import subprocess
import threading
import time
from pathlib import Path

import story
from story import BOOTSTRAP, Seen, Story, deadline, eventually, expect, key, value

LOGGING = Path(__file__).with_name("log4j2.properties")
JAVA = [
    "java", "-Xmx256M", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", f"-Dlog4j2.configurationFile={LOGGING}",
    "-cp", os.environ["KAFKA_CLASSPATH"],
]  # fmt: skip
TOPICS = "org.apache.kafka.tools.TopicCommand"
PRODUCER = "org.apache.kafka.tools.ConsoleProducer"
CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
OFFSETS = "org.apache.kafka.tools.GetOffsetShell"
CONFIGS = "kafka.admin.ConfigCommand"
VERIFIABLE_PRODUCER = "org.apache.kafka.tools.VerifiableProducer"
VERIFIABLE_CONSUMER = "org.apache.kafka.tools.VerifiableConsumer"
DUMP = "org.apache.kafka.tools.DumpLogSegments"
VERIFIED = 500
KEYED = ["--formatter-property", "print.key=true"]
MEMBER = ["--command-property", "session.timeout.ms=10000", "--command-property", "heartbeat.interval.ms=500"]


def command(tool, *arguments):
    return [*JAVA, tool, "--bootstrap-server", BOOTSTRAP, *arguments]


def run(tool, *arguments, lines=None):
    """Runs a tool to its end with `lines` on its stdin, and answers its stdout."""
    text = None if lines is None else b"".join(line + b"\n" for line in lines)
    done = subprocess.run(command(tool, *arguments), input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    errors = done.stderr.decode(errors="replace")
    name = tool.rsplit(".", 1)[-1]
    expect(done.returncode == 0, f"{name} {arguments} ended with {done.returncode}: {errors[-300:]}")
    expect("ERROR" not in errors, f"{name} {arguments}: {errors[-300:]}")
    return done.stdout


def dump(topic):
    """Has Kafka's own tool read what the broker left in its files; answers how many records it found there."""
    files = sorted(str(path) for path in Path(os.environ["BROKER_FOLDER"]).rglob(f"{topic}-*/*.log"))
    if not files:
        return 0
    arguments = [*JAVA, DUMP, "--deep-iteration", "--files", ",".join(files)]
    dumped = subprocess.run(arguments, stdout=subprocess.PIPE, timeout=60, check=True).stdout.decode()
    for doubt in ("isvalid: false", "Found", "Corrupt"):
        expect(doubt not in dumped, f"DumpLogSegments says `{doubt}`")
    return sum(line.startswith("| offset:") for line in dumped.splitlines())


def verify():
    """The tools by which Kafka's own system tests send and read."""
    topic = "story-verifiable"
    create(topic, 2)
    sent = run(VERIFIABLE_PRODUCER, "--topic", topic, "--max-messages", str(VERIFIED), "--acks", "-1").splitlines()
    acked = [event["acked"] for event in map(json.loads, sent) if event["name"] == "tool_data"]
    expect(acked == [VERIFIED], f"of {VERIFIED} records {acked} were acknowledged")
    read = run(VERIFIABLE_CONSUMER, "--topic", topic, "--group-id", topic, "--max-messages", str(VERIFIED)).splitlines()
    events = [json.loads(line) for line in read]
    count = sum(event["count"] for event in events if event["name"] == "records_consumed")
    expect(count == VERIFIED, f"{count} of {VERIFIED} records were read")
    commits = [event["success"] for event in events if event["name"] == "offsets_committed"]
    expect(commits and all(commits), f"commits: {commits}")


def create(topic, partitions, config=None):
    settings = [argument for name, text in (config or {}).items() for argument in ("--config", f"{name}={text}")]
    run(TOPICS, "--create", "--topic", topic, "--partitions", str(partitions), "--replication-factor", "1", *settings)


def produce(topic, label, indices, *arguments):
    lines = [key(index) + b"\t" + value(label, index) for index in indices]
    run(PRODUCER, "--topic", topic, "--reader-property", "parse.key=true", *arguments, lines=lines)


def consume(topic, count, *arguments):
    """Reads `count` records as the lines that the tool prints for them."""
    output = run(CONSUMER, "--topic", topic, "--max-messages", str(count), "--timeout-ms", "30000", *arguments)
    lines = output.split(b"\n")[:-1]
    expect(len(lines) == count, f"{len(lines)} of {count} records came")
    return lines


def add_all(seen, lines):
    for line in lines:
        seen.add(*line.split(b"\t", 1))


def create_topic():
    create("story", 3, story.TOPIC_CONFIG)
    described = run(TOPICS, "--describe", "--topic", "story").decode()
    expect(re.search(r"PartitionCount:\s*3\b", described), described)


def codec(name):
    topic = f"story-{name}"
    produce(topic, name, range(story.RECORDS), "--compression-codec", name)
    seen = Seen(name)
    add_all(seen, consume(topic, story.RECORDS, "--from-beginning", *KEYED))
    seen.check_exactly_once(story.RECORDS)
    return "the topic came by auto-creation"


class Odd:
    """Four odd records, sent and read in one run each; every step looks at its own."""

    lines = None

    @classmethod
    def read(cls):
        if cls.lines is None:
            reader = ["parse.headers=true", "parse.key=true", "null.marker=@@"]
            sent = [b"a:1,b:,a:2\tk1\tv", b"@@\t@@\tnullkey", b"@@\tk3\t@@", b"@@\tk4\t"]
            run(PRODUCER, "--topic", "story", *arguments("--reader-property", reader), lines=sent)
            formatter = ["print.headers=true", "print.key=true", "null.literal=<null>"]
            cls.lines = consume("story", len(sent), "--from-beginning", *arguments("--formatter-property", formatter))
        return cls.lines

    @classmethod
    def expect(cls, line):
        expect(line in cls.read(), f"{line} is not among {cls.read()}")


def arguments(flag, properties):
    return [argument for text in properties for argument in (flag, text)]


def headers():
    Odd.expect(b"a:1,b:,a:2\tk1\tv")


def null_key():
    Odd.expect(b"NO_HEADERS\t<null>\tnullkey")


def null_value():
    Odd.expect(b"NO_HEADERS\tk3\t<null>")


def empty_value():
    Odd.expect(b"NO_HEADERS\tk4\t")


def large_record():
    sent = b"0123456789abcdef" * (story.LARGE_BYTES // 16)
    run(PRODUCER, "--topic", "story", "--command-property", "max.request.size=2000000", lines=[sent])
    got = consume("story", len(Odd.read()) + 1, "--from-beginning")
    expect(sent in got, "it came back changed")


class Member:
    """A console consumer in a group."""

    def __init__(self, seen, lock):
        self.count = 0
        self.newest = -1
        self.error = None
        arguments = ["--topic", "story-group", "--group", "story-group", "--from-beginning", *KEYED, *MEMBER]
        self.process = subprocess.Popen(command(CONSUMER, *arguments), stdout=subprocess.PIPE)
        self.thread = threading.Thread(target=self._read, args=(seen, lock), daemon=True)
        self.thread.start()

    def _read(self, seen, lock):
        try:
            for line in self.process.stdout:
                record_key, record_value = line.rstrip(b"\n").split(b"\t", 1)
                with lock:
                    seen.add(record_key, record_value)
                self.newest = max(self.newest, int(record_value[6:12]))
        except Exception as error:  # handed to the step
            self.error = error

    def leave(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)
        self.thread.join(10)
        expect(self.error is None, self.error)


def members():
    """The partition counts of the group's members as the tool shows them."""
    described = run(GROUPS, "--describe", "--group", "story-group", "--members").decode()
    rows = [line.split() for line in described.splitlines() if line.startswith("story-group ")]
    return sorted(int(row[-1]) for row in rows)


def group():
    create("story-group", 4)
    seen, lock = Seen("group"), threading.Lock()

    def wave(number):
        produce("story-group", "group", range(number * story.WAVE, (number + 1) * story.WAVE))

    def read(count):
        check = deadline()
        while not seen.complete(count):
            check(f"{count} records, {len(seen.count)} were seen")
            time.sleep(0.05)

    wave(0)
    joined = [Member(seen, lock)]
    try:
        read(story.WAVE)
        joined.append(Member(seen, lock))
        eventually("both to have partitions", lambda: members() == [2, 2])
        wave(1)
        read(2 * story.WAVE)
        expect(min(member.newest for member in joined) >= story.WAVE, "one member read nothing of the second wave")
        joined[0].leave()
        eventually("the second to have all partitions", lambda: members() == [4])
        wave(2)
        read(3 * story.WAVE)
        joined[1].leave()
    finally:
        for member in joined:
            member.process.kill()
    seen.check_all(3 * story.WAVE)
    return f"{sum(seen.count.values()) - 3 * story.WAVE} repeats at rebalances"


def resume(tale):
    topic, half, total = "story-resume", story.RESUME_FIRST // 2, story.RESUME_FIRST + story.RESUME_SECOND
    create(topic, 3)
    produce(topic, "resume", range(story.RESUME_FIRST))
    seen = Seen("resume")
    add_all(seen, consume(topic, half, "--group", topic, "--from-beginning", *KEYED, *MEMBER))
    tale.restart()
    dumped = dump(topic)
    expect(dumped <= story.RESUME_FIRST, f"DumpLogSegments found {dumped} of {story.RESUME_FIRST} records")
    produce(topic, "resume", range(story.RESUME_FIRST, total))
    described = run(GROUPS, "--describe", "--group", topic, "--offsets").decode()
    rows = [line.split() for line in described.splitlines() if line.startswith(f"{topic} ")]
    known = sum(int(row[3]) for row in rows if row[3] != "-")
    expect(known == half, f"{half} records were committed, the broker knows {known}")
    add_all(seen, consume(topic, total - half, "--group", topic, *KEYED, *MEMBER))
    seen.check_exactly_once(total)
    return f"DumpLogSegments read {dumped} records in the files"


def timestamp():
    topic = "story-time"
    create(topic, 1)
    produce(topic, "time", range(50))
    time.sleep(0.05)
    between = time.time()
    time.sleep(0.05)
    produce(topic, "time", range(50, story.TIMES))
    listed = run(OFFSETS, "--topic", topic, "--time", str(int(between * 1000))).decode().strip()
    expect(listed == f"{topic}:0:50", f"listed {listed}")
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(between)) + f".{int(between * 1000) % 1000:03}Z"
    run(GROUPS, "--reset-offsets", "--to-datetime", moment, "--group", topic, "--topic", topic, "--execute")
    first = consume(topic, 1, "--group", topic)[0]
    expect(first == value("time", 50), f"{first} was read there")
    return "the tools set no timestamps: the moment between two runs is sought"


def end_offsets():
    listed = run(OFFSETS, "--topic", "story-none", "--time", "-1").decode().split()
    ends = [int(line.split(":")[2]) for line in listed]
    expect(sum(ends) == story.RECORDS, f"the end offsets are {listed}")
    last = consume("story-none", 1, "--partition", "0", "--offset", str(ends[0] - 1))
    expect(len(last) == 1, "the last record was not read")
    verify()
    return "VerifiableProducer and VerifiableConsumer agree, too"


def described():
    return run(CONFIGS, "--describe", "--entity-type", "topics", "--entity-name", "story").decode()


def describe_configs():
    got = described()
    for name, expected in story.TOPIC_CONFIG.items():
        expect(f"{name}={expected} " in got, f"{name} is not {expected} in: {got}")


def alter_configs():
    change = ["--alter", "--entity-type", "topics", "--entity-name", "story", "--add-config", "retention.ms=3600000"]
    run(CONFIGS, *change)
    eventually("the new retention.ms", lambda: "retention.ms=3600000 " in described())
    expect("max.message.bytes=2097152 " in described(), "another setting changed")


def delete_topic():
    run(TOPICS, "--delete", "--topic", "story")
    eventually("the topic to be gone", lambda: "story" not in run(TOPICS, "--list").decode().split())


def main():
    tale = Story("java-tools", os.environ["KAFKA_VERSION"])
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
