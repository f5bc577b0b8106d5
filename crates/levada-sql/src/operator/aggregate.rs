//! [`Aggregate`]: groups of rows and what they come to, kept up to date as rows come and go.
//!
//! Within an epoch groups are marked as touched, with what they came to before; when it ends, those that come to
//! something else give their old row back and bring their new one.
//!
//! With a window, the groups' last key says when a group is closed: nothing is shown of it before the watermark is
//! there, then it is shown once and forgotten. Rows of closed groups are late: they are counted and left out.

mod accumulators;
pub(in crate::operator) mod columns;
mod distinct;

pub(crate) use accumulators::Function;
pub(crate) use columns::{Call, Leaving};

use super::{
    Clock, Operator, Out, Stats, counted,
    describe::{Description, Memory, listed, names},
};
use crate::{
    changes::Changes,
    dataflow::RunError,
    epoch::Time,
    late::Late,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::{RowTable, index},
};
use columns::Columns;
use datafusion::arrow::{
    array::{Array as _, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions},
    compute::{cast, concat},
    datatypes::{DataType, Int64Type, SchemaRef},
};
use levada_model::Timestamp;
use std::{collections::BTreeMap, sync::Arc};

/// What an aggregation is made from. Input columns: the keys, then whatever the calls refer to.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) key_count: usize,
    pub(crate) calls: Vec<Call>,
    pub(crate) input: SchemaRef,
    /// The keys, then what the calls give.
    pub(crate) output: SchemaRef,
    /// The key that says when a group is closed, and whose watermark that is.
    pub(crate) window: Option<Window>,
    /// Whether rows only come.
    pub(crate) is_append_only: bool,
}

impl Spec {
    const fn leaving(&self) -> Leaving {
        match (&self.window, self.is_append_only) {
            (Some(_), true) => Leaving::AsWhole,
            (Some(_), false) => Leaving::EitherWay,
            (None, false) => Leaving::OneByOne,
            (None, true) => Leaving::Never,
        }
    }
}

/// Groups that are closed by the watermark.
#[derive(Clone, Debug)]
pub(crate) struct Window {
    /// The key that is the first moment behind the group.
    pub(crate) end_key: usize,
    pub(crate) clock: Clock,
}

/// What was shown of groups before they were touched in this epoch.
#[derive(Default)]
struct Touched {
    groups: Vec<u32>,
    /// Of each of these groups: whether it was shown at all.
    shown: Vec<bool>,
    /// What they came to, column by column, in pieces.
    before: Vec<Vec<ArrayRef>>,
}

/// See the module.
pub(crate) struct Aggregate {
    spec: Spec,
    groups: RowTable,
    /// How many rows each group has; one without any is gone.
    counts: Vec<i64>,
    columns: Columns,
    is_touched: Vec<bool>,
    touched: Touched,
    /// Whether the one group of an aggregation without keys was shown.
    shown_once: bool,
    /// The groups of a windowed aggregation by when they are closed, in milliseconds since 1970.
    open: BTreeMap<Timestamp, Vec<u32>>,
    watermark: Option<Timestamp>,
    rows_touched: u64,
    late: Late,
}

impl Aggregate {
    pub(crate) fn new(spec: Spec) -> Result<Self, RunError> {
        let keys = spec.input.fields().iter().take(spec.key_count).map(|field| field.data_type().clone());
        let columns = Columns::new(&spec.calls, &spec.input, spec.leaving())?;
        let groups = RowTable::new(keys)?;
        let (counts, is_touched, touched) = (Vec::new(), Vec::new(), Touched::default());
        let (shown_once, open, watermark) = (false, BTreeMap::new(), None);
        let (rows_touched, late) = (0, Late::default());
        Ok(Self { spec, groups, counts, columns, is_touched, touched, shown_once, open, watermark, rows_touched, late })
    }

    const fn is_global(&self) -> bool {
        self.spec.key_count == 0
    }

