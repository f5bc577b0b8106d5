//! What can be wrong with a format, with a record, or with a row.

use crate::types::UnsupportedType;
use std::fmt;

/// How much of a value an error shows.
const SHOWN_BYTES_MAX: usize = 60;

/// A format cannot be set up as asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// There is no such format.
    #[error("there is no format `{name}`{}", suggested(.nearest.as_deref()))]
    UnknownFormat {
        /// What was asked for.
        name: String,
        /// The format whose name is nearest.
        nearest: Option<String>,
    },
    /// The format has no such option.
    #[error("`{format}` has no option `{option}`{}", suggested(.nearest.as_deref()))]
    UnknownOption {
        /// The format.
        format: &'static str,
        /// The option as it was written.
        option: String,
        /// The option whose name is nearest, as it would be written.
        nearest: Option<String>,
    },
    /// An option has a value that it cannot have.
    #[error("`{option}` is `{value}`; it can be {expected}")]
    OptionValue {
        /// The option as it was written.
        option: String,
        /// Its value.
        value: String,
        /// What it can be.
        expected: &'static str,
    },
    /// A registry is named, and there is one that is meant anyway.
    #[error("tables use this server's schema registry: leave `{option}` out")]
    OwnRegistry {
        /// The option as it was written.
        option: String,
    },
    /// Two options contradict each other.
    #[error("`{first}` and `{second}` exclude each other: leave one out")]
    Conflict {
        /// One option.
        first: String,
        /// The other.
        second: String,
    },
    /// A column's Arrow type stands for no SQL type.
    #[error(transparent)]
    Unsupported(#[from] UnsupportedType),
    /// The format has no form for a column's type.
    #[error("`{format}` cannot hold column `{column}` of type {found}: {reason}")]
    ColumnType {
        /// The format.
        format: &'static str,
        /// The column.
        column: String,
        /// Its type.
        found: String,
        /// Why, and what can be done.
        reason: &'static str,
    },
    /// A column is wanted twice, or two columns have one name.
    #[error("the column `{column}` is there twice")]
    DuplicateColumn {
        /// Its name.
        column: String,
    },
    /// The format needs another number of columns.
    #[error("`{format}` holds exactly one column, not {count}")]
    OneColumn {
        /// The format.
        format: &'static str,
        /// How many there are.
        count: usize,
    },
    /// A wanted column does not exist.
    #[error("column {index} is wanted, and there are {count}")]
    NoSuchColumn {
        /// Which.
        index: usize,
        /// How many there are.
        count: usize,
    },
    /// The format needs schemas from a registry, and was given none.
    #[error("`{format}` needs the schema registry, which is off: start the server with `--registry ADDR`")]
    NoRegistry {
        /// The format.
        format: &'static str,
    },
    /// The schema to write with does not go with the columns.
    #[error("the schema does not go with the columns: {reason}")]
    Schema {
        /// Why not.
        reason: String,
    },
}

/// A record could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecodeError {
    /// What is wrong.
    pub problem: Problem,
    /// The field within which it is, outermost name first; empty: the record itself.
    pub path: Vec<String>,
    /// How many of the record's bytes come before it, where that is known.
    pub offset: Option<usize>,
}

