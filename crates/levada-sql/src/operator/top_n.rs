//! [`TopN`]: the first rows of each partition with their numbers, kept up to date: `ROW_NUMBER() OVER (PARTITION BY …
//! ORDER BY …)` of which only the numbers up to some are asked for.
//!
//! Rows that are equal in order are numbered by their columns, so that a replay decides the same. Where rows only come,
//! those behind the last that is asked for are not remembered. With a window among the partition's columns it is shown
//! once, when the window is closed, and forgotten.

mod partition;

use super::{
    Operator, Out, Stats, aggregate, counted,
    describe::{Description, Memory, listed, name, names},
};
use crate::{
    changes::Changes,
    dataflow::RunError,
    epoch::Time,
    late::Late,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::{RowTable, index},
};
use datafusion::arrow::{
    array::{Array as _, ArrayRef, Int64Array, RecordBatch},
    compute::SortOptions,
    datatypes::SchemaRef,
    row::{RowConverter, SortField},
};
use levada_model::Timestamp;
use partition::{Partition, Ranked};
use std::{collections::BTreeMap, sync::Arc};

/// What it is made from. Input columns: the rows', then the partition's, then those of the order.
#[derive(Clone, Debug)]
pub(crate) struct Spec {
    pub(crate) row_count: usize,
    pub(crate) partition_count: usize,
    pub(crate) order: Vec<SortOptions>,
    /// The largest number that is asked for.
    pub(crate) limit: usize,
    /// Whether rows only come.
    pub(crate) forgets: bool,
    pub(crate) input: SchemaRef,
    /// The rows' columns and the number.
    pub(crate) output: SchemaRef,
    pub(crate) window: Option<aggregate::Window>,
}

/// See the module.
pub(crate) struct TopN {
    spec: Spec,
    partitions: RowTable,
    order: RowConverter,
    rows: RowConverter,
    /// Of each partition.
    states: Vec<Partition>,
    touched: Vec<u32>,
    open: BTreeMap<Timestamp, Vec<u32>>,
    watermark: Option<Timestamp>,
    bytes: usize,
    rows_touched: u64,
    late: Late,
}

/// Rows that are shown or not any more, with their numbers.
#[derive(Default)]
struct Shown {
    rows: Vec<Ranked>,
    numbers: Vec<i64>,
    weights: Vec<i64>,
}

impl Shown {
    fn add(&mut self, row: Ranked, number: usize, weight: i64) {
        self.rows.push(row);
        self.numbers.push(i64::try_from(number).expect("memory ends before"));
        self.weights.push(weight);
    }
}

impl TopN {
    pub(crate) fn new(spec: Spec) -> Result<Self, RunError> {
        let fields: Vec<_> = spec.input.fields().iter().map(|field| field.data_type().clone()).collect();
        let (rows, behind) = fields.split_at(spec.row_count);
        let (partition, order) = behind.split_at(spec.partition_count);
        let sorted =
            order.iter().zip(&spec.order).map(|(of, options)| SortField::new_with_options(of.clone(), *options));
        Ok(Self {
            partitions: RowTable::new(partition.to_vec())?,
            order: RowConverter::new(sorted.collect())?,
            rows: RowConverter::new(rows.iter().cloned().map(SortField::new).collect())?,
            states: Vec::new(),
            touched: Vec::new(),
            open: BTreeMap::new(),
            watermark: None,
            bytes: 0,
            rows_touched: 0,
            late: Late::default(),
            spec,
        })
    }

    fn forget(&mut self, partition: u32) {
        let gone = std::mem::take(&mut self.states[index(partition)]);
        self.grow(-gone.size());
        self.partitions.remove(partition);
    }

    fn grow(&mut self, by: isize) {
        self.bytes = self.bytes.saturating_add_signed(by);
    }

    fn add(&mut self, partition: u32, key: &[u8], order: usize, weight: i64) {
        let Spec { forgets, limit, .. } = self.spec;
        let state = &mut self.states[index(partition)];
        if forgets && state.len() >= limit && state.is_behind(key) {
            // It is never shown: none of those before it goes.
            return;
        }
        let mut grown = state.add(key, order, weight);
        while forgets && state.len() > limit {
            grown += state.pop_last();
        }
        if !std::mem::replace(&mut state.is_touched, true) {
            self.touched.push(partition);
        }
        self.grow(grown);
    }

