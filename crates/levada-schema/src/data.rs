//! Data of a schema: what a record holds behind the name of its schema.

use crate::{format::Parsed, schema::SchemaType};
use levada_avro::datum;
use levada_protobuf::MessageIndexes;

/// Data, and which of its schema's messages they are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// The place of the message; `None` where the language has one type in a schema.
    pub message: Option<MessageIndexes>,
    /// The data.
    pub bytes: &'a [u8],
}

impl Parsed {
    /// The language.
    #[must_use]
    pub const fn schema_type(&self) -> SchemaType {
        match self {
            Self::Avro(_) => SchemaType::Avro,
            Self::Json(_) => SchemaType::Json,
            Self::Protobuf(_) => SchemaType::Protobuf,
        }
    }

    /// Takes apart what follows a schema's name: in a `header`, where it is there, and in `bytes`.
    ///
    /// # Errors
    /// In words, where Protobuf's message indexes are missing or malformed.
    pub fn data<'a>(&self, header: Option<&[u8]>, bytes: &'a [u8]) -> Result<Data<'a>, String> {
        let Self::Protobuf(_) = self else { return Ok(Data { message: None, bytes }) };
        let decoded = |from: &[u8]| MessageIndexes::decode(from).map_err(|error| error.to_string()).map(|(it, _)| it);
        match header {
            Some(header) => Ok(Data { message: Some(decoded(header)?), bytes }),
            None => {
                let (message, bytes) = MessageIndexes::decode(bytes).map_err(|error| error.to_string())?;
                Ok(Data { message: Some(message), bytes })
            }
        }
    }

    /// The full name of the record or message that data are of, or the title of the schema.
    ///
    /// # Errors
    /// In words, where there is no such message.
    pub fn name_of(&self, data: &Data<'_>) -> Result<Option<String>, String> {
        match (self, &data.message) {
            (Self::Protobuf(schema), Some(indexes)) => message_name(schema, indexes).map(Some),
            _ => Ok(self.name()),
        }
    }

    /// Checks that data are data of this schema, all of them.
    ///
    /// # Errors
    /// In words.
    pub fn check(&self, data: &Data<'_>) -> Result<(), String> {
        match self {
            Self::Avro(schema) => {
                let decoded = datum::decode(schema, data.bytes, &datum::Limits::default());
                decoded.map(drop).map_err(|error| error.to_string())
            }
            Self::Json(schema) => schema.validate(text(data.bytes)?).map_err(|error| error.to_string()),
            Self::Protobuf(schema) => {
                let name = message_name(schema, &message(data)?)?;
                schema.validate(&name, data.bytes).map_err(|error| error.to_string())
            }
        }
    }

    /// Data as JSON: Avro's own JSON encoding, with fields in the schema's order, Protobuf's, or what is there already.
    ///
    /// # Errors
    /// In words, where they are not data of this schema.
    pub fn to_json(&self, data: &Data<'_>) -> Result<String, String> {
        match self {
            Self::Avro(schema) => {
                let decoded = datum::decode(schema, data.bytes, &datum::Limits::default());
                decoded.map(|value| datum::to_text(schema, &value)).map_err(|error| error.to_string())
            }
            Self::Json(schema) => {
                let text = text(data.bytes)?;
                schema.validate(text).map_err(|error| error.to_string())?;
                Ok(text.to_owned())
            }
            Self::Protobuf(schema) => {
                let name = message_name(schema, &message(data)?)?;
                schema.binary_to_json(&name, data.bytes).map_err(|error| error.to_string())
            }
        }
    }

    /// Writes what follows a schema's name before the data, and the data that `json` is; see [`Self::to_json`].
    ///
    /// `message` is the full name of a message of Protobuf; without it, it is the first one.
    ///
    /// # Errors
    /// In words, where it is not data of this schema.
    pub fn write_json(&self, json: &str, message: Option<&str>, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Avro(schema) => {
                let value = serde_json::from_str(json).map_err(|error| format!("no JSON: {error}"))?;
                out.extend(datum::encode(schema, &value).map_err(|error| error.to_string())?);
            }
            Self::Json(schema) => {
                schema.validate(json).map_err(|error| error.to_string())?;
                out.extend_from_slice(json.as_bytes());
            }
            Self::Protobuf(schema) => {
                let first = || schema.name().ok_or_else(|| "the schema has no message".to_owned());
                let name = message.map_or_else(first, |name| Ok(name.to_owned()))?;
                let missing = || format!("the schema has no message `{name}`");
                out.extend(schema.message_indexes(&name).ok_or_else(missing)?.encode());
                out.extend(schema.json_to_binary(&name, json).map_err(|error| error.to_string())?);
            }
        }
        Ok(())
    }
}

