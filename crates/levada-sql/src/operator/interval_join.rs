//! [`IntervalJoin`]: a join whose pairs are not farther apart in event time than some bounds.
//!
//! Rows only come, on both sides. A row is remembered as long as the watermark lets a partner come; then, where its
//! side is shown without a partner, it is shown so if it had none. So nothing that was shown goes again. A row behind
//! the watermark meets what is remembered still, and is counted as late.

mod side;

use super::{
    Clock, Operator, Out, Stats, aggregate, counted,
    describe::{Description, Memory},
    join::Spec,
};
use crate::{
    changes::Changes,
    dataflow::RunError,
    epoch::Time,
    late::Late,
    snapshot::{Reader, SnapshotError, Writer},
};
use datafusion::arrow::{
    array::{Array as _, BooleanArray},
    compute::filter_record_batch,
};
use levada_model::Timestamp;
use side::{Place, Side};
use std::sync::Arc;

/// How far apart rows of a pair are: the right one's time less the left one's is from `-before_ms` to `after_ms`. What
/// is written exactly is part of the join's condition; this says how long rows are of use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bounds {
    /// Of each side: the column with its event time.
    pub(crate) times: [usize; 2],
    pub(crate) before_ms: i64,
    pub(crate) after_ms: i64,
}

impl Bounds {
    /// By how much a partner of a side's row can be later.
    const fn reach(&self, side: usize) -> i64 {
        if side == 0 { self.after_ms } else { self.before_ms }
    }

    /// By how much rows are shown later than the watermark, at most.
    pub(crate) fn delay_ms(&self) -> i64 {
        self.before_ms.max(self.after_ms).max(0)
    }
}

/// See the module.
pub(crate) struct IntervalJoin {
    spec: Spec,
    bounds: Bounds,
    clock: Clock,
    sides: [Side; 2],
    watermark: Option<Timestamp>,
    rows_touched: u64,
    late: Late,
}

/// Pairs of changed rows with rows that the other side has.
#[derive(Default)]
struct Pairs {
    changed: Vec<u32>,
    others: Vec<Place>,
}

impl IntervalJoin {
    pub(crate) fn new(spec: Spec, bounds: Bounds, clock: Clock) -> Result<Self, RunError> {
        let side = |side: usize| Side::new(&spec.sides[side].0, &spec.sides[side].1);
        let sides = [side(0)?, side(1)?];
        Ok(Self { spec, bounds, clock, sides, watermark: None, rows_touched: 0, late: Late::default() })
    }

    /// Whether no partner comes any more for a row of a side.
    fn is_past(&self, side: usize, time: Timestamp) -> bool {
        self.watermark.is_some_and(|watermark| time.saturating_add(self.bounds.reach(side)) <= watermark)
    }

    /// Shows the pairs that meet the condition, and answers with which changed rows have a partner.
    fn meet(&mut self, side: usize, changes: &Changes, pairs: &Pairs, out: &mut Out) -> Result<Vec<bool>, RunError> {
        let mut has_partner = vec![false; changes.len()];
        if pairs.changed.is_empty() {
            return Ok(has_partner);
        }
        let changed = changes.take(&pairs.changed)?;
        let others = self.sides[1 - side].columns(&pairs.others)?;
        let (batch, kept) = self.spec.paired(side, changed, others, pairs.changed.len())?;
        let kept = kept.unwrap_or_else(|| BooleanArray::from(vec![true; pairs.changed.len()]));
        let mut weights = Vec::new();
        for (pair, (place, other)) in pairs.changed.iter().zip(&pairs.others).enumerate() {
            if !kept.is_valid(pair) || !kept.value(pair) {
                continue;
            }
            let place = crate::state::rows::index(*place);
            has_partner[place] = true;
            weights.push(changes.weight(place) * self.sides[1 - side].matched(*other));
        }
        if !weights.is_empty() {
            let rows = filter_record_batch(&batch, &kept)?.with_schema(Arc::clone(&self.spec.output))?;
            out.push(Changes::weighted(rows, weights)?);
        }
        Ok(has_partner)
    }
}

