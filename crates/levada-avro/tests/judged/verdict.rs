//! What is said of a pair of schemas, as the text that `clients/java/avro/Judge.java` prints of it.

use super::pairs::Pair;
use levada_avro::{ParseError, Schema, incompatibilities, parse};

/// Both canonical lines, and what keeps the reader from reading: `compatible`, or each in order, or that they cannot
/// be compared.
pub(crate) fn verdict(pair: &Pair) -> String {
    let (reader, writer) = (parse(&pair.reader, &[]), parse(&pair.writer, &[]));
    let line = |schema: &Result<Schema, ParseError>| match schema {
        Ok(schema) => schema.canonical().to_owned(),
        Err(_) => "invalid".to_owned(),
    };
    let findings = match (&reader, &writer) {
        (Ok(reader), Ok(writer)) => match incompatibilities(reader, writer) {
            Ok(found) if found.is_empty() => "compatible".to_owned(),
            Ok(found) => found.iter().map(|one| format!("{} {} {};", one.kind.name(), one.path, one.message)).collect(),
            Err(_) => "incomparable".to_owned(),
        },
        _ => "-".to_owned(),
    };
    format!("{}\t{}\t{findings}", line(&reader), line(&writer))
}

/// A verdict in 16 bits.
pub(crate) fn digest(verdict: &str) -> u16 {
    let hash = verdict
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    let [a, b, c, d, ..] = hash.to_le_bytes();
    u16::from_le_bytes([a, b]) ^ u16::from_le_bytes([c, d])
}
