//! Records as lines of text: the value alone, `key<TAB>value`, or JSON.
//!
//! Lines cannot tell null from empty, and cannot hold line ends; JSON can. In JSON, bytes that are no UTF-8
//! stand as base64 in `key_base64`, `value_base64`, so that nothing is lost on the way through a file. Keys and values
//! that are encoded by a schema stand as the JSON that they are.

use crate::units;
use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use levada_client::ConsumedRecord;
use levada_model::{Str, Timestamp, record::RecordHeader};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// How a record stands on a line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum LineFormat {
    /// The value
    #[default]
    Value,
    /// The key, a tab, the value; a line without a tab has no key
    KeyValue,
    /// A JSON object with key, value, headers, timestamp, partition and offset
    Json,
}

/// A record read from a line.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct LineRecord {
    /// The key.
    pub(crate) key: Option<Bytes>,
    /// The value.
    pub(crate) value: Option<Bytes>,
    /// The headers in order.
    pub(crate) headers: Vec<RecordHeader>,
    /// Milliseconds since 1970.
    pub(crate) timestamp: Option<Timestamp>,
    /// The partition.
    pub(crate) partition: Option<i32>,
}

/// Which parts of a record are encoded by a schema: on a line, they are JSON.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Coded {
    /// The key.
    pub(crate) key: bool,
    /// The value.
    pub(crate) value: bool,
}

/// A part of a record as it is shown.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Part<'a> {
    /// As it is.
    Bytes(Option<&'a Bytes>),
    /// What its schema makes of it.
    Json(&'a str),
}

impl<'a> Part<'a> {
    /// A record's key and value as they are.
    pub(crate) fn of(record: &'a ConsumedRecord) -> (Self, Self) {
        (Self::Bytes(record.key.as_ref()), Self::Bytes(record.value.as_ref()))
    }

    fn bytes(self) -> Option<&'a [u8]> {
        match self {
            Self::Bytes(bytes) => bytes.map(AsRef::as_ref),
            Self::Json(json) => Some(json.as_bytes()),
        }
    }

    fn show(self) -> (Option<Box<RawValue>>, Option<String>) {
        match self {
            Self::Bytes(bytes) => show_bytes(bytes),
            Self::Json(json) => match RawValue::from_string(json.to_owned()) {
                Ok(json) => (Some(json), None),
                Err(_) => (None, Some(BASE64_STANDARD.encode(json))),
            },
        }
    }
}