impl Operator for IntervalJoin {
    fn push(&mut self, side: usize, changes: &Changes, out: &mut Out) -> Result<(), RunError> {
        let keys = self.sides[side].keys(changes)?;
        let times = aggregate::milliseconds(changes.rows().column(self.bounds.times[side]))?;
        let time = |place: usize| times.is_valid(place).then(|| times.value(place));
        let (mut pairs, mut late) = (Pairs::default(), Vec::new());
        for place in 0..changes.len() {
            let Some(at) = time(place) else { continue };
            if self.watermark.is_some_and(|watermark| at <= watermark) {
                late.push(u32::try_from(place).expect("a batch has fewer rows"));
            }
            let Some(key) = keys.row(place) else { continue };
            let (low, high) =
                (at.saturating_sub(self.bounds.reach(1 - side)), at.saturating_add(self.bounds.reach(side)));
            let others = self.sides[1 - side].within(key, low, high);
            pairs.others.extend(others);
            let place = u32::try_from(place).expect("a batch has fewer rows");
            pairs.changed.resize(pairs.others.len(), place);
        }
        self.late.add(changes, &late, changes.rows().num_columns(), self.watermark)?;
        self.rows_touched += counted(changes.len() + pairs.others.len());
        let has_partner = self.meet(side, changes, &pairs, out)?;
        let mut alone = Vec::new();
        let rows = self.sides[side].encode(changes)?;
        for (place, has_partner) in has_partner.into_iter().enumerate() {
            match (time(place), keys.row(place)) {
                (Some(at), Some(key)) if !self.is_past(side, at) => {
                    self.sides[side].keep(key, at, rows.row(place).data(), changes.weight(place), has_partner);
                }
                _ if self.spec.keeps(side) && !has_partner => {
                    alone.push(u32::try_from(place).expect("a batch has fewer rows"));
                }
                _ => {}
            }
        }
        if alone.is_empty() {
            return Ok(());
        }
        let weights = alone.iter().map(|place| changes.weight(crate::state::rows::index(*place))).collect();
        let rows = self.spec.padded(side, changes.take(&alone)?, alone.len())?;
        out.push(Changes::weighted(rows, weights)?);
        Ok(())
    }

    fn end_epoch(&mut self, time: &Time, out: &mut Out) -> Result<(), RunError> {
        self.watermark = self.watermark.max(self.clock.watermark(time));
        let Some(watermark) = self.watermark else { return Ok(()) };
        for side in 0..2 {
            let past = self.sides[side].forget_up_to(watermark.saturating_sub(self.bounds.reach(side)));
            self.rows_touched += counted(past.len());
            let alone: Vec<_> = past.into_iter().filter(|row| !row.has_partner).collect();
            if alone.is_empty() || !self.spec.keeps(side) {
                continue;
            }
            let columns = self.sides[side].decode(alone.iter().map(|row| &*row.bytes))?;
            let rows = self.spec.padded(side, columns, alone.len())?;
            out.push(Changes::weighted(rows, alone.iter().map(|row| row.weight).collect())?);
        }
        Ok(())
    }

    fn late(&mut self) -> Option<&mut Late> {
        Some(&mut self.late)
    }

    fn save(&self, to: &mut Writer) {
        self.sides.iter().for_each(|side| side.save(to));
        to.u8(u8::from(self.watermark.is_some()));
        to.i64(self.watermark.unwrap_or(0));
        self.late.save(to);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.sides.iter_mut().try_for_each(|side| side.load(from))?;
        let (is_known, watermark) = (from.u8()? != 0, from.i64()?);
        self.watermark = is_known.then_some(watermark);
        self.late.load(from)
    }

    fn stats(&self) -> Stats {
        let state_bytes = self.sides.iter().map(Side::size).sum::<usize>() + self.late.size();
        Stats { state_bytes, rows_touched: self.rows_touched, late_rows: self.late.count() }
    }

    fn describe(&self) -> Description {
        let memory = Memory::Times {
            what: "the rows of both inputs that may get a partner yet".to_owned(),
            sources: self.clock.sources.clone(),
        };
        let Bounds { before_ms, after_ms, .. } = self.bounds;
        self.spec.describe("IntervalJoin", memory).with_one("between", format!("-{before_ms} ms and {after_ms} ms"))
    }
}