    /// Rows that are not late.
    fn in_time(&mut self, changes: &Changes) -> Result<Changes, RunError> {
        let (Some(window), Some(watermark)) = (&self.spec.window, self.watermark) else { return Ok(changes.clone()) };
        let ends = milliseconds(changes.rows().column(window.end_key))?;
        let in_time = |place: usize| !ends.is_valid(place) || !is_closed(ends.value(place), watermark);
        let kept = BooleanArray::from_iter((0..changes.len()).map(|place| Some(in_time(place))));
        if kept.false_count() > 0 {
            let late: Vec<u32> = (0..).zip(kept.values()).filter(|(_, kept)| !kept).map(|(place, _)| place).collect();
            self.late.add(changes, &late, changes.rows().num_columns(), self.watermark)?;
        }
        Ok(changes.filter(&kept)?)
    }

    /// The group of each row; new ones are made.
    fn groups_of(&mut self, changes: &Changes) -> Result<Vec<u32>, RunError> {
        if self.is_global() {
            if self.groups.end() == 0 {
                self.groups.find_or_add(&[]);
                self.grow();
            }
            return Ok(vec![0; changes.len()]);
        }
        let keys = self.groups.encode(&changes.rows().columns()[..self.spec.key_count])?;
        let ends = match &self.spec.window {
            Some(window) => Some(milliseconds(changes.rows().column(window.end_key))?),
            None => None,
        };
        let mut groups = Vec::with_capacity(changes.len());
        for place in 0..changes.len() {
            let (group, added) = self.groups.find_or_add(keys.row(place));
            if added {
                self.grow();
                if let Some(ends) = ends.as_ref().filter(|ends| ends.is_valid(place)) {
                    self.open.entry(ends.value(place)).or_default().push(group);
                }
            }
            groups.push(group);
        }
        Ok(groups)
    }

    fn grow(&mut self) {
        let end = self.groups.end();
        self.counts.resize(end, 0);
        self.is_touched.resize(end, false);
        self.columns.grow(end);
    }

    /// Remembers what the groups come to that this epoch has not touched yet.
    fn touch(&mut self, groups: &[u32]) -> Result<(), RunError> {
        let mut fresh = Vec::new();
        for &group in groups {
            if !std::mem::replace(&mut self.is_touched[index(group)], true) {
                fresh.push(group);
            }
        }
        if fresh.is_empty() || self.spec.window.is_some() {
            self.touched.groups.extend(fresh);
            return Ok(());
        }
        let (global, shown_once) = (self.is_global(), self.shown_once);
        let was_shown = |group: &u32| if global { shown_once } else { self.counts[index(*group)] > 0 };
        self.touched.shown.extend(fresh.iter().map(was_shown));
        let before = self.columns.values(&fresh)?;
        self.touched.before.push(before);
        self.touched.groups.extend(fresh);
        Ok(())
    }

