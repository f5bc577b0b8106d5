//! Values into columns, by their plans.

use super::cursor::{Cursor, wrong};
use super::plan::{Plan, Root, Source, Step};
use crate::format::clock;
use crate::format::column::{Column, Data, Scalar};
use crate::format::error::{DecodeError, Problem};
use crate::format::leaf::Leaf;
use crate::format::number;
use levada_avro::{Kind, Schema, TypeId};
use std::collections::BTreeSet;

/// How deep values that are passed over may nest.
const DEPTH_MAX: usize = 64;

type Outcome<T> = Result<T, Box<DecodeError>>;

/// A record being read.
pub(super) struct Reading<'a> {
    schema: &'a Schema,
    cursor: Cursor<'a>,
}

fn fault(problem: Problem) -> Box<DecodeError> {
    Box::new(DecodeError::new(problem))
}

fn under(mut error: Box<DecodeError>, name: &str) -> Box<DecodeError> {
    error.path.insert(0, name.to_owned());
    error
}

impl<'a> Reading<'a> {
    pub(super) fn new(schema: &'a Schema, bytes: &'a [u8]) -> Self {
        Self { schema, cursor: Cursor::new(bytes) }
    }

    pub(super) fn at(&self) -> usize {
        self.cursor.at()
    }

    /// Reads the whole record.
    pub(super) fn root(&mut self, root: &Root, columns: &mut [Column]) -> Outcome<()> {
        match root {
            Root::Row(steps) => self.steps(steps, columns)?,
            Root::Single(step) => self.step(step, columns)?,
        }
        if self.cursor.is_over() { Ok(()) } else { Err(fault(Problem::Trailing)) }
    }

    fn steps(&mut self, steps: &[Step], columns: &mut [Column]) -> Outcome<()> {
        steps.iter().try_for_each(|step| self.step(step, columns))
    }

    fn step(&mut self, step: &Step, columns: &mut [Column]) -> Outcome<()> {
        match step {
            Step::Skip(id) => self.skip(*id, 0).map_err(fault),
            Step::Read(index, name, plan) => {
                let column = columns.get_mut(*index).ok_or_else(|| fault(Problem::Layout))?;
                self.value(plan, column).map_err(|error| under(error, name))
            }
        }
    }

    fn value(&mut self, plan: &Plan, column: &mut Column) -> Outcome<()> {
        match plan {
            Plan::Null => {
                column.push_null();
                Ok(())
            }
            Plan::Leaf(source, leaf) => self.leaf(source, *leaf, column).map_err(fault),
            Plan::Union(branches) => {
                let choice = self.cursor.choice(branches.len()).map_err(fault)?;
                let branch = branches.get(choice).ok_or_else(|| fault(Problem::Layout))?;
                self.value(branch, column)
            }
            Plan::Array { element, is_nullable } => self.array(element, *is_nullable, column),
            Plan::Map { value, is_nullable } => self.map(value, *is_nullable, column),
            Plan::Row { steps, fields } => {
                let row = column.len();
                let Data::Row { columns, .. } = &mut column.data else { return Err(fault(Problem::Layout)) };
                self.steps(steps, columns)?;
                for (inner, (name, is_nullable)) in columns.iter_mut().zip(fields) {
                    if inner.len() == row {
                        inner.push_null();
                    }
                    if !is_nullable && inner.is_null(row) {
                        return Err(under(fault(Problem::Null), name));
                    }
                }
                column.close().map_err(fault)
            }
            Plan::Mismatch { found, expected } => {
                Err(fault(Problem::Resolution { found: found.clone(), expected: expected.clone() }))
            }
        }
    }

