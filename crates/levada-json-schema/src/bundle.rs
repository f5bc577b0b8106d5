//! A schema with all that it refers to, as one text that needs no references: Confluent's format `resolved`, which it
//! has for Avro.
//!
//! What is referred to lies under `definitions`, from draft 2019-09 on under `$defs`, by the names of the references.
//! Every `$ref` is a pointer then, but for those into meta-schemas; ids other than the schema's own are left out. The
//! text is compared with what it was made of before it is given out.

use crate::documents::{DATA, Documents, Place, push_key};
use crate::draft::Draft;
use crate::error::ParseError;
use crate::json::{Json, Object};
use crate::kind::{Difference, Kind, Policy};
use crate::schema::{Reference, differences, documents_of, parse, read};
use std::collections::BTreeMap;

/// Keywords that lead somewhere only where it is known how they were reached.
const DYNAMIC: [&str; 2] = ["$dynamicRef", "$recursiveRef"];

/// Why a schema cannot be one text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BundleError {
    /// It is no schema.
    #[error(transparent)]
    Parse(#[from] ParseError),
    /// It leads somewhere only where it is known how it was reached.
    #[error("`{0}` cannot be followed within one text")]
    Dynamic(String),
    /// Its parts are of different drafts.
    #[error("it refers to schemas of other drafts than its own")]
    Drafts,
    /// The one text would not mean the same.
    #[error("as one text it would mean something else")]
    Differs,
}

/// The text of a schema with all of `references` that it needs.
///
/// # Errors
/// [`BundleError`].
pub fn resolved(text: &str, references: &[Reference<'_>]) -> Result<String, BundleError> {
    let original = parse(text, references)?;
    let (json, draft) = read(text)?;
    if json.as_object().is_none() {
        return Ok(original.canonical().to_owned());
    }
    let (documents, names) = documents_of(json.clone(), draft, references)?;
    let mut bundle = Bundle { documents, names, keys: BTreeMap::new(), queue: Vec::new(), draft, taken: Vec::new() };
    let keyword = bundle.keyword();
    let defined = json.get(keyword).and_then(Json::as_object);
    bundle.taken.extend(defined.into_iter().flat_map(Object::iter).map(|(name, _)| name.to_owned()));
    let mut place = Place { document: 0, pointer: String::new() };
    let Json::Object(mut root) = bundle.rewritten(&json, &mut place)? else { return Err(BundleError::Differs) };
    let mut embedded = Vec::new();
    while let Some(document) = bundle.queue.pop() {
        let key = bundle.keys.get(&document).cloned().unwrap_or_default();
        let json = bundle.documents.get(document).map(|document| std::sync::Arc::clone(&document.json));
        let mut place = Place { document, pointer: String::new() };
        if let Some(json) = json {
            embedded.push((key, bundle.rewritten(&json, &mut place)?));
        }
    }
    if !embedded.is_empty() {
        let known = root.get(keyword).and_then(Json::as_object);
        let mut all: Vec<(String, Json)> =
            known.into_iter().flat_map(Object::iter).map(|(name, json)| (name.to_owned(), json.clone())).collect();
        embedded.sort_by(|(left, _), (right, _)| left.cmp(right));
        all.extend(embedded);
        root.set(keyword, Some(Json::Object(Object::new(all))));
    }
    let text = Json::Object(root).to_string();
    let bundled = parse(&text, &[]).map_err(|_| BundleError::Differs)?;
    let is_label = |difference: &Difference| difference.kind == Kind::IdChanged;
    let is_equal =
        |reader, writer| differences(reader, writer, Policy::Strict).is_ok_and(|found| found.iter().all(is_label));
    if is_equal(&bundled, &original) && is_equal(&original, &bundled) { Ok(text) } else { Err(BundleError::Differs) }
}

struct Bundle {
    documents: Documents,
    /// What references are called, by document.
    names: BTreeMap<usize, String>,
    /// Under which keys documents lie.
    keys: BTreeMap<usize, String>,
    /// Documents that are still to be put in.
    queue: Vec<usize>,
    draft: Draft,
    /// Keys that are there already.
    taken: Vec<String>,
}

impl Bundle {
    const fn keyword(&self) -> &'static str {
        if self.draft.reads_beside_reference() { "$defs" } else { "definitions" }
    }

    /// What lies at `place`, with pointers in the place of references. Recurses as deep as the text nests: boundedly.
    fn rewritten(&mut self, json: &Json, place: &mut Place) -> Result<Json, BundleError> {
        let end = place.pointer.len();
        match json {
            Json::Array(items) => {
                let mut rewritten = Vec::with_capacity(items.len());
                for (index, item) in items.iter().enumerate() {
                    push_key(&mut place.pointer, &index.to_string());
                    rewritten.push(self.rewritten(item, place)?);
                    place.pointer.truncate(end);
                }
                Ok(Json::Array(rewritten))
            }
            Json::Object(object) => {
                let mut entries = Vec::with_capacity(object.len());
                for (key, value) in object.iter() {
                    let value = match value {
                        _ if DATA.contains(&key) => value.clone(),
                        Json::String(text) if DYNAMIC.contains(&key) => return Err(BundleError::Dynamic(text.clone())),
                        Json::String(text) if key == "$ref" => Json::String(self.pointer(place, text)?),
                        Json::String(_) if self.is_left_out(key, place) => continue,
                        _ => {
                            push_key(&mut place.pointer, key);
                            let rewritten = self.rewritten(value, place)?;
                            place.pointer.truncate(end);
                            rewritten
                        }
                    };
                    entries.push((key.to_owned(), value));
                }
                Ok(Json::Object(Object::new(entries)))
            }
            Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => Ok(json.clone()),
        }
    }

    /// Names would change what pointers below them lead to.
    fn is_left_out(&self, key: &str, place: &Place) -> bool {
        let is_root = place.document == 0 && place.pointer.is_empty();
        !is_root && (key == self.draft.id_keyword() || (key == "$schema" && place.pointer.is_empty()))
    }

    /// Where a reference at `place` leads, within the one text.
    fn pointer(&mut self, place: &Place, reference: &str) -> Result<String, BundleError> {
        let target = self.documents.locate(place, reference).ok_or(BundleError::Differs)?;
        let Some(document) = self.documents.get(target.document) else { return Err(BundleError::Differs) };
        if document.is_meta {
            return Ok(reference.to_owned());
        }
        if document.draft != self.draft {
            return Err(BundleError::Drafts);
        }
        let mut pointer = String::new();
        if target.document != 0 {
            push_key(&mut pointer, self.keyword());
            push_key(&mut pointer, &self.key(target.document));
        }
        pointer.push_str(&target.pointer);
        Ok(format!("#{}", escaped(&pointer)))
    }

    fn key(&mut self, document: usize) -> String {
        if let Some(key) = self.keys.get(&document) {
            return key.clone();
        }
        let mut key = self.names.get(&document).cloned().unwrap_or_default();
        while self.taken.contains(&key) {
            key.push('_');
        }
        self.taken.push(key.clone());
        self.keys.insert(document, key.clone());
        self.queue.push(document);
        key
    }
}

/// A pointer as a fragment of a URI.
fn escaped(pointer: &str) -> String {
    let mut text = String::with_capacity(pointer.len());
    for byte in pointer.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/?".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push_str(&format!("%{byte:02X}"));
        }
    }
    text
}
