//! [`Changes`]: rows that come or go.

use datafusion::arrow::{
    array::{Array as _, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions, UInt32Array},
    compute::{filter_record_batch, take},
    datatypes::SchemaRef,
    error::ArrowError,
};

/// Rows, each with how often it comes or, below zero, goes. No weight is zero.
#[derive(Clone, Debug)]
pub struct Changes {
    rows: RecordBatch,
    /// `None`: each comes once.
    weights: Option<Vec<i64>>,
}

impl Changes {
    /// Rows that come, once each.
    #[must_use]
    pub const fn inserted(rows: RecordBatch) -> Self {
        Self { rows, weights: None }
    }

    /// Rows with their weights; those of weight zero are left out.
    ///
    /// # Errors
    /// Where there are not as many weights as rows.
    pub fn weighted(rows: RecordBatch, weights: Vec<i64>) -> Result<Self, ArrowError> {
        if weights.len() != rows.num_rows() {
            let (rows, weights) = (rows.num_rows(), weights.len());
            return Err(ArrowError::InvalidArgumentError(format!("{weights} weights for {rows} rows")));
        }
        if weights.iter().all(|&weight| weight == 1) {
            return Ok(Self::inserted(rows));
        }
        if weights.contains(&0) {
            let kept = BooleanArray::from_iter(weights.iter().map(|&weight| Some(weight != 0)));
            let rows = filter_record_batch(&rows, &kept)?;
            return Ok(Self { rows, weights: Some(weights.into_iter().filter(|&weight| weight != 0).collect()) });
        }
        Ok(Self { rows, weights: Some(weights) })
    }

    /// The rows.
    #[must_use]
    pub const fn rows(&self) -> &RecordBatch {
        &self.rows
    }

    /// The weights, where not all of them are one.
    #[must_use]
    pub fn weights(&self) -> Option<&[i64]> {
        self.weights.as_deref()
    }

    /// The weight of the row at `index`.
    #[must_use]
    pub fn weight(&self, index: usize) -> i64 {
        self.weights.as_ref().map_or(1, |weights| weights.get(index).copied().unwrap_or(0))
    }

    /// How many rows there are, whatever their weights.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.num_rows()
    }

    /// Whether nothing changes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.num_rows() == 0
    }

    /// Other columns of the same rows.
    ///
    /// # Errors
    /// Where the columns do not fit the schema or the rows.
    pub fn with_columns(&self, schema: SchemaRef, columns: Vec<ArrayRef>) -> Result<Self, ArrowError> {
        let options = RecordBatchOptions::new().with_row_count(Some(self.len()));
        let rows = RecordBatch::try_new_with_options(schema, columns, &options)?;
        Ok(Self { rows, weights: self.weights.clone() })
    }

    /// The rows for which `kept` is true; those for which it is null go, too.
    ///
    /// # Errors
    /// Where `kept` is of another length.
    pub fn filter(&self, kept: &BooleanArray) -> Result<Self, ArrowError> {
        if kept.null_count() == 0 && kept.true_count() == kept.len() {
            return Ok(self.clone());
        }
        let rows = filter_record_batch(&self.rows, kept)?;
        let is_kept = |index: usize| kept.is_valid(index) && kept.value(index);
        let weights = self.weights.as_ref();
        let weights = weights.map(|all| all.iter().enumerate().filter(|(index, _)| is_kept(*index)));
        Ok(Self { rows, weights: weights.map(|kept| kept.map(|(_, weight)| *weight).collect()) })
    }

    /// So many rows from a place on.
    pub(crate) fn slice(&self, from: usize, count: usize) -> Self {
        let weights = self.weights.as_ref();
        let weights = weights.map(|all| all.iter().skip(from).take(count).copied().collect());
        Self { rows: self.rows.slice(from, count), weights }
    }

    /// The columns of the rows at these places, in this order.
    ///
    /// # Errors
    /// Where there is no such place.
    pub fn take(&self, places: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let places = UInt32Array::from(places.to_vec());
        self.rows.columns().iter().map(|column| take(column, &places, None)).collect()
    }
}
