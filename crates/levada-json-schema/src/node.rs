//! [`Node`]: one subschema, its keywords read and its drafts' differences gone: an exclusive bound is a number, the
//! schemas of a tuple and of the items after it have one name each, `const` is an enumeration of one.

use crate::decimal::Decimal;
use crate::draft::Draft;
use crate::json::Json;
use crate::pattern::Pattern;
use crate::types::Types;
use std::collections::{BTreeMap, BTreeSet};

/// Where a node is in [`Graph`].
pub(crate) type NodeId = usize;

/// The subschemas of one schema; the first is its root.
#[derive(Debug, Default)]
pub(crate) struct Graph {
    pub(crate) nodes: Vec<Node>,
    /// Whether any has one of the `unevaluated…` keywords, so that what is evaluated must be noted.
    pub(crate) has_unevaluated: bool,
}

impl Graph {
    /// The node of an id, which is one of this graph's.
    pub(crate) fn node(&self, id: NodeId) -> &Node {
        static ANY: std::sync::LazyLock<Node> = std::sync::LazyLock::new(|| Node::new(Draft::Draft7));
        self.nodes.get(id).unwrap_or(&ANY)
    }
}

/// One subschema: all that is said here must hold.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) draft: Draft,
    pub(crate) labels: Labels,
    /// `false` as a schema is no type at all.
    pub(crate) types: Types,
    /// Whether `type` is there.
    pub(crate) is_typed: bool,
    pub(crate) values: Option<Values>,
    pub(crate) number: NumberRules,
    pub(crate) string: StringRules,
    pub(crate) array: ArrayRules,
    pub(crate) object: ObjectRules,
    pub(crate) logic: Logic,
}

/// What says nothing about instances.
#[derive(Debug, Default)]
pub(crate) struct Labels {
    pub(crate) id: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) default: Option<Json>,
}

/// `enum` or `const`.
#[derive(Debug)]
pub(crate) struct Values {
    pub(crate) keyword: &'static str,
    pub(crate) allowed: BTreeSet<Json>,
}

#[derive(Debug, Default)]
pub(crate) struct NumberRules {
    pub(crate) minimum: Option<Decimal>,
    pub(crate) maximum: Option<Decimal>,
    pub(crate) exclusive_minimum: Option<Decimal>,
    pub(crate) exclusive_maximum: Option<Decimal>,
    pub(crate) multiple_of: Option<Decimal>,
}

#[derive(Debug, Default)]
pub(crate) struct StringRules {
    pub(crate) min_length: Option<u64>,
    pub(crate) max_length: Option<u64>,
    pub(crate) pattern: Option<Pattern>,
}

#[derive(Debug, Default)]
pub(crate) struct ArrayRules {
    pub(crate) prefix: Vec<NodeId>,
    /// The items after `prefix`.
    pub(crate) rest: Option<NodeId>,
    /// Whether the items are a tuple, so that those after it are additional ones.
    pub(crate) is_tuple: bool,
    pub(crate) contains: Option<NodeId>,
    pub(crate) min_contains: Option<u64>,
    pub(crate) max_contains: Option<u64>,
    pub(crate) min_items: Option<u64>,
    pub(crate) max_items: Option<u64>,
    pub(crate) is_unique: bool,
    pub(crate) unevaluated: Option<NodeId>,
}

#[derive(Debug, Default)]
pub(crate) struct ObjectRules {
    pub(crate) properties: BTreeMap<String, NodeId>,
    pub(crate) patterns: Vec<(Pattern, NodeId)>,
    pub(crate) additional: Option<NodeId>,
    pub(crate) required: BTreeSet<String>,
    pub(crate) min_properties: Option<u64>,
    pub(crate) max_properties: Option<u64>,
    pub(crate) names: Option<NodeId>,
    pub(crate) dependent_required: BTreeMap<String, BTreeSet<String>>,
    pub(crate) dependent_schemas: BTreeMap<String, NodeId>,
    pub(crate) unevaluated: Option<NodeId>,
}

