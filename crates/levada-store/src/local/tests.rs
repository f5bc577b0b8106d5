//! The store as its user sees it, on a disk in memory and on a real one.

mod compact;
mod crash;
mod flush;
mod life;
mod placing;
mod repair;
mod space;
mod transactions;

use super::*;
use crate::{
    append::{Acks, AppendEntry, Origin},
    log::{Log, ReadUntil},
    settings::Durability,
};
use bytes::Bytes;
use levada_model::{
    ManualClock, Offset, ProducerId, SeededRng, TopicId, Uuid,
    batch::{Batch, BatchHeader, HEADER_SIZE},
    record::{BatchBuilder, NewRecord, ProducerStamp, Records},
};

pub(super) fn small_config() -> StoreConfig {
    StoreConfig {
        data_dir: PathBuf::from("/data"),
        journal_file_size: 64 << 10,
        journal_files_max: 3,
        checkpoint_bytes: 48 << 10,
        checkpoint_direct_bytes: 96 << 10,
        flush_bytes: 4 << 10,
        tail_bytes_max: 4 << 10,
        file_delete_delay: Duration::ZERO,
        ..StoreConfig::default()
    }
}

pub(super) fn parts(disk: Arc<dyn Disk>) -> StoreParts {
    StoreParts {
        disk,
        clock: Arc::new(ManualClock::new(1_700_000_000_000)),
        rng: Arc::new(SeededRng::new(1)),
        resolve: Arc::new(|_, configs| LogSettings {
            durability: configs
                .get("durability")
                .and_then(|name| Durability::by_name(name))
                .unwrap_or(Durability::Fsync),
            flush_messages: configs.get("flush.messages").map(|count| count.parse().unwrap()),
            segment_bytes: 4 << 10,
            retention_ms: None,
            retention_bytes: configs.get("retention.bytes").map(|bytes| bytes.parse().unwrap()),
            ..LogSettings::default()
        }),
    }
}

pub(super) fn open_on(disk: &Arc<dyn Disk>) -> (Store, Recovery) {
    Store::open(small_config(), parts(Arc::clone(disk))).unwrap()
}

pub(super) fn topic_change(number: u8, name: &str, configs: &[(&str, &str)]) -> (TopicId, Change) {
    let id = Uuid::from_bytes([number; 16]);
    let configs = configs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
    (id, Change::CreateTopic { id, name: TopicName::new(name).unwrap(), partitions: 2, configs })
}

pub(super) fn create(store: &Store, number: u8, name: &str, configs: &[(&str, &str)]) -> Arc<Log> {
    let (_, change) = topic_change(number, name, configs);
    store.commit(vec![change]).wait().unwrap().unwrap();
    log(store, name)
}

pub(super) fn log(store: &Store, name: &str) -> Arc<Log> {
    Arc::clone(store.image().topic(name).unwrap().log(0).unwrap())
}

pub(super) fn batch(values: &[&str], producer: Option<ProducerStamp>) -> Batch {
    let mut builder = BatchBuilder::new();
    if let Some(producer) = producer {
        builder = builder.with_producer(producer);
    }
    for value in values {
        builder.push(&NewRecord { timestamp: 5, key: None, value: Some(value.as_bytes()), headers: &[] });
    }
    Batch::check(builder.finish()).unwrap()
}

pub(super) fn stamp(base_sequence: i32) -> Option<ProducerStamp> {
    Some(ProducerStamp { id: ProducerId(7), epoch: 0, base_sequence })
}

pub(super) fn set(log: &Arc<Log>, batch: Batch) -> AppendSet {
    let entry = AppendEntry { log: Arc::clone(log), batch, origin: Origin::Client };
    AppendSet { entries: vec![entry], acks: Acks::Durable }
}

pub(super) fn append(store: &Store, log: &Arc<Log>, values: &[&str]) -> AppendOutcome {
    store.append(set(log, batch(values, None))).wait().unwrap().pop().unwrap()
}

/// Every record's offset and value.
pub(super) fn read_all(log: &Log) -> Vec<(Offset, String)> {
    let mut records = Vec::new();
    let mut offset = log.tail().log_start_offset;
    while offset < log.tail().high_watermark {
        let out = log.read(offset, 3_000, ReadUntil::HighWatermark, true).unwrap();
        let bytes = Bytes::from(out.pieces.concat());
        let batches: Vec<(BatchHeader, Bytes)> = levada_model::batch::split(bytes).map(Result::unwrap).collect();
        // A lease that an unclean start skipped leaves no records before the end.
        let Some((last, _)) = batches.last() else { break };
        let next = last.next_offset();
        for (header, batch) in batches {
            Batch::check(batch.clone()).unwrap();
            for record in Records::new(batch.slice(HEADER_SIZE..), header.record_count) {
                let record = record.unwrap();
                let at = header.base_offset + i64::from(record.offset_delta);
                if at >= offset {
                    records.push((at, String::from_utf8(record.value.unwrap().to_vec()).unwrap()));
                }
            }
        }
        offset = next;
    }
    records
}

pub(super) fn numbered(range: std::ops::Range<i64>) -> Vec<(Offset, String)> {
    range.map(|offset| (offset, format!("value-{offset}"))).collect()
}
