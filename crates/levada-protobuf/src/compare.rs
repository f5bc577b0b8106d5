//! What differs between the schema that writes and the schema that reads.
//!
//! Messages are matched by their names within the package, fields by their numbers, wherever they lie: within a oneof
//! or outside. What a file imports is compared where a field uses it, each pair of types once, however often and in
//! whatever circle they refer to each other; where such a pair does not fit, each field that uses it has changed its
//! type. A comparison looks at [`COMPARED_FIELDS_MAX`] fields of imported types at most; what lies beyond is taken for
//! changed.
//!
//! What the verdict promises is said at [`incompatibilities`](crate::incompatibilities).
//!
//! Source: `SchemaDiff`, `MessageSchemaDiff` and `FieldSchemaDiff` of Confluent's registry;
//! <https://protobuf.dev/programming-guides/proto3/#updating>.

mod field;
mod message;
mod shape;

use crate::{
    difference::{Difference, DifferenceKind},
    limits::COMPARED_FIELDS_MAX,
};
use prost_reflect::{EnumDescriptor, FileDescriptor, MessageDescriptor};
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};

/// All that differs between `writer` and `reader`, in a fixed order: first the file, then what it imports.
pub(crate) fn differences(reader: &FileDescriptor, writer: &FileDescriptor) -> Vec<Difference> {
    differences_within(COMPARED_FIELDS_MAX, reader, writer)
}

/// The same, where `budget` fields of imported types may be looked at.
fn differences_within(budget: usize, reader: &FileDescriptor, writer: &FileDescriptor) -> Vec<Difference> {
    let mut comparison = Comparison {
        files: (writer.clone(), reader.clone()),
        path: Vec::new(),
        unit: ROOT,
        found: Vec::new(),
        uses: Vec::new(),
        pairs: HashMap::new(),
        pending: VecDeque::new(),
        budget,
        beyond: HashSet::new(),
    };
    if writer.package_name() != reader.package_name() {
        comparison.add(DifferenceKind::PackageChanged);
    }
    comparison.types(
        Types { messages: writer.messages().collect(), groups: HashSet::new(), enums: writer.enums().collect() },
        Types { messages: reader.messages().collect(), groups: HashSet::new(), enums: reader.enums().collect() },
    );
    comparison.imported();
    comparison.finish()
}

/// The messages and enums that lie next to each other.
struct Types {
    messages: Vec<MessageDescriptor>,
    /// Those of them, by full name, that groups are made of; they have no place among the others.
    groups: HashSet<String>,
    enums: Vec<EnumDescriptor>,
}

impl Types {
    /// Messages by name with their place; those that stand for maps are none.
    fn places(&self) -> BTreeMap<String, (Option<usize>, MessageDescriptor)> {
        let mut next = 0;
        let mut places = BTreeMap::new();
        for message in self.messages.iter().filter(|message| !message.is_map_entry()) {
            let is_group = self.groups.contains(message.full_name());
            let place = (!is_group).then_some(next);
            next += usize::from(!is_group);
            places.insert(message.name().to_owned(), (place, message.clone()));
        }
        places
    }
}

/// What is compared on its own: the file, or a pair of imported messages.
type Unit = usize;
const ROOT: Unit = 0;

struct Comparison {
    /// The writer's and the reader's.
    files: (FileDescriptor, FileDescriptor),
    path: Vec<String>,
    /// The unit that is being compared.
    unit: Unit,
    found: Vec<(Unit, Difference)>,
    /// Fields of the first unit whose type is the second, with their path.
    uses: Vec<(Unit, String, Unit)>,
    /// Units by the full names of the writer's and the reader's message.
    pairs: HashMap<(String, String), Unit>,
    pending: VecDeque<(Unit, MessageDescriptor, MessageDescriptor)>,
    /// How many fields of imported types may still be looked at.
    budget: usize,
    /// Units that were not looked at.
    beyond: HashSet<Unit>,
}

impl Comparison {
    fn add(&mut self, kind: DifferenceKind) {
        let path = self.path_text();
        self.found.push((self.unit, Difference { kind, path }));
    }

    fn path_text(&self) -> String {
        format!("#/{}", self.path.join("/"))
    }

    /// Compares with `inner` what lies one step further down the path.
    fn at(&mut self, step: &str, inner: impl FnOnce(&mut Self)) {
        self.path.push(step.to_owned());
        inner(self);
        self.path.pop();
    }

    /// The same, where the step may be missing.
    fn at_both(&mut self, first: Option<&str>, second: u32, inner: impl FnOnce(&mut Self)) {
        let second = second.to_string();
        match first {
            Some(first) => self.at(first, |comparison| comparison.at(&second, inner)),
            None => self.at(&second, inner),
        }
    }

