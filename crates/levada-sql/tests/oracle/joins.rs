//! Joins in time: of intervals, of windows, and with versions.

use super::{
    rig::{Answer, query},
    timed::{Arrival, Case, Row, Seen, compare, moment, planner, shown, state_bytes},
};
use std::collections::BTreeMap;

const ENOUGH_MS: i64 = 13_000;
const TWO: &[(&str, bool)] = &[("a", false), ("b", false)];

/// A join, the millisecond bounds of `b.ts - a.ts` in it, and the same condition in Rust.
struct Interval {
    on: &'static str,
    before_ms: i64,
    after_ms: i64,
    meet: fn(&Row, &Row) -> bool,
}

const fn apart(a: &Row, b: &Row) -> i64 {
    b.ts - a.ts
}

const INTERVALS: &[Interval] = &[
    Interval {
        on: "a.k = b.k AND b.ts BETWEEN a.ts - INTERVAL '2' SECOND AND a.ts + INTERVAL '4' SECOND",
        before_ms: 2_000,
        after_ms: 4_000,
        meet: |a, b| (-2_000..=4_000).contains(&apart(a, b)),
    },
    Interval {
        on: "a.k = b.k AND a.ts > b.ts - INTERVAL '1' SECOND AND a.ts <= b.ts + INTERVAL '3' SECOND AND a.n < b.n",
        before_ms: 3_000,
        after_ms: 1_000,
        meet: |a, b| (-3_000..1_000).contains(&apart(a, b)) && a.n.zip(b.n).is_some_and(|(a, b)| a < b),
    },
    // Only later ones.
    Interval {
        on: "b.ts >= a.ts + INTERVAL '1' SECOND AND a.ts + INTERVAL '6' SECOND > b.ts AND a.k = b.k",
        before_ms: -1_000,
        after_ms: 6_000,
        meet: |a, b| (1_000..6_000).contains(&apart(a, b)),
    },
    Interval { on: "a.k = b.k AND a.ts = b.ts", before_ms: 0, after_ms: 0, meet: |a, b| a.ts == b.ts },
    // Nothing is within.
    Interval {
        on: "a.k = b.k AND a.ts < b.ts - INTERVAL '2' SECOND AND a.ts > b.ts + INTERVAL '2' SECOND",
        before_ms: -2_000,
        after_ms: -2_000,
        meet: |_, _| false,
    },
];

const KINDS: [(&str, [bool; 2]); 4] = [
    ("JOIN", [false, false]),
    ("LEFT JOIN", [true, false]),
    ("RIGHT JOIN", [false, true]),
    ("FULL JOIN", [true, true]),
];

fn interval_sql(kind: &str, on: &str) -> String {
    format!("SELECT a.k, a.ts, a.n, b.k AS bk, b.ts AS bts, b.n AS bn FROM a {kind} b ON {on}")
}

#[test]
fn intervals_come_to_what_batch_comes_to() {
    for (number, interval) in INTERVALS.iter().enumerate() {
        for (place, (kind, _)) in KINDS.iter().enumerate() {
            let sql = interval_sql(kind, interval.on);
            let seed = u64::try_from(10 * number + place).unwrap();
            let case = Case { sql: &sql, tables: TWO, seed, epochs: 20, delay_ms: ENOUGH_MS };
            let stats = compare(case, &mut |seen| {
                let mut expected = seen.in_batch(&sql);
                let past = |reach: i64| seen.watermark().map(|watermark| moment(watermark - reach));
                let (left, right) = (past(interval.after_ms), past(interval.before_ms));
                // Who has no partner is shown when none can come any more.
                expected.retain(|row, _| {
                    let of: Vec<&str> = row.split('|').collect();
                    let is_past = |at: &str, past: &Option<String>| past.as_deref().is_some_and(|past| at <= past);
                    match (of[1], of[4]) {
                        (at, "NULL") => of[0] == "NULL" || is_past(at, &left),
                        ("NULL", at) => of[3] == "NULL" || is_past(at, &right),
                        _ => true,
                    }
                });
                expected
            });
            assert_eq!(stats.late_rows, 0, "{sql}");
        }
    }
}

fn line(a: Option<&Row>, b: Option<&Row>) -> String {
    let of = |row: Option<&Row>| {
        let of = [shown(row.and_then(|row| row.k)), row.map_or("NULL".to_owned(), |row| moment(row.ts))];
        [of.join("|"), shown(row.and_then(|row| row.n))].join("|")
    };
    format!("{}|{}", of(a), of(b))
}

