//! Types, and what the reader no longer asks for.

use super::{Comparison, Found, Note, Ref, TooComplex};
use crate::draft::Draft;
use crate::kind::Kind;
use crate::types::Types;

impl Comparison<'_> {
    /// The types that instances can have for which all of these hold.
    pub(super) fn types_of(&mut self, all: &[Ref]) -> Result<Types, TooComplex> {
        all.iter().try_fold(Types::ALL, |types, at| Ok(types.and(self.possible_types(*at)?)))
    }

    /// Recurses over what is applied to one instance, which is bounded.
    fn possible_types(&mut self, at: Ref) -> Result<Types, TooComplex> {
        if let Some(types) = self.possible.get(&at) {
            return Ok(*types);
        }
        self.spend(1)?;
        let node = self.node(at);
        let mut types = node.effective_types();
        for id in node.conjuncts() {
            types = types.and(self.possible_types(at.to(id))?);
        }
        for list in [&node.logic.any_of, &node.logic.one_of].into_iter().filter(|list| !list.is_empty()) {
            let mut any = Types::NONE;
            for id in list {
                any = any.or(self.possible_types(at.to(*id))?);
            }
            types = types.and(any);
        }
        self.possible.insert(at, types);
        Ok(types)
    }

    fn declared(&self, all: &[Ref]) -> Types {
        all.iter().map(|at| self.node(*at).types).fold(Types::ALL, Types::and)
    }

    /// Notes how the types differ, and gives those that both have.
    pub(super) fn read_types(&self, promises: &[Ref], demands: &[Ref], types: Types, found: &mut Found) -> Types {
        let written = self.across_drafts(promises, demands, types);
        let read = self.declared(demands);
        let declared = self.declared(promises);
        let kind = if written.is_within(read) {
            let is_wider = declared.is_within(read) && declared != read;
            let is_sum = read != Types::ALL && read.count() > declared.count();
            match (is_wider, is_sum) {
                (false, _) => None,
                (true, true) => Some(Kind::SumTypeExtended),
                (true, false) => Some(Kind::TypeExtended),
            }
        } else if written.is_within(read.or(Types::FRACTION)) && read.meets(Types::INTEGER) {
            Some(Kind::TypeNarrowed)
        } else if !written.meets(read) || written == Types::ALL || read.count() == 1 {
            Some(Kind::TypeChanged)
        } else if read.is_within(written) {
            Some(Kind::SumTypeNarrowed)
        } else {
            Some(Kind::CombinedTypeSubschemasChanged)
        };
        if let Some(kind) = kind {
            found.note(kind, "");
        }
        written.and(read)
    }

    /// What the later drafts call an integer may be none to draft 4: `1.0`.
    fn across_drafts(&self, promises: &[Ref], demands: &[Ref], types: Types) -> Types {
        let is_draft_4 = |at: &Ref| self.node(*at).draft == Draft::Draft4;
        let is_another = demands.iter().any(is_draft_4) && !promises.iter().all(is_draft_4);
        if is_another && types.meets(Types::INTEGER) { types.or(Types::NUMBER) } else { types }
    }

    /// Whether what holds for each of the types holds for all: not so where drafts may differ over what an integer is.
    pub(super) fn can_be_split(&self, types: Types) -> bool {
        let [first, second] = self.graphs;
        let has_draft_4 = || first.nodes.iter().chain(&second.nodes).any(|node| node.draft == Draft::Draft4);
        types.count() > 1 && (!Types::NUMBER.is_within(types) || !has_draft_4())
    }

    /// Notes which ways of combining schemas only the writer has.
    pub(super) fn removals(&self, promise: Ref, demand: Ref, found: &mut Found) {
        let (written, read) = (&self.node(promise).logic, &self.node(demand).logic);
        if written.all_of.len() > read.all_of.len() {
            found.note(Kind::ProductTypeNarrowed, "");
        }
        let is_sum = |any: &[usize], one: &[usize]| !any.is_empty() || !one.is_empty();
        if is_sum(&written.any_of, &written.one_of) && !is_sum(&read.any_of, &read.one_of) {
            found.note(Kind::CombinedTypeExtended, "");
        }
        if written.not.is_some() && read.not.is_none() {
            found.note(Kind::NotTypeNarrowed, "not");
        }
        if written.conditional.is_some() && read.conditional.is_none() {
            found.note(Kind::CombinedTypeExtended, "if");
        }
    }
}
