//! Sessions: what batch makes of them with window functions, and, with late rows, what one row after the other does.

use super::{
    rig::Answer,
    timed::{Case, Row, Seen, compare, moment, planner, shown, state_bytes},
};
use std::collections::BTreeSet;

/// So far apart no row is behind the watermark.
const ENOUGH_MS: i64 = 13_000;
const GAP_MS: i64 = 1_000;

const SESSIONS: &[&str] = &[
    "SELECT window_end, window_start, k, COUNT(*) AS c, SUM(n) AS s, AVG(n) AS m, SUM(d) AS sd, SUM(f) AS sf \
     FROM TABLE(SESSION(TABLE a PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' SECOND)) \
     GROUP BY k, window_start, window_end",
    "SELECT window_end, k AS x, g AS y, MIN(n) AS lo, MAX(f) AS hi, COUNT(DISTINCT n) AS c, SUM(DISTINCT n) AS s, \
     COUNT(*) FILTER (WHERE b) AS t, AVG(DISTINCT d) AS ad, window_time \
     FROM TABLE(SESSION(TABLE a PARTITION BY k, g, DESCRIPTOR(ts), INTERVAL '3' SECONDS)) \
     GROUP BY window_end, window_start, window_time, g, k HAVING COUNT(*) > 1",
    "SELECT window_end, window_start, COUNT(*) AS c, MAX(g) AS g \
     FROM TABLE(SESSION(TABLE a, DESCRIPTOR(ts), INTERVAL '0.5' SECOND)) AS t GROUP BY t.window_start, t.window_end",
    "SELECT window_end, k, SUM(n) AS s, COUNT(*) FILTER (WHERE n < 9) AS few, COUNT(DISTINCT g) AS d \
     FROM TABLE(SESSION(TABLE a PARTITION BY k, DESCRIPTOR(ts), INTERVAL '2' SECOND)) WHERE n > 3 AND b AND k < 3 \
     GROUP BY window_start, window_end, k",
    "SELECT window_end, q, COUNT(*) AS c FROM (SELECT window_end AS window_end, window_start, k AS q, n + k AS m \
     FROM TABLE(SESSION(TABLE a PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' SECOND)) WHERE k IS NOT NULL) AS t \
     WHERE m > 2 GROUP BY window_start, window_end, q",
    // Not by session: rows are held.
    "SELECT window_end, window_start, g, COUNT(*) AS c \
     FROM TABLE(SESSION(TABLE a PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' SECOND)) \
     GROUP BY window_start, window_end, g",
    "SELECT window_end, k, SUM(n) AS s \
     FROM TABLE(SESSION(TABLE a PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' SECOND)) \
     WHERE window_end > ts + INTERVAL '2' SECOND GROUP BY window_start, window_end, k",
    "SELECT window_end, window_start, k, n, g, ts, window_time \
     FROM TABLE(SESSION(TABLE a PARTITION BY k, DESCRIPTOR(ts), INTERVAL '2' SECOND))",
    "SELECT window_end, k, n, g, f, rn FROM (SELECT window_end, k, n, g, f, \
     ROW_NUMBER() OVER (PARTITION BY window_start, window_end, k ORDER BY n DESC, g, f) AS rn \
     FROM TABLE(SESSION(TABLE a PARTITION BY k, DESCRIPTOR(ts), INTERVAL '2' SECOND))) AS t WHERE rn <= 2",
];

fn closed(answer: &mut Answer, watermark: Option<i64>) {
    let end = watermark.map(|watermark| moment(watermark + 1));
    answer.retain(|row, _| end.as_deref().is_some_and(|end| row.split('|').next().unwrap() <= end));
}

