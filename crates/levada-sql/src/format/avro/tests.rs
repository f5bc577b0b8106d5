use super::*;
use crate::format::registry::{Known, SourceError, Writer};
use crate::format::{Encoded, JsonOptions, columns_of_avro, json};
use crate::types::Type;
use levada_avro::datum;
use proptest::prelude::*;
use serde_json::{Value, json};

fn schemas(of: Vec<Arc<Schema>>) -> Arc<dyn SchemaSource> {
    Arc::new(Known(Box::new(move |id| {
        let missing = || SourceError::Refused("there is none".to_owned());
        let SchemaId::Id(id) = id else { return Err(missing()) };
        of.get(usize::try_from(id).unwrap()).cloned().map(RegisteredSchema::Avro).ok_or_else(missing)
    })))
}

fn parsed(of: &Value) -> Arc<Schema> {
    Arc::new(levada_avro::parse(&of.to_string(), &[]).unwrap())
}

fn record(fields: &[(&str, Value)]) -> Arc<Schema> {
    let fields: Vec<Value> = fields.iter().map(|(name, of)| json!({ "name": name, "type": of })).collect();
    parsed(&json!({ "type": "record", "name": "R", "fields": fields }))
}

fn framed(id: u32, schema: &Schema, value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    SchemaId::Id(id).write(&mut bytes);
    bytes.extend(datum::encode(schema, value).unwrap());
    bytes
}

fn options(schemas: &[Arc<Schema>]) -> RegistryOptions {
    let writer = Writer { id: SchemaId::Id(0), schema: RegisteredSchema::Avro(schemas[0].clone()), message: None };
    let source = self::schemas(schemas.to_vec());
    RegistryOptions { schemas: Some(source), writer: Some(writer), ..RegistryOptions::default() }
}

/// Records as JSON, by way of columns.
fn shown(schemas: &[Arc<Schema>], fields: &Fields, records: &[Vec<u8>]) -> Vec<String> {
    let wanted = (0..fields.len()).collect();
    let mut decoder = decoder(&options(schemas), &Columns { fields: fields.clone(), wanted }).unwrap();
    let outcomes: Vec<_> = records.iter().map(|record| decoder.decode(Some(record))).collect();
    let columns = decoder.finish().unwrap();
    let mut json = json::encoder(&JsonOptions::default(), fields).unwrap();
    let mut rows = 0..;
    let text = |outcome: Result<Decoded, DecodeError>| match outcome {
        Err(error) => error.to_string(),
        Ok(_) => {
            let mut out = Vec::new();
            json.encode(&columns, rows.next().unwrap(), &mut out).unwrap();
            String::from_utf8(out).unwrap()
        }
    };
    outcomes.into_iter().map(text).collect()
}

fn fields(of: &[(&str, Type)]) -> Fields {
    of.iter().map(|(name, of)| of.clone().nullable().field(name)).collect()
}

