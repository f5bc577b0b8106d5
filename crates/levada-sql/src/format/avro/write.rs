//! Rows as Avro.

use super::cursor::{put_long, put_sized};
use super::plan::{Source, described, source};
use crate::format::clock::NANOS_OF_SECOND;
use crate::format::column::Scalar;
use crate::format::error::{EncodeError, FormatError, shown};
use crate::format::leaf::{Leaf, units_of_second};
use crate::format::number::{self, Rounding};
use crate::format::{Encoded, Encoder, row};
use crate::types::{Item, Type};
use arrow::array::{Array, ArrayRef, AsArray as _};
use arrow::datatypes::{DataType, Fields};
use levada_avro::{Kind, Record, Schema, TypeId};
use levada_model::schema_id::SchemaId;
use std::fmt;

/// Writes rows with one schema.
pub(super) struct Avro {
    id: SchemaId,
    types: Vec<DataType>,
    root: Root,
}

enum Root {
    Row(Vec<Step>),
    Single(Step),
}

/// A field of the schema.
struct Step {
    /// The column that it is of, `None`: it is not among the columns, and is NULL.
    column: Option<usize>,
    name: String,
    write: Write,
}

/// How a value is written.
enum Write {
    /// Nothing is: it is `null`.
    Null,
    Leaf(Source, Leaf),
    /// A union of `null` and one other: their places.
    Union {
        null: Option<i64>,
        place: i64,
        inner: Box<Write>,
    },
    Array(Box<Write>),
    Map(Box<Write>),
    Row(Vec<Step>),
}

impl Avro {
    pub(super) fn new(id: SchemaId, schema: &Schema, fields: &Fields) -> Result<Self, FormatError> {
        let items = fields.iter().map(|field| Ok((field.name().clone(), row::item(field)?)));
        let items: Vec<(String, Item)> = items.collect::<Result<_, FormatError>>()?;
        let root = match (schema.kind(schema.root()), items.as_slice()) {
            (Kind::Record(record), _) => Root::Row(steps(schema, record, &items)?),
            (_, [(name, item)]) => Root::Single(Step {
                column: Some(0),
                name: name.clone(),
                write: write(schema, schema.root(), item, name)?,
            }),
            (kind, _) => return Err(refused(format!("it is {}, and there are {} columns", kind.word(), items.len()))),
        };
        Ok(Self { id, types: fields.iter().map(|field| field.data_type().clone()).collect(), root })
    }
}

fn refused(reason: String) -> FormatError {
    FormatError::Schema { reason }
}

fn steps(schema: &Schema, record: &Record, items: &[(String, Item)]) -> Result<Vec<Step>, FormatError> {
    let is_field = |name: &str| record.fields.iter().any(|field| field.name == name);
    if let Some((name, _)) = items.iter().find(|(name, _)| !is_field(name)) {
        return Err(refused(format!("`{}` has no field `{name}`", record.name.full())));
    }
    let step = |field: &levada_avro::Field| {
        let name = field.name.clone();
        match items.iter().enumerate().find(|(_, (column, _))| *column == name) {
            Some((index, (_, item))) => {
                let write = write(schema, field.schema, item, &name)?;
                Ok(Step { column: Some(index), name, write })
            }
            None => {
                let write = absent(schema, field.schema)
                    .ok_or_else(|| refused(format!("its field `{name}` is no column, and is not NULL")))?;
                Ok(Step { column: None, name, write })
            }
        }
    };
    record.fields.iter().map(step).collect()
}

/// How a field is written that is NULL in every row.
fn absent(schema: &Schema, id: TypeId) -> Option<Write> {
    match schema.kind(id) {
        Kind::Null => Some(Write::Null),
        Kind::Union(branches) => {
            let place = branches.iter().position(|branch| matches!(schema.kind(*branch), Kind::Null))?;
            let null = i64::try_from(place).ok()?;
            Some(Write::Union { null: Some(null), place: null, inner: Box::new(Write::Null) })
        }
        _ => None,
    }
}