#[test]
fn sessions_come_to_what_batch_comes_to() {
    for (number, sql) in SESSIONS.iter().enumerate() {
        let mut all_shown = 0;
        for seed in 0..3 {
            let seed = 100 * u64::try_from(number).unwrap() + seed;
            let case = Case { sql, tables: &[("a", false)], seed, epochs: 20, delay_ms: ENOUGH_MS };
            let mut shown = 0;
            let stats = compare(case, &mut |seen| {
                let mut expected = seen.in_batch(sql);
                closed(&mut expected, seen.watermark());
                shown = expected.len();
                expected
            });
            assert_eq!(stats.late_rows, 0, "{sql}");
            all_shown += shown;
        }
        assert!(all_shown > 3, "{sql}: {all_shown} rows");
    }
}

/// A session of the naive kind.
#[derive(Debug)]
struct Session {
    k: Option<i32>,
    start: i64,
    end: i64,
    rows: Vec<Row>,
    is_closed: bool,
}

/// Each row after the other; the number of late rows.
fn one_by_one(seen: &Seen) -> (Vec<Session>, u64) {
    let (mut sessions, mut late): (Vec<Session>, u64) = (Vec::new(), 0);
    for epoch in 0..seen.watermarks.len() {
        for arrival in seen.arrivals.iter().filter(|arrival| arrival.epoch == epoch) {
            for row in arrival.each() {
                let (start, end) = (row.ts, row.ts + GAP_MS);
                let touches = |it: &Session| !it.is_closed && it.k == row.k && it.start <= end && it.end >= start;
                let (touching, others): (Vec<_>, Vec<_>) = sessions.into_iter().partition(touches);
                sessions = others;
                if touching.is_empty() && end - 1 <= arrival.watermark() {
                    late += 1;
                    continue;
                }
                let mut one = Session { k: row.k, start, end, rows: vec![row], is_closed: false };
                for it in touching {
                    (one.start, one.end) = (one.start.min(it.start), one.end.max(it.end));
                    one.rows.extend(it.rows);
                }
                sessions.push(one);
            }
        }
        let watermark = seen.watermarks[epoch];
        sessions.iter_mut().for_each(|it| it.is_closed |= watermark.is_some_and(|watermark| it.end - 1 <= watermark));
    }
    (sessions, late)
}

#[test]
fn late_rows_of_sessions_are_left_out_and_counted() {
    let sql = "SELECT window_start, window_end, k, COUNT(*) AS c, SUM(n) AS s, COUNT(DISTINCT g) AS d, MIN(n) AS lo, \
               MAX(f) AS hi FROM TABLE(SESSION(TABLE a PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' SECOND)) \
               GROUP BY k, window_start, window_end";
    let mut all_late = 0;
    for seed in 0..20 {
        let case = Case { sql, tables: &[("a", false)], seed, epochs: 25, delay_ms: 1_500 };
        let mut late = 0;
        let stats = compare(case, &mut |seen| {
            let (sessions, is_late) = one_by_one(seen);
            late = is_late;
            let mut expected = Answer::new();
            for it in sessions.iter().filter(|it| it.is_closed) {
                let numbers: Vec<i64> = it.rows.iter().filter_map(|row| row.n).collect();
                let texts: BTreeSet<&String> = it.rows.iter().filter_map(|row| row.g.as_ref()).collect();
                let highest = it.rows.iter().filter_map(|row| row.f).reduce(f64::max);
                let line = [
                    moment(it.start),
                    moment(it.end),
                    shown(it.k),
                    it.rows.len().to_string(),
                    shown((!numbers.is_empty()).then(|| numbers.iter().sum::<i64>())),
                    texts.len().to_string(),
                    shown(numbers.iter().min()),
                    highest.map_or("NULL".to_owned(), |highest| format!("{highest:?}")),
                ];
                *expected.entry(line.join("|")).or_default() += 1;
            }
            expected
        });
        assert_eq!(stats.late_rows, late, "seed {seed}");
        all_late += late;
    }
    assert!(all_late > 100, "{all_late} rows are late");
}

