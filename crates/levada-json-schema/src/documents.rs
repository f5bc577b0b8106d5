//! [`Documents`]: a schema, the references given with it, and those meta-schemas that it refers to; and where in them
//! a `$ref` leads. Nothing else can be reached: nothing is ever fetched.

use crate::draft::{Draft, meta_schema};
use crate::json::Json;
use crate::uri::{percent_decoded, resolve, split};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Keywords whose values are data, in which nothing is a schema.
pub(crate) const DATA: [&str; 4] = ["enum", "const", "default", "examples"];

/// A place in one of the documents.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub(crate) document: usize,
    /// A JSON pointer.
    pub(crate) pointer: String,
}

impl Place {
    /// The place below this one.
    pub(crate) fn below(&self, keys: &[&str]) -> Self {
        let mut pointer = self.pointer.clone();
        for key in keys {
            push_key(&mut pointer, key);
        }
        Self { document: self.document, pointer }
    }
}

/// Extends a JSON pointer.
pub(crate) fn push_key(pointer: &mut String, key: &str) {
    pointer.push('/');
    pointer.push_str(&key.replace('~', "~0").replace('/', "~1"));
}

/// One text.
#[derive(Debug)]
pub(crate) struct Document {
    pub(crate) json: Arc<Json>,
    pub(crate) draft: Draft,
    /// Whether it is one of the drafts' own.
    pub(crate) is_meta: bool,
    /// Pointers at which an id changes the base of what lies below, and the new base.
    bases: Vec<(String, String)>,
}

/// All texts of one schema.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    list: Vec<Document>,
    places: BTreeMap<String, Place>,
    /// By the URI of the schema they are in, and their name.
    anchors: BTreeMap<(String, String), Place>,
    /// Those that `$dynamicRef` may lead to, by their name.
    dynamic: BTreeMap<String, Vec<Place>>,
    /// Schemas with `$recursiveAnchor`.
    recursive: Vec<Place>,
}

impl Documents {
    /// Adds a text that others call `names`; the first is the base of its own references.
    pub(crate) fn add(&mut self, json: Json, draft: Draft, names: &[String]) -> usize {
        let index = self.list.len();
        let json = Arc::new(json);
        self.list.push(Document { json: Arc::clone(&json), draft, is_meta: false, bases: Vec::new() });
        let mut place = Place { document: index, pointer: String::new() };
        for name in names {
            self.places.entry(name.clone()).or_insert_with(|| place.clone());
        }
        let base = names.first().cloned().unwrap_or_default();
        self.set_base(&place, &base);
        self.scan(&json, draft, &mut place, &base);
        index
    }

    fn set_base(&mut self, place: &Place, base: &str) {
        if let Some(document) = self.list.get_mut(place.document) {
            document.bases.push((place.pointer.clone(), base.to_owned()));
        }
    }

    pub(crate) fn get(&self, document: usize) -> Option<&Document> {
        self.list.get(document)
    }

    /// How many ids there are.
    pub(crate) fn ids(&self) -> usize {
        self.list.iter().map(|document| document.bases.len()).sum()
    }

