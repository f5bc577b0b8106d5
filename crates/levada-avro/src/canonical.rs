//! A schema as one line: members in a fixed order, types by name wherever they were printed before.
//!
//! Source: `Schema.toString(Collection<Schema>, boolean)` of Apache Avro 1.12.

use crate::error::Problem;
use crate::json::{Json, separate, write_string};
use crate::name::Name;
use crate::schema::{Field, Kind, Schema, TypeId};
use std::collections::HashSet;

/// How deep the line may be nested: it can be read again.
pub(crate) const DEPTH_MAX: usize = crate::json::DEPTH_MAX;

/// Prints `schema`. Types of the full names `known` are left as names.
pub(crate) fn line<'a>(schema: &'a Schema, known: impl IntoIterator<Item = &'a str>) -> Result<String, TooDeep> {
    let known = known.into_iter().collect();
    let mut printer = Printer { schema, known, depth: 0, out: String::new() };
    printer.print(schema.root, None)?;
    Ok(printer.out)
}

/// The schema nests deeper than its printed line may.
#[derive(Debug)]
pub(crate) struct TooDeep;

impl From<TooDeep> for Problem {
    fn from(_: TooDeep) -> Self {
        Self::TooDeep { limit: DEPTH_MAX }
    }
}

struct Printer<'a> {
    schema: &'a Schema,
    /// Full names that need no definition any more.
    known: HashSet<&'a str>,
    depth: usize,
    out: String,
}

impl<'a> Printer<'a> {
    fn print(&mut self, id: TypeId, namespace: Option<&str>) -> Result<(), TooDeep> {
        let schema = self.schema;
        let node = schema.node(id);
        match &node.kind {
            Kind::Union(branches) => self.union(branches, namespace),
            Kind::Array(inner) => self.container("array", "items", *inner, id, namespace),
            Kind::Map(inner) => self.container("map", "values", *inner, id, namespace),
            kind => match kind.name() {
                Some(name) => self.named(name, kind, &node.properties, namespace),
                None if node.properties.is_empty() => {
                    write_string(kind.word(), &mut self.out);
                    Ok(())
                }
                None => {
                    self.open(kind.word());
                    self.properties(&node.properties);
                    self.out.push('}');
                    Ok(())
                }
            },
        }
    }

    /// Goes `levels` down, runs `print`, and comes up again.
    fn deeper(&mut self, levels: usize, print: impl FnOnce(&mut Self) -> Result<(), TooDeep>) -> Result<(), TooDeep> {
        self.depth += levels;
        if self.depth > DEPTH_MAX {
            return Err(TooDeep);
        }
        print(self)?;
        self.depth -= levels;
        Ok(())
    }

    fn union(&mut self, branches: &[TypeId], namespace: Option<&str>) -> Result<(), TooDeep> {
        self.out.push('[');
        self.deeper(1, |printer| {
            branches.iter().enumerate().try_for_each(|(index, &branch)| {
                separate(index, &mut printer.out);
                printer.print(branch, namespace)
            })
        })?;
        self.out.push(']');
        Ok(())
    }

    fn container(
        &mut self,
        word: &str,
        member: &str,
        inner: TypeId,
        id: TypeId,
        namespace: Option<&str>,
    ) -> Result<(), TooDeep> {
        self.open(word);
        self.member(member);
        self.deeper(1, |printer| printer.print(inner, namespace))?;
        let schema = self.schema;
        self.properties(&schema.node(id).properties);
        self.out.push('}');
        Ok(())
    }

    fn named(
        &mut self,
        name: &'a Name,
        kind: &'a Kind,
        properties: &[(String, Json)],
        namespace: Option<&str>,
    ) -> Result<(), TooDeep> {
        if !self.known.insert(name.full()) {
            write_string(name.within(namespace), &mut self.out);
            return Ok(());
        }
        let word = if matches!(kind, Kind::Record(record) if record.is_error) { "error" } else { kind.word() };
        self.open(word);
        self.text("name", name.simple());
        if name.namespace() != namespace {
            self.text("namespace", name.namespace().unwrap_or_default());
        }
        match kind {
            Kind::Record(record) => {
                self.optional("doc", record.doc.as_deref());
                self.member("fields");
                self.deeper(3, |printer| printer.fields(&record.fields, name.namespace()))?;
            }
            Kind::Enum(symbols) => {
                self.optional("doc", symbols.doc.as_deref());
                self.member("symbols");
                self.list(symbols.symbols.iter().map(String::as_str));
                self.optional("default", symbols.default.as_deref());
            }
            Kind::Fixed(fixed) => {
                self.optional("doc", fixed.doc.as_deref());
                self.member("size");
                self.out.push_str(&fixed.size.to_string());
            }
            _ => {}
        }
        self.properties(properties);
        if !kind.aliases().is_empty() {
            self.member("aliases");
            self.list(kind.aliases().iter().map(|alias| alias.within(name.namespace())));
        }
        self.out.push('}');
        Ok(())
    }

    fn fields(&mut self, fields: &[Field], namespace: Option<&str>) -> Result<(), TooDeep> {
        self.out.push('[');
        for (index, field) in fields.iter().enumerate() {
            separate(index, &mut self.out);
            self.out.push_str("{\"name\":");
            write_string(&field.name, &mut self.out);
            self.member("type");
            self.print(field.schema, namespace)?;
            self.optional("doc", field.doc.as_deref());
            if let Some(default) = &field.default {
                self.member("default");
                default.write(&mut self.out);
            }
            if field.order != crate::schema::Order::Ascending {
                self.text("order", field.order.word());
            }
            if !field.aliases.is_empty() {
                self.member("aliases");
                self.list(field.aliases.iter().map(String::as_str));
            }
            self.properties(&field.properties);
            self.out.push('}');
        }
        self.out.push(']');
        Ok(())
    }

    fn open(&mut self, word: &str) {
        self.out.push_str("{\"type\":");
        write_string(word, &mut self.out);
    }

    fn member(&mut self, name: &str) {
        self.out.push(',');
        write_string(name, &mut self.out);
        self.out.push(':');
    }

    fn text(&mut self, name: &str, text: &str) {
        self.member(name);
        write_string(text, &mut self.out);
    }

    fn optional(&mut self, name: &str, text: Option<&str>) {
        if let Some(text) = text {
            self.text(name, text);
        }
    }

    fn list<'b>(&mut self, texts: impl Iterator<Item = &'b str>) {
        self.out.push('[');
        for (index, text) in texts.enumerate() {
            separate(index, &mut self.out);
            write_string(text, &mut self.out);
        }
        self.out.push(']');
    }

    fn properties(&mut self, properties: &[(String, Json)]) {
        for (name, value) in properties {
            self.member(name);
            value.write(&mut self.out);
        }
    }
}
