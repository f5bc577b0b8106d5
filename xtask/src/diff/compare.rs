//! Two answers to one question, compared field by field.

use serde_json::Value;

use super::exceptions::Exceptions;
use super::wire::Variables;

/// Shorter texts are no identities: they may stand in others by chance.
const IDENTITY_SIZE_MIN: usize = 8;

/// One field in which the two sides differ.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// `Metadata.topics[].partitions[].leader_epoch`, with the place or key of each element.
    pub(super) path: String,
    /// What Kafka says; `None` where it has nothing there.
    pub(super) kafka: Option<Value>,
    /// What Levada says.
    pub(super) levada: Option<Value>,
}

/// One side: an answer, and what that side's steps bound so far.
#[derive(Clone, Copy)]
pub(super) struct Side<'a> {
    pub(super) tree: &'a Value,
    pub(super) variables: &'a Variables,
}

/// The differences between two answers to `api` in `version` that no exception allows.
pub(super) fn compare(
    api: &str,
    version: i16,
    kafka: Side<'_>,
    levada: Side<'_>,
    exceptions: &Exceptions,
) -> Vec<Difference> {
    let mut comparison =
        Comparison { version, kafka: kafka.variables, levada: levada.variables, exceptions, differences: Vec::new() };
    comparison.values(api, Some(kafka.tree), Some(levada.tree));
    comparison.differences
}

struct Comparison<'a> {
    version: i16,
    kafka: &'a Variables,
    levada: &'a Variables,
    exceptions: &'a Exceptions,
    differences: Vec<Difference>,
}

impl Comparison<'_> {
    fn values(&mut self, path: &str, kafka: Option<&Value>, levada: Option<&Value>) {
        match (kafka, levada) {
            (Some(Value::Object(left)), Some(Value::Object(right))) => {
                let only_right = right.keys().filter(|name| !left.contains_key(*name));
                for name in left.keys().chain(only_right) {
                    self.values(&format!("{path}.{name}"), left.get(name), right.get(name));
                }
            }
            (Some(Value::Array(left)), Some(Value::Array(right))) => self.arrays(path, left, right),
            (Some(left), Some(right)) if self.is_same(path, left, right) => {}
            _ => {
                if !self.exceptions.allow(path, self.version, kafka, levada) {
                    let (kafka, levada) = (kafka.cloned(), levada.cloned());
                    self.differences.push(Difference { path: path.to_owned(), kafka, levada });
                }
            }
        }
    }

    fn arrays(&mut self, path: &str, left: &[Value], right: &[Value]) {
        let keys = if left.len().max(right.len()) > 0 { self.exceptions.keys(path, self.version) } else { None };
        let Some(keys) = keys else {
            for index in 0..left.len().max(right.len()) {
                self.values(&format!("{path}[{index}]"), left.get(index), right.get(index));
            }
            return;
        };
        let mut left = keyed(left, keys, self.kafka);
        let mut right = keyed(right, keys, self.levada);
        while let Some((key, value)) = left.pop() {
            let other = right.iter().rposition(|(other, _)| *other == key).map(|index| right.remove(index).1);
            self.values(&format!("{path}[{key}]"), Some(value), other);
        }
        for (key, value) in right {
            self.values(&format!("{path}[{key}]"), None, Some(value));
        }
    }

    /// Whether two scalars are equal, or each its own side's value of the same variable: a text anywhere, a number
    /// in a field of the name that it was bound from.
    fn is_same(&self, path: &str, left: &Value, right: &Value) -> bool {
        if left == right {
            return true;
        }
        match (left, right) {
            (Value::String(left), Value::String(right)) => named(left, self.kafka) == named(right, self.levada),
            (Value::Number(_), Value::Number(_)) => self.kafka.iter().any(|(name, bound)| {
                let is_there = path.rsplit('.').next() == Some(&bound.field);
                is_there && bound.value == *left && self.levada.get(name).is_some_and(|bound| bound.value == *right)
            }),
            _ => false,
        }
    }
}

/// The elements with their keys.
fn keyed<'a>(elements: &'a [Value], keys: &[String], variables: &Variables) -> Vec<(String, &'a Value)> {
    let part = |element: &Value, key: &String| {
        let value = if key == "*" { element } else { &element[key] };
        if let Value::Array(parts) = value {
            let mut parts: Vec<_> = parts.iter().map(Value::to_string).collect();
            parts.sort();
            return parts.join("+");
        }
        value.as_str().map_or_else(|| value.to_string(), |text| named(text, variables))
    };
    let key = |element| keys.iter().map(|key| part(element, key)).collect::<Vec<_>>().join(",");
    elements.iter().map(|element| (key(element), element)).collect()
}

/// `text` with the names of variables where their values stand.
fn named(text: &str, variables: &Variables) -> String {
    let mut named = text.to_owned();
    for (name, bound) in variables {
        if let Some(value) = bound.value.as_str()
            && value.len() >= IDENTITY_SIZE_MIN
            && named.contains(value)
        {
            named = named.replace(value, &format!("${name}"));
        }
    }
    named
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diff::wire::Bound;
    use serde_json::json;

    fn differences(kafka: &Value, levada: &Value) -> Vec<String> {
        let bound = |value: Value, field: &str| Bound { value, field: field.to_owned() };
        let of = |id: &str, number: i64| {
            let (id, number) = (bound(json!(id), "a"), bound(json!(number), "c"));
            Variables::from([("id".to_owned(), id), ("number".to_owned(), number)])
        };
        let (left, right) = (of("aaaaaaaa", 7), of("bbbbbbbb", 8));
        let left = Side { tree: kafka, variables: &left };
        let right = Side { tree: levada, variables: &right };
        let found = compare("A", 0, left, right, &Exceptions::load().unwrap());
        found.into_iter().map(|difference| difference.path).collect()
    }

    #[test]
    fn differences_are_named_by_their_path() {
        let left = json!({ "a": [{ "b": 1 }, { "b": 2 }], "c": null });
        let right = json!({ "a": [{ "b": 1 }, { "b": 3 }, { "b": 4 }], "c": null, "d": 1 });
        assert_eq!(differences(&left, &right), ["A.a[1].b", "A.a[2]", "A.d"]);
    }

    #[test]
    fn each_side_has_its_own_identities() {
        let left = json!({ "a": "aaaaaaaa", "b": "at aaaaaaaa", "c": 7, "d": 7, "e": 7 });
        let right = json!({ "a": "bbbbbbbb", "b": "at bbbbbbbb", "c": 8, "d": 8, "e": 9 });
        assert_eq!(differences(&left, &right), ["A.d", "A.e"]);
    }
}
