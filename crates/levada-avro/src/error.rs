//! Why a text is no schema, and where.

use crate::json::JsonError;

/// Why a text is no schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}{}", place(self))]
pub struct ParseError {
    /// What is wrong.
    pub problem: Box<Problem>,
    /// Where in the text, as a JSON pointer; empty is the whole.
    pub pointer: String,
    /// In which reference, where it is not in the schema itself.
    pub reference: Option<String>,
}

fn place(error: &ParseError) -> String {
    let pointer = if error.pointer.is_empty() { String::new() } else { format!(" at `{}`", error.pointer) };
    let reference = error.reference.as_ref().map(|name| format!(" in reference `{name}`"));
    pointer + &reference.unwrap_or_default()
}

impl ParseError {
    /// The same, seen from outside: `step` leads to where it was.
    pub(crate) fn under(mut self, step: impl std::fmt::Display) -> Self {
        self.pointer.insert_str(0, &format!("/{step}"));
        self
    }
}

impl From<Problem> for ParseError {
    fn from(problem: Problem) -> Self {
        Self { problem: Box::new(problem), pointer: String::new(), reference: None }
    }
}

/// What is wrong with a schema.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// The text is not JSON.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// More of something than there may be.
    #[error("{what} exceed the limit of {limit}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// How many there may be.
        limit: usize,
    },
    /// A number, `true`, `false` or `null` where a type was due.
    #[error("`{found}` is no type")]
    NotAType {
        /// What stands there.
        found: String,
    },
    /// A member is not there, or not of the kind that it must be of.
    #[error("{of} has no `{member}` that is {kind}")]
    Missing {
        /// What should have the member.
        of: &'static str,
        /// The member.
        member: &'static str,
        /// What it must be.
        kind: &'static str,
    },
    /// A name that may not be one.
    #[error("`{name}` is no name: letters, digits and underscores, no digit first")]
    InvalidName {
        /// The name.
        name: String,
    },
    /// A namespace with a part that may not be one.
    #[error("`{part}` is no name, but a part of the namespace of `{name}`")]
    InvalidNamespace {
        /// The part.
        part: String,
        /// The full name.
        name: String,
    },
    /// A named type that is called as a primitive type.
    #[error("`{name}` is a primitive type, nothing else may be called so")]
    NamedAfterPrimitive {
        /// The name.
        name: String,
    },
    /// Two types of one name that differ.
    #[error("`{name}` is defined twice, and not alike")]
    Redefined {
        /// The full name.
        name: String,
    },
    /// A type that is defined nowhere.
    #[error("`{name}` is not defined")]
    Undefined {
        /// The full name.
        name: String,
    },
    /// Two fields of one name.
    #[error("record `{record}` has two fields `{field}`")]
    DuplicateField {
        /// The record's full name.
        record: String,
        /// The field.
        field: String,
    },
    /// A symbol that is there twice.
    #[error("enum `{name}` has symbol `{symbol}` twice")]
    DuplicateSymbol {
        /// The enum's full name.
        name: String,
        /// The symbol.
        symbol: String,
    },
    /// An enum's default that is none of its symbols.
    #[error("default `{symbol}` is no symbol of enum `{name}`")]
    UnknownSymbol {
        /// The enum's full name.
        name: String,
        /// The default.
        symbol: String,
    },
    /// Two branches that values could not be told apart by.
    #[error("union has two branches `{branch}`")]
    DuplicateBranch {
        /// The name of both.
        branch: String,
    },
    /// A union directly in a union.
    #[error("union is a branch of a union")]
    NestedUnion,
    /// A word that is no order.
    #[error("`{found}` is no order")]
    UnknownOrder {
        /// What stands there.
        found: String,
    },
    /// A default that is no value of the field's type.
    #[error("default `{default}` of field `{field}` of `{record}` is no {expected}")]
    InvalidDefault {
        /// The record's full name.
        record: String,
        /// The field.
        field: String,
        /// The default.
        default: String,
        /// The type.
        expected: String,
    },
    /// Text in a number's place that is no number.
    #[error("default `{text}` is no number")]
    NotANumber {
        /// The text.
        text: String,
    },
    /// The schema's printed line nests deeper than the parser takes.
    #[error("types are nested deeper than {limit}")]
    TooDeep {
        /// How deep they may be.
        limit: usize,
    },
    /// Defaults that take too long to compare with their types.
    #[error("defaults are too entangled to be checked in {limit} steps")]
    DefaultsTooComplex {
        /// How many steps there are.
        limit: usize,
    },
}