#[test]
fn sessions_that_were_shown_are_forgotten() {
    for sql in SESSIONS {
        let case = |epochs| Case { sql, tables: &[("a", false)], seed: 7, epochs, delay_ms: ENOUGH_MS };
        let (short, long) = (state_bytes(case(30)), state_bytes(case(300)));
        assert!(short > 0 && long < 2 * short, "{sql}: {short} bytes after 30 epochs, {long} after 300");
    }
}

#[test]
fn a_session_takes_no_more_memory_the_more_rows_it_has() {
    let sql = "SELECT window_end, k, COUNT(*) AS c, SUM(n) AS s, MAX(ts) AS m, COUNT(DISTINCT g) AS d \
               FROM TABLE(SESSION(TABLE a PARTITION BY k, DESCRIPTOR(ts), INTERVAL '9' DAYS)) WHERE n > 1 AND k < 4 \
               GROUP BY k, window_start, window_end";
    let case = |epochs| Case { sql, tables: &[("a", false)], seed: 7, epochs, delay_ms: ENOUGH_MS };
    let (short, long) = (state_bytes(case(30)), state_bytes(case(300)));
    assert!(short > 0 && long < 2 * short, "{short} bytes after 30 epochs, {long} after 300");
}

#[test]
fn least_and_greatest_of_rows_that_only_come_take_no_more_memory_the_more_rows_there_are() {
    for sql in [
        "SELECT MIN(ts) AS first, MAX(ts) AS last FROM a",
        "SELECT b, MIN(ts) AS first, MAX(ts) AS last FROM a GROUP BY b",
        "SELECT window_end, MIN(ts) AS first, MAX(ts) AS last \
         FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '90' DAYS)) GROUP BY window_start, window_end",
    ] {
        let case = |epochs| Case { sql, tables: &[("a", false)], seed: 7, epochs, delay_ms: ENOUGH_MS };
        let (short, long) = (state_bytes(case(30)), state_bytes(case(300)));
        assert!(short > 0 && long == short, "{sql}: {short} bytes after 30 epochs, {long} after 300");
    }
    // Where rows go again, the next value has to be known.
    let sql = "SELECT MAX(ts) AS last FROM a";
    let case = |epochs| Case { sql, tables: &[("a", true)], seed: 7, epochs, delay_ms: ENOUGH_MS };
    assert!(state_bytes(case(30)) > 0);
}

#[test]
fn a_plan_of_other_operators_is_another_plan() {
    let sql = super::rig::query("SELECT k, COUNT(*) AS c FROM a GROUP BY k");
    let fingerprint = |is_upsert: bool| planner(&[("a", is_upsert)]).streaming(&sql).unwrap().fingerprint;
    assert_eq!(fingerprint(false), fingerprint(false));
    assert_ne!(fingerprint(false), fingerprint(true), "the last row of each key counts");
}

#[test]
fn what_a_session_cannot_be_is_refused() {
    let refused = |sql: &str| {
        let error = planner(&[("a", false)]).streaming(&super::rig::query(sql)).map(drop).unwrap_err();
        error.to_string()
    };
    let session = "TABLE(SESSION(TABLE a PARTITION BY {k}, DESCRIPTOR({ts}), INTERVAL '1' SECOND))";
    let sql = |k: &str, ts: &str| format!("SELECT * FROM {}", session.replace("{k}", k).replace("{ts}", ts));
    assert!(refused(&sql("q", "ts")).contains('q'), "{}", refused(&sql("q", "ts")));
    assert!(refused(&sql("k", "closed")).contains("`closed` is no event time"));
    let changing = "WITH t AS (SELECT k, ts, COUNT(*) AS c FROM a GROUP BY k, ts) SELECT SUM(c) AS c \
                    FROM TABLE(SESSION(TABLE t PARTITION BY k, DESCRIPTOR(ts), INTERVAL '1' SECOND)) \
                    GROUP BY k, window_start, window_end";
    assert!(refused(changing).contains("event time of rows that may come at any time"), "{}", refused(changing));
}
