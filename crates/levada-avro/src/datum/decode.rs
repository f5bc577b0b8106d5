//! Bytes to JSON: written by one schema, read as another has it.
//!
//! Source: Avro's specification, "Schema Resolution"; for the branch of a reader's union, that the writer's type can
//! be read with it as `SchemaCompatibility` has it.

use super::cursor::Cursor;
use super::record::Plan;
use super::{DEPTH_MAX, Limits, default, number, text_of, wrap};
use crate::compatibility::{Judge, Pair, is_promotion, is_same_name};
use crate::schema::{Enum, Kind, Schema, TypeId};
use serde_json::{Map, Value};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What a value takes beside its text, in memory.
const VALUE_BYTES: usize = 32;
/// What a member of an object takes beside its name and value.
const MEMBER_BYTES: usize = 48;
/// What an element that is skipped counts as: it costs time alone.
const SKIPPED_BYTES: usize = 8;

/// Why bytes are no value, and where.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{problem}, at byte {offset}")]
pub struct DecodeError {
    /// What is wrong.
    pub problem: Problem,
    /// How many bytes were read before.
    pub offset: usize,
}

/// What is wrong with bytes, or with a reader of them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// They end within a value.
    #[error("the value ends early")]
    Ended,
    /// They go on behind it.
    #[error("the value is over, {count} bytes are left")]
    Trailing {
        /// How many.
        count: usize,
    },
    /// A number with more bits than its type has.
    #[error("a number is too long for its type")]
    NumberTooLong,
    /// A length below 0.
    #[error("a length is negative")]
    NegativeLength,
    /// A boolean that is neither 0 nor 1.
    #[error("a boolean is {found}")]
    NotABoolean {
        /// What it is.
        found: u8,
    },
    /// Text that is not UTF-8.
    #[error("a string is not UTF-8")]
    NotUtf8,
    /// An enum or a union has fewer choices.
    #[error("{of} has no choice {index}")]
    NoSuchChoice {
        /// The type's name.
        of: String,
        /// Which choice.
        index: i64,
    },
    /// A symbol that the reader does not know.
    #[error("`{symbol}` is no symbol of the reader's {of}, which has no default")]
    UnknownSymbol {
        /// The symbol.
        symbol: String,
        /// The enum's full name.
        of: String,
    },
    /// A type that the reader cannot take for its own.
    #[error("{writer} is not read as {reader}")]
    Mismatch {
        /// The writer's type.
        writer: String,
        /// The reader's type.
        reader: String,
    },
    /// A field of the reader that is neither written nor has a usable default.
    #[error("field `{field}` of {record} is not written, and has no default that is a value of it")]
    NoDefault {
        /// The field.
        field: String,
        /// The record's full name.
        record: String,
    },
    /// The value takes more memory than it may.
    #[error("the value takes more memory than it may")]
    TooLarge,
    /// Values within values within values.
    #[error("nested deeper than {DEPTH_MAX}")]
    TooDeep,
}

/// Reads `bytes`, written with `schema`, as Avro's JSON encoding.
///
/// # Errors
/// [`DecodeError`].
pub fn decode(schema: &Schema, bytes: &[u8], limits: &Limits) -> Result<Value, DecodeError> {
    Decoder::new(schema, schema).decode(bytes, limits)
}

/// Reads values of one schema as another has them; remembers between values how the types go together.
pub struct Decoder<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    judge: Judge<'a>,
    /// For a reader's union and a writer's type, the branch that takes it.
    branches: HashMap<Pair, TypeId>,
    plans: HashMap<Pair, Arc<Plan>>,
    /// The symbols of enums that were met.
    symbols: HashMap<TypeId, HashSet<&'a str>>,
}

/// One value being read.
struct Reading<'d, 'a, 'b> {
    decoder: &'d mut Decoder<'a>,
    cursor: Cursor<'b>,
}

impl<'a> Decoder<'a> {
    /// Reads as `reader` has it what was written with `writer`.
    #[must_use]
    pub fn new(reader: &'a Schema, writer: &'a Schema) -> Self {
        Self {
            reader,
            writer,
            judge: Judge::new(reader, writer),
            branches: HashMap::new(),
            plans: HashMap::new(),
            symbols: HashMap::new(),
        }
    }

