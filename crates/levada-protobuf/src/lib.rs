//! Protobuf schemas of a registry: read from `.proto` text or from a base64-encoded descriptor, printed as clients
//! expect them, compared with each other, and applied to messages.
//!
//! Pure: no I/O, no clock. References are given by the caller and nothing is fetched. Text and data come from
//! strangers: whatever they can make grow has its limit in [`limits`], checked before it grows.

mod ast;
mod compare;
mod compile;
mod data;
mod descriptor;
mod difference;
mod error;
mod indexes;
mod lexer;
pub mod limits;
mod normal;
mod parser;
mod plain;
mod print;
mod tags;
mod wire;

pub use data::DataError;
pub use difference::{Difference, DifferenceKind};
pub use error::{ParseError, Position};
pub use indexes::{IndexesError, MessageIndexes};

use ast::{File, Message, full_name};
use base64::{Engine, engine::general_purpose::STANDARD};
use compile::{Compiled, Imports};
use limits::{REFERENCES_MAX, TEXT_BYTES_MAX, TOTAL_BYTES_MAX};
use std::fmt;

/// A schema that others refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reference<'a> {
    /// The name that it is imported by.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// A schema that was read, and all of whose types are known.
#[derive(Clone)]
pub struct Schema {
    file: File,
    canonical: String,
    compiled: Compiled,
}

/// Reads `text`, a `.proto` file or a base64-encoded `FileDescriptorProto`. `references` are all files that it and they
/// import, those that others import first; the well-known types, `confluent/meta.proto` and
/// `confluent/type/decimal.proto` need no reference.
///
/// # Errors
/// [`ParseError`] when the text is no schema, a type or an import is missing, or a limit of [`limits`] is passed.
pub fn parse(text: &str, references: &[Reference<'_>]) -> Result<Schema, ParseError> {
    if references.len() > REFERENCES_MAX {
        return Err(ParseError::too_large("references", REFERENCES_MAX));
    }
    let size = references.iter().fold(text.len(), |size, reference| size.saturating_add(reference.text.len()));
    if size > TOTAL_BYTES_MAX {
        return Err(ParseError::too_large("bytes of a schema and its references", TOTAL_BYTES_MAX));
    }
    let mut imports = Imports::default();
    for reference in references {
        let (file, _) = read(reference.text, &imports).map_err(|error| error.within(reference.name))?;
        imports.add(reference.name, file);
    }
    let (file, canonical) = read(text, &imports)?;
    let compiled = compile::compile(&file, imports)?;
    Ok(Schema { file, canonical, compiled })
}

/// A file and its text as it is printed.
fn read(text: &str, imports: &Imports) -> Result<(File, String), ParseError> {
    let file = match parser::parse(text) {
        Ok(file) => file,
        Err(error) => descriptor::read(text, imports).unwrap_or(Err(error))?,
    };
    let canonical = print::print(&file);
    if canonical.len() > TEXT_BYTES_MAX {
        return Err(ParseError::too_large("bytes of a schema as it is printed", TEXT_BYTES_MAX));
    }
    Ok((file, canonical))
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Schema").field(&self.canonical).finish()
    }
}

impl Schema {
    /// The text that a registry stores and returns: without comments, laid out the same way whoever wrote it.
    ///
    /// The layout is the Confluent registry's. What that leaves out although it has a meaning is printed here: `weak`
    /// imports, and what else than fields is within groups.
    #[must_use]
    pub fn canonical(&self) -> &str {
        &self.canonical
    }

    /// The text that schemas of equal meaning share: sorted, with full names. Messages, enums and services keep their
    /// order, for producers count messages; so does the first value of an enum that is not its smallest, for it is the
    /// default.
    ///
    /// Where full names would make it longer than a schema may be, it is [`canonical`](Self::canonical).
    #[must_use]
    pub fn normalized(&self) -> String {
        let pool = &self.compiled.pool;
        let is_type = |name: &str| pool.get_message_by_name(name).is_some() || pool.get_enum_by_name(name).is_some();
        let is_extension = |name: &str| pool.get_extension_by_name(name).is_some();
        let text = print::print(&normal::normalize(&self.file, &is_type, &is_extension));
        if text.len() > TEXT_BYTES_MAX { self.canonical.clone() } else { text }
    }

