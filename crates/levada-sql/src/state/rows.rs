//! [`RowTable`]: distinct rows, each under a small number that it keeps while it is there.

use crate::snapshot::{Reader, SnapshotError, Writer};
use datafusion::arrow::{
    array::ArrayRef,
    datatypes::{DataType, SchemaRef},
    error::ArrowError,
    row::{Row, RowConverter, Rows, SortField},
};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher as _;

/// What an entry costs beside the row's bytes.
const ENTRY_SIZE: usize = 48;

/// Distinct rows of given types. Equal are rows whose columns are; null equals null, NaN equals NaN.
#[derive(Debug)]
pub(crate) struct RowTable {
    converter: RowConverter,
    hasher: DefaultHashBuilder,
    table: HashTable<Slot>,
    /// Each row as Arrow's row format has it; an empty place is on the list of the free.
    rows: Vec<Option<Box<[u8]>>>,
    free: Vec<u32>,
    bytes: usize,
}

/// A row's number. Beside it is its hash: a table that grows looks at no row, and one that is searched at few.
#[derive(Clone, Copy, Debug)]
struct Slot {
    hash: u64,
    id: u32,
}

/// Rows as they are looked up.
#[derive(Debug)]
pub(crate) struct Encoded {
    rows: Option<Rows>,
}

impl Encoded {
    /// The row at a place.
    pub(crate) fn row(&self, place: usize) -> &[u8] {
        self.rows.as_ref().map_or(&[], |rows| rows.row(place).data())
    }
}

impl RowTable {
    /// A table of rows with columns of these types.
    pub(crate) fn new(types: impl IntoIterator<Item = DataType>) -> Result<Self, ArrowError> {
        Ok(Self {
            converter: RowConverter::new(types.into_iter().map(SortField::new).collect())?,
            hasher: DefaultHashBuilder::default(),
            table: HashTable::new(),
            rows: Vec::new(),
            free: Vec::new(),
            bytes: 0,
        })
    }

    /// Columns as rows that can be looked up.
    pub(crate) fn encode(&self, columns: &[ArrayRef]) -> Result<Encoded, ArrowError> {
        // Of rows without columns the row format does not know how many there are.
        let rows = (!columns.is_empty()).then(|| self.converter.convert_columns(columns)).transpose()?;
        Ok(Encoded { rows })
    }

    /// The number of a row, if it is there.
    pub(crate) fn find(&self, row: &[u8]) -> Option<u32> {
        let (rows, hash) = (&self.rows, self.hasher.hash_one(row));
        self.table.find(hash, |slot| slot.hash == hash && bytes_at(rows, slot.id) == row).map(|slot| slot.id)
    }

    /// The number of a row, which is added where it is missing, and whether it was.
    pub(crate) fn find_or_add(&mut self, row: &[u8]) -> (u32, bool) {
        let hash = self.hasher.hash_one(row);
        let Self { table, rows, free, bytes, .. } = self;
        if let Some(slot) = table.find(hash, |slot| slot.hash == hash && bytes_at(rows, slot.id) == row) {
            return (slot.id, false);
        }
        let id = free.pop().unwrap_or_else(|| {
            rows.push(None);
            u32::try_from(rows.len() - 1).expect("memory ends before four thousand million rows")
        });
        rows[index(id)] = Some(row.into());
        *bytes += row.len() + ENTRY_SIZE;
        table.insert_unique(hash, Slot { hash, id }, |slot| slot.hash);
        (id, true)
    }

    /// Takes a row away; its number may be given to another.
    pub(crate) fn remove(&mut self, id: u32) {
        let Some(row) = self.rows.get_mut(index(id)).and_then(Option::take) else { return };
        let hash = self.hasher.hash_one(&*row);
        if let Ok(entry) = self.table.find_entry(hash, |slot| slot.id == id) {
            entry.remove();
        }
        self.bytes -= row.len() + ENTRY_SIZE;
        self.free.push(id);
    }

    /// The columns of these rows, one after the other.
    pub(crate) fn columns(&self, ids: impl IntoIterator<Item = u32>) -> Result<Vec<ArrayRef>, ArrowError> {
        let parser = self.converter.parser();
        let rows: Vec<Row<'_>> = ids.into_iter().map(|id| parser.parse(bytes_at(&self.rows, id))).collect();
        self.converter.convert_rows(rows)
    }

