//! Transactions through the broker: what readers see, what a crash leaves, who is fenced.

#[path = "resend.rs"]
mod resend;

use super::rig::*;
use bytes::Bytes;
use levada_broker::{
    ReadUntil,
    auth::{Grant, op, res},
    consumer_group::{Beat, MemberIdRule},
    coordinator::{CommitPartition, CommitTopic, FetchOffsets, OffsetCommitError},
    fetch::FetchPartition,
    group::{
        HeartbeatError,
        offsets::{Committer, TopicPartition},
    },
    produce::{Acks, ProduceError, ProduceOutcome, ProducePartition, ProduceTopic, ProduceTransaction},
    transaction::{Generation, Producer, Status, TransactionError},
    transactional::{TransactionOffsets, TransactionOffsetsError},
    transactions::{ListTransactions, TransactError},
};
use levada_log::disk::sim::Fault;
use levada_model::{
    Outcome, Str, TopicName,
    batch::{Attributes, Batch, HEADER_SIZE},
    record::{BatchBuilder, NewRecord, ProducerStamp, Records},
};
use levada_store::AppendError;
use std::{collections::BTreeSet, time::Duration};

const TIMEOUT_MS: i32 = 60_000;

fn id(rig: &Rig) -> Grant<op::Write, res::TransactionalId> {
    rig.grant("payments")
}

async fn init(rig: &Rig) -> Producer {
    loop {
        match rig.broker.init_transactional_producer(&id(rig), TIMEOUT_MS, None).await {
            Err(TransactError::Transaction(TransactionError::Concurrent)) => tokio::task::yield_now().await,
            outcome => return outcome.unwrap(),
        }
    }
}

fn batch_of(producer: Producer, sequence: i32, value: &str) -> Bytes {
    let stamp = ProducerStamp { id: producer.id, epoch: producer.epoch, base_sequence: sequence };
    let mut builder = BatchBuilder::new().with_producer(stamp).with_attributes(Attributes::TRANSACTIONAL);
    builder.push(&NewRecord { timestamp: START_MS, key: None, value: Some(value.as_bytes()), headers: &[] });
    builder.finish()
}

async fn produce(
    rig: &Rig,
    generation: Generation,
    producer: Producer,
    to: (&str, i32),
    (sequence, value): (i32, &str),
) -> ProduceOutcome {
    let transaction = ProduceTransaction { id: id(rig), generation };
    let partition = ProducePartition { partition: to.1, records: Some(batch_of(producer, sequence, value)) };
    let topics = vec![ProduceTopic { topic: rig.grant(to.0), partitions: vec![partition] }];
    rig.broker.produce(Acks::All, Some(&transaction), topics).await.pop().unwrap().pop().unwrap()
}

async fn add(rig: &Rig, producer: Producer, topic: &str, partitions: &[i32]) -> Result<(), TransactError> {
    let topic = TopicName::new(topic).unwrap();
    let set = partitions.iter().map(|&partition| TopicPartition { topic: topic.clone(), partition });
    rig.broker.add_partitions(&id(rig), producer, set.collect::<BTreeSet<_>>()).await
}

async fn end(
    rig: &Rig,
    producer: Producer,
    outcome: Outcome,
    generation: Generation,
) -> Result<Producer, TransactError> {
    rig.broker.end_transaction(&id(rig), producer, outcome, generation).await
}

/// The values that a reader of committed records is left with, as a client works them out.
fn committed(rig: &Rig, topic: &str, partition: i32) -> Vec<String> {
    let fetch = FetchPartition {
        partition,
        offset: 0,
        max_bytes: 1 << 20,
        current_leader_epoch: None,
        last_fetched_epoch: None,
        isolation: ReadUntil::LastStable,
        at_least_one: true,
    };
    let fetched = rig.broker.fetch(&rig.grant(topic), &fetch).unwrap();
    let mut aborting = BTreeSet::new();
    let mut values = Vec::new();
    for found in levada_model::batch::split(Bytes::from(fetched.pieces.concat())) {
        let (header, bytes) = found.unwrap();
        let starts = fetched.aborted.iter().filter(|aborted| aborted.first_offset == header.base_offset);
        aborting.extend(starts.map(|aborted| aborted.producer));
        if header.attributes.is_control() {
            aborting.remove(&header.producer().unwrap());
            continue;
        }
        if header.attributes.is_transactional() && header.producer().is_some_and(|it| aborting.contains(&it)) {
            continue;
        }
        Batch::check(bytes.clone()).unwrap();
        for record in Records::new(bytes.slice(HEADER_SIZE..), header.record_count) {
            values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
        }
    }
    values
}

