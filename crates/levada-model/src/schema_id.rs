//! The name of its schema that a serialiser puts before a key or value, or into a header of the record.
//!
//! ```text
//! before the data      00 · u32 id                  · data
//! in a header          01 · 16 bytes of a GUID      (nothing before the data)
//! ```
//! Protobuf adds which of the schema's messages it is, directly behind the id or GUID. Either form is understood in
//! either place, the header first.
//!
//! Source: Confluent's wire format, its second generation since Schema Registry 8.0.

/// The header that names the schema of a record's key.
pub const KEY_HEADER: &str = "__key_schema_id";
/// The header that names the schema of a record's value.
pub const VALUE_HEADER: &str = "__value_schema_id";

const BY_ID: u8 = 0;
const BY_GUID: u8 = 1;

/// Which schema.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SchemaId {
    /// By the number that a registry gave it.
    Id(u32),
    /// By what it says: the same in every registry.
    Guid([u8; 16]),
}

impl SchemaId {
    /// Splits what `bytes` begin with from what follows; `None` if that is no schema's name.
    #[must_use]
    pub fn split(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (&form, rest) = bytes.split_first()?;
        match form {
            BY_ID => {
                let (id, rest) = rest.split_first_chunk()?;
                Some((Self::Id(u32::from_be_bytes(*id)), rest))
            }
            BY_GUID => {
                let (guid, rest) = rest.split_first_chunk()?;
                Some((Self::Guid(*guid), rest))
            }
            _ => None,
        }
    }

    /// Writes it before what follows.
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::Id(id) => {
                out.push(BY_ID);
                out.extend_from_slice(&id.to_be_bytes());
            }
            Self::Guid(guid) => {
                out.push(BY_GUID);
                out.extend_from_slice(&guid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_have_these_bytes() {
        let by_id = [0, 0, 0, 1, 2, b'x'];
        assert_eq!(SchemaId::split(&by_id), Some((SchemaId::Id(258), b"x".as_slice())));
        let guid: [u8; 16] = std::array::from_fn(|at| u8::try_from(at).unwrap());
        let by_guid = [[1].as_slice(), &guid].concat();
        let named = SchemaId::Guid(guid);
        assert_eq!(SchemaId::split(&by_guid), Some((named, b"".as_slice())));
        for (name, bytes) in [(SchemaId::Id(258), &by_id[..5]), (named, &by_guid)] {
            let mut written = Vec::new();
            name.write(&mut written);
            assert_eq!(written, bytes);
        }
    }

    #[test]
    fn what_is_too_short_or_of_no_form_names_nothing() {
        for bytes in [b"".as_slice(), &[0], &[0, 0, 0, 1], &[1; 16], &[2, 0, 0, 0, 1], b"{\"a\":1}"] {
            assert_eq!(SchemaId::split(bytes), None, "{bytes:?}");
        }
    }
}
