//! Random schemas over few names and values, so that what two say of the same thing meets; edits of them; and
//! instances that a schema is likely to take.

use levada_model::Rng;
use serde_json::{Map, Value, json};

const NAMES: [&str; 4] = ["a", "b", "ab", "c"];
const PATTERNS: [&str; 4] = ["^a", "b$", "^.$", "c"];
const TYPES: [&str; 7] = ["null", "boolean", "integer", "number", "string", "array", "object"];
/// Without one, it is draft 7.
const DRAFTS: [Option<&str>; 6] = [
    None,
    None,
    Some("http://json-schema.org/draft-04/schema#"),
    Some("https://json-schema.org/draft/2019-09/schema"),
    Some("https://json-schema.org/draft/2020-12/schema"),
    Some("https://json-schema.org/draft/2020-12/schema"),
];
const DEPTH_MAX: u32 = 3;

pub(crate) struct Generator<'a> {
    rng: &'a dyn Rng,
    draft: Option<&'static str>,
}

impl<'a> Generator<'a> {
    pub(crate) fn new(rng: &'a dyn Rng) -> Self {
        let draft = DRAFTS[usize::try_from(rng.next_u64() >> 11).unwrap() % DRAFTS.len()];
        Self { rng, draft }
    }

    fn below(&self, limit: usize) -> usize {
        usize::try_from(self.rng.next_u64() >> 11).unwrap() % limit
    }

