"""What every story told in Python shares: its records, its checks, and how it reports to xtask.

What a client does in a step is the business of the story that imports this.
"""

import json
import os
import sys
import threading
import time
import traceback

BOOTSTRAP = os.environ["BOOTSTRAP"]
CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
KEYS = 97
RECORDS = 20_000
LARGE_BYTES = 1_048_576
TOPIC_CONFIG = {"max.message.bytes": "2097152", "retention.ms": "86400000"}
PADDING = "abcdefghij" * 8
WAVE = 1_000
RESUME_FIRST, RESUME_SECOND = 3_000, 500
TIMES = 100


class NotApplicable(Exception):
    """The library cannot do this step."""


def key(index):
    """The key of record `index`."""
    return f"key-{index % KEYS}".encode()


def value(label, index):
    """The value of record `index` of the run `label`."""
    return f"{label}-{index:06}-{PADDING}".encode()


def expect(condition, message):
    """Fails the step with `message` unless `condition` holds."""
    if not condition:
        raise AssertionError(message)


def deadline(seconds=60):
    """A clock that fails the step when it has run out."""
    end = time.monotonic() + seconds

    def check(what):
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}")

    return check


def eventually(what, done):
    """Asks `done` until it holds; fails the step when it does not within half a minute."""
    check = deadline(30)
    while not done():
        check(what)
        time.sleep(0.1)


class Seen:
    """The records of one run as they were read: each index, its count, its order within its key."""

    def __init__(self, label):
        self.label = label
        self.count = {}
        self.last = {}
        self.disorder = None

    def add(self, record_key, record_value):
        """Takes one record in and fails on one that was never sent."""
        index = int(record_value[len(self.label) + 1 :][:6])
        expect(record_value == value(self.label, index), f"record {index} came back with another value")
        expect(record_key == key(index), f"record {index} came back with the key {record_key!r}")
        if index <= self.last.get(record_key, -1) and self.disorder is None:
            self.disorder = f"record {index} of {record_key!r} came after {self.last[record_key]}"
        self.last[record_key] = index
        self.count[index] = self.count.get(index, 0) + 1

    def complete(self, count):
        """Whether the records 0 to `count` were all seen."""
        return len(self.count) >= count

    def check_all(self, count):
        """Fails unless each of `count` records was seen."""
        missing = [index for index in range(count) if index not in self.count]
        expect(not missing, f"{len(missing)} of {count} records were not seen, the first is {missing[:1]}")

    def check_exactly_once(self, count):
        """Fails unless each record was seen once and every key's records came in order."""
        self.check_all(count)
        repeats = sum(self.count.values()) - count
        expect(repeats == 0, f"{repeats} records were seen more than once")
        expect(self.disorder is None, self.disorder)


class Member:
    """A group member on a thread of its own; a story gives it its client.

    `join()` enters the group, `poll()` yields (key, value) pairs and commits them, `assigned()` counts
    the partitions held, `leave()` leaves.
    """

    def __init__(self, seen, lock):
        self.seen, self.lock = seen, lock
        self.mine = set()
        self.held = 0
        self.error = None
        self.leaving = threading.Event()
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self):
        try:
            self.join()
            while not self.leaving.is_set():
                for record_key, record_value in self.poll():
                    with self.lock:
                        self.seen.add(record_key, record_value)
                    self.mine.add(int(record_value[6:12]))
                self.held = self.assigned()
            self.leave()
        except Exception as error:  # handed to the step
            self.error = error

    def close(self):
        """Has the member leave and waits until it has left."""
        self.leaving.set()
        self.thread.join(30)
        expect(not self.thread.is_alive(), "a member does not leave")
        if self.error:
            raise self.error


def group_of_two(join, wave, described):
    """The group step: `join(seen, lock)` starts a member, `wave(indices)` sends records, `described()`
    counts the group's members as an administrator sees them."""
    seen, lock = Seen("group"), threading.Lock()

    def wait(what, done, *members):
        check = deadline()
        while not done():
            for member in members:
                if member.error:
                    raise member.error
            check(f"{what}; {len(seen.count)} records seen, partitions held: {[m.held for m in members]}")
            time.sleep(0.02)

    wave(range(WAVE))
    first = join(seen, lock)
    wait("the first wave", lambda: seen.complete(WAVE), first)
    second = join(seen, lock)
    wait("both to have partitions", lambda: first.held == 2 and second.held == 2, first, second)
    wave(range(WAVE, 2 * WAVE))
    wait("the second wave", lambda: seen.complete(2 * WAVE), first, second)
    for member in (first, second):
        expect(any(index >= WAVE for index in member.mine), "one member read nothing of the second wave")
    expect(described() == 2, f"the group is described with {described()} members")
    first.close()
    wait("the second to have all partitions", lambda: second.held == 4, second)
    wave(range(2 * WAVE, 3 * WAVE))
    wait("the third wave", lambda: seen.complete(3 * WAVE), second)
    second.close()
    seen.check_all(3 * WAVE)
    return f"{sum(seen.count.values()) - 3 * WAVE} repeats at rebalances"


class Story:
    """Runs the steps and reports each as one line of JSON."""

    def __init__(self, client, version):
        self.failed = False
        self._say({"client": client, "version": version})

    def step(self, name, action, *arguments):
        """Runs one step; what it returns becomes the detail of its report."""
        try:
            detail, status = action(*arguments) or "", "pass"
        except NotApplicable as reason:
            detail, status = str(reason), "n/a"
        except Exception as error:  # a step may fail in any way; the report says which
            traceback.print_exc()
            detail, status = f"{type(error).__name__}: {error}"[:400], "fail"
            self.failed = True
        self._say({"step": name, "status": status, "detail": detail})

    def restart(self):
        """Has the broker restarted."""
        self._say({"ask": "restart"})
        answer = sys.stdin.readline().strip()
        expect(answer == "restarted", f"asked for a restart, was answered {answer!r}")

    def end(self):
        """Ends the program with its exit status; threads that libraries left behind do not hold it."""
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1 if self.failed else 0)

    @staticmethod
    def _say(line):
        print(json.dumps(line), flush=True)
