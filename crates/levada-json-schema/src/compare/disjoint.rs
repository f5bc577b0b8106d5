//! Whether two schemas have no instance in common, as far as that is plain: by types, by values, by ranges, or by a
//! property that one requires and the other excludes or describes otherwise.

use super::scalar::{highest, lowest};
use super::{Comparison, Ref, TooComplex};
use crate::node::NumberRules;
use crate::types::Types;
use std::collections::BTreeSet;

/// How deep properties within properties are looked into.
const DEPTH_MAX: usize = 8;

impl Comparison<'_> {
    /// Whether no instance of those types, for which all of `writers` hold, is one of `reader`.
    pub(super) fn are_disjoint(
        &mut self,
        writers: &[Ref],
        reader: Ref,
        types: Types,
        depth: usize,
    ) -> Result<bool, TooComplex> {
        self.spend(1)?;
        let (ours, theirs) = (self.conjuncts(writers)?, self.conjuncts(&[reader])?);
        let (written, read) = (types.and(self.types_of(&ours)?), self.types_of(&theirs)?);
        let common = written.and(read);
        if common.is_empty() {
            return Ok(true);
        }
        if depth > DEPTH_MAX {
            return Ok(false);
        }
        if self.have_disjoint_values(&ours, &theirs)?
            || self.have_disjoint_alternatives(&ours, &theirs, types, depth)?
        {
            return Ok(true);
        }
        for our in &ours {
            for their in &theirs {
                let (our_number, their_number) = (&self.node(*our).number, &self.node(*their).number);
                let is_apart = lies_above(our_number, their_number) || lies_above(their_number, our_number);
                if common.is_within(Types::NUMBER) && is_apart {
                    return Ok(true);
                }
                if common == Types::OBJECT && self.have_disjoint_properties(*our, *their, depth)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn have_disjoint_values(&mut self, ours: &[Ref], theirs: &[Ref]) -> Result<bool, TooComplex> {
        for (some, others) in [(ours, theirs), (theirs, ours)] {
            for at in some {
                let Some(values) = &self.node(*at).values else { continue };
                for other in others {
                    let mut is_disjoint = true;
                    for value in &values.allowed {
                        self.spend(1)?;
                        is_disjoint = is_disjoint && !self.accepts(*other, value)?;
                    }
                    if is_disjoint {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    fn have_disjoint_alternatives(
        &mut self,
        ours: &[Ref],
        theirs: &[Ref],
        types: Types,
        depth: usize,
    ) -> Result<bool, TooComplex> {
        for at in theirs {
            let logic = &self.node(*at).logic;
            for list in [&logic.any_of, &logic.one_of].into_iter().filter(|list| !list.is_empty()) {
                let mut is_disjoint = true;
                for id in list {
                    is_disjoint = is_disjoint && self.are_disjoint(ours, at.to(*id), types, depth + 1)?;
                }
                if is_disjoint {
                    return Ok(true);
                }
            }
        }
        for at in ours {
            let logic = &self.node(*at).logic;
            for list in [&logic.any_of, &logic.one_of].into_iter().filter(|list| !list.is_empty()) {
                let mut is_disjoint = true;
                for id in list {
                    for their in theirs.iter().take(1) {
                        is_disjoint = is_disjoint && self.are_disjoint(&[at.to(*id)], *their, types, depth + 1)?;
                    }
                }
                if is_disjoint {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }

    fn have_disjoint_properties(&mut self, our: Ref, their: Ref, depth: usize) -> Result<bool, TooComplex> {
        let (ours, theirs) = (&self.node(our).object, &self.node(their).object);
        let required: BTreeSet<&String> = ours.required.iter().chain(&theirs.required).collect();
        for name in required {
            let (written, read) = (self.view(our, name)?.schemas, self.view(their, name)?.schemas);
            let is_excluded = written.iter().chain(&read).any(|schema| self.node(*schema).is_never());
            if is_excluded {
                return Ok(true);
            }
            if written.is_empty() {
                continue;
            }
            for schema in read {
                if self.are_disjoint(&written, schema, Types::ALL, depth + 1)? {
                    return Ok(true);
                }
            }
        }
        Ok(false)
    }
}

/// Whether all numbers of one are above those of the other.
fn lies_above(one: &NumberRules, other: &NumberRules) -> bool {
    match (lowest(one), highest(other)) {
        (Some((low, is_low_excluded)), Some((high, is_high_excluded))) => {
            low > high || low == high && (is_low_excluded || is_high_excluded)
        }
        _ => false,
    }
}
