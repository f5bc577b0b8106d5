//! One try: a query that a seed makes up, and what is wrong with how it went.

use super::{
    judge::{Same, Verdict, judge},
    queries,
};
use crate::mutation::{Dice, mutated};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// As much as the threads have on which a server runs SQL.
pub(crate) const STACK_SIZE: usize = 8 << 20;

/// What is tried.
pub(crate) struct Try {
    pub(crate) sql: String,
    same: Same,
    dice: Dice,
}

impl Try {
    /// What a seed comes to: a query, or one that is changed so that it means something else, or nothing.
    pub(crate) fn new(seed: u64) -> Self {
        let mut dice = Dice::new(seed);
        let (sql, same) = match dice.below(8) {
            0 => {
                let corpus: Vec<String> = (0..3).map(|_| queries::query(&mut dice).0).collect();
                (mutated(&mut dice, &corpus), Same::Nothing)
            }
            1..4 => queries::plain(&mut dice),
            _ => queries::query(&mut dice),
        };
        Self { sql, same, dice }
    }

    /// How it went.
    ///
    /// # Errors
    /// What is wrong.
    pub(crate) fn run(&mut self) -> Result<Verdict, String> {
        let Self { sql, same, dice } = self;
        let outcome = catch_unwind(AssertUnwindSafe(|| judge(sql, *same, dice)));
        outcome.unwrap_or_else(|_| Err("it panicked".to_owned()))
    }
}
