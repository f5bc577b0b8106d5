//! Formats: from the bytes of keys and values to Arrow columns, and back.
//!
//! [`Format`] says how bytes are to be understood, [`Columns`] what is wanted of them; [`decoder`] makes of both a
//! [`Decoder`], which gathers records into columns, and [`encoder`] an [`Encoder`], which makes a row of columns into
//! bytes. Nothing here knows of topics, offsets or tables. Formats and their options are Flink's, by its names.
//!
//! Bytes come from strangers: nesting, sizes and counts are bounded before they cost anything, and a record that is
//! wrong leaves no trace in the columns.

mod avro;
mod clock;
mod column;
mod csv;
mod derive;
mod error;
mod gather;
mod json;
mod json_registry;
mod leaf;
mod number;
mod options;
mod protobuf;
mod raw;
mod registry;
mod row;

pub use avro::avro_schema_of;
pub use clock::TimestampFormat;
pub use csv::CsvOptions;
pub use derive::{ColumnsError, columns_of_avro, columns_of_json_schema, columns_of_protobuf};
pub use error::{DecodeError, EncodeError, FormatError, Problem};
pub use json::JsonOptions;
pub use raw::{Endianness, RawOptions};
pub use registry::{RegisteredSchema, Registering, RegistryOptions, SchemaSource, SourceError, Writer};

pub(crate) use column::Scalar;
pub(crate) use number::{Rounding, parse_decimal};
pub(crate) use registry::shown as shown_id;
pub(crate) use row::scalar;

use arrow::array::ArrayRef;
use arrow::datatypes::Fields;
use arrow::error::ArrowError;
use std::{collections::BTreeSet, sync::Arc};

/// How bytes are to be understood.
#[derive(Clone, Debug)]
pub enum Format {
    /// Text in JSON, an object for each record.
    Json(JsonOptions),
    /// A line of CSV for each record.
    Csv(CsvOptions),
    /// One column, whose value is the bytes.
    Raw(RawOptions),
    /// Avro behind the id of its schema.
    Avro(RegistryOptions),
    /// Protobuf behind the id of its schema.
    Protobuf(RegistryOptions),
    /// JSON behind the id of a JSON Schema.
    JsonRegistry(RegistryOptions),
}

impl Format {
    /// Its name, where it needs schemas from a registry.
    #[must_use]
    pub const fn of_registry(&self) -> Option<&'static str> {
        match self {
            Self::Json(_) | Self::Csv(_) | Self::Raw(_) => None,
            Self::Avro(_) => Some(avro::NAME),
            Self::Protobuf(_) => Some(protobuf::NAME),
            Self::JsonRegistry(_) => Some(json_registry::NAME),
        }
    }

    /// The same, with a way to schemas where it needs them, and with what records are written with.
    #[must_use]
    pub fn with(&self, schemas: Option<&Arc<dyn SchemaSource>>, writer: Option<Writer>) -> Self {
        let options = |options: &RegistryOptions| RegistryOptions {
            subject: options.subject.clone(),
            schemas: schemas.cloned(),
            writer,
        };
        match self {
            Self::Json(_) | Self::Csv(_) | Self::Raw(_) => self.clone(),
            Self::Avro(given) => Self::Avro(options(given)),
            Self::Protobuf(given) => Self::Protobuf(options(given)),
            Self::JsonRegistry(given) => Self::JsonRegistry(options(given)),
        }
    }

    /// The subject that a table names for the schema that it writes.
    pub(crate) fn subject(&self) -> Option<&str> {
        match self {
            Self::Json(_) | Self::Csv(_) | Self::Raw(_) => None,
            Self::Avro(options) | Self::Protobuf(options) | Self::JsonRegistry(options) => options.subject.as_deref(),
        }
    }
}

/// The columns that are decoded of a record's key or value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Columns {
    /// All that there are. Their types are those that [`crate::types::Type`] knows.
    pub fields: Fields,
    /// Indexes of those that are wanted. The others are not decoded, so that a value that does not fit its column is
    /// not noticed there; what is no record of the format at all is.
    pub wanted: Vec<usize>,
}

/// What became of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// It is a row.
    Row,
    /// It is none, and that is no error: there are no bytes, or the format was told to ignore what does not parse.
    Skipped,
}

/// Gathers records into columns.
pub trait Decoder: Send {
    /// Decodes one record into a row of the columns; `None` where it has no key or value.
    ///
    /// # Errors
    /// [`DecodeError`]; the columns are as if there had been no such record. After [`Problem::Full`] it can be decoded
    /// into the next columns.
    fn decode(&mut self, bytes: Option<&[u8]>) -> Result<Decoded, DecodeError>;

