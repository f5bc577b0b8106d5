//! Windows, sessions and versions over rows that change: what one change after the other comes to. A row that goes
//! takes back what it did where its window is open; behind that it is late, as a row is that comes.

use super::{
    rig::{Answer, query},
    timed::{Case, Row, Seen, compare, compare_changing, moment, planner, shown},
};
use std::collections::{BTreeMap, BTreeSet};

/// So far apart no row that comes is behind the watermark, but rows that go are.
const ENOUGH_MS: i64 = 13_000;
const KEPT: &[(&str, bool)] = &[("a", true)];

/// A row that comes or goes.
#[derive(Clone, Debug)]
struct Event {
    epoch: usize,
    /// The watermark before that epoch.
    watermark: i64,
    row: Row,
    weight: i64,
}

/// What a table of which the last row of each key counts tells those who read it.
fn events(seen: &Seen, table: &str) -> Vec<Event> {
    let (mut kept, mut events) = (BTreeMap::<i32, Row>::new(), Vec::new());
    for arrival in seen.arrivals.iter().filter(|arrival| arrival.table == table) {
        for (row, weight) in arrival.each().into_iter().zip(&arrival.weights) {
            let key = row.k.unwrap();
            let mut event = |row: &Row, weight| {
                let (epoch, watermark) = (arrival.epoch, arrival.watermark());
                events.push(Event { epoch, watermark, row: row.clone(), weight });
            };
            kept.remove(&key).iter().for_each(|before| event(before, -1));
            if *weight > 0 {
                event(&row, 1);
                kept.insert(key, row);
            }
        }
    }
    events
}

fn sum(rows: &[&Row]) -> String {
    let numbers: Vec<i64> = rows.iter().filter_map(|row| row.n).collect();
    shown((!numbers.is_empty()).then(|| numbers.iter().sum::<i64>()))
}

/// The rows that are left of events.
fn net<'a>(events: impl IntoIterator<Item = &'a Event>) -> Vec<&'a Row> {
    let mut left: Vec<(&Row, i64)> = Vec::new();
    for Event { row, weight, .. } in events {
        match left.iter_mut().find(|(known, _)| *known == row) {
            Some((_, count)) => *count += weight,
            None => left.push((row, *weight)),
        }
    }
    let times = |(row, count): (&'a Row, i64)| std::iter::repeat_n(row, usize::try_from(count.max(0)).unwrap());
    left.into_iter().flat_map(times).collect()
}

#[test]
fn rows_that_go_in_time_are_in_no_window_and_late_ones_stay() {
    let (mut shown_windows, mut all_late, mut all_taken_back) = (0, 0, 0);
    for (sql, spans) in [
        (
            "SELECT window_end, COUNT(*) AS c, SUM(n) AS s, MIN(k) AS lo, COUNT(DISTINCT g) AS d \
             FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '8' SECOND)) GROUP BY window_start, window_end",
            [8_000].as_slice(),
        ),
        (
            "SELECT window_end, COUNT(*) AS c, SUM(n) AS s, MIN(k) AS lo, COUNT(DISTINCT g) AS d \
             FROM TABLE(HOP(TABLE a, DESCRIPTOR(ts), INTERVAL '8' SECOND, INTERVAL '16' SECOND)) \
             GROUP BY window_start, window_end",
            &[8_000, 16_000],
        ),
    ] {
        for seed in 0..6 {
            let case = Case { sql, tables: KEPT, seed, epochs: 40, delay_ms: ENOUGH_MS };
            let (mut late, mut taken_back) = (0, 0);
            compare(case, &mut |seen| {
                let mut windows = BTreeMap::<i64, Vec<Event>>::new();
                (late, taken_back) = (0, 0);
                for event in events(seen, "a") {
                    for span in spans {
                        let end = (event.row.ts.div_euclid(8_000) * 8_000) + span;
                        if end - 1 <= event.watermark {
                            late += 1;
                            continue;
                        }
                        taken_back += usize::from(event.weight < 0);
                        windows.entry(end).or_default().push(event.clone());
                    }
                }
                let closed = windows.iter().filter(|(end, _)| seen.watermark().is_some_and(|it| **end - 1 <= it));
                let mut expected = Answer::new();
                for (end, events) in closed {
                    let rows = net(events);
                    if !rows.is_empty() {
                        let least = shown(rows.iter().filter_map(|row| row.k).min());
                        let texts: BTreeSet<&String> = rows.iter().filter_map(|row| row.g.as_ref()).collect();
                        let line = [moment(*end), rows.len().to_string(), sum(&rows), least, texts.len().to_string()]
                            .join("|");
                        *expected.entry(line).or_default() += 1;
                    }
                }
                shown_windows = shown_windows.max(expected.len());
                expected
            });
            (all_late, all_taken_back) = (all_late + late, all_taken_back + taken_back);
        }
    }
    assert!(shown_windows > 5 && all_late > 100 && all_taken_back > 1_000, "{all_late} late, {all_taken_back} not");
}

