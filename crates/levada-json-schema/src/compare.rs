//! Whether a reader takes all that a writer writes, and what differs between them.
//!
//! The question is whether every instance of the writer is one of the reader, and it is answered by proof: what the
//! reader asks for is taken apart into constraints, and each must follow from something the writer promises. What
//! cannot be proved counts as incompatible. Two schemas that are the same but for their labels are always compatible.
//!
//! Recursive schemas: a pair that is met again while it is compared is taken to hold. That is sound, since schemas
//! apply themselves only to parts of their instances (`compile::bounds` sees to it), so that the proof is one by
//! induction over instances. What was found with the help of such an assumption is forgotten with it.

mod array;
mod combined;
mod disjoint;
mod equal;
mod object;
mod properties;
mod scalar;
mod types;
mod unevaluated;

use crate::draft::Draft;
use crate::kind::{Difference, Kind, Policy};
use crate::node::{Graph, Node, NodeId};
use crate::types::Types;
use crate::validate::{GaveUp, is_valid};
use std::collections::BTreeMap;
use std::rc::Rc;

/// Steps that one comparison may take; one is below a microsecond.
pub const COMPARISON_STEPS_MAX: u64 = 1_000_000;
/// How deep a comparison may nest.
const DEPTH_MAX: usize = 100;

/// A comparison was given up, for how large or how deep the schemas are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the schemas take more than {COMPARISON_STEPS_MAX} steps to compare, or nest more than {DEPTH_MAX} deep")]
pub struct TooComplex;

impl From<GaveUp> for TooComplex {
    fn from(_: GaveUp) -> Self {
        Self
    }
}

/// Everything that differs, in a fixed order.
pub(crate) fn differences(reader: &Graph, writer: &Graph, policy: Policy) -> Result<Vec<Difference>, TooComplex> {
    let mut comparison = Comparison {
        graphs: [writer, reader],
        steps: COMPARISON_STEPS_MAX,
        open: Vec::new(),
        assumed: usize::MAX,
        known: BTreeMap::new(),
        supposed: BTreeMap::new(),
        supposed_in_order: Vec::new(),
        possible: BTreeMap::new(),
    };
    let how = How { policy, fills_defaults: true };
    let root = |graph| Ref { graph, id: 0 };
    let mut found = comparison.compare(&[root(0)], root(1), Types::ALL, how)?.to_vec();
    for difference in &mut found {
        difference.path.insert_str(0, "#/");
    }
    let mut seen = std::collections::BTreeSet::new();
    found.retain(|difference| seen.insert(difference.clone()));
    Ok(found)
}

/// A node of one of the two schemas. Either may be on either side: under `not`, the sides are exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Ref {
    graph: usize,
    id: NodeId,
}

impl Ref {
    /// Another node of the same schema.
    const fn to(self, id: NodeId) -> Self {
        Self { graph: self.graph, id }
    }
}

/// What counts as compatible.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct How {
    policy: Policy,
    /// Whether the reader fills in its defaults here before it checks.
    fills_defaults: bool,
}

impl How {
    /// For what is only a step of a proof.
    const STRICT: Self = Self { policy: Policy::Strict, fills_defaults: false };

    const fn without_defaults(self) -> Self {
        Self { fills_defaults: false, ..self }
    }

    fn is_compatible(self, found: &[Difference]) -> bool {
        found.iter().all(|difference| difference.kind.is_compatible(self.policy))
    }
}

/// Differences, with paths relative to the schemas compared.
type Found = Vec<Difference>;

trait Note {
    fn note(&mut self, kind: Kind, path: &str);
    fn add(&mut self, below: &str, found: &[Difference]);
}

impl Note for Found {
    fn note(&mut self, kind: Kind, path: &str) {
        self.push(Difference { kind, path: path.to_owned() });
    }

    fn add(&mut self, below: &str, found: &[Difference]) {
        self.extend(found.iter().map(|difference| {
            let path = match (below, difference.path.as_str()) {
                (below, "") => below.to_owned(),
                ("", path) => path.to_owned(),
                (below, path) => format!("{below}/{path}"),
            };
            Difference { kind: difference.kind, path }
        }));
    }
}

/// Which schemas are compared, for instances of which types, and how.
type Question = (Vec<Ref>, Ref, Types, How);