    /// Reads `bytes`, which are one value.
    ///
    /// # Errors
    /// [`DecodeError`].
    pub fn decode(&mut self, bytes: &[u8], limits: &Limits) -> Result<Value, DecodeError> {
        let root = (self.reader.root(), self.writer.root());
        let mut reading = Reading { decoder: self, cursor: Cursor::new(bytes, limits.value_bytes_max) };
        let value = reading.value(root, 0).and_then(|value| match reading.cursor.rest() {
            0 => Ok(value),
            count => Err(Problem::Trailing { count }),
        });
        value.map_err(|problem| DecodeError { problem, offset: reading.cursor.at() })
    }

    /// The branch of the reader's union that takes the writer's type: its own by name before one of another
    /// namespace or by an alias, and that before a wider type.
    fn branch(&mut self, branches: &[TypeId], pair: Pair) -> Result<TypeId, Problem> {
        if let Some(&branch) = self.branches.get(&pair) {
            return Ok(branch);
        }
        let writer = pair.1;
        if std::ptr::eq(self.reader, self.writer) && branches.contains(&writer) {
            return Ok(writer);
        }
        let (reader_schema, writer_schema) = (self.reader, self.writer);
        let other = writer_schema.kind(writer);
        let rank = |branch: &TypeId| {
            let own = reader_schema.kind(*branch);
            if own.word() == other.word() {
                match (own.name(), other.name()) {
                    (Some(own_name), Some(other_name)) if own_name == other_name => Some(0),
                    (Some(_), Some(_)) => is_same_name(own, other).then_some(1),
                    _ => Some(0),
                }
            } else {
                is_promotion(own, other).then_some(2)
            }
        };
        let mut candidates: Vec<(i32, TypeId)> =
            branches.iter().filter_map(|branch| rank(branch).map(|rank| (rank, *branch))).collect();
        candidates.sort_by_key(|&(rank, _)| rank);
        let reads_all =
            |&(_, branch): &(i32, TypeId)| self.judge.judge((branch, writer)).is_ok_and(|found| found.is_empty());
        let readable = candidates.iter().copied().find(reads_all);
        // One that does not read everything may still read this.
        let (_, branch) = readable.or_else(|| candidates.first().copied()).ok_or_else(|| Problem::Mismatch {
            writer: writer_schema.full_name(writer).to_owned(),
            reader: "any branch of the union".to_owned(),
        })?;
        self.branches.insert(pair, branch);
        Ok(branch)
    }

    fn plan(&mut self, pair: Pair) -> Result<Arc<Plan>, Problem> {
        if let Some(plan) = self.plans.get(&pair) {
            return Ok(Arc::clone(plan));
        }
        let plan = match (self.reader.kind(pair.0), self.writer.kind(pair.1)) {
            (Kind::Record(own), Kind::Record(other)) => Plan::new(own, other),
            _ => return Err(self.mismatch(pair)),
        };
        let plan = Arc::new(plan);
        self.plans.insert(pair, Arc::clone(&plan));
        Ok(plan)
    }

    fn mismatch(&self, pair: Pair) -> Problem {
        Problem::Mismatch {
            writer: self.writer.full_name(pair.1).to_owned(),
            reader: self.reader.full_name(pair.0).to_owned(),
        }
    }
}

type Outcome<T> = Result<T, Problem>;