    fn array(&mut self, plan: &Plan, is_nullable: bool, column: &mut Column) -> Outcome<()> {
        let Data::List { element, .. } = &mut column.data else { return Err(fault(Problem::Layout)) };
        loop {
            let (count, _) = self.cursor.block().map_err(fault)?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                self.cursor.element().map_err(fault)?;
                self.value(plan, element)?;
                if !is_nullable && element.is_null(element.len() - 1) {
                    return Err(fault(Problem::Null));
                }
            }
        }
        column.close().map_err(fault)
    }

    /// Reads a map, in which no key may come twice.
    fn map(&mut self, plan: &Plan, is_nullable: bool, column: &mut Column) -> Outcome<()> {
        let Data::Map { key: keys, value: values, .. } = &mut column.data else { return Err(fault(Problem::Layout)) };
        let mut seen: BTreeSet<&[u8]> = BTreeSet::new();
        loop {
            let (count, _) = self.cursor.block().map_err(fault)?;
            if count == 0 {
                break;
            }
            for _ in 0..count {
                self.cursor.element().map_err(fault)?;
                let key = self.text().map_err(fault)?;
                if !seen.insert(key) {
                    return Err(fault(wrong("a map has a key twice")));
                }
                keys.push(Scalar::Bytes(key)).map_err(fault)?;
                let name = || String::from_utf8_lossy(key).into_owned();
                self.value(plan, values).map_err(|error| under(error, &name()))?;
                if !is_nullable && values.is_null(values.len() - 1) {
                    return Err(under(fault(Problem::Null), &name()));
                }
            }
        }
        column.close().map_err(fault)
    }

    fn text(&mut self) -> Result<&'a [u8], Problem> {
        let bytes = self.cursor.sized()?;
        simdutf8::basic::from_utf8(bytes).map_err(|_| wrong("a string is not UTF-8"))?;
        Ok(bytes)
    }

    fn leaf(&mut self, source: &Source, leaf: Leaf, column: &mut Column) -> Result<(), Problem> {
        let scalar = match source {
            Source::Boolean => Scalar::Boolean(self.cursor.boolean()?),
            Source::Int => integer(i64::from(self.cursor.int()?), leaf)?,
            Source::Long => integer(self.cursor.long()?, leaf)?,
            Source::Float => {
                let value = f32::from_le_bytes(self.cursor.array()?);
                if leaf == Leaf::F64 { Scalar::F64(f64::from(value)) } else { Scalar::F32(value) }
            }
            Source::Double => Scalar::F64(f64::from_le_bytes(self.cursor.array()?)),
            Source::Bytes if leaf == Leaf::Bytes => Scalar::Bytes(self.cursor.sized()?),
            Source::Bytes | Source::String => Scalar::Bytes(self.text()?),
            Source::Fixed(size) => Scalar::Bytes(self.cursor.take(*size)?),
            Source::Enum(symbols) => {
                let choice = self.cursor.choice(symbols.len())?;
                Scalar::Bytes(symbols.get(choice).map(String::as_bytes).unwrap_or_default())
            }
            Source::Decimal { scale, size } => {
                let bytes = match size {
                    Some(size) => self.cursor.take(*size)?,
                    None => self.cursor.sized()?,
                };
                decimal(bytes, *scale, leaf)?
            }
            Source::Date => Scalar::I32(self.cursor.int()?),
            Source::Time { units_of_second } => {
                let value = self.cursor.long()?;
                let nanos =
                    value.checked_mul(clock::NANOS_OF_SECOND / units_of_second).filter(|nanos| clock::is_time(*nanos));
                let time = nanos.and_then(|nanos| leaf.time(nanos));
                time.ok_or_else(|| Problem::mismatch(value.to_string().as_bytes(), leaf))?
            }
            Source::Timestamp { units_of_second } => {
                let value = self.cursor.long()?;
                let (days, nanos) = clock::split(value, *units_of_second);
                let moment = leaf.timestamp(days, nanos);
                moment.ok_or_else(|| Problem::mismatch(value.to_string().as_bytes(), leaf))?
            }
        };
        column.push(scalar)
    }

    /// Passes over a value.
    fn skip(&mut self, id: TypeId, depth: usize) -> Result<(), Problem> {
        if depth > DEPTH_MAX {
            return Err(Problem::TooDeep { limit: DEPTH_MAX });
        }
        match self.schema.kind(id) {
            Kind::Null => {}
            Kind::Boolean => drop(self.cursor.boolean()?),
            Kind::Int => drop(self.cursor.int()?),
            Kind::Long => drop(self.cursor.long()?),
            Kind::Float => drop(self.cursor.take(4)?),
            Kind::Double => drop(self.cursor.take(8)?),
            Kind::Bytes | Kind::String => drop(self.cursor.sized()?),
            Kind::Fixed(fixed) => drop(self.cursor.take(fixed.size)?),
            Kind::Enum(symbols) => drop(self.cursor.choice(symbols.symbols.len())?),
            Kind::Union(branches) => {
                let choice = self.cursor.choice(branches.len())?;
                let branch = branches.get(choice).ok_or(Problem::Layout)?;
                self.skip(*branch, depth + 1)?;
            }
            Kind::Record(record) => {
                for field in &record.fields {
                    self.skip(field.schema, depth + 1)?;
                }
            }
            Kind::Array(element) => self.skip_blocks(Blocks::Elements, *element, depth)?,
            Kind::Map(value) => self.skip_blocks(Blocks::Entries, *value, depth)?,
        }
        Ok(())
    }

    /// Passes over the elements of an array, or over the entries of a map, which have keys.
    fn skip_blocks(&mut self, of: Blocks, id: TypeId, depth: usize) -> Result<(), Problem> {
        loop {
            let (count, size) = self.cursor.block()?;
            if count == 0 {
                return Ok(());
            }
            if let Some(size) = size {
                self.cursor.take(size)?;
                continue;
            }
            for _ in 0..count {
                self.cursor.element()?;
                if of == Blocks::Entries {
                    self.cursor.sized()?;
                }
                self.skip(id, depth + 1)?;
            }
        }
    }
}

