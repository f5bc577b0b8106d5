//! [`Changing`]: the rows of sessions where rows go, too, and the sessions that are left when they have gone: fewer of
//! them, shorter ones, or several in the place of one.

use super::{
    Show, Span, Spec,
    held::{ROW_SIZE, Shown},
};
use crate::{
    dataflow::RunError,
    operator::aggregate::{self, Leaving, columns::Columns},
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::{self, index},
};
use datafusion::arrow::{array::RecordBatch, datatypes::SchemaRef, row::RowConverter};
use levada_model::Timestamp;
use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

/// See the module. Of each session: its rows as Arrow's row format has them, with all columns of the input, and how
/// often they are there. The partition comes first, then the time: a session's rows are in the order of their times.
pub(super) struct Changing {
    converter: RowConverter,
    groups: Vec<BTreeMap<Box<[u8]>, i64>>,
    bytes: usize,
}

impl Changing {
    pub(super) fn new(input: &SchemaRef) -> Result<Self, RunError> {
        Ok(Self { converter: rows::converter(input)?, groups: Vec::new(), bytes: 0 })
    }

    pub(super) fn grow(&mut self, end: usize) {
        self.groups.resize(end, BTreeMap::new());
    }

    pub(super) fn update(&mut self, groups: &[u32], rows: &RecordBatch, weights: &[i64]) -> Result<(), RunError> {
        let rows = self.converter.convert_columns(rows.columns())?;
        for ((row, group), weight) in rows.iter().zip(groups).zip(weights) {
            self.add(*group, row.data().into(), *weight);
        }
        Ok(())
    }

    fn add(&mut self, group: u32, row: Box<[u8]>, weight: i64) {
        let size = row.len() + ROW_SIZE;
        match self.groups[index(group)].entry(row) {
            Entry::Vacant(entry) => {
                entry.insert(weight);
                self.bytes += size;
            }
            Entry::Occupied(entry) if *entry.get() == -weight => {
                entry.remove();
                self.bytes -= size;
            }
            Entry::Occupied(mut entry) => *entry.get_mut() += weight,
        }
    }

    /// Two sessions become one; the first is forgotten.
    pub(super) fn merge(&mut self, from: u32, into: u32) {
        for (row, weight) in std::mem::take(&mut self.groups[index(from)]) {
            self.bytes -= row.len() + ROW_SIZE;
            self.add(into, row, weight);
        }
    }

    /// The sessions of the rows that are left of closed ones, and what is shown of them.
    pub(super) fn show(&self, spec: &Spec, closed: &[Span], groups: &[u32]) -> Result<(Vec<Span>, Shown), RunError> {
        let (mut of, mut weights, mut left) = (Vec::new(), Vec::new(), Vec::new());
        let parser = self.converter.parser();
        for (session, group) in closed.iter().zip(groups) {
            // A row that was late when it came may go in time.
            for (row, weight) in self.groups[index(*group)].iter().filter(|(_, weight)| **weight > 0) {
                of.push(session);
                weights.push(*weight);
                left.push(parser.parse(row));
            }
        }
        let columns = self.converter.convert_rows(left)?;
        let times = aggregate::milliseconds(&columns[spec.partition_count])?;
        let (mut spans, mut lines) = (Vec::<Span>::new(), Vec::new());
        let mut before: Option<(&Span, Timestamp)> = None;
        for (session, time) in of.into_iter().zip(times.values()) {
            let end = time.saturating_add(spec.gap_ms);
            match spans.last_mut() {
                Some(span) if before.is_some_and(|it| it.0 == session && time.saturating_sub(it.1) <= spec.gap_ms) => {
                    span.0 = end
                }
                _ => spans.push((end, session.1, *time)),
            }
            lines.push(spans.len() - 1);
            before = Some((session, *time));
        }
        let Show::Aggregates(_, calls) = &spec.show else {
            let columns = columns.into_iter().skip(spec.partition_count + 1).collect();
            return Ok((spans, Shown { lines, weights, columns }));
        };
        let mut calls = Columns::new(calls, &spec.input, Leaving::AsWhole)?;
        calls.grow(spans.len());
        let number = |line: usize| u32::try_from(line).expect("memory ends before");
        let groups: Vec<u32> = lines.into_iter().map(number).collect();
        calls.update(&groups, &RecordBatch::try_new(Arc::clone(&spec.input), columns)?, &weights)?;
        let columns = calls.values(&(0..number(spans.len())).collect::<Vec<_>>())?;
        let shown = Shown { lines: (0..spans.len()).collect(), weights: vec![1; spans.len()], columns };
        Ok((spans, shown))
    }

    pub(super) fn forget(&mut self, group: u32) {
        let gone = std::mem::take(&mut self.groups[index(group)]);
        self.bytes -= gone.keys().map(|row| row.len() + ROW_SIZE).sum::<usize>();
    }

    pub(super) const fn size(&self) -> usize {
        self.bytes
    }

    pub(super) fn save(&self, to: &mut Writer) {
        for group in &self.groups {
            to.count(group.len());
            for (row, weight) in group {
                to.bytes(row);
                to.i64(*weight);
            }
        }
    }

    pub(super) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for group in 0..self.groups.len() {
            let group = u32::try_from(group).map_err(|_| SnapshotError::Malformed)?;
            for _ in 0..from.count()? {
                let (row, weight) = (from.bytes()?.into(), from.i64()?);
                if weight == 0 {
                    return Err(SnapshotError::Malformed);
                }
                self.add(group, row, weight);
            }
        }
        Ok(())
    }
}
