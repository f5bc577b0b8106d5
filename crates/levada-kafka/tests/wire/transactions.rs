//! Transactions over the wire, in every version of every API that takes part.

use crate::{
    client::{Client, TestServer},
    requests::{fetch, only, produce},
};
use bytes::Bytes;
use levada_model::{
    ProducerId,
    batch::Attributes,
    record::{BatchBuilder, NewRecord, ProducerStamp},
};
use levada_protocol::{
    ErrorCode,
    messages::{
        AddOffsetsToTxnRequest, AddPartitionsToTxnRequest, DescribeProducersRequest, DescribeTransactionsRequest,
        EndTxnRequest, InitProducerIdRequest, ListTransactionsRequest, ProduceRequest, TxnOffsetCommitRequest,
        WriteTxnMarkersRequest,
        add_partitions_to_txn_request::{AddPartitionsToTxnTopic, AddPartitionsToTxnTransaction},
        describe_producers_request::TopicRequest,
        txn_offset_commit_request::{TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic},
        write_txn_markers_request::{WritableTxnMarker, WritableTxnMarkerTopic},
    },
};

#[derive(Clone, Copy)]
struct Who {
    id: i64,
    epoch: i16,
}

fn records(who: Who, sequence: i32) -> Bytes {
    let stamp = ProducerStamp { id: ProducerId(who.id), epoch: who.epoch, base_sequence: sequence };
    let mut builder = BatchBuilder::new().with_producer(stamp).with_attributes(Attributes::TRANSACTIONAL);
    builder.push(&NewRecord { timestamp: 1, key: None, value: Some(b"value"), headers: &[] });
    builder.finish()
}

async fn init(client: &mut Client, version: i16) -> Who {
    let request = InitProducerIdRequest {
        transactional_id: Some("pay".into()),
        transaction_timeout_ms: 60_000,
        producer_id: -1,
        producer_epoch: -1,
    };
    loop {
        let response = client.call(version, &request).await;
        if response.error_code != ErrorCode::ConcurrentTransactions.code() {
            assert_eq!(response.error_code, 0, "version {version}");
            return Who { id: response.producer_id, epoch: response.producer_epoch };
        }
    }
}

async fn write(client: &mut Client, version: i16, who: Who, sequence: i32) -> i16 {
    let id = client.metadata(12, Some(&["t"])).await.topics[0].topic_id;
    let mut request =
        ProduceRequest { transactional_id: Some("pay".into()), ..produce("t", 0, records(who, sequence)) };
    request.topic_data[0].topic_id = id;
    client.call(version, &request).await.responses[0].partition_responses[0].error_code
}

fn add(version: i16, who: Who, verify_only: bool) -> AddPartitionsToTxnRequest {
    let topics = vec![AddPartitionsToTxnTopic { name: "t".into(), partitions: vec![0] }];
    if version < 4 {
        return AddPartitionsToTxnRequest {
            v3_and_below_transactional_id: "pay".into(),
            v3_and_below_producer_id: who.id,
            v3_and_below_producer_epoch: who.epoch,
            v3_and_below_topics: topics,
            ..Default::default()
        };
    }
    let transaction = AddPartitionsToTxnTransaction {
        transactional_id: "pay".into(),
        producer_id: who.id,
        producer_epoch: who.epoch,
        verify_only,
        topics,
    };
    AddPartitionsToTxnRequest { transactions: vec![transaction], ..Default::default() }
}

fn end(who: Who, committed: bool) -> EndTxnRequest {
    EndTxnRequest { transactional_id: "pay".into(), producer_id: who.id, producer_epoch: who.epoch, committed }
}

fn commit(who: Who, offset: i64) -> TxnOffsetCommitRequest {
    let partition = TxnOffsetCommitRequestPartition { committed_offset: offset, ..Default::default() };
    TxnOffsetCommitRequest {
        transactional_id: "pay".into(),
        group_id: "readers".into(),
        producer_id: who.id,
        producer_epoch: who.epoch,
        topics: vec![TxnOffsetCommitRequestTopic { name: "t".into(), partitions: vec![partition] }],
        ..Default::default()
    }
}

