//! [`Join`]: pairs of rows with equal keys, kept up to date as rows of either side come and go.
//!
//! Each side keeps its rows, each with how often it is there and, where rows without a partner matter, with how many
//! partners it has. A change meets what the other side has at that moment, then is kept itself: so each pair is met
//! once.
//!
//! Keys with a null have no partners, unless nulls are equal here, as they are for `INTERSECT`.

mod side;

use super::{
    Operator, Out, Stats, counted,
    describe::{Description, Memory, name, names, text},
};
use crate::{
    changes::Changes,
    dataflow::RunError,
    operator::project::holds,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::index,
};
use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, new_null_array},
        compute::filter_record_batch,
        datatypes::SchemaRef,
    },
    common::JoinType,
    physical_expr::PhysicalExpr,
};
use side::Side;
use std::sync::Arc;

/// What a join is made from.
#[derive(Clone)]
pub(crate) struct Spec {
    pub(crate) kind: JoinType,
    /// Of each side: its rows, and the columns that are its key.
    pub(crate) sides: [(SchemaRef, Vec<usize>); 2],
    /// Whether null equals null.
    pub(crate) nulls_are_equal: bool,
    /// What must hold of a pair, over the left columns, then the right.
    pub(crate) filter: Option<Arc<dyn PhysicalExpr>>,
    /// The left columns, then the right.
    pub(crate) pair: SchemaRef,
    pub(crate) output: SchemaRef,
}

/// See the module.
pub(crate) struct Join {
    spec: Spec,
    sides: [Side; 2],
    rows_touched: u64,
}

/// Pairs of changed rows of one side with rows that the other has.
#[derive(Default)]
struct Pairs {
    /// Places among the changes.
    changed: Vec<u32>,
    /// The other side's rows.
    others: Vec<u32>,
}

impl Spec {
    /// Whether rows of a side are shown without a partner.
    pub(super) const fn keeps(&self, side: usize) -> bool {
        match self.kind {
            JoinType::Full => true,
            JoinType::Left | JoinType::LeftAnti => side == 0,
            JoinType::Right | JoinType::RightAnti => side == 1,
            _ => false,
        }
    }

    /// Columns of one side with nothing on the other.
    pub(super) fn padded(&self, side: usize, columns: Vec<ArrayRef>, count: usize) -> Result<RecordBatch, RunError> {
        let other = self.sides[1 - side].0.fields().iter();
        let nothing: Vec<ArrayRef> = other.map(|field| new_null_array(field.data_type(), count)).collect();
        let columns = if side == 0 { [columns, nothing].concat() } else { [nothing, columns].concat() };
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.output), columns, &options)?)
    }

    /// Pairs of a changed side's columns with the other's, and which of them meet the condition.
    pub(super) fn paired(
        &self,
        side: usize,
        changed: Vec<ArrayRef>,
        others: Vec<ArrayRef>,
        count: usize,
    ) -> Result<(RecordBatch, Option<BooleanArray>), RunError> {
        let columns = if side == 0 { [changed, others].concat() } else { [others, changed].concat() };
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.pair), columns, &options)?;
        let Some(filter) = &self.filter else { return Ok((batch, None)) };
        let kept = holds(&**filter, &Changes::inserted(batch.clone()))?;
        Ok((batch, Some(kept)))
    }
}

impl Join {
    /// `only_come`: of each side, whether no row ever goes.
    pub(crate) fn new(spec: Spec, only_come: [bool; 2]) -> Result<Self, RunError> {
        let [left, right] = &spec.sides;
        let sides = [Side::new(&left.0, &left.1, only_come[0])?, Side::new(&right.0, &right.1, only_come[1])?];
        Ok(Self { spec, sides, rows_touched: 0 })
    }

    /// The side whose rows alone are shown, and whether with a partner or without.
    const fn alone(&self) -> Option<(usize, bool)> {
        match self.spec.kind {
            JoinType::LeftSemi => Some((0, true)),
            JoinType::LeftAnti => Some((0, false)),
            JoinType::RightSemi => Some((1, true)),
            JoinType::RightAnti => Some((1, false)),
            _ => None,
        }
    }

    /// Whether it matters how many partners a side's rows have.
    fn counts_partners(&self, side: usize) -> bool {
        self.spec.keeps(side) || self.alone().is_some_and(|(alone, _)| alone == side)
    }

    /// The pairs that `changes` of `side` make, their condition being met.
    fn pairs(&self, side: usize, changes: &Changes, keys: &[Option<u32>]) -> Result<(Pairs, RecordBatch), RunError> {
        let other = &self.sides[1 - side];
        let mut pairs = Pairs::default();
        for (place, key) in keys.iter().enumerate() {
            let Some(key) = key else { continue };
            for row in other.rows_of(*key) {
                pairs.changed.push(u32::try_from(place).expect("a batch has fewer rows"));
                pairs.others.push(*row);
            }
        }
        let changed = changes.take(&pairs.changed)?;
        let others = other.columns(&pairs.others)?;
        let (batch, kept) = self.spec.paired(side, changed, others, pairs.changed.len())?;
        let Some(kept) = kept else { return Ok((pairs, batch)) };
        let is_kept = |place: &usize| kept.is_valid(*place) && kept.value(*place);
        let places: Vec<usize> = (0..pairs.changed.len()).filter(is_kept).collect();
        let of = |all: &[u32]| places.iter().map(|place| all[*place]).collect();
        let pairs = Pairs { changed: of(&pairs.changed), others: of(&pairs.others) };
        Ok((pairs, filter_record_batch(&batch, &kept)?))
    }