    fn one_in(&self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<T: Copy>(&self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    fn is_draft_4(&self) -> bool {
        self.draft.is_some_and(|draft| draft.contains("draft-04"))
    }

    fn is_later(&self) -> bool {
        self.draft.is_some_and(|draft| draft.contains("20"))
    }

    fn is_latest(&self) -> bool {
        self.draft.is_some_and(|draft| draft.contains("2020"))
    }

    /// Whether this time the reader is a schema of its own.
    pub(crate) fn is_unrelated(&self) -> bool {
        self.one_in(8)
    }

    /// A schema, whose `definitions` its parts refer to.
    pub(crate) fn schema(&self) -> Value {
        let mut schema = self.object_schema(0);
        if let Some(draft) = self.draft {
            schema.insert("$schema".to_owned(), json!(draft));
        }
        schema.insert("definitions".to_owned(), json!({"d": self.part(1), "e": self.part(2)}));
        Value::Object(schema)
    }

    fn part(&self, depth: u32) -> Value {
        if depth >= DEPTH_MAX {
            return json!({"type": self.pick(&TYPES)});
        }
        match self.below(14) {
            0 if !self.is_draft_4() => json!(true),
            1 if !self.is_draft_4() && self.one_in(2) => json!(false),
            2 => json!({"$ref": self.pick(&["#/definitions/d", "#/definitions/e", "#/definitions/e"])}),
            3 if self.one_in(4) => json!({"$ref": "#"}),
            _ => Value::Object(self.object_schema(depth)),
        }
    }

    fn object_schema(&self, depth: u32) -> Map<String, Value> {
        let mut schema = Map::new();
        if !self.one_in(5) {
            schema.insert("type".to_owned(), self.types());
        }
        if schema.get("type") == Some(&json!("object")) && self.one_in(3) {
            schema.insert("additionalProperties".to_owned(), json!(false));
        }
        for _ in 0..self.below(4) {
            self.keyword(&mut schema, depth);
        }
        let has_parts = ["allOf", "anyOf", "oneOf", "if"].iter().any(|key| schema.contains_key(*key));
        if self.is_later() && has_parts && self.one_in(2) {
            let key =
                if schema.get("type") == Some(&json!("array")) { "unevaluatedItems" } else { "unevaluatedProperties" };
            schema.insert(key.to_owned(), if self.one_in(3) { self.part(depth + 1) } else { json!(false) });
        }
        schema
    }

    fn types(&self) -> Value {
        if self.one_in(5) {
            let (one, other) = (self.pick(&TYPES), self.pick(&TYPES));
            if one != other {
                return json!([one, other]);
            }
        }
        // Mostly what has the most keywords.
        json!(
            self.pick(&[
                "object", "object", "object", "array", "array", "string", "integer", "number", "null", "boolean"
            ])
        )
    }

    fn keyword(&self, schema: &mut Map<String, Value>, depth: u32) {
        let kind = schema.get("type").and_then(Value::as_str).unwrap_or("").to_owned();
        let group = match (kind.as_str(), self.below(8)) {
            (_, 0) => 4,
            (_, 1) => 5,
            ("object", _) => 0,
            ("array", _) => 1,
            ("string", _) => 2,
            ("integer" | "number", _) => 3,
            _ => self.below(6),
        };
        match group {
            0 => self.object_keyword(schema, depth),
            1 => self.array_keyword(schema, depth),
            2 => self.string_keyword(schema),
            3 => self.number_keyword(schema),
            4 => self.value_keyword(schema),
            _ => self.logic_keyword(schema, depth),
        }
    }

    fn object_keyword(&self, schema: &mut Map<String, Value>, depth: u32) {
        let properties = |count: usize| {
            let entries = (0..count).map(|_| (self.pick(&NAMES).to_owned(), self.property(depth + 1)));
            Value::Object(entries.collect())
        };
        let (key, value) = match self.below(12) {
            0..=3 => ("properties", properties(1 + self.below(3))),
            4 => ("required", json!([self.pick(&NAMES)])),
            5 => ("additionalProperties", if !self.one_in(3) { json!(false) } else { self.part(depth + 1) }),
            6 => ("patternProperties", json!({self.pick(&PATTERNS): self.part(depth + 1)})),
            7 => ("minProperties", json!(self.below(3))),
            8 => ("maxProperties", json!(1 + self.below(3))),
            9 if !self.is_draft_4() => ("propertyNames", json!({"maxLength": 1 + self.below(2)})),
            10 if self.is_later() && self.one_in(2) => {
                ("unevaluatedProperties", if self.one_in(2) { json!(false) } else { self.part(depth + 1) })
            }
            10 => ("dependencies", json!({self.pick(&NAMES): [self.pick(&NAMES)]})),
            11 if self.is_later() => ("dependentSchemas", json!({self.pick(&NAMES): self.part(depth + 1)})),
            _ => ("dependencies", json!({self.pick(&NAMES): self.part(depth + 1)})),
        };
        schema.insert(key.to_owned(), value);
    }

    fn property(&self, depth: u32) -> Value {
        let mut part = self.part(depth);
        if let Some(object) = part.as_object_mut().filter(|_| self.one_in(4)) {
            object.insert("default".to_owned(), self.value(1));
        }
        part
    }

    fn array_keyword(&self, schema: &mut Map<String, Value>, depth: u32) {
        let list = |count: usize| Value::Array((0..count).map(|_| self.part(depth + 1)).collect());
        let (key, value) = match self.below(10) {
            0 | 1 => ("items", self.part(depth + 1)),
            2 if self.is_latest() => ("prefixItems", list(1 + self.below(2))),
            2 => ("items", list(1 + self.below(2))),
            3 if self.is_latest() => ("items", json!(false)),
            3 => ("additionalItems", if self.one_in(2) { json!(false) } else { self.part(depth + 1) }),
            4 => ("minItems", json!(self.below(3))),
            5 => ("maxItems", json!(1 + self.below(3))),
            6 => ("uniqueItems", json!(true)),
            // The other validator evaluates by `contains` in draft 2019-09 too, which is for 2020-12 only.
            7 if !self.is_draft_4() && (self.is_latest() || !self.is_later()) => ("contains", self.part(depth + 1)),
            8 if self.is_later() => {
                ("unevaluatedItems", if self.one_in(2) { json!(false) } else { self.part(depth + 1) })
            }
            9 if self.is_later() => (self.pick(&["minContains", "maxContains"]), json!(self.below(3))),
            _ => ("items", self.part(depth + 1)),
        };
        schema.insert(key.to_owned(), value);
    }

    fn string_keyword(&self, schema: &mut Map<String, Value>) {
        let (key, value) = match self.below(3) {
            0 => ("minLength", json!(self.below(3))),
            1 => ("maxLength", json!(self.below(4))),
            _ => ("pattern", json!(self.pick(&PATTERNS))),
        };
        schema.insert(key.to_owned(), value);
    }

    fn number_keyword(&self, schema: &mut Map<String, Value>) {
        let bound = self.pick(&[json!(-1), json!(0), json!(1), json!(1.5), json!(2), json!(5)].each_ref()).clone();
        let (key, value) = match self.below(5) {
            0 => ("minimum", bound),
            1 => ("maximum", bound),
            2 if self.is_draft_4() => ("minimum", bound),
            2 => ("exclusiveMinimum", bound),
            3 if self.is_draft_4() => {
                schema.insert("exclusiveMaximum".to_owned(), json!(true));
                ("maximum", bound)
            }
            3 => ("exclusiveMaximum", bound),
            _ => ("multipleOf", self.pick(&[json!(0.5), json!(1), json!(1.5), json!(2), json!(3)].each_ref()).clone()),
        };
        schema.insert(key.to_owned(), value);
    }

    fn value_keyword(&self, schema: &mut Map<String, Value>) {
        if self.one_in(2) && !self.is_draft_4() {
            schema.insert("const".to_owned(), self.value(1));
        } else {
            let mut values = vec![self.value(1)];
            for _ in 0..self.below(3) {
                let value = self.value(0);
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            schema.insert("enum".to_owned(), Value::Array(values));
        }
    }

    fn logic_keyword(&self, schema: &mut Map<String, Value>, depth: u32) {
        let list = || Value::Array((0..=self.below(3)).map(|_| self.part(depth + 1)).collect());
        match self.below(8) {
            0 | 1 => schema.insert("allOf".to_owned(), list()),
            2 | 3 => schema.insert("anyOf".to_owned(), list()),
            4 | 5 => schema.insert("oneOf".to_owned(), list()),
            6 => schema.insert("not".to_owned(), self.part(depth + 1)),
            _ => {
                schema.insert("if".to_owned(), self.part(depth + 1));
                schema.insert("then".to_owned(), self.part(depth + 1));
                if self.one_in(2) {
                    schema.insert("else".to_owned(), self.part(depth + 1));
                }
                None
            }
        };
    }

    /// The schema after a few edits, most of which people would make; now and then of another draft.
    pub(crate) fn evolved(&self, schema: &Value) -> Value {
        let mut evolved = schema.clone();
        if let Some(object) = evolved.as_object_mut().filter(|_| self.one_in(12)) {
            drop(object.remove("$schema"));
            if let Some(draft) = self.pick(&DRAFTS) {
                object.insert("$schema".to_owned(), json!(draft));
            }
        }
        for _ in 0..=self.below(3) {
            let mut places = Vec::new();
            collect(&evolved, "", 0, &mut places);
            let text = evolved.to_string();
            // What nothing refers to is not worth an edit.
            let is_used = |name: &str| text.contains(&format!("\"#/definitions/{name}\""));
            places.retain(|(place, _)| {
                let definition = place.strip_prefix("/definitions/");
                definition.is_none_or(|rest| is_used(rest.split('/').next().unwrap_or("")))
            });
            let (place, depth) = places[self.below(places.len())].clone();
            let Some(part) = evolved.pointer_mut(&place) else { continue };
            self.edit(part, depth);
        }
        evolved
    }

    fn edit(&self, part: &mut Value, depth: u32) {
        let has_no_object = part.as_object().is_none();
        if has_no_object || self.one_in(12) && depth > 0 {
            *part = self.part(depth);
            return;
        }
        if depth > 0 && self.one_in(10) {
            let key = self.pick(&["anyOf", "oneOf", "allOf"]);
            let mut list = vec![part.clone()];
            if self.one_in(2) {
                list.push(self.part(depth));
            }
            *part = json!({key: list});
            return;
        }
        let Some(object) = part.as_object_mut() else { return };
        if object.get("type") == Some(&json!("object")) && self.one_in(4) {
            self.describe(object, depth);
            return;
        }
        if self.is_later() && self.one_in(8) {
            let key = self.pick(&["unevaluatedProperties", "unevaluatedProperties", "unevaluatedItems"]);
            object.insert(key.to_owned(), if self.one_in(3) { self.part(depth + 1) } else { json!(false) });
            return;
        }
        let keys: Vec<String> =
            object.keys().filter(|key| *key != "$schema" && *key != "definitions").cloned().collect();
        match self.below(3) {
            0 if !keys.is_empty() => {
                object.remove(&keys[self.below(keys.len())]);
            }
            1 if !keys.is_empty() => self.change(object, &keys[self.below(keys.len())], depth),
            _ => self.keyword(object, depth),
        }
    }

    /// What people do most: another property, required or not, with a default or without.
    fn describe(&self, object: &mut Map<String, Value>, depth: u32) {
        let name = self.pick(&NAMES);
        let mut property = self.part(depth + 1);
        if let (Some(property), true) = (property.as_object_mut(), self.one_in(2)) {
            let sample = Value::Object(property.clone());
            property.insert("default".to_owned(), self.instance(&sample));
        }
        let entry = |key: &str| Value::Object(Map::from_iter([(key.to_owned(), property.clone())]));
        match object.get_mut("properties").and_then(Value::as_object_mut) {
            Some(properties) => drop(properties.insert(name.to_owned(), property)),
            None => drop(object.insert("properties".to_owned(), entry(name))),
        }
        if self.one_in(2) {
            object.insert("required".to_owned(), json!([name]));
        }
    }

    /// A little more or less of what a keyword says.
    fn change(&self, object: &mut Map<String, Value>, key: &str, depth: u32) {
        let Some(value) = object.get_mut(key) else { return };
        match value {
            Value::Number(number) if key != "multipleOf" => {
                let changed = number.as_f64().unwrap_or(0.0) + self.pick(&[-1.0, 1.0, 1.0]);
                let is_count =
                    key.contains("Items") || key.contains("Length") || key.contains("Prop") || key.contains("Cont");
                *value = if is_count {
                    json!(if changed < 1.0 {
                        0
                    } else if changed < 2.0 {
                        1
                    } else {
                        2
                    })
                } else {
                    json!(changed)
                };
            }
            Value::Array(list) if list.len() > 1 && self.one_in(2) => {
                list.remove(self.below(list.len()));
            }
            Value::Array(list) if matches!(key, "anyOf" | "oneOf" | "allOf" | "prefixItems") => {
                list.push(self.part(depth + 1));
            }
            Value::Array(list) if key == "enum" => {
                let more = self.value(1);
                if !list.contains(&more) {
                    list.push(more);
                }
            }
            Value::Object(map) if key == "properties" => {
                if self.one_in(3) && !map.is_empty() {
                    let names: Vec<String> = map.keys().cloned().collect();
                    map.remove(&names[self.below(names.len())]);
                } else {
                    map.insert(self.pick(&NAMES).to_owned(), self.property(depth + 1));
                }
            }
            _ if key == "type" => *value = self.types(),
            _ => {}
        }
    }

    fn value(&self, depth: u32) -> Value {
        match self.below(if depth > 0 { 9 } else { 6 }) {
            0 => Value::Null,
            1 => json!(self.one_in(2)),
            2 => json!(self.pick(&[-2, -1, 0, 1, 2, 3, 5, 6])),
            3 => json!(self.pick(&[0.5, 1.5, 1.0, -0.5, 4.5])),
            4 | 5 => json!(self.pick(&["", "a", "b", "ab", "c", "abc", "xyz"])),
            6 => Value::Array((0..self.below(4)).map(|_| self.value(depth - 1)).collect()),
            _ => {
                let entries = (0..self.below(4)).map(|_| (self.pick(&NAMES).to_owned(), self.value(depth - 1)));
                Value::Object(entries.collect())
            }
        }
    }

    /// A value that the schema is likely to take.
    pub(crate) fn instance(&self, schema: &Value) -> Value {
        self.likely(schema, schema, 0)
    }

    /// Every other time, the instance with one thing in it more, less, or other.
    pub(crate) fn varied(&self, mut instance: Value) -> Value {
        if self.one_in(2) {
            return instance;
        }
        match &mut instance {
            Value::Object(object) => match self.below(3) {
                0 => drop(object.insert(self.pick(&NAMES).to_owned(), self.value(1))),
                1 => drop(object.remove(self.pick(&NAMES))),
                _ => {
                    let count = object.len().max(1);
                    if let Some(value) = object.values_mut().nth(self.below(count)) {
                        *value = self.varied(value.take());
                    }
                }
            },
            Value::Array(items) if self.one_in(2) => items.push(self.value(1)),
            Value::Array(items) if !items.is_empty() => {
                let index = self.below(items.len());
                items[index] = self.varied(items[index].take());
            }
            _ => instance = self.value(1),
        }
        instance
    }

    fn likely(&self, root: &Value, schema: &Value, depth: u32) -> Value {
        let Some(object) = schema.as_object().filter(|_| depth < 7 && !self.one_in(12)) else { return self.value(2) };
        if let Some(target) = object.get("$ref").and_then(Value::as_str) {
            return self.likely(root, root.pointer(target.trim_start_matches('#')).unwrap_or(&Value::Null), depth + 1);
        }
        if let Some(value) = object.get("const") {
            return value.clone();
        }
        if let Some(values) = object.get("enum").and_then(Value::as_array) {
            return values[self.below(values.len())].clone();
        }
        for key in ["anyOf", "oneOf", "allOf"] {
            if let Some(list) =
                object.get(key).and_then(Value::as_array).filter(|list| !list.is_empty() && !self.one_in(3))
            {
                let value = self.likely(root, &list[self.below(list.len())], depth + 1);
                return self.with_properties(root, object, value, depth);
            }
        }
        let kind = match object.get("type") {
            Some(Value::String(one)) => one.as_str(),
            Some(Value::Array(list)) => list[self.below(list.len())].as_str().unwrap_or(""),
            _ if object.contains_key("properties") || object.contains_key("required") => "object",
            _ if object.contains_key("items") || object.contains_key("contains") => "array",
            _ => self.pick(&TYPES),
        };
        match kind {
            "null" => Value::Null,
            "boolean" => json!(self.one_in(2)),
            "integer" => json!(self.pick(&[-2, -1, 0, 1, 2, 3, 4, 5, 6])),
            "number" => json!(self.pick(&[-2.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 6.5])),
            "string" => json!(self.pick(&["", "a", "b", "ab", "c", "abc", "xyzu"])),
            "array" => self.array(root, object, depth),
            _ => self.with_properties(root, object, json!({}), depth),
        }
    }

    fn array(&self, root: &Value, schema: &Map<String, Value>, depth: u32) -> Value {
        let tuple = ["prefixItems", "items"].iter().find_map(|key| schema.get(*key).and_then(Value::as_array));
        let rest = ["items", "additionalItems", "contains", "unevaluatedItems"];
        let rest = rest.iter().find_map(|key| schema.get(*key).filter(|value| !value.is_array()));
        let count = self.below(4);
        let item = |index: usize| {
            let described = tuple.and_then(|tuple| tuple.get(index)).or(rest);
            described.map_or_else(|| self.value(1), |item| self.likely(root, item, depth + 1))
        };
        Value::Array((0..count).map(item).collect())
    }

    fn with_properties(&self, root: &Value, schema: &Map<String, Value>, mut value: Value, depth: u32) -> Value {
        let Some(object) = value.as_object_mut() else { return value };
        let described = schema.get("properties").and_then(Value::as_object);
        for name in NAMES {
            let required =
                schema.get("required").and_then(Value::as_array).is_some_and(|list| list.contains(&json!(name)));
            let property = described.and_then(|described| described.get(name));
            let is_there = required || self.one_in(if property.is_some() { 2 } else { 6 });
            if is_there && !object.contains_key(name) {
                let property = property.or_else(|| schema.get("additionalProperties"));
                let value = property.map_or_else(|| self.value(1), |property| self.likely(root, property, depth + 1));
                object.insert(name.to_owned(), value);
            }
        }
        value
    }
}

/// Where the subschemas are, and how deep.
fn collect(schema: &Value, place: &str, depth: u32, places: &mut Vec<(String, u32)>) {
    places.push((place.to_owned(), depth));
    let Some(object) = schema.as_object() else { return };
    for (key, value) in object {
        let below = format!("{place}/{key}");
        match (key.as_str(), value) {
            ("properties" | "patternProperties" | "definitions", Value::Object(map)) => {
                for (name, part) in map {
                    collect(part, &format!("{below}/{name}"), depth + 1, places);
                }
            }
            ("allOf" | "anyOf" | "oneOf" | "prefixItems" | "items", Value::Array(list)) => {
                for (index, part) in list.iter().enumerate() {
                    collect(part, &format!("{below}/{index}"), depth + 1, places);
                }
            }
            ("not" | "items" | "additionalProperties" | "contains" | "if" | "then" | "else", Value::Object(_)) => {
                collect(value, &below, depth + 1, places);
            }
            _ => {}
        }
    }
}

/// The instance, with those properties that the schema requires, has a default for, and does not find.
pub(crate) fn filled(schema: &Value, instance: &Value) -> Value {
    let mut instance = instance.clone();
    fill(schema, schema, &mut instance);
    instance
}

/// Whether one of [`PATTERNS`] is found in a name.
fn is_match(pattern: &str, name: &str) -> bool {
    match pattern {
        "^a" => name.starts_with('a'),
        "b$" => name.ends_with('b'),
        "^.$" => name.len() == 1,
        _ => name.contains(pattern),
    }
}

fn fill(root: &Value, schema: &Value, instance: &mut Value) {
    let Some(object) = schema.as_object() else { return };
    if let Some(target) = object.get("$ref").and_then(Value::as_str) {
        let target = root.pointer(target.trim_start_matches('#')).unwrap_or(&Value::Null);
        fill(root, target, instance);
        return;
    }
    for part in object.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        fill(root, part, instance);
    }
    match instance {
        Value::Object(values) => {
            let described = object.get("properties").and_then(Value::as_object);
            for name in object.get("required").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str)
            {
                let default = described.and_then(|described| described.get(name)).and_then(|part| part.get("default"));
                if let Some(default) = default.filter(|_| !values.contains_key(name)) {
                    values.insert(name.to_owned(), default.clone());
                }
            }
            for (name, value) in values.iter_mut() {
                let named = described.and_then(|described| described.get(name));
                let patterns = object.get("patternProperties").and_then(Value::as_object).into_iter().flatten();
                let matched = patterns.filter(|(pattern, _)| is_match(pattern, name)).map(|(_, part)| part);
                let parts: Vec<&Value> = named.into_iter().chain(matched).collect();
                let additional = object.get("additionalProperties").filter(|_| parts.is_empty());
                for part in parts.into_iter().chain(additional) {
                    fill(root, part, value);
                }
            }
        }
        Value::Array(items) => {
            let tuple = ["prefixItems", "items"].iter().find_map(|key| object.get(*key).and_then(Value::as_array));
            let rest = if tuple.is_some() && object.get("items").is_some_and(Value::is_array) {
                object.get("additionalItems")
            } else {
                object.get("items")
            };
            for (index, item) in items.iter_mut().enumerate() {
                if let Some(part) = tuple.and_then(|tuple| tuple.get(index)).or(rest) {
                    fill(root, part, item);
                }
            }
        }
        _ => {}
    }
}
