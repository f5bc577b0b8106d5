//! [`Upsert`]: a table of which the last row of each key counts, as rows that come and go.

use super::{
    Operator, Out, Stats, counted,
    describe::{Description, Memory, listed, name},
};
use crate::{
    changes::Changes,
    dataflow::RunError,
    snapshot::{Reader, SnapshotError, Writer},
    state::rows::{RowTable, index},
};
use datafusion::arrow::{
    array::{ArrayRef, RecordBatch},
    datatypes::SchemaRef,
    row::{RowConverter, SortField},
};
use std::sync::Arc;

/// Takes rows in their order: with weight 1 one that replaces what its key had, with weight −1 the end of its key.
pub(crate) struct Upsert {
    schema: SchemaRef,
    key: Vec<usize>,
    keys: RowTable,
    /// Of each key: its row, as Arrow's row format has it.
    rows: Vec<Option<Box<[u8]>>>,
    converter: RowConverter,
    row_bytes: usize,
    rows_touched: u64,
}

impl Upsert {
    pub(crate) fn new(schema: SchemaRef, key: Vec<usize>) -> Result<Self, RunError> {
        let types = |at: &usize| schema.field(*at).data_type().clone();
        let keys = RowTable::new(key.iter().map(types))?;
        let fields = schema.fields().iter().map(|field| SortField::new(field.data_type().clone()));
        let converter = RowConverter::new(fields.collect())?;
        Ok(Self { schema, key, keys, rows: Vec::new(), converter, row_bytes: 0, rows_touched: 0 })
    }

    /// Takes the row that a key had.
    fn take(&mut self, key: u32) -> Option<Box<[u8]>> {
        let row = self.rows.get_mut(index(key)).and_then(Option::take);
        self.row_bytes -= row.as_ref().map_or(0, |row| row.len());
        row
    }

    fn put(&mut self, key: u32, row: &[u8]) {
        self.rows.resize(self.keys.end().max(self.rows.len()), None);
        self.rows[index(key)] = Some(row.into());
        self.row_bytes += row.len();
    }
}

impl Operator for Upsert {
    fn push(&mut self, _: usize, changes: &Changes, out: &mut Out) -> Result<(), RunError> {
        let columns: Vec<ArrayRef> = self.key.iter().map(|at| Arc::clone(changes.rows().column(*at))).collect();
        let keys = self.keys.encode(&columns)?;
        let rows = self.converter.convert_columns(changes.rows().columns())?;
        self.rows_touched += counted(changes.len());
        let (mut shown, mut weights): (Vec<Box<[u8]>>, Vec<i64>) = (Vec::new(), Vec::new());
        for (place, row) in rows.iter().enumerate() {
            let is_end = changes.weight(place) < 0;
            let known = self.keys.find(keys.row(place));
            if let Some(before) = known.and_then(|key| self.take(key)) {
                shown.push(before);
                weights.push(-1);
            }
            match known {
                Some(key) if is_end => self.keys.remove(key),
                _ if is_end => {}
                _ => {
                    let (key, _) = self.keys.find_or_add(keys.row(place));
                    self.put(key, row.data());
                    shown.push(row.data().into());
                    weights.push(1);
                }
            }
        }
        if shown.is_empty() {
            return Ok(());
        }
        let parser = self.converter.parser();
        let columns = self.converter.convert_rows(shown.iter().map(|row| parser.parse(row)))?;
        let rows = RecordBatch::try_new(Arc::clone(&self.schema), columns)?;
        out.push(Changes::weighted(rows, weights)?);
        Ok(())
    }

    fn save(&self, to: &mut Writer) {
        self.keys.save(to);
        for key in self.keys.ids() {
            to.bytes(self.rows[index(key)].as_deref().unwrap_or_default());
        }
    }

    fn load(&mut self, from: &mut Reader<'_>) -> Result<(), SnapshotError> {
        self.keys.load(from)?;
        for key in self.keys.ids().collect::<Vec<_>>() {
            let row = from.bytes()?;
            self.put(key, row);
        }
        Ok(())
    }

    fn stats(&self) -> Stats {
        Stats { state_bytes: self.keys.size() + self.row_bytes, rows_touched: self.rows_touched, late_rows: 0 }
    }

    fn describe(&self) -> Description {
        let keys: Vec<String> = self.key.iter().map(|at| name(&self.schema, *at)).collect();
        let memory = Memory::Unbounded(format!("the last row of each {}", listed(&keys)));
        Description::new("ChangelogNormalize", memory).with("key", keys)
    }
}
