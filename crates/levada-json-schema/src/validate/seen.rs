//! [`Seen`]: which properties and items of one instance were evaluated, for the `unevaluated…` keywords.

use std::collections::BTreeSet;

#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) has_all_properties: bool,
    pub(super) properties: BTreeSet<String>,
    pub(super) has_all_items: bool,
    /// How many items from the first on.
    pub(super) prefix: usize,
    /// Further ones.
    pub(super) items: BTreeSet<usize>,
}

impl Seen {
    pub(super) fn add(&mut self, mut other: Self) {
        self.has_all_properties |= other.has_all_properties;
        self.has_all_items |= other.has_all_items;
        self.prefix = self.prefix.max(other.prefix);
        if self.properties.is_empty() {
            self.properties = other.properties;
        } else {
            self.properties.append(&mut other.properties);
        }
        self.items.append(&mut other.items);
    }

    pub(super) fn has_property(&self, name: &str) -> bool {
        self.has_all_properties || self.properties.contains(name)
    }

    pub(super) fn has_item(&self, index: usize) -> bool {
        self.has_all_items || index < self.prefix || self.items.contains(&index)
    }
}
