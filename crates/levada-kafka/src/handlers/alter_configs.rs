//! AlterConfigs · key 33 · versions 0–2
//!
//! - 2: flexible.
//! - What the request does not name goes back to its default.
//!
//! Source: KIP-133.

use crate::{call::Context, configs};
use levada_broker::config::AlterConfigs;
use levada_protocol::{
    ErrorCode,
    messages::{
        AlterConfigsRequest, AlterConfigsResponse, alter_configs_request::AlterableConfig,
        alter_configs_response::AlterConfigsResourceResponse,
    },
};
use std::collections::HashSet;

pub(crate) async fn handle(context: Context, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut responses = Vec::with_capacity(request.resources.len());
    for resource in request.resources {
        if let Some(refused) = odd(&resource.configs) {
            responses.push(AlterConfigsResourceResponse {
                error_code: ErrorCode::InvalidRequest.code(),
                error_message: Some(refused.into()),
                resource_type: resource.resource_type,
                resource_name: resource.resource_name,
            });
            continue;
        }
        let settings = resource.configs.into_iter().map(|config| (config.name, config.value));
        let change = AlterConfigs::Replace(settings.collect());
        let (kind, name) = (resource.resource_type, resource.resource_name);
        let altered = configs::alter(&context, kind, &name, &change, request.validate_only).await;
        let (error, message) = match altered {
            Ok(()) => (ErrorCode::None, None),
            Err((error, message)) => (error, Some(message.into())),
        };
        responses.push(AlterConfigsResourceResponse {
            error_code: error.code(),
            error_message: message,
            resource_type: kind,
            resource_name: name,
        });
    }
    AlterConfigsResponse { responses, ..AlterConfigsResponse::default() }
}

/// What is odd about the request itself, whatever the settings are.
fn odd(configs: &[AlterableConfig]) -> Option<&'static str> {
    let mut seen = HashSet::new();
    if configs.iter().any(|config| config.value.is_none()) {
        return Some("a setting without a value");
    }
    (!configs.iter().all(|config| seen.insert(&config.name))).then_some("a setting twice")
}
