//! Event time: windows close when the watermark has passed them, late rows are counted and left out.

use super::{
    rig::Rig,
    sql::{insert, run_with, tables},
};

const TABLES: &str = "
    CREATE TABLE bids (auction BIGINT, price BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '2' SECOND)
        WITH ('format' = 'json');
    CREATE TABLE sums (window_start TIMESTAMP(3), window_end TIMESTAMP(3), auction BIGINT, bids BIGINT, total BIGINT)
        WITH ('format' = 'json');";

fn bid(second: u32, auction: i64, price: i64) -> String {
    format!("{{\"auction\":{auction},\"price\":{price},\"ts\":\"2026-01-01 00:00:{second:02}.000\"}}")
}

const TUMBLE: &str = "INSERT INTO sums SELECT window_start, window_end, auction, COUNT(*) AS bids, SUM(price) AS total
    FROM TABLE(TUMBLE(TABLE bids, DESCRIPTOR(ts), INTERVAL '10' SECONDS))
    GROUP BY window_start, window_end, auction";

fn row(start: u32, end: u32, rest: &str) -> String {
    let at = |second: u32| format!("2026-01-01 00:00:{second:02}");
    format!(r#"{{"window_start":"{}","window_end":"{}",{rest}}}"#, at(start), at(end))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_is_shown_once_when_the_watermark_has_passed_it_also_over_restarts() {
    let mut rig = Rig::new();
    rig.create("bids", 1, &[]).await;
    rig.create("sums", 1, &[]).await;
    let tables = tables(TABLES);
    let tumble = insert("tumble", &tables, TUMBLE);
    for (life, bids) in [
        vec![bid(1, 1, 10), bid(8, 2, 5)],
        vec![bid(9, 1, 30), bid(11, 1, 7)],
        // The watermark comes to 00:00:10: the first window is closed.
        vec![bid(12, 2, 1), bid(4, 1, 1_000)],
        // What comes for it now is late.
        vec![bid(3, 1, 5_000), bid(22, 2, 2)],
    ]
    .into_iter()
    .enumerate()
    {
        let bids: Vec<&str> = bids.iter().map(String::as_str).collect();
        rig.produce("bids", 0, &bids).await.unwrap();
        let (run, progress) = run_with(&rig, &tumble, async || {}).await;
        run.unwrap();
        assert_eq!(progress.late_rows, u64::from(life == 3));
        rig = rig.power_cut(u64::try_from(life).unwrap());
    }
    let mut rows = rig.rows("sums");
    rows.sort();
    // Rows that come in one epoch with the one that closes their window are not late.
    let expected = [
        row(0, 10, r#""auction":1,"bids":3,"total":1040"#),
        row(0, 10, r#""auction":2,"bids":1,"total":5"#),
        row(10, 20, r#""auction":1,"bids":1,"total":7"#),
        row(10, 20, r#""auction":2,"bids":1,"total":1"#),
    ];
    assert_eq!(rows, expected);
}