/// A session of which rows may have gone.
#[derive(Debug)]
struct Session {
    k: Option<i32>,
    start: i64,
    end: i64,
    events: Vec<Event>,
    is_closed: bool,
}

const GAP_MS: i64 = 4_000;

fn sessions(seen: &Seen) -> Vec<Session> {
    let (mut sessions, events) = (Vec::<Session>::new(), events(seen, "a"));
    for (epoch, watermark) in seen.watermarks.iter().enumerate() {
        for event in events.iter().filter(|event| event.epoch == epoch) {
            let (k, start, end) = (event.row.k.map(|k| k % 2), event.row.ts, event.row.ts + GAP_MS);
            let touches = |it: &Session| !it.is_closed && it.k == k && it.start <= end && it.end >= start;
            let (touching, others): (Vec<_>, Vec<_>) = sessions.into_iter().partition(touches);
            sessions = others;
            if touching.is_empty() && end - 1 <= event.watermark {
                continue;
            }
            let mut one = Session { k, start, end, events: vec![event.clone()], is_closed: false };
            for it in touching {
                (one.start, one.end) = (one.start.min(it.start), one.end.max(it.end));
                one.events.extend(it.events);
            }
            sessions.push(one);
        }
        sessions.iter_mut().for_each(|it| it.is_closed |= watermark.is_some_and(|watermark| it.end - 1 <= watermark));
    }
    sessions
}

#[test]
fn what_is_left_of_a_session_is_as_many_sessions_as_it_comes_to() {
    let session = "TABLE(SESSION(TABLE v PARTITION BY p, DESCRIPTOR(ts), INTERVAL '4' SECOND))";
    let view = "WITH v AS (SELECT k % 2 AS p, n, ts FROM a)";
    let aggregated = format!(
        "{view} SELECT window_start, window_end, p, COUNT(*) AS c, SUM(n) AS s FROM {session} \
         GROUP BY window_start, window_end, p"
    );
    let plain = format!("{view} SELECT window_start, window_end, p, n FROM {session}");
    let (mut found, mut split, mut vanished) = (0, 0, 0);
    for (sql, is_aggregated) in [(&aggregated, true), (&plain, false)] {
        for seed in 0..8 {
            let case = Case { sql, tables: KEPT, seed, epochs: 40, delay_ms: ENOUGH_MS };
            compare(case, &mut |seen| {
                let mut expected = Answer::new();
                for session in sessions(seen).iter().filter(|it| it.is_closed) {
                    let mut rows = net(&session.events);
                    rows.sort_by_key(|row| row.ts);
                    let parts: Vec<&[&Row]> = rows.chunk_by(|row, next| next.ts - row.ts <= GAP_MS).collect();
                    (split, vanished) =
                        (split + usize::from(parts.len() > 1), vanished + usize::from(parts.is_empty()));
                    for rows in parts {
                        let bounds = [moment(rows[0].ts), moment(rows[rows.len() - 1].ts + GAP_MS), shown(session.k)];
                        let ends = match is_aggregated {
                            true => vec![format!("{}|{}", rows.len(), sum(rows))],
                            false => rows.iter().map(|row| shown(row.n)).collect(),
                        };
                        for end in ends {
                            *expected.entry(format!("{}|{end}", bounds.join("|"))).or_default() += 1;
                        }
                    }
                }
                found = found.max(expected.len());
                expected
            });
        }
    }
    assert!(found > 5 && split > 5 && vanished > 0, "{found} found, {split} split, {vanished} vanished");
}

