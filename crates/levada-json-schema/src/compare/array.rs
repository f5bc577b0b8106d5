//! Arrays.

use super::scalar::{BoundKinds, least, most};
use super::{Comparison, Found, How, Note, Pair, Ref, TooComplex};
use crate::kind::Kind;
use crate::node::{Node, NodeId};

impl Comparison<'_> {
    pub(super) fn array(&mut self, pair: &Pair<'_>, found: &mut Found) -> Result<(), TooComplex> {
        let (written, read) = (&self.node(pair.promise).array, &self.node(pair.demand).array);
        let count = written.prefix.len().max(read.prefix.len());
        for index in 0..count {
            self.spend(1)?;
            self.item(pair, index, found)?;
        }
        self.additional_items(pair, found)?;
        self.contains(pair, found)?;
        self.item_counts(pair, found);
        Ok(())
    }

    /// The schema of the items after the tuple. What is unevaluated is what is additional, where nothing but the node
    /// itself evaluates.
    pub(super) fn rest(&self, at: Ref) -> Option<NodeId> {
        let node = self.node(at);
        let is_alone = node.in_place().next().is_none() && node.array.contains.is_none();
        node.array.rest.or_else(|| node.array.unevaluated.filter(|_| is_alone))
    }

    /// As [`Self::rest`]; none where it takes anything.
    fn said_of_rest(&self, at: Ref) -> Option<Ref> {
        self.rest(at).map(|id| at.to(id)).filter(|rest| !self.node(*rest).is_always())
    }

    /// How many items the writer writes at most.
    pub(super) fn items_max(&self, at: Ref) -> Option<u64> {
        let array = &self.node(at).array;
        let is_closed = self.rest(at).is_some_and(|id| self.node(at.to(id)).is_never());
        let closed = is_closed.then(|| u64::try_from(array.prefix.len()).unwrap_or(u64::MAX));
        match (array.max_items, closed) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    fn item(&mut self, pair: &Pair<'_>, index: usize, found: &mut Found) -> Result<(), TooComplex> {
        let (written, read) = (&self.node(pair.promise).array, &self.node(pair.demand).array);
        let is_written = |max: u64| u64::try_from(index).is_ok_and(|index| index < max);
        let path = format!("items/{index}");
        let before = written.prefix.get(index).map(|id| pair.promise.to(*id));
        let after = read.prefix.get(index).map(|id| pair.demand.to(*id));
        let (additional_before, additional_after) = (self.said_of_rest(pair.promise), self.said_of_rest(pair.demand));
        let never = |at: Option<Ref>| at.is_some_and(|at| self.node(at).is_never());
        let is_out_of_reach = self.items_max(pair.promise).is_some_and(|max| !is_written(max));
        let kind = match (before, after) {
            (Some(before), Some(after)) if !is_out_of_reach => {
                let (more, _) = self.part_of(&[before], after, pair.how)?;
                found.add(&path, &more);
                return Ok(());
            }
            (None, Some(_)) if is_out_of_reach || never(additional_before) => Kind::ItemAddedToClosedContentModel,
            (None, Some(after)) => match additional_before {
                None if self.node(after).is_always() => Kind::ItemWithEmptySchemaAddedToOpenContentModel,
                None => Kind::ItemAddedToOpenContentModel,
                Some(before) => {
                    let (more, is_covered) = self.part_of(&[before], after, pair.how)?;
                    found.add(&path, &more);
                    if is_covered {
                        Kind::ItemAddedIsCoveredByPartiallyOpenContentModel
                    } else {
                        Kind::ItemAddedNotCoveredByPartiallyOpenContentModel
                    }
                }
            },
            (Some(before), None) => match additional_after {
                None => Kind::ItemRemovedFromOpenContentModel,
                Some(_) if is_out_of_reach => Kind::ItemRemovedIsCoveredByPartiallyOpenContentModel,
                Some(_) if never(additional_after) && never(Some(before)) => {
                    Kind::ItemWithFalseRemovedFromClosedContentModel
                }
                Some(_) if never(additional_after) => Kind::ItemRemovedFromClosedContentModel,
                Some(after) => {
                    let (more, is_covered) = self.part_of(&[before], after, pair.how)?;
                    found.add(&path, &more);
                    if is_covered {
                        Kind::ItemRemovedIsCoveredByPartiallyOpenContentModel
                    } else {
                        Kind::ItemRemovedNotCoveredByPartiallyOpenContentModel
                    }
                }
            },
            (Some(_), Some(_)) | (None, None) => return Ok(()),
        };
        found.note(kind, &path);
        Ok(())
    }

    fn additional_items(&mut self, pair: &Pair<'_>, found: &mut Found) -> Result<(), TooComplex> {
        let (written, read) = (self.node(pair.promise), self.node(pair.demand));
        let (before, after) = (self.said_of_rest(pair.promise), self.said_of_rest(pair.demand));
        let tuple = written.array.prefix.len().max(read.array.prefix.len());
        let max = self.items_max(pair.promise);
        let is_out_of_reach = max.is_some_and(|max| usize::try_from(max).is_ok_and(|max| max <= tuple));
        let family = Family::of(written, read);
        let never = |at: Option<Ref>| at.is_some_and(|at| self.node(at).is_never());
        let kind = match (before, after) {
            (None, None) => return Ok(()),
            _ if never(before) && never(after) => return Ok(()),
            _ if never(before) => family.added(),
            (Some(_), None) => family.extended(),
            (_, Some(_)) if is_out_of_reach => return Ok(()),
            _ if never(after) => family.removed(),
            (None, Some(_)) => family.narrowed(),
            (Some(before), Some(after)) => {
                let (more, _) = self.part_of(&[before], after, pair.how)?;
                found.add(family.path(), &more);
                return Ok(());
            }
        };
        found.note(kind, family.path());
        Ok(())
    }

    fn contains(&mut self, pair: &Pair<'_>, found: &mut Found) -> Result<(), TooComplex> {
        let (written, read) = (&self.node(pair.promise).array, &self.node(pair.demand).array);
        let (before, after) =
            (written.contains.map(|id| pair.promise.to(id)), read.contains.map(|id| pair.demand.to(id)));
        let (Some(before), Some(after)) = (before, after) else {
            if before.is_some() {
                found.note(Kind::MinContainsRemoved, "contains");
            } else if after.is_some() {
                if read.min_contains.unwrap_or(1) > 0 {
                    found.note(Kind::MinContainsAdded, "contains");
                }
                if read.max_contains.is_some_and(|max| written.max_items.is_none_or(|items| items > max)) {
                    found.note(Kind::MaxContainsAdded, "maxContains");
                }
            }
            return Ok(());
        };
        // What is asked for must be of the reader's kind, and what is limited of the writer's.
        if read.min_contains.unwrap_or(1) > 0 {
            let (more, _) = self.part_of(&[before], after, pair.how.without_defaults())?;
            found.add("contains", &more);
        }
        if read.max_contains.is_some() && written.max_contains.is_some() {
            let (_, is_within) = self.part_of(&[after], before, How::STRICT)?;
            if !is_within {
                found.note(Kind::MaxContainsAdded, "maxContains");
            }
        }
        let kinds = BoundKinds {
            added: Kind::MaxContainsAdded,
            removed: Kind::MaxContainsRemoved,
            loosened: Kind::MaxContainsIncreased,
            tightened: Kind::MaxContainsDecreased,
        };
        let most_written = [written.max_contains, written.max_items].into_iter().flatten().min();
        most("maxContains", (written.max_contains, read.max_contains), most_written, &kinds, found);
        let kinds = BoundKinds {
            added: Kind::MinContainsAdded,
            removed: Kind::MinContainsRemoved,
            loosened: Kind::MinContainsDecreased,
            tightened: Kind::MinContainsIncreased,
        };
        // One item is what `contains` by itself asks for; to say so changes nothing, and to take it back does.
        let least_written = written.min_contains.unwrap_or(1);
        if written.min_contains.is_some_and(|min| min < 1) && read.min_contains.is_none() {
            found.note(Kind::MinContainsIncreased, "minContains");
        } else {
            least("minContains", (written.min_contains, read.min_contains), least_written, &kinds, found);
        }
        Ok(())
    }

    fn item_counts(&self, pair: &Pair<'_>, found: &mut Found) {
        let (written, read) = (&self.node(pair.promise).array, &self.node(pair.demand).array);
        let max = self.items_max(pair.promise);
        let kinds = BoundKinds {
            added: Kind::MaxItemsAdded,
            removed: Kind::MaxItemsRemoved,
            loosened: Kind::MaxItemsIncreased,
            tightened: Kind::MaxItemsDecreased,
        };
        most("maxItems", (written.max_items, read.max_items), max, &kinds, found);
        let kinds = BoundKinds {
            added: Kind::MinItemsAdded,
            removed: Kind::MinItemsRemoved,
            loosened: Kind::MinItemsDecreased,
            tightened: Kind::MinItemsIncreased,
        };
        least("minItems", (written.min_items, read.min_items), written.min_items.unwrap_or(0), &kinds, found);
        match (written.is_unique, read.is_unique) {
            (true, false) => found.note(Kind::UniqueItemsRemoved, "uniqueItems"),
            (false, true) if max.is_none_or(|max| max > 1) => found.note(Kind::UniqueItemsAdded, "uniqueItems"),
            _ => {}
        }
    }
}