    fn show(&self, shown: Shown, out: &mut Out) -> Result<(), RunError> {
        if shown.rows.is_empty() {
            return Ok(());
        }
        let parser = self.rows.parser();
        let mut columns = self.rows.convert_rows(shown.rows.iter().map(|row| parser.parse(row.row())))?;
        columns.push(Arc::new(Int64Array::from(shown.numbers)));
        let rows = RecordBatch::try_new(Arc::clone(&self.spec.output), columns)?;
        out.push(Changes::weighted(rows, shown.weights)?);
        Ok(())
    }

    /// Shows the partitions of closed windows, and forgets them.
    fn close(&mut self, watermark: Timestamp, out: &mut Out) -> Result<(), RunError> {
        let later = self.open.split_off(&watermark.saturating_add(2));
        let closed = std::mem::replace(&mut self.open, later);
        let mut shown = Shown::default();
        for partition in closed.into_values().flatten() {
            let first = self.states[index(partition)].first(self.spec.limit);
            first.into_iter().enumerate().for_each(|(place, row)| shown.add(row, place + 1, 1));
            self.forget(partition);
        }
        self.show(shown, out)
    }
}

impl Operator for TopN {
    fn push(&mut self, _: usize, changes: &Changes, _: &mut Out) -> Result<(), RunError> {
        let columns = changes.rows().columns();
        let (row_columns, behind) = columns.split_at(self.spec.row_count);
        let (partition_columns, order_columns) = behind.split_at(self.spec.partition_count);
        let partitions = self.partitions.encode(partition_columns)?;
        let (orders, rows) = (self.order.convert_columns(order_columns)?, self.rows.convert_columns(row_columns)?);
        let ends: Option<ArrayRef> =
            self.spec.window.as_ref().map(|window| Arc::clone(&partition_columns[window.end_key]));
        let ends = ends.map(|ends| aggregate::milliseconds(&ends)).transpose()?;
        self.rows_touched += counted(changes.len());
        let (mut key, mut late) = (Vec::new(), Vec::new());
        for place in 0..changes.len() {
            let end = ends.as_ref().filter(|ends| ends.is_valid(place)).map(|ends| ends.value(place));
            if let (Some(end), Some(watermark)) = (end, self.watermark)
                && aggregate::is_closed(end, watermark)
            {
                late.push(u32::try_from(place).expect("a batch has fewer rows"));
                continue;
            }
            let (partition, added) = self.partitions.find_or_add(partitions.row(place));
            if added {
                self.states.resize(self.partitions.end().max(self.states.len()), Partition::default());
                if let Some(end) = end {
                    self.open.entry(end).or_default().push(partition);
                }
            }
            let (order, row) = (orders.row(place), rows.row(place));
            key.clear();
            key.extend_from_slice(order.data());
            key.extend_from_slice(row.data());
            self.add(partition, &key, order.data().len(), changes.weight(place));
        }
        self.late.add(changes, &late, self.spec.row_count, self.watermark)
    }

    fn end_epoch(&mut self, time: &Time, out: &mut Out) -> Result<(), RunError> {
        let touched = std::mem::take(&mut self.touched);
        if let Some(window) = &self.spec.window {
            touched.iter().for_each(|partition| self.states[index(*partition)].is_touched = false);
            self.watermark = self.watermark.max(window.clock.watermark(time));
            return self.watermark.map_or(Ok(()), |watermark| self.close(watermark, out));
        }
        let (mut gone, mut come) = (Shown::default(), Shown::default());
        for partition in touched {
            let state = &mut self.states[index(partition)];
            state.is_touched = false;
            let first = state.first(self.spec.limit);
            for place in 0..first.len().max(state.shown.len()) {
                let (before, after) = (state.shown.get(place), first.get(place));
                if before == after {
                    continue;
                }
                before.into_iter().for_each(|row| gone.add(row.clone(), place + 1, -1));
                after.into_iter().for_each(|row| come.add(row.clone(), place + 1, 1));
            }
            state.shown = first;
            if state.is_empty() {
                self.forget(partition);
            }
        }
        self.show(gone, out)?;
        self.show(come, out)
    }