fn write(schema: &Schema, id: TypeId, item: &Item, column: &str) -> Result<Write, FormatError> {
    let node = schema.node(id);
    let mismatch = || refused(format!("column `{column}` is {}, the schema has {}", item.value, described(node)));
    Ok(match (&node.kind, &item.value) {
        (Kind::Null, _) => Write::Null,
        (Kind::Union(branches), _) => {
            let place = |place: usize| i64::try_from(place).unwrap_or(i64::MAX);
            let is_null = |branch: &TypeId| matches!(schema.kind(*branch), Kind::Null);
            let null = branches.iter().position(is_null).map(place);
            let others = branches.iter().enumerate().filter(|(_, branch)| !is_null(branch));
            // Of several branches that could hold the value, the first does.
            let found = others.filter_map(|(at, branch)| Some((at, write(schema, *branch, item, column).ok()?))).next();
            let (at, inner) = found.ok_or_else(mismatch)?;
            Write::Union { null, place: place(at), inner: Box::new(inner) }
        }
        (Kind::Array(inner), Type::Array(element)) => Write::Array(Box::new(write(schema, *inner, element, column)?)),
        (Kind::Map(inner), Type::Map(key, value)) if Leaf::of(&key.value) == Some(Leaf::Text) => {
            Write::Map(Box::new(write(schema, *inner, value, column)?))
        }
        (Kind::Record(record), Type::Row(fields)) => Write::Row(steps(schema, record, fields)?),
        (_, of) => match (source(node), Leaf::of(of)) {
            (Some(source), Some(leaf)) if is_written_as(leaf, &source) => Write::Leaf(source, leaf),
            _ => return Err(mismatch()),
        },
    })
}

/// Whether each value of a column has a place in what is written, or is refused where it has none.
fn is_written_as(leaf: Leaf, source: &Source) -> bool {
    match source {
        Source::Boolean => leaf == Leaf::Boolean,
        Source::Int => matches!(leaf, Leaf::I8 | Leaf::I16 | Leaf::I32),
        Source::Long => matches!(leaf, Leaf::I8 | Leaf::I16 | Leaf::I32 | Leaf::I64),
        Source::Float => leaf == Leaf::F32,
        Source::Double => matches!(leaf, Leaf::F32 | Leaf::F64),
        Source::String | Source::Enum(_) => leaf == Leaf::Text,
        Source::Bytes | Source::Fixed(_) => leaf == Leaf::Bytes,
        Source::Decimal { .. } => matches!(leaf, Leaf::Decimal { .. }),
        Source::Date => leaf == Leaf::Date,
        Source::Time { .. } => matches!(leaf, Leaf::Time { .. }),
        Source::Timestamp { .. } => matches!(leaf, Leaf::Timestamp { .. }),
    }
}

impl Encoder for Avro {
    fn encode(&mut self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
        row::check(&self.types, columns, row)?;
        let start = out.len();
        self.id.write(out);
        let written = match &self.root {
            Root::Row(steps) => all(steps, columns, row, out),
            Root::Single(step) => one(step, columns, row, out),
        };
        if written.is_err() {
            out.truncate(start);
        }
        written.map(|()| Encoded::Bytes)
    }
}

fn all(steps: &[Step], columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    steps.iter().try_for_each(|step| one(step, columns, row, out))
}

fn one(step: &Step, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match step.column.map(|column| columns.get(column)) {
        Some(Some(column)) => value(&step.write, column, row, &step.name, out),
        Some(None) => Err(EncodeError::Columns { reason: format!("`{}` is not there", step.name) }),
        None => {
            if let Write::Union { null: Some(null), .. } = &step.write {
                put_long(*null, out);
            }
            Ok(())
        }
    }
}

fn value(write: &Write, array: &dyn Array, row: usize, name: &str, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    let is_null = array.is_null(row);
    match write {
        Write::Null if is_null => Ok(()),
        Write::Null => Err(misfit(name, b"a value", &"null")),
        Write::Union { null: Some(null), .. } if is_null => {
            put_long(*null, out);
            Ok(())
        }
        _ if is_null => Err(EncodeError::Null { column: name.to_owned() }),
        Write::Union { place, inner, .. } => {
            put_long(*place, out);
            value(inner, array, row, name, out)
        }
        Write::Leaf(source, leaf) => {
            let scalar = row::scalar(array, row).ok_or_else(|| EncodeError::Columns { reason: name.to_owned() })?;
            put(source, *leaf, scalar, name, out)
        }
        Write::Row(steps) => all(steps, array.as_struct().columns(), row, out),
        Write::Array(inner) => {
            let elements = array.as_list::<i32>().value(row);
            block(elements.len(), out);
            for index in 0..elements.len() {
                value(inner, &elements, index, name, out)?;
            }
            put_long(0, out);
            Ok(())
        }
        Write::Map(inner) => {
            let entries = array.as_map().value(row);
            let (keys, values) = (entries.column(0), entries.column(1));
            block(entries.len(), out);
            for index in 0..entries.len() {
                let Some(Scalar::Bytes(key)) = row::scalar(keys, index) else {
                    return Err(EncodeError::Null { column: name.to_owned() });
                };
                put_sized(key, out);
                value(inner, values, index, name, out)?;
            }
            put_long(0, out);
            Ok(())
        }
    }
}