    /// Notes the ids and anchors in `json`, which lies at `place`. Recurses as deep as the text nests: boundedly.
    fn scan(&mut self, json: &Json, draft: Draft, place: &mut Place, base: &str) {
        let end = place.pointer.len();
        match json {
            Json::Array(items) => {
                for (index, item) in items.iter().enumerate() {
                    push_key(&mut place.pointer, &index.to_string());
                    self.scan(item, draft, place, base);
                    place.pointer.truncate(end);
                }
            }
            Json::Object(object) => {
                let base = self.name(json, draft, place, base);
                for (key, value) in object.iter().filter(|(key, _)| !DATA.contains(key)) {
                    push_key(&mut place.pointer, key);
                    self.scan(value, draft, place, &base);
                    place.pointer.truncate(end);
                }
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
        }
    }

    /// Notes what one object calls itself, and says what the base below it is.
    fn name(&mut self, json: &Json, draft: Draft, place: &Place, base: &str) -> String {
        let text = |key: &str| json.get(key).and_then(Json::as_str);
        let is_replaced = !draft.reads_beside_reference() && text("$ref").is_some();
        let id = text(draft.id_keyword()).filter(|_| !is_replaced).unwrap_or("");
        let (path, fragment) = split(id);
        let mut base = base.to_owned();
        if !path.is_empty() {
            base = resolve(&base, path);
            self.places.entry(base.clone()).or_insert_with(|| place.clone());
            self.set_base(place, &base);
        }
        if !draft.reads_beside_reference() && !fragment.is_empty() {
            self.anchors.entry((base.clone(), fragment.to_owned())).or_insert_with(|| place.clone());
        }
        if draft.reads_beside_reference() {
            for anchor in [text("$anchor"), text("$dynamicAnchor")].into_iter().flatten() {
                self.anchors.entry((base.clone(), anchor.to_owned())).or_insert_with(|| place.clone());
            }
            if let Some(anchor) = text("$dynamicAnchor") {
                self.dynamic.entry(anchor.to_owned()).or_default().push(place.clone());
            }
            if json.get("$recursiveAnchor").and_then(Json::as_bool) == Some(true) {
                self.recursive.push(place.clone());
            }
        }
        base
    }

    /// The base of the references at a place.
    fn base(&self, place: &Place) -> &str {
        let Some(document) = self.list.get(place.document) else { return "" };
        let is_above = |pointer: &str| {
            let rest = place.pointer.strip_prefix(pointer);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let above = document.bases.iter().filter(|(pointer, _)| is_above(pointer));
        // Of two at one place, the later is what the text itself says.
        above.max_by_key(|(pointer, _)| pointer.len()).map_or("", |(_, base)| base)
    }

    /// Where a `$ref` at `from` leads.
    pub(crate) fn locate(&mut self, from: &Place, reference: &str) -> Option<Place> {
        let (path, fragment) = split(reference);
        let uri = resolve(self.base(from), path);
        let place = self.document(&uri).or_else(|| self.document(path.strip_prefix("./").unwrap_or(path)))?;
        let fragment = percent_decoded(fragment);
        let found = if fragment.is_empty() {
            place
        } else if fragment.starts_with('/') {
            Place { document: place.document, pointer: format!("{}{fragment}", place.pointer) }
        } else {
            let base = self.base(&place).to_owned();
            self.anchors.get(&(base, fragment))?.clone()
        };
        self.exists(&found).then_some(found)
    }

    fn document(&mut self, uri: &str) -> Option<Place> {
        if let Some(place) = self.places.get(uri) {
            return Some(place.clone());
        }
        let (draft, text) = meta_schema(uri)?;
        let document = self.add(from_value(text), draft, &[uri.to_owned()]);
        if let Some(document) = self.list.get_mut(document) {
            document.is_meta = true;
        }
        self.places.get(uri).cloned()
    }

    /// Where a `$dynamicRef` at `from` leads; none where that depends on the way by which it was reached.
    pub(crate) fn locate_dynamic(&mut self, from: &Place, reference: &str) -> Option<Place> {
        if self.is_meta(from) {
            return self.meta_root(from);
        }
        let target = self.locate(from, reference)?;
        let places = self.dynamic.get(split(reference).1).map_or(&[][..], Vec::as_slice);
        let is_dynamic = places.contains(&target);
        (!is_dynamic || places.iter().filter(|place| !self.is_meta(place)).count() == 1).then_some(target)
    }

    /// Where a `$recursiveRef` at `from` leads; none where that depends on the way by which it was reached.
    pub(crate) fn locate_recursive(&mut self, from: &Place) -> Option<Place> {
        if self.is_meta(from) {
            return self.meta_root(from);
        }
        let target = self.locate(from, "#")?;
        let is_dynamic = self.recursive.contains(&target);
        (!is_dynamic || self.recursive.iter().filter(|place| !self.is_meta(place)).count() == 1).then_some(target)
    }

    fn is_meta(&self, place: &Place) -> bool {
        self.list.get(place.document).is_some_and(|document| document.is_meta)
    }

    /// The whole meta-schema, where `from` is in a part of one: that is how parts of meta-schemas are reached.
    fn meta_root(&mut self, from: &Place) -> Option<Place> {
        let uri = self.list.get(from.document).filter(|document| document.is_meta)?.draft.uri();
        let extending = self.dynamic.get("meta").map_or(&[][..], Vec::as_slice).iter().chain(&self.recursive);
        let is_extended = extending.into_iter().any(|place| !self.is_meta(place));
        if is_extended { None } else { self.document(uri) }
    }

    fn exists(&self, place: &Place) -> bool {
        self.list.get(place.document).is_some_and(|document| at(&document.json, &place.pointer).is_some())
    }
}

/// What lies in a document at a JSON pointer.
pub(crate) fn at<'a>(document: &'a Json, pointer: &str) -> Option<&'a Json> {
    pointer.split('/').skip(1).try_fold(document, |json, key| {
        let key = key.replace("~1", "/").replace("~0", "~");
        match json {
            Json::Object(object) => object.get(&key),
            Json::Array(items) => items.get(key.parse::<usize>().ok()?),
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => None,
        }
    })
}

/// One of the meta-schemas, whose numbers are small.
fn from_value(value: &serde_json::Value) -> Json {
    use crate::json::parser::{Bounds, parse};
    parse(&value.to_string(), Bounds { bytes_max: usize::MAX, depth_max: 64 }).unwrap_or(Json::Bool(true))
}