    /// Rows of groups with what they come to.
    fn rows(&self, groups: &[u32], values: Vec<ArrayRef>) -> Result<RecordBatch, RunError> {
        let keys = if self.is_global() { Vec::new() } else { self.groups.columns(groups.iter().copied())? };
        let columns = keys.into_iter().chain(values).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(groups.len()));
        Ok(RecordBatch::try_new_with_options(Arc::clone(&self.spec.output), columns, &options)?)
    }

    fn forget(&mut self, groups: impl Iterator<Item = u32>) {
        for group in groups {
            self.groups.remove(group);
            self.counts[index(group)] = 0;
            self.columns.forget(group);
        }
    }

    /// Shows and forgets the groups that the watermark has closed.
    fn close(&mut self, watermark: Timestamp, out: &mut Out) -> Result<(), RunError> {
        let later = self.open.split_off(&watermark.saturating_add(2));
        let closed = std::mem::replace(&mut self.open, later);
        let groups: Vec<u32> = closed.into_values().flatten().collect();
        let shown: Vec<u32> = groups.iter().copied().filter(|group| self.counts[index(*group)] > 0).collect();
        if !shown.is_empty() {
            let values = self.columns.values(&shown)?;
            out.push(Changes::inserted(self.rows(&shown, values)?));
        }
        self.rows_touched += counted(groups.len());
        self.forget(groups.into_iter());
        Ok(())
    }

    /// What changed of the groups that were touched.
    fn show(&mut self, touched: Touched, out: &mut Out) -> Result<(), RunError> {
        let Touched { groups, shown, before } = touched;
        let global = self.is_global();
        let lives: Vec<bool> = groups.iter().map(|group| global || self.counts[index(*group)] > 0).collect();
        let after = self.columns.values(&groups)?;
        let concatenated = |column: usize| {
            let pieces: Vec<_> = before.iter().map(|values| values[column].as_ref()).collect();
            concat(&pieces)
        };
        let before = (0..self.spec.calls.len()).map(concatenated).collect::<Result<Vec<_>, _>>()?;
        let differs = differing(&before, &after, groups.len())?;
        let places = |keep: &dyn Fn(usize) -> bool| (0..groups.len()).filter(|place| keep(*place)).collect::<Vec<_>>();
        let gone = places(&|place| shown[place] && (!lives[place] || differs[place]));
        let come = places(&|place| lives[place] && (!shown[place] || differs[place]));
        for (places, values, weight) in [(gone, &before, -1), (come, &after, 1)] {
            if places.is_empty() {
                continue;
            }
            let ids: Vec<u32> = places.iter().map(|place| groups[*place]).collect();
            let rows = self.rows(&ids, taken(values, &places)?)?;
            out.push(Changes::weighted(rows, vec![weight; places.len()])?);
        }
        if global {
            self.shown_once = true;
        } else {
            let dead = groups.iter().zip(&lives).filter(|(_, lives)| !**lives).map(|(group, _)| *group);
            self.forget(dead.collect::<Vec<_>>().into_iter());
        }
        Ok(())
    }
}

/// Whether nothing is expected any more of a group whose rows are before `end`: rows at the watermark are not.
pub(crate) const fn is_closed(end: Timestamp, watermark: Timestamp) -> bool {
    end <= watermark.saturating_add(1)
}

/// A column of timestamps in milliseconds since 1970.
pub(crate) fn milliseconds(column: &ArrayRef) -> Result<datafusion::arrow::array::PrimitiveArray<Int64Type>, RunError> {
    use datafusion::arrow::{array::AsArray as _, datatypes::TimeUnit};
    let DataType::Timestamp(_, zone) = column.data_type() else {
        return Err(RunError::Internal(format!("{} is no time", column.data_type())));
    };
    let milliseconds = cast(column, &DataType::Timestamp(TimeUnit::Millisecond, zone.clone()))?;
    Ok(cast(&milliseconds, &DataType::Int64)?.as_primitive::<Int64Type>().clone())
}

fn taken(values: &[ArrayRef], places: &[usize]) -> Result<Vec<ArrayRef>, RunError> {
    use datafusion::arrow::{array::UInt64Array, compute::take};
    let places = UInt64Array::from_iter_values(places.iter().map(|place| counted(*place)));
    Ok(values.iter().map(|column| take(column, &places, None)).collect::<Result<_, _>>()?)
}

/// At which places any column differs.
fn differing(before: &[ArrayRef], after: &[ArrayRef], count: usize) -> Result<Vec<bool>, RunError> {
    use datafusion::arrow::compute::kernels::cmp::distinct;
    let mut differs = vec![false; count];
    for (before, after) in before.iter().zip(after) {
        let column = distinct(before, after)?;
        differs.iter_mut().zip(column.values()).for_each(|(differs, column)| *differs |= column);
    }
    Ok(differs)
}

