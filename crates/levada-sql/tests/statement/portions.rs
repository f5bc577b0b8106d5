//! A statement that is far behind goes on in epochs that are not larger than they should be, and each of them a cut.

use super::{
    made::run_until,
    rig::{Rig, Teller},
    sql::{insert, run_with, tables},
};
use levada_model::Outcome;

const TABLES: &str = "
    CREATE TABLE numbers (n BIGINT) WITH ('format' = 'json');
    CREATE TABLE copies (n BIGINT) WITH ('format' = 'json');
    CREATE TABLE others (n BIGINT) WITH ('format' = 'json');";
const COPY: &str = "INSERT INTO copies SELECT n FROM numbers";
const BATCH: i64 = 1_000;

/// Batches of rows from `first` on, in a partition of `numbers`.
async fn produce(rig: &Rig, partition: i32, first: i64, batches: i64) {
    for batch in 0..batches {
        let first = first + batch * BATCH;
        let rows: Vec<String> = (first..first + BATCH).map(|n| format!("{{\"n\":{n}}}")).collect();
        rig.produce("numbers", partition, &rows.iter().map(String::as_str).collect::<Vec<_>>()).await.unwrap();
    }
}

async fn rig() -> Rig {
    let rig = Rig::new();
    rig.create("numbers", 2, &[]).await;
    rig.create("others", 1, &[]).await;
    rig.create("copies", 1, &[]).await;
    rig
}

fn numbers(rig: &Rig) -> Vec<i64> {
    let number = |row: &String| row.trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap();
    let mut numbers: Vec<i64> = rig.rows("copies").iter().map(number).collect();
    numbers.sort_unstable();
    numbers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_is_far_behind_keeps_what_is_done_and_comes_to_all_ends_together() {
    let mut rig = rig().await;
    produce(&rig, 0, 0, 160).await;
    produce(&rig, 1, 160_000, 16).await;
    let copy = insert("copy", &tables(TABLES), COPY);
    // The first epoch is done, and the power goes.
    let progress = run_until(&rig, &copy, |progress| progress.epochs > 0).await;
    assert!(progress.lag > 0, "{progress:?}");
    rig = rig.power_cut(1);
    let found = numbers(&rig);
    let of_second = found.iter().filter(|n| **n >= 160_000).count();
    assert!((60_000..176_000).contains(&found.len()), "{} rows", found.len());
    assert!(of_second.abs_diff(found.len() / 11) <= 1_000, "{of_second} of {}", found.len());
    let (run, progress) = run_with(&rig, &copy, async || {}).await;
    run.unwrap();
    assert!(progress.epochs >= 2, "{progress:?}");
    assert_eq!(numbers(&rig), (0..176_000).collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_epoch_ends_where_a_transaction_may_be_torn() {
    let rig = rig().await;
    let tables = tables(TABLES);
    let mut teller = Teller::new(&rig, "teller").await;
    teller.write("numbers", 0, "{\"n\":0}").await;
    teller.write("others", 0, "{\"n\":0}").await;
    teller.end(Outcome::Commit).await;
    produce(&rig, 1, 1, 80).await;
    let both = insert("both", &tables, "INSERT INTO copies SELECT n FROM numbers UNION ALL SELECT n FROM others");
    let (run, progress) = run_with(&rig, &both, async || {}).await;
    run.unwrap();
    assert_eq!((progress.epochs, progress.rows_written), (1, 80_002), "{progress:?}");
}
