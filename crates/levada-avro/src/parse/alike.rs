//! Whether two definitions of one name are alike: then both may stand.

use crate::json::Json;
use crate::schema::{Kind, Node, TypeId};
use std::collections::{HashMap, HashSet};

/// Whether two types are alike in all but docs and aliases. What is still to come is like nothing else.
pub(super) fn are_alike(nodes: &[Node], left: TypeId, right: TypeId) -> bool {
    let mut seen = HashSet::new();
    let mut open = vec![(left, right)];
    while let Some(pair) = open.pop() {
        if pair.0 == pair.1 && pair.0.index() < nodes.len() || !seen.insert(pair) {
            continue;
        }
        let (Some(left), Some(right)) = (nodes.get(pair.0.index()), nodes.get(pair.1.index())) else { return false };
        let (inner_left, inner_right) = (left.kind.children(), right.kind.children());
        let are_alike = same(&left.properties, &right.properties) && alike_outside(&left.kind, &right.kind);
        if !are_alike || inner_left.len() != inner_right.len() {
            return false;
        }
        open.extend(inner_left.into_iter().zip(inner_right));
    }
    true
}

/// Whether two kinds are alike but for the types within.
fn alike_outside(left: &Kind, right: &Kind) -> bool {
    match (left, right) {
        (Kind::Record(left), Kind::Record(right)) => {
            left.name == right.name
                && left.fields.len() == right.fields.len()
                && left.fields.iter().zip(&right.fields).all(|(left, right)| {
                    left.name == right.name
                        && left.order == right.order
                        && left.default.as_ref().map(Json::to_string) == right.default.as_ref().map(Json::to_string)
                        && same(&left.properties, &right.properties)
                })
        }
        (Kind::Enum(left), Kind::Enum(right)) => left.name == right.name && left.symbols == right.symbols,
        (Kind::Fixed(left), Kind::Fixed(right)) => left.name == right.name && left.size == right.size,
        (left, right) => left.word() == right.word(),
    }
}

/// Whether two types have the same properties, in whatever order.
fn same(left: &[(String, Json)], right: &[(String, Json)]) -> bool {
    let values: HashMap<&str, &Json> = right.iter().map(|(name, value)| (name.as_str(), value)).collect();
    left.len() == right.len() && left.iter().all(|(name, own)| values.get(name.as_str()) == Some(&own))
}
