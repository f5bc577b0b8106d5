//! The checker's own test: a long clean history passes, and each planted anomaly is caught as what it is.

use std::collections::{BTreeMap, HashMap};

use levada_model::{Rng, SeededRng};

mod transactional;

use super::payload::Damage;
use super::*;

const LOGS: u32 = 8;
const PROCESSES: u64 = 10;
const OPS: u64 = 4_000;

fn below(rng: &SeededRng, limit: u64) -> u64 {
    rng.next_u64() % limit
}

fn pick(rng: &SeededRng, limit: u32) -> u32 {
    u32::try_from(below(rng, u64::from(limit))).unwrap()
}

/// Grows a clean history: transactions, plain sends, polls, commits and watermarks, then full reads.
struct Generator {
    rng: SeededRng,
    contents: Vec<Vec<Value>>,
    /// What aborted transactions left, for who reads everything.
    aborted: Vec<(Log, Value)>,
    /// The offsets that transactions committed, by process, and whether they count.
    offsets: BTreeMap<u32, Vec<(i64, bool)>>,
    sequences: Vec<u64>,
    positions: HashMap<(u32, u32), usize>,
    commits: HashMap<(u32, u32), i64>,
    now_ns: u64,
    ops: Vec<Op>,
}

impl Generator {
    fn new(seed: u64) -> Self {
        let logs = usize::try_from(LOGS).unwrap();
        Self {
            rng: SeededRng::new(seed),
            contents: vec![Vec::new(); logs],
            aborted: Vec::new(),
            offsets: BTreeMap::new(),
            sequences: vec![0; logs],
            positions: HashMap::new(),
            commits: HashMap::new(),
            now_ns: 0,
            ops: Vec::new(),
        }
    }

    fn push(&mut self, process: u32, outcome: Outcome, action: Action) {
        self.now_ns += 10;
        let (begun_ns, ended_ns) = (self.now_ns, self.now_ns + 5);
        self.ops.push(Op { process: Process(process), begun_ns, ended_ns, outcome, action });
    }

    fn write(&mut self, process: u32) {
        let fate = below(&self.rng, 100);
        let mut sends = Vec::new();
        for _ in 0..=below(&self.rng, 3) {
            let log = pick(&self.rng, LOGS);
            let index = usize::try_from(log).unwrap();
            let value = Value { producer: process, sequence: self.sequences[index] };
            self.sequences[index] += 1;
            let mut offset = None;
            if fate >= 5 {
                offset = Some(i64::try_from(self.contents[index].len()).unwrap()).filter(|_| fate >= 10);
                self.contents[index].push(value);
            } else {
                self.aborted.push((Log(log), value));
            }
            sends.push(Sent { log: Log(log), value, offset });
        }
        let outcome = match fate {
            0..5 => Outcome::Fail,
            5..10 => Outcome::Unknown,
            _ => Outcome::Ok,
        };
        let action = if fate.is_multiple_of(2) {
            let committed = self.offsets.entry(process).or_default();
            let value = i64::try_from(committed.len()).unwrap();
            committed.push((value, outcome != Outcome::Fail));
            Action::Transaction { sends, reads: Vec::new(), offsets: vec![(mark_of(process), value)] }
        } else {
            Action::Send { sends }
        };
        self.push(process, outcome, action);
    }

    fn read(&mut self, process: u32) {
        let log = pick(&self.rng, LOGS);
        let content = &self.contents[usize::try_from(log).unwrap()];
        let position = self.positions.entry((process, log)).or_default();
        let end = content.len().min(*position + usize::try_from(below(&self.rng, 20)).unwrap());
        let reads = (*position..end).map(|offset| read(log, offset, content[offset])).collect();
        *position = end;
        let (end, high) = (i64::try_from(end).unwrap(), i64::try_from(content.len()).unwrap());
        self.push(process, Outcome::Ok, Action::Poll { reads, moved: Vec::new() });
        self.push(process, Outcome::Ok, Action::See { mark: Mark::High(Log(log)), value: high });
        let mark = Mark::Committed(process, Log(log));
        self.push(process, Outcome::Ok, Action::Move { mark, value: end });
        self.commits.insert((process, log), end);
        self.push(process, Outcome::Ok, Action::See { mark, value: end });
    }

