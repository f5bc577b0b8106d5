"""Copies records from one topic to another, exactly once, until it is killed: arguments are in the environment."""

import os
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer

BOOTSTRAP = os.environ["BOOTSTRAP"]
ID = os.environ["TRANSACTIONAL_ID"]


def work():
    consumer = Consumer({
        "bootstrap.servers": BOOTSTRAP,
        "group.id": os.environ["GROUP"],
        "isolation.level": "read_committed",
        "enable.auto.commit": False,
        "auto.offset.reset": "earliest",
        "session.timeout.ms": 6_000,
    })
    producer = Producer({
        "bootstrap.servers": BOOTSTRAP,
        "transactional.id": ID,
        "transaction.timeout.ms": 10_000,
        "linger.ms": 5,
    })
    try:
        producer.init_transactions(15)
        consumer.subscribe(["in"])
        rounds = 0
        while True:
            messages = [message for message in consumer.consume(400, 0.2) if message.error() is None]
            if not messages:
                continue
            rounds += 1
            producer.begin_transaction()
            for message in messages:
                producer.produce("out", message.value(), message.key())
            if rounds % 7 == 0:
                producer.abort_transaction(15)
                raise RuntimeError("an abort, as there are some in every life")
            positions = consumer.position(consumer.assignment())
            producer.send_offsets_to_transaction(positions, consumer.consumer_group_metadata(), 15)
            producer.commit_transaction(15)
    finally:
        consumer.close()


while True:
    try:
        work()
    except (KafkaException, RuntimeError, BufferError) as error:
        # Whatever it was: what was not committed is read again by whoever comes next.
        print(f"{ID} begins again after: {error}", file=sys.stderr)
        time.sleep(0.5)
