//! Why a request about keys is refused, with the codes that clients know.

use super::KekName;

/// Why a request about keys is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// No such key.
    #[error("Key '{0}' not found")]
    NotFound(String),
    /// The key has to be deleted softly first.
    #[error("Key '{0}' was not deleted first before being permanently deleted")]
    NotSoftDeleted(String),
    /// The KEK is deleted softly.
    #[error("Key '{0}' must be undeleted first")]
    SoftDeleted(KekName),
    /// There is one already.
    #[error("Key '{0}' already exists; use a different value")]
    Exists(String),
    /// There are too many.
    #[error("A maximum of {0} keys already exist")]
    TooMany(usize),
    /// Not a key.
    #[error("Invalid key: `{field}` {problem}")]
    Invalid {
        /// The member at fault, as clients call it.
        field: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// Only a registry that asks the KMS could do it.
    #[error(
        "Invalid key: `shared` is not supported, this registry does not call a KMS: leave the KEK unshared, and clients wrap and unwrap its DEKs themselves"
    )]
    NoKms,
    /// There are DEKs that it encrypts.
    #[error("One or more references exist to the key {0}")]
    Referenced(KekName),
    /// Not a version.
    #[error(transparent)]
    Version(crate::Error),
}

impl Error {
    /// The code, whose first three digits are the HTTP status.
    #[must_use]
    pub const fn code(&self) -> u32 {
        match self {
            Self::NotFound(_) => 40470,
            Self::NotSoftDeleted(_) => 40471,
            Self::SoftDeleted(_) => 40472,
            Self::Exists(_) => 40971,
            Self::TooMany(_) => 40972,
            Self::Invalid { .. } | Self::NoKms => 42271,
            Self::Referenced(_) => 42272,
            Self::Version(error) => error.code(),
        }
    }
}
