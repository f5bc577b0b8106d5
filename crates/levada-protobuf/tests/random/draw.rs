//! Choices that repeat from their seed.

use levada_model::{Rng, SeededRng};

pub(crate) struct Draw(SeededRng);

impl Draw {
    pub(crate) const fn new(seed: u64) -> Self {
        Self(SeededRng::new(seed))
    }

    pub(crate) fn any(&self) -> u64 {
        self.0.next_u64()
    }

    /// A number below `count`.
    pub(crate) fn below(&self, count: usize) -> usize {
        usize::try_from(self.any() % u64::try_from(count).unwrap()).unwrap()
    }

    /// True once in `count` times.
    pub(crate) fn once_in(&self, count: usize) -> bool {
        self.below(count) == 0
    }

    pub(crate) fn of<'a, T>(&self, choices: &'a [T]) -> &'a T {
        &choices[self.below(choices.len())]
    }
}
