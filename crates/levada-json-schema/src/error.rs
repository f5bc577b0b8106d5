//! [`ParseError`]: why a text is not taken as a schema.

use crate::json::parser::JsonError;

/// Why a text is not taken as a schema. Paths are JSON pointers within the text that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// The text is not JSON, too long, or nests too deep.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// A text that the schema refers to is not taken.
    #[error("reference `{name}`: {error}")]
    Reference {
        /// The name by which it is referred to.
        name: String,
        /// What is wrong with it.
        error: Box<ParseError>,
    },
    /// There are too many references, or they are too long together.
    #[error("the references have more than {limit} bytes together")]
    ReferencesTooLong {
        /// How many bytes they may have.
        limit: usize,
    },
    /// There is something else where a schema was expected.
    #[error("at `{path}`: a schema is an object or a boolean")]
    NotASchema {
        /// Where.
        path: String,
    },
    /// The schema is not as its draft's meta-schema asks.
    #[error("at `#{path}`: {reason}")]
    MetaSchema {
        /// Where.
        path: String,
        /// What is wrong.
        reason: String,
    },
    /// A reference leads nowhere: neither into the schema nor to a given reference nor to a meta-schema, or, for the
    /// dynamic ones, to more than one place.
    #[error(
        "at `{path}`: `{keyword}` `{reference}` leads to nothing in the schema, in its references or in a meta-schema"
    )]
    Unresolved {
        /// Where.
        path: String,
        /// Which keyword.
        keyword: &'static str,
        /// Its value.
        reference: String,
    },
    /// A regular expression does not compile.
    #[error("at `{path}`: the pattern `{pattern}` cannot be used: {reason}")]
    Pattern {
        /// In which schema.
        path: String,
        /// The expression.
        pattern: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A divisor is not above zero, or has too many digits.
    #[error("at `{path}`: a divisor is above zero and has at most 36 significant digits")]
    Divisor {
        /// Where.
        path: String,
    },
    /// A schema applies itself to the instance that it is applied to.
    #[error("at `{path}`: the schema applies itself to its own instance, without end")]
    Endless {
        /// Where.
        path: String,
    },
    /// A schema branches too much.
    #[error("at `{path}`: more than {limit} schemas are applied to one instance")]
    TooManyBranches {
        /// Where.
        path: String,
        /// How many may be.
        limit: u64,
    },
    /// There is too much of something.
    #[error("the schema has more than {limit} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
}
