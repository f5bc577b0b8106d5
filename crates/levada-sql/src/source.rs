//! [`SourceReader`]: a table's rows, out of the records of its topic or made up, with what is computed of them.

mod records;

pub(crate) use records::{OWN_HEADERS, Poison, Undecoded};

use crate::{
    changes::Changes,
    datagen::DataGen,
    format::SchemaSource,
    left_out::LeftOut,
    operator::aggregate::milliseconds,
    snapshot::{Reader, SnapshotError, Writer},
    statement::StatementError,
    table::{Connector, Table, computed::Computing},
};
use datafusion::arrow::{array::RecordBatch, compute::max};
use levada_model::{Offset, Timestamp};
use levada_stream::Inputs;
use records::Records;
use std::{ops::Range, sync::Arc};

/// Reads one table.
pub(crate) struct SourceReader {
    table: Arc<Table>,
    rows: Rows,
    computing: Computing,
    /// Rows of which a column could not be computed.
    left_out: LeftOut,
    /// Where event time is among the columns that are read.
    rowtime: Option<usize>,
    /// Its partitions among the statement's inputs.
    partitions: Range<usize>,
    /// Of each partition: the latest event time, in milliseconds since 1970.
    latest: Vec<Option<Timestamp>>,
    watermark: Option<Timestamp>,
}

/// Where rows come from.
enum Rows {
    Topic(Box<Records>),
    Generated(Arc<DataGen>),
}

/// What is to be read: from one list of offsets to another, at a moment.
#[derive(Clone, Copy)]
pub(crate) struct Stretch<'a> {
    pub(crate) from: &'a [Offset],
    pub(crate) to: &'a [Offset],
    pub(crate) now_ms: Timestamp,
}

impl SourceReader {
    /// Reads these columns of a table, in ascending order: the others are not decoded.
    pub(crate) fn new(
        table: Arc<Table>,
        columns: &[usize],
        partitions: Range<usize>,
        schemas: Option<&Arc<dyn SchemaSource>>,
    ) -> Result<Self, StatementError> {
        let computing = Computing::new(&table, columns)?;
        let rows = match &table.connector {
            Connector::Topic(_) => {
                let records = Records::new(Arc::clone(&table), &computing.stored, computing.input(), schemas)?;
                Rows::Topic(Box::new(records))
            }
            Connector::DataGen(datagen) => Rows::Generated(Arc::clone(datagen)),
            Connector::Blackhole => {
                return Err(StatementError::Internal("a blackhole is read".to_owned()));
            }
        };
        let rowtime = table.watermark.and_then(|it| columns.iter().position(|column| *column == it.column));
        let latest = vec![None; partitions.len()];
        let left_out = LeftOut::default();
        Ok(Self { table, rows, computing, left_out, rowtime, partitions, latest, watermark: None })
    }

    /// Rows of which a column could not be computed.
    pub(crate) const fn left_out(&mut self) -> &mut LeftOut {
        &mut self.left_out
    }

    /// What becomes of records that cannot be decoded, and of rows that cannot be computed; a failure where nothing is
    /// said.
    pub(crate) fn set_undecoded(&mut self, undecoded: Undecoded) {
        self.left_out.set(undecoded);
        if let Rows::Topic(records) = &mut self.rows {
            records.undecoded = undecoded;
        }
    }

    /// Hands on all rows between two cuts, partition by partition; records that are none to `poison`.
    pub(crate) fn read(
        &mut self,
        inputs: &Inputs,
        stretch: Stretch<'_>,
        poison: &mut Poison,
        take: &mut dyn FnMut(Changes) -> Result<(), StatementError>,
    ) -> Result<(), StatementError> {
        let Self { rows, computing, rowtime, partitions, latest, left_out, .. } = self;
        let Stretch { from, to, now_ms } = stretch;
        let size_max = poison.size_max;
        for (partition, latest) in partitions.clone().zip(latest) {
            let mut give = |rows: RecordBatch, weights: Option<Vec<i64>>| {
                let changes = match weights {
                    Some(weights) => Changes::weighted(rows, weights)?,
                    None => Changes::inserted(rows),
                };
                let mut pieces = Vec::new();
                left_out.computed(&changes, &|changes| computing.changes(changes), &mut pieces)?;
                if left_out.size() > size_max {
                    return Err(StatementError::DeadLetters { size: left_out.size(), limit: size_max });
                }
                for changes in pieces {
                    if let Some(rowtime) = rowtime {
                        let times = milliseconds(changes.rows().column(*rowtime))?;
                        if let Some(time) = max(&times) {
                            *latest = (*latest).max(Some(time));
                        }
                    }
                    take(changes)?;
                }
                Ok(())
            };
            let (from, to) = (from[partition], to[partition]);
            match rows {
                Rows::Topic(records) => records.read(inputs, partition, from..to, poison, &mut give)?,
                Rows::Generated(datagen) => {
                    let mut next = from;
                    while next < to {
                        let end = to.min(next + datagen.batch_rows());
                        give(datagen.rows(&computing.stored, computing.input(), (next, end), now_ms)?, None)?;
                        next = end;
                    }
                }
            }
        }
        Ok(())
    }

    /// Moves the watermark on to what the partitions have come to, but for those that are idle; to the end of all times
    /// where no row comes any more.
    pub(crate) fn advance(&mut self, position: &[Offset], is_idle: &dyn Fn(usize) -> bool) -> Option<Timestamp> {
        let delay_ms = self.rowtime.and(self.table.watermark)?.delay_ms;
        if let Rows::Generated(datagen) = &self.rows
            && self.partitions.clone().all(|partition| datagen.has_ended(position[partition]))
        {
            self.watermark = Some(Timestamp::MAX);
        }
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
