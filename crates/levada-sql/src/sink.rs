//! [`Sink`]: the net changes of an epoch as records of a topic.

use crate::{
    changes::Changes,
    format::{Encoded, Encoder},
    operator::{aggregate::milliseconds, counted},
    statement::{StatementError, Surroundings},
    table::{Changelog, Origin, Table},
    writers::{self, Writers},
};
use bytes::Bytes;
use datafusion::arrow::array::{Array as _, ArrayRef};
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
    /// Its topic and how many partitions that has; without one, rows are gone.
    topic: Option<(TopicName, PartitionIndex)>,
    key: Option<(Vec<usize>, Box<dyn Encoder>)>,
    value: (Vec<usize>, Box<dyn Encoder>),
    timestamp: Option<usize>,
    /// Rows only come: of those with one key the last counts, in the order in which they come.
    is_append_only: bool,
}

/// An epoch's records, and a hash over them.
pub(crate) struct Written {
    pub(crate) outputs: Vec<Output>,
    pub(crate) hash: u64,
    pub(crate) records: u64,
}

impl Sink {
    pub(crate) fn open(
        table: Arc<Table>,
        writers: Writers,
        surroundings: &Surroundings,
        is_append_only: bool,
    ) -> Result<Self, StatementError> {
        let Surroundings { handle, caller, schemas, .. } = surroundings;
        let topic = table.topic().map(|topic| handle.topic(caller, topic)).transpose()?;
        let topic = topic.map(|info| (info.name, info.partition_count));
        let mut parts = writers::parts(&table).into_iter().map(|part| {
            let encoder = part.encoder(writers, schemas.as_ref())?;
            Ok::<_, StatementError>((part.columns, encoder))
        });
        let value = parts.next().transpose()?.ok_or_else(|| StatementError::Internal("no value".to_owned()))?;
        let key = parts.next().transpose()?;
        drop(parts);
        let timestamp = table.columns_of(Origin::Timestamp).first().copied();
        Ok(Self { table, topic, key, value, timestamp, is_append_only })
    }

    /// The records of an epoch's changes, whose columns are the table's.
    pub(crate) fn write(&mut self, changes: &[Changes], now: Timestamp) -> Result<Written, StatementError> {
        let Some((topic, partition_count)) = self.topic.clone() else {
            let records = changes.iter().map(|changes| counted(changes.len())).sum();
            return Ok(Written { outputs: Vec::new(), hash: 0, records });
        };
        let mut written = Writing { partition_count, by_partition: BTreeMap::new(), hash: 0, records: 0 };
        let keys = changes.iter().map(|changes| self.keys_of(changes)).collect::<Result<Vec<_>, _>>()?;
        let shown = self.shown_keys(changes, &keys)?;
        for (changes, keys) in changes.iter().zip(&keys) {
            self.write_rows(changes, keys, &shown, now, &mut written)?;
        }
        let outputs = written.by_partition.into_iter();
        let outputs = outputs.map(|(partition, records)| Output { topic: topic.clone(), partition, records });
        Ok(Written { outputs: outputs.collect(), hash: written.hash, records: written.records })
    }

    /// The key of each row; none where the table's records have none.
    fn keys_of(&mut self, changes: &Changes) -> Result<Vec<Option<Bytes>>, StatementError> {
        let Some((columns, encoder)) = &mut self.key else { return Ok(vec![None; changes.len()]) };
        let columns = taken(changes, columns);
        (0..changes.len()).map(|row| encoded(&mut **encoder, &columns, row)).collect()
    }

    /// The keys that have a row after the epoch: taking their old row away is no news.
    fn shown_keys<'a>(
        &self,
        changes: &[Changes],
        keys: &'a [Vec<Option<Bytes>>],
    ) -> Result<BTreeSet<&'a [u8]>, StatementError> {
        let mut shown = BTreeSet::new();
        if self.is_append_only || self.table.changelog == Changelog::Append {
            return Ok(shown);
        }
        for (changes, keys) in changes.iter().zip(keys) {
            for (row, key) in keys.iter().enumerate().filter(|(row, _)| changes.weight(*row) > 0) {
                let key = key.as_deref().unwrap_or_default();
                if changes.weight(row) > 1 || !shown.insert(key) {
                    let key = String::from_utf8_lossy(key).into_owned();
                    return Err(StatementError::KeyNotUnique { table: self.table.name.clone(), key });
                }
            }
        }
        Ok(shown)
    }

    fn write_rows(
        &mut self,
        changes: &Changes,
        keys: &[Option<Bytes>],
        shown: &BTreeSet<&[u8]>,
        now: Timestamp,
        written: &mut Writing,
    ) -> Result<(), StatementError> {
        let (columns, encoder) = &mut self.value;
        let columns = taken(changes, columns);
        let times = self.timestamp.map(|column| milliseconds(changes.rows().column(column))).transpose()?;
        for (row, key) in keys.iter().enumerate() {
            let weight = changes.weight(row);
            if weight < 0 && self.table.changelog == Changelog::Append {
                return Err(StatementError::Internal(
                    "rows go from a table that takes only those that come".to_owned(),
                ));
            }
            if weight < 0 && key.as_ref().is_some_and(|key| shown.contains(&key[..])) {
                continue;
            }
            let value = if weight < 0 { None } else { encoded(&mut **encoder, &columns, row)? };
            let time = times.as_ref().filter(|times| times.is_valid(row)).map(|times| times.value(row));
            for _ in 0..weight.max(1) {
                written.add(time.unwrap_or(now), key.as_ref(), value.as_ref());
            }
        }
        Ok(())
    }
}

fn taken(changes: &Changes, columns: &[usize]) -> Vec<ArrayRef> {
    columns.iter().map(|at| Arc::clone(changes.rows().column(*at))).collect()
}

fn encoded(encoder: &mut dyn Encoder, columns: &[ArrayRef], row: usize) -> Result<Option<Bytes>, StatementError> {
    let mut bytes = Vec::new();
    let is_there = encoder.encode(columns, row, &mut bytes)? == Encoded::Bytes;
    Ok(is_there.then(|| bytes.into()))
}

struct Writing {
    partition_count: PartitionIndex,
    by_partition: BTreeMap<PartitionIndex, Vec<OutputRecord>>,
    /// Of each part with what came before it as the seed.
    hash: u64,
    records: u64,
}

impl Writing {
    fn add(&mut self, timestamp: Timestamp, key: Option<&Bytes>, value: Option<&Bytes>) {
        for part in [key, value] {
            let length = part.map_or(u64::MAX, |part| counted(part.len()));
            let part = part.map_or(&[][..], |part| part);
            self.hash = XxHash3_64::oneshot_with_seed(self.hash.wrapping_add(length), part);
        }
        // Without a key, rows that are alike go to the same partition, so that a replay decides the same.
        let partition = partition_of_key(key.or(value).map_or(&[][..], |part| part), self.partition_count);
        let record = OutputRecord { timestamp, key: key.cloned(), value: value.cloned(), headers: Vec::new() };
        self.by_partition.entry(partition).or_default().push(record);
        self.records += 1;
    }
}