fn open_count(rig: &Rig) -> usize {
    rig.store.image().logs().map(|log| log.open_transactions().len()).sum()
}

#[tokio::test]
async fn what_is_committed_counts_everywhere_at_once_and_what_is_aborted_nowhere() {
    for generation in [Generation::First, Generation::Second] {
        let rig = Rig::new();
        rig.create("orders", 2, &[]).await.unwrap();
        rig.create("fast", 1, &[("durability", "os")]).await.unwrap();
        let mut producer = init(&rig).await;
        let mut expected = Vec::new();
        let mut sequence = 0;
        for round in 0..6 {
            let outcome = if round % 3 == 1 { Outcome::Abort } else { Outcome::Commit };
            if generation == Generation::First {
                add(&rig, producer, "orders", &[0, 1]).await.unwrap();
                add(&rig, producer, "fast", &[0]).await.unwrap();
            } else {
                sequence = 0;
            }
            let value = format!("round-{round}");
            for to in [("orders", 0), ("orders", 1), ("fast", 0)] {
                produce(&rig, generation, producer, to, (sequence, &value)).await.unwrap();
                assert_eq!(committed(&rig, to.0, to.1), expected, "nothing of what goes on is seen");
            }
            sequence += 1;
            producer = end(&rig, producer, outcome, generation).await.unwrap();
            if outcome == Outcome::Commit {
                expected.push(value);
            }
            for to in [("orders", 0), ("orders", 1), ("fast", 0)] {
                assert_eq!(committed(&rig, to.0, to.1), expected, "{to:?} {generation:?}");
            }
        }
        assert_eq!(producer.epoch, if generation == Generation::First { 0 } else { 6 });
        assert_eq!(open_count(&rig), 0);
        let after = rig.power_cut(1);
        for to in [("orders", 0), ("orders", 1)] {
            assert_eq!(committed(&after, to.0, to.1), expected);
        }
        assert_eq!(init(&after).await.id, producer.id, "the transactional id keeps its producer id");
    }
}

#[tokio::test]
async fn a_power_cut_leaves_a_transaction_whole_or_not_at_all_and_none_hangs() {
    for generation in [Generation::First, Generation::Second] {
        let rig = Rig::new();
        rig.create("orders", 3, &[]).await.unwrap();
        let mut producer = init(&rig).await;
        for round in 0..4 {
            let value = format!("round-{round}");
            if generation == Generation::First {
                add(&rig, producer, "orders", &[0, 1, 2]).await.unwrap();
            }
            for partition in 0..3 {
                let sequence = if generation == Generation::First { round } else { 0 };
                let sent = produce(&rig, generation, producer, ("orders", partition), (sequence, &value)).await;
                sent.unwrap();
                let copy = rig.copy_after_power_cut(u64::try_from(round * 3 + partition).unwrap());
                let seen: Vec<_> = (0..3).map(|partition| committed(&copy, "orders", partition)).collect();
                assert!(seen.iter().all(|of| of.len() == usize::try_from(round).unwrap()), "{seen:?}");
                // The producer that comes next finds the way free.
                assert!(init(&copy).await.epoch > producer.epoch);
                assert_eq!(open_count(&copy), 0, "what went on was aborted");
            }
            producer = end(&rig, producer, Outcome::Commit, generation).await.unwrap();
            let copy = rig.copy_after_power_cut(99);
            for partition in 0..3 {
                assert_eq!(committed(&copy, "orders", partition).len(), usize::try_from(round + 1).unwrap());
            }
            assert_eq!(open_count(&copy), 0);
        }
    }
}

#[tokio::test]
async fn a_second_producer_with_the_same_id_fences_the_first() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    let first = init(&rig).await;
    produce(&rig, Generation::Second, first, ("orders", 0), (0, "lost")).await.unwrap();
    let second = init(&rig).await;
    assert_eq!((second.id, second.epoch > first.epoch), (first.id, true));
    let late = produce(&rig, Generation::Second, first, ("orders", 0), (1, "late")).await;
    assert_eq!(late, Err(ProduceError::Transact(TransactionError::Fenced.into())));
    let late = end(&rig, first, Outcome::Commit, Generation::Second).await;
    assert_eq!(late, Err(TransactionError::Fenced.into()));
    produce(&rig, Generation::Second, second, ("orders", 0), (0, "kept")).await.unwrap();
    end(&rig, second, Outcome::Commit, Generation::Second).await.unwrap();
    assert_eq!(committed(&rig, "orders", 0), ["kept"]);
}

