//! [`WindowJoin`]: a join of two windowed inputs on their windows.
//!
//! Rows wait until the watermark has passed their window's end; then what the window comes to is shown once, and
//! forgotten. Rows that come for a closed window are late, counted and left out.

use super::{
    Clock, Operator, Out, Stats, aggregate,
    consolidate::Consolidate,
    counted,
    describe::{Description, Memory},
    join::{Join, Spec},
};
use crate::{
    changes::Changes,
    dataflow::RunError,
    epoch::Time,
    late::Late,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows,
};
use datafusion::arrow::{
    array::{Array as _, RecordBatch},
    row::RowConverter,
};
use levada_model::Timestamp;
use std::{collections::BTreeMap, sync::Arc};

/// The rows of both sides in one window, as Arrow's row format has them, with how often they are there.
type Held = [Vec<(Box<[u8]>, i64)>; 2];

/// See the module.
pub(crate) struct WindowJoin {
    spec: Spec,
    /// Of each side: the column with the window's end.
    ends: [usize; 2],
    clock: Clock,
    converters: [RowConverter; 2],
    open: BTreeMap<Timestamp, Held>,
    bytes: usize,
    watermark: Option<Timestamp>,
    rows_touched: u64,
    late: Late,
}

/// What a row costs beside its bytes.
const ROW_SIZE: usize = 24;

impl WindowJoin {
    pub(crate) fn new(spec: Spec, ends: [usize; 2], clock: Clock) -> Result<Self, RunError> {
        let converters = [rows::converter(&spec.sides[0].0)?, rows::converter(&spec.sides[1].0)?];
        Ok(Self {
            spec,
            ends,
            clock,
            converters,
            open: BTreeMap::new(),
            bytes: 0,
            watermark: None,
            rows_touched: 0,
            late: Late::default(),
        })
    }

    fn close(&mut self, watermark: Timestamp, out: &mut Out) -> Result<(), RunError> {
        let later = self.open.split_off(&watermark.saturating_add(2));
        let closed = std::mem::replace(&mut self.open, later);
        if closed.is_empty() {
            return Ok(());
        }
        let mut both: Held = Default::default();
        for held in closed.into_values() {
            for (all, mut rows) in both.iter_mut().zip(held) {
                self.bytes -= rows.iter().map(|(row, _)| row.len() + ROW_SIZE).sum::<usize>();
                all.append(&mut rows);
            }
        }
        let (mut join, mut net) =
            (Join::new(self.spec.clone(), [true; 2])?, Consolidate::new(Arc::clone(&self.spec.output))?);
        let mut pairs = Out::new();
        for (side, rows) in both.into_iter().enumerate().filter(|(_, rows)| !rows.is_empty()) {
            let columns = rows::columns(&self.converters[side], rows.iter().map(|(row, _)| &**row))?;
            let batch = RecordBatch::try_new(Arc::clone(&self.spec.sides[side].0), columns)?;
            let weights = rows.into_iter().map(|(_, weight)| weight).collect();
            join.push(side, &Changes::weighted(batch, weights)?, &mut pairs)?;
        }
        pairs.iter().try_for_each(|changes| net.push(0, changes, out))?;
        self.rows_touched += join.stats().rows_touched;
        net.end_epoch(&Time::default(), out)
    }
}

impl Operator for WindowJoin {
    fn push(&mut self, side: usize, changes: &Changes, _: &mut Out) -> Result<(), RunError> {
        let ends = aggregate::milliseconds(changes.rows().column(self.ends[side]))?;
        let rows = self.converters[side].convert_columns(changes.rows().columns())?;
        self.rows_touched += counted(changes.len());
        let mut late = Vec::new();
        for (place, row) in rows.iter().enumerate() {
            // A row of no window has no partner: whether it is shown can be said with the next windows.
            let end = if ends.is_valid(place) { ends.value(place) } else { Timestamp::MIN };
            let is_late = |watermark| ends.is_valid(place) && aggregate::is_closed(end, watermark);
            if self.watermark.is_some_and(is_late) {
                late.push(u32::try_from(place).expect("a batch has fewer rows"));
                continue;
            }
            self.bytes += row.data().len() + ROW_SIZE;
            self.open.entry(end).or_default()[side].push((row.data().into(), changes.weight(place)));
        }
        self.late.add(changes, &late, changes.rows().num_columns(), self.watermark)
    }

    fn end_epoch(&mut self, time: &Time, out: &mut Out) -> Result<(), RunError> {
        self.watermark = self.watermark.max(self.clock.watermark(time));
        self.watermark.map_or(Ok(()), |watermark| self.close(watermark, out))
    }

    fn late(&mut self) -> Option<&mut Late> {
        Some(&mut self.late)
    }

    fn save(&self, to: &mut Writer) {
        to.count(self.open.len());
        for (end, held) in &self.open {
            to.i64(*end);
            for rows in held {
                to.count(rows.len());
                for (row, weight) in rows {
                    to.bytes(row);
                    to.i64(*weight);
                }
            }
        }
        to.u8(u8::from(self.watermark.is_some()));
        to.i64(self.watermark.unwrap_or(0));
        self.late.save(to);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for _ in 0..from.count()? {
            let end = from.i64()?;
            let mut held = Held::default();
            for rows in &mut held {
                for _ in 0..from.count()? {
                    let row = from.bytes()?;
                    self.bytes += row.len() + ROW_SIZE;
                    rows.push((row.into(), from.i64()?));
                }
            }
            self.open.insert(end, held);
        }
        let (is_known, watermark) = (from.u8()? != 0, from.i64()?);
        self.watermark = is_known.then_some(watermark);
        self.late.load(from)
    }

    fn stats(&self) -> Stats {
        Stats {
            state_bytes: self.bytes + self.late.size(),
            rows_touched: self.rows_touched,
            late_rows: self.late.count(),
        }
    }

    fn describe(&self) -> Description {
        let what = "the rows of each window".to_owned();
        self.spec.describe("WindowJoin", Memory::Windows { what, sources: self.clock.sources.clone() })
    }
}
