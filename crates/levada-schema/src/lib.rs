//! A schema registry as a pure state machine.
//!
//! [`Registry`] is what the records of the `_schemas` topic come to. Requests ([`Registry::register`],
//! [`Registry::delete_version`], …) change nothing: they answer with the records that would carry them out, or with the
//! [`Error`] that clients know. Whoever owns the registry writes the records, waits until they are durable, and applies
//! them.
//!
//! | part | what |
//! |---|---|
//! | `subject` | contexts and subjects |
//! | `schema`, `contract` | a schema, its identity, metadata and rules |
//! | `settings` | compatibility, modes and the rest of the configuration |
//! | `record` | Confluent's format of the topic |
//! | `registry` | the state, and what can be asked of it |
//! | `association` | which resources have their schemas where |
//! | `register`, `lookup`, `compatibility`, `delete`, `configure`, `associate` | the requests |
//! | `references` | what schemas refer to |
//! | `tags` | tags within schemas |
//! | `validate` | what settings ask of schemas and rules |
//! | `format`, `data` | Avro, JSON Schema and Protobuf as one, and their data |
//! | `error` | what goes wrong, with its code |
//! | [`dek`] | keys for encryption at the clients: a state of its own |
//!
//! Source: Confluent Schema Registry's REST API and the format of its topic, versions 7.9 and 8.

pub mod dek;

mod associate;
mod association;
mod compatibility;
mod configure;
mod contract;
mod data;
mod delete;
mod error;
mod format;
mod lookup;
mod record;
mod references;
mod register;
mod registry;
mod schema;
mod settings;
mod subject;
mod tags;
mod validate;

pub use associate::{Associate, AssociateOne, Associated, Dissociate, Write};
pub use association::{Association, AssociationFilter, AssociationKey, Lifecycle};
pub use compatibility::{Against, Checked};
pub use contract::{CONFLUENT_VERSION, ContractError, Metadata, Rule, RuleKind, RuleMode, RuleSet};
pub use data::Data;
pub use error::Error;
pub use format::{Parsed, Resolved};
pub use record::{Record, RecordError, Version};
pub use references::{REFERENCES_MAX, ResolveError, resolve};
pub use register::{Register, Registered};
pub use registry::{Deleted, Registry, VersionId};
pub use schema::{Guid, Reference, Schema, SchemaType};
pub use settings::{Compatibility, CompatibilityPolicy, Config, Mode};
pub use subject::{Context, Subject, SubjectFilter};
pub use tags::{Entity, EntityType, SchemaTags, TagSchema};
pub use validate::CONFLUENT_RESERVED;
