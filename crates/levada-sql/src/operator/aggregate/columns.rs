//! [`Columns`]: the calls of an aggregation with what they remember of each group.

use super::{
    accumulators::{Accumulator, Function},
    distinct::Distinct,
};
use crate::{
    dataflow::RunError,
    operator::describe::name,
    snapshot::{Reader, SnapshotError, Writer},
};
use datafusion::{
    arrow::{
        array::{Array as _, ArrayRef, RecordBatch},
        datatypes::{DataType, SchemaRef},
    },
    common::cast::as_boolean_array,
};
use std::collections::BTreeMap;

/// One aggregate function over columns of the input.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) function: Function,
    /// Its argument; `COUNT(*)` has none.
    pub(crate) argument: Option<usize>,
    /// Each value counts once a group.
    pub(crate) distinct: bool,
    /// Rows of which this column is not true do not count.
    pub(crate) filter: Option<usize>,
    /// What it gives.
    pub(crate) output: DataType,
}

impl Call {
    /// It as SQL has it, under the name of what it gives.
    pub(in crate::operator) fn text(&self, input: &SchemaRef, output: &str) -> String {
        let argument = self.argument.map_or_else(|| "*".to_owned(), |at| name(input, at));
        let distinct = if self.distinct { "DISTINCT " } else { "" };
        let filter = self.filter.map_or_else(String::new, |at| format!(" FILTER (WHERE {})", name(input, at)));
        format!("{}({distinct}{argument}){filter} AS {output}", self.function.name())
    }

    /// Whether it counts each value of its argument once.
    const fn is_of_set(&self) -> bool {
        self.distinct && self.argument.is_some()
    }

    /// The weights of rows, of which those that do not count have none.
    fn counted(&self, rows: &RecordBatch, weights: &[i64]) -> Result<Vec<i64>, RunError> {
        let mut weights = weights.to_vec();
        let mut keep = |counts: &dyn Fn(usize) -> bool| {
            weights.iter_mut().enumerate().filter(|(place, _)| !counts(*place)).for_each(|(_, it)| *it = 0);
        };
        if let Some(filter) = self.filter {
            let filter = as_boolean_array(rows.column(filter))?;
            keep(&|place| filter.is_valid(place) && filter.value(place));
        }
        let argument = self.argument.map(|at| rows.column(at));
        if let Some(argument) = argument.filter(|argument| argument.null_count() > 0) {
            keep(&|place| argument.is_valid(place));
        }
        Ok(weights)
    }

    /// Whether every value of its argument is remembered.
    pub(in crate::operator) fn keeps_values(&self, leaving: Leaving) -> bool {
        self.distinct || leaving.is_one_by_one() && matches!(self.function, Function::Min | Function::Max)
    }
}

/// How what a group has taken in leaves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Rows go as they came.
    OneByOne,
    /// The group is forgotten, or becomes one with another.
    AsWhole,
    /// Rows go as they came, and then the group is forgotten with those that are left.
    EitherWay,
    Never,
}

impl Leaving {
    pub(super) const fn is_one_by_one(self) -> bool {
        matches!(self, Self::OneByOne | Self::EitherWay)
    }

    const fn is_as_whole(self) -> bool {
        matches!(self, Self::AsWhole | Self::EitherWay)
    }
}

/// See the module.
pub(in crate::operator) struct Columns {
    columns: Vec<Column>,
    sets: Vec<Set>,
}

/// One call with what it remembers.
struct Column {
    call: Call,
    accumulator: Box<dyn Accumulator>,
}

/// The values of an argument, for those calls in which each counts once.
struct Set {
    argument: usize,
    /// The places of these calls.
    columns: Vec<usize>,
    values: Distinct,
}

