//! Text to [`Schema`], as Java's parser does it: a type may be used before it is defined, and may be defined twice if
//! both are alike.
//!
//! Source: `Schema.Parser` and `ParseContext` of Apache Avro 1.12; `AvroSchema` of Confluent's registry for what is
//! checked when.

mod alike;
mod members;

use crate::canonical;
use crate::defaults;
use crate::error::{ParseError, Problem};
use crate::json::{self, Json};
use crate::name::{self, Name};
use crate::schema::{Enum, Field, Fixed, Kind, Node, Record, Schema, TypeId};
use members::{aliases, default, order, properties, required, required_text, text};
use std::collections::{HashMap, HashSet};

/// How many bytes a schema may have, and how many all its references.
pub const TEXT_BYTES_MAX: usize = 8 << 20;
/// How many references a schema may have.
pub const REFERENCES_MAX: usize = 1_000;
/// How many types a schema may have, its references' included; a primitive counts where it is used.
pub const TYPES_MAX: usize = 200_000;
/// The largest fixed: what Java's readers can hold.
const FIXED_BYTES_MAX: i64 = 2_147_483_639;

/// A schema that others refer to.
#[derive(Clone, Copy, Debug)]
pub struct Reference<'a> {
    /// Under which name: for errors only, since types are found by the names that they have in the text.
    pub name: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// What is checked beyond what makes a text a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Validation {
    /// Names alone: how a registry reads what it holds, and all it is given unless it is told otherwise.
    #[default]
    Names,
    /// Also the parts of namespaces, and that defaults are values of their types: Confluent's `validateNewSchemas`.
    NewSchema,
}

