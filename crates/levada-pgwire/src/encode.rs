//! Cells as PostgreSQL writes them.

use crate::{
    calendar::{DAYS_TO_2000, MICROS_TO_2000, date_text, time_text, timestamp_text},
    numeric::Decimal,
    out::{Format, Formats, Out, count},
    problem::Problem,
};
use bytes::{BufMut as _, BytesMut};
use levada_sql::{
    Cell,
    pg_catalog::{oid, pg_type},
    query::Column,
};

/// A row as it is written: the protocol counts no further than twice that.
const ROW_SIZE_MAX: usize = 1 << 30;

/// What the columns of rows are written as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    columns: Vec<(u32, Format)>,
}

impl Row {
    pub(crate) fn new(columns: &[Column], formats: &Formats) -> Self {
        let column = |(at, column): (usize, &Column)| (pg_type(&column.of).oid, formats.of(at));
        Self { columns: columns.iter().enumerate().map(column).collect() }
    }

    /// Writes one, or nothing of it.
    pub(crate) fn write(&self, cells: &[Cell<'_>], out: &mut Out) -> Result<(), Problem> {
        if cells.len() != self.columns.len() {
            return Err(changed());
        }
        let before = out.bytes.len();
        let mut wrong = None;
        out.message(b'D', |body| {
            body.put_i16(count(cells.len()));
            for (cell, (oid, format)) in cells.iter().zip(&self.columns) {
                if *cell == Cell::Null {
                    body.put_i32(-1);
                    continue;
                }
                let start = body.len();
                body.put_i32(0);
                let written = match format {
                    Format::Text => text(cell, *oid, body),
                    Format::Binary => binary(cell, *oid, body),
                };
                wrong = wrong.take().or_else(|| written.err());
                let size = i32::try_from(body.len() - start - 4).unwrap_or(i32::MAX);
                if let Some(place) = body.get_mut(start..start + 4) {
                    place.copy_from_slice(&size.to_be_bytes());
                }
            }
        });
        if out.bytes.len() - before > ROW_SIZE_MAX {
            wrong = Some(Problem::new("54000", format!("a row has more than {ROW_SIZE_MAX} bytes as it is written")));
        }
        match wrong {
            Some(problem) => {
                out.bytes.truncate(before);
                Err(problem)
            }
            None => Ok(()),
        }
    }
}

/// The tables are not those any more that the client was told of.
fn changed() -> Problem {
    Problem::new("0A000", "the columns are others than when the statement was described")
        .with_hint("prepare the statement again")
}

fn text(cell: &Cell<'_>, oid: u32, body: &mut BytesMut) -> Result<(), Problem> {
    let written = match cell {
        Cell::Null => String::new(),
        Cell::Boolean(value) => if *value { "t" } else { "f" }.to_owned(),
        Cell::SmallInt(value) => value.to_string(),
        Cell::Int(value) => value.to_string(),
        Cell::BigInt(value) => value.to_string(),
        Cell::Float(value) => float_text(f64::from(*value), &value.to_string(), &format!("{value:e}")),
        Cell::Double(value) => float_text(*value, &value.to_string(), &format!("{value:e}")),
        &Cell::Decimal { unscaled, scale } => Decimal { unscaled, scale }.text(),
        Cell::Text(text) => {
            body.put_slice(text.as_bytes());
            return Ok(());
        }
        Cell::Bytes(bytes) => {
            body.put_slice(b"\\x");
            bytes.iter().for_each(|byte| body.put_slice(&hex(*byte)));
            return Ok(());
        }
        Cell::Date(days) => date_text(*days),
        Cell::Time(nanos) => time_text(nanos / 1_000),
        Cell::Timestamp(micros) => timestamp_text(*micros, oid == oid::TIMESTAMPTZ),
        Cell::Json(text) => {
            body.put_slice(text.as_bytes());
            return Ok(());
        }
    };
    body.put_slice(written.as_bytes());
    Ok(())
}

/// A float as PostgreSQL writes it: with an exponent where it is large or small.
fn float_text(value: f64, plain: &str, exponent: &str) -> String {
    let size = value.abs();
    match value {
        _ if value.is_nan() => "NaN".to_owned(),
        _ if value.is_infinite() => if value > 0.0 { "Infinity" } else { "-Infinity" }.to_owned(),
        _ if size != 0.0 && !(1e-4..1e15).contains(&size) => match exponent.split_once('e') {
            Some((digits, power)) if !power.starts_with('-') => format!("{digits}e+{power:0>2}"),
            Some((digits, power)) => format!("{digits}e-{:0>2}", &power[1..]),
            None => exponent.to_owned(),
        },
        _ => plain.to_owned(),
    }
}

fn hex(byte: u8) -> [u8; 2] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    [DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]
}

