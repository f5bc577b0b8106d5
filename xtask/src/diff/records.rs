//! Record batches as trees: written from what a scenario says of them, right or wrong, and read field by field.
//!
//! A batch is an object: `records` (each with `key`, `value`, `timestamp`, `headers`), `codec`, and any field of
//! the header, which then has that value with a checksum to match. `crc` spoils the checksum, `cut` cuts bytes off.

use anyhow::{Context, Result};
use bytes::Bytes;
use levada_model::batch::{Attributes, BatchHeader, CRC_FROM, Codec, HEADER_SIZE};
use levada_model::crc::crc32c;
use levada_model::record::{BatchBuilder, NewRecord, RecordHeader};
use serde_json::{Map, Value, json};

use super::wire::{bytes_of, text_of};

/// Name, place and size of the header's fields that scenarios set.
const FIELDS: [(&str, usize, usize); 12] = [
    ("base_offset", 0, 8),
    ("batch_length", 8, 4),
    ("partition_leader_epoch", 12, 4),
    ("magic", 16, 1),
    ("attributes", 21, 2),
    ("last_offset_delta", 23, 4),
    ("base_timestamp", 27, 8),
    ("max_timestamp", 35, 8),
    ("producer_id", 43, 8),
    ("producer_epoch", 51, 2),
    ("base_sequence", 53, 4),
    ("record_count", 57, 4),
];
const CRC_AT: usize = 17;

/// The bytes of records: null, text, or an array of batches.
pub(super) fn write(value: &Value) -> Result<Option<Vec<u8>>> {
    match value {
        Value::Null => Ok(None),
        Value::String(text) => bytes_of(text).map(Some),
        Value::Array(batches) => {
            let mut bytes = Vec::new();
            for one in batches {
                bytes.extend(batch(one).with_context(|| format!("batch {one}"))?);
            }
            Ok(Some(bytes))
        }
        other => anyhow::bail!("records are null, text or batches, not {other}"),
    }
}

fn batch(spec: &Value) -> Result<Vec<u8>> {
    let mut builder = BatchBuilder::new();
    let optional = |value: Option<&Value>| value.and_then(Value::as_str).map(bytes_of).transpose();
    for record in spec["records"].as_array().context("`records` is missing")? {
        let (key, value) = (optional(record.get("key"))?, optional(record.get("value"))?);
        let mut headers = Vec::new();
        for header in record["headers"].as_array().into_iter().flatten() {
            let name = header[0].as_str().context("a header's name")?;
            headers.push(RecordHeader { key: name.into(), value: optional(header.get(1))?.map(Bytes::from) });
        }
        let timestamp = record["timestamp"].as_i64().context("`timestamp` is missing")?;
        builder.push(&NewRecord { timestamp, key: key.as_deref(), value: value.as_deref(), headers: &headers });
    }
    let codec = spec["codec"].as_str().map_or(Some(Codec::None), Codec::by_name).context("no such codec")?;
    let block = levada_compress::compress(codec, builder.records())?;
    let mut bytes = builder.finish_with(codec, &block).to_vec();
    for (name, at, size) in FIELDS {
        if let Some(number) = spec[name].as_i64() {
            let number = number.to_be_bytes();
            let low = number.get(number.len() - size..).context("a size of at most eight")?;
            bytes.get_mut(at..at + size).context("inside the header")?.copy_from_slice(low);
        }
    }
    let mut crc = crc32c(bytes.get(CRC_FROM..).context("a whole header")?);
    if spec["crc"] == "wrong" {
        crc ^= 1;
    }
    bytes.get_mut(CRC_AT..CRC_AT + 4).context("inside the header")?.copy_from_slice(&crc.to_be_bytes());
    let cut = spec["cut"].as_u64().map_or(Ok(0), usize::try_from)?;
    bytes.truncate(bytes.len().saturating_sub(cut));
    Ok(bytes)
}

/// The batches in `bytes`; what is left of one that was cut is counted in `cut`.
pub(super) fn read(bytes: &[u8]) -> Value {
    let mut rest = bytes;
    let mut batches = Vec::new();
    while let Ok(header) = BatchHeader::parse(rest)
        && let Some((batch, after)) = header.size().and_then(|size| rest.split_at_checked(size))
    {
        batches.push(tree(&header, batch));
        rest = after;
    }
    json!({ "batches": batches, "cut": rest.len() })
}

fn tree(header: &BatchHeader, bytes: &[u8]) -> Value {
    let mut fields = Map::new();
    for (name, at, size) in FIELDS {
        let mut number = [0; 8];
        let field = bytes.get(at..at + size).unwrap_or_default();
        let negative = field.first().is_some_and(|byte| byte & 0x80 != 0);
        number.fill(if negative { 0xff } else { 0 });
        number[8 - size..].copy_from_slice(field);
        fields.insert(name.to_owned(), Value::from(i64::from_be_bytes(number)));
    }
    let is_sound = bytes.get(CRC_FROM..).map(crc32c) == Some(header.crc);
    fields.insert("crc".to_owned(), Value::from(if is_sound { "right" } else { "wrong" }));
    let block = bytes.get(HEADER_SIZE..).unwrap_or_default();
    let is_marker = Attributes(header.attributes.0).is_control();
    fields.insert(if is_marker { "marker" } else { "block" }.to_owned(), Value::from(text_of(block)));
    Value::Object(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_reads_back_as_it_was_described() {
        let record = json!({ "key": "k", "value": "v", "timestamp": 7, "headers": [["h", "hex:00"]] });
        let spec = json!([{ "records": [record], "producer_id": 4, "producer_epoch": -1, "base_sequence": 9 }]);
        let mut bytes = write(&spec).unwrap().unwrap();
        bytes.extend([0; 5]);
        let tree = read(&bytes);
        let batch = &tree["batches"][0];
        assert_eq!((&batch["producer_id"], &batch["producer_epoch"]), (&json!(4), &json!(-1)));
        assert_eq!((&batch["base_sequence"], &batch["crc"], &tree["cut"]), (&json!(9), &json!("right"), &json!(5)));
    }

    #[test]
    fn a_spoiled_batch_is_spoiled_as_asked() {
        let spec = json!([{ "records": [{ "value": "v", "timestamp": 7 }], "crc": "wrong" }]);
        let bytes = write(&spec).unwrap().unwrap();
        assert_eq!(read(&bytes)["batches"][0]["crc"], "wrong");
    }
}
