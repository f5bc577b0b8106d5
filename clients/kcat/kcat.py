"""The story for kcat, which is librdkafka on the command line. It has no administration, so its topics come
by auto-creation, with the broker's defaults."""

import json
import re
import signal
import subprocess
import threading
import time

import story
from story import BOOTSTRAP, NotApplicable, Seen, Story, deadline, expect, key, value

ALL_ACKNOWLEDGED = ["-X", "enable.idempotence=true", "-X", "message.max.bytes=2000000"]
TOPICS = ["story-group-1", "story-group-2", "story-group-3", "story-group-4"]


def kcat(*arguments, text=None):
    """Runs kcat to its end with `text` on its stdin, and answers its stdout."""
    done = subprocess.run(
        ["kcat", "-b", BOOTSTRAP, *arguments], input=text, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60
    )
    errors = done.stderr.decode(errors="replace")[-300:]
    expect(done.returncode == 0, f"kcat {' '.join(arguments)} ended with {done.returncode}: {errors}")
    return done.stdout


def produce(topic, text, *arguments):
    kcat("-P", "-t", topic, *ALL_ACKNOWLEDGED, *arguments, text=text)


def produce_records(topic, label, indices, *arguments):
    produce(topic, b"".join(key(index) + b"|" + value(label, index) + b"\n" for index in indices), "-K|", *arguments)


def consume(*arguments):
    """The lines of a consumer that ends at the end of the partition."""
    return kcat("-C", "-e", "-q", *arguments).split(b"\n")[:-1]


def add_all(seen, lines):
    for line in lines:
        seen.add(*line.split(b"|", 1))


def metadata(topic=None):
    return json.loads(kcat("-L", "-J", *(["-t", topic] if topic else [])))


def create_topic():
    produce("story", b"first\n")
    partitions = metadata("story")["topics"][0]["partitions"]
    expect(len(partitions) >= 1, "metadata shows no partition")
    raise NotApplicable("kcat creates no topics; it met the broker's auto-creation instead, and that worked")


def codec(name):
    topic = f"story-{name}"
    produce_records(topic, name, range(story.RECORDS), "-z", name)
    seen = Seen(name)
    add_all(seen, consume("-t", topic, "-o", "beginning", "-K|"))
    seen.check_exactly_once(story.RECORDS)


def newest(topic="story"):
    """The last record of partition 0, as JSON."""
    return json.loads(consume("-t", topic, "-p", "0", "-o", "-1", "-J", "-X", "fetch.message.max.bytes=2000000")[0])


def headers():
    produce("story", b"v\n", "-p", "0", "-H", "a=1", "-H", "b=", "-H", "a=2")
    got = newest()["headers"]
    expect(got == ["a", "1", "b", "", "a", "2"], f"came back as {got}")


def null_key():
    produce("story", b"v\n", "-p", "0")
    expect(newest()["key"] is None, f"the key is {newest()['key']}")


def null_value():
    produce("story", b"k|\n", "-p", "0", "-K|", "-Z")
    got = newest()
    expect((got["key"], got["payload"]) == ("k", None), f"came back as {got}")


def empty_value():
    produce("story", b"k|\n", "-p", "0", "-K|")
    got = newest()
    expect((got["key"], got["payload"]) == ("k", ""), f"came back as {got}")


