//! [`Column`]: values that are gathered one by one until they are an Arrow array.
//!
//! Unlike Arrow's builders it can be cut back, so that a record that turns out to be wrong half way leaves no trace,
//! and a field that comes twice counts with its last value.

use super::error::Problem;
use crate::types::{DECIMAL_PRECISION_MAX, TYPE_DEPTH_MAX, UnsupportedType};
use arrow::array::{ArrayData, ArrayRef, BooleanBufferBuilder, make_array};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{DataType, FieldRef, TimeUnit};
use arrow::error::ArrowError;

/// One value of a type without types in it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Scalar<'a> {
    Null,
    Boolean(bool),
    I8(i8),
    I16(i16),
    I32(i32),
    I64(i64),
    I128(i128),
    F32(f32),
    F64(f64),
    /// Text, which is UTF-8, or bytes.
    Bytes(&'a [u8]),
}

/// A column that grows.
#[derive(Debug)]
pub(super) struct Column {
    data_type: DataType,
    nulls: Nulls,
    pub(super) data: Data,
}

#[derive(Debug)]
pub(super) enum Data {
    Boolean(BooleanBufferBuilder),
    I8(Vec<i8>),
    I16(Vec<i16>),
    I32(Vec<i32>),
    I64(Vec<i64>),
    I128(Vec<i128>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    /// Where each value ends, a 0 before the first.
    Bytes {
        ends: Vec<i32>,
        bytes: Vec<u8>,
    },
    List {
        ends: Vec<i32>,
        element: Box<Column>,
    },
    Map {
        ends: Vec<i32>,
        entries: FieldRef,
        key: Box<Column>,
        value: Box<Column>,
    },
    Row {
        len: usize,
        columns: Vec<Column>,
    },
}

/// Which values are there; nothing is kept as long as all are.
#[derive(Debug, Default)]
struct Nulls(Option<BooleanBufferBuilder>);

impl Nulls {
    #[inline]
    fn valid(&mut self) {
        if let Some(bits) = &mut self.0 {
            bits.append(true);
        }
    }

    fn null(&mut self, len: usize) {
        let bits = self.0.get_or_insert_with(|| {
            let mut bits = BooleanBufferBuilder::new(len + 64);
            bits.append_n(len, true);
            bits
        });
        bits.append(false);
    }

    fn truncate(&mut self, len: usize) {
        if let Some(bits) = &mut self.0 {
            bits.truncate(len);
        }
    }

    fn is_null(&self, row: usize) -> bool {
        self.0.as_ref().is_some_and(|bits| row < bits.len() && !bits.get_bit(row))
    }

    fn finish(&mut self) -> Option<NullBuffer> {
        self.0.take().map(|mut bits| NullBuffer::new(bits.finish()))
    }
}

impl Column {
    pub(super) fn new(field: &FieldRef) -> Result<Self, UnsupportedType> {
        Self::nested(field, TYPE_DEPTH_MAX)
    }

    fn nested(field: &FieldRef, depth_left: usize) -> Result<Self, UnsupportedType> {
        let depth_left = depth_left.checked_sub(1).ok_or(UnsupportedType::TooDeep)?;
        let boxed = |field: &FieldRef| Self::nested(field, depth_left).map(Box::new);
        let unknown = || UnsupportedType::Unknown { name: field.name().clone(), found: field.data_type().to_string() };
        let data = match field.data_type() {
            DataType::Boolean => Data::Boolean(BooleanBufferBuilder::new(0)),
            DataType::Int8 => Data::I8(Vec::new()),
            DataType::Int16 => Data::I16(Vec::new()),
            DataType::Int32 | DataType::Date32 | DataType::Time32(TimeUnit::Millisecond) => Data::I32(Vec::new()),
            DataType::Int64
            | DataType::Time64(_)
            | DataType::Timestamp(TimeUnit::Millisecond | TimeUnit::Microsecond | TimeUnit::Nanosecond, _) => {
                Data::I64(Vec::new())
            }
            DataType::Decimal128(1..=DECIMAL_PRECISION_MAX, 0..) => Data::I128(Vec::new()),
            DataType::Float32 => Data::F32(Vec::new()),
            DataType::Float64 => Data::F64(Vec::new()),
            DataType::Utf8 | DataType::Binary => Data::Bytes { ends: vec![0], bytes: Vec::new() },
            DataType::List(element) => Data::List { ends: vec![0], element: boxed(element)? },
            DataType::Map(entries, _) => match entries.data_type() {
                DataType::Struct(fields) => match fields.as_ref() {
                    [key, value] => {
                        Data::Map { ends: vec![0], entries: entries.clone(), key: boxed(key)?, value: boxed(value)? }
                    }
                    _ => return Err(unknown()),
                },
                _ => return Err(unknown()),
            },
            DataType::Struct(fields) => {
                let columns = fields.iter().map(|field| Self::nested(field, depth_left));
                Data::Row { len: 0, columns: columns.collect::<Result<_, _>>()? }
            }
            _ => return Err(unknown()),
        };
        Ok(Self { data_type: field.data_type().clone(), nulls: Nulls::default(), data })
    }

