//! [`Budget`]: the bytes that prepared statements and values of one connection take.

use crate::problem::Problem;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// What they may take together.
const SIZE_MAX: usize = 64 << 20;

/// See the module.
#[derive(Clone, Debug, Default)]
pub(crate) struct Budget(Arc<AtomicUsize>);

/// A part of it, which is given back when this is dropped.
#[derive(Debug)]
pub(crate) struct Held {
    of: Arc<AtomicUsize>,
    size: usize,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.of.fetch_sub(self.size, Ordering::Relaxed);
    }
}

impl Budget {
    /// Takes so many bytes.
    pub(crate) fn take(&self, size: usize) -> Result<Held, Problem> {
        // One connection does one thing at a time: nobody takes in between.
        let taken = self.0.load(Ordering::Relaxed);
        if taken.saturating_add(size) > SIZE_MAX {
            let message = format!("prepared statements and values would take more than {SIZE_MAX} bytes");
            return Err(Problem::new("53000", message).with_hint("DEALLOCATE some, and close portals"));
        }
        self.0.fetch_add(size, Ordering::Relaxed);
        Ok(Held { of: Arc::clone(&self.0), size })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_given_back_can_be_taken_again() {
        let budget = Budget::default();
        let held = budget.take(SIZE_MAX - 1).unwrap();
        assert_eq!(budget.take(2).unwrap_err().code, "53000");
        assert!(budget.take(1).is_ok());
        drop(held);
        assert!(budget.take(SIZE_MAX).is_ok());
        assert_eq!(budget.take(usize::MAX).unwrap_err().code, "53000");
    }
}