/// A row that waits for partners, naively.
struct Waiting {
    row: Row,
    side: usize,
    has_partner: bool,
}

/// Each row after the other; the number of late rows.
fn interval_by_interval(seen: &Seen, interval: &Interval, keeps: [bool; 2]) -> (Answer, u64) {
    let (mut answer, mut waiting, mut late) = (Answer::new(), Vec::<Waiting>::new(), 0);
    let reach = [interval.after_ms, interval.before_ms];
    let mut show = |a: Option<&Row>, b: Option<&Row>| *answer.entry(line(a, b)).or_default() += 1;
    let one = |side: usize, row: &Row, show: &mut dyn FnMut(Option<&Row>, Option<&Row>)| {
        if side == 0 { show(Some(row), None) } else { show(None, Some(row)) }
    };
    for (epoch, watermark) in seen.watermarks.iter().enumerate() {
        for arrival in seen.arrivals.iter().filter(|arrival| arrival.epoch == epoch) {
            let side = usize::from(arrival.table == "b");
            for row in arrival.each() {
                late += u64::from(row.ts <= arrival.watermark());
                let mut has_partner = false;
                for other in waiting.iter_mut().filter(|other| other.side != side) {
                    let (a, b) = if side == 0 { (&row, &other.row) } else { (&other.row, &row) };
                    if row.k.is_some() && a.k == b.k && (interval.meet)(a, b) {
                        (has_partner, other.has_partner) = (true, true);
                        show(Some(a), Some(b));
                    }
                }
                if row.k.is_some() && row.ts + reach[side] > arrival.watermark() {
                    waiting.push(Waiting { row, side, has_partner });
                } else if keeps[side] && !has_partner {
                    one(side, &row, &mut show);
                }
            }
        }
        waiting.retain(|it| {
            let is_past = watermark.is_some_and(|watermark| it.row.ts + reach[it.side] <= watermark);
            if is_past && keeps[it.side] && !it.has_partner {
                one(it.side, &it.row, &mut show);
            }
            !is_past
        });
    }
    (answer, late)
}

#[test]
fn late_rows_of_intervals_meet_what_is_remembered_and_are_counted() {
    let mut all_late = 0;
    for (number, interval) in INTERVALS.iter().enumerate() {
        for (place, (kind, keeps)) in KINDS.iter().enumerate() {
            let sql = interval_sql(kind, interval.on);
            let seed = u64::try_from(100 + 10 * number + place).unwrap();
            let case = Case { sql: &sql, tables: TWO, seed, epochs: 25, delay_ms: 1_000 };
            let mut late = 0;
            let stats = compare(case, &mut |seen| {
                let (answer, is_late) = interval_by_interval(seen, interval, *keeps);
                late = is_late;
                answer
            });
            assert_eq!(stats.late_rows, late, "{sql}");
            all_late += late;
        }
    }
    assert!(all_late > 100, "{all_late} rows are late");
}

const WINDOWED: &str = "(SELECT * FROM TABLE(TUMBLE(TABLE {t}, DESCRIPTOR(ts), INTERVAL '4' SECOND)) WHERE {in time})";
const WINDOW_JOINS: &[&str] = &[
    "SELECT x.window_end, x.k, x.n, y.n AS m FROM {a} AS x JOIN {b} AS y \
     ON x.window_start = y.window_start AND x.window_end = y.window_end AND x.k = y.k",
    "SELECT COALESCE(x.window_end, y.window_end) AS window_end, x.k, x.n, y.k AS yk, y.n AS m \
     FROM {a} AS x FULL JOIN {b} AS y \
     ON x.window_start = y.window_start AND x.window_end = y.window_end AND x.k = y.k AND x.n <> y.n",
    "SELECT x.window_end, x.k, x.g, y.c FROM {a} AS x LEFT JOIN \
     (SELECT window_start, window_end, k, COUNT(*) AS c FROM {own b} AS t GROUP BY window_start, window_end, k) AS y \
     ON x.k = y.k AND x.window_end = y.window_end AND x.window_start = y.window_start",
    "SELECT y.window_end, x.k, y.n FROM {a} AS x RIGHT JOIN {b} AS y \
     ON x.window_start = y.window_start AND x.window_end = y.window_end AND x.k = y.k AND x.g = y.g",
    "SELECT x.window_end, x.k, x.n FROM {a} AS x WHERE EXISTS (SELECT 1 FROM {b} AS y \
     WHERE x.window_start = y.window_start AND x.window_end = y.window_end AND x.k = y.k)",
    "SELECT x.window_end, x.k, x.n FROM {a} AS x WHERE NOT EXISTS (SELECT 1 FROM {b} AS y \
     WHERE x.window_start = y.window_start AND x.window_end = y.window_end AND x.k = y.k AND y.n > x.n)",
    "SELECT x.window_end, x.n, y.n AS m FROM {a} AS x LEFT JOIN {b} AS y \
     ON x.window_start = y.window_start AND x.window_end = y.window_end",
    // What windows are joined to has windows still.
    "SELECT window_end, COUNT(*) AS c, SUM(m) AS s FROM (SELECT x.window_start, x.window_end, x.k, y.n AS m \
     FROM {a} AS x JOIN {b} AS y \
     ON x.window_start = y.window_start AND x.window_end = y.window_end AND x.k = y.k) AS t \
     GROUP BY window_start, window_end",
];

