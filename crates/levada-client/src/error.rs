//! [`ClientError`]: what can go wrong between a caller and a cluster.

use levada_compress::{CompressError, DecompressError};
use levada_model::{batch::BatchError, record::RecordError};
use levada_protocol::{ApiKey, DecodeError, EncodeError, ErrorCode};
use std::{io, ops::RangeInclusive, sync::Arc, time::Duration};

/// Why a call failed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ClientError {
    /// A bootstrap address that is no `HOST:PORT`.
    #[error("`{0}` is not an address, write HOST:PORT")]
    Address(String),
    /// No connection could be opened.
    #[error("cannot connect to {who}: {cause}")]
    Connect {
        /// `` `127.0.0.1:9092` `` or ``broker 2 at `host:9092` ``.
        who: String,
        /// What the system said.
        cause: Arc<io::Error>,
    },
    /// No connection could be opened in time.
    #[error("cannot connect to {who} within {limit:?}")]
    ConnectTimeout {
        /// As in [`Self::Connect`].
        who: String,
        /// How long it was tried.
        limit: Duration,
    },
    /// The connection ended while a request waited for its answer, or before it was written.
    #[error("lost the connection to `{address}` during {}: {reason}", api.name())]
    Lost {
        /// The broker's address.
        address: String,
        /// What was asked.
        api: ApiKey,
        /// Why it ended.
        reason: String,
    },
    /// No answer came in time.
    #[error("`{address}` did not answer {} within {limit:?}", api.name())]
    Timeout {
        /// The broker's address.
        address: String,
        /// What was asked.
        api: ApiKey,
        /// How long it was waited for.
        limit: Duration,
    },
    /// The broker and this client share no version of an API.
    #[error("`{address}` does not offer {} in versions {} to {}", api.name(), ours.start(), ours.end())]
    Unsupported {
        /// The broker's address.
        address: String,
        /// The API.
        api: ApiKey,
        /// What this client speaks.
        ours: RangeInclusive<i16>,
    },
    /// The broker said no.
    #[error("{what}: {}{}", code_name(*code), message.as_ref().map(|text| format!(", {text}")).unwrap_or_default())]
    Refused {
        /// The thing, ``topic `orders` `` say.
        what: String,
        /// Kafka's error code.
        code: i16,
        /// What the broker added.
        message: Option<String>,
    },
    /// A partition that the topic does not have.
    #[error("topic `{topic}` has no partition {partition}; how many it has: {count}, numbered from 0")]
    NoPartition {
        /// The topic.
        topic: String,
        /// What was asked for.
        partition: i32,
        /// How many there are.
        count: usize,
    },
    /// A partition that no broker leads at the moment.
    #[error("partition {partition} of topic `{topic}` has no leader")]
    NoLeader {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// A node that metadata does not name.
    #[error("broker {0} is not in the cluster's metadata")]
    UnknownNode(i32),
    /// An answer without what was asked for.
    #[error("`{address}` answered {} without {what}", api.name())]
    Incomplete {
        /// The broker's address.
        address: String,
        /// What was asked.
        api: ApiKey,
        /// What is missing.
        what: String,
    },
    /// An answer that is not what the protocol says.
    #[error("`{address}` sent a malformed answer to {}: {cause}", api.name())]
    Malformed {
        /// The broker's address.
        address: String,
        /// What was asked.
        api: ApiKey,
        /// Where it broke.
        cause: DecodeError,
    },
    /// A request that its negotiated version cannot carry.
    #[error("{}: {cause}", api.name())]
    Encode {
        /// What was to be asked.
        api: ApiKey,
        /// Which field.
        cause: EncodeError,
    },
    /// A fetched batch that cannot be read.
    #[error("batch at offset {offset} of `{topic}` partition {partition}: {cause}")]
    Batch {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The batch's base offset.
        offset: i64,
        /// What is wrong with it.
        cause: BatchFault,
    },
    /// A batch could not be compressed.
    #[error("{0}")]
    Compress(Arc<CompressError>),
    /// A record beyond what a batch may hold.
    #[error("record of {size} bytes exceeds the limit of {limit} bytes")]
    RecordTooLarge {
        /// The record's size.
        size: usize,
        /// The limit.
        limit: usize,
    },
    /// The producer was closed before the record was sent.
    #[error("the producer was closed")]
    ProducerClosed,
}

/// What is wrong with a fetched batch.
#[derive(Clone, Debug, thiserror::Error)]
pub enum BatchFault {
    /// Its header or checksum.
    #[error(transparent)]
    Header(#[from] BatchError),
    /// A record.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// Its compression.
    #[error(transparent)]
    Decompress(Arc<DecompressError>),
}

/// What the caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Ask for something else.
    Invalid,
    /// Try again later.
    Unavailable,
    /// The data is wrong.
    Corrupt,
    /// Nothing more will come.
    Closed,
}

impl ClientError {
    /// What the caller can do about it.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        match self {
            Self::Connect { .. }
            | Self::ConnectTimeout { .. }
            | Self::Lost { .. }
            | Self::Timeout { .. }
            | Self::NoLeader { .. }
            | Self::UnknownNode(_) => ErrorKind::Unavailable,
            Self::Refused { code, .. } if ErrorCode::from_code(*code).is_some_and(ErrorCode::is_retriable) => {
                ErrorKind::Unavailable
            }
            Self::Incomplete { .. } | Self::Malformed { .. } | Self::Batch { .. } => ErrorKind::Corrupt,
            Self::ProducerClosed => ErrorKind::Closed,
            Self::Address(_)
            | Self::Unsupported { .. }
            | Self::Refused { .. }
            | Self::NoPartition { .. }
            | Self::Encode { .. }
            | Self::Compress(_)
            | Self::RecordTooLarge { .. } => ErrorKind::Invalid,
        }
    }

    /// The broker's error code, where it sent one that Kafka 4.3 knows.
    #[must_use]
    pub fn code(&self) -> Option<ErrorCode> {
        match self {
            Self::Refused { code, .. } => ErrorCode::from_code(*code),
            _ => None,
        }
    }

    /// Whether it says that a topic does not exist; right after its creation that can pass.
    pub(crate) fn is_missing_topic(&self) -> bool {
        self.code() == Some(ErrorCode::UnknownTopicOrPartition)
    }

    /// Whether the same call may be made again: nothing happened yet, or happening twice does no harm.
    pub(crate) fn may_retry(&self) -> bool {
        match self {
            Self::Lost { api, .. } | Self::Timeout { api, .. } => is_repeatable(*api),
            _ => self.kind() == ErrorKind::Unavailable,
        }
    }
}

/// Whether an API that was perhaps carried out can be called once more with the same outcome.
const fn is_repeatable(api: ApiKey) -> bool {
    !matches!(
        api,
        ApiKey::Produce
            | ApiKey::CreateTopics
            | ApiKey::DeleteTopics
            | ApiKey::CreatePartitions
            | ApiKey::DeleteGroups
            | ApiKey::OffsetDelete
    )
}

/// `Ok` for code 0, else [`ClientError::Refused`] about `what`.
pub(crate) fn refused(code: i16, message: Option<&str>, what: impl FnOnce() -> String) -> Result<(), ClientError> {
    if code == ErrorCode::None.code() {
        return Ok(());
    }
    let message = message.filter(|text| !text.is_empty()).map(ToOwned::to_owned);
    Err(ClientError::Refused { what: what(), code, message })
}

fn code_name(code: i16) -> String {
    ErrorCode::from_code(code).map_or_else(|| format!("error {code}"), |code| code.name().to_owned())
}
