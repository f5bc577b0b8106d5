//! Random values of a schema, in Avro's JSON encoding.

use levada_avro::{Kind, Schema, TypeId};
use levada_model::{Rng, SeededRng};
use serde_json::{Value, json};

/// A value of that type; none where every value would be too deep.
pub(crate) fn value(schema: &Schema, id: TypeId, rng: &SeededRng, depth: usize) -> Option<Value> {
    if depth == 0 {
        return None;
    }
    let below = |limit: usize| usize::try_from(rng.next_u64()).expect("64 bits") % limit.max(1);
    let inner = |id| value(schema, id, rng, depth - 1);
    Some(match schema.kind(id) {
        Kind::Null => Value::Null,
        Kind::Boolean => json!(below(2) == 1),
        Kind::Int => json!([0, 1, -1, i32::MAX, i32::MIN][below(5)]),
        Kind::Long => json!([0, 300, -70_000, i64::MAX, i64::MIN][below(5)]),
        Kind::Float => [json!(0.5), json!(-1.100_000_023_841_858), json!("NaN"), json!("Infinity")][below(4)].clone(),
        Kind::Double => [json!(0.0), json!(1e300), json!(-0.1), json!("-Infinity")][below(4)].clone(),
        Kind::Bytes => json!(["", "\u{0}\u{ff}\u{80}", "ab"][below(3)]),
        Kind::String => json!(["", "é😀", "text"][below(3)]),
        Kind::Array(element) => (0..below(3)).filter_map(|_| inner(*element)).collect(),
        Kind::Map(of) => {
            Value::Object((0..below(3)).filter_map(|key| Some((format!("k{key}"), inner(*of)?))).collect())
        }
        Kind::Union(branches) => {
            let first = below(branches.len());
            let order = (0..branches.len()).map(|step| branches[(first + step) % branches.len()]);
            order.filter_map(|branch| Some(wrap(schema, branch, inner(branch)?))).next()?
        }
        Kind::Record(record) => {
            let fields = record.fields.iter();
            Value::Object(fields.map(|field| Some((field.name.clone(), inner(field.schema)?))).collect::<Option<_>>()?)
        }
        Kind::Enum(symbols) => json!(symbols.symbols[below(symbols.symbols.len())]),
        Kind::Fixed(fixed) => json!("\u{e9}".repeat(fixed.size)),
    })
}

fn wrap(schema: &Schema, branch: TypeId, value: Value) -> Value {
    let kind = schema.kind(branch);
    match kind {
        Kind::Null => value,
        _ => json!({ kind.name().map_or(kind.word(), |name| name.full()): value }),
    }
}
