//! Whether the records of a batch name the schemas that their topic asks for.

use super::ProduceError;
use crate::schemas::{Claim, Holds, Part, Refused, Registry, SchemaRule, SchemaRules};
use levada_model::{
    TopicName,
    record::{Fields, FieldsOfRecords},
    schema_id::{KEY_HEADER, SchemaId, VALUE_HEADER},
};

/// Of so many records of a batch it is said what is wrong with them.
pub const ERRORS_MAX: usize = 100;

/// So many schemas of a part that were let in are remembered while a batch is looked at.
const KNOWN_MAX: usize = 8;

/// Looks at the uncompressed records of a batch.
pub(super) fn check(
    registry: &Registry,
    topic: &TopicName,
    rules: SchemaRules,
    block: &[u8],
    count: i32,
) -> Result<(), ProduceError> {
    let mut keys = rules.key.map(|rule| Check::new(registry, topic, Part::Key, rule));
    let mut values = rules.value.map(|rule| Check::new(registry, topic, Part::Value, rule));
    let mut refused = Vec::new();
    let mut refused_count = 0_usize;
    for (index, fields) in (0..).zip(FieldsOfRecords::new(block, count)) {
        let fields = fields.map_err(|error| ProduceError::Corrupt(error.to_string()))?;
        let checked = keys.as_mut().map_or(Ok(()), |check| check.record(&fields, fields.key));
        let checked =
            checked.and_then(|()| values.as_mut().map_or(Ok(()), |check| check.record(&fields, fields.value)));
        match checked {
            Ok(()) => {}
            Err(Refused::ForNow(reason)) => return Err(ProduceError::SchemasUnknown(reason)),
            Err(Refused::Invalid(reason)) => {
                refused_count += 1;
                if refused.len() < ERRORS_MAX {
                    refused.push((index, reason));
                }
            }
        }
    }
    let Some((index, reason)) = refused.first() else { return Ok(()) };
    let message = format!("{refused_count} of {count} records are refused; record {index}: {reason}");
    Err(ProduceError::InvalidRecords { message, records: refused })
}

/// What is asked of one part of each record.
struct Check<'a> {
    registry: &'a Registry,
    topic: &'a TopicName,
    part: Part,
    rule: SchemaRule,
    /// Schemas that were let in for all records, the newest last.
    known: Vec<SchemaId>,
}

impl<'a> Check<'a> {
    fn new(registry: &'a Registry, topic: &'a TopicName, part: Part, rule: SchemaRule) -> Self {
        Self { registry, topic, part, rule, known: Vec::with_capacity(KNOWN_MAX) }
    }

    fn record(&mut self, fields: &Fields<'_>, field: Option<&[u8]>) -> Result<(), Refused> {
        // Without a key there is none to have a schema; without a value it is a tombstone.
        let Some(field) = field else { return Ok(()) };
        let header = match self.part {
            Part::Key => KEY_HEADER,
            Part::Value => VALUE_HEADER,
        };
        let header = fields.header(header).map_err(|error| Refused::Invalid(error.to_string()))?;
        let Some((schema, rest)) = SchemaId::split(header.unwrap_or(field)) else {
            return Err(Refused::Invalid(self.names_none(header.is_some(), field)));
        };
        if self.known.contains(&schema) {
            return Ok(());
        }
        let (header, data) = if header.is_some() { (Some(rest), field) } else { (None, rest) };
        let claim = Claim { topic: self.topic, part: self.part, rule: self.rule, schema, header, data };
        if self.registry.check(&claim)? == Holds::ForSchema {
            if self.known.len() == KNOWN_MAX {
                self.known.remove(0);
            }
            self.known.push(schema);
        }
        Ok(())
    }

    fn names_none(&self, has_header: bool, field: &[u8]) -> String {
        let part = self.part.name();
        if has_header {
            return format!("the header that names the schema of its {part} is malformed");
        }
        let found = match field.first() {
            None => "it is empty".to_owned(),
            Some(first) if field.len() < 5 => format!("it has {} bytes, the first is {first:#04x}", field.len()),
            Some(first) => format!("it begins with {first:#04x}"),
        };
        format!("its {part} names no schema ({found}): a registry's serializer puts an id before it")
    }
}
