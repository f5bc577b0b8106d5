//! `anyOf`, `oneOf`, `not`, and `if`.

use super::{Comparison, Found, How, Note, Pair, Ref, TooComplex};
use crate::kind::{Difference, Kind};
use crate::types::Types;
use std::collections::BTreeSet;
use std::rc::Rc;

impl Comparison<'_> {
    fn refs(at: Ref, ids: &[usize]) -> Vec<Ref> {
        let mut seen = BTreeSet::new();
        ids.iter().filter(|id| seen.insert(**id)).map(|id| at.to(*id)).collect()
    }

    pub(super) fn any_of(&mut self, pair: &Pair<'_>) -> Result<Found, TooComplex> {
        let how = pair.how.without_defaults();
        let logic = &self.node(pair.promise).logic;
        let readers = Self::refs(pair.demand, &self.node(pair.demand).logic.any_of);
        let is_one_of = logic.any_of.is_empty() && !logic.one_of.is_empty();
        let (keyword, written) = if is_one_of { ("oneOf", &logic.one_of) } else { ("anyOf", &logic.any_of) };
        let writers = Self::refs(pair.promise, written);
        let mut found = Found::new();
        if is_one_of {
            found.note(Kind::CombinedTypeExtended, "");
        }
        if writers.is_empty() {
            return self.one_among(pair, &readers, how, Exclusive::No);
        }
        note_counts(writers.len(), readers.len(), &mut found);
        let mut is_covered = true;
        for (index, writer) in writers.iter().enumerate() {
            let types = pair.types.and(self.types_of(&[*writer])?);
            let taken = self.taken(&[*writer], &readers, index, types, how, Exclusive::No)?;
            is_covered &= taken.is_some() || types.is_empty();
            let more = if taken.is_none() { self.explained(*writer, &readers, index, types, how)? } else { taken };
            found.add(&format!("{keyword}/{index}"), &more.unwrap_or_else(|| Rc::from([])));
        }
        if !is_covered {
            found.note(Kind::CombinedTypeSubschemasChanged, "");
        }
        self.or_as_a_whole(pair, &readers, how, Exclusive::No, found)
    }

    pub(super) fn one_of(&mut self, pair: &Pair<'_>) -> Result<Found, TooComplex> {
        let how = pair.how.without_defaults();
        let logic = &self.node(pair.promise).logic;
        let readers: Vec<Ref> = self.node(pair.demand).logic.one_of.iter().map(|id| pair.demand.to(*id)).collect();
        let mut found = Found::new();
        if readers.len() == 1 && logic.one_of.is_empty() {
            return self.one_among(pair, &readers, how, Exclusive::Yes { others: &[] });
        }
        let (keyword, writers, others) = if logic.one_of.is_empty() {
            ("anyOf", Self::refs(pair.promise, &logic.any_of), Vec::new())
        } else {
            let writers: Vec<Ref> = logic.one_of.iter().map(|id| pair.promise.to(*id)).collect();
            ("oneOf", writers.clone(), writers)
        };
        if writers.is_empty() {
            return self.one_among(pair, &readers, how, Exclusive::Yes { others: &[] });
        }
        if keyword == "anyOf" {
            found.note(if writers.len() == 1 { Kind::CombinedTypeExtended } else { Kind::CombinedTypeChanged }, "");
        }
        note_counts(writers.len(), readers.len(), &mut found);
        let mut is_covered = true;
        for (index, writer) in writers.iter().enumerate() {
            let types = pair.types.and(self.types_of(&[*writer])?);
            // An instance of one of the writer's alternatives is of none of the others.
            let others: Vec<Ref> = without(&others, index);
            let taken = self.taken(&[*writer], &readers, index, types, how, Exclusive::Yes { others: &others })?;
            is_covered &= taken.is_some() || types.is_empty();
            let more = if taken.is_none() { self.explained(*writer, &readers, index, types, how)? } else { taken };
            found.add(&format!("{keyword}/{index}"), &more.unwrap_or_else(|| Rc::from([])));
        }
        if !is_covered {
            found.note(Kind::CombinedTypeSubschemasChanged, "");
        }
        self.or_as_a_whole(pair, &readers, how, Exclusive::Yes { others: &[] }, found)
    }

    /// What was found of the alternatives; or, if that is incompatible and the whole is taken by one, that.
    fn or_as_a_whole(
        &mut self,
        pair: &Pair<'_>,
        readers: &[Ref],
        how: How,
        exclusive: Exclusive<'_>,
        found: Found,
    ) -> Result<Found, TooComplex> {
        let is_covered = !found.iter().any(|one| one.kind == Kind::CombinedTypeSubschemasChanged);
        if how.is_compatible(&found) || is_covered {
            return Ok(found);
        }
        let whole = self.one_among(pair, readers, how, exclusive)?;
        Ok(if how.is_compatible(&whole) { whole } else { found })
    }

    /// What keeps the alternative at the same place from taking the writer's.
    fn explained(
        &mut self,
        writer: Ref,
        readers: &[Ref],
        index: usize,
        types: Types,
        how: How,
    ) -> Result<Option<Rc<[Difference]>>, TooComplex> {
        let Some(reader) = readers.get(index) else { return Ok(None) };
        self.compare(&[writer], *reader, types, how).map(Some)
    }

    /// How one of the alternatives takes all that the writers say; of two that do, the one at the same place.
    fn taken(
        &mut self,
        writers: &[Ref],
        readers: &[Ref],
        index: usize,
        types: Types,
        how: How,
        exclusive: Exclusive<'_>,
    ) -> Result<Option<Rc<[Difference]>>, TooComplex> {
        let likely = readers.get(index).map(|_| index);
        let order = likely.into_iter().chain((0..readers.len()).filter(|other| Some(*other) != likely));
        for place in order {
            let Some(reader) = readers.get(place).copied() else { continue };
            let found = self.compare(writers, reader, types, how)?;
            if !how.is_compatible(&found) {
                continue;
            }
            let Exclusive::Yes { others } = exclusive else { return Ok(Some(found)) };
            let mut is_alone = true;
            for rival in without(readers, place) {
                is_alone = is_alone && self.is_ruled_out(writers, rival, others, types)?;
            }
            if is_alone {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    /// Whether no instance of the writers is one of the rival.
    fn is_ruled_out(&mut self, writers: &[Ref], rival: Ref, others: &[Ref], types: Types) -> Result<bool, TooComplex> {
        if self.are_disjoint(writers, rival, types, 0)? {
            return Ok(true);
        }
        for other in others {
            let found = self.compare(&[rival], *other, types, How::STRICT)?;
            if How::STRICT.is_compatible(&found) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether one alternative takes the writer as it is, or one for each of its types.
    fn one_among(
        &mut self,
        pair: &Pair<'_>,
        readers: &[Ref],
        how: How,
        exclusive: Exclusive<'_>,
    ) -> Result<Found, TooComplex> {
        let mut found = Found::new();
        if readers.len() > 1 {
            found.note(Kind::SumTypeExtended, "");
        }
        if let Some(more) = self.taken(pair.promises, readers, 0, pair.types, how, exclusive)? {
            found.add("", &more);
            return Ok(found);
        }
        if self.can_be_split(pair.types) {
            let mut is_taken = true;
            for one in pair.types.each() {
                is_taken = is_taken && self.taken(pair.promises, readers, 0, one, how, exclusive)?.is_some();
            }
            if is_taken {
                return Ok(found);
            }
        }
        let mut found = Found::new();
        if let ([reader], Some(first)) = (readers, pair.promises.first()) {
            let more = self.compare(&[*first], *reader, pair.types, how)?;
            found.add("", &more);
        }
        if how.is_compatible(&found) {
            found.note(Kind::TypeChanged, "");
        }
        Ok(found)
    }

    pub(super) fn not(&mut self, pair: &Pair<'_>) -> Result<Found, TooComplex> {
        let mut found = Found::new();
        let Some(excluded) = self.node(pair.demand).logic.not.map(|id| pair.demand.to(id)) else { return Ok(found) };
        if let Some(written) = self.node(pair.promise).logic.not.map(|id| pair.promise.to(id)) {
            // What the reader excludes, the writer must exclude: the sides are exchanged.
            let more = self.compare(&[excluded], written, pair.types, How::STRICT)?;
            if How::STRICT.is_compatible(&more) {
                if !more.is_empty() {
                    found.note(Kind::NotTypeNarrowed, "not");
                }
                return Ok(found);
            }
        }
        if !self.are_disjoint(pair.promises, excluded, pair.types, 0)? {
            found.note(Kind::NotTypeExtended, "not");
        }
        Ok(found)
    }

    pub(super) fn conditional(&mut self, pair: &Pair<'_>) -> Result<Found, TooComplex> {
        let how = pair.how.without_defaults();
        let mut found = Found::new();
        let Some(read) = self.node(pair.demand).logic.conditional else { return Ok(found) };
        let branches = [("then", read.then), ("else", read.otherwise)];
        if let Some(written) = self.node(pair.promise).logic.conditional {
            let (before, after) = (pair.promise.to(written.test), pair.demand.to(read.test));
            let forth = self.compare(&[before], after, pair.types, How::STRICT)?;
            let back = self.compare(&[after], before, pair.types, How::STRICT)?;
            if How::STRICT.is_compatible(&forth) && How::STRICT.is_compatible(&back) {
                for ((path, branch), before) in branches.into_iter().zip([written.then, written.otherwise]) {
                    let Some(branch) = branch.map(|id| pair.demand.to(id)) else { continue };
                    let before = before.map(|id| pair.promise.to(id));
                    let writers: Vec<Ref> = before.into_iter().chain(pair.promises.iter().copied()).collect();
                    let more = self.compare(&writers, branch, pair.types, how)?;
                    found.add(path, &more);
                }
                return Ok(found);
            }
        }
        for branch in branches.into_iter().filter_map(|(_, branch)| branch) {
            let more = self.compare(pair.promises, pair.demand.to(branch), pair.types, how)?;
            if !how.is_compatible(&more) {
                found.note(Kind::CombinedTypeChanged, "if");
                return Ok(found);
            }
        }
        Ok(found)
    }
}

/// Whether an alternative must be the only one.
#[derive(Clone, Copy)]
enum Exclusive<'r> {
    No,
    /// It must be; and none of `others` holds for what the writer says.
    Yes {
        others: &'r [Ref],
    },
}

fn without(all: &[Ref], index: usize) -> Vec<Ref> {
    all.iter().enumerate().filter(|(other, _)| *other != index).map(|(_, at)| *at).collect()
}

fn note_counts(written: usize, read: usize, found: &mut Found) {
    if written < read {
        found.note(Kind::SumTypeExtended, "");
    } else if written > read {
        found.note(Kind::SumTypeNarrowed, "");
    }
}