    #[inline]
    pub(super) fn len(&self) -> usize {
        match &self.data {
            Data::Boolean(values) => values.len(),
            Data::I8(values) => values.len(),
            Data::I16(values) => values.len(),
            Data::I32(values) => values.len(),
            Data::I64(values) => values.len(),
            Data::I128(values) => values.len(),
            Data::F32(values) => values.len(),
            Data::F64(values) => values.len(),
            Data::Bytes { ends, .. } | Data::List { ends, .. } | Data::Map { ends, .. } => ends.len() - 1,
            Data::Row { len, .. } => *len,
        }
    }

    pub(super) fn is_null(&self, row: usize) -> bool {
        self.nulls.is_null(row)
    }

    /// Appends a value of the column's own kind.
    #[inline]
    pub(super) fn push(&mut self, scalar: Scalar<'_>) -> Result<(), Problem> {
        match (&mut self.data, scalar) {
            (Data::I64(values), Scalar::I64(value)) => values.push(value),
            (Data::Bytes { ends, bytes }, Scalar::Bytes(value)) => {
                let end = bytes.len().checked_add(value.len()).and_then(|end| i32::try_from(end).ok());
                ends.push(end.ok_or(Problem::Full)?);
                bytes.extend_from_slice(value);
            }
            (Data::I32(values), Scalar::I32(value)) => values.push(value),
            (Data::F64(values), Scalar::F64(value)) => values.push(value),
            (Data::I128(values), Scalar::I128(value)) => values.push(value),
            (Data::Boolean(values), Scalar::Boolean(value)) => values.append(value),
            (Data::I8(values), Scalar::I8(value)) => values.push(value),
            (Data::I16(values), Scalar::I16(value)) => values.push(value),
            (Data::F32(values), Scalar::F32(value)) => values.push(value),
            (_, Scalar::Null) => {
                self.push_null();
                return Ok(());
            }
            (_, scalar) => {
                debug_assert!(false, "{scalar:?} in a column of {}", self.data_type);
                return Err(Problem::Layout);
            }
        }
        self.nulls.valid();
        Ok(())
    }

    /// Notes that a list, a map or a row, whose inner values were appended, is complete.
    pub(super) fn close(&mut self) -> Result<(), Problem> {
        match &mut self.data {
            Data::List { ends, element: inner } | Data::Map { ends, key: inner, .. } => {
                ends.push(i32::try_from(inner.len()).map_err(|_| Problem::Full)?);
            }
            Data::Row { len, .. } => *len += 1,
            _ => return Err(Problem::Layout),
        }
        self.nulls.valid();
        Ok(())
    }

    pub(super) fn push_null(&mut self) {
        self.nulls.null(self.len());
        self.push_filler();
    }

    /// Appends what stands for no value where NULL may not: zero, or nothing.
    pub(super) fn push_zero(&mut self) {
        self.nulls.valid();
        self.push_filler();
    }

    fn push_filler(&mut self) {
        match &mut self.data {
            Data::Boolean(values) => values.append(false),
            Data::I8(values) => values.push(0),
            Data::I16(values) => values.push(0),
            Data::I32(values) => values.push(0),
            Data::I64(values) => values.push(0),
            Data::I128(values) => values.push(0),
            Data::F32(values) => values.push(0.0),
            Data::F64(values) => values.push(0.0),
            Data::Bytes { ends, .. } | Data::List { ends, .. } | Data::Map { ends, .. } => {
                ends.push(ends.last().copied().unwrap_or_default());
            }
            Data::Row { len, columns } => {
                *len += 1;
                columns.iter_mut().for_each(Self::push_zero);
            }
        }
    }

    /// Cuts the column back to `len` values; what was appended to its inner columns since goes, too.
    pub(super) fn truncate(&mut self, len: usize) {
        self.nulls.truncate(len);
        match &mut self.data {
            Data::Boolean(values) => values.truncate(len),
            Data::I8(values) => values.truncate(len),
            Data::I16(values) => values.truncate(len),
            Data::I32(values) => values.truncate(len),
            Data::I64(values) => values.truncate(len),
            Data::I128(values) => values.truncate(len),
            Data::F32(values) => values.truncate(len),
            Data::F64(values) => values.truncate(len),
            Data::Bytes { ends, bytes } => bytes.truncate(cut(ends, len)),
            Data::List { ends, element } => element.truncate(cut(ends, len)),
            Data::Map { ends, key, value, .. } => {
                let end = cut(ends, len);
                key.truncate(end);
                value.truncate(end);
            }
            Data::Row { len: rows, columns } => {
                *rows = len.min(*rows);
                columns.iter_mut().for_each(|column| column.truncate(len));
            }
        }
    }

    /// The array of all values; the column is empty then.
    pub(super) fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        self.finish_data().map(make_array)
    }