    /// The text without extensions, and without options that other files define but `confluent/meta.proto`, as clients
    /// ask for with `format=ignore_extensions`.
    #[must_use]
    pub fn without_extensions(&self) -> String {
        print::print(&plain::without_extensions(&self.file))
    }

    /// The base64-encoded `FileDescriptorProto`, as clients ask for with `format=serialized`.
    #[must_use]
    pub fn serialized(&self) -> String {
        let bytes = self.compiled.file.encode_to_vec();
        STANDARD.encode(wire::with_imports_of(&bytes, &self.file).unwrap_or(bytes))
    }

    /// The full name of the first message.
    #[must_use]
    pub fn name(&self) -> Option<String> {
        let package = self.file.package.as_deref().unwrap_or_default();
        ast::messages(&self.file.types).next().map(|message| full_name(package, &message.name))
    }

    /// The full name of the message that `indexes` lead to.
    #[must_use]
    pub fn message_name(&self, indexes: &MessageIndexes) -> Option<String> {
        let mut types = &self.file.types;
        let mut name = self.file.package.clone().unwrap_or_default();
        for &place in indexes.places() {
            let message: &Message = ast::messages(types).nth(usize::try_from(place).ok()?)?;
            name = full_name(&name, &message.name);
            types = &message.types;
        }
        Some(name)
    }

    /// Where the message of that full name is.
    #[must_use]
    pub fn message_indexes(&self, name: &str) -> Option<MessageIndexes> {
        let local = match &self.file.package {
            Some(package) => name.strip_prefix(package.as_str())?.strip_prefix('.')?,
            None => name,
        };
        let mut types = &self.file.types;
        let mut places = Vec::new();
        for part in local.split('.') {
            let (place, message) = (0..).zip(ast::messages(types)).find(|(_, message)| message.name == part)?;
            places.push(place);
            types = &message.types;
        }
        MessageIndexes::new(places).ok()
    }
}

/// All that keeps `reader` from reading what was written with `writer`, in a fixed order; empty: compatible.
///
/// # What is promised
///
/// Where this is empty, a message that was written with `writer` and is read with `reader` decodes, has all that
/// `reader` requires, and has in each field that both know the value that was written, or what the Protobuf
/// documentation says becomes of it when the type changes. These documented exceptions lose data, are the Confluent
/// registry's too, and are kept because everyday evolution relies on them:
///
/// * `int32`, `int64`, `uint32`, `uint64`, `bool` and enums are cast into each other, as are `sint32` and `sint64`,
///   `fixed32` and `sfixed32`, `fixed64` and `sfixed64`: a value that does not fit is cut off;
/// * `bytes` become `string`: what is no UTF-8 does not decode;
/// * a `repeated` field of text, bytes or messages becomes a single one: the last is read, messages are merged;
/// * a value leaves an enum: readers with closed enums take it for unknown;
/// * a field leaves, together with its number, or a whole oneof does: what was written is not read;
/// * the default value changes, or a file moves from proto3 to proto2: what was not written reads as another default.
///
/// Where the Confluent registry's rules promise less, these are stricter:
///
/// * groups are compared like messages; there they are not looked at;
/// * a label is what it means, not how it is written: a numeric field of proto3 without a label that becomes
///   `repeated`, or was, has changed its label, for single values and packed lists are encoded differently;
/// * a field that becomes `required` is [`DifferenceKind::RequiredFieldAdded`];
/// * extension fields are compared like fields of the message that they extend.
#[must_use]
pub fn incompatibilities(reader: &Schema, writer: &Schema) -> Vec<Difference> {
    let mut found = differences(reader, writer);
    found.retain(|difference| !difference.kind.is_compatible());
    found
}

/// All that differs between `writer` and `reader`, compatible or not, in a fixed order.
#[must_use]
pub fn differences(reader: &Schema, writer: &Schema) -> Vec<Difference> {
    compare::differences(&reader.compiled.file, &writer.compiled.file)
}
