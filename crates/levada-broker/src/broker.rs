//! [`Broker`]: what it is made of, and what it knows of the cluster.

use crate::{
    auth::{Authorizer, CLUSTER, Caller, Denied, Gate, Grant, Op, Res, op, res},
    config::{BrokerConfig, TopicConfig, TopicDefaults},
    coordinator::Coordinator,
    producers::ProducerIds,
    quotas::usage::Usage,
    schemas::{Registry, Schemas},
    transactions::Transactions,
};
use levada_model::{Clock, LeaderEpoch, NodeId, PartitionIndex, Rng, Str, TopicId, Uuid};
use levada_store::{
    Change, CommitError, Store, Topic,
    local::{Health, StoreStats},
};
use parking_lot::RwLock;
use std::{
    collections::HashMap,
    fmt,
    pin::Pin,
    sync::{Arc, Weak},
    time::Duration,
};

/// Where tasks run and sleep.
pub trait Runtime: Send + Sync {
    /// Starts a task; a panic in it is reported.
    fn spawn(&self, name: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>);

    /// Starts work that blocks its thread.
    fn spawn_blocking(&self, name: &'static str, work: Box<dyn FnOnce() + Send>);

    /// Resolves after `span`.
    fn sleep(&self, span: Duration) -> Pin<Box<dyn Future<Output = ()> + Send>>;
}

/// What a broker needs from outside.
#[derive(Clone)]
pub struct BrokerParts {
    /// Where everything is kept.
    pub store: Store,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Randomness.
    pub rng: Arc<dyn Rng>,
    /// Who may do what.
    pub authorizer: Arc<dyn Authorizer>,
    /// Where tasks run.
    pub runtime: Arc<dyn Runtime>,
    /// The data directory, as administrators are told.
    pub log_dir: String,
}

/// Whether a change is only checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidateOnly {
    /// It is.
    Yes,
    /// It is made.
    No,
}

/// The cluster as clients see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClusterView {
    /// The cluster's identity.
    pub cluster_id: Uuid,
    /// The one broker.
    pub node_id: NodeId,
    /// Rises by one at every start.
    pub leader_epoch: LeaderEpoch,
}

type Cached<K, T> = RwLock<HashMap<K, T>>;

/// The broker: one method a request.
pub struct Broker {
    pub(crate) store: Store,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) rng: Arc<dyn Rng>,
    pub(crate) runtime: Arc<dyn Runtime>,
    pub(crate) gate: Gate,
    pub(crate) log_dir: String,
    file_config: BrokerConfig,
    defaults: TopicDefaults,
    /// The settings in force, and the version of the image that they come from.
    config: RwLock<(u64, Arc<BrokerConfig>)>,
    /// What topics' settings come to, each with the topic it was worked out from.
    topic_configs: Cached<TopicId, (Arc<Topic>, Arc<TopicConfig>)>,
    /// Changes of cluster metadata are made one after the other.
    pub(crate) admin: tokio::sync::Mutex<()>,
    pub(crate) producer_ids: ProducerIds,
    pub(crate) usage: Usage,
    pub(crate) registry: Registry,
    pub(crate) coordinator: Arc<Coordinator>,
    pub(crate) transactions: Arc<Transactions>,
}

impl Broker {
    /// A broker over an open store. `config` is what the configuration file says.
    ///
    /// The store must resolve topic settings by [`TopicDefaults::of`] the same `config`.
    #[must_use]
    pub fn new(config: BrokerConfig, parts: BrokerParts) -> Arc<Self> {
        let BrokerParts { store, clock, rng, authorizer, runtime, log_dir } = parts;
        let limits = config.group_limits();
        let coordinator = Coordinator::new(store.clone(), Arc::clone(&clock), Arc::clone(&rng), limits);
        let transactions = Transactions::new(store.clone(), Arc::clone(&clock), Arc::clone(&coordinator));
        let image = store.image();
        let in_force = Arc::new(config.overlaid(&image.broker_configs));
        let broker = Arc::new(Self {
            store,
            clock,
            rng,
            runtime,
            gate: Gate::new(authorizer),
            log_dir,
            defaults: TopicDefaults::of(&config),
            file_config: config,
            config: RwLock::new((image.version, in_force)),
            topic_configs: RwLock::default(),
            admin: tokio::sync::Mutex::new(()),
            producer_ids: ProducerIds::default(),
            usage: Usage::default(),
            registry: Registry::default(),
            coordinator,
            transactions,
        });
        broker.start_coordinator();
        broker.start_transactions();
        broker
    }

