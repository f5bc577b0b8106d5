//! [`Json`]: JSON records into columns, in one pass.

use super::keys::{Keys, Place};
use super::scan::{DEPTH_MAX, Outcome, Scanner};
use super::{JsonOptions, Shape, items, shape, tree};
use crate::format::clock::TimestampFormat;
use crate::format::column::{Column, Data, Scalar};
use crate::format::error::{DecodeError, FormatError, Problem};
use crate::format::gather::Reader;
use crate::format::leaf::Leaf;
use crate::format::number::{self, Rounding};
use crate::format::{Columns, Decoded};
use crate::types::Item;
use std::collections::HashMap;

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";
/// How many keys of a map are compared with each other one by one.
const FEW: usize = 8;

/// A reader of JSON records.
pub(in crate::format) struct Json {
    row: Row,
    values: Values,
}

/// The members of an object that are wanted.
struct Row {
    keys: Keys,
    members: Vec<Member>,
}

struct Member {
    name: String,
    value: Value,
}

struct Value {
    kind: Kind,
    is_nullable: bool,
}

enum Kind {
    Leaf(Leaf),
    Array(Box<Value>),
    Map(Box<Value>),
    Row(Row),
}

/// What all values are read with.
struct Values {
    fails_on_missing: bool,
    ignores_errors: bool,
    timestamp_format: TimestampFormat,
    /// A string without its escapes.
    text: Vec<u8>,
    /// Bytes that were base64.
    bytes: Vec<u8>,
}

impl Json {
    pub(in crate::format) fn new(options: &JsonOptions, columns: &Columns) -> Result<Self, FormatError> {
        if options.fail_on_missing_field && options.ignore_parse_errors {
            return Err(FormatError::Conflict {
                first: "json.fail-on-missing-field".to_owned(),
                second: "json.ignore-parse-errors".to_owned(),
            });
        }
        let wanted = items(columns.wanted.iter().filter_map(|index| columns.fields.get(*index)))?;
        // All columns, in the order of the table, for so they will come; then whatever is wanted twice.
        let place = |index: usize| columns.wanted.iter().position(|wanted| *wanted == index);
        let keys = columns.fields.iter().enumerate().map(|(index, field)| (field.name().as_str(), place(index)));
        Ok(Self {
            row: Row { keys: Keys::new(keys), members: members(&wanted)? },
            values: Values {
                fails_on_missing: options.fail_on_missing_field,
                ignores_errors: options.ignore_parse_errors,
                timestamp_format: options.timestamp_format,
                text: Vec::new(),
                bytes: Vec::new(),
            },
        })
    }
}

fn members(fields: &[(String, Item)]) -> Result<Vec<Member>, FormatError> {
    fields.iter().map(|(name, item)| Ok(Member { name: name.clone(), value: value(item, name)? })).collect()
}

fn value(item: &Item, column: &str) -> Result<Value, FormatError> {
    let boxed = |item: &Item| value(item, column).map(Box::new);
    let kind = match shape(&item.value, column)? {
        Shape::Leaf(leaf) => Kind::Leaf(leaf),
        Shape::Array(element) => Kind::Array(boxed(element)?),
        Shape::Map(value) => Kind::Map(boxed(value)?),
        Shape::Row(fields) => {
            let keys = fields.iter().enumerate().map(|(index, (name, _))| (name.as_str(), Some(index)));
            Kind::Row(Row { keys: Keys::new(keys), members: members(fields)? })
        }
    };
    Ok(Value { kind, is_nullable: item.is_nullable })
}

impl Reader for Json {
    fn read(&mut self, bytes: Option<&[u8]>, columns: &mut [Column], row: usize) -> Result<Decoded, Box<DecodeError>> {
        let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else { return Ok(Decoded::Skipped) };
        let bytes = bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes);
        if simdutf8::basic::from_utf8(bytes).is_err() {
            return Err(Box::new(DecodeError::new(Problem::NotUtf8)));
        }
        let mut scanner = Scanner::new(bytes);
        if scanner.peek() != Some(b'{') {
            return Err(scanner.expected("an object"));
        }
        self.values.object(&mut self.row, columns, row, &mut scanner, 0)?;
        scanner.end()?;
        Ok(Decoded::Row)
    }
}

