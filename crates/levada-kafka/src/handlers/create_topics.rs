//! CreateTopics · key 19 · versions 2–7
//!
//! - 4: −1 takes the broker's defaults (KIP-464). 5: flexible, the settings in the answer (KIP-525). 6: nothing
//!   (quotas, KIP-599). 7: topic id.
//! - Answered when the topics are durable and there; the timeout is not needed.
//!
//! Source: KIP-4, KIP-464, KIP-525.

use crate::{call::Context, configs, errors};
use levada_broker::{
    ValidateOnly,
    auth::{op, res},
    topics::{CreateTopic, CreatedTopic},
};
use levada_model::Str;
use levada_protocol::{
    ApiKey, ErrorCode,
    messages::{
        CreateTopicsRequest, CreateTopicsResponse,
        create_topics_request::CreatableTopic,
        create_topics_response::{CreatableTopicConfigs, CreatableTopicResult},
    },
};
use std::collections::HashMap;

pub(crate) async fn handle(context: Context, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut counts: HashMap<Str, usize> = HashMap::new();
    for topic in &request.topics {
        *counts.entry(topic.name.clone()).or_default() += 1;
    }
    let validate_only = if request.validate_only { ValidateOnly::Yes } else { ValidateOnly::No };
    let mut refused: Vec<(Str, Option<(ErrorCode, String)>)> = Vec::with_capacity(request.topics.len());
    let mut wanted = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let name = topic.name.clone();
        // A name that is there twice is refused once.
        let Some(count) = counts.remove(&name) else { continue };
        let is_twice = count > 1;
        let refusal = if is_twice {
            Some((ErrorCode::InvalidRequest, "the request names the topic more than once".to_owned()))
        } else {
            match translate(&context, topic, validate_only) {
                Ok(create) => {
                    wanted.push(create);
                    None
                }
                Err(error) => Some((error, "may not create the topic, or not so soon".to_owned())),
            }
        };
        refused.push((name, refusal));
    }
    let mut outcomes = context.broker().create_topics(wanted, validate_only).await.into_iter();
    let topics = refused.into_iter().map(|(name, refusal)| {
        let outcome = match refusal {
            Some(refusal) => Err(refusal),
            None => outcomes
                .next()
                .ok_or_else(|| (ErrorCode::UnknownServerError, "the broker gave no outcome".to_owned()))
                .and_then(|outcome| outcome.map_err(|error| (errors::create_topic(&error), error.to_string()))),
        };
        result(&context, name, outcome)
    });
    CreateTopicsResponse { topics: topics.collect(), ..CreateTopicsResponse::default() }
}

fn translate(context: &Context, topic: CreatableTopic, validate_only: ValidateOnly) -> Result<CreateTopic, ErrorCode> {
    let grant = context.ask_create(&topic.name)?;
    if validate_only == ValidateOnly::No {
        context.admit_mutations(ApiKey::CreateTopics, topic.num_partitions)?;
    }
    let assignments = topic.assignments.into_iter().map(|one| (one.partition_index, one.broker_ids));
    Ok(CreateTopic {
        topic: grant,
        partitions: topic.num_partitions,
        replication_factor: topic.replication_factor,
        assignments: assignments.collect(),
        configs: topic.configs.into_iter().map(|config| (config.name, config.value)).collect(),
    })
}

fn result(context: &Context, name: Str, outcome: Result<CreatedTopic, (ErrorCode, String)>) -> CreatableTopicResult {
    let created = match outcome {
        Ok(created) => created,
        Err((error, message)) => {
            return CreatableTopicResult {
                name,
                error_code: error.code(),
                error_message: Some(message.into()),
                configs: Some(Vec::new()),
                ..CreatableTopicResult::default()
            };
        }
    };
    let may_see = context.ask::<op::DescribeConfigs, res::Topic>(&name);
    let configs = created.configs.into_iter().map(|config| CreatableTopicConfigs {
        name: config.name.into(),
        value: Some(config.value.into()),
        read_only: config.read_only,
        config_source: configs::source(config.source),
        is_sensitive: false,
    });
    CreatableTopicResult {
        name,
        topic_id: created.id,
        topic_config_error_code: may_see.as_ref().err().map_or(0, |error| error.code()),
        num_partitions: created.partitions,
        replication_factor: created.replication_factor,
        configs: may_see.is_ok().then(|| configs.collect()),
        error_message: None,
        ..CreatableTopicResult::default()
    }
}
