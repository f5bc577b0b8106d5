//! Reading: cuts that tear nothing, holds, and what is gone.

use crate::rig::*;
use levada_model::{
    Outcome, Rng, SeededRng, TopicName,
    batch::Codec,
    record::{BatchBuilder, NewRecord},
};
use levada_stream::{HandleError, ReadError};
use std::{collections::BTreeMap, time::Duration};

#[tokio::test]
async fn what_was_aborted_or_is_not_committed_yet_is_never_read() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await;
    let (mut good, mut bad) = (Teller::new(&rig, "good").await, Teller::new(&rig, "bad").await);
    let mut expected = Vec::new();
    for round in 0..5 {
        let value = format!("{round}");
        good.write("orders", 0, &value).await;
        bad.write("orders", 0, "bad").await;
        rig.produce("orders", 0, &["plain"]).await.unwrap();
        assert_eq!(rig.rows("orders"), expected);
        bad.end(Outcome::Abort).await;
        bad.write("orders", 0, "later").await;
        bad.end(Outcome::Abort).await;
        assert_eq!(rig.rows("orders"), expected);
        good.end(Outcome::Commit).await;
        expected.extend([value, "plain".to_owned()]);
        assert_eq!(rig.rows("orders"), expected);
    }
    let inputs = rig.inputs(&["orders"]);
    let (start, end) = (inputs.start()[0], inputs.end()[0]);
    for from in start..end {
        let read = inputs.read(0, from, end, 1).unwrap();
        assert!(read.batches.len() <= 1 && read.next > from);
    }
    assert_eq!(rig.power_cut(1).rows("orders"), expected);
}

#[tokio::test]
async fn money_is_never_seen_on_its_way() {
    let rig = Rig::new();
    rig.create("debits", 2, &[]).await;
    rig.create("credits", 3, &[]).await;
    let inputs = rig.inputs(&["debits", "credits"]);
    let rng = SeededRng::new(11);
    let below = |limit: i32| i32::try_from(rng.next_u64() % u64::from(limit.unsigned_abs())).unwrap();
    let mut tellers = Vec::new();
    for number in 0..4 {
        tellers.push((Teller::new(&rig, &format!("teller-{number}")).await, 0));
    }
    let (mut cut, mut total, mut seen) = (inputs.start(), 0, 0);
    for _ in 0..600 {
        let which = usize::try_from(below(4)).unwrap();
        let (teller, step) = &mut tellers[which];
        match *step {
            0 => teller.write("debits", below(2), &format!("-{}", 1 + which)).await,
            1 => teller.write("credits", below(3), &format!("{}", 1 + which)).await,
            _ => teller.end(if below(5) == 0 { Outcome::Abort } else { Outcome::Commit }).await,
        }
        *step = (*step + 1) % 3;
        let next = inputs.cut(&cut).unwrap();
        assert!(cut.iter().zip(&next).all(|(from, to)| from <= to));
        let moved = values(&inputs, &cut, &next).unwrap();
        seen += moved.len();
        total += moved.iter().map(|value| value.parse::<i64>().unwrap()).sum::<i64>();
        assert_eq!(total, 0, "at {next:?}");
        cut = next;
    }
    assert!(seen > 100, "{seen}");
}

#[tokio::test]
async fn no_cut_is_taken_while_a_transaction_is_open_from_before_the_start() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await;
    Teller::new(&rig, "teller").await.write("orders", 0, "open").await;
    let rig = rig.power_cut(1);
    assert_eq!(rig.inputs(&["orders"]).cut(&[]), None);
    Teller::new(&rig, "teller").await;
    assert_eq!(rig.rows("orders"), [] as [&str; 0]);
    let inputs = rig.inputs(&["orders"]);
    assert_eq!(inputs.cut(&[100]).unwrap(), [100], "never below what was asked for");
}

#[tokio::test]
async fn held_records_stay_until_the_hold_goes() {
    let rig = Rig::new();
    let configs = [("retention.ms", "1000"), ("segment.bytes", "1048576"), ("message.timestamp.type", "LogAppendTime")];
    rig.create("orders", 1, &configs).await;
    let inputs = rig.inputs(&["orders"]);
    let filler = "x".repeat(500_000);
    for number in 0..8 {
        rig.produce("orders", 0, &[&format!("{number}{filler}")]).await.unwrap();
    }
    let expire = || {
        rig.clock.advance(Duration::from_hours(1));
        rig.store.checkpoint().wait().unwrap();
        rig.store.expire().wait().unwrap();
        inputs.start()[0]
    };
    rig.store.checkpoint().wait().unwrap();
    let all = rig.handle.hold_all();
    assert_eq!(expire(), 0);
    let hold = inputs.hold(&[4]);
    drop(all);
    let start = expire();
    assert!((1..=4).contains(&start), "{start}");
    assert_eq!(inputs.read(0, 4, 8, 1 << 20).unwrap().batches[0].header().base_offset, 4);
    assert_eq!(inputs.read(0, 0, 8, 1 << 20).unwrap_err(), ReadError::Gone { from: 0, start });
    drop(hold);
    assert!(expire() > 4);
}

