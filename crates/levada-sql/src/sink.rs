//! [`Sink`]: the net changes of an epoch as records of a topic.

use crate::{
    changes::Changes,
    format::{Encoded, Encoder, encoder},
    statement::StatementError,
    table::{Changelog, Origin, Table},
};
use bytes::Bytes;
use datafusion::arrow::{array::ArrayRef, datatypes::Fields};
use levada_model::{PartitionIndex, Timestamp, TopicName, partition_of_key};
use levada_stream::{Output, OutputRecord};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};
use twox_hash::XxHash3_64;

/// Writes rows to a table.
pub(crate) struct Sink {
    table: Arc<Table>,
    topic: TopicName,
    partition_count: PartitionIndex,
    key: Option<(Vec<usize>, Box<dyn Encoder>)>,
    value: (Vec<usize>, Box<dyn Encoder>),
    timestamp: Option<usize>,
}

/// An epoch's records, and a hash over them.
pub(crate) struct Written {
    pub(crate) outputs: Vec<Output>,
    pub(crate) hash: u64,
    pub(crate) records: u64,
}

impl Sink {
    pub(crate) fn new(
        table: Arc<Table>,
        topic: TopicName,
        partition_count: PartitionIndex,
    ) -> Result<Self, StatementError> {
        let fields =
            |columns: &[usize]| columns.iter().map(|at| Arc::clone(&table.schema.fields()[*at])).collect::<Fields>();
        let keys = table.columns_of(Origin::Key);
        let key = match &table.key_format {
            Some(format) if !keys.is_empty() => Some((keys.clone(), encoder(format, &fields(&keys))?)),
            _ => None,
        };
        // Flink's default: the key's columns are part of the value, too.
        let values: Vec<usize> = (0..table.origins.len())
            .filter(|column| matches!(table.origins[*column], Origin::Key | Origin::Value))
            .collect();
        let value = encoder(&table.value_format, &fields(&values))?;
        let timestamp = table.columns_of(Origin::Timestamp).first().copied();
        Ok(Self { table, topic, partition_count, key, value: (values, value), timestamp })
    }

    /// The records of an epoch's changes, whose columns are the table's.
    pub(crate) fn write(&mut self, changes: &[Changes], now: Timestamp) -> Result<Written, StatementError> {
        let mut written = Writing { by_partition: BTreeMap::new(), hash: 0, records: 0 };
        let shown = self.shown_keys(changes)?;
        for changes in changes {
            for row in 0..changes.len() {
                self.write_row(changes, row, now, &shown, &mut written)?;
            }
        }
        let outputs = written.by_partition.into_iter();
        let outputs = outputs.map(|(partition, records)| Output { topic: self.topic.clone(), partition, records });
        Ok(Written { outputs: outputs.collect(), hash: written.hash, records: written.records })
    }

    /// The keys that have a row after the epoch: taking their old row away is no news.
    fn shown_keys(&mut self, changes: &[Changes]) -> Result<BTreeSet<Vec<u8>>, StatementError> {
        let mut shown = BTreeSet::new();
        if self.table.changelog == Changelog::Append {
            return Ok(shown);
        }
        for changes in changes {
            for row in (0..changes.len()).filter(|row| changes.weight(*row) > 0) {
                let key = self.key_of(changes, row)?.unwrap_or_default();
                if changes.weight(row) > 1 || !shown.insert(key.clone()) {
                    let key = String::from_utf8_lossy(&key).into_owned();
                    return Err(StatementError::KeyNotUnique { table: self.table.name.clone(), key });
                }
            }
        }
        Ok(shown)
    }

    fn key_of(&mut self, changes: &Changes, row: usize) -> Result<Option<Vec<u8>>, StatementError> {
        let Some((columns, encoder)) = &mut self.key else { return Ok(None) };
        let columns: Vec<ArrayRef> = columns.iter().map(|at| Arc::clone(changes.rows().column(*at))).collect();
        let mut key = Vec::new();
        Ok((encoder.encode(&columns, row, &mut key)? == Encoded::Bytes).then_some(key))
    }

    fn write_row(
        &mut self,
        changes: &Changes,
        row: usize,
        now: Timestamp,
        shown: &BTreeSet<Vec<u8>>,
        written: &mut Writing,
    ) -> Result<(), StatementError> {
        let weight = changes.weight(row);
        let key = self.key_of(changes, row)?;
        let is_gone = weight < 0;
        if is_gone && self.table.changelog == Changelog::Append {
            return Err(StatementError::Internal("rows go from a table that takes only those that come".to_owned()));
        }
        if is_gone && key.as_ref().is_some_and(|key| shown.contains(key)) {
            return Ok(());
        }
        let value = if is_gone {
            None
        } else {
            let (columns, encoder) = &mut self.value;
            let columns: Vec<ArrayRef> = columns.iter().map(|at| Arc::clone(changes.rows().column(*at))).collect();
            let mut value = Vec::new();
            (encoder.encode(&columns, row, &mut value)? == Encoded::Bytes).then_some(value)
        };
        let timestamp = match self.timestamp {
            Some(column) => {
                let times = crate::operator::aggregate::milliseconds(changes.rows().column(column))?;
                times.value(row)
            }
            None => now,
        };
        let repeated = if is_gone { 1 } else { weight };
        for _ in 0..repeated {
            written.add(self.partition_count, timestamp, key.as_deref(), value.as_deref());
        }
        Ok(())
    }
}

struct Writing {
    by_partition: BTreeMap<PartitionIndex, Vec<OutputRecord>>,
    /// Of each part with what came before it as the seed.
    hash: u64,
    records: u64,
}

impl Writing {
    fn add(&mut self, partitions: PartitionIndex, timestamp: Timestamp, key: Option<&[u8]>, value: Option<&[u8]>) {
        for part in [key, value] {
            let length = part.map_or(u64::MAX, |part| crate::operator::counted(part.len()));
            self.hash = XxHash3_64::oneshot_with_seed(self.hash.wrapping_add(length), part.unwrap_or_default());
        }
        // Without a key, rows that are alike go to the same partition, so that a replay decides the same.
        let partition = partition_of_key(key.or(value).unwrap_or_default(), partitions);
        let bytes = |part: Option<&[u8]>| part.map(Bytes::copy_from_slice);
        let record = OutputRecord { timestamp, key: bytes(key), value: bytes(value), headers: Vec::new() };
        self.by_partition.entry(partition).or_default().push(record);
        self.records += 1;
    }
}
