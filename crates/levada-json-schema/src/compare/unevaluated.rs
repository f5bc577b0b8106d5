//! `unevaluatedProperties` and `unevaluatedItems` beside schemas that evaluate. What the reader surely evaluates is
//! what it and the schemas that always hold with it name; what the writer possibly writes is what any of its own name.

use super::{Comparison, Found, Note, Pair, Ref, TooComplex};
use crate::draft::Draft;
use crate::kind::Kind;

impl Comparison<'_> {
    pub(super) fn unevaluated(&mut self, pair: &Pair<'_>) -> Result<Found, TooComplex> {
        let mut found = Found::new();
        if pair.types.meets(crate::types::Types::OBJECT) {
            self.unevaluated_properties(pair, &mut found)?;
        }
        if pair.types.meets(crate::types::Types::ARRAY) {
            self.unevaluated_items(pair, &mut found)?;
        }
        Ok(found)
    }

    fn unevaluated_properties(&mut self, pair: &Pair<'_>, found: &mut Found) -> Result<(), TooComplex> {
        let path = "unevaluatedProperties";
        let Some(read) = self.node(pair.demand).object.unevaluated.map(|id| pair.demand.to(id)) else { return Ok(()) };
        let surely = self.conjuncts(&[pair.demand])?;
        let evaluates_all = surely.iter().any(|at| {
            let object = &self.node(*at).object;
            object.additional.is_some() || object.unevaluated.is_some() && *at != pair.demand
        });
        if evaluates_all || self.node(read).is_always() {
            return Ok(());
        }
        let is_excluding = self.node(read).is_never();
        let object = &self.node(pair.promise).object;
        let closing = object.additional.or(object.unevaluated).map(|id| pair.promise.to(id));
        let writers =
            if object.additional.is_some() { Some(vec![pair.promise]) } else { self.evaluable(pair.promise)? };
        let (Some(closing), Some(writers)) = (closing, writers) else {
            let kind =
                if is_excluding { Kind::UnevaluatedPropertiesRemoved } else { Kind::UnevaluatedPropertiesNarrowed };
            found.note(kind, path);
            return Ok(());
        };
        if !self.node(closing).is_never() {
            let (more, is_within) = self.part_of(&[closing], read, pair.how.without_defaults())?;
            found.add(path, &more);
            if !is_within {
                found.note(Kind::UnevaluatedPropertiesNarrowed, path);
            }
        }
        for writer in writers {
            for (name, id) in &self.node(writer).object.properties {
                let is_never = self.node(writer.to(*id)).is_never();
                if !is_never
                    && !self.names_surely(&surely, name)?
                    && !self.part_of(&[writer.to(*id)], read, pair.how.without_defaults())?.1
                {
                    found.note(Kind::PropertyRemovedFromClosedContentModel, &format!("properties/{name}"));
                }
            }
            for (pattern, id) in &self.node(writer).object.patterns {
                let has_it =
                    |at: &Ref| self.node(*at).object.patterns.iter().any(|(other, _)| other.text == pattern.text);
                if !surely.iter().any(has_it) && !self.part_of(&[writer.to(*id)], read, pair.how.without_defaults())?.1
                {
                    let path = format!("patternProperties/{}", pattern.text);
                    found.note(Kind::PropertyRemovedFromClosedContentModel, &path);
                }
            }
        }
        Ok(())
    }

    fn names_surely(&mut self, surely: &[Ref], name: &str) -> Result<bool, TooComplex> {
        for at in surely {
            if self.node(*at).object.properties.contains_key(name) || !self.matching(*at, name)?.is_empty() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn unevaluated_items(&mut self, pair: &Pair<'_>, found: &mut Found) -> Result<(), TooComplex> {
        let path = "unevaluatedItems";
        let Some(read) = self.node(pair.demand).array.unevaluated.map(|id| pair.demand.to(id)) else { return Ok(()) };
        let surely = self.conjuncts(&[pair.demand])?;
        let evaluates_all = surely.iter().any(|at| {
            let array = &self.node(*at).array;
            array.rest.is_some() || array.unevaluated.is_some() && *at != pair.demand
        });
        if evaluates_all || self.node(read).is_always() {
            return Ok(());
        }
        let evaluated = surely.iter().map(|at| self.node(*at).array.prefix.len()).max().unwrap_or(0);
        let evaluated = u64::try_from(evaluated).unwrap_or(u64::MAX);
        let max = [self.items_max(pair.promise), self.evaluable_items(pair.promise)?].into_iter().flatten().min();
        if max.is_some_and(|max| max <= evaluated) {
            return Ok(());
        }
        let is_excluding = self.node(read).is_never();
        found.note(if is_excluding { Kind::UnevaluatedItemsRemoved } else { Kind::UnevaluatedItemsNarrowed }, path);
        Ok(())
    }

    /// How many items the writer writes at most, where it excludes all that it does not evaluate.
    fn evaluable_items(&mut self, at: Ref) -> Result<Option<u64>, TooComplex> {
        let is_excluding = self.node(at).array.unevaluated.is_some_and(|id| self.node(at.to(id)).is_never());
        if !is_excluding {
            return Ok(None);
        }
        let mut all = vec![at];
        let mut next = 0;
        let mut count = 0;
        while let Some(one) = all.get(next).copied() {
            self.spend(1 + all.len() / 16)?;
            next += 1;
            let node = self.node(one);
            let below = node.array.unevaluated.filter(|_| one != at);
            let rest = [node.array.rest, below].into_iter().flatten().any(|id| !self.node(one.to(id)).is_never());
            if rest || node.array.contains.is_some() && node.draft == Draft::Draft202012 {
                return Ok(None);
            }
            count = count.max(node.array.prefix.len());
            for id in node.in_place() {
                if !all.contains(&one.to(id)) {
                    all.push(one.to(id));
                }
            }
        }
        Ok(Some(u64::try_from(count).unwrap_or(u64::MAX)))
    }
}