impl Operator for Aggregate {
    fn push(&mut self, _: usize, changes: &Changes, _: &mut Out) -> Result<(), RunError> {
        let changes = self.in_time(changes)?;
        if changes.is_empty() {
            return Ok(());
        }
        let groups = self.groups_of(&changes)?;
        self.touch(&groups)?;
        self.rows_touched += counted(changes.len());
        let weights: Vec<i64> = (0..changes.len()).map(|place| changes.weight(place)).collect();
        for (group, weight) in groups.iter().zip(&weights) {
            self.counts[index(*group)] += weight;
        }
        self.columns.update(&groups, changes.rows(), &weights)
    }

    fn end_epoch(&mut self, time: &Time, out: &mut Out) -> Result<(), RunError> {
        let touched = std::mem::take(&mut self.touched);
        touched.groups.iter().for_each(|group| self.is_touched[index(*group)] = false);
        if let Some(window) = &self.spec.window {
            let watermark = window.clock.watermark(time);
            self.watermark = self.watermark.max(watermark);
            return self.watermark.map_or(Ok(()), |watermark| self.close(watermark, out));
        }
        if self.is_global() && !self.shown_once && self.groups.end() == 0 {
            // Of no rows at all there is an answer, too.
            self.groups.find_or_add(&[]);
            self.grow();
            let before = vec![self.columns.values(&[0])?];
            return self.show(Touched { groups: vec![0], shown: vec![false], before }, out);
        }
        if touched.groups.is_empty() {
            return Ok(());
        }
        self.show(touched, out)
    }

    fn late(&mut self) -> Option<&mut Late> {
        Some(&mut self.late)
    }

    fn save(&self, to: &mut Writer) {
        self.groups.save(to);
        self.counts.iter().for_each(|count| to.i64(*count));
        self.columns.save(to);
        to.u8(u8::from(self.shown_once));
        to.u8(u8::from(self.watermark.is_some()));
        to.i64(self.watermark.unwrap_or(0));
        to.count(self.open.len());
        for (end, groups) in &self.open {
            to.i64(*end);
            to.count(groups.len());
            groups.iter().for_each(|group| to.u32(*group));
        }
        self.late.save(to);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.groups.load(from)?;
        self.grow();
        for count in &mut self.counts {
            *count = from.i64()?;
        }
        self.columns.load(from)?;
        self.shown_once = from.u8()? != 0;
        let (is_known, watermark) = (from.u8()? != 0, from.i64()?);
        self.watermark = is_known.then_some(watermark);
        for _ in 0..from.count()? {
            let end = from.i64()?;
            let groups = (0..from.count()?).map(|_| from.u32()).collect::<Result<Vec<_>, _>>()?;
            if groups.iter().any(|group| index(*group) >= self.counts.len()) {
                return Err(SnapshotError::Malformed);
            }
            self.open.insert(end, groups);
        }
        self.late.load(from)
    }

    fn stats(&self) -> Stats {
        let state_bytes = self.groups.size() + self.columns.size() + self.late.size();
        Stats { state_bytes, rows_touched: self.rows_touched, late_rows: self.late.count() }
    }

    fn describe(&self) -> Description {
        let Spec { key_count, calls, input, output, window, .. } = &self.spec;
        let keys: Vec<String> = names(input).take(*key_count).collect();
        let leaving = self.spec.leaving();
        let values =
            if calls.iter().any(|call| call.keeps_values(leaving)) { ", and every value of its arguments" } else { "" };
        let groups = format!("what each group of {} comes to{values}", listed(&keys));
        let memory = match window {
            Some(window) => Memory::Windows { what: groups, sources: window.clock.sources.clone() },
            None if keys.is_empty() && values.is_empty() => Memory::Bounded("one row".to_owned()),
            None if keys.is_empty() => Memory::Unbounded(format!("one row{values}")),
            None => Memory::Unbounded(groups),
        };
        let called = names(output).skip(*key_count).zip(calls).map(|(name, call)| call.text(input, &name));
        let select: Vec<String> = keys.iter().cloned().chain(called).collect();
        let is_windowed = window.is_some();
        let it = Description::new(if is_windowed { "WindowAggregate" } else { "GroupAggregate" }, memory);
        it.with("groupBy", keys).with("select", select)
    }
}