/// What is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// It is not UTF-8.
    #[error("the record is not UTF-8")]
    NotUtf8,
    /// It ends within a value.
    #[error("the record ends early")]
    Ended,
    /// It goes on behind its value.
    #[error("there is more after the end of the value")]
    Trailing,
    /// It does not follow the format's grammar.
    #[error("{expected} is expected here")]
    Syntax {
        /// What should have been there.
        expected: &'static str,
    },
    /// Values within values within values.
    #[error("values nest deeper than {limit} levels")]
    TooDeep {
        /// How deep they may.
        limit: usize,
    },
    /// A value is none of its column's type.
    #[error("`{found}` is no {expected}")]
    Mismatch {
        /// The value, shortened.
        found: String,
        /// The type.
        expected: String,
    },
    /// A field that must be there is not.
    #[error("the field `{field}` is missing")]
    Missing {
        /// Its name.
        field: String,
    },
    /// A field that may not be NULL is.
    #[error("it is NULL, and its column is NOT NULL")]
    Null,
    /// A row with another number of fields than there are columns.
    #[error("{found} fields for {expected} columns")]
    Arity {
        /// How many fields there are.
        found: usize,
        /// How many columns there are.
        expected: usize,
    },
    /// The record names no schema.
    #[error("the record does not begin with a schema's id: it was not written with a schema registry")]
    NoSchemaId,
    /// The schema of a record could not be had.
    #[error("schema {id}: {reason}")]
    Schema {
        /// Which.
        id: String,
        /// Why not.
        reason: String,
    },
    /// What is registered is not known at this moment: that is not the record's fault.
    #[error("its schema is not known at this moment: {reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
    /// The schema of a record does not go with the columns.
    #[error("written as {found}, which is not read as {expected}")]
    Resolution {
        /// The writer's type.
        found: String,
        /// The column's type.
        expected: String,
    },
    /// The bytes are no value of the schema that they were written with.
    #[error("no value of its schema: {reason}")]
    Data {
        /// Why not.
        reason: String,
    },
    /// The columns hold all that one array can: finish them and decode the record again.
    #[error("the columns are full: 2 GiB of one column is the most that is decoded at a time")]
    Full,
    /// A column is not laid out as its type says: an error of the program.
    #[error("a column is not laid out as its type says")]
    Layout,
}

impl Problem {
    /// Whether the record can be read on behind it: one value is wrong, not the record.
    pub(super) const fn is_of_value(&self) -> bool {
        matches!(self, Self::Mismatch { .. } | Self::Missing { .. } | Self::Null)
    }

    pub(super) fn mismatch(found: &[u8], expected: impl fmt::Display) -> Self {
        Self::Mismatch { found: shown(found), expected: expected.to_string() }
    }
}

impl DecodeError {
    pub(super) const fn new(problem: Problem) -> Self {
        Self { problem, path: Vec::new(), offset: None }
    }

    pub(super) const fn at(problem: Problem, offset: usize) -> Self {
        Self { problem, path: Vec::new(), offset: Some(offset) }
    }
}

impl fmt::Display for DecodeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.path.is_empty() {
            write!(f, "field `{}`: ", self.path.join("."))?;
        }
        write!(f, "{}", self.problem)?;
        match self.offset {
            Some(offset) => write!(f, ", at byte {offset}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for DecodeError {}

/// A row could not be encoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EncodeError {
    /// There is no such row, or the columns are others than the encoder was made for.
    #[error("the columns are not those that the encoder was made for: {reason}")]
    Columns {
        /// What differs.
        reason: String,
    },
    /// A value is NULL, and the schema to write with has no NULL there.
    #[error("column `{column}`: it is NULL, and the schema to write with does not allow that")]
    Null {
        /// The column.
        column: String,
    },
    /// A value does not fit the schema to write with.
    #[error("column `{column}`: `{found}` does not fit {expected}")]
    Value {
        /// The column.
        column: String,
        /// The value, shortened.
        found: String,
        /// What it should fit.
        expected: String,
    },
    /// The row is not what the schema to write with asks for.
    #[error("it is not as the schema to write with says: {reason}")]
    Schema {
        /// Why not.
        reason: String,
    },
    /// A date or a timestamp is beyond the years that can be written.
    #[error("column `{column}`: the date is beyond the years that can be written")]
    Date {
        /// The column.
        column: String,
    },
}

fn suggested(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!("; did you mean `{nearest}`?")).unwrap_or_default()
}

/// The beginning of a value, as text.
pub(super) fn shown(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value.get(..SHOWN_BYTES_MAX).unwrap_or(value)).into_owned();
    if value.len() > SHOWN_BYTES_MAX { format!("{text}…") } else { text }
}
