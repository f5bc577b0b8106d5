//! [`Answer`]: what a query comes to, as typed cells or as JSON.

use crate::{
    StatementError,
    format::{self, Encoder, Format, JsonOptions, Scalar, encoder},
    query::{Column, Rows},
    types::{Item, Type},
};
use datafusion::arrow::{
    array::{Array as _, ArrayRef, RecordBatch, StringArray},
    datatypes::{DataType, Field, Fields, Schema, TimeUnit},
};
use std::sync::Arc;

/// One value of a row.
#[derive(Clone, Debug, PartialEq)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// True or false.
    Boolean(bool),
    /// A `TINYINT` or a `SMALLINT`.
    SmallInt(i16),
    /// An `INT`.
    Int(i32),
    /// A `BIGINT`.
    BigInt(i64),
    /// A `FLOAT`.
    Float(f32),
    /// A `DOUBLE`.
    Double(f64),
    /// A `DECIMAL`: `unscaled` · 10^−`scale`.
    Decimal {
        /// All its digits.
        unscaled: i128,
        /// How many of them stand behind the point.
        scale: u8,
    },
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// Days since 1970-01-01.
    Date(i32),
    /// Nanoseconds since midnight.
    Time(i64),
    /// Microseconds since 1970-01-01 00:00, nowhere in particular or, of a `TIMESTAMP_LTZ`, in UTC. What is finer is
    /// cut off.
    Timestamp(i64),
    /// An `ARRAY`, a `MAP` or a `ROW`, as JSON.
    Json(String),
}

/// The rows of an answer, in order.
#[derive(Clone, Debug)]
pub struct Answer {
    columns: Vec<Column>,
    batches: Vec<RecordBatch>,
}

impl Answer {
    pub(crate) const fn new(columns: Vec<Column>, batches: Vec<RecordBatch>) -> Self {
        Self { columns, batches }
    }

    /// Rows of texts; rows that are too short end with NULL.
    ///
    /// # Errors
    /// Where they are more than fit one array.
    pub fn texts(columns: &[&str], rows: &[Vec<Option<String>>]) -> Result<Self, StatementError> {
        let column = |at: usize| {
            let cells: StringArray = rows.iter().map(|row| row.get(at).and_then(Option::as_deref)).collect();
            Arc::new(cells) as ArrayRef
        };
        let arrays = (0..columns.len()).map(column).collect();
        let fields: Fields = columns.iter().map(|name| Field::new(*name, DataType::Utf8, true)).collect();
        let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays)?;
        let columns = columns.iter().map(|name| Column { name: (*name).to_owned(), of: Type::String }).collect();
        Ok(Self { columns, batches: vec![batch] })
    }

    /// Its columns.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// How many rows it has.
    #[must_use]
    pub fn row_count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }

    /// Shows up to `count` rows from the row `from` on, one after the other.
    ///
    /// # Errors
    /// Where a value has no form.
    pub fn each<E: From<StatementError>>(
        &self,
        from: usize,
        count: usize,
        take: &mut dyn FnMut(&[Cell<'_>]) -> Result<(), E>,
    ) -> Result<(), E> {
        let (mut skip, mut left) = (from, count);
        for batch in &self.batches {
            let first = skip.min(batch.num_rows());
            skip -= first;
            let rows = left.min(batch.num_rows() - first);
            left -= rows;
            if rows == 0 {
                continue;
            }
            let mut readers = readers(batch.schema().fields()).map_err(E::from)?;
            for row in first..first + rows {
                let cells = batch.columns().iter().zip(&mut readers).map(|(array, reader)| reader.cell(array, row));
                take(&cells.collect::<Result<Vec<_>, StatementError>>()?)?;
            }
        }
        Ok(())
    }

    /// The same as JSON objects.
    ///
    /// # Errors
    /// Where two columns have one name, or a value has no form.
    pub fn json(&self) -> Result<Rows, StatementError> {
        let mut rows = Rows::default();
        for batch in &self.batches {
            let mut encoder = json(batch.schema().fields())?;
            for row in 0..batch.num_rows() {
                let mut bytes = Vec::new();
                encoder.encode(batch.columns(), row, &mut bytes)?;
                rows.rows.push((1, bytes.into()));
            }
        }
        Ok(rows)
    }
}

/// An encoder of rows as JSON objects.
pub(crate) fn json(fields: &Fields) -> Result<Box<dyn Encoder>, StatementError> {
    let options = JsonOptions { encode_decimal_as_plain_number: true, ..JsonOptions::default() };
    Ok(encoder(&Format::Json(options), fields)?)
}

/// How values of a column become cells.
enum Reader {
    Leaf(Type),
    /// An object with one member, whose name is empty.
    Nested(Box<dyn Encoder>),
}

fn readers(fields: &Fields) -> Result<Vec<Reader>, StatementError> {
    let reader = |field: &Arc<Field>| {
        let of = Item::of(field).map_err(|error| StatementError::Columns(error.to_string()))?.value;
        match of {
            Type::Array(_) | Type::Map(..) | Type::Row(_) => {
                let nameless = Fields::from(vec![field.as_ref().clone().with_name("")]);
                Ok(Reader::Nested(json(&nameless)?))
            }
            leaf => Ok(Reader::Leaf(leaf)),
        }
    };
    fields.iter().map(reader).collect()
}

impl Reader {
    fn cell<'a>(&mut self, array: &'a ArrayRef, row: usize) -> Result<Cell<'a>, StatementError> {
        if array.is_null(row) {
            return Ok(Cell::Null);
        }
        match self {
            Self::Leaf(of) => {
                let read = format::scalar(array, row).and_then(|scalar| leaf(of, array.data_type(), scalar));
                read.ok_or_else(|| StatementError::Internal(format!("a value of {of} is {}", array.data_type())))
            }
            Self::Nested(encoder) => {
                let mut object = Vec::new();
                encoder.encode(std::slice::from_ref(array), row, &mut object)?;
                let text = String::from_utf8(object).ok();
                let inner = text.as_deref().and_then(|text| text.strip_prefix("{\"\":")?.strip_suffix('}'));
                let inner = inner.ok_or_else(|| StatementError::Internal("a nested value is no JSON".to_owned()))?;
                Ok(Cell::Json(inner.to_owned()))
            }
        }
    }
}

