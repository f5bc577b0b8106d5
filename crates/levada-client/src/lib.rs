//! A small asynchronous Kafka client: for the command line, for links between clusters, and for tests.
//!
//! It speaks to any Kafka cluster from 2.1 on: versions are negotiated per connection, requests go to the
//! leaders, controllers and coordinators that metadata names, and lost connections are opened again, a
//! bounded number of times.
//!
//! ```no_run
//! # async fn example() -> Result<(), levada_client::ClientError> {
//! use levada_client::{Client, ClientConfig, NewTopic};
//!
//! let client = Client::connect(ClientConfig::new("127.0.0.1:9092")).await?;
//! client.create_topic(&NewTopic::new("orders").partitions(3)).await?;
//! # Ok(())
//! # }
//! ```
//!
//! Not here: TLS and SASL, and transactions.

mod admin;
mod client;
mod config;
mod connection;
mod consume;
mod error;
mod frames;
mod groups;
mod membership;
mod metadata;
mod offsets;
mod produce;
mod record;
mod tasks;
mod versions;

pub use admin::{ConfigEntry, ConfigResource, ConfigUpdate, CreatedTopic, NewTopic};
pub use client::Client;
pub use config::ClientConfig;
pub use consume::{ConsumeConfig, Consumer, Fetched, Isolation};
pub use error::{ClientError, ErrorKind};
pub use groups::{CommittedOffset, GroupDescription, GroupListing, GroupMember, OffsetToCommit};
pub use levada_model::partition_of_key;
pub use membership::GroupConsumer;
pub use metadata::{Broker, Metadata, PartitionMetadata, TopicMetadata, TopicPartition};
pub use offsets::{FoundOffset, OffsetSpec};
pub use produce::{Acked, Acks, Delivery, ProduceConfig, ProduceTotals, Producer};
pub use record::{ConsumedRecord, ProduceRecord};
