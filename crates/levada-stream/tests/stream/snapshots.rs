//! Snapshots: whole ones count, and what they stand for goes.

use crate::rig::*;
use bytes::Bytes;
use levada_store::Change;
use levada_stream::{CommitError, HandleError, Recovered};

fn chunks(seed: u8, sizes: &[usize]) -> Vec<Bytes> {
    let chunk = |(index, size): (usize, &usize)| {
        Bytes::from((0..*size).map(|at| u8::try_from((at * 7 + index) % 251).unwrap() ^ seed).collect::<Vec<u8>>())
    };
    sizes.iter().enumerate().map(chunk).collect()
}

#[tokio::test]
async fn a_snapshot_stands_for_the_epochs_before_it() {
    let rig = Rig::new();
    let (mut journal, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    journal.commit(Vec::new(), "one".into()).await.unwrap();
    let first = chunks(1, &[3, 0, 5 << 20, 1 << 20, 17]);
    journal.snapshot(first.iter().cloned()).await.unwrap();
    journal.commit(Vec::new(), "two".into()).await.unwrap();
    let (_, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    assert!(recovered == Recovered { snapshot: Some(first), epochs: vec!["two".into()] });
    let rig = rig.power_cut(5);
    let (mut journal, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    assert_eq!(recovered.snapshot.unwrap().len(), 5);
    let second = chunks(2, &[100; 5_000]);
    journal.snapshot(second.iter().cloned()).await.unwrap();
    journal.commit(Vec::new(), "three".into()).await.unwrap();
    let rig = rig.power_cut(6);
    let (_, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    assert!(recovered == Recovered { snapshot: Some(second), epochs: vec!["three".into()] });
}

#[tokio::test]
async fn an_empty_snapshot_is_one() {
    let rig = Rig::new();
    let (mut journal, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    journal.commit(Vec::new(), "one".into()).await.unwrap();
    journal.snapshot(std::iter::empty()).await.unwrap();
    let (_, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    assert_eq!(recovered, Recovered { snapshot: Some(Vec::new()), epochs: Vec::new() });
}

#[tokio::test]
async fn what_lies_before_a_snapshot_is_taken_away() {
    let rig = Rig::new();
    let (mut journal, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    let inputs = rig.inputs(&["_sql_s"]);
    for round in 0..12 {
        journal.commit(Vec::new(), "epoch".into()).await.unwrap();
        let before = inputs.end();
        journal.snapshot(chunks(round, &[3 << 20]).into_iter()).await.unwrap();
        assert_eq!(inputs.start(), before);
    }
    rig.store.checkpoint().wait().unwrap();
    rig.store.expire().wait().unwrap();
    let size: u64 = rig.store.image().topic("_sql_s").unwrap().logs.iter().map(|log| log.size_bytes()).sum();
    assert!(size < 24 << 20, "{size} bytes are left of 36 MiB");
    let (_, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    assert!(recovered.snapshot.unwrap() == chunks(11, &[3 << 20]));
}

#[tokio::test]
async fn a_snapshot_that_is_not_whole_is_as_if_it_were_not_there() {
    let rig = Rig::new();
    let (mut journal, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    let first = chunks(1, &[2_000_000]);
    journal.snapshot(first.iter().cloned()).await.unwrap();
    journal.commit(Vec::new(), "one".into()).await.unwrap();
    let end = rig.inputs(&["_sql_s"]).end();
    let (sent, never) = (chunks(2, &[1 << 20, 1 << 20]), chunks(3, &[1 << 20; 40]));
    {
        // Given up in its second half.
        let mut begun = Box::pin(journal.snapshot(sent.into_iter().chain(never)));
        while rig.inputs(&["_sql_s"]).end()[0] < end[0] + 3 {
            assert_eq!(poll_once(&mut begun).await, None);
            tokio::task::yield_now().await;
        }
    }
    let expected = Recovered { snapshot: Some(first), epochs: vec!["one".into()] };
    // The same owner goes on, and so does another.
    journal.commit(Vec::new(), "two".into()).await.unwrap();
    let (mut journal, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    let expected = Recovered { epochs: vec!["one".into(), "two".into()], ..expected };
    assert!(recovered == expected);
    let third = chunks(4, &[1 << 20, 5]);
    journal.snapshot(third.iter().cloned()).await.unwrap();
    let rig = rig.power_cut(2);
    let (_, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    assert!(recovered == Recovered { snapshot: Some(third), epochs: Vec::new() });
}

#[tokio::test]
async fn an_owner_that_was_fenced_brings_no_snapshot_about() {
    let rig = Rig::new();
    let (mut first, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    first.commit(Vec::new(), "one".into()).await.unwrap();
    let (mut second, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    second.commit(Vec::new(), "two".into()).await.unwrap();
    assert_eq!(first.snapshot(chunks(1, &[2 << 20]).into_iter()).await, Err(CommitError::Fenced));
    let expected = Recovered { snapshot: None, epochs: vec!["one".into(), "two".into()] };
    assert_eq!(rig.handle.journal(&caller(), "s").await.unwrap().1, expected);
}

#[tokio::test]
async fn a_journal_that_lost_a_part_of_its_snapshot_does_not_open() {
    let rig = Rig::new();
    let (mut journal, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    journal.commit(Vec::new(), "one".into()).await.unwrap();
    journal.snapshot(chunks(1, &[1 << 20, 1 << 20]).into_iter()).await.unwrap();
    journal.commit(Vec::new(), "two".into()).await.unwrap();
    let (id, offset) = (rig.store.image().topic("_sql_s").unwrap().id, rig.inputs(&["_sql_s"]).start()[0] + 1);
    rig.store.commit(vec![Change::SetLogStart { id, partition: 0, offset }]).wait().unwrap().unwrap();
    let opened = rig.handle.journal(&caller(), "s").await;
    assert!(matches!(opened, Err(HandleError::Record { .. })), "{opened:?}");
}
