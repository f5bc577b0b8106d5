//! Which schemas read what others wrote: [`incompatibilities`].
//!
//! The rules, their order and what is remembered of a pair are those of Java's `SchemaCompatibility`. Java recurses;
//! here a pair whose parts are not judged yet waits on a list, so that schemas whose cycles entangle cost steps, which
//! are counted, and no stack.
//!
//! Java takes a pair that it is just judging for compatible wherever it meets it again, and remembers what follows
//! from that: so do we, or verdicts would differ.
//!
//! Source: `SchemaCompatibility` of Apache Avro 1.12.

mod incompatibility;
mod plan;

pub use incompatibility::{Incompatibility, IncompatibilityKind};

use crate::schema::{Schema, TypeId};
use plan::{Manner, Part, Plan};
pub(crate) use plan::{is_promotion, is_same_name};
use std::collections::HashMap;
use std::sync::Arc;

/// How many pairs of types may be looked at.
pub const STEPS_MAX: usize = 1_000_000;
/// How many incompatibilities are reported; there are more where there are as many.
pub const INCOMPATIBILITIES_MAX: usize = 1_000;

/// Why two schemas could not be compared: to a registry, they are incompatible.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompatibilityError {
    /// A field of the reader has aliases by which it is several fields of the writer.
    #[error("reader's field `{field}` matches several fields of the writer's record `{record}`")]
    AmbiguousField {
        /// The reader's field.
        field: String,
        /// The writer's record.
        record: String,
    },
    /// The types lead to each other in too many ways.
    #[error("the schemas are too entangled to be compared in {limit} steps")]
    TooComplex {
        /// How many steps there are.
        limit: usize,
    },
}

/// All that keeps `reader` from reading what was written with `writer`, in the order of the reader's fields; none:
/// it reads everything. At most [`INCOMPATIBILITIES_MAX`] are told.
///
/// # Errors
/// [`CompatibilityError`].
pub fn incompatibilities(reader: &Schema, writer: &Schema) -> Result<Vec<Incompatibility>, CompatibilityError> {
    let mut judge = Judge::new(reader, writer);
    let found = judge.judge((reader.root(), writer.root()))?;
    Ok(found.iter().map(|one| Incompatibility::clone(one)).collect())
}

/// A reader's type and a writer's.
pub(crate) type Pair = (TypeId, TypeId);
/// What was found, shared by all that lead there.
pub(crate) type Findings = Arc<[Arc<Incompatibility>]>;

/// Judges pairs of types, each once.
pub(crate) struct Judge<'a> {
    reader: &'a Schema,
    writer: &'a Schema,
    /// What was found of a pair; nothing while it is being judged.
    verdicts: HashMap<Pair, Option<Findings>>,
    paths: Paths,
    steps: usize,
}

/// A pair that waits for the verdicts on its parts.
struct Waiting {
    pair: Pair,
    path: PathId,
    manner: Manner,
    parts: std::vec::IntoIter<Part>,
    found: Vec<Arc<Incompatibility>>,
}

impl<'a> Judge<'a> {
    pub(crate) fn new(reader: &'a Schema, writer: &'a Schema) -> Self {
        Self { reader, writer, verdicts: HashMap::new(), paths: Paths::default(), steps: 0 }
    }

    /// What keeps the pair's reader from reading what its writer writes; paths begin here.
    pub(crate) fn judge(&mut self, pair: Pair) -> Result<Findings, CompatibilityError> {
        let judged = self.judge_parts(pair);
        if judged.is_err() {
            self.verdicts.retain(|_, verdict| verdict.is_some());
        }
        judged
    }

    fn judge_parts(&mut self, pair: Pair) -> Result<Findings, CompatibilityError> {
        let mut waiting: Vec<Waiting> = Vec::new();
        let mut verdict = self.enter(pair, PathId::ROOT, &mut waiting)?;
        while let Some(mut top) = waiting.pop() {
            if let Some(findings) = verdict.take() {
                top.hear(&findings, &mut self.paths);
            }
            match top.next(&mut self.paths) {
                Some((pair, path)) => {
                    waiting.push(top);
                    verdict = self.enter(pair, path, &mut waiting)?;
                }
                None => {
                    let findings: Findings = top.found.into();
                    self.verdicts.insert(top.pair, Some(Arc::clone(&findings)));
                    verdict = Some(findings);
                }
            }
        }
        Ok(verdict.unwrap_or_else(|| Arc::new([])))
    }