#[tokio::test]
async fn a_request_of_two_producers_cannot_pass_with_the_newer_one() {
    let rig = Rig::new();
    rig.create("orders", 2, &[]).await.unwrap();
    let first = init(&rig).await;
    let second = init(&rig).await;
    let transaction = ProduceTransaction { id: id(&rig), generation: Generation::Second };
    let partitions = [(0, first), (1, second)];
    let partitions =
        partitions.map(|(partition, of)| ProducePartition { partition, records: Some(batch_of(of, 0, "late")) });
    let topics = vec![ProduceTopic { topic: rig.grant("orders"), partitions: partitions.to_vec() }];
    let outcomes = rig.broker.produce(Acks::All, Some(&transaction), topics).await.pop().unwrap();
    let refused = Err(ProduceError::Transact(TransactionError::InvalidMapping.into()));
    assert_eq!(outcomes, [refused.clone(), refused]);
    assert_eq!(open_count(&rig), 0);
}

#[tokio::test]
async fn in_the_first_generation_partitions_are_added_before_they_are_written() {
    let rig = Rig::new();
    rig.create("orders", 2, &[]).await.unwrap();
    let producer = init(&rig).await;
    add(&rig, producer, "orders", &[0]).await.unwrap();
    produce(&rig, Generation::First, producer, ("orders", 0), (0, "a")).await.unwrap();
    let stray = produce(&rig, Generation::First, producer, ("orders", 1), (0, "b")).await;
    assert_eq!(stray, Err(ProduceError::Transact(TransactionError::NotAdded.into())));
    let stranger = Producer { epoch: 9, ..producer };
    assert_eq!(add(&rig, stranger, "orders", &[1]).await, Err(TransactionError::Fenced.into()));
    let nobody: Grant<op::Write, res::TransactionalId> = rig.grant("nobody");
    let ended = rig.broker.end_transaction(&nobody, producer, Outcome::Commit, Generation::First).await;
    assert_eq!(ended, Err(TransactionError::InvalidMapping.into()));
}

#[tokio::test]
async fn what_came_too_early_keeps_its_place_before_what_was_sent_behind_it() {
    let rig = Rig::new();
    rig.create("orders", 2, &[]).await.unwrap();
    let producer = init(&rig).await;
    let send = |partition, sequence, value| {
        produce(&rig, Generation::First, producer, ("orders", partition), (sequence, value))
    };
    add(&rig, producer, "orders", &[0]).await.unwrap();
    send(0, 0, "before").await.unwrap();
    let mut ending = Box::pin(end(&rig, producer, Outcome::Commit, Generation::First));
    tokio::select! {
        biased;
        _ = &mut ending => panic!("nobody has told it yet that its write is done"),
        () = std::future::ready(()) => {}
    }
    let mut early = Box::pin(send(1, 0, "a"));
    tokio::select! {
        biased;
        outcome = &mut early => {
            assert_eq!(outcome, Err(ProduceError::Transact(TransactionError::Concurrent.into())));
        }
        () = std::future::ready(()) => panic!("a refusal does not wait"),
    }
    ending.await.unwrap();
    add(&rig, producer, "orders", &[1]).await.unwrap();
    let expected = AppendError::OutOfOrderSequence { producer: producer.id, sent: 1, expected: 0 };
    assert_eq!(send(1, 1, "b").await, Err(expected.into()));
    send(1, 0, "a").await.unwrap();
    send(1, 1, "b").await.unwrap();
    end(&rig, producer, Outcome::Commit, Generation::First).await.unwrap();
    assert_eq!((committed(&rig, "orders", 0), committed(&rig, "orders", 1).len()), (vec!["before".to_owned()], 2));
}

#[tokio::test]
async fn a_transaction_that_lasts_too_long_is_aborted_and_its_producer_fenced() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    let producer = init(&rig).await;
    produce(&rig, Generation::Second, producer, ("orders", 0), (0, "slow")).await.unwrap();
    rig.pass(Duration::from_secs(55)).await;
    assert_eq!(open_count(&rig), 1);
    rig.pass(Duration::from_secs(30)).await;
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_millis(5)).await;
        if open_count(&rig) == 0 {
            break;
        }
    }
    assert_eq!(open_count(&rig), 0);
    let late = end(&rig, producer, Outcome::Commit, Generation::Second).await;
    assert_eq!(late, Err(TransactionError::Fenced.into()));
    assert!(committed(&rig, "orders", 0).is_empty());
}

