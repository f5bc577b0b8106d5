//! The surface of the rdkafka crate that the steps use.

use std::ops::Range;
use std::sync::Mutex;
use std::time::Duration;

use futures_executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication, TopicResult,
};
use rdkafka::client::{ClientContext, DefaultClientContext};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::BaseConsumer;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, Message, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};

use crate::story::{LIMIT, Outcome, Seen, expect, key, until, value};
use crate::{WAIT, text};

/// Makes producers and consumers, and administers.
pub struct Client {
    bootstrap: String,
    admin: AdminClient<DefaultClientContext>,
}

/// Where a record went.
#[derive(Clone, Copy)]
pub struct Sent {
    pub partition: i32,
    pub offset: i64,
}

impl Client {
    pub fn new(bootstrap: &str) -> Self {
        let admin = config(bootstrap).create().expect("an admin client needs nothing but an address");
        Self { bootstrap: bootstrap.to_owned(), admin }
    }

    pub fn create(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) -> Outcome<()> {
        let mut wanted = NewTopic::new(topic, partitions, TopicReplication::Fixed(1));
        for (name, value) in settings {
            wanted = wanted.set(name, value);
        }
        all(block_on(self.admin.create_topics([&wanted], &options())))
    }

    pub fn delete(&self, topic: &str) -> Outcome<()> {
        all(block_on(self.admin.delete_topics(&[topic], &options())))
    }

    /// How many partitions the metadata shows, 0 without the topic.
    pub fn partitions(&self, topic: &str) -> Outcome<usize> {
        let metadata = self.admin.inner().fetch_metadata(None, WAIT).map_err(text)?;
        Ok(metadata.topics().iter().find(|found| found.name() == topic).map_or(0, |found| found.partitions().len()))
    }

    pub fn config(&self, topic: &str, name: &str) -> Outcome<Option<String>> {
        let asked = [&ResourceSpecifier::Topic(topic)];
        let described = block_on(self.admin.describe_configs(asked, &options())).map_err(text)?;
        let resource = described.into_iter().next().ok_or("nothing was described")?.map_err(text)?;
        Ok(resource.get(name).and_then(|entry| entry.value.clone()))
    }

    pub fn replace_configs(&self, topic: &str, settings: &[(&str, &str)]) -> Outcome<()> {
        let mut change = AlterConfig::new(ResourceSpecifier::Topic(topic));
        for (name, value) in settings {
            change = change.set(name, value);
        }
        for result in block_on(self.admin.alter_configs([&change], &options())).map_err(text)? {
            result.map_err(|(_, code)| text(code))?;
        }
        Ok(())
    }

    /// A producer that waits for all replicas and keeps each key's order.
    pub fn producer(&self, codec: &str) -> Outcome<Sender> {
        let mut config = config(&self.bootstrap);
        config.set("enable.idempotence", "true").set("compression.type", codec).set("linger.ms", "5");
        config.set("message.max.bytes", "2000000").set("message.timeout.ms", "60000");
        Ok(Sender { inner: config.create_with_context(Deliveries::default()).map_err(text)? })
    }

    pub fn consumer(&self, group: &str) -> Outcome<BaseConsumer> {
        let mut config = config(&self.bootstrap);
        config.set("group.id", group).set("enable.auto.commit", "false").set("auto.offset.reset", "earliest");
        config.set("partition.assignment.strategy", "cooperative-sticky");
        config.set("session.timeout.ms", "10000").set("heartbeat.interval.ms", "500");
        config.create().map_err(text)
    }
}

fn config(bootstrap: &str) -> ClientConfig {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap);
    config
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(WAIT)).operation_timeout(Some(WAIT))
}

fn all(results: Result<Vec<TopicResult>, KafkaError>) -> Outcome<()> {
    for result in results.map_err(text)? {
        result.map_err(|(topic, code)| format!("{topic}: {code}"))?;
    }
    Ok(())
}

/// Polls until `seen` has `count` records.
pub fn read_until(consumer: &BaseConsumer, seen: &mut Seen, count: usize) -> Outcome<()> {
    until(&format!("{count} records"), || {
        for _ in 0..500 {
            let Some(message) = consumer.poll(Duration::from_millis(200)) else { break };
            let message = message.map_err(text)?;
            seen.add(message.key().unwrap_or_default(), message.payload().unwrap_or_default())?;
            if seen.len() >= count {
                return Ok(true);
            }
        }
        Ok(false)
    })
}

/// What became of the records that were sent.
#[derive(Default)]
struct Deliveries {
    results: Mutex<Vec<Result<Sent, String>>>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let result = match result {
            Ok(message) => Ok(Sent { partition: message.partition(), offset: message.offset() }),
            Err((error, _)) => Err(error.to_string()),
        };
        self.results.lock().expect("no holder of the lock panics").push(result);
    }
}

/// A producer.
pub struct Sender {
    inner: ThreadedProducer<Deliveries>,
}

impl Sender {
    /// Sends the records of a run and fails unless every one was acknowledged.
    pub fn send_all(&self, topic: &str, label: &str, indices: Range<usize>) -> Outcome<()> {
        self.send_each(topic, label, indices, |_| None)
    }

    /// As `send_all`, with a timestamp for each.
    pub fn send_timed(&self, topic: &str, label: &str, indices: Range<usize>, at: impl Fn(i64) -> i64) -> Outcome<()> {
        self.send_each(topic, label, indices, |index| i64::try_from(index).ok().map(&at))
    }

    fn send_each(
        &self,
        topic: &str,
        label: &str,
        indices: Range<usize>,
        at: impl Fn(usize) -> Option<i64>,
    ) -> Outcome<()> {
        let count = indices.len();
        for index in indices {
            let (key, value) = (key(index), value(label, index));
            let mut record: BaseRecord<'_, [u8], [u8]> =
                BaseRecord::to(topic).key(key.as_slice()).payload(value.as_slice());
            record.timestamp = at(index);
            self.send(record)?;
        }
        let results = self.results()?;
        expect(results.len() == count, format!("{} of {count} records were acknowledged", results.len()))
    }

    /// Sends one record and answers where it went.
    pub fn send_one(
        &self,
        topic: &str,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: &[(&str, &str)],
    ) -> Outcome<Sent> {
        let mut made = OwnedHeaders::new();
        for (name, value) in headers {
            made = made.insert(Header { key: name, value: Some(*value) });
        }
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(topic).headers(made);
        record.key = key;
        record.payload = value;
        self.send(record)?;
        self.results()?.first().copied().ok_or_else(|| "not acknowledged".to_owned())
    }

    /// Queues a record, waiting while the queue is full.
    fn send(&self, record: BaseRecord<'_, [u8], [u8]>) -> Outcome<()> {
        let mut next = Some(record);
        until("room in the queue", || {
            let Some(record) = next.take() else { return Ok(true) };
            match self.inner.send(record) {
                Ok(()) => Ok(true),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) => {
                    next = Some(record);
                    Ok(false)
                }
                Err((error, _)) => Err(text(error)),
            }
        })
    }

    fn results(&self) -> Outcome<Vec<Sent>> {
        self.inner.flush(LIMIT).map_err(text)?;
        let results = std::mem::take(&mut *self.inner.context().results.lock().map_err(text)?);
        results.into_iter().collect()
    }
}
