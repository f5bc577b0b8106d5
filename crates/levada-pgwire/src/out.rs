//! [`Out`]: messages to the client, gathered until they are sent.

use crate::problem::{Problem, Severity};
use bytes::{BufMut as _, BytesMut};
use levada_sql::{
    pg_catalog::{PgType, pg_type},
    query::Column,
};

/// Bytes that wait to be sent.
#[derive(Debug, Default)]
pub(crate) struct Out {
    pub(crate) bytes: BytesMut,
}

/// How a value is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    #[default]
    Text,
    Binary,
}

/// Where a connection is between `BEGIN` and `COMMIT`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Transaction {
    #[default]
    None,
    Open,
    /// A statement of it was refused.
    Failed,
}

impl Out {
    /// A message whose body `write` writes.
    pub(crate) fn message(&mut self, tag: u8, write: impl FnOnce(&mut BytesMut)) {
        self.bytes.put_u8(tag);
        let start = self.bytes.len();
        self.bytes.put_i32(0);
        write(&mut self.bytes);
        let size = i32::try_from(self.bytes.len() - start).unwrap_or(i32::MAX);
        if let Some(place) = self.bytes.get_mut(start..start + 4) {
            place.copy_from_slice(&size.to_be_bytes());
        }
    }

    pub(crate) fn empty(&mut self, tag: u8) {
        self.message(tag, |_| {});
    }

    pub(crate) fn authenticated(&mut self) {
        self.message(b'R', |body| body.put_i32(0));
    }

    pub(crate) fn setting(&mut self, name: &str, value: &str) {
        self.message(b'S', |body| {
            text(body, name);
            text(body, value);
        });
    }

    pub(crate) fn ready(&mut self, transaction: Transaction) {
        self.message(b'Z', |body| {
            body.put_u8(match transaction {
                Transaction::None => b'I',
                Transaction::Open => b'T',
                Transaction::Failed => b'E',
            });
        });
    }

    pub(crate) fn complete(&mut self, tag: &str) {
        self.message(b'C', |body| text(body, tag));
    }

    pub(crate) fn problem(&mut self, problem: &Problem) {
        let severity = match problem.severity {
            Severity::Error => "ERROR",
            Severity::Fatal => "FATAL",
        };
        self.message(b'E', |body| {
            for (field, value) in [(b'S', severity), (b'V', severity), (b'C', problem.code), (b'M', &problem.message)] {
                body.put_u8(field);
                text(body, value);
            }
            if let Some(hint) = &problem.hint {
                body.put_u8(b'H');
                text(body, hint);
            }
            if let Some(position) = problem.position {
                body.put_u8(b'P');
                text(body, &position.to_string());
            }
            body.put_u8(0);
        });
    }

    pub(crate) fn notice(&mut self, message: &str) {
        self.message(b'N', |body| {
            for (field, value) in [(b'S', "NOTICE"), (b'V', "NOTICE"), (b'C', "00000"), (b'M', message)] {
                body.put_u8(field);
                text(body, value);
            }
            body.put_u8(0);
        });
    }

    /// The columns of rows, each with how it is written.
    pub(crate) fn columns(&mut self, columns: &[Column], formats: &Formats) {
        self.message(b'T', |body| {
            body.put_i16(count(columns.len()));
            for (at, column) in columns.iter().enumerate() {
                let PgType { oid, size, modifier } = pg_type(&column.of);
                text(body, &column.name);
                body.put_i32(0);
                body.put_i16(0);
                body.put_u32(oid);
                body.put_i16(size);
                body.put_i32(modifier);
                body.put_i16(i16::from(formats.of(at) == Format::Binary));
            }
        });
    }

    pub(crate) fn parameters(&mut self, oids: &[u32]) {
        self.message(b't', |body| {
            body.put_i16(count(oids.len()));
            oids.iter().for_each(|oid| body.put_u32(*oid));
        });
    }
}

/// Formats of values: one for each, one for all, or text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Formats(pub(crate) Vec<Format>);

impl Formats {
    pub(crate) fn of(&self, at: usize) -> Format {
        match self.0.as_slice() {
            [one] => *one,
            each => each.get(at).copied().unwrap_or_default(),
        }
    }
}

/// A text with a zero behind it; one within it would end it.
pub(crate) fn text(body: &mut BytesMut, text: &str) {
    body.extend(text.bytes().map(|byte| if byte == 0 { b' ' } else { byte }));
    body.put_u8(0);
}

/// A number of columns or parameters, as the protocol counts them: without a sign.
pub(crate) fn count(count: usize) -> i16 {
    i16::from_be_bytes(u16::try_from(count).unwrap_or(u16::MAX).to_be_bytes())
}
