//! [`Client`]: connections to a cluster's brokers, its metadata, and calls that are tried again.
//!
//! What is asked is in [`crate::admin`], [`crate::groups`], [`crate::offsets`], [`crate::produce`] and
//! [`crate::consume`].

use crate::{
    config::ClientConfig,
    connection::Connection,
    error::{ClientError, refused},
    metadata::{Metadata, TopicMetadata},
};
use levada_model::{NodeId, Str};
use levada_protocol::{
    Request,
    messages::{MetadataRequest, metadata_request::MetadataRequestTopic},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex as SyncMutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Mutex, time::sleep};

/// Whom to ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Target {
    /// Any broker: the one that was reached at a bootstrap address.
    Any,
    /// This broker.
    Node(NodeId),
    /// The broker that takes admin requests.
    Controller,
}

/// Whether metadata requests create topics that are missing, where the cluster allows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MissingTopics {
    /// They are refused.
    Refuse,
    /// They are created.
    Create,
}

/// A client of one cluster. Clones share connections and metadata.
#[derive(Clone, Debug)]
pub struct Client {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: ClientConfig,
    bootstrap: Vec<String>,
    metadata: SyncMutex<Metadata>,
    connections: SyncMutex<BTreeMap<Option<NodeId>, Slot>>,
}

/// One broker's connection, opened by one caller while others wait.
type Slot = Arc<Mutex<Option<Arc<Connection>>>>;

impl Client {
    /// Connects to the first bootstrap address that answers, and learns the cluster's brokers.
    ///
    /// # Errors
    /// [`ClientError::Address`]; [`ClientError::Connect`] where no address answers.
    pub async fn connect(config: ClientConfig) -> Result<Self, ClientError> {
        let bootstrap: Vec<String> = config.bootstrap_servers.split(',').map(|text| text.trim().to_owned()).collect();
        for address in &bootstrap {
            let port = address.rsplit_once(':').filter(|(host, _)| !host.is_empty());
            port.and_then(|(_, port)| port.parse::<u16>().ok()).ok_or_else(|| ClientError::Address(address.clone()))?;
        }
        let metadata = SyncMutex::default();
        let connections = SyncMutex::default();
        let client = Self { shared: Arc::new(Shared { config, bootstrap, metadata, connections }) };
        client.fetch_metadata(Some(&[]), MissingTopics::Refuse).await?;
        Ok(client)
    }

    /// A client of the same cluster with connections of its own: brokers answer the requests of one connection
    /// in order, so that whatever follows a fetch that waits for records would wait with it.
    #[must_use]
    pub fn separate(&self) -> Self {
        let Shared { config, bootstrap, metadata, .. } = &*self.shared;
        let metadata = SyncMutex::new(lock(metadata).clone());
        let (config, bootstrap, connections) = (config.clone(), bootstrap.clone(), SyncMutex::default());
        Self { shared: Arc::new(Shared { config, bootstrap, metadata, connections }) }
    }

    /// How the client was configured.
    #[must_use]
    pub fn config(&self) -> &ClientConfig {
        &self.shared.config
    }

    /// Asks for fresh metadata of `topics`, or of all.
    ///
    /// # Errors
    /// [`ClientError`]; topics that are missing or broken are named in [`Metadata::failed`] instead.
    pub async fn metadata(&self, topics: Option<&[&str]>) -> Result<Metadata, ClientError> {
        self.retrying(|_| self.fetch_metadata(topics, MissingTopics::Refuse)).await
    }

    /// One topic's metadata, fresh.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where the topic does not exist.
    pub async fn topic(&self, name: &str) -> Result<TopicMetadata, ClientError> {
        Ok(self.metadata(Some(&[name])).await?.topic(name)?.clone())
    }

    /// One topic's metadata, waited for where it was just created and no broker knows it yet.
    ///
    /// # Errors
    /// [`ClientError::Refused`] where the topic does not appear within the retry limit.
    pub async fn awaited_topic(&self, name: &str) -> Result<TopicMetadata, ClientError> {
        let described = async || self.fetch_metadata(Some(&[name]), MissingTopics::Refuse).await?.topic(name).cloned();
        self.retrying_if(|_| described(), ClientError::may_retry).await
    }

    /// One topic's metadata as it was last seen; asked for where it never was.
    pub(crate) async fn cached_topic(&self, name: &str, missing: MissingTopics) -> Result<TopicMetadata, ClientError> {
        let known = lock(&self.shared.metadata).topics.get(name).cloned();
        match known {
            Some(topic) => Ok(topic),
            None => Ok(self.fetch_metadata(Some(&[name]), missing).await?.topic(name)?.clone()),
        }
    }

    /// Forgets what was known of a topic, so that it is asked for again.
    pub(crate) fn forget_topic(&self, name: &str) {
        lock(&self.shared.metadata).topics.remove(name);
    }

