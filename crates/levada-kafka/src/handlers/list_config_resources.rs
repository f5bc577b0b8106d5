//! ListConfigResources · key 74 · versions 0–1
//!
//! - 0: client metrics only. 1: resources of the types asked for, of all types where none is (KIP-1142).
//! - Topics, the broker, and groups with settings of their own; other types have no resources, which is what is
//!   answered.
//!
//! Source: KIP-1000, KIP-1142.

use crate::{call::Context, configs};
use levada_broker::auth::{op, res};
use levada_protocol::{
    ErrorCode,
    messages::{
        ListConfigResourcesRequest, ListConfigResourcesResponse, list_config_resources_response::ConfigResource,
    },
};

/// Types of resources that Kafka 4.3 can list: topics, brokers, their loggers, client metrics, groups.
const TYPES: [i8; 5] = [2, 4, 8, 16, 32];

pub(crate) async fn handle(context: Context, request: ListConfigResourcesRequest) -> ListConfigResourcesResponse {
    let refuse = |error: ErrorCode| ListConfigResourcesResponse {
        error_code: error.code(),
        ..ListConfigResourcesResponse::default()
    };
    if let Err(error) = context.ask_cluster::<op::DescribeConfigs>() {
        return refuse(error);
    }
    if context.version >= 1 && request.resource_types.iter().any(|kind| !TYPES.contains(kind)) {
        return refuse(ErrorCode::UnsupportedVersion);
    }
    let wants = |kind: i8| {
        context.version >= 1 && (request.resource_types.is_empty() || request.resource_types.contains(&kind))
    };
    let mut config_resources = Vec::new();
    if wants(configs::TOPIC) {
        let names = context.broker().topic_names();
        let seen = names.iter().filter(|name| context.ask::<op::DescribeConfigs, res::Topic>(name.as_shared()).is_ok());
        config_resources.extend(
            seen.map(|name| ConfigResource { resource_name: name.as_shared().clone(), resource_type: configs::TOPIC }),
        );
    }
    if wants(configs::BROKER) {
        let resource_name = context.broker().cluster().node_id.to_string().into();
        config_resources.push(ConfigResource { resource_name, resource_type: configs::BROKER });
    }
    if wants(configs::BROKER_LOGGER) {
        let resource_name = context.broker().cluster().node_id.to_string().into();
        config_resources.push(ConfigResource { resource_name, resource_type: configs::BROKER_LOGGER });
    }
    if wants(configs::GROUP) {
        let names = context.broker().configured_groups().into_iter();
        let seen = names.filter(|name| context.ask::<op::DescribeConfigs, res::Group>(name).is_ok());
        config_resources
            .extend(seen.map(|resource_name| ConfigResource { resource_name, resource_type: configs::GROUP }));
    }
    ListConfigResourcesResponse { config_resources, ..ListConfigResourcesResponse::default() }
}