    /// Shows rows of one side without the other.
    fn show_alone(&self, side: usize, columns: &[ArrayRef], weights: Vec<i64>, out: &mut Out) -> Result<(), RunError> {
        let count = weights.len();
        let rows = if self.alone().is_some() {
            let options = RecordBatchOptions::new().with_row_count(Some(count));
            RecordBatch::try_new_with_options(Arc::clone(&self.spec.output), columns.to_vec(), &options)?
        } else {
            self.spec.padded(side, columns.to_vec(), count)?
        };
        let changes = Changes::weighted(rows, weights)?;
        if !changes.is_empty() {
            out.push(changes);
        }
        Ok(())
    }

    /// What the pairs mean to rows of the other side that are shown with, or without, a partner.
    fn update_partners(
        &mut self,
        side: usize,
        pairs: &Pairs,
        changes: &Changes,
        out: &mut Out,
    ) -> Result<(), RunError> {
        let other = 1 - side;
        if !self.counts_partners(other) {
            return Ok(());
        }
        let with_partner = self.alone().is_some_and(|(_, with)| with);
        let (mut rows, mut weights) = (Vec::new(), Vec::new());
        for (place, row) in pairs.changed.iter().zip(&pairs.others) {
            let weight = changes.weight(index(*place));
            let (before, after) = self.sides[other].add_partners(*row, weight);
            if (before > 0) != (after > 0) {
                let count = self.sides[other].count(*row);
                rows.push(*row);
                weights.push(if (after > 0) == with_partner { count } else { -count });
            }
        }
        let columns = self.sides[other].columns(&rows)?;
        self.show_alone(other, &columns, weights, out)
    }

    /// Shows changed rows that have no partner, or just one of which matters.
    fn show_changed(&self, side: usize, changes: &Changes, partners: &[i64], out: &mut Out) -> Result<(), RunError> {
        let wants_partner = match self.alone() {
            Some((alone, _)) if alone != side => return Ok(()),
            Some((_, with)) => with,
            None if self.spec.keeps(side) => false,
            None => return Ok(()),
        };
        let shown = |place: usize| (partners[place] > 0) == wants_partner;
        let weights = (0..changes.len()).map(|place| if shown(place) { changes.weight(place) } else { 0 }).collect();
        self.show_alone(side, changes.rows().columns(), weights, out)
    }
}

impl Operator for Join {
    fn push(&mut self, side: usize, changes: &Changes, out: &mut Out) -> Result<(), RunError> {
        let keys = self.sides[side].keys(changes, self.spec.nulls_are_equal)?;
        let met: Vec<Option<u32>> =
            keys.iter().map(|key| key.and_then(|row| self.sides[1 - side].key(keys.row(row)))).collect();
        let (pairs, batch) = self.pairs(side, changes, &met)?;
        self.rows_touched += counted(changes.len() + pairs.others.len());
        let mut partners = vec![0; changes.len()];
        for (place, row) in pairs.changed.iter().zip(&pairs.others) {
            partners[index(*place)] += self.sides[1 - side].count(*row);
        }
        if self.alone().is_none() && !pairs.changed.is_empty() {
            let weight = |(place, row): (&u32, &u32)| changes.weight(index(*place)) * self.sides[1 - side].count(*row);
            let weights = pairs.changed.iter().zip(&pairs.others).map(weight).collect();
            let rows = batch.with_schema(Arc::clone(&self.spec.output))?;
            let changes = Changes::weighted(rows, weights)?;
            if !changes.is_empty() {
                out.push(changes);
            }
        }
        self.update_partners(side, &pairs, changes, out)?;
        self.show_changed(side, changes, &partners, out)?;
        self.sides[side].keep(changes, &keys, &partners)
    }

    fn save(&self, to: &mut Writer) {
        self.sides.iter().for_each(|side| side.save(to));
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.sides.iter_mut().try_for_each(|side| side.load(from))
    }

    fn stats(&self) -> Stats {
        let state_bytes = self.sides.iter().map(Side::size).sum();
        Stats { state_bytes, rows_touched: self.rows_touched, late_rows: 0 }
    }

    fn describe(&self) -> Description {
        self.spec.describe("Join", Memory::Unbounded("every row of both inputs".to_owned()))
    }
}

impl Spec {
    /// What a join says of itself.
    pub(crate) fn describe(&self, operator: &'static str, memory: Memory) -> Description {
        let Self { kind, sides: [(left, left_keys), (right, right_keys)], nulls_are_equal, filter, output, .. } = self;
        let equals = if *nulls_are_equal { "IS NOT DISTINCT FROM" } else { "=" };
        let keys = left_keys.iter().zip(right_keys);
        let keys = keys.map(|(l, r)| format!("{} {equals} {}", name(left, *l), name(right, *r)));
        let it = Description::new(operator, memory).with("key", keys).with_one("joinType", kind_name(*kind).to_owned());
        let it = match filter {
            Some(filter) => it.with_one("where", text(filter)),
            None => it,
        };
        it.with("select", names(output))
    }
}

/// Flink's name.
const fn kind_name(kind: JoinType) -> &'static str {
    match kind {
        JoinType::Inner => "InnerJoin",
        JoinType::Left => "LeftOuterJoin",
        JoinType::Right => "RightOuterJoin",
        JoinType::Full => "FullOuterJoin",
        JoinType::LeftSemi => "LeftSemiJoin",
        JoinType::RightSemi => "RightSemiJoin",
        JoinType::LeftAnti => "LeftAntiJoin",
        JoinType::RightAnti => "RightAntiJoin",
        JoinType::LeftMark | JoinType::RightMark => "MarkJoin",
    }
}