    /// The verdict on a pair, if there is one; otherwise it waits for its parts.
    fn enter(
        &mut self,
        pair: Pair,
        path: PathId,
        waiting: &mut Vec<Waiting>,
    ) -> Result<Option<Findings>, CompatibilityError> {
        if let Some(verdict) = self.verdicts.get(&pair) {
            return Ok(Some(verdict.clone().unwrap_or_else(|| Arc::new([]))));
        }
        // Counted before anything is built of them.
        self.steps += 1 + plan::size(self.reader.kind(pair.0)) + plan::size(self.writer.kind(pair.1));
        if self.steps.saturating_add(self.paths.spent) > STEPS_MAX {
            return Err(CompatibilityError::TooComplex { limit: STEPS_MAX });
        }
        let Plan { manner, parts } = plan::plan(self.reader, self.writer, pair, path, &mut self.paths)?;
        self.verdicts.insert(pair, None);
        waiting.push(Waiting { pair, path, manner, parts: parts.into_iter(), found: Vec::new() });
        Ok(None)
    }
}

impl Waiting {
    /// The next part to be judged. What is known without a verdict is taken note of on the way there.
    fn next(&mut self, paths: &mut Paths) -> Option<(Pair, PathId)> {
        loop {
            match self.parts.next() {
                Some(Part::Found(found)) => self.add(Arc::new(found)),
                Some(Part::Pair(pair, path)) => return Some((pair, path)),
                None => break,
            }
        }
        if let Manner::Any(missing) = &self.manner {
            self.add(Arc::new(missing.at(paths.pointer(self.path))));
            self.manner = Manner::All;
        }
        None
    }

    /// Hears the verdict on the part that was next.
    fn hear(&mut self, findings: &Findings, paths: &mut Paths) {
        match &mut self.manner {
            Manner::All => findings.iter().for_each(|found| self.add(Arc::clone(found))),
            Manner::Each(missing) => {
                let missing = missing.pop_front();
                if let Some((missing, path)) = missing.filter(|_| !findings.is_empty()) {
                    self.add(Arc::new(missing.at(paths.pointer(path))));
                }
            }
            Manner::Any(_) if findings.is_empty() => {
                self.manner = Manner::All;
                self.parts = Vec::new().into_iter();
            }
            Manner::Any(_) => {}
        }
    }

    fn add(&mut self, found: Arc<Incompatibility>) {
        if self.found.len() < INCOMPATIBILITIES_MAX {
            self.found.push(found);
        }
    }
}

/// The ways from the root to where incompatibilities are, each step with where it began.
#[derive(Default)]
pub(crate) struct Paths {
    steps: Vec<(PathId, Step)>,
    /// How many steps pointers were made of.
    spent: usize,
}

/// A way that was taken.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PathId(Option<usize>);

impl PathId {
    pub(crate) const ROOT: Self = Self(None);
}

/// One step of a JSON pointer.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Step {
    Name(&'static str),
    Index(usize),
}

impl Paths {
    pub(crate) fn step(&mut self, from: PathId, step: Step) -> PathId {
        self.steps.push((from, step));
        PathId(Some(self.steps.len() - 1))
    }

    /// The JSON pointer, `/` at the root.
    pub(crate) fn pointer(&mut self, path: PathId) -> String {
        let mut steps = Vec::new();
        let mut at = path;
        while let Some(&(from, step)) = at.0.and_then(|index| self.steps.get(index)) {
            steps.push(match step {
                Step::Name(name) => name.to_owned(),
                Step::Index(index) => index.to_string(),
            });
            at = from;
        }
        self.spent = self.spent.saturating_add(steps.len());
        steps.reverse();
        format!("/{}", steps.join("/"))
    }
}