#[derive(Debug, Default)]
pub(crate) struct Logic {
    /// Where `$ref` leads.
    pub(crate) references: Vec<NodeId>,
    pub(crate) all_of: Vec<NodeId>,
    pub(crate) any_of: Vec<NodeId>,
    pub(crate) one_of: Vec<NodeId>,
    pub(crate) not: Option<NodeId>,
    pub(crate) conditional: Option<Conditional>,
}

/// `if`; where it stands alone, it only says which properties and items are evaluated.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Conditional {
    pub(crate) test: NodeId,
    pub(crate) then: Option<NodeId>,
    pub(crate) otherwise: Option<NodeId>,
}

impl Node {
    /// What accepts everything.
    pub(crate) fn new(draft: Draft) -> Self {
        Self {
            draft,
            labels: Labels::default(),
            types: Types::ALL,
            is_typed: false,
            values: None,
            number: NumberRules::default(),
            string: StringRules::default(),
            array: ArrayRules::default(),
            object: ObjectRules::default(),
            logic: Logic::default(),
        }
    }

    /// The types its instances can have, as the later drafts call them: what draft 4 calls a fraction, `1.0`, may be
    /// an integer to them.
    pub(crate) fn effective_types(&self) -> Types {
        let values = self.values.as_ref().map(|values| {
            let types = values.allowed.iter().map(|value| Types::of(value, self.draft));
            types.fold(Types::NONE, Types::or)
        });
        let types = self.types.and(values.unwrap_or(Types::ALL));
        let is_any_number = self.draft == Draft::Draft4 && types.meets(Types::FRACTION);
        if is_any_number { types.or(Types::NUMBER) } else { types }
    }

    /// Whether it accepts nothing, as is plain to see.
    pub(crate) fn is_never(&self) -> bool {
        self.effective_types().is_empty()
    }

    /// Whether it accepts everything, as is plain to see.
    pub(crate) fn is_always(&self) -> bool {
        self.is_plainly_always() && self.in_place().next().is_none()
    }

    /// Whether it accepts everything but for the schemas it applies to the same instance.
    pub(crate) fn is_plainly_always(&self) -> bool {
        let Self { number, string, array, object, .. } = self;
        let is_any_number = number.minimum.is_none()
            && number.maximum.is_none()
            && number.exclusive_minimum.is_none()
            && number.exclusive_maximum.is_none()
            && number.multiple_of.is_none();
        let is_any_string =
            string.min_length.unwrap_or(0) == 0 && string.max_length.is_none() && string.pattern.is_none();
        let is_any_array = array.prefix.is_empty()
            && array.rest.is_none()
            && array.contains.is_none()
            && array.min_items.unwrap_or(0) == 0
            && array.max_items.is_none()
            && !array.is_unique
            && array.unevaluated.is_none();
        let is_any_object = object.properties.is_empty()
            && object.patterns.is_empty()
            && object.additional.is_none()
            && object.required.is_empty()
            && object.min_properties.unwrap_or(0) == 0
            && object.max_properties.is_none()
            && object.names.is_none()
            && object.dependent_required.is_empty()
            && object.unevaluated.is_none();
        self.types == Types::ALL
            && self.values.is_none()
            && is_any_number
            && is_any_string
            && is_any_array
            && is_any_object
    }

    /// The schemas it applies to the same instance, whether or not they must hold.
    pub(crate) fn in_place(&self) -> impl Iterator<Item = NodeId> {
        let Logic { references, all_of, any_of, one_of, not, conditional } = &self.logic;
        let listed = references.iter().chain(all_of).chain(any_of).chain(one_of).copied();
        let tested = conditional.iter().flat_map(|conditional| {
            [Some(conditional.test), conditional.then, conditional.otherwise].into_iter().flatten()
        });
        listed.chain(*not).chain(tested).chain(self.object.dependent_schemas.values().copied())
    }

    /// The schemas that hold for the same instance whatever it is.
    pub(crate) fn conjuncts(&self) -> impl Iterator<Item = NodeId> {
        self.logic.references.iter().chain(&self.logic.all_of).copied()
    }
}
