//! Why bytes could not become a message, or a message bytes.

use levada_model::reader::ReadError;

/// Why bytes are not the message they should be.
///
/// A field is named `Struct.field`, in Rust's spelling of Kafka's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The message has no such version, as far as we know.
    #[error("`{message}` has no version {version}")]
    UnsupportedVersion {
        /// The message.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// The bytes end too early, or a length or varint is impossible.
    #[error("malformed `{field}`: {cause}")]
    Malformed {
        /// Where it broke.
        field: &'static str,
        /// How.
        cause: ReadError,
    },
    /// A count of elements that the rest of the frame cannot hold.
    #[error("`{field}` announces {count} elements, and {left} bytes are left")]
    Count {
        /// The array.
        field: &'static str,
        /// The announced count.
        count: usize,
        /// What is left of the frame.
        left: usize,
    },
    /// Null where the version has no null.
    #[error("`{field}` is null")]
    Null {
        /// The field.
        field: &'static str,
    },
    /// A string that is not UTF-8.
    #[error("`{field}` is not UTF-8")]
    InvalidUtf8 {
        /// The string.
        field: &'static str,
    },
    /// A tagged field whose announced size is not the size of its value.
    #[error("tagged field {tag} of `{of}` has {left} bytes after its value")]
    TagSize {
        /// The struct.
        of: &'static str,
        /// The tag.
        tag: u32,
        /// Bytes that the value did not use.
        left: usize,
    },
    /// The decoded form would need more memory than the frame's size allows.
    #[error("`{field}` takes the decoded message beyond its memory budget")]
    BudgetExceeded {
        /// The array that broke it.
        field: &'static str,
    },
}

/// What kind of failure a [`DecodeError`] is, for those who answer it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecodeErrorKind {
    /// We do not speak this version.
    UnsupportedVersion,
    /// The bytes are not the message.
    Malformed,
    /// The bytes may be the message, but cost too much memory.
    BudgetExceeded,
}

impl DecodeError {
    /// What kind of failure this is.
    #[must_use]
    pub const fn kind(&self) -> DecodeErrorKind {
        match self {
            Self::UnsupportedVersion { .. } => DecodeErrorKind::UnsupportedVersion,
            Self::BudgetExceeded { .. } => DecodeErrorKind::BudgetExceeded,
            Self::Malformed { .. }
            | Self::Count { .. }
            | Self::Null { .. }
            | Self::InvalidUtf8 { .. }
            | Self::TagSize { .. } => DecodeErrorKind::Malformed,
        }
    }
}

/// Why a message cannot be written in a version. Always a mistake of the sender.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EncodeError {
    /// The message has no such version, as far as we know.
    #[error("`{message}` has no version {version}")]
    UnsupportedVersion {
        /// The message.
        message: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// The field is set, the version has no such field, and leaving it out would change the meaning.
    #[error("`{field}` is set, but version {version} has no such field")]
    UnsupportedField {
        /// The field.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// The field is null and the version has no null.
    #[error("`{field}` is null, which version {version} does not allow")]
    Null {
        /// The field.
        field: &'static str,
        /// The version asked for.
        version: i16,
    },
    /// The length does not fit the length field.
    #[error("`{field}` is too long: {size}")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its length in bytes or elements.
        size: usize,
    },
}
