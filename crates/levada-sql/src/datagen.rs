//! [`DataGen`]: rows that are made up, by the rules of Flink's `datagen` connector.
//!
//! Row *n* of a table is always the same: its values are computed from *n* and the columns' names. Only times, which
//! lie before the moment at which a row comes, depend on that moment.

mod options;
mod pace;
mod values;

pub(crate) use pace::Pace;

use crate::statement::StatementError;
use datafusion::arrow::{
    array::{ArrayRef, RecordBatch, RecordBatchOptions},
    datatypes::{Field, SchemaRef},
};
use levada_model::{Offset, Timestamp};
use std::sync::Arc;
use values::Values;

/// Rows are handed on in batches of about this size.
const BATCH_SIZE: usize = 4 << 20;
const BATCH_ROWS_MAX: usize = 8_192;

/// How rows are made up.
#[derive(Clone, Debug, PartialEq)]
pub struct DataGen {
    rows_per_second: i64,
    /// How many there are; without end where nothing is said.
    row_count: Option<i64>,
    /// Of each column that the table declares, unless it is computed.
    columns: Vec<Option<Values>>,
}

impl DataGen {
    /// Whether no row comes behind `at`.
    pub(crate) fn has_ended(&self, at: Offset) -> bool {
        self.row_count.is_some_and(|count| at >= count)
    }

    /// How many rows are handed on at once.
    pub(crate) fn batch_rows(&self) -> Offset {
        let size: usize = self.columns.iter().flatten().map(Values::size).sum();
        let rows = (BATCH_SIZE / size.max(1)).clamp(1, BATCH_ROWS_MAX);
        i64::try_from(rows).unwrap_or(1)
    }

