//! Kills at every call and cuts of power at every moment: what was synced is replayed, once and in order.

use super::*;
use crate::disk::sim::Fault;
use levada_model::{Rng, SeededRng};

/// What was promised over several lives of one disk.
#[derive(Clone, Debug, Default)]
struct History {
    /// The entries that were given to `append`, in order; each has a number that no other ever had.
    tried: Vec<u64>,
    /// How many of them were synced.
    synced: usize,
    /// The first frame that the checkpoint needs, and how many entries are before it.
    from: (u64, usize),
    numbers_used: u64,
}

impl History {
    fn draw(&mut self, count: u64, size: usize) -> Vec<Entry> {
        let numbers = self.numbers_used..self.numbers_used + count;
        self.numbers_used += count;
        self.tried.extend(numbers.clone());
        numbers.map(|number| numbered(number, size)).collect()
    }

    /// Everything synced is there, in order, once, and nothing that was never appended.
    fn check(&self, replayed: &[u64]) {
        let needed = &self.tried[self.from.1..];
        assert!(replayed.len() <= needed.len() && *replayed == needed[..replayed.len()], "{replayed:?} of {self:?}");
        assert!(self.from.1 + replayed.len() >= self.synced, "{replayed:?} of {self:?}");
    }

    /// What is not there after a restart never was.
    fn goes_on_after(&mut self, replayed: &[u64]) {
        self.tried.truncate(self.from.1 + replayed.len());
        self.synced = self.tried.len();
    }
}

/// Opens, checks, and does rounds of appends, syncs, checkpoints and releases, until the end or the first error.
fn work(disk: &SimDisk, seed: u64, rounds: u64, history: &mut History) -> Result<(), JournalError> {
    let rng = SeededRng::new(seed);
    let (mut journal, replay) = try_open(disk, history.from.0)?;
    let replayed: Vec<u64> = replay.map(|item| item.map(|(_, entry)| number_of(&entry))).collect::<Result<_, _>>()?;
    history.check(&replayed);
    history.goes_on_after(&replayed);
    for _ in 0..rounds {
        let mut round_start = None;
        for _ in 0..1 + rng.next_u64() % 3 {
            let before = history.tried.len();
            let size = usize::try_from(rng.next_u64() % 6_000).expect("small");
            match journal.append(&history.draw(1 + rng.next_u64() % 4, size)) {
                Ok(position) => round_start = round_start.or(Some((position.0, before))),
                Err(JournalError::Full { .. }) => history.tried.truncate(before),
                Err(error) => return Err(error),
            }
        }
        journal.sync()?;
        history.synced = history.tried.len();
        if rng.next_u64().is_multiple_of(3) {
            // The checkpoint is durable elsewhere: everything before this round is no longer needed.
            history.from = round_start.unwrap_or((journal.durable_position().0, history.synced));
            journal.release_before(JournalPosition(history.from.0))?;
        }
        journal.prepare()?;
    }
    Ok(())
}

#[test]
fn a_kill_at_any_call_loses_nothing_nor_does_a_power_cut_in_the_life_after_it() {
    let whole = new_disk();
    work(&whole, 1, 40, &mut History::default()).expect("no fault");
    let calls = whole.calls();
    assert!(calls > 100, "{calls}");
    let mut killed = 0;
    for call in 1..=calls {
        for fault in [Fault::Kill, Fault::TornWrite] {
            let disk = new_disk();
            disk.fail_at(call, fault);
            let mut history = History::default();
            if work(&disk, 1, 40, &mut history).is_err() {
                killed += 1;
                let after = disk.restart();
                work(&after, call, 5, &mut history).expect("goes on");
                work(&after.power_cut(call), call, 0, &mut history).expect("opens again");
            }
        }
    }
    assert!(killed > calls, "{killed} of {calls}");
}

#[test]
fn a_power_cut_at_any_call_loses_nothing_that_was_synced() {
    let whole = new_disk();
    work(&whole, 2, 12, &mut History::default()).expect("no fault");
    for call in 3..=whole.calls() {
        let disk = new_disk();
        disk.fail_at(call, Fault::TornWrite);
        let mut history = History::default();
        assert!(work(&disk, 2, 12, &mut history).is_err());
        for seed in 0..8 {
            let after = disk.power_cut(seed);
            let mut history = history.clone();
            work(&after, seed, 2, &mut history).expect("goes on");
            work(&after.power_cut(seed), seed, 0, &mut history).expect("opens again");
        }
    }
}

/// One life after the other on the same disk, each ended by a cut of power within it.
#[test]
fn a_thousand_power_cuts_lose_nothing_that_was_synced() {
    let mut torn = 0;
    for seed in 0..250 {
        let rng = SeededRng::new(seed);
        let mut disk = new_disk();
        let mut history = History::default();
        for life in 0..4 {
            disk.fail_at(disk.calls() + 1 + rng.next_u64() % 60, Fault::TornWrite);
            assert!(work(&disk, seed * 10 + life, 30, &mut history).is_err(), "the fault comes before the end");
            disk = disk.power_cut(seed * 10 + life);
        }
        torn += u64::from(disk.list(dir()).is_ok_and(|names| names.iter().any(|name| name.name.starts_with("torn"))));
        work(&disk, seed, 3, &mut history).expect("goes on");
    }
    assert!(torn > 20, "{torn} runs saw a torn tail");
}

/// The checks can fail: a journal that does not sync loses something that they see.
#[test]
fn the_checks_see_a_lost_sync() {
    let lost = (0..50).filter(|&seed| {
        let disk = new_disk();
        let mut history = History::default();
        open(&disk, 0).0.append(&history.draw(1, 3_000)).expect("appended");
        history.synced = 1;
        let replayed = numbers_of(open(&disk.power_cut(seed), 0).1);
        std::panic::catch_unwind(|| history.check(&replayed)).is_err()
    });
    assert!(lost.count() > 10);
}
