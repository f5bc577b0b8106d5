//! [`Refusal`]: why something was not done, as it is answered.

use levada_sql::{StatementError, format::SourceError, table::TableError};
use levada_sql_syntax::{Position, SyntaxError};
use levada_stream::{CommitError, HandleError};

/// Whose fault it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalKind {
    /// What was asked makes no sense, or is not supported.
    Invalid,
    /// Who asks may not.
    Denied,
    /// Something does not exist.
    Unknown,
    /// Something exists already, or is in use.
    Exists,
    /// Too much is asked at once.
    Busy,
    /// It failed here.
    Internal,
}

/// Why something was not done.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// Whose fault it is.
    pub kind: RefusalKind,
    /// What is wrong, in lower case and without a period.
    pub message: String,
    /// What to write or do instead.
    pub hint: Option<String>,
    /// Where in the text.
    pub position: Option<Position>,
}

impl Refusal {
    pub(crate) fn new(kind: RefusalKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), hint: None, position: None }
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Invalid, message)
    }

    pub(crate) fn unknown(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Unknown, message)
    }

    pub(crate) fn exists(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Exists, message)
    }

    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::new(RefusalKind::Internal, message)
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Puts it there, unless it has a place already.
    pub(crate) fn at(mut self, position: Position) -> Self {
        self.position.get_or_insert(position);
        self
    }

    /// `did you mean …?`, where a known name is near to what was written.
    pub(crate) fn with_nearest<'a>(self, written: &str, names: impl Iterator<Item = &'a str>) -> Self {
        match levada_model::nearest(written, names) {
            Some(name) => self.with_hint(format!("did you mean `{name}`?")),
            None => self,
        }
    }
}

impl From<SyntaxError> for Refusal {
    fn from(error: SyntaxError) -> Self {
        let SyntaxError { position, message, hint } = error;
        Self { kind: RefusalKind::Invalid, message, hint, position: Some(position) }
    }
}

impl From<TableError> for Refusal {
    fn from(error: TableError) -> Self {
        Self::invalid(error.to_string())
    }
}

impl From<HandleError> for Refusal {
    fn from(error: HandleError) -> Self {
        let kind = match &error {
            HandleError::Denied(_) => RefusalKind::Denied,
            HandleError::UnknownTopic(_) => RefusalKind::Unknown,
            HandleError::InvalidName(_) | HandleError::Create(_) => RefusalKind::Invalid,
            HandleError::Journal(_)
            | HandleError::Delete { .. }
            | HandleError::Unavailable(_)
            | HandleError::Read(_)
            | HandleError::Record { .. }
            | HandleError::Closed => RefusalKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<CommitError> for Refusal {
    fn from(error: CommitError) -> Self {
        let kind = match &error {
            CommitError::Denied(_) => RefusalKind::Denied,
            CommitError::Refused { .. } | CommitError::TooLarge { .. } => RefusalKind::Invalid,
            CommitError::InDoubt(reason) => {
                let message = format!("it is not known whether the rows were written: {reason}");
                return Self::internal(message).with_hint("look whether they are there before you write them again");
            }
            CommitError::NotKept(_) | CommitError::Fenced | CommitError::Unusable => RefusalKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<StatementError> for Refusal {
    fn from(error: StatementError) -> Self {
        match error {
            StatementError::Broker(error) => error.into(),
            StatementError::Unavailable(reason) => SourceError::Unavailable(reason).into(),
            error @ (StatementError::NoCut | StatementError::NotReadYet { .. }) => {
                Self::new(RefusalKind::Busy, error.to_string())
            }
            StatementError::Commit(error) => error.into(),
            error @ (StatementError::Internal(_) | StatementError::Snapshot(_)) => Self::internal(error.to_string()),
            error => Self::invalid(error.to_string()),
        }
    }
}
