//! The tables of `pg_catalog` and `information_schema` that clients read, filled with what there is.

mod rows;
mod specs;

use super::{Facts, PgError, ROWS_AT_ONCE};
use datafusion::{
    arrow::{
        array::{ArrayRef, BooleanArray, Float32Array, Int64Array, RecordBatch, StringArray},
        datatypes::{DataType, Field, Schema},
    },
    catalog::{MemTable, MemorySchemaProvider, SchemaProvider as _},
};
use std::sync::Arc;

/// A value of a row.
#[derive(Clone, Debug)]
pub(super) enum Datum {
    Int(i64),
    Float(f32),
    Text(String),
    Bool(bool),
}

impl From<i64> for Datum {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl From<u32> for Datum {
    fn from(value: u32) -> Self {
        Self::Int(i64::from(value))
    }
}

impl From<bool> for Datum {
    fn from(value: bool) -> Self {
        Self::Bool(value)
    }
}

impl From<&str> for Datum {
    fn from(value: &str) -> Self {
        Self::Text(value.to_owned())
    }
}

impl From<String> for Datum {
    fn from(value: String) -> Self {
        Self::Text(value)
    }
}

/// A row: what is not named is what its column is where nothing is said.
pub(super) type Row = Vec<(&'static str, Datum)>;

/// The tables of `pg_catalog`, then those of `information_schema`.
pub(super) fn schemas(facts: &Facts) -> Result<[MemorySchemaProvider; 2], PgError> {
    let schemas = [MemorySchemaProvider::new(), MemorySchemaProvider::new()];
    let described = [(specs::PG_CATALOG, &schemas[0]), (specs::INFORMATION_SCHEMA, &schemas[1])];
    for (specs, schema) in described {
        for spec in specs {
            let (name, columns) = spec.split_once(':').unwrap_or((spec, ""));
            let table = table(columns, &rows::of(name, facts))?;
            schema.register_table(name.to_owned(), Arc::new(table))?;
        }
    }
    Ok(schemas)
}

/// Whether clients read a table of this name.
pub(super) fn has_table(name: &str) -> bool {
    specs::PG_CATALOG.iter().any(|spec| spec.split_once(':').is_some_and(|(known, _)| known == name))
}

/// Whether a table has such a column.
pub(super) fn has_column(table: &str, column: &str) -> bool {
    let mut specs = specs::PG_CATALOG.iter().chain(specs::INFORMATION_SCHEMA).filter_map(|spec| spec.split_once(':'));
    let found = specs.find(|(known, _)| *known == table);
    found.is_some_and(|(_, columns)| {
        columns.split_whitespace().any(|known| known.split_once('/').is_some_and(|(known, _)| known == column))
    })
}

/// Whether a table never has a row here.
pub(super) fn is_always_empty(name: &str) -> bool {
    has_table(name) && !rows::FILLED.contains(&name)
}

/// A table of columns as they are described: `name letter`, where the letter is `i`nteger, `f`loat, `t`ext or
/// `b`oolean; in capitals it is NULL where nothing is said, otherwise 0, empty or false.
fn table(columns: &str, rows: &[Row]) -> Result<MemTable, PgError> {
    let first = batch(columns, rows.get(..ROWS_AT_ONCE).unwrap_or(rows))?;
    let schema = first.schema();
    let more = rows.chunks(ROWS_AT_ONCE).skip(1).map(|rows| batch(columns, rows));
    let batches = std::iter::once(Ok(first)).chain(more).collect::<Result<Vec<_>, PgError>>()?;
    MemTable::try_new(schema, vec![batches])
}

/// So many rows of a table.
fn batch(columns: &str, rows: &[Row]) -> Result<RecordBatch, PgError> {
    let mut fields = Vec::new();
    let mut arrays: Vec<ArrayRef> = Vec::new();
    for column in columns.split_whitespace() {
        let (name, kind) = column.rsplit_once('/').unwrap_or((column, "T"));
        let cells = || rows.iter().map(|row| row.iter().find(|(named, _)| *named == name).map(|(_, datum)| datum));
        let is_null = kind.chars().all(char::is_uppercase);
        let array: ArrayRef = match kind.to_ascii_lowercase().as_str() {
            "i" => Arc::new(Int64Array::from_iter(cells().map(|cell| match cell {
                Some(Datum::Int(value)) => Some(*value),
                _ => (!is_null).then_some(0),
            }))),
            "f" => Arc::new(Float32Array::from_iter(cells().map(|cell| match cell {
                Some(Datum::Float(value)) => Some(*value),
                _ => (!is_null).then_some(0.0),
            }))),
            "b" => Arc::new(BooleanArray::from_iter(cells().map(|cell| match cell {
                Some(Datum::Bool(value)) => Some(*value),
                _ => (!is_null).then_some(false),
            }))),
            _ => Arc::new(StringArray::from_iter(cells().map(|cell| match cell {
                Some(Datum::Text(value)) => Some(value.as_str()),
                _ => (!is_null).then_some(""),
            }))),
        };
        let data_type: DataType = array.data_type().clone();
        fields.push(Field::new(name, data_type, true));
        arrays.push(array);
    }
    Ok(RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg_catalog::Catalog;

    #[test]
    fn tables_that_are_said_to_be_empty_are() {
        let facts = Facts::of(&Catalog::default());
        for spec in specs::PG_CATALOG.iter().chain(specs::INFORMATION_SCHEMA) {
            let (name, columns) = spec.split_once(':').unwrap();
            assert!(rows::FILLED.contains(&name) || rows::of(name, &facts).is_empty(), "{name}");
            let rows = rows::of(name, &facts);
            let known: Vec<&str> = columns.split_whitespace().map(|it| it.rsplit_once('/').unwrap().0).collect();
            let unknown = rows.iter().flatten().find(|(column, _)| !known.contains(column));
            assert!(unknown.is_none(), "{name}: {unknown:?}");
        }
    }
}
