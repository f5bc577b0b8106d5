//! A broker, its store and a disk that can be cut, with a handle over them and producers beside it.

use bytes::Bytes;
use levada_broker::{
    Broker, BrokerParts, Runtime,
    auth::{AllowAll, Authorizer, Grant, Op, Res, op, res},
    config::{BrokerConfig, TopicDefaults},
    produce::{Acks, ProduceOutcome, ProducePartition, ProduceTopic, ProduceTransaction},
    transaction::{Generation, Producer, TransactionError},
    transactions::TransactError,
};
use levada_log::disk::SimDisk;
use levada_model::{
    ManualClock, Offset, Outcome, SeededRng, Str, TopicName,
    batch::Attributes,
    record::{BatchBuilder, NewRecord, ProducerStamp},
};
use levada_store::{Store, StoreConfig, local::StoreParts};
use levada_stream::{Caller, Handle, Inputs, Output, OutputRecord, Principal, ReadError};
use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The moment at which every story happens.
pub(crate) const START_MS: i64 = 1_800_000_000_000;

struct TestRuntime;

impl Runtime for TestRuntime {
    fn spawn(&self, _: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(tokio::runtime::Handle::current().spawn(task));
    }

    fn spawn_blocking(&self, _: &'static str, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::pending())
    }
}

pub(crate) struct Rig {
    pub(crate) broker: Arc<Broker>,
    pub(crate) store: Store,
    pub(crate) disk: SimDisk,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) handle: Handle,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::on(SimDisk::new()).unwrap()
    }

    /// One on this disk, unless the disk dies meanwhile.
    pub(crate) fn on(disk: SimDisk) -> Option<Self> {
        Self::guarded(disk, Arc::new(AllowAll))
    }

    pub(crate) fn guarded(disk: SimDisk, authorizer: Arc<dyn Authorizer>) -> Option<Self> {
        let config = BrokerConfig::from_settings([("transaction.state.log.num.partitions", "1")]).unwrap();
        let defaults = TopicDefaults::of(&config);
        let clock = Arc::new(ManualClock::new(START_MS));
        // Ids of topics must not come again in the next life.
        static LIVES: AtomicU64 = AtomicU64::new(0);
        let rng = Arc::new(SeededRng::new(LIVES.fetch_add(1, Ordering::Relaxed)));
        let parts = StoreParts {
            disk: Arc::new(disk.clone()),
            clock: Arc::clone(&clock) as _,
            rng: Arc::clone(&rng) as _,
            resolve: Arc::new(move |name, configs| defaults.resolve(name, configs)),
        };
        let store_config = StoreConfig {
            data_dir: "/data".into(),
            journal_file_size: 4 << 20,
            checkpoint_bytes: 6 << 20,
            file_delete_delay: Duration::ZERO,
            ..StoreConfig::default()
        };
        let (store, _) = Store::open(store_config, parts).ok()?;
        let parts = BrokerParts {
            store: store.clone(),
            clock: Arc::clone(&clock) as _,
            rng,
            authorizer,
            runtime: Arc::new(TestRuntime),
            log_dir: "/data".to_owned(),
        };
        let broker = Broker::new(config, parts);
        let handle = Handle::new(Arc::clone(&broker));
        Some(Self { broker, store, disk, clock, handle })
    }

    /// The power goes; what comes back is what was durable, and for some seeds more.
    pub(crate) fn power_cut(self, seed: u64) -> Self {
        let after = self.disk.power_cut(seed);
        self.broker.close();
        self.store.close();
        Self::on(after).unwrap()
    }

    pub(crate) async fn create(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) {
        self.handle.create_topic(&caller(), name, partitions, configs).await.unwrap();
    }

    pub(crate) fn inputs(&self, topics: &[&str]) -> Inputs {
        let topics: Vec<TopicName> = topics.iter().map(|name| TopicName::new(name).unwrap()).collect();
        self.handle.inputs(&caller(), &topics).unwrap()
    }

    /// All committed values of a topic at the latest cut, by partition and offset.
    pub(crate) fn rows(&self, topic: &str) -> Vec<String> {
        let inputs = self.inputs(&[topic]);
        let cut = inputs.cut(&[]).unwrap();
        values(&inputs, &inputs.start(), &cut).unwrap()
    }

    pub(crate) fn grant<O: Op, R: Res>(&self, name: &str) -> Grant<O, R> {
        self.broker.authorize(&caller(), &Str::from(name)).unwrap()
    }

    pub(crate) async fn produce(&self, topic: &str, partition: i32, values: &[&str]) -> ProduceOutcome {
        let mut builder = BatchBuilder::new();
        values.iter().for_each(|value| push(&mut builder, value));
        self.send(topic, partition, builder.finish(), None).await
    }

    pub(crate) async fn send(
        &self,
        topic: &str,
        partition: i32,
        records: Bytes,
        transaction: Option<&ProduceTransaction>,
    ) -> ProduceOutcome {
        let partitions = vec![ProducePartition { partition, records: Some(records) }];
        let topics = vec![ProduceTopic { topic: self.grant::<op::Write, res::Topic>(topic), partitions }];
        self.broker.produce(Acks::All, transaction, topics).await.pop().unwrap().pop().unwrap()
    }
}

