//! Values as text, for people: the fields of a record come in the order of its schema.

use crate::schema::{Kind, Schema, TypeId};
use serde_json::Value;
use std::fmt::{self, Display, Formatter};

/// A value of a schema, in the JSON encoding, on one line.
///
/// What is no value of the schema is printed as it is.
#[must_use]
pub fn to_text(schema: &Schema, value: &Value) -> String {
    Text { schema, id: schema.root(), value }.to_string()
}

struct Text<'a> {
    schema: &'a Schema,
    id: TypeId,
    value: &'a Value,
}

impl<'a> Text<'a> {
    fn object(
        &self,
        f: &mut Formatter<'_>,
        members: impl Iterator<Item = (&'a String, TypeId, &'a Value)>,
    ) -> fmt::Result {
        f.write_str("{")?;
        for (index, (name, id, value)) in members.enumerate() {
            let name = Value::String(name.clone());
            f.write_str(if index == 0 { "" } else { "," })?;
            write!(f, "{name}:{}", Text { schema: self.schema, id, value })?;
        }
        f.write_str("}")
    }
}

impl Display for Text<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match (self.schema.kind(self.id), self.value) {
            (Kind::Record(record), Value::Object(members)) => {
                let fields = record.fields.iter();
                let known = fields.filter_map(|field| Some((&field.name, field.schema, members.get(&field.name)?)));
                self.object(f, known)
            }
            (Kind::Map(of), Value::Object(members)) => {
                self.object(f, members.iter().map(|(name, value)| (name, *of, value)))
            }
            (Kind::Union(branches), Value::Object(members)) => {
                let branch = |name: &str| branches.iter().find(|branch| self.schema.full_name(**branch) == name);
                self.object(f, members.iter().filter_map(|(name, value)| Some((name, *branch(name)?, value))))
            }
            (Kind::Array(of), Value::Array(elements)) => {
                f.write_str("[")?;
                for (index, element) in elements.iter().enumerate() {
                    f.write_str(if index == 0 { "" } else { "," })?;
                    write!(f, "{}", Text { schema: self.schema, id: *of, value: element })?;
                }
                f.write_str("]")
            }
            (_, value) => write!(f, "{value}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{datum, parse};

    #[test]
    fn fields_come_in_the_order_of_the_schema() {
        let text = r#"{"type":"record","name":"R","namespace":"n","fields":[
            {"name":"z","type":"int"},
            {"name":"a","type":["null",{"type":"record","name":"S","fields":[{"name":"y","type":"string"},{"name":"b","type":"bytes"}]}]},
            {"name":"m","type":{"type":"map","values":{"type":"array","items":"S"}}},
            {"name":"e","type":{"type":"enum","name":"E","symbols":["X"]}}]}"#;
        let schema = parse(text, &[]).unwrap();
        let printed =
            r#"{"z":1,"a":{"n.S":{"y":"q\"","b":"ÿ"}},"m":{"k":[{"y":"","b":""},{"y":"","b":""}],"l":[]},"e":"X"}"#;
        let value: Value = serde_json::from_str(printed).unwrap();
        assert_eq!(to_text(&schema, &value), printed);
        let bytes = datum::encode(&schema, &value).unwrap();
        let decoded = datum::decode(&schema, &bytes, &datum::Limits::default()).unwrap();
        assert_eq!(to_text(&schema, &decoded), printed);
        assert_eq!(to_text(&schema, &Value::Null), "null", "no value of the schema");
    }
}
