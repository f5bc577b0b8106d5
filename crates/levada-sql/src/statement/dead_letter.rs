//! Records that are no rows of their table: what becomes of them.

use super::{LateRows, Statement, StatementError, Surroundings};
use crate::{
    left_out::WithoutValue,
    query::Rows,
    source::{OWN_HEADERS, Undecoded},
};
use bytes::Bytes;
use levada_model::{PartitionIndex, Str, Timestamp, TopicName, partition_of_key, record::RecordHeader};
use levada_stream::{Caller, Handle, Output, OutputRecord};
use std::collections::BTreeMap;

/// What becomes of records that cannot be decoded, and of rows of which an expression has no value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum OnError {
    /// The statement fails.
    #[default]
    Fail,
    /// They are counted and left out.
    Skip,
    /// They are counted, left out, and written to the topic of this name: records as they are, with headers that say
    /// where they were and what is wrong, rows as JSON.
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
    pub(super) fn check_letters(&self, read: &[crate::plan::Source]) -> Result<(), StatementError> {
        let topic_of = |table: &String| self.tables.get(table).and_then(|table| table.topic());
        let dead = if let OnError::DeadLetter(topic) = &self.on_error { Some((topic, "dead letters")) } else { None };
        let late = if let LateRows::Topic(topic) = &self.late_rows { Some((topic, "late rows")) } else { None };
        for (topic, what) in dead.into_iter().chain(late) {
            let is_read = read.iter().any(|source| topic_of(&source.table) == Some(topic));
            if is_read || self.sink.topic() == Some(topic) {
                let message = format!("`{topic}` cannot be the topic of {what}: the statement reads or writes it");
                return Err(StatementError::Columns(message));
            }
        }
        Ok(())
    }

    /// Where it writes records that were no rows, if it does.
    pub(super) fn dead_letters(&self, surroundings: &Surroundings) -> Result<Option<Letters>, StatementError> {
        let OnError::DeadLetter(topic) = &self.on_error else { return Ok(None) };
        Letters::open(topic, surroundings).map(Some)
    }
}

/// Writes what is none of the statement's rows.
pub(super) struct Letters {
    handle: Handle,
    caller: Caller,
    topic: TopicName,
    partition_count: PartitionIndex,
}

impl Letters {
    pub(super) fn open(topic: &str, surroundings: &Surroundings) -> Result<Self, StatementError> {
        let (handle, caller) = (surroundings.handle.clone(), surroundings.caller.clone());
        let info = handle.topic(&caller, topic)?;
        Ok(Self { handle, caller, topic: info.name, partition_count: info.partition_count })
    }

    /// Those of one key go to one partition.
    pub(super) fn outputs(&self, records: Vec<OutputRecord>) -> Result<Vec<Output>, StatementError> {
        if records.is_empty() {
            return Ok(Vec::new());
        }
        // It may be set anew at any time.
        let size_max = self.handle.record_size_max(&self.caller, &self.topic)?;
        let mut by_partition: BTreeMap<PartitionIndex, Vec<OutputRecord>> = BTreeMap::new();
        for record in records {
            let key = record.key.as_ref().or(record.value.as_ref());
            let partition = partition_of_key(key.map_or(&[][..], |part| part), self.partition_count);
            by_partition.entry(partition).or_default().push(fitting(record, size_max));
        }
        let output = |(partition, records)| Output { topic: self.topic.clone(), partition, records };
        Ok(by_partition.into_iter().map(output).collect())
    }
}

/// A row of which an expression has no value, as JSON, with what is wrong.
pub(super) fn of_row(
    WithoutValue { row, error }: &WithoutValue,
    timestamp: Timestamp,
) -> Result<OutputRecord, StatementError> {
    let mut rows = Rows::default();
    rows.append(1, row)?;
    let value = rows.rows.into_iter().next().map(|(_, row)| row);
    let header = RecordHeader { key: Str::from("sql.error"), value: Some(Bytes::from(error.clone())) };
    Ok(OutputRecord { timestamp, key: None, value, headers: vec![header] })
}

/// A record as its topic takes it: without its value where it is too large, then without its producer's
/// headers, then without its key. What is left out is named in a header, with its size.
fn fitting(mut record: OutputRecord, size_max: usize) -> OutputRecord {
    let of_producer = record.headers.len().saturating_sub(OWN_HEADERS);
    let dropped = |what: &str, size: usize| RecordHeader {
        key: Str::from(format!("sql.{what}.dropped")),
        value: Some(Bytes::from(size.to_string())),
    };
    if record.size_at_most() > size_max
        && let Some(value) = record.value.take()
    {
        record.headers.push(dropped("value", value.len()));
    }
    if record.size_at_most() > size_max {
        let before = record.size_at_most();
        record.headers.drain(..of_producer);
        record.headers.push(dropped("headers", before - record.size_at_most()));
    }
    if record.size_at_most() > size_max
        && let Some(key) = record.key.take()
    {
        record.headers.push(dropped("key", key.len()));
    }
    record
}
