use super::*;
use crate::ClientError;
use levada_model::SeededRng;

const LINGER: Duration = Duration::from_millis(5);

fn at(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn queues() -> Queues {
    let mut queues = Queues::default();
    queues.set_partition_count("orders", 4);
    queues
}

fn push(queues: &mut Queues, partition: i32, now: Duration, batch_bytes: usize) -> bool {
    let record = ProduceRecord { topic: "orders", value: Some(&[0; 50]), ..ProduceRecord::default() };
    let config = ProduceConfig { batch_bytes, ..ProduceConfig::default() };
    queues.push(&record, partition, 0, now, &config).1
}

fn take(queues: &mut Queues, now: Duration) -> Vec<(TopicPartition, Gathered)> {
    queues.take_ready(now, LINGER, usize::MAX).batches
}

#[test]
fn a_batch_goes_when_it_lingered_or_is_full() {
    let mut queues = queues();
    assert!(push(&mut queues, 0, at(0), 1_000));
    assert!(!push(&mut queues, 0, at(1), 1_000), "the sender already waits for this batch");
    let ready = queues.take_ready(at(4), LINGER, usize::MAX);
    assert!(ready.batches.is_empty());
    assert_eq!(ready.next_at, Some(at(5)));
    assert_eq!(take(&mut queues, at(5))[0].1.count, 2);
    assert!(push(&mut queues, 1, at(5), 10), "a full batch wakes the sender");
    assert_eq!(take(&mut queues, at(5)).len(), 1);
}

#[test]
fn a_record_that_would_overflow_a_batch_begins_the_next() {
    let mut queues = queues();
    push(&mut queues, 0, at(0), 120);
    push(&mut queues, 0, at(0), 120);
    let (key, first) = take(&mut queues, at(0)).remove(0);
    assert_eq!(first.count, 1);
    queues.finish(&key, &first, Ok(None));
    assert_eq!(take(&mut queues, at(5)).remove(0).1.count, 1);
}

#[test]
fn one_batch_a_partition_is_under_way_and_order_holds_over_retries() {
    let mut queues = queues();
    push(&mut queues, 0, at(0), 10);
    push(&mut queues, 0, at(0), 10);
    let (key, first) = take(&mut queues, at(0)).remove(0);
    let first_result = Arc::clone(&first.result);
    assert!(take(&mut queues, at(100)).is_empty());
    queues.put_back(&key, first, at(200));
    assert!(take(&mut queues, at(199)).is_empty());
    let (_, again) = take(&mut queues, at(200)).remove(0);
    assert!(Arc::ptr_eq(&again.result, &first_result));
    assert_eq!(again.attempts, 1);
    queues.finish(&key, &again, Ok(Some(0)));
    assert_eq!(take(&mut queues, at(200)).len(), 1);
}

#[test]
fn sequences_follow_each_other_and_start_anew_under_a_new_id() {
    let mut queues = queues();
    for _ in 0..3 {
        push(&mut queues, 0, at(0), 10);
    }
    let stamped = |queues: &mut Queues, id| {
        let (key, mut batch) = take(queues, at(0)).remove(0);
        queues.stamp(&key, &mut batch, (ProducerId(id), 0));
        queues.finish(&key, &batch, Ok(None));
        batch.stamp.unwrap().base_sequence
    };
    assert_eq!(stamped(&mut queues, 7), 0);
    assert_eq!(stamped(&mut queues, 7), 1);
    assert_eq!(stamped(&mut queues, 8), 0);
}

#[test]
fn a_retried_batch_keeps_its_stamp() {
    let mut queues = queues();
    push(&mut queues, 0, at(0), 10);
    let (key, mut batch) = take(&mut queues, at(0)).remove(0);
    queues.stamp(&key, &mut batch, (ProducerId(7), 0));
    let stamp = batch.stamp;
    queues.put_back(&key, batch, at(0));
    let (key, mut batch) = take(&mut queues, at(0)).remove(0);
    queues.stamp(&key, &mut batch, (ProducerId(8), 0));
    assert_eq!(batch.stamp, stamp);
}

#[test]
fn memory_and_totals_follow_the_batches() {
    let mut queues = queues();
    push(&mut queues, 0, at(0), 10);
    push(&mut queues, 1, at(0), 10);
    let buffered = queues.buffered_bytes;
    assert!(buffered > 100);
    let mut batches = take(&mut queues, at(0)).into_iter();
    let (key, batch) = batches.next().unwrap();
    queues.finish(&key, &batch, Ok(Some(3)));
    assert_eq!(queues.buffered_bytes, buffered / 2);
    let (key, batch) = batches.next().unwrap();
    queues.finish(&key, &batch, Err(ClientError::ProducerClosed));
    assert_eq!(queues.buffered_bytes, 0);
    let Totals { acked_records, failed_records, failure, .. } = &queues.totals;
    assert_eq!((*acked_records, *failed_records), (1, 1));
    assert!(matches!(failure, Some(ClientError::ProducerClosed)));
}

#[test]
fn one_request_takes_no_more_than_its_bytes() {
    let mut queues = queues();
    for partition in 0..4 {
        push(&mut queues, partition, at(0), 10);
    }
    let ready = queues.take_ready(at(0), LINGER, 100);
    assert_eq!(ready.batches.len(), 2, "at least one, and none after the limit is passed");
    assert_eq!(ready.next_at, Some(at(0)));
}

#[test]
fn records_without_a_key_stay_together_until_their_batch_is_closed() {
    let mut queues = queues();
    let rng = SeededRng::new(1);
    let first = queues.sticky("orders", 4, &rng);
    assert!((0..20).all(|_| queues.sticky("orders", 4, &rng) == first));
    let mut seen = std::collections::BTreeSet::new();
    for _ in 0..50 {
        queues.close_all();
        seen.insert(queues.sticky("orders", 4, &rng));
    }
    assert_eq!(seen.len(), 4);
}
