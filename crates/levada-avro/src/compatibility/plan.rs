//! What the verdict on a pair of types depends on: what is found at once, and which pairs are to be judged.

use super::{CompatibilityError, Incompatibility, IncompatibilityKind, Pair, PathId, Paths, Step};
use crate::schema::{Enum, Field, Fixed, Kind, Record, Schema, TypeId};
use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};

/// How the verdict on a pair is made.
pub(super) struct Plan {
    pub(super) manner: Manner,
    pub(super) parts: Vec<Part>,
}

/// What becomes of the verdicts on the parts.
pub(super) enum Manner {
    /// All that is found of them is found of the pair.
    All,
    /// Each that is incompatible gives this instead of what was found of it.
    Each(VecDeque<(Missing, PathId)>),
    /// One that is compatible is enough; otherwise this is found.
    Any(Missing),
}

/// A part of a pair.
pub(super) enum Part {
    /// It is known what is wrong.
    Found(Incompatibility),
    /// These are to be judged, with the path at which they are.
    Pair(Pair, PathId),
}

/// A branch that a reader's union lacks.
pub(super) struct Missing {
    word: &'static str,
}

impl Missing {
    pub(super) fn at(&self, path: String) -> Incompatibility {
        let message = format!("reader union lacking writer type: {}", self.word.to_uppercase());
        Incompatibility { kind: IncompatibilityKind::MissingUnionBranch, path, message }
    }
}

pub(super) fn plan(
    reader: &Schema,
    writer: &Schema,
    pair: Pair,
    path: PathId,
    paths: &mut Paths,
) -> Result<Plan, CompatibilityError> {
    let mut planner = Planner { reader, writer, pair, path, paths };
    let parts = match (reader.kind(pair.0), writer.kind(pair.1)) {
        (Kind::Union(_), Kind::Union(branches)) => return Ok(planner.each(branches)),
        (_, Kind::Union(branches)) => planner.branches(branches),
        (Kind::Union(branches), other) => return Ok(any(branches, pair, other.word())),
        (Kind::Array(own), Kind::Array(other)) => vec![planner.inner("items", (*own, *other))],
        (Kind::Map(own), Kind::Map(other)) => vec![planner.inner("values", (*own, *other))],
        (Kind::Record(own), Kind::Record(other)) => planner.records(own, other)?,
        (Kind::Enum(own), Kind::Enum(other)) => planner.enums(own, other),
        (Kind::Fixed(own), Kind::Fixed(other)) => planner.fixed(own, other),
        (own, other) if own.word() == other.word() || is_promotion(own, other) => Vec::new(),
        (own, other) => {
            let (own, other) = (own.word().to_uppercase(), other.word().to_uppercase());
            let message = format!("reader type: {own} not compatible with writer type: {other}");
            vec![planner.found(IncompatibilityKind::TypeMismatch, None, message)]
        }
    };
    Ok(Plan { manner: Manner::All, parts })
}

/// How much there is to look at in a type, its inner types left out.
pub(super) fn size(kind: &Kind) -> usize {
    let aliases = kind.aliases().len();
    match kind {
        Kind::Union(branches) => branches.len(),
        Kind::Record(record) => aliases + record.fields.iter().map(|field| 1 + field.aliases.len()).sum::<usize>(),
        Kind::Enum(symbols) => aliases + symbols.symbols.len(),
        _ => aliases,
    }
}

/// Whether a value of the writer's type is taken for one of the reader's.
pub(crate) fn is_promotion(reader: &Kind, writer: &Kind) -> bool {
    matches!(
        (reader, writer),
        (Kind::Long, Kind::Int)
            | (Kind::Float, Kind::Int | Kind::Long)
            | (Kind::Double, Kind::Int | Kind::Long | Kind::Float)
            | (Kind::Bytes, Kind::String)
            | (Kind::String, Kind::Bytes)
    )
}

/// Whether a named type of the reader is meant by one of the writer: the namespace does not matter, unless it is by
/// an alias.
pub(crate) fn is_same_name(reader: &Kind, writer: &Kind) -> bool {
    let (Some(own), Some(other)) = (reader.name(), writer.name()) else { return false };
    let is_alias = |alias: &crate::name::Name| {
        // An alias of no namespace is none for a type that has one: Java looks for it with a dot in front.
        alias.full() == other.full() && (alias.namespace().is_some() || own.namespace().is_none())
    };
    own.simple() == other.simple() || reader.aliases().iter().any(is_alias)
}

/// The branches of a reader's union, for a writer that is none. Where they are is not told: a verdict on one of them
/// counts by what it says alone.
fn any(branches: &[TypeId], pair: Pair, word: &'static str) -> Plan {
    let parts = branches.iter().map(|&branch| Part::Pair((branch, pair.1), PathId::ROOT)).collect();
    Plan { manner: Manner::Any(Missing { word }), parts }
}

