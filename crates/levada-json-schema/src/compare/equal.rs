//! Whether two schemas are the same but for their labels.

use super::{Comparison, Ref, TooComplex};
use crate::draft::Draft;
use crate::node::{Node, NodeId};
use std::collections::BTreeSet;

impl Comparison<'_> {
    /// Whether both say the same in the same way. Schemas met again on the way are taken to.
    pub(super) fn is_equal(&mut self, one: Ref, other: Ref) -> Result<bool, TooComplex> {
        let mut met = BTreeSet::from([(one, other)]);
        let mut open = vec![(one, other)];
        while let Some((one, other)) = open.pop() {
            let (first, second) = (self.node(one), self.node(other));
            self.spend(1)?;
            if !says_the_same(first, second) {
                return Ok(false);
            }
            let (ours, theirs) = (children(first), children(second));
            if ours.len() != theirs.len() {
                return Ok(false);
            }
            for (our, their) in ours.into_iter().zip(theirs) {
                let pair = (one.to(our), other.to(their));
                self.spend(1)?;
                if met.insert(pair) {
                    open.push(pair);
                }
            }
        }
        Ok(true)
    }
}

/// Whether two nodes are the same, the schemas below them left out.
fn says_the_same(one: &Node, other: &Node) -> bool {
    let agree = |draft: Draft| draft == Draft::Draft4;
    let contains_evaluates = |draft: Draft| draft == Draft::Draft202012;
    let values = |node: &Node| node.values.as_ref().map(|values| values.allowed.clone());
    let (a, b) = (&one.number, &other.number);
    let has_equal_numbers = a.minimum == b.minimum
        && a.maximum == b.maximum
        && a.exclusive_minimum == b.exclusive_minimum
        && a.exclusive_maximum == b.exclusive_maximum
        && a.multiple_of == b.multiple_of;
    let pattern = |node: &Node| node.string.pattern.as_ref().map(|pattern| pattern.text.clone());
    let has_equal_strings = one.string.min_length == other.string.min_length
        && one.string.max_length == other.string.max_length
        && pattern(one) == pattern(other);
    let (a, b) = (&one.array, &other.array);
    let has_equal_arrays = a.min_contains == b.min_contains
        && a.max_contains == b.max_contains
        && a.min_items == b.min_items
        && a.max_items == b.max_items
        && a.is_unique == b.is_unique;
    let patterns =
        |node: &Node| node.object.patterns.iter().map(|(pattern, _)| pattern.text.clone()).collect::<Vec<_>>();
    let (a, b) = (&one.object, &other.object);
    let has_equal_objects = a.required == b.required
        && a.min_properties == b.min_properties
        && a.max_properties == b.max_properties
        && a.dependent_required == b.dependent_required
        && a.properties.keys().eq(b.properties.keys())
        && a.dependent_schemas.keys().eq(b.dependent_schemas.keys())
        && patterns(one) == patterns(other);
    agree(one.draft) == agree(other.draft)
        && contains_evaluates(one.draft) == contains_evaluates(other.draft)
        && one.types == other.types
        && values(one) == values(other)
        && shape(one) == shape(other)
        && has_equal_numbers
        && has_equal_strings
        && has_equal_arrays
        && has_equal_objects
}

/// How many schemas there are at each place.
fn shape(node: &Node) -> [usize; 14] {
    let (array, object, logic) = (&node.array, &node.object, &node.logic);
    let one = |id: Option<NodeId>| usize::from(id.is_some());
    let conditional = logic.conditional;
    [
        array.prefix.len(),
        one(array.rest),
        one(array.contains),
        one(array.unevaluated),
        one(object.additional),
        one(object.names),
        one(object.unevaluated),
        logic.references.len(),
        logic.all_of.len(),
        logic.any_of.len(),
        logic.one_of.len(),
        one(logic.not),
        one(conditional.and_then(|conditional| conditional.then)),
        one(conditional.and_then(|conditional| conditional.otherwise)),
    ]
}

/// All schemas below a node, in a fixed order.
fn children(node: &Node) -> Vec<NodeId> {
    let (array, object) = (&node.array, &node.object);
    let single = [array.rest, array.contains, array.unevaluated, object.additional, object.names, object.unevaluated];
    let listed = array.prefix.iter().chain(object.properties.values()).copied();
    let matched = object.patterns.iter().map(|(_, id)| *id);
    listed.chain(single.into_iter().flatten()).chain(matched).chain(node.in_place()).collect()
}
