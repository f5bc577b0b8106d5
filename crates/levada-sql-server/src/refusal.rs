//! [`Refusal`]: why something was not done, as it is answered.

use levada_sql::{StatementError, table::TableError};
use levada_sql_syntax::{Position, SyntaxError};
use levada_stream::HandleError;

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
        match nearest(written, names) {
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
            | HandleError::Unavailable(_)
            | HandleError::Read(_)
            | HandleError::Record { .. }
            | HandleError::Closed => RefusalKind::Internal,
        };
        Self::new(kind, error.to_string())
    }
}

impl From<StatementError> for Refusal {
    fn from(error: StatementError) -> Self {
        match error {
            StatementError::Broker(error) => error.into(),
            error @ (StatementError::Internal(_) | StatementError::Snapshot(_) | StatementError::Commit(_)) => {
                Self::internal(error.to_string())
            }
            error => Self::invalid(error.to_string()),
        }
    }
}

/// The name that is nearest to what was written, within a third of its length in edits.
fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    const LENGTH_MAX: usize = 256;
    let fits = |name: &&str| name.len() <= LENGTH_MAX;
    if written.len() > LENGTH_MAX {
        return None;
    }
    let wanted = written.to_lowercase();
    let edits = |name: &str| distance(&wanted, &name.to_lowercase());
    let near = names.filter(fits).map(|name| (edits(name), name)).min()?;
    (near.0 <= (near.1.len() / 3).max(1)).then_some(near.1)
}

/// Insertions, deletions and replacements that lead from `left` to `right`.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, symbol) in left.chars().enumerate() {
        let mut last = index + 1;
        let mut next = vec![last];
        for (other, pair) in right.iter().zip(row.windows(2)) {
            let (diagonal, above) = (pair[0], pair[1]);
            last = (diagonal + usize::from(symbol != *other)).min(above + 1).min(last + 1);
            next.push(last);
        }
        row = next;
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_near() {
        let names = || ["orders", "customers", "pipeline.name"].into_iter();
        assert_eq!(nearest("ordrs", names()), Some("orders"));
        assert_eq!(nearest("Customer", names()), Some("customers"));
        assert_eq!(nearest("pipline.name", names()), Some("pipeline.name"));
        assert_eq!(nearest("payments", names()), None);
        assert_eq!(nearest("", std::iter::empty()), None);
    }
}