struct Comparison<'a> {
    graphs: [&'a Graph; 2],
    /// That are left.
    steps: u64,
    /// What is being compared.
    open: Vec<Question>,
    /// The outermost of the open questions whose answer was assumed.
    assumed: usize,
    known: BTreeMap<Question, Rc<[Difference]>>,
    /// Answers that hold if an open question is answered with yes, the outermost of which is named.
    supposed: BTreeMap<Question, (Rc<[Difference]>, usize)>,
    supposed_in_order: Vec<Question>,
    /// The types that instances of a node can have.
    possible: BTreeMap<Ref, Types>,
}

impl<'a> Comparison<'a> {
    fn node(&self, at: Ref) -> &'a Node {
        let [first, second] = self.graphs;
        if at.graph == 0 { first.node(at.id) } else { second.node(at.id) }
    }

    fn spend(&mut self, steps: usize) -> Result<(), TooComplex> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        self.steps = self.steps.checked_sub(steps).ok_or(TooComplex)?;
        Ok(())
    }

    fn accepts(&mut self, at: Ref, instance: &crate::json::Json) -> Result<bool, TooComplex> {
        let [first, second] = self.graphs;
        let graph = if at.graph == 0 { first } else { second };
        Ok(is_valid(graph, at.id, instance, &mut self.steps)?)
    }

    /// What keeps the reader from taking, or distinguishes it in taking, instances of those types for which all the
    /// writers hold.
    fn compare(
        &mut self,
        writers: &[Ref],
        reader: Ref,
        types: Types,
        how: How,
    ) -> Result<Rc<[Difference]>, TooComplex> {
        let followed: Vec<Ref> = writers.iter().map(|writer| self.followed(*writer)).collect();
        let wish = self.followed(reader);
        let found = self.compare_once((followed, wish, types, how))?;
        let Some(first) = writers.first().copied() else { return Ok(found) };
        let mut labels = Found::new();
        if (first, reader) != (self.followed(first), wish) {
            self.labels(first, reader, &mut labels);
        }
        if labels.is_empty() {
            return Ok(found);
        }
        labels.extend(found.iter().cloned());
        Ok(labels.into())
    }

    /// Answers each question once, as far as its answer does not hinge on a question that is still open.
    fn compare_once(&mut self, question: Question) -> Result<Rc<[Difference]>, TooComplex> {
        self.spend(1 + self.open.len() / 4)?;
        if let Some(found) = self.known.get(&question).map(Rc::clone) {
            self.spend(found.len())?;
            return Ok(found);
        }
        if let Some((found, assumed)) = self.supposed.get(&question) {
            self.assumed = self.assumed.min(*assumed);
            return Ok(Rc::clone(found));
        }
        if let Some(index) = self.open.iter().position(|open| *open == question) {
            self.assumed = self.assumed.min(index);
            return Ok(Rc::from([]));
        }
        let index = self.open.len();
        if index >= DEPTH_MAX {
            return Err(TooComplex);
        }
        self.open.push(question.clone());
        let outer = std::mem::replace(&mut self.assumed, usize::MAX);
        let since = self.supposed_in_order.len();
        let (writers, reader, types, how) = &question;
        let found: Rc<[Difference]> = self.answer(writers, *reader, *types, *how)?.into();
        self.open.pop();
        self.spend(found.len())?;
        self.settle(question, &found, index, since);
        self.assumed = self.assumed.min(outer);
        Ok(found)
    }

    /// Remembers an answer. One that is incompatible stands whatever was assumed, since assumptions only help; and
    /// with it falls what was supposed since its question was asked.
    fn settle(&mut self, question: Question, found: &Rc<[Difference]>, index: usize, since: usize) {
        let is_compatible = question.3.is_compatible(found);
        let is_free = self.assumed >= index;
        if !is_compatible || is_free {
            for supposed in self.supposed_in_order.drain(since..) {
                let Some((found, _)) = self.supposed.remove(&supposed) else { continue };
                if is_compatible {
                    self.known.insert(supposed, found);
                }
            }
            self.known.insert(question, Rc::clone(found));
        } else {
            // What hinged on this question hinges on what it hinges on.
            for supposed in self.supposed_in_order.get(since..).unwrap_or_default() {
                if let Some((_, assumed)) = self.supposed.get_mut(supposed) {
                    *assumed = self.assumed;
                }
            }
            self.supposed.insert(question.clone(), (Rc::clone(found), self.assumed));
            self.supposed_in_order.push(question);
        }
        if is_free {
            self.assumed = usize::MAX;
        }
    }

    fn answer(&mut self, writers: &[Ref], reader: Ref, types: Types, how: How) -> Result<Found, TooComplex> {
        let mut found = Found::new();
        let Some(first) = writers.first().copied() else { return Ok(found) };
        self.labels(first, reader, &mut found);
        let labels = found.len();
        let promises = self.conjuncts(writers)?;
        let demands = self.conjuncts(&[reader])?;
        let types = types.and(self.types_of(&promises)?);
        if types.is_empty() || self.node(reader).is_always() && self.node(first).is_always() {
            return Ok(found);
        }
        let how = How { fills_defaults: how.fills_defaults && self.can_fill_defaults(&demands), ..how };
        let read = self.read_types(&promises, &demands, types, &mut found);
        if writers.len() > 1 {
            // What only several schemas together say is no difference to any one of them.
            found
                .retain(|difference| difference.kind != Kind::TypeExtended && difference.kind != Kind::SumTypeExtended);
        }
        let is_listed = self.lists_only_accepted(&promises, reader, types)?;
        if is_listed {
            found.retain(|difference| difference.kind.is_compatible(how.policy));
        }
        if !read.is_empty() {
            self.removals(first, reader, &mut found);
            for (index, demand) in demands.iter().enumerate() {
                for part in Part::ALL {
                    let more = self.demand(&promises, index, *demand, part, read, how, &[])?;
                    // What a list of values shows to hold needs no proof.
                    found.extend(more.into_iter().filter(|one| !is_listed || one.kind.is_compatible(how.policy)));
                }
            }
            let is_longer = self.node(reader).logic.all_of.len() > self.node(first).logic.all_of.len();
            if is_longer && !how.is_compatible(&found) {
                found.note(Kind::ProductTypeExtended, "");
            }
        }
        if !how.is_compatible(&found) && writers.len() == 1 && self.is_equal(first, reader)? {
            found.truncate(labels);
        }
        Ok(found)
    }

    fn labels(&self, writer: Ref, reader: Ref, found: &mut Found) {
        let (written, read) = (&self.node(writer).labels, &self.node(reader).labels);
        let changes = [
            (written.id != read.id, Kind::IdChanged),
            (written.title != read.title, Kind::TitleChanged),
            (written.description != read.description, Kind::DescriptionChanged),
            (written.default != read.default, Kind::DefaultChanged),
        ];
        for (_, kind) in changes.into_iter().filter(|(is_changed, _)| *is_changed) {
            found.note(kind, "");
        }
    }

    /// The nodes that hold wherever these do, each once; those that only refer to others are left out.
    fn conjuncts(&mut self, of: &[Ref]) -> Result<Vec<Ref>, TooComplex> {
        let mut all: Vec<Ref> = Vec::new();
        let mut met: Vec<Ref> = Vec::new();
        let mut open: Vec<Ref> = of.iter().rev().copied().collect();
        while let Some(at) = open.pop() {
            self.spend(1 + met.len() / 16)?;
            if met.contains(&at) {
                continue;
            }
            met.push(at);
            let node = self.node(at);
            let more: Vec<Ref> = node.conjuncts().map(|id| at.to(id)).collect();
            if more.is_empty() || !node.is_plainly_always() || node.in_place().count() > more.len() {
                all.push(at);
            }
            open.extend(more.into_iter().rev());
        }
        Ok(all)
    }

    /// Where a chain of nodes ends that do nothing but refer.
    fn followed(&self, from: Ref) -> Ref {
        let mut at = from;
        while let ([next], true, 1) = (
            self.node(at).logic.references.as_slice(),
            self.node(at).is_plainly_always(),
            self.node(at).in_place().count(),
        ) {
            at = at.to(*next);
        }
        at
    }

    /// Whether one of the promises lists its values, and the reader accepts all of them.
    fn lists_only_accepted(&mut self, promises: &[Ref], reader: Ref, types: Types) -> Result<bool, TooComplex> {
        for promise in promises {
            let node = self.node(*promise);
            let Some(values) = &node.values else { continue };
            let mut holds = true;
            for value in &values.allowed {
                self.spend(1)?;
                let is_asked_for = Types::of(value, Draft::Draft7).is_within(types);
                let is_written = is_asked_for && Types::of(value, node.draft).is_within(node.types);
                holds = holds && (!is_written || self.accepts(reader, value)?);
            }
            if holds {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What is in the way of one demand: nothing, if one of the promises has it hold, or each alternative of one does.
    #[expect(clippy::too_many_arguments, reason = "it recurses over all of them")]
    fn demand(
        &mut self,
        promises: &[Ref],
        index: usize,
        demand: Ref,
        part: Part,
        types: Types,
        how: How,
        split: &[Ref],
    ) -> Result<Found, TooComplex> {
        if !part.is_there(self.node(demand)) {
            return Ok(Found::new());
        }
        let likely = promises.get(index).or_else(|| promises.first()).copied();
        let others = promises.iter().copied().filter(|promise| Some(*promise) != likely);
        let mut obstacles: Option<Found> = None;
        for promise in likely.into_iter().chain(others) {
            self.spend(1)?;
            let found = self.part(promise, promises, demand, part, types, how)?;
            if how.is_compatible(&found) {
                return Ok(found);
            }
            obstacles.get_or_insert(found);
        }
        for promise in promises.iter().filter(|promise| !split.contains(promise)) {
            let node = self.node(*promise);
            for alternatives in [&node.logic.any_of, &node.logic.one_of].into_iter().filter(|list| !list.is_empty()) {
                let split: Vec<Ref> = split.iter().copied().chain([*promise]).collect();
                let mut holds = true;
                for alternative in alternatives {
                    let mut more = self.conjuncts(&[promise.to(*alternative)])?;
                    let types = types.and(self.types_of(&more)?);
                    more.extend(promises);
                    if holds && !types.is_empty() {
                        let found = self.demand(&more, 0, demand, part, types, how, &split)?;
                        holds = how.is_compatible(&found);
                    }
                }
                if holds {
                    return Ok(Found::new());
                }
            }
        }
        Ok(obstacles.unwrap_or_default())
    }

    fn part(
        &mut self,
        promise: Ref,
        promises: &[Ref],
        demand: Ref,
        part: Part,
        types: Types,
        how: How,
    ) -> Result<Found, TooComplex> {
        let pair = Pair { promise, promises, demand, types, how };
        match part {
            Part::Plain => self.plain(&pair),
            Part::AnyOf => self.any_of(&pair),
            Part::OneOf => self.one_of(&pair),
            Part::Not => self.not(&pair),
            Part::Conditional => self.conditional(&pair),
            Part::Unevaluated => self.unevaluated(&pair),
        }
    }

    fn plain(&mut self, pair: &Pair<'_>) -> Result<Found, TooComplex> {
        let (promise, demand, types) = (self.node(pair.promise), self.node(pair.demand), pair.types);
        let mut found = Found::new();
        scalar::values(promise, demand, types, &mut found);
        if types.meets(Types::NUMBER) {
            scalar::numbers(promise, demand, types, &mut found);
        }
        if types.meets(Types::STRING) {
            scalar::strings(promise, demand, &mut found);
        }
        if types.meets(Types::ARRAY) {
            self.array(pair, &mut found)?;
        }
        if types.meets(Types::OBJECT) {
            self.object(pair, &mut found)?;
        }
        Ok(found)
    }
}

/// A promise of the writer and a demand of the reader.
struct Pair<'p> {
    promise: Ref,
    /// All promises that hold beside it.
    promises: &'p [Ref],
    demand: Ref,
    types: Types,
    how: How,
}

/// What can be demanded by one node, each by itself.
#[derive(Clone, Copy)]
enum Part {
    Plain,
    AnyOf,
    OneOf,
    Not,
    Conditional,
    Unevaluated,
}

impl Part {
    const ALL: [Self; 6] = [Self::Plain, Self::AnyOf, Self::OneOf, Self::Not, Self::Conditional, Self::Unevaluated];

    fn is_there(self, node: &Node) -> bool {
        match self {
            Self::Plain => true,
            Self::AnyOf => !node.logic.any_of.is_empty(),
            Self::OneOf => !node.logic.one_of.is_empty(),
            Self::Not => node.logic.not.is_some(),
            Self::Conditional => node.logic.conditional.is_some(),
            Self::Unevaluated => {
                // Where nothing else is applied, what is unevaluated is what is additional.
                let is_alone = node.in_place().next().is_none();
                let has_items = node.array.unevaluated.is_some() && (!is_alone || node.array.contains.is_some());
                node.object.unevaluated.is_some() && !is_alone || has_items
            }
        }
    }
}
