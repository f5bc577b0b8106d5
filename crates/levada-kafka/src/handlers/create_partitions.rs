//! CreatePartitions · key 37 · versions 0–3
//!
//! - 2: flexible. 3: nothing (quotas, KIP-599).
//! - Answered when the partitions are durable and there; the timeout is not needed.
//!
//! Source: KIP-195.

use crate::{call::Context, errors};
use levada_broker::ValidateOnly;
use levada_model::Str;
use levada_protocol::{
    ApiKey, ErrorCode,
    messages::{
        CreatePartitionsRequest, CreatePartitionsResponse, create_partitions_request::CreatePartitionsTopic,
        create_partitions_response::CreatePartitionsTopicResult,
    },
};
use std::collections::HashMap;

pub(crate) async fn handle(context: Context, request: CreatePartitionsRequest) -> CreatePartitionsResponse {
    let validate_only = if request.validate_only { ValidateOnly::Yes } else { ValidateOnly::No };
    let mut counts: HashMap<Str, usize> = HashMap::new();
    for topic in &request.topics {
        *counts.entry(topic.name.clone()).or_default() += 1;
    }
    let mut results = Vec::with_capacity(request.topics.len());
    for topic in request.topics {
        let outcome = match counts.remove(&topic.name) {
            None => continue,
            Some(1) => create(&context, &topic, validate_only).await,
            Some(_) => Err((ErrorCode::InvalidRequest, "the request names the topic more than once".to_owned())),
        };
        let (error, message) = match outcome {
            Ok(()) => (ErrorCode::None, None),
            Err((error, message)) => (error, Some(message.into())),
        };
        results.push(CreatePartitionsTopicResult {
            name: topic.name,
            error_code: error.code(),
            error_message: message,
        });
    }
    CreatePartitionsResponse { results, ..CreatePartitionsResponse::default() }
}

async fn create(
    context: &Context,
    topic: &CreatePartitionsTopic,
    validate_only: ValidateOnly,
) -> Result<(), (ErrorCode, String)> {
    let grant = context.ask(&topic.name).map_err(|error| (error, "may not alter the topic".to_owned()))?;
    let assignments: Option<Vec<Vec<i32>>> =
        topic.assignments.as_ref().map(|all| all.iter().map(|one| one.broker_ids.clone()).collect());
    if validate_only == ValidateOnly::No {
        let admitted = context.admit_mutations(ApiKey::CreatePartitions, 1);
        admitted.map_err(|error| (error, "over the quota of changes".to_owned()))?;
    }
    let created = context.broker().create_partitions(&grant, topic.count, assignments.as_deref(), validate_only);
    created.await.map_err(|error| (errors::create_partitions(&error), error.to_string()))
}
