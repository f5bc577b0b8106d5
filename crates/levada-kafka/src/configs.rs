//! Settings as the wire numbers them: kinds of resources, sources of values, types.

use crate::{call::Context, errors};
use levada_broker::{
    ValidateOnly,
    auth::{op, res},
    config::{AlterConfigs, ConfigKind, ConfigSource},
};
use levada_model::{Str, TopicName};
use levada_protocol::ErrorCode;

/// A topic's settings.
pub(crate) const TOPIC: i8 = 2;
/// A broker's settings.
pub(crate) const BROKER: i8 = 4;
/// The levels at which a broker logs.
pub(crate) const BROKER_LOGGER: i8 = 8;
/// What clients are asked to measure.
pub(crate) const CLIENT_METRICS: i8 = 16;

/// A group's settings.
pub(crate) const GROUP: i8 = 32;

/// Kafka's number of a value's source.
pub(crate) const fn source(source: ConfigSource) -> i8 {
    match source {
        ConfigSource::DynamicTopic => 1,
        ConfigSource::DynamicBroker => 2,
        ConfigSource::StaticBroker => 4,
        ConfigSource::Default => 5,
        ConfigSource::DynamicGroup => 8,
    }
}

/// Kafka's number of a setting's type.
pub(crate) const fn kind(kind: ConfigKind) -> i8 {
    match kind {
        ConfigKind::Boolean => 1,
        ConfigKind::String => 2,
        ConfigKind::Int => 3,
        ConfigKind::Long => 5,
        ConfigKind::Double => 6,
        ConfigKind::List => 7,
    }
}

/// Whether `name` is this broker's: its number, or empty for what all brokers share.
pub(crate) fn check_broker(context: &Context, name: &Str) -> Result<(), (ErrorCode, String)> {
    let node_id = context.broker().cluster().node_id;
    if name.is_empty() || name.parse() == Ok(node_id) {
        return Ok(());
    }
    Err((ErrorCode::InvalidRequest, format!("there is one broker, {node_id}")))
}

/// Whether a topic can have this name.
pub(crate) fn check_topic(name: &Str) -> Result<(), (ErrorCode, String)> {
    TopicName::new(name).map(drop).map_err(|error| (ErrorCode::InvalidTopicException, error.to_string()))
}

/// Whether there can be settings of a group of this name.
pub(crate) fn check_group(name: &Str) -> Result<(), (ErrorCode, String)> {
    if name.is_empty() { Err((ErrorCode::InvalidRequest, "the group has no name".to_owned())) } else { Ok(()) }
}

/// Changes the settings of a topic, of the broker or of a group.
pub(crate) async fn alter(
    context: &Context,
    resource_type: i8,
    name: &Str,
    change: &AlterConfigs,
    validate_only: bool,
) -> Result<(), (ErrorCode, String)> {
    let denied = |error: ErrorCode| (error, "may not alter the settings".to_owned());
    let validate_only = if validate_only { ValidateOnly::Yes } else { ValidateOnly::No };
    let altered = match resource_type {
        TOPIC => {
            if name.is_empty() {
                return Err((ErrorCode::InvalidRequest, "the topic has no name".to_owned()));
            }
            check_topic(name)?;
            let grant = context.ask::<op::AlterConfigs, res::Topic>(name).map_err(denied)?;
            context.broker().alter_topic_configs(&grant, change, validate_only).await
        }
        BROKER => {
            check_broker(context, name)?;
            let grant = context.ask_cluster().map_err(denied)?;
            context.broker().alter_broker_configs(&grant, change, validate_only).await
        }
        GROUP => {
            check_group(name)?;
            let grant = context.ask::<op::AlterConfigs, res::Group>(name).map_err(denied)?;
            context.broker().alter_group_configs(&grant, change, validate_only).await
        }
        other => {
            return Err((ErrorCode::InvalidRequest, format!("resources of type {other} have no settings here")));
        }
    };
    altered.map_err(|error| (errors::alter_configs(&error), error.to_string()))
}