fn text(bytes: &[u8]) -> Result<&str, String> {
    std::str::from_utf8(bytes).map_err(|error| format!("not UTF-8: {error}"))
}

fn message(data: &Data<'_>) -> Result<MessageIndexes, String> {
    data.message.clone().ok_or_else(|| "the message indexes are missing".to_owned())
}

fn message_name(schema: &levada_protobuf::Schema, indexes: &MessageIndexes) -> Result<String, String> {
    schema.message_name(indexes).ok_or_else(|| format!("the schema has no message {:?}", indexes.places()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(schema_type: SchemaType, text: &str) -> Parsed {
        Parsed::parse(schema_type, text, &[]).unwrap()
    }

    fn all() -> [(Parsed, &'static str); 3] {
        let avro = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#;
        let json = r#"{"title":"Order","type":"object","properties":{"id":{"type":"integer"}},"required":["id"]}"#;
        let protobuf = "syntax = \"proto3\"; package shop; message Other {} message Order { int32 id = 1; }";
        [
            (parsed(SchemaType::Avro, avro), "Order"),
            (parsed(SchemaType::Json, json), "Order"),
            (parsed(SchemaType::Protobuf, protobuf), "shop.Order"),
        ]
    }

    #[test]
    fn json_becomes_data_and_data_become_json() {
        for (schema, name) in all() {
            let mut bytes = Vec::new();
            schema.write_json(r#"{"id":7}"#, Some("shop.Order"), &mut bytes).unwrap();
            let data = schema.data(None, &bytes).unwrap();
            assert_eq!(schema.name_of(&data), Ok(Some(name.to_owned())));
            assert_eq!(schema.check(&data), Ok(()));
            assert_eq!(schema.to_json(&data).unwrap(), r#"{"id":7}"#, "{name}");
        }
    }

    #[test]
    fn message_indexes_may_stand_in_a_header() {
        let [.., (schema, _)] = all();
        let data = schema.data(Some(&[2, 2]), &[8, 7]).unwrap();
        assert_eq!(schema.to_json(&data).unwrap(), r#"{"id":7}"#);
        assert!(schema.data(Some(&[]), &[8, 7]).is_err());
        let missing = schema.data(Some(&[2, 4]), &[8, 7]).unwrap();
        assert_eq!(schema.check(&missing), Err("the schema has no message [2]".to_owned()));
    }

    #[test]
    fn other_data_are_refused() {
        let [(avro, _), (json, _), (protobuf, _)] = all();
        assert!(avro.check(&avro.data(None, &[14, 0]).unwrap()).is_err(), "a byte too many");
        assert!(json.check(&json.data(None, b"{}").unwrap()).is_err(), "no id");
        assert!(json.check(&json.data(None, b"\xff").unwrap()).is_err(), "no text");
        assert!(protobuf.check(&protobuf.data(None, &[2, 2, 10, 9]).unwrap()).is_err(), "cut short");
        for (schema, _) in all() {
            assert!(schema.write_json("{", None, &mut Vec::new()).is_err());
        }
        assert!(avro.write_json(r#"{"id":"x"}"#, None, &mut Vec::new()).is_err());
    }
}
