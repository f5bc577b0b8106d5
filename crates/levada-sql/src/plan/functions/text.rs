//! Functions of texts. Characters are code points, but for padding, which counts UTF-16 as Java does.

use super::scalar::{Call, Function, Wanted, int_at, take, text_at};
use datafusion::{
    arrow::{
        array::{ArrayRef, Int32Array},
        datatypes::DataType,
    },
    common::{Result, ScalarValue, exec_err, plan_err},
    logical_expr::ScalarUDF,
};
use md5::{Digest as _, Md5};
use sha2::Sha256;
use std::sync::Arc;

/// What `||` is.
pub(super) fn joined() -> Arc<ScalarUDF> {
    Function::define("concat", any_texts, text, concat)
}

pub(super) fn all() -> Vec<Arc<ScalarUDF>> {
    let of = Function::define;
    vec![
        joined(),
        of("concat_ws", separated, text, concat_ws),
        of("left", text_int, text, left),
        of("right", text_int, text, right),
        of("lpad", text_int_text, text, lpad),
        of("rpad", text_int_text, text, rpad),
        of("repeat", text_int, text, repeat),
        of("replace", three_texts, text, replace),
        of("reverse", one_text, text, reverse),
        of("initcap", one_text, text, initcap),
        of("locate", locate_types, int, locate),
        of("instr", two_texts, int, instr),
        of("split_index", text_text_int, text, split_index),
        of("md5", one_text, text, md5),
        of("sha256", one_text, text, sha256),
    ]
}

fn text(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Utf8)
}

fn int(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Int32)
}

fn any_texts(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    if types.is_empty() {
        return plan_err!("{} takes one argument at least", name.to_uppercase());
    }
    take(name, types, &vec![Wanted::Text; types.len()], 0)
}

fn separated(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    if types.len() < 2 {
        return plan_err!("{} takes two arguments at least", name.to_uppercase());
    }
    any_texts(name, types)
}

fn one_text(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    take(name, types, &[Wanted::Text], 0)
}

fn two_texts(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    take(name, types, &[Wanted::Text; 2], 0)
}

fn three_texts(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    take(name, types, &[Wanted::Text; 3], 0)
}

fn text_int(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    take(name, types, &[Wanted::Text, Wanted::Int], 0)
}

fn text_int_text(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    take(name, types, &[Wanted::Text, Wanted::Int, Wanted::Text], 0)
}

fn text_text_int(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    take(name, types, &[Wanted::Text, Wanted::Text, Wanted::Int], 0)
}

fn locate_types(name: &'static str, types: &[DataType]) -> Result<Vec<DataType>> {
    take(name, types, &[Wanted::Text, Wanted::Text, Wanted::Int], 1)
}

/// NULL where any is.
fn concat(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = (0..call.arguments.len()).map(|at| call.texts(at)).collect::<Result<Vec<_>>>()?;
    call.each_text(|row| {
        let parts = texts.iter().map(|texts| text_at(texts, row)).collect::<Option<Vec<&str>>>();
        let Some(parts) = parts else { return Ok(None) };
        call.check_text(parts.iter().map(|part| part.len()).sum())?;
        Ok(Some(parts.concat()))
    })
}

/// NULL where the separator is; others that are NULL are left out.
fn concat_ws(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = (0..call.arguments.len()).map(|at| call.texts(at)).collect::<Result<Vec<_>>>()?;
    let Some((separators, texts)) = texts.split_first() else { return exec_err!("there is no separator") };
    call.each_text(|row| {
        let Some(separator) = text_at(separators, row) else { return Ok(None) };
        let parts: Vec<&str> = texts.iter().filter_map(|texts| text_at(texts, row)).collect();
        let between = separator.len().saturating_mul(parts.len().saturating_sub(1));
        call.check_text(parts.iter().map(|part| part.len()).sum::<usize>().saturating_add(between))?;
        Ok(Some(parts.join(separator)))
    })
}

/// A function of a text and a number, of which neither is NULL.
fn with_number(call: &Call<'_>, function: impl Fn(&str, i32) -> Result<String>) -> Result<ArrayRef> {
    let (texts, numbers) = (call.texts(0)?, call.ints(1)?);
    call.each_text(|row| match (text_at(texts, row), int_at(numbers, row)) {
        (Some(text), Some(number)) => function(text, number).map(Some),
        _ => Ok(None),
    })
}

/// A count that is not below zero.
fn count(number: i32) -> usize {
    usize::try_from(number).unwrap_or(0)
}

fn left(call: &Call<'_>) -> Result<ArrayRef> {
    with_number(call, |text, number| Ok(text.chars().take(count(number)).collect()))
}

fn right(call: &Call<'_>) -> Result<ArrayRef> {
    with_number(call, |text, number| {
        let from = text.chars().count().saturating_sub(count(number));
        Ok(text.chars().skip(from).collect())
    })
}

fn repeat(call: &Call<'_>) -> Result<ArrayRef> {
    with_number(call, |text, number| {
        call.check_text(text.len().saturating_mul(count(number)))?;
        Ok(text.repeat(count(number)))
    })
}

