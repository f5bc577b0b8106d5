//! What aggregate functions remember of each group.
//!
//! All of them can take a value back, and two groups can become one: counts and sums subtract and add, sums of floating
//! point numbers are exact, and least and greatest keep every value with how often it is there. Where no value goes
//! alone, they keep one.

mod best;
mod extreme;
mod sum;

use super::Leaving;
use crate::{
    dataflow::RunError,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::index,
};
use best::Best;
use datafusion::arrow::{
    array::{ArrayRef, Int64Array},
    datatypes::DataType,
};
use extreme::{Extreme, Which};
use std::sync::Arc;

/// An aggregate function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Function {
    Count,
    Sum,
    Avg,
    Min,
    Max,
}

/// One function's memory of all groups. A weight of zero means: nothing.
pub(super) trait Accumulator: Send {
    /// There may be groups with numbers below `end` from now on.
    fn grow(&mut self, end: usize);

    /// Takes values, each of a group, with their weights.
    fn update(&mut self, groups: &[u32], values: Option<&ArrayRef>, weights: &[i64]) -> Result<(), RunError>;

    /// What these groups come to.
    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef, RunError>;

    /// Adds what a group has to another's; the first is forgotten next.
    fn merge(&mut self, from: u32, into: u32) -> Result<(), RunError>;

    /// The group is gone; its number may be another's next.
    fn forget(&mut self, group: u32);

    fn size(&self) -> usize;

    fn save(&self, to: &mut Writer);

    /// Reads what was saved of as many groups as there are.
    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError>;
}

impl Function {
    /// Its name in SQL.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Count => "COUNT",
            Self::Sum => "SUM",
            Self::Avg => "AVG",
            Self::Min => "MIN",
            Self::Max => "MAX",
        }
    }

    /// Its memory for arguments of a type.
    pub(super) fn accumulator(
        self,
        argument: Option<&DataType>,
        output: &DataType,
        leaving: Leaving,
    ) -> Result<Box<dyn Accumulator>, RunError> {
        let missing = || RunError::Internal(format!("{self:?} has no argument"));
        let extreme = |which: Which| -> Result<Box<dyn Accumulator>, RunError> {
            let value = argument.ok_or_else(missing)?.clone();
            Ok(match leaving.is_one_by_one() {
                true => Box::new(Extreme::new(value, which)?),
                false => Box::new(Best::new(value, which)?),
            })
        };
        Ok(match self {
            Self::Count => Box::new(Count::default()),
            Self::Sum => sum::accumulator(argument.ok_or_else(missing)?, output, sum::Shown::Sum)?,
            Self::Avg => sum::accumulator(argument.ok_or_else(missing)?, output, sum::Shown::Average)?,
            Self::Min => extreme(Which::Least)?,
            Self::Max => extreme(Which::Greatest)?,
        })
    }
}

/// How many.
#[derive(Default)]
struct Count {
    counts: Vec<i64>,
}

impl Accumulator for Count {
    fn grow(&mut self, end: usize) {
        self.counts.resize(end, 0);
    }

    fn update(&mut self, groups: &[u32], _: Option<&ArrayRef>, weights: &[i64]) -> Result<(), RunError> {
        for (group, weight) in groups.iter().zip(weights) {
            self.counts[index(*group)] += weight;
        }
        Ok(())
    }

    fn values(&mut self, groups: &[u32]) -> Result<ArrayRef, RunError> {
        let counts = groups.iter().map(|group| self.counts[index(*group)]);
        Ok(Arc::new(Int64Array::from_iter_values(counts)))
    }

    fn merge(&mut self, from: u32, into: u32) -> Result<(), RunError> {
        self.counts[index(into)] += self.counts[index(from)];
        Ok(())
    }

    fn forget(&mut self, group: u32) {
        self.counts[index(group)] = 0;
    }

    fn size(&self) -> usize {
        self.counts.len() * size_of::<i64>()
    }

    fn save(&self, to: &mut Writer) {
        self.counts.iter().for_each(|count| to.i64(*count));
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.counts.iter_mut().try_for_each(|count| from.i64().map(|read| *count = read))
    }
}
