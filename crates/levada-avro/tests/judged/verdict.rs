//! What is said of a pair of schemas, as the text that `clients/java/avro/Judge.java` prints of it.

use super::pairs::Pair;
use super::values;
use levada_avro::datum::{Decoder, Limits, encode};
use levada_avro::{Kind, ParseError, Schema, Validation, incompatibilities, parse, parse_with};
use levada_model::SeededRng;
use std::collections::HashSet;

/// Whether the reader's defaults are values. Java takes any text for a fixed and makes it fit; we do not.
pub(crate) fn has_valid_defaults(pair: &Pair) -> bool {
    let has_text = ["\"default\":\"NaN\"", "\"default\":[\"x\"]"].iter().any(|text| pair.reader.contains(text));
    !has_text && parse_with(&pair.reader, &[], Validation::NewSchema).is_ok()
}

/// Whether an alias of a type is the name of another. Java gives that name to both before it reads, and then takes one
/// for the other.
fn has_confusing_aliases(schema: &Schema) -> bool {
    let mut open = vec![schema.root()];
    let (mut seen, mut names, mut aliases) = (HashSet::new(), Vec::new(), Vec::new());
    while let Some(id) = open.pop() {
        if !seen.insert(id) {
            continue;
        }
        let kind = schema.kind(id);
        names.extend(kind.name().map(|name| (id, name.simple())));
        aliases.extend(kind.aliases().iter().map(|alias| (id, alias.simple())));
        match kind {
            Kind::Array(inner) | Kind::Map(inner) => open.push(*inner),
            Kind::Union(branches) => open.extend(branches),
            Kind::Record(record) => open.extend(record.fields.iter().map(|field| field.schema)),
            _ => {}
        }
    }
    aliases.iter().any(|(own, alias)| names.iter().any(|(id, name)| name == alias && id != own))
        || aliases.iter().any(|(own, alias)| aliases.iter().any(|(id, other)| other == alias && id != own))
}

/// A value of the writer's schema, where the reader can be asked; some have none that is not too deep.
pub(crate) fn written(number: u64, pair: &Pair, writer: &Schema) -> Option<Vec<u8>> {
    let reader = parse(&pair.reader, &[]).ok()?;
    if !has_valid_defaults(pair) || has_confusing_aliases(&reader) {
        return None;
    }
    let value = values::value(writer, writer.root(), &SeededRng::new(number), 12)?;
    Some(encode(writer, &value).expect("a value of the schema"))
}

/// Both canonical lines, each with a sign of whether it is valid as a new schema; what keeps the reader from reading:
/// `compatible`, or each in order, or that they cannot be compared; and what a reader that is compatible makes of the
/// value.
pub(crate) fn verdict(number: u64, pair: &Pair) -> String {
    let (reader, writer) = (parse(&pair.reader, &[]), parse(&pair.writer, &[]));
    let line = |text: &str, schema: &Result<Schema, ParseError>| match schema {
        Ok(schema) => {
            let sign = if parse_with(text, &[], Validation::NewSchema).is_ok() { '+' } else { '-' };
            format!("{sign}{}", schema.canonical())
        }
        Err(_) => "invalid".to_owned(),
    };
    let lines = format!("{}\t{}", line(&pair.reader, &reader), line(&pair.writer, &writer));
    let (Ok(reader), Ok(writer)) = (&reader, &writer) else { return format!("{lines}\t-\t-") };
    match incompatibilities(reader, writer) {
        Ok(found) if found.is_empty() => {
            let value =
                written(number, pair, writer).map_or_else(|| "-".to_owned(), |bytes| read(reader, writer, &bytes));
            format!("{lines}\tcompatible\t{value}")
        }
        Ok(found) => {
            let found = found.iter().map(|one| format!("{} {} {};", one.kind.name(), one.path, one.message));
            format!("{lines}\t{}\t-", found.collect::<String>())
        }
        Err(_) => format!("{lines}\tincomparable\t-"),
    }
}

fn read(reader: &Schema, writer: &Schema, bytes: &[u8]) -> String {
    let value = Decoder::new(reader, writer).decode(bytes, &Limits::default());
    value.map_or_else(|_| "unreadable".to_owned(), |value| value.to_string())
}

/// A verdict in 16 bits.
pub(crate) fn digest(verdict: &str) -> u16 {
    let hash = verdict
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let [a, b, c, d, ..] = hash.to_le_bytes();
    u16::from_le_bytes([a, b]) ^ u16::from_le_bytes([c, d])
}
