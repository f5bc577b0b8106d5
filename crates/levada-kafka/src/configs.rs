//! Settings as the wire numbers them: kinds of resources, sources of values, types.

use levada_broker::config::{ConfigKind, ConfigSource};

/// A topic's settings.
pub(crate) const TOPIC: i8 = 2;
/// A broker's settings.
pub(crate) const BROKER: i8 = 4;

/// Kafka's number of a value's source.
pub(crate) const fn source(source: ConfigSource) -> i8 {
    match source {
        ConfigSource::DynamicTopic => 1,
        ConfigSource::DynamicBroker => 2,
        ConfigSource::StaticBroker => 4,
        ConfigSource::Default => 5,
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
