"""The story of `group.protocol=consumer`: members in processes of their own, which can be killed and stopped.

The program of a member is in the environment (`MEMBER`), whatever its language. It is called `member GROUP TOPIC` or
`describe GROUP`. A member prints `{"assigned": count}` whenever that changes and `{"read": [index, …]}` when it has
committed them; it leaves when its stdin says so or ends. `describe` prints one line with type, state, members and
partitions.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

import story
from story import BOOTSTRAP, Story, expect, key, value

GROUP = TOPIC = "story-848"
PARTITIONS = 6
WAVE = 600
MEMBER = json.loads(os.environ["MEMBER"])
# Longer than the broker's session timeout, as the suite sets it.
SILENCE = 12


class Member:
    """A member's process."""

    def __init__(self, seen):
        command = [*MEMBER, "member", GROUP, TOPIC]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.assigned = 0
        self.seen = seen
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        for line in self.process.stdout:
            said = json.loads(line)
            if "assigned" in said:
                self.assigned = said["assigned"]
            for index in said.get("read", []):
                self.seen.setdefault(index, []).append(self)

    def leave(self):
        self.process.stdin.write("leave\n")
        self.process.stdin.flush()
        status = self.process.wait(30)
        expect(status == 0, f"the member ended with {status}")
        self.assigned = 0

    def kill(self):
        self.process.kill()
        self.process.wait(10)
        self.assigned = 0

    def signal(self, number):
        self.process.send_signal(number)


class Tale:
    """The group, its members and what they have read."""

    def __init__(self):
        self.seen, self.sent, self.members = {}, 0, []
        self.producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True})

    def join(self):
        self.members.append(Member(self.seen))
        return self.members[-1]

    def wave(self):
        """Sends records and waits until each was read and committed by some member."""
        failures = []
        first, self.sent = self.sent, self.sent + WAVE
        for index in range(first, self.sent):
            self.producer.produce(TOPIC, value("848", index), key(index), on_delivery=lambda e, _: e and failures.append(e))
        expect(self.producer.flush(45) == 0 and not failures, f"not acknowledged: {failures[:1]}")
        self.eventually(f"{self.sent} records", lambda: len(self.seen) == self.sent)

    def shared(self, *shares):
        """Waits until the members hold these numbers of partitions."""
        held = lambda: sorted(member.assigned for member in self.members if member.process.poll() is None)
        self.eventually(f"shares {shares}", lambda: held() == sorted(shares), held)

    def eventually(self, what, done, state=lambda: ""):
        end = time.monotonic() + 60
        while not done():
            if time.monotonic() > end:
                raise AssertionError(f"waited 60 s for {what} {state()}, {len(self.seen)} records were read")
            time.sleep(0.05)

    def described(self):
        output = subprocess.run([*MEMBER, "describe", GROUP], capture_output=True, text=True, timeout=60)
        expect(output.returncode == 0, f"describe ended with {output.returncode}: {output.stderr[-300:]}")
        return json.loads(output.stdout.strip().splitlines()[-1])


def timed(action):
    start = time.monotonic()
    action()
    return f"{time.monotonic() - start:.1f} s"


def main():
    name, version = os.environ["MEMBER_NAME"], subprocess.run([*MEMBER, "version"], capture_output=True, text=True)
    tale = Story(name, version.stdout.strip())
    group = Tale()

    def two_members():
        admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
        admin.create_topics([NewTopic(TOPIC, PARTITIONS, 1)])[TOPIC].result(30)
        group.join()
        group.join()
        group.shared(3, 3)
        group.wave()

    def late_member():
        group.join()
        took = timed(lambda: group.shared(2, 2, 2))
        group.wave()
        return f"three have their share after {took}"

    def describe():
        said = group.described()
        expected = {"type": "consumer", "state": "stable", "members": 3, "partitions": PARTITIONS}
        expect(said == expected, f"described as {said}")

    def leave():
        group.members.pop(0).leave()
        took = timed(lambda: group.shared(3, 3))
        group.wave()
        return f"two share after {took}"

    def kill():
        group.members.pop(0).kill()
        took = timed(lambda: group.shared(PARTITIONS))
        group.wave()
        return f"the other has everything after {took}"

    def pause():
        other = group.join()
        group.shared(3, 3)
        group.wave()
        other.signal(signal.SIGSTOP)
        try:
            time.sleep(SILENCE)
            group.eventually("the other to have everything", lambda: group.members[0].assigned == PARTITIONS)
            group.wave()
        finally:
            other.signal(signal.SIGCONT)
        group.shared(3, 3)
        group.wave()

    def restart():
        tale.restart()
        group.wave()
        group.shared(3, 3)

    def leave_all():
        for member in group.members:
            member.leave()
        said = group.described()
        expect((said["state"], said["members"]) == ("empty", 0), f"described as {said}")
        missing = [index for index in range(group.sent) if index not in group.seen]
        expect(not missing, f"{len(missing)} records were never read")

    try:
        for step in (two_members, late_member, describe, leave, kill, pause, restart, leave_all):
            tale.step(step.__name__, step)
    finally:
        for member in group.members:
            if member.process.poll() is None:
                member.kill()
    tale.end()


if __name__ == "__main__":
    sys.exit(main())
