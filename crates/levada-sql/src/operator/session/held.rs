//! [`Held`]: what is remembered of each session: what its calls have come to, or its rows.

use super::{Span, Spec, changing::Changing};
use crate::{
    dataflow::RunError,
    operator::aggregate::{Call, Leaving, columns::Columns},
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::index,
};
use datafusion::arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::SchemaRef,
    row::{RowConverter, SortField},
};

/// See the module.
pub(super) enum Held {
    Aggregates(Columns),
    Rows(Rows),
    Changing(Changing),
}

/// Lines of an answer.
pub(super) struct Shown {
    /// Of each line: the place of its session.
    pub(super) lines: Vec<usize>,
    pub(super) weights: Vec<i64>,
    pub(super) columns: Vec<ArrayRef>,
}

/// The rows of all sessions, as Arrow's row format has them, with how often they are there.
pub(super) struct Rows {
    converter: RowConverter,
    /// Columns before it are not remembered.
    first_column: usize,
    groups: Vec<Vec<(Box<[u8]>, i64)>>,
    bytes: usize,
}

/// What a row costs beside its bytes.
pub(super) const ROW_SIZE: usize = 24;
/// What a snapshot has of each group, at least.
const SAVED_SIZE_MIN: usize = 8;

impl Held {
    pub(super) fn aggregates(calls: &[Call], input: &SchemaRef) -> Result<Self, RunError> {
        Ok(Self::Aggregates(Columns::new(calls, input, Leaving::AsWhole)?))
    }

    pub(super) fn rows(input: &SchemaRef, first_column: usize) -> Result<Self, RunError> {
        let fields = input.fields().iter().skip(first_column);
        let converter = RowConverter::new(fields.map(|field| SortField::new(field.data_type().clone())).collect())?;
        Ok(Self::Rows(Rows { converter, first_column, groups: Vec::new(), bytes: 0 }))
    }

    pub(super) fn changing(input: &SchemaRef) -> Result<Self, RunError> {
        Ok(Self::Changing(Changing::new(input)?))
    }

    pub(super) fn grow(&mut self, end: usize) {
        match self {
            Self::Aggregates(columns) => columns.grow(end),
            Self::Rows(rows) => rows.groups.resize(end, Vec::new()),
            Self::Changing(rows) => rows.grow(end),
        }
    }

    pub(super) fn update(&mut self, groups: &[u32], rows: &RecordBatch, weights: &[i64]) -> Result<(), RunError> {
        match self {
            Self::Aggregates(columns) => columns.update(groups, rows, weights),
            Self::Rows(held) => {
                let rows = held.converter.convert_columns(&rows.columns()[held.first_column..])?;
                for ((row, group), weight) in rows.iter().zip(groups).zip(weights) {
                    held.bytes += row.data().len() + ROW_SIZE;
                    held.groups[index(*group)].push((row.data().into(), *weight));
                }
                Ok(())
            }
            Self::Changing(held) => held.update(groups, rows, weights),
        }
    }

    /// Two sessions become one; the first is forgotten.
    pub(super) fn merge(&mut self, from: u32, into: u32) -> Result<(), RunError> {
        match self {
            Self::Aggregates(columns) => columns.merge(from, into),
            Self::Rows(rows) => {
                let moved = std::mem::take(&mut rows.groups[index(from)]);
                rows.groups[index(into)].extend(moved);
                Ok(())
            }
            Self::Changing(rows) => {
                rows.merge(from, into);
                Ok(())
            }
        }
    }

    /// The sessions that closed ones come to, and what is shown of them.
    pub(super) fn show(
        &mut self,
        spec: &Spec,
        closed: &[Span],
        groups: &[u32],
    ) -> Result<(Vec<Span>, Shown), RunError> {
        match self {
            Self::Aggregates(columns) => {
                let (lines, weights) = ((0..groups.len()).collect(), vec![1; groups.len()]);
                Ok((closed.to_vec(), Shown { lines, weights, columns: columns.values(groups)? }))
            }
            Self::Rows(held) => {
                let (mut lines, mut weights, mut rows) = (Vec::new(), Vec::new(), Vec::new());
                let parser = held.converter.parser();
                for (line, group) in groups.iter().enumerate() {
                    for (row, weight) in &held.groups[index(*group)] {
                        lines.push(line);
                        weights.push(*weight);
                        rows.push(parser.parse(row));
                    }
                }
                Ok((closed.to_vec(), Shown { lines, weights, columns: held.converter.convert_rows(rows)? }))
            }
            Self::Changing(rows) => rows.show(spec, closed, groups),
        }
    }

    pub(super) fn forget(&mut self, group: u32) {
        match self {
            Self::Aggregates(columns) => columns.forget(group),
            Self::Rows(rows) => {
                let gone = std::mem::take(&mut rows.groups[index(group)]);
                rows.bytes -= gone.iter().map(|(row, _)| row.len() + ROW_SIZE).sum::<usize>();
            }
            Self::Changing(rows) => rows.forget(group),
        }
    }

    pub(super) fn size(&self) -> usize {
        match self {
            Self::Aggregates(columns) => columns.size(),
            Self::Rows(rows) => rows.bytes,
            Self::Changing(rows) => rows.size(),
        }
    }

    pub(super) fn save(&self, to: &mut Writer) {
        match self {
            Self::Aggregates(columns) => columns.save(to),
            Self::Rows(rows) => {
                for group in &rows.groups {
                    to.count(group.len());
                    for (row, weight) in group {
                        to.bytes(row);
                        to.i64(*weight);
                    }
                }
            }
            Self::Changing(rows) => rows.save(to),
        }
    }

    /// Whether nothing is remembered of a session.
    pub(super) const fn is_nothing(&self) -> bool {
        match self {
            Self::Aggregates(columns) => columns.is_empty(),
            Self::Rows(_) | Self::Changing(_) => false,
        }
    }

    /// Reads what was saved, where that is anything.
    pub(super) fn load(&mut self, group_end: u32, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        from.check_room(index(group_end), SAVED_SIZE_MIN)?;
        self.grow(index(group_end));
        match self {
            Self::Aggregates(columns) => columns.load(from),
            Self::Rows(rows) => {
                for group in &mut rows.groups {
                    for _ in 0..from.count()? {
                        let row = from.bytes()?;
                        rows.bytes += row.len() + ROW_SIZE;
                        group.push((row.into(), from.i64()?));
                    }
                }
                Ok(())
            }
            Self::Changing(rows) => rows.load(from),
        }
    }
}
