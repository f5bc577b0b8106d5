use super::*;
use levada_model::TopicName;

const NEW: ProducerId = ProducerId(900);

fn who(id: i64, epoch: ProducerEpoch) -> Producer {
    Producer { id: ProducerId(id), epoch }
}

fn partitions(numbers: &[i32]) -> BTreeSet<TopicPartition> {
    let topic = TopicName::new("orders").unwrap();
    numbers.iter().map(|&partition| TopicPartition { topic: topic.clone(), partition }).collect()
}

fn fresh() -> Transaction {
    Transaction::new(ProducerId(7), 1_000, 50)
}

fn init(transaction: &Transaction, expected: Option<Producer>) -> Result<Transaction, TransactionError> {
    match transaction.init(100, 1_000, expected, NEW)? {
        Init::Ready(next) => Ok(next),
        Init::AbortFirst(_) => panic!("nothing goes on"),
    }
}

fn begun(generation: Generation) -> Transaction {
    let ready = init(&fresh(), None).unwrap();
    ready.add(110, who(7, 0), &partitions(&[1, 2]), generation).unwrap().unwrap()
}

fn end(
    transaction: &Transaction,
    producer: Producer,
    outcome: Outcome,
    generation: Generation,
) -> Result<(Producer, Transaction), TransactionError> {
    match transaction.end(200, producer, outcome, generation, NEW)? {
        End::Done(producer) => Ok((producer, transaction.clone())),
        End::Write { marker, after, .. } => Ok((marker, after)),
    }
}

#[test]
fn each_new_producer_of_a_transactional_id_fences_the_one_before() {
    let first = init(&fresh(), None).unwrap();
    assert_eq!(first.producer, who(7, 0));
    let second = init(&first, None).unwrap();
    assert_eq!(second.producer, who(7, 1));
    assert_eq!(second.check(first.producer), Err(TransactionError::Fenced));
    assert_eq!(init(&second, Some(who(7, 0))), Err(TransactionError::Fenced));
    assert_eq!(init(&second, Some(who(8, 1))), Err(TransactionError::Fenced));
}

#[test]
fn a_producer_that_names_its_epoch_goes_on_and_may_ask_twice() {
    let first = init(&fresh(), None).unwrap();
    let second = init(&first, Some(first.producer)).unwrap();
    assert_eq!((second.producer, second.previous), (who(7, 1), Some(who(7, 0))));
    // The answer was lost: the same again.
    assert_eq!(init(&second, Some(first.producer)).unwrap().producer, who(7, 1));
    // Somebody else came in between.
    let other = init(&second, None).unwrap();
    assert_eq!(init(&other, Some(first.producer)), Err(TransactionError::Fenced));
}

#[test]
fn a_producer_id_without_epochs_left_is_replaced() {
    let mut worn = init(&fresh(), None).unwrap();
    worn.producer.epoch = EPOCH_MAX;
    let renewed = init(&worn, None).unwrap();
    assert_eq!((renewed.producer, renewed.previous), (Producer { id: NEW, epoch: 0 }, None));
    let renewed = init(&worn, Some(worn.producer)).unwrap();
    assert_eq!(renewed.previous, Some(worn.producer));
    // Sent again after the change of id, it is given the next epoch, as by Kafka.
    assert!(init(&renewed, Some(worn.producer)).is_ok());
    let mut worn = begun(Generation::Second);
    worn.producer.epoch = EPOCH_MAX;
    let (marker, after) = end(&worn, worn.producer, Outcome::Commit, Generation::Second).unwrap();
    assert_eq!((marker, after.producer), (who(7, ProducerEpoch::MAX), Producer { id: NEW, epoch: 0 }));
    let again = end(&after, worn.producer, Outcome::Commit, Generation::Second).unwrap();
    assert_eq!(again.0, after.producer);
}

#[test]
fn what_goes_on_is_aborted_before_a_new_producer_begins() {
    let ongoing = begun(Generation::First);
    let Ok(Init::AbortFirst(fenced)) = ongoing.init(120, 1_000, None, NEW) else { panic!("it goes on") };
    assert_eq!(fenced.producer, who(7, 1));
    let Some(End::Write { marker, prepared, after }) = ongoing.abort(120, NEW) else { panic!("it goes on") };
    assert_eq!((marker, prepared.partitions), (who(7, 1), partitions(&[1, 2])));
    assert_eq!(after.status, Status::Complete(Outcome::Abort));
    assert_eq!(after.abort(130, NEW), None);
    let Some(End::Write { marker, .. }) = begun(Generation::Second).abort(120, NEW) else { panic!("it goes on") };
    assert_eq!(marker, who(7, 2), "fenced, and raised by its end");
}

