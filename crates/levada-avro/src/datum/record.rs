//! How a writer's record becomes a reader's.

use crate::schema::Record;
use std::collections::HashMap;

/// Which field becomes which.
pub(super) struct Plan {
    /// For each field of the writer, the indexes of the reader's that it becomes: with aliases, several.
    pub(super) targets: Vec<Vec<usize>>,
    /// Indexes of the reader's fields that take their defaults.
    pub(super) defaulted: Vec<usize>,
}

impl Plan {
    /// A field of the reader is the writer's field of its own name, or else of its first alias that the writer has:
    /// schemas that leave a choice are never told compatible, but what they wrote may be read.
    pub(super) fn new(reader: &Record, writer: &Record) -> Self {
        let written: HashMap<&str, usize> =
            writer.fields.iter().enumerate().map(|(index, field)| (field.name.as_str(), index)).collect();
        let mut plan = Self { targets: vec![Vec::new(); writer.fields.len()], defaulted: Vec::new() };
        for (index, field) in reader.fields.iter().enumerate() {
            let mut names = std::iter::once(&field.name).chain(&field.aliases);
            let source = names.find_map(|name| written.get(name.as_str()));
            match source.and_then(|&source| plan.targets.get_mut(source)) {
                Some(target) => target.push(index),
                None => plan.defaulted.push(index),
            }
        }
        plan
    }
}