/// Somebody's transactional producer.
pub(crate) struct Teller<'a> {
    rig: &'a Rig,
    id: Grant<op::Write, res::TransactionalId>,
    producer: Producer,
    sequences: std::collections::BTreeMap<(String, i32), i32>,
}

impl<'a> Teller<'a> {
    pub(crate) async fn new(rig: &'a Rig, id: &str) -> Self {
        let id = rig.grant(id);
        loop {
            match rig.broker.init_transactional_producer(&id, 60_000, None).await {
                Err(TransactError::Transaction(TransactionError::Concurrent)) => tokio::task::yield_now().await,
                producer => return Self { rig, id, producer: producer.unwrap(), sequences: [].into() },
            }
        }
    }

    pub(crate) async fn write(&mut self, topic: &str, partition: i32, value: &str) {
        let sequence = self.sequences.entry((topic.to_owned(), partition)).or_default();
        let stamp = ProducerStamp { id: self.producer.id, epoch: self.producer.epoch, base_sequence: *sequence };
        *sequence += 1;
        let mut builder = BatchBuilder::new().with_producer(stamp).with_attributes(Attributes::TRANSACTIONAL);
        push(&mut builder, value);
        let transaction = ProduceTransaction { id: self.id.clone(), generation: Generation::Second };
        self.rig.send(topic, partition, builder.finish(), Some(&transaction)).await.unwrap();
    }

    pub(crate) async fn end(&mut self, outcome: Outcome) {
        let ended = self.rig.broker.end_transaction(&self.id, self.producer, outcome, Generation::Second);
        self.producer = ended.await.unwrap();
        self.sequences.clear();
    }
}

fn push(builder: &mut BatchBuilder, value: &str) {
    builder.push(&NewRecord { timestamp: START_MS, key: None, value: Some(value.as_bytes()), headers: &[] });
}

/// Values of committed records between two lists of offsets, by partition and offset.
pub(crate) fn values(inputs: &Inputs, from: &[Offset], to: &[Offset]) -> Result<Vec<String>, ReadError> {
    let mut values = Vec::new();
    for (index, (&from, &to)) in from.iter().zip(to).enumerate() {
        let mut next = from;
        while next < to {
            let read = inputs.read(index, next, to, 10_000)?;
            assert!(read.next > next, "a read goes on");
            next = read.next;
            for batch in read.batches {
                let opened = batch.open()?;
                batch.each::<ReadError>(&opened, |_, _, record| {
                    values.push(String::from_utf8(record.value.unwrap_or(b"-").to_vec()).unwrap());
                    Ok(())
                })?;
            }
        }
        assert_eq!(next, to.max(from));
    }
    Ok(values)
}

pub(crate) fn output(topic: &str, partition: i32, values: &[&str]) -> Output {
    let record = |value: &&str| OutputRecord {
        timestamp: START_MS,
        key: Some(Bytes::copy_from_slice(value.as_bytes())),
        value: Some(Bytes::copy_from_slice(value.as_bytes())),
        headers: Vec::new(),
    };
    Output { topic: TopicName::new(topic).unwrap(), partition, records: values.iter().map(record).collect() }
}

pub(crate) fn caller() -> Caller {
    Caller { principal: Principal::anonymous(), client_id: "sql".into(), client_host: "/127.0.0.1".into() }
}

/// Polls a future once.
pub(crate) async fn poll_once<F: Future + Unpin>(future: &mut F) -> Option<F::Output> {
    std::future::poll_fn(|context| match Pin::new(&mut *future).poll(context) {
        std::task::Poll::Ready(output) => std::task::Poll::Ready(Some(output)),
        std::task::Poll::Pending => std::task::Poll::Ready(None),
    })
    .await
}
