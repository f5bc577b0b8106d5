//! Whether the records of a batch name the schemas that their topic asks for.

use super::ProduceError;
use crate::schemas::{Claim, Holds, Part, Refused, Registry, SchemaRule, SchemaRules};
use levada_model::{
    TopicName,
    record::RecordSlice,
    schema_id::{KEY_HEADER, SchemaId, VALUE_HEADER},
};

/// Of so many records of a batch it is said what is wrong with them.
pub const ERRORS_MAX: usize = 100;

/// So many schemas of a part that were let in are remembered while a batch is looked at.
const KNOWN_MAX: usize = 8;

/// What becomes of the records of a batch.
pub(super) struct SchemaCheck<'a> {
    keys: Option<PartCheck<'a>>,
    values: Option<PartCheck<'a>>,
    refused: Vec<(i32, String)>,
    refused_count: usize,
}

impl<'a> SchemaCheck<'a> {
    pub(super) fn new(registry: &'a Registry, topic: &'a TopicName, rules: SchemaRules) -> Self {
        let check = |part, rule: Option<SchemaRule>| rule.map(|rule| PartCheck::new(registry, topic, part, rule));
        let (keys, values) = (check(Part::Key, rules.key), check(Part::Value, rules.value));
        Self { keys, values, refused: Vec::new(), refused_count: 0 }
    }

    /// Looks at the next record, the `index`-th of its batch.
    pub(super) fn record(&mut self, index: i32, record: &RecordSlice<'_>) -> Result<(), ProduceError> {
        let checked = self.keys.as_mut().map_or(Ok(()), |check| check.record(record, record.key));
        let values = self.values.as_mut();
        match checked.and_then(|()| values.map_or(Ok(()), |check| check.record(record, record.value))) {
            Ok(()) => {}
            Err(Refused::ForNow(reason)) => return Err(ProduceError::SchemasUnknown(reason)),
            Err(Refused::Invalid(reason)) => {
                self.refused_count += 1;
                if self.refused.len() < ERRORS_MAX {
                    self.refused.push((index, reason));
                }
            }
        }
        Ok(())
    }

    /// Refuses the batch of `count` records where one of them is.
    pub(super) fn finish(self, count: i32) -> Result<(), ProduceError> {
        let Self { refused, refused_count, .. } = self;
        let Some((index, reason)) = refused.first() else { return Ok(()) };
        let message = format!("{refused_count} of {count} records are refused; record {index}: {reason}");
        Err(ProduceError::InvalidRecords { message, records: refused })
    }
}

/// What is asked of one part of each record.
struct PartCheck<'a> {
    registry: &'a Registry,
    topic: &'a TopicName,
    part: Part,
    rule: SchemaRule,
    /// Schemas that were let in for all records, the newest last.
    known: Vec<SchemaId>,
}

impl<'a> PartCheck<'a> {
    fn new(registry: &'a Registry, topic: &'a TopicName, part: Part, rule: SchemaRule) -> Self {
        Self { registry, topic, part, rule, known: Vec::with_capacity(KNOWN_MAX) }
    }

    fn record(&mut self, record: &RecordSlice<'_>, field: Option<&[u8]>) -> Result<(), Refused> {
        // Without a key there is none to have a schema; without a value it is a tombstone.
        let Some(field) = field else { return Ok(()) };
        let header = match self.part {
            Part::Key => KEY_HEADER,
            Part::Value => VALUE_HEADER,
        };
        let header = record.last_header(header).map_err(|error| Refused::Invalid(error.to_string()))?;
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