impl<'a> Reading<'_, 'a, '_> {
    fn value(&mut self, pair: Pair, depth: usize) -> Outcome<Value> {
        if depth > DEPTH_MAX {
            return Err(Problem::TooDeep);
        }
        self.cursor.charge(VALUE_BYTES)?;
        let (reader, writer) = (self.decoder.reader, self.decoder.writer);
        let (own, other) = (reader.kind(pair.0), writer.kind(pair.1));
        match (own, other) {
            (_, Kind::Union(branches)) => {
                let branch = self.choice(branches, "union")?;
                self.value((pair.0, *branch), depth + 1)
            }
            (Kind::Union(branches), _) => {
                let branch = self.decoder.branch(branches, pair)?;
                self.cursor.charge(MEMBER_BYTES)?;
                Ok(wrap(reader, branch, self.value((branch, pair.1), depth + 1)?))
            }
            (Kind::Array(own), Kind::Array(other)) => self.array((*own, *other), depth),
            (Kind::Map(own), Kind::Map(other)) => self.map((*own, *other), depth),
            _ if own.name().is_some() && !is_same_name(own, other) => Err(self.decoder.mismatch(pair)),
            (Kind::Record(_), Kind::Record(_)) => self.record(pair, depth),
            (Kind::Enum(own), Kind::Enum(other)) => self.symbol(pair.0, own, other),
            (Kind::Fixed(own), Kind::Fixed(other)) if own.size == other.size => {
                let bytes = self.cursor.take(own.size)?;
                self.bytes(bytes)
            }
            _ if own.word() == other.word() || is_promotion(own, other) => self.primitive(own, other),
            _ => Err(self.decoder.mismatch(pair)),
        }
    }