impl Columns {
    /// Of calls over rows of `input`.
    pub(in crate::operator) fn new(calls: &[Call], input: &SchemaRef, leaving: Leaving) -> Result<Self, RunError> {
        let column = |call: &Call| {
            let argument = call.argument.map(|column| input.field(column).data_type().clone());
            let accumulator = call.function.accumulator(argument.as_ref(), &call.output, leaving)?;
            Ok(Column { call: call.clone(), accumulator })
        };
        let columns = calls.iter().map(column).collect::<Result<_, RunError>>()?;
        let mut of_argument: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for (place, call) in calls.iter().enumerate().filter(|(_, call)| call.distinct) {
            call.argument.into_iter().for_each(|argument| of_argument.entry(argument).or_default().push(place));
        }
        let set = |(argument, columns): (usize, Vec<usize>)| {
            let value = input.field(argument).data_type().clone();
            let values = Distinct::new(value, columns.len(), leaving.is_as_whole())?;
            Ok(Set { argument, columns, values })
        };
        Ok(Self { columns, sets: of_argument.into_iter().map(set).collect::<Result<_, RunError>>()? })
    }

    /// There may be groups with numbers below `end` from now on.
    pub(in crate::operator) fn grow(&mut self, end: usize) {
        self.columns.iter_mut().for_each(|column| column.accumulator.grow(end));
    }

    /// Takes rows, each of a group, with their weights.
    pub(in crate::operator) fn update(
        &mut self,
        groups: &[u32],
        rows: &RecordBatch,
        weights: &[i64],
    ) -> Result<(), RunError> {
        for column in self.columns.iter_mut().filter(|column| !column.call.is_of_set()) {
            let argument = column.call.argument.map(|at| rows.column(at));
            column.accumulator.update(groups, argument, &column.call.counted(rows, weights)?)?;
        }
        for Set { argument, columns, values } in &mut self.sets {
            let argument = rows.column(*argument);
            let counted = |at: &usize| self.columns[*at].call.counted(rows, weights);
            let mut counted = columns.iter().map(counted).collect::<Result<Vec<_>, RunError>>()?;
            values.reduce(groups, argument, &mut counted)?;
            for (at, weights) in columns.iter().zip(&counted) {
                self.columns[*at].accumulator.update(groups, Some(argument), weights)?;
            }
        }
        Ok(())
    }

    /// What these groups come to.
    pub(in crate::operator) fn values(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, RunError> {
        self.columns.iter_mut().map(|column| column.accumulator.values(groups)).collect()
    }

    /// Two groups become one; the first is forgotten.
    pub(in crate::operator) fn merge(&mut self, from: u32, into: u32) -> Result<(), RunError> {
        for Column { accumulator, .. } in self.columns.iter_mut().filter(|column| !column.call.is_of_set()) {
            accumulator.merge(from, into)?;
        }
        for Set { columns, values, .. } in &mut self.sets {
            let (taken, mut weights) = values.take(from)?;
            let groups = vec![into; taken.len()];
            values.reduce(&groups, &taken, &mut weights)?;
            for (at, weights) in columns.iter().zip(&weights) {
                self.columns[*at].accumulator.update(&groups, Some(&taken), weights)?;
            }
        }
        self.columns.iter_mut().for_each(|column| column.accumulator.forget(from));
        Ok(())
    }

    /// The group is gone; its number may be another's next.
    pub(in crate::operator) fn forget(&mut self, group: u32) {
        self.columns.iter_mut().for_each(|column| column.accumulator.forget(group));
        self.sets.iter_mut().for_each(|set| set.values.forget(group));
    }

    /// Whether nothing is remembered of a group.
    pub(in crate::operator) const fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    pub(in crate::operator) fn size(&self) -> usize {
        let columns: usize = self.columns.iter().map(|column| column.accumulator.size()).sum();
        columns + self.sets.iter().map(|set| set.values.size()).sum::<usize>()
    }

    pub(in crate::operator) fn save(&self, to: &mut Writer) {
        self.columns.iter().for_each(|column| column.accumulator.save(to));
        self.sets.iter().for_each(|set| set.values.save(to));
    }

    /// Reads what was saved of as many groups as there are.
    pub(in crate::operator) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.columns.iter_mut().try_for_each(|column| column.accumulator.load(from))?;
        self.sets.iter_mut().try_for_each(|set| set.values.load(from))
    }
}
