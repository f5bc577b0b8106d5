//! [`Late`]: rows that came when the watermark had passed what they would have been part of.

use crate::{
    changes::Changes,
    dataflow::RunError,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::index,
};
use datafusion::arrow::array::{RecordBatch, RecordBatchOptions};
use levada_model::Timestamp;
use std::{collections::BTreeSet, sync::Arc};

/// Rows that came late, as far as they were computed.
#[derive(Debug)]
pub(crate) struct LateRows {
    pub(crate) rows: RecordBatch,
    /// How often each of them came.
    pub(crate) copies: Vec<u64>,
    /// What the watermark was.
    pub(crate) watermark: Timestamp,
}

/// More than any statement may remember, and little enough to be added up.
const SIZE_MAX: usize = 1 << 48;

/// Late rows of an operator: how many there were, and, where they are kept, those since they were taken last.
#[derive(Debug, Default)]
pub(crate) struct Late {
    count: u64,
    is_kept: bool,
    kept: Vec<LateRows>,
    size: usize,
}

impl Late {
    /// How many there were since the statement was created.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Bytes that are kept, about.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// Whether they are kept from now on.
    pub(crate) const fn keep(&mut self, is_kept: bool) {
        self.is_kept = is_kept;
    }

    /// Those that were kept since the last call.
    pub(crate) fn take(&mut self) -> Vec<LateRows> {
        self.size = 0;
        std::mem::take(&mut self.kept)
    }

    /// Takes in the rows at these places, each as often as its weight says, of which the first columns are the row's
    /// own. One that goes is only counted.
    pub(crate) fn add(
        &mut self,
        changes: &Changes,
        places: &[u32],
        column_count: usize,
        watermark: Option<Timestamp>,
    ) -> Result<(), RunError> {
        let weight = |place: &u32| changes.weight(index(*place));
        let all = |sum: u64, place| weight(place).unsigned_abs().saturating_add(sum);
        self.count = places.iter().fold(self.count, all);
        let (true, Some(watermark)) = (self.is_kept, watermark) else { return Ok(()) };
        let places: Vec<u32> = places.iter().copied().filter(|place| weight(place) > 0).collect();
        if places.is_empty() {
            return Ok(());
        }
        // What is asked for twice is shown once.
        let (schema, mut names) = (changes.rows().schema(), BTreeSet::new());
        let is_shown = |column: &usize| names.insert(schema.field(*column).name());
        let shown: Vec<usize> = (0..column_count.min(schema.fields().len())).filter(is_shown).collect();
        let all = changes.take(&places)?;
        let columns = shown.iter().map(|column| Arc::clone(&all[*column])).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(places.len()));
        let rows = RecordBatch::try_new_with_options(Arc::new(schema.project(&shown)?), columns, &options)?;
        let copies: Vec<u64> = places.iter().map(|place| weight(place).unsigned_abs()).collect();
        // What they take once they are written: that they are too many is to be seen before.
        let count = copies.iter().try_fold(0, |sum: usize, of| sum.checked_add(usize::try_from(*of).ok()?));
        let row_size = rows.get_array_memory_size().div_ceil(places.len());
        let size = count.unwrap_or(SIZE_MAX).saturating_mul(row_size);
        self.size = self.size.saturating_add(size).min(SIZE_MAX);
        self.kept.push(LateRows { rows, copies, watermark });
        Ok(())
    }

    pub(crate) fn save(&self, to: &mut Writer) {
        to.u64(self.count);
    }

    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.count = from.u64()?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::{
        array::Int64Array,
        datatypes::{DataType, Field, Schema},
    };

    #[test]
    fn late_rows_that_come_are_kept_where_they_are_to_be() {
        let fields = ["a", "a", "b"].map(|name| Field::new(name, DataType::Int64, false));
        let column = || Arc::new(Int64Array::from_iter_values(0..4)) as _;
        let schema = Arc::new(Schema::new(fields.to_vec()));
        let rows = RecordBatch::try_new(schema, vec![column(), column(), column()]).unwrap();
        let changes = Changes::weighted(rows, vec![1, -1, 2, 1]).unwrap();
        let mut late = Late::default();
        late.add(&changes, &[0, 1], 3, Some(7)).unwrap();
        assert_eq!((late.count(), late.take().len(), late.size()), (2, 0, 0));
        late.keep(true);
        late.add(&changes, &[1, 2, 3], 2, Some(7)).unwrap();
        late.add(&changes, &[1], 3, Some(7)).unwrap();
        assert!(late.size() > 0);
        let kept = late.take();
        assert_eq!((late.count(), kept.len(), late.size()), (7, 1, 0));
        assert_eq!((kept[0].rows.num_rows(), kept[0].rows.num_columns(), kept[0].watermark), (2, 1, 7));
        assert_eq!(kept[0].copies, [2, 1]);
        let all = Changes::weighted(changes.rows().clone(), vec![i64::MAX; 4]).unwrap();
        late.add(&all, &[0, 1, 2, 3], 3, Some(7)).unwrap();
        assert_eq!((late.count(), late.size()), (u64::MAX, SIZE_MAX), "they are seen to be too many");
    }
}
