//! How late an event is behind a statement that filters.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};
use levada_model::record::{BatchBuilder, NewRecord};
use serde_json::Value;

use super::super::rows::Row;
use super::{Load, carry_out, kafka, now_us, sql_of, usage};
use crate::kafka_client::{Isolation, Partition, error_name};
use crate::levada_rig::Levada;

const TABLES: &str = "
CREATE TABLE events (id BIGINT, at BIGINT, kind INT, note STRING) WITH ('format' = 'json');
CREATE TABLE kept (id BIGINT, at BIGINT) WITH ('format' = 'json');
INSERT INTO kept SELECT id, at FROM events WHERE kind <> 0";
const WANTED: Duration = Duration::from_millis(20);
const WARM_UP: Duration = Duration::from_secs(3);
/// A producer that has so many unanswered requests waits.
const IN_FLIGHT: usize = 200;
const STEP_US: u64 = 1_000;

/// Spans of one reader, in microseconds.
struct Seen {
    p50: u64,
    p99: u64,
    most: u64,
    count: usize,
}

pub(super) fn measure(levada: &Levada, load: Load, durability: &str, rows: &mut Vec<Row>) -> Result<()> {
    eprintln!("{} events a second, durability={durability}", load.rate);
    let mut admin = kafka(levada)?;
    for topic in ["events", "kept"] {
        let error = admin.create_topic(topic, 1, &[("durability".to_owned(), durability.to_owned())])?;
        ensure!(error == 0, "topic `{topic}`: {}", error_name(error));
    }
    carry_out(&mut sql_of(levada)?, TABLES)?;
    let is_over = AtomicBool::new(false);
    let from_us = now_us()? + u64::try_from(WARM_UP.as_micros())?;
    let before = usage(levada)?.cpu_seconds;
    let (events, kept) = thread::scope(|scope| {
        let reader = |topic: &'static str| scope.spawn(|| read(levada, topic, from_us, &is_over));
        let (events, kept) = (reader("events"), reader("kept"));
        let produced = produce(levada, load);
        // What is under way still counts.
        thread::sleep(Duration::from_millis(500));
        is_over.store(true, Ordering::Release);
        produced?;
        let joined = |reader: thread::ScopedJoinHandle<'_, Result<Seen>>| {
            reader.join().map_err(|_| anyhow!("a reader panicked"))?
        };
        anyhow::Ok((joined(events)?, joined(kept)?))
    })?;
    let span = f64::from(load.seconds) + WARM_UP.as_secs_f64();
    let cores = (usage(levada)?.cpu_seconds - before) / span;
    let shown = |seen: &Seen| {
        let [p50, p99, most] = [seen.p50, seen.p99, seen.most].map(|us| format!("{}.{}", us / 1_000, us / 100 % 10));
        format!("{p99} (p50 {p50}, most {most}; {} events)", seen.count)
    };
    eprintln!("  p99 {} ms, of the input {} ms, {cores:.2} cores", shown(&kept), shown(&events));
    let is_fsync = durability == "fsync";
    let what = format!("p99 of filter and project, ms, `durability={durability}`");
    let is_met = is_fsync.then(|| u128::from(kept.p99) < WANTED.as_micros());
    rows.push(Row::new(what, shown(&kept), if is_fsync { "< 20" } else { "" }, is_met));
    let what = format!("the same of the input, `durability={durability}`");
    rows.push(Row::plain(what, shown(&events)));
    let what = format!("processors of the whole server meanwhile, `durability={durability}`");
    rows.push(Row::plain(what, format!("{cores:.2}")));
    Ok(())
}

/// Sends what is due, however late the last was: nobody who waits is forgotten.
fn produce(levada: &Levada, load: Load) -> Result<()> {
    let mut connection = kafka(levada)?;
    let partition = Partition { topic: "events".to_owned(), index: 0 };
    let span_us = u64::from(load.seconds) * 1_000_000 + u64::try_from(WARM_UP.as_micros())?;
    let each = u64::from(load.rate).div_ceil(1_000_000 / STEP_US);
    let begun = now_us()?;
    let (mut waiting, mut id) = (VecDeque::with_capacity(IN_FLIGHT), 0_u64);
    let note = "x".repeat(100);
    for step in 0..span_us / STEP_US {
        let due = begun + step * STEP_US;
        let now = now_us()?;
        if due > now {
            thread::sleep(Duration::from_micros(due - now));
        }
        let mut builder = BatchBuilder::new();
        for _ in 0..each {
            id += 1;
            let value = format!(r#"{{"id":{id},"at":{due},"kind":{},"note":"{note}"}}"#, id % 10);
            let timestamp = i64::try_from(due / 1_000)?;
            builder.push(&NewRecord { timestamp, key: None, value: Some(value.as_bytes()), headers: &[] });
        }
        if waiting.len() == IN_FLIGHT
            && let Some(id) = waiting.pop_front()
        {
            settle(&mut connection, id)?;
        }
        waiting.push_back(connection.send_batches(&[(partition.clone(), builder.finish())])?);
    }
    waiting.into_iter().try_for_each(|id| settle(&mut connection, id))
}

pub(super) fn settle(connection: &mut crate::kafka_client::Connection, id: i32) -> Result<()> {
    for (partition, produced) in connection.receive_produced(id)? {
        ensure!(produced.error == 0, "topic `{}`: {}", partition.topic, error_name(produced.error));
    }
    Ok(())
}

/// Reads a topic until it is over, and says how late its events were that were to be sent from some time on.
fn read(levada: &Levada, topic: &str, from_us: u64, is_over: &AtomicBool) -> Result<Seen> {
    let mut connection = kafka(levada)?;
    let (partition, mut offset) = (Partition { topic: topic.to_owned(), index: 0 }, 0);
    let mut spans = Vec::new();
    while !is_over.load(Ordering::Acquire) {
        for fetched in connection.fetch_as(Isolation::Committed, &[(partition.clone(), offset)])? {
            ensure!(fetched.error == 0, "topic `{topic}`: {}", error_name(fetched.error));
            let found = fetched.records?;
            let now = now_us()?;
            for (_, value) in &found.records {
                let event: Value = serde_json::from_slice(value)?;
                let at = event["at"].as_u64().with_context(|| format!("`{event}` has no time"))?;
                if at >= from_us {
                    spans.push(now.saturating_sub(at));
                }
            }
            offset = offset.max(found.next_offset);
        }
    }
    spans.sort_unstable();
    let at = |of_thousand: usize| spans.get(spans.len() * of_thousand / 1_000).copied().unwrap_or_default();
    ensure!(!spans.is_empty(), "nothing came from `{topic}`");
    Ok(Seen { p50: at(500), p99: at(990), most: spans.last().copied().unwrap_or_default(), count: spans.len() })
}
