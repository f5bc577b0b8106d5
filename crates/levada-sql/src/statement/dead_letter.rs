//! Records that are no rows of their table: what becomes of them.

use super::{Statement, StatementError, Surroundings};
use crate::source::Undecoded;
use levada_model::{PartitionIndex, TopicName, partition_of_key};
use levada_stream::{Output, OutputRecord};
use std::collections::BTreeMap;

/// What becomes of records that cannot be decoded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The statement fails.
    #[default]
    Fail,
    /// They are counted and left out.
    Skip,
    /// They are counted, left out, and written as they are to the topic of this name, with headers that say where they
    /// were and what is wrong.
    DeadLetter(String),
}

impl OnError {
    pub(super) const fn undecoded(&self) -> Undecoded {
        match self {
            Self::Fail => Undecoded::Fail,
            Self::Skip => Undecoded::Skip,
            Self::DeadLetter(_) => Undecoded::Keep,
        }
    }
}

impl Statement {
    /// That no record is written where it would be read again, or taken for a row.
    pub(super) fn check_dead_letters(&self, read: &[crate::plan::Source]) -> Result<(), StatementError> {
        let OnError::DeadLetter(topic) = &self.on_error else { return Ok(()) };
        let topic_of = |table: &String| self.tables.get(table).and_then(|table| table.topic());
        let is_read = read.iter().any(|source| topic_of(&source.table) == Some(topic));
        if is_read || self.sink.topic() == Some(topic) {
            let message = format!("`{topic}` cannot be the topic of dead letters: the statement reads or writes it");
            return Err(StatementError::Columns(message));
        }
        Ok(())
    }
}

/// Writes records that were no rows.
pub(super) struct DeadLetters {
    topic: TopicName,
    partition_count: PartitionIndex,
}

impl DeadLetters {
    /// Where the statement writes them, if it does.
    pub(super) fn open(statement: &Statement, surroundings: &Surroundings) -> Result<Option<Self>, StatementError> {
        let OnError::DeadLetter(topic) = &statement.on_error else { return Ok(None) };
        let info = surroundings.handle.topic(&surroundings.caller, topic)?;
        Ok(Some(Self { topic: info.name, partition_count: info.partition_count }))
    }

    /// Those of one key go to one partition.
    pub(super) fn outputs(&self, records: Vec<OutputRecord>) -> Vec<Output> {
        let mut by_partition: BTreeMap<PartitionIndex, Vec<OutputRecord>> = BTreeMap::new();
        for record in records {
            let key = record.key.as_ref().or(record.value.as_ref());
            let partition = partition_of_key(key.map_or(&[][..], |part| part), self.partition_count);
            by_partition.entry(partition).or_default().push(record);
        }
        let output = |(partition, records)| Output { topic: self.topic.clone(), partition, records };
        by_partition.into_iter().map(output).collect()
    }
}
