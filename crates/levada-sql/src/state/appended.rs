//! [`Appended`]: rows that only come, in columns as they came, each under the number of those before it.

use super::rows::{columns, converter};
use crate::snapshot::{Reader, SnapshotError, Writer};
use datafusion::arrow::{
    array::{Array as _, ArrayRef, UInt32Array, new_empty_array},
    compute::{concat, interleave, take},
    datatypes::SchemaRef,
    error::ArrowError,
    row::RowConverter,
};

/// Chunks up to this many rows are put together with those behind them.
const CHUNK_ROWS: usize = 8_192;

/// See the module.
pub(crate) struct Appended {
    schema: SchemaRef,
    converter: RowConverter,
    chunks: Vec<Chunk>,
    len: u32,
    bytes: usize,
}

/// Some rows that came one after the other.
struct Chunk {
    /// The number of its first row.
    first: u32,
    len: usize,
    columns: Vec<ArrayRef>,
    size: usize,
}

impl Chunk {
    fn new(first: u32, len: usize, columns: Vec<ArrayRef>) -> Self {
        let size = columns.iter().map(|column| column.get_array_memory_size()).sum();
        Self { first, len, columns, size }
    }
}

impl Appended {
    pub(crate) fn new(schema: &SchemaRef) -> Result<Self, ArrowError> {
        let converter = converter(schema)?;
        Ok(Self { schema: SchemaRef::clone(schema), converter, chunks: Vec::new(), len: 0, bytes: 0 })
    }

    /// How many rows there are.
    pub(crate) const fn len(&self) -> u32 {
        self.len
    }

    /// Takes rows; they are kept where they lie, unless much more would be kept with them. Answers the first one's
    /// number.
    pub(crate) fn push(&mut self, columns: &[ArrayRef], count: usize) -> Result<u32, ArrowError> {
        let first = self.len;
        if count > 0 {
            let columns = columns.iter().map(tight).collect::<Result<_, _>>()?;
            self.add(count, columns);
            self.settle()?;
        }
        Ok(first)
    }

    fn add(&mut self, count: usize, columns: Vec<ArrayRef>) {
        let chunk = Chunk::new(self.len, count, columns);
        self.bytes += chunk.size;
        self.chunks.push(chunk);
        self.len += u32::try_from(count).expect("memory ends before four thousand million rows");
    }

    /// Puts the last chunks together while the one before is no larger: there are few small ones, and a row is copied a
    /// few times at most.
    fn settle(&mut self) -> Result<(), ArrowError> {
        while let [.., before, last] = self.chunks.as_slice()
            && before.len <= last.len
            && before.len + last.len <= CHUNK_ROWS
        {
            let both = before.columns.iter().zip(&last.columns);
            let columns = both.map(|(before, last)| concat(&[before, last])).collect::<Result<_, _>>()?;
            let merged = Chunk::new(before.first, before.len + last.len, columns);
            self.bytes = self.bytes + merged.size - before.size - last.size;
            self.chunks.truncate(self.chunks.len() - 2);
            self.chunks.push(merged);
        }
        Ok(())
    }

    /// The columns of the rows with these numbers, one after the other.
    pub(crate) fn columns(&self, ids: &[u32]) -> Result<Vec<ArrayRef>, ArrowError> {
        let chunk_of = |id: &u32| self.chunks.partition_point(|chunk| chunk.first <= *id) - 1;
        let of: Vec<usize> = ids.iter().map(chunk_of).collect();
        let mut used = of.clone();
        used.sort_unstable();
        used.dedup();
        let within = |(id, chunk): (&u32, &usize)| id - self.chunks[*chunk].first;
        match used.as_slice() {
            [] => Ok(self.schema.fields().iter().map(|field| new_empty_array(field.data_type())).collect()),
            [chunk] => {
                let places = UInt32Array::from_iter_values(ids.iter().zip(&of).map(within));
                self.chunks[*chunk].columns.iter().map(|column| take(column, &places, None)).collect()
            }
            _ => {
                let local = |chunk: &usize| used.partition_point(|used| used < chunk);
                let place = |row: (&u32, &usize)| (local(row.1), super::rows::index(within(row)));
                let places: Vec<(usize, usize)> = ids.iter().zip(&of).map(place).collect();
                let column = |at: usize| {
                    let all: Vec<_> = used.iter().map(|chunk| self.chunks[*chunk].columns[at].as_ref()).collect();
                    interleave(&all, &places)
                };
                (0..self.schema.fields().len()).map(column).collect()
            }
        }
    }

    /// About how many bytes it takes.
    pub(crate) const fn size(&self) -> usize {
        self.bytes
    }

