//! Two messages of one name: their fields by number, the oneofs that fields lie in, and the types within.

use super::{
    Comparison, ROOT, Types,
    shape::{Member, members},
};
use crate::difference::DifferenceKind;
use prost_reflect::{Cardinality, FieldDescriptor, Kind, MessageDescriptor};
use std::collections::{BTreeMap, BTreeSet, HashSet};

type Members = BTreeMap<u32, Member>;
/// Oneofs by name, with the numbers of their fields.
type Oneofs<'a> = BTreeMap<&'a str, Vec<u32>>;

impl Comparison {
    pub(super) fn messages(&mut self, writer: &MessageDescriptor, reader: &MessageDescriptor) {
        let (old, new) = (members(writer), members(reader));
        if self.unit != ROOT {
            self.budget = self.budget.saturating_sub(old.len() + new.len() + 1);
        }
        let oneofs = (oneofs(&old), oneofs(&new));
        for (name, numbers) in &oneofs.1 {
            self.at(name, |comparison| comparison.exclusions(&old, numbers));
        }
        let names: BTreeSet<&str> = oneofs.0.keys().chain(oneofs.1.keys()).copied().collect();
        for name in names {
            match (oneofs.0.contains_key(name), oneofs.1.contains_key(name)) {
                (true, false) => self.at(name, |comparison| comparison.add(DifferenceKind::OneofRemoved)),
                (false, true) => self.at(name, |comparison| comparison.add(DifferenceKind::OneofAdded)),
                _ => {}
            }
        }
        let numbers: BTreeSet<u32> = old.keys().chain(new.keys()).copied().collect();
        for number in numbers {
            match (old.get(&number), new.get(&number)) {
                (Some(old_member), None) => self.removed(number, old_member, &oneofs.0, &new),
                (None, Some(member)) => self.added(number, member),
                (Some(old_member), Some(member)) => self.kept(number, old_member, member),
                (None, None) => {}
            }
        }
        self.types(types_within(writer), types_within(reader));
    }

    /// Whether fields that could be set together exclude each other now. Those of one oneof excluded each other before;
    /// new fields were never set.
    fn exclusions(&mut self, old: &Members, numbers: &[u32]) {
        let mut origins: HashSet<Result<&str, u32>> = HashSet::new();
        let mut from_top_level_count = 0;
        for &number in numbers {
            let Some(member) = old.get(&number) else { continue };
            match &member.oneof {
                Some(oneof) => origins.insert(Ok(oneof)),
                None => {
                    from_top_level_count += 1;
                    origins.insert(Err(number))
                }
            };
        }
        if origins.len() > 1 && from_top_level_count > 1 {
            self.add(DifferenceKind::MultipleFieldsMovedToOneof);
        } else if origins.len() > 1 {
            self.add(DifferenceKind::FieldMovedToExistingOneof);
        }
    }

    fn removed(&mut self, number: u32, old: &Member, oneofs: &Oneofs<'_>, new: &Members) {
        let Some(oneof) = &old.oneof else {
            let is_required = old.cardinality == Cardinality::Required;
            let kind = if is_required { DifferenceKind::RequiredFieldRemoved } else { DifferenceKind::FieldRemoved };
            self.at_both(None, number, |comparison| comparison.add(kind));
            return;
        };
        // A oneof that goes as a whole is `OneofRemoved`.
        let is_oneof_kept = new.values().any(|member| member.oneof.as_deref() == Some(oneof));
        let siblings = oneofs.get(oneof.as_str()).into_iter().flatten();
        if is_oneof_kept || siblings.into_iter().any(|sibling| new.contains_key(sibling)) {
            self.at_both(Some(oneof), number, |comparison| comparison.add(DifferenceKind::OneofFieldRemoved));
        }
    }

    fn added(&mut self, number: u32, new: &Member) {
        let kind = match (&new.oneof, new.cardinality) {
            (Some(_), _) => DifferenceKind::OneofFieldAdded,
            (None, Cardinality::Required) => DifferenceKind::RequiredFieldAdded,
            (None, _) => DifferenceKind::FieldAdded,
        };
        self.at_both(new.oneof.as_deref(), number, |comparison| comparison.add(kind));
    }

    fn kept(&mut self, number: u32, old: &Member, new: &Member) {
        if old.oneof.is_some() && new.oneof.is_none() {
            self.at_both(None, number, |comparison| comparison.add(DifferenceKind::OneofFieldMovedToTopLevel));
        }
        self.at_both(new.oneof.as_deref(), number, |comparison| comparison.fields(old, new));
    }
}

fn oneofs(members: &Members) -> Oneofs<'_> {
    let mut oneofs = Oneofs::new();
    for (&number, member) in members {
        if let Some(oneof) = &member.oneof {
            oneofs.entry(oneof).or_default().push(number);
        }
    }
    oneofs
}

fn types_within(message: &MessageDescriptor) -> Types {
    let groups = message.fields().filter(FieldDescriptor::is_group).filter_map(|field| match field.kind() {
        Kind::Message(group) => Some(group.full_name().to_owned()),
        _ => None,
    });
    Types {
        messages: message.child_messages().collect(),
        groups: groups.collect(),
        enums: message.child_enums().collect(),
    }
}