#[test]
fn a_row_that_goes_takes_what_it_met_with_it() {
    let tables: &[(&str, bool)] = &[("a", true), ("r", true)];
    let mut gone = 0;
    for kind in ["JOIN", "LEFT JOIN"] {
        let sql = format!(
            "SELECT o.ts, o.n, r.n AS rn FROM a AS o {kind} r FOR SYSTEM_TIME AS OF o.ts AS r ON o.k = r.k AND r.n > 1"
        );
        for seed in 0..6 {
            let case = Case { sql: &sql, tables, seed, epochs: 40, delay_ms: 4_000 };
            let mut late = 0;
            let stats = compare_changing(case, &mut |seen| {
                let (answer, went) = met(seen, kind == "LEFT JOIN");
                gone += went;
                let versions = seen.arrivals.iter().filter(|arrival| arrival.table == "r");
                let is_late = |(row, weight): (&Row, &i64), watermark| *weight > 0 && row.ts <= watermark;
                let late_versions = versions
                    .map(|of| of.each().iter().zip(&of.weights).filter(|it| is_late(*it, of.watermark())).count());
                let late_rows =
                    net_events(seen).iter().filter(|it| is_late((&it.row, &it.weight), it.watermark)).count();
                late = late_versions.sum::<usize>() + late_rows;
                answer
            });
            assert_eq!(stats.late_rows, u64::try_from(late).unwrap(), "{sql}");
        }
    }
    assert!(gone > 50, "{gone} went");
}

/// What each epoch changes of the columns that are asked for: a row that goes and comes again as it was does neither.
fn net_events(seen: &Seen) -> Vec<Event> {
    let mut net: Vec<Event> = Vec::new();
    for mut event in events(seen, "a") {
        (event.row.g, event.row.f) = (None, None);
        match net.iter_mut().find(|it| it.epoch == event.epoch && it.row == event.row) {
            Some(known) => known.weight += event.weight,
            None => net.push(event),
        }
    }
    net.retain(|event| event.weight != 0);
    net
}

/// Of each row that is there: what it met when the watermark passed it. And how many went behind that.
fn met(seen: &Seen, is_left: bool) -> (Answer, usize) {
    let left = net_events(seen);
    let mut versions: BTreeMap<i32, BTreeMap<i64, Option<Row>>> = BTreeMap::new();
    let mut last: BTreeMap<i32, i64> = BTreeMap::new();
    let (mut waiting, mut there, mut gone) = (Vec::<&Event>::new(), Vec::<(&Row, Option<Option<i64>>)>::new(), 0);
    for (epoch, watermark) in seen.watermarks.iter().enumerate() {
        for arrival in seen.arrivals.iter().filter(|arrival| arrival.table == "r" && arrival.epoch == epoch) {
            for (row, weight) in arrival.each().into_iter().zip(&arrival.weights) {
                let key = row.k.unwrap();
                if *weight > 0 {
                    last.insert(key, row.ts);
                    versions.entry(key).or_default().insert(row.ts, Some(row));
                } else if let Some(last) = last.remove(&key) {
                    versions.entry(key).or_default().insert(last, None);
                }
            }
        }
        waiting.extend(left.iter().filter(|event| event.epoch == epoch));
        let Some(watermark) = *watermark else { continue };
        let (mut due, later): (Vec<&Event>, Vec<_>) = waiting.into_iter().partition(|event| event.row.ts <= watermark);
        waiting = later;
        due.sort_by_key(|event| event.row.ts);
        for Event { row, weight, watermark, .. } in due {
            if *weight < 0 {
                let at = there.iter().rposition(|(known, _)| *known == row).expect("what goes was there");
                there.remove(at);
                gone += usize::from(row.ts <= *watermark);
                continue;
            }
            let version = versions.get(&row.k.unwrap()).and_then(|of| of.range(..=row.ts).next_back());
            let version = version.and_then(|(_, version)| version.as_ref()).filter(|it| it.n.is_some_and(|n| n > 1));
            there.push((row, version.map(|version| version.n)));
        }
        for of in versions.values_mut() {
            if let Some((first, _)) = of.range(..=watermark).next_back() {
                *of = of.split_off(&first.clone());
            }
        }
    }
    let mut answer = Answer::new();
    for (row, version) in there.into_iter().filter(|(_, version)| is_left || version.is_some()) {
        let line = [moment(row.ts), shown(row.n), shown(version.flatten())].join("|");
        *answer.entry(line).or_default() += 1;
    }
    (answer, gone)
}