#[tokio::test]
async fn held_records_are_not_compacted() {
    let rig = Rig::new();
    let configs = [("cleanup.policy", "compact"), ("segment.ms", "1000"), ("min.cleanable.dirty.ratio", "0")];
    rig.create("accounts", 1, &configs).await;
    assert!(rig.handle.topic(&caller(), "accounts").unwrap().is_compacted);
    let (mut journal, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    for _ in 0..4 {
        journal.commit(vec![output("accounts", 0, &["same", "same"])], "e".into()).await.unwrap();
        rig.clock.advance(Duration::from_secs(5));
    }
    let compact = || {
        rig.clock.advance(Duration::from_hours(1));
        rig.store.checkpoint().wait().unwrap();
        rig.store.compact().wait().unwrap();
        rig.rows("accounts").len()
    };
    let hold = rig.inputs(&["accounts"]).hold(&[0]);
    assert_eq!(compact(), 8);
    drop(hold);
    // The last segment is being written.
    journal.commit(vec![output("accounts", 0, &["last"])], "e".into()).await.unwrap();
    let left = compact();
    assert!(left < 8, "{left}");
}

#[tokio::test]
async fn each_end_of_records_has_its_own_error() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await;
    rig.produce("orders", 0, &["a", "b", "c"]).await.unwrap();
    rig.produce("orders", 0, &["d"]).await.unwrap();
    let inputs = rig.inputs(&["orders"]);
    assert_eq!(values(&inputs, &[1], &[4]).unwrap(), ["b", "c", "d"], "also from within a batch");
    assert_eq!(inputs.read(0, 2, 9, 100_000).unwrap().next, 4);
    assert_eq!(inputs.read(0, 4, 9, 100_000).unwrap_err(), ReadError::Lost { end: 4 });
    rig.broker.delete_records(&rig.grant("orders"), 0, 2).await.unwrap();
    assert_eq!(inputs.read(0, 0, 4, 100_000).unwrap_err(), ReadError::Gone { from: 0, start: 2 });
    assert_eq!(values(&inputs, &[2], &[4]).unwrap(), ["c", "d"]);
    rig.broker.delete_topic(&rig.grant("orders")).await.unwrap();
    assert_eq!(inputs.read(0, 2, 4, 100_000).unwrap_err(), ReadError::Deleted);
    rig.create("orders", 1, &[]).await;
    assert_eq!(inputs.read(0, 2, 4, 100_000).unwrap_err(), ReadError::Deleted, "another topic of the name is another");
    let unknown = [TopicName::new("nowhere").unwrap()];
    assert!(matches!(rig.handle.inputs(&caller(), &unknown), Err(HandleError::UnknownTopic(_))));
}

#[tokio::test]
async fn compressed_batches_and_the_brokers_timestamps_are_understood() {
    let rig = Rig::new();
    rig.create("orders", 1, &[("message.timestamp.type", "LogAppendTime")]).await;
    let mut expected = Vec::new();
    for codec in [Codec::None, Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord { timestamp: 5, value: Some(codec.name().as_bytes()), ..NewRecord::default() });
        let block = levada_compress::compress(codec, builder.records()).unwrap();
        rig.send("orders", 0, builder.finish_with(codec, &block), None).await.unwrap();
        expected.push(codec.name().to_owned());
    }
    assert_eq!(rig.rows("orders"), expected);
    let inputs = rig.inputs(&["orders"]);
    let batch = inputs.read(0, 0, 5, 1).unwrap().batches.pop().unwrap();
    assert_eq!(batch.timestamp(7), START_MS);
    rig.store.checkpoint().wait().unwrap();
    assert_eq!(rig.rows("orders"), expected, "from the files");
}

#[tokio::test]
async fn who_waits_hears_which_partitions_grew() {
    let rig = Rig::new();
    rig.create("orders", 2, &[]).await;
    rig.create("other", 1, &[]).await;
    let inputs = rig.inputs(&["orders", "other"]);
    let mut growth = inputs.growth();
    assert_eq!(poll_once(&mut Box::pin(growth.grown())).await, None);
    rig.produce("orders", 1, &["a"]).await.unwrap();
    rig.produce("orders", 1, &["b"]).await.unwrap();
    rig.produce("other", 0, &["c"]).await.unwrap();
    assert_eq!(growth.grown().await, [1, 2]);
    let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
    for number in 0..20 {
        let mut waiting = Box::pin(growth.grown());
        assert_eq!(poll_once(&mut waiting).await, None, "nothing came since");
        rig.produce("orders", number % 2, &["d"]).await.unwrap();
        waiting.await.into_iter().for_each(|index| *counts.entry(index).or_default() += 1);
    }
    assert_eq!(counts, BTreeMap::from([(0, 10), (1, 10)]));
    rig.broker.delete_topic(&rig.grant("other")).await.unwrap();
    assert_eq!(growth.grown().await, [2], "it is gone");
}
