//! Epochs: all of one or nothing, by one owner, and nobody else.

use crate::rig::*;
use bytes::Bytes;
use levada_broker::{
    ValidateOnly,
    auth::{Authorizer, Operation, Resource, op, res},
    config::AlterConfigs,
    topics::AdminError,
};
use levada_log::disk::SimDisk;
use levada_model::Str;
use levada_stream::{Caller, CommitError, HandleError, JOURNAL_PREFIX, Recovered};
use std::sync::Arc;

fn epochs(records: &[&'static str]) -> Recovered {
    let epochs = records.iter().map(|record| Bytes::from_static(record.as_bytes())).collect();
    Recovered { snapshot: None, epochs }
}

#[tokio::test]
async fn an_epoch_is_its_outputs_and_its_record() {
    for durability in ["fsync", "os", "interval"] {
        let rig = Rig::new();
        rig.create("totals", 2, &[("durability", durability)]).await;
        rig.create("other", 1, &[]).await;
        let (mut journal, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
        assert_eq!(recovered, Recovered::default());
        let outputs = vec![output("totals", 0, &["a", "b"]), output("totals", 1, &["c"]), output("other", 0, &["d"])];
        journal.commit(outputs, "one".into()).await.unwrap();
        journal.commit(Vec::new(), "two".into()).await.unwrap();
        journal.commit(vec![output("totals", 1, &["e"]), output("totals", 1, &["f"])], "three".into()).await.unwrap();
        assert_eq!(rig.rows("totals"), ["a", "b", "c", "e", "f"]);
        assert_eq!(rig.rows("other"), ["d"]);
        let (_, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
        assert_eq!(recovered, epochs(&["one", "two", "three"]));
        let (_, recovered) = rig.handle.journal(&caller(), "another").await.unwrap();
        assert_eq!(recovered, Recovered::default());
        let after = rig.power_cut(1);
        assert_eq!(after.rows("other"), ["d"]);
        let (mut journal, recovered) = after.handle.journal(&caller(), "s").await.unwrap();
        assert_eq!(recovered, epochs(&["one", "two", "three"]));
        journal.commit(vec![output("other", 0, &["g"])], "four".into()).await.unwrap();
        assert_eq!(after.rows("other"), ["d", "g"]);
    }
}

#[tokio::test]
async fn who_opens_a_journal_fences_whoever_had_it() {
    let rig = Rig::new();
    rig.create("totals", 1, &[]).await;
    let (mut first, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    first.commit(vec![output("totals", 0, &["a"])], "one".into()).await.unwrap();
    let (mut second, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    assert_eq!(recovered, epochs(&["one"]));
    let late = first.commit(vec![output("totals", 0, &["late"])], "late".into()).await;
    assert_eq!(late, Err(CommitError::Fenced));
    assert!(!first.is_usable());
    assert_eq!(first.commit(Vec::new(), "later".into()).await, Err(CommitError::Unusable));
    second.commit(vec![output("totals", 0, &["b"])], "two".into()).await.unwrap();
    assert_eq!(rig.rows("totals"), ["a", "b"]);
    let (_, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    assert_eq!(recovered, epochs(&["one", "two"]));
}

#[tokio::test]
async fn an_epoch_that_goes_on_ends_when_somebody_else_opens_the_journal() {
    let rig = Rig::new();
    rig.create("totals", 1, &[]).await;
    let (mut first, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    let mut late = Box::pin(first.commit(vec![output("totals", 0, &["late"])], "late".into()));
    assert_eq!(poll_once(&mut late).await, None);
    let (_, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    let outcome = late.await;
    if recovered.epochs.is_empty() {
        assert_eq!(outcome, Err(CommitError::Fenced));
        assert_eq!(rig.rows("totals"), [] as [&str; 0]);
    } else {
        // Its end was on its way already: then all of it counts.
        assert_eq!((outcome, recovered.epochs), (Ok(()), vec![Bytes::from("late")]));
        assert_eq!(rig.rows("totals"), ["late"]);
    }
}

#[tokio::test]
async fn a_commit_that_is_given_up_midway_needs_the_journal_to_be_opened_again() {
    let rig = Rig::new();
    rig.create("totals", 1, &[]).await;
    let (mut journal, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    {
        let mut commit = Box::pin(journal.commit(vec![output("totals", 0, &["a"])], "one".into()));
        assert_eq!(poll_once(&mut commit).await, None);
    }
    assert_eq!(journal.commit(Vec::new(), "two".into()).await, Err(CommitError::Unusable));
    let (mut journal, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    journal.commit(vec![output("totals", 0, &["b"])], "two".into()).await.unwrap();
    // Its end may have been on its way already: then all of it counts.
    let rows: &[&str] = if recovered.epochs.is_empty() { &["b"] } else { &["a", "b"] };
    assert_eq!(rig.rows("totals"), rows);
}

#[tokio::test]
async fn what_a_topic_refuses_keeps_all_of_the_epoch_back_and_the_next_one_is_taken() {
    let rig = Rig::new();
    rig.create("totals", 1, &[("max.message.bytes", "10000")]).await;
    rig.create("stamped", 1, &[("message.timestamp.after.max.ms", "0")]).await;
    let (mut journal, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    let good = || output("totals", 0, &["good"]);
    let large = "x".repeat(20_000);
    let mut late = output("stamped", 0, &["late"]);
    late.records[0].timestamp = START_MS + 1;
    let bad = [output("nowhere", 0, &["bad"]), output("totals", 7, &["bad"]), output("totals", 0, &[&large]), late];
    for bad in bad {
        let topic = bad.topic.clone();
        let refused = journal.commit(vec![good(), bad], "bad".into()).await.unwrap_err();
        assert!(matches!(&refused, CommitError::Refused { topic: refused, .. } if *refused == topic), "{refused}");
        assert!(journal.is_usable());
        assert_eq!(rig.rows("totals"), [] as [&str; 0]);
    }
    let epoch = Bytes::from(vec![0; 5 << 20]);
    assert!(matches!(journal.commit(vec![good()], epoch).await, Err(CommitError::TooLarge { .. })));
    journal.commit(vec![good()], "good".into()).await.unwrap();
    assert_eq!(rig.rows("totals"), ["good"]);
    let (_, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    assert_eq!(recovered, epochs(&["good"]));
}

#[tokio::test]
async fn outputs_of_any_size_are_cut_into_batches_that_fit() {
    let rig = Rig::new();
    rig.create("small", 2, &[("max.message.bytes", "3000"), ("compression.type", "zstd")]).await;
    rig.create("large", 1, &[]).await;
    let (mut journal, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    let rows: Vec<String> = (0..20_000).map(|row| format!("{row:0>100}")).collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let wide: Vec<String> = (0..30).map(|row| format!("{row:0>60000}").repeat(5)).collect();
    let wide: Vec<&str> = wide.iter().map(String::as_str).collect();
    let outputs =
        vec![output("small", 0, &rows[..6_000]), output("large", 0, &wide), output("small", 1, &rows[6_000..])];
    let mut last = outputs[1].clone();
    last.records.clear();
    journal.commit(outputs.into_iter().chain([last]).collect(), "one".into()).await.unwrap();
    assert_eq!(rig.rows("small"), rows);
    assert_eq!(rig.rows("large"), wide);
    assert_eq!(rig.power_cut(3).rows("large"), wide);
}

#[tokio::test]
async fn a_deleted_sink_refuses_and_another_of_its_name_is_written() {
    let rig = Rig::new();
    rig.create("totals", 1, &[]).await;
    let (mut journal, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    journal.commit(vec![output("totals", 0, &["a"])], "one".into()).await.unwrap();
    rig.broker.delete_topic(&rig.grant("totals")).await.unwrap();
    let refused = journal.commit(vec![output("totals", 0, &["b"])], "two".into()).await;
    assert!(matches!(refused, Err(CommitError::Refused { .. })), "{refused:?}");
    rig.create("totals", 1, &[]).await;
    journal.commit(vec![output("totals", 0, &["c"])], "three".into()).await.unwrap();
    assert_eq!(rig.rows("totals"), ["c"]);
}

#[tokio::test]
async fn a_dropped_journal_is_gone_and_its_owner_fenced() {
    let rig = Rig::new();
    rig.create("totals", 1, &[]).await;
    rig.handle.drop_journal("s").await.unwrap();
    let (mut first, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    first.commit(vec![output("totals", 0, &["a"])], "one".into()).await.unwrap();
    let mut late = Box::pin(first.commit(vec![output("totals", 0, &["late"])], "late".into()));
    assert_eq!(poll_once(&mut late).await, None);
    rig.handle.drop_journal("s").await.unwrap();
    // Its end may have been on its way already: then all of it counts.
    let rows: &[&str] = if late.await.is_ok() { &["a", "late"] } else { &["a"] };
    assert_eq!(rig.rows("totals"), rows);
    assert!(rig.handle.topic(&caller(), "_sql_s").is_err());
    let (mut second, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    assert_eq!(recovered, Recovered::default());
    second.commit(Vec::new(), "new".into()).await.unwrap();
    assert_eq!(rig.handle.journal(&caller(), "s").await.unwrap().1, epochs(&["new"]));
}

#[tokio::test]
async fn clients_touch_no_journal() {
    let rig = Rig::new();
    rig.handle.journal(&caller(), "s").await.unwrap();
    let name = format!("{JOURNAL_PREFIX}s");
    assert!(rig.produce(&name, 0, &["forged"]).await.is_err());
    let deleted = rig.broker.delete_topic(&rig.grant(&name)).await;
    assert!(matches!(deleted, Err(AdminError::InternalTopic(_))));
    assert!(rig.broker.delete_records(&rig.grant(&name), 0, -1).await.is_err());
    assert!(rig.broker.create_partitions(&rig.grant(&name), 2, None, ValidateOnly::No).await.is_err());
    for configs in [vec![("retention.ms".into(), Some("1".into()))], Vec::new()] {
        let change = AlterConfigs::Replace(configs);
        assert!(rig.broker.alter_topic_configs(&rig.grant(&name), &change, ValidateOnly::No).await.is_err());
    }
    let created = rig.handle.create_topic(&caller(), "_sql_forged", 1, &[]).await;
    assert!(matches!(created, Err(HandleError::Create(_))), "{created:?}");
    assert!(rig.broker.authorize::<op::Write, res::TransactionalId>(&caller(), &"levada-sql-s".into()).is_err());
    assert!(rig.handle.topic(&caller(), &name).unwrap().is_own);
    assert!(rig.handle.journal(&caller(), "no/topic").await.is_err());
}

struct Readers;

impl Authorizer for Readers {
    fn allows(&self, caller: &Caller, operation: Operation, resource: &Resource) -> bool {
        caller.client_id.as_str() == "admin"
            || (operation != Operation::Write && resource.name != "secret")
            || resource.name == "own"
    }
}

#[tokio::test]
async fn a_statement_reads_and_writes_what_its_caller_may() {
    let rig = Rig::guarded(SimDisk::new(), Arc::new(Readers)).unwrap();
    let admin = Caller { client_id: Str::from("admin"), ..caller() };
    for name in ["own", "secret", "public"] {
        rig.handle.create_topic(&admin, name, 1, &[]).await.unwrap();
    }
    let seen: Vec<String> = rig.handle.topics(&caller()).iter().map(|topic| topic.name.to_string()).collect();
    assert_eq!(seen, ["own", "public"]);
    assert!(matches!(rig.handle.topic(&caller(), "secret"), Err(HandleError::Denied(_))));
    let secret = [rig.handle.topic(&admin, "secret").unwrap().name];
    assert!(matches!(rig.handle.inputs(&caller(), &secret), Err(HandleError::Denied(_))));
    assert!(rig.handle.inputs(&admin, &secret).is_ok());
    let (mut journal, _) = rig.handle.journal(&caller(), "s").await.unwrap();
    let denied = journal.commit(vec![output("own", 0, &["a"]), output("public", 0, &["a"])], "one".into()).await;
    assert!(matches!(denied, Err(CommitError::Denied(_))), "{denied:?}");
    assert_eq!(rig.rows("own"), [] as [&str; 0]);
    journal.commit(vec![output("own", 0, &["a"])], "one".into()).await.unwrap();
    assert_eq!(rig.rows("own"), ["a"]);
}