/// Reads a schema; `references` are all it refers to, directly or not, each after those that it needs itself.
///
/// # Errors
/// [`ParseError`].
pub fn parse(text: &str, references: &[Reference<'_>]) -> Result<Schema, ParseError> {
    parse_with(text, references, Validation::default())
}

/// As [`parse`], with a choice of what is checked.
///
/// # Errors
/// [`ParseError`].
pub fn parse_with(text: &str, references: &[Reference<'_>], validation: Validation) -> Result<Schema, ParseError> {
    at_most("references", references.len(), REFERENCES_MAX)?;
    at_most("bytes of text", text.len(), TEXT_BYTES_MAX)?;
    let referenced_bytes = references.iter().map(|reference| reference.text.len()).fold(0, usize::saturating_add);
    at_most("bytes of references", referenced_bytes, TEXT_BYTES_MAX)?;
    let mut parser = Parser { validation, nodes: Vec::new(), named: HashMap::new(), forwards: Vec::new() };
    let mut referenced = Vec::new();
    for reference in references {
        let root = parser
            .text(reference.text)
            .map_err(|error| ParseError { reference: Some(reference.name.to_owned()), ..error })?;
        referenced.push(root);
    }
    let root = parser.text(text)?;
    let mut schema = Schema { nodes: parser.nodes, root, referenced: Vec::new(), canonical: String::new() };
    schema.referenced = referenced.into_iter().map(|root| schema.full_name(root).to_owned()).collect();
    schema.canonical = canonical::line(&schema, schema.referenced.iter().map(String::as_str)).map_err(Problem::from)?;
    Ok(schema)
}

fn at_most(what: &'static str, count: usize, limit: usize) -> Result<(), Problem> {
    if count > limit { Err(Problem::TooMany { what, limit }) } else { Ok(()) }
}

struct Parser {
    validation: Validation,
    nodes: Vec<Node>,
    named: HashMap<String, TypeId>,
    /// Full names of types that were used before they were defined. Until the text is over, the last of all numbers
    /// stand for them.
    forwards: Vec<String>,
}

impl Parser {
    /// Reads one text, and ties up what it left open.
    fn text(&mut self, text: &str) -> Result<TypeId, ParseError> {
        let json = json::read(text).map_err(Problem::from)?;
        let first = self.nodes.len();
        let root = self.parse(&json, None)?;
        let root = self.resolve(first, root)?;
        self.check(first)?;
        // Of two definitions that are alike, the first is the type.
        let name = self.nodes.get(root.index()).and_then(|node| node.kind.name());
        Ok(name.and_then(|name| self.named.get(name.full()).copied()).unwrap_or(root))
    }

    fn parse(&mut self, json: &Json, namespace: Option<&str>) -> Result<TypeId, ParseError> {
        match json {
            Json::String(name) => self.find(name, namespace),
            Json::Array(branches) => self.union(branches, namespace),
            Json::Object(_) => self.object(json, namespace),
            _ => Err(Problem::NotAType { found: json.to_string() }.into()),
        }
    }

    fn object(&mut self, json: &Json, namespace: Option<&str>) -> Result<TypeId, ParseError> {
        let word = required_text(json, "type", "type")?;
        let kind = match word {
            "record" | "error" => return self.record(json, namespace, word == "error"),
            "enum" => return self.enumeration(json, namespace),
            "fixed" => return self.fixed(json, namespace),
            "array" => {
                let items = required(json, "items", "array", "a type")?;
                Kind::Array(self.parse(items, namespace).map_err(|error| error.under("items"))?)
            }
            "map" => {
                let values = required(json, "values", "map", "a type")?;
                Kind::Map(self.parse(values, namespace).map_err(|error| error.under("values"))?)
            }
            _ => match Kind::primitive(word) {
                Some(kind) => kind,
                None => return self.find(word, namespace),
            },
        };
        self.push(kind, properties(json, &members::OF_TYPES))
    }

    fn push(&mut self, kind: Kind, properties: Vec<(String, Json)>) -> Result<TypeId, ParseError> {
        at_most("types", self.nodes.len() + 1, TYPES_MAX)?;
        let id = TypeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(Node { kind, properties });
        Ok(id)
    }

    /// The type of that name as seen from within `namespace`: there, or in no namespace, or still to come.
    fn find(&mut self, name: &str, namespace: Option<&str>) -> Result<TypeId, ParseError> {
        if let Some(kind) = Kind::primitive(name) {
            return self.push(kind, Vec::new());
        }
        let full = match namespace {
            Some(namespace) if !name.contains('.') => format!("{namespace}.{name}"),
            _ => name.to_owned(),
        };
        if let Some(&id) = self.named.get(&full).or_else(|| self.named.get(name)) {
            return Ok(id);
        }
        at_most("types", self.nodes.len() + self.forwards.len() + 1, TYPES_MAX)?;
        let index = u32::try_from(self.forwards.len()).unwrap_or(u32::MAX);
        self.forwards.push(full);
        Ok(TypeId(u32::MAX - index))
    }

    fn union(&mut self, branches: &[Json], namespace: Option<&str>) -> Result<TypeId, ParseError> {
        let parse = |(index, branch)| self.parse(branch, namespace).map_err(|error| error.under(index));
        let branches: Vec<TypeId> = branches.iter().enumerate().map(parse).collect::<Result<_, _>>()?;
        self.distinct(&branches)?;
        self.push(Kind::Union(branches), Vec::new())
    }

    /// Checks the branches of a union, those left out that are still to come.
    fn distinct(&self, branches: &[TypeId]) -> Result<(), Problem> {
        let mut seen = HashSet::new();
        for kind in branches.iter().filter_map(|branch| self.nodes.get(branch.index())).map(|node| &node.kind) {
            let name = kind.name().map_or_else(|| kind.word(), Name::full);
            if matches!(kind, Kind::Union(_)) {
                return Err(Problem::NestedUnion);
            }
            if !seen.insert(name) {
                return Err(Problem::DuplicateBranch { branch: name.to_owned() });
            }
        }
        Ok(())
    }

    fn record(&mut self, json: &Json, namespace: Option<&str>, is_error: bool) -> Result<TypeId, ParseError> {
        let name = self.name(json, namespace, "record")?;
        let Some(Json::Array(elements)) = json.get("fields") else {
            return Err(Problem::Missing { of: "record", member: "fields", kind: "an array" }.into());
        };
        let mut fields: Vec<Field> = Vec::new();
        let mut names = HashSet::new();
        for (index, element) in elements.iter().enumerate() {
            let field = self.field(element, name.namespace()).map_err(|error| error.under(index).under("fields"))?;
            if !names.insert(field.name.clone()) {
                let problem = Problem::DuplicateField { record: name.full().to_owned(), field: field.name };
                return Err(ParseError::from(problem).under(index).under("fields"));
            }
            fields.push(field);
        }
        let record = Record { aliases: aliases_of(json, &name)?, doc: text(json, "doc"), is_error, fields, name };
        self.define(Kind::Record(record), properties(json, &members::OF_TYPES))
    }

    fn field(&mut self, json: &Json, namespace: Option<&str>) -> Result<Field, ParseError> {
        let name = required_text(json, "name", "field")?;
        let of_type = required(json, "type", "field", "a type")?;
        let schema = self.parse(of_type, namespace).map_err(|error| error.under("type"))?;
        let order = order(json)?;
        let default = default(json, self.nodes.get(schema.index()).map(|node| &node.kind))?;
        checked(name)?;
        Ok(Field {
            name: name.to_owned(),
            aliases: aliases(json)?,
            doc: text(json, "doc"),
            schema,
            default,
            order,
            properties: properties(json, &members::OF_FIELDS),
        })
    }

    fn enumeration(&mut self, json: &Json, namespace: Option<&str>) -> Result<TypeId, ParseError> {
        let name = self.name(json, namespace, "enum")?;
        let Some(Json::Array(elements)) = json.get("symbols") else {
            return Err(Problem::Missing { of: "enum", member: "symbols", kind: "an array" }.into());
        };
        let mut symbols: Vec<String> = Vec::new();
        let mut seen = HashSet::new();
        for (index, element) in elements.iter().enumerate() {
            let symbol = element.as_str().unwrap_or_default();
            checked(symbol).map_err(|problem| ParseError::from(problem).under(index).under("symbols"))?;
            if !seen.insert(symbol) {
                let problem = Problem::DuplicateSymbol { name: name.full().to_owned(), symbol: symbol.to_owned() };
                return Err(problem.into());
            }
            symbols.push(symbol.to_owned());
        }
        let default = text(json, "default");
        if let Some(symbol) = default.clone().filter(|symbol| !seen.contains(symbol.as_str())) {
            return Err(Problem::UnknownSymbol { name: name.full().to_owned(), symbol }.into());
        }
        let kind =
            Kind::Enum(Enum { aliases: aliases_of(json, &name)?, doc: text(json, "doc"), symbols, default, name });
        self.define(kind, properties(json, &members::OF_ENUMS))
    }

    fn fixed(&mut self, json: &Json, namespace: Option<&str>) -> Result<TypeId, ParseError> {
        let name = self.name(json, namespace, "fixed")?;
        let size = match json.get("size") {
            Some(&Json::Integer(size)) if (0..=FIXED_BYTES_MAX).contains(&size) => usize::try_from(size).ok(),
            _ => None,
        };
        let Some(size) = size else {
            return Err(Problem::Missing { of: "fixed", member: "size", kind: "a number of bytes" }.into());
        };
        let fixed = Fixed { aliases: aliases_of(json, &name)?, doc: text(json, "doc"), size, name };
        self.define(Kind::Fixed(fixed), properties(json, &members::OF_TYPES))
    }

    fn name(&self, json: &Json, namespace: Option<&str>, of: &'static str) -> Result<Name, Problem> {
        let own = text(json, "namespace");
        let name = Name::new(required_text(json, "name", of)?, own.as_deref().or(namespace));
        checked(name.simple())?;
        if name::is_primitive(name.full()) {
            return Err(Problem::NamedAfterPrimitive { name: name.full().to_owned() });
        }
        match name.namespace().and_then(name::invalid_part) {
            Some(part) if self.validation == Validation::NewSchema => {
                Err(Problem::InvalidNamespace { part: part.to_owned(), name: name.full().to_owned() })
            }
            _ => Ok(name),
        }
    }

    /// Takes in a named type. Its name is known from here on, not within it: that is how Java's parser does it.
    fn define(&mut self, kind: Kind, properties: Vec<(String, Json)>) -> Result<TypeId, ParseError> {
        let name = kind.name().map(|name| name.full().to_owned()).unwrap_or_default();
        let id = self.push(kind, properties)?;
        match self.named.get(&name) {
            Some(&known) if alike::are_alike(&self.nodes, known, id) => {}
            Some(_) => return Err(Problem::Redefined { name }.into()),
            None => {
                self.named.insert(name, id);
            }
        }
        Ok(id)
    }

    /// Puts the types that were still to come, since the type numbered `first`, into their places.
    fn resolve(&mut self, first: usize, root: TypeId) -> Result<TypeId, ParseError> {
        let find =
            |name: &String| self.named.get(name).copied().ok_or_else(|| Problem::Undefined { name: name.clone() });
        let found: Vec<TypeId> = self.forwards.iter().map(find).collect::<Result<_, _>>()?;
        self.forwards.clear();
        let resolved = |id: TypeId| {
            let index = usize::try_from(u32::MAX - id.0).unwrap_or(usize::MAX);
            found.get(index).copied().unwrap_or(id)
        };
        for node in self.nodes.iter_mut().skip(first) {
            for child in node.kind.children_mut() {
                *child = resolved(*child);
            }
        }
        Ok(resolved(root))
    }

    /// Checks what could not be checked before every name was known.
    fn check(&self, first: usize) -> Result<(), ParseError> {
        for node in self.nodes.iter().skip(first) {
            if let Kind::Union(branches) = &node.kind {
                self.distinct(branches)?;
            }
        }
        if self.validation == Validation::NewSchema {
            defaults::check(&self.nodes, first)?;
        }
        Ok(())
    }
}

fn checked(name: &str) -> Result<(), Problem> {
    if name::is_valid(name) { Ok(()) } else { Err(Problem::InvalidName { name: name.to_owned() }) }
}

/// The aliases of a named type, in its namespace where they have none, each once.
fn aliases_of(json: &Json, name: &Name) -> Result<Vec<Name>, Problem> {
    let mut seen = HashSet::new();
    let aliases = aliases(json)?;
    let aliases = aliases.iter().map(|alias| Name::new(alias, name.namespace()));
    let aliases: Vec<Name> = aliases.filter(|alias| seen.insert(alias.clone())).collect();
    aliases.iter().try_for_each(|alias| checked(alias.simple()))?;
    Ok(aliases)
}