    /// What those see who read what was aborted, too; where each log ends; which offsets count.
    fn look_at_everything(&mut self) {
        for log in 0..LOGS {
            let content = self.contents[usize::try_from(log).unwrap()].clone();
            let aborted = self.aborted.iter().filter(|(of, _)| *of == Log(log)).map(|&(_, value)| value);
            let all: Vec<Value> = content.into_iter().chain(aborted).collect();
            let reads = all.iter().enumerate().map(|(offset, &value)| read(log, offset, value)).collect();
            let high = i64::try_from(all.len()).unwrap();
            self.push(2_000, Outcome::Ok, Action::RawRead { logs: vec![Log(log)], reads });
            self.push(2_000, Outcome::Ok, Action::Ends { log: Log(log), stable: high, high });
        }
        for (process, committed) in self.offsets.clone() {
            let last = committed.into_iter().rfind(|&(_, counts)| counts);
            let value = last.map_or(-1, |(value, _)| value);
            self.push(2_000, Outcome::Ok, Action::See { mark: mark_of(process), value });
        }
    }

    fn finish(mut self) -> History {
        for log in 0..LOGS {
            let content = &self.contents[usize::try_from(log).unwrap()];
            let reads = content.iter().enumerate().map(|(offset, &value)| read(log, offset, value)).collect();
            self.push(1_000 + log, Outcome::Ok, Action::FullRead { logs: vec![Log(log)], reads });
        }
        self.look_at_everything();
        History { logs: (0..LOGS).map(|log| format!("orders-{log}")).collect(), ops: self.ops }
    }
}

/// Where the transactions of a process commit their offsets.
fn mark_of(process: u32) -> Mark {
    Mark::Committed(100 + process, Log(0))
}

fn read(log: u32, offset: usize, value: Value) -> Read {
    Read { log: Log(log), offset: i64::try_from(offset).unwrap(), seen: Ok(value) }
}

fn clean(seed: u64) -> History {
    let mut generator = Generator::new(seed);
    for _ in 0..OPS {
        let process = u32::try_from(below(&generator.rng, PROCESSES)).unwrap();
        if below(&generator.rng, 2) == 0 { generator.write(process) } else { generator.read(process) }
    }
    generator.finish()
}

fn sends_of(op: &mut Op) -> Option<&mut Vec<Sent>> {
    match &mut op.action {
        Action::Send { sends } | Action::Transaction { sends, .. } => Some(sends),
        _ => None,
    }
}

fn reads_of(op: &mut Op) -> Option<&mut Vec<Read>> {
    match &mut op.action {
        Action::Poll { reads, .. } | Action::Transaction { reads, .. } | Action::FullRead { reads, .. } => Some(reads),
        _ => None,
    }
}

/// Takes a value out of every read, as if it had never been there.
fn forget(history: &mut History, log: Log, value: Value) {
    for op in &mut history.ops {
        if let Some(reads) = reads_of(op) {
            reads.retain(|read| (read.log, read.seen) != (log, Ok(value)));
        }
    }
}

fn find(history: &History, from: usize, wanted: impl Fn(&Op) -> bool) -> usize {
    from + history.ops.iter().skip(from).position(wanted).expect("the clean history has one of each")
}

fn is_acknowledged_write(op: &Op) -> bool {
    op.outcome == Outcome::Ok && !op.sends().is_empty()
}

fn long_poll(op: &Op) -> bool {
    matches!(&op.action, Action::Poll { reads, .. } if reads.len() > 6)
}

fn full_read_of(history: &mut History, log: Log) -> &mut Vec<Read> {
    let index = find(history, 0, |op| matches!(&op.action, Action::FullRead { logs, .. } if logs == &[log]));
    reads_of(&mut history.ops[index]).unwrap()
}

/// Plants one anomaly in a clean history and wants the checker to name its kind.
fn planted(kind: &str, plant: impl FnOnce(&mut History)) {
    let mut history = clean(1);
    plant(&mut history);
    let kinds = history.check().kinds();
    assert!(kinds.contains_key(kind), "planted `{kind}`, found {kinds:?}");
}

