//! [`Gather`]: a [`Decoder`] of anything that reads one record into columns.

use super::column::Column;
use super::error::{DecodeError, FormatError, Problem};
use super::{Columns, Decoded, Decoder};
use arrow::array::ArrayRef;
use arrow::error::ArrowError;

/// Reads one record.
pub(super) trait Reader: Send {
    /// Appends one row to `columns`, each of which has `row` values before; or fails, whatever was appended.
    fn read(&mut self, bytes: Option<&[u8]>, columns: &mut [Column], row: usize) -> Result<Decoded, Box<DecodeError>>;
}

/// What becomes of a record that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OnError {
    Fail,
    Skip,
}

/// A decoder by a reader.
pub(super) struct Gather<R> {
    reader: R,
    on_error: OnError,
    columns: Vec<Column>,
    is_nullable: Vec<bool>,
    rows: usize,
}

impl<R: Reader> Gather<R> {
    pub(super) fn new(reader: R, on_error: OnError, columns: &Columns) -> Result<Self, FormatError> {
        let wanted = || columns.wanted.iter().filter_map(|index| columns.fields.get(*index));
        Ok(Self {
            reader,
            on_error,
            columns: wanted().map(Column::new).collect::<Result<_, _>>()?,
            is_nullable: wanted().map(|field| field.is_nullable()).collect(),
            rows: 0,
        })
    }
}

impl<R: Reader> Decoder for Gather<R> {
    fn decode(&mut self, bytes: Option<&[u8]>) -> Result<Decoded, DecodeError> {
        match self.reader.read(bytes, &mut self.columns, self.rows) {
            Ok(Decoded::Row) => {
                self.rows += 1;
                Ok(Decoded::Row)
            }
            Ok(Decoded::Skipped) => Ok(Decoded::Skipped),
            Err(error) => {
                let rows = self.rows;
                self.columns.iter_mut().for_each(|column| column.truncate(rows));
                let is_ours = matches!(error.problem, Problem::Full | Problem::Layout);
                if self.on_error == OnError::Skip && !is_ours { Ok(Decoded::Skipped) } else { Err(*error) }
            }
        }
    }

    fn blank(&mut self) {
        for (column, is_nullable) in self.columns.iter_mut().zip(&self.is_nullable) {
            if *is_nullable { column.push_null() } else { column.push_zero() }
        }
        self.rows += 1;
    }

    fn len(&self) -> usize {
        self.rows
    }

    fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError> {
        self.rows = 0;
        self.columns.iter_mut().map(Column::finish).collect()
    }
}
