//! What a schema may cost: a limit on everything that a stranger's text can make grow, checked before it grows.

/// Bytes of one schema's text, and of the text that it is printed as.
pub const TEXT_BYTES_MAX: usize = 1 << 20;
/// Bytes of a schema and all its references together.
pub const TOTAL_BYTES_MAX: usize = 4 << 20;
/// References of one schema, transitive ones counted.
pub const REFERENCES_MAX: usize = 128;
/// How deep messages, and the braces within an option's value, may lie in each other.
pub const NESTING_MAX: usize = 30;
/// Messages, enums, extensions and services of one text.
pub const TYPES_MAX: usize = 4_096;
/// Fields, values of enums, methods, options and reserved ranges of one text.
pub const MEMBERS_MAX: usize = 32_768;
/// Characters of one name.
pub const NAME_CHARS_MAX: usize = 256;
/// Characters of a name with all that it lies in.
pub const FULL_NAME_CHARS_MAX: usize = 1_024;
/// Bytes of one message, as binary or as JSON.
pub const MESSAGE_BYTES_MAX: usize = 8 << 20;
/// How deep `google.protobuf.Any` may be packed in each other.
pub const ANY_NESTING_MAX: usize = 8;
/// Fields that one comparison looks at; types beyond are taken for changed.
pub const COMPARED_FIELDS_MAX: usize = 1_000_000;