/// By which keyword the items after the first are described.
#[derive(Clone, Copy)]
enum Family {
    Items,
    Additional,
    Unevaluated,
}

impl Family {
    fn of(written: &Node, read: &Node) -> Self {
        let by_unevaluated = |node: &Node| node.array.rest.is_none() && node.array.unevaluated.is_some();
        if by_unevaluated(read) || read.array.rest.is_none() && by_unevaluated(written) {
            Self::Unevaluated
        } else if written.array.is_tuple || read.array.is_tuple {
            Self::Additional
        } else {
            Self::Items
        }
    }

    const fn path(self) -> &'static str {
        match self {
            Self::Items => "items",
            Self::Additional => "additionalItems",
            Self::Unevaluated => "unevaluatedItems",
        }
    }

    const fn added(self) -> Kind {
        match self {
            Self::Items => Kind::SchemaRemoved,
            Self::Additional => Kind::AdditionalItemsAdded,
            Self::Unevaluated => Kind::UnevaluatedItemsAdded,
        }
    }

    const fn removed(self) -> Kind {
        match self {
            Self::Items => Kind::SchemaAdded,
            Self::Additional => Kind::AdditionalItemsRemoved,
            Self::Unevaluated => Kind::UnevaluatedItemsRemoved,
        }
    }

    const fn extended(self) -> Kind {
        match self {
            Self::Items => Kind::SchemaRemoved,
            Self::Additional => Kind::AdditionalItemsExtended,
            Self::Unevaluated => Kind::UnevaluatedItemsExtended,
        }
    }

    const fn narrowed(self) -> Kind {
        match self {
            Self::Items => Kind::SchemaAdded,
            Self::Additional => Kind::AdditionalItemsNarrowed,
            Self::Unevaluated => Kind::UnevaluatedItemsNarrowed,
        }
    }
}