    /// Appends a row without values, such as that of a key that was deleted: NULL, or zero and nothing where a column
    /// is NOT NULL.
    fn blank(&mut self);

    /// How many rows there are.
    fn len(&self) -> usize;

    /// Whether there are no rows.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes the rows: the columns that are wanted, in the order of [`Columns::wanted`]. Then there are none.
    ///
    /// # Errors
    /// [`ArrowError`] where an array is not what its type asks for, which would be an error of the program.
    fn finish(&mut self) -> Result<Vec<ArrayRef>, ArrowError>;
}

/// Makes rows into bytes.
pub trait Encoder: Send {
    /// Appends the bytes of one row of `columns`, which are of the fields that the encoder was made for, to `out`.
    /// Whether the row has bytes at all is told.
    ///
    /// # Errors
    /// [`EncodeError`]; then `out` is as it was.
    fn encode(&mut self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<Encoded, EncodeError>;
}

/// What became of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoded {
    /// Bytes, perhaps none.
    Bytes,
    /// No bytes: a record with no key or no value, which is something else than an empty one.
    Absent,
}

/// A decoder of records of that format.
///
/// # Errors
/// [`FormatError`] where the format has no form for one of the columns, or lacks what it needs.
pub fn decoder(format: &Format, columns: &Columns) -> Result<Box<dyn Decoder>, FormatError> {
    let count = columns.fields.len();
    if let Some(&index) = columns.wanted.iter().find(|index| **index >= count) {
        return Err(FormatError::NoSuchColumn { index, count });
    }
    let mut seen = BTreeSet::new();
    if let Some(&index) = columns.wanted.iter().find(|index| !seen.insert(**index)) {
        let column = columns.fields.get(index).map(|field| field.name().clone()).unwrap_or_default();
        return Err(FormatError::DuplicateColumn { column });
    }
    match format {
        Format::Json(options) => json::decoder(options, columns),
        Format::Csv(options) => csv::decoder(options, columns),
        Format::Raw(options) => raw::decoder(*options, columns),
        Format::Avro(options) => avro::decoder(options, columns),
        Format::Protobuf(options) => protobuf::decoder(options, columns),
        Format::JsonRegistry(_) => json_registry::decoder(columns),
    }
}

/// An encoder of rows with these fields.
///
/// # Errors
/// [`FormatError`] where the format has no form for one of the fields, or lacks what it needs.
pub fn encoder(format: &Format, fields: &Fields) -> Result<Box<dyn Encoder>, FormatError> {
    match format {
        Format::Json(options) => json::encoder(options, fields),
        Format::Csv(options) => csv::encoder(options, fields),
        Format::Raw(options) => raw::encoder(*options, fields),
        Format::Avro(options) => avro::encoder(options, fields),
        Format::Protobuf(options) => protobuf::encoder(options, fields),
        Format::JsonRegistry(options) => json_registry::encoder(options, fields),
    }
}

/// `unscaled` · 10^−`scale` as digits with a point.
#[must_use]
pub fn decimal_text(unscaled: i128, scale: u8) -> String {
    let mut out = Vec::new();
    number::write_decimal(unscaled, usize::from(scale), number::Notation::Plain, &mut out);
    String::from_utf8(out).unwrap_or_default()
}

/// Digits with a point or an exponent perhaps, as all digits and how many of them stand behind the point; `None`: it is
/// no number, or has more than 38.
#[must_use]
pub fn decimal_of(text: &str) -> Option<(i128, u8)> {
    number::parse_whole_decimal(text.as_bytes())
}

/// A timestamp of microseconds as text; none where its year is not from 0 to 9999.
pub(crate) fn timestamp_text(micros: i64) -> Option<String> {
    let (days, nanos) = clock::split(micros, 1_000_000);
    let mut out = Vec::new();
    clock::write_timestamp((days, nanos), TimestampFormat::Sql, false, &mut out).then_some(())?;
    String::from_utf8(out).ok().filter(|text| text.starts_with(|first: char| first.is_ascii_digit()))
}

/// A day as text; none where its year has no form.
pub(crate) fn date_text(days: i32) -> Option<String> {
    let mut out = Vec::new();
    clock::write_date(i64::from(days), &mut out).then_some(())?;
    String::from_utf8(out).ok()
}