    /// The rows from `from` on and below `to`, with these columns of the table, whose fields are `schema`'s.
    pub(crate) fn rows(
        &self,
        columns: &[usize],
        schema: &SchemaRef,
        (from, to): (Offset, Offset),
        now_ms: Timestamp,
    ) -> Result<RecordBatch, StatementError> {
        let column = |(place, field): (&usize, &Arc<Field>)| {
            let values = self.columns.get(*place).and_then(Option::as_ref);
            let values = values.ok_or_else(|| StatementError::Internal(format!("nothing makes `{}`", field.name())))?;
            Ok::<_, StatementError>(values.array(from..to, now_ms, field.data_type())?)
        };
        let arrays: Vec<ArrayRef> = columns.iter().zip(schema.fields()).map(column).collect::<Result<_, _>>()?;
        let count = usize::try_from(to - from).unwrap_or(0);
        let options = RecordBatchOptions::new().with_row_count(Some(count));
        Ok(RecordBatch::try_new_with_options(Arc::clone(schema), arrays, &options)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::{array::AsArray as _, datatypes::Int32Type};
    use std::collections::BTreeMap;

    fn table(columns: &str, options: &str) -> Result<Arc<crate::Table>, String> {
        let sql = format!("CREATE TABLE t ({columns}) WITH ('connector' = 'datagen'{options})");
        let parsed = levada_sql_syntax::parse_statement(&sql).unwrap().statement;
        let levada_sql_syntax::Statement::CreateTable(create) = parsed else { panic!("{sql}") };
        crate::Table::declared(&create).map(Arc::new).map_err(|error| error.to_string())
    }

    fn rows(table: &crate::Table, from: i64, to: i64) -> RecordBatch {
        let crate::table::Connector::DataGen(datagen) = &table.connector else { panic!("it makes rows up") };
        let all: Vec<usize> = (0..table.schema.fields().len()).collect();
        datagen.rows(&all, &table.schema, (from, to), 1_800_000_000_000).unwrap()
    }

    const ALL: &str = "a BOOLEAN, b TINYINT, c SMALLINT, d INT, e BIGINT, f FLOAT, g DOUBLE, h DECIMAL(10, 2), \
                       i CHAR(3), j VARCHAR(5), k STRING, l BINARY(2), m BYTES, n TIMESTAMP(3), o TIMESTAMP_LTZ(6), p DATE";

    #[test]
    fn a_row_is_the_same_whenever_it_is_made() {
        let table = table(ALL, ", 'fields.d.min' = '5', 'fields.d.max' = '7', 'fields.k.null-rate' = '0.5'").unwrap();
        let (whole, part) = (rows(&table, 0, 100), rows(&table, 30, 40));
        assert_eq!(whole.slice(30, 10), part);
        let numbers: BTreeMap<i32, usize> =
            whole.column(3).as_primitive::<Int32Type>().values().iter().fold(BTreeMap::new(), |mut found, number| {
                *found.entry(*number).or_default() += 1;
                found
            });
        assert_eq!(numbers.keys().copied().collect::<Vec<_>>(), [5, 6, 7]);
        assert!(numbers.values().all(|count| *count > 10), "{numbers:?}");
        assert!((20..80).contains(&whole.column(10).null_count()));
        assert_eq!(whole.column(8).as_string::<i32>().value(0).len(), 3);
        assert_eq!(whole.column(9).as_string::<i32>().value(0).len(), 5);
        let text = whole.column(10).as_string::<i32>().iter().flatten().next().unwrap();
        assert_eq!(text.len(), 100);
    }

    #[test]
    fn a_sequence_ends_the_table() {
        let of = "'fields.a.kind' = 'sequence', 'fields.a.start' = '7', 'fields.a.end' = '9'";
        let table = table("a INT, b STRING", &format!(", 'number-of-rows' = '10', {of}")).unwrap();
        let crate::table::Connector::DataGen(datagen) = &table.connector else { panic!("it makes rows up") };
        assert_eq!(datagen.row_count, Some(3));
        assert_eq!(rows(&table, 0, 3).column(0).as_primitive::<Int32Type>().values(), &[7, 8, 9]);
        let mut pace = Pace::new(Arc::clone(datagen));
        assert_eq!((pace.due(0, 0), pace.due(0, 1_000), pace.again_in_ms(3, 1_000)), (0, 3, None));
    }

    #[test]
    fn rows_come_at_their_rate_and_what_was_missed_is_not_made_up_for() {
        let table = table("a INT", ", 'rows-per-second' = '20'").unwrap();
        let crate::table::Connector::DataGen(datagen) = &table.connector else { panic!("it makes rows up") };
        let mut pace = Pace::new(Arc::clone(datagen));
        assert_eq!((pace.due(5, 1_000), pace.due(5, 1_049), pace.due(5, 1_050)), (5, 5, 6));
        // Rows are gathered for an epoch.
        assert_eq!((pace.again_in_ms(6, 1_050), pace.due(6, 1_149), pace.due(6, 1_150)), (Some(100), 6, 8));
        assert_eq!(pace.due(8, 99_000), 28);
        assert_eq!(pace.due(28, 99_100), 30);
    }

    #[test]
    fn rows_come_on_when_the_clock_is_set_back() {
        let table = table("a INT", ", 'rows-per-second' = '20'").unwrap();
        let crate::table::Connector::DataGen(datagen) = &table.connector else { panic!("it makes rows up") };
        let mut pace = Pace::new(Arc::clone(datagen));
        assert_eq!((pace.due(0, 90_000), pace.due(0, 90_100)), (0, 2));
        let again_ms = pace.again_in_ms(2, 50_000).unwrap();
        assert!(again_ms <= 150, "{again_ms}");
        assert_eq!((pace.due(2, 50_000), pace.due(2, 50_100), pace.due(4, 50_200)), (2, 4, 6));
    }

    fn sequence(start: &str, end: &str) -> String {
        format!(", 'fields.a.kind' = 'sequence', 'fields.a.start' = '{start}', 'fields.a.end' = '{end}'")
    }

    #[test]
    fn what_is_made_up_is_within_its_bounds_and_fits_its_column() {
        for (bounds, expected) in [
            (["0.001", "0.02"], [1, 2]),
            (["-0.02", "-0.001"], [-2, -1]),
            (["9.987", "9.999"], [999, 999]),
            (["-0.009", "0.009"], [0, 0]),
            (["1e1", "1001e-2"], [1000, 1001]),
        ] {
            let [min, max] = bounds;
            let table =
                table("a DECIMAL(4, 2)", &format!(", 'fields.a.min' = '{min}', 'fields.a.max' = '{max}'")).unwrap();
            let rows = rows(&table, 0, 200);
            let units = rows.column(0).as_primitive::<datafusion::arrow::datatypes::Decimal128Type>().values();
            assert_eq!([units.iter().min(), units.iter().max()], expected.each_ref().map(Some), "{bounds:?}");
        }
        let all = "12345678901234567890.12";
        let table =
            table("a DECIMAL(38, 2)", &format!(", 'fields.a.min' = '{all}', 'fields.a.max' = '{all}'")).unwrap();
        let found = rows(&table, 0, 1);
        let unit = found.column(0).as_primitive::<datafusion::arrow::datatypes::Decimal128Type>().value(0);
        assert_eq!(unit, 1_234_567_890_123_456_789_012);
        for (column, start, end) in [
            ("VARCHAR(1)", "0", "9"),
            ("VARCHAR(2)", "-9", "99"),
            ("CHAR(2)", "98", "99"),
            ("TINYINT", "-128", "127"),
            ("BIGINT", "-9223372036854775808", "-9223372036854775807"),
            ("VARCHAR(30)", "9223372036854775806", "9223372036854775807"),
        ] {
            let table = self::table(&format!("a {column}"), &sequence(start, end)).unwrap();
            let count = end.parse::<i128>().unwrap() - start.parse::<i128>().unwrap() + 1;
            let found = rows(&table, 0, i64::try_from(count).unwrap());
            let texts =
                datafusion::arrow::compute::cast(found.column(0), &datafusion::arrow::datatypes::DataType::Utf8);
            let texts = texts.unwrap();
            let texts = texts.as_string::<i32>();
            assert_eq!((texts.value(0), texts.value(found.num_rows() - 1)), (start, end), "{column}");
        }
        for precision in [0, 3, 6, 9] {
            let table = self::table(&format!("a TIMESTAMP({precision})"), ", 'fields.a.max-past' = '73000 d'").unwrap();
            assert_eq!(rows(&table, 0, 100).num_rows(), 100);
        }
    }

    #[test]
    fn what_flink_would_refuse_or_do_otherwise_is_refused() {
        for (columns, options, expected) in [
            ("a INT", ", 'fields.b.min' = '1'", "`fields.b.min` is of no column"),
            ("a INT", ", 'fields.a.kind' = 'once'", "`fields.a.kind` is `random` or `sequence`"),
            ("a INT", ", 'fields.a.kind' = 'sequence', 'fields.a.start' = '1'", "`fields.a.end` is missing"),
            ("a INT", ", 'fields.a.start' = '1'", "`fields.a.start` is not for"),
            ("a TINYINT", ", 'fields.a.max' = '128'", "`fields.a.max`"),
            ("a INT", ", 'fields.a.min' = '3', 'fields.a.max' = '2'", "is above"),
            ("a CHAR(3)", ", 'fields.a.length' = '2'", "`fields.a.length` is not for CHAR(3)"),
            ("a VARCHAR(3)", ", 'fields.a.length' = '4'", "`fields.a.length`"),
            ("a INT NOT NULL", ", 'fields.a.null-rate' = '0.1'", "NOT NULL"),
            ("a ARRAY<INT>", "", "ARRAY<INT>"),
            ("a DECIMAL(4, 2)", ", 'fields.a.max' = '100'", "`fields.a.max` does not fit DECIMAL(4, 2)"),
            ("a DECIMAL(4, 2)", ", 'fields.a.min' = 'NaN'", "`fields.a.min` is a number"),
            ("a DECIMAL(4, 2)", ", 'fields.a.min' = '0.001', 'fields.a.max' = '0.009'", "there is no DECIMAL(4, 2)"),
            ("a VARCHAR(2)", &sequence("-9", "100"), "do not fit VARCHAR(2)"),
            ("a VARCHAR(2)", &sequence("-10", "99"), "do not fit VARCHAR(2)"),
            ("a VARCHAR(1)", &sequence("-1", "9"), "do not fit VARCHAR(1)"),
            ("a TINYINT", &sequence("-129", "0"), "do not fit TINYINT"),
            ("a TIMESTAMP(3)", ", 'fields.a.max-past' = '73001 d'", "`fields.a.max-past` is 73000 days at most"),
            ("a INT", ", 'rows-per-second' = '0'", "`rows-per-second`"),
            ("a INT", ", 'topic' = 't'", "there is no option `topic`"),
            ("a INT, b INT METADATA FROM 'partition'", "", "no metadata"),
        ] {
            let error = table(columns, options).unwrap_err();
            assert!(error.contains(expected), "{columns} {options}: {error}");
        }
    }
}
