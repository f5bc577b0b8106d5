//! Anomalies of transactions, planted one by one: what was aborted shows, what was committed shows in part, offsets and
//! records go their own ways, something stays open.

use super::*;

fn is_committed(op: &Op) -> bool {
    op.is_transaction() && op.outcome == Outcome::Ok
}

fn offset_of(op: &Op) -> (Mark, i64) {
    let Action::Transaction { offsets, .. } = &op.action else { unreachable!() };
    offsets[0]
}

/// The last look at a committed offset.
fn look_at(history: &mut History, wanted: Mark) -> &mut i64 {
    let look = history.ops.iter_mut().rev().find_map(|op| match &mut op.action {
        Action::See { mark, value } if *mark == wanted => Some(value),
        _ => None,
    });
    look.unwrap()
}

fn raw_read_of(history: &mut History, log: Log) -> &mut Vec<Read> {
    let raw = history.ops.iter_mut().find_map(|op| match &mut op.action {
        Action::RawRead { logs, reads } if *logs == [log] => Some(reads),
        _ => None,
    });
    raw.unwrap()
}

#[test]
fn a_committed_transaction_of_which_a_record_is_gone_is_torn() {
    planted("torn transaction", |history| {
        let index = find(history, 1_000, |op| is_committed(op) && op.sends().len() > 1);
        let sent = history.ops[index].sends()[0];
        full_read_of(history, sent.log).retain(|read| read.seen != Ok(sent.value));
    });
}

#[test]
fn a_committed_transaction_that_is_gone_altogether_is_caught() {
    planted("acknowledged but gone", |history| {
        let index = find(history, 1_000, is_committed);
        for sent in history.ops[index].sends().to_vec() {
            forget(history, sent.log, sent.value);
        }
    });
}

#[test]
fn a_record_of_an_aborted_transaction_that_a_reader_saw_meanwhile_is_caught() {
    planted("aborted read", |history| {
        let index = find(history, 0, |op| op.is_transaction() && op.outcome == Outcome::Fail);
        let sent = history.ops[index].sends()[0];
        let poll = find(history, index, long_poll);
        reads_of(&mut history.ops[poll]).unwrap().push(Read { log: sent.log, offset: 9_999, seen: Ok(sent.value) });
    });
}

#[test]
fn a_record_that_a_reader_saw_before_its_transaction_was_undone_is_caught() {
    planted("read but gone", |history| {
        let index = find(history, 0, |op| op.is_transaction() && op.outcome == Outcome::Unknown);
        for sent in history.ops[index].sends().to_vec() {
            let offset = full_read_of(history, sent.log).iter().position(|read| read.seen == Ok(sent.value)).unwrap();
            let offset = i64::try_from(offset).unwrap();
            forget(history, sent.log, sent.value);
            let poll = find(history, index, long_poll);
            reads_of(&mut history.ops[poll]).unwrap().push(Read { log: sent.log, offset, seen: Ok(sent.value) });
        }
    });
}

#[test]
fn a_record_that_is_committed_twice_is_caught_though_full_reads_show_it_once() {
    planted("duplicate", |history| {
        let reads = raw_read_of(history, Log(2));
        let again = Read { offset: i64::try_from(reads.len()).unwrap(), ..reads[4] };
        reads.push(again);
    });
}

#[test]
fn a_record_that_only_readers_of_the_committed_see_is_caught() {
    planted("not there for who reads everything", |history| {
        raw_read_of(history, Log(2)).remove(3);
    });
}

#[test]
fn damage_and_phantoms_are_caught_among_what_was_aborted() {
    planted("damaged", |history| raw_read_of(history, Log(1))[2].seen = Err(Damage::Alien));
    planted("phantom", |history| {
        raw_read_of(history, Log(1))[2].seen = Ok(Value { producer: 77, sequence: 7 });
    });
}

#[test]
fn a_transaction_that_hangs_is_caught() {
    planted("hanging transaction", |history| {
        let index = find(history, 0, |op| matches!(op.action, Action::Ends { high, .. } if high > 3));
        let Action::Ends { stable, .. } = &mut history.ops[index].action else { unreachable!() };
        *stable -= 2;
    });
}

#[test]
fn an_offset_of_an_aborted_transaction_is_caught() {
    planted("offset of an aborted transaction", |history| {
        let (mark, value) =
            history.ops.iter().rfind(|op| op.is_transaction() && op.outcome == Outcome::Fail).map(offset_of).unwrap();
        *look_at(history, mark) = value;
    });
}

#[test]
fn an_offset_whose_records_are_not_there_is_caught() {
    planted("offset without its records", |history| {
        let (mark, value, sends) = history
            .ops
            .iter_mut()
            .rfind(|op| op.is_transaction() && op.outcome == Outcome::Unknown)
            .map(|op| (offset_of(op).0, offset_of(op).1, op.sends().to_vec()))
            .unwrap();
        sends.iter().for_each(|sent| forget(history, sent.log, sent.value));
        *look_at(history, mark) = value;
    });
}

#[test]
fn records_whose_offset_is_not_there_are_caught_though_nobody_knew_how_they_ended() {
    planted("records without their offset", |history| {
        let last = history.ops.iter_mut().rfind(|op| is_committed(op)).unwrap();
        last.outcome = Outcome::Unknown;
        let (mark, value) = offset_of(last);
        *look_at(history, mark) = value - 1;
    });
}

#[test]
fn an_offset_that_was_committed_and_does_not_count_is_caught() {
    planted("mark went back", |history| {
        let (mark, value) = history.ops.iter().rfind(|op| is_committed(op)).map(offset_of).unwrap();
        *look_at(history, mark) = value - 1;
    });
}
