//! [`LeftOut`]: rows of which an expression has no value, where their statement goes on without them.

use crate::{changes::Changes, dataflow::RunError, source::Undecoded};
use datafusion::arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    error::ArrowError,
};
use std::sync::Arc;

/// A row as it was when it was left out, and why it was.
#[derive(Debug)]
pub(crate) struct WithoutValue {
    pub(crate) row: RecordBatch,
    pub(crate) error: String,
}

/// Rows that were left out.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    what_becomes: Undecoded,
    /// Those that are kept, in the order in which they came.
    kept: Vec<WithoutValue>,
    /// How many came.
    count: u64,
    size: usize,
}

impl LeftOut {
    /// What becomes of such rows from now on.
    pub(crate) const fn set(&mut self, what_becomes: Undecoded) {
        self.what_becomes = what_becomes;
    }

    /// Bytes that are kept, about.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// How many rows were left out since the last call, and those that were kept.
    pub(crate) fn take(&mut self) -> (u64, Vec<WithoutValue>) {
        self.size = 0;
        (std::mem::take(&mut self.count), std::mem::take(&mut self.kept))
    }

    /// What is computed of rows, piece by piece, without those of which it cannot be.
    ///
    /// What has no value is found by halves: many rows with few such cost little more than one computation.
    pub(crate) fn computed(
        &mut self,
        changes: &Changes,
        compute: &dyn Fn(&Changes) -> Result<Changes, RunError>,
        out: &mut Vec<Changes>,
    ) -> Result<(), RunError> {
        match compute(changes) {
            Ok(computed) if computed.is_empty() => Ok(()),
            Ok(computed) => {
                out.push(computed);
                Ok(())
            }
            Err(error) if self.what_becomes == Undecoded::Fail || !error.is_of_rows() => Err(error),
            Err(error) if changes.len() < 2 => self.leave_out(changes, &error),
            Err(_) => {
                let half = changes.len() / 2;
                self.computed(&changes.slice(0, half), compute, out)?;
                self.computed(&changes.slice(half, changes.len() - half), compute, out)
            }
        }
    }

    /// A row that goes was left out when it came.
    fn leave_out(&mut self, changes: &Changes, error: &RunError) -> Result<(), RunError> {
        if changes.weight(0) < 1 {
            return Ok(());
        }
        self.count += 1;
        if self.what_becomes == Undecoded::Keep {
            let (row, error) = (copied(changes)?, error.to_string());
            self.size += row.get_array_memory_size() + error.len();
            self.kept.push(WithoutValue { row, error });
        }
        Ok(())
    }
}

/// The first row, without the others that lie beside it in memory.
fn copied(changes: &Changes) -> Result<RecordBatch, ArrowError> {
    let columns: Vec<ArrayRef> = changes.take(&[0])?;
    let options = RecordBatchOptions::new().with_row_count(Some(1));
    RecordBatch::try_new_with_options(Arc::clone(&changes.rows().schema()), columns, &options)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::{
        arrow::{
            array::{AsArray as _, Int64Array},
            datatypes::{DataType, Field, Int64Type, Schema},
        },
        error::DataFusionError,
    };

    #[test]
    fn only_rows_without_a_value_are_left_out() {
        let schema = Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]));
        let rows = RecordBatch::try_new(schema, vec![Arc::new(Int64Array::from_iter_values(0..100))]).unwrap();
        let weights = (0..100).map(|number| if number == 71 { -1 } else { 1 }).collect();
        let changes = Changes::weighted(rows, weights).unwrap();
        let numbers = |changes: &Changes| changes.rows().column(0).as_primitive::<Int64Type>().values().to_vec();
        let compute = |changes: &Changes| match numbers(changes).iter().any(|number| number % 10 == 1) {
            true => Err(RunError::Evaluate(DataFusionError::Execution("it ends with 1".to_owned()))),
            false => Ok(changes.clone()),
        };
        let (mut left_out, mut out) = (LeftOut::default(), Vec::new());
        assert!(left_out.computed(&changes, &compute, &mut out).is_err());
        left_out.set(Undecoded::Keep);
        left_out.computed(&changes, &compute, &mut out).unwrap();
        let computed: Vec<i64> = out.iter().flat_map(numbers).collect();
        assert_eq!(computed, (0..100).filter(|number| number % 10 != 1).collect::<Vec<_>>());
        assert!(left_out.size() > 0);
        let (count, kept) = left_out.take();
        let rows: Vec<i64> = kept.iter().flat_map(|it| numbers(&Changes::inserted(it.row.clone()))).collect();
        assert_eq!((count, rows), (9, vec![1, 11, 21, 31, 41, 51, 61, 81, 91]), "71 goes");
        assert!(kept.iter().all(|it| it.error.contains("ends with 1")));
        left_out.set(Undecoded::Skip);
        left_out.computed(&changes, &compute, &mut Vec::new()).unwrap();
        assert_eq!((left_out.size(), left_out.take().0), (0, 9));
        let broken = |_: &Changes| Err(RunError::SumTooLarge);
        assert!(left_out.computed(&changes, &broken, &mut out).is_err());
    }
}