struct Planner<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    pair: Pair,
    path: PathId,
    paths: &'a mut Paths,
}

impl Planner<'_> {
    fn found(&mut self, kind: IncompatibilityKind, step: Option<Step>, message: String) -> Part {
        let path = step.map_or(self.path, |step| self.paths.step(self.path, step));
        Part::Found(Incompatibility { kind, path: self.paths.pointer(path), message })
    }

    fn inner(&mut self, member: &'static str, pair: Pair) -> Part {
        Part::Pair(pair, self.paths.step(self.path, Step::Name(member)))
    }

    /// The branches of a writer's union, for a reader's union.
    fn each(&mut self, branches: &[TypeId]) -> Plan {
        let mut missing = VecDeque::new();
        let mut parts = Vec::new();
        for (index, &branch) in branches.iter().enumerate() {
            let path = self.paths.step(self.path, Step::Index(index));
            let word = self.writer.kind(branch).word();
            missing.push_back((Missing { word }, path));
            parts.push(Part::Pair((self.pair.0, branch), PathId::ROOT));
        }
        Plan { manner: Manner::Each(missing), parts }
    }

    /// The branches of a writer's union, for a reader that is none.
    fn branches(&mut self, branches: &[TypeId]) -> Vec<Part> {
        let part = |(index, &branch)| Part::Pair((self.pair.0, branch), self.paths.step(self.path, Step::Index(index)));
        branches.iter().enumerate().map(part).collect()
    }

    fn names(&mut self) -> Option<Part> {
        let (own, other) = (self.reader.kind(self.pair.0), self.writer.kind(self.pair.1));
        if is_same_name(own, other) {
            return None;
        }
        let message = format!("expected: {}", self.writer.full_name(self.pair.1));
        Some(self.found(IncompatibilityKind::NameMismatch, Some(Step::Name("name")), message))
    }

    fn fixed(&mut self, own: &Fixed, other: &Fixed) -> Vec<Part> {
        let mut parts: Vec<Part> = self.names().into_iter().collect();
        if own.size != other.size {
            let message = format!("expected: {}, found: {}", other.size, own.size);
            parts.push(self.found(IncompatibilityKind::FixedSizeMismatch, Some(Step::Name("size")), message));
        }
        parts
    }

    fn enums(&mut self, own: &Enum, other: &Enum) -> Vec<Part> {
        let mut parts: Vec<Part> = self.names().into_iter().collect();
        let known: HashSet<&String> = own.symbols.iter().collect();
        let missing: BTreeSet<&str> =
            other.symbols.iter().filter(|symbol| !known.contains(symbol)).map(String::as_str).collect();
        if !missing.is_empty() && own.default.is_none() {
            let message = format!("[{}]", missing.into_iter().collect::<Vec<_>>().join(", "));
            parts.push(self.found(IncompatibilityKind::MissingEnumSymbols, Some(Step::Name("symbols")), message));
        }
        parts
    }

    fn records(&mut self, own: &Record, other: &Record) -> Result<Vec<Part>, CompatibilityError> {
        let mut parts: Vec<Part> = self.names().into_iter().collect();
        let written: HashMap<&str, &Field> = other.fields.iter().map(|field| (field.name.as_str(), field)).collect();
        let fields = self.paths.step(self.path, Step::Name("fields"));
        for (index, field) in own.fields.iter().enumerate() {
            let at = self.paths.step(fields, Step::Index(index));
            let mut matches =
                std::iter::once(&field.name).chain(&field.aliases).filter_map(|name| written.get(name.as_str()));
            let writer = matches.next();
            if writer.is_some() && matches.next().is_some() {
                let record = other.name.full().to_owned();
                return Err(CompatibilityError::AmbiguousField { field: field.name.clone(), record });
            }
            match writer {
                Some(writer) => {
                    let path = self.paths.step(at, Step::Name("type"));
                    parts.push(Part::Pair((field.schema, writer.schema), path));
                }
                None if field.default.is_some() => {}
                // Java compares such an enum with the writer's record: it is a mismatch by another name.
                None if matches!(self.reader.kind(field.schema), Kind::Enum(Enum { default: Some(_), .. })) => {
                    let path = self.paths.step(at, Step::Name("type"));
                    parts.push(Part::Pair((field.schema, self.pair.1), path));
                }
                None => parts.push(Part::Found(Incompatibility {
                    kind: IncompatibilityKind::ReaderFieldMissingDefaultValue,
                    path: self.paths.pointer(at),
                    message: field.name.clone(),
                })),
            }
        }
        Ok(parts)
    }
}
