//! [`Records`]: the records of a topic as rows, and what becomes of those that are none.

use crate::{
    format::{Columns, DecodeError, Decoded, Decoder, Problem, SchemaSource, decoder},
    statement::StatementError,
    table::{Changelog, Origin, Table},
};
use bytes::Bytes;
use datafusion::arrow::{
    array::{ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, TimestampMillisecondArray},
    datatypes::SchemaRef,
};
use levada_model::{
    Offset, Str, Timestamp, TopicName,
    record::{RecordHeader, RecordSlice},
};
use levada_stream::{Inputs, OutputRecord, ReadError};
use std::{ops::Range, sync::Arc};

/// Rows are handed on in batches of this size.
const ROWS_MAX: usize = 8_192;
/// Bytes that are read of a partition at once.
const READ_SIZE: usize = 4 << 20;

/// What becomes of a record that cannot be decoded, or a row of which an expression has no value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Undecoded {
    /// The statement fails.
    #[default]
    Fail,
    /// It is left out, and counted.
    Skip,
    /// It is left out, counted, and kept for another topic.
    Keep,
}

impl Undecoded {
    /// The same where it was done already.
    pub(crate) const fn again(self) -> Self {
        match self {
            Self::Fail => Self::Fail,
            Self::Skip | Self::Keep => Self::Skip,
        }
    }
}

/// Records that could not be decoded.
pub(crate) struct Poison {
    /// Those that are kept, in the order in which they were read.
    pub(crate) kept: Vec<OutputRecord>,
    /// Bytes of these, and the most that they may have.
    pub(crate) size: usize,
    pub(crate) size_max: usize,
    /// How many there were.
    pub(crate) count: u64,
}

/// Of a record that is kept: how many headers are ours, behind its producer's.
pub(crate) const OWN_HEADERS: usize = 5;
/// What a record that is kept costs beside its bytes.
const KEPT_SIZE: usize = 512;

impl Poison {
    /// None yet, and no more than so many bytes.
    pub(crate) const fn within(size_max: usize) -> Self {
        Self { kept: Vec::new(), size: 0, size_max, count: 0 }
    }

    /// Makes sure of room for a record, before it is copied.
    fn reserve(&mut self, record: &RecordSlice<'_>) -> Result<(), StatementError> {
        let size = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let headers: usize = record.headers().flatten().map(|(name, value)| 64 + name.len() + size(value)).sum();
        self.size = self.size.saturating_add(KEPT_SIZE + size(record.key) + size(record.value) + headers);
        if self.size > self.size_max {
            return Err(StatementError::DeadLetters { size: self.size, limit: self.size_max });
        }
        Ok(())
    }
}

/// Takes rows; their weights where they may go.
pub(super) type Give<'a> = &'a mut dyn FnMut(RecordBatch, Option<Vec<i64>>) -> Result<(), StatementError>;

/// See the module.
pub(super) struct Records {
    table: Arc<Table>,
    pub(super) undecoded: Undecoded,
    /// The columns that are read, and of each where it comes from.
    schema: SchemaRef,
    origins: Vec<Origin>,
    key: Option<Box<dyn Decoder>>,
    value: Box<dyn Decoder>,
    meta: Meta,
}

/// Metadata of the records that are being gathered.
#[derive(Default)]
struct Meta {
    timestamps: Vec<Timestamp>,
    partitions: Vec<i32>,
    offsets: Vec<Offset>,
    /// −1 for the end of a key, 0 for what is no row after all, else 1.
    weights: Vec<i64>,
}

/// Where a record is.
#[derive(Clone, Copy)]
struct Place {
    partition: i32,
    offset: Offset,
    timestamp: Timestamp,
}

/// Why a record is no row.
#[derive(Debug)]
struct Undecodable {
    side: &'static str,
    error: DecodeError,
}

impl Records {
    /// Decodes these columns of a table, in ascending order.
    pub(super) fn new(
        table: Arc<Table>,
        columns: &[usize],
        schema: &SchemaRef,
        schemas: Option<&Arc<dyn SchemaSource>>,
    ) -> Result<Self, StatementError> {
        let of = |origin: Origin| -> Result<Columns, StatementError> {
            let all = table.columns_of(origin);
            let is_wanted = |at: &usize| columns.contains(&all[*at]);
            Ok(Columns {
                fields: table.schema.project(&all)?.fields,
                wanted: (0..all.len()).filter(is_wanted).collect(),
            })
        };
        let origins: Vec<Origin> = columns.iter().map(|column| table.origins[*column]).collect();
        let key = match &table.key_format {
            Some(format) if origins.contains(&Origin::Key) => {
                Some(decoder(&format.with(schemas, None), &of(Origin::Key)?)?)
            }
            _ => None,
        };
        let value = decoder(&table.value_format.with(schemas, None), &of(Origin::Value)?)?;
        let (undecoded, schema, meta) = (Undecoded::Fail, Arc::clone(schema), Meta::default());
        Ok(Self { table, undecoded, schema, origins, key, value, meta })
    }