impl Values {
    /// Reads the object that begins here into `columns`, of which each has `row` values before.
    fn object(
        &mut self,
        of: &mut Row,
        columns: &mut [Column],
        row: usize,
        scanner: &mut Scanner<'_>,
        depth: usize,
    ) -> Outcome<()> {
        scanner.pass();
        let mut place = Place::default();
        let mut is_over = scanner.take(b'}');
        while !is_over {
            let target = of.keys.next(&mut place, scanner)?;
            scanner.colon()?;
            match target.and_then(|target| Some((columns.get_mut(target)?, of.members.get_mut(target)?))) {
                Some((column, member)) => {
                    if column.len() > row {
                        column.truncate(row);
                    }
                    self.value(&mut member.value, column, scanner, depth + 1)
                        .map_err(|error| under(error, &member.name))?;
                }
                None => scanner.skip_value(depth + 1)?,
            }
            is_over = scanner.take(b'}');
            if !is_over && !scanner.take(b',') {
                return Err(scanner.expected("`,` or `}`"));
            }
        }
        for (column, member) in columns.iter_mut().zip(&of.members) {
            if column.len() == row {
                if self.fails_on_missing {
                    return Err(scanner.fail(Problem::Missing { field: member.name.clone() }));
                }
                column.push_null();
            }
            if !member.value.is_nullable && column.is_null(row) {
                return Err(under(scanner.fail(Problem::Null), &member.name));
            }
        }
        Ok(())
    }

    /// Appends the value that begins here, or NULL if it does not parse and that is to be ignored.
    #[inline]
    fn value(&mut self, of: &mut Value, column: &mut Column, scanner: &mut Scanner<'_>, depth: usize) -> Outcome<()> {
        if !self.ignores_errors {
            return self.strict(of, column, scanner, depth);
        }
        let (start, len) = (scanner.at(), column.len());
        match self.strict(of, column, scanner, depth) {
            Err(error) if error.problem.is_of_value() => {
                column.truncate(len);
                scanner.rewind(start);
                scanner.skip_value(depth)?;
                column.push_null();
                Ok(())
            }
            other => other,
        }
    }

    #[inline]
    fn strict(&mut self, of: &mut Value, column: &mut Column, scanner: &mut Scanner<'_>, depth: usize) -> Outcome<()> {
        let first = scanner.peek();
        if first == Some(b'n') {
            scanner.literal(b"null")?;
            column.push_null();
            return Ok(());
        }
        match &mut of.kind {
            Kind::Leaf(leaf) => self.leaf(*leaf, column, scanner, depth),
            _ if depth >= DEPTH_MAX => Err(scanner.fail(Problem::TooDeep { limit: DEPTH_MAX })),
            Kind::Array(element) if first == Some(b'[') => self.array(element, column, scanner, depth),
            Kind::Map(value) if first == Some(b'{') => self.map(value, column, scanner, depth),
            Kind::Row(row) if first == Some(b'{') => {
                let at = column.len();
                let Data::Row { columns, .. } = &mut column.data else { return Err(scanner.fail(Problem::Layout)) };
                self.object(row, columns, at, scanner, depth)?;
                column.close().map_err(|problem| scanner.fail(problem))
            }
            Kind::Array(_) => Err(other_value(scanner, depth, "ARRAY")),
            Kind::Map(_) => Err(other_value(scanner, depth, "MAP")),
            Kind::Row(_) => Err(other_value(scanner, depth, "ROW")),
        }
    }

    fn array(&mut self, of: &mut Value, column: &mut Column, scanner: &mut Scanner<'_>, depth: usize) -> Outcome<()> {
        let Data::List { element, .. } = &mut column.data else { return Err(scanner.fail(Problem::Layout)) };
        scanner.pass();
        let mut is_over = scanner.take(b']');
        while !is_over {
            self.value(of, element, scanner, depth + 1)?;
            if !of.is_nullable && element.is_null(element.len() - 1) {
                return Err(scanner.fail(Problem::Null));
            }
            is_over = scanner.take(b']');
            if !is_over && !scanner.take(b',') {
                return Err(scanner.expected("`,` or `]`"));
            }
        }
        column.close().map_err(|problem| scanner.fail(problem))
    }

    /// Reads an object twice: its keys, then the last value of each.
    fn map(&mut self, of: &mut Value, column: &mut Column, scanner: &mut Scanner<'_>, depth: usize) -> Outcome<()> {
        let entries = entries(scanner, depth)?;
        let end = scanner.at();
        let Data::Map { key: keys, value: values, .. } = &mut column.data else {
            return Err(scanner.fail(Problem::Layout));
        };
        for (key, start) in entries {
            keys.push(Scalar::Bytes(&key)).map_err(|problem| scanner.fail(problem))?;
            scanner.rewind(start);
            let name = || String::from_utf8_lossy(&key);
            self.value(of, values, scanner, depth + 1).map_err(|error| under(error, &name()))?;
            if !of.is_nullable && values.is_null(values.len() - 1) {
                return Err(under(scanner.fail(Problem::Null), &name()));
            }
        }
        scanner.rewind(end);
        column.close().map_err(|problem| scanner.fail(problem))
    }

