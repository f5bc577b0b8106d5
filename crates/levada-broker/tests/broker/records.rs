//! Producing and fetching.

use crate::rig::{Rig, START_MS, batch};
use bytes::Bytes;
use levada_broker::{
    auth::{op, res},
    fetch::{FetchError, FetchPartition, ListOffset},
    produce::{Acks, ProduceError},
};
use levada_model::{
    batch::{Attributes, Batch, Codec, HEADER_SIZE},
    record::{BatchBuilder, NewRecord, ProducerStamp, Records},
};
use levada_store::{AppendError, ReadUntil};

fn at(offset: i64) -> FetchPartition {
    FetchPartition {
        partition: 0,
        offset,
        max_bytes: 1 << 20,
        current_leader_epoch: None,
        last_fetched_epoch: None,
        isolation: ReadUntil::HighWatermark,
        at_least_one: true,
    }
}

fn values(bytes: &[Bytes]) -> Vec<String> {
    let bytes = Bytes::from(bytes.concat());
    let mut values = Vec::new();
    for found in levada_model::batch::split(bytes) {
        let (header, bytes) = found.unwrap();
        let codec = header.attributes.codec().unwrap();
        let opened = levada_compress::decompress(codec, &bytes.slice(HEADER_SIZE..), 1 << 20).unwrap();
        for record in Records::new(opened, header.record_count) {
            values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
        }
    }
    values
}

#[tokio::test]
async fn what_is_acknowledged_is_read_back_after_a_power_cut() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    let first = rig.produce("orders", 0, batch(&[(None, "a"), (None, "b")])).await.unwrap();
    let second = rig.produce("orders", 0, batch(&[(None, "c")])).await.unwrap();
    assert_eq!((first.base_offset, second.base_offset), (0, 2));
    for seed in 0..3 {
        let rig = Rig::new();
        rig.create("orders", 1, &[]).await.unwrap();
        rig.produce("orders", 0, batch(&[(None, "a"), (None, "b")])).await.unwrap();
        rig.produce("orders", 0, batch(&[(None, "c")])).await.unwrap();
        let rig = rig.power_cut(seed);
        let fetched = rig.broker.fetch(&rig.grant::<op::Read, res::Topic>("orders"), &at(1)).unwrap();
        assert_eq!(values(&fetched.pieces), ["a", "b", "c"], "the whole batch that holds offset 1");
        assert_eq!((fetched.high_watermark, fetched.log_start_offset), (3, 0));
    }
}

#[tokio::test]
async fn every_batch_is_judged_by_itself() {
    let rig = Rig::new();
    rig.create("orders", 1, &[("max.message.bytes", "200")]).await.unwrap();
    rig.create("strict", 1, &[("min.insync.replicas", "2")]).await.unwrap();
    let sound = batch(&[(None, "a")]);
    let good = |topic| rig.produce(topic, 0, sound.clone());
    assert_eq!(good("missing").await, Err(ProduceError::UnknownTopic));
    assert_eq!(rig.produce("orders", 1, sound.clone()).await, Err(ProduceError::UnknownPartition(1)));
    assert!(good("strict").await.is_ok(), "one replica is all there can be (KIP-966)");
    assert!(rig.produce_with(Acks::Leader, "strict", 0, sound.clone()).await.is_ok());
    let large = batch(&[(None, &"x".repeat(200))]);
    assert!(matches!(rig.produce("orders", 0, large).await, Err(ProduceError::TooLarge { limit: 200, .. })));
    let mut rotten = sound.to_vec();
    *rotten.last_mut().unwrap() ^= 1;
    assert!(matches!(rig.produce("orders", 0, rotten.into()).await, Err(ProduceError::Corrupt(_))));
    let two = Bytes::from([sound.clone(), sound.clone()].concat());
    assert!(matches!(rig.produce("orders", 0, two).await, Err(ProduceError::InvalidRecord(_))));
    assert!(matches!(rig.produce("orders", 0, Bytes::new()).await, Err(ProduceError::InvalidRecord(_))));
    let with = |bits, timestamp| {
        let stamp = ProducerStamp { id: levada_model::ProducerId(1), epoch: 0, base_sequence: 0 };
        let mut builder = BatchBuilder::new().with_attributes(bits).with_producer(stamp);
        builder.push(&NewRecord { timestamp, key: None, value: None, headers: &[] });
        builder.finish()
    };
    let control = rig.produce("orders", 0, with(Attributes::CONTROL, START_MS)).await;
    assert!(matches!(control, Err(ProduceError::InvalidRecord(_))));
    let transactional = rig.produce("orders", 0, with(Attributes::TRANSACTIONAL, START_MS)).await;
    assert_eq!(transactional, Err(ProduceError::NoTransactionalId));
    let late = rig.produce("orders", 0, with(0, START_MS + 3_600_001)).await;
    assert!(matches!(late, Err(ProduceError::InvalidTimestamp { .. })));
    assert!(rig.produce("orders", 0, with(0, START_MS + 3_600_000)).await.is_ok());
    assert!(rig.broker.find_coordinator(&rig.grant("g")).await.is_ok());
    assert!(matches!(good("__consumer_offsets").await, Err(ProduceError::InvalidRecord(_))));
}

