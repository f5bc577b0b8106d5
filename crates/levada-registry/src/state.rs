//! What the owner of a topic has to know of what the topic's records come to.

use levada_model::Timestamp;
use levada_schema::{Error, Record, RecordError, Registry, dek};

/// What the records of a topic come to.
///
/// A copy is cheap: it shares its parts. Records that were applied, and records that were written and read back, come
/// to the same.
pub trait State: Clone + Default + Send + Sync + 'static {
    /// What changes it.
    type Record: 'static;
    /// Why a request is refused.
    type Refusal: std::error::Error + Send + 'static;
    /// Why a record is not understood. It names no part of the record that is secret.
    type Unread: std::fmt::Display;

    /// The topic's name.
    const TOPIC: &'static str;
    /// What it holds, in messages.
    const HOLDS: &'static str;

    /// Takes in a record that was written at that time.
    fn apply(&mut self, record: &Self::Record, at: Timestamp);

    /// Key and value as they are written.
    fn encode(record: &Self::Record) -> (Vec<u8>, Option<Vec<u8>>);

    /// Reads key and value; a topic may hold what a later registry wrote.
    ///
    /// # Errors
    /// [`Self::Unread`].
    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Self::Record, Self::Unread>;
}

impl State for Registry {
    type Record = Record;
    type Refusal = Error;
    type Unread = RecordError;

    const TOPIC: &'static str = "_schemas";
    const HOLDS: &'static str = "schemas";

    fn apply(&mut self, record: &Record, _: Timestamp) {
        Self::apply(self, record);
    }

    fn encode(record: &Record) -> (Vec<u8>, Option<Vec<u8>>) {
        record.encode()
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<Record, RecordError> {
        Record::decode(key, value)
    }
}

impl State for dek::Keys {
    type Record = dek::Record;
    type Refusal = dek::Error;
    type Unread = dek::RecordError;

    const TOPIC: &'static str = "_dek_registry_keys";
    const HOLDS: &'static str = "keys";

    fn apply(&mut self, record: &dek::Record, at: Timestamp) {
        Self::apply(self, record, at);
    }

    fn encode(record: &dek::Record) -> (Vec<u8>, Option<Vec<u8>>) {
        record.encode()
    }

    fn decode(key: &[u8], value: Option<&[u8]>) -> Result<dek::Record, dek::RecordError> {
        dek::Record::decode(key, value)
    }
}
