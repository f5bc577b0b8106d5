//! What many statements cost that have little to do.

use std::collections::VecDeque;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use levada_model::record::{BatchBuilder, NewRecord};

use super::super::rows::Row;
use super::latency::settle;
use super::{Load, carry_out, kafka, now_us, sql_of, usage};
use crate::kafka_client::Partition;
use crate::levada_rig::Levada;

const CORES_WANTED: f64 = 0.25;
const BYTES_WANTED: f64 = 1e9;
/// Times of a second at which some topics get their event.
const TURNS: u32 = 50;
const WARM_UP_SECONDS: u32 = 5;
const IN_FLIGHT: usize = 200;

pub(super) fn measure(levada: &Levada, load: Load, rows: &mut Vec<Row>) -> Result<()> {
    let Load { statements, seconds, .. } = load;
    eprintln!("{statements} statements, an event a second each");
    let mut sql = sql_of(levada)?;
    let begun = Instant::now();
    for number in 0..statements {
        carry_out(
            &mut sql,
            &format!(
                "CREATE TABLE in_{number} (id BIGINT, kind INT) WITH ('format' = 'json');
                 CREATE TABLE out_{number} (id BIGINT) WITH ('format' = 'json');
                 INSERT INTO out_{number} SELECT id FROM in_{number} WHERE kind <> 0"
            ),
        )?;
    }
    let made = begun.elapsed();
    eprintln!("  created in {:.1} s", made.as_secs_f64());
    let idle = usage(levada)?;
    thread::sleep(Duration::from_secs(5));
    let idle_cores = (usage(levada)?.cpu_seconds - idle.cpu_seconds) / 5.0;
    produce(levada, statements, WARM_UP_SECONDS)?;
    let before = usage(levada)?.cpu_seconds;
    produce(levada, statements, seconds)?;
    let after = usage(levada)?;
    let cores = (after.cpu_seconds - before) / f64::from(seconds);
    let expected = u64::from(statements) * u64::from(seconds + WARM_UP_SECONDS);
    wait_for(levada, expected)?;
    let megabytes = after.resident_bytes / 1e6;
    eprintln!("  {cores:.3} cores, {megabytes:.0} MB; {idle_cores:.3} cores without events");
    let of = format!("{statements} statements, an event a second each");
    let reached = format!("{cores:.2}");
    rows.push(Row::new(format!("{of}: processors"), reached, "< 0.25", cores < CORES_WANTED));
    let is_met = after.resident_bytes < BYTES_WANTED;
    rows.push(Row::new(format!("{of}: resident, MB"), format!("{megabytes:.0}"), "< 1,000", is_met));
    rows.push(Row::plain("the same without events: processors", format!("{idle_cores:.3}")));
    let each_ms = made.as_secs_f64() * 1e3 / f64::from(statements);
    rows.push(Row::plain("two tables with their topics and a statement are created: ms", format!("{each_ms:.1}")));
    Ok(())
}

/// An event a second for each statement, those of a turn in one request.
fn produce(levada: &Levada, statements: u32, seconds: u32) -> Result<()> {
    let mut connection = kafka(levada)?;
    let begun = Instant::now();
    let mut waiting = VecDeque::with_capacity(IN_FLIGHT);
    for step in 0..seconds * TURNS {
        let due = Duration::from_secs(1) * step / TURNS;
        thread::sleep(due.saturating_sub(begun.elapsed()));
        let batch = batch(step)?;
        let topic = |number| Partition { topic: format!("in_{number}"), index: 0 };
        let turn = (0..statements).filter(|number| number % TURNS == step % TURNS);
        let batches: Vec<(Partition, Bytes)> = turn.map(|number| (topic(number), batch.clone())).collect();
        if batches.is_empty() {
            continue;
        }
        if waiting.len() == IN_FLIGHT
            && let Some(id) = waiting.pop_front()
        {
            settle(&mut connection, id)?;
        }
        waiting.push_back(connection.send_batches(&batches)?);
    }
    waiting.into_iter().try_for_each(|id| settle(&mut connection, id))
}

fn batch(id: u32) -> Result<Bytes> {
    let mut builder = BatchBuilder::new();
    let value = format!(r#"{{"id":{id},"kind":1}}"#);
    let timestamp = i64::try_from(now_us()? / 1_000)?;
    builder.push(&NewRecord { timestamp, key: None, value: Some(value.as_bytes()), headers: &[] });
    Ok(builder.finish())
}

/// Waits until the statements have written all that came.
fn wait_for(levada: &Levada, expected: u64) -> Result<()> {
    let begun = Instant::now();
    loop {
        let statements = sql_of(levada)?.ask("GET", "/v1/statements", None)?.json()?;
        let list = statements.as_array().or_else(|| statements["statements"].as_array());
        let list = list.with_context(|| format!("no statements: {statements}"))?;
        let written: u64 = list.iter().filter_map(|statement| statement["rows_written"].as_u64()).sum();
        if written == expected {
            return Ok(());
        }
        ensure!(begun.elapsed() < Duration::from_secs(30), "{written} of {expected} rows were written");
        thread::sleep(Duration::from_millis(200));
    }
}