#[test]
fn records_of_each_schema_become_the_same_columns() {
    let old = record(&[("gone", json!({"type":"array","items":"string"})), ("a", json!("int"))]);
    let inner = json!({"type":"record","name":"S","fields":[{"name":"y","type":"string"},{"name":"x","type":"float"}]});
    let new = record(&[
        ("a", json!(["null", "long"])),
        ("m", json!({"type":"map","values":["null","bytes"]})),
        ("r", json!(["null", inner])),
        ("d", json!({"type":"bytes","logicalType":"decimal","precision":6,"scale":3})),
        ("t", json!({"type":"long","logicalType":"timestamp-micros"})),
        ("e", json!({"type":"enum","name":"E","symbols":["A","B"]})),
    ]);
    let records = [
        framed(0, &old, &json!({"gone":["x","y"],"a":-7})),
        framed(
            1,
            &new,
            &json!({"a":{"long":8},"m":{"k":{"bytes":"\u{1}"},"n":null},"r":{"S":{"y":"z","x":0.5}},
            "d":"\u{4}\u{d2}","t":1_500_000,"e":"B"}),
        ),
        framed(1, &new, &json!({"a":null,"m":{},"r":null,"d":"\u{ff}","t":-1,"e":"A"})),
    ];
    let row = Type::Row(vec![("x".to_owned(), Type::Double.nullable()), ("z".to_owned(), Type::Int.nullable())]);
    let map = Type::Map(Box::new(Type::String.not_null()), Box::new(Type::Bytes.nullable()));
    let decimal = Type::Decimal { precision: 5, scale: 2 };
    let fields = fields(&[
        ("e", Type::String),
        ("a", Type::BigInt),
        ("m", map),
        ("r", row),
        ("d", decimal),
        ("t", Type::TimestampLtz(3)),
    ]);
    assert_eq!(
        shown(&[old, new], &fields, &records),
        [
            r#"{"e":null,"a":-7,"m":null,"r":null,"d":null,"t":null}"#,
            r#"{"e":"B","a":8,"m":{"k":"AQ==","n":null},"r":{"x":0.5,"z":null},"d":1.23,"t":"1970-01-01 00:00:01.5Z"}"#,
            r#"{"e":"A","a":null,"m":{},"r":null,"d":0.00,"t":"1969-12-31 23:59:59.999Z"}"#,
        ]
    );
}

#[test]
fn what_does_not_go_together_is_an_error_once_it_is_met() {
    let schema = record(&[("a", json!(["int", "string"])), ("b", json!({"type":"array","items":"null"}))]);
    let mut endless = framed(0, &schema, &json!({"a":{"int":1},"b":[]}));
    endless.pop();
    cursor::put_long(i64::MAX, &mut endless);
    let records = [
        framed(0, &schema, &json!({"a":{"int":5},"b":[null]})),
        framed(0, &schema, &json!({"a":{"string":"x"},"b":[]})),
        framed(7, &schema, &json!({"a":{"int":1},"b":[]})),
        b"\0\0\0\0\0\0".to_vec(),
        b"{\"a\":1}".to_vec(),
        [framed(0, &schema, &json!({"a":{"int":1},"b":[]})), vec![0]].concat(),
        endless,
    ];
    assert_eq!(
        shown(&[schema], &fields(&[("a", Type::Int)]), &records),
        [
            r#"{"a":5}"#,
            "field `a`: written as string, which is not read as INT, at byte 6",
            "schema 7: there is none",
            "field `a`: the record ends early, at byte 6",
            "the record does not begin with a schema's id: it was not written with a schema registry",
            "there is more after the end of the value, at byte 8",
            "no value of its schema: it has too many elements, at byte 17",
        ]
    );
}

