//! [`Incompatibility`], and the text that clients of a registry get to see of it.

use std::fmt;

/// One thing that keeps a reader from reading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Incompatibility {
    /// Which rule it breaks.
    pub kind: IncompatibilityKind,
    /// Where in the reader's schema, as a JSON pointer; `/` is the whole.
    pub path: String,
    /// What exactly is wrong, in the words of Java's Avro.
    pub message: String,
}

/// The rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum IncompatibilityKind {
    /// The writer's type has a name that the reader's has not, nor its aliases.
    NameMismatch,
    /// The fixed are of different sizes.
    FixedSizeMismatch,
    /// The writer's enum has symbols that the reader's has not, and the reader's has no default.
    MissingEnumSymbols,
    /// The writer's record has not the field, nor has the reader's a default for it.
    ReaderFieldMissingDefaultValue,
    /// The types have nothing to do with each other.
    TypeMismatch,
    /// No branch of the reader's union reads what the writer writes.
    MissingUnionBranch,
}

impl IncompatibilityKind {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NameMismatch,
        Self::FixedSizeMismatch,
        Self::MissingEnumSymbols,
        Self::ReaderFieldMissingDefaultValue,
        Self::TypeMismatch,
        Self::MissingUnionBranch,
    ];

    /// The name that registries have for it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NameMismatch => "NAME_MISMATCH",
            Self::FixedSizeMismatch => "FIXED_SIZE_MISMATCH",
            Self::MissingEnumSymbols => "MISSING_ENUM_SYMBOLS",
            Self::ReaderFieldMissingDefaultValue => "READER_FIELD_MISSING_DEFAULT_VALUE",
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::MissingUnionBranch => "MISSING_UNION_BRANCH",
        }
    }
}

impl Incompatibility {
    /// What is wrong, in a sentence. The first `{}` is for what the reader's schema is called, the second for the
    /// writer's, as Confluent's clients print them: `new` and `old`, or the other way round.
    fn description(&self, reader: &str, writer: &str) -> String {
        let Self { path, message, .. } = self;
        match self.kind {
            IncompatibilityKind::NameMismatch => format!("The name of the schema has changed (path '{path}')"),
            IncompatibilityKind::FixedSizeMismatch => {
                format!(
                    "The size of FIXED type field at path '{path}' in the {reader} schema does not match with the {writer} schema"
                )
            }
            IncompatibilityKind::MissingEnumSymbols => {
                format!(
                    "The {reader} schema is missing enum symbols '{message}' at path '{path}' in the {writer} schema"
                )
            }
            IncompatibilityKind::ReaderFieldMissingDefaultValue => {
                format!(
                    "The field '{message}' at path '{path}' in the {reader} schema has no default value and is missing in the {writer} schema"
                )
            }
            IncompatibilityKind::TypeMismatch => {
                format!(
                    "The type (path '{path}') of a field in the {reader} schema does not match with the {writer} schema"
                )
            }
            IncompatibilityKind::MissingUnionBranch => {
                format!(
                    "The {reader} schema is missing a type inside a union field at path '{path}' in the {writer} schema"
                )
            }
        }
    }

    /// The line that a registry answers, with what the two schemas are called in it.
    #[must_use]
    pub fn describe(&self, reader: &str, writer: &str) -> String {
        let (kind, message) = (self.kind.name(), &self.message);
        let description = self.description(reader, writer);
        format!("{{errorType:'{kind}', description:'{description}', additionalInfo:'{message}'}}")
    }
}

/// With `%s` for what the schemas are called, which is the shape in which Confluent's checker hands them on.
impl fmt::Display for Incompatibility {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.describe("%s", "%s"))
    }
}