#[test]
fn partitions_are_added_once_and_only_by_the_present_producer() {
    let ongoing = begun(Generation::First);
    assert_eq!(ongoing.add(120, who(7, 0), &partitions(&[2]), Generation::First), Ok(None));
    let more = ongoing.add(120, who(7, 0), &partitions(&[3]), Generation::First).unwrap().unwrap();
    assert_eq!((more.partitions, more.started_ms, more.updated_ms), (partitions(&[1, 2, 3]), 110, 120));
    assert_eq!(ongoing.add(1, who(8, 0), &partitions(&[1]), Generation::First), Err(TransactionError::InvalidMapping));
    assert_eq!(ongoing.add(1, who(7, 1), &partitions(&[1]), Generation::First), Err(TransactionError::Fenced));
    let one = partitions(&[1]).pop_first().unwrap();
    let nine = partitions(&[9]).pop_first().unwrap();
    assert_eq!(ongoing.verify(who(7, 0), &one), Ok(()));
    assert_eq!(ongoing.verify(who(7, 0), &nine), Err(TransactionError::NotAdded));
}

#[test]
fn in_the_first_generation_an_end_may_be_asked_for_twice_and_the_epoch_stays() {
    let ongoing = begun(Generation::First);
    for outcome in [Outcome::Commit, Outcome::Abort] {
        let (marker, after) = end(&ongoing, who(7, 0), outcome, Generation::First).unwrap();
        assert_eq!((marker, after.producer, after.status), (who(7, 0), who(7, 0), Status::Complete(outcome)));
        assert!(after.partitions.is_empty());
        let again = after.end(210, who(7, 0), outcome, Generation::First, NEW);
        assert_eq!(again, Ok(End::Done(who(7, 0))));
        let other = if outcome == Outcome::Commit { Outcome::Abort } else { Outcome::Commit };
        let refused = after.end(210, who(7, 0), other, Generation::First, NEW);
        assert_eq!(refused, Err(TransactionError::InvalidState(Status::Complete(outcome))));
        // The next transaction of the same epoch.
        let next = after.add(220, who(7, 0), &partitions(&[4]), Generation::First).unwrap().unwrap();
        assert_eq!((next.started_ms, next.partitions), (220, partitions(&[4])));
    }
    let empty = init(&fresh(), None).unwrap();
    let refused = end(&empty, who(7, 0), Outcome::Abort, Generation::First);
    assert_eq!(refused, Err(TransactionError::InvalidState(Status::Empty)));
}

#[test]
fn in_the_second_generation_a_delayed_end_cannot_touch_the_next_transaction() {
    let ongoing = begun(Generation::Second);
    let (marker, after) = end(&ongoing, who(7, 0), Outcome::Commit, Generation::Second).unwrap();
    assert_eq!((marker, after.producer), (who(7, 1), who(7, 1)));
    // Sent again, it is told what its first answer said.
    assert_eq!(after.end(1, who(7, 0), Outcome::Commit, Generation::Second, NEW), Ok(End::Done(who(7, 1))));
    let other = after.end(1, who(7, 0), Outcome::Abort, Generation::Second, NEW);
    assert_eq!(other, Err(TransactionError::InvalidState(Status::Complete(Outcome::Commit))));
    let next = after.add(220, who(7, 1), &partitions(&[1]), Generation::Second).unwrap().unwrap();
    for outcome in [Outcome::Commit, Outcome::Abort] {
        assert_eq!(next.end(1, who(7, 0), outcome, Generation::Second, NEW), Err(TransactionError::Fenced));
    }
}

#[test]
fn in_the_second_generation_nothing_can_be_aborted_but_not_committed() {
    let empty = init(&fresh(), None).unwrap();
    let (_, aborted) = end(&empty, who(7, 0), Outcome::Abort, Generation::Second).unwrap();
    assert_eq!((aborted.producer, aborted.status), (who(7, 1), Status::Complete(Outcome::Abort)));
    let (_, again) = end(&aborted, who(7, 1), Outcome::Abort, Generation::Second).unwrap();
    assert_eq!(again.producer, who(7, 2));
    assert!(end(&empty, who(7, 0), Outcome::Commit, Generation::Second).is_err());
    assert!(end(&again, who(7, 2), Outcome::Commit, Generation::Second).is_err());
}

#[test]
fn what_is_decided_waits_and_what_lasts_too_long_is_overdue() {
    let ongoing = begun(Generation::First);
    assert!(!ongoing.is_overdue(1_110) && ongoing.is_overdue(1_111));
    assert!(!ongoing.is_unused(1 << 40, 5));
    let Ok(End::Write { prepared, after, .. }) = ongoing.end(200, who(7, 0), Outcome::Commit, Generation::First, NEW)
    else {
        panic!("it is written")
    };
    assert!(!prepared.is_overdue(1 << 40) && after.is_unused(205, 5) && !after.is_unused(204, 5));
    let concurrent = Err(TransactionError::Concurrent);
    assert_eq!(prepared.end(1, who(7, 0), Outcome::Commit, Generation::First, NEW).map(drop), concurrent);
    assert_eq!(prepared.add(1, who(7, 0), &partitions(&[1]), Generation::First).map(drop), concurrent);
    assert_eq!(prepared.init(1, 1, None, NEW).map(drop), concurrent);
}
