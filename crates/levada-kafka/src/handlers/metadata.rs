//! Metadata · key 3 · versions 0–13
//!
//! - 0: no topics means all; from 1 on null does. 4: whether missing topics may be created. 5: offline replicas.
//!   7: leader epochs. 8: authorised operations. 9: flexible. 10: topic ids. 11: no authorised operations of the
//!   cluster. 12: topics by id. 13: an error of the whole response (KIP-1102).
//! - The address is the one at which the client reached us, or `--advertise`.
//! - A topic that is created because a client asks for it is in the same answer.
//! - Left out: racks and offline replicas: there is one broker. The error of version 13 asks clients to start
//!   over, which this broker never does.
//!
//! Source: KIP-4, KIP-430, KIP-516, KIP-1102.

use crate::{authorised, call::Context, errors};
use levada_broker::{
    auth::{Grant, op, res},
    topics::TopicView,
};
use levada_model::{Str, TopicId, TopicName};
use levada_protocol::{
    ErrorCode,
    messages::{
        MetadataRequest, MetadataResponse,
        metadata_request::MetadataRequestTopic,
        metadata_response::{MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic},
    },
};

/// From this version on topics may be asked for by id.
const BY_ID_FROM: i16 = 12;

pub(crate) async fn handle(context: Context, request: MetadataRequest) -> MetadataResponse {
    let asks_all = match &request.topics {
        None => true,
        Some(topics) => context.version == 0 && topics.is_empty(),
    };
    let mut topics = Vec::new();
    if asks_all {
        for name in context.broker().topic_names() {
            // Of all topics a client sees those that it may see.
            if let Ok(grant) = context.ask_topic(name.as_shared())
                && let Some(view) = context.broker().topic(&grant)
            {
                topics.push(describe(&context, &request, &view));
            }
        }
    } else {
        for asked in request.topics.iter().flatten() {
            topics.push(match find(&context, &request, asked).await {
                Ok(view) => describe(&context, &request, &view),
                Err(error) => missing(&context, &request, asked, error),
            });
        }
    }
    let endpoint = context.endpoint();
    let node_id = context.broker().cluster().node_id;
    let mut response = MetadataResponse {
        brokers: vec![MetadataResponseBroker {
            node_id,
            host: endpoint.host.into(),
            port: i32::from(endpoint.port),
            rack: None,
        }],
        cluster_id: Some(context.broker().cluster().cluster_id.to_string().into()),
        controller_id: node_id,
        topics,
        ..MetadataResponse::default()
    };
    if request.include_cluster_authorized_operations {
        response.cluster_authorized_operations = authorised::cluster(&context);
    }
    response
}

/// Finds one topic, or creates it.
async fn find(
    context: &Context,
    request: &MetadataRequest,
    asked: &MetadataRequestTopic,
) -> Result<TopicView, ErrorCode> {
    if !asked.topic_id.is_zero() {
        if context.version < BY_ID_FROM {
            return Err(ErrorCode::InvalidRequest);
        }
        let name = context.broker().name_of(asked.topic_id).ok_or(ErrorCode::UnknownTopicId)?;
        // Who may not see the topic is not told its name either.
        let grant = context.ask_topic(name.as_shared()).map_err(|_| ErrorCode::UnknownTopicId)?;
        return context.broker().topic(&grant).ok_or(ErrorCode::UnknownTopicId);
    }
    let name = asked.name.as_ref().ok_or(ErrorCode::InvalidRequest)?;
    let grant: Grant<op::Describe, res::Topic> = context.ask_topic(name)?;
    if let Some(view) = context.broker().topic(&grant) {
        return Ok(view);
    }
    let legal = TopicName::new(name).map_err(|_| ErrorCode::InvalidTopicException)?;
    let may_create = request.allow_auto_topic_creation && context.broker().config().auto_create_topics();
    if !may_create || legal.is_internal() {
        return Err(ErrorCode::UnknownTopicOrPartition);
    }
    let create = context.ask_create(name)?;
    context.broker().create_automatically(create).await.map_err(|error| errors::create_topic(&error))?;
    context.broker().topic(&grant).ok_or(ErrorCode::UnknownTopicOrPartition)
}

fn missing(
    context: &Context,
    request: &MetadataRequest,
    asked: &MetadataRequestTopic,
    error: ErrorCode,
) -> MetadataResponseTopic {
    let is_missing = matches!(error, ErrorCode::UnknownTopicOrPartition | ErrorCode::InvalidTopicException);
    let asks = request.include_topic_authorized_operations && is_missing;
    let operations = asked.name.as_ref().filter(|_| asks).map(|name| authorised::topic(context, name));
    MetadataResponseTopic {
        topic_authorized_operations: operations.unwrap_or(i32::MIN),
        error_code: error.code(),
        // Before version 12 there is no null.
        name: asked.name.clone().or_else(|| asked.topic_id.is_zero().then(Str::new)),
        topic_id: asked.topic_id,
        ..MetadataResponseTopic::default()
    }
}

fn describe(context: &Context, request: &MetadataRequest, view: &TopicView) -> MetadataResponseTopic {
    let node_id = context.broker().cluster().node_id;
    let partitions = (0..view.partitions).map(|index| MetadataResponsePartition {
        partition_index: index,
        leader_id: node_id,
        leader_epoch: view.leader_epoch,
        replica_nodes: vec![node_id],
        isr_nodes: vec![node_id],
        ..MetadataResponsePartition::default()
    });
    let mut topic = MetadataResponseTopic {
        name: Some(view.name.as_shared().clone()),
        topic_id: TopicId::clone(&view.id),
        is_internal: view.is_internal,
        partitions: partitions.collect(),
        ..MetadataResponseTopic::default()
    };
    if request.include_topic_authorized_operations {
        topic.topic_authorized_operations = authorised::topic(context, view.name.as_shared());
    }
    topic
}
