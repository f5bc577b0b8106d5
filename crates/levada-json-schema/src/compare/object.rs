//! Objects.

use super::scalar::{BoundKinds, least, most};
use super::{Comparison, Found, How, Note, Pair, Ref, TooComplex};
use crate::json::Json;
use crate::kind::{Difference, Kind};
use crate::node::Node;
use crate::types::Types;
use std::collections::BTreeSet;
use std::rc::Rc;

impl Comparison<'_> {
    pub(super) fn object(&mut self, pair: &Pair<'_>, found: &mut Found) -> Result<(), TooComplex> {
        let (written, read) = (&self.node(pair.promise).object, &self.node(pair.demand).object);
        let all: BTreeSet<&String> = written.required.iter().chain(&read.required).collect();
        for name in all {
            self.required(pair, name, found)?;
        }
        let all: BTreeSet<&String> = written.properties.keys().chain(read.properties.keys()).collect();
        for name in all {
            self.spend(1)?;
            self.property(pair, name, found)?;
        }
        self.read_patterns(pair, found)?;
        self.written_patterns(pair, found)?;
        self.additional_properties(pair, found)?;
        self.names(pair, found)?;
        self.dependencies(pair, found)?;
        self.property_counts(pair, found);
        Ok(())
    }

    /// Compares what holds for a part of the instance.
    pub(super) fn part_of(
        &mut self,
        writers: &[Ref],
        reader: Ref,
        how: How,
    ) -> Result<(Rc<[Difference]>, bool), TooComplex> {
        let found = self.compare(writers, reader, Types::ALL, how)?;
        let is_compatible = how.is_compatible(&found);
        Ok((found, is_compatible))
    }

    /// Whether all that holds for a part of the instance on the reader's side takes what the writer's allows there.
    fn covers(
        &mut self,
        (writers, readers): (&[Ref], &[Ref]),
        how: How,
        path: &str,
        found: &mut Found,
    ) -> Result<bool, TooComplex> {
        let mut is_covered = true;
        for reader in readers {
            let (more, is_compatible) = self.part_of(writers, *reader, how)?;
            found.add(path, &more);
            is_covered &= is_compatible;
        }
        Ok(is_covered)
    }

    fn required(&mut self, pair: &Pair<'_>, name: &str, found: &mut Found) -> Result<(), TooComplex> {
        let read = &self.node(pair.demand).object;
        let path = format!("required/{name}");
        match (self.is_promised(pair, name), read.required.contains(name)) {
            (true, false) => found.note(Kind::RequiredAttributeRemoved, &path),
            (false, true) => {
                let is_new = read.properties.contains_key(name) && !self.is_named(pair, name);
                let (written, wanted) = (self.written_view(pair, name)?, self.view(pair.demand, name)?);
                let (is_open, is_free) = (self.is_any(&written.schemas), self.is_any(&wanted.schemas));
                let fills = self.fills_default(pair, name)?;
                // What is new to the reader is told where it is described.
                let kind = match (is_new && !(is_open && is_free), fills) {
                    (true, _) => return Ok(()),
                    (false, true) => Kind::RequiredAttributeWithDefaultAdded,
                    (false, false) => Kind::RequiredAttributeAdded,
                };
                found.note(kind, &path);
            }
            _ => {}
        }
        Ok(())
    }

    /// Whether these accept anything.
    fn is_any(&self, schemas: &[Ref]) -> bool {
        schemas.iter().all(|schema| self.node(*schema).is_always())
    }

    /// Whether the reader, before it checks, fills in a valid default where the property is missing.
    fn fills_default(&mut self, pair: &Pair<'_>, name: &str) -> Result<bool, TooComplex> {
        let object = &self.node(pair.demand).object;
        let is_free = object.max_properties.is_none()
            && object.names.is_none()
            && !object.dependent_required.contains_key(name)
            && !object.dependent_schemas.contains_key(name);
        if !pair.how.fills_defaults || !is_free {
            return Ok(false);
        }
        let Some(property) = object.properties.get(name) else { return Ok(false) };
        let Some(default) = self.node(pair.demand.to(*property)).labels.default.as_ref() else { return Ok(false) };
        for schema in self.view(pair.demand, name)?.schemas {
            if !self.accepts(schema, default)? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Whether defaults are filled in at an instance for which these hold: nothing may hinge on what is missing.
    pub(super) fn can_fill_defaults(&self, demands: &[Ref]) -> bool {
        let saying: Vec<&Node> =
            demands.iter().map(|at| self.node(*at)).filter(|node| !node.is_plainly_always()).collect();
        let is_bare = |node: &&Node| {
            let logic = &node.logic;
            let is_bare = logic.any_of.is_empty() && logic.one_of.is_empty() && logic.not.is_none();
            is_bare && logic.conditional.is_none() && node.object.dependent_schemas.is_empty()
        };
        let is_free = |node: &&Node| node.values.is_none() && !node.array.is_unique && node.array.contains.is_none();
        let has_logic = demands.iter().any(|at| !is_bare(&self.node(*at)));
        saying.len() <= 1 && !has_logic && saying.iter().all(is_free)
    }

    fn property(&mut self, pair: &Pair<'_>, name: &str, found: &mut Found) -> Result<(), TooComplex> {
        let read = self.node(pair.demand).object.properties.get(name).copied();
        let path = format!("properties/{name}");
        match (self.is_named(pair, name), read) {
            (true, Some(read)) => {
                let writers = self.written_view(pair, name)?.schemas;
                let (more, _) = self.part_of(&writers, pair.demand.to(read), pair.how)?;
                found.add(&path, &more);
                self.covered_by_patterns(pair, name, &writers, found)
            }
            (true, None) => self.removed(pair, name, &path, found),
            (false, Some(_)) => self.added(pair, name, &path, found),
            (false, None) => Ok(()),
        }
    }

    /// Notes what the reader's patterns ask of a property that is named beside.
    fn covered_by_patterns(
        &mut self,
        pair: &Pair<'_>,
        name: &str,
        writers: &[Ref],
        found: &mut Found,
    ) -> Result<(), TooComplex> {
        let matching = self.matching(pair.demand, name)?;
        for id in matching {
            let (more, is_compatible) = self.part_of(writers, pair.demand.to(id), pair.how)?;
            if !is_compatible {
                found.add(&format!("properties/{name}"), &more);
            }
        }
        Ok(())
    }

    fn removed(&mut self, pair: &Pair<'_>, name: &str, path: &str, found: &mut Found) -> Result<(), TooComplex> {
        let writers = self.written_view(pair, name)?.schemas;
        let mut readers = self.view(pair.demand, name)?.schemas;
        readers.retain(|reader| !self.node(*reader).is_always());
        let is_excluded = writers.iter().any(|writer| self.node(*writer).is_never());
        if readers.is_empty() {
            found.note(Kind::PropertyRemovedFromOpenContentModel, path);
        } else if readers.iter().any(|reader| self.node(*reader).is_never()) {
            let kind = if is_excluded {
                Kind::PropertyWithFalseRemovedFromClosedContentModel
            } else {
                Kind::PropertyRemovedFromClosedContentModel
            };
            found.note(kind, path);
        } else {
            let kind = if self.covers((&writers, &readers), pair.how, path, found)? {
                Kind::PropertyRemovedIsCoveredByPartiallyOpenContentModel
            } else {
                Kind::PropertyRemovedNotCoveredByPartiallyOpenContentModel
            };
            found.note(kind, path);
        }
        Ok(())
    }

    fn added(&mut self, pair: &Pair<'_>, name: &str, path: &str, found: &mut Found) -> Result<(), TooComplex> {
        let writers = self.written_view(pair, name)?.schemas;
        let readers = self.view(pair.demand, name)?.schemas;
        let is_required = self.node(pair.demand).object.required.contains(name) && !self.is_promised(pair, name);
        let fills = self.fills_default(pair, name)?;
        if self.is_any(&writers) {
            let kind = if self.is_any(&readers) {
                Kind::PropertyWithEmptySchemaAddedToOpenContentModel
            } else if !is_required {
                Kind::OptionalPropertyAddedToOpenContentModel
            } else if fills {
                Kind::RequiredPropertyWithDefaultAddedToOpenContentModel
            } else {
                Kind::RequiredPropertyAddedToOpenContentModel
            };
            found.note(kind, path);
            return Ok(());
        }
        if !writers.iter().any(|writer| self.node(*writer).is_never()) {
            let kind = if self.covers((&writers, &readers), pair.how, path, found)? {
                Kind::PropertyAddedIsCoveredByPartiallyOpenContentModel
            } else {
                Kind::PropertyAddedNotCoveredByPartiallyOpenContentModel
            };
            found.note(kind, path);
        }
        let kind = match (is_required, fills) {
            (false, _) => Kind::OptionalPropertyAddedToUnopenContentModel,
            (true, true) => Kind::RequiredPropertyWithDefaultAddedToUnopenContentModel,
            (true, false) => Kind::RequiredPropertyAddedToUnopenContentModel,
        };
        found.note(kind, path);
        Ok(())
    }

    /// The reader's patterns: whatever name of the writer's matches, the reader's schema must take it.
    fn read_patterns(&mut self, pair: &Pair<'_>, found: &mut Found) -> Result<(), TooComplex> {
        let written = &self.node(pair.promise).object;
        for (pattern, id) in &self.node(pair.demand).object.patterns {
            self.spend(1 + written.patterns.len())?;
            let reader = pair.demand.to(*id);
            let path = format!("patternProperties/{}", pattern.text);
            if self.node(reader).is_always() {
                continue;
            }
            if let Some((_, same)) = written.patterns.iter().find(|(other, _)| other.text == pattern.text) {
                let (more, _) = self.part_of(&[pair.promise.to(*same)], reader, pair.how)?;
                found.add(&path, &more);
                continue;
            }
            let mut is_covered = true;
            let others = written.patterns.iter().map(|(_, id)| *id);
            for other in others.chain(self.additional(pair.promise)) {
                is_covered &= self.part_of(&[pair.promise.to(other)], reader, pair.how)?.1;
            }
            let is_open = self.additional(pair.promise).is_none_or(|id| self.node(pair.promise.to(id)).is_always());
            let kind = match (is_open, is_covered) {
                (true, _) => Kind::OptionalPropertyAddedToOpenContentModel,
                (false, true) => Kind::PropertyAddedIsCoveredByPartiallyOpenContentModel,
                (false, false) => Kind::PropertyAddedNotCoveredByPartiallyOpenContentModel,
            };
            found.note(kind, &path);
        }
        Ok(())
    }

    /// The writer's patterns: what matches one that the reader does not have is additional to the reader.
    fn written_patterns(&mut self, pair: &Pair<'_>, found: &mut Found) -> Result<(), TooComplex> {
        let read = &self.node(pair.demand).object;
        for (pattern, id) in &self.node(pair.promise).object.patterns {
            self.spend(1 + read.patterns.len())?;
            if read.patterns.iter().any(|(other, _)| other.text == pattern.text) {
                continue;
            }
            let path = format!("patternProperties/{}", pattern.text);
            let writer = pair.promise.to(*id);
            let additional = self.additional(pair.demand).map(|id| pair.demand.to(id));
            let Some(reader) = additional.filter(|reader| !self.node(*reader).is_always()) else {
                found.note(Kind::PropertyRemovedFromOpenContentModel, &path);
                continue;
            };
            let is_closed = self.node(reader).is_never();
            let kind = match (self.part_of(&[writer], reader, pair.how)?.1, is_closed) {
                (true, true) => Kind::PropertyWithFalseRemovedFromClosedContentModel,
                (true, false) => Kind::PropertyRemovedIsCoveredByPartiallyOpenContentModel,
                (false, true) => Kind::PropertyRemovedFromClosedContentModel,
                (false, false) => Kind::PropertyRemovedNotCoveredByPartiallyOpenContentModel,
            };
            found.note(kind, &path);
        }
        Ok(())
    }

    fn additional_properties(&mut self, pair: &Pair<'_>, found: &mut Found) -> Result<(), TooComplex> {
        let (written, read) = (self.node(pair.promise), self.node(pair.demand));
        let by_unevaluated = |node: &Node| node.object.additional.is_none() && node.object.unevaluated.is_some();
        let is_unevaluated = by_unevaluated(read) || read.object.additional.is_none() && by_unevaluated(written);
        let [added, removed, extended, narrowed] = if is_unevaluated {
            [
                Kind::UnevaluatedPropertiesAdded,
                Kind::UnevaluatedPropertiesRemoved,
                Kind::UnevaluatedPropertiesExtended,
                Kind::UnevaluatedPropertiesNarrowed,
            ]
        } else {
            [
                Kind::AdditionalPropertiesAdded,
                Kind::AdditionalPropertiesRemoved,
                Kind::AdditionalPropertiesExtended,
                Kind::AdditionalPropertiesNarrowed,
            ]
        };
        let path = if is_unevaluated { "unevaluatedProperties" } else { "additionalProperties" };
        let said = |at: Ref, comparison: &Self| {
            let schema = comparison.additional(at).map(|id| at.to(id));
            schema.filter(|schema| !comparison.node(*schema).is_always())
        };
        let (writer, reader) = (said(pair.promise, self), said(pair.demand, self));
        let is_never = |at: Option<Ref>| at.is_some_and(|at| self.node(at).is_never());
        let kind = match (writer, reader) {
            (None, None) => return Ok(()),
            _ if is_never(writer) && is_never(reader) => return Ok(()),
            _ if is_never(writer) => added,
            _ if is_never(reader) => removed,
            (Some(_), None) => extended,
            (None, Some(_)) => narrowed,
            (Some(writer), Some(reader)) => {
                let how = if is_unevaluated { pair.how.without_defaults() } else { pair.how };
                let (more, _) = self.part_of(&[writer], reader, how)?;
                found.add(path, &more);
                return Ok(());
            }
        };
        found.note(kind, path);
        Ok(())
    }

    fn names(&mut self, pair: &Pair<'_>, found: &mut Found) -> Result<(), TooComplex> {
        let (written, read) = (self.node(pair.promise).object.names, self.node(pair.demand).object.names);
        let path = "propertyNames";
        let Some(read) = read.map(|id| pair.demand.to(id)).filter(|at| !self.node(*at).is_always()) else {
            if written.is_some() {
                found.note(Kind::SchemaRemoved, path);
            }
            return Ok(());
        };
        let how = pair.how.without_defaults();
        let mut obstacles = Found::new();
        if let Some(written) = written {
            let more = self.compare(&[pair.promise.to(written)], read, Types::STRING, how)?;
            if how.is_compatible(&more) {
                found.add(path, &more);
                return Ok(());
            }
            obstacles.add(path, &more);
        } else {
            obstacles.note(Kind::SchemaAdded, path);
        }
        let object = &self.node(pair.promise).object;
        let mut is_finite = self.is_closed(pair.promise) && object.patterns.is_empty();
        for name in object.properties.keys() {
            is_finite = is_finite && self.accepts(read, &Json::String(name.clone()))?;
        }
        if !is_finite {
            found.append(&mut obstacles);
        }
        Ok(())
    }

    fn dependencies(&mut self, pair: &Pair<'_>, found: &mut Found) -> Result<(), TooComplex> {
        let (written, read) = (&self.node(pair.promise).object, &self.node(pair.demand).object);
        let all: BTreeSet<&String> = written.dependent_required.keys().chain(read.dependent_required.keys()).collect();
        for name in all {
            let path = format!("dependencies/{name}");
            let (before, after) = (written.dependent_required.get(name), read.dependent_required.get(name));
            let kind = match (before, after) {
                (None, None) => continue,
                (Some(before), Some(after)) if before == after => continue,
                (Some(_), None) => Kind::DependencyArrayRemoved,
                (_, Some(after)) if after.is_subset(&written.required) || self.excludes(pair.promise, name)? => {
                    Kind::DependencyArrayNarrowed
                }
                (None, Some(_)) => Kind::DependencyArrayAdded,
                (Some(before), Some(after)) if after.is_superset(before) => Kind::DependencyArrayExtended,
                (Some(before), Some(after)) if after.is_subset(before) => Kind::DependencyArrayNarrowed,
                (Some(_), Some(_)) => Kind::DependencyArrayChanged,
            };
            found.note(kind, &path);
        }
        let all: BTreeSet<&String> = written.dependent_schemas.keys().chain(read.dependent_schemas.keys()).collect();
        for name in all {
            let path = format!("dependencies/{name}");
            let how = pair.how.without_defaults();
            let before = written.dependent_schemas.get(name).map(|id| pair.promise.to(*id));
            let Some(after) = read.dependent_schemas.get(name).map(|id| pair.demand.to(*id)) else {
                found.note(Kind::DependencySchemaRemoved, &path);
                continue;
            };
            if self.excludes(pair.promise, name)? {
                continue;
            }
            let writers: Vec<Ref> = before.into_iter().chain(pair.promises.iter().copied()).collect();
            let more = self.compare(&writers, after, pair.types.and(Types::OBJECT), how)?;
            if before.is_some() {
                found.add(&path, &more);
            } else if !how.is_compatible(&more) {
                found.note(Kind::DependencySchemaAdded, &path);
            }
        }
        Ok(())
    }

    fn property_counts(&self, pair: &Pair<'_>, found: &mut Found) {
        let (written, read) = (&self.node(pair.promise).object, &self.node(pair.demand).object);
        let count = |count: usize| u64::try_from(count).unwrap_or(u64::MAX);
        let is_finite = self.is_closed(pair.promise) && written.patterns.is_empty();
        let named = is_finite.then(|| count(written.properties.len()));
        let most_written = match (written.max_properties, named) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let kinds = BoundKinds {
            added: Kind::MaxPropertiesAdded,
            removed: Kind::MaxPropertiesRemoved,
            loosened: Kind::MaxPropertiesIncreased,
            tightened: Kind::MaxPropertiesDecreased,
        };
        most("maxProperties", (written.max_properties, read.max_properties), most_written, &kinds, found);
        let least_written = written.min_properties.unwrap_or(0).max(count(written.required.len()));
        let kinds = BoundKinds {
            added: Kind::MinPropertiesAdded,
            removed: Kind::MinPropertiesRemoved,
            loosened: Kind::MinPropertiesDecreased,
            tightened: Kind::MinPropertiesIncreased,
        };
        least("minProperties", (written.min_properties, read.min_properties), least_written, &kinds, found);
    }
}
