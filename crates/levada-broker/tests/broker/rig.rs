//! A broker, its store, and the disk under them, which can be cut.

use bytes::Bytes;
use levada_broker::{
    Broker, BrokerParts, Runtime, ValidateOnly,
    auth::{AllowAll, Caller, Grant, Op, Principal, Res, op, res},
    config::{BrokerConfig, TopicDefaults},
    group::{
        Join, Sync,
        messages::{RoundTrip, SkipsAssignment},
    },
    produce::{Acks, ProduceOutcome, ProducePartition, ProduceTopic},
    topics::{CreateTopic, CreateTopicError, CreatedTopic},
};
use levada_log::disk::SimDisk;
use levada_model::{
    ManualClock, SeededRng, Str,
    record::{BatchBuilder, NewRecord},
};
use levada_store::{Store, StoreConfig, local::StoreParts};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::sync::Notify;

/// The moment at which every story begins.
pub(crate) const START_MS: i64 = 1_800_000_000_000;

/// Tasks on the test's runtime; sleepers wake whenever the clock is moved.
struct TestRuntime {
    moved: Arc<Notify>,
}

impl Runtime for TestRuntime {
    fn spawn(&self, _: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>) {
        drop(tokio::runtime::Handle::current().spawn(task));
    }

    fn spawn_blocking(&self, _: &'static str, work: Box<dyn FnOnce() + Send>) {
        work();
    }

    fn sleep(&self, _: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        let moved = Arc::clone(&self.moved);
        Box::pin(async move { moved.notified().await })
    }
}

pub(crate) struct Rig {
    pub(crate) broker: Arc<Broker>,
    pub(crate) store: Store,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) disk: SimDisk,
    moved: Arc<Notify>,
    lives: u64,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(&[])
    }

    pub(crate) fn with(settings: &[(&str, &str)]) -> Self {
        Self::start(SimDisk::new(), Arc::new(ManualClock::new(START_MS)), settings, 1)
    }

    /// What a kill at this moment leaves behind, in a new life.
    pub(crate) fn copy_after_kill(&self) -> Self {
        Self::start(self.disk.restart(), Arc::clone(&self.clock), &[], self.lives + 1)
    }

    fn start(disk: SimDisk, clock: Arc<ManualClock>, settings: &[(&str, &str)], lives: u64) -> Self {
        let config = BrokerConfig::from_settings(settings.iter().copied()).unwrap();
        let defaults = TopicDefaults::of(&config);
        let rng = Arc::new(SeededRng::new(lives));
        let parts = StoreParts {
            disk: Arc::new(disk.clone()),
            clock: Arc::clone(&clock) as _,
            rng: Arc::clone(&rng) as _,
            resolve: Arc::new(move |name, configs| defaults.resolve(name, configs)),
        };
        let config_of_store = StoreConfig {
            data_dir: "/data".into(),
            journal_file_size: 4 << 20,
            checkpoint_bytes: 6 << 20,
            ..StoreConfig::default()
        };
        let (store, _) = Store::open(config_of_store, parts).unwrap();
        let moved = Arc::new(Notify::new());
        let parts = BrokerParts {
            store: store.clone(),
            clock: Arc::clone(&clock) as _,
            rng,
            authorizer: Arc::new(AllowAll),
            runtime: Arc::new(TestRuntime { moved: Arc::clone(&moved) }),
            log_dir: "/data".to_owned(),
        };
        let broker = Broker::new(config, parts);
        assert!(broker.is_ready());
        Self { broker, store, clock, disk, moved, lives }
    }

    /// The power goes; what comes back is what was durable, and for some seeds more.
    pub(crate) fn power_cut(self, seed: u64) -> Self {
        let after = self.disk.power_cut(seed);
        self.broker.close();
        self.store.close();
        Self::start(after, self.clock, &[], self.lives + 1)
    }

    /// What a power cut at this moment would leave, while this broker goes on.
    pub(crate) fn copy_after_power_cut(&self, seed: u64) -> Self {
        Self::start(self.disk.power_cut(seed), Arc::clone(&self.clock), &[], self.lives + 1)
    }

    /// Moves the clock on by `span`, a second at a time, and lets what is due happen.
    pub(crate) async fn pass(&self, span: Duration) {
        for _ in 0..span.as_secs() {
            self.clock.advance(Duration::from_secs(1));
            self.moved.notify_waiters();
            for _ in 0..20 {
                tokio::task::yield_now().await;
            }
        }
    }

    pub(crate) fn grant<O: Op, R: Res>(&self, name: &str) -> Grant<O, R> {
        self.broker.authorize(&caller(), &Str::from(name)).unwrap()
    }

    pub(crate) fn new_topic(&self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> CreateTopic {
        CreateTopic {
            topic: self.broker.authorize_create(&caller(), &Str::from(name)).unwrap(),
            partitions,
            replication_factor: -1,
            assignments: Vec::new(),
            configs: configs.iter().map(|&(name, value)| (name.into(), Some(value.into()))).collect(),
        }
    }

    pub(crate) async fn create(
        &self,
        name: &str,
        partitions: i32,
        configs: &[(&str, &str)],
    ) -> Result<CreatedTopic, CreateTopicError> {
        let topic = self.new_topic(name, partitions, configs);
        self.broker.create_topics(vec![topic], ValidateOnly::No).await.pop().unwrap()
    }

    pub(crate) async fn produce(&self, topic: &str, partition: i32, records: Bytes) -> ProduceOutcome {
        self.produce_with(Acks::All, topic, partition, records).await
    }

    pub(crate) async fn produce_with(&self, acks: Acks, topic: &str, partition: i32, records: Bytes) -> ProduceOutcome {
        let partitions = vec![ProducePartition { partition, records: Some(records) }];
        let topics = vec![ProduceTopic { topic: self.grant::<op::Write, res::Topic>(topic), partitions }];
        self.broker.produce(acks, None, topics).await.pop().unwrap().pop().unwrap()
    }

    /// Joins alone and syncs; returns the member's id and generation.
    pub(crate) async fn lone_member(&self, group: &str) -> (Str, i32) {
        let grant = self.grant::<op::Read, res::Group>(group);
        let joined = self.broker.join_group(&grant, join("")).await.unwrap();
        let sync = sync_alone(&joined.member_id, joined.generation);
        let synced = self.broker.sync_group(&grant, sync).await.unwrap();
        assert_eq!(synced.assignment, "all of it");
        (joined.member_id, joined.generation)
    }
}