    /// One more than the largest number that was given.
    pub(crate) const fn end(&self) -> usize {
        self.rows.len()
    }

    /// How many rows there are.
    pub(crate) fn len(&self) -> usize {
        self.table.len()
    }

    /// The numbers of all rows that are there, ascending.
    pub(crate) fn ids(&self) -> impl Iterator<Item = u32> + '_ {
        let ids = self.rows.iter().enumerate().filter(|(_, row)| row.is_some());
        ids.map(|(index, _)| u32::try_from(index).expect("numbers are given below this bound"))
    }

    /// About how many bytes it takes.
    pub(crate) const fn size(&self) -> usize {
        self.bytes
    }

    /// Writes all rows with their numbers.
    pub(crate) fn save(&self, to: &mut Writer) {
        to.count(self.rows.len());
        for row in &self.rows {
            to.optional_bytes(row.as_deref());
        }
        to.count(self.free.len());
        self.free.iter().for_each(|id| to.u32(*id));
    }

    /// Reads what [`Self::save`] wrote.
    pub(crate) fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        let count = from.count()?;
        for _ in 0..count {
            let row = from.optional_bytes()?;
            let id = u32::try_from(self.rows.len()).map_err(|_| SnapshotError::Malformed)?;
            self.rows.push(row.map(Into::into));
            if let Some(row) = row {
                let Self { hasher, table, bytes, .. } = self;
                let hash = hasher.hash_one(row);
                table.insert_unique(hash, Slot { hash, id }, |slot| slot.hash);
                *bytes += row.len() + ENTRY_SIZE;
            }
        }
        for _ in 0..from.count()? {
            let id = from.u32()?;
            if self.rows.get(index(id)).is_none_or(Option::is_some) {
                return Err(SnapshotError::Malformed);
            }
            self.free.push(id);
        }
        Ok(())
    }
}

fn bytes_at(rows: &[Option<Box<[u8]>>], id: u32) -> &[u8] {
    rows.get(index(id)).and_then(Option::as_deref).unwrap_or_default()
}

/// What makes rows of a schema's columns, and columns of rows.
pub(crate) fn converter(schema: &SchemaRef) -> Result<RowConverter, ArrowError> {
    RowConverter::new(schema.fields().iter().map(|field| SortField::new(field.data_type().clone())).collect())
}

/// The columns of rows that a converter made.
pub(crate) fn columns<'a>(
    converter: &RowConverter,
    rows: impl Iterator<Item = &'a [u8]>,
) -> Result<Vec<ArrayRef>, ArrowError> {
    let parser = converter.parser();
    converter.convert_rows(rows.map(|row| parser.parse(row)))
}

/// A row's number as an index.
pub(crate) fn index(id: u32) -> usize {
    usize::try_from(id).expect("an address has 32 bits at least")
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::array::{Int64Array, StringArray};
    use std::sync::Arc;

    #[test]
    fn a_row_keeps_its_number_until_it_goes() {
        let mut table = RowTable::new([DataType::Int64, DataType::Utf8]).unwrap();
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(vec![Some(1), None, Some(1)])),
            Arc::new(StringArray::from(vec![Some("a"), None, Some("a")])),
        ];
        let rows = table.encode(&columns).unwrap();
        let ids: Vec<_> = (0..3).map(|place| table.find_or_add(rows.row(place))).collect();
        assert_eq!(ids, [(0, true), (1, true), (0, false)]);
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![None, Some(1)]));
        assert_eq!(&table.columns([1, 0]).unwrap()[0], &numbers);
        table.remove(0);
        assert_eq!((table.find(rows.row(0)), table.len()), (None, 1));
        let mut saved = Writer::default();
        table.save(&mut saved);
        let bytes = saved.finish();
        let mut loaded = RowTable::new([DataType::Int64, DataType::Utf8]).unwrap();
        loaded.load(&mut Reader::open(&bytes).unwrap()).unwrap();
        assert_eq!((loaded.find(rows.row(1)), loaded.size()), (Some(1), table.size()));
        assert_eq!(loaded.find_or_add(rows.row(0)), (0, true));
    }
}