    /// One attempt at fresh metadata.
    pub(crate) async fn fetch_metadata(
        &self,
        topics: Option<&[&str]>,
        missing: MissingTopics,
    ) -> Result<Metadata, ClientError> {
        let named = |name: &&str| MetadataRequestTopic { name: Some(Str::from(*name)), ..Default::default() };
        let request = MetadataRequest {
            topics: topics.map(|names| names.iter().map(named).collect()),
            allow_auto_topic_creation: missing == MissingTopics::Create,
            ..MetadataRequest::default()
        };
        let response = self
            .ask_built(Target::Any, i16::MAX, |version| {
                // Before version 4 there is no such choice; the brokers then create.
                let create = version < 4 || request.allow_auto_topic_creation;
                MetadataRequest { allow_auto_topic_creation: create, ..request.clone() }
            })
            .await?;
        refused(response.error_code, None, || "the cluster's metadata".to_owned())?;
        let fresh = Metadata::new(response);
        let mut known = lock(&self.shared.metadata);
        known.cluster_id.clone_from(&fresh.cluster_id);
        known.controller = fresh.controller;
        known.brokers.clone_from(&fresh.brokers);
        for name in fresh.failed.keys() {
            known.topics.remove(name);
        }
        known.topics.extend(fresh.topics.clone());
        drop(known);
        Ok(fresh)
    }

    /// Who leads a partition, as far as metadata was seen.
    pub(crate) fn cached_leader(&self, topic: &str, partition: i32) -> Option<NodeId> {
        lock(&self.shared.metadata).topics.get(topic)?.leader(partition).ok()
    }

    /// The brokers as they were last seen.
    #[must_use]
    pub fn broker_ids(&self) -> Vec<NodeId> {
        lock(&self.shared.metadata).brokers.keys().copied().collect()
    }

    /// Sends `request` once, in the highest version that both sides speak.
    pub(crate) async fn ask<R: Request>(&self, target: Target, request: &R) -> Result<R::Response, ClientError> {
        let connection = self.connection(target).await?;
        connection.ask(request, connection.version::<R>(i16::MAX)?, Duration::ZERO).await
    }

    /// Sends once what `build` makes for the negotiated version, which is at most `version_max`.
    pub(crate) async fn ask_built<R: Request>(
        &self,
        target: Target,
        version_max: i16,
        build: impl FnOnce(i16) -> R,
    ) -> Result<R::Response, ClientError> {
        let connection = self.connection(target).await?;
        let version = connection.version::<R>(version_max)?;
        connection.ask(&build(version), version, Duration::ZERO).await
    }

    /// Makes `attempt` until it succeeds, fails for good, or the retry limit is over; counts from 0.
    ///
    /// A topic that does not exist is a final answer.
    pub(crate) async fn retrying<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        attempt: impl Fn(u32) -> F,
    ) -> Result<T, ClientError> {
        self.retrying_if(attempt, |error| error.may_retry() && !error.is_missing_topic()).await
    }

    async fn retrying_if<T, F: Future<Output = Result<T, ClientError>>>(
        &self,
        attempt: impl Fn(u32) -> F,
        passes: impl Fn(&ClientError) -> bool,
    ) -> Result<T, ClientError> {
        let config = &self.shared.config;
        let started = config.clock.monotonic();
        let mut count = 0;
        loop {
            let error = match attempt(count).await {
                Err(error) if passes(&error) => error,
                finished => return finished,
            };
            let elapsed = config.clock.monotonic().saturating_sub(started);
            let pause = config.backoff(count);
            if elapsed.saturating_add(pause) > config.retry_limit {
                return Err(error);
            }
            tracing::debug!(%error, count, "trying again");
            sleep(pause).await;
            // A retry may have to find a new leader or controller; if that fails, so will the retry.
            if let Err(error) = self.fetch_metadata(Some(&[]), MissingTopics::Refuse).await {
                tracing::debug!(%error, "metadata could not be refreshed");
            }
            count += 1;
        }
    }

    /// An open connection to `target`.
    pub(crate) async fn connection(&self, target: Target) -> Result<Arc<Connection>, ClientError> {
        let node = match target {
            Target::Any => None,
            Target::Node(node) => Some(node),
            Target::Controller => lock(&self.shared.metadata).controller,
        };
        let slot = Arc::clone(lock(&self.shared.connections).entry(node).or_default());
        let mut slot = slot.lock().await;
        if let Some(connection) = slot.as_ref().filter(|connection| connection.is_open()) {
            return Ok(Arc::clone(connection));
        }
        *slot = None;
        let opened = Arc::new(match node {
            None => self.open_bootstrap().await?,
            Some(node) => self.open_node(node).await?,
        });
        *slot = Some(Arc::clone(&opened));
        Ok(opened)
    }

    async fn open_bootstrap(&self) -> Result<Connection, ClientError> {
        let mut failure = None;
        for address in &self.shared.bootstrap {
            match Connection::open(address, &format!("`{address}`"), &self.shared.config).await {
                Ok(connection) => return Ok(connection),
                Err(error) => failure = Some(error),
            }
        }
        Err(failure.expect("there is at least one bootstrap address"))
    }

    async fn open_node(&self, node: NodeId) -> Result<Connection, ClientError> {
        let broker = lock(&self.shared.metadata).brokers.get(&node).cloned().ok_or(ClientError::UnknownNode(node))?;
        let address = broker.address();
        let who = format!("broker {node} at `{address}`, the address that the cluster advertises");
        Connection::open(&address, &who, &self.shared.config).await
    }
}

/// What a panic left behind is as good as before: these maps change in single steps.
fn lock<T>(mutex: &SyncMutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
