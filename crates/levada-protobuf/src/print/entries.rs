//! Messages whose maps are written as messages of their own, as compilers accept them.

use super::Printer;
use crate::ast::{Field, FieldType, Message, Type};

impl Printer {
    /// What lies within `message`, its maps written as maps. A compiler counts a map where it is written: each is put
    /// where its message stands among the others.
    pub(super) fn with_entries(&mut self, message: &Message) {
        self.blank();
        let nested: Vec<&Message> = message.messages().collect();
        let leading = nested.iter().take_while(|nested| nested.is_map_entry()).count();
        let (early, late) = nested.split_at(leading);
        let scope = self.scope.clone();
        let is_map_of = |field: &Field, entries: &[&Message]| {
            let map = message.entry_of(field, &scope);
            map.is_some_and(|map| entries.iter().any(|entry| std::ptr::eq(*entry, map.entry)))
        };
        let mut fields = message.fields.as_slice();
        while let Some((field, rest)) = fields.split_first().filter(|(field, _)| !is_map_of(field, late)) {
            self.field_or_map(message, field);
            fields = rest;
        }
        self.section(&message.oneofs, Self::oneof);
        self.section(&message.groups, Self::group);
        self.section(&message.extensions, Self::extensions);
        for nested in late {
            if !nested.is_map_entry() {
                self.message(nested);
            } else if let Some(place) = fields.iter().position(|field| is_map_of(field, &[nested])) {
                let (through, rest) = fields.split_at(place + 1);
                through.iter().for_each(|field| self.field_or_map(message, field));
                fields = rest;
            }
        }
        fields.iter().for_each(|field| self.field_or_map(message, field));
        // What belongs to no map stays, for the compiler to refuse.
        for entry in early.iter().chain(late).filter(|nested| nested.is_map_entry()) {
            if !message.fields.iter().any(|field| is_map_of(field, &[entry])) {
                self.message(entry);
            }
        }
        for declared in &message.types {
            if let Type::Enum(declared) = declared {
                self.enumeration(declared);
            }
        }
    }

    fn field_or_map(&mut self, message: &Message, field: &Field) {
        match message.entry_of(field, &self.scope) {
            Some(map) => {
                let kind = FieldType::Map { key: map.key.to_owned(), value: map.value.to_owned() };
                self.field(&Field { label: None, kind, ..field.clone() });
            }
            None => self.field(field),
        }
    }
}