fn binary(cell: &Cell<'_>, oid: u32, body: &mut BytesMut) -> Result<(), Problem> {
    let whole = |cell: &Cell<'_>| match cell {
        Cell::SmallInt(value) => Some(i64::from(*value)),
        Cell::Int(value) => Some(i64::from(*value)),
        Cell::BigInt(value) => Some(*value),
        _ => None,
    };
    match (oid, cell) {
        (oid::BOOL, Cell::Boolean(value)) => body.put_u8(u8::from(*value)),
        (oid::INT2, cell) => body.put_i16(whole(cell).and_then(|it| i16::try_from(it).ok()).ok_or_else(changed)?),
        (oid::INT4, cell) => body.put_i32(whole(cell).and_then(|it| i32::try_from(it).ok()).ok_or_else(changed)?),
        (oid::INT8, cell) => body.put_i64(whole(cell).ok_or_else(changed)?),
        (oid::FLOAT4, Cell::Float(value)) => body.put_f32(*value),
        (oid::FLOAT8, Cell::Double(value)) => body.put_f64(*value),
        (oid::NUMERIC, &Cell::Decimal { unscaled, scale }) => Decimal { unscaled, scale }.write(body),
        (oid::TEXT | oid::VARCHAR | oid::BPCHAR, Cell::Text(text)) => body.put_slice(text.as_bytes()),
        (oid::BYTEA, Cell::Bytes(bytes)) => body.put_slice(bytes),
        (oid::JSON, Cell::Json(text)) => body.put_slice(text.as_bytes()),
        (oid::DATE, Cell::Date(days)) => body.put_i32(days.checked_sub(DAYS_TO_2000).ok_or_else(changed)?),
        (oid::TIME, Cell::Time(nanos)) => body.put_i64(nanos / 1_000),
        (oid::TIMESTAMP | oid::TIMESTAMPTZ, Cell::Timestamp(micros)) => {
            body.put_i64(micros.checked_sub(MICROS_TO_2000).ok_or_else(changed)?);
        }
        _ => return Err(changed()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(cell: &Cell<'_>, oid: u32) -> String {
        let mut body = BytesMut::new();
        text(cell, oid, &mut body).unwrap();
        String::from_utf8(body.to_vec()).unwrap()
    }

    #[test]
    fn values_are_written_as_postgresql_writes_them() {
        assert_eq!(shown(&Cell::Boolean(true), oid::BOOL), "t");
        assert_eq!(shown(&Cell::Double(1.5), oid::FLOAT8), "1.5");
        assert_eq!(shown(&Cell::Double(1e20), oid::FLOAT8), "1e+20");
        assert_eq!(shown(&Cell::Double(1.25e-7), oid::FLOAT8), "1.25e-07");
        assert_eq!(shown(&Cell::Float(0.1), oid::FLOAT4), "0.1");
        assert_eq!(shown(&Cell::Double(f64::NEG_INFINITY), oid::FLOAT8), "-Infinity");
        assert_eq!(shown(&Cell::Bytes(&[0, 255]), oid::BYTEA), "\\x00ff");
        assert_eq!(shown(&Cell::Timestamp(1_500), oid::TIMESTAMPTZ), "1970-01-01 00:00:00.0015+00");
        assert_eq!(shown(&Cell::Timestamp(0), oid::TIMESTAMP), "1970-01-01 00:00:00");
        assert_eq!(shown(&Cell::Time(1_000_000), oid::TIME), "00:00:00.001");
    }

    #[test]
    fn a_row_that_does_not_fit_leaves_nothing_behind() {
        let column = |of| Column { name: "a".to_owned(), of };
        let columns = [column(levada_sql::types::Type::String), column(levada_sql::types::Type::Int)];
        let row = Row::new(&columns, &Formats(vec![Format::Binary]));
        let mut out = Out::default();
        assert!(row.write(&[Cell::Text("x"), Cell::Text("y")], &mut out).is_err());
        assert!(row.write(&[Cell::Text("x")], &mut out).is_err());
        assert!(out.bytes.is_empty());
        row.write(&[Cell::Text("x"), Cell::Null], &mut out).unwrap();
        assert_eq!(out.bytes[..], *b"D\0\0\0\x0f\0\x02\0\0\0\x01x\xff\xff\xff\xff");
    }

    #[test]
    fn binary_values_have_the_width_that_was_told() {
        let bytes = |cell: Cell<'_>, oid| {
            let mut body = BytesMut::new();
            binary(&cell, oid, &mut body).map(|()| body.to_vec())
        };
        assert_eq!(bytes(Cell::Int(5), oid::INT8).unwrap(), [0, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(bytes(Cell::BigInt(-1), oid::INT4).unwrap(), [255; 4]);
        assert_eq!(bytes(Cell::Date(DAYS_TO_2000), oid::DATE).unwrap(), [0; 4]);
        assert_eq!(bytes(Cell::BigInt(1 << 40), oid::INT4).unwrap_err().code, "0A000");
        assert_eq!(bytes(Cell::Text("x"), oid::INT4).unwrap_err().code, "0A000");
    }
}