    fn types(&mut self, writer: Types, reader: Types) {
        let messages = (writer.places(), reader.places());
        for name in names(&messages.0, &messages.1) {
            self.at(name, |comparison| match (messages.0.get(name), messages.1.get(name)) {
                (Some((old_place, old)), Some((new_place, new))) => {
                    comparison.messages(old, new);
                    if old_place != new_place {
                        comparison.add(DifferenceKind::MessageMoved);
                    }
                }
                (Some(_), None) => comparison.add(DifferenceKind::MessageRemoved),
                (None, _) => comparison.add(DifferenceKind::MessageAdded),
            });
        }
        let named = |enums: Vec<EnumDescriptor>| -> BTreeMap<String, EnumDescriptor> {
            enums.into_iter().map(|declared| (declared.name().to_owned(), declared)).collect()
        };
        let enums = (named(writer.enums), named(reader.enums));
        for name in names(&enums.0, &enums.1) {
            self.at(name, |comparison| match (enums.0.get(name), enums.1.get(name)) {
                (Some(old), Some(new)) => comparison.enums(old, new),
                (Some(_), None) => comparison.add(DifferenceKind::EnumRemoved),
                (None, _) => comparison.add(DifferenceKind::EnumAdded),
            });
        }
    }

    fn enums(&mut self, writer: &EnumDescriptor, reader: &EnumDescriptor) {
        let values = |declared: &EnumDescriptor| -> BTreeMap<i32, String> {
            declared.values().map(|value| (value.number(), value.name().to_owned())).collect()
        };
        let values = (values(writer), values(reader));
        let numbers: BTreeSet<i32> = values.0.keys().chain(values.1.keys()).copied().collect();
        for number in numbers {
            let kind = match (values.0.get(&number), values.1.get(&number)) {
                (Some(old), Some(new)) if old == new => continue,
                (Some(_), Some(_)) => DifferenceKind::EnumConstChanged,
                (Some(_), None) => DifferenceKind::EnumConstRemoved,
                (None, _) => DifferenceKind::EnumConstAdded,
            };
            self.at(&number.to_string(), |comparison| comparison.add(kind));
        }
    }

    /// Takes note that the field at the path has messages of this pair, to be compared later.
    fn use_pair(&mut self, writer: &MessageDescriptor, reader: &MessageDescriptor) {
        let names = (writer.full_name().to_owned(), reader.full_name().to_owned());
        let next = self.pairs.len() + 1;
        let unit = *self.pairs.entry(names).or_insert(next);
        if unit == next {
            self.pending.push_back((unit, writer.clone(), reader.clone()));
        }
        self.uses.push((self.unit, self.path_text(), unit));
    }

    /// Compares the pairs that fields use, those that their fields use, and so on.
    fn imported(&mut self) {
        while let Some((unit, writer, reader)) = self.pending.pop_front() {
            if self.budget == 0 {
                self.beyond.insert(unit);
                continue;
            }
            self.unit = unit;
            self.path = local_name(&writer).split('.').map(str::to_owned).collect();
            self.messages(&writer, &reader);
        }
    }

    /// Adds a change of type for each field whose pair does not fit, directly or through others.
    fn finish(mut self) -> Vec<Difference> {
        let is_bad = |(_, difference): &&(Unit, Difference)| !difference.kind.is_compatible();
        let mut bad: BTreeSet<Unit> = self.found.iter().filter(is_bad).map(|(unit, _)| *unit).collect();
        bad.extend(&self.beyond);
        let mut users: HashMap<Unit, Vec<Unit>> = HashMap::new();
        for (user, _, used) in &self.uses {
            users.entry(*used).or_default().push(*user);
        }
        let mut spreading: Vec<Unit> = bad.iter().copied().collect();
        while let Some(unit) = spreading.pop() {
            let its_users = users.get(&unit).into_iter().flatten();
            spreading.extend(its_users.filter(|&&user| user != ROOT && bad.insert(user)));
        }
        for (user, path, used) in self.uses {
            if bad.contains(&used) {
                self.found.push((user, Difference { kind: DifferenceKind::FieldNamedTypeChanged, path }));
            }
        }
        self.found.sort_by_key(|(unit, _)| *unit);
        let mut known = HashSet::new();
        self.found.into_iter().map(|(_, found)| found).filter(|found| known.insert(found.clone())).collect()
    }
}

fn names<'a, T>(left: &'a BTreeMap<String, T>, right: &'a BTreeMap<String, T>) -> BTreeSet<&'a String> {
    left.keys().chain(right.keys()).collect()
}

/// The name of a message within its package.
fn local_name(message: &MessageDescriptor) -> String {
    let (package, full) = (message.package_name(), message.full_name());
    let local = full.strip_prefix(package).and_then(|rest| rest.strip_prefix('.'));
    local.unwrap_or(full).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Reference, Schema, parse};

    #[test]
    fn imported_types_beyond_the_budget_are_taken_for_changed() {
        let root = "syntax = \"proto3\"; import \"i.proto\"; message M { shared.A a = 1; shared.B b = 2; }";
        let import = "syntax = \"proto3\"; package shared; message A { int32 a = 1; } message B { int32 a = 1; }";
        let schema: Schema = parse(root, &[Reference { name: "i.proto", text: import }]).unwrap();
        let file = &schema.compiled.file;
        assert_eq!(differences_within(4, file, file), []);
        let changed = |path: &str| Difference { kind: DifferenceKind::FieldNamedTypeChanged, path: path.to_owned() };
        assert_eq!(differences_within(3, file, file), [changed("#/M/2")]);
        assert_eq!(differences_within(0, file, file), [changed("#/M/1"), changed("#/M/2")]);
    }
}
