//! [`SourceReader`]: records of a table's partitions as rows.

use crate::{
    changes::Changes,
    format::{Columns, Decoded, Decoder, decoder},
    operator::aggregate::milliseconds,
    snapshot::{Reader, SnapshotError, Writer},
    statement::StatementError,
    table::{Changelog, Origin, Table},
};
use datafusion::arrow::{
    array::{ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, TimestampMillisecondArray},
    compute::max,
    datatypes::SchemaRef,
};
use levada_model::{Offset, Timestamp};
use levada_stream::{Inputs, ReadError};
use std::{ops::Range, sync::Arc};

/// Rows are handed on in batches of this size.
const ROWS_MAX: usize = 8_192;
/// Bytes that are read of a partition at once.
const READ_SIZE: usize = 4 << 20;

/// Reads one table.
pub(crate) struct SourceReader {
    table: Arc<Table>,
    /// The columns of the table that are read, and of each where it comes from.
    schema: SchemaRef,
    origins: Vec<Origin>,
    /// Where event time is among them.
    rowtime: Option<usize>,
    /// Its partitions among the statement's inputs.
    partitions: Range<usize>,
    key: Option<Box<dyn Decoder>>,
    value: Box<dyn Decoder>,
    meta: Meta,
    /// Of each partition: the latest event time, in milliseconds since 1970.
    latest: Vec<Option<Timestamp>>,
    watermark: Option<Timestamp>,
}

/// Metadata of the records that are being gathered.
#[derive(Default)]
struct Meta {
    timestamps: Vec<Timestamp>,
    partitions: Vec<i32>,
    offsets: Vec<Offset>,
    /// −1 for the end of a key, else 1.
    weights: Vec<i64>,
}

impl SourceReader {
    /// Reads these columns of a table, in ascending order: the others are not decoded.
    pub(crate) fn new(table: Arc<Table>, columns: &[usize], partitions: Range<usize>) -> Result<Self, StatementError> {
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
            Some(format) if origins.contains(&Origin::Key) => Some(decoder(format, &of(Origin::Key)?)?),
            _ => None,
        };
        let value = decoder(&table.value_format, &of(Origin::Value)?)?;
        let schema = Arc::new(table.schema.project(columns)?);
        let rowtime = table.watermark.and_then(|it| columns.iter().position(|column| *column == it.column));
        let latest = vec![None; partitions.len()];
        let (meta, watermark) = (Meta::default(), None);
        Ok(Self { table, schema, origins, rowtime, partitions, key, value, meta, latest, watermark })
    }

    /// Hands on all rows between two cuts, partition by partition.
    pub(crate) fn read(
        &mut self,
        inputs: &Inputs,
        from: &[Offset],
        to: &[Offset],
        take: &mut dyn FnMut(Changes) -> Result<(), StatementError>,
    ) -> Result<(), StatementError> {
        for (place, partition) in self.partitions.clone().enumerate() {
            let mut next = from[partition];
            while next < to[partition] {
                let read = inputs.read(partition, next, to[partition], READ_SIZE);
                let read = read.map_err(|error| self.unreadable(inputs, partition, error))?;
                for batch in &read.batches {
                    let opened = batch.open().map_err(|error| self.unreadable(inputs, partition, error))?;
                    let index = inputs.partitions()[partition].partition;
                    batch.each(&opened, |offset, timestamp, record| {
                        self.decode(index, offset, timestamp, record.key, record.value)?;
                        if self.meta.offsets.len() >= ROWS_MAX { self.flush(place, take) } else { Ok(()) }
                    })?;
                }
                next = read.next;
            }
            self.flush(place, take)?;
        }
        Ok(())
    }

    fn unreadable(&self, inputs: &Inputs, partition: usize, error: ReadError) -> StatementError {
        let partition = inputs.partitions()[partition].partition;
        StatementError::Input { table: self.table.name.clone(), partition, error }
    }

    fn decode(
        &mut self,
        partition: i32,
        offset: Offset,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
    ) -> Result<(), StatementError> {
        let table = self.table.name.clone();
        let undecodable = |side, error| {
            let error = Box::new(error);
            StatementError::Record { table, partition, offset, side, error }
        };
        let is_upsert = self.table.changelog == Changelog::Upsert;
        let mut weight = 1;
        match self.value.decode(value) {
            Ok(Decoded::Row) => {}
            Ok(Decoded::Skipped) if is_upsert && value.is_none() => {
                self.value.blank();
                weight = -1;
            }
            Ok(Decoded::Skipped) => return Ok(()),
            Err(error) => return Err(undecodable("value", error)),
        }
        if let Some(decoder) = &mut self.key {
            match decoder.decode(key) {
                Ok(Decoded::Row) => {}
                Ok(Decoded::Skipped) => decoder.blank(),
                Err(error) => return Err(undecodable("key", error)),
            }
        }
        self.meta.timestamps.push(timestamp);
        self.meta.partitions.push(partition);
        self.meta.offsets.push(offset);
        self.meta.weights.push(weight);
        Ok(())
    }

    fn flush(
        &mut self,
        place: usize,
        take: &mut dyn FnMut(Changes) -> Result<(), StatementError>,
    ) -> Result<(), StatementError> {
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
        };
        let columns: Vec<ArrayRef> = self.origins.iter().filter_map(column).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let rows = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        if let Some(rowtime) = self.rowtime {
            let times = milliseconds(rows.column(rowtime))?;
            if let Some(latest) = max(&times) {
                self.latest[place] = self.latest[place].max(Some(latest));
            }
        }
        take(Changes::weighted(rows, weights)?)
    }

    /// Moves the watermark on to what the partitions have come to, but for those that are idle.
    pub(crate) fn advance(&mut self, is_idle: &dyn Fn(usize) -> bool) -> Option<Timestamp> {
        let delay_ms = self.rowtime.and(self.table.watermark)?.delay_ms;
        let awaited = self.partitions.clone().zip(&self.latest).filter(|(partition, _)| !is_idle(*partition));
        let least = awaited.map(|(_, latest)| *latest).min();
        // When all are idle it stands.
        if let Some(Some(latest)) = least {
            self.watermark = self.watermark.max(Some(latest.saturating_sub(delay_ms)));
        }
        self.watermark
    }

    /// Whether nothing came for long to any of its partitions.
    pub(crate) fn is_idle(&self, is_idle: &dyn Fn(usize) -> bool) -> bool {
        self.has_watermark() && self.partitions.clone().all(is_idle)
    }

    /// Whether event time is read.
    pub(crate) const fn has_watermark(&self) -> bool {
        self.rowtime.is_some()
    }

    /// No row at or before it is expected any more.
    pub(crate) const fn watermark(&self) -> Option<Timestamp> {
        self.watermark
    }

    /// The watermark is what it was recorded to be.
    pub(crate) fn replay(&mut self, watermark: Option<Timestamp>) {
        self.watermark = watermark;
    }

    pub(crate) fn save(&self, to: &mut Writer) {
        for time in self.latest.iter().chain([&self.watermark]) {
            to.u8(u8::from(time.is_some()));
            to.i64(time.unwrap_or(0));
        }
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for time in self.latest.iter_mut().chain([&mut self.watermark]) {
            let (is_known, at) = (from.u8()? != 0, from.i64()?);
            *time = is_known.then_some(at);
        }
        Ok(())
    }
}
