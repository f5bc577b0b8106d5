//! The content model of an object: what one node says of a property of a given name.

use super::{Comparison, Pair, Ref, TooComplex};
use crate::node::NodeId;

/// What holds for a property.
pub(super) struct View {
    /// All of these; none: anything.
    pub(super) schemas: Vec<Ref>,
}

impl Comparison<'_> {
    /// What `at` says of the property `name`.
    pub(super) fn view(&mut self, at: Ref, name: &str) -> Result<View, TooComplex> {
        let object = &self.node(at).object;
        let mut schemas: Vec<Ref> = object.properties.get(name).map(|id| at.to(*id)).into_iter().collect();
        schemas.extend(self.matching(at, name)?.into_iter().map(|id| at.to(id)));
        if schemas.is_empty() {
            schemas.extend(self.additional(at).map(|id| at.to(id)));
        }
        if let (true, Some(unevaluated)) = (schemas.is_empty(), object.unevaluated) {
            let is_evaluated = match self.evaluable(at)? {
                None => true,
                Some(names) => names.iter().try_fold(false, |found, node| {
                    Ok::<_, TooComplex>(
                        found
                            || self.node(*node).object.properties.contains_key(name)
                            || !self.matching(*node, name)?.is_empty(),
                    )
                })?,
            };
            if !is_evaluated {
                schemas.push(at.to(unevaluated));
            }
        }
        Ok(View { schemas })
    }

    /// What the writer says of the property `name`: one promise first, and then all that hold beside it.
    pub(super) fn written_view(&mut self, pair: &Pair<'_>, name: &str) -> Result<View, TooComplex> {
        let mut all = self.view(pair.promise, name)?;
        for promise in pair.promises.iter().filter(|promise| **promise != pair.promise) {
            for schema in self.view(*promise, name)?.schemas {
                if !all.schemas.contains(&schema) {
                    all.schemas.push(schema);
                }
            }
        }
        Ok(all)
    }

    /// Whether the writer names the property.
    pub(super) fn is_named(&self, pair: &Pair<'_>, name: &str) -> bool {
        pair.promises.iter().any(|promise| self.node(*promise).object.properties.contains_key(name))
    }

    /// Whether the writer requires the property.
    pub(super) fn is_promised(&self, pair: &Pair<'_>, name: &str) -> bool {
        pair.promises.iter().any(|promise| self.node(*promise).object.required.contains(name))
    }

    /// The schemas of those of `patternProperties` that match.
    pub(super) fn matching(&mut self, at: Ref, name: &str) -> Result<Vec<NodeId>, TooComplex> {
        let mut found = Vec::new();
        for (pattern, id) in &self.node(at).object.patterns {
            self.spend(1 + name.len() / 64)?;
            if pattern.is_match(name).ok_or(TooComplex)? {
                found.push(*id);
            }
        }
        Ok(found)
    }

    /// The schema of properties that are neither named nor matched. What is unevaluated is what is additional, where
    /// nothing but the node itself evaluates.
    pub(super) fn additional(&self, at: Ref) -> Option<NodeId> {
        let node = self.node(at);
        let unevaluated = || node.object.unevaluated.filter(|_| node.in_place().next().is_none());
        node.object.additional.or_else(unevaluated)
    }

    /// Whether properties that are neither named nor matched are excluded.
    pub(super) fn is_closed(&self, at: Ref) -> bool {
        self.additional(at).is_some_and(|id| self.node(at.to(id)).is_never())
    }

    /// Whether there can be no property of that name.
    pub(super) fn excludes(&mut self, at: Ref, name: &str) -> Result<bool, TooComplex> {
        let view = self.view(at, name)?;
        Ok(view.schemas.iter().any(|schema| self.node(*schema).is_never()))
    }

    /// The nodes whose named and matched properties are all that can be evaluated where `at` is applied; none: any can.
    pub(super) fn evaluable(&mut self, at: Ref) -> Result<Option<Vec<Ref>>, TooComplex> {
        let mut all = vec![at];
        let mut next = 0;
        while let Some(node) = all.get(next).copied() {
            self.spend(1 + all.len() / 16)?;
            next += 1;
            let object = &self.node(node).object;
            let below = object.unevaluated.filter(|_| node != at);
            let any = [object.additional, below].into_iter().flatten().any(|id| !self.node(node.to(id)).is_never());
            if any {
                return Ok(None);
            }
            for id in self.node(node).in_place() {
                if !all.contains(&node.to(id)) {
                    all.push(node.to(id));
                }
            }
        }
        Ok(Some(all))
    }
}