    fn finish_data(&mut self) -> Result<ArrayData, ArrowError> {
        let builder = ArrayData::builder(self.data_type.clone()).len(self.len()).nulls(self.nulls.finish());
        let builder = match &mut self.data {
            Data::Boolean(values) => builder.add_buffer(values.finish().into_inner()),
            Data::I8(values) => builder.add_buffer(taken(values)),
            Data::I16(values) => builder.add_buffer(taken(values)),
            Data::I32(values) => builder.add_buffer(taken(values)),
            Data::I64(values) => builder.add_buffer(taken(values)),
            Data::I128(values) => builder.add_buffer(taken(values)),
            Data::F32(values) => builder.add_buffer(taken(values)),
            Data::F64(values) => builder.add_buffer(taken(values)),
            Data::Bytes { ends, bytes } => builder.add_buffer(taken_ends(ends)).add_buffer(taken(bytes)),
            Data::List { ends, element } => builder.add_buffer(taken_ends(ends)).add_child_data(element.finish_data()?),
            Data::Map { ends, entries, key, value } => {
                let inner = ArrayData::builder(entries.data_type().clone()).len(key.len());
                let inner = inner.add_child_data(key.finish_data()?).add_child_data(value.finish_data()?);
                builder.add_buffer(taken_ends(ends)).add_child_data(inner.build()?)
            }
            Data::Row { len, columns } => {
                *len = 0;
                let columns: Vec<ArrayData> = columns.iter_mut().map(Self::finish_data).collect::<Result<_, _>>()?;
                builder.child_data(columns)
            }
        };
        builder.build()
    }
}

/// Keeps the ends of `len` values, and returns the last of them.
fn cut(ends: &mut Vec<i32>, len: usize) -> usize {
    ends.truncate(len.saturating_add(1));
    ends.last().and_then(|end| usize::try_from(*end).ok()).unwrap_or_default()
}

/// The values as a buffer; room for as many is kept ready.
fn taken<T: arrow::datatypes::ArrowNativeType>(values: &mut Vec<T>) -> Buffer {
    let room = values.len();
    Buffer::from_vec(std::mem::replace(values, Vec::with_capacity(room)))
}

fn taken_ends(ends: &mut Vec<i32>) -> Buffer {
    let mut next = Vec::with_capacity(ends.len());
    next.push(0);
    Buffer::from_vec(std::mem::replace(ends, next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::Type;
    use arrow::array::{Array, AsArray};
    use arrow::datatypes::Int32Type;
    use std::sync::Arc;

    fn column(of: Type) -> Column {
        Column::new(&Arc::new(of.nullable().field("c"))).unwrap()
    }

    #[test]
    fn what_is_cut_back_leaves_no_trace() {
        let row = Type::Row(vec![("x".to_owned(), Type::Int.not_null()), ("y".to_owned(), Type::String.nullable())]);
        let mut column = column(Type::Array(Box::new(row.nullable())));
        let push = |column: &mut Column, numbers: &[i32]| {
            let Data::List { element, .. } = &mut column.data else { panic!("no list") };
            for &number in numbers {
                let Data::Row { columns, .. } = &mut element.data else { panic!("no row") };
                columns[0].push(Scalar::I32(number)).unwrap();
                columns[1].push(Scalar::Bytes(number.to_string().as_bytes())).unwrap();
                element.close().unwrap();
            }
            column.close().unwrap();
        };
        push(&mut column, &[1, 2]);
        column.push_null();
        push(&mut column, &[3]);
        column.truncate(2);
        push(&mut column, &[]);
        push(&mut column, &[4]);
        let array = column.finish().unwrap();
        let list = array.as_list::<i32>();
        assert_eq!((list.len(), list.null_count(), list.is_null(1)), (4, 1, true));
        let numbers = list.values().as_struct().column(0).as_primitive::<Int32Type>();
        assert_eq!(numbers.values(), &[1, 2, 4]);
        assert_eq!(list.values().as_struct().column(1).as_string::<i32>().value(2), "4");
        assert_eq!(column.len(), 0);
        assert_eq!(column.finish().unwrap().len(), 0);
    }

    #[test]
    fn a_null_row_has_null_fields_that_may_not_be_null() {
        let mut column = column(Type::Row(vec![("x".to_owned(), Type::Int.not_null())]));
        column.push_null();
        assert!(column.is_null(0));
        let array = column.finish().unwrap();
        assert!(array.is_null(0));
        assert_eq!(array.as_struct().column(0).null_count(), 0);
    }

    #[test]
    fn nulls_that_are_cut_off_and_replaced_are_values() {
        let mut column = column(Type::Boolean);
        for round in 0..3 {
            column.push_null();
            column.truncate(round);
            column.push(Scalar::Boolean(true)).unwrap();
        }
        let array = column.finish().unwrap();
        assert_eq!(array.null_count(), 0);
        assert!(array.as_boolean().iter().all(|value| value == Some(true)));
    }
}