def large_record():
    sent = "0123456789abcdef" * (story.LARGE_BYTES // 16)
    produce("story", sent.encode() + b"\n", "-p", "0", "-z", "lz4")
    expect(newest()["payload"] == sent, "it came back changed")
    return "sent compressed: with its framing it is above the default of max.message.bytes"


class Member:
    """kcat in a group."""

    def __init__(self, seen, lock):
        self.held = 0
        self.newest = -1
        self.error = None
        settings = ["session.timeout.ms=10000", "heartbeat.interval.ms=500", "auto.offset.reset=earliest"]
        settings += ["partition.assignment.strategy=roundrobin", "auto.commit.interval.ms=200"]
        arguments = [argument for setting in settings for argument in ("-X", setting)]
        command = ["kcat", "-b", BOOTSTRAP, "-u", "-K|", *arguments, "-G", "story-group", *TOPICS]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for target, stream in ((self._read, seen), (self._watch, None)):
            threading.Thread(target=target, args=(stream, lock), daemon=True).start()

    def _read(self, seen, lock):
        try:
            for line in self.process.stdout:
                record_key, record_value = line.rstrip(b"\n").split(b"|", 1)
                with lock:
                    seen.add(record_key, record_value)
                self.newest = max(self.newest, int(record_value[6:12]))
        except Exception as error:  # handed to the step
            self.error = error

    def _watch(self, _seen, _lock):
        """Reads `% Group … rebalanced …: assigned: topic [0], topic [0]` from stderr."""
        for line in self.process.stderr:
            text = line.decode(errors="replace")
            if "revoked:" in text:
                self.held = 0
            elif "assigned:" in text:
                self.held = len(re.findall(r"\[\d+\]", text.split("assigned:")[1]))

    def leave(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(30)


def group():
    seen, lock, joined = Seen("group"), threading.Lock(), []

    def wave(number):
        first = number * story.WAVE
        for part, topic in enumerate(TOPICS):
            produce_records(topic, "group", range(first + part, first + story.WAVE, len(TOPICS)))

    def wait(what, done):
        check = deadline()
        while not done():
            for member in joined:
                expect(member.error is None, member.error)
            check(f"{what}; {len(seen.count)} records seen, partitions held: {[member.held for member in joined]}")
            time.sleep(0.05)

    try:
        wave(0)
        joined.append(Member(seen, lock))
        wait("the first wave", lambda: seen.complete(story.WAVE))
        joined.append(Member(seen, lock))
        wait("both to have partitions", lambda: [member.held for member in joined] == [2, 2])
        wave(1)
        wait("the second wave", lambda: seen.complete(2 * story.WAVE))
        expect(min(member.newest for member in joined) >= story.WAVE, "one member read nothing of the second wave")
        joined[0].leave()
        wait("the second to have all partitions", lambda: joined[1].held == 4)
        wave(2)
        wait("the third wave", lambda: seen.complete(3 * story.WAVE))
        joined[1].leave()
    finally:
        for member in joined:
            member.process.kill()
    seen.check_all(3 * story.WAVE)
    return f"four topics; {sum(seen.count.values()) - 3 * story.WAVE} repeats at rebalances"


def resume(tale):
    topic, half, total = "story-resume", story.RESUME_FIRST // 2, story.RESUME_FIRST + story.RESUME_SECOND
    produce_records(topic, "resume", range(story.RESUME_FIRST))
    seen = Seen("resume")
    first = ["-q", "-K|", "-X", "auto.offset.reset=earliest", "-c", str(half), "-G", topic, topic]
    add_all(seen, kcat(*first).split(b"\n")[:-1])
    expect(len(seen.count) == half, f"{len(seen.count)} of {half} records came")
    tale.restart()
    produce_records(topic, "resume", range(story.RESUME_FIRST, total))
    rest = ["-q", "-e", "-K|", "-X", "auto.offset.reset=error", "-G", topic, topic]
    add_all(seen, kcat(*rest).split(b"\n")[:-1])
    seen.check_exactly_once(total)


def timestamp():
    topic = "story-time"
    produce_records(topic, "time", range(50))
    time.sleep(0.05)
    between = int(time.time() * 1000)
    time.sleep(0.05)
    produce_records(topic, "time", range(50, story.TIMES))
    listed = kcat("-Q", "-t", f"{topic}:0:{between}").decode()
    expect("offset 50" in listed, f"listed {listed}")
    first = consume("-t", topic, "-p", "0", "-o", f"s@{between}", "-c", "1")[0]
    expect(first == value("time", 50), f"{first} was read there")
    return "kcat sets no timestamps: the moment between two runs is sought"


def end_offsets():
    ends = 0
    for partition in metadata("story-none")["topics"][0]["partitions"]:
        listed = kcat("-Q", "-t", f"story-none:{partition['partition']}:-1").decode()
        ends += int(listed.rsplit(" ", 1)[1])
    expect(ends == story.RECORDS, f"the end offsets sum to {ends}")
    last = consume("-t", "story-none", "-p", "0", "-o", "-1")
    expect(len(last) == 1, f"{len(last)} records at the end minus one")


def no_administration():
    raise NotApplicable("kcat has no administration")


def main():
    version = kcat("-V").decode()
    release, library = re.search(r"Version (\S+)", version)[1], re.search(r"librdkafka (\S+)", version)[1]
    tale = Story("kcat", f"{release} (librdkafka {library})")
    tale.step("create_topic", create_topic)
    for name in story.CODECS:
        tale.step(f"codec_{name}", codec, name)
    for action in (headers, null_key, null_value, empty_value, large_record, group):
        tale.step(action.__name__, action)
    tale.step("resume", resume, tale)
    tale.step("timestamp", timestamp)
    tale.step("end_offsets", end_offsets)
    for name in ("describe_configs", "alter_configs", "delete_topic"):
        tale.step(name, no_administration)
    tale.end()


main()