    fn late(&mut self) -> Option<&mut Late> {
        Some(&mut self.late)
    }

    fn save(&self, to: &mut Writer) {
        self.partitions.save(to);
        for partition in self.partitions.ids() {
            let state = &self.states[index(partition)];
            to.count(state.len());
            for (row, count) in state.iter() {
                to.bytes(row.key());
                to.u64(counted(row.order()));
                to.i64(count);
            }
            to.count(state.shown.len());
            state.shown.iter().for_each(|row| to.bytes(row.row()));
        }
        to.u8(u8::from(self.watermark.is_some()));
        to.i64(self.watermark.unwrap_or(0));
        to.count(self.open.len());
        for (end, partitions) in &self.open {
            to.i64(*end);
            to.count(partitions.len());
            partitions.iter().for_each(|partition| to.u32(*partition));
        }
        self.late.save(to);
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.partitions.load(from)?;
        self.states = vec![Partition::default(); self.partitions.end()];
        for partition in self.partitions.ids().collect::<Vec<_>>() {
            let (limit, is_windowed) = (self.spec.limit, self.spec.window.is_some());
            let state = &mut self.states[index(partition)];
            for _ in 0..from.count()? {
                let (key, order, count) = (from.bytes()?, from.u64()?, from.i64()?);
                let order = usize::try_from(order).ok().filter(|order| *order <= key.len());
                state.add(key, order.ok_or(SnapshotError::Malformed)?, count);
            }
            self.bytes += state.size().unsigned_abs();
            if !is_windowed {
                // Between two epochs the first rows are those that are shown.
                state.shown = state.first(limit);
            }
            if from.count()? != state.shown.len() {
                return Err(SnapshotError::Malformed);
            }
            for shown in &state.shown {
                if from.bytes()? != shown.row() {
                    return Err(SnapshotError::Malformed);
                }
            }
        }
        let (is_known, watermark) = (from.u8()? != 0, from.i64()?);
        self.watermark = is_known.then_some(watermark);
        for _ in 0..from.count()? {
            let end = from.i64()?;
            let partitions = (0..from.count()?).map(|_| from.u32()).collect::<Result<Vec<_>, _>>()?;
            if partitions.iter().any(|partition| index(*partition) >= self.states.len()) {
                return Err(SnapshotError::Malformed);
            }
            self.open.insert(end, partitions);
        }
        self.late.load(from)
    }

    fn stats(&self) -> Stats {
        let state_bytes = self.partitions.size() + self.bytes + self.late.size();
        Stats { state_bytes, rows_touched: self.rows_touched, late_rows: self.late.count() }
    }

    fn describe(&self) -> Description {
        let Spec { row_count, partition_count, order, limit, forgets, input, output, window } = &self.spec;
        let partition: Vec<String> = (0..*partition_count).map(|at| name(input, row_count + at)).collect();
        let direction = |options: &SortOptions| {
            let nulls = match (options.descending, options.nulls_first) {
                // Nulls are the least.
                (false, true) | (true, false) => "",
                (_, true) => " NULLS FIRST",
                (_, false) => " NULLS LAST",
            };
            format!("{}{nulls}", if options.descending { "DESC" } else { "ASC" })
        };
        let ordered = order.iter().enumerate().map(|(place, options)| {
            format!("{} {}", name(input, row_count + partition_count + place), direction(options))
        });
        let each = if partition.is_empty() { String::new() } else { format!(" of each {}", listed(&partition)) };
        let first = format!("the first {limit} rows{each}");
        let memory = match window {
            Some(window) => Memory::Windows { what: first, sources: window.clock.sources.clone() },
            None if !forgets => Memory::Unbounded("every row".to_owned()),
            None if partition.is_empty() => Memory::Bounded(first),
            None => Memory::Unbounded(first),
        };
        let is_windowed = window.is_some();
        Description::new(if is_windowed { "WindowRank" } else { "Rank" }, memory)
            .with("partitionBy", partition)
            .with("orderBy", ordered)
            .with_one("rankRange", format!("rankStart=1, rankEnd={limit}"))
            .with("select", names(output))
    }
}
