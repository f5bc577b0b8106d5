//! The story for the rdkafka crate, Rust's binding to librdkafka.

mod client;
mod group;
mod story;

use std::env;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rdkafka::consumer::{CommitMode, Consumer};
use rdkafka::message::{Headers, Message, OwnedMessage};
use rdkafka::topic_partition_list::{Offset, TopicPartitionList};

use client::{Client, Sent};
use story::{LARGE_BYTES, Outcome, RECORDS, Seen, Story, TOPIC_CONFIG, expect, key, restart, until, value};

const WAIT: Duration = Duration::from_secs(30);

/// An error of the crate as a step reports it.
pub fn text(error: impl ToString) -> String {
    error.to_string()
}

fn main() {
    let (_, librdkafka) = rdkafka::util::get_rdkafka_version();
    let version = format!("{} (librdkafka {librdkafka})", env!("RDKAFKA_VERSION"));
    let mut story = Story::begin("rdkafka", &version);
    let client = Client::new(&env::var("BOOTSTRAP").unwrap_or_default());
    story.step("create_topic", || create_topic(&client));
    for codec in ["none", "gzip", "snappy", "lz4", "zstd"] {
        story.step(&format!("codec_{codec}"), || codec_step(&client, codec));
    }
    story.step("headers", || headers(&client));
    story.step("null_key", || odd(&client, None, Some(b"v")));
    story.step("null_value", || odd(&client, Some(b"k"), None));
    story.step("empty_value", || odd(&client, Some(b"k"), Some(b"")));
    story.step("large_record", || odd(&client, Some(b"k"), Some(&vec![b'x'; LARGE_BYTES])));
    story.step("group", || group::group(&client));
    story.step("resume", || resume(&client));
    story.step("timestamp", || timestamp(&client));
    story.step("end_offsets", || end_offsets(&client));
    story.step("describe_configs", || describe_configs(&client));
    story.step("alter_configs", || alter_configs(&client));
    story.step("delete_topic", || delete_topic(&client));
    story.end()
}

fn done() -> Outcome {
    Ok(String::new())
}

fn create_topic(client: &Client) -> Outcome {
    client.create("story", 3, &TOPIC_CONFIG)?;
    until("3 partitions in the metadata", || Ok(client.partitions("story")? == 3))?;
    done()
}

fn codec_step(client: &Client, codec: &str) -> Outcome {
    let topic = format!("story-{codec}");
    client.create(&topic, 3, &[])?;
    client.producer(codec)?.send_all(&topic, codec, 0..RECORDS)?;
    let consumer = client.consumer("unused")?;
    let mut partitions = TopicPartitionList::new();
    for partition in 0..3 {
        partitions.add_partition_offset(&topic, partition, Offset::Beginning).map_err(text)?;
    }
    consumer.assign(&partitions).map_err(text)?;
    let mut seen = Seen::new(codec);
    client::read_until(&consumer, &mut seen, RECORDS)?;
    seen.check_exactly_once(RECORDS)?;
    done()
}

/// Reads the record at an offset.
fn read_at(client: &Client, topic: &str, partition: i32, offset: i64) -> Outcome<OwnedMessage> {
    let consumer = client.consumer("unused")?;
    let mut place = TopicPartitionList::new();
    place.add_partition_offset(topic, partition, Offset::Offset(offset)).map_err(text)?;
    consumer.assign(&place).map_err(text)?;
    let message = consumer.poll(WAIT).ok_or("no record came")?.map_err(text)?.detach();
    expect(message.offset() == offset, format!("offset {} instead of {offset}", message.offset()))?;
    Ok(message)
}

/// Sends one record and reads it back.
fn one(client: &Client, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[(&str, &str)]) -> Outcome<OwnedMessage> {
    let Sent { partition, offset } = client.producer("none")?.send_one("story", key, value, headers)?;
    read_at(client, "story", partition, offset)
}

fn odd(client: &Client, key: Option<&[u8]>, value: Option<&[u8]>) -> Outcome {
    let got = one(client, key, value, &[])?;
    expect(got.key() == key, "the key came back changed")?;
    expect(got.payload() == value, "the value came back changed")?;
    done()
}

fn headers(client: &Client) -> Outcome {
    let sent = [("a", "1"), ("b", ""), ("a", "2")];
    let message = one(client, Some(b"k"), Some(b"v"), &sent)?;
    let headers = message.headers().ok_or("no headers came back")?;
    let got: Vec<(&str, Option<&[u8]>)> = headers.iter().map(|header| (header.key, header.value)).collect();
    let expected: Vec<_> = sent.iter().map(|(name, value)| (*name, Some(value.as_bytes()))).collect();
    expect(got == expected, format!("came back as {got:?}"))?;
    done()
}

