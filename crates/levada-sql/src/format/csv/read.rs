//! Records of CSV into columns.

use super::{CsvOptions, FieldOf, Shape};
use crate::format::Decoded;
use crate::format::clock::{self, Seconds, TimestampFormat};
use crate::format::column::{Column, Data, Scalar};
use crate::format::error::{DecodeError, Problem};
use crate::format::gather::Reader;
use crate::format::leaf::Leaf;

/// A reader of CSV records.
pub(super) struct Csv {
    options: CsvOptions,
    fields: Vec<FieldOf>,
    /// For each field, which of the wanted columns it is.
    targets: Vec<Option<usize>>,
    /// A field without its quotes and escapes.
    text: Vec<u8>,
    bytes: Vec<u8>,
}

impl Csv {
    pub(super) fn new(options: &CsvOptions, fields: Vec<FieldOf>, wanted: &[usize]) -> Self {
        let target = |field: usize| wanted.iter().position(|wanted| *wanted == field);
        let targets = (0..fields.len()).map(target).collect();
        Self { options: options.clone(), fields, targets, text: Vec::new(), bytes: Vec::new() }
    }

    /// Puts the field that begins at `at` into `text`. Returns where it ends, behind its delimiter, and whether another
    /// follows.
    fn next(&mut self, bytes: &[u8], at: usize) -> Result<(usize, bool), Box<DecodeError>> {
        self.text.clear();
        let fail = |problem, at| Err(Box::new(DecodeError::at(problem, at)));
        let mut at = at;
        let quote = self.options.quote_character.filter(|quote| bytes.get(at) == Some(quote));
        if let Some(quote) = quote {
            at += 1;
            loop {
                match bytes.get(at) {
                    None => return fail(Problem::Ended, at),
                    Some(byte) if Some(*byte) == self.options.escape_character => {
                        let Some(escaped) = bytes.get(at + 1) else { return fail(Problem::Ended, at) };
                        self.text.push(unescaped(*escaped));
                        at += 2;
                    }
                    Some(byte) if *byte == quote && bytes.get(at + 1) == Some(&quote) => {
                        self.text.push(quote);
                        at += 2;
                    }
                    Some(byte) if *byte == quote => {
                        at += 1;
                        break;
                    }
                    Some(byte) => {
                        self.text.push(*byte);
                        at += 1;
                    }
                }
            }
        }
        loop {
            match bytes.get(at) {
                None => return Ok((at, false)),
                Some(byte) if *byte == self.options.field_delimiter => return Ok((at + 1, true)),
                Some(b'\r' | b'\n') => {
                    let rest = bytes.get(at..).unwrap_or_default();
                    let is_end = matches!(rest, b"\n" | b"\r" | b"\r\n");
                    return if is_end { Ok((bytes.len(), false)) } else { fail(Problem::Trailing, at) };
                }
                Some(_) if quote.is_some() => return fail(Problem::Syntax { expected: "a delimiter" }, at),
                Some(byte) if Some(*byte) == self.options.escape_character => {
                    let Some(escaped) = bytes.get(at + 1) else { return fail(Problem::Ended, at) };
                    self.text.push(unescaped(*escaped));
                    at += 2;
                }
                Some(byte) => {
                    self.text.push(*byte);
                    at += 1;
                }
            }
        }
    }

    /// Appends the field that was just put into `text`.
    fn value(&mut self, index: usize, column: &mut Column) -> Result<(), Problem> {
        let Some(field) = self.fields.get(index) else { return Err(Problem::Layout) };
        let row = column.len();
        let null = self.options.null_literal.as_deref().map(str::as_bytes);
        let delimiter = self.options.array_element_delimiter.as_bytes();
        let outcome = match &field.shape {
            _ if null == Some(self.text.as_slice()) => {
                column.push_null();
                Ok(())
            }
            Shape::Leaf(leaf) => leaf_value(*leaf, &self.text, column, &mut self.bytes),
            Shape::Array(leaf, is_nullable) => {
                let Data::List { element, .. } = &mut column.data else { return Err(Problem::Layout) };
                let mut parts = split(&self.text, delimiter);
                let parts = parts.try_for_each(|part| {
                    inner_value(
                        (*leaf, *is_nullable),
                        part,
                        null,
                        element,
                        &mut self.bytes,
                        self.options.ignore_parse_errors,
                    )
                });
                parts.and_then(|()| column.close())
            }
            Shape::Row(inner) => {
                let Data::Row { columns, .. } = &mut column.data else { return Err(Problem::Layout) };
                let parts: Vec<&[u8]> = split(&self.text, delimiter).collect();
                let arity = if parts.len() == inner.len() || self.options.ignore_parse_errors {
                    Ok(())
                } else {
                    Err(Problem::Arity { found: parts.len(), expected: inner.len() })
                };
                let mut places = columns.iter_mut().zip(inner).enumerate();
                let values = arity.and_then(|()| {
                    places.try_for_each(|(at, (column, inner))| match parts.get(at) {
                        Some(part) => {
                            inner_value(*inner, part, null, column, &mut self.bytes, self.options.ignore_parse_errors)
                        }
                        None => {
                            column.push_null();
                            if inner.1 { Ok(()) } else { Err(Problem::Null) }
                        }
                    })
                });
                values.and_then(|()| column.close())
            }
        };
        match outcome {
            Err(problem) if self.options.ignore_parse_errors && problem.is_of_value() => {
                column.truncate(row);
                column.push_null();
                Ok(())
            }
            other => other,
        }
    }
}

