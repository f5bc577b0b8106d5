//! IncrementalAlterConfigs · key 44 · versions 0–1
//!
//! - 1: flexible.
//! - Sets, deletes, appends to and subtracts from single settings; all of one resource or none.
//!
//! Source: KIP-339.

use crate::{call::Context, configs};
use levada_broker::config::{AlterConfigs, ConfigKind, ConfigOp, find, topic::TOPIC};
use levada_model::Str;
use levada_protocol::{
    ErrorCode,
    messages::{
        IncrementalAlterConfigsRequest, IncrementalAlterConfigsResponse,
        incremental_alter_configs_request::AlterConfigsResource,
        incremental_alter_configs_response::AlterConfigsResourceResponse,
    },
};
use std::collections::HashMap;

const DELETE: i8 = 1;

pub(crate) async fn handle(
    context: Context,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut counts: HashMap<(i8, Str), usize> = HashMap::new();
    for resource in &request.resources {
        *counts.entry((resource.resource_type, resource.resource_name.clone())).or_default() += 1;
    }
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        let place = (resource.resource_type, resource.resource_name.clone());
        let count = counts.get(&place).copied().unwrap_or_default();
        let altered = match translate(&resource) {
            _ if count > 1 => Err((ErrorCode::InvalidRequest, "the request names the resource twice".to_owned())),
            Err(refused) => Err(refused),
            Ok(change) => {
                let (kind, name) = (resource.resource_type, &resource.resource_name);
                configs::alter(&context, kind, name, &change, request.validate_only).await
            }
        };
        let (error, message) = match altered {
            Ok(()) => (ErrorCode::None, None),
            Err((error, message)) => (error, Some(message.into())),
        };
        responses.push(AlterConfigsResourceResponse {
            error_code: error.code(),
            error_message: message,
            resource_type: resource.resource_type,
            resource_name: resource.resource_name,
        });
    }
    IncrementalAlterConfigsResponse { responses, ..IncrementalAlterConfigsResponse::default() }
}

fn translate(resource: &AlterConfigsResource) -> Result<AlterConfigs, (ErrorCode, String)> {
    let mut steps = Vec::with_capacity(resource.configs.len());
    for config in &resource.configs {
        if steps.iter().any(|(name, _, _)| *name == config.name) {
            return Err((ErrorCode::InvalidRequest, format!("`{}` is there more than once", config.name)));
        }
        if config.value.is_none() && config.config_operation != DELETE {
            return Err((ErrorCode::InvalidRequest, format!("`{}` needs a value", config.name)));
        }
        let operation = match config.config_operation {
            0 => ConfigOp::Set,
            DELETE => ConfigOp::Delete,
            2 => ConfigOp::Append,
            3 => ConfigOp::Subtract,
            other => {
                // What Kafka makes of an operation that it does not know.
                let is_unexpected = matches!(resource.resource_type, configs::TOPIC | configs::GROUP);
                let error = if is_unexpected { ErrorCode::UnknownServerError } else { ErrorCode::InvalidRequest };
                return Err((error, format!("operation {other} does not exist")));
            }
        };
        let of_topic = resource.resource_type == configs::TOPIC;
        let of_list = matches!(operation, ConfigOp::Append | ConfigOp::Subtract);
        if of_topic && of_list && find(TOPIC, &config.name).is_ok_and(|setting| setting.rule.kind() != ConfigKind::List)
        {
            return Err((ErrorCode::InvalidConfig, format!("`{}` is no list", config.name)));
        }
        steps.push((config.name.clone(), operation, config.value.clone()));
    }
    Ok(AlterConfigs::Incremental(steps))
}