    /// Hands on all rows of a partition.
    pub(super) fn read(
        &mut self,
        inputs: &Inputs,
        partition: usize,
        offsets: Range<Offset>,
        poison: &mut Poison,
        give: Give<'_>,
    ) -> Result<(), StatementError> {
        let index = inputs.partitions()[partition].partition;
        let unreadable = |table: &Table, error: ReadError| StatementError::Input {
            table: table.name.clone(),
            partition: index,
            error,
        };
        let mut next = offsets.start;
        while next < offsets.end {
            let read = inputs.read(partition, next, offsets.end, READ_SIZE);
            let read = read.map_err(|error| unreadable(&self.table, error))?;
            for batch in &read.batches {
                let opened = batch.open().map_err(|error| unreadable(&self.table, error))?;
                batch.each(&opened, |offset, timestamp, record| {
                    let place = Place { partition: index, offset, timestamp };
                    if let Err(undecodable) = self.decode(place, &record) {
                        self.refuse(undecodable, place, &inputs.partitions()[partition].topic, &record, poison)?;
                    }
                    if self.meta.offsets.len() >= ROWS_MAX { self.flush(give) } else { Ok(()) }
                })?;
            }
            next = read.next;
        }
        self.flush(give)
    }

    fn decode(&mut self, place: Place, record: &RecordSlice<'_>) -> Result<(), Undecodable> {
        let undecodable = |side: &'static str| move |error: DecodeError| Undecodable { side, error };
        let is_upsert = self.table.changelog == Changelog::Upsert;
        let mut weight = 1;
        if is_upsert && record.value.is_none() {
            // Whatever the format makes of no bytes.
            self.value.blank();
            weight = -1;
        } else if self.value.decode(record.value).map_err(undecodable("value"))? == Decoded::Skipped {
            return Ok(());
        }
        let mut outcome = Ok(());
        if let Some(decoder) = &mut self.key {
            match decoder.decode(record.key) {
                Ok(Decoded::Row) => {}
                Ok(Decoded::Skipped) => decoder.blank(),
                Err(error) => {
                    // Its value is there already.
                    decoder.blank();
                    weight = 0;
                    outcome = Err(undecodable("key")(error));
                }
            }
        }
        self.meta.timestamps.push(place.timestamp);
        self.meta.partitions.push(place.partition);
        self.meta.offsets.push(place.offset);
        self.meta.weights.push(weight);
        outcome
    }

    fn refuse(
        &self,
        Undecodable { side, error }: Undecodable,
        place: Place,
        topic: &TopicName,
        record: &RecordSlice<'_>,
        poison: &mut Poison,
    ) -> Result<(), StatementError> {
        let Place { partition, offset, timestamp } = place;
        let table = self.table.name.clone();
        // What is not known yet, or for what there is no room, is not the record's fault.
        if let Problem::Unavailable { reason } = error.problem {
            return Err(StatementError::Unavailable(reason));
        }
        if self.undecoded == Undecoded::Fail || matches!(error.problem, Problem::Full) {
            return Err(StatementError::Record { table, partition, offset, side, error: Box::new(error) });
        }
        poison.count += 1;
        if self.undecoded == Undecoded::Keep {
            poison.reserve(record)?;
            let copied = |bytes: Option<&[u8]>| bytes.map(Bytes::copy_from_slice);
            let header = |key: &str, value: String| RecordHeader {
                key: Str::from(key.to_owned()),
                value: Some(Bytes::from(value)),
            };
            let corrupt = |reason: String| StatementError::Read(ReadError::Corrupt { offset, reason });
            let mut headers = Vec::new();
            for own in record.headers() {
                let (name, value) = own.map_err(|error| corrupt(error.to_string()))?;
                headers.push(RecordHeader { key: Str::from(name.to_owned()), value: copied(value) });
            }
            let own: [RecordHeader; OWN_HEADERS] = [
                header("sql.table", table),
                header("sql.topic", topic.to_string()),
                header("sql.partition", partition.to_string()),
                header("sql.offset", offset.to_string()),
                header("sql.error", format!("{side}: {error}")),
            ];
            headers.extend(own);
            let (key, value) = (copied(record.key), copied(record.value));
            poison.kept.push(OutputRecord { timestamp, key, value, headers });
        }
        Ok(())
    }

    fn flush(&mut self, give: Give<'_>) -> Result<(), StatementError> {
        let Meta { timestamps, partitions, offsets, weights } = std::mem::take(&mut self.meta);
        if offsets.is_empty() {
            return Ok(());
        }
        let count = offsets.len();
        let mut values = self.value.finish()?.into_iter();
        let mut keys = match &mut self.key {
            Some(decoder) => decoder.finish()?.into_iter(),
            None => Vec::new().into_iter(),
        };
        let timestamps: ArrayRef = Arc::new(TimestampMillisecondArray::from(timestamps).with_timezone("UTC"));
        let partitions: ArrayRef = Arc::new(Int32Array::from(partitions));
        let offsets: ArrayRef = Arc::new(Int64Array::from(offsets));
        let column = |origin: &Origin| match origin {
            Origin::Key => keys.next(),
            Origin::Value => values.next(),
            Origin::Timestamp => Some(Arc::clone(&timestamps)),
            Origin::Partition => Some(Arc::clone(&partitions)),
            Origin::Offset => Some(Arc::clone(&offsets)),
            Origin::Computed => None,
        };
        let columns: Vec<ArrayRef> = self.origins.iter().filter_map(column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        give(rows, Some(weights))
    }
}
