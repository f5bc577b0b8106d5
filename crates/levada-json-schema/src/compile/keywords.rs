//! The keywords of one object, read as its draft reads them. Others are annotations, `format` and the `content…` ones
//! among them.

use super::Compiler;
use crate::documents::{Documents, Place};
use crate::draft::Draft;
use crate::error::ParseError;
use crate::json::{Json, Object};
use crate::node::{Conditional, Node, NodeId, Values};
use crate::types::Types;
use std::collections::BTreeSet;

pub(super) struct Reader<'a> {
    pub(super) compiler: &'a mut Compiler,
    pub(super) documents: &'a mut Documents,
    pub(super) place: &'a Place,
    pub(super) object: &'a Object,
    pub(super) draft: Draft,
}

impl Reader<'_> {
    pub(super) fn read(&mut self, node: &mut Node) -> Result<(), ParseError> {
        self.labels(node);
        self.references(node)?;
        let is_replaced = !self.draft.reads_beside_reference() && !node.logic.references.is_empty();
        if is_replaced {
            return Ok(());
        }
        self.values(node);
        self.numbers(node)?;
        self.strings(node)?;
        self.arrays(node)?;
        self.objects(node)?;
        self.logic(node)
    }

    fn labels(&self, node: &mut Node) {
        let text = |key: &str| self.object.get(key).and_then(Json::as_str).map(str::to_owned);
        node.labels.id = text(self.draft.id_keyword());
        node.labels.title = text("title");
        node.labels.description = text("description");
        node.labels.default = self.object.get("default").cloned();
    }

    fn path(&self) -> String {
        format!("#{}", self.place.pointer)
    }

    fn references(&mut self, node: &mut Node) -> Result<(), ParseError> {
        for keyword in ["$ref", "$dynamicRef", "$recursiveRef"] {
            let is_known = match keyword {
                "$dynamicRef" => self.draft == Draft::Draft202012,
                "$recursiveRef" => self.draft == Draft::Draft201909,
                _ => true,
            };
            let Some(reference) = self.object.get(keyword).and_then(Json::as_str).filter(|_| is_known) else {
                continue;
            };
            let place = match keyword {
                "$dynamicRef" => self.documents.locate_dynamic(self.place, reference),
                "$recursiveRef" => self.documents.locate_recursive(self.place),
                _ => self.documents.locate(self.place, reference),
            };
            let Some(place) = place else {
                let reference = reference.to_owned();
                return Err(ParseError::Unresolved { path: self.path(), keyword, reference });
            };
            node.logic.references.push(self.compiler.id(place)?);
        }
        Ok(())
    }

    fn values(&self, node: &mut Node) {
        if let Some(types) = self.object.get("type") {
            let names = types.as_array().unwrap_or(std::slice::from_ref(types));
            let types = names.iter().filter_map(Json::as_str).map(Types::named);
            node.types = types.fold(Types::NONE, Types::or);
            node.is_typed = true;
        }
        let constant = self.object.get("const").filter(|_| self.draft > Draft::Draft4);
        let listed = self.object.get("enum").and_then(Json::as_array);
        let listed: Option<BTreeSet<Json>> = listed.map(|values| values.iter().cloned().collect());
        node.values = match (constant, listed) {
            (None, None) => None,
            (None, Some(allowed)) => Some(Values { keyword: "enum", allowed }),
            (Some(value), None) => Some(Values { keyword: "const", allowed: BTreeSet::from([value.clone()]) }),
            (Some(value), Some(listed)) => {
                Some(Values { keyword: "const", allowed: listed.into_iter().filter(|one| one == value).collect() })
            }
        };
    }

    fn numbers(&self, node: &mut Node) -> Result<(), ParseError> {
        let number = |key: &str| match self.object.get(key) {
            Some(Json::Number(number)) => Some(number.value.clone()),
            _ => None,
        };
        let rules = &mut node.number;
        rules.minimum = number("minimum");
        rules.maximum = number("maximum");
        if self.draft == Draft::Draft4 {
            let is_exclusive = |key: &str| self.object.get(key).and_then(Json::as_bool) == Some(true);
            if is_exclusive("exclusiveMinimum") {
                rules.exclusive_minimum = rules.minimum.take();
            }
            if is_exclusive("exclusiveMaximum") {
                rules.exclusive_maximum = rules.maximum.take();
            }
        } else {
            rules.exclusive_minimum = number("exclusiveMinimum");
            rules.exclusive_maximum = number("exclusiveMaximum");
        }
        rules.multiple_of = number("multipleOf");
        if rules.multiple_of.as_ref().is_some_and(|divisor| !divisor.is_divisor()) {
            return Err(ParseError::Divisor { path: format!("{}/multipleOf", self.path()) });
        }
        Ok(())
    }

    fn count(&self, key: &str) -> Option<u64> {
        match self.object.get(key) {
            Some(Json::Number(number)) => number.value.as_count(),
            _ => None,
        }
    }

    fn strings(&mut self, node: &mut Node) -> Result<(), ParseError> {
        node.string.min_length = self.count("minLength");
        node.string.max_length = self.count("maxLength");
        if let Some(text) = self.object.get("pattern").and_then(Json::as_str) {
            node.string.pattern = Some(self.compiler.pattern(self.place, text)?);
        }
        Ok(())
    }

    /// The node of the schema below these keys.
    fn below(&mut self, keys: &[&str]) -> Result<NodeId, ParseError> {
        self.compiler.id(self.place.below(keys))
    }

    fn schema(&mut self, key: &str) -> Result<Option<NodeId>, ParseError> {
        if self.object.contains(key) { self.below(&[key]).map(Some) } else { Ok(None) }
    }

    fn list(&mut self, key: &str) -> Result<Vec<NodeId>, ParseError> {
        let count = self.object.get(key).and_then(Json::as_array).map_or(0, <[Json]>::len);
        (0..count).map(|index| self.below(&[key, &index.to_string()])).collect()
    }

    fn arrays(&mut self, node: &mut Node) -> Result<(), ParseError> {
        let rules = &mut node.array;
        rules.min_items = self.count("minItems");
        rules.max_items = self.count("maxItems");
        rules.is_unique = self.object.get("uniqueItems").and_then(Json::as_bool) == Some(true);
        if self.draft == Draft::Draft202012 {
            rules.is_tuple = self.object.contains("prefixItems");
            rules.prefix = self.list("prefixItems")?;
            rules.rest = self.schema("items")?;
        } else if self.object.get("items").is_some_and(|items| items.as_array().is_some()) {
            rules.is_tuple = true;
            rules.prefix = self.list("items")?;
            rules.rest = self.schema("additionalItems")?;
        } else {
            rules.rest = self.schema("items")?;
        }
        if self.draft > Draft::Draft4 {
            rules.contains = self.schema("contains")?;
        }
        if self.draft.reads_beside_reference() {
            if rules.contains.is_some() {
                rules.min_contains = self.count("minContains");
                rules.max_contains = self.count("maxContains");
            }
            rules.unevaluated = self.schema("unevaluatedItems")?;
        }
        Ok(())
    }

    fn objects(&mut self, node: &mut Node) -> Result<(), ParseError> {
        let object = self.object;
        let keys = |key: &str| object.get(key).and_then(Json::as_object).map(Object::iter).into_iter().flatten();
        let rules = &mut node.object;
        rules.min_properties = self.count("minProperties");
        rules.max_properties = self.count("maxProperties");
        rules.required = object.get("required").map(names).unwrap_or_default();
        for (name, _) in keys("properties") {
            rules.properties.insert(name.to_owned(), self.below(&["properties", name])?);
        }
        for (text, _) in keys("patternProperties") {
            let pattern = self.compiler.pattern(self.place, text)?;
            rules.patterns.push((pattern, self.below(&["patternProperties", text])?));
        }
        rules.additional = self.schema("additionalProperties")?;
        if self.draft > Draft::Draft4 {
            rules.names = self.schema("propertyNames")?;
        }
        let is_later = self.draft.reads_beside_reference();
        for keyword in ["dependencies", "dependentRequired", "dependentSchemas"] {
            for (name, dependency) in keys(keyword).filter(|_| is_later || keyword == "dependencies") {
                if dependency.as_array().is_some() {
                    let required = rules.dependent_required.entry(name.to_owned()).or_default();
                    required.extend(names(dependency));
                } else {
                    rules.dependent_schemas.insert(name.to_owned(), self.below(&[keyword, name])?);
                }
            }
        }
        if is_later {
            rules.unevaluated = self.schema("unevaluatedProperties")?;
        }
        Ok(())
    }

    fn logic(&mut self, node: &mut Node) -> Result<(), ParseError> {
        node.logic.all_of = self.list("allOf")?;
        node.logic.any_of = self.list("anyOf")?;
        node.logic.one_of = self.list("oneOf")?;
        node.logic.not = self.schema("not")?;
        if self.draft >= Draft::Draft7 && self.object.contains("if") {
            let test = self.below(&["if"])?;
            let (then, otherwise) = (self.schema("then")?, self.schema("else")?);
            node.logic.conditional = Some(Conditional { test, then, otherwise });
        }
        Ok(())
    }
}

fn names(json: &Json) -> BTreeSet<String> {
    json.as_array().unwrap_or(&[]).iter().filter_map(Json::as_str).map(str::to_owned).collect()
}