fn resume(client: &Client) -> Outcome {
    const TOPIC: &str = "story-resume";
    const FIRST: usize = 3_000;
    const TOTAL: usize = 3_500;
    client.create(TOPIC, 3, &[])?;
    let producer = client.producer("none")?;
    producer.send_all(TOPIC, "resume", 0..FIRST)?;
    let mut seen = Seen::new("resume");
    read_and_commit(client, TOPIC, &mut seen, FIRST / 2)?;
    restart()?;
    producer.send_all(TOPIC, "resume", FIRST..TOTAL)?;
    let mut partitions = TopicPartitionList::new();
    (0..3).for_each(|partition| drop(partitions.add_partition(TOPIC, partition)));
    let committed = client.consumer(TOPIC)?.committed_offsets(partitions, WAIT).map_err(text)?;
    let known: i64 = committed.elements().iter().filter_map(|each| each.offset().to_raw()).map(|raw| raw.max(0)).sum();
    let read = i64::try_from(seen.len()).map_err(text)?;
    expect(known == read, format!("{read} records were committed, the broker knows {known}"))?;
    read_and_commit(client, TOPIC, &mut seen, TOTAL)?;
    seen.check_exactly_once(TOTAL)?;
    done()
}

/// Has a new member read until `seen` has `count` records, commit them and leave.
fn read_and_commit(client: &Client, topic: &str, seen: &mut Seen, count: usize) -> Outcome<()> {
    let member = client.consumer(topic)?;
    member.subscribe(&[topic]).map_err(text)?;
    client::read_until(&member, seen, count)?;
    member.commit_consumer_state(CommitMode::Sync).map_err(text)
}

fn timestamp(client: &Client) -> Outcome {
    const TOPIC: &str = "story-time";
    client.create(TOPIC, 1, &[])?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(text)?.as_millis();
    let base = i64::try_from(now).map_err(text)? - 200_000;
    client.producer("none")?.send_timed(TOPIC, "time", 0..100, |index| base + index * 1000)?;
    let mut asked = TopicPartitionList::new();
    asked.add_partition_offset(TOPIC, 0, Offset::Offset(base + 49_500)).map_err(text)?;
    let found = client.consumer("unused")?.offsets_for_times(asked, WAIT).map_err(text)?;
    let offset = found.find_partition(TOPIC, 0).map(|place| place.offset());
    expect(offset == Some(Offset::Offset(50)), format!("{offset:?} for the time between the 50th and the 51st"))?;
    let got = read_at(client, TOPIC, 0, 50)?;
    expect(got.payload() == Some(&value("time", 50)), "another record was read there")?;
    expect(got.timestamp().to_millis() == Some(base + 50_000), format!("its timestamp is {:?}", got.timestamp()))?;
    expect(got.key() == Some(&key(50)), "its key is another")?;
    done()
}

fn end_offsets(client: &Client) -> Outcome {
    let consumer = client.consumer("unused")?;
    let mut ends = Vec::new();
    for partition in 0..3 {
        ends.push(consumer.fetch_watermarks("story-none", partition, WAIT).map_err(text)?.1);
    }
    expect(ends.iter().sum::<i64>() == i64::try_from(RECORDS).map_err(text)?, format!("the end offsets are {ends:?}"))?;
    read_at(client, "story-none", 0, ends[0] - 1)?;
    done()
}

fn describe_configs(client: &Client) -> Outcome {
    for (name, expected) in TOPIC_CONFIG {
        let got = client.config("story", name)?;
        expect(got.as_deref() == Some(expected), format!("{name} is {got:?}"))?;
    }
    done()
}

/// librdkafka's binding alters by replacing all of a topic's settings.
fn alter_configs(client: &Client) -> Outcome {
    client.replace_configs("story", &[("max.message.bytes", "2097152"), ("retention.ms", "3600000")])?;
    until("the new retention.ms", || Ok(client.config("story", "retention.ms")?.as_deref() == Some("3600000")))?;
    let other = client.config("story", "max.message.bytes")?;
    expect(other.as_deref() == Some("2097152"), format!("max.message.bytes became {other:?}"))?;
    done()
}

fn delete_topic(client: &Client) -> Outcome {
    client.delete("story")?;
    until("the topic to be gone", || Ok(client.partitions("story")? == 0))?;
    done()
}
