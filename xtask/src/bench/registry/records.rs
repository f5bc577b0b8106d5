//! What a record pays where its topic asks for schemas.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use levada_model::record::{BatchBuilder, NewRecord};
use levada_model::schema_id::SchemaId;

use super::super::rows::Row;
use super::{address, usage};
use crate::http_client::HttpConnection;
use crate::kafka_client::{Connection, Partition, error_name};
use crate::levada_rig::Levada;

const RECORD_SIZE: usize = 100;
const BATCH_RECORDS: u32 = 1_000;
const IN_FLIGHT: usize = 8;
/// The clock of processes ticks a hundred times a second: a turn has to be long enough for that not to matter.
const TURN_BATCHES: u32 = 4_000;
const TURNS: u32 = 5;

/// Sends the same batches to topics that look at schemas and to one that does not, in turn.
pub(super) fn measure(levada: &Levada, is_quick: bool, rows: &mut Vec<Row>) -> Result<()> {
    let mut registry = HttpConnection::open(&address(levada)?)?;
    let mut kafka = Connection::open_patiently(levada.bootstrap().parse()?, Duration::from_secs(5))?;
    let topics = ["plain", "checked", "checked-within"];
    let switch = ("confluent.value.schema.validation", "true");
    let settings: [&[(&str, &str)]; 3] =
        [&[], &[switch], &[switch, ("levada.value.schema.validation.mode", "payload")]];
    let mut id = 0;
    for (topic, settings) in topics.iter().zip(settings) {
        let subject = format!("{topic}-value");
        id = registry
            .register(&subject, r#"{"type":"record","name":"Text","fields":[{"name":"text","type":"string"}]}"#)?
            .number("id")?;
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let mut configs: Vec<(String, String)> = settings.iter().map(owned).collect();
        configs.push(("durability".to_owned(), "os".to_owned()));
        configs.push(("retention.bytes".to_owned(), (256 << 20).to_string()));
        let error = kafka.create_topic(topic, 1, &configs)?;
        ensure!(error == 0, "topic `{topic}`: {}", error_name(error));
    }
    let batch = batch(u32::try_from(id)?);
    let (batches, turns) = if is_quick { (200, 2) } else { (TURN_BATCHES, TURNS) };
    let mut seconds = [0.0; 3];
    for _ in 0..turns {
        for (topic, seconds) in topics.iter().zip(&mut seconds) {
            let before = usage(levada)?.cpu_seconds;
            produce(&mut kafka, topic, &batch, batches)?;
            *seconds += usage(levada)?.cpu_seconds - before;
        }
    }
    let records = f64::from(turns) * f64::from(batches) * f64::from(BATCH_RECORDS);
    let [plain, checked, within] = seconds.map(|seconds| seconds * 1e9 / records);
    eprintln!("  CPU ns a record: {plain:.0} plain, {checked:.0} with its id checked, {within:.0} with its payload");
    rows.push(Row::plain("CPU of the broker, ns a record: schemas not looked at", format!("{plain:.0}")));
    let more = checked - plain;
    let what = "the same, more: the id of each record is checked";
    rows.push(Row::new(what, format!("{more:.0}"), "< 100", Some(more < 100.0)));
    let what = "the same, more: the payload is, too";
    rows.push(Row::plain(what, format!("{:.0}", within - plain)));
    Ok(())
}

/// A batch of records, each a text of Avro behind the id of its schema.
fn batch(id: u32) -> Bytes {
    let mut value = Vec::with_capacity(RECORD_SIZE);
    SchemaId::Id(id).write(&mut value);
    // The length of what follows, as a zigzag varint of two bytes.
    let length = RECORD_SIZE - value.len() - 2;
    let zigzag = length * 2;
    value.extend([zigzag & 0x7f | 0x80, zigzag >> 7].map(|byte| u8::try_from(byte).unwrap_or_default()));
    value.resize(RECORD_SIZE, b'x');
    let mut builder = BatchBuilder::new();
    for _ in 0..BATCH_RECORDS {
        builder.push(&NewRecord { timestamp: -1, key: None, value: Some(&value), headers: &[] });
    }
    builder.finish()
}

fn produce(kafka: &mut Connection, topic: &str, batch: &Bytes, count: u32) -> Result<()> {
    let partition = Partition { topic: topic.to_owned(), index: 0 };
    let mut waiting = VecDeque::with_capacity(IN_FLIGHT);
    let settle = |kafka: &mut Connection, id| {
        let outcomes = kafka.receive_produced(id)?;
        let (_, produced) = outcomes.first().context("an answer without a partition")?;
        ensure!(produced.error == 0, "topic `{topic}`: {}", error_name(produced.error));
        Ok(())
    };
    for _ in 0..count {
        if waiting.len() == IN_FLIGHT
            && let Some(id) = waiting.pop_front()
        {
            settle(kafka, id)?;
        }
        waiting.push_back(kafka.send_batches(&[(partition.clone(), batch.clone())])?);
    }
    waiting.into_iter().try_for_each(|id| settle(kafka, id))
}