#[tokio::test]
async fn a_topic_that_asks_for_schemas_takes_nothing_where_there_is_no_registry() {
    let rig = Rig::new();
    rig.create("orders", 1, &[("confluent.value.schema.validation", "true")]).await.unwrap();
    let refused = rig.produce("orders", 0, batch(&[(None, "\0\0\0\0\u{1}")])).await;
    assert!(matches!(refused, Err(ProduceError::InvalidRecords { .. })), "{refused:?}");
    assert!(refused.unwrap_err().to_string().contains("`--registry off`"));
    let bad = rig.create("other", 1, &[("confluent.value.subject.name.strategy", "Mine")]).await;
    assert!(bad.is_err(), "a strategy that there is not");
}

#[tokio::test]
async fn a_compacted_topic_wants_keys_under_any_codec() {
    let rig = Rig::new();
    rig.create("state", 1, &[("cleanup.policy", "compact")]).await.unwrap();
    for codec in Codec::ALL {
        let compressed = |key: Option<&str>| {
            let mut builder = BatchBuilder::new();
            let key = key.map(str::as_bytes);
            builder.push(&NewRecord { timestamp: START_MS, key, value: Some(b"v"), headers: &[] });
            let block = levada_compress::compress(codec, builder.records()).unwrap();
            builder.finish_with(codec, &block)
        };
        assert!(rig.produce("state", 0, compressed(Some("k"))).await.is_ok(), "{codec:?}");
        let refused = rig.produce("state", 0, compressed(None)).await;
        assert!(matches!(refused, Err(ProduceError::InvalidRecord(_))), "{codec:?}");
    }
}

#[tokio::test]
async fn the_topics_codec_is_obeyed() {
    let rig = Rig::new();
    for (index, codec) in Codec::ALL.into_iter().enumerate() {
        let name = if codec == Codec::None { "uncompressed" } else { codec.name() };
        let topic = format!("t{index}");
        rig.create(&topic, 1, &[("compression.type", name)]).await.unwrap();
        rig.produce(&topic, 0, batch(&[(None, "a"), (None, "b")])).await.unwrap();
        let fetched = rig.broker.fetch(&rig.grant::<op::Read, res::Topic>(&topic), &at(0)).unwrap();
        let stored = Batch::check(Bytes::from(fetched.pieces.concat())).unwrap();
        assert_eq!(stored.header().attributes.codec(), Some(codec));
        assert_eq!(values(&fetched.pieces), ["a", "b"]);
    }
}