    /// Writes all rows.
    pub(crate) fn save(&self, to: &mut Writer) {
        to.u32(self.len);
        if self.schema.fields().is_empty() {
            return;
        }
        for chunk in &self.chunks {
            let rows = self.converter.convert_columns(&chunk.columns).expect("columns are those of the schema");
            rows.iter().for_each(|row| to.bytes(row.data()));
        }
    }

    /// Reads what [`Self::save`] wrote.
    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let mut left = super::rows::index(from.u32()?);
        if self.schema.fields().is_empty() {
            self.add(left, Vec::new());
            return Ok(());
        }
        while left > 0 {
            let count = left.min(CHUNK_ROWS);
            let rows = (0..count).map(|_| from.bytes()).collect::<Result<Vec<_>, _>>()?;
            let read = columns(&self.converter, rows.into_iter()).map_err(|_| SnapshotError::Malformed)?;
            self.add(count, read);
            left -= count;
        }
        Ok(())
    }
}

/// A column without much memory that is not its own.
fn tight(column: &ArrayRef) -> Result<ArrayRef, ArrowError> {
    let own = column.to_data().get_slice_memory_size()?;
    if column.get_buffer_memory_size() <= 2 * own {
        return Ok(ArrayRef::clone(column));
    }
    let all = UInt32Array::from_iter_values((0..).take(column.len()));
    take(column, &all, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::{
        array::{AsArray as _, Int64Array, StringArray},
        datatypes::{DataType, Field, Int64Type, Schema},
    };
    use std::sync::Arc;

    fn schema() -> SchemaRef {
        let fields = [("id", DataType::Int64), ("name", DataType::Utf8)];
        Arc::new(Schema::new(fields.map(|(name, of)| Field::new(name, of, true)).to_vec()))
    }

    fn batch(from: i64, to: i64) -> Vec<ArrayRef> {
        let ids = Int64Array::from_iter((from..to).map(|id| (id % 5 != 0).then_some(id)));
        let names = StringArray::from_iter_values((from..to).map(|id| format!("name {id}")));
        vec![Arc::new(ids), Arc::new(names)]
    }

    fn shown(appended: &Appended, ids: &[u32]) -> Vec<(Option<i64>, String)> {
        let columns = appended.columns(ids).unwrap();
        let (ids, names) = (columns[0].as_primitive::<Int64Type>(), columns[1].as_string::<i32>());
        ids.iter().zip(names.iter().map(|name| name.unwrap().to_owned())).collect()
    }

    #[test]
    fn rows_are_found_again_however_they_came() {
        let mut appended = Appended::new(&schema()).unwrap();
        let mut next = 0;
        for count in [1, 1, 3, 2, 1, 9_000, 1, 5, 4_000, 1, 0, 2] {
            assert_eq!(
                appended.push(&batch(next, next + count), usize::try_from(count).unwrap()).unwrap(),
                u32::try_from(next).unwrap()
            );
            next += count;
        }
        for id in 0..300 {
            appended.push(&batch(next + id, next + id + 1), 1).unwrap();
        }
        let last = appended.len() - 1;
        assert!(appended.chunks.len() < 16, "{} chunks", appended.chunks.len());
        let ids = [last, 0, 4_711, 5, last - 3, 0, 9_010];
        let expected = |id: &u32| ((!id.is_multiple_of(5)).then_some(i64::from(*id)), format!("name {id}"));
        assert_eq!(shown(&appended, &ids), ids.iter().map(expected).collect::<Vec<_>>());
        assert_eq!((shown(&appended, &[7]), shown(&appended, &[])), (vec![expected(&7)], vec![]));
        let mut saved = Writer::default();
        appended.save(&mut saved);
        let bytes = saved.finish();
        let (mut loaded, mut reader) = (Appended::new(&schema()).unwrap(), Reader::open(&bytes).unwrap());
        loaded.load(&mut reader).unwrap();
        reader.end().unwrap();
        assert_eq!((loaded.len(), shown(&loaded, &ids)), (appended.len(), shown(&appended, &ids)));
    }

    #[test]
    fn a_small_part_of_a_large_column_keeps_no_more_than_itself() {
        let mut appended = Appended::new(&schema()).unwrap();
        let large = batch(0, 100_000);
        let part: Vec<ArrayRef> = large.iter().map(|column| column.slice(500, 10)).collect();
        appended.push(&part, 10).unwrap();
        assert!(appended.size() < 4_000, "{} bytes", appended.size());
        assert_eq!(shown(&appended, &[1]), [(Some(501), "name 501".to_owned())]);
    }
}