    fn choice<'c, T>(&mut self, choices: &'c [T], of: &str) -> Outcome<&'c T> {
        let index = self.cursor.long()?;
        let choice = usize::try_from(index).ok().and_then(|index| choices.get(index));
        choice.ok_or_else(|| Problem::NoSuchChoice { of: of.to_owned(), index })
    }

    fn symbol(&mut self, id: TypeId, own: &'a Enum, other: &Enum) -> Outcome<Value> {
        let written = self.choice(&other.symbols, other.name.full())?;
        let symbols = self.decoder.symbols.entry(id);
        let symbols = symbols.or_insert_with(|| own.symbols.iter().map(String::as_str).collect());
        let known = if symbols.contains(written.as_str()) { Some(written) } else { own.default.as_ref() };
        let symbol =
            known.ok_or_else(|| Problem::UnknownSymbol { symbol: written.clone(), of: own.name.full().to_owned() })?;
        self.cursor.charge(symbol.len())?;
        Ok(Value::String(symbol.clone()))
    }

    fn bytes(&mut self, bytes: &[u8]) -> Outcome<Value> {
        // Half of the characters take two bytes.
        self.cursor.charge(bytes.len().saturating_mul(2))?;
        Ok(text_of(bytes))
    }

    fn primitive(&mut self, own: &Kind, other: &Kind) -> Outcome<Value> {
        Ok(match (own, other) {
            (Kind::Null, _) => Value::Null,
            (Kind::Boolean, _) => match self.cursor.array()? {
                [0] => Value::Bool(false),
                [1] => Value::Bool(true),
                [found] => return Err(Problem::NotABoolean { found }),
            },
            (Kind::Int | Kind::Long, Kind::Int) => self.cursor.int()?.into(),
            (Kind::Long, _) => self.cursor.long()?.into(),
            (Kind::Float, Kind::Int | Kind::Long) => number(f64::from(self.whole(other)? as f32)),
            (Kind::Double, Kind::Int | Kind::Long) => number(self.whole(other)? as f64),
            (Kind::Float, _) | (Kind::Double, Kind::Float) => {
                number(f64::from(f32::from_le_bytes(self.cursor.array()?)))
            }
            (Kind::Double, _) => number(f64::from_le_bytes(self.cursor.array()?)),
            (Kind::Bytes, _) => {
                let bytes = self.cursor.sized()?;
                return self.bytes(bytes);
            }
            (_, Kind::Bytes) => {
                let bytes = self.cursor.sized()?;
                // Each byte that is not UTF-8 becomes a character of three.
                self.cursor.charge(bytes.len().saturating_mul(3))?;
                String::from_utf8_lossy(bytes).into_owned().into()
            }
            _ => self.text()?.into(),
        })
    }

    /// An int or a long.
    fn whole(&mut self, kind: &Kind) -> Outcome<i64> {
        if matches!(kind, Kind::Int) { Ok(self.cursor.int()?.into()) } else { self.cursor.long() }
    }

    fn text(&mut self) -> Outcome<String> {
        let bytes = self.cursor.sized()?;
        self.cursor.charge(bytes.len())?;
        std::str::from_utf8(bytes).map(str::to_owned).map_err(|_| Problem::NotUtf8)
    }

    fn array(&mut self, pair: Pair, depth: usize) -> Outcome<Value> {
        let mut elements = Vec::new();
        loop {
            let (count, _) = self.cursor.block()?;
            if count == 0 {
                return Ok(Value::Array(elements));
            }
            for _ in 0..count {
                elements.push(self.value(pair, depth + 1)?);
            }
        }
    }

    fn map(&mut self, pair: Pair, depth: usize) -> Outcome<Value> {
        let mut members = Map::new();
        loop {
            let (count, _) = self.cursor.block()?;
            if count == 0 {
                return Ok(Value::Object(members));
            }
            for _ in 0..count {
                self.cursor.charge(MEMBER_BYTES)?;
                let name = self.text()?;
                members.insert(name, self.value(pair, depth + 1)?);
            }
        }
    }

    fn record(&mut self, pair: Pair, depth: usize) -> Outcome<Value> {
        let plan = self.decoder.plan(pair)?;
        let (reader, writer) = (self.decoder.reader, self.decoder.writer);
        let (Kind::Record(own), Kind::Record(other)) = (reader.kind(pair.0), writer.kind(pair.1)) else {
            return Err(self.decoder.mismatch(pair));
        };
        let mut members = Map::new();
        for (field, targets) in other.fields.iter().zip(&plan.targets) {
            let start = self.cursor.at();
            for target in targets.iter().filter_map(|&index| own.fields.get(index)) {
                self.cursor.rewind(start);
                self.cursor.charge(MEMBER_BYTES + target.name.len())?;
                let value = self.value((target.schema, field.schema), depth + 1)?;
                members.insert(target.name.clone(), value);
            }
            if targets.is_empty() {
                self.skip(field.schema, depth + 1)?;
            }
        }
        for field in plan.defaulted.iter().filter_map(|&index| own.fields.get(index)) {
            let no_default = || Problem::NoDefault { field: field.name.clone(), record: own.name.full().to_owned() };
            let json = field.default.as_ref().ok_or_else(no_default)?;
            let mut maker = default::Maker { schema: reader, cursor: &mut self.cursor };
            let value = maker.value(field.schema, json, depth + 1)?.ok_or_else(no_default)?;
            members.insert(field.name.clone(), value);
        }
        Ok(Value::Object(members))
    }

    /// Reads past a value that the reader does not want.
    fn skip(&mut self, id: TypeId, depth: usize) -> Outcome<()> {
        if depth > DEPTH_MAX {
            return Err(Problem::TooDeep);
        }
        self.cursor.charge(SKIPPED_BYTES)?;
        let writer = self.decoder.writer;
        match writer.kind(id) {
            Kind::Null => {}
            Kind::Boolean => drop(self.cursor.take(1)?),
            Kind::Int | Kind::Long | Kind::Enum(_) => drop(self.cursor.long()?),
            Kind::Float => drop(self.cursor.take(4)?),
            Kind::Double => drop(self.cursor.take(8)?),
            Kind::Bytes | Kind::String => drop(self.cursor.sized()?),
            Kind::Fixed(fixed) => drop(self.cursor.take(fixed.size)?),
            Kind::Union(branches) => {
                let branch = self.choice(branches, "union")?;
                self.skip(*branch, depth + 1)?;
            }
            Kind::Record(record) => {
                for field in &record.fields {
                    self.skip(field.schema, depth + 1)?;
                }
            }
            Kind::Array(inner) => self.skip_blocks(*inner, Keys::None, depth)?,
            Kind::Map(inner) => self.skip_blocks(*inner, Keys::Strings, depth)?,
        }
        Ok(())
    }

    fn skip_blocks(&mut self, inner: TypeId, keys: Keys, depth: usize) -> Outcome<()> {
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
                if matches!(keys, Keys::Strings) {
                    self.cursor.sized()?;
                }
                self.skip(inner, depth + 1)?;
            }
        }
    }
}

/// What stands before each element of a block.
#[derive(Clone, Copy)]
enum Keys {
    None,
    Strings,
}