/// Why a line is no record.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    /// Not JSON, or with other fields.
    #[error("not a record in JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// A `…_base64` field that is no base64.
    #[error("`{0}` is not base64")]
    Base64(&'static str),
    /// Both forms of one field.
    #[error("`{0}` and `{0}_base64` exclude each other")]
    Twice(&'static str),
    /// A timestamp that cannot be read.
    #[error("`timestamp`: {0}")]
    Timestamp(#[from] units::UnitError),
}

/// A record as JSON; field order is output order.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct JsonRecord {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    partition: Option<i32>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    offset: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    timestamp: Option<JsonTime>,
    #[serde(default)]
    key: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    key_base64: Option<String>,
    #[serde(default)]
    value: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    headers: Vec<JsonHeader>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct JsonHeader {
    key: String,
    #[serde(default)]
    value: Option<Box<RawValue>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    value_base64: Option<String>,
}

#[derive(Deserialize, Serialize)]
#[serde(untagged)]
enum JsonTime {
    Milliseconds(i64),
    Text(String),
}

/// The record on `line`, which has no line end. `now` is for timestamps given as ages.
///
/// In JSON, `topic` and `offset` are read over: they say where a record was, not where it goes.
pub(crate) fn parse(line: Bytes, format: LineFormat, coded: Coded, now: Timestamp) -> Result<LineRecord, LineError> {
    match format {
        LineFormat::Value => Ok(LineRecord { value: Some(line), ..LineRecord::default() }),
        LineFormat::KeyValue => Ok(match line.iter().position(|&byte| byte == b'\t') {
            None => LineRecord { value: Some(line), ..LineRecord::default() },
            Some(tab) => {
                let (key, value) = (line.slice(..tab), line.slice(tab + 1..));
                LineRecord { key: Some(key), value: Some(value), ..LineRecord::default() }
            }
        }),
        LineFormat::Json => parse_json(&line, coded, now),
    }
}

fn parse_json(line: &[u8], coded: Coded, now: Timestamp) -> Result<LineRecord, LineError> {
    let json: JsonRecord = serde_json::from_slice(line)?;
    let header = |header: JsonHeader| {
        let value = read_bytes("value", header.value.as_deref(), header.value_base64.as_deref())?;
        Ok(RecordHeader { key: Str::from(header.key), value })
    };
    let timestamp = match json.timestamp {
        None => None,
        Some(JsonTime::Milliseconds(ms)) => Some(ms),
        Some(JsonTime::Text(text)) => Some(units::parse_moment(&text, now)?),
    };
    let part = |name, is_coded: bool, plain: Option<&RawValue>, encoded: Option<&str>| match plain {
        Some(plain) if is_coded && encoded.is_none() => {
            let json = Some(plain.get()).filter(|&text| text != "null");
            Ok(json.map(|json| Bytes::copy_from_slice(json.as_bytes())))
        }
        plain => read_bytes(name, plain, encoded),
    };
    Ok(LineRecord {
        key: part("key", coded.key, json.key.as_deref(), json.key_base64.as_deref())?,
        value: part("value", coded.value, json.value.as_deref(), json.value_base64.as_deref())?,
        headers: json.headers.into_iter().map(header).collect::<Result<_, LineError>>()?,
        timestamp,
        partition: json.partition,
    })
}

/// A string stands for its text; any other JSON value for itself as it was written.
fn read_bytes(name: &'static str, plain: Option<&RawValue>, encoded: Option<&str>) -> Result<Option<Bytes>, LineError> {
    let plain = plain.map(RawValue::get).filter(|&text| text != "null");
    match (plain, encoded) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) => Err(LineError::Twice(name)),
        (None, Some(text)) => {
            BASE64_STANDARD.decode(text).map(|bytes| Some(bytes.into())).map_err(|_| LineError::Base64(name))
        }
        (Some(text), None) if text.starts_with('"') => Ok(Some(serde_json::from_str::<String>(text)?.into())),
        (Some(text), None) => Ok(Some(Bytes::copy_from_slice(text.as_bytes()))),
    }
}

/// Adds the line of `record`, with its end, to `text`; its key and value stand there as `key` and `value`.
pub(crate) fn write(
    text: &mut Vec<u8>,
    record: &ConsumedRecord,
    (key, value): (Part<'_>, Part<'_>),
    partition: i32,
    format: LineFormat,
) {
    match format {
        LineFormat::Value => text.extend_from_slice(value.bytes().unwrap_or_default()),
        LineFormat::KeyValue => {
            if let Some(key) = key.bytes() {
                text.extend_from_slice(key);
                text.push(b'\t');
            }
            text.extend_from_slice(value.bytes().unwrap_or_default());
        }
        LineFormat::Json => write_json(text, record, (key, value), partition),
    }
    text.push(b'\n');
}

fn write_json(text: &mut Vec<u8>, record: &ConsumedRecord, (key, value): (Part<'_>, Part<'_>), partition: i32) {
    let (key, key_base64) = key.show();
    let (value, value_base64) = value.show();
    let headers = record.headers.iter().map(|header| {
        let (value, value_base64) = show_bytes(header.value.as_ref());
        JsonHeader { key: header.key.to_string(), value, value_base64 }
    });
    let json = JsonRecord {
        topic: None,
        partition: Some(partition),
        offset: Some(record.offset),
        timestamp: (record.timestamp >= 0).then_some(JsonTime::Milliseconds(record.timestamp)),
        key,
        key_base64,
        value,
        value_base64,
        headers: headers.collect(),
    };
    serde_json::to_writer(text, &json).expect("memory takes what is written, and every field is text");
}

/// Text as a JSON string, other bytes as base64.
fn show_bytes(bytes: Option<&Bytes>) -> (Option<Box<RawValue>>, Option<String>) {
    let Some(bytes) = bytes else { return (None, None) };
    match std::str::from_utf8(bytes) {
        Ok(text) => (Some(serde_json::value::to_raw_value(text).expect("a string is JSON")), None),
        Err(_) => (None, Some(BASE64_STANDARD.encode(bytes))),
    }
}

#[cfg(test)]
mod tests;