fn window_sql(sql: &str, in_time: &str) -> String {
    let of = |table: &str, in_time: &str| WINDOWED.replace("{t}", table).replace("{in time}", in_time);
    // What is aggregated before it is joined goes by the watermark of its own table.
    let own = in_time.replace("closed", "own_closed");
    sql.replace("{a}", &of("a", in_time)).replace("{b}", &of("b", in_time)).replace("{own b}", &of("b", &own))
}

#[test]
fn windows_are_joined_as_batch_joins_them_and_late_rows_counted() {
    let mut late = 0;
    for (number, sql) in WINDOW_JOINS.iter().enumerate() {
        let (stream, batch) = (window_sql(sql, "TRUE"), window_sql(sql, "window_end > closed"));
        for seed in 0..4 {
            let seed = 10 * u64::try_from(number).unwrap() + seed;
            let case = Case { sql: &stream, tables: TWO, seed, epochs: 20, delay_ms: 2_000 };
            let stats = compare(case, &mut |seen| {
                let mut expected = seen.in_batch(&batch);
                let closed = seen.watermark().map(|watermark| moment(watermark + 1));
                expected.retain(|row, _| closed.as_deref().is_some_and(|at| row.split('|').next().unwrap() <= at));
                expected
            });
            late += stats.late_rows;
        }
    }
    assert!(late > 50, "{late} rows are late");
}

const VERSIONED: &[(&str, bool)] = &[("a", false), ("r", true)];

fn temporal_sql(kind: &str, more: &str) -> String {
    format!(
        "SELECT o.k, o.ts, o.n, r.k AS rk, r.n AS rn, r.g AS rg FROM a AS o {kind} r FOR SYSTEM_TIME AS OF o.ts AS r \
         ON o.k = r.k{more}"
    )
}

/// Versions of a key, naively: all that came and were not forgotten, by time; a later one of the same time replaces it.
#[derive(Default)]
struct Versions {
    at: BTreeMap<i64, Option<Row>>,
    last: Option<i64>,
}

fn version_by_version(seen: &Seen, is_left: bool, meet: fn(&Row, &Row) -> bool) -> (Answer, u64) {
    let (mut answer, mut waiting, mut late) = (Answer::new(), Vec::<Row>::new(), 0);
    let mut versions: BTreeMap<i32, Versions> = BTreeMap::new();
    for (epoch, watermark) in seen.watermarks.iter().enumerate() {
        for arrival in seen.arrivals.iter().filter(|arrival| arrival.epoch == epoch) {
            for (row, weight) in arrival.each().into_iter().zip(&arrival.weights) {
                late += u64::from(*weight > 0 && row.ts <= arrival.watermark());
                if arrival.table == "a" {
                    waiting.push(row);
                    continue;
                }
                let of = versions.entry(row.k.unwrap()).or_default();
                if *weight > 0 {
                    of.last = Some(row.ts);
                    of.at.insert(row.ts, Some(row));
                } else if let Some(last) = of.last.take() {
                    of.at.insert(last, None);
                }
            }
        }
        let Some(watermark) = *watermark else { continue };
        waiting.retain(|row| {
            if row.ts > watermark {
                return true;
            }
            let of = row.k.and_then(|k| versions.get(&k));
            let version =
                of.and_then(|of| of.at.range(..=row.ts).next_back()).and_then(|(_, version)| version.as_ref());
            let version = version.filter(|version| meet(row, version));
            if is_left || version.is_some() {
                let left = [shown(row.k), moment(row.ts), shown(row.n)].join("|");
                let right = version.map_or("NULL|NULL|NULL".to_owned(), |of| {
                    [shown(of.k), shown(of.n), shown(of.g.clone())].join("|")
                });
                *answer.entry(format!("{left}|{right}")).or_default() += 1;
            }
            false
        });
        for of in versions.values_mut() {
            if let Some((last, _)) = of.at.range(..=watermark).next_back() {
                of.at = of.at.split_off(&last.clone());
            }
        }
    }
    (answer, late)
}

