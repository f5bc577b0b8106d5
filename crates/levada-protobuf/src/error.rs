//! [`ParseError`]: why a text is no schema.

use std::fmt;

/// Why a text is no schema. A file is named where it is a reference; positions are counted from 1.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text is not what the grammar of proto2 and proto3 allows.
    #[error("{}{at}: {reason}", Within(.file))]
    Syntax {
        /// The reference that it is in.
        file: Option<String>,
        /// Where.
        at: Position,
        /// What was expected and what was found.
        reason: String,
    },
    /// Something does not fit together: a type or an import is missing, a number is used twice.
    #[error("{}{reason}", Within(.file))]
    Invalid {
        /// The reference that it is in.
        file: Option<String>,
        /// What does not fit, and the line that it is in as it is printed.
        reason: String,
    },
    /// The text is written in an edition.
    #[error("{}{at}: editions are not supported, only `proto2` and `proto3`", Within(.file))]
    Edition {
        /// The reference that it is in.
        file: Option<String>,
        /// Where.
        at: Position,
    },
    /// A limit is passed.
    #[error("{}{what}: the limit is {limit}", Within(.file))]
    TooLarge {
        /// The reference that it is in.
        file: Option<String>,
        /// What there is too much of.
        what: &'static str,
        /// How much there may be.
        limit: usize,
    },
}

impl ParseError {
    /// The same, of the reference `name`.
    #[must_use]
    pub(crate) fn within(mut self, name: &str) -> Self {
        let (Self::Syntax { file, .. }
        | Self::Invalid { file, .. }
        | Self::Edition { file, .. }
        | Self::TooLarge { file, .. }) = &mut self;
        file.get_or_insert_with(|| name.to_owned());
        self
    }

    pub(crate) fn invalid(reason: impl fmt::Display) -> Self {
        Self::Invalid { file: None, reason: reason.to_string() }
    }

    pub(crate) const fn too_large(what: &'static str, limit: usize) -> Self {
        Self::TooLarge { file: None, what, limit }
    }
}

/// A place in a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Counted from 1.
    pub line: usize,
    /// In characters, counted from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

struct Within<'a>(&'a Option<String>);

impl fmt::Display for Within<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(name) => write!(f, "reference `{name}`: "),
            None => Ok(()),
        }
    }
}
