//! [`Consolidate`]: the net change of an epoch. What came and went within it is not seen.

use super::{
    Operator, Out, Stats, counted,
    describe::{Description, Memory},
};
use crate::{
    changes::Changes,
    dataflow::RunError,
    epoch::Time,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::{RowTable, index},
};
use datafusion::arrow::{array::RecordBatch, array::RecordBatchOptions, datatypes::SchemaRef};
use std::sync::Arc;

/// Sums up weights of equal rows until the epoch ends.
pub(crate) struct Consolidate {
    schema: SchemaRef,
    rows: RowTable,
    weights: Vec<i64>,
    rows_touched: u64,
}

impl Consolidate {
    pub(crate) fn new(schema: SchemaRef) -> Result<Self, RunError> {
        let rows = Self::table(&schema)?;
        Ok(Self { schema, rows, weights: Vec::new(), rows_touched: 0 })
    }

    fn table(schema: &SchemaRef) -> Result<RowTable, RunError> {
        Ok(RowTable::new(schema.fields().iter().map(|field| field.data_type().clone()))?)
    }
}

impl Operator for Consolidate {
    fn push(&mut self, _: usize, changes: &Changes, _: &mut Out) -> Result<(), RunError> {
        let rows = self.rows.encode(changes.rows().columns())?;
        self.rows_touched += counted(changes.len());
        for place in 0..changes.len() {
            let (id, added) = self.rows.find_or_add(rows.row(place));
            if added {
                debug_assert_eq!(index(id), self.weights.len(), "rows are only added within an epoch");
                self.weights.push(0);
            }
            self.weights[index(id)] += changes.weight(place);
        }
        Ok(())
    }

    fn end_epoch(&mut self, _: &Time, out: &mut Out) -> Result<(), RunError> {
        if self.rows.len() == 0 {
            return Ok(());
        }
        let rows = std::mem::replace(&mut self.rows, Self::table(&self.schema)?);
        let weights = std::mem::take(&mut self.weights);
        // What goes comes first: a row that replaces another follows it.
        let changed = |sign: i64| weights.iter().enumerate().filter(move |(_, weight)| weight.signum() == sign);
        let (ids, weights): (Vec<usize>, Vec<i64>) = changed(-1).chain(changed(1)).map(|(id, it)| (id, *it)).unzip();
        if ids.is_empty() {
            return Ok(());
        }
        let ids = ids.into_iter().map(|id| u32::try_from(id).expect("rows have small numbers"));
        let columns = rows.columns(ids)?;
        let options = RecordBatchOptions::new().with_row_count(Some(weights.len()));
        let batch = RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?;
        out.push(Changes::weighted(batch, weights)?);
        Ok(())
    }

    fn save(&self, _: &mut Writer) {}

    fn load(&mut self, _: &mut Reader<'_>) -> Result<(), SnapshotError> {
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats { state_bytes: self.rows.size(), rows_touched: self.rows_touched, late_rows: 0 }
    }

    fn describe(&self) -> Description {
        Description::new("Consolidate", Memory::Nothing)
    }
}