#[test]
fn clean_histories_pass() {
    for seed in 0..5 {
        let verdict = clean(seed).check();
        assert!(verdict.is_clean(), "seed {seed}: {:?}", verdict.kinds());
    }
}

#[test]
fn a_lost_write_is_caught() {
    planted("lost", |history| {
        let index = find(history, 1_500, is_acknowledged_write);
        let sent = history.ops[index].sends()[0];
        forget(history, sent.log, sent.value);
    });
}

#[test]
fn a_tail_lost_in_a_power_cut_is_caught_and_counted() {
    let mut history = clean(1);
    let index = history.ops.iter().rposition(is_acknowledged_write).unwrap();
    let sent = history.ops[index].sends()[0];
    for op in &mut history.ops {
        if let Some(reads) = reads_of(op) {
            reads.retain(|read| read.log != sent.log || Some(read.offset) < sent.offset);
        }
    }
    let verdict = history.check();
    assert!(verdict.kinds().contains_key("acknowledged but gone"), "{:?}", verdict.kinds());
    assert!(verdict.lost() >= 1);
    assert!(verdict.describe(&history.logs).contains(&format!("orders-{}", sent.log.0)));
}

#[test]
fn a_value_that_was_read_and_then_vanished_is_caught() {
    planted("read but gone", |history| {
        let index = find(history, 500, long_poll);
        let read = history.ops[index].reads()[0];
        full_read_of(history, read.log).retain(|other| other.offset != read.offset);
    });
}

#[test]
fn a_duplicate_is_caught() {
    planted("duplicate", |history| {
        let reads = full_read_of(history, Log(0));
        let again = Read { offset: i64::try_from(reads.len()).unwrap(), ..reads[3] };
        reads.push(again);
    });
}

#[test]
fn two_values_at_one_offset_are_caught() {
    planted("two values at one offset", |history| {
        let index = find(history, 1_000, |op| op.sends().first().is_some_and(|sent| sent.offset > Some(1)));
        sends_of(&mut history.ops[index]).unwrap()[0].offset = Some(0);
    });
}

#[test]
fn a_phantom_is_caught() {
    planted("phantom", |history| {
        let reads = full_read_of(history, Log(1));
        let value = Value { producer: 99, sequence: 0 };
        reads.push(Read { offset: i64::try_from(reads.len()).unwrap(), seen: Ok(value), ..reads[0] });
    });
}

#[test]
fn a_damaged_record_is_caught() {
    planted("damaged", |history| full_read_of(history, Log(1))[5].seen = Err(Damage::Checksum));
}

#[test]
fn an_aborted_read_is_caught() {
    planted("aborted read", |history| {
        let index = find(history, 0, |op| op.outcome == Outcome::Fail);
        let sent = history.ops[index].sends()[0];
        let reads = full_read_of(history, sent.log);
        reads.push(Read { offset: i64::try_from(reads.len()).unwrap(), seen: Ok(sent.value), ..reads[0] });
    });
}

#[test]
fn a_skip_within_a_poll_is_caught() {
    planted("skipped by a poll", |history| {
        let index = find(history, 0, long_poll);
        reads_of(&mut history.ops[index]).unwrap().drain(2..4);
    });
}

#[test]
fn a_skip_between_polls_is_caught_unless_the_position_was_moved() {
    let skip = |history: &mut History| {
        let index = find(history, 2_000, long_poll);
        reads_of(&mut history.ops[index]).unwrap().drain(..2);
        index
    };
    planted("skipped by a poll", |history| {
        skip(history);
    });
    let mut history = clean(1);
    let index = skip(&mut history);
    if let Action::Poll { reads, moved } = &mut history.ops[index].action {
        moved.push(reads[0].log);
    }
    assert!(history.check().is_clean());
}

#[test]
fn a_poll_that_goes_back_is_caught() {
    planted("repeated by a poll", |history| {
        let index = find(history, 0, long_poll);
        let reads = reads_of(&mut history.ops[index]).unwrap();
        let again: Vec<Read> = reads.iter().take(2).copied().collect();
        reads.extend(again);
    });
}

