//! [`Problem`]: an error as PostgreSQL tells it.

use levada_sql_server::{Refusal, RefusalKind};
use levada_sql_syntax::{Position, SyntaxError};

/// What it ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Severity {
    /// The statement.
    Error,
    /// The connection.
    Fatal,
}

/// An error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    pub(crate) severity: Severity,
    /// PostgreSQL's number of it.
    pub(crate) code: &'static str,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
    /// Where in the text that was sent: the character, from 1.
    pub(crate) position: Option<usize>,
}

impl Problem {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Error, code, message: message.into(), hint: None, position: None }
    }

    pub(crate) fn fatal(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Fatal, ..Self::new(code, message) }
    }

    pub(crate) fn with_hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// A refusal of a statement whose text is `text`, from the character `start` of what was sent on.
    pub(crate) fn refused(refusal: Refusal, text: &str, start: usize) -> Self {
        let code = code(&refusal);
        let position = refusal.position.map(|at| start + offset(text, at) + 1);
        Self { hint: refusal.hint, position, ..Self::new(code, refusal.message) }
    }

    /// The same of an error in its text.
    pub(crate) fn syntax(error: SyntaxError, text: &str, start: usize) -> Self {
        let code = if error.message.ends_with("is not supported") { "0A000" } else { "42601" };
        let position = Some(start + offset(text, error.position) + 1);
        Self { hint: error.hint, position, ..Self::new(code, error.message) }
    }
}

/// How many characters stand before a place.
pub(crate) fn offset(text: &str, at: Position) -> usize {
    let before = usize::try_from(at.line.saturating_sub(1)).unwrap_or(0);
    let lines: usize = text.split_inclusive('\n').take(before).map(|line| line.chars().count()).sum();
    let column = usize::try_from(at.column.saturating_sub(1)).unwrap_or(0);
    (lines + column).min(text.chars().count())
}

fn code(refusal: &Refusal) -> &'static str {
    match refusal.kind {
        RefusalKind::Invalid if refusal.message.contains("not supported") => "0A000",
        RefusalKind::Invalid if refusal.message.starts_with("No field named") => "42703",
        RefusalKind::Invalid => "42000",
        RefusalKind::Denied => "42501",
        RefusalKind::Unknown => "42P01",
        RefusalKind::Exists => "42P07",
        RefusalKind::Busy => "53000",
        RefusalKind::Internal => "XX000",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_in_characters_through_all_lines() {
        let at = |line, column| offset("sélect\n  x\nfrom", Position { line, column });
        assert_eq!((at(1, 1), at(1, 3), at(2, 3), at(3, 1), at(9, 9)), (0, 2, 9, 11, 15));
    }
}