#[test]
fn what_is_no_record_is_the_one_column() {
    let schema = parsed(&json!("string"));
    let fields = columns_of_avro(&schema, "key").unwrap();
    let record = framed(0, &schema, &json!("k"));
    assert_eq!(shown(std::slice::from_ref(&schema), &fields, std::slice::from_ref(&record)), [r#"{"key":"k"}"#]);
    let columns = Columns { fields: fields.clone(), wanted: vec![0] };
    let mut decoder = decoder(&options(std::slice::from_ref(&schema)), &columns).unwrap();
    decoder.decode(Some(&record)).unwrap();
    let mut out = Vec::new();
    encoder(&options(&[schema]), &fields).unwrap().encode(&decoder.finish().unwrap(), 0, &mut out).unwrap();
    assert_eq!(out, record);
}

#[test]
fn a_schema_that_does_not_go_with_the_columns_is_refused_before_anything_is_written() {
    let schema = record(&[("a", json!("int")), ("b", json!("string"))]);
    let refused =
        |of: &[(&str, Type)]| encoder(&options(std::slice::from_ref(&schema)), &fields(of)).err().unwrap().to_string();
    let start = "the schema does not go with the columns: ";
    assert_eq!(refused(&[("a", Type::Int)]), format!("{start}its field `b` is no column, and is not NULL"));
    assert_eq!(refused(&[("x", Type::Int)]), format!("{start}`R` has no field `x`"));
    assert_eq!(
        refused(&[("a", Type::BigInt), ("b", Type::String)]),
        format!("{start}column `a` is BIGINT, the schema has int")
    );
}

/// A type that Avro has, and a JSON value of it as our own format writes it.
fn typed() -> impl Strategy<Value = (Type, Value)> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(|value| (Type::Boolean, json!(value))),
        any::<i8>().prop_map(|value| (Type::TinyInt, json!(value))),
        any::<i64>().prop_map(|value| (Type::BigInt, json!(value))),
        any::<i32>().prop_map(|value| (Type::Double, json!(f64::from(value) / 8.0))),
        ".{0,8}".prop_map(|value| (Type::String, json!(value))),
        (-99_999..100_000).prop_map(|value: i32| { (Type::Decimal { precision: 5, scale: 0 }, json!(value)) }),
        (1_u8..29, 0_u8..60).prop_map(|(day, second): (u8, u8)| {
            (Type::Timestamp(3), json!(format!("1960-02-{day:02} 00:00:{second:02}.25")))
        }),
        (0_u8..24).prop_map(|hour: u8| (Type::Time(6), json!(format!("{hour:02}:00:00.000001")))),
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|(of, value)| (Type::Array(Box::new(of.nullable())), json!([value, null]))),
            inner.clone().prop_map(|(of, value)| {
                (Type::Map(Box::new(Type::String.not_null()), Box::new(of.nullable())), json!({ "k": value }))
            }),
            (inner.clone(), inner).prop_map(|((one, a), (other, b))| {
                let fields = vec![("a".to_owned(), one.nullable()), ("b".to_owned(), other.not_null())];
                (Type::Row(fields), json!({ "a": a, "b": b }))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn rows_are_read_as_they_are_written((of, value) in typed()) {
        let fields = Fields::from(vec![of.nullable().field("f")]);
        let schema = levada_avro::parse(&avro_schema_of(&fields, "org.R").unwrap(), &[]).unwrap();
        let schemas = [Arc::new(schema)];
        for record in [json!({ "f": value }), json!({ "f": null })] {
            let columns = Columns { fields: fields.clone(), wanted: vec![0] };
            let mut reader = json::decoder(&JsonOptions::default(), &columns).unwrap();
            reader.decode(Some(record.to_string().as_bytes())).unwrap();
            let mut out = Vec::new();
            let encoded = encoder(&options(&schemas), &fields).unwrap().encode(&reader.finish().unwrap(), 0, &mut out);
            prop_assert_eq!(encoded, Ok(Encoded::Bytes));
            // What others read of it is a value of the schema.
            prop_assert!(datum::decode(&schemas[0], &out[5..], &datum::Limits::default()).is_ok());
            let text = shown(&schemas, &fields, &[out]).remove(0);
            prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), record, "{}", text);
        }
    }

    #[test]
    fn no_bytes_panic((of, _) in typed(), bytes: Vec<u8>) {
        let fields = Fields::from(vec![of.nullable().field("f")]);
        let schema = levada_avro::parse(&avro_schema_of(&fields, "R").unwrap(), &[]).unwrap();
        let record = [b"\0\0\0\0\0".as_slice(), &bytes].concat();
        let source = schemas(vec![Arc::new(schema)]);
        let options = RegistryOptions { schemas: Some(source), ..RegistryOptions::default() };
        for wanted in [vec![0], vec![]] {
            let mut decoder = decoder(&options, &Columns { fields: fields.clone(), wanted }).unwrap();
            let is_row = decoder.decode(Some(&record)).is_ok();
            prop_assert_eq!(decoder.len(), usize::from(is_row));
            prop_assert!(decoder.finish().is_ok());
        }
    }
}
