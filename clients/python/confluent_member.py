"""A member of a group under `group.protocol=consumer` in confluent-kafka; `consumer_protocol.py` says what it does."""

import json
import os
import sys
import threading

import confluent_kafka
from confluent_kafka import Consumer
from confluent_kafka.admin import AdminClient

BOOTSTRAP = os.environ["BOOTSTRAP"]


def say(**line):
    print(json.dumps(line), flush=True)


def member(group, topic):
    leaving = threading.Event()

    def listen():
        sys.stdin.readline()
        leaving.set()

    threading.Thread(target=listen, daemon=True).start()
    config = {"group.protocol": "consumer", "enable.auto.commit": False, "auto.offset.reset": "earliest"}
    consumer = Consumer({"bootstrap.servers": BOOTSTRAP, "group.id": group, **config})
    consumer.subscribe([topic])
    assigned = None
    while not leaving.is_set():
        messages = consumer.consume(200, 0.1)
        held = len(consumer.assignment())
        if held != assigned:
            assigned = held
            say(assigned=held)
        messages = [message for message in messages if message.error() is None]
        if messages:
            try:
                consumer.commit(asynchronous=False)
            except confluent_kafka.KafkaException as error:
                # Whoever has the partitions now reads the records again.
                print(error, file=sys.stderr)
                continue
            say(read=[int(message.value()[4:10]) for message in messages])
    consumer.close()


def describe(group):
    admin = AdminClient({"bootstrap.servers": BOOTSTRAP})
    found = admin.describe_consumer_groups([group])[group].result(30)
    partitions = sum(len(member.assignment.topic_partitions) for member in found.members)
    kind, state = found.type.name.lower(), found.state.name.lower()
    say(type=kind, state=state, members=len(found.members), partitions=partitions)


def main():
    match sys.argv[1]:
        case "version":
            print(f"{confluent_kafka.version()} (librdkafka {confluent_kafka.libversion()[0]})")
        case "member":
            member(*sys.argv[2:])
        case "describe":
            describe(*sys.argv[2:])


main()
