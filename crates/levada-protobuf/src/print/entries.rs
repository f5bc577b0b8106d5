//! Messages whose maps are written as messages of their own, as compilers accept them.

use super::Printer;
use crate::ast::{Field, MapEntry, Message, Type};
use std::collections::HashMap;

type FieldOrMap<'a> = (&'a Field, Option<MapEntry<'a>>);

impl Printer {
    /// What lies within `message`, its maps written as maps. A compiler counts a map where it is written: each is put
    /// where its message stands among the others.
    pub(super) fn with_entries(&mut self, message: &Message) {
        self.blank();
        let fields: Vec<FieldOrMap<'_>> = message.fields.iter().zip(message.maps(&self.scope)).collect();
        let mut places: HashMap<usize, usize> = HashMap::new();
        for (index, (_, map)) in fields.iter().enumerate() {
            if let Some(map) = map {
                places.entry(map.place).or_insert(index);
            }
        }
        let leading = message.messages().take_while(|nested| nested.is_map_entry()).count();
        let is_late = |(_, map): &FieldOrMap<'_>| map.is_some_and(|map| map.place >= leading);
        let mut printed = fields.iter().position(is_late).unwrap_or(fields.len());
        let (early, mut late) = fields.split_at(printed);
        self.fields_or_maps(early);
        self.section(&message.oneofs, Self::oneof);
        self.section(&message.groups, Self::group);
        self.section(&message.extensions, Self::extensions);
        self.section(&message.extends, Self::extend);
        for (place, nested) in message.messages().enumerate() {
            if !nested.is_map_entry() {
                self.message(nested);
                continue;
            }
            match places.get(&place) {
                Some(&index) if index >= printed => {
                    let (through, rest) = late.split_at(index + 1 - printed);
                    self.fields_or_maps(through);
                    (printed, late) = (index + 1, rest);
                }
                Some(_) => {}
                // What belongs to no map stays, for the compiler to refuse.
                None => self.message(nested),
            }
        }
        self.fields_or_maps(late);
        for declared in &message.types {
            if let Type::Enum(declared) = declared {
                self.enumeration(declared);
            }
        }
    }

    fn fields_or_maps(&mut self, fields: &[FieldOrMap<'_>]) {
        for (field, map) in fields {
            match map {
                Some(map) => self.field(&map.written(field)),
                None => self.field(field),
            }
        }
    }
}
