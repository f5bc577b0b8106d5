//! Some seconds of what `examples/fuzz_plans.rs` does for as long as it is told to, of the same seeds each time.

use fuzz_plans::{
    judge::Verdict,
    tries::{STACK_SIZE, Try},
};

#[path = "../examples/fuzz_plans"]
mod fuzz_plans {
    mod expressions;
    pub(crate) mod judge;
    mod literals;
    mod queries;
    mod tables;
    pub(crate) mod tries;
}
#[path = "../../levada-sql-syntax/examples/fuzz/mutation.rs"]
mod mutation;

const TRIES: u64 = 80;

#[test]
fn queries_that_are_made_up_cost_no_more_than_an_error_and_come_to_the_same_in_a_stream_and_in_batch() {
    let run = || {
        let mut counts = [0; 3];
        for seed in 0..TRIES {
            let mut tried = Try::new(seed);
            let verdict = tried.run().unwrap_or_else(|wrong| panic!("seed {seed}: {wrong}\n{}", tried.sql));
            match verdict {
                Verdict::Refused => counts[0] += 1,
                Verdict::Failed => counts[1] += 1,
                Verdict::Answered => counts[2] += 1,
            }
        }
        counts
    };
    let [refused, failed, answered] =
        std::thread::Builder::new().stack_size(STACK_SIZE).spawn(run).unwrap().join().unwrap();
    assert!(answered > TRIES / 4, "{refused} are refused, {failed} failed, {answered} are answered");
}
