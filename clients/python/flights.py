"""The records and tables of the story of PostgreSQL's clients, for those who tell it in Python."""

import json
import os

from confluent_kafka import Producer

from story import BOOTSTRAP, expect

HOST, PORT = os.environ["PGWIRE"].rsplit(":", 1)
COUNT = 1_000
CARRIERS = ["AA", "DL", "UA", "WN"]
#: What only one record has: every type that a table can have, and after it NULLs.
ODDS = [
    {
        "yes": True,
        "tiny": -7,
        "small": 300,
        "whole": 70_000,
        "large": 5_000_000_000,
        "real4": 1.5,
        "real8": 2.25e-7,
        "exact": "-12.340",
        "words": "ä'\"\\ x",
        "raw": "AP8=",
        "day": "2024-02-29",
        "clock": "12:34:56.789",
        "local_time": "2024-02-29 12:34:56.123456",
        "moment": "2024-02-29 12:34:56.789Z",
        "list": [1, None],
    },
    {},
]

CREATE = [
    "CREATE TABLE flights (id BIGINT, carrier STRING, delay INT, fare DECIMAL(10, 2)) WITH ('format' = 'json')",
    "CREATE TABLE odds (yes BOOLEAN, tiny TINYINT, small SMALLINT, whole INT, large BIGINT, real4 FLOAT, real8 DOUBLE,"
    " exact DECIMAL(10, 3), words STRING, raw BYTES, `day` DATE, clock TIME(3), local_time TIMESTAMP(6),"
    " moment TIMESTAMP_LTZ(3), list ARRAY<INT>) WITH ('format' = 'json')",
    "CREATE TABLE delays (carrier STRING, n BIGINT, PRIMARY KEY (carrier) NOT ENFORCED)"
    " WITH ('connector' = 'upsert-kafka')",
    "CREATE VIEW late AS SELECT id, carrier, delay FROM flights WHERE delay > 30",
]


def flight(index):
    return {"id": index, "carrier": CARRIERS[index % 4], "delay": index % 60 - 10, "fare": f"{index}.50"}


def produce(topic, values, partition=-1):
    """Sends values, and answers where the last of each partition is."""
    ends, failures = {}, []

    def done(error, message):
        failures.extend([error] if error else [])
        ends[message.partition()] = max(message.offset(), ends.get(message.partition(), 0))

    producer = Producer({"bootstrap.servers": BOOTSTRAP, "enable.idempotence": True})
    for value in values:
        place = {"partition": partition} if partition >= 0 else {}
        producer.produce(topic, json.dumps(value), on_delivery=done, **place)
    expect(producer.flush(45) == 0 and not failures, f"not acknowledged: {failures[:1]}")
    return ",".join(f"{topic}:{number}:{offset}" for number, offset in sorted(ends.items()))
