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
    ApiKey, ErrorCode,
    messages::{DeleteTopicsRequest, DeleteTopicsResponse, delete_topics_response::DeletableTopicResult},
};
use std::collections::{HashMap, HashSet};

/// From this version on topics may be named by id.
const IDS_FROM: i16 = 6;

pub(crate) async fn handle(context: Context, request: DeleteTopicsRequest) -> DeleteTopicsResponse {
    let mut asked: Vec<(Option<Str>, TopicId)> = Vec::new();
    if context.version >= IDS_FROM {
        asked.extend(request.topics.into_iter().map(|topic| (topic.name, topic.topic_id)));
    } else {
        asked.extend(request.topic_names.into_iter().map(|name| (Some(name), TopicId::ZERO)));
    }
    // What is there twice is refused once, and so is a topic that is there by name and by id.
    let mut counts: HashMap<(Option<Str>, TopicId), usize> = HashMap::new();
    asked.iter().for_each(|one| *counts.entry(one.clone()).or_default() += 1);
    let ids: HashSet<TopicId> = asked.iter().filter(|(name, _)| name.is_none()).map(|(_, id)| *id).collect();
    let mut responses = Vec::with_capacity(asked.len());
    let mut refused: HashSet<TopicId> = HashSet::new();
    for (name, id) in asked.iter().filter(|(name, _)| name.is_some()) {
        let Some(count) = counts.remove(&(name.clone(), *id)) else { continue };
        let by_name = name.as_ref().and_then(|name| context.ask_topic::<op::Describe>(name).ok());
        let known = by_name.and_then(|grant| context.broker().topic_id(&grant)).filter(|known| ids.contains(known));
        if let Some(known) = known {
            refused.insert(known);
            responses.push(refuse(name.clone(), known, ErrorCode::InvalidRequest, "its id is there, too"));
        } else if count > 1 {
            responses.push(refuse(name.clone(), *id, ErrorCode::InvalidRequest, "the request names it twice"));
        } else {
            responses.push(delete(&context, name.clone(), *id).await);
        }
    }
    for (_, id) in asked.iter().filter(|(name, id)| name.is_none() && !refused.contains(id)) {
        match counts.remove(&(None, *id)) {
            None => {}
            Some(1) => responses.push(delete(&context, None, *id).await),
            Some(_) => responses.push(refuse(None, *id, ErrorCode::InvalidRequest, "the request names it twice")),
        }
    }
    DeleteTopicsResponse { responses, ..DeleteTopicsResponse::default() }
}

fn refuse(name: Option<Str>, topic_id: TopicId, error: ErrorCode, message: &str) -> DeletableTopicResult {
    DeletableTopicResult { name, topic_id, error_code: error.code(), error_message: Some(message.into()) }
}

async fn delete(context: &Context, name: Option<Str>, id: TopicId) -> DeletableTopicResult {
    let name = match name {
        Some(name) if id.is_zero() => name,
        Some(name) => return refuse(Some(name), id, ErrorCode::InvalidRequest, "both name and id are given"),
        None if id.is_zero() => return refuse(None, id, ErrorCode::InvalidRequest, "neither name nor id is given"),
        None => match context.broker().name_of(id) {
            Some(name) => name.as_shared().clone(),
            None => return refuse(None, id, ErrorCode::UnknownTopicId, "no topic has this id"),
        },
    };
    let grant = match context.ask::<op::Delete, res::Topic>(&name) {
        Ok(grant) => grant,
        // Who may not see the topic is not told its name by its id.
        Err(error) if !id.is_zero() && context.ask::<op::Describe, res::Topic>(&name).is_err() => {
            return refuse(None, id, error, "may not delete the topic");
        }
        Err(error) => return refuse(Some(name), id, error, "may not delete the topic"),
    };
    if let Err(error) = context.admit_mutations(ApiKey::DeleteTopics, 1) {
        return refuse(Some(name), id, error, "over the quota of changes");
    }
    match context.broker().delete_topic(&grant).await {
        Ok(topic_id) => DeletableTopicResult { name: Some(name), topic_id, ..DeletableTopicResult::default() },
        Err(error) => refuse(Some(name), id, errors::admin(&error), &error.to_string()),
    }
}
