//! [`Catalog`]: what there is beside statements' journals: definitions of tables, views and statements.
//!
//! It is the compacted topic `_sql_catalog`, which nobody else writes. What the records say is the engine's.

use crate::handle::HandleError;
use bytes::Bytes;
use levada_broker::{
    Broker,
    own_topic::{OwnRecord, OwnTopic},
};
use levada_model::TopicName;
use std::sync::Arc;

/// The topic's name. No statement has the name that would make this its journal.
pub const CATALOG_TOPIC: &str = "_sql_catalog";

/// The topic with definitions, for its one owner.
#[derive(Clone)]
pub struct Catalog {
    broker: Arc<Broker>,
    topic: OwnTopic,
}

impl std::fmt::Debug for Catalog {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Catalog").finish_non_exhaustive()
    }
}

impl Catalog {
    /// The catalog of `broker`.
    ///
    /// # Errors
    /// Never: the topic's name is legal.
    pub(crate) fn of(broker: &Arc<Broker>) -> Result<Self, HandleError> {
        let topic = OwnTopic::new(Arc::clone(broker), TopicName::new(CATALOG_TOPIC)?);
        Ok(Self { broker: Arc::clone(broker), topic })
    }

    /// All records in the order in which they were written, keys with values; without a value the key is gone.
    ///
    /// # Errors
    /// [`HandleError::Journal`], [`HandleError::Closed`].
    pub async fn read(&self) -> Result<Vec<(Bytes, Option<Bytes>)>, HandleError> {
        let topic = self.topic.clone();
        let read = self.broker.run_blocking("sql-catalog", move || {
            let mut records = Vec::new();
            topic.read(0, &mut |record| records.push((record.key, record.value)))?;
            Ok(records)
        });
        read.await.ok_or(HandleError::Closed)?
    }

    /// Writes records, all or none; resolves when they are durable.
    ///
    /// # Errors
    /// [`HandleError::Journal`]; they may be there nevertheless where the store failed meanwhile.
    pub async fn write(&self, records: Vec<(Bytes, Option<Bytes>)>) -> Result<(), HandleError> {
        let timestamp = self.topic.now();
        let own = |(key, value)| OwnRecord { timestamp, key, value };
        let records: Vec<OwnRecord> = records.into_iter().map(own).collect();
        self.topic.append(&records).await?;
        Ok(())
    }
}