#[test]
fn a_row_meets_the_version_of_its_time() {
    let mut found = 0;
    let mut all_late = 0;
    for (number, (kind, more, meet)) in [
        ("JOIN", "", (|_, _| true) as fn(&Row, &Row) -> bool),
        ("LEFT JOIN", "", |_, _| true),
        ("LEFT JOIN", " AND r.n > 2", |_, version| version.n.is_some_and(|n| n > 2)),
        ("JOIN", " AND o.n < r.n", |row, version| row.n.zip(version.n).is_some_and(|(row, version)| row < version)),
    ]
    .into_iter()
    .enumerate()
    {
        let sql = temporal_sql(kind, more);
        for (seed, delay_ms) in [ENOUGH_MS, ENOUGH_MS, 2_000, 0].into_iter().enumerate() {
            let seed = u64::try_from(10 * number + seed).unwrap();
            let case = Case { sql: &sql, tables: VERSIONED, seed, epochs: 30, delay_ms };
            let mut late = 0;
            let stats = compare(case, &mut |seen| {
                let (answer, is_late) = version_by_version(seen, kind == "LEFT JOIN", meet);
                late = is_late;
                found = found.max(answer.keys().filter(|row| !row.ends_with("NULL")).count());
                answer
            });
            assert_eq!(stats.late_rows, late, "{sql}");
            assert!(delay_ms < ENOUGH_MS || late == 0, "{sql}");
            all_late += late;
        }
    }
    assert!(found > 10 && all_late > 20, "{found} have a version, {all_late} are late");
}

#[test]
fn a_where_is_asked_of_the_version_and_the_table_may_be_read_plainly_too() {
    let sql = "SELECT o.k, o.ts, o.n, t.k AS rk, t.n AS rn, t.g AS rg FROM a AS o JOIN r FOR SYSTEM_TIME AS OF ts AS t \
               ON t.k = o.k WHERE t.n > 2 AND o.k > 0";
    let case = Case { sql, tables: VERSIONED, seed: 3, epochs: 30, delay_ms: ENOUGH_MS };
    let meet = |row: &Row, version: &Row| version.n.is_some_and(|n| n > 2) && row.k.is_some_and(|k| k > 0);
    compare(case, &mut |seen| version_by_version(seen, false, meet).0);
    // Windows over what was joined.
    let counts = "WITH j AS (SELECT o.ts, r.n FROM a AS o JOIN r FOR SYSTEM_TIME AS OF o.ts AS r USING (k)) \
                  SELECT window_end, COUNT(*) AS c FROM TABLE(TUMBLE(TABLE j, DESCRIPTOR(ts), INTERVAL '5' SECOND)) \
                  GROUP BY window_start, window_end";
    let case = Case { sql: counts, ..case };
    let stats = compare(case, &mut |seen| {
        let mut expected = Answer::new();
        for (row, count) in version_by_version(seen, false, |_, _| true).0 {
            let at =
                seen.arrivals.iter().flat_map(Arrival::each).find(|it| row.split('|').nth(1).unwrap() == moment(it.ts));
            let end = (at.unwrap().ts / 5_000 + 1) * 5_000;
            if seen.watermark().is_some_and(|watermark| end - 1 <= watermark) {
                *expected.entry(moment(end)).or_default() += count;
            }
        }
        expected.into_iter().map(|(end, count)| (format!("{end}|{count}"), 1)).collect()
    });
    assert_eq!(stats.late_rows, 0);
    planner(VERSIONED)
        .streaming(&query("SELECT o.n, r.n AS rn, p.n AS pn FROM a AS o JOIN r FOR SYSTEM_TIME AS OF o.ts AS r ON o.k = r.k JOIN r AS p ON p.k = o.k"))
        .unwrap();
}