#[tokio::test]
async fn the_first_generation_works_in_every_version() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    for version in 0..=4 {
        let who = init(&mut client, version + 1).await;
        let added = client.call(version, &add(version, who, false)).await;
        let results = added.results_by_topic_v3_and_below;
        let results = results.first().or_else(|| added.results_by_transaction[0].topic_results.first()).unwrap();
        assert_eq!(results.results_by_partition[0].partition_error_code, 0, "version {version}");
        assert_eq!(write(&mut client, 7 + version, who, 0).await, 0, "version {version}");
        let offsets = AddOffsetsToTxnRequest {
            transactional_id: "pay".into(),
            producer_id: who.id,
            producer_epoch: who.epoch,
            group_id: "readers".into(),
        };
        assert_eq!(client.call(version, &offsets).await.error_code, 0, "version {version}");
        let committed = client.call(version, &commit(who, i64::from(version))).await;
        assert_eq!(committed.topics[0].partitions[0].error_code, 0, "version {version}");
        assert_eq!(client.call(version, &end(who, version % 2 == 0)).await.error_code, 0, "version {version}");
        // Somebody older is told so, by the code that its version knows.
        let older = Who { epoch: who.epoch - 1, ..who };
        let fenced = if version < 2 { ErrorCode::InvalidProducerEpoch } else { ErrorCode::ProducerFenced };
        assert_eq!(client.call(version, &end(older, true)).await.error_code, fenced.code(), "version {version}");
    }
}

#[tokio::test]
async fn the_second_generation_raises_the_epoch_with_every_end() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    let mut who = init(&mut client, 5).await;
    for round in 0..4 {
        for version in [12, 13] {
            assert_eq!(write(&mut client, version, who, i32::from(version) - 12).await, 0);
        }
        let committed = client.call(5, &commit(who, round)).await;
        assert_eq!(committed.topics[0].partitions[0].error_code, 0);
        let verified = client.call(5, &add(5, who, true)).await;
        assert_eq!(verified.results_by_transaction[0].topic_results[0].results_by_partition[0].partition_error_code, 0);
        let ended = client.call(5, &end(who, round % 2 == 0)).await;
        assert_eq!((ended.error_code, ended.producer_id, ended.producer_epoch), (0, who.id, who.epoch + 1));
        let again = client.call(5, &end(who, round % 2 == 0)).await;
        assert_eq!((again.error_code, again.producer_epoch), (0, who.epoch + 1), "its answer was lost");
        who.epoch += 1;
    }
    // What was aborted is named to those who read committed records.
    let request = levada_protocol::messages::FetchRequest { isolation_level: 1, ..fetch("t", 0, 0) };
    let response = client.call(11, &request).await;
    let partition = only(&response);
    let aborted = partition.aborted_transactions.as_deref().unwrap();
    assert_eq!(
        aborted.iter().map(|it| (it.producer_id, it.first_offset)).collect::<Vec<_>>(),
        [(who.id, 3), (who.id, 9)]
    );
    assert_eq!((partition.last_stable_offset, partition.high_watermark), (12, 12));
}