fn offsets(rig: &Rig, producer: Producer, generation: Generation, offset: i64) -> TransactionOffsets {
    let position = CommitPartition { partition: 0, offset, leader_epoch: None, metadata: Str::new() };
    TransactionOffsets {
        committer: Committer { member_id: Str::new(), instance_id: None, generation: -1 },
        producer,
        generation,
        topics: vec![CommitTopic { topic: rig.grant("orders"), partitions: vec![position] }],
    }
}

async fn commit_offsets(rig: &Rig, producer: Producer, generation: Generation, offset: i64) {
    let group = rig.grant("readers");
    if generation == Generation::First {
        rig.broker.add_offsets(&id(rig), &group, producer).await.unwrap();
    }
    let commit = offsets(rig, producer, generation, offset);
    let outcomes = rig.broker.commit_transaction_offsets(&id(rig), &group, commit).await;
    assert_eq!(outcomes, [[Ok(())]]);
}

fn position(rig: &Rig) -> (Option<i64>, bool) {
    let group = rig.grant("readers");
    let wanted = [FetchOffsets { topic: rig.grant("orders"), partitions: vec![0] }];
    let found = rig.broker.fetch_offsets(&group, &wanted).unwrap().pop().unwrap().pop().unwrap();
    let unstable = rig.broker.unstable_offsets(&group, &wanted).unwrap().pop().unwrap().pop().unwrap();
    (found.map(|committed| committed.offset), unstable)
}

#[tokio::test]
async fn offsets_of_a_transaction_count_when_it_is_committed_and_never_before() {
    for generation in [Generation::First, Generation::Second] {
        let rig = Rig::new();
        rig.create("orders", 1, &[]).await.unwrap();
        let producer = init(&rig).await;
        commit_offsets(&rig, producer, generation, 5).await;
        assert_eq!(position(&rig), (None, true));
        let copy = rig.copy_after_power_cut(3);
        assert_eq!(position(&copy), (None, true), "a restart does not let them count");
        let producer = end(&rig, producer, Outcome::Commit, generation).await.unwrap();
        assert_eq!(position(&rig), (Some(5), false));
        commit_offsets(&rig, producer, generation, 9).await;
        assert_eq!(position(&rig), (Some(5), true));
        let producer = end(&rig, producer, Outcome::Abort, generation).await.unwrap();
        assert_eq!(position(&rig), (Some(5), false));
        commit_offsets(&rig, producer, generation, 12).await;
        end(&rig, producer, Outcome::Commit, generation).await.unwrap();
        let after = rig.power_cut(4);
        assert_eq!(position(&after), (Some(12), false));
    }
}

#[tokio::test]
async fn a_member_of_a_group_of_kip_848_is_held_to_its_epoch_in_a_transaction() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    let producer = init(&rig).await;
    let joining = Beat {
        member_id: "m".into(),
        member_id_rule: MemberIdRule::Own,
        member_epoch: 0,
        instance_id: None,
        rack_id: None,
        rebalance_timeout: Some(Duration::from_secs(60)),
        topics: Some(vec!["orders".into()]),
        pattern: None,
        assignor: None,
        owned: Some(Vec::new()),
        client_id: "test".into(),
        client_host: "/127.0.0.1".into(),
        fresh_member_id: Str::new(),
    };
    rig.broker.consumer_heartbeat(&rig.grant("readers"), &caller(), joining).await.unwrap();
    let group = rig.grant("readers");
    for (member, epoch, error) in [
        ("m", 3, Some(HeartbeatError::IllegalGeneration { sent: 3, current: 2 })),
        ("n", 2, Some(HeartbeatError::UnknownMember("n".into()))),
        ("m", 2, None),
        ("", -1, None),
    ] {
        let committer = Committer { member_id: member.into(), instance_id: None, generation: epoch };
        let commit = TransactionOffsets { committer, ..offsets(&rig, producer, Generation::Second, 5) };
        let outcome = rig.broker.commit_transaction_offsets(&id(&rig), &group, commit).await.remove(0).remove(0);
        let refused = error.map(|error| TransactionOffsetsError::Commit(OffsetCommitError::Group(error)));
        assert_eq!(outcome.err(), refused, "{member} {epoch}");
    }
    end(&rig, producer, Outcome::Commit, Generation::Second).await.unwrap();
    assert_eq!(position(&rig), (Some(5), false));
}