/// An integer of the column's size; as a float, the nearest, as Avro's resolution has it.
fn integer(value: i64, leaf: Leaf) -> Result<Scalar<'static>, Problem> {
    match leaf {
        Leaf::F64 => Ok(Scalar::F64(value as f64)),
        Leaf::F32 => Ok(Scalar::F32(value as f32)),
        _ => leaf.integer(value).ok_or_else(|| Problem::mismatch(value.to_string().as_bytes(), leaf)),
    }
}

/// What blocks are made of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Blocks {
    Elements,
    Entries,
}

/// A decimal of another scale; one that is too large for its column is NULL, as in Flink.
fn decimal(bytes: &[u8], scale: u32, leaf: Leaf) -> Result<Scalar<'static>, Problem> {
    let Leaf::Decimal { precision, scale: wanted } = leaf else { return Err(Problem::Layout) };
    let is_negative = bytes.first().is_some_and(|byte| *byte >= 0x80);
    let filler: u8 = if is_negative { 0xff } else { 0 };
    // More bytes than 16 are all sign, or more digits than any column has.
    let start = bytes.len().saturating_sub(16);
    let (sign, value) = bytes.split_at(start);
    let mut word = [filler; 16];
    word[16 - value.len()..].copy_from_slice(value);
    let unscaled = i128::from_be_bytes(word);
    if sign.iter().any(|byte| *byte != filler) || (unscaled < 0) != is_negative {
        return Ok(Scalar::Null);
    }
    if scale == u32::from(wanted) && unscaled.unsigned_abs() < 10_u128.pow(u32::from(precision)) {
        return Ok(Scalar::I128(unscaled));
    }
    let text = format!("{unscaled}e-{scale}");
    let rescaled = number::parse_decimal(text.as_bytes(), precision, wanted, number::Rounding::HalfUp);
    Ok(rescaled.and_then(Result::ok).map_or(Scalar::Null, Scalar::I128))
}
