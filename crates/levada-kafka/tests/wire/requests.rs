//! Requests that many tests make, in one version each, and the fields that matter of their answers.

use crate::client::Client;
use bytes::Bytes;
use levada_model::TopicId;
use levada_protocol::messages::{
    CreateTopicsRequest, FetchRequest, FetchResponse, MetadataRequest, MetadataResponse, ProduceRequest,
    create_topics_request::CreatableTopic,
    fetch_request::{FetchPartition, FetchTopic},
    fetch_response::PartitionData,
    metadata_request::MetadataRequestTopic,
    produce_request::{PartitionProduceData, TopicProduceData},
    produce_response::PartitionProduceResponse,
};

pub(crate) fn produce(topic: &str, partition: i32, records: Bytes) -> ProduceRequest {
    let partition = PartitionProduceData { index: partition, records: records.into() };
    let topic = TopicProduceData { name: topic.into(), partition_data: vec![partition], ..Default::default() };
    ProduceRequest { acks: -1, timeout_ms: 10_000, topic_data: vec![topic], ..Default::default() }
}

pub(crate) fn fetch(topic: &str, partition: i32, offset: i64) -> FetchRequest {
    let partition = FetchPartition {
        partition,
        fetch_offset: offset,
        partition_max_bytes: 1 << 20,
        current_leader_epoch: -1,
        last_fetched_epoch: -1,
        ..Default::default()
    };
    let topic = FetchTopic { topic: topic.into(), partitions: vec![partition], ..Default::default() };
    FetchRequest { max_wait_ms: 0, min_bytes: 1, max_bytes: 50 << 20, topics: vec![topic], ..Default::default() }
}

/// The one partition of a response.
pub(crate) fn only(response: &FetchResponse) -> &PartitionData {
    assert_eq!(response.error_code, 0);
    assert_eq!(response.responses.len(), 1, "{response:?}");
    assert_eq!(response.responses[0].partitions.len(), 1, "{response:?}");
    &response.responses[0].partitions[0]
}

impl Client {
    pub(crate) async fn create_topic(&mut self, name: &str, partitions: i32) -> TopicId {
        self.create_topic_with(name, partitions, &[]).await
    }

    pub(crate) async fn create_topic_with(&mut self, name: &str, partitions: i32, configs: &[(&str, &str)]) -> TopicId {
        let configs = configs.iter().map(|(name, value)| {
            levada_protocol::messages::create_topics_request::CreatableTopicConfig {
                name: (*name).into(),
                value: Some((*value).into()),
            }
        });
        let topic = CreatableTopic {
            name: name.into(),
            num_partitions: partitions,
            replication_factor: 1,
            configs: configs.collect(),
            ..Default::default()
        };
        let request = CreateTopicsRequest { topics: vec![topic], timeout_ms: 10_000, ..Default::default() };
        let response = self.call(7, &request).await;
        assert_eq!(response.topics[0].error_code, 0, "{response:?}");
        response.topics[0].topic_id
    }

    /// Produces one batch and returns what came of it.
    pub(crate) async fn produce(&mut self, topic: &str, partition: i32, records: Bytes) -> PartitionProduceResponse {
        let response = self.call(9, &produce(topic, partition, records)).await;
        response.responses[0].partition_responses[0].clone()
    }

    pub(crate) async fn metadata(&mut self, version: i16, topics: Option<&[&str]>) -> MetadataResponse {
        let topic = |name: &&str| MetadataRequestTopic { name: Some((*name).into()), ..Default::default() };
        let topics = topics.map(|topics| topics.iter().map(topic).collect());
        let request = MetadataRequest { topics, allow_auto_topic_creation: false, ..Default::default() };
        let request =
            if version < 4 { MetadataRequest { allow_auto_topic_creation: true, ..request } } else { request };
        self.call(version, &request).await
    }
}