/// The values of an array or a row; an empty field has none.
fn split<'a>(text: &'a [u8], delimiter: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let mut rest = (!text.is_empty()).then_some(text);
    std::iter::from_fn(move || {
        let current = rest?;
        match memchr::memmem::find(current, delimiter).filter(|_| !delimiter.is_empty()) {
            Some(at) => {
                rest = current.get(at + delimiter.len()..);
                current.get(..at)
            }
            None => {
                rest = None;
                Some(current)
            }
        }
    })
}

fn inner_value(
    (leaf, is_nullable): (Leaf, bool),
    text: &[u8],
    null: Option<&[u8]>,
    column: &mut Column,
    scratch: &mut Vec<u8>,
    ignores_errors: bool,
) -> Result<(), Problem> {
    let row = column.len();
    if null == Some(text) {
        column.push_null();
    } else {
        match leaf_value(leaf, text, column, scratch) {
            Err(problem) if ignores_errors && problem.is_of_value() => column.push_null(),
            other => other?,
        }
    }
    if !is_nullable && column.is_null(row) { Err(Problem::Null) } else { Ok(()) }
}

fn leaf_value(leaf: Leaf, text: &[u8], column: &mut Column, scratch: &mut Vec<u8>) -> Result<(), Problem> {
    let scalar = match leaf {
        Leaf::Time { .. } => clock::parse_time(text, Seconds::Optional).and_then(|nanos| leaf.time(nanos)),
        Leaf::Timestamp { .. } => leaf.read(crate::format::leaf::trimmed(text), TimestampFormat::Sql, scratch),
        _ => leaf.read(text, TimestampFormat::Sql, scratch),
    };
    let scalar: Option<Scalar<'_>> = scalar;
    column.push(scalar.ok_or_else(|| Problem::mismatch(text, leaf))?)
}

const fn unescaped(byte: u8) -> u8 {
    match byte {
        b'0' => 0,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
}

impl Reader for Csv {
    fn read(&mut self, bytes: Option<&[u8]>, columns: &mut [Column], row: usize) -> Result<Decoded, Box<DecodeError>> {
        let Some(bytes) = bytes.filter(|bytes| !bytes.is_empty()) else { return Ok(Decoded::Skipped) };
        if self.options.allow_comments && bytes.first() == Some(&b'#') {
            return Ok(Decoded::Skipped);
        }
        if simdutf8::basic::from_utf8(bytes).is_err() {
            return Err(Box::new(DecodeError::new(Problem::NotUtf8)));
        }
        let named = |fields: &[FieldOf], index: usize| fields.get(index).map(|field| field.name.clone());
        let (mut at, mut count, mut is_more) = (0, 0, true);
        while is_more {
            let start = at;
            (at, is_more) = self.next(bytes, at)?;
            let target = self.targets.get(count).copied().flatten();
            if let Some(column) = target.and_then(|target| columns.get_mut(target)) {
                self.value(count, column).map_err(|problem| {
                    let path = named(&self.fields, count).into_iter().collect();
                    Box::new(DecodeError { problem, path, offset: Some(start) })
                })?;
            }
            count += 1;
        }
        let expected = self.fields.len();
        if count != expected && !self.options.ignore_parse_errors {
            return Err(Box::new(DecodeError::new(Problem::Arity { found: count, expected })));
        }
        for (index, (field, target)) in self.fields.iter().zip(&self.targets).enumerate() {
            let Some(column) = target.and_then(|target| columns.get_mut(target)) else { continue };
            if column.len() == row {
                column.push_null();
            }
            if !field.is_nullable && column.is_null(row) {
                let path = named(&self.fields, index).into_iter().collect();
                return Err(Box::new(DecodeError { problem: Problem::Null, path, offset: None }));
            }
        }
        Ok(Decoded::Row)
    }
}
