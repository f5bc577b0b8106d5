//! DeleteTopics · key 20 · versions 1–6
//!
//! - 4: flexible. 5: error message. 6: topics by id (KIP-516).
//! - Answered when the topics are gone durably; the timeout is not needed.
//!
//! Source: KIP-4, KIP-516.

use crate::{call::Context, errors};
use levada_broker::auth::{op, res};
use levada_model::{Str, TopicId};
use levada_protocol::{
    ErrorCode,
    messages::{DeleteTopicsRequest, DeleteTopicsResponse, delete_topics_response::DeletableTopicResult},
};

/// From this version on topics may be named by id.
const IDS_FROM: i16 = 6;

pub(crate) async fn handle(context: Context, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let mut asked: Vec<(Option<Str>, TopicId)> = Vec::new();
    if context.version >= IDS_FROM {
        asked.extend(request.topics.into_iter().map(|topic| (topic.name, topic.topic_id)));
    } else {
        asked.extend(request.topic_names.into_iter().map(|name| (Some(name), TopicId::ZERO)));
    }
    let mut responses = Vec::with_capacity(asked.len());
    for (name, id) in asked {
        responses.push(delete(&context, name, id).await);
    }
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

async fn delete(context: &Context, name: Option<Str>, id: TopicId) -> DeletableTopicResult {
    let refuse = |name: Option<Str>, error: ErrorCode, message: String| DeletableTopicResult {
        name,
        topic_id: id,
        error_code: error.code(),
        error_message: Some(message.into()),
    };
    let name = match name {
        Some(name) if id.is_zero() => name,
        Some(name) => return refuse(Some(name), ErrorCode::InvalidRequest, "both name and id are given".to_owned()),
        None => match context.broker().name_of(id) {
            Some(name) => name.as_shared().clone(),
            None => return refuse(None, ErrorCode::UnknownTopicId, "no topic has this id".to_owned()),
        },
    };
    let grant = match context.ask::<op::Delete, res::Topic>(&name) {
        Ok(grant) => grant,
        // Who may not see the topic is not told its name by its id.
        Err(error) if !id.is_zero() && context.ask::<op::Describe, res::Topic>(&name).is_err() => {
            return refuse(None, error, "may not delete the topic".to_owned());
        }
        Err(error) => return refuse(Some(name), error, "may not delete the topic".to_owned()),
    };
    match context.broker().delete_topic(&grant).await {
        Ok(topic_id) => DeletableTopicResult { name: Some(name), topic_id, ..DeletableTopicResult::default() },
        Err(error) => refuse(Some(name), errors::admin(&error), error.to_string()),
    }
}