/// Begins a block of so many elements; without any there is none.
fn block(count: usize, out: &mut Vec<u8>) {
    if count > 0 {
        put_long(i64::try_from(count).unwrap_or(i64::MAX), out);
    }
}

fn misfit(name: &str, found: &[u8], expected: &dyn fmt::Display) -> EncodeError {
    EncodeError::Value { column: name.to_owned(), found: shown(found), expected: expected.to_string() }
}

fn put(source: &Source, leaf: Leaf, scalar: Scalar<'_>, name: &str, out: &mut Vec<u8>) -> Result<(), EncodeError> {
    match (source, scalar) {
        (Source::Boolean, Scalar::Boolean(value)) => out.push(u8::from(value)),
        (Source::Int | Source::Long, Scalar::I8(value)) => put_long(i64::from(value), out),
        (Source::Int | Source::Long, Scalar::I16(value)) => put_long(i64::from(value), out),
        (Source::Int | Source::Long | Source::Date, Scalar::I32(value)) => put_long(i64::from(value), out),
        (Source::Long, Scalar::I64(value)) => put_long(value, out),
        (Source::Float, Scalar::F32(value)) => out.extend_from_slice(&value.to_le_bytes()),
        (Source::Double, Scalar::F32(value)) => out.extend_from_slice(&f64::from(value).to_le_bytes()),
        (Source::Double, Scalar::F64(value)) => out.extend_from_slice(&value.to_le_bytes()),
        (Source::String | Source::Bytes, Scalar::Bytes(bytes)) => put_sized(bytes, out),
        (Source::Fixed(size), Scalar::Bytes(bytes)) => {
            if bytes.len() != *size {
                return Err(misfit(name, bytes, &format_args!("{size} bytes")));
            }
            out.extend_from_slice(bytes);
        }
        (Source::Enum(symbols), Scalar::Bytes(text)) => {
            let place = symbols.iter().position(|symbol| symbol.as_bytes() == text);
            let place = place.and_then(|place| i64::try_from(place).ok());
            put_long(place.ok_or_else(|| misfit(name, text, &"a symbol of the enum"))?, out);
        }
        (Source::Decimal { scale, size }, Scalar::I128(value)) => decimal(value, leaf, *scale, *size, name, out)?,
        (Source::Time { units_of_second: units }, Scalar::I32(value)) => {
            put_long(i64::from(value) * 1_000_000 / (NANOS_OF_SECOND / units), out);
        }
        (
            Source::Time { units_of_second: units } | Source::Timestamp { units_of_second: units },
            Scalar::I64(value),
        ) => {
            let (Leaf::Time { precision } | Leaf::Timestamp { precision, .. }) = leaf else {
                return Err(misfit(name, b"a time", &leaf));
            };
            let own = units_of_second(precision);
            // What the schema has no digits for is cut off, towards the past as in a cast.
            let value =
                if own >= *units { Some(value.div_euclid(own / units)) } else { value.checked_mul(units / own) };
            put_long(value.ok_or_else(|| EncodeError::Date { column: name.to_owned() })?, out);
        }
        (_, scalar) => {
            return Err(EncodeError::Columns { reason: format!("`{name}` is {scalar:?}, not {leaf}") });
        }
    }
    Ok(())
}

/// Appends a decimal of the schema's scale, in as few bytes as hold it or in as many as are fixed.
fn decimal(
    value: i128,
    leaf: Leaf,
    scale: u32,
    size: Option<usize>,
    name: &str,
    out: &mut Vec<u8>,
) -> Result<(), EncodeError> {
    let Leaf::Decimal { scale: own, .. } = leaf else { return Err(misfit(name, b"a decimal", &leaf)) };
    let text = format!("{value}e-{own}");
    let wanted = u8::try_from(scale).ok();
    let rescaled = wanted.and_then(|scale| number::parse_decimal(text.as_bytes(), 38, scale, Rounding::HalfUp));
    let rescaled =
        rescaled.and_then(Result::ok).ok_or_else(|| misfit(name, text.as_bytes(), &"the schema's decimal"))?;
    let bytes = rescaled.to_be_bytes();
    let filler: u8 = if rescaled < 0 { 0xff } else { 0 };
    let is_needless = |pair: &&[u8]| pair[0] == filler && (pair[1] & 0x80) == (filler & 0x80);
    let needless = bytes.windows(2).take_while(is_needless).count();
    let needed = &bytes[needless..];
    match size {
        None => put_sized(needed, out),
        Some(size) if size < needed.len() => return Err(misfit(name, text.as_bytes(), &format_args!("{size} bytes"))),
        Some(size) => {
            out.extend(std::iter::repeat_n(filler, size - needed.len()));
            out.extend_from_slice(needed);
        }
    }
    Ok(())
}