fn leaf<'a>(of: &Type, data_type: &DataType, scalar: Scalar<'a>) -> Option<Cell<'a>> {
    Some(match (of, scalar) {
        (_, Scalar::Null) => Cell::Null,
        (_, Scalar::Boolean(value)) => Cell::Boolean(value),
        (_, Scalar::I8(value)) => Cell::SmallInt(i16::from(value)),
        (_, Scalar::I16(value)) => Cell::SmallInt(value),
        (Type::Date, Scalar::I32(days)) => Cell::Date(days),
        (Type::Time(_), Scalar::I32(millis)) => Cell::Time(i64::from(millis) * 1_000_000),
        (_, Scalar::I32(value)) => Cell::Int(value),
        (Type::Time(_), Scalar::I64(value)) => match data_type {
            DataType::Time64(TimeUnit::Microsecond) => Cell::Time(value.checked_mul(1_000)?),
            _ => Cell::Time(value),
        },
        (Type::Timestamp(_) | Type::TimestampLtz(_), Scalar::I64(value)) => match data_type {
            DataType::Timestamp(TimeUnit::Millisecond, _) => Cell::Timestamp(value.checked_mul(1_000)?),
            DataType::Timestamp(TimeUnit::Nanosecond, _) => Cell::Timestamp(value.div_euclid(1_000)),
            _ => Cell::Timestamp(value),
        },
        (_, Scalar::I64(value)) => Cell::BigInt(value),
        (Type::Decimal { scale, .. }, Scalar::I128(unscaled)) => Cell::Decimal { unscaled, scale: *scale },
        (_, Scalar::I128(_)) => return None,
        (_, Scalar::F32(value)) => Cell::Float(value),
        (_, Scalar::F64(value)) => Cell::Double(value),
        (Type::Binary(_) | Type::Varbinary(_) | Type::Bytes, Scalar::Bytes(bytes)) => Cell::Bytes(bytes),
        (_, Scalar::Bytes(text)) => Cell::Text(std::str::from_utf8(text).ok()?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use datafusion::arrow::{
        array::{Int64Array, ListArray, TimestampNanosecondArray},
        datatypes::Int32Type,
    };

    fn cells(answer: &Answer, from: usize, count: usize) -> Vec<String> {
        let mut rows = Vec::new();
        let mut take = |cells: &[Cell<'_>]| {
            rows.push(format!("{cells:?}"));
            Ok::<(), StatementError>(())
        };
        answer.each(from, count, &mut take).unwrap();
        rows
    }

    fn numbers(values: Vec<i64>) -> RecordBatch {
        let field = Field::new("n", DataType::Int64, true);
        RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![Arc::new(Int64Array::from(values))]).unwrap()
    }

    #[test]
    fn rows_are_counted_through_all_batches() {
        let columns = vec![Column { name: "n".to_owned(), of: Type::BigInt }];
        let answer = Answer::new(columns, vec![numbers(vec![1, 2]), numbers(vec![]), numbers(vec![3, 4, 5])]);
        assert_eq!(answer.row_count(), 5);
        assert_eq!(cells(&answer, 1, 2), ["[BigInt(2)]", "[BigInt(3)]"]);
        assert_eq!(cells(&answer, 4, 9), ["[BigInt(5)]"]);
        assert!(cells(&answer, 5, 1).is_empty() && cells(&answer, 0, 0).is_empty());
    }

    #[test]
    fn nested_values_are_json_and_fine_times_are_cut_off() {
        let lists = ListArray::from_iter_primitive::<Int32Type, _, _>([Some(vec![Some(1), None]), None]);
        let times = TimestampNanosecondArray::from(vec![-1, 1_999]);
        let fields =
            vec![Field::new("l", lists.data_type().clone(), true), Field::new("t", times.data_type().clone(), true)];
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(schema, vec![Arc::new(lists), Arc::new(times)]).unwrap();
        let answer = Answer::new(Vec::new(), vec![batch]);
        assert_eq!(cells(&answer, 0, 9), [r#"[Json("[1,null]"), Timestamp(-1)]"#, "[Null, Timestamp(1)]"]);
    }

    #[test]
    fn texts_are_rows_of_strings() {
        let answer =
            Answer::texts(&["a", "b"], &[vec![Some("x".to_owned())], vec![None, Some("y".to_owned())]]).unwrap();
        assert_eq!(cells(&answer, 0, 9), [r#"[Text("x"), Null]"#, r#"[Null, Text("y")]"#]);
        let rows = answer.json().unwrap().rows;
        assert_eq!(rows[1].1, br#"{"a":null,"b":"y"}"#.as_slice());
    }
}
