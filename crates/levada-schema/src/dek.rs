//! Keys for encryption at the clients, as a pure state machine.
//!
//! A *KEK* (key encryption key) is a name for a key that some KMS keeps. A *DEK* (data encryption key) encrypts fields
//! of one subject's records, and is kept here as the KMS wrapped it. Clients make DEKs, have them wrapped and
//! unwrapped, and encrypt; what is here is of no use without the KMS.
//!
//! [`Keys`] is what the records of the `_dek_registry_keys` topic come to. Requests ([`Keys::create_dek`],
//! [`Keys::delete_kek`], …) change nothing: they answer with the records that would carry them out.
//!
//! | part | what |
//! |---|---|
//! | `key` | a KEK, a DEK, and their names |
//! | `record` | Confluent's format of the topic |
//! | `keys` | the state, and what can be asked of it |
//! | `keks`, `deks` | the requests |
//! | `error` | what goes wrong, with its code |
//!
//! A *shared* KEK is one that the registry itself asks the KMS about. This one asks nobody: it keeps those that
//! another registry wrote, and makes none.
//!
//! Source: Confluent Schema Registry's REST API below `/dek-registry/v1`, and the format of its topic, versions 7.9
//! and 8.

mod deks;
mod error;
mod keks;
mod key;
mod keys;
mod record;

pub use deks::NewDek;
pub use error::Error;
pub use keks::{KekUpdate, NewKek};
pub use key::{Algorithm, Dek, DekId, DekPlace, Kek, KekName, KmsProps, WrappedKey};
pub use keys::Keys;
pub use record::{Record, RecordError};

/// A text of a key has at most so many bytes, and so do all of a KEK's properties together.
const TEXT_SIZE_MAX: usize = 64 << 10;
/// So many KEKs there are at most, those that are deleted softly with them.
const KEKS_MAX: usize = 10_000;
/// So many DEKs, likewise.
const DEKS_MAX: usize = 100_000;