#[test]
fn windows_behind_an_interval_get_no_late_rows_by_its_doing() {
    let sql = "WITH j AS (SELECT a.ts, a.k, b.n FROM a LEFT JOIN b ON a.k = b.k \
               AND b.ts BETWEEN a.ts - INTERVAL '2' SECOND AND a.ts + INTERVAL '4' SECOND) \
               SELECT window_end, k, COUNT(*) AS c, COUNT(n) AS n \
               FROM TABLE(TUMBLE(TABLE j, DESCRIPTOR(ts), INTERVAL '2' SECOND)) GROUP BY window_start, window_end, k";
    for seed in 0..4 {
        let case = Case { sql, tables: TWO, seed, epochs: 25, delay_ms: ENOUGH_MS };
        let stats = compare(case, &mut |seen| {
            let mut expected = seen.in_batch(sql);
            // They are shown later by as much as a partner may be late.
            let closed = seen.watermark().map(|watermark| moment(watermark - 4_000 + 1));
            expected.retain(|row, _| closed.as_deref().is_some_and(|at| row.split('|').next().unwrap() <= at));
            expected
        });
        assert_eq!(stats.late_rows, 0);
    }
}

#[test]
fn what_joins_remember_does_not_grow_with_time() {
    let of = |sql: String, tables| (sql, tables);
    let mut cases: Vec<(String, &[(&str, bool)])> =
        KINDS.iter().map(|(kind, _)| of(interval_sql(kind, INTERVALS[0].on), TWO)).collect();
    cases.extend(WINDOW_JOINS.iter().map(|sql| of(window_sql(sql, "TRUE"), TWO)));
    cases.extend(["JOIN", "LEFT JOIN"].map(|kind| of(temporal_sql(kind, ""), VERSIONED)));
    for (sql, tables) in cases {
        let case = |epochs| Case { sql: &sql, tables, seed: 5, epochs, delay_ms: ENOUGH_MS };
        let (short, long) = (state_bytes(case(40)), state_bytes(case(400)));
        assert!(short > 0 && long < 2 * short, "{sql}: {short} bytes after 40 epochs, {long} after 400");
    }
}

#[test]
fn what_is_no_join_in_time_is_refused_or_keeps_all() {
    let refused = |sql: &str| {
        let tables = [("a", false), ("b", false), ("r", true)];
        planner(&tables).streaming(&query(sql)).map(drop).unwrap_err().to_string()
    };
    let join = |join: &str| format!("SELECT o.n FROM a AS o {join}");
    for (sql, why) in [
        (join("JOIN r FOR SYSTEM_TIME AS OF PROCTIME() AS r ON o.k = r.k"), "as of PROCTIME(), is not supported"),
        (join("JOIN r FOR SYSTEM_TIME AS OF o.closed AS r ON o.k = r.k"), "`closed` is no event time"),
        (join("JOIN r FOR SYSTEM_TIME AS OF o.ts AS r ON o.n = r.n"), "the whole primary key of `r`"),
        (join("RIGHT JOIN r FOR SYSTEM_TIME AS OF o.ts AS r ON o.k = r.k"), "JOIN or LEFT JOIN"),
        (join("JOIN b FOR SYSTEM_TIME AS OF o.ts AS r ON o.k = r.k"), "which has no versions"),
        ("SELECT n FROM r FOR SYSTEM_TIME AS OF ts".to_owned(), "on the right of a JOIN"),
        (
            "SELECT o.s FROM (SELECT k, ts, SUM(n) AS s FROM a GROUP BY k, ts) AS o \
             JOIN r FOR SYSTEM_TIME AS OF o.ts AS r ON o.k = r.k"
                .to_owned(),
            "event time of rows that may come at any time",
        ),
        (
            "WITH j AS (SELECT a.ts, a.k FROM a JOIN b ON a.k = b.k) SELECT COUNT(*) AS c \
             FROM TABLE(TUMBLE(TABLE j, DESCRIPTOR(ts), INTERVAL '5' SECOND)) GROUP BY window_start, window_end"
                .to_owned(),
            "event time of rows that may come at any time",
        ),
    ] {
        assert!(refused(&sql).contains(why), "{sql}: {}", refused(&sql));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let once = planner(VERSIONED);
    let error = runtime.block_on(once.batch(&query(&temporal_sql("JOIN", "")), &[], 1 << 20)).unwrap_err().to_string();
    assert!(error.contains("in a query that is answered once"), "{error}");
    // Bounded on one side alone, rows may meet at any time.
    let open = "SELECT a.n FROM a LEFT JOIN b ON a.k = b.k AND a.ts > b.ts";
    assert!(!planner(TWO).streaming(&query(open)).unwrap().is_append_only);
}
