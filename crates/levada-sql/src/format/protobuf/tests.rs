use super::*;
use crate::format::registry::{Known, SourceError, Writer};
use crate::format::{JsonOptions, columns_of_protobuf, json};
use proptest::prelude::*;

const TEXT: &str = r#"syntax = "proto3"; package p;
    import "google/protobuf/timestamp.proto"; import "google/protobuf/wrappers.proto";
    message First {}
    message M {
      int64 z = 9; optional int32 a = 1; uint64 u = 2; repeated string l = 3; map<int32, Inner> m = 4;
      google.protobuf.Timestamp t = 5; google.protobuf.StringValue w = 6; Color c = 7;
      oneof o { bool x = 8; bytes y = 10; }
      message Inner { fixed32 f = 1; double d = 2; }
      enum Color { RED = 0; BLUE = 5; }
    }"#;

fn source(of: Arc<Schema>) -> Arc<dyn SchemaSource> {
    Arc::new(Known(Box::new(move |id| match id {
        SchemaId::Id(1) => Ok(RegisteredSchema::Protobuf(Arc::clone(&of))),
        SchemaId::Id(2) => {
            let schema = Arc::new(levada_json_schema::parse("{}", &[]).unwrap());
            Ok(RegisteredSchema::Json { text: "{}".into(), schema })
        }
        SchemaId::Id(4) => Err(SourceError::Unavailable("it is being read".to_owned())),
        _ => Err(SourceError::Refused("there is none".to_owned())),
    })))
}

fn options() -> (RegistryOptions, Arc<Schema>) {
    let schema = Arc::new(levada_protobuf::parse(TEXT, &[]).unwrap());
    let registered = RegisteredSchema::Protobuf(Arc::clone(&schema));
    let writer = Writer { id: SchemaId::Id(1), schema: registered, message: Some("p.M".to_owned()) };
    let source = source(Arc::clone(&schema));
    (RegistryOptions { schemas: Some(source), writer: Some(writer), ..RegistryOptions::default() }, schema)
}

/// A record as JSON, by way of columns.
fn shown(fields: &Fields, record: &[u8]) -> String {
    let wanted = (0..fields.len()).collect();
    let mut decoder = decoder(&options().0, &Columns { fields: fields.clone(), wanted }).unwrap();
    match decoder.decode(Some(record)) {
        Err(error) => error.to_string(),
        Ok(_) => {
            let mut out = Vec::new();
            let columns = decoder.finish().unwrap();
            // Its keys are numbers, which JSON cannot have.
            let without = |(at, field): (usize, &arrow::datatypes::FieldRef)| (field.name() != "m").then_some(at);
            let kept: Vec<usize> = fields.iter().enumerate().filter_map(without).collect();
            let fields: Fields = kept.iter().map(|at| fields[*at].clone()).collect();
            let columns: Vec<_> = kept.iter().map(|at| columns[*at].clone()).collect();
            json::encoder(&JsonOptions::default(), &fields).unwrap().encode(&columns, 0, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        }
    }
}

fn framed(schema: &Schema, json: &str) -> Vec<u8> {
    // The second message: its indexes are [1].
    [b"\0\0\0\0\x01\x02\x02".as_slice(), &schema.json_to_binary("p.M", json).unwrap()].concat()
}

#[test]
fn records_are_read_and_written_as_they_were() {
    let (options, schema) = options();
    let fields = columns_of_protobuf(&schema, "p.M").unwrap();
    let full = r#"{"z":"-1","a":7,"u":"18446744073709551615","l":["x",""],"m":{"3":{"f":4294967295,"d":0.5},"-1":{}},
        "t":"1969-12-31T23:59:59.250Z","w":"","c":"BLUE","y":"AQI="}"#;
    for (json, expected) in [
        (
            full,
            concat!(
                r#"{"z":-1,"a":7,"u":18446744073709551615,"l":["x",""],"t":"1969-12-31 23:59:59.25Z","#,
                r#""w":"","c":"BLUE","x":null,"y":"AQI="}"#
            ),
        ),
        ("{}", r#"{"z":0,"a":null,"u":0,"l":[],"t":null,"w":null,"c":"RED","x":null,"y":null}"#),
    ] {
        let record = framed(&schema, json);
        assert_eq!(shown(&fields, &record), expected);
        let wanted = (0..fields.len()).collect();
        let mut decoder = decoder(&options, &Columns { fields: fields.clone(), wanted }).unwrap();
        decoder.decode(Some(&record)).unwrap();
        let mut out = Vec::new();
        encoder(&options, &fields).unwrap().encode(&decoder.finish().unwrap(), 0, &mut out).unwrap();
        let read = |record: &[u8]| -> serde_json::Value {
            serde_json::from_str(&schema.binary_to_json("p.M", &record[7..]).unwrap()).unwrap()
        };
        assert_eq!((read(&out), &out[..7]), (read(&record), &record[..7]));
    }
}

#[test]
fn what_is_wrong_is_told() {
    let (_, schema) = options();
    let fields = Fields::from(vec![crate::types::Type::Date.nullable().field("z")]);
    let record = framed(&schema, r#"{"z":"1"}"#);
    assert_eq!(shown(&fields, &record), "field `z`: written as int64, which is not read as DATE");
    assert_eq!(shown(&fields, b"\0\0\0\0\x02\0"), "schema 2: it is no Protobuf schema");
    assert_eq!(shown(&fields, b"\0\0\0\0\x03\0"), "schema 3: there is none");
    assert_eq!(shown(&fields, b"\0\0\0\0\x04\0"), "its schema is not known at this moment: it is being read");
    assert!(shown(&fields, b"\0\0\0\0\x01\x02\x08").contains("no message at the place"));
    assert!(shown(&fields, b"\0\0\0\0\x01\x02\x02\xff").starts_with("no value of its schema: no `p.M`"));
    let refused = encoder(&options().0, &fields).err().unwrap().to_string();
    assert_eq!(refused, "the schema does not go with the columns: column `z` is DATE, the schema has int64");
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes: Vec<u8>) {
        let (_, schema) = options();
        shown(&columns_of_protobuf(&schema, "p.M").unwrap(), &[b"\0\0\0\0\x01\x02\x02".as_slice(), &bytes].concat());
    }
}
