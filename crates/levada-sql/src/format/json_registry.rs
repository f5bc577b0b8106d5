//! JSON behind the id of a JSON Schema.
//!
//! ```text
//! 00 · u32 id · JSON
//! ```
//!
//! Records are read as [`super::json`] reads them; the id is passed over, for the columns say what is wanted. What is
//! written must be what the schema says, row by row.

use super::column::Column;
use super::error::{DecodeError, EncodeError, FormatError};
use super::gather::{Gather, OnError, Reader};
use super::json::{self, JsonOptions};
use super::registry::{self, RegisteredSchema, RegistryOptions};
use super::{Columns, Decoded, Decoder, Encoded, Encoder};
use arrow::array::ArrayRef;
use arrow::datatypes::Fields;
use levada_json_schema::Schema;
use levada_model::schema_id::SchemaId;
use std::sync::Arc;

pub(super) const NAME: &str = "json-registry";

pub(super) fn decoder(columns: &Columns) -> Result<Box<dyn Decoder>, FormatError> {
    let json = json::Json::new(&JsonOptions::default(), columns)?;
    Ok(Box::new(Gather::new(Framed(json), OnError::Fail, columns)?))
}

pub(super) fn encoder(options: &RegistryOptions, fields: &Fields) -> Result<Box<dyn Encoder>, FormatError> {
    let writer = options.writer(NAME)?;
    let refused = |reason: String| FormatError::Schema { reason };
    let RegisteredSchema::Json { schema, .. } = &writer.schema else {
        return Err(refused("it is no JSON Schema".to_owned()));
    };
    let is_property = |name: &str| schema.property_names().any(|property| property == name);
    if let Some(field) = fields.iter().find(|field| !is_property(field.name())) {
        return Err(refused(format!("it has no property `{}`", field.name())));
    }
    // What is NULL is left out: so a property that is not required is written.
    let json = JsonOptions { encode_ignore_null_fields: true, ..JsonOptions::default() };
    Ok(Box::new(Framing { id: writer.id, schema: Arc::clone(schema), json: json::encoder(&json, fields)? }))
}

struct Framed(json::Json);

impl Reader for Framed {
    fn read(&mut self, bytes: Option<&[u8]>, columns: &mut [Column], row: usize) -> Result<Decoded, Box<DecodeError>> {
        let Some(bytes) = bytes else { return Ok(Decoded::Skipped) };
        let (_, json) = registry::split(bytes)?;
        self.0.read(Some(json), columns, row).map_err(|mut error| {
            error.offset = error.offset.map(|offset| offset + bytes.len() - json.len());
            error
        })
    }
}

struct Framing {
    id: SchemaId,
    schema: Arc<Schema>,
    json: Box<dyn Encoder>,
}

impl Encoder for Framing {
    fn encode(&mut self, columns: &[ArrayRef], row: usize, out: &mut Vec<u8>) -> Result<Encoded, EncodeError> {
        let start = out.len();
        self.id.write(out);
        let json = out.len();
        let encoded = self.json.encode(columns, row, out).and_then(|encoded| {
            let wrong = |reason: String| EncodeError::Schema { reason };
            let text = str::from_utf8(&out[json..]).map_err(|error| wrong(error.to_string()))?;
            self.schema.validate(text).map_err(|error| wrong(error.to_string()))?;
            Ok(encoded)
        });
        if encoded.is_err() {
            out.truncate(start);
        }
        encoded
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::registry::{RegisteredSchema, Writer};
    use crate::types::Type;

    #[test]
    fn records_have_the_id_of_their_schema_before_them() {
        let fields = Fields::from(vec![Type::Int.nullable().field("a"), Type::String.nullable().field("b")]);
        let mut decoder = decoder(&Columns { fields: fields.clone(), wanted: vec![0, 1] }).unwrap();
        let record = b"\0\0\0\x01\x02{\"a\":7}";
        assert_eq!(decoder.decode(Some(record)), Ok(Decoded::Row));
        assert_eq!(decoder.decode(None), Ok(Decoded::Skipped));
        let error = decoder.decode(Some(b"\0\0\0\x01\x02{\"a\":}")).unwrap_err();
        assert_eq!(error.to_string(), "field `a`: a value is expected here, at byte 10");
        assert!(
            decoder.decode(Some(b"{\"a\":7}")).unwrap_err().to_string().contains("does not begin with a schema's id")
        );
        let text = r#"{"type":"object","required":["a"],"properties":{"a":{"type":"integer"},"b":{"type":"string"}}}"#;
        let schema = Arc::new(levada_json_schema::parse(text, &[]).unwrap());
        let schema = RegisteredSchema::Json { text: text.into(), schema };
        assert_eq!(schema.columns("key").unwrap().len(), 2);
        let writer = Writer { id: SchemaId::Id(258), schema, message: None };
        let options = RegistryOptions { writer: Some(writer), ..RegistryOptions::default() };
        let mut out = Vec::new();
        let mut encoder = super::encoder(&options, &fields).unwrap();
        let columns = super::decoder(&Columns { fields: fields.clone(), wanted: vec![0, 1] }).map(|mut decoder| {
            decoder.decode(Some(record)).unwrap();
            decoder.decode(Some(b"\0\0\0\x01\x02{\"b\":\"\"}")).unwrap();
            decoder.finish().unwrap()
        });
        encoder.encode(&columns.as_ref().unwrap()[..], 0, &mut out).unwrap();
        assert_eq!(out, record);
        let refused = encoder.encode(&columns.unwrap(), 1, &mut out).unwrap_err();
        assert!(refused.to_string().contains("is not as the schema to write with says"), "{refused}");
        assert_eq!(out, record);
        let fields = Fields::from(vec![Type::Int.nullable().field("c")]);
        let refused = super::encoder(&options, &fields).err().unwrap();
        assert_eq!(refused.to_string(), "the schema does not go with the columns: it has no property `c`");
    }
}