/// An empty text is found before each character and at the end.
fn replace(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, sought, replacements) = (call.texts(0)?, call.texts(1)?, call.texts(2)?);
    call.each_text(|row| {
        let all = text_at(texts, row).zip(text_at(sought, row)).zip(text_at(replacements, row));
        let Some(((text, sought), replacement)) = all else { return Ok(None) };
        let found = text.matches(sought).count();
        call.check_text((text.len() - found * sought.len()).saturating_add(found.saturating_mul(replacement.len())))?;
        Ok(Some(text.replace(sought, replacement)))
    })
}

fn with_text(call: &Call<'_>, function: impl Fn(&str) -> String) -> Result<ArrayRef> {
    let texts = call.texts(0)?;
    call.each_text(|row| Ok(text_at(texts, row).map(&function)))
}

fn reverse(call: &Call<'_>) -> Result<ArrayRef> {
    with_text(call, |text| text.chars().rev().collect())
}

/// A word is a sequence of ASCII letters and digits; anything else is between words.
fn initcap(call: &Call<'_>) -> Result<ArrayRef> {
    with_text(call, |text| {
        let mut is_within = false;
        let letter = |letter: char| {
            let was_within = std::mem::replace(&mut is_within, letter.is_ascii_alphanumeric());
            if was_within { letter.to_ascii_lowercase() } else { letter.to_ascii_uppercase() }
        };
        text.chars().map(letter).collect()
    })
}

fn md5(call: &Call<'_>) -> Result<ArrayRef> {
    with_text(call, |text| hexadecimal(&Md5::digest(text.as_bytes())))
}

fn sha256(call: &Call<'_>) -> Result<ArrayRef> {
    with_text(call, |text| hexadecimal(&Sha256::digest(text.as_bytes())))
}

fn hexadecimal(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

enum Side {
    Left,
    Right,
}

fn lpad(call: &Call<'_>) -> Result<ArrayRef> {
    pad(call, &Side::Left)
}

fn rpad(call: &Call<'_>) -> Result<ArrayRef> {
    pad(call, &Side::Right)
}

/// NULL for a length below zero, and where there is nothing to pad with.
fn pad(call: &Call<'_>, side: &Side) -> Result<ArrayRef> {
    let (texts, lengths, pads) = (call.texts(0)?, call.ints(1)?, call.texts(2)?);
    call.each_text(|row| {
        let all = text_at(texts, row).zip(int_at(lengths, row)).zip(text_at(pads, row));
        let Some(((text, length), padding)) = all.filter(|((_, length), padding)| *length >= 0 && !padding.is_empty())
        else {
            return Ok(None);
        };
        // Each of UTF-16's units is a byte at least.
        call.check_text(count(length))?;
        let text: Vec<u16> = text.encode_utf16().take(count(length)).collect();
        let padding: Vec<u16> = padding.encode_utf16().collect();
        let missing = padding.iter().copied().cycle().take(count(length) - text.len());
        let padded: Vec<u16> = match side {
            Side::Left => missing.chain(text.iter().copied()).collect(),
            Side::Right => text.iter().copied().chain(missing).collect(),
        };
        // A half of a pair is what Java makes of it when it is encoded.
        let padded: String = char::decode_utf16(padded).map(|letter| letter.unwrap_or('?')).collect();
        call.check_text(padded.len())?;
        Ok(Some(padded))
    })
}

/// The place of the first `sought` from the character `from` on, counted from 1; 0 where there is none.
fn place(sought: &str, text: &str, from: i32) -> Result<i32> {
    if sought.is_empty() {
        return Ok(1);
    }
    let before = count(from.saturating_sub(1));
    let start = text.char_indices().nth(before).map_or(text.len(), |(start, _)| start);
    let Some(found) = text.get(start..).and_then(|rest| rest.find(sought)) else { return Ok(0) };
    let characters = text.get(..start + found).map_or(0, |head| head.chars().count());
    i32::try_from(characters + 1).or_else(|_| exec_err!("a text is too long"))
}

fn locate(call: &Call<'_>) -> Result<ArrayRef> {
    let from = if call.arguments.len() > 2 { Some(call.ints(2)?) } else { None };
    places(call, 0, 1, from)
}

fn instr(call: &Call<'_>) -> Result<ArrayRef> {
    places(call, 1, 0, None)
}

fn places(call: &Call<'_>, sought: usize, text: usize, from: Option<&Int32Array>) -> Result<ArrayRef> {
    let (sought, texts) = (call.texts(sought)?, call.texts(text)?);
    let one = |row: usize| {
        let from = from.map_or(Some(1), |from| int_at(from, row));
        let all = text_at(sought, row).zip(text_at(texts, row)).zip(from);
        all.map(|((sought, text), from)| place(sought, text, from)).transpose()
    };
    Ok(Arc::new((0..call.rows).map(one).collect::<Result<Int32Array>>()?))
}

/// The part of that number, from 0 on; NULL where there is none, and of an empty text.
fn split_index(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, separators, numbers) = (call.texts(0)?, call.texts(1)?, call.ints(2)?);
    call.each_text(|row| {
        let all = text_at(texts, row).zip(text_at(separators, row)).zip(int_at(numbers, row));
        let Some(((text, separator), number)) = all else { return Ok(None) };
        if separator.is_empty() {
            return exec_err!("SPLIT_INDEX with an empty separator is not supported");
        }
        if text.is_empty() || number < 0 {
            return Ok(None);
        }
        Ok(text.split(separator).nth(count(number)).map(str::to_owned))
    })
}