    #[inline]
    fn leaf(&mut self, leaf: Leaf, column: &mut Column, scanner: &mut Scanner<'_>, depth: usize) -> Outcome<()> {
        let start = scanner.at();
        let scalar = match scanner.peek() {
            Some(b'"') => {
                let text = scanner.string()?;
                let text = if text.has_escapes {
                    self.text.clear();
                    text.unescape(&mut self.text)?;
                    &self.text
                } else {
                    text.raw
                };
                leaf.read(text, self.timestamp_format, &mut self.bytes)
            }
            Some(b'-' | b'0'..=b'9') => number_value(leaf, scanner)?,
            Some(b't') => {
                scanner.literal(b"true")?;
                word(leaf, b"true", true)
            }
            Some(b'f') => {
                scanner.literal(b"false")?;
                word(leaf, b"false", false)
            }
            Some(b'{' | b'[') if leaf == Leaf::Text => {
                self.text.clear();
                tree::write(scanner, depth, &mut self.text)?;
                Some(Scalar::Bytes(&self.text))
            }
            Some(b'{' | b'[') => {
                scanner.skip_value(depth)?;
                None
            }
            _ => return Err(scanner.expected("a value")),
        };
        match scalar {
            Some(scalar) => column.push(scalar).map_err(|problem| scanner.fail(problem)),
            None => Err(scanner.fail(Problem::mismatch(scanner.since(start), leaf))),
        }
    }
}

/// The value of the number that begins here.
#[inline]
fn number_value<'a>(leaf: Leaf, scanner: &mut Scanner<'a>) -> Outcome<Option<Scalar<'a>>> {
    let is_integer = matches!(leaf, Leaf::I64 | Leaf::I32 | Leaf::I16 | Leaf::I8);
    if is_integer && let Some(value) = scanner.small_integer() {
        return Ok(leaf.integer(value));
    }
    let number = scanner.number()?;
    let text = number.text;
    Ok(match leaf {
        Leaf::Text => Some(Scalar::Bytes(text)),
        Leaf::F64 => number::parse_float(text).map(Scalar::F64),
        Leaf::F32 => number::parse_float(text).map(Scalar::F32),
        Leaf::Decimal { precision, scale } => leaf.decimal(text, precision, scale),
        Leaf::I64 | Leaf::I32 | Leaf::I16 | Leaf::I8 if number.is_integer => {
            number::parse_i64(text).and_then(|value| leaf.integer(value))
        }
        // As Java casts it, but without rounding to a double before.
        Leaf::I64 | Leaf::I32 => number::parse_decimal(text, 19, 0, Rounding::Down)
            .and_then(Result::ok)
            .and_then(|value| i64::try_from(value).ok())
            .and_then(|value| leaf.integer(value)),
        // Java: what is not `true` is false.
        Leaf::Boolean => Some(Scalar::Boolean(false)),
        Leaf::I16 | Leaf::I8 | Leaf::Bytes | Leaf::Date | Leaf::Time { .. } | Leaf::Timestamp { .. } => None,
    })
}

fn word(leaf: Leaf, text: &'static [u8], value: bool) -> Option<Scalar<'static>> {
    match leaf {
        Leaf::Boolean => Some(Scalar::Boolean(value)),
        Leaf::Text => Some(Scalar::Bytes(text)),
        _ => None,
    }
}

/// The error for a value of another type, once it is known to be a value.
fn other_value(scanner: &mut Scanner<'_>, depth: usize, expected: &'static str) -> Box<DecodeError> {
    let start = scanner.at();
    match scanner.skip_value(depth) {
        Ok(()) => scanner.fail(Problem::mismatch(scanner.since(start), expected)),
        Err(error) => error,
    }
}

/// The keys of the object that begins here, each with the place of its last value, in the order of these.
fn entries(scanner: &mut Scanner<'_>, depth: usize) -> Outcome<Vec<(Vec<u8>, usize)>> {
    let mut entries: Vec<(Vec<u8>, usize)> = Vec::new();
    scanner.pass();
    let mut is_over = scanner.take(b'}');
    while !is_over {
        let text = scanner.string()?;
        let mut key = Vec::with_capacity(text.raw.len());
        text.unescape(&mut key)?;
        scanner.colon()?;
        scanner.peek();
        entries.push((key, scanner.at()));
        scanner.skip_value(depth + 1)?;
        is_over = scanner.take(b'}');
        if !is_over && !scanner.take(b',') {
            return Err(scanner.expected("`,` or `}`"));
        }
    }
    let is_last: Vec<bool> = if entries.len() <= FEW {
        let is_last =
            |(at, (key, _)): (usize, &(Vec<u8>, usize))| !entries[at + 1..].iter().any(|(next, _)| next == key);
        entries.iter().enumerate().map(is_last).collect()
    } else {
        let last: HashMap<&[u8], usize> = entries.iter().map(|(key, start)| (key.as_slice(), *start)).collect();
        entries.iter().map(|(key, start)| last.get(key.as_slice()) == Some(start)).collect()
    };
    let mut is_last = is_last.into_iter();
    entries.retain(|_| is_last.next().unwrap_or_default());
    Ok(entries)
}

#[cold]
fn under(mut error: Box<DecodeError>, name: &str) -> Box<DecodeError> {
    error.path.insert(0, name.to_owned());
    error
}