#[tokio::test]
async fn administrators_see_transactions_and_end_those_that_hang() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    let who = init(&mut client, 5).await;
    assert_eq!(write(&mut client, 12, who, 0).await, 0);
    let described =
        client.call(0, &DescribeTransactionsRequest { transactional_ids: vec!["pay".into(), "no".into()] }).await;
    assert_eq!(&*described.transaction_states[0].transaction_state, "Ongoing");
    assert_eq!(described.transaction_states[0].topics[0].partitions, [0]);
    assert_eq!(described.transaction_states[1].error_code, ErrorCode::TransactionalIdNotFound.code());
    for version in 0..=1 {
        let request =
            ListTransactionsRequest { state_filters: vec!["Ongoing".into(), "Odd".into()], ..Default::default() };
        let listed = client.call(version, &request).await;
        assert_eq!((listed.transaction_states.len(), listed.unknown_state_filters.len()), (1, 1));
    }
    for (pattern, count) in [("p.y", 1), ("p", 0), ("", 1)] {
        let request = ListTransactionsRequest { transactional_id_pattern: Some(pattern.into()), ..Default::default() };
        assert_eq!(client.call(2, &request).await.transaction_states.len(), count, "{pattern}");
    }
    let request = ListTransactionsRequest { transactional_id_pattern: Some("(".into()), ..Default::default() };
    assert_eq!(client.call(2, &request).await.error_code, ErrorCode::InvalidRegularExpression.code());
    let topics = vec![TopicRequest { name: "t".into(), partition_indexes: vec![0, 9] }];
    let producers = client.call(0, &DescribeProducersRequest { topics }).await;
    assert_eq!(producers.topics[0].partitions[0].active_producers[0].current_txn_start_offset, 0);
    assert_eq!(producers.topics[0].partitions[1].error_code, ErrorCode::UnknownTopicOrPartition.code());
    for version in 1..=2 {
        let marker = WritableTxnMarker {
            producer_id: who.id,
            producer_epoch: who.epoch,
            transaction_result: false,
            topics: vec![WritableTxnMarkerTopic { name: "t".into(), partition_indexes: vec![0, 9] }],
            coordinator_epoch: 5,
            ..Default::default()
        };
        let written = client.call(version, &WriteTxnMarkersRequest { markers: vec![marker] }).await;
        let partitions = &written.markers[0].topics[0].partitions;
        assert_eq!((partitions[0].error_code, partitions[1].error_code), (0, 3), "version {version}");
    }
    let response = client.call(11, &fetch("t", 0, 0)).await;
    assert_eq!(only(&response).last_stable_offset, 3, "nothing is open any more");
}

#[tokio::test]
async fn what_is_not_allowed_is_told_by_the_right_code() {
    let server = TestServer::start().await;
    let mut client = server.client().await;
    client.create_topic("t", 1).await;
    let who = init(&mut client, 5).await;
    let mut request = InitProducerIdRequest {
        transactional_id: Some("pay".into()),
        transaction_timeout_ms: i32::MAX,
        producer_id: -1,
        producer_epoch: -1,
    };
    let code = client.call(5, &request).await.error_code;
    assert_eq!(code, ErrorCode::InvalidTransactionTimeout.code());
    request.transactional_id = Some("".into());
    assert_eq!(client.call(5, &request).await.error_code, ErrorCode::InvalidRequest.code());
    // A partition that was not added, in versions before and after there was a code of its own.
    assert_eq!(write(&mut client, 10, who, 0).await, ErrorCode::InvalidTxnState.code());
    assert_eq!(write(&mut client, 11, who, 0).await, ErrorCode::TransactionAbortable.code());
    let nobody = ProduceRequest { transactional_id: None, ..produce("t", 0, records(who, 0)) };
    let response = client.call(11, &nobody).await;
    let refused = response.responses[0].partition_responses[0].error_code;
    assert_eq!(refused, ErrorCode::TransactionalIdAuthorizationFailed.code());
    let stranger = EndTxnRequest { transactional_id: "nobody".into(), ..end(who, true) };
    assert_eq!(client.call(5, &stranger).await.error_code, ErrorCode::InvalidProducerIdMapping.code());
    assert_eq!(client.call(5, &end(who, true)).await.error_code, ErrorCode::InvalidTxnState.code());
    let mut missing = add(3, who, false);
    missing.v3_and_below_topics.push(AddPartitionsToTxnTopic { name: "missing".into(), partitions: vec![0] });
    let answered = client.call(3, &missing).await.results_by_topic_v3_and_below;
    let codes: Vec<i16> = answered.iter().map(|topic| topic.results_by_partition[0].partition_error_code).collect();
    assert_eq!(codes, [ErrorCode::OperationNotAttempted.code(), ErrorCode::UnknownTopicOrPartition.code()]);
}
