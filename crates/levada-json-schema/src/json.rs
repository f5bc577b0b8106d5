//! [`Json`]: a document as it was written. The order of keys and the texts of numbers are kept.
//!
//! `serde_json` keeps both only by features that would change every crate of the workspace. Reading is in
//! [`parser`], writing in `print`.

pub(crate) mod parser;
mod print;

use crate::decimal::Decimal;
use std::cmp::Ordering;

/// A JSON value.
#[derive(Clone, Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Number(Number),
    String(String),
    Array(Vec<Json>),
    Object(Object),
}

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// A number, and how it was written.
#[derive(Clone, Debug)]
pub(crate) struct Number {
    pub(crate) text: String,
    pub(crate) value: Decimal,
}

/// An object in the order of its text; of a key that is there twice, the last value at the first place.
#[derive(Clone, Debug, Default)]
pub(crate) struct Object {
    entries: Vec<(String, Json)>,
    /// Positions in `entries`, sorted by key.
    sorted: Vec<usize>,
}

impl Object {
    pub(crate) fn new(written: Vec<(String, Json)>) -> Self {
        let mut order: Vec<usize> = (0..written.len()).collect();
        let key = |position: &usize| written.get(*position).map_or("", |(key, _)| key.as_str());
        order.sort_by(|a, b| key(a).cmp(key(b)).then(a.cmp(b)));
        if order.windows(2).all(|pair| matches!(pair, [a, b] if key(a) != key(b))) {
            return Self { entries: written, sorted: order };
        }
        Self::new(without_duplicates(written, &order))
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Json> {
        self.entries.get(self.position(key)?).map(|(_, value)| value)
    }

    fn position(&self, key: &str) -> Option<usize> {
        let name = |position: usize| self.entries.get(position).map_or("", |(name, _)| name.as_str());
        let found = self.sorted.binary_search_by(|position| name(*position).cmp(key)).ok()?;
        self.sorted.get(found).copied()
    }

    fn get_mut(&mut self, key: &str) -> Option<&mut Json> {
        let position = self.position(key)?;
        self.entries.get_mut(position).map(|(_, value)| value)
    }

    /// Puts a value in the place of the one that is there, else last; none takes it away.
    pub(crate) fn set(&mut self, key: &str, value: Option<Json>) {
        match (self.get_mut(key), value) {
            (Some(known), Some(value)) => *known = value,
            (None, None) => {}
            (_, value) => {
                let mut entries = std::mem::take(&mut self.entries);
                entries.retain(|(name, _)| name != key);
                entries.extend(value.map(|value| (key.to_owned(), value)));
                *self = Self::new(entries);
            }
        }
    }

    pub(crate) fn contains(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.entries.iter().map(|(key, value)| (key.as_str(), value))
    }

    /// Entries sorted by key.
    fn by_key(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.sorted.iter().filter_map(|position| self.entries.get(*position)).map(|(key, value)| (key.as_str(), value))
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

/// `order` holds the positions of `written` by key, then by place.
fn without_duplicates(written: Vec<(String, Json)>, order: &[usize]) -> Vec<(String, Json)> {
    let mut values: Vec<Option<(String, Json)>> = written.into_iter().map(Some).collect();
    let mut first: Option<usize> = None;
    for position in order {
        let Some((key, value)) = values.get_mut(*position).and_then(Option::take) else { continue };
        let earlier = first.and_then(|first| values.get_mut(first)).and_then(Option::as_mut);
        match earlier {
            Some(earlier) if earlier.0 == key => earlier.1 = value,
            _ => {
                if let Some(place) = values.get_mut(*position) {
                    *place = Some((key, value));
                }
                first = Some(*position);
            }
        }
    }
    values.into_iter().flatten().collect()
}

impl Json {
    pub(crate) const fn as_object(&self) -> Option<&Object> {
        if let Self::Object(object) = self { Some(object) } else { None }
    }

    pub(crate) fn as_array(&self) -> Option<&[Self]> {
        if let Self::Array(items) = self { Some(items) } else { None }
    }

    pub(crate) fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    pub(crate) const fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(value) = self { Some(*value) } else { None }
    }

    /// The value at `key` of an object.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        self.as_object()?.get(key)
    }

    /// What lies some steps below.
    pub(crate) fn at_mut(&mut self, steps: &[Step]) -> Option<&mut Self> {
        steps.iter().try_fold(self, |json, step| match (json, step) {
            (Self::Object(object), Step::Key(key)) => object.get_mut(key),
            (Self::Array(items), Step::Index(index)) => items.get_mut(*index),
            _ => None,
        })
    }

    const fn rank(&self) -> u8 {
        match self {
            Self::Null => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::String(_) => 3,
            Self::Array(_) => 4,
            Self::Object(_) => 5,
        }
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Json {}

impl PartialOrd for Json {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// As JSON Schema compares: `1` and `1.0` are equal, and the order of keys does not count.
impl Ord for Json {
    fn cmp(&self, other: &Self) -> Ordering {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => a.cmp(b),
            (Self::Number(a), Self::Number(b)) => a.value.cmp(&b.value),
            (Self::String(a), Self::String(b)) => a.cmp(b),
            (Self::Array(a), Self::Array(b)) => a.cmp(b),
            (Self::Object(a), Self::Object(b)) => a.by_key().cmp(b.by_key()),
            _ => self.rank().cmp(&other.rank()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::parser::{Bounds, parse};
    use super::*;

    fn json(text: &str) -> Json {
        parse(text, Bounds { bytes_max: 1000, depth_max: 10 }).unwrap()
    }

    #[test]
    fn of_a_key_that_is_there_twice_the_last_value_counts_at_the_first_place() {
        assert_eq!(json(r#"{"b":1,"a":2,"b":3,"a":4,"c":5}"#).to_string(), r#"{"b":3,"a":4,"c":5}"#);
    }

    #[test]
    fn equality_is_that_of_json_schema() {
        assert_eq!(json(r#"{"a":1,"b":[10]}"#), json(r#"{"b":[1e1],"a":1.0}"#));
        assert_ne!(json(r#"{"a":1}"#), json(r#"{"a":true}"#));
        assert_ne!(json("[1,2]"), json("[2,1]"));
    }
}