    /// Asks whether `caller` may do `O` to the `R` called `name`.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn authorize<O: Op, R: Res>(&self, caller: &Caller, name: &Str) -> Result<Grant<O, R>, Denied> {
        self.gate.ask(caller, name)
    }

    /// Asks whether `caller` may do `O` to the cluster.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn authorize_cluster<O: Op>(&self, caller: &Caller) -> Result<Grant<O, res::Cluster>, Denied> {
        self.gate.ask(caller, &CLUSTER)
    }

    /// Asks whether `caller` may create the topic `name`.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn authorize_create(&self, caller: &Caller, name: &Str) -> Result<Grant<op::Create, res::Topic>, Denied> {
        self.gate.ask_create(caller, name)
    }

    /// Asks whether `caller` may have a producer id.
    ///
    /// # Errors
    /// [`Denied`].
    pub fn authorize_idempotent(&self, caller: &Caller) -> Result<Grant<op::IdempotentWrite, res::Cluster>, Denied> {
        let topics = self.topic_names();
        self.gate.ask_idempotent(caller, topics.iter().map(|name| name.as_shared().clone()))
    }

    /// The cluster as clients see it.
    #[must_use]
    pub fn cluster(&self) -> ClusterView {
        let image = self.store.image();
        ClusterView { cluster_id: image.cluster_id, node_id: image.node_id, leader_epoch: image.leader_epoch }
    }

    /// How many changes led to the metadata of now.
    #[must_use]
    pub fn metadata_version(&self) -> u64 {
        self.store.image().version
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub fn wall_ms(&self) -> levada_model::Timestamp {
        self.clock.wall_ms()
    }

    /// Whether there is such a partition.
    #[must_use]
    pub fn has_partition(&self, _: &Grant<op::Alter, res::Cluster>, topic: &str, partition: PartitionIndex) -> bool {
        self.store.image().topic(topic).is_some_and(|topic| topic.log(partition).is_some())
    }

    /// The data directory, as administrators are told.
    #[must_use]
    pub fn log_dir_path(&self, _: &Grant<op::Alter, res::Cluster>) -> &str {
        &self.log_dir
    }

    /// The settings in force.
    #[must_use]
    pub fn config(&self) -> Arc<BrokerConfig> {
        let image = self.store.image();
        {
            let cached = self.config.read();
            if cached.0 == image.version {
                return Arc::clone(&cached.1);
            }
        }
        let fresh = Arc::new(self.file_config.overlaid(&image.broker_configs));
        *self.config.write() = (image.version, Arc::clone(&fresh));
        fresh
    }

    pub(crate) const fn file_config(&self) -> &BrokerConfig {
        &self.file_config
    }

    /// What the settings of `topic` come to.
    pub(crate) fn topic_config(&self, topic: &Arc<Topic>) -> Arc<TopicConfig> {
        if let Some((of, config)) = self.topic_configs.read().get(&topic.id)
            && Arc::ptr_eq(of, topic)
        {
            return Arc::clone(config);
        }
        let config = Arc::new(self.defaults.topic(&topic.name, &topic.configs));
        let mut cached = self.topic_configs.write();
        let image = self.store.image();
        if cached.len() > 2 * image.topics.len() {
            cached.retain(|id, _| image.topic_by_id(*id).is_some());
        }
        cached.insert(topic.id, (Arc::clone(topic), Arc::clone(&config)));
        config
    }

    /// Makes changes of cluster metadata; durable and visible when it resolves.
    pub(crate) async fn commit(&self, changes: Vec<Change>) -> Result<(), CommitError> {
        self.store.commit(changes).await.unwrap_or(Err(CommitError::Closed))
    }

    /// Whether the store takes writes.
    #[must_use]
    pub fn health(&self) -> Health {
        self.store.health()
    }

    /// Names the registry that is asked where a topic asks for schemas; once, before clients are served.
    pub fn serve_schemas(&self, schemas: Weak<dyn Schemas>) {
        self.registry.set(schemas);
    }

    /// The store's counters.
    #[must_use]
    pub fn stats(&self) -> StoreStats {
        self.store.stats()
    }

    /// Whether groups and transactions are loaded, so that every request can be taken.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.coordinator.is_loaded() && self.transactions.is_loaded()
    }

    /// Ends the broker's own tasks; requests about groups are refused from now on. The store stays open.
    pub fn close(&self) {
        self.transactions.close();
        self.coordinator.close();
    }
}

impl fmt::Debug for Broker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Broker")
    }
}