#[test]
fn reordered_sends_are_caught() {
    planted("sends reordered", |history| {
        let first = find(history, 100, |op| is_acknowledged_write(op) && !op.is_transaction());
        let (process, log) = (history.ops[first].process, history.ops[first].sends()[0].log);
        let same = |op: &Op| {
            is_acknowledged_write(op) && op.process == process && op.sends().iter().any(|sent| sent.log == log)
        };
        let second = find(history, first + 1, same);
        let begun_ns = history.ops[first].begun_ns;
        history.ops[first].begun_ns = history.ops[second].begun_ns;
        history.ops[second].begun_ns = begun_ns;
    });
}

#[test]
fn a_read_of_the_own_write_is_caught() {
    planted("read own write", |history| {
        let index = find(history, 200, |op| is_acknowledged_write(op) && op.is_transaction());
        let Action::Transaction { sends, reads, .. } = &mut history.ops[index].action else { unreachable!() };
        let offset = sends[0].offset.unwrap();
        reads.push(Read { log: sends[0].log, offset, seen: Ok(sends[0].value) });
    });
}

#[test]
fn a_torn_transaction_is_caught() {
    planted("torn transaction", |history| {
        let index =
            find(history, 1_000, |op| op.is_transaction() && op.outcome == Outcome::Unknown && op.sends().len() > 1);
        let sent = history.ops[index].sends()[0];
        forget(history, sent.log, sent.value);
    });
}

#[test]
fn a_cycle_is_caught() {
    planted("cycle", |history| {
        let is_write = |op: &Op| is_acknowledged_write(op) && op.is_transaction();
        let first = find(history, 500, is_write);
        let second = find(history, first + 1, is_write);
        for (reader, writer) in [(first, second), (second, first)] {
            let sent = history.ops[writer].sends()[0];
            let read = Read { log: sent.log, offset: sent.offset.unwrap(), seen: Ok(sent.value) };
            reads_of(&mut history.ops[reader]).unwrap().push(read);
        }
    });
}

#[test]
fn an_offset_that_goes_back_in_real_time_is_caught() {
    planted("offset went back", |history| {
        let index = find(history, 2_000, |op| is_acknowledged_write(op) && op.sends()[0].offset > Some(10));
        history.ops[index].begun_ns = history.ops.last().unwrap().ended_ns;
        history.ops[index].ended_ns = history.ops[index].begun_ns + 5;
    });
}

#[test]
fn a_watermark_that_goes_back_is_caught() {
    planted("mark went back", |history| {
        let is_high = |op: &Op| matches!(op.action, Action::See { mark: Mark::High(_), value } if value > 50);
        let index = find(history, 2_000, is_high);
        if let Action::See { value, .. } = &mut history.ops[index].action {
            *value = 1;
        }
    });
}

#[test]
fn a_committed_offset_that_goes_back_is_caught() {
    planted("mark went back", |history| {
        let is_commit = |op: &Op| matches!(op.action, Action::See { mark: Mark::Committed(..), value } if value > 10);
        let index = find(history, 2_000, is_commit);
        if let Action::See { value, .. } = &mut history.ops[index].action {
            *value = 0;
        }
    });
}

#[test]
fn a_committed_offset_that_nobody_committed_is_caught() {
    planted("phantom mark", |history| {
        let is_commit = |op: &Op| matches!(op.action, Action::See { mark: Mark::Committed(..), .. });
        let index = find(history, 2_000, is_commit);
        if let Action::See { value, .. } = &mut history.ops[index].action {
            *value = 1_000_000;
        }
    });
}

#[test]
fn a_history_reads_back_from_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("history");
    let mut history = clean(2);
    full_read_of(&mut history, Log(0))[1].seen = Err(Damage::Short);
    history.save(&path).unwrap();
    let loaded = History::load(&path).unwrap();
    assert_eq!(loaded.ops.len(), history.ops.len());
    assert_eq!(loaded.check().anomalies(), history.check().anomalies());
}