#[tokio::test]
async fn administrators_see_what_goes_on() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    let producer = init(&rig).await;
    let see = || {
        let described = rig.broker.describe_transaction(&rig.grant("payments")).unwrap().unwrap();
        (described.transaction.status, described.transaction.partitions.len())
    };
    assert_eq!(see(), (Status::Empty, 0));
    produce(&rig, Generation::Second, producer, ("orders", 0), (0, "a")).await.unwrap();
    assert_eq!(see(), (Status::Ongoing, 1));
    let list = |states: &[Status]| {
        let list = ListTransactions { states: states.to_vec(), ..ListTransactions::default() };
        rig.broker.list_transactions(&caller(), &list).unwrap().len()
    };
    assert_eq!((list(&[]), list(&[Status::Ongoing]), list(&[Status::Empty])), (1, 1, 0));
    let producers = rig.broker.producers_of(&rig.grant("orders"), 0).unwrap();
    assert_eq!(producers[0].1.transaction_first_offset, Some(0));
    end(&rig, producer, Outcome::Abort, Generation::Second).await.unwrap();
    assert_eq!(see(), (Status::Complete(Outcome::Abort), 0));
    assert!(rig.broker.describe_transaction(&rig.grant("nobody")).unwrap().is_none());
}

/// What a producer was told of one transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Told {
    Ended(Outcome),
    /// It began, and then nothing was heard any more.
    Nothing,
}

const PLACES: [(&str, i32); 3] = [("orders", 0), ("orders", 1), ("fast", 0)];

/// Three transactions over two journalled partitions, one that is not, and a group's position; until one step fails.
async fn story(rig: &Rig, mut producer: Producer) -> Vec<Told> {
    let mut told = Vec::new();
    let group = rig.grant("readers");
    for (number, outcome) in [(1, Outcome::Commit), (2, Outcome::Abort), (3, Outcome::Commit)] {
        told.push(Told::Nothing);
        for to in PLACES {
            let value = format!("t{number}");
            if produce(rig, Generation::Second, producer, to, (0, &value)).await.is_err() {
                return told;
            }
        }
        let commit = offsets(rig, producer, Generation::Second, number);
        let outcomes = rig.broker.commit_transaction_offsets(&id(rig), &group, commit).await;
        if outcomes.iter().flatten().any(Result::is_err) {
            return told;
        }
        match end(rig, producer, outcome, Generation::Second).await {
            Ok(next) => producer = next,
            Err(_) => return told,
        }
        *told.last_mut().unwrap() = Told::Ended(outcome);
    }
    told
}

async fn judge(after: &Rig, told: &[Told], places: &[(&str, i32)], what: &str) {
    init(after).await;
    assert_eq!(open_count(after), 0, "{what}: a transaction hangs");
    let seen: Vec<Vec<String>> = places.iter().map(|to| committed(after, to.0, to.1)).collect();
    let offset = position(after).0.unwrap_or(0);
    for (number, told) in (1..).zip(told) {
        let value = format!("t{number}");
        let count = seen.iter().filter(|of| of.contains(&value)).count();
        match told {
            Told::Ended(Outcome::Commit) => assert_eq!(count, places.len(), "{what}: {value} was committed"),
            Told::Ended(Outcome::Abort) => assert_eq!(count, 0, "{what}: {value} was aborted"),
            Told::Nothing => assert!(count == 0 || count == places.len(), "{what}: {value} is in {count} places"),
        }
        let counts = count > 0;
        if counts {
            assert!(offset >= number, "{what}: {value} counts, its position is {offset}");
        } else if *told != Told::Ended(Outcome::Commit) {
            assert_ne!(offset, number, "{what}: {value} does not count, its position does");
        }
    }
}

#[tokio::test]
async fn a_death_at_calls_of_the_disk_leaves_each_transaction_whole_or_not_at_all() {
    let begin = async || {
        let rig = Rig::new();
        rig.create("orders", 2, &[]).await.unwrap();
        rig.create("fast", 1, &[("durability", "os")]).await.unwrap();
        let producer = init(&rig).await;
        let before = rig.disk.calls();
        (rig, producer, before)
    };
    let (rig, producer, before) = begin().await;
    let told = story(&rig, producer).await;
    let expected = [Outcome::Commit, Outcome::Abort, Outcome::Commit].map(Told::Ended);
    assert_eq!(told, expected);
    let calls = rig.disk.calls() - before;
    assert!(calls > 30, "{calls}");
    for call in 1..=calls {
        for fault in [Fault::Kill, Fault::TornWrite] {
            let (rig, producer, before) = begin().await;
            rig.disk.fail_at(before + call, fault);
            let told = story(&rig, producer).await;
            let what = format!("{fault:?} at call {call} of {calls}");
            judge(&rig.copy_after_kill(), &told, &PLACES, &what).await;
            // What is not journalled may go with the power.
            let cut = rig.copy_after_power_cut(call);
            judge(&cut, &told, &PLACES[..2], &format!("{what}, then a power cut")).await;
        }
    }
}
