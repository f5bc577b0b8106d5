//! The power goes at every call of the disk: an epoch is there wholly or not at all, and what was answered is there.

use crate::rig::*;
use bytes::Bytes;
use levada_log::disk::{SimDisk, sim::Fault};
use levada_stream::Recovered;

const EPOCHS: u8 = 7;
const TOPICS: [(&str, i32, &str); 3] = [("left", 2, "fsync"), ("right", 1, "fsync"), ("fast", 1, "os")];

/// What ended a life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Topics that do not ask for durability lose what they had.
    PowerCut,
    /// They do not.
    Kill,
}

/// The rows of an epoch: so many of each kind as its record says.
fn rows(epoch: u8) -> Vec<String> {
    (0..=epoch % 3).map(|row| format!("{epoch}-{row}")).collect()
}

/// What the statement knows when its life ends.
#[derive(Default)]
struct Known {
    answered: u8,
    asked: u8,
}

/// Lives until the disk dies, or to the end.
async fn live(rig: &Rig) -> Known {
    let mut known = Known::default();
    for (name, partitions, durability) in TOPICS {
        let configs = [("durability", durability)];
        if rig.handle.create_topic(&caller(), name, partitions, &configs).await.is_err() {
            return known;
        }
    }
    let Ok((mut journal, _)) = rig.handle.journal(&caller(), "s").await else { return known };
    for epoch in 0..EPOCHS {
        known.asked = epoch + 1;
        let rows = rows(epoch);
        let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
        let mut outputs = vec![output("left", i32::from(epoch % 2), &rows), output("right", 0, &rows)];
        if epoch % 2 == 1 {
            outputs.push(output("fast", 0, &rows));
        }
        if journal.commit(outputs, Bytes::copy_from_slice(&[epoch])).await.is_err() {
            return known;
        }
        known.answered = epoch + 1;
        if epoch % 3 == 2 {
            // All epochs so far, as one.
            let snapshot = (0..=epoch).map(|epoch| Bytes::copy_from_slice(&[epoch]));
            if journal.snapshot(snapshot).await.is_err() {
                return known;
            }
        }
    }
    known
}

/// The epochs that a journal has, in or behind its snapshot.
fn epochs(recovered: Recovered) -> Vec<u8> {
    let all = recovered.snapshot.unwrap_or_default().into_iter().chain(recovered.epochs);
    all.map(|epoch| epoch[0]).collect()
}

async fn check(rig: &Rig, known: &Known, end: End, what: &str) {
    let (mut journal, recovered) = rig.handle.journal(&caller(), "s").await.unwrap();
    let mut epochs = epochs(recovered);
    let count = u8::try_from(epochs.len()).unwrap();
    assert_eq!(epochs, (0..count).collect::<Vec<_>>(), "{what}");
    assert!((known.answered..=known.asked).contains(&count), "{what}: {count} epochs, {} answered", known.answered);
    for (name, partitions, _) in TOPICS {
        if rig.handle.topic(&caller(), name).is_err() {
            assert_eq!((count, known.asked), (0, 0), "{what}");
            rig.create(name, partitions, &[]).await;
        }
    }
    // The statement goes on.
    let outputs = ["left", "right", "fast"].map(|name| output(name, 0, &["101-0", "101-1", "101-2"]));
    journal.commit(outputs.into(), Bytes::from_static(&[101])).await.unwrap();
    epochs.push(101);
    for (name, ..) in TOPICS {
        let has = |epoch: &u8| name != "fast" || epoch % 2 == 1;
        let mut expected: Vec<String> = epochs.iter().copied().filter(has).flat_map(rows).collect();
        let mut found = rig.rows(name);
        expected.sort();
        found.sort();
        if name == "fast" && end == End::PowerCut {
            assert!(found.iter().all(|row| expected.contains(row)), "{what}: {found:?}");
        } else {
            assert_eq!(found, expected, "{what}: `{name}`");
        }
    }
}

#[tokio::test]
async fn after_a_power_cut_the_sinks_have_the_rows_of_the_epochs_that_the_journal_has() {
    let rig = Rig::new();
    let known = live(&rig).await;
    assert_eq!(known.answered, EPOCHS);
    let calls = rig.disk.calls();
    check(&rig.power_cut(0), &known, End::PowerCut, "nothing failed").await;
    let mut midway = 0;
    for call in 1..calls {
        let fault = if call % 2 == 0 { Fault::Kill } else { Fault::TornWrite };
        let disk = SimDisk::new();
        disk.fail_at(call, fault);
        let what = format!("{fault:?} at call {call}");
        let Some(rig) = Rig::on(disk.clone()) else { continue };
        let known = live(&rig).await;
        midway += u64::from(known.asked > known.answered);
        for seed in [call, call + 1_000] {
            let after = disk.power_cut(seed);
            check(&Rig::on(after).unwrap(), &known, End::PowerCut, &format!("{what}, seed {seed}")).await;
        }
        check(&Rig::on(disk.restart()).unwrap(), &known, End::Kill, &what).await;
        rig.broker.close();
        rig.store.close();
    }
    assert!(midway > 10, "only {midway} epochs were cut through");
}

#[tokio::test]
async fn after_an_error_of_the_disk_nothing_is_in_doubt_for_who_opens_the_journal_again() {
    let rig = Rig::new();
    live(&rig).await;
    let calls = rig.disk.calls();
    for call in 1..calls {
        let disk = SimDisk::new();
        let Some(rig) = Rig::on(disk.clone()) else { continue };
        disk.fail_at(call, Fault::Error(std::io::ErrorKind::Other));
        let known = live(&rig).await;
        let what = format!("an error at call {call}");
        check(&Rig::on(disk.restart()).unwrap(), &known, End::Kill, &what).await;
        rig.broker.close();
        rig.store.close();
    }
}
