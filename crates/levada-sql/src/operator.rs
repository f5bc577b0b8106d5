//! What a dataflow consists of: each operator takes changes and gives changes, and remembers what it needs for that.

pub(crate) mod aggregate;
pub(crate) mod consolidate;
pub(crate) mod describe;
pub(crate) mod interval_join;
pub(crate) mod join;
pub(crate) mod project;
pub(crate) mod session;
pub(crate) mod temporal_join;
pub(crate) mod top_n;
pub(crate) mod upsert;
pub(crate) mod window_join;

use crate::{
    changes::Changes,
    dataflow::RunError,
    epoch::Time,
    late::Late,
    left_out::LeftOut,
    snapshot::{Reader, SnapshotError, Writer},
};
use describe::Description;
use levada_model::Timestamp;

/// What an operator gives on.
pub(crate) type Out = Vec<Changes>;

/// One step of a query.
///
/// Work is proportional to what changes, not to what is remembered.
pub(crate) trait Operator: Send {
    /// Takes changes of one of the inputs.
    fn push(&mut self, input: usize, changes: &Changes, out: &mut Out) -> Result<(), RunError>;

    /// Nothing comes any more in this epoch: what was held back for it goes on now.
    fn end_epoch(&mut self, time: &Time, out: &mut Out) -> Result<(), RunError> {
        let _: (&Time, &mut Out) = (time, out);
        Ok(())
    }

    /// The rows of which it could compute nothing, where it computes anything of rows.
    fn left_out(&mut self) -> Option<&mut LeftOut> {
        None
    }

    /// The rows that came too late for it, where it waits for a watermark.
    fn late(&mut self) -> Option<&mut Late> {
        None
    }

    /// Writes what is remembered, between two epochs.
    fn save(&self, to: &mut Writer);

    /// Reads what [`Self::save`] wrote, before the first changes.
    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError>;

    /// How much is remembered, and was done.
    fn stats(&self) -> Stats;

    /// What it does and remembers, in words.
    fn describe(&self) -> Description;
}

/// Up to when an operator's rows have come.
#[derive(Clone, Debug, Default)]
pub(crate) struct Clock {
    /// The sources behind it: the watermark is their earliest.
    pub(crate) sources: Vec<usize>,
    /// So much earlier, as what comes before the operator holds rows back.
    pub(crate) delay_ms: i64,
}

impl Clock {
    pub(crate) fn watermark(&self, time: &Time) -> Option<Timestamp> {
        time.watermark(&self.sources).map(|watermark| watermark.saturating_sub(self.delay_ms))
    }
}

/// Figures of an operator, or of all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Bytes that are remembered, about.
    pub state_bytes: usize,
    /// Rows that were read or written in what is remembered, since the start.
    pub rows_touched: u64,
    /// Rows that came too late, since the start.
    pub late_rows: u64,
}

impl Stats {
    pub(crate) const fn plus(self, other: Self) -> Self {
        Self {
            state_bytes: self.state_bytes + other.state_bytes,
            rows_touched: self.rows_touched + other.rows_touched,
            late_rows: self.late_rows + other.late_rows,
        }
    }
}

/// A count as it is counted in [`Stats`].
pub(crate) fn counted(rows: usize) -> u64 {
    u64::try_from(rows).expect("an address has 64 bits at most")
}