/// The sync of a member that leads and has everything.
pub(crate) fn sync_alone(member_id: &Str, generation: i32) -> Sync {
    Sync {
        member_id: member_id.clone(),
        instance_id: None,
        generation,
        protocol_type: None,
        protocol: None,
        assignments: vec![(member_id.clone(), Bytes::from_static(b"all of it"))],
    }
}

pub(crate) fn caller() -> Caller {
    Caller { principal: Principal::anonymous(), client_id: "test".into(), client_host: "/127.0.0.1".into() }
}

pub(crate) fn join(member_id: &str) -> Join {
    Join {
        member_id: member_id.into(),
        instance_id: None,
        client_id: "test".into(),
        client_host: "/127.0.0.1".into(),
        session_timeout: Duration::from_secs(10),
        rebalance_timeout: Duration::from_secs(60),
        protocol_type: "consumer".into(),
        protocols: vec![("range".into(), Bytes::from_static(b"\0\x01\0\0\0\x01\0\x06orders\xff\xff\xff\xff"))],
        member_id_round_trip: RoundTrip::Not,
        skips_assignment: SkipsAssignment::Understood,
        fresh_member_id: Str::new(),
    }
}

/// A batch of records with these keys and values, stamped at the start of the story.
pub(crate) fn batch(records: &[(Option<&str>, &str)]) -> Bytes {
    let mut builder = BatchBuilder::new();
    for (key, value) in records {
        builder.push(&NewRecord {
            timestamp: START_MS,
            key: key.map(str::as_bytes),
            value: Some(value.as_bytes()),
            headers: &[],
        });
    }
    builder.finish()
}