#[test]
fn the_first_rows_of_a_window_follow_what_is_left_of_it() {
    let sql = "SELECT window_end, n, place FROM (SELECT window_end, n, ROW_NUMBER() OVER \
               (PARTITION BY window_start, window_end ORDER BY n DESC, k) AS place \
               FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), INTERVAL '8' SECOND)) WHERE n IS NOT NULL) AS t \
               WHERE place <= 2";
    let mut found = 0;
    for seed in 0..6 {
        let case = Case { sql, tables: KEPT, seed, epochs: 40, delay_ms: ENOUGH_MS };
        compare(case, &mut |seen| {
            let mut windows = BTreeMap::<i64, Vec<Event>>::new();
            for event in events(seen, "a").into_iter().filter(|event| event.row.n.is_some()) {
                let end = (event.row.ts.div_euclid(8_000) + 1) * 8_000;
                if end - 1 > event.watermark {
                    windows.entry(end).or_default().push(event);
                }
            }
            let mut expected = Answer::new();
            for (end, events) in windows {
                let mut numbers: Vec<i64> = net(&events).iter().filter_map(|row| row.n).collect();
                numbers.sort_by_key(|n| std::cmp::Reverse(*n));
                let is_closed = seen.watermark().is_some_and(|watermark| end - 1 <= watermark);
                for (place, n) in (1..=2).zip(numbers).filter(|_| is_closed) {
                    *expected.entry(format!("{}|{n}|{place}", moment(end))).or_default() += 1;
                }
            }
            found = found.max(expected.len());
            expected
        });
    }
    assert!(found > 5);
}

#[test]
fn windows_behind_what_is_left_of_a_session_are_refused() {
    let sql = "WITH v AS (SELECT window_time AS at, n FROM TABLE(SESSION(TABLE a, DESCRIPTOR(ts), INTERVAL '4' SECOND))) \
               SELECT COUNT(*) AS c FROM TABLE(TUMBLE(TABLE v, DESCRIPTOR(at), INTERVAL '8' SECOND)) \
               GROUP BY window_start, window_end";
    let plan = |is_upsert| planner(&[("a", is_upsert)]).streaming(&query(sql)).map(drop).map_err(|it| it.to_string());
    assert_eq!(plan(false), Ok(()));
    assert!(plan(true).unwrap_err().contains("event time of rows that may come at any time"));
}

#[test]
fn nothing_but_an_event_time_as_it_is_gives_windows() {
    let plan = |time: &str| {
        let from = if time.contains("FROM") { time.to_owned() } else { format!("SELECT {time} AS t, n FROM a") };
        let sql = format!(
            "WITH v AS ({from}) SELECT window_end, COUNT(*) AS c \
             FROM TABLE(TUMBLE(TABLE v, DESCRIPTOR(t), INTERVAL '8' SECOND)) GROUP BY window_start, window_end"
        );
        planner(&[("a", false), ("b", false)]).streaming(&query(&sql)).map(drop).map_err(|error| error.to_string())
    };
    for kept in [
        "ts",
        "SELECT ts AS t, n FROM a UNION ALL SELECT ts, n FROM b",
        "SELECT t, n FROM (SELECT ts AS t, n FROM a WHERE n > 1) AS x",
        "SELECT ts AS t, n FROM (SELECT ts, n, ROW_NUMBER() OVER (PARTITION BY k ORDER BY ts DESC) AS p FROM a) AS x \
         WHERE p = 1",
        "SELECT DISTINCT ts AS t, n FROM a",
    ] {
        assert_eq!(plan(kept), Ok(()), "{kept}");
    }
    for lost in [
        "CAST(ts AS TIMESTAMP(0))",
        "ts + INTERVAL '1' SECOND",
        "COALESCE(ts, closed)",
        "COALESCE(ts, ts)",
        "CASE WHEN b THEN ts ELSE closed END",
        "CASE WHEN b THEN ts END",
        "NULLIF(ts, closed)",
        "IF(b, ts, ts)",
        "FLOOR(ts TO MINUTE)",
        "SELECT ts AS t, n FROM a UNION ALL SELECT closed, n FROM b",
        "SELECT closed AS t, n FROM a UNION ALL SELECT ts, n FROM b",
        "SELECT MAX(ts) AS t, n FROM a GROUP BY n",
    ] {
        let refused = plan(lost).expect_err(lost);
        assert!(refused.contains("event time"), "{lost}: {refused}");
    }
}

#[test]
fn what_ends_a_window_in_one_branch_of_a_union_alone_ends_none() {
    let sql = |other: &str| {
        format!(
            "SELECT e, COUNT(*) AS c FROM (SELECT window_end AS e FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(ts), \
             INTERVAL '8' SECOND)) UNION ALL SELECT {other}) AS u GROUP BY e"
        )
    };
    let plan = |other: &str| planner(&[("a", false), ("b", false)]).streaming(&query(&sql(other))).unwrap();
    assert!(plan("window_end FROM TABLE(TUMBLE(TABLE b, DESCRIPTOR(ts), INTERVAL '8' SECOND))").is_append_only);
    assert!(!plan("ts FROM b").is_append_only, "a group is never closed");
}
