//! A second producer that takes contested transactional ids, at moments that suit nobody.

use std::thread::sleep;
use std::time::Duration;

use levada_model::{Rng, SeededRng};

use super::Shared;
use super::lane::Kind;
use crate::history::Op;

const REST_MS_MAX: u64 = 120;

/// Runs until the run finishes. What it does is no operation of the history: those whose id it takes say so.
pub(super) fn run(shared: &Shared) -> Vec<Op> {
    let rng = SeededRng::new(shared.plan.seed ^ 0x52_49_56_41_4c);
    while !shared.course.is_finishing() {
        let Some(mut connection) = shared.course.connect() else { continue };
        while !shared.course.is_finishing() {
            sleep(Duration::from_millis(rng.next_u64() % REST_MS_MAX));
            let writer = u32::try_from(rng.next_u64() % u64::from(shared.plan.writers)).unwrap_or(0);
            let kind = Kind::Contested;
            if connection.init_transactional(&kind.id(writer), kind.timeout()).is_err() {
                break;
            }
        }
    }
    Vec::new()
}