#[tokio::test]
async fn a_retried_batch_keeps_its_offset() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    let grant = rig.broker.authorize_idempotent(&crate::rig::caller()).unwrap();
    let (id, epoch) = rig.broker.init_producer_id(&grant).await.unwrap();
    let numbered = |base_sequence| {
        let mut builder = BatchBuilder::new().with_producer(ProducerStamp { id, epoch, base_sequence });
        builder.push(&NewRecord { timestamp: START_MS, key: None, value: None, headers: &[] });
        builder.finish()
    };
    assert_eq!(rig.produce("orders", 0, numbered(0)).await.unwrap().base_offset, 0);
    assert_eq!(rig.produce("orders", 0, numbered(1)).await.unwrap().base_offset, 1);
    assert_eq!(rig.produce("orders", 0, numbered(0)).await.unwrap().base_offset, 0);
    let gap = rig.produce("orders", 0, numbered(5)).await;
    assert!(matches!(gap, Err(ProduceError::Append(AppendError::OutOfOrderSequence { sent: 5, expected: 2, .. }))));
}

#[tokio::test]
async fn no_producer_id_is_given_twice() {
    let mut given = Vec::new();
    let mut rig = Rig::new();
    for life in 0..3 {
        let grant = rig.broker.authorize_idempotent(&crate::rig::caller()).unwrap();
        for _ in 0..1_001 {
            given.push(rig.broker.init_producer_id(&grant).await.unwrap().0);
        }
        rig = rig.power_cut(life);
    }
    let count = given.len();
    given.sort_unstable();
    given.dedup();
    assert_eq!(given.len(), count);
}

#[tokio::test]
async fn offsets_are_found_by_time_and_by_name() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    for step in 0..3 {
        let mut builder = BatchBuilder::new();
        builder.push(&NewRecord { timestamp: START_MS + step * 10, key: None, value: None, headers: &[] });
        rig.produce("orders", 0, builder.finish()).await.unwrap();
    }
    let topic = rig.grant::<op::Describe, res::Topic>("orders");
    let list = |timestamp| {
        let list =
            ListOffset { partition: 0, current_leader_epoch: None, timestamp, isolation: ReadUntil::HighWatermark };
        rig.broker.list_offset(&topic, &list).map(|listed| (listed.offset, listed.timestamp))
    };
    assert_eq!(list(-1), Ok((3, -1)));
    assert_eq!(list(-2), Ok((0, -1)));
    assert_eq!(list(-3), Ok((2, START_MS + 20)));
    assert_eq!(list(-5), Ok((-1, -1)));
    assert_eq!(list(START_MS + 1), Ok((1, START_MS + 10)));
    assert_eq!(list(START_MS + 21), Ok((-1, -1)));
    assert_eq!(list(-9), Err(FetchError::UnsupportedTimestamp(-9)));
}

#[tokio::test]
async fn epochs_rise_with_every_start_and_fence() {
    let rig = Rig::new();
    rig.create("orders", 1, &[]).await.unwrap();
    rig.produce("orders", 0, batch(&[(None, "a")])).await.unwrap();
    let before = rig.broker.cluster().leader_epoch;
    let rig = rig.power_cut(1);
    let topic = rig.grant::<op::Read, res::Topic>("orders");
    let current = rig.broker.cluster().leader_epoch;
    assert!(current > before);
    let fetch = |epoch| rig.broker.fetch(&topic, &FetchPartition { current_leader_epoch: Some(epoch), ..at(0) });
    assert_eq!(fetch(before).unwrap_err(), FetchError::FencedLeaderEpoch { sent: before, current });
    assert_eq!(fetch(current + 1).unwrap_err(), FetchError::UnknownLeaderEpoch { sent: current + 1, current });
    assert_eq!(fetch(current).unwrap().high_watermark, 1);
    let beyond = rig.broker.fetch(&topic, &at(2)).unwrap_err();
    assert_eq!(beyond, FetchError::OffsetOutOfRange { offset: 2, start: 0, end: 1 });
}
