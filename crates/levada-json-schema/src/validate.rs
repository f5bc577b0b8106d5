//! Whether an instance is as a schema says, and where it is not. Every step counts against a budget, and how deep
//! schemas and instances nest is bounded: no pair of them takes for ever or overflows the stack.
//!
//! `format` and the `content…` keywords are annotations. Numbers are exact, however long.

mod array;
mod logic;
mod object;
mod seen;
mod value;

use crate::documents::push_key;
use crate::json::Json;
use crate::json::parser::JsonError;
use crate::node::{Graph, Node, NodeId};
use seen::Seen;

/// Steps that one validation may take; one is some tens of nanoseconds.
pub const VALIDATION_STEPS_MAX: u64 = 2_000_000;
/// How deep schemas may apply each other to an instance and what is in it.
const DEPTH_MAX: usize = 400;
/// Violations that are told of one instance.
pub const VIOLATIONS_MAX: usize = 100;
/// Bytes of a text that are one step.
const BYTES_PER_STEP: usize = 64;

/// Something in an instance that is not as the schema says.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("at `{path}`: {reason}")]
pub struct Violation {
    /// A JSON pointer into the instance, after `#`.
    pub path: String,
    /// What is wrong there.
    pub reason: String,
}

/// Why an instance is not valid.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ValidateError {
    /// It is not JSON, too long, or nests too deep.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// It is not as the schema says; the first [`VIOLATIONS_MAX`] of the ways in which it is not.
    #[error("{}", list(.0))]
    Invalid(Vec<Violation>),
    /// Validation was given up.
    #[error("the instance takes more than {VALIDATION_STEPS_MAX} steps to validate, or nests too deep")]
    TooComplex,
}

fn list(violations: &[Violation]) -> String {
    violations.iter().map(Violation::to_string).collect::<Vec<_>>().join("; ")
}

/// The budget is used up.
#[derive(Debug)]
pub(crate) struct GaveUp;

/// What is wrong with an instance; nothing: it is valid.
pub(crate) fn violations(graph: &Graph, root: NodeId, instance: &Json) -> Result<Vec<Violation>, GaveUp> {
    let mut run = Run::new(graph, VALIDATION_STEPS_MAX);
    run.apply(root, instance, &mut Seen::default())?;
    Ok(run.violations)
}

/// Whether an instance is valid, within a budget that is shared with others.
pub(crate) fn is_valid(graph: &Graph, root: NodeId, instance: &Json, steps: &mut u64) -> Result<bool, GaveUp> {
    let mut run = Run::new(graph, *steps);
    run.silent = 1;
    let result = run.apply(root, instance, &mut Seen::default());
    *steps = run.steps;
    result
}

struct Run<'a> {
    graph: &'a Graph,
    /// That are left.
    steps: u64,
    depth: usize,
    /// How many schemas are applied whose violations are nobody's business.
    silent: usize,
    /// Of the instance that is looked at.
    path: String,
    violations: Vec<Violation>,
}

type Check<'a> = fn(&mut Run<'a>, &'a Node, &Json, &mut Seen) -> Result<bool, GaveUp>;

impl<'a> Run<'a> {
    const fn new(graph: &'a Graph, steps: u64) -> Self {
        Self { graph, steps, depth: 0, silent: 0, path: String::new(), violations: Vec::new() }
    }

    fn spend(&mut self, steps: usize) -> Result<(), GaveUp> {
        let steps = u64::try_from(steps).unwrap_or(u64::MAX);
        self.steps = self.steps.checked_sub(steps).ok_or(GaveUp)?;
        Ok(())
    }

    fn spend_text(&mut self, text: &str) -> Result<(), GaveUp> {
        self.spend(1 + text.len() / BYTES_PER_STEP)
    }

    /// Notes what is wrong, and says that something is.
    fn fail(&mut self, reason: impl FnOnce() -> String) -> bool {
        if self.silent == 0 && self.violations.len() < VIOLATIONS_MAX {
            self.violations.push(Violation { path: format!("#{}", self.path), reason: reason() });
        }
        false
    }

    /// Applies a schema to an instance; where it is valid, what the schema has seen of it is added to `seen`.
    fn apply(&mut self, id: NodeId, instance: &Json, seen: &mut Seen) -> Result<bool, GaveUp> {
        self.spend(1)?;
        if self.depth >= DEPTH_MAX {
            return Err(GaveUp);
        }
        self.depth += 1;
        let result = self.keywords(self.graph.node(id), instance, seen);
        self.depth -= 1;
        result
    }

    fn keywords(&mut self, node: &'a Node, instance: &Json, seen: &mut Seen) -> Result<bool, GaveUp> {
        // What is unevaluated comes last.
        let checks: [Check<'a>; 7] = [
            Self::types_and_values,
            Self::number,
            Self::string,
            Self::array,
            Self::object,
            Self::logic,
            Self::unevaluated,
        ];
        let mut own = Seen::default();
        let mut holds = true;
        for check in checks {
            holds &= check(self, node, instance, &mut own)?;
            if !holds && (self.silent > 0 || self.violations.len() >= VIOLATIONS_MAX) {
                return Ok(false);
            }
        }
        if holds {
            seen.add(own);
        }
        Ok(holds)
    }

    /// Applies a schema of which only the verdict counts.
    fn apply_silently(&mut self, id: NodeId, instance: &Json, seen: &mut Seen) -> Result<bool, GaveUp> {
        self.silent += 1;
        let result = self.apply(id, instance, seen);
        self.silent -= 1;
        result
    }

    /// Applies a schema to a part of the instance.
    fn apply_below(&mut self, id: NodeId, key: &str, part: &Json) -> Result<bool, GaveUp> {
        let end = self.path.len();
        if self.silent == 0 {
            push_key(&mut self.path, key);
        }
        let result = self.apply(id, part, &mut Seen::default());
        self.path.truncate(end);
        result
    }
}
