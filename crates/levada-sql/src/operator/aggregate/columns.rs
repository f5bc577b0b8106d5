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
}

/// One call with what it remembers.
struct Column {
    call: Call,
    accumulator: Box<dyn Accumulator>,
    distinct: Option<Distinct>,
}

impl Columns {
    /// Of calls over rows of `input`.
    pub(in crate::operator) fn new(calls: &[Call], input: &SchemaRef, leaving: Leaving) -> Result<Self, RunError> {
        let column = |call: &Call| {
            let argument = call.argument.map(|column| input.field(column).data_type().clone());
            let accumulator = call.function.accumulator(argument.as_ref(), &call.output, leaving)?;
            let distinct = match (call.distinct, argument) {
                (true, Some(argument)) => Some(Distinct::new(argument, leaving.is_as_whole())?),
                _ => None,
            };
            Ok(Column { call: call.clone(), accumulator, distinct })
        };
        Ok(Self { columns: calls.iter().map(column).collect::<Result<_, RunError>>()? })
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
        for column in &mut self.columns {
            let argument = column.call.argument.map(|at| rows.column(at));
            let mut weights = weights.to_vec();
            let mut keep = |counts: &dyn Fn(usize) -> bool| {
                weights.iter_mut().enumerate().filter(|(place, _)| !counts(*place)).for_each(|(_, it)| *it = 0);
            };
            if let Some(filter) = column.call.filter {
                let filter = as_boolean_array(rows.column(filter))?;
                keep(&|place| filter.is_valid(place) && filter.value(place));
            }
            if let Some(argument) = argument.filter(|argument| argument.null_count() > 0) {
                keep(&|place| argument.is_valid(place));
            }
            if let (Some(distinct), Some(argument)) = (&mut column.distinct, argument) {
                distinct.reduce(groups, argument, &mut weights)?;
            }
            column.accumulator.update(groups, argument, &weights)?;
        }
        Ok(())
    }

    /// What these groups come to.
    pub(in crate::operator) fn values(&mut self, groups: &[u32]) -> Result<Vec<ArrayRef>, RunError> {
        self.columns.iter_mut().map(|column| column.accumulator.values(groups)).collect()
    }

    /// Two groups become one; the first is forgotten.
    pub(in crate::operator) fn merge(&mut self, from: u32, into: u32) -> Result<(), RunError> {
        for Column { accumulator, distinct, .. } in &mut self.columns {
            match distinct {
                None => accumulator.merge(from, into)?,
                Some(distinct) => {
                    let (values, mut weights) = distinct.take(from)?;
                    let groups = vec![into; weights.len()];
                    distinct.reduce(&groups, &values, &mut weights)?;
                    accumulator.update(&groups, Some(&values), &weights)?;
                }
            }
            accumulator.forget(from);
        }
        Ok(())
    }

    /// The group is gone; its number may be another's next.
    pub(in crate::operator) fn forget(&mut self, group: u32) {
        for column in &mut self.columns {
            column.accumulator.forget(group);
            if let Some(distinct) = &mut column.distinct {
                distinct.forget(group);
            }
        }
    }

    /// Whether nothing is remembered of a group.
    pub(in crate::operator) const fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    pub(in crate::operator) fn size(&self) -> usize {
        let of = |column: &Column| column.accumulator.size() + column.distinct.as_ref().map_or(0, Distinct::size);
        self.columns.iter().map(of).sum()
    }

    pub(in crate::operator) fn save(&self, to: &mut Writer) {
        for column in &self.columns {
            column.accumulator.save(to);
            if let Some(distinct) = &column.distinct {
                distinct.save(to);
            }
        }
    }

    /// Reads what was saved of as many groups as there are.
    pub(in crate::operator) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        for column in &mut self.columns {
            column.accumulator.load(from)?;
            if let Some(distinct) = &mut column.distinct {
                distinct.load(from)?;
            }
        }
        Ok(())
    }
}
